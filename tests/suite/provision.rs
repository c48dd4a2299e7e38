//! `provision` and `deprovision`: users as WordPress itself makes them, on real sites.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::rig::{self, Rig, Site, Template, output};

/// WordPress 6.1, 6.8 and the newest, on MariaDB, MySQL and SQLite, and with a cache.
const SITES: [&str; 6] = ["wp61", "wp68", "wp71", "wp71-mysql", "wp71-sqlite", "wp71-redis"];

/// A login that nobody has yet.
fn login(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{kind}{}x{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Removes the user with the value, as WordPress does it.
struct Gone<'a>(&'a Rig, &'a Site, String);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        let Self(rig, site, login) = self;
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            rig.wp_eval(
                site,
                &format!(
                    "require_once ABSPATH . 'wp-admin/includes/ms.php'; $user = get_user_by( 'login', '{login}' );
                     return $user && ( is_multisite() ? wpmu_delete_user( $user->ID ) : wp_delete_user( $user->ID ) );"
                ),
            )
        }));
    }
}

fn provision(site: &Site, login: &str, arguments: &[&str]) -> Command {
    let mut command = site.tool();
    command.args(["provision", login, &format!("--email={login}@example.com")]).args(arguments);
    command
}

/// A user's rows, without what differs between any two users, and what only WordPress's dashboard adds
/// (`dismissed_wp_pointers`).
fn rows(rig: &Rig, site: &Site, login: &str) -> Value {
    rig.wp_eval(
        site,
        &format!(
            "global $wpdb; $login = '{login}';
             $user = $wpdb->get_row( $wpdb->prepare( \"SELECT * FROM $wpdb->users WHERE user_login = %s\", $login ), ARRAY_A );
             $meta = $wpdb->get_results( $wpdb->prepare( \"SELECT meta_key, meta_value FROM $wpdb->usermeta WHERE user_id = %d ORDER BY umeta_id\", $user['ID'] ), ARRAY_N );
             unset( $user['ID'], $user['user_pass'] );
             if ( ! preg_match( '/^20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d$/', $user['user_registered'] ) || abs( time() - strtotime( $user['user_registered'] . ' UTC' ) ) > 600 ) {{ return $user['user_registered']; }}
             unset( $user['user_registered'] );
             $meta = array_values( array_filter( $meta, function ( $row ) {{ return ! in_array( $row[0], array( '_application_passwords', 'dismissed_wp_pointers' ), true ); }} ) );
             return array( $user, $meta );"
        ),
    )
}

#[test]
fn the_rows_are_those_that_wordpress_writes() {
    let Some(rig) = rig::require() else { return };
    for name in SITES {
        let site = rig.site(name);
        for (kind, role) in [("bot", "editor"), ("A. Bot_-@", "subscriber"), ("bot", "administrator")] {
            let (ours, theirs) = (login(kind), login(kind));
            let _gone = [Gone(rig, site, ours.clone()), Gone(rig, site, theirs.clone())];
            let made = site
                .tool()
                .args([
                    "provision",
                    &ours,
                    "--email",
                    &format!("o{}@example.com", ours.len()),
                    "--yes",
                    "--no-live",
                ])
                .arg(format!("--role={role}"))
                .output()
                .unwrap();
            assert!(made.status.success(), "{name}: {}", String::from_utf8_lossy(&made.stderr));
            let id = rig.wp_eval(
                site,
                &format!(
                    "return wp_insert_user( array( 'user_login' => '{theirs}', 'user_pass' => 'x', 'user_email' => 't{}@example.com', 'role' => '{role}' ) );",
                    theirs.len()
                ),
            );
            assert!(id.is_i64(), "{name}: {id}");
            let normal = |rows: Value, login: &str, mail: &str| {
                let slug = login.to_lowercase().replace(". ", "-").replace('@', "");
                rows.to_string().replace(login, "LOGIN").replace(&slug, "SLUG").replace(mail, "MAIL")
            };
            let found = normal(rows(rig, site, &ours), &ours, &format!("o{}@example.com", ours.len()));
            let expected =
                normal(rows(rig, site, &theirs), &theirs, &format!("t{}@example.com", theirs.len()));
            assert_eq!(found, expected, "{name}: {kind}, {role}");
        }
    }
}

#[test]
fn nicenames_are_told_apart_as_wordpress_does() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let base = login("same");
    let logins = [base.clone(), format!("{base}@"), format!("{base}."), format!("-{base}")];
    let _gone: Vec<Gone<'_>> = logins.iter().map(|login| Gone(rig, site, login.clone())).collect();
    for (number, login) in logins.iter().enumerate() {
        output(
            site.tool()
                .args([
                    "provision",
                    "--role=subscriber",
                    "--no-live",
                    &format!("--email={base}{number}@example.com"),
                ])
                .args(["--", login]),
        );
        let code = format!("return get_user_by( 'login', '{login}' )->user_nicename;");
        let expected = if number == 0 { base.clone() } else { format!("{base}-{}", number + 1) };
        assert_eq!(rig.wp_eval(site, &code), json!(expected), "{login}");
    }
}

#[test]
fn the_user_can_do_what_its_role_can_and_nobody_logs_in_by_form() {
    let Some(rig) = rig::require() else { return };
    for name in SITES {
        let site = rig.site(name);
        let _switched_on = site.in_use.read().unwrap();
        let bot = login("worker");
        let _gone = Gone(rig, site, bot.clone());
        // Lists of users that WordPress remembers are asked for anew.
        let count = "return count( get_users( array( 'role' => 'author', 'fields' => 'ID' ) ) );";
        let before = rig.wp_eval(site, count).as_i64().unwrap();
        let password = output(provision(site, &bot, &["--role=author", "--porcelain"]).arg("--no-live"));
        let password = password.trim();
        assert_eq!(password.len(), 24, "{name}: {password}");
        assert_eq!(rig.wp_eval(site, count).as_i64().unwrap(), before + 1, "{name}");

        let ask = |method: &str, path: &str, body: Value| site.send(method, path, (&bot, password), &body);
        let me = ask("GET", "/?rest_route=/wp/v2/users/me&context=edit", json!({}));
        assert_eq!((me.status, &me.json()["roles"]), (200, &json!(["author"])), "{name}: {}", me.body);
        let own = ask("POST", "/?rest_route=/wp/v2/posts", json!({"title": "By a bot", "status": "publish"}));
        assert_eq!(own.status, 201, "{name}: {}", own.body);
        for (method, path) in [
            ("POST", "/?rest_route=/wp/v2/pages"),
            ("GET", "/?rest_route=/wp/v2/settings"),
            ("GET", "/?rest_route=/wp/v2/users&context=edit"),
            ("POST", "/?rest_route=/wp/v2/categories"),
        ] {
            assert_eq!(
                ask(method, path, json!({"title": "x", "name": "x"})).status,
                403,
                "{name}: {method} {path}"
            );
        }
        let form = rig.wp_eval(
            site,
            &format!(
                "$out = array();
                 foreach ( array( '*', '', '0', ' ', md5( '*' ), '{password}' ) as $try ) {{
                     $out[] = is_wp_error( wp_authenticate( '{bot}', $try ) );
                     $out[] = ! wp_check_password( $try, get_user_by( 'login', '{bot}' )->user_pass );
                     $out[] = is_wp_error( wp_authenticate( '{bot}@example.com', $try ) );
                 }}
                 return $out;"
            ),
        );
        assert!(form.as_array().unwrap().iter().all(|refused| refused == true), "{name}: {form}");
        for tried in ["*", password] {
            let tried = tried.replace('*', "%2A");
            let body =
                ("application/x-www-form-urlencoded", format!("log={bot}&pwd={tried}&wp-submit=Log+In"));
            let page = rig::http("POST", &format!("{}/wp-login.php", site.url), None, Some(&body), None);
            assert!(
                page.status == 200 && page.body.contains("login_error"),
                "{name}: {} {}",
                page.status,
                page.body
            );
        }

        // Once more: nothing changes, and nothing is shown that could be a password.
        let again = provision(site, &bot, &["--role=author", "--no-live"]).output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&again.stderr));
        assert!(again.status.success() && err.is_empty(), "{name}: {err}");
        assert!(
            out.contains("has an application password named") && !out.contains("Password:"),
            "{name}: {out}"
        );
        assert_eq!(output(site.tool().args(["list", &bot, "--format=count"])).trim(), "1", "{name}");

        // And back: no password, no role, the post stays.
        let undone = output(site.tool().args(["deprovision", &bot]));
        assert!(
            undone.contains("Revoked 1 application password of user") && undone.contains("no role any more"),
            "{undone}"
        );
        assert_eq!(ask("GET", "/?rest_route=/wp/v2/users/me", json!({})).status, 401, "{name}");
        let left = rig.wp_eval(
            site,
            &format!(
                "$user = get_user_by( 'login', '{bot}' );
                 return array( $user->roles, $user->allcaps, (int) $user->user_level, get_post( {} )->post_status );",
                own.json()["id"]
            ),
        );
        assert_eq!(left, json!([[], [], 0, "publish"]), "{name}");
        assert_eq!(rig.wp_eval(site, count).as_i64().unwrap(), before, "{name}");
        let nothing = output(site.tool().args(["deprovision", &bot]));
        assert!(
            nothing.contains("Revoked 0 application passwords") && nothing.contains("had no role"),
            "{nothing}"
        );
        // It comes back with the role that is asked for then.
        output(provision(site, &bot, &["--role=contributor", "--porcelain"]).arg("--no-live"));
        let code = format!("return get_user_by( 'login', '{bot}' )->roles;");
        assert_eq!(rig.wp_eval(site, &code), json!(["contributor"]), "{name}");
    }
}

#[test]
fn a_role_of_a_plugins_own_is_as_good_as_any() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let _switched_on = site.in_use.read().unwrap();
    let bot = login("shop");
    let _gone = Gone(rig, site, bot.clone());
    let role = format!("manager_{bot}");
    rig.wp_eval(
        site,
        &format!("add_role( '{role}', 'Manager', array( 'read' => true, 'level_3' => true, 'moderate_comments' => true ) ); return 1;"),
    );
    let password =
        output(provision(site, &bot, &[&format!("--role={role}"), "--porcelain"]).arg("--no-live"));
    let me =
        site.send("GET", "/?rest_route=/wp/v2/users/me&context=edit", (&bot, password.trim()), &json!({}));
    let found = me.json();
    rig.wp_eval(site, &format!("remove_role( '{role}' ); return 1;"));
    assert_eq!(found["roles"], json!([role]), "{found}");
    assert_eq!(
        found["capabilities"],
        json!({"read": true, "level_3": true, "moderate_comments": true, (role.as_str()): true}),
        "{found}"
    );
    let level = format!("return get_user_by( 'login', '{bot}' )->user_level;");
    assert_eq!(rig.wp_eval(site, &level), json!("3"));
}

#[test]
fn a_login_password_that_is_asked_for_works() {
    let Some(rig) = rig::require() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "correct horse *battery* staple\n").unwrap();
    for (name, prefix) in [("wp61", "$P$"), ("wp68", "$wp$2y$"), ("wp71", "$wp$2y$")] {
        let site = rig.site(name);
        let human = login("human");
        let _gone = Gone(rig, site, human.clone());
        let from = format!("--user-password={}", file.display());
        output(&mut provision(site, &human, &["--role=editor", "--no-live", "--porcelain", &from]));
        let code = format!(
            "$user = wp_authenticate( '{human}', 'correct horse *battery* staple' );
             return array( is_wp_error( $user ) ? $user->get_error_code() : $user->user_login,
                 substr( get_user_by( 'login', '{human}' )->user_pass, 0, {}) );",
            prefix.len()
        );
        assert_eq!(rig.wp_eval(site, &code), json!([human, prefix]), "{name}");
        // The same again changes nothing; another password is WordPress's to set.
        let again = output(&mut provision(site, &human, &["--role=editor", "--no-live", &from]));
        assert!(!again.contains("Made user"), "{again}");
        assert_eq!(rig.wp_eval(site, &code), json!([human, prefix]), "{name}");
        let other = folder.path().join("other");
        std::fs::write(&other, "another password, longer\n").unwrap();
        let other = format!("--user-password={}", other.display());
        let refused = provision(site, &human, &["--role=editor", &other]).output().unwrap();
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("with another login password"),
            "{refused:?}"
        );
        // WordPress's form compares what it got with slashes.
        let quoted = login("quoted");
        let _gone = Gone(rig, site, quoted.clone());
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "it's a \"long\" password\n").unwrap();
        let from = format!("--user-password={}", secret.display());
        for _ in 0..2 {
            output(&mut provision(site, &quoted, &["--role=editor", "--no-live", &from]));
        }
        let form = format!("{}/wp-login.php", site.url);
        let status =
            output(Command::new("curl").args(["-sS", "-o", "/dev/null", "-w", "%{http_code}"]).args([
                "-b",
                "wordpress_test_cookie=WP%20Cookie%20check",
                "--data-urlencode",
                &format!("log={quoted}"),
                "--data-urlencode",
                "pwd=it's a \"long\" password",
                &form,
            ]));
        assert_eq!(status, "302", "{name}");
        std::fs::write(&secret, "back\\slash and more\n").unwrap();
        let refused =
            provision(site, &login("slash"), &["--role=editor", "--no-live", &from]).output().unwrap();
        assert!(String::from_utf8_lossy(&refused.stderr).contains("has a backslash"), "{refused:?}");
        // Whoever undoes that is told, and a script has to mean it.
        let undone = site.tool().args(["deprovision", &human]).output().unwrap();
        assert!(String::from_utf8_lossy(&undone.stderr).contains("has a login password"), "{undone:?}");
        assert_eq!(output(site.tool().args(["list", &human, "--format=count"])).trim(), "1");
        let undone = site.tool().args(["deprovision", &human, "--yes"]).output().unwrap();
        assert!(undone.status.success());
        assert!(String::from_utf8_lossy(&undone.stderr).contains("can still log in by form"), "{undone:?}");
    }
}

#[test]
fn a_network_has_members_of_each_site() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-network");
    let bot = login("netbot");
    let _gone = Gone(rig, site, bot.clone());
    let _theirs = Gone(rig, site, format!("{bot}php"));
    let blogs = rig.wp_eval(site, "return array_map( function ( $site ) { return array( (int) $site->blog_id, get_site_url( $site->blog_id ) ); }, get_sites() );");
    let second =
        blogs.as_array().unwrap().iter().find(|blog| blog[0] == 2).unwrap()[1].as_str().unwrap().to_owned();
    let refused = site
        .tool()
        .args(["provision", "net-bot", "--role=author", "--email=n@example.com"])
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("lower-case letters and digits only"),
        "{refused:?}"
    );

    let on_second = format!("--url={second}");
    let password =
        output(&mut provision(site, &bot, &["--role=author", "--porcelain", "--no-live", &on_second]));
    // As WordPress adds one: the user without a role, then the site.
    let code = format!(
        "$id = wpmu_create_user( '{bot}php', 'x', '{bot}php@example.com' ); add_user_to_blog( 2, $id, 'author' ); return $id;"
    );
    assert!(rig.wp_eval(site, &code).is_i64());
    let expected = rows(rig, site, &format!("{bot}php")).to_string().replace(&format!("{bot}php"), "LOGIN");
    assert_eq!(rows(rig, site, &bot).to_string().replace(&bot, "LOGIN"), expected);
    let member = |blog: u32| {
        let code = format!(
            "return (array) get_userdata( get_user_by( 'login', '{bot}' )->ID )->get_site_id() && is_user_member_of_blog( get_user_by( 'login', '{bot}' )->ID, {blog} );"
        );
        rig.wp_eval(site, &code) == true
    };
    assert!(!member(1) && member(2));
    let me = |base: &str| {
        let url = format!("{base}/?rest_route=/wp/v2/users/me&context=edit");
        rig::http_get(&url, &bot, password.trim(), None)
    };
    assert_eq!(me(&second).json()["roles"], json!(["author"]));

    // The other site too, with a role of its own; what there is stays.
    output(provision(site, &bot, &["--role=subscriber", "--no-live"]).arg(format!("--url={}", site.url)));
    assert!(member(1) && member(2));
    assert_eq!(me(&second).json()["roles"], json!(["author"]));
    assert_eq!(me(&site.url).json()["roles"], json!(["subscriber"]));

    let admin = site
        .tool()
        .args(["provision", "admin", "--role=subscriber", "--email=x@example.com", "--set-role"])
        .output()
        .unwrap();
    assert!(!admin.status.success());
    let email = rig.wp_eval(site, "return get_user_by( 'login', 'admin' )->user_email;");
    let email = format!("--email={}", email.as_str().unwrap());
    for verb in [
        vec!["provision", "admin", "--role=subscriber", "--set-role", &email],
        vec!["deprovision", "admin", "--yes"],
    ] {
        let admin = site.tool().args(&verb).output().unwrap();
        assert!(String::from_utf8_lossy(&admin.stderr).contains("super admin"), "{admin:?}");
    }
}

#[test]
fn super_admins_of_the_configuration_count_instead_of_the_database_s() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::Network);
    let url = database.url("wp");
    let rest = url.strip_prefix("mysql://").unwrap().split('?').next().unwrap();
    let (login, place) = rest.split_once('@').unwrap();
    let ((user, password), (host, name)) = (login.split_once(':').unwrap(), place.split_once('/').unwrap());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("wp-load.php"), "<?php\n").unwrap();
    let refused = |line: &str, login: &str| {
        let config = format!(
            "<?php\ndefine( 'DB_NAME', '{name}' ); define( 'DB_USER', '{user}' ); define( 'DB_PASSWORD', '{password}' );\n\
             define( 'DB_HOST', '{host}' ); define( 'MULTISITE', true ); $table_prefix = 'net7_';\n{line}\n\
             require_once ABSPATH . 'wp-settings.php';\n"
        );
        std::fs::write(folder.path().join("wp-config.php"), config).unwrap();
        let done = rig::binary()
            .arg(format!("--path={}", folder.path().display()))
            .args(["--no-cache", "deprovision", login, "--yes"])
            .env("WP_APP_PASSWORD_SYSLOG", "")
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.success(), !stderr.contains("is a super admin"), "{line} {login}: {stderr}");
        !done.status.success()
    };
    assert!(refused("", "admin") && !refused("", "editor1"));
    // WordPress: get_super_admins().
    let global = "$super_admins = array( 'editor1' );";
    assert!(refused(global, "editor1"));
    // Without the option, too, there is one.
    database.sql("DELETE FROM net7_sitemeta WHERE meta_key = 'site_admins'");
    assert!(refused("", "admin") && !refused(global, "admin"));
}

#[test]
fn a_network_refuses_what_its_settings_refuse() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::Network);
    let run = |login: &str, email: &str| {
        let mut command = rig::binary();
        command.env("WP_APP_PASSWORD_DB", database.url("wp")).env("WP_APP_PASSWORD_SYSLOG", "");
        command.args([
            "--table-prefix=net7_",
            "--no-cache",
            "provision",
            login,
            "--role=author",
            "--no-live",
        ]);
        command.arg(format!("--email={email}")).output().unwrap()
    };
    let refused = |login: &str, email: &str, word: &str| {
        let done = run(login, email);
        let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(1) && stderr.contains(word), "{login} {email}: {stderr}");
    };
    let setting = |name: &str, value: &str| {
        database.sql(&format!(
            "DELETE FROM net7_sitemeta WHERE meta_key = '{name}';
             INSERT INTO net7_sitemeta (site_id, meta_key, meta_value) VALUES (1, '{name}', '{value}')"
        ));
    };
    setting("banned_email_domains", "a:1:{i:0;s:11:\"example.net\";}");
    refused("banned", "a@mail.example.net", "banned_email_domains");
    setting("limited_email_domains", "a:1:{i:0;s:11:\"example.org\";}");
    refused("limited", "a@example.com", "limited_email_domains");
    // Reserved for two days, by name and by address.
    let sign_up = |login: &str, email: &str, days: u32| {
        database.sql(&format!(
            "INSERT INTO net7_signups (domain, path, title, user_login, user_email, registered, activation_key)
             VALUES ('', '', '', '{login}', '{email}', UTC_TIMESTAMP() - INTERVAL {days} DAY, 'k{login}')"
        ));
    };
    sign_up("waiting", "waiting@example.org", 1);
    sign_up("forgot", "forgot@example.org", 3);
    refused("waiting", "other@example.org", "signups");
    refused("other", "waiting@example.org", "signups");
    // WordPress: add_user_to_blog() takes the domain of the blogs table, whatever siteurl says.
    database.sql("UPDATE net7_blogs SET domain = 'mapped.example' WHERE blog_id = 1");
    let done = run("forgot", "forgot@example.org");
    assert!(done.status.success(), "{done:?}");
    let domain = database.sql(
        "SELECT meta_value FROM net7_usermeta WHERE meta_key = 'source_domain'
         AND user_id = (SELECT ID FROM net7_users WHERE user_login = 'forgot')",
    );
    assert_eq!(domain.trim(), "mapped.example");
    // An account that is closed is not used.
    database.sql("UPDATE net7_users SET spam = 1 WHERE user_login = 'forgot'");
    refused("forgot", "forgot@example.org", "is marked as spam");
}

#[test]
fn twenty_at_once_make_one_user_with_one_password() {
    let Some(rig) = rig::require() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.sqlite");
    rig.fresh_sqlite_database(Template::Sqlite, &file);
    let mariadb = rig.fresh_mariadb_database(Template::InnoDb);
    let my_isam = rig.fresh_mariadb_database(Template::MyIsam);
    let mysql = rig.fresh_mysql_database(Template::InnoDb);
    for db in [format!("sqlite:{}", file.display()), mariadb.url("wp"), my_isam.url("wp"), mysql.url("wp")] {
        let tool = || {
            let mut command = rig::binary();
            command.env("WP_APP_PASSWORD_DB", &db).env("WP_APP_PASSWORD_SYSLOG", "");
            command
        };
        let runs: Vec<_> = (0..20)
            .map(|_| {
                tool()
                    .args([
                        "provision",
                        "crowd",
                        "--role=editor",
                        "--email=crowd@example.com",
                        "--porcelain",
                        "--no-live",
                    ])
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut passwords = Vec::new();
        for run in runs {
            let done = run.wait_with_output().unwrap();
            assert!(done.status.success(), "{db}: {}", String::from_utf8_lossy(&done.stderr));
            let text = String::from_utf8(done.stdout).unwrap();
            passwords.extend(text.lines().filter(|line| line.len() == 24).map(str::to_owned));
        }
        assert_eq!(passwords.len(), 1, "{db}: {passwords:?}");
        assert_eq!(output(tool().args(["list", "--user_login=crowd", "--format=count"])).trim(), "1", "{db}");
        let other = tool()
            .args(["provision", "crowd2", "--role=editor", "--email=crowd@example.com"])
            .output()
            .unwrap();
        assert!(String::from_utf8_lossy(&other.stderr).contains("is that of user"), "{other:?}");
    }
    let counts = "SELECT (SELECT COUNT(*) FROM wp_users WHERE user_login = 'crowd'), (SELECT COUNT(*) FROM wp_usermeta WHERE meta_key = 'wp_capabilities' AND user_id IN (SELECT ID FROM wp_users WHERE user_login = 'crowd'))";
    for database in [&mariadb, &my_isam, &mysql] {
        assert_eq!(database.sql(counts).trim(), "1\t1", "{}", database.name);
    }
    let database = rusqlite::Connection::open(&file).unwrap();
    let found: (i64, i64) = database.query_row(counts, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(found, (1, 1));
}

#[test]
fn what_a_killed_run_leaves_is_completed_by_the_next() {
    let Some(rig) = rig::require() else { return };
    let my_isam = rig.fresh_mariadb_database(Template::MyIsam);
    let innodb = rig.fresh_mariadb_database(Template::InnoDb);
    let mut killed = 0;
    for (database, number) in (0..12).flat_map(|number| [(&my_isam, number), (&innodb, number)]) {
        let tool = || {
            let mut command = rig::binary();
            command.env("WP_APP_PASSWORD_DB", database.socket_url("wp")).env("WP_APP_PASSWORD_SYSLOG", "");
            let login = format!("victim{number}");
            command.args([
                "provision",
                &login,
                "--role=author",
                &format!("--email={login}@example.com"),
                "--no-live",
            ]);
            command.args(["--porcelain", "--no-confirm"]);
            command
        };
        let mut run = tool().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(6 + 3 * number));
        let _ = run.kill();
        killed += u32::from(!run.wait().unwrap().success());
        let done = tool().arg("--takeover").output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let rows = database.sql(&format!(
            "SELECT COUNT(DISTINCT u.ID), COUNT(DISTINCT m.meta_key), SUM(m.meta_key = 'wp_capabilities'), COUNT(*) FROM wp_users u JOIN wp_usermeta m ON m.user_id = u.ID
             WHERE user_login = 'victim{number}' AND m.meta_key <> '_application_passwords'"
        ));
        let numbers: Vec<u32> = rows.trim().split('\t').map(|number| number.parse().unwrap()).collect();
        assert_eq!((numbers[0], numbers[2]), (1, 1), "{number}: {rows}");
        assert_eq!(numbers[1], numbers[3], "{number}: {rows}");
        assert_eq!(numbers[1], 13, "{number}: {rows}");
    }
    println!("{killed} of 24 runs were killed");
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let home = tempfile::tempdir().unwrap();
    let tool = || {
        let mut command = rig::binary();
        command.arg("--sandbox").env("HOME", home.path()).env("WP_APP_PASSWORD_SYSLOG", "");
        command
    };
    output(tool().args(["list", "--format=count"]));
    let database = home.path().join(".local/share/wp-app-password/sandbox.sqlite");
    let before = std::fs::read(&database).unwrap();
    let editor =
        tool().args(["provision", "editor", "--role=editor", "--email=nobody@example.com"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&editor.stderr).into_owned();
    let address = stderr.split("another e-mail address, ").nth(1).unwrap().split(". Give").next().unwrap();
    let its_own = format!("--email={address}");
    for (arguments, word) in [
        (vec!["bot", "--role=emperor", "--email=a@example.com"], "It has: administrator, editor, author"),
        (vec!["bot", "--role=administrator", "--email=a@example.com"], "say --yes"),
        (vec!["bot", "--role=editor", "--email=a@example"], "no e-mail address"),
        (vec!["bot", "--role=editor", &its_own], "is that of user"),
        (vec!["böt", "--role=editor", "--email=a@example.com"], "not allowed in a login"),
        (vec!["", "--role=editor", "--email=a@example.com"], "it is empty"),
        (vec!["editor", "--role=author", &its_own], "has the role editor here, not author"),
        (vec!["editor", "--role=editor", &its_own, "--user-password=/dev/null"], "there is nothing"),
        (
            vec!["bot", "--role=editor", "--email=a@example.com", "--user-password=/dev/null"],
            "there is nothing",
        ),
        (vec!["bot", "--role=editor", "--email=a@example.com", "--allow=x"], "no route"),
        (vec!["bot", "--role=editor", "--email=a@example.com", "--overlap=1d"], "--overlap"),
        (
            vec!["bot", "--role=editor", "--email=a@example.com", "--out-file=/nonexistent/x"],
            "cannot be opened",
        ),
    ] {
        let done = tool().arg("provision").args(&arguments).output().unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(1) && stderr.contains(word), "{arguments:?}: {stderr}");
        assert!(done.stdout.is_empty(), "{arguments:?}");
        assert!(std::fs::read(&database).unwrap() == before, "{arguments:?}");
    }
    // The sandbox has one administrator.
    let email = "--email=admin@sandbox.invalid";
    for (verb, words) in [
        (vec!["deprovision", "admin"], "is the only one who can change the site itself"),
        (
            vec!["provision", "admin", "--role=editor", "--set-role", email],
            "can change the site itself now, nobody else can",
        ),
    ] {
        let done = tool().args(&verb).output().unwrap();
        assert!(String::from_utf8_lossy(&done.stderr).contains(words), "{done:?}");
        assert!(std::fs::read(&database).unwrap() == before, "{verb:?}");
    }
    let nobody = tool().args(["deprovision", "nobody-here"]).output().unwrap();
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("Invalid user login: 'nobody-here'"));

    // In the words that people see.
    let made = tool()
        .args(["provision", "ci-bot", "--role=editor", "--email=ci@example.com", "--name=Deploys"])
        .output()
        .unwrap();
    let shown = String::from_utf8_lossy(&made.stdout);
    let mut lines = shown.lines();
    let first = lines.next().unwrap();
    assert!(
        first.starts_with("Success: Made user ") && first.ends_with(" (ci-bot) with the role editor."),
        "{shown}"
    );
    assert!(
        shown.contains("Created application password 'Deploys' of user") && shown.contains("Password: "),
        "{shown}"
    );
    let set = output(tool().args([
        "provision",
        "ci-bot",
        "--role=author",
        "--email=ci@example.com",
        "--name=Deploys",
        "--set-role",
    ]));
    assert!(
        set.contains("(ci-bot) has the role author now.")
            && set.contains("has an application password named 'Deploys'"),
        "{set}"
    );
    let json = output(tool().args([
        "provision",
        "ci-bot",
        "--role=author",
        "--email=ci@example.com",
        "--name=Deploys",
        "--json",
    ]));
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["action"], "none");
    let last = tool().args(["deprovision", "admin", "--yes"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&last.stderr).contains("Nobody is left who can change the site"),
        "{last:?}"
    );
    let other = tool().args(["deprovision", "editor", "--yes"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&other.stderr).contains("Nobody is left"), "{other:?}");
}

#[test]
fn more_than_the_role_is_told_and_power_is_not_taken_without_a_word() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp71", "wp71-sqlite"] {
        let site = rig.site(name);
        let login = login("cap");
        let _gone = Gone(rig, site, login.clone());
        rig.wp_eval(
            site,
            &format!(
                "$user = new WP_User( wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => 'x', 'user_email' => '{login}@example.com', 'role' => 'subscriber' ) ) );
                 $user->add_cap( 'manage_options' ); return true;"
            ),
        );
        let state = format!(
            "$user = get_user_by( 'login', '{login}' );
             return array( $user->roles, user_can( $user, 'manage_options' ), count( WP_Application_Passwords::get_user_application_passwords( $user->ID ) ) );"
        );
        // Capabilities of its own are more than the role.
        let before = rig.wp_eval(site, &state);
        for more in [&["--role=subscriber"][..], &["--role=author", "--set-role"]] {
            let done = provision(site, &login, more).output().unwrap();
            let stderr = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.code() == Some(1) && stderr.contains("(manage_options)"), "{name}: {stderr}");
            assert!(done.stdout.is_empty() && rig.wp_eval(site, &state) == before, "{name}");
        }
        output(&mut provision(site, &login, &["--role=subscriber", "--yes"]));
        assert_eq!(rig.wp_eval(site, &state), json!([["subscriber"], true, 1]), "{name}");

        // An administrator stays one unless somebody says so.
        rig.wp_eval(
            site,
            &format!(
                "$user = get_user_by( 'login', '{login}' ); $user->remove_cap( 'manage_options' ); $user->set_role( 'administrator' ); return true;"
            ),
        );
        let done = provision(site, &login, &["--role=subscriber", "--set-role"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(
            done.status.code() == Some(1) && stderr.contains("could not with the role"),
            "{name}: {stderr}"
        );
        assert_eq!(rig.wp_eval(site, &state), json!([["administrator"], true, 1]), "{name}");
        output(&mut provision(site, &login, &["--role=subscriber", "--set-role", "--yes"]));
        assert_eq!(rig.wp_eval(site, &state), json!([["subscriber"], false, 1]), "{name}");

        // Nor is that power by another name: who edits users or installs plugins has all of it.
        let role = format!("r{}", login.replace('-', ""));
        rig.wp_eval(
            site,
            &format!(
                "add_role( '{role}', 'Keeper', array( 'read' => true, 'edit_users' => true ) );
                 get_user_by( 'login', '{login}' )->set_role( '{role}' ); return true;"
            ),
        );
        let set = provision(site, &login, &["--role=subscriber", "--set-role"]).output().unwrap();
        let undone = site.tool().args(["deprovision", &login]).output().unwrap();
        rig.wp_eval(site, &format!("remove_role( '{role}' ); return true;"));
        for done in [set, undone] {
            let stderr = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.code() == Some(1) && stderr.contains("can change the site itself"),
                "{name}: {stderr}"
            );
        }
    }
}

#[test]
fn addresses_are_stored_as_wordpress_stores_them() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp71", "wp71-sqlite"] {
        let site = rig.site(name);
        let (ours, theirs) = (login("our"), login("their"));
        let _gone = (Gone(rig, site, ours.clone()), Gone(rig, site, theirs.clone()));
        let address = format!("--email=a&'{ours}@example.com");
        let made = |login: &str| {
            rig.wp_eval(site, &format!("return get_user_by( 'login', '{login}' )->user_email;"))
        };
        rig.wp_eval(
            site,
            &format!(
                "return wp_insert_user( wp_slash( array( 'user_login' => '{theirs}', 'user_pass' => 'x', 'user_email' => \"a&'{theirs}@example.com\" ) ) );"
            ),
        );
        for _ in 0..2 {
            output(site.tool().args(["provision", &ours, "--role=editor", &address]));
        }
        let expected = made(&theirs).as_str().unwrap().replace(&theirs, &ours);
        assert_eq!(made(&ours), json!(expected), "{name}");
    }
}

#[test]
fn the_journal_tells_of_both() {
    let home = tempfile::tempdir().unwrap();
    let journal = home.path().join("journal");
    let tool = |arguments: &[&str]| {
        let mut command = rig::binary();
        command.arg("--sandbox").env("HOME", home.path()).env("WP_APP_PASSWORD_SYSLOG", "");
        output(command.arg(format!("--journal={}", journal.display())).args(arguments))
    };
    tool(&["provision", "ci-bot", "--role=editor", "--email=ci@example.com", "--porcelain"]);
    tool(&["provision", "ci-bot", "--role=author", "--email=ci@example.com", "--set-role"]);
    tool(&["deprovision", "ci-bot"]);
    let text = std::fs::read_to_string(&journal).unwrap();
    let actions: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["action"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(actions, ["create-user", "create", "deliver", "set-role", "revoke", "remove-role"], "{text}");
}
