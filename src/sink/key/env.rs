//! A variable in a `.env` file, as phpdotenv, Docker Compose, systemd and sh read such files. Where those readers
//! disagree on what the variable is, the file is left alone.

use std::ops::Range;

use zeroize::Zeroizing;

use super::Edit;

/// Finds the place of the value. Errors are clauses that follow the file's name.
pub(super) fn find(text: &[u8], key: &str, value: &str) -> Result<Edit, String> {
    if !is_name(key.as_bytes()) {
        return Err(format!(
            "cannot be given the key '{key}': letters, digits, underscores and dots make the name of a variable, no \
             digit first"
        ));
    }
    let mut reader = Reader { text, at: 0, line: 1 };
    if text.starts_with(b"\xef\xbb\xbf") {
        reader.at = 3;
    }
    let mut found: Option<(usize, Range<usize>)> = None;
    while reader.at < text.len() {
        let line = reader.line;
        let Some(assignment) = reader.next(key)? else { continue };
        if assignment.name != key.as_bytes() {
            continue;
        }
        if let Some((first, _)) = found {
            return Err(format!("sets {key} twice, in lines {first} and {line}: remove one of them"));
        }
        if !assignment.is_plain {
            return Err(format!(
                "has a value in line {line} that is put together from several parts: write one plain or quoted text \
                 there"
            ));
        }
        found = Some((line, assignment.value));
    }
    if let Some((_, at)) = found {
        return Ok(Edit { at, new: Zeroizing::new(value.as_bytes().to_vec()) });
    }
    let end: &[u8] = match text.iter().position(|byte| *byte == b'\n') {
        Some(at) if at > 0 && text.get(at - 1) == Some(&b'\r') => b"\r\n",
        _ => b"\n",
    };
    let separator = if text.is_empty() || text.ends_with(b"\n") { b"" } else { end };
    let new = [separator, key.as_bytes(), b"=", value.as_bytes(), end].concat();
    Ok(Edit { at: text.len()..text.len(), new: Zeroizing::new(new) })
}

fn is_name(name: &[u8]) -> bool {
    name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
        && name.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
}

struct Assignment<'a> {
    name: &'a [u8],
    /// Without quotes.
    value: Range<usize>,
    /// Whether it is one text to every reader.
    is_plain: bool,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Reader<'a> {
    /// Reads a line, or several if a quoted value spans them. `None`: it assigns nothing.
    fn next(&mut self, key: &str) -> Result<Option<Assignment<'a>>, String> {
        let number = self.line;
        let start = self.at;
        let line = self.rest_of_line(start);
        let (text, from) = (self.text, start + blanks(line));
        let content = text.get(from..start + line.len()).unwrap_or_default();
        if content.is_empty() || matches!(content.first(), Some(b'#' | b';')) {
            self.end_line(start + line.len());
            return Ok(None);
        }
        let exported = content.strip_prefix(b"export").filter(|rest| blanks(rest) > 0);
        let name_at = from + exported.map_or(0, |rest| 6 + blanks(rest));
        let rest = text.get(name_at..start + line.len()).unwrap_or_default();
        let equals = rest.iter().position(|byte| *byte == b'=');
        let name = rest.get(..equals.unwrap_or(rest.len())).unwrap_or_default().trim_ascii_end();
        if !is_name(name) {
            return Err(format!(
                "is no file that can be edited: line {number} is neither NAME=value nor a comment"
            ));
        }
        let Some(equals) = equals else {
            // A name alone: declared, or taken from elsewhere.
            self.end_line(start + line.len());
            return Ok(None);
        };
        let behind = name_at + equals + 1;
        let value = behind + blanks(text.get(behind..start + line.len()).unwrap_or_default());
        let end = start + line.len();
        match text.get(value).filter(|_| value < end) {
            Some(quote @ (b'"' | b'\'')) => {
                let close = self.closing(value + 1, *quote).ok_or_else(|| {
                    format!("cannot be edited: the quote that begins in line {number} does not end")
                })?;
                let inside = text.get(value + 1..close).unwrap_or_default();
                let inner_lines = inside.split(|byte| *byte == b'\n').skip(1);
                if inner_lines.into_iter().any(|line| assigns(line, key)) {
                    return Err(format!(
                        "cannot be edited: {key} is set inside the quotes that begin in line {number}"
                    ));
                }
                let after = self.rest_of_line(close + 1);
                let tail = after.trim_ascii();
                let is_plain = (*quote == b'\'' || !is_put_together(inside))
                    && (tail.is_empty() || (tail.starts_with(b"#") && blanks(after) > 0));
                self.line += inside.iter().filter(|byte| **byte == b'\n').count();
                self.end_line(close + 1 + after.len());
                Ok(Some(Assignment { name, value: value + 1..close, is_plain }))
            }
            _ => {
                let raw = text.get(value..end).unwrap_or_default();
                // A comment begins behind a blank; right behind the sign readers disagree.
                let comment = (0..raw.len())
                    .find(|at| raw.get(*at) == Some(&b'#') && text.get(value + at - 1).is_some_and(is_blank));
                let length =
                    raw.get(..comment.unwrap_or(raw.len())).unwrap_or_default().trim_ascii_end().len();
                let bare = raw.get(..length).unwrap_or_default();
                let has_parts = bare.iter().any(|byte| b"\"'\\`".contains(byte))
                    || is_put_together(bare)
                    || (raw.first() == Some(&b'#') && value == behind);
                let continues = bare.ends_with(b"\\");
                self.end_line(end);
                if continues && assigns(self.rest_of_line(self.at), key) {
                    return Err(format!(
                        "cannot be edited: {key} is set in line {}, which continues the line before it",
                        self.line
                    ));
                }
                // An empty value stands right behind the sign: `NAME= # comment` has its blank kept.
                let value = if bare.is_empty() { behind..behind } else { value..value + length };
                Ok(Some(Assignment { name, value, is_plain: !has_parts }))
            }
        }
    }

    /// From `at` to before the line's end.
    fn rest_of_line(&self, at: usize) -> &'a [u8] {
        let rest = self.text.get(at..).unwrap_or_default();
        let line = rest
            .iter()
            .position(|byte| *byte == b'\n')
            .map_or(rest, |end| rest.get(..end).unwrap_or_default());
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    fn end_line(&mut self, at: usize) {
        let rest = self.text.get(at..).unwrap_or_default();
        self.at = rest.iter().position(|byte| *byte == b'\n').map_or(self.text.len(), |end| at + end + 1);
        self.line += 1;
    }

    /// Where a quoted value ends: a backslash protects a double quote, nothing protects a single one.
    fn closing(&self, from: usize, quote: u8) -> Option<usize> {
        let mut at = from;
        loop {
            match *self.text.get(at)? {
                byte if byte == quote => return Some(at),
                b'\\' if quote == b'"' => at += 2,
                _ => at += 1,
            }
        }
    }
}

/// Whether a line, taken by itself, would set the key.
fn assigns(line: &[u8], key: &str) -> bool {
    let line = line.trim_ascii();
    let line = line.strip_prefix(b"export").map_or(line, <[u8]>::trim_ascii_start);
    line.strip_prefix(key.as_bytes()).is_some_and(|rest| rest.trim_ascii_start().starts_with(b"="))
}

/// Whether a value takes another one in: `$(command)`, `${NAME}`, or all of it is `$NAME`. A lone `$` in a text is one.
fn is_put_together(value: &[u8]) -> bool {
    let taken = |two: &[u8]| matches!(two, b"$(" | b"${");
    let protected = |at: usize| at > 0 && value.get(at - 1) == Some(&b'\\');
    value.windows(2).enumerate().any(|(at, two)| taken(two) && !protected(at))
        || value.strip_prefix(b"$").is_some_and(|name| !name.is_empty() && is_name(name))
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_blank(byte)).count()
}
