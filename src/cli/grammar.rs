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

use crate::commands::ActingUser;
use crate::commands::sink_args::HEADING;
use crate::commands::terms_args;
use crate::site::wp_cli::is_alias;

/// What follows `--name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
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
    /// WP-CLI's own parameters that stand behind the verb where it takes them before it only: parameters of the verb,
    /// which knows none of these.
    misplaced: Vec<String>,
    /// How often `--blog` was used, which WP-CLI deprecates each time.
    deprecated: u32,
}

/// What WP-CLI says about its own parameters before it looks at the command.
#[derive(Debug, PartialEq, Eq)]
pub enum Notice {
    /// On stderr as it is, also with `--quiet`.
    Plain(&'static str),
    /// A warning.
    Warning(Vec<u8>),
    /// The end.
    Error(Vec<u8>),
}

/// Parameters of WP-CLI's own of which the last counts: `config-spec.php` without those that are
/// `multiple`.
const SINGLE: [&str; 17] = [
    "path",
    "url",
    "ssh",
    "http",
    "blog",
    "user",
    "skip-plugins",
    "skip-themes",
    "skip-packages",
    "context",
    "color",
    "debug",
    "prompt",
    "quiet",
    "allow-root",
    "alias",
    "assume-https",
];

/// Parameters of WP-CLI's own that this program has no use for when they are empty, and refuses otherwise.
const WITHOUT_EFFECT: [&str; 8] = ["ssh", "ssh-args", "http", "blog", "require", "exec", "prompt", "alias"];

/// Whether a parameter may stand before its value without `=`. WP-CLI: these three mean something bare.
fn takes_next(name: &str) -> bool {
    !matches!(name, "user" | "url" | "context")
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
        /// `--no-fields`, which the definition has no place for.
        no_fields: bool,
        /// Several formats that exist: an error only when it comes to print.
        unknown_format: Option<String>,
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
/// `=`, because `--db URL` is what everybody types; WP-CLI has no meaning for that spelling, except where
/// `takes_next` says so. So does what we add to a verb.
///
/// `strict` is `WP_CLI_STRICT_ARGS_MODE`. WP-CLI: before the command stand its own parameters and nothing else counts
/// there, behind it stand the command's. Ours may stand anywhere.
pub fn split(arguments: impl IntoIterator<Item = OsString>, definition: &Command, strict: bool) -> Split {
    let mut split = Split::default();
    let mut arguments = arguments.into_iter().peekable();
    let mut only_positionals = false;
    let mut bare: Option<String> = None;
    while let Some(argument) = arguments.next() {
        let bytes = argument.as_bytes();
        // WP-CLI: every `--` disappears, also the second one.
        if bytes == b"--" {
            only_positionals = true;
            continue;
        }
        if only_positionals {
            split.positionals.push(argument);
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
            Value::True
                if (takes_next(&name) && global(definition, &name).is_some_and(needs_value))
                    || own_option(definition, &split, &name).is_some() =>
            {
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
        if strict {
            let of_wp_cli = SINGLE.contains(&name.as_str()) || WITHOUT_EFFECT.contains(&name.as_str());
            let ours = own_option(definition, &split, &name).is_some();
            let is_behind = split.positionals.iter().any(|argument| !argument.to_str().is_some_and(is_alias));
            if is_behind && of_wp_cli && !ours {
                split.misplaced.push(name);
                continue;
            }
            if !is_behind && !of_wp_cli && global(definition, &name).is_none() {
                continue;
            }
        }
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

    /// Takes `@name` away, where it stands for the site.
    pub fn take_alias(&mut self) -> Option<OsString> {
        let is_alias = self.verb()?.to_str().is_some_and(is_alias);
        is_alias.then(|| self.positionals.remove(0))
    }

    /// Adds a parameter that a configuration file sets, unless it is there.
    pub fn set_default(&mut self, name: &str, value: Value) {
        if !self.is_given(name) {
            self.parameters.push((name.to_owned(), value));
        }
    }

    /// Whether a parameter of this name is set and true.
    pub fn is_set(&self, name: &str) -> bool {
        self.parameters.iter().any(|(n, value)| n == name && value.is_truthy())
    }

    /// `--color` or `--no-color`, if either was given.
    pub fn color(&self) -> Option<bool> {
        match self.value("color")? {
            Value::Text(text) if text == "auto" => None,
            value => Some(value.is_truthy()),
        }
    }

    /// A parameter's value as text, empty when it stands bare; `None` when it is not set, or false to PHP.
    pub fn text(&self, name: &str) -> Option<String> {
        let (_, value) = self.parameters.iter().find(|(n, _)| n == name)?;
        match value {
            Value::True => Some(String::new()),
            Value::False => None,
            Value::Text(_) if !value.is_truthy() => None,
            Value::Text(text) => Some(text.to_string_lossy().into_owned()),
            Value::Many(values) => values.last().map(|text| text.to_string_lossy().into_owned()),
        }
    }

    /// What WP-CLI says about its own parameters, in its order.
    pub fn notices(&self) -> Vec<Notice> {
        const DEPRECATED: &str = "WP-CLI: The --blog global parameter is deprecated. Use --url instead.";
        const CONTEXTS: [&str; 4] = ["cli", "admin", "frontend", "auto"];
        let mut notices: Vec<Notice> = (0..self.deprecated).map(|_| Notice::Plain(DEPRECATED)).collect();
        if let Some(Value::Text(context)) = self.value("context")
            && !CONTEXTS.iter().any(|known| context == known)
        {
            let text = [b"Unknown context '", context.as_bytes(), b"'"].concat();
            notices.push(Notice::Error(text));
        }
        // WP-CLI: `Runner::find_wp_root()` comes before the command is looked at.
        if let Some(path) = self.value("path")
            && !matches!(path, Value::Text(text) if !text.is_empty() && text != "0")
        {
            notices.push(Notice::Error(b"The --path parameter cannot be empty when provided.".to_vec()));
        }
        match self.url() {
            Some(Value::True) => {
                notices.push(Notice::Warning(b"The --url parameter expects a value.".to_vec()));
            }
            Some(Value::Text(url)) if !has_host(url.as_bytes()) => {
                let text = [
                    b"The --url parameter value '",
                    url.as_bytes(),
                    b"' is not valid. Check for typos in the protocol, e.g. 'http://' not 'http:/'.",
                ];
                notices.push(Notice::Warning(text.concat()));
            }
            _ => {}
        }
        notices
    }

    /// `--url`, or `--blog` in its stead.
    fn url(&self) -> Option<&Value> {
        self.value("blog").or_else(|| self.value("url"))
    }

    /// The global parameters, spelled for clap; `--user` is not among them.
    ///
    /// # Errors
    /// What WP-CLI would say about a parameter that needs a value.
    pub fn globals(&self, definition: &Command) -> Result<Vec<OsString>, String> {
        let mut spelled_out = Vec::new();
        for (name, value) in &self.parameters {
            match global(definition, name) {
                Some(arg) if !matches!(name.as_str(), "user" | "url" | "context") => {
                    spelled_out.extend(spell_global(arg, value.clone())?);
                }
                _ => {}
            }
        }
        // WP-CLI: an address that is none is as if it had not been given.
        if let Some(Value::Text(url)) = self.url()
            && has_host(url.as_bytes())
        {
            spelled_out.push(spelled("url", url));
        }
        Ok(spelled_out)
    }

    /// Whether a parameter of this name was given at all, whatever its value.
    pub fn is_given(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whom `--user` names.
    pub fn acting_user(&self) -> Option<ActingUser> {
        Some(match self.value("user")? {
            Value::True => ActingUser::Login("1".into()),
            Value::False => ActingUser::Nobody,
            Value::Text(text) => ActingUser::Named(text.clone()),
            Value::Many(values) => ActingUser::Named(values.last()?.clone()),
        })
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.parameters.iter().find(|(n, _)| n == name).map(|(_, value)| value)
    }

    fn add(&mut self, name: String, value: Value) {
        self.deprecated += u32::from(name == "blog");
        let Some((_, old)) = self.parameters.iter_mut().find(|(n, _)| *n == name) else {
            self.parameters.push((name, value));
            return;
        };
        // WP-CLI: the last of its own parameters counts, whatever was said before.
        if SINGLE.contains(&name.as_str()) {
            *old = value;
            return;
        }
        *old = match (std::mem::replace(old, Value::False), value) {
            // WP-CLI: a bare flag replaces what came before, a value joins it.
            (_, new @ (Value::True | Value::False)) => new,
            (Value::Many(mut values), Value::Text(text)) => {
                values.push(text);
                Value::Many(values)
            }
            (Value::Text(first), Value::Text(text)) => Value::Many(vec![first, text]),
            (Value::True, Value::Text(text)) => Value::Many(vec![OsString::from("1"), text]),
            (Value::False, Value::Text(text)) => Value::Many(vec![OsString::new(), text]),
            (_, new) => new,
        };
    }
}

/// Checks a mirrored verb's arguments in WP-CLI's order and spells them for clap.
pub fn read(split: Split, definition: &Command, verb: &Command) -> Reading {
    let globals = split.globals(definition);
    let Split { positionals, parameters, detached, misplaced, .. } = split;
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

    let global_arguments = match globals {
        Ok(arguments) => arguments,
        Err(message) => return Reading::Error(message),
    };
    let own: Vec<(String, Value)> = parameters
        .into_iter()
        .filter(|(name, _)| {
            let is_own = options(verb).any(|arg| arg.get_long() == Some(name) && is_ours(arg));
            is_own || (global(definition, name).is_none() && !WITHOUT_EFFECT.contains(&name.as_str()))
        })
        .collect();

    // WP-CLI: it lists one user's, which have no such fields: an unknown filter is ignored, an unknown order is not.
    let of_one_user = verb.get_name() == "list" && !positionals.is_empty();
    let is_of_users = |name: &str| matches!(name, "user_id" | "user_login");

    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let mut arguments = Vec::new();
    let (mut no_fields, mut unknown_format) = (false, None);
    for arg in options(verb) {
        let Some((_, value)) = own.iter().find(|(name, _)| Some(name.as_str()) == arg.get_long()) else {
            continue;
        };
        let long = arg.get_long().unwrap_or_default();
        if of_one_user && is_of_users(long) {
            continue;
        }
        let text = match value {
            // A warning would send a password where it was not meant to go.
            Value::True | Value::False if is_ours(arg) => {
                errors.push(format!("--{long} parameter needs a value{}", described(arg)));
                continue;
            }
            Value::Many(values) if repeats(arg) => {
                arguments.extend(values.iter().map(|text| spelled(long, text)));
                continue;
            }
            Value::True => {
                warnings.push(format!("--{long} parameter needs a value"));
                // WP-CLI: the default went in only where the parameter was absent, so a bare `--orderby`
                // sorts by nothing.
                if long == "orderby" {
                    arguments.push(OsString::from("--orderby=stored"));
                }
                continue;
            }
            // WP-CLI: `--no-fields` asks for no field at all.
            Value::False if long == "fields" => {
                no_fields = true;
                continue;
            }
            Value::False => OsString::new(),
            Value::Text(text) => text.clone(),
            Value::Many(values) => values.last().cloned().unwrap_or_default(),
        };
        let mut allowed = arg.get_possible_values();
        allowed.retain(|one| !(of_one_user && is_of_users(one.get_name())));
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
                "format" if all_known && verb.get_name() != "create" => {
                    unknown_format = Some(parts.into_owned())
                }
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
            let of_user = !of_one_user && matches!(name.as_str(), "user-id" | "user-login");
            if of_user || matches!(name.as_str(), "app-id" | "last-used" | "last-ip") {
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
    for name in misplaced.iter().filter(|_| !filters_freely) {
        errors.push(format!("unknown --{name} parameter{}", suggestion(name, definition, verb)));
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
    Reading::Arguments { argv, warnings, no_fields, unknown_format }
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

/// Whether a verb's parameter is an addition of ours that says where a secret goes, or what it may be used for.
fn is_ours(arg: &Arg) -> bool {
    arg.get_help_heading().is_some_and(|heading| heading == HEADING || heading == terms_args::HEADING)
}

/// The parameter of this name that we add to the verb, if it needs a value.
fn own_option<'a>(definition: &'a Command, split: &Split, name: &str) -> Option<&'a Arg> {
    let verb = definition.find_subcommand(split.verb()?)?;
    options(verb).find(|arg| arg.get_long() == Some(name) && is_ours(arg))
}

/// Whether PHP's `parse_url()` finds a host, `http://` put before what has no scheme.
fn has_host(url: &[u8]) -> bool {
    let authority = |rest: &[u8]| rest.first().is_some_and(|first| !b"/?#:".contains(first));
    let is_scheme = |byte: &u8| byte.is_ascii_alphanumeric() || b"+.-".contains(byte);
    let Some(colon) = url.iter().position(|byte| !is_scheme(byte)).filter(|at| url[*at] == b':' && *at > 0)
    else {
        return authority(url);
    };
    let rest = &url[colon + 1..];
    if let Some(behind) = rest.strip_prefix(b"//") {
        // `http://` alone has no scheme to PHP, so it becomes `http://http://`, whose host is `http`.
        return behind.is_empty() || authority(behind);
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (1..=5).contains(&digits) && rest.get(digits).is_none_or(|next| *next == b'/')
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
            // WP-CLI: `--color=auto` is the default, spelled out.
            ("color", true) if value == Value::Text("auto".into()) => Vec::new(),
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
        // Parameters of our own whose opposite is one too.
        Value::False if matches!(long, "cache" | "confirm") => Ok(vec![format!("--no-{long}").into()]),
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

/// `Did you mean '--app-id'?`, when one parameter of the verb is close, the first of the closest.
///
/// WP-CLI: `Utils\get_suggestion()` looks at the command's own parameters, places for arguments included. Of ours those
/// that are longer than a typing error are worth a look too.
fn suggestion(name: &str, definition: &Command, verb: &Command) -> String {
    let is_wp_clis = |arg: &&Arg| !is_ours(arg) && !matches!(arg.get_long(), Some("hash" | "bcrypt-cost"));
    let (own, ours): (Vec<&Arg>, Vec<&Arg>) =
        verb.get_arguments().filter(|arg| !arg.is_global_set()).partition(is_wp_clis);
    let own = own
        .into_iter()
        .map(|arg| if arg.is_positional() { first_name(arg) } else { arg.get_long().unwrap_or_default() });
    let others = ours.into_iter().chain(definition.get_arguments()).filter(|arg| !arg.is_hide_set());
    let others = others.filter_map(Arg::get_long).filter(|known| known.len() >= 6 && !SINGLE.contains(known));
    own.chain(others)
        .map(|known| (strsim::levenshtein(known, name), known))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| (1..=2).contains(distance))
        .map(|(_, known)| format!("\nDid you mean '--{known}'?"))
        .unwrap_or_default()
}

/// How a place for an argument is called.
fn first_name(arg: &Arg) -> &str {
    arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
}
