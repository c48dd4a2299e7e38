//! What a user types and sees, beyond the recorded transcripts.

use std::process::{Command, Output, Stdio};

use crate::fixture::{Fixture, SqliteFixture};
use crate::process::Terminal;
use crate::rig;

/// A site on SQLite, in the state of the golden fixture.
struct Site(SqliteFixture);

impl Site {
    fn new() -> Self {
        Self(SqliteFixture::new())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rig::binary();
        command.args(arguments).env("WP_APP_PASSWORD_DB", self.0.url());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn the_published_pipeline_revokes_every_entry() {
    let site = Site::new();
    let binary = env!("CARGO_BIN_EXE_wp-app-password");
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("{binary} list 1 --format=ids | xargs -I{{}} {binary} delete 1 {{}}"))
        .env("WP_APP_PASSWORD_DB", site.0.url())
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "Success: Deleted 4 of 4 application passwords.\n", "{output:?}");
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "0");
}

#[test]
fn the_published_pipeline_revokes_what_has_a_uuid() {
    let mut site = Site::new();
    let binary = env!("CARGO_BIN_EXE_wp-app-password");
    let one = "AAAAAAAA-1111-4111-8111-111111111111";
    let entry = |uuid: &str| format!("a:2:{{{uuid}s:8:\"password\";s:1:\"h\";}}");
    let none = "a:1:{s:8:\"password\";s:1:\"h\";}";
    let of = |uuid: &str| entry(&format!("s:4:\"uuid\";s:36:\"{uuid}\";"));
    let other = "22222222-2222-4222-8222-222222222222";
    for (list, said) in [
        (format!("a:2:{{i:0;{}i:1;{none}}}", of(one)), "Deleted 1 of 1 application password."),
        (format!("a:2:{{i:0;{none}i:1;{}}}", of(other)), "Deleted 1 of 1 application password."),
        (format!("a:2:{{i:0;{}i:1;{}}}", of(one), of(other)), "Deleted 2 of 2 application passwords."),
        (format!("a:1:{{i:0;{}}}", of(one)), "Deleted 1 of 1 application password."),
    ] {
        site.0.set_meta(3, list.as_bytes());
        let output = Command::new("sh")
            .arg("-c")
            .arg(format!("{binary} list 3 --format=ids --quiet | xargs -I{{}} {binary} delete 3 {{}}"))
            .env("WP_APP_PASSWORD_DB", site.0.url())
            .output()
            .unwrap();
        assert_eq!(stdout(&output), format!("Success: {said}\n"), "{list}: {output:?}");
        let left = usize::from(list.contains(none));
        assert_eq!(stdout(&site.run(&["list", "3", "--format=count"])), left.to_string());
    }
}

#[test]
fn one_argument_is_taken_apart_where_it_holds_a_uuid() {
    let site = Site::new();
    let output = site.run(&["delete", "1", "11111111-1111-4111-8111-111111111111  nonsense "]);
    assert_eq!(code(&output), 1);
    assert!(stderr(&output).contains("Failed to delete UUID nonsense: "), "{output:?}");
    assert_eq!(stdout(&output), "Success: Deleted 1 of 2 application passwords.\n");
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "3");
    // Compared exactly, as WordPress does.
    let capitals = site.run(&["delete", "8", "EEEEEEEE-EEEE-4EEE-8EEE-EEEEEEEEEEEE x"]);
    assert_eq!(stdout(&capitals), "Success: Deleted 0 of 2 application passwords.\n");
    let whole = site.run(&["delete", "1", "some nonsense"]);
    assert!(stderr(&whole).contains("Failed to delete UUID some nonsense: "), "{whole:?}");
}

#[test]
fn without_a_user_every_user_is_listed_in_order() {
    let site = Site::new();
    let output = site.run(&["list", "--format=csv", "--fields=user_id,user_login,name"]);
    assert_eq!(
        stdout(&output),
        "user_id,user_login,name\n1,admin,\"Beta App\"\n1,admin,alpha\n1,admin,dupe\n1,admin,\"çédille 🚀 \"\"q\"\", it's\"\n\
         4,subscriber1,solo\n5,inventory-sync-bot,0\n5,inventory-sync-bot,min\n6,9,\"of user 6\"\n\
         8,editor1@example.com,\" lead: colon # hash \"\n8,editor1@example.com,yes\n\
         8,editor1@example.com,\"line1 line2 <b>&amp;</b>\ttab\"\n8,editor1@example.com,{n}\n"
            .replace("{n}", &"n".repeat(150))
    );
    let header = site.run(&["list"]);
    assert!(
        stdout(&header).starts_with(
            "user_id\tuser_login\tuuid\tapp_id\tname\tpassword\tcreated\tlast_used\tlast_ip\n1\tadmin\t"
        ),
        "{header:?}"
    );
}

#[test]
fn streamed_and_buffered_lists_of_all_users_agree() {
    let site = Site::new();
    for format in ["csv", "json", "yaml", "count", "ids", "table"] {
        let streamed = site.run(&["list", "--name=solo", &format!("--format={format}")]);
        let buffered = site.run(&["list", "--name=solo", &format!("--format={format}"), "--order=desc"]);
        assert_eq!(stdout(&streamed), stdout(&buffered), "{format}");
        assert!(!streamed.stdout.is_empty(), "{format}");
    }
    let oldest = site.run(&["list", "--orderby=created", "--order=asc", "--field=name"]);
    assert!(stdout(&oldest).starts_with("min\nçédille"), "{oldest:?}");
}

#[test]
fn a_list_of_all_users_can_be_filtered_and_ordered_by_user() {
    let site = Site::new();
    for filter in ["--user_login=subscriber1", "--user-login=subscriber1", "--user_id=4", "--user-id=4"] {
        for more in ["--format=csv", "--order=asc"] {
            let output = site.run(&["list", filter, more, "--field=name"]);
            assert_eq!(stdout(&output), "solo\n", "{filter} {more}");
        }
    }
    assert_eq!(stdout(&site.run(&["list", "--user_id=4", "--name=other", "--format=count"])), "0");
    assert_eq!(stdout(&site.run(&["list", "--user_login=Subscriber1", "--format=count"])), "0");
    let names = |order: &str, field: &str| {
        let output = site.run(&[
            "list",
            &format!("--orderby={field}"),
            &format!("--order={order}"),
            "--field=user_id",
        ]);
        assert_eq!(code(&output), 0, "{output:?}");
        stdout(&output).split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names("asc", "user_id"), "1 1 1 1 4 5 5 6 8 8 8 8");
    assert_eq!(names("desc", "user_id"), "8 8 8 8 6 5 5 4 1 1 1 1");
    // As PHP compares: the login `9` is a number, and still comes before letters.
    assert_eq!(names("asc", "user_login"), "6 1 1 1 1 8 8 8 8 5 5 4");
    // WP-CLI: one user's entries have no such fields.
    assert_eq!(stdout(&site.run(&["list", "1", "--user_id=4", "--format=count"])), "4");
    let bare = site.run(&["list", "1", "--user_login", "--format=count"]);
    assert_eq!((stdout(&bare).as_str(), stderr(&bare).as_str()), ("4", ""));
    let order = site.run(&["list", "1", "--orderby=user_login"]);
    assert!(
        code(&order) == 1 && stderr(&order).contains("Invalid value specified for 'orderby'"),
        "{order:?}"
    );
}

#[test]
fn a_row_that_is_too_long_leaves_the_other_rows_a_whole_document() {
    let site = Site::new();
    site.0
        .connection()
        .execute(
            "UPDATE wp_usermeta SET meta_value = replace(hex(zeroblob(60000000)), '0', 'x')
             WHERE user_id = 4 AND meta_key = '_application_passwords'",
            [],
        )
        .unwrap();
    let all = |more: &[&str]| {
        let output = site.run(&[&["list"][..], more].concat());
        assert_eq!(code(&output), 1, "{output:?}");
        let told = stderr(&output);
        assert!(told.contains("(user 4) holds 120000000 bytes") && told.contains("DELETE FROM"), "{told}");
        stdout(&output)
    };
    for order in [&[][..], &["--orderby=user_id", "--order=asc"]] {
        let json: serde_json::Value =
            serde_json::from_str(&all(&[order, &["--format=json"]].concat())).unwrap();
        let users: Vec<_> =
            json.as_array().unwrap().iter().map(|row| row["user_id"].as_u64().unwrap()).collect();
        assert_eq!(users, [1, 1, 1, 1, 5, 5, 6, 8, 8, 8, 8]);
        assert_eq!(all(&[order, &["--format=count"]].concat()), "11");
        assert_eq!(all(&[order, &["--field=user_id"]].concat()), "1\n1\n1\n1\n5\n5\n6\n8\n8\n8\n8\n");
    }
}

#[test]
fn a_list_of_forty_megabytes_is_a_list_as_it_is_to_php() {
    let mut site = Site::new();
    let name = "n".repeat(1_000_000);
    let entries: String = (0..40)
        .map(|index| {
            format!(
                "i:{index};a:3:{{s:4:\"uuid\";s:2:\"u{}\";s:4:\"name\";s:1000000:\"{name}\";s:8:\"password\";s:1:\"h\";}}",
                index % 10
            )
        })
        .collect();
    site.0.set_meta(3, format!("a:40:{{{entries}}}").as_bytes());
    let listed = site.run(&["list", "3", "--format=count"]);
    assert_eq!((stdout(&listed).as_str(), code(&listed)), ("40", 0), "{}", stderr(&listed));
    let deleted = site.run(&["delete", "3", "u7"]);
    assert_eq!(stdout(&deleted), "Success: Deleted 1 of 1 application password.\n", "{}", stderr(&deleted));
}

#[test]
fn a_list_nested_as_deep_as_php_reads_is_a_list() {
    let mut site = Site::new();
    for (depth, readable) in [(600, true), (4_096, true), (4_097, false)] {
        // The list and the entry are two levels.
        let deep = ["a:1:{i:0;".repeat(depth - 2), "i:1;".into(), "}".repeat(depth - 2)].concat();
        let entry = format!("a:3:{{s:4:\"uuid\";s:1:\"u\";s:8:\"password\";s:1:\"h\";s:1:\"x\";{deep}}}");
        site.0.set_meta(3, format!("a:1:{{i:0;{entry}}}").as_bytes());
        let listed = site.run(&["list", "3", "--format=ids"]);
        assert_eq!(code(&listed), 0, "{listed:?}");
        assert_eq!(stdout(&listed), if readable { "u" } else { "" }, "{depth}");
        assert_eq!(stderr(&listed).contains("4096 levels"), !readable, "{listed:?}");
        for format in ["table", "csv", "json", "yaml"] {
            assert_eq!(code(&site.run(&["list", "3", "--fields=uuid,x", &format!("--format={format}")])), 0);
        }
        let deleted = site.run(&["delete", "3", "u"]);
        assert_eq!(code(&deleted) == 0, readable, "{deleted:?}");
    }
}

#[test]
fn create_as_json_holds_every_field() {
    let site = Site::new();
    let output = site.run(&["create", "editor1", "My App", "--app-id=x", "--format=json"]);
    let object: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(object["user_id"], 2);
    assert_eq!(object["user_login"], "editor1");
    assert_eq!(object["name"], "My App");
    assert_eq!(object["app_id"], "x");
    assert_eq!(object["password"].as_str().unwrap().len(), 24);
    let listed = site.run(&["list", "2", "--field=uuid"]);
    assert_eq!(stdout(&listed).trim(), object["uuid"].as_str().unwrap());
}

#[test]
fn revoke_all_counts_asks_and_can_be_tried_first() {
    let site = Site::new();
    let tried = site.run(&["revoke-all", "1", "--dry-run"]);
    assert_eq!(code(&tried), 2);
    assert!(stdout(&tried).contains("11111111-1111-4111-8111-111111111111  alpha\n"), "{tried:?}");
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "4");

    let declined = Terminal::run_with_input(site.command(&["revoke-all", "1"]), 80, b"n\n");
    assert_eq!(declined.exit_code, 1);
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "4");

    let neither = Terminal::run_with_input(site.command(&["revoke-all", "1"]), 80, b"\xff\n");
    assert!(String::from_utf8_lossy(&neither.received).contains("Nothing was changed."));
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "4");

    let affirmed = Terminal::run_with_input(site.command(&["revoke-all", "1"]), 80, b"y\n");
    assert_eq!(affirmed.exit_code, 0, "{}", String::from_utf8_lossy(&affirmed.received));
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "0");

    let nothing = site.run(&["revoke-all", "2", "--yes"]);
    assert_eq!(stdout(&nothing), "Success: Revoked 0 application passwords of user 2 (editor1).\n");
    assert_eq!(code(&site.run(&["revoke-all", "2", "--dry-run"])), 0);
    let mut site = site;
    site.0.set_meta(9, b"a:2:{i:0;s:1:\"x\";i:1;i:5;}");
    let items = site.run(&["revoke-all", "9", "--dry-run"]);
    assert_eq!(
        (code(&items), stdout(&items).as_str()),
        (2, "Would revoke 2 application passwords of user 9 (uni).\n")
    );
    let one = site.run(&["revoke-all", "4"]);
    assert_eq!(stdout(&one), "Success: Revoked 1 application password of user 4 (subscriber1).\n");
}

#[test]
fn revoke_all_asks_whoever_types_wherever_its_output_goes() {
    let site = Site::new();
    let binary = env!("CARGO_BIN_EXE_wp-app-password");
    for redirection in ["| cat", ">/dev/null", "2>&1 | cat"] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{binary} revoke-all 1 {redirection}")]);
        command.env("WP_APP_PASSWORD_DB", site.0.url());
        let declined = Terminal::run_with_input(command, 80, b"n\n");
        let seen = String::from_utf8_lossy(&declined.received).into_owned();
        assert!(seen.contains("alpha") && seen.contains("Revoke 4 application passwords"), "{seen}");
        assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "4", "{redirection}");
    }
}

#[test]
fn a_dry_run_tells_every_name_from_every_other() {
    let mut site = Site::new();
    let names = ["a\\nb", "a\nb", "t\tb", "r\rb", "e\u{1b}[1m\u{7f}", "\u{e9}"];
    let entries: String = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            format!(
                "i:{at};a:3:{{s:4:\"uuid\";s:2:\"u{at}\";s:4:\"name\";s:{}:\"{name}\";s:8:\"password\";s:1:\"h\";}}",
                name.len()
            )
        })
        .collect();
    site.0.set_meta(3, format!("a:{}:{{{entries}}}", names.len()).as_bytes());
    let output = site.run(&["revoke-all", "3", "--dry-run", "--quiet"]);
    assert_eq!(
        stdout(&output),
        "u0  a\\\\nb\nu1  a\\x0ab\nu2  t\\x09b\nu3  r\\x0db\nu4  e\\x1b[1m\\x7f\nu5  \u{e9}\n"
    );
}

#[test]
fn a_change_that_cannot_be_told_is_told_as_done() {
    let site = Site::new();
    let binary = env!("CARGO_BIN_EXE_wp-app-password");
    let into = |redirection: &str, arguments: &str| {
        let output = Command::new("sh")
            .args(["-c", &format!("{binary} {arguments} {redirection}")])
            .env("WP_APP_PASSWORD_DB", site.0.url())
            .output()
            .unwrap();
        (code(&output), stderr(&output))
    };
    let alpha = "11111111-1111-4111-8111-111111111111";
    let renamed = into(">/dev/full", &format!("update 1 {alpha} --name=x"));
    assert!(
        renamed.0 == 1 && renamed.1.contains("Updated application password. That is saved"),
        "{renamed:?}"
    );
    let deleted = into(">/dev/full", &format!("delete 1 {alpha}"));
    assert!(
        deleted.0 == 1 && deleted.1.contains("Deleted 1 of 1 application password. That is saved"),
        "{deleted:?}"
    );
    let all = into(">/dev/full", "revoke-all 1");
    assert!(
        all.0 == 1 && all.1.contains("Revoked 3 application passwords of user 1 (admin). That is saved"),
        "{all:?}"
    );
    // Somebody who reads no further is no failure to speak of.
    let unread = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = site.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        (code(&output), stderr(&output))
    };
    for reading in [&["list"][..], &["--help"], &["site"], &["man"]] {
        assert_eq!(unread(reading), (141, String::new()), "{reading:?}");
    }
    let revoked = unread(&["delete", "8", "--all"]);
    assert!(
        revoked.0 == 1 && revoked.1.contains("Deleted all application passwords. That is saved"),
        "{revoked:?}"
    );
    let full = into(">/dev/full", "list");
    assert!(full.0 == 1 && full.1.contains("could not be written"), "{full:?}");
}

#[test]
fn a_password_that_cannot_be_printed_is_taken_back() {
    let site = Site::new();
    for arguments in [
        &["create", "3", "full"][..],
        &["create", "3", "full", "--porcelain"],
        &["create", "3", "full", "--format=json"],
        &["create", "3", "full", "--quiet"],
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = site.command(arguments).stdout(full).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(stderr(&output).contains("taken back"), "{output:?}");
        assert_eq!(stdout(&site.run(&["list", "3", "--format=count"])), "0", "{arguments:?}");

        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = site.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(stderr(&output).contains("taken back"), "{output:?}");
        assert_eq!(stdout(&site.run(&["list", "3", "--format=count"])), "0", "{arguments:?}");
    }
    // Closed, and open for reading only.
    for redirection in [">&-", "1</dev/null"] {
        let closed = Command::new("sh")
            .arg("-c")
            .arg(format!("{} create 3 closed {redirection}", env!("CARGO_BIN_EXE_wp-app-password")))
            .env("WP_APP_PASSWORD_DB", site.0.url())
            .output()
            .unwrap();
        assert_eq!(code(&closed), 1, "{redirection}");
        assert!(stderr(&closed).contains("Standard output is closed"), "{closed:?}");
        assert_eq!(stdout(&site.run(&["list", "3", "--format=count"])), "0", "{redirection}");
    }
}

#[test]
fn an_unreadable_list_is_reported_and_never_overwritten() {
    let mut site = Site::new();
    for (value, reason) in [
        (&b"a:1:{i:0;a:1:{s:4:\"uuid\";s:99:\"x\";}}"[..], "byte"),
        (br#"[{"uuid":"x"}]"#, "not a serialized list"),
        (br#"s:6:"a:0:{}";"#, "serialized twice"),
        (b"i:5;", "not a list"),
        (b"a:1:{i:0;a:1:{s:4:\"uu", "byte"),
        (b"nonsense \xff", "not a serialized list"),
    ] {
        site.0.set_meta(3, value);
        let read = site.run(&["list", "3", "--format=count"]);
        assert_eq!((code(&read), stdout(&read).as_str()), (0, "0"), "{read:?}");
        assert!(stderr(&read).contains("3 (author1)") && stderr(&read).contains(reason), "{read:?}");
        for write in [
            &["create", "3", "x"][..],
            &["delete", "3", "--all"],
            &["delete", "3", "11111111-1111-4111-8111-111111111111"],
            &["update", "3", "11111111-1111-4111-8111-111111111111", "--name=x"],
            &["record-usage", "3", "11111111-1111-4111-8111-111111111111"],
            &["revoke-all", "3", "--yes"],
            &["revoke-all", "3", "--dry-run"],
        ] {
            let output = site.run(write);
            assert_eq!(code(&output), 1, "{write:?}");
            assert!(stderr(&output).contains("--replace-unreadable"), "{output:?}");
            assert_eq!(stderr(&output).matches("be read").count(), 1, "{output:?}");
            assert_eq!(site.0.metas()[&3], [value], "{write:?}");
        }
    }
    let output = site.run(&["create", "3", "x", "--replace-unreadable"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(stdout(&site.run(&["list", "3", "--field=name"])), "x\n");
    let kept: Vec<u8> = site
        .0
        .connection()
        .query_row(
            "SELECT CAST(meta_value AS BLOB) FROM wp_usermeta WHERE user_id = 3 AND meta_key = '_application_passwords_unreadable'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(kept, b"nonsense \xff");
    let kept_in: i64 = site
        .0
        .connection()
        .query_row(
            "SELECT umeta_id FROM wp_usermeta WHERE user_id = 3 AND meta_key = '_application_passwords_unreadable'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    let told = stderr(&output);
    assert!(
        told.contains(&format!("row {kept_in} under the key _application_passwords_unreadable")),
        "{told}"
    );
}

#[test]
fn control_characters_are_escaped_on_a_terminal_and_exact_in_a_pipe() {
    let mut site = Site::new();
    let name = "evil\u{1b}[2J\u{202e}txt";
    let stored =
        format!("a:1:{{i:0;a:2:{{s:4:\"uuid\";s:1:\"u\";s:4:\"name\";s:{}:\"{name}\";}}}}", name.len());
    site.0.set_meta(3, stored.as_bytes());
    assert_eq!(stdout(&site.run(&["list", "3", "--field=name"])), format!("{name}\n"));
    for arguments in
        [&["list", "3", "--field=name"][..], &["list", "3"], &["list"], &["revoke-all", "3", "--dry-run"]]
    {
        let seen = Terminal::run(site.command(arguments), 200).received;
        let seen = String::from_utf8(seen).unwrap();
        assert!(!seen.contains("\u{1b}[2J") && !seen.contains('\u{202e}'), "{seen:?}");
        assert!(seen.contains("evil\\x1b[2J\\u{202e}txt"), "{seen:?}");
    }
}

#[test]
fn expect_url_guards_against_the_wrong_database() {
    let site = Site::new();
    for good in [
        "https://golden.example",
        "https://golden.example/",
        "http://GOLDEN.example",
        "golden.example",
        "HTTP://golden.example:80/",
        "https://golden.example:443",
        "golden.example:443",
    ] {
        let output = site.run(&["list", "1", "--format=count", "--expect-url", good]);
        assert_eq!(stdout(&output), "4", "{good}: {output:?}");
    }
    for bad in [
        "https://other.example",
        "https://golden.example/blog",
        "https://golden.example:8443",
        "https://golden.example:80",
    ] {
        let output = site.run(&["delete", "1", "--all", &format!("--expect-url={bad}")]);
        assert_eq!(code(&output), 1, "{bad}");
        assert!(stderr(&output).contains("belongs to another site"), "{output:?}");
    }
    for nothing in ["--expect-url=", "--expect-url= "] {
        let output = site.run(&["delete", "1", "--all", nothing]);
        assert!(code(&output) == 1 && stderr(&output).contains("--expect-url is empty"), "{output:?}");
    }
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "4");
}

#[test]
fn global_parameters_stand_anywhere_and_in_both_spellings() {
    let site = Site::new();
    let url = site.0.url();
    for arguments in [
        &["--db", &url, "list", "1", "--format=count"][..],
        &["list", "--db", &url, "1", "--format=count"],
        &["list", "1", "--format=count", &format!("--db={url}")],
        &["list", "1", "--format=count", "--skip-plugins", "--skip-themes=x", "--allow-root", "--user=admin"],
        &["--user", "2", "--no-color", "--quiet", "list", "1", "--format=count"],
    ] {
        let output = site.run(arguments);
        assert_eq!(stdout(&output), "4", "{arguments:?} {output:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
    let nobody = site.run(&["list", "1", "--user=nobody"]);
    assert_eq!(stderr(&nobody), "Error: Invalid user ID, email or login: 'nobody'\n");
    for refused in ["--ssh=host", "--require=x.php", "--exec=1", "--prompt", "--http=x"] {
        let output = site.run(&["list", "1", refused]);
        assert_eq!(code(&output), 1, "{refused}");
    }
}

#[test]
fn usage_errors_end_with_one() {
    let site = Site::new();
    for arguments in [
        &["nonsense"][..],
        &["create", "1", "x", "--hash=rot13"],
        &["create", "1", "x", "--bcrypt-cost=40"],
        &["revoke-all"],
        &["revoke-all", "1", "--nonsense"],
        &["completions", "csh"],
        &["man", "nonsense"],
        &["@prod", "list", "1"],
        &["list", "1", "--cache=maybe"],
    ] {
        let output = site.run(arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {output:?}");
        assert!(stderr(&output).starts_with("Error: "), "{arguments:?}: {output:?}");
    }
    for arguments in [&["--help"][..], &["create", "--help"], &["--version"], &[], &["revoke-all", "-h"]] {
        assert_eq!(code(&site.run(arguments)), 0, "{arguments:?}");
    }
}

#[test]
fn help_is_a_command_and_what_parameters_alone_get() {
    let site = Site::new();
    let of = |arguments: &[&str]| {
        let output = site.run(arguments);
        assert_eq!((code(&output), stderr(&output).as_str()), (0, ""), "{arguments:?}");
        stdout(&output)
    };
    assert_eq!(of(&["help"]), of(&["--help"]));
    assert_eq!(of(&["help", "create"]), of(&["create", "--help"]));
    assert_eq!(of(&["help", "revoke-all"]), of(&["revoke-all", "--help"]));
    for alone in [&["--quiet"][..], &["--no-color"], &["--path=/nowhere"]] {
        assert_eq!(of(alone), of(&[]), "{alone:?}");
    }
    let unknown = site.run(&["help", "nonsense"]);
    assert!(code(&unknown) == 1 && stderr(&unknown).contains("no command 'nonsense'"), "{unknown:?}");
}

#[test]
fn parameters_without_an_effect_are_refused() {
    let site = Site::new();
    site.0.connection().execute("DELETE FROM wp_options WHERE option_name LIKE '%update_core'", []).unwrap();
    for (arguments, word) in [
        (
            &["create", "1", "x", "--hash=phpass", "--bcrypt-cost=12"][..],
            "--bcrypt-cost has no effect on the phpass hash",
        ),
        (&["create", "1", "x", "--porcelain", "--format=json"], "leave one away"),
        (&["list", "1", "--env-file=/dev/null"], "WP_APP_PASSWORD_DB"),
        (&["list", "1", "--db", "sqlite:x", "--env-file=/dev/null"], "--env-file has no effect with --db"),
        (&["list", "1", "--db", "sqlite:x", "--assume-env"], "--assume-env has no effect with --db"),
        (&["list", "1", "--db", "sqlite:x", "--php"], "--php has no effect with --db"),
        (&["list", "1", "--sandbox", "--php"], "--php has no effect with --sandbox"),
        (&["list", "1", "--sandbox", "--table-prefix=zz_"], "--table-prefix has no effect with --sandbox"),
        (&["list", "1", "--db", "mysql://u@127.0.0.1:1/d?charset=bogus"], "charset is none that MySQL"),
        (&["list", "1", "--db", "mysql://u@127.0.0.1:1/d?charset=utf16"], "charset is none that MySQL"),
    ] {
        let home = tempfile::tempdir().unwrap();
        let output = site.command(arguments).env("HOME", home.path()).output().unwrap();
        assert_eq!((code(&output), stdout(&output).as_str()), (1, ""), "{arguments:?}");
        assert!(stderr(&output).contains(word), "{arguments:?}: {output:?}");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "{arguments:?} made something");
    }
    assert_eq!(stdout(&site.run(&["list", "1", "--format=count"])), "4");
    assert_eq!(code(&site.run(&["create", "1", "x", "--hash=bcrypt", "--bcrypt-cost=4"])), 0);
}

#[test]
fn a_table_prefix_that_is_not_the_sites_is_refused() {
    let site = Site::new();
    let root = root_around(&site);
    let path = format!("--path={}", root.path().display());
    let run =
        |prefix: &str| rig::binary().args(["list", "1", "--format=count", &path, prefix]).output().unwrap();
    assert_eq!(stdout(&run("--table-prefix=wp_")), "4");
    let other = run("--table-prefix=zz_");
    assert!(code(&other) == 1 && stderr(&other).contains("its configuration says wp_"), "{other:?}");
    // Where the configuration leaves it open, it is the answer.
    let config = root.path().join("wp-config.php");
    let open = std::fs::read_to_string(&config).unwrap().replace("'wp_'", "getenv( 'PREFIX' ) ?: 'zz_'");
    std::fs::write(&config, open).unwrap();
    assert_eq!(code(&run("--quiet")), 1);
    let answered = run("--table-prefix=wp_");
    assert_eq!(stdout(&answered), "4", "{answered:?}");
}

#[test]
fn wordpress_before_5_6_ends_wp_clis_commands_as_wp_cli_does() {
    let site = Site::new();
    let root = root_around(&site);
    let version = "<?php\n$wp_version = '5.5.3';\n$wp_db_version = 48748;\n";
    std::fs::write(root.path().join("wp-includes/version.php"), version).unwrap();
    let path = format!("--path={}", root.path().display());
    let uuid = "11111111-1111-4111-8111-111111111111";
    for verb in [
        &["create", "1", "x"][..],
        &["list", "1"],
        &["list", "nobody"],
        &["get", "1", uuid],
        &["exists", "1", "x"],
        &["update", "1", uuid, "--name=x"],
        &["record-usage", "1", uuid],
        &["delete", "1", uuid],
    ] {
        let output = rig::binary().args(verb).arg(&path).output().unwrap();
        assert_eq!(stderr(&output), "Error: Requires WordPress 5.6 or greater.\n", "{verb:?}");
        assert_eq!((code(&output), stdout(&output).as_str()), (1, ""), "{verb:?}");
    }
    let ours = rig::binary().args(["revoke-all", "1", &path]).output().unwrap();
    assert_eq!(stdout(&ours), "Success: Revoked 4 application passwords of user 1 (admin).\n", "{ours:?}");
}

#[test]
fn parameters_are_read_and_suggested_as_wp_cli_does() {
    let site = Site::new();
    let uuid = "11111111-1111-4111-8111-111111111111";
    // Each as WP-CLI 3.x answers, recorded.
    for (strict, arguments, said) in [
        (false, &["create", "1", "n", "--por"][..], "Parameter errors:\n unknown --por parameter\n"),
        (
            false,
            &["create", "1", "x", "--porclain", "--aap-id=x", "--colr", "--app_id=3", "--appid=2"],
            "Parameter errors:\n unknown --porclain parameter\nDid you mean '--porcelain'?\n unknown --aap-id parameter\n\
             Did you mean '--app-id'?\n unknown --colr parameter\n unknown --app_id parameter\nDid you mean '--app-id'?\n \
             unknown --appid parameter\nDid you mean '--app-id'?\n",
        ),
        (
            false,
            &["create", "1", "x", "--debg", "--usr=2", "--pth=x"],
            "Parameter errors:\n unknown --debg parameter\n unknown --usr parameter\nDid you mean '--user'?\n \
             unknown --pth parameter\n",
        ),
        (
            false,
            &["get", "1", uuid, "--fiels=x"],
            "Parameter errors:\n unknown --fiels parameter\nDid you mean '--field'?\n",
        ),
        (true, &["get", "1", uuid, "--color"], "Parameter errors:\n unknown --color parameter\n"),
        (
            true,
            &["exists", "1", "x", "--user=1", "--quiet"],
            "Parameter errors:\n unknown --user parameter\n unknown --quiet parameter\n",
        ),
        (false, &["exists", "1", "x", "--path"], "The --path parameter cannot be empty when provided.\n"),
        (false, &["exists", "1", "x", "--path="], "The --path parameter cannot be empty when provided.\n"),
        (false, &["exists", "1", "--no-path"], "The --path parameter cannot be empty when provided.\n"),
    ] {
        let mut command = site.command(arguments);
        if strict {
            command.env("WP_CLI_STRICT_ARGS_MODE", "1");
        }
        let output = command.output().unwrap();
        assert_eq!((code(&output), stderr(&output)), (1, format!("Error: {said}")), "{arguments:?}");
    }
    let strict =
        |arguments: &[&str]| site.command(arguments).env("WP_CLI_STRICT_ARGS_MODE", "1").output().unwrap();
    // Before the command only WP-CLI's own count; `list` takes any filter.
    assert!(stdout(&strict(&["--format=json", "list", "1"])).starts_with("uuid\t"));
    assert_eq!(stdout(&strict(&["--color", "list", "1", "--user=nobody", "--format=count"])), "4");
    assert_eq!(stderr(&strict(&["--quiet", "get", "1", uuid, "--field=bogus"])), "");
    assert_eq!(stdout(&strict(&["list", "1", "--format=count", "--table-prefix=wp_"])), "4");
}

#[test]
fn debug_output_holds_no_secret() {
    let site = Site::new();
    let output = site.run(&["create", "1", "x", "--porcelain", "--debug"]);
    assert!(stderr(&output).contains("Debug (version): the site's WordPress is "), "{output:?}");
    assert!(!stderr(&output).contains("Evidence"), "{output:?}");
    let password = stdout(&output).trim().to_owned();
    assert_eq!(password.len(), 24);
    assert!(stderr(&output).contains("Debug"), "{output:?}");
    assert!(!stderr(&output).contains(&password));
    let output = rig::binary()
        .args(["--debug", "list", "1", "--db", "mysql://wp:hunter2@127.0.0.1:1/wp"])
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    assert!(!stderr(&output).contains("hunter2"), "{output:?}");
}

#[test]
fn no_core_file_can_hold_a_secret() {
    let site = Site::new();
    // A locked database makes the program wait, so that its limits can be looked at.
    let lock = site.0.connection();
    lock.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let mut child = site.command(&["create", "1", "x"]).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    lock.execute_batch("COMMIT").unwrap();
    child.wait().unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"], "{core}");
}

/// A WordPress root around the fixture's database, as the SQLite integration lays it out.
fn root_around(site: &Site) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let content = root.path().join("wp-content");
    std::fs::create_dir_all(content.join("database")).unwrap();
    std::fs::create_dir_all(root.path().join("wp-includes")).unwrap();
    std::fs::copy(site.0.path(), content.join("database/.ht.sqlite")).unwrap();
    std::fs::write(root.path().join("wp-load.php"), "<?php").unwrap();
    std::fs::write(content.join("db.php"), "<?php define( 'SQLITE_DB_DROPIN_VERSION', '1.8.0' );").unwrap();
    std::fs::write(root.path().join("wp-includes/version.php"), "<?php\n$wp_version = '7.1';\n").unwrap();
    std::fs::write(
        root.path().join("wp-config.php"),
        "<?php\ndefine( 'DB_NAME', 'wordpress' );\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n",
    )
    .unwrap();
    root
}

#[test]
fn behind_an_object_cache_nothing_is_added_and_a_revocation_is_no_success() {
    let site = Site::new();
    let root = root_around(&site);
    let run = |arguments: &[&str]| {
        let mut command = rig::binary();
        command.current_dir(root.path()).args(arguments).output().unwrap()
    };
    assert_eq!(stdout(&run(&["list", "1", "--format=count"])), "4");
    std::fs::write(root.path().join("wp-content/object-cache.php"), "<?php").unwrap();
    assert_eq!(stdout(&run(&["list", "1", "--format=count"])), "4");

    for addition in [
        &["create", "1", "x"][..],
        &["update", "1", "11111111-1111-4111-8111-111111111111", "--name=x"],
        &["record-usage", "1", "11111111-1111-4111-8111-111111111111"],
    ] {
        let output = run(addition);
        assert_eq!((code(&output), stdout(&output).as_str()), (1, ""), "{output:?}");
        assert!(stderr(&output).contains("--cache=ignore"), "{output:?}");
        assert!(stderr(&output).contains("object-cache.php"), "{output:?}");
    }
    assert_eq!(
        stdout(&run(&["list", "1", "--field=name", "--order=asc"])),
        "çédille 🚀 \"q\", it's\nalpha\ndupe\nBeta App\n"
    );

    let one = run(&["delete", "1", "11111111-1111-4111-8111-111111111111"]);
    assert_eq!((code(&one), stdout(&one).as_str()), (1, ""), "{one:?}");
    assert!(stderr(&one).contains("may still work") && stderr(&one).contains("wp cache flush"), "{one:?}");
    assert_eq!(stdout(&run(&["list", "1", "--format=count"])), "3");
    let rest = run(&["revoke-all", "1", "--yes"]);
    assert_eq!((code(&rest), stdout(&rest).as_str()), (1, ""), "{rest:?}");
    assert_eq!(stdout(&run(&["list", "1", "--format=count"])), "0");
    // There is nothing left in the database, and maybe all of it in the cache.
    let again = run(&["revoke-all", "1", "--yes"]);
    assert_eq!((code(&again), stdout(&again).as_str()), (1, ""), "{again:?}");
    let all = run(&["delete", "8", "--all"]);
    assert_eq!((code(&all), stdout(&all).as_str()), (1, ""), "{all:?}");

    let ignored = run(&["create", "1", "x", "--porcelain", "--cache=ignore"]);
    assert_eq!(code(&ignored), 0, "{ignored:?}");
    let quiet = run(&["delete", "1", "--all", "--cache=ignore"]);
    assert_eq!(stdout(&quiet), "Success: Deleted all application passwords.\n");

    // The database alone, inside a wp-content that has a drop-in: the drop-in is seen too.
    let file = root.path().join("wp-content/database/.ht.sqlite");
    let output = run(&["create", "1", "x", &format!("--db=sqlite:{}", file.display())]);
    assert_eq!(code(&output), 1, "{output:?}");
}

#[test]
fn duplicate_rows_are_told_and_made_alike() {
    let mut site = Site::new();
    let first = b"a:1:{i:0;a:2:{s:4:\"uuid\";s:36:\"aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa\";s:4:\"name\";s:5:\"first\";}}";
    site.0.set_meta(3, first);
    site.0
        .connection()
        .execute(
            "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (3, '_application_passwords', 'a:0:{}')",
            [],
        )
        .unwrap();
    let read = site.run(&["list", "3", "--field=name"]);
    assert_eq!(stdout(&read), "first\n", "the lowest umeta_id counts");
    assert!(stderr(&read).contains("2 rows"), "{read:?}");
    let all = site.run(&["list", "--name=first", "--format=count"]);
    assert_eq!(stdout(&all), "1");
    assert!(stderr(&all).contains("more than one row"), "{all:?}");
    assert_eq!(code(&site.run(&["create", "3", "second", "--porcelain"])), 0);
    let rows = site.0.metas().remove(&3).unwrap();
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0], rows[1]);
    assert_eq!(stdout(&site.run(&["list", "3", "--format=count"])), "2");
}

#[test]
fn an_entry_without_uuid_is_told_and_gets_one_with_the_next_write() {
    let mut site = Site::new();
    site.0.set_meta(3, b"a:1:{i:0;a:2:{s:4:\"name\";s:3:\"old\";s:8:\"password\";s:1:\"x\";}}");
    let read = site.run(&["list", "3", "--field=name"]);
    assert_eq!(stdout(&read), "old\n");
    assert!(stderr(&read).contains("no uuid"), "{read:?}");
    assert_eq!(code(&site.run(&["create", "3", "new", "--porcelain"])), 0);
    let uuids = stdout(&site.run(&["list", "3", "--format=ids"]));
    assert_eq!(uuids.split(' ').filter(|uuid| uuid.len() == 36).count(), 2, "{uuids}");
}

#[test]
fn what_keeps_wordpress_from_seeing_a_new_password_is_told() {
    let mut site = Site::new();
    let whole = "s:4:\"uuid\";s:1:\"u\";s:4:\"name\";s:1:\"n\"";
    let told = [
        (format!("a:2:{{{whole};}}"), "1 application password of user 3 (author1) has no password"),
        (format!("a:3:{{{whole};s:8:\"password\";N;}}"), "has no password"),
        (format!("a:3:{{{whole};s:8:\"password\";a:0:{{}}}}"), "has no password"),
        ("a:0:{}".into(), "has no password"),
        (format!("a:4:{{{whole};s:8:\"password\";s:1:\"h\";s:1:\"x\";E:7:\"Foo:Bar\";}}"), "PHP class Foo"),
        (
            format!("a:4:{{{whole};s:8:\"password\";s:1:\"h\";s:1:\"x\";C:3:\"Baz\":1:{{x}}}}"),
            "PHP class Baz",
        ),
        ("s:1:\"x\";".into(), "1 application password of user 3 (author1) is not an entry at all"),
    ];
    for (entry, sentence) in told {
        site.0.set_meta(3, format!("a:1:{{i:0;{entry}}}").as_bytes());
        for verb in
            [&["list", "3"][..], &["list"], &["list", "--order=asc"], &["create", "3", "new", "--porcelain"]]
        {
            let output = site.run(verb);
            assert_eq!(code(&output), 0, "{output:?}");
            assert!(stderr(&output).contains(sentence), "{verb:?}: {entry}: {output:?}");
        }
    }
    // What PHP reads without any plugin, and what every version of WordPress takes for a password.
    for harmless in ["O:3:\"Foo\":0:{}", "C:11:\"ArrayObject\":21:{x:i:0;a:0:{};m:a:0:{}}", "i:5;"] {
        let entry = format!("a:4:{{{whole};s:8:\"password\";s:1:\"h\";s:1:\"x\";{harmless}}}");
        site.0.set_meta(3, format!("a:1:{{i:0;{entry}}}").as_bytes());
        assert_eq!(stderr(&site.run(&["list", "3", "--field=uuid"])), "", "{harmless}");
    }
}

#[test]
fn a_site_that_seems_older_than_application_passwords_gets_none() {
    let mut site = Site::new();
    let transient = |version: &str| {
        format!(
            "INSERT OR REPLACE INTO wp_options (option_name, option_value) VALUES ('_site_transient_update_core', \
             'O:8:\"stdClass\":1:{{s:15:\"version_checked\";s:{}:\"{version}\";}}')",
            version.len()
        )
    };
    site.0.set_db_version("48748");
    site.0.connection().execute("DELETE FROM wp_options WHERE option_name LIKE '%update_core'", []).unwrap();
    let refused = |site: &Site| {
        let output = site.run(&["create", "3", "x"]);
        let refused = code(&output) == 1 && stderr(&output).contains("5.6") && stdout(&output).is_empty();
        assert!(refused || code(&output) == 0, "{output:?}");
        refused
    };
    assert!(refused(&site));
    site.0.connection().execute(&transient("5.5"), []).unwrap();
    assert!(refused(&site));
    // Files that are newer than the database, and a database that is newer than the last check.
    site.0.connection().execute(&transient("6.4"), []).unwrap();
    assert!(!refused(&site));
    site.0.connection().execute(&transient("5.5"), []).unwrap();
    site.0.set_db_version("57155");
    assert!(!refused(&site));
}

#[test]
fn unknown_keys_and_odd_types_survive_every_verb() {
    let mut site = Site::new();
    let uuid = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa";
    let odd = format!(
        "a:3:{{s:3:\"key\";a:9:{{s:4:\"uuid\";s:36:\"{uuid}\";s:6:\"app_id\";s:0:\"\";s:4:\"name\";s:3:\"one\";s:8:\"password\";s:1:\"h\";\
         s:7:\"created\";s:10:\"1700000000\";s:9:\"last_used\";d:1.5;s:7:\"last_ip\";b:0;s:6:\"plugin\";O:8:\"stdClass\":1:{{s:1:\"x\";d:0.1;}}\
         i:7;a:1:{{i:0;N;}}}}i:-3;a:1:{{s:4:\"uuid\";s:1:\"u\";}}i:9;a:1:{{s:4:\"uuid\";s:1:\"v\";}}}}"
    );
    site.0.set_meta(3, odd.as_bytes());
    assert_eq!(code(&site.run(&["update", "3", uuid, "--name=renamed"])), 0);
    let renamed = odd.replace("s:3:\"one\"", "s:7:\"renamed\"");
    assert_eq!(site.0.metas()[&3], [renamed.as_bytes()]);
    assert_eq!(code(&site.run(&["delete", "3", "u"])), 0);
    let without = renamed.replace("a:3:{", "a:2:{").replace("i:-3;a:1:{s:4:\"uuid\";s:1:\"u\";}", "");
    assert_eq!(site.0.metas()[&3], [without.as_bytes()]);
    assert_eq!(code(&site.run(&["create", "3", "new", "--porcelain"])), 0);
    let rows = site.0.metas().remove(&3).unwrap();
    let stored = String::from_utf8(rows[0].clone()).unwrap();
    assert!(stored.starts_with(&without.replace("a:2:{s:3", "a:3:{s:3")[..without.len() - 1]), "{stored}");
    assert!(stored.contains("}i:10;a:7:{s:4:\"uuid\";"), "the next key after 9: {stored}");
}

#[test]
fn a_list_that_contains_itself_is_shown_to_its_end() {
    let mut site = Site::new();
    // The field refers to the whole list, many times over.
    let field: String = (0..50).map(|key| format!("i:{key};R:1;")).collect();
    let stored = format!("a:1:{{i:0;a:2:{{s:4:\"uuid\";s:1:\"u\";s:4:\"name\";a:50:{{{field}}}}}}}");
    site.0.set_meta(3, stored.as_bytes());
    for format in ["table", "csv", "json", "yaml"] {
        let output = site.run(&["list", "3", "--fields=uuid,name", &format!("--format={format}")]);
        assert_eq!(code(&output), 0, "{format}");
    }
}

#[test]
fn a_file_that_may_not_grow_takes_the_password_back() {
    // SQLite could not write its journal under such a limit: the sandbox's server is not asked for.
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(rig::Template::InnoDb);
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -f 0; {} create 1 full > password", env!("CARGO_BIN_EXE_wp-app-password")))
        .env("WP_APP_PASSWORD_DB", database.socket_url("wp"))
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(code(&output), 1, "{output:?}");
    assert!(stderr(&output).contains("taken back"), "{output:?}");
    assert_eq!(
        database.sql("SELECT meta_value FROM wp_usermeta WHERE meta_key = '_application_passwords'").trim(),
        "a:0:{}"
    );
}

#[test]
fn a_misplaced_address_does_not_show_its_password() {
    let site = Site::new();
    for arguments in [
        &["mysql://wp:hunter2@db.example/wp"][..],
        &["list", "mysql://wp:hun/ter2@db.example/wp"],
        &["revoke-all", "1", "mysql://wp:hunter2@db.example/wp"],
        &["completions", "mysql://wp:hunter2@db.example/wp"],
        &["get", "1", "x", "mariadb://wp:hunter2@db.example/wp"],
    ] {
        let output = site.run(arguments);
        assert_eq!(code(&output), 1, "{arguments:?}");
        assert!(!stderr(&output).contains("ter2"), "{output:?}");
        assert!(stderr(&output).contains("db.example"), "{output:?}");
    }
}

#[test]
fn a_damaged_list_can_be_replaced_by_an_empty_one() {
    let mut site = Site::new();
    site.0.set_meta(3, b"damaged");
    let output = site.run(&["revoke-all", "3", "--yes", "--replace-unreadable"]);
    assert_eq!(code(&output), 0, "{output:?}");
    assert_eq!(site.0.metas()[&3], [b"a:0:{}"]);
}

#[test]
fn a_broken_sandbox_says_how_to_get_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    let run = || rig::binary().args(["--sandbox", "list"]).env("HOME", home.path()).output().unwrap();
    assert_eq!(code(&run()), 0);
    let file = home.path().join(".local/share/wp-app-password/sandbox.sqlite");
    std::fs::write(&file, "broken").unwrap();
    let broken = run();
    assert_eq!(code(&broken), 1);
    assert!(stderr(&broken).contains(&format!("Remove {}", file.display())), "{broken:?}");
    assert!(!stderr(&broken).contains(".ht.sqlite"), "{broken:?}");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(code(&run()), 0);
}
