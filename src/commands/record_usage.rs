//! `record-usage <user> <uuid>`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::{Context, Outcome};
use crate::error::Error;

/// WP-CLI: it sets `REMOTE_ADDR` to this, and WordPress stores that.
const LOCAL_ADDRESS: &[u8] = b"127.0.0.1";

/// `record-usage <user> <uuid>`
#[derive(Debug, Args)]
pub struct RecordUsage {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Universally unique ID of the application password
    #[arg(value_name = "uuid", required = true)]
    pub uuid: OsString,
}

/// Sets when and from where a password was last used, unless that was within a day.
///
/// # Errors
/// An unknown user or uuid, an unreadable list, a failing database.
pub fn run(args: &RecordUsage, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(&args.user)?;
    context.prepare_addition()?;
    let now = context.now;
    let mut passwords = context.passwords();
    passwords.record_usage(&user, args.uuid.as_bytes(), now, LOCAL_ADDRESS)?;
    let (concerns, trouble) = (passwords.take_concerns(), passwords.take_trouble());
    context.warn_of(concerns);
    context.saved(trouble, "Recorded application password usage.")?;
    Ok(Outcome::Done)
}
