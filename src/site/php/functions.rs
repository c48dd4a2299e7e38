//! PHP's functions, as far as configurations use them, and the classes of Bedrock.
//!
//! A function that is not here gives an unknown result. One that is no function of PHP's may do anything,
//! so what follows its call is in doubt. Nothing here writes, runs or connects to anything.

use php_ast::ast::{ArgKind, Expr, FunctionCallExpr};
use php_ast::{Arg, Span};

use super::eval::{EnvFunction, Eval, Evaluator, MOST_ELEMENTS, MOST_STRING, Stop, is_written_to};
use super::names::is_harmless;
use super::source::Unreadable;
use super::value::{self, Array, Data, Key, Number, Value, merge};
use super::{builtins, dotenv, symfony};

/// Where `Env\Env::$options` is kept, once it is set.
pub const ENV_OPTIONS: &str = "env\\env::$options";
/// What it is before.
pub const ENV_DEFAULT: i64 = 15;
/// `USE_ENV_ARRAY`: `$_ENV` is read instead of `getenv()`.
const ENV_ARRAY: i64 = 16;
/// `USE_SERVER_ARRAY`.
const SERVER_ARRAY: i64 = 32;

/// A constant of `Env\Env`.
pub fn env_constant(name: &str) -> Option<i64> {
    let names = [
        "CONVERT_BOOL",
        "CONVERT_NULL",
        "CONVERT_INT",
        "STRIP_QUOTES",
        "USE_ENV_ARRAY",
        "USE_SERVER_ARRAY",
        "LOCAL_FIRST",
    ];
    names.iter().position(|candidate| *candidate == name).map(|position| 1 << position)
}

/// Names that a listed folder may have.
const MOST_NAMES: usize = 2_000;

/// Variables of the operator's shell that a web server has otherwise or not at all.
const PERSONAL: &[&str] = &[
    "HOME",
    "USER",
    "LOGNAME",
    "USERNAME",
    "PWD",
    "OLDPWD",
    "SHELL",
    "SHLVL",
    "TERM",
    "PATH",
    "LANG",
    "_",
    "EDITOR",
    "PAGER",
    "MAIL",
    "DISPLAY",
    "TMPDIR",
    "COLUMNS",
    "LINES",
    "SUDO_USER",
    "SUDO_UID",
    "SUDO_COMMAND",
];

/// Elements of `$_SERVER` that a request brings, beside all `HTTP_*`.
const OF_REQUEST: &[&str] = &[
    "HTTPS",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_ADDR",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "SERVER_ADMIN",
    "SERVER_SIGNATURE",
    "REQUEST_URI",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_TIME",
    "REQUEST_TIME_FLOAT",
    "QUERY_STRING",
    "REMOTE_ADDR",
    "REMOTE_HOST",
    "REMOTE_PORT",
    "REMOTE_USER",
    "DOCUMENT_ROOT",
    "DOCUMENT_URI",
    "SCRIPT_NAME",
    "SCRIPT_FILENAME",
    "SCRIPT_URI",
    "SCRIPT_URL",
    "PHP_SELF",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "ORIG_PATH_INFO",
    "GATEWAY_INTERFACE",
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "CONTENT_TYPE",
    "CONTENT_LENGTH",
    "PHP_AUTH_USER",
    "PHP_AUTH_PW",
    "PHP_AUTH_DIGEST",
    "AUTH_TYPE",
    "argv",
    "argc",
    "UNIQUE_ID",
    "REDIRECT_STATUS",
    "REDIRECT_URL",
    "FCGI_ROLE",
];

impl<'a> Evaluator<'a> {
    // The environment and the request

    /// An environment variable as `getenv()` (`through_putenv`) or `$_ENV` and `$_SERVER` show it.
    pub fn environment(&mut self, name: &[u8], through_putenv: bool, span: Span) -> Value {
        let text = String::from_utf8_lossy(name).into_owned();
        if self.from_dotenv.contains(name) && self.state.supposed.is_empty() {
            self.variables_read.insert(text.clone(), true);
        }
        if self.state.supposed.contains(&text) {
            return self.unknown(span, format!("it depends on the environment ({text})"));
        }
        if through_putenv && let Some(changed) = self.state.putenv.get(name).cloned() {
            return changed.unwrap_or_else(|| Value::bool(false));
        }
        if let (true, Some(why)) = (through_putenv, &self.state.putenv_open) {
            return Value::unknown(why.clone());
        }
        if PERSONAL.contains(&text.as_str()) {
            return self.unknown(span, format!("{text} is another one in the web server's environment"));
        }
        if let Some(doubt) = self.state.doubt.clone() {
            return Value::unknown(doubt);
        }
        let found = self.input.env.get(&text).map(<[u8]>::to_vec);
        // What a way reads that is not taken says nothing about the environment.
        if self.state.supposed.is_empty() {
            self.variables_read.insert(text.clone(), found.is_some());
        }
        let absent = if through_putenv { Value::bool(false) } else { Value::null() };
        let env = Some(std::rc::Rc::new(std::iter::once((text, found.is_some())).collect()));
        found.map_or(absent, Value::bytes).with(&env).with(&self.state.doubted)
    }

    pub fn superglobal_element(&mut self, name: &'static str, key: &Value, span: Span) -> Value {
        let env = key.env.clone();
        self.superglobal_key(name, key, span).with(&env)
    }

    fn superglobal_key(&mut self, name: &'static str, key: &Value, span: Span) -> Value {
        let Some(key) = key.to_key() else {
            return match key.why() {
                Some(why) => Value::unknown(why),
                None => self.unknown(span, "the key is not one that an array can have"),
            };
        };
        if let Some(array) = self.state.superglobals.get(name) {
            if let Some(value) = array.get(&key) {
                if self.from_dotenv.contains(&*key.to_bytes()) && self.state.supposed.is_empty() {
                    let text = String::from_utf8_lossy(&key.to_bytes()).into_owned();
                    self.variables_read.insert(text, true);
                }
                return value.clone();
            }
            if let Some(why) = &array.open {
                return Value::unknown(why.clone());
            }
        }
        let text = String::from_utf8_lossy(&key.to_bytes()).into_owned();
        match name {
            "_ENV" => self.environment(&key.to_bytes(), false, span),
            "_SERVER" if text.starts_with("HTTP_") || OF_REQUEST.contains(&text.as_str()) => {
                self.of_request(&text, span)
            }
            "_SERVER" => self.environment(&key.to_bytes(), false, span),
            _ => self.unknown(span, format!("${name}['{text}'] depends on the request")),
        }
    }

    /// What a request to `--url` brings.
    ///
    /// WP-CLI: `WP_CLI::set_url_params()` sets the same elements.
    fn of_request(&self, name: &str, span: Span) -> Value {
        let Some(url) = &self.input.url else {
            return self.unknown(span, format!("$_SERVER['{name}'] depends on the request (give --url)"));
        };
        let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
        match name {
            "HTTP_HOST" => Value::text(&format!("{}{port}", url.host)),
            // A proxy passes on what it was asked for.
            "HTTP_X_FORWARDED_HOST" if self.state.is_forwarded => Value::text(&format!("{}{port}", url.host)),
            "SERVER_NAME" => Value::text(&url.host),
            "REQUEST_URI" => Value::text(&url.path_and_query),
            "HTTPS" if url.is_https => Value::text("on"),
            _ => self.unknown(span, format!("$_SERVER['{name}'] depends on the request")),
        }
    }

    pub fn whole_superglobal(&mut self, name: &'static str, span: Span) -> Value {
        if name != "_ENV" {
            return self.unknown(span, format!("it uses ${name} as a whole"));
        }
        let written = self.state.superglobals.get(name).cloned().unwrap_or_default();
        if written.open.is_some() || self.state.doubt.is_some() {
            return self.unknown(span, "it uses $_ENV as a whole");
        }
        let mut array = Array::default();
        for (key, value) in self.input.env.iter() {
            let key_text = String::from_utf8_lossy(key).into_owned();
            if PERSONAL.contains(&key_text.as_str()) {
                continue;
            }
            let env = Some(std::rc::Rc::new(std::iter::once((key_text, true)).collect()));
            array.set(Key::from_bytes(key), Value::bytes(value).with(&env));
        }
        written.entries.into_iter().for_each(|(key, value)| array.set(key, value));
        // The operator's own variables are there too, with other values.
        array.open = Some(self.why(span, "it uses $_ENV as a whole"));
        Value::array(array)
    }

    /// The names in a folder in order, as `scandir()`. `None`: it cannot be read here.
    fn scandir(&self, path: &[u8]) -> Option<Value> {
        use std::os::unix::ffi::OsStrExt;
        if !self.is_placed(path) {
            return None;
        }
        let path = self.absolute(path);
        if !self.input.may_read(&path) {
            return None;
        }
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Some(Value::bool(false)),
            Err(_) => return None,
        };
        let mut names = vec![b".".to_vec(), b"..".to_vec()];
        for entry in entries.take(MOST_NAMES) {
            names.push(entry.ok()?.file_name().as_bytes().to_vec());
        }
        names.sort();
        (names.len() < MOST_NAMES)
            .then(|| Value::array(Array::from_list(names.into_iter().map(Value::bytes))))
    }

    /// Whether it is known where a path begins.
    fn is_placed(&self, path: &[u8]) -> bool {
        path.starts_with(b"/") || self.state.moved.is_none()
    }

    // Functions by name

    /// A call of a function that the program did not declare.
    pub fn builtin(&mut self, name: &str, call: &'a FunctionCallExpr<'a, 'a>, span: Span) -> Eval {
        let short = name.rsplit('\\').next().unwrap_or(name).to_owned();
        let argument = |index: usize| call.args.get(index).and_then(Arg::value);
        match short.as_str() {
            "env" if name.starts_with("env\\") || self.state.composer => {
                let arguments = self.arguments(&call.args)?;
                return match self.env_function.clone() {
                    EnvFunction::Other(why) if !name.starts_with("env\\") => Ok(self.unknown_call(why)),
                    EnvFunction::Unknown if !name.starts_with("env\\") => {
                        let why = self.why(span, "which package env() comes from cannot be known");
                        self.may_throw(&why);
                        Ok(Value::unknown(why))
                    }
                    _ => Ok(self.bedrock_env(arguments.first(), span)),
                };
            }
            "define" => {
                let arguments = self.arguments(&call.args)?;
                let [name, value, ..] = &arguments[..] else {
                    return Err(self.throw(span, "define() lacks a value"));
                };
                let Some(name_bytes) = name.to_bytes() else {
                    let why = self.why(span, "which constant is defined cannot be known");
                    self.state.doubt.get_or_insert_with(|| why.clone());
                    return Ok(Value::unknown(why));
                };
                // With another value there, another constant would be defined.
                if let Some(unset) = self.unset(&name.env) {
                    self.state.doubted = merge(&self.state.doubted, &Some(unset));
                }
                let defined =
                    self.define(&String::from_utf8_lossy(&name_bytes), value.clone().with(&name.env), span);
                return Ok(Value::bool(defined));
            }
            "preg_match" => {
                let pattern = self.optional(argument(0))?;
                let subject = self.optional(argument(1))?;
                let (answer, groups) = super::regex::matches(self, &pattern, &subject, span);
                if let Some(target) = argument(2) {
                    self.assign(target, groups)?;
                }
                return Ok(if call.args.len() > 3 {
                    self.unknown(span, "preg_match() with flags is not followed")
                } else {
                    answer
                });
            }
            "parse_str" => {
                let text = self.optional(argument(0))?;
                let result = match text.to_bytes() {
                    Some(bytes) if !bytes.contains(&b'[') => query_array(&bytes),
                    _ => self.unknown(span, "parse_str() gets what is not followed"),
                };
                let result = result.with(&text.env);
                if let Some(target) = argument(1) {
                    self.assign(target, result)?;
                }
                return Ok(Value::null());
            }
            "array_push" | "array_unshift" | "array_pop" | "array_shift" => {
                let Some(target) = argument(0) else { return Ok(self.unknown(span, "it lacks an argument")) };
                let subject = self.expr(target)?;
                let rest = self.arguments(call.args.get(1..).unwrap_or(&[]))?;
                let (changed, result) = self.change_ends(&short, &subject, rest, span);
                self.assign(target, changed)?;
                return Ok(result);
            }
            "end" | "reset" | "current" => {
                let subject = self.optional(argument(0))?;
                return Ok(match &subject.data {
                    Data::Array(array) if array.open.is_none() && short != "current" => {
                        let found = if short == "end" { array.entries.last() } else { array.entries.first() };
                        found.map_or(Value::bool(false), |(_, value)| value.clone()).with(&subject.env)
                    }
                    _ => self.unknown(span, format!("{short}() is not followed here")),
                });
            }
            "array_walk" => {
                let arguments = self.arguments(&call.args)?;
                let target = argument(0).filter(|target| is_written_to(target));
                return self.walk_array(&arguments, target, span);
            }
            "assert" => {
                // Whether it evaluates anything is a setting of the web server's PHP.
                let why = self.why(span, "whether assert() is in force depends on the web server");
                let unknown = Value::unknown(why.clone());
                return match argument(0) {
                    Some(tested) if !is_harmless(tested) => self.fork_value(
                        &why,
                        |this| {
                            this.expr(tested)?;
                            Ok(unknown.clone())
                        },
                        |_| Ok(unknown.clone()),
                    ),
                    _ => Ok(unknown),
                };
            }
            "trigger_error" | "user_error" => {
                let arguments = self.arguments(&call.args)?;
                return match arguments.get(1).map(|level| &level.data) {
                    Some(Data::Int(256)) => Err(Stop::Exit),
                    Some(Data::Unknown(why)) => {
                        let why = why.clone();
                        self.fork_value(&why, |_| Err(Stop::Exit), |_| Ok(Value::bool(true)))
                    }
                    _ => Ok(Value::bool(true)),
                };
            }
            "chdir" | "set_include_path" | "ini_set" | "ini_alter" | "chroot" => {
                let arguments = self.arguments(&call.args)?;
                let setting = arguments.first().and_then(Value::to_bytes);
                let moves = match (short.starts_with("ini"), setting) {
                    (true, Some(name)) => name.eq_ignore_ascii_case(b"include_path"),
                    _ => true,
                };
                let why = self.why(span, format!("{short}() decides where relative paths begin"));
                if moves {
                    self.state.moved.get_or_insert_with(|| why.clone());
                }
                return Ok(Value::unknown(why));
            }
            "spl_autoload_register" => {
                let arguments = self.arguments(&call.args)?;
                // From here on, a class that no file here declares may be there all the same.
                self.state.composer = true;
                if arguments.first().is_some_and(|callback| self.could_call(callback)) {
                    let why = self.why(span, "a function runs when a class is looked for");
                    self.unknown_call(why);
                }
                return Ok(Value::bool(true));
            }
            "compact" => {
                let names = self.arguments(&call.args)?;
                let mut array = Array::default();
                for name in names {
                    match (&name.data, name.to_bytes()) {
                        (Data::Str(_), Some(bytes)) => {
                            let value = self.variable(&String::from_utf8_lossy(&bytes));
                            if !value.is_null() {
                                array.set(Key::from_bytes(&bytes), value);
                            }
                        }
                        _ => return Ok(self.unknown(span, "compact() gets what is no name")),
                    }
                }
                return Ok(Value::array(array));
            }
            "extract" => {
                let subject = self.optional(argument(0))?;
                self.doubt_with(&subject.env);
                match &subject.data {
                    Data::Array(array) if array.open.is_none() && call.args.len() == 1 => {
                        for (key, value) in &array.entries {
                            if let Key::Str(name) = key {
                                let value = value.clone().with(&subject.env);
                                self.set_variable(&String::from_utf8_lossy(name), value, span);
                            }
                        }
                        return Ok(Value::int(array.entries.len() as i64));
                    }
                    _ => {
                        let why = self.why(span, "extract() gets what is not known");
                        self.state.forget_variables(&why);
                        return Ok(Value::unknown(why));
                    }
                }
            }
            _ => {}
        }
        let arguments = self.arguments(&call.args)?;
        let found = builtins::find(&short);
        let is_spread = call.args.iter().any(|argument| matches!(argument.kind, ArgKind::Spread(_)));
        let result = self.pure(&short, &arguments, span)?;
        for (index, argument) in call.args.iter().enumerate() {
            let Some(expr) = argument.value().filter(|expr| is_written_to(expr)) else { continue };
            // What is passed may be taken by reference.
            let is_taken = match found {
                Some(found) if is_spread => (0..16).any(|index| found.takes_reference(index)),
                Some(found) => found.takes_reference(index),
                None => true,
            };
            if is_taken {
                let unknown = self.unknown(span, format!("{short}() is not followed"));
                self.assign(expr, unknown)?;
            }
        }
        Ok(result)
    }

    /// Whether a function can be called by its name alone, with nothing but values.
    pub fn is_called_by_value(&self, name: &str) -> bool {
        const OF_THEIR_CALLER: &[&str] = &[
            "define",
            "compact",
            "func_get_args",
            "func_get_arg",
            "func_num_args",
            "get_defined_vars",
            "assert",
        ];
        builtins::find(name).is_some_and(|found| !(0..16).any(|index| found.takes_reference(index)))
            && (builtins::is_pure(name) || name == "putenv")
            && !OF_THEIR_CALLER.contains(&name)
    }

    /// Whether a function that gets this as a callback may do something by calling it.
    pub fn could_call(&self, value: &Value) -> bool {
        match &value.data {
            Data::Null
            | Data::Bool(_)
            | Data::Int(_)
            | Data::Float(_)
            | Data::Object(_)
            | Data::Dotenv(_) => false,
            Data::Str(name) => {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                !builtins::is_pure(name.trim_start_matches('\\'))
            }
            Data::Array(array) => {
                array.open.is_some() || array.entries.iter().any(|(_, value)| self.could_call(value))
            }
            Data::Closure(_) | Data::Instance(_) | Data::Unknown(_) => true,
        }
    }

    /// `array_walk()` with a function that takes its arguments by value.
    fn walk_array(&mut self, arguments: &[Value], target: Option<&'a Expr<'a, 'a>>, span: Span) -> Eval {
        if target.is_none() {
            return Err(self.throw(span, "array_walk() gets what is no variable"));
        }
        if let (Some(Value { data: Data::Array(array), env }), Some(callback)) =
            (arguments.first(), arguments.get(1))
            && array.open.is_none()
            && self.unset(env).is_none()
            && self.takes_values(callback)
        {
            let rest = arguments.get(2..).unwrap_or(&[]);
            for (key, value) in array.entries.clone() {
                let given = [value, key.to_value()].into_iter().chain(rest.iter().cloned()).collect();
                self.call_value(callback, given, span)?;
            }
            return Ok(Value::bool(true));
        }
        let why = self.why(span, "array_walk() is not followed here");
        let unknown = self.unknown_call(why);
        if let Some(target) = target {
            self.assign(target, unknown.clone())?;
        }
        Ok(unknown)
    }

    fn optional(&mut self, expr: Option<&'a Expr<'a, 'a>>) -> Eval {
        match expr {
            Some(expr) => self.expr(expr),
            None => Ok(Value::null()),
        }
    }

    fn change_ends(&mut self, name: &str, subject: &Value, rest: Vec<Value>, span: Span) -> (Value, Value) {
        let Data::Array(array) = &subject.data else {
            let unknown = self.unknown(span, format!("{name}() gets what is no known array"));
            return (unknown.clone(), unknown);
        };
        if let Some(why) = &array.open {
            return (Value::unknown(why.clone()), Value::unknown(why.clone()));
        }
        let mut entries = array.entries.clone();
        let result = match name {
            "array_push" => {
                let mut changed = (**array).clone();
                rest.into_iter().for_each(|value| changed.push(value));
                let count = Value::int(changed.entries.len() as i64);
                return (Value::array(changed).with(&subject.env), count);
            }
            "array_pop" => entries.pop().map(|(_, value)| value),
            "array_shift" if !entries.is_empty() => Some(entries.remove(0).1),
            "array_shift" => None,
            _ => {
                let added = rest.into_iter().map(|value| (Key::Int(0), value));
                entries = added.chain(entries).collect();
                Some(Value::int(entries.len() as i64))
            }
        };
        let mut changed = Array::default();
        for (key, value) in entries {
            match key {
                Key::Int(_) if name != "array_pop" => changed.push(value),
                key => changed.set(key, value),
            }
        }
        (Value::array(changed).with(&subject.env), result.unwrap_or_else(Value::null).with(&subject.env))
    }

    /// A function that changes none of its arguments.
    pub fn pure(&mut self, name: &str, arguments: &[Value], span: Span) -> Eval {
        let env = arguments.iter().fold(None, |env, value| merge(&env, &value.variables_inside()));
        let size = arguments.iter().map(Value::size).sum();
        self.charge(span, size)?;
        if !self.is_strictly_typed(name, arguments) {
            let why = self.why(span, format!("{name}() gets values of other types under strict_types"));
            self.may_throw(&why);
            return Ok(Value::unknown(why).with(&env));
        }
        if let Some(value) = self.pure_result(name, arguments, span)? {
            self.charge(span, value.size())?;
            if let Data::Array(array) = &value.data {
                if array.entries.len() > MOST_ELEMENTS {
                    return Err(self.limit(span, "builds an array that is too large"));
                }
                // What it costs to find keys.
                self.step(span, array.entries.len() * array.entries.len() / 8192)?;
            }
            return Ok(value.with(&env));
        }
        let found = builtins::find(name);
        let calls = |index: usize, value: &Value| {
            found.is_some_and(|found| found.calls(index)) && self.could_call(value)
        };
        // These run when everything that counts has happened.
        let is_late = matches!(
            name,
            "register_shutdown_function" | "set_exception_handler" | "header_register_callback"
        );
        if !is_late && arguments.iter().enumerate().any(|(index, value)| calls(index, value)) {
            let why = self.why(span, format!("which functions {name}() calls is not followed"));
            return Ok(self.unknown_call(why));
        }
        if is_late && arguments.iter().any(|callback| self.could_call(callback)) {
            let why = self.why(span, format!("what {name}() was given runs when the program ends early"));
            self.late.get_or_insert(why);
        }
        if found.is_some() {
            let reason = arguments.iter().find_map(Value::unknown_inside);
            let why =
                reason.unwrap_or_else(|| self.why(span, format!("what {name}() gives cannot be known here")));
            self.may_throw(&why);
            return Ok(Value::unknown(why).with(&env));
        }
        let why = self.why(span, format!("{name}() is not a function of PHP or of these files"));
        if self.state.composer || self.state.doubt.is_some() {
            return Ok(self.unknown_call(why));
        }
        if builtins::may_be_of_an_extension(name) {
            // An extension's, which changes neither constants nor variables.
            self.may_throw(&why);
            return Ok(Value::unknown(why));
        }
        // Nothing was loaded that could have declared it.
        Err(Stop::Throw(why))
    }

    /// Whether PHP's own functions take these arguments as they are, where the file asks for strict types.
    fn is_strictly_typed(&self, name: &str, arguments: &[Value]) -> bool {
        if !self.here.uses.borrow().is_strict {
            return true;
        }
        let takes_any = name.starts_with("is_")
            || name.starts_with("array_")
            || name.starts_with("call_user_func")
            || name.ends_with("val")
            || matches!(
                name,
                "in_array"
                    | "var_export"
                    | "print_r"
                    | "var_dump"
                    | "json_encode"
                    | "serialize"
                    | "max"
                    | "min"
                    | "filter_var"
                    | "defined"
                    | "round"
                    | "range"
                    | "chr"
                    | "count"
                    | "gettype"
                    | "vsprintf"
            );
        let later = matches!(
            name,
            "sprintf"
                | "explode"
                | "substr"
                | "dirname"
                | "json_decode"
                | "parse_url"
                | "str_pad"
                | "str_repeat"
                | "implode"
                | "join"
                | "file"
                | "parse_ini_file"
                | "parse_ini_string"
                | "strpos"
                | "stripos"
                | "strrpos"
                | "strstr"
                | "preg_replace"
                | "preg_split"
                | "preg_match"
                | "ini_set"
                | "getenv"
                | "file_get_contents"
                | "base64_decode"
                | "realpath"
                | "class_exists"
                | "htmlspecialchars"
        );
        takes_any
            || !arguments.iter().enumerate().any(|(index, value)| {
                let is_scalar =
                    matches!(value.data, Data::Null | Data::Bool(_) | Data::Int(_) | Data::Float(_));
                is_scalar && !(later && index > 0)
            })
    }

    /// `None`: not known, not followed, or not a case that is understood.
    fn pure_result(&mut self, name: &str, arguments: &[Value], span: Span) -> Result<Option<Value>, Stop> {
        let argument = |index: usize| arguments.get(index);
        let bytes = |index: usize| argument(index).and_then(Value::to_bytes);
        let text = |index: usize| bytes(index).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let integer = |index: usize| match argument(index).map(|value| &value.data) {
            Some(Data::Int(number)) => Some(*number),
            Some(Data::Bool(_) | Data::Float(_) | Data::Str(_)) => argument(index).and_then(Value::to_int),
            _ => None,
        };
        let given = arguments.len();
        let array = |index: usize| match argument(index).map(|value| &value.data) {
            Some(Data::Array(array)) if array.open.is_none() => Some(array.clone()),
            _ => None,
        };
        // What is unknown inside an argument makes most results unknown. These tell more.
        let tolerant = matches!(
            name,
            "in_array"
                | "count"
                | "sizeof"
                | "array_key_exists"
                | "key_exists"
                | "is_array"
                | "array_merge"
                | "array_keys"
                | "array_values"
                | "call_user_func"
                | "call_user_func_array"
                | "array_slice"
                | "array_combine"
                | "array_replace"
                | "array_map"
                | "array_filter"
                | "putenv"
        );
        let unknown = if tolerant { None } else { arguments.iter().find_map(Value::unknown_inside) };
        if unknown.is_some() {
            return Ok(None);
        }
        let is = |test: fn(&Data) -> bool| argument(0).map(|value| Value::bool(test(&value.data)));
        Ok(match name {
            "defined" => text(0).map(|name| self.defined(&name)),
            "constant" => match text(0) {
                Some(name) if !name.contains("::") => Some(self.constant(&name, span)?),
                _ => None,
            },
            "getenv" => match argument(0) {
                // PHP: all variables, as without an argument.
                Some(Value { data: Data::Null, .. }) => None,
                Some(_) => bytes(0).map(|name| self.environment(&name, true, span)),
                None => None,
            },
            "putenv" if !arguments.is_empty() => {
                match bytes(0).filter(|_| arguments[0].why().is_none()) {
                    Some(setting) => {
                        let at = setting.iter().position(|byte| *byte == b'=');
                        let (name, value) = match at {
                            Some(at) => (setting[..at].to_vec(), Some(Value::bytes(&setting[at + 1..]))),
                            None => (setting.to_vec(), None),
                        };
                        let env = argument(0).and_then(|value| value.env.clone());
                        self.state.putenv.insert(name, value.map(|value| value.with(&env)));
                    }
                    None => {
                        let why = self.why(span, "which variable putenv() sets cannot be known");
                        self.state.putenv.clear();
                        self.state.putenv_open.get_or_insert(why);
                    }
                }
                Some(Value::bool(true))
            }
            "is_callable" if matches!(argument(0).map(|value| &value.data), Some(Data::Closure(_))) => {
                Some(Value::bool(true))
            }
            "is_callable" if text(0).is_none_or(|name| name.contains("::")) => None,
            "function_exists" | "is_callable" => match text(0).map(|name| name.to_ascii_lowercase()) {
                Some(name) => {
                    let name = name.trim_start_matches('\\');
                    let passed_over = self.state.passed_over.get(&format!("f:{name}")).cloned();
                    let passed_over = merge(&passed_over, &self.state.doubted);
                    let found = self.user_function(name);
                    match builtins::find(name) {
                        // It is kept without its namespace.
                        _ if found.is_some_and(|function| function.here.uses.borrow().is_namespaced) => None,
                        _ if self.user_function(name).is_some() => {
                            Some(self.absent(Value::bool(true), &passed_over))
                        }
                        Some(found) => found.is_everywhere().then(|| Value::bool(true)),
                        None if self.state.composer
                            || self.state.doubt.is_some()
                            || builtins::may_be_of_an_extension(name) =>
                        {
                            None
                        }
                        None => Some(self.absent(Value::bool(false), &passed_over)),
                    }
                }
                None => None,
            },
            "class_exists" => match text(0).map(|name| name.trim_start_matches('\\').to_ascii_lowercase()) {
                Some(name)
                    if self.class(&name).is_some_and(|class| class.here.uses.borrow().is_namespaced) =>
                {
                    None
                }
                Some(name) if self.class(&name).is_some_and(|class| class.declaration.is_some()) => {
                    Some(Value::bool(true))
                }
                Some(name) if matches!(name.as_str(), "wp_cli" | "wpdb") => Some(Value::bool(false)),
                _ => None,
            },
            "extension_loaded" => None,
            "php_sapi_name" => Some(self.web_sapi(span)),
            "gethostname" => hostname().map(Value::bytes),
            "php_uname" if text(0).as_deref() == Some("n") => hostname().map(Value::bytes),
            "scandir" if given == 1 => match bytes(0) {
                Some(path) => self.scandir(&path),
                None => None,
            },
            "getcwd" if self.state.moved.is_none() => {
                use std::os::unix::ffi::OsStrExt;
                Some(Value::bytes(self.input.working_dir.as_os_str().as_bytes()))
            }
            "dirname" => match (bytes(0), if given > 1 { integer(1) } else { Some(1) }) {
                (Some(path), Some(levels)) if (1..1000).contains(&levels) => {
                    let mut path = path.to_vec();
                    for _ in 0..levels {
                        path = dirname(&path);
                    }
                    Some(Value::bytes(path))
                }
                _ => None,
            },
            "basename" => bytes(0).and_then(|path| {
                let end = path.iter().rposition(|byte| *byte != b'/').map_or(0, |at| at + 1);
                let start = path[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1);
                let mut base = &path[start..end];
                if given > 1 {
                    let suffix = bytes(1)?;
                    if base.len() > suffix.len() && base.ends_with(&suffix) {
                        base = &base[..base.len() - suffix.len()];
                    }
                }
                Some(Value::bytes(base))
            }),
            "realpath" => {
                use std::os::unix::ffi::OsStrExt;
                match bytes(0)
                    .filter(|path| self.is_placed(path))
                    .map(|path| self.absolute(&path).canonicalize())
                {
                    Some(Ok(path)) => Some(Value::bytes(path.as_os_str().as_bytes())),
                    Some(Err(error)) if is_missing(&error) => Some(Value::bool(false)),
                    _ => None,
                }
            }
            "file_exists" | "is_file" | "is_dir" | "is_readable" => match bytes(0) {
                Some(path) if path.is_empty() || path.contains(&0) => Some(Value::bool(false)),
                Some(path) if path.windows(3).any(|window| window == b"://") || !self.is_placed(&path) => {
                    None
                }
                Some(path) => {
                    let path = self.absolute(&path);
                    match std::fs::metadata(&path) {
                        Ok(data) => match name {
                            "is_file" => Some(Value::bool(data.is_file())),
                            "is_dir" => Some(Value::bool(data.is_dir())),
                            // What the web server may read is not asked of this process.
                            "is_readable" => std::fs::File::open(&path).is_ok().then(|| Value::bool(true)),
                            _ => Some(Value::bool(true)),
                        },
                        Err(error) if is_missing(&error) => Some(Value::bool(false)),
                        Err(_) => None,
                    }
                }
                None => None,
            },
            "file_get_contents" if given == 1 => match bytes(0) {
                Some(path) if !path.windows(3).any(|window| window == b"://") && self.is_placed(&path) => {
                    let path = self.absolute(&path);
                    match self.read_file(&path) {
                        Ok(content) => Some(self.string(span, content)?),
                        Err(Unreadable::Missing) => Some(Value::bool(false)),
                        Err(Unreadable::Other(reason)) => Some(
                            self.unknown(span, format!("{} cannot be read here: {reason}", path.display())),
                        ),
                    }
                }
                _ => None,
            },
            "file" => match (bytes(0), if given > 1 { integer(1) } else { Some(0) }) {
                // FILE_IGNORE_NEW_LINES and FILE_SKIP_EMPTY_LINES
                (Some(path), Some(flags @ (0 | 2 | 4 | 6)))
                    if given <= 2
                        && !path.windows(3).any(|window| window == b"://")
                        && self.is_placed(&path) =>
                {
                    match self.read_file(&self.absolute(&path)) {
                        Ok(content) => Some(lines_of(&content, flags)),
                        Err(Unreadable::Missing) => Some(Value::bool(false)),
                        Err(Unreadable::Other(_)) => None,
                    }
                }
                _ => None,
            },
            "trim" | "ltrim" | "rtrim" | "chop" => {
                let set = if given > 1 { bytes(1) } else { Some(std::rc::Rc::from(&b" \n\r\t\x0b\0"[..])) };
                match (bytes(0), set) {
                    (Some(text), Some(set)) if !set.windows(2).any(|pair| pair == b"..") => {
                        let keep = |byte: &u8| !set.contains(byte);
                        let start = if matches!(name, "trim" | "ltrim") {
                            text.iter().position(keep)
                        } else {
                            Some(0)
                        };
                        let end = if name == "ltrim" {
                            Some(text.len())
                        } else {
                            text.iter().rposition(keep).map(|at| at + 1)
                        };
                        Some(match (start, end) {
                            (Some(start), Some(end)) if start <= end => Value::bytes(&text[start..end]),
                            _ => Value::text(""),
                        })
                    }
                    _ => None,
                }
            }
            "strtolower" => bytes(0).map(|text| Value::bytes(text.to_ascii_lowercase())),
            "strtoupper" => bytes(0).map(|text| Value::bytes(text.to_ascii_uppercase())),
            "ucfirst" | "lcfirst" => bytes(0).map(|text| {
                let mut text = text.to_vec();
                if let Some(first) = text.first_mut() {
                    *first = if name == "ucfirst" {
                        first.to_ascii_uppercase()
                    } else {
                        first.to_ascii_lowercase()
                    };
                }
                Value::bytes(text)
            }),
            "strrev" => bytes(0).map(|text| Value::bytes(text.iter().rev().copied().collect::<Vec<u8>>())),
            "strlen" => bytes(0).map(|text| Value::int(text.len() as i64)),
            "substr" => match (bytes(0), integer(1)) {
                (Some(text), Some(start)) => {
                    let length = match argument(2).map(|value| &value.data) {
                        None | Some(Data::Null) => Some(i64::MAX),
                        Some(_) => integer(2),
                    };
                    length.map(|length| Value::bytes(substr(&text, start, length)))
                }
                _ => None,
            },
            "strpos" | "stripos" | "strrpos" if given == 2 => match (bytes(0), bytes(1)) {
                (Some(text), Some(needle)) => {
                    let (text, needle) = if name == "stripos" {
                        (text.to_ascii_lowercase(), needle.to_ascii_lowercase())
                    } else {
                        (text.to_vec(), needle.to_vec())
                    };
                    let at = if name == "strrpos" { rfind(&text, &needle) } else { find(&text, &needle) };
                    Some(at.map_or(Value::bool(false), |at| Value::int(at as i64)))
                }
                _ => None,
            },
            "strstr" | "stristr" => match (bytes(0), bytes(1)) {
                (Some(text), Some(needle)) => {
                    let at = if name == "stristr" {
                        find(&text.to_ascii_lowercase(), &needle.to_ascii_lowercase())
                    } else {
                        find(&text, &needle)
                    };
                    let before = argument(2).is_some_and(|value| value.to_bool() == Ok(true));
                    Some(match at {
                        Some(at) if before => Value::bytes(&text[..at]),
                        Some(at) => Value::bytes(&text[at..]),
                        None => Value::bool(false),
                    })
                }
                _ => None,
            },
            "strrchr" if given == 2 => match (bytes(0), bytes(1)) {
                (Some(text), Some(needle)) => needle.first().map(|needle| {
                    text.iter()
                        .rposition(|byte| byte == needle)
                        .map_or(Value::bool(false), |at| Value::bytes(&text[at..]))
                }),
                _ => None,
            },
            "str_contains" | "str_starts_with" | "str_ends_with" => match (bytes(0), bytes(1)) {
                (Some(text), Some(needle)) => Some(Value::bool(match name {
                    "str_contains" => find(&text, &needle).is_some(),
                    "str_starts_with" => text.starts_with(&needle),
                    _ => text.ends_with(&needle),
                })),
                _ => None,
            },
            "substr_count" if given == 2 => match (bytes(0), bytes(1)) {
                (Some(text), Some(needle)) if !needle.is_empty() => {
                    Some(Value::int(split(&text, &needle).len() as i64 - 1))
                }
                _ => None,
            },
            // The fourth argument gets the number of replacements.
            "str_replace" | "str_ireplace" if given == 3 || given == 4 => {
                let list = |index: usize| -> Option<Vec<std::rc::Rc<[u8]>>> {
                    match array(index) {
                        Some(array) => array.entries.iter().map(|(_, value)| value.to_bytes()).collect(),
                        None => bytes(index).map(|one| vec![one]),
                    }
                };
                match (list(0), list(1), bytes(2)) {
                    (Some(searches), Some(replacements), Some(subject)) => {
                        let many = array(1).is_some();
                        if many && array(0).is_none() {
                            return Ok(None);
                        }
                        let mut subject = subject.to_vec();
                        for (index, search) in searches.iter().enumerate() {
                            let replacement =
                                if many { replacements.get(index) } else { replacements.first() };
                            let replacement = replacement.map_or(&b""[..], |replacement| replacement);
                            if search.is_empty() {
                                continue;
                            }
                            self.charge(span, subject.len())?;
                            let most = if replacement.len() > search.len() {
                                subject.len() / search.len() * replacement.len()
                            } else {
                                0
                            };
                            if most > MOST_STRING
                                && find_all(&subject, search).saturating_mul(replacement.len()) > MOST_STRING
                            {
                                return Err(self.limit(span, "builds a string longer than 1 MiB"));
                            }
                            subject = if name == "str_replace" {
                                split(&subject, search).join(replacement)
                            } else {
                                replace_ignoring_case(&subject, search, replacement)
                            };
                            subject = self
                                .string(span, subject)?
                                .to_bytes()
                                .map_or_else(Vec::new, |bytes| bytes.to_vec());
                        }
                        Some(Value::bytes(subject))
                    }
                    _ => None,
                }
            }
            "str_repeat" => match (bytes(0), integer(1)) {
                (Some(text), Some(times))
                    if (0..=1 << 20).contains(&times) && text.len() as i64 * times <= 1 << 20 =>
                {
                    Some(self.string(span, text.repeat(times as usize))?)
                }
                _ => None,
            },
            "str_pad" => match (
                bytes(0),
                integer(1),
                if given > 2 { bytes(2) } else { Some(std::rc::Rc::from(&b" "[..])) },
            ) {
                (Some(text), Some(length), Some(pad)) if length <= 4096 && !pad.is_empty() => {
                    let missing = usize::try_from(length).unwrap_or(0).saturating_sub(text.len());
                    let padding: Vec<u8> = pad.iter().copied().cycle().take(missing).collect();
                    match if given > 3 { integer(3) } else { Some(1) } {
                        Some(0) => Some(Value::bytes([&padding[..], &text].concat())),
                        Some(1) => Some(Value::bytes([&text[..], &padding].concat())),
                        _ => None,
                    }
                }
                _ => None,
            },
            "strcmp" | "strcasecmp" => match (bytes(0), bytes(1)) {
                (Some(left), Some(right)) => {
                    let order = if name == "strcmp" {
                        left.cmp(&right)
                    } else {
                        left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase())
                    };
                    // Before PHP 8.2 the number was the difference, not its sign. Zero is zero in all.
                    order
                        .is_eq()
                        .then(|| Value::int(0))
                        .or_else(|| (name == "strcmp").then(|| Value::int(order as i64)))
                }
                _ => None,
            },
            "explode" => match (bytes(0), bytes(1)) {
                (Some(separator), Some(text)) if !separator.is_empty() => {
                    let limit = if given > 2 { integer(2) } else { Some(i64::MAX) };
                    limit.map(|limit| explode(&separator, &text, limit))
                }
                _ => None,
            },
            "implode" | "join" => {
                let (glue, list) = match (array(0), array(1)) {
                    (None, Some(list)) => (bytes(0), Some(list)),
                    (Some(list), None) if given == 1 => (Some(std::rc::Rc::from(&b""[..])), Some(list)),
                    // PHP 8: the array comes last.
                    (Some(_), _) => {
                        return Err(self.throw(span, format!("{name}() gets its arguments reversed")));
                    }
                    _ => (None, None),
                };
                match (glue, list) {
                    (Some(glue), Some(list)) => {
                        let parts: Option<Vec<_>> =
                            list.entries.iter().map(|(_, value)| value.to_bytes()).collect();
                        match parts {
                            Some(parts) => {
                                let size: usize = parts.iter().map(|part| part.len() + glue.len()).sum();
                                if size > MOST_STRING + glue.len() {
                                    return Err(self.limit(span, "builds a string longer than 1 MiB"));
                                }
                                Some(self.string(span, parts.join(&glue[..]))?)
                            }
                            None => None,
                        }
                    }
                    _ => None,
                }
            }
            "in_array" | "array_search" => match (argument(0), array(1)) {
                (Some(needle), Some(list)) => {
                    let strict = match argument(2).map(Value::to_bool) {
                        None => false,
                        Some(Ok(strict)) => strict,
                        Some(Err(why)) => return Ok(Some(Value::unknown(why))),
                    };
                    let mut doubt = None;
                    for (key, value) in &list.entries {
                        let answer = if strict {
                            value::identical(needle, value)
                        } else {
                            value::equal(needle, value)
                        };
                        match answer {
                            Ok(true) if name == "in_array" => return Ok(Some(Value::bool(true))),
                            Ok(true) if doubt.is_none() => return Ok(Some(key.to_value())),
                            Ok(_) => {}
                            Err(why) => doubt = Some(why),
                        }
                    }
                    Some(doubt.map_or(Value::bool(false), Value::unknown))
                }
                _ => None,
            },
            "array_key_exists" | "key_exists" => match (argument(0).and_then(Value::to_key), array(1)) {
                (Some(key), Some(array)) => Some(Value::bool(array.get(&key).is_some())),
                _ => None,
            },
            "array_merge" | "array_replace" => {
                let mut merged = Array::default();
                for index in 0..given {
                    let Some(array) = array(index) else { return Ok(None) };
                    for (key, value) in &array.entries {
                        match key {
                            Key::Int(_) if name == "array_merge" => merged.push(value.clone()),
                            key => merged.set(key.clone(), value.clone()),
                        }
                    }
                    if merged.entries.len() > MOST_ELEMENTS {
                        return Err(self.limit(span, "builds an array that is too large"));
                    }
                    self.step(span, merged.entries.len() * merged.entries.len() / 8192)?;
                }
                Some(Value::array(merged))
            }
            "array_keys" if given == 1 => array(0).map(|array| {
                Value::array(Array::from_list(array.entries.iter().map(|(key, _)| key.to_value())))
            }),
            "array_values" => array(0).map(|array| {
                Value::array(Array::from_list(array.entries.iter().map(|(_, value)| value.clone())))
            }),
            "array_reverse" if given == 1 => array(0).map(|array| {
                let mut reversed = Array::default();
                for (key, value) in array.entries.iter().rev() {
                    match key {
                        Key::Int(_) => reversed.push(value.clone()),
                        key => reversed.set(key.clone(), value.clone()),
                    }
                }
                Value::array(reversed)
            }),
            "array_flip" => array(0).and_then(|array| {
                let mut flipped = Array::default();
                for (key, value) in &array.entries {
                    match value.data {
                        Data::Int(_) | Data::Str(_) => flipped.set(value.to_key()?, key.to_value()),
                        _ => return None,
                    }
                }
                Some(Value::array(flipped))
            }),
            "array_combine" => match (array(0), array(1)) {
                (Some(keys), Some(values)) if keys.entries.len() == values.entries.len() => {
                    let mut combined = Array::default();
                    for ((_, key), (_, value)) in keys.entries.iter().zip(&values.entries) {
                        let Some(key) = key.to_bytes() else { return Ok(None) };
                        combined.set(Key::from_bytes(&key), value.clone());
                    }
                    Some(Value::array(combined))
                }
                _ => None,
            },
            "array_slice" if given <= 3 => match (array(0), integer(1)) {
                (Some(array), Some(offset)) => {
                    let length = match argument(2).map(|value| &value.data) {
                        None | Some(Data::Null) => Some(i64::MAX),
                        _ => integer(2),
                    };
                    length.map(|length| {
                        let (start, end) = range_of(array.entries.len(), offset, length);
                        let mut slice = Array::default();
                        for (key, value) in &array.entries[start..end] {
                            match key {
                                Key::Int(_) => slice.push(value.clone()),
                                key => slice.set(key.clone(), value.clone()),
                            }
                        }
                        Value::array(slice)
                    })
                }
                _ => None,
            },
            "array_key_first" | "array_key_last" => array(0).map(|array| {
                let entry =
                    if name == "array_key_first" { array.entries.first() } else { array.entries.last() };
                entry.map_or_else(Value::null, |(key, _)| key.to_value())
            }),
            "array_filter" => match array(0) {
                Some(array) if given <= 2 => {
                    let mut kept = Array::default();
                    for (key, value) in &array.entries {
                        let truth = match argument(1) {
                            None => value.to_bool(),
                            Some(callee) => self.call_value(callee, vec![value.clone()], span)?.to_bool(),
                        };
                        match truth {
                            Ok(true) => kept.set(key.clone(), value.clone()),
                            Ok(false) => {}
                            Err(why) => return Ok(Some(Value::unknown(why))),
                        }
                    }
                    Some(Value::array(kept))
                }
                _ => None,
            },
            "array_map" => match (argument(0), array(1)) {
                (Some(callee), Some(array)) if given == 2 => {
                    let mut mapped = Array::default();
                    for (key, value) in &array.entries {
                        let value = self.call_value(callee, vec![value.clone()], span)?;
                        mapped.set(key.clone(), value);
                    }
                    Some(Value::array(mapped))
                }
                _ => None,
            },
            "call_user_func" => match arguments.split_first() {
                Some((callee, rest)) => Some(self.call_value(callee, rest.to_vec(), span)?),
                None => None,
            },
            "call_user_func_array" => match (argument(0), array(1)) {
                (Some(callee), Some(rest)) => {
                    let rest = rest.entries.iter().map(|(_, value)| value.clone()).collect();
                    Some(self.call_value(callee, rest, span)?)
                }
                _ => None,
            },
            "count" | "sizeof" if given == 1 => array(0).map(|array| Value::int(array.entries.len() as i64)),
            "intval" if given == 1 => argument(0).and_then(Value::to_int).map(Value::int),
            "floatval" => {
                argument(0).and_then(Value::to_number).map(|number| Value::new(Data::Float(number.as_f64())))
            }
            "strval" => bytes(0).map(Value::bytes),
            "boolval" => argument(0).and_then(|value| value.to_bool().ok()).map(Value::bool),
            "is_string" => is(|data| matches!(data, Data::Str(_))),
            "is_array" => match argument(0).map(|value| &value.data) {
                Some(Data::Unknown(_)) | None => None,
                Some(data) => Some(Value::bool(matches!(data, Data::Array(_)))),
            },
            "is_int" | "is_integer" => is(|data| matches!(data, Data::Int(_))),
            "is_float" => is(|data| matches!(data, Data::Float(_))),
            "is_bool" => is(|data| matches!(data, Data::Bool(_))),
            "is_null" => is(|data| matches!(data, Data::Null)),
            "is_object" => is(|data| {
                matches!(data, Data::Object(_) | Data::Closure(_) | Data::Dotenv(_) | Data::Instance(_))
            }),
            "is_scalar" => {
                is(|data| matches!(data, Data::Bool(_) | Data::Int(_) | Data::Float(_) | Data::Str(_)))
            }
            "is_numeric" => argument(0).map(|value| {
                Value::bool(match &value.data {
                    Data::Int(_) | Data::Float(_) => true,
                    Data::Str(bytes) => value::numeric(bytes).is_some(),
                    _ => false,
                })
            }),
            "ctype_digit" | "ctype_alpha" | "ctype_alnum" | "ctype_upper" | "ctype_lower" => {
                match argument(0).map(|value| &value.data) {
                    Some(Data::Str(text)) => {
                        let test: fn(&u8) -> bool = match name {
                            "ctype_digit" => u8::is_ascii_digit,
                            "ctype_alpha" => u8::is_ascii_alphabetic,
                            "ctype_alnum" => u8::is_ascii_alphanumeric,
                            "ctype_upper" => u8::is_ascii_uppercase,
                            _ => u8::is_ascii_lowercase,
                        };
                        Some(Value::bool(!text.is_empty() && text.iter().all(test)))
                    }
                    _ => None,
                }
            }
            "sprintf" => match bytes(0) {
                Some(format) => match sprintf(&format, arguments.get(1..).unwrap_or(&[])) {
                    Some(text) => Some(self.string(span, text)?),
                    None => None,
                },
                None => None,
            },
            "vsprintf" => match (bytes(0), array(1)) {
                (Some(format), Some(array)) => {
                    let values: Vec<Value> = array.entries.iter().map(|(_, value)| value.clone()).collect();
                    match sprintf(&format, &values) {
                        Some(text) => Some(self.string(span, text)?),
                        None => None,
                    }
                }
                _ => None,
            },
            "parse_url" => match bytes(0) {
                Some(url) => match parse_url(&url) {
                    Some(parts) => match if given > 1 { integer(1) } else { Some(-1) } {
                        Some(-1) => Some(Value::array(parts)),
                        Some(component @ 0..=7) => {
                            let key = ["scheme", "host", "port", "user", "pass", "path", "query", "fragment"]
                                [component as usize];
                            Some(
                                parts
                                    .get(&Key::from_bytes(key.as_bytes()))
                                    .cloned()
                                    .unwrap_or_else(Value::null),
                            )
                        }
                        _ => None,
                    },
                    None => Some(Value::bool(false)),
                },
                None => None,
            },
            "urldecode" | "rawurldecode" => {
                bytes(0).map(|text| Value::bytes(url_decode(&text, name == "urldecode")))
            }
            "urlencode" | "rawurlencode" => {
                bytes(0).map(|text| Value::bytes(url_encode(&text, name == "urlencode")))
            }
            "base64_encode" => bytes(0).map(|text| {
                use base64::Engine;
                Value::text(&base64::engine::general_purpose::STANDARD.encode(&*text))
            }),
            "base64_decode" if given == 1 => bytes(0).and_then(|text| base64_decode(&text)).map(Value::bytes),
            "bin2hex" => bytes(0)
                .map(|text| Value::text(&text.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
            "md5" if given == 1 => bytes(0).map(|text| {
                use md5::Digest;
                let digest = md5::Md5::digest(&*text);
                Value::text(&digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }),
            "json_decode" => match bytes(0) {
                Some(text) => {
                    let assoc = match argument(1).map(|value| &value.data) {
                        None | Some(Data::Null | Data::Bool(false)) => Some(false),
                        Some(Data::Bool(true)) => Some(true),
                        _ => None,
                    };
                    match assoc {
                        Some(assoc) if given <= 2 => json_decode(&text, assoc),
                        _ => None,
                    }
                }
                None => None,
            },
            "parse_ini_file" | "parse_ini_string" => match bytes(0) {
                Some(subject) => {
                    let content = if name == "parse_ini_file" {
                        match self.read_file(&self.absolute(&subject)) {
                            Ok(content) => Some(content),
                            Err(Unreadable::Missing) => return Ok(Some(Value::bool(false))),
                            Err(Unreadable::Other(_)) => None,
                        }
                    } else {
                        Some(subject.to_vec())
                    };
                    let sections = argument(1).is_some_and(|value| value.to_bool() == Ok(true));
                    match content.and_then(|content| parse_ini(&content, sections)) {
                        Some(array) if given <= 2 => Some(Value::array(array)),
                        _ => None,
                    }
                }
                None => None,
            },
            "filter_var" => match (argument(0), integer(1)) {
                (Some(value), Some(258)) => {
                    let null_on_failure = match if given > 2 { integer(2) } else { Some(0) } {
                        Some(flags) if flags & !134_217_728 == 0 => flags != 0,
                        _ => return Ok(None),
                    };
                    value.to_bytes().map(|text| {
                        let text = String::from_utf8_lossy(&text).to_ascii_lowercase();
                        match text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\0']) {
                            "1" | "true" | "on" | "yes" => Value::bool(true),
                            "0" | "false" | "off" | "no" | "" => Value::bool(false),
                            _ if null_on_failure => Value::null(),
                            _ => Value::bool(false),
                        }
                    })
                }
                // What stays as it is.
                (Some(_), Some(filter @ (513 | 515 | 517 | 518 | 522))) if given == 2 => bytes(0)
                    .filter(|text| {
                        text.iter().all(|byte| match byte {
                            b'.' | b'-' | b'_' => true,
                            b':' | b'/' => filter != 517,
                            byte => byte.is_ascii_alphanumeric(),
                        })
                    })
                    .map(|text| Value::bytes(&text[..])),
                (Some(_), Some(257)) if given == 2 => text(0).map(|text| {
                    let trimmed = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\0']);
                    let plain = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
                    let leads_with_zero = plain.len() > 1 && plain.starts_with('0');
                    match trimmed.parse::<i64>() {
                        Ok(number) if !leads_with_zero => Value::int(number),
                        _ => Value::bool(false),
                    }
                }),
                _ => None,
            },
            "preg_replace" if given == 3 || given == 5 && integer(3) == Some(-1) => {
                match (argument(0), argument(1), argument(2)) {
                    (Some(pattern), Some(replacement), Some(subject)) => {
                        super::regex::replace(pattern, replacement, subject).map(Value::bytes)
                    }
                    _ => None,
                }
            }
            "preg_split" if given == 2 => match (argument(0), bytes(1)) {
                (Some(pattern), Some(subject)) => super::regex::split(pattern, &subject),
                _ => None,
            },
            "version_compare" => None,
            // What is no tag stays.
            "strip_tags" if given == 1 => bytes(0)
                .filter(|text| !text.iter().any(|byte| matches!(byte, b'<' | b'>' | 0)))
                .map(|text| Value::bytes(&text[..])),
            "ord" => bytes(0).map(|text| Value::int(text.first().map_or(0, |byte| i64::from(*byte)))),
            "chr" => integer(0).map(|code| Value::bytes(&[code.rem_euclid(256) as u8][..])),
            "strtr" if given == 3 => match (bytes(0), bytes(1), bytes(2)) {
                (Some(text), Some(from), Some(to)) => {
                    let pairs = from.len().min(to.len());
                    let translated: Vec<u8> = text
                        .iter()
                        .map(|byte| match from[..pairs].iter().rposition(|candidate| candidate == byte) {
                            Some(at) => to[at],
                            None => *byte,
                        })
                        .collect();
                    Some(Value::bytes(translated))
                }
                _ => None,
            },
            "gettype" => argument(0).and_then(|value| {
                Some(Value::text(match &value.data {
                    Data::Null => "NULL",
                    Data::Bool(_) => "boolean",
                    Data::Int(_) => "integer",
                    Data::Float(_) => "double",
                    Data::Str(_) => "string",
                    Data::Array(_) => "array",
                    Data::Unknown(_) => return None,
                    _ => "object",
                }))
            }),
            _ => None,
        })
    }

    // Classes

    pub fn new_object(&mut self, new: &'a php_ast::NewExpr<'a, 'a>, span: Span) -> Eval {
        let class = self.class_of(new.class)?.unwrap_or_default();
        if self.class(&class).is_some() {
            return self.instantiate(&class, &new.args, span);
        }
        if class == "platformsh\\configreader\\config" && self.state.composer && new.args.is_empty() {
            return self.platform_sh(span);
        }
        let arguments = self.arguments(&new.args)?;
        match class.trim_start_matches('\\') {
            "stdclass" => Ok(Value::new(Data::Object(std::rc::Rc::default()))),
            "dotenv\\dotenv" => Ok(self.new_dotenv(
                dotenv::Loader::php_dotenv(false, true),
                arguments.first(),
                arguments.get(1),
            )),
            "symfony\\component\\dotenv\\dotenv" => {
                // Up to version 4 the argument says it, and says yes; version 5 asks usePutenv().
                let argument = arguments.first().map(|argument| argument.data.clone());
                if matches!(argument, Some(Data::Bool(_))) {
                    match self.symfony_major {
                        // The one version that takes nothing but a name.
                        Some(5) => return Err(self.throw(span, "symfony/dotenv 5 wants a name")),
                        Some(_) => {}
                        None => {
                            let why =
                                self.why(span, "which version of symfony/dotenv this is cannot be known");
                            self.may_throw(&why);
                        }
                    }
                }
                let (uses_putenv, may_use_putenv) = match (self.symfony_major, argument) {
                    (Some(5..), None | Some(Data::Bool(_) | Data::Str(_))) => (false, false),
                    (Some(..=4), None | Some(Data::Bool(true))) => (true, false),
                    (Some(..=4), Some(Data::Bool(false))) => (false, false),
                    _ => (false, true),
                };
                // Up to version 4 the kind's name is not among them.
                let has_arguments = !arguments.is_empty() && !matches!(self.symfony_major, Some(..=4));
                let loader = dotenv::Loader {
                    is_symfony: true,
                    has_arguments,
                    uses_putenv,
                    may_use_putenv,
                    ..dotenv::Loader::default()
                };
                self.dotenvs.push(loader);
                Ok(Value::new(Data::Dotenv(self.dotenvs.len() - 1)))
            }
            class if is_php_class(class) => {
                let why = self.why(span, format!("it is an object of the class {class}"));
                if !class.ends_with("exception") && !class.ends_with("error") {
                    self.may_throw(&why);
                }
                Ok(Value::unknown(why))
            }
            class => {
                let why = self.why(span, format!("the class {class} is not followed"));
                Ok(self.unknown_call(why))
            }
        }
    }

    /// `new Platformsh\ConfigReader\Config`: its methods are told in PHP and evaluated like the site's own.
    fn platform_sh(&mut self, span: Span) -> Eval {
        const CODE: &str = include_str!("platform_sh.php");
        const CLASS: &str = "platformshconfigreader";
        if self.class(CLASS).is_none() {
            let path = std::rc::Rc::from(std::path::Path::new("Platformsh\\ConfigReader\\Config"));
            self.run_source(CODE.as_bytes(), path, "Platformsh\\ConfigReader\\Config".into(), span)?;
        }
        let object = self.instantiate(CLASS, &[], span)?;
        if let Data::Instance(id) = object.data {
            let why = self.why(span, "it reads a property of Platform.sh's configuration");
            if let Some(object) = self.state.objects.get_mut(&id) {
                object.properties.open = Some(why);
            }
        }
        Ok(object)
    }

    /// phpdotenv: variables without which it throws.
    fn require_variables(&mut self, names: Option<&Value>, span: Span) -> Result<(), Stop> {
        let names: Vec<Value> = match names.map(|names| &names.data) {
            Some(Data::Array(names)) => names.entries.iter().map(|(_, name)| name.clone()).collect(),
            _ => names.cloned().into_iter().collect(),
        };
        for name in names {
            let Some(bytes) = name.to_bytes() else { continue };
            let in_env = self.superglobal_element("_ENV", &name, span);
            let in_server = self.superglobal_element("_SERVER", &name, span);
            let through_putenv = self.environment(&bytes, true, span);
            if in_env.is_null() && in_server.is_null() && matches!(through_putenv.data, Data::Bool(false)) {
                let name = String::from_utf8_lossy(&bytes).into_owned();
                return Err(self.throw(span, format!("the required variable {name} is not set")));
            }
        }
        Ok(())
    }

    fn new_dotenv(
        &mut self,
        mut loader: dotenv::Loader,
        folders: Option<&Value>,
        names: Option<&Value>,
    ) -> Value {
        let list = |value: Option<&Value>| -> Option<Vec<Vec<u8>>> {
            match value.map(|value| &value.data) {
                None | Some(Data::Null) => Some(Vec::new()),
                Some(Data::Array(array)) if array.open.is_none() => array
                    .entries
                    .iter()
                    .map(|(_, value)| value.to_bytes().map(|bytes| bytes.to_vec()))
                    .collect(),
                Some(_) => value.and_then(Value::to_bytes).map(|bytes| vec![bytes.to_vec()]),
            }
        };
        match (list(folders), list(names)) {
            (Some(folders), Some(names)) => {
                loader.folders = folders;
                if !names.is_empty() {
                    loader.names = names;
                }
            }
            _ => loader.is_unclear = true,
        }
        let env =
            folders.into_iter().chain(names).fold(None, |env, value| merge(&env, &value.variables_inside()));
        self.dotenvs.push(loader);
        Value::new(Data::Dotenv(self.dotenvs.len() - 1)).with(&env)
    }

    pub fn static_method(&mut self, class: &str, method: &str, arguments: &[Value], span: Span) -> Eval {
        let class = class.trim_start_matches('\\');
        Ok(match (class, method) {
            ("roots\\wpconfig\\config", "define") => {
                if let [name, value, ..] = arguments {
                    match name.to_bytes() {
                        Some(name) => {
                            let name = String::from_utf8_lossy(&name).into_owned();
                            // Roots: what is a constant already cannot be defined again: an exception.
                            match self.defined(&name).to_bool() {
                                Ok(false) => {}
                                Ok(true) => {
                                    return Err(self.throw(span, format!("{name} is defined already")));
                                }
                                Err(why) => return Ok(self.unknown_call(why)),
                            }
                            self.state.roots_config.retain(|(other, ..)| *other != name);
                            self.state.roots_config.push((name, value.clone(), None));
                        }
                        None => {
                            let why = self.why(span, "which setting is defined cannot be known");
                            return Ok(self.unknown_call(why));
                        }
                    }
                }
                Value::null()
            }
            ("roots\\wpconfig\\config", "get") => {
                let name = arguments.first().and_then(Value::to_bytes);
                let found =
                    name.and_then(|name| {
                        let name = String::from_utf8_lossy(&name).into_owned();
                        self.state.roots_config.iter().find(|(other, ..)| *other == name).map(
                            |(_, value, maybe)| maybe.clone().map_or_else(|| value.clone(), Value::unknown),
                        )
                    });
                match found {
                    Some(value) => value,
                    None => return Err(self.throw(span, "a setting is read that was not defined")),
                }
            }
            ("roots\\wpconfig\\config", "remove") => {
                if let Some(name) = arguments.first().and_then(Value::to_bytes) {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    self.state.roots_config.retain(|(other, ..)| *other != name);
                }
                Value::null()
            }
            ("roots\\wpconfig\\config", "apply") => {
                // Roots: a constant that is there already with another value is an exception, before any is set.
                for (name, value, maybe) in self.state.roots_config.clone() {
                    let Some(constant) = self.state.constants.get(&name) else { continue };
                    let is_same = match (&constant.maybe, maybe) {
                        (None, None) => value::identical(&constant.value, &value),
                        (Some(why), _) => Err(why.clone()),
                        (None, Some(why)) => Err(why),
                    };
                    match is_same {
                        Ok(true) => {}
                        Ok(false) => return Err(self.throw(span, format!("{name} is defined already"))),
                        Err(why) => self.may_throw(&why),
                    }
                }
                for (name, value, maybe) in std::mem::take(&mut self.state.roots_config) {
                    let is_new = !self.state.constants.contains_key(&name);
                    self.define(&name, value, span);
                    if let (true, Some(constant)) = (is_new, self.state.constants.get_mut(&name)) {
                        constant.maybe = maybe;
                    }
                }
                Value::null()
            }
            (
                "dotenv\\dotenv",
                "createimmutable" | "createmutable" | "createunsafeimmutable" | "createunsafemutable",
            ) => {
                let mut loader = dotenv::Loader::php_dotenv(
                    method.ends_with("emutable") && !method.contains("immutable")
                        || method == "createmutable",
                    method.contains("unsafe"),
                );
                // Version 4 does without being asked.
                match self.dotenv_major {
                    Some(major) => loader.uses_putenv |= major <= 4,
                    None => loader.may_use_putenv = true,
                }
                match arguments.get(2).map(Value::to_bool) {
                    None => {}
                    Some(Ok(short)) => loader.only_first = short,
                    Some(Err(_)) => loader.is_unclear = true,
                }
                self.new_dotenv(loader, arguments.first(), arguments.get(1))
            }
            // Version 1.
            ("dotenv", "load") => {
                let mut loader = dotenv::Loader { is_first: true, ..dotenv::Loader::php_dotenv(false, true) };
                loader.is_unclear = self.dotenv_major.is_some_and(|major| major != 1);
                let object = self.new_dotenv(loader, arguments.first(), arguments.get(1));
                let Data::Dotenv(number) = object.data else { return Ok(object) };
                let loader = self.dotenvs.get(number).cloned().unwrap_or_default();
                return dotenv::load(self, &loader, false, span);
            }
            ("dotenv", "required") if arguments.len() == 1 => {
                self.require_variables(arguments.first(), span)?;
                Value::bool(true)
            }
            // Version 3 takes folders first, version 4 and later a repository.
            ("dotenv\\dotenv", "create") => match arguments.first().map(|value| &value.data) {
                Some(Data::Dotenv(repository)) => {
                    let mut loader = self.dotenvs.get(*repository).cloned().unwrap_or_default();
                    match arguments.get(3).map(Value::to_bool) {
                        None => {}
                        Some(Ok(short)) => loader.only_first = short,
                        Some(Err(_)) => loader.is_unclear = true,
                    }
                    self.new_dotenv(loader, arguments.get(1), arguments.get(2))
                }
                _ => self.new_dotenv(
                    dotenv::Loader::php_dotenv(false, true),
                    arguments.first(),
                    arguments.get(1),
                ),
            },
            (
                "dotenv\\repository\\repositorybuilder",
                "createwithnoadapters" | "createwithdefaultadapters" | "create",
            ) => {
                let loader = dotenv::Loader::php_dotenv(method == "create", false);
                self.dotenvs.push(dotenv::Loader { overwrites: true, ..loader });
                Value::new(Data::Dotenv(self.dotenvs.len() - 1))
            }
            ("env\\env" | "env", "init") => {
                self.env_function = EnvFunction::Oscarotero;
                Value::null()
            }
            ("env\\env" | "env", "get") => self.bedrock_env(arguments.first(), span),
            _ if is_php_class(class) => {
                let why = self.why(span, format!("it calls a method of {class}"));
                self.may_throw(&why);
                Value::unknown(why)
            }
            _ => {
                let why = self.why(span, format!("{class}::{method}() is not followed"));
                return Ok(self.unknown_call(why));
            }
        })
    }

    pub fn method(&mut self, object: Value, method: &str, arguments: &[Value], span: Span) -> Eval {
        let Data::Dotenv(number) = object.data else {
            let class_unknown = object.why().is_none_or(|why| !why.reason.contains("object of the class"));
            let why = self.why(span, format!("the method {method}() of an object is not followed"));
            if !class_unknown && !arguments.iter().any(|argument| self.could_call(argument)) {
                self.may_throw(&why);
                return Ok(Value::unknown(why));
            }
            return Ok(self.unknown_call(why));
        };
        let Some(loader) = self.dotenvs.get(number).cloned() else { return Ok(object) };
        let mut changed = loader.clone();
        match method {
            "load" | "safeload" | "overload" | "loadenv" | "bootenv" => {
                if method == "overload" {
                    changed.overwrites = true;
                }
                // With another value there, another file would be loaded.
                let env = arguments.iter().fold(object.env.clone(), |env, path| merge(&env, &path.env));
                self.doubt_with(&env);
                let result = self.under(&env, |this| {
                    if changed.is_symfony {
                        symfony::call(this, &changed, method, arguments, span)
                    } else {
                        dotenv::load(this, &changed, method == "safeload", span)
                    }
                })?;
                self.doubt_with(&env);
                return Ok(result);
            }
            "immutable" => changed.overwrites = false,
            "useputenv" => match arguments.first().map(Value::to_bool) {
                None | Some(Ok(true)) => changed.uses_putenv = true,
                Some(Ok(false)) => (changed.uses_putenv, changed.may_use_putenv) = (false, false),
                Some(Err(_)) => changed.is_unclear = true,
            },
            "addadapter" | "addwriter" => {
                let class = arguments
                    .first()
                    .and_then(Value::to_bytes)
                    .unwrap_or_else(|| std::rc::Rc::from(&b""[..]));
                if String::from_utf8_lossy(&class).to_ascii_lowercase().ends_with("putenvadapter") {
                    changed.uses_putenv = true;
                }
            }
            "required" => {
                self.require_variables(arguments.first(), span)?;
                return Ok(object);
            }
            // Validation either passes or ends the program.
            "make" | "ifpresent" | "notempty" | "isinteger" | "isboolean" | "allowedvalues"
            | "allowedregexvalues" | "assert" | "addreader" => return Ok(object),
            _ => {
                let why = self.why(span, format!("the method {method}() of a .env loader is not followed"));
                return Ok(self.unknown_call(why));
            }
        }
        self.dotenvs.push(changed);
        Ok(Value::new(Data::Dotenv(self.dotenvs.len() - 1)))
    }

    /// `Env\env()` of oscarotero/env as Bedrock uses it: `true`, `false`, `null`, digits and quoted text
    /// become what they say. Where it looks, and what becomes what, is in `Env::$options`.
    fn bedrock_env(&mut self, name: Option<&Value>, span: Span) -> Value {
        let Some(name) = name.and_then(Value::to_bytes) else {
            return self.unknown(span, "which variable env() reads cannot be known");
        };
        let options = match self.state.statics.get(ENV_OPTIONS) {
            None => ENV_DEFAULT,
            Some(Value { data: Data::Int(options), .. }) => *options,
            Some(_) => return self.unknown(span, "what Env::$options is cannot be known"),
        };
        let key = Value::bytes(name.clone());
        let value = match options & (ENV_ARRAY | SERVER_ARRAY) {
            0 => {
                let value = self.environment(&name, true, span);
                match &value.data {
                    Data::Bool(false) => Value::null().with(&value.env),
                    _ => value,
                }
            }
            SERVER_ARRAY => self.superglobal_element("_SERVER", &key, span),
            _ => self.superglobal_element("_ENV", &key, span),
        };
        let env = value.env.clone();
        let Data::Str(bytes) = &value.data else { return value };
        let has = |option: i64| options & option != 0;
        let result = match bytes.to_ascii_lowercase().as_slice() {
            b"true" if has(1) => Value::bool(true),
            b"false" if has(1) => Value::bool(false),
            b"null" if has(2) => Value::null(),
            _ if has(4) && !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) => {
                match String::from_utf8_lossy(bytes).parse::<i64>() {
                    Ok(number) => Value::int(number),
                    Err(_) => Value::int(i64::MAX),
                }
            }
            _ => match &**bytes {
                [b'"', inner @ .., b'"'] | [b'\'', inner @ .., b'\''] if has(8) => Value::bytes(inner),
                _ => return value,
            },
        };
        result.with(&env)
    }
}

fn is_php_class(class: &str) -> bool {
    let class = class.to_ascii_lowercase();
    class.ends_with("exception")
        || class.ends_with("error")
        || [
            "datetime",
            "datetimeimmutable",
            "datetimezone",
            "dateinterval",
            "pdo",
            "mysqli",
            "redis",
            "memcached",
            "memcache",
            "arrayobject",
            "closure",
            "splfileinfo",
            "directoryiterator",
            "filesystemiterator",
            "globiterator",
            "arrayiterator",
            "splobjectstorage",
            "simplexmlelement",
            "domdocument",
            "numberformatter",
            "intldateformatter",
            "collator",
            "normalizer",
            "imagick",
            "ziparchive",
            "soapclient",
            "sqlite3",
            "rediscluster",
        ]
        .contains(&class.as_str())
}

fn is_missing(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

fn hostname() -> Option<Vec<u8>> {
    let name = std::fs::read("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim_ascii_end().to_vec())
}

/// PHP: `dirname()`.
fn dirname(path: &[u8]) -> Vec<u8> {
    if path.is_empty() {
        return Vec::new();
    }
    let Some(end) = path.iter().rposition(|byte| *byte != b'/') else { return b"/".to_vec() };
    let Some(slash) = path[..=end].iter().rposition(|byte| *byte == b'/') else { return b".".to_vec() };
    match path[..slash].iter().rposition(|byte| *byte != b'/') {
        Some(end) => path[..=end].to_vec(),
        None => b"/".to_vec(),
    }
}

/// PHP: `substr()` and `array_slice()`: where a range begins and ends.
fn range_of(length: usize, offset: i64, count: i64) -> (usize, usize) {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let start = if offset < 0 { (length + offset.max(-length)).max(0) } else { offset.min(length) };
    let end = if count < 0 { length.saturating_add(count) } else { start.saturating_add(count).min(length) };
    (start as usize, end.max(start) as usize)
}

fn substr(text: &[u8], start: i64, length: i64) -> &[u8] {
    let (start, end) = range_of(text.len(), start, length);
    &text[start..end]
}

fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    if needle.len() <= SHORT {
        return text.windows(needle.len()).position(|window| window == needle);
    }
    // Knuth, Morris and Pratt: what a long needle costs does not multiply with the text.
    let mut borders = vec![0; needle.len()];
    let mut matched = 0;
    for at in 1..needle.len() {
        while matched > 0 && needle[at] != needle[matched] {
            matched = borders[matched - 1];
        }
        matched += usize::from(needle[at] == needle[matched]);
        borders[at] = matched;
    }
    matched = 0;
    for (at, byte) in text.iter().enumerate() {
        while matched > 0 && *byte != needle[matched] {
            matched = borders[matched - 1];
        }
        matched += usize::from(*byte == needle[matched]);
        if matched == needle.len() {
            return Some(at + 1 - needle.len());
        }
    }
    None
}

/// Bytes up to which a needle is looked for in the plain way.
const SHORT: usize = 64;

fn rfind(text: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(text.len());
    }
    if needle.len() <= SHORT {
        return text.windows(needle.len()).rposition(|window| window == needle);
    }
    let backwards = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
    find(&backwards(text), &backwards(needle)).map(|at| text.len() - at - needle.len())
}

fn split(text: &[u8], separator: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = find(rest, separator) {
        parts.push(rest[..at].to_vec());
        rest = &rest[at + separator.len()..];
    }
    parts.push(rest.to_vec());
    parts
}

fn replace_ignoring_case(text: &[u8], search: &[u8], replacement: &[u8]) -> Vec<u8> {
    let (lower, search) = (text.to_ascii_lowercase(), search.to_ascii_lowercase());
    let mut result = Vec::new();
    let mut at = 0;
    while let Some(found) = find(&lower[at..], &search) {
        result.extend_from_slice(&text[at..at + found]);
        result.extend_from_slice(replacement);
        at += found + search.len();
    }
    result.extend_from_slice(&text[at..]);
    result
}

fn explode(separator: &[u8], text: &[u8], limit: i64) -> Value {
    let mut parts = split(text, separator);
    if limit >= 0 {
        let most = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        if parts.len() > most {
            let rest = parts.split_off(most - 1).join(separator);
            parts.push(rest);
        }
    } else {
        let dropped = usize::try_from(limit.unsigned_abs()).unwrap_or(usize::MAX);
        parts.truncate(parts.len().saturating_sub(dropped));
    }
    Value::array(Array::from_list(parts.into_iter().map(Value::bytes)))
}

/// `%s`, `%d`, `%u`, `%%`, numbered arguments, and plain widths of `%s` and `%d`.
fn sprintf(format: &[u8], arguments: &[Value]) -> Option<Vec<u8>> {
    let mut result = Vec::new();
    let mut next = 0;
    let mut rest = format;
    loop {
        let Some(at) = rest.iter().position(|byte| *byte == b'%') else {
            result.extend_from_slice(rest);
            return Some(result);
        };
        result.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        if let [b'%', tail @ ..] = rest {
            result.push(b'%');
            rest = tail;
            continue;
        }
        let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse::<usize>().ok());
        let mut index = None;
        let count = digits(rest);
        if count > 0 && rest.get(count) == Some(&b'$') {
            index = Some(number(&rest[..count])?.checked_sub(1)?);
            rest = &rest[count + 1..];
        }
        let zero = rest.first() == Some(&b'0');
        let count = digits(rest);
        let width = if count > 0 { number(&rest[..count]).filter(|width| *width < 4096)? } else { 0 };
        rest = &rest[count..];
        let (kind, tail) = rest.split_first()?;
        rest = tail;
        let index = index.unwrap_or_else(|| {
            next += 1;
            next - 1
        });
        let argument = arguments.get(index)?;
        let text = match kind {
            b's' => argument.to_bytes()?.to_vec(),
            b'd' | b'i' => argument.to_int()?.to_string().into_bytes(),
            b'u' => u64::try_from(argument.to_int()?).ok()?.to_string().into_bytes(),
            b'x' => format!("{:x}", argument.to_int()?).into_bytes(),
            _ => return None,
        };
        if result.len() + text.len() > MOST_STRING {
            return None;
        }
        let missing = width.saturating_sub(text.len());
        if missing > 0 && zero && text.starts_with(b"-") {
            return None;
        }
        result.extend(std::iter::repeat_n(if zero { b'0' } else { b' ' }, missing));
        result.extend_from_slice(&text);
    }
}

/// `parse_url()` by PHP's rules, which are no standard's. `None`: what it refuses, and gives `false` for.
fn parse_url(url: &[u8]) -> Option<Array> {
    let find = |from: usize, wanted: &[u8]| {
        url[from..].iter().position(|byte| wanted.contains(byte)).map_or(url.len(), |at| from + at)
    };
    let is_relative = |from: usize| url[from..].starts_with(b"//");
    let digits = |from: usize| url[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut scheme: Option<&[u8]> = None;
    let mut port: Option<u16> = None;
    let mut start = 0;
    let mut has_host = false;
    // Set when a colon may begin a port.
    let mut port_colon = None;
    match url.iter().position(|byte| *byte == b':') {
        Some(0) => port_colon = Some(0),
        Some(colon) => {
            let is_scheme =
                url[..colon].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
            let after = &url[colon + 1..];
            if !is_scheme {
                if !after.is_empty() && colon < find(0, b"?#") {
                    port_colon = Some(colon);
                } else if is_relative(0) {
                    start = 2;
                    has_host = true;
                }
            } else if after.is_empty() {
                scheme = Some(&url[..colon]);
                start = url.len();
            } else if !after.starts_with(b"/") {
                let count = digits(colon + 1);
                if count < 6 && (count == after.len() || after.get(count) == Some(&b'/')) {
                    port_colon = Some(colon);
                } else {
                    scheme = Some(&url[..colon]);
                    start = colon + 1;
                }
            } else {
                scheme = Some(&url[..colon]);
                start = colon + 1;
                if after.get(1) == Some(&b'/') {
                    start = colon + 3;
                    let is_file = url[..colon].eq_ignore_ascii_case(b"file") && after.get(2) == Some(&b'/');
                    // `file:///c:/folder`
                    if is_file && after.get(4) == Some(&b':') {
                        start = colon + 4;
                    }
                    has_host = !is_file;
                }
            }
        }
        None if is_relative(0) => {
            start = 2;
            has_host = true;
        }
        None => {}
    }
    if scheme.is_some() && start == url.len() && !has_host && url.ends_with(b":") {
        let mut parts = Array::default();
        parts.set(Key::from_bytes(b"scheme"), cleaned(scheme?));
        return Some(parts);
    }
    if let Some(colon) = port_colon {
        let count = digits(colon + 1).min(6);
        let end = colon + 1 + count;
        if (1..6).contains(&count) && (end == url.len() || url.get(end) == Some(&b'/')) {
            port = Some(std::str::from_utf8(&url[colon + 1..end]).ok()?.parse().ok()?);
            has_host = true;
            start = if is_relative(0) { 2 } else { 0 };
        } else if end == url.len() && count == 0 {
            return None;
        } else if is_relative(0) {
            start = 2;
            has_host = true;
        }
    }
    let (mut user, mut pass, mut host) = (None, None, None);
    if has_host {
        let end = find(start, b"/?#");
        let mut place = &url[start..end];
        if let Some(at) = place.iter().rposition(|byte| *byte == b'@') {
            let login = &place[..at];
            match login.iter().position(|byte| *byte == b':') {
                Some(colon) => (user, pass) = (Some(&login[..colon]), Some(&login[colon + 1..])),
                None => user = Some(login),
            }
            place = &place[at + 1..];
        }
        let is_bracketed = place.starts_with(b"[") && place.ends_with(b"]");
        let colon = place.iter().rposition(|byte| *byte == b':').filter(|_| !is_bracketed);
        if let (Some(colon), None | Some(0)) = (colon, port) {
            let digits = &place[colon + 1..];
            if digits.len() > 5 {
                return None;
            }
            if !digits.is_empty() {
                // As `strtol()`: blanks, a sign, digits, and what follows does not count.
                let number = value::leading_number(digits).map(|(number, _)| number);
                let whole: Vec<u8> =
                    digits.iter().copied().filter(|byte| !b" \t\n\r\x0b\x0c".contains(byte)).collect();
                let count = whole.iter().skip(usize::from(matches!(whole.first(), Some(b'+' | b'-'))));
                if count.take_while(|byte| byte.is_ascii_digit()).count() == 0 {
                    return None;
                }
                port = Some(u16::try_from(number?.to_int()?).ok()?);
            }
        }
        let name = &place[..colon.unwrap_or(place.len())];
        if name.is_empty() {
            return None;
        }
        host = Some(name);
        start = end;
    }
    let (mut path, mut query, mut fragment) = (None, None, None);
    if !(has_host && start == url.len()) {
        let mut end = url.len();
        if let Some(at) = url[start..end].iter().position(|byte| *byte == b'#') {
            fragment = Some(&url[start + at + 1..end]);
            end = start + at;
        }
        if let Some(at) = url[start..end].iter().position(|byte| *byte == b'?') {
            query = Some(&url[start + at + 1..end]);
            end = start + at;
        }
        if start < end || start == url.len() {
            path = Some(&url[start..end]);
        }
    }
    let mut parts = Array::default();
    for (name, part) in [
        ("scheme", scheme.map(cleaned)),
        ("host", host.map(cleaned)),
        ("port", port.map(|port| Value::int(i64::from(port)))),
        ("user", user.map(cleaned)),
        ("pass", pass.map(cleaned)),
        ("path", path.map(cleaned)),
        ("query", query.map(cleaned)),
        ("fragment", fragment.map(cleaned)),
    ] {
        if let Some(part) = part {
            parts.set(Key::from_bytes(name.as_bytes()), part);
        }
    }
    Some(parts)
}

/// PHP: control characters become underscores.
fn cleaned(bytes: &[u8]) -> Value {
    Value::bytes(
        bytes.iter().map(|byte| if byte.is_ascii_control() { b'_' } else { *byte }).collect::<Vec<_>>(),
    )
}

fn query_array(text: &[u8]) -> Value {
    let mut array = Array::default();
    for pair in split(text, b"&").into_iter().filter(|pair| !pair.is_empty()) {
        let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let name: Vec<u8> = url_decode(&pair[..at], true)
            .into_iter()
            .map(|byte| if matches!(byte, b' ' | b'.') { b'_' } else { byte })
            .collect();
        let value = url_decode(pair.get(at + 1..).unwrap_or(b""), true);
        array.set(Key::from_bytes(&name), Value::bytes(value));
    }
    Value::array(array)
}

fn url_decode(text: &[u8], plus_is_blank: bool) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    loop {
        match rest {
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| (*byte as char).to_digit(16).unwrap_or(0) as u8;
                result.push(digit(high) * 16 + digit(low));
                rest = tail;
            }
            [b'+', tail @ ..] if plus_is_blank => {
                result.push(b' ');
                rest = tail;
            }
            [byte, tail @ ..] => {
                result.push(*byte);
                rest = tail;
            }
            [] => return result,
        }
    }
}

fn url_encode(text: &[u8], for_form: bool) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    for byte in text {
        match byte {
            b' ' if for_form => result.push(b'+'),
            b'~' if !for_form => result.push(b'~'),
            byte if byte.is_ascii_alphanumeric() || b"-_.".contains(byte) => result.push(*byte),
            byte => result.extend_from_slice(format!("%{byte:02X}").as_bytes()),
        }
    }
    result
}

/// PHP: without `strict`, characters outside the alphabet are skipped.
fn base64_decode(text: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine;
    let clean: Vec<u8> =
        text.iter().copied().filter(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte)).collect();
    let end = clean.iter().position(|byte| *byte == b'=').unwrap_or(clean.len());
    if clean[end..].iter().any(|byte| *byte != b'=') {
        return None;
    }
    base64::engine::GeneralPurpose::new(
        &base64::alphabet::STANDARD,
        base64::engine::GeneralPurposeConfig::new()
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
            .with_decode_allow_trailing_bits(true),
    )
    .decode(&clean[..end])
    .ok()
}

/// `None`: beyond what this parser takes.
fn json_decode(text: &[u8], assoc: bool) -> Option<Value> {
    fn convert(value: serde_json::Value, assoc: bool) -> Option<Value> {
        Some(match value {
            serde_json::Value::Null => Value::null(),
            serde_json::Value::Bool(value) => Value::bool(value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(number) => Value::int(number),
                None => Number::Float(number.as_f64()?).into_value(),
            },
            serde_json::Value::String(text) => Value::text(&text),
            serde_json::Value::Array(list) => {
                let list: Option<Vec<Value>> = list.into_iter().map(|value| convert(value, assoc)).collect();
                Value::array(Array::from_list(list?))
            }
            serde_json::Value::Object(map) => {
                let mut array = Array::default();
                for (key, value) in map {
                    array.set(Key::from_bytes(key.as_bytes()), convert(value, assoc)?);
                }
                if assoc { Value::array(array) } else { Value::new(Data::Object(std::rc::Rc::new(array))) }
            }
        })
    }
    match serde_json::from_slice(text) {
        Ok(value) => convert(value, assoc),
        Err(error) => {
            // Of these, PHP takes more than this parser.
            let message = error.to_string();
            let is_bound = message.contains("recursion limit") || message.contains("out of range");
            (!is_bound).then(Value::null)
        }
    }
}

/// Words that mean something else in a settings file.
fn is_ini_word(word: &str) -> bool {
    ["true", "on", "yes", "false", "off", "no", "none", "null"].contains(&word.to_ascii_lowercase().as_str())
}

/// PHP: `file()` by the flags 2 (without line ends) and 4 (without empty lines, which needs the other).
fn lines_of(content: &[u8], flags: i64) -> Value {
    let mut lines = Array::default();
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        let line = if flags & 2 != 0 {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            line.strip_suffix(b"\r").unwrap_or(line)
        } else {
            line
        };
        if !(flags == 6 && line.is_empty()) {
            lines.push(Value::bytes(line));
        }
    }
    Value::array(lines)
}

/// How often `needle` is found, one after another.
fn find_all(text: &[u8], needle: &[u8]) -> usize {
    let (mut rest, mut count) = (text, 0);
    while let Some(at) = find(rest, needle) {
        count += 1;
        rest = &rest[at + needle.len()..];
    }
    count
}

/// PHP: `parse_ini_string()` for plain settings. `None`: a form that is not followed.
fn parse_ini(content: &[u8], sections: bool) -> Option<Array> {
    let content = std::str::from_utf8(content).ok()?;
    let mut result = Array::default();
    let mut section: Option<Key> = None;
    for line in content.lines() {
        if line.starts_with([' ', '\t']) && line.trim_start().starts_with('[') {
            return None;
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with(';') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            let name = name.strip_suffix(']')?;
            let key = Key::from_bytes(name.as_bytes());
            if sections {
                result.set(key.clone(), Value::array(Array::default()));
            }
            section = Some(key);
            continue;
        }
        let (name, value) = line.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.contains('[') || name.is_empty() || is_ini_word(name) {
            return None;
        }
        let value = match value.strip_prefix('"') {
            Some(rest) => {
                let (inner, after) = rest.split_once('"')?;
                let after = after.trim();
                if !(after.is_empty() || after.starts_with(';')) || inner.contains(['\\', '$']) {
                    return None;
                }
                inner.to_owned()
            }
            None => match value.strip_prefix('\'') {
                Some(rest) => {
                    let (inner, after) = rest.split_once('\'')?;
                    let after = after.trim();
                    if !(after.is_empty() || after.starts_with(';')) {
                        return None;
                    }
                    inner.to_owned()
                }
                None => {
                    let bare = value.split(';').next().unwrap_or("").trim();
                    match bare.to_ascii_lowercase().as_str() {
                        "true" | "on" | "yes" => "1".to_owned(),
                        "false" | "off" | "no" | "none" | "null" => String::new(),
                        // Operators, constants and variables of the format.
                        // Several plain words are taken as they are.
                        text if bare == text
                            && bare.split(' ').all(|word| {
                                !word.is_empty()
                                    && word.bytes().all(|byte| {
                                        byte.is_ascii_alphanumeric() || b"._-:/@,".contains(&byte)
                                    })
                                    && word.bytes().any(|byte| byte.is_ascii_alphabetic())
                                    && !is_ini_word(word)
                            })
                            && bare.contains(' ') =>
                        {
                            bare.to_owned()
                        }
                        _ if bare.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/@,".contains(c))
                            && !bare.chars().next().is_some_and(|c| c.is_ascii_uppercase()) =>
                        {
                            bare.to_owned()
                        }
                        _ => return None,
                    }
                }
            },
        };
        let value = Value::text(&value);
        let key = Key::from_bytes(name.as_bytes());
        match &section {
            Some(section) if sections => {
                let mut inner = match result.get(section).map(|value| &value.data) {
                    Some(Data::Array(inner)) => (**inner).clone(),
                    _ => Array::default(),
                };
                inner.set(key, value);
                result.set(section.clone(), Value::array(inner));
            }
            _ => result.set(key, value),
        }
    }
    Some(result)
}
