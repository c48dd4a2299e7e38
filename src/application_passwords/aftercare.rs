//! After a list was saved: WordPress's object cache forgets the old one, and the database is looked at again.
//!
//! WordPress takes no lock. A request that read the list before it was changed can do two things afterwards: put
//! the old list into the object cache, and write it back into the database together with a change of its own
//! (a recorded use is enough). So the cache's entry is deleted after the commit and again while the list is
//! watched, and what came back, or went missing, is put right again.

use std::time::{Duration, Instant};

use super::{ApplicationPasswords, StoredList, named};
use crate::error::Error;
use crate::journal::Journal;
use crate::object_cache::ObjectCache;
use crate::store::{Others, StoreError, Unseen, User, UserId};
use crate::wordpress::object_cache::{Entry, of_user_meta};

/// How long a list is watched where there is a reason to: a cache, or somebody else who may write.
const USUAL_WATCH: Duration = Duration::from_secs(1);

/// How long it is watched where nothing shows whether somebody else is there: most requests take less.
const SHORT_WATCH: Duration = Duration::from_millis(300);

/// The lists of so many users are deleted from the object cache in one go.
const AT_ONCE: usize = 200;

/// A command hears of so many users at once: their ids have to fit into one variable of its environment (128 KiB).
const HEARD_AT_ONCE: usize = 5_000;

/// How often a list that somebody else keeps overwriting is put right.
const MOST_REPAIRS: u32 = 20;

/// How long a list is watched after it was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watch {
    /// A second where there is an object cache or somebody else wrote too. Else until every connection that was open
    /// when the change was saved has ended, a second at most; 0.3 seconds where such connections cannot be seen and
    /// nobody writes.
    #[default]
    Auto,
    /// `--confirm=SECONDS`
    For(Duration),
    /// `--no-confirm`
    Never,
}

/// Who may write to the same tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reach {
    /// A WordPress whose account on the server is another one, perhaps.
    #[default]
    AnyAccount,
    /// A WordPress with this account, on this server.
    OneAccount,
    /// A WordPress that reads from other servers than it writes to.
    SeveralServers,
    /// Nobody: the sandbox.
    Nobody,
}

/// A command that is told of a user whose list was written; why it failed is a clause.
pub type Command<'a> = &'a dyn Fn(&[UserId]) -> Result<(), String>;

/// What makes WordPress agree with what was saved.
#[derive(Default)]
pub struct Aftercare<'a> {
    /// The cache whose entries are deleted.
    pub cache: Option<&'a mut ObjectCache>,
    /// A cache is there, or suspected, whose entries cannot be deleted.
    pub other_cache: bool,
    /// Where those who may write as well are to be looked for.
    pub reach: Reach,
    /// `--after-write`: flushes a cache in its own way.
    pub command: Option<Command<'a>>,
    /// How long the list is watched.
    pub watch: Watch,
    /// Where a record of each change goes.
    pub journal: Option<&'a Journal>,
}

impl Aftercare<'_> {
    /// Whether WordPress may go by something else than the database.
    pub(super) fn has_cache(&self) -> bool {
        self.cache.is_some() || self.other_cache || self.command.is_some()
    }
}

/// Looks at the list and puts it right. Whether it had to.
pub(super) type Check<'c, 's> =
    dyn FnMut(&mut ApplicationPasswords<'s>, &StoredList) -> Result<bool, Error> + 'c;

impl<'s> ApplicationPasswords<'s> {
    /// Deletes stale entries from the object cache. What fails is kept for [`Self::take_trouble`].
    pub(super) fn forget(&mut self, stale: &[Entry]) {
        if let Some(cache) = self.aftercare.cache.as_deref_mut() {
            self.trouble = cache.forget(stale).err().map(|error| error.to_string());
        }
    }

    /// Deletes the lists of users that this run does not write from the object cache: what an earlier run saved, which failed or
    /// was killed before it told the cache, may live on there. What fails is kept for [`Self::take_trouble`].
    pub fn forget_lists(&mut self, users: &[UserId]) {
        for some in users.chunks(AT_ONCE) {
            let stale: Vec<Entry> = some.iter().flat_map(|user| of_user_meta(user.0)).collect();
            self.forget(&stale);
            if self.trouble.is_some() {
                return;
            }
        }
        // Where the cache is out of reach, the command is what tells it. A cache that is told, or none, needs no command for
        // what this run did not write.
        if let Some(command) = self.aftercare.command.filter(|_| self.aftercare.other_cache) {
            for some in users.chunks(HEARD_AT_ONCE) {
                if let Err(reason) = command(some) {
                    self.trouble = Some(reason);
                    return;
                }
            }
        }
    }

    /// Makes sure that WordPress goes by what was saved, and that it stays.
    ///
    /// # Errors
    /// [`Error::Unconfirmed`] when the database cannot be read any more, [`Error::Overwritten`] when somebody
    /// keeps writing back an older list, and whatever `check` says.
    pub(super) fn settle(
        &mut self,
        user: &User,
        contended: bool,
        stale: &[Entry],
        check: &mut Check<'_, 's>,
    ) -> Result<(), Error> {
        let outcome = self.confirm(user, contended, stale, check);
        if outcome.is_err() {
            self.note_trouble(user, "failed: the list could not be confirmed after it was saved");
        } else if self.trouble.is_some() {
            self.note_trouble(user, "failed: the object cache was not told");
        }
        outcome
    }

    fn confirm(
        &mut self,
        user: &User,
        contended: bool,
        stale: &[Entry],
        check: &mut Check<'_, 's>,
    ) -> Result<(), Error> {
        self.forget(stale);
        let cached = self.aftercare.has_cache();
        let mut others = None;
        let length = match self.aftercare.watch {
            Watch::Never => {
                self.run_command(user);
                return Ok(());
            }
            Watch::For(length) => length,
            Watch::Auto if cached || contended => USUAL_WATCH,
            Watch::Auto => {
                others = self
                    .others()
                    .map_err(|error| Error::Unconfirmed { user: named(user), reason: error.cause() })?;
                self.least_watch(others.as_ref())
            }
        };
        let mut repairs = 0;
        self.watch(user, length, others, stale, check, &mut repairs)?;
        if self.aftercare.command.is_some() {
            // What a custom flush empties may have been written back meanwhile: one more look, and once more.
            let before = repairs;
            self.run_command(user);
            self.watch(user, Duration::ZERO, None, stale, check, &mut repairs)?;
            if repairs > before {
                self.run_command(user);
            }
        }
        if repairs > 0 {
            let times = if repairs == 1 { "once".to_owned() } else { format!("{repairs} times") };
            self.notes.push(format!(
                "WordPress, or another program, wrote an older list of the application passwords of user {} back \
                 {times} while this change was being confirmed. The change was made again, and holds.",
                named(user)
            ));
        }
        Ok(())
    }

    fn watch(
        &mut self,
        user: &User,
        length: Duration,
        mut others: Option<Others>,
        stale: &[Entry],
        check: &mut Check<'_, 's>,
        repairs: &mut u32,
    ) -> Result<(), Error> {
        let began = Instant::now();
        let mut deadline = began + length;
        let mut pause = Duration::from_millis(10);
        loop {
            let unconfirmed = |error: Error| match error {
                Error::Store(error) => Error::Unconfirmed { user: named(user), reason: error.cause() },
                Error::Uncertain { cause, .. } => Error::Unconfirmed { user: named(user), reason: cause },
                Error::Conflict { attempts, .. } => {
                    Error::Overwritten { user: named(user), repairs: attempts }
                }
                other => other,
            };
            let list = self.read(user.id).map_err(unconfirmed)?;
            if check(self, &list).map_err(unconfirmed)? {
                *repairs += 1;
                if *repairs > MOST_REPAIRS {
                    return Err(Error::Overwritten { user: named(user), repairs: MOST_REPAIRS });
                }
                self.forget(stale);
                // Somebody is at it: from now on there is a reason to watch.
                deadline = Instant::now() + length.max(USUAL_WATCH);
                pause = Duration::from_millis(10);
                others = None;
                continue;
            }
            let mut left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let Some(then) = others.take().filter(|_| began.elapsed() < USUAL_WATCH) else {
                    return Ok(());
                };
                if !self.are_still_there(&then) {
                    // Who ended meanwhile may have written before: one more look.
                    deadline = Instant::now();
                    if then.sessions.is_empty() {
                        return Ok(());
                    }
                    continue;
                }
                left = (began + USUAL_WATCH).saturating_duration_since(Instant::now());
                others = Some(then);
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(200));
            self.forget(stale);
        }
    }

    /// Who else is there right after a write; `None` where nobody can be.
    fn others(&mut self) -> Result<Option<Others>, StoreError> {
        let foreign = match self.aftercare.reach {
            Reach::Nobody => return Ok(None),
            Reach::OneAccount => false,
            Reach::AnyAccount | Reach::SeveralServers => true,
        };
        self.persist(|store| store.others(foreign)).map(Some)
    }

    /// How long a list is watched in any case.
    fn least_watch(&self, others: Option<&Others>) -> Duration {
        match (others.map(|others| others.unseen), self.aftercare.reach) {
            (None, _) => Duration::ZERO,
            (Some(Unseen::Servers), _) | (_, Reach::SeveralServers) => USUAL_WATCH,
            (Some(Unseen::Connections), _) => SHORT_WATCH,
            (Some(Unseen::Nothing), _) => Duration::ZERO,
        }
    }

    /// Whether one of those may still write what it read before.
    fn are_still_there(&mut self, then: &Others) -> bool {
        if then.sessions.is_empty() && then.unseen == Unseen::Nothing {
            return false;
        }
        // A database that does not answer any more is told of by the look that follows.
        let now = self.others().ok().flatten().unwrap_or_default();
        now.version != then.version || now.sessions.intersection(&then.sessions).next().is_some()
    }

    /// Runs `--after-write`. What fails is kept for [`Self::take_trouble`].
    pub(super) fn run_command(&mut self, user: &User) {
        if let Some(command) = self.aftercare.command {
            self.trouble = match (command(&[user.id]), self.trouble.take()) {
                (Err(reason), _) => Some(reason),
                // The command was given because the cache is out of reach; where it is not, both must work.
                (Ok(()), trouble) => trouble,
            };
        }
    }
}
