//! WordPress's persistent object cache: forgets what a write to the database made stale.
//!
//! An entry is deleted, never edited: what the drop-ins store is serialized, compressed or encoded in ways
//! that only the site's own PHP knows. Which entries those are and how they are called is
//! [`crate::wordpress::object_cache`]'s knowledge; here are the servers. Never decides whether a cache is there
//! (that is [`crate::site`]'s), and holds nothing of the database.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::secret::DatabasePassword;
use crate::wordpress::object_cache::{Entry, KeyFormat, Scope, StoredKey, memcached_flush_key};

mod memcached;
mod redis;
mod sqlite;

/// How long a cache server may take to accept a connection, and for each answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where a cache is and how it names its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// A Redis server, or one that speaks its protocol.
    Redis {
        /// The server.
        server: RedisServer,
        /// [`KeyFormat::RedisObjectCache`] or [`KeyFormat::WpRedis`].
        keys: KeyFormat,
    },
    /// Memcached servers; an entry may be on any of them.
    Memcached {
        /// The servers.
        servers: Vec<MemcachedServer>,
        /// `WP_CACHE_KEY_SALT`
        salt: String,
    },
    /// The file of SQLite Object Cache: one for PHP with igbinary, one for PHP without; those that exist count.
    Sqlite {
        /// The files.
        files: Vec<PathBuf>,
        /// [`KeyFormat::SqliteObjectCache`].
        keys: KeyFormat,
    },
}

/// The servers or files, without what opens them.
impl std::fmt::Display for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Redis { server, .. } => {
                write!(f, "Redis at {}, database {}", server.place, server.database)
            }
            Self::Memcached { servers, .. } => {
                let places: Vec<String> = servers.iter().map(ToString::to_string).collect();
                write!(f, "Memcached at {}", places.join(", "))
            }
            Self::Sqlite { files, .. } => {
                let places: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
                write!(f, "SQLite files {}", places.join(", "))
            }
        }
    }
}

/// A Redis server with what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// How it is reached.
    pub place: RedisPlace,
    /// A user of its access list; empty for the default user.
    pub username: String,
    /// Empty: no login.
    pub password: DatabasePassword,
    /// The number of the database.
    pub database: i64,
}

/// How a Redis server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisPlace {
    /// TCP.
    Tcp {
        /// A name or an address.
        host: String,
        /// Usually 6379.
        port: u16,
        /// TLS; the certificate is checked against the system's authorities, or those of `ca`.
        tls: bool,
        /// Authorities, PEM.
        ca: Option<PathBuf>,
    },
    /// A Unix socket.
    Socket(PathBuf),
}

impl std::fmt::Display for RedisPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A Memcached server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemcachedServer {
    /// Host and port; 11211 is usual.
    Tcp(String, u16),
    /// A Unix socket.
    Socket(PathBuf),
}

impl std::fmt::Display for MemcachedServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Why the cache could not be reached, or did not do what it was told. A clause without a full stop, that
/// names the server and no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CacheError(pub String);

/// How long a cache may take in all, as long as it is trouble: a server that answers drop by drop must not hold up the
/// change that it is told of.
const PATIENCE: Duration = Duration::from_secs(15);

/// A site's cache.
pub struct ObjectCache {
    place: String,
    /// `None`: a command is under way that has taken too long.
    open: Option<OpenCache>,
    left: Duration,
}

impl ObjectCache {
    /// Connects, logs in and asks for a sign of life: what cannot work is known before anything is written. One of
    /// the entries `known` must be there, unless the cache holds nothing at all: a site that is visited has them, so a
    /// cache without them is another site's, or names its entries in another way.
    ///
    /// # Errors
    /// [`CacheError`]
    pub fn open(plan: Plan, scope: Scope, known: Vec<Entry>) -> Result<Self, CacheError> {
        let place = plan.to_string();
        let opened = within(PATIENCE, &place, move || {
            let mut cache = OpenCache::open(plan, scope)?;
            cache.look_for(&known).map(|()| cache)
        })??;
        Ok(Self { place, open: Some(opened), left: PATIENCE })
    }

    /// Deletes these entries, whether they are there or not. A connection that was lost is made again, once.
    ///
    /// # Errors
    /// [`CacheError`]: some may be left.
    pub fn forget(&mut self, entries: &[Entry]) -> Result<(), CacheError> {
        let Some(mut cache) = self.open.take() else { return Err(too_slow(&self.place)) };
        let (entries, began) = (entries.to_vec(), Instant::now());
        let (cache, outcome) = within(self.left, &self.place, move || {
            let outcome = cache.forget(&entries);
            (cache, outcome)
        })?;
        self.open = Some(cache);
        if outcome.is_err() {
            self.left = self.left.saturating_sub(began.elapsed());
        }
        outcome
    }
}

fn too_slow(place: &str) -> CacheError {
    CacheError(format!("{place} did not do what it was told within {} seconds", PATIENCE.as_secs()))
}

/// Does something on a thread of its own, and waits for it no longer than that. What takes longer is left behind: the
/// process ends soon.
fn within<T: Send + 'static>(
    time: Duration,
    place: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, CacheError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .spawn(move || {
            // Nobody waits any more: nobody needs it.
            let _ = sender.send(work());
        })
        .map_err(|error| CacheError(format!("a thread cannot be started ({error})")))?;
    receiver.recv_timeout(time).map_err(|_| too_slow(place))
}

/// An open connection to a site's cache.
struct OpenCache {
    plan: Plan,
    scope: Scope,
    connection: Connection,
}

enum Connection {
    Redis(::redis::Connection),
    /// Connections are made anew for each command: they cost little, and a watch pauses in between.
    Memcached,
    Sqlite(Vec<sqlite::CacheFile>),
}

impl OpenCache {
    fn open(plan: Plan, scope: Scope) -> Result<Self, CacheError> {
        let connection = Self::connect(&plan)?;
        Ok(Self { plan, scope, connection })
    }

    fn connect(plan: &Plan) -> Result<Connection, CacheError> {
        Ok(match plan {
            Plan::Redis { server, .. } => Connection::Redis(redis::connect(server)?),
            Plan::Memcached { servers, .. } => {
                for server in servers {
                    memcached::Client::connect(server)?.version()?;
                }
                Connection::Memcached
            }
            Plan::Sqlite { files, .. } => {
                Connection::Sqlite(files.iter().map(|file| sqlite::open(file)).collect::<Result<_, _>>()?)
            }
        })
    }

    fn look_for(&mut self, known: &[Entry]) -> Result<(), CacheError> {
        let scope = &self.scope;
        let found = match (&self.plan, &mut self.connection) {
            (Plan::Redis { server, keys }, Connection::Redis(connection)) => {
                // The main site of a network is visited, if any is.
                let main = Scope { blog_id: 1, ..scope.clone() };
                let of = |scope| known.iter().flat_map(move |entry| keys.stored(entry, scope, ""));
                let stored: Vec<StoredKey> = of(scope).chain(of(&main)).collect();
                redis::holds_one(connection, server, &stored)?
            }
            (Plan::Memcached { servers, salt }, _) => {
                let mut found = true;
                for server in servers {
                    let mut client = memcached::Client::connect(server)?;
                    for entry in known {
                        if client.get(&memcached_flush_key(salt, entry.group, scope))?.is_some() {
                            return Ok(());
                        }
                    }
                    found &= client.is_empty()?;
                }
                found
            }
            _ => true,
        };
        if found {
            return Ok(());
        }
        Err(CacheError(format!(
            "{} is in use, but holds nothing of this site, which may be named otherwise or kept elsewhere: a prefix, \
             a salt or a server may be set in the web server's environment (give --env-file, or \
             --cache=redis://…?prefix=…). If the cache was just emptied, visit the site once",
            self.plan
        )))
    }

    fn forget(&mut self, entries: &[Entry]) -> Result<(), CacheError> {
        match self.try_forget(entries) {
            Ok(()) => Ok(()),
            Err(_) => {
                self.connection = Self::connect(&self.plan)?;
                self.try_forget(entries)
            }
        }
    }

    fn try_forget(&mut self, entries: &[Entry]) -> Result<(), CacheError> {
        let scope = &self.scope;
        match (&self.plan, &mut self.connection) {
            (Plan::Redis { server, keys }, Connection::Redis(connection)) => {
                let stored: Vec<StoredKey> =
                    entries.iter().flat_map(|entry| keys.stored(entry, scope, "")).collect();
                redis::forget(connection, server, &stored)
            }
            (Plan::Memcached { servers, salt }, _) => forget_in_memcached(servers, salt, entries, scope),
            (Plan::Sqlite { keys, .. }, Connection::Sqlite(files)) => {
                let names: Vec<Vec<u8>> = entries
                    .iter()
                    .flat_map(|entry| keys.stored(entry, scope, ""))
                    .filter_map(|key| match key {
                        StoredKey::Plain(name) => Some(name),
                        StoredKey::Field { .. } => None,
                    })
                    .collect();
                files.iter_mut().try_for_each(|file| file.forget(&names))
            }
            (Plan::Redis { .. } | Plan::Sqlite { .. }, _) => {
                Err(CacheError("the connection to the object cache is of another kind".into()))
            }
        }
    }
}

/// Which server holds a key, and which flush number counts, is for PHP's extension to choose: every server is
/// asked for its flush numbers, and told to delete under each.
fn forget_in_memcached(
    servers: &[MemcachedServer],
    salt: &str,
    entries: &[Entry],
    scope: &Scope,
) -> Result<(), CacheError> {
    let mut clients = servers.iter().map(memcached::Client::connect).collect::<Result<Vec<_>, _>>()?;
    let format = KeyFormat::Memcached { salt: salt.to_owned() };
    for entry in entries {
        let flush_key = memcached_flush_key(salt, entry.group, scope);
        let mut numbers: Vec<String> = Vec::new();
        for client in &mut clients {
            if let Some(value) = client.get(&flush_key)? {
                let number = flush_number(&value)?;
                if !numbers.contains(&number) {
                    numbers.push(number);
                }
            }
        }
        // Without a number WordPress makes a new one, under which nothing is stored yet.
        for number in numbers {
            for key in format.stored(entry, scope, &number) {
                let StoredKey::Plain(key) = key else { continue };
                for client in &mut clients {
                    client.delete(&key)?;
                }
            }
        }
    }
    Ok(())
}

/// The flush number as PHP's extensions store an integer: its digits, or serialized.
fn flush_number(value: &[u8]) -> Result<String, CacheError> {
    let text = std::str::from_utf8(value).unwrap_or_default().trim();
    let digits = text.strip_prefix("i:").and_then(|rest| rest.strip_suffix(';')).unwrap_or(text);
    if !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(digits.to_owned());
    }
    Err(CacheError(
        "the number that the Memcached drop-in's keys begin with is stored in a form that this program does not know"
            .into(),
    ))
}
