//! Why a site did not say yes: a sentence for people, a code for scripts.

use std::fmt;

/// Everything but yes. What came from the site is shown, cut to a line and with its control characters escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// WordPress: `incorrect_password`.
    IncorrectPassword {
        /// Whether the site says so in words. Without a plugin that looks at the user early, WordPress takes a wrong
        /// password for none.
        told: bool,
    },
    /// WordPress: `invalid_username`, `invalid_email`, `rest_user_invalid_id`.
    UnknownUser {
        /// Which of them.
        code: String,
    },
    /// WordPress: `application_passwords_disabled`.
    FeatureUnavailable,
    /// WordPress: `application_passwords_disabled_for_user`.
    UnavailableForUser,
    /// The answer is that of a visitor who has not logged in: `rest_not_logged_in`. [`super::Answer::knowing`] turns
    /// it into one of the next two, or a wrong password.
    Ignored,
    /// WordPress ignores all application passwords, because its option says that there are none.
    NotInUse,
    /// WordPress would look at them, but the `Authorization` header does not reach it.
    HeaderStripped,
    /// The entry's own date has passed, and a plugin sees to that without a word. Only who knows the entry knows it.
    Expired,
    /// A plugin wants a second factor.
    TwoFactor {
        /// The plugin's code.
        code: String,
        /// Its words.
        message: String,
    },
    /// Something else refuses the request, in WordPress's own format: a plugin.
    Plugin {
        /// Of HTTP.
        status: u16,
        /// The plugin's code.
        code: String,
        /// Its words.
        message: String,
    },
    /// The REST API, or its part about users, is switched off or closed to visitors.
    RestDisabled {
        /// Of HTTP.
        status: u16,
        /// Who says so, if anybody does.
        code: Option<String>,
        /// Its words.
        message: String,
    },
    /// WordPress: XML-RPC's fault 403, which it gives for everything that is wrong with a login.
    XmlRpcRefused {
        /// `faultString`
        message: String,
    },
    /// XML-RPC is switched off: what says so.
    XmlRpcDisabled(String),
    /// XML-RPC answered with a fault that says nothing about the password.
    XmlRpcFault {
        /// `faultCode`
        code: i64,
        /// `faultString`
        message: String,
    },
    /// XML-RPC answered with something else.
    NoXmlRpc,
    /// The server, or something before it, asks for a user and password of its own.
    ProxyAuth {
        /// The challenge: `Basic realm="Staging"`.
        challenge: String,
    },
    /// Refused without WordPress's words: a firewall.
    Blocked {
        /// Of HTTP.
        status: u16,
    },
    /// Asked too often.
    TooManyRequests,
    /// The server failed.
    ServerFailed {
        /// Of HTTP.
        status: u16,
    },
    /// It leads to another host, or from HTTPS to plain HTTP.
    Elsewhere {
        /// Scheme, host and port that were asked.
        from: String,
        /// Scheme, host and port that it leads to.
        to: String,
    },
    /// It goes on and on.
    TooManyRedirects,
    /// It would take clear text over a network.
    PlainHttp {
        /// Scheme, host and port.
        to: String,
    },
    /// Not an address of a site: what is wrong with it.
    Address(String),
    /// A login that HTTP Basic authentication cannot carry.
    Login,
    /// No answer in time.
    Timeout,
    /// More than is read.
    TooLong,
    /// The server's certificate or TLS: what the library says.
    Tls(String),
    /// No connection: what the system says.
    Unreachable(String),
    /// Not HTTP, or broken off.
    Garbled(String),
}

impl Reason {
    /// A word for scripts: the site's own code where it has one. These stay as they are.
    pub fn code(&self) -> &str {
        match self {
            Self::IncorrectPassword { .. } => "incorrect_password",
            Self::FeatureUnavailable => "application_passwords_disabled",
            Self::UnavailableForUser => "application_passwords_disabled_for_user",
            Self::Ignored => "rest_not_logged_in",
            Self::NotInUse => "not_in_use",
            Self::HeaderStripped => "authorization_header_stripped",
            Self::UnknownUser { code } | Self::Plugin { code, .. } => code,
            Self::Expired => "expired",
            Self::TwoFactor { .. } => "two_factor",
            Self::RestDisabled { code, .. } => code.as_deref().unwrap_or("rest_not_found"),
            Self::XmlRpcRefused { .. } => "xmlrpc_refused",
            Self::XmlRpcDisabled(_) => "xmlrpc_disabled",
            Self::XmlRpcFault { .. } => "xmlrpc_fault",
            Self::NoXmlRpc => "xmlrpc_not_found",
            Self::ProxyAuth { .. } => "http_authentication_required",
            Self::Blocked { .. } => "blocked",
            Self::TooManyRequests => "too_many_requests",
            Self::ServerFailed { .. } => "server_error",
            Self::Elsewhere { .. } => "other_host",
            Self::TooManyRedirects => "too_many_redirects",
            Self::PlainHttp { .. } => "plain_http",
            Self::Address(_) => "invalid_address",
            Self::Login => "invalid_login",
            Self::Timeout => "timeout",
            Self::TooLong => "answer_too_long",
            Self::Tls(_) => "tls",
            Self::Unreachable(_) => "unreachable",
            Self::Garbled(_) => "invalid_answer",
        }
    }

    /// The status of the HTTP answer, where it matters.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Plugin { status, .. }
            | Self::RestDisabled { status, .. }
            | Self::Blocked { status }
            | Self::ServerFailed { status } => Some(*status),
            _ => None,
        }
    }
}

impl Reason {
    /// The sentence without its full stop, for the middle of another one.
    pub fn clause(&self) -> String {
        let mut sentence = self.to_string();
        if sentence.ends_with('.') && !sentence.ends_with("..") {
            sentence.pop();
        }
        sentence
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IncorrectPassword { told: true } => f.write_str("The site says that the password is wrong."),
            Self::IncorrectPassword { told: false } => {
                f.write_str("The site answers as if nobody had logged in, which is what WordPress makes of a wrong password.")
            }
            // WordPress: asked about the entry's user by id, in a multisite also about one that is no member.
            Self::UnknownUser { code } if code == "rest_user_invalid_id" => write!(
                f,
                "The site answers as if nobody had logged in, and has no user with the id that this login has in the \
                 database ({code}): that site has another database, or is one of a multisite that the user is no member of."
            ),
            Self::UnknownUser { code } => write!(f, "The site does not know this user ({code})."),
            Self::FeatureUnavailable => f.write_str(
                "Application passwords are not available on this site: PHP does not see HTTPS there (and the environment \
                 type is not `local`), or a plugin switched them off.",
            ),
            Self::UnavailableForUser => {
                f.write_str("A plugin or the site's code switched application passwords off for this user.")
            }
            Self::Ignored => f.write_str(
                "The site answers as if nobody had logged in: that is what WordPress makes of a wrong password, and of any \
                 if the server does not hand the Authorization header to PHP, or if its database says that nobody has \
                 application passwords.",
            ),
            Self::NotInUse => f.write_str(
                "WordPress ignores all application passwords, because its option using_application_passwords is not set: \
                 creating one sets it.",
            ),
            Self::HeaderStripped => f.write_str(
                "The site answers as if nobody had logged in, although the password is right. Most likely the server does \
                 not hand the Authorization header to PHP (Apache: `CGIPassAuth On`, or WordPress's rewrite rule for \
                 HTTP_AUTHORIZATION; nginx: `fastcgi_param HTTP_AUTHORIZATION $http_authorization`). If it does, a \
                 plugin refuses the password without a word, an object cache holds what was true before (flush it), or \
                 that site has another database than this one.",
            ),
            Self::Expired => f.write_str(
                "The site does not let it in: the password has expired, as its entry says, and a plugin sees to that.",
            ),
            Self::TwoFactor { code, message } => write!(
                f,
                "A plugin wants a second factor from this user and blocks the API ({code}: {message}). Two Factor lets \
                 application passwords in since its version 0.14."
            ),
            Self::Plugin { status, code, message } => {
                write!(f, "A plugin or the site's code refuses the request: {code}: {message} (HTTP {status})")
            }
            Self::RestDisabled { status, code: Some(code), message } => write!(
                f,
                "The REST API, or its part about users, is switched off or closed to visitors: {code}: {message} (HTTP \
                 {status}). Whoever has a wrong password is a visitor, and so is everybody if the server does not hand \
                 the Authorization header to PHP."
            ),
            Self::RestDisabled { status, code: None, .. } => write!(
                f,
                "There is no REST API of WordPress at this address (HTTP {status}): it is switched off, or this is not \
                 the address of the site."
            ),
            Self::XmlRpcRefused { message } => {
                write!(f, "XML-RPC does not let this user in: {message} (It says so whatever the reason is.)")
            }
            Self::XmlRpcDisabled(how) => write!(f, "XML-RPC is switched off ({how})."),
            Self::XmlRpcFault { code, message } => write!(f, "XML-RPC answered with the fault {code}: {message}"),
            Self::NoXmlRpc => f.write_str("What answers at the address of XML-RPC is not WordPress."),
            Self::ProxyAuth { challenge } => write!(
                f,
                "Something before WordPress wants a user and password of its own ({challenge}). An application password \
                 needs the same header, so the API must be excepted from that."
            ),
            Self::Blocked { status } => write!(
                f,
                "The request was refused before WordPress saw it (HTTP {status}): by the web server or a firewall."
            ),
            Self::TooManyRequests => {
                f.write_str("The site has been asked too often (HTTP 429). Wait some minutes and try again.")
            }
            Self::ServerFailed { status } => {
                write!(f, "The site fails (HTTP {status}). Its error log knows more.")
            }
            Self::Elsewhere { from, to } => write!(
                f,
                "{from} leads to {to}. A password is sent to the host that was named and nowhere else: if the site is \
                 there, give that address."
            ),
            Self::TooManyRedirects => f.write_str("The site redirects again and again."),
            Self::PlainHttp { to } => {
                write!(f, "{to} is plain HTTP, and a password is not sent over a network in clear text: give an https:// address.")
            }
            Self::Address(why) => write!(f, "This is not the address of a site: {why}."),
            Self::Login => f.write_str(
                "This user's login has a colon or a control character, which HTTP Basic authentication cannot carry.",
            ),
            Self::Timeout => f.write_str("The site did not answer in time."),
            Self::TooLong => f.write_str("The answer is longer than anything that WordPress says here, and was not read."),
            Self::Tls(why) => write!(f, "The connection could not be made secure: {why}."),
            Self::Unreachable(why) => write!(f, "The site could not be reached: {why}."),
            Self::Garbled(why) => write!(f, "The answer could not be understood: {why}."),
        }
    }
}

/// The longest text of a site that is shown, in characters.
const LONGEST_SHOWN: usize = 300;

/// What a site says, as it may be shown: without HTML's tags, on one line, and harmless for a terminal.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    let (mut in_tag, mut count) = (false, 0);
    for (position, character) in text.trim().char_indices() {
        if count >= LONGEST_SHOWN {
            shown.push('…');
            break;
        }
        let rest = text.trim().get(position + 1..).unwrap_or_default();
        match character {
            '<' if !in_tag && rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') => {
                in_tag = true
            }
            '>' if in_tag => in_tag = false,
            _ if in_tag => continue,
            '\n' | '\t' | '\r' => shown.push(' '),
            // As all other output has them.
            c if c.is_ascii_control() => shown.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() || is_bidi_control(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
        count += 1;
    }
    shown
}

/// Characters that make a terminal show text in another order.
fn is_bidi_control(character: char) -> bool {
    matches!(u32::from(character), 0x61c | 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_has_no_full_stop() {
        assert_eq!(Reason::Timeout.clause(), "The site did not answer in time");
        let plugin = Reason::Plugin { status: 403, code: "x".into(), message: "No.".into() };
        assert_eq!(plugin.clause(), plugin.to_string());
    }

    #[test]
    fn what_a_site_says_is_shown_on_one_harmless_line() {
        assert_eq!(
            shown("<strong>Error:</strong> The <a href='x'>thing</a>\nis 1 < 2 > 0"),
            "Error: The thing is 1 < 2 > 0"
        );
        assert_eq!(shown("\u{1b}[31mred\u{202e}"), "\\x1b[31mred\\u{202e}");
        assert_eq!(shown(&"é".repeat(1000)).chars().count(), LONGEST_SHOWN + 1);
    }
}
