//! `wp-config.php`, evaluated by us and by PHP: the same values, or an honest "unknown".
//!
//! Each file in `tests/wp-config/` is a case: the files of a small root, an environment, a request. What is
//! expected is never written down: PHP evaluates the same files in the same environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use wp_app_password::site::php::{self, Input, Outcome, Plain, Url};
use wp_app_password::site::{Environment, State};

use crate::oracle;

/// A case: sections that begin with `=== `.
#[derive(Default)]
struct Case {
    name: String,
    files: Vec<(String, Vec<u8>)>,
    env: Vec<(String, String)>,
    url: Option<String>,
    /// Names that may stay unknown, with a reason in the file.
    unknown: Vec<String>,
    /// Names that are only assumed, because the environment is not set.
    assumed: Vec<String>,
}

fn read_case(path: &Path) -> Case {
    let bytes = fs::read(path).unwrap();
    let mut case = Case { name: path.file_stem().unwrap().to_str().unwrap().to_owned(), ..Case::default() };
    let mut section = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if let Some(title) = line.strip_prefix(b"=== ") {
            section = String::from_utf8(title.to_vec()).unwrap().trim().to_owned();
            if let Some(file) = section.strip_prefix("file ") {
                case.files.push((file.to_owned(), Vec::new()));
            }
            continue;
        }
        let text = String::from_utf8_lossy(line).trim().to_owned();
        match section.as_str() {
            "env" if !text.is_empty() => {
                let (name, value) = text.split_once('=').unwrap();
                case.env.push((name.to_owned(), value.to_owned()));
            }
            "url" if !text.is_empty() => case.url = Some(text),
            "unknown" => case
                .unknown
                .extend(text.split_whitespace().take_while(|word| *word != "#").map(str::to_owned)),
            "assumed" => case.assumed.extend(text.split_whitespace().map(str::to_owned)),
            file if file.starts_with("file ") => case.files.last_mut().unwrap().1.extend_from_slice(line),
            _ => {}
        }
    }
    case
}

fn php_is_here() -> bool {
    oracle::is_here("wp-config.php was")
}

type Values = BTreeMap<String, serde_json::Value>;

/// What PHP makes of a configuration.
struct Theirs {
    constants: Values,
    variables: Values,
    /// The error that ended it.
    died: Option<String>,
}

/// What PHP makes of `config` in `root`.
fn ask_php(root: &Path, config: &Path, env: &[(String, String)], url: Option<&Url>) -> Theirs {
    let mut request = serde_json::Map::new();
    if let Some(url) = url {
        let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
        request.insert("HTTP_HOST".into(), format!("{}{port}", url.host).into());
        request.insert("SERVER_NAME".into(), url.host.clone().into());
        request.insert("REQUEST_URI".into(), url.path_and_query.clone().into());
        if url.is_https {
            request.insert("HTTPS".into(), "on".into());
        }
    }
    let result = root.parent().unwrap().join("oracle.json");
    let output = Command::new("php")
        .args([
            "-d",
            "variables_order=EGPCS",
            "-d",
            "display_errors=0",
            "-d",
            "log_errors=0",
            "-d",
            "short_open_tag=0",
            "-d",
            "max_execution_time=20",
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/php/wp_config.php"))
        .args([root, config, &result])
        .arg(serde_json::Value::Object(request).to_string())
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
        .envs(env.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let written = fs::read(&result).ok();
    let _ = fs::remove_file(&result);
    let json = written.and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok());
    let Some(json) = json else {
        let died = Some(format!("PHP wrote nothing that can be read: {output:?}"));
        return Theirs { constants: Values::new(), variables: Values::new(), died };
    };
    let part = |name: &str| -> Values {
        json[name]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    Theirs {
        constants: part("constants"),
        variables: part("variables"),
        died: json["died"].as_str().map(str::to_owned),
    }
}

/// How ours compares with PHP's.
#[derive(Debug, PartialEq)]
enum Verdict {
    Same,
    Unknown,
    Wrong(String),
}

fn compare(ours: Option<&Plain>, theirs: Option<&serde_json::Value>) -> Verdict {
    match (ours, theirs) {
        (Some(Plain::Unknown(_)), _) => Verdict::Unknown,
        (None, None) | (Some(Plain::Null), None) => Verdict::Same,
        (None, Some(value)) if value["plain"].is_null() && value.get("plain").is_some() => Verdict::Same,
        (Some(ours), Some(theirs)) if same(ours, theirs) => Verdict::Same,
        (ours, theirs) => Verdict::Wrong(format!("ours {ours:?}, PHP {}", readable(theirs))),
    }
}

fn readable(value: Option<&serde_json::Value>) -> String {
    match value {
        Some(value) if value["string"].is_string() => {
            format!("{:?}", String::from_utf8_lossy(&base64(&value["string"])))
        }
        Some(value) => value.to_string(),
        None => "nothing".into(),
    }
}

fn base64(value: &serde_json::Value) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or("!")).unwrap_or_default()
}

fn same(ours: &Plain, theirs: &serde_json::Value) -> bool {
    match ours {
        Plain::Null => theirs.get("plain").is_some_and(serde_json::Value::is_null),
        Plain::Bool(value) => theirs["plain"] == *value,
        Plain::Int(value) => theirs["plain"] == *value,
        Plain::Float(value) => {
            let text = String::from_utf8(base64(&theirs["float"])).unwrap();
            text.parse::<f64>().is_ok_and(|theirs| (theirs - value).abs() <= value.abs() * 1e-12)
        }
        Plain::Bytes(bytes) => theirs["string"].is_string() && base64(&theirs["string"]) == *bytes,
        Plain::Array(entries) => {
            if theirs["object"].is_string() {
                return true;
            }
            let theirs = theirs["array"].as_array();
            theirs.is_some_and(|theirs| {
                theirs.len() == entries.len()
                    && entries.iter().zip(theirs).all(|((key, value), pair)| {
                        base64(&pair[0]) == *key
                            && (matches!(value, Plain::Unknown(_)) || same(value, &pair[1]))
                    })
            })
        }
        Plain::Unknown(_) => true,
    }
}

fn evaluate(root: &Path, config: &Path, case: &Case) -> Result<Outcome, String> {
    let env: Environment = case.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    php::evaluate(&Input {
        file: config.to_path_buf(),
        root: Some(root.to_path_buf()),
        working_dir: root.to_path_buf(),
        env: &env,
        url: case.url.as_deref().and_then(Url::parse),
        limited_to_owner: None,
        databases: None,
    })
}

/// How a case went.
struct Run {
    wrong: Vec<String>,
    unknown: Vec<String>,
    /// The error that ended it in PHP.
    died: Option<String>,
}

/// Unpacks a case and compares every constant and variable.
fn run(case: &Case) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("root");
    for (path, content) in &case.files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // The root's own path, for files that name it.
        let content = String::from_utf8(content.clone()).map_or_else(
            |error| error.into_bytes(),
            |text| text.replace("{ROOT}", root.to_str().unwrap()).into_bytes(),
        );
        fs::write(path, content).unwrap();
    }
    // What follows the settings happens in a running WordPress: the oracle stops looking where it is loaded.
    fs::write(root.join("wp-settings.php"), "<?php oracle_write($GLOBALS['oracle_arguments']);").unwrap();
    let config = [root.join("wp-config.php"), root.join("../wp-config.php")]
        .into_iter()
        .find(|path| path.exists())
        .unwrap()
        .canonicalize()
        .unwrap();
    let url = case.url.as_deref().and_then(Url::parse);
    let Theirs { constants, variables, died } = ask_php(&root, &config, &case.env, url.as_ref());
    let outcome = match evaluate(&root, &config, case) {
        Ok(outcome) => outcome,
        Err(error) => return Run { wrong: Vec::new(), unknown: vec![format!("everything: {error}")], died },
    };
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for name in &case.assumed {
        let found = match name.strip_prefix('$') {
            Some(variable) => outcome.variable(variable),
            None => outcome.constant(name),
        };
        let is_assumed = match found {
            Some(setting) => setting.state == State::Assumed,
            None => !outcome.absence_depends_on(name).is_empty(),
        };
        if !is_assumed {
            wrong.push(format!("{name}: it is not assumed"));
        }
    }
    let mut judge = |name: String, verdict: Verdict, reason: Option<Plain>| match verdict {
        Verdict::Same => {}
        Verdict::Unknown => unknown.push(format!("{name}: {reason:?}")),
        Verdict::Wrong(how) => wrong.push(format!("{name}: {how}")),
    };
    let names = constants.keys().cloned().chain(outcome.constant_names().map(str::to_owned));
    for name in names.collect::<std::collections::BTreeSet<_>>() {
        let ours = outcome.constant(&name).map(|setting| setting.value);
        judge(name.clone(), compare(ours.as_ref(), constants.get(&name)), ours);
    }
    let names = variables.keys().cloned().chain(outcome.variable_names().map(str::to_owned));
    for name in names.collect::<std::collections::BTreeSet<_>>() {
        let ours = outcome.variable(&name).map(|setting| setting.value);
        judge(format!("${name}"), compare(ours.as_ref(), variables.get(&name)), ours);
    }
    Run { wrong, unknown, died }
}

/// All of `tests/wp-config/`, in order.
fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wp-config");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    paths.iter().map(|path| read_case(path)).collect()
}

#[test]
fn php_agrees_with_every_case() {
    if !php_is_here() {
        return;
    }
    let (mut failures, mut count) = (Vec::new(), 0);
    for case in cases() {
        let Run { wrong, unknown, .. } = run(&case);
        failures.extend(wrong.into_iter().map(|what| format!("{}: WRONG {what}", case.name)));
        let surprising = unknown.iter().filter(|what| {
            !case
                .unknown
                .iter()
                .any(|name| name == "*" || what.split(':').next() == Some(name.trim_end_matches(':')))
        });
        failures.extend(surprising.map(|what| format!("{}: unknown {what}", case.name)));
        count += 1;
    }
    eprintln!("wp-config.php: {count} cases compared with PHP");
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

// Programs nobody wrote: PHP must agree with every value that is known.

/// A small random program: assignments, conditions, loops, functions, strings, arrays.
struct Writer {
    rng: rand::rngs::StdRng,
    variables: Vec<String>,
    /// Writes conditions on the request and on the environment, and what leaves blocks.
    has_unknowns: bool,
    /// Loops around the place that is written.
    loops: usize,
    /// Blocks around it whose exceptions are caught.
    tries: usize,
    /// Loops that were written.
    rounds: usize,
}

impl Writer {
    fn pick<'p, T: ?Sized>(&mut self, from: &[&'p T]) -> &'p T {
        use rand::RngExt;
        from[self.rng.random_range(0..from.len())]
    }

    fn below(&mut self, limit: usize) -> usize {
        use rand::RngExt;
        self.rng.random_range(0..limit)
    }

    fn literal(&mut self) -> String {
        self.pick(&[
            "''",
            "'0'",
            "'a'",
            "'1'",
            "'abc'",
            "' 12'",
            "'1e1'",
            "'10'",
            "'0.0'",
            "'x-y_z'",
            "\"t\\tab\"",
            "'ABC'",
            "'localhost:3306'",
            "0",
            "1",
            "-3",
            "42",
            "10",
            "2.5",
            "0.1",
            "true",
            "false",
            "null",
            "[]",
            "[1, 'a' => 'b']",
            "['x', 'y']",
            "'/srv/www/'",
            "'12abc'",
        ])
        .to_owned()
    }

    fn variable(&mut self) -> String {
        let index = self.below(self.variables.len());
        format!("${}", self.variables[index])
    }

    fn scalar(&mut self, depth: usize) -> String {
        // What arrays would turn into an error at once.
        match self.below(3) {
            0 => self
                .pick(&[
                    "'a'", "'b'", "''", "'0'", "'12'", "5", "0", "1.5", "true", "false", "null", "'/x/y'",
                ])
                .to_owned(),
            1 => format!("strval(is_array({0}) ? count({0}) : {0})", self.variable()),
            _ if depth > 0 => format!("({} . {})", self.scalar(depth - 1), self.scalar(depth - 1)),
            _ => "'z'".to_owned(),
        }
    }

    fn expression(&mut self, depth: usize) -> String {
        if depth == 0 {
            return if self.below(2) == 0 { self.literal() } else { self.variable() };
        }
        let d = depth - 1;
        match self.below(20) {
            0 => format!("({} . {})", self.scalar(d), self.scalar(d)),
            1 => {
                let operator = self.pick(&["==", "===", "!=", "!==", "<", ">", "<=", ">=", "<=>"]);
                format!("({} {operator} {})", self.expression(d), self.expression(d))
            }
            2 => {
                let operator = self.pick(&["&&", "||", "and", "or", "xor"]);
                format!("({} {operator} {})", self.expression(d), self.expression(d))
            }
            3 => format!("({} ? {} : {})", self.expression(d), self.expression(d), self.expression(d)),
            4 => format!("({} ?: {})", self.expression(d), self.expression(d)),
            5 => format!("({} ?? {})", self.variable(), self.expression(d)),
            6 => format!("(!{})", self.expression(d)),
            7 => {
                let cast = self.pick(&["(int) ", "(bool) ", "(string) ", "(float) "]);
                format!("({cast}{})", self.scalar(d))
            }
            8 => {
                let function = self.pick(&[
                    "strtolower",
                    "strtoupper",
                    "strlen",
                    "trim",
                    "ucfirst",
                    "dirname",
                    "basename",
                    "md5",
                    "intval",
                    "strrev",
                    "rawurlencode",
                    "urldecode",
                    "is_numeric",
                    "is_string",
                    "ctype_digit",
                    "base64_encode",
                    "bin2hex",
                ]);
                format!("{function}({})", self.scalar(d))
            }
            9 => {
                let function =
                    self.pick(&["strpos", "strrpos", "str_contains", "str_starts_with", "strstr", "stripos"]);
                format!("{function}({}, {})", self.scalar(d), self.scalar(d))
            }
            10 => format!(
                "substr({}, {}, {})",
                self.scalar(d),
                self.below(5) as i64 - 2,
                self.below(6) as i64 - 2
            ),
            11 => format!("str_replace({}, {}, {})", self.scalar(d), self.scalar(d), self.scalar(d)),
            12 => format!("explode('/', {})", self.scalar(d)),
            13 => format!("[{}, 'k' => {}]", self.expression(d), self.expression(d)),
            14 => format!(
                "({}[{}] ?? {})",
                self.variable(),
                self.pick(&["0", "1", "'k'", "'a'", "-1"]),
                self.expression(d)
            ),
            15 => format!("isset({}, {}['a'])", self.variable(), self.variable()),
            16 => format!("empty({})", self.variable()),
            17 => format!("in_array({}, ['a', 0, '1', null])", self.expression(d)),
            18 => format!("\"<{{{}}}>\"", self.variable()),
            _ => format!("f({}, {})", self.expression(d), self.scalar(d)),
        }
    }

    /// A condition that nobody knows, or that depends on what is set in the environment.
    fn question(&mut self) -> String {
        let known = format!("{} == {}", self.variable(), self.literal());
        let subject =
            self.pick(&["$_SERVER['REMOTE_ADDR']", "getenv('APP')", "getenv('STAGE')", "$where", "$app"]);
        let operator = self.pick(&["==", "===", "!="]);
        let question = format!("{subject} {operator} {}", self.pick(&["'1'", "'x'", "false"]));
        match self.below(7) {
            0 => known,
            1 => format!("!({question})"),
            2 => format!("({question}) && ({known})"),
            3 => format!("({known}) || ({question})"),
            4 => format!("({} = {question})", self.variable()),
            _ => question,
        }
    }

    /// A statement that only programs with unknowns have.
    fn uncertain(&mut self, depth: usize) -> String {
        let d = depth.saturating_sub(1);
        match self.below(16) {
            0 | 1 => {
                let question = self.question();
                let other = if self.below(2) == 0 {
                    format!("else {{ {} }}", self.statement(d))
                } else {
                    String::new()
                };
                format!("if ({question}) {{ {} }} {other}\n", self.statement(d))
            }
            2 if self.loops > 0 => {
                let jump = self.pick(&["break", "continue", "break", "continue"]);
                let levels = 1 + self.below(self.loops.min(2));
                format!("if ({}) {jump} {levels};\n", self.question())
            }
            3 => format!("if ({}) return ['r', {}];\n", self.question(), self.scalar(1)),
            4 if self.tries > 0 => format!("if ({}) throw new Exception('e');\n", self.question()),
            5 | 6 => {
                self.tries += 1;
                let body = self.statement(d);
                let more = self.uncertain(d);
                self.tries -= 1;
                let caught = self.statement(d);
                let finally = if self.below(3) == 0 {
                    let (loops, tries) = (std::mem::take(&mut self.loops), std::mem::take(&mut self.tries));
                    let target = self.variable();
                    (self.loops, self.tries) = (loops, tries);
                    format!("finally {{ {target} = 'finally'; }}")
                } else {
                    String::new()
                };
                format!("try {{ {body} {more} }} catch (Exception $x) {{ {caught} }} {finally}\n")
            }
            7 => {
                self.loops += 1;
                let body = format!("{} {}", self.uncertain(d), self.statement(d));
                self.loops -= 1;
                format!("foreach (['p', 'q'] as $key) {{ {body} }}\n")
            }
            8 => {
                self.loops += 1;
                let body = self.uncertain(d);
                self.loops -= 1;
                self.rounds += 1;
                let round = format!("$round{}", self.rounds);
                format!("{round} = 0; while ({round}++ < 3 && ({})) {{ {body} }}\n", self.question())
            }
            9 => {
                self.loops += 1;
                let subject = self.pick(&["getenv('APP')", "$_SERVER['REMOTE_ADDR']", "true", "$app"]);
                let (first, second) = (self.uncertain(d), self.statement(d));
                self.loops -= 1;
                let fall = self.pick(&["break;", ""]);
                format!(
                    "switch ({subject}) {{ case '1': {first} {fall} case 'x': {second} break; default: $key = 'z'; }}\n"
                )
            }
            10 => {
                let name = self.below(1000);
                format!("({}) && define('P_{name}', {});\n", self.question(), self.scalar(1))
            }
            11 => {
                let name = self.below(1000);
                format!(
                    "if ({}) define('P_{name}', 'first'); defined('P_{name}') || define('P_{name}', 'second');\n",
                    self.question()
                )
            }
            12 => format!("{} = fallback({});\n", self.variable(), self.pick(&["'APP'", "'STAGE'"])),
            13 => format!("{} = counter({});\n", self.variable(), self.question()),
            14 => format!("$list[{} ? 'k' : 'm'] = {};\n", self.question(), self.scalar(0)),
            _ => {
                let (first, second) = (self.scalar(1), self.scalar(1));
                format!("{} = ({}) ? {first} : {second};\n", self.variable(), self.question())
            }
        }
    }

    fn statement(&mut self, depth: usize) -> String {
        if self.has_unknowns && self.below(2) == 0 {
            return self.uncertain(depth);
        }
        if depth == 0 {
            let (target, operator) = (self.variable(), self.pick(&["=", "=", "=", "??=", ".="]));
            let value = if operator == ".=" { self.scalar(1) } else { self.expression(2) };
            let reset = if operator == ".=" {
                format!("if (is_array({target})) {target} = ''; ")
            } else {
                String::new()
            };
            return format!("{reset}{target} {operator} {value};\n");
        }
        let d = depth - 1;
        match self.below(9) {
            0 => format!(
                "if ({}) {{ {} }} elseif ({}) {{ {} }} else {{ {} }}\n",
                self.expression(2),
                self.statement(d),
                self.expression(1),
                self.statement(d),
                self.statement(d)
            ),
            1 => {
                self.loops += 1;
                let (before, after) = (self.statement(d), self.statement(d));
                self.loops -= 1;
                let condition = self.expression(1);
                format!(
                    "foreach (['p', 'q' => 2, 3] as $key => $value) {{ {before} if ({condition}) break; {after} }}\n"
                )
            }
            2 => format!(
                "switch ({}) {{ case 'a': {} break; case 1: {} default: {} }}\n",
                self.expression(1),
                self.statement(d),
                self.statement(d),
                self.statement(d)
            ),
            3 => {
                self.loops += 1;
                let body = self.statement(d);
                self.loops -= 1;
                self.rounds += 1;
                // Inner loops that are left early must not begin the outer one again.
                let i = if self.has_unknowns { format!("$i{}", self.rounds) } else { "$i".to_owned() };
                format!("for ({i} = 0; {i} < 3; {i}++) {{ if ({}) continue; {body} }}\n", self.expression(1))
            }
            4 => format!("{}[{}] = {};\n", "$list", self.pick(&["", "'k'", "3"]), self.expression(1)),
            5 => format!(
                "$matched = match (true) {{ {} == 'a' => 1, {} === null => 'two', default => {} }};\n",
                self.variable(),
                self.variable(),
                self.expression(1)
            ),
            6 => {
                let name = self.below(1000);
                format!(
                    "if (!defined('P_{name}')) define('P_{name}', {}); $c = P_{name};\n",
                    self.expression(2)
                )
            }
            _ => self.statement(0),
        }
    }

    fn program(&mut self) -> String {
        let mut code = String::from(
            "$a = 'a'; $b = 1; $c = null; $d = 'x/y'; $e = ['k' => 'v', 1]; $list = []; $i = 0; $key = ''; $value = '';\n",
        );
        for _ in 0..3 + self.below(6) {
            let depth = self.below(3);
            code.push_str(&self.statement(depth));
        }
        code
    }
}

#[test]
fn php_agrees_with_random_programs() {
    use rand::SeedableRng;
    if !php_is_here() {
        return;
    }
    let count: u64 = std::env::vars()
        .find(|(name, _)| name == "WP_APP_PASSWORD_PROGRAMS")
        .map_or(400, |(_, value)| value.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("wp-settings.php"), "<?php oracle_write($GLOBALS['oracle_arguments']);").unwrap();
    let (mut failures, mut known, mut unknown) = (Vec::new(), 0, 0);
    // PHP starts slowly: many programs go into one file, each with variables and constants of its own.
    for batch in 0..count.div_ceil(40) {
        let mut bodies = Vec::new();
        let mut code = String::from(
            "<?php\nfunction f($x, $y = 'd') { if ($x == $y) { return 'same'; } return is_array($x) ? $y : $x . $y; }\n",
        );
        for number in 0..40 {
            let seed = batch * 40 + number;
            let mut writer = Writer {
                rng: rand::rngs::StdRng::seed_from_u64(seed),
                variables: ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec(),
                has_unknowns: false,
                loops: 0,
                tries: 0,
                rounds: 0,
            };
            let body = writer.program();
            let body = body.replace("P_", &format!("P{seed}_"));
            code.push_str(&format!("function program{seed}() {{\n{body}return [$a, $b, $c, $d, $e, $list, $i, $key, $value, $matched ?? null];\n}}\ntry {{ $result{seed} = program{seed}(); }} catch (Throwable $t) {{ $result{seed} = 'thrown'; }} unset($t);\n"));
            bodies.push((seed, body));
        }
        code.push_str("require ABSPATH . 'wp-settings.php';\n");
        let config = root.join("wp-config.php");
        fs::write(&config, &code).unwrap();
        let Theirs { constants, variables, .. } = ask_php(&root, &config, &[], None);
        let outcome = evaluate(&root, &config, &Case::default()).unwrap();
        for (seed, body) in bodies {
            let name = format!("result{seed}");
            let ours = outcome.variable(&name).map(|setting| setting.value);
            match compare(ours.as_ref(), variables.get(&name)) {
                Verdict::Same => known += 1,
                Verdict::Unknown => unknown += 1,
                Verdict::Wrong(how) => failures.push(format!("seed {seed}: {how}\n{body}")),
            }
        }
        for (name, theirs) in constants {
            let ours = outcome.constant(&name).map(|setting| setting.value);
            if let Verdict::Wrong(how) = compare(ours.as_ref(), Some(&theirs)) {
                failures.push(format!("{name}: {how}"));
            }
        }
    }
    eprintln!("random programs: {known} agree with PHP, {unknown} unknown, {} differ", failures.len());
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(3)].join("\n"));
}

#[test]
fn what_is_known_holds_for_every_request_and_what_is_sure_in_every_environment() {
    use rand::SeedableRng;
    if !php_is_here() {
        return;
    }
    let count: u64 = std::env::vars()
        .find(|(name, _)| name == "WP_APP_PASSWORD_PROGRAMS")
        .map_or(160, |(_, value)| value.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap().join("root");
    fs::create_dir_all(&root).unwrap();
    fs::write(root.join("wp-settings.php"), "<?php oracle_write($GLOBALS['oracle_arguments']);").unwrap();
    // The first environments are those that our own evaluation has: nothing is set.
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let requests = ["1", "x", "other"].map(|address| vec![pair("REMOTE_ADDR", address)]);
    let environments = [
        vec![pair("REMOTE_ADDR", "1"), pair("APP", "1")],
        vec![pair("REMOTE_ADDR", "x"), pair("APP", "x"), pair("STAGE", "1")],
        vec![pair("REMOTE_ADDR", "other"), pair("STAGE", "x")],
    ];
    let (mut failures, mut known, mut assumed, mut unknown) = (Vec::new(), 0, 0, 0);
    for batch in 0..count.div_ceil(8) {
        let mut bodies = Vec::new();
        let mut code = String::from(
            "<?php\nfunction f($x, $y = 'd') { if ($x == $y) { return 'same'; } return is_array($x) ? $y : $x . $y; }\n\
             function fallback($k) { $v = getenv($k); if ($v !== false) { return $v; } return 'none'; }\n\
             function counter($up) { static $n = 0; if ($up) { $n++; } return $n; }\n",
        );
        for number in 0..8 {
            let seed = batch * 8 + number;
            let mut writer = Writer {
                rng: rand::rngs::StdRng::seed_from_u64(1_000_000 + seed),
                variables: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
                has_unknowns: true,
                loops: 0,
                tries: 0,
                rounds: 0,
            };
            let body = writer.program().replace("P_", &format!("P{seed}_"));
            // Each of these has a state of its own.
            let results: Vec<String> = (0..6).map(|index| format!("$r{seed}_{index}")).collect();
            code.push_str(&format!(
                "function program{seed}() {{\n$where = $_SERVER['REMOTE_ADDR']; $app = getenv('APP');\n{body}return [$a, $b, $c, $d, $list, $key];\n}}\n\
                 $all = ['t', 't', 't', 't', 't', 't']; try {{ $all = program{seed}() + $all; }} catch (Throwable $t) {{ }} unset($t);\n[{}] = $all;\n",
                results.join(", ")
            ));
            bodies.push((seed, body));
        }
        code.push_str("require ABSPATH . 'wp-settings.php';\n");
        let config = root.join("wp-config.php");
        fs::write(&config, &code).unwrap();
        let outcome = match evaluate(&root, &config, &Case::default()) {
            Ok(outcome) => outcome,
            Err(error) => {
                assert!(error.contains("so it is not evaluated"), "{error}");
                continue;
            }
        };
        let body_of = |name: &str| {
            let number = name.trim_start_matches(['r', 'P']).split('_').next().unwrap_or_default();
            bodies.iter().find(|(seed, _)| seed.to_string() == number).map_or("", |(_, body)| body)
        };
        for (index, env) in requests.iter().chain(&environments).enumerate() {
            let is_ours = index < requests.len();
            let Theirs { constants, variables, .. } = ask_php(&root, &config, env, None);
            let ours = outcome.constant_names().map(str::to_owned).chain(constants.keys().cloned());
            let ours: std::collections::BTreeSet<String> =
                ours.filter(|name| name.starts_with('P')).collect();
            let constants =
                ours.iter().map(|name| (name.as_str(), outcome.constant(name), constants.get(name)));
            let names: Vec<String> = bodies
                .iter()
                .flat_map(|(seed, _)| (0..6).map(move |index| format!("r{seed}_{index}")))
                .collect();
            let variables =
                names.iter().map(|name| (name.as_str(), outcome.variable(name), variables.get(name)));
            for (name, setting, theirs) in constants.chain(variables) {
                let is_sure = match &setting {
                    Some(setting) => setting.state != State::Assumed,
                    None => {
                        outcome.absence_depends_on(name).is_empty()
                            && outcome.absence_depends_on(&format!("${name}")).is_empty()
                    }
                };
                if !is_ours && !is_sure {
                    continue;
                }
                match compare(setting.as_ref().map(|setting| &setting.value), theirs) {
                    Verdict::Same if index == 0 && is_sure => known += 1,
                    Verdict::Same if index == 0 => assumed += 1,
                    Verdict::Unknown if index == 0 => unknown += 1,
                    Verdict::Same | Verdict::Unknown => {}
                    Verdict::Wrong(how) => {
                        failures.push(format!("{name} with {env:?}: {how}\n{}", body_of(name)));
                    }
                }
            }
        }
    }
    eprintln!(
        "uncertain programs: {known} known, {assumed} assumed, {unknown} unknown, {} differ",
        failures.len()
    );
    assert!(failures.is_empty(), "{}", failures[..failures.len().min(3)].join("\n"));
}

/// The words, numbers, strings, blanks and signs of a file.
fn tokens(code: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let run = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        let end = match first {
            '\'' | '"' => {
                let mut escaped = false;
                let closing = rest.char_indices().skip(1).find(|(_, c)| {
                    let closes = *c == first && !escaped;
                    escaped = *c == '\\' && !escaped;
                    closes
                });
                closing.map_or(rest.len(), |(place, _)| place + 1)
            }
            _ if first.is_alphanumeric() || "_$\\".contains(first) => {
                run(|c| c.is_alphanumeric() || "_$\\".contains(c))
            }
            _ if first.is_whitespace() => run(char::is_whitespace),
            _ if "=!<>&|?.+-*/".contains(first) => run(|c| "=!<>&|?.+-*/".contains(c)),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(end);
        tokens.push(token.to_owned());
        rest = after;
    }
    tokens
}

/// A case with some of its tokens left out, doubled, exchanged, or replaced by those of other cases.
fn mutated(case: &Case, foreign: &[String], rng: &mut rand::rngs::StdRng) -> Case {
    use rand::RngExt;
    let mut files = case.files.clone();
    let php: Vec<usize> = (0..files.len()).filter(|place| files[*place].0.ends_with(".php")).collect();
    let file = &mut files[php[rng.random_range(0..php.len())]].1;
    let mut all = tokens(&String::from_utf8_lossy(file));
    // What a token is: most programs can be run where one takes the place of another of its kind.
    let kind = |token: &str| match token.chars().next() {
        Some(c @ ('$' | '\'' | '"')) => c,
        Some(c) if c.is_ascii_digit() => '0',
        Some(c) if c.is_alphabetic() || "_\\".contains(c) => 'a',
        _ => '=',
    };
    for _ in 0..rng.random_range(1..4) {
        let visible: Vec<usize> = (1..all.len()).filter(|place| !all[*place].trim().is_empty()).collect();
        let mut any = || visible[rng.random_range(0..visible.len())];
        let (place, other) = (any(), any());
        match rng.random_range(0..60) {
            0 => all[place].clear(),
            1 => all[place] = format!("{0} {0}", all[place]),
            2..25 if kind(&all[place]) == kind(&all[other]) => all.swap(place, other),
            25..40 if kind(&all[place]) == kind(&all[other]) => all[place] = all[other].clone(),
            // A word of another file mostly means nothing here.
            40.. if kind(&all[place]) != 'a' || rng.random_bool(0.1) => {
                let tried = (0..20).map(|_| &foreign[rng.random_range(0..foreign.len())]);
                if let Some(new) = { tried }.find(|new| kind(new) == kind(&all[place])) {
                    all[place] = new.clone();
                }
            }
            _ => {}
        }
    }
    *file = all.concat().into_bytes();
    Case { name: case.name.clone(), files, env: case.env.clone(), url: case.url.clone(), ..Case::default() }
}

#[test]
fn php_agrees_with_mutated_cases() {
    use rand::SeedableRng;
    if !php_is_here() {
        return;
    }
    let number = |wanted: &str, default: u64| {
        std::env::vars().find(|(name, _)| name == wanted).map_or(default, |(_, value)| value.parse().unwrap())
    };
    let (first, count) = (number("WP_APP_PASSWORD_FIRST", 0), number("WP_APP_PASSWORD_MUTANTS", 100));
    // What stands for a library in a case does what its test needs, and ours what the real one does.
    let mut cases = cases();
    cases.retain(|case| !case.files.iter().any(|(name, _)| name.contains("vendor/")));
    let foreign: Vec<String> = cases
        .iter()
        .flat_map(|case| &case.files)
        .filter(|(name, _)| name.ends_with(".php"))
        .flat_map(|(_, content)| tokens(&String::from_utf8_lossy(content)))
        .filter(|token| !token.trim().is_empty() && token.len() < 80)
        .collect();
    let (mut failures, mut agree, mut unknown, mut died) = (Vec::<u64>::new(), 0, 0, 0);
    for seed in first..first + count {
        let mut rng = rand::rngs::StdRng::seed_from_u64(seed);
        let case = mutated(&cases[seed as usize % cases.len()], &foreign, &mut rng);
        let run = run(&case);
        if run.died.is_some() {
            // What a site that cannot start has is of no use to anybody.
            died += 1;
        } else if !run.wrong.is_empty() {
            let code: Vec<_> =
                case.files.iter().map(|(_, content)| String::from_utf8_lossy(content)).collect();
            eprintln!("seed {seed}: {}\n{}\n", run.wrong.join("\n"), code.join("\n---\n"));
            failures.push(seed);
        } else if run.unknown.is_empty() {
            agree += 1;
        } else {
            unknown += 1;
        }
    }
    eprintln!(
        "mutated cases: {agree} agree with PHP, {unknown} with something unknown, {died} end in PHP with an error, {} differ",
        failures.len()
    );
    assert!(failures.is_empty(), "{failures:?}");
}

/// A file on its own, as a web server's PHP in its folder would read it.
fn alone<'a>(file: &Path, env: &'a Environment) -> Input<'a> {
    Input {
        file: file.to_path_buf(),
        root: None,
        working_dir: file.parent().unwrap().into(),
        env,
        url: None,
        limited_to_owner: None,
        databases: None,
    }
}

#[test]
fn no_bytes_make_the_evaluator_panic_or_hang() {
    use rand::{RngExt, SeedableRng};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wp-config.php");
    let env = Environment::default();
    let input = alone(&file, &env);
    let try_with = |code: &[u8]| {
        fs::write(&file, code).unwrap();
        let start = std::time::Instant::now();
        let _ = php::evaluate(&input);
        // An unoptimised build on a busy machine is slow; what must not happen is that it never ends.
        assert!(start.elapsed().as_secs() < 120, "{} bytes took too long", code.len());
    };
    let repeat = |text: &str, times: usize| text.repeat(times);
    for code in [
        repeat("(", 50_000),
        format!("$a = {}1{};", repeat("[", 20_000), repeat("]", 20_000)),
        format!("$a = {}1;", repeat("-", 30_000)),
        format!("$a = '1'{};", repeat(" . '1'", 30_000)),
        format!("$a = 1{};", repeat(" + 1", 30_000)),
        repeat("if (1) {", 20_000),
        "while (true) { $a[] = $a ?? 1; }".to_owned(),
        "$a = 'x'; while (true) { $a .= $a; }".to_owned(),
        "$a = []; while (true) { $a = [$a, $a]; }".to_owned(),
        "function f() { return f() . f(); } f();".to_owned(),
        "while ($_GET['x']) { if ($_GET['y']) { break; } if ($_GET['z']) { continue; } $a[] = 1; }"
            .to_owned(),
        "include __FILE__; include __FILE__;".to_owned(),
        "eval('eval(\\'1;\\'); ' . file_get_contents(__FILE__));".to_owned(),
        "$f = fn() => $f(); $f(); $g = function () use (&$g) { return $g(); }; $g();".to_owned(),
        repeat("if ($_GET['a']) { $x = 1; } ", 5_000),
        "$s = str_repeat('a', 1000000); for ($i = 0; $i < 100; $i++) strpos($s, str_repeat('a', 500000) . 'b');"
            .to_owned(),
        "preg_replace('/a/', str_repeat('b', 1000000), str_repeat('a', 1000000));".to_owned(),
        "str_replace('a', str_repeat('b', 1000000), str_repeat('a', 1000000));".to_owned(),
        "$a = [1]; while (true) { $a = array_merge($a, $a); }".to_owned(),
        "$s = str_repeat('a,', 500000); while (true) { explode(',', $s); }".to_owned(),
        "$s = str_repeat('a', 1000000); while (true) { $t = md5(strtoupper(strrev($s))); }".to_owned(),
        "$s = str_repeat('a', 1000000); implode($s, array_fill(0, 10, 'x')); sprintf(str_repeat('%1$s', 9000), $s);"
            .to_owned(),
        "while ($_GET['x']) { while ($_GET['y']) { while ($_GET['z']) { $a = $b; $b = $c; $c = $d; $d = 1; } } }"
            .to_owned(),
    ] {
        try_with(format!("<?php {code}").as_bytes());
    }
    let stock =
        fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wp-config/functions.case")).unwrap();
    let mut rng = rand::rngs::StdRng::seed_from_u64(7);
    for _ in 0..300 {
        let mut code = b"<?php ".to_vec();
        if rng.random_bool(0.3) {
            code.extend((0..200).map(|_| rng.random::<u8>()));
        } else {
            code.extend_from_slice(&stock);
            for _ in 0..1 + rng.random_range(0..8) {
                let at = rng.random_range(0..code.len());
                match rng.random_range(0..3) {
                    0 => code[at] = rng.random(),
                    1 => {
                        code.remove(at);
                    }
                    _ => code.insert(at, b"(){}[]$'\";?:=.<>&|!"[rng.random_range(0..19)]),
                }
            }
        }
        try_with(&code);
    }
}

#[test]
fn five_thousand_unknown_conditions_end_in_seconds() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("wp-config.php");
    let env = Environment::default();
    let programs = [
        // Each leaves a variable of its own behind, or one of a few constants, or leaves a loop.
        (0..5_000).map(|i| format!("if ($_SERVER['HTTP_X{i}']) {{ $a{i} = 1; }}\n")).collect::<String>(),
        (0..5_000)
            .map(|i| format!("if ($_SERVER['HTTP_X{i}']) {{ define('A{}', 1); $x = 1; }}\n", i % 7))
            .collect(),
        (0..5_000).map(|i| format!("$x = $_SERVER['HTTP_X{i}'] ? $x : $x . 'a';\n")).collect(),
        format!(
            "function f() {{ {} return 1; }} f();",
            (0..5_000).map(|i| format!("if ($_GET['x{i}']) {{ return {i}; }}\n")).collect::<String>()
        ),
    ];
    for program in programs {
        fs::write(&file, format!("<?php\n{program}define('DB_NAME', 'n');")).unwrap();
        let started = std::time::Instant::now();
        let outcome = php::evaluate(&alone(&file, &env));
        let took = started.elapsed();
        // Seconds in an unoptimised build on a busy machine; a quadratic walk took more than half a minute.
        assert!(took.as_secs() < 15, "{took:?} for {:.60}", program);
        if let Ok(outcome) = outcome {
            assert_eq!(outcome.constant("DB_NAME").unwrap().value, Plain::Bytes(b"n".to_vec()));
        }
    }
}
