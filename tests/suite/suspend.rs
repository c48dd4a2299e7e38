//! `suspend` and `resume`: out of service at once, and back byte for byte, whoever is killed meanwhile.

use std::process::{Command, Output, Stdio};
use std::time::Instant;

use wp_app_password::application_passwords::StoredList;

use crate::fixture::{Fixture, MariadbFixture, SqliteFixture};
use crate::process::Terminal;
use crate::rig::{self, Rig, Site};
use crate::wordpress::Person;

const SUSPENDED: &str = "_application_passwords_suspended";
const ME: &str = "/wp-json/wp/v2/users/me";
const APP: &str = "11111111-1111-4111-8111-111111111111";

/// A site on either kind of database.
pub struct Place(pub Box<dyn Fixture>);

impl Place {
    pub fn both() -> Vec<Self> {
        let mut places = vec![Self(Box::new(SqliteFixture::new()))];
        places.extend(MariadbFixture::new().map(|fixture| Self(Box::new(fixture))));
        places
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rig::binary();
        command.args(arguments).env("WP_APP_PASSWORD_DB", self.0.url());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs what must succeed without a word on stderr; its stdout.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stdout));
        text(&output.stdout)
    }

    /// Runs what must end with this code; both streams.
    #[track_caller]
    pub fn ends(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        text(&output.stdout) + &text(&output.stderr)
    }

    pub fn list(&mut self, user: u64) -> Vec<u8> {
        self.0.metas().remove(&user).and_then(|rows| rows.into_iter().next()).unwrap_or_default()
    }

    pub fn suspended(&mut self, user: u64) -> Vec<u8> {
        self.0.meta(user, SUSPENDED).into_iter().next().unwrap_or_default()
    }

    pub fn uuids(&mut self, user: u64) -> Vec<String> {
        uuids(&self.list(user))
    }

    pub fn suspended_uuids(&mut self, user: u64) -> Vec<String> {
        uuids(&self.suspended(user))
    }
}

pub fn uuids(value: &[u8]) -> Vec<String> {
    let list = StoredList::from_value(1, Some(value));
    assert!(!list.is_unreadable(), "{}", String::from_utf8_lossy(value));
    list.records().map(|record| text(&record.text("uuid").unwrap_or_default())).collect()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One entry as PHP writes it, with more behind WordPress's own keys.
pub fn item(number: u8, more: &[(&str, &str)]) -> Vec<u8> {
    let mut fields = vec![
        ("uuid".to_owned(), quoted(&uuid(number))),
        ("app_id".to_owned(), quoted(if number == 2 { APP } else { "" })),
        ("name".to_owned(), quoted(&format!("Feed {number}"))),
        ("password".to_owned(), quoted(&format!("$generic$hash-of-number-{number}"))),
        ("created".to_owned(), format!("i:{};", 1_700_000_000 + i64::from(number))),
        ("last_used".to_owned(), "N;".to_owned()),
        ("last_ip".to_owned(), "N;".to_owned()),
    ];
    for (key, value) in more {
        match fields.iter_mut().find(|(name, _)| name == key) {
            Some(field) => field.1 = (*value).to_owned(),
            None => fields.push(((*key).to_owned(), (*value).to_owned())),
        }
    }
    let mut bytes = format!("a:{}:{{", fields.len()).into_bytes();
    for (key, value) in &fields {
        bytes.extend_from_slice(quoted(key).as_bytes());
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes.push(b'}');
    bytes
}

pub fn quoted(text: &str) -> String {
    format!("s:{}:\"{text}\";", text.len())
}

pub fn uuid(number: u8) -> String {
    format!("0000000{number}-aaaa-4aaa-8aaa-aaaaaaaaaaaa")
}

pub fn list(items: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = format!("a:{}:{{", items.len()).into_bytes();
    for (key, item) in items {
        bytes.extend_from_slice(format!("i:{key};").as_bytes());
        bytes.extend_from_slice(item);
    }
    bytes.push(b'}');
    bytes
}

/// Three entries with gaps in their keys, unknown keys, numbers as nobody writes them, and bytes that are no UTF-8.
fn odd_list() -> Vec<u8> {
    let mut last = item(3, &[("note", "a:1:{i:0;d:0.50;}"), ("raw", "N;")]);
    last.truncate(last.len() - 3);
    last.extend_from_slice(b"s:4:\"\xff\xfe\x01\x80\";}");
    list(&[(0, item(1, &[("flag", "b:1;"), ("expires", "i:+2000000000;")])), (4, item(2, &[])), (9, last)])
}

#[test]
fn what_was_suspended_comes_back_byte_for_byte() {
    for mut place in Place::both() {
        for sqlite_safe in [true, false] {
            let before = if sqlite_safe {
                list(&[(0, item(1, &[("x", "S:1:\"\\41\";")])), (3, item(2, &[])), (7, item(3, &[]))])
            } else {
                odd_list()
            };
            place.0.set_meta(3, &before);
            let before = place.list(3);
            for chosen in
                [&["--all"][..], &[&uuid(1)], &[&uuid(2)], &[&uuid(3), &uuid(1)], &["--name=feed 2"]]
            {
                let count = if chosen == ["--all"] { 3 } else { chosen.len() };
                let with = |verb| [&[verb, "3"], chosen].concat();
                let plural = if count == 1 { "" } else { "s" };
                let said = format!("{count} application password{plural} of user 3 (author1).\n");
                assert_eq!(place.done(&with("suspend")), format!("Success: Suspended {said}"));
                assert_eq!(place.uuids(3).len(), 3 - count);
                assert_eq!(place.suspended_uuids(3).len(), count);
                // Again: nothing is left to do, and nothing happens.
                let (here, there) = (place.list(3), place.suspended(3));
                assert!(place.done(&with("suspend")).contains("Suspended 0 application passwords"));
                assert_eq!((place.list(3), place.suspended(3)), (here, there));
                // Beside a warning about one that is restricted.
                let resumed = place.ends(0, &with("resume"));
                assert!(resumed.starts_with(&format!("Success: Resumed {said}")), "{resumed}");
                assert_eq!(text(&place.list(3)), text(&before), "{chosen:?}");
                assert_eq!(place.list(3), before, "{chosen:?}");
                assert_eq!(place.suspended(3), b"a:0:{}", "{chosen:?}");
                assert!(place.done(&with("resume")).contains("Resumed 0 application passwords"));
            }
        }
    }
}

#[test]
fn a_place_that_is_taken_meanwhile_moves_the_entry_to_the_end() {
    for mut place in Place::both() {
        place.0.set_meta(3, &list(&[(0, item(1, &[])), (1, item(2, &[]))]));
        place.done(&["suspend", "3", &uuid(2)]);
        place.done(&["create", "3", "New"]);
        place.done(&["resume", "3", "--all"]);
        let names: Vec<String> = StoredList::from_value(1, Some(&place.list(3)))
            .records()
            .map(|record| text(&record.text("name").unwrap()))
            .collect();
        assert_eq!(names, ["Feed 1", "New", "Feed 2"]);
        // A second suspension under a key that is taken there too.
        place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
        place.done(&["suspend", "3", "--all"]);
        place.0.set_meta(3, &list(&[(0, item(2, &[]))]));
        place.done(&["suspend", "3", "--all"]);
        assert_eq!(place.suspended_uuids(3), [uuid(1), uuid(2)]);
        assert_eq!(place.list(3), b"a:0:{}");
        place.done(&["resume", "3", "--all"]);
        assert_eq!(place.list(3), list(&[(0, item(1, &[])), (1, item(2, &[]))]));
    }
}

#[test]
fn what_cannot_be_copied_or_is_there_already_is_refused() {
    for mut place in Place::both() {
        let tied = list(&[(0, item(1, &[])), (1, item(2, &[("more", "R:3;")]))]);
        place.0.set_meta(3, &tied);
        assert!(place.ends(1, &["suspend", "3", &uuid(2)]).contains("holds a reference of PHP's"));
        assert_eq!((place.list(3), place.suspended(3)), (tied, vec![]));
        // The other one can go.
        place.done(&["suspend", "3", &uuid(1)]);
        assert_eq!(place.uuids(3), [uuid(2)]);
        // The same uuid with another secret.
        let other = list(&[(0, item(1, &[("password", "s:10:\"$generic$x\";")]))]);
        place.0.set_meta(3, &other);
        assert!(place.ends(1, &["resume", "3", "--all"]).contains("another secret is in service"));
        assert_eq!(place.list(3), other);
        assert_eq!(place.suspended_uuids(3), [uuid(1)]);
        assert!(!text(&place.suspended(3)).contains("moving"), "no note is left");
        // Two such are suspended: WordPress would revoke only one of them.
        place.done(&["suspend", "3", "--all"]);
        assert_eq!(place.suspended_uuids(3), [uuid(1), uuid(1)]);
        let said = place.ends(1, &["resume", "3", "--all"]);
        assert!(said.contains("two suspended entries have the uuid 00000001-"), "{said}");
        assert_eq!((place.uuids(3), place.suspended_uuids(3)), (vec![], vec![uuid(1), uuid(1)]));
        place.done(&["delete", "3", &uuid(1)]);
        assert!(place.suspended_uuids(3).is_empty());
        place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
        place.done(&["suspend", "3", "--all"]);
        // Unreadable rows.
        place.0.set_meta(3, b"a:1:{broken");
        assert!(place.ends(1, &["suspend", "3", "--all"]).contains("can't be read"));
        place.0.set_meta(3, b"a:0:{}");
        place.0.sql("UPDATE wp_usermeta SET meta_value = 'a:1:{broken' WHERE meta_key = '_application_passwords_suspended'");
        assert!(
            place
                .ends(1, &["resume", "3", "--all"])
                .contains("suspended application passwords of user 3 (author1) can't be read")
        );
        assert_eq!(place.suspended(3), b"a:1:{broken");
        assert!(
            place
                .ends(1, &["suspend", "3", &uuid(7)])
                .contains("Could not find an application password with that id.")
        );
    }
}

#[test]
fn over_all_users_it_wants_a_yes_and_stops_at_a_limit() {
    for mut place in Place::both() {
        for user in [3, 7] {
            place.0.set_meta(user, &list(&[(0, item(1, &[])), (1, item(2, &[]))]));
        }
        let before = place.0.metas();
        let app = format!("--app-id={APP}");
        let dry = place.ends(2, &["suspend", &app, "--dry-run"]);
        assert_eq!(
            dry,
            format!(
                "{0}  'Feed 2' of user 3 (author1)\n{0}  'Feed 2' of user 7 (999)\nWould suspend 2 application passwords of 2 users.\n",
                uuid(2)
            )
        );
        assert!(place.ends(1, &["suspend", &app]).contains("say --yes"));
        assert!(place.ends(1, &["suspend", &app, "--yes", "--max=1"]).contains("more than --max=1"));
        assert!(place.ends(1, &["suspend"]).contains("Say which"));
        assert!(place.ends(1, &["suspend", "--app-id=", "--yes"]).contains("--app-id is empty"));
        assert!(place.ends(1, &["suspend", "--all", "--yes"]).contains("<user>"));
        assert_eq!(place.0.metas(), before);
        let typed = Terminal::run_with_input(place.command(&["suspend", &app]), 120, b"n\n");
        assert_eq!(typed.exit_code, 1);
        assert!(
            text(&typed.received).contains("Suspend 2 application passwords of 2 users? [y/n]"),
            "{}",
            text(&typed.received)
        );
        assert_eq!(place.0.metas(), before);
        let typed = Terminal::run_with_input(place.command(&["suspend", &app]), 120, b"y\n");
        assert_eq!(typed.exit_code, 0);
        assert_eq!((place.uuids(3), place.uuids(7)), (vec![uuid(1)], vec![uuid(1)]));
        assert_eq!(
            place.done(&["suspend", &app, "--yes", "--max=0"]),
            "Success: Suspended 0 application passwords of 0 users.\n"
        );
        assert_eq!(
            place.ends(2, &["resume", "--created-since=2023-11-14T22:13:22Z", "--dry-run"]).lines().count(),
            3
        );
        assert_eq!(
            place.ends(0, &["resume", "--created-since=2023-11-14T22:13:23Z", "--dry-run"]),
            "Would resume 0 application passwords of 0 users.\n"
        );
        assert_eq!(
            place.done(&["resume", &app, "--yes"]),
            "Success: Resumed 2 application passwords of 2 users.\n"
        );
        assert_eq!(place.0.metas(), before);
    }
}

#[test]
fn of_the_users_of_a_role_all_are_suspended() {
    for mut place in Place::both() {
        for (user, role) in [(3, "author"), (7, "author"), (9, "editor")] {
            place.0.set_meta(user, &list(&[(0, item(1, &[]))]));
            place.0.sql(&format!(
                "DELETE FROM wp_usermeta WHERE user_id = {user} AND meta_key = 'wp_capabilities'"
            ));
            place.0.add_meta(user, "wp_capabilities", format!("a:1:{{{}b:1;}}", quoted(role)).as_bytes());
        }
        let shown = place.ends(2, &["suspend", "--role=author", "--name=Feed 1", "--dry-run"]);
        assert!(shown.ends_with("Would suspend 2 application passwords of 2 users.\n"), "{shown}");
        place.done(&["suspend", "--role=author", "--name=Feed 1", "--yes"]);
        assert_eq!((place.uuids(3).len(), place.uuids(7).len(), place.uuids(9).len()), (0, 0, 1));
    }
}

#[test]
fn what_this_version_cannot_check_is_resumed_with_a_word() {
    let Some(rig) = rig::require() else { return };
    let sites = [("wp61", true), ("wp71", false)];
    for (site, is_old) in sites.map(|(name, is_old)| (rig.site(name), is_old)) {
        let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let person = Person::new(rig, site);
        rig::output(site.tool().args(["create", &person.login, "Feed", "--porcelain"]));
        let php = format!(
            "$id = {}; $all = get_user_meta( $id, '_application_passwords', true ); \
             $all[0]['password'] = '$generic$' . str_repeat( 'x', 40 ); \
             update_user_meta( $id, '_application_passwords', $all ); return $all[0]['uuid'];",
            person.id
        );
        let uuid = rig.wp_eval(site, &php).as_str().unwrap().to_owned();
        rig::output(site.tool().args(["suspend", &person.login, "--all"]));
        let output = site.tool().args(["resume", &person.login, "--all"]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains("Resumed 1 application password"), "{output:?}");
        let said = text(&output.stderr);
        assert_eq!(said.contains("nobody can log in with it"), is_old, "{said}");
        assert_eq!(said.contains(&uuid), is_old, "{said}");
    }
}

/// Every entry is in service, or suspended, or (in a moment between two writes) both; never nowhere.
fn assert_nothing_is_lost(place: &mut Place, all: &[String]) {
    let (here, there) = (place.uuids(3), place.suspended_uuids(3));
    for uuid in all {
        assert!(here.contains(uuid) || there.contains(uuid), "{uuid} is lost: {here:?} {there:?}");
        for held in [&here, &there] {
            assert!(held.iter().filter(|own| *own == uuid).count() <= 1, "{uuid} is there twice: {held:?}");
        }
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_loses_nothing_and_the_next_ends_clean() {
    for mut place in Place::both() {
        let all: Vec<String> = (1..=3).map(uuid).collect();
        let before = list(&[(0, item(1, &[])), (1, item(2, &[])), (2, item(3, &[]))]);
        place.0.set_meta(3, &before);
        let started = Instant::now();
        place.done(&["suspend", "3", "--all", "--no-confirm"]);
        place.done(&["resume", "3", "--all", "--no-confirm"]);
        let whole = started.elapsed() / 2;
        let (mut killed, mut between) = (0, 0);
        for step in 0..60_u32 {
            let verb = if step % 2 == 0 { "suspend" } else { "resume" };
            let mut run = place
                .command(&[verb, "3", "--all", "--no-confirm"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(whole * step / 60);
            run.kill().unwrap();
            killed += u32::from(run.wait().unwrap().code().is_none());
            assert_nothing_is_lost(&mut place, &all);
            between += u32::from(place.uuids(3).len() + place.suspended_uuids(3).len() > 3);
            if step % 4 < 2 {
                place.done(&[verb, "3", "--all"]);
                let (here, there) = (place.uuids(3).len(), place.suspended_uuids(3).len());
                assert_eq!((here, there), if verb == "suspend" { (0, 3) } else { (3, 0) });
            }
        }
        println!("{killed} of 60 runs killed, {between} of them between the two writes");
        place.done(&["suspend", "3", "--all"]);
        place.done(&["resume", "3", "--all"]);
        assert_eq!(place.list(3), before);
        assert_eq!(place.suspended(3), b"a:0:{}");
        assert!(killed > 15, "{killed} were killed");
    }
}

#[test]
fn a_run_that_is_killed_between_the_two_writes_ends_clean_with_the_next() {
    for mut place in Place::both() {
        let before = list(&[(0, item(1, &[])), (1, item(2, &[]))]);
        place.0.set_meta(3, &before);
        let kill = "--after-write=kill -9 $PPID";
        // Suspended, and not tidied up.
        assert_eq!(place.run(&["suspend", "3", &uuid(1), kill]).status.code(), None);
        assert_eq!((place.uuids(3), place.suspended_uuids(3)), (vec![uuid(2)], vec![uuid(1)]));
        assert!(text(&place.suspended(3)).contains("moving"));
        place.done(&["suspend", "3", &uuid(2)]);
        assert_eq!((place.uuids(3).len(), place.suspended_uuids(3)), (0, vec![uuid(1), uuid(2)]));
        // Resumed, and still in the second row.
        assert_eq!(place.run(&["resume", "3", &uuid(1), kill]).status.code(), None);
        assert_eq!((place.uuids(3), place.suspended_uuids(3)), (vec![uuid(1)], vec![uuid(1), uuid(2)]));
        let half = place.suspended(3);
        // Either command ends it.
        place.done(&["resume", "3", &uuid(1)]);
        assert_eq!((place.uuids(3), place.suspended_uuids(3)), (vec![uuid(1)], vec![uuid(2)]));
        place.0.sql("DELETE FROM wp_usermeta WHERE meta_key = '_application_passwords_suspended'");
        place.0.add_meta(3, SUSPENDED, &half);
        place.done(&["suspend", "3", &uuid(1)]);
        assert_eq!((place.uuids(3).len(), place.suspended_uuids(3)), (0, vec![uuid(1), uuid(2)]));
        place.done(&["resume", "3", "--all"]);
        assert_eq!(place.list(3), before);
        assert_eq!(place.suspended(3), b"a:0:{}");
    }
}

#[test]
fn twenty_at_once_lose_nothing_and_double_nothing() {
    for mut place in Place::both() {
        let before = list(&(1..=6).map(|number| (i64::from(number), item(number, &[]))).collect::<Vec<_>>());
        place.0.set_meta(3, &before);
        let all: Vec<String> = (1..=6).map(uuid).collect();
        for round in 0..2 {
            let runs: Vec<_> = (0..20_usize)
                .map(|number| {
                    let verb = if round == 0 || number % 3 > 0 { "suspend" } else { "resume" };
                    let uuid = &all[number % all.len()];
                    let mut command = place.command(&[verb, "3", uuid, "--no-confirm"]);
                    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
                })
                .collect();
            for run in runs {
                let output = run.wait_with_output().unwrap();
                assert_eq!(output.status.code(), Some(0), "{output:?}");
            }
            assert_nothing_is_lost(&mut place, &all);
            assert_eq!(place.uuids(3).len() + place.suspended_uuids(3).len(), 6, "none is in both");
            if round == 0 {
                assert_eq!(place.uuids(3).len(), 0);
            }
        }
        place.done(&["resume", "3", "--all"]);
        assert_eq!(place.list(3), before, "in their places");
    }
}

#[test]
fn restrictions_that_nothing_enforces_are_told_when_they_come_back() {
    for mut place in Place::both() {
        place.0.set_meta(3, &list(&[(0, item(1, &[("read_only", "b:1;")])), (1, item(2, &[]))]));
        place.done(&["suspend", "3", "--all"]);
        assert!(!place.ends(0, &["resume", "3", &uuid(2)]).contains("enforce"));
        let said = place.ends(0, &["resume", "--all-users", "--yes"]);
        assert_eq!(said.matches("whether this site enforces expiry and restrictions").count(), 1, "{said}");
    }
}

#[test]
fn a_resume_that_meets_a_revocation_brings_nothing_back() {
    for mut place in Place::both() {
        place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
        place.done(&["suspend", "3", "--all"]);
        // Between the two writes of the resumption somebody revokes everything, and waits for its end.
        let script = format!(
            "{} --db='{}' revoke-all 3 --yes >/dev/null 2>&1 & sleep 2",
            env!("CARGO_BIN_EXE_wp-app-password"),
            place.0.url()
        );
        let output = place.run(&["resume", "3", "--all", &format!("--after-write={script}")]);
        assert_eq!(place.uuids(3).len() + place.suspended_uuids(3).len(), 0, "{output:?}");
        assert!(text(&output.stdout).contains("Resumed 0 application passwords"), "{output:?}");
    }
}

/// The sentence of a real site: 401 at once, and 200 with the same password.
fn on_a_site(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let create = |name: &str| {
        rig::output(site.tool().args(["create", &person.login, name, "--porcelain"])).trim().to_owned()
    };
    let (password, other) = (create("Feed"), create("Other"));
    let status = |password: &str| site.get(ME, &person.login, password).status;
    assert_eq!((status(&password), status(&other)), (200, 200));
    let stored = || {
        let id = person.id;
        rig.wp_eval(
            site,
            &format!(
                "return base64_encode( serialize( get_user_meta( {id}, '_application_passwords', true ) ) );"
            ),
        )
    };
    let before = stored();
    let uuids = rig::output(site.tool().args(["list", &person.login, "--name=Feed", "--format=ids"]));
    rig::output(site.tool().args(["suspend", &person.login, uuids.trim()]));
    assert_eq!((status(&password), status(&other)), (401, 200));
    rig::output(site.tool().args(["resume", &person.login, uuids.trim()]));
    assert_eq!((status(&password), status(&other)), (200, 200));
    assert_eq!(stored(), before);
    // The big red button, and back.
    rig::output(site.tool().args(["revoke-all", &person.login, "--suspend"]));
    assert_eq!((status(&password), status(&other)), (401, 401));
    rig::output(site.tool().args(["resume", &person.login, "--all"]));
    assert_eq!((status(&password), status(&other)), (200, 200));
    // WordPress writes the list in between, and leaves the suspended ones alone.
    rig::output(site.tool().args(["suspend", &person.login, uuids.trim()]));
    rig.wp_eval(
        site,
        &format!("return WP_Application_Passwords::create_new_application_password( {}, array( 'name' => 'Theirs' ) )[1]['uuid'];", person.id),
    );
    rig::output(site.tool().args(["resume", &person.login, "--all"]));
    assert_eq!((status(&password), status(&other)), (200, 200));
    // Erased for good.
    rig::output(site.tool().args(["suspend", &person.login, uuids.trim()]));
    rig::output(site.tool().args(["delete", &person.login, "--all"]));
    rig::output(site.tool().args(["resume", &person.login, "--all"]));
    assert_eq!((status(&password), status(&other)), (401, 401));
}

macro_rules! sites {
    ($($test:ident = $site:literal,)*) => {
        $(#[test]
        fn $test() {
            let Some(rig) = rig::require() else { return };
            let site = rig.site($site);
            let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            on_a_site(rig, site);
        })*
    };
}

sites! {
    wordpress_6_1_refuses_what_is_suspended_and_accepts_it_resumed = "wp61",
    wordpress_7_1_refuses_what_is_suspended_and_accepts_it_resumed = "wp71",
    wordpress_7_1_on_sqlite_refuses_what_is_suspended_and_accepts_it_resumed = "wp71-sqlite",
    a_site_with_redis_refuses_what_is_suspended_at_once = "wp71-redis",
    a_site_with_memcached_refuses_what_is_suspended_at_once = "wp71-memcached",
}
