//! `audit`: each rule on the data that it is for, the policy, the baseline, exit codes, and every format checked by a
//! program that is not ours.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::fixture::{Fixture, MariadbFixture, SqliteFixture};
use crate::rig::{self, Template, binary};

const DAY: i64 = 86_400;
const HASH: &str = "$generic$F6W18u0QEytvRVb59DemVWRxyTxU6vg_VK0s_f-h";
const MD5: &str = "a5d1f2615aea6d4d1db15b92046dc816";
const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K";

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

fn text(text: &str) -> String {
    format!("s:{}:\"{text}\";", text.len())
}

fn number(number: i64) -> String {
    format!("i:{number};")
}

/// An entry as WordPress writes it, a day old and used since: nothing is wrong with it.
#[derive(Clone)]
struct Item(Vec<(&'static str, String)>);

impl Item {
    fn new(which: u32) -> Self {
        let uuid = format!("{which:08x}-0000-4000-8000-000000000000");
        // Another hash for each: a character that base64 has.
        let hash = format!("{}{which:06}", &HASH[..HASH.len() - 6]);
        Self(vec![
            ("uuid", text(&uuid)),
            ("app_id", text("")),
            ("name", text(&format!("Integration {which}"))),
            ("password", text(&hash)),
            ("created", number(now() - 2 * DAY)),
            ("last_used", number(now() - DAY)),
            ("last_ip", text("203.0.113.7")),
        ])
    }

    fn with(mut self, key: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.0.iter_mut().find(|(name, _)| *name == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
        self
    }

    fn without(mut self, key: &str) -> Self {
        self.0.retain(|(name, _)| *name != key);
        self
    }

    fn never_used(self) -> Self {
        self.with("last_used", "N;").with("last_ip", "N;")
    }

    fn serialized(&self) -> String {
        let fields: String = self.0.iter().map(|(key, value)| text(key) + value).collect();
        format!("a:{}:{{{fields}}}", self.0.len())
    }
}

fn list(items: &[Item]) -> Vec<u8> {
    let entries = items.iter().enumerate().map(|(place, item)| format!("i:{place};{}", item.serialized()));
    format!("a:{}:{{{}}}", items.len(), entries.collect::<String>()).into_bytes()
}

/// A site in which nobody has an application password yet, on each back end.
fn on_both(behavior: impl Fn(&mut dyn Fixture)) {
    let run = |fixture: &mut dyn Fixture| {
        for user in 1..=10 {
            fixture.delete_meta(user);
        }
        behavior(fixture);
    };
    run(&mut SqliteFixture::new());
    if let Some(mut fixture) = MariadbFixture::new() {
        run(&mut fixture);
    }
}

fn audit(fixture: &dyn Fixture, arguments: &[&str]) -> Output {
    binary().env("WP_APP_PASSWORD_DB", fixture.url()).arg("audit").args(arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", stdout(output), stderr(output)))
}

fn findings(fixture: &dyn Fixture, arguments: &[&str]) -> Vec<Value> {
    let output = audit(fixture, &[&["--format=json"], arguments].concat());
    report(&output)["findings"].as_array().unwrap().clone()
}

/// The rules that found something, and whose entry.
fn found(fixture: &dyn Fixture, arguments: &[&str]) -> BTreeSet<(String, u64)> {
    let rule = |finding: &Value| {
        (finding["rule"].as_str().unwrap().to_owned(), finding["user_id"].as_u64().unwrap_or(0))
    };
    findings(fixture, arguments).iter().map(rule).collect()
}

fn set(rules: &[(&str, u64)]) -> BTreeSet<(String, u64)> {
    rules.iter().map(|(rule, user)| ((*rule).to_owned(), *user)).collect()
}

#[test]
fn each_rule_about_an_entry_finds_what_it_is_for_and_nothing_else() {
    let item = || Item::new(1);
    let at = |days: i64| number(now() - days * DAY);
    let damaged = |value: &str| value.as_bytes().to_vec();
    let one = |item: Item| list(&[item]);
    let cases: Vec<(Vec<u8>, &[&str], &[&str])> = vec![
        (one(item()), &[], &[]),
        (damaged("a:0:{}"), &[], &[]),
        (one(item().never_used()), &[], &[]),
        (one(item().never_used().with("created", at(31))), &["never-used"], &[]),
        (one(item().never_used().with("created", at(10))), &["never-used"], &["--never-used-for=9d"]),
        (one(item().with("created", at(200)).with("last_used", at(91))), &["unused"], &[]),
        (one(item().with("created", at(200)).with("last_used", at(89))), &[], &[]),
        (one(item().with("created", at(200)).with("last_used", at(31))), &["unused"], &["--unused-for=30d"]),
        (one(item().with("created", at(366))), &["old"], &[]),
        // One that was put there by hand.
        (one(item().never_used().with("created", number(0))), &["never-used", "old"], &[]),
        (one(item().with("created", text(""))), &["created-since", "old"], &["--since=3d"]),
        (one(item().with("created", at(31))), &["old"], &["--older-than=30d"]),
        (one(item().never_used().with("created", at(-1))), &["created-in-future"], &[]),
        (one(item().with("created", at(1)).with("last_used", at(2))), &["used-before-created"], &[]),
        (one(item().with("last_used", at(-2))), &["used-before-created"], &[]),
        (one(item().with("app_id", text("not a uuid"))), &["bad-app-id"], &[]),
        (one(item().with("app_id", text("4E1B12A9-0000-4000-8000-000000000000"))), &["bad-app-id"], &[]),
        (one(item().with("app_id", text("4e1b12a9-0000-4000-8000-000000000000"))), &[], &[]),
        (one(item().with("name", text("WordPress Core"))), &["imitates-core"], &[]),
        (one(item().with("name", text("Wоrdрress"))), &["imitates-core"], &[]),
        (one(item().with("name", text("Feed\u{202e}"))), &["hidden-characters"], &[]),
        (one(item().with("name", text("Feed\u{1b}[2J"))), &["hidden-characters"], &[]),
        (one(item().with("password", text(MD5))), &["weak-hash"], &[]),
        (one(item().with("password", text("$1$saltsalt$qJH7.N4xYta3aEG/dfqo/0"))), &["weak-hash"], &[]),
        (one(item().with("password", text(BCRYPT))), &["foreign-hash"], &[]),
        (
            one(item().with("password", text("$H$BabcdefghRzZuR21tybk3/K3P.ZK6o/"))),
            &["unverifiable-hash"],
            &[],
        ),
        (one(item().with("password", text("abcd EFGH 1234 ijkl MNOP 5678"))), &["unverifiable-hash"], &[]),
        (one(item().with("password", text("$P$BabcdefghRzZuR21tybk3/K3P.ZK6o/"))), &[], &[]),
        (one(item().without("password")), &["no-password"], &[]),
        (one(item().with("password", "N;")), &["no-password"], &[]),
        (one(item().without("uuid")), &["no-uuid"], &[]),
        (one(item().with("uuid", text(""))), &["no-uuid"], &[]),
        (one(item().with("uuid", number(5))), &["no-uuid"], &[]),
        (one(item().without("name")), &["no-name"], &[]),
        (one(item().with("name", text(""))), &["no-name"], &[]),
        (one(item().with("name", text("  "))), &["no-name"], &[]),
        (one(item().with("name", text("\u{a0}\u{3000}"))), &["no-name"], &[]),
        (list(&[item(), Item::new(2).with("name", text("INTEGRATION 1"))]), &["duplicate-name"], &[]),
        (list(&(1..=11).map(Item::new).collect::<Vec<_>>()), &["too-many"], &[]),
        (list(&(1..=10).map(Item::new).collect::<Vec<_>>()), &[], &[]),
        (list(&[item(), Item::new(2)]), &["too-many"], &["--more-than=1"]),
        (damaged("a:1:{i:0;i:5;}"), &["not-an-entry"], &[]),
        (damaged("a:1:{i:0;a:7:{broken"), &["unreadable"], &[]),
        (damaged("[{\"uuid\": 1}]"), &["unreadable"], &[]),
        (one(item().with("expires", at(1))), &["expired"], &[]),
        (one(item().with("expires", at(-13))), &["expiring"], &[]),
        (one(item().with("expires", at(-15))), &[], &[]),
        (one(item().with("expires", at(-15))), &["expiring"], &["--expiring-within=20d"]),
        (one(item().with("undelivered", text("run"))), &["rotation-unfinished"], &[]),
        (one(item().with("rotated_by", text("u")).with("retire_at", at(1))), &["rotation-unfinished"], &[]),
        (one(item().with("rotated_by", text("u")).with("retire_at", at(-1))), &[], &[]),
        (one(item()), &[], &["--allow-net=203.0.113.0/24"]),
        (one(item()), &["foreign-address"], &["--allow-net=192.0.2.0/24", "--allow-net=2001:db8::/32"]),
        (one(item()), &["created-since"], &["--since=3d"]),
        (one(item()), &[], &["--since=1d"]),
        (one(item()), &["created-since"], &["--since=2026-01-01"]),
    ];
    on_both(|fixture| {
        for (value, rules, arguments) in &cases {
            fixture.set_meta(3, value);
            let mut expected: Vec<(&str, u64)> = rules.iter().map(|rule| (*rule, 3)).collect();
            // Whether a plugin enforces it cannot be told from the database alone.
            expected.extend(value.windows(7).any(|word| word == b"expires").then_some(("not-enforced", 0)));
            assert_eq!(found(fixture, arguments), set(&expected), "{}", String::from_utf8_lossy(value));
        }
    });
}

#[test]
fn an_older_wordpress_checks_other_hashes() {
    on_both(|fixture| {
        fixture.set_db_version("53496");
        for (hash, rule) in [
            (HASH, "unverifiable-hash"),
            (MD5, "weak-hash"),
            ("$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$aGFzaA", "unverifiable-hash"),
            ("$H$BabcdefghRzZuR21tybk3/K3P.ZK6o/", "foreign-hash"),
        ] {
            fixture.set_meta(3, &list(&[Item::new(1).with("password", text(hash))]));
            assert_eq!(found(fixture, &[]), set(&[(rule, 3)]), "{hash}");
        }
        fixture.set_meta(3, &list(&[Item::new(1).with("password", text(MD5))]));
        let message = findings(fixture, &[])[0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("login password"), "{message}");
    });
}

#[test]
fn each_rule_about_an_owner_or_the_site_finds_what_it_is_for() {
    on_both(|fixture| {
        let value = list(&[Item::new(1)]);
        let with = |fixture: &mut dyn Fixture, user: u64, sql: &[&str], expected: &[(&str, u64)]| {
            fixture.reset();
            for other in (1..=10).chain([99]) {
                fixture.delete_meta(other);
            }
            fixture.set_meta(user, &value);
            for statement in sql {
                fixture.sql(statement);
            }
            assert_eq!(found(fixture, &[]), set(expected), "{sql:?}");
        };
        let roles = "UPDATE wp_usermeta SET meta_value =";
        let of_3 = "WHERE user_id = 3 AND meta_key = 'wp_capabilities'";
        with(fixture, 3, &[], &[]);
        with(fixture, 1, &[], &[("administrator", 1)]);
        // Not the role's name counts but what the site's own role map says, and single capabilities.
        let map = "a:1:{s:6:\"author\";a:2:{s:4:\"name\";s:1:\"A\";s:12:\"capabilities\";a:1:{s:14:\"manage_options\";b:1;}}}";
        let own_map =
            format!("UPDATE wp_options SET option_value = '{map}' WHERE option_name = 'wp_user_roles'");
        with(fixture, 3, &[&own_map], &[("administrator", 3)]);
        let single = format!("{roles} 'a:2:{{s:6:\"author\";b:1;s:14:\"manage_options\";b:1;}}' {of_3}");
        with(fixture, 3, &[&single], &[("administrator", 3)]);
        with(fixture, 3, &[&format!("{roles} 'a:0:{{}}' {of_3}")], &[("no-role", 3)]);
        with(fixture, 3, &[&format!("DELETE FROM wp_usermeta {of_3}")], &[("no-role", 3)]);
        with(fixture, 3, &["UPDATE wp_users SET user_status = 1 WHERE ID = 3"], &[("owner-blocked", 3)]);
        fixture.sql("UPDATE wp_users SET user_status = 0 WHERE ID = 3");
        with(fixture, 99, &[], &[("orphan", 99)]);
        with(
            fixture,
            3,
            &[
                "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (3, '_application_passwords', 'a:0:{}')",
            ],
            &[("duplicate-rows", 3)],
        );
        let suspended = format!(
            "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (4, '_application_passwords_suspended', '{}')",
            String::from_utf8(list(&[Item::new(9)])).unwrap()
        );
        with(fixture, 3, &[&suspended], &[("suspended", 4)]);
        // Whether a plugin enforces it cannot be told from the database alone.
        let restricted = format!(
            "UPDATE wp_usermeta SET meta_value = '{}' WHERE user_id = 3 AND meta_key = '_application_passwords'",
            String::from_utf8(list(&[Item::new(1).with("expires", "i:4102444800;")])).unwrap()
        );
        with(fixture, 3, &[&restricted], &[("not-enforced", 0)]);
        let unreadable = restricted.replace("i:4102444800;", "s:5:\"never\";");
        with(fixture, 3, &[&unreadable], &[("not-enforced", 0), ("unreadable-restriction", 3)]);
        let no_flag = "DELETE FROM wp_options WHERE option_name = 'using_application_passwords'";
        with(fixture, 3, &[no_flag], &[("not-in-use", 0)]);
        with(
            fixture,
            3,
            &["UPDATE wp_options SET option_value = 'http://golden.example' WHERE option_name = 'home'"],
            &[("not-https", 0)],
        );
    });
}

#[test]
fn a_copied_entry_is_found_in_all_its_places() {
    on_both(|fixture| {
        let copied = Item::new(7);
        fixture.set_meta(3, &list(&[Item::new(1), copied.clone()]));
        fixture.set_meta(4, &list(&[Item::new(2)]));
        fixture.set_meta(5, &list(&[copied, Item::new(3)]));
        let expected =
            [("duplicate-uuid", 3), ("duplicate-uuid", 5), ("duplicate-hash", 3), ("duplicate-hash", 5)];
        assert_eq!(found(fixture, &[]), set(&expected));
        let all = findings(fixture, &["--rule=duplicate-hash"]);
        assert_eq!(all.len(), 2);
        assert_eq!(
            all[0]["message"],
            "it has the same secret as 'Integration 7' of user 5 (inventory-sync-bot)"
        );
        assert_eq!(all[0]["severity"], "critical");
        // Twice in one list, and a hash alone.
        fixture.delete_meta(5);
        fixture.set_meta(3, &list(&[Item::new(1), Item::new(1).with("name", text("other"))]));
        assert_eq!(found(fixture, &[]), set(&[("duplicate-uuid", 3), ("duplicate-hash", 3)]));
    });
}

#[test]
fn two_findings_never_share_one_fingerprint() {
    let same_uuid = |which: u32, name: &str| {
        Item::new(which).with("uuid", text("00000001-0000-4000-8000-000000000000")).with("name", text(name))
    };
    let without_uuid = |which: u32| Item::new(which).without("uuid").with("name", text("WordPress"));
    let fingerprints = |fixture: &dyn Fixture| -> BTreeSet<String> {
        let all = findings(fixture, &["--since=9d"]);
        let prints: BTreeSet<String> =
            all.iter().map(|finding| finding["fingerprint"].as_str().unwrap().to_owned()).collect();
        assert_eq!(prints.len(), all.len(), "{all:#?}");
        prints
    };
    on_both(|fixture| {
        for items in [
            vec![same_uuid(1, "WordPress"), same_uuid(2, "WP Cron"), same_uuid(3, "System")],
            vec![without_uuid(1), without_uuid(2), without_uuid(2)],
        ] {
            fixture.set_meta(3, &list(&items));
            let known = fingerprints(fixture);
            // One more of the same is news, another order is not.
            fixture.set_meta(3, &list(&items.iter().rev().cloned().collect::<Vec<_>>()));
            assert_eq!(fingerprints(fixture), known);
            let before = findings(fixture, &["--since=9d"]).len();
            fixture.set_meta(3, &list(&[items.clone(), vec![items[2].clone()]].concat()));
            assert!(fingerprints(fixture).len() > before);
            assert!(fingerprints(fixture).is_superset(&known));
        }
    });
}

#[test]
fn one_more_copy_is_news_also_where_they_are_only_counted() {
    let fixture = &mut SqliteFixture::new() as &mut dyn Fixture;
    let folder = tempfile::tempdir().unwrap();
    let baseline = format!("--baseline={}", folder.path().join("baseline").display());
    let copies = |count: usize| list(&vec![Item::new(1); count]);
    for count in [2, 16, 17, 40] {
        fixture.set_meta(3, &copies(count));
        assert_eq!(code(&audit(fixture, &[&baseline, "--write-baseline"])), 0);
        let rules = &["--rule=duplicate-hash,duplicate-uuid"];
        assert_eq!(code(&audit(fixture, &[&[baseline.as_str()], &rules[..]].concat())), 0, "{count}");
        fixture.set_meta(3, &copies(count + 1));
        assert_eq!(code(&audit(fixture, &[&[baseline.as_str()], &rules[..]].concat())), 2, "{count}");
    }
}

#[test]
fn a_row_that_is_too_long_to_be_read_hides_no_other() {
    let mut fixture = SqliteFixture::new();
    for user in 1..=10 {
        fixture.delete_meta(user);
    }
    fixture.set_meta(3, &list(&[Item::new(1).with("name", text("WordPress"))]));
    fixture.set_meta(4, &vec![b'x'; wp_app_password::store::LONGEST_VALUE + 1]);
    fixture.set_meta(5, &list(&[Item::new(2).with("name", text("WP Cron"))]));
    let expected = [("imitates-core", 3), ("unreadable", 0), ("imitates-core", 5)];
    assert_eq!(found(&fixture, &[]), set(&expected));
    // The same row is the same finding, however long it is; another user's is not.
    let fingerprint = |fixture: &SqliteFixture| {
        let findings = report(&audit(fixture, &["--format=json", "--rule=unreadable"]))["findings"].clone();
        assert_eq!(findings.as_array().unwrap().len(), 1);
        findings[0]["fingerprint"].as_str().unwrap().to_owned()
    };
    let known = fingerprint(&fixture);
    fixture.sql("UPDATE wp_usermeta SET meta_value = meta_value || 'x' WHERE user_id = 4 AND meta_key = '_application_passwords'");
    assert_eq!(fingerprint(&fixture), known);
    // Each of several is told, and one that is known hides no other.
    fixture.set_meta(6, &vec![b'x'; wp_app_password::store::LONGEST_VALUE + 1]);
    let both = findings(&fixture, &["--rule=unreadable"]);
    let of = |user: u64| {
        let name = format!("(user {user}) holds");
        both.iter().filter(|finding| finding["message"].as_str().unwrap().contains(&name)).count()
    };
    assert_eq!((both.len(), of(4), of(6)), (2, 1, 1), "{both:?}");
    assert_ne!(both[0]["fingerprint"], both[1]["fingerprint"]);
    fixture.delete_meta(4);
    assert_ne!(fingerprint(&fixture), known);
}

#[test]
fn a_networks_super_admins_and_roles_are_known() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::Network);
    let tool = || {
        let mut command = binary();
        command.env("WP_APP_PASSWORD_DB", database.socket_url("wp")).arg("--table-prefix=net7_");
        command
    };
    for user in ["admin", "editor1"] {
        let created = tool().args(["create", user, "Feed", "--hash=phpass"]).output().unwrap();
        assert!(created.status.success(), "{}", stderr(&created));
    }
    let rules = || -> BTreeSet<(String, String)> {
        let output = tool().args(["audit", "--format=json", "--skip-rule=not-https"]).output().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let findings = report(&output)["findings"].as_array().unwrap().clone();
        findings.iter().map(|finding| (text(&finding["rule"]), text(&finding["roles"]))).collect()
    };
    let all = rules();
    assert!(
        all.iter()
            .any(|(rule, roles)| rule == "super-admin" && roles.starts_with("super-admin 1:administrator")),
        "{all:?}"
    );
    assert!(!all.iter().any(|(rule, _)| rule == "administrator"), "{all:?}");
    // An administrator of another site than the one that is looked at.
    database.sql("DELETE FROM net7_usermeta WHERE meta_key = 'net7_2_capabilities' AND user_id <> 1");
    database.sql(
        "INSERT INTO net7_usermeta (user_id, meta_key, meta_value)
         SELECT ID, 'net7_2_capabilities', 'a:1:{s:13:\"administrator\";b:1;}' FROM net7_users WHERE user_login = 'editor1'",
    );
    let all = rules();
    assert!(all.contains(&("administrator".into(), "1:editor 2:administrator".into())), "{all:?}");
    database.sql("UPDATE net7_users SET spam = 1 WHERE user_login = 'editor1'");
    assert!(rules().iter().any(|(rule, _)| rule == "owner-blocked"));
}

#[test]
fn what_an_account_may_not_read_of_a_network_is_not_taken_for_clean() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::Network);
    // On its second site a role of its own may do what an administrator may.
    let managers = "a:1:{s:9:\"caretaker\";a:2:{s:4:\"name\";s:9:\"Caretaker\";s:12:\"capabilities\";a:1:{s:14:\"manage_options\";b:1;}}}";
    database.sql(&format!(
        "UPDATE net7_2_options SET option_value = '{managers}' WHERE option_name = 'net7_2_user_roles'"
    ));
    database.sql(
        "DELETE FROM net7_usermeta WHERE meta_key = 'net7_2_capabilities';
         INSERT INTO net7_usermeta (user_id, meta_key, meta_value)
         SELECT ID, 'net7_2_capabilities', 'a:1:{s:9:\"caretaker\";b:1;}' FROM net7_users WHERE user_login = 'editor1'",
    );
    let tool = |url: &str| {
        let mut command = binary();
        command.env("WP_APP_PASSWORD_DB", url).arg("--table-prefix=net7_");
        command
    };
    let created =
        tool(&database.socket_url("wp")).args(["create", "editor1", "Feed", "--hash=phpass"]).output();
    assert!(created.unwrap().status.success());
    let account = format!("few_{}", database.name);
    database.sql(&format!("CREATE USER {account}@localhost IDENTIFIED BY 'few-secret'"));
    for table in ["users", "usermeta", "options", "sitemeta", "site", "blogs"] {
        database.sql(&format!("GRANT SELECT ON net7_{table} TO {account}@localhost"));
    }
    let url = database.socket_url("wp");
    let (_, rest) = url.split_once('@').unwrap();
    let few = format!("mysql://{account}:few-secret@{rest}");
    for command in [&["audit", "--rule=administrator"][..], &["prune", "--role=caretaker", "--dry-run"]] {
        let output = tool(&few).args(command).output().unwrap();
        let said = stderr(&output);
        assert_eq!((code(&output), stdout(&output)), (1, String::new()), "{command:?}: {said}");
        assert!(said.contains("SELECT on net7_2_options"), "{command:?}: {said}");
    }
    database.sql(&format!("GRANT SELECT ON net7_2_options TO {account}@localhost"));
    let output = tool(&few).args(["audit", "--rule=administrator"]).output().unwrap();
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stdout(&output).contains("its owner may change the settings of site 2"), "{}", stdout(&output));
    database.sql(&format!("DROP USER {account}@localhost"));
}

#[test]
fn what_wordpress_writes_is_clean_and_what_it_stores_of_owners_is_understood() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp71", "wp71-mysql", "wp71-sqlite", "wp68-sqlite-old", "wp71-tls"] {
        let site = rig.site(name);
        let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let login = format!("audit-{}-{name}", std::process::id());
        let id = rig.wp_eval(
            site,
            &format!(
                "$id = wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => wp_generate_password(),
                    'user_email' => '{login}@example.com', 'role' => 'editor' ) );
                WP_Application_Passwords::create_new_application_password( $id, array( 'name' => 'Feed' ) );
                return $id;"
            ),
        );
        let id = id.as_u64().unwrap();
        let mine = |arguments: &[&str]| -> Vec<Value> {
            let output = site.tool().args(["audit", "--format=json"]).args(arguments).output().unwrap();
            let findings = report(&output)["findings"].as_array().unwrap().clone();
            findings.into_iter().filter(|finding| finding["user_id"] == id).collect()
        };
        assert_eq!(mine(&[]), Vec::<Value>::new(), "{name}");
        let recent = mine(&["--since=1d"]);
        assert_eq!(recent.len(), 1, "{name}");
        assert_eq!((&recent[0]["rule"], &recent[0]["roles"]), (&"created-since".into(), &"editor".into()));
        rig.wp_eval(site, &format!("( new WP_User( {id} ) )->set_role( 'administrator' ); return 1;"));
        assert_eq!(mine(&[])[0]["rule"], "administrator", "{name}");
        rig.wp_eval(site, &format!("( new WP_User( {id} ) )->set_role( '' ); return 1;"));
        assert_eq!(mine(&[])[0]["rule"], "no-role", "{name}");
        // A role that a plugin adds, with the capability that matters.
        let role = format!("boss{}", std::process::id());
        rig.wp_eval(
            site,
            &format!(
                "add_role( '{role}', 'Boss', array( 'manage_options' => true ) );
                ( new WP_User( {id} ) )->set_role( '{role}' ); return 1;"
            ),
        );
        let boss = mine(&[]);
        rig.wp_eval(
            site,
            &format!(
                "remove_role( '{role}' ); require_once ABSPATH . 'wp-admin/includes/user.php'; wp_delete_user( {id} ); return 1;"
            ),
        );
        assert_eq!((&boss[0]["rule"], &boss[0]["roles"]), (&"administrator".into(), &role.into()), "{name}");
    }
}

#[test]
fn the_exit_code_says_whether_there_is_news() {
    on_both(|fixture| {
        // Clean: nothing is printed, so cron mails nothing.
        fixture.set_meta(3, &list(&[Item::new(1)]));
        let clean = audit(fixture, &[]);
        assert_eq!((code(&clean), stdout(&clean), stderr(&clean)), (0, String::new(), String::new()));
        // Good to know only.
        fixture.set_meta(3, &list(&[Item::new(1).with("created", number(now() - 400 * DAY))]));
        assert_eq!((code(&audit(fixture, &[])), stdout(&audit(fixture, &[]))), (0, String::new()));
        assert_eq!(code(&audit(fixture, &["--fail-on=info"])), 2);
        assert!(stdout(&audit(fixture, &["--fail-on=info"])).contains("(old, 1 found)"));
        // A warning.
        fixture.set_meta(3, &list(&[Item::new(1).with("name", text("WordPress"))]));
        assert_eq!(code(&audit(fixture, &[])), 2);
        assert_eq!(code(&audit(fixture, &["--fail-on=critical"])), 0);
        let never = audit(fixture, &["--fail-on=never"]);
        assert_eq!(code(&never), 0);
        assert!(stdout(&never).contains("imitates-core"));
        assert_eq!(code(&audit(fixture, &["--skip-rule=imitates-core"])), 0);
        assert_eq!(code(&audit(fixture, &["--rule=old,unused"])), 0);
        for (arguments, word) in [
            (&["--rule=imitates-cor"][..], "Did you mean 'imitates-core'?"),
            (&["--since=yesterdayish"], "is no time"),
            (&["--policy=/nonexistent/policy.toml"], "can't be read"),
            (&["--baseline=/nonexistent/baseline"], "can't be read"),
            (&["--output=/nonexistent/report"], "can't be written"),
            (&["--write-baseline"], "needs a file"),
            (&["--allow-net=300.0.0.0/8"], "is no network"),
        ] {
            let output = audit(fixture, arguments);
            assert_eq!(code(&output), 1, "{arguments:?}");
            assert!(stderr(&output).contains(word), "{arguments:?}: {}", stderr(&output));
            assert_eq!(stdout(&output), "");
        }
    });
    let nothing = binary().args(["audit", "--db=sqlite:/nonexistent/file"]).output().unwrap();
    assert_eq!((code(&nothing), stdout(&nothing)), (1, String::new()));
}

#[test]
fn nagios_gets_its_own_codes_and_one_line() {
    on_both(|fixture| {
        let nagios = |fixture: &dyn Fixture, arguments: &[&str]| {
            let output = audit(fixture, &[&["--format=nagios"], arguments].concat());
            assert_eq!(stdout(&output).lines().count(), 1, "{}", stdout(&output));
            (code(&output), stdout(&output))
        };
        fixture.set_meta(3, &list(&[Item::new(1)]));
        let (status, line) = nagios(fixture, &[]);
        assert_eq!(status, 0);
        assert!(line.starts_with("APPLICATION PASSWORDS OK - nothing found | entries=1 users=1 "), "{line}");
        fixture.set_meta(3, &list(&[Item::new(1).with("name", text("WordPress"))]));
        let (status, line) = nagios(fixture, &[]);
        assert_eq!(status, 1);
        assert!(line.contains("WARNING - 1 imitates-core |") && line.contains(" warning=1;0;;0 "), "{line}");
        fixture.set_meta(3, b"broken");
        assert_eq!(nagios(fixture, &[]).0, 2);
        assert_eq!(nagios(fixture, &["--fail-on=never"]).0, 0);
        // Every error is UNKNOWN, told on stdout, where Nagios reads.
        for arguments in [&["--nonsense"][..], &["--policy=/nonexistent"]] {
            let (status, line) = nagios(fixture, arguments);
            assert_eq!(status, 3, "{arguments:?}");
            assert!(line.starts_with("APPLICATION PASSWORDS UNKNOWN - "), "{line}");
        }
    });
    for arguments in
        [&["--format=nagios", "--db=sqlite:/nonexistent"][..], &["--format", "nagios", "--db=nonsense"]]
    {
        let output = binary().arg("audit").args(arguments).output().unwrap();
        assert_eq!((code(&output), stderr(&output)), (3, String::new()), "{arguments:?}");
    }
}

#[test]
fn a_policy_decides_what_is_reported() {
    on_both(|fixture| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.toml");
        let names = |output: &Output| -> BTreeSet<String> {
            let findings = report(output)["findings"].as_array().unwrap().clone();
            findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
        };
        let items = [
            Item::new(1).with("name", text("WordPress")),
            Item::new(2).with("created", number(now() - 400 * DAY)),
            Item::new(3).never_used().with("created", number(now() - 20 * DAY)),
        ];
        fixture.set_meta(3, &list(&items));
        let fixture = &*fixture;
        let with = |policy: &str, arguments: &[&str]| {
            std::fs::write(&file, policy).unwrap();
            let policy = format!("--policy={}", file.display());
            audit(fixture, &[&["--format=json", policy.as_str()], arguments].concat())
        };
        let is = |output: &Output, expected: &[&str]| {
            assert_eq!(names(output), expected.iter().map(|rule| (*rule).to_owned()).collect());
        };
        is(&with("", &[]), &["imitates-core", "old"]);
        is(&with("[rules.old]\nenabled = false\n", &[]), &["imitates-core"]);
        is(&with("[rules.never-used]\nafter = \"10d\"\n", &[]), &["imitates-core", "old", "never-used"]);
        // A flag beats the file.
        is(
            &with("[rules.never-used]\nafter = \"10d\"\n", &["--never-used-for=25d"]),
            &["imitates-core", "old"],
        );
        let critical = with("fail-on = \"critical\"\n[rules.old]\nseverity = \"critical\"\n", &[]);
        assert_eq!((code(&critical), report(&critical)["summary"]["critical"].as_u64()), (2, Some(1)));
        assert_eq!(code(&with("fail-on = \"critical\"\n", &[])), 0);
        assert_eq!(code(&with("fail-on = \"critical\"\n", &["--fail-on=warning"])), 2);
        is(&with("allow-net = [\"192.0.2.0/24\"]\n", &[]), &["imitates-core", "old", "foreign-address"]);
        // Exceptions by name, by login, by id, by uuid; one that has ended says so.
        let exception = |what: &str, until: &str| {
            format!("[[exceptions]]\n{what}\nreason = \"known\"\nuntil = {until}\n")
        };
        for what in [
            "name = \"WordPress\"",
            "user = \"author1\"\nrule = \"imitates-core\"",
            "user = 3\nrule = \"imitates-core\"",
            "uuid = \"00000001-0000-4000-8000-000000000000\"",
        ] {
            let output = with(&exception(what, "\"2999-12-31\""), &[]);
            is(&output, &["old"]);
            assert_eq!(report(&output)["summary"]["excused_findings"], 1);
        }
        let ended = with(&exception("name = \"WordPress\"", "\"2020-01-31\""), &[]);
        is(&ended, &["imitates-core", "old", "exception-expired"]);
        for (policy, line, key) in [
            ("fail-on = \"warning\"\n\n[rules.old]\nafer = \"9d\"\n", "line 4", "afer"),
            ("[rules.olt]\nenabled = false\n", "line 1", "olt"),
            (
                "[[exceptions]]\nname = \"x\"\nreason = \"r\"\nuntil = \"2027-13-01\"\n",
                "line 4",
                "2027-13-01",
            ),
        ] {
            let output = with(policy, &[]);
            assert_eq!((code(&output), stdout(&output)), (1, String::new()));
            assert!(stderr(&output).contains(line) && stderr(&output).contains(key), "{}", stderr(&output));
        }
    });
}

#[test]
fn an_exception_lasts_whole_days_and_a_number_is_an_id() {
    on_both(|fixture| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("policy.toml");
        fixture.set_meta(3, &list(&[Item::new(1).with("name", text("WordPress"))]));
        fixture.sql("UPDATE wp_users SET user_login = '5' WHERE ID = 3");
        let with = |what: &str, until: &str| {
            let policy = format!("[[exceptions]]\n{what}\nreason = \"known\"\nuntil = {until}\n");
            std::fs::write(&file, policy).unwrap();
            audit(fixture, &[&format!("--policy={}", file.display())])
        };
        // Whoever may choose a login chooses no exception with it.
        for (user, status) in [("user = 3", 0), ("user = \"3\"", 0), ("user = 5", 2), ("user = \"5\"", 2)] {
            assert_eq!(code(&with(user, "2999-12-31")), status, "{user}");
        }
        // The last day there is means for ever.
        assert_eq!(code(&with("user = 3", "9999-12-31")), 0);
        for until in ["2999-12-31T10:00:00", "2999-12-31T23:00:00-08:00", "\"2999-12-31[America/New_York]\""]
        {
            let output = with("user = 3", until);
            assert_eq!(code(&output), 1, "{until}");
            assert!(stderr(&output).contains("line 4: until: "), "{}", stderr(&output));
        }
    });
}

#[test]
fn with_a_baseline_only_news_is_reported() {
    on_both(|fixture| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("baseline.jsonl");
        let baseline = format!("--baseline={}", file.display());
        fixture.set_meta(1, &list(&[Item::new(1)]));
        fixture.set_meta(3, &list(&[Item::new(2).with("name", text("WordPress"))]));
        let written = audit(fixture, &[&baseline, "--write-baseline"]);
        assert_eq!((code(&written), stdout(&written)), (0, String::new()), "{}", stderr(&written));
        let first = std::fs::read_to_string(&file).unwrap();
        assert!(!first.contains("$generic$"));
        let again = audit(fixture, &[&baseline]);
        assert_eq!((code(&again), stdout(&again)), (0, String::new()));
        // Something new: only that.
        fixture.set_meta(
            3,
            &list(&[
                Item::new(2).with("name", text("WordPress")),
                Item::new(3).with("name", text("WP Cron")),
            ]),
        );
        let news = audit(fixture, &[&baseline, "--format=json"]);
        assert_eq!(code(&news), 2);
        let findings = report(&news)["findings"].as_array().unwrap().clone();
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0]["name"], "WP Cron");
        assert_eq!(report(&news)["summary"]["known_findings"], 2);
        // A role that is another now, once.
        fixture.sql("UPDATE wp_usermeta SET meta_value = 'a:1:{s:6:\"editor\";b:1;}' WHERE user_id = 3 AND meta_key = 'wp_capabilities'");
        let changed = audit(fixture, &[&baseline, "--format=json", "--rule=role-changed"]);
        assert_eq!(report(&changed)["findings"][0]["message"], "was author, is editor");
        // The new baseline has all that there is, also what the old one knew.
        let renewed = audit(fixture, &[&baseline, "--write-baseline"]);
        assert_eq!(code(&renewed), 0, "{}", stderr(&renewed));
        assert_eq!(code(&audit(fixture, &[&baseline])), 0, "{}", stdout(&audit(fixture, &[&baseline])));
        // One of another site is told as such, until it is written anew.
        assert_eq!(stderr(&audit(fixture, &[&baseline])), "");
        let own = std::fs::read_to_string(&file).unwrap();
        let (header, rest) = own.split_once('\n').unwrap();
        assert!(header.contains("\"site\":\"https://"), "{header}");
        std::fs::write(&file, format!("{{\"baseline\":1,\"site\":\"https://other.example\"}}\n{rest}"))
            .unwrap();
        let other = audit(fixture, &[&baseline]);
        assert_eq!(code(&other), 0);
        assert!(stderr(&other).contains("is of https://other.example"), "{}", stderr(&other));
        assert_eq!(code(&audit(fixture, &[&baseline, "--write-baseline"])), 0);
        assert_eq!(stderr(&audit(fixture, &[&baseline])), "");
        // Something else is not taken for a baseline, and one that cannot be read is not written over.
        std::fs::write(&file, "hello\n").unwrap();
        for arguments in [&[baseline.as_str()][..], &[&baseline, "--write-baseline"]] {
            let output = audit(fixture, arguments);
            assert_eq!(code(&output), 1);
            assert!(stderr(&output).contains("line 1"), "{}", stderr(&output));
        }
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "hello\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    });
}

const FORMATS: [&str; 10] =
    ["table", "json", "jsonl", "csv", "yaml", "sarif", "junit", "nagios", "prometheus", "html"];

/// A site with all that is bad, names that break formats included.
fn fill_with_trouble(fixture: &mut dyn Fixture) {
    let awkward = "<b>&\"'\u{202e}]]>\u{1}\\ |é{\u{2028}=cmd";
    let days = |days: i64| number(now() - days * DAY);
    fixture.set_meta(
        1,
        &list(&[
            Item::new(1).with("name", text(awkward)).with("app_id", text("<&>")),
            Item::new(2).never_used().with("created", days(500)),
            Item::new(3).with("password", text(MD5)).with("created", days(100)),
            Item::new(4).without("password"),
            Item::new(4),
            Item::new(5).with("created", days(900)).with("last_used", days(800)),
        ]),
    );
    fixture.set_meta(3, b"broken");
    fixture.set_meta(4, &list(&[Item::new(1), Item::new(6).with("last_ip", text("no address"))]));
    fixture.set_meta(99, &list(&[Item::new(8)]));
    fixture.sql("UPDATE wp_options SET option_value = 'http://golden.example' WHERE option_name = 'home'");
}

pub fn check(program: &str, arguments: &[&str], input: &[u8]) {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert!(output.status.success(), "{program} {arguments:?}: {said}\n{}", String::from_utf8_lossy(input));
    assert!(!said.contains("error"), "{program}: {said}");
}

pub fn check_sarif(rig: &rig::Rig, sarif: &[u8]) {
    let script = "import json, sys, jsonschema\n\
                  schema = json.load(open(sys.argv[1]))\n\
                  jsonschema.validators.validator_for(schema)(schema).validate(json.load(sys.stdin))";
    check("python3", &["-W", "ignore", "-c", script, rig.sarif_schema().to_str().unwrap()], sarif);
}

/// What a YAML parser reads.
fn yaml(text: &[u8]) -> Value {
    let script = "import json, sys, yaml\njson.dump(yaml.safe_load(sys.stdin.buffer), sys.stdout)";
    let mut child = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text).unwrap();
    report(&child.wait_with_output().unwrap())
}

#[test]
fn yaml_holds_whatever_a_name_holds() {
    if Command::new("python3").args(["-c", "import yaml"]).status().is_ok_and(|status| !status.success()) {
        return;
    }
    on_both(|fixture| {
        let names = [
            "@x",
            "`x`",
            "? x",
            "| x",
            "\"q",
            "\"q\" r",
            "0x10",
            "1_000",
            "2026-01-01",
            ".inf",
            "a\nb\n\n",
            "\n a",
            "tab\tx",
            "=",
            "-",
            "12:30:45",
            "yes",
            "~",
            "a\u{85}b",
            "\u{1b}[2J",
            "\u{1}",
            "\u{2028}",
            "\u{feff}",
            "\u{ffff}",
            "🎉 é",
            "\\n",
            "---",
            " x ",
            "x # y",
            "x: y",
            "!!python/none",
        ];
        let items: Vec<Item> =
            (1..).zip(names).map(|(which, name)| Item::new(which).with("name", text(name))).collect();
        fixture.set_meta(3, &list(&items));
        let read = yaml(&audit(fixture, &["--format=yaml", "--rule=created-since", "--since=9d"]).stdout);
        let read: Vec<&str> =
            read.as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
        assert_eq!(read, names);
    });
}

#[test]
fn a_name_is_no_link_in_sarif() {
    on_both(|fixture| {
        fixture.set_meta(3, &list(&[Item::new(1).with("name", text("[WP Cron](https://evil.example)"))]));
        let output = audit(fixture, &["--format=sarif", "--rule=created-since", "--since=9d"]);
        let message =
            report(&output)["runs"][0]["results"][0]["message"]["text"].as_str().unwrap().to_owned();
        assert!(message.contains("'[WP Cron\\](https://evil.example)'"), "{message}");
    });
}

#[test]
fn every_format_is_what_others_take_it_for() {
    let Some(rig) = rig::require() else { return };
    on_both(|fixture| {
        // Also where nothing is to be told.
        for trouble in [false, true] {
            if trouble {
                fill_with_trouble(fixture);
            }
            let get = |format: &str| audit(fixture, &[&format!("--format={format}")]).stdout;
            check_sarif(rig, &get("sarif"));
            check("xmllint", &["--noout", "-"], &get("junit"));
            check("xmllint", &["--noout", "--nonet", "-"], &get("html"));
            check("promtool", &["check", "metrics"], &get("prometheus"));
            let rows = findings(fixture, &[]).len();
            assert_eq!(trouble, rows > 10, "{rows}");
            let lines = String::from_utf8(get("jsonl")).unwrap();
            assert_eq!(lines.lines().count(), rows);
            assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
            assert_eq!(yaml(&get("yaml")), report(&audit(fixture, &["--format=json"]))["findings"]);
            let csv = String::from_utf8(get("csv")).unwrap();
            assert!(
                csv.starts_with("rule,severity,user_id,user_login,roles,uuid,name,app_id,created,"),
                "{csv}"
            );
            let sarif: Value = serde_json::from_slice(&get("sarif")).unwrap();
            let results = sarif["runs"][0]["results"].as_array().unwrap();
            assert_eq!(results.len(), rows);
            // GitHub tells them apart by nothing else.
            let hashes: BTreeSet<&str> = results
                .iter()
                .map(|result| result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap())
                .collect();
            assert_eq!(hashes.len(), rows);
            // Metrics tell what was found, whatever lets the run fail.
            let state = |fail_on: &str| {
                let metrics = stdout(&audit(fixture, &["--format=prometheus", fail_on]));
                let line = metrics.lines().find(|line| line.starts_with("wp_app_password_audit_state{"));
                line.unwrap().rsplit(' ').next().unwrap().to_owned()
            };
            let expected = if trouble { "2" } else { "0" };
            assert_eq!(
                (state("--fail-on=never"), state("--fail-on=critical")),
                (expected.into(), expected.into())
            );
        }
    });
}

#[test]
fn no_format_shows_a_hash() {
    on_both(|fixture| {
        fill_with_trouble(fixture);
        for format in FORMATS {
            let output = audit(fixture, &[&format!("--format={format}"), "--fail-on=info"]);
            let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), stderr(&output));
            assert!(said.len() > 100, "{format}: {said}");
            for hash in [&HASH[..20], MD5, "F6W18u0QEyt"] {
                assert!(!said.contains(hash), "{format} shows {hash}");
            }
        }
    });
}

#[test]
fn a_page_has_charts_and_no_script_and_nothing_that_is_loaded() {
    on_both(|fixture| {
        fill_with_trouble(fixture);
        let page = stdout(&audit(fixture, &["--format=html"]));
        assert_eq!(page.matches("<svg ").count(), 2);
        for what in [
            "<script",
            "src=",
            "href=",
            "@import",
            "url(",
            "http-equiv=\"refresh\"",
            "\u{202e}",
            "<b>&amp;\"",
        ] {
            assert!(!page.contains(what), "{what}");
        }
        assert!(page.contains("&lt;b&gt;&amp;&quot;&#39;"));
        // A screen reader sees one picture in a chart: its description has the numbers.
        assert!(page.contains("aria-label=\"up to 7 days: "), "{page}");
    });
}

#[test]
fn a_report_takes_its_files_name_when_it_is_whole() {
    on_both(|fixture| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("wp.prom");
        std::fs::write(&file, "the old report").unwrap();
        let output_to = format!("--output={}", file.display());
        fixture.set_meta(3, &list(&[Item::new(1)]));
        let written = audit(fixture, &["--format=prometheus", &output_to]);
        assert_eq!((code(&written), stdout(&written)), (0, String::new()));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("wp_app_password_entries{site=\"https://golden.example\"} 1\n"), "{text}");
        assert!(!text.contains("00000001-0000"), "no uuid is a label");
        // A failing audit leaves what is there.
        let failed =
            binary().args(["audit", "--db=sqlite:/nonexistent", "--format=prometheus", &output_to]).output();
        assert_eq!(code(&failed.unwrap()), 1);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    });
}

#[test]
fn a_rule_explains_itself() {
    let all = binary().args(["audit", "--explain"]).output().unwrap();
    let ids: Vec<String> =
        stdout(&all).lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    assert!(ids.len() >= 30);
    for id in &ids {
        let one = binary().args(["audit", "--explain", id]).output().unwrap();
        assert_eq!(code(&one), 0);
        assert!(stdout(&one).starts_with(&format!("{id}: ")) && stdout(&one).contains("\n\nWhat to do: "));
    }
    let none = binary().args(["audit", "--explain=olt"]).output().unwrap();
    assert_eq!(code(&none), 1);
    assert!(stderr(&none).contains("Did you mean 'old'?"));
}

#[test]
fn names_cannot_play_tricks_on_a_terminal() {
    use crate::process::Terminal;
    on_both(|fixture| {
        fixture.set_meta(3, &list(&[Item::new(1).with("name", text("Feed\u{1b}]0;x\u{7}\u{202e}"))]));
        let mut command = binary();
        command.env("WP_APP_PASSWORD_DB", fixture.url()).arg("audit");
        let seen = Terminal::run(command, 100);
        assert_eq!(seen.exit_code, 2);
        let seen = String::from_utf8(seen.received).unwrap();
        assert!(seen.contains("Feed\\x1b]0;x\\x07\\u{202e}"), "{seen}");
        // Somebody who looks is told also when all is well.
        fixture.set_meta(3, &list(&[Item::new(1)]));
        let mut command = binary();
        command.env("WP_APP_PASSWORD_DB", fixture.url()).arg("audit");
        let seen = Terminal::run(command, 100);
        assert_eq!(seen.exit_code, 0);
        assert!(String::from_utf8(seen.received).unwrap().contains("Nothing was found."));
    });
}

#[test]
fn names_and_addresses_cannot_forge_lines_of_a_cron_jobs_mail() {
    on_both(|fixture| {
        let items = [
            Item::new(1).with("name", text("Feed\n\nNothing was found.\u{1b}[2J\u{202e}")),
            Item::new(2).with("last_ip", text("192.0.2.1\r\nCRITICAL: forged")),
        ];
        fixture.set_meta(3, &list(&items));
        for format in ["table", "junit"] {
            let output = audit(fixture, &["--allow-net=203.0.113.0/24", &format!("--format={format}")]);
            let seen = stdout(&output);
            assert_eq!(code(&output), 2);
            let alone = |line: &str| line.starts_with("Nothing was") || line.starts_with("CRITICAL: f");
            assert!(!seen.lines().any(alone), "{format}: {seen}");
            assert!(seen.contains("Feed\\x0a\\x0aNothing was found.\\x1b[2J\\u{202e}"), "{format}: {seen}");
            assert!(seen.contains("192.0.2.1\\x0d\\x0aCRITICAL"), "{format}: {seen}");
        }
    });
}

#[test]
fn a_report_takes_no_place_but_a_files() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("folder")).unwrap();
    std::fs::write(path("file"), "old").unwrap();
    symlink(path("file"), path("link")).unwrap();
    assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
    let fixture = SqliteFixture::new();
    for name in ["pipe", "link", "folder"] {
        for option in ["--output", "--write-baseline"] {
            let output = audit(&fixture, &[&format!("{option}={}", path(name).display())]);
            assert_eq!((code(&output), stdout(&output)), (1, String::new()), "{option} {name}");
            assert!(stderr(&output).contains("is no regular file"), "{}", stderr(&output));
        }
    }
    assert!(std::fs::symlink_metadata(path("pipe")).unwrap().file_type().is_fifo());
    assert!(std::fs::symlink_metadata(path("link")).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(path("file")).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left beside them");
}

#[test]
fn a_baseline_that_was_not_written_is_not_said_to_be() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baseline");
    std::fs::write(&file, "").unwrap();
    // A file that cannot be replaced: a mount point.
    let script = "mount --bind \"$1\" \"$1\" && exec \"$2\" audit --write-baseline=\"$1\"";
    let fixture = SqliteFixture::new();
    let output = Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script, "sh"])
        .arg(&file)
        .arg(env!("CARGO_BIN_EXE_wp-app-password"))
        .env("WP_APP_PASSWORD_DB", fixture.url())
        .output()
        .unwrap();
    if !stderr(&output).contains("could not be written") {
        // Namespaces are not for everybody.
        assert!(
            stderr(&output).contains("unshare") || stderr(&output).contains("mount:"),
            "{}",
            stderr(&output)
        );
        return;
    }
    assert_eq!(code(&output), 1);
    assert!(!stderr(&output).contains("was written"), "{}", stderr(&output));
}

#[test]
fn a_new_baseline_does_not_empty_a_report() {
    let folder = tempfile::tempdir().unwrap();
    let (file, baseline) = (folder.path().join("wp.prom"), folder.path().join("baseline.jsonl"));
    std::fs::write(&file, "the old report").unwrap();
    let fixture = SqliteFixture::new();
    let (output, new) =
        (format!("--output={}", file.display()), format!("--write-baseline={}", baseline.display()));
    let refused = audit(&fixture, &["--format=prometheus", &output, &new]);
    assert_eq!(code(&refused), 1);
    assert!(stderr(&refused).contains("--write-baseline"), "{}", stderr(&refused));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "the old report");
    assert!(!baseline.exists());
}

#[test]
fn a_rule_that_was_asked_for_is_looked_at_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let policy = format!("--policy={}", file.display());
    on_both(|fixture| {
        fixture.set_meta(3, &list(&[Item::new(1), Item::new(2).never_used()]));
        // Without anything to compare with, "clean" would be a lie.
        for (arguments, word) in [
            (&["--rule=created-since"][..], "--since"),
            (&["--rule=old,foreign-address"], "--allow-net"),
            (&["--rule=role-changed"], "--baseline"),
            (&["--since=2199-01-01"], "still to come"),
            (&["--rule=old", "--skip-rule=old"], "Every rule is switched off"),
        ] {
            let output = audit(fixture, arguments);
            assert_eq!((code(&output), stdout(&output)), (1, String::new()), "{arguments:?}");
            assert!(stderr(&output).contains(word), "{}", stderr(&output));
        }
        // Where nobody asked, the report says that it was not looked at.
        let junit = stdout(&audit(fixture, &["--format=junit"]));
        for rule in ["created-since", "foreign-address", "role-changed"] {
            let case = junit.split("<testcase ").find(|case| case.contains(rule)).unwrap();
            assert!(case.contains("<skipped/>"), "{case}");
        }
        // A policy that asks for it is told as well.
        std::fs::write(&file, "[rules.foreign-address]\nenabled = true\n").unwrap();
        let output = audit(fixture, &[&policy]);
        assert_eq!((code(&output), stdout(&output)), (1, String::new()));
        assert!(stderr(&output).contains("The policy switches foreign-address on"), "{}", stderr(&output));
        assert_eq!(
            code(&audit(fixture, &[&policy, "--allow-net=203.0.113.0/24", "--rule=old,foreign-address"])),
            0
        );
        // A flag beats a policy that has the rule off.
        std::fs::write(
            &file,
            "allow-net = [\"203.0.113.0/24\"]\n[rules]\ncreated-since.enabled = false\nnever-used.enabled = \
             false\nforeign-address.enabled = false\n",
        )
        .unwrap();
        let with = |arguments: &[&str]| found(fixture, &[&[policy.as_str()], arguments].concat());
        assert_eq!(with(&[]), set(&[]));
        assert_eq!(with(&["--since=3d"]), set(&[("created-since", 3)]));
        assert_eq!(with(&["--never-used-for=1d"]), set(&[("never-used", 3)]));
        assert_eq!(with(&["--allow-net=192.0.2.0/24"]), set(&[("foreign-address", 3)]));
        assert_eq!(with(&["--since=3d", "--skip-rule=created-since"]), set(&[]));
    });
}

/// The part of the README that is about audits.
fn readme() -> String {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = text.split_once("\n## Audit a site\n").unwrap();
    rest.split("\n## ").next().unwrap().to_owned()
}

fn block(text: &str, kind: &str) -> String {
    text.split(&format!("```{kind}\n")).nth(1).unwrap().split("```").next().unwrap().to_owned()
}

#[test]
fn the_readmes_policy_is_one() {
    let fixture = SqliteFixture::new();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    let policy = block(&readme(), "toml");
    assert!(policy.contains("[[exceptions]]") && policy.contains("allow-net"));
    std::fs::write(&file, policy).unwrap();
    let output = audit(&fixture, &[&format!("--policy={}", file.display())]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
}

#[test]
fn the_readmes_units_are_what_systemd_takes_them_for() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else { return };
    assert!(version.status.success());
    let folder = tempfile::tempdir().unwrap();
    let mut units = Vec::new();
    for block in readme().split("```ini\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let (name, unit) = block.split_once('\n').unwrap();
        let path = folder.path().join(name.trim_start_matches("# /etc/systemd/system/"));
        let unit = unit.replace("/usr/local/bin/wp-app-password", env!("CARGO_BIN_EXE_wp-app-password"));
        std::fs::write(&path, unit).unwrap();
        units.push(path);
    }
    assert_eq!(units.len(), 2);
    let output = Command::new("systemd-analyze").arg("verify").args(&units).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}
