//! `suspend` and `resume`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::selection::{self, Deed, Filters, Guard};
use super::{Context, Outcome};
use crate::error::Error;
use crate::store::User;

/// `suspend [<user> [<uuid>…]]`, and `resume` the same.
#[derive(Debug, Args)]
pub struct Suspend {
    /// User login, user email, or user ID
    #[arg(value_name = "user")]
    pub user: Option<OsString>,

    /// Universally unique IDs
    #[arg(value_name = "uuid", num_args = 0..)]
    pub uuids: Vec<OsString>,

    /// All of the user's
    #[arg(long, help_heading = "Which", conflicts_with = "uuids", requires = "user")]
    pub all: bool,

    /// Those of all users (of a network: of all its sites)
    #[arg(long, help_heading = "Which", conflicts_with = "user")]
    pub all_users: bool,

    /// Which.
    #[command(flatten)]
    pub filters: Filters,

    /// What stands before it.
    #[command(flatten)]
    pub guard: Guard,
}

/// Takes entries out of service, or brings them back.
///
/// # Errors
/// An unknown user or uuid, nothing that says which, a guard that stops it, a failing database.
pub fn run(args: &Suspend, deed: Deed, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let verb = if deed == Deed::Resume { "resume" } else { "suspend" };
    if args.uuids.is_empty() && !args.all && !args.all_users && !args.filters.is_given() {
        return Err(Error::Usage(format!(
            "Say which: {verb} <user> <uuid>…, {verb} <user> --all, or of one user or of all users --app-id=<uuid>, \
             --name=<name>, --role=<role>, --created-since=<time>, or --all-users."
        )));
    }
    if args.user.is_some() && args.filters.role.is_some() {
        return Err(Error::Usage("--role chooses among all users: leave <user> out.".into()));
    }
    let user = args.user.as_ref().map(|user| context.find_user(user)).transpose()?;
    let mut criteria = args.filters.criteria(context.now)?;
    criteria.uuids = args.uuids.iter().map(|uuid| uuid.as_bytes()).collect();
    if let Some(user) = &user {
        known(context, deed, user, &criteria.uuids)?;
    }
    selection::carry_out(context, deed, &criteria, user.as_ref(), &args.guard, false)
}

/// Whether each uuid is one of the user's, in service or suspended. One that is where it should go already is what was
/// asked for, also when the command is given again.
fn known(context: &mut Context<'_>, deed: Deed, user: &User, uuids: &[&[u8]]) -> Result<(), Error> {
    let mut missing = uuids.to_vec();
    // Another run may move one from list to list while one after the other is read.
    for _ in 0..5 {
        for suspended in [deed == Deed::Resume, deed != Deed::Resume] {
            if missing.is_empty() {
                return Ok(());
            }
            let mut passwords = context.passwords();
            let list =
                if suspended { passwords.read_suspended(user.id)? } else { passwords.read(user.id)? };
            missing.retain(|uuid| !list.records().any(|record| record.has_uuid(uuid)));
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Error::NotFound) }
}
