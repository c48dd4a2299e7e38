//! Rotation: another entry takes the place of one, and nobody is ever without a password that works.
//!
//! 1. [`ApplicationPasswords::create`] makes the new entry with [`NewEntry::successor`] set: it is marked as not
//!    delivered, and by whom.
//! 2. The caller checks it and delivers its password.
//! 3. [`ApplicationPasswords::take_over`] removes the mark and retires the old entry, in one write: at once, or
//!    by a date. [`ApplicationPasswords::retire_due`] revokes what is past its date.
//!
//! A run that is killed between the first and the third step leaves a marked entry behind, of which nobody can know
//! whether its password was delivered. The old one still works. The next run makes a third entry, delivers that one,
//! and retires both others; [`ApplicationPasswords::abort`] removes the marked one.

use std::cell::Cell;

use super::{
    ApplicationPasswords, Edit, NewEntry, Record, Run, StoredList, append, named, owned, uneditable,
};
use crate::error::{Bytes, Error};
use crate::store::User;
use crate::wordpress::object_cache;
use crate::wordpress::php_serialize::{Document, Key, NodeId, Scalar, View};
use crate::wordpress::restrictions::Terms;
use crate::wordpress::sanitize;
use crate::wordpress::schema::{item, own};

/// What makes a new entry more than a new one.
pub struct Successor {
    /// The uuid of the entry whose place it takes; `None`: it is the first of its name.
    pub of: Option<Vec<u8>>,
    /// The name that it gets at the end, when it cannot have it yet.
    pub final_name: Option<Vec<u8>>,
    /// The other one was left behind by a run that did not end; if its password was delivered meanwhile, there is
    /// nothing to do.
    pub of_leftover: bool,
    /// Who makes it.
    pub run: Run,
    /// Don't wait for a run elsewhere, of which nobody can see whether it lives.
    pub take_over: bool,
}

/// How an entry is meant.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// By its uuid.
    Uuid(&'a [u8]),
    /// By its name, which must be one entry's only.
    Name(&'a [u8]),
}

/// What is known of an entry that is to be rotated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotatable {
    /// Its uuid.
    pub uuid: Vec<u8>,
    /// Its name, and its replacement's.
    pub name: Vec<u8>,
    /// Its `app_id`.
    pub app_id: Vec<u8>,
    /// Unix seconds, UTC; 0 when the entry does not say.
    pub created: i64,
    /// What it may be used for.
    pub terms: Terms,
}

/// What a rotation finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It can begin, or begin again.
    Ready(Rotatable),
    /// It was done.
    Done {
        /// The uuid of the entry that took its place.
        by: Vec<u8>,
        /// Unix seconds, UTC.
        at: i64,
        /// Until when the old one is kept, in Unix seconds, UTC; `None`: it is gone.
        retire_at: Option<i64>,
    },
}

/// When the old entry goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retire {
    /// At once.
    Now,
    /// In Unix seconds, UTC.
    At(i64),
}

/// An entry that was retired, and when it was last used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    /// Its uuid.
    pub uuid: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    /// Unix seconds, UTC; `None`: never. WordPress notes one use a day.
    pub last_used: Option<i64>,
}

/// What [`ApplicationPasswords::retire_due`] found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// Revoked.
    pub retired: Vec<Retired>,
    /// Due, and kept: the entry that took its place is gone, so it may be the only one that works.
    pub bereft: Vec<Retired>,
    /// Not due yet: the earliest date, in Unix seconds, UTC.
    pub next: Option<i64>,
}

impl StoredList {
    /// The entry that is to be rotated.
    ///
    /// # Errors
    /// None or several of that name, an unknown uuid.
    pub fn rotatable(&self, user: &User, which: Which<'_>) -> Result<Standing, Error> {
        match which {
            Which::Uuid(uuid) => match self.records().find(|record| record.has_uuid(uuid)) {
                Some(record) => Ok(self.standing(&record)),
                None => self
                    .records()
                    .find(|record| is_successor_of(record, uuid) && !is_undelivered(record))
                    .map(|record| Standing::Done {
                        by: record.text(item::UUID).unwrap_or_default().into_owned(),
                        at: integer(&record, own::ROTATED_AT).unwrap_or(0),
                        retire_at: None,
                    })
                    .ok_or(Error::NotFound),
            },
            Which::Name(name) => {
                // What was rotated away, and what was left behind on the way, is nobody's choice.
                let candidates: Vec<Record<'_>> = self
                    .records()
                    .filter(|record| is_called(record, name) && self.replacement_of(record).is_none())
                    .filter(|record| !(is_undelivered(record) && self.has_original_of(record)))
                    .collect();
                match candidates.as_slice() {
                    [] => Err(Error::NoSuchName { user: named(user), name: Bytes(name.to_vec()) }),
                    [record] => Ok(self.standing(record)),
                    several => Err(Error::AmbiguousName {
                        user: named(user),
                        name: Bytes(name.to_vec()),
                        uuids: several
                            .iter()
                            .map(|record| {
                                String::from_utf8_lossy(&record.text(item::UUID).unwrap_or_default())
                                    .into_owned()
                            })
                            .collect::<Vec<_>>()
                            .join(", "),
                    }),
                }
            }
        }
    }

    /// Everything that a rotation of several may choose from: what was not rotated away and is no leftover.
    pub fn all_rotatable(&self) -> Vec<Rotatable> {
        self.records()
            .filter(|record| self.replacement_of(record).is_none())
            .filter(|record| !(is_undelivered(record) && self.has_original_of(record)))
            .map(|record| rotatable(&record))
            .collect()
    }

    /// The newest entry of that name that is in service, if there is one, and whether its password was delivered.
    pub fn newest_named(&self, name: &[u8]) -> Option<(Rotatable, bool)> {
        self.records()
            .filter(|record| is_called(record, name) && self.replacement_of(record).is_none())
            .filter(|record| !(is_undelivered(record) && self.has_original_of(record)))
            .map(|record| (rotatable(&record), !is_undelivered(&record)))
            // Of several the last one that was delivered, the newest of those.
            .max_by_key(|(found, delivered)| (*delivered, found.created))
    }

    /// A name that no entry has yet, for where each is allowed once.
    pub fn free_name(&self, name: &[u8]) -> Vec<u8> {
        let mut free = name.to_vec();
        let mut number = 1;
        while self.records().any(|record| record.is_named(&free)) {
            free = name.to_vec();
            free.extend_from_slice(
                if number == 1 {
                    b" (rotated)".to_vec()
                } else {
                    format!(" (rotated {number})").into_bytes()
                }
                .as_slice(),
            );
            number += 1;
        }
        free
    }

    /// What [`ApplicationPasswords::retire_due`] would do.
    pub fn due(&self, only: Option<&[u8]>, early: bool, now: i64) -> Due {
        let mut due = Due::default();
        for record in self.records() {
            let Some(retire_at) = integer(&record, own::RETIRE_AT) else { continue };
            let by = record.text(own::ROTATED_BY).unwrap_or_default();
            if only.is_some_and(|only| !record.has_uuid(only) && *only != *by) {
                continue;
            }
            if !early && retire_at > now {
                due.next = Some(due.next.map_or(retire_at, |next: i64| next.min(retire_at)));
            } else if self.count_of(&by) == 0 {
                due.bereft.push(retired(&record));
            } else {
                due.retired.push(retired(&record));
            }
        }
        due
    }

    /// What [`ApplicationPasswords::abort`] would remove.
    pub fn leftovers(&self, original: &[u8]) -> Vec<Retired> {
        self.records()
            .filter(|record| {
                let first = record.has_uuid(original) && is_undelivered(record);
                let first = first && record.text(own::ROTATED_FROM).is_none();
                first || (is_successor_of(record, original) && self.count_of(original) > 0)
            })
            .map(|record| retired(&record))
            .collect()
    }

    /// Whether there is an entry with this uuid, or one that such an entry replaced.
    pub fn knows(&self, uuid: &[u8]) -> bool {
        self.records().any(|record| {
            record.has_uuid(uuid) || record.text(own::ROTATED_BY).is_some_and(|by| *by == *uuid)
        })
    }

    /// The name of the entry with this uuid; empty if there is none.
    pub fn name_of(&self, uuid: &[u8]) -> Vec<u8> {
        self.records()
            .find(|record| record.has_uuid(uuid))
            .map(|record| rotatable(&record).name)
            .unwrap_or_default()
    }

    /// The uuid of the entry that this one was made to replace, or replaced and that is still kept.
    pub fn original_of(&self, uuid: &[u8]) -> Option<Vec<u8>> {
        let record = self.records().find(|record| record.has_uuid(uuid))?;
        let original = record.text(own::ROTATED_FROM)?;
        (self.count_of(&original) > 0).then(|| original.into_owned())
    }

    fn standing(&self, record: &Record<'_>) -> Standing {
        match self.replacement_of(record) {
            Some((by, retire_at)) => Standing::Done {
                at: self
                    .records()
                    .find(|record| record.has_uuid(&by))
                    .and_then(|record| integer(&record, own::ROTATED_AT))
                    .unwrap_or(0),
                by,
                retire_at: Some(retire_at),
            },
            None => Standing::Ready(rotatable(record)),
        }
    }

    /// The entry that took this one's place and is still there, and until when this one is kept.
    fn replacement_of(&self, record: &Record<'_>) -> Option<(Vec<u8>, i64)> {
        let retire_at = integer(record, own::RETIRE_AT)?;
        let by = record.text(own::ROTATED_BY)?;
        (self.count_of(&by) > 0).then(|| (by.into_owned(), retire_at))
    }

    fn has_original_of(&self, record: &Record<'_>) -> bool {
        record.text(own::ROTATED_FROM).is_some_and(|original| self.count_of(&original) > 0)
    }

    /// Another run that is making a replacement for the same entry right now.
    fn busy(&self, original: &[u8], me: &Run, now: i64, here_only: bool) -> Option<Run> {
        self.records()
            .filter(|record| is_successor_of(record, original) || record.has_uuid(original))
            .find_map(|record| {
                let run = Run::read(&record.text(own::UNDELIVERED)?)?;
                (run != *me && run.is_alive(now) && (run.is_here() || !here_only)).then_some(run)
            })
    }
}

impl ApplicationPasswords<'_> {
    /// The third step: the new entry, whose password was delivered, takes the place of the old ones.
    ///
    /// `own_check`: from when to when this run authenticated with the new password itself, in Unix seconds, UTC.
    /// WordPress notes that as a use, and no other for a day; the note is taken back.
    ///
    /// # Errors
    /// [`Error::RevokedMeanwhile`] when somebody else revoked both; an unreadable list, a failing database: then the
    /// old entry was not retired.
    pub fn take_over(
        &mut self,
        user: &User,
        entry: &NewEntry,
        retire: Retire,
        own_check: Option<(i64, i64)>,
        now: i64,
    ) -> Result<Vec<Retired>, Error> {
        let mut retired: Vec<Retired> = Vec::new();
        let mut restored = false;
        // Once: what is noted after that is a use of whoever got the password.
        let own_check = Cell::new(own_check);
        let mut apply = |list: &StoredList, document: &mut Document| {
            let mut change = Change { user, document, changed: false };
            if list.records().any(|record| is_successor_of(&record, entry.uuid.as_bytes())) {
                // Rotated by somebody else meanwhile.
                return Ok(Edit::Keep(()));
            }
            if list.count_of(entry.uuid.as_bytes()) == 0 {
                if !is_older_than(list, entry) {
                    return Err(Error::RevokedMeanwhile);
                }
                append(change.document, entry).map_err(|reason| uneditable(user, reason))?;
                (change.changed, restored) = (true, true);
            }
            let taken_over = list.records().any(|record| {
                record.has_uuid(entry.uuid.as_bytes()) && integer(&record, own::RETIRE_AT).is_some()
            });
            if taken_over {
                return Err(Error::TakenOver { user: named(user) });
            }
            for due in list.due(None, false, now).retired {
                change.remove(&due.uuid)?;
                if !retired.contains(&due) {
                    retired.push(due);
                }
            }
            for uuid in predecessors(list, entry) {
                if !retired.iter().any(|known| known.uuid == uuid) {
                    retired.extend(
                        list.records().find(|record| record.has_uuid(&uuid)).map(|r| self::retired(&r)),
                    );
                }
                // Of a run elsewhere nobody can see whether it lives: what it may yet deliver works for a while.
                let retire = match retire {
                    Retire::Now if left_elsewhere(list, &uuid) => Retire::At(now.saturating_add(GRACE)),
                    other => other,
                };
                change.retire(&uuid, retire, entry.uuid.as_bytes())?;
            }
            change.install(entry, retire, own_check.get(), now)?;
            Ok(if change.changed { Edit::Save(()) } else { Edit::Keep(()) })
        };
        self.edit(user, &mut apply)?;
        own_check.set(None);
        let stale = object_cache::of_user_meta(user.id.0);
        // Whoever got the new password uses it at once, and WordPress then writes the list that it read before.
        self.settle(user, true, &stale, &mut |this, _| Ok(this.edit(user, &mut apply)?.saved))?;
        if restored {
            self.notes.push(format!(
                "WordPress, or another program, wrote an older list of the application passwords of user {} over the new \
                 entry while its password was being delivered. The entry was made again.",
                named(user)
            ));
        }
        Ok(retired)
    }

    /// Revokes what was rotated away and is past its date: of one user, or the one entry that `only` names.
    /// `early`: also what is not.
    ///
    /// # Errors
    /// An unreadable list, a failing database: then nothing was revoked.
    pub fn retire_due(
        &mut self,
        user: &User,
        only: Option<&[u8]>,
        early: bool,
        now: i64,
    ) -> Result<Due, Error> {
        let mut all = Due::default();
        let mut apply = |list: &StoredList, document: &mut Document| {
            let mut change = Change { user, document, changed: false };
            let due = list.due(only, early, now);
            for retired in &due.retired {
                change.remove(&retired.uuid)?;
                if !all.retired.contains(retired) {
                    all.retired.push(retired.clone());
                }
            }
            (all.bereft, all.next) = (due.bereft, due.next);
            change.settle_names(list)?;
            Ok(if change.changed { Edit::Save(()) } else { Edit::Keep(()) })
        };
        let edited = self.edit(user, &mut apply)?;
        if edited.saved || self.aftercare.has_cache() {
            let stale = object_cache::of_user_meta(user.id.0);
            self.settle(user, edited.contended, &stale, &mut |this, _| {
                Ok(this.edit(user, &mut apply)?.saved)
            })?;
        }
        Ok(all)
    }

    /// Undoes an unfinished rotation: what was made for it goes, the old entry stays. Also undoes a first entry whose
    /// password may not have been delivered. Returns what went.
    ///
    /// # Errors
    /// [`Error::NothingToAbort`], [`Error::BeingRotated`]; an unreadable list, a failing database: then nothing was
    /// changed.
    pub fn abort(
        &mut self,
        user: &User,
        original: &[u8],
        me: &Run,
        take_over: bool,
    ) -> Result<Vec<Retired>, Error> {
        let mut gone: Vec<Retired> = Vec::new();
        let mut apply = |list: &StoredList, document: &mut Document| {
            let mut change = Change { user, document, changed: false };
            if let Some(run) = list.busy(original, me, me.since, take_over) {
                return Err(Error::BeingRotated { user: named(user), run: run.named(), since: run.since });
            }
            for leftover in list.leftovers(original) {
                change.remove(&leftover.uuid)?;
                if !gone.contains(&leftover) {
                    gone.push(leftover);
                }
            }
            change.unset(original, &[own::RETIRE_AT, own::ROTATED_BY, own::ROTATING_TO])?;
            if gone.is_empty() && !change.changed {
                return Err(match list.count_of(original) {
                    0 => Error::NotFound,
                    _ => Error::NothingToAbort { user: named(user), uuid: text(original) },
                });
            }
            Ok(if change.changed { Edit::Save(()) } else { Edit::Keep(()) })
        };
        let edited = self.edit(user, &mut apply)?;
        let stale = object_cache::of_user_meta(user.id.0);
        self.settle(user, edited.contended, &stale, &mut |this, _| Ok(this.edit(user, &mut apply)?.saved))?;
        Ok(gone)
    }

    /// Takes a new entry back whose password nobody has, and what was noted of it.
    ///
    /// # Errors
    /// An unreadable list, a failing database: then it is still there.
    pub fn withdraw(&mut self, user: &User, uuid: &[u8]) -> Result<(), Error> {
        let mut apply = |list: &StoredList, document: &mut Document| withdraw(user, list, document, uuid);
        let edited = self.edit(user, &mut apply)?;
        let stale = object_cache::of_user_meta(user.id.0);
        self.settle(user, edited.contended, &stale, &mut |this, _| Ok(this.edit(user, &mut apply)?.saved))
    }

    /// Gives every entry a uuid, as WordPress does when it next reads the list.
    ///
    /// # Errors
    /// An unreadable list, a failing database.
    pub fn give_all_uuids(&mut self, user: &User) -> Result<(), Error> {
        let edited = self.edit(user, |list, _| {
            let without = list.records().any(|record| record.get(item::UUID).is_none());
            Ok(if without { Edit::Save(()) } else { Edit::Keep(()) })
        })?;
        let stale = object_cache::of_user_meta(user.id.0);
        if edited.saved { self.settle(user, edited.contended, &stale, &mut |_, _| Ok(false)) } else { Ok(()) }
    }
}

/// Removes a new entry, and what was noted of it.
pub(super) fn withdraw(
    user: &User,
    list: &StoredList,
    document: &mut Document,
    uuid: &[u8],
) -> Result<Edit<()>, Error> {
    let mut change = Change { user, document, changed: false };
    for record in list.records().filter(|record| record.text(own::ROTATING_TO).is_some_and(|to| *to == *uuid))
    {
        change.unset(&record.text(item::UUID).unwrap_or_default(), &[own::ROTATING_TO])?;
    }
    change.remove(uuid)?;
    Ok(if change.changed { Edit::Save(()) } else { Edit::Keep(()) })
}

/// How long the entry of a run elsewhere works on, in seconds, when another run takes its place.
const GRACE: i64 = 3_600;

/// Whether an entry was left behind by a run whose end cannot be seen from here.
fn left_elsewhere(list: &StoredList, uuid: &[u8]) -> bool {
    let record = list.records().find(|record| record.has_uuid(uuid));
    let note = record.and_then(|record| Some(record.text(own::UNDELIVERED)?.into_owned()));
    note.is_some_and(|note| Run::read(&note).is_none_or(|run| !run.is_here()))
}

/// Whether the list is from before this entry was made: WordPress wrote it back. Then the original is not marked as
/// being replaced by it. Where the mark is there and the entry is not, somebody revoked it.
fn is_older_than(list: &StoredList, entry: &NewEntry) -> bool {
    let original = entry.successor.as_ref().and_then(|successor| successor.of.as_deref());
    let original = original.and_then(|original| list.records().find(|record| record.has_uuid(original)));
    original.is_some_and(|original| {
        let knows = |key| original.text(key).is_some_and(|uuid| *uuid == *entry.uuid.as_bytes());
        !knows(own::ROTATING_TO) && !knows(own::ROTATED_BY)
    })
}

/// What stands before a new entry is made: the old one is there, and nobody else is at it.
pub(super) fn may_succeed(list: &StoredList, user: &User, successor: &Successor) -> Result<(), Error> {
    let Some(original) = successor.of.as_deref() else { return Ok(()) };
    let record = list.records().find(|record| record.has_uuid(original)).ok_or(Error::NotFound)?;
    if list.count_of(original) > 1 {
        return Err(Error::SharedUuid { user: named(user), uuid: text(original) });
    }
    if let Standing::Done { by, at, .. } = list.standing(&record) {
        return Err(Error::AlreadyRotated { user: named(user), by: text(&by), at });
    }
    if successor.of_leftover && !is_undelivered(&record) {
        return Err(Error::DuplicateName);
    }
    // Whatever it was meant to say, the new entry would not say it.
    let (document, node) = record.parts();
    if let Some(key) = Terms::of(document, node).unreadable().first() {
        return Err(Error::UnreadableTerm { user: named(user), uuid: text(original), key });
    }
    match list.busy(original, &successor.run, successor.run.since, successor.take_over) {
        Some(run) => Err(Error::BeingRotated { user: named(user), run: run.named(), since: run.since }),
        None => Ok(()),
    }
}

/// Gives replacements the name that the old entry had, now that it is gone.
pub(super) fn settle_names(user: &User, list: &StoredList, document: &mut Document) -> Result<(), Error> {
    Change { user, document, changed: false }.settle_names(list)
}

/// What a new entry has beyond what WordPress gives it.
pub(super) fn mark(document: &mut Document, node: NodeId, entry: &NewEntry) -> Result<(), String> {
    let Some(successor) = &entry.successor else { return Ok(()) };
    set(document, node, own::UNDELIVERED, Scalar::Str(successor.run.note().as_bytes()))?;
    if let Some(name) = &successor.final_name {
        set(document, node, own::ROTATED_NAME, Scalar::Str(name))?;
    }
    let Some(original) = successor.of.as_deref() else { return Ok(()) };
    set(document, node, own::ROTATED_FROM, Scalar::Str(original))?;
    let original = Record::all(document).find(|(_, record)| record.has_uuid(original));
    let Some((_, from)) = original.map(|(_, record)| record.parts()) else { return Ok(()) };
    set(document, from, own::ROTATING_TO, Scalar::Str(entry.uuid.as_bytes()))?;
    let time = |key: &str| document.get(from, key.as_bytes()).and_then(|node| document.view(node).to_int());
    if let (Some(expires), Some(created)) = (time(own::EXPIRES), time(item::CREATED)) {
        let lifetime = expires.saturating_sub(created).max(0);
        let expires = entry.created.saturating_add(lifetime);
        set(document, node, own::EXPIRES, Scalar::Int(expires))?;
    }
    for key in own::INHERITED {
        if let Some(value) = document.get(from, key.as_bytes()) {
            copy(document, value, node, Key::Str(key.as_bytes().into()))?;
        }
    }
    Ok(())
}

/// Copies a value as this program writes it: scalars, and lists of them. Anything else is not one of its own.
fn copy(document: &mut Document, value: NodeId, to: NodeId, key: Key<'_>) -> Result<(), String> {
    let failed = |error: crate::wordpress::php_serialize::EditError| error.to_string();
    match document.view(value) {
        View::Array => {
            let items: Vec<(Key<'static>, NodeId)> =
                document.entries(value).map(|(key, node)| (owned(key), node)).collect();
            let list = document.push_array(to, key).map_err(failed)?;
            for (key, value) in items {
                if document.view(value) != View::Array {
                    copy(document, value, list, key)?;
                }
            }
            Ok(())
        }
        View::Int(number) => document.set(to, key, Scalar::Int(number)).map_err(failed),
        View::Bool(on) => document.set(to, key, Scalar::Bool(on)).map_err(failed),
        View::Str(text) => {
            let text = text.into_owned();
            document.set(to, key, Scalar::Str(&text)).map_err(failed)
        }
        _ => Ok(()),
    }
}

/// The entries whose place the new one takes: the one it was made for, and what earlier runs left behind.
fn predecessors(list: &StoredList, entry: &NewEntry) -> Vec<Vec<u8>> {
    let Some(original) = entry.successor.as_ref().and_then(|successor| successor.of.as_deref()) else {
        return Vec::new();
    };
    list.records()
        .filter(|record| !record.has_uuid(entry.uuid.as_bytes()))
        .filter(|record| {
            record.has_uuid(original) || (is_successor_of(record, original) && is_undelivered(record))
        })
        .filter_map(|record| Some(record.text(item::UUID)?.into_owned()))
        .collect()
}

/// Edits of one list, and whether there was anything to edit.
struct Change<'a> {
    user: &'a User,
    document: &'a mut Document,
    changed: bool,
}

impl Change<'_> {
    /// The first entry with this uuid.
    fn node(&self, uuid: &[u8]) -> Option<NodeId> {
        Record::all(self.document)
            .find(|(_, record)| record.has_uuid(uuid))
            .map(|(_, record)| record.parts().1)
    }

    fn remove(&mut self, uuid: &[u8]) -> Result<(), Error> {
        self.changed |= super::remove(self.user, self.document, uuid)?;
        Ok(())
    }

    fn set(&mut self, node: NodeId, key: &str, value: Scalar<'_>) -> Result<(), Error> {
        let old = self.document.get(node, key.as_bytes()).map(|old| self.document.view(old));
        let same = match (&old, value) {
            (Some(View::Int(old)), Scalar::Int(new)) => *old == new,
            (Some(View::Str(old)), Scalar::Str(new)) => **old == *new,
            (Some(View::Null), Scalar::Null) => true,
            _ => false,
        };
        if !same {
            set(self.document, node, key, value).map_err(|reason| uneditable(self.user, reason))?;
            self.changed = true;
        }
        Ok(())
    }

    fn unset(&mut self, uuid: &[u8], keys: &[&str]) -> Result<(), Error> {
        let Some(node) = self.node(uuid) else { return Ok(()) };
        for key in keys {
            if self.document.get(node, key.as_bytes()).is_some() {
                self.document
                    .remove(node, Key::Str(key.as_bytes().into()))
                    .map_err(|reason| uneditable(self.user, reason))?;
                self.changed = true;
            }
        }
        Ok(())
    }

    /// Revokes an entry, or gives it its date.
    fn retire(&mut self, uuid: &[u8], retire: Retire, by: &[u8]) -> Result<(), Error> {
        // What this one replaced is now replaced by the other.
        let earlier: Vec<NodeId> = Record::all(self.document)
            .filter(|(_, record)| record.text(own::ROTATED_BY).is_some_and(|by| *by == *uuid))
            .map(|(_, record)| record.parts().1)
            .collect();
        for node in earlier {
            self.set(node, own::ROTATED_BY, Scalar::Str(by))?;
        }
        let Retire::At(at) = retire else { return self.remove(uuid) };
        self.unset(uuid, &[own::UNDELIVERED, own::ROTATING_TO])?;
        if let Some(node) = self.node(uuid) {
            self.set(node, own::RETIRE_AT, Scalar::Int(at))?;
            self.set(node, own::ROTATED_BY, Scalar::Str(by))?;
        }
        Ok(())
    }

    /// The new entry is in service.
    fn install(
        &mut self,
        entry: &NewEntry,
        retire: Retire,
        own_check: Option<(i64, i64)>,
        now: i64,
    ) -> Result<(), Error> {
        let Some(node) = self.node(entry.uuid.as_bytes()) else { return Ok(()) };
        let is_marked = self.document.get(node, own::UNDELIVERED.as_bytes()).is_some();
        if is_marked {
            self.unset(entry.uuid.as_bytes(), &[own::UNDELIVERED])?;
            if entry.successor.as_ref().is_some_and(|successor| successor.of.is_some()) {
                self.set(node, own::ROTATED_AT, Scalar::Int(now))?;
            }
        }
        let last_used = self.document.get(node, item::LAST_USED.as_bytes());
        let last_used = last_used.and_then(|used| self.document.view(used).to_int()).unwrap_or(0);
        if own_check.is_some_and(|(from, to)| (from..=to).contains(&last_used)) {
            self.set(node, item::LAST_USED, Scalar::Null)?;
            self.set(node, item::LAST_IP, Scalar::Null)?;
        }
        if let (Some(name), Retire::Now) =
            (entry.successor.as_ref().and_then(|successor| successor.final_name.as_deref()), retire)
        {
            // An older generation may have it still, until its own date.
            let taken = Record::all(self.document)
                .any(|(_, record)| !record.has_uuid(entry.uuid.as_bytes()) && record.is_named(name));
            if !taken && self.document.get(node, own::ROTATED_NAME.as_bytes()).is_some() {
                self.set(node, item::NAME, Scalar::Str(name))?;
                self.unset(entry.uuid.as_bytes(), &[own::ROTATED_NAME])?;
            }
        }
        Ok(())
    }

    /// Gives replacements the name that they could not have while the old entry had it.
    fn settle_names(&mut self, list: &StoredList) -> Result<(), Error> {
        let waiting: Vec<(Vec<u8>, Vec<u8>)> = list
            .records()
            .filter(|record| !is_undelivered(record))
            .filter_map(|record| {
                Some((record.text(item::UUID)?.into_owned(), record.text(own::ROTATED_NAME)?.into_owned()))
            })
            .collect();
        for (uuid, name) in waiting {
            let taken = Record::all(self.document).any(|(_, record)| record.is_named(&name));
            if let Some(node) = self.node(&uuid).filter(|_| !taken) {
                self.set(node, item::NAME, Scalar::Str(&name))?;
                self.unset(&uuid, &[own::ROTATED_NAME])?;
            }
        }
        Ok(())
    }
}

fn set(document: &mut Document, node: NodeId, key: &str, value: Scalar<'_>) -> Result<(), String> {
    document.set(node, Key::Str(key.as_bytes().into()), value).map_err(|error| error.to_string())
}

fn is_undelivered(record: &Record<'_>) -> bool {
    record.get(own::UNDELIVERED).is_some()
}

fn is_successor_of(record: &Record<'_>, original: &[u8]) -> bool {
    record.text(own::ROTATED_FROM).is_some_and(|from| *from == *original)
}

/// By its name, or the one that it is going to have.
fn is_called(record: &Record<'_>, name: &[u8]) -> bool {
    match record.text(own::ROTATED_NAME) {
        Some(own) => sanitize::same_name(&own, name),
        None => record.is_named(name),
    }
}

fn integer(record: &Record<'_>, key: &str) -> Option<i64> {
    match record.get(key) {
        Some(View::Int(number)) => Some(number),
        _ => None,
    }
}

fn rotatable(record: &Record<'_>) -> Rotatable {
    let name = record.text(own::ROTATED_NAME).or_else(|| record.text(item::NAME));
    let (document, node) = record.parts();
    Rotatable {
        uuid: record.text(item::UUID).unwrap_or_default().into_owned(),
        name: name.unwrap_or_default().into_owned(),
        app_id: record.text(item::APP_ID).unwrap_or_default().into_owned(),
        created: record.get(item::CREATED).and_then(|created| created.to_int()).unwrap_or(0),
        terms: Terms::of(document, node),
    }
}

fn retired(record: &Record<'_>) -> Retired {
    let found = rotatable(record);
    Retired {
        uuid: found.uuid,
        name: found.name,
        last_used: Some(record.last_used()).filter(|seconds| *seconds > 0),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
