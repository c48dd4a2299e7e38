//! `prune`

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::audit::{facts, named_rule};
use super::selection::{self, Deed, Filters, Guard, Rules};
use super::{Context, Outcome, duration};
use crate::audit::Audit;
use crate::audit::policy::Policy;
use crate::audit::rules::{Id, RULES};
use crate::error::Error;

/// `prune`
#[derive(Debug, Args)]
pub struct Prune {
    /// Those that were not used for this long (90d), counted from their last use
    #[arg(long, value_name = "time", value_parser = duration::parse, help_heading = "Rules, one of which is enough")]
    pub unused_for: Option<Duration>,

    /// Those that were never used, and are older than this (30d)
    #[arg(long, value_name = "time", value_parser = duration::parse, help_heading = "Rules, one of which is enough")]
    pub never_used_for: Option<Duration>,

    /// Those that are older than this, used or not
    #[arg(long, value_name = "time", value_parser = duration::parse, help_heading = "Rules, one of which is enough")]
    pub older_than: Option<Duration>,

    /// Those past the expiry that was noted in them
    #[arg(long, help_heading = "Rules, one of which is enough")]
    pub expired: bool,

    /// Those whose place another took, and whose overlap is over (as `rotate --finish`)
    #[arg(long, help_heading = "Rules, one of which is enough")]
    pub rotated: bool,

    /// Those that break this rule of `audit` (repeatable, or separated by commas)
    #[arg(long, value_name = "rule", value_delimiter = ',', help_heading = "Rules, one of which is enough")]
    pub rule: Vec<String>,

    /// Which, besides.
    #[command(flatten)]
    pub filters: Filters,

    /// Those of this user
    // The id of WP-CLI's global parameter, as with `identify`.
    #[arg(id = "acting-user", long = "user", value_name = "id|login|email", help_heading = "Which")]
    pub user: Option<OsString>,

    /// Suspend them instead: `resume` brings them back
    #[arg(long, help_heading = "Safety")]
    pub suspend: bool,

    /// Leave suspended ones alone; without this those that are chosen are erased
    #[arg(long, conflicts_with = "suspend", help_heading = "Safety")]
    pub keep_suspended: bool,

    /// What stands before it.
    #[command(flatten)]
    pub guard: Guard,
}

/// The rules that say of one entry, by itself, that it had better go.
const ENTRY_RULES: [Id; 16] = [
    Id::NoPassword,
    Id::WeakHash,
    Id::HiddenCharacters,
    Id::ImitatesCore,
    Id::CreatedInFuture,
    Id::UsedBeforeCreated,
    Id::NeverUsed,
    Id::Unused,
    Id::Old,
    Id::NoUuid,
    Id::NoName,
    Id::UnverifiableHash,
    Id::ForeignHash,
    Id::BadAppId,
    Id::Expired,
    Id::RotationUnfinished,
];

/// Revokes, or suspends, what is chosen.
///
/// # Errors
/// Nothing that says which, a rule that is none of one entry, a guard that stops it, a failing database.
pub fn run(args: &Prune, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let seconds = |length: Option<Duration>| length.map(|length| length.as_secs() as i64);
    let mut rules = Rules {
        unused_for: seconds(args.unused_for),
        never_used_for: seconds(args.never_used_for),
        older_than: seconds(args.older_than),
        expired: args.expired,
        rotated: args.rotated,
        audit: None,
    };
    let mut policy = Policy::default();
    for rule in &RULES {
        policy.enable(rule.number, false);
    }
    let mut asks_audit = false;
    for name in &args.rule {
        let id = named_rule(name)?;
        let usual = || Some(id.rule().threshold.value() as i64);
        match id {
            Id::Unused => rules.unused_for = rules.unused_for.or_else(usual),
            Id::NeverUsed => rules.never_used_for = rules.never_used_for.or_else(usual),
            Id::Old => rules.older_than = rules.older_than.or_else(usual),
            Id::Expired => rules.expired = true,
            Id::RotationUnfinished => rules.rotated = true,
            _ if ENTRY_RULES.contains(&id) => {
                policy.enable(id, true);
                asks_audit = true;
            }
            _ => {
                let ids: Vec<&str> = ENTRY_RULES.iter().map(|id| id.rule().id).collect();
                return Err(Error::Usage(format!(
                    "The rule '{name}' does not say which entries should go. Those that do: {}.",
                    ids.join(", ")
                )));
            }
        }
    }
    let has_rules = !args.rule.is_empty()
        || args.expired
        || args.rotated
        || args.unused_for.or(args.never_used_for).or(args.older_than).is_some();
    if !has_rules && !args.filters.is_given() {
        return Err(Error::Usage(
            "Say which: --unused-for=90d, --never-used-for=30d, --older-than=<time>, --expired, --rotated, --rule=<rule>, \
             --app-id=<uuid>, --name=<name>, --role=<role> or --created-since=<time>."
                .into(),
        ));
    }
    if args.user.is_some() && args.filters.role.is_some() {
        return Err(Error::Usage("--role chooses among all users: leave --user out.".into()));
    }
    let user = args.user.as_ref().map(|user| context.find_user(user)).transpose()?;
    let deed =
        if args.suspend { Deed::Suspend } else { Deed::Revoke { keep_suspended: args.keep_suspended } };
    let audit = if asks_audit { Some(Audit::new(facts(context)?, &policy, None)) } else { None };
    rules.audit = audit.as_ref();
    let mut criteria = args.filters.criteria(context.now)?;
    criteria.rules = has_rules.then_some(rules);
    selection::carry_out(context, deed, &criteria, user.as_ref(), &args.guard, true)
}
