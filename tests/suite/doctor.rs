//! `doctor`: nothing on a healthy site, and each fault that is planted by the check that is for it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::audit::{check, check_sarif};
use crate::rig::{self, Template, output};
use crate::verify::Quirk;

/// The checks that found something, and the exit code.
#[track_caller]
fn found(command: &mut Command) -> (BTreeSet<String>, i32) {
    let done = command.arg("--format=json").output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    let json: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{command:?}: {text}{}", String::from_utf8_lossy(&done.stderr)));
    let checks = json["checks"].as_array().unwrap();
    let ids: BTreeSet<&str> = checks.iter().map(|check| check["check"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 18, "every check is told of: {ids:?}");
    let wrong = |check: &&Value| matches!(check["state"].as_str(), Some("warning" | "problem"));
    let wrong: BTreeSet<String> =
        checks.iter().filter(wrong).map(|check| check["check"].as_str().unwrap().to_owned()).collect();
    let code = done.status.code().unwrap();
    assert_eq!(code, if wrong.is_empty() { 0 } else { 2 }, "{json}");
    (wrong, code)
}

#[test]
fn a_healthy_site_has_nothing() {
    let Some(rig) = rig::require() else { return };
    let sites = rig.sites.iter().chain(&rig.cached_sites).filter(|site| site.name != "wp71-spare");
    for site in sites {
        let _switched_on = site.in_use.read().unwrap();
        println!("{}: WordPress {}", site.name, site.version);
        let tool = || {
            let mut command = site.tool();
            if let Some(ca) = &site.ca {
                command.env("SSL_CERT_FILE", ca);
            }
            command
        };
        // The whole way too: a password is made, accepted, and gone again.
        let count = || output(tool().args(["list", "author1", "--field=name"]));
        let found = found(tool().args(["doctor", "author1", "--live", "--probe"])).0;
        // Entries of other tests that run at the same time may be what they like.
        let of_site: Vec<&String> = found
            .iter()
            .filter(|check| !matches!(check.as_str(), "hashes" | "entries" | "expiry" | "enforcer"))
            .collect();
        assert!(of_site.is_empty(), "{}: {found:?}", site.name);
        assert!(!count().contains("doctor"), "{}", site.name);
        let told = tool().args(["doctor", "author1", "--probe"]).output().unwrap().stdout;
        let told = String::from_utf8(told).unwrap();
        assert!(told.contains("no plugin is active") && told.contains("the header arrives"), "{told}");
    }
}

/// WordPress as far as `doctor` looks: files around the sandbox's database, on SQLite.
struct Patient {
    folder: tempfile::TempDir,
}

impl Patient {
    fn new() -> Self {
        let patient = Self { folder: tempfile::tempdir().unwrap() };
        let content = patient.root().join("wp-content");
        for folder in
            [content.join("database"), content.join("mu-plugins"), patient.root().join("wp-includes")]
        {
            std::fs::create_dir_all(folder).unwrap();
        }
        patient.write("wp-load.php", "<?php\n");
        patient.write(
            "wp-config.php",
            "<?php\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n",
        );
        patient.write("wp-includes/version.php", "<?php\n$wp_version = '6.8.2';\n$wp_db_version = 60421;\n");
        patient.write("wp-content/db.php", "<?php define( 'SQLITE_DB_DROPIN_VERSION', '1.8.0' );");
        wp_app_password::store::sandbox::create(&content.join("database/.ht.sqlite")).unwrap();
        for name in ["siteurl", "home"] {
            patient.sql(&format!(
                "UPDATE wp_options SET option_value = 'https://example.com' WHERE option_name = '{name}'"
            ));
        }
        output(patient.tool().args(["create", "editor", "App", "--no-confirm"]));
        patient
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("www")
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.root().join(name), text).unwrap();
    }

    fn tool(&self) -> Command {
        let mut command = rig::binary();
        command.arg(format!("--path={}", self.root().display())).env("WP_APP_PASSWORD_SYSLOG", "");
        command
    }

    fn sql(&self, sql: &str) {
        let file = self.root().join("wp-content/database/.ht.sqlite");
        rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
    }

    fn edit_list(&self, change: impl Fn(String) -> String) {
        let file = self.root().join("wp-content/database/.ht.sqlite");
        let database = rusqlite::Connection::open(file).unwrap();
        let key = "_application_passwords";
        let old: String = database
            .query_row("SELECT meta_value FROM wp_usermeta WHERE meta_key = ?1", [key], |row| row.get(0))
            .unwrap();
        let new = change(old);
        database.execute("UPDATE wp_usermeta SET meta_value = ?1 WHERE meta_key = ?2", [&new, key]).unwrap();
    }
}

fn option(name: &str, value: &str) -> String {
    format!(
        "DELETE FROM wp_options WHERE option_name = '{name}';
         INSERT INTO wp_options (option_name, option_value, autoload) VALUES ('{name}', '{value}', 'no')"
    )
}

/// A fault: the checks that are to find it, and how it is planted.
type Fault = (&'static [&'static str], Box<dyn Fn(&Patient)>);

#[test]
fn each_planted_fault_is_found_by_the_check_that_is_for_it() {
    let active = |folder: &str| {
        let file = format!("{folder}/plugin.php");
        option("active_plugins", &format!("a:1:{{i:0;s:{}:\"{file}\";}}", file.len()))
    };
    let sql = |statement: String| -> Box<dyn Fn(&Patient)> {
        Box::new(move |patient: &Patient| patient.sql(&statement))
    };
    let file = |name: &'static str, text: &'static str| -> Box<dyn Fn(&Patient)> {
        Box::new(move |patient: &Patient| patient.write(name, text))
    };
    let faults: Vec<Fault> = vec![
        (&["in-use"], sql("DELETE FROM wp_options WHERE option_name = 'using_application_passwords'".into())),
        (&["https"], sql("UPDATE wp_options SET option_value = 'http://example.com' WHERE option_name IN ('home', 'siteurl')".into())),
        (&["addresses"], sql(option("home", "https://www.example.com"))),
        (&["addresses"], sql(option("siteurl", ""))),
        (
            &["plugins"],
            sql(format!(
                "{}; CREATE TABLE wp_wfconfig (name TEXT PRIMARY KEY, val TEXT, autoload TEXT);
                 INSERT INTO wp_wfconfig VALUES ('loginSec_disableApplicationPasswords', '1', 'yes')",
                active("wordfence")
            )),
        ),
        (
            &["plugins"],
            sql(format!(
                "{}; {}",
                active("all-in-one-wp-security-and-firewall"),
                option("aio_wp_security_configs", "a:1:{s:35:\"aiowps_disable_application_password\";s:1:\"1\";}")
            )),
        ),
        (&["plugins"], sql(format!("{}; {}", active("ninjafirewall"), option("nfw_options", "a:1:{s:8:\"no_appswd\";i:1;}").replace("s:8:", "s:9:")))),
        (&["code"], file("wp-content/mu-plugins/x.php", "<?php\nadd_filter( 'wp_is_application_passwords_available', '__return_false' );\n")),
        (
            &["code"],
            Box::new(move |patient: &Patient| {
                std::fs::create_dir_all(patient.root().join("wp-content/plugins/close-rest/inc")).unwrap();
                patient.write("wp-content/plugins/close-rest/inc/a.php", "<?php\nadd_filter( \"wp_is_application_passwords_available_for_user\", 'x' );\n");
                patient.write("wp-content/plugins/close-rest/plugin.php", "<?php\n");
                patient.sql(&active("close-rest"));
            }),
        ),
        (&["code"], file("wp-config.php", "<?php\n$table_prefix = 'wp_';\nunset( $_SERVER['PHP_AUTH_USER'] );\nrequire_once ABSPATH . 'wp-settings.php';\n")),
        (&["code"], file("wp-content/mu-plugins/x.php", "<?php\nadd_filter( 'rest_authentication_errors', 'x' );\n")),
        (&["code"], file("wp-content/mu-plugins/x.php", "<?php\nremove_filter( 'determine_current_user', 'wp_validate_application_password', 20 );\n")),
        (&["code"], file("wp-content/mu-plugins/x.php", "<?php\nadd_filter( 'pre_site_option_using_application_passwords', '__return_zero' );\n")),
        (&["role"], sql("DELETE FROM wp_options WHERE option_name = 'wp_user_roles'".into())),
        (&["role"], sql(option("wp_user_roles", "a:1:{broken"))),
        (
            &["entries"],
            Box::new(|patient: &Patient| {
                // Two rows: the second is read by nobody, and trying a password would write over it.
                patient.sql("INSERT INTO wp_usermeta (user_id, meta_key, meta_value) SELECT user_id, meta_key, meta_value FROM wp_usermeta WHERE meta_key = '_application_passwords'");
            }),
        ),
        (
            &["code"],
            Box::new(|patient: &Patient| {
                // The theme and its parent are one and the same here; the place is told once.
                std::fs::create_dir_all(patient.root().join("wp-content/themes/own/inc")).unwrap();
                patient.write("wp-content/themes/own/inc/tidy.php", "<?php\nadd_filter(\n\t'wp_is_application_passwords_available',\n\t'__return_false'\n);\n");
                patient.sql(&format!("{}; {}", option("template", "own"), option("stylesheet", "own")));
                let told = patient.tool().args(["doctor", "--format=csv"]).output().unwrap().stdout;
                let told = String::from_utf8(told).unwrap();
                assert_eq!(told.matches("themes/own/inc/tidy.php line 3 has to do with").count(), 1, "{told}");
            }),
        ),
        (&["plugins"], sql(active("disable-application-passwords"))),
        (
            &["plugins"],
            sql(format!(
                "{}; {}; {}",
                active("patchstack"),
                option("patchstack_application_passwords_disabled", "1"),
                option("patchstack_license_activated", "1")
            )),
        ),
        (
            &["plugins"],
            sql(format!(
                "{}; {}",
                active("really-simple-ssl-pro"),
                option("rsssl_options", "a:1:{s:27:\"disable_application_passwords\";b:1;}").replace("s:27:", "s:29:")
            )),
        ),
        (&["plugins"], sql(format!("{}; {}", active("application-passwords-manager"), option("apsm_status", "1")))),
        (
            &["plugins"],
            sql(format!(
                "{}; {}; {}",
                active("better-wp-security"),
                option("itsec_active_modules", "a:1:{s:10:\"two-factor\";b:1;}"),
                option("itsec-storage", "a:1:{s:10:\"two-factor\";a:1:{s:27:\"application_passwords_group\";a:0:{}}}")
            )),
        ),
        (&["plugins"], sql(format!("{}; {}", active("wp-cerber"), option("cerber_configuration", "a:1:{s:7:\"app_pwd\";s:1:\"3\";}")))),
        (&["maintenance"], file(".maintenance", "<?php $upgrading = time(); ?>")),
        (&["server-rules"], file(".htaccess", "RewriteEngine On\nRewriteRule . /index.php [L]\n")),
        (&["server-rules"], file(".htaccess", "RequestHeader unset Authorization\n")),
        (&["server-rules"], file(".htaccess", "AuthType Basic\nAuthName Staging\nRequire valid-user\n")),
        (&["server-rules"], file(".htaccess", "RewriteEngine On\n# RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\n")),
        (&["server-rules"], file(".htaccess", "RewriteEngine On\nRewriteRule . /index.php [L]\nRewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\n")),
        (
            // Apache reads the one above too.
            &["server-rules"],
            Box::new(|patient: &Patient| {
                patient.sql("UPDATE wp_options SET option_value = 'https://example.com/www' WHERE option_name IN ('home', 'siteurl')");
                patient.write("../.htaccess", "AuthType Basic\nRequire valid-user\n");
            }),
        ),
        (
            // WordPress has a folder of its own, and its rules are in the one of the address.
            &["server-rules"],
            Box::new(|patient: &Patient| {
                patient.sql("UPDATE wp_options SET option_value = 'https://example.com/www' WHERE option_name = 'siteurl'");
                patient.write("../.htaccess", "RewriteEngine On\nRewriteRule . /index.php [L]\n");
                patient.write(".htaccess", "CGIPassAuth On\n");
            }),
        ),
        (&["object-cache"], file("wp-content/object-cache.php", "<?php\n/* Plugin Name: Somebody's cache */\nfunction wp_cache_get() {}\n")),
        (&["hashes"], file("wp-includes/version.php", "<?php\n$wp_version = '6.1.1';\n$wp_db_version = 53496;\n")),
        (&["version", "hashes"], file("wp-includes/version.php", "<?php\n$wp_version = '5.5.3';\n$wp_db_version = 48748;\n")),
        (&["entries"], Box::new(|patient| patient.edit_list(|list| list.replace("a:1:{", "a:2:{")))),
        (&["entries"], Box::new(|patient| patient.edit_list(|list| list.replace("s:8:\"password\"", "s:8:\"passwort\"")))),
        (&["expiry", "enforcer"], Box::new(|patient| patient.edit_list(|list| list.replace(";}}", ";s:7:\"expires\";i:5;}}").replace("a:7:", "a:8:")))),
        (
            &["expiry"],
            Box::new(|patient| {
                output(patient.tool().args(["create", "editor", "Other", "--no-confirm"]));
                let uuid = output(patient.tool().args(["list", "editor", "--name=Other", "--field=uuid"]));
                output(patient.tool().args(["suspend", "editor", uuid.trim(), "--no-confirm"]));
            }),
        ),
        (
            &["enforcer"],
            Box::new(|patient| {
                output(patient.tool().args(["create", "editor", "Other", "--read-only", "--no-confirm"]));
            }),
        ),
        (&["role"], sql("UPDATE wp_usermeta SET meta_value = 'a:0:{}' WHERE user_id = 2 AND meta_key = 'wp_capabilities'".into())),
        (&["account"], sql("UPDATE wp_users SET user_status = 1 WHERE ID = 2".into())),
        (
            &["two-factor"],
            Box::new(|patient: &Patient| {
                // As a must-use plugin; codes by e-mail need nothing set up.
                std::fs::create_dir_all(patient.root().join("wp-content/mu-plugins/two-factor")).unwrap();
                patient.write("wp-content/mu-plugins/two-factor/two-factor.php", "<?php\n/* Plugin Name: Two Factor\n * Version: 0.13.0\n */\n");
                patient.sql("INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (2, '_two_factor_enabled_providers', 'a:1:{i:0;s:16:\"Two_Factor_Email\";}')");
            }),
        ),
        (
            &["two-factor"],
            sql(format!(
                "{}; INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (2, '_two_factor_enabled_providers', 'a:1:{{i:0;s:15:\"Two_Factor_Totp\";}}'), (2, '_two_factor_totp_key', 'KEY')",
                active("two-factor")
            )),
        ),
    ];
    // Who cannot get in otherwise renames the folder; the list of active plugins stays as it is.
    let renamed = Patient::new();
    std::fs::create_dir_all(renamed.root().join("wp-content/plugins/wordfence-off")).unwrap();
    renamed.sql(&active("disable-application-passwords"));
    assert_eq!(found(renamed.tool().args(["doctor", "editor"])).0, BTreeSet::new());
    let healthy = Patient::new();
    assert_eq!(found(healthy.tool().args(["doctor", "editor"])).0, BTreeSet::new());
    for (number, (checks, plant)) in faults.iter().enumerate() {
        let patient = Patient::new();
        plant(&patient);
        let expected: BTreeSet<String> = checks.iter().map(|check| (*check).to_owned()).collect();
        assert_eq!(found(patient.tool().args(["doctor", "editor"])).0, expected, "fault {number}");
    }
    // Nor is a second factor that lets application passwords through, a plugin whose switch is off, or one that has to
    // do with other logins.
    let patient = Patient::new();
    for folder in ["two-factor", "woocommerce/includes"] {
        std::fs::create_dir_all(patient.root().join("wp-content/plugins").join(folder)).unwrap();
    }
    patient.write(
        "wp-content/plugins/two-factor/two-factor.php",
        "<?php\n/**\n * Plugin Name: Two Factor\n * Version:           0.14.0\n */\n",
    );
    patient.write(
        "wp-content/plugins/woocommerce/includes/auth.php",
        "<?php\nadd_filter( 'determine_current_user', 'x' );\nif ( wp_is_application_passwords_available() ) {}\n",
    );
    // Really Simple Security asks WordPress, and has its setting in the Pro version only.
    std::fs::create_dir_all(patient.root().join("wp-content/plugins/really-simple-ssl")).unwrap();
    patient.write(
        "wp-content/plugins/really-simple-ssl/tests.php",
        "<?php\nif ( function_exists('wp_is_application_passwords_available') ) {\n\treturn wp_is_application_passwords_available();\n}\n",
    );
    std::fs::create_dir_all(patient.root().join("wp-content/plugins/patchstack")).unwrap();
    for main_file in [
        "woocommerce/woocommerce.php",
        "patchstack/patchstack.php",
        "really-simple-ssl/rlrsssl-really-simple-ssl.php",
    ] {
        patient.write(&format!("wp-content/plugins/{main_file}"), "<?php\n");
    }
    patient.sql(&option("rsssl_options", "a:1:{s:29:\"disable_application_passwords\";b:1;}"));
    patient.sql(&option(
        "active_plugins",
        "a:4:{i:3;s:47:\"really-simple-ssl/rlrsssl-really-simple-ssl.php\";i:0;s:25:\"two-factor/two-factor.php\";i:1;s:27:\"woocommerce/woocommerce.php\";i:2;s:25:\"patchstack/patchstack.php\";}",
    ));
    patient.sql(&option("patchstack_application_passwords_disabled", "1"));
    patient.sql("INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (2, '_two_factor_enabled_providers', 'a:1:{i:0;s:15:\"Two_Factor_Totp\";}')");
    assert_eq!(found(patient.tool().args(["doctor", "editor"])).0, BTreeSet::new());
    let told = output(patient.tool().args(["doctor", "editor"]));
    assert!(
        told.contains("this user has no second factor in it"),
        "without a key there is nothing to ask for: {told}"
    );
    patient.sql(
        "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (2, '_two_factor_totp_key', 'KEY')",
    );
    let told = output(patient.tool().args(["doctor", "editor"]));
    assert!(!told.contains("KEY"), "{told}");
    assert!(told.contains("logins of all kinds pass through woocommerce"), "{told}");
    assert!(told.contains("Two Factor 0.14.0 lets application passwords through"), "{told}");
    // What is switched on, or old, or handed on, is no fault.
    for (name, text) in [
        (
            "wp-content/mu-plugins/x.php",
            "<?php\n// wp_is_application_passwords_available\nadd_filter( 'wp_is_application_passwords_available', '__return_true' );\n",
        ),
        (".maintenance", "<?php $upgrading = 1700000000; ?>"),
        (".maintenance", "<?php // An update was here."),
        (".htaccess", "<Files wp-login.php>\nAuthType Basic\nRequire valid-user\n</Files>\n"),
        (".htaccess", "RewriteEngine On\nRewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\n"),
    ] {
        let patient = Patient::new();
        patient.write(name, text);
        assert_eq!(found(patient.tool().args(["doctor", "editor"])).0, BTreeSet::new(), "{name}");
    }
}

#[test]
fn what_a_real_site_refuses_is_found_by_asking_it() {
    let Some(rig) = rig::require() else { return };
    let strip =
        "unset( $_SERVER['PHP_AUTH_USER'], $_SERVER['PHP_AUTH_PW'], $_SERVER['HTTP_AUTHORIZATION'] );";
    for (php, plugin, checks) in [
        ("", "", &[][..]),
        (strip, "", &["accepted", "server-rules"]),
        (strip, "add_filter( 'xmlrpc_enabled', '__return_false' );", &["accepted", "server-rules"]),
        (
            "",
            "add_filter( 'wp_is_application_passwords_available', '__return_false' );",
            &["accepted", "rest-index"],
        ),
        (
            "",
            "add_filter( 'wp_is_application_passwords_available_for_user', '__return_false' );",
            &["accepted"],
        ),
        (
            "",
            "add_filter( 'rest_authentication_errors', function () { return new WP_Error( 'closed', 'Closed.', array( 'status' => 403 ) ); } );",
            &["accepted", "rest-index"],
        ),
        (
            "",
            "add_filter( 'rest_index', function ( $answer ) { $answer->data['authentication'] = array(); return $answer; }, 99 );",
            &["rest-index"],
        ),
        (
            "",
            "add_action( 'wp_authenticate_application_password_errors', function ( $error ) { $error->add( 'no', 'No.' ); } );",
            // WordPress answers as if there were no header, and XML-RPC, which needs none, refuses too.
            &["accepted", "code"],
        ),
        (
            "header( 'HTTP/1.1 401 Unauthorized' ); header( 'WWW-Authenticate: Basic realm=\"Staging\"' ); exit;",
            "",
            &["accepted", "rest-index"],
        ),
    ] {
        let site = Quirk::start_behind(rig, ("wp71-sqlite", Template::Sqlite), None, php, plugin);
        // The request of a client fails, where it is one that fails.
        let password =
            output(site.tool().args(["create", "author1", "Client", "--porcelain", "--no-confirm"]));
        let url = format!("{}/?rest_route=/wp/v2/users/me", site.url);
        let answer = rig::http_get(&url, "author1", password.trim(), None);
        assert_eq!(answer.status == 200, !checks.contains(&"accepted"), "{php}{plugin}: {}", answer.body);
        let (found, _) = found(site.tool().args(["doctor", "author1", "--live", "--probe"]));
        let mut expected: BTreeSet<String> = checks.iter().map(|check| (*check).to_owned()).collect();
        // Only the database was named, so that the environment type is out of sight: the site must say it.
        if checks.contains(&"accepted") && checks.contains(&"rest-index") {
            expected.insert("https".into());
        }
        assert_eq!(found, expected, "{php}{plugin}");
        if checks == ["rest-index"] {
            // It is in the way of those who have no password yet.
            let done =
                site.tool().args(["doctor", "author1", "--probe", "--fail-on=problem"]).output().unwrap();
            assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stdout));
        }
        if php == strip {
            let told = site.tool().args(["doctor", "author1", "--probe"]).output().unwrap().stdout;
            let told = String::from_utf8(told).unwrap();
            let sure = "XML-RPC, which has it in the body, accepts it: the Authorization header is lost, or not looked at";
            let unsure = "whether the header is lost could not be told by XML-RPC (XML-RPC is switched off";
            assert!(told.contains(if plugin.is_empty() { sure } else { unsure }), "{told}");
            assert!(!told.contains("not looked at  server-rules"), "{told}");
        }
        let left = output(site.tool().args(["list", "author1", "--field=name"]));
        assert_eq!(left.trim(), "Client", "the password that was tried is gone");
    }
}

#[test]
fn a_local_site_without_application_passwords_is_not_told_to_get_https() {
    let Some(rig) = rig::require() else { return };
    let off = "add_filter( 'wp_is_application_passwords_available', '__return_false' );";
    let site = Quirk::start(rig, off);
    let patient = Patient::new();
    patient.write(
        "wp-config.php",
        "<?php\n$table_prefix = 'wp_';\ndefine( 'WP_ENVIRONMENT_TYPE', 'local' );\nrequire_once ABSPATH . 'wp-settings.php';\n",
    );
    patient.sql(&format!("{}; {}", option("siteurl", &site.url), option("home", &site.url)));
    assert_eq!(found(patient.tool().args(["doctor", "--live"])).0, ["rest-index".to_owned()].into());
    let told = patient.tool().args(["doctor", "--live"]).output().unwrap().stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(
        told.contains("a plugin or the site's code switched them off") && !told.contains("Set HTTPS up"),
        "{told}"
    );
    // An address that was given is not the local site's.
    let other = Patient::new();
    let told = other.tool().args(["doctor", "--live", &format!("--address={}", site.url)]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("Set HTTPS up"), "{told}");
    // Nor is one that offers them.
    site.becomes("");
    assert_eq!(found(patient.tool().args(["doctor", "--live"])).0, BTreeSet::new());
}

#[test]
fn the_site_that_is_asked_is_the_one_of_wp_home_not_the_one_that_the_database_was_copied_from() {
    let patient = Patient::new();
    let configured = |home: &str| {
        let text = format!(
            "<?php\n$table_prefix = 'wp_';\ndefine( 'WP_HOME', {home} );\ndefine( 'WP_SITEURL', WP_HOME );\nrequire_once ABSPATH . 'wp-settings.php';\n"
        );
        patient.write("wp-config.php", &text);
        let done = patient.tool().args(["doctor", "editor", "--probe", "--timeout=5s"]).output().unwrap();
        String::from_utf8(done.stdout).unwrap()
    };
    let told = configured("'https://127.0.0.1:1'");
    assert!(told.starts_with("https://127.0.0.1:1: ") && !told.contains("example.com"), "{told}");
    assert!(told.contains("PROBLEM accepted\n  The site could not be reached"), "{told}");
    // Whoever gets a password is sent there as well.
    let netrc =
        output(patient.tool().args(["create", "editor", "Staging", "--format=netrc", "--no-confirm"]));
    assert!(netrc.starts_with("machine 127.0.0.1"), "{}", netrc.split(' ').take(2).collect::<String>());
    let told = configured("'https://' . $_SERVER['HTTP_HOST']");
    assert!(told.contains("accepted      no password was tried"), "{told}");
    assert!(told.contains("rest-index    the site's address is not known (--address)"), "{told}");
}

#[test]
fn a_network_marks_accounts() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::Network);
    let tool = || {
        let mut command = rig::binary();
        command.env("WP_APP_PASSWORD_DB", database.url("wp")).args(["--table-prefix=net7_", "--no-cache"]);
        command
    };
    output(tool().args(["create", "author1", "App", "--no-confirm"]));
    let of = |user: &str| {
        let (mut found, _) = found(tool().args(["doctor", user]));
        found.remove("https");
        found.remove("entries");
        found
    };
    assert_eq!(of("author1"), BTreeSet::new());
    assert_eq!(of("admin"), BTreeSet::new());
    database.sql("UPDATE net7_users SET spam = 1 WHERE user_login = 'author1'");
    assert_eq!(of("author1"), ["account".to_owned()].into());
    // Without an application password, too.
    database.sql("UPDATE net7_users SET deleted = 1 WHERE user_login = 'editor1'");
    assert_eq!(of("editor1"), ["account".to_owned()].into());
    for column in ["archived", "deleted", "spam"] {
        database.sql(&format!("UPDATE net7_blogs SET {column} = 1 WHERE blog_id = 1"));
        assert_eq!(of("admin"), ["maintenance".to_owned()].into(), "{column}");
        database.sql(&format!("UPDATE net7_blogs SET {column} = 0 WHERE blog_id = 1"));
    }
    // NinjaFirewall keeps one setting for the whole network, and is active on all of it.
    database.sql(
        "DELETE FROM net7_sitemeta WHERE meta_key = 'active_sitewide_plugins';
         INSERT INTO net7_sitemeta (site_id, meta_key, meta_value) VALUES
         (1, 'active_sitewide_plugins', 'a:1:{s:31:\"ninjafirewall/ninjafirewall.php\";i:1;}'),
         (1, 'nfw_options', 'a:1:{s:9:\"no_appswd\";i:1;}')",
    );
    assert_eq!(of("admin"), ["plugins".to_owned()].into());
}

#[test]
fn every_format_tells_of_a_fault_and_nagios_in_its_own_codes() {
    let patient = Patient::new();
    patient.sql("DELETE FROM wp_options WHERE option_name = 'using_application_passwords'");
    let run = |arguments: &[&str]| {
        let done = patient.tool().arg("doctor").args(arguments).output().unwrap();
        (String::from_utf8(done.stdout).unwrap(), done.status.code().unwrap())
    };
    for format in ["table", "json", "jsonl", "csv", "yaml", "sarif", "junit", "prometheus", "html"] {
        let (text, code) = run(&[&format!("--format={format}")]);
        assert!(code == 2 && text.contains("in-use"), "{format}: {code} {text}");
        if matches!(format, "json" | "sarif") {
            serde_json::from_str::<Value>(&text).unwrap();
        }
    }
    let (line, code) = run(&["--format=nagios"]);
    assert!(
        code == 2 && line.starts_with("APPLICATION PASSWORDS CRITICAL") && line.lines().count() == 1,
        "{line}"
    );
    assert_eq!(run(&["--fail-on=never"]).1, 0);
    let (table, _) = run(&[]);
    assert!(
        table.contains("PROBLEM in-use\n  there are application passwords")
            && table.contains("  What to do: Create any"),
        "{table}"
    );
    let explained = run(&["--explain=in-use"]);
    assert!(explained.1 == 0 && explained.0.starts_with("in-use: WordPress looks at"), "{}", explained.0);
    assert_eq!(run(&["--explain"]).0.matches("What to do").count(), 18);
    assert_eq!(run(&["--explain=nothing"]).1, 1);
    let lost = rig::binary().args(["doctor", "--format=nagios", "--path=/nonexistent"]).output().unwrap();
    assert_eq!(lost.status.code(), Some(3));
    assert!(Path::new(&patient.root()).exists());
}

#[test]
fn every_format_is_what_others_take_it_for_also_beside_an_audit() {
    let Some(rig) = rig::require() else { return };
    let patient = Patient::new();
    let get = |verb: &str, format: &str| {
        patient.tool().args([verb, &format!("--format={format}")]).output().unwrap().stdout
    };
    // Also where nothing is to be told.
    for trouble in [false, true] {
        if trouble {
            patient.write(
                "wp-content/mu-plugins/<b>&\"']]>\u{202e}\u{1}.php",
                "<?php add_filter( 'determine_current_user', 'x' );",
            );
            patient.sql(&option("home", "http://example.com/<&\"\\"));
            patient.edit_list(|list| list.replace("s:8:\"password\"", "s:8:\"passwort\""));
        }
        check_sarif(rig, &get("doctor", "sarif"));
        check("xmllint", &["--noout", "-"], &get("doctor", "junit"));
        check("xmllint", &["--noout", "--nonet", "-"], &get("doctor", "html"));
        check("promtool", &["check", "metrics"], &get("doctor", "prometheus"));
        // One collector reads the files of both: no metric is in both.
        let names = |verb: &str| -> BTreeSet<String> {
            let text = String::from_utf8(get(verb, "prometheus")).unwrap();
            let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
            types.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        let (of_audit, of_doctor) = (names("audit"), names("doctor"));
        assert!(of_doctor.contains("wp_app_password_doctor_findings"), "{of_doctor:?}");
        assert!(of_audit.contains("wp_app_password_findings"), "{of_audit:?}");
        assert!(of_audit.is_disjoint(&of_doctor), "{of_audit:?} {of_doctor:?}");
        let lines = String::from_utf8(get("doctor", "jsonl")).unwrap();
        assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{lines}");
        for format in ["sarif", "junit", "html", "prometheus", "table", "json", "jsonl", "csv", "yaml"] {
            let text = String::from_utf8(get("doctor", format)).unwrap();
            let hash = text.split("$generic$").skip(1).find(|after| !after.starts_with(' '));
            assert!(hash.is_none() && !text.contains("$2y$"), "{format}: {text}");
        }
    }
}
