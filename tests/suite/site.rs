//! `wp-config.php`, evaluated by us and by PHP: the same values, or an honest "unknown".
//!
//! Each file in `tests/wp-config/` is a case: the files of a small root, an environment, a request. What is
//! expected is never written down: PHP evaluates the same files in the same environment.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use wp_app_password::site::Environment;
use wp_app_password::site::php::{self, Input, Outcome, Plain, Url};

/// A case: sections that begin with `=== `.
#[derive(Default)]
struct Case {
    name: String,
    files: Vec<(String, Vec<u8>)>,
    env: Vec<(String, String)>,
    url: Option<String>,
    /// Names that may stay unknown, with a reason in the file.
    unknown: Vec<String>,
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
            file if file.starts_with("file ") => case.files.last_mut().unwrap().1.extend_from_slice(line),
            _ => {}
        }
    }
    case
}

/// Whether PHP is there. Without it the comparison is skipped aloud, or fails where it must not be missing.
fn php_is_here() -> bool {
    if Command::new("php").arg("--version").output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    assert!(
        std::env::var_os("WP_APP_PASSWORD_TEST_RIG").is_none(),
        "php is missing, but the test rig promised it"
    );
    eprintln!("SKIPPED: php is missing, so wp-config.php was not compared with PHP's own evaluation");
    false
}

type Values = BTreeMap<String, serde_json::Value>;

/// What PHP makes of `config` in `root`.
fn ask_php(root: &Path, config: &Path, env: &[(String, String)], url: Option<&Url>) -> (Values, Values) {
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
        ])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/php/wp_config.php"))
        .args([root, config, &result])
        .arg(serde_json::Value::Object(request).to_string())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(env.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let json = fs::read(&result).unwrap_or_else(|_| panic!("PHP wrote nothing: {output:?}"));
    fs::remove_file(&result).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let part = |name: &str| -> Values {
        json[name]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    (part("constants"), part("variables"))
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
    })
}

/// Unpacks a case and compares every constant and variable. Gives what is wrong, and what is unknown.
fn run(case: &Case) -> (Vec<String>, Vec<String>) {
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
    fs::write(root.join("wp-settings.php"), "").unwrap();
    let config = [root.join("wp-config.php"), root.join("../wp-config.php")]
        .into_iter()
        .find(|path| path.exists())
        .unwrap()
        .canonicalize()
        .unwrap();
    let url = case.url.as_deref().and_then(Url::parse);
    let (constants, variables) = ask_php(&root, &config, &case.env, url.as_ref());
    let outcome = match evaluate(&root, &config, case) {
        Ok(outcome) => outcome,
        Err(error) => return (Vec::new(), vec![format!("everything: {error}")]),
    };
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
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
    (wrong, unknown)
}

#[test]
fn php_agrees_with_every_case() {
    if !php_is_here() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wp-config");
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "case"));
    paths.sort();
    let (mut failures, mut count) = (Vec::new(), 0);
    for path in &paths {
        let case = read_case(path);
        let (wrong, unknown) = run(&case);
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
