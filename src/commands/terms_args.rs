//! What an application password may be used for: the options of `create` and `update`, and what is said where
//! nothing enforces them.

use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Context, duration};
use crate::application_passwords::Record;
use crate::enforcer::{self, Enforcement};
use crate::error::Error;
use crate::wordpress::restrictions::{self, Change, Changes, Terms};

/// The heading of these options in the help.
pub const HEADING: &str = "Restrictions";

/// What an entry may be used for.
#[derive(Debug, Args, Clone, Default)]
#[command(next_help_heading = HEADING)]
pub struct TermsArgs {
    /// Refuse it from then on: 90d, or a time in UTC such as 2027-03-01 or 2027-03-01T14:00:00Z
    ///
    /// WordPress knows no expiry and no restrictions: `enforcer install` puts a plugin on the site that enforces them, and
    /// `prune --expired` revokes what has expired.
    #[arg(long, value_name = "time")]
    pub expires: Option<String>,

    /// Allow only these methods and routes of the REST API: 'GET,PUT /wc/v3/products*' (repeatable)
    ///
    /// Methods are GET, HEAD, OPTIONS, POST, PUT, PATCH, DELETE, or * for all of them. In a route * stands for any
    /// characters, also for /. GET allows HEAD too.
    #[arg(long, value_name = "rule")]
    pub allow: Vec<String>,

    /// Allow it only from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32 (repeatable)
    #[arg(long, value_name = "cidr")]
    pub allow_net: Vec<String>,

    /// Allow only methods that read (GET, HEAD, OPTIONS)
    #[arg(long)]
    pub read_only: bool,

    /// A note for people
    #[arg(long, value_name = "text")]
    pub note: Option<String>,

    /// Who answers for it, for people
    #[arg(long, value_name = "text")]
    pub owner: Option<String>,
}

/// `--clear`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is the option of that name")]
pub enum Cleared {
    Expires,
    Allow,
    AllowNet,
    ReadOnly,
    Note,
    Owner,
}

impl TermsArgs {
    /// What an entry gets.
    ///
    /// # Errors
    /// [`Error::Usage`]: something makes no sense. Nothing was changed.
    pub fn changes(&self, now: i64) -> Result<Changes, Error> {
        let wrong = |flag: &str, why: String| Error::Usage(format!("{flag}: {why}. Nothing was changed."));
        let list =
            |flag: &str, given: &[String], parse: fn(&str) -> Result<String, String>| -> Result<_, Error> {
                if given.is_empty() {
                    return Ok(Change::Keep);
                }
                let items = given.iter().map(|item| parse(item)).collect::<Result<Vec<String>, String>>();
                let items = items.map_err(|why| wrong(flag, why))?;
                restrictions::not_too_many(flag, &items).map_err(Error::Usage)?;
                Ok(Change::Set(items))
            };
        let text = |flag: &str, given: Option<&String>| match given {
            None => Ok(Change::Keep),
            Some(given) => restrictions::text(given)
                .map(|text| Change::Set(text.into_bytes()))
                .map_err(|why| wrong(flag, why)),
        };
        let changes = Changes {
            expires: match &self.expires {
                None => Change::Keep,
                Some(given) => Change::Set(moment(given, now).map_err(|why| wrong("--expires", why))?),
            },
            allow: list("--allow", &self.allow, restrictions::rule)?,
            allow_net: list("--allow-net", &self.allow_net, restrictions::network)?,
            read_only: if self.read_only { Change::Set(true) } else { Change::Keep },
            note: text("--note", self.note.as_ref())?,
            owner: text("--owner", self.owner.as_ref())?,
        };
        if self.read_only
            && let Change::Set(rules) = &changes.allow
            && let Some(rule) = rules.iter().find(|rule| restrictions::only_writes(rule))
        {
            return Err(wrong(
                "--read-only",
                format!("--allow='{rule}' is for changes only, and could never be used"),
            ));
        }
        Ok(changes)
    }

    /// The same, with what is to be taken away.
    ///
    /// # Errors
    /// As [`Self::changes`]; something is to be set and taken away at once.
    pub fn changes_without(&self, cleared: &[Cleared], now: i64) -> Result<Changes, Error> {
        let mut changes = self.changes(now)?;
        for cleared in cleared {
            let done = match cleared {
                Cleared::Expires => clear(&mut changes.expires),
                Cleared::Allow => clear(&mut changes.allow),
                Cleared::AllowNet => clear(&mut changes.allow_net),
                Cleared::ReadOnly => clear(&mut changes.read_only),
                Cleared::Note => clear(&mut changes.note),
                Cleared::Owner => clear(&mut changes.owner),
            };
            if !done {
                let name = cleared.to_possible_value().map(|value| value.get_name().to_owned());
                let name = name.unwrap_or_default();
                return Err(Error::Usage(format!(
                    "--clear={name} takes away what --{name} sets: give one of them. Nothing was changed."
                )));
            }
        }
        Ok(changes)
    }
}

/// Whether there was nothing to be set.
fn clear<T>(change: &mut Change<T>) -> bool {
    let is_free = !matches!(change, Change::Set(_));
    if is_free {
        *change = Change::Remove;
    }
    is_free
}

/// A length of time from now on, or a time; a date is its first second. UTC unless it says otherwise.
fn moment(given: &str, now: i64) -> Result<i64, String> {
    let ahead =
        |length: Duration| i64::try_from(length.as_secs()).ok().and_then(|length| now.checked_add(length));
    let at =
        duration::moment(given.trim()).or_else(|| duration::parse(given).ok().and_then(ahead)).ok_or_else(
            || format!("'{given}' is no time: give one such as 90d, 2027-03-01 or 2027-03-01T14:00:00Z"),
        )?;
    if at <= now {
        return Err(format!("'{given}' is over: the password would be refused from the start"));
    }
    Ok(at)
}

/// Whether an entry has an expiry or restrictions.
pub fn wants_enforcing(record: &Record<'_>) -> bool {
    let (document, node) = record.parts();
    Terms::of(document, node).want_enforcing()
}

impl Context<'_> {
    /// Says that WordPress would not enforce what `changes` sets, if that is so.
    pub fn warn_unless_enforced(&mut self, changes: &Changes) {
        if changes.want_enforcing() {
            self.warn_of_enforcement();
        }
    }

    /// Says the same of entries that have an expiry or restrictions.
    pub fn warn_of_enforcement(&mut self) {
        match enforcer::enforcement(self.site) {
            Enforcement::Yes => {}
            Enforcement::No(reason) => self.out.warning(format!(
                "This site does not enforce expiry and restrictions of application passwords: {reason}. Install it with \
                 `wp-app-password enforcer install`."
            )),
            Enforcement::Unknown(reason) => self.out.warning(format!(
                "It cannot be told whether this site enforces expiry and restrictions of application passwords: {reason}. \
                 WordPress by itself does not; `wp-app-password enforcer install --path=…` makes it."
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_come() {
        let now = 1_795_651_200; // 2026-11-26T00:00:00Z
        assert_eq!(moment("90d", now), Ok(now + 90 * 86_400));
        assert_eq!(moment("2026-11-27", now), Ok(now + 86_400));
        assert_eq!(moment("2026-11-26T01:00:00Z", now), Ok(now + 3_600));
        assert_eq!(moment("2026-11-26T03:00:00+02:00", now), Ok(now + 3_600));
        assert_eq!(moment("2026-11-26 01:00", now), Ok(now + 3_600));
        for wrong in ["", "0s", "2026-11-26", "2020-01-01", "soon", "90", "never"] {
            assert!(moment(wrong, now).is_err(), "{wrong}");
        }
    }
}
