//! YAML as Spyc's `YAMLDump( $array, 2, 0 )` writes it.
//!
//! Mirrors `Spyc::_yamlize()`, `_dumpNode()` and `_doLiteralBlock()` of WP-CLI's fork. No crate writes
//! this dialect: a dash alone on its line, numbers in double quotes, reserved words in single ones.

use std::borrow::Cow;

use super::json::is_list;
use super::scalar::{
    any, append_integer, append_string, float_string, is_numeric, trim, trim_end, zero_if_control, zero_if_in,
};
use super::{Key, Value};

/// WP-CLI: Spyc marks "has children" by this string; a value that happens to be the same shows as nothing.
const HAS_CHILDREN: &[u8] = b"\0\0\0\0\0";

/// Blanks per level.
const INDENT: usize = 2;

/// Appends a whole document of one value, as Spyc shows it: nothing below the dashes when PHP takes it
/// for empty, a list of one when it is no array.
pub(super) fn append_document(value: &Value<'_>, into: &mut Vec<u8>) {
    into.extend_from_slice(b"---\n");
    let empty = match value {
        Value::Null | Value::Bool(false) | Value::Int(0) => true,
        Value::Float(number) => *number == 0.0,
        Value::Text(text) => matches!(&**text, b"" | b"0"),
        Value::Map(entries) => entries.is_empty(),
        Value::Bool(true) | Value::Int(_) => false,
    };
    match value {
        _ if empty => {}
        Value::Map(entries) => append_entries(entries, 0, into),
        _ => append_node(None, value, 0, into),
    }
}

/// Appends the entries of an array that stands `indent` blanks deep.
pub(super) fn append_entries(entries: &[(Key<'_>, Value<'_>)], indent: usize, into: &mut Vec<u8>) {
    let list = is_list(entries);
    for (key, value) in entries {
        let mut number = Vec::new();
        let key: &[u8] = match key {
            Key::Int(key) => {
                append_integer(*key, &mut number);
                &number
            }
            Key::Text(key) => key,
        };
        append_node((!list).then_some(key), value, indent, into);
    }
}

/// Appends one entry: `key: value`, or `- value` in a list, and what is below it.
pub(super) fn append_node(key: Option<&[u8]>, value: &Value<'_>, indent: usize, into: &mut Vec<u8>) {
    let start = into.len();
    append_key(key, indent, into);
    append_value(start, key.is_some(), value, indent, into);
}

/// Appends what stands before the value of an entry: see [`append_node`].
pub(super) fn append_key(key: Option<&[u8]>, indent: usize, into: &mut Vec<u8>) {
    into.resize(into.len() + indent, b' ');
    match key {
        None => into.extend_from_slice(b"- "),
        Some(key) => {
            let quoted = key.iter().any(|byte| matches!(byte, b':' | b'#'));
            if quoted {
                into.push(b'"');
            }
            into.extend_from_slice(key);
            if quoted {
                into.push(b'"');
            }
            into.extend_from_slice(b": ");
        }
    }
}

/// Appends the value of an entry whose key was appended at `start`, and what is below it.
pub(super) fn append_value(start: usize, keyed: bool, value: &Value<'_>, indent: usize, into: &mut Vec<u8>) {
    match value {
        Value::Map(entries) if entries.is_empty() => into.extend_from_slice(b"[ ]"),
        Value::Map(_) => {}
        _ => append_scalar(value, indent, into),
    }
    if keyed {
        // WP-CLI: Spyc strips the end of a line that has a key, line breaks of the value included.
        let end = start + trim_end(into.get(start..).unwrap_or_default()).len();
        into.truncate(end);
    }
    into.push(b'\n');
    if let Value::Map(entries) = value {
        append_entries(entries, indent + INDENT, into);
    }
}

fn append_scalar(value: &Value<'_>, indent: usize, into: &mut Vec<u8>) {
    match value {
        Value::Null => into.extend_from_slice(b"null"),
        Value::Bool(true) => into.extend_from_slice(b"true"),
        Value::Bool(false) => into.extend_from_slice(b"false"),
        Value::Float(number) => {
            let text = float_string(*number);
            // WP-CLI: Spyc compares the trimmed text with the number, so a float that its text does
            // not hold exactly is quoted.
            let same = number.is_infinite() || text.parse() == Ok(*number);
            into.extend_from_slice(if same { text } else { format!("'{text}'") }.as_bytes());
        }
        Value::Text(text) => append_text(text, indent, into),
        Value::Int(_) | Value::Map(_) => append_string(value, into),
    }
}

fn append_text(text: &[u8], indent: usize, into: &mut Vec<u8>) {
    if text.is_empty() {
        into.extend_from_slice(b"\"\"");
        return;
    }
    if is_plain(text) {
        into.extend_from_slice(text);
        return;
    }
    let mut value = Cow::Borrowed(text);
    if needs_block(text) {
        value = Cow::Owned(literal_block(text, indent));
    } else if is_numeric(text) {
        value = Cow::Owned([b"\"", text, b"\""].concat());
    }
    if is_reserved_word(&value) {
        value = Cow::Owned(literal_block(&value, indent));
    }
    if trim(&value).len() != value.len() {
        value = Cow::Owned(literal_block(&value, indent));
    }
    if value.strip_prefix(b"'").and_then(|rest| rest.strip_suffix(b"'")) != Some(HAS_CHILDREN) {
        into.extend_from_slice(&value);
    }
}

/// What makes Spyc hand a text to its literal block wherever it stands.
const BLOCK: &[u8; 12] = b"\n*#<>%[]{}&'";

/// What takes a text out of the common case: this, and all control characters.
const ODD: &[u8; 13] = b"*#<>%[]{}&':!";

/// The common case, told cheaply: nothing special in it, too long for a reserved word, and no number.
fn is_plain(text: &[u8]) -> bool {
    let blank_at_end = text.first() == Some(&b' ') || text.last() == Some(&b' ');
    // A blank inside matters only behind a dash or another blank.
    let pairs = || text.windows(2).any(|pair| matches!(pair, b"- " | b"  "));
    text.len() > 5
        && !any(text, |byte| zero_if_in(byte, ODD).min(zero_if_control(byte)))
        && !blank_at_end
        && !is_numeric(text)
        && (!any(text, |byte| zero_if_in(byte, b" ")) || !pairs())
}

/// Whether Spyc hands the text to its literal block.
fn needs_block(text: &[u8]) -> bool {
    any(text, |byte| zero_if_in(byte, BLOCK))
        || text.first() == Some(&b'!')
        || text.last() == Some(&b':')
        || text.windows(2).any(|pair| matches!(pair, b": " | b"- " | b"  "))
}

/// Spyc's words for true, false and null: lower, UPPER and Capitalised.
fn is_reserved_word(text: &[u8]) -> bool {
    let rest = text.get(1..).unwrap_or_default();
    // Upper or lower throughout; the first letter may differ upwards.
    let cased = text.iter().all(|byte| !byte.is_ascii_uppercase())
        || text.iter().all(|byte| !byte.is_ascii_lowercase())
        || rest.iter().all(|byte| !byte.is_ascii_uppercase());
    cased
        && [&b"true"[..], b"on", b"yes", b"y", b"false", b"off", b"no", b"n", b"null", b"~"]
            .iter()
            .any(|word| text.eq_ignore_ascii_case(word))
}

/// Spyc's `_doLiteralBlock()`: single quotes, else double quotes, else a `|` block with every line
/// trimmed and stripped of quotes around it.
fn literal_block(text: &[u8], indent: usize) -> Vec<u8> {
    if text == b"\n" {
        return b"\\n".to_vec();
    }
    let has = |wanted: u8| text.contains(&wanted);
    if !has(b'\n') && !has(b'\'') {
        return [b"'", text, b"'"].concat();
    }
    if !has(b'\n') && !has(b'"') {
        return [b"\"", text, b"\""].concat();
    }
    let mut lines = text.split(|byte| *byte == b'\n').peekable();
    let mut block = b"|".to_vec();
    // WP-CLI: Spyc takes a first line that looks like the head of a block for one.
    if let Some(head) = lines.next_if(|line| matches!(*line, b"|" | b"|-" | b">")) {
        block = head.to_vec();
    }
    let blanks = " ".repeat(indent + INDENT);
    for line in lines {
        let mut line = trim(line);
        for quote in [b'"', b'\''] {
            // A line that is one quote loses it: its first is its last.
            if line.first() == Some(&quote) && line.last() == Some(&quote) {
                line = line.get(1..line.len().saturating_sub(1)).unwrap_or_default();
                break;
            }
        }
        block.push(b'\n');
        block.extend_from_slice(blanks.as_bytes());
        block.extend_from_slice(line);
    }
    block
}
