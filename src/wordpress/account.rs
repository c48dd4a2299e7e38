//! What a new user's rows are made of.
//!
//! Mirrors `wp_insert_user()` and `add_user_to_blog()`, and `sanitize_title()` as far as strict logins go
//! (`wp-includes/user.php`, `ms-functions.php`, `formatting.php`).

use super::php_serialize::{self, Document, View};
use super::version::WordPressVersion;

/// What stands in place of a login password's hash where nobody is to log in by form: no password has this hash.
///
/// WordPress: `wp_check_password()` compares what is no longer than 32 bytes with an MD5, in every version.
pub const NO_LOGIN: &[u8] = b"*";

/// The longest login, in characters.
const LONGEST_LOGIN: usize = 60;

/// The longest nicename, in characters.
pub const LONGEST_NICENAME: usize = 50;

/// Logins that a network refuses, unless its option `illegal_names` says otherwise.
///
/// WordPress: `populate_network_meta()`.
const ILLEGAL_NAMES: [&str; 8] = ["www", "web", "root", "admin", "main", "invite", "administrator", "files"];

/// Why WordPress would not make a user with this login, or would call it otherwise: a clause.
///
/// WordPress: `sanitize_user( …, true )` in `wp_insert_user()`.
pub fn refused_login(login: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '.' | '-' | '@');
    if let Some(other) = login.chars().find(|c| !allowed(*c)) {
        return Some(format!("{other:?} is not allowed in a login: letters, digits, spaces and _ . - @ are"));
    }
    if login.trim() != login || login.contains("  ") {
        return Some("it has spaces that WordPress would remove".into());
    }
    if login.is_empty() {
        return Some("it is empty".into());
    }
    if login.len() > LONGEST_LOGIN {
        return Some(format!("it has {} characters, and {LONGEST_LOGIN} are the most", login.len()));
    }
    nicename(login).is_empty().then(|| "it has no letter or digit".into())
}

/// Why a network would not make a user with this login: a clause. `illegal`: the network option `illegal_names`, if it
/// is set.
///
/// WordPress: `wpmu_validate_user_signup()`, which its screens, its REST API and WP-CLI ask.
pub fn refused_login_of_network(login: &str, illegal: Option<&[Vec<u8>]>) -> Option<String> {
    if !login.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Some("a network takes lower-case letters and digits only".into());
    }
    if login.len() < 4 {
        return Some("a network wants four characters at least".into());
    }
    if login.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some("a network wants letters too".into());
    }
    let is_illegal = match illegal {
        Some(names) => names.iter().any(|name| name.as_slice() == login.as_bytes()),
        None => ILLEGAL_NAMES.contains(&login),
    };
    is_illegal.then(|| "the network reserves it (illegal_names)".into())
}

/// Why a network would not make a user with this e-mail address: a clause. `banned` and `limited` are the network options
/// `banned_email_domains` and `limited_email_domains` as stored.
///
/// WordPress: `is_email_address_unsafe()`, `wpmu_validate_user_signup()`.
pub fn refused_email_of_network(
    email: &str,
    banned: Option<&[u8]>,
    limited: Option<&[u8]>,
) -> Option<&'static str> {
    let email = email.to_ascii_lowercase();
    let domain = email.split_once('@').map_or("", |(_, domain)| domain);
    // WordPress: the list of the banned may be a text of lines too, in very old networks.
    let banned = banned.map(|stored| strings(stored).unwrap_or_else(|| lines(stored))).unwrap_or_default();
    if banned
        .iter()
        .any(|banned| !banned.is_empty() && (domain == *banned || email.ends_with(&format!(".{banned}"))))
    {
        return Some("the network refuses addresses of that domain (banned_email_domains)");
    }
    let limited = limited.and_then(strings).unwrap_or_default();
    if !limited.is_empty() && !limited.iter().any(|allowed| domain == allowed) {
        return Some("the network takes addresses of other domains only (limited_email_domains)");
    }
    None
}

/// The texts of a serialized list, in lower case.
fn strings(stored: &[u8]) -> Option<Vec<String>> {
    let document = Document::parse(php_serialize::trim(stored).to_vec()).ok()?;
    matches!(document.view(document.root()), View::Array).then(|| {
        let text = |node| match document.view(node) {
            View::Str(text) => Some(String::from_utf8_lossy(&text).to_ascii_lowercase()),
            _ => None,
        };
        document.entries(document.root()).filter_map(|(_, node)| text(node)).collect()
    })
}

fn lines(stored: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(stored).split('\n').map(str::to_ascii_lowercase).collect()
}

/// An address as a user's row has it.
///
/// WordPress: the filter `pre_user_email` runs `wp_filter_kses()`, which writes `&` as HTML does. No address has a `;`, so
/// none of them begins an entity.
pub fn stored_email(email: &str) -> String {
    email.replace('&', "&amp;")
}

/// The part of an address that stands for a user; others may have it already.
///
/// WordPress: `sanitize_title( mb_substr( $user_login, 0, 50 ) )`, for what [`refused_login`] lets through.
pub fn nicename(login: &str) -> String {
    let mut slug = String::new();
    for c in login.chars().take(LONGEST_NICENAME) {
        match c.to_ascii_lowercase() {
            '@' => {}
            ' ' | '.' | '-' => {
                if !slug.ends_with('-') {
                    slug.push('-');
                }
            }
            c => slug.push(c),
        }
    }
    slug.trim_matches('-').to_owned()
}

/// The nicename to try when the first `tried` ones belong to others.
///
/// WordPress: `-2`, `-3`, …, on a shorter name where there is no room.
pub fn other_nicename(nicename: &str, tried: u32) -> String {
    let suffix = (tried + 1).to_string();
    let kept: String = nicename.chars().take(LONGEST_NICENAME - 1 - suffix.len()).collect();
    format!("{kept}-{suffix}")
}

/// The meta rows of a new user, in WordPress's order, without those of a site.
pub fn user_meta(login: &str, version: Option<&WordPressVersion>) -> Vec<(String, Vec<u8>)> {
    let since = |branch: &str| version.is_some_and(|version| version.is_at_least(branch));
    let mut meta: Vec<(&str, &str)> = vec![
        ("nickname", login),
        ("first_name", ""),
        ("last_name", ""),
        ("description", ""),
        ("rich_editing", "true"),
        ("syntax_highlighting", "true"),
    ];
    if since("7.1") {
        meta.push(("infinite_scrolling", "true"));
    }
    meta.extend([
        ("comment_shortcuts", "false"),
        ("admin_color", if since("7.0") { "modern" } else { "fresh" }),
        ("use_ssl", "0"),
        ("show_admin_bar_front", "true"),
        ("locale", ""),
    ]);
    meta.into_iter().map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_that_wordpress_would_change_are_refused() {
        for login in ["ci-bot", "CI Bot", "a@b.example", "_x_", "1"] {
            assert_eq!(refused_login(login), None, "{login}");
        }
        for login in ["", " a", "a  b", "é", "a\nb", "a%20", "<b>", "--", "@", &"a".repeat(61)] {
            assert!(refused_login(login).is_some(), "{login}");
        }
        assert_eq!(refused_login_of_network("cibot", None), None);
        for login in ["ci-bot", "CIbot", "bot", "1234", "files"] {
            assert!(refused_login_of_network(login, None).is_some(), "{login}");
        }
        assert!(refused_login_of_network("cibot", Some(&[b"cibot".to_vec()])).is_some());
        assert_eq!(refused_login_of_network("files", Some(&[])), None);
    }

    #[test]
    fn addresses_that_a_network_refuses() {
        let list = br#"a:2:{i:0;s:11:"Example.org";i:1;s:0:"";}"#;
        let refused = |email, banned: Option<&[u8]>, limited: Option<&[u8]>| {
            refused_email_of_network(email, banned, limited).is_some()
        };
        for email in ["a@example.org", "a@EXAMPLE.org", "a@x.example.org"] {
            assert!(refused(email, Some(list), None), "{email}");
            assert!(refused(email, Some(b"other\nexample.org"), None), "{email}");
        }
        assert!(
            !refused("a@notexample.org", Some(list), None) && !refused("a@x.org", Some(b""), Some(b"a:0:{}"))
        );
        assert!(!refused("a@Example.org", None, Some(list)) && refused("a@x.example.org", None, Some(list)));
        // WordPress: that one is a list or nothing.
        assert!(!refused("a@x.org", None, Some(b"example.org")));
    }

    #[test]
    fn nicenames() {
        for (login, slug) in [
            ("ci-bot", "ci-bot"),
            ("CI Bot", "ci-bot"),
            ("a.b@c.example", "a-bc-example"),
            ("_x_", "_x_"),
            ("-a--b. c-", "a-b-c"),
        ] {
            assert_eq!(nicename(login), slug, "{login}");
        }
        assert_eq!(nicename(&"x".repeat(60)).len(), 50);
        assert_eq!(other_nicename("bot", 1), "bot-2");
        assert_eq!(other_nicename(&"x".repeat(50), 9), format!("{}-10", "x".repeat(47)));
    }
}
