//! Entries that are out of service: the same list under a key that WordPress does not know.
//!
//! Two rows have to change, and no two are ever changed at once. So an entry is always written where it goes before
//! it is removed from where it was: whoever kills a run finds it in one of them, or in both. In both, it is in service,
//! and either command that is given again ends cleanly.
//!
//! Whoever moves entries holds the user's second row meanwhile, by a note in it: two that move the same entry in
//! different directions could lose it between them. Revoking needs no note: what a mover does not find any more at its
//! end, somebody revoked. But a mover may be killed before its end, so whoever revokes for good looks again when it is gone.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::changes::ERASE;
use super::{
    ApplicationPasswords, Contents, Edit, Record, Run, StoredList, named, owned, pause, remove, rotation,
    uneditable,
};
use crate::error::Error;
use crate::store::{Autoload, User, UserId};
use crate::wordpress::object_cache;
use crate::wordpress::password_hash::{self, Era};
use crate::wordpress::php_serialize::{Document, Key, Scalar, View};
use crate::wordpress::restrictions::Terms;
use crate::wordpress::schema::{SUSPENDED, item, own};

/// Under this key the second row holds the note of who moves entries right now. A key without an entry is passed over
/// by all who read entries.
const MOVING: &str = "moving";

/// How long somebody else who moves entries of the same user is waited for.
const MOST_WAIT: Duration = Duration::from_secs(60);

/// How often a suspension begins anew because an entry was used meanwhile. WordPress notes one use a day.
const MOST_ROUNDS: usize = 50;

/// Which entries of a list are meant. It is asked again about the list as it is when it is written.
pub type Choose<'c> = &'c dyn Fn(&StoredList, &Record<'_>) -> bool;

/// An entry that was taken out of a list, or brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its uuid; empty where it has none.
    pub uuid: Vec<u8>,
    /// Its name.
    pub name: Vec<u8>,
    hash: Vec<u8>,
    /// Whether it has an expiry or restrictions, which WordPress by itself does not enforce.
    pub is_restricted: bool,
}

impl Taken {
    fn of(record: &Record<'_>) -> Self {
        let text = |key| record.text(key).unwrap_or_default().into_owned();
        let (document, node) = record.parts();
        Self {
            uuid: text(item::UUID),
            name: text(item::NAME),
            hash: text(item::PASSWORD),
            is_restricted: Terms::of(document, node).want_enforcing(),
        }
    }

    /// Whether this is the same entry, whatever was noted in it since. One that is older than uuids may have got one.
    fn is(&self, record: &Record<'_>) -> bool {
        let same_uuid = match record.text(item::UUID) {
            Some(uuid) => self.uuid.is_empty() || *uuid == *self.uuid,
            None => true,
        };
        same_uuid && *record.text(item::PASSWORD).unwrap_or_default() == *self.hash
    }

    /// Why a WordPress of this era takes no password for this entry's; `None`: it may.
    pub fn refused(&self, by: Era) -> Option<&'static str> {
        password_hash::refused(&self.hash, by)
    }

    fn is_in(&self, list: &StoredList) -> bool {
        list.records().any(|record| self.is(&record))
    }
}

/// An entry with its bytes and its place.
struct Copied {
    key: Key<'static>,
    raw: Vec<u8>,
    entry: Taken,
}

impl ApplicationPasswords<'_> {
    /// A user's suspended entries.
    ///
    /// # Errors
    /// When the database fails.
    pub fn read_suspended(&mut self, user: UserId) -> Result<StoredList, Error> {
        let rows = self.persist(|store| store.user_meta(user, SUSPENDED))?;
        Ok(StoredList::from_rows(rows).under(SUSPENDED))
    }

    /// Revokes what is chosen. What was used meanwhile, so that it is not chosen any more, stays.
    ///
    /// # Errors
    /// An unreadable list, a failing database: then nothing was revoked, unless the error says otherwise.
    pub fn revoke_where(&mut self, user: &User, choose: Choose<'_>) -> Result<Vec<Taken>, Error> {
        let edited = self.edit(user, |list, document| {
            let gone = take(user, list, document, &|list, record| choose(list, record))?;
            Ok(if gone.is_empty() { Edit::Keep(gone) } else { Edit::Save(gone) })
        })?;
        let mut gone = edited.answer;
        // Also when nothing was there to remove: what an earlier command removed may live on in a cache.
        if edited.saved || self.aftercare.has_cache() {
            self.keep_out(user, edited.contended, &gone, choose)?;
        }
        if edited.saved {
            let list = self.read(user.id)?;
            self.note_returned(user, "revoke", gone.iter().filter(|taken| taken.is_in(&list)));
            gone.retain(|taken| !taken.is_in(&list));
        }
        Ok(gone)
    }

    /// Watches that what went stays away: WordPress may write back the list as it was. An entry that comes back with
    /// a use that makes it none of the chosen ones stays.
    fn keep_out(
        &mut self,
        user: &User,
        contended: bool,
        gone: &[Taken],
        choose: Choose<'_>,
    ) -> Result<(), Error> {
        let back = |list: &StoredList, record: &Record<'_>| {
            gone.iter().any(|taken| taken.is(record)) && choose(list, record)
        };
        let stale = object_cache::of_user_meta(user.id.0);
        self.settle(user, contended, &stale, &mut |this, list| {
            if !list.records().any(|record| back(list, &record)) {
                return Ok(false);
            }
            let again = this.edit(user, |list, document| {
                let gone = take(user, list, document, &back)?;
                Ok(if gone.is_empty() { Edit::Keep(()) } else { Edit::Save(()) })
            })?;
            Ok(again.saved)
        })
    }

    /// Takes what is chosen out of service, so that it can be brought back byte for byte.
    ///
    /// # Errors
    /// An unreadable list, entries that PHP's references tie together, a failing database. What is told as suspended
    /// is out of service; an error says what else is known.
    pub fn suspend_where(&mut self, user: &User, choose: Choose<'_>, me: &Run) -> Result<Vec<Taken>, Error> {
        let list = self.read(user.id)?;
        // There is nothing that could be brought back.
        list.must_be_readable(user)?;
        // What cannot be moved changes nothing, not even the second row.
        if copies(user, &list, choose)?.is_empty() {
            // What an earlier command took may live on in a cache.
            if self.aftercare.has_cache() {
                self.keep_out(user, false, &[], choose)?;
            }
            return Ok(Vec::new());
        }
        // Only what is read from here on stays where it is, unless somebody revokes it.
        self.hold(user, me, &mut |_| Ok(()))?;
        let (mut written, mut gone) = (Vec::new(), Vec::new());
        self.moving = Some("suspend");
        let outcome = self.suspend(user, choose, me, &mut written, &mut gone);
        self.moving = None;
        let finished = self.finish_suspension(user, me, &written, &mut gone);
        outcome.and(finished).map(|()| gone)
    }

    /// `written`: copies of these were put into the second row. `gone`: these were removed from WordPress's list.
    fn suspend(
        &mut self,
        user: &User,
        choose: Choose<'_>,
        me: &Run,
        written: &mut Vec<Taken>,
        gone: &mut Vec<Taken>,
    ) -> Result<(), Error> {
        let mut contended = false;
        for round in 0.. {
            if round == MOST_ROUNDS {
                return Err(Error::Conflict { user: named(user), attempts: MOST_ROUNDS as u32 });
            }
            let list = self.read(user.id)?;
            list.must_be_readable(user)?;
            let copies = copies(user, &list, choose)?;
            if copies.is_empty() {
                break;
            }
            let all: Vec<Taken> = copies.iter().map(|copy| copy.entry.clone()).collect();
            self.hold(user, me, &mut |document| add(user, document, &copies))?;
            written.extend(all);
            let edited = self.edit(user, |list, document| {
                let is_saved = |list: &StoredList, record: &Record<'_>| {
                    let (of, node) = record.parts();
                    let raw = of.raw(node);
                    choose(list, record)
                        && copies.iter().any(|copy| copy.entry.is(record) && raw == Some(copy.raw.as_slice()))
                };
                let all = list.records().filter(|record| choose(list, record)).count();
                let gone = take(user, list, document, &is_saved)?;
                let again = gone.len() < all;
                Ok(if gone.is_empty() { Edit::Keep((gone, again)) } else { Edit::Save((gone, again)) })
            })?;
            contended |= edited.contended;
            gone.extend(edited.answer.0);
            // One was used, or made, since it was copied: what is taken away must be what was copied.
            if !edited.answer.1 {
                break;
            }
        }
        self.keep_out(user, contended, gone, choose)
    }

    /// What came back with a use is in service, and what somebody else took away was revoked: no copy stays.
    fn finish_suspension(
        &mut self,
        user: &User,
        me: &Run,
        written: &[Taken],
        gone: &mut Vec<Taken>,
    ) -> Result<(), Error> {
        let list = self.read(user.id)?;
        self.note_returned(user, "suspend", gone.iter().filter(|taken| taken.is_in(&list)));
        gone.retain(|taken| !taken.is_in(&list));
        self.edit_row(user, SUSPENDED, |_, document| {
            let keys: Vec<Key<'static>> = Record::all(document)
                .filter(|(_, record)| written.iter().any(|taken| taken.is(record)))
                .filter(|(_, record)| !gone.iter().any(|taken| taken.is(record)))
                .map(|(key, _)| owned(key))
                .collect();
            let was_held = release(user, document, me)?;
            remove_keys(user, document, &keys)?;
            Ok(if was_held || !keys.is_empty() { Edit::Save(()) } else { Edit::Keep(()) })
        })?;
        self.forget_quietly(&object_cache::of_user_meta(user.id.0));
        Ok(())
    }

    /// Brings what is chosen of the suspended entries back into service.
    ///
    /// # Errors
    /// An unreadable list, another entry with the same uuid, a failing database.
    pub fn resume_where(
        &mut self,
        user: &User,
        choose: Choose<'_>,
        me: &Run,
        autoload: Autoload,
    ) -> Result<Vec<Taken>, Error> {
        let list = self.read_suspended(user.id)?;
        list.must_be_readable(user)?;
        if !list.records().any(|record| choose(&list, &record)) {
            return Ok(Vec::new());
        }
        self.hold(user, me, &mut |_| Ok(()))?;
        let list = self.read_suspended(user.id)?;
        let copies = copies(user, &list, choose)?;
        self.moving = Some("resume");
        let outcome = self.resume(user, &copies, autoload);
        self.moving = None;
        if let Err(error) = outcome {
            // Nothing is lost: what is in service already is in both rows, and the next run goes on from there.
            self.let_go(user, me)?;
            return Err(error);
        }
        let finished = self.edit_row(user, SUSPENDED, |_, document| {
            let mut back = Vec::new();
            let mut keys = Vec::new();
            for (key, record) in Record::all(document) {
                if let Some(copy) = copies.iter().find(|copy| copy.entry.is(&record)) {
                    back.push(copy.entry.clone());
                    keys.push(owned(key));
                }
            }
            let was_held = release(user, document, me)?;
            remove_keys(user, document, &keys)?;
            Ok(if was_held || !keys.is_empty() { Edit::Save(back) } else { Edit::Keep(back) })
        })?;
        self.forget_quietly(&object_cache::of_user_meta(user.id.0));
        let back = finished.answer;
        // Nobody but a revocation removes a copy while this run holds the row.
        let revoked = |_: &StoredList, record: &Record<'_>| {
            copies.iter().any(|copy| copy.entry.is(record)) && !back.iter().any(|taken| taken.is(record))
        };
        if back.len() < copies.len() {
            let trouble = self.trouble.take();
            self.revoke_where(user, &revoked)?;
            self.trouble = trouble.or(self.trouble.take());
        }
        Ok(back)
    }

    fn resume(&mut self, user: &User, copies: &[Copied], autoload: Autoload) -> Result<(), Error> {
        self.set_in_use(autoload)?;
        let edited = self.edit(user, |list, document| insert(user, list, document, copies))?;
        let mut stale = object_cache::of_user_meta(user.id.0);
        let network = self.store.description().network.as_ref().map(|(_, id)| *id);
        stale.extend(object_cache::of_in_use_flag(network));
        self.settle(user, edited.contended, &stale, &mut |this, list| {
            if copies.iter().all(|copy| copy.entry.is_in(list)) {
                return Ok(false);
            }
            // WordPress wrote back an older list, unless somebody revoked it: then its copy is gone, or soon will be.
            let kept = this.read_suspended(user.id)?;
            let missing: Vec<&Copied> = copies.iter().filter(|copy| copy.entry.is_in(&kept)).collect();
            let again =
                this.edit(user, |list, document| insert(user, list, document, missing.iter().copied()))?;
            Ok(again.saved)
        })
    }

    /// Notes in the user's second row that this run moves entries, and changes the row in the same write. Waits for
    /// another run that does; one that is dead is taken over.
    fn hold(
        &mut self,
        user: &User,
        me: &Run,
        change: &mut dyn FnMut(&mut Document) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let started = Instant::now();
        for attempt in 0.. {
            let now = me.since.saturating_add(started.elapsed().as_secs() as i64);
            let held = self.edit_row(user, SUSPENDED, |_, document| {
                if let Some(run) = mover(document).filter(|run| run != me && run.is_alive(now)) {
                    return Ok(Edit::Keep(Some(run)));
                }
                let root = document.root();
                document
                    .set(root, Key::from(MOVING), Scalar::Str(me.note().as_bytes()))
                    .map_err(|reason| uneditable(user, reason))?;
                change(document)?;
                Ok(Edit::Save(None))
            })?;
            let Some(run) = held.answer else { break };
            if started.elapsed() > MOST_WAIT {
                return Err(Error::BeingMoved { user: named(user), run: run.named() });
            }
            std::thread::sleep(pause(attempt.min(5)) * 3);
        }
        Ok(())
    }

    /// Waits for a run that moves entries of the user. Whether one was noted: it may have put back what was revoked meanwhile,
    /// and was killed before it could see that.
    ///
    /// # Errors
    /// [`Error::StillMoved`] where it does not end, a failing database.
    pub fn outlast_mover(&mut self, user: &User) -> Result<bool, Error> {
        let started = Instant::now();
        let mut was_noted = false;
        for attempt in 0.. {
            let list = self.read_suspended(user.id)?;
            let Contents::List(document) = &list.contents else { break };
            let Some(run) = mover(document) else { break };
            was_noted = true;
            if !run.is_alive(now()) {
                break;
            }
            if started.elapsed() > MOST_WAIT {
                return Err(Error::StillMoved { user: named(user), run: run.named() });
            }
            std::thread::sleep(pause(attempt.min(5)) * 3);
        }
        Ok(was_noted)
    }

    fn let_go(&mut self, user: &User, me: &Run) -> Result<(), Error> {
        self.edit_row(user, SUSPENDED, |_, document| {
            Ok(if release(user, document, me)? { Edit::Save(()) } else { Edit::Keep(()) })
        })?;
        Ok(())
    }

    /// Removes suspended entries for good: for each uuid the first one that has it. Returns for each, in order,
    /// whether it was there.
    ///
    /// WordPress never writes this row, so nothing has to be watched afterwards.
    ///
    /// # Errors
    /// A failing database: then nothing was removed, unless the error says otherwise.
    pub fn delete_suspended(&mut self, user: &User, uuids: &[&[u8]]) -> Result<Vec<bool>, Error> {
        if !matches!(self.read_suspended(user.id)?.contents, Contents::List(_)) {
            return Ok(vec![false; uuids.len()]);
        }
        self.moving = Some(ERASE);
        let edited = self.edit_row(user, SUSPENDED, |_, document| {
            let mut found = Vec::with_capacity(uuids.len());
            for uuid in uuids {
                found.push(remove(user, document, uuid)?);
            }
            Ok(if found.contains(&true) { Edit::Save(found) } else { Edit::Keep(found) })
        });
        self.moving = None;
        let edited = edited?;
        if edited.saved {
            // WordPress: an object cache holds all meta of a user together.
            self.forget_quietly(&object_cache::of_user_meta(user.id.0));
        }
        Ok(edited.answer)
    }

    /// [`Self::delete`], and erases every suspended entry with one of these uuids, so that what is revoked by its uuid cannot be
    /// resumed. Returns for each uuid, in order, whether there was one. A row that cannot be read holds nothing that could be
    /// resumed.
    ///
    /// # Errors
    /// An unreadable list, a failing database.
    pub fn delete_and_erase(&mut self, user: &User, uuids: &[&[u8]]) -> Result<Vec<bool>, Error> {
        let before = self.read_suspended(user.id)?;
        let is_one = |_: &StoredList, record: &Record<'_>| uuids.iter().any(|uuid| record.has_uuid(uuid));
        let mut erased = Vec::new();
        if before.is_being_moved() {
            erased = self.erase_suspended(user, &is_one)?;
        }
        let mut found = self.delete(user, uuids)?;
        if !before.is_unreadable() {
            erased.extend(self.erase_suspended(user, &is_one)?);
        }
        for (uuid, found) in uuids.iter().zip(&mut found) {
            if erased.iter().any(|taken| taken.uuid == *uuid) {
                *found = true;
            } else if before.count_of(uuid) > 0 {
                // Resumed meanwhile, behind the back of the first look.
                *found |= self.delete(user, &[*uuid])?.contains(&true);
            }
        }
        if self.outlast_mover(user)? {
            self.delete(user, uuids)?;
            self.erase_suspended(user, &is_one)?;
        }
        Ok(found)
    }

    /// Revokes what is chosen and erases what is chosen of the suspended entries. Returns what was revoked, and how many
    /// suspended ones went, or why not: then the others are revoked all the same.
    ///
    /// # Errors
    /// What [`Self::revoke_where`] says.
    pub fn revoke_and_erase(
        &mut self,
        user: &User,
        choose: Choose<'_>,
    ) -> Result<(Vec<Taken>, Result<usize, Error>), Error> {
        let before = self.read_suspended(user.id)?;
        let chosen: Vec<Taken> = before
            .records()
            .filter(|record| choose(&before, record))
            .map(|record| Taken::of(&record))
            .collect();
        let early = if before.is_being_moved() { self.erase_suspended(user, choose)? } else { Vec::new() };
        let mut revoked = self.revoke_where(user, choose)?;
        let erased = self.erase_suspended(user, choose).map(|erased| [early, erased].concat());
        // Whoever resumed one meanwhile put it behind the back of the first look.
        if erased.as_ref().is_ok_and(|erased| chosen.iter().any(|taken| !erased.contains(taken))) {
            revoked.extend(self.revoke_where(user, choose)?);
        }
        let mut erased = erased.map(|erased| erased.len());
        if self.outlast_mover(user)? {
            revoked.extend(self.revoke_where(user, choose)?);
            if let Ok(count) = &mut erased {
                *count += self.erase_suspended(user, choose)?.len();
            }
        }
        Ok((revoked, erased))
    }

    /// [`Self::delete_all`] and [`Self::erase_all_suspended`]: nothing of the user is in service, and nothing can be
    /// resumed. Returns how many went of either.
    ///
    /// # Errors
    /// An unreadable list, a failing database.
    pub fn delete_everything(&mut self, user: &User) -> Result<(usize, usize), Error> {
        let taken = |list: &StoredList| list.records().map(|record| Taken::of(&record)).collect::<Vec<_>>();
        let (listed, suspended) = (self.read(user.id)?, self.read_suspended(user.id)?);
        let early = if suspended.is_being_moved() { self.erase_all_suspended(user)? } else { 0 };
        let (listed, suspended) = (taken(&listed), taken(&suspended));
        let mut revoked = self.delete_all(user)?;
        let mut erased = early + self.erase_all_suspended(user)?;
        // As above; what is new since then is somebody's new credential, and stays.
        if erased < suspended.len() {
            let resumed =
                |_: &StoredList, record: &Record<'_>| suspended.iter().any(|taken| taken.is(record));
            revoked += self.revoke_where(user, &resumed)?.len();
        }
        if self.outlast_mover(user)? {
            let known = |_: &StoredList, record: &Record<'_>| {
                listed.iter().chain(&suspended).any(|taken| taken.is(record))
            };
            revoked += self.revoke_where(user, &known)?.len();
            erased += self.erase_suspended(user, &known)?.len();
            self.edit_row(user, SUSPENDED, |_, document| match mover(document) {
                Some(run) if !run.is_alive(now()) => {
                    release(user, document, &run)?;
                    Ok(Edit::Save(()))
                }
                _ => Ok(Edit::Keep(())),
            })?;
        }
        Ok((revoked, erased))
    }

    /// Erases the suspended entries that are chosen: they can not be resumed any more. Returns which.
    ///
    /// # Errors
    /// An unreadable row, a failing database.
    pub fn erase_suspended(&mut self, user: &User, choose: Choose<'_>) -> Result<Vec<Taken>, Error> {
        let list = self.read_suspended(user.id)?;
        list.must_be_readable(user)?;
        if !list.records().any(|record| choose(&list, &record)) {
            return Ok(Vec::new());
        }
        self.moving = Some(ERASE);
        let edited = self.edit_row(user, SUSPENDED, |list, document| {
            let gone = take(user, list, document, &|list, record| choose(list, record))?;
            Ok(if gone.is_empty() { Edit::Keep(gone) } else { Edit::Save(gone) })
        });
        self.moving = None;
        let edited = edited?;
        if edited.saved {
            self.forget_quietly(&object_cache::of_user_meta(user.id.0));
        }
        Ok(edited.answer)
    }

    /// Erases everything that is suspended, also what cannot be read. Returns how many entries there were.
    ///
    /// # Errors
    /// A failing database.
    pub fn erase_all_suspended(&mut self, user: &User) -> Result<usize, Error> {
        let list = self.read_suspended(user.id)?;
        if list.count() == 0 && !list.is_unreadable() {
            return Ok(0);
        }
        let replace = std::mem::replace(&mut self.replace_unreadable, true);
        self.moving = Some(ERASE);
        let edited = self.edit_row(user, SUSPENDED, |list, document| {
            let count = list.records().count();
            if list.count() == 0 && !list.is_unreadable() {
                return Ok(Edit::Keep(0));
            }
            let run = mover(document);
            *document = Document::empty_array();
            // Whoever moves entries right now, or was killed at it, has to be known until it was looked at what came of it.
            if let Some(run) = run {
                let root = document.root();
                document
                    .set(root, Key::from(MOVING), Scalar::Str(run.note().as_bytes()))
                    .map_err(|reason| uneditable(user, reason))?;
            }
            Ok(Edit::Save(count))
        });
        (self.replace_unreadable, self.moving) = (replace, None);
        self.forget_quietly(&object_cache::of_user_meta(user.id.0));
        Ok(edited?.answer)
    }

    /// An object cache that holds what is suspended keeps nobody in service: trouble with it is none.
    fn forget_quietly(&mut self, stale: &[object_cache::Entry]) {
        let trouble = self.trouble.take();
        self.forget(stale);
        self.trouble = trouble;
    }
}

/// Unix seconds, UTC.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// Removes what is chosen from a list, and gives replacements the names that become free. Returns what went.
fn take(
    user: &User,
    list: &StoredList,
    document: &mut Document,
    choose: &dyn Fn(&StoredList, &Record<'_>) -> bool,
) -> Result<Vec<Taken>, Error> {
    let Contents::List(original) = &list.contents else { return Ok(Vec::new()) };
    let (mut keys, mut gone, mut replaced) = (Vec::new(), Vec::new(), false);
    for (key, record) in Record::all(original) {
        if choose(list, &record) {
            keys.push(owned(key));
            gone.push(Taken::of(&record));
            replaced |= record.get(own::ROTATED_BY).is_some();
        }
    }
    remove_keys(user, document, &keys)?;
    if replaced {
        rotation::settle_names(user, list, document)?;
    }
    Ok(gone)
}

fn remove_keys(user: &User, document: &mut Document, keys: &[Key<'static>]) -> Result<(), Error> {
    for key in keys {
        let root = document.root();
        document.remove(root, key.clone()).map_err(|reason| uneditable(user, reason))?;
    }
    Ok(())
}

/// Copies of the chosen entries.
fn copies(user: &User, list: &StoredList, choose: Choose<'_>) -> Result<Vec<Copied>, Error> {
    let Contents::List(document) = &list.contents else { return Ok(Vec::new()) };
    let mut copies = Vec::new();
    for (key, record) in Record::all(document) {
        if !choose(list, &record) {
            continue;
        }
        let (of, node) = record.parts();
        let raw = of.raw(node).ok_or_else(|| {
            uneditable(
                user,
                "one of those entries holds a reference of PHP's or the data of a class, which mean something only where they \
                 stand, so it can be revoked but neither suspended nor resumed",
            )
        })?;
        copies.push(Copied { key: owned(key), raw: raw.to_vec(), entry: Taken::of(&record) });
    }
    Ok(copies)
}

/// Puts copies into the second row, in place of older copies of the same entries.
fn add(user: &User, document: &mut Document, copies: &[Copied]) -> Result<(), Error> {
    let old: Vec<Key<'static>> = Record::all(document)
        .filter(|(_, record)| copies.iter().any(|copy| copy.entry.is(record)))
        .map(|(key, _)| owned(key))
        .collect();
    remove_keys(user, document, &old)?;
    let more: Vec<(Key<'_>, &[u8])> =
        copies.iter().map(|copy| (copy.key.clone(), copy.raw.as_slice())).collect();
    *document = document.with_entries(&more).map_err(|reason| uneditable(user, reason))?;
    Ok(())
}

/// Puts those copies into WordPress's list that are not there.
fn insert<'c>(
    user: &User,
    list: &StoredList,
    document: &mut Document,
    copies: impl IntoIterator<Item = &'c Copied>,
) -> Result<Edit<()>, Error> {
    let (mut missing, mut coming): (Vec<_>, Vec<&Copied>) = (Vec::new(), Vec::new());
    for copy in copies {
        if copy.entry.is_in(list) {
            continue;
        }
        let has_uuid = |other: &&Copied| other.entry.uuid == copy.entry.uuid;
        // The very same entry twice is how it was when it was suspended.
        let rival = coming.iter().copied().find(has_uuid).filter(|other| other.entry.hash != copy.entry.hash);
        let shown = || String::from_utf8_lossy(&copy.entry.uuid).into_owned();
        if !copy.entry.uuid.is_empty() && list.count_of(&copy.entry.uuid) > 0 {
            return Err(uneditable(
                user,
                format!(
                    "another entry with the uuid {} and another secret is in service; revoke one of them first",
                    shown()
                ),
            ));
        }
        if !copy.entry.uuid.is_empty() && rival.is_some() {
            return Err(uneditable(
                user,
                format!(
                    "two suspended entries have the uuid {} and different secrets, and WordPress revokes only one of \
                     them by it; choose one with --name or --created-since, or erase them with `delete`",
                    shown()
                ),
            ));
        }
        coming.push(copy);
        missing.push((copy.key.clone(), copy.raw.as_slice()));
    }
    if missing.is_empty() {
        return Ok(Edit::Keep(()));
    }
    *document = document.with_entries(&missing).map_err(|reason| uneditable(user, reason))?;
    Ok(Edit::Save(()))
}

impl StoredList {
    /// Whether somebody moves entries right now. As long as the copies are there, a resumption takes a revocation for an
    /// older list that WordPress wrote back, and mends that: they have to go first. Else they go last, so that what cannot
    /// be revoked is not lost.
    pub fn is_being_moved(&self) -> bool {
        match &self.contents {
            Contents::List(document) => mover(document).is_some_and(|run| run.is_alive(now())),
            Contents::Absent | Contents::Unreadable { .. } => false,
        }
    }
}

/// The run that moves entries of this user.
fn mover(document: &Document) -> Option<Run> {
    match document.view(document.get(document.root(), MOVING.as_bytes())?) {
        View::Str(note) => Run::read(&note),
        _ => None,
    }
}

/// Removes this run's note. Whether it was there.
fn release(user: &User, document: &mut Document, me: &Run) -> Result<bool, Error> {
    if mover(document).as_ref() != Some(me) {
        return Ok(false);
    }
    let root = document.root();
    document.remove(root, Key::from(MOVING)).map_err(|reason| uneditable(user, reason))?;
    Ok(true)
}
