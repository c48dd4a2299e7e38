//! `revoke-all [<user>]`

use std::ffi::OsString;

use clap::Args;

use super::selection::{self, Deed, Filters, Guard, count, tell_erased};
use super::{Context, Outcome};
use crate::application_passwords::named;
use crate::error::Error;
use crate::output::in_one_line;

/// `revoke-all [<user>]`
#[derive(Debug, Args)]
pub struct RevokeAll {
    /// User login, user email, or user ID
    #[arg(value_name = "user")]
    pub user: Option<OsString>,

    /// Those of all users (of a network: of all its sites)
    #[arg(long, help_heading = "Which", conflicts_with = "user")]
    pub all_users: bool,

    /// Which, of the user or of all users.
    #[command(flatten)]
    pub filters: Filters,

    /// Suspend them instead: `resume` brings them back
    #[arg(long, help_heading = "Safety")]
    pub suspend: bool,

    /// Leave suspended ones alone; without this they are erased, and nothing can be resumed
    #[arg(long, conflicts_with = "suspend", help_heading = "Safety")]
    pub keep_suspended: bool,

    /// What stands before it.
    #[command(flatten)]
    pub guard: Guard,
}

/// Revokes all application passwords of one user, or whatever of the site the filters choose, and says how many there
/// were.
///
/// # Errors
/// An unknown user, a guard that stops it, a declined question, an unreadable list, a failing database.
pub fn run(args: &RevokeAll, context: &mut Context<'_>) -> Result<Outcome, Error> {
    if args.user.is_none() && !args.all_users && !args.filters.is_given() {
        return Err(Error::Usage(
            "Say whose: revoke-all <user>, or of all users --app-id=<uuid>, --name=<name>, --role=<role>, \
             --created-since=<time> or --all-users."
                .into(),
        ));
    }
    if args.user.is_some() && args.filters.role.is_some() {
        return Err(Error::Usage("--role chooses among all users: leave <user> out.".into()));
    }
    let deed =
        if args.suspend { Deed::Suspend } else { Deed::Revoke { keep_suspended: args.keep_suspended } };
    let criteria = args.filters.criteria(context.now)?;
    match &args.user {
        Some(user) if !args.suspend && !args.filters.is_given() => all_of(args, user, context),
        user => {
            let user = user.as_ref().map(|user| context.find_user(user)).transpose()?;
            selection::carry_out(context, deed, &criteria, user.as_ref(), &args.guard, false)
        }
    }
}

/// Everything of one user, whatever it is.
fn all_of(args: &RevokeAll, user: &OsString, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(user)?;
    let who = named(&user);
    let list = context.passwords().read(user.id)?;
    let concerns = list.concerns(&user);
    let names: Vec<String> = list
        .records()
        .map(|record| {
            let (uuid, name) =
                (record.text("uuid").unwrap_or_default(), record.text("name").unwrap_or_default());
            // Nor does one name look like another.
            let name = String::from_utf8_lossy(&name).replace('\\', "\\\\");
            in_one_line(&format!("{}  {name}", String::from_utf8_lossy(&uuid)))
        })
        .collect();
    // What would fail is not asked or promised first, nor told twice. Items that are no entries go too, and count.
    context.passwords().refuse_unreadable(&user, &list)?;
    context.warn_of(concerns);
    let found = list.count();
    let suspended = match args.keep_suspended {
        true => 0,
        false => {
            let suspended = context.passwords().read_suspended(user.id)?;
            suspended.records().count().max(usize::from(suspended.is_unreadable()))
        }
    };
    if let Some(max) = args.guard.max.filter(|max| found + suspended > *max) {
        return Err(Error::Stopped(format!(
            "{} of user {who} would be revoked, which is more than --max={max}. Nothing was changed.",
            count(found + suspended)
        )));
    }
    if args.guard.dry_run {
        for line in &names {
            context.out.line(line)?;
        }
        context.out.log(format!("Would revoke {} of user {who}.", count(found)))?;
        if suspended > 0 {
            context.out.log(format!("Would erase {suspended} suspended."))?;
        }
        return Ok(if found + suspended == 0 { Outcome::Done } else { Outcome::Pending });
    }
    if !args.guard.yes && context.interactive && found + suspended > 0 {
        for line in &names {
            context.out.ask_about(line)?;
        }
        let also = if suspended > 0 { format!(", and erase {suspended} suspended") } else { String::new() };
        if !context.confirm(&format!("Revoke {} of user {who}{also}?", count(found)))? {
            return Err(Error::Declined);
        }
    }
    context.prepare_write()?;
    let mut passwords = context.passwords();
    // Nothing that an emergency removed can be resumed.
    let (revoked, erased) = match args.keep_suspended {
        true => (passwords.delete_all(&user)?, 0),
        false => passwords.delete_everything(&user)?,
    };
    let (notes, trouble) = (passwords.take_notes(), passwords.take_trouble());
    context.warn_of(notes);
    // Also when there was nothing left to revoke: what an earlier run revoked may live on in an object cache.
    context.revoked(trouble, &format!("Revoked {} of user {who}", count(revoked)))?;
    tell_erased(context, erased)?;
    Ok(Outcome::Done)
}
