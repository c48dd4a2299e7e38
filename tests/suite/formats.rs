//! Every list format against what WP-CLI printed.
//!
//! `tests/vectors/format_*.json` holds generated lists (awkward text, nested arrays, missing fields) and
//! what the real `WP_CLI\Formatter` of the 3.x line, with Spyc and php-cli-tools, made of them under PHP
//! 8.2 with mbstring and without intl. `shown` is what went to which stream, in order. `frame` was
//! recorded with framed tables and colour on, `frame_no_color` on a terminal with `--no-color`, all
//! others in a pipe.

use std::borrow::Cow;
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

use serde_json::Value as Json;
use wp_app_password::output::{
    Format, Item, Key, Output, Request, RowStream, Terminal, Value, display_items,
};

/// Text, or `{"hex": …}` where it is not UTF-8.
fn bytes(json: &Json) -> Vec<u8> {
    match json {
        Json::String(text) => text.clone().into_bytes(),
        other => {
            let digits = other["hex"].as_str().expect("text or hex");
            let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
            (0..digits.len()).step_by(2).map(byte).collect()
        }
    }
}

fn value(json: &Json) -> Value<'static> {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => Value::Int(number.as_i64().expect("an integer")),
        Json::Object(object) if object.contains_key("float") => {
            Value::Float(object["float"].as_str().and_then(|text| text.parse().ok()).expect("a float"))
        }
        Json::Object(object) if object.contains_key("array") => {
            let entry = |pair: &Json| {
                let key = match &pair[0] {
                    Json::Number(number) => Key::Int(number.as_i64().expect("an integer")),
                    text => Key::Text(Cow::Owned(bytes(text))),
                };
                (key, value(&pair[1]))
            };
            Value::Map(object["array"].as_array().expect("entries").iter().map(entry).collect())
        }
        text => Value::Text(Cow::Owned(bytes(text))),
    }
}

struct Row(Vec<(Vec<u8>, Value<'static>)>);

impl Item for Row {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        self.0.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value.clone())
    }
}

/// What went to which stream, in order.
type Shown = Vec<(&'static str, Vec<u8>)>;

struct Recorder(&'static str, Rc<RefCell<Shown>>);

impl Write for Recorder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut shown = self.1.borrow_mut();
        match shown.last_mut() {
            Some((stream, text)) if *stream == self.0 && *stream == "out" => text.extend_from_slice(bytes),
            _ => shown.push((self.0, bytes.to_vec())),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Vector {
    request: Request,
    terminal: Terminal,
    items: Vec<Row>,
    shown: Shown,
}

fn vectors(name: &str) -> Vec<Vector> {
    let path = format!("{}/tests/vectors/format_{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect("recorded vectors");
    let read = |vector: &Json| {
        let text = |key: &str| (!vector[key].is_null()).then(|| bytes(&vector[key]));
        let default: Vec<&str> =
            vector["default"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let format = Format::from_name(vector["format"].as_str().unwrap()).unwrap();
        let row = |item: &Json| {
            Row(item.as_array().unwrap().iter().map(|pair| (bytes(&pair[0]), value(&pair[1]))).collect())
        };
        let step = |step: &Json| match step.get("out") {
            Some(text) => ("out", bytes(text)),
            None => ("err", bytes(&step["err"])),
        };
        Vector {
            request: Request::new(format, text("field").as_deref(), text("fields").as_deref(), &default),
            terminal: Terminal {
                stdout_is_terminal: name == "frame_no_color",
                stderr_is_terminal: false,
                piped: !name.starts_with("frame"),
                columns: vector["columns"].as_i64().unwrap(),
                color: name == "frame",
            },
            items: vector["items"].as_array().unwrap().iter().map(row).collect(),
            shown: vector["shown"].as_array().unwrap().iter().map(step).collect(),
        }
    };
    let vectors: Json = serde_json::from_str(&text).expect("a list of vectors");
    vectors.as_array().unwrap().iter().map(read).collect()
}

fn show(terminal: &Terminal, print: impl FnOnce(&mut Output<'_>) -> io::Result<()>) -> Shown {
    let shown = Rc::new(RefCell::new(Shown::new()));
    let mut out =
        Output::new(Recorder("out", shown.clone()), Recorder("err", shown.clone()), terminal.clone());
    print(&mut out).unwrap();
    out.flush().unwrap();
    drop(out);
    Rc::into_inner(shown).unwrap().into_inner()
}

fn readable(shown: &Shown) -> Vec<String> {
    shown.iter().map(|(stream, text)| format!("{stream}: {}", text.escape_ascii())).collect()
}

#[test]
fn lists_are_what_wp_cli_prints() {
    let names = ["table", "csv", "json", "yaml", "count", "ids", "frame", "frame_no_color"];
    for name in names {
        let vectors = vectors(name);
        assert!(vectors.len() >= 40, "only {} vectors for {name}", vectors.len());
        for (at, vector) in vectors.iter().enumerate() {
            let shown =
                show(&vector.terminal, |out| display_items(out, &vector.request, vector.items.as_slice()));
            assert_eq!(readable(&shown), readable(&vector.shown), "{name} {at}: {:?}", vector.request);
        }
    }
}

/// A stream knows no later items: it finds a field only under its own name, and warns at the end.
#[test]
fn streams_print_the_same_rows() {
    for name in ["table", "csv", "json", "yaml", "count", "ids", "frame"] {
        let mut compared = 0;
        for vector in vectors(name) {
            if vector.request.field.is_some()
                || vector.shown.iter().any(|(stream, _)| *stream == "err")
                || vector
                    .items
                    .iter()
                    .any(|item| item.field("_name").is_some() || item.field("_foo").is_some())
            {
                continue;
            }
            let shown = show(&vector.terminal, |out| {
                let mut stream = RowStream::begin(out, &vector.request, &[])?;
                vector.items.iter().try_for_each(|item| stream.row(out, item))?;
                stream.end(out)
            });
            assert_eq!(readable(&shown), readable(&vector.shown), "{name}: {:?}", vector.request);
            compared += 1;
        }
        assert!(compared >= 10, "only {compared} compared for {name}");
    }
}

#[test]
fn a_terminal_shows_control_and_bidi_characters_escaped() {
    let row = Row(vec![(b"name".to_vec(), Value::text("evil\u{202e}\x1b[2J"))]);
    let terminal = Terminal { stdout_is_terminal: true, piped: false, ..Terminal::default() };
    for (format, expected) in [
        (Format::Csv, "name\nevil\\u{202e}\\x1b[2J\n"),
        (Format::Json, "[{\"name\":\"evil\\u202e\\u001b[2J\"}]"),
        (
            Format::Table,
            "+---------------------+\n| name                |\n+---------------------+\n\
             | evil\\u{202e}\\x1b[2J |\n+---------------------+\n",
        ),
    ] {
        let request = Request::new(format, None, None, &["name"]);
        let shown = show(&terminal, |out| display_items(out, &request, &[&row]));
        assert_eq!(readable(&shown), readable(&vec![("out", expected.as_bytes().to_vec())]));
    }
    let field = Request::new(Format::Table, Some(b"name"), None, &[]);
    let shown = show(&terminal, |out| display_items(out, &field, &[&row]));
    assert_eq!(shown[0].1, b"evil\\u{202e}\\x1b[2J\n");
    let piped = show(&Terminal::default(), |out| display_items(out, &field, &[&row]));
    assert_eq!(piped[0].1, "evil\u{202e}\x1b[2J\n".as_bytes());
}

#[test]
fn an_empty_fields_argument_asks_for_one_field_without_a_name() {
    let row = Row(vec![(b"name".to_vec(), Value::text("x"))]);
    let request = Request::new(Format::Csv, Some(b""), Some(b""), &["name"]);
    let shown = show(&Terminal::default(), |out| display_items(out, &request, &[&row]));
    assert_eq!(readable(&shown), ["err: Warning: Field not found in any item: .\\n", "out: \\n\\n"]);
}
