//! Where a site's data lies: moves bytes in and out of WordPress's tables, and nothing else.
//!
//! A store knows tables, columns, transactions and locks. It never looks inside a value: what the
//! bytes mean (PHP serialization, application passwords, versions) is decided above it, so two back
//! ends cannot disagree about meaning. All SQL of this program is in this folder.
//!
//! Every back end runs the same list of behaviors: `tests/suite/conformance.rs`.

use std::ops::ControlFlow;

pub mod mysql;
pub mod sandbox;
pub mod sqlite;

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
    pub id: UserId,
    /// `user_login`, as stored.
    pub login: Vec<u8>,
    /// `user_email`, as stored.
    pub email: Vec<u8>,
}

/// What a user is looked up by, as in `get_user_by()`.
#[derive(Debug, Clone, Copy)]
pub enum UserField<'a> {
    Id(UserId),
    Login(&'a [u8]),
    Email(&'a [u8]),
}

/// One row of `usermeta`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetaRow {
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
    pub user: UserId,
    /// `None`: the row's user does not exist (orphan meta).
    pub login: Option<&'a [u8]>,
    pub umeta_id: u64,
    pub value: Option<&'a [u8]>,
}

/// A site's database.
///
/// Methods take `&mut self` because each may open a transaction on the one connection.
pub trait Store {
    /// `get_user_by()`: the user with this id, login or e-mail address, compared as the column's
    /// collation does (usually without regard to case). `None` if there is no such user.
    fn find_user(&mut self, by: UserField<'_>) -> Result<Option<User>, StoreError>;

    /// `get_user_meta()`: all rows of `user` whose key is exactly `key`, lowest `umeta_id` first.
    fn user_meta(&mut self, user: UserId, key: &str) -> Result<MetaRows, StoreError>;

    /// `update_user_meta()` with a compare-and-swap that WordPress does not have: in one transaction
    /// with the rows locked, makes `new` the value of every row of `user` under `key`, if those rows
    /// are still exactly `previous` (ids and bytes). `previous` empty: inserts the first row, once
    /// however many try. `backup`: a `(meta key, value)` inserted in the same transaction.
    ///
    /// Conflicts that the server resolves by ending one side (deadlock, lock wait timeout, busy,
    /// failed certification) come back as [`Swap::Lost`]: nothing was written, the caller reads
    /// again and retries.
    fn replace_user_meta(
        &mut self,
        user: UserId,
        key: &str,
        previous: &[MetaRow],
        new: &[u8],
        backup: Option<(&str, &[u8])>,
    ) -> Result<Swap, StoreError>;

    /// `get_option()`: the raw `option_value` in the options table of the site that was opened.
    fn option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// `get_network_option( get_main_network_id(), … )`: on a network the `sitemeta` row of the main
    /// network (lowest `meta_id`), else the options row.
    fn network_option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// `update_network_option( get_main_network_id(), … )`: sets the value, making the row if there
    /// is none, once however many try.
    fn set_network_option(&mut self, name: &str, value: &[u8], autoload: Autoload) -> Result<(), StoreError>;

    /// Walks every user that has `key`, in `user_id` then `umeta_id` order, without holding the rows
    /// in memory. The visitor ends the walk with [`ControlFlow::Break`].
    fn each_user_meta(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// What `--debug` and error messages say about this database: kind, server version, tables.
    fn description(&self) -> &Description;
}

/// Names and numbers of an open database; never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Where: `SQLite database /srv/…/.ht.sqlite`, `MariaDB 10.11.19 at /run/mysqld/mysqld.sock, database wp`.
    pub place: String,
    pub users_table: String,
    pub usermeta_table: String,
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
    Mysql(MysqlAddress),
}

/// A MySQL or MariaDB server and database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MysqlAddress {
    /// Used unless `socket` is set.
    pub host: String,
    pub port: u16,
    pub socket: Option<std::path::PathBuf>,
    pub user: String,
    pub password: crate::secret::DatabasePassword,
    pub database: String,
    /// `DB_CHARSET`: what `SET NAMES` gets, upgraded as `wpdb::determine_charset()` does. Empty: none.
    pub charset: String,
    pub ssl_mode: SslMode,
    /// Authorities for `VerifyCa` and `VerifyIdentity`, PEM; without it the bundled web roots.
    pub ssl_ca: Option<std::path::PathBuf>,
    pub connect_timeout: std::time::Duration,
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
    Unreachable(String),
    /// The tables of this prefix do not exist; the text names the prefixes that do.
    #[error("{0}")]
    NoTables(String),
    /// The account or the file's mode does not allow it.
    #[error("{0}")]
    Denied(String),
    /// Locked, busy or out of time, also after waiting.
    #[error("{0}")]
    Busy(String),
    /// The value does not fit: a character that the column's charset cannot hold, or too long.
    #[error("{0}")]
    Unfit(String),
    /// The connection ended while the change was being committed: it may or may not be saved.
    #[error("{0}")]
    Unknown(String),
    /// Anything else that the database reported.
    #[error("{0}")]
    Failed(String),
}
