//! `doctor [<user>]`
//!
//! Looks at everything between a request and a login that can be seen from here. Changes nothing, except that `--probe`
//! makes an application password and revokes it again.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};

use super::audit::Format;
use super::{Cache, Context, Outcome, duration, rules};
use crate::application_passwords::{ApplicationPasswords, NewEntry, StoredList, named};
use crate::audit;
use crate::doctor::code::{self, Search, Weight};
use crate::doctor::plugins::{self, SWITCHES, Stored};
use crate::doctor::server::{self, Header, Maintenance};
use crate::doctor::{CHECKS, Finding, Id, State};
use crate::enforcer::{self, Enforcement};
use crate::error::Error;
use crate::live::{self, Answer, Reason, Verdict, XmlRpc};
use crate::output::report::{self, Count, Level, Report, Row as ReportRow, Sarif};
use crate::output::{self, Item, Key, Request, RowStream, Value};
use crate::site::{FixedAddress, State as Certainty};
use crate::store::{StoreError, User, UserMeta};
use crate::wordpress::password_hash::{self, Era};
use crate::wordpress::restrictions::{Term, Terms};
use crate::wordpress::version::{Evidence, Source, WordPressVersion};
use crate::wordpress::{generate, php_serialize, roles, schema};

/// `doctor [<user>]`
#[derive(Debug, Args)]
pub struct Doctor {
    /// User login, user email, or user ID: whose application passwords are refused
    #[arg(value_name = "user")]
    pub user: Option<OsString>,

    /// Ask the site over HTTP too: its REST index. Sends no password
    #[arg(long)]
    pub live: bool,

    /// Make an application password for the user, ask the site whether it accepts it, and revoke it
    #[arg(long, requires = "user")]
    pub probe: bool,

    /// Address to ask with --live and --probe (default: the site's own)
    #[arg(long, value_name = "url", value_hint = clap::ValueHint::Url)]
    pub address: Option<String>,

    /// How long each question to the site may take (15s, 1m)
    #[arg(long, value_name = "time", default_value = "15s", value_parser = duration::parse)]
    pub timeout: Duration,

    /// Render output in a particular format
    #[arg(long, value_name = "format", default_value = "table", hide_default_value = true)]
    pub format: Format,

    /// From here on the exit code is 2
    #[arg(long, value_name = "state", default_value = "warning", hide_default_value = true)]
    pub fail_on: FailOn,

    /// Explain a check (or all of them) instead: why it matters, what to do
    #[arg(long, value_name = "id", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub explain: Option<String>,
}

/// `--fail-on`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum FailOn {
    Warning,
    Problem,
    Never,
}

/// Why a site needs no HTTPS.
const IS_LOCAL: &str = "the environment type is local";

/// How many sentences of one check are shown.
const SHOWN: usize = 10;

/// So many bcrypt hashes make a login slow: each costs some 50 ms.
const MANY_SLOW: usize = 20;

/// `--explain`
///
/// # Errors
/// There is no such check.
pub fn explain(id: &str, out: &mut output::Output<'static>) -> Result<Outcome, Error> {
    let wanted = match id {
        "" => Id::ALL.to_vec(),
        id => vec![Id::named(id).ok_or_else(|| {
            Error::Usage(format!("There is no check '{id}'. `doctor --explain` shows all of them."))
        })?],
    };
    for id in wanted {
        let check = id.check();
        out.line(format!(
            "{}: {}\n  {}\n  What to do: {}",
            check.id, check.title, check.explanation, check.remedy
        ))?;
    }
    Ok(Outcome::Done)
}

/// Looks at all of it.
///
/// # Errors
/// An unknown user, a failing database, a closed standard output. What cannot be looked at is said and is no error.
pub fn run(args: &Doctor, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let began = Instant::now();
    let user = args.user.as_ref().map(|user| context.find_user(user)).transpose()?;
    let mut ward = Ward { findings: Vec::new() };
    let evidence = context.evidence()?;
    version(&evidence, &mut ward);
    let in_use = in_use(context, &mut ward)?;
    addresses(context, &mut ward)?;
    plugins(context, &mut ward)?;
    files(context, &mut ward)?;
    if context.store.description().network.is_some() {
        let blog = context.site.tables.blog_id.max(1);
        if let Some(why) = context.store.blog_closed(blog)? {
            ward.problem(
                Id::Maintenance,
                format!("site {blog} of the network is {why}: WordPress answers nobody there"),
            );
        }
    }
    cache(context, &mut ward)?;
    entries(args, context, user.as_ref(), &evidence, &mut ward)?;
    let without_roles = role_map(context, &mut ward)?;
    if let Some(user) = &user {
        account(context, user, &mut ward)?;
    } else {
        for id in
            [Id::Role, Id::Account, Id::TwoFactor].into_iter().filter(|id| !without_roles || *id != Id::Role)
        {
            ward.skip(id, "no user was named");
        }
    }
    let address = match &args.address {
        Some(address) => Some(address.clone()),
        None => own_address(context)?,
    };
    index(args, address.as_deref(), &mut ward);
    probe(args, context, user.as_ref(), address.as_deref(), &evidence, in_use, &mut ward)?;
    ward.fill_in();
    tell(args, context, &ward, began.elapsed())
}

/// Where WordPress itself says that it is: constants of `wp-config.php` count more than the database, which may be a
/// copy of another site's. `None`: a constant says it, and what it says is not known.
fn own_address(context: &mut Context<'_>) -> Result<Option<String>, Error> {
    let [(_, site_url), (_, home)] = context.addresses()?;
    for address in [home, site_url] {
        match address {
            FixedAddress::Known(address) if !address.trim().is_empty() => {
                return Ok(Some(address.trim().to_owned()));
            }
            FixedAddress::Unclear => return Ok(None),
            FixedAddress::Known(_) | FixedAddress::No => {}
        }
    }
    context.site_url()
}

/// What was found so far.
struct Ward {
    findings: Vec<Finding>,
}

impl Ward {
    fn note(&mut self, id: Id, state: State, evidence: impl Into<String>) {
        self.findings.push(Finding { id, state, evidence: evidence.into() });
    }

    fn problem(&mut self, id: Id, evidence: impl Into<String>) {
        self.note(id, State::Problem, evidence);
    }

    fn warning(&mut self, id: Id, evidence: impl Into<String>) {
        self.note(id, State::Warning, evidence);
    }

    fn ok(&mut self, id: Id, evidence: impl Into<String>) {
        self.note(id, State::Ok, evidence);
    }

    fn skip(&mut self, id: Id, why: impl Into<String>) {
        self.note(id, State::NotLooked, why);
    }

    fn has(&self, id: Id) -> bool {
        self.findings.iter().any(|finding| finding.id == id)
    }

    /// Whether a check's evidence holds a text.
    fn says(&self, id: Id, text: &str) -> bool {
        self.findings.iter().any(|finding| finding.id == id && finding.evidence.contains(text))
    }

    /// Takes back what a check suspects from afar, because the site itself was asked and does better.
    fn settle(&mut self, id: Id, why: &str) {
        for finding in
            self.findings.iter_mut().filter(|finding| finding.id == id && finding.state >= State::Warning)
        {
            finding.state = State::Ok;
            finding.evidence = format!("{}; {why}", finding.evidence);
        }
    }

    /// A check that found nothing is told too.
    fn fill_in(&mut self) {
        for id in Id::ALL {
            if !self.has(id) {
                self.ok(id, "nothing found");
            }
        }
        // What could not be looked at in one way was found in another.
        let wrong: BTreeSet<Id> =
            Id::ALL.into_iter().filter(|id| self.state(*id) >= State::Warning).collect();
        self.findings.retain(|finding| finding.state != State::NotLooked || !wrong.contains(&finding.id));
        self.findings.sort_by_key(|finding| finding.id);
    }

    fn state(&self, id: Id) -> State {
        let states = self.findings.iter().filter(|finding| finding.id == id).map(|finding| finding.state);
        states.max().unwrap_or(State::NotLooked)
    }

    fn worst(&self) -> State {
        self.findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
    }
}

fn version(evidence: &Evidence, ward: &mut Ward) {
    match (&evidence.version, evidence.source) {
        (Some(version), _) if !version.is_at_least("5.6") => {
            ward.problem(Id::Version, format!("WordPress {} has no application passwords", version.as_str()));
        }
        (Some(version), Source::VersionFile) => {
            ward.ok(Id::Version, format!("WordPress {} by its files", version.as_str()));
        }
        _ => ward.ok(Id::Version, evidence.to_string()),
    }
}

fn in_use(context: &mut Context<'_>, ward: &mut Ward) -> Result<bool, Error> {
    let set = context.passwords().is_in_use()?;
    if set {
        ward.ok(Id::InUse, "using_application_passwords is set");
        return Ok(true);
    }
    let mut any = false;
    let walked = context.store.each_user_meta(schema::APPLICATION_PASSWORDS, &mut |row: UserMeta<'_>| {
        any |= StoredList::from_value(row.umeta_id, row.value).count() > 0;
        if any { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    });
    match walked {
        Ok(()) | Err(StoreError::TooLong(_)) => {}
        Err(error) => return Err(error.into()),
    }
    if any {
        ward.problem(
            Id::InUse,
            "there are application passwords, but using_application_passwords is not set",
        );
    } else {
        ward.ok(
            Id::InUse,
            "there are no application passwords yet; the first one sets using_application_passwords",
        );
    }
    Ok(false)
}

fn addresses(context: &mut Context<'_>, ward: &mut Ward) -> Result<(), Error> {
    let mut found: Vec<(&str, String)> = Vec::new();
    for (name, address) in context.addresses()? {
        match address {
            FixedAddress::Known(address) => found.push((name, address.trim().to_owned())),
            FixedAddress::Unclear | FixedAddress::No => {
                ward.skip(Id::Addresses, format!("{name} is whatever address was asked for"));
            }
        }
    }
    let local = context
        .site
        .origins
        .iter()
        .find(|origin| origin.name == "WP_ENVIRONMENT_TYPE" && origin.state == Certainty::Known)
        .map(|origin| origin.shown.trim_matches('\'').to_owned());
    let plain: Vec<String> = found
        .iter()
        .filter(|(_, address)| address.to_ascii_lowercase().starts_with("http://"))
        .map(|(name, address)| format!("{name} is {address}"))
        .collect();
    let secure: Vec<&str> = found
        .iter()
        .filter(|(_, address)| address.to_ascii_lowercase().starts_with("https://"))
        .map(|(name, _)| *name)
        .collect();
    match (plain.is_empty(), local.as_deref()) {
        (true, _) if secure.is_empty() => {
            ward.skip(Id::Https, "neither siteurl nor home says whether the site is HTTPS");
        }
        (true, _) => ward.ok(
            Id::Https,
            format!("{} {} HTTPS", secure.join(" and "), if secure.len() == 1 { "is" } else { "are" }),
        ),
        (false, Some("local")) => ward.ok(Id::Https, IS_LOCAL),
        (false, Some(other)) => {
            ward.problem(Id::Https, format!("{}, and the environment type is {other}", plain.join(", ")));
        }
        (false, None) if context.site.files_out_of_sight => ward.warning(
            Id::Https,
            format!(
                "{}; whether the environment type is local cannot be seen from the database",
                plain.join(", ")
            ),
        ),
        (false, None) => ward.problem(
            Id::Https,
            format!(
                "{}, and wp-config.php says of no environment type that it is local (the web server's environment may)",
                plain.join(", ")
            ),
        ),
    }
    if let [(_, site), (_, home)] = found.as_slice() {
        let origin = |address: &str| {
            let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
            (scheme.to_ascii_lowercase(), rest.split('/').next().unwrap_or_default().to_ascii_lowercase())
        };
        if site.is_empty() || home.is_empty() {
            ward.problem(Id::Addresses, "siteurl or home is empty");
        } else if origin(site) != origin(home) {
            ward.warning(Id::Addresses, format!("siteurl is {site}, and home is {home}"));
        } else {
            ward.ok(Id::Addresses, format!("home is {home}"));
        }
    }
    Ok(())
}

/// A plugin that WordPress loads.
struct ActivePlugin {
    folder: String,
    /// On the whole network.
    sitewide: bool,
}

/// WordPress: `wp_get_active_and_valid_plugins()`: whose folder was renamed or deleted is not loaded, though it stays on
/// the list.
fn active_plugins(context: &mut Context<'_>) -> Result<Vec<ActivePlugin>, Error> {
    let plugin_dir = context.site.plugin_dir.clone().filter(|folder| folder.is_dir());
    let mut active = Vec::new();
    let mut add = |stored: &[u8], sitewide: bool| {
        for file in plugins::active(stored, sitewide) {
            if plugin_dir.as_ref().is_none_or(|folder| folder.join(&file).is_file()) {
                active.push(ActivePlugin { folder: plugins::folder(&file).to_owned(), sitewide });
            }
        }
    };
    add(&context.store.option(schema::ACTIVE_PLUGINS)?.unwrap_or_default(), false);
    if context.store.description().network.is_some() {
        let all = context.store.network_option(schema::ACTIVE_SITEWIDE_PLUGINS)?.unwrap_or_default();
        add(&all, true);
    }
    // Network-wide comes first and counts.
    active.sort_by(|one, other| one.folder.cmp(&other.folder).then(other.sitewide.cmp(&one.sitewide)));
    active.dedup_by(|one, other| one.folder == other.folder);
    Ok(active)
}

fn plugins(context: &mut Context<'_>, ward: &mut Ward) -> Result<(), Error> {
    let active = active_plugins(context)?;
    let known = |plugin| SWITCHES.iter().filter(move |switch| switch.folder == plugin);
    for (plugin, switch) in
        active.iter().flat_map(|plugin| known(&plugin.folder).map(move |switch| (plugin, switch)))
    {
        let is_on = switch.place.is_on(plugin.sitewide, &mut |stored| match stored {
            Stored::Option(name) => context.store.option(name),
            Stored::NetworkOption(name) => context.store.network_option(name),
            Stored::Wordfence(name) => context.store.wordfence_setting(name),
        })?;
        if is_on {
            ward.problem(
                Id::Plugins,
                format!(
                    "{} {} ({}; in its screens: {})",
                    switch.plugin,
                    switch.does,
                    switch.place.shown(),
                    switch.screen
                ),
            );
        }
    }
    if !ward.has(Id::Plugins) {
        let with_switch: BTreeSet<&str> =
            active.iter().flat_map(|plugin| known(&plugin.folder)).map(|switch| switch.plugin).collect();
        let with_switch = with_switch.into_iter().collect::<Vec<_>>().join(", ");
        let active = active.len();
        ward.ok(
            Id::Plugins,
            match (active, with_switch.as_str()) {
                (0, _) => "no plugin is active".to_owned(),
                (_, "") => format!("{active} active plugins, none of them known to have a switch for this"),
                (_, known) => format!("{active} active plugins; the switch of {known} is off"),
            },
        );
    }
    Ok(())
}

fn files(context: &mut Context<'_>, ward: &mut Ward) -> Result<(), Error> {
    let Some(content) = context.site.content_dir.clone() else {
        for id in [Id::Code, Id::Maintenance, Id::ServerRules] {
            ward.skip(id, "the site's files were not named (--path)");
        }
        return Ok(());
    };
    let mut search = Search::default();
    if let Ok(Some(folder)) = &context.site.mu_plugin_dir {
        search.look(folder);
    }
    for drop_in in ["object-cache.php", "advanced-cache.php", "db.php", "sunrise.php"] {
        search.look(&content.join(drop_in));
    }
    if let Some(root) = &context.site.root {
        // wp-load.php takes the one above where there is none beside it.
        let beside = root.join("wp-config.php");
        let above = root.parent().map(|above| above.join("wp-config.php"));
        search.look(if beside.is_file() { &beside } else { above.as_ref().unwrap_or(&beside) });
    }
    let mut themes = BTreeSet::new();
    for option in ["template", "stylesheet"] {
        let theme = context.store.option(option)?.unwrap_or_default();
        themes.insert(String::from_utf8_lossy(&theme).into_owned());
    }
    for theme in themes {
        if !theme.is_empty() && !theme.starts_with(['/', '.']) && !theme.contains("..") {
            search.look(&content.join("themes").join(theme));
        }
    }
    let by_hand = search.mentions.len();
    let plugin_dir = context.site.plugin_dir.clone();
    for plugin in active_plugins(context)? {
        // What their switches say is known.
        let is_known = SWITCHES.iter().any(|switch| switch.folder == plugin.folder);
        if !is_known
            && plugin.folder != "two-factor"
            && let Some(plugin_dir) = &plugin_dir
        {
            search.look(&plugin_dir.join(plugin.folder));
        }
    }
    // Many plugins have to do with logins and leave application passwords alone; a few lines that somebody wrote for
    // this site are worth a look.
    let of_plugins = search.mentions.split_off(by_hand.min(search.mentions.len()));
    let mut beside: BTreeSet<String> = BTreeSet::new();
    for mention in of_plugins {
        if mention.weight == Weight::Own {
            search.mentions.push(mention);
        } else if let Some(within) =
            plugin_dir.as_ref().and_then(|folder| mention.file.strip_prefix(folder).ok())
        {
            beside.extend(within.iter().next().map(|folder| folder.to_string_lossy().into_owned()));
        }
    }
    search.mentions.retain(|mention| mention.file.file_name().is_none_or(|name| name != enforcer::FILE));
    search.mentions.dedup();
    for mention in search.mentions.iter().take(SHOWN) {
        let file = mention.file.strip_prefix(&content).unwrap_or(&mention.file);
        ward.warning(
            Id::Code,
            format!("{} line {} has to do with {}", file.display(), mention.line, mention.filter),
        );
    }
    if search.mentions.len() > SHOWN {
        ward.warning(Id::Code, format!("and {} more places", search.mentions.len() - SHOWN));
    }
    if !ward.has(Id::Code) {
        let mut rest = String::new();
        if search.cut {
            rest.push_str("; not everything could be read");
        }
        if !beside.is_empty() {
            let plugins = beside.into_iter().collect::<Vec<_>>().join(", ");
            rest.push_str(&format!("; logins of all kinds pass through {plugins}"));
        }
        ward.ok(Id::Code, format!("{} files were searched{rest}", search.files));
    }
    let mut known = context.addresses()?.into_iter().map(|(name, address)| match address {
        FixedAddress::Known(address) => (name, address),
        FixedAddress::Unclear | FixedAddress::No => (name, String::new()),
    });
    let mut address = |wanted: &str| {
        known.find(|(name, _)| *name == wanted).map_or_else(String::new, |(_, address)| address)
    };
    let (site_url, home) = (address("siteurl"), address("home"));
    match &context.site.root {
        Some(root) => {
            maintenance(root, context.now, ward);
            server_rules(root, &home, &site_url, ward);
        }
        None => {
            for id in [Id::Maintenance, Id::ServerRules] {
                ward.skip(id, "where WordPress lies is not known");
            }
        }
    }
    Ok(())
}

fn maintenance(root: &Path, now: i64, ward: &mut Ward) {
    let file = root.join(".maintenance");
    let shown = file.display();
    let php = match std::fs::read(&file) {
        Ok(php) => php,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            ward.ok(Id::Maintenance, "there is no .maintenance");
            return;
        }
        Err(error) => {
            ward.skip(Id::Maintenance, format!("{shown} is there and could not be read ({error})"));
            return;
        }
    };
    match server::maintenance(&String::from_utf8_lossy(&php), now) {
        Maintenance::Over => ward.ok(Id::Maintenance, format!("{shown} is over and does not count any more")),
        Maintenance::Until(at) => {
            ward.problem(Id::Maintenance, format!("{shown} closes the site until {}", audit::time(at)));
        }
        Maintenance::Always => {
            ward.problem(Id::Maintenance, format!("{shown} closes the site as long as it is there"));
        }
        Maintenance::Unclear => ward.problem(Id::Maintenance, format!("{shown} is there")),
    }
}

fn server_rules(root: &Path, home: &str, site_url: &str, ward: &mut Ward) {
    let mut read = false;
    for (place, folder) in server::folders(root, home, site_url).into_iter().enumerate() {
        let file = folder.join(".htaccess");
        let Ok(text) = std::fs::read(&file) else { continue };
        let header = server::htaccess(&String::from_utf8_lossy(&text));
        let (state, what) = server::verdict(header);
        // WordPress writes its rules into the first one; further up counts only what is in the way.
        if place == 0 || state == State::Problem || matches!(header, Header::Wanted { .. }) {
            ward.note(Id::ServerRules, state, format!("{} {what}", file.display()));
            read = true;
        }
    }
    if !read {
        ward.skip(
            Id::ServerRules,
            "there is no .htaccess that could be read; whether the header arrives shows with --probe",
        );
    }
}

fn cache(context: &mut Context<'_>, ward: &mut Ward) -> Result<(), Error> {
    if matches!(context.cache, Cache::None) {
        ward.ok(Id::ObjectCache, "there is none");
        return Ok(());
    }
    // Connects, as a change would, and changes nothing.
    context.reach_cache()?;
    match &context.cache {
        Cache::None => ward.ok(Id::ObjectCache, "there is none"),
        Cache::Open { name, .. } => {
            ward.ok(Id::ObjectCache, format!("{name} is reached and holds entries of this site"))
        }
        Cache::OutOfReach { name, reason, .. } => {
            ward.problem(Id::ObjectCache, format!("{name}: {reason}"));
        }
        Cache::Unseen | Cache::Planned { .. } => {
            ward.skip(Id::ObjectCache, "the site's files were not named (--path)");
        }
    }
    Ok(())
}

/// Sentences of one check: the first few, and how many there are, so that a million of them need no memory.
#[derive(Default)]
struct Sentences {
    first: Vec<String>,
    count: usize,
}

impl Sentences {
    fn push(&mut self, sentence: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < SHOWN {
            self.first.push(sentence());
        }
    }
}

/// What the lists of one user, or of all, hold.
#[derive(Default)]
struct Lists {
    refused: Sentences,
    damaged: Sentences,
    expired: Sentences,
    restricted: u64,
    count: u64,
}

impl Lists {
    fn doubled(&mut self, who: &str) {
        self.damaged.push(|| {
            format!(
                "user {who} has several rows of application passwords: WordPress reads the first one only, and writes over the \
                 others at the next change"
            )
        });
    }

    fn look(&mut self, who: &str, list: &StoredList, era: Era, now: i64) {
        if let Some((offset, reason)) = list.damage() {
            self.damaged.push(|| format!("the list of user {who} cannot be read: {reason} (byte {offset})"));
        }
        let mut slow = 0;
        let mut entries = 0;
        for record in list.records() {
            entries += 1;
            self.count += 1;
            let name = || audit::quoted(&String::from_utf8_lossy(&record.text("name").unwrap_or_default()));
            match record.text("password") {
                Some(hash) => {
                    slow += usize::from(hash.starts_with(b"$2"));
                    if let Some(reason) = password_hash::refused(&hash, era) {
                        self.refused.push(|| format!("{} of user {who}: {reason}", name()));
                    } else if matches!(
                        password_hash::identify(&hash),
                        password_hash::Kind::Never | password_hash::Kind::Unknown
                    ) {
                        self.refused.push(|| format!("{} of user {who}: what is stored is no hash", name()));
                    }
                }
                None => self.damaged.push(|| format!("{} of user {who} has no hash", name())),
            }
            let (document, node) = record.parts();
            let terms = Terms::of(document, node);
            self.restricted += u64::from(terms.want_enforcing());
            match terms.expires {
                Term::Set(at) if at <= now => {
                    self.expired.push(|| format!("{} of user {who} expired at {}", name(), audit::time(at)));
                }
                _ => {}
            }
            if let Some(key) = terms.unreadable().first() {
                self.damaged
                    .push(|| format!("{} of user {who}: what it holds under {key} makes no sense", name()));
            }
        }
        if list.count() > entries {
            self.damaged.push(|| format!("the list of user {who} holds something that is no entry"));
        }
        if slow > MANY_SLOW {
            self.damaged
                .push(|| format!("user {who} has {slow} bcrypt hashes, some 50 ms each for every request"));
        }
    }
}

fn entries(
    args: &Doctor,
    context: &mut Context<'_>,
    user: Option<&User>,
    evidence: &Evidence,
    ward: &mut Ward,
) -> Result<(), Error> {
    let (era, now) = (evidence.era(), context.now);
    let mut lists = Lists::default();
    let mut suspended = 0;
    match user {
        Some(user) => {
            let list = context.passwords().read(user.id)?;
            lists.look(&named(user), &list, era, now);
            if list.row_count() > 1 {
                lists.doubled(&named(user));
            }
            suspended += context.passwords().read_suspended(user.id)?.records().count();
        }
        None => {
            let (mut previous, mut doubled) = (None, None);
            let walked =
                context.store.each_user_meta(schema::APPLICATION_PASSWORDS, &mut |row: UserMeta<'_>| {
                    let login = String::from_utf8_lossy(row.login.unwrap_or_default());
                    if previous.replace(row.user) == Some(row.user) {
                        if doubled.replace(row.user) != Some(row.user) {
                            lists.doubled(&format!("{} ({login})", row.user));
                        }
                    } else {
                        let list = StoredList::from_value(row.umeta_id, row.value);
                        lists.look(&format!("{} ({login})", row.user), &list, era, now);
                    }
                    std::ops::ControlFlow::Continue(())
                });
            match walked {
                Ok(()) => {}
                Err(StoreError::TooLong(rows)) => {
                    rows.iter().for_each(|why| lists.damaged.push(|| why.clone()))
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    let tell = |ward: &mut Ward, id: Id, state: State, found: &Sentences| {
        for sentence in &found.first {
            ward.note(id, state, sentence.as_str());
        }
        if found.count > found.first.len() {
            ward.note(id, state, format!("and {} more", found.count - found.first.len()));
        }
    };
    tell(ward, Id::Hashes, State::Problem, &lists.refused);
    tell(ward, Id::Entries, State::Problem, &lists.damaged);
    tell(ward, Id::Expiry, State::Warning, &lists.expired);
    if suspended > 0 {
        ward.warning(Id::Expiry, format!("{suspended} of this user are suspended"));
    }
    // One is made when that is asked for.
    if let Some(user) = user.filter(|_| lists.count == 0 && lists.damaged.count == 0 && !args.probe) {
        ward.warning(Id::Entries, format!("user {} has no application password", named(user)));
    }
    if !ward.has(Id::Entries) {
        ward.ok(Id::Entries, format!("{} application passwords", lists.count));
    }
    match enforcer::enforcement(context.site) {
        _ if lists.restricted == 0 => ward.ok(Id::Enforcer, "no entry has an expiry or restrictions"),
        Enforcement::Yes => {
            ward.ok(Id::Enforcer, format!("the plugin is installed; {} entries have some", lists.restricted))
        }
        Enforcement::No(reason) => ward.warning(Id::Enforcer, reason),
        Enforcement::Unknown(reason) => ward.skip(Id::Enforcer, reason),
    }
    Ok(())
}

/// Whether nobody can have a role on this site, because what says which there are is missing.
///
/// WordPress: `WP_Roles`; a changed table prefix with the old option's name is how that happens.
fn role_map(context: &mut Context<'_>, ward: &mut Ward) -> Result<bool, Error> {
    let option = format!("{}{}", context.site.tables.blog_prefix(), schema::USER_ROLES_SUFFIX);
    let is_there = context.store.option(&option)?.is_some_and(|map| !roles::names(&map).is_empty());
    if !is_there {
        ward.problem(
            Id::Role,
            format!("the option {option} is missing or cannot be read: there are no roles, so nobody may do anything"),
        );
    }
    Ok(!is_there)
}

fn account(context: &mut Context<'_>, user: &User, ward: &mut Ward) -> Result<(), Error> {
    let held = context.membership(user)?;
    let is_super = context.is_super_admin(user)?;
    let roles: Vec<String> =
        held.roles.iter().map(|role| String::from_utf8_lossy(role).into_owned()).collect();
    match (roles.is_empty(), is_super) {
        (_, true) => ward.ok(Id::Role, "a super admin of the network"),
        (true, _) => ward.warning(Id::Role, format!("user {} has no role on this site", named(user))),
        (false, _) => ward.ok(Id::Role, roles.join(", ")),
    }
    let closed = super::audit::why_blocked(context.store.user_state(user.id)?);
    match closed {
        Some(why) => ward.warning(Id::Account, format!("user {} is {why}", named(user))),
        None => ward.ok(Id::Account, "it is neither spam nor deleted"),
    }
    two_factor(context, user, ward)
}

/// The first version of Two Factor that lets application passwords through (`did_action(
/// 'application_password_did_authenticate' )` in `Two_Factor_Core::is_user_api_login_enabled()`).
const TWO_FACTOR_KNOWS: &str = "0.14";

fn two_factor(context: &mut Context<'_>, user: &User, ward: &mut Ward) -> Result<(), Error> {
    let main_file = |folder: &Path| folder.join("two-factor/two-factor.php");
    // Hosts bring it as a must-use plugin.
    let must_use = context.site.mu_plugin_dir.as_ref().ok().and_then(Option::as_deref).map(main_file);
    let must_use = must_use.filter(|file| file.is_file());
    if must_use.is_none() && !active_plugins(context)?.iter().any(|plugin| plugin.folder == "two-factor") {
        ward.ok(Id::TwoFactor, "the plugin Two Factor is not active");
        return Ok(());
    }
    let enabled = second_factors(context, user)?;
    if enabled.is_empty() {
        ward.ok(Id::TwoFactor, "the plugin Two Factor is active, and this user has no second factor in it");
        return Ok(());
    }
    let file = must_use.or_else(|| context.site.plugin_dir.as_deref().map(main_file));
    let version = file.and_then(|file| code::plugin_version(&file));
    let which = version.as_deref().map_or_else(String::new, |version| format!(" {version}"));
    // WordPress orders versions of plugins like its own.
    let version = version.and_then(|version| WordPressVersion::parse(&version));
    if version.is_some_and(|version| version.is_at_least(TWO_FACTOR_KNOWS)) {
        ward.ok(Id::TwoFactor, format!("Two Factor{which} lets application passwords through"));
    } else {
        let unseen = if which.is_empty() { ", in a version that cannot be seen here" } else { "" };
        ward.warning(
            Id::TwoFactor,
            format!(
                "the plugin Two Factor{which} is active{unseen}, and user {} has a second factor ({}): before {TWO_FACTOR_KNOWS} \
                 XML-RPC refuses this user; the REST API does not",
                named(user),
                enabled.join(", ")
            ),
        );
    }
    Ok(())
}

/// What Two Factor would ask this user for.
///
/// WordPress: `Two_Factor_Core::get_available_providers_for_user()`: what is switched on and set up.
fn second_factors(context: &mut Context<'_>, user: &User) -> Result<Vec<String>, Error> {
    let mut value = |key: &str| -> Result<Vec<u8>, Error> {
        let rows = context.store.user_meta(user.id, key)?;
        Ok(rows
            .into_iter()
            .next()
            .and_then(|row| row.value)
            .map(|value| php_serialize::trim(&value).to_vec())
            .unwrap_or_default())
    };
    let mut found = Vec::new();
    // The providers' names are the values of a list, as the files of plugins are.
    for provider in plugins::texts(&value(schema::TWO_FACTOR_PROVIDERS)?) {
        let proof = schema::TWO_FACTOR_PROOFS.into_iter().find(|(name, _)| *name == provider);
        if let Some((_, key)) = proof
            && matches!(value(key)?.as_slice(), b"" | b"0" | b"a:0:{}" | b"s:0:\"\";")
        {
            continue;
        }
        found.push(provider);
    }
    Ok(found)
}

fn index(args: &Doctor, address: Option<&str>, ward: &mut Ward) {
    if !args.live && !args.probe {
        ward.skip(Id::RestIndex, "the site itself was not asked (--live)");
        return;
    }
    let Some(address) = address else {
        ward.skip(Id::RestIndex, "the site's address is not known (--address)");
        return;
    };
    match live::discover(address, args.timeout) {
        Err(reason) => ward.problem(Id::RestIndex, reason.to_string()),
        Ok(found) => match found.verdict {
            Verdict::Supported => {
                ward.ok(Id::RestIndex, found.rest_root.unwrap_or(found.url));
                ward.settle(Id::Https, "but WordPress says there that it has application passwords");
            }
            Verdict::PlainHttp { at } if ward.findings.iter().any(|finding| finding.evidence == IS_LOCAL) => ward.problem(
                Id::RestIndex,
                format!("{at} has no application passwords, although its environment type is local: a plugin or the site's code switched them off"),
            ),
            verdict => {
                let text = verdict.to_string();
                ward.problem(Id::RestIndex, text.trim_end_matches('.'));
            }
        },
    }
}

/// The whole way, with a password that nobody knows.
fn probe(
    args: &Doctor,
    context: &mut Context<'_>,
    user: Option<&User>,
    address: Option<&str>,
    evidence: &Evidence,
    in_use: bool,
    ward: &mut Ward,
) -> Result<(), Error> {
    let (Some(user), Some(address)) = (user.filter(|_| args.probe), address) else {
        ward.skip(Id::Accepted, "no password was tried (--probe)");
        return Ok(());
    };
    if !in_use && ward.state(Id::InUse) == State::Problem {
        // A new password would mend just that.
        ward.skip(
            Id::Accepted,
            "a new password would set using_application_passwords and hide that it was not set",
        );
        return Ok(());
    }
    if context.passwords().read(user.id).is_ok_and(|list| list.row_count() > 1 || list.is_unreadable()) {
        ward.skip(
            Id::Accepted,
            "this user's list is damaged or there several times: a new password would change more than itself",
        );
        return Ok(());
    }
    context.prepare_addition()?;
    let mut rng = rand::rng();
    let password = generate::application_password(&mut rng);
    let scheme = crate::wordpress::version::hash_scheme_for_auto(evidence);
    let hash = password_hash::hash(scheme, &password, 10, &mut rng)
        .map_err(|error| Error::Scheme(error.to_string()))?;
    let uuid = generate::uuid4(&mut rng);
    let mut entry = NewEntry {
        name: format!("wp-app-password doctor {uuid}").into_bytes(),
        app_id: Vec::new(),
        password: hash.as_str().as_bytes().to_vec(),
        uuid,
        created: context.now,
        successor: None,
        terms: Default::default(),
    };
    let _guard = crate::interrupt::hold();
    context.passwords().create(user, &mut entry, rules(evidence))?;
    let login = String::from_utf8_lossy(&user.login).into_owned();
    let ask = |xmlrpc| {
        live::check(&live::Request {
            site_url: address,
            login: &login,
            user_id: Some(user.id.0),
            password: &password,
            xmlrpc,
            timeout: args.timeout,
        })
    };
    let mut said = ask(XmlRpc::Skip);
    let is_ignored = said.rest.reason() == Some(&Reason::Ignored);
    if is_ignored {
        // XML-RPC has the password in the body, where no server loses it.
        said = ask(XmlRpc::BelowSite);
    }
    let mut passwords: ApplicationPasswords<'_> = context.passwords();
    let gone = passwords.delete(user, &[entry.uuid.as_bytes()]);
    let trouble = passwords.take_trouble();
    gone.map_err(|error| {
        Error::Usage(format!(
            "The password that was tried could not be revoked ({error}). Nobody knows it; revoke it with: delete {} {}",
            user.id, entry.uuid
        ))
    })?;
    context.check_revocation(trouble, &format!("Revoked the password that was tried ({})", entry.uuid))?;
    let by_xmlrpc = said.xmlrpc;
    match said.rest.knowing(true, Some(true)).reason() {
        None if ask(XmlRpc::Skip).rest.reason().is_none() => ward.problem(
            Id::ObjectCache,
            format!("{address} still accepts a password that was revoked: something keeps an older list"),
        ),
        None => {
            ward.ok(
                Id::Accepted,
                format!("{address} accepted a new password, and refused it when it was revoked"),
            );
            for id in [Id::Https, Id::Plugins, Id::ServerRules] {
                ward.settle(id, "but the site accepted a new password");
            }
            for finding in ward.findings.iter_mut().filter(|finding| finding.id == Id::RestIndex) {
                if finding.state == State::Problem {
                    finding.state = State::Warning;
                    finding.evidence.push_str("; a client that has a password gets in all the same");
                }
            }
            if ward.state(Id::ServerRules) == State::NotLooked {
                ward.findings.retain(|finding| finding.id != Id::ServerRules);
                ward.ok(Id::ServerRules, "the header arrives: the site accepted a new password");
            }
        }
        Some(Reason::HeaderStripped) if is_ignored => silent_refusal(args, address, by_xmlrpc.as_ref(), ward),
        Some(reason) => {
            let text = reason.to_string();
            ward.problem(Id::Accepted, text.trim_end_matches('.'));
        }
    }
    Ok(())
}

/// The site took a right password for none: either the server lost the header, or WordPress was told to look away. What
/// XML-RPC says of the same password tells which.
fn silent_refusal(args: &Doctor, address: &str, by_xmlrpc: Option<&Answer>, ward: &mut Ward) {
    const TAKEN_FOR_NONE: &str =
        "the REST API answers as if nobody had logged in, although the password is right";
    let server = live::server_name(address, args.timeout);
    let rule = server.as_deref().and_then(server::rule);
    let advice = match (&server, rule) {
        (Some(server), Some(rule)) => format!("; the server calls itself {server}: {rule}"),
        (Some(server), None) => format!("; the server calls itself {server}"),
        (None, _) => String::new(),
    };
    match by_xmlrpc {
        Some(Answer::Accepted(_)) => {
            ward.problem(
                Id::Accepted,
                format!("{TAKEN_FOR_NONE}, and XML-RPC, which has it in the body, accepts it: the Authorization header is lost, or not looked at"),
            );
            // What the code was seen to do is the better explanation.
            if ward.says(Id::Code, code::REMOVES) {
                ward.problem(Id::Code, "WordPress does not look at the Authorization header: the code that is named takes that away");
            } else {
                ward.problem(
                    Id::ServerRules,
                    format!(
                        "the Authorization header does not reach WordPress, as far as can be seen{advice}"
                    ),
                );
            }
        }
        Some(Answer::Refused(Reason::XmlRpcRefused { .. })) => {
            ward.problem(
                Id::Accepted,
                format!("{TAKEN_FOR_NONE}, and XML-RPC, which has it in the body, refuses it too: the header is not the reason"),
            );
            ward.warning(
                Id::Code,
                "a plugin or the site's code refuses application passwords without a word, of this user or of all",
            );
        }
        other => {
            let why = other
                .and_then(Answer::reason)
                .map_or_else(String::new, |reason| format!(" ({})", reason.clause()));
            ward.problem(
                Id::Accepted,
                format!("{TAKEN_FOR_NONE}; whether the header is lost could not be told by XML-RPC{why}"),
            );
            ward.warning(
                Id::ServerRules,
                format!(
                    "the Authorization header does not reach WordPress, or a plugin refuses the password without a word{advice}"
                ),
            );
        }
    }
}

fn level(state: State) -> Level {
    match state {
        State::Problem => Level::Critical,
        State::Warning => Level::Warning,
        State::Ok | State::NotLooked => Level::Info,
    }
}

/// The same for the same finding in every report.
fn fingerprint(check: &str, evidence: &str) -> String {
    let digest = Sha256::digest(format!("{check}\0{evidence}"));
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// Findings as a report of the kind that `audit` makes.
fn as_report(args: &Doctor, context: &mut Context<'_>, ward: &Ward, took: Duration) -> Result<Report, Error> {
    let found = |state: State| ward.findings.iter().filter(|finding| finding.state == state).count() as u64;
    let site = own_address(context)?.unwrap_or_else(|| context.store.description().place.clone());
    let rules = Id::ALL
        .into_iter()
        .map(|id| {
            let check = id.check();
            let rows: Vec<ReportRow> = ward
                .findings
                .iter()
                .filter(|finding| finding.id == id && finding.state >= State::Warning)
                .map(|finding| ReportRow {
                    message: finding.evidence.clone(),
                    fingerprint: fingerprint(check.id, &finding.evidence),
                    ..ReportRow::default()
                })
                .collect();
            report::Rule {
                id: check.id,
                title: check.title,
                explanation: check.explanation,
                remedy: check.remedy,
                level: level(ward.state(id)),
                enabled: ward.state(id) != State::NotLooked,
                count: rows.len() as u64,
                rows,
            }
        })
        .collect();
    Ok(Report {
        verb: "doctor",
        version: env!("CARGO_PKG_VERSION"),
        site,
        at: audit::time(context.now),
        seconds: context.now,
        took: took.as_secs_f64(),
        rules,
        counts: vec![
            Count {
                name: "doctor_checks_ok",
                words: ["check is fine", "checks are fine"],
                count: found(State::Ok),
            },
            Count {
                name: "doctor_checks_not_looked_at",
                words: ["was not looked at", "were not looked at"],
                count: found(State::NotLooked),
            },
        ],
        charts: Vec::new(),
        ages: Vec::new(),
        fail_on: match args.fail_on {
            FailOn::Warning => Some(Level::Warning),
            FailOn::Problem => Some(Level::Critical),
            FailOn::Never => None,
        },
    })
}

impl Item for Finding {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        let check = self.id.check();
        let text: &str = match name {
            "check" => check.id,
            "state" => self.state.name(),
            "title" => check.title,
            "evidence" => &self.evidence,
            "remedy" if self.state >= State::Warning => check.remedy,
            "remedy" => "",
            _ => return None,
        };
        Some(Value::text(text))
    }
}

const FIELDS: [&str; 5] = ["check", "state", "title", "evidence", "remedy"];

fn map<'a>(fields: impl IntoIterator<Item = (&'a str, Value<'a>)>) -> Value<'a> {
    Value::Map(fields.into_iter().map(|(key, value)| (Key::Text(key.as_bytes().into()), value)).collect())
}

fn tell(args: &Doctor, context: &mut Context<'_>, ward: &Ward, took: Duration) -> Result<Outcome, Error> {
    let report = as_report(args, context, ward, took)?;
    let out = &mut *context.out;
    let row = |finding: &Finding| -> Vec<u8> {
        output::to_json(&map(FIELDS.iter().filter_map(|name| Some((*name, finding.field(name)?)))))
            .unwrap_or_default()
    };
    match args.format {
        Format::Table => table(ward, &report, out)?,
        Format::Json => {
            let checks = ward.findings.iter().enumerate().map(|(place, finding)| {
                let fields = FIELDS.iter().filter_map(|name| Some((*name, finding.field(name)?)));
                (Key::Int(place as i64), map(fields))
            });
            let document = map([
                ("schema", Value::Int(1)),
                ("site", Value::text(&report.site)),
                ("at", Value::text(&report.at)),
                ("state", Value::text(ward.worst().name())),
                ("checks", Value::Map(checks.collect())),
            ]);
            out.line(output::to_json(&document).unwrap_or_default())?;
        }
        Format::Jsonl => {
            for finding in &ward.findings {
                out.line(row(finding))?;
            }
        }
        Format::Yaml => {
            out.result(report::yaml::BEGIN)?;
            for finding in &ward.findings {
                let fields = FIELDS.iter().filter_map(|name| Some((*name, finding.field(name)?)));
                out.result(report::yaml::row(fields))?;
            }
        }
        Format::Csv => {
            let mut stream =
                RowStream::begin(out, &Request::new(output::Format::Csv, None, None, &FIELDS), &FIELDS)?;
            for finding in &ward.findings {
                stream.row(out, finding)?;
            }
            stream.end(out)?;
        }
        Format::Sarif => {
            let mut text = Sarif::begin(&report);
            let mut sarif = Sarif::default();
            for (place, rule) in report.rules.iter().enumerate() {
                for row in &rule.rows {
                    text.extend(sarif.row(place, rule.id, rule.level, row));
                }
            }
            text.extend_from_slice(Sarif::end());
            out.result(text)?;
        }
        Format::Junit => out.result(report::junit(&report))?,
        Format::Prometheus => out.result(report::prometheus(&report))?,
        Format::Html => out.result(report::html(&report))?,
        Format::Nagios => {
            let (line, code) = report::nagios(&report);
            out.result(line)?;
            return Ok(Outcome::Plugin(code));
        }
    }
    let fails = report.rules.iter().any(|rule| report.fails(rule));
    Ok(if fails { Outcome::Findings } else { Outcome::Done })
}

/// For people: what is wrong first, with what to do; then, in a line each, what was looked at.
fn table(ward: &Ward, report: &Report, out: &mut output::Output<'static>) -> Result<(), Error> {
    let count = |state: State| ward.findings.iter().filter(|finding| finding.state == state).count();
    out.line(format!(
        "{}: {} problem(s), {} warning(s), {} fine, {} not looked at",
        report.site,
        count(State::Problem),
        count(State::Warning),
        count(State::Ok),
        count(State::NotLooked)
    ))?;
    for state in [State::Problem, State::Warning] {
        for id in Id::ALL.into_iter().filter(|id| ward.state(*id) == state) {
            out.line(format!("\n{} {}", state.name().to_uppercase(), id.check().id))?;
            let found =
                ward.findings.iter().filter(|finding| finding.id == id && finding.state >= State::Warning);
            for finding in found {
                out.line(format!("  {}.", finding.evidence))?;
            }
            out.line(format!("  What to do: {}", id.check().remedy))?;
        }
    }
    out.line("")?;
    let width = CHECKS.iter().map(|check| check.id.len()).max().unwrap_or(0);
    for finding in ward.findings.iter().filter(|finding| finding.state < State::Warning) {
        let (state, id) = (finding.state.name(), finding.id.check().id);
        out.line(format!("{state:13}  {id:width$}  {}", finding.evidence))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_million_sentences_are_counted_and_ten_of_them_made() {
        let (mut sentences, mut made) = (Sentences::default(), 0);
        for number in 0..1_000_000 {
            sentences.push(|| {
                made += 1;
                number.to_string()
            });
        }
        assert_eq!((sentences.count, made), (1_000_000, SHOWN));
        assert_eq!(sentences.first.last().map(String::as_str), Some("9"));
    }
}
