//! PHP itself, asked what is right.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether PHP is there to compare `what` with. Without it the comparison is skipped aloud, and fails where
/// the servers of `tests/run` promise it.
#[allow(clippy::disallowed_methods, reason = "the rig announces itself in the environment")]
pub fn is_here(what: &str) -> bool {
    if Command::new("php").args(["-n", "--version"]).output().is_ok_and(|output| output.status.success()) {
        return true;
    }
    let promised = std::env::var_os("WP_APP_PASSWORD_TEST_RIG").is_some();
    assert!(!promised, "php is missing, but needed to compare {what}");
    // Not eprintln!: the test harness would hide it.
    let _ = writeln!(std::io::stderr(), "SKIPPED: php is not on PATH, {what} NOT compared with PHP");
    false
}

/// What a script of `tests/php` prints for `arguments` with `input` on its standard input.
pub fn ask(script: &str, what: &str, arguments: &[&str], input: String) -> Option<String> {
    if !is_here(what) {
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/php").join(script);
    let mut child = Command::new("php")
        .arg("-n")
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the oracle failed: {}", output.status);
    Some(String::from_utf8(output.stdout).unwrap())
}
