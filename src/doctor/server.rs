//! What `.maintenance` and `.htaccess` say, read as text, and which rule a web server needs to hand the
//! `Authorization` header on.

use std::path::{Path, PathBuf};

use super::State;

/// `10 * MINUTE_IN_SECONDS`
const MAINTENANCE_LASTS: i64 = 600;

/// What a `.maintenance` means at `now` (Unix seconds, UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maintenance {
    /// WordPress does not mind it.
    Over,
    /// WordPress answers 503, up to this moment (Unix seconds, UTC).
    Until(i64),
    /// It answers 503 as long as the file is there.
    Always,
    /// What the file computes is not known.
    Unclear,
}

/// WordPress: `wp_is_maintenance_mode()` in `wp-includes/load.php`: ten minutes from `$upgrading`, which counts as 1970
/// where the file does not set it.
pub fn maintenance(php: &str, now: i64) -> Maintenance {
    let assigned = php.split("$upgrading").skip(1).filter_map(|rest| {
        let value = rest.trim_start().strip_prefix('=').filter(|value| !value.starts_with('='))?;
        value.split([';', '?']).next().map(str::trim)
    });
    let Some(value) = assigned.last() else { return Maintenance::Over };
    let number = value.trim_matches(['\'', '"']).replace('_', "");
    match number.parse::<i64>() {
        Ok(since) if now.saturating_sub(since) >= MAINTENANCE_LASTS => Maintenance::Over,
        Ok(since) => Maintenance::Until(since.saturating_add(MAINTENANCE_LASTS)),
        Err(_) if value.split_whitespace().collect::<String>().eq_ignore_ascii_case("time()") => {
            Maintenance::Always
        }
        Err(_) => Maintenance::Unclear,
    }
}

/// What a `.htaccess` does with the `Authorization` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The server takes it away.
    Removed,
    /// The server wants a user and password of its own in it. `always`: no other way in is named.
    Wanted {
        /// Whether nothing else lets a request in.
        always: bool,
    },
    /// There is a rule that hands it on, behind one that ends the rules.
    TooLate,
    /// There is a rule that hands it on.
    HandedOn,
    /// There are rules that rewrite addresses, and none for the header.
    NoRule,
    /// Nothing that matters.
    Nothing,
}

/// Reads a `.htaccess`, for requests that WordPress's `index.php` answers.
pub fn htaccess(text: &str) -> Header {
    let text = text.replace("\\\r\n", " ").replace("\\\n", " ");
    // Whether each section that is open is for the file that answers: others are none of ours.
    let mut sections: Vec<bool> = Vec::new();
    let (mut wanted, mut is_asked, mut other_ways) = (false, false, false);
    let (mut rewrites, mut ended, mut on, mut late) = (false, false, false, false);
    // Whether a condition stands before the next rule that may not be true for the REST API.
    let mut depends = false;
    for line in text.lines().map(|line| line.trim().to_ascii_lowercase()) {
        if line.starts_with('#') {
            continue;
        }
        if line.starts_with("</") {
            sections.pop();
            continue;
        }
        if let Some(section) = line.strip_prefix('<') {
            let is_of_files = section.starts_with("files");
            let is_of_others = section.starts_with("if ")
                && ["wp-admin", "wp-login", "xmlrpc"].iter().any(|part| section.contains(part));
            sections
                .push(!is_of_others && (!is_of_files || section.contains("index") || section.contains('*')));
            other_ways |= section.starts_with("requireany");
            continue;
        }
        if sections.contains(&false) {
            continue;
        }
        let mut words = line.split_whitespace();
        match words.next().unwrap_or_default() {
            "requestheader" if line.contains("unset") && line.contains("authorization") => {
                return Header::Removed;
            }
            "requestheader" if words.next() == Some("set") && words.next() == Some("authorization") => {
                if matches!(words.next(), None | Some("\"\"" | "''")) {
                    return Header::Removed;
                }
            }
            // WordPress's own conditions: the REST API is neither a file nor a folder.
            "rewritecond" => {
                depends |= !(words.next() == Some("%{request_filename}")
                    && matches!(words.next(), Some("!-f" | "!-d" | "!-l")));
            }
            "authtype" => wanted = !matches!(words.next(), Some("none")),
            "satisfy" => other_ways |= words.next() == Some("any"),
            "require" => {
                let what = words.next().unwrap_or_default();
                is_asked |= matches!(what, "valid-user" | "user" | "group");
                other_ways |= !matches!(what, "valid-user" | "user" | "group");
            }
            "cgipassauth" => on |= words.next() == Some("on"),
            "setenvif" | "setenvifnocase" | "setenv" => on |= line.contains("http_authorization"),
            "rewriteengine" => rewrites |= words.next() == Some("on"),
            "rewriterule" if line.contains("e=http_authorization") => {
                on |= !ended;
                late |= ended;
                depends = false;
            }
            "rewriterule" => {
                let flags = line.rsplit_once('[').map_or("", |(_, flags)| flags);
                let ends = flags.split([',', ']']).any(|flag| matches!(flag.trim(), "l" | "last" | "end"));
                // Apache: a rule for index.php alone ends nothing for the address that was asked for, and what is set on the way
                // arrives as REDIRECT_HTTP_AUTHORIZATION.
                ended |= ends && !depends && matches!(words.next(), Some("." | ".*" | "(.*)" | "^(.*)$"));
                depends = false;
            }
            _ => {}
        }
    }
    match () {
        () if wanted && is_asked => Header::Wanted { always: !other_ways },
        () if on => Header::HandedOn,
        () if late => Header::TooLate,
        () if rewrites => Header::NoRule,
        () => Header::Nothing,
    }
}

/// The folders whose `.htaccess` Apache reads for the REST API, the one of WordPress's own rules first: that of `home`,
/// which may be above the one where WordPress lies, and those above it as far as the address has parts.
///
/// WordPress: `get_home_path()` in `wp-admin/includes/file.php`.
pub fn folders(root: &Path, home: &str, site_url: &str) -> Vec<PathBuf> {
    let path = |address: &str| {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let path = rest.split_once('/').map_or("", |(_, path)| path);
        let parts = path.split('/').filter(|part| !part.is_empty());
        parts.map(str::to_ascii_lowercase).collect::<Vec<_>>()
    };
    let above = |folder: &Path, part: &str| {
        let name = folder.file_name()?.to_string_lossy().to_ascii_lowercase();
        (name == part).then(|| folder.parent().map(Path::to_owned))?
    };
    let (home, site) = (path(home), path(site_url));
    let mut folder = root.to_owned();
    if let Some(own) = site.strip_prefix(home.as_slice()) {
        for part in own.iter().rev() {
            let Some(parent) = above(&folder, part) else { return vec![root.to_owned()] };
            folder = parent;
        }
    }
    let mut folders = vec![folder.clone()];
    for part in home.iter().rev() {
        let Some(parent) = above(&folder, part) else { break };
        folders.push(parent.clone());
        folder = parent;
    }
    folders
}

/// What a reading comes to: the state, and the sentence's end.
pub fn verdict(header: Header) -> (State, &'static str) {
    match header {
        Header::Removed => (State::Problem, "removes the Authorization header"),
        Header::Wanted { always: true } => (
            State::Problem,
            "asks for a user and password of its own (AuthType), in the header that an application password needs",
        ),
        Header::Wanted { always: false } => (
            State::Warning,
            "asks for a user and password of its own (AuthType) where nothing else lets a request in; an application password needs the same header",
        ),
        Header::TooLate => (
            State::Warning,
            "has its rule for the header behind the one that ends all rules, where it does nothing: move it up, right below RewriteEngine On",
        ),
        Header::HandedOn => (State::Ok, "hands the header on"),
        Header::NoRule => (State::Warning, "has no rule that hands the header on"),
        Header::Nothing => (State::Ok, "has no rules of WordPress"),
    }
}

/// What to do on a server that calls itself so (the answer's `Server`).
pub fn rule(server: &str) -> Option<&'static str> {
    let lower = server.to_ascii_lowercase();
    let rules = [
        (
            "apache",
            "CGIPassAuth On, or RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}] as the first rule",
        ),
        ("litespeed", "RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}] as the first rule"),
        (
            "nginx",
            "in the location that has fastcgi_pass: fastcgi_param HTTP_AUTHORIZATION $http_authorization; and no \
             fastcgi_pass_request_headers off; before another server: no proxy_set_header Authorization \"\"",
        ),
        ("caddy", "no request_header -Authorization; php_fastcgi hands it on by itself"),
        ("iis", "anonymous authentication only, so that IIS leaves the header alone"),
    ];
    rules.into_iter().find(|(name, _)| lower.contains(name)).map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maintenance_ends_when_wordpress_says_so() {
        let of = |php: &str| maintenance(php, 1_800_000_000);
        assert_eq!(of("<?php $upgrading = 1799999000; ?>"), Maintenance::Over);
        assert_eq!(of("<?php $upgrading=1799999900;"), Maintenance::Until(1_800_000_500));
        assert_eq!(of("<?php\n$upgrading = '1799999900';"), Maintenance::Until(1_800_000_500));
        assert_eq!(of("<?php $upgrading = time(); ?>"), Maintenance::Always);
        assert_eq!(of("<?php $upgrading = time ( ) ?>"), Maintenance::Always);
        // A number in a computation is no date.
        assert_eq!(of("<?php $upgrading = time() - 60;"), Maintenance::Unclear);
        assert_eq!(of("<?php $upgrading = time() + 3600;"), Maintenance::Unclear);
        // PHP takes what is not set for 0.
        for none in ["", "<?php", "<?php if ( $upgrading == 5 ) {}"] {
            assert_eq!(of(none), Maintenance::Over, "{none}");
        }
    }

    #[test]
    fn rules_are_read_as_apache_reads_them() {
        let wordpress = "# BEGIN WordPress\n<IfModule mod_rewrite.c>\nRewriteEngine On\n\
                         RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\nRewriteBase /\n\
                         RewriteRule ^index\\.php$ - [L]\nRewriteRule . /index.php [L]\n</IfModule>\n# END WordPress\n";
        for (text, header) in [
            ("", Header::Nothing),
            ("Options -Indexes\n", Header::Nothing),
            (wordpress, Header::HandedOn),
            ("CGIPassAuth On", Header::HandedOn),
            ("SetEnvIf Authorization \"(.*)\" HTTP_AUTHORIZATION=$1", Header::HandedOn),
            (
                "RewriteEngine On\n#RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]",
                Header::NoRule,
            ),
            (
                "RewriteEngine On\nRewriteRule . /index.php [L]\nRewriteRule .* - [E=HTTP_AUTHORIZATION:x]",
                Header::TooLate,
            ),
            (
                "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule . /index.php [L]\nRewriteRule .* - [E=HTTP_AUTHORIZATION:x]",
                Header::TooLate,
            ),
            (
                "RewriteEngine On\nRewriteCond %{HTTPS} off\nRewriteRule ^(.*)$ https://%{HTTP_HOST}/$1 [R=301,L]\n\
                 RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}]\nRewriteRule . /index.php [L]",
                Header::HandedOn,
            ),
            (
                "RewriteEngine On\nRewriteRule ^index\\.php$ - [L]\nRewriteRule .* - [E=HTTP_AUTHORIZATION:x]\nRewriteRule . /index.php [L]",
                Header::HandedOn,
            ),
            ("CGIPassAuth On\nRequestHeader set Authorization \"\"", Header::Removed),
            ("CGIPassAuth On\nRequestHeader set X-Authorization \"\"", Header::HandedOn),
            (
                "<If \"%{REQUEST_URI} =~ m#^/wp-admin#\">\nAuthType Basic\nRequire valid-user\n</If>",
                Header::Nothing,
            ),
            ("RewriteEngine Off", Header::Nothing),
            ("# CGIPassAuth On\nRewriteEngine on", Header::NoRule),
            ("<IfModule mod_headers.c>\nRequestHeader unset Authorization\n</IfModule>", Header::Removed),
            ("#RequestHeader unset Authorization", Header::Nothing),
            (
                "AuthType Basic\nAuthName \"Staging\"\nAuthUserFile /x\nRequire valid-user",
                Header::Wanted { always: true },
            ),
            (
                "AuthType Basic\nRequire valid-user\nSatisfy Any\nAllow from 10.0.0.0/8",
                Header::Wanted { always: false },
            ),
            (
                "AuthType Basic\n<RequireAny>\nRequire ip 10.0.0.0/8\nRequire valid-user\n</RequireAny>",
                Header::Wanted { always: false },
            ),
            (
                "<Files wp-login.php>\nAuthType Basic\nRequire valid-user\n</Files>\nRewriteEngine On",
                Header::NoRule,
            ),
            (
                "<FilesMatch \"^(wp-login|xmlrpc)\\.php$\">\nAuthType Basic\nRequire valid-user\n</FilesMatch>",
                Header::Nothing,
            ),
            ("AuthType None\nRequire all granted", Header::Nothing),
        ] {
            assert_eq!(htaccess(text), header, "{text}");
        }
    }

    #[test]
    fn the_folder_of_home_is_found_from_that_of_wordpress() {
        let of = |root: &str, home: &str, site: &str| folders(Path::new(root), home, site);
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(of("/srv/www", "https://e.org", "https://e.org"), paths(&["/srv/www"]));
        assert_eq!(of("/srv/web/wp", "https://e.org", "https://e.org/wp"), paths(&["/srv/web"]));
        assert_eq!(
            of("/srv/www/blog", "https://e.org/blog/", "https://e.org/blog"),
            paths(&["/srv/www/blog", "/srv/www"])
        );
        // The folder is called otherwise.
        assert_eq!(of("/srv/core", "https://e.org", "https://e.org/wp"), paths(&["/srv/core"]));
        assert_eq!(of("/srv/x", "https://e.org/blog", "https://e.org/blog"), paths(&["/srv/x"]));
        assert_eq!(of("/", "https://e.org", "https://e.org/wp"), paths(&["/"]));
    }

    #[test]
    fn a_server_is_known_by_its_name() {
        assert!(rule("Apache/2.4.62 (Debian)").unwrap().starts_with("CGIPassAuth"));
        assert!(rule("nginx").unwrap().contains("fastcgi_param"));
        assert!(rule("LiteSpeed").is_some() && rule("cloudflare").is_none());
    }
}
