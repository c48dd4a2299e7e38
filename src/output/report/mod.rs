//! Reports of a check for people and for programs: rules and rows in, bytes out.
//!
//! Nothing here knows what is checked. Each format is a file; those that show rows by rule get the first of each,
//! because a page with a million rows helps nobody.

mod html;
mod junit;
mod nagios;
mod prometheus;
mod sarif;
mod text;
pub mod yaml;

pub use html::html;
pub use junit::junit;
pub use nagios::nagios;
pub use prometheus::prometheus;
pub use sarif::Sarif;
pub use text::text;

/// How much a row matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Level {
    Info,
    Warning,
    Critical,
}

impl Level {
    /// Gravest first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::Warning, Self::Info];

    /// In lower case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// A rule, and the rows that it made.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its stable id.
    pub id: &'static str,
    /// One line.
    pub title: &'static str,
    /// Why it matters.
    pub explanation: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// How much its rows matter.
    pub level: Level,
    /// Whether it was looked at.
    pub enabled: bool,
    /// How many rows it made.
    pub count: u64,
    /// The first of them.
    pub rows: Vec<Row>,
}

/// Something that a rule found. All texts may hold anything but invalid UTF-8.
#[derive(Debug, Clone, Default)]
pub struct Row {
    /// `user 5 (login)`, or nothing.
    pub owner: String,
    /// What the owner is.
    pub roles: String,
    /// The name of the thing.
    pub name: String,
    /// Its uuid.
    pub uuid: String,
    /// What is wrong.
    pub message: String,
    /// The same for the same thing in every report.
    pub fingerprint: String,
}

/// Something that was counted.
#[derive(Debug, Clone)]
pub struct Count {
    /// For machines.
    pub name: &'static str,
    /// For people: one of them, and any other number.
    pub words: [&'static str; 2],
    /// How many there are.
    pub count: u64,
}

impl Count {
    /// What stands behind the number.
    fn word(&self) -> &'static str {
        let [one, many] = self.words;
        if self.count == 1 { one } else { many }
    }
}

/// How many fall into which class.
#[derive(Debug, Clone)]
pub struct Chart {
    /// What is counted.
    pub title: &'static str,
    /// In order.
    pub bars: Vec<(String, u64)>,
}

/// How many are not longer ago than so many seconds.
#[derive(Debug, Clone)]
pub struct Ages {
    /// The end of a metric's name: `age`.
    pub name: &'static str,
    /// For a person.
    pub help: &'static str,
    /// `(seconds, how many)`, the last open.
    pub classes: Vec<(Option<u64>, u64)>,
    /// All of them together, in seconds.
    pub sum: u64,
}

/// Everything that a report says.
#[derive(Debug, Clone)]
pub struct Report {
    /// Which command looked: `audit`, `doctor`. Metrics are named after it, so that one machine can have both.
    pub verb: &'static str,
    /// Version of the program.
    pub version: &'static str,
    /// What was looked at: an address.
    pub site: String,
    /// When, RFC 3339.
    pub at: String,
    /// The same in Unix seconds.
    pub seconds: i64,
    /// How long it took, in seconds.
    pub took: f64,
    /// In the order in which they are told.
    pub rules: Vec<Rule>,
    /// What was counted.
    pub counts: Vec<Count>,
    /// For people.
    pub charts: Vec<Chart>,
    /// For machines.
    pub ages: Vec<Ages>,
    /// From here on a row is news.
    pub fail_on: Option<Level>,
}

impl Report {
    /// How many rows there are of this level.
    pub fn count(&self, level: Level) -> u64 {
        self.rules.iter().filter(|rule| rule.level == level).map(|rule| rule.count).sum()
    }

    /// Whether a rule's rows are news.
    pub fn fails(&self, rule: &Rule) -> bool {
        rule.count > 0 && self.fail_on.is_some_and(|from| rule.level >= from)
    }

    /// Rules that made rows, gravest first.
    fn found(&self) -> impl Iterator<Item = &Rule> {
        Level::ALL
            .into_iter()
            .flat_map(|level| self.rules.iter().filter(move |rule| rule.level == level && rule.count > 0))
    }
}

/// Text in XML and HTML. Characters that XML cannot hold become U+FFFD.
fn escape_markup(text: &str, into: &mut String) {
    for character in text.chars() {
        match character {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            '\t' | '\n' => into.push(character),
            '\0'..' ' | '\u{7f}'..'\u{a0}' | '\u{fffe}' | '\u{ffff}' => into.push('\u{fffd}'),
            _ => into.push(character),
        }
    }
}

/// The same with what nobody sees, or what turns the text around, as an escape: for pages that people look at.
fn escape_visibly(text: &str, into: &mut String) {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match u32::from(character) {
            0..0x20
            | 0x7f..0xa0
            | 0xad
            | 0x61c
            | 0x200b..=0x200f
            | 0x2028..=0x202e
            | 0x2060..=0x206f
            | 0xfeff => {
                shown.extend(character.escape_unicode());
            }
            _ => shown.push(character),
        }
    }
    escape_markup(&shown, into);
}
