//! A MySQL or MariaDB server, over TCP, TLS or a Unix socket.
//!
//! Values travel in the charset that WordPress's own connection uses, so that the bytes read and written are the
//! ones PHP would see. Nothing here needs more than the grants of the method that is called: opening takes
//! `SELECT` on the site's tables.
//!
//! One algorithm serves tables with and without transactions: lock and compare the rows, then change the first
//! one by an UPDATE that compares once more. InnoDB makes the whole of it atomic; on MyISAM that UPDATE is.
//!
//! WordPress: mirrors the connection that `wp-includes/class-wpdb.php` makes (`db_connect()`, `set_charset()`).

use std::net::{IpAddr, ToSocketAddrs};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use ::mysql::consts::CapabilityFlags;
use ::mysql::prelude::Queryable;
use ::mysql::{Conn, DriverError, Error, OptsBuilder, Params, Row, SslOpts, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::roles::{RoleKeys, RoleTable, USERS_PER_VISIT, is_visited};
use super::{
    Account, Autoload, CLOSED_COLUMNS, Description, Fault, LONGEST_VALUE, MetaRow, MetaRows, MysqlAddress,
    NewUser, Others, SiteOption, SslMode, Store, StoreError, Swap, Tables, Unseen, User, UserField, UserId,
    UserMeta, UserState, WalkEntry, next_chunk, no_tables, too_long, too_long_setting, too_long_to_write,
    walk_ended, why_closed,
};

/// How long a lock is waited for, in seconds: `innodb_lock_wait_timeout`, `lock_wait_timeout`, `GET_LOCK()`.
const LOCK_TIMEOUT: u32 = 10;

/// How often a single statement is tried that lost a deadlock.
const ATTEMPTS: u32 = 5;

/// So many bytes of values are asked for at once.
const CHUNK: usize = 4 << 20;

/// The number of a charset in a result that means "bytes, not text".
const BINARY_CHARSET: u16 = 63;

/// A connection to the server that holds the site.
pub struct MysqlStore {
    /// `None` once it was lost: what a late answer belongs to can no longer be known.
    connection: Option<Conn>,
    /// The charset of text that we send, a name that may stand before a literal.
    charset: String,
    /// The server's limit for one statement, in bytes.
    longest_packet: u64,
    read_timeout: Duration,
    account: String,
    database: String,
    users: String,
    usermeta: Table,
    options: String,
    sitemeta: String,
    blogs: String,
    /// Whether `usermeta` has transactions; asked before the first write.
    transactional: Option<bool>,
    description: Description,
    /// What [`Store::reconnect`] opens again.
    address: MysqlAddress,
    tables: Tables,
}

/// A table's name, quoted for SQL and in parts for the information schema.
struct Table {
    quoted: String,
    schema: Option<String>,
    name: String,
}

/// A row of a walk.
struct ChunkRow {
    user: u64,
    umeta_id: u64,
    value: Option<Vec<u8>>,
    login: Option<Vec<u8>>,
    state: UserState,
}

type Sql<T> = Result<T, Error>;

/// What ended a change early.
enum Stop {
    /// The rows are no longer what they were.
    Changed,
    Sql(Error),
    Store(StoreError),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

/// What a change is about: the arguments of [`Store::replace_user_meta`], and how it may be done.
#[derive(Clone, Copy)]
struct Change<'a> {
    user: UserId,
    key: &'a str,
    previous: &'a [MetaRow],
    new: &'a [u8],
    backup: Option<&'a str>,
    /// Whether `GET_LOCK()` is held.
    locked: bool,
    /// Whether the table has transactions.
    transactional: bool,
}

/// What a statement that changes rows reported.
struct Changed {
    /// Rows that matched, changed or not (`CLIENT_FOUND_ROWS`).
    matched: u64,
    inserted_id: Option<u64>,
}

impl MysqlStore {
    /// Connects, sets the session up as WordPress does, and checks that the tables are there.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] if the server cannot be reached, refuses the login or the TLS settings, or has
    /// no such database; [`StoreError::NoTables`] if no site with this prefix is in it; [`StoreError::Busy`] if it
    /// does not answer in time or has no connection to spare.
    pub fn open(address: &MysqlAddress, tables: &Tables) -> Result<Self, StoreError> {
        let names = tables.names()?;
        let place = match &address.socket {
            Some(socket) => format!("{}, database {}", socket.display(), address.database),
            None if address.host.contains(':') => {
                format!("[{}]:{}, database {}", address.host, address.port, address.database)
            }
            None => format!("{}:{}, database {}", address.host, address.port, address.database),
        };
        let connection = connect(address).map_err(|failure| failure.sentence(address, &place))?;
        let mut store = Self {
            connection: Some(connection),
            charset: String::new(),
            longest_packet: 0,
            read_timeout: address.read_timeout,
            account: address.user.clone(),
            database: address.database.clone(),
            users: quoted(&names.users),
            usermeta: Table {
                quoted: quoted(&names.usermeta),
                schema: (names.usermeta.len() > 1).then(|| names.usermeta[0].clone()),
                name: names.usermeta.last().cloned().unwrap_or_default(),
            },
            options: quoted(std::slice::from_ref(&names.options)),
            sitemeta: quoted(std::slice::from_ref(&names.sitemeta)),
            blogs: quoted(std::slice::from_ref(&names.blogs)),
            transactional: None,
            description: Description {
                place: format!("database server at {place}"),
                users_table: names.users.join("."),
                usermeta_table: names.usermeta.join("."),
                options_table: names.options.clone(),
                network: None,
            },
            address: address.clone(),
            tables: tables.clone(),
        };
        store.set_up_session(&address.charset, &place)?;
        store.check_tables()?;
        if let Some(id) = store.find_network(tables, &names)? {
            store.description.network = Some((names.sitemeta, id));
        }
        Ok(store)
    }

    /// One round trip for the settings, one to learn what came of them.
    fn set_up_session(&mut self, charset: &str, place: &str) -> Result<(), StoreError> {
        // WordPress: wpdb::determine_charset() turns utf8 into utf8mb4. The collation it adds decides nothing:
        // a column's own collation always beats the connection's.
        let charset = match charset.to_ascii_lowercase() {
            name if name == "utf8" => "utf8mb4".to_owned(),
            name => name,
        };
        let named =
            !charset.is_empty() && charset.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // WordPress: without DB_CHARSET, or with one that the server does not know, PHP keeps the server's default.
        let default = "character_set_client = @@character_set_server, character_set_results = \
                       @@character_set_server, collation_connection = @@collation_server"
            .to_owned();
        let charsets = [named.then(|| format!("NAMES {charset}")), Some(default)];
        // Strict for our own writes: a character that does not fit must be an error, where WordPress's mode would
        // store a question mark. The server's default modes (ANSI_QUOTES, NO_BACKSLASH_ESCAPES…) are not wanted.
        let modes = "autocommit = 1, sql_mode = 'STRICT_ALL_TABLES'";
        // wait_timeout: somebody may think about a question for a while.
        let timeouts = format!(
            ", wait_timeout = 3600, lock_wait_timeout = {LOCK_TIMEOUT}, innodb_lock_wait_timeout = {LOCK_TIMEOUT}"
        );
        let mut outcome = Ok(());
        'settings: for charset in charsets.into_iter().flatten() {
            for timeouts in [timeouts.as_str(), ""] {
                outcome = self.run(&format!("SET {charset}, {modes}{timeouts}"));
                if !matches!(outcome, Err(Error::MySqlError(_))) {
                    break 'settings;
                }
            }
        }
        outcome.map_err(|error| self.fault(error))?;
        let facts = self
            .rows("SELECT @@version, @@character_set_client, @@max_allowed_packet")
            .map_err(|error| self.fault(error))?;
        let fact = |column: usize| facts.first().and_then(|row| text(row.get(column)?)).unwrap_or_default();
        let version = fact(0);
        let product = if version.to_ascii_lowercase().contains("mariadb") { "MariaDB" } else { "MySQL" };
        let number = version.split('-').next().unwrap_or_default();
        self.description.place = format!("{product} {number} at {place}");
        self.charset = fact(1);
        self.longest_packet = fact(2).parse().unwrap_or(1 << 20);
        Ok(())
    }

    fn check_tables(&mut self) -> Result<(), StoreError> {
        let tables = [
            (self.users.clone(), self.description.users_table.clone()),
            (self.usermeta.quoted.clone(), self.description.usermeta_table.clone()),
            (self.options.clone(), self.description.options_table.clone()),
        ];
        let [users, usermeta, options] = &tables;
        let probe = format!("SELECT 1 FROM {}, {}, {} LIMIT 0", users.0, usermeta.0, options.0);
        let error = match self.run(&probe) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if code(&error) != Some(1146) {
            return Err(self.fault(error));
        }
        let mut missing = usermeta.1.as_str();
        for (quoted, name) in tables.iter().rev() {
            if self.run(&format!("SELECT 1 FROM {quoted} LIMIT 0")).is_err() {
                missing = name;
            }
        }
        let all = self
            .rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() \
                 AND (table_name LIKE '%usermeta' OR table_name LIKE '%options')",
            )
            .unwrap_or_default();
        let all: Vec<String> = all.iter().filter_map(|row| text(row.first()?)).collect();
        Err(no_tables(missing, &self.description.place, &all))
    }

    /// The main network's id, if this is a network.
    fn find_network(
        &mut self,
        tables: &Tables,
        names: &super::TableNames,
    ) -> Result<Option<u64>, StoreError> {
        if tables.multisite == Some(false) {
            return Ok(None);
        }
        if let (Some(true), Some(id)) = (tables.multisite, tables.primary_network) {
            return Ok(Some(id));
        }
        // WordPress: get_main_network_id() prefers 1, then the lowest.
        let site = quoted(std::slice::from_ref(&names.site));
        let query = format!(
            "SELECT (SELECT id FROM {site} ORDER BY id <> 1, id LIMIT 1), \
             (SELECT 1 FROM {} LIMIT 0), (SELECT 1 FROM {} LIMIT 0)",
            self.sitemeta, self.blogs
        );
        let id = match self.rows(&query) {
            Ok(rows) => rows.first().and_then(|row| number(row.first()?)),
            Err(error) if code(&error) == Some(1146) && tables.multisite.is_none() => return Ok(None),
            // An account with grants on single tables is also denied tables that do not exist. Only a network's
            // users have these columns.
            Err(error) if matches!(code(&error), Some(1142 | 1143)) && tables.multisite.is_none() => {
                let columns = format!("SELECT spam, deleted FROM {} LIMIT 0", self.users);
                match self.run(&columns) {
                    Err(absent) if code(&absent) == Some(1054) => return Ok(None),
                    _ => return Err(self.fault(error)),
                }
            }
            Err(error) => return Err(self.fault(error)),
        };
        Ok(Some(tables.primary_network.or(id).unwrap_or(1)))
    }

    /// Sends a statement and reads its answer; after anything but an answer the connection is not used again.
    fn with_connection<T>(&mut self, work: impl FnOnce(&mut Conn) -> Sql<T>) -> Sql<T> {
        let Some(connection) = self.connection.as_mut() else {
            return Err(Error::IoError(std::io::ErrorKind::NotConnected.into()));
        };
        let outcome = work(connection);
        if let Err(error) = &outcome
            && code(error).is_none()
        {
            self.connection = None;
        }
        outcome
    }

    fn run(&mut self, sql: &str) -> Sql<()> {
        self.with_connection(|connection| connection.query_drop(sql))
    }

    /// Runs a query and hands over its rows one by one.
    fn each_row(&mut self, sql: &str, mut row: impl FnMut(Row)) -> Sql<()> {
        self.with_connection(|connection| {
            for next in connection.query_iter(sql)? {
                row(next?);
            }
            Ok(())
        })
    }

    fn rows(&mut self, sql: &str) -> Sql<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        self.each_row(sql, |row| rows.push(row.unwrap()))?;
        Ok(rows)
    }

    /// Changes rows. The values travel as parameters, which the server takes for text in the connection's
    /// charset, exactly like the literals in WordPress's own statements.
    fn change(&mut self, sql: &str, values: Vec<Value>) -> Sql<Changed> {
        self.with_connection(|connection| {
            let result = connection.exec_iter(sql, Params::Positional(values))?;
            let changed = Changed { matched: result.affected_rows(), inserted_id: result.last_insert_id() };
            drop(result);
            Ok(changed)
        })
    }

    /// A literal: plain where it can be, else in hexadecimal with its charset, which no setting can reinterpret.
    fn literal(&self, bytes: &[u8]) -> String {
        use std::fmt::Write;
        if bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'@'))
        {
            return format!("'{}'", String::from_utf8_lossy(bytes));
        }
        let mut literal = format!("_{} x'", self.charset);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(literal, "{byte:02X}");
        }
        literal.push('\'');
        literal
    }

    /// Columns that every reading of meta rows starts with: see [`read_meta_row`].
    fn meta_columns() -> String {
        format!(
            "umeta_id, meta_key, LENGTH(meta_value), IF(LENGTH(meta_value) <= {LONGEST_VALUE}, meta_value, NULL)"
        )
    }

    /// Rows of one user under exactly one key, and whether the column holds bytes instead of text.
    fn read_meta(&mut self, sql: &str, user: UserId, key: &str) -> Result<(MetaRows, bool), Stop> {
        let (mut found, mut oversized, mut binary) = (MetaRows::new(), None, false);
        self.each_row(sql, |row| {
            binary = row.columns_ref().get(3).is_some_and(|column| column.character_set() == BINARY_CHARSET);
            match read_meta_row(row.unwrap(), key) {
                Some((row, length)) if length <= LONGEST_VALUE as u64 => found.push(row),
                Some((row, length)) => oversized = oversized.or(Some((row.umeta_id, length))),
                None => {}
            }
        })?;
        match oversized {
            None => Ok((found, binary)),
            Some((umeta_id, length)) => {
                let table = &self.description.usermeta_table;
                Err(Stop::Store(StoreError::unfit(too_long(table, "meta_value", umeta_id, user, length))))
            }
        }
    }

    /// One option's value, unless it is too long.
    fn setting(&mut self, table: &str, column: &str, from: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = format!(
            "SELECT LENGTH({column}), IF(LENGTH({column}) <= {LONGEST_VALUE}, {column}, NULL) FROM {from}"
        );
        let mut rows = self.rows(&sql).map_err(|error| self.fault(error))?;
        let Some(mut row) = rows.pop() else { return Ok(None) };
        match row.first().and_then(number) {
            Some(length) if length > LONGEST_VALUE as u64 => Err(too_long_setting(table, column, length)),
            _ => Ok(row.pop().and_then(bytes)),
        }
    }

    /// `GET_LOCK()`: keeps our own writers apart where there is no row yet to lock. `false`: this server has no
    /// such locks (clusters in strict mode).
    fn lock(&mut self, what: &str) -> Result<bool, StoreError> {
        let sql = format!("SELECT GET_LOCK('{}', {LOCK_TIMEOUT})", self.lock_name(what));
        match self.rows(&sql) {
            Ok(rows) if rows.first().and_then(|row| number(row.first()?)) == Some(1) => Ok(true),
            Ok(_) => Err(StoreError::Busy(Fault::unchanged(
                format!(
                    "Another process has been writing the same row in {} for {LOCK_TIMEOUT} seconds",
                    self.description.place
                ),
                "Try again.",
            ))),
            Err(Error::MySqlError(_)) => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn unlock(&mut self, what: &str) {
        // The lock ends with the connection in any case.
        let _ = self.run(&format!("SELECT RELEASE_LOCK('{}')", self.lock_name(what)));
    }

    /// At most 64 characters, and different for each database of a server.
    fn lock_name(&self, what: &str) -> String {
        use std::fmt::Write;
        let schema = self.usermeta.schema.as_deref().unwrap_or(&self.database);
        let digest = Sha256::digest(format!("{schema}\0{}\0{what}", self.usermeta.name));
        let mut name = String::from("wp-app-password-");
        for byte in &digest[..16] {
            let _ = write!(name, "{byte:02x}");
        }
        name
    }

    /// Whether `usermeta` has transactions. Views and unknown engines count as having none.
    fn is_transactional(&mut self) -> Sql<bool> {
        if let Some(known) = self.transactional {
            return Ok(known);
        }
        let schema = match &self.usermeta.schema {
            Some(schema) => self.literal(schema.as_bytes()),
            None => "DATABASE()".to_owned(),
        };
        let sql = format!(
            "SELECT engine FROM information_schema.tables WHERE table_schema = {schema} AND table_name = {}",
            self.literal(self.usermeta.name.as_bytes())
        );
        let rows = self.rows(&sql)?;
        let engine = rows.first().and_then(|row| text(row.first()?)).unwrap_or_default().to_ascii_lowercase();
        let known =
            matches!(engine.as_str(), "innodb" | "xtradb" | "rocksdb" | "tokudb" | "ndb" | "ndbcluster");
        self.transactional = Some(known);
        Ok(known)
    }

    /// The change itself, inside the transaction.
    fn swap(&mut self, change: Change<'_>) -> Result<(), Stop> {
        let Change { user, key, previous, new, backup, locked, transactional } = change;
        let usermeta = self.usermeta.quoted.clone();
        let columns = Self::meta_columns();
        let of_user = format!("user_id = {user} AND meta_key = {}", self.literal(key.as_bytes()));
        let insert = format!("INSERT INTO {usermeta} (user_id, meta_key, meta_value) VALUES ({user}, ?, ?)");

        let mut binary = false;
        if !previous.is_empty() {
            // By primary key: a lock on the key's index would stop every other user's writers as well.
            let ids = join(previous.iter().map(|row| row.umeta_id));
            let sql = format!(
                "SELECT {columns} FROM {usermeta} WHERE umeta_id IN ({ids}) AND user_id = {user} ORDER BY umeta_id \
                 FOR UPDATE"
            );
            let (rows, is_binary) = self.read_meta(&sql, user, key)?;
            binary = is_binary;
            if rows != previous {
                return Err(Stop::Changed);
            }
        }
        // The first read without a lock, so that it sees all that was committed before we had ours. Where
        // GET_LOCK() is missing it locks the gap: of two such transactions that then insert, the server ends one.
        let gap = if previous.is_empty() && !locked { " FOR UPDATE" } else { "" };
        let sql = format!("SELECT umeta_id, meta_key FROM {usermeta} WHERE {of_user} ORDER BY umeta_id{gap}");
        let exact = |row: &Vec<Value>| row.get(1).and_then(raw) == Some(key.as_bytes());
        let ids: Vec<u64> =
            self.rows(&sql)?.iter().filter(|row| exact(row)).filter_map(|row| number(&row[0])).collect();
        if !ids.iter().eq(previous.iter().map(|row| &row.umeta_id)) {
            return Err(Stop::Changed);
        }

        let backup_id = match (backup, previous.first()) {
            // Copied inside the server: on its way here and back a character may be lost that the connection's
            // charset lacks, and the old bytes are what is promised.
            (Some(backup_key), Some(first)) => {
                let copy = format!(
                    "INSERT INTO {usermeta} (user_id, meta_key, meta_value) SELECT user_id, ?, meta_value FROM \
                     {usermeta} WHERE umeta_id = {}",
                    first.umeta_id
                );
                self.change(&copy, vec![backup_key.into()])?.inserted_id
            }
            _ => None,
        };
        let Some(first) = previous.first() else {
            let made = self.change(&insert, vec![key.into(), Value::Bytes(new.to_vec())])?.inserted_id;
            return if transactional { self.verify(made.unwrap_or(0), user, key, new) } else { Ok(()) };
        };

        let update = format!("UPDATE {usermeta} SET meta_value = ? WHERE umeta_id = ");
        let stored = match (&first.value, binary) {
            (None, _) => "meta_value IS NULL".to_owned(),
            (Some(_), true) => "BINARY meta_value = BINARY ?".to_owned(),
            // Compared in the charset in which it was read; BINARY, because collations ignore case and padding.
            (Some(_), false) => {
                format!("CAST(CONVERT(meta_value USING {}) AS BINARY) = CAST(? AS BINARY)", self.charset)
            }
        };
        let old = first.value.iter().map(|value| Value::Bytes(value.clone()));
        let values = std::iter::once(Value::Bytes(new.to_vec())).chain(old).collect();
        let same_row = format!("{} AND {of_user}", first.umeta_id);
        let changed = self.change(&format!("{update}{same_row} AND {stored}"), values);
        if !matches!(changed, Ok(Changed { matched: 1, .. })) {
            // Without transactions the backup is already there; nobody needs it now.
            if let Some(id) = backup_id
                && !transactional
            {
                let _ = self.run(&format!("DELETE FROM {usermeta} WHERE umeta_id = {id}"));
            }
            return Err(changed.err().map_or(Stop::Changed, Stop::Sql));
        }
        // WordPress: update_metadata() writes the same value into every duplicate.
        for duplicate in &previous[1..] {
            let value = vec![Value::Bytes(new.to_vec())];
            match self.change(&format!("{update}{} AND {of_user}", duplicate.umeta_id), value) {
                Err(_) if !transactional => {
                    return Err(Stop::Store(StoreError::Unknown(format!(
                        "The row that WordPress reads (umeta_id {} in {}) was changed, but not all of its \
                         duplicates.",
                        first.umeta_id, self.description.usermeta_table
                    ))));
                }
                outcome => {
                    outcome?;
                }
            }
        }
        if transactional { self.verify(first.umeta_id, user, key, new) } else { Ok(()) }
    }

    /// Reads a written row back while it is locked: strict mode refuses what does not fit, but a trigger or a proxy
    /// may still change it, and a list with wrong byte counts is an empty list to WordPress. Without transactions
    /// there is no lock: what is there may be somebody else's next change.
    fn verify(&mut self, umeta_id: u64, user: UserId, key: &str, new: &[u8]) -> Result<(), Stop> {
        let sql = format!(
            "SELECT {} FROM {} WHERE umeta_id = {umeta_id}",
            Self::meta_columns(),
            self.usermeta.quoted
        );
        let (rows, _) = self.read_meta(&sql, user, key)?;
        if rows.first().and_then(|row| row.value.as_deref()) == Some(new) {
            return Ok(());
        }
        Err(Stop::Store(StoreError::unfit(format!(
            "What {} stored in {} is not what was sent, so the change was taken back: a trigger or a proxy may \
             alter it, or the column's charset cannot hold it.",
            self.description.place, self.description.usermeta_table
        ))))
    }

    /// [`Self::swap`] in a transaction, where there are any.
    fn swap_and_commit(&mut self, change: Change<'_>) -> Result<(), Stop> {
        if !change.transactional {
            return self.swap(change);
        }
        // The server's own isolation level serves: rows are compared under their locks, which read the newest
        // state at every level, and READ COMMITTED would fail where binary logs are kept as statements. Only the
        // lock on a gap needs REPEATABLE READ.
        if change.previous.is_empty() && !change.locked {
            self.run("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")?;
        }
        self.run("START TRANSACTION")?;
        self.swap(change)?;
        match self.run("COMMIT") {
            Err(error) if commit_is_uncertain(&error) => Err(Stop::Store(StoreError::Unknown(format!(
                "{} ended the connection while the change was being committed: it may or may not be saved.",
                self.description.place
            )))),
            outcome => Ok(outcome?),
        }
    }

    /// Makes the change, and says in the caller's terms why it could not be made.
    fn transaction(&mut self, mut change: Change<'_>) -> Result<Swap, StoreError> {
        change.transactional = self.is_transactional().map_err(|error| self.fault(error))?;
        match self.swap_and_commit(change) {
            Ok(()) => Ok(Swap::Done),
            Err(stop) => self.stopped(stop, change.transactional, change.new),
        }
    }

    /// Takes back what was begun, and says in the caller's terms what stopped it. `value`: what was to be written.
    fn stopped(&mut self, stop: Stop, transactional: bool, value: &[u8]) -> Result<Swap, StoreError> {
        if transactional && self.connection.is_some() {
            // A failed rollback loses the connection, and the server rolls back.
            let _ = self.run("ROLLBACK");
        }
        match stop {
            Stop::Changed => Ok(Swap::Lost),
            Stop::Sql(error) if lost_conflict(&error) => Ok(Swap::Lost),
            Stop::Sql(error) if unfit(&error) => Err(self.unfit_sentence(value, &error)),
            Stop::Sql(error) if code(&error).is_none() && !transactional => {
                Err(StoreError::Unknown(format!(
                    "The connection to {} ended during the change, and {} has no transactions: it may or may not be \
                 saved.",
                    self.description.place, self.description.usermeta_table
                )))
            }
            Stop::Sql(error) => Err(self.fault(error)),
            Stop::Store(error) => Err(error),
        }
    }

    /// Adds a user's rows, the ones that give it rights last: where there are no transactions, what a killed run leaves
    /// behind can do nothing.
    fn add_user(
        &mut self,
        user: &NewUser<'_>,
        transactional: bool,
        id: &mut Option<UserId>,
    ) -> Result<(), Stop> {
        if transactional {
            self.run("START TRANSACTION")?;
        }
        for (column, value) in [("user_login", user.login), ("user_email", user.email)] {
            let sql =
                format!("SELECT ID FROM {} WHERE {column} = {} LIMIT 1", self.users, self.literal(value));
            if !self.rows(&sql)?.is_empty() {
                return Err(Stop::Changed);
            }
        }
        let insert = format!(
            "INSERT INTO {} (user_login, user_pass, user_nicename, user_email, user_url, user_registered, \
             user_activation_key, display_name) VALUES (?, ?, ?, ?, '', ?, '', ?)",
            self.users
        );
        let columns =
            [user.login, user.password, user.nicename, user.email, user.registered.as_bytes(), user.login];
        let made =
            self.change(&insert, columns.iter().map(|bytes| Value::Bytes(bytes.to_vec())).collect())?;
        *id = made.inserted_id.map(UserId);
        let Some(new) = made.inserted_id else {
            return Err(Stop::Store(StoreError::Failed(Fault::unchanged(
                format!("{} did not say which id the new user got", self.description.place),
                "",
            ))));
        };
        let rows = vec!["(?, ?, ?)"; user.meta.len()].join(", ");
        let insert =
            format!("INSERT INTO {} (user_id, meta_key, meta_value) VALUES {rows}", self.usermeta.quoted);
        let values = user.meta.iter().flat_map(|(key, value)| {
            [Value::UInt(new), Value::Bytes(key.clone().into_bytes()), Value::Bytes(value.clone())]
        });
        self.change(&insert, values.collect())?;
        if !transactional {
            return Ok(());
        }
        match self.run("COMMIT") {
            Err(error) if commit_is_uncertain(&error) => Err(Stop::Store(StoreError::Unknown(format!(
                "{} ended the connection while the new user was being committed: it may or may not be saved.",
                self.description.place
            )))),
            outcome => Ok(outcome?),
        }
    }

    /// The rows that a walk over `key` visits, and those that are too long for it.
    fn list_walk(&mut self, key: &str) -> Result<(Vec<WalkEntry>, Vec<WalkEntry>), StoreError> {
        // Ids first, sorted here: the server would have to sort all values, and no index has this order for this
        // key alone. Then the values by primary key, in parts, so that neither a snapshot nor a MyISAM lock waits
        // for the visitor.
        let usermeta = self.usermeta.quoted.clone();
        let sql = format!(
            "SELECT user_id, umeta_id, LENGTH(meta_value), meta_key FROM {usermeta} WHERE meta_key = {}",
            self.literal(key.as_bytes())
        );
        let mut entries: Vec<WalkEntry> = Vec::new();
        let listed = self.each_row(&sql, |row| {
            let row = row.unwrap();
            if let [user, umeta_id, length, found_key] = row.as_slice()
                && raw(found_key) == Some(key.as_bytes())
                && let (Some(user), Some(umeta_id)) = (number(user), number(umeta_id))
            {
                entries.push((user, umeta_id, number(length).unwrap_or(0)));
            }
        });
        listed.map_err(|error| self.fault(error))?;
        entries.sort_unstable();
        let left_out = entries.extract_if(.., |entry| entry.2 > LONGEST_VALUE as u64).collect();
        Ok((entries, left_out))
    }

    /// Reads one part of a walk, in its order. Rows that are gone meanwhile are left out.
    fn read_chunk(&mut self, chunk: &[WalkEntry], columns: &str) -> Result<Vec<ChunkRow>, StoreError> {
        let sql = format!(
            "SELECT m.user_id, m.umeta_id, m.meta_value, u.user_login{columns} FROM {} m \
             LEFT JOIN {} u ON u.ID = m.user_id WHERE m.umeta_id IN ({}) \
             AND COALESCE(LENGTH(m.meta_value), 0) <= {LONGEST_VALUE}",
            self.usermeta.quoted,
            self.users,
            join(chunk.iter().map(|(_, umeta_id, _)| *umeta_id))
        );
        let mut found = Vec::with_capacity(chunk.len());
        let read = self.each_row(&sql, |row| {
            let mut row = row.unwrap().into_iter();
            let mut next = || row.next().unwrap_or(Value::NULL);
            let (Some(user), Some(umeta_id)) = (number(&next()), number(&next())) else { return };
            let (value, login) = (bytes(next()), bytes(next()));
            let mut flag = || number(&next()).unwrap_or(0);
            let state = UserState { status: flag(), spam: flag() != 0, deleted: flag() != 0 };
            found.push(ChunkRow { user, umeta_id, value, login, state });
        });
        read.map_err(|error| self.fault(error))?;
        found.sort_unstable_by_key(|row| (row.user, row.umeta_id));
        Ok(found)
    }

    /// Adds the roles of those of `entries`' users whose rows `condition` finds.
    fn read_roles(
        &mut self,
        condition: &str,
        keys: &RoleKeys,
        entries: &[WalkEntry],
        roles: &mut RoleTable,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT user_id, umeta_id, meta_key, IF(LENGTH(meta_value) <= 65535, meta_value, NULL) FROM {} WHERE {condition}",
            self.usermeta.quoted
        );
        let read = self.each_row(&sql, |row| {
            let row = row.unwrap();
            if let [user, umeta_id, key, value] = row.as_slice()
                && let (Some(user), Some(umeta_id)) = (number(user), number(umeta_id))
                && let Some(blog) = raw(key).and_then(|key| keys.blog(key))
                && is_visited(entries, user)
            {
                roles.add(user, blog, umeta_id, raw(value).unwrap_or_default());
            }
        });
        read.map_err(|error| self.fault(error))?;
        roles.sort();
        Ok(())
    }

    fn highest_user(&mut self) -> Result<u64, StoreError> {
        let sql = format!("SELECT MAX(ID) FROM {}", self.users);
        let rows = self.rows(&sql).map_err(|error| self.fault(error))?;
        Ok(rows.first().and_then(|row| number(row.first()?)).unwrap_or(0))
    }

    /// The columns of a [`UserState`]: zero where this users table lacks one.
    fn state_columns(&mut self) -> Result<String, StoreError> {
        let mut columns = String::new();
        for column in UserState::COLUMNS {
            match self.run(&format!("SELECT u.{column} FROM {} u LIMIT 0", self.users)) {
                Ok(()) => columns.push_str(&format!(", u.{column}")),
                Err(error) if code(&error) == Some(1054) => columns.push_str(", 0"),
                Err(error) => return Err(self.fault(error)),
            }
        }
        Ok(columns)
    }

    /// Runs a change of one statement, which is a transaction of its own, until it does not lose a deadlock.
    fn change_alone(&mut self, sql: &str, values: &[&[u8]]) -> Result<Changed, StoreError> {
        let mut attempt = 1;
        loop {
            let values: Vec<Value> = values.iter().map(|value| Value::Bytes(value.to_vec())).collect();
            let error = match self.change(sql, values) {
                Ok(changed) => return Ok(changed),
                Err(error) => error,
            };
            if !lost_conflict(&error) || attempt == ATTEMPTS {
                return Err(match code(&error) {
                    None => StoreError::Unknown(format!(
                        "The connection to {} ended during a change: it may or may not be saved.",
                        self.description.place
                    )),
                    Some(_) => self.fault(error),
                });
            }
            attempt += 1;
        }
    }

    /// The sentence for a value that the column cannot hold; says which character, where that can be known.
    fn unfit_sentence(&mut self, value: &[u8], error: &Error) -> StoreError {
        if code(error) == Some(1406) {
            return StoreError::Unfit(Fault::unchanged(
                format!(
                    "The new value has {} bytes, more than the column meta_value of {} can hold",
                    value.len(),
                    self.description.usermeta_table
                ),
                "",
            ));
        }
        let schema = match &self.usermeta.schema {
            Some(schema) => self.literal(schema.as_bytes()),
            None => "DATABASE()".to_owned(),
        };
        let sql = format!(
            "SELECT character_set_name FROM information_schema.columns WHERE table_schema = {schema} \
             AND table_name = {} AND column_name = 'meta_value'",
            self.literal(self.usermeta.name.as_bytes())
        );
        let rows = self.rows(&sql).unwrap_or_default();
        let charset = rows.first().and_then(|row| text(row.first()?)).unwrap_or_else(|| "unknown".into());
        let culprit = std::str::from_utf8(value).ok().and_then(|text| {
            text.chars().find(|c| match charset.as_str() {
                "utf8" | "utf8mb3" => *c > '\u{FFFF}',
                "latin1" => *c > '\u{FF}' && !"€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(*c),
                _ => !c.is_ascii(),
            })
        });
        let what = culprit
            .map_or("all of the new value".into(), |c| format!("the character U+{:04X}", u32::from(c)));
        StoreError::Unfit(Fault::unchanged(
            format!(
                "The column meta_value of {} has the charset {charset}, which cannot hold {what}",
                self.description.usermeta_table
            ),
            "Leave that character out, or convert the table to utf8mb4.",
        ))
    }

    /// The sentence for what the server, or the connection to it, reported.
    fn fault(&self, error: Error) -> StoreError {
        let place = &self.description.place;
        let error = match error {
            Error::MySqlError(error) => error,
            error if timed_out(&error) => {
                return StoreError::Busy(Fault::unchanged(
                    format!("{place} did not answer within {} seconds", self.read_timeout.as_secs()),
                    "Try again later.",
                ));
            }
            other => {
                return StoreError::Unreachable(Fault::unchanged(
                    format!("The connection to {place} was lost ({})", reason(&other)),
                    "Try again.",
                ));
            }
        };
        let reported = format!("error {}: {}", error.code, error.message);
        match error.code {
            1142 | 1143 => StoreError::Denied(format!(
                "The account {:?} lacks a privilege at {place} ({reported}). This command needs {} there; nothing was \
                 changed. Grant it, or use an account that has it.",
                self.account,
                missing_privilege(&error.message),
            )),
            1227 | 1370 | 1044 => StoreError::Denied(format!(
                "The account {:?} lacks a privilege at {place} ({reported}). Every command needs SELECT on the site's \
                 tables, and those that change something UPDATE on {}; a user's first password needs INSERT there too.",
                self.account, self.description.usermeta_table,
            )),
            1290 | 1792 | 1836 | 3100 | 4149 => StoreError::Denied(format!(
                "{place} is read-only ({reported}). Write to the primary server, or wait until it accepts writes \
                 again."
            )),
            1021 | 1114 | 3675 => disk_full(place, &reported),
            1030 | 1026 | 3 if error.message.contains("28") => disk_full(place, &reported),
            1205 | 1213 | 1969 | 3024 => StoreError::Busy(Fault::unchanged(
                format!("Another session held a lock at {place} for too long ({reported})"),
                "Try again.",
            )),
            1153 => StoreError::Unfit(Fault::unchanged(
                format!(
                    "The new value is longer than {place} takes in one statement ({} bytes, max_allowed_packet)",
                    self.longest_packet
                ),
                "",
            )),
            1053 | 1317 | 1927 | 1047 => StoreError::Unreachable(Fault::unchanged(
                format!("{place} ended the statement or the connection ({reported})"),
                "Try again.",
            )),
            _ => StoreError::failed(format!("{place} reported {reported}")),
        }
    }
}

impl Store for MysqlStore {
    fn find_user(&mut self, by: UserField<'_>) -> Result<Option<User>, StoreError> {
        let condition = match by {
            UserField::Id(id) => format!("ID = {id}"),
            UserField::Login(login) => format!("user_login = {}", self.literal(login)),
            UserField::Email(email) => format!("user_email = {}", self.literal(email)),
            UserField::Nicename(nicename) => format!("user_nicename = {}", self.literal(nicename)),
        };
        let sql = format!("SELECT ID, user_login, user_email FROM {} WHERE {condition} LIMIT 1", self.users);
        let mut rows = match self.rows(&sql) {
            Ok(rows) => rows,
            // The bytes are no text in this charset, or none that the column could hold: nobody has that name.
            Err(error) if matches!(code(&error), Some(1300 | 3854 | 3988 | 1267)) => return Ok(None),
            Err(error) => return Err(self.fault(error)),
        };
        Ok(rows.pop().and_then(|row| {
            let [id, login, email] = <[Value; 3]>::try_from(row).ok()?;
            let id = UserId(number(&id)?);
            Some(User {
                id,
                login: bytes(login).unwrap_or_default(),
                email: bytes(email).unwrap_or_default(),
            })
        }))
    }

    fn insert_user(&mut self, user: &NewUser<'_>) -> Result<Option<UserId>, StoreError> {
        // No unique index protects a login.
        let locked = self.lock("users")?;
        let transactional = self.is_transactional().map_err(|error| self.fault(error))?;
        let mut id = None;
        let outcome = match self.add_user(user, transactional, &mut id) {
            Ok(()) => Ok(Swap::Done),
            Err(stop) => self.stopped(stop, transactional, user.login),
        };
        if locked {
            self.unlock("users");
        }
        Ok(if outcome? == Swap::Done { id } else { None })
    }

    fn wordfence_setting(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        // Newer versions write the table's name in lower case. One table serves a whole network.
        for table in ["wfconfig", "wfConfig"] {
            let table = quoted(&[format!("{}{table}", self.tables.prefix)]);
            let sql =
                format!("SELECT val FROM {table} WHERE name = {} LIMIT 1", self.literal(name.as_bytes()));
            match self.rows(&sql) {
                Ok(rows) => {
                    let found = rows.into_iter().next().and_then(|row| bytes(row.into_iter().next()?));
                    if found.is_some() {
                        return Ok(found);
                    }
                }
                // There is no such table, or it is none of this account's business.
                Err(error) if matches!(code(&error), Some(1146 | 1142 | 1143)) => {}
                Err(error) => return Err(self.fault(error)),
            }
        }
        Ok(None)
    }

    fn login_hash(&mut self, user: UserId) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let sql = format!("SELECT user_pass FROM {} WHERE ID = {user}", self.users);
        let rows = self.rows(&sql).map_err(|error| self.fault(error))?;
        let found = rows.into_iter().next().and_then(|row| bytes(row.into_iter().next()?));
        Ok(Zeroizing::new(found.unwrap_or_default()))
    }

    fn user_state(&mut self, user: UserId) -> Result<UserState, StoreError> {
        let columns = self.state_columns()?;
        let sql = format!("SELECT u.ID{columns} FROM {} u WHERE u.ID = {user}", self.users);
        let rows = self.rows(&sql).map_err(|error| self.fault(error))?;
        let Some(row) = rows.first() else { return Ok(UserState::default()) };
        let flag = |column: usize| row.get(column).and_then(number).unwrap_or(0);
        Ok(UserState { status: flag(1), spam: flag(2) != 0, deleted: flag(3) != 0 })
    }

    fn user_meta(&mut self, user: UserId, key: &str) -> Result<MetaRows, StoreError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE user_id = {user} AND meta_key = {} ORDER BY umeta_id",
            Self::meta_columns(),
            self.usermeta.quoted,
            self.literal(key.as_bytes())
        );
        match self.read_meta(&sql, user, key) {
            Ok((rows, _)) => Ok(rows),
            Err(Stop::Store(error)) => Err(error),
            Err(Stop::Sql(error)) => Err(self.fault(error)),
            Err(Stop::Changed) => Ok(MetaRows::new()),
        }
    }

    fn replace_user_meta(
        &mut self,
        user: UserId,
        key: &str,
        previous: &[MetaRow],
        new: &[u8],
        backup: Option<&str>,
    ) -> Result<Swap, StoreError> {
        if new.len() > LONGEST_VALUE {
            return Err(too_long_to_write(new.len()));
        }
        let old = previous.first().and_then(|row| row.value.as_ref()).map_or(0, Vec::len);
        // Asked beforehand: a server that is sent too much just closes the connection.
        if (new.len() + old + 4096) as u64 > self.longest_packet {
            return Err(StoreError::Unfit(Fault::unchanged(
                format!(
                    "The new value of {} bytes, compared with {old} old ones, is longer than {} takes in one statement \
                     ({} bytes, max_allowed_packet)",
                    new.len(),
                    self.description.place,
                    self.longest_packet
                ),
                "",
            )));
        }
        let mut change = Change { user, key, previous, new, backup, locked: false, transactional: false };
        if !previous.is_empty() {
            return self.transaction(change);
        }
        let what = format!("user\0{user}\0{key}");
        change.locked = self.lock(&what)?;
        let outcome = self.transaction(change);
        if change.locked {
            self.unlock(&what);
        }
        outcome
    }

    fn option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let from = format!("{} WHERE option_name = {} LIMIT 1", self.options, self.literal(name.as_bytes()));
        let table = self.description.options_table.clone();
        self.setting(&table, "option_value", &from)
    }

    fn network_option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((table, network)) = self.description.network.clone() else { return self.option(name) };
        let from = format!(
            "{} WHERE meta_key = {} AND site_id = {network} ORDER BY meta_id LIMIT 1",
            self.sitemeta,
            self.literal(name.as_bytes())
        );
        self.setting(&table, "meta_value", &from)
    }

    fn blog_at(&mut self, domain: &str, path: &str) -> Result<Option<u64>, StoreError> {
        let query = format!(
            "SELECT blog_id FROM {} WHERE domain = {} AND path = {} LIMIT 1",
            self.blogs,
            self.literal(domain.as_bytes()),
            self.literal(path.as_bytes())
        );
        match self.rows(&query) {
            Ok(rows) => Ok(rows.first().and_then(|row| number(row.first()?))),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn blog_domain(&mut self, blog: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let query = format!("SELECT domain FROM {} WHERE blog_id = {blog}", self.blogs);
        let rows = self.rows(&query).map_err(|error| self.fault(error))?;
        Ok(rows.into_iter().next().and_then(|row| bytes(row.into_iter().next()?)))
    }

    fn blog_closed(&mut self, blog: u64) -> Result<Option<&'static str>, StoreError> {
        let query = format!("SELECT {CLOSED_COLUMNS} FROM {} WHERE blog_id = {blog}", self.blogs);
        let rows = self.rows(&query).map_err(|error| self.fault(error))?;
        let flag = |place: usize| rows.first().and_then(|row| number(row.get(place)?)) == Some(1);
        Ok(why_closed([flag(0), flag(1), flag(2)]))
    }

    fn has_signup(&mut self, login: &str, email: &str, since: &str) -> Result<bool, StoreError> {
        let table = quoted(&[format!("{}signups", self.tables.prefix)]);
        let query = format!(
            "SELECT 1 FROM {table} WHERE (user_login = {} OR user_email = {}) AND registered >= {} LIMIT 1",
            self.literal(login.as_bytes()),
            self.literal(email.as_bytes()),
            self.literal(since.as_bytes())
        );
        match self.rows(&query) {
            Ok(rows) => Ok(!rows.is_empty()),
            // A network that was moved without it: nobody can have signed up.
            Err(error) if code(&error) == Some(1146) => Ok(false),
            Err(error) => Err(self.fault(error)),
        }
    }

    fn set_network_option(&mut self, name: &str, value: &[u8], autoload: Autoload) -> Result<(), StoreError> {
        let autoload = match autoload {
            Autoload::No => "no",
            Autoload::Off => "off",
        };
        let (options, sitemeta) = (self.options.clone(), self.sitemeta.clone());
        let Some((_, network)) = self.description.network else {
            let update = format!("UPDATE {options} SET option_value = ? WHERE option_name = ?");
            if self.change_alone(&update, &[value, name.as_bytes()])?.matched == 0 {
                let insert = format!(
                    "INSERT INTO {options} (option_name, option_value, autoload) VALUES (?, ?, '{autoload}') \
                     ON DUPLICATE KEY UPDATE option_value = ?"
                );
                self.change_alone(&insert, &[name.as_bytes(), value, value])?;
            }
            return Ok(());
        };
        // No unique index protects sitemeta: WordPress itself can make two rows here.
        let what = format!("network\0{network}\0{name}");
        let locked = self.lock(&what)?;
        let update =
            format!("UPDATE {sitemeta} SET meta_value = ? WHERE site_id = {network} AND meta_key = ?");
        let insert =
            format!("INSERT INTO {sitemeta} (site_id, meta_key, meta_value) VALUES ({network}, ?, ?)");
        let mut outcome = self.change_alone(&update, &[value, name.as_bytes()]);
        if matches!(outcome, Ok(Changed { matched: 0, .. })) {
            outcome = self.change_alone(&insert, &[name.as_bytes(), value]);
        }
        if locked {
            self.unlock(&what);
        }
        outcome.map(drop)
    }

    fn each_user_meta(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (entries, left_out) = self.list_walk(key)?;
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let chunk = next_chunk(rest, CHUNK);
            rest = &rest[chunk.len()..];
            for row in self.read_chunk(chunk, "")? {
                let (login, value) = (row.login.as_deref(), row.value.as_deref());
                let user = UserId(row.user);
                if visit(UserMeta { user, login, umeta_id: row.umeta_id, value }).is_break() {
                    return Ok(());
                }
            }
        }
        walk_ended(&self.description.usermeta_table, &left_out)
    }

    fn each_account(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(Account<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (entries, left_out) = self.list_walk(key)?;
        let keys = RoleKeys::new(&self.tables, self.description.network.is_some());
        let is_role = keys.condition("meta_key");
        let by_key = self.highest_user()? / USERS_PER_VISIT <= entries.len() as u64;
        let mut roles = RoleTable::with_capacity(if by_key { entries.len() } else { 0 });
        if by_key && !entries.is_empty() {
            self.read_roles(&is_role, &keys, &entries, &mut roles)?;
        }
        let columns = self.state_columns()?;
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let chunk = next_chunk(rest, CHUNK);
            rest = &rest[chunk.len()..];
            if !by_key {
                let users = join(chunk.iter().map(|(user, ..)| *user));
                roles.clear();
                self.read_roles(&format!("user_id IN ({users}) AND {is_role}"), &keys, chunk, &mut roles)?;
            }
            for row in self.read_chunk(chunk, &columns)? {
                let account = Account {
                    user: UserId(row.user),
                    login: row.login.as_deref(),
                    state: row.state,
                    roles: roles.of(row.user),
                    umeta_id: row.umeta_id,
                    value: row.value.as_deref(),
                    left: rest.len() as u64,
                };
                if visit(account).is_break() {
                    return Ok(());
                }
            }
        }
        walk_ended(&self.description.usermeta_table, &left_out)
    }

    fn role_maps(&mut self) -> Result<Vec<SiteOption>, StoreError> {
        let keys = RoleKeys::new(&self.tables, self.description.network.is_some());
        if self.description.network.is_none() {
            return Ok(vec![(1, self.option(&keys.option(1))?)]);
        }
        let blogs = format!("SELECT blog_id FROM {} ORDER BY blog_id", self.blogs);
        let blogs = self.rows(&blogs).map_err(|error| self.fault(error))?;
        let mut maps = Vec::with_capacity(blogs.len());
        for blog in blogs.iter().filter_map(|row| number(row.first()?)) {
            let table = format!("{}options", keys.blog_prefix(blog));
            let sql = format!(
                "SELECT IF(LENGTH(option_value) <= {LONGEST_VALUE}, option_value, NULL) FROM {} \
                 WHERE option_name = '{}' LIMIT 1",
                quoted(std::slice::from_ref(&table)),
                keys.option(blog)
            );
            let stored = match self.rows(&sql) {
                Ok(mut rows) => rows.pop().and_then(|mut row| bytes(row.pop()?)),
                // A site that was dropped half. One that this account may not read is none of these: who is an
                // administrator there would be missed without a word.
                Err(error) if code(&error) == Some(1146) => None,
                Err(error) => return Err(self.fault(error)),
            };
            maps.push((blog, stored));
        }
        Ok(maps)
    }

    fn has_site_transients(&mut self, now: i64) -> Result<bool, StoreError> {
        let (table, column, value) = match &self.description.network {
            Some(_) => (&self.sitemeta, "meta_key", "meta_value"),
            None => (&self.options, "option_name", "option_value"),
        };
        // Backslashes may be plain characters in this session: the escape is named.
        let sql = format!(
            "SELECT 1 FROM {table} WHERE {column} LIKE '#_site#_transient#_timeout#_%' ESCAPE '#' \
             AND {value} + 0 > {now} LIMIT 1"
        );
        Ok(!self.rows(&sql).map_err(|error| self.fault(error))?.is_empty())
    }

    fn is_older_than(&mut self, days: u32) -> Result<bool, StoreError> {
        // As a number: strict mode does not like to compare a zero date as a date.
        let sql = format!(
            "SELECT user_registered + 0 < (UTC_TIMESTAMP() - INTERVAL {days} DAY) + 0 FROM {} ORDER BY ID LIMIT 1",
            self.users
        );
        let rows = self.rows(&sql).map_err(|error| self.fault(error))?;
        Ok(rows.first().and_then(|row| row.first()).and_then(number) == Some(1))
    }

    /// WordPress connects at the beginning of a request and disconnects at its end. Without the privilege PROCESS a
    /// server lists the account's own connections only.
    fn others(&mut self, foreign: bool) -> Result<Others, StoreError> {
        let own = self.rows("SELECT CONNECTION_ID()").map_err(|error| self.fault(error))?;
        let own = own.first().and_then(|row| number(row.first()?));
        let list = match self.rows("SHOW PROCESSLIST") {
            Ok(list) => list,
            Err(Error::MySqlError(_)) => return Ok(Others::default()),
            Err(error) => return Err(self.fault(error)),
        };
        let sessions = list
            .iter()
            .filter(|row| {
                let database = row.get(3).and_then(raw).unwrap_or_default();
                database.eq_ignore_ascii_case(self.database.as_bytes())
            })
            .filter_map(|row| number(row.first()?))
            .filter(|id| Some(*id) != own)
            .collect();
        let nodes = self.rows("SHOW STATUS LIKE 'wsrep_cluster_size'").unwrap_or_default();
        let nodes = nodes.first().and_then(|row| text(row.get(1)?)?.parse::<u32>().ok()).unwrap_or(1);
        let sees_all = !foreign
            || !self
                .rows(
                    "SELECT 1 FROM information_schema.user_privileges WHERE privilege_type = 'PROCESS' LIMIT 1",
                )
                .unwrap_or_default()
                .is_empty();
        let unseen = match (nodes > 1, sees_all) {
            (true, _) => Unseen::Servers,
            (false, true) => Unseen::Nothing,
            (false, false) => Unseen::Connections,
        };
        Ok(Others { sessions, unseen, version: 0 })
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        *self = Self::open(&self.address, &self.tables)?;
        Ok(())
    }

    fn description(&self) -> &Description {
        &self.description
    }
}

/// Why there is no connection.
struct ConnectFailure {
    error: Option<Error>,
    /// Known before anything was sent.
    sentence: Option<StoreError>,
}

impl From<Error> for ConnectFailure {
    fn from(error: Error) -> Self {
        Self { error: Some(error), sentence: None }
    }
}

impl From<StoreError> for ConnectFailure {
    fn from(sentence: StoreError) -> Self {
        Self { error: None, sentence: Some(sentence) }
    }
}

impl ConnectFailure {
    fn sentence(self, address: &MysqlAddress, place: &str) -> StoreError {
        let Some(error) = self.error else {
            return self.sentence.unwrap_or_else(|| StoreError::unreachable(place.to_owned()));
        };
        let user = &address.user;
        if let Some(complaint) = tls_error(&error) {
            return StoreError::unreachable(format!(
                "TLS with the database server at {place} failed: {complaint}. Check the certificate, the authority \
                 (ssl-ca) and the host's name."
            ));
        }
        let late = |seconds: f64| {
            StoreError::busy(format!(
                "The database server at {place} did not answer within {seconds} s. Check whether it is the right one \
                 and not overloaded (host, port), or allow more time with connect-timeout."
            ))
        };
        match error {
            Error::MySqlError(error) => {
                let reported = format!("error {}: {}", error.code, error.message);
                match error.code {
                    1045 | 1698 | 1862 | 3118 | 3955 | 4151 | 1130 | 1129 => {
                        StoreError::unreachable(format!(
                            "The database server at {place} refused the login of {user:?} ({reported}). Check user and \
                         password (DB_USER, DB_PASSWORD, --db)."
                        ))
                    }
                    1049 | 1044 => StoreError::unreachable(format!(
                        "The database {:?} does not exist at this server, or the account {user:?} may not use it \
                         ({reported}). Check the name (DB_NAME, --db).",
                        address.database
                    )),
                    1040 | 1203 | 1226 => StoreError::busy(format!(
                        "The database server at {place} has no connection to spare ({reported}). Try again later."
                    )),
                    3159 => StoreError::unreachable(format!(
                        "The database server at {place} accepts TLS only: use ssl-mode=required."
                    )),
                    _ => {
                        StoreError::unreachable(format!("The database server at {place} reported {reported}"))
                    }
                }
            }
            Error::DriverError(DriverError::ConnectTimeout) => late(address.connect_timeout.as_secs_f64()),
            error if timed_out(&error) => late(address.read_timeout.as_secs_f64()),
            Error::DriverError(DriverError::CouldNotConnect(Some((_, why, _)))) => {
                StoreError::unreachable(format!(
                    "No database server answers at {place}: {why}. Check the host, port or socket (DB_HOST, --db) and \
                 whether the server runs."
                ))
            }
            Error::DriverError(DriverError::TlsNotSupported) => StoreError::unreachable(format!(
                "The database server at {place} offers no TLS, which was asked for (ssl-mode, MYSQL_CLIENT_FLAGS)."
            )),
            Error::DriverError(DriverError::UnknownAuthPlugin(plugin)) => StoreError::unreachable(format!(
                "The account {user:?} at {place} logs in with {plugin}, which is not supported. Use an account with \
                 caching_sha2_password, mysql_native_password or ed25519."
            )),
            other if is_ended(&other) => StoreError::unreachable(format!(
                "The database server at {place} ended the connection before the login was done ({}). Check that a MySQL or \
                 MariaDB server answers there, and what its log says; a proxy or firewall in between can do this too.",
                reason(&other)
            )),
            other => StoreError::unreachable(format!(
                "The database server at {place} cannot be used: {}. Check that a MySQL or MariaDB server answers there.",
                reason(&other)
            )),
        }
    }
}

fn connect(address: &MysqlAddress) -> Result<Conn, ConnectFailure> {
    // rustls panics if it has to choose between providers; a second installation is refused, which is fine.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let password = std::str::from_utf8(address.password.expose()).map_err(|_| {
        StoreError::unreachable("The database password is not valid UTF-8, which is not supported.".into())
    })?;
    let mut options = OptsBuilder::new()
        .ip_or_hostname(Some(address.host.clone()))
        .tcp_port(address.port)
        .user(Some(address.user.clone()))
        .pass(Some(password.to_owned()))
        .db_name(Some(address.database.clone()))
        // The crate would ask a server on a loopback address for its socket and connect to that instead: behind a
        // tunnel that is another server.
        .prefer_socket(false)
        .tcp_connect_timeout(Some(address.connect_timeout))
        .read_timeout(Some(address.read_timeout))
        .write_timeout(Some(address.read_timeout))
        // Given, so that it is not asked for; the server's own limit is checked before a large write.
        .max_allowed_packet(Some(1 << 30))
        .additional_capabilities(CapabilityFlags::CLIENT_FOUND_ROWS);
    if let Some(socket) = &address.socket {
        let path = socket.to_str().ok_or_else(|| {
            StoreError::unreachable(format!("The socket's path {} is not valid UTF-8.", socket.display()))
        })?;
        return Ok(connect_in_time(options.socket(Some(path.to_owned())), address)?);
    }
    if let Some(authorities) = &address.ssl_ca {
        check_authorities(authorities)?;
    }
    let tls = SslOpts::default().with_root_cert_path(address.ssl_ca.clone());
    let unchecked =
        tls.clone().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true);
    options = match address.ssl_mode {
        SslMode::Disabled | SslMode::Preferred => options,
        SslMode::Required => options.ssl_opts(unchecked.clone()),
        SslMode::VerifyCa => options.ssl_opts(tls.with_danger_skip_domain_validation(true)),
        SslMode::VerifyIdentity => options.ssl_opts(tls),
    };
    if address.ssl_mode != SslMode::Preferred {
        return Ok(connect_tcp(options, address)?);
    }
    let with_tls = options.clone().ssl_opts(unchecked);
    let loopback = address.host.eq_ignore_ascii_case("localhost")
        || address.host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    if !loopback {
        return Ok(match connect_tcp(with_tls, address) {
            // Only a server that offers no TLS at all is spoken to in clear text.
            Err(Error::DriverError(DriverError::TlsNotSupported)) => connect_tcp(options, address)?,
            outcome => outcome?,
        });
    }
    match connect_tcp(options, address) {
        // 3159: the server insists on TLS. 1045: this account may (REQUIRE SSL); the server does not say so.
        Err(error) if matches!(code(&error), Some(1045 | 3159)) => match connect_tcp(with_tls, address) {
            Err(Error::DriverError(DriverError::TlsNotSupported)) => Err(error.into()),
            outcome => Ok(outcome?),
        },
        outcome => Ok(outcome?),
    }
}

/// Whether the file holds what may be a certificate: the crate would do without, and trust the web's authorities only.
fn check_authorities(authorities: &Path) -> Result<(), StoreError> {
    let file = authorities.display();
    let bytes = std::fs::read(authorities).map_err(|error| {
        StoreError::unreachable(format!("The authorities' file {file} (ssl-ca) cannot be read: {error}"))
    })?;
    let begins = b"-----BEGIN CERTIFICATE-----";
    let is_pem = bytes.windows(begins.len()).any(|window| window == begins);
    // The binary form begins a sequence of ASN.1.
    if is_pem || bytes.starts_with(&[0x30]) {
        return Ok(());
    }
    Err(StoreError::unreachable(format!(
        "The authorities' file {file} (ssl-ca) holds no certificate (PEM). Give the file of the authority that signed the \
         server's certificate."
    )))
}

/// Connects and logs in within the time for connecting. The crate's own limit ends with the TCP connection: a server
/// that never greets, or a handshake that never ends, would wait as long as for a slow query, each step anew.
fn connect_in_time(options: OptsBuilder, address: &MysqlAddress) -> Sql<Conn> {
    let (done, outcome) = std::sync::mpsc::sync_channel(1);
    // What comes too late is dropped, and the thread with it when the process ends.
    std::thread::spawn(move || done.send(Conn::new(options)));
    let late = || Err(Error::DriverError(DriverError::ConnectTimeout));
    outcome.recv_timeout(address.connect_timeout).unwrap_or_else(|_| late())
}

/// Tries each address of the host; the crate stops after the first.
fn connect_tcp(options: OptsBuilder, address: &MysqlAddress) -> Sql<Conn> {
    let outcome = connect_in_time(options.clone(), address);
    let unanswered = |outcome: &Sql<Conn>| {
        let unanswered = DriverError::CouldNotConnect(None);
        match outcome {
            Err(Error::DriverError(error)) => {
                matches!(error, DriverError::ConnectTimeout)
                    || std::mem::discriminant(error) == std::mem::discriminant(&unanswered)
            }
            _ => false,
        }
    };
    // With an address instead of its name, the host's identity could not be checked.
    if !unanswered(&outcome) || address.ssl_mode == SslMode::VerifyIdentity {
        return outcome;
    }
    let others = (address.host.as_str(), address.port).to_socket_addrs().into_iter().flatten().skip(1);
    for other in others {
        let next = connect_in_time(options.clone().ip_or_hostname(Some(other.ip().to_string())), address);
        if !unanswered(&next) {
            return next;
        }
    }
    outcome
}

/// `UPDATE on wp_usermeta`, from the server's `UPDATE command denied to user 'a'@'b' for table `wp`.`wp_usermeta``.
fn missing_privilege(message: &str) -> String {
    // MySQL: `SELECT, with locking clause`, which takes the right to change what it locks.
    let privilege = match message.split(" command denied").next().unwrap_or_default() {
        locking if locking.contains("locking") => "UPDATE",
        other => other,
    };
    let table = message.rsplit_once(" table ").map(|(_, table)| table.replace(['`', '\''], ""));
    let table =
        table.as_deref().and_then(|table| table.rsplit('.').next()).unwrap_or("the site's tables").to_owned();
    let known = ["SELECT", "INSERT", "UPDATE", "DELETE"].contains(&privilege);
    format!("{} on {table}", if known { privilege } else { "more" })
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::MySqlError(error) => Some(error.code),
        _ => None,
    }
}

/// Deadlock (also failed certification), a row that changed under a snapshot, a cluster's veto at commit.
fn lost_conflict(error: &Error) -> bool {
    matches!(code(error), Some(1213 | 1020 | 1180 | 3101))
}

fn unfit(error: &Error) -> bool {
    matches!(code(error), Some(1366 | 1300 | 1406 | 3854 | 3988 | 1977))
}

/// Whether a COMMIT with this error may have happened. A server that answers with any other error did not commit.
fn commit_is_uncertain(error: &Error) -> bool {
    matches!(code(error), None | Some(1053 | 1317 | 1927 | 1969 | 3024))
}

/// What went wrong with the network, however deep the crate wrapped it.
fn network_error(error: &Error) -> Option<&std::io::Error> {
    match error {
        Error::IoError(error) => Some(error),
        Error::CodecError(error) => std::error::Error::source(error)?.downcast_ref(),
        _ => None,
    }
}

/// Whether the other side hung up.
fn is_ended(error: &Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    network_error(error).is_some_and(|error| {
        matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    })
}

fn timed_out(error: &Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    network_error(error).is_some_and(|error| matches!(error.kind(), WouldBlock | TimedOut))
}

/// TLS's complaint, which arrives as an error of the network while the handshake goes on.
fn tls_error(error: &Error) -> Option<String> {
    match error {
        Error::TlsError(error) => Some(error.to_string()),
        _ => network_error(error)?.get_ref()?.downcast_ref::<rustls::Error>().map(ToString::to_string),
    }
}

/// What went wrong, without the crate's names for it.
fn reason(error: &Error) -> String {
    match (error, network_error(error)) {
        (_, Some(error)) => error.to_string(),
        (Error::DriverError(error), _) => error.to_string(),
        (Error::CodecError(error), _) => error.to_string(),
        (Error::TlsError(error), _) => error.to_string(),
        _ => "an answer that makes no sense".into(),
    }
}

fn disk_full(place: &str, reported: &str) -> StoreError {
    StoreError::Failed(Fault::unchanged(
        format!("The disk of {place} is full ({reported})"),
        "Free some space and try again.",
    ))
}

/// The row and its value's length, if its key is exactly `key`: collations ignore case, PHP does not.
fn read_meta_row(row: Vec<Value>, key: &str) -> Option<(MetaRow, u64)> {
    let [umeta_id, found_key, length, value] = <[Value; 4]>::try_from(row).ok()?;
    (raw(&found_key) == Some(key.as_bytes())).then_some(())?;
    Some((MetaRow { umeta_id: number(&umeta_id)?, value: bytes(value) }, number(&length).unwrap_or(0)))
}

fn raw(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    raw(value).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
}

/// Queries answer with text, numbers too.
fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        Value::UInt(number) => Some(*number),
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    }
}

fn join(ids: impl Iterator<Item = u64>) -> String {
    ids.map(|id| id.to_string()).collect::<Vec<_>>().join(",")
}

fn quoted(parts: &[String]) -> String {
    parts.iter().map(|part| format!("`{}`", part.replace('`', "``"))).collect::<Vec<_>>().join(".")
}
