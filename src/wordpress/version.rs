//! Which WordPress runs a site, and what follows from it.
//!
//! A version comes from the most trustworthy source there is: the files that run
//! (`wp-includes/version.php`), then what the last update check found, then the revision of the
//! database's layout. The rules at the end say what a site of that version accepts, refuses and writes.

use std::cmp::Ordering;
use std::fmt;

use super::password_hash::{Era, Scheme};
use super::php_serialize::{self, Document};

/// A version as `$wp_version` has it: `6.5.2`, `7.0-beta1`, `6.8-alpha-63338-src`.
///
/// Ordered like PHP's `version_compare()`. Two spellings that PHP puts on one level (`6.5-beta1` and
/// `6.5.beta.1`) are equal here too.
#[derive(Debug, Clone)]
pub struct WordPressVersion {
    text: String,
}

/// No version is longer than this, in bytes; what is longer is not a version.
const MAX_LENGTH: usize = 100;

impl WordPressVersion {
    /// Reads a version: it begins with a digit, has a dot or nothing but digits, and holds letters,
    /// digits, dots, dashes, underscores and plus signs only.
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
        let fits = text.len() <= MAX_LENGTH
            && text.bytes().all(allowed)
            && text.bytes().next().is_some_and(|first| first.is_ascii_digit());
        fits.then(|| Self { text: text.to_owned() })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is `branch` (such as `6.8`) or newer, counting its alphas, betas and release
    /// candidates as that branch: they run its code.
    pub fn is_at_least(&self, branch: &str) -> bool {
        // WordPress: `6.8-alpha` is older than `6.8` to version_compare(), and `6.7.99` older still.
        version_compare(&self.text, &format!("{branch}-alpha")) != Ordering::Less
            // `6.8-dev` is older than any alpha to PHP.
            || self.branch() == branch
    }

    /// The first two numbers: `6.8` of `6.8.2-RC1`.
    fn branch(&self) -> &str {
        let numeric = self.text.bytes().position(|byte| !byte.is_ascii_digit() && byte != b'.');
        let numbers = self.text.get(..numeric.unwrap_or(self.text.len())).unwrap_or_default();
        let end = numbers.match_indices('.').nth(1).map_or(numbers.len(), |(dot, _)| dot);
        numbers.get(..end).unwrap_or_default()
    }
}

impl fmt::Display for WordPressVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for WordPressVersion {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for WordPressVersion {}

impl PartialOrd for WordPressVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for WordPressVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        version_compare(&self.text, &other.text)
    }
}

/// PHP's `version_compare()` with two arguments.
///
/// Not a total order for every string: as in PHP, an unknown word may be both before and after others.
pub fn version_compare(left: &str, right: &str) -> Ordering {
    if left.is_empty() || right.is_empty() {
        return (!left.is_empty()).cmp(&!right.is_empty());
    }
    let (left, right) = (canonical(left), canonical(right));
    // `None`: the last part was taken. PHP: an empty part, after a dot at the end, stops the comparison
    // like the end itself, but does not count as one.
    let (mut left, mut right) = (Some(left.as_str()), Some(right.as_str()));
    while let (Some(left_rest), Some(right_rest)) = (left, right) {
        if left_rest.is_empty() || right_rest.is_empty() {
            break;
        }
        let (left_part, left_after) = split_part(left_rest);
        let (right_part, right_after) = split_part(right_rest);
        match compare_parts(left_part, right_part) {
            Ordering::Equal => (left, right) = (left_after, right_after),
            other => return other,
        }
    }
    match (left, right) {
        (Some(more), _) => compare_rest(more),
        (None, Some(more)) => compare_rest(more).reverse(),
        (None, None) => Ordering::Equal,
    }
}

/// The part before the first dot, and what is behind that dot if there is one.
fn split_part(version: &str) -> (&str, Option<&str>) {
    match version.split_once('.') {
        Some((part, after)) => (part, Some(after)),
        None => (version, None),
    }
}

/// How a version compares that goes on where the other ends.
///
/// PHP: a further number makes it newer; a further word is compared with the place that numbers have among
/// words, so that `6.5-beta` is older than `6.5`, and `6.5pl1` newer.
fn compare_rest(more: &str) -> Ordering {
    if more.starts_with(|first: char| first.is_ascii_digit()) {
        Ordering::Greater
    } else {
        rank(more).cmp(&NUMBER)
    }
}

/// Separators become dots, and a dot comes between digits and letters.
fn canonical(version: &str) -> String {
    let mut canonical = String::with_capacity(version.len() * 2);
    let mut previous: Option<char> = None;
    for character in version.chars() {
        let special = |c: char| !c.is_ascii_alphanumeric();
        let Some(before) = previous else {
            canonical.push(character);
            previous = Some(character);
            continue;
        };
        let at_dot = canonical.ends_with('.');
        if special(character) {
            if !at_dot {
                canonical.push('.');
            }
        } else {
            let changes = before.is_ascii_digit() != character.is_ascii_digit() && !special(before);
            if changes && !at_dot {
                canonical.push('.');
            }
            canonical.push(character);
        }
        previous = Some(character);
    }
    canonical
}

fn compare_parts(left: &str, right: &str) -> Ordering {
    let is_number = |part: &str| part.starts_with(|first: char| first.is_ascii_digit());
    match (is_number(left), is_number(right)) {
        // Without leading zeros, the longer number is the larger one.
        (true, true) => {
            let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            left.len().cmp(&right.len()).then_with(|| left.cmp(right))
        }
        (false, false) => rank(left).cmp(&rank(right)),
        (true, false) => NUMBER.cmp(&rank(right)),
        (false, true) => rank(left).cmp(&NUMBER),
    }
}

/// Where numbers are among words.
const NUMBER: i8 = 4;

/// PHP's order of words, compared by their beginnings.
fn rank(word: &str) -> i8 {
    const WORDS: [(&str, i8); 9] = [
        ("dev", 0),
        ("alpha", 1),
        ("a", 1),
        ("beta", 2),
        ("b", 2),
        ("RC", 3),
        ("rc", 3),
        ("pl", 5),
        ("p", 5),
    ];
    WORDS.iter().find(|(known, _)| word.starts_with(known)).map_or(-1, |(_, rank)| *rank)
}

/// `$wp_version` of a `wp-includes/version.php`; `None` when there is no such assignment of a literal.
pub fn from_version_php(file: &[u8]) -> Option<WordPressVersion> {
    const NAME: &[u8] = b"$wp_version";
    let text = String::from_utf8_lossy(file);
    text.lines().find_map(|line| {
        // The assignment begins its line; comments do not begin with a dollar sign.
        let after = line.trim_start().strip_prefix(std::str::from_utf8(NAME).ok()?)?;
        let value = after.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|first| matches!(first, '\'' | '"'))?;
        let (version, _) = value.get(1..)?.split_once(quote)?;
        WordPressVersion::parse(version)
    })
}

/// `version_checked` of the `_site_transient_update_core` option: the version that ran when WordPress last
/// asked for updates (`wp_version_check()` in `wp-includes/update.php`).
pub fn from_update_transient(stored: &[u8]) -> Option<WordPressVersion> {
    let document = Document::parse(php_serialize::trim(stored).to_vec()).ok()?;
    let node = document.get(document.root(), b"version_checked")?;
    WordPressVersion::parse(std::str::from_utf8(document.view(node).as_bytes()?).ok()?)
}

/// `last_checked` of the same option: when WordPress last asked, in Unix seconds.
pub fn update_checked_at(stored: &[u8]) -> Option<i64> {
    let document = Document::parse(php_serialize::trim(stored).to_vec()).ok()?;
    let node = document.get(document.root(), b"last_checked")?;
    document.view(node).to_int()
}

/// What `db_version` tells about the code that runs.
///
/// The number moves when a WordPress runs its upgrade routine, and stays when the files go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbVersionEvidence {
    /// Below 49752: before 5.6, or newer files whose upgrade routine has not run yet.
    Before56,
    /// The releases that write this number, all of them before 6.8.
    Before68 {
        /// The oldest branch that writes it.
        oldest: &'static str,
        /// The newest.
        newest: &'static str,
    },
    /// 58975: 6.7, 6.8.0 and 6.8.1 all write it.
    Ambiguous,
    /// Written by 6.8.2 or newer.
    Since68 {
        /// The oldest release that writes this number or a lower one after 58975.
        oldest: &'static str,
    },
}

/// The releases that write a `db_version`. A number between two known ones is a development version of
/// the later branch, and is counted to the earlier.
pub fn from_db_version(db_version: u32) -> DbVersionEvidence {
    use DbVersionEvidence::{Ambiguous, Before56, Before68, Since68};
    match db_version {
        0..49752 => Before56,
        49752..51917 => Before68 { oldest: "5.6", newest: "5.8" },
        51917..53496 => Before68 { oldest: "5.9", newest: "6.0" },
        53496..55853 => Before68 { oldest: "6.0.1", newest: "6.2" },
        55853..56657 => Before68 { oldest: "6.3", newest: "6.3" },
        56657..57155 => Before68 { oldest: "6.4", newest: "6.4" },
        57155..58975 => Before68 { oldest: "6.5", newest: "6.6" },
        // Above 58975 but below 60421 are development versions after the hashes had changed or not.
        58975..60421 => Ambiguous,
        60421..60717 => Since68 { oldest: "6.8.2" },
        60717..61833 => Since68 { oldest: "6.9" },
        61833.. => Since68 { oldest: "7.0" },
    }
}

impl fmt::Display for DbVersionEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before56 => f.write_str("before 5.6"),
            Self::Before68 { oldest, newest } if oldest == newest => f.write_str(oldest),
            Self::Before68 { oldest, newest } => write!(f, "{oldest} to {newest}"),
            Self::Ambiguous => f.write_str("6.7 to 6.8.1"),
            Self::Since68 { oldest } => write!(f, "{oldest} or newer"),
        }
    }
}

/// Where a version was learned from, most trustworthy first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `wp-includes/version.php`: the code that runs.
    VersionFile,
    /// The last update check (`_site_transient_update_core`): the code that ran then.
    UpdateCheck,
    /// `db_version`: no version, only what it rules out.
    DbVersion,
    /// Nothing is known, or no version is claimed.
    None,
}

/// What is known about the WordPress of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The version, when something named it.
    pub version: Option<WordPressVersion>,
    /// What `db_version` says; used when no version is known.
    pub db_version: Option<DbVersionEvidence>,
    /// Whether a `$generic$` or `$wp$` hash was found in the database: only 6.8 and newer writes those.
    pub has_hash_of_68: bool,
    /// Where `version` comes from.
    pub source: Source,
}

impl fmt::Display for Evidence {
    /// For `--debug`: what is known, and from where.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = |source: Source| match source {
            Source::VersionFile => "by wp-includes/version.php",
            Source::UpdateCheck => "by its last update check",
            Source::DbVersion | Source::None => "by nothing",
        };
        let mut known = Vec::new();
        known.extend(self.version.as_ref().map(|version| format!("{version} {}", by(self.source))));
        known.extend(self.db_version.map(|releases| format!("{releases} by its db_version")));
        known.extend(self.has_hash_of_68.then(|| "6.8 or newer by a hash in the database".to_owned()));
        if known.is_empty() {
            return f.write_str("the site's WordPress is not known");
        }
        write!(f, "the site's WordPress is {}", known.join(", "))
    }
}

impl Evidence {
    /// Nothing is known: what a database without a site behind it gives.
    pub const UNKNOWN: Self =
        Self { version: None, db_version: None, has_hash_of_68: false, source: Source::None };

    /// Which of the two ways of checking hashes the site has.
    ///
    /// The files that run decide. Everything else may be out of date, so where it contradicts itself the
    /// answer is that nobody knows, which leads to hashes that every WordPress accepts.
    pub fn era(&self) -> Era {
        let by_version = self.version.as_ref().map(|version| version.is_at_least("6.8"));
        if let (Some(since_68), Source::VersionFile) = (by_version, self.source) {
            return if since_68 { Era::Since68 } else { Era::Before68 };
        }
        let by_db_version = match self.db_version {
            Some(DbVersionEvidence::Before68 { .. }) => Some(false),
            Some(DbVersionEvidence::Since68 { .. }) => Some(true),
            Some(DbVersionEvidence::Ambiguous | DbVersionEvidence::Before56) | None => None,
        };
        let by_hash = self.has_hash_of_68.then_some(true);
        let mut answers = [by_version, by_db_version, by_hash].into_iter().flatten();
        match answers.next() {
            Some(first) if answers.all(|other| other == first) => {
                if first {
                    Era::Since68
                } else {
                    Era::Before68
                }
            }
            Some(_) | None => Era::Unknown,
        }
    }

    /// What in the database speaks for a version without application passwords, if nothing there speaks against it.
    fn sign_of_before_56(&self) -> Option<String> {
        match (&self.version, self.source, self.db_version) {
            (_, Source::VersionFile, _) => None,
            (Some(version), _, Some(DbVersionEvidence::Before56) | None) if !version.is_at_least("5.6") => {
                Some(format!("its last update check ran on {version}"))
            }
            (None, _, Some(DbVersionEvidence::Before56)) => Some("by its db_version".into()),
            _ => None,
        }
    }

    /// The site's WordPress as sentences name it.
    fn named(&self) -> String {
        match &self.version {
            Some(version) => format!("WordPress {version}"),
            None => "a WordPress before 6.8".to_owned(),
        }
    }
}

/// What `--hash=auto` writes: what that site's own WordPress would write, and where its version is not
/// known the stronger of the two schemes that every WordPress since 5.6 checks.
pub fn hash_scheme_for_auto(evidence: &Evidence) -> Scheme {
    match evidence.era() {
        Era::Since68 => Scheme::Generic,
        Era::Before68 => Scheme::Phpass,
        Era::Unknown => Scheme::Bcrypt,
    }
}

/// Whether the site can check hashes of this scheme, as far as is known: a credential that may be dead is not
/// written.
///
/// # Errors
/// The reason why not, as a sentence.
pub fn accepts(evidence: &Evidence, scheme: Scheme) -> Result<(), String> {
    if let (Some(version), Source::VersionFile) = (&evidence.version, evidence.source)
        && !version.is_at_least("5.6")
    {
        return Err(format!("WordPress {version} has no application passwords; they came with 5.6."));
    }
    if let Some(sign) = evidence.sign_of_before_56() {
        return Err(format!(
            "The database is that of a WordPress before 5.6 ({sign}), which has no application passwords. If the site's \
             files are newer, open its /wp-admin/ once, which updates the database, or give its folder with --path."
        ));
    }
    match (scheme, evidence.era()) {
        (Scheme::Generic, Era::Before68) => Err(format!(
            "The site runs {}, which cannot check $generic$ hashes; 6.8 and newer can. Use --hash=auto.",
            evidence.named()
        )),
        (Scheme::Generic, Era::Unknown) => Err(
            "Only WordPress 6.8 and newer can check $generic$ hashes, and which version this site runs is not \
             known: give its folder with --path, or use --hash=auto, which then writes bcrypt."
                .to_owned(),
        ),
        (Scheme::Generic, Era::Since68) | (Scheme::Phpass | Scheme::Bcrypt, _) => Ok(()),
    }
}

/// Whether `WP_Application_Passwords::create_new_application_password()` refuses a second password of
/// the same name: 5.7 to 6.6. Not when the version is not known.
pub fn refuses_duplicate_names(evidence: &Evidence) -> bool {
    match (&evidence.version, evidence.db_version) {
        (Some(version), _) => version.is_at_least("5.7") && !version.is_at_least("6.7"),
        // 49752 is 5.6 to 5.8, of which the first allows it. Where nothing tells them apart, what at least
        // one of them does is done: a second entry of that name harms nobody (6.7 allows it again), and
        // refusing would keep a 5.6 site from what its WordPress does.
        (None, Some(DbVersionEvidence::Before68 { oldest, .. })) => {
            oldest != "5.6" && evidence.era() == Era::Before68
        }
        (None, _) => false,
    }
}

/// Whether new names go through [`sanitize_text_field`](super::sanitize::sanitize_text_field): 5.7 and
/// newer, and whenever the version is not known.
pub fn sanitizes_names(evidence: &Evidence) -> bool {
    evidence.version.as_ref().is_none_or(|version| version.is_at_least("5.7"))
}

/// `autoload` of an option that WordPress adds and does not load on every request: `off` since 6.6 and
/// when the version is not known, before that `no`. Neither value makes WordPress load the option.
pub fn autoload_for_new_option(evidence: &Evidence) -> &'static str {
    let since_66 = match (&evidence.version, evidence.db_version) {
        (Some(version), _) => version.is_at_least("6.6"),
        (None, Some(DbVersionEvidence::Before68 { newest, .. })) => newest == "6.6",
        (None, Some(DbVersionEvidence::Before56)) => false,
        (None, _) => true,
    };
    if since_66 { "off" } else { "no" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> WordPressVersion {
        WordPressVersion::parse(text).unwrap()
    }

    fn by_file(text: &str) -> Evidence {
        Evidence { version: Some(version(text)), source: Source::VersionFile, ..Evidence::UNKNOWN }
    }

    fn by_check(text: &str, db_version: u32) -> Evidence {
        Evidence {
            version: Some(version(text)),
            db_version: Some(from_db_version(db_version)),
            source: Source::UpdateCheck,
            ..Evidence::UNKNOWN
        }
    }

    fn by_db(db_version: u32) -> Evidence {
        Evidence {
            db_version: Some(from_db_version(db_version)),
            source: Source::DbVersion,
            ..Evidence::UNKNOWN
        }
    }

    #[test]
    fn versions_are_ordered_as_php_orders_them() {
        let ascending = [
            "5.6",
            "5.6.1",
            "6.5",
            "6.5.2",
            "6.7.99",
            "6.8-dev",
            "6.8-alpha-63338-src",
            "6.8-beta1",
            "6.8-beta2",
            "6.8-RC1",
            "6.8",
            "6.8.0",
            "6.8.1",
            "6.10",
            "7.0-beta1",
            "7.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        assert_eq!(version("6.5-beta1"), version("6.5.beta.1"));
    }

    #[test]
    fn a_development_version_counts_as_its_branch() {
        for text in ["6.8-dev", "6.8-alpha-59274", "6.8-beta1", "6.8-RC1", "6.8", "6.8.3", "6.9", "7.1"] {
            assert!(version(text).is_at_least("6.8"), "{text}");
        }
        for text in ["6.7", "6.7.4", "5.6", "6.7-RC4"] {
            assert!(!version(text).is_at_least("6.8"), "{text}");
        }
    }

    #[test]
    fn what_is_no_version_is_not_taken_for_one() {
        for text in ["", "latest", "6.5 ", "6.5\n", "6.5'; drop", &"1".repeat(101), "v6.5"] {
            assert!(WordPressVersion::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn the_version_file_is_read_without_php() {
        let file = b"<?php\n/**\n * @global string $wp_version\n */\n$wp_version = '6.8-alpha-59274-src';\n\n$wp_db_version = 58975;\n";
        assert_eq!(from_version_php(file).unwrap().as_str(), "6.8-alpha-59274-src");
        assert_eq!(from_version_php(b"<?php $x = 1;\n\t$wp_version=\"7.1\";").unwrap().as_str(), "7.1");
        for broken in
            [b"".as_slice(), b"$wp_version = $x;", b"$wp_version = 'x", b"$wp_version", b"\xff$wp_version"]
        {
            assert!(from_version_php(broken).is_none());
        }
    }

    #[test]
    fn auto_writes_what_the_site_would_write() {
        assert_eq!(hash_scheme_for_auto(&by_file("7.1")), Scheme::Generic);
        assert_eq!(hash_scheme_for_auto(&by_file("6.8-beta1")), Scheme::Generic);
        assert_eq!(hash_scheme_for_auto(&by_file("6.7.2")), Scheme::Phpass);
        assert_eq!(hash_scheme_for_auto(&by_check("6.8.1", 58975)), Scheme::Generic);
        assert_eq!(hash_scheme_for_auto(&by_check("6.7", 58975)), Scheme::Phpass);
        assert_eq!(hash_scheme_for_auto(&by_db(60421)), Scheme::Generic);
        assert_eq!(hash_scheme_for_auto(&by_db(57155)), Scheme::Phpass);
        for unknown in
            [Evidence::UNKNOWN, by_db(58975), by_db(100), by_check("6.7", 60421), by_check("6.8", 57155)]
        {
            assert_eq!(hash_scheme_for_auto(&unknown), Scheme::Bcrypt, "{unknown:?}");
        }
        let with_hash = Evidence { has_hash_of_68: true, ..by_db(58975) };
        assert_eq!(hash_scheme_for_auto(&with_hash), Scheme::Generic);
    }

    #[test]
    fn a_scheme_that_the_site_cannot_check_is_refused() {
        for scheme in Scheme::ALL {
            assert_eq!(accepts(&by_file("6.8"), scheme), Ok(()));
            assert_eq!(accepts(&by_db(58975), scheme).is_ok(), scheme != Scheme::Generic);
            assert!(accepts(&by_file("5.5.3"), scheme).is_err());
            assert_eq!(accepts(&by_file("6.5"), scheme).is_ok(), scheme != Scheme::Generic);
        }
        assert!(accepts(&by_file("6.5"), Scheme::Generic).unwrap_err().contains("WordPress 6.5,"));
    }

    #[test]
    fn rules_change_with_their_releases() {
        let refusing = |text| refuses_duplicate_names(&by_file(text));
        assert_eq!(["5.6", "5.7", "6.6.2", "6.7", "7.1"].map(refusing), [false, true, true, false, false]);
        assert!(refuses_duplicate_names(&by_db(53496)) && !refuses_duplicate_names(&by_db(58975)));
        assert!(!refuses_duplicate_names(&by_db(49752)));
        let since_57 = DbVersionEvidence::Before68 { oldest: "5.7", newest: "5.8" };
        assert!(refuses_duplicate_names(&Evidence { db_version: Some(since_57), ..Evidence::UNKNOWN }));
        assert!(!refuses_duplicate_names(&Evidence::UNKNOWN));
        assert_eq!(["5.6.4", "5.7", "7.1"].map(|text| sanitizes_names(&by_file(text))), [false, true, true]);
        assert!(sanitizes_names(&Evidence::UNKNOWN));
        assert_eq!(
            ["5.6", "6.5.5", "6.6", "7.1"].map(|text| autoload_for_new_option(&by_file(text))),
            ["no", "no", "off", "off"]
        );
    }
}
