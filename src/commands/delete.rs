//! `delete <user> [<uuid>...] [--all]`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::{Context, Outcome};
use crate::error::Error;
use crate::wordpress::sanitize;

/// `delete <user> [<uuid>...]`
#[derive(Debug, Args)]
pub struct Delete {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Universally unique IDs, separate arguments or separated by blanks
    #[arg(value_name = "uuid", num_args = 0..)]
    pub uuids: Vec<OsString>,

    /// Revoke all of the user's application passwords
    #[arg(long)]
    pub all: bool,

    /// Leave suspended ones alone; without this they are erased, and cannot be resumed
    #[arg(long)]
    pub keep_suspended: bool,
}

/// Revokes what is named, all at once, and sums up. What could not be found makes the answer "no".
///
/// # Errors
/// An unknown user, an unreadable list, a failing database: then nothing was revoked.
pub fn run(args: &Delete, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(&args.user)?;
    let uuids: Vec<&[u8]> = args.uuids.iter().flat_map(|argument| split(argument.as_bytes())).collect();
    if uuids.is_empty() != args.all {
        return Err(Error::UuidsOrAll);
    }
    context.prepare_write()?;
    let mut passwords = context.passwords();
    if args.all {
        // Nothing that an emergency removed can be resumed.
        if args.keep_suspended {
            passwords.delete_all(&user)?;
        } else {
            passwords.delete_everything(&user)?;
        }
        let (concerns, trouble) = (passwords.take_concerns(), passwords.take_trouble());
        context.warn_of(concerns);
        context.revoked(trouble, "Deleted all application passwords")?;
        return Ok(Outcome::Done);
    }
    // WordPress knows nothing of what is suspended: that it is erased is what was asked for.
    let found = match args.keep_suspended {
        true => passwords.delete(&user, &uuids)?,
        false => passwords.delete_and_erase(&user, &uuids)?,
    };
    let (concerns, trouble) = (passwords.take_concerns(), passwords.take_trouble());
    context.warn_of(concerns);
    for (uuid, _) in uuids.iter().zip(&found).filter(|(_, found)| !**found) {
        let mut message = b"Failed to delete UUID ".to_vec();
        message.extend_from_slice(uuid);
        message.extend_from_slice(format!(": {}", Error::NotFound).as_bytes());
        context.out.warning(message);
    }
    let deleted = found.iter().filter(|found| **found).count();
    let plural = if uuids.len() == 1 { "" } else { "s" };
    let summary = format!("Deleted {deleted} of {} application password{plural}", uuids.len());
    if deleted > 0 {
        context.revoked(trouble, &summary)?;
    } else if context.may_be_cached(trouble.as_deref()) {
        // What an earlier command revoked may live on there.
        context.revoked(trouble, "Nothing of that is left")?;
    } else {
        if context.is_cached() {
            context.out.note("What the object cache held of this user's list was removed from it.");
        }
        context.out.success(format!("{summary}."))?;
    }
    Ok(if deleted == uuids.len() { Outcome::Done } else { Outcome::No })
}

/// WP-CLI: `list --format=ids | xargs -I{} … delete USER {}` hands over all UUIDs as one argument, with a blank at an
/// end where an entry has none, and WP-CLI then looks for one uuid with blanks in it. Here each part is one, if any is
/// a UUID. What holds none is left whole, as with WP-CLI.
fn split(argument: &[u8]) -> Vec<&[u8]> {
    let parts: Vec<&[u8]> =
        argument.split(|byte| byte.is_ascii_whitespace()).filter(|part| !part.is_empty()).collect();
    // WordPress compares them exactly, but a plugin may have made one with capital letters.
    if parts.iter().any(|part| sanitize::wp_is_uuid(&part.to_ascii_lowercase())) {
        parts
    } else {
        vec![argument]
    }
}
