//! Serialized values against PHP itself, and properties that hold for any bytes.
//!
//! PHP is the oracle: `tests/php/serialize_oracle.php` makes random values and edits them, and says which
//! strings it accepts. Where there is no PHP these tests say aloud that they were skipped.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use proptest::prelude::*;
use wp_app_password::wordpress::php_serialize::{Document, EditError, Key, MAX_DEPTH, NodeId, Scalar, View};

use crate::oracle;

fn oracle(arguments: &[&str], input: String) -> Option<String> {
    oracle::ask("serialize_oracle.php", "serialized values were", arguments, input)
}

fn decode(text: &str) -> Vec<u8> {
    BASE64.decode(text).unwrap()
}

fn decode_key(text: &str) -> Option<Key<'static>> {
    let bytes = decode(text);
    match bytes.split_first()? {
        (b'i', number) => Some(Key::Int(std::str::from_utf8(number).unwrap().parse().unwrap())),
        (_, text) => Some(Key::Str(Cow::Owned(text.to_vec()))),
    }
}

#[derive(Debug)]
enum Refusal {
    Occupied,
    Edit(EditError),
}

fn apply(document: &mut Document, fields: &[&str]) -> Result<(), Refusal> {
    let [operation, key, inner, value, ..] = fields else { panic!("{fields:?}") };
    let root = document.root();
    let key = decode_key(key).unwrap();
    let value = Document::parse(decode(value)).unwrap();
    let value = value.view(value.root());
    let value = match &value {
        View::Null => Scalar::Null,
        View::Bool(value) => Scalar::Bool(*value),
        View::Int(value) => Scalar::Int(*value),
        View::Str(value) => Scalar::Str(value),
        other => panic!("{other:?}"),
    };
    let done = match *operation {
        "unset" => document.remove(root, key),
        "push" => match document.next_index(root) {
            Some(index) => document.set(root, Key::Int(index), value),
            None => return Err(Refusal::Occupied),
        },
        "set" => document.set(root, key, value),
        "nest" => document.push_array(root, key).and_then(|id| document.set(id, Key::from("name"), value)),
        "clear" => document.clear(root),
        "inner-set" | "inner-unset" => {
            let array = document.get_key(root, &key).unwrap();
            let inner = decode_key(inner).unwrap();
            if *operation == "inner-set" {
                document.set(array, inner, value)
            } else {
                document.remove(array, inner)
            }
        }
        _ => return Ok(()),
    };
    done.map_err(Refusal::Edit)
}

#[test]
fn edits_give_the_bytes_that_php_gives() {
    let Some(cases) = oracle(&["edits", "20201208", "6000"], String::new()) else { return };
    let (mut equal, mut with_references, mut refused, mut different) = (0, 0, 0, 0);
    for line in cases.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (before, after) = (decode(fields[4]), decode(fields[5]));
        let mut document = Document::parse(before.clone())
            .unwrap_or_else(|error| panic!("{error}: {}", before.escape_ascii()));
        assert_eq!(document.to_bytes(), before);
        if before.windows(3).any(|w| matches!(w, b";R:" | b";r:")) {
            with_references += 1;
        }
        match apply(&mut document, &fields) {
            Ok(()) if document.to_bytes() == after => equal += 1,
            Ok(()) => {
                different += 1;
                eprintln!(
                    "{} {:?} {:?}\n before {}\n    php {}\n   ours {}",
                    fields[0],
                    decode(fields[1]).escape_ascii().to_string(),
                    decode(fields[2]).escape_ascii().to_string(),
                    before.escape_ascii(),
                    after.escape_ascii(),
                    document.to_bytes().escape_ascii()
                );
            }
            Err(Refusal::Occupied) => {
                assert_eq!(after, b"error", "{}", before.escape_ascii());
                equal += 1;
            }
            Err(Refusal::Edit(error)) => {
                // Of the two steps of "nest" the first may have been made.
                let unchanged = fields[0] == "nest" || document.to_bytes() == before;
                assert!(unchanged, "a refused edit changes nothing: {}", before.escape_ascii());
                assert_eq!(error, EditError::OpaqueReferences);
                refused += 1;
            }
        }
    }
    eprintln!(
        "PHP edits: {equal} equal, {different} different, {refused} refused; {with_references} had references"
    );
    assert_eq!(different, 0);
    assert!(equal > 5000 && with_references > 1000, "the oracle made too few cases");
}

/// A description of a value that the oracle makes in the same way: types, keys, order, casts.
fn dump(document: &Document, id: NodeId, depth: usize, budget: &mut i32, out: &mut String) {
    *budget -= 1;
    if *budget < 0 || depth > 7 {
        out.push('.');
        return;
    }
    let hex = |out: &mut String, bytes: &[u8]| bytes.iter().for_each(|b| write!(out, "{b:02x}").unwrap());
    let view = document.view(id);
    match &view {
        View::Null => out.push('N'),
        View::Bool(value) => out.push(if *value { 'T' } else { 'F' }),
        View::Int(value) => write!(out, "i{value}").unwrap(),
        View::Float(value) if value.is_nan() => out.push_str("fnan"),
        View::Float(value) => {
            out.push('f');
            hex(out, &value.to_be_bytes());
        }
        View::Str(value) => {
            out.push('s');
            hex(out, value);
        }
        View::Enum(name) => {
            out.push('E');
            hex(out, name);
            out.push(';');
        }
        View::Array | View::Object { .. } => {
            match &view {
                View::Object { class } => {
                    out.push('O');
                    // PHP: names of classes have no case; it gives a known one its own.
                    hex(out, &class.to_ascii_lowercase());
                    out.push('{');
                }
                _ => out.push('['),
            }
            for (key, value) in document.entries(id) {
                if *budget < 0 {
                    break;
                }
                match key {
                    Key::Int(number) => write!(out, "{number}").unwrap(),
                    Key::Str(text) => hex(out, &text),
                }
                out.push('=');
                dump(document, value, depth + 1, budget, out);
            }
            out.push(if view == View::Array { ']' } else { '}' });
        }
        View::Custom { .. } | View::Unresolved => out.push('?'),
    }
    if let Some(number) = view.to_int() {
        write!(out, ",{number},{};", i32::from(view.is_truthy())).unwrap();
    }
}

/// A small generator of its own, so that a failing case can be repeated by its number.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % sides
    }
}

/// Whole values and pieces, well-formed and not: what strings are made of.
const PIECES: &[&[u8]] = &[
    b"N;",
    b"b:0;",
    b"b:1;",
    b"b:2;",
    b"i:0;",
    b"i:00;",
    b"i:+5;",
    b"i:-5;",
    b"i:-0;",
    b"i:;",
    b"i:99999999999999999999;",
    b"i:-9223372036854775808;",
    b"i:1.5;",
    b"d:0.5;",
    b"d:.5;",
    b"d:5.;",
    b"d:.;",
    b"d:1e5;",
    b"d:+1E-5;",
    b"d:1e;",
    b"d:NAN;",
    b"d:INF;",
    b"d:-INF;",
    b"d:+INF;",
    b"d:1e400;",
    b"d:-1e19;",
    b"d:12345678901234567890;",
    b"d:-0;",
    b"s:0:\"\";",
    b"s:1:\"a\";",
    b"s:01:\"a\";",
    b"s:+1:\"a\";",
    b"s:1:\"5\";",
    b"s:2:\"-5\";",
    b"s:2:\"-0\";",
    b"s:20:\"-9223372036854775808\";",
    b"s:19:\"9223372036854775808\";",
    b"s:2:\"a\";",
    b"s:3:\"\";\"\";",
    b"s:1:\"a\"",
    b"s:5:\"12abc\";",
    b"s:5:\" 1e3x\";",
    b"s:4:\"-.5e\";",
    b"s:6:\"1e1000\";",
    b"s:20:\"99999999999999999999\";",
    b"s:18446744073709551617:\"a\";",
    b"S:1:\"\\61\";",
    b"S:1:\"\\6g\";",
    b"S:2:\"a\\4A\";",
    b"S:1:\"\\35\";",
    b"S:1:\"a\";",
    b"a:0:{}",
    b"a:1:{i:0;N;}",
    b"a:01:{i:0;N;}",
    b"a:+1:{i:0;N;}",
    b"a:1:{}",
    b"a:0:{N;}",
    b"a:-1:{}",
    b"a:1:{N;N;}",
    b"a:2:{i:0;i:1;i:0;i:2;}",
    b"a:2:{s:1:\"5\";i:1;i:5;i:2;}",
    b"a:2:{i:0;i:5;i:1;R:2;}",
    b"a:3:{i:0;i:5;i:0;i:7;i:1;R:2;}",
    b"a:3:{i:0;i:5;i:1;R:2;i:0;i:7;}",
    b"a:2:{i:0;i:1;i:0;R:2;}",
    b"a:999999999:{",
    b"a:18446744073709551616:{}",
    b"O:8:\"stdClass\":0:{}",
    b"O:8:\"stdClass\"::{}",
    b"O:8:\"stdClass\":+0:{}",
    b"O:8:\"stdClass\":1:{s:1:\"a\";i:1;}",
    b"O:8:\"stdClass\":2:{s:1:\"5\";i:1;i:5;i:2;}",
    b"O:8:\"stdClass\":3:{s:1:\"a\";i:5;s:1:\"a\";i:7;s:1:\"b\";R:2;}",
    b"O:7:\"Unknown\":1:{s:4:\"\0*\0a\";R:1;}",
    b"O:3:\"No!\":0:{}",
    b"O:0:\"\":0:{}",
    b"O:4:\"A\\B_\":0:{}",
    b"O:2:\"\xc3\xa9\":0:{}",
    b"O:2:\"a\x7f\":0:{}",
    b"E:11:\"Suit:Hearts\";",
    b"E:4:\"Suit\";",
    b"E:5:\":Case\";",
    b"E:12:\"\\Suit:Hearts\";",
    b"O:2:\"\\A\":0:{}",
    b"R:1;",
    b"R:2;",
    b"R:3;",
    b"R:0;",
    b"R:02;",
    b"r:1;",
    b"r:2;",
    b"r:3;",
    b"r:4;",
    b"r:0;",
    b"r:-1;",
    b"R:9;",
    b"R:18446744073709551617;",
    b"}",
    b"{",
    b";",
    b":",
    b"\"",
    b"x",
    b"\0",
    b" ",
    b"o:1:\"a\":0:{}",
    b"-",
    b"1",
    b"0",
];

/// An array or object around random pieces whose count is mostly right, then a few changed bytes.
fn string(dice: &mut Dice, depth: usize) -> Vec<u8> {
    if depth > 3 || dice.roll(4) == 0 {
        return PIECES[dice.roll(PIECES.len())].to_vec();
    }
    let object = dice.roll(3) == 0;
    let entries = dice.roll(5);
    let claimed = if dice.roll(25) == 0 { dice.roll(6) } else { entries };
    let mut out = if object { b"O:8:\"stdClass\":".to_vec() } else { b"a:".to_vec() };
    out.extend_from_slice(format!("{claimed}:{{").as_bytes());
    for _ in 0..entries {
        let key = match dice.roll(12) {
            0 => PIECES[dice.roll(PIECES.len())].to_vec(),
            1 => b"s:1:\"a\";".to_vec(),
            2 => b"s:1:\"0\";".to_vec(),
            3 => b"S:1:\"\\61\";".to_vec(),
            _ => format!("i:{};", dice.roll(4)).into_bytes(),
        };
        out.extend_from_slice(&key);
        match dice.roll(6) {
            0 => out.extend_from_slice(format!("R:{};", 1 + dice.roll(6)).as_bytes()),
            1 => out.extend_from_slice(format!("r:{};", 1 + dice.roll(6)).as_bytes()),
            _ => out.extend_from_slice(&valid_or_nested(dice, depth + 1)),
        }
    }
    out.push(b'}');
    out
}

fn valid_or_nested(dice: &mut Dice, depth: usize) -> Vec<u8> {
    if dice.roll(2) == 0 {
        return string(dice, depth);
    }
    loop {
        let piece = PIECES[dice.roll(PIECES.len())];
        if Document::parse(piece.to_vec()).is_ok() {
            return piece.to_vec();
        }
    }
}

/// What a changed byte becomes: something that matters to the format.
const ALPHABET: &[u8] = b"0123456789:;{}\"aOsSirRbdNE+-.\\\0\xff";

fn mutate(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..dice.roll(3) {
        let at = dice.roll(bytes.len().max(1)).min(bytes.len());
        match dice.roll(5) {
            0 if at < bytes.len() => bytes[at] = ALPHABET[dice.roll(ALPHABET.len())],
            1 if at < bytes.len() => {
                bytes.remove(at);
            }
            2 => bytes.insert(at, ALPHABET[dice.roll(ALPHABET.len())]),
            3 => bytes.truncate(at),
            _ => {
                let piece = PIECES[dice.roll(PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
}

/// Why ours and PHP's verdict on a string may differ.
fn deliberate(
    bytes: &[u8],
    ours: &Result<Document, wp_app_password::wordpress::php_serialize::ParseError>,
) -> Option<&'static str> {
    let has = |needle: &[u8]| bytes.windows(needle.len()).any(|w| w == needle);
    match ours {
        // Which classes and cases exist is a matter of the plugins that a request loads.
        Ok(_) if has(b"E:") => Some("an enum that this PHP does not know"),
        Ok(_) if has(b"C:") => Some("a C: object of a class that this PHP does not know"),
        // PHP falls back to reading an unknown class's C: as properties, 0 of which are always there.
        Err(_) if has(b"C:") => Some("a C: object of a class that this PHP does not know"),
        _ => None,
    }
}

#[test]
fn php_accepts_what_we_accept_and_sees_the_same() {
    let mut dice = Dice(20_201_208);
    let mut strings: Vec<Vec<u8>> = PIECES.iter().map(|piece| piece.to_vec()).collect();
    while strings.len() < 40_000 {
        let mut bytes = string(&mut dice, 0);
        if dice.roll(2) == 0 {
            mutate(&mut dice, &mut bytes);
        }
        strings.push(bytes);
    }
    for depth in [513, MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1] {
        for innermost in [&b"a:0:{}"[..], b"a:1:{i:0;N;}", b"O:8:\"stdClass\":0:{}"] {
            let (open, close) = (b"a:1:{i:0;".repeat(depth - 1), b"}".repeat(depth - 1));
            strings.push([open, innermost.to_vec(), close].concat());
        }
    }
    let input: String = strings.iter().map(|bytes| BASE64.encode(bytes) + "\n").collect();
    let Some(answers) = oracle(&["read"], input) else { return };
    let (mut accepted, mut refused, mut allowed, mut wrong) = (0, 0, 0, 0);
    assert_eq!(answers.lines().count(), strings.len());
    for (bytes, answer) in strings.iter().zip(answers.lines()) {
        let ours = Document::parse(bytes.clone());
        let verdict = match (&ours, answer.strip_prefix("1 ")) {
            (Ok(document), Some(theirs)) => {
                accepted += 1;
                assert_eq!(document.to_bytes(), *bytes);
                let mut description = String::new();
                dump(document, document.root(), 0, &mut 400, &mut description);
                if description == theirs {
                    continue;
                }
                format!("sees {description}\n php sees {theirs}")
            }
            (Err(_), None) => {
                refused += 1;
                continue;
            }
            (Ok(_), None) => "accepted".to_owned(),
            (Err(error), Some(_)) => format!("refused: {error}"),
        };
        if deliberate(bytes, &ours).is_some() {
            allowed += 1;
        } else {
            wrong += 1;
            if wrong < 20 {
                eprintln!("{}\n ours {verdict}", bytes.escape_ascii());
            }
        }
    }
    eprintln!(
        "PHP reads: {accepted} accepted by both, {refused} refused by both, {allowed} deliberate differences, {wrong} wrong"
    );
    assert_eq!(wrong, 0);
    assert!(accepted > 5000 && refused > 5000, "too few cases of one kind");
}

/// A tree to be written in PHP's way.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(Vec<u8>),
    Array(Vec<(Vec<u8>, Tree)>),
    Object(Vec<(Vec<u8>, Tree)>),
}

fn string_token(text: &[u8]) -> Vec<u8> {
    [format!("s:{}:\"", text.len()).as_bytes(), text, b"\";"].concat()
}

impl Tree {
    fn write(&self, out: &mut Vec<u8>) {
        let entries = match self {
            Tree::Leaf(token) => return out.extend_from_slice(token),
            Tree::Array(entries) => {
                out.extend_from_slice(format!("a:{}:{{", entries.len()).as_bytes());
                entries
            }
            Tree::Object(entries) => {
                out.extend_from_slice(format!("O:3:\"Foo\":{}:{{", entries.len()).as_bytes());
                entries
            }
        };
        for (key, value) in entries {
            out.extend_from_slice(key);
            value.write(out);
        }
        out.push(b'}');
    }
}

fn key_token() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (-20i64..20).prop_map(|number| format!("i:{number};").into_bytes()),
        any::<i64>().prop_map(|number| format!("i:{number};").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..8).prop_map(|text| string_token(&text)),
        "[a-c5]".prop_map(|text| string_token(text.as_bytes())),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(b"N;".to_vec()),
        any::<bool>().prop_map(|value| format!("b:{};", u8::from(value)).into_bytes()),
        any::<i64>().prop_map(|value| format!("i:{value};").into_bytes()),
        any::<f64>()
            .prop_filter("PHP writes NAN", |value| value.is_finite())
            .prop_map(|value| format!("d:{value:E};").into_bytes()),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(|text| string_token(&text)),
        Just(b"C:3:\"Foo\":3:{a}}}".to_vec()),
        Just(b"E:8:\"Suit:Two\";".to_vec()),
        Just(b"S:2:\"\\00b\";".to_vec()),
    ]
    .prop_map(Tree::Leaf);
    leaf.prop_recursive(5, 60, 8, |inner| {
        let entries = prop::collection::vec((key_token(), inner), 0..8).boxed();
        prop_oneof![3 => entries.clone().prop_map(Tree::Array), 1 => entries.prop_map(Tree::Object)]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn reading_and_writing_changes_nothing(tree in tree(), tail in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut bytes = Vec::new();
        tree.write(&mut bytes);
        bytes.extend_from_slice(&tail);
        let document = Document::parse(bytes.clone()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(document.to_bytes(), bytes);
    }

    #[test]
    fn an_edit_leaves_the_rest_alone(
        trees in prop::collection::vec((key_token(), tree()), 0..6),
        edits in prop::collection::vec((0usize..5, -3i64..9, prop::collection::vec(any::<u8>(), 0..9)), 1..8),
    ) {
        let mut bytes = Vec::new();
        Tree::Array(trees).write(&mut bytes);
        let mut document = Document::parse(bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let root = document.root();
        for (edit, number, text) in edits {
            let before = shape(&document);
            let key = if number > 5 { Key::new(&text) } else { Key::Int(number) };
            match edit {
                0 => document.set(root, key.clone(), Scalar::Str(&text)),
                1 => document.set(root, key.clone(), Scalar::Int(number)),
                2 => document.push_array(root, key.clone()).and_then(|id| document.set(id, Key::from("x"), Scalar::Null)),
                3 => document.remove(root, key.clone()),
                _ => document.set(root, key.clone(), Scalar::Bool(true)),
            }.map_err(|e| TestCaseError::fail(e.to_string()))?;
            let read_back = Document::parse(document.to_bytes()).map_err(|e| TestCaseError::fail(e.to_string()))?;
            let after = shape(&document);
            prop_assert_eq!(&shape(&read_back), &after);
            let expected: Vec<_> = before.iter().filter(|(k, _)| *k != key).cloned().collect();
            let others: Vec<_> = after.iter().filter(|(k, _)| *k != key).cloned().collect();
            prop_assert_eq!(expected, others);
            prop_assert_eq!(after.iter().any(|(k, _)| *k == key), edit != 3);
            prop_assert_eq!(document.len(root), after.len());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        poke(bytes);
    }

    #[test]
    fn mutated_values_never_panic(seed in any::<u64>()) {
        let mut dice = Dice(seed);
        let mut bytes = string(&mut dice, 0);
        mutate(&mut dice, &mut bytes);
        poke(bytes);
    }
}

/// The entries of the root, each with a description of its value.
fn shape(document: &Document) -> Vec<(Key<'static>, String)> {
    let own = |key: Key<'_>| match key {
        Key::Int(number) => Key::Int(number),
        Key::Str(text) => Key::Str(Cow::Owned(text.into_owned())),
    };
    let describe = |id| {
        let mut out = String::new();
        dump(document, id, 0, &mut 400, &mut out);
        out
    };
    document.entries(document.root()).map(|(key, id)| (own(key), describe(id))).collect()
}

/// Reads, walks and edits whatever can be read; what is left can be read again.
fn poke(bytes: Vec<u8>) {
    let Ok(mut document) = Document::parse(bytes.clone()) else { return };
    assert_eq!(document.to_bytes(), bytes);
    let root = document.root();
    let mut out = String::new();
    dump(&document, root, 0, &mut 400, &mut out);
    let keys: Vec<Key<'static>> = shape(&document).into_iter().map(|(key, _)| key).collect();
    for (turn, key) in keys.into_iter().enumerate() {
        let entry = document.get_key(root, &key);
        let done = match turn % 4 {
            0 => document.set(root, key, Scalar::Str(b"new")),
            1 => document.remove(root, key),
            2 => document.push_array(root, key).map(|_| ()),
            _ => entry.map_or(Ok(()), |entry| document.set(entry, Key::from("in"), Scalar::Null)),
        };
        let written = document.to_bytes();
        let read_back = Document::parse(written.clone());
        assert!(
            read_back.as_ref().is_ok_and(|read_back| shape(read_back) == shape(&document)),
            "{} became {} ({done:?})",
            bytes.escape_ascii(),
            written.escape_ascii()
        );
    }
    let _ = document.next_index(root).map(|index| document.set(root, Key::Int(index), Scalar::Int(1)));
    let _ = document.clear(root);
    assert!(Document::parse(document.to_bytes()).is_ok());
}
