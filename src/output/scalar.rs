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
    // Two digits at a time, from the right.
    let mut digits = [[b'0'; 2]; 10];
    let mut start = digits.len() * 2;
    let mut rest = number.unsigned_abs();
    for pair in digits.iter_mut().rev() {
        let low = rest % 100;
        rest /= 100;
        *pair = PAIRS[low as usize];
        start -= 2;
        if rest == 0 {
            start += usize::from(low < 10);
            break;
        }
    }
    if number < 0 {
        into.push(b'-');
    }
    into.extend_from_slice(digits.as_flattened().get(start..).unwrap_or_default());
}

/// The numbers from 0 to 99 in two digits.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

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

/// Whether `odd` is 0 for some byte of `text`. Looks at sixteen at a time without a branch, because nearly
/// always there is none; with minima instead of comparisons the compiler makes vector instructions of it.
#[inline(always)]
pub(super) fn any(text: &[u8], odd: impl Fn(u8) -> u8) -> bool {
    let mut least = [u8::MAX; 16];
    let mut look = |block: &[u8; 16]| {
        for (least, byte) in least.iter_mut().zip(block) {
            *least = odd(*byte).min(*least);
        }
    };
    if let Some(last) = text.last_chunk() {
        look(last);
        text.as_chunks().0.iter().for_each(look);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let mut block = [0; 16];
        block[..8].copy_from_slice(first);
        block[8..].copy_from_slice(last);
        look(&block);
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let mut block = [0; 16];
        for (at, four) in block.as_chunks_mut().0.iter_mut().enumerate() {
            *four = if at % 2 == 0 { *first } else { *last };
        }
        look(&block);
    } else if let (Some(first), Some(last)) = (text.first(), text.last()) {
        // Three bytes at most.
        let middle = text.get(1).unwrap_or(first);
        let mut block = [*first; 16];
        (block[1], block[2]) = (*middle, *last);
        look(&block);
    }
    // Whether one of the sixteen is 0: only from such a byte does taking 1 borrow.
    let least = u128::from_le_bytes(least);
    let ones = u128::from_le_bytes([1; 16]);
    least.wrapping_sub(ones) & !least & (ones << 7) != 0
}

/// For [`any`]: 0 if `byte` is one of these.
#[inline(always)]
pub(super) fn zero_if_in<const N: usize>(byte: u8, these: &[u8; N]) -> u8 {
    these.iter().fold(u8::MAX, |least, this| (byte ^ this).min(least))
}

/// For [`any`]: 0 if `byte` is a control character, DEL not counted.
#[inline(always)]
pub(super) fn zero_if_control(byte: u8) -> u8 {
    byte & !0x1f
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_is_found_wherever_it_is() {
        for length in 0..70 {
            let mut text = vec![b'x'; length];
            let found = |text: &[u8]| any(text, |byte| zero_if_in(byte, b",\0"));
            assert!(!found(&text), "{length}");
            for at in 0..length {
                text[at] = b',';
                assert!(found(&text), "{at} of {length}");
                text[at] = 0;
                assert!(found(&text), "{at} of {length}");
                text[at] = b'x';
            }
        }
    }

    #[test]
    fn classes_of_bytes_are_what_they_say() {
        for byte in 0..=u8::MAX {
            assert_eq!(zero_if_in(byte, b"a\xff\0") == 0, matches!(byte, b'a' | 0xff | 0));
            assert_eq!(zero_if_control(byte) == 0, byte < 0x20);
        }
    }

    #[test]
    fn integers_are_written_as_rust_writes_them() {
        for shift in 0..64 {
            for number in [
                1_i64 << shift,
                (1_i64 << shift).wrapping_sub(1),
                (1_i64 << shift).wrapping_neg(),
                i64::MAX >> shift,
                i64::MIN >> shift,
            ] {
                let mut text = Vec::new();
                append_integer(number, &mut text);
                assert_eq!(text, number.to_string().as_bytes());
            }
        }
        for number in (0..20_000).chain([99, 100, 101, 999_999_999, 1_000_000_000]) {
            let mut text = Vec::new();
            append_integer(number, &mut text);
            assert_eq!(text, number.to_string().as_bytes());
        }
    }
}
