//! Real WordPress decides: what this program writes, it accepts; what it writes, this program reads and leaves
//! alone except for what it was asked to change.
//!
//! Every behavior below runs on every site of `tests/run`: `cargo test wordpress::wp71_tls` runs one site's.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::{self, Rig, Site};

const ME: &str = "/wp-json/wp/v2/users/me";
const MINE: &str = "/wp-json/wp/v2/users/me/application-passwords";

macro_rules! on_every_site {
    ($($module:ident = $site:literal,)*) => {
        const SITES: &[&str] = &[$($site),*];
        $(mod $module {
            on_site!($site: shared
                what_create_prints_authenticates,
                a_wrong_password_does_not,
                what_delete_removes_is_refused_at_once,
                what_revoke_all_removes_is_refused_at_once,
                what_wordpress_creates_we_list_rename_and_delete,
                what_the_rest_api_creates_we_list_and_delete,
                what_we_write_wordpress_lists_renames_and_deletes,
                unknown_keys_survive_both,
                every_hash_that_is_written_is_accepted,
                requests_overlap,
                requests_keep_succeeding_while_the_tool_writes,
                a_recorded_use_and_a_creation_keep_each_other,
                a_database_url_and_a_path_are_the_same_site,
            );
            on_site!($site: alone the_first_create_switches_the_feature_on,);
        })*
    };
}

macro_rules! on_site {
    ($site:literal: shared $($test:ident,)*) => {
        $(#[test]
        fn $test() {
            let Some(rig) = crate::rig::require() else { return };
            let site = rig.site($site);
            let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            super::$test(rig, site);
        })*
    };
    ($site:literal: alone $($test:ident,)*) => {
        $(#[test]
        fn $test() {
            let Some(rig) = crate::rig::require() else { return };
            let site = rig.site($site);
            let _nobody_else = site.in_use.write().unwrap_or_else(|poisoned| poisoned.into_inner());
            super::$test(rig, site);
        })*
    };
}

on_every_site! {
    wp61 = "wp61",
    wp68 = "wp68",
    wp68_sqlite_old = "wp68-sqlite-old",
    wp71 = "wp71",
    wp71_mysql = "wp71-mysql",
    wp71_network = "wp71-network",
    wp71_sqlite = "wp71-sqlite",
    wp71_tls = "wp71-tls",
}

#[test]
fn no_site_of_the_rig_is_forgotten() {
    let Some(rig) = rig::require() else { return };
    let known: BTreeSet<&str> = rig.sites.iter().map(|site| site.name.as_str()).collect();
    let tested: BTreeSet<&str> = SITES.iter().copied().collect();
    // The spare site has its tables replaced, by one test below.
    assert_eq!(known.difference(&tested).copied().collect::<Vec<_>>(), ["wp71-spare"]);
    assert!(tested.is_subset(&known));
}

/// A user of a test's own, so that tests can run side by side on one site.
pub struct Person {
    pub id: u64,
    pub login: String,
}

impl Person {
    pub fn new(rig: &Rig, site: &Site) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let login = format!("test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let id = rig.wp_eval(
            site,
            &format!(
                "return wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => wp_generate_password(),
                    'user_email' => '{login}@example.com', 'role' => 'author' ) );"
            ),
        );
        Self { id: id.as_u64().unwrap_or_else(|| panic!("{login}: {id}")), login }
    }

    /// What WordPress itself has stored for this user.
    fn passwords(&self, rig: &Rig, site: &Site) -> Vec<Value> {
        let all = rig.wp_eval(
            site,
            &format!(
                "return array_values( WP_Application_Passwords::get_user_application_passwords( {} ) );",
                self.id
            ),
        );
        all.as_array().expect("a list").clone()
    }

    fn names(&self, rig: &Rig, site: &Site) -> BTreeSet<String> {
        self.passwords(rig, site).iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Runs the tool; its stdout. It must succeed and say nothing on stderr.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    assert_eq!(stderr, "", "{command:?}");
    stdout
}

/// `create --porcelain`: the plaintext.
fn create(site: &Site, person: &Person, name: &str) -> String {
    let stdout = run(site.tool().args(["create", &person.login, name, "--porcelain"]));
    let password = stdout.strip_suffix('\n').expect("a line").to_owned();
    assert_eq!(password.len(), 24, "{password}");
    assert!(password.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{password}");
    password
}

/// `list --format=json`.
fn list(site: &Site, person: &Person) -> Vec<Value> {
    let stdout = run(site.tool().args(["list", &person.login, "--format=json"]));
    serde_json::from_str::<Value>(&stdout).unwrap().as_array().unwrap().clone()
}

/// In groups of four, as WordPress shows it to people.
fn in_groups(password: &str) -> String {
    password.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn assert_authenticates(site: &Site, person: &Person, password: &str) {
    for written in [password.to_owned(), in_groups(password)] {
        let rest = site.get(ME, &person.login, &written);
        assert_eq!(rest.status, 200, "{}: {}", site.name, rest.body);
        assert_eq!(rest.json()["id"], person.id, "{}", site.name);
        let xmlrpc = site.xmlrpc(&person.login, &written);
        assert!(xmlrpc.is_xmlrpc_answer(), "{}: {} {}", site.name, xmlrpc.status, xmlrpc.body);
    }
}

#[track_caller]
fn assert_refused(site: &Site, person: &Person, password: &str) {
    let rest = site.get(ME, &person.login, password);
    assert_eq!(rest.status, 401, "{}: {}", site.name, rest.body);
    let xmlrpc = site.xmlrpc(&person.login, password);
    assert_eq!(xmlrpc.xmlrpc_fault(), Some(403), "{}: {} {}", site.name, xmlrpc.status, xmlrpc.body);
}

fn what_create_prints_authenticates(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let first = create(site, &person, "Mobile app");
    assert_authenticates(site, &person, &first);
    // The second is appended to a list that WordPress has written meanwhile (it recorded the use).
    let second = create(site, &person, "Backup job – ☕ & “quotes”");
    assert_authenticates(site, &person, &second);
    assert_authenticates(site, &person, &first);
    if site.multisite {
        let there = site.get(&format!("/second{ME}"), &person.login, &first);
        assert_eq!(there.json()["id"], person.id, "the whole network shares it");
    }
    assert_eq!(site.https, site.plain_url.is_some());
    if let Some(plain) = &site.plain_url {
        // WordPress: outside environment `local` the feature needs HTTPS.
        let answer = rig::http_get(&format!("{plain}{ME}"), &person.login, &first, None);
        assert_eq!(answer.json()["code"], "rest_not_logged_in");
    }
    let used = list(site, &person).into_iter().find(|item| item["name"] == "Mobile app").unwrap();
    assert_eq!(used["last_ip"], "127.0.0.1", "{used}");
}

fn a_wrong_password_does_not(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let right = create(site, &person, "App");
    let mut wrong = right.clone().into_bytes();
    wrong[23] = if wrong[23] == b'a' { b'b' } else { b'a' };
    assert_refused(site, &person, str::from_utf8(&wrong).unwrap());
    assert_authenticates(site, &person, &right);
}

fn what_delete_removes_is_refused_at_once(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let keys = ["One", "Two", "Three"].map(|name| create(site, &person, name));
    assert_authenticates(site, &person, &keys[0]);
    let uuid = |name: &str| {
        let found = list(site, &person).into_iter().find(|item| item["name"] == name).unwrap();
        found["uuid"].as_str().unwrap().to_owned()
    };
    run(site.tool().args(["delete", &person.login, &uuid("One")]));
    assert_refused(site, &person, &keys[0]);
    assert_authenticates(site, &person, &keys[1]);
    // Deleting leaves a gap in the list's keys: the next one goes behind the highest.
    let fourth = create(site, &person, "Four");
    assert_authenticates(site, &person, &fourth);
    assert_authenticates(site, &person, &keys[2]);
    run(site.tool().args(["delete", &person.login, "--all"]));
    for key in [&keys[1], &keys[2], &fourth] {
        assert_refused(site, &person, key);
    }
    assert!(person.passwords(rig, site).is_empty());
}

fn what_revoke_all_removes_is_refused_at_once(rig: &Rig, site: &Site) {
    let (person, bystander) = (Person::new(rig, site), Person::new(rig, site));
    let keys = ["One", "Two"].map(|name| create(site, &person, name));
    let other = create(site, &bystander, "Other");
    assert_authenticates(site, &person, &keys[1]);
    let stdout = run(site.tool().args(["revoke-all", &person.login, "--yes"]));
    assert!(stdout.contains('2'), "says how many: {stdout}");
    for key in &keys {
        assert_refused(site, &person, key);
    }
    assert_authenticates(site, &bystander, &other);
}

fn what_wordpress_creates_we_list_rename_and_delete(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let app_id = "5f1c9f2e-7b1d-4c57-9d5b-6b1a2f3c4d5e";
    let made = rig.wp_eval(
        site,
        &format!(
            "return WP_Application_Passwords::create_new_application_password( {},
                array( 'name' => 'Made by WordPress – ☕', 'app_id' => '{app_id}' ) );",
            person.id
        ),
    );
    let (password, item) = (made[0].as_str().unwrap(), &made[1]);
    assert_authenticates(site, &person, password);
    let uuid = item["uuid"].as_str().unwrap();

    let listed = list(site, &person);
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["uuid"], *uuid);
    assert_eq!(listed[0]["app_id"], app_id);
    assert_eq!(listed[0]["name"], "Made by WordPress – ☕");
    assert_eq!(
        run(site.tool().args(["get", &person.login, uuid, "--field=name"])),
        "Made by WordPress – ☕\n"
    );

    run(site.tool().args(["update", &person.login, uuid, "--name=Renamed by us"]));
    let stored = person.passwords(rig, site);
    let mut expected = item.clone();
    expected["name"] = "Renamed by us".into();
    // WordPress recorded the use above.
    expected["last_used"] = stored[0]["last_used"].clone();
    expected["last_ip"] = "127.0.0.1".into();
    assert_eq!(stored, [expected]);
    assert_authenticates(site, &person, password);

    run(site.tool().args(["delete", &person.login, uuid]));
    assert_refused(site, &person, password);
    assert!(person.passwords(rig, site).is_empty());
}

fn what_the_rest_api_creates_we_list_and_delete(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let key = create(site, &person, "Ours");
    let login = (person.login.as_str(), key.as_str());
    let answer = site.send("POST", MINE, login, &json!({ "name": "Back\\slash <b>bold</b> 'quote'" }));
    assert_eq!(answer.status, 201, "{}", answer.body);
    let made = answer.json();
    let password = made["password"].as_str().unwrap().replace(' ', "");
    assert_authenticates(site, &person, &password);
    let listed = list(site, &person);
    let found = listed.iter().find(|item| item["uuid"] == made["uuid"]).unwrap();
    // The use just recorded has cost the backslash (`wp_unslash()` at every write): WordPress's own view counts.
    let stored = person.passwords(rig, site);
    assert_eq!(found["name"], stored[1]["name"]);
    run(site.tool().args(["delete", &person.login, made["uuid"].as_str().unwrap()]));
    assert_refused(site, &person, &password);
    assert_authenticates(site, &person, &key);
}

fn what_we_write_wordpress_lists_renames_and_deletes(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let app_id = "a3bb189e-8bf9-4c3b-9e9f-2d1f5b6c7d8e";
    let key = create(site, &person, "Key for the test");
    run(site.tool().args([
        "create",
        &person.login,
        "Listed – ☕ 日本",
        &format!("--app-id={app_id}"),
        "--porcelain",
    ]));
    let login = (person.login.as_str(), key.as_str());

    let answer = site.get(MINE, login.0, login.1);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let seen = answer.json();
    let listed = list(site, &person);
    assert_eq!(seen.as_array().unwrap().len(), 2);
    for item in seen.as_array().unwrap() {
        let ours = listed.iter().find(|ours| ours["uuid"] == item["uuid"]).unwrap();
        assert_eq!(ours["name"], item["name"]);
        assert_eq!(ours["app_id"], item["app_id"]);
        assert!(item["created"].as_str().unwrap().contains('T'), "{item}");
    }
    let made = seen.as_array().unwrap().iter().find(|item| item["name"] == "Listed – ☕ 日本").unwrap();
    assert_eq!(made["app_id"], app_id);
    assert_eq!(made["last_used"], Value::Null);

    let one = format!("{MINE}/{}", made["uuid"].as_str().unwrap());
    let renamed = site.send("POST", &one, login, &json!({ "name": "Renamed by WordPress" }));
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    assert!(list(site, &person).iter().any(|item| item["name"] == "Renamed by WordPress"));
    let deleted = site.send("DELETE", &one, login, &json!({}));
    assert_eq!(deleted.status, 200, "{}", deleted.body);
    assert_eq!(list(site, &person).len(), 1);
    if site.version.as_str() >= "5.7" {
        let own = site.get(&format!("{MINE}/introspect"), login.0, login.1).json();
        assert_eq!(own["uuid"], list(site, &person)[0]["uuid"]);
    }
}

fn unknown_keys_survive_both(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let key = create(site, &person, "Key");
    rig.wp_eval(
        site,
        &format!(
            "$all = get_user_meta( {0}, '_application_passwords', true );
             $all[0]['x_plugin'] = array( 'scopes' => array( 'read', 'write' ), 'rate' => 1.5, 'on' => true, 'none' => null );
             $all[0]['valid_until'] = 4102444800;
             return update_user_meta( {0}, '_application_passwords', $all );",
            person.id
        ),
    );
    let before = person.passwords(rig, site)[0].clone();
    let uuid = before["uuid"].as_str().unwrap();
    let another = create(site, &person, "Another");
    run(site.tool().args(["update", &person.login, uuid, "--name=Key, renamed"]));
    run(site.tool().args(["record-usage", &person.login, uuid]));
    assert_authenticates(site, &person, &key);
    let login = (person.login.as_str(), another.as_str());
    let renamed =
        site.send("POST", &format!("{MINE}/{uuid}"), login, &json!({ "name": "Key, renamed again" }));
    assert_eq!(renamed.status, 200, "{}", renamed.body);
    let other = list(site, &person).iter().find(|item| item["name"] == "Another").unwrap()["uuid"].clone();
    run(site.tool().args(["delete", &person.login, other.as_str().unwrap()]));

    let after = person.passwords(rig, site);
    let mut expected = before.clone();
    expected["name"] = "Key, renamed again".into();
    expected["last_used"] = after[0]["last_used"].clone();
    expected["last_ip"] = "127.0.0.1".into();
    assert_eq!(after, [expected.clone()]);
    let order = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(order(&after[0]), order(&expected), "the order of the keys too");
}

fn every_hash_that_is_written_is_accepted(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let generic = !site.version.starts_with("6.1");
    let schemes =
        if generic { &["auto", "bcrypt", "phpass", "generic"][..] } else { &["auto", "bcrypt", "phpass"] };
    for scheme in schemes {
        let hash = format!("--hash={scheme}");
        let mut command = site.tool();
        command.args(["create", &person.login, scheme, "--porcelain", &hash]);
        if *scheme == "bcrypt" {
            command.arg("--bcrypt-cost=4");
        }
        let stdout = run(&mut command);
        assert_authenticates(site, &person, stdout.trim_end());
        let stored = person.passwords(rig, site).into_iter().find(|item| item["name"] == *scheme).unwrap();
        let prefix = match *scheme {
            "auto" if generic => "$generic$",
            "auto" | "phpass" => "$P$",
            "generic" => "$generic$",
            _ => "$2y$04$",
        };
        assert!(stored["password"].as_str().unwrap().starts_with(prefix), "{scheme}: {stored}");
    }
    if !generic {
        let refused = site.tool().args(["create", &person.login, "No", "--hash=generic"]).output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "a 6.1 cannot check $generic$");
        assert_eq!(person.passwords(rig, site).len(), schemes.len());
    }
}

fn requests_overlap(_rig: &Rig, site: &Site) {
    // A worker of PHP's server takes every connection that waits when it looks, and then serves them one after
    // another. So the requests come one by one, each while the worker before is busy and does not look: of four,
    // two at the same time prove it.
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let slow = |after: u64| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(after));
                site.get("/?rig_sleep=1500", "nobody", "").json()
            })
        };
        [slow(0), slow(250), slow(500), slow(750)].map(|thread| thread.join().unwrap()).into()
    });
    let overlapping = answers.iter().enumerate().any(|(index, one)| {
        answers[..index].iter().any(|other| {
            one["pid"] != other["pid"]
                && one["began"].as_f64() < other["ended"].as_f64()
                && other["began"].as_f64() < one["ended"].as_f64()
        })
    });
    assert!(overlapping, "{}: {answers:?}", site.name);
}

fn requests_keep_succeeding_while_the_tool_writes(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let steady = create(site, &person, "Steady");
    // The first use is recorded now, so that during the stream WordPress reads this list and never writes it.
    assert_authenticates(site, &person, &steady);
    let (stop, requests) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut expected = BTreeSet::from(["Steady".to_owned()]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = site.get(ME, &person.login, &steady);
                    assert_eq!(answer.status, 200, "{}: {}", site.name, answer.body);
                    requests.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Ends the stream also when an assertion below fails.
        let _stop = StopAtEnd(&stop);
        let began = Instant::now();
        let mut round = 0;
        while round < 5 || requests.load(Ordering::Relaxed) < 20 {
            assert!(began.elapsed().as_secs() < 60, "the stream does not flow");
            let (kept, dropped) = (format!("Kept {round}"), format!("Dropped {round}"));
            create(site, &person, &kept);
            let gone = create(site, &person, &dropped);
            let uuid =
                list(site, &person).iter().find(|item| item["name"] == *dropped).unwrap()["uuid"].clone();
            run(site.tool().args(["delete", &person.login, uuid.as_str().unwrap()]));
            assert_eq!(site.get(ME, &person.login, &gone).status, 401);
            expected.insert(kept);
            round += 1;
        }
    });
    assert_eq!(person.names(rig, site), expected);
    assert_authenticates(site, &person, &steady);
}

struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn a_recorded_use_and_a_creation_keep_each_other(rig: &Rig, site: &Site) {
    // WordPress writes the whole list when it records a first use, and so do we when we add an entry. What
    // one of them has committed, the other keeps. (A request that is under way while we write is another
    // matter: WordPress writes back what it had read, see the README.)
    let person = Person::new(rig, site);
    let mut keys = vec![create(site, &person, "Number 0")];
    for round in 1..=5 {
        let fresh = keys.last().unwrap();
        assert_eq!(site.get(ME, &person.login, fresh).status, 200);
        keys.push(create(site, &person, &format!("Number {round}")));
    }
    let used = person.passwords(rig, site).iter().filter(|entry| !entry["last_used"].is_null()).count();
    assert_eq!((used, person.names(rig, site).len()), (5, 6));
    for key in &keys {
        assert_authenticates(site, &person, key);
    }
}

fn a_database_url_and_a_path_are_the_same_site(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    let key = create(site, &person, "By path");
    let direct = || {
        let mut command = rig::binary();
        command.env("WP_APP_PASSWORD_DB", &site.db).arg(format!("--table-prefix={}", site.prefix));
        command
    };
    let both = list(site, &person);
    let stdout = run(direct().args(["list", &person.login, "--format=json"]));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap(), Value::Array(both));
    let by_url = run(direct().args(["create", &person.login, "By URL", "--porcelain"]));
    assert_authenticates(site, &person, by_url.trim_end());
    assert_authenticates(site, &person, &key);
}

fn the_first_create_switches_the_feature_on(rig: &Rig, site: &Site) {
    let person = Person::new(rig, site);
    // As on a site where nobody ever used it.
    rig.wp_eval(
        site,
        "delete_network_option( get_main_network_id(), 'using_application_passwords' ); return 1;",
    );
    assert_eq!(rig.wp_eval(site, "return WP_Application_Passwords::is_in_use();"), false);
    let key = create(site, &person, "The first one");
    assert_eq!(rig.wp_eval(site, "return WP_Application_Passwords::is_in_use();"), true);
    let rows = rig.wp_eval(
        site,
        "return is_multisite()
            ? $wpdb->get_results( \"SELECT 'network' AS autoload, site_id, meta_value AS value FROM $wpdb->sitemeta WHERE meta_key = 'using_application_passwords'\" )
            : $wpdb->get_results( \"SELECT autoload, option_value AS value FROM $wpdb->options WHERE option_name = 'using_application_passwords'\" );",
    );
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!(rows[0]["value"], "1");
    let autoload = match () {
        () if site.multisite => "network",
        () if site.version.starts_with("6.1") => "no",
        () => "off",
    };
    assert_eq!(rows[0]["autoload"], autoload);
    if site.multisite {
        assert_eq!(rows[0]["site_id"], "1");
        let stray = rig.wp_eval(
            site,
            "return $wpdb->get_var( \"SELECT COUNT(*) FROM $wpdb->options WHERE option_name = 'using_application_passwords'\" );",
        );
        assert_eq!(stray, "0");
    }
    assert_authenticates(site, &person, &key);
    // The second leaves the row alone.
    create(site, &person, "The second one");
    let count = rig.wp_eval(site, "return WP_Application_Passwords::is_in_use();");
    assert_eq!(count, true);
}

#[test]
fn every_way_to_a_server_leads_to_the_same_list() {
    let Some(rig) = rig::require() else { return };
    for (server, name) in [(&rig.mariadb, "wp71"), (&rig.mysql, "wp71-mysql")] {
        let site = rig.site(name);
        assert_eq!(site.server, server.name);
        let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let person = Person::new(rig, site);
        create(site, &person, "Seen from everywhere");
        let expected = list(site, &person);
        let database =
            site.db.split('?').next().and_then(|url| url.rsplit('/').next()).expect("a database's name");
        for user in server.users.keys().filter(|user| *user != "root") {
            let mut urls = vec![server.tls_url(user, database)];
            if user != "tls" {
                urls.extend([server.url(user, database), server.socket_url(user, database)]);
            }
            for url in urls {
                let stdout = run(rig::binary().env("WP_APP_PASSWORD_DB", &url).args([
                    "list",
                    &person.login,
                    "--format=json",
                ]));
                assert_eq!(
                    serde_json::from_str::<Value>(&stdout).unwrap(),
                    Value::Array(expected.clone()),
                    "{url}"
                );
            }
        }
    }
}

#[test]
fn what_the_sandbox_printed_authenticates_in_a_real_install_with_its_tables() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-spare");
    let home = tempfile::tempdir().unwrap();
    let sandbox = || {
        let mut command = rig::binary();
        command.env("HOME", home.path()).env("XDG_DATA_HOME", home.path().join("data")).arg("--sandbox");
        command
    };
    let logins = ["admin", "editor", "author", "subscriber", "inventory-sync-bot"];
    let keys: Vec<(&str, String)> = logins
        .iter()
        .map(|login| {
            let output =
                sandbox().args(["create", login, "From the sandbox", "--porcelain"]).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            (*login, String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
        })
        .collect();

    let file = find_sqlite(home.path()).expect("the sandbox's database");
    let target = site.db.strip_prefix("sqlite:").unwrap();
    let database = rusqlite::Connection::open(target).unwrap();
    database.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    database.execute("ATTACH DATABASE ? AS sandbox", [file.to_str().unwrap()]).unwrap();
    for table in ["users", "usermeta", "options"] {
        let copied = copy_table(&database, &format!("wp_{table}"));
        assert!(copied > 0, "{table} of the sandbox is empty");
    }
    drop(database);
    // An earlier run of this test may have left the sandbox's; the address above wants links of this form.
    rig.wp_eval(site, "return update_option( 'permalink_structure', '/%postname%/' );");

    for (login, key) in &keys {
        let person = Person {
            id: logins.iter().position(|known| known == login).unwrap() as u64 + 1,
            login: (*login).into(),
        };
        assert_authenticates(site, &person, key);
    }
    // And the real install's own tool still lists them.
    let person = Person { id: 1, login: "admin".into() };
    assert_eq!(person.passwords(rig, site).len(), 1);
    assert_eq!(list(site, &person).len(), 1);
}

fn find_sqlite(folder: &std::path::Path) -> Option<std::path::PathBuf> {
    std::fs::read_dir(folder).ok()?.find_map(|entry| {
        let path = entry.ok()?.path();
        if path.is_dir() {
            return find_sqlite(&path);
        }
        let mut start = [0; 15];
        std::io::Read::read_exact(&mut std::fs::File::open(&path).ok()?, &mut start).ok()?;
        (&start == b"SQLite format 3").then_some(path)
    })
}

/// Puts the rows of the attached sandbox's table in place of the real one's; options replace and add, because the
/// install needs more of them than the sandbox has.
fn copy_table(database: &rusqlite::Connection, table: &str) -> usize {
    let columns = |schema: &str| -> Vec<String> {
        let mut statement = database.prepare(&format!("PRAGMA {schema}.table_info({table})")).unwrap();
        let names = statement.query_map([], |row| row.get::<_, String>(1)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let there = columns("main");
    let here: Vec<String> = columns("sandbox").into_iter().filter(|column| *column != "option_id").collect();
    for column in &here {
        assert!(there.contains(column), "{table}.{column} exists in the sandbox only");
    }
    let list = here.join(", ");
    if table == "wp_options" {
        // The address is the real one's, with the form of its links.
        database
            .execute(
                &format!(
                    "INSERT OR REPLACE INTO main.{table} ({list}) SELECT {list} FROM sandbox.{table}
                     WHERE option_name NOT IN ('siteurl', 'home', 'permalink_structure', 'db_version')"
                ),
                [],
            )
            .unwrap()
    } else {
        database.execute(&format!("DELETE FROM main.{table}"), []).unwrap();
        database
            .execute(&format!("INSERT INTO main.{table} ({list}) SELECT {list} FROM sandbox.{table}"), [])
            .unwrap()
    }
}

#[test]
fn url_picks_the_site_of_a_network() {
    let Some(rig) = rig::require() else { return };
    let site = rig.sites.iter().find(|site| site.multisite).expect("a network");
    let second: Value = rig.wp_eval(site, "return array_values( array_map( fn( $s ) => array( $s->blog_id, $s->domain . $s->path ), get_sites() ) );");
    let second =
        second.as_array().unwrap().iter().find(|row| row[0].as_str() != Some("1")).expect("a second site");
    let address = format!("http://{}", second[1].as_str().unwrap());
    let run = |arguments: &[&str]| site.tool().args(arguments).output().unwrap();
    let inside = format!("{address}wp-admin/users.php?x=/y/");
    for url in [address.as_str(), address.trim_end_matches('/'), inside.as_str()] {
        let output =
            run(&["list", "admin", "--format=count", &format!("--url={url}"), "--expect-url", &address]);
        assert!(output.status.success(), "{url}: {output:?}");
    }
    // Without --url the main site is meant, whose address is another.
    let main = run(&["list", "admin", "--format=count", "--expect-url", &address]);
    assert_eq!(main.status.code(), Some(1), "{main:?}");
    let nowhere = run(&["list", "admin", "--url=http://nowhere.example/"]);
    assert_eq!(
        String::from_utf8_lossy(&nowhere.stderr),
        "Error: Site 'nowhere.example/' not found. Verify `--url=<url>` matches an existing site.\n"
    );
}
