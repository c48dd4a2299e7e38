//! The authorization screen: its address, and where it sends users back to.
//!
//! Mirrors `wp-admin/authorize-application.php`, `wp_is_authorize_application_password_request_valid()` and
//! `wp_is_authorize_application_redirect_url_valid()` (`wp-admin/includes/user.php`). Unpatched releases before 6.3.2 check
//! less; what passes here passes there too.

/// To where a site's authorization screen sends users over plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainCallbacks {
    /// WordPress: everywhere, in environment `local`.
    Anywhere,
    /// WordPress 7.0 and newer: to the user's own machine, by its address.
    Loopback,
    /// WordPress before 7.0: nowhere.
    Never,
}

/// Why WordPress would refuse an address to send users back to: a clause.
///
/// # Errors
/// The clause.
pub fn check_callback(url: &str, plain: PlainCallbacks) -> Result<(), String> {
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("it holds a blank or a control character".into());
    }
    let scheme_end = url.find(':').filter(|end| {
        let scheme = url.get(..*end).unwrap_or_default();
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+.-".contains(c))
    });
    let Some((scheme, rest)) = scheme_end.and_then(|end| url.split_at_checked(end)) else {
        return Err("it does not begin with a scheme, such as https: or myapp:".into());
    };
    if ["javascript", "data"].iter().any(|bad| scheme.eq_ignore_ascii_case(bad)) {
        return Err(format!("WordPress never sends anybody to {scheme}:"));
    }
    let (host, port) = rest.strip_prefix("://").and_then(host).ok_or_else(|| {
        format!("WordPress wants a host in it, also behind a scheme of one's own: {scheme}://callback")
    })?;
    // WordPress: `parse_url()` is lenient with what follows the digits of a port, and browsers are not.
    let is_port = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.len() <= 5 && digits.parse::<u16>().is_ok()
    };
    if !matches!(port, "" | ":") && !port.strip_prefix(':').is_some_and(is_port) {
        return Err(format!("{port} is no port"));
    }
    // WordPress: fragments stay at the end or in front of what is added, depending on the browser's JavaScript.
    if url.contains('#') {
        return Err("what WordPress adds would be lost behind its #".into());
    }
    // WordPress: the comparison is one of letters as they are.
    if scheme != "http" {
        return Ok(());
    }
    match plain {
        PlainCallbacks::Anywhere => Ok(()),
        PlainCallbacks::Loopback if ["127.0.0.1", "[::1]"].contains(&host.to_ascii_lowercase().as_str()) => {
            Ok(())
        }
        PlainCallbacks::Loopback => Err(
            "over http: WordPress sends users to http://127.0.0.1 and http://[::1] only (not to localhost); use https:"
                .into(),
        ),
        PlainCallbacks::Never => {
            Err("over http: WordPress before 7.0 sends users nowhere; use https: or a scheme of your own".into())
        }
    }
}

/// The host of what follows `//`, and what stands behind it: nothing, or a colon and a port.
fn host(rest: &str) -> Option<(&str, &str)> {
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let host = match place.find(']') {
        Some(end) if place.starts_with('[') => place.get(..=end)?,
        _ => place.split(':').next()?,
    };
    // WordPress: PHP's `empty()` takes the host 0 for none.
    (!matches!(host, "" | "0")).then_some((host, place.get(host.len()..)?))
}

/// WordPress: `wp_is_uuid()`, of any version, in lower case.
pub fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && groups.concat().bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// What the authorization screen is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The name that the screen suggests.
    pub app_name: &'a str,
    /// `app_id`
    pub app_id: Option<&'a str>,
    /// Where an approval leads; without one, the screen shows the password.
    pub success_url: Option<&'a str>,
    /// Where a rejection leads. WordPress: by default `success_url` with `success=false`.
    pub reject_url: Option<&'a str>,
}

impl Request<'_> {
    /// The address to open: `screen` is the one that the REST API tells.
    pub fn url(&self, screen: &str) -> String {
        let mut url = screen.to_owned();
        let mut separator = if screen.contains('?') { '&' } else { '?' };
        let parameters = [
            ("app_name", Some(self.app_name)),
            ("app_id", self.app_id),
            ("success_url", self.success_url),
            ("reject_url", self.reject_url),
        ];
        for (name, value) in parameters {
            let Some(value) = value else { continue };
            url.push(separator);
            url.push_str(name);
            url.push('=');
            for byte in value.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                        url.push(byte.into())
                    }
                    _ => url.push_str(&format!("%{byte:02X}")),
                }
            }
            separator = '&';
        }
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_judged_as_wordpress_does() {
        use PlainCallbacks::{Anywhere, Loopback, Never};
        for url in [
            "https://h/cb",
            "myapp://callback",
            "a.b+c-1://host",
            "ftp://a/b",
            "HTTP://h/",
            "https://u:p@h:8443/cb?x=1",
            "https://[::1]:8443/",
        ] {
            for plain in [Anywhere, Loopback, Never] {
                assert_eq!(check_callback(url, plain), Ok(()), "{url}");
            }
        }
        for url in [
            "myapp:/callback",
            "myapp:callback",
            "my_app://x",
            "1app://x",
            "//h",
            "/rel",
            "https:///x",
            "https://",
            "https://:80/",
            "https://0:80/",
            "app://0",
            "https://h:99999/",
            "app://h:port",
            "https://u@/",
            "javascript://x/%0aalert(1)",
            "DATA://x/y",
            "",
            "https://a b/",
            "https://a/\n",
            "https://a/#x",
        ] {
            for plain in [Anywhere, Loopback, Never] {
                assert!(check_callback(url, plain).is_err(), "{url}");
            }
        }
        for (url, allowed) in [
            ("http://127.0.0.1/", [true, true, false]),
            ("http://127.0.0.1:8080/cb?x", [true, true, false]),
            ("http://[::1]:1/", [true, true, false]),
            ("http://localhost/", [true, false, false]),
            ("http://127.0.0.2/", [true, false, false]),
            ("http://127.0.0.1.example.org/", [true, false, false]),
            ("http://127.0.0.1@example.org/", [true, false, false]),
            ("http://example.org/", [true, false, false]),
        ] {
            let found = [Anywhere, Loopback, Never].map(|plain| check_callback(url, plain).is_ok());
            assert_eq!(found, allowed, "{url}");
        }
    }

    #[test]
    fn uuids_are_lower_case() {
        assert!(is_uuid("aaaaaaaa-1111-4111-8111-123456789abc"));
        for not in ["", "AAAAAAAA-1111-4111-8111-123456789abc", "aaaaaaaa-1111-4111-8111-123456789ab", "x"] {
            assert!(!is_uuid(not), "{not}");
        }
    }

    #[test]
    fn the_address_of_the_screen_holds_every_byte_of_what_is_asked_for() {
        let request = Request {
            app_name: "Stock – feed & co",
            app_id: Some("u"),
            success_url: Some("https://a/b?c=d"),
            reject_url: None,
        };
        assert_eq!(
            request.url("https://e.org/wp-admin/authorize-application.php"),
            "https://e.org/wp-admin/authorize-application.php?app_name=Stock%20%E2%80%93%20feed%20%26%20co&app_id=u\
             &success_url=https%3A%2F%2Fa%2Fb%3Fc%3Dd"
        );
        assert_eq!(Request::default().url("https://e.org/?x=1"), "https://e.org/?x=1&app_name=");
    }
}
