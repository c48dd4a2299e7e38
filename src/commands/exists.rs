//! `exists <user> <app-name>`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::{Context, Outcome};
use crate::error::Error;

/// `exists <user> <app-name>`
#[derive(Debug, Args)]
pub struct Exists {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Name of the application
    #[arg(value_name = "app-name", required = true)]
    pub app_name: OsString,
}

/// Answers with the exit code alone.
///
/// # Errors
/// An unknown user, a failing database.
pub fn run(args: &Exists, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(&args.user)?;
    let list = context.passwords().read(user.id)?;
    context.warn_of(list.concerns(&user));
    let exists = list.records().any(|record| record.is_named(args.app_name.as_bytes()));
    Ok(if exists { Outcome::Done } else { Outcome::No })
}
