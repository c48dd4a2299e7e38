//! Every recorded transcript of the real WP-CLI, replayed on SQLite and on MariaDB.
//!
//! `tests/golden/README.md` says what a transcript holds. What WP-CLI draws at random (passwords, uuids,
//! hashes, times) is compared by its form; everything else byte for byte: stdout, stderr, exit code, what a
//! terminal of that width received, and the stored values afterwards.

use std::path::Path;

use regex::bytes::Regex;
use serde_json::Value;

use crate::fixture::{Fixture, MariadbFixture, SqliteFixture};
use crate::process::Terminal;
use crate::rig;

/// Where a replay differs from a transcript on purpose: its id, on which back end, and why.
const ALLOWED_DIFFERENCES: &[(&str, &str, &str)] = &[
    ("list-no-args", "", "`list` without a user lists every user instead of printing the usage"),
    ("list-no-user", "", "`list` without a user lists every user instead of printing the usage"),
    (
        "users-017",
        "MariaDB",
        "recorded on SQLite; MariaDB's collation does not see the control character in a login",
    ),
    (
        "users-054",
        "MariaDB",
        "recorded on SQLite; MariaDB's collation does not see the control character in a login",
    ),
];

/// The files of transcripts.
const FILES: [&str; 2] = ["transcripts.jsonl", "more.jsonl"];

fn transcripts() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let read = |name: &&str| std::fs::read_to_string(folder.join(name)).unwrap();
    let texts: Vec<String> = FILES.iter().map(read).collect();
    texts.iter().flat_map(|text| text.lines()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_transcript_replays_on_sqlite() {
    replay("SQLite", &mut SqliteFixture::new());
}

#[test]
fn every_transcript_replays_on_mariadb() {
    let Some(mut fixture) = MariadbFixture::new() else { return };
    replay("MariaDB", &mut fixture);
}

fn replay(name: &str, fixture: &mut dyn Fixture) {
    let transcripts = transcripts();
    let mut failures = Vec::new();
    let mut differences = Vec::new();
    for transcript in &transcripts {
        let id = transcript["id"].as_str().unwrap();
        if let Err(difference) = replay_one(transcript, fixture) {
            let full = format!("{id} ({}): {difference}", transcript["mode"].as_str().unwrap());
            let allowed =
                |(allowed, on, _): &&(&str, &str, &str)| *allowed == id && (on.is_empty() || *on == name);
            match ALLOWED_DIFFERENCES.iter().find(allowed) {
                Some((.., reason)) => differences.push(format!("{id}: {reason}")),
                None => failures.push(full),
            }
        }
    }
    let good = transcripts.len() - failures.len() - differences.len();
    eprintln!("golden transcripts on {name}: {good} of {} identical", transcripts.len());
    for difference in &differences {
        eprintln!("  allowed difference: {difference}");
    }
    assert!(failures.is_empty(), "{} transcripts differ:\n{}", failures.len(), failures.join("\n"));
}

fn replay_one(transcript: &Value, fixture: &mut dyn Fixture) -> Result<(), String> {
    fixture.reset();
    let text = |key: &str| transcript[key].as_str().unwrap_or_default().to_owned();
    // A transcript of an older WordPress starts from a list as small as the case needs.
    if let Some(version) = transcript["wordpress"].as_str() {
        fixture.set_db_version(match version {
            "5.6" => "49752",
            "6.1" => "53496",
            other => panic!("no db_version known for WordPress {other}"),
        });
        for user in 1..=10 {
            fixture.delete_meta(user);
        }
        if text("id") == "create-dup-61-again" {
            let before = transcript["meta_after"]["1"][0].as_str().unwrap();
            fixture.set_meta(1, before.as_bytes());
        }
    }
    let arguments: Vec<String> =
        transcript["args"].as_array().unwrap().iter().map(|a| a.as_str().unwrap().to_owned()).collect();
    let mut command = rig::binary();
    command.args(&arguments).env("WP_APP_PASSWORD_DB", fixture.url()).env_remove("COLUMNS");
    for (name, value) in transcript["env"].as_object().into_iter().flatten() {
        command.env(name, value.as_str().unwrap());
    }
    let before = fixture.metas();
    let exit = transcript["exit"].as_i64().unwrap() as i32;
    // Nobody else writes here, and on SQLite that cannot be seen: hundreds of waits for nothing. The others show that
    // the parameter changes no byte.
    let writes = ["create", "update", "delete", "record-usage"];
    if exit == 0
        && arguments.iter().any(|a| writes.contains(&a.as_str()))
        && !arguments.iter().any(|a| a == "--")
    {
        command.arg("--no-confirm");
    }
    let is_usage = transcript["usage"].as_bool().unwrap_or(false);
    match text("mode").as_str() {
        "pipe" => {
            let output = command.output().unwrap();
            same("exit code", &exit.to_string(), &output.status.code().unwrap_or(-1).to_string())?;
            if is_usage {
                // The words are free; the stream is the contract.
                same(
                    "silence of stdout",
                    &text("stdout").is_empty().to_string(),
                    &output.stdout.is_empty().to_string(),
                )?;
                same(
                    "silence of stderr",
                    &text("stderr").is_empty().to_string(),
                    &output.stderr.is_empty().to_string(),
                )?;
            } else {
                same_bytes("stdout", text("stdout").as_bytes(), &output.stdout)?;
                same_bytes("stderr", text("stderr").as_bytes(), &output.stderr)?;
            }
        }
        mode => {
            let columns = mode.strip_prefix("tty").unwrap().parse().unwrap();
            command.env("TERM", "xterm");
            let run = Terminal::run(command, columns);
            same("exit code", &exit.to_string(), &run.exit_code.to_string())?;
            if !is_usage {
                same_bytes("terminal", text("tty").as_bytes(), &run.received)?;
            }
        }
    }
    let after = fixture.metas();
    for user in 1..=10_u64 {
        let expected: Vec<Vec<u8>> = match transcript["meta_after"].get(user.to_string()) {
            Some(rows) => rows.as_array().unwrap().iter().map(|row| row.as_str().unwrap().into()).collect(),
            None => before.get(&user).cloned().unwrap_or_default(),
        };
        let found = after.get(&user).cloned().unwrap_or_default();
        same(
            &format!("number of rows of user {user}"),
            &expected.len().to_string(),
            &found.len().to_string(),
        )?;
        for (expected, found) in expected.iter().zip(&found) {
            same_bytes(&format!("stored list of user {user}"), &stable(expected), &stable(found))?;
        }
    }
    Ok(())
}

/// Puts placeholders where a run draws at random: new passwords in the output.
fn without_passwords(bytes: &[u8]) -> Vec<u8> {
    let password = Regex::new(r"(?m)^(Password: )?[A-Za-z0-9]{24}(\r?)$").unwrap();
    password.replace_all(bytes, &b"$1(24 characters)$2"[..]).into_owned()
}

/// Puts placeholders where a stored list differs from run to run, and only there: what the fixture holds
/// stays as it is.
fn stable(stored: &[u8]) -> Vec<u8> {
    let rules = [
        (r#"s:49:"\$generic\$[A-Za-z0-9_-]{40}""#, &b"GENERIC"[..]),
        (r#"s:4:"uuid";s:36:"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}""#, b"UUID"),
        (r#"(s:7:"created"|s:9:"last_used");i:179[0-9]{7};"#, b"$1 NOW"),
    ];
    let from_fixture =
        Regex::new(r"(1{8}|2{8}|3{8}|4{8})-|F6W18u0QEytABCDEFGHIJKLMNOPQRSTUVWXYZ012").unwrap();
    rules.iter().fold(stored.to_vec(), |stored, (pattern, placeholder)| {
        Regex::new(pattern)
            .unwrap()
            .replace_all(&stored, |captures: &regex::bytes::Captures<'_>| {
                if from_fixture.is_match(&captures[0]) {
                    return captures[0].to_vec();
                }
                let mut text = Vec::new();
                captures.expand(placeholder, &mut text);
                text
            })
            .into_owned()
    })
}

fn same(what: &str, expected: &str, found: &str) -> Result<(), String> {
    if expected == found { Ok(()) } else { Err(format!("{what}: expected {expected}, found {found}")) }
}

fn same_bytes(what: &str, expected: &[u8], found: &[u8]) -> Result<(), String> {
    let (expected, found) = (without_passwords(expected), without_passwords(found));
    if expected == found {
        return Ok(());
    }
    Err(format!(
        "{what}:\n  expected {:?}\n  found    {:?}",
        String::from_utf8_lossy(&expected),
        String::from_utf8_lossy(&found)
    ))
}
