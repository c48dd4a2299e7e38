//! `get <user> <uuid>`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::rows::{Columns, FIELDS};
use super::{Context, Outcome};
use crate::error::Error;
use crate::output;

/// `get <user> <uuid>`
#[derive(Debug, Args)]
pub struct Get {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Universally unique ID of the application password
    #[arg(value_name = "uuid", required = true)]
    pub uuid: OsString,

    /// What of it.
    #[command(flatten)]
    pub columns: Columns,

    /// Render output in a particular format
    #[arg(long, value_name = "format", value_parser = ["table", "csv", "json", "yaml"])]
    pub format: Option<String>,
}

/// Shows one entry, as a list of one.
///
/// # Errors
/// An unknown user or uuid, a failing database.
pub fn run(args: &Get, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(&args.user)?;
    let list = context.passwords().read(user.id)?;
    context.warn_of(list.concerns(&user));
    let record = list.records().find(|record| record.has_uuid(args.uuid.as_bytes()));
    let record = record.ok_or(Error::NoSuchPassword)?;
    let request = args.columns.request(args.format.as_deref(), &FIELDS)?;
    output::display_items(context.out, &request, &[record])?;
    Ok(Outcome::Done)
}
