//! Evaluates a configuration written in PHP, without PHP and without running it.
//!
//! `source.rs` parses, `eval.rs` walks, `functions.rs` has PHP's functions, `value.rs` its values, `state.rs`
//! what a program has done so far. What cannot be known stays unknown to the end and names its cause.
//! Knows PHP and the usual libraries of configurations; knows no WordPress, except that nothing after
//! `wp-settings.php` matters and that `wp-load.php` defines `ABSPATH` before.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use php_rs_parser::bumpalo::Bump;

use super::{Environment, State};

mod builtins;
mod classes;
mod constants;
mod dotenv;
mod eval;
mod functions;
mod names;
mod regex;
mod source;
mod state;
pub mod subprocess;
mod symfony;
mod value;

use eval::{Evaluator, Stop};
use source::{Source, Unreadable};
use value::{Array, Data, Value, Variables, Why};

/// The stack of the thread that parses and evaluates: both recurse.
const STACK: usize = 128 << 20;

/// What an evaluation is given.
#[derive(Debug)]
pub struct Input<'e> {
    /// The file to evaluate, as it lies on the disk (links resolved).
    pub file: PathBuf,
    /// The WordPress root, if there is one: `ABSPATH` without its slash at the end.
    pub root: Option<PathBuf>,
    /// Where relative paths start: the folder of `index.php`.
    pub working_dir: PathBuf,
    /// The environment.
    pub env: &'e Environment,
    /// The request, from `--url`.
    pub url: Option<Url>,
    /// The owner of the file when this process may read more than that one can.
    pub limited_to_owner: Option<u32>,
    /// A second file, of HyperDB or LudicrousDB, that is evaluated after the first: [`Outcome::databases`].
    pub databases: Option<PathBuf>,
}

/// The variable that holds what a second file told `$wpdb`.
const DATABASES: &str = "\0databases";

/// Variables that hold what was written to `$_SERVER`, and with `putenv()`.
const SERVER: &str = "\0server ";
const PUTENV: &str = "\0putenv ";

/// The parts of `--url` that a request shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether the scheme is `https`.
    pub is_https: bool,
    /// The host, in brackets if it is an IPv6 address.
    pub host: String,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// What `REQUEST_URI` gets; `/` at least.
    pub path_and_query: String,
}

impl Url {
    /// Reads `[scheme://]host[:port][/path]`.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let rest = rest.trim_start_matches('/');
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let (host, port) = match place.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, Some(port.parse().ok()?)),
            _ => (place, None),
        };
        if host.is_empty() {
            return None;
        }
        let tail = tail.split('#').next().unwrap_or("");
        let path_and_query = if tail.starts_with('/') { tail.to_owned() } else { format!("/{tail}") };
        Some(Self {
            is_https: scheme.eq_ignore_ascii_case("https"),
            host: host.to_owned(),
            port,
            path_and_query,
        })
    }
}

impl Input<'_> {
    /// Whether the owner of the configuration may read `path`.
    ///
    /// Run by root, this program could be made to show any file by whoever may edit the configuration.
    fn may_read(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Some(owner) = self.limited_to_owner else { return true };
        match std::fs::metadata(path) {
            // The group's bits count for everybody: which groups the owner is in is not looked up.
            Ok(data) => data.mode() & 0o044 != 0 || data.uid() == owner,
            Err(_) => true,
        }
    }
}

impl Environment {
    fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_slice()))
    }
}

/// A value that has left the evaluator.
#[derive(Debug, Clone, PartialEq)]
pub enum Plain {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A float.
    Float(f64),
    /// A string: any bytes.
    Bytes(Vec<u8>),
    /// Keys as strings.
    Array(Vec<(Vec<u8>, Plain)>),
    /// Where and why: `wp-config.php line 3: … depends on the request`.
    Unknown(String),
}

impl Plain {
    /// PHP's string conversion of a scalar; `None` for a float, an array and what is not known.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::Null | Self::Bool(false) => Some(Vec::new()),
            Self::Bool(true) => Some(b"1".to_vec()),
            Self::Int(number) => Some(number.to_string().into_bytes()),
            Self::Bytes(bytes) => Some(bytes.clone()),
            Self::Float(_) | Self::Array(_) | Self::Unknown(_) => None,
        }
    }

    /// PHP's truth of it; what is not known may be anything and counts as true.
    pub fn is_truthy(&self) -> bool {
        match self {
            Self::Null | Self::Bool(false) | Self::Int(0) => false,
            Self::Float(number) => *number != 0.0,
            Self::Bytes(bytes) => !bytes.is_empty() && bytes != b"0",
            Self::Array(entries) => !entries.is_empty(),
            Self::Bool(true) | Self::Int(_) | Self::Unknown(_) => true,
        }
    }
}

/// What one name was set to.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: Plain,
    /// How certain it is.
    pub state: State,
    /// `/srv/www/wp-config.php:23`.
    pub source: String,
    /// The environment variables it was made of, in order.
    pub variables: Vec<String>,
}

/// How the evaluation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// At `wp-settings.php`, or at the end of the file.
    Complete,
    /// At `exit`.
    Exit,
    /// At an error, as PHP would.
    Error(String),
}

/// What a configuration has set.
#[derive(Debug, Clone)]
pub struct Outcome {
    constants: Vec<(String, Setting)>,
    variables: Vec<(String, Setting)>,
    /// Why a name that is not here may be set after all.
    pub doubt: Option<String>,
    /// Environment variables with which a name that is not here may be set, by that name; `$` begins a variable's.
    passed_over: Vec<(String, Vec<String>)>,
    /// Environment variables with which any name may be set.
    doubted: Vec<String>,
    /// How the evaluation ended.
    pub end: End,
}

impl Outcome {
    /// A constant. One that may or may not be defined is unknown; `None`: it is not defined.
    pub fn constant(&self, name: &str) -> Option<Setting> {
        self.constants
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, setting)| setting.clone())
            .or_else(|| self.doubtful())
    }

    /// A global variable. `None`: it is not set.
    pub fn variable(&self, name: &str) -> Option<Setting> {
        let find = |name: &str| self.variables.iter().find(|(known, _)| known == name);
        let found = find(name).or_else(|| find(state::ANY)).map(|(_, setting)| setting.clone());
        found.filter(|setting| setting.value != Plain::Null).or_else(|| self.doubtful())
    }

    /// An element of `$_SERVER` (`in_server`), or what `getenv()` answers, that the configuration wrote.
    pub fn written(&self, name: &str, in_server: bool) -> Option<&Setting> {
        let name = format!("{}{name}", if in_server { SERVER } else { PUTENV });
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, setting)| setting)
    }

    /// What the second file told `$wpdb`: a list of calls, each the method's name, the line and the arguments.
    pub fn databases(&self) -> Option<Setting> {
        self.variable(DATABASES)
    }

    /// The environment variables that decide whether a name is set that is not; `$` begins a variable's.
    pub fn absence_depends_on(&self, name: &str) -> Vec<String> {
        let found = self.passed_over.iter().find(|(known, _)| known == name);
        let mut names = found.map_or_else(Vec::new, |(_, names)| names.clone());
        names.extend(self.doubted.iter().filter(|name| !names.contains(name)).cloned().collect::<Vec<_>>());
        names
    }

    fn doubtful(&self) -> Option<Setting> {
        let reason = self.doubt.clone()?;
        Some(Setting {
            value: Plain::Unknown(reason),
            state: State::Unknown,
            source: String::new(),
            variables: Vec::new(),
        })
    }

    /// The names of all constants.
    pub fn constant_names(&self) -> impl Iterator<Item = &str> {
        self.constants.iter().map(|(name, _)| name.as_str())
    }

    /// The names of all global variables.
    pub fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|(name, _)| name.as_str()).filter(|name| !name.starts_with('\0'))
    }
}

/// Evaluates a file.
///
/// # Errors
/// A sentence: the file cannot be read, has a syntax error, or goes beyond a bound.
pub fn evaluate(input: &Input<'_>) -> Result<Outcome, String> {
    let code = source::read(&input.file).map_err(|error| match error {
        Unreadable::Missing => format!("{} does not exist.", input.file.display()),
        Unreadable::Other(reason) => {
            format!("{} cannot be read: {reason}. Name the database with --db instead.", input.file.display())
        }
    })?;
    // The parser and the walk recurse; the main thread's stack may be small.
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("wp-config.php".into())
            .stack_size(STACK)
            .spawn_scoped(scope, || evaluate_here(input, &code))
            .map_err(|error| format!("A thread cannot be started: {error}."))?
            .join()
            .unwrap_or_else(|_| Err(format!("{} could not be evaluated.", input.file.display())))
    })
}

fn evaluate_here(input: &Input<'_>, code: &[u8]) -> Result<Outcome, String> {
    let arena = Bump::new();
    let shown: Rc<str> = input.file.display().to_string().into();
    let source = Rc::new(Source::parse(&arena, code, Rc::from(input.file.as_path()), shown));
    if let Some((line, message)) = &source.broken {
        let file = input.file.display();
        return Err(if message.contains("nesting depth") {
            format!(
                "{file} line {line}: it is nested more deeply than this program reads. Name the database with --db, or let PHP evaluate the file with --php."
            )
        } else {
            format!(
                "{file} line {line}: {message}. PHP cannot load it like this; name the database with --db instead."
            )
        });
    }
    let mut evaluator = Evaluator::new(&arena, input, source);
    evaluator.state.included.insert(input.file.clone());
    let start = php_ast::Span::new(0, 0);
    if let Some(root) = &input.root {
        use std::os::unix::ffi::OsStrExt;
        let mut path = root.as_os_str().as_bytes().to_vec();
        path.push(b'/');
        // WordPress: `wp-load.php` defines it before it loads the configuration.
        evaluator.define("ABSPATH", Value::bytes(path), start);
    }
    let end = match evaluator.run() {
        Ok(_) | Err(Stop::Settings) => End::Complete,
        Err(Stop::Exit) => End::Exit,
        Err(Stop::Throw(why)) => End::Error(sentence(&why)),
        Err(Stop::Limit(why)) => {
            return Err(format!(
                "{} line {}: {}, so it is not evaluated. Name the database with --db, or let PHP evaluate the file with --php.",
                why.file, why.line, why.reason
            ));
        }
    };
    let mut state = std::mem::take(&mut evaluator.state);
    let finished = std::mem::take(&mut evaluator.finished);
    let mut is_first = !matches!(end, End::Complete);
    let mut end = end;
    for (other, how) in finished.into_iter().rev() {
        // Without the environment that this way supposes, it is the end that is real, whatever it is.
        if is_first && how.is_real() == Some(false) {
            continue;
        }
        // A way that loads WordPress counts more than one that ended in `exit`.
        state = if std::mem::take(&mut is_first) { other } else { how.join_states(state, other) };
        end = End::Complete;
    }
    if let (Some(why), false) = (&evaluator.late, matches!(end, End::Complete)) {
        state.forget_variables(why);
        state.doubt.get_or_insert_with(|| why.clone());
    }
    if let Some(file) = &input.databases {
        evaluator.state = state;
        let ended = evaluator.run_databases(file);
        if let Err(Stop::Throw(why) | Stop::Limit(why)) = &ended {
            return Err(sentence(why));
        }
        if ended.is_err() || !evaluator.finished.is_empty() {
            return Err(format!("{} ends before it has told everything", file.display()));
        }
        state = std::mem::take(&mut evaluator.state);
    }
    let has_environment = evaluator.variables_read.values().any(|set| *set);
    let setting = |value: &Value, file: &str, line: u32, maybe: Option<&Rc<Why>>| {
        let read = value.variables_inside();
        let unset = read.iter().any(|read| read.values().any(|set| !set));
        let plain = match maybe {
            Some(why) => Plain::Unknown(sentence(why)),
            None => plain(value),
        };
        let state = match &plain {
            Plain::Unknown(_) => State::Unknown,
            _ if unset && !has_environment => State::Assumed,
            _ => State::Known,
        };
        let variables = read.iter().flat_map(|read| read.keys().cloned()).collect();
        Setting { value: plain, state, source: format!("{file}:{line}"), variables }
    };
    // What drop-ins read there, as far as the configuration wrote it.
    let server = state.superglobals.get("_SERVER").into_iter().flat_map(|array| &array.entries);
    let server =
        server.map(|(key, value)| (format!("{SERVER}{}", String::from_utf8_lossy(&key.to_bytes())), value));
    let putenv = state.putenv.iter().filter_map(|(name, value)| {
        Some((format!("{PUTENV}{}", String::from_utf8_lossy(name)), value.as_ref()?))
    });
    let written: Vec<(String, Setting)> = server
        .chain(putenv)
        .map(|(name, value)| (name, setting(value, &input.file.display().to_string(), 0, None)))
        .collect();
    let unset = |env: &Variables| -> Vec<String> {
        if has_environment {
            return Vec::new();
        }
        env.iter().filter(|(_, set)| !**set).map(|(name, _)| name.clone()).collect()
    };
    let mut passed_over: Vec<(String, Vec<String>)> = Vec::new();
    for (name, env) in state.passed_over.iter().filter(|(name, _)| !name.contains(':')) {
        passed_over.push((name.clone(), unset(env)));
    }
    for (name, variable) in state.globals.iter().filter(|(_, variable)| variable.value.is_null()) {
        passed_over.push((format!("${name}"), variable.value.env.as_deref().map_or_else(Vec::new, &unset)));
    }
    passed_over.retain(|(_, names)| !names.is_empty());
    Ok(Outcome {
        passed_over,
        doubted: state.doubted.as_deref().map_or_else(Vec::new, &unset),
        constants: state
            .constants
            .iter()
            .map(|(name, c)| (name.clone(), setting(&c.value, &c.file, c.line, c.maybe.as_ref())))
            .collect(),
        variables: state
            .globals
            .iter()
            .map(|(name, v)| (name.clone(), setting(&v.value, &v.file, v.line, None)))
            .chain(written)
            .collect(),
        doubt: state.doubt.as_ref().map(|why| sentence(why)),
        end,
    })
}

fn sentence(why: &Why) -> String {
    format!("{} line {}: {}", why.file, why.line, why.reason)
}

fn plain(value: &Value) -> Plain {
    match &value.data {
        Data::Null => Plain::Null,
        Data::Bool(value) => Plain::Bool(*value),
        Data::Int(value) => Plain::Int(*value),
        Data::Float(value) => Plain::Float(*value),
        Data::Str(bytes) => Plain::Bytes(bytes.to_vec()),
        Data::Array(array) | Data::Object(array) => plain_array(array),
        Data::Closure(_) | Data::Dotenv(_) | Data::Instance(_) => Plain::Unknown("it is an object".into()),
        Data::Unknown(why) => Plain::Unknown(sentence(why)),
    }
}

fn plain_array(array: &Array) -> Plain {
    match &array.open {
        Some(why) => Plain::Unknown(sentence(why)),
        None => Plain::Array(
            array.entries.iter().map(|(key, value)| (key.to_bytes().to_vec(), plain(value))).collect(),
        ),
    }
}
