//! `verify <user>`

use std::borrow::Cow;
use std::ffi::OsString;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::password_input::PasswordInput;
use super::{Context, Outcome};
use crate::application_passwords::{Acceptance, Found, ListFailure, Record, StoredList, named};
use crate::error::Error;
use crate::live::{self, Accepted, Answer, Reason, Report, XmlRpc};
use crate::output::{self, Key, Value};
use crate::secret::PlainPassword;
use crate::site::FixedAddress;
use crate::store::{Store, User};
use crate::wordpress::password_hash::{self, Kind};
use crate::wordpress::php_serialize::{self, Document, View};
use crate::wordpress::schema;
use crate::wordpress::version::{Evidence, Source};

/// The address of a site that a bare `--live` stands for.
const OF_DATABASE: &str = "";

/// How long nothing is said while a site is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// `verify <user>`
#[derive(Debug, Args)]
pub struct Verify {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Where the password comes from.
    #[command(flatten)]
    pub input: PasswordInput,

    /// Ask the site too, over its REST API (default address: WP_HOME, else the one in the database)
    ///
    /// The site records that as a use of the password. Plain HTTP is for this machine's own servers only.
    #[arg(long, num_args = 0..=1, default_missing_value = OF_DATABASE, value_name = "url",
          value_hint = clap::ValueHint::Url)]
    pub live: Option<String>,

    /// With --live, ask over XML-RPC as well
    #[arg(long, requires = "live")]
    pub xmlrpc: bool,

    /// With --live, how long all of it may take
    #[arg(long, requires = "live", value_name = "seconds", default_value = "15", value_parser = seconds)]
    pub timeout: Duration,

    /// Print the answer with all that was found
    #[arg(long, value_name = "format", conflicts_with = "porcelain")]
    pub format: Option<VerifyFormat>,

    /// Output just the uuid of the application password
    #[arg(long)]
    pub porcelain: bool,

    /// What else stands there: most likely the password, which must not be repeated in an error.
    #[arg(hide = true, num_args = 0.., value_name = "nothing")]
    pub rest: Vec<OsString>,
}

/// `verify --format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerifyFormat {
    /// One JSON object
    Json,
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("it must be between 0.1 and 600 seconds".into()),
    }
}

/// The three answers, from the best to the worst. Several questions have the worst of their answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Yes,
    Unknown,
    No,
}

/// Something that speaks for an answer, or that a careful person should know: a code for scripts, a sentence.
struct Remark {
    code: Cow<'static, str>,
    message: String,
}

impl Remark {
    fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Cow::Borrowed(code), message: message.into() }
    }
}

/// What the database says.
struct Judgement {
    verdict: Verdict,
    /// `None`: cannot be told.
    matches: Option<bool>,
    reasons: Vec<Remark>,
    notes: Vec<Remark>,
}

/// The password, as it is handed over.
///
/// # Errors
/// It stands on the command line, or cannot be read.
pub fn read_password(args: &Verify) -> Result<PlainPassword, Error> {
    if !args.rest.is_empty() {
        return Err(Error::Usage(
            "A password is never taken from the command line, which other users of this machine can read and shells \
             keep: give it on standard input, with --password-file or --password-fd, or type it when asked. If what \
             stands behind the user is a password in use, revoke it."
                .into(),
        ));
    }
    // An error of the parser would repeat what stands there.
    if args.live.as_ref().is_some_and(|address| address != OF_DATABASE && !address.contains("://")) {
        return Err(Error::Usage(
            "--live takes an address that begins with https://, or none; without one, put it behind the user.".into(),
        ));
    }
    args.input.read()
}

/// Says whether a password is one of a user's application passwords and whether the site would accept it.
///
/// # Errors
/// An unknown user, a failing database.
pub fn run(args: &Verify, password: &PlainPassword, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(&args.user)?;
    let list = context.passwords().read(user.id)?;
    context.warn_of(list.concerns(&user));
    let mut evidence = context.evidence()?;
    evidence.has_hash_of_68 |= list.records().any(|record| is_hash_of_68(&record));
    let in_use = context.passwords().is_in_use()?;
    let found = list.find_password(password.expose().as_bytes(), evidence.era());
    let mut judgement = judge(&found, &list, &user, &evidence, in_use);
    if let Some(entry) = &found.entry {
        note_expiry(&entry.record, context.now, &mut judgement.notes);
        if entry.kind == Kind::Md5 && evidence.era() != password_hash::Era::Since68 {
            judgement.notes.push(Remark::new(
                "md5",
                "It is stored as an MD5 hash: a WordPress before 6.8 makes it the user's login password when it is used.",
            ));
        }
    }
    let report = match &args.live {
        None => None,
        Some(address) => {
            if found.entry.as_ref().is_some_and(|entry| entry.kind == Kind::Md5)
                && evidence.era() != password_hash::Era::Since68
            {
                return Err(Error::Usage(
                    "This application password is stored as an MD5 hash: a WordPress before 6.8 that is asked with \
                     it makes it the user's login password. So the site was not asked; replace this application \
                     password first, or leave --live out."
                        .into(),
                ));
            }
            let second_factor = uses_two_factor(&user, context)?;
            let (site, report) = ask_site(args, address, password, &user, context)?;
            let accepted = match (judgement.matches, judgement.verdict) {
                (Some(true), Verdict::Yes) => Some(true),
                (Some(_), Verdict::No) => Some(false),
                _ => None,
            };
            let expired = found.entry.as_ref().is_some_and(|entry| {
                matches!(entry.record.get("expires"), Some(View::Int(expires)) if expires <= context.now)
            });
            let report = understand(report, in_use, accepted, expired, second_factor);
            weigh(&report, &found, &user, &mut judgement);
            Some((site, report))
        }
    };
    tell(args, context, &user, &found, &judgement, report.as_ref())?;
    Ok(match judgement.verdict {
        Verdict::Yes => Outcome::Done,
        Verdict::Unknown => Outcome::Unknown,
        Verdict::No => Outcome::Negative,
    })
}

/// Only WordPress 6.8 and newer writes such a hash.
fn is_hash_of_68(record: &Record<'_>) -> bool {
    record
        .text("password")
        .is_some_and(|hash| matches!(password_hash::identify(&hash), Kind::Generic | Kind::WpBcrypt))
}

/// Text of a database as it may stand in a sentence: on one line.
fn shown(text: &[u8]) -> String {
    output::in_one_line(&String::from_utf8_lossy(text))
}

/// The same as it may stand in JSON.
fn text(bytes: &[u8]) -> Value<'static> {
    Value::Text(Cow::Owned(String::from_utf8_lossy(bytes).into_owned().into_bytes()))
}

/// An entry in a sentence: `'Stock feed' (1111…)`.
fn describe(record: &Record<'_>) -> String {
    let name = shown(&record.text("name").unwrap_or_default());
    match record.text("uuid") {
        Some(uuid) => format!("'{name}' ({})", shown(&uuid)),
        None => format!("'{name}' (without uuid)"),
    }
}

fn judge(found: &Found<'_>, list: &StoredList, user: &User, evidence: &Evidence, in_use: bool) -> Judgement {
    let mut judgement =
        Judgement { verdict: Verdict::Yes, matches: Some(true), reasons: Vec::new(), notes: Vec::new() };
    let mut because = |verdict: Verdict, code: &'static str, message: String| {
        judgement.verdict = judgement.verdict.max(verdict);
        judgement.reasons.push(Remark::new(code, message));
    };
    match &found.entry {
        Some(entry) => match entry.acceptance {
            Acceptance::Yes => {}
            Acceptance::No(reason) => because(
                Verdict::No,
                "hash_not_accepted",
                format!(
                    "The password is that of {}, but it does not work: {reason}.",
                    describe(&entry.record)
                ),
            ),
            Acceptance::DependsOnVersion(reason) => because(
                Verdict::Unknown,
                "version_unknown",
                format!(
                    "The password is that of {}, but it is not known which WordPress runs, and not every one accepts \
                     it: {reason}. Give the site's folder with --path, or ask the site with --live.",
                    describe(&entry.record)
                ),
            ),
        },
        None if list.is_unreadable() => because(
            Verdict::No,
            "list_unreadable",
            format!(
                "The application passwords of user {} cannot be read, so WordPress knows none.",
                named(user)
            ),
        ),
        None if !found.unchecked.is_empty() => {
            for entry in &found.unchecked {
                because(
                    Verdict::Unknown,
                    "hash_not_checked",
                    format!("It may be the password of {}: {}.", describe(&entry.record), entry.reason),
                );
            }
        }
        None => because(
            Verdict::No,
            "no_match",
            match list.count() {
                0 => format!("User {} has no application passwords.", named(user)),
                1 => format!("It is not the application password of user {}.", named(user)),
                count => format!("It is none of the {count} application passwords of user {}.", named(user)),
            },
        ),
    }
    match found.failure {
        Some(ListFailure::NoEntry(position)) => because(
            Verdict::No,
            "list_breaks_wordpress",
            format!(
                "WordPress fails at every login of this user: item {position} of the stored list is no entry. Remove \
                 it with a database client."
            ),
        ),
        Some(ListFailure::NoHash(position)) => because(
            Verdict::No,
            "list_breaks_wordpress",
            format!(
                "WordPress fails when it comes to item {position} of the stored list, which has no hash. Revoke that \
                 entry."
            ),
        ),
        None => {}
    }
    if !in_use {
        because(Verdict::No, "not_in_use", Reason::NotInUse.to_string());
    }
    if let (Some(version), Source::VersionFile) = (&evidence.version, evidence.source)
        && !version.is_at_least("5.6")
    {
        because(
            Verdict::No,
            "wordpress_too_old",
            format!("WordPress {version} has no application passwords; they came with 5.6."),
        );
    }
    judgement.matches = match &found.entry {
        Some(_) => Some(true),
        None if found.unchecked.is_empty() => Some(false),
        None => None,
    };
    judgement
}

/// WordPress has no key `expires`; plugins that make passwords expire use it, in Unix seconds.
fn note_expiry(record: &Record<'_>, now: i64, notes: &mut Vec<Remark>) {
    let Some(View::Int(expires)) = record.get("expires") else { return };
    let day = jiff::Timestamp::from_second(expires)
        .map_or_else(|_| expires.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    notes.push(if expires <= now {
        Remark::new(
            "expired",
            format!("It expired on {day}. WordPress itself does not look at that, a plugin may."),
        )
    } else {
        Remark::new(
            "expires",
            format!("It expires on {day}. WordPress itself does not look at that, a plugin may."),
        )
    });
}

/// Whether the plugin Two Factor is active and has something to ask this user for.
fn uses_two_factor(user: &User, context: &mut Context<'_>) -> Result<bool, Error> {
    const FOLDER: &[u8] = b"\"two-factor/";
    let is_active = |plugins: &[u8]| plugins.windows(FOLDER.len()).any(|window| window == FOLDER);
    let plugins = context.store.option(schema::ACTIVE_PLUGINS)?.unwrap_or_default();
    let network = match context.store.description().network {
        Some(_) => context.store.network_option(schema::ACTIVE_SITEWIDE_PLUGINS)?.unwrap_or_default(),
        None => Vec::new(),
    };
    if !is_active(&plugins) && !is_active(&network) {
        return Ok(false);
    }
    let rows = context.store.user_meta(user.id, schema::TWO_FACTOR_PROVIDERS)?;
    let value = rows.into_iter().next().and_then(|row| row.value).unwrap_or_default();
    Ok(Document::parse(php_serialize::trim(&value).to_vec())
        .is_ok_and(|document| document.is_truthy(document.root())))
}

/// An address of the site, as WordPress sees it: from its configuration, else from the database.
fn own_address(
    fixed: &FixedAddress,
    option: &str,
    constant: &str,
    store: &mut dyn Store,
) -> Result<String, Error> {
    match fixed {
        // WordPress: a network's sites each have their own in the database.
        FixedAddress::Known(address) if store.description().network.is_none() => Ok(address.clone()),
        FixedAddress::Unclear if store.description().network.is_none() => Err(Error::Usage(format!(
            "{constant} in the site's configuration depends on what is not known here: give the address with \
             --live=https://…"
        ))),
        _ => Ok(shown(&store.option(option)?.unwrap_or_default()).trim().to_owned()),
    }
}

/// Asks the site, and says on a terminal that it is waited for.
fn ask_site(
    args: &Verify,
    address: &str,
    password: &PlainPassword,
    user: &User,
    context: &mut Context<'_>,
) -> Result<(String, Report), Error> {
    let mut xmlrpc = None;
    let site = if address == OF_DATABASE {
        let home = own_address(&context.site.home, schema::HOME, "WP_HOME", context.store)?;
        let own = own_address(&context.site.site_url, schema::SITE_URL, "WP_SITEURL", context.store)?;
        // WordPress: its files, xmlrpc.php among them, may lie in a folder of their own.
        xmlrpc = (!own.is_empty()).then(|| format!("{}/xmlrpc.php", own.trim_end_matches('/')));
        if home.is_empty() { own } else { home }
    } else {
        address.to_owned()
    };
    if site.is_empty() {
        return Err(Error::Usage(
            "The database does not say where its site is: give the address with --live=https://…".into(),
        ));
    }
    // WordPress: the part behind a colon would be taken for the password.
    let login = if user.login.contains(&b':') { &user.email } else { &user.login };
    let login = str::from_utf8(login).map_err(|_error| {
        Error::Usage(
            "This user's login is not UTF-8, so the site cannot be asked for it: leave --live out.".into(),
        )
    })?;
    let request = live::Request {
        site_url: &site,
        login,
        user_id: Some(user.id.0),
        password,
        xmlrpc: match &xmlrpc {
            _ if !args.xmlrpc => XmlRpc::Skip,
            Some(address) => XmlRpc::At(address),
            None => XmlRpc::BelowSite,
        },
        timeout: args.timeout,
    };
    context.out.debug("live", format!("asking {site} as {login}"));
    let out = &mut *context.out;
    let report = std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        let thread = scope.spawn(move || {
            let report = live::check(&request);
            // Whoever waits for this outlives it.
            let _ = send.send(());
            report
        });
        if out.terminal().stderr_is_terminal
            && receive.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout)
        {
            out.note(format!("Waiting for {site} ({} seconds at most)…", args.timeout.as_secs_f64()));
        }
        thread.join()
    });
    let report = report.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    context.out.debug(
        "live",
        format!(
            "REST API: {}; it said: {:?}",
            report.rest_root.as_deref().unwrap_or("not found"),
            code_of(&report.rest)
        ),
    );
    Ok((site, report))
}

fn code_of(answer: &Answer) -> &str {
    answer.reason().map_or("accepted", Reason::code)
}

/// What the answers mean, seen with the database's eyes.
fn understand(
    report: Report,
    in_use: bool,
    accepted: Option<bool>,
    expired: bool,
    second_factor: bool,
) -> Report {
    let rest = match report.rest.knowing(in_use, accepted) {
        Answer::NotTold(Reason::HeaderStripped) if expired => Answer::Refused(Reason::Expired),
        other => other,
    };
    let xmlrpc = report.xmlrpc.map(|answer| match answer {
        // WordPress: XML-RPC has one message for everything. Two Factor looks at XML-RPC only.
        Answer::Refused(Reason::XmlRpcRefused { message })
            if second_factor && matches!(rest, Answer::Accepted(_)) =>
        {
            Answer::Refused(Reason::TwoFactor { code: "XML-RPC".into(), message })
        }
        other => other,
    });
    Report { rest, xmlrpc, ..report }
}

/// Puts the site's answer beside the database's.
fn weigh(report: &Report, found: &Found<'_>, user: &User, judgement: &mut Judgement) {
    let by_database = judgement.verdict;
    match &report.rest {
        Answer::Accepted(accepted) => {
            let uuid = found.entry.as_ref().and_then(|entry| entry.record.text("uuid"));
            let disagreement = if accepted.user_id != Some(user.id.0) {
                Some(format!(
                    "The site takes it for a password of user {}, so it has another database than this one.",
                    accepted.user_id.unwrap_or_default()
                ))
            } else if by_database == Verdict::No {
                Some(
                    "The site accepts it all the same: an object cache holds an older list (flush it), or the site has \
                     another database than this one."
                        .to_owned(),
                )
            } else {
                match (&accepted.uuid, uuid) {
                    (Some(there), Some(here)) if there.as_bytes() != &*here => Some(format!(
                        "The site takes it for the application password {there}: an object cache holds an older list \
                         (flush it), or the site has another database than this one."
                    )),
                    _ => None,
                }
            };
            match disagreement {
                Some(message) => {
                    judgement.verdict = Verdict::Unknown;
                    judgement.reasons.push(Remark::new("site_disagrees", message));
                }
                // What could not be told from here has been told.
                None => {
                    judgement.verdict = Verdict::Yes;
                    judgement.matches = Some(true);
                    judgement.reasons.clear();
                }
            }
        }
        other => judgement.add(other, ""),
    }
    if let Some(answer) = &report.xmlrpc {
        judgement.add(answer, "XML-RPC: ");
    }
}

impl Judgement {
    /// A site's answer other than yes.
    fn add(&mut self, answer: &Answer, label: &str) {
        let (verdict, reason) = match answer {
            Answer::Accepted(_) => return,
            Answer::Refused(reason) => (Verdict::No, reason),
            Answer::NotTold(reason) => (Verdict::Unknown, reason),
        };
        self.verdict = self.verdict.max(verdict);
        // The database said so already.
        if self.reasons.iter().all(|known| known.code != reason.code()) {
            let code = Cow::Owned(reason.code().to_owned());
            self.reasons.push(Remark { code, message: format!("{label}{reason}") });
        }
    }
}

fn tell(
    args: &Verify,
    context: &mut Context<'_>,
    user: &User,
    found: &Found<'_>,
    judgement: &Judgement,
    live: Option<&(String, Report)>,
) -> Result<(), Error> {
    if args.format == Some(VerifyFormat::Json) {
        let object = to_value(user, found, judgement, live);
        let text = output::to_json(&object).unwrap_or_default();
        context.out.line(&text)?;
        return Ok(());
    }
    let because: Vec<&str> = judgement.reasons.iter().map(|reason| reason.message.as_str()).collect();
    let because = because.join(" ");
    match judgement.verdict {
        Verdict::Yes => {}
        Verdict::Unknown => {
            context.out.error(format!("It could not be told whether this password works. {because}"));
            return Ok(());
        }
        Verdict::No => {
            context.out.error(format!("This password does not work. {because}"));
            return Ok(());
        }
    }
    let record = found.entry.as_ref().map(|entry| entry.record);
    if args.porcelain {
        let uuid = record.and_then(|record| record.text("uuid").map(Cow::into_owned));
        let uuid = uuid.or_else(|| Some(accepted(live)?.uuid.clone()?.into_bytes()));
        let uuid = uuid.ok_or_else(|| {
            Error::Usage(
                "The password works, but its entry has no uuid yet: it is older than WordPress 5.6.".into(),
            )
        })?;
        return Ok(context.out.line(uuid)?);
    }
    match &found.entry {
        Some(entry) => context.out.success(format!(
            "The password is that of {}, an application password of user {}, stored as {}.",
            describe(&entry.record),
            named(user),
            entry.kind.name()
        ))?,
        None => context.out.success(format!("The site accepts the password for user {}.", named(user)))?,
    }
    for note in &judgement.notes {
        context.out.note(&note.message);
    }
    let Some((_, report)) = live else { return Ok(()) };
    if let (Some(root), Some(accepted)) = (&report.rest_root, accepted(live)) {
        context.out.log(format!("The REST API accepts it: {root}"))?;
        context.out.log(format!("Roles: {}", listed(&accepted.roles)))?;
        context.out.log(format!("Capabilities: {}", listed(&accepted.capabilities)))?;
    }
    if let Some(Answer::Accepted(_)) = &report.xmlrpc {
        context.out.log("XML-RPC accepts it.")?;
    }
    context.out.note("Asking the site counts as a use: WordPress records it in last_used, once a day.");
    Ok(())
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn accepted(live: Option<&(String, Report)>) -> Option<&Accepted> {
    match live {
        Some((_, Report { rest: Answer::Accepted(accepted), .. })) => Some(accepted),
        _ => None,
    }
}

type Object<'v> = Vec<(Key<'v>, Value<'v>)>;

fn object<'v>(fields: impl IntoIterator<Item = (&'v str, Value<'v>)>) -> Object<'v> {
    fields.into_iter().map(|(key, value)| (Key::Text(Cow::Borrowed(key.as_bytes())), value)).collect()
}

fn array<'v>(values: impl IntoIterator<Item = Value<'v>>) -> Value<'v> {
    Value::Map(values.into_iter().enumerate().map(|(index, value)| (Key::Int(index as i64), value)).collect())
}

fn remarks(remarks: &[Remark]) -> Value<'_> {
    array(remarks.iter().map(|remark| {
        Value::Map(object([
            ("code", Value::text(remark.code.as_ref())),
            ("message", Value::text(&remark.message)),
        ]))
    }))
}

fn to_value<'v>(
    user: &'v User,
    found: &'v Found<'_>,
    judgement: &'v Judgement,
    live: Option<&'v (String, Report)>,
) -> Value<'v> {
    let entry = found.entry.as_ref();
    let field = |name: &str| {
        let bytes = entry.and_then(|entry| entry.record.text(name));
        bytes.map_or(Value::Null, |bytes| text(&bytes))
    };
    let expires = match entry.and_then(|entry| entry.record.get("expires")) {
        Some(View::Int(expires)) => Value::Int(expires),
        _ => Value::Null,
    };
    Value::Map(object([
        (
            "answer",
            Value::text(match judgement.verdict {
                Verdict::Yes => "yes",
                Verdict::No => "no",
                Verdict::Unknown => "unknown",
            }),
        ),
        ("matches", judgement.matches.map_or(Value::Null, Value::Bool)),
        ("user_id", Value::Int(user.id.0 as i64)),
        ("user_login", text(&user.login)),
        ("uuid", field("uuid")),
        ("name", field("name")),
        ("scheme", entry.map_or(Value::Null, |entry| Value::text(entry.kind.name()))),
        ("expires", expires),
        ("reasons", remarks(&judgement.reasons)),
        ("notes", remarks(&judgement.notes)),
        ("live", live.map_or(Value::Null, |(site, report)| live_value(site, report))),
    ]))
}

fn live_value<'v>(site: &'v str, report: &'v Report) -> Value<'v> {
    let mut fields = object([
        ("url", Value::text(site)),
        ("rest_root", report.rest_root.as_ref().map_or(Value::Null, Value::text)),
    ]);
    fields.extend(answer_fields(&report.rest));
    let nobody = Accepted::default();
    let accepted = match &report.rest {
        Answer::Accepted(accepted) => Some(accepted),
        Answer::Refused(_) | Answer::NotTold(_) => None,
    };
    let names = |names: fn(&Accepted) -> &[String]| {
        array(accepted.map(names).unwrap_or_default().iter().map(Value::text))
    };
    let known = accepted.unwrap_or(&nobody);
    fields.extend(object([
        ("user_id", known.user_id.map_or(Value::Null, |id| Value::Int(id as i64))),
        ("uuid", accepted.and_then(|known| known.uuid.as_ref()).map_or(Value::Null, Value::text)),
        ("roles", names(|accepted| &accepted.roles)),
        ("capabilities", names(|accepted| &accepted.capabilities)),
        ("xmlrpc", report.xmlrpc.as_ref().map_or(Value::Null, |answer| Value::Map(answer_fields(answer)))),
    ]));
    Value::Map(fields)
}

fn answer_fields(answer: &Answer) -> Object<'_> {
    let word = match answer {
        Answer::Accepted(_) => "accepted",
        Answer::Refused(_) => "refused",
        Answer::NotTold(_) => "unknown",
    };
    let reason = answer.reason();
    object([
        ("answer", Value::text(word)),
        ("code", reason.map_or(Value::Null, |reason| Value::text(reason.code()))),
        (
            "status",
            reason.and_then(Reason::status).map_or(Value::Null, |status| Value::Int(i64::from(status))),
        ),
        (
            "message",
            reason.map_or(Value::Null, |reason| Value::Text(Cow::Owned(reason.to_string().into_bytes()))),
        ),
    ])
}
