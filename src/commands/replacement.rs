//! A new password that is delivered before it counts: what `rotate` and `ensure` have in common.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::create::Hashing;
use super::sink_args::{PLACEHOLDERS, SinkArgs};
use super::{Context, duration, rules, unix_now};
use crate::application_passwords::{NewEntry, Retire, Retired, Run, Successor, named};
use crate::error::Error;
use crate::interrupt;
use crate::live::{self, Answer};
use crate::output::{self, Key, Value};
use crate::secret::PlainPassword;
use crate::sink::{Delivery, Sink, SinkError};
use crate::store::User;
use crate::wordpress::restrictions::Changes;
use crate::wordpress::version::Evidence;
use crate::wordpress::{generate, password_hash};

/// How long the site may take to answer whether it accepts the new password.
const LIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// How a new password takes the place of an old one.
#[derive(Debug, Args, Clone)]
pub struct Replacing {
    /// Keep the old password for this long (24h, 7d); without it, it is revoked when the new one was delivered
    #[arg(long, value_name = "time", value_parser = duration::parse)]
    pub overlap: Option<Duration>,

    /// Require that the site at this address accepts the new password before it is delivered (default: the site's
    /// own address, where it can be reached over HTTPS)
    #[arg(long, value_name = "url", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub live: Option<String>,

    /// Check the new password against the database only
    #[arg(long, conflicts_with = "live")]
    pub no_live: bool,

    /// Don't wait for a run on another machine or in another container that may still be at work
    #[arg(long)]
    pub takeover: bool,

    /// Output just the new password
    #[arg(long)]
    pub porcelain: bool,

    /// Report what was done as one JSON object, with the password in it if it goes to standard output
    #[arg(long, conflicts_with_all = ["porcelain", "format"])]
    pub json: bool,

    /// How it is hashed.
    #[command(flatten)]
    pub hashing: Hashing,

    /// Where it goes.
    #[command(flatten)]
    pub sink: SinkArgs,
}

/// What is to be made.
pub struct Wanted<'a> {
    /// As stored.
    pub name: &'a [u8],
    /// As stored.
    pub app_id: &'a [u8],
    /// The uuid of the entry whose place it takes.
    pub of: Option<&'a [u8]>,
    /// That one was left behind by a run that did not end.
    pub of_leftover: bool,
    /// Refuse a name that the user already has, whatever WordPress thinks of it.
    pub only_one: bool,
    /// What the report calls it: `created`, `rotated`.
    pub action: &'static str,
    /// What it may be used for, besides what it inherits.
    pub terms: Changes,
}

/// What was made.
pub struct Made {
    /// The new entry's.
    pub uuid: String,
    /// What it replaced.
    pub retired: Vec<Retired>,
    /// Until when that is kept, in Unix seconds, UTC; `None`: it is gone.
    pub retire_at: Option<i64>,
    /// What the site itself said of the new password: the address.
    pub accepted_at: Option<String>,
    /// Why WordPress may not see it yet: a clause.
    pub trouble: Option<String>,
    /// Where the password is now: `written to /etc/app/password`. `None`: on standard output.
    pub delivered: Option<String>,
    /// Standard output holds the password and nothing else.
    pub stdout_is_taken: bool,
}

impl Replacing {
    /// The sink that is meant.
    ///
    /// # Errors
    /// Arguments that contradict each other.
    pub fn sink(&self) -> Result<Sink, Error> {
        let sink = self.sink.sink(self.porcelain)?;
        if self.json && sink.is_stdout() && !sink.is_default() {
            return Err(Error::Usage(
                "--json reports on standard output, and the encrypted password would go there too: give it another way \
                 (--out-file, --exec, --out-fd), or leave --json away."
                    .into(),
            ));
        }
        Ok(sink)
    }

    /// Whether anything is said about a new password.
    pub fn is_given(&self) -> bool {
        self.overlap.is_some()
            || self.live.is_some()
            || self.no_live
            || self.porcelain
            || self.json
            || self.hashing.is_given()
            || self.sink.is_given()
    }

    /// The same with the placeholders of `--out-file` filled in.
    pub fn filled_in(&self, user: &User, name: &[u8], app_id: &[u8], old_uuid: &[u8]) -> Self {
        let mut filled = self.clone();
        if let Some(path) = self.sink.out_file.as_ref().filter(|_| self.has_placeholder()) {
            let mut text = path.as_os_str().as_bytes().to_vec();
            let id = user.id.to_string();
            let values: [&[u8]; PLACEHOLDERS.len()] = [&user.login, id.as_bytes(), name, app_id, old_uuid];
            for (placeholder, value) in PLACEHOLDERS.iter().zip(values) {
                text = replaced(&text, placeholder.as_bytes(), file_name(value).as_bytes());
            }
            filled.sink.out_file = Some(PathBuf::from(OsString::from_vec(text)));
        }
        filled
    }

    /// Whether `--out-file` names another file for each entry.
    fn has_placeholder(&self) -> bool {
        self.sink.out_file.as_ref().is_some_and(|path| {
            let text = path.to_string_lossy();
            PLACEHOLDERS.iter().any(|placeholder| text.contains(placeholder))
        })
    }
}

fn replaced(text: &[u8], placeholder: &[u8], by: &[u8]) -> Vec<u8> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(placeholder.len()).position(|window| window == placeholder) {
        result.extend_from_slice(rest.get(..at).unwrap_or_default());
        result.extend_from_slice(by);
        rest = rest.get(at + placeholder.len()..).unwrap_or_default();
    }
    result.extend_from_slice(rest);
    result
}

/// Names come from whoever asks for an authorization: no part of one leads to another folder.
fn file_name(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let safe =
        |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+') { c } else { '_' };
    let name: String = text.chars().map(safe).collect();
    match name.strip_prefix('.') {
        Some(rest) => format!("_{rest}"),
        None if name.is_empty() => "_".into(),
        None => name,
    }
}

/// Makes the entry, checks it, delivers its password and lets it take the other one's place.
///
/// # Errors
/// Whatever fails before the password was delivered: the new entry is taken back then, and the old one is as it was.
/// [`Error::NotRetired`] when the old one could not be retired.
pub fn replace(
    context: &mut Context<'_>,
    args: &Replacing,
    user: &User,
    wanted: &Wanted<'_>,
) -> Result<Made, Error> {
    let mut sink = args.sink()?;
    if std::str::from_utf8(wanted.name).is_err() {
        return Err(Error::Usage(
            "The name of this application password is not UTF-8, and WordPress would not store it again: give it another \
             one first (update <user> <uuid> --name=…). Nothing was changed."
                .into(),
        ));
    }
    context.prepare_addition()?;
    if context.stdout_closed && sink.is_stdout() {
        return Err(Error::StdoutClosed);
    }
    let evidence = context.evidence()?;
    let mut rules = rules(&evidence);
    let scheme = args.hashing.scheme(&evidence)?;
    let site_url = context.site_url()?;

    let mut rng = rand::rng();
    let password = generate::application_password(&mut rng);
    let hash = password_hash::hash(scheme, &password, args.hashing.cost(), &mut rng)
        .map_err(|error| Error::Scheme(error.to_string()))?;
    let mut entry = NewEntry {
        name: wanted.name.to_vec(),
        app_id: wanted.app_id.to_vec(),
        password: hash.as_str().as_bytes().to_vec(),
        uuid: generate::uuid4(&mut rng),
        created: context.now,
        successor: Some(Successor {
            of: wanted.of.map(<[u8]>::to_vec),
            final_name: None,
            of_leftover: wanted.of_leftover,
            run: Run::current(context.now),
            take_over: args.takeover,
        }),
        terms: wanted.terms.clone(),
    };
    let (user_id, user_login) = (user.id.0, user.login.as_slice());
    let deliverable = |entry: &NewEntry, work: &mut dyn FnMut(&Delivery<'_>) -> Result<(), SinkError>| {
        work(&Delivery {
            password: &password,
            user_id,
            user_login,
            uuid: &entry.uuid,
            name: wanted.name,
            app_id: wanted.app_id,
            created: entry.created,
            site_url: site_url.as_deref(),
        })
    };
    deliverable(&entry, &mut |delivery| sink.check(delivery))?;

    if wanted.of.is_some() && rules.unique_names {
        // WordPress 5.7 to 6.6: the name is free when the old entry is gone.
        let free = context.passwords().read(user.id)?.free_name(wanted.name);
        entry.name = free;
        if let Some(successor) = &mut entry.successor {
            successor.final_name = Some(wanted.name.to_vec());
        }
    }
    rules.unique_names |= wanted.only_one;
    // An interruption between here and the end takes the new entry back, or comes when the old one is retired.
    let _guard = interrupt::hold();
    let mut passwords = context.passwords();
    passwords.create(user, &mut entry, rules)?;
    let concerns = passwords.take_concerns();
    context.warn_of(concerns);

    let check = check(context, args, user, &entry, &password, &evidence, site_url.as_deref());
    let (accepted_at, own_check) = match check {
        Ok(checked) => checked,
        Err(reason) => return Err(give_up(context, user, &entry, reason)),
    };

    let retire_at = args.overlap.filter(|_| wanted.of.is_some());
    let retire_at = retire_at.map(|overlap| unix_now().saturating_add(overlap.as_secs() as i64));
    let mut report = Report {
        changed: true,
        action: wanted.action,
        user,
        name: wanted.name,
        uuid: entry.uuid.as_bytes(),
        replaces: wanted.of,
        retire_at,
        password: None,
    };
    let delivered = if sink.is_default() && args.json {
        report.password = Some(&password);
        report.print(context).map_err(|error| error.to_string())
    } else if sink.is_default() {
        let label = if args.porcelain { "" } else { "Password: " };
        context.out.secret_line(label, password.expose()).map_err(|error| error.to_string())
    } else {
        deliverable(&entry, &mut |delivery| sink.deliver(delivery, context.out))
            .map_err(|error| error.to_string())
    };
    if let Err(reason) = delivered {
        return Err(context.take_back(user, &entry.uuid, &sink, reason));
    }

    let retire = retire_at.map_or(Retire::Now, Retire::At);
    let mut passwords = context.passwords();
    let retired =
        passwords.take_over(user, &entry, retire, own_check, unix_now()).map_err(|cause| match cause {
            Error::RevokedMeanwhile => Error::RevokedDuringRotation { user: named(user) },
            taken @ Error::TakenOver { .. } => taken,
            cause @ (Error::Unconfirmed { .. } | Error::Overwritten { .. } | Error::Uncertain { .. }) => {
                Error::RetirementUnknown { done: sink.done(), cause: cause.to_string() }
            }
            cause => Error::NotRetired { done: sink.done(), cause: cause.cause() },
        })?;
    let (notes, trouble) = (passwords.take_notes(), passwords.take_trouble());
    context.warn_of(notes);
    if args.json && !sink.is_stdout() && trouble.is_none() {
        report.print(context)?;
    }
    Ok(Made {
        uuid: entry.uuid,
        retired,
        retire_at,
        accepted_at,
        trouble,
        delivered: (!sink.is_stdout()).then(|| sink.done()),
        stdout_is_taken: args.json || (sink.is_stdout() && (args.porcelain || !sink.is_default())),
    })
}

/// What was done, for programs.
pub struct Report<'a> {
    /// Whether anything was changed.
    pub changed: bool,
    /// `created`, `rotated`, `none`.
    pub action: &'a str,
    /// Whose it is.
    pub user: &'a User,
    /// The name of the entry.
    pub name: &'a [u8],
    /// The uuid of the entry that is in service now.
    pub uuid: &'a [u8],
    /// The uuid of the entry whose place it took.
    pub replaces: Option<&'a [u8]>,
    /// Until when that is kept, in Unix seconds, UTC.
    pub retire_at: Option<i64>,
    /// The plaintext, where standard output is its way out.
    pub password: Option<&'a PlainPassword>,
}

impl Report<'_> {
    /// One line of JSON on standard output, delivered when this returns.
    ///
    /// # Errors
    /// Standard output is closed or full.
    pub fn print(&self, context: &mut Context<'_>) -> std::io::Result<()> {
        let optional =
            |text: Option<&'_ [u8]>| text.map_or(Value::Null, |text| Value::Text(text.to_vec().into()));
        let mut fields = vec![
            ("status", Value::text(if self.changed { "changed" } else { "ok" })),
            ("action", Value::text(self.action)),
            ("user_id", Value::Int(self.user.id.0 as i64)),
            ("user_login", Value::text(&self.user.login)),
            ("name", Value::text(self.name)),
            ("uuid", Value::text(self.uuid)),
            ("replaces", optional(self.replaces)),
            ("retire_at", self.retire_at.map_or(Value::Null, Value::Int)),
        ];
        if let Some(password) = self.password {
            fields.push(("password", Value::text(password.expose())));
        }
        let object =
            fields.into_iter().map(|(key, value)| (Key::Text(key.as_bytes().into()), value)).collect();
        let line = Zeroizing::new(output::to_json(&Value::Map(object)).unwrap_or_default());
        context.out.secret(&Zeroizing::new([line.as_slice(), b"\n"].concat()))
    }
}

/// Where the site itself accepted the password, and from when to when it was asked.
type Checked = (Option<String>, Option<(i64, i64)>);

/// Whether the new password works: by the database, and by the site itself where it can be asked.
fn check(
    context: &mut Context<'_>,
    args: &Replacing,
    user: &User,
    entry: &NewEntry,
    password: &PlainPassword,
    evidence: &Evidence,
    site_url: Option<&str>,
) -> Result<Checked, String> {
    let stripped = generate::strip_for_check(password.expose().as_bytes());
    let list = context.passwords().read(user.id).map_err(|error| error.to_string())?;
    let found = list.find_password(&stripped, evidence.era());
    if found.failure.is_some() {
        return Err(
            "WordPress fails on another item of this user's list, so that no password works: see list".into(),
        );
    }
    if !found.entry.is_some_and(|found| found.record.has_uuid(entry.uuid.as_bytes())) {
        return Err("it is not in the database any more".into());
    }
    let own_address = site_url.filter(|url| can_be_asked(url));
    let (address, required) = match (&args.live, own_address) {
        (Some(url), _) if !url.is_empty() => (url.as_str(), true),
        (Some(_), _) => (site_url.ok_or("the database holds no address of the site: give --live=URL")?, true),
        (None, Some(url)) if !args.no_live => (url, false),
        (None, _) => return Ok((None, None)),
    };
    let login = String::from_utf8(user.login.clone());
    if context.out.terminal().stderr_is_terminal {
        context.out.note(format!("Asking {address} whether it accepts the new password…"));
    }
    let from = unix_now();
    let answer = match &login {
        Ok(login) => {
            let request = live::Request {
                site_url: address,
                login,
                user_id: Some(user.id.0),
                password,
                xmlrpc: live::XmlRpc::Skip,
                timeout: LIVE_TIMEOUT,
            };
            live::check(&request).rest.knowing(true, Some(true))
        }
        Err(_) => Answer::NotTold(live::Reason::Login),
    };
    let own_check = Some((from, unix_now()));
    match answer {
        Answer::Accepted(_) => Ok((Some(address.to_owned()), own_check)),
        // The site was not named, and it may be that only this machine cannot ask it, or that a plugin keeps everybody
        // from this one question. A WordPress that answers as if nobody had logged in is another matter.
        Answer::NotTold(reason) | Answer::Refused(reason) if !required && !denies(&reason) => {
            context.out.warning(format!(
                "Whether the site accepts the new password could not be seen at {address}: {}. It was checked \
                 against the database only (--no-live: always).",
                reason.clause()
            ));
            Ok((None, own_check))
        }
        Answer::Refused(reason) | Answer::NotTold(reason) => Err(format!(
            "the site does not accept it at {address}: {}{}",
            reason.clause(),
            if required { "" } else { ". If that is not this database's site, use --no-live" }
        )),
    }
}

/// Whether WordPress saw the request and did not take these credentials for the user's, as opposed to nobody who could
/// judge them having seen them.
fn denies(reason: &live::Reason) -> bool {
    use live::Reason as R;
    matches!(
        reason,
        R::IncorrectPassword { .. }
            | R::UnknownUser { .. }
            | R::FeatureUnavailable
            | R::UnavailableForUser
            | R::Ignored
            | R::NotInUse
            | R::HeaderStripped
    )
}

/// Whether credentials may be sent there without anybody asking for it.
fn can_be_asked(url: &str) -> bool {
    let lower = url.to_ascii_lowercase();
    let host = |rest: &str| rest.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
    if let Some(rest) = lower.strip_prefix("https://") {
        // Names that can never be anybody's: RFC 2606.
        return ![".invalid", ".example", ".test"].iter().any(|end| host(rest).ends_with(end));
    }
    lower.strip_prefix("http://").is_some_and(|rest| {
        let host = host(rest);
        let name =
            host.rsplit_once(':').filter(|_| !host.ends_with(']')).map_or(host.as_str(), |(name, _)| name);
        name == "localhost"
            || name == "[::1]"
            || name.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// Takes the new entry back before anybody has its password.
fn give_up(context: &mut Context<'_>, user: &User, entry: &NewEntry, reason: String) -> Error {
    match context.passwords().withdraw(user, entry.uuid.as_bytes()) {
        Ok(()) => Error::NotAccepted { reason },
        Err(cause) => Error::LeftBehind {
            cause: format!(
                "the new password was not accepted ({reason}), and taking it back failed: {}",
                cause.cause()
            ),
            user: user.id.0,
            uuid: entry.uuid.clone(),
        },
    }
}

/// `2026-11-25 23:37:04 UTC`
pub fn date(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(
        |_| format!("{seconds} (Unix time)"),
        |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

/// `last used 2026-11-25 10:00:00 UTC`, with what WordPress does not note.
pub fn last_use(retired: &Retired) -> String {
    match retired.last_used {
        Some(seconds) => format!("last use noted {}; WordPress notes one a day", date(seconds)),
        None => "never used".into(),
    }
}

/// The path that a file sink writes to, for telling two of them apart.
pub fn out_file(args: &Replacing) -> Option<OsString> {
    args.sink.out_file.as_ref().map(|path| path.clone().into_os_string())
}
