//! The REST API: where it is, who it takes the user for, and what it means when it takes nobody.
//!
//! Reads what `wp_validate_application_password()` (`wp-includes/user.php`) and the controllers of
//! `/wp/v2/users/me` and its application passwords answer.

use serde_json::Value;
use ureq::http::HeaderMap;
use ureq::http::header::{LINK, WWW_AUTHENTICATE};

use super::http::{Address, Ask, Client, Credentials, Reply};
use super::reason::shown;
use super::{Accepted, Answer, Reason, Request};
use crate::wordpress::generate;

/// How a page says where the API is.
pub(super) const RELATION: &str = "https://api.w.org/";

/// Codes by which widespread plugins close the REST API to visitors, and WordPress's own for a route that is gone.
const CLOSED: [&str; 6] = [
    "rest_disabled",
    "rest_login_required",
    "rest_cannot_access",
    "rest_api_restricted",
    "itsec_rest_api_access_restricted",
    "rest_no_route",
];

/// The plugin Two Factor's code.
const TWO_FACTOR: &str = "invalid_application_credentials";

/// Where the API is, and its answer.
pub fn ask(
    client: &Client,
    site: &Address,
    request: &Request<'_>,
    credentials: &Credentials,
) -> (Option<String>, Answer) {
    let root = match find_root(client, site) {
        Ok(root) => root,
        Err(reason) => return (None, Answer::NotTold(reason)),
    };
    let answer = who_am_i(client, &root, request, credentials).unwrap_or_else(Answer::NotTold);
    (Some(root.text()), answer)
}

/// The root of the API: what the front page links to, else where it usually is. No credentials are sent.
fn find_root(client: &Client, site: &Address) -> Result<Address, Reason> {
    let front = match client.send(site, &Ask::Head) {
        Ok(front) => match linked_root(&front.headers) {
            Some(root) => front.address.follow(&root).and_then(|root| site.leads_to(&root)),
            None => Err(Reason::RestDisabled { status: front.status, code: None, message: String::new() }),
        },
        Err(reason) => Err(reason),
    };
    let led_astray = match front {
        Ok(root) => return Ok(root),
        // The API itself may answer where a browser would be sent on.
        Err(reason @ Reason::Elsewhere { .. }) => Some(reason),
        Err(Reason::RestDisabled { .. }) => None,
        Err(reason) => return Err(reason),
    };
    let mut found = Vec::new();
    for usual in ["wp-json/", "?rest_route=/"] {
        let root = site.below(usual)?;
        match client.send(&root.route("", Some("_fields=namespaces")), &Ask::Get(None)) {
            Ok(reply) if is_rest(&reply) => return Ok(root),
            Ok(reply) => found.push(not_wordpress(&reply)),
            Err(reason @ Reason::Elsewhere { .. }) => found.push(reason),
            Err(reason) => return Err(reason),
        }
    }
    let telling = found.iter().position(|reason| !matches!(reason, Reason::RestDisabled { .. })).unwrap_or(0);
    Err(led_astray.unwrap_or_else(|| found.swap_remove(telling)))
}

/// `Link: <https://example.org/wp-json/>; rel="https://api.w.org/"`
pub(super) fn linked_root(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().find_map(|value| {
        let value = std::str::from_utf8(value.as_bytes()).ok()?;
        // Each link begins with its address; what follows, up to the next one, are its parameters.
        value.split('<').skip(1).find_map(|link| {
            let (address, parameters) = link.split_once('>')?;
            let is_api = parameters.split([';', ',']).any(|parameter| {
                let relation = parameter.trim().strip_prefix("rel=");
                relation.is_some_and(|relation| relation.trim_matches('"') == RELATION)
            });
            is_api.then(|| address.to_owned())
        })
    })
}

/// Whether the root of the API, or an error of it, answered.
fn is_rest(reply: &Reply) -> bool {
    json(reply).is_some_and(|json| json["namespaces"].is_array()) || Refusal::read(reply).is_some()
}

pub(super) fn json(reply: &Reply) -> Option<Value> {
    let text = std::str::from_utf8(&reply.body).ok()?;
    // PHP files that were saved with a byte order mark put it before everything.
    serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
}

/// An error as the API words it.
pub(super) struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    pub fn read(reply: &Reply) -> Option<Self> {
        let json = json(reply)?;
        let code = json["code"].as_str().filter(|code| !code.is_empty())?;
        let message = json["message"].as_str()?;
        Some(Self { status: reply.status, code: shown(code), message: shown(message) })
    }
}

fn who_am_i(
    client: &Client,
    root: &Address,
    request: &Request<'_>,
    credentials: &Credentials,
) -> Result<Answer, Reason> {
    let me = root.route("wp/v2/users/me", Some("context=edit"));
    let reply = client.send(&me, &Ask::Get(Some(credentials)))?;
    if let Some(json) = json(&reply).filter(|_| reply.status == 200)
        && let Some(user_id) = json["id"].as_u64()
    {
        return Ok(Answer::Accepted(Accepted {
            user_id: Some(user_id),
            roles: roles(&json["roles"]),
            capabilities: granted(&json["capabilities"]),
            ..introspect(client, root, credentials).unwrap_or_default()
        }));
    }
    let Some(refusal) = Refusal::read(&reply) else { return Err(not_wordpress(&reply)) };
    let Refusal { status, code, message } = refusal;
    Ok(match code.as_str() {
        "rest_not_logged_in" => return not_logged_in(client, root, &me, request, credentials, message),
        "incorrect_password" => Answer::Refused(Reason::IncorrectPassword { told: true }),
        "invalid_username" | "invalid_email" => Answer::Refused(Reason::UnknownUser { code }),
        "application_passwords_disabled" => Answer::Refused(Reason::FeatureUnavailable),
        "application_passwords_disabled_for_user" => Answer::Refused(Reason::UnavailableForUser),
        TWO_FACTOR => Answer::Refused(Reason::TwoFactor { code, message }),
        known if CLOSED.contains(&known) => {
            Answer::NotTold(Reason::RestDisabled { status, code: Some(code), message })
        }
        _ if status == 429 => Answer::NotTold(Reason::TooManyRequests),
        _ if status >= 500 => Answer::NotTold(Reason::ServerFailed { status }),
        _ => Answer::Refused(Reason::Plugin { status, code, message }),
    })
}

/// The API took the user for a visitor: because the feature is off, because it looked at no password, or although it
/// did.
fn not_logged_in(
    client: &Client,
    root: &Address,
    me: &Address,
    request: &Request<'_>,
    credentials: &Credentials,
    message: String,
) -> Result<Answer, Reason> {
    // WordPress: before it asks who wants to know, this route says whether there are application passwords at all, the
    // user among them.
    let whose = request.user_id.map_or_else(|| "me".to_owned(), |id| id.to_string());
    let list = root.route(&format!("wp/v2/users/{whose}/application-passwords"), None);
    let reply = client.send(&list, &Ask::Get(Some(credentials)))?;
    let code = |reply: &Reply| Refusal::read(reply).map(|refusal| refusal.code);
    match code(&reply).as_deref() {
        Some("application_passwords_disabled") => return Ok(Answer::Refused(Reason::FeatureUnavailable)),
        Some("application_passwords_disabled_for_user") => {
            return Ok(Answer::Refused(Reason::UnavailableForUser));
        }
        Some(code @ "rest_user_invalid_id") => {
            // It may be another site altogether: no answer about this password.
            return Ok(Answer::NotTold(Reason::UnknownUser { code: code.to_owned() }));
        }
        _ => {}
    }
    // WordPress: if a plugin looks at the user early, a wrong password is told of; this one was not, so it is right.
    let wrong = Credentials::new(request.login, &generate::application_password(&mut rand::rng()))?;
    let reply = client.send(me, &Ask::Get(Some(&wrong)))?;
    Ok(match code(&reply).as_deref() {
        Some("rest_not_logged_in") => Answer::NotTold(Reason::Ignored),
        _ => Answer::Refused(Reason::Plugin { status: 401, code: "rest_not_logged_in".into(), message }),
    })
}

/// The application password that WordPress found; 5.6 has no such route.
fn introspect(client: &Client, root: &Address, credentials: &Credentials) -> Option<Accepted> {
    let address = root.route("wp/v2/users/me/application-passwords/introspect", None);
    let reply = client.send(&address, &Ask::Get(Some(credentials))).ok()?;
    let json = json(&reply).filter(|_| reply.status == 200)?;
    let text = |field: &str| json[field].as_str().map(shown);
    // WordPress: UTC, without saying so.
    let created = json["created"].as_str().and_then(|created| created.parse::<jiff::civil::DateTime>().ok());
    let created = created.and_then(|created| jiff::tz::Offset::UTC.to_timestamp(created).ok());
    Some(Accepted {
        uuid: Some(text("uuid")?),
        name: text("name"),
        created: created.map(|created| created.as_second()),
        ..Accepted::default()
    })
}

/// Revokes the application password that the credentials hold.
pub fn revoke(client: &Client, site: &Address, uuid: &str, credentials: &Credentials) -> Result<(), Reason> {
    let root = find_root(client, site)?;
    let address = root.route(&format!("wp/v2/users/me/application-passwords/{uuid}"), None);
    let reply = client.send(&address, &Ask::Delete(credentials))?;
    if json(&reply).is_some_and(|json| reply.status == 200 && json["deleted"] == true) {
        return Ok(());
    }
    Err(match Refusal::read(&reply) {
        Some(Refusal { status, code, message }) => Reason::Plugin { status, code, message },
        None => not_wordpress(&reply),
    })
}

fn roles(json: &Value) -> Vec<String> {
    json.as_array().into_iter().flatten().filter_map(Value::as_str).map(shown).collect()
}

/// The names of what is true.
fn granted(json: &Value) -> Vec<String> {
    let granted = json.as_object().into_iter().flatten().filter(|(_, value)| match value {
        Value::Bool(granted) => *granted,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !matches!(text.as_str(), "" | "0"),
        _ => false,
    });
    let mut names: Vec<String> = granted.map(|(name, _)| shown(name)).collect();
    names.sort_unstable();
    names
}

/// What an answer means that WordPress's API did not give.
pub fn not_wordpress(reply: &Reply) -> Reason {
    match reply.status {
        401 | 407 if let Some(challenge) = reply.headers.get(WWW_AUTHENTICATE) => {
            Reason::ProxyAuth { challenge: shown(&String::from_utf8_lossy(challenge.as_bytes())) }
        }
        429 => Reason::TooManyRequests,
        status @ 500.. => Reason::ServerFailed { status },
        status @ (401 | 403 | 406) => Reason::Blocked { status },
        status => Reason::RestDisabled { status, code: None, message: String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_link_to_the_api_is_found_among_others() {
        let root = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(LINK, value.parse().unwrap());
            }
            linked_root(&headers)
        };
        let expected = Some("https://e.org/wp-json/".to_owned());
        assert_eq!(root(&["<https://e.org/wp-json/>; rel=\"https://api.w.org/\""]), expected);
        assert_eq!(root(&["<https://e.org/wp-json/>;rel=https://api.w.org/"]), expected);
        assert_eq!(
            root(&[
                "<https://e.org/?p=1>; rel=shortlink, <https://e.org/wp-json/>; rel=\"https://api.w.org/\", <x>; rel=y"
            ]),
            expected
        );
        assert_eq!(
            root(&[
                "</a.css>; rel=preload; as=style",
                "<https://e.org/wp-json/>; rel=\"https://api.w.org/\""
            ]),
            expected
        );
        for none in
            ["<https://e.org/wp-json/>; rel=\"alternate\"", "", "<x", "https://api.w.org/", "<x>; rel=y, rel"]
        {
            assert_eq!(root(&[none]), None, "{none}");
        }
    }
}
