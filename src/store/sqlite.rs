//! The database file of the SQLite Database Integration plugin.
//!
//! Knows both generations of its schema: the translator's (rollback journal, `NOCASE` columns) and the AST
//! driver's (`STRICT` tables, write-ahead log). Never creates a database, never changes its journal mode, and
//! leaves no file beside it that the web server's user could not open.
//!
//! WordPress: mirrors what `wp-includes/class-wpdb.php` would read and write through the plugin's drop-in
//! `wp-content/db.php`.

use std::fs::{self, Metadata};
use std::ops::ControlFlow;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql, ffi, params};
use zeroize::Zeroizing;

use super::roles::RoleKeys;
use super::{
    Account, Autoload, CLOSED_COLUMNS, Description, Fault, LONGEST_VALUE, MetaRow, MetaRows, NewUser, Others,
    SiteOption, Store, StoreError, Swap, Tables, User, UserField, UserId, UserMeta, UserState, no_tables,
    too_long, too_long_setting, too_long_to_write, why_closed,
};

mod walk;

/// How long a lock is waited for. WordPress: the plugin waits as long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// An open database file.
pub struct SqliteStore {
    connection: Connection,
    file: DatabaseFile,
    users: String,
    usermeta: String,
    options: String,
    sitemeta: String,
    blogs: String,
    tables: Tables,
    description: Description,
}

/// The file, apart from what is in it.
struct DatabaseFile {
    path: PathBuf,
    /// How sentences name it.
    place: String,
    /// Set when the file is read as if nobody could change it; see [`DatabaseFile::open_frozen`].
    frozen: Option<FileState>,
}

/// What tells that a file was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileState {
    length: u64,
    modified: (i64, i64),
}

impl FileState {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: (metadata.mtime(), metadata.mtime_nsec()) }
    }
}

/// Bytes that are bound as TEXT, valid UTF-8 or not: `STRICT` tables refuse a BLOB, and in others a BLOB
/// equals no text.
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Text(self.0)))
    }
}

impl SqliteStore {
    /// Opens an existing database and checks that the tables are there.
    ///
    /// # Errors
    /// [`StoreError::Unreachable`] if there is no such file or it is no database, [`StoreError::Denied`] if its
    /// mode forbids reading, [`StoreError::NoTables`] if it holds no site with this prefix,
    /// [`StoreError::Busy`] if it stays locked.
    pub fn open(file: &Path, tables: &Tables) -> Result<Self, StoreError> {
        let names = tables.names()?;
        // An absolute path: SQLite gives names like ":memory:" a meaning of its own.
        let file = std::path::absolute(file).map_err(|error| cannot_open(file, &error))?;
        let metadata = fs::metadata(&file).map_err(|error| cannot_open(&file, &error))?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a directory" } else { "not a regular file" };
            return Err(StoreError::unreachable(format!(
                "{} is {what}, not an SQLite database. WordPress keeps it in wp-content/database/.ht.sqlite",
                file.display()
            )));
        }
        let place = format!("SQLite database {}", file.display());
        if metadata.len() == 0 {
            return Err(StoreError::NoTables(format!(
                "The {place} is empty: no WordPress was installed in it."
            )));
        }
        let mut file = DatabaseFile { path: file, place: place.clone(), frozen: None };
        let (connection, all_tables) = file.open(&metadata)?;
        let mut store = Self {
            connection,
            file,
            users: quoted(names.users.last()),
            usermeta: quoted(names.usermeta.last()),
            options: quoted(Some(&names.options)),
            sitemeta: quoted(Some(&names.sitemeta)),
            blogs: quoted(Some(&names.blogs)),
            tables: tables.clone(),
            description: Description {
                place,
                users_table: names.users.last().cloned().unwrap_or_default(),
                usermeta_table: names.usermeta.last().cloned().unwrap_or_default(),
                options_table: names.options.clone(),
                network: None,
            },
        };
        let exists = |name: &str| all_tables.iter().any(|table| table.eq_ignore_ascii_case(name));
        let description = &store.description;
        for table in [&description.users_table, &description.usermeta_table, &description.options_table] {
            if !exists(table) {
                return Err(no_tables(table, &description.place, &all_tables));
            }
        }
        let network = tables.multisite.unwrap_or_else(|| {
            [&names.site, &names.sitemeta, &names.blogs].into_iter().all(|table| exists(table))
        });
        if network {
            let id = match tables.primary_network {
                Some(id) => id,
                None => store.main_network(&quoted(Some(&names.site)))?,
            };
            store.description.network = Some((names.sitemeta, id));
        }
        Ok(store)
    }

    fn main_network(&self, site_table: &str) -> Result<u64, StoreError> {
        // WordPress: get_main_network_id() prefers 1, then the lowest.
        self.first(&format!("SELECT id FROM {site_table} ORDER BY id <> 1, id LIMIT 1"), [], |row| {
            unsigned(row, 0)
        })
        .map(|id| id.unwrap_or(1))
    }

    /// The first row of a query.
    fn first<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let value = match self.connection.query_row(sql, parameters, read) {
            Ok(value) => Some(value),
            Err(rusqlite::Error::QueryReturnedNoRows) => None,
            Err(error) => return Err(self.file.fault(&error)),
        };
        self.file.still_frozen()?;
        Ok(value)
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, StoreError> {
        self.connection.execute(sql, parameters).map_err(|error| self.file.fault(&error))
    }

    /// Runs `work` with the database locked for writing; commits if it gives a value, else rolls back.
    fn write<T>(
        &self,
        work: impl FnOnce() -> Result<Option<T>, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let usable = fs::metadata(&self.file.path).is_ok_and(|metadata| self.file.sidecars_usable(&metadata));
        if self.file.frozen.is_some() || !usable || self.connection.is_readonly("main").unwrap_or(false) {
            return Err(self.file.not_writable());
        }
        // IMMEDIATE takes the write lock before anything is read, so that what is compared stays what it is.
        self.execute("BEGIN IMMEDIATE", [])?;
        match work() {
            Ok(Some(value)) => self.commit().map(|()| Some(value)),
            other => {
                // A failed rollback ends with the connection, which rolls back too.
                let _ = self.connection.execute_batch("ROLLBACK");
                other
            }
        }
    }

    fn commit(&self) -> Result<(), StoreError> {
        let Err(error) = self.connection.execute_batch("COMMIT") else { return Ok(()) };
        // SQLite has rolled back by itself, or does so now, or with the end of the connection.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        // What was written and could not be flushed may still be found after a crash.
        let flushing = matches!(
            error.sqlite_error().map(|error| error.extended_code),
            Some(ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
        );
        if flushing {
            return Err(StoreError::Unknown(format!(
                "The disk failed while the change was being saved in the {}: it may or may not be there ({error}).",
                self.description.place
            )));
        }
        Err(self.file.fault(&error))
    }

    /// The rows of one user under one key, lowest `umeta_id` first.
    fn rows(&self, user: UserId, key: &str) -> Result<MetaRows, StoreError> {
        // `+meta_key`: keeps SQLite from walking the index of that key, which holds a row per user.
        let sql = format!(
            "SELECT umeta_id, coalesce(octet_length(meta_value), 0), \
             CASE WHEN octet_length(meta_value) <= {LONGEST_VALUE} THEN CAST(meta_value AS TEXT) END \
             FROM {} WHERE user_id = ?1 AND +meta_key = ?2 AND meta_key = ?2 COLLATE BINARY ORDER BY umeta_id",
            self.usermeta
        );
        let read = || {
            let mut statement = self.connection.prepare(&sql)?;
            let mut rows = statement.query(params![user.0.cast_signed(), key])?;
            let mut found = MetaRows::new();
            while let Some(row) = rows.next()? {
                let (umeta_id, length) = (unsigned(row, 0)?, unsigned(row, 1)?);
                if length > LONGEST_VALUE as u64 {
                    return Ok(Err((umeta_id, length)));
                }
                found.push(MetaRow { umeta_id, value: bytes(row, 2)? });
            }
            Ok(Ok(found))
        };
        let found = read().map_err(|error| self.file.fault(&error))?;
        self.file.still_frozen()?;
        found.map_err(|(umeta_id, length)| {
            StoreError::unfit(too_long(
                &self.description.usermeta_table,
                "meta_value",
                umeta_id,
                user,
                length,
            ))
        })
    }

    /// One option's value, unless it is too long.
    fn setting(
        &self,
        table: &str,
        column: &str,
        from: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = format!(
            "SELECT coalesce(octet_length({column}), 0), \
             CASE WHEN octet_length({column}) <= {LONGEST_VALUE} THEN CAST({column} AS TEXT) END FROM {from}"
        );
        let found = self.first(&sql, parameters, |row| Ok((unsigned(row, 0)?, bytes(row, 1)?)))?;
        match found {
            Some((length, _)) if length > LONGEST_VALUE as u64 => {
                Err(too_long_setting(table, column, length))
            }
            found => Ok(found.and_then(|(_, value)| value)),
        }
    }

    fn insert_user_meta(&self, user: UserId, key: &str, value: &[u8]) -> Result<usize, StoreError> {
        let sql =
            format!("INSERT INTO {} (user_id, meta_key, meta_value) VALUES (?1, ?2, ?3)", self.usermeta);
        self.execute(&sql, params![user.0.cast_signed(), key, Text(value)])
    }
}

impl DatabaseFile {
    /// Opens the file in the way that suits its mode and owner, and lists its tables.
    fn open(&mut self, metadata: &Metadata) -> Result<(Connection, Vec<String>), StoreError> {
        let wal = || beside(&self.path, "-wal");
        let unfinished_log = fs::metadata(wal()).is_ok_and(|wal| wal.len() > 0);
        // Also where the file may only be read: SQLite would give its files the same mode and leave them behind, and
        // with such a -shm the site stays read-only when the file's mode has been mended.
        let usable = self.sidecars_usable(metadata) && may_write(&self.path);
        if !usable && !unfinished_log && uses_write_ahead_log(&self.path) {
            return self.open_frozen(metadata);
        }
        // Without CREATE: a mistyped path must not become an empty database. If the mode forbids writing,
        // SQLite falls back to reading.
        let opened = self.open_again().and_then(|connection| {
            let tables = list_tables(&connection)?;
            Ok((connection, tables))
        });
        match opened {
            Ok(opened) => Ok(opened),
            Err(error) => {
                let denied = matches!(
                    error.sqlite_error_code(),
                    Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied)
                );
                if denied && !unfinished_log && fs::File::open(&self.path).is_ok() {
                    return self.open_frozen(metadata);
                }
                Err(self.fault(&error))
            }
        }
    }

    /// Reads a database with a write-ahead log that we may not, or should not, create: the log is empty, so the
    /// file alone is complete. SQLite is told that the file cannot change; that it did not is checked after
    /// each read ([`Self::still_frozen`]). Writing is refused.
    fn open_frozen(&mut self, metadata: &Metadata) -> Result<(Connection, Vec<String>), StoreError> {
        self.frozen = Some(FileState::of(metadata));
        let connection = self.open_again().map_err(|error| self.fault(&error))?;
        let tables = list_tables(&connection).map_err(|error| self.fault(&error))?;
        self.still_frozen()?;
        Ok((connection, tables))
    }

    /// Opens the file in the way that was found to suit it.
    fn open_again(&self) -> rusqlite::Result<Connection> {
        use std::os::unix::ffi::OsStrExt;
        if self.frozen.is_none() {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            return Ok(connection);
        }
        let mut uri = String::from("file://");
        for byte in self.path.as_os_str().as_bytes() {
            match byte {
                b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                    uri.push(char::from(*byte))
                }
                _ => uri.push_str(&format!("%{byte:02X}")),
            }
        }
        uri.push_str("?immutable=1");
        let flags =
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags(uri, flags)
    }

    fn still_frozen(&self) -> Result<(), StoreError> {
        let Some(state) = self.frozen else { return Ok(()) };
        match fs::metadata(&self.path) {
            Ok(metadata) if FileState::of(&metadata) == state => Ok(()),
            _ => Err(StoreError::busy(format!(
                "The {} changed while it was read without a lock, which this user may not take. Run the command \
                 again, or as the user that owns the file.",
                self.place
            ))),
        }
    }

    /// Whether files that SQLite makes beside the database (`-wal`, `-shm`, `-journal`) can be opened by all who
    /// can write the database. They get its mode; for root, SQLite sets its owner too, for others they belong
    /// to the caller. If such a file is left behind by a kill, the site is down until somebody changes its owner.
    fn sidecars_usable(&self, database: &Metadata) -> bool {
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        if user == 0 {
            return true;
        }
        let directory = self.path.parent().and_then(|parent| fs::metadata(parent).ok());
        let new_group =
            directory.filter(|parent| parent.mode() & 0o2000 != 0).map_or(group, |parent| parent.gid());
        let (group_writes, others_write) = (database.mode() & 0o020 != 0, database.mode() & 0o002 != 0);
        let same_group = new_group == database.gid();
        let owner_can = user == database.uid() || others_write || (group_writes && same_group);
        let group_can = !group_writes || others_write || same_group;
        owner_can && group_can
    }

    fn not_writable(&self) -> StoreError {
        let place = &self.place;
        let (owner, group) =
            fs::metadata(&self.path).map_or((0, 0), |metadata| (metadata.uid(), metadata.gid()));
        if owner == rustix::process::geteuid().as_raw() {
            let folder = self.path.parent().unwrap_or(Path::new("/"));
            return StoreError::Denied(if !may_write(&self.path) {
                format!("The {place} cannot be written: its mode or its file system forbids it.")
            } else if !may_write(folder) {
                format!(
                    "The {place} cannot be written: SQLite makes files beside it, and the folder {} cannot be written.",
                    folder.display()
                )
            } else {
                format!(
                    "The {place} cannot be written: its group (id {group}) may write it, but could not open the files \
                     that SQLite makes beside it. Run the command with that group (sudo -g '#{group}' …) or as root, \
                     or change the mode."
                )
            });
        }
        StoreError::Denied(format!(
            "The {place} cannot be written as this user without getting in the way of its owner, the user with the \
             id {owner}. Run the command as that user (sudo -u '#{owner}' …) or as root."
        ))
    }

    /// The sentence for what SQLite reported.
    fn fault(&self, error: &rusqlite::Error) -> StoreError {
        let place = &self.place;
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy(Fault::unchanged(
                format!(
                    "The {place} stayed locked by another program for {} seconds",
                    BUSY_TIMEOUT.as_secs()
                ),
                format!("Try again, and see what holds it: fuser -v {}", self.path.display()),
            )),
            Some(ErrorCode::NotADatabase) => StoreError::unreachable(format!(
                "{} is not an SQLite database. WordPress keeps it in wp-content/database/.ht.sqlite",
                self.path.display()
            )),
            Some(ErrorCode::DatabaseCorrupt) => StoreError::failed(format!(
                "The {place} is damaged ({error}); restore a backup or try the .recover command of sqlite3."
            )),
            Some(ErrorCode::ReadOnly) => self.not_writable(),
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => StoreError::Denied(format!(
                "The {place}, or a file that belongs beside it (-wal, -shm, -journal), cannot be opened as this \
                 user. Run the command as the user that owns the database (ls -l {}*) or as root.",
                self.path.display()
            )),
            // A full disk shows as the one when a page of the file cannot be written, as the other when a file beside
            // it (-wal, -shm, -journal) cannot grow: reading needs these too.
            Some(code @ (ErrorCode::DiskFull | ErrorCode::SystemIoFailure)) => {
                let full = code == ErrorCode::DiskFull || is_full(&self.path);
                let extended = error.sqlite_error().map_or(0, |error| error.extended_code);
                let what = if full {
                    "full"
                } else {
                    "full or failing, or a limit for the size of files is reached (ulimit -f)"
                };
                StoreError::Failed(Fault::unchanged(
                    format!("The disk that holds the {place} is {what}"),
                    format!(
                        "Free some space there (df -h {}) and try again{}.",
                        self.path.parent().unwrap_or(Path::new("/")).display(),
                        if full { String::new() } else { format!(" (SQLite's code {extended}: {error})") },
                    ),
                ))
            }
            Some(ErrorCode::TooBig) => {
                StoreError::unfit(format!("The {place} holds a value that is too long to be read ({error})."))
            }
            _ => StoreError::failed(format!("The {place} reported an error: {error}")),
        }
    }
}

impl Store for SqliteStore {
    fn find_user(&mut self, by: UserField<'_>) -> Result<Option<User>, StoreError> {
        let select = |column: &str| {
            format!(
                "SELECT ID, CAST(user_login AS TEXT), CAST(user_email AS TEXT) FROM {} WHERE {column} = ?1 LIMIT 1",
                self.users
            )
        };
        let read = |row: &Row<'_>| {
            Ok(User {
                id: UserId(unsigned(row, 0)?),
                login: bytes(row, 1)?.unwrap_or_default(),
                email: bytes(row, 2)?.unwrap_or_default(),
            })
        };
        match by {
            UserField::Id(id) => self.first(&select("ID"), [id.0.cast_signed()], read),
            UserField::Login(login) => self.first(&select("user_login"), [Text(login)], read),
            UserField::Email(email) => self.first(&select("user_email"), [Text(email)], read),
            UserField::Nicename(nicename) => self.first(&select("user_nicename"), [Text(nicename)], read),
        }
    }

    fn insert_user(&mut self, user: &NewUser<'_>) -> Result<Option<UserId>, StoreError> {
        let taken = format!("SELECT ID FROM {} WHERE user_login = ?1 OR user_email = ?2 LIMIT 1", self.users);
        let insert = format!(
            "INSERT INTO {} (user_login, user_pass, user_nicename, user_email, user_url, user_registered, \
             user_activation_key, display_name) VALUES (?1, ?2, ?3, ?4, '', ?5, '', ?1)",
            self.users
        );
        self.write(|| {
            let others = params![Text(user.login), Text(user.email)];
            if self.first(&taken, others, |row| unsigned(row, 0))?.is_some() {
                return Ok(None);
            }
            let values = params![
                Text(user.login),
                Text(user.password),
                Text(user.nicename),
                Text(user.email),
                user.registered
            ];
            self.execute(&insert, values)?;
            let id = UserId(self.connection.last_insert_rowid().cast_unsigned());
            for (key, value) in user.meta {
                self.insert_user_meta(id, key, value)?;
            }
            Ok(Some(id))
        })
    }

    fn wordfence_setting(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        // Names of tables have no case here. The plugin keeps one table for a whole network.
        let table = format!("{}wfconfig", self.tables.prefix);
        let exists = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        if self.first(exists, params![table], |row| row.get::<_, i64>(0))?.is_none() {
            return Ok(None);
        }
        let select =
            format!("SELECT CAST(val AS TEXT) FROM {} WHERE name = ?1 LIMIT 1", quoted(Some(&table)));
        Ok(self.first(&select, params![name], |row| bytes(row, 0))?.flatten())
    }

    fn login_hash(&mut self, user: UserId) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let select = format!("SELECT CAST(user_pass AS TEXT) FROM {} WHERE ID = ?1", self.users);
        let found = self.first(&select, [user.0.cast_signed()], |row| bytes(row, 0))?;
        Ok(Zeroizing::new(found.flatten().unwrap_or_default()))
    }

    fn user_state(&mut self, user: UserId) -> Result<UserState, StoreError> {
        let columns = self.state_columns();
        let select = format!("SELECT u.ID{columns} FROM {} u WHERE u.ID = ?1", self.users);
        let found = self.first(&select, [user.0.cast_signed()], |row| Ok(walk::state(row, 1)))?;
        Ok(found.unwrap_or_default())
    }

    fn user_meta(&mut self, user: UserId, key: &str) -> Result<MetaRows, StoreError> {
        self.rows(user, key)
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
        let done = self.write(|| {
            if self.rows(user, key)? != previous {
                return Ok(None);
            }
            if let (Some(backup_key), Some(first)) = (backup, previous.first()) {
                let copy = format!(
                    "INSERT INTO {0} (user_id, meta_key, meta_value) \
                     SELECT user_id, ?1, meta_value FROM {0} WHERE umeta_id = ?2",
                    self.usermeta
                );
                self.execute(&copy, params![backup_key, first.umeta_id.cast_signed()])?;
            }
            if previous.is_empty() {
                self.insert_user_meta(user, key, new)?;
            }
            let update = format!("UPDATE {} SET meta_value = ?1 WHERE umeta_id = ?2", self.usermeta);
            for row in previous {
                self.execute(&update, params![Text(new), row.umeta_id.cast_signed()])?;
            }
            Ok(Some(()))
        })?;
        Ok(done.map_or(Swap::Lost, |()| Swap::Done))
    }

    fn option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let from = format!("{} WHERE option_name = ?1 LIMIT 1", self.options);
        self.setting(&self.description.options_table, "option_value", &from, params![name])
    }

    fn network_option(&mut self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((table, network)) = &self.description.network else { return self.option(name) };
        let from = format!("{} WHERE meta_key = ?1 AND site_id = ?2 ORDER BY meta_id LIMIT 1", self.sitemeta);
        self.setting(table, "meta_value", &from, params![name, network.cast_signed()])
    }

    fn blog_at(&mut self, domain: &str, path: &str) -> Result<Option<u64>, StoreError> {
        let query = format!("SELECT blog_id FROM {} WHERE domain = ?1 AND path = ?2 LIMIT 1", self.blogs);
        self.first(&query, params![domain, path], |row| unsigned(row, 0))
    }

    fn blog_domain(&mut self, blog: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let query = format!("SELECT CAST(domain AS TEXT) FROM {} WHERE blog_id = ?1", self.blogs);
        Ok(self.first(&query, [blog.cast_signed()], |row| bytes(row, 0))?.flatten())
    }

    fn blog_closed(&mut self, blog: u64) -> Result<Option<&'static str>, StoreError> {
        let query = format!("SELECT {CLOSED_COLUMNS} FROM {} WHERE blog_id = ?1", self.blogs);
        let flags = self.first(&query, [blog.cast_signed()], |row| {
            let flag = |place| row.get::<_, Option<i64>>(place).map(|value| value == Some(1));
            Ok([flag(0)?, flag(1)?, flag(2)?])
        })?;
        Ok(flags.and_then(why_closed))
    }

    fn has_signup(&mut self, login: &str, email: &str, since: &str) -> Result<bool, StoreError> {
        let name = format!("{}signups", self.tables.prefix);
        let tables = list_tables(&self.connection).map_err(|error| self.file.fault(&error))?;
        if !tables.iter().any(|table| table.eq_ignore_ascii_case(&name)) {
            return Ok(false);
        }
        let table = quoted(Some(&name));
        let query = format!(
            "SELECT 1 FROM {table} WHERE (user_login = ?1 OR user_email = ?2) AND registered >= ?3 LIMIT 1"
        );
        Ok(self.first(&query, params![login, email, since], |row| row.get::<_, i64>(0))?.is_some())
    }

    fn set_network_option(&mut self, name: &str, value: &[u8], autoload: Autoload) -> Result<(), StoreError> {
        let autoload = match autoload {
            Autoload::No => "no",
            Autoload::Off => "off",
        };
        let network = self.description.network.as_ref().map(|(_, id)| id.cast_signed());
        self.write(|| {
            // Update, else insert: very old installs have no unique index that an upsert could rely on.
            let (options, sitemeta) = (&self.options, &self.sitemeta);
            match network {
                None => {
                    let update = format!("UPDATE {options} SET option_value = ?1 WHERE option_name = ?2");
                    if self.execute(&update, params![Text(value), name])? == 0 {
                        let insert = format!(
                            "INSERT INTO {options} (option_name, option_value, autoload) VALUES (?1, ?2, ?3)"
                        );
                        self.execute(&insert, params![name, Text(value), autoload])?;
                    }
                }
                Some(id) => {
                    let update =
                        format!("UPDATE {sitemeta} SET meta_value = ?1 WHERE site_id = ?2 AND meta_key = ?3");
                    if self.execute(&update, params![Text(value), id, name])? == 0 {
                        let insert = format!(
                            "INSERT INTO {sitemeta} (site_id, meta_key, meta_value) VALUES (?1, ?2, ?3)"
                        );
                        self.execute(&insert, params![id, name, Text(value)])?;
                    }
                }
            }
            Ok(Some(()))
        })?;
        Ok(())
    }

    fn each_user_meta(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.walk_users(key, visit)
    }

    fn each_account(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(Account<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.walk_accounts(key, visit)
    }

    fn role_maps(&mut self) -> Result<Vec<SiteOption>, StoreError> {
        let keys = RoleKeys::new(&self.tables, self.description.network.is_some());
        if self.description.network.is_none() {
            return Ok(vec![(1, self.option(&keys.option(1))?)]);
        }
        let fault = |error| self.file.fault(&error);
        let mut statement = self
            .connection
            .prepare(&format!("SELECT blog_id FROM {} ORDER BY blog_id", self.blogs))
            .map_err(fault)?;
        let blogs = statement.query_map([], |row| unsigned(row, 0)).map_err(fault)?;
        let blogs: Vec<u64> = blogs.collect::<rusqlite::Result<_>>().map_err(fault)?;
        let tables = list_tables(&self.connection).map_err(fault)?;
        let mut maps = Vec::with_capacity(blogs.len());
        for blog in blogs {
            let table = format!("{}options", keys.blog_prefix(blog));
            let stored = if tables.iter().any(|name| name.eq_ignore_ascii_case(&table)) {
                let from = format!("{} WHERE option_name = ?1 LIMIT 1", quoted(Some(&table)));
                self.setting(&table, "option_value", &from, [keys.option(blog)])?
            } else {
                // A site that was dropped half.
                None
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
        let query = format!(
            "SELECT 1 FROM {table} WHERE {column} LIKE '#_site#_transient#_timeout#_%' ESCAPE '#' \
             AND CAST({value} AS INTEGER) > ?1 LIMIT 1"
        );
        Ok(self.first(&query, params![now], |row| row.get::<_, i64>(0))?.is_some())
    }

    fn is_older_than(&mut self, days: u32) -> Result<bool, StoreError> {
        let query =
            format!("SELECT user_registered < datetime('now', ?1) FROM {} ORDER BY ID LIMIT 1", self.users);
        let older = self.first(&query, params![format!("-{days} days")], |row| row.get::<_, bool>(0))?;
        Ok(older.unwrap_or(false))
    }

    /// Who has the file open cannot be seen, but that somebody wrote can.
    fn others(&mut self, _: bool) -> Result<Others, StoreError> {
        let version = self.first("PRAGMA data_version", [], |row| row.get(0))?.unwrap_or(0);
        Ok(Others { version, ..Others::default() })
    }

    fn reconnect(&mut self) -> Result<(), StoreError> {
        // A file that is open stays open.
        Ok(())
    }

    fn description(&self) -> &Description {
        &self.description
    }
}

/// An integer column. WordPress's ids are unsigned, SQLite's signed: the bits survive the round trip.
fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

/// The bytes of a column that the query cast to TEXT, which is how WordPress gets numbers too.
fn bytes(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Vec<u8>>> {
    Ok(row.get_ref(column)?.as_bytes_or_null()?.map(<[u8]>::to_vec))
}

fn list_tables(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn quoted(name: Option<&String>) -> String {
    format!("\"{}\"", name.map_or("", String::as_str).replace('"', "\"\""))
}

/// Whether the file system has no room for the few pages that SQLite writes beside a database.
fn is_full(file: &Path) -> bool {
    rustix::fs::statvfs(file).is_ok_and(|system| system.f_bavail.saturating_mul(system.f_frsize) < 64 << 10)
}

/// Whether this user may write there, by mode and by file system.
fn may_write(path: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    accessat(CWD, path, Access::WRITE_OK, AtFlags::empty()).is_ok()
}

fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether the file's header says so. Only asked where SQLite must not be: closing a file that SQLite has open in
/// the same process would drop its locks.
fn uses_write_ahead_log(file: &Path) -> bool {
    use std::io::Read;
    let mut header = [0; 20];
    let read = fs::File::open(file).and_then(|mut file| file.read_exact(&mut header));
    read.is_ok() && header[18..20].contains(&2)
}

fn cannot_open(file: &Path, error: &std::io::Error) -> StoreError {
    let file = file.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => StoreError::unreachable(format!(
            "There is no SQLite database {file}, and none was created. WordPress keeps it in \
             wp-content/database/.ht.sqlite"
        )),
        std::io::ErrorKind::PermissionDenied => StoreError::Denied(format!(
            "The SQLite database {file} cannot be reached as this user: a folder on the way to it is closed. Run the \
             command as the user that owns it or as root."
        )),
        _ => StoreError::unreachable(format!("The SQLite database {file} cannot be opened: {error}")),
    }
}
