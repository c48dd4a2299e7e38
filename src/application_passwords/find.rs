//! The entry that a password belongs to, looked for as WordPress does.
//!
//! Mirrors `wp_authenticate_application_password()` (`wp-includes/user.php`): the entries in stored order, the first
//! that matches. Goes on where WordPress would fail, so that what is found can be named all the same.

use super::{Contents, Record, StoredList};
use crate::wordpress::password_hash::{self, Era, Kind, Verdict};
use crate::wordpress::php_serialize::View;

/// What a walk over a user's list came to.
pub struct Found<'l> {
    /// The entry that the password belongs to: the first that WordPress accepts, else the first whose kind of hash it
    /// would have to know.
    pub entry: Option<Match<'l>>,
    /// What WordPress fails on before it comes to that entry, or before it can say no.
    pub failure: Option<ListFailure>,
    /// Entries on the way whose hash cannot be checked here.
    pub unchecked: Vec<Unchecked<'l>>,
}

/// The entry that a password belongs to.
pub struct Match<'l> {
    /// The entry.
    pub record: Record<'l>,
    /// How the password is hashed there.
    pub kind: Kind,
    /// Whether WordPress of that era takes such a hash.
    pub acceptance: Acceptance,
}

/// Whether WordPress takes a hash of some kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acceptance {
    /// It does.
    Yes,
    /// It does not: a sentence without its full stop.
    No(&'static str),
    /// Some versions do not, and which one runs is not known: a sentence without its full stop.
    DependsOnVersion(&'static str),
}

/// What makes WordPress end with a fatal error when this user logs in. Positions are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListFailure {
    /// The item is no entry at all.
    NoEntry(usize),
    /// The entry has no hash.
    NoHash(usize),
}

/// An entry whose hash cannot be checked here.
pub struct Unchecked<'l> {
    /// The entry.
    pub record: Record<'l>,
    /// Why not: a sentence without its full stop.
    pub reason: &'static str,
}

impl StoredList {
    /// The entry that a password belongs to. `stripped` is what is left of it when WordPress compares it
    /// ([`strip_for_check`](crate::wordpress::generate::strip_for_check)).
    pub fn find_password(&self, stripped: &[u8], era: Era) -> Found<'_> {
        let mut found = Found { entry: None, failure: None, unchecked: Vec::new() };
        let Contents::List(document) = &self.contents else { return found };
        let mut items = document.entries(document.root()).enumerate();
        let mut first_without_hash = None;
        for (position, (_, node)) in items.by_ref() {
            let position = position + 1;
            let record = match document.view(node) {
                View::Array => Record { document, node },
                // WordPress: giving it a uuid makes an entry of it, without a hash.
                View::Null | View::Bool(false) => {
                    first_without_hash.get_or_insert(ListFailure::NoHash(position));
                    continue;
                }
                // WordPress: reading the list already fails, whatever comes first.
                _ => {
                    found.failure.get_or_insert(ListFailure::NoEntry(position));
                    continue;
                }
            };
            let stored = match record.get("password") {
                Some(View::Str(stored)) => stored,
                // PHP: a number becomes text for a typed parameter, and no number is a hash.
                Some(View::Bool(_) | View::Int(_) | View::Float(_)) if era == Era::Since68 => continue,
                _ => {
                    first_without_hash.get_or_insert(ListFailure::NoHash(position));
                    continue;
                }
            };
            let kind = password_hash::identify(&stored);
            let accepted = |acceptance| Some(Match { record, kind, acceptance });
            match password_hash::verify(stripped, &stored, era) {
                Verdict::Match => {
                    found.entry = accepted(acceptance(&stored, era));
                    break;
                }
                Verdict::NoMatch => {}
                Verdict::Unsupported(reason) => found.unchecked.push(Unchecked { record, reason }),
                Verdict::NotAccepted(reason) => {
                    if found.entry.is_none()
                        && password_hash::verify(stripped, &stored, Era::Unknown) == Verdict::Match
                    {
                        found.entry = accepted(Acceptance::No(reason));
                    }
                }
            }
        }
        let breaks_reading = |view: &View<'_>| !matches!(view, View::Array | View::Null | View::Bool(false));
        let behind = items.find(|(_, (_, node))| breaks_reading(&document.view(*node)));
        found.failure = found
            .failure
            .or(behind.map(|(position, _)| ListFailure::NoEntry(position + 1)))
            .or(first_without_hash);
        found
    }
}

/// Whether a hash that matched is one that every version of that era takes.
fn acceptance(stored: &[u8], era: Era) -> Acceptance {
    if era != Era::Unknown {
        return Acceptance::Yes;
    }
    let refused =
        [Era::Before68, Era::Since68].into_iter().find_map(|era| password_hash::refused(stored, era));
    refused.map_or(Acceptance::Yes, Acceptance::DependsOnVersion)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"abcdEFGH1234ijklMNOP5678";
    const GENERIC: &str = "$generic$F6W18u0QEytvRVb59DemVWRxyTxU6vg_VK0s_f-h";
    const PHPASS: &str = "$P$BabcdefghRzZuR21tybk3/K3P.ZK6o/";
    const OTHER: &str = "$generic$rgHJp5_JPfpBBR4lCMHWrqq6oFmH0MwCkbycsVG6";
    const SLOW: &str = "$2y$31$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K";

    /// A list of these items, serialized: each an entry with that hash, or as it is after a `=`.
    fn list(items: &[&str]) -> StoredList {
        let mut value = format!("a:{}:{{", items.len());
        for (key, item) in items.iter().enumerate() {
            let item = match item.strip_prefix('=') {
                Some(item) => item.to_owned(),
                None => format!(
                    "a:2:{{s:4:\"uuid\";s:2:\"u{key}\";s:8:\"password\";s:{}:\"{item}\";}}",
                    item.len()
                ),
            };
            value.push_str(&format!("i:{key};{item}"));
        }
        value.push('}');
        let list = StoredList::from_value(1, Some(value.as_bytes()));
        assert!(!list.is_unreadable(), "{value}");
        list
    }

    fn uuid(found: &Found<'_>) -> Option<String> {
        let uuid = found.entry.as_ref()?.record.text("uuid")?;
        Some(String::from_utf8(uuid.into_owned()).unwrap())
    }

    #[test]
    fn the_first_entry_that_wordpress_accepts_counts() {
        let list = list(&[OTHER, GENERIC, PHPASS, SLOW]);
        for (era, expected) in [(Era::Since68, "u1"), (Era::Before68, "u2"), (Era::Unknown, "u1")] {
            let found = list.find_password(PLAIN, era);
            assert_eq!(uuid(&found).as_deref(), Some(expected), "{era:?}");
            assert!(found.failure.is_none() && found.unchecked.is_empty());
        }
        let acceptance = |era| list.find_password(PLAIN, era).entry.unwrap().acceptance;
        assert_eq!(acceptance(Era::Since68), Acceptance::Yes);
        assert_eq!(acceptance(Era::Before68), Acceptance::Yes);
        assert!(matches!(acceptance(Era::Unknown), Acceptance::DependsOnVersion(_)));
        let found = list.find_password(b"another", Era::Since68);
        assert!(found.entry.is_none());
        assert_eq!(found.unchecked.len(), 1, "the slow one was not computed");
    }

    #[test]
    fn an_entry_of_a_kind_that_is_too_new_is_named_all_the_same() {
        let found = list(&[OTHER, GENERIC]);
        let found = found.find_password(PLAIN, Era::Before68);
        assert_eq!(uuid(&found).as_deref(), Some("u1"));
        assert!(matches!(found.entry.unwrap().acceptance, Acceptance::No(_)));
    }

    #[test]
    fn what_wordpress_fails_on_is_told() {
        let failure = |items: &[&str], era| {
            let list = list(items);
            let found = list.find_password(PLAIN, era);
            (found.failure, uuid(&found))
        };
        let matched = |uuid: &str| Some(uuid.to_owned());
        // Reading fails wherever it is; a missing hash only on the way.
        assert_eq!(
            failure(&[GENERIC, "=i:5;"], Era::Since68),
            (Some(ListFailure::NoEntry(2)), matched("u0"))
        );
        assert_eq!(
            failure(&["=s:1:\"x\";", GENERIC], Era::Since68),
            (Some(ListFailure::NoEntry(1)), matched("u1"))
        );
        assert_eq!(failure(&["=N;", GENERIC], Era::Since68), (Some(ListFailure::NoHash(1)), matched("u1")));
        assert_eq!(failure(&["=N;", GENERIC, "=b:1;"], Era::Since68).0, Some(ListFailure::NoEntry(3)));
        assert_eq!(failure(&[GENERIC, "=N;", "=a:0:{}"], Era::Since68), (None, matched("u0")));
        assert_eq!(failure(&["=a:0:{}"], Era::Since68), (Some(ListFailure::NoHash(1)), None));
        let number = "=a:1:{s:8:\"password\";i:7;}";
        assert_eq!(failure(&[number, GENERIC], Era::Since68), (None, matched("u1")));
        assert_eq!(failure(&[number, PHPASS], Era::Before68), (Some(ListFailure::NoHash(1)), matched("u1")));
    }
}
