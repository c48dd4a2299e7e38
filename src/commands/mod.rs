//! One file for each verb: its arguments, and what happens.
//!
//! A verb gets a [`Context`] and says how it ended with an [`Outcome`] or an [`Error`]. Verbs know neither
//! SQL nor PHP's formats.

use std::ffi::{OsStr, OsString};
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::application_passwords::{Aftercare, ApplicationPasswords, Reach, Rules, Watch, is_empty};
use crate::error::{Bytes, Error};
use crate::journal::Journal;
use crate::object_cache::{ObjectCache, Plan};
use crate::output::Output;
use crate::sink::Sink;
use crate::site::object_cache::Remedy;
use crate::site::{FixedAddress, Site};
use crate::store::{Address, Autoload, Store, User, UserField, UserId};
use crate::wordpress::cron;
use crate::wordpress::object_cache::{Scope, of_every_request};
use crate::wordpress::roles::{self, Membership, RoleMap};
use crate::wordpress::sanitize;
use crate::wordpress::schema;
use crate::wordpress::version::{self, DbVersionEvidence, Evidence, Source, WordPressVersion};

pub mod after_write;
pub mod audit;
pub mod authorize;
pub mod completions;
pub mod create;
pub mod delete;
pub mod discover;
pub mod doctor;
pub mod duration;
pub mod enforcer;
pub mod ensure;
pub mod exists;
pub mod get;
pub mod identify;
pub mod list;
pub mod man;
pub mod password_input;
pub mod provision;
pub mod prune;
pub mod record_usage;
pub mod replacement;
pub mod revoke_all;
pub mod rotate;
pub mod rows;
pub mod selection;
pub mod sink_args;
pub mod site;
pub mod suspend;
pub mod terms_args;
pub mod update;
pub mod verify;

/// How a verb ended when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done, or the answer is yes.
    Done,
    /// The answer is no (`exists`), or some of what was asked could not be done (`delete`).
    No,
    /// `--dry-run` found something to change.
    Pending,
    /// Of several, some could not be done.
    SomeFailed,
    /// The answer is no, and it is certain (`verify`, `identify`, `discover`, `authorize`): an outage never reads as this.
    Negative,
    /// The answer could not be found, which was said.
    Unknown,
    /// `audit` found something that is news.
    Findings,
    /// A code of the interface of Nagios's plugins.
    Plugin(u8),
}

impl Outcome {
    /// The exit code that scripts see.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::No => ExitCode::from(1),
            Self::SomeFailed => ExitCode::from(3),
            Self::Negative => ExitCode::from(4),
            Self::Unknown => ExitCode::from(1),
            Self::Pending | Self::Findings => ExitCode::from(2),
            Self::Plugin(code) => ExitCode::from(code),
        }
    }
}

/// Whom `--user` names, as WP-CLI takes what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActingUser {
    /// `--user=text`: an id, a login or an address.
    Named(OsString),
    /// WP-CLI: a bare `--user` is PHP's true, which is no number but reads `1`: only a login.
    Login(OsString),
    /// WP-CLI: `--no-user` looks for a user without a name.
    Nobody,
}

/// What every verb works with.
pub struct Context<'a> {
    /// The site's database.
    pub store: &'a mut dyn Store,
    /// The standard streams.
    pub out: &'a mut Output<'static>,
    /// What was found of the site outside its database.
    pub site: &'a Site,
    /// Unix seconds, UTC.
    pub now: i64,
    /// WordPress's persistent object cache, as far as it is known.
    pub cache: Cache,
    /// `--after-write`: told of each user whose list was written.
    pub after_write: Option<AfterWrite>,
    /// `--confirm`, `--no-confirm`
    pub watch: Watch,
    /// Where a record of each change goes.
    pub journal: Journal,
    /// `--journal-required`
    pub journal_required: bool,
    /// Whom an argument named last.
    pub subject: Option<User>,
    /// `--replace-unreadable`
    pub replace_unreadable: bool,
    /// `WP_CLI_FORCE_USER_LOGIN`: a user argument is a login, never an id or an address.
    pub force_login: bool,
    /// Standard output was closed, or open for reading only, when the program started.
    pub stdout_closed: bool,
    /// Whether a question can be asked: stdin is a terminal.
    pub interactive: bool,
}

impl Context<'_> {
    /// The operations on this site's application passwords.
    pub fn passwords(&mut self) -> ApplicationPasswords<'_> {
        let reach = self.reach();
        let aftercare = Aftercare {
            other_cache: matches!(self.cache, Cache::OutOfReach { .. }),
            cache: match &mut self.cache {
                Cache::Open { cache, .. } => Some(cache),
                Cache::None | Cache::Unseen | Cache::Planned { .. } | Cache::OutOfReach { .. } => None,
            },
            command: self
                .after_write
                .as_ref()
                .map(|command| command as &dyn Fn(&[UserId]) -> Result<(), String>),
            reach,
            watch: self.watch,
            journal: Some(&self.journal),
        };
        ApplicationPasswords::new(self.store, self.replace_unreadable, aftercare)
    }

    /// Who may write to the site's tables besides this program.
    fn reach(&self) -> Reach {
        let Site { address, content_dir, is_sandbox, .. } = self.site;
        match (address, content_dir) {
            _ if *is_sandbox => Reach::Nobody,
            (Address::Mysql(_), Some(content)) if content.join("db.php").exists() => Reach::SeveralServers,
            (Address::Mysql(_), Some(_)) => Reach::OneAccount,
            _ => Reach::AnyAccount,
        }
    }

    /// The user that an argument means, as WP-CLI's `Fetchers\User` finds it.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], or a failing database.
    pub fn find_user(&mut self, argument: &OsStr) -> Result<User, Error> {
        self.subject = None;
        let user = self.look_up(argument)?;
        self.subject = Some(user.clone());
        Ok(user)
    }

    fn look_up(&mut self, argument: &OsStr) -> Result<User, Error> {
        let given = argument.as_bytes();
        let shown = || Bytes(given.to_vec());
        if self.force_login {
            return self.by_login(given)?.ok_or_else(|| Error::UnknownLogin(shown()));
        }
        let user = if let Some(id) = sanitize::php_is_numeric(given) {
            // WP-CLI: a number is an id and nothing else, even if it is somebody's login.
            let user = match u64::try_from(id) {
                Ok(id) if id > 0 => self.store.find_user(UserField::Id(UserId(id)))?,
                _ => None,
            };
            if user.is_some() && self.by_login(given)?.is_some() {
                self.out.warning(format!(
                    "Ambiguous user match detected (both ID and user_login exist for identifier '{id}'). \
                     WP-CLI will default to the ID, but you can force user_login instead with \
                     WP_CLI_FORCE_USER_LOGIN=1."
                ));
            }
            user
        } else if sanitize::is_email(given) {
            match self.store.find_user(UserField::Email(given))? {
                None => self.by_login(given)?,
                found => found,
            }
        } else {
            self.by_login(given)?
        };
        user.ok_or_else(|| Error::UnknownUser(shown()))
    }

    /// The user that `--user` names, who has to exist.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], or a failing database.
    pub fn find_acting_user(&mut self, user: &ActingUser) -> Result<User, Error> {
        let (found, given): (Option<User>, &[u8]) = match user {
            ActingUser::Named(argument) => return self.find_user(argument),
            ActingUser::Login(login) => (self.by_login(login.as_bytes())?, login.as_bytes()),
            ActingUser::Nobody => (None, b""),
        };
        let given = Bytes(given.to_vec());
        found.ok_or(if self.force_login { Error::UnknownLogin(given) } else { Error::UnknownUser(given) })
    }

    /// WordPress: `get_user_by( 'login' )` sanitizes what it looks for; the comparison is the column's.
    fn by_login(&mut self, given: &[u8]) -> Result<Option<User>, Error> {
        let login = sanitize::sanitize_user(given);
        if login.is_empty() {
            return Ok(None);
        }
        Ok(self.store.find_user(UserField::Login(&login))?)
    }

    /// What is known of the site's version: the files that run, else what the last update check and the
    /// layout of the database say.
    ///
    /// # Errors
    /// A failing database.
    pub fn evidence(&mut self) -> Result<Evidence, Error> {
        let file = self.site.version_php.as_ref();
        let evidence = match file.and_then(|file| WordPressVersion::parse(&file.wp_version)) {
            Some(version) => {
                Evidence { version: Some(version), source: Source::VersionFile, ..Evidence::UNKNOWN }
            }
            None => evidence_in_database(self.store)?,
        };
        self.out.debug("version", evidence.to_string());
        Ok(evidence)
    }

    /// `--expect-url`: stops unless the database's `siteurl` or `home` is that address. The scheme, its usual port,
    /// letter case of the host and a slash at the end do not count.
    ///
    /// # Errors
    /// [`Error::OtherSite`], or a failing database.
    pub fn expect_url(&mut self, expected: &str) -> Result<(), Error> {
        let mut found = Vec::new();
        for option in ["siteurl", "home"] {
            let value = self.store.option(option)?.unwrap_or_default();
            let value = String::from_utf8_lossy(&value).into_owned();
            if !value.is_empty() && same_site(&value, expected) {
                return Ok(());
            }
            found.push(format!("its {option} is {}", if value.is_empty() { "not set" } else { &value }));
        }
        Err(Error::OtherSite { expected: expected.to_owned(), found: found.join(" and ") })
    }

    /// Whether a user is a super admin of this network, whom no role restricts.
    ///
    /// # Errors
    /// A failing database.
    pub fn is_super_admin(&mut self, user: &User) -> Result<bool, Error> {
        if self.store.description().network.is_none() {
            return Ok(false);
        }
        Ok(self.super_admins()?.contains(&user.login))
    }

    /// `get_super_admins()`: the logins of a network's super admins.
    ///
    /// # Errors
    /// A failing database.
    pub fn super_admins(&mut self) -> Result<Vec<Vec<u8>>, Error> {
        if let Some(logins) = &self.site.super_admins {
            return Ok(logins.clone());
        }
        Ok(roles::super_admins(self.store.network_option(schema::SITE_ADMINS)?.as_deref()))
    }

    /// What a user is on this site, by the site's own roles.
    ///
    /// # Errors
    /// A failing database.
    pub fn membership(&mut self, user: &User) -> Result<Membership, Error> {
        let prefix = self.site.tables.blog_prefix();
        let map = self.store.option(&format!("{prefix}{}", schema::USER_ROLES_SUFFIX))?;
        let rows = self.store.user_meta(user.id, &format!("{prefix}{}", schema::CAPABILITIES_SUFFIX))?;
        let stored = rows.first().and_then(|row| row.value.as_deref());
        Ok(RoleMap::read(map.as_deref()).membership(stored))
    }

    /// `siteurl` and `home`, as WordPress has them: what the configuration fixes counts, except on a network, whose
    /// sites each have their own in the database. An address that is not set is empty.
    ///
    /// # Errors
    /// A failing database.
    pub fn addresses(&mut self) -> Result<[(&'static str, FixedAddress); 2], Error> {
        let network = self.store.description().network.is_some();
        let mut address = |name: &'static str, fixed: &FixedAddress| -> Result<_, Error> {
            if !network && *fixed != FixedAddress::No {
                return Ok((name, fixed.clone()));
            }
            let stored = self.store.option(name)?.unwrap_or_default();
            Ok((name, FixedAddress::Known(String::from_utf8_lossy(&stored).into_owned())))
        };
        let site = self.site;
        Ok([address(schema::SITE_URL, &site.site_url)?, address(schema::HOME, &site.home)?])
    }

    /// The site's address, for what hands a password over: `home`, else `siteurl`, else `--url`. A constant counts more
    /// than the database, which may be a copy of another site's; one that is not known here counts for nothing.
    ///
    /// # Errors
    /// A failing database.
    pub fn site_url(&mut self) -> Result<Option<String>, Error> {
        let network = self.store.description().network.is_some();
        let fixed = [(schema::HOME, &self.site.home), (schema::SITE_URL, &self.site.site_url)];
        for (option, fixed) in fixed {
            let value = match fixed {
                FixedAddress::Known(address) if !network => Some(address.clone()),
                _ => self.store.option(option)?.and_then(|value| String::from_utf8(value).ok()),
            };
            if let Some(value) = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
            {
                return Ok(Some(value));
            }
        }
        Ok(self.site.url.clone())
    }

    /// Takes a new entry back whose password did not reach `sink`, and says so.
    pub fn take_back(&mut self, user: &User, uuid: &str, sink: &Sink, reason: String) -> Error {
        let done = sink.done();
        match self.passwords().withdraw(user, uuid.as_bytes()) {
            Ok(()) => Error::NotDelivered { done, reason },
            Err(cause) => Error::NotTakenBack {
                done,
                reason,
                cause: cause.cause(),
                user: user.id.0,
                uuid: uuid.to_owned(),
            },
        }
    }

    /// Asks a question that only `y` or `yes` affirms.
    ///
    /// # Errors
    /// A closed standard stream.
    pub fn confirm(&mut self, question: &str) -> Result<bool, Error> {
        self.out.ask(format!("{question} [y/n] "))?;
        // Bytes: what is no text is no, and no error.
        let mut answer = Vec::new();
        std::io::stdin().lock().read_until(b'\n', &mut answer)?;
        Ok(matches!(answer.trim_ascii(), b"y" | b"Y" | b"yes" | b"Yes"))
    }

    /// Says what a careful person should know about a user's stored list.
    pub fn warn_of(&mut self, concerns: Vec<String>) {
        for concern in concerns {
            self.out.warning(concern);
        }
    }

    /// Connects to the object cache before something is written, so that one that does not answer is known first.
    /// A verb that writes calls this, or [`Self::prepare_addition`], before it does.
    ///
    /// # Errors
    /// A failing database, which is asked for signs of a cache where the site's files are out of sight.
    pub fn prepare_write(&mut self) -> Result<(), Error> {
        self.open_journal()?;
        self.reach_cache()
    }

    /// Connects to the object cache, if that was not done yet. Changes nothing.
    ///
    /// # Errors
    /// A failing database, which is asked for signs of a cache where the site's files are out of sight.
    pub fn reach_cache(&mut self) -> Result<(), Error> {
        if matches!(self.cache, Cache::Unseen) {
            self.cache = self.suspicion()?;
        }
        let Cache::Planned { plan, name, remedy } = &self.cache else { return Ok(()) };
        let remedy = *remedy;
        let description = self.store.description();
        let network = description.network.as_ref().map(|(_, id)| *id);
        let tables = &self.site.tables;
        let scope = Scope {
            table_prefix: tables.prefix.clone(),
            multisite: network.is_some(),
            blog_id: tables.blog_id.max(1),
            shared_users: tables.users.is_some() && tables.usermeta.is_some(),
        };
        self.out.debug("cache", format!("{name}: {plan}"));
        if tables.usermeta.is_some() {
            self.out.warning(
                "This site keeps its users in tables of its choice (CUSTOM_USER_META_TABLE). If another site uses them \
                 too, that site's object cache is not told of the change: run the command there too, or flush it.",
            );
        }
        let known = of_every_request(network);
        self.cache = match ObjectCache::open(plan.clone(), scope, known) {
            Ok(cache) => Cache::Open { cache, name: name.clone(), remedy },
            Err(error) => Cache::OutOfReach { name: name.clone(), reason: error.to_string(), remedy },
        };
        Ok(())
    }

    /// A journal that cannot be written is a warning, or stops the command before it changes anything.
    fn open_journal(&mut self) -> Result<(), Error> {
        if self.journal.is_open() {
            return Ok(());
        }
        // A record is worth more than a complete one.
        let site = self.site_url().ok().flatten().unwrap_or_default();
        self.journal.open(site, self.store.description().place.clone(), self.journal_required);
        tell_of_journal(&self.journal, self.journal_required, false, self.out)
    }

    /// Before one more of several changes: with `--journal-required` nothing is changed whose record would be missing.
    ///
    /// # Errors
    /// [`Error::Journal`]
    pub fn journal_is_ready(&self) -> Result<(), Error> {
        let Some(reason) = self.journal.lacks_room().filter(|_| self.journal_required) else { return Ok(()) };
        let file = self.journal.file().map_or_else(String::new, |file| file.display().to_string());
        Err(Error::Journal { file, reason, done: "Nothing more was changed, as --journal-required asks." })
    }

    /// Tells the journal of a change that was not made, unless it has more such records than the `told` of before.
    ///
    /// `user`: whose entries; else the last one that an argument named.
    pub fn note_failure(&mut self, told: usize, user: Option<&User>, error: &Error) {
        let Some(outcome) = error.outcome().filter(|_| self.journal.failures() == told) else { return };
        if !self.journal.is_open() {
            let site = self.site_url().ok().flatten().unwrap_or_default();
            self.journal.open(site, self.store.description().place.clone(), false);
            // Nothing was changed, so no record of a change is missing.
            let _ = tell_of_journal(&self.journal, false, false, self.out);
        }
        let user = user.or(self.subject.as_ref());
        let (id, login) = user.map_or((0, &b""[..]), |user| (user.id.0, &user.login));
        self.journal.failure(id, login, &outcome);
    }

    /// Ends a run: whether the journal has all records.
    ///
    /// # Errors
    /// [`Error::Journal`] with `--journal-required`.
    pub fn end_journal(&mut self) -> Result<(), Error> {
        tell_of_journal(&self.journal, self.journal_required, true, self.out)
    }

    /// The same, and stops before something is added that the object cache would hide, and undo.
    ///
    /// # Errors
    /// [`Error::CachedAddition`]
    pub fn prepare_addition(&mut self) -> Result<(), Error> {
        self.prepare_write()?;
        match &self.cache {
            Cache::OutOfReach { name, reason, remedy } if self.after_write.is_none() => {
                Err(Error::CachedAddition {
                    cache: name.clone(),
                    reason: reason.clone(),
                    command: remedy.command,
                    server: remedy.server,
                })
            }
            _ => Ok(()),
        }
    }

    /// `--db` alone: what in the database speaks for an object cache.
    fn suspicion(&mut self) -> Result<Cache, Error> {
        let plugins = self.store.option(schema::ACTIVE_PLUGINS)?.unwrap_or_default();
        let network = match self.store.description().network {
            Some(_) => self.store.network_option(schema::ACTIVE_SITEWIDE_PLUGINS)?.unwrap_or_default(),
            None => Vec::new(),
        };
        let contains =
            |value: &[u8], text: &str| value.windows(text.len()).any(|window| window == text.as_bytes());
        let is_active = |folder: &str| {
            contains(&plugins, &format!("\"{folder}/")) || contains(&network, &format!("\"{folder}/"))
        };
        let mut active = schema::OBJECT_CACHE_PLUGINS.into_iter().find(|folder| is_active(folder));
        for (folder, option) in schema::OPTIONAL_OBJECT_CACHES {
            if active.is_none() && is_active(folder) {
                let is_on = self.store.option(option)?.is_some_and(|value| !is_empty(value.trim_ascii()));
                active = is_on.then_some(folder);
            }
        }
        let name = match active {
            Some(folder) => format!("the plugin {folder} is active"),
            // WordPress: the update check leaves a transient: in the database, or in an object cache where there
            // is one. On a site that is some days old it ran, if its next time lies ahead.
            None => {
                let tasks = self.store.option(schema::CRON)?.unwrap_or_default();
                let has_run =
                    cron::next_run(&tasks, schema::UPDATE_CHECK).is_some_and(|next| next > self.now);
                // What is left of the time before the cache tells nothing: only what is new, or has not expired.
                let checked = self.store.network_option(schema::UPDATE_TRANSIENT)?;
                let checked = checked.and_then(|transient| version::update_checked_at(&transient));
                let recent = checked.is_some_and(|at| at > self.now - 2 * 86_400);
                if !has_run
                    || recent
                    || self.store.has_site_transients(self.now)?
                    || !self.store.is_older_than(2)?
                {
                    return Ok(Cache::None);
                }
                "WordPress checks for updates and keeps no transients that are still valid in the database"
                    .into()
            }
        };
        Ok(Cache::OutOfReach {
            name,
            reason: "the site's files are out of sight with --db (--path shows them, and --no-cache says that there is no \
                     object cache)"
                .into(),
            remedy: Remedy::UNSEEN,
        })
    }

    /// Whether there is an object cache that is told.
    pub fn is_cached(&self) -> bool {
        matches!(self.cache, Cache::Open { .. })
    }

    /// Whether an object cache may hold what the database does not.
    pub fn may_be_cached(&self, trouble: Option<&str>) -> bool {
        trouble.is_some() || (matches!(self.cache, Cache::OutOfReach { .. }) && self.after_write.is_none())
    }

    /// Ends a change that was no revocation.
    ///
    /// # Errors
    /// [`Error::StaleCache`]
    pub fn saved(&mut self, trouble: Option<String>, done: &str) -> Result<(), Error> {
        match trouble {
            Some(reason) if matches!(self.cache, Cache::None) => {
                Err(Error::AfterWrite { done: done.trim_end_matches('.').to_owned(), reason })
            }
            Some(reason) => Err(Error::StaleCache { reason }),
            None => self.succeed(done),
        }
    }

    /// Says `done` as a success. Where that cannot be said, it is done all the same.
    fn succeed(&mut self, done: &str) -> Result<(), Error> {
        self.out.success(done).and_then(|()| self.out.flush()).map_err(|error| Error::Untold {
            done: done.trim_end_matches('.').to_owned(),
            reason: error.to_string(),
        })
    }

    /// Ends a revocation: says `done` as a success, or that an object cache may keep it from counting.
    ///
    /// # Errors
    /// [`Error::CachedRevocation`]
    pub fn revoked(&mut self, trouble: Option<String>, done: &str) -> Result<(), Error> {
        self.check_revocation(trouble, done)?;
        self.succeed(&format!("{done}."))
    }

    /// The same without a word where all is well.
    ///
    /// # Errors
    /// [`Error::CachedRevocation`]
    pub fn check_revocation(&self, trouble: Option<String>, done: &str) -> Result<(), Error> {
        let (cache, reason, flush) = match (&self.cache, trouble) {
            (Cache::Open { name, remedy, .. } | Cache::OutOfReach { name, remedy, .. }, Some(reason)) => {
                (name.clone(), reason, remedy.flush)
            }
            (Cache::OutOfReach { name, reason, remedy }, None) if self.after_write.is_none() => {
                (name.clone(), reason.clone(), remedy.flush)
            }
            (_, Some(reason)) => return Err(Error::AfterWrite { done: done.to_owned(), reason }),
            (_, None) => return Ok(()),
        };
        Err(Error::CachedRevocation { done: done.to_owned(), cache, reason, flush })
    }
}

/// `--after-write`
pub type AfterWrite = Box<dyn Fn(&[UserId]) -> Result<(), String>>;

/// WordPress's persistent object cache, from the view of a command.
pub enum Cache {
    /// There is none, or the user answers for it (`--cache=ignore`, `--no-cache`).
    None,
    /// Not known: only the database was named. It is asked before the first write.
    Unseen,
    /// There is one, not connected to yet.
    Planned {
        /// How its entries are reached.
        plan: Plan,
        /// `Redis Object Cache (/srv/www/wp-content/object-cache.php)`.
        name: String,
        /// What to do where it is not reached.
        remedy: Remedy,
    },
    /// Connected.
    Open {
        /// The connection.
        cache: ObjectCache,
        /// `Redis Object Cache (/srv/www/wp-content/object-cache.php)`.
        name: String,
        /// What to do where it fails.
        remedy: Remedy,
    },
    /// Its entries cannot be deleted.
    OutOfReach {
        /// `Redis Object Cache (/srv/www/wp-content/object-cache.php)`.
        name: String,
        /// Why not: a clause.
        reason: String,
        /// What to do where it fails.
        remedy: Remedy,
    },
}

/// Says that the journal could not be opened, or, at the end of what was done (`done`), that records are missing.
///
/// # Errors
/// [`Error::Journal`] if it is `required`.
pub fn tell_of_journal(
    journal: &Journal,
    required: bool,
    done: bool,
    out: &mut Output<'static>,
) -> Result<(), Error> {
    let Some(reason) = journal.take_trouble() else { return Ok(()) };
    let file = journal.file().map_or_else(String::new, |file| file.display().to_string());
    let missing = "What was done is done, but its record is missing there.";
    match (required, done) {
        (true, true) => Err(Error::Journal { file, reason, done: missing }),
        (true, false) => {
            Err(Error::Journal { file, reason, done: "Nothing was changed, as --journal-required asks." })
        }
        (false, true) => {
            out.warning(format!("The journal {file} can't be written: {reason}. {missing}"));
            Ok(())
        }
        (false, false) => {
            out.warning(format!("The journal {file} can't be written: {reason}."));
            Ok(())
        }
    }
}

/// The time now, in Unix seconds, UTC.
pub fn unix_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// What the last update check and the layout of the database say of a site's version.
///
/// # Errors
/// A failing database.
pub fn evidence_in_database(store: &mut dyn Store) -> Result<Evidence, Error> {
    let checked = store.network_option(schema::UPDATE_TRANSIENT)?;
    let checked = checked.and_then(|transient| version::from_update_transient(&transient));
    let number = store.option(schema::DB_VERSION)?;
    let number = number.and_then(|number| std::str::from_utf8(&number).ok()?.trim().parse().ok());
    let mut db_version = number.map(version::from_db_version);
    // WordPress: 5.7 and newer look for HTTPS twice a day and keep what they found in this option.
    if let Some(DbVersionEvidence::Before68 { oldest: oldest @ "5.6", .. }) = &mut db_version
        && store.option("https_detection_errors")?.is_some()
    {
        *oldest = "5.7";
    }
    Ok(Evidence {
        source: match (&checked, number) {
            (Some(_), _) => Source::UpdateCheck,
            (None, Some(_)) => Source::DbVersion,
            (None, None) => Source::None,
        },
        version: checked,
        db_version,
        has_hash_of_68: false,
    })
}

fn same_site(a: &str, b: &str) -> bool {
    fn parts(url: &str) -> (String, &str) {
        let (scheme, rest) = url
            .split_once("://")
            .map_or((None, url), |(scheme, rest)| (Some(scheme.to_ascii_lowercase()), rest));
        let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
        let host = host.to_ascii_lowercase();
        // The port that the scheme means anyway.
        let default: &[&str] = match scheme.as_deref() {
            Some("http") => &[":80"],
            Some("https") => &[":443"],
            _ => &[":80", ":443"],
        };
        let bare = default.iter().find_map(|port| host.strip_suffix(port)).unwrap_or(&host);
        (bare.to_owned(), path.trim_end_matches('/'))
    }
    parts(a.trim()) == parts(b.trim())
}

/// The rules of this version of WordPress.
pub fn rules(evidence: &Evidence) -> Rules {
    Rules {
        unique_names: version::refuses_duplicate_names(evidence),
        sanitize_names: version::sanitizes_names(evidence),
        autoload: match version::autoload_for_new_option(evidence) {
            "off" => Autoload::Off,
            _ => Autoload::No,
        },
    }
}
