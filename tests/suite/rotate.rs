//! `rotate` and `ensure`: nobody is ever without a password that works, and nothing old stays behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fixture::{Fixture, MariadbFixture, SqliteFixture};
use crate::rig::{self, Rig, Site};
use crate::wordpress::Person;
use wp_app_password::application_passwords::StoredList;
use wp_app_password::wordpress::generate::strip_for_check;
use wp_app_password::wordpress::password_hash::Era;

/// A site on either kind of database, and a folder for what is delivered.
struct Place {
    fixture: Box<dyn Fixture>,
    folder: tempfile::TempDir,
}

/// A user of the fixture without any entry.
const USER: &str = "2";

impl Place {
    fn on_sqlite() -> Self {
        Self { fixture: Box::new(SqliteFixture::new()), folder: tempfile::tempdir().unwrap() }
    }

    fn on_mariadb() -> Option<Self> {
        Some(Self { fixture: Box::new(MariadbFixture::new()?), folder: tempfile::tempdir().unwrap() })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rig::binary();
        command.args(arguments).env("WP_APP_PASSWORD_DB", self.fixture.url());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs what must succeed without a word on stderr; its stdout.
    #[track_caller]
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stdout));
        text(&output.stdout)
    }

    /// Runs what must fail; its stderr.
    #[track_caller]
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        text(&output.stderr)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Every field of the user's entries.
    fn entries(&self, user: &str) -> Vec<Value> {
        let fields = "uuid,name,app_id,last_used,rotated_from,rotated_at,rotated_by,rotated_name,retire_at,undelivered,note,allow,rotating_to";
        let output = self.run(&["list", user, "--format=json", &format!("--fields={fields}"), "--quiet"]);
        serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
    }

    fn uuid_of(&self, user: &str, name: &str) -> String {
        let entry = self.entries(user).into_iter().find(|entry| entry["name"] == name).expect(name);
        entry["uuid"].as_str().unwrap().to_owned()
    }

    /// Whether WordPress accepts the password, by the stored list alone.
    fn accepts(&mut self, user: u64, password: &str) -> bool {
        self.uuid_for(user, password).is_some()
    }

    /// The entry that a password belongs to.
    fn uuid_for(&mut self, user: u64, password: &str) -> Option<String> {
        let rows = self.fixture.metas().remove(&user).unwrap_or_default();
        let list = StoredList::from_value(1, rows.first().map(Vec::as_slice));
        let stripped = strip_for_check(password.as_bytes());
        let found = list.find_password(&stripped, Era::Unknown).entry?;
        Some(text(&found.record.text("uuid").unwrap()))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default().trim_end().to_owned()
}

#[test]
fn a_rotation_hands_over_the_place_and_the_old_password_goes() {
    let mut place = Place::on_sqlite();
    let old = place.done(&[
        "create",
        USER,
        "Stock feed",
        "--app-id=11111111-1111-4111-8111-111111111111",
        "--porcelain",
    ]);
    let old_uuid = place.uuid_of(USER, "Stock feed");
    let stdout = place.done(&["rotate", USER, &old_uuid]);
    let new = stdout.lines().next().unwrap().strip_prefix("Password: ").unwrap().to_owned();
    let entries = place.entries(USER);
    assert_eq!(entries.len(), 1, "{entries:?}");
    let new_uuid = entries[0]["uuid"].as_str().unwrap().to_owned();
    assert_eq!(entries[0]["name"], "Stock feed");
    assert_eq!(entries[0]["app_id"], "11111111-1111-4111-8111-111111111111");
    assert_eq!(entries[0]["rotated_from"], old_uuid.as_str());
    assert!(entries[0]["undelivered"].is_null() && entries[0]["rotated_at"].is_i64(), "{entries:?}");
    assert!(stdout.contains(&format!("{new_uuid} replaces {old_uuid}.")), "{stdout}");
    assert!(stdout.contains("The old password is revoked (never used)."), "{stdout}");
    assert!(place.accepts(2, &new) && !place.accepts(2, old.trim()));

    // The same command again: a run that was killed after its last write would be repeated like this.
    let again = place.done(&["rotate", USER, &old_uuid]);
    assert!(again.contains("Nothing is left to do."), "{again}");
    assert!(place.accepts(2, &new));
    // By name it is the one in service.
    let porcelain = place.done(&["rotate", USER, "--name=stock FEED", "--porcelain"]);
    assert!(place.accepts(2, porcelain.trim()) && !place.accepts(2, &new));
    assert_eq!(porcelain.len(), 25);
}

#[test]
fn an_overlap_keeps_the_old_password_until_it_is_over() {
    let mut place = Place::on_sqlite();
    let old = place.done(&["create", USER, "Feed", "--porcelain"]);
    let old_uuid = place.uuid_of(USER, "Feed");
    place.done(&["record-usage", USER, &old_uuid]);
    let stdout = place.done(&["rotate", USER, &old_uuid, "--overlap=24h"]);
    let new = stdout.lines().next().unwrap().strip_prefix("Password: ").unwrap().to_owned();
    assert!(
        stdout.contains("The old password works until ") && stdout.contains("WordPress notes one a day"),
        "{stdout}"
    );
    assert!(place.accepts(2, &new) && place.accepts(2, old.trim()));
    // Not due: nothing happens, and it says when.
    assert!(place.done(&["rotate", "--finish"]).contains("No old password is due. The next is due "));
    assert_eq!(place.entries(USER).len(), 2);
    // The one in service is rotated again; the first stays until its own date, and knows who replaced it last.
    let third = place.done(&["rotate", USER, "--name=Feed", "--porcelain"]);
    assert!(place.accepts(2, third.trim()) && !place.accepts(2, &new) && place.accepts(2, old.trim()));
    let dry = place.run(&["rotate", "--finish", "--now", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(2));
    assert!(text(&dry.stdout).contains(&old_uuid), "{dry:?}");
    let finished = place.done(&["rotate", "--finish", "--now"]);
    assert!(finished.contains(&format!("Revoked {old_uuid} 'Feed' of user 2")), "{finished}");
    assert!(place.accepts(2, third.trim()) && !place.accepts(2, old.trim()));
    assert_eq!(place.entries(USER).len(), 1);
}

#[test]
fn an_overlap_that_is_over_ends_with_the_next_finish() {
    let mut place = Place::on_sqlite();
    let old = place.done(&["create", USER, "Feed", "--porcelain"]);
    let new = place.done(&["rotate", USER, "--name=Feed", "--overlap=1s", "--porcelain"]);
    std::thread::sleep(Duration::from_millis(1_500));
    place.done(&["rotate", "--finish", USER]);
    assert!(place.accepts(2, new.trim()) && !place.accepts(2, old.trim()));
    assert!(place.done(&["rotate", "--finish"]).contains("No old password is due."));
}

#[test]
fn an_old_password_whose_replacement_is_gone_is_not_revoked() {
    let mut place = Place::on_sqlite();
    let old = place.done(&["create", USER, "Feed", "--porcelain"]);
    let old_uuid = place.uuid_of(USER, "Feed");
    let new = place.done(&["rotate", USER, "--name=Feed", "--overlap=24h", "--porcelain"]);
    let new_uuid = place.uuid_for(2, &new).unwrap();
    place.done(&["delete", USER, &new_uuid]);
    let stderr = place.fails(3, &["rotate", "--finish", "--now"]);
    assert!(stderr.contains("what took its place is gone, so it was kept"), "{stderr}");
    assert!(place.accepts(2, old.trim()));
    // It can be rotated again.
    let third = place.done(&["rotate", USER, &old_uuid, "--porcelain"]);
    assert!(place.accepts(2, third.trim()) && !place.accepts(2, old.trim()));
}

#[test]
fn ambiguous_and_unknown_names_change_nothing() {
    let place = Place::on_sqlite();
    place.done(&["create", USER, "Twin"]);
    place.done(&["create", USER, "twin"]);
    let before = place.entries(USER);
    let stderr = place.fails(1, &["rotate", USER, "--name=TWIN"]);
    for entry in &before {
        assert!(stderr.contains(entry["uuid"].as_str().unwrap()), "{stderr}");
    }
    assert!(
        place
            .fails(1, &["rotate", USER, "--name=other"])
            .contains("has no application password named 'other'")
    );
    assert!(
        place.fails(1, &["rotate", USER, "99999999-9999-4999-8999-999999999999"]).contains("Could not find")
    );
    assert!(place.fails(1, &["rotate", USER]).contains("Say which"));
    assert_eq!(place.entries(USER), before);
}

#[test]
fn extra_keys_of_this_tool_are_inherited_and_those_of_others_are_not() {
    let mut place = Place::on_sqlite();
    let value = "a:1:{i:0;a:10:{s:4:\"uuid\";s:36:\"11111111-1111-4111-8111-111111111111\";s:6:\"app_id\";s:0:\"\";\
                 s:4:\"name\";s:4:\"Feed\";s:8:\"password\";s:3:\"old\";s:7:\"created\";i:1700000000;s:9:\"last_used\";N;\
                 s:7:\"last_ip\";N;s:4:\"note\";s:5:\"shop1\";s:5:\"allow\";a:2:{i:0;s:10:\"GET /wc/v3\";i:1;s:10:\"PUT /wc/v3\";}\
                 s:6:\"plugin\";s:3:\"own\";}}";
    place.fixture.set_meta(2, value.as_bytes());
    place.done(&["rotate", USER, "--name=Feed", "--porcelain"]);
    let value = text(&place.fixture.metas()[&2][0]);
    assert!(value.contains("s:4:\"note\";s:5:\"shop1\";"), "{value}");
    assert!(
        value.contains("s:5:\"allow\";a:2:{i:0;s:10:\"GET /wc/v3\";i:1;s:10:\"PUT /wc/v3\";}"),
        "{value}"
    );
    assert!(!value.contains("plugin") && !value.contains("s:3:\"old\""), "{value}");
}

#[test]
fn where_names_are_unique_the_new_one_gets_the_name_at_the_end() {
    let mut place = Place::on_sqlite();
    // 6.2 to 6.6.
    place.fixture.set_db_version("53496");
    place.done(&["create", USER, "Feed"]);
    place.done(&["rotate", USER, "--name=Feed"]);
    assert_eq!(place.entries(USER)[0]["name"], "Feed");
    assert!(place.entries(USER)[0]["rotated_name"].is_null());
    // With an overlap the old one has the name until it goes.
    place.done(&["rotate", USER, "--name=Feed", "--overlap=24h"]);
    let names = |place: &Place| -> Vec<String> {
        let mut names: Vec<String> =
            place.entries(USER).iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&place), ["Feed", "Feed (rotated)"]);
    // It goes by its name already.
    let third = place.done(&["rotate", USER, "--name=feed", "--overlap=24h", "--porcelain"]);
    assert_eq!(names(&place), ["Feed", "Feed (rotated 2)", "Feed (rotated)"]);
    place.done(&["rotate", "--finish", "--now"]);
    assert_eq!(names(&place), ["Feed"]);
    assert!(place.accepts(2, third.trim()));
    assert!(place.entries(USER)[0]["rotated_name"].is_null());
    // Over generations: no name is there twice, and the last one gets it in the end.
    place.done(&["rotate", USER, "--name=Feed", "--overlap=1h"]);
    place.done(&["rotate", USER, "--name=Feed"]);
    assert_eq!(names(&place), ["Feed", "Feed (rotated 2)"]);
    place.done(&["rotate", "--finish", "--now"]);
    assert_eq!(names(&place), ["Feed"]);
    // The old one was revoked by hand: the name is set right at the next finish.
    let old_uuid = place.uuid_of(USER, "Feed");
    place.done(&["rotate", USER, "--name=Feed", "--overlap=24h"]);
    place.done(&["delete", USER, &old_uuid]);
    assert_eq!(names(&place), ["Feed (rotated)"]);
    place.done(&["rotate", "--finish"]);
    assert_eq!(names(&place), ["Feed"]);
}

#[test]
fn a_sink_that_fails_leaves_the_old_password_alone() {
    for sink in [
        &["--exec=cat >/dev/null; exit 3"][..],
        &["--exec=kill -9 $$"],
        &["--exec=/nonexistent/program"],
        &["--out-file=/nonexistent/folder/file"],
        &["--out-file=/proc/version"],
        &["--out-fd=77"],
        &["--encrypt-to=age1nonsense"],
        &["--seal-to=nonsense"],
        &["--format=netrc", "--out-file=/dev/null"],
    ] {
        let mut place = Place::on_sqlite();
        let old = place.done(&["create", USER, "Feed", "--porcelain"]);
        let before = place.fixture.metas();
        let mut arguments = vec!["rotate", USER, "--name=Feed"];
        arguments.extend(sink);
        let stderr = place.fails(1, &arguments);
        assert!(stderr.contains("Nothing was changed"), "{sink:?}: {stderr}");
        assert_eq!(place.fixture.metas(), before, "{sink:?}");
        assert!(place.accepts(2, old.trim()));
    }
    // Standard output that is full, broken or closed.
    for redirection in [">/dev/full", "| true", ">&-"] {
        let mut place = Place::on_sqlite();
        let old = place.done(&["create", USER, "Feed", "--porcelain"]);
        let before = place.fixture.metas();
        let script =
            format!("exec {} rotate {USER} --name=Feed {redirection}", env!("CARGO_BIN_EXE_wp-app-password"));
        let script = script.replace("exec ", if redirection == "| true" { "sleep 0.2 | " } else { "exec " });
        let mut command = Command::new("bash");
        command.arg("-c").arg(&script);
        let output = command.env("WP_APP_PASSWORD_DB", place.fixture.url()).output().unwrap();
        assert_eq!(place.fixture.metas(), before, "{redirection}: {output:?}");
        assert!(place.accepts(2, old.trim()));
        assert!(text(&output.stderr).contains("Nothing was changed"), "{redirection}: {output:?}");
    }
}

#[test]
fn the_file_of_a_rotation_holds_a_password_that_works() {
    let mut place = Place::on_sqlite();
    let file = place.file("secret");
    let sink = format!("--out-file={}", file.display());
    place.done(&["create", USER, "Feed", &sink]);
    let old = read(&file);
    assert!(place.accepts(2, &old));
    let stdout = place.done(&["rotate", USER, "--name=Feed", &sink]);
    let new = read(&file);
    assert!(place.accepts(2, &new) && !place.accepts(2, &old));
    assert!(
        !stdout.contains(&new)
            && stdout.contains(&format!("The new password was written to {}", file.display()))
    );
}

#[test]
fn several_are_rotated_each_into_its_own_file() {
    let mut place = Place::on_sqlite();
    for name in ["One", "Two/../../x", ".hidden"] {
        place.done(&["create", USER, name]);
    }
    let template = format!("--out-file={}", place.file("{user}-{name}").display());
    // Without a placeholder all would land in one file.
    let flat = format!("--out-file={}", place.file("flat").display());
    let stderr = place.fails(1, &["rotate", "--all-of", USER, &flat]);
    assert!(
        stderr.contains("Several passwords would go to one place") && stderr.contains("Nothing was changed"),
        "{stderr}"
    );
    let dry = place.run(&["rotate", "--all-of", USER, &template, "--dry-run"]);
    assert_eq!(dry.status.code(), Some(2));
    assert_eq!(text(&dry.stdout).lines().count(), 4, "{dry:?}");
    assert!(place.fails(1, &["rotate", "--all-of", USER, "--porcelain"]).contains("--porcelain prints one"));
    place.done(&["rotate", "--all-of", USER, &template]);
    let mut files: Vec<String> = std::fs::read_dir(place.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in &files {
        let password = read(&place.file(file));
        assert!(place.accepts(2, &password), "{file}");
        assert!(!file.contains("..") || file.contains("Two_.._.._x"), "{file}");
    }
    // One of them fails: the others are rotated, and the exit code says so.
    let exec = "--exec=cat >/dev/null; test \"$WP_APP_PASSWORD_NAME\" != One";
    let before = place.entries(USER);
    let stderr = place.fails(3, &["rotate", "--all-of", USER, exec]);
    assert!(stderr.contains("1 of 3 application passwords could not be rotated."), "{stderr}");
    let kept =
        |entries: &[Value], name: &str| entries.iter().find(|e| e["name"] == name).unwrap()["uuid"].clone();
    let after = place.entries(USER);
    assert_eq!(kept(&before, "One"), kept(&after, "One"));
    assert_ne!(kept(&before, ".hidden"), kept(&after, ".hidden"));
    assert_eq!(after.len(), 3);
}

#[test]
fn old_ones_of_all_users_are_rotated_when_that_is_meant() {
    let place = Place::on_sqlite();
    let all = place.run(&["list", "--format=count"]);
    let count: usize = text(&all.stdout).trim().parse().unwrap();
    let exec = "--exec=cat >/dev/null";
    let stderr = place.fails(1, &["rotate", "--older-than=1d", exec]);
    assert!(stderr.contains("users would be rotated: say --yes"), "{stderr}");
    place.done(&["rotate", "--older-than=36500d", exec]);
    let output = place.run(&["rotate", "--older-than=1d", exec, "--yes", "--no-confirm"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let rotated = text(&output.stdout).lines().filter(|line| line.starts_with("Success: Rotated")).count();
    assert!(rotated > 5, "{output:?}");
    assert_eq!(text(&place.run(&["list", "--format=count"]).stdout).trim().parse::<usize>().unwrap(), count);
    place.done(&["rotate", "--older-than=1d", exec]);
}

#[test]
fn a_rotation_that_did_not_end_is_undone_or_ended() {
    let mut place = Place::on_sqlite();
    let old = place.done(&["create", USER, "Feed", "--porcelain"]);
    let old_uuid = place.uuid_of(USER, "Feed");
    assert!(
        place
            .fails(1, &["rotate", USER, &old_uuid, "--abort"])
            .contains("No rotation of the application password")
    );
    let killed = place.run(&["rotate", USER, &old_uuid, "--exec=kill -9 $PPID"]);
    assert_eq!(killed.status.code(), None, "{killed:?}");
    let before = place.entries(USER);
    assert_eq!(before.len(), 2);
    // Whether the password was delivered, nobody knows: that is said before.
    let dry = place.run(&["rotate", USER, "--name=Feed", "--abort", "--dry-run"]);
    assert_eq!(dry.status.code(), Some(2), "{dry:?}");
    assert!(text(&dry.stdout).contains("whose password may have been delivered"), "{dry:?}");
    assert!(place.fails(1, &["rotate", USER, "--name=Feed", "--abort"]).contains("Nobody can tell"));
    assert_eq!(place.entries(USER), before);
    place.done(&["rotate", USER, "--name=Feed", "--abort", "--yes"]);
    assert_eq!(place.entries(USER).len(), 1);
    assert!(place.entries(USER)[0]["rotating_to"].is_null());
    assert!(place.accepts(2, old.trim()));
    // Delivered, and in its overlap: only when that is meant.
    let new = place.done(&["rotate", USER, &old_uuid, "--overlap=1h", "--porcelain"]);
    assert!(
        place
            .fails(1, &["rotate", USER, &old_uuid, "--abort"])
            .contains("whoever has it would be locked out")
    );
    assert!(place.accepts(2, new.trim()));
    place.done(&["rotate", USER, &old_uuid, "--abort", "--yes"]);
    assert!(place.accepts(2, old.trim()) && !place.accepts(2, new.trim()));
    assert!(place.entries(USER)[0]["retire_at"].is_null());
    // A first one that was not delivered.
    place.run(&["ensure", USER, "First", "--exec=kill -9 $PPID"]);
    assert_eq!(place.entries(USER).len(), 2);
    place.done(&["rotate", USER, "--name=First", "--abort", "--yes"]);
    assert_eq!(place.entries(USER).len(), 1);
}

#[test]
fn what_somebody_revokes_during_a_rotation_stays_revoked_and_the_old_one_stays() {
    let mut place = Place::on_sqlite();
    let old = place.done(&["create", USER, "Feed", "--porcelain"]);
    let file = place.file("secret");
    let exec = format!(
        "--exec=cat >{}; {} delete {USER} $WP_APP_PASSWORD_UUID >&2",
        file.display(),
        env!("CARGO_BIN_EXE_wp-app-password")
    );
    let stderr = place.fails(1, &["rotate", USER, "--name=Feed", &exec]);
    assert!(stderr.contains("Somebody else revoked the new application password"), "{stderr}");
    let held = read(&file);
    assert!(held.len() == 24 && !place.accepts(2, &held));
    assert!(place.accepts(2, old.trim()));
    // The next run is as if nothing had been.
    let new = place.done(&["rotate", USER, "--name=Feed", "--porcelain"]);
    assert!(place.accepts(2, new.trim()) && !place.accepts(2, old.trim()));
    assert_eq!(place.entries(USER).len(), 1);
}

#[test]
fn what_somebody_revokes_while_a_rotation_is_confirmed_stays_revoked() {
    let mut place = Place::on_sqlite();
    let old = place.done(&["create", USER, "Feed", "--porcelain"]);
    let run = place
        .command(&["rotate", USER, "--name=Feed", "--overlap=1h", "--confirm=4", "--exec=cat >/dev/null"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let new_uuid = loop {
        let entries = place.entries(USER);
        if let Some(by) = entries.iter().find_map(|entry| entry["rotated_by"].as_str()) {
            break by.to_owned();
        }
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    };
    place.run(&["delete", USER, &new_uuid]);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stderr).contains("Somebody else revoked the new"), "{output:?}");
    let entries = place.entries(USER);
    assert!(!entries.iter().any(|entry| entry["uuid"] == new_uuid.as_str()), "{entries:?}");
    assert!(place.accepts(2, old.trim()));
}

#[test]
fn a_new_entry_that_wordpress_overwrites_during_its_delivery_is_made_again() {
    let mut place = Place::on_sqlite();
    place.done(&["create", USER, "Feed"]);
    let before = place.fixture.metas()[&2][0].clone();
    let file = place.file("secret");
    let run = place
        .command(&["rotate", USER, "--name=Feed", &format!("--exec=cat >{}; sleep 2", file.display())])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while read(&file).len() < 24 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    // A request that had read the list before the entry was made.
    place.fixture.set_meta(2, &before);
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stderr).contains("The entry was made again."), "{output:?}");
    let held = read(&file);
    assert!(place.accepts(2, &held));
    assert_eq!(place.entries(USER).len(), 1);
}

#[test]
fn a_run_elsewhere_is_waited_for_and_what_it_may_deliver_works_for_a_while() {
    let mut place = Place::on_sqlite();
    place.done(&["create", USER, "Feed"]);
    let uuid = place.uuid_of(USER, "Feed");
    place.run(&["rotate", USER, &uuid, "--exec=kill -9 $PPID"]);
    // As if it had run on another machine.
    let value = text(&place.fixture.metas()[&2][0]);
    let at = value.find("s:11:\"undelivered\";s:").unwrap() + 21;
    let (length, rest) = value[at..].split_once(':').unwrap();
    let length: usize = length.parse().unwrap();
    let note = &rest[1..=length];
    let mut parts: Vec<&str> = note.split(' ').collect();
    parts[1] = "ci-1";
    let foreign = parts.join(" ");
    let value =
        value.replace(&format!("s:{length}:\"{note}\""), &format!("s:{}:\"{foreign}\"", foreign.len()));
    place.fixture.set_meta(2, value.as_bytes());
    let stderr = place.fails(1, &["rotate", USER, &uuid]);
    assert!(stderr.contains("on ci-1 since ") && stderr.contains("--takeover"), "{stderr}");
    let new = place.done(&["rotate", USER, &uuid, "--takeover", "--porcelain"]);
    assert!(place.accepts(2, new.trim()));
    let entries = place.entries(USER);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(entries.iter().any(|entry| entry["retire_at"].is_i64()), "{entries:?}");
    assert!(!entries.iter().any(|entry| entry["uuid"] == uuid.as_str()), "{entries:?}");
}

#[test]
fn entries_that_share_a_uuid_are_not_rotated() {
    let mut place = Place::on_sqlite();
    let entry = |key: u32, name: &str, hash: &str| {
        format!(
            "i:{key};a:7:{{s:4:\"uuid\";s:36:\"11111111-1111-4111-8111-111111111111\";s:6:\"app_id\";s:0:\"\";s:4:\"name\";\
             s:1:\"{name}\";s:8:\"password\";s:1:\"{hash}\";s:7:\"created\";i:1700000000;s:9:\"last_used\";N;s:7:\"last_ip\";N;}}"
        )
    };
    let value = format!("a:2:{{{}{}}}", entry(0, "A", "x"), entry(1, "B", "y"));
    place.fixture.set_meta(2, value.as_bytes());
    let stderr = place.fails(1, &["rotate", USER, "--name=A"]);
    assert!(
        stderr.contains("Several application passwords of user 2") && stderr.contains("Nothing was changed"),
        "{stderr}"
    );
    assert_eq!(text(&place.fixture.metas()[&2][0]), value);
}

#[test]
fn an_entry_that_expires_is_replaced_by_one_with_as_much_time() {
    let mut place = Place::on_sqlite();
    let value = "a:1:{i:0;a:8:{s:4:\"uuid\";s:36:\"11111111-1111-4111-8111-111111111111\";s:6:\"app_id\";s:0:\"\";\
                 s:4:\"name\";s:4:\"Feed\";s:8:\"password\";s:3:\"old\";s:7:\"created\";i:1700000000;s:9:\"last_used\";N;\
                 s:7:\"last_ip\";N;s:7:\"expires\";i:1700086400;}}";
    place.fixture.set_meta(2, value.as_bytes());
    place.done(&["rotate", USER, "--name=Feed", "--porcelain"]);
    let listed = place.run(&["list", USER, "--format=json", "--fields=created,expires"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        listed[0]["expires"].as_i64().unwrap() - listed[0]["created"].as_i64().unwrap(),
        86_400,
        "{listed}"
    );
}

#[test]
fn an_entry_without_a_uuid_is_given_one_and_rotated() {
    let mut place = Place::on_sqlite();
    let value = "a:1:{i:0;a:3:{s:4:\"name\";s:4:\"Feed\";s:8:\"password\";s:3:\"old\";s:7:\"created\";i:1700000000;}}";
    place.fixture.set_meta(2, value.as_bytes());
    let output = place.run(&["rotate", USER, "--name=Feed", "--porcelain"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(place.accepts(2, text(&output.stdout).trim()));
    assert_eq!(place.entries(USER).len(), 1);
}

#[test]
fn arguments_that_would_lose_a_password_or_have_no_effect_are_refused() {
    let mut place = Place::on_sqlite();
    for name in ["A", "B"] {
        place.done(&["create", USER, name]);
    }
    let env = place.file("k.env");
    std::fs::write(&env, "PW=x\n").unwrap();
    let out = format!("--out-file={}", env.display());
    let before = place.fixture.metas();
    for arguments in [
        &["rotate", "--all-of", USER, &out, "--set-key=PW"][..],
        &["rotate", "--finish", "--now", "--name=A"],
        &["rotate", "--finish", &out],
        &["rotate", "--finish", USER, "99999999-9999-4999-8999-999999999999"],
        &["rotate", USER, "--name=A", "--abort", "--hash=phpass"],
        &["rotate", USER, "--name=A", "--json", "--seal-to=3q2+796tvu/erb7v3q2+796tvu/erb7v3q2+796tvu8="],
        &["rotate", USER, "--name=A", "--json", "--dry-run"],
        &["ensure", USER, "A", "--encrypt-to=nonsense"],
        &["ensure", USER, "A", "--var=x"],
    ] {
        let stderr = place.fails(1, arguments);
        assert!(stderr.starts_with("Error: ") || stderr.starts_with("error: "), "{arguments:?}: {stderr}");
        assert_eq!(place.fixture.metas(), before, "{arguments:?}");
    }
    assert_eq!(read(&env), "PW=x");
    // Lists that cannot be read are told, not passed over.
    place.fixture.set_meta(3, b"a:2:{broken");
    let output =
        place.run(&["rotate", "--older-than=1d", "--app-id=99999999-9999-4999-8999-999999999999", "--yes"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stderr).contains("can't be read"), "{output:?}");
}

#[test]
fn a_file_name_that_is_not_utf_8_is_taken_as_it_is() {
    use std::os::unix::ffi::OsStrExt;
    let mut place = Place::on_sqlite();
    place.done(&["create", USER, "Feed"]);
    let file = place.folder.path().join(std::ffi::OsStr::from_bytes(b"b\xff.pw"));
    let mut argument = std::ffi::OsString::from("--out-file=");
    argument.push(&file);
    let output = place.command(&["rotate", USER, "--name=Feed"]).arg(&argument).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let held = read(&file);
    assert!(place.accepts(2, &held));
}

#[test]
fn an_interruption_ends_a_rotation_of_several() {
    let place = Place::on_sqlite();
    for name in ["A", "B", "C"] {
        place.done(&["create", USER, name]);
    }
    let before = place.entries(USER);
    let run = place
        .command(&["rotate", "--all-of", USER, "--exec=cat >/dev/null; exec sleep 2"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(900));
    let pid = rustix::process::Pid::from_child(&run);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stderr).contains("Interrupted: "), "{output:?}");
    let uuids = |entries: &[Value]| -> Vec<String> {
        entries.iter().map(|entry| entry["uuid"].as_str().unwrap().to_owned()).collect()
    };
    let kept = uuids(&before).iter().filter(|uuid| uuids(&place.entries(USER)).contains(uuid)).count();
    assert!(kept >= 2, "{kept} of three were left alone");
}

#[test]
fn two_rotations_of_one_entry_do_not_run_side_by_side() {
    let mut place = Place::on_sqlite();
    place.done(&["create", USER, "Feed"]);
    let uuid = place.uuid_of(USER, "Feed");
    let file = place.file("secret");
    let mut slow = place
        .command(&["rotate", USER, &uuid, &format!("--exec=sleep 2; cat >{}", file.display())])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while place.entries(USER).len() < 2 {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(20));
    }
    for arguments in [&["rotate", USER, &uuid][..], &["rotate", USER, &uuid, "--abort", "--yes"]] {
        let stderr = place.fails(1, arguments);
        assert!(stderr.contains(&format!("process {}", slow.id())), "{stderr}");
    }
    assert!(slow.wait().unwrap().success());
    let password = read(&file);
    assert!(place.accepts(2, &password));
    assert_eq!(place.entries(USER).len(), 1);
}

#[test]
fn ensure_creates_once_and_rotates_what_is_too_old() {
    let mut place = Place::on_sqlite();
    let file = place.file("secret");
    let sink = format!("--out-file={}", file.display());
    let run = |place: &Place, more: &[&str]| -> Value {
        let mut arguments = vec!["ensure", USER, "Deploy", &sink, "--json"];
        arguments.extend(more);
        serde_json::from_str(&place.done(&arguments)).unwrap()
    };
    assert_eq!(place.run(&["ensure", USER, "Deploy", "--dry-run"]).status.code(), Some(2));
    let first = run(&place, &[]);
    assert_eq!((&first["status"], &first["action"]), (&"changed".into(), &"created".into()), "{first}");
    let password = read(&file);
    assert_eq!(place.uuid_for(2, &password).as_deref(), first["uuid"].as_str());
    let second = run(&place, &["--max-age=90d"]);
    assert_eq!((&second["status"], &second["action"]), (&"ok".into(), &"none".into()), "{second}");
    assert_eq!(second["uuid"], first["uuid"]);
    assert_eq!(read(&file), password);
    assert_eq!(place.run(&["ensure", USER, "Deploy", "--dry-run"]).status.code(), Some(0));
    // Too old.
    let value = text(&place.fixture.metas()[&2][0]);
    let at = value.find("s:7:\"created\";i:").unwrap() + 16;
    let aged = format!("{}1{}", &value[..at], &value[at + 10..]).replace("i:1;s:9", "i:1;s:9");
    place.fixture.set_meta(2, aged.as_bytes());
    let third = run(&place, &["--max-age=90d"]);
    assert_eq!((&third["status"], &third["action"]), (&"changed".into(), &"rotated".into()), "{third}");
    assert_eq!(third["replaces"], first["uuid"]);
    assert!(!place.accepts(2, &password));
    let password = read(&file);
    assert!(place.accepts(2, &password));
    assert_eq!(place.entries(USER).len(), 1);
    // On standard output the report holds the password, once.
    let report: Value = serde_json::from_str(&place.done(&["ensure", USER, "Other", "--json"])).unwrap();
    assert!(place.accepts(2, report["password"].as_str().unwrap()));
    let report: Value = serde_json::from_str(&place.done(&["ensure", USER, "Other", "--json"])).unwrap();
    assert!(report.get("password").is_none());
    assert_eq!(place.done(&["ensure", USER, "Other", "--porcelain"]), "");
}

#[test]
fn ensure_does_not_call_well_what_is_less_restricted_than_asked_for() {
    let mut place = Place::on_sqlite();
    place.done(&["ensure", USER, "Free", "--porcelain"]);
    let before = place.fixture.metas();
    for (asked, told) in [
        (&["--read-only"][..], "--read-only is not as asked for"),
        (&["--expires=1d"], "--expires is not as"),
        (
            &["--allow=GET /wp/v2/posts", "--allow-net=10.0.0.0/8", "--json"],
            "--allow, --allow-net are not as",
        ),
        (&["--read-only", "--dry-run"], "--read-only is not as"),
        (&["--read-only", "--max-age=1s"], "--read-only is not as"),
    ] {
        let stderr = place.fails(1, &[&["ensure", USER, "Free"], asked].concat());
        assert!(stderr.contains(told) && stderr.contains("Set it with: update 2 "), "{asked:?}: {stderr}");
        assert_eq!(place.fixture.metas(), before, "{asked:?}");
    }
    let asked = [
        "--read-only",
        "--expires=9d",
        "--allow=GET /wp/v2/posts",
        "--allow=GET /wp/v2/pages",
        "--allow-net=10.0.0.0/8",
    ];
    let made = place.run(&[&["ensure", USER, "Bound", "--porcelain"], &asked[..]].concat());
    assert_eq!(made.status.code(), Some(0), "{made:?}");
    let before = place.fixture.metas();
    // The same again is as asked for, a day later too, when "in nine days" is later; in another order too.
    for same in [
        asked,
        [
            "--read-only",
            "--expires=10d",
            "--allow=GET /wp/v2/pages",
            "--allow=GET /wp/v2/posts",
            "--allow-net=10.0.0.0/8",
        ],
    ] {
        place.done(&[&["ensure", USER, "Bound"], &same[..]].concat());
    }
    place.done(&["ensure", USER, "Bound"]);
    for other in ["--expires=1d", "--allow=GET /wp/v2/posts", "--allow-net=192.0.2.0/24"] {
        assert!(place.fails(1, &["ensure", USER, "Bound", other]).contains("is not as asked for"), "{other}");
    }
    assert_eq!(place.fixture.metas(), before);
    // What has expired is of no use to anybody.
    let value = text(&place.fixture.metas()[&2][0]);
    let at = value.find("s:7:\"expires\";i:").unwrap() + 16;
    place.fixture.set_meta(
        2,
        format!("{}1{}", &value[..at], &value[at + 10..]).replace("i:1;s:9", "i:1;s:9").as_bytes(),
    );
    assert_eq!(place.run(&["ensure", USER, "Bound", "--dry-run"]).status.code(), Some(2));
}

#[test]
fn twenty_ensures_at_once_make_one_password() {
    for place in [Some(Place::on_sqlite()), Place::on_mariadb()].into_iter().flatten() {
        let mut place = place;
        let file = place.file("secret");
        let runs: Vec<std::process::Child> = (0..20)
            .map(|number| {
                place
                    .command(&["ensure", USER, "Deploy", &format!("--out-file={}.{number}", file.display())])
                    .stdout(std::process::Stdio::piped())
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut outcomes: BTreeMap<String, u32> = BTreeMap::new();
        for run in runs {
            let output = run.wait_with_output().unwrap();
            let what = match output.status.code() {
                Some(0) if text(&output.stdout).contains("Created") => "created",
                Some(0) => "was there",
                _ => panic!("{output:?}"),
            };
            *outcomes.entry(what.into()).or_default() += 1;
        }
        assert_eq!(outcomes.get("created"), Some(&1), "{outcomes:?}");
        assert_eq!(place.entries(USER).len(), 1);
        let written: Vec<String> = (0..20)
            .map(|number| read(&place.file(&format!("secret.{number}"))))
            .filter(|password| !password.is_empty())
            .collect();
        assert_eq!(written.len(), 1);
        assert!(place.accepts(2, &written[0]));
    }
}

#[test]
fn an_ensure_that_was_killed_delivers_when_it_runs_again() {
    let mut place = Place::on_sqlite();
    let file = place.file("secret");
    place.run(&["ensure", USER, "Deploy", "--exec=kill -9 $PPID"]);
    assert_eq!(place.entries(USER).len(), 1);
    place.done(&["ensure", USER, "Deploy", &format!("--out-file={}", file.display())]);
    let password = read(&file);
    assert!(place.accepts(2, &password));
    assert_eq!(place.entries(USER).len(), 1);
}

/// Where a run is killed. Each is a place in the sequence of steps that a script of the run's own reaches: what is
/// run after each write, and the sink.
const POINTS: [(&str, &str, &str); 6] = [
    // (name, --after-write, --exec before it takes the password)
    ("the new entry was saved", "test $(cat {count}) = 1 && kill -9 $PPID", ""),
    ("the sink has started", "", "kill -9 $PPID; exit 1"),
    ("the sink has read half", "", "head -c 12 >/dev/null; kill -9 $PPID; exit 1"),
    ("the sink has written its file", "", "cat >{file}.new; mv {file}.new {file}; kill -9 $PPID; exit 1"),
    ("the old entry was retired", "test $(cat {count}) = 2 && kill -9 $PPID", ""),
    ("nothing: it ends", "", ""),
];

/// Kills a rotation at every step, and looks what is left.
fn kill_matrix(make: &dyn Fn() -> Place) -> Vec<String> {
    let mut rows = Vec::new();
    for (point, after_write, before) in POINTS {
        let mut cells = Vec::new();
        for overlap in [false, true] {
            let mut place = make();
            let (file, count) = (place.file("secret"), place.file("count"));
            let fill = |script: &str| {
                script
                    .replace("{file}", &file.display().to_string())
                    .replace("{count}", &count.display().to_string())
            };
            let old = place.done(&["create", USER, "Feed", "--porcelain"]).trim().to_owned();
            std::fs::write(&file, &old).unwrap();
            std::fs::write(&count, "0").unwrap();
            let uuid = place.uuid_of(USER, "Feed");
            let exec = fill(&format!("--exec={before}\ncat >{{file}}.new && mv {{file}}.new {{file}}"));
            let counted = fill(&format!(
                "--after-write=echo $(($(cat {{count}}) + 1)) >{{count}}; {after_write}; true"
            ));
            let mut arguments = vec!["rotate", USER, &uuid, &exec, "--no-cache", "--no-confirm"];
            if !after_write.is_empty() {
                arguments.push(&counted);
            }
            if overlap {
                arguments.push("--overlap=1h");
            }
            let output = place.run(&arguments);
            let was_killed = output.status.code().is_none();
            assert_eq!(was_killed, !point.starts_with("nothing"), "{point}: {output:?}");
            // Whoever reads the sink's file is never locked out.
            let held = read(&file);
            let works = place.accepts(2, &held);
            assert!(
                works,
                "{point}, overlap {overlap}: the sink holds {}",
                if held == old { "the old" } else { "a new" }
            );
            let left = place.entries(USER).len();
            // The same command again, without anybody killing it.
            let plain = fill("--exec=cat >{file}.new && mv {file}.new {file}");
            let mut again = vec!["rotate", USER, &uuid, &plain];
            if overlap {
                again.push("--overlap=1h");
            }
            place.done(&again);
            let held_now = read(&file);
            assert!(place.accepts(2, &held_now), "{point}, overlap {overlap}");
            assert!(place.entries(USER).iter().all(|entry| entry["undelivered"].is_null()), "{point}");
            if overlap {
                assert!(place.accepts(2, &old), "{point}: the old one is kept for an hour");
                place.done(&["rotate", "--finish", "--now"]);
            }
            assert!(place.accepts(2, &held_now) && !place.accepts(2, &old), "{point}");
            assert_eq!(place.entries(USER).len(), 1, "{point}, overlap {overlap}: {:?}", place.entries(USER));
            cells.push(format!(
                "sink: {}, {left} left, next run clean",
                if held == old { "the old, works" } else { "the new, works" }
            ));
        }
        rows.push(format!("{point:32} | {:44} | {}", cells[0], cells[1]));
    }
    rows
}

#[test]
fn a_rotation_that_is_killed_at_any_step_leaves_a_password_that_works() {
    println!("SQLite:  killed when {:17} | at once {:36} | with an overlap", "", "");
    for row in kill_matrix(&Place::on_sqlite) {
        println!("{row}");
    }
}

#[test]
fn a_rotation_on_mariadb_that_is_killed_at_any_step_leaves_a_password_that_works() {
    if rig::require().is_none() {
        return;
    }
    println!("MariaDB: killed when {:17} | at once {:36} | with an overlap", "", "");
    for row in kill_matrix(&|| Place::on_mariadb().unwrap()) {
        println!("{row}");
    }
}

#[test]
fn a_rotation_into_a_file_that_is_killed_at_any_moment_leaves_a_password_that_works() {
    let mut place = Place::on_sqlite();
    let file = place.file("secret");
    let sink = format!("--out-file={}", file.display());
    place.done(&["create", USER, "Feed", &sink]);
    let started = Instant::now();
    place.done(&["rotate", USER, "--name=Feed", &sink, "--no-confirm"]);
    let whole = started.elapsed();
    let (mut killed, mut renewed) = (0, 0);
    for step in 0..80_u32 {
        let before = read(&file);
        let mut run = place
            .command(&["rotate", USER, "--name=Feed", &sink, "--no-confirm"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(whole * step / 80);
        run.kill().unwrap();
        killed += u32::from(run.wait().unwrap().code().is_none());
        let held = read(&file);
        renewed += u32::from(held != before);
        assert!(place.accepts(2, &held), "killed after {step} of 80 parts of {whole:?}");
    }
    place.done(&["rotate", USER, "--name=Feed", &sink]);
    let held = read(&file);
    assert!(place.accepts(2, &held));
    assert_eq!(place.entries(USER).len(), 1, "nothing was left behind");
    println!("{killed} of 80 rotations killed, {renewed} of them with the new password in the file");
    assert!(killed > 20, "{killed} were killed");
}

/// Both streams of what must succeed.
fn told(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{command:?}: {all}");
    all
}

/// A client that requests in a loop with whatever secret the file holds.
fn without_one_failure(rig: &Rig, site: &Site) {
    const ROTATIONS: u32 = 20;
    let person = Person::new(rig, site);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let sink = format!("--out-file={}", file.display());
    rig::output(site.tool().args(["create", &person.login, "Sync", &sink]));
    let ended = AtomicBool::new(false);
    let (rest, xmlrpc) = (AtomicU32::new(0), AtomicU32::new(0));
    let mut stdout = String::new();
    let client = |over_rest: bool, count: &AtomicU32| {
        let mut failures = Vec::new();
        while !ended.load(Ordering::Relaxed) {
            let secret = read(&file);
            let problem = if over_rest {
                let answer = site.get("/wp-json/wp/v2/users/me", &person.login, &secret);
                (answer.status != 200).then_some(answer.body)
            } else {
                let answer = site.xmlrpc(&person.login, &secret);
                (!answer.is_xmlrpc_answer()).then_some(answer.body)
            };
            failures.extend(problem);
            count.fetch_add(1, Ordering::Relaxed);
        }
        failures
    };
    std::thread::scope(|scope| {
        let clients = [
            scope.spawn(|| client(true, &rest)),
            scope.spawn(|| client(true, &rest)),
            scope.spawn(|| client(false, &xmlrpc)),
        ];
        let rotations = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..ROTATIONS {
                stdout.push_str(&told(site.tool().args([
                    "rotate",
                    &person.login,
                    "--name=Sync",
                    &sink,
                    "--overlap=5s",
                ])));
                stdout.push_str(&told(site.tool().args(["rotate", "--finish", &person.login])));
            }
        }));
        ended.store(true, Ordering::Relaxed);
        for client in clients {
            let failures = client.join().unwrap();
            assert!(
                failures.is_empty(),
                "{}: {} failures, the first: {}",
                site.name,
                failures.len(),
                failures[0]
            );
        }
        if let Err(panic) = rotations {
            std::panic::resume_unwind(panic);
        }
    });
    let (rest, xmlrpc) = (rest.into_inner(), xmlrpc.into_inner());
    println!(
        "{} (WordPress {}): {ROTATIONS} rotations, {rest} REST and {xmlrpc} XML-RPC requests, 0 failures",
        site.name, site.version
    );
    assert!(rest >= 40 && xmlrpc >= 20, "{rest} {xmlrpc}");
    let accepted = stdout.matches("The site accepts it: ").count();
    assert_eq!(accepted, ROTATIONS as usize, "{stdout}");
    std::thread::sleep(Duration::from_secs(5));
    rig::output(site.tool().args(["rotate", "--finish", &person.login]));
    let listed = rig::output(site.tool().args(["list", &person.login, "--format=json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed[0]["name"], "Sync", "{listed}");
    let secret = read(&file);
    assert_eq!(site.get("/wp-json/wp/v2/users/me", &person.login, &secret).status, 200);
}

macro_rules! loops {
    ($($test:ident = $site:literal,)*) => {
        $(#[test]
        fn $test() {
            let Some(rig) = rig::require() else { return };
            let site = rig.site($site);
            let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            without_one_failure(rig, site);
        })*
    };
}

loops! {
    a_client_of_wordpress_6_1_sees_no_failure_through_twenty_rotations = "wp61",
    a_client_of_wordpress_7_1_sees_no_failure_through_twenty_rotations = "wp71",
    a_client_of_wordpress_7_1_on_sqlite_sees_no_failure_through_twenty_rotations = "wp71-sqlite",
}

#[test]
fn a_client_of_a_site_with_redis_sees_no_failure_through_twenty_rotations() {
    let Some(rig) = rig::require() else { return };
    let site = rig.cached_sites.iter().find(|site| site.name == "wp71-redis").unwrap();
    without_one_failure(rig, site);
}

#[test]
fn a_rotations_own_check_is_not_taken_for_a_use() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let person = Person::new(rig, site);
    rig::output(site.tool().args(["create", &person.login, "Sync"]));
    let stdout = rig::output(site.tool().args(["rotate", &person.login, "--name=Sync"]));
    assert!(stdout.contains("The site accepts it: "), "{stdout}");
    let list = || -> Value {
        serde_json::from_str(&rig::output(site.tool().args(["list", &person.login, "--format=json"])))
            .unwrap()
    };
    assert!(list()[0]["last_used"].is_null() && list()[0]["last_ip"].is_null(), "{}", list());
    let password = stdout.lines().next().unwrap().strip_prefix("Password: ").unwrap();
    assert_eq!(site.get("/wp-json/wp/v2/users/me", &person.login, password).status, 200);
    assert!(list()[0]["last_used"].is_i64(), "a real use is: {}", list());
}

#[test]
fn a_site_that_refuses_the_new_password_keeps_the_old_one() {
    let Some(rig) = rig::require() else { return };
    let (site, other) = (rig.site("wp71"), rig.site("wp68"));
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let person = Person::new(rig, site);
    let old = rig::output(site.tool().args(["create", &person.login, "Sync", "--porcelain"]));
    let live = format!("--live={}", other.url);
    let output = site.tool().args(["rotate", &person.login, "--name=Sync", &live]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("the site does not accept it at") && stderr.contains("the old one was not touched"),
        "{stderr}"
    );
    assert_eq!(text(&output.stdout), "", "nobody has seen it");
    assert_eq!(site.get("/wp-json/wp/v2/users/me", &person.login, old.trim()).status, 200);
    let listed = rig::output(site.tool().args(["list", &person.login, "--format=count"]));
    assert_eq!(listed, "1");
}
