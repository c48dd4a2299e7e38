//! What this program adds to an entry and WordPress does not know: when it expires, what it may be used for and from
//! where, and what people should know about it.
//!
//! WordPress keeps these keys through everything that it does with an entry. What makes them count is the plugin in
//! `src/enforcer/enforcer.php`: what is written here has to be what that reads.

use super::network::Network;
use super::php_serialize::{Document, EditError, Key, NodeId, Scalar, View};
use super::schema::own;

/// Methods of the REST API.
const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];

/// The longest rule or text, in bytes.
const LONGEST: usize = 1000;

/// How many rules, and how many networks, an entry may have: they are looked through with every request.
const MOST: usize = 200;

/// A key of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Term<T> {
    /// It is not there, or null.
    #[default]
    Unset,
    /// It is there.
    Set(T),
    /// It is there, and not what this program writes: the plugin refuses such an entry.
    Unreadable,
}

impl<T> Term<T> {
    /// Whether there is anything.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::Unset)
    }
}

/// All of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Terms {
    /// Unix seconds, UTC: from then on the entry is refused.
    pub expires: Term<i64>,
    /// [`rule`]s.
    pub allow: Term<Vec<Vec<u8>>>,
    /// Addresses and networks.
    pub allow_net: Term<Vec<Vec<u8>>>,
    /// Whether the entry may only read.
    pub read_only: Term<bool>,
    /// Text for people.
    pub note: Term<Vec<u8>>,
    /// Text for people.
    pub owner: Term<Vec<u8>>,
}

impl Terms {
    /// Those of an entry.
    pub fn of(document: &Document, entry: NodeId) -> Self {
        let get = |key: &str| document.get(entry, key.as_bytes());
        let view = |key: &str| get(key).map(|node| document.view(node));
        let text = |key: &str| match view(key) {
            None | Some(View::Null) => Term::Unset,
            Some(View::Str(text)) => Term::Set(text.into_owned()),
            Some(_) => Term::Unreadable,
        };
        let list = |key: &str, is_fine: fn(&str) -> bool| {
            let Some(node) = get(key) else { return Term::Unset };
            match document.view(node) {
                View::Null => Term::Unset,
                View::Array => {
                    let items = document.entries(node).map(|(_, item)| match document.view(item) {
                        View::Str(text) => Some(text.into_owned()),
                        _ => None,
                    });
                    let items: Option<Vec<Vec<u8>>> = items.collect();
                    let is_fine = |item: &Vec<u8>| std::str::from_utf8(item).is_ok_and(is_fine);
                    items.filter(|items| items.iter().all(is_fine)).map_or(Term::Unreadable, Term::Set)
                }
                _ => Term::Unreadable,
            }
        };
        Self {
            expires: match view(own::EXPIRES) {
                None | Some(View::Null) => Term::Unset,
                Some(View::Int(seconds)) => Term::Set(seconds),
                Some(_) => Term::Unreadable,
            },
            // As the plugin reads them, which is laxer than what is written.
            allow: list(own::ALLOW, |text| {
                text.split_once(' ').is_some_and(|(methods, route)| {
                    (methods == "*" || methods.split(',').all(|method| METHODS.contains(&method)))
                        && route.starts_with('/')
                        && !route.bytes().any(|byte| byte.is_ascii_whitespace() || byte == 0x0b)
                })
            }),
            allow_net: list(own::ALLOW_NET, |text| Network::parse(text).is_ok()),
            read_only: match view(own::READ_ONLY) {
                None | Some(View::Null) => Term::Unset,
                Some(View::Bool(on)) => Term::Set(on),
                Some(_) => Term::Unreadable,
            },
            note: text(own::NOTE),
            owner: text(own::OWNER),
        }
    }

    /// Whether there is anything that WordPress does not enforce by itself.
    pub fn want_enforcing(&self) -> bool {
        self.expires.is_set()
            || self.allow.is_set()
            || self.allow_net.is_set()
            || !matches!(self.read_only, Term::Unset | Term::Set(false))
    }

    /// The keys that the plugin cannot make sense of.
    pub fn unreadable(&self) -> Vec<&'static str> {
        [
            (own::EXPIRES, self.expires == Term::Unreadable),
            (own::ALLOW, self.allow == Term::Unreadable),
            (own::ALLOW_NET, self.allow_net == Term::Unreadable),
            (own::READ_ONLY, self.read_only == Term::Unreadable),
        ]
        .into_iter()
        .filter_map(|(key, is_unreadable)| is_unreadable.then_some(key))
        .collect()
    }
}

/// What is to become of one key.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Change<T> {
    /// Nothing.
    #[default]
    Keep,
    /// It goes.
    Remove,
    /// It gets this value.
    Set(T),
}

/// What is to become of an entry's keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Unix seconds, UTC.
    pub expires: Change<i64>,
    /// [`rule`]s.
    pub allow: Change<Vec<String>>,
    /// [`network`]s.
    pub allow_net: Change<Vec<String>>,
    /// Whether the entry may only read.
    pub read_only: Change<bool>,
    /// [`text`]
    pub note: Change<Vec<u8>>,
    /// [`text`]
    pub owner: Change<Vec<u8>>,
}

impl Changes {
    /// Whether nothing is to be changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether anything is to be set that WordPress does not enforce by itself.
    pub fn want_enforcing(&self) -> bool {
        matches!(self.expires, Change::Set(_))
            || matches!(self.allow, Change::Set(_))
            || matches!(self.allow_net, Change::Set(_))
            || matches!(self.read_only, Change::Set(_))
    }

    /// The keys, as options, of what is asked for here and not true of an entry with `terms`. One that expires earlier is
    /// as good, since "in 90 days" is later each day; what is only text for people is not compared.
    pub fn unmet(&self, terms: &Terms) -> Vec<&'static str> {
        let same = |wanted: &Change<Vec<String>>, found: &Term<Vec<Vec<u8>>>| match (wanted, found) {
            (Change::Set(wanted), Term::Set(found)) => {
                wanted.len() == found.len()
                    && wanted
                        .iter()
                        .all(|wanted| found.iter().any(|found| found.as_slice() == wanted.as_bytes()))
            }
            (Change::Set(_), _) => false,
            (Change::Keep | Change::Remove, _) => true,
        };
        let expires = match (&self.expires, &terms.expires) {
            (Change::Set(wanted), Term::Set(found)) => found <= wanted,
            (Change::Set(_), _) => false,
            (Change::Keep | Change::Remove, _) => true,
        };
        let read_only = match (&self.read_only, &terms.read_only) {
            (Change::Set(wanted), Term::Set(found)) => found == wanted,
            (Change::Set(wanted), found) => !wanted && *found == Term::Unset,
            (Change::Keep | Change::Remove, _) => true,
        };
        [
            ("--expires", expires),
            ("--allow", same(&self.allow, &terms.allow)),
            ("--allow-net", same(&self.allow_net, &terms.allow_net)),
            ("--read-only", read_only),
        ]
        .into_iter()
        .filter_map(|(option, is_met)| (!is_met).then_some(option))
        .collect()
    }

    /// Makes the changes.
    ///
    /// # Errors
    /// The document refuses the edit.
    pub fn apply(&self, document: &mut Document, entry: NodeId) -> Result<(), EditError> {
        scalar(document, entry, own::EXPIRES, &self.expires, |seconds| Scalar::Int(*seconds))?;
        list(document, entry, own::ALLOW, &self.allow)?;
        list(document, entry, own::ALLOW_NET, &self.allow_net)?;
        scalar(document, entry, own::READ_ONLY, &self.read_only, |on| Scalar::Bool(*on))?;
        scalar(document, entry, own::NOTE, &self.note, |text| Scalar::Str(text))?;
        scalar(document, entry, own::OWNER, &self.owner, |text| Scalar::Str(text))
    }
}

fn scalar<T>(
    document: &mut Document,
    entry: NodeId,
    key: &str,
    change: &Change<T>,
    value: impl Fn(&T) -> Scalar<'_>,
) -> Result<(), EditError> {
    match change {
        Change::Keep => Ok(()),
        Change::Remove => document.remove(entry, Key::from(key)),
        Change::Set(new) => document.set(entry, Key::from(key), value(new)),
    }
}

fn list(
    document: &mut Document,
    entry: NodeId,
    key: &str,
    change: &Change<Vec<String>>,
) -> Result<(), EditError> {
    match change {
        Change::Keep => Ok(()),
        Change::Remove => document.remove(entry, Key::from(key)),
        Change::Set(items) => {
            let list = document.push_array(entry, Key::from(key))?;
            for (index, item) in (0..).zip(items) {
                document.set(list, Key::Int(index), Scalar::Str(item.as_bytes()))?;
            }
            Ok(())
        }
    }
}

/// A rule as it is stored: `GET,PUT /wp/v2/posts*`. Methods may come in any case, or be `*`, all of them; `*` in a route
/// is any characters, `/` included.
///
/// # Errors
/// A clause that says what is expected.
pub fn rule(given: &str) -> Result<String, String> {
    let wrong =
        |why: &str| Err(format!("'{given}' is no rule: {why}; give one such as 'GET,POST /wp/v2/posts*'"));
    let (methods, route) = match given.trim().split_once(char::is_whitespace) {
        Some((methods, route)) => (methods, route.trim_start()),
        None if given.trim().starts_with('/') => return wrong("it names no methods (* is all of them)"),
        None => return wrong("it names no route"),
    };
    let methods: Vec<String> = methods.split(',').map(str::to_ascii_uppercase).collect();
    let all = methods.as_slice() == ["*"];
    if let Some(other) = methods.iter().find(|method| !all && !METHODS.contains(&method.as_str())) {
        return wrong(&format!(
            "there is no method {other:?} (there are {}, and * for all)",
            METHODS.join(", ")
        ));
    }
    if !route.starts_with('/') {
        return wrong("its route does not begin with /");
    }
    if route == "/wp-json" || route.starts_with("/wp-json/") {
        return wrong("a route begins behind /wp-json");
    }
    if route.len() > 1 && route.ends_with('/') {
        return wrong("WordPress removes the / at the end of a route");
    }
    if route.contains('?') {
        return wrong("a route has no parameters");
    }
    if route.contains('%') {
        return wrong("a route is compared as it is decoded, without %");
    }
    if route.contains("/batch/v1") {
        return wrong("WordPress asks about each part of a batch, so the batch itself needs no rule");
    }
    // WordPress: `update_user_meta()` removes backslashes from what it saves again.
    if route.chars().any(|character| character.is_whitespace() || character.is_control() || character == '\\')
    {
        return wrong("its route has a blank, a control character or a backslash in it");
    }
    if given.len() > LONGEST {
        return Err(format!("a rule of {} bytes is longer than {LONGEST}", given.len()));
    }
    Ok(format!("{} {route}", methods.join(",")))
}

/// Whether a rule is for nothing that only reads.
pub fn only_writes(rule: &str) -> bool {
    let methods = rule.split_once(' ').map_or(rule, |(methods, _)| methods);
    methods.split(',').all(|method| !matches!(method, "*" | "GET" | "HEAD" | "OPTIONS"))
}

/// A network as it is stored.
///
/// # Errors
/// A clause that says what is expected.
pub fn network(given: &str) -> Result<String, String> {
    Network::parse(given.trim())?;
    Ok(given.trim().to_owned())
}

/// Whether there are not too many rules, or networks.
///
/// # Errors
/// A sentence.
pub fn not_too_many(flag: &str, items: &[String]) -> Result<(), String> {
    if items.len() <= MOST {
        return Ok(());
    }
    Err(format!(
        "{flag} is given {} times; WordPress would look through them with every request, so {MOST} are the most.",
        items.len()
    ))
}

/// Text for people as it is stored: one line.
///
/// # Errors
/// A clause that says what is wrong.
pub fn text(given: &str) -> Result<String, String> {
    let trimmed = given.trim();
    if trimmed.is_empty() {
        return Err("it is empty (`update --clear` takes a text away)".into());
    }
    if trimmed.len() > LONGEST {
        return Err(format!("it has {} bytes, and {LONGEST} are the most", trimmed.len()));
    }
    if trimmed.chars().any(char::is_control) {
        return Err("it holds a line break or another control character".into());
    }
    // WordPress: `update_user_meta()` removes backslashes from what it saves again.
    if trimmed.contains('\\') {
        return Err("it holds a backslash, which WordPress would remove".into());
    }
    Ok(trimmed.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_stored_in_one_spelling() {
        for (given, stored) in [
            ("GET /wp/v2/posts", "GET /wp/v2/posts"),
            (" get,Put   /wc/v3/products* ", "GET,PUT /wc/v3/products*"),
            ("* /", "* /"),
            ("DELETE /wp/v2/posts/*/revisions/*", "DELETE /wp/v2/posts/*/revisions/*"),
            ("GET /ä", "GET /ä"),
        ] {
            assert_eq!(rule(given).as_deref(), Ok(stored), "{given}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_the_reason() {
        for (given, word) in [
            ("", "no route"),
            ("GET", "no route"),
            ("/wp/v2/posts", "no methods"),
            ("GETS /wp/v2/posts", "no method"),
            ("GET,* /wp/v2/posts", "no method"),
            ("GET, PUT /wp/v2/posts", "no method"),
            ("GET wp/v2/posts", "begin with /"),
            ("GET /wp-json/wp/v2/posts", "/wp-json"),
            ("GET /wp/v2/posts/", "at the end"),
            ("GET /wp/v2/posts?x=1", "parameters"),
            ("GET /wp/v2/po%73ts", "%"),
            ("GET /wp/v2/a b", "blank"),
            ("GET /wp/v2/a\\b", "backslash"),
            ("POST /batch/v1", "batch"),
        ] {
            let error = rule(given).expect_err(given);
            assert!(error.contains(word), "{given}: {error}");
        }
    }

    fn entry(serialized: &str) -> Terms {
        let document = Document::parse(serialized.as_bytes().to_vec()).unwrap();
        Terms::of(&document, document.root())
    }

    #[test]
    fn what_is_written_is_read() {
        let mut document = Document::empty_array();
        let root = document.root();
        let changes = Changes {
            expires: Change::Set(5),
            allow: Change::Set(vec!["GET /a".into(), "* /b*".into()]),
            allow_net: Change::Set(vec!["10.0.0.0/8".into()]),
            read_only: Change::Set(true),
            note: Change::Set(b"n".to_vec()),
            owner: Change::Remove,
        };
        changes.apply(&mut document, root).unwrap();
        assert_eq!(
            String::from_utf8(document.to_bytes()).unwrap(),
            "a:5:{s:7:\"expires\";i:5;s:5:\"allow\";a:2:{i:0;s:6:\"GET /a\";i:1;s:5:\"* /b*\";}s:9:\"allow_net\";\
             a:1:{i:0;s:10:\"10.0.0.0/8\";}s:9:\"read_only\";b:1;s:4:\"note\";s:1:\"n\";}"
        );
        let terms = Terms::of(&document, document.root());
        assert_eq!(terms.allow, Term::Set(vec![b"GET /a".to_vec(), b"* /b*".to_vec()]));
        assert!(terms.want_enforcing() && terms.unreadable().is_empty());

        let root = document.root();
        let again =
            Changes { allow: Change::Set(vec!["GET /c".into()]), note: Change::Remove, ..Changes::default() };
        again.apply(&mut document, root).unwrap();
        let terms = Terms::of(&document, document.root());
        assert_eq!(terms.allow, Term::Set(vec![b"GET /c".to_vec()]));
        assert_eq!((terms.note, terms.expires), (Term::Unset, Term::Set(5)));
    }

    #[test]
    fn what_the_plugin_refuses_is_called_unreadable() {
        for (entry, key) in [
            ("a:1:{s:7:\"expires\";s:1:\"5\";}", "expires"),
            ("a:1:{s:7:\"expires\";d:5;}", "expires"),
            ("a:1:{s:5:\"allow\";s:6:\"GET /a\";}", "allow"),
            ("a:1:{s:5:\"allow\";a:1:{i:0;s:5:\"GET/a\";}}", "allow"),
            ("a:1:{s:5:\"allow\";a:1:{i:0;a:0:{}}}", "allow"),
            ("a:1:{s:9:\"allow_net\";a:1:{i:0;s:2:\"10\";}}", "allow_net"),
            ("a:1:{s:9:\"read_only\";i:1;}", "read_only"),
        ]
        .map(|(serialized, key)| (self::entry(serialized), key))
        {
            assert_eq!(entry.unreadable(), [key]);
            assert!(entry.want_enforcing());
        }
        let nothing = entry("a:3:{s:7:\"expires\";N;s:9:\"read_only\";b:0;s:4:\"note\";s:1:\"n\";}");
        assert!(!nothing.want_enforcing() && nothing.unreadable().is_empty());
    }
}
