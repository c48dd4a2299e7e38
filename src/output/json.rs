//! JSON as PHP's `json_encode()` writes it: compact, `\/`, everything beyond ASCII as `\uXXXX`.

use super::scalar::{any, append_integer, float_exact, zero_if_control, zero_if_in};
use super::{Key, Value};

/// What happens to a value that JSON cannot hold: text that is not UTF-8, a float that is no number,
/// more than 512 levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    /// The whole document fails: `json_encode()` without flags returns `false`.
    Fails,
    /// `JSON_PARTIAL_OUTPUT_ON_ERROR`: `null` or `0` takes its place.
    IsReplaced,
}

/// PHP's default limit.
const DEPTH: usize = 512;

/// PHP's `json_encode( $value )`; `None` where that returns `false`.
pub fn to_json(value: &Value<'_>) -> Option<Vec<u8>> {
    // Room enough that a document with a secret is not moved while it grows, which would leave a copy behind.
    let mut text = Vec::with_capacity(1024);
    append(value, Invalid::Fails, 0, &mut text).then_some(text)
}

/// Appends a value that stands `depth` levels deep. `false`: it failed, and what was appended is of no
/// use.
pub(super) fn append(value: &Value<'_>, invalid: Invalid, depth: usize, into: &mut Vec<u8>) -> bool {
    match value {
        Value::Null => into.extend_from_slice(b"null"),
        Value::Bool(true) => into.extend_from_slice(b"true"),
        Value::Bool(false) => into.extend_from_slice(b"false"),
        Value::Int(number) => append_integer(*number, into),
        Value::Float(number) if number.is_finite() => {
            into.extend_from_slice(float_exact(*number, 'e').as_bytes());
        }
        Value::Float(_) if invalid == Invalid::Fails => return false,
        Value::Float(_) => into.push(b'0'),
        // Most text is plain ASCII: it is copied as it is.
        Value::Text(text) if !any(text, zero_if_escaped) => {
            into.push(b'"');
            into.extend_from_slice(text);
            into.push(b'"');
        }
        Value::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => append_text(text, into),
            Err(_) if invalid == Invalid::Fails => return false,
            Err(_) => into.extend_from_slice(b"null"),
        },
        Value::Map(entries) => return append_map(entries, invalid, depth, into),
    }
    true
}

/// Appends an object whose names of fields are plain ASCII.
pub(super) fn append_object<'v>(
    fields: impl IntoIterator<Item = (&'static str, Value<'v>)>,
    into: &mut Vec<u8>,
) {
    let mut before: &[u8] = b"{\"";
    for (name, value) in fields {
        into.extend_from_slice(before);
        into.extend_from_slice(name.as_bytes());
        into.extend_from_slice(b"\":");
        append(&value, Invalid::IsReplaced, 1, into);
        before = b",\"";
    }
    into.extend_from_slice(if before == b"{\"" { b"{}" } else { b"}" });
}

fn append_map(entries: &[(Key<'_>, Value<'_>)], invalid: Invalid, depth: usize, into: &mut Vec<u8>) -> bool {
    if entries.is_empty() {
        into.extend_from_slice(b"[]");
        return true;
    }
    if depth >= DEPTH && invalid == Invalid::Fails {
        return false;
    }
    let list = is_list(entries);
    into.push(if list { b'[' } else { b'{' });
    for (index, (key, value)) in entries.iter().enumerate() {
        if index > 0 {
            into.push(b',');
        }
        if !list {
            if !append_key(key, invalid, into) {
                return false;
            }
            into.push(b':');
        }
        if !append(value, invalid, depth + 1, into) {
            return false;
        }
    }
    into.push(if list { b']' } else { b'}' });
    true
}

fn append_key(key: &Key<'_>, invalid: Invalid, into: &mut Vec<u8>) -> bool {
    match key {
        Key::Int(number) => {
            into.push(b'"');
            append_integer(*number, into);
            into.push(b'"');
        }
        Key::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => append_text(text, into),
            Err(_) if invalid == Invalid::Fails => return false,
            // PHP: a key cannot be null, it becomes empty.
            Err(_) => into.extend_from_slice(b"\"\""),
        },
    }
    true
}

/// Whether PHP takes an array for a list: keys 0, 1, 2… in this order.
pub(super) fn is_list(entries: &[(Key<'_>, Value<'_>)]) -> bool {
    entries.iter().zip(0..).all(|((key, _), index)| *key == Key::Int(index))
}

/// Appends a string in quotes.
pub(super) fn append_text(text: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        // Copy up to the next byte that is not plain.
        let plain = rest.bytes().position(|byte| zero_if_escaped(byte) == 0).unwrap_or(rest.len());
        let (head, tail) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        into.extend_from_slice(head.as_bytes());
        let mut characters = tail.chars();
        if let Some(character) = characters.next() {
            append_escaped(character, into);
        }
        rest = characters.as_str();
    }
    into.push(b'"');
}

/// Control characters, `"`, `/`, `\\`, and all that begins a character beyond ASCII.
#[inline(always)]
fn zero_if_escaped(byte: u8) -> u8 {
    zero_if_in(byte, b"\"/\\").min(zero_if_control(byte)).min(!byte & 0x80)
}

fn append_escaped(character: char, into: &mut Vec<u8>) {
    match character {
        '"' | '\\' | '/' => into.extend_from_slice(&[b'\\', character as u8]),
        '\u{8}' => into.extend_from_slice(b"\\b"),
        '\u{c}' => into.extend_from_slice(b"\\f"),
        '\n' => into.extend_from_slice(b"\\n"),
        '\r' => into.extend_from_slice(b"\\r"),
        '\t' => into.extend_from_slice(b"\\t"),
        _ => {
            for unit in character.encode_utf16(&mut [0; 2]) {
                into.extend_from_slice(b"\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = (*unit >> shift) as u8 & 0xf;
                    into.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
                }
            }
        }
    }
}
