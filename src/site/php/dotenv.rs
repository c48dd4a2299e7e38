//! `.env` files by the rules of phpdotenv 5, as Bedrock loads them.
//!
//! The real environment comes first, a later line of the files wins over an earlier one. A line on which
//! versions of the library disagree gives an unknown value.

use std::path::PathBuf;

use php_ast::Span;

use super::eval::{Eval, Evaluator};
use super::source::Unreadable;
use super::value::{Data, Key, Value};

/// Why a value is not known that `getenv()` may show.
const BY_VERSION: &str =
    "whether getenv() shows what a .env file says depends on the version of the library that loads it";

/// Composer's name of the library.
pub const PHPDOTENV: &str = "vlucas/phpdotenv";

/// A loader being set up by method calls.
#[derive(Debug, Clone, Default)]
pub struct Loader {
    /// Overwrites variables that are set already.
    pub overwrites: bool,
    /// Sets what `getenv()` reads too.
    pub uses_putenv: bool,
    /// Whether it does that depends on the library's version.
    pub may_use_putenv: bool,
    /// Folders in which the files are looked for.
    pub folders: Vec<Vec<u8>>,
    /// Names of the files.
    pub names: Vec<Vec<u8>>,
    /// Reads only the first file that exists.
    pub only_first: bool,
    /// Some argument was not known.
    pub is_unclear: bool,
    /// Version 1 of phpdotenv, which reads lines in a way of its own.
    pub is_first: bool,
    /// Symfony's, which is given whole paths.
    pub is_symfony: bool,
    /// Its constructor was given something.
    pub has_arguments: bool,
}

impl Loader {
    pub fn php_dotenv(overwrites: bool, uses_putenv: bool) -> Self {
        Self { overwrites, uses_putenv, names: vec![b".env".to_vec()], only_first: true, ..Self::default() }
    }
}

/// The major version of a package that a list of Composer's names: `installed.json`, `composer.lock` or the
/// constraint in `composer.json`.
pub fn major_version(list: &str, package: &str) -> Option<u32> {
    let name = format!("\"{package}\"");
    for (at, _) in list.match_indices(&name) {
        let after = list[at + name.len()..].trim_start();
        let is_entry = list[..at].trim_end().ends_with(':');
        let text = if is_entry {
            let version = after.strip_prefix(',')?.trim_start().strip_prefix("\"version\"")?;
            version.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?
        } else {
            // A constraint, of this project or of a package.
            let constraint = after.strip_prefix(':')?.trim_start().strip_prefix('"')?.split('"').next()?;
            if list.contains("\"packages\"") || constraint.contains(['|', ',', ' ', '-', '*', '>', '<']) {
                continue;
            }
            constraint
        };
        let digits = text.trim_start_matches(['v', '^', '~', '=']);
        return digits.split('.').next()?.parse().ok();
    }
    None
}

/// What a line sets a variable to.
enum Assigned {
    Text(Vec<Piece>),
    /// The library's versions read it differently, or it is not followed.
    Unclear,
}

enum Piece {
    Bytes(Vec<u8>),
    /// `${NAME}`.
    Variable(Vec<u8>),
}

/// Reads the files and sets the variables.
pub fn load(evaluator: &mut Evaluator<'_>, loader: &Loader, may_lack: bool, span: Span) -> Eval {
    let doubtful = |evaluator: &mut Evaluator<'_>, reason: String| {
        let why = evaluator.why(span, reason);
        Ok(evaluator.unknown_call(why))
    };
    if loader.is_unclear {
        return doubtful(evaluator, "which .env file is loaded cannot be known".into());
    }
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in &loader.folders {
        for name in &loader.names {
            let mut path = folder.clone();
            path.push(b'/');
            path.extend_from_slice(name);
            paths.push(evaluator.absolute(&path));
        }
    }
    let mut contents: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for path in paths {
        match evaluator.read_file(&path) {
            Ok(content) => {
                contents.push((path, content));
                if loader.only_first {
                    break;
                }
            }
            Err(Unreadable::Missing) => {}
            Err(Unreadable::Other(reason)) => {
                return doubtful(evaluator, format!("{} cannot be read here: {reason}", path.display()));
            }
        }
    }
    if contents.is_empty() && !may_lack {
        return Err(evaluator.throw(span, "the .env file does not exist"));
    }
    let mut own: Vec<Vec<u8>> = Vec::new();
    for (path, content) in contents {
        if loader.is_first {
            for (name, assigned) in parse_first(&content) {
                if name.is_empty() {
                    return Err(evaluator.throw(span, "putenv() takes no variable without a name"));
                }
                set(evaluator, loader, &mut own, &name, assigned, span);
            }
            continue;
        }
        let Some(lines) = parse(&content) else {
            return Err(
                evaluator.throw(span, format!("{} has a line that is not understood", path.display()))
            );
        };
        for (name, assigned) in lines {
            set(evaluator, loader, &mut own, &name, assigned, span);
        }
    }
    // What it returns, the library's versions see differently.
    Ok(evaluator.unknown(span, "it is what a .env loader returns"))
}

fn set(
    evaluator: &mut Evaluator<'_>,
    loader: &Loader,
    own: &mut Vec<Vec<u8>>,
    name: &[u8],
    assigned: Assigned,
    span: Span,
) {
    let key = Value::bytes(name);
    // Version 1 does not replace what it set itself either.
    if !loader.overwrites && (loader.is_first || !own.iter().any(|known| known == name)) {
        let present = evaluator.superglobal_element("_ENV", &key, span);
        match present.data {
            Data::Null => {}
            // The real environment comes first. (One that is not known may well be set.)
            _ => return,
        }
    }
    own.push(name.to_vec());
    evaluator.from_dotenv.insert(name.to_vec());
    let value = match assigned {
        Assigned::Unclear => evaluator
            .unknown(span, format!("the .env value of {} is not followed", String::from_utf8_lossy(name))),
        Assigned::Text(pieces) => {
            let mut values = Vec::with_capacity(pieces.len());
            for piece in pieces {
                match piece {
                    Piece::Bytes(bytes) => values.push(Value::bytes(bytes)),
                    Piece::Variable(variable) => {
                        let value =
                            evaluator.superglobal_element("_ENV", &Value::bytes(variable.clone()), span);
                        // phpdotenv: a name that is not set stays as it is written.
                        values.push(match value.data {
                            Data::Null => {
                                Value::bytes([b"${", &variable[..], b"}"].concat()).with(&value.env)
                            }
                            _ => value,
                        });
                    }
                }
            }
            evaluator
                .concat(&values, span)
                .unwrap_or_else(|_| evaluator.unknown(span, "a .env value is too long"))
        }
    };
    publish(evaluator, loader, name, value, span);
}

/// Sets a variable where the loader sets one.
pub fn publish(evaluator: &mut Evaluator<'_>, loader: &Loader, name: &[u8], value: Value, span: Span) {
    for superglobal in ["_ENV", "_SERVER"] {
        let array = evaluator.state.superglobals.entry(superglobal).or_default();
        array.set(Key::from_bytes(name), value.clone());
    }
    if loader.uses_putenv {
        evaluator.state.putenv.insert(name.to_vec(), Some(value));
    } else if loader.may_use_putenv {
        let value = evaluator.unknown(span, BY_VERSION);
        evaluator.state.putenv.insert(name.to_vec(), Some(value));
    }
}

/// `None`: a line that the library refuses.
fn parse(content: &[u8]) -> Option<Vec<(Vec<u8>, Assigned)>> {
    let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mut result = Vec::new();
    let mut lines =
        content.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line).to_vec());
    while let Some(mut line) = lines.next() {
        // A double quote that is open at the end of a line goes on on the next.
        while opens_quote(&line) {
            line.push(b'\n');
            line.extend_from_slice(&lines.next()?);
        }
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let at = line.iter().position(|byte| *byte == b'=');
        let name = line[..at.unwrap_or(line.len())].trim_ascii();
        // phpdotenv: `export` counts before a name of two letters or more.
        let exported = name.strip_prefix(b"export ").filter(|_| name.len() > 8);
        let name = exported.map_or(name, <[u8]>::trim_ascii);
        let name = match name {
            [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
            name => name,
        };
        if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(byte)) {
            return None;
        }
        // A name alone sets nothing.
        let Some(at) = at else { continue };
        result.push((name.to_vec(), value(line[at + 1..].trim_ascii())?));
    }
    Some(result)
}

/// Lines of version 1: it refuses none. Only plain ones are followed.
fn parse_first(content: &[u8]) -> Vec<(Vec<u8>, Assigned)> {
    let mut result = Vec::new();
    for line in content.split(|byte| matches!(byte, b'\n' | b'\r')) {
        if line.trim_ascii().starts_with(b"#") {
            continue;
        }
        let Some(at) = line.iter().position(|byte| *byte == b'=') else { continue };
        let name = String::from_utf8_lossy(&line[..at]).replace("export ", "").replace(['\'', '"'], "");
        let name = name.trim_ascii().as_bytes();
        let text = line[at + 1..].trim_ascii();
        let is_plain =
            |text: &[u8]| text.iter().all(|byte| byte.is_ascii_graphic() && !b"\"'\\${}#`".contains(byte));
        let inner = match text {
            [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] => inner,
            text => text,
        };
        let assigned = if is_plain(inner) {
            // PHP: a 0 is nothing.
            let bytes = if text == b"0" { Vec::new() } else { inner.to_vec() };
            Assigned::Text(vec![Piece::Bytes(bytes)])
        } else {
            Assigned::Unclear
        };
        result.push((name.to_vec(), assigned));
    }
    result
}

fn opens_quote(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    if line.starts_with(b"#") {
        return false;
    }
    let Some(at) = line.iter().position(|byte| *byte == b'=') else { return false };
    let Some(mut rest) = line[at + 1..].trim_ascii_start().strip_prefix(b"\"") else { return false };
    loop {
        match rest {
            [b'\\', _, tail @ ..] => rest = tail,
            [b'"', ..] => return false,
            [_, tail @ ..] => rest = tail,
            [] => return true,
        }
    }
}

fn value(text: &[u8]) -> Option<Assigned> {
    let (mut rest, quote) = match text {
        [] => return Some(Assigned::Text(Vec::new())),
        [quote @ (b'"' | b'\''), rest @ ..] => (rest, Some(*quote)),
        rest => (rest, None),
    };
    let mut pieces = Vec::new();
    let mut bytes = Vec::new();
    loop {
        match (quote, rest) {
            (Some(quote), [byte, tail @ ..]) if *byte == quote => {
                let after = tail.trim_ascii_start();
                if !(after.is_empty() || after.starts_with(b"#")) {
                    return None;
                }
                break;
            }
            (Some(_), []) => return None,
            (None, []) => break,
            (None, [b'#', ..]) if bytes.is_empty() && pieces.is_empty() => break,
            // Version 5 begins a comment here, others do not.
            (None, [b'#', ..]) => return Some(Assigned::Unclear),
            (None, [byte, tail @ ..]) if byte.is_ascii_whitespace() => {
                let after = tail.trim_ascii_start();
                if !(after.is_empty() || after.starts_with(b"#")) {
                    return None;
                }
                break;
            }
            (Some(b'"'), [b'\\', byte, tail @ ..]) => {
                bytes.push(match byte {
                    b'"' | b'\\' | b'$' => *byte,
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'f' => 0x0c,
                    b'v' => 0x0b,
                    _ => return Some(Assigned::Unclear),
                });
                rest = tail;
            }
            (quote, [b'$', b'{', tail @ ..]) if quote != Some(b'\'') => {
                match tail.iter().position(|byte| *byte == b'}') {
                    Some(end)
                        if tail[..end]
                            .iter()
                            .all(|byte| byte.is_ascii_alphanumeric() || b"_.".contains(byte)) =>
                    {
                        pieces.push(Piece::Bytes(std::mem::take(&mut bytes)));
                        pieces.push(Piece::Variable(tail[..end].to_vec()));
                        rest = &tail[end + 1..];
                    }
                    _ => {
                        bytes.extend_from_slice(b"${");
                        rest = tail;
                    }
                }
            }
            (_, [byte, tail @ ..]) => {
                bytes.push(*byte);
                rest = tail;
            }
        }
    }
    pieces.push(Piece::Bytes(bytes));
    Some(Assigned::Text(pieces))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_library_is_read_off_composers_lists() {
        let lock = r#"{"packages": [{"name": "roots/x", "require": {"vlucas/phpdotenv": "^4.0"}},
            {"name": "vlucas/phpdotenv",
             "version": "v5.6.1"}]}"#;
        assert_eq!(major_version(lock, PHPDOTENV), Some(5));
        assert_eq!(major_version(r#"{"require": {"vlucas/phpdotenv": "^4.1"}}"#, PHPDOTENV), Some(4));
        assert_eq!(major_version(r#"{"require": {"vlucas/phpdotenv": "^4.1 || ^5.0"}}"#, PHPDOTENV), None);
        assert_eq!(major_version("{}", PHPDOTENV), None);
    }
}
