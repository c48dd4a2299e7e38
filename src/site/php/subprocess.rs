//! `--php`: a configuration evaluated by the machine's PHP, for what the evaluator leaves unknown.
//!
//! Runs the site's code, so never by default. `wp-settings.php` is left out, files can be read and not
//! written through PHP's own functions, and nothing the code prints is shown.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{End, Input, Outcome, Plain, Setting};
use crate::site::State;

/// The program that PHP is given.
const PROGRAM: &str = include_str!("evaluate.php");

/// No configuration takes longer.
const TIME: Duration = Duration::from_secs(30);

/// No configuration says more, in bytes.
const MOST_OUTPUT: u64 = 16 << 20;

/// Whom PHP runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAs {
    /// The owner of the file.
    pub user: u32,
    /// Its group.
    pub group: u32,
}

/// Evaluates `input` with PHP. What `ours` knows to depend on the environment stays marked.
///
/// # Errors
/// A sentence: PHP is missing, fails or takes too long.
pub fn evaluate(input: &Input<'_>, ours: Option<&Outcome>, run_as: Option<RunAs>) -> Result<Outcome, String> {
    let mark = format!("wp-app-password {:032x} ", rand::random::<u128>());
    let root = input.root.as_ref().map(|root| root.display().to_string()).unwrap_or_default();
    let mut command = Command::new("php");
    for setting in [
        "variables_order=EGPCS",
        "display_errors=0",
        "log_errors=0",
        "short_open_tag=0",
        "opcache.enable_cli=0",
        "auto_prepend_file=",
        "max_execution_time=30",
    ] {
        command.args(["-d", setting]);
    }
    command
        .args(["-r", PROGRAM, "--"])
        .arg(&input.file)
        .args([&root, &mark, &request(input)])
        .env_clear()
        .envs(input.env.iter().map(|(name, value)| {
            use std::os::unix::ffi::OsStrExt;
            (std::ffi::OsStr::from_bytes(name), std::ffi::OsStr::from_bytes(value))
        }))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    if let Some(run_as) = run_as {
        command.gid(run_as.group).uid(run_as.user);
    }
    let failed = |reason: String| format!("PHP could not evaluate {}: {reason}.", input.file.display());
    let mut child = command.spawn().map_err(|error| failed(format!("php cannot be started ({error})")))?;
    let stdout = child.stdout.take();
    let reader = std::thread::spawn(move || {
        let mut output = Vec::new();
        stdout.map(|stdout| stdout.take(MOST_OUTPUT).read_to_end(&mut output));
        output
    });
    let started = Instant::now();
    loop {
        match child.try_wait() {
            Ok(Some(_)) => break,
            Ok(None) if started.elapsed() < TIME => std::thread::sleep(Duration::from_millis(2)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(failed(
                    "it takes longer than 30 seconds; name the database with --db instead".into(),
                ));
            }
        }
    }
    let output = reader.join().unwrap_or_default();
    let start = output.windows(mark.len()).rposition(|window| window == mark.as_bytes());
    let json = start.and_then(|start| output.get(start + mark.len()..));
    let json: serde_json::Value = json
        .and_then(|json| serde_json::from_slice(json).ok())
        .ok_or_else(|| failed("it ended without an answer".into()))?;
    // On the command line, PHP answers for itself where the file asks who runs it: ours takes the web's side.
    let loaded = json["files"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str);
    if let Some(file) = loaded.map(Path::new).find(|file| asks_for_the_sapi(file)) {
        return ours.cloned().ok_or_else(|| {
            let file = file.display();
            failed(format!("{file} asks whether PHP runs on the command line, and --php does; name the database with --db"))
        });
    }
    let source = format!("PHP, {}", input.file.display());
    let settings = |part: &str, ours_of: &dyn Fn(&str) -> Option<Setting>| {
        let entries = json[part].as_object().into_iter().flatten();
        entries.map(|(name, value)| (name.clone(), setting(plain(value), ours_of(name), &source))).collect()
    };
    let end = match json["error"].as_u64() {
        Some(line) => End::Error(format!("{} line {line}", input.file.display())),
        None => End::Complete,
    };
    Ok(Outcome {
        constants: settings("constants", &|name| {
            ours?.constants.iter().find(|(n, _)| n == name).map(|(_, s)| s.clone())
        }),
        variables: settings("variables", &|name| {
            ours?.variables.iter().find(|(n, _)| n == name).map(|(_, s)| s.clone())
        }),
        doubt: None,
        passed_over: Vec::new(),
        doubted: Vec::new(),
        end,
    })
}

/// PHP's value, with what our own evaluation knows better: where it is from, what it depends on.
fn setting(value: Plain, ours: Option<Setting>, source: &str) -> Setting {
    match ours {
        // On the command line there is no request: PHP's answer would be the one for no host at all.
        Some(ours) if matches!(&ours.value, Plain::Unknown(reason) if reason.contains("depends on the request")) => {
            ours
        }
        Some(ours) if ours.value == value => ours,
        ours => {
            let variables = ours.map(|ours| ours.variables).unwrap_or_default();
            let state = if matches!(value, Plain::Unknown(_)) { State::Unknown } else { State::Known };
            Setting { value, state, source: source.to_owned(), variables }
        }
    }
}

/// Whether what a file sets may depend on PHP being run on the command line.
fn asks_for_the_sapi(file: &Path) -> bool {
    let Ok(code) = std::fs::read(file) else { return true };
    let code = code.to_ascii_lowercase();
    [&b"php_sapi"[..], b"stdin", b"stderr", b"stdout"]
        .into_iter()
        .any(|name| code.windows(name.len()).any(|window| window == name))
}

fn request(input: &Input<'_>) -> String {
    let mut request = serde_json::Map::new();
    if let Some(url) = &input.url {
        let port = url.port.map(|port| format!(":{port}")).unwrap_or_default();
        request.insert("HTTP_HOST".into(), format!("{}{port}", url.host).into());
        request.insert("SERVER_NAME".into(), url.host.clone().into());
        request.insert("REQUEST_URI".into(), url.path_and_query.clone().into());
        if url.is_https {
            request.insert("HTTPS".into(), "on".into());
        }
    }
    serde_json::Value::Object(request).to_string()
}

fn plain(value: &serde_json::Value) -> Plain {
    use base64::Engine;
    let decode =
        |text: &serde_json::Value| base64::engine::general_purpose::STANDARD.decode(text.as_str()?).ok();
    let unknown = || Plain::Unknown("PHP made an object of it".into());
    if let Some(text) = value.get("string") {
        return decode(text).map_or_else(unknown, Plain::Bytes);
    }
    if let Some(entries) = value["array"].as_array() {
        return Plain::Array(
            entries.iter().filter_map(|pair| Some((decode(&pair[0])?, plain(&pair[1])))).collect(),
        );
    }
    if let Some(number) = value["float"].as_str() {
        return number.parse().map_or_else(|_| unknown(), Plain::Float);
    }
    match value.get("plain") {
        Some(serde_json::Value::Null) => Plain::Null,
        Some(serde_json::Value::Bool(value)) => Plain::Bool(*value),
        Some(serde_json::Value::Number(number)) => number.as_i64().map_or_else(unknown, Plain::Int),
        _ => unknown(),
    }
}
