//! `audit`

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Instant;

use clap::{Args, ValueEnum};

use super::{Context, Outcome, duration};
use crate::application_passwords::{PlainReader, Record, StoredList, is_truthy_option};
use crate::audit::baseline::{self, Baseline};
use crate::audit::entry::{Entry, Field, Own};
use crate::audit::finding::{Finding, Severity};
use crate::audit::policy::{FailOn, Policy};
use crate::audit::rules::{Id, RULES};
use crate::audit::tally::{AGE_CLASSES, Histogram, Tally};
use crate::audit::{self, Audit, Facts, Owner, Shape};
use crate::enforcer::{self, Enforcement};
use crate::error::Error;
use crate::output::report::{self, Ages, Chart, Count, Level, Report, Row as ReportRow, Sarif};
use crate::output::{
    Format as RowFormat, Item, Key, Output, Progress, Request, RowStream, Terminal, Value, to_json,
};
use crate::site::FixedAddress;
use crate::store::{Account, StoreError, UserMeta, UserState};
use crate::wordpress::network::Network;
use crate::wordpress::php_serialize::View;
use crate::wordpress::plain_list::{Cell, Row};
use crate::wordpress::restrictions::Terms;
use crate::wordpress::roles::RoleMap;
use crate::wordpress::schema::{APPLICATION_PASSWORDS, SUSPENDED, USING_APPLICATION_PASSWORDS, item, own};

/// `audit`
#[derive(Debug, Args)]
pub struct AuditSite {
    /// How the report looks.
    #[command(flatten)]
    pub report: ReportOptions,
    /// What is looked for.
    #[command(flatten)]
    pub rules: RuleOptions,
}

/// How the report looks.
#[derive(Debug, Args)]
#[command(next_help_heading = "Report")]
pub struct ReportOptions {
    /// Render the report in a particular format
    #[arg(long, value_name = "format", default_value = "table")]
    pub format: Format,

    /// Write the report to this file, beside it first and renamed when it is whole
    #[arg(long, value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// End with 2 where something at least this grave was found (default: warning)
    #[arg(long, value_name = "severity")]
    pub fail_on: Option<FailOnArgument>,

    /// Report only what this earlier baseline does not know
    #[arg(long, value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub baseline: Option<PathBuf>,

    /// Write what was found as the new baseline, to this file or the one of --baseline, and end with 0
    #[arg(long, value_name = "file", num_args = 0..=1, require_equals = true,
          value_hint = clap::ValueHint::FilePath)]
    pub write_baseline: Option<Option<PathBuf>>,

    /// Explain a rule, or list all of them, and look at nothing
    #[arg(long, value_name = "rule", num_args = 0..=1, default_missing_value = "")]
    pub explain: Option<String>,
}

/// What is looked for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Rules")]
pub struct RuleOptions {
    /// Policy file (TOML): rules on or off, thresholds, severities, exceptions. Flags beat it
    #[arg(long, value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub policy: Option<PathBuf>,

    /// Look at these rules only (repeatable, or separated by commas)
    #[arg(long, value_name = "rule", value_delimiter = ',')]
    pub rule: Vec<String>,

    /// Don't look at these rules (repeatable, or separated by commas)
    #[arg(long, value_name = "rule", value_delimiter = ',')]
    pub skip_rule: Vec<String>,

    /// Report what was never used, when it is older than this (default: 30d)
    #[arg(long, value_name = "duration", value_parser = seconds)]
    pub never_used_for: Option<u64>,

    /// Report what was not used for this long (default: 90d)
    #[arg(long, value_name = "duration", value_parser = seconds)]
    pub unused_for: Option<u64>,

    /// Report what is older than this (default: 365d)
    #[arg(long, value_name = "duration", value_parser = seconds)]
    pub older_than: Option<u64>,

    /// Report what expires within this time (default: 14d)
    #[arg(long, value_name = "duration", value_parser = seconds)]
    pub expiring_within: Option<u64>,

    /// Report users with more than this many (default: 10)
    #[arg(long, value_name = "number")]
    pub more_than: Option<u64>,

    /// Report what was last used from outside these networks (repeatable): 192.0.2.0/24, 2001:db8::/32
    #[arg(long, value_name = "cidr", value_parser = Network::parse)]
    pub allow_net: Vec<Network>,

    /// Report what was created since then: 2026-11-20, 2026-11-20T14:00:00Z, or a time ago such as 3d
    #[arg(long, value_name = "time")]
    pub since: Option<String>,
}

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Format {
    Table,
    Json,
    Jsonl,
    Csv,
    Yaml,
    Sarif,
    Junit,
    Nagios,
    Prometheus,
    Html,
}

/// `--fail-on`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FailOnArgument {
    Info,
    Warning,
    Critical,
    Never,
}

impl From<FailOnArgument> for FailOn {
    fn from(given: FailOnArgument) -> Self {
        match given {
            FailOnArgument::Info => Self::Info,
            FailOnArgument::Warning => Self::Warning,
            FailOnArgument::Critical => Self::Critical,
            FailOnArgument::Never => Self::Never,
        }
    }
}

/// The version of the JSON report's form.
const SCHEMA: i64 = 1;

/// Formats that show findings by rule keep so many of each; a page for managers may be longer.
const SHOWN: usize = 50;
const SHOWN_ON_A_PAGE: usize = 500;

/// The fields of a finding where it is a row.
const FIELDS: [&str; 13] = [
    "rule",
    "severity",
    "user_id",
    "user_login",
    "roles",
    "uuid",
    "name",
    "app_id",
    "created",
    "last_used",
    "last_ip",
    "message",
    "fingerprint",
];

fn seconds(text: &str) -> Result<u64, String> {
    duration::parse(text).map(|length| length.as_secs())
}

/// `--explain`: looks at no site.
///
/// # Errors
/// [`Error::Usage`] for a rule that does not exist.
pub fn explain(id: &str, out: &mut Output<'_>) -> Result<Outcome, Error> {
    if id.is_empty() {
        let width = RULES.iter().map(|rule| rule.id.len()).max().unwrap_or(0);
        for rule in &RULES {
            out.line(format!("{:width$}  {:8}  {}", rule.id, rule.severity.name(), rule.title))?;
        }
        return Ok(Outcome::Done);
    }
    let rule = named_rule(id)?.rule();
    let threshold = match (rule.threshold.key(), rule.threshold.value()) {
        (None, _) => String::new(),
        (Some("more-than"), count) => format!("; more-than = {count}"),
        (Some(key), seconds) => format!("; {key} = \"{}d\"", seconds / 86_400),
    };
    out.line(format!("{}: {}", rule.id, rule.title))?;
    out.line(format!("Severity: {}{threshold}\n", rule.severity.name()))?;
    out.line(format!("{}\n\nWhat to do: {}", rule.explanation, rule.remedy))?;
    Ok(Outcome::Done)
}

pub(super) fn named_rule(id: &str) -> Result<Id, Error> {
    let nearest = || {
        let mut ids: Vec<(usize, &str)> =
            RULES.iter().map(|rule| (strsim::levenshtein(rule.id, id), rule.id)).collect();
        ids.sort_unstable();
        ids.first()
            .filter(|(distance, _)| *distance <= 3)
            .map_or_else(String::new, |(_, id)| format!(" Did you mean '{id}'?"))
    };
    Id::named(id).ok_or_else(|| {
        Error::Usage(format!("There is no rule '{id}' (audit --explain lists them).{}", nearest()))
    })
}

impl RuleOptions {
    /// Defaults, then the file, then flags.
    fn policy(&self, now: i64, has_baseline: bool) -> Result<Policy, Error> {
        let mut policy = match &self.policy {
            None => Policy::default(),
            Some(file) => {
                let text = read_file(file, "The policy")?;
                Policy::read(&text, seconds, end_of_day)
                    .map_err(|why| Error::Usage(format!("The policy {}, {why}", file.display())))?
            }
        };
        // A flag beats a policy that has its rule off.
        for (rule, threshold) in [
            (Id::NeverUsed, self.never_used_for),
            (Id::Unused, self.unused_for),
            (Id::Old, self.older_than),
            (Id::Expiring, self.expiring_within),
            (Id::TooMany, self.more_than),
        ] {
            if let Some(threshold) = threshold {
                policy.set_threshold(rule, threshold);
                policy.enable(rule, true);
            }
        }
        if !self.allow_net.is_empty() {
            policy.allow_net.clone_from(&self.allow_net);
            policy.enable(Id::ForeignAddress, true);
        }
        policy.since = self.since.as_deref().map(|text| point_in_time("--since", text, now)).transpose()?;
        if policy.since.is_some() {
            policy.enable(Id::CreatedSince, true);
        }
        if !self.rule.is_empty() {
            for rule in &RULES {
                policy.enable(rule.number, false);
            }
        }
        for (ids, on) in [(&self.rule, true), (&self.skip_rule, false)] {
            for id in ids {
                policy.enable(named_rule(id)?, on);
            }
        }
        // What has nothing to compare with is not looked at, and reports say so; who asks for it by name is told.
        for (rule, has, needed) in [
            (
                Id::ForeignAddress,
                !policy.allow_net.is_empty(),
                "--allow-net=CIDR, or allow-net in the policy: the networks that uses are expected from",
            ),
            (Id::CreatedSince, policy.since.is_some(), "--since=TIME"),
            (Id::RoleChanged, has_baseline, "--baseline=FILE, which knows the roles of before"),
        ] {
            let id = rule.rule().id;
            if !has && policy.enabled(rule) && self.rule.iter().any(|asked| asked == id) {
                return Err(Error::Usage(format!("--rule={id} has nothing to compare with: give {needed}.")));
            }
            // What the other two compare with comes with a run, and a policy is for all of them.
            if !has && policy.enabled(rule) && rule == Id::ForeignAddress && policy.asked.contains(&rule) {
                return Err(Error::Usage(format!(
                    "The policy switches {id} on, which has nothing to compare with: give {needed}."
                )));
            }
            if !has {
                policy.enable(rule, false);
            }
        }
        // It would end with 0, and nobody would have looked at anything.
        if !RULES.iter().any(|rule| policy.enabled(rule.number)) {
            return Err(Error::Usage("Every rule is switched off: nothing would be looked at.".into()));
        }
        Ok(policy)
    }
}

fn read_file(file: &Path, what: &str) -> Result<String, Error> {
    fs::read_to_string(file)
        .map_err(|error| Error::Usage(format!("{what} {} can't be read: {error}", file.display())))
}

/// When a day is over, in UTC. A time of day is refused: the day counts as a whole.
fn end_of_day(text: &str) -> Result<i64, String> {
    let wrong = |_error| format!("'{text}' is no date: give one such as 2027-01-31");
    let date = jiff::civil::Date::strptime("%Y-%m-%d", text).map_err(wrong)?;
    // The last day that there is never ends.
    let Ok(next) = date.tomorrow() else { return Ok(i64::MAX) };
    Ok(jiff::tz::TimeZone::UTC.to_timestamp(next.at(0, 0, 0, 0)).map_err(wrong)?.as_second())
}

/// A date, a time (UTC unless it says otherwise), or a length of time ago.
pub(super) fn point_in_time(flag: &str, text: &str, now: i64) -> Result<i64, Error> {
    let ago = || duration::parse(text).ok().and_then(|length| i64::try_from(length.as_secs()).ok());
    let time = duration::moment(text).or_else(|| ago().map(|ago| now - ago)).ok_or_else(|| {
        Error::Usage(format!(
            "{flag}: '{text}' is no time: give one such as 2026-11-20, 2026-11-20T14:00:00Z, or 3d for three days ago"
        ))
    })?;
    // Nothing was created since then, and that would read as if somebody had looked.
    if time > now {
        return Err(Error::Usage(format!("{flag}: '{text}' is still to come (times are in UTC).")));
    }
    Ok(time)
}

/// Looks at every application password of the site.
///
/// # Errors
/// A policy or baseline that cannot be read, a failing database, an output that cannot be written.
pub fn run(args: &AuditSite, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let started = Instant::now();
    let options = &args.report;
    let mut policy = args.rules.policy(context.now, options.baseline.is_some())?;
    if let Some(given) = options.fail_on {
        policy.fail_on = FailOn::from(given).severity();
    }
    if options.write_baseline.is_some() && options.output.is_some() {
        // The report that is there would be replaced by an empty file.
        return Err(Error::Usage(
            "--write-baseline writes no report: leave out --output, and audit once more for the report."
                .into(),
        ));
    }
    let new_baseline = match &options.write_baseline {
        Some(None) => Some(options.baseline.as_ref().ok_or_else(|| {
            Error::Usage(
                "--write-baseline needs a file: --write-baseline=FILE, or --baseline=FILE beside it.".into(),
            )
        })?),
        Some(Some(file)) => Some(file),
        None => None,
    };
    let baseline = match &options.baseline {
        // The first time there is none yet.
        Some(file) if new_baseline == Some(file) && !file.exists() => None,
        Some(file) => {
            let text = read_file(file, "The baseline")?;
            let named = |why| Error::Usage(format!("The baseline {}, {why}", file.display()));
            Some(Baseline::read(&text).map_err(named)?)
        }
        None => None,
    };
    let facts = facts(context)?;
    let new_baseline = new_baseline.map(|file| Beside::new(file)).transpose()?.map(RefCell::new);
    let file = options.output.as_deref().map(Beside::new).transpose()?;
    let format = new_baseline.is_none().then_some(options.format);
    let report = empty_report(&facts, &policy, &context.store.description().place);
    if let (Some(file), Some(of)) = (&options.baseline, baseline.as_ref().and_then(Baseline::site))
        && of != report.site
        && new_baseline.is_none()
    {
        context.out.warning(format!(
            "The baseline {} is of {of}, and this is {}: what it knows may be another site's. Where the site moved, write \
             it anew with --write-baseline.",
            file.display(),
            report.site
        ));
    }
    if let Some(file) = &new_baseline {
        file.borrow_mut().write(baseline::header(&report.site).as_bytes());
    }

    let Context { store, out, .. } = context;
    // Rows on a terminal and a line that is drawn over and over get in each other's way.
    let rows_on_terminal =
        matches!(format, Some(Format::Json | Format::Jsonl | Format::Csv | Format::Yaml | Format::Sarif))
            && file.is_none()
            && out.terminal().stdout_is_terminal;
    let progress = Progress::counting(out.terminal().stderr_is_terminal && !rows_on_terminal, "users");
    let mut to_file = file.as_ref().map(Beside::output).transpose()?;
    let mut printer = Printer::begin(format, to_file.as_mut().unwrap_or(out), report)?;
    let mut all = |finding: &Finding| {
        if let Some(file) = &new_baseline {
            file.borrow_mut().write(baseline::finding(finding).as_bytes());
        }
    };
    let mut audit = Audit::new(facts, &policy, baseline.as_ref()).telling(&mut all);
    let mut reader = PlainReader::default();
    let mut previous = None;
    let mut rows = 0;
    let walked = store.each_account(APPLICATION_PASSWORDS, &mut |account: Account<'_>| {
        let owner = owner(&account);
        let report = &mut |finding: Finding| printer.finding(&finding);
        // WordPress: of several rows the first counts.
        if previous.replace(account.user) == Some(account.user) {
            audit.surplus_row(&owner, report);
        } else {
            let count = look_at(&mut audit, &owner, account.value, &mut reader, report);
            if let Some(file) = new_baseline.as_ref().filter(|_| count > 0) {
                file.borrow_mut().write(baseline::owner(owner.id, &audit.roles_of(&owner)).as_bytes());
            }
        }
        rows += 1;
        progress.count(rows, rows + account.left, || match audit.tally.findings() {
            1 => "1 finding".into(),
            findings => format!("{findings} findings"),
        });
        printer.goes_on()
    });
    // Rows that are too long to be read must not hide all others.
    for why in unless_too_long(walked)? {
        audit.too_long(&why, &mut |finding| printer.finding(&finding));
    }
    let walked = store.each_user_meta(SUSPENDED, &mut |row: UserMeta<'_>| {
        let owner = Owner { id: row.user.0, login: row.login, umeta_id: row.umeta_id, ..Owner::default() };
        for entry in StoredList::from_value(row.umeta_id, row.value).records().map(from_record) {
            audit.suspended(&owner, &entry, &mut |finding| printer.finding(&finding));
        }
        printer.goes_on()
    });
    for why in unless_too_long(walked)? {
        audit.too_long(&why, &mut |finding| printer.finding(&finding));
    }
    for mut suspects in audit.suspects() {
        let mut previous = None;
        let walked = store.each_account(APPLICATION_PASSWORDS, &mut |account: Account<'_>| {
            if previous.replace(account.user) != Some(account.user) {
                let owner = owner(&account);
                each_entry(account.value, &mut reader, &mut |entry| {
                    audit.look(&owner, &entry, &mut suspects)
                });
            }
            printer.goes_on()
        });
        unless_too_long(walked)?;
        for group in suspects.groups() {
            audit.group(&group, &mut |finding| printer.finding(&finding));
        }
    }
    audit.site(&mut |finding| printer.finding(&finding));
    let tally = std::mem::take(&mut audit.tally);
    drop(audit);
    drop(progress);

    // Cron mails what is printed: a table appears when there is news, and for whoever sits at a terminal.
    let quiet = !printer.out.terminal().stdout_is_terminal && options.output.is_none();
    let outcome = printer.end(&tally, started.elapsed().as_secs_f64(), quiet)?;
    if let Some(mut output) = to_file {
        output.flush()?;
    }
    if let Some(file) = file {
        file.finish()?;
    }
    match new_baseline {
        Some(file) => {
            let file = file.into_inner();
            let path = file.path.clone();
            file.finish()?;
            context.out.note(format!("The baseline {} was written.", path.display()));
            Ok(Outcome::Done)
        }
        None => Ok(outcome),
    }
}

/// What a walk says of rows that are too long to be read, a sentence for each: all others were visited then.
pub(super) fn unless_too_long(walked: Result<(), StoreError>) -> Result<Vec<String>, Error> {
    match walked {
        Ok(()) => Ok(Vec::new()),
        Err(StoreError::TooLong(rows)) => Ok(rows),
        Err(error) => Err(error.into()),
    }
}

/// What is known of the site before its users are looked at.
pub(super) fn facts(context: &mut Context<'_>) -> Result<Facts, Error> {
    let evidence = context.evidence()?;
    let store = &mut *context.store;
    let network = store.description().network.is_some();
    // A network's sites mostly have the same roles: each map is kept once.
    let mut known: HashMap<Option<Vec<u8>>, Rc<RoleMap>> = HashMap::new();
    let mut role_maps = HashMap::new();
    for (blog, stored) in store.role_maps()? {
        let map = match known.get(&stored) {
            Some(map) => Rc::clone(map),
            None => {
                let map = Rc::new(RoleMap::read(stored.as_deref()));
                known.insert(stored, Rc::clone(&map));
                map
            }
        };
        role_maps.insert(blog, map);
    }
    let super_admins = if network { context.super_admins()? } else { Vec::new() };
    let in_use = context.store.network_option(USING_APPLICATION_PASSWORDS)?;
    let addresses = context.addresses()?.map(|(name, address)| match address {
        FixedAddress::Known(address) => (name, address.trim().to_owned()),
        // Whatever host was asked: the database's address does not count, and there is no other.
        FixedAddress::Unclear | FixedAddress::No => (name, String::new()),
    });
    Ok(Facts {
        now: context.now,
        era: evidence.era(),
        network,
        super_admins,
        role_maps,
        in_use: in_use.is_some_and(|value| is_truthy_option(&value)),
        addresses: addresses.into(),
        not_enforced: match enforcer::enforcement(context.site) {
            Enforcement::Yes => None,
            Enforcement::No(reason) => Some(reason),
            Enforcement::Unknown(reason) => {
                Some(format!("it cannot be told whether they are enforced: {reason}"))
            }
        },
    })
}

/// Looks at one user's stored list; gives the number of its entries.
fn look_at(
    audit: &mut Audit<'_>,
    owner: &Owner<'_>,
    value: Option<&[u8]>,
    reader: &mut PlainReader,
    report: &mut dyn FnMut(Finding),
) -> u64 {
    if let Some(rows) = reader.read(value) {
        return audit.account(owner, Shape::List { strangers: 0 }, rows.iter().map(from_row), report);
    }
    let list = StoredList::from_value(owner.umeta_id, value);
    let shape = match list.damage() {
        Some((offset, reason)) => Shape::Unreadable { offset, reason },
        None => Shape::List { strangers: list.count() - list.records().count() },
    };
    audit.account(owner, shape, list.records().map(from_record), report)
}

/// Hands over the entries of a stored list.
fn each_entry(value: Option<&[u8]>, reader: &mut PlainReader, visit: &mut dyn FnMut(Entry<'_>)) {
    if let Some(rows) = reader.read(value) {
        rows.iter().map(from_row).for_each(visit);
        return;
    }
    StoredList::from_value(0, value).records().map(from_record).for_each(visit);
}

/// Why an account counts as closed.
pub(super) fn why_blocked(state: UserState) -> Option<&'static str> {
    match state.status {
        _ if state.deleted => Some("marked as deleted"),
        _ if state.spam => Some("marked as spam"),
        0 => None,
        // BuddyPress: bp_core_process_spammer_status(), sign-ups.
        1 => Some("marked as spam (user_status 1)"),
        _ => Some("not active (user_status)"),
    }
}

fn owner<'a>(account: &Account<'a>) -> Owner<'a> {
    Owner {
        id: account.user.0,
        login: account.login,
        blocked: why_blocked(account.state),
        roles: account.roles.iter().collect(),
        umeta_id: account.umeta_id,
    }
}

/// The fields of a row are in the order of WordPress's own keys.
pub(super) fn from_row(row: Row<'_>) -> Entry<'_> {
    let field = |place: usize| match row.cell(place) {
        Cell::Absent => Field::Absent,
        Cell::Null => Field::Null,
        Cell::Int(number) => Field::Int(number),
        Cell::Text(start, end) => Field::Text(Cow::Borrowed(row.text(start, end))),
    };
    Entry {
        uuid: field(0),
        app_id: field(1),
        name: field(2),
        password: field(3),
        created: field(4),
        last_used: field(5),
        last_ip: field(6),
        own: None,
    }
}

pub(super) fn from_record(record: Record<'_>) -> Entry<'_> {
    let field = |key: &str| match record.get(key) {
        None => Field::Absent,
        Some(View::Null) => Field::Null,
        Some(View::Str(text)) => Field::Text(text),
        Some(other) => other.to_int().map_or(Field::Other, Field::Int),
    };
    let (document, node) = record.parts();
    let terms = Terms::of(document, node);
    let own = Own {
        restricted: terms.want_enforcing(),
        unreadable: terms.unreadable().first().copied(),
        expires: field(own::EXPIRES).time(),
        retire_at: field(own::RETIRE_AT).time(),
        undelivered: field(own::UNDELIVERED).is_set(),
        replaced: field(own::ROTATED_BY).is_set(),
    };
    Entry {
        uuid: field(item::UUID),
        app_id: field(item::APP_ID),
        name: field(item::NAME),
        password: field(item::PASSWORD),
        created: field(item::CREATED),
        last_used: field(item::LAST_USED),
        last_ip: field(item::LAST_IP),
        own: (own != Own::default()).then(|| Box::new(own)),
    }
}

impl Item for Finding {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        let number = |number: Option<i64>| number.map_or(Value::Null, Value::Int);
        Some(match name {
            "rule" => Value::text(self.rule().id),
            "severity" => Value::text(self.severity.name()),
            "user_id" => number(self.user.and_then(|id| i64::try_from(id).ok())),
            "user_login" => Value::text(&self.login),
            "roles" => Value::text(&self.roles),
            "uuid" => Value::text(&self.uuid),
            "name" => Value::text(&self.name),
            "app_id" => Value::text(&self.app_id),
            "created" => number(self.created),
            "last_used" => number(self.last_used),
            "last_ip" => Value::text(&self.last_ip),
            "message" => Value::text(&self.message),
            "fingerprint" => Value::Text(self.fingerprint.to_string().into_bytes().into()),
            _ => return None,
        })
    }
}

/// A map as JSON; all texts of a report are UTF-8, so nothing can fail.
fn json<'a>(fields: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Vec<u8> {
    let fields = fields.into_iter().map(|(key, value)| (Key::Text(key.as_bytes().into()), value)).collect();
    to_json(&Value::Map(fields)).unwrap_or_default()
}

fn json_row(finding: &Finding) -> impl Iterator<Item = (&'static str, Value<'_>)> {
    FIELDS.iter().filter_map(|name| Some((*name, finding.field(name)?)))
}

impl From<Severity> for Level {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

fn report_row(finding: &Finding) -> ReportRow {
    let owner = match (finding.user, finding.login.as_str()) {
        (None, _) => String::new(),
        (Some(id), "") => format!("user {id}"),
        (Some(id), login) => format!("user {id} ({login})"),
    };
    ReportRow {
        owner,
        roles: finding.roles.clone(),
        name: finding.name.clone(),
        uuid: finding.uuid.clone(),
        message: finding.message.clone(),
        fingerprint: finding.fingerprint.to_string(),
    }
}

/// A report before anything was found.
fn empty_report(facts: &Facts, policy: &Policy, place: &str) -> Report {
    let address =
        facts.addresses.iter().rev().map(|(_, address)| address).find(|address| !address.is_empty());
    Report {
        verb: "audit",
        version: env!("CARGO_PKG_VERSION"),
        site: address.cloned().unwrap_or_else(|| place.to_owned()),
        at: audit::time(facts.now),
        seconds: facts.now,
        took: 0.0,
        rules: RULES
            .iter()
            .map(|rule| report::Rule {
                id: rule.id,
                title: rule.title,
                explanation: rule.explanation,
                remedy: rule.remedy,
                level: policy.severity(rule.number).into(),
                enabled: policy.enabled(rule.number),
                count: 0,
                rows: Vec::new(),
            })
            .collect(),
        counts: Vec::new(),
        charts: Vec::new(),
        ages: Vec::new(),
        fail_on: policy.fail_on.map(Level::from),
    }
}

/// Fills in what was counted.
fn fill(report: &mut Report, tally: &Tally, took: f64) {
    report.took = took;
    for (rule, count) in report.rules.iter_mut().zip(tally.found) {
        rule.count = count;
    }
    let count = |name, words, count| Count { name, words, count };
    report.counts = vec![
        count("entries", ["application password", "application passwords"], tally.entries),
        count("users", ["user who has some", "users who have some"], tally.users),
        count("never_used", ["never used"; 2], tally.never_used),
        count("suspended", ["suspended"; 2], tally.suspended),
        count(
            "known_findings",
            ["finding known from the baseline", "findings known from the baseline"],
            tally.known,
        ),
        count(
            "excused_findings",
            ["finding excused by the policy", "findings excused by the policy"],
            tally.excused,
        ),
    ];
    let bars = |histogram: &Histogram| -> Vec<(String, u64)> {
        AGE_CLASSES
            .iter()
            .zip(histogram.counts)
            .map(|((_, name), count)| ((*name).to_owned(), count))
            .collect()
    };
    let mut used = bars(&tally.idle);
    used.push(("never".to_owned(), tally.never_used));
    report.charts = vec![
        Chart { title: "Age of the application passwords", bars: bars(&tally.age) },
        Chart { title: "Time since the last use", bars: used },
    ];
    let classes = |histogram: &Histogram| {
        let last = AGE_CLASSES.len() - 1;
        let bound = |place: usize, days: i64| (place < last).then_some(days.cast_unsigned() * 86_400);
        let bounds = AGE_CLASSES.iter().enumerate().map(|(place, (days, _))| bound(place, *days));
        bounds.zip(histogram.counts).collect()
    };
    report.ages = vec![
        Ages {
            name: "age",
            help: "Time since the application passwords were created.",
            classes: classes(&tally.age),
            sum: tally.age.sum,
        },
        Ages {
            name: "idle",
            help: "Time since the application passwords were last used, of those that were.",
            classes: classes(&tally.idle),
            sum: tally.idle.sum,
        },
    ];
}

/// Puts findings into a format and writes them: those that are rows at once, the others in the end.
struct Printer<'o> {
    /// `None`: nothing is printed.
    format: Option<Format>,
    out: &'o mut Output<'static>,
    report: Report,
    stream: Option<RowStream>,
    sarif: Sarif,
    first: bool,
    error: Option<io::Error>,
}

impl<'o> Printer<'o> {
    fn begin(format: Option<Format>, out: &'o mut Output<'static>, report: Report) -> io::Result<Self> {
        let mut printer =
            Self { format, out, report, stream: None, sarif: Sarif::default(), first: true, error: None };
        match format {
            Some(Format::Csv) => {
                let rows = Request::new(RowFormat::Csv, None, None, &FIELDS);
                printer.stream = Some(RowStream::begin(printer.out, &rows, &FIELDS)?);
            }
            Some(Format::Yaml) => printer.out.result(report::yaml::BEGIN)?,
            Some(Format::Sarif) => printer.out.result(Sarif::begin(&printer.report))?,
            Some(Format::Json) => {
                let mut head = json([
                    ("schema", Value::Int(SCHEMA)),
                    ("tool", Value::text("wp-app-password")),
                    ("version", Value::text(printer.report.version)),
                    ("site", Value::text(&printer.report.site)),
                    ("generated", Value::text(&printer.report.at)),
                ]);
                head.pop();
                printer.out.result(head)?;
                printer.out.result(",\"findings\":[")?;
            }
            _ => {}
        }
        Ok(printer)
    }

    /// Whether there is any use in looking further.
    fn goes_on(&self) -> ControlFlow<()> {
        if self.error.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// An error is remembered for the end.
    fn finding(&mut self, finding: &Finding) {
        if self.error.is_none()
            && let Err(error) = self.print(finding)
        {
            self.error = Some(error);
        }
    }

    fn print(&mut self, finding: &Finding) -> io::Result<()> {
        match (self.format, &mut self.stream) {
            (_, Some(stream)) => stream.row(self.out, finding),
            (Some(Format::Json), _) => {
                let before = if std::mem::take(&mut self.first) { "" } else { "," };
                self.out.json_object(before, json_row(finding), "")
            }
            (Some(Format::Yaml), _) => {
                self.first = false;
                self.out.result(report::yaml::row(json_row(finding)))
            }
            (Some(Format::Jsonl), _) => self.out.json_object("", json_row(finding), "\n"),
            (Some(Format::Sarif), _) => {
                let place = finding.rule as usize;
                let row =
                    self.sarif.row(place, finding.rule().id, finding.severity.into(), &report_row(finding));
                self.out.result(row)
            }
            (Some(format), _) => {
                let most = if format == Format::Html { SHOWN_ON_A_PAGE } else { SHOWN };
                if let Some(rule) = self.report.rules.get_mut(finding.rule as usize)
                    && rule.rows.len() < most
                {
                    rule.rows.push(report_row(finding));
                }
                Ok(())
            }
            (None, _) => Ok(()),
        }
    }

    /// Prints what is left. `quiet`: no table without news.
    fn end(self, tally: &Tally, took: f64, quiet: bool) -> io::Result<Outcome> {
        let Self { format, out, mut report, stream, error, first, .. } = self;
        if let Some(error) = error {
            return Err(error);
        }
        fill(&mut report, tally, took);
        let news = report.rules.iter().any(|rule| report.fails(rule));
        let quiet = quiet && !news && (report.fail_on.is_some() || tally.findings() == 0);
        match format {
            None => {}
            Some(Format::Yaml) if first => out.result(report::yaml::NONE)?,
            Some(Format::Yaml) => {}
            Some(Format::Csv) => {
                if let Some(stream) = stream {
                    stream.end(out)?;
                }
            }
            Some(Format::Jsonl) => {}
            Some(Format::Json) => {
                let count = |name: &'static str, count: u64| {
                    (name, Value::Int(i64::try_from(count).unwrap_or(i64::MAX)))
                };
                let rules: Vec<(Key<'_>, Value<'_>)> = report
                    .rules
                    .iter()
                    .filter(|rule| rule.enabled)
                    .map(|rule| {
                        let (id, count) = count(rule.id, rule.count);
                        (Key::Text(id.as_bytes().into()), count)
                    })
                    .collect();
                let mut summary: Vec<_> =
                    report.counts.iter().map(|counted| count(counted.name, counted.count)).collect();
                summary.extend(Level::ALL.map(|level| count(level.name(), report.count(level))));
                summary.push(("rules", Value::Map(rules)));
                out.result("],\"summary\":")?;
                out.result(json(summary))?;
                out.result("}\n")?;
            }
            Some(Format::Sarif) => out.result(Sarif::end())?,
            Some(Format::Table) if quiet => {}
            Some(Format::Table) => out.result(report::text(&report))?,
            Some(Format::Junit) => out.result(report::junit(&report))?,
            Some(Format::Html) => out.result(report::html(&report))?,
            Some(Format::Prometheus) => out.result(report::prometheus(&report))?,
            Some(Format::Nagios) => {
                let (line, code) = report::nagios(&report);
                out.result(line)?;
                return Ok(Outcome::Plugin(code));
            }
        }
        Ok(if news { Outcome::Findings } else { Outcome::Done })
    }
}

/// A file that takes its name when it is whole, so that nobody ever reads half of it.
struct Beside {
    path: PathBuf,
    temporary: PathBuf,
    writer: BufWriter<File>,
    error: Option<io::Error>,
}

impl Beside {
    fn new(path: &Path) -> Result<Self, Error> {
        let name = path.file_name().ok_or_else(|| {
            Error::Usage(format!(
                "{} is no name of a file that a report could be written to.",
                path.display()
            ))
        })?;
        // What is renamed takes the place of whatever is there: not of a device, a pipe or /dev/stdout.
        if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(Error::Usage(format!(
                "{} is no regular file, and a report would take its place: name a file, or redirect standard output.",
                path.display()
            )));
        }
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}", std::process::id()));
        let temporary = path.with_file_name(temporary);
        // What a killed run left behind; never through a link that somebody else put there.
        let _ = fs::remove_file(&temporary);
        let file = File::options().write(true).create_new(true).open(&temporary).map_err(|error| {
            Error::Usage(format!("The file {} can't be written: {error}", path.display()))
        })?;
        Ok(Self { path: path.to_owned(), temporary, writer: BufWriter::new(file), error: None })
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Err(error) = self.writer.write_all(bytes) {
            self.error.get_or_insert(error);
        }
    }

    /// Writes there what would go to standard output.
    fn output(&self) -> Result<Output<'static>, Error> {
        Ok(Output::new(self.writer.get_ref().try_clone()?, io::sink(), Terminal::default()))
    }

    fn finish(mut self) -> Result<(), Error> {
        let kept = self.error.take().map_or(Ok(()), Err);
        let written = kept
            .and_then(|()| self.writer.flush())
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.temporary, &self.path));
        written.map_err(|error| {
            Error::Usage(format!("The file {} could not be written: {error}", self.path.display()))
        })
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // After a rename there is nothing left to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}
