//! PHP files as the evaluator sees them: read with a limit, parsed, with lines to point at.

use std::cell::OnceCell;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use php_ast::{Program, Span};
use php_rs_parser::bumpalo::Bump;

/// Files larger than this are not configuration.
pub const MOST_BYTES: u64 = 1 << 20;

/// A parsed file, or a parsed string that was given to `eval`.
pub struct Source<'a> {
    /// The path as PHP's `__FILE__` gives it.
    pub path: Rc<Path>,
    /// The path as messages show it.
    pub shown: Rc<str>,
    /// The text the parser saw.
    pub text: &'a str,
    /// The parsed program.
    pub program: &'a Program<'a, 'a>,
    /// What is wrong with its syntax: the line and the parser's words.
    pub broken: Option<(u32, String)>,
    /// Whether bytes that are no UTF-8 were replaced, see [`Source::bytes`].
    mapped: bool,
    /// Where each line ends, found when a line is asked for: a program of nothing but unknown conditions asks
    /// for thousands.
    line_ends: OnceCell<Vec<usize>>,
}

/// Why a file could not be read.
pub enum Unreadable {
    Missing,
    /// Not allowed, not a regular file, or too large.
    Other(String),
}

/// Reads a regular file of bounded size.
pub fn read(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let because = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => Unreadable::Missing,
        _ => Unreadable::Other(error.to_string()),
    };
    let metadata = std::fs::metadata(path).map_err(because)?;
    if !metadata.is_file() {
        return Err(Unreadable::Other("it is not a regular file".into()));
    }
    if metadata.len() > MOST_BYTES {
        return Err(Unreadable::Other("it is larger than 1 MiB".into()));
    }
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(because)?.take(MOST_BYTES).read_to_end(&mut bytes).map_err(because)?;
    Ok(bytes)
}

impl<'a> Source<'a> {
    /// Parses `bytes` into `arena`. Never fails: what is wrong is in `broken`.
    pub fn parse(arena: &'a Bump, bytes: &[u8], path: Rc<Path>, shown: Rc<str>) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let (text, mapped): (&'a str, bool) = match std::str::from_utf8(bytes) {
            Ok(text) => (arena.alloc_str(text), false),
            // The parser takes text only. Each offending byte becomes a character of the private use
            // area, and `bytes` turns it back, so that a password in Latin-1 stays what it is.
            Err(_) => (arena.alloc_str(&map_bytes(bytes)), true),
        };
        let parsed = php_rs_parser::parse_arena_with(
            arena,
            text,
            // A plain line count is all that is needed, and only when something goes wrong.
            &{
                let mut options = php_rs_parser::ParseOptions::default();
                options.source_map = false;
                options
            },
        );
        let broken = parsed.errors.first().map(|error| (line_at(text, error.span()), error.to_string()));
        Self {
            path,
            shown,
            text,
            program: arena.alloc(parsed.program),
            broken,
            mapped,
            line_ends: OnceCell::new(),
        }
    }

    /// A literal's bytes as they are in the file.
    pub fn bytes(&self, literal: &[u8]) -> Rc<[u8]> {
        if !self.mapped || !literal.contains(&0xef) {
            return literal.into();
        }
        let mut bytes = Vec::with_capacity(literal.len());
        let mut rest = literal;
        loop {
            match rest {
                [0xef, second @ 0x9c..=0x9f, third @ 0x80..=0xbf, tail @ ..] => {
                    bytes.push(((second & 0x03) << 6) | (third & 0x3f));
                    rest = tail;
                }
                [first, tail @ ..] => {
                    bytes.push(*first);
                    rest = tail;
                }
                [] => return bytes.into(),
            }
        }
    }

    /// The line of a node, from 1.
    pub fn line(&self, span: Span) -> u32 {
        let ends = self.line_ends.get_or_init(|| {
            self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect()
        });
        let before = ends.partition_point(|end| *end < span.start as usize);
        u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// The code of a node on one line, cut to a length that fits a sentence.
    pub fn code(&self, span: Span) -> String {
        let code = self.text.get(span.start as usize..span.end as usize).unwrap_or("");
        let flat = code.split_whitespace().collect::<Vec<_>>().join(" ");
        match flat.char_indices().nth(80) {
            Some((end, _)) => format!("{}…", &flat[..end]),
            None => flat,
        }
    }
}

fn line_at(text: &str, span: Span) -> u32 {
    let end = (span.start as usize).min(text.len());
    let lines = text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count();
    u32::try_from(lines).unwrap_or(u32::MAX).saturating_add(1)
}

/// Maps each byte that is not part of valid UTF-8 to U+F700 plus the byte, and likewise the bytes of
/// characters that are there already, so that the way back is unambiguous.
fn map_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 16);
    let map = |byte: u8| char::from_u32(0xf700 + u32::from(byte)).unwrap_or('\u{fffd}');
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if ('\u{f700}'..='\u{f7ff}').contains(&character) {
                let mut buffer = [0; 4];
                text.extend(character.encode_utf8(&mut buffer).bytes().map(map));
            } else {
                text.push(character);
            }
        }
        text.extend(chunk.invalid().iter().copied().map(map));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_utf8_survive_the_parser() {
        let arena = Bump::new();
        let original = b"<?php 'p\xe4ss\xff \xef\x9e\x80 \xc3\xa4';";
        let source = Source::parse(&arena, original, Rc::from(Path::new("/x")), "x".into());
        assert!(source.broken.is_none());
        assert_eq!(&*source.bytes(source.text.as_bytes()), original);
    }
}
