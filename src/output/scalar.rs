//! How PHP writes scalars: the string cast, `is_numeric()`, `trim()`, and `var_export()`.

use super::{Key, Value};

/// Appends PHP's `(string)` of a value. An array has none of its own; PHP says `Array`.
pub(super) fn append_string(value: &Value<'_>, into: &mut Vec<u8>) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Bool(true) => into.push(b'1'),
        Value::Int(number) => append_integer(*number, into),
        Value::Float(number) => into.extend_from_slice(float_string(*number).as_bytes()),
        Value::Text(text) => into.extend_from_slice(text),
        Value::Map(_) => into.extend_from_slice(b"Array"),
    }
}

/// Appends a decimal integer.
pub(super) fn append_integer(number: i64, into: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut rest = number.unsigned_abs();
    loop {
        at -= 1;
        if let Some(digit) = digits.get_mut(at) {
            *digit = b'0' + (rest % 10) as u8;
        }
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        into.push(b'-');
    }
    into.extend_from_slice(digits.get(at..).unwrap_or_default());
}

/// PHP's `(string)` of a float: the `precision` setting, 14 digits unless a php.ini says otherwise.
pub fn float_string(number: f64) -> String {
    if number.is_nan() {
        return "NAN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "INF".into() } else { "-INF".into() };
    }
    layout(&format!("{number:.13e}"), 14, 'E')
}

/// A finite float with as many digits as it takes to read it back (`serialize_precision` -1), the
/// exponent after `exponent`.
pub(super) fn float_exact(number: f64, exponent: char) -> String {
    layout(&format!("{number:e}"), 17, exponent)
}

/// PHP's `php_gcvt()`: lays the digits of Rust's `d.ddde±x` out with at most `precision` places before
/// the point.
fn layout(scientific: &str, precision: i32, exponent_letter: char) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return format!("{sign}0");
    }
    let point = exponent + 1;
    let (head, tail) = digits.split_at(1);
    if point < -3 || point > precision {
        let tail = if tail.is_empty() { "0" } else { tail };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{head}.{tail}{exponent_letter}{direction}{}", exponent.abs());
    }
    if point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    match digits.split_at_checked(point) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
    }
}

/// PHP's `is_numeric()` of a string (PHP 8: blanks at either end are allowed).
pub(super) fn is_numeric(text: &[u8]) -> bool {
    // Most text is told apart by how it starts and ends.
    if text.first().is_none_or(u8::is_ascii_alphabetic) || text.last().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let digits = |at: usize| text.iter().skip(at).take_while(|byte| byte.is_ascii_digit()).count();
    let sign = |at: usize| usize::from(matches!(text.get(at), Some(b'+' | b'-')));
    let mut at = text.iter().take_while(|byte| is_blank(byte)).count();
    at += sign(at);
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        at += 1 + fraction;
    }
    if whole + fraction == 0 {
        return false;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let exponent = at + 1 + sign(at + 1);
        if digits(exponent) > 0 {
            at = exponent + digits(exponent);
        }
    }
    text.get(at..).unwrap_or_default().iter().all(is_blank)
}

/// What PHP's `trim()` removes.
pub(super) fn is_trimmed(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0 | 0x0b)
}

/// A set of bytes, for scans that most text passes untouched.
pub(super) struct ByteSet([bool; 256]);

impl ByteSet {
    /// The bytes of `text`.
    pub(super) const fn new(text: &[u8]) -> Self {
        let mut set = [false; 256];
        let mut rest = text;
        while let [first, others @ ..] = rest {
            set[*first as usize] = true;
            rest = others;
        }
        Self(set)
    }

    /// Whether `byte` is one of them.
    pub(super) fn has(&self, byte: u8) -> bool {
        self.0.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// Whether `text` holds one of them.
    pub(super) fn in_text(&self, text: &[u8]) -> bool {
        text.iter().any(|byte| self.has(*byte))
    }
}

/// PHP's `rtrim()`.
pub(super) fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is_trimmed(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// PHP's `trim()`.
pub(super) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_trimmed(*first) {
            break;
        }
        text = rest;
    }
    trim_end(text)
}

/// Appends PHP's `var_export()` of a value, indented by `indent` blanks.
pub(super) fn append_export(value: &Value<'_>, indent: usize, into: &mut Vec<u8>) {
    match value {
        Value::Null => into.extend_from_slice(b"NULL"),
        Value::Bool(true) => into.extend_from_slice(b"true"),
        Value::Bool(false) => into.extend_from_slice(b"false"),
        // PHP: the smallest integer cannot be written as a literal.
        Value::Int(i64::MIN) => into.extend_from_slice(b"-9223372036854775807-1"),
        Value::Int(number) => append_integer(*number, into),
        Value::Float(number) if number.is_finite() => {
            let text = float_exact(*number, 'E');
            into.extend_from_slice(text.as_bytes());
            if !text.contains('.') {
                into.extend_from_slice(b".0");
            }
        }
        Value::Float(number) => into.extend_from_slice(float_string(*number).as_bytes()),
        Value::Text(text) => append_quoted(text, into),
        Value::Map(entries) => {
            let blanks = " ".repeat(indent);
            into.extend_from_slice(b"array (\n");
            for (key, value) in entries {
                into.extend_from_slice(blanks.as_bytes());
                into.extend_from_slice(b"  ");
                match key {
                    Key::Int(number) => append_export(&Value::Int(*number), 0, into),
                    Key::Text(text) => append_quoted(text, into),
                }
                into.extend_from_slice(b" => ");
                if matches!(value, Value::Map(_)) {
                    into.push(b'\n');
                    into.extend_from_slice(blanks.as_bytes());
                    into.extend_from_slice(b"  ");
                }
                append_export(value, indent + 2, into);
                into.extend_from_slice(b",\n");
            }
            into.extend_from_slice(blanks.as_bytes());
            into.push(b')');
        }
    }
}

/// A string literal in single quotes; a NUL byte needs double ones.
fn append_quoted(text: &[u8], into: &mut Vec<u8>) {
    into.push(b'\'');
    for byte in text {
        match byte {
            b'\'' | b'\\' => into.extend_from_slice(&[b'\\', *byte]),
            0 => into.extend_from_slice(b"' . \"\\0\" . '"),
            _ => into.push(*byte),
        }
    }
    into.push(b'\'');
}
