//! `update <user> <uuid> --name=<name>`
//!
//! WP-CLI's, and what an entry may be used for.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::terms_args::{Cleared, HEADING, TermsArgs};
use super::{Context, Outcome, rules};
use crate::error::Error;

/// `update <user> <uuid>`
#[derive(Debug, Args)]
pub struct Update {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Universally unique ID of the application password
    #[arg(value_name = "uuid", required = true)]
    pub uuid: OsString,

    /// The new name of the application password
    #[arg(long, value_name = "name")]
    pub name: Option<OsString>,

    /// What it may be used for.
    #[command(flatten)]
    pub terms: TermsArgs,

    /// Take one of the options above away again (repeatable)
    #[arg(long, value_name = "option", help_heading = HEADING)]
    pub clear: Vec<Cleared>,
}

/// Renames an entry, or changes what it may be used for.
///
/// # Errors
/// An unknown user or uuid, an unreadable list, a failing database.
pub fn run(args: &Update, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let terms = args.terms.changes_without(&args.clear, context.now)?;
    let user = context.find_user(&args.user)?;
    context.prepare_addition()?;
    let rules = rules(&context.evidence()?);
    let name = args.name.as_deref().map(OsStrExt::as_bytes);
    let mut passwords = context.passwords();
    passwords.update(&user, args.uuid.as_bytes(), name, &terms, rules)?;
    let (concerns, trouble) = (passwords.take_concerns(), passwords.take_trouble());
    context.warn_of(concerns);
    context.warn_unless_enforced(&terms);
    context.saved(trouble, "Updated application password.")?;
    Ok(Outcome::Done)
}
