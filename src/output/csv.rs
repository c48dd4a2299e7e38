//! CSV as PHP's `fputcsv()` writes it, with WP-CLI's guard against formulas.
//!
//! Mirrors `WP_CLI\Utils\write_csv()` and `escape_csv_value()` (`php/utils.php`). No crate does this:
//! PHP quotes on blanks and backslashes, and its escape character suppresses the doubling of a quote.

use super::scalar::{any, zero_if_in};

/// PHP: a field is quoted when it holds a separator, a quote, a line end, a blank or a backslash.
const QUOTED: &[u8; 7] = b",\"\\\n\r\t ";

/// Appends one field, guarded: a spreadsheet would run what starts like a formula.
pub(super) fn append_field(text: &[u8], into: &mut Vec<u8>) {
    let guarded = is_formula(text);
    let quoted = any(text, |byte| zero_if_in(byte, QUOTED));
    if quoted {
        into.push(b'"');
    }
    if guarded {
        into.push(b'\'');
    }
    if !quoted {
        into.extend_from_slice(text);
        return;
    }
    if !any(text, |byte| zero_if_in(byte, b"\"")) {
        into.extend_from_slice(text);
        into.push(b'"');
        return;
    }
    let mut escaped = false;
    for byte in text {
        match byte {
            b'\\' => escaped = true,
            b'"' if !escaped => into.push(b'"'),
            _ => escaped = false,
        }
        into.push(*byte);
    }
    into.push(b'"');
}

/// WP-CLI: values that start like this get a `'` in front.
pub(super) fn is_formula(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'=' | b'+' | b'-' | b'@' | b'\t' | b'\r'))
}

#[cfg(test)]
mod tests {
    #[test]
    fn fields_are_quoted_as_fputcsv_does() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a b", "\"a b\""),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("back\\slash", "\"back\\slash\""),
            ("\\\"", "\"\\\"\""),
            ("=1+1", "'=1+1"),
            ("-1 or", "\"'-1 or\""),
            ("", ""),
        ] {
            let mut into = Vec::new();
            super::append_field(text.as_bytes(), &mut into);
            assert_eq!(into, expected.as_bytes(), "{text:?}");
        }
    }
}
