//! The YAML that WP-CLI's configuration files are written in, as Spyc reads it.
//!
//! Spyc is no YAML parser: it goes line by line, takes `@prod:` for a key and a tab for a blank, and cuts
//! what follows a `#`. No crate reads that dialect. Mirrors what `Spyc::YAMLLoadString()` of WP-CLI's fork
//! returns (`tests/vectors/spyc_load.json`); anchors and references are refused instead of followed.

/// A value of a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Yaml {
    /// `null`, `~`.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Another number.
    Float(f64),
    /// Everything else.
    Text(String),
    /// A list or a map, in order.
    Map(Vec<(Key, Yaml)>),
}

/// A key of a PHP array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// A number, also one that was written as text.
    Int(i64),
    /// Anything else.
    Text(String),
}

impl Key {
    /// PHP: text that is a whole number in its usual spelling becomes one.
    fn new(text: &str) -> Self {
        match text.parse::<i64>() {
            Ok(number) if number.to_string() == text => Self::Int(number),
            _ => Self::Text(text.to_owned()),
        }
    }
}

impl Yaml {
    /// A value of a map.
    pub fn get(&self, name: &str) -> Option<&Yaml> {
        let Self::Map(entries) = self else { return None };
        entries.iter().find(|(key, _)| *key == Key::Text(name.into())).map(|(_, value)| value)
    }

    /// PHP's truth.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Text(text) => !matches!(text.as_str(), "" | "0"),
            Self::Map(entries) => !entries.is_empty(),
        }
    }

    /// PHP's `(string)` of a scalar; `None` for lists and maps.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null | Self::Bool(false) => String::new(),
            Self::Bool(true) => "1".into(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => crate::output::float_string(*value),
            Self::Text(text) => text.clone(),
            Self::Map(_) => return None,
        })
    }
}

/// Deeper than this no configuration nests.
const DEEPEST: usize = 32;

/// A line, counted from 1, and what is wrong there.
pub type Broken = (usize, &'static str);

/// Reads a document. The result is always a map.
///
/// # Errors
/// [`Broken`]: a line that Spyc refuses too, an anchor or a reference, or more levels than make sense.
pub fn load(text: &str) -> Result<Yaml, Broken> {
    let lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    let mut reader = Reader { result: Vec::new(), path: Vec::new() };
    let mut at = 0;
    while let Some(source) = lines.get(at) {
        let number = at + 1;
        at += 1;
        let indent = indent_of(source);
        let line = &source[indent..];
        if line.starts_with('#') || trim(line) == "---" || trim(line).is_empty() {
            continue;
        }
        reader.leave(indent);
        let mut line = line.to_owned();
        let block = block_style(&line);
        let mut block_text = String::new();
        if let Some(style) = block {
            line = format!("{} {BLOCK}", line.trim_end_matches([style, ' ', '\n']));
            let block_indent = lines.get(at).map_or(0, |next| indent_of(next));
            while let Some(next) = lines.get(at) {
                // Spyc: PHP takes a line of `0` for empty.
                let goes_on = matches!(trim(next), "" | "0") || indent_of(next) > indent;
                if !goes_on {
                    break;
                }
                add_to_block(&mut block_text, next, style, block_indent);
                at += 1;
            }
        }
        if line.find('#').is_some_and(|hash| hash > 0) {
            cut_comment(&mut line);
        }
        while let Some(next) = lines.get(at).filter(|_| needs_next_line(&line)) {
            line = format!(
                "{} {}",
                line.trim_end_matches([' ', '\n', '\t', '\r']),
                next.trim_start_matches([' ', '\t'])
            );
            at += 1;
        }
        let Parsed { mut entries, delayed } = parse_line(&line, indent).map_err(|reason| (number, reason))?;
        if block.is_some() {
            fill_block(&mut entries, block_text.trim_end_matches([' ', '\r', '\n']));
        }
        reader.add(entries, indent);
        if let Some((indent, key)) = delayed {
            reader.set_path(indent, key);
        }
    }
    Ok(Yaml::Map(reader.result))
}

/// Stands where the text of a block goes. Spyc has a word of its own there; this one cannot be typed.
const BLOCK: &str = "\u{fdd0}block\u{fdd1}";

/// PHP's `trim()`.
fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b'])
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '\t', '\n', '\r', '\0', '\x0b']).len()
}

fn block_style(line: &str) -> Option<char> {
    match trim(line).chars().next_back()? {
        '|' => Some('|'),
        // What ends like an HTML tag is text.
        '>' if !line.contains('<') || !line.ends_with('>') => Some('>'),
        _ => None,
    }
}

fn add_to_block(block: &mut String, line: &str, style: char, indent: usize) {
    let line = line.get(indent..).unwrap_or("");
    if style == '|' {
        block.push_str(line.trim_end_matches(['\r', '\n', '\t', ' ']));
        block.push('\n');
        return;
    }
    let line = line[indent_of(line)..].trim_end_matches(['\r', '\n', '\t', ' ']);
    if line.is_empty() {
        block.truncate(block.trim_end_matches([' ', '\t']).len());
        block.push('\n');
    } else {
        block.push_str(line);
        block.push(' ');
    }
}

/// Spyc: from the first `#` on behind which there is no quote, with the blanks before it.
fn cut_comment(line: &mut String) {
    let after_quotes = line.rfind(['"', '\'']).map_or(0, |at| at + 1);
    if let Some(at) = line[after_quotes..].find('#').map(|at| at + after_quotes)
        && at + 1 < line.len()
    {
        let end = line[..at].trim_end_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']).len();
        line.truncate(end);
    }
}

/// Whether a `[` waits for its `]` on a later line.
fn needs_next_line(line: &str) -> bool {
    let line = trim(line);
    if line.is_empty() || line.ends_with(']') {
        return false;
    }
    line.starts_with('[')
        || line.find(':').is_some_and(|colon| {
            let rest = &line[colon + 1..];
            colon > 0 && rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']).starts_with('[')
        })
}

/// What one line adds.
struct Parsed {
    entries: Vec<(Key, Yaml)>,
    /// `- key:` opens a map in a list: where further lines belong.
    delayed: Option<(usize, Key)>,
}

impl From<Vec<(Key, Yaml)>> for Parsed {
    fn from(entries: Vec<(Key, Yaml)>) -> Self {
        Self { entries, delayed: None }
    }
}

/// A list's element: Spyc appends what has the key 0.
fn element(value: Yaml) -> Vec<(Key, Yaml)> {
    vec![(Key::Int(0), value)]
}

fn parse_line(line: &str, indent: usize) -> Result<Parsed, &'static str> {
    let line = trim(line);
    if matches!(line, "" | "0") {
        return Ok(element(Yaml::Null).into());
    }
    if has_anchor(line) {
        return Err("anchors (&name) and references (*name) are not read");
    }
    if let Some(head) = line.strip_suffix(':') {
        if let Some(head) = head.strip_prefix("- ") {
            let key = unquote(trim(head));
            let place = line.find(key).filter(|_| !key.is_empty()).unwrap_or(0);
            let inner = Yaml::Map(vec![(Key::new(key), Yaml::Map(Vec::new()))]);
            return Ok(Parsed { entries: element(inner), delayed: Some((place + indent, Key::new(key))) });
        }
        check_keys(line)?;
        return Ok(vec![(Key::new(unquote(trim(head))), Yaml::Text(String::new()))].into());
    }
    if let Some(rest) = line.strip_prefix("- ") {
        let mut value = to_type(trim(rest), 0)?;
        if let Yaml::Text(text) = &value
            && text.starts_with("- ")
        {
            value = Yaml::Map(element(to_type(trim(&text.clone()[1..]), 0)?));
        }
        return Ok(element(value).into());
    }
    if line.starts_with('[') && line.ends_with(']') {
        return Ok(match to_type(line, 0)? {
            Yaml::Map(entries) if !entries.is_empty() => entries,
            // Spyc: an empty list on a line of its own is an element that is null.
            _ => element(Yaml::Null),
        }
        .into());
    }
    let Some((key, value)) = line.split_once(": ").filter(|(key, _)| !key.is_empty()) else {
        return Ok(element(Yaml::Text(line.into())).into());
    };
    // The key 0 is told from an element without a key.
    let named = |key: &str| if key == "0" { Key::Text("0".into()) } else { Key::new(key) };
    if let Some((key, value)) = quoted_key(line) {
        return Ok(vec![(named(key), to_type(trim(&value), 0)?)].into());
    }
    let value = trim(value);
    check_keys(value)?;
    Ok(vec![(named(trim(key)), to_type(value, 0)?)].into())
}

/// `"key": value`. Spyc takes the key up to the last quote that a colon follows.
fn quoted_key(line: &str) -> Option<(&str, String)> {
    if !line.starts_with(['"', '\'']) {
        return None;
    }
    let mut found = None;
    for (at, _) in line.match_indices(['"', '\'']).filter(|(at, _)| *at > 0) {
        let rest = &line[at + 1..];
        let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\x0b', '\x0c']).len();
        if rest[blanks..].starts_with(':') {
            found = Some((&line[1..at], &line[..at + 2 + blanks]));
        }
    }
    found.map(|(key, head)| (key, line.replace(head, "")))
}

/// Spyc: two pairs on one line are an error, unless quotes or brackets begin it.
fn check_keys(text: &str) -> Result<(), &'static str> {
    if !text.starts_with(['[', '{', '"', '\'']) && text.contains(": ") {
        return Err("there are two keys on one line");
    }
    Ok(())
}

fn unquote(text: &str) -> &str {
    match text.as_bytes().first() {
        Some(b'\'') => text.trim_matches('\''),
        Some(b'"') => text.trim_matches('"'),
        _ => text,
    }
}

fn has_anchor(line: &str) -> bool {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"[\\]^_`-".contains(&byte);
    let bytes = line.as_bytes();
    if let [b'&' | b'*', next, ..] = bytes
        && is_name(*next)
    {
        return true;
    }
    let name = bytes.iter().rev().take_while(|byte| is_name(**byte)).count();
    let before = bytes.len() - name;
    (name > 0 && before > 0 && matches!(bytes[before - 1], b'&' | b'*'))
        || line.strip_prefix("<<").is_some_and(|rest| {
            rest.trim_start().strip_prefix(':').is_some_and(|rest| rest.trim_start().starts_with('*'))
        })
}

fn fill_block(entries: &mut [(Key, Yaml)], text: &str) {
    for (_, value) in entries {
        match value {
            Yaml::Map(inner) => fill_block(inner, text),
            Yaml::Text(old) if old.ends_with(BLOCK) => *old = text.to_owned(),
            _ => {}
        }
    }
}

/// Spyc: `_toType()`.
fn to_type(value: &str, depth: usize) -> Result<Yaml, &'static str> {
    if depth > DEEPEST {
        return Err("it nests too deep");
    }
    let first = value.chars().next();
    let last = value.chars().next_back();
    let (Some(first), Some(last)) = (first, last) else { return Ok(Yaml::Text(String::new())) };
    if matches!(first, '"' | '\'') && matches!(last, '"' | '\'') && value != "0" {
        let value = value.replace("\\n", "\n");
        let inner = value.get(1..value.len().saturating_sub(1)).unwrap_or("");
        return Ok(Yaml::Text(unescape(inner, first)));
    }
    let mut value = value;
    if value.contains(" #")
        && let Some(at) = comment(value)
    {
        value = &value[..at];
    }
    if first == '[' && last == ']' {
        let Some(inner) = inside(value) else { return Ok(Yaml::Map(Vec::new())) };
        let mut list = Vec::new();
        for (index, part) in (0..).zip(split_inline(inner)?) {
            list.push((Key::Int(index), to_type(&part, depth + 1)?));
        }
        return Ok(Yaml::Map(list));
    }
    if first != '{'
        && let Some((key, rest)) = value.split_once(": ")
    {
        return Ok(Yaml::Map(vec![(Key::new(trim(key)), to_type(trim(rest), depth + 1)?)]));
    }
    if first == '{' && last == '}' {
        let Some(inner) = inside(value) else { return Ok(Yaml::Map(Vec::new())) };
        let mut map: Vec<(Key, Yaml)> = Vec::new();
        for part in split_inline(inner)? {
            let part = to_type(&part, depth + 1)?;
            if !part.is_truthy() {
                continue;
            }
            match part {
                Yaml::Map(entries) => {
                    for (key, value) in entries.into_iter().take(1) {
                        put(&mut map, key, value);
                    }
                }
                other => append(&mut map, other),
            }
        }
        return Ok(Yaml::Map(map));
    }
    Ok(scalar(value))
}

/// What stands between the brackets, if there is anything.
fn inside(value: &str) -> Option<&str> {
    let inner = trim(value.get(1..value.len().saturating_sub(1)).unwrap_or(""));
    (!inner.is_empty()).then_some(inner)
}

/// Where a comment begins in an unquoted value: blanks, `#`, and at least one more character.
fn comment(value: &str) -> Option<usize> {
    value.match_indices('#').find_map(|(at, _)| {
        let start = value[..at].trim_end_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']).len();
        (start < at && at + 1 < value.len()).then_some(start)
    })
}

fn unescape(inner: &str, quote: char) -> String {
    let doubled = if quote == '\'' { "''" } else { "\\\"" };
    let mut text = String::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix(doubled) {
            text.push(quote);
            rest = after;
        } else if let Some(after) = rest.strip_prefix("\\'") {
            text.push('\'');
            rest = after;
        } else {
            text.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    text
}

fn scalar(value: &str) -> Yaml {
    if matches!(value, "null" | "NULL" | "Null" | "" | "~") {
        return Yaml::Null;
    }
    let digits = value.strip_prefix('-').unwrap_or(value);
    if digits.starts_with(|first: char| matches!(first, '1'..='9'))
        && digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        // Spyc: a number beyond 64 bits, or at their edge, stays text.
        return match value.parse::<i64>() {
            Ok(number) if number != i64::MAX && number != i64::MIN => Yaml::Int(number),
            _ => Yaml::Text(value.into()),
        };
    }
    if let Some(hex) = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"))
        && !hex.is_empty()
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return i64::from_str_radix(hex, 16).map_or_else(|_| Yaml::Text(value.into()), Yaml::Int);
    }
    for (word, meaning) in WORDS {
        let mut capitalized = word.to_owned();
        capitalized[..1].make_ascii_uppercase();
        if value == word || value == word.to_ascii_uppercase() || value == capitalized {
            return Yaml::Bool(meaning);
        }
    }
    if value == "0" {
        return Yaml::Int(0);
    }
    // Spyc: what ends in a zero stays text.
    if is_decimal(value)
        && !value.ends_with('0')
        && let Ok(number) = value.parse::<f64>()
    {
        return Yaml::Float(number);
    }
    Yaml::Text(value.into())
}

const WORDS: [(&str, bool); 8] = [
    ("true", true),
    ("on", true),
    ("yes", true),
    ("y", true),
    ("false", false),
    ("off", false),
    ("no", false),
    ("n", false),
];

/// What PHP's `is_numeric()` accepts, once the ends are trimmed.
fn is_decimal(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && !text.ends_with(['e', 'E', '+', '-'])
}

/// Splits the inside of `[…]` or `{…}` at its commas.
fn split_inline(inner: &str) -> Result<Vec<String>, &'static str> {
    // Spyc: empty quotes leave nothing behind.
    let inner = without_empty_quotes(inner);
    let mut parts = Vec::new();
    let mut part = String::new();
    let mut open = Vec::new();
    let mut rest = inner.as_str();
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        if matches!(character, '"' | '\'')
            && let Some(end) = after.find(character)
        {
            part.push_str(&rest[..end + 2]);
            rest = &after[end + 1..];
            continue;
        }
        match character {
            '[' => open.push(']'),
            '{' => open.push('}'),
            ']' | '}' if open.pop() != Some(character) => return Err("its brackets do not match"),
            _ => {}
        }
        if character == ',' && open.is_empty() {
            parts.push(trim(&part).to_owned());
            part.clear();
        } else {
            part.push(character);
        }
        rest = after;
    }
    if !open.is_empty() {
        return Err("its brackets do not match");
    }
    parts.push(trim(&part).to_owned());
    Ok(parts)
}

fn without_empty_quotes(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("\"\"").or_else(|| rest.strip_prefix("''")) {
            rest = after;
        } else {
            result.push(character);
            rest = &rest[character.len_utf8()..];
        }
    }
    result
}

/// What was read so far, and where the next line belongs.
struct Reader {
    result: Vec<(Key, Yaml)>,
    /// The key that each open level was last given, by its indentation, in the order they were opened.
    path: Vec<(usize, Key)>,
}

impl Reader {
    /// Closes the levels that a line of this indentation does not belong to.
    fn leave(&mut self, indent: usize) {
        if indent == 0 {
            self.path.clear();
        }
        while self.path.last().is_some_and(|(open, _)| indent <= *open) {
            self.path.pop();
        }
    }

    fn set_path(&mut self, indent: usize, key: Key) {
        match self.path.iter_mut().find(|(open, _)| *open == indent) {
            Some((_, old)) => *old = key,
            None => self.path.push((indent, key)),
        }
    }

    fn add(&mut self, entries: Vec<(Key, Yaml)>, indent: usize) {
        let common = (entries.len() > 1).then(|| self.path.clone());
        for (key, value) in entries {
            self.add_one(key, value, indent);
            if let Some(common) = &common {
                self.path.clone_from(common);
            }
        }
    }

    fn add_one(&mut self, key: Key, value: Yaml, indent: usize) {
        let mut map = &mut self.result;
        if indent > 0 {
            for (_, step) in &self.path {
                let at = match map.iter().position(|(key, _)| key == step) {
                    Some(at) => at,
                    None => {
                        map.push((step.clone(), Yaml::Null));
                        map.len() - 1
                    }
                };
                let slot = &mut map[at].1;
                if !matches!(slot, Yaml::Map(_)) {
                    *slot = Yaml::Map(Vec::new());
                }
                let Yaml::Map(inner) = slot else { return };
                map = inner;
            }
        }
        // Spyc: 0 is how an element without a key arrives here.
        let key = if key == Key::Int(0) {
            append(map, value);
            map.last().map_or(Key::Int(0), |(key, _)| key.clone())
        } else {
            let key = if key == Key::Text("0".into()) { Key::Int(0) } else { key };
            put(map, key.clone(), value);
            key
        };
        self.set_path(indent, key);
    }
}

fn put(map: &mut Vec<(Key, Yaml)>, key: Key, value: Yaml) {
    match map.iter_mut().find(|(known, _)| *known == key) {
        Some((_, old)) => *old = value,
        None => map.push((key, value)),
    }
}

/// PHP's `$array[] = …`: one more than the largest number.
fn append(map: &mut Vec<(Key, Yaml)>, value: Yaml) {
    let largest =
        map.iter().filter_map(|(key, _)| if let Key::Int(number) = key { Some(*number) } else { None }).max();
    map.push((Key::Int(largest.map_or(0, |largest| largest.saturating_add(1))), value));
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn same(ours: &Yaml, theirs: &Value) -> bool {
        match (ours, theirs) {
            (Yaml::Null, Value::Null) => true,
            (Yaml::Bool(ours), Value::Bool(theirs)) => ours == theirs,
            (Yaml::Int(ours), Value::Number(theirs)) => theirs.as_i64() == Some(*ours),
            (Yaml::Float(ours), Value::Number(theirs)) => theirs.is_f64() && theirs.as_f64() == Some(*ours),
            (Yaml::Text(ours), Value::String(theirs)) => ours == theirs,
            (Yaml::Map(ours), Value::Array(theirs)) => {
                ours.len() == theirs.len()
                    && (0..)
                        .zip(ours)
                        .zip(theirs)
                        .all(|((index, (key, ours)), theirs)| *key == Key::Int(index) && same(ours, theirs))
            }
            (Yaml::Map(ours), Value::Object(theirs)) => {
                ours.len() == theirs.len()
                    && ours
                        .iter()
                        .zip(theirs)
                        .all(|((key, ours), (name, theirs))| *key == Key::new(name) && same(ours, theirs))
            }
            _ => false,
        }
    }

    #[test]
    fn what_spyc_returned_is_what_is_read() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/spyc_load.json");
        let vectors: Vec<Value> = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
        let mut failures = Vec::new();
        let mut refused = 0;
        for vector in &vectors {
            let text = vector["yaml"].as_str().unwrap();
            match (load(text), vector.get("loaded")) {
                (Ok(ours), Some(theirs)) if same(&ours, theirs) => {}
                (Err(_), None) => {}
                // Refusing what Spyc follows is safe; it has to be rare.
                (Err(_), Some(_)) => refused += 1,
                (ours, theirs) => failures.push(format!("{text:?}\n  ours  {ours:?}\n  Spyc  {theirs:?}")),
            }
        }
        eprintln!("{} documents, {refused} refused that Spyc reads", vectors.len());
        assert!(failures.is_empty(), "{} differ:\n{}", failures.len(), failures.join("\n"));
        assert!(refused * 10 < vectors.len(), "{refused} of {} are refused", vectors.len());
    }

    #[test]
    fn no_document_ends_the_program() {
        for text in [
            "[",
            "a: [",
            "'",
            "a: '",
            "- - - -",
            "|",
            "a: |",
            ">",
            "{",
            "[[[[",
            "- [",
            "\u{e4}: \u{e4}|",
            "\"\u{e4}",
        ] {
            let _ = load(text);
        }
        assert!(load(&format!("a: {}1{}", "[".repeat(500), "]".repeat(500))).is_err());
    }
}
