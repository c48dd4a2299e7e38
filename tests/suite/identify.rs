//! `identify`: whose a leaked string is.

use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use wp_app_password::secret::PlainPassword;
use wp_app_password::wordpress::password_hash::{self, Scheme};

use crate::fixture::{Fixture, MariadbFixture, SqliteFixture};
use crate::process::Terminal;
use crate::rig;

/// The leaked password. No output may hold any part of it.
const PLAIN: &str = "Zq7XkLmW2pRvTnB9sHdYcF4G";
/// Somebody else's.
const OTHER: &str = "Other1111222233334444zzZ";
const UUID: &str = "5f1c9f2e-7b1d-4c57-9d5b-6b1a2f3c4d5e";
const SUSPENDED: &str = "_application_passwords_suspended";

fn in_groups(separator: &str) -> String {
    PLAIN.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect::<Vec<_>>().join(separator)
}

fn hash(scheme: Scheme, plain: &str) -> String {
    let plain = PlainPassword::new(plain.into());
    password_hash::hash(scheme, &plain, 4, &mut StdRng::seed_from_u64(7)).unwrap().as_str().to_owned()
}

/// One entry as WordPress writes it.
fn entry(uuid: &str, name: &str, hash: &str) -> String {
    let text = |text: &str| format!("s:{}:\"{text}\";", text.len());
    format!(
        "a:7:{{{}{}{}{}{}{}{}{}s:7:\"created\";i:1700000000;s:9:\"last_used\";N;s:7:\"last_ip\";N;}}",
        text("uuid"),
        text(uuid),
        text("app_id"),
        text(""),
        text("name"),
        text(name),
        text("password"),
        text(hash)
    )
}

fn list(entries: &[String]) -> Vec<u8> {
    let items: String =
        entries.iter().enumerate().map(|(index, entry)| format!("i:{index};{entry}")).collect();
    format!("a:{}:{{{items}}}", entries.len()).into_bytes()
}

/// A user's list with the leaked password's entry in the middle.
fn leaked(scheme: Scheme) -> Vec<u8> {
    list(&[
        entry("00000000-0000-4000-8000-000000000001", "Before", &hash(Scheme::Generic, "nobody")),
        entry(UUID, "Leaky", &hash(scheme, PLAIN)),
        entry("00000000-0000-4000-8000-000000000002", "After", &hash(Scheme::Phpass, "nobody")),
    ])
}

struct Site {
    fixture: Box<dyn Fixture>,
    folder: tempfile::TempDir,
}

impl Site {
    fn on(fixture: impl Fixture + 'static) -> Self {
        Self { fixture: Box::new(fixture), folder: tempfile::tempdir().unwrap() }
    }

    /// A site on SQLite where user 3 has the leaked password.
    fn leaky(scheme: Scheme) -> Self {
        let mut site = Self::on(SqliteFixture::new());
        site.fixture.set_meta(3, &leaked(scheme));
        site
    }

    /// One on each back end.
    fn each() -> Vec<Self> {
        let mut sites = vec![Self::on(SqliteFixture::new())];
        sites.extend(MariadbFixture::new().map(Self::on));
        sites
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rig::binary();
        command
            .env("WP_APP_PASSWORD_DB", self.fixture.url())
            .env("HOME", "/nonexistent")
            .current_dir(self.folder.path());
        command.arg("identify").args(arguments);
        command
    }

    /// Runs `identify` with something on standard input; nothing that is printed holds a secret.
    fn run(&self, arguments: &[&str], stdin: &[u8]) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        // What ends before it reads leaves a broken pipe.
        let _ = pipe.write_all(stdin);
        drop(pipe);
        let output = child.wait_with_output().unwrap();
        for stream in [&output.stdout, &output.stderr] {
            assert_no_secret(stream);
        }
        output
    }

    /// The rows as JSON; the exit code must be that.
    fn rows(&self, code: i32, arguments: &[&str], stdin: &[u8]) -> Vec<Value> {
        let output = self.run(&[arguments, &["--format=json"]].concat(), stdin);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}\n{}", stderr(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap().as_array().unwrap().clone()
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

#[track_caller]
fn assert_no_secret(text: &[u8]) {
    let text = String::from_utf8_lossy(text).to_lowercase();
    for part in PLAIN.as_bytes().chunks(4).chain([OTHER.as_bytes()]) {
        assert!(!text.contains(&str::from_utf8(part).unwrap().to_lowercase()), "{text}");
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn found(place: &str) -> Value {
    json!({"user_id": 3, "user_login": "author1", "uuid": UUID, "name": "Leaky", "state": "active", "where": place})
}

#[test]
fn every_kind_of_hash_is_identified_on_every_back_end() {
    for mut site in Site::each() {
        for scheme in Scheme::ALL {
            site.fixture.set_meta(3, &leaked(scheme));
            let text = format!("nothing\n{OTHER}\nAPP_PASSWORD=\"{}\"\n", in_groups(" "));
            assert_eq!(site.rows(0, &[], text.as_bytes()), [found("stdin:3")], "{scheme:?}");
            assert_eq!(site.rows(4, &[], format!("{OTHER}\n").as_bytes()), Vec::<Value>::new(), "{scheme:?}");
        }
    }
}

#[test]
fn what_wordpress_accepted_is_identified() {
    let vectors: Value = serde_json::from_str(include_str!("../vectors/password_hashes.json")).unwrap();
    let accepted: Vec<(&str, &str, &str)> = vectors
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["before_68"] == true || vector["since_68"] == true)
        .filter_map(|vector| {
            Some((vector["kind"].as_str()?, vector["password"].as_str()?, vector["hash"].as_str()?))
        })
        // The rest was recorded to see what becomes of what no application password is.
        .filter(|(_, password, _)| {
            password.len() == 24 && password.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
        .collect();
    let entries: Vec<String> = accepted
        .iter()
        .enumerate()
        .map(|(index, (kind, _, hash))| entry(&format!("00000000-0000-4000-8000-{index:012}"), kind, hash))
        .collect();
    let mut site = Site::on(SqliteFixture::new());
    site.fixture.set_meta(3, &list(&entries));
    let passwords: Vec<&str> = accepted.iter().map(|(_, password, _)| *password).collect();
    let rows = site.rows(0, &[], passwords.join("\n").as_bytes());
    let kinds =
        |rows: &[Value]| rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let expected: Vec<String> = accepted.iter().map(|(kind, ..)| (*kind).to_owned()).collect();
    assert_eq!(kinds(&rows), expected);
    assert!(expected.len() > 35 && expected.iter().any(|kind| kind == "wpargon"), "{expected:?}");
    assert_eq!(site.rows(4, &[], b""), Vec::<Value>::new());
}

#[test]
fn every_form_is_found_in_files_and_streams() {
    let site = Site::leaky(Scheme::Generic);
    let basic = |user: &str, password: &str| STANDARD.encode(format!("{user}:{password}"));
    let long = "x".repeat(700_000);
    for (name, content, place) in [
        ("plain", PLAIN.to_owned(), ":1"),
        ("last line without an end", format!("one\ntwo\n{PLAIN}"), ":3"),
        ("carriage returns", format!("one\r\n{PLAIN}\r\nthree\r\n"), ":2"),
        ("groups", format!("password: {}\n", in_groups(" ")), ":1"),
        ("percent", format!("GET /?p={} HTTP/1.1\n", in_groups("%20")), ":1"),
        ("plus", format!("p={}&x=1", in_groups("+")), ":1"),
        ("dashes", in_groups("-"), ":1"),
        ("underscores", in_groups("_"), ":1"),
        ("address", format!("\ncurl https://author1:{PLAIN}@example.com/"), ":2"),
        ("escaped address", format!("https:\\/\\/author1:{}@example.com", in_groups("%20")), ":1"),
        (
            "header",
            format!("GET / HTTP/1.1\r\nAuthorization: Basic {}\r\n\r\n", basic("author1", PLAIN)),
            ":2",
        ),
        ("header of groups", format!("authorization: basic {}", basic("author1", &in_groups(" "))), ":1"),
        ("json", json!({"log": format!("password=\"{PLAIN}\"\nnext")}).to_string(), ":1"),
        ("json of groups", json!({"password": in_groups(" ")}).to_string(), ":1"),
        (
            "json in json",
            json!({"line": json!({"text": format!("\n{PLAIN}")}).to_string()}).to_string(),
            ":1",
        ),
        ("no-break spaces of HTML", in_groups("&nbsp;"), ":1"),
        ("escaped twice", in_groups("%2520"), ":1"),
        (
            "event log",
            format!("ElfFile\0\x01\0{}\0\0", PLAIN.replace("", "\0").trim_matches('\0')),
            " (byte 10)",
        ),
        ("one long line", format!("{long} {PLAIN} {long}"), ":1"),
        ("binary", format!("\u{7f}ELF\0\0\n\n\0{PLAIN}\0{long}"), " (byte 9)"),
    ] {
        site.write(name, content.as_bytes());
        let expected = [found(&format!("{name}{place}"))];
        assert_eq!(site.rows(0, &["--scan", name], b""), expected, "{name}");
        assert_eq!(site.rows(0, &[name], b""), expected, "{name}, without --scan");
        let streamed = site.rows(0, &["--scan"], content.as_bytes());
        assert_eq!(streamed, [found(&format!("stdin{place}"))], "{name}, streamed");
    }
}

#[test]
fn a_whole_line_is_a_candidate_where_nothing_is_searched_inside() {
    let site = Site::leaky(Scheme::Generic);
    let odd = format!("  {}.{} / {}\t{}  \n", &PLAIN[..3], &PLAIN[3..9], &PLAIN[9..20], &PLAIN[20..]);
    assert_eq!(site.rows(0, &["-"], format!("first\n{odd}").as_bytes()), [found("stdin:2")]);
    assert_eq!(site.rows(4, &["--scan"], odd.as_bytes()), Vec::<Value>::new());
}

#[test]
fn it_is_found_across_every_border_of_what_is_read_at_once() {
    let site = Site::leaky(Scheme::Generic);
    for before in [262_100, 262_144 - 12, 266_240 - 10, 267_264 - 23, 267_264 - 1, 524_288 - 5] {
        let content = [".".repeat(before), in_groups(" "), ".".repeat(600_000)].concat();
        assert_eq!(
            site.rows(0, &["--scan"], content.as_bytes()),
            [found("stdin:1")],
            "behind {before} bytes"
        );
    }
}

#[test]
fn folders_are_searched_and_links_are_not_followed() {
    let site = Site::leaky(Scheme::Generic);
    site.write("logs/deep/er/access.log", format!("x\n{PLAIN}\n").as_bytes());
    site.write("elsewhere/secret", PLAIN.as_bytes());
    std::os::unix::fs::symlink("../elsewhere", site.folder.path().join("logs/link")).unwrap();
    assert_eq!(site.rows(0, &["--scan", "logs"], b""), [found("logs/deep/er/access.log:2")]);
    std::fs::remove_dir_all(site.folder.path().join("logs/deep")).unwrap();
    // What the link leads to was not looked at, so that is no no.
    let output = site.run(&["--scan", "logs"], b"");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 link was not followed"), "{}", stderr(&output));
    std::fs::remove_file(site.folder.path().join("logs/link")).unwrap();
    assert_eq!(site.rows(4, &["--scan", "logs"], b""), Vec::<Value>::new());
    let refused = site.run(&["logs"], b"");
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("--scan"), "{}", stderr(&refused));
}

#[test]
fn what_cannot_be_read_is_told_and_is_no_no() {
    let site = Site::leaky(Scheme::Generic);
    site.write("readable", format!("{OTHER}\n").as_bytes());
    let missing = site.run(&["missing.log", "readable"], b"");
    assert_eq!(missing.status.code(), Some(1));
    assert!(stderr(&missing).contains("missing.log could not be read"), "{}", stderr(&missing));
    assert!(stderr(&missing).contains("1 file or folder could not be read"), "{}", stderr(&missing));
    // A file whose reading fails half-way: this process's own memory, whose first page is nobody's.
    let failing = site.run(&["--scan", "/proc/self/mem"], b"");
    assert_eq!(failing.status.code(), Some(1), "{}", stderr(&failing));
    // Found all the same: the answer is yes, and what is missing is told.
    let output = site.run(&["missing.log", "-"], PLAIN.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("Not everything could be looked at"), "{}", stderr(&output));
    site.write("old.log.gz", b"\x1f\x8b");
    let packed = site.run(&["--scan", "old.log.gz"], b"");
    assert_eq!(packed.status.code(), Some(1));
    assert!(stderr(&packed).contains("1 packed or encrypted file was not"), "{}", stderr(&packed));
    site.write("sneaky.log", b"\x1f\x8b\x08\0\0");
    for (arguments, input) in [(&["sneaky.log"][..], &b""[..]), (&["--scan"], b"PK\x03\x04")] {
        let packed = site.run(arguments, input);
        assert_eq!(packed.status.code(), Some(1));
        assert!(stderr(&packed).contains("1 packed or encrypted file was not"), "{}", stderr(&packed));
    }
}

#[test]
fn a_stored_list_that_cannot_be_read_is_told_and_is_no_no() {
    for mut site in Site::each() {
        site.fixture.set_meta(3, b"a:1:{i:0;a:1:{s:4:\"uuid\";");
        for arguments in [&[][..], &["--user=author1"]] {
            let output = site.run(arguments, format!("{OTHER}\n").as_bytes());
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("3 (author1)"), "{}", stderr(&output));
            assert!(stderr(&output).contains("1 stored list could not be read"), "{}", stderr(&output));
        }
        assert_eq!(site.rows(4, &["--user=editor1"], format!("{OTHER}\n").as_bytes()), Vec::<Value>::new());
    }
}

#[test]
fn slow_hashes_can_be_left_out_and_that_is_no_no() {
    let site = Site::leaky(Scheme::Bcrypt);
    let output = site.run(&["--generic-only"], PLAIN.as_bytes());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("slow hashes"), "{}", stderr(&output));
    let site = Site::leaky(Scheme::Generic);
    assert_eq!(site.rows(0, &["--generic-only"], PLAIN.as_bytes()), [found("stdin:1")]);
}

#[test]
fn a_hash_that_cannot_be_checked_is_told_and_is_no_no() {
    let mut site = Site::on(SqliteFixture::new());
    let costly = "$2y$31$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K";
    site.fixture.set_meta(3, &list(&[entry(UUID, "Costly", costly)]));
    let output = site.run(&[], format!("{OTHER}\n").as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cost above 16"), "{}", stderr(&output));
}

#[test]
fn a_name_that_comes_with_the_string_does_not_hide_whose_it_really_is() {
    for scheme in [Scheme::Generic, Scheme::Phpass] {
        let site = Site::leaky(scheme);
        for user in ["author1", "author1@example.com", "admin", "nobody-of-that-name", ""] {
            let header = format!("Authorization: Basic {}\n", STANDARD.encode(format!("{user}:{PLAIN}")));
            assert_eq!(site.rows(0, &["--scan"], header.as_bytes()), [found("stdin:1")], "{scheme:?} {user}");
        }
    }
}

#[test]
fn one_user_can_be_looked_at() {
    let site = Site::leaky(Scheme::Generic);
    for user in ["3", "author1", "author1@example.com"] {
        assert_eq!(site.rows(0, &["--user", user], PLAIN.as_bytes()), [found("stdin:1")], "{user}");
    }
    assert_eq!(site.rows(4, &["--user=editor1"], PLAIN.as_bytes()), Vec::<Value>::new());
    let unknown = site.run(&["--user=nobody"], PLAIN.as_bytes());
    assert_eq!(unknown.status.code(), Some(1));
}

#[test]
fn everybody_who_has_the_password_is_found_and_nobody_twice() {
    for mut site in Site::each() {
        site.fixture.set_meta(3, &leaked(Scheme::Generic));
        site.fixture.add_meta(2, SUSPENDED, &leaked(Scheme::Generic));
        site.fixture.set_meta(5, &leaked(Scheme::Phpass));
        let rows = site.rows(0, &[], format!("{PLAIN}\n{PLAIN} {}\n", in_groups(" ")).as_bytes());
        let who: Vec<(u64, &str)> = rows
            .iter()
            .map(|row| (row["user_id"].as_u64().unwrap(), row["state"].as_str().unwrap()))
            .collect();
        assert_eq!(who, [(2, "suspended"), (3, "active"), (5, "active")]);
    }
}

#[test]
fn rows_come_in_every_format_with_any_fields() {
    let site = Site::leaky(Scheme::Generic);
    let print = |arguments: &[&str]| String::from_utf8(site.run(arguments, PLAIN.as_bytes()).stdout).unwrap();
    assert_eq!(
        print(&["--format=csv"]),
        format!("user_id,user_login,uuid,name,state,where\n3,author1,{UUID},Leaky,active,stdin:1\n")
    );
    assert_eq!(print(&["--fields=user_login,where"]), "user_login\twhere\nauthor1\tstdin:1\n");
    assert_eq!(print(&["--field=uuid"]), format!("{UUID}\n"));
    assert!(print(&["--format=yaml"]).starts_with("---\n"));
    let nothing = site.run(&[], OTHER.as_bytes());
    assert_eq!((nothing.status.code(), nothing.stdout.as_slice()), (Some(4), &b""[..]));
}

#[test]
fn what_is_found_is_revoked_and_nothing_else() {
    for mut site in Site::each() {
        for scheme in [Scheme::Generic, Scheme::Phpass] {
            site.fixture.set_meta(3, &leaked(scheme));
            let before = site.fixture.metas();
            let output = site.run(&["--revoke", "--yes"], PLAIN.as_bytes());
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let stdout = String::from_utf8(output.stdout).unwrap();
            assert!(
                stdout.ends_with("Success: Revoked 1 application password of user 3 (author1).\n"),
                "{stdout}"
            );
            let mut after = site.fixture.metas();
            let list = after.insert(3, before[&3].clone()).unwrap().remove(0);
            assert_eq!(after, before, "other users");
            let list = String::from_utf8(list).unwrap();
            assert!(!list.contains(UUID) && list.contains("Before") && list.contains("After"), "{list}");
            assert_eq!(site.run(&["--revoke", "--yes"], PLAIN.as_bytes()).status.code(), Some(4));
        }
    }
}

#[test]
fn a_suspended_entry_is_found_and_removed_where_it_is_kept() {
    for mut site in Site::each() {
        site.fixture.add_meta(3, SUSPENDED, &leaked(Scheme::Bcrypt));
        let mut expected = found("stdin:1");
        expected["state"] = "suspended".into();
        for arguments in [&[][..], &["--user=author1"]] {
            assert_eq!(site.rows(0, arguments, PLAIN.as_bytes()), [expected.clone()]);
        }
        let before = site.fixture.metas();
        let output = site.run(&["--revoke", "--yes", "--format=json"], PLAIN.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), json!([expected]), "rows alone");
        assert!(stderr(&output).contains("Revoked 1 suspended application password"), "{}", stderr(&output));
        assert_eq!(site.fixture.metas(), before, "the list that WordPress reads is left alone");
        let rows = site.fixture.meta(3, SUSPENDED);
        let list = String::from_utf8(rows.concat()).unwrap();
        assert!(rows.len() == 1 && list.starts_with("a:2:") && !list.contains(UUID), "{list}");
    }
}

#[test]
fn nothing_is_revoked_without_a_yes() {
    let mut site = Site::leaky(Scheme::Generic);
    let before = site.fixture.metas();
    let output = site.run(&["--revoke"], PLAIN.as_bytes());
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--yes") && output.stdout.is_empty(), "{}", stderr(&output));
    assert_eq!(site.fixture.metas(), before);

    site.write("leak", PLAIN.as_bytes());
    let declined = Terminal::run_with_input(site.command(&["leak", "--revoke"]), 120, b"n\n");
    let shown = String::from_utf8_lossy(&declined.received).into_owned();
    assert!(declined.exit_code == 1 && shown.contains("Revoke 1 application password?"), "{shown}");
    assert_eq!(site.fixture.metas(), before);
    let confirmed = Terminal::run_with_input(site.command(&["leak", "--revoke"]), 120, b"y\n");
    assert_eq!(confirmed.exit_code, 0);
    assert_no_secret(&confirmed.received);
    assert_eq!(site.rows(4, &["leak"], b""), Vec::<Value>::new());
}

#[test]
fn when_some_lists_cannot_be_changed_the_others_are() {
    let mut site = Site::leaky(Scheme::Generic);
    // Older than uuids: `delete` has nothing to name it by.
    let old = format!("a:1:{{s:8:\"password\";s:49:\"{}\";}}", hash(Scheme::Generic, PLAIN));
    site.fixture.set_meta(5, &list(&[old]));
    let before = site.fixture.metas();
    let output = site.run(&["--revoke", "--yes"], PLAIN.as_bytes());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("5 (inventory-sync-bot)"), "{}", stderr(&output));
    let after = site.fixture.metas();
    assert_eq!(after[&5], before[&5]);
    assert_ne!(after[&3], before[&3]);
}

#[test]
fn of_copied_entries_the_one_that_leaked_goes() {
    let mut site = Site::on(SqliteFixture::new());
    let generic = |plain| hash(Scheme::Generic, plain);
    let (other, leaked) = (entry(UUID, "Copy", &generic("nobody")), entry(UUID, "Leaky", &generic(PLAIN)));
    site.fixture.set_meta(3, &list(&[other, leaked]));
    assert_eq!(site.run(&["--revoke", "--yes"], PLAIN.as_bytes()).status.code(), Some(0));
    assert_eq!(site.rows(4, &[], PLAIN.as_bytes()), Vec::<Value>::new());
}

#[test]
fn a_bar_shows_how_far_it_is_on_a_terminal_only() {
    let mut site = Site::on(SqliteFixture::new());
    let slow = bcrypt::hash_with_salt(PLAIN, 13, [7; 16]).unwrap().format_for_version(bcrypt::Version::TwoY);
    site.fixture.set_meta(3, &list(&[entry(UUID, "Leaky", &slow)]));
    site.write("leak", format!("{OTHER}\n{PLAIN}\n").as_bytes());
    let mut command = site.command(&["leak"]);
    command.env("TERM", "xterm");
    let shown = Terminal::run(command, 120);
    assert_no_secret(&shown.received);
    let text = String::from_utf8_lossy(&shown.received).into_owned();
    assert!(shown.exit_code == 0 && text.contains("left") && text.contains("Leaky"), "{text}");
    let piped = site.run(&["leak", "--format=json"], b"");
    assert!(!stderr(&piped).contains("left"), "{}", stderr(&piped));
}

#[test]
fn a_server_that_hung_up_while_the_strings_came_is_asked_again() {
    let Some(fixture) = MariadbFixture::new() else { return };
    let Some(rig) = rig::require() else { return };
    let mut site = Site::on(fixture);
    for scheme in [Scheme::Generic, Scheme::Phpass] {
        site.fixture.set_meta(3, &leaked(scheme));
        let mut child =
            site.command(&["--format=json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let url = site.fixture.url();
        let database = url.split('?').next().unwrap().rsplit('/').next().unwrap();
        let connections = format!(
            "SELECT id FROM information_schema.processlist WHERE user = 'wp' AND db = '{database}' AND command = 'Sleep'"
        );
        let mut killed = false;
        for _ in 0..500 {
            let ids = rig.sql(&rig.mariadb, "", &connections);
            for id in ids.lines() {
                rig.sql(&rig.mariadb, "", &format!("KILL {id}"));
                killed = true;
            }
            if killed {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(killed, "no connection was seen");
        let basic = format!("Basic {}\n", STANDARD.encode(format!("author1:{PLAIN}")));
        child.stdin.take().unwrap().write_all(basic.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(rows, json!([found("stdin:1")]), "{scheme:?}");
    }
}

#[test]
fn debug_output_holds_no_string_that_was_read() {
    let site = Site::leaky(Scheme::Generic);
    let text = format!("{OTHER}\nhttps://author1:{PLAIN}@example.com\n");
    let output = site.run(&["--debug"], text.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("Debug"), "{}", stderr(&output));
}

#[test]
fn names_of_files_are_shown_as_they_are() {
    let site = Site::leaky(Scheme::Generic);
    let name = std::ffi::OsStr::from_bytes(b"odd\xff name");
    std::fs::write(site.folder.path().join(name), PLAIN).unwrap();
    let output = site.run(&["--scan", ".", "--field=where"], b"");
    assert_eq!(output.stdout, b"./odd\xff name:1\n");
}

#[test]
fn real_wordpress_refuses_what_was_found_in_a_log_and_revoked() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp71", "wp71-sqlite"] {
        let site = rig.site(name);
        let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let login = format!("identify-{}-{}", std::process::id(), name.replace('-', ""));
        let made = rig.wp_eval(
            site,
            &format!(
                "$user = wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => wp_generate_password(),
                     'user_email' => '{login}@example.com', 'role' => 'author' ) );
                 $kept = WP_Application_Passwords::create_new_application_password( $user, array( 'name' => 'Kept' ) );
                 $leaked = WP_Application_Passwords::create_new_application_password( $user, array( 'name' => 'Leaked' ) );
                 return array( $user, $kept[0], $leaked[0], WP_Application_Passwords::chunk_password( $leaked[0] ), $leaked[1]['uuid'] );"
            ),
        );
        let text = |index: usize| made[index].as_str().unwrap();
        let (kept, leaked, shown, uuid) = (text(1), text(2), text(3), text(4));
        let me = "/wp-json/wp/v2/users/me";
        assert_eq!(site.get(me, &login, leaked).status, 200, "{name}");

        let folder = tempfile::tempdir().unwrap();
        let lines =
            format!("127.0.0.1 - {login} [26/Nov/2026] \"GET / HTTP/1.1\" 200\nThe password is {shown}.\n");
        std::fs::write(folder.path().join("access.log"), lines).unwrap();
        // Who acts, by WP-CLI's configuration, is not whose password it is.
        let config = folder.path().join("config.yml");
        std::fs::write(&config, "user: editor1\n").unwrap();
        let run = |more: &[&str]| {
            let path = folder.path().to_str().unwrap();
            let mut command = site.tool();
            command.env("WP_CLI_CONFIG_PATH", &config);
            let output =
                command.args(["identify", "--scan", path, "--format=json"]).args(more).output().unwrap();
            for secret in [leaked, shown] {
                assert!(!String::from_utf8_lossy(&output.stdout).contains(secret));
                assert!(!stderr(&output).contains(secret));
            }
            output
        };
        let output = run(&["--revoke", "--yes"]);
        assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(rows[0]["uuid"], uuid, "{name}");
        assert_eq!(rows[0]["user_login"], login.as_str(), "{name}");
        assert!(rows[0]["where"].as_str().unwrap().ends_with("access.log:2"), "{rows}");
        assert_eq!(site.get(me, &login, leaked).status, 401, "{name}");
        assert_eq!(site.get(me, &login, kept).status, 200, "{name}");
        // Of the others' lists, which other tests change meanwhile, nothing is said here.
        let output = run(&[&format!("--user={login}")]);
        assert_eq!(output.status.code(), Some(4), "{name}: {}", stderr(&output));
        rig.wp_eval(site, &format!("require_once ABSPATH . 'wp-admin/includes/user.php'; require_once ABSPATH . 'wp-admin/includes/ms.php'; return wp_delete_user( {} );", made[0]));
    }
}
