//! `enforcer install|status|remove`
//!
//! The must-use plugin that makes WordPress enforce expiry and restrictions. Works on the site's files; no database is
//! opened.

use std::borrow::Cow;
use std::path::Path;

use clap::{Args, Subcommand};

use super::Outcome;
use crate::enforcer::{self, Installed, State};
use crate::error::Error;
use crate::output::{self, Key, Output, Value};

/// `enforcer <install|status|remove>`
#[derive(Debug, Args)]
pub struct Enforcer {
    /// What to do.
    #[command(subcommand)]
    pub deed: Deed,
}

/// What to do with the plugin.
#[derive(Debug, Subcommand)]
pub enum Deed {
    /// Write the plugin to the folder of must-use plugins, or replace an older version
    Install,
    /// Say whether the plugin is installed. Exit codes: 0 yes, in this version; 4 no; 1 it could not be told
    Status {
        /// Render output in a particular format
        #[arg(long, value_name = "format", value_parser = ["table", "json"])]
        format: Option<String>,
    },
    /// Remove the plugin: what has expired works again, and restrictions restrict nothing
    Remove,
}

impl Deed {
    /// What the journal calls it; `None`: it changes nothing.
    pub fn action(&self) -> Option<&'static str> {
        match self {
            Self::Install => Some("enforcer-install"),
            Self::Status { .. } => None,
            Self::Remove => Some("enforcer-remove"),
        }
    }
}

/// Installs or removes the plugin in `folder`, or says what is there. Gives also whether something was changed.
///
/// # Errors
/// It cannot be written or removed, or something else stands there; nothing was changed then.
pub fn run(deed: &Deed, folder: &Path, out: &mut Output<'static>) -> Result<(Outcome, bool), Error> {
    let sentence = |reason: String| Error::Usage(format!("{reason}. Nothing was changed."));
    let file = folder.join(enforcer::FILE);
    let file = file.display();
    let changed = match deed {
        Deed::Install => {
            let version = enforcer::VERSION;
            let done = enforcer::install(folder).map_err(sentence)?;
            out.success(match done {
                Installed::New => format!("Installed {file}, version {version}."),
                Installed::InPlaceOf(old) => {
                    format!("Replaced version {old} of {file} with version {version}.")
                }
                Installed::Already => format!("{file} is already there, in version {version}."),
            })?;
            out.note(format!("Its SHA-256 is {}.", enforcer::digest()));
            done != Installed::Already
        }
        Deed::Remove => {
            let changed = enforcer::remove(folder).map_err(sentence)?;
            out.success(if changed { format!("Removed {file}.") } else { format!("There is no {file}.") })?;
            if changed {
                out.note(
                    "From now on application passwords that have expired work again, and their restrictions restrict \
                     nothing. `prune --expired` revokes the ones that have expired.",
                );
            }
            changed
        }
        Deed::Status { format } => return Ok((status(folder, format.as_deref(), out)?, false)),
    };
    Ok((Outcome::Done, changed))
}

fn status(folder: &Path, format: Option<&str>, out: &mut Output<'static>) -> Result<Outcome, Error> {
    let state = enforcer::look(folder);
    let file = folder.join(enforcer::FILE).display().to_string();
    let current = enforcer::VERSION;
    let (code, sentence, outcome) = match &state {
        State::Current => ("current", format!("{file} is installed, in version {current}."), Outcome::Done),
        State::OtherVersion(version) => (
            "other-version",
            format!("{file} is version {version}, and this program's is {current}: run `enforcer install`."),
            Outcome::Negative,
        ),
        State::Absent => (
            "absent",
            format!(
                "{file} is not there, so expiry and restrictions are not enforced: run `enforcer install`."
            ),
            Outcome::Negative,
        ),
        State::Altered => (
            "altered",
            format!(
                "{file} was changed since this program wrote it: look at it, remove it, and run `enforcer install`."
            ),
            Outcome::Negative,
        ),
        State::Foreign => {
            ("foreign", format!("{file} is not a file that this program wrote."), Outcome::Negative)
        }
        State::Unreadable(reason) => ("unreadable", format!("{reason}."), Outcome::Unknown),
    };
    if format == Some("json") {
        let text = |text: &str| Value::Text(Cow::Owned(text.as_bytes().to_vec()));
        let version = match &state {
            State::Current => Value::Int(current.into()),
            State::OtherVersion(version) => Value::Int((*version).into()),
            _ => Value::Null,
        };
        let entries = [
            ("file", text(&file)),
            ("state", text(code)),
            ("enforced", Value::Bool(state == State::Current)),
            ("version", version),
            ("current_version", Value::Int(current.into())),
            ("current_sha256", text(&enforcer::digest())),
            ("message", text(&sentence)),
        ];
        let entries = entries.map(|(name, value)| (Key::Text(Cow::Borrowed(name.as_bytes())), value));
        out.line(output::to_json(&Value::Map(entries.into())).unwrap_or_default())?;
    } else if matches!(state, State::Unreadable(_)) {
        return Err(Error::Usage(sentence));
    } else {
        out.line(sentence)?;
        if state == State::Current {
            out.line(format!("SHA-256: {}", enforcer::digest()))?;
        }
    }
    Ok(outcome)
}
