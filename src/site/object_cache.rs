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
    /// How it names its entries, where that is known although its server is not.
    pub keys: Option<KeyFormat>,
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
}

/// What to do about a cache whose entries cannot be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remedy {
    /// What empties it: a command in backquotes, or a clause.
    pub flush: &'static str,
    /// The same for `--after-write`.
    pub command: &'static str,
    /// `, name its server with --cache=redis://…`, where that works.
    pub server: &'static str,
}

impl Remedy {
    /// Where the site's files are out of sight.
    pub const UNSEEN: Self = Self {
        flush: "`wp cache flush`",
        command: "--after-write='wp cache flush'",
        server: ", name its server with --cache=redis://…?format=… or memcached://…",
    };

    /// For a drop-in of this kind.
    pub const fn of(kind: Option<Kind>) -> Self {
        let (flush, command) = match kind {
            Some(Kind::W3TotalCache) => {
                ("`wp w3-total-cache flush object`", "--after-write='wp w3-total-cache flush object'")
            }
            Some(Kind::Apcu) => (
                "restart PHP-FPM on each web server, or empty it with a request: a command such as `wp cache flush` does \
                 not reach it",
                "--after-write='…' (one that restarts PHP-FPM on each web server, or empties it with a request)",
            ),
            _ => ("`wp cache flush`", "--after-write='wp cache flush'"),
        };
        let server = match kind {
            Some(Kind::RedisObjectCache | Kind::WpRedis) => ", name its server with --cache=redis://…",
            Some(Kind::Memcached) => ", name its server with --cache=memcached://…",
            _ => "",
        };
        Self { flush, command, server }
    }
}

/// What `wp-config.php` and the environment say; errors are clauses.
pub(super) trait Settings {
    /// A constant's value; `None` if it is not defined.
    fn constant(&self, name: &str) -> Result<Option<Plain>, String>;
    /// A global variable's value.
    fn variable(&self, name: &str) -> Result<Option<Plain>, String>;
    /// `getenv()`, or an element of `$_SERVER`.
    fn environment(&self, name: &str, in_server: bool) -> Result<Option<Plain>, String>;
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
    fn environment(&self, _: &str, _: bool) -> Result<Option<Plain>, String> {
        Err(Self::REASON.into())
    }
}

/// The object cache of the site with this content folder; `None` if it has none, or one that its settings
/// switch off.
pub(super) fn find(content_dir: &Path, settings: &dyn Settings) -> Option<DropIn> {
    let file = content_dir.join("object-cache.php");
    let unseen = |reason: String| {
        let name = file.display().to_string();
        Some(DropIn { name, file: Some(file.clone()), kind: None, plan: Err(reason), keys: None })
    };
    match file.try_exists() {
        Ok(true) => {}
        Ok(false) => return None,
        Err(error) => return unseen(format!("whether it is there cannot be seen ({error})")),
    }
    let code = match root::read_text(&file) {
        Some(code) => code,
        None => return unseen("it cannot be read".into()),
    };
    let kind = Kind::of(&code);
    let name = match kind {
        Some(kind) => format!("{} ({})", kind.name(), file.display()),
        None => file.display().to_string(),
    };
    let mut keys = None;
    let plan = match kind {
        Some(Kind::RedisObjectCache) => redis_object_cache(version(&code), settings, &mut keys),
        Some(Kind::WpRedis) => wp_redis(settings, &mut keys),
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
    Some(DropIn { name, file: Some(file), kind, plan, keys })
}

/// `Version: 2.6.3` in the header: its first three numbers. `None`: the header does not say.
fn version(code: &str) -> Option<[u32; 3]> {
    let line = code
        .lines()
        .take(40)
        .find_map(|line| line.trim_start_matches([' ', '*']).strip_prefix("Version:"))?;
    let mut numbers = line.trim().split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    Some([numbers.next()?, numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)])
}

type Found = Result<Option<Plan>, String>;

/// Redis Object Cache. Its constants win over its defaults; `WP_CACHE_KEY_SALT` is an older name of the prefix.
fn redis_object_cache(
    version: Option<[u32; 3]>,
    settings: &dyn Settings,
    known_keys: &mut Option<KeyFormat>,
) -> Found {
    if is_truthy(settings.constant("WP_REDIS_DISABLED")?.as_ref()) {
        return Ok(None);
    }
    // Such groups are no longer shared by a network's sites: each site then has entries of its own.
    if let Some(Plain::Array(groups)) = settings.constant("WP_REDIS_UNFLUSHABLE_GROUPS")?
        && groups.iter().any(|(_, group)| matches!(text(group).as_str(), "user_meta" | "site-options"))
    {
        return Err("WP_REDIS_UNFLUSHABLE_GROUPS changes how it names the entries of users".into());
    }
    // Each key is on one of them.
    if settings.constant("WP_REDIS_SHARDS")?.is_some() {
        return Err(
            "it uses several Redis servers (WP_REDIS_SHARDS), which this program does not follow".into()
        );
    }
    let salt = || name_part(settings.constant("WP_CACHE_KEY_SALT")?.as_ref(), "WP_CACHE_KEY_SALT");
    let keys = match version {
        Some([1, 4..=6, _] | [1, 3, 5..=u32::MAX]) => KeyFormat::RedisObjectCache1 { salt: salt()? },
        Some([2, ..]) => KeyFormat::RedisObjectCache { prefix: redis_prefix(settings)? },
        None => KeyFormat::RedisObjectCacheAny { prefix: redis_prefix(settings)?, salt: salt()? },
        Some([major, minor, patch]) => {
            return Err(format!("how its version {major}.{minor}.{patch} names its entries is not known"));
        }
    };
    *known_keys = Some(keys.clone());
    for several in ["WP_REDIS_CLUSTER", "WP_REDIS_SENTINEL", "WP_REDIS_SERVERS"] {
        if settings.constant(several)?.is_some() {
            return Err(format!(
                "it uses several Redis servers ({several}), which this program does not follow"
            ));
        }
    }
    let constant = |name: &str| Ok::<_, String>(settings.constant(name)?.as_ref().map(text));
    let scheme = constant("WP_REDIS_SCHEME")?.unwrap_or_else(|| "tcp".into()).to_ascii_lowercase();
    let host = constant("WP_REDIS_HOST")?.unwrap_or_else(|| "127.0.0.1".into());
    let place = match scheme.as_str() {
        "unix" => RedisPlace::Socket(constant("WP_REDIS_PATH")?.unwrap_or_default().into()),
        // PHP's extension takes a host that is a path for a socket.
        "tcp" if host.starts_with('/') => RedisPlace::Socket(host.into()),
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
    let database = number(settings.constant("WP_REDIS_DATABASE")?.as_ref());
    Ok(Some(Plan::Redis { server: RedisServer { place, username, password, database }, keys }))
}

/// The prefix of Redis Object Cache since 2.0. Since 2.0.15 the environment can set it.
fn redis_prefix(settings: &dyn Settings) -> Result<String, String> {
    let prefix = match settings.constant("WP_REDIS_PREFIX")? {
        Some(prefix) => Some(prefix),
        None => {
            let of_environment = settings.environment("WP_REDIS_PREFIX", false)?;
            match of_environment.filter(Plain::is_truthy) {
                Some(prefix) => Some(prefix),
                None => match settings.constant("WP_CACHE_KEY_SALT")? {
                    Some(salt) => Some(salt),
                    // Cloudways: the application's name, where its servers say who may ask them.
                    None if settings.environment("cw_allowed_ip", true)?.is_some() => {
                        settings.environment("HTTP_X_APP_USER", false)?
                    }
                    None => None,
                },
            }
        }
    };
    let prefix = name_part(prefix.as_ref(), "its prefix (WP_REDIS_PREFIX)")?;
    Ok(prefix.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b']).to_owned())
}

/// A part of the names of entries.
fn name_part(value: Option<&Plain>, what: &str) -> Result<String, String> {
    match value {
        None => Ok(String::new()),
        Some(value) => String::from_utf8(value.to_bytes().unwrap_or_default())
            .map_err(|_| format!("{what} is not UTF-8, which this program does not follow")),
    }
}

/// WP Redis: the array `$redis_server`, else what Pantheon's environment says, else the local server.
fn wp_redis(settings: &dyn Settings, known_keys: &mut Option<KeyFormat>) -> Found {
    if is_truthy(settings.constant("WP_REDIS_IGNORE_GLOBAL_GROUPS")?.as_ref()) {
        return Err("WP_REDIS_IGNORE_GLOBAL_GROUPS changes how it names its entries".into());
    }
    let salt = name_part(settings.constant("WP_CACHE_KEY_SALT")?.as_ref(), "WP_CACHE_KEY_SALT")?;
    let hashes = is_truthy(settings.constant("WP_REDIS_USE_CACHE_GROUPS")?.as_ref());
    let keys = KeyFormat::WpRedis { salt, hashes };
    *known_keys = Some(keys.clone());
    let given = settings.variable("redis_server")?.filter(Plain::is_truthy);
    let of = |name: &str| settings.environment(name, true);
    let (host, port_number, login, database) = match (&given, of("CACHE_HOST")?) {
        (Some(server), _) => (
            entry(server, "host").map(text).ok_or("$redis_server names no host")?,
            port(entry(server, "port"), 6379)?,
            login(entry(server, "auth")),
            number(entry(server, "database")),
        ),
        (None, Some(host)) => (
            text(&host),
            port(of("CACHE_PORT")?.filter(Plain::is_truthy).as_ref(), 6379)?,
            login(of("CACHE_PASSWORD")?.filter(Plain::is_truthy).as_ref()),
            number(of("CACHE_DB")?.as_ref()),
        ),
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
    Ok(Some(Plan::Redis { server: RedisServer { place, username, password, database }, keys }))
}

/// Memcached: `$memcached_servers`, a list of servers or of lists of them.
fn memcached(settings: &dyn Settings) -> Found {
    let salt = name_part(settings.constant("WP_CACHE_KEY_SALT")?.as_ref(), "WP_CACHE_KEY_SALT")?;
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

/// `host`, `host:port` or `unix:///path`, as the drop-in reads it.
fn memcached_server(text: &str) -> MemcachedServer {
    if let Some(path) = text.strip_prefix("unix://") {
        return MemcachedServer::Socket(path.into());
    }
    let (host, port) = text.split_once(':').unwrap_or((text, ""));
    let port = u16::try_from(intval(port)).ok().filter(|port| *port != 0).unwrap_or(11211);
    MemcachedServer::Tcp(host.into(), port)
}

/// PHP's `intval()` of a text: the number that it begins with.
fn intval(text: &str) -> i64 {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits = unsigned.bytes().take_while(u8::is_ascii_digit).count() + (text.len() - unsigned.len());
    text.get(..digits).and_then(|number| number.parse().ok()).unwrap_or(0)
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
        .filter_map(|file| match file.try_exists() {
            Ok(there) => there.then_some(Ok(file)),
            Err(error) => Some(Err(format!("{} cannot be looked at ({error})", file.display()))),
        })
        .collect::<Result<_, _>>()?;
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
            "--cache cannot be read: {what}. Write redis://HOST:PORT/DATABASE (with a login before the host: \
             USER:PASSWORD@), rediss://… for TLS, redis+unix:///PATH, memcached://HOST:PORT, memcached+unix:///PATH, or \
             ignore."
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
    let kind = drop_in.map(|drop_in| (drop_in.kind, drop_in.name.as_str()));
    let other = |server: &str, name: &str| {
        SiteError::Usage(format!(
            "--cache names a {server} server, but this site's object cache is {name}, and how that names its entries there \
             is not known. Use --after-write with a command that flushes it."
        ))
    };
    match scheme {
        "memcached" | "memcached+unix" => {
            if let Some((_, name)) = kind.filter(|(kind, _)| *kind != Some(Kind::Memcached)) {
                return Err(other("Memcached", name));
            }
            let server = if scheme == "memcached" {
                let (host, port) = match before.trim_end_matches('/').rsplit_once(':') {
                    Some((host, port)) => (
                        host,
                        port.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
                            wrong("its port is no number from 1 to 65535; one server can be named")
                        })?,
                    ),
                    None => (before.trim_end_matches('/'), 11211),
                };
                if host.is_empty() || host.contains([',', '/']) {
                    return Err(wrong("it names no host, or several"));
                }
                MemcachedServer::Tcp(host.into(), port)
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
            let keys = match (
                option("format").as_deref(),
                kind,
                drop_in.and_then(|drop_in| drop_in.keys.as_ref()),
            ) {
                (_, Some((Some(kind), name)), _)
                    if !matches!(kind, Kind::RedisObjectCache | Kind::WpRedis) =>
                {
                    return Err(other("Redis", name));
                }
                (Some("redis-cache"), ..) => KeyFormat::RedisObjectCache { prefix: salt_or("") },
                (Some("wp-redis"), ..) => KeyFormat::WpRedis { salt: salt_or(""), hashes: false },
                (Some("wp-redis-groups"), ..) => KeyFormat::WpRedis { salt: salt_or(""), hashes: true },
                (Some(_), ..) => {
                    return Err(wrong("its format is none of redis-cache, wp-redis, wp-redis-groups"));
                }
                (None, _, Some(KeyFormat::RedisObjectCache { prefix })) => {
                    KeyFormat::RedisObjectCache { prefix: salt_or(prefix) }
                }
                (None, _, Some(KeyFormat::RedisObjectCache1 { salt })) => {
                    KeyFormat::RedisObjectCache1 { salt: salt_or(salt) }
                }
                (None, _, Some(KeyFormat::RedisObjectCacheAny { prefix, salt })) => {
                    KeyFormat::RedisObjectCacheAny { prefix: salt_or(prefix), salt: salt_or(salt) }
                }
                (None, _, Some(KeyFormat::WpRedis { salt, hashes })) => {
                    KeyFormat::WpRedis { salt: salt_or(salt), hashes: *hashes }
                }
                (None, None, _) => KeyFormat::RedisObjectCache { prefix: salt_or("") },
                (None, Some((_, name)), _) => {
                    return Err(SiteError::Usage(format!(
                        "--cache names a Redis server, but how this site's object cache, {name}, names its entries there is \
                         not known. Say so with format=redis-cache, wp-redis or wp-redis-groups, and prefix=…, after a \
                         question mark, or use --after-write with a command that flushes it."
                    )));
                }
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
        Some(value) => intval(&text(value)),
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
        Some(array @ Plain::Array(entries)) => {
            let named = |names: [&str; 2]| names.into_iter().find_map(|name| entry(array, name));
            match (named(["user", "username"]), named(["pass", "password"]), entries.as_slice()) {
                (user, Some(password), _) => (user.map(text).unwrap_or_default(), secret(password)),
                (None, None, [(_, user), (_, password), ..]) => (text(user), secret(password)),
                (None, None, [(_, password)]) => (String::new(), secret(password)),
                _ => (String::new(), DatabasePassword::default()),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_a_password_or_a_list_or_a_map_in_any_order() {
        let text = |text: &str| Plain::Bytes(text.into());
        let array = |entries: &[(&str, &str)]| {
            Plain::Array(entries.iter().map(|(key, value)| (key.as_bytes().to_vec(), text(value))).collect())
        };
        for (value, user, password) in [
            (text("secret"), "", "secret"),
            (array(&[("0", "secret")]), "", "secret"),
            (array(&[("0", "wp"), ("1", "secret")]), "wp", "secret"),
            (array(&[("pass", "secret"), ("user", "wp")]), "wp", "secret"),
            (array(&[("user", "wp"), ("pass", "secret")]), "wp", "secret"),
            (array(&[("pass", "secret")]), "", "secret"),
        ] {
            let (found, secret) = login(Some(&value));
            assert_eq!((found.as_str(), secret.expose()), (user, password.as_bytes()));
        }
    }

    #[test]
    fn numbers_are_read_as_php_reads_them() {
        for (text, number) in [("41821:1", 41821), (" 7", 7), ("-3x", -3), ("", 0), ("x", 0), ("-", 0)] {
            assert_eq!(intval(text), number, "{text:?}");
        }
    }

    #[test]
    fn the_version_is_the_headers() {
        assert_eq!(version("<?php\n/*\nVersion: 1.3\n*/"), Some([1, 3, 0]));
        assert_eq!(version("<?php\n/**\n * Version: 2.0.0-RC1\n */"), Some([2, 0, 0]));
        assert_eq!(version("<?php // none"), None);
    }
}
