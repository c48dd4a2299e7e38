//! Which application passwords of a whole site are meant: what `revoke-all`, `prune`, `suspend` and `resume` share.
//!
//! A site is walked once to find the users who have such entries, and nothing is kept of it but their ids. Then one
//! user after another is changed, and what was chosen is asked for again on the list as it is then.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::audit::{from_record, from_row, point_in_time, unless_too_long};
use super::{Context, Outcome};
use crate::application_passwords::{PlainReader, Record, Run, StoredList, Taken, named};
use crate::audit::entry::Entry;
use crate::audit::{Audit, rules::Id};
use crate::error::Error;
use crate::output::{Output, Progress, in_one_line};
use crate::store::{Account, User, UserField, UserId, UserMeta};
use crate::wordpress::password_hash::Era;
use crate::wordpress::roles::RoleMap;
use crate::wordpress::sanitize;
use crate::wordpress::schema::{APPLICATION_PASSWORDS, SUSPENDED};

/// What narrows the choice; several have to be true at once.
#[derive(Debug, Args, Default)]
#[command(next_help_heading = "Which")]
pub struct Filters {
    /// Those of this application, by the id that it gave
    #[arg(long, value_name = "uuid")]
    pub app_id: Option<OsString>,

    /// Those of this name; letter case does not count
    #[arg(long, value_name = "name")]
    pub name: Option<OsString>,

    /// Those of users with this role (of a network: on any site)
    #[arg(long, value_name = "role")]
    pub role: Option<OsString>,

    /// Those created since then, and those that do not say when: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d
    #[arg(long, value_name = "time")]
    pub created_since: Option<String>,
}

impl Filters {
    /// Whether any is given.
    pub fn is_given(&self) -> bool {
        self.app_id.is_some() || self.name.is_some() || self.role.is_some() || self.created_since.is_some()
    }

    /// What these filters choose.
    ///
    /// # Errors
    /// [`Error::Usage`] for one that is empty, or no time.
    pub fn criteria(&self, now: i64) -> Result<Criteria<'_>, Error> {
        for (name, value) in [("app-id", &self.app_id), ("name", &self.name), ("role", &self.role)] {
            // A script's empty variable would mean all that have none.
            if value.as_ref().is_some_and(|value| value.is_empty()) {
                return Err(Error::Usage(format!("--{name} is empty. Nothing was changed.")));
            }
        }
        let since = self.created_since.as_deref().map(|text| point_in_time("--created-since", text, now));
        Ok(Criteria {
            app_id: self.app_id.as_ref().map(|text| text.as_bytes()),
            name: self.name.as_ref().map(|text| text.as_bytes()),
            role: self.role.as_ref().map(|text| text.as_bytes()),
            since: since.transpose()?,
            uuids: Vec::new(),
            rules: None,
            now,
        })
    }
}

/// What an entry has to be.
#[derive(Default)]
pub struct Criteria<'a> {
    app_id: Option<&'a [u8]>,
    name: Option<&'a [u8]>,
    role: Option<&'a [u8]>,
    since: Option<i64>,
    /// One of these, if there are any.
    pub uuids: Vec<&'a [u8]>,
    /// One of these rules, if there are any.
    pub rules: Option<Rules<'a>>,
    /// Unix seconds, UTC.
    pub now: i64,
}

/// Rules, one of which has to be true.
#[derive(Default)]
pub struct Rules<'a> {
    /// Not used for so many seconds.
    pub unused_for: Option<i64>,
    /// Never used, and older than so many seconds.
    pub never_used_for: Option<i64>,
    /// Older than so many seconds.
    pub older_than: Option<i64>,
    /// Past its expiry.
    pub expired: bool,
    /// Past the date of its retirement, and what took its place is there.
    pub rotated: bool,
    /// Rules of an audit about one entry.
    pub audit: Option<&'a Audit<'a>>,
}

impl Rules<'_> {
    fn broken(&self, now: i64, list: Option<&StoredList>, entry: &Entry<'_>) -> Option<&'static str> {
        let longer = |time: i64, most: Option<i64>| most.is_some_and(|most| now.saturating_sub(time) > most);
        // One that does not say when it was created counts as old, as in an audit.
        let lived =
            |most: Option<i64>| most.is_some() && entry.created.time().is_none_or(|time| longer(time, most));
        let used = entry.last_used.time();
        if used.is_some_and(|used| longer(used, self.unused_for)) {
            return Some(Id::Unused.rule().id);
        }
        if used.is_none() && lived(self.never_used_for) {
            return Some(Id::NeverUsed.rule().id);
        }
        if lived(self.older_than) {
            return Some(Id::Old.rule().id);
        }
        let own = entry.own.as_deref().copied().unwrap_or_default();
        if self.expired && own.expires.is_some_and(|expires| expires <= now) {
            return Some(Id::Expired.rule().id);
        }
        if self.rotated
            && own.retire_at.is_some_and(|at| at <= now)
            && let (Some(list), Some(uuid)) = (list, entry.uuid.text())
            // Nobody waits for one that is out of service already: that what took its place is there does not matter.
            && (list.is_suspended() || list.due(Some(uuid), false, now).retired.iter().any(|due| due.uuid == uuid))
        {
            return Some("rotated");
        }
        self.audit.and_then(|audit| audit.breach(entry)).map(|id| id.rule().id)
    }
}

impl Criteria<'_> {
    /// Why an entry is chosen; `None`: it is not. Whose it is, is not looked at.
    fn reason(&self, list: Option<&StoredList>, entry: &Entry<'_>) -> Option<&'static str> {
        let is = |wanted: Option<&[u8]>, same: &dyn Fn(&[u8]) -> bool| wanted.is_none_or(same);
        let text =
            |own: Option<&[u8]>, wanted: &[u8]| own.is_some_and(|own| own.eq_ignore_ascii_case(wanted));
        let fits = is(self.app_id, &|wanted| text(entry.app_id.text(), wanted))
            && is(self.name, &|wanted| match entry.name.text() {
                Some(own) => sanitize::same_name(own, wanted),
                None => entry.name.is_set() && entry.name.shown().as_bytes() == wanted,
            })
            // WordPress writes always when; one that whoever put it there left out is as new as any. So says the audit.
            && self.since.is_none_or(|since| entry.created.time().is_none_or(|created| created >= since))
            && (self.uuids.is_empty() || entry.uuid.text().is_some_and(|own| self.uuids.contains(&own)));
        if !fits {
            return None;
        }
        match &self.rules {
            Some(rules) => rules.broken(self.now, list, entry),
            None => Some("chosen"),
        }
    }

    /// Whether an entry of this list is chosen.
    pub fn choose(&self, list: &StoredList, record: &Record<'_>) -> bool {
        self.reason(Some(list), &from_record(*record)).is_some()
    }

    /// Whether it matters what an entry is.
    fn looks_at_entries(&self) -> bool {
        self.app_id.is_some()
            || self.name.is_some()
            || self.since.is_some()
            || !self.uuids.is_empty()
            || self.rules.is_some()
    }
}

/// What happens to the chosen entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// They go, and suspended ones with them.
    Revoke {
        /// Suspended ones stay.
        keep_suspended: bool,
    },
    /// They go out of service.
    Suspend,
    /// Suspended ones come back.
    Resume,
}

impl Deed {
    fn verb(self) -> &'static str {
        match self {
            Self::Revoke { .. } => "revoke",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Revoke { .. } => "Revoke",
            Self::Suspend => "Suspend",
            Self::Resume => "Resume",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Revoke { .. } => "Revoked",
            Self::Suspend => "Suspended",
            Self::Resume => "Resumed",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Revoke { keep_suspended: false } => &[APPLICATION_PASSWORDS, SUSPENDED],
            Self::Revoke { keep_suspended: true } | Self::Suspend => &[APPLICATION_PASSWORDS],
            Self::Resume => &[SUSPENDED],
        }
    }
}

/// What stands between a command and what it would do.
#[derive(Debug, Args)]
#[command(next_help_heading = "Safety")]
pub struct Guard {
    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,

    /// Show what would be done and change nothing (exit code 2 if anything would)
    #[arg(long)]
    pub dry_run: bool,

    /// Change nothing if it would be more application passwords than this
    #[arg(long, value_name = "number")]
    pub max: Option<usize>,
}

/// What a walk over the site found.
#[derive(Debug, Default)]
struct Found {
    /// Who has chosen entries, each once.
    users: Vec<UserId>,
    /// Who was looked at and can log in.
    seen: Vec<UserId>,
    in_service: usize,
    suspended: usize,
    /// Whose lists cannot be read.
    unreadable: Vec<UserId>,
    /// Rows that are too long to be read.
    too_long: usize,
}

impl Found {
    fn all(&self) -> usize {
        self.in_service + self.suspended
    }

    /// What nobody could look at; `None`: there is nothing like that.
    fn unseen(&self) -> Option<String> {
        let mut ids = self.unreadable.clone();
        ids.sort_unstable();
        ids.dedup();
        let (shown, number) = (ids.iter().take(SHOWN_IDS), ids.len() + self.too_long);
        let mut shown: Vec<String> = shown.map(|id| id.to_string()).collect();
        if ids.len() > SHOWN_IDS {
            shown.push("…".into());
        }
        let which = match shown.as_slice() {
            [] => String::new(),
            shown => format!(" (user_id {})", shown.join(", ")),
        };
        (number > 0).then(|| {
            format!(
                "The lists of {} could not be read{which}, so nothing in them was looked at. `audit` says what is wrong there.",
                users(number)
            )
        })
    }
}

/// So many users are named in one sentence.
const SHOWN_IDS: usize = 10;

/// Does it to everything that is chosen: of one user, or of all users.
///
/// `always_yes`: a script has to say `--yes` also for one user.
///
/// # Errors
/// A guard that stops it, a declined question, a failing database. Of several users each is tried, and
/// [`Outcome::SomeFailed`] says that some failed.
pub fn carry_out(
    context: &mut Context<'_>,
    deed: Deed,
    criteria: &Criteria<'_>,
    only: Option<&User>,
    guard: &Guard,
    always_yes: bool,
) -> Result<Outcome, Error> {
    let asks = !guard.dry_run && !guard.yes;
    if asks && always_yes && !context.interactive {
        return Err(Error::Stopped(format!(
            "To {} without a question, say --yes; --dry-run shows what it would be. Nothing was changed.",
            deed.verb()
        )));
    }
    let found = match only {
        Some(user) => look_at(context, deed, criteria, user, guard.dry_run)?,
        None => walk(context, deed, criteria, guard.dry_run)?,
    };
    let what = |number: usize| format!("{} of {}", count(number), users(found.users.len()));
    if let Some(max) = guard.max.filter(|max| found.all() > *max) {
        return Err(Error::Stopped(format!(
            "{} would be {}, which is more than --max={max}. Nothing was changed.",
            what(found.all()),
            deed.done().to_lowercase()
        )));
    }
    if guard.dry_run {
        let suspended = match (deed, found.suspended) {
            (Deed::Revoke { .. }, 1..) => format!(", {} of them suspended", found.suspended),
            _ => String::new(),
        };
        context.out.log(format!("Would {} {}{suspended}.", deed.verb(), what(found.all())))?;
        let unseen = found.unseen();
        let outcome = match found.all() {
            1.. => Outcome::Pending,
            0 if unseen.is_some() => Outcome::SomeFailed,
            0 => Outcome::Done,
        };
        unseen.into_iter().for_each(|unseen| context.out.error(unseen));
        return Ok(outcome);
    }
    if asks && found.all() > 0 {
        if context.interactive {
            if !context.confirm(&format!("{} {}?", deed.title(), what(found.all())))? {
                return Err(Error::Declined);
            }
        } else if found.users.len() > 1 {
            return Err(Error::Stopped(format!(
                "{} would be {}: say --yes, or look first with --dry-run. Nothing was changed.",
                what(found.all()),
                deed.done().to_lowercase()
            )));
        }
    }
    match deed {
        Deed::Resume => context.prepare_addition()?,
        Deed::Revoke { .. } | Deed::Suspend => context.prepare_write()?,
    }
    if let Some(user) = only {
        let mut done = act(context, deed, criteria, user)?;
        if let Some(error) = done.trouble.take() {
            return Err(error);
        }
        done.tell(context, deed, &named(user))?;
        let Some(left) = done.left else { return Ok(Outcome::Done) };
        context.note_failure(0, Some(user), &left);
        context.out.error(left.to_string());
        return Ok(Outcome::SomeFailed);
    }
    let forgotten = forget_others(context, deed, &found);
    if found.users.is_empty() {
        forgotten?;
        act_on_all(context, deed, criteria, &found.users)?;
        return unseen_lists(context, criteria, &found, Outcome::Done);
    }
    let mut outcome = act_on_all(context, deed, criteria, &found.users)?;
    if let Err(error) = forgotten {
        context.out.error(error.to_string());
        outcome = Outcome::SomeFailed;
    }
    unseen_lists(context, criteria, &found, outcome)
}

/// Makes an object cache forget the lists of those of whom nothing is chosen: a run that was killed, or could not reach the cache,
/// may have revoked it in the database already, and nobody may take this run's success for more than it is.
fn forget_others(context: &mut Context<'_>, deed: Deed, found: &Found) -> Result<(), Error> {
    if deed == Deed::Resume {
        return Ok(());
    }
    let is_other = |id: &&UserId| found.users.binary_search(id).is_err();
    let others: Vec<UserId> = found.seen.iter().filter(is_other).copied().collect();
    let mut passwords = context.passwords();
    passwords.forget_lists(&others);
    let trouble = passwords.take_trouble();
    // A cache that is out of reach is told of with each user that is changed.
    if trouble.is_none() && !found.users.is_empty() {
        return Ok(());
    }
    context.check_revocation(trouble, &format!("All that was chosen is {}", deed.done().to_lowercase()))
}

/// Ends with what nobody could look at.
fn unseen_lists(
    context: &mut Context<'_>,
    criteria: &Criteria<'_>,
    found: &Found,
    outcome: Outcome,
) -> Result<Outcome, Error> {
    // Where every entry is meant, each such list was tried, and told of.
    if let Some(unseen) = found.unseen().filter(|_| criteria.looks_at_entries() || found.too_long > 0) {
        for id in &found.unreadable {
            if let Ok(Some(user)) = context.passwords().find_user(UserField::Id(*id)) {
                context.journal.failure(user.id.0, &user.login, "failed: the list cannot be read");
            }
        }
        context.out.error(unseen);
        return Ok(Outcome::SomeFailed);
    }
    Ok(outcome)
}

fn act_on_all(
    context: &mut Context<'_>,
    deed: Deed,
    criteria: &Criteria<'_>,
    ids: &[UserId],
) -> Result<Outcome, Error> {
    let progress = Progress::counting(context.out.terminal().stderr_is_terminal, "users");
    let (mut all, mut changed, mut failed) = (Done::default(), 0, 0);
    for (at, id) in ids.iter().enumerate() {
        progress.each(at as u64, ids.len() as u64, || {
            format!("{} {}, {failed} failed", count(all.entries), deed.done().to_lowercase())
        });
        if let Err(error) = context.journal_is_ready() {
            failed += ids.len() - at;
            progress
                .aside(|| context.out.error(format!("{error} {} left as they were.", were(ids.len() - at))));
            break;
        }
        let told = context.journal.failures();
        // Gone meanwhile, with everything.
        let outcome = match context.passwords().find_user(UserField::Id(*id)) {
            Ok(None) => continue,
            Ok(Some(user)) => {
                let done = act(context, deed, criteria, &user);
                let error = match &done {
                    Ok(done) => done.trouble.as_ref().or(done.left.as_ref()),
                    Err(error) => Some(error),
                };
                error.into_iter().for_each(|error| context.note_failure(told, Some(&user), error));
                done.map(|done| (named(&user), done)).map_err(|error| (named(&user), error))
            }
            Err(error) => Err((id.to_string(), error)),
        };
        match outcome {
            Ok((user, done)) => {
                changed += usize::from(done.entries + done.erased > 0);
                all.entries += done.entries;
                all.erased += done.erased;
                all.restricted |= done.restricted;
                failed += usize::from(done.left.is_some() || done.trouble.is_some());
                if let Some(left) = done.left {
                    progress.aside(|| context.out.error(left.to_string()));
                }
                if let Some(trouble) = done.trouble {
                    progress.aside(|| context.out.error(format!("User {user}: {trouble}")));
                }
            }
            Err((user, error)) => {
                failed += 1;
                progress.aside(|| context.out.error(format!("User {user}: {error}")));
            }
        }
    }
    drop(progress);
    let told = all.tell(context, deed, &users(changed));
    if failed > 0 {
        context.out.error(format!("{failed} of {} failed.", users(ids.len())));
    }
    told?;
    Ok(if failed > 0 { Outcome::SomeFailed } else { Outcome::Done })
}

/// What was done.
#[derive(Debug, Default)]
struct Done {
    entries: usize,
    /// Of suspended ones.
    erased: usize,
    /// There are some in service again that WordPress by itself does not restrict as they say.
    restricted: bool,
    /// Why suspended ones were not erased.
    left: Option<Error>,
    /// Why it may not count yet: an object cache that was not told.
    trouble: Option<Error>,
}

impl Done {
    fn tell(&self, context: &mut Context<'_>, deed: Deed, whose: &str) -> Result<(), Error> {
        if self.restricted {
            context.warn_of_enforcement();
        }
        let whose = if whose.contains('(') { format!("user {whose}") } else { whose.to_owned() };
        context.succeed(&format!("{} {} of {whose}.", deed.done(), count(self.entries)))?;
        tell_erased(context, self.erased)
    }
}

/// Says that what was suspended is gone for good.
///
/// # Errors
/// A closed standard output.
pub fn tell_erased(context: &mut Context<'_>, erased: usize) -> Result<(), Error> {
    match erased {
        0 => Ok(()),
        1 => Ok(context.out.log("1 suspended one was erased, and cannot be resumed.")?),
        many => Ok(context.out.log(format!("{many} suspended ones were erased, and cannot be resumed."))?),
    }
}

/// How many went, which (where that matters), and how many suspended ones.
type Acted = (usize, Vec<Taken>, Result<usize, Error>);

fn act(context: &mut Context<'_>, deed: Deed, criteria: &Criteria<'_>, user: &User) -> Result<Done, Error> {
    let me = Run::current(context.now);
    let (autoload, era) = match deed {
        Deed::Resume => {
            let evidence = context.evidence()?;
            (super::rules(&evidence).autoload, evidence.era())
        }
        Deed::Revoke { .. } | Deed::Suspend => (crate::store::Autoload::Off, Era::Unknown),
    };
    let choose = |list: &StoredList, record: &Record<'_>| criteria.choose(list, record);
    let mut passwords = context.passwords();
    let only = |changed: Vec<Taken>| (changed.len(), changed, Ok(0));
    let changed: Result<Acted, Error> = match deed {
        // Whatever is there, also what is no entry or cannot be read.
        Deed::Revoke { keep_suspended: false } if !criteria.looks_at_entries() => {
            passwords.delete_everything(user).map(|(revoked, erased)| (revoked, Vec::new(), Ok(erased)))
        }
        Deed::Revoke { keep_suspended: true } if !criteria.looks_at_entries() => {
            passwords.delete_all(user).map(|revoked| (revoked, Vec::new(), Ok(0)))
        }
        Deed::Revoke { keep_suspended: false } => passwords
            .revoke_and_erase(user, &choose)
            .map(|(revoked, erased)| (revoked.len(), revoked, erased)),
        Deed::Revoke { keep_suspended: true } => passwords.revoke_where(user, &choose).map(only),
        Deed::Suspend => passwords.suspend_where(user, &choose, &me).map(only),
        Deed::Resume => passwords.resume_where(user, &choose, &me, autoload).map(only),
    };
    let (notes, trouble) = (passwords.take_notes(), passwords.take_trouble());
    context.warn_of(notes);
    let (entries, changed, erased) = changed?;
    // The site may be an older one than when they were made.
    for (entry, reason) in changed.iter().filter_map(|entry| Some((entry, entry.refused(era)?))) {
        if deed == Deed::Resume {
            context.out.warning(format!(
                "The entry {} of user {} is in service again, but nobody can log in with it: {reason}. Give out another one.",
                String::from_utf8_lossy(&entry.uuid),
                named(user)
            ));
        }
    }
    let (erased, left) = match erased {
        Ok(erased) => (erased, None),
        Err(error) => (0, Some(error)),
    };
    let restricted = deed == Deed::Resume && changed.iter().any(|entry| entry.is_restricted);
    let trouble = match (deed, trouble) {
        (Deed::Resume, reason) => reason.map(|reason| Error::StaleCache { reason }),
        (_, trouble) => {
            let said = format!("{} {} of user {}", deed.done(), count(entries), named(user));
            context.check_revocation(trouble, &said).err()
        }
    };
    Ok(Done { entries, erased, restricted, left, trouble })
}

/// One user's lists.
fn look_at(
    context: &mut Context<'_>,
    deed: Deed,
    criteria: &Criteria<'_>,
    user: &User,
    shows: bool,
) -> Result<Found, Error> {
    let mut found = Found { users: vec![user.id], ..Found::default() };
    for key in deed.keys() {
        let mut passwords = context.passwords();
        let is_suspended = *key == SUSPENDED;
        let list = if is_suspended { passwords.read_suspended(user.id)? } else { passwords.read(user.id)? };
        if !is_suspended {
            let concerns = list.concerns(user);
            if deed == Deed::Suspend || criteria.looks_at_entries() {
                list.must_be_readable(user)?;
            }
            passwords.refuse_unreadable(user, &list)?;
            context.warn_of(concerns);
        } else if list.is_unreadable() {
            found.unreadable.push(user.id);
        }
        for record in list.records() {
            let entry = from_record(record);
            if let Some(reason) = criteria.reason(Some(&list), &entry) {
                *(if is_suspended { &mut found.suspended } else { &mut found.in_service }) += 1;
                if shows {
                    show(context.out, &named(user), &entry, reason, is_suspended)?;
                }
            }
        }
    }
    if found.all() == 0 {
        found.users.clear();
    }
    Ok(found)
}

/// All users' lists, one after another.
fn walk(context: &mut Context<'_>, deed: Deed, criteria: &Criteria<'_>, shows: bool) -> Result<Found, Error> {
    let mut found = Found::default();
    let role_maps = match criteria.role {
        Some(_) => context.store.role_maps()?,
        None => Vec::new(),
    };
    let role_maps: Vec<(u64, RoleMap)> =
        role_maps.into_iter().map(|(blog, map)| (blog, RoleMap::read(map.as_deref()))).collect();
    if let Some(role) = criteria.role {
        known_role(role, &role_maps)?;
    }
    for key in deed.keys() {
        let is_suspended = *key == SUSPENDED;
        let Context { store, out, .. } = context;
        let is_seen = out.terminal().stderr_is_terminal && !(shows && out.terminal().stdout_is_terminal);
        let progress = match criteria.role {
            Some(_) => Progress::counting(is_seen, "users"),
            None => Progress::open(is_seen, "users"),
        };
        let mut reader = PlainReader::default();
        let mut previous = None;
        let mut failure: Option<Error> = None;
        let mut rows = 0;
        let mut visit = |row: UserMeta<'_>, left: Option<u64>| {
            let UserMeta { user, login, umeta_id, value } = row;
            rows += 1;
            // WordPress: of several rows the first counts. Nobody can be what has no user.
            let Some(login) = login.filter(|_| previous.replace(user) != Some(user)) else {
                return ControlFlow::Continue(());
            };
            if !is_suspended && found.seen.last() != Some(&user) {
                found.seen.push(user);
            }
            let before = found.all();
            let mut chosen = |found: &mut Found, list: Option<&StoredList>, entry: &Entry<'_>| {
                let Some(reason) = criteria.reason(list, entry) else { return };
                *(if is_suspended { &mut found.suspended } else { &mut found.in_service }) += 1;
                if shows && failure.is_none() {
                    let whose = format!("{user} ({})", String::from_utf8_lossy(login));
                    failure = show(out, &whose, entry, reason, is_suspended).err();
                }
            };
            let mut unreadable = false;
            match reader.read(value) {
                Some(entries) => entries.iter().for_each(|row| chosen(&mut found, None, &from_row(row))),
                None => {
                    let list = StoredList::from_value(umeta_id, value).under(key);
                    unreadable = list.is_unreadable();
                    list.records().for_each(|record| chosen(&mut found, Some(&list), &from_record(record)));
                }
            }
            if unreadable {
                found.unreadable.push(user);
            }
            if found.all() > before || (unreadable && !criteria.looks_at_entries()) {
                found.users.push(user);
            }
            match left {
                Some(left) => progress.count(rows, rows + left, || count(found.all())),
                None => progress.so_far(rows, || count(found.all())),
            }
            if failure.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let walked = match criteria.role {
            None => store.each_user_meta(key, &mut |row: UserMeta<'_>| visit(row, None)),
            Some(role) => store.each_account(key, &mut |account: Account<'_>| {
                let has_role = account.roles.iter().any(|(blog, stored)| {
                    let map = role_maps.iter().find(|(site, _)| *site == blog);
                    map.is_some_and(|(_, map)| {
                        map.membership(Some(stored)).roles.iter().any(|own| own == role)
                    })
                });
                let Account { user, umeta_id, value, left, .. } = account;
                let login = account.login.filter(|_| has_role);
                visit(UserMeta { user, login, umeta_id, value }, Some(left))
            }),
        };
        // One row that is too long to be read hides no other.
        drop(progress);
        for why in unless_too_long(walked)? {
            found.too_long += 1;
            context.out.warning(why);
        }
        if let Some(error) = failure {
            return Err(error);
        }
    }
    found.users.sort_unstable();
    found.users.dedup();
    Ok(found)
}

/// A role that is misspelt would choose nobody, and read as done.
fn known_role(role: &[u8], maps: &[(u64, RoleMap)]) -> Result<(), Error> {
    if maps.iter().any(|(_, map)| map.knows(role)) {
        return Ok(());
    }
    let names: BTreeSet<&[u8]> = maps.iter().flat_map(|(_, map)| map.names()).collect();
    let names: Vec<_> = names.into_iter().map(String::from_utf8_lossy).collect();
    Err(Error::Usage(format!(
        "There is no role '{}' here. There are: {}. Nothing was changed.",
        String::from_utf8_lossy(role),
        names.join(", ")
    )))
}

/// A line for each, which nothing that is stored makes look like two, or like another.
fn show(
    out: &mut Output<'_>,
    whose: &str,
    entry: &Entry<'_>,
    reason: &str,
    is_suspended: bool,
) -> Result<(), Error> {
    let (uuid, name) = (entry.uuid.shown(), entry.name.shown());
    let mut line = in_one_line(&format!("{uuid}  '{name}' of user {whose}"));
    if reason != "chosen" {
        line.push_str(&format!(": {reason}"));
    }
    if is_suspended {
        line.push_str(" (suspended)");
    }
    Ok(out.line(line)?)
}

/// `3 application passwords`
pub fn count(number: usize) -> String {
    format!("{number} application password{}", if number == 1 { "" } else { "s" })
}

fn were(number: usize) -> String {
    format!("{} {}", users(number), if number == 1 { "was" } else { "were" })
}

fn users(number: usize) -> String {
    format!("{number} user{}", if number == 1 { "" } else { "s" })
}
