//! `ensure <user> <app-name>`: there is one of that name, and it is not too old.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::time::{Duration, Instant};

use clap::Args;

use super::replacement::{self, Made, Replacing, Report, Wanted, date};
use super::terms_args::TermsArgs;
use super::{Context, Outcome, duration, rules};
use crate::application_passwords::{ApplicationPasswords, Rotatable, is_empty, named};
use crate::error::Error;
use crate::store::User;
use crate::wordpress::restrictions::{Changes, Term};
use crate::wordpress::sanitize;

/// `ensure <user> <app-name>`
#[derive(Debug, Args)]
pub struct Ensure {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Name of the application
    #[arg(value_name = "app-name", required = true)]
    pub app_name: OsString,

    /// Application ID to attribute to a new application password
    #[arg(long, value_name = "app-id")]
    pub app_id: Option<OsString>,

    /// Rotate it when it was created longer ago than this (90d)
    #[arg(long, value_name = "time", value_parser = duration::parse)]
    pub max_age: Option<Duration>,

    /// Show what would be done and change nothing (exit code 2 if anything would)
    #[arg(long)]
    pub dry_run: bool,

    /// How.
    #[command(flatten)]
    pub replacing: Replacing,

    /// What a new one may be used for.
    #[command(flatten)]
    pub terms: TermsArgs,
}

/// How long another run that is making the same password is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long between two looks at what it does.
const PAUSE: Duration = Duration::from_millis(200);

/// What there is to do.
enum Need {
    /// Nothing: this one will do.
    Nothing(Rotatable),
    /// There is none.
    Create,
    /// A run that was killed left this one behind, and nobody knows whether its password was delivered.
    Redeliver(Rotatable),
    /// This one is too old.
    Rotate(Rotatable),
}

impl Need {
    fn action(&self) -> &'static str {
        match self {
            Self::Nothing(_) => "none",
            Self::Create | Self::Redeliver(_) => "created",
            Self::Rotate(_) => "rotated",
        }
    }
}

/// Makes sure that the user has an application password of that name, whose password was delivered.
///
/// # Errors
/// An unknown user, a name that WordPress refuses, whatever keeps a new password from being made, accepted or
/// delivered: then everything is as it was.
pub fn run(args: &Ensure, context: &mut Context<'_>) -> Result<Outcome, Error> {
    args.replacing.sink()?;
    let terms = args.terms.changes(context.now)?;
    let user = context.find_user(&args.user)?;
    let rules = rules(&context.evidence()?);
    let name = ApplicationPasswords::clean_name(args.app_name.as_bytes(), rules)?;
    let name = sanitize::stripslashes(&name);
    let app_id =
        args.app_id.as_deref().map(OsStrExt::as_bytes).filter(|id| !is_empty(id)).unwrap_or_default();
    let app_id = sanitize::stripslashes(app_id);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let need = need(args, context, &user, &name)?;
        // Whoever asks for a restriction must not be told that all is well without it.
        if let Need::Nothing(found) | Need::Redeliver(found) | Need::Rotate(found) = &need {
            let unmet = terms.unmet(&found.terms);
            if !unmet.is_empty() {
                return Err(Error::Usage(format!(
                    "The application password '{}' of user {} is there, and {} not as asked for. Set it with: update {} {} {} … (or \
                     revoke it, and it is made anew). The application password was not changed.",
                    String::from_utf8_lossy(&found.name),
                    named(&user),
                    if let [one] = unmet.as_slice() {
                        format!("{one} is")
                    } else {
                        format!("{} are", unmet.join(", "))
                    },
                    user.id,
                    String::from_utf8_lossy(&found.uuid),
                    unmet.join(" ")
                )));
            }
        }
        if args.dry_run {
            return would(args, context, &user, &name, &need);
        }
        match act(args, context, &user, (&name, &app_id, &terms), &need) {
            // Another run made it, or is about to, between the look and the change: look again.
            Err(
                Error::DuplicateName
                | Error::NotFound
                | Error::AlreadyRotated { .. }
                | Error::BeingRotated { .. },
            ) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            end => return end,
        }
    }
}

fn need(args: &Ensure, context: &mut Context<'_>, user: &User, name: &[u8]) -> Result<Need, Error> {
    let list = context.passwords().read(user.id)?;
    context.passwords().refuse_unreadable(user, &list)?;
    let limit = args.max_age.map(|age| context.now.saturating_sub(age.as_secs() as i64));
    Ok(match list.newest_named(name) {
        None => Need::Create,
        Some((left, false)) => Need::Redeliver(left),
        Some((old, true)) if limit.is_some_and(|limit| old.created < limit) => Need::Rotate(old),
        // Where expiry is enforced nobody can use it any more.
        Some((old, true)) if matches!(old.terms.expires, Term::Set(at) if at <= context.now) => {
            Need::Rotate(old)
        }
        Some((fine, true)) => Need::Nothing(fine),
    })
}

fn act(
    args: &Ensure,
    context: &mut Context<'_>,
    user: &User,
    (name, app_id, terms): (&[u8], &[u8], &Changes),
    need: &Need,
) -> Result<Outcome, Error> {
    let (wanted_name, wanted_id, of): (&[u8], &[u8], Option<&[u8]>) = match need {
        Need::Nothing(found) => {
            if !app_id.is_empty() && *found.app_id != *app_id {
                context.out.warning(format!(
                    "The application password '{}' of user {} has another app_id: {}.",
                    String::from_utf8_lossy(&found.name),
                    named(user),
                    String::from_utf8_lossy(&found.app_id)
                ));
            }
            if args.replacing.json {
                report(user, found).print(context)?;
            } else if !args.replacing.porcelain && !args.replacing.sink.has_form() {
                context.out.success(format!(
                    "User {} has an application password named '{}' ({}, created {}).",
                    named(user),
                    String::from_utf8_lossy(&found.name),
                    String::from_utf8_lossy(&found.uuid),
                    date(found.created)
                ))?;
            }
            return Ok(Outcome::Done);
        }
        Need::Create => (name, app_id, None),
        Need::Redeliver(old) | Need::Rotate(old) => (&old.name, &old.app_id, Some(&old.uuid)),
    };
    let replacing = args.replacing.filled_in(user, wanted_name, wanted_id, of.unwrap_or_default());
    let wanted = Wanted {
        name: wanted_name,
        app_id: wanted_id,
        of,
        of_leftover: matches!(need, Need::Redeliver(_)),
        only_one: of.is_none(),
        action: need.action(),
        // What takes another one's place has its restrictions.
        terms: if of.is_none() { terms.clone() } else { Changes::default() },
    };
    if of.is_none() {
        context.warn_unless_enforced(terms);
    }
    let made = replacement::replace(context, &replacing, user, &wanted)?;
    tell(context, user, &wanted, &made)?;
    Ok(Outcome::Done)
}

fn tell(context: &mut Context<'_>, user: &User, wanted: &Wanted<'_>, made: &Made) -> Result<(), Error> {
    if made.stdout_is_taken && made.trouble.is_none() {
        return Ok(());
    }
    let verb = if wanted.action == "rotated" { "Rotated" } else { "Created" };
    let summary = format!(
        "{verb} application password '{}' of user {} ({})",
        String::from_utf8_lossy(wanted.name),
        named(user),
        made.uuid
    );
    context.revoked(made.trouble.clone(), &summary)?;
    if let Some(delivered) = &made.delivered {
        context.out.log(format!("The new password was {delivered}."))?;
    }
    if let Some(at) = made.retire_at {
        context.out.log(format!("The old password works until {}. Then run: rotate --finish", date(at)))?;
    }
    Ok(())
}

fn would(
    args: &Ensure,
    context: &mut Context<'_>,
    user: &User,
    name: &[u8],
    need: &Need,
) -> Result<Outcome, Error> {
    if args.replacing.json {
        let (uuid, replaces) = match need {
            Need::Nothing(found) => (found.uuid.as_slice(), None),
            Need::Create => (&b""[..], None),
            Need::Redeliver(old) | Need::Rotate(old) => (&b""[..], Some(old.uuid.as_slice())),
        };
        let changed = !matches!(need, Need::Nothing(_));
        let action = need.action();
        Report { changed, action, user, name, uuid, replaces, retire_at: None, password: None }
            .print(context)?;
        return Ok(if changed { Outcome::Pending } else { Outcome::Done });
    }
    let what = match need {
        Need::Nothing(_) => return Ok(Outcome::Done),
        Need::Create => "create",
        Need::Redeliver(_) => "create again, because an earlier run did not end,",
        Need::Rotate(_) => "rotate",
    };
    context.out.line(format!(
        "Would {what} the application password '{}' of user {}.",
        String::from_utf8_lossy(name),
        named(user)
    ))?;
    Ok(Outcome::Pending)
}

fn report<'a>(user: &'a User, found: &'a Rotatable) -> Report<'a> {
    Report {
        changed: false,
        action: "none",
        user,
        name: &found.name,
        uuid: &found.uuid,
        replaces: None,
        retire_at: None,
        password: None,
    }
}
