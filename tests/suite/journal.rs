//! The journal: who changed what, without a secret, wherever it is asked for.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::process::Terminal;
use crate::rig;
use crate::suspend::{Place, item, list, text, uuid};

fn records(file: &Path) -> Vec<Value> {
    let lines = std::fs::read_to_string(file).unwrap_or_default();
    assert!(lines.is_empty() || lines.ends_with('\n'));
    lines.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn actions(file: &Path) -> Vec<String> {
    records(file)
        .iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap().to_owned();
            format!("{} {} {}", text("command"), text("action"), text("name"))
        })
        .collect()
}

#[test]
fn every_change_is_a_record_that_says_who_and_what_and_no_secret() {
    for mut place in Place::both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.jsonl");
        let journal = format!("--journal={}", file.display());
        let run = |arguments: &[&str]| place.run(&[arguments, &[&journal]].concat());
        let password = text(&run(&["create", "3", "Feed", "--porcelain"]).stdout).trim().to_owned();
        let id = text(&run(&["list", "3", "--format=ids"]).stdout).trim().to_owned();
        run(&["get", "3", &id]);
        run(&["exists", "3", "Feed"]);
        run(&["update", "3", &id, "--name=Restricted", "--allow=GET /wp/v2/posts"]);
        // A new name hides no restriction that went with it.
        run(&["update", "3", &id, "--name=Renamed", "--clear=allow"]);
        run(&["update", "3", &id, "--name=Renamed"]);
        run(&["record-usage", "3", &id]);
        run(&["record-usage", "3", &id]);
        run(&["suspend", "3", &id]);
        run(&["suspend", "3", &id]);
        run(&["resume", "3", &id]);
        let rotated =
            text(&run(&["rotate", "3", &id, "--porcelain", "--overlap=1h"]).stdout).trim().to_owned();
        run(&["rotate", "--finish", "--now"]);
        run(&["prune", "--name=Renamed", "--dry-run"]);
        run(&["prune", "--name=Renamed", "--yes"]);
        run(&["ensure", "3", "Job", "--porcelain"]);
        run(&["suspend", "3", "--all"]);
        run(&["delete", "3", "--all"]);
        run(&["create", "3", "Last", "--porcelain"]);
        run(&["revoke-all", "3"]);
        let output = run(&["create", "3", ""]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            actions(&file),
            [
                "create create Feed",
                "update rename Restricted",
                "update update Restricted",
                "update rename Renamed",
                "update update Renamed",
                "record-usage record-usage Renamed",
                "suspend suspend Renamed",
                "resume resume Renamed",
                "rotate create Renamed",
                "rotate retire-later Renamed",
                "rotate deliver Renamed",
                "rotate revoke Renamed",
                "prune revoke Renamed",
                "ensure create Job",
                "ensure deliver Job",
                "suspend suspend Job",
                "delete erase-suspended Job",
                "create create Last",
                "revoke-all revoke Last",
            ]
        );
        let all = std::fs::read_to_string(&file).unwrap();
        for secret in [&password, &rotated] {
            assert!(secret.len() >= 24 && !all.contains(secret.as_str()), "{all}");
        }
        assert!(!all.contains("$generic$") && !all.contains("$2y$") && !all.contains("$wp$"), "{all}");
        for record in records(&file) {
            assert_eq!(record["user_id"], 3);
            assert_eq!(record["user_login"], "author1");
            assert_eq!(record["outcome"], "done");
            assert_eq!(record["uid"], rustix::process::getuid().as_raw());
            assert!(record["login"].is_string() && record["pid"].is_u64(), "{record}");
            assert!(
                !record["host"].as_str().unwrap().is_empty()
                    && record["time"].as_str().unwrap().ends_with('Z')
            );
            assert!(record["site"].as_str().unwrap().starts_with("http"), "{record}");
            assert!(record["database"].as_str().unwrap().contains(if place.0.url().starts_with("sqlite") {
                "SQLite"
            } else {
                "MariaDB"
            }));
            assert!(!record["database"].as_str().unwrap().contains("://"), "{record}");
        }
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
        place.0.reset();
    }
}

#[test]
fn a_change_that_could_not_be_made_is_told_with_its_reason() {
    for mut place in Place::both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.jsonl");
        let journal = format!("--journal={}", file.display());
        place.0.set_meta(3, b"a:1:{broken");
        place.0.set_meta(4, &list(&[(0, item(1, &[]))]));
        place.ends(3, &["revoke-all", "--all-users", "--yes", &journal]);
        place.ends(1, &["delete", "3", "--all", &journal]);
        // What was asked for wrongly is no attempt at a change.
        place.ends(1, &["delete", "4", &uuid(7), &journal]);
        let told: Vec<[String; 4]> = records(&file)
            .iter()
            .filter(|record| [3, 4].contains(&record["user_id"].as_u64().unwrap()))
            .map(|record| {
                ["command", "action", "user_login", "outcome"]
                    .map(|key| record[key].as_str().unwrap().to_owned())
            })
            .collect();
        let lost = "failed: the list cannot be read";
        assert_eq!(
            told,
            [
                ["revoke-all", "none", "author1", lost],
                ["revoke-all", "revoke", "subscriber1", "done"],
                ["delete", "none", "author1", lost],
            ]
        );
        place.0.reset();
    }
}

#[test]
fn what_was_refused_is_told_with_its_reason() {
    for mut place in Place::both() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.jsonl");
        let journal = format!("--journal={}", file.display());
        place.0.sql("DELETE FROM wp_usermeta WHERE meta_key = '_application_passwords'");
        let tied = list(&[(0, item(1, &[])), (1, item(2, &[("more", "R:3;")]))]);
        place.0.set_meta(3, &tied);
        place.ends(1, &["prune", "--older-than=1d", "--user=3", "--yes", "--max=1", &journal]);
        place.ends(1, &["revoke-all", "3", "--max=1", &journal]);
        place.ends(1, &["revoke-all", "--name=Feed 1", "--max=0", "--yes", &journal]);
        place.ends(1, &["delete", "3", "--all", "--expect-url=http://elsewhere.example", &journal]);
        place.ends(1, &["suspend", "3", "--all", &journal]);
        place.ends(3, &["suspend", "--name=Feed 2", "--yes", &journal]);
        let typed = Terminal::run_with_input(place.command(&["revoke-all", "3", &journal]), 120, b"n\n");
        assert_eq!(typed.exit_code, 1);
        place.0.set_meta(3, b"a:1:{broken");
        place.ends(1, &["revoke-all", "3", &journal]);
        place.ends(3, &["prune", "--older-than=1000d", "--yes", &journal]);
        // Nothing was to be changed.
        place.ends(3, &["prune", "--older-than=1000d", "--dry-run", &journal]);
        place.ends(1, &["delete", "99", "--all", &journal]);
        let told: Vec<String> = records(&file)
            .iter()
            .map(|record| {
                assert_eq!(record["action"], "none", "{record}");
                let outcome: String = record["outcome"].as_str().unwrap().chars().take(60).collect();
                format!("{} {} {outcome}", record["command"].as_str().unwrap(), record["user_id"])
            })
            .collect();
        let told: Vec<&str> = told.iter().map(String::as_str).collect();
        assert_eq!(
            told,
            [
                "prune 3 refused: 2 application passwords of 1 user would be revoked,",
                "revoke-all 3 refused: 2 application passwords of user 3 (author1) would b",
                "revoke-all 0 refused: 1 application password of 1 user would be revoked, ",
                "delete 0 refused: This database belongs to another site: --expect-url",
                "suspend 3 failed: one of those entries holds a reference of PHP's or t",
                "suspend 3 failed: one of those entries holds a reference of PHP's or t",
                "revoke-all 3 refused: the question was answered with no",
                "revoke-all 3 failed: the list cannot be read",
                "prune 3 failed: the list cannot be read",
            ]
        );
        place.0.reset();
    }
}

#[test]
fn a_plugin_that_could_not_be_installed_is_told_too() {
    let root = tempfile::tempdir().unwrap();
    let (plugins, file) = (root.path().join("wp-content/mu-plugins"), root.path().join("journal.jsonl"));
    std::fs::create_dir_all(&plugins).unwrap();
    std::fs::create_dir(root.path().join("wp-includes")).unwrap();
    std::fs::write(root.path().join("wp-includes/version.php"), "<?php $wp_version = '7.1';").unwrap();
    std::fs::write(root.path().join("wp-load.php"), "<?php").unwrap();
    std::fs::write(root.path().join("wp-config.php"), "<?php $table_prefix = 'wp_';").unwrap();
    std::fs::write(plugins.join("wp-app-password-enforcer.php"), "<?php // Mine.").unwrap();
    let mut command = rig::binary();
    command.arg(format!("--path={}", root.path().display())).args(["enforcer", "install"]);
    let output = command.arg(format!("--journal={}", file.display())).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = records(&file);
    assert_eq!(told.len(), 1, "{output:?}");
    assert_eq!((told[0]["command"].as_str(), told[0]["action"].as_str()), (Some("enforcer"), Some("none")));
    assert!(told[0]["outcome"].as_str().unwrap().starts_with("failed: "), "{told:?}");
}

#[test]
fn an_entry_that_came_back_with_a_use_is_told_as_not_revoked() {
    let mut place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.jsonl");
    let now = wp_app_password::commands::unix_now();
    let used = |at: i64| list(&[(0, item(1, &[("last_used", &format!("i:{at};"))]))]);
    place.0.set_meta(3, &used(now - 100 * 86_400));
    let journal = format!("--journal={}", file.display());
    let mut run = place
        .command(&["prune", "--unused-for=90d", "--user=3", "--yes", "--confirm=2", &journal])
        .spawn()
        .unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !place.uuids(3).is_empty() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(5));
    }
    place.0.set_meta(3, &used(now));
    assert!(run.wait().unwrap().success());
    assert_eq!(place.uuids(3), [uuid(1)]);
    let told: Vec<(String, String)> = records(&file)
        .iter()
        .map(|record| {
            let text = |key: &str| record[key].as_str().unwrap().to_owned();
            assert_eq!(text("uuid"), uuid(1));
            (text("action"), text("outcome").chars().take(6).collect())
        })
        .collect();
    let pair = |action: &str, outcome: &str| (action.to_owned(), outcome.to_owned());
    assert_eq!(told, [pair("revoke", "done"), pair("revoke", "undone")]);
}

#[test]
fn a_pipe_that_nobody_reads_holds_nothing_up() {
    let mut place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("journal");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
    let journal = format!("--journal={}", pipe.display());
    let started = std::time::Instant::now();
    let mut refused = place.command(&["delete", "3", "--all", &journal, "--journal-required"]);
    let mut refused = refused.stderr(std::process::Stdio::null()).spawn().unwrap();
    while refused.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(20) {
            refused.kill().unwrap();
            panic!("it waits for a reader");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(place.uuids(3), [uuid(1)]);
}

#[test]
fn a_record_that_was_cut_short_spoils_no_other() {
    use std::os::unix::ffi::OsStringExt;
    let mut place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    // A name that is no UTF-8 is a name.
    let file = folder.path().join(std::ffi::OsString::from_vec(b"journal-\xff".to_vec()));
    std::fs::write(&file, "{\"time\":\"2026-").unwrap();
    place.0.set_meta(3, &list(&[(0, item(1, &[])), (1, item(2, &[]))]));
    for number in [1, 2] {
        let mut command = place.command(&["delete", "3", &uuid(number)]);
        let output = command.env("WP_APP_PASSWORD_JOURNAL", &file).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    }
    let all = std::fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = all.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, "{\"time\":\"2026-"), "{all}");
    for (line, number) in lines[1..].iter().zip([1, 2]) {
        assert_eq!(serde_json::from_str::<Value>(line).unwrap()["uuid"], uuid(number));
    }
}

/// Runs the program with its journal on a file system of its own, of `size`, after `before` in a shell that finds the folder in
/// `$1`; whatever the journal holds then is in `copy`. `None`, said aloud, where nobody may mount one.
fn on_a_disk_of(
    size: &str,
    before: &str,
    place: &Place,
    arguments: &[&str],
    copy: &Path,
) -> Option<std::process::Output> {
    let folder = tempfile::tempdir().unwrap();
    let script = format!(
        "mount -t tmpfs -o size={size} none \"$1\" || exit 77; {before}; disk=$1; copy=$2; shift 2; \"$@\"; code=$?; \
         cp \"$disk/journal\" \"$copy\"; exit $code"
    );
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", &script, "sh"]).arg(folder.path()).arg(copy);
    command.arg(env!("CARGO_BIN_EXE_wp-app-password")).args(arguments).arg("--journal-required");
    command.arg(format!("--journal={}", folder.path().join("journal").display()));
    let output = command.env("WP_APP_PASSWORD_DB", place.0.url()).output();
    let output = output.ok().filter(|output| {
        let said = text(&output.stderr);
        output.status.code() != Some(77) && !said.contains("unshare") && !said.contains("mount:")
    });
    if output.is_none() {
        // Not eprintln!: the test harness would hide it.
        let _ = writeln!(std::io::stderr(), "SKIPPED: nobody may mount a file system here");
    }
    output
}

#[test]
fn on_a_full_disk_nothing_is_changed_where_the_journal_is_required() {
    let mut place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
    let fill =
        "head -c 60000 /dev/zero > \"$1/other\"; head -c 4000 /dev/zero | tr '\\0' '\\n' > \"$1/journal\"";
    let copy = folder.path().join("copy");
    let Some(output) = on_a_disk_of("64k", fill, &place, &["delete", "3", "--all"], &copy) else { return };
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("Nothing was changed, as --journal-required asks."), "{said}");
    assert_eq!(place.uuids(3), [uuid(1)]);
}

#[test]
fn where_the_disk_fills_up_in_the_middle_the_others_stay_as_they_were() {
    let mut place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    place.0.sql("DELETE FROM wp_usermeta WHERE meta_key = '_application_passwords'");
    let many: Vec<_> = (0..200).map(|number| (i64::from(number), item(number, &[]))).collect();
    let users = [1, 2, 3, 4, 5];
    for user in users {
        place.0.set_meta(user, &list(&many));
    }
    let copy = folder.path().join("copy");
    let all = ["revoke-all", "--all-users", "--yes", "--no-confirm"];
    let Some(output) = on_a_disk_of("420k", "true", &place, &all, &copy) else { return };
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(said.contains("Nothing more was changed, as --journal-required asks. "), "{said}");
    let left: Vec<usize> = users.iter().map(|user| place.uuids(*user).len()).collect();
    let revoked = left.iter().filter(|left| **left == 0).count();
    assert!(
        revoked > 0 && revoked < users.len() && left.iter().all(|left| [0, 200].contains(left)),
        "{left:?}"
    );
    let done = records(&copy).iter().filter(|record| record["outcome"] == "done").count();
    assert_eq!(done, 200 * revoked, "{said}");
    assert!(said.contains(&format!("{} users were left as they were.", users.len() - revoked)), "{said}");
}

#[test]
fn who_asked_for_it_is_told_as_far_as_the_environment_tells() {
    let place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.jsonl");
    let output = place
        .command(&["create", "3", "Feed"])
        .env("WP_APP_PASSWORD_JOURNAL", &file)
        .env("SUDO_USER", "anna\u{1b}[31m")
        .env("GITHUB_RUN_ID", "4711")
        .env("CI_JOB_URL", "https://anna:t0ken@gitlab.example.com/j/1?private=t0ken#t0ken")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let line = std::fs::read_to_string(&file).unwrap();
    assert!(!line.trim_end().contains(char::is_control), "{line}");
    let record = &records(&file)[0];
    assert_eq!(record["sudo_user"], "anna\u{1b}[31m");
    assert_eq!(record["ci"]["GITHUB_RUN_ID"], "4711");
    assert_eq!(record["ci"]["CI_JOB_URL"], "https://gitlab.example.com/j/1");
}

#[test]
fn a_file_that_cannot_be_written_is_a_warning_or_stops_the_change_before_it() {
    for mut place in Place::both() {
        place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
        let before = place.list(3);
        let journal = "--journal=/nonexistent/folder/journal";
        let refused = place.ends(1, &["delete", "3", &uuid(1), journal, "--journal-required"]);
        assert!(
            refused.starts_with("Error: The journal /nonexistent/folder/journal can't be written: "),
            "{refused}"
        );
        assert!(refused.contains("Nothing was changed, as --journal-required asks."), "{refused}");
        assert_eq!(place.list(3), before);
        assert!(
            place.ends(1, &["list", "3", "--journal-required"]).contains("--journal-required needs a file")
        );
        // What was refused changed nothing: no record of a change is missing.
        let refused = place.ends(1, &["revoke-all", "3", "--max=0", journal, "--journal-required"]);
        assert!(refused.contains("Error: 1 application password of user 3 (author1) would be"), "{refused}");
        assert!(!refused.contains("What was done"), "{refused}");
        // Reading needs no journal.
        place.done(&["list", "3", journal, "--journal-required"]);
        let output = place.run(&["delete", "3", &uuid(1), journal]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(text(&output.stdout), "Success: Deleted 1 of 1 application password.\n");
        assert!(text(&output.stderr).starts_with("Warning: The journal "), "{output:?}");
        assert!(place.uuids(3).is_empty());
        // A full disk shows only when the record is written.
        place.0.set_meta(3, &before);
        let full = place.run(&["delete", "3", &uuid(1), "--journal=/dev/full", "--journal-required"]);
        assert_eq!(full.status.code(), Some(1), "{full:?}");
        assert!(
            text(&full.stderr).contains("What was done is done, but its record is missing there."),
            "{full:?}"
        );
    }
}

#[test]
fn the_system_log_gets_each_record_and_a_missing_one_is_silent() {
    let mut place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("log");
    place.0.set_meta(3, &list(&[(0, item(1, &[])), (1, item(2, &[]))]));
    let delete = |number: u8| {
        let mut command = place.command(&["delete", "3", &uuid(number)]);
        let output = command.env("WP_APP_PASSWORD_SYSLOG", &socket).output().unwrap();
        assert_eq!(text(&output.stderr), "");
        assert_eq!(text(&output.stdout), "Success: Deleted 1 of 1 application password.\n");
    };
    // Nobody listens.
    delete(1);
    let log = UnixDatagram::bind(&socket).unwrap();
    log.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    delete(2);
    let mut buffer = [0; 8192];
    let length = log.recv(&mut buffer).unwrap();
    let message = text(&buffer[..length]);
    let (head, record) = message.split_once("]: ").unwrap();
    assert!(head.starts_with("<85>wp-app-password["), "{message}");
    let record: Value = serde_json::from_str(record).unwrap();
    assert_eq!(record["action"], "revoke");
    assert_eq!(record["uuid"], uuid(2));
    // One that is stuck holds nothing up for long, however much there is to tell.
    let full = vec![b'x'; 1_000];
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(&full, &socket).is_ok() {}
    let many: Vec<_> = (0..100).map(|number| (i64::from(number), item(number, &[]))).collect();
    place.0.set_meta(3, &list(&many));
    let mut command = place.command(&["delete", "3", "--all"]);
    let started = std::time::Instant::now();
    let output = command.env("WP_APP_PASSWORD_SYSLOG", &socket).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn records_of_many_runs_at_once_stay_whole_lines() {
    let mut place = Place::both().remove(0);
    place.0.set_meta(3, &list(&[]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.jsonl");
    let journal = format!("--journal={}", file.display());
    let runs: Vec<_> = (0..12)
        .map(|number| {
            let name = format!("Feed {number} {}", "x".repeat(200));
            let mut command = place.command(&["create", "3", &name, &journal, "--no-confirm"]);
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut run in runs {
        assert!(run.wait().unwrap().success());
    }
    let records = records(&file);
    assert_eq!(records.len(), 12);
    let names: std::collections::BTreeSet<&str> =
        records.iter().map(|record| record["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 12);
    assert_eq!(place.uuids(3).len(), 12);
}

#[test]
fn a_leaked_password_that_is_revoked_leaves_a_record() {
    let mut place = Place::both().remove(0);
    let folder = tempfile::tempdir().unwrap();
    let (file, leak) = (folder.path().join("journal.jsonl"), folder.path().join("leak"));
    let password = place.done(&["create", "3", "Leaked", "--porcelain"]);
    std::fs::write(&leak, &password).unwrap();
    let journal = format!("--journal={}", file.display());
    let output = place.run(&["identify", leak.to_str().unwrap(), "--revoke", "--yes", &journal]);
    assert!(place.uuids(3).is_empty(), "{output:?}");
    assert_eq!(actions(&file), ["identify revoke Leaked"]);
}
