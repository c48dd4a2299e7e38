//! `preg_match`, `preg_replace`, `preg_split` for patterns that mean the same to PCRE and to our engine.
//!
//! Everything else gives `None`: look-around, back references, possessive and atomic groups, conditions,
//! verbs, and the few spellings that both engines accept and read differently.

use php_ast::Span;
use regex::bytes::{Regex, RegexBuilder};

use super::eval::{Evaluator, MOST_STRING};
use super::value::{Array, Data, Value};

/// A translated pattern.
struct Pattern {
    regex: Regex,
    /// It has a `$` that PCRE also matches before a final newline.
    has_soft_end: bool,
    /// It wants UTF-8.
    is_unicode: bool,
}

impl Pattern {
    /// Whether the answer for this subject is certain to be PCRE's.
    fn fits(&self, subject: &[u8]) -> bool {
        !(self.has_soft_end && subject.ends_with(b"\n")) && (!self.is_unicode || subject.is_ascii())
    }
}

fn compile(pattern: &Value) -> Option<Pattern> {
    let Data::Str(bytes) = &pattern.data else { return None };
    let text = std::str::from_utf8(bytes).ok()?.trim_start();
    let open = text.chars().next().filter(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && *c != '\\')?;
    let close = match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other => other,
    };
    let (body, flags) = text[1..].rsplit_once(close)?;
    if !body.is_ascii() || !is_common(body) {
        return None;
    }
    let mut builder = RegexBuilder::new(body);
    builder.unicode(false).size_limit(1 << 20);
    let mut hard_end = false;
    let mut is_unicode = false;
    for flag in flags.chars() {
        match flag {
            'i' => builder.case_insensitive(true),
            'm' => builder.multi_line(true),
            's' => builder.dot_matches_new_line(true),
            'U' => builder.swap_greed(true),
            'D' => {
                hard_end = true;
                &mut builder
            }
            'u' => {
                is_unicode = true;
                &mut builder
            }
            _ => return None,
        };
    }
    let has_soft_end = !hard_end && body.contains('$');
    Some(Pattern { regex: builder.build().ok()?, has_soft_end, is_unicode })
}

/// Whether a pattern uses only what both engines read alike.
fn is_common(body: &str) -> bool {
    let bytes = body.as_bytes();
    let mut at = 0;
    let mut in_class = false;
    let mut class_start = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => {
                match bytes.get(at + 1) {
                    Some(b'd' | b'D' | b'w' | b'W' | b's' | b'S' | b't' | b'n' | b'r' | b'f') => {}
                    Some(b'b' | b'B' | b'A' | b'z') if !in_class => {}
                    Some(other) if other.is_ascii_punctuation() && *other != b'<' && *other != b'>' => {}
                    _ => return false,
                }
                at += 2;
                continue;
            }
            b'[' if in_class && bytes.get(at + 1) == Some(&b':') => {}
            b'[' if in_class => return false,
            b'[' => {
                in_class = true;
                class_start = at;
                if bytes.get(at + 1) == Some(&b'^') {
                    at += 1;
                    class_start = at;
                }
            }
            b']' if in_class => {
                if at == class_start + 1 {
                    return false;
                }
                // The end of `[:alpha:]` is followed by the class's own end.
                if bytes[at - 1] != b':' || !body[class_start..at].contains("[:") {
                    in_class = false;
                }
            }
            b'&' | b'~' | b'-' if in_class && bytes.get(at + 1) == Some(byte) => return false,
            b'(' if !in_class && bytes.get(at + 1) == Some(&b'?') && bytes.get(at + 2) != Some(&b':') => {
                return false;
            }
            b'(' if !in_class && bytes.get(at + 1) == Some(&b'*') => return false,
            b'*' | b'+' | b'?' | b'}' if !in_class && bytes.get(at + 1) == Some(&b'+') => return false,
            b'{' if !in_class && !bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => return false,
            _ => {}
        }
        at += 1;
    }
    !in_class
}

/// `preg_match()`: the answer, and the groups for its third argument.
pub fn matches(
    evaluator: &mut Evaluator<'_>,
    pattern: &Value,
    subject: &Value,
    span: Span,
) -> (Value, Value) {
    let env = super::value::merge(&pattern.env, &subject.env);
    if let Some(why) = pattern.why().or_else(|| subject.why()) {
        return (Value::unknown(why.clone()), Value::unknown(why));
    }
    let found = compile(pattern).zip(subject.to_bytes()).filter(|(pattern, bytes)| pattern.fits(bytes));
    let Some((pattern, bytes)) = found else {
        let unknown = evaluator.unknown(span, "the pattern of preg_match() is not followed");
        return (unknown.clone(), unknown);
    };
    let Some(captures) = pattern.regex.captures(&bytes) else {
        return (Value::int(0).with(&env), Value::array(Array::default()).with(&env));
    };
    // PHP: groups at the end that took no part are left out, others are empty.
    let last = (0..captures.len()).rev().find(|index| captures.get(*index).is_some()).unwrap_or(0);
    let groups =
        (0..=last).map(|index| Value::bytes(captures.get(index).map_or(&b""[..], |group| group.as_bytes())));
    (Value::int(1).with(&env), Value::array(Array::from_list(groups)).with(&env))
}

/// `preg_replace()` with one pattern, or several with one replacement or as many.
pub fn replace(pattern: &Value, replacement: &Value, subject: &Value) -> Option<Vec<u8>> {
    let mut subject = subject.to_bytes()?.to_vec();
    let patterns = match &pattern.data {
        Data::Array(array) => array.entries.iter().map(|(_, value)| value.clone()).collect(),
        _ => vec![pattern.clone()],
    };
    for (index, pattern) in patterns.iter().enumerate() {
        let replacement = match &replacement.data {
            Data::Array(array) => {
                array.entries.get(index).map_or_else(|| Value::text(""), |(_, value)| value.clone())
            }
            _ => replacement.clone(),
        };
        let replacement = replacement.to_bytes()?;
        let pattern = compile(pattern).filter(|pattern| pattern.fits(&subject))?;
        // An empty match next to another is stepped over differently.
        if pattern.regex.find_iter(&subject).any(|found| found.is_empty()) {
            return None;
        }
        let mut replaced = Vec::with_capacity(subject.len());
        let mut from = 0;
        for captures in pattern.regex.captures_iter(&subject) {
            let whole = captures.get(0)?;
            replaced.extend_from_slice(&subject[from..whole.start()]);
            replaced.extend_from_slice(&expand(&replacement, &captures)?);
            from = whole.end();
            if replaced.len() > MOST_STRING {
                return None;
            }
        }
        replaced.extend_from_slice(&subject[from..]);
        subject = replaced;
        if subject.len() > MOST_STRING {
            return None;
        }
    }
    Some(subject)
}

/// PHP: `$1`, `${1}` and `\1`, one or two digits.
///
/// `None`: it becomes too long.
fn expand(replacement: &[u8], captures: &regex::bytes::Captures<'_>) -> Option<Vec<u8>> {
    let mut result = Vec::new();
    let mut at = 0;
    while let Some(byte) = replacement.get(at) {
        let braced = *byte == b'$' && replacement.get(at + 1) == Some(&b'{');
        let start = at + if braced { 2 } else { 1 };
        let digits = replacement
            .get(start..)
            .unwrap_or(b"")
            .iter()
            .take(2)
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let closes = !braced || replacement.get(start + digits) == Some(&b'}');
        if matches!(byte, b'$' | b'\\') && digits > 0 && closes {
            let group = replacement[start..start + digits]
                .iter()
                .fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
            result.extend_from_slice(captures.get(group).map_or(&b""[..], |group| group.as_bytes()));
            at = start + digits + usize::from(braced);
            if result.len() > MOST_STRING {
                return None;
            }
        } else {
            // PHP: a doubled backslash is one.
            if byte == &b'\\' && replacement.get(at + 1) == Some(&b'\\') {
                at += 1;
            }
            result.push(*byte);
            at += 1;
        }
    }
    Some(result)
}

/// `preg_split()` without a limit or flags.
pub fn split(pattern: &Value, subject: &[u8]) -> Option<Value> {
    let pattern = compile(pattern).filter(|pattern| pattern.fits(subject))?;
    if pattern.regex.find_iter(subject).any(|found| found.is_empty()) {
        return None;
    }
    Some(Value::array(Array::from_list(pattern.regex.split(subject).map(Value::bytes))))
}
