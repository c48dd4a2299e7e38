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

use super::roles::{RoleKeys, RoleTable, USERS_PER_VISIT, is_visited};
use super::{
    Account, Autoload, Description, Fault, LONGEST_VALUE, MetaRow, MetaRows, NewUser, Others, SiteOption,
    Store, StoreError, Swap, Tables, User, UserField, UserId, UserMeta, UserState, WalkEntry, next_chunk,
    no_tables, too_long, too_long_setting, too_long_to_write,
};

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
            too_long(&self.description.usermeta_table, "meta_value", umeta_id, user, length)
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

    /// The index in which the rows of `usermeta` lie in the order of a walk, if a walk along it would be in
    /// that order: ids of users are signed here, and in old tables need not even be numbers.
    fn user_index(&self) -> rusqlite::Result<Option<String>> {
        let find = "SELECT list.name FROM pragma_index_list(?1) list JOIN pragma_index_info(list.name) info \
                    WHERE NOT list.partial AND info.seqno = 0 AND info.name = 'user_id' COLLATE NOCASE \
                    AND (SELECT count(*) FROM pragma_index_info(list.name)) = 1 LIMIT 1";
        let name: String =
            match self.connection.query_row(find, [&self.description.usermeta_table], |row| row.get(0)) {
                Ok(name) => name,
                Err(rusqlite::Error::QueryReturnedNoRows) => return Ok(None),
                Err(error) => return Err(error),
            };
        let index = quoted(Some(&name));
        let odd = format!(
            "SELECT EXISTS (SELECT 1 FROM {table} INDEXED BY {index} WHERE user_id < 0) \
             OR EXISTS (SELECT 1 FROM {table} INDEXED BY {index} WHERE user_id > {})",
            i64::MAX,
            table = self.usermeta,
        );
        let odd: bool = self.connection.query_row(&odd, [], |row| row.get(0))?;
        Ok((!odd).then_some(index))
    }

    /// Walks all rows of all users, in their order, and passes over those under other keys: the cheapest way
    /// where most rows are wanted. Where they are not, it gives up early and leaves the rest to
    /// [`Self::walk_along_key`].
    fn walk_along_users(
        &self,
        index: &str,
        key: &str,
        progress: &mut Progress,
        visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>,
    ) -> Result<Walked, StoreError> {
        let select = format!(
            // The third column says by its type what it is: text or NULL the value, an integer the length of one
            // that is too long, a float nothing, because the row is another key's.
            "SELECT m.user_id, m.umeta_id, CASE WHEN m.meta_key = ?1 COLLATE BINARY THEN \
             CASE WHEN octet_length(m.meta_value) > {LONGEST_VALUE} THEN octet_length(m.meta_value) \
             ELSE CAST(m.meta_value AS TEXT) END ELSE 0.5 END, CAST(u.user_login AS TEXT) \
             FROM {} m INDEXED BY {index} LEFT JOIN {} u ON u.ID = m.user_id",
            self.usermeta, self.users
        );
        let prepare = |what: &str| self.connection.prepare(&format!("{select} {what}"));
        let fault = |error| self.file.fault(&error);
        let mut same_user =
            prepare("WHERE m.user_id = ?2 AND m.umeta_id > ?3 ORDER BY m.umeta_id").map_err(fault)?;
        let mut later_users =
            prepare("WHERE m.user_id > ?2 ORDER BY m.user_id, m.umeta_id").map_err(fault)?;
        let mut part = Part::default();
        loop {
            part.clear();
            let from = progress.behind;
            // One read transaction per part: a lock per statement would cost more than it.
            self.connection.execute_batch("BEGIN").map_err(fault)?;
            let mut read = || {
                if let Some((user, umeta_id)) = from {
                    let parameters = params![key, user.cast_signed(), umeta_id.cast_signed()];
                    part.read(&mut same_user.query(parameters)?, progress)?;
                }
                if !part.is_full() {
                    let user = from.map_or(-1, |(user, _)| user.cast_signed());
                    part.read(&mut later_users.query(params![key, user])?, progress)?;
                }
                Ok(())
            };
            let read = read();
            let ended = self.connection.execute_batch("COMMIT");
            read.and(ended).map_err(fault)?;
            self.file.still_frozen()?;
            // Only now: in rollback mode an open read blocks WordPress's writes, and the visitor may wait for
            // a pipe.
            for row in part.rows() {
                if visit(row).is_break() {
                    return Ok(Walked::Stopped);
                }
            }
            if !part.is_full() {
                return Ok(Walked::Whole);
            }
            if progress.passed > SPARSE_START + SPARSE * progress.wanted {
                return Ok(Walked::TooSparse);
            }
        }
    }

    /// Finds the rows under the key by its index, sorts them, and reads them one by one.
    fn walk_along_key(
        &self,
        key: &str,
        progress: &mut Progress,
        visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>,
    ) -> Result<Walked, StoreError> {
        let (mut entries, first_too_long) = self.walk(key)?;
        entries.retain(|(user, umeta_id, _)| progress.behind.is_none_or(|last| (*user, *umeta_id) > last));
        progress.first_too_long = progress.first_too_long.or(first_too_long);
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let chunk = next_chunk(rest);
            rest = &rest[chunk.len()..];
            // Read whole before the first visit: in rollback mode an open read blocks WordPress's writes, and
            // the visitor may wait for a pipe.
            let found = self.read_chunk(key, chunk, "").map_err(|error| self.file.fault(&error))?;
            self.file.still_frozen()?;
            for row in found {
                let (login, value) = (row.login.as_deref(), row.value.as_deref());
                let user = UserId(row.user);
                if visit(UserMeta { user, login, umeta_id: row.umeta_id, value }).is_break() {
                    return Ok(Walked::Stopped);
                }
            }
        }
        Ok(Walked::Whole)
    }

    /// The rows that a walk over `key` visits, and the first one that is too long for it.
    fn walk(&self, key: &str) -> Result<(Vec<WalkEntry>, Option<WalkEntry>), StoreError> {
        // By parts, in the order of the key's index, so that no read of a large table holds up WordPress's writes.
        let sql = format!(
            "SELECT user_id, umeta_id, coalesce(octet_length(meta_value), 0) FROM {} \
             WHERE meta_key = ?1 AND meta_key = ?1 COLLATE BINARY AND umeta_id > ?2 ORDER BY umeta_id LIMIT {LISTED}",
            self.usermeta
        );
        let mut entries: Vec<WalkEntry> = Vec::new();
        let mut read = || {
            let mut statement = self.connection.prepare(&sql)?;
            loop {
                let last = entries.last().map_or(i64::MIN, |(_, umeta_id, _)| umeta_id.cast_signed());
                let before = entries.len();
                let mut rows = statement.query(params![key, last])?;
                while let Some(row) = rows.next()? {
                    entries.push((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?));
                }
                if entries.len() - before < LISTED {
                    return Ok(());
                }
            }
        };
        read().map_err(|error| self.file.fault(&error))?;
        entries.sort_unstable();
        let too_long = |entry: &WalkEntry| entry.2 > LONGEST_VALUE as u64;
        let first_too_long = entries.iter().copied().find(too_long);
        entries.retain(|entry| !too_long(entry));
        Ok((entries, first_too_long))
    }

    /// Reads one part of a walk. Rows that are gone meanwhile are left out.
    fn read_chunk(&self, key: &str, chunk: &[WalkEntry], columns: &str) -> rusqlite::Result<Vec<ChunkRow>> {
        // Rows mostly lie in the order of their users: then one search finds the first, and the others follow.
        let in_order = chunk.is_sorted_by_key(|(_, umeta_id, _)| umeta_id.cast_signed());
        let sql = format!(
            "SELECT CAST(m.meta_value AS TEXT), CAST(u.user_login AS TEXT), m.user_id, m.umeta_id{columns} \
             FROM {} m LEFT JOIN {} u ON u.ID = m.user_id \
             WHERE m.umeta_id BETWEEN ?1 AND ?2 AND {}m.meta_key = ?3 AND m.meta_key = ?3 COLLATE BINARY \
             AND coalesce(octet_length(m.meta_value), 0) <= {LONGEST_VALUE} ORDER BY m.umeta_id",
            self.usermeta,
            self.users,
            // `+`: keeps SQLite from searching one row by its key.
            if in_order { "" } else { "+" },
        );
        // One read transaction per part: a lock per row would cost more than the rows.
        self.connection.execute_batch("BEGIN")?;
        let read = || {
            let mut statement = self.connection.prepare(&sql)?;
            let count = statement.column_count();
            let mut found = Vec::with_capacity(chunk.len());
            let mut add = |rows: &mut rusqlite::Rows<'_>| -> rusqlite::Result<()> {
                while let Some(row) = rows.next()? {
                    let (user, umeta_id) = (unsigned(row, 2)?, unsigned(row, 3)?);
                    // One that is new between the others belongs to the next walk.
                    let place = chunk.binary_search_by_key(&(user, umeta_id), |entry| (entry.0, entry.1));
                    if place.is_err() {
                        continue;
                    }
                    let flag = |column: usize| match row.get_ref(column) {
                        Ok(ValueRef::Integer(number)) if column < count => number.cast_unsigned(),
                        _ => 0,
                    };
                    found.push(ChunkRow {
                        user,
                        umeta_id,
                        login: bytes(row, 1)?,
                        value: bytes(row, 0)?,
                        state: UserState { status: flag(4), spam: flag(5) != 0, deleted: flag(6) != 0 },
                    });
                }
                Ok(())
            };
            match (chunk, in_order) {
                ([(_, first, _), .., (_, last, _)], true) => {
                    add(&mut statement.query(params![first.cast_signed(), last.cast_signed(), key])?)?;
                }
                _ => {
                    for (_, umeta_id, _) in chunk {
                        let umeta_id = umeta_id.cast_signed();
                        add(&mut statement.query(params![umeta_id, umeta_id, key])?)?;
                    }
                }
            }
            Ok(found)
        };
        let found = read();
        self.connection.execute_batch("COMMIT")?;
        found
    }

    /// Adds the roles of those of `entries`' users whose rows `condition` finds.
    fn read_roles(
        &self,
        condition: &str,
        keys: &RoleKeys,
        entries: &[WalkEntry],
        roles: &mut RoleTable,
    ) -> Result<(), StoreError> {
        let sql = format!(
            "SELECT user_id, umeta_id, meta_key, CASE WHEN octet_length(meta_value) <= 65535 THEN CAST(meta_value AS TEXT) END \
             FROM {} WHERE {condition} AND umeta_id > ?1 ORDER BY umeta_id LIMIT {LISTED}",
            self.usermeta
        );
        let mut read = || {
            let mut statement = self.connection.prepare(&sql)?;
            let mut last = i64::MIN;
            loop {
                let mut count = 0;
                let mut rows = statement.query([last])?;
                while let Some(row) = rows.next()? {
                    (last, count) = (row.get(1)?, count + 1);
                    let (user, umeta_id) = (unsigned(row, 0)?, unsigned(row, 1)?);
                    let key = row.get_ref(2)?.as_bytes_or_null()?.unwrap_or_default();
                    if let Some(blog) = keys.blog(key)
                        && is_visited(entries, user)
                    {
                        roles.add(
                            user,
                            blog,
                            umeta_id,
                            row.get_ref(3)?.as_bytes_or_null()?.unwrap_or_default(),
                        );
                    }
                }
                if count < LISTED {
                    return Ok(());
                }
            }
        };
        read().map_err(|error| self.file.fault(&error))?;
        self.file.still_frozen()?;
        roles.sort();
        Ok(())
    }

    /// The columns of a [`UserState`]: zero where this users table lacks one.
    fn state_columns(&self) -> String {
        // Whether it can be prepared says it.
        let has = |column: &str| {
            self.connection.prepare(&format!("SELECT u.{column} FROM {} u", self.users)).is_ok()
        };
        let columns =
            UserState::COLUMNS.map(|column| if has(column) { format!(", u.{column}") } else { ", 0".into() });
        columns.concat()
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
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(&self.path, flags).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
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
        use std::os::unix::ffi::OsStrExt;
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
        self.frozen = Some(FileState::of(metadata));
        let connection = Connection::open_with_flags(uri, flags).map_err(|error| self.fault(&error))?;
        let tables = list_tables(&connection).map_err(|error| self.fault(&error))?;
        self.still_frozen()?;
        Ok((connection, tables))
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

/// A row of a walk.
struct ChunkRow {
    user: u64,
    umeta_id: u64,
    login: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    state: UserState,
}

/// So many rows are listed at once: some milliseconds.
const LISTED: usize = 10_000;

/// A walk along the users goes on while at most this many rows are passed over for each one that is wanted,
/// after a start of some: passing over a row is a step, looking one up is a search.
const SPARSE: u64 = 4;
const SPARSE_START: u64 = 2_000;

/// How a walk ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Walked {
    Whole,
    /// The visitor wants no more.
    Stopped,
    TooSparse,
}

/// How far a walk is.
#[derive(Default)]
struct Progress {
    /// The last row that was read, whatever its key: `(user_id, umeta_id)`.
    behind: Option<(u64, u64)>,
    /// Rows under the key.
    wanted: u64,
    /// Rows under other keys.
    passed: u64,
    first_too_long: Option<WalkEntry>,
}

/// A part of a walk: rows whose texts lie in one buffer, which is used again for the next part.
#[derive(Default)]
struct Part {
    texts: Vec<u8>,
    /// `(user_id, umeta_id, where the value and the login begin and end)`: [`NULL`] where there is none.
    rows: Vec<(u64, u64, [usize; 4])>,
    read: usize,
}

/// Lies in no text.
const NULL: usize = usize::MAX;

impl Part {
    /// So much fits into the processor's cache, and is still a few hundred rows to one transaction.
    const BYTES: usize = 512 << 10;
    /// Rows, wanted or not: a transaction lasts a few milliseconds at most.
    const ROWS: usize = 4_000;

    fn clear(&mut self) {
        self.texts.clear();
        self.rows.clear();
        self.read = 0;
    }

    fn is_full(&self) -> bool {
        self.texts.len() >= Self::BYTES || self.read >= Self::ROWS
    }

    /// Reads rows until there are none left or the part is full.
    fn read(&mut self, rows: &mut rusqlite::Rows<'_>, progress: &mut Progress) -> rusqlite::Result<()> {
        while !self.is_full() {
            let Some(row) = rows.next()? else { break };
            self.read += 1;
            let (user, umeta_id) = (unsigned(row, 0)?, unsigned(row, 1)?);
            progress.behind = Some((user, umeta_id));
            let value = row.get_ref(2)?;
            match value {
                ValueRef::Real(_) => {
                    progress.passed += 1;
                    continue;
                }
                ValueRef::Integer(length) => {
                    progress.wanted += 1;
                    progress.first_too_long.get_or_insert((user, umeta_id, length.cast_unsigned()));
                    continue;
                }
                _ => progress.wanted += 1,
            }
            let [value, value_end] = self.keep(value.as_bytes_or_null()?);
            let [login, login_end] = self.keep(row.get_ref(3)?.as_bytes_or_null()?);
            self.rows.push((user, umeta_id, [value, value_end, login, login_end]));
        }
        Ok(())
    }

    /// Copies a text: where it begins and ends.
    fn keep(&mut self, text: Option<&[u8]>) -> [usize; 2] {
        let Some(text) = text else { return [NULL; 2] };
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        [start, self.texts.len()]
    }

    fn rows(&self) -> impl Iterator<Item = UserMeta<'_>> {
        self.rows.iter().map(|&(user, umeta_id, [value, value_end, login, login_end])| UserMeta {
            user: UserId(user),
            login: self.texts.get(login..login_end),
            umeta_id,
            value: self.texts.get(value..value_end),
        })
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
        let mut progress = Progress::default();
        let index = self.user_index().map_err(|error| self.file.fault(&error))?;
        let done = match index {
            Some(index) => self.walk_along_users(&index, key, &mut progress, visit)?,
            None => Walked::TooSparse,
        };
        let done = match done {
            Walked::TooSparse => self.walk_along_key(key, &mut progress, visit)?,
            done => done,
        };
        match progress.first_too_long {
            Some((user, umeta_id, length)) if done == Walked::Whole => {
                let table = &self.description.usermeta_table;
                Err(too_long(table, "meta_value", umeta_id, UserId(user), length))
            }
            _ => Ok(()),
        }
    }

    fn each_account(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(Account<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let (entries, first_too_long) = self.walk(key)?;
        let keys = RoleKeys::new(&self.tables, self.description.network.is_some());
        let is_role = keys.condition("meta_key");
        let highest = self
            .first(&format!("SELECT max(ID) FROM {}", self.users), [], |row| row.get::<_, Option<i64>>(0))?;
        let highest = highest.flatten().unwrap_or(0).cast_unsigned();
        let by_key = highest / USERS_PER_VISIT <= entries.len() as u64;
        let mut roles = RoleTable::with_capacity(if by_key { entries.len() } else { 0 });
        if by_key && !entries.is_empty() {
            self.read_roles(&is_role, &keys, &entries, &mut roles)?;
        }
        let columns = self.state_columns();
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            let chunk = next_chunk(rest);
            rest = &rest[chunk.len()..];
            if !by_key {
                let users: Vec<String> =
                    chunk.iter().map(|(user, ..)| user.cast_signed().to_string()).collect();
                roles.clear();
                // `+`: keeps SQLite from walking the index of the key, which holds a row per user.
                let of_users =
                    format!("user_id IN ({}) AND {}", users.join(","), keys.condition("+meta_key"));
                self.read_roles(&of_users, &keys, chunk, &mut roles)?;
            }
            let found = self.read_chunk(key, chunk, &columns).map_err(|error| self.file.fault(&error))?;
            self.file.still_frozen()?;
            for row in found {
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
        match first_too_long {
            None => Ok(()),
            Some((user, umeta_id, length)) => {
                let table = &self.description.usermeta_table;
                Err(too_long(table, "meta_value", umeta_id, UserId(user), length))
            }
        }
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
