//! WP-CLI's way of reading arguments, over the definition that clap holds.
//!
//! WP-CLI's grammar is not a getopt one: `--name=value` and `--name` are the only forms, `--no-name` is
//! `name` set to false, a bare `--name` of a parameter that wants a value is a warning and not an error,
//! `--format json` is a flag and a positional argument, and the order of checks decides which message is
//! seen. The verbs that mirror WP-CLI's are read here exactly so, checked against the definition in
//! [`super::definition`], and handed on in the one spelling that clap cannot misread. The verbs that this
//! program adds are read by clap alone.
//!
//! Mirrors `WP_CLI\Configurator::extract_assoc()`, `WP_CLI\SynopsisValidator` and
//! `WP_CLI\Dispatcher\Subcommand::validate_args()`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::{Arg, ArgAction, Command};

/// What follows `--name`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    /// `--name`
    True,
    /// `--no-name`
    False,
    /// `--name=text`
    Text(OsString),
    /// `--name=a --name=b`; WP-CLI keeps both, and most parameters then take the last.
    Many(Vec<OsString>),
}

impl Value {
    /// PHP's truth: the empty string and `0` are false.
    fn is_truthy(&self) -> bool {
        match self {
            Self::True | Self::Many(_) => true,
            Self::False => false,
            Self::Text(text) => !text.is_empty() && text != "0",
        }
    }
}

/// A command line taken apart, before anything is known about the verb.
#[derive(Debug, Default)]
pub struct Split {
    /// Positional arguments; the first is the verb.
    pub positionals: Vec<OsString>,
    /// `--name…` in order of first appearance.
    parameters: Vec<(String, Value)>,
    /// Whether an argument stands alone where WP-CLI would see a flag and a positional: the pairs
    /// `(parameter, the argument behind it)`, for a hint when the count of positionals is off.
    detached: Vec<(String, OsString)>,
}

/// How a mirrored verb's command line ended up.
#[derive(Debug, PartialEq, Eq)]
pub enum Reading {
    /// Arguments for clap, program name included, and warnings to print first.
    Arguments {
        /// Program name, globals, verb, parameters, `--`, positionals.
        argv: Vec<OsString>,
        /// What WP-CLI warns of.
        warnings: Vec<String>,
    },
    /// Too few positional arguments: usage on stdout, exit code 1.
    Usage,
    /// A parameter error: on stderr, exit code 1.
    Error(String),
}

/// The verbs whose grammar is WP-CLI's.
pub const MIRRORED: [&str; 7] = ["create", "list", "get", "exists", "update", "record-usage", "delete"];

/// Takes the arguments apart as WP-CLI does.
///
/// One addition: a global parameter that needs a value takes the next argument when it is written without
/// `=`, because `--db URL` is what everybody types; WP-CLI has no meaning for that spelling.
pub fn split(arguments: impl IntoIterator<Item = OsString>, definition: &Command) -> Split {
    let mut split = Split::default();
    let mut arguments = arguments.into_iter().peekable();
    let mut only_positionals = false;
    let mut bare: Option<String> = None;
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        if only_positionals {
            split.positionals.push(argument);
            continue;
        }
        if bytes == b"--" {
            only_positionals = true;
            continue;
        }
        let Some((name, value)) = parameter(bytes) else {
            if let Some(name) = bare.take() {
                split.detached.push((name, argument.clone()));
            }
            split.positionals.push(argument);
            continue;
        };
        bare = None;
        let value = match value {
            Value::True if global(definition, &name).is_some_and(needs_value) => {
                match arguments.next_if(|next| !next.as_bytes().starts_with(b"--")) {
                    Some(next) => Value::Text(next),
                    None => Value::True,
                }
            }
            Value::True => {
                bare = Some(name.clone());
                Value::True
            }
            other => other,
        };
        split.add(name, value);
    }
    split
}

/// `--no-name`, `--name`, `--name=value`, `-x` and `-x=value`; anything else is positional.
fn parameter(bytes: &[u8]) -> Option<(String, Value)> {
    let body = match bytes {
        [b'-', b'-', rest @ ..] if !rest.is_empty() && rest[0] != b'=' => rest,
        // WP-CLI: one letter behind one dash is a parameter too, more letters are a positional argument.
        [b'-', letter] if letter.is_ascii_alphabetic() => &bytes[1..],
        [b'-', letter, b'=', ..] if letter.is_ascii_alphabetic() => &bytes[1..],
        _ => return None,
    };
    let (name, value) = match body.iter().position(|&b| b == b'=') {
        Some(at) => (&body[..at], Value::Text(OsStr::from_bytes(&body[at + 1..]).to_owned())),
        None => match body.strip_prefix(b"no-") {
            Some(name) if !name.is_empty() && bytes.starts_with(b"--") => (name, Value::False),
            _ => (body, Value::True),
        },
    };
    Some((String::from_utf8_lossy(name).into_owned(), value))
}

impl Split {
    /// The verb, if one was given.
    pub fn verb(&self) -> Option<&OsStr> {
        self.positionals.first().map(OsString::as_os_str)
    }

    /// Whether a parameter of this name is set and true.
    pub fn is_set(&self, name: &str) -> bool {
        self.parameters.iter().any(|(n, value)| n == name && value.is_truthy())
    }

    /// `--color` or `--no-color`, if either was given.
    pub fn color(&self) -> Option<bool> {
        let no_color = self.is_set("no-color");
        let (_, value) = self.parameters.iter().find(|(name, _)| name == "color")?;
        Some(value.is_truthy() && !no_color)
    }

    /// A parameter's value as text, empty when it stands bare; `None` when it is not set or false.
    pub fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.parameters.iter().find(|(n, _)| n == name)?;
        match value {
            Value::True => Some(String::new()),
            Value::False => None,
            Value::Text(text) => Some(text.to_string_lossy().into_owned()),
            Value::Many(values) => values.last().map(|text| text.to_string_lossy().into_owned()),
        }
    }

    fn add(&mut self, name: String, value: Value) {
        let Some((_, old)) = self.parameters.iter_mut().find(|(n, _)| *n == name) else {
            self.parameters.push((name, value));
            return;
        };
        *old = match (std::mem::replace(old, Value::False), value) {
            // WP-CLI: a bare flag replaces what came before, a value joins it.
            (_, new @ (Value::True | Value::False)) => new,
            (Value::Many(mut values), Value::Text(text)) => {
                values.push(text);
                Value::Many(values)
            }
            (Value::Text(first), Value::Text(text)) => Value::Many(vec![first, text]),
            (Value::True, Value::Text(text)) => Value::Many(vec![OsString::from("1"), text]),
            (_, new) => new,
        };
    }
}

/// Checks a mirrored verb's arguments in WP-CLI's order and spells them for clap.
pub fn read(split: Split, definition: &Command, verb: &Command) -> Reading {
    let Split { positionals, parameters, detached } = split;
    let positionals = positionals.get(1..).unwrap_or_default();
    let places: Vec<&Arg> = verb.get_positionals().collect();
    if positionals.len() < places.iter().filter(|arg| arg.is_required_set()).count() {
        return Reading::Usage;
    }
    if !places.iter().any(|arg| repeats(arg)) && positionals.len() > places.len() {
        let extra = &positionals[places.len()..];
        let mut message = format!("Too many positional arguments: {}", joined(extra));
        if let Some((name, value)) = detached.iter().find(|(_, value)| extra.contains(value)) {
            message.push_str(&format!("\nDid you mean '--{name}={}'?", value.to_string_lossy()));
        }
        return Reading::Error(message);
    }

    let mut global_arguments = Vec::new();
    let mut own: Vec<(String, Value)> = Vec::new();
    for (name, value) in parameters {
        match global(definition, &name) {
            Some(arg) => match spell_global(arg, value) {
                Ok(spelled) => global_arguments.extend(spelled),
                Err(message) => return Reading::Error(message),
            },
            None => own.push((name, value)),
        }
    }

    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mut arguments = Vec::new();
    for arg in options(verb) {
        let Some((_, value)) = own.iter().find(|(name, _)| Some(name.as_str()) == arg.get_long()) else {
            continue;
        };
        let long = arg.get_long().unwrap_or_default();
        let text = match value {
            Value::True => {
                warnings.push(format!("--{long} parameter needs a value"));
                // WP-CLI: the default went in only where the parameter was absent, so a bare `--orderby`
                // sorts by nothing.
                if long == "orderby" {
                    arguments.push(OsString::from("--orderby=stored"));
                }
                continue;
            }
            Value::False => OsString::new(),
            Value::Text(text) => text.clone(),
            Value::Many(values) => values.last().cloned().unwrap_or_default(),
        };
        let allowed = arg.get_possible_values();
        if !allowed.is_empty()
            && !allowed.iter().any(|one| !one.is_hide_set() && one.matches(&text.to_string_lossy(), false))
        {
            let parts = text.to_string_lossy();
            let all_known = parts.contains(',')
                && parts.split(',').all(|part| allowed.iter().any(|one| one.matches(part.trim(), false)));
            // WP-CLI: a comma-separated list of allowed values passes the check; what then happens to it
            // depends on who reads it.
            match long {
                "order" if all_known => arguments.push("--order=desc".into()),
                "orderby" if all_known => arguments.push("--orderby=stored".into()),
                "format" if all_known => return Reading::Error(format!("Invalid format: {parts}")),
                _ => errors.push(format!("Invalid value specified for '{long}'{}", described(arg))),
            }
            continue;
        }
        arguments.push(spelled(long, &text));
    }
    let filters_freely = verb.get_name() == "list";
    for (name, value) in &own {
        if options(verb).any(|arg| arg.get_long() == Some(name)) {
            continue;
        }
        if let Some(flag) = verb.get_arguments().find(|arg| arg.get_long() == Some(name)) {
            // WP-CLI: `delete` wants the bare `--all`, everything else is content with PHP's truth.
            let set = if name == "all" { *value == Value::True } else { value.is_truthy() };
            if set {
                arguments.push(format!("--{}", flag.get_long().unwrap_or_default()).into());
            }
        } else if filters_freely {
            // WP-CLI: `list` takes any `--field=value`. The dashed spellings of three fields filter, as
            // values of any kind turned into text; the rest is ignored.
            if matches!(name.as_str(), "app-id" | "last-used" | "last-ip") {
                let text = match value {
                    Value::True => "1".into(),
                    Value::False | Value::Many(_) => OsString::new(),
                    Value::Text(text) => text.clone(),
                };
                let field = name.replace('-', "_");
                // WP-CLI: the dashed spelling replaces the underscored one.
                arguments.retain(|a: &OsString| !a.as_bytes().starts_with(format!("--{field}=").as_bytes()));
                arguments.push(spelled(&field, &text));
            }
        } else {
            errors.push(format!("unknown --{name} parameter{}", suggestion(name, definition, verb)));
        }
    }
    if !errors.is_empty() {
        return Reading::Error(format!("Parameter errors:\n {}", errors.join("\n ")));
    }

    let mut argv = vec![OsString::from(definition.get_name())];
    argv.extend(global_arguments);
    argv.push(verb.get_name().into());
    argv.extend(arguments);
    argv.push("--".into());
    argv.extend(positionals.iter().cloned());
    Reading::Arguments { argv, warnings }
}

/// The global parameter of this name; hidden ones and aliases included.
fn global<'a>(definition: &'a Command, name: &str) -> Option<&'a Arg> {
    definition.get_arguments().find(|arg| {
        arg.is_global_set()
            && (arg.get_long() == Some(name)
                || arg.get_all_aliases().unwrap_or_default().contains(&name)
                || (name.len() == 1 && arg.get_short() == name.chars().next()))
    })
}

/// The verb's own parameters that take a value.
fn options(verb: &Command) -> impl Iterator<Item = &Arg> {
    verb.get_arguments()
        .filter(|arg| !arg.is_positional() && !arg.is_global_set() && arg.get_action().takes_values())
}

fn needs_value(arg: &Arg) -> bool {
    arg.get_action().takes_values() && arg.get_num_args().is_none_or(|range| range.min_values() > 0)
}

fn repeats(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::Append)
        || arg.get_num_args().is_some_and(|range| range.max_values() > 1)
}

fn spell_global(arg: &Arg, value: Value) -> Result<Vec<OsString>, String> {
    let long = arg.get_long().unwrap_or_default();
    let on = || OsString::from(format!("--{long}"));
    if !arg.get_action().takes_values() {
        return Ok(match (long, value.is_truthy()) {
            (_, true) => vec![on()],
            // WP-CLI: `--color` and `--no-color` are one setting with three states.
            ("color", false) => vec!["--no-color".into()],
            (_, false) => Vec::new(),
        });
    }
    match value {
        Value::Text(text) => Ok(vec![spelled(long, &text)]),
        Value::Many(values) if matches!(arg.get_action(), ArgAction::Append) => {
            Ok(values.iter().map(|text| spelled(long, text)).collect())
        }
        Value::Many(values) => Ok(values.last().map(|text| spelled(long, text)).into_iter().collect()),
        Value::True if !needs_value(arg) => Ok(vec![on()]),
        Value::False => Ok(Vec::new()),
        Value::True => Err(format!("Parameter errors:\n --{long} parameter needs a value{}", described(arg))),
    }
}

fn spelled(long: &str, value: &OsStr) -> OsString {
    let mut bytes = format!("--{long}=").into_bytes();
    bytes.extend_from_slice(value.as_bytes());
    OsString::from_vec(bytes)
}

fn described(arg: &Arg) -> String {
    arg.get_help().map(|help| format!(" ({help}.)")).unwrap_or_default()
}

fn joined(arguments: &[OsString]) -> String {
    arguments.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// `Did you mean '--app-id'?`, when one known parameter is close.
fn suggestion(name: &str, definition: &Command, verb: &Command) -> String {
    verb.get_arguments()
        .chain(definition.get_arguments())
        .filter(|arg| !arg.is_hide_set())
        .filter_map(Arg::get_long)
        .map(|known| (strsim::levenshtein(known, &name.replace('_', "-")), known))
        .filter(|(distance, _)| *distance <= 2)
        .min()
        .map(|(_, known)| format!("\nDid you mean '--{known}'?"))
        .unwrap_or_default()
}
