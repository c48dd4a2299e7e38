//! PHP's `<=>`, as far as stored fields need it.
//!
//! WP-CLI sorts lists with it: null is less than anything true, two numeric strings compare as numbers,
//! other strings byte by byte.

use std::cmp::Ordering;

use super::php_serialize::View;

/// `$a <=> $b` of PHP 8. A missing key is null.
pub fn spaceship(a: Option<&View<'_>>, b: Option<&View<'_>>) -> Ordering {
    let a = a.unwrap_or(&View::Null);
    let b = b.unwrap_or(&View::Null);
    match (a, b) {
        (View::Str(a), View::Str(b)) => match (numeric(a), numeric(b)) {
            (Some(a), Some(b)) => a.compare(b),
            _ => a.cmp(b),
        },
        (View::Null, View::Str(text)) => b""[..].cmp(text),
        (View::Str(text), View::Null) => text[..].cmp(b""),
        (View::Bool(_) | View::Null, _) | (_, View::Bool(_) | View::Null) => truth(a).cmp(&truth(b)),
        (View::Str(text), other) => match (numeric(text), number(other)) {
            (Some(a), Some(b)) => a.compare(b),
            (None, Some(b)) => text[..].cmp(b.to_string().as_bytes()),
            (_, None) => Ordering::Less,
        },
        (_, View::Str(_)) => spaceship(Some(b), Some(a)).reverse(),
        _ => match (number(a), number(b)) {
            (Some(a), Some(b)) => a.compare(b),
            // PHP: an array is greater than anything that is none.
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        },
    }
}

#[derive(Clone, Copy)]
enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(&b),
            (a, b) => a.as_float().partial_cmp(&b.as_float()).unwrap_or(Ordering::Greater),
        }
    }

    fn as_float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl std::fmt::Display for Number {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
        }
    }
}

fn number(view: &View<'_>) -> Option<Number> {
    match view {
        View::Int(number) => Some(Number::Int(*number)),
        View::Float(number) => Some(Number::Float(*number)),
        _ => None,
    }
}

fn truth(view: &View<'_>) -> bool {
    match view {
        View::Null => false,
        View::Bool(on) => *on,
        View::Int(number) => *number != 0,
        View::Float(number) => *number != 0.0,
        View::Str(text) => !(text.is_empty() || **text == *b"0"),
        _ => true,
    }
}

/// PHP 8's numeric string: blanks around, a sign, digits with at most one point, an exponent.
fn numeric(text: &[u8]) -> Option<Number> {
    const BLANKS: &[u8] = b" \t\n\r\x0b\x0c";
    let start = text.iter().position(|b| !BLANKS.contains(b))?;
    let end = text.iter().rposition(|b| !BLANKS.contains(b))?;
    let body = &text[start..=end];
    let unsigned = body.strip_prefix(b"+").or_else(|| body.strip_prefix(b"-")).unwrap_or(body);
    if !unsigned.first().is_some_and(|b| b.is_ascii_digit() || *b == b'.') {
        return None;
    }
    if !unsigned.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let body = std::str::from_utf8(body).ok()?;
    body.parse().map(Number::Int).or_else(|_| body.parse().map(Number::Float)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_compare_as_php_compares_them() {
        let compare = |a: &str, b: &str| {
            spaceship(Some(&View::Str(a.as_bytes().into())), Some(&View::Str(b.as_bytes().into())))
        };
        assert_eq!(compare("9", "10"), Ordering::Less);
        assert_eq!(compare("1e1", "10"), Ordering::Equal);
        assert_eq!(compare(" 1", "1 "), Ordering::Equal);
        assert_eq!(compare("1a", "10"), Ordering::Greater);
        assert_eq!(compare("B", "a"), Ordering::Less);
        assert_eq!(compare(".5", "0.5"), Ordering::Equal);
        assert_eq!(compare("inf", "nan"), Ordering::Less);
        assert_eq!(compare("", "0"), Ordering::Less);
    }

    #[test]
    fn null_is_less_than_anything_true() {
        assert_eq!(spaceship(None, Some(&View::Int(5))), Ordering::Less);
        assert_eq!(spaceship(None, Some(&View::Int(0))), Ordering::Equal);
        assert_eq!(spaceship(None, Some(&View::Str(b"x"[..].into()))), Ordering::Less);
        assert_eq!(spaceship(Some(&View::Str(b"12"[..].into())), Some(&View::Int(9))), Ordering::Greater);
        assert_eq!(spaceship(Some(&View::Int(9)), Some(&View::Str(b"abc"[..].into()))), Ordering::Less);
    }
}
