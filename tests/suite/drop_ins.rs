//! The test sites' drop-in, and our names for cache entries, against what the real drop-ins did.
//!
//! `tests/vectors/object_cache_drop_ins.json` is a recording: each drop-in's own code ran in WordPress 7.1, an
//! entry was set through `wp_cache_set()`, and the name that appeared on the server was noted (`stored`); a
//! sequence of requests and calls was watched on the server (`sent`). `FLUSH` stands for Memcached's number.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use redis::Commands;
use serde_json::Value;
use wp_app_password::wordpress::object_cache::{
    Entry, KeyFormat, Scope, StoredKey, memcached_flush_key, of_in_use_flag, of_user_meta,
};

use crate::rig::{self, Rig, Site};

fn recordings() -> Vec<Value> {
    serde_json::from_str(include_str!("../vectors/object_cache_drop_ins.json")).unwrap()
}

/// One line of `stored`: the site's number, group, key, and the name, which is missing where nothing was stored.
struct Stored {
    blog: u64,
    group: String,
    key: String,
    name: Option<String>,
}

fn stored(recording: &Value) -> Vec<Stored> {
    let lines = recording["stored"].as_array().unwrap();
    assert!(lines.len() >= 15);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    lines
        .iter()
        .map(|line| Stored {
            blog: line[0].as_u64().unwrap(),
            group: text(&line[1]).unwrap(),
            key: text(&line[2]).unwrap(),
            name: text(&line[3]),
        })
        .collect()
}

/// Settings that take a group out of the shared ones, or into them; the names then are others.
fn regroups(recording: &Value) -> bool {
    let settings = recording["settings"].as_object().unwrap();
    settings.keys().any(|name| name.ends_with("_GROUPS") && name != "WP_REDIS_USE_CACHE_GROUPS")
}

fn format(recording: &Value) -> KeyFormat {
    let field = |name: &str| recording[name].as_str().unwrap_or_default().to_owned();
    let digits = recording["settings"]["WP_SQLITE_OBJECT_CACHE_INTKEY_LENGTH"].as_str().unwrap_or("6");
    match field("format").as_str() {
        "redis-cache" => KeyFormat::RedisObjectCache { prefix: field("prefix") },
        "wp-redis" => KeyFormat::WpRedis { salt: field("salt"), hashes: false },
        "wp-redis-groups" => KeyFormat::WpRedis { salt: field("salt"), hashes: true },
        "memcached" => KeyFormat::Memcached { salt: field("salt") },
        "sqlite" => KeyFormat::SqliteObjectCache { digits: digits.parse().unwrap() },
        other => panic!("{other}"),
    }
}

fn text(key: StoredKey) -> String {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match key {
        StoredKey::Plain(name) => text(name),
        StoredKey::Field { hash, field } => format!("{} {}", text(hash), text(field)),
    }
}

#[test]
fn what_we_delete_is_what_the_real_drop_ins_stored() {
    let mut compared = BTreeSet::new();
    for recording in recordings().iter().filter(|recording| !regroups(recording)) {
        let multisite = recording["network"].as_bool().unwrap();
        let format = format(recording);
        let what = format!("{} {}", recording["name"], recording["settings"]);
        let mut entries = of_user_meta(1);
        entries.extend(of_user_meta(1_000_000));
        entries.extend(of_in_use_flag(multisite.then_some(1)));
        let stored = stored(recording);
        for entry in entries {
            let scope = |blog_id| Scope {
                table_prefix: recording["table_prefix"].as_str().unwrap().to_owned(),
                multisite,
                blog_id,
                shared_users: recording["settings"]["CUSTOM_USER_META_TABLE"].is_string(),
            };
            let lines: Vec<&Stored> =
                stored.iter().filter(|line| (&*line.group, &line.key) == (entry.group, &entry.key)).collect();
            assert!(!lines.is_empty(), "{what}: {entry:?} was not recorded");
            for line in lines {
                let Entry { group, key } = &entry;
                let ours: Vec<String> =
                    format.stored(&entry, &scope(line.blog), "FLUSH").into_iter().map(text).collect();
                let theirs = line.name.as_ref().unwrap();
                assert!(ours.contains(theirs), "{what}: {group} {key}: {ours:?}, not {theirs:?}");
                if let KeyFormat::Memcached { salt } = &format {
                    let number = memcached_flush_key(salt, group, &scope(1));
                    let number = Value::from(String::from_utf8(number).unwrap());
                    assert!(recording["sent"].as_array().unwrap().contains(&number), "{what}: {number}");
                }
                compared.insert((what.clone(), multisite, line.blog, line.group.clone(), line.key.clone()));
            }
        }
    }
    assert!(compared.len() > 200, "{}", compared.len());
}

/// Which recording has the settings that `tests/rig/sites.sh` gives this site.
fn recording_of(site: &Site) -> Value {
    let (format, setting) = match site.name.as_str() {
        "wp71-redis" => ("redis-cache", None),
        "wp71-redis-network" => ("redis-cache", Some(("WP_REDIS_PREFIX", "'net:'"))),
        "wp71-wpredis" => ("wp-redis-groups", Some(("WP_CACHE_KEY_SALT", "'shop'"))),
        "wp71-memcached" => ("memcached", Some(("WP_CACHE_KEY_SALT", "'mem'"))),
        other => panic!("what are the settings of {other}?"),
    };
    let found = recordings().into_iter().find(|recording| {
        let settings = &recording["settings"];
        recording["format"] == format
            && recording["network"] == site.multisite
            && recording["table_prefix"] == site.prefix.as_str()
            && match setting {
                Some((name, value)) => settings[name] == value,
                None => settings.as_object().unwrap().is_empty(),
            }
    });
    found.unwrap_or_else(|| panic!("no recording for {}", site.name))
}

/// The body of a PHP function that does `each` for every line, its site switched to.
fn for_each(site: &Site, lines: &[&Stored], each: &str) -> String {
    let list: Vec<String> = lines
        .iter()
        .map(|line| format!("array( {}, '{}', '{}' )", line.blog, line.group, line.key))
        .collect();
    let switch = if site.multisite { "switch_to_blog( $blog );" } else { "" };
    format!(
        "$answers = array(); foreach ( array( {} ) as [ $blog, $group, $key ] ) {{ {switch} $answers[] = {each}; }} return $answers;",
        list.join(", ")
    )
}

/// Memcached's number for a group of the test site, as the server has it.
fn memcached_get(rig: &Rig, key: &str) -> Option<String> {
    let mut server = TcpStream::connect(("127.0.0.1", rig.memcached.port)).unwrap();
    write!(server, "get {key}\r\n").unwrap();
    let mut lines = BufReader::new(server).lines().map(Result::unwrap);
    let first = lines.next().unwrap();
    if first == "END" {
        return None;
    }
    assert!(first.starts_with("VALUE "), "{first}");
    lines.next()
}

/// Whether the site's server has an entry of this name, `FLUSH` and all.
fn is_on_the_server(rig: &Rig, site: &Site, name: &str, group: &str) -> bool {
    let open = |address: String| redis::Client::open(address).unwrap().get_connection().unwrap();
    match site.name.as_str() {
        "wp71-redis" => open(format!("redis://127.0.0.1:{}/1", rig.redis.port)).exists(name).unwrap(),
        "wp71-redis-network" => {
            open(format!("redis://wp:acl-secret@127.0.0.1:{}/0", rig.redis_secure.port)).exists(name).unwrap()
        }
        "wp71-wpredis" => {
            let (hash, field) = name.split_once(' ').unwrap();
            open(format!("redis://127.0.0.1:{}/2", rig.redis.port)).hexists(hash, field).unwrap()
        }
        "wp71-memcached" => {
            let shared = ["user_meta", "userlogins"].contains(&group);
            let of = if shared { "WP_Object_Cache_global" } else { "WP_Object_Cache" };
            let number = memcached_get(rig, &format!("mem:_:wp_:{of}:flush_number_v4")).expect("a number");
            let number = number.trim_start_matches("i:").trim_end_matches(';');
            memcached_get(rig, &name.replace("FLUSH", number)).is_some()
        }
        other => panic!("where does {other} keep its entries?"),
    }
}

#[test]
fn the_drop_in_of_the_test_sites_names_entries_as_the_real_ones_do() {
    let Some(rig) = rig::require() else { return };
    for site in &rig.cached_sites {
        let recording = recording_of(site);
        let lines = stored(&recording);
        let all: Vec<&Stored> = lines.iter().collect();
        let ours = rig.wp_eval(
            site,
            &for_each(
                site,
                &all,
                "implode( ' ', (array) $GLOBALS['wp_object_cache']->name( $key, $group ) )",
            ),
        );
        let ours: Vec<String> = ours
            .as_array()
            .unwrap()
            .iter()
            .map(|name| {
                let name = name.as_str().unwrap();
                let mut parts: Vec<&str> = name.split(':').collect();
                for part in &mut parts {
                    if recording["format"] == "memcached"
                        && part.len() == 16
                        && part.bytes().all(|byte| byte.is_ascii_digit())
                    {
                        *part = "FLUSH";
                    }
                }
                parts.join(":")
            })
            .collect();
        let theirs: Vec<&str> = lines.iter().map(|line| line.name.as_deref().unwrap()).collect();
        assert_eq!(ours, theirs, "{}", site.name);
    }
}

/// Entries that WordPress itself never makes, so that no other test sees them.
#[test]
fn the_drop_in_of_the_test_sites_stores_under_the_names_that_the_real_ones_use() {
    let Some(rig) = rig::require() else { return };
    for site in &rig.cached_sites {
        let recording = recording_of(site);
        let lines = stored(&recording);
        let own: Vec<&Stored> = lines
            .iter()
            .filter(|line| ["1000000", "two words", "a:b", "a:b c"].contains(&&*line.key))
            .collect();
        assert!(own.len() >= 4);
        let there = |line: &Stored| is_on_the_server(rig, site, line.name.as_deref().unwrap(), &line.group);
        rig.wp_eval(site, &for_each(site, &own, "wp_cache_delete( $key, $group )"));
        for line in &own {
            assert!(!there(line), "{} {:?} is there before", site.name, line.name);
        }
        let set = rig.wp_eval(site, &for_each(site, &own, "wp_cache_set( $key, 'x', $group )"));
        assert!(set.as_array().unwrap().iter().all(|set| set == true), "{}: {set}", site.name);
        for line in &own {
            assert!(there(line), "{} {:?} is not there", site.name, line.name);
        }
        rig.wp_eval(site, &for_each(site, &own, "wp_cache_delete( $key, $group )"));
        for line in &own {
            assert!(!there(line), "{} {:?} is still there", site.name, line.name);
        }
    }
}

/// What a request, a creation, a deletion and the flag's setting ask the server for.
#[test]
fn the_sites_requests_ask_for_the_entries_that_the_real_drop_ins_ask_for() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-redis");
    // Nobody empties the cache meanwhile.
    let _others_wait = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let recording = recording_of(site);
    let sent: BTreeSet<&str> =
        recording["sent"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
    let password = rig.wp_eval(
        site,
        "return WP_Application_Passwords::create_new_application_password( 1, array( 'name' => 'drop-ins-' . uniqid() ) )[0];",
    );
    let status = site.get("/wp-json/wp/v2/users/me", "admin", password.as_str().unwrap()).status;
    assert_eq!(status, 200);
    let mut server = redis::Client::open(format!("redis://127.0.0.1:{}/1", rig.redis.port))
        .unwrap()
        .get_connection()
        .unwrap();
    for name in ["wp:user_meta:1", "wp:users:1", "wp:userlogins:admin", "wp:options:alloptions"] {
        assert!(sent.contains(name), "the real one does not use {name}");
        assert!(server.exists::<_, bool>(name).unwrap(), "{name}");
    }
}
