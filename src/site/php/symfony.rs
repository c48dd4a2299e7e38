//! `.env` files by the rules of `symfony/dotenv`, as far as its versions 4 to 7 agree.
//!
//! A file is read whole before anything is set. What earlier files of the same library set, later ones may
//! replace; the real environment comes first. A line of any other form than the plain ones gives up: what the
//! file sets is not known then.

use std::path::Path;

use php_ast::Span;

use super::dotenv::{Loader, publish};
use super::eval::{Eval, Evaluator};
use super::source::Unreadable;
use super::value::{Data, Key, Value, merge};

/// Names that a request brings to `$_SERVER`: one that a file sets may not count.
fn is_of_request(name: &[u8]) -> bool {
    name.starts_with(b"HTTP") || name.starts_with(b"SERVER_") || name.starts_with(b"REQUEST_")
}

/// `load()`, `overload()`, `loadEnv()` and `bootEnv()`.
pub fn call(
    evaluator: &mut Evaluator<'_>,
    loader: &Loader,
    method: &str,
    arguments: &[Value],
    span: Span,
) -> Eval {
    let give_up = |evaluator: &mut Evaluator<'_>, reason: String| {
        let why = evaluator.why(span, reason);
        Ok(evaluator.unknown_call(why))
    };
    let paths: Option<Vec<Vec<u8>>> =
        arguments.iter().map(|path| path.to_bytes().map(|path| path.to_vec())).collect();
    let is_nested = evaluator.input.env.get("SYMFONY_DOTENV_VARS").is_some();
    let is_method = matches!(method, "load" | "overload" | "loadenv" | "bootenv");
    let Some(paths) = paths.filter(|_| !loader.is_unclear && !is_nested && is_method) else {
        return give_up(evaluator, "which .env file is loaded cannot be known".into());
    };
    if matches!(method, "load" | "overload") {
        for path in paths {
            match load(evaluator, loader, &path, method == "overload", span) {
                Ok(true) => {}
                Ok(false) => return Err(evaluator.throw(span, "the .env file does not exist")),
                Err(reason) => return give_up(evaluator, reason),
            }
        }
        return Ok(Value::null());
    }
    let ([path], false) = (&paths[..], loader.has_arguments) else {
        return give_up(evaluator, format!("{method}() with several arguments is not followed"));
    };
    let beside = |suffix: &[u8]| [path, suffix].concat();
    if method == "bootenv" && evaluator.absolute(&beside(b".local.php")).exists() {
        return give_up(evaluator, "bootEnv() loads what was made of the .env files before".into());
    }
    let first = match load(evaluator, loader, path, false, span) {
        Ok(false) => load(evaluator, loader, &beside(b".dist"), false, span),
        other => other,
    };
    match first {
        Ok(true) => {}
        Ok(false) => return Err(evaluator.throw(span, "the .env file does not exist")),
        Err(reason) => return give_up(evaluator, reason),
    }
    let name = Value::text("APP_ENV");
    let mut kind = environment_kind(evaluator, &name, span);
    if kind.is_null() {
        kind = Value::text("dev").with(&kind.env);
        set(evaluator, loader, b"APP_ENV", kind.clone(), false, span);
    }
    // With another kind there, other files would be loaded.
    evaluator.doubt_with(&kind.env);
    let Some(mut word) = kind.to_bytes() else {
        return give_up(evaluator, "which .env files APP_ENV asks for cannot be known".into());
    };
    if &*word != b"test" {
        match load(evaluator, loader, &beside(b".local"), false, span) {
            Ok(false) => {}
            Ok(true) => {
                let now = environment_kind(evaluator, &name, span);
                match now.to_bytes() {
                    Some(_) if now.is_null() => {}
                    Some(now) => word = now,
                    None => {
                        let reason = "which .env files APP_ENV asks for cannot be known";
                        return give_up(evaluator, reason.into());
                    }
                }
            }
            Err(reason) => return give_up(evaluator, reason),
        }
    }
    if &*word != b"local" {
        for suffix in [[b".", &word[..]].concat(), [b".", &word[..], b".local"].concat()] {
            if let Err(reason) = load(evaluator, loader, &beside(&suffix), false, span) {
                return give_up(evaluator, reason);
            }
        }
    }
    evaluator.doubt_with(&kind.env);
    if method == "bootenv" {
        for superglobal in ["_ENV", "_SERVER"] {
            let unknown = evaluator.unknown(span, "it is what bootEnv() makes of APP_DEBUG");
            let array = evaluator.state.superglobals.entry(superglobal).or_default();
            array.set(Key::from_bytes(b"APP_DEBUG"), unknown);
        }
    }
    Ok(Value::null())
}

/// `$_SERVER['APP_ENV'] ?? $_ENV['APP_ENV']`.
fn environment_kind(evaluator: &mut Evaluator<'_>, name: &Value, span: Span) -> Value {
    let in_server = evaluator.superglobal_element("_SERVER", name, span);
    if !in_server.is_null() {
        return in_server;
    }
    let in_env = evaluator.superglobal_element("_ENV", name, span);
    in_env.with(&in_server.env)
}

/// Loads one file: whether it exists. `Err`: why what it sets is not known.
fn load(
    evaluator: &mut Evaluator<'_>,
    loader: &Loader,
    path: &[u8],
    overwrites: bool,
    span: Span,
) -> Result<bool, String> {
    let path = evaluator.absolute(path);
    let content = match evaluator.read_file(&path) {
        Ok(content) => content,
        Err(Unreadable::Missing) => return Ok(false),
        Err(Unreadable::Other(reason)) => {
            return Err(format!("{} cannot be read here: {reason}", path.display()));
        }
    };
    let values = parse(evaluator, &path, &content, span)?;
    for (name, value) in values {
        set(evaluator, loader, &name, value, overwrites, span);
    }
    Ok(true)
}

/// Symfony: `Dotenv::populate()`.
fn set(
    evaluator: &mut Evaluator<'_>,
    loader: &Loader,
    name: &[u8],
    value: Value,
    overwrites: bool,
    span: Span,
) {
    let key = Value::bytes(name);
    let mut value = value;
    if !overwrites && !is_loaded(evaluator, name) {
        let present = evaluator.superglobal_element("_ENV", &key, span);
        match present.data {
            Data::Null => value = value.with(&present.env),
            // The real environment comes first. (One that is not known may well be set.)
            _ => return,
        }
    }
    if is_of_request(name) {
        value = evaluator.unknown(span, "whether a request or a .env file sets it is not followed");
    }
    evaluator.from_dotenv.insert(name.to_vec());
    publish(evaluator, loader, name, value, span);
}

/// Whether a file set this name before.
fn is_loaded(evaluator: &Evaluator<'_>, name: &[u8]) -> bool {
    let written = evaluator.state.superglobals.get("_ENV");
    evaluator.from_dotenv.contains(name)
        && written.is_some_and(|array| array.get(&Key::from_bytes(name)).is_some())
}

/// A name and its value.
type Variable = (Vec<u8>, Value);

fn parse(
    evaluator: &mut Evaluator<'_>,
    path: &Path,
    content: &[u8],
    span: Span,
) -> Result<Vec<Variable>, String> {
    let mut values: Vec<Variable> = Vec::new();
    for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let start = line.trim_ascii_start();
        if start.is_empty() || start.starts_with(b"#") {
            continue;
        }
        let refused = || format!("{} line {} is not followed", path.display(), index + 1);
        if line.contains(&b'\r') || line.contains(&0x0b) || line.contains(&0) {
            return Err(refused());
        }
        let (name, text) = split(start).ok_or_else(refused)?;
        let value = value(evaluator, text, &values, span).ok_or_else(refused)?;
        match values.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => *slot = value,
            None => values.push((name.to_vec(), value)),
        }
    }
    Ok(values)
}

/// The name and what follows `=`.
fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = match line.strip_prefix(b"export") {
        Some(rest) if rest.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) => {
            rest.trim_ascii_start()
        }
        _ => line,
    };
    let at = rest.iter().position(|byte| *byte == b'=')?;
    let (name, text) = (&rest[..at], &rest[at + 1..]);
    (name_length(name) == name.len() && !name.is_empty() && name[0] != b'_').then_some((name, text))
}

/// How many bytes at the start are a name.
fn name_length(text: &[u8]) -> usize {
    let first = usize::from(text.first() == Some(&b'_'));
    if !text.get(first).is_some_and(u8::is_ascii_alphabetic) {
        return 0;
    }
    text.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_').unwrap_or(text.len())
}

/// Symfony: `Dotenv::lexValue()`. `None`: a form that is not followed, or refused.
fn value(evaluator: &mut Evaluator<'_>, text: &[u8], values: &[Variable], span: Span) -> Option<Value> {
    let blank = text.trim_ascii_start();
    if blank.is_empty() || blank.starts_with(b"#") {
        return Some(Value::text(""));
    }
    if text[0].is_ascii_whitespace() {
        return None;
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    loop {
        match rest {
            [] => break,
            [b'\'', tail @ ..] => {
                let end = tail.iter().position(|byte| *byte == b'\'')?;
                pieces.push(Value::bytes(&tail[..end]));
                rest = &tail[end + 1..];
            }
            [b'"', tail @ ..] => {
                let end = tail.iter().position(|byte| *byte == b'"')?;
                expand(evaluator, &tail[..end], values, &mut pieces, span)?;
                rest = &tail[end + 1..];
            }
            _ => {
                let mut end = 0;
                let mut after_blank = false;
                while let Some(byte) = rest.get(end) {
                    if matches!(byte, b'"' | b'\'') || (after_blank && *byte == b'#') {
                        break;
                    }
                    after_blank = matches!(byte, b' ' | b'\t');
                    end += 1;
                }
                let plain = rest[..end].trim_ascii_end();
                expand(evaluator, plain, values, &mut pieces, span)?;
                // Values with blanks need quotes; whether an expansion excuses them depends on what it gave.
                if plain.iter().any(u8::is_ascii_whitespace) {
                    return None;
                }
                rest = &rest[end..];
                if rest.starts_with(b"#") {
                    break;
                }
            }
        }
    }
    evaluator.concat(&pieces, span).ok()
}

/// Replaces `$NAME` and `${NAME}`. `None`: escapes, commands and defaults.
fn expand(
    evaluator: &mut Evaluator<'_>,
    text: &[u8],
    values: &[Variable],
    pieces: &mut Vec<Value>,
    span: Span,
) -> Option<()> {
    if text.contains(&b'\\') {
        return None;
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        pieces.push(Value::bytes(&rest[..at]));
        rest = &rest[at + 1..];
        let is_braced = rest.starts_with(b"{");
        let inner = if is_braced { &rest[1..] } else { rest };
        // Up to version 4 that is no name.
        if inner.starts_with(b"_") {
            return None;
        }
        let length = name_length(inner);
        if rest.starts_with(b"(") || (is_braced && (length == 0 || inner.get(length) != Some(&b'}'))) {
            return None;
        }
        if length == 0 {
            if rest.starts_with(b":") || rest.starts_with(b"}") {
                return None;
            }
            pieces.push(Value::text("$"));
            continue;
        }
        if !is_braced && matches!(inner.get(length..length + 2), Some(b":-" | b":=")) {
            return None;
        }
        pieces.push(lookup(evaluator, &inner[..length], values, span));
        rest = &inner[length + usize::from(is_braced)..];
    }
    pieces.push(Value::bytes(rest));
    Some(())
}

fn lookup(evaluator: &mut Evaluator<'_>, name: &[u8], values: &[Variable], span: Span) -> Value {
    let own = values.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    if own.is_some() && is_loaded(evaluator, name) {
        return evaluator.unknown(span, "a .env value refers to one that two files set");
    }
    if is_of_request(name) {
        return evaluator.unknown(span, "a .env value refers to what a request brings");
    }
    let key = Value::bytes(name);
    let in_env = evaluator.superglobal_element("_ENV", &key, span);
    if !in_env.is_null() {
        return in_env;
    }
    let in_server = evaluator.superglobal_element("_SERVER", &key, span);
    if !in_server.is_null() {
        return in_server;
    }
    let env = merge(&in_env.env, &in_server.env);
    match own {
        Some(value) => value.with(&env),
        None => {
            let value = evaluator.environment(name, true, span);
            match value.data {
                Data::Bool(false) => Value::text("").with(&value.env).with(&env),
                _ => value,
            }
        }
    }
}
