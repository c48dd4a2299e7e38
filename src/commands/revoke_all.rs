//! `revoke-all <user>`

use std::ffi::OsString;

use clap::Args;

use super::{Context, Outcome};
use crate::application_passwords::named;
use crate::error::Error;

/// `revoke-all <user>`
#[derive(Debug, Args)]
pub struct RevokeAll {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,

    /// Show what would be revoked and change nothing (exit code 2 if anything would)
    #[arg(long)]
    pub dry_run: bool,
}

/// Revokes all application passwords of one user and says how many there were.
///
/// # Errors
/// An unknown user, a declined question, an unreadable list, a failing database.
pub fn run(args: &RevokeAll, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(&args.user)?;
    let who = named(&user);
    let list = context.passwords().read(user.id)?;
    let concerns = list.concerns(&user);
    let names: Vec<Vec<u8>> = list
        .records()
        .map(|record| {
            let mut line = record.text("uuid").unwrap_or_default().into_owned();
            line.extend_from_slice(b"  ");
            append_escaped(&record.text("name").unwrap_or_default(), &mut line);
            line
        })
        .collect();
    // What would fail is not asked or promised first, nor told twice. Items that are no entries go too, and count.
    context.passwords().refuse_unreadable(&user, &list)?;
    context.warn_of(concerns);
    let found = list.count();
    if args.dry_run {
        for line in &names {
            context.out.line(line)?;
        }
        context.out.log(format!("Would revoke {} of user {who}.", count(found)))?;
        return Ok(if found == 0 { Outcome::Done } else { Outcome::Pending });
    }
    if !args.yes && context.interactive && found > 0 {
        for line in &names {
            context.out.ask_about(line)?;
        }
        if !context.confirm(&format!("Revoke {} of user {who}?", count(found)))? {
            return Err(Error::Declined);
        }
    }
    context.prepare_write()?;
    let mut passwords = context.passwords();
    let revoked = passwords.delete_all(&user)?;
    let (notes, trouble) = (passwords.take_notes(), passwords.take_trouble());
    context.warn_of(notes);
    // Also when there was nothing left to revoke: what an earlier run revoked may live on in an object cache.
    context.revoked(trouble, &format!("Revoked {} of user {who}", count(revoked)))?;
    Ok(Outcome::Done)
}

/// A line each: a name with a line end in it must not look like two entries, nor one name like another.
fn append_escaped(name: &[u8], line: &mut Vec<u8>) {
    for byte in name {
        match byte {
            b'\\' => line.extend_from_slice(b"\\\\"),
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\t' => line.extend_from_slice(b"\\t"),
            b'\r' => line.extend_from_slice(b"\\r"),
            0..0x20 | 0x7f => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            other => line.push(*other),
        }
    }
}

fn count(number: usize) -> String {
    format!("{number} application password{}", if number == 1 { "" } else { "s" })
}
