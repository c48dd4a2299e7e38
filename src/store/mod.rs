//! Where a site's data lies: moves bytes in and out of WordPress's tables, and nothing else.
//!
//! A store knows tables, columns, transactions and locks. It never looks inside a value: what the
//! bytes mean (PHP serialization, application passwords, versions) is decided above it, so two back
//! ends cannot disagree about meaning. All SQL of this program is in this folder.
//!
//! Every back end runs the same list of behaviors: `tests/suite/conformance.rs`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use zeroize::Zeroizing;

pub mod mysql;
mod roles;
pub mod sandbox;
pub mod sqlite;

pub use roles::{Account, UserRoles, UserState};

/// The longest value, in bytes, that is read or written: 96 MiB, room for 300,000 passwords of one user.
///
/// A longer one is reported, never loaded. WordPress: PHP takes about three times the bytes to load a list, and
/// `WP_MAX_MEMORY_LIMIT` is 256 MB unless a site raises it.
pub const LONGEST_VALUE: usize = 96 << 20;

/// `users.ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(pub u64);

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The part of a `users` row that commands need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// `ID`.
    pub id: UserId,
    /// `user_login`, as stored.
    pub login: Vec<u8>,
    /// `user_email`, as stored.
    pub email: Vec<u8>,
}

/// What a user is looked up by, as in `get_user_by()`.
#[derive(Debug, Clone, Copy)]
pub enum UserField<'a> {
    /// `ID`.
    Id(UserId),
    /// `user_login`, in the connection's charset (see [`MysqlAddress::charset`]).
    Login(&'a [u8]),
    /// `user_email`, likewise.
    Email(&'a [u8]),
    /// `user_nicename`, likewise.
    Nicename(&'a [u8]),
}

/// The rows of a user to be made.
pub struct NewUser<'a> {
    /// `user_login`, which is also its `display_name`.
    pub login: &'a [u8],
    /// `user_pass`: a hash, or what no password matches.
    pub password: &'a [u8],
    /// `user_nicename`
    pub nicename: &'a [u8],
    /// `user_email`
    pub email: &'a [u8],
    /// `user_registered`: `2026-11-26 10:00:00`, UTC.
    pub registered: &'a str,
    /// Keys and values for `usermeta`, in order.
    pub meta: &'a [(String, Vec<u8>)],
}

/// A site of a network, and the exact stored bytes of one of its options.
pub type SiteOption = (u64, Option<Vec<u8>>);

/// One row of `usermeta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaRow {
    /// The primary key.
    pub umeta_id: u64,
    /// The exact stored bytes; `None` is SQL `NULL`.
    pub value: Option<Vec<u8>>,
}

/// The rows of one user under one key, in `umeta_id` order.
///
/// WordPress: `update_meta_cache()` reads them in this order and `get_user_meta( …, true )` takes the
/// first; `update_user_meta()` writes the new value into all of them.
pub type MetaRows = Vec<MetaRow>;

/// What became of a compare-and-swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// The new value is committed.
    Done,
    /// Somebody else changed the rows since they were read; nothing was written.
    Lost,
}

/// `autoload` of a new row in the options table; a network's `sitemeta` has no such column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Autoload {
    /// WordPress 5.6 to 6.5.
    No,
    /// WordPress 6.6 and newer.
    Off,
}

/// One user's value while all users are walked.
#[derive(Debug)]
pub struct UserMeta<'a> {
    /// The row's `user_id`.
    pub user: UserId,
    /// `None`: the row's user does not exist (orphan meta).
    pub login: Option<&'a [u8]>,
    /// The row's primary key.
    pub umeta_id: u64,
    /// The exact stored bytes; `None` is SQL `NULL`.
    pub value: Option<&'a [u8]>,
}

/// Who else uses a database at one moment: a request that has read a list and not yet written it is among them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// Their connections, as far as they can be seen.
    pub sessions: BTreeSet<u64>,
    /// What may be out of sight.
    pub unseen: Unseen,
    /// Becomes another number when somebody else has written, where the database tells that.
    pub version: i64,
}

/// What of others cannot be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unseen {
    /// Nothing: all connections are listed.
    Nothing,
    /// Connections to this database.
    #[default]
    Connections,
    /// Other servers that write the same tables (a cluster).
    Servers,
}

/// A site's database.
///
/// Methods take `&mut self` because each may open a transaction on the one connection.
pub trait Store {
    /// `get_user_by()`: the user with this id, login or e-mail address, compared as the column's
    /// collation does (usually without regard to case). `None` if there is no such user.
    fn find_user(&mut self, by: UserField<'_>) -> Result<Option<User>, StoreError>;

    /// `wp_insert_user()`: the user and all its meta rows, in one transaction where there are any, once however many
    /// try. `None`: there is somebody with this login or this e-mail address, or another writer came first.
    fn insert_user(&mut self, user: &NewUser<'_>) -> Result<Option<UserId>, StoreError>;

    /// `user_pass`: the hash of a user's login password, or whatever stands there. Empty if there is no such user.
    fn login_hash(&mut self, user: UserId) -> Result<Zeroizing<Vec<u8>>, StoreError>;

    /// What the users table says of a user besides its name. Zero if there is no such user.
    fn user_state(&mut self, user: UserId) -> Result<UserState, StoreError>;

    /// The value of a row in the table where the plugin Wordfence keeps its settings; `None` without such a row or table.
    fn wordfence_setting(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// `get_user_meta()`: all rows of `user` whose key is exactly `key`, lowest `umeta_id` first.
    fn user_meta(&mut self, user: UserId, key: &str) -> Result<MetaRows, StoreError>;

    /// `update_user_meta()` with a compare-and-swap that WordPress does not have: in one transaction
    /// with the rows locked, makes `new` the value of every row of `user` under `key`, if those rows
    /// are still exactly `previous` (ids and bytes). `previous` empty: inserts the first row, once
    /// however many try. `backup`: a meta key under which the first row's old
    /// value is kept, copied inside the database in the same transaction.
    ///
    /// Conflicts that the server resolves at once by ending one side (deadlock, failed certification
    /// of a cluster) come back as [`Swap::Lost`]: nothing was written, the caller reads again and retries.
    ///
    /// # Errors
    /// [`StoreError::Busy`] after the whole lock timeout was waited in vain, with nothing written;
    /// [`StoreError::Unfit`] when the column cannot hold `new`, with nothing written;
    /// [`StoreError::Unknown`] when the connection ended during the commit.
    fn replace_user_meta(
        &mut self,
        user: UserId,
        key: &str,
        previous: &[MetaRow],
        new: &[u8],
        backup: Option<&str>,
    ) -> Result<Swap, StoreError>;

    /// `get_option()`: the raw `option_value` in the options table of the site that was opened.
    fn option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// `get_network_option( get_main_network_id(), … )`: on a network the `sitemeta` row of the main
    /// network (lowest `meta_id`), else the options row.
    fn network_option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// `get_site( $blog )->domain`: what the network's `blogs` row has. Call it on a network only.
    fn blog_domain(&mut self, blog: u64) -> Result<Option<Vec<u8>>, StoreError>;

    /// What of `deleted`, `archived` and `spam` the network's `blogs` row says of the site: WordPress answers nobody there.
    /// Call it on a network only.
    ///
    /// WordPress: `ms_site_check()`.
    fn blog_closed(&mut self, blog: u64) -> Result<Option<&'static str>, StoreError>;

    /// Whether somebody signed up with this login or e-mail address after `since` (`2026-01-31 23:59:59`, UTC), and so has
    /// reserved it. Call it on a network only.
    ///
    /// WordPress: `wpmu_validate_user_signup()`.
    fn has_signup(&mut self, login: &str, email: &str, since: &str) -> Result<bool, StoreError>;

    /// `update_network_option( get_main_network_id(), … )`: sets the value, making the row if there
    /// is none, once however many try.
    fn set_network_option(&mut self, name: &str, value: &[u8], autoload: Autoload) -> Result<(), StoreError>;

    /// `get_site_by_path()`, one path at a time: the `blog_id` of the network's site at exactly this domain
    /// (with a port, if it is an odd one) and path (`/` or `/name/`). Call it on a network only.
    fn blog_at(&mut self, domain: &str, path: &str) -> Result<Option<u64>, StoreError>;

    /// Walks every user that has `key`, in `user_id` then `umeta_id` order, without holding the values
    /// in memory (24 bytes per row are). The visitor ends the walk with [`ControlFlow::Break`]; however
    /// long it takes, no lock is held and no snapshot pinned meanwhile. Some thousand rows may have been read ahead of it.
    ///
    /// # Errors
    /// A row longer than [`LONGEST_VALUE`] does not hide the others: it is reported when all were visited.
    fn each_user_meta(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// The same walk for an audit: each user comes with roles and what else the users table says. Memory: 24 bytes
    /// more per user.
    ///
    /// # Errors
    /// As [`Store::each_user_meta`].
    fn each_account(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(Account<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// The option that defines the roles, of every site of the network, or of the one site that there is: `(site,
    /// the exact stored bytes)`. `None`: the site has no such option, or no tables.
    fn role_maps(&mut self) -> Result<Vec<SiteOption>, StoreError>;

    /// Whether a transient of the whole site is stored that expires after `now` (Unix seconds, UTC): WordPress keeps them in an object cache where there is one.
    ///
    /// WordPress: `set_site_transient()`; a network's are in `sitemeta`.
    fn has_site_transients(&mut self, now: i64) -> Result<bool, StoreError>;

    /// Whether the user with the lowest id was registered more than `days` days ago: the age of a site.
    fn is_older_than(&mut self, days: u32) -> Result<bool, StoreError>;

    /// Who else may be about to write, asked right after a write. `foreign`: the site may use another account than
    /// this one.
    fn others(&mut self, foreign: bool) -> Result<Others, StoreError>;

    /// Makes a lost connection anew. What was in a transaction then is gone.
    fn reconnect(&mut self) -> Result<(), StoreError>;

    /// What `--debug` and error messages say about this database: kind, server version, tables.
    fn description(&self) -> &Description;
}

/// Names and numbers of an open database; never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Where: `SQLite database /srv/…/.ht.sqlite`, `MariaDB 10.11.19 at /run/mysqld/mysqld.sock, database wp`.
    pub place: String,
    /// Holds [`User`]s.
    pub users_table: String,
    /// Holds [`MetaRow`]s.
    pub usermeta_table: String,
    /// Holds the options of the site that was opened.
    pub options_table: String,
    /// `sitemeta`, and the main network's id, when this is a network.
    pub network: Option<(String, u64)>,
}

/// Names of the tables: `wpdb::set_prefix()` and `wpdb::tables()` in `class-wpdb.php`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tables {
    /// `$table_prefix`; `[A-Za-z0-9_]` only.
    pub prefix: String,
    /// The site of a network whose options are read; 1 (or 0) is the main site.
    pub blog_id: u64,
    /// `CUSTOM_USER_TABLE`.
    pub users: Option<String>,
    /// `CUSTOM_USER_META_TABLE`.
    pub usermeta: Option<String>,
    /// Whether this is a network: known from `wp-config.php`, else (`None`) read off the tables.
    pub multisite: Option<bool>,
    /// `PRIMARY_NETWORK_ID`.
    pub primary_network: Option<u64>,
}

/// The tables' names after [`Tables`] was checked, unquoted.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TableNames {
    /// One part, or `database` and `table`.
    users: Vec<String>,
    usermeta: Vec<String>,
    options: String,
    site: String,
    sitemeta: String,
    blogs: String,
}

impl Tables {
    /// What comes before the names of a site's own options and user meta.
    ///
    /// WordPress: `wpdb::get_blog_prefix()`.
    pub fn blog_prefix(&self) -> String {
        blog_prefix(&self.prefix, self.blog_id)
    }

    /// WordPress: `wpdb::set_prefix()`, `get_blog_prefix()`, `tables()`.
    fn names(&self) -> Result<TableNames, StoreError> {
        let prefix = &self.prefix;
        if !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(StoreError::NoTables(format!(
                "The table prefix {prefix:?} is not valid: WordPress allows ASCII letters, digits and underscores only."
            )));
        }
        let options = format!("{}options", self.blog_prefix());
        Ok(TableNames {
            users: custom_table(self.users.as_deref(), "CUSTOM_USER_TABLE", || format!("{prefix}users"))?,
            usermeta: custom_table(self.usermeta.as_deref(), "CUSTOM_USER_META_TABLE", || {
                format!("{prefix}usermeta")
            })?,
            options,
            site: format!("{prefix}site"),
            sitemeta: format!("{prefix}sitemeta"),
            blogs: format!("{prefix}blogs"),
        })
    }
}

/// The prefix of one site's tables: the main site has none of its own.
fn blog_prefix(prefix: &str, blog: u64) -> String {
    match blog {
        0 | 1 => prefix.to_owned(),
        blog => format!("{prefix}{blog}_"),
    }
}

/// WordPress puts these constants into its SQL as they are, so `db.table` and backticks work there.
fn custom_table(
    name: Option<&str>,
    constant: &str,
    default: impl FnOnce() -> String,
) -> Result<Vec<String>, StoreError> {
    let Some(name) = name else { return Ok(vec![default()]) };
    let part =
        |part: &str| part.strip_prefix('`').and_then(|p| p.strip_suffix('`')).unwrap_or(part).to_owned();
    let parts: Vec<String> = name.split('.').map(part).collect();
    let plain = |part: &String| {
        !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-'))
    };
    if parts.len() > 2 || !parts.iter().all(plain) {
        return Err(StoreError::NoTables(format!(
            "{constant} is {name:?}, which is neither a table's name nor database.table."
        )));
    }
    Ok(parts)
}

/// The sentence for a prefix under which there is no site.
fn no_tables(missing: &str, place: &str, all_tables: &[String]) -> StoreError {
    let prefixes: Vec<&str> = all_tables
        .iter()
        .filter_map(|table| table.strip_suffix("usermeta"))
        .filter(|prefix| all_tables.iter().any(|table| table.strip_suffix("options") == Some(prefix)))
        .collect();
    let rest = match prefixes.as_slice() {
        [] => {
            "No other table prefix of a WordPress site was found there: check which database the site uses."
                .into()
        }
        [one] => format!(
            "A WordPress site is there with the table prefix {one}: give it with --table-prefix={one}"
        ),
        many => format!(
            "WordPress sites are there with the table prefixes {}: choose one with --table-prefix",
            many.join(", ")
        ),
    };
    StoreError::NoTables(format!("The table {missing} does not exist in the {place}. {rest}"))
}

/// Why a site of a network is closed, as [`Store::blog_closed`] says it, and the columns that say so.
const CLOSED_COLUMNS: &str = "deleted + 0, archived + 0, spam + 0";

fn why_closed(flags: [bool; 3]) -> Option<&'static str> {
    let why = ["deleted", "archived", "marked as spam"];
    why.into_iter().zip(flags).find_map(|(why, is_set)| is_set.then_some(why))
}

/// The sentence for a value that is too long to be loaded.
fn too_long(table: &str, column: &str, umeta_id: u64, user: UserId, length: u64) -> String {
    format!(
        "Row {umeta_id} of {table} (user {user}) holds {length} bytes in {column}, and more than {LONGEST_VALUE} are \
         not read here. PHP needs about three times as much memory to load it: where its limit allows that, what the \
         row holds still counts for WordPress. Look at the row with a database client, and shorten it or delete it: \
         DELETE FROM {table} WHERE umeta_id = {umeta_id}"
    )
}

/// What a walk says in the end of the rows that it left out.
fn walk_ended(table: &str, left_out: &[WalkEntry]) -> Result<(), StoreError> {
    if left_out.is_empty() {
        return Ok(());
    }
    let sentence = |(user, umeta_id, length): &WalkEntry| {
        too_long(table, "meta_value", *umeta_id, UserId(*user), *length)
    };
    Err(StoreError::TooLong(left_out.iter().map(sentence).collect()))
}

/// The sentence for an option that is too long to be loaded.
fn too_long_setting(table: &str, column: &str, length: u64) -> StoreError {
    StoreError::unfit(format!(
        "An option in {table} holds {length} bytes in {column}: more than {LONGEST_VALUE} are not read."
    ))
}

/// The sentence for a new value that is too long to be written.
fn too_long_to_write(length: usize) -> StoreError {
    StoreError::unfit(format!(
        "The new value would have {length} bytes: more than {LONGEST_VALUE} are not written. Nothing was changed."
    ))
}

/// A row that a walk is going to visit: `(user_id, umeta_id, bytes of the value)`.
type WalkEntry = (u64, u64, u64);

/// The next part of a walk: at most 1,000 rows and so many bytes, but at least one row. Rows are never longer than
/// [`LONGEST_VALUE`] here, so memory is bounded by that.
fn next_chunk(entries: &[WalkEntry], most: usize) -> &[WalkEntry] {
    let mut bytes = 0;
    let fits = |(_, _, length): &&WalkEntry| {
        bytes += length;
        bytes <= most as u64
    };
    let count = entries.iter().take(1000).take_while(fits).count();
    &entries[..count.max(1).min(entries.len())]
}

impl Default for Tables {
    fn default() -> Self {
        Self {
            prefix: "wp_".into(),
            blog_id: 1,
            users: None,
            usermeta: None,
            multisite: None,
            primary_network: None,
        }
    }
}

/// How TLS is used with a MySQL or MariaDB server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SslMode {
    /// Never (`ssl-mode=disabled`).
    Disabled,
    /// Whenever the server offers it, without checking who it is; in clear text only over a socket, to a
    /// loopback address, or to a server without TLS.
    #[default]
    Preferred,
    /// Always; the certificate is not checked.
    Required,
    /// Always; the certificate must come from a known authority.
    VerifyCa,
    /// Always; the certificate must come from a known authority and name this host.
    VerifyIdentity,
}

/// Where a database is, with what opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The file of the SQLite integration.
    Sqlite(std::path::PathBuf),
    /// A server.
    Mysql(MysqlAddress),
}

/// A MySQL or MariaDB server and database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlAddress {
    /// Used unless `socket` is set.
    pub host: String,
    /// TCP port; 3306 is usual.
    pub port: u16,
    /// A Unix socket.
    pub socket: Option<std::path::PathBuf>,
    /// `DB_USER`.
    pub user: String,
    /// `DB_PASSWORD`.
    pub password: crate::secret::DatabasePassword,
    /// `DB_NAME`.
    pub database: String,
    /// `DB_CHARSET`: what `SET NAMES` gets, upgraded as `wpdb::determine_charset()` does. Empty: none.
    pub charset: String,
    /// Whether and how TLS is used over TCP; a socket never leaves the machine.
    pub ssl_mode: SslMode,
    /// Authorities for `VerifyCa` and `VerifyIdentity`, PEM, beside the bundled web roots: the client library trusts
    /// those in any case, so only `VerifyIdentity` shuts out everybody else's certificates.
    pub ssl_ca: Option<std::path::PathBuf>,
    /// How long one address may take to answer the connection attempt.
    pub connect_timeout: std::time::Duration,
    /// How long one answer, and one write to the network, may take.
    pub read_timeout: std::time::Duration,
}

/// Opens the database and checks that the tables are there.
///
/// # Errors
/// [`StoreError`] with a sentence that names the file or server; a missing SQLite file is never created.
pub fn open(address: &Address, tables: &Tables) -> Result<Box<dyn Store>, StoreError> {
    match address {
        Address::Sqlite(file) => Ok(Box::new(sqlite::SqliteStore::open(file, tables)?)),
        Address::Mysql(server) => Ok(Box::new(mysql::MysqlStore::open(server, tables)?)),
    }
}

/// Why a database could not be used. The text is the sentence that the user reads.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file, server or database cannot be reached or refuses the login.
    #[error("{0}")]
    Unreachable(Fault),
    /// The tables of this prefix do not exist; the text names the prefixes that do.
    #[error("{0}")]
    NoTables(String),
    /// The account or the file's mode does not allow it.
    #[error("{0}")]
    Denied(String),
    /// Locked, busy or out of time, also after waiting.
    #[error("{0}")]
    Busy(Fault),
    /// The value does not fit: a character that the column's charset cannot hold, or too long.
    #[error("{0}")]
    Unfit(Fault),
    /// Rows that a walk left out because they are too long to be loaded, a sentence for each. All others were visited.
    #[error("{}", .0.join("\n"))]
    TooLong(Vec<String>),
    /// The connection ended while the change was being committed: it may or may not be saved.
    #[error("{0}")]
    Unknown(String),
    /// Anything else that the database reported.
    #[error("{0}")]
    Failed(Fault),
}

/// What went wrong, and what follows where it stopped a change before anything was written. Apart, because what
/// stopped one step need not have stopped the whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Sentences, or one without its full stop where something follows.
    cause: String,
    /// What to do, after "nothing was changed".
    unchanged: Option<String>,
}

impl Fault {
    fn unchanged(cause: String, advice: impl Into<String>) -> Self {
        Self { cause, unchanged: Some(advice.into()) }
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.unchanged {
            None => f.write_str(&self.cause),
            Some(advice) if advice.is_empty() => write!(f, "{}; nothing was changed.", self.cause),
            Some(advice) => write!(f, "{}; nothing was changed. {advice}", self.cause),
        }
    }
}

impl StoreError {
    fn unreachable(cause: String) -> Self {
        Self::Unreachable(Fault { cause, unchanged: None })
    }

    fn busy(cause: String) -> Self {
        Self::Busy(Fault { cause, unchanged: None })
    }

    fn unfit(cause: String) -> Self {
        Self::Unfit(Fault { cause, unchanged: None })
    }

    fn failed(cause: String) -> Self {
        Self::Failed(Fault { cause, unchanged: None })
    }

    /// The sentence without what it says of the whole change.
    pub fn cause(&self) -> String {
        match self {
            Self::Unreachable(fault) | Self::Busy(fault) | Self::Unfit(fault) | Self::Failed(fault) => {
                match &fault.unchanged {
                    None => fault.cause.clone(),
                    Some(_) => format!("{}.", fault.cause),
                }
            }
            Self::NoTables(cause) | Self::Denied(cause) | Self::Unknown(cause) => cause.clone(),
            Self::TooLong(_) => self.to_string(),
        }
    }
}
