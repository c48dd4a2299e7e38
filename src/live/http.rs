//! Requests under the rules of [`super`]: one deadline for all, bounded answers, credentials for one host only.

use std::borrow::Cow;
use std::io::Read;
use std::net::{IpAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use ureq::http::{HeaderMap, Method, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use zeroize::Zeroizing;

use super::Reason;
use super::reason::shown;
use crate::secret::PlainPassword;

/// The longest answer that is read, in bytes. A user with every capability of many plugins takes some 50 kB.
const LONGEST_ANSWER: u64 = 1 << 20;

/// How many redirects are followed.
const MOST_REDIRECTS: u32 = 5;

/// Where a request goes: an `http` or `https` address, its host in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    secure: bool,
    /// In brackets when it is an IPv6 address.
    host: String,
    port: u16,
    path: String,
    query: Option<String>,
}

/// `https://münchen.example/käse` as it goes over the wire: the host by IDNA, the rest in percents. What cannot be
/// written so stays as it is, for the parser to refuse.
fn in_ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let Some((scheme, rest)) = text.split_once("://") else { return Cow::Borrowed(text) };
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    let Ok(host) = idna::domain_to_ascii(host) else { return Cow::Borrowed(text) };
    let mut ascii = format!("{scheme}://{host}{port}");
    for character in rest.chars() {
        if character.is_ascii() {
            ascii.push(character);
        } else {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                ascii.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    Cow::Owned(ascii)
}

impl Address {
    /// Reads an absolute address.
    pub fn parse(text: &str) -> Result<Self, Reason> {
        // Before anything is said of it: WordPress shows application passwords with blanks, which end an address.
        let place = text.split_once("://").map_or(text, |(_, rest)| rest);
        if place.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@')) {
            return Err(Reason::Address("it holds a user or password; leave them out".into()));
        }
        // A password with a slash looks like a path.
        let shown = |text: &str| match text.rsplit_once('@') {
            Some((_, rest)) => shown(&format!("…@{rest}")),
            None => shown(text),
        };
        let uri: Uri = in_ascii(text.trim())
            .parse()
            .map_err(|error| Reason::Address(format!("{error} ({})", shown(text))))?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => {
                return Err(Reason::Address(format!(
                    "{} does not begin with https:// or http://",
                    shown(text)
                )));
            }
        };
        let authority = uri.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| Reason::Address(format!("{} has no host", shown(text))))?;
        let usual = if secure { 443 } else { 80 };
        let port = match authority.as_str().get(authority.host().len()..).unwrap_or_default() {
            "" | ":" => usual,
            // The parser takes what is no port for none, and another server would be asked.
            _ => authority.port_u16().filter(|port| *port != 0).ok_or_else(|| {
                Reason::Address(format!("what stands behind its colon is no port ({})", shown(text)))
            })?,
        };
        Ok(Self {
            secure,
            host: authority.host().to_ascii_lowercase(),
            port,
            path: uri.path().to_owned(),
            query: uri.query().map(str::to_owned),
        })
    }

    /// The address of a site, as a folder; it may be asked.
    pub fn of_site(text: &str) -> Result<Self, Reason> {
        let mut address = Self::parse(text)?;
        address.may_be_asked()?;
        address.query = None;
        Ok(address)
    }

    /// In clear text only this machine is asked.
    fn may_be_asked(&self) -> Result<(), Reason> {
        if self.secure || self.is_loopback() { Ok(()) } else { Err(Reason::PlainHttp { to: self.origin() }) }
    }

    /// Whether it is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The path, from its slash on.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same place with another path and without a query.
    pub fn with_path(&self, path: &str) -> Self {
        Self { path: path.to_owned(), query: None, ..self.clone() }
    }

    /// Whether it is this machine itself.
    pub fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = bare.parse::<IpAddr>() {
            return address.is_loopback();
        }
        // What the name stands for is the system's to say.
        self.host == "localhost"
            && (bare, self.port)
                .to_socket_addrs()
                .is_ok_and(|mut addresses| addresses.all(|address| address.ip().is_loopback()))
    }

    /// `https://example.org`, with a port if it is an odd one.
    pub fn origin(&self) -> String {
        let (scheme, usual) = if self.secure { ("https", 443) } else { ("http", 80) };
        if self.port == usual {
            format!("{scheme}://{}", self.host)
        } else {
            format!("{scheme}://{}:{}", self.host, self.port)
        }
    }

    /// The whole address.
    pub fn text(&self) -> String {
        let query = self.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{}{query}", self.origin(), self.path)
    }

    /// What is in this folder: a path, with a query if it has one.
    pub fn below(&self, relative: &str) -> Result<Self, Reason> {
        Self::parse(&format!("{}{}/{relative}", self.origin(), self.path.trim_end_matches('/')))
    }

    /// A route of the REST API whose root this is, with a query (`a=b`) if it has one.
    ///
    /// WordPress: with plain permalinks the route is a parameter, `?rest_route=/`.
    pub fn route(&self, route: &str, query: Option<&str>) -> Self {
        let mut address = self.clone();
        let is_parameter = |parameter: &str| parameter.starts_with("rest_route=");
        match &self.query {
            Some(own) if own.split('&').any(is_parameter) => {
                let parts = own.split('&').map(|parameter| {
                    if is_parameter(parameter) {
                        format!("{}/{route}", parameter.trim_end_matches('/'))
                    } else {
                        parameter.to_owned()
                    }
                });
                address.query = Some(parts.chain(query.map(str::to_owned)).collect::<Vec<_>>().join("&"));
            }
            own => {
                address.path = format!("{}/{route}", self.path.trim_end_matches('/'));
                let parts: Vec<&str> = own.as_deref().into_iter().chain(query).collect();
                address.query = (!parts.is_empty()).then(|| parts.join("&"));
            }
        }
        address
    }

    /// What a `Location` or `Link` found here means, if credentials may follow it.
    pub fn follow(&self, reference: &str) -> Result<Self, Reason> {
        self.leads_to(&self.resolve(reference)?)
    }

    /// The same for who has no credentials and looks around: any host, but never from HTTPS down to plain HTTP.
    pub fn look_at(&self, reference: &str) -> Result<Self, Reason> {
        let other = self.resolve(reference)?;
        if self.secure && !other.secure {
            return Err(Reason::Elsewhere { from: self.origin(), to: other.origin() });
        }
        Ok(other)
    }

    fn resolve(&self, reference: &str) -> Result<Self, Reason> {
        let reference = reference.trim();
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let text = if reference.contains("://") && !reference.starts_with(['/', '?']) {
            reference.to_owned()
        } else if let Some(rest) = reference.strip_prefix("//") {
            format!("{}://{rest}", if self.secure { "https" } else { "http" })
        } else if reference.starts_with('/') {
            format!("{}{reference}", self.origin())
        } else if reference.starts_with('?') {
            format!("{}{}{reference}", self.origin(), self.path)
        } else {
            format!("{}{folder}/{reference}", self.origin())
        };
        Self::parse(&text)
    }

    /// Whether credentials for this address may go to that one: the same host and port, or the same host once it is
    /// secure.
    pub fn leads_to(&self, other: &Self) -> Result<Self, Reason> {
        let same = self.secure == other.secure && self.port == other.port;
        if self.host == other.host && (same || (!self.secure && other.secure)) {
            Ok(other.clone())
        } else {
            Err(Reason::Elsewhere { from: self.origin(), to: other.origin() })
        }
    }
}

/// A login and a password as a header of HTTP has them.
pub struct Credentials(HeaderValue);

impl Credentials {
    /// WordPress: the login ends at the first colon.
    pub fn new(login: &str, password: &PlainPassword) -> Result<Self, Reason> {
        if login.is_empty() || login.contains(':') || login.chars().any(char::is_control) {
            return Err(Reason::Login);
        }
        let plain = Zeroizing::new(format!("{login}:{}", password.expose()));
        // The whole capacity at once, so that no copy stays behind.
        let mut header = Zeroizing::new(String::with_capacity(16 + plain.len() * 2));
        header.push_str("Basic ");
        STANDARD.encode_string(plain.as_bytes(), &mut header);
        let mut header = HeaderValue::from_str(&header).map_err(|_error| Reason::Login)?;
        header.set_sensitive(true);
        Ok(Self(header))
    }
}

/// What is asked.
pub enum Ask<'a> {
    /// `GET`, and only the head of the answer is of interest.
    Head,
    /// `GET`
    Get(Option<&'a Credentials>),
    /// `GET` of a web page without credentials; a long one is cut.
    Page,
    /// `POST` of XML.
    Post(&'a str),
    /// `DELETE`
    Delete(&'a Credentials),
}

/// An answer that is no redirect.
pub struct Reply {
    /// Who gave it.
    pub address: Address,
    /// Of HTTP.
    pub status: u16,
    /// Its head.
    pub headers: HeaderMap,
    /// Its body; empty for [`Ask::Head`].
    pub body: Vec<u8>,
}

/// Asks until a deadline.
pub struct Client {
    deadline: Instant,
    /// No secret is at hand: plain HTTP and other hosts are asked too.
    looks_around: bool,
}

impl Client {
    /// The deadline is so far away.
    pub fn new(timeout: Duration) -> Self {
        Self { deadline: Instant::now() + timeout, looks_around: false }
    }

    /// One that has no credentials: it goes wherever a browser would, but never from HTTPS down to plain HTTP.
    pub fn without_credentials(timeout: Duration) -> Self {
        Self { looks_around: true, ..Self::new(timeout) }
    }

    /// Asks, and follows redirects where credentials may go.
    pub fn send(&self, address: &Address, ask: &Ask<'_>) -> Result<Reply, Reason> {
        let mut address = address.clone();
        for _ in 0..=MOST_REDIRECTS {
            let reply = self.send_once(&address, ask)?;
            let location = reply.headers.get(LOCATION).filter(|_| (300..400).contains(&reply.status));
            let Some(location) = location else { return Ok(reply) };
            let location = String::from_utf8_lossy(location.as_bytes());
            address =
                if self.is_free(ask) { address.look_at(&location)? } else { address.follow(&location)? };
        }
        Err(Reason::TooManyRedirects)
    }

    /// Whether nothing goes out that only one host may see.
    fn is_free(&self, ask: &Ask<'_>) -> bool {
        self.looks_around && matches!(ask, Ask::Head | Ask::Page | Ask::Get(None))
    }

    fn send_once(&self, address: &Address, ask: &Ask<'_>) -> Result<Reply, Reason> {
        if !self.is_free(ask) {
            address.may_be_asked()?;
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Reason::Timeout);
        }
        let body = match ask {
            Ask::Post(body) => body.as_bytes(),
            Ask::Head | Ask::Get(_) | Ask::Page | Ask::Delete(_) => &[],
        };
        let method = match ask {
            Ask::Post(_) => Method::POST,
            Ask::Delete(_) => Method::DELETE,
            Ask::Head | Ask::Get(_) | Ask::Page => Method::GET,
        };
        let mut request = ureq::http::Request::builder().method(method).uri(address.text());
        if let Ask::Get(Some(Credentials(header))) | Ask::Delete(Credentials(header)) = ask {
            request = request.header(AUTHORIZATION, header);
        }
        if let Ask::Post(_) = ask {
            request = request.header(CONTENT_TYPE, "text/xml");
        }
        let agent = agent(address, left);
        let response = match ask {
            Ask::Post(_) => {
                request.body(body).map_err(ureq::Error::from).and_then(|request| agent.run(request))
            }
            Ask::Head | Ask::Get(_) | Ask::Page | Ask::Delete(_) => {
                request.body(()).map_err(ureq::Error::from).and_then(|request| agent.run(request))
            }
        };
        let response = response.map_err(failed)?;
        let (head, body) = response.into_parts();
        let mut bytes = Vec::new();
        if !matches!(ask, Ask::Head) {
            let mut reader = body.into_reader().take(LONGEST_ANSWER + 1);
            reader.read_to_end(&mut bytes).map_err(|error| failed(error.into()))?;
            if bytes.len() as u64 > LONGEST_ANSWER && !matches!(ask, Ask::Page) {
                return Err(Reason::TooLong);
            }
        }
        Ok(Reply {
            address: address.clone(),
            status: head.status.as_u16(),
            headers: head.headers,
            body: bytes,
        })
    }
}

fn agent(address: &Address, timeout: Duration) -> ureq::Agent {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let mut config = ureq::Agent::config_builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(timeout))
        .user_agent(concat!("wp-app-password/", env!("CARGO_PKG_VERSION")));
    // A proxy of the environment tunnels what is encrypted; it has no business with this machine's own servers, and
    // would see what is not.
    if !address.secure || address.is_loopback() {
        config = config.proxy(None);
    }
    config.build().new_agent()
}

/// The sentence for a request that got no answer.
fn failed(error: ureq::Error) -> Reason {
    match error {
        ureq::Error::Timeout(_) => Reason::Timeout,
        ureq::Error::HostNotFound => Reason::Unreachable("its host is not known".into()),
        ureq::Error::ConnectionFailed => Reason::Unreachable("nothing answers there".into()),
        ureq::Error::Io(error) if is_tls(&error) => Reason::Tls(shown(&error.to_string())),
        ureq::Error::Io(error) if error.kind() == std::io::ErrorKind::TimedOut => Reason::Timeout,
        ureq::Error::Io(error) => Reason::Unreachable(shown(&error.to_string())),
        ureq::Error::Tls(why) => Reason::Tls(why.into()),
        ureq::Error::Rustls(error) => Reason::Tls(shown(&error.to_string())),
        ureq::Error::LargeResponseHeader(..) => Reason::TooLong,
        ureq::Error::BadUri(why) => Reason::Address(shown(&why)),
        other => Reason::Garbled(shown(&other.to_string())),
    }
}

fn is_tls(error: &std::io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    #[test]
    fn addresses_of_all_scripts_are_sent_in_ascii() {
        assert_eq!(
            address("https://München.example:8443/käse?ü#x").text(),
            address("https://xn--mnchen-3ya.example:8443/k%C3%A4se?%C3%BC").text()
        );
        assert_eq!(address("https://例え.テスト/").origin(), "https://xn--r8jz45g.xn--zckzah");
        assert_eq!(address("https://example.org:/x").origin(), "https://example.org");
        for wrong in [
            "https://mü nchen.example/",
            "https://example.org:99999/",
            "https://example.org:0/",
            "https://javascript:alert(1)",
            "https://[::1]:x/",
        ] {
            assert!(matches!(Address::parse(wrong), Err(Reason::Address(_))), "{wrong}");
        }
    }

    #[test]
    fn no_password_of_an_address_is_shown() {
        for wrong in [
            "https://anna:abcd EFGH ijkl@127.0.0.1:1/",
            "https://anna:abcdEFGH@example.org",
            "https://abcd EFGH@example.org:x",
            "https://anna:abcd/EFGH@example.org/",
            "anna:abcd EFGH@example.org",
            "ftp://anna:abcd EFGH@example.org",
            "https://anna:abcd?EFGH ijkl@example.org",
        ] {
            let Err(Reason::Address(why)) = Address::parse(wrong) else { panic!("{wrong}") };
            assert!(!why.contains("abcd") && !why.contains("EFGH"), "{wrong}: {why}");
        }
    }

    #[test]
    fn clear_text_stays_on_this_machine() {
        for own in ["http://127.0.0.1:8080/x", "http://127.9.9.9", "http://[::1]:80/", "http://LOCALHOST/"] {
            assert!(Address::of_site(own).is_ok(), "{own}");
        }
        for other in [
            "http://example.org",
            "http://127.0.0.1.example.org/",
            "http://localhost.example.org/",
            "http://10.0.0.1/",
            "http://[::2]/",
            "http://0.0.0.0/",
            "http://127.1/",
            "http://2130706433/",
        ] {
            assert!(matches!(Address::of_site(other), Err(Reason::PlainHttp { .. })), "{other}");
        }
        assert!(Address::of_site("https://example.org").is_ok());
        for wrong in [
            "ftp://example.org",
            "example.org",
            "/x",
            "",
            "https://",
            "https://u:p@example.org/",
            "https://a b/",
        ] {
            assert!(matches!(Address::of_site(wrong), Err(Reason::Address(_))), "{wrong}");
        }
    }

    #[test]
    fn credentials_go_to_one_host_and_port() {
        let home = address("https://example.org/blog/");
        for (reference, expected) in [
            ("/x?y=1", "https://example.org/x?y=1"),
            ("x", "https://example.org/blog/x"),
            ("?a", "https://example.org/blog/?a"),
            ("//EXAMPLE.org:443/z", "https://example.org/z"),
            ("https://example.org/", "https://example.org/"),
        ] {
            assert_eq!(home.follow(reference).unwrap().text(), expected);
        }
        for elsewhere in [
            "https://www.example.org/",
            "https://example.org:8443/",
            "http://example.org/blog/",
            "http://example.org:443/",
            "//example.org.evil.example/",
            "https://example.org@evil.example/",
            "https://user@example.org/",
        ] {
            assert!(home.follow(elsewhere).is_err(), "{elsewhere}");
        }
        let own = address("http://127.0.0.1:8080/");
        assert_eq!(own.follow("https://127.0.0.1:8443/x").unwrap().text(), "https://127.0.0.1:8443/x");
        assert!(own.follow("http://127.0.0.1:8081/").is_err());
        assert!(own.follow("http://127.0.0.2:8080/").is_err());
    }

    #[test]
    fn who_has_no_credentials_goes_anywhere_but_down() {
        let secure = address("https://example.org/");
        assert_eq!(secure.look_at("https://www.example.org/x").unwrap().text(), "https://www.example.org/x");
        assert!(matches!(secure.look_at("http://example.org/"), Err(Reason::Elsewhere { .. })));
        let plain = address("http://example.org/");
        assert!(plain.look_at("http://www.example.org/").is_ok() && plain.look_at("https://e.org/").is_ok());
        // What has credentials with it keeps to the rules, whoever sends it.
        let around = Client::without_credentials(Duration::from_secs(5));
        let credentials = Credentials::new("a", &PlainPassword::new("b".into())).unwrap();
        for ask in [Ask::Get(Some(&credentials)), Ask::Post("x"), Ask::Delete(&credentials)] {
            assert!(!around.is_free(&ask));
            assert!(matches!(around.send(&plain, &ask), Err(Reason::PlainHttp { .. })));
        }
        assert!(around.is_free(&Ask::Page) && !Client::new(Duration::ZERO).is_free(&Ask::Page));
    }

    #[test]
    fn routes_follow_the_form_of_the_root() {
        let route = |root: &str| address(root).route("wp/v2/users/me", Some("context=edit")).text();
        assert_eq!(route("https://e.org/wp-json/"), "https://e.org/wp-json/wp/v2/users/me?context=edit");
        assert_eq!(route("https://e.org/api"), "https://e.org/api/wp/v2/users/me?context=edit");
        assert_eq!(
            route("https://e.org/index.php?rest_route=/"),
            "https://e.org/index.php?rest_route=/wp/v2/users/me&context=edit"
        );
        assert_eq!(
            route("https://e.org/?lang=de&rest_route=/"),
            "https://e.org/?lang=de&rest_route=/wp/v2/users/me&context=edit"
        );
        assert_eq!(
            route("https://e.org/wp-json/?lang=de"),
            "https://e.org/wp-json/wp/v2/users/me?lang=de&context=edit"
        );
    }

    #[test]
    fn logins_that_would_shift_the_password_are_not_sent() {
        let password = PlainPassword::new("abcd".into());
        assert!(Credentials::new("jörg", &password).is_ok());
        for login in ["a:b", "", "a\nb", "a\0"] {
            assert!(Credentials::new(login, &password).is_err(), "{login:?}");
        }
        assert!(!format!("{:?}", Credentials::new("a", &password).unwrap().0).contains("YTph"));
    }
}
