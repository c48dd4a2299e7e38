//! Entries that are out of service: the same list under a key that WordPress does not know.

use super::{ATTEMPTS, ApplicationPasswords, Contents, StoredList, named, pause, remove};
use crate::error::Error;
use crate::store::{Swap, User, UserId};
use crate::wordpress::object_cache;
use crate::wordpress::schema::SUSPENDED;

impl ApplicationPasswords<'_> {
    /// A user's suspended entries.
    ///
    /// # Errors
    /// When the database fails.
    pub fn read_suspended(&mut self, user: UserId) -> Result<StoredList, Error> {
        Ok(StoredList::from_rows(self.persist(|store| store.user_meta(user, SUSPENDED))?))
    }

    /// Removes suspended entries for good: for each uuid the first one that has it. Returns for each, in order,
    /// whether it was there.
    ///
    /// WordPress never writes this row, so nothing has to be watched afterwards.
    ///
    /// # Errors
    /// A failing database: then nothing was removed, unless the error says otherwise.
    pub fn delete_suspended(&mut self, user: &User, uuids: &[&[u8]]) -> Result<Vec<bool>, Error> {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(pause(attempt));
            }
            let list = self.read_suspended(user.id)?;
            let Contents::List(document) = &list.contents else { return Ok(vec![false; uuids.len()]) };
            let mut document = document.clone();
            let mut found = Vec::with_capacity(uuids.len());
            for uuid in uuids {
                found.push(remove(user, &mut document, uuid)?);
            }
            if !found.contains(&true) {
                return Ok(found);
            }
            let bytes = document.to_bytes();
            if self.store.replace_user_meta(user.id, SUSPENDED, &list.rows, &bytes, None)? == Swap::Done {
                // WordPress: an object cache holds all meta of a user together.
                self.forget(&object_cache::of_user_meta(user.id.0));
                return Ok(found);
            }
        }
        Err(Error::Conflict { user: named(user), attempts: ATTEMPTS })
    }
}
