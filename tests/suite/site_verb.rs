//! Finding the site as a user sees it: `site`, `--wp-config`, `--env-file`, and WP-CLI's own files.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::fixture::{Fixture, SqliteFixture};
use crate::rig;

const STOCK: &str = "<?php
define( 'DB_NAME', 'blog' );
define( 'DB_USER', 'blogger' );
define( 'DB_PASSWORD', 'hunter2' );
define( 'DB_HOST', 'db.example.com:3307' );
define( 'DB_CHARSET', 'utf8mb4' );
$table_prefix = 'x_';
require_once ABSPATH . 'wp-settings.php';
";

/// Folders and files below a temporary one.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.write(path, text.as_bytes());
        }
        tree
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.0.path().canonicalize().unwrap().join(path)
    }

    fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// The program, started in one of the folders.
    fn command(&self, folder: &str, arguments: &[&str]) -> Command {
        let mut command = rig::binary();
        command.args(arguments).current_dir(self.path(folder)).env("HOME", self.path("home"));
        command
    }

    fn run(&self, folder: &str, arguments: &[&str]) -> Output {
        self.command(folder, arguments).output().unwrap()
    }

    /// What `site --format=json` says.
    fn site(&self, folder: &str, arguments: &[&str]) -> Value {
        let output =
            self.command(folder, &[&["site", "--format=json"], arguments].concat()).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn setting<'j>(site: &'j Value, name: &str) -> (&'j Value, &'j str) {
    let setting = &site["settings"][name];
    (&setting["value"], setting["state"].as_str().unwrap_or_else(|| panic!("no {name}")))
}

#[test]
fn a_lone_file_is_shown_without_a_database() {
    let tree = Tree::new(&[("files/config.php", STOCK), ("home/x", "")]);
    let site = tree.site("home", &["--wp-config", tree.path("files/config.php").to_str().unwrap()]);
    assert_eq!(setting(&site, "DB_NAME"), (&"blog".into(), "known"));
    assert_eq!(setting(&site, "table_prefix"), (&"x_".into(), "known"));
    assert_eq!(setting(&site, "DB_PASSWORD"), (&"(hidden)".into(), "known"));
    assert_eq!(setting(&site, "DB_COLLATE"), (&Value::Null, "undefined"));
    assert_eq!(setting(&site, "memcached_servers"), (&Value::Null, "undefined"));
    let source = site["settings"]["DB_HOST"]["source"].as_str().unwrap();
    assert!(source.ends_with("files/config.php:5"), "{source}");
    assert_eq!(site["database"], "mysql://blogger@db.example.com:3307/blog");
    assert_eq!((&site["root"], &site["problem"]), (&Value::Null, &Value::Null));
    let shown = tree.site("files", &["--wp-config=config.php", "--show-secrets"]);
    assert_eq!(setting(&shown, "DB_PASSWORD").0, "hunter2");
    for format in ["table", "yaml"] {
        let output = tree.run("files", &["site", "--wp-config=config.php", &format!("--format={format}")]);
        let text = stdout(&output);
        assert!(text.contains("DB_NAME") && text.contains("blog") && !text.contains("hunter2"), "{text}");
    }
}

#[test]
fn a_table_says_what_led_to_the_files() {
    let tree = Tree::new(&[
        ("above/wp-config.php", STOCK),
        ("above/wp/wp-load.php", ""),
        ("above/wp/deep/x", ""),
        ("elsewhere/conf.php", STOCK),
        ("elsewhere/wp-cli.yml", "path: ../above/wp\n"),
        ("home/x", ""),
    ]);
    let rows = |cwd: &str, arguments: &[&str]| {
        let shown = stdout(&tree.run(cwd, &[&["site"], arguments].concat()));
        let of = |name: &str| {
            let line = shown.lines().find(|line| line.starts_with(&format!("{name}\t"))).unwrap_or_default();
            line.rsplit('\t').next().unwrap_or_default().to_owned()
        };
        (of("root"), of("wp-config.php"))
    };
    let pair = |root: &str, config: &str| (root.to_owned(), config.to_owned());
    assert_eq!(rows("above/wp", &[]), pair("the working directory", "the folder above the root"));
    assert_eq!(rows("above/wp/deep", &[]).0, "found upward");
    assert_eq!(rows("home", &["--path=../above/wp"]).0, "--path");
    assert_eq!(rows("home", &["--wp-config=../elsewhere/conf.php"]), pair("", "--wp-config"));
    let by_file = rows("elsewhere", &[]).0;
    assert!(by_file.starts_with("path in ") && by_file.ends_with("wp-cli.yml"), "{by_file}");
    // What names a file that is not there is told: another site's may be used in its place.
    let missing =
        tree.command("above/wp", &["site"]).env("WP_CONFIG_PATH", "/nonexistent/x.php").output().unwrap();
    assert!(
        stderr(&missing).contains("WP_CONFIG_PATH names /nonexistent/x.php, which is not there"),
        "{missing:?}"
    );
}

#[test]
fn what_only_the_web_server_knows_is_marked_and_refused() {
    let code = STOCK
        .replace("'blog'", "getenv('BLOG_DB') ?: 'fallback'")
        .replace("'x_'", "$_SERVER['HTTP_HOST'] === 'a.example' ? 'a_' : 'b_'");
    let tree = Tree::new(&[("root/wp-config.php", &code), ("root/wp-load.php", ""), ("home/x", "")]);
    let site = tree.site("root", &[]);
    assert_eq!(setting(&site, "DB_NAME"), (&"fallback".into(), "assumed"));
    assert_eq!(setting(&site, "table_prefix"), (&Value::Null, "unknown"));
    let reason = site["settings"]["table_prefix"]["reason"].as_str().unwrap();
    assert!(reason.contains("wp-config.php line 7") && reason.contains("--url"), "{reason}");
    assert!(site["problem"].as_str().unwrap().contains("BLOG_DB"), "{site}");
    let table = stdout(&tree.run("root", &["site"]));
    assert_eq!(table.matches("$_SERVER['HTTP_HOST'] depends on the request").count(), 1, "{table}");
    assert!(table.contains("wp-config.php:7: $_SERVER["), "{table}");
    let refused = stderr(&tree.run("root", &["list", "1", "--assume-env"]));
    assert!(
        refused.contains("Give the site's address with --url") && !refused.contains("--php"),
        "{refused}"
    );
    let refused = stderr(&tree.run("root", &["list", "1"]));
    for way in ["BLOG_DB", "--env-file", "--assume-env", "--db"] {
        assert!(refused.contains(way), "{refused}");
    }
    // With what the web server has, everything is certain.
    tree.write("env", b"BLOG_DB='real'\n");
    let site = tree.site("root", &["--env-file=../env", "--url=https://a.example/"]);
    assert_eq!(setting(&site, "DB_NAME"), (&"real".into(), "known"));
    assert_eq!(setting(&site, "table_prefix"), (&"a_".into(), "known"));
    assert_eq!(site["database"], "mysql://blogger@db.example.com:3307/real");
    // Later files win, and what none of them sets is not set.
    tree.write("more", b"BLOG_DB=two\0HOME=/x\0");
    let site = tree.site("root", &["--env-file=../env", "--env-file=../more", "--url=b.example"]);
    assert_eq!(setting(&site, "DB_NAME").0, "two");
    tree.write("none", b"# nothing\n");
    let site = tree.site("root", &["--env-file=../none", "--url=b.example"]);
    assert_eq!(setting(&site, "DB_NAME"), (&"fallback".into(), "known"));
    assert_eq!(site["problem"], Value::Null);
    // Accepting the fallback does not make it certain.
    let site = tree.site("root", &["--assume-env", "--url=b.example"]);
    assert_eq!(setting(&site, "DB_NAME"), (&"fallback".into(), "assumed"));
    assert_eq!(site["database"], "mysql://blogger@db.example.com:3307/fallback");
    tree.write("odd", b"A=1\nBLOG_DB=pa$word\n");
    let refused = stderr(&tree.run("root", &["list", "1", "--env-file=../odd"]));
    assert!(
        refused.contains("odd (--env-file)") && refused.contains("line 2") && !refused.contains("pa$"),
        "{refused}"
    );
}

#[test]
fn the_caches_settings_are_shown_and_their_passwords_hidden() {
    let extra = "define('WP_REDIS_CONFIG', ['host' => 'r', 'port' => 6380, 'password' => ['me', 's3cret']]);
define('WP_REDIS_HOST', '10.0.0.1'); define('WP_REDIS_PASSWORD', 's3cret'); define('WP_REDIS_TIMEOUT', 2.5);
define('WP_REDIS_SERVERS', ['tcp://10.0.0.1:6379?password=s3cret', 'tcp://10.0.0.2:6379']);
$redis_server = ['host' => '127.0.0.1', 'auth' => 's3cret', 'database' => 3];
$memcached_servers = ['default' => ['10.0.0.3:11211']];
require_once";
    let tree = Tree::new(&[("c.php", &STOCK.replace("require_once", extra))]);
    let site = tree.site(".", &["--wp-config=c.php"]);
    let value = |name: &str| site["settings"][name]["value"].to_string();
    assert_eq!(value("WP_REDIS_CONFIG"), r#"{"host":"r","port":6380,"password":["(hidden)","(hidden)"]}"#);
    assert_eq!(value("WP_REDIS_TIMEOUT"), "2.5");
    assert_eq!(value("WP_REDIS_SERVERS"), r#"["(hidden)","tcp://10.0.0.2:6379"]"#);
    assert_eq!(value("redis_server"), r#"{"host":"127.0.0.1","auth":"(hidden)","database":3}"#);
    assert_eq!(value("memcached_servers"), r#"{"default":["10.0.0.3:11211"]}"#);
    let table = tree.run(".", &["site", "--wp-config=c.php"]);
    let debug = tree.run(".", &["list", "1", "--wp-config=c.php", "--debug"]);
    for text in [stdout(&table), stderr(&debug)] {
        assert!(
            text.contains("WP_REDIS_HOST") && !text.contains("s3cret") && !text.contains("hunter2"),
            "{text}"
        );
    }
    let shown = tree.site(".", &["--wp-config=c.php", "--show-secrets"]);
    assert_eq!(shown["settings"]["WP_REDIS_CONFIG"]["value"]["password"][1], "s3cret");
}

#[test]
fn bytes_that_json_cannot_hold_are_not_replaced() {
    let tree = Tree::new(&[]);
    tree.write("c.php", b"<?php define('DB_PASSWORD', \"p\xe4ss\"); define('DB_NAME', 'n'); define('DB_HOST', 'h'); $table_prefix = 'p_';");
    let site = tree.site(".", &["--wp-config=c.php", "--show-secrets"]);
    assert_eq!(site["settings"]["DB_PASSWORD"]["value"]["base64"], "cORzcw==");
}

#[test]
fn a_named_database_is_shown_too() {
    let fixture = SqliteFixture::new();
    let output = rig::binary().args(["site", "--format=json", "--db", &fixture.url()]).output().unwrap();
    let site: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(site["database"], fixture.url());
    assert_eq!(site["settings"]["table_prefix"]["source"], "default");
    let password = rig::binary()
        .args(["site", "--format=json", "--db=mysql://u:hunter2@127.0.0.1:1/d"])
        .output()
        .unwrap();
    assert!(
        stdout(&password).contains("mysql://u@127.0.0.1:1/d".replace('/', "\\/").as_str()),
        "{password:?}"
    );
    assert!(!stdout(&password).contains("hunter2") && !stderr(&password).contains("hunter2"));
    assert_eq!(password.status.code(), Some(0));
}

/// A WordPress on SQLite in `folder`, in the state of the golden fixture.
fn sqlite_site(tree: &Tree, folder: &str) {
    let fixture = SqliteFixture::new();
    let file = fixture.url().trim_start_matches("sqlite:").to_owned();
    tree.write(&format!("{folder}/wp-load.php"), b"");
    tree.write(&format!("{folder}/wp-config.php"), STOCK.replace("x_", "wp_").as_bytes());
    tree.write(
        &format!("{folder}/wp-content/db.php"),
        b"<?php define( 'SQLITE_DB_DROPIN_VERSION', '1.8.0' );",
    );
    tree.write(&format!("{folder}/wp-content/database/.ht.sqlite"), &fs::read(Path::new(&file)).unwrap());
}

#[test]
fn wp_clis_files_name_the_site_and_the_defaults() {
    let tree = Tree::new(&[
        (
            "project/wp-cli.yml",
            "path: web/wp\nuser application-password list:\n  format: csv\n  fields: [name, app_id]\n  0: admin\nrequire:\n  - x.php\n",
        ),
        ("project/src/x", ""),
        ("home/.wp-cli/config.yml", "quiet: true\npath: /nowhere\n"),
    ]);
    sqlite_site(&tree, "project/web/wp");
    let from_below = tree.run("project/src", &["list", "4"]);
    assert_eq!(stdout(&from_below), "name,app_id\nsolo,\n", "{from_below:?}");
    // The command line wins.
    let json = tree.run("project/src", &["list", "4", "--format=json", "--fields=name"]);
    assert_eq!(stdout(&json), "[{\"name\":\"solo\"}]", "{json:?}");
    // A setting of the user's file, unless the command line says otherwise.
    let quiet = tree.run("project", &["revoke-all", "4"]);
    assert_eq!((stdout(&quiet).as_str(), quiet.status.code()), ("", Some(0)), "{quiet:?}");
    let loud = tree.run("project", &["delete", "5", "--all", "--no-quiet"]);
    assert!(stdout(&loud).starts_with("Success: "), "{loud:?}");
    let site = tree.site("project", &[]);
    assert_eq!(site["root"], tree.path("project/web/wp").to_str().unwrap());
    // One file of the project only, unless it inherits.
    tree.write("project/wp-cli.local.yml", b"user: nobody-here\n");
    let refused = tree.run("project", &["list", "4"]);
    assert!(
        stderr(&refused)
            .contains("This does not seem to be a WordPress installation.\nThe used path is: /nowhere/")
    );
    tree.write("project/wp-cli.local.yml", b"_:\n  inherit: wp-cli.yml\nuser: nobody-here\n");
    let refused = tree.run("project", &["list", "4"]);
    assert_eq!(stderr(&refused), "Error: Invalid user ID, email or login: 'nobody-here'\n");
    // A database that is named has nothing to do with the project.
    let sandbox = tree.run("project", &["--sandbox", "list", "1", "--format=count", "--no-quiet"]);
    assert_eq!(sandbox.status.code(), Some(0), "{sandbox:?}");
}

#[test]
fn an_alias_names_a_site_and_the_command_line_beats_it() {
    let tree = Tree::new(&[
        (
            "wp-cli.yml",
            "path: /nowhere\nurl: http://file.example\n@prod:\n  path: sites/prod\n  url: https://${env.SHOP}.example\n@far:\n  ssh: me@host.example\n@both:\n  - @prod\n  - @far\n@names:\n  user: nobody-here\n  path: sites/prod\n",
        ),
        ("home/x", ""),
    ]);
    sqlite_site(&tree, "sites/prod");
    sqlite_site(&tree, "sites/other");
    let run = |arguments: &[&str]| tree.command("home", arguments).env("SHOP", "shop").output().unwrap();
    assert_eq!(stdout(&run(&["@prod", "list", "4", "--field=name"])), "solo\n");
    assert_eq!(stdout(&run(&["list", "4", "--field=name", "--alias=prod"])), "solo\n");
    let root = |arguments: &[&str]| {
        let output = run(&[arguments, &["site", "--format=json"]].concat());
        let site: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        site["root"].as_str().unwrap().to_owned()
    };
    assert_eq!(root(&["@prod"]), tree.path("sites/prod").to_str().unwrap());
    let other = tree.path("sites/other");
    let flag = format!("--path={}", other.display());
    assert_eq!(root(&["@prod", &flag]), other.to_str().unwrap());
    // An alias is as good as a flag: it beats the variable, and clashes with --db.
    let output = tree
        .command("home", &["@prod", "list", "4", "--field=name"])
        .env("WP_APP_PASSWORD_DB", "sqlite:/nowhere")
        .output()
        .unwrap();
    assert_eq!(stdout(&output), "solo\n");
    for (arguments, sentence) in [
        (&["@prod", "--sandbox", "list", "1"][..], "--sandbox and @prod each name a site"),
        (&["@prdo", "list", "1"], "Error: Alias 'prdo' not found.\nDid you mean 'prod'?\n"),
        (&["@far", "list", "1"], "@far is reached over SSH (me@host.example). This program does not connect"),
        (&["@both", "list", "1"], "@both is a group of aliases. Run this program once for each site"),
        (&["@all", "list", "1"], "@all stands for every registered alias. Run this program once"),
        (&["@names", "list", "1"], "Invalid user ID, email or login: 'nobody-here'"),
    ] {
        let output = run(arguments);
        assert!(stderr(&output).contains(sentence) && output.status.code() == Some(1), "{output:?}");
    }
    let none = Tree::new(&[("home/x", "")]);
    let output = none.run("home", &["@all", "list", "1"]);
    assert_eq!(stderr(&output), "Error: Cannot use 'all' when no aliases are registered.\n");
}

#[test]
fn files_that_send_commands_elsewhere_or_switch_them_off_are_obeyed() {
    let tree = Tree::new(&[("far/wp-cli.yml", "ssh: me@host.example\n"), ("home/x", "")]);
    let output = tree.run("far", &["list", "1"]);
    assert!(
        stderr(&output).contains("wp-cli.yml says ssh: me@host.example. This program does not connect"),
        "{output:?}"
    );
    assert_eq!(tree.run("far", &["--sandbox", "list", "1"]).status.code(), Some(0));
    tree.write("off/wp-cli.yml", b"disabled_commands:\n  - user application-password delete\n  - eval\n");
    let output = tree.run("off", &["--sandbox", "delete", "1", "--all"]);
    assert_eq!(
        stderr(&output),
        "Error: The 'user application-password delete' command has been disabled from the config file.\n"
    );
    assert_eq!(tree.run("off", &["--sandbox", "list", "1"]).status.code(), Some(0));
}

#[test]
fn the_search_for_a_file_ends_at_the_second_wordpress() {
    let tree = Tree::new(&[("outer/wp-cli.yml", "quiet: true\n"), ("home/x", "")]);
    sqlite_site(&tree, "outer");
    sqlite_site(&tree, "outer/inner");
    let inner = tree.run("outer/inner", &["delete", "4", "--all"]);
    assert!(stdout(&inner).starts_with("Success: "), "{inner:?}");
    let outer = tree.run("outer", &["delete", "4", "--all"]);
    assert_eq!((stdout(&outer).as_str(), outer.status.code()), ("", Some(0)), "{outer:?}");
}

/// A folder that WordPress runs from, with the files of a site of the rig and a configuration of its own.
fn real_root(tree: &Tree, folder: &str) -> Option<(&'static rig::Rig, &'static rig::Site)> {
    let rig = rig::require()?;
    let site = rig.site("wp71");
    tree.write(&format!("{folder}/x"), b"");
    for entry in fs::read_dir(&site.path).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let target = tree.path(folder).join(&name);
        if entry.path().is_dir() {
            std::os::unix::fs::symlink(entry.path(), target).unwrap();
        } else if name != "wp-config.php" {
            // Copied, so that PHP finds the root where the copy lies.
            fs::copy(entry.path(), target).unwrap();
        }
    }
    Some((rig, site))
}

/// From `--path` to a password that WordPress, loaded with the same configuration, accepts.
fn authenticates(
    tree: &Tree,
    root: &str,
    (rig, site): (&rig::Rig, &rig::Site),
    env: &[(&str, &str)],
    arguments: &[&str],
) {
    let path = format!("--path={}", tree.path(root).display());
    let run = |verb: &[&str]| tree.run("home", &[&[path.as_str()], arguments, verb].concat());
    let _in_use = site.in_use.read().unwrap_or_else(std::sync::PoisonError::into_inner);
    let name = format!("{root} {}", std::process::id());
    let output = run(&["create", "admin", &name, "--porcelain"]);
    assert!(output.status.success(), "{output:?}");
    let password = stdout(&output).trim().to_owned();
    let code = format!(
        "add_filter( 'application_password_is_api_request', '__return_true' );
         $user = wp_authenticate_application_password( null, 'admin', '{password}' );
         return is_wp_error( $user ) ? $user : array( $user->ID, DB_NAME );"
    );
    let answer = rig.wp_eval_in(&tree.path(root), &site.url, env, &code);
    assert_eq!(answer, serde_json::json!([1, "wp71"]), "{root}");
    let uuid = stdout(&run(&["list", "admin", "--field=uuid", &format!("--name={name}")]));
    let deleted = run(&["delete", "admin", uuid.trim()]);
    assert!(deleted.status.success(), "{deleted:?}");
    let answer = rig.wp_eval_in(&tree.path(root), &site.url, env, &code);
    assert_eq!(answer["error"], "incorrect_password", "{root}");
}

/// The `wp-config.php` of a case in `tests/wp-config/`.
fn of_case(name: &str) -> String {
    let file = format!("{}/tests/wp-config/{name}.case", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(file).unwrap().split("=== file wp-config.php\n").nth(1).unwrap().to_owned()
}

#[test]
fn the_installers_own_file_leads_to_a_password_that_works() {
    let tree = Tree::new(&[("home/x", "")]);
    let Some(real) = real_root(&tree, "root") else { return };
    // As the installer fills it in.
    let sample = fs::read_to_string(tree.path("root/wp-config-sample.php")).unwrap();
    let host = format!("{}:{}", real.0.mariadb.host, real.0.mariadb.port);
    let config = sample
        .replace("database_name_here", "wp71")
        .replace("username_here", "wp")
        .replace("password_here", &real.0.mariadb.users["wp"])
        .replace("'localhost'", &format!("'{host}'"))
        .replace("require_once ABSPATH", "define( 'WP_ENVIRONMENT_TYPE', 'local' );\nrequire_once ABSPATH");
    // WordPress looks one folder above, too.
    tree.write("wp-config.php", config.as_bytes());
    authenticates(&tree, "root", real, &[], &[]);
    fs::rename(tree.path("wp-config.php"), tree.path("root/wp-config.php")).unwrap();
    authenticates(&tree, "root", real, &[], &[]);
}

#[test]
fn debians_layout_leads_to_a_password_that_works() {
    let tree = Tree::new(&[("home/x", "")]);
    let Some(real) = real_root(&tree, "share/wordpress") else { return };
    let config = of_case("debian").replace("/etc/", "/../../etc/");
    tree.write("share/wordpress/wp-config.php", config.as_bytes());
    let of_site = format!(
        "<?php\ndefine('DB_NAME', 'wp71');\ndefine('DB_USER', 'wp');\ndefine('DB_PASSWORD', '{}');\n\
         define('DB_HOST', 'localhost:{}');\ndefine('WP_ENVIRONMENT_TYPE', 'local');\n",
        real.0.mariadb.users["wp"],
        real.0.mariadb.socket.display()
    );
    tree.write("etc/config-127.0.0.1.php", of_site.as_bytes());
    tree.write("etc/config-default.php", b"<?php define('DB_NAME', 'another');");
    let refused = tree.run("share/wordpress", &["list", "1"]);
    assert!(stderr(&refused).contains("--url"), "{refused:?}");
    authenticates(&tree, "share/wordpress", real, &[], &[&format!("--url={}", real.1.url)]);
}

#[test]
fn dockers_file_leads_to_a_password_that_works() {
    let tree = Tree::new(&[("home/x", "")]);
    let Some(real) = real_root(&tree, "root") else { return };
    tree.write("root/wp-config.php", of_case("docker").as_bytes());
    tree.write("secret", format!("{}\n", real.0.mariadb.users["wp"]).as_bytes());
    let host = format!("{}:{}", real.0.mariadb.host, real.0.mariadb.port);
    let secret = tree.path("secret").display().to_string();
    let env = [
        ("WORDPRESS_DB_HOST", host.as_str()),
        ("WORDPRESS_DB_NAME", "wp71"),
        ("WORDPRESS_DB_USER", "wp"),
        ("WORDPRESS_DB_PASSWORD_FILE", secret.as_str()),
        ("WORDPRESS_CONFIG_EXTRA", "define( 'WP_ENVIRONMENT_TYPE', 'local' );"),
    ];
    // Without the container's environment nothing is certain.
    let refused = stderr(&tree.run("root", &["list", "1"]));
    assert!(refused.contains("WORDPRESS_DB_") && refused.contains("--env-file"), "{refused}");
    // As `env -0` or /proc/PID/environ hold it.
    let block: String = env.iter().map(|(name, value)| format!("{name}={value}\0")).collect();
    tree.write("environ", block.as_bytes());
    authenticates(&tree, "root", real, &env, &["--env-file=../environ"]);
}

#[test]
fn bedrocks_layout_leads_to_a_password_that_works() {
    let tree = Tree::new(&[("home/x", "")]);
    let Some(real) = real_root(&tree, "site/web/wp") else { return };
    let place = format!("{}:{}", real.0.mariadb.host, real.0.mariadb.port);
    let password = &real.0.mariadb.users["wp"];
    let env = format!(
        "# local\nDB_NAME='wp71'\nDB_USER=wp\nDB_PASSWORD=\"{password}\"\nDB_HOST='{place}'\nWP_ENV=development\n\
         WP_HOME=http://127.0.0.1\nWP_SITEURL=\"${{WP_HOME}}/wp\"\n"
    );
    let local = format!(
        "DATABASE_URL='mysql://wp:{password}@{place}/wp71'\nDB_NAME=nothing\nDB_HOST=nowhere.invalid\n"
    );
    for (file, text) in [
        ("site/.env", env.as_str()),
        ("site/vendor/autoload.php", BEDROCK_LIBRARIES),
        // With this version, getenv() shows what the file says, as the libraries above do.
        ("site/composer.json", r#"{"require": {"vlucas/phpdotenv": "^4.1"}}"#),
        ("site/config/application.php", BEDROCK_APPLICATION),
        (
            "site/config/environments/development.php",
            "<?php\nuse Roots\\WPConfig\\Config;\nConfig::define('WP_DEBUG_DISPLAY', false);\n",
        ),
        (
            "site/web/wp-config.php",
            "<?php\nrequire_once dirname(__DIR__) . '/vendor/autoload.php';\nrequire_once dirname(__DIR__) . '/config/application.php';\nrequire_once ABSPATH . 'wp-settings.php';\n",
        ),
        (
            "site/web/index.php",
            "<?php\ndefine('WP_USE_THEMES', true);\nrequire __DIR__ . '/wp/wp-blog-header.php';\n",
        ),
        ("site/wp-cli.yml", "path: web/wp\nserver:\n  docroot: web\n"),
    ] {
        tree.write(file, text.as_bytes());
    }
    std::os::unix::fs::symlink(real.1.path.join("wp-content"), tree.path("site/web/app")).unwrap();
    authenticates(&tree, "site/web/wp", real, &[], &[]);
    // The root is found from anywhere in the project.
    for folder in ["site", "site/web", "site/config/environments"] {
        assert_eq!(tree.site(folder, &[])["settings"]["DB_NAME"]["value"], "wp71", "{folder}");
    }
    tree.write("site/.env.local", local.as_bytes());
    authenticates(&tree, "site/web/wp", real, &[], &[]);
}

/// As much of phpdotenv, oscarotero/env and Roots' `Config` as this configuration needs, for PHP to run.
const BEDROCK_LIBRARIES: &str = r#"<?php
namespace Env {
    function env($name) {
        $value = $_ENV[$name] ?? null;
        return $value === 'true' ? true : ($value === 'false' ? false : $value);
    }
}
namespace Dotenv {
    class Dotenv {
        private $folder; private $names;
        public static function createImmutable($folder, $names, $stop) {
            $made = new self; $made->folder = $folder; $made->names = $names;
            return $made;
        }
        public function load() {
            $own = [];
            foreach ((array) $this->names as $name) {
                foreach (file("$this->folder/$name") as $line) {
                    if (!preg_match('/^([A-Z_]+)=(.*)$/', trim($line), $m)) continue;
                    if (isset($_ENV[$m[1]]) && !isset($own[$m[1]])) continue;
                    $own[$m[1]] = true;
                    $_ENV[$m[1]] = preg_replace_callback(
                        '/\$\{([A-Z_]+)\}/', fn($v) => $_ENV[$v[1]], trim($m[2], "'\""));
                }
            }
        }
        public function required($names) { return $this; }
    }
}
namespace Roots\WPConfig {
    class Config {
        private static $map = [];
        public static function define($name, $value) { self::$map[$name] = $value; }
        public static function get($name) { return self::$map[$name]; }
        public static function apply() {
            foreach (self::$map as $name => $value) { if (!defined($name)) define($name, $value); }
        }
    }
}
"#;

/// A configuration in the layout of Bedrock, as far as databases go.
const BEDROCK_APPLICATION: &str = r#"<?php
use Roots\WPConfig\Config;
use function Env\env;
$root_dir = dirname(__DIR__);
$webroot_dir = $root_dir . '/web';
if (file_exists($root_dir . '/.env')) {
    $env_files = file_exists($root_dir . '/.env.local') ? ['.env', '.env.local'] : ['.env'];
    $dotenv = Dotenv\Dotenv::createImmutable($root_dir, $env_files, false);
    $dotenv->load();
    if (!env('DATABASE_URL')) {
        $dotenv->required(['DB_NAME', 'DB_USER', 'DB_PASSWORD']);
    }
}
define('WP_ENV', env('WP_ENV') ?: 'production');
Config::define('WP_HOME', env('WP_HOME'));
Config::define('CONTENT_DIR', '/app');
Config::define('WP_CONTENT_DIR', $webroot_dir . Config::get('CONTENT_DIR'));
Config::define('WP_CONTENT_URL', Config::get('WP_HOME') . Config::get('CONTENT_DIR'));
if (env('DB_SSL')) {
    Config::define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL);
}
Config::define('DB_NAME', env('DB_NAME'));
Config::define('DB_USER', env('DB_USER'));
Config::define('DB_PASSWORD', env('DB_PASSWORD'));
Config::define('DB_HOST', env('DB_HOST') ?: 'localhost');
Config::define('DB_CHARSET', 'utf8mb4');
Config::define('DB_COLLATE', '');
$table_prefix = env('DB_PREFIX') ?: 'wp_';
if (env('DATABASE_URL')) {
    $dsn = (object) parse_url(env('DATABASE_URL'));
    Config::define('DB_NAME', substr($dsn->path, 1));
    Config::define('DB_USER', $dsn->user);
    Config::define('DB_PASSWORD', isset($dsn->pass) ? $dsn->pass : null);
    Config::define('DB_HOST', isset($dsn->port) ? "{$dsn->host}:{$dsn->port}" : $dsn->host);
}
Config::define('WP_ENVIRONMENT_TYPE', 'local');
$env_config = __DIR__ . '/environments/' . WP_ENV . '.php';
if (file_exists($env_config)) {
    require_once $env_config;
}
Config::apply();
if (!defined('ABSPATH')) {
    define('ABSPATH', $webroot_dir . '/wp/');
}
"#;

#[test]
fn php_evaluates_what_stays_unknown_and_the_request_stays_so() {
    if !Command::new("php").arg("--version").output().is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: php is missing, so --php was not tried");
        return;
    }
    let code = STOCK
        .replace("<?php", "<?php echo 'noise';")
        .replace("'blog'", "soundex('blog')")
        .replace("'hunter2'", "\"p\\xe4ss\"")
        .replace("'x_'", "isset($_SERVER['HTTP_HOST']) ? 'web_' : 'cli_'")
        .replace("'utf8mb4'", "getenv('BLOG_CHARSET') ?: 'utf8'")
        .replace("require_once", "require __DIR__ . '/more.php';\nrequire_once");
    let tree = Tree::new(&[
        ("root/wp-config.php", &code),
        ("root/wp-load.php", ""),
        (
            "root/more.php",
            "<?php @file_put_contents(__DIR__ . '/written', 'x'); define('MULTISITE', is_dir(__DIR__) && !is_file(__DIR__ . '/none'));",
        ),
        ("root/wp-settings.php", "<?php file_put_contents(__DIR__ . '/loaded', 'x');"),
        ("home/x", ""),
    ]);
    let plain = tree.site("root", &["--url=a.example"]);
    assert_eq!(setting(&plain, "DB_NAME"), (&Value::Null, "unknown"));
    assert!(plain["problem"].as_str().unwrap().contains("--php"), "{plain}");
    let site = tree.site("root", &["--php", "--allow-root", "--show-secrets", "--url=a.example"]);
    assert_eq!(setting(&site, "DB_NAME"), (&"B420".into(), "known"));
    assert_eq!(site["settings"]["DB_PASSWORD"]["value"]["base64"], "cORzcw==");
    assert_eq!(setting(&site, "table_prefix"), (&"web_".into(), "known"));
    assert_eq!(setting(&site, "MULTISITE"), (&true.into(), "known"));
    // What the web server's environment may change, PHP knows no better.
    assert_eq!(setting(&site, "DB_CHARSET"), (&"utf8".into(), "assumed"));
    // On the command line PHP sees no host; that is not an answer.
    let site = tree.site("root", &["--php", "--allow-root"]);
    assert_eq!(setting(&site, "table_prefix"), (&Value::Null, "unknown"));
    assert!(!tree.path("root/loaded").exists() && !tree.path("root/written").exists());
    if rustix::process::geteuid().is_root() {
        let refused = tree.run("root", &["list", "1", "--php"]);
        assert!(
            stderr(&refused).contains("as root") && stderr(&refused).contains("--allow-root"),
            "{refused:?}"
        );
    }
    tree.write("root/wp-config.php", b"<?php die('no');");
    let output = tree.run("root", &["list", "1", "--php", "--allow-root"]);
    assert!(stderr(&output).contains("names no database"), "{output:?}");
}

#[test]
fn a_stock_configuration_is_evaluated_in_less_than_a_millisecond() {
    use wp_app_password::site::php::{Input, evaluate};
    let tree = Tree::new(&[("wp-config.php", of_case("stock").as_str())]);
    let env = wp_app_password::site::Environment::default();
    let input = Input {
        file: tree.path("wp-config.php"),
        root: Some(tree.path("")),
        working_dir: tree.path(""),
        env: &env,
        url: None,
        limited_to_owner: None,
        databases: None,
    };
    let best = (0..200)
        .map(|_| {
            let start = std::time::Instant::now();
            evaluate(&input).unwrap();
            start.elapsed()
        })
        .min()
        .unwrap();
    eprintln!("a stock wp-config.php is evaluated in {best:?}");
    assert!(best < std::time::Duration::from_millis(1), "{best:?}");
}
