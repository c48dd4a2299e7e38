//! `rotate <user> <uuid>`: a new password for an integration, and the old one retired.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use clap::Args;

use super::replacement::{self, Made, Replacing, Report, Wanted, date, last_use};
use super::selection::count;
use super::{Context, Outcome, duration};
use crate::application_passwords::{Due, Retired, Rotatable, Run, Standing, StoredList, Which, named};
use crate::error::Error;
use crate::interrupt;
use crate::store::{User, UserField, UserId};
use crate::wordpress::restrictions::Changes;
use crate::wordpress::schema::{APPLICATION_PASSWORDS, own};

const WHOSE: &str = "Say whose application password: rotate <user> …";

/// How long a rotation that is asked for again counts as done, in seconds: a run that was killed after its last
/// write is repeated soon, and one that is due next month must not be taken for it.
const SAME_RUN: i64 = 3_600;

/// `rotate <user> <uuid>`
#[derive(Debug, Args)]
pub struct Rotate {
    /// User login, user email, or user ID
    #[arg(value_name = "user")]
    pub user: Option<OsString>,

    /// Universally unique ID of the application password
    #[arg(value_name = "uuid")]
    pub uuid: Option<OsString>,

    /// The application password of this name, if there is only one
    #[arg(long, value_name = "name", help_heading = "Which", conflicts_with = "uuid")]
    pub name: Option<OsString>,

    /// All of this user's
    #[arg(long, value_name = "user", help_heading = "Which", conflicts_with_all = ["user", "uuid", "name"])]
    pub all_of: Option<OsString>,

    /// Those that were created longer ago than this (90d): of the user, or of all users
    #[arg(long, value_name = "time", value_parser = duration::parse, help_heading = "Which", conflicts_with_all = ["uuid", "name"])]
    pub older_than: Option<Duration>,

    /// Those of this application: of the user, or of all users
    #[arg(long, value_name = "app-id", help_heading = "Which", conflicts_with_all = ["uuid", "name"])]
    pub app_id: Option<OsString>,

    /// Revoke old passwords whose overlap is over: of all users, of one, or the one that is named
    #[arg(long, conflicts_with_all = ["all_of", "older_than", "app_id", "abort", "overlap", "live", "no_live", "porcelain", "json"])]
    pub finish: bool,

    /// With --finish, also those whose overlap is not over
    #[arg(long, requires = "finish")]
    pub now: bool,

    /// Undo a rotation that did not end: the new password goes, the old one stays
    #[arg(long, conflicts_with_all = ["all_of", "older_than", "app_id", "overlap", "live", "no_live", "porcelain", "json"])]
    pub abort: bool,

    /// Don't ask: of --abort whether the new password was delivered, of several whether those of all users are meant
    #[arg(long, short)]
    pub yes: bool,

    /// Show what would be rotated and change nothing (exit code 2 if anything would)
    #[arg(long)]
    pub dry_run: bool,

    /// How.
    #[command(flatten)]
    pub replacing: Replacing,
}

/// Rotates one application password or several.
///
/// # Errors
/// Whatever keeps a new password from being made, accepted or delivered: then the old one is as it was. Of several,
/// each is tried, and [`Outcome::SomeFailed`] says that some failed.
pub fn run(args: &Rotate, context: &mut Context<'_>) -> Result<Outcome, Error> {
    if (args.finish || args.abort) && args.replacing.is_given() {
        return Err(Error::Usage(
            "--finish and --abort make no new password: where one goes, how it is hashed and checked has no place there."
                .into(),
        ));
    }
    if args.finish {
        return finish(args, context);
    }
    if args.abort {
        return abort(args, context);
    }
    if args.dry_run && args.replacing.json {
        return Err(Error::Usage(
            "--json reports what was done, and --dry-run does nothing: leave one away.".into(),
        ));
    }
    args.replacing.sink()?;
    let several = args.all_of.is_some() || args.older_than.is_some() || args.app_id.is_some();
    if several {
        return rotate_several(args, context);
    }
    let (user, which) = one(args, context)?;
    let mut list = context.passwords().read(user.id)?;
    let mut standing = list.rotatable(&user, which)?;
    if matches!(&standing, Standing::Ready(old) if old.uuid.is_empty()) && !args.dry_run {
        // WordPress: entries older than 5.6 have none until it next reads the list.
        context.prepare_addition()?;
        context.passwords().give_all_uuids(&user)?;
        list = context.passwords().read(user.id)?;
        standing = list.rotatable(&user, which)?;
    }
    match standing {
        Standing::Ready(old) => {
            if args.dry_run {
                context.out.line(line(&user, &old))?;
                return Ok(Outcome::Pending);
            }
            rotate_one(context, &args.replacing, &user, &old)?;
        }
        Standing::Done { by, at, retire_at } => {
            if context.now.saturating_sub(at) > SAME_RUN {
                return Err(Error::AlreadyRotated { user: named(&user), by: text(&by), at });
            }
            if args.replacing.json {
                let replaces = match which {
                    Which::Uuid(uuid) => Some(uuid),
                    Which::Name(_) => None,
                };
                let name = list.name_of(&by);
                Report {
                    changed: false,
                    action: "none",
                    user: &user,
                    name: &name,
                    uuid: &by,
                    replaces,
                    retire_at,
                    password: None,
                }
                .print(context)?;
                return Ok(Outcome::Done);
            }
            let kept = retire_at
                .map_or_else(String::new, |at| format!(", and the old one works until {}", date(at)));
            context.out.success(format!(
                "This application password of user {} was rotated at {}: {} took its place{kept}. Nothing is left to \
                 do.",
                named(&user),
                date(at),
                text(&by)
            ))?;
        }
    }
    Ok(Outcome::Done)
}

/// The user and the entry that the command line names.
fn one<'a>(args: &'a Rotate, context: &mut Context<'_>) -> Result<(User, Which<'a>), Error> {
    let which = match (&args.uuid, &args.name) {
        (Some(uuid), _) => Which::Uuid(uuid.as_bytes()),
        (None, Some(name)) => Which::Name(name.as_bytes()),
        (None, None) => {
            return Err(Error::Usage(
                "Say which application password: rotate <user> <uuid>, rotate <user> --name=<name>, or several with \
                 --all-of=<user>, --older-than=<time> or --app-id=<id>."
                    .into(),
            ));
        }
    };
    let user = args.user.as_ref().ok_or_else(|| Error::Usage(WHOSE.into()))?;
    Ok((context.find_user(user)?, which))
}

fn rotate_one(
    context: &mut Context<'_>,
    replacing: &Replacing,
    user: &User,
    old: &Rotatable,
) -> Result<(), Error> {
    let replacing = replacing.filled_in(user, &old.name, &old.app_id, &old.uuid);
    let wanted = Wanted {
        name: &old.name,
        app_id: &old.app_id,
        of: Some(&old.uuid),
        of_leftover: false,
        only_one: false,
        action: "rotated",
        terms: Changes::default(),
    };
    let made = replacement::replace(context, &replacing, user, &wanted)?;
    tell(context, user, old, &made)
}

/// Says what was done, where it does not get in the way of the password.
fn tell(context: &mut Context<'_>, user: &User, old: &Rotatable, made: &Made) -> Result<(), Error> {
    let summary = format!("Rotated application password {} of user {}", quoted(&old.name), named(user));
    if made.stdout_is_taken && made.trouble.is_none() {
        return Ok(());
    }
    context
        .revoked(made.trouble.clone(), &format!("{summary}: {} replaces {}", made.uuid, text(&old.uuid)))?;
    let kept = made.retired.iter().find(|retired| retired.uuid == old.uuid);
    if let Some(delivered) = &made.delivered {
        context.out.log(format!("The new password was {delivered}."))?;
    }
    if let Some(address) = &made.accepted_at {
        context.out.log(format!("The site accepts it: {address}"))?;
    }
    match (made.retire_at, kept) {
        (Some(at), kept) => context.out.log(format!(
            "The old password works until {} ({}). Then run: rotate --finish",
            date(at),
            kept.map_or_else(|| "never used".into(), last_use)
        ))?,
        (None, Some(kept)) => {
            context.out.log(format!("The old password is revoked ({}).", last_use(kept)))?
        }
        (None, None) => {}
    }
    let leftovers = made.retired.iter().filter(|retired| retired.uuid != old.uuid).count();
    if leftovers > 0 {
        context.out.log(format!(
            "{leftovers} that an earlier rotation left behind {} too.",
            match (made.retire_at, leftovers) {
                (Some(_), _) => "will go",
                (None, 1) => "was revoked",
                (None, _) => "were revoked",
            }
        ))?;
    }
    Ok(())
}

fn rotate_several(args: &Rotate, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let (chosen, unreadable) = choose(args, context)?;
    for (user, list) in &unreadable {
        context.warn_of(list.concerns(user));
    }
    if chosen.is_empty() && !unreadable.is_empty() {
        context.out.error(
            "The lists above could not be read, so nobody knows whether one of them should be rotated. Nothing was changed.",
        );
        return Ok(Outcome::SomeFailed);
    }
    if chosen.is_empty() {
        context.out.success("No application password is to be rotated.")?;
        return Ok(Outcome::Done);
    }
    if args.dry_run {
        for (user, old) in &chosen {
            context.out.line(line(user, old))?;
        }
        context.out.log(format!("Would rotate {}.", count(chosen.len())))?;
        return Ok(Outcome::Pending);
    }
    if args.replacing.porcelain && chosen.len() > 1 {
        return Err(Error::Usage(
            "--porcelain prints one password, and several are chosen: use --out-file with {user}, {name} or {uuid} in \
             its name, --exec, or --format=json."
                .into(),
        ));
    }
    if let Some(why) = args.replacing.sink.only_one().filter(|_| chosen.len() > 1) {
        return Err(Error::Usage(format!(
            "Several passwords would go to one place: {why}. Nothing was changed."
        )));
    }
    let mut files = BTreeSet::new();
    for (user, old) in &chosen {
        let filled = args.replacing.filled_in(user, &old.name, &old.app_id, &old.uuid);
        if let Some(file) = replacement::out_file(&filled)
            && !files.insert(file.clone())
        {
            return Err(Error::Usage(format!(
                "Several passwords would be written to {}: put {{user}}, {{user_id}}, {{name}}, {{app_id}} or {{uuid}} \
                 (the old one's) into --out-file, so that each has a file of its own; {{uuid}} always differs. Nothing was \
                 changed.",
                file.to_string_lossy()
            )));
        }
    }
    let users: BTreeSet<UserId> = chosen.iter().map(|(user, _)| user.id).collect();
    if users.len() > 1 && !args.yes {
        if !context.interactive {
            return Err(Error::Usage(format!(
                "{} of {} users would be rotated: say --yes, or look first with --dry-run. Nothing was changed.",
                count(chosen.len()),
                users.len()
            )));
        }
        if !context.confirm(&format!("Rotate {} of {} users?", count(chosen.len()), users.len()))? {
            return Err(Error::Declined);
        }
    }
    let mut failed = unreadable.len();
    for (number, (user, old)) in chosen.iter().enumerate() {
        if interrupt::caught().is_some() {
            failed += chosen.len() - number;
            context.out.error(format!("Interrupted: {} were not rotated.", count(chosen.len() - number)));
            break;
        }
        let told = context.journal.failures();
        let ready = context.journal_is_ready();
        if let Err(error) = ready.and_then(|()| rotate_one(context, &args.replacing, user, old)) {
            failed += 1;
            context.note_failure(told, Some(user), &error);
            context.out.error(format!("{} of user {}: {error}", quoted(&old.name), named(user)));
        }
    }
    if failed > 0 {
        context
            .out
            .error(format!("{failed} of {} could not be rotated.", count(chosen.len() + unreadable.len())));
        return Ok(Outcome::SomeFailed);
    }
    Ok(Outcome::Done)
}

/// Entries to rotate, and lists that could not be read.
type Chosen = (Vec<(User, Rotatable)>, Vec<(User, StoredList)>);

/// What `--all-of`, `--older-than` and `--app-id` choose, in the order of user ids.
fn choose(args: &Rotate, context: &mut Context<'_>) -> Result<Chosen, Error> {
    let limit = args.older_than.map(|age| context.now.saturating_sub(age.as_secs() as i64));
    let accept = |old: &Rotatable| {
        limit.is_none_or(|limit| old.created < limit)
            && args.app_id.as_ref().is_none_or(|id| old.app_id.eq_ignore_ascii_case(id.as_bytes()))
    };
    if let Some(user) = args.all_of.as_ref().or(args.user.as_ref()) {
        let user = context.find_user(user)?;
        let mut list = context.passwords().read(user.id)?;
        context.passwords().refuse_unreadable(&user, &list)?;
        if list.all_rotatable().iter().any(|old| old.uuid.is_empty()) && !args.dry_run {
            context.prepare_addition()?;
            context.passwords().give_all_uuids(&user)?;
            list = context.passwords().read(user.id)?;
        }
        let chosen = list.all_rotatable().into_iter().filter(accept).map(|old| (user.clone(), old));
        return Ok((chosen.collect(), Vec::new()));
    }
    let mut users: BTreeSet<UserId> = BTreeSet::new();
    context.store.each_user_meta(APPLICATION_PASSWORDS, &mut |meta| {
        let list = StoredList::from_value(meta.umeta_id, meta.value);
        if meta.login.is_some() && (list.is_unreadable() || list.all_rotatable().iter().any(accept)) {
            users.insert(meta.user);
        }
        ControlFlow::Continue(())
    })?;
    let (mut chosen, mut unreadable) = (Vec::new(), Vec::new());
    for id in users {
        let Some(user) = context.store.find_user(UserField::Id(id))? else { continue };
        let list = context.passwords().read(id)?;
        if list.is_unreadable() {
            unreadable.push((user, list));
            continue;
        }
        chosen.extend(list.all_rotatable().into_iter().filter(accept).map(|old| (user.clone(), old)));
    }
    Ok((chosen, unreadable))
}

/// `--finish`
fn finish(args: &Rotate, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let mut only: Option<Vec<u8>> = None;
    let (users, others) = match &args.user {
        Some(user) => {
            let user = context.find_user(user)?;
            if let Some(uuid) = &args.uuid {
                if !context.passwords().read(user.id)?.knows(uuid.as_bytes()) {
                    return Err(Error::NotFound);
                }
                only = Some(uuid.as_bytes().to_vec());
            } else if args.name.is_some() {
                let list = context.passwords().read(user.id)?;
                let (_, which) = one(args, context)?;
                only = Some(match list.rotatable(&user, which)? {
                    Standing::Ready(found) => found.uuid,
                    Standing::Done { by, .. } => by,
                });
            }
            (vec![user], Vec::new())
        }
        None if args.name.is_some() => return Err(Error::Usage(WHOSE.into())),
        None => rotating_users(context)?,
    };
    if args.dry_run {
        return would_finish(args, context, &users, only.as_deref());
    }
    context.prepare_write()?;
    let mut stale = None;
    if args.user.is_none() {
        // What an earlier run revoked, and could not tell the object cache, may live on there.
        let mut passwords = context.passwords();
        passwords.forget_lists(&others);
        stale = passwords.take_trouble();
    }
    let (mut all, mut failed) = (Due::default(), 0);
    for user in &users {
        let now = context.now;
        let ready = context.journal_is_ready();
        let mut passwords = context.passwords();
        let due = ready.and_then(|()| passwords.retire_due(user, only.as_deref(), args.now, now));
        let (notes, trouble) = (passwords.take_notes(), passwords.take_trouble());
        context.warn_of(notes);
        let due = match due {
            Ok(due) => due,
            Err(error) if users.len() > 1 => {
                failed += 1;
                context.out.error(format!("User {}: {error}", named(user)));
                continue;
            }
            Err(error) => return Err(error),
        };
        if due.retired.is_empty() {
            stale = stale.or_else(|| trouble.clone());
        }
        for retired in &due.retired {
            let summary =
                format!("Revoked {} {} of user {}", text(&retired.uuid), quoted(&retired.name), named(user));
            match context.revoked(trouble.clone(), &format!("{summary} ({})", last_use(retired))) {
                Ok(()) => {}
                Err(error) if users.len() > 1 => {
                    failed += 1;
                    context.out.error(error.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        for kept in &due.bereft {
            failed += 1;
            warn_of_bereft(context, user, kept);
        }
        all.retired.extend(due.retired);
        all.next = match (all.next, due.next) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
    }
    if stale.is_some() {
        context.check_revocation(stale, "Nothing else that is due is left")?;
    }
    if all.retired.is_empty() && failed == 0 {
        let next = all.next.map_or_else(String::new, |next| {
            format!(" The next is due {}; --now does not wait.", date(next))
        });
        context.out.success(format!("No old password is due.{next}"))?;
    }
    Ok(if failed > 0 { Outcome::SomeFailed } else { Outcome::Done })
}

fn would_finish(
    args: &Rotate,
    context: &mut Context<'_>,
    users: &[User],
    only: Option<&[u8]>,
) -> Result<Outcome, Error> {
    let (mut found, mut failed) = (0, 0);
    for user in users {
        let list = context.passwords().read(user.id)?;
        let all = list.due(only, args.now, context.now);
        for kept in &all.bereft {
            failed += 1;
            warn_of_bereft(context, user, kept);
        }
        let due: Vec<Retired> = all.retired;
        for retired in &due {
            context.out.line(format!(
                "{}  {} of user {} ({})",
                text(&retired.uuid),
                quoted(&retired.name),
                named(user),
                last_use(retired)
            ))?;
        }
        found += due.len();
    }
    context.out.log(format!("Would revoke {}.", count(found)))?;
    Ok(if failed > 0 {
        Outcome::SomeFailed
    } else if found == 0 {
        Outcome::Done
    } else {
        Outcome::Pending
    })
}

/// Users with an entry that was rotated away.
/// And all others who can log in with an application password.
fn rotating_users(context: &mut Context<'_>) -> Result<(Vec<User>, Vec<UserId>), Error> {
    let mut ids: BTreeSet<UserId> = BTreeSet::new();
    let mut others: BTreeSet<UserId> = BTreeSet::new();
    let wanted = [own::RETIRE_AT, own::ROTATED_NAME].map(|key| format!("\"{key}\"").into_bytes());
    context.store.each_user_meta(APPLICATION_PASSWORDS, &mut |meta| {
        let value = meta.value.unwrap_or_default();
        let has = |key: &Vec<u8>| value.windows(key.len()).any(|window| window == key.as_slice());
        if meta.login.is_some() {
            if wanted.iter().any(has) { &mut ids } else { &mut others }.insert(meta.user);
        }
        ControlFlow::Continue(())
    })?;
    let mut users = Vec::new();
    for id in ids {
        users.extend(context.store.find_user(UserField::Id(id))?);
    }
    Ok((users, others.into_iter().collect()))
}

fn warn_of_bereft(context: &mut Context<'_>, user: &User, kept: &Retired) {
    context.out.warning(format!(
        "{} {} of user {} is past its date, but what took its place is gone, so it was kept. Rotate it again, or revoke \
         it: delete {} {}",
        text(&kept.uuid),
        quoted(&kept.name),
        named(user),
        user.id,
        text(&kept.uuid)
    ));
}

/// `--abort`
fn abort(args: &Rotate, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let (user, which) = one(args, context)?;
    let list = context.passwords().read(user.id)?;
    let uuid = match which {
        Which::Uuid(uuid) => list.original_of(uuid).unwrap_or_else(|| uuid.to_vec()),
        Which::Name(_) => match list.rotatable(&user, which)? {
            Standing::Ready(old) => list.original_of(&old.uuid).unwrap_or(old.uuid),
            Standing::Done { by, .. } => list.original_of(&by).unwrap_or(by),
        },
    };
    let leftovers = list.leftovers(&uuid);
    let uuids = leftovers.iter().map(|gone| text(&gone.uuid)).collect::<Vec<_>>().join(", ");
    if args.dry_run {
        if leftovers.is_empty() {
            return Err(Error::NothingToAbort { user: named(&user), uuid: text(&uuid) });
        }
        context.out.line(format!(
            "Would revoke {uuids}, whose password may have been delivered, and keep {} of user {}.",
            text(&uuid),
            named(&user)
        ))?;
        return Ok(Outcome::Pending);
    }
    if !leftovers.is_empty() && !args.yes {
        let question = format!(
            "Whether the new password was delivered cannot be told ({uuids}); whoever has it will be locked out. Undo the \
             rotation of {} of user {}?",
            text(&uuid),
            named(&user)
        );
        if !context.interactive {
            return Err(Error::MayBeDelivered { uuids });
        }
        if !context.confirm(&question)? {
            return Err(Error::Declined);
        }
    }
    context.prepare_write()?;
    let me = Run::current(context.now);
    let mut passwords = context.passwords();
    let gone = passwords.abort(&user, &uuid, &me, args.replacing.takeover)?;
    let (notes, trouble) = (passwords.take_notes(), passwords.take_trouble());
    context.warn_of(notes);
    let removed: Vec<String> = gone.iter().map(|gone| text(&gone.uuid)).collect();
    context.revoked(
        trouble,
        &format!(
            "Undid the rotation of {} of user {}{}",
            text(&uuid),
            named(&user),
            if removed.is_empty() { String::new() } else { format!(": revoked {}", removed.join(", ")) }
        ),
    )?;
    Ok(Outcome::Done)
}

fn line(user: &User, old: &Rotatable) -> String {
    format!("{}  {} of user {}", text(&old.uuid), quoted(&old.name), named(user))
}

fn quoted(name: &[u8]) -> String {
    format!("'{}'", text(name).replace('\n', "\\n").replace('\t', "\\t"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
