//! Does a site have application passwords, and where does a user authorize an application: asked without credentials.
//!
//! Reads what `WP_REST_Server::get_index()` and `rest_add_application_passwords_to_index()` say, and where they say
//! nothing, why.

use std::fmt;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Reason;
use super::http::{Address, Ask, Client, Reply};
use super::reason::shown;
use super::rest::{self, Refusal};
use crate::wordpress::version::WordPressVersion;

/// What is asked of the API's root: a whole index has a megabyte on a site with many plugins.
const FIELDS: &str = "_fields=name,url,home,namespaces,authentication";

/// Parts of WordPress's own addresses, behind which the site's address has ended.
const INSIDE: [&str; 8] = [
    "wp-admin",
    "wp-json",
    "wp-login.php",
    "wp-content",
    "wp-includes",
    "xmlrpc.php",
    "wp-signup.php",
    "index.php",
];

/// What was found out of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// The address that was asked, in full, where redirects lead to in the end.
    pub url: String,
    /// The answer.
    pub verdict: Verdict,
    /// The site's title.
    pub name: Option<String>,
    /// `home`
    pub home: Option<String>,
    /// `siteurl`: what the authorization screen calls `site_url`.
    pub site_url: Option<String>,
    /// The root of the REST API.
    pub rest_root: Option<String>,
    /// The authorization screen.
    pub authorization: Option<String>,
    /// The version that the front page tells.
    pub version: Option<String>,
    /// Whether it is 7.0 or newer, as far as that can be seen.
    pub since_7_0: Option<bool>,
}

/// Whether a site has application passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Yes.
    Supported,
    /// WordPress says that they are switched off.
    Disabled,
    /// Plain HTTP, where WordPress has them in environment `local` only, and nobody should use them over a network.
    PlainHttp {
        /// Scheme, host and port.
        at: String,
    },
    /// WordPress before 5.6.
    TooOld {
        /// The version, if it is told.
        version: Option<String>,
    },
    /// Something else answers.
    NotWordPress {
        /// Of HTTP: the front page's.
        status: u16,
    },
    /// It is WordPress, but its REST API does not answer.
    RestBlocked {
        /// Of HTTP.
        status: u16,
        /// Who says so, if anybody does: code and message.
        refusal: Option<(String, String)>,
    },
    /// The REST API answers, but does not say whether there are application passwords.
    RestFiltered,
    /// Nobody answered the question.
    NotTold(Reason),
}

impl Verdict {
    /// A word for scripts. These stay as they are.
    pub fn code(&self) -> &str {
        match self {
            Self::Supported => "supported",
            Self::Disabled => "disabled",
            Self::PlainHttp { .. } => "plain_http",
            Self::TooOld { .. } => "too_old",
            Self::NotWordPress { .. } => "not_wordpress",
            Self::RestBlocked { .. } => "rest_blocked",
            Self::RestFiltered => "rest_filtered",
            Self::NotTold(reason) => reason.code(),
        }
    }

    /// Yes, no, or (`None`) not known.
    pub fn answer(&self) -> Option<bool> {
        match self {
            Self::Supported => Some(true),
            Self::Disabled | Self::PlainHttp { .. } | Self::TooOld { .. } | Self::NotWordPress { .. } => {
                Some(false)
            }
            Self::RestBlocked { .. } | Self::RestFiltered | Self::NotTold(_) => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supported => f.write_str("The site has application passwords."),
            Self::Disabled => f.write_str(
                "The site has switched application passwords off: a plugin or its code did, or PHP does not see HTTPS there \
                 (behind a proxy that ends TLS, PHP's `$_SERVER['HTTPS']` must be set).",
            ),
            Self::PlainHttp { at } => write!(
                f,
                "{at} is plain HTTP: WordPress has application passwords with HTTPS only (or in environment `local`), and \
                 over a network anybody could read them. Set HTTPS up, and give an https:// address. (On a site in \
                 environment `local`, a plugin switched them off.)"
            ),
            Self::TooOld { version: Some(version) } => {
                write!(f, "The site runs WordPress {version}; application passwords came with 5.6.")
            }
            Self::TooOld { version: None } => f.write_str(
                "The site's WordPress has no application passwords: it is older than 5.6, with which they came.",
            ),
            Self::NotWordPress { status } => {
                write!(f, "What answers there is not WordPress (HTTP {status}), or not its address.")
            }
            Self::RestBlocked { status, refusal: Some((code, message)) } => write!(
                f,
                "It is WordPress, but its REST API is closed to visitors, so whether it has application passwords cannot be \
                 seen: {code}: {message} (HTTP {status})"
            ),
            Self::RestBlocked { status, refusal: None } => write!(
                f,
                "It is WordPress, but its REST API does not answer (HTTP {status}): a firewall, a plugin or the web server's \
                 rewrite rules keep it away. Without it nobody can use application passwords but over XML-RPC."
            ),
            Self::RestFiltered => f.write_str(
                "The REST API answers, but something keeps it from saying whether the site has application passwords, and \
                 where its authorization screen is. A plugin that filters the API's index does that.",
            ),
            Self::NotTold(reason) => reason.fmt(f),
        }
    }
}

/// Asks a site, whose address is given as people type it: `example.org/blog`, `https://example.org/wp-admin/`.
///
/// Without a scheme it is HTTPS; on this machine itself also plain HTTP, if nothing speaks HTTPS there.
///
/// # Errors
/// It is no address.
pub fn discover(typed: &str, timeout: Duration) -> Result<Discovery, Reason> {
    let began = Instant::now();
    let client = Client::without_credentials(timeout);
    let typed = typed.trim();
    let bare = typed.strip_prefix("//").unwrap_or(typed);
    if bare.contains("://") {
        return Ok(explore(&client, &site_of(&Address::parse(bare)?)));
    }
    let secure = site_of(&Address::parse(&format!("https://{bare}"))?);
    // A server of plain HTTP may wait for more of what it does not understand, so some time must be left.
    let first = if secure.is_loopback() { Client::without_credentials(timeout / 2) } else { client };
    let found = explore(&first, &secure);
    let Verdict::NotTold(Reason::Unreachable(_) | Reason::Tls(_) | Reason::Garbled(_) | Reason::Timeout) =
        found.verdict
    else {
        return Ok(found);
    };
    let client = Client::without_credentials(timeout.saturating_sub(began.elapsed()));
    let plain = site_of(&Address::parse(&format!("http://{bare}"))?);
    let below = explore(&client, &plain);
    Ok(if counts_in_clear_text(&below.verdict, plain.is_loopback()) { below } else { found })
}

/// Whether an answer over plain HTTP is one, where nobody asked for plain HTTP and HTTPS failed.
fn counts_in_clear_text(verdict: &Verdict, is_loopback: bool) -> bool {
    match verdict {
        Verdict::NotTold(Reason::Unreachable(_) | Reason::Garbled(_) | Reason::Timeout) => false,
        // Without HTTPS, and not what was looked for either: what is wrong with HTTPS is the better answer.
        // (400 is what a server says to plain HTTP at its port for HTTPS.)
        Verdict::NotWordPress { status } => is_loopback && *status != 400,
        // Whoever is in between and keeps HTTPS away could answer anything, and lead to a site of his own.
        _ => is_loopback || matches!(verdict, Verdict::PlainHttp { .. }),
    }
}

/// Whether two addresses are the same site's. WordPress has the scheme of its configuration in one place and that of
/// the request in another, so it does not count.
pub fn same_site(a: &str, b: &str) -> bool {
    let parts = |text: &str| {
        let address = Address::parse(text).ok()?;
        let origin = address.origin();
        let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host).to_owned();
        let host = host.strip_suffix(":80").or_else(|| host.strip_suffix(":443")).unwrap_or(&host).to_owned();
        Some((host, address.path().trim_end_matches('/').to_owned()))
    };
    parts(a).is_some_and(|a| Some(a) == parts(b))
}

/// The site's address of one that leads into it.
fn site_of(address: &Address) -> Address {
    let mut path = String::new();
    for part in address.path().split('/').filter(|part| !part.is_empty()) {
        if INSIDE.contains(&part) {
            break;
        }
        path.push('/');
        path.push_str(part);
    }
    path.push('/');
    address.with_path(&path)
}

fn explore(client: &Client, site: &Address) -> Discovery {
    let mut found = Discovery {
        url: site.text(),
        verdict: Verdict::RestFiltered,
        name: None,
        home: None,
        site_url: None,
        rest_root: None,
        authorization: None,
        version: None,
        since_7_0: None,
    };
    let page = match client.send(site, &Ask::Page) {
        Ok(page) => page,
        Err(reason) => {
            found.verdict = match reason {
                // There is one way that is not followed: down.
                Reason::Elsewhere { to, .. } => Verdict::PlainHttp { at: to },
                other => Verdict::NotTold(other),
            };
            return found;
        }
    };
    // Where a site lives at another host or in a folder, its front page says so.
    let home = page.address.with_path(page.address.path());
    found.url = home.text();
    let html = String::from_utf8_lossy(&page.body);
    found.version = generator(&html);
    let index = find_index(client, &page, &html, &[&home, site]);
    found.verdict = match index {
        Ok((root, index)) => {
            let text = |field: &str| index[field].as_str().map(shown).filter(|text| !text.is_empty());
            (found.name, found.home, found.site_url) = (text("name"), text("home"), text("url"));
            found.rest_root = Some(root.text());
            // A front page of its own elsewhere ("coming soon", a site that is shown by another program): the API is where it was
            // looked for, and so is WordPress.
            if root.origin() != home.origin() && root.origin() == site.origin() {
                found.url = site.text();
            }
            judge(client, &root, &index, &mut found)
        }
        Err(verdict) => match &found.version {
            Some(version) if is_too_old(version) => Verdict::TooOld { version: found.version.clone() },
            _ => verdict,
        },
    };
    found
}

fn is_too_old(version: &str) -> bool {
    WordPressVersion::parse(version).is_some_and(|version| !version.is_at_least("5.6"))
}

/// The root of the API and its index: what the front page links to, else where it usually is.
fn find_index(
    client: &Client,
    page: &Reply,
    html: &str,
    homes: &[&Address],
) -> Result<(Address, Value), Verdict> {
    let links = [rest::linked_root(&page.headers), linked_in_html(html)];
    let is_linked = links.iter().any(Option::is_some);
    let mut roots: Vec<Address> =
        links.iter().flatten().filter_map(|link| page.address.look_at(link).ok()).collect();
    for usual in ["wp-json/", "?rest_route=/"] {
        roots.extend(homes.iter().filter_map(|home| home.below(usual).ok()));
    }
    let (mut refusal, mut blocked, mut failure) = (None, None, None);
    let mut asked: Vec<Address> = Vec::new();
    for root in roots {
        if asked.contains(&root) {
            continue;
        }
        asked.push(root.clone());
        match client.send(&root.route("", Some(FIELDS)), &Ask::Get(None)) {
            Ok(reply) => {
                if let Some(json) = rest::json(&reply).filter(|json| json["namespaces"].is_array()) {
                    return Ok((root, json));
                }
                match Refusal::read(&reply) {
                    Some(found) => refusal = refusal.or(Some(found)),
                    None => match rest::not_wordpress(&reply) {
                        reason @ Reason::RestDisabled { .. } => drop(reason),
                        reason => blocked = blocked.or(Some((reply.status, reason))),
                    },
                }
            }
            Err(reason) => failure = failure.or(Some(reason)),
        }
    }
    let is_wordpress = is_linked
        || generator(html).is_some()
        || ["/wp-content/", "/wp-includes/"].iter().any(|part| html.contains(part));
    Err(match (refusal, blocked, failure) {
        (Some(Refusal { status, code, message }), ..) if is_wordpress || code.starts_with("rest_") => {
            Verdict::RestBlocked { status, refusal: Some((code, message)) }
        }
        (_, Some((_, reason @ (Reason::ProxyAuth { .. } | Reason::TooManyRequests))), _) => {
            Verdict::NotTold(reason)
        }
        (_, Some((status, _)), _) if is_wordpress => Verdict::RestBlocked { status, refusal: None },
        (_, Some((_, reason)), _) => Verdict::NotTold(reason),
        (.., Some(reason)) => Verdict::NotTold(reason),
        _ if is_wordpress => Verdict::RestBlocked { status: 404, refusal: None },
        _ => Verdict::NotWordPress { status: page.status },
    })
}

/// What the index means.
fn judge(client: &Client, root: &Address, index: &Value, found: &mut Discovery) -> Verdict {
    let has = |namespace: &str| {
        index["namespaces"].as_array().into_iter().flatten().any(|known| known.as_str() == Some(namespace))
    };
    let screen = index["authentication"]["application-passwords"]["endpoints"]["authorization"].as_str();
    if let Some(screen) = screen.and_then(|screen| Address::parse(screen).ok()) {
        found.authorization = Some(screen.text());
        found.since_7_0 = since_7_0(client, root, found.version.as_deref());
        if !screen.is_secure() && !screen.is_loopback() {
            return Verdict::PlainHttp { at: screen.origin() };
        }
        return Verdict::Supported;
    }
    // WordPress: this route says first of all whether there are application passwords.
    let list = root.route("wp/v2/users/me/application-passwords", None);
    let reply = match client.send(&list, &Ask::Get(None)) {
        Ok(reply) => reply,
        Err(reason) => return Verdict::NotTold(reason),
    };
    match Refusal::read(&reply).map(|refusal| refusal.code).as_deref() {
        Some("application_passwords_disabled") if !root.is_secure() => {
            Verdict::PlainHttp { at: root.origin() }
        }
        Some("application_passwords_disabled") => Verdict::Disabled,
        // WordPress: this part of the API is as old as application passwords are.
        Some("rest_no_route") if has("wp/v2") && !has("wp-site-health/v1") => {
            Verdict::TooOld { version: found.version.clone().filter(|version| is_too_old(version)) }
        }
        _ => Verdict::RestFiltered,
    }
}

/// Whether it is 7.0 or newer, whose authorization screen sends users back to this machine.
fn since_7_0(client: &Client, root: &Address, version: Option<&str>) -> Option<bool> {
    if let Some(version) = version.and_then(WordPressVersion::parse) {
        return Some(version.is_at_least("7.0"));
    }
    // WordPress: a route that came with 7.0; visitors may not use it.
    let reply = client.send(&root.route("wp/v2/icons", None), &Ask::Get(None)).ok()?;
    match Refusal::read(&reply)?.code.as_str() {
        "rest_no_route" => Some(false),
        "rest_cannot_view" => Some(true),
        _ => None,
    }
}

/// `<link rel="https://api.w.org/" href="https://example.org/wp-json/" />`
fn linked_in_html(html: &str) -> Option<String> {
    tags(html, "link").find_map(|tag| {
        let is_api = attribute(tag, "rel").is_some_and(|relation| relation == rest::RELATION);
        attribute(tag, "href").filter(|_| is_api)
    })
}

/// `<meta name="generator" content="WordPress 7.1.3" />`: the version.
fn generator(html: &str) -> Option<String> {
    tags(html, "meta").find_map(|tag| {
        attribute(tag, "name").filter(|name| name.eq_ignore_ascii_case("generator"))?;
        let content = attribute(tag, "content")?;
        let version = content.strip_prefix("WordPress ")?.trim();
        WordPressVersion::parse(version).map(|version| version.as_str().to_owned())
    })
}

/// The attributes of each tag of this name.
fn tags<'h>(html: &'h str, name: &'static str) -> impl Iterator<Item = &'h str> {
    html.split('<').skip(1).filter_map(move |tag| {
        let rest = tag.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
        let rest = rest.and_then(|_| tag.get(name.len()..))?;
        rest.starts_with(|c: char| c.is_ascii_whitespace()).then(|| rest.split('>').next().unwrap_or(rest))
    })
}

/// The value of an attribute, in quotes or without.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        let end = rest.find(|c: char| c == '=' || c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (own, after) = rest.split_at(end);
        if own.is_empty() {
            return None;
        }
        let after = after.trim_start();
        let Some(value) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value.get(1..)?.split_once(quote)?,
            _ => value.split_at(value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len())),
        };
        if own.eq_ignore_ascii_case(name) {
            return Some(value.replace("&#038;", "&").replace("&amp;", "&"));
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_leads_into_a_site_is_cut_where_the_site_begins() {
        for (typed, expected) in [
            ("https://example.org", "https://example.org/"),
            ("https://Example.org/blog", "https://example.org/blog/"),
            ("https://example.org/blog/wp-admin/profile.php?x=1#y", "https://example.org/blog/"),
            ("https://example.org/wp-login.php?redirect_to=x", "https://example.org/"),
            ("https://example.org/wp-json/wp/v2", "https://example.org/"),
            ("https://example.org/shop/index.php?p=1", "https://example.org/shop/"),
            ("https://example.org:8443//a//b/", "https://example.org:8443/a/b/"),
        ] {
            assert_eq!(site_of(&Address::parse(typed).unwrap()).text(), expected, "{typed}");
        }
    }

    #[test]
    fn links_and_versions_are_read_in_any_spelling() {
        for html in [
            "<head><link rel='https://api.w.org/' href='https://e.org/wp-json/'></head>",
            "<LINK href=\"https://e.org/wp-json/\" rel=\"https://api.w.org/\" />",
            "<link rel=stylesheet href=x><link\n rel=https://api.w.org/ async href=https://e.org/wp-json/>",
        ] {
            assert_eq!(linked_in_html(html).as_deref(), Some("https://e.org/wp-json/"), "{html}");
        }
        for html in [
            "<link rel='alternate' href='https://e.org/wp-json/'>",
            "<link rel='https://api.w.org/'>",
            "<linked rel='https://api.w.org/' href='x'>",
            "<link rel='https://api.w.org/ href=x",
            "<link =",
            "<",
        ] {
            assert_eq!(linked_in_html(html), None, "{html}");
        }
        let version = |html: &str| generator(html);
        assert_eq!(
            version("<meta name=\"generator\" content=\"WordPress 7.1.3\" />").as_deref(),
            Some("7.1.3")
        );
        assert_eq!(version("<meta content='WordPress 5.5' name='Generator'>").as_deref(), Some("5.5"));
        assert_eq!(version("<meta name='generator' content='WooCommerce 9.0'>"), None);
        assert_eq!(version("<meta name='generator' content='WordPress \u{1b}[31m'>"), None);
    }

    #[test]
    fn in_clear_text_only_this_machine_is_believed() {
        let refused = Verdict::PlainHttp { at: "http://example.org".into() };
        for (verdict, here, elsewhere) in [
            (&Verdict::Supported, true, false),
            (&Verdict::Disabled, true, false),
            (&Verdict::RestFiltered, true, false),
            (&Verdict::RestBlocked { status: 403, refusal: None }, true, false),
            (&Verdict::TooOld { version: None }, true, false),
            (&Verdict::NotWordPress { status: 200 }, true, false),
            (&Verdict::NotWordPress { status: 400 }, false, false),
            (&Verdict::NotTold(Reason::Timeout), false, false),
            (&Verdict::NotTold(Reason::TooManyRequests), true, false),
            (&refused, true, true),
        ] {
            let found = [true, false].map(|is_loopback| counts_in_clear_text(verdict, is_loopback));
            assert_eq!(found, [here, elsewhere], "{verdict:?}");
        }
    }

    #[test]
    fn sites_are_compared_without_scheme_usual_port_and_last_slash() {
        for other in
            ["http://example.org/blog", "https://EXAMPLE.org:443/blog/", "http://example.org:80/blog"]
        {
            assert!(same_site("https://example.org/blog", other), "{other}");
        }
        for other in [
            "https://example.org",
            "https://example.org/Blog",
            "https://example.org.evil.org/blog",
            "https://example.org:8443/blog",
            "",
            "x",
        ] {
            assert!(!same_site("https://example.org/blog", other), "{other}");
        }
        assert!(!same_site("", ""));
    }
}
