//! The user whose application passwords they are: made, given a role, and taken it away.
//!
//! Mirrors `wp_insert_user()` and `WP_User::set_role()` as far as rows go. WordPress's hooks (`user_register`,
//! `set_user_role`) do not fire for what is written straight into its tables.

use super::{ApplicationPasswords, is_lost_connection};
use crate::error::Error;
use crate::journal::Event;
use crate::store::{MetaRows, NewUser, StoreError, Swap, User, UserField, UserId};
use crate::wordpress::object_cache;

/// How often a change that somebody else came before is tried again.
const ATTEMPTS: u32 = 20;

impl ApplicationPasswords<'_> {
    /// Makes a user, unless one with this login or e-mail address is there by then. `true`: this call made it.
    ///
    /// # Errors
    /// A failing database.
    pub fn add_user(&mut self, new: &NewUser<'_>) -> Result<(User, bool), Error> {
        for _ in 0..ATTEMPTS {
            match self.store.insert_user(new) {
                Ok(Some(id)) => {
                    let user = User { id, login: new.login.to_vec(), email: new.email.to_vec() };
                    self.account_changed(&user, "create-user");
                    return Ok((user, true));
                }
                Ok(None) => {}
                Err(error) if is_lost_connection(&error) && self.reconnect() => {}
                Err(error) => return Err(error.into()),
            }
            if let Some(user) = self.find_user(UserField::Login(new.login))? {
                return Ok((user, false));
            }
            if let Some(other) = self.find_user(UserField::Email(new.email))? {
                // Made between the two looks.
                if other.login.eq_ignore_ascii_case(new.login) {
                    return Ok((other, false));
                }
                return Err(Error::EmailTaken {
                    email: String::from_utf8_lossy(new.email).into_owned(),
                    user: super::named(&other),
                });
            }
        }
        Err(Error::Conflict { user: String::from_utf8_lossy(new.login).into_owned(), attempts: ATTEMPTS })
    }

    /// The rows of one user under a key.
    ///
    /// # Errors
    /// A failing database.
    pub fn user_meta(&mut self, user: UserId, key: &str) -> Result<MetaRows, Error> {
        Ok(self.persist(|store| store.user_meta(user, key))?)
    }

    /// Sets one of a user's meta values to what `value` makes of the first row, again if somebody else changes it meanwhile.
    /// `None`: it stays. Whether anything was written.
    ///
    /// # Errors
    /// Whatever `value` says; a failing database.
    pub fn set_user_meta(
        &mut self,
        user: &User,
        key: &str,
        mut value: impl FnMut(Option<&[u8]>) -> Result<Option<Vec<u8>>, Error>,
    ) -> Result<bool, Error> {
        for _ in 0..ATTEMPTS {
            let rows = self.user_meta(user.id, key)?;
            let old = rows.first().and_then(|row| row.value.as_deref());
            let Some(new) = value(old)? else { return Ok(false) };
            if !rows.is_empty() && rows.iter().all(|row| row.value.as_deref() == Some(&new)) {
                return Ok(false);
            }
            match self.store.replace_user_meta(user.id, key, &rows, &new, None) {
                Ok(Swap::Done) => return Ok(true),
                Ok(Swap::Lost) => {}
                // Whether it was saved shows in the next look.
                Err(error) if matches!(error, StoreError::Unknown(_)) && self.reconnect() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Conflict { user: super::named(user), attempts: ATTEMPTS })
    }

    /// Makes WordPress look again at a user's rows, and leaves a record.
    pub fn account_changed(&mut self, user: &User, action: &'static str) {
        self.forget(&object_cache::of_account(user.id.0));
        self.run_command(user);
        if let Some(journal) = self.aftercare.journal {
            journal.record(&Event {
                action,
                user_id: user.id.0,
                user_login: &user.login,
                uuid: b"",
                name: b"",
                outcome: "done",
            });
        }
    }
}
