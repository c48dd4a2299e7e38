//! A text in a JSON document, by `a.b.c` or by a JSON pointer (`/a/b/c`). The document is validated by a parser; the
//! scanner here only finds places in what is known to be JSON.

use std::ops::Range;

use zeroize::Zeroizing;

use super::Edit;

/// Finds the place of the value. Errors are clauses that follow the file's name.
pub(super) fn find(text: &[u8], key: &str, value: &str) -> Result<Edit, String> {
    let valid = match serde_json::from_slice::<serde_json::Value>(text) {
        // A number that this parser has no room for is JSON all the same.
        Err(error) if error.to_string().starts_with("number out of range") => {
            match std::str::from_utf8(text) {
                Ok(text) => serde_json::from_str::<serde::de::IgnoredAny>(text).map(drop),
                Err(_) => Err(error),
            }
        }
        other => other.map(drop),
    };
    if let Err(error) = valid {
        return Err(format!(
            "is no JSON that can be edited (line {}, column {}): comments, a byte-order mark and the like are none",
            error.line(),
            error.column()
        ));
    }
    let path = path(key)?;
    let mut scanner = Scanner { text, at: 0 };
    scanner.blanks();
    let mut walked = String::new();
    for (index, step) in path.iter().enumerate() {
        let is_last = index + 1 == path.len();
        let shown = if walked.is_empty() { "its top level".to_owned() } else { format!("its {walked}") };
        match scanner.peek() {
            b'{' => {
                let object = scanner.members();
                let mut found = object.iter().filter(|member| member.name == *step);
                match (found.next(), found.next()) {
                    (Some(_), Some(_)) => return Err(format!("has the key {step} twice in {shown}")),
                    (Some(member), None) => scanner.at = member.value.start,
                    (None, _) if is_last => return Ok(insertion(text, scanner.at, &object, step, value)),
                    (None, _) => {
                        return Err(format!(
                            "has no {step} in {shown}: put an object there first (for a key with a dot in its name, write \
                             --set-key=/{})",
                            step
                        ));
                    }
                }
            }
            b'[' => {
                let items = scanner.items();
                let item =
                    step.parse::<usize>().ok().and_then(|number| items.get(number)).ok_or_else(|| {
                        format!("has no item {step} in {shown}, which is a list of {}", items.len())
                    })?;
                scanner.at = item.start;
            }
            _ => return Err(format!("has no keys in {shown}: it is no object")),
        }
        if !walked.is_empty() {
            walked.push('.');
        }
        walked.push_str(step);
    }
    let place = scanner.value();
    match text.get(place.start) {
        Some(b'"' | b'n') => {
            Ok(Edit { at: place, new: Zeroizing::new([b"\"", value.as_bytes(), b"\""].concat()) })
        }
        _ => Err(format!("has something at {key} that is no text, and that is not replaced")),
    }
}

/// The steps of a key.
fn path(key: &str) -> Result<Vec<String>, String> {
    let steps: Vec<String> = match key.strip_prefix('/') {
        // RFC 6901: a tilde first, else `~01` would become a slash.
        Some(pointer) => pointer.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
        None => key.split('.').map(str::to_owned).collect(),
    };
    if steps.iter().any(String::is_empty) {
        return Err(format!("cannot be given the key '{key}': it has an empty part"));
    }
    Ok(steps)
}

struct Member {
    name: String,
    key: Range<usize>,
    value: Range<usize>,
}

/// A new member behind the last one, in the same style.
fn insertion(text: &[u8], open: usize, members: &[Member], name: &str, value: &str) -> Edit {
    let name = serde_json::Value::from(name).to_string();
    let slice = |range: Range<usize>| text.get(range).unwrap_or_default();
    let inside = open + 1;
    let (at, new) = match members {
        [] => {
            // `{}`, or an object that spans lines: then one level deeper than its end.
            let blank =
                slice(inside..text.len()).iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            let blank = slice(inside..inside + blank);
            let indent = match blank.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
                None => Vec::new(),
                Some(_) => {
                    let end: &[u8] = if blank.contains(&b'\r') { b"\r\n" } else { b"\n" };
                    let last = blank.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
                    let step: &[u8] = if last.contains(&b'\t') { b"\t" } else { b"  " };
                    [end, last, step].concat()
                }
            };
            (inside, [&indent, name.as_bytes(), b": \"", value.as_bytes(), b"\""].concat())
        }
        [before @ .., last] => {
            let from = before.last().map_or(inside, |member| member.value.end);
            // Between the comma, or the brace, and the key.
            let lead = slice(from..last.key.start);
            let lead = lead
                .iter()
                .position(|byte| *byte == b',')
                .map_or(lead, |comma| lead.get(comma + 1..).unwrap_or_default());
            let colon = slice(last.key.end..last.value.start);
            let new = [b",", lead, name.as_bytes(), colon, b"\"", value.as_bytes(), b"\""].concat();
            (last.value.end, new)
        }
    };
    Edit { at: at..at, new: Zeroizing::new(new) }
}

/// Walks over valid JSON.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or_default()
    }

    fn blanks(&mut self) {
        while self.peek().is_ascii_whitespace() {
            self.at += 1;
        }
    }

    /// Goes over a value; where it stood.
    fn value(&mut self) -> Range<usize> {
        let start = self.at;
        match self.peek() {
            b'"' => self.string(),
            b'{' | b'[' => {
                let mut depth = 0_usize;
                while self.at < self.text.len() {
                    match self.peek() {
                        b'"' => {
                            self.string();
                            continue;
                        }
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                    self.at += 1;
                    if depth == 0 {
                        break;
                    }
                }
            }
            _ => {
                while self.at < self.text.len()
                    && !matches!(self.peek(), b',' | b'}' | b']')
                    && !self.peek().is_ascii_whitespace()
                {
                    self.at += 1;
                }
            }
        }
        start..self.at
    }

    fn string(&mut self) {
        self.at += 1;
        while self.at < self.text.len() {
            match self.peek() {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }

    /// The members of the object that begins here. Stays where it is.
    fn members(&self) -> Vec<Member> {
        let mut scanner = Scanner { text: self.text, at: self.at + 1 };
        let mut members = Vec::new();
        loop {
            scanner.blanks();
            if scanner.peek() != b'"' {
                return members;
            }
            let key = scanner.value();
            let name =
                serde_json::from_slice(self.text.get(key.clone()).unwrap_or_default()).unwrap_or_default();
            scanner.blanks();
            scanner.at += 1;
            scanner.blanks();
            let value = scanner.value();
            members.push(Member { name, key, value });
            scanner.blanks();
            if scanner.peek() != b',' {
                return members;
            }
            scanner.at += 1;
        }
    }

    /// The items of the list that begins here. Stays where it is.
    fn items(&self) -> Vec<Range<usize>> {
        let mut scanner = Scanner { text: self.text, at: self.at + 1 };
        let mut items = Vec::new();
        loop {
            scanner.blanks();
            if matches!(scanner.peek(), b']' | 0) {
                return items;
            }
            items.push(scanner.value());
            scanner.blanks();
            if scanner.peek() != b',' {
                return items;
            }
            scanner.at += 1;
        }
    }
}
