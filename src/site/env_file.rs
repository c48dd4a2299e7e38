//! `--env-file`: the environment that the web server's PHP has.
//!
//! Lines of `NAME=value` as systemd (`EnvironmentFile=`) and Docker Compose (`env_file:`) read them, or the
//! variables of a running process, separated by NUL bytes (`/proc/PID/environ`, `env -0`). Where those
//! readers disagree about a line, it is refused: a wrong value here would lead to another site's database.

use std::path::Path;

/// Files larger than this are no environment.
const MOST_BYTES: u64 = 1 << 20;

/// A name and its value.
type Variable = (Vec<u8>, Vec<u8>);

/// Reads a file.
///
/// # Errors
/// A sentence that names the file and the line, and never a value.
pub(super) fn read(path: &Path) -> Result<Vec<Variable>, String> {
    use std::io::Read;
    let failed = |reason: String| format!("{} (--env-file) cannot be read: {reason}.", path.display());
    let mut bytes = Vec::new();
    // The length of a file in /proc is only known once it has been read.
    std::fs::File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(failed("it is larger than 1 MiB".into()));
    }
    parse(&bytes).map_err(|(line, reason)| failed(format!("line {line}: {reason}")))
}

/// A line number, and what is wrong there.
type Refused = (usize, &'static str);

fn parse(bytes: &[u8]) -> Result<Vec<Variable>, Refused> {
    if bytes.contains(&0) {
        // Exactly what the process has: nothing to interpret. What has no name is not a variable.
        return Ok(bytes
            .split(|byte| *byte == 0)
            .filter_map(|entry| {
                let at = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0)?;
                Some((entry[..at].to_vec(), entry[at + 1..].to_vec()))
            })
            .collect());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut variables = Vec::new();
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let refused = |reason| (index + 1, reason);
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b";") {
            continue;
        }
        let line = line.strip_prefix(b"export ").map_or(line, <[u8]>::trim_ascii_start);
        let at = line.iter().position(|byte| *byte == b'=').ok_or(refused("it is not NAME=value"))?;
        let name = &line[..at];
        let is_name = !name.is_empty()
            && !name[0].is_ascii_digit()
            && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
        if !is_name {
            return Err(refused("what stands before = is not the name of a variable"));
        }
        variables.push((name.to_vec(), value(&line[at + 1..]).map_err(refused)?));
    }
    Ok(variables)
}

fn value(text: &[u8]) -> Result<Vec<u8>, &'static str> {
    match text {
        [b'\'', inner @ .., b'\''] if !inner.contains(&b'\'') => Ok(inner.to_vec()),
        [b'"', inner @ .., b'"'] => quoted(inner),
        [b'\'' | b'"', ..] => Err(
            "the quote is not closed at the end of the line; values of several lines need NUL bytes (env -0)",
        ),
        [first, ..] if first.is_ascii_whitespace() => Err("a blank follows ="),
        _ => {
            if has_reference(text) {
                return Err(
                    "systemd takes $ as it is, Docker Compose replaces it; write the value in single quotes",
                );
            }
            if text.contains(&b'\\') {
                return Err("a backslash is read in several ways; write the value in single quotes");
            }
            if text.windows(2).any(|pair| pair[0].is_ascii_whitespace() && pair[1] == b'#') {
                return Err(
                    "systemd takes # as it is, Docker Compose begins a comment; write the value in quotes",
                );
            }
            Ok(text.to_vec())
        }
    }
}

fn quoted(inner: &[u8]) -> Result<Vec<u8>, &'static str> {
    if has_reference(inner) {
        return Err("systemd takes $ as it is, Docker Compose replaces it; write the value in single quotes");
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let [first, tail @ ..] = rest {
        rest = tail;
        match (first, tail) {
            (b'\\', [byte @ (b'"' | b'\\' | b'$'), after @ ..]) => {
                bytes.push(*byte);
                rest = after;
            }
            (b'\\', _) => {
                return Err("this backslash is read in several ways; write the value in single quotes");
            }
            (b'"', _) => return Err("something follows the closing quote"),
            _ => bytes.push(*first),
        }
    }
    Ok(bytes)
}

/// `$NAME` or `${`, not escaped.
fn has_reference(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        match rest {
            [b'\\', _, tail @ ..] => rest = tail,
            [b'$', next, ..] if next.is_ascii_alphanumeric() || matches!(next, b'_' | b'{' | b'$') => {
                return true;
            }
            [_, tail @ ..] => rest = tail,
            [] => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let utf8 = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        parse(text.as_bytes()).unwrap().into_iter().map(|(name, value)| (utf8(name), utf8(value))).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn lines_and_processes_are_read() {
        assert_eq!(
            pairs("# c\n\nA=1\r\nexport B='p$x#y \\'\nC=\"q\\\"\\\\ #z\"\nD=\nE=a=b#c\n; d\nF=\"\\$x\"\n"),
            [
                pair("A", "1"),
                pair("B", "p$x#y \\"),
                pair("C", "q\"\\ #z"),
                pair("D", ""),
                pair("E", "a=b#c"),
                pair("F", "$x")
            ]
        );
        assert_eq!(
            pairs("A=it's $5 \\n\nsecond line\0B=\0=x\0nonsense\0"),
            [pair("A", "it's $5 \\n\nsecond line"), pair("B", "")]
        );
    }

    #[test]
    fn what_readers_disagree_about_is_refused_without_the_value() {
        for line in [
            "A=$B",
            "A=${B}",
            "A=\"x$B\"",
            "A=x #y",
            "A=x\\y",
            "A=\"\\q\"",
            "A='x",
            "A=\"x\"y",
            "A= x",
            "A",
            "1A=x",
            "A B=x",
            "A='a'b'",
        ] {
            let (number, _) = parse(format!("OK=1\n{line}\n").as_bytes()).unwrap_err();
            assert_eq!(number, 2, "{line}");
        }
        let missing = read(Path::new("/nowhere/env")).unwrap_err();
        assert!(missing.starts_with("/nowhere/env (--env-file) cannot be read: "), "{missing}");
    }
}
