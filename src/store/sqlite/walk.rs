//! Walks over all users of a database file.
//!
//! A walk is in the order of users, the rows of the file mostly are not: first the rows under a key are listed, then
//! they are read in parts, in that order. Reading is a thread's own work while the visitor looks at what came before;
//! in a large file with a write-ahead log two connections list at once. Every read ends before the visitor sees what it
//! gave, and after some milliseconds at most: in rollback mode an open read blocks WordPress's writes.

use std::ops::{ControlFlow, RangeInclusive};
use std::sync::mpsc::{channel, sync_channel};
use std::thread;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, Rows, Statement, params};

use super::super::roles::{RoleKeys, RoleTable, USERS_PER_VISIT, is_visited};
use super::super::{
    Account, LONGEST_VALUE, StoreError, UserId, UserMeta, UserState, WalkEntry, next_chunk, walk_ended,
};
use super::{SqliteStore, quoted, unsigned};

/// So many rows are listed at once, in about a millisecond: a request that writes may have to wait for several such reads.
const LISTED: usize = 1_000;

/// A list of rows grows by so many.
const GROWTH: usize = 16 * LISTED;

/// Where the ids of the first and the last row differ by more than this, listing may be shared by two connections. To
/// open one costs as much as some hundred rows.
const SHARED: i64 = 50_000;

/// A walk along the users goes on while at most this many rows are passed over for each one that is wanted,
/// after a start of some: passing over a row is a step, looking one up is a search.
const SPARSE: u64 = 4;
const SPARSE_START: u64 = 2_000;

/// So many rows at the start of a key's index tell whether a walk along the users is worth a try.
const PROBE: i64 = 64;

/// The list of a walk is kept until so many of its rows were visited.
const FORGOTTEN: usize = 1 << 16;

/// The roles of so many users are asked for in one statement.
const ROLES_AT_ONCE: usize = 1_000;

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
    /// Rows that are too long, and were left out.
    left_out: Vec<WalkEntry>,
}

/// A part of a walk: rows whose texts lie in one buffer, which is used again for a later part.
#[derive(Default)]
struct Part {
    texts: Vec<u8>,
    rows: Vec<PartRow>,
    /// Rows that were read for it, wanted or not.
    read: usize,
    /// The roles of its users, where they are not known of all users.
    roles: RoleTable,
    /// About so many rows are still to come.
    left: u64,
}

#[derive(Clone, Copy)]
struct PartRow {
    user: u64,
    umeta_id: u64,
    value: Span,
    login: Span,
    state: UserState,
}

/// Where in the buffer a text begins and ends; beyond it where there is none.
type Span = [usize; 2];
const NULL: Span = [usize::MAX; 2];

/// The columns of a [`PartRow`]. The third says by its type what it is: text or NULL the value, an integer the length
/// of one that is too long, a float nothing, because the row is another key's (`?1`).
fn columns() -> String {
    format!(
        "m.user_id, m.umeta_id, CASE WHEN m.meta_key = ?1 COLLATE BINARY THEN \
         CASE WHEN octet_length(m.meta_value) > {LONGEST_VALUE} THEN octet_length(m.meta_value) \
         ELSE CAST(m.meta_value AS TEXT) END ELSE 0.5 END, CAST(u.user_login AS TEXT)"
    )
}

impl Part {
    /// So much fits into the processor's cache, and is still a few hundred rows to one transaction.
    const BYTES: usize = 512 << 10;
    /// Rows, wanted or not: a transaction lasts a few milliseconds at most.
    const ROWS: usize = 4_000;

    fn clear(&mut self) {
        self.texts.clear();
        // After a row that was very long.
        self.texts.shrink_to(4 * Self::BYTES);
        self.rows.clear();
        self.roles.clear();
        self.read = 0;
    }

    fn is_full(&self) -> bool {
        self.texts.len() >= Self::BYTES || self.read >= Self::ROWS
    }

    /// Reads rows until there are none left or the part is full.
    fn read(&mut self, rows: &mut Rows<'_>, progress: &mut Progress) -> rusqlite::Result<()> {
        while !self.is_full() {
            let Some(row) = rows.next()? else { break };
            self.read += 1;
            let (user, umeta_id) = (unsigned(row, 0)?, unsigned(row, 1)?);
            progress.behind = Some((user, umeta_id));
            match row.get_ref(2)? {
                ValueRef::Real(_) => {
                    progress.passed += 1;
                    continue;
                }
                ValueRef::Integer(length) => progress.left_out.push((user, umeta_id, length.cast_unsigned())),
                _ => self.add(user, umeta_id, row)?,
            }
            progress.wanted += 1;
        }
        Ok(())
    }

    /// Reads those of `expected`, whose rows come in the same order. Gives up where too many others lie between them,
    /// and returns those that are left.
    fn read_expected<'e>(
        &mut self,
        rows: &mut Rows<'_>,
        mut expected: &'e [WalkEntry],
    ) -> rusqlite::Result<&'e [WalkEntry]> {
        let most = 2 * expected.len();
        let mut read = 0;
        while let Some(row) = rows.next()? {
            let (user, umeta_id) = (unsigned(row, 0)?, unsigned(row, 1)?);
            // What is gone meanwhile is left out.
            while let [(_, first, _), rest @ ..] = expected
                && first.cast_signed() < umeta_id.cast_signed()
            {
                expected = rest;
            }
            // One that is new between the others belongs to the next walk.
            let is_expected = expected.first().is_some_and(|first| (first.0, first.1) == (user, umeta_id));
            let has_value = matches!(row.get_ref(2)?, ValueRef::Text(_) | ValueRef::Null);
            if is_expected && has_value {
                self.add(user, umeta_id, row)?;
            }
            read += 1;
            if read > most {
                return Ok(expected.get(usize::from(is_expected)..).unwrap_or_default());
            }
        }
        Ok(&[])
    }

    fn add(&mut self, user: u64, umeta_id: u64, row: &Row<'_>) -> rusqlite::Result<()> {
        let value = self.keep(row.get_ref(2)?.as_bytes_or_null()?);
        let login = self.keep(row.get_ref(3)?.as_bytes_or_null()?);
        let state = if row.as_ref().column_count() > 4 { state(row, 4) } else { UserState::default() };
        self.rows.push(PartRow { user, umeta_id, value, login, state });
        Ok(())
    }

    /// Copies a text.
    fn keep(&mut self, text: Option<&[u8]>) -> Span {
        let Some(text) = text else { return NULL };
        let start = self.texts.len();
        self.texts.extend_from_slice(text);
        [start, self.texts.len()]
    }

    fn text(&self, [start, end]: Span) -> Option<&[u8]> {
        self.texts.get(start..end)
    }

    fn visit(&self, visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>) -> ControlFlow<()> {
        self.rows.iter().try_for_each(|row| {
            visit(UserMeta {
                user: UserId(row.user),
                login: self.text(row.login),
                umeta_id: row.umeta_id,
                value: self.text(row.value),
            })
        })
    }

    /// `roles`: of all users, if they are known.
    fn visit_accounts(
        &self,
        roles: Option<&RoleTable>,
        visit: &mut dyn FnMut(Account<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let roles = roles.unwrap_or(&self.roles);
        self.rows.iter().try_for_each(|row| {
            visit(Account {
                user: UserId(row.user),
                login: self.text(row.login),
                state: row.state,
                roles: roles.of(row.user),
                umeta_id: row.umeta_id,
                value: self.text(row.value),
                left: self.left,
            })
        })
    }
}

/// Takes a part, and gives another one to be filled; `None`: no more is wanted.
type Deliver<'d> = &'d mut dyn FnMut(Part) -> Option<Part>;

/// Between two reads: whoever is put to sleep is so now, and not while a lock is held.
fn breathe() {
    thread::yield_now();
}

/// Lets `read` deliver parts from a thread of its own, always one ahead of `visit`.
fn read_ahead<T: Send>(
    read: impl FnOnce(Deliver<'_>) -> Result<T, StoreError> + Send,
    visit: &mut dyn FnMut(&Part) -> ControlFlow<()>,
) -> Result<T, StoreError> {
    thread::scope(|scope| {
        let (to_visit, parts) = sync_channel::<Part>(1);
        let (give_back, to_fill) = channel();
        let reader = thread::Builder::new().spawn_scoped(scope, move || {
            read(&mut |part| {
                to_visit.send(part).ok()?;
                Some(to_fill.try_recv().unwrap_or_default())
            })
        });
        let reader = reader.map_err(|error| {
            StoreError::failed(format!("A thread that reads the database cannot be started: {error}."))
        })?;
        for part in &parts {
            if visit(&part).is_break() {
                break;
            }
            // The reader may have ended.
            let _ = give_back.send(part);
        }
        // Tells a reader that waits that no more is wanted.
        drop(parts);
        reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl SqliteStore {
    /// [`Store::each_user_meta`](super::super::Store::each_user_meta)
    pub(super) fn walk_users(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(UserMeta<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut progress = Progress::default();
        let mut part = Part::default();
        if self.read_few(key, "", &mut part, &mut progress)? {
            return match part.visit(visit) {
                ControlFlow::Continue(()) => self.ended(progress.left_out),
                ControlFlow::Break(()) => Ok(()),
            };
        }
        progress = Progress::default();
        let index = match self.is_dense(key) {
            Ok(true) => self.user_index(),
            Ok(false) => Ok(None),
            Err(error) => Err(error),
        };
        let index = index.map_err(|error| self.file.fault(&error))?;
        let store = &mut *self;
        let read = move |deliver: Deliver<'_>| {
            let mut part = part;
            if let Some(index) = index {
                let walked = store.along_users(&index, key, &mut progress, part, deliver)?;
                match walked {
                    (Walked::TooSparse, Some(next)) => part = next,
                    (walked, _) => return Ok((walked, progress.left_out)),
                }
            }
            let (mut entries, left_out) = store.list(key)?;
            entries
                .retain(|(user, umeta_id, _)| progress.behind.is_none_or(|last| (*user, *umeta_id) > last));
            // All of them are in the list.
            progress.left_out = left_out;
            let walked = store.along_list(key, entries, "", None, part, deliver)?;
            Ok((walked, progress.left_out))
        };
        let mut stopped = false;
        let read = read_ahead(read, &mut |part| {
            let flow = part.visit(visit);
            stopped = flow.is_break();
            flow
        });
        // What was read ahead for nobody cannot fail.
        if stopped { Ok(()) } else { self.ended(read?.1) }
    }

    /// [`Store::each_account`](super::super::Store::each_account)
    pub(super) fn walk_accounts(
        &mut self,
        key: &str,
        visit: &mut dyn FnMut(Account<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let keys = RoleKeys::new(&self.tables, self.description.network.is_some());
        let columns = self.state_columns();
        let mut progress = Progress::default();
        let mut part = Part::default();
        let is_few = self.read_few(key, &columns, &mut part, &mut progress)?;
        let (entries, left_out) = if is_few {
            let entries = part.rows.iter().map(|row| (row.user, row.umeta_id, 0)).collect();
            (entries, progress.left_out)
        } else {
            self.list(key)?
        };
        if entries.is_empty() {
            return self.ended(left_out);
        }
        let highest = self
            .first(&format!("SELECT max(ID) FROM {}", self.users), [], |row| row.get::<_, Option<i64>>(0))?;
        let highest = highest.flatten().unwrap_or(0).cast_unsigned();
        let by_key = highest / USERS_PER_VISIT <= entries.len() as u64;
        let roles = if by_key { Some(self.roles(&keys, &entries)?) } else { None };
        let roles = roles.as_ref();
        if is_few {
            if roles.is_none() {
                for chunk in entries.chunks(ROLES_AT_ONCE) {
                    self.roles_of(chunk, &keys, &mut part.roles)?;
                }
                part.roles.sort();
            }
            return match part.visit_accounts(roles, visit) {
                ControlFlow::Continue(()) => self.ended(left_out),
                ControlFlow::Break(()) => Ok(()),
            };
        }
        let store = &mut *self;
        let read = move |deliver: Deliver<'_>| {
            let keys = roles.is_none().then_some(&keys);
            store.along_list(key, entries, &columns, keys, part, deliver)
        };
        let mut stopped = false;
        let read = read_ahead(read, &mut |part| {
            let flow = part.visit_accounts(roles, visit);
            stopped = flow.is_break();
            flow
        });
        // What was read ahead for nobody cannot fail.
        if stopped { Ok(()) } else { read.and_then(|_| self.ended(left_out)) }
    }

    /// Whether what is read keeps no writer out. With a rollback journal it does: there one connection reads at a time,
    /// because two would hardly leave a moment in which nobody reads.
    fn is_free_of_locks(&self) -> Result<bool, StoreError> {
        if self.file.frozen.is_some() {
            return Ok(true);
        }
        let mode: Option<String> = self.first("PRAGMA journal_mode", [], |row| row.get(0))?;
        Ok(mode.is_some_and(|mode| mode.eq_ignore_ascii_case("wal")))
    }

    /// What a walk says in the end.
    fn ended(&self, mut left_out: Vec<WalkEntry>) -> Result<(), StoreError> {
        left_out.sort_unstable();
        walk_ended(&self.description.usermeta_table, &left_out)
    }

    /// Reads all rows under the key at once, if one part holds them; says whether it does. Most sites have so few.
    fn read_few(
        &self,
        key: &str,
        columns_of_state: &str,
        part: &mut Part,
        progress: &mut Progress,
    ) -> Result<bool, StoreError> {
        let sql = format!(
            "SELECT {}{columns_of_state} FROM {} m LEFT JOIN {} u ON u.ID = m.user_id \
             WHERE m.meta_key = ?1 ORDER BY m.umeta_id",
            columns(),
            self.usermeta,
            self.users
        );
        let mut read = || {
            let mut statement = self.connection.prepare(&sql)?;
            part.read(&mut statement.query([key])?, progress)?;
            Ok(!part.is_full())
        };
        let few = read().map_err(|error| self.file.fault(&error))?;
        self.file.still_frozen()?;
        if few {
            part.rows.sort_unstable_by_key(|row| (row.user, row.umeta_id));
        } else {
            part.clear();
        }
        Ok(few)
    }

    /// Whether the rows under the key lie so close together that a walk over all rows may be the cheapest.
    fn is_dense(&self, key: &str) -> rusqlite::Result<bool> {
        let sql = format!(
            "SELECT count(*), coalesce(max(umeta_id) - min(umeta_id), 0) FROM \
             (SELECT umeta_id FROM {} WHERE meta_key = ?1 ORDER BY umeta_id LIMIT {PROBE})",
            self.usermeta
        );
        let (count, span): (i64, i64) =
            self.connection.query_row(&sql, [key], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(count == PROBE && span <= PROBE * (SPARSE as i64 + 1))
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
    /// [`Self::along_list`], with a part to be filled.
    fn along_users(
        &self,
        index: &str,
        key: &str,
        progress: &mut Progress,
        mut part: Part,
        deliver: Deliver<'_>,
    ) -> Result<(Walked, Option<Part>), StoreError> {
        let select = format!(
            "SELECT {} FROM {} m INDEXED BY {index} LEFT JOIN {} u ON u.ID = m.user_id",
            columns(),
            self.usermeta,
            self.users
        );
        let prepare = |what: &str| self.connection.prepare(&format!("{select} {what}"));
        let fault = |error| self.file.fault(&error);
        let mut same_user =
            prepare("WHERE m.user_id = ?2 AND m.umeta_id > ?3 ORDER BY m.umeta_id").map_err(fault)?;
        let mut later_users =
            prepare("WHERE m.user_id > ?2 ORDER BY m.user_id, m.umeta_id").map_err(fault)?;
        loop {
            breathe();
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
            let is_last = !part.is_full();
            let Some(next) = deliver(part) else { return Ok((Walked::Stopped, None)) };
            part = next;
            if is_last {
                return Ok((Walked::Whole, None));
            }
            if progress.passed > SPARSE_START + SPARSE * progress.wanted {
                return Ok((Walked::TooSparse, Some(part)));
            }
        }
    }

    /// Reads listed rows part by part. `keys`: with the roles of each part's users.
    fn along_list(
        &self,
        key: &str,
        mut entries: Vec<WalkEntry>,
        columns_of_state: &str,
        keys: Option<&RoleKeys>,
        mut part: Part,
        deliver: Deliver<'_>,
    ) -> Result<Walked, StoreError> {
        let prepare = |plus: &str| {
            self.connection.prepare(&format!(
                "SELECT {}{columns_of_state} FROM {} m LEFT JOIN {} u ON u.ID = m.user_id \
                 WHERE m.umeta_id BETWEEN ?2 AND ?3 AND {plus}m.meta_key = ?1 ORDER BY m.umeta_id",
                columns(),
                self.usermeta,
                self.users,
            ))
        };
        let fault = |error| self.file.fault(&error);
        let mut many = prepare("").map_err(fault)?;
        // `+`: keeps SQLite from searching one row by its key.
        let mut single = prepare("+").map_err(fault)?;
        let mut done = 0;
        while let Some(rest) = entries.get(done..).filter(|rest| !rest.is_empty()) {
            let chunk = next_chunk(rest, Part::BYTES);
            breathe();
            part.clear();
            part.left = (rest.len() - chunk.len()) as u64;
            done += chunk.len();
            if let Some(keys) = keys {
                self.roles_of(chunk, keys, &mut part.roles)?;
                part.roles.sort();
            }
            // One read transaction per part: a lock per row would cost more than the rows.
            self.connection.execute_batch("BEGIN").map_err(fault)?;
            let read = read_chunk(&mut many, &mut single, key, chunk, &mut part);
            let ended = self.connection.execute_batch("COMMIT");
            read.and(ended).map_err(fault)?;
            self.file.still_frozen()?;
            let Some(next) = deliver(part) else { return Ok(Walked::Stopped) };
            part = next;
            // The visitor may need more memory the longer it lasts: an audit does.
            if done >= FORGOTTEN {
                entries.drain(..done);
                entries.shrink_to_fit();
                done = 0;
            }
        }
        Ok(Walked::Whole)
    }

    /// The rows that a walk over `key` visits, in its order, and the first one that is too long for it.
    fn list(&self, key: &str) -> Result<(Vec<WalkEntry>, Vec<WalkEntry>), StoreError> {
        // By parts, in the order of the key's index, so that no read of a large table holds up WordPress's writes.
        let sql = format!(
            "SELECT user_id, umeta_id, coalesce(octet_length(meta_value), 0) FROM {} \
             WHERE meta_key = ?1 AND meta_key = ?1 COLLATE BINARY AND umeta_id BETWEEN ?2 AND ?3 \
             ORDER BY umeta_id LIMIT {LISTED}",
            self.usermeta
        );
        let read = |connection: &Connection, ids: RangeInclusive<i64>| {
            let mut entries: Vec<WalkEntry> = Vec::new();
            let mut statement = connection.prepare(&sql)?;
            let mut from = *ids.start();
            loop {
                breathe();
                let before = entries.len();
                // Doubling would leave holes in the thread's memory.
                if entries.len() == entries.capacity() {
                    entries.reserve_exact(GROWTH);
                }
                let mut rows = statement.query(params![key, from, ids.end()])?;
                while let Some(row) = rows.next()? {
                    entries.push((unsigned(row, 0)?, unsigned(row, 1)?, unsigned(row, 2)?));
                }
                let last = entries.last().map_or(i64::MAX, |(_, umeta_id, _)| umeta_id.cast_signed());
                if entries.len() - before < LISTED || last >= *ids.end() {
                    return Ok(entries);
                }
                from = last + 1;
            }
        };
        let (mut entries, others) = self.shared(Some(key), read)?;
        let others = others.unwrap_or_default();
        entries.reserve_exact(others.len());
        entries.extend(others);
        entries.sort_unstable();
        let left_out = entries.extract_if(.., |entry| entry.2 > LONGEST_VALUE as u64).collect();
        Ok((entries, left_out))
    }

    /// The roles of `entries`' users, found by their keys.
    fn roles(&self, keys: &RoleKeys, entries: &[WalkEntry]) -> Result<RoleTable, StoreError> {
        let (usermeta, condition) = (&self.usermeta, keys.condition("meta_key"));
        let read = |connection: &Connection, ids: RangeInclusive<i64>| {
            // As many as one of two threads needs: a vector that doubles leaves holes in the thread's memory.
            let mut roles = RoleTable::with_capacity(entries.len().div_ceil(2));
            read_roles(connection, usermeta, &condition, ids, keys, entries, &mut roles)?;
            Ok(roles)
        };
        let (mut roles, others) = self.shared(None, read)?;
        if let Some(others) = others {
            roles.append(&others);
        }
        roles.sort();
        Ok(roles)
    }

    /// Adds the roles of these users, found by the users: there must not be more than fit into a statement.
    fn roles_of(
        &self,
        entries: &[WalkEntry],
        keys: &RoleKeys,
        roles: &mut RoleTable,
    ) -> Result<(), StoreError> {
        let users: Vec<String> = entries.iter().map(|(user, ..)| user.cast_signed().to_string()).collect();
        // `+`: keeps SQLite from walking the index of the key, which holds a row per user.
        let condition = format!("user_id IN ({}) AND {}", users.join(","), keys.condition("+meta_key"));
        read_roles(&self.connection, &self.usermeta, &condition, i64::MIN..=i64::MAX, keys, entries, roles)
            .map_err(|error| self.file.fault(&error))?;
        self.file.still_frozen()
    }

    /// Reads rows of `usermeta` by their ids: where there are many and nobody waits for a lock, in two halves, the
    /// second with a connection of its own on a thread of its own. `key`: the rows lie under it.
    fn shared<T: Send>(
        &self,
        key: Option<&str>,
        read: impl Fn(&Connection, RangeInclusive<i64>) -> rusqlite::Result<T> + Sync,
    ) -> Result<(T, Option<T>), StoreError> {
        let end = |end: &str| {
            let condition = if key.is_some() { "WHERE meta_key = ?1" } else { "WHERE ?1 IS NULL" };
            let sql = format!("SELECT {end}(umeta_id) FROM {} {condition}", self.usermeta);
            let id = self.first(&sql, [key], |row| row.get::<_, Option<i64>>(0))?;
            Ok(id.flatten().unwrap_or(0))
        };
        let (first, last) = (end("min")?, end("max")?);
        let middle = first.midpoint(last);
        let fault = |error| self.file.fault(&error);
        let is_small = last.saturating_sub(first) <= SHARED;
        let halves = if is_small || !self.is_free_of_locks()? {
            (read(&self.connection, i64::MIN..=i64::MAX).map_err(fault)?, None)
        } else {
            let (file, upper) = (&self.file, middle.saturating_add(1)..=i64::MAX);
            thread::scope(|scope| {
                let read_upper = {
                    let (read, upper) = (&read, upper.clone());
                    move || read(&file.open_again()?, upper)
                };
                let helper = thread::Builder::new().spawn_scoped(scope, read_upper);
                let lower = read(&self.connection, i64::MIN..=middle);
                // What went wrong there is found again here, where it is nothing else than this connection's trouble.
                let helped = helper.ok().and_then(|helper| helper.join().ok()?.ok());
                let others = helped.map_or_else(|| read(&self.connection, upper), Ok);
                Ok((lower.map_err(fault)?, Some(others.map_err(fault)?)))
            })?
        };
        self.file.still_frozen()?;
        Ok(halves)
    }

    /// The columns of a [`UserState`]: zero where this users table lacks one.
    pub(super) fn state_columns(&self) -> String {
        // Whether it can be prepared says it.
        let has = |column: &str| {
            self.connection.prepare(&format!("SELECT u.{column} FROM {} u", self.users)).is_ok()
        };
        let columns =
            UserState::COLUMNS.map(|column| if has(column) { format!(", u.{column}") } else { ", 0".into() });
        columns.concat()
    }
}

/// What the columns of a [`UserState`] hold, which begin at `from`.
pub(super) fn state(row: &Row<'_>, from: usize) -> UserState {
    let flag = |column: usize| match row.get_ref(from + column) {
        Ok(ValueRef::Integer(number)) => number.cast_unsigned(),
        _ => 0,
    };
    UserState { status: flag(0), spam: flag(1) != 0, deleted: flag(2) != 0 }
}

/// Reads one part of a walk: `many` gives the rows between two ids, `single` does so for one.
fn read_chunk(
    many: &mut Statement<'_>,
    single: &mut Statement<'_>,
    key: &str,
    chunk: &[WalkEntry],
    part: &mut Part,
) -> rusqlite::Result<()> {
    // Rows mostly lie in the order of their users: then one search finds the first, and the others follow.
    let in_order = chunk.is_sorted_by_key(|(_, umeta_id, _)| umeta_id.cast_signed());
    let left = match (chunk, in_order) {
        ([(_, first, _), .., (_, last, _)], true) => {
            let ends = params![key, first.cast_signed(), last.cast_signed()];
            part.read_expected(&mut many.query(ends)?, chunk)?
        }
        _ => chunk,
    };
    left.iter().try_for_each(|entry| {
        let umeta_id = entry.1.cast_signed();
        let ends = params![key, umeta_id, umeta_id];
        part.read_expected(&mut single.query(ends)?, std::slice::from_ref(entry)).map(drop)
    })
}

/// Adds the roles of those of `entries`' users whose rows `condition` finds, part by part.
fn read_roles(
    connection: &Connection,
    usermeta: &str,
    condition: &str,
    ids: RangeInclusive<i64>,
    keys: &RoleKeys,
    entries: &[WalkEntry],
    roles: &mut RoleTable,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT user_id, umeta_id, meta_key, CASE WHEN octet_length(meta_value) <= 65535 THEN CAST(meta_value AS TEXT) END \
         FROM {usermeta} WHERE {condition} AND umeta_id BETWEEN ?1 AND ?2 ORDER BY umeta_id LIMIT {LISTED}"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut from = *ids.start();
    loop {
        breathe();
        let (mut last, mut count) = (i64::MAX, 0);
        let mut rows = statement.query(params![from, ids.end()])?;
        while let Some(row) = rows.next()? {
            (last, count) = (row.get(1)?, count + 1);
            let user = unsigned(row, 0)?;
            let key = row.get_ref(2)?.as_bytes_or_null()?.unwrap_or_default();
            if let Some(blog) = keys.blog(key)
                && is_visited(entries, user)
            {
                let stored = row.get_ref(3)?.as_bytes_or_null()?.unwrap_or_default();
                roles.add(user, blog, last.cast_unsigned(), stored);
            }
        }
        if count < LISTED || last >= *ids.end() {
            return Ok(());
        }
        from = last + 1;
    }
}
