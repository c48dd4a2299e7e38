//! `WP_Application_Passwords` over any store: create, update, delete, record usage.
//!
//! All of a user's application passwords are one serialized value in one `usermeta` row. Every change here
//! reads that value, edits the one thing it was asked to change, and puts the result back only if the row
//! still holds the bytes that were read; if it does not, the change is made again on what is there now.
//! Mirrors `wp-includes/class-wp-application-passwords.php`. Knows no terminal and no SQL.

mod record;

use std::time::Duration;

use rand::RngExt;

pub use record::Record;

use crate::error::Error;
use crate::store::{Autoload, MetaRow, MetaRows, Store, Swap, User, UserId};
use crate::wordpress::php_serialize::{self, Document, Key, NodeId, Scalar, View};
use crate::wordpress::plain_list::{Cell, PlainList, Rows};
use crate::wordpress::schema::{APPLICATION_PASSWORDS, IN_USE, USING_APPLICATION_PASSWORDS};
use crate::wordpress::{generate, sanitize};

/// How often a change is tried when others keep changing the same list. With twenty writers at once each
/// round lets at least one through, so this is enough for them all and still ends.
const ATTEMPTS: u32 = 200;

/// WordPress records a use at most once in this many seconds (`DAY_IN_SECONDS`).
const USAGE_INTERVAL: i64 = 86_400;

/// The meta key under which `--replace-unreadable` keeps what it replaced.
pub const BACKUP_KEY: &str = "_application_passwords_unreadable";

/// A user's stored list, as read.
pub struct StoredList {
    rows: MetaRows,
    contents: Contents,
}

enum Contents {
    /// No row, or one that holds nothing.
    Absent,
    List(Document),
    Unreadable {
        offset: usize,
        reason: String,
    },
}

impl StoredList {
    /// Makes sense of the rows of one user.
    ///
    /// WordPress: of several rows the one with the lowest `umeta_id` counts.
    pub fn from_rows(rows: MetaRows) -> Self {
        let contents = Contents::read(rows.first().and_then(|row| row.value.as_deref()));
        Self { rows, contents }
    }

    /// The same for a single value, as a walk over all users meets it.
    pub fn from_value(umeta_id: u64, value: Option<&[u8]>) -> Self {
        Self { contents: Contents::read(value), rows: vec![MetaRow { umeta_id, value: None }] }
    }

    /// The entries in stored order; none if the value cannot be read.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let document = match &self.contents {
            Contents::List(document) => Some(document),
            Contents::Absent | Contents::Unreadable { .. } => None,
        };
        document.into_iter().flat_map(Record::all).map(|(_, record)| record)
    }

    /// How many items the list has, entries or not; none if the value cannot be read.
    pub fn count(&self) -> usize {
        match &self.contents {
            Contents::List(document) => document.len(document.root()),
            Contents::Absent | Contents::Unreadable { .. } => 0,
        }
    }

    /// What a careful person should be told about these rows: an unreadable value, several rows, entries
    /// that WordPress cannot work with. `user` is how messages name the user.
    pub fn concerns(&self, user: &User) -> Vec<String> {
        let mut concerns = Vec::new();
        let who = named(user);
        let row = self.rows.first().map_or(0, |row| row.umeta_id);
        if let Contents::Unreadable { offset, reason } = &self.contents {
            concerns.push(format!(
                "The application passwords of user {who} can't be read: {reason} (usermeta row {row}, byte \
                 {offset}). WordPress treats them as an empty list and overwrites them at the next change."
            ));
        }
        if self.rows.len() > 1 {
            concerns.push(format!(
                "User {who} has {} rows of application passwords. WordPress reads the first (usermeta row \
                 {row}); the next change makes them all alike.",
                self.rows.len()
            ));
        }
        if let Contents::List(document) = &self.contents {
            let all = document.len(document.root());
            let (mut arrays, mut without_uuid) = (0, 0);
            for (_, record) in Record::all(document) {
                arrays += 1;
                without_uuid += usize::from(record.get("uuid").is_none());
            }
            if arrays < all {
                concerns.push(format!(
                    "{} of the application passwords of user {who} are not entries at all; WordPress fails on them \
                     at every login of this user.",
                    all - arrays
                ));
            }
            if without_uuid > 0 {
                concerns.push(format!(
                    "{without_uuid} of the application passwords of user {who} have no uuid (they are older than \
                     WordPress 5.6). WordPress gives them one when it next reads the list."
                ));
            }
        }
        concerns
    }

    fn position(&self, uuid: &[u8]) -> Option<Key<'_>> {
        let Contents::List(document) = &self.contents else { return None };
        Record::all(document).find(|(_, record)| record.has_uuid(uuid)).map(|(key, _)| key)
    }
}

impl Contents {
    /// WordPress: `get_user_meta()` trims and unserializes once; whatever is then no array is an empty list.
    fn read(value: Option<&[u8]>) -> Self {
        let Some(value) = value else { return Self::Absent };
        let trimmed = php_serialize::trim(value);
        if trimmed.is_empty() {
            return Self::Absent;
        }
        let leading = value.iter().position(|b| Some(b) == trimmed.first()).unwrap_or(0);
        let unreadable =
            |offset: usize, reason: String| Self::Unreadable { offset: leading + offset, reason };
        let document = match Document::parse(trimmed.to_vec()) {
            Ok(document) => document,
            Err(error) if trimmed.starts_with(b"a:") => {
                return unreadable(error.offset, error.reason.to_string());
            }
            Err(_) => return unreadable(0, "it is not a serialized list".into()),
        };
        match document.view(document.root()) {
            View::Array if php_serialize::is_serialized(trimmed) => Self::List(document),
            View::Array => unreadable(trimmed.len(), "something follows the end of the list".into()),
            View::Str(inner) if php_serialize::is_serialized(&inner) => {
                unreadable(0, "the list was serialized twice".into())
            }
            _ => unreadable(0, "it is a serialized value, but not a list".into()),
        }
    }
}

/// The fields of an entry, in the order in which WordPress writes them.
pub use crate::wordpress::schema::item::ALL as FIELDS;

/// Reads the values of many users, one after another, when they are as WordPress writes them: without a
/// [`StoredList`] for each.
pub struct PlainReader(PlainList);

impl Default for PlainReader {
    /// A reader; its memory is used again for each value.
    fn default() -> Self {
        Self(PlainList::new(&FIELDS))
    }
}

impl PlainReader {
    /// The entries, their fields in the order of [`FIELDS`]. `None`: make a [`StoredList`] of this value, there
    /// is something about it.
    pub fn read<'a>(&'a mut self, value: Option<&'a [u8]>) -> Option<Rows<'a>> {
        let entries = self.0.read(php_serialize::trim(value?))?;
        // Entries without a uuid are told of: see StoredList::concerns().
        entries.iter().all(|entry| entry.cell(0) != Cell::Absent).then_some(entries)
    }
}

/// How messages name a user: `5 (login)`.
pub fn named(user: &User) -> String {
    format!("{} ({})", user.id, String::from_utf8_lossy(&user.login))
}

/// What a new entry is made of.
pub struct NewEntry {
    /// As stored: sanitized and unslashed.
    pub name: Vec<u8>,
    /// As stored.
    pub app_id: Vec<u8>,
    /// The hash.
    pub password: Vec<u8>,
    /// Lower-case UUID, version 4.
    pub uuid: String,
    /// Unix seconds, UTC.
    pub created: i64,
}

/// Rules that depend on the version of WordPress.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// 5.7 to 6.6 refuse a name that the user already has.
    pub unique_names: bool,
    /// 5.7 and newer sanitize names.
    pub sanitize_names: bool,
    /// 6.6 and newer write `off` instead of `no`.
    pub autoload: Autoload,
}

/// The operations, on one store.
pub struct ApplicationPasswords<'s> {
    store: &'s mut dyn Store,
    /// Replace a value that cannot be read, keeping its bytes in a second meta row.
    replace_unreadable: bool,
    /// What was to be told of the list that a change found first.
    concerns: Option<Vec<String>>,
}

/// What an edit wants to happen to the list.
enum Edit<T> {
    /// Nothing; the answer is known.
    Keep(T),
    /// Save the edited list.
    Save(T),
}

impl<'s> ApplicationPasswords<'s> {
    /// Operations on this store.
    pub fn new(store: &'s mut dyn Store, replace_unreadable: bool) -> Self {
        Self { store, replace_unreadable, concerns: None }
    }

    /// [`StoredList::concerns`] of the list as the first change found it, once.
    pub fn take_concerns(&mut self) -> Vec<String> {
        self.concerns.take().unwrap_or_default()
    }

    /// `get_user_application_passwords()`, without its habit of writing during a read.
    ///
    /// # Errors
    /// When the database fails.
    pub fn read(&mut self, user: UserId) -> Result<StoredList, Error> {
        Ok(StoredList::from_rows(self.store.user_meta(user, APPLICATION_PASSWORDS)?))
    }

    /// The name under which WordPress of these rules would store what was given.
    ///
    /// # Errors
    /// [`Error::EmptyName`] when nothing is left.
    pub fn clean_name(given: &[u8], rules: Rules) -> Result<Vec<u8>, Error> {
        let name = if rules.sanitize_names { sanitize::sanitize_text_field(given) } else { given.to_vec() };
        if is_empty(&name) {
            return Err(Error::EmptyName { status: rules.sanitize_names });
        }
        Ok(name)
    }

    /// `create_new_application_password()`: appends the entry and sets the in-use flag.
    ///
    /// # Errors
    /// A duplicate name where WordPress refuses it, an unreadable list, a failing database. Nothing is
    /// left behind then, or the error is [`Error::LeftBehind`] and says what.
    pub fn create(&mut self, user: &User, entry: &NewEntry, rules: Rules) -> Result<(), Error> {
        let mut saved = false;
        let outcome = self.save_new(user, entry, rules, &mut saved);
        // Without the flag WordPress ignores the credential: better no entry than a dead one.
        let Err(error) = outcome.and_then(|()| self.set_in_use(rules.autoload)) else { return Ok(()) };
        if saved && self.delete(user, &[entry.uuid.as_bytes()]).is_err() {
            return Err(Error::LeftBehind {
                // True of the step that failed, false of the whole.
                cause: error.to_string().replace("; nothing was changed. Try again.", "."),
                user: user.id.0,
                uuid: entry.uuid.clone(),
            });
        }
        Err(error)
    }

    /// Appends the entry. `saved` tells, also after an error, whether the database holds it.
    fn save_new(
        &mut self,
        user: &User,
        entry: &NewEntry,
        rules: Rules,
        saved: &mut bool,
    ) -> Result<(), Error> {
        loop {
            let mut first_row = false;
            self.edit(user, |list, document| {
                if list.position(entry.uuid.as_bytes()).is_some() {
                    return Ok(Edit::Keep(()));
                }
                if rules.unique_names && list.records().any(|record| record.is_named(&entry.name)) {
                    return Err(Error::DuplicateName);
                }
                // WordPress: `wpdb` refuses to store what is not UTF-8, and so nothing is.
                if [&entry.name, &entry.app_id].iter().any(|text| std::str::from_utf8(text).is_err()) {
                    return Err(Error::NotSaved);
                }
                append(document, entry).map_err(|reason| uneditable(user, reason))?;
                first_row = list.rows.is_empty();
                Ok(Edit::Save(()))
            })?;
            *saved = true;
            if !first_row {
                return Ok(());
            }
            // WordPress: its first write of a list is an INSERT without a lock. If it came between our read
            // and ours, its row has the lower id and hides this entry: look, and add the entry there too.
            if self.read(user.id)?.position(entry.uuid.as_bytes()).is_some() {
                return Ok(());
            }
        }
    }

    /// Sets `using_application_passwords` when it is not set: without it WordPress skips authentication by
    /// application password silently.
    fn set_in_use(&mut self, autoload: Autoload) -> Result<(), Error> {
        let current = self.store.network_option(USING_APPLICATION_PASSWORDS)?;
        if !current.is_some_and(|value| is_truthy_option(&value)) {
            self.store.set_network_option(USING_APPLICATION_PASSWORDS, IN_USE, autoload)?;
        }
        Ok(())
    }

    /// `update_application_password()`: renames the first entry with this uuid. An empty or unchanged name
    /// is success without a write.
    ///
    /// # Errors
    /// [`Error::NotFound`], an unreadable list, a failing database.
    pub fn rename(
        &mut self,
        user: &User,
        uuid: &[u8],
        name: Option<&[u8]>,
        rules: Rules,
    ) -> Result<(), Error> {
        let name = name.map(|given| {
            if rules.sanitize_names { sanitize::sanitize_text_field(given) } else { given.to_vec() }
        });
        self.edit(user, |list, document| {
            let node = find(list, document, uuid)?;
            let Some(name) = name.as_deref().filter(|name| !is_empty(name)) else {
                return Ok(Edit::Keep(()));
            };
            let old = document.get(node, b"name").map(|node| document.view(node));
            if matches!(&old, Some(View::Str(old)) if **old == *name) {
                return Ok(Edit::Keep(()));
            }
            let stored = sanitize::stripslashes(name);
            if std::str::from_utf8(&stored).is_err() {
                return Err(Error::NotSaved);
            }
            document
                .set(node, Key::Str(b"name".into()), Scalar::Str(&stored))
                .map_err(|reason| uneditable(user, reason))?;
            Ok(Edit::Save(()))
        })
    }

    /// `record_application_password_usage()`: at most once a day, as WordPress does.
    ///
    /// # Errors
    /// [`Error::NotFound`], an unreadable list, a failing database.
    pub fn record_usage(&mut self, user: &User, uuid: &[u8], now: i64, ip: &[u8]) -> Result<(), Error> {
        self.edit(user, |list, document| {
            let node = find(list, document, uuid)?;
            let last_used =
                list.records().find(|record| record.has_uuid(uuid)).map_or(0, |record| record.last_used());
            if last_used.saturating_add(USAGE_INTERVAL) > now {
                return Ok(Edit::Keep(()));
            }
            document
                .set(node, Key::Str(b"last_used".into()), Scalar::Int(now))
                .and_then(|()| document.set(node, Key::Str(b"last_ip".into()), Scalar::Str(ip)))
                .map_err(|reason| uneditable(user, reason))?;
            Ok(Edit::Save(()))
        })
    }

    /// `delete_application_password()` for several at once: the first entry with each uuid goes, list keys
    /// keep their gaps. Returns for each uuid, in order, whether it was there.
    ///
    /// # Errors
    /// An unreadable list, a failing database: then nothing was deleted.
    pub fn delete(&mut self, user: &User, uuids: &[&[u8]]) -> Result<Vec<bool>, Error> {
        self.edit(user, |_, document| {
            let mut found = Vec::with_capacity(uuids.len());
            for uuid in uuids {
                let key = Record::all(document)
                    .find(|(_, record)| record.has_uuid(uuid))
                    .map(|(key, _)| owned(key));
                found.push(key.is_some());
                if let Some(key) = key {
                    let root = document.root();
                    document.remove(root, key).map_err(|reason| uneditable(user, reason))?;
                }
            }
            Ok(if found.contains(&true) { Edit::Save(found) } else { Edit::Keep(found) })
        })
    }

    /// `delete_all_application_passwords()`: the row stays and holds an empty list. Returns how many went.
    ///
    /// # Errors
    /// An unreadable list, a failing database: then nothing was deleted.
    pub fn delete_all(&mut self, user: &User) -> Result<usize, Error> {
        self.edit(user, |list, document| {
            let root = document.root();
            let count = document.len(root);
            // What cannot be read is replaced, where that was asked for.
            if count == 0 && !matches!(list.contents, Contents::Unreadable { .. }) {
                return Ok(Edit::Keep(0));
            }
            // A fresh empty list, not an emptied one: nothing can refer into it.
            *document = Document::empty_array();
            Ok(Edit::Save(count))
        })
    }

    /// Stops before a list is written over that cannot be read, unless that was asked for.
    ///
    /// # Errors
    /// [`Error::Unreadable`]
    pub fn refuse_unreadable(&self, user: &User, list: &StoredList) -> Result<(), Error> {
        match &list.contents {
            Contents::Unreadable { offset, reason } if !self.replace_unreadable => Err(Error::Unreadable {
                user: named(user),
                umeta_id: list.rows.first().map_or(0, |row| row.umeta_id),
                offset: *offset,
                reason: reason.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Reads, edits, and saves if nobody else saved in between; else all over again.
    fn edit<T>(
        &mut self,
        user: &User,
        mut change: impl FnMut(&StoredList, &mut Document) -> Result<Edit<T>, Error>,
    ) -> Result<T, Error> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(pause(attempt));
            }
            let list = self.read(user.id)?;
            self.concerns.get_or_insert_with(|| list.concerns(user));
            let (mut document, backup) = match &list.contents {
                Contents::Absent => (Document::empty_array(), None),
                Contents::List(document) => (document.clone(), None),
                Contents::Unreadable { .. } => {
                    self.refuse_unreadable(user, &list)?;
                    (Document::empty_array(), Some(BACKUP_KEY))
                }
            };
            let answer = match change(&list, &mut document)? {
                Edit::Keep(answer) => return Ok(answer),
                Edit::Save(answer) => answer,
            };
            give_uuids(&mut document).map_err(|reason| uneditable(user, reason))?;
            let bytes = document.to_bytes();
            match self.store.replace_user_meta(user.id, APPLICATION_PASSWORDS, &list.rows, &bytes, backup)? {
                Swap::Done => return Ok(answer),
                Swap::Lost => {}
            }
        }
        Err(Error::Conflict { user: named(user), attempts: ATTEMPTS })
    }
}

/// Longer and longer, up to some 40 ms, and never in step with another process that lost the same race.
fn pause(attempt: u32) -> Duration {
    let ceiling = (1_u64 << attempt.min(5)) * 1_250;
    Duration::from_micros(rand::rng().random_range(250..=ceiling))
}

fn find(list: &StoredList, document: &Document, uuid: &[u8]) -> Result<NodeId, Error> {
    // The document is a fresh copy of the list's own, so its keys lead to the same entries.
    let key = list.position(uuid).ok_or(Error::NotFound)?;
    document
        .entries(document.root())
        .find(|(other, _)| *other == key)
        .map(|(_, node)| node)
        .ok_or(Error::NotFound)
}

fn owned(key: Key<'_>) -> Key<'static> {
    match key {
        Key::Int(number) => Key::Int(number),
        Key::Str(text) => Key::Str(text.into_owned().into()),
    }
}

/// Appends in the key order that WordPress writes.
fn append(document: &mut Document, entry: &NewEntry) -> Result<(), String> {
    let root = document.root();
    let index = document
        .next_index(root)
        .ok_or_else(|| "its list has used up all keys, so nothing can be appended".to_owned())?;
    let node = document.push_array(root, Key::Int(index)).map_err(|error| error.to_string())?;
    let fields = [
        ("uuid", Scalar::Str(entry.uuid.as_bytes())),
        ("app_id", Scalar::Str(&entry.app_id)),
        ("name", Scalar::Str(&entry.name)),
        ("password", Scalar::Str(&entry.password)),
        ("created", Scalar::Int(entry.created)),
        ("last_used", Scalar::Null),
        ("last_ip", Scalar::Null),
    ];
    for (key, value) in fields {
        document.set(node, Key::Str(key.as_bytes().into()), value).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// WordPress: entries older than 5.6 have no uuid; it appends one whenever it reads the list. A list that is
/// saved anyway gets them here, so that nobody's next read has to write.
fn give_uuids(document: &mut Document) -> Result<(), String> {
    let without: Vec<NodeId> = Record::all(document)
        .filter(|(_, record)| record.get("uuid").is_none())
        .map(|(_, record)| record.parts().1)
        .collect();
    for node in without {
        let uuid = generate::uuid4(&mut rand::rng());
        document
            .set(node, Key::Str(b"uuid".into()), Scalar::Str(uuid.as_bytes()))
            .map_err(|error| error.to_string())?;
    }
    Ok(())
}

fn uneditable(user: &User, reason: impl ToString) -> Error {
    Error::Uneditable { user: named(user), reason: reason.to_string() }
}

/// PHP's `empty()` of a string.
pub fn is_empty(text: &[u8]) -> bool {
    text.is_empty() || text == b"0"
}

/// PHP's truth of an option's value after `maybe_unserialize()`.
fn is_truthy_option(value: &[u8]) -> bool {
    if !php_serialize::is_serialized(value) {
        return !is_empty(value);
    }
    let Ok(document) = Document::parse(php_serialize::trim(value).to_vec()) else { return false };
    document.is_truthy(document.root())
}
