//! How many columns a text takes, and how it is cut: php-cli-tools' own idea of both.
//!
//! Mirrors `strwidth()`, `safe_strlen()`, `safe_substr()` and `_safe_substr_eaw()` of php-cli-tools
//! (`lib/cli/cli.php`) and `Colors::width()`, with PHP's mbstring but without intl: one column per
//! grapheme as PCRE2's `\X` sees it, one more per wide character. Neither the unicode-width crate nor
//! a terminal agrees with that for joined emoji, so this is not left to a crate.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::width_tables::{CONTROL, EXTEND, MB_WIDE, PICTOGRAPHIC, PREPEND, SPACING_MARK, WIDE};

/// PHP's `mb_detect_encoding( $text, null, true )`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Ascii,
    Utf8,
    Unknown,
}

pub(super) fn detect(text: &[u8]) -> Encoding {
    if text.is_ascii() {
        Encoding::Ascii
    } else if std::str::from_utf8(text).is_ok() {
        Encoding::Utf8
    } else {
        Encoding::Unknown
    }
}

/// Columns that php-cli-tools counts when it was told no encoding.
pub(super) fn width(text: &[u8]) -> usize {
    if text.is_ascii() {
        return text.len() - crlf_pairs(text);
    }
    match std::str::from_utf8(text) {
        Ok(text) => Graphemes(text).count() + text.chars().filter(|c| is_in(&WIDE, *c)).count(),
        Err(_) => mb_strwidth(text),
    }
}

/// Columns that php-cli-tools counts when it knows the encoding of the whole cell.
pub(super) fn width_as(text: &[u8], encoding: Encoding) -> usize {
    match encoding {
        // WP-CLI: told "ASCII", it counts bytes.
        Encoding::Ascii => text.len(),
        Encoding::Utf8 | Encoding::Unknown => width(text),
    }
}

/// Splits at most `columns` off the front: what fits, and what remains.
///
/// WP-CLI: cutting by columns may end inside a grapheme; the rest is then taken from behind that whole
/// grapheme, so its tail is lost.
pub(super) fn cut(text: &[u8], columns: usize, encoding: Encoding) -> (&[u8], &[u8]) {
    let split = |at: usize| text.split_at_checked(at).unwrap_or((text, b""));
    if encoding == Encoding::Ascii {
        return split(columns);
    }
    let Ok(valid) = std::str::from_utf8(text) else {
        let taken = split(text.len() - skip_mb_characters(text, columns).len()).0;
        // WP-CLI: a broken text is cut by characters, but a sound piece of it is passed by graphemes, so
        // what follows a mark in it is shown twice.
        let passed = std::str::from_utf8(taken).map_or(columns, |taken| Graphemes(taken).count());
        return (taken, skip_mb_characters(text, passed));
    };
    let skip = |count: usize| Graphemes(valid).take(count).map(str::len).sum::<usize>();
    let taken = take_columns(split(skip(columns)).0, columns);
    let graphemes = std::str::from_utf8(taken).map_or(0, |taken| Graphemes(taken).count());
    (taken, split(skip(graphemes)).1)
}

/// php-cli-tools' `_safe_substr_eaw()`: shortens `count` graphemes to `count` columns.
fn take_columns(text: &[u8], count: usize) -> &[u8] {
    let Ok(valid) = std::str::from_utf8(text) else { return text };
    let wide = valid.chars().filter(|c| is_in(&WIDE, *c)).count();
    if wide == 0 {
        return text;
    }
    let characters = if wide == count {
        (count / 2).max(1)
    } else {
        let mut left = count as i64;
        let mut taken = 0;
        for character in valid.chars().take(count) {
            if left <= 0 {
                break;
            }
            left -= if is_in(&WIDE, character) { 2 } else { 1 };
            taken += 1;
        }
        if left < 0 && taken > 1 { taken - 1 } else { taken }
    };
    let bytes = valid.chars().take(characters).map(char::len_utf8).sum();
    text.get(..bytes).unwrap_or(text)
}

/// Without `count` characters at its front, as `mb_substr()` counts them in broken UTF-8: by what the
/// leading byte promises.
fn skip_mb_characters(mut text: &[u8], count: usize) -> &[u8] {
    for _ in 0..count {
        let length = match text.first() {
            None => break,
            Some(0xc2..0xe0) => 2,
            Some(0xe0..0xf0) => 3,
            Some(0xf0..0xf5) => 4,
            Some(_) => 1,
        };
        text = text.get(length..).unwrap_or_default();
    }
    text
}

/// PHP's `mb_strwidth()`: graphemes mean nothing to it, and a broken sequence is one column.
fn mb_strwidth(text: &[u8]) -> usize {
    text.utf8_chunks()
        .map(|chunk| {
            let wide = chunk.valid().chars().filter(|c| is_in(&MB_WIDE, *c)).count();
            chunk.valid().chars().count() + wide + usize::from(!chunk.invalid().is_empty())
        })
        .sum()
}

fn crlf_pairs(text: &[u8]) -> usize {
    text.windows(2).filter(|pair| *pair == b"\r\n").count()
}

/// Removes php-cli-tools' colour tokens (`%G`) and the escape sequences they stand for, as
/// `Colors::decolorize()` does.
pub(super) fn decolorize(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| matches!(byte, b'%' | 0x1b)) {
        return Cow::Borrowed(text);
    }
    // WP-CLI: `%%` is set aside as `%¾` and comes back as `%`.
    let mut text = replace(text, b"%%", "%\u{be}".as_bytes());
    for (token, _) in COLORS {
        text = replace(&text, &[b'%', token], b"");
    }
    text = replace(&text, "%\u{be}".as_bytes(), b"%");
    for (_, code) in COLORS {
        text = replace(&text, format!("\x1b[{code}m").as_bytes(), b"");
    }
    Cow::Owned(text)
}

/// `Colors::getColors()`: the letter after `%`, and its escape code, in the order of replacement.
const COLORS: [(u8, &str); 33] = [
    (b'y', "33"),
    (b'g', "32"),
    (b'b', "34"),
    (b'r', "31"),
    (b'p', "35"),
    (b'm', "35"),
    (b'c', "36"),
    (b'w', "37"),
    (b'k', "30"),
    (b'n', "0"),
    (b'Y', "33;1"),
    (b'G', "32;1"),
    (b'B', "34;1"),
    (b'R', "31;1"),
    (b'P', "35;1"),
    (b'M', "35;1"),
    (b'C', "36;1"),
    (b'W', "37;1"),
    (b'K', "30;1"),
    (b'N', "0"),
    (b'3', "43"),
    (b'2', "42"),
    (b'4', "44"),
    (b'1', "41"),
    (b'5', "45"),
    (b'6', "46"),
    (b'7', "47"),
    (b'0', "40"),
    (b'F', "5"),
    (b'U', "4"),
    (b'8', "7"),
    (b'9', "1"),
    (b'_', "1"),
];

/// PHP's `str_replace()`.
fn replace(text: &[u8], search: &[u8], by: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.first() {
        if let Some(behind) = rest.strip_prefix(search) {
            replaced.extend_from_slice(by);
            rest = behind;
        } else {
            replaced.push(*first);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    replaced
}

fn is_in(ranges: &[(u32, u32)], character: char) -> bool {
    let code = u32::from(character);
    ranges
        .binary_search_by(|(first, last)| {
            if code < *first {
                Ordering::Greater
            } else if code > *last {
                Ordering::Less
            } else {
                Ordering::Equal
            }
        })
        .is_ok()
}

/// The property that decides where graphemes end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Break {
    Other,
    CarriageReturn,
    LineFeed,
    Control,
    Extend,
    Joiner,
    SpacingMark,
    Prepend,
    Regional,
    Pictographic,
    Leading,
    Vowel,
    Trailing,
    LeadingVowel,
    LeadingVowelTrailing,
}

fn break_property(character: char) -> Break {
    match u32::from(character) {
        0x20..0x7f => Break::Other,
        0xd => Break::CarriageReturn,
        0xa => Break::LineFeed,
        0x200d => Break::Joiner,
        0x1100..=0x115f | 0xa960..=0xa97c => Break::Leading,
        0x1160..=0x11a7 | 0xd7b0..=0xd7c6 => Break::Vowel,
        0x11a8..=0x11ff | 0xd7cb..=0xd7fb => Break::Trailing,
        code @ 0xac00..=0xd7a3 if (code - 0xac00) % 28 == 0 => Break::LeadingVowel,
        0xac00..=0xd7a3 => Break::LeadingVowelTrailing,
        0x1f1e6..=0x1f1ff => Break::Regional,
        _ if is_in(&EXTEND, character) => Break::Extend,
        _ if is_in(&PICTOGRAPHIC, character) => Break::Pictographic,
        _ if is_in(&SPACING_MARK, character) => Break::SpacingMark,
        _ if is_in(&PREPEND, character) => Break::Prepend,
        _ if is_in(&CONTROL, character) => Break::Control,
        _ => Break::Other,
    }
}

/// Whether PCRE2 keeps two neighbours together.
fn stay_together(left: Break, right: Break) -> bool {
    use Break::{
        CarriageReturn, Control, Extend, Joiner, Leading, LeadingVowel, LeadingVowelTrailing, LineFeed,
        Pictographic, Prepend, Regional, SpacingMark, Trailing, Vowel,
    };
    match (left, right) {
        (CarriageReturn, LineFeed) => true,
        (CarriageReturn | LineFeed | Control, _) | (_, CarriageReturn | LineFeed | Control) => false,
        (Regional, Regional) => true,
        // PCRE2: a regional indicator takes no marks, and nothing is prepended to a pictograph, unlike in
        // Unicode.
        (Regional, _) | (Prepend, Pictographic) => false,
        (_, Extend | Joiner | SpacingMark) | (Prepend, _) => true,
        // PCRE2: two pictographs stay together even without a joiner between them, unlike in Unicode.
        (Pictographic, Pictographic) => true,
        (Leading, Leading | Vowel | LeadingVowel | LeadingVowelTrailing)
        | (LeadingVowel | Vowel, Vowel | Trailing)
        | (LeadingVowelTrailing | Trailing, Trailing) => true,
        _ => false,
    }
}

/// Grapheme clusters as PCRE2's `\X` cuts them.
struct Graphemes<'t>(&'t str);

impl<'t> Iterator for Graphemes<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let mut characters = self.0.char_indices();
        let mut left = break_property(characters.next()?.1);
        let mut flags = usize::from(left == Break::Regional);
        let end = characters.find_map(|(at, character)| {
            let right = break_property(character);
            if !stay_together(left, right) {
                return Some(at);
            }
            if right == Break::Regional {
                flags += 1;
                if left == Break::Regional && flags > 2 {
                    return Some(at);
                }
            }
            // PCRE2: marks and joiners behind a pictograph do not hide it from the next one.
            if left != Break::Pictographic || !matches!(right, Break::Extend | Break::Joiner) {
                left = right;
            }
            None
        });
        let (grapheme, rest) = self.0.split_at_checked(end.unwrap_or(self.0.len()))?;
        self.0 = rest;
        Some(grapheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_counted_as_php_cli_tools_does() {
        for (text, columns) in [
            ("plain", 5),
            ("\u{e7}\u{e9}dille", 7),
            ("e\u{301}", 1),
            ("\u{65e5}\u{672c}", 4),
            ("\u{1f680}", 2),
            ("\u{1f600}\u{1f600}", 3),
            ("\u{200b}", 1),
            ("a\r\nb", 3),
        ] {
            assert_eq!(width(text.as_bytes()), columns, "{text:?}");
        }
        assert_eq!(width(b"\xff\xe6\x97\xa5"), 3);
    }
}
