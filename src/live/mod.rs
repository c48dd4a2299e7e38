//! Does a site have application passwords ([`discover()`]), and does it accept a login and one of them ([`check`]).
//!
//! [`check`] asks the REST API who the user is, and on request XML-RPC, as a client would. It knows no database,
//! prints nothing, and is bounded in time and memory. Credentials are sent to the host and port that were named and
//! nowhere else; in clear text only to this machine itself.
//!
//! - `http` sends requests under those rules.
//! - `discover` finds out, without credentials, whether a site has application passwords at all.
//! - `rest` and `xmlrpc` ask, and read what WordPress answers.
//! - `reason` has the sentences for everything but yes, each with a code for scripts.
//!
//! A site that accepts the credentials records that they were used (`last_used`, once a day). One that answers as if
//! nobody had logged in is asked again with a wrong password, to see whether it looks at passwords at all.

use std::time::Duration;

use crate::secret::PlainPassword;

mod discover;
mod http;
mod reason;
mod rest;
mod xmlrpc;

pub use discover::{Discovery, Verdict, discover, same_site};
pub use reason::Reason;

/// What to ask, and where.
pub struct Request<'a> {
    /// The site's address (`home`), as a browser has it: `https://example.org/blog`.
    pub site_url: &'a str,
    /// The user's login, or e-mail address.
    pub login: &'a str,
    /// The user's id, if it is known: it finds out more about why a user is not let in.
    pub user_id: Option<u64>,
    /// The application password.
    pub password: &'a PlainPassword,
    /// Whether to ask over XML-RPC too.
    pub xmlrpc: XmlRpc<'a>,
    /// How long all of it may take.
    pub timeout: Duration,
}

/// Whether and where to ask over XML-RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XmlRpc<'a> {
    /// Not at all.
    Skip,
    /// At `xmlrpc.php` below the site's address.
    BelowSite,
    /// At this address, on the same host: WordPress's files may lie in a folder of their own.
    At(&'a str),
}

/// What the site said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Where its REST API is, if it was found.
    pub rest_root: Option<String>,
    /// The REST API's answer.
    pub rest: Answer,
    /// XML-RPC's answer, if it was asked.
    pub xmlrpc: Option<Answer>,
}

/// The answer to one question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The site accepts these credentials.
    Accepted(Accepted),
    /// The site saw them and does not let them in.
    Refused(Reason),
    /// Nobody who could judge them has seen them, or the answer makes no sense.
    NotTold(Reason),
}

/// Whom the site took these credentials for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The user's id; XML-RPC does not tell it.
    pub user_id: Option<u64>,
    /// The user's roles on that site.
    pub roles: Vec<String>,
    /// What the user may do there: the names of the capabilities that are granted, sorted.
    pub capabilities: Vec<String>,
    /// The application password that the site found; WordPress 5.7 and newer tells it.
    pub uuid: Option<String>,
    /// Its name, from the same versions on.
    pub name: Option<String>,
    /// When it was made, in Unix seconds, UTC; from the same versions on.
    pub created: Option<i64>,
}

impl Answer {
    /// Why it is not yes.
    pub fn reason(&self) -> Option<&Reason> {
        match self {
            Self::Accepted(_) => None,
            Self::Refused(reason) | Self::NotTold(reason) => Some(reason),
        }
    }

    /// The same with what the site's database says, which settles why a site acts as if nobody had logged in:
    /// whether WordPress's in-use flag is set, and whether the password belongs to an entry that WordPress accepts
    /// (`None`: not known).
    pub fn knowing(self, in_use: bool, matches: Option<bool>) -> Self {
        match (self, matches) {
            (Self::NotTold(Reason::Ignored), _) if !in_use => Self::Refused(Reason::NotInUse),
            (Self::NotTold(Reason::Ignored), Some(true)) => Self::NotTold(Reason::HeaderStripped),
            (Self::NotTold(Reason::Ignored), Some(false)) => {
                Self::Refused(Reason::IncorrectPassword { told: false })
            }
            (other, _) => other,
        }
    }
}

/// Lets the site revoke the application password with this uuid, which is the one given: for one that nobody got.
///
/// # Errors
/// Why it may still be there.
pub fn revoke(
    site_url: &str,
    login: &str,
    password: &PlainPassword,
    uuid: &str,
    timeout: Duration,
) -> Result<(), Reason> {
    let site = http::Address::of_site(site_url)?;
    let credentials = http::Credentials::new(login, password)?;
    rest::revoke(&http::Client::new(timeout), &site, uuid, &credentials)
}

/// What the server at a site's address, or whatever stands before it, calls itself. No credentials are sent.
pub fn server_name(site_url: &str, timeout: Duration) -> Option<String> {
    let site = http::Address::of_site(site_url).ok()?;
    let front = http::Client::without_credentials(timeout).send(&site, &http::Ask::Head).ok()?;
    let name = front.headers.get("server")?;
    Some(reason::shown(&String::from_utf8_lossy(name.as_bytes()))).filter(|name| !name.is_empty())
}

/// Whether a password may be sent to a site at all: over a network it is not, in clear text.
///
/// # Errors
/// Why not.
pub fn may_get_credentials(site_url: &str) -> Result<(), Reason> {
    http::Address::of_site(site_url).map(drop)
}

/// Asks the site. Never fails: what goes wrong is an [`Answer::NotTold`].
pub fn check(request: &Request<'_>) -> Report {
    let client = http::Client::new(request.timeout);
    let credentials = http::Credentials::new(request.login, request.password);
    let site = http::Address::of_site(request.site_url);
    let (site, credentials) = match (site, credentials) {
        (Ok(site), Ok(credentials)) => (site, credentials),
        (Err(reason), _) | (_, Err(reason)) => {
            let xmlrpc = (request.xmlrpc != XmlRpc::Skip).then(|| Answer::NotTold(reason.clone()));
            return Report { rest_root: None, rest: Answer::NotTold(reason), xmlrpc };
        }
    };
    let (rest_root, mut rest) = rest::ask(&client, &site, request, &credentials);
    let address = match request.xmlrpc {
        XmlRpc::Skip => None,
        XmlRpc::BelowSite => Some(site.below("xmlrpc.php")),
        XmlRpc::At(address) => {
            Some(http::Address::of_site(address).and_then(|address| site.leads_to(&address)))
        }
    };
    let xmlrpc = address.map(|address| match address {
        Ok(address) => xmlrpc::ask(&client, &address, request.login, request.password),
        Err(reason) => Answer::NotTold(reason),
    });
    // WordPress: XML-RPC has the password in the body, where no server looks for it.
    if matches!((&rest, &xmlrpc), (Answer::NotTold(Reason::Ignored), Some(Answer::Accepted(_)))) {
        rest = Answer::NotTold(Reason::HeaderStripped);
    }
    Report { rest_root, rest, xmlrpc }
}
