//! What people and programs put around an application password: separators, escapes, addresses, headers.

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

/// How long every application password is that WordPress generates.
pub const PASSWORD_LENGTH: usize = crate::wordpress::generate::PASSWORD_LENGTH;

/// The longest line that is a candidate as a whole, in bytes.
pub const LONGEST_LINE: usize = 128;

/// A candidate that stands out by its place, not by its length, has at least so many letters and digits.
pub const SHORTEST: usize = 8;

/// How far before its `@` the user of an address may begin.
const LONGEST_USERINFO: usize = 512;

/// The most base64 that is decoded.
const LONGEST_BASE64: usize = 1024;

/// Whether what begins at `at` and has `length` letters and digits is the rest of an escape: `%3D`, `%253D`, `=3D`, `\n`,
/// `\x3d`, `\u003d`, or the colour `31m` of a terminal.
pub fn is_escape(data: &[u8], at: usize, length: usize) -> bool {
    let Some(text) = data.get(at..at + length) else { return false };
    let hex = |text: &[u8]| text.iter().all(u8::is_ascii_hexdigit);
    match at.checked_sub(1).and_then(|before| data.get(before)) {
        // Also escaped once more: `%2520`.
        Some(b'%') => hex(text) && (length == 2 || (length == 4 && text.starts_with(b"25"))),
        // Quoted-printable writes capitals.
        Some(b'=') => length == 2 && text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')),
        Some(b'\\') => match text {
            [b'n' | b'r' | b't' | b'b' | b'f' | b'v' | b'0'] => true,
            [b'x', digits @ ..] => digits.len() == 2 && hex(digits),
            [b'u', digits @ ..] => digits.len() == 4 && hex(digits),
            [b'0'..=b'3', b'0'..=b'7', b'0'..=b'7'] => true,
            _ => false,
        },
        Some(b'[' | b';') => {
            matches!(text, [digits @ .., b'm' | b'K'] if digits.iter().all(u8::is_ascii_digit))
        }
        _ => false,
    }
}

/// Whether a group can begin here: nothing stands before it but an escape.
pub fn begins_at(data: &[u8], at: usize) -> bool {
    let before = data.get(..at).unwrap_or_default();
    // No escape is longer than `u003d`.
    let extra = before.iter().rev().take(6).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    extra == 0 || is_escape(data, at - extra, extra)
}

/// Blanks and no-break spaces of HTML, JSON and addresses.
const SEPARATING_ESCAPES: [&[u8]; 7] =
    [b"&nbsp;", b"&#160;", b"&#32;", b"%2520", b"%C2%A0", b"\\u0020", b"\\u00a0"];

/// Puts six groups of four together that begin `step` bytes apart, if what stands between them separates groups:
/// always the same.
pub fn join_groups(data: &[u8], at: usize, step: usize, joined: &mut [u8; PASSWORD_LENGTH]) -> bool {
    let Some(separator) = data.get(at + 4..at + step) else { return false };
    // A blank, what addresses make of it, what people replace it with, and no-break spaces of Latin-1 and UTF-8.
    let is_usual =
        matches!(separator, b" " | b"\t" | b"+" | b"-" | b"_" | b"\xa0" | b"  " | b"\xc2\xa0" | b"%20");
    if !is_usual && !SEPARATING_ESCAPES.iter().any(|escape| separator.eq_ignore_ascii_case(escape)) {
        return false;
    }
    let (groups, _) = joined.as_chunks_mut::<4>();
    for (index, group) in groups.iter_mut().enumerate() {
        let from = at + index * step;
        let (Some(text), Some(behind)) = (data.get(from..from + 4), data.get(from + 4..)) else {
            return false;
        };
        if index < 5 && !behind.starts_with(separator) {
            return false;
        }
        group.copy_from_slice(text);
    }
    true
}

/// Where base64 begins behind the word `Basic` at `at`.
pub fn behind_basic(data: &[u8], at: usize) -> Option<usize> {
    if !data.get(at..at + 5)?.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let mut behind = at + 5;
    loop {
        behind += match data.get(behind..)? {
            [b' ' | b'\t' | b'+', ..] => 1,
            [b'%', b'2', b'0', ..] => 3,
            _ => break,
        };
        if behind > at + 32 {
            return None;
        }
    }
    (behind > at + 5).then_some(behind)
}

/// Padding is often lost, and the last bits are anybody's.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Decodes the base64 that begins at `from`; nothing if it is none.
pub fn decode_base64(data: &[u8], from: usize, decoded: &mut Zeroizing<Vec<u8>>) {
    decoded.clear();
    let mut text = Zeroizing::new(Vec::with_capacity(LONGEST_BASE64));
    let mut rest = data.get(from..).unwrap_or_default();
    while text.len() < LONGEST_BASE64 {
        let (digit, length) = match rest {
            [digit, ..] if digit.is_ascii_alphanumeric() => (*digit, 1),
            [b'+' | b'-', ..] => (b'+', 1),
            [b'/' | b'_', ..] => (b'/', 1),
            // JSON as PHP writes it.
            [b'\\', b'/', ..] => (b'/', 2),
            [b'%', b'2', b'B' | b'b', ..] => (b'+', 3),
            [b'%', b'2', b'F' | b'f', ..] => (b'/', 3),
            _ => break,
        };
        text.push(digit);
        rest = rest.get(length..).unwrap_or_default();
    }
    // One digit alone is no byte.
    if text.len() % 4 == 1 {
        text.pop();
    }
    decoded.resize(text.len() / 4 * 3 + 3, 0);
    let length = LENIENT.decode_slice(&*text, decoded).unwrap_or(0);
    decoded.truncate(length);
}

/// Where the user of an address begins whose `@` is at `at`: behind `://`, in JSON also `:\/\/`.
pub fn userinfo(data: &[u8], at: usize) -> Option<usize> {
    let before = data.get(..at)?;
    let from = before.iter().rev().take(LONGEST_USERINFO).position(|byte| {
        matches!(byte, b'/' | b'\\' | b'"' | b'\'' | b'`' | b'<' | b'>' | b'?' | b'#') || *byte <= b' '
    })?;
    let from = at - from;
    let scheme = before.get(..from)?;
    (scheme.ends_with(b"://") || scheme.ends_with(b":\\/\\/")).then_some(from)
}

/// Decodes `%20` and its like; a `%` without two hexadecimal digits stays.
pub fn decode_percent(text: &[u8], decoded: &mut Zeroizing<Vec<u8>>) {
    decoded.clear();
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match escaped.and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => {
                decoded.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
}
