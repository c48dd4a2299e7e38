//! Persistent object caches: exit code 0 means that WordPress goes by what was written.
//!
//! On WordPress 7.1 with a drop-in that names its entries as Redis Object Cache, WP Redis or Memcached does, on
//! real servers: `tests/rig/php/object-cache.php`.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use redis::Commands;

use crate::rig::{self, Rig, Site, Template};

const ME: &str = "/wp-json/wp/v2/users/me";

fn person(rig: &Rig, site: &Site) -> (u64, String) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let login = format!("cached-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let id = rig.wp_eval(
        site,
        &format!(
            "return wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => wp_generate_password(),
                'user_email' => '{login}@example.com', 'role' => 'author' ) );"
        ),
    );
    (id.as_u64().unwrap_or_else(|| panic!("{login}: {id}")), login)
}

/// The end of a run that must succeed and say nothing else.
#[track_caller]
fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn failed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{command:?}: {output:?}");
    assert_eq!(output.stdout, b"", "{command:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn create(site: &Site, login: &str, name: &str) -> String {
    stdout(site.tool().args(["create", login, name, "--porcelain"])).trim_end().to_owned()
}

fn uuids(site: &Site, login: &str) -> Vec<String> {
    let ids = stdout(site.tool().args(["list", login, "--format=ids", "--orderby=created", "--order=asc"]));
    ids.split(' ').filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn status(site: &Site, login: &str, password: &str) -> u16 {
    site.get(ME, login, password).status
}

macro_rules! on_every_cached_site {
    ($($module:ident = $site:literal,)*) => {
        const SITES: &[&str] = &[$($site),*];
        $(mod $module {
            on_cached_site!($site,
                what_the_database_lost_still_works_without_us,
                a_revoke_is_a_revoke_and_a_new_password_works_at_once,
                of_the_requests_after_a_revoke_not_one_succeeds,
                a_missing_flag_that_is_remembered_is_forgotten,
            );
        })*
    };
}

macro_rules! on_cached_site {
    ($site:literal, $($test:ident,)*) => {
        $(#[test]
        fn $test() {
            let Some(rig) = crate::rig::require() else { return };
            super::$test(rig, rig.site($site));
        })*
    };
}

on_every_cached_site! {
    redis_object_cache = "wp71-redis",
    redis_object_cache_with_tls_on_a_network = "wp71-redis-network",
    wp_redis_with_cache_groups = "wp71-wpredis",
    memcached = "wp71-memcached",
}

#[test]
fn no_cached_site_of_the_rig_is_forgotten() {
    let Some(rig) = rig::require() else { return };
    let known: BTreeSet<&str> = rig.cached_sites.iter().map(|site| site.name.as_str()).collect();
    assert_eq!(known, SITES.iter().copied().collect());
}

/// The trap that the others show to be avoided: it has to be there.
fn what_the_database_lost_still_works_without_us(rig: &Rig, site: &Site) {
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (id, login) = person(rig, site);
    let password = create(site, &login, "Stale");
    assert_eq!(status(site, &login, &password), 200);
    assert_eq!(status(site, &login, &password), 200);
    let database =
        site.db.rsplit('/').find_map(|part| part.split('?').next().filter(|name| name.starts_with("wp71")));
    let empty = format!(
        "UPDATE {}usermeta SET meta_value = 'a:0:{{}}' WHERE user_id = {id} AND meta_key = '_application_passwords'",
        site.prefix
    );
    rig.sql(&rig.mariadb, database.expect("a name"), &empty);
    assert_eq!(status(site, &login, &password), 200, "{}: the cache is not used", site.name);
    // And it is over when the tool looks, although there is nothing left to remove.
    stdout(site.tool().args(["revoke-all", &login]));
    assert_eq!(status(site, &login, &password), 401, "{}", site.name);
}

fn a_revoke_is_a_revoke_and_a_new_password_works_at_once(rig: &Rig, site: &Site) {
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (_, login) = person(rig, site);
    let first = create(site, &login, "First");
    assert_eq!(status(site, &login, &first), 200);
    let second = create(site, &login, "Second");
    assert_eq!((status(site, &login, &second), status(site, &login, &first)), (200, 200));

    let ids = uuids(site, &login);
    stdout(site.tool().args(["delete", &login, &ids[0]]));
    assert_eq!((status(site, &login, &first), status(site, &login, &second)), (401, 200));
    let listed = rig.wp_eval(
        site,
        &format!("return count( WP_Application_Passwords::get_user_application_passwords( get_user_by( 'login', '{login}' )->ID ) );"),
    );
    assert_eq!(listed, 1);

    stdout(site.tool().args(["update", &login, &ids[1], "--name=Renamed"]));
    let name = rig.wp_eval(
        site,
        &format!("return array_values( WP_Application_Passwords::get_user_application_passwords( get_user_by( 'login', '{login}' )->ID ) )[0]['name'];"),
    );
    assert_eq!(name, "Renamed");
    stdout(site.tool().args(["revoke-all", &login]));
    assert_eq!(status(site, &login, &second), 401);
    assert!(!site.xmlrpc(&login, &second).is_xmlrpc_answer());
}

/// Five users, ten rounds each: requests at full speed while their passwords are revoked.
fn of_the_requests_after_a_revoke_not_one_succeeds(rig: &Rig, site: &Site) {
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    const USERS: usize = 5;
    const ROUNDS: usize = 10;
    let people: Vec<_> = (0..USERS).map(|_| person(rig, site).1).collect();
    let (mut requests, mut late) = (0, 0);
    std::thread::scope(|scope| {
        let runs: Vec<_> = people
            .iter()
            .map(|login| {
                scope.spawn(move || {
                    let (mut requests, mut late) = (0, 0);
                    for round in 0..ROUNDS {
                        let password = create(site, login, &format!("Round {round}"));
                        let ended = AtomicBool::new(false);
                        std::thread::scope(|scope| {
                            let stream = scope.spawn(|| {
                                let mut seen = (0, 0);
                                loop {
                                    let after = ended.load(Ordering::SeqCst);
                                    let status = status(site, login, &password);
                                    seen.0 += 1;
                                    seen.1 += u32::from(after && status == 200);
                                    // A few more after the end.
                                    if after {
                                        seen.0 += 1;
                                        seen.1 += u32::from(self::status(site, login, &password) == 200);
                                        return seen;
                                    }
                                }
                            });
                            std::thread::sleep(Duration::from_millis(100));
                            let ids = uuids(site, login);
                            let output = site.tool().args(["delete", login, &ids[0]]).output().unwrap();
                            assert!(output.status.success(), "{}: {output:?}", site.name);
                            ended.store(true, Ordering::SeqCst);
                            let seen = stream.join().unwrap();
                            requests += seen.0;
                            late += seen.1;
                        });
                    }
                    (requests, late)
                })
            })
            .collect();
        for run in runs {
            let (some, too_late) = run.join().unwrap();
            requests += some;
            late += too_late;
        }
    });
    println!(
        "{}: {} revokes during {requests} requests, {late} accepted after the end",
        site.name,
        USERS * ROUNDS
    );
    assert_eq!(late, 0, "{}", site.name);
}

/// WordPress remembers in its cache that the option is not there.
fn a_missing_flag_that_is_remembered_is_forgotten(rig: &Rig, site: &Site) {
    let _alone = site.in_use.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (_, login) = person(rig, site);
    // Others on this site go on: the flag is off for a moment, in the cache of this one process.
    let remembered = rig.wp_eval(
        site,
        "return array( delete_network_option( get_main_network_id(), 'using_application_passwords' ),
            WP_Application_Passwords::is_in_use() );",
    );
    assert_eq!(remembered[1], false, "{remembered}");
    let password = create(site, &login, "After the flag");
    assert_eq!(status(site, &login, &password), 200, "{}", site.name);
}

/// A site whose cache does not answer: nothing is added, and a revocation is written but no success.
#[test]
fn a_cache_that_does_not_answer_stops_an_addition_before_and_a_revocation_after() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-redis");
    // What it flushes, others look at.
    let _alone = site.in_use.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (_, login) = person(rig, site);
    let password = create(site, &login, "Kept");
    assert_eq!(status(site, &login, &password), 200);
    let config = std::fs::read_to_string(site.path.join("wp-config.php")).unwrap();
    let port = format!("'WP_REDIS_PORT', {}", rig.redis.port);
    assert!(config.contains(&port));
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("wp-config.php");
    std::fs::write(&elsewhere, config.replace(&port, "'WP_REDIS_PORT', 1")).unwrap();
    let tool = || {
        let mut command = site.tool();
        command.arg(format!("--wp-config={}", elsewhere.display()));
        command
    };
    let message = failed(tool().args(["create", &login, "New"]));
    assert!(message.contains("Redis Object Cache (") && message.contains("127.0.0.1:1"), "{message}");
    assert!(message.contains("Nothing was changed") && message.contains("--after-write"), "{message}");
    assert_eq!(uuids(site, &login).len(), 1);

    let gone = uuids(site, &login).remove(0);
    let message = failed(tool().args(["delete", &login, "--all"]));
    assert!(message.contains("may still work until the cache is flushed"), "{message}");
    assert_eq!(uuids(site, &login).len(), 0);
    assert_eq!(status(site, &login, &password), 200, "WordPress goes by its cache: the sentence is true");

    // The same again has nothing to delete, and must not end as if all were well.
    let message = failed(tool().args(["delete", &login, &gone]));
    assert!(message.contains("may still work until the cache is flushed"), "{message}");

    // What the message says to do.
    let flush = format!("redis-cli -p {} -n 1 flushdb", rig.redis.port);
    let done = tool().args(["delete", &login, "--all", &format!("--after-write={flush}")]).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(done.stdout, b"Success: Deleted all application passwords.\n");
    assert_eq!(status(site, &login, &password), 401);
}

/// Entries by hand, in the caches that `--cache` names.
#[test]
fn the_command_line_can_name_the_cache_server() {
    let Some(rig) = rig::require() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.sqlite");
    rig.fresh_sqlite_database(Template::Sqlite, &file);
    let db = format!("--db=sqlite:{}", file.display());
    let secure = &rig.redis_secure;
    let url = |rest: &str| format!("redis+unix://{}?{rest}", secure.socket.as_ref().unwrap().display());
    let connect = |port: u16, db: i64, login: &str| {
        redis::Client::open(format!("redis://{login}127.0.0.1:{port}/{db}"))
            .unwrap()
            .get_connection()
            .unwrap()
    };
    let mut plain = connect(rig.redis.port, 7, "");
    let mut locked = connect(secure.port, 0, "wp:acl-secret@");
    // What a site that is visited has there.
    for name in
        ["wp:default:is_blog_installed", "shop:wp:default:is_blog_installed", "sdefault:is_blog_installed"]
    {
        let _: () = plain.set(name, "x").unwrap();
    }
    for name in ["wp:default:is_blog_installed", "saltedwp:default:is_blog_installed"] {
        let _: () = locked.set(name, "x").unwrap();
    }
    for (cache, key) in [
        (format!("redis://127.0.0.1:{}/7", rig.redis.port), "wp:user_meta:2"),
        (format!("redis://127.0.0.1:{}/7?prefix=shop%3A", rig.redis.port), "shop:wp:user_meta:2"),
        (format!("redis://127.0.0.1:{}?db=7&format=wp-redis&salt=s", rig.redis.port), "swp_user_meta:2"),
        (format!("redis+unix://{}?db=7", rig.redis.socket.as_ref().unwrap().display()), "wp:user_meta:2"),
    ] {
        let _: () = plain.set(key, "old").unwrap();
        stdout(rig::binary().args([&db, &format!("--cache={cache}"), "create", "2", "x", "--porcelain"]));
        let left: bool = plain.exists(key).unwrap();
        assert!(!left, "{cache}");
    }
    for cache in [
        format!("redis://:redis%20secret@127.0.0.1:{}", secure.port),
        format!("redis://wp:acl-secret@127.0.0.1:{}/0", secure.port),
        format!(
            "rediss://wp:acl-secret@127.0.0.1:{}?ca={}",
            secure.tls_port.unwrap(),
            rig.mariadb.ca.display()
        ),
    ] {
        let _: () = locked.set("wp:user_meta:2", "old").unwrap();
        let mut command = rig::binary();
        command.args([&db, "create", "2", "x", "--porcelain"]).env("WP_APP_PASSWORD_CACHE", &cache);
        stdout(&mut command);
        let left: bool = locked.exists("wp:user_meta:2").unwrap();
        assert!(!left, "{cache}");
    }
    let mut command = rig::binary();
    let cache = format!("redis://wp:acl-secret@127.0.0.1:{}/0?prefix=salted", secure.port);
    command.args([&db, "update", "2", "no-such", "--name=x", "--debug"]).env("WP_APP_PASSWORD_CACHE", &cache);
    let told = failed(&mut command);
    assert!(told.contains(&format!("Redis at 127.0.0.1:{}", secure.port)), "{told}");
    assert!(!told.contains("acl-secret") && !told.contains("salted"), "{told}");
    // A prefix that is nobody's; wrong password, unknown authority, no password at all: refused before anything is
    // written.
    let count = || stdout(rig::binary().args([&db, "list", "2", "--format=count"]));
    let before = count();
    for cache in [
        format!("redis://127.0.0.1:{}/7?prefix=nobody", rig.redis.port),
        url(""),
        format!("redis://wp:wrong-secret@127.0.0.1:{}", secure.port),
        format!("rediss://wp:acl-secret@127.0.0.1:{}", secure.tls_port.unwrap()),
        format!("memcached://127.0.0.1:{}", secure.port),
    ] {
        let message = failed(rig::binary().args([&db, &format!("--cache={cache}"), "create", "2", "x"]));
        assert!(message.contains("Nothing was changed"), "{message}");
        assert!(!message.contains("secret@") && !message.contains("wrong-secret"), "{message}");
    }
    assert_eq!(count(), before);
    // Memcached, by hand.
    let mut memcached = std::net::TcpStream::connect(("127.0.0.1", rig.memcached.port)).unwrap();
    let mut say = |text: &str| {
        use std::io::{Read, Write};
        memcached.write_all(text.as_bytes()).unwrap();
        let mut answer = [0; 512];
        let count = memcached.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..count]).into_owned()
    };
    say("set byhand:_:wp_:WP_Object_Cache_global:flush_number_v4 0 0 2\r\n42\r\n");
    say("set byhand:42:wp_:user_meta:2 0 0 3\r\nold\r\n");
    let cache = format!("--cache=memcached://127.0.0.1:{}?salt=byhand", rig.memcached.port);
    stdout(rig::binary().args([&db, &cache, "create", "2", "x", "--porcelain"]));
    assert_eq!(say("get byhand:42:wp_:user_meta:2\r\n"), "END\r\n");
}

/// The files of a site on SQLite, as far as they are looked at; its configuration is the test's.
fn sqlite_site(rig: &Rig) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let content = root.path().join("wp-content");
    std::fs::create_dir_all(content.join("database")).unwrap();
    rig.fresh_sqlite_database(Template::Sqlite, &content.join("database/.ht.sqlite"));
    std::fs::write(root.path().join("wp-load.php"), "<?php").unwrap();
    std::fs::write(content.join("db.php"), "<?php define( 'SQLITE_DB_DROPIN_VERSION', '1.8.0' );").unwrap();
    root
}

#[test]
fn a_sqlite_object_cache_is_told() {
    let Some(rig) = rig::require() else { return };
    let root = sqlite_site(rig);
    let content = root.path().join("wp-content");
    std::fs::write(
        content.join("object-cache.php"),
        "<?php\n/**\n * Plugin Name: SQLite Object Cache (Drop-in)\n */\n",
    )
    .unwrap();
    std::fs::write(
        root.path().join("wp-config.php"),
        "<?php\ndefine( 'DB_NAME', 'wordpress' );\ndefine( 'WP_CACHE_KEY_SALT', 'a b!1' );\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n",
    )
    .unwrap();
    let caches: Vec<_> = [".ht.object-cache.ab1.sqlite", ".ht.object-cache.ab1-a.sqlite"]
        .iter()
        .map(|name| {
            let cache = rusqlite::Connection::open(content.join(name)).unwrap();
            cache
                .execute_batch(
                    "CREATE TABLE object_cache (name TEXT NOT NULL PRIMARY KEY COLLATE BINARY, expires INT, value BLOB) WITHOUT ROWID;
                     INSERT INTO object_cache VALUES ('user_meta|' || char(31) || '0000002', 9, 'old'), ('options|notoptions', 9, 'old'),
                         ('user_meta|' || char(31) || '0000003', 9, 'other');",
                )
                .unwrap();
            cache
        })
        .collect();
    let path = format!("--path={}", root.path().display());
    stdout(rig::binary().args([&path, "create", "2", "x", "--porcelain"]));
    for cache in caches {
        let left: String =
            cache.query_row("SELECT group_concat(value) FROM object_cache", [], |row| row.get(0)).unwrap();
        assert_eq!(left, "other");
    }
}

#[test]
fn drop_ins_are_told_apart_and_what_is_not_known_is_not_written_past() {
    let Some(rig) = rig::require() else { return };
    let root = sqlite_site(rig);
    let content = root.path().join("wp-content");
    let config = |more: &str| {
        std::fs::write(
            root.path().join("wp-config.php"),
            format!("<?php\n{more}\ndefine( 'DB_NAME', 'w' );\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n"),
        )
        .unwrap();
    };
    let header = |name: &str| format!("<?php\n/*\nPlugin Name: {name}\n*/\n");
    let path = format!("--path={}", root.path().display());
    let run = |more: &[&str]| {
        rig::binary().arg(&path).args(["create", "2", "x", "--porcelain"]).args(more).output().unwrap()
    };
    for (code, more, said) in [
        ("<?php // somebody's own".to_owned(), "", "does not know this drop-in"),
        (header("Object Cache Pro (Drop-in)"), "", "Object Cache Pro"),
        (header("LiteSpeed Cache - Object Cache (Drop-in)"), "", "LiteSpeed Cache"),
        (header("Docket Cache Drop-in"), "", "Docket Cache"),
        ("<?php require W3TC_LIB_DIR . '/w3.php';".to_owned(), "", "wp w3-total-cache flush object"),
        ("<?php apcu_fetch( 'x' );".to_owned(), "", "each PHP server keeps it in its own memory"),
        ("<?php apcu_fetch( 'x' );".to_owned(), "", "restarts PHP-FPM"),
        (
            "<?php\n/*\nPlugin Name: Redis Object Cache\nVersion: 1.3.4\n*/\n".to_owned(),
            "",
            "how its version 1.3.4 names its entries is not known",
        ),
        (header("Redis Object Cache Drop-In"), "define( 'WP_REDIS_PREFIX', \"caf\\xe9:\" );", "is not UTF-8"),
        (
            header("Redis Object Cache Drop-In"),
            "define( 'WP_REDIS_HOST', '/no/such/redis.sock' ); define( 'WP_REDIS_PORT', 0 );",
            "/no/such/redis.sock",
        ),
        (
            header("WP Redis"),
            "$_SERVER['CACHE_HOST'] = '127.0.0.1'; $_SERVER['CACHE_PORT'] = 2;",
            "127.0.0.1:2",
        ),
        (
            header("Redis Object Cache Drop-In"),
            "define( 'WP_REDIS_CLUSTER', [ 'tcp://a:1' ] );",
            "WP_REDIS_CLUSTER",
        ),
        (header("Redis Object Cache Drop-In"), "define( 'WP_REDIS_SENTINEL', 'main' );", "WP_REDIS_SENTINEL"),
        (
            header("Redis Object Cache Drop-In"),
            "define( 'WP_REDIS_UNFLUSHABLE_GROUPS', [ 'x', 'user_meta' ] );",
            "WP_REDIS_UNFLUSHABLE_GROUPS",
        ),
        (
            header("Redis Object Cache Drop-In"),
            "define( 'WP_REDIS_HOST', getenv( 'REDIS_AT' ) ?: 'redis' );",
            "REDIS_AT",
        ),
        (header("WP Redis"), "$redis_server = [ 'host' => '127.0.0.1', 'port' => 1 ];", "127.0.0.1:1"),
    ] {
        std::fs::write(content.join("object-cache.php"), code).unwrap();
        config(more);
        let output = run(&[]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(1), &b""[..]), "{output:?}");
        assert!(message.contains(said) && message.contains("Nothing was changed"), "{said}: {message}");
        // Servers are proposed only where naming one helps.
        let kind = message.split(" (").next().unwrap_or_default();
        let helps = kind.ends_with("Redis Object Cache") || kind.ends_with("WP Redis");
        assert_eq!(message.contains("name its server"), helps, "{message}");
        for server in ["redis://127.0.0.1:1", "memcached://127.0.0.1:1"] {
            let named = run(&[&format!("--cache={server}")]);
            let told = String::from_utf8_lossy(&named.stderr);
            assert_eq!(named.status.code(), Some(1), "{said}: {named:?}");
            let names_entries = helps && server.starts_with("redis");
            assert!(names_entries || told.contains("--cache names a"), "{said}, {server}: {told}");
        }
        let denied = run(&["--no-cache"]);
        assert!(String::from_utf8_lossy(&denied.stderr).contains("--no-cache says"), "{said}: {denied:?}");
        assert!(run(&["--cache=ignore"]).status.success(), "{said}");
        assert!(run(&["--after-write=true"]).status.success(), "{said}");
    }
    // Switched off, it is no cache.
    std::fs::write(content.join("object-cache.php"), header("Redis Object Cache Drop-In")).unwrap();
    config("define( 'WP_REDIS_DISABLED', true );");
    assert!(run(&[]).status.success());
}

/// `--db` alone: the plugin that is active, and transients that are nowhere, speak for a cache.
#[test]
fn a_database_that_speaks_for_a_cache_is_not_written_past() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::InnoDb);
    let db = format!("--db={}", database.socket_url("wp"));
    let create = |more: &str| {
        let mut command = rig::binary();
        command.args([&db, "create", "2", "x", "--porcelain"]);
        command.args(Some(more).filter(|more| !more.is_empty()));
        command
    };
    stdout(&mut create(""));
    let next = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() + 3600;
    let set = |name: &str, value: &str| {
        database.sql(&format!(
            "DELETE FROM wp_options WHERE option_name = '{name}'; INSERT INTO wp_options (option_name, option_value, autoload) VALUES ('{name}', '{value}', 'yes')"
        ));
    };
    set("cron", &format!("a:1:{{i:{next};a:1:{{s:16:\"wp_version_check\";a:0:{{}}}}}}"));
    database.sql("DELETE FROM wp_options WHERE option_name LIKE '%transient%'");
    // On a site that was made today they may have to come yet.
    stdout(&mut create(""));
    database.sql("UPDATE wp_users SET user_registered = '2020-01-02 03:04:05'");
    let message = failed(&mut create(""));
    assert!(
        message.contains("no transients that are still valid") && message.contains("--no-cache"),
        "{message}"
    );
    let message = failed(rig::binary().args([&db, "revoke-all", "2", "--yes"]));
    assert!(
        message.contains("Revoked 2 application passwords of user 2 (editor1) in the database"),
        "{message}"
    );
    stdout(&mut create("--no-cache"));
    // What is left of the time before the cache.
    set("_site_transient_timeout_x", "1500000000");
    set("_site_transient_update_core", "O:8:\"stdClass\":1:{s:12:\"last_checked\";i:1500000000;}");
    let message = failed(&mut create(""));
    assert!(message.contains("no transients that are still valid"), "{message}");
    let now = next - 3600;
    set("_site_transient_timeout_x", &(now + 60).to_string());
    stdout(&mut create(""));
    set("_site_transient_timeout_x", "1500000000");
    set("_site_transient_update_core", &format!("O:8:\"stdClass\":1:{{s:12:\"last_checked\";i:{now};}}"));
    stdout(&mut create(""));
    set("active_plugins", "a:1:{i:0;s:35:\"litespeed-cache/litespeed-cache.php\";}");
    stdout(&mut create(""));
    set("litespeed.conf.object", "1");
    let message = failed(&mut create(""));
    assert!(message.contains("the plugin litespeed-cache is active"), "{message}");
    set("active_plugins", "a:1:{i:0;s:27:\"redis-cache/redis-cache.php\";}");
    let message = failed(&mut create(""));
    assert!(message.contains("the plugin redis-cache is active"), "{message}");
    stdout(&mut create("--cache=ignore"));
}

#[test]
fn the_command_after_a_write_hears_of_the_user_and_its_failure_counts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.sqlite");
    wp_app_password::store::sandbox::create(&file).unwrap();
    let heard = folder.path().join("heard");
    let tool = |arguments: &[&str]| {
        let mut command = rig::binary();
        command.arg(format!("--db=sqlite:{}", file.display())).args(arguments);
        command
    };
    let note = format!("--after-write=echo loud; echo \"$WP_APP_PASSWORD_USER_IDS\" >>'{}'", heard.display());
    let made = tool(&["create", "2", "x", "--porcelain", &note]).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    assert_eq!((made.stdout.len(), made.stderr.as_slice()), (25, &b"loud\n"[..]));
    let deleted = tool(&["delete", "2", "--all", &note]).output().unwrap();
    assert_eq!(deleted.stdout, b"Success: Deleted all application passwords.\n");
    assert_eq!(std::fs::read_to_string(&heard).unwrap(), "2\n2\n");

    let message = failed(&mut tool(&["create", "2", "x", "--after-write=exit 7"]));
    assert!(message.contains("exit 7") && message.contains("taken back"), "{message}");
    assert!(!message.contains("object cache"), "{message}");
    for nothing in ["--after-write=", "--after-write= "] {
        let message = failed(&mut tool(&["create", "2", "x", nothing]));
        assert!(message.contains("--after-write is empty"), "{message}");
    }
    // Its environment holds no password.
    let print = "--after-write=echo \"[$WP_APP_PASSWORD_DB$WP_APP_PASSWORD_CACHE]\"";
    let mut quiet = rig::binary();
    quiet
        .args(["delete", "2", "--all", print])
        .env("WP_APP_PASSWORD_DB", format!("sqlite:{}", file.display()));
    quiet.env("WP_APP_PASSWORD_CACHE", "ignore");
    assert_eq!(quiet.output().unwrap().stderr, b"[]\n");
    assert_eq!(stdout(&mut tool(&["list", "2", "--format=count"])), "0");
    stdout(&mut tool(&["create", "2", "x", "--porcelain"]));
    let id = stdout(&mut tool(&["list", "2", "--format=ids"]));
    let message = failed(&mut tool(&["update", "2", &id, "--name=y", "--after-write=exit 7"]));
    assert!(message.contains("Updated application password in the database, but the command"), "{message}");
    assert!(message.contains("exit 7") && !message.contains("object cache"), "{message}");
    let message = failed(&mut tool(&["delete", "2", "--all", "--after-write=exit 7"]));
    assert!(message.contains("Deleted all application passwords in the database"), "{message}");
    // There is no cache, so nothing may speak of one.
    assert!(message.contains("exit 7") && !message.contains("object cache"), "{message}");
    assert_eq!(stdout(&mut tool(&["list", "2", "--format=count"])), "0");
}

/// A list that WordPress read before our write and writes back after it, as a recorded use does.
#[test]
fn an_older_list_that_is_written_back_within_the_watch_is_put_right() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::InnoDb);
    let tool = |arguments: &[&str]| {
        let mut command = rig::binary();
        command.arg(format!("--db={}", database.socket_url("wp"))).args(arguments);
        command
    };
    let value = || {
        database.sql(
            "SELECT meta_value FROM wp_usermeta WHERE user_id = 2 AND meta_key = '_application_passwords'",
        )
    };
    // Waits until the value is another than `old`, and writes `old` back.
    let write_back = |old: &str| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while value() == old {
            assert!(Instant::now() < deadline, "nothing was written");
        }
        let old = old.trim_end().replace('\'', "''");
        database.sql(&format!(
            "UPDATE wp_usermeta SET meta_value = '{old}' WHERE user_id = 2 AND meta_key = '_application_passwords'"
        ));
    };
    let kept = stdout(&mut tool(&["create", "2", "Kept", "--porcelain"]));
    stdout(&mut tool(&["create", "2", "Goes", "--porcelain"]));
    let ids = stdout(&mut tool(&["list", "2", "--format=ids", "--name=Goes"]));

    let run = |arguments: &[&str], old: &str| {
        let mut command = tool(arguments);
        command.arg("--confirm=1");
        let output = std::thread::scope(|scope| {
            let run = scope.spawn(move || command.output().unwrap());
            write_back(old);
            run.join().unwrap()
        });
        assert!(output.status.success(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with("Warning: WordPress, or another program, wrote an older list"),
            "{stderr}"
        );
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["delete", "2", &ids], &value());
    assert_eq!(stdout(&mut tool(&["list", "2", "--field=name"])), "Kept\n");

    let printed = run(&["create", "2", "New", "--porcelain"], &value());
    let hashes = stdout(&mut tool(&["list", "2", "--field=password"]));
    for password in [printed.trim(), kept.trim()] {
        use wp_app_password::wordpress::password_hash::{Era, Verdict, verify};
        let found = hashes
            .lines()
            .any(|hash| verify(password.as_bytes(), hash.as_bytes(), Era::Since68) == Verdict::Match);
        assert!(found, "a printed password does not work");
    }
    assert_eq!(stdout(&mut tool(&["list", "2", "--format=count"])), "2");

    run(&["revoke-all", "2", "--yes"], &value());
    assert_eq!(stdout(&mut tool(&["list", "2", "--format=count"])), "0");

    // Nothing else is there: the new entry alone vanished, which is what a revocation of everything looks like.
    stdout(&mut tool(&["create", "2", "Kept", "--porcelain"]));
    let mut command = tool(&["create", "2", "New", "--porcelain", "--confirm=2"]);
    let old = value();
    let output = std::thread::scope(|scope| {
        let run = scope.spawn(move || command.output().unwrap());
        let deadline = Instant::now() + Duration::from_secs(20);
        while value() == old && Instant::now() < deadline {}
        stdout(&mut tool(&["delete", "2", "--all"]));
        run.join().unwrap()
    });
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("revoked this user's application passwords in the same moment"),
        "{output:?}"
    );
    assert_eq!(stdout(&mut tool(&["list", "2", "--format=count"])), "0");
}

/// Keys by hand on a Redis of the rig, beside a site with the drop-in of that header.
fn with_redis_site(
    rig: &Rig,
    database: i64,
    header: &str,
    settings: &str,
    check: impl FnOnce(&mut redis::Connection, &dyn Fn(&[&str]) -> Command),
) {
    let root = sqlite_site(rig);
    let content = root.path().join("wp-content");
    std::fs::write(content.join("object-cache.php"), format!("<?php\n/*\n{header}\n*/\n")).unwrap();
    let port = rig.redis.port;
    std::fs::write(
        root.path().join("wp-config.php"),
        format!(
            "<?php\ndefine( 'WP_REDIS_PORT', {port} );\ndefine( 'WP_REDIS_DATABASE', {database} );\n{settings}\n\
             define( 'DB_NAME', 'w' );\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n"
        ),
    )
    .unwrap();
    let mut redis = redis::Client::open(format!("redis://127.0.0.1:{port}/{database}"))
        .unwrap()
        .get_connection()
        .unwrap();
    redis::cmd("FLUSHDB").query::<()>(&mut redis).unwrap();
    let path = format!("--path={}", root.path().display());
    check(&mut redis, &|arguments| {
        let mut command = rig::binary();
        command.arg(&path).args(arguments);
        command
    });
    redis::cmd("FLUSHDB").query::<()>(&mut redis).unwrap();
}

#[test]
fn each_version_of_redis_object_cache_is_told_by_its_own_names() {
    let Some(rig) = rig::require() else { return };
    let shared =
        "define( 'CUSTOM_USER_TABLE', 'wp_users' ); define( 'CUSTOM_USER_META_TABLE', 'wp_usermeta' );";
    for (version, settings, name) in [
        ("Version: 1.3.5", "", "wp_:user_meta:2"),
        ("Version: 1.4.3", "define( 'WP_CACHE_KEY_SALT', 's' );", "swp_:user_meta:2"),
        ("Version: 1.6.3", shared, ":user_meta:2"),
        (" * Version: 2.6.3", shared, "wp:user_meta:2"),
        ("", "define( 'WP_CACHE_KEY_SALT', 's' );", "swp_:user_meta:2"),
        ("", "define( 'WP_REDIS_PREFIX', 'p' );", "pwp:user_meta:2"),
    ] {
        let header = format!("Plugin Name: Redis Object Cache Drop-In\n{version}");
        with_redis_site(rig, 8, &header, settings, |redis, tool| {
            let _: () = redis.set(name, "old").unwrap();
            for options in [
                "wp:default:is_blog_installed",
                "wp_:default:is_blog_installed",
                "swp_:default:is_blog_installed",
            ] {
                let _: () = redis.set(options, "x").unwrap();
            }
            let _: () = redis.set("pwp:default:is_blog_installed", "x").unwrap();
            let output = tool(&["create", "2", "x", "--porcelain"]).output().unwrap();
            assert!(output.status.success(), "{version} {settings}: {output:?}");
            let warned = String::from_utf8_lossy(&output.stderr).contains("another site uses them");
            assert_eq!(warned, settings == shared, "{output:?}");
            assert!(!redis.exists::<_, bool>(name).unwrap(), "{version} {settings}");
        });
    }
}

/// A prefix that only the web server's environment has: what is on the server is not this site's.
#[test]
fn a_cache_that_holds_nothing_of_the_site_is_not_taken_for_its_own() {
    let Some(rig) = rig::require() else { return };
    let header = "Plugin Name: Redis Object Cache Drop-In\nVersion: 2.6.3";
    with_redis_site(rig, 9, header, "", |redis, tool| {
        // Nothing at all: nothing can be stale.
        stdout(&mut tool(&["create", "2", "x", "--porcelain"]));
        for name in ["shop1:wp:default:is_blog_installed", "shop1:wp:user_meta:2"] {
            let _: () = redis.set(name, "x").unwrap();
        }
        let message = failed(&mut tool(&["create", "2", "x"]));
        assert!(
            message.contains("holds nothing of this site") && message.contains("Nothing was changed"),
            "{message}"
        );
        let message = failed(&mut tool(&["delete", "2", "--all"]));
        assert!(message.contains("may still work"), "{message}");
        let mut command = tool(&["delete", "2", "--all"]);
        stdout(command.env("WP_REDIS_PREFIX", "shop1:"));
        assert!(!redis.exists::<_, bool>("shop1:wp:user_meta:2").unwrap());
    });
    // WordPress's own configuration may set it for the drop-in.
    with_redis_site(rig, 9, header, "putenv( 'WP_REDIS_PREFIX=shop2:' );", |redis, tool| {
        for name in ["shop2:wp:default:is_blog_installed", "shop2:wp:user_meta:2"] {
            let _: () = redis.set(name, "x").unwrap();
        }
        stdout(&mut tool(&["create", "2", "x", "--porcelain"]));
        assert!(!redis.exists::<_, bool>("shop2:wp:user_meta:2").unwrap());
    });
}

#[test]
fn a_drop_in_that_cannot_be_looked_at_counts_as_a_cache() {
    let Some(rig) = rig::require() else { return };
    let root = sqlite_site(rig);
    let content = root.path().join("wp-content");
    std::os::unix::fs::symlink("object-cache.php", content.join("object-cache.php")).unwrap();
    std::fs::write(
        root.path().join("wp-config.php"),
        "<?php\ndefine( 'DB_NAME', 'w' );\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n",
    )
    .unwrap();
    let path = format!("--path={}", root.path().display());
    let message = failed(rig::binary().args([&path, "create", "2", "x"]));
    assert!(message.contains("whether it is there cannot be seen"), "{message}");
}

#[test]
fn ports_of_memcached_are_read_as_the_drop_in_reads_them_and_never_guessed() {
    let Some(rig) = rig::require() else { return };
    let root = sqlite_site(rig);
    let content = root.path().join("wp-content");
    std::fs::write(content.join("object-cache.php"), "<?php // flush_number_v4 WP_Object_Cache_global")
        .unwrap();
    std::fs::write(
        root.path().join("wp-config.php"),
        "<?php\n$memcached_servers = [ '127.0.0.1:3:1' ];\ndefine( 'DB_NAME', 'w' );\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n",
    )
    .unwrap();
    let path = format!("--path={}", root.path().display());
    let message = failed(rig::binary().args([&path, "create", "2", "x"]));
    assert!(message.contains("127.0.0.1:3 "), "{message}");
    for address in ["127.0.0.1:1,127.0.0.1:2", "127.0.0.1:2/0", "127.0.0.1:0", "127.0.0.1:x", "", "a,b"] {
        let cache = format!("--cache=memcached://{address}");
        let message = failed(rig::binary().args([&path, &cache, "create", "2", "x"]));
        assert!(message.contains("--cache cannot be read"), "{address}: {message}");
        assert!(!message.contains("(hidden)"), "{message}");
    }
}

/// A cache server that greets, and is silent when it is to delete.
#[test]
fn a_cache_that_falls_silent_does_not_hold_up_a_command_for_long() {
    use std::io::{Read, Write};
    let Some(rig) = rig::require() else { return };
    let root = sqlite_site(rig);
    let file = root.path().join("wp-content/database/.ht.sqlite");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let mut asked = [0; 4096];
                while let Ok(count @ 1..) = client.read(&mut asked) {
                    let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
                    if asked.contains("DEL") {
                        std::thread::sleep(Duration::from_secs(120));
                    }
                    let answer = if asked.contains("PING") {
                        "+PONG\r\n".to_owned()
                    } else {
                        "+OK\r\n".repeat(asked.matches('*').count())
                    };
                    if client.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    let began = Instant::now();
    let mut command = rig::binary();
    command.args(["create", "2", "x"]).env("WP_APP_PASSWORD_CACHE", format!("redis://127.0.0.1:{port}"));
    let message = failed(command.env("WP_APP_PASSWORD_DB", format!("sqlite:{}", file.display())));
    let took = began.elapsed();
    println!("a silent cache: {took:?}");
    assert!(
        message.contains("within") && message.contains("seconds") && message.contains("taken back"),
        "{message}"
    );
    assert!(took < Duration::from_secs(40), "{took:?}");
}

/// A signal between a password that is saved and one that is seen.
#[test]
fn a_signal_while_a_new_password_is_being_confirmed_takes_it_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.sqlite");
    wp_app_password::store::sandbox::create(&file).unwrap();
    let url = format!("sqlite:{}", file.display());
    let count =
        || stdout(rig::binary().args(["list", "2", "--format=count"]).env("WP_APP_PASSWORD_DB", &url));
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut command = rig::interruptible();
        command.args(["create", "2", "x", "--porcelain", "--confirm=20"]).env("WP_APP_PASSWORD_DB", &url);
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(15);
        while count() == "0" {
            assert!(Instant::now() < deadline, "nothing was written");
            std::thread::sleep(Duration::from_millis(20));
        }
        Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(code), &b""[..]), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("was taken back"), "{output:?}");
        assert_eq!(count(), "0");
    }
}
