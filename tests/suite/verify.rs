//! `verify`: what the database says of a password, and what the site itself says, beside each other.
//!
//! Sites of the rig are asked as they are; a site with a quirk is a web server of the test's own over the same files,
//! with a database and a must-use plugin of its own. What only a broken server says, a server of a few lines says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::process::Terminal;
use crate::rig::{self, Rig, Site, Template};

const PLAIN: &str = "abcdEFGH1234ijklMNOP5678";
const GENERIC: &str = "$generic$F6W18u0QEytvRVb59DemVWRxyTxU6vg_VK0s_f-h";
const PHPASS: &str = "$P$BabcdefghRzZuR21tybk3/K3P.ZK6o/";
const BCRYPT: &str = "$2y$04$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K";
const SLOW: &str = "$2y$31$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K";
const MD5: &str = "a5d1f2615aea6d4d1db15b92046dc816";

/// What a run said.
struct Said {
    stdout: String,
    stderr: String,
    code: i32,
}

impl Said {
    /// The object that `--format=json` prints.
    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|_| panic!("{}\n{}", self.stdout, self.stderr))
    }

    /// The codes of the reasons.
    #[track_caller]
    fn reasons(&self) -> Vec<String> {
        let json = self.json();
        let reasons = json["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason["code"].as_str().unwrap().to_owned()).collect()
    }
}

/// Gives the program a password on standard input. Wherever it ends up, it is not in what the program says.
#[track_caller]
fn verify(mut command: Command, login: &str, password: &str, arguments: &[&str]) -> Said {
    command.args(["verify", login]).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes());
    said(&child.wait_with_output().unwrap(), password)
}

#[track_caller]
fn said(output: &Output, password: &str) -> Said {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let said = Said {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        code: output.status.code().unwrap(),
    };
    let letters: String = password.chars().filter(char::is_ascii_alphanumeric).collect();
    for secret in [password, &letters, &STANDARD.encode(&letters)[..16]] {
        if secret.len() >= 12 {
            assert!(!said.stdout.contains(secret) && !said.stderr.contains(secret), "it was said aloud");
        }
    }
    said
}

/// `--format=json`, with every message of `--debug` beside it.
#[track_caller]
fn json(command: Command, login: &str, password: &str, arguments: &[&str]) -> Said {
    verify(command, login, password, &[arguments, &["--format=json", "--debug"]].concat())
}

/// The same password, wrong.
fn wrong(password: &str) -> String {
    let last = if password.ends_with('a') { 'b' } else { 'a' };
    format!("{}{last}", &password[..password.len() - 1])
}

// Sites of the rig

/// A user of a test's own.
fn person(rig: &Rig, site: &Site) -> (u64, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let login = format!("verify-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let id = rig.wp_eval(
        site,
        &format!(
            "return wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => wp_generate_password(),
                'user_email' => '{login}@example.com', 'role' => 'author' ) );"
        ),
    );
    (id.as_u64().unwrap_or_else(|| panic!("{login}: {id}")), login)
}

#[track_caller]
fn create(mut command: Command, login: &str, name: &str) -> String {
    rig::output(command.args(["create", login, name, "--porcelain"])).trim_end().to_owned()
}

fn tool(site: &Site) -> Command {
    let mut command = site.tool();
    if let Some(ca) = &site.ca {
        command.env("SSL_CERT_FILE", ca);
    }
    command
}

macro_rules! on_sites {
    ($($test:ident on $site:literal;)*) => {
        $(#[test]
        fn $test() {
            let Some(rig) = rig::require() else { return };
            let site = rig.site($site);
            let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
            site_and_database_say_the_same(rig, site);
        })*
    };
}

on_sites! {
    wordpress_6_1_and_its_database_say_the_same on "wp61";
    wordpress_6_8_and_its_database_say_the_same on "wp68";
    wordpress_7_1_and_its_database_say_the_same on "wp71";
    wordpress_on_sqlite_and_its_database_say_the_same on "wp71-sqlite";
    wordpress_behind_tls_and_its_database_say_the_same on "wp71-tls";
    a_network_and_its_database_say_the_same on "wp71-network";
}

fn site_and_database_say_the_same(rig: &Rig, site: &Site) {
    let (id, login) = person(rig, site);
    create(tool(site), &login, "Another");
    let password = create(tool(site), &login, "Stock – ☕ feed");
    let uuid = rig::output(site.tool().args(["list", &login, "--name=Stock – ☕ feed", "--format=ids"]));

    let by_database = verify(site.tool(), &login, &password, &[]);
    assert_eq!(by_database.code, 0, "{}", by_database.stderr);
    let scheme = if site.version.starts_with("6.1") { "phpass" } else { "generic" };
    assert_eq!(
        by_database.stdout,
        format!(
            "Success: The password is that of 'Stock – ☕ feed' ({uuid}), an application password of user {id} \
             ({login}), stored as {scheme}.\n"
        )
    );
    assert_eq!(by_database.stderr, "");
    let last_used = || rig::output(site.tool().args(["get", &login, &uuid, "--field=last_used"]));
    assert_eq!(last_used(), "\n", "looking into the database is no use");

    let live = verify(tool(site), &login, &password, &["--live", "--xmlrpc"]);
    assert_eq!(live.code, 0, "{}{}", live.stdout, live.stderr);
    assert!(live.stdout.starts_with(&by_database.stdout));
    assert!(
        live.stdout.contains(&format!("The REST API accepts it: {}/wp-json/\n", site.url)),
        "{}",
        live.stdout
    );
    assert!(live.stdout.contains("Roles: author\n"), "{}", live.stdout);
    assert!(live.stdout.contains("edit_posts"), "{}", live.stdout);
    assert!(live.stdout.ends_with("XML-RPC accepts it.\n"), "{}", live.stdout);
    assert!(live.stderr.contains("last_used"), "{}", live.stderr);
    assert_ne!(last_used(), "\n", "asking the site is one");

    // Another address of the same site, in groups of four, by e-mail address.
    let typed: Vec<&str> =
        password.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect();
    let address = format!("--live={}/", site.url);
    let all = json(tool(site), &format!("{login}@example.com"), &typed.join(" "), &[&address]);
    assert_eq!(all.code, 0, "{}", all.stderr);
    let object = all.json();
    assert_eq!(object["answer"], "yes");
    assert_eq!(object["matches"], true);
    assert_eq!(object["user_id"], id);
    assert_eq!(object["user_login"], *login);
    assert_eq!(object["uuid"], *uuid);
    assert_eq!(object["name"], "Stock – ☕ feed");
    assert_eq!(object["scheme"], scheme);
    assert_eq!(object["reasons"], Value::Array(Vec::new()));
    assert_eq!(object["live"]["answer"], "accepted");
    assert_eq!(object["live"]["rest_root"], format!("{}/wp-json/", site.url));
    assert_eq!(object["live"]["user_id"], id);
    assert_eq!(object["live"]["uuid"], *uuid, "the site found the same one");
    assert_eq!(object["live"]["roles"][0], "author");
    assert!(object["live"]["capabilities"].as_array().unwrap().contains(&"upload_files".into()));
    assert_eq!(object["live"]["xmlrpc"], Value::Null);

    let no = json(tool(site), &login, &wrong(&password), &["--live", "--xmlrpc"]);
    assert_eq!(no.code, 4, "{}", no.stderr);
    assert_eq!(no.reasons(), ["no_match", "incorrect_password", "xmlrpc_refused"]);
    let object = no.json();
    assert_eq!((&object["answer"], &object["matches"]), (&"no".into(), &false.into()));
    assert_eq!((&object["uuid"], &object["live"]["answer"]), (&Value::Null, &"refused".into()));
    assert_eq!(object["live"]["xmlrpc"]["answer"], "refused");
    let no = verify(tool(site), &login, &wrong(&password), &[]);
    assert_eq!((no.code, no.stdout.as_str()), (4, ""));
    assert_eq!(
        no.stderr,
        format!(
            "Error: This password does not work. It is none of the 2 application passwords of user {id} ({login}).\n"
        )
    );

    let porcelain = verify(tool(site), &login, &password, &["--porcelain", "--live"]);
    assert_eq!((porcelain.code, porcelain.stdout), (0, format!("{uuid}\n")));
    assert_eq!(porcelain.stderr, "");
}

#[test]
fn a_second_site_of_a_network_is_asked_at_its_own_address() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-network");
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (_, login) = person(rig, site);
    let password = create(site.tool(), &login, "App");
    let second = format!("{}/second", site.url);
    let said = json(site.tool(), &login, &password, &["--live", &format!("--url={second}")]);
    assert_eq!(said.code, 0, "{} {}", said.stdout, said.stderr);
    let object = said.json();
    assert_eq!(object["live"]["rest_root"], format!("{second}/wp-json/"));
    assert_eq!(object["live"]["roles"], Value::Array(Vec::new()), "an author of the main site only");
}

#[test]
fn an_unknown_authority_is_told_and_nothing_is_sent() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-tls");
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (_, login) = person(rig, site);
    let password = create(site.tool(), &login, "App");
    // Without SSL_CERT_FILE the tests' own authority is nobody's.
    let said = json(site.tool(), &login, &password, &["--live"]);
    assert_eq!((said.code, said.reasons()), (1, vec!["tls".to_owned()]));
    assert_eq!(said.json()["matches"], true);
    let list: String = rig::output(site.tool().args(["list", &login, "--field=last_used"]));
    assert_eq!(list, "\n", "the site was not asked");
    // Without TLS WordPress has no application passwords outside of environment `local`.
    let plain = site.plain_url.as_ref().unwrap();
    let said = json(tool(site), &login, &password, &["--live", plain]);
    assert_eq!((said.code, said.reasons()), (4, vec!["application_passwords_disabled".to_owned()]));
    // From HTTP on this machine to HTTPS there is a way up.
    let target = site.url.clone();
    let server = Server::start(move |request, client| {
        let path = request.split(' ').nth(1).unwrap();
        respond(client, "301 Moved Permanently", &format!("Location: {target}{path}\r\n"), "");
    });
    let said = json(tool(site), &login, &password, &["--live", &server.url]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert_eq!(said.json()["live"]["rest_root"], format!("{}/wp-json/", site.url));
    assert!(!server.was_told(&password));
}

/// WordPress's own answer to what lies in a user's row.
fn wordpress_lets_in(site: &Site, login: &str) -> bool {
    site.get("/wp-json/wp/v2/users/me", login, PLAIN).status == 200
}

#[test]
fn every_kind_of_hash_and_of_damage_is_judged_as_wordpress_does() {
    let Some(rig) = rig::require() else { return };
    let hash = |hash: &str| format!("array( 'uuid' => 'u', 'name' => 'n', 'password' => '{hash}' )");
    let cases: Vec<(String, &str, &str)> = vec![
        (hash(GENERIC), "generic", "hash_not_accepted"),
        (hash(PHPASS), "phpass", ""),
        (hash(&PHPASS.replace("$P$", "$H$")), "phpass-phpbb", ""),
        (hash(BCRYPT), "bcrypt", ""),
        (hash(&BCRYPT.replace("$2y$", "$2b$")), "bcrypt", ""),
        (hash("$wp$2y$10$abcdefghijklmnopqrstuuqx.aYvd84yd9DbxUyTjtzy.V/HcJkSK"), "wp-bcrypt", ""),
        (hash(MD5), "md5", ""),
        (
            format!("array( 'uuid' => 'u', 'password' => crypt( '{PLAIN}', '$5$rounds=1000$abcdefgh$' ) )"),
            "sha256-crypt",
            "",
        ),
        (
            format!("array( 'uuid' => 'u', 'password' => crypt( '{PLAIN}', '$6$rounds=1000$abcdefgh$' ) )"),
            "sha512-crypt",
            "",
        ),
        (
            format!("array( 'uuid' => 'u', 'password' => crypt( '{PLAIN}', '$1$abcdefgh$' ) )"),
            "md5-crypt",
            "",
        ),
        (
            format!(
                "array( 'uuid' => 'u', 'password' => password_hash( '{PLAIN}', PASSWORD_ARGON2ID, array( 'memory_cost' => 64, 'time_cost' => 1 ) ) )"
            ),
            "argon2id",
            "",
        ),
        (hash("*"), "", "no_match"),
        (hash(&GENERIC.replace('F', "G")), "", "no_match"),
        // Lists that WordPress stumbles over, or not.
        (format!("'x', {}", hash(PHPASS)), "phpass", "list_breaks_wordpress"),
        (format!("{}, 5", hash(PHPASS)), "phpass", "list_breaks_wordpress"),
        (format!("{}, null, array()", hash(PHPASS)), "phpass", ""),
        (format!("null, {}", hash(PHPASS)), "phpass", "list_breaks_wordpress"),
        (
            format!("array( 'uuid' => 'v', 'password' => array() ), {}", hash(PHPASS)),
            "phpass",
            "list_breaks_wordpress",
        ),
        (format!("array( 'uuid' => 'v', 'password' => 7 ), {}", hash(PHPASS)), "phpass", ""),
        (format!("(object) array(), {}", hash(PHPASS)), "phpass", "list_breaks_wordpress"),
        (format!("{}, {}", hash(BCRYPT), hash(PHPASS)), "bcrypt", ""),
    ];
    for name in ["wp61", "wp71"] {
        let site = rig.site(name);
        let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (id, login) = person(rig, site);
        create(site.tool(), &login, "Switches the feature on");
        let lists: Vec<String> =
            cases.iter().map(|(items, ..)| format!("serialize( array( {items} ) )")).collect();
        let lists = rig.wp_eval(site, &format!("return array( {} );", lists.join(", ")));
        for ((items, scheme, reason), list) in cases.iter().zip(lists.as_array().unwrap()) {
            let list = list.as_str().unwrap();
            let hex: String = list.bytes().map(|byte| format!("{byte:02x}")).collect();
            rig.sql(
                &rig.mariadb,
                name,
                &format!(
                    "UPDATE wp_usermeta SET meta_value = X'{hex}' WHERE user_id = {id} AND meta_key = '_application_passwords'"
                ),
            );
            let said = json(site.tool(), &login, PLAIN, &[]);
            let lets_in = wordpress_lets_in(site, &login);
            assert_eq!(
                said.code,
                if lets_in { 0 } else { 4 },
                "{name} {items}: {} {}",
                said.stdout,
                said.stderr
            );
            assert_eq!(said.json()["scheme"].as_str().unwrap_or_default(), *scheme, "{name} {items}");
            if !reason.is_empty() && !lets_in {
                assert_eq!(said.reasons(), [*reason], "{name} {items}");
            }
        }
    }
}

// A site with a quirk

/// WordPress 7.1 on a database of its own, with a plugin.
pub struct Quirk {
    pub folder: tempfile::TempDir,
    server: Child,
    pub url: String,
}

impl Drop for Quirk {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// Most plugins look at the user before WordPress collects what was wrong with a password.
const EARLY: &str = "add_filter( 'rest_authentication_errors', function ( $result ) { is_user_logged_in(); return $result; }, 1 );";

impl Quirk {
    pub fn start(rig: &Rig, plugin: &str) -> Self {
        Self::start_behind(rig, ("wp71-sqlite", Template::Sqlite), None, "", plugin)
    }

    /// The same with another site's files, behind `front` (its address; it is told the port), with more PHP that runs first.
    pub fn start_behind(
        rig: &Rig,
        (files, template): (&str, Template),
        front: Option<(&str, &AtomicU32)>,
        php: &str,
        plugin: &str,
    ) -> Self {
        let site = rig.site(files);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().display();
        std::fs::create_dir(folder.path().join("mu-plugins")).unwrap();
        rig.fresh_sqlite_database(template, &folder.path().join("site.sqlite"));
        let mut tries = 0;
        let (server, url) = loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let own = format!("http://127.0.0.1:{port}");
            let url = front.map_or(own, |(url, behind)| {
                behind.store(port.into(), Ordering::SeqCst);
                url.to_owned()
            });
            let router = folder.path().join("router.php");
            std::fs::write(
                &router,
                format!(
                    "<?php {php} define( 'DB_DIR', '{root}/' ); define( 'DB_FILE', 'site.sqlite' );
                     define( 'WPMU_PLUGIN_DIR', '{root}/mu-plugins' ); define( 'WP_HOME', '{url}' );
                     define( 'WP_SITEURL', '{url}' ); {}",
                    rig::ROUTER
                ),
            )
            .unwrap();
            let mut server = rig.web_server(site, port, &router).spawn().unwrap();
            let began = Instant::now();
            let listens = loop {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    break true;
                }
                if server.try_wait().unwrap().is_some() || began.elapsed().as_secs() > 20 {
                    break false;
                }
                std::thread::sleep(Duration::from_millis(20));
            };
            if listens {
                break (server, url);
            }
            // Somebody else took the port meanwhile.
            let _ = server.kill();
            let _ = server.wait();
            tries += 1;
            assert!(tries < 3, "the web server does not start");
        };
        let quirk = Self { folder, server, url };
        quirk.becomes(plugin);
        quirk.sql(&format!(
            "UPDATE wp_options SET option_value = '{}' WHERE option_name IN ('home', 'siteurl')",
            quirk.url
        ));
        quirk
    }

    /// Another plugin instead of the one before. In a file of its own, because PHP remembers what it has read.
    pub fn becomes(&self, plugin: &str) {
        let plugins = self.folder.path().join("mu-plugins");
        let before: Vec<_> =
            std::fs::read_dir(&plugins).unwrap().map(|entry| entry.unwrap().path()).collect();
        for file in &before {
            std::fs::remove_file(file).unwrap();
        }
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("quirk-{}.php", COUNT.fetch_add(1, Ordering::Relaxed));
        std::fs::write(plugins.join(name), format!("<?php\n{plugin}\n")).unwrap();
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("site.sqlite")
    }

    pub fn sql(&self, sql: &str) {
        let database = rusqlite::Connection::open(self.database()).unwrap();
        database.busy_timeout(Duration::from_secs(20)).unwrap();
        database.execute_batch(sql).unwrap();
    }

    pub fn tool(&self) -> Command {
        tool_on(&self.database())
    }

    fn create(&self) -> String {
        create(self.tool(), "author1", "App")
    }
}

fn tool_on(database: &Path) -> Command {
    let mut command = rig::binary();
    command.env("WP_APP_PASSWORD_DB", format!("sqlite:{}", database.display()));
    command
}

/// What the site says is told with this code, in JSON and, with these words, to people.
#[track_caller]
fn assert_told(
    command: impl Fn() -> Command,
    password: &str,
    live: &str,
    code: &str,
    exit: i32,
    words: &str,
) {
    let said = json(command(), "author1", password, &[live]);
    assert_eq!(said.reasons(), [code], "{}\n{}", said.stdout, said.stderr);
    assert_eq!(said.code, exit, "{}", said.stdout);
    let object = said.json();
    assert_eq!(object["live"]["code"], code, "{object}");
    assert_eq!(object["live"]["answer"], if exit == 4 { "refused" } else { "unknown" });
    assert_eq!(object["answer"], if exit == 4 { "no" } else { "unknown" });
    let said = verify(command(), "author1", password, &[live]);
    assert_eq!((said.code, said.stdout.as_str()), (exit, ""));
    assert!(said.stderr.starts_with("Error: ") && said.stderr.contains(words), "{}", said.stderr);
}

#[test]
fn a_site_that_says_so_is_believed_about_a_wrong_password() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, EARLY);
    let password = site.create();
    assert_eq!(json(site.tool(), "author1", &password, &["--live", "--xmlrpc"]).code, 0);
    let said = json(site.tool(), "author1", &wrong(&password), &["--live"]);
    assert_eq!((said.code, said.reasons()), (4, vec!["no_match".into(), "incorrect_password".into()]));
    let message = said.json()["live"]["message"].to_string();
    assert!(message.contains("says that the password is wrong"), "{message}");
}

#[test]
fn a_user_that_the_site_does_not_know_is_told_from_a_wrong_password() {
    let Some(rig) = rig::require() else { return };
    for (plugin, code, exit, words) in [
        (EARLY, "invalid_username", 4, "does not know this user"),
        ("", "rest_user_invalid_id", 1, "that site has another database"),
    ] {
        let site = Quirk::start(rig, plugin);
        let password = site.create();
        let copy = site.folder.path().join("copy.sqlite");
        rusqlite::Connection::open(site.database())
            .unwrap()
            .execute("VACUUM INTO ?", [copy.to_str().unwrap()])
            .unwrap();
        site.sql("DELETE FROM wp_users WHERE user_login = 'author1'");
        assert_told(|| tool_on(&copy), &password, "--live", code, exit, words);
    }
}

#[test]
fn a_feature_that_is_switched_off_is_told_for_all_and_for_one() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, "");
    let (password, other) = (site.create(), create(site.tool(), "editor1", "App"));
    for early in ["", EARLY] {
        site.becomes(&format!(
            "add_filter( 'wp_is_application_passwords_available', '__return_false' ); {early}"
        ));
        assert_told(|| site.tool(), &password, "--live", "application_passwords_disabled", 4, "HTTPS");
        site.becomes(&format!(
            "add_filter( 'wp_is_application_passwords_available_for_user', fn( $a, $user ) => 3 !== $user->ID, 10, 2 ); {early}"
        ));
        let code = "application_passwords_disabled_for_user";
        assert_told(|| site.tool(), &password, "--live", code, 4, "for this user");
        // Another user of that site.
        assert_eq!(json(site.tool(), "editor1", &other, &["--live"]).code, 0);
    }
}

#[test]
fn a_flag_that_is_off_is_told_with_and_without_the_site() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, "");
    let password = site.create();
    site.sql("DELETE FROM wp_options WHERE option_name = 'using_application_passwords'");
    assert_told(|| site.tool(), &password, "--live", "not_in_use", 4, "using_application_passwords");
    let said = json(site.tool(), "author1", &password, &[]);
    assert_eq!((said.code, said.reasons()), (4, vec!["not_in_use".to_owned()]));
    assert_eq!(said.json()["matches"], true);
}

#[test]
fn what_a_plugin_says_is_shown_harmlessly() {
    let Some(rig) = rig::require() else { return };
    let refuse = |code: &str, status: u16| {
        format!(
            "add_filter( 'rest_authentication_errors', function ( $result ) {{
                return new WP_Error( '{code}', \"<strong>Blocked</strong> by \\x1b[31mrule\\n7\", array( 'status' => {status} ) );
            }} );"
        )
    };
    let site = Quirk::start(rig, &refuse("wall_blocked", 403));
    let password = site.create();
    assert_told(
        || site.tool(),
        &password,
        "--live",
        "wall_blocked",
        4,
        "Blocked by \\x1b[31mrule 7 (HTTP 403)",
    );
    let said = json(site.tool(), "author1", &password, &["--live"]);
    assert_eq!(said.json()["live"]["status"], 403);
    for code in ["rest_disabled", "rest_login_required", "rest_cannot_access"] {
        site.becomes(&refuse(code, 401));
        assert_told(|| site.tool(), &password, "--live", code, 1, "switched off or closed to visitors");
    }
    // The usual plugin closes it to visitors only, so its code is also what a wrong password gets.
    site.becomes(
        "add_filter( 'rest_authentication_errors', fn( $result ) => is_user_logged_in() ? $result
            : new WP_Error( 'rest_cannot_access', 'Only for users.', array( 'status' => 401 ) ) );",
    );
    assert_eq!(json(site.tool(), "author1", &password, &["--live"]).code, 0);
    let said = json(site.tool(), "author1", &wrong(&password), &["--live"]);
    assert_eq!((said.code, said.reasons()), (4, vec!["no_match".into(), "rest_cannot_access".into()]));
    site.becomes("add_filter( 'rest_endpoints', fn() => array() );");
    assert_told(
        || site.tool(),
        &password,
        "--live",
        "rest_no_route",
        1,
        "switched off or closed to visitors",
    );
}

#[test]
fn a_second_factor_is_told_where_a_plugin_wants_one() {
    let Some(rig) = rig::require() else { return };
    // What Two Factor did before its version 0.14, for XML-RPC only; and what others do to both.
    let site = Quirk::start(
        rig,
        "add_filter( 'authenticate', fn( $user ) => defined( 'XMLRPC_REQUEST' ) && $user instanceof WP_User
            ? new WP_Error( 'invalid_application_credentials', 'Error: API login for user disabled.' ) : $user, 50 );",
    );
    let password = site.create();
    let said = json(site.tool(), "author1", &password, &["--live", "--xmlrpc"]);
    assert_eq!((said.code, said.reasons()), (4, vec!["xmlrpc_refused".to_owned()]), "who knows why");
    assert_eq!(said.json()["live"]["answer"], "accepted");
    site.sql(
        "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (3, '_two_factor_enabled_providers', \
         'a:1:{i:0;s:15:\"Two_Factor_Totp\";}');
         UPDATE wp_options SET option_value = 'a:1:{i:0;s:25:\"two-factor/two-factor.php\";}' WHERE option_name = 'active_plugins'",
    );
    let said = json(site.tool(), "author1", &password, &["--live", "--xmlrpc"]);
    assert_eq!((said.code, said.reasons()), (4, vec!["two_factor".to_owned()]));
    assert_eq!(said.json()["live"]["xmlrpc"]["code"], "two_factor");
    assert_eq!(json(site.tool(), "author1", &password, &["--live"]).code, 0, "REST lets the user in");

    site.becomes(&format!(
        "add_action( 'wp_authenticate_application_password_errors', fn( $error ) =>
            $error->add( 'invalid_application_credentials', 'Error: API login for user disabled.' ) ); {EARLY}"
    ));
    assert_told(|| site.tool(), &password, "--live", "two_factor", 4, "API login for user disabled.");
}

#[test]
fn an_expiry_that_a_plugin_sees_to_is_no_header_that_went_missing() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(
        rig,
        "add_action( 'wp_authenticate_application_password_errors', function ( $error, $user, $item ) {
            if ( isset( $item['expires'] ) && $item['expires'] <= time() ) { $error->add( 'expired', 'Too late.' ); } }, 10, 3 );",
    );
    let password = site.create();
    assert_eq!(json(site.tool(), "author1", &password, &["--live"]).code, 0);
    site.sql(
        "UPDATE wp_usermeta SET meta_value = replace(meta_value, 'a:1:{i:0;a:7:{', 'a:1:{i:0;a:8:{s:7:\"expires\";i:1000000000;') \
         WHERE meta_key = '_application_passwords'",
    );
    assert_told(|| site.tool(), &password, "--live", "expired", 4, "has expired");
}

#[test]
fn xml_rpc_that_is_switched_off_is_told() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, "");
    let password = site.create();
    for (plugin, words) in [
        ("add_filter( 'xmlrpc_enabled', '__return_false' );", "fault 405"),
        ("add_filter( 'xmlrpc_methods', fn() => array() );", "fault -32601"),
        ("if ( defined( 'XMLRPC_REQUEST' ) ) { http_response_code( 403 ); exit( 'no' ); }", "HTTP 403"),
        ("if ( defined( 'XMLRPC_REQUEST' ) ) { http_response_code( 404 ); exit( 'no' ); }", "HTTP 404"),
        ("if ( defined( 'XMLRPC_REQUEST' ) ) { http_response_code( 405 ); exit( 'no' ); }", "HTTP 405"),
    ] {
        site.becomes(plugin);
        let said = json(site.tool(), "author1", &password, &["--live", "--xmlrpc"]);
        assert_eq!((said.code, said.reasons()), (1, vec!["xmlrpc_disabled".to_owned()]), "{plugin}");
        let live = &said.json()["live"];
        assert_eq!((&live["answer"], &live["xmlrpc"]["answer"]), (&"accepted".into(), &"unknown".into()));
        assert!(live["xmlrpc"]["message"].as_str().unwrap().contains(words), "{live}");
    }
    assert_eq!(json(site.tool(), "author1", &password, &["--live"]).code, 0);
}

#[test]
fn a_site_without_pretty_links_or_without_its_header_is_found() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, "");
    let password = site.create();
    site.sql("UPDATE wp_options SET option_value = '' WHERE option_name = 'permalink_structure'");
    let said = json(site.tool(), "author1", &password, &["--live"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert_eq!(said.json()["live"]["rest_root"], format!("{}/index.php?rest_route=/", site.url));
    assert_ne!(said.json()["live"]["uuid"], Value::Null);
    // Without rewrite rules only the parameter works; the test's web server would answer to both.
    site.becomes(
        "remove_action( 'template_redirect', 'rest_output_link_header', 11 );
        if ( '' === get_option( 'permalink_structure' ) && str_starts_with( $_SERVER['REQUEST_URI'], '/wp-json' ) ) {
            http_response_code( 404 ); exit( 'not found' ); }",
    );
    for (structure, root) in [("", "?rest_route=/"), ("/%postname%/", "wp-json/")] {
        site.sql(&format!(
            "UPDATE wp_options SET option_value = '{structure}' WHERE option_name = 'permalink_structure'"
        ));
        let said = json(site.tool(), "author1", &password, &["--live"]);
        assert_eq!(said.code, 0, "{}", said.stdout);
        assert_eq!(said.json()["live"]["rest_root"], format!("{}/{root}", site.url));
    }
}

#[test]
fn a_site_that_contradicts_its_database_is_neither_yes_nor_no() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, "");
    let before = site.folder.path().join("before.sqlite");
    let copy = |to: &Path| {
        let database = rusqlite::Connection::open(site.database()).unwrap();
        database.execute("VACUUM INTO ?", [to.to_str().unwrap()]).unwrap();
    };
    create(site.tool(), "author1", "Of both");
    copy(&before);
    let password = site.create();
    // As with a stale object cache: revoked here, alive there.
    let said = json(tool_on(&before), "author1", &password, &["--live"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert_eq!(said.reasons(), ["no_match", "site_disagrees"]);
    assert_eq!(said.json()["live"]["answer"], "accepted");
    // The same password, but another entry and another user.
    let after = site.folder.path().join("after.sqlite");
    copy(&after);
    let uuid = "99999999-9999-4999-8999-999999999999";
    let list =
        format!("a:1:{{i:0;a:2:{{s:4:\"uuid\";s:36:\"{uuid}\";s:8:\"password\";s:49:\"{GENERIC}\";}}}}");
    let change = |sql: &str| rusqlite::Connection::open(&after).unwrap().execute_batch(sql).unwrap();
    change(&format!(
        "UPDATE wp_usermeta SET meta_value = '{list}' WHERE meta_key = '_application_passwords'"
    ));
    let there = list.replace(uuid, "88888888-8888-4888-8888-888888888888");
    site.sql(&format!(
        "UPDATE wp_usermeta SET meta_value = '{there}' WHERE meta_key = '_application_passwords'"
    ));
    let said = json(tool_on(&after), "author1", PLAIN, &["--live"]);
    assert_eq!((said.code, said.reasons()), (1, vec!["site_disagrees".to_owned()]), "{}", said.stdout);
    change("UPDATE wp_users SET user_login = 'swapped' WHERE ID = 3; UPDATE wp_users SET user_login = 'author1' WHERE ID = 4;
            UPDATE wp_usermeta SET user_id = 4 WHERE meta_key = '_application_passwords'");
    let said = json(tool_on(&after), "author1", PLAIN, &["--live"]);
    assert_eq!((said.code, said.reasons()), (1, vec!["site_disagrees".to_owned()]), "{}", said.stdout);
    assert!(said.stdout.contains("password of user 3"), "{}", said.stdout);
}

// A server of a few lines

/// Answers each request, its head and body as text, with bytes; keeps what it was asked.
pub struct Server {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
    stopped: Arc<std::sync::atomic::AtomicBool>,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread that waits for a connection.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Server {
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stopped = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let (log, ended, answer) = (asked.clone(), stopped.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for mut client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let (log, answer) = (log.clone(), answer.clone());
                client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                std::thread::spawn(move || {
                    let Some(request) = read_request(&mut client) else { return };
                    log.lock().unwrap().push(request.clone());
                    answer(&request, &mut client);
                });
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), asked, stopped, port }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Whether anybody gave it credentials, in any form.
    fn was_told(&self, password: &str) -> bool {
        self.asked().iter().any(|request| {
            request.to_ascii_lowercase().contains("authorization:") || request.contains(password)
        })
    }
}

pub fn read_request(client: &mut impl Read) -> Option<String> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(text);
            }
        }
        let count = client.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
}

/// An answer with a body.
pub fn respond(client: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let answer = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = client.write_all(answer.as_bytes());
}

/// The root of an API that is about to be asked something else.
fn is_discovery(request: &str) -> bool {
    !request.contains("/wp/v2/")
}

const INDEX: &str = "{\"namespaces\":[\"wp/v2\"]}";

/// A database with the password in it, for sites that are none.
fn any_database() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.sqlite");
    wp_app_password::store::sandbox::create(&file).unwrap();
    let password = create(tool_on(&file), "author", "App");
    rusqlite::Connection::open(&file)
        .unwrap()
        .execute_batch("UPDATE wp_users SET user_login = 'author1' WHERE user_login = 'author'")
        .unwrap();
    (folder, file, password)
}

#[test]
fn a_header_that_the_server_keeps_is_told() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, "");
    let password = site.create();
    for early in ["", EARLY] {
        site.becomes(early);
        let target = site.url.trim_start_matches("http://").to_owned();
        // A web server that hands everything to PHP but this.
        let server = Server::start(move |request, client| {
            let (head, body) = request.split_once("\r\n\r\n").unwrap();
            let kept: Vec<&str> = head
                .split("\r\n")
                .filter(|line| !line.to_ascii_lowercase().starts_with("authorization:"))
                .collect();
            let mut php = TcpStream::connect(&target).unwrap();
            php.write_all(format!("{}\r\nConnection: close\r\n\r\n{body}", kept.join("\r\n")).as_bytes())
                .unwrap();
            let mut answer = Vec::new();
            let _ = php.read_to_end(&mut answer);
            let _ = client.write_all(&answer);
        });
        // WordPress's own link leads past the server in front: it is another address.
        let live = format!("--live={}", server.url);
        let code = "authorization_header_stripped";
        assert_told(|| site.tool(), &password, &live, code, 1, "Authorization header");
        assert_told(|| site.tool(), &password, &live, code, 1, "another database");
        // XML-RPC needs no header.
        let said = json(site.tool(), "author1", &password, &[&live, "--xmlrpc"]);
        assert_eq!(said.json()["live"]["xmlrpc"]["answer"], "accepted");
        let said = json(site.tool(), "author1", &wrong(&password), &[&live]);
        assert_eq!((said.code, said.reasons()), (4, vec!["no_match".into(), "incorrect_password".into()]));
        assert_eq!(
            json(site.tool(), "author1", &password, &["--live"]).code,
            0,
            "past that server all is well"
        );
    }
}

#[test]
fn a_server_that_wants_a_password_of_its_own_gets_none() {
    let (_folder, database, password) = any_database();
    let server = Server::start(|_, client| {
        respond(client, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"Staging\"\r\n", "<h1>401</h1>");
    });
    let live = format!("--live={}", server.url);
    let code = "http_authentication_required";
    assert_told(|| tool_on(&database), &password, &live, code, 1, "Basic realm=\"Staging\"");
    assert!(!server.was_told(&password), "{:?}", server.asked());
    // The same, where only the API is behind it.
    let server = Server::start(|request, client| {
        if is_discovery(request) {
            respond(client, "200 OK", "", INDEX);
        } else {
            respond(client, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"Staging\"\r\n", "");
        }
    });
    assert_told(|| tool_on(&database), &password, &format!("--live={}", server.url), code, 1, "Staging");
}

#[test]
fn servers_that_are_no_wordpress_are_told_apart() {
    let (_folder, database, password) = any_database();
    for (status, code, words) in [
        ("404 Not Found", "rest_not_found", "no REST API"),
        ("200 OK", "rest_not_found", "no REST API"),
        ("403 Forbidden", "blocked", "firewall"),
        ("429 Too Many Requests", "too_many_requests", "Wait"),
        ("500 Internal Server Error", "server_error", "HTTP 500"),
        ("503 Service Unavailable", "server_error", "HTTP 503"),
    ] {
        let server = Server::start(move |_, client| respond(client, status, "", "<h1>Hello</h1>"));
        let live = format!("--live={}", server.url);
        assert_told(|| tool_on(&database), &password, &live, code, 1, words);
        assert!(!server.was_told(&password), "{status}: {:?}", server.asked());
        // With an API in front of it.
        let server = Server::start(move |request, client| {
            if is_discovery(request) {
                respond(client, "200 OK", "", INDEX);
            } else {
                respond(client, status, "", "<h1>Hello</h1>");
            }
        });
        assert_told(|| tool_on(&database), &password, &format!("--live={}", server.url), code, 1, words);
        assert!(server.was_told(&password));
    }
    // WordPress's words for a fatal error.
    let server = Server::start(move |request, client| {
        if is_discovery(request) {
            respond(client, "200 OK", "", INDEX);
        } else {
            let body =
                "{\"code\":\"internal_server_error\",\"message\":\"critical\",\"data\":{\"status\":500}}";
            respond(client, "500 Internal Server Error", "", body);
        }
    });
    assert_told(
        || tool_on(&database),
        &password,
        &format!("--live={}", server.url),
        "server_error",
        1,
        "error log",
    );
    // Nobody is there at all.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let live = format!("--live=http://127.0.0.1:{port}");
    assert_told(|| tool_on(&database), &password, &live, "unreachable", 1, "could not be reached");
}

#[test]
fn redirects_carry_credentials_nowhere_else() {
    let (_folder, database, password) = any_database();
    let elsewhere = Arc::new(Server::start(|request, client| {
        let body = if is_discovery(request) { INDEX } else { "{\"id\":3,\"roles\":[],\"capabilities\":{}}" };
        respond(client, "200 OK", "", body);
    }));
    let target = elsewhere.url.clone();
    let everything = Server::start({
        let target = target.clone();
        move |request, client| {
            let path = request.split(' ').nth(1).unwrap();
            respond(client, "302 Found", &format!("Location: {target}{path}\r\n"), "");
        }
    });
    let live = format!("--live={}", everything.url);
    assert_told(|| tool_on(&database), &password, &live, "other_host", 1, &target);
    let only_the_question = Server::start({
        let target = target.clone();
        move |request, client| {
            let path = request.split(' ').nth(1).unwrap();
            if is_discovery(request) {
                respond(client, "200 OK", "", INDEX);
            } else {
                respond(client, "307 Temporary Redirect", &format!("Location: {target}{path}\r\n"), "");
            }
        }
    });
    let live = format!("--live={}", only_the_question.url);
    assert_told(|| tool_on(&database), &password, &live, "other_host", 1, &target);
    let by_link = Server::start({
        let target = target.clone();
        move |_, client| {
            respond(
                client,
                "404 Not Found",
                &format!("Link: <{target}/wp-json/>; rel=\"https://api.w.org/\"\r\n"),
                "",
            );
        }
    });
    let live = format!("--live={}", by_link.url);
    assert_told(|| tool_on(&database), &password, &live, "other_host", 1, &target);
    let xmlrpc = Server::start({
        let target = target.clone();
        move |request, client| {
            if request.starts_with("POST ") {
                respond(client, "308 Permanent Redirect", &format!("Location: {target}/xmlrpc.php\r\n"), "");
            } else {
                respond(client, "404 Not Found", "", "");
            }
        }
    });
    let said =
        json(tool_on(&database), "author1", &password, &[&format!("--live={}", xmlrpc.url), "--xmlrpc"]);
    assert_eq!(said.json()["live"]["xmlrpc"]["code"], "other_host");
    for away in
        ["https://example.invalid", "http://example.invalid", "//example.invalid", "https://u@127.0.0.1"]
    {
        let server = Server::start(move |_, client| {
            respond(client, "301 Moved Permanently", &format!("Location: {away}/\r\n"), "");
        });
        let said = json(tool_on(&database), "author1", &password, &[&format!("--live={}", server.url)]);
        assert_eq!(said.code, 1);
        assert!(!server.was_told(&password));
    }
    assert_eq!(elsewhere.asked(), Vec::<String>::new(), "the other host was not even asked");
}

#[test]
fn redirects_on_the_same_host_are_followed_but_not_for_ever() {
    let (_folder, database, password) = any_database();
    let id =
        "{\"id\":3,\"roles\":[\"author\"],\"capabilities\":{\"read\":true,\"edit_posts\":1,\"no\":false}}";
    let server = Server::start(move |request, client| {
        let path = request.split(' ').nth(1).unwrap();
        if is_discovery(request) {
            respond(client, "200 OK", "", INDEX);
        } else if let Some(rest) = path.strip_prefix("/wp-json/") {
            respond(client, "301 Moved Permanently", &format!("Location: /de/wp-json/{rest}\r\n"), "");
        } else {
            respond(client, "200 OK", "", id);
        }
    });
    let said = json(tool_on(&database), "author1", &password, &[&format!("--live={}", server.url)]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let live = &said.json()["live"];
    assert_eq!(live["capabilities"], serde_json::json!(["edit_posts", "read"]));
    let credentials = format!("Basic {}", STANDARD.encode(format!("author1:{password}")));
    let asked = server.asked();
    assert!(asked.iter().any(|request| request.starts_with("GET /de/wp-json/wp/v2/users/me?context=edit ")
        && request.contains(&credentials)));
    assert!(asked.iter().all(|request| !is_discovery(request) || !request.contains("Basic")), "{asked:?}");

    let server = Server::start(move |request, client| {
        let path = request.split(' ').nth(1).unwrap();
        respond(client, "302 Found", &format!("Location: {path}\r\n"), "");
    });
    let live = format!("--live={}", server.url);
    assert_told(|| tool_on(&database), &password, &live, "too_many_redirects", 1, "again and again");
}

#[test]
fn an_address_that_the_configuration_fixes_beats_the_databases() {
    let (folder, database, password) = any_database();
    let root = folder.path().join("www");
    std::fs::create_dir_all(root.join("wp-content/database")).unwrap();
    std::fs::copy(&database, root.join("wp-content/database/.ht.sqlite")).unwrap();
    std::fs::write(root.join("wp-load.php"), "<?php\n").unwrap();
    let drop_in = "<?php define( 'SQLITE_DB_DROPIN_VERSION', '1.8.0' );";
    std::fs::write(root.join("wp-content/db.php"), drop_in).unwrap();
    let server = Server::start(|request, client| {
        let body = if is_discovery(request) { INDEX } else { "{\"id\":3}" };
        respond(client, "200 OK", "", body);
    });
    let verify_with = |settings: &str| {
        let config =
            format!("<?php\n{settings}\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n");
        std::fs::write(root.join("wp-config.php"), config).unwrap();
        let mut command = rig::binary();
        command.arg(format!("--path={}", root.display()));
        json(command, "author1", &password, &["--live"])
    };
    // Such as a copy for tests, whose database still names the original.
    let said = verify_with(&format!("define( 'WP_HOME', '{}' );", server.url));
    assert_eq!((said.code, &said.json()["live"]["url"]), (0, &server.url.as_str().into()), "{}", said.stdout);
    let asked = server.asked().len();
    let said = verify_with("define( 'WP_HOME', 'https://' . $_SERVER['HTTP_HOST'] );");
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("WP_HOME"), "{}", said.stderr);
    assert_eq!(server.asked().len(), asked);
}

#[test]
fn wordpress_in_a_folder_of_its_own_has_xml_rpc_there() {
    let (_folder, database, password) = any_database();
    let server = Server::start(|request, client| {
        let yes = "<?xml version=\"1.0\"?><methodResponse><params><param/></params></methodResponse>";
        let body = match request.split(' ').nth(1).unwrap() {
            "/wp/xmlrpc.php" => yes,
            _ if is_discovery(request) => INDEX,
            _ => "{\"id\":3}",
        };
        respond(client, "200 OK", "", body);
    });
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch(&format!(
            "UPDATE wp_options SET option_value = '{0}' WHERE option_name = 'home';
             UPDATE wp_options SET option_value = '{0}/wp' WHERE option_name = 'siteurl'",
            server.url
        ))
        .unwrap();
    let said = json(tool_on(&database), "author1", &password, &["--live", "--xmlrpc"]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    let asked = server.asked();
    let call = asked.iter().find(|request| request.starts_with("POST /wp/xmlrpc.php ")).unwrap();
    assert!(call.contains("wp.getUsersBlogs") && call.contains(&format!("<string>{password}</string>")));
    // What answers with the page of a site, or is told to be elsewhere, is no XML-RPC.
    let said =
        json(tool_on(&database), "author1", &password, &[&format!("--live={}", server.url), "--xmlrpc"]);
    assert_eq!((said.code, said.reasons()), (1, vec!["xmlrpc_not_found".to_owned()]), "{}", said.stdout);
}

#[test]
fn a_proxy_sees_what_is_encrypted_only() {
    let (_folder, database, password) = any_database();
    let proxy = Server::start(|_, client| respond(client, "502 Bad Gateway", "", ""));
    let through = || {
        let mut command = tool_on(&database);
        command.env("ALL_PROXY", &proxy.url).env("HTTP_PROXY", &proxy.url);
        command
    };
    let server = Server::start(|request, client| {
        let body = if is_discovery(request) { INDEX } else { "{\"id\":3}" };
        respond(client, "200 OK", "", body);
    });
    let said = json(through(), "author1", &password, &[&format!("--live={}", server.url)]);
    assert_eq!(said.code, 0, "{}", said.stdout);
    assert_eq!(proxy.asked(), Vec::<String>::new(), "this machine's own servers are not the proxy's");
    let said = json(through(), "author1", &password, &["--live=https://example.invalid"]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    assert!(proxy.asked()[0].starts_with("CONNECT example.invalid:443 "), "{:?}", proxy.asked());
    assert!(!proxy.was_told(&password));
}

#[test]
fn clear_text_is_for_this_machine() {
    let (_folder, database, password) = any_database();
    let began = Instant::now();
    for address in ["http://192.0.2.1", "http://example.invalid/blog", "http://127.0.0.1.example.invalid"] {
        let live = format!("--live={address}");
        assert_told(|| tool_on(&database), &password, &live, "plain_http", 1, "clear text");
    }
    assert!(began.elapsed() < Duration::from_secs(10), "nobody was asked");
    for (address, code) in
        [("ftp://example.invalid", "invalid_address"), ("https://u:p@example.invalid", "invalid_address")]
    {
        let live = format!("--live={address}");
        assert_told(|| tool_on(&database), &password, &live, code, 1, "not the address of a site");
    }
    // A database may say http, too.
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch("UPDATE wp_options SET option_value = 'http://example.invalid' WHERE option_name IN ('home', 'siteurl')")
        .unwrap();
    assert_told(
        || tool_on(&database),
        &password,
        "--live",
        "plain_http",
        1,
        "http://example.invalid is plain HTTP",
    );
}

#[test]
fn a_server_that_hangs_is_not_waited_for() {
    let (_folder, database, password) = any_database();
    let silent: fn(&str, &mut TcpStream) = |_, _| std::thread::sleep(Duration::from_secs(30));
    let dripping: fn(&str, &mut TcpStream) = |_, client| {
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while client.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    for behave in [silent, dripping] {
        let server = Server::start(behave);
        let began = Instant::now();
        let said = json(tool_on(&database), "author1", &password, &["--live", &server.url, "--timeout=1.5"]);
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
        assert_eq!((said.code, said.reasons()), (1, vec!["timeout".to_owned()]), "{}", said.stdout);
    }
    // Somebody at a terminal is told who is waited for.
    let server = Server::start(silent);
    let file = database.with_file_name("password");
    std::fs::write(&file, &password).unwrap();
    let mut command = tool_on(&database);
    command.args(["verify", "author1", "--live", &server.url, "--timeout=2", "--password-file"]).arg(&file);
    let terminal = Terminal::run(command, 200);
    let text = String::from_utf8_lossy(&terminal.received).into_owned();
    assert_eq!(terminal.exit_code, 1, "{text}");
    assert!(text.contains(&format!("Waiting for {} (2 seconds at most)", server.url)), "{text}");
    assert!(text.contains("did not answer in time"), "{text}");
}

#[test]
fn an_answer_without_end_is_not_read_to_its_end() {
    let (_folder, database, password) = any_database();
    let endless = Server::start(|request, client| {
        if is_discovery(request) {
            return respond(client, "200 OK", "", INDEX);
        }
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"id\":3,\"x\":\"");
        let mut written = 0_u64;
        while client.write_all(&[b'x'; 1 << 16]).is_ok() {
            written += 1 << 16;
            assert!(written < 1 << 28, "it reads on and on");
        }
    });
    let live = format!("--live={}", endless.url);
    assert_told(|| tool_on(&database), &password, &live, "answer_too_long", 1, "longer than anything");
    let long_head = Server::start(|_, client| {
        let _ = client.write_all(b"HTTP/1.1 200 OK\r\n");
        while client.write_all(format!("X: {}\r\n", "x".repeat(1000)).as_bytes()).is_ok() {}
    });
    let said = json(tool_on(&database), "author1", &password, &[&format!("--live={}", long_head.url)]);
    assert_eq!(said.code, 1, "{}", said.stdout);
    let garbage = Server::start(|_, client| {
        let _ = client.write_all(b"\x00\xff not HTTP\r\n\r\n");
    });
    let said = json(tool_on(&database), "author1", &password, &[&format!("--live={}", garbage.url)]);
    assert_eq!((said.code, said.reasons()), (1, vec!["invalid_answer".to_owned()]), "{}", said.stdout);
}

// The password's way in

#[test]
fn the_password_comes_from_stdin_a_file_a_descriptor_or_a_prompt() {
    let (folder, database, password) = any_database();
    let run = |input: &str, arguments: &[&str]| {
        let mut command = tool_on(&database);
        command.args(["verify", "author1", "--porcelain"]).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        said(&child.wait_with_output().unwrap(), &password)
    };
    let dashed: Vec<&str> = password.as_bytes().chunks(6).map(|part| str::from_utf8(part).unwrap()).collect();
    for input in [
        password.clone(),
        format!("{password}\n"),
        format!("  {password}\r\n\n"),
        dashed.join("-"),
        dashed.join("\u{a0}"),
        dashed.join(" _.é "),
    ] {
        assert_eq!(run(&input, &[]).code, 0, "{input:?}");
    }
    assert_eq!(run(&password.to_lowercase(), &[]).code, 4);
    for (input, words) in
        [("", "there is nothing"), (" \n", "there is nothing"), ("a\nb\n", "more than one line")]
    {
        let said = run(input, &[]);
        assert_eq!((said.code, said.stdout.as_str()), (1, ""));
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
    assert!(run(&"x".repeat(70_000), &[]).stderr.contains("more than 65536 bytes"));
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(run("", &["--password-file", path]).code, 0);
    assert_eq!(run("", &["--password-fd=0"]).code, 1);
    assert_eq!(run(&password, &["--password-fd=0"]).code, 0);
    assert_eq!(run(&password, &["--password-file", path, "--password-fd=0"]).code, 1);
    let missing = run(&password, &["--password-file", "/nowhere"]);
    assert!(missing.code == 1 && missing.stderr.contains("/nowhere"), "{}", missing.stderr);
    let shell = |redirection: &str| {
        let script = format!("exec \"$0\" verify author1 --password-fd=7 {redirection}");
        let mut command = Command::new("sh");
        command.args(["-c", &script, env!("CARGO_BIN_EXE_wp-app-password")]);
        command.env("WP_APP_PASSWORD_DB", format!("sqlite:{}", database.display())).stdin(Stdio::null());
        said(&command.output().unwrap(), &password)
    };
    assert_eq!(shell(&format!("7<{path}")).code, 0);
    let closed = shell("7<&-");
    assert!(closed.code == 1 && closed.stderr.contains("file descriptor 7"), "{}", closed.stderr);

    // Typed, and not seen. A terminal of its own has to be the process's, which setsid makes it.
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_wp-app-password"), "verify", "author1"]);
    command.env("WP_APP_PASSWORD_DB", format!("sqlite:{}", database.display()));
    let terminal = Terminal::run_with_late_input(
        command,
        200,
        "Application password: ",
        format!("{password}\n").as_bytes(),
    );
    let text = String::from_utf8_lossy(&terminal.received).into_owned();
    assert_eq!(terminal.exit_code, 0, "{text}");
    assert!(!text.contains(&password), "it was seen");
    assert!(text.contains("The password is that of 'App'"), "{text}");
}

#[test]
fn a_password_on_the_command_line_is_refused_and_not_repeated() {
    let (_folder, database, password) = any_database();
    for arguments in [
        vec!["verify", "author1", &password],
        vec!["verify", "author1", "--live", "https://example.invalid", &password],
        vec!["verify", "author1", &password[..12], &password[12..]],
    ] {
        let output = tool_on(&database).args(arguments).output().unwrap();
        let said = said(&output, &password);
        assert_eq!(said.code, 1);
        assert!(said.stderr.contains("never taken from the command line"), "{}", said.stderr);
        assert!(!said.stderr.contains(&password[..12]));
    }
    for argument in
        [format!("--password={password}"), format!("--live={password}"), format!("--password-fd={password}")]
    {
        let output = tool_on(&database).args(["verify", "author1", &argument]).output().unwrap();
        assert_eq!(said(&output, &password).code, 1);
    }
}

// What the database alone says

/// The sandbox's database with one list, for `author` (3).
fn with_list(entries: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.sqlite");
    wp_app_password::store::sandbox::create(&file).unwrap();
    create(tool_on(&file), "author", "Switches the feature on");
    let mut list = format!("a:{}:{{", entries.len());
    for (key, (hash, more)) in entries.iter().enumerate() {
        let count = 3 + more.matches("s:").count();
        list.push_str(&format!(
            "i:{key};a:{count}:{{s:4:\"uuid\";s:2:\"u{key}\";s:4:\"name\";s:2:\"n{key}\";s:8:\"password\";s:{}:\"{hash}\";{more}}}",
            hash.len()
        ));
    }
    list.push('}');
    let database = rusqlite::Connection::open(&file).unwrap();
    database
        .execute("UPDATE wp_usermeta SET meta_value = ? WHERE meta_key = '_application_passwords'", [list])
        .unwrap();
    (folder, file)
}

#[test]
fn a_hash_that_is_not_computed_leaves_the_answer_open_unless_another_matches() {
    let (_folder, database) = with_list(&[(SLOW, ""), (BCRYPT, "")]);
    let said = json(tool_on(&database), "author", PLAIN, &[]);
    assert_eq!((said.code, &said.json()["uuid"]), (0, &"u1".into()), "{}", said.stdout);
    let said = json(tool_on(&database), "author", &wrong(PLAIN), &[]);
    assert_eq!((said.code, said.reasons()), (1, vec!["hash_not_checked".to_owned()]));
    assert_eq!(said.json()["matches"], Value::Null);
    let said = verify(tool_on(&database), "author", &wrong(PLAIN), &[]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(
        said.stderr.starts_with(
            "Error: It could not be told whether this password works. It may be the password of 'n0' (u0): "
        ),
        "{}",
        said.stderr
    );
}

#[test]
fn an_entry_that_expires_is_noted_and_counts_all_the_same() {
    for (expires, code, day) in [
        ("1000000000", "expired", "2001-09-09 01:46:40 UTC"),
        ("4102444800", "expires", "2100-01-01 00:00:00 UTC"),
    ] {
        let (_folder, database) = with_list(&[(BCRYPT, &format!("s:7:\"expires\";i:{expires};"))]);
        let said = json(tool_on(&database), "author", PLAIN, &[]);
        assert_eq!((said.code, said.reasons()), (0, vec![]), "{}", said.stdout);
        let object = said.json();
        assert_eq!(object["expires"].to_string(), expires);
        assert_eq!(object["notes"][0]["code"], code);
        assert!(object["notes"][0]["message"].as_str().unwrap().contains(day), "{object}");
        let said = verify(tool_on(&database), "author", PLAIN, &[]);
        assert!(said.stderr.contains(day), "{}", said.stderr);
    }
}

#[test]
fn a_version_that_is_not_known_leaves_open_what_depends_on_it() {
    let other = PHPASS.replace("$P$", "$H$");
    let (_folder, database) = with_list(&[(&other, "")]);
    let said = json(tool_on(&database), "author", PLAIN, &[]);
    assert_eq!((said.code, said.reasons()), (1, vec!["version_unknown".to_owned()]), "{}", said.stdout);
    assert_eq!((&said.json()["matches"], &said.json()["scheme"]), (&true.into(), &"phpass-phpbb".into()));
    // Whoever has written one of these is new enough.
    let (_folder, database) = with_list(&[(GENERIC, "")]);
    assert_eq!(json(tool_on(&database), "author", PLAIN, &[]).code, 0);
}

#[test]
fn an_md5_that_an_old_wordpress_would_make_the_login_password_is_not_tried_out() {
    let (_folder, database) = with_list(&[(MD5, "")]);
    let said = json(tool_on(&database), "author", PLAIN, &[]);
    assert_eq!((said.code, &said.json()["notes"][0]["code"]), (0, &"md5".into()), "{}", said.stdout);
    let server = Server::start(|_, client| respond(client, "200 OK", "", INDEX));
    let said = json(tool_on(&database), "author", PLAIN, &["--live", &server.url]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.contains("login password"), "{}", said.stderr);
    assert!(server.asked().is_empty());
}

#[test]
fn damage_and_absence_are_no_and_an_unknown_user_is_an_error() {
    let (_folder, database) = with_list(&[(BCRYPT, "")]);
    let said = json(tool_on(&database), "editor", PLAIN, &[]);
    assert_eq!((said.code, said.reasons()), (4, vec!["no_match".to_owned()]));
    let said = json(tool_on(&database), "nobody", PLAIN, &[]);
    assert_eq!((said.code, said.stdout.as_str()), (1, ""));
    assert!(said.stderr.ends_with("Error: Invalid user ID, email or login: 'nobody'\n"), "{}", said.stderr);
    rusqlite::Connection::open(&database)
        .unwrap()
        .execute_batch(
            "UPDATE wp_usermeta SET meta_value = 'a:1:{broken' WHERE meta_key = '_application_passwords'",
        )
        .unwrap();
    let said = json(tool_on(&database), "author", PLAIN, &[]);
    assert_eq!((said.code, said.reasons()), (4, vec!["list_unreadable".to_owned()]));
    assert!(said.stderr.contains("Warning: "), "{}", said.stderr);
    std::fs::remove_file(&database).unwrap();
    assert_eq!(verify(tool_on(&database), "author", PLAIN, &[]).code, 1, "an outage is not no");
}
