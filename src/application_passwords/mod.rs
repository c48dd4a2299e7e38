//! `WP_Application_Passwords` over any store: create, update, delete, record usage.
//!
//! All of a user's application passwords are one serialized value in one `usermeta` row. Every change here
//! reads that value, edits the one thing it was asked to change, and puts the result back only if the row
//! still holds the bytes that were read; if it does not, the change is made again on what is there now.
//! Mirrors `wp-includes/class-wp-application-passwords.php`. Knows no terminal and no SQL.

mod accounts;
mod aftercare;
mod changes;
mod find;
mod hashes;
mod record;
mod rotation;
mod run;
mod suspended;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use rand::RngExt;

pub use aftercare::{Aftercare, Reach, Watch};
pub use find::{Acceptance, Found, ListFailure, Match, Unchecked};
pub use hashes::{Attempt, Hashes, Owner, State};
pub use record::Record;
pub use rotation::{Due, Retire, Retired, Rotatable, Standing, Successor, Which};
pub use run::Run;
pub use suspended::{Choose, Taken};

use crate::error::Error;
use crate::interrupt;
use crate::store::{Autoload, MetaRow, MetaRows, Store, StoreError, Swap, User, UserField, UserId};
use crate::wordpress::object_cache;
use crate::wordpress::php_serialize::{self, Document, Key, NodeId, Scalar, View};
use crate::wordpress::plain_list::{Cell, PlainList, Row, Rows};
use crate::wordpress::restrictions::{Changes, Terms};
use crate::wordpress::schema::{APPLICATION_PASSWORDS, IN_USE, SUSPENDED, USING_APPLICATION_PASSWORDS};
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
    /// The list is the one of suspended entries.
    is_suspended: bool,
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
        Self { rows, contents, is_suspended: false }
    }

    /// Notes under which key it was found.
    #[must_use]
    pub fn under(self, key: &str) -> Self {
        Self { is_suspended: key == SUSPENDED, ..self }
    }

    /// Stops where nothing can be said of single entries, whatever is to become of the whole.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::UnreadableSuspended`]
    pub fn must_be_readable(&self, user: &User) -> Result<(), Error> {
        let Contents::Unreadable { offset, reason } = &self.contents else { return Ok(()) };
        let (user, umeta_id) = (named(user), self.rows.first().map_or(0, |row| row.umeta_id));
        let (offset, reason) = (*offset, reason.clone());
        Err(if self.is_suspended {
            Error::UnreadableSuspended { user, umeta_id, offset, reason }
        } else {
            Error::Unreadable { user, umeta_id, offset, reason }
        })
    }

    /// How many rows the user has under the key. WordPress reads the first, and a change makes all of them alike.
    pub fn row_count(&self) -> usize {
        self.rows.len()
    }

    /// Whether its entries are out of service.
    pub fn is_suspended(&self) -> bool {
        self.is_suspended
    }

    /// The same for a single value, as a walk over all users meets it.
    pub fn from_value(umeta_id: u64, value: Option<&[u8]>) -> Self {
        let rows = vec![MetaRow { umeta_id, value: None }];
        Self { contents: Contents::read(value), rows, is_suspended: false }
    }

    /// The entries in stored order; none if the value cannot be read.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let document = match &self.contents {
            Contents::List(document) => Some(document),
            Contents::Absent | Contents::Unreadable { .. } => None,
        };
        document.into_iter().flat_map(Record::all).map(|(_, record)| record)
    }

    /// Whether there is a value that cannot be read.
    pub fn is_unreadable(&self) -> bool {
        matches!(self.contents, Contents::Unreadable { .. })
    }

    /// How many items the list has, entries or not; none if the value cannot be read.
    pub fn count(&self) -> usize {
        match &self.contents {
            Contents::List(document) => document.len(document.root()),
            Contents::Absent | Contents::Unreadable { .. } => 0,
        }
    }

    /// Where a value cannot be read, in bytes, and what is wrong there.
    pub fn damage(&self) -> Option<(usize, &str)> {
        match &self.contents {
            Contents::Unreadable { offset, reason } => Some((*offset, reason)),
            Contents::Absent | Contents::List(_) => None,
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
            let (mut arrays, mut without_uuid, mut without_password) = (0, 0, 0);
            for (_, record) in Record::all(document) {
                arrays += 1;
                without_uuid += usize::from(record.get("uuid").is_none());
                without_password += usize::from(!record.has_password());
            }
            if arrays < all {
                concerns.push(format!(
                    "{} of user {who} {} at all; WordPress fails on {} at every login of this user.",
                    some(all - arrays),
                    if all - arrays == 1 { "is not an entry" } else { "are not entries" },
                    if all - arrays == 1 { "it" } else { "them" },
                ));
            }
            if without_password > 0 {
                concerns.push(format!(
                    "{} of user {who} {} no password: WordPress fails there at every login of this user with a password \
                     that comes later in the list, such as a new one. Revoke {} with `delete`, or all with `revoke-all`.",
                    some(without_password),
                    if without_password == 1 { "has" } else { "have" },
                    if without_password == 1 { "it" } else { "them" },
                ));
            }
            if without_uuid > 0 {
                concerns.push(format!(
                    "{} of user {who} {} no uuid (older than WordPress 5.6). WordPress gives {} one when it next reads \
                     the list.",
                    some(without_uuid),
                    if without_uuid == 1 { "has" } else { "have" },
                    if without_uuid == 1 { "it" } else { "them" },
                ));
            }
            if let Some(class) = document.class_to_be_loaded() {
                concerns.push(format!(
                    "The application passwords of user {who} hold a value of the PHP class {} (usermeta row {row}). Where \
                     no plugin has loaded that class, WordPress sees an empty list: no application password of this user \
                     works there, and the next change overwrites them. Look for the plugin, or delete that entry.",
                    String::from_utf8_lossy(class)
                ));
            }
        }
        concerns
    }

    /// How many entries have this uuid: copied rows exist.
    fn count_of(&self, uuid: &[u8]) -> usize {
        self.records().filter(|record| record.has_uuid(uuid)).count()
    }

    fn uuids(&self) -> Vec<Vec<u8>> {
        self.records().filter_map(|record| Some(record.text("uuid")?.into_owned())).collect()
    }

    /// A field of the first entry with this uuid; empty if there is none.
    fn text_of(&self, uuid: &[u8], field: &str) -> Vec<u8> {
        let record = self.records().find(|record| record.has_uuid(uuid));
        record.and_then(|record| Some(record.text(field)?.into_owned())).unwrap_or_default()
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

/// Places in [`FIELDS`].
const UUID: usize = 0;
const PASSWORD: usize = 3;

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
        // Entries without a uuid or a password are told of: see StoredList::concerns().
        let whole = |entry: Row<'_>| {
            entry.cell(UUID) != Cell::Absent && !matches!(entry.cell(PASSWORD), Cell::Absent | Cell::Null)
        };
        entries.iter().all(whole).then_some(entries)
    }
}

/// The subject of a sentence about so many entries.
fn some(count: usize) -> String {
    if count == 1 { "1 application password".into() } else { format!("{count} application passwords") }
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
    /// Set when its password is to be delivered before it counts: see [`ApplicationPasswords::take_over`].
    pub successor: Option<Successor>,
    /// What it may be used for, where that was said.
    pub terms: Changes,
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
    /// What makes WordPress agree with what was saved.
    aftercare: Aftercare<'s>,
    /// What was to be told of the list that a change found first.
    concerns: Option<Vec<String>>,
    /// Until when a server that went away is waited for.
    patience: Option<Instant>,
    /// What happened to the list after it was saved.
    notes: Vec<String>,
    /// Why WordPress may not see yet what was saved: a clause.
    trouble: Option<String>,
    /// Entries are on their way between being in service and being suspended: what the journal calls it.
    moving: Option<&'static str>,
}

/// What an edit wants to happen to the list.
enum Edit<T> {
    /// Nothing; the answer is known.
    Keep(T),
    /// Save the edited list.
    Save(T),
}

/// What became of an edit.
struct Edited<T> {
    answer: T,
    /// Whether this call wrote.
    saved: bool,
    /// Whether somebody else wrote the same list meanwhile, or the connection was lost.
    contended: bool,
}

/// How one attempt at an edit failed.
struct Failure<T> {
    error: Error,
    /// The answer, when what it is about may have been saved all the same.
    pending: Option<T>,
}

impl<T> From<Error> for Failure<T> {
    fn from(error: Error) -> Self {
        Self { error, pending: None }
    }
}

/// How long a server that went away in the middle is waited for: a restart takes that long.
const PATIENCE: Duration = Duration::from_secs(10);

impl<'s> ApplicationPasswords<'s> {
    /// Operations on this store.
    pub fn new(store: &'s mut dyn Store, replace_unreadable: bool, aftercare: Aftercare<'s>) -> Self {
        Self {
            store,
            replace_unreadable,
            aftercare,
            concerns: None,
            patience: None,
            notes: Vec::new(),
            trouble: None,
            moving: None,
        }
    }

    /// [`StoredList::concerns`] of the list as the first change found it, once, and what happened to the list
    /// after it was saved.
    pub fn take_concerns(&mut self) -> Vec<String> {
        let mut concerns = self.concerns.take().unwrap_or_default();
        concerns.append(&mut self.notes);
        concerns
    }

    /// The second half of that, for whoever told of the list already.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// Why WordPress may not see yet what was saved, if that is so: a clause.
    pub fn take_trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// `get_user_application_passwords()`, without its habit of writing during a read.
    ///
    /// # Errors
    /// When the database fails.
    pub fn read(&mut self, user: UserId) -> Result<StoredList, Error> {
        let rows = self.persist(|store| store.user_meta(user, APPLICATION_PASSWORDS))?;
        Ok(StoredList::from_rows(rows))
    }

    /// `get_user_by()`, also long after the last question: servers hang up on whoever is silent.
    ///
    /// # Errors
    /// When the database fails.
    pub fn find_user(&mut self, by: UserField<'_>) -> Result<Option<User>, Error> {
        Ok(self.persist(|store| store.find_user(by))?)
    }

    /// Does something that may be done twice, again if the connection is lost meanwhile.
    fn persist<T>(
        &mut self,
        mut work: impl FnMut(&mut dyn Store) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut reconnected = 0;
        loop {
            match work(self.store) {
                Err(error) if is_lost_connection(&error) && reconnected < MOST_RECONNECTS => {
                    reconnected += 1;
                    if !self.reconnect() {
                        return Err(error);
                    }
                }
                outcome => return outcome,
            }
        }
    }

    /// Waits for a server that went away, up to [`PATIENCE`] in all. Whether it is back.
    fn reconnect(&mut self) -> bool {
        let deadline = *self.patience.get_or_insert_with(|| Instant::now() + PATIENCE);
        let mut pause = Duration::from_millis(20);
        loop {
            match self.store.reconnect() {
                Ok(()) => {
                    self.patience = None;
                    return true;
                }
                // What a restarting server says at first passes; what does not is told by the deadline.
                Err(_) if Instant::now() + pause < deadline => std::thread::sleep(pause),
                Err(_) => return false,
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
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
    /// The entry gets another uuid when WordPress overwrote the first one while it was being confirmed.
    ///
    /// # Errors
    /// A duplicate name where WordPress refuses it, an unreadable list, a failing database, an object cache that
    /// could not be told. Nothing is left behind then, or the error is [`Error::LeftBehind`] and says what.
    pub fn create(&mut self, user: &User, entry: &mut NewEntry, rules: Rules) -> Result<(), Error> {
        let mut saved = false;
        let outcome = self.create_and_settle(user, entry, rules, &mut saved);
        let Err(error) = outcome else { return Ok(()) };
        // True of the step that failed, false of the whole.
        let cause = match &error {
            Error::Unconfirmed { reason, .. } | Error::Uncertain { cause: reason, .. } => reason.clone(),
            Error::Store(error) => error.cause(),
            Error::Interrupted { signal } => format!("it was interrupted by signal {signal}."),
            other => other.to_string(),
        };
        let (id, uuid) = (user.id.0, entry.uuid.clone());
        if !saved {
            return Err(match error {
                Error::Uncertain { .. } => Error::UncertainAddition { cause, user: id, uuid },
                error => error,
            });
        }
        match (self.erase(user, uuid.as_bytes()), error) {
            (Err(_), _) => Err(Error::LeftBehind { cause, user: id, uuid }),
            (Ok(()), Error::Unconfirmed { .. } | Error::Uncertain { .. } | Error::Store(_)) => {
                Err(Error::TakenBack { cause })
            }
            (Ok(()), error) => Err(error),
        }
    }

    fn create_and_settle(
        &mut self,
        user: &User,
        entry: &mut NewEntry,
        rules: Rules,
        saved: &mut bool,
    ) -> Result<(), Error> {
        let (others, contended) = self.save_new(user, entry, rules, saved)?;
        // Without the flag WordPress ignores the credential: better no entry than a dead one.
        self.set_in_use(rules.autoload)?;
        let network = self.store.description().network.as_ref().map(|(_, id)| *id);
        let mut stale = object_cache::of_user_meta(user.id.0);
        stale.extend(object_cache::of_in_use_flag(network));
        self.settle(user, contended, &stale, &mut |this, list| {
            if let Some(signal) = interrupt::caught() {
                return Err(Error::Interrupted { signal });
            }
            if list.position(entry.uuid.as_bytes()).is_some() {
                return Ok(false);
            }
            *saved = false;
            // Gone together with all others: somebody revokes everything. Else WordPress wrote back the list
            // that it had read before. Nobody knows the password yet, so the entry comes back as a new one:
            // what somebody may have revoked by its uuid stays revoked.
            let overwritten = match others.as_slice() {
                [] => list.records().next().is_some(),
                others => others.iter().any(|uuid| list.count_of(uuid) > 0),
            };
            if !overwritten {
                return Err(Error::RevokedMeanwhile);
            }
            entry.uuid = generate::uuid4(&mut rand::rng());
            this.save_new(user, entry, rules, saved)?;
            Ok(true)
        })?;
        if let Some(signal) = interrupt::caught() {
            return Err(Error::Interrupted { signal });
        }
        match self.trouble.take() {
            Some(reason) => {
                let advice = if self.aftercare.cache.is_some() || self.aftercare.other_cache {
                    "Try again when the object cache is reachable."
                } else {
                    "Mend that, then try again."
                };
                Err(Error::NotInvalidated { reason, advice })
            }
            None => Ok(()),
        }
    }

    /// Takes back an entry that nobody knows.
    fn erase(&mut self, user: &User, uuid: &[u8]) -> Result<(), Error> {
        self.edit(user, |list, document| rotation::withdraw(user, list, document, uuid))?;
        self.forget(&object_cache::of_user_meta(user.id.0));
        Ok(())
    }

    /// Appends the entry. `saved` tells, also after an error, whether the database holds it. Returns the uuids
    /// that were there before, and whether somebody else wrote meanwhile.
    fn save_new(
        &mut self,
        user: &User,
        entry: &NewEntry,
        rules: Rules,
        saved: &mut bool,
    ) -> Result<(Vec<Vec<u8>>, bool), Error> {
        let mut others = Vec::new();
        let mut contended = false;
        loop {
            let mut first_row = false;
            let edited = self.edit(user, |list, document| {
                others = list.uuids();
                if list.position(entry.uuid.as_bytes()).is_some() {
                    return Ok(Edit::Keep(()));
                }
                if let Some(successor) = &entry.successor {
                    rotation::may_succeed(list, user, successor)?;
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
            contended |= edited.contended;
            others.retain(|uuid| uuid.as_slice() != entry.uuid.as_bytes());
            if !first_row {
                return Ok((others, contended));
            }
            // WordPress: its first write of a list is an INSERT without a lock. If it came between our read
            // and ours, its row has the lower id and hides this entry: look, and add the entry there too.
            if self.read(user.id)?.position(entry.uuid.as_bytes()).is_some() {
                return Ok((others, contended));
            }
            contended = true;
        }
    }

    /// `is_in_use()`: while this is not so, WordPress ignores application passwords without a word.
    ///
    /// # Errors
    /// When the database fails.
    pub fn is_in_use(&mut self) -> Result<bool, Error> {
        let current = self.persist(|store| store.network_option(USING_APPLICATION_PASSWORDS))?;
        Ok(current.is_some_and(|value| is_truthy_option(&value)))
    }

    /// Sets `using_application_passwords` when it is not set: without it WordPress skips authentication by
    /// application password silently.
    fn set_in_use(&mut self, autoload: Autoload) -> Result<(), Error> {
        Ok(self.persist(|store| {
            let current = store.network_option(USING_APPLICATION_PASSWORDS)?;
            if !current.is_some_and(|value| is_truthy_option(&value)) {
                store.set_network_option(USING_APPLICATION_PASSWORDS, IN_USE, autoload)?;
            }
            Ok(())
        })?)
    }

    /// `update_application_password()`: renames the first entry with this uuid, and changes what it may be used for. An
    /// empty or unchanged name is success without a write.
    ///
    /// # Errors
    /// [`Error::NotFound`], an unreadable list, a failing database.
    pub fn update(
        &mut self,
        user: &User,
        uuid: &[u8],
        name: Option<&[u8]>,
        terms: &Changes,
        rules: Rules,
    ) -> Result<(), Error> {
        let name = name.map(|given| {
            if rules.sanitize_names { sanitize::sanitize_text_field(given) } else { given.to_vec() }
        });
        let name = name.as_deref().filter(|name| !is_empty(name));
        // What the entry was like before it was changed.
        let old: RefCell<Option<(Vec<u8>, Terms)>> = RefCell::new(None);
        let change = |list: &StoredList, document: &mut Document, name: Option<&[u8]>, terms: &Changes| {
            let node = find(list, document, uuid)?;
            let before = Terms::of(document, node);
            let stored_name = document.get(node, b"name").map(|node| document.view(node));
            let renamed =
                name.filter(|name| !matches!(&stored_name, Some(View::Str(old)) if **old == **name));
            let stored = renamed.map(sanitize::stripslashes);
            if stored.as_deref().is_some_and(|stored| std::str::from_utf8(stored).is_err()) {
                return Err(Error::NotSaved);
            }
            if let Some(stored) = &stored {
                document
                    .set(node, Key::Str(b"name".into()), Scalar::Str(stored))
                    .map_err(|reason| uneditable(user, reason))?;
            }
            terms.apply(document, node).map_err(|reason| uneditable(user, reason))?;
            if stored.is_none() && (terms.is_empty() || Terms::of(document, node) == before) {
                return Ok(Edit::Keep(()));
            }
            old.borrow_mut().get_or_insert_with(|| (list.text_of(uuid, "name"), before));
            Ok(Edit::Save(()))
        };
        let edited = self.edit(user, |list, document| change(list, document, name, terms))?;
        if !edited.saved {
            return Ok(());
        }
        let stale = object_cache::of_user_meta(user.id.0);
        self.settle(user, edited.contended, &stale, &mut |this, list| {
            let Some(now) = list.records().find(|record| record.has_uuid(uuid)) else { return Ok(false) };
            let (document, node) = now.parts();
            let (old_name, old_terms) = old.borrow().clone().unwrap_or_default();
            // Anything but what was there before is somebody's later change, and stands.
            let name = name.filter(|_| list.text_of(uuid, "name") == old_name);
            let nothing = Changes::default();
            let terms = if Terms::of(document, node) == old_terms { terms } else { &nothing };
            if name.is_none() && terms.is_empty() {
                return Ok(false);
            }
            Ok(this.edit(user, |list, document| change(list, document, name, terms))?.saved)
        })
    }

    /// `record_application_password_usage()`: at most once a day, as WordPress does.
    ///
    /// # Errors
    /// [`Error::NotFound`], an unreadable list, a failing database.
    pub fn record_usage(&mut self, user: &User, uuid: &[u8], now: i64, ip: &[u8]) -> Result<(), Error> {
        let mut change = |list: &StoredList, document: &mut Document| {
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
        };
        let edited = self.edit(user, &mut change)?;
        if !edited.saved {
            return Ok(());
        }
        let stale = object_cache::of_user_meta(user.id.0);
        self.settle(user, edited.contended, &stale, &mut |this, list| {
            // Recorded within the day, or gone: fine. Else this changes it once more.
            if list.count_of(uuid) == 0 {
                return Ok(false);
            }
            Ok(this.edit(user, &mut change)?.saved)
        })
    }

    /// `delete_application_password()` for several at once: the first entry with each uuid goes, list keys
    /// keep their gaps. Returns for each uuid, in order, whether it was there.
    ///
    /// # Errors
    /// An unreadable list, a failing database: then nothing was deleted.
    pub fn delete(&mut self, user: &User, uuids: &[&[u8]]) -> Result<Vec<bool>, Error> {
        // How many entries of each uuid stay: rows that were copied hold one twice, and only the first goes.
        let mut stay: Vec<usize> = Vec::new();
        let edited = self.edit(user, |list, document| {
            let mut found = Vec::with_capacity(uuids.len());
            for uuid in uuids {
                found.push(remove(user, document, uuid)?);
            }
            stay = uuids
                .iter()
                .map(|uuid| {
                    let gone = uuids.iter().zip(&found).filter(|(other, found)| **found && other == &uuid);
                    list.count_of(uuid) - gone.count()
                })
                .collect();
            Ok(if found.contains(&true) { Edit::Save(found) } else { Edit::Keep(found) })
        })?;
        // Also when nothing was there to remove: what an earlier command removed may live on in a cache.
        if !edited.saved && !self.aftercare.has_cache() {
            return Ok(edited.answer);
        }
        let stale = object_cache::of_user_meta(user.id.0);
        self.settle(user, edited.contended, &stale, &mut |this, list| {
            if uuids.iter().zip(&stay).all(|(uuid, stay)| list.count_of(uuid) <= *stay) {
                return Ok(false);
            }
            let again = this.edit(user, |list, document| {
                let mut removed = false;
                for (uuid, stay) in uuids.iter().zip(&stay) {
                    for _ in *stay..list.count_of(uuid) {
                        removed |= remove(user, document, uuid)?;
                    }
                }
                Ok(if removed { Edit::Save(()) } else { Edit::Keep(()) })
            })?;
            Ok(again.saved)
        })?;
        Ok(edited.answer)
    }

    /// `delete_all_application_passwords()`: the row stays and holds an empty list. Returns how many went.
    ///
    /// # Errors
    /// An unreadable list, a failing database: then nothing was deleted.
    pub fn delete_all(&mut self, user: &User) -> Result<usize, Error> {
        let mut gone = Vec::new();
        let edited = self.edit(user, |list, document| {
            let root = document.root();
            let count = document.len(root);
            // What cannot be read is replaced, where that was asked for.
            if count == 0 && !matches!(list.contents, Contents::Unreadable { .. }) {
                return Ok(Edit::Keep(0));
            }
            // After a lost connection this may be the second look: what went at the first counts too.
            gone.extend(list.records().map(|record| Identity::of(&record)));
            // A fresh empty list, not an emptied one: nothing can refer into it.
            *document = Document::empty_array();
            Ok(Edit::Save(count))
        })?;
        if !edited.saved && !self.aftercare.has_cache() {
            return Ok(edited.answer);
        }
        let stale = object_cache::of_user_meta(user.id.0);
        self.settle(user, edited.contended, &stale, &mut |this, list| {
            // What was added since is somebody's new credential, and stays.
            if !list.records().any(|record| gone.contains(&Identity::of(&record))) {
                return Ok(false);
            }
            let again = this.edit(user, |_, document| {
                let keys: Vec<Key<'static>> = Record::all(document)
                    .filter(|(_, record)| gone.contains(&Identity::of(record)))
                    .map(|(key, _)| owned(key))
                    .collect();
                for key in &keys {
                    let root = document.root();
                    document.remove(root, key.clone()).map_err(|reason| uneditable(user, reason))?;
                }
                Ok(if keys.is_empty() { Edit::Keep(()) } else { Edit::Save(()) })
            })?;
            Ok(again.saved)
        })?;
        Ok(edited.answer)
    }

    /// Stops before a list is written over that cannot be read, unless that was asked for.
    ///
    /// # Errors
    /// [`Error::Unreadable`]
    pub fn refuse_unreadable(&self, user: &User, list: &StoredList) -> Result<(), Error> {
        if self.replace_unreadable { Ok(()) } else { list.must_be_readable(user) }
    }

    /// Reads, edits, and saves if nobody else saved in between; else all over again. A connection that is lost
    /// in the middle is made anew, and the change made again on what is there then: whether it had been saved
    /// shows in the list.
    fn edit<T>(
        &mut self,
        user: &User,
        change: impl FnMut(&StoredList, &mut Document) -> Result<Edit<T>, Error>,
    ) -> Result<Edited<T>, Error> {
        self.edit_row(user, APPLICATION_PASSWORDS, change)
    }

    /// The same for the row under any key. A change that could not be made is told to the journal too.
    fn edit_row<T>(
        &mut self,
        user: &User,
        key: &str,
        change: impl FnMut(&StoredList, &mut Document) -> Result<Edit<T>, Error>,
    ) -> Result<Edited<T>, Error> {
        let edited = self.edit_until_saved(user, key, change);
        if let Err(error) = &edited {
            self.note_failure(user, error);
        }
        edited
    }

    fn edit_until_saved<T>(
        &mut self,
        user: &User,
        key: &str,
        mut change: impl FnMut(&StoredList, &mut Document) -> Result<Edit<T>, Error>,
    ) -> Result<Edited<T>, Error> {
        // The answer of a change that may have been saved.
        let mut pending: Option<T> = None;
        let mut doubt: Option<String> = None;
        let (mut contended, mut reconnected) = (false, 0);
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(pause(attempt));
            }
            match self.attempt(user, key, &mut change) {
                Ok(Some(Edit::Save(answer))) => return Ok(Edited { answer, saved: true, contended }),
                Ok(Some(Edit::Keep(answer))) => {
                    let saved = pending.is_some();
                    return Ok(Edited { answer: pending.unwrap_or(answer), saved, contended });
                }
                Ok(None) => {}
                Err(failure) => {
                    let lost = matches!(&failure.error, Error::Store(error) if is_lost_connection(error));
                    if let Error::Store(error @ StoreError::Unknown(_)) = &failure.error {
                        doubt = Some(error.cause());
                    }
                    if !lost || reconnected == MOST_RECONNECTS || !self.reconnect() {
                        return Err(match (doubt, failure.error) {
                            (Some(cause), Error::Store(_)) => Error::Uncertain { cause, user: user.id.0 },
                            (_, error) => error,
                        });
                    }
                    reconnected += 1;
                    pending = failure.pending.or(pending);
                }
            }
            contended = true;
        }
        Err(Error::Conflict { user: named(user), attempts: ATTEMPTS })
    }

    /// One attempt at an edit; `None` if somebody else saved in between.
    fn attempt<T>(
        &mut self,
        user: &User,
        key: &str,
        change: &mut impl FnMut(&StoredList, &mut Document) -> Result<Edit<T>, Error>,
    ) -> Result<Option<Edit<T>>, Failure<T>> {
        let rows = self.store.user_meta(user.id, key).map_err(Error::from)?;
        let list = StoredList::from_rows(rows).under(key);
        // The other rows are this program's own, and nothing that WordPress reads.
        let is_wordpress = key == APPLICATION_PASSWORDS;
        if is_wordpress {
            self.concerns.get_or_insert_with(|| list.concerns(user));
        }
        let (mut document, backup) = match &list.contents {
            Contents::Absent => (Document::empty_array(), None),
            Contents::List(document) => (document.clone(), None),
            Contents::Unreadable { .. } => {
                self.refuse_unreadable(user, &list)?;
                // What is erased is to be gone.
                (Document::empty_array(), (self.moving != Some(changes::ERASE)).then_some(BACKUP_KEY))
            }
        };
        let answer = match change(&list, &mut document)? {
            Edit::Keep(answer) => return Ok(Some(Edit::Keep(answer))),
            Edit::Save(answer) => answer,
        };
        if is_wordpress {
            give_uuids(&mut document).map_err(|reason| uneditable(user, reason))?;
        }
        let bytes = document.to_bytes();
        match self.store.replace_user_meta(user.id, key, &list.rows, &bytes, backup) {
            Ok(Swap::Done) => {
                self.note_changes(user, key, &list, &document, "done");
                if backup.is_some() {
                    self.tell_of_backup(user, &list);
                }
                Ok(Some(Edit::Save(answer)))
            }
            Ok(Swap::Lost) => Ok(None),
            Err(error) => {
                let pending = matches!(error, StoreError::Unknown(_)).then_some(answer);
                if pending.is_some() {
                    self.note_changes(user, key, &list, &document, "unknown: the connection was lost");
                }
                Err(Failure { error: error.into(), pending })
            }
        }
    }

    /// Where the old bytes of a list are that was replaced.
    fn tell_of_backup(&mut self, user: &User, list: &StoredList) {
        // The change is saved: that the row cannot be looked up is no reason to say otherwise.
        let kept =
            self.store.user_meta(user.id, BACKUP_KEY).ok().and_then(|rows| Some(rows.last()?.umeta_id));
        self.notes.push(format!(
            "The unreadable application passwords of user {} (usermeta row {}) were replaced. The old bytes are kept in \
             usermeta row {} under the key {BACKUP_KEY}.",
            named(user),
            list.rows.first().map_or(0, |row| row.umeta_id),
            kept.map_or_else(|| "(not looked up)".to_owned(), |id| id.to_string()),
        ));
    }
}

/// How often one change may lose its connection.
const MOST_RECONNECTS: u32 = 5;

/// Whether the connection ended, so that a new one may do better.
fn is_lost_connection(error: &StoreError) -> bool {
    match error {
        StoreError::Unreachable(_) | StoreError::Unknown(_) => true,
        StoreError::NoTables(_)
        | StoreError::Denied(_)
        | StoreError::Busy(_)
        | StoreError::Unfit(_)
        | StoreError::TooLong(_)
        | StoreError::Failed(_) => false,
    }
}

/// What tells one entry from another: its uuid, or its hash where it is older than uuids.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity(Option<Vec<u8>>, Option<Vec<u8>>);

impl Identity {
    fn of(record: &Record<'_>) -> Self {
        match record.text("uuid") {
            Some(uuid) => Self(Some(uuid.into_owned()), None),
            None => Self(None, record.text("password").map(std::borrow::Cow::into_owned)),
        }
    }
}

/// Removes the first entry with this uuid. Whether there was one.
fn remove(user: &User, document: &mut Document, uuid: &[u8]) -> Result<bool, Error> {
    let key = Record::all(document).find(|(_, record)| record.has_uuid(uuid)).map(|(key, _)| owned(key));
    let Some(key) = key else { return Ok(false) };
    let root = document.root();
    document.remove(root, key).map_err(|reason| uneditable(user, reason))?;
    Ok(true)
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
    rotation::mark(document, node, entry)?;
    entry.terms.apply(document, node).map_err(|error| error.to_string())
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
pub fn is_truthy_option(value: &[u8]) -> bool {
    if !php_serialize::is_serialized(value) {
        return !is_empty(value);
    }
    let Ok(document) = Document::parse(php_serialize::trim(value).to_vec()) else { return false };
    document.is_truthy(document.root())
}
