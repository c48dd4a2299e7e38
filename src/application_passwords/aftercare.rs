//! After a list was saved: WordPress's object cache forgets the old one, and the database is looked at again.
//!
//! WordPress takes no lock. A request that read the list before it was changed can do two things afterwards: put
//! the old list into the object cache, and write it back into the database together with a change of its own
//! (a recorded use is enough). So the cache's entry is deleted after the commit and again while the list is
//! watched, and what came back, or went missing, is put right again.

use std::time::{Duration, Instant};

use super::{ApplicationPasswords, StoredList, named};
use crate::error::Error;
use crate::object_cache::ObjectCache;
use crate::store::{User, UserId};
use crate::wordpress::object_cache::Entry;

/// How long a list is watched where there is a reason to: a cache, or somebody else who writes.
const USUAL_WATCH: Duration = Duration::from_secs(1);

/// How often a list that somebody else keeps overwriting is put right.
const MOST_REPAIRS: u32 = 20;

/// How long a list is watched after it was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Watch {
    /// A second where there is an object cache or somebody else wrote too, else one look.
    #[default]
    Auto,
    /// `--confirm=SECONDS`
    For(Duration),
    /// `--no-confirm`
    Never,
}

/// A command that is told of a user whose list was written; why it failed is a clause.
pub type Command<'a> = &'a dyn Fn(UserId) -> Result<(), String>;

/// What makes WordPress agree with what was saved.
#[derive(Default)]
pub struct Aftercare<'a> {
    /// The cache whose entries are deleted.
    pub cache: Option<&'a mut ObjectCache>,
    /// A cache is there, or suspected, whose entries cannot be deleted.
    pub other_cache: bool,
    /// `--after-write`: flushes a cache in its own way.
    pub command: Option<Command<'a>>,
    /// How long the list is watched.
    pub watch: Watch,
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
        self.forget(stale);
        let cached = self.aftercare.has_cache();
        let length = match self.aftercare.watch {
            Watch::Never => {
                self.run_command(user);
                return Ok(());
            }
            Watch::For(length) => length,
            Watch::Auto if cached || contended => USUAL_WATCH,
            Watch::Auto => Duration::ZERO,
        };
        let mut repairs = 0;
        self.watch(user, length, stale, check, &mut repairs)?;
        if self.aftercare.command.is_some() {
            // What a custom flush empties may have been written back meanwhile: one more look, and once more.
            let before = repairs;
            self.run_command(user);
            self.watch(user, Duration::ZERO, stale, check, &mut repairs)?;
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
        stale: &[Entry],
        check: &mut Check<'_, 's>,
        repairs: &mut u32,
    ) -> Result<(), Error> {
        let mut deadline = Instant::now() + length;
        let mut pause = Duration::from_millis(10);
        loop {
            let unconfirmed = |error: Error| match error {
                Error::Store(error) => Error::Unconfirmed { user: named(user), reason: error.to_string() },
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
                continue;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(200));
            self.forget(stale);
        }
    }

    /// Runs `--after-write`. What fails is kept for [`Self::take_trouble`].
    fn run_command(&mut self, user: &User) {
        if let Some(command) = self.aftercare.command {
            self.trouble = match (command(user.id), self.trouble.take()) {
                (Err(reason), _) => Some(reason),
                // The command was given because the cache is out of reach; where it is not, both must work.
                (Ok(()), trouble) => trouble,
            };
        }
    }
}
