//! Which persistent object cache a site has: its drop-in, `wp-content/object-cache.php`, and its settings.
//!
//! A drop-in is PHP code of somebody's; it is recognised by the header and the names that it contains, and only
//! those whose way of naming entries is known for sure get a [`Plan`]. Connects to nothing.

use std::path::{Path, PathBuf};

use super::address::percent_decode;
use super::php::Plain;
use super::{SiteError, root};
use crate::object_cache::{MemcachedServer, Plan, RedisPlace, RedisServer};
use crate::secret::DatabasePassword;
use crate::wordpress::object_cache::KeyFormat;

/// A persistent object cache, known or suspected.
#[derive(Debug, Clone)]
pub struct DropIn {
    /// What the user reads: `Redis Object Cache (/srv/www/wp-content/object-cache.php)`.
    pub name: String,
    /// `wp-content/object-cache.php`, where it is in sight.
    pub file: Option<PathBuf>,
    /// Its kind, where it was recognised.
    pub kind: Option<Kind>,
    /// How its entries are reached, or a clause that says why they are not.
    pub plan: Result<Plan, String>,
}

/// The drop-ins that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Redis Object Cache, by Till Krüss.
    RedisObjectCache,
    /// Object Cache Pro.
    ObjectCachePro,
    /// WP Redis, by Pantheon.
    WpRedis,
    /// Memcached, by Automattic, version 4.
    Memcached,
    /// SQLite Object Cache.
    SqliteObjectCache,
    /// LiteSpeed Cache.
    LiteSpeed,
    /// W3 Total Cache.
    W3TotalCache,
    /// Docket Cache.
    Docket,
    /// One that keeps entries in the memory of each PHP server (APCu).
    Apcu,
}

impl Kind {
    /// What its makers call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RedisObjectCache => "Redis Object Cache",
            Self::ObjectCachePro => "Object Cache Pro",
            Self::WpRedis => "WP Redis",
            Self::Memcached => "Memcached",
            Self::SqliteObjectCache => "SQLite Object Cache",
            Self::LiteSpeed => "LiteSpeed Cache",
            Self::W3TotalCache => "W3 Total Cache",
            Self::Docket => "Docket Cache",
            Self::Apcu => "an APCu object cache",
        }
    }

    /// Tells a drop-in by its header, else by the names that only its code has.
    fn of(code: &str) -> Option<Self> {
        let header =
            code.lines().take(40).find_map(|line| line.split_once("Plugin Name:")).map(|(_, n)| n.trim());
        let by_header = header.and_then(|name| {
            Some(match name {
                name if name.starts_with("Redis Object Cache") => Self::RedisObjectCache,
                name if name.starts_with("Object Cache Pro") || name.starts_with("Redis Cache Pro") => {
                    Self::ObjectCachePro
                }
                name if name.starts_with("WP Redis") => Self::WpRedis,
                name if name.starts_with("SQLite Object Cache") => Self::SqliteObjectCache,
                name if name.contains("LiteSpeed") => Self::LiteSpeed,
                name if name.contains("W3 Total Cache") => Self::W3TotalCache,
                name if name.contains("Docket Cache") => Self::Docket,
                name if name.contains("APCu") => Self::Apcu,
                _ => return None,
            })
        });
        let has = |name: &str| code.contains(name);
        by_header.or_else(|| {
            Some(if has("flush_number_v4") && has("WP_Object_Cache_global") {
                Self::Memcached
            } else if has("RedisCachePro") || has("WP_REDIS_CONFIG") {
                Self::ObjectCachePro
            } else if has("WP_REDIS_USE_CACHE_GROUPS") {
                Self::WpRedis
            } else if has("WP_SQLITE_OBJECT_CACHE_DB_FILE") {
                Self::SqliteObjectCache
            } else if has("LSCWP_OBJECT_CACHE") || has("LSOC_PREFIX") {
                Self::LiteSpeed
            } else if has("W3TC_") {
                Self::W3TotalCache
            } else if has("DOCKET_CACHE") {
                Self::Docket
            } else if has("apcu_fetch") {
                Self::Apcu
            } else {
                return None;
            })
        })
    }

    /// The command that empties it.
    pub const fn flush_command(self) -> &'static str {
        match self {
            Self::W3TotalCache => "wp w3-total-cache flush object",
            _ => "wp cache flush",
        }
    }
}

/// What `wp-config.php` and the environment say; errors are clauses.
pub(super) trait Settings {
    /// A constant's value; `None` if it is not defined.
    fn constant(&self, name: &str) -> Result<Option<Plain>, String>;
    /// A global variable's value.
    fn variable(&self, name: &str) -> Result<Option<Plain>, String>;
    /// `getenv()`
    fn environment(&self, name: &str) -> Option<String>;
}

/// Nothing but the content folder is known: `--db` named the database.
pub(super) struct NoSettings;

impl NoSettings {
    const REASON: &'static str = "its settings are in wp-config.php, which --db does not read";
}

impl Settings for NoSettings {
    fn constant(&self, _: &str) -> Result<Option<Plain>, String> {
        Err(Self::REASON.into())
    }
    fn variable(&self, _: &str) -> Result<Option<Plain>, String> {
        Err(Self::REASON.into())
    }
    fn environment(&self, _: &str) -> Option<String> {
        None
    }
}

/// The object cache of the site with this content folder; `None` if it has none, or one that its settings
/// switch off.
pub(super) fn find(content_dir: &Path, settings: &dyn Settings) -> Option<DropIn> {
    let file = content_dir.join("object-cache.php");
    if !file.exists() {
        return None;
    }
    let code = root::read_text(&file).unwrap_or_default();
    let kind = Kind::of(&code);
    let name = match kind {
        Some(kind) => format!("{} ({})", kind.name(), file.display()),
        None => file.display().to_string(),
    };
    let plan = match kind {
        Some(Kind::RedisObjectCache) => redis_object_cache(settings),
        Some(Kind::WpRedis) => wp_redis(settings),
        Some(Kind::Memcached) => memcached(settings),
        Some(Kind::SqliteObjectCache) => sqlite(content_dir, settings),
        Some(Kind::Apcu) => {
            Err("each PHP server keeps it in its own memory, which no other program reaches".into())
        }
        Some(Kind::ObjectCachePro | Kind::LiteSpeed | Kind::W3TotalCache | Kind::Docket) => {
            Err("how it names its entries is not known for sure".into())
        }
        None => Err("this program does not know this drop-in".into()),
    };
    let plan = match plan {
        Ok(None) => return None,
        Ok(Some(plan)) => Ok(plan),
        Err(reason) => Err(reason),
    };
    Some(DropIn { name, file: Some(file), kind, plan })
}

type Found = Result<Option<Plan>, String>;

/// Redis Object Cache, from 1.x to 2.x. Its constants win over its defaults; `WP_CACHE_KEY_SALT` is an older
/// name of the prefix.
fn redis_object_cache(settings: &dyn Settings) -> Found {
    if is_truthy(settings.constant("WP_REDIS_DISABLED")?.as_ref()) {
        return Ok(None);
    }
    for several in ["WP_REDIS_CLUSTER", "WP_REDIS_SENTINEL", "WP_REDIS_SERVERS", "WP_REDIS_SHARDS"] {
        if settings.constant(several)?.is_some() {
            return Err(format!(
                "it uses several Redis servers ({several}), which this program does not follow"
            ));
        }
    }
    // Such groups are no longer shared by a network's sites: each site then has entries of its own.
    if let Some(Plain::Array(groups)) = settings.constant("WP_REDIS_UNFLUSHABLE_GROUPS")?
        && groups.iter().any(|(_, group)| matches!(text(group).as_str(), "user_meta" | "site-options"))
    {
        return Err("WP_REDIS_UNFLUSHABLE_GROUPS changes how it names the entries of users".into());
    }
    let constant = |name: &str| Ok::<_, String>(settings.constant(name)?.as_ref().map(text));
    let scheme = constant("WP_REDIS_SCHEME")?.unwrap_or_else(|| "tcp".into()).to_ascii_lowercase();
    let host = constant("WP_REDIS_HOST")?.unwrap_or_else(|| "127.0.0.1".into());
    let place = match scheme.as_str() {
        "unix" => RedisPlace::Socket(constant("WP_REDIS_PATH")?.unwrap_or_default().into()),
        "tcp" | "tls" => {
            let (tls, host) = match host.split_once("://") {
                Some((scheme, host)) => (matches!(scheme, "tls" | "rediss" | "ssl"), host.to_owned()),
                None => (scheme != "tcp", host),
            };
            let ca = match settings.constant("WP_REDIS_SSL_CONTEXT")? {
                Some(context) if tls => {
                    if entry(&context, "verify_peer").is_some_and(|verify| !verify.is_truthy()) {
                        return Err("it does not check the Redis server's certificate \
                                    (WP_REDIS_SSL_CONTEXT), and this program always does"
                            .into());
                    }
                    entry(&context, "cafile").map(|file| PathBuf::from(text(file)))
                }
                _ => None,
            };
            RedisPlace::Tcp { host, port: port(settings.constant("WP_REDIS_PORT")?.as_ref(), 6379)?, tls, ca }
        }
        other => return Err(format!("WP_REDIS_SCHEME is {other:?}, which this program does not know")),
    };
    let (username, password) = login(settings.constant("WP_REDIS_PASSWORD")?.as_ref());
    // PHP's extension, which is used unless a client is named, never reads the user's name.
    let username = match (constant("WP_REDIS_USERNAME")?, constant("WP_REDIS_CLIENT")?) {
        (Some(given), Some(client)) if username.is_empty() && client.eq_ignore_ascii_case("predis") => given,
        _ => username,
    };
    let prefix = match constant("WP_REDIS_PREFIX")? {
        Some(prefix) => prefix,
        None => match settings.environment("WP_REDIS_PREFIX").filter(|prefix| prefix != "0") {
            Some(prefix) => prefix,
            None => match constant("WP_CACHE_KEY_SALT")? {
                Some(salt) => salt,
                // Cloudways: the application's name, where its servers say who may ask them.
                None if settings.environment("cw_allowed_ip").is_some() => {
                    settings.environment("HTTP_X_APP_USER").unwrap_or_default()
                }
                None => String::new(),
            },
        },
    };
    let prefix = prefix.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b']).to_owned();
    let database = number(settings.constant("WP_REDIS_DATABASE")?.as_ref());
    Ok(Some(Plan::Redis {
        server: RedisServer { place, username, password, database },
        keys: KeyFormat::RedisObjectCache { prefix },
    }))
}

/// WP Redis: the array `$redis_server`, else what Pantheon's environment says, else the local server.
fn wp_redis(settings: &dyn Settings) -> Found {
    if is_truthy(settings.constant("WP_REDIS_IGNORE_GLOBAL_GROUPS")?.as_ref()) {
        return Err("WP_REDIS_IGNORE_GLOBAL_GROUPS changes how it names its entries".into());
    }
    let salt = settings.constant("WP_CACHE_KEY_SALT")?.as_ref().map(text).unwrap_or_default();
    let hashes = is_truthy(settings.constant("WP_REDIS_USE_CACHE_GROUPS")?.as_ref());
    let given = settings.variable("redis_server")?.filter(Plain::is_truthy);
    let (host, port_number, login, database) = match (&given, settings.environment("CACHE_HOST")) {
        (Some(server), _) => (
            entry(server, "host").map(text).ok_or("$redis_server names no host")?,
            port(entry(server, "port"), 6379)?,
            login(entry(server, "auth")),
            number(entry(server, "database")),
        ),
        (None, Some(host)) => {
            let of = |name: &str| settings.environment(name).map(|value| Plain::Bytes(value.into_bytes()));
            (
                host,
                port(of("CACHE_PORT").as_ref(), 6379)?,
                login(of("CACHE_PASSWORD").as_ref()),
                number(of("CACHE_DB").as_ref()),
            )
        }
        (None, None) => ("127.0.0.1".into(), 6379, login(None), 0),
    };
    let place = if host.starts_with('/') {
        RedisPlace::Socket(host.into())
    } else {
        let (tls, host) = match host.split_once("://") {
            Some((scheme, host)) => (scheme != "tcp", host.to_owned()),
            None => (false, host),
        };
        RedisPlace::Tcp { host, port: port_number, tls, ca: None }
    };
    let (username, password) = login;
    Ok(Some(Plan::Redis {
        server: RedisServer { place, username, password, database },
        keys: KeyFormat::WpRedis { salt, hashes },
    }))
}

/// Memcached: `$memcached_servers`, a list of servers or of lists of them.
fn memcached(settings: &dyn Settings) -> Found {
    let salt = settings.constant("WP_CACHE_KEY_SALT")?.as_ref().map(text).unwrap_or_default();
    let mut servers = Vec::new();
    match settings.variable("memcached_servers")? {
        None | Some(Plain::Null) => servers.push(MemcachedServer::Tcp("127.0.0.1".into(), 11211)),
        Some(Plain::Array(entries)) => {
            for (_, value) in &entries {
                match value {
                    Plain::Array(inner) => {
                        for (_, server) in inner {
                            servers.push(memcached_server(&text(server)));
                        }
                    }
                    server => servers.push(memcached_server(&text(server))),
                }
            }
        }
        Some(_) => return Err("$memcached_servers is not a list".into()),
    }
    if servers.is_empty() {
        return Err("$memcached_servers names no server".into());
    }
    Ok(Some(Plan::Memcached { servers, salt }))
}

/// `host`, `host:port` or `unix:///path`.
pub(super) fn memcached_server(text: &str) -> MemcachedServer {
    if let Some(path) = text.strip_prefix("unix://") {
        return MemcachedServer::Socket(path.into());
    }
    match text.split_once(':') {
        Some((host, port)) => {
            MemcachedServer::Tcp(host.into(), port.parse().ok().filter(|port| *port != 0).unwrap_or(11211))
        }
        None => MemcachedServer::Tcp(text.into(), 11211),
    }
}

/// SQLite Object Cache: a file whose name says whether PHP has igbinary. Both are looked for: the web server's
/// PHP and the one on the command line may differ.
fn sqlite(content_dir: &Path, settings: &dyn Settings) -> Found {
    if is_truthy(settings.constant("WP_SQLITE_OBJECT_CACHE_DISABLED")?.as_ref()) {
        return Ok(None);
    }
    if is_truthy(settings.constant("WP_SQLITE_OBJECT_CACHE_APCU")?.as_ref()) {
        return Err("it keeps entries in each PHP server's memory too (WP_SQLITE_OBJECT_CACHE_APCU)".into());
    }
    let base = match settings.constant("WP_SQLITE_OBJECT_CACHE_DB_FILE")? {
        Some(file) => text(&file),
        None => content_dir.join(".ht.object-cache.sqlite").display().to_string(),
    };
    let salt: String = settings
        .constant("WP_CACHE_KEY_SALT")?
        .as_ref()
        .map(text)
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
        .collect();
    let named = |salt: &str| match (salt.is_empty(), base.strip_suffix(".sqlite")) {
        (true, _) => base.clone(),
        (false, Some(stem)) => format!("{stem}.{salt}.sqlite"),
        (false, None) => format!("{base}.{salt}.sqlite"),
    };
    let files: Vec<PathBuf> = [named(&salt), named(&format!("{salt}-a"))]
        .into_iter()
        .map(PathBuf::from)
        .filter(|file| file.exists())
        .collect();
    let digits = match settings.constant("WP_SQLITE_OBJECT_CACHE_INTKEY_LENGTH")? {
        Some(digits) => usize::try_from(number(Some(&digits))).unwrap_or(6),
        None => 6,
    };
    Ok(Some(Plan::Sqlite { files, keys: KeyFormat::SqliteObjectCache { digits } }))
}

/// A cache server that the command line names. The drop-in's way of naming entries holds, if it is known.
///
/// `redis://user:password@host:port/database?prefix=…`, `rediss://…` (TLS), `redis+unix:///path?db=…`,
/// `memcached://host:port?salt=…`, `memcached+unix:///path`; `format=wp-redis` or `format=wp-redis-groups` names
/// entries as WP Redis does.
pub fn named(url: &str, drop_in: Option<&DropIn>) -> Result<Plan, SiteError> {
    let wrong = |what: &str| {
        SiteError::Usage(format!(
            "--cache cannot be read: {what}. Write redis://user:password@host:port/database, rediss://… for TLS, \
             redis+unix:///path, memcached://host:port, memcached+unix:///path, or ignore."
        ))
    };
    let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong("it is no address"))?;
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let decoded = |text: &str| {
        String::from_utf8(percent_decode(text, "--cache")?).map_err(|_| wrong("a part of it is not UTF-8"))
    };
    let mut options: Vec<(&str, String)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !["prefix", "salt", "db", "format", "ca"].contains(&name) {
            return Err(wrong("it has an option that is none of prefix, salt, db, format, ca"));
        }
        options.push((name, decoded(value)?));
    }
    let option =
        |name: &str| options.iter().find(|(given, _)| *given == name).map(|(_, value)| value.clone());
    let known = drop_in.and_then(|drop_in| drop_in.plan.as_ref().ok());
    let salt_or =
        |other: &str| option("salt").or_else(|| option("prefix")).unwrap_or_else(|| other.to_owned());
    match scheme {
        "memcached" | "memcached+unix" => {
            let server = if scheme == "memcached" {
                memcached_server(before.trim_end_matches('/'))
            } else {
                MemcachedServer::Socket(before.into())
            };
            let salt = match known {
                Some(Plan::Memcached { salt, .. }) => salt_or(salt),
                _ => salt_or(""),
            };
            Ok(Plan::Memcached { servers: vec![server], salt })
        }
        "redis" | "rediss" | "redis+unix" | "unix" => {
            let (login, place) = match scheme {
                "redis" | "rediss" => before.rsplit_once('@').unwrap_or(("", before)),
                _ => ("", before),
            };
            let (username, password) = match login.split_once(':') {
                Some((user, password)) => (user, password),
                None => ("", login),
            };
            let (place, path_database) = if matches!(scheme, "redis" | "rediss") {
                let (authority, path) = place.split_once('/').unwrap_or((place, ""));
                let (host, port) = match authority.rsplit_once(':').filter(|(host, _)| !host.ends_with(':')) {
                    Some((host, port)) => (host, port.parse().map_err(|_| wrong("its port is no number"))?),
                    None => (authority, 6379),
                };
                let host = host.trim_start_matches('[').trim_end_matches(']');
                if host.is_empty() {
                    return Err(wrong("it names no host"));
                }
                let tls = scheme == "rediss";
                let ca = option("ca").map(PathBuf::from);
                (RedisPlace::Tcp { host: host.to_owned(), port, tls, ca }, path.to_owned())
            } else {
                (RedisPlace::Socket(PathBuf::from(before)), String::new())
            };
            let database = option("db").filter(|db| !db.is_empty()).unwrap_or(path_database);
            let database = match database.as_str() {
                "" => 0,
                text => text.parse().map_err(|_| wrong("the database is no number"))?,
            };
            let keys = match (option("format").as_deref(), known) {
                (Some("redis-cache"), _) => KeyFormat::RedisObjectCache { prefix: salt_or("") },
                (Some("wp-redis"), _) => KeyFormat::WpRedis { salt: salt_or(""), hashes: false },
                (Some("wp-redis-groups"), _) => KeyFormat::WpRedis { salt: salt_or(""), hashes: true },
                (Some(_), _) => {
                    return Err(wrong("its format is none of redis-cache, wp-redis, wp-redis-groups"));
                }
                (None, Some(Plan::Redis { keys: KeyFormat::RedisObjectCache { prefix }, .. })) => {
                    KeyFormat::RedisObjectCache { prefix: salt_or(prefix) }
                }
                (None, Some(Plan::Redis { keys: KeyFormat::WpRedis { salt, hashes }, .. })) => {
                    KeyFormat::WpRedis { salt: salt_or(salt), hashes: *hashes }
                }
                (None, _) => match drop_in.and_then(|drop_in| drop_in.kind) {
                    None | Some(Kind::RedisObjectCache) => {
                        KeyFormat::RedisObjectCache { prefix: salt_or("") }
                    }
                    Some(Kind::WpRedis) => KeyFormat::WpRedis { salt: salt_or(""), hashes: false },
                    Some(other) => {
                        return Err(SiteError::Usage(format!(
                            "--cache names a Redis server, but how {} names its entries is not known for sure. Use \
                             --after-write with a command that flushes it.",
                            other.name()
                        )));
                    }
                },
            };
            let username = decoded(username)?;
            let password = DatabasePassword::new(decoded(password)?.into_bytes());
            Ok(Plan::Redis { server: RedisServer { place, username, password, database }, keys })
        }
        _ => Err(wrong("its scheme is not known")),
    }
}

fn text(value: &Plain) -> String {
    value.to_bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn number(value: Option<&Plain>) -> i64 {
    match value {
        Some(Plain::Int(number)) => *number,
        Some(value) => text(value).trim().parse().unwrap_or(0),
        None => 0,
    }
}

fn port(value: Option<&Plain>, default: u16) -> Result<u16, String> {
    match value {
        None | Some(Plain::Null) => Ok(default),
        Some(value) => u16::try_from(number(Some(value))).map_err(|_| "its port is none".to_owned()),
    }
}

/// A password, or an array of a user's name and one.
fn login(value: Option<&Plain>) -> (String, DatabasePassword) {
    let secret = |value: &Plain| DatabasePassword::new(text(value).into_bytes());
    match value {
        Some(Plain::Array(entries)) => match entries.as_slice() {
            [(_, user), (_, password), ..] => (text(user), secret(password)),
            [(_, password)] => (String::new(), secret(password)),
            [] => (String::new(), DatabasePassword::default()),
        },
        Some(value) => (String::new(), secret(value)),
        None => (String::new(), DatabasePassword::default()),
    }
}

fn entry<'a>(array: &'a Plain, key: &str) -> Option<&'a Plain> {
    let Plain::Array(entries) = array else { return None };
    entries.iter().rev().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
}

fn is_truthy(value: Option<&Plain>) -> bool {
    value.is_some_and(Plain::is_truthy)
}
