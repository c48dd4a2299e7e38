//! What an audit looks for: the rules' defaults, changed by a policy file and then by flags.
//!
//! A policy is checked strictly: a key that means nothing is an error that names its line, because a rule that was
//! switched off by a typo is not noticed by anybody.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Deserialize;
use toml::Spanned;

use super::finding::{Finding, Severity};
use super::rules::{COUNT, Id, RULES};
use crate::wordpress::network::Network;

/// What to look for.
#[derive(Debug, Clone)]
pub struct Policy {
    settings: [Setting; COUNT],
    /// Findings of at least this severity are news; `None`: none is.
    pub fail_on: Option<Severity>,
    /// Networks that uses are expected from; empty: not looked at.
    pub allow_net: Vec<Network>,
    /// Rules that the file switches on by name.
    pub asked: Vec<Id>,
    /// What is not to be reported.
    pub exceptions: Vec<Exception>,
    /// Report what was created since then, Unix seconds UTC.
    pub since: Option<i64>,
}

/// What is set of one rule.
#[derive(Debug, Clone, Copy)]
struct Setting {
    enabled: bool,
    severity: Severity,
    threshold: u64,
}

/// Something that is known and excused for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// Only of this rule.
    pub rule: Option<Id>,
    /// Only of this user, by id or login.
    pub user: Option<String>,
    /// Only entries of this name.
    pub name: Option<String>,
    /// Only the entry with this uuid.
    pub uuid: Option<String>,
    /// Why.
    pub reason: String,
    /// The last day on which it counts, in UTC.
    pub until: String,
    /// When that day is over, in Unix seconds.
    pub ends: i64,
}

impl Exception {
    /// Whether it excuses the finding.
    fn covers(&self, finding: &Finding) -> bool {
        let user = |user: &String| {
            // A number is an id: whoever may choose a login chooses no exception with it.
            let is_id = user.bytes().all(|byte| byte.is_ascii_digit());
            finding
                .user
                .is_some_and(|id| if is_id { *user == id.to_string() } else { *user == finding.login })
        };
        self.rule.is_none_or(|rule| rule == finding.rule)
            && self.user.as_ref().is_none_or(user)
            && self.name.as_ref().is_none_or(|name| *name == finding.name)
            && self.uuid.as_ref().is_none_or(|uuid| *uuid == finding.uuid)
    }

    /// What it excuses, for a person.
    pub fn named(&self) -> String {
        let part = |what: &str, value: Option<&str>| value.map(|value| format!("{what} {value}"));
        let parts = [
            part("rule", self.rule.map(|rule| rule.rule().id)),
            part("user", self.user.as_deref()),
            part("name", self.name.as_deref()),
            part("uuid", self.uuid.as_deref()),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
    }
}

impl Default for Policy {
    fn default() -> Self {
        let mut settings = [Setting { enabled: true, severity: Severity::Info, threshold: 0 }; COUNT];
        for (setting, rule) in settings.iter_mut().zip(&RULES) {
            (setting.severity, setting.threshold) = (rule.severity, rule.threshold.value());
        }
        Self {
            settings,
            fail_on: Some(Severity::Warning),
            allow_net: Vec::new(),
            asked: Vec::new(),
            exceptions: Vec::new(),
            since: None,
        }
    }
}

impl Policy {
    fn setting(&self, rule: Id) -> Setting {
        let fallback = Setting { enabled: true, severity: Severity::Warning, threshold: 0 };
        self.settings.get(rule as usize).copied().unwrap_or(fallback)
    }

    fn change(&mut self, rule: Id) -> Option<&mut Setting> {
        self.settings.get_mut(rule as usize)
    }

    /// Whether a rule is looked at.
    pub fn enabled(&self, rule: Id) -> bool {
        self.setting(rule).enabled
    }

    /// How much a rule's findings matter.
    pub fn severity(&self, rule: Id) -> Severity {
        self.setting(rule).severity
    }

    /// What a rule compares with: seconds, or a number.
    pub fn threshold(&self, rule: Id) -> u64 {
        self.setting(rule).threshold
    }

    /// Sets what a rule compares with.
    pub fn set_threshold(&mut self, rule: Id, threshold: u64) {
        if let Some(setting) = self.change(rule) {
            setting.threshold = threshold;
        }
    }

    /// Switches a rule on or off.
    pub fn enable(&mut self, rule: Id, enabled: bool) {
        if let Some(setting) = self.change(rule) {
            setting.enabled = enabled;
        }
    }

    /// Whether an exception that has not ended covers the finding.
    pub fn excuses(&self, finding: &Finding, now: i64) -> bool {
        self.exceptions.iter().any(|exception| now < exception.ends && exception.covers(finding))
    }

    /// Whether an address is in one of the allowed networks. What is no address is not.
    pub fn allows_address(&self, address: &str) -> bool {
        address
            .parse::<IpAddr>()
            .is_ok_and(|address| self.allow_net.iter().any(|network| network.contains(address)))
    }

    /// Reads a policy file over the defaults. `duration` and `day` read lengths of time and dates: the first gives
    /// seconds, the second the Unix time at which that day is over, in UTC.
    ///
    /// # Errors
    /// A sentence that names the line.
    pub fn read(
        text: &str,
        duration: impl Fn(&str) -> Result<u64, String>,
        day: impl Fn(&str) -> Result<i64, String>,
    ) -> Result<Self, String> {
        let at = |line: usize, what: &dyn std::fmt::Display| format!("line {line}: {what}");
        let line = |place: usize| 1 + text.bytes().take(place).filter(|byte| *byte == b'\n').count();
        let file: File = toml::from_str(text).map_err(|error| {
            let place = error.span().map_or(0, |span| span.start);
            at(line(place), &error.message().trim_end())
        })?;
        let mut policy = Self::default();
        if let Some(fail_on) = file.fail_on {
            policy.fail_on = fail_on.severity();
        }
        for network in &file.allow_net {
            let place = line(network.span().start);
            policy.allow_net.push(Network::parse(network.get_ref()).map_err(|why| at(place, &why))?);
        }
        for (id, given) in &file.rules {
            let place = line(id.span().start);
            let rule = Id::named(id.get_ref()).ok_or_else(|| {
                at(place, &format!("there is no rule '{}' (audit --explain lists them)", id.get_ref()))
            })?;
            if given.enabled == Some(true) {
                policy.asked.push(rule);
            }
            let Some(setting) = policy.change(rule) else { continue };
            setting.enabled = given.enabled.unwrap_or(setting.enabled);
            setting.severity = given.severity.unwrap_or(setting.severity);
            for (key, span, threshold) in given.thresholds() {
                let place = line(span.start);
                if rule.rule().threshold.key() != Some(key) {
                    return Err(at(
                        place,
                        &match rule.rule().threshold.key() {
                            Some(other) => {
                                format!("the rule '{}' has no '{key}', but '{other}'", id.get_ref())
                            }
                            None => format!("the rule '{}' has no '{key}'", id.get_ref()),
                        },
                    ));
                }
                setting.threshold = match threshold {
                    Given::Count(count) => count,
                    Given::Duration(text) => {
                        duration(text).map_err(|why| at(place, &format!("{key}: {why}")))?
                    }
                };
            }
        }
        for given in &file.exceptions {
            let (span, given) = (given.span(), given.get_ref());
            let place = line(span.start);
            let rule = match &given.rule {
                None => None,
                Some(id) => Some(Id::named(id.get_ref()).ok_or_else(|| {
                    at(line(id.span().start), &format!("there is no rule '{}'", id.get_ref()))
                })?),
            };
            if given.user.is_none() && given.name.is_none() && given.uuid.is_none() {
                return Err(at(place, &"an exception needs a user, a name or a uuid"));
            }
            // It would excuse whatever has no name, no uuid or no user.
            let empty = |text: &Option<String>| text.as_ref().is_some_and(|text| text.trim().is_empty());
            if empty(&given.user.as_ref().map(User::text)) || empty(&given.name) || empty(&given.uuid) {
                return Err(at(place, &"the user, name or uuid of an exception must not be empty"));
            }
            if given.reason.trim().is_empty() {
                return Err(at(place, &"an exception needs a reason"));
            }
            let until = given.until.get_ref().text();
            policy.exceptions.push(Exception {
                rule,
                user: given.user.as_ref().map(User::text),
                name: given.name.clone(),
                uuid: given.uuid.clone(),
                reason: given.reason.clone(),
                ends: day(&until)
                    .map_err(|why| at(line(given.until.span().start), &format!("until: {why}")))?,
                until,
            });
        }
        Ok(policy)
    }
}

/// The file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct File {
    fail_on: Option<FailOn>,
    #[serde(default)]
    allow_net: Vec<Spanned<String>>,
    #[serde(default)]
    rules: BTreeMap<Spanned<String>, RuleTable>,
    #[serde(default)]
    exceptions: Vec<Spanned<ExceptionTable>>,
}

/// `--fail-on`: from which severity on findings are news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names say it")]
pub enum FailOn {
    Info,
    Warning,
    Critical,
    Never,
}

impl FailOn {
    /// `None`: nothing is.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Self::Info => Some(Severity::Info),
            Self::Warning => Some(Severity::Warning),
            Self::Critical => Some(Severity::Critical),
            Self::Never => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "kebab-case",
    expecting = "a table such as [rules.old] with enabled, severity, after, within or more-than"
)]
struct RuleTable {
    enabled: Option<bool>,
    severity: Option<Severity>,
    after: Option<Spanned<String>>,
    within: Option<Spanned<String>>,
    more_than: Option<Spanned<u64>>,
}

/// A threshold as it was given.
enum Given<'a> {
    Duration(&'a str),
    Count(u64),
}

impl RuleTable {
    fn thresholds(&self) -> impl Iterator<Item = (&'static str, std::ops::Range<usize>, Given<'_>)> {
        fn length<'a>(
            key: &'static str,
            value: Option<&'a Spanned<String>>,
        ) -> Option<(&'static str, std::ops::Range<usize>, Given<'a>)> {
            value.map(|value| (key, value.span(), Given::Duration(value.get_ref())))
        }
        let count = self.more_than.as_ref();
        let count = count.map(|count| ("more-than", count.span(), Given::Count(*count.get_ref())));
        [length("after", self.after.as_ref()), length("within", self.within.as_ref()), count]
            .into_iter()
            .flatten()
    }
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table [[exceptions]] with user, name or uuid, reason and until, and perhaps rule"
)]
struct ExceptionTable {
    rule: Option<Spanned<String>>,
    user: Option<User>,
    name: Option<String>,
    uuid: Option<String>,
    reason: String,
    until: Spanned<Day>,
}

/// A date: TOML has a form of its own for it, and people write it as text too.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected a date such as 2027-01-31")]
enum Day {
    Date(toml::value::Datetime),
    Text(String),
}

impl Day {
    fn text(&self) -> String {
        match self {
            Self::Date(date) => date.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// An id or a login.
#[derive(Deserialize)]
#[serde(untagged, expecting = "expected the id or the login of a user")]
enum User {
    Id(u64),
    Login(String),
}

impl User {
    fn text(&self) -> String {
        match self {
            Self::Id(id) => id.to_string(),
            Self::Login(login) => login.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, String> {
        let duration = |text: &str| match text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok()) {
            Some(days) => Ok(days * 86_400),
            None => Err(format!("'{text}' is no duration")),
        };
        let day = |text: &str| text.len().eq(&10).then_some(1_000).ok_or_else(|| "no date".to_owned());
        Policy::read(text, duration, day)
    }

    #[test]
    fn a_policy_changes_what_it_names_and_nothing_else() {
        let policy = read(
            "fail-on = \"critical\"\nallow-net = [\"192.0.2.0/24\"]\n[rules.never-used]\nafter = \"14d\"\nseverity = \
             \"critical\"\n[rules]\nold.enabled = false\ntoo-many.more-than = 3\n",
        )
        .unwrap();
        assert_eq!(policy.fail_on, Some(Severity::Critical));
        assert_eq!(policy.threshold(Id::NeverUsed), 14 * 86_400);
        assert_eq!(policy.severity(Id::NeverUsed), Severity::Critical);
        assert_eq!((policy.enabled(Id::Old), policy.enabled(Id::Unused)), (false, true));
        assert_eq!(policy.threshold(Id::TooMany), 3);
        assert!(policy.allows_address("192.0.2.9") && policy.allows_address("::ffff:192.0.2.9"));
        assert!(!policy.allows_address("192.0.3.9") && !policy.allows_address("nonsense"));
    }

    #[test]
    fn a_date_needs_no_quotes() {
        for until in ["\"2027-01-01\"", "2027-01-01"] {
            let policy =
                read(&format!("[[exceptions]]\nuser = 5\nreason = \"r\"\nuntil = {until}\n")).unwrap();
            assert_eq!(policy.exceptions[0].until, "2027-01-01");
            assert_eq!(policy.exceptions[0].user.as_deref(), Some("5"));
        }
    }

    #[test]
    fn what_means_nothing_is_an_error_that_names_line_and_key() {
        for (text, line, word) in [
            ("fail-on = \"warning\"\nfial = 1\n", "line 2", "fial"),
            ("\n[rules.never-usd]\nenabled = false\n", "line 2", "never-usd"),
            ("[rules.old]\nenabled = true\nafer = \"9d\"\n", "line 3", "afer"),
            ("[rules.old]\nmore-than = 3\n", "line 2", "more-than"),
            ("[rules.no-name]\nafter = \"9d\"\n", "line 2", "after"),
            ("[rules.old]\nafter = \"soon\"\n", "line 2", "soon"),
            ("[rules.old]\nseverity = \"high\"\n", "line 2", "high"),
            ("allow-net = [\n\"10.0.0.0/33\",\n]\n", "line 2", "10.0.0.0/33"),
            ("[[exceptions]]\nuser = \"a\"\nuntil = \"2027-01-01\"\n", "line 1", "reason"),
            ("[[exceptions]]\nreason = \"r\"\nuntil = \"2027-01-01\"\n", "line 1", "user"),
            ("[[exceptions]]\nuser = 5\nreason = \"r\"\nuntil = \"soon\"\n", "line 4", "until"),
            (
                "[[exceptions]]\nuser = 5\nreason = \"r\"\nuntil = \"2027-01-01\"\nrule = \"x\"\n",
                "line 5",
                "'x'",
            ),
            ("fail-on = \n", "line 1", ""),
            // What is empty would excuse all that has no name.
            ("[[exceptions]]\nname = \"\"\nreason = \"r\"\nuntil = \"2027-01-01\"\n", "line 1", "empty"),
            ("[[exceptions]]\nuser = -1\nreason = \"r\"\nuntil = \"2027-01-01\"\n", "line 2", "login"),
            ("[[exceptions]]\nuser = 5\nreason = \"r\"\n", "line 1", "until"),
            ("[rules.old]\nafter = \"9d\"\nwithin = \"3d\"\n", "line 3", "within"),
            ("[rules.old]\nafter = \"9d\"\nmore-than = 3\n", "line 3", "more-than"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(line) && error.contains(word), "{text:?} gives {error:?}");
        }
    }
}
