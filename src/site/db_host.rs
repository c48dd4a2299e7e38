//! `DB_HOST` in all its forms, and the socket behind `localhost`.
//!
//! Mirrors `wpdb::parse_db_host()` in `class-wpdb.php` and what PHP's `mysqli_real_connect()` makes of the
//! result.

use std::path::{Path, PathBuf};

/// Where a `DB_HOST` leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Empty and `localhost` mean the socket.
    pub host: String,
    /// The port, if one was written and counts.
    pub port: Option<u16>,
    /// The socket, if one was written.
    pub socket: Option<String>,
}

/// Splits a `DB_HOST`. `None`: WordPress cannot split it either and hands it to the driver whole.
pub(super) fn parse(value: &str) -> Option<Place> {
    let (value, socket) = match value.find(":/") {
        Some(at) => (&value[..at], Some(value[at + 1..].to_owned())),
        None => (value, None),
    };
    if value.matches(':').count() > 1 {
        let (host, port) = split_v6(value)?;
        return Some(Place { host, port, socket });
    }
    // WordPress: `[^:/]*` at the start is the host, digits after a colon the port, the rest is ignored.
    let host_end = value.find([':', '/']).unwrap_or(value.len());
    let port = value[host_end..].strip_prefix(':').and_then(leading_port);
    Some(Place { host: value[..host_end].to_owned(), port, socket })
}

/// WordPress: the optional bracket, `[0-9a-fA-F:]+`, the optional bracket, and `:digits` anywhere after
/// a closing bracket. A zone (`%eth0`) is not matched and so dropped.
fn split_v6(value: &str) -> Option<(String, Option<u16>)> {
    let inner = value.strip_prefix('[').unwrap_or(value);
    let end = inner.find(|c: char| !c.is_ascii_hexdigit() && c != ':').unwrap_or(inner.len());
    if end == 0 {
        return None;
    }
    let port = inner[end..].strip_prefix("]:").and_then(leading_port);
    Some((inner[..end].to_owned(), port))
}

fn leading_port(text: &str) -> Option<u16> {
    let digits = &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())];
    // PHP: port 0 means the default.
    digits.parse::<u16>().ok().filter(|port| *port != 0)
}

/// The socket that PHP would use for `localhost`, and where that is known from.
///
/// PHP: `mysqli.default_socket`, else what the library was built with, which differs between
/// distributions; so the places that exist are looked at. `None`: no socket anywhere.
pub(super) fn default_socket() -> Option<(PathBuf, String)> {
    socket_in(Path::new("/"))
}

/// As [`default_socket`], below another root folder.
fn socket_in(root: &Path) -> Option<(PathBuf, String)> {
    let below = |path: &str| root.join(path.trim_start_matches('/'));
    let mut configured = Vec::new();
    for ini in php_ini_files(root) {
        if let Some(socket) = std::fs::read_to_string(&ini).ok().as_deref().and_then(ini_socket) {
            configured.push((socket, ini));
        }
    }
    for (socket, ini) in &configured {
        if below(socket).exists() {
            return Some((below(socket), format!("mysqli.default_socket in {}", ini.display())));
        }
    }
    USUAL_SOCKETS
        .iter()
        .map(|socket| below(socket))
        .find(|socket| socket.exists())
        .map(|socket| (socket, "a usual place, because PHP's configuration names none".to_owned()))
        .or_else(|| {
            // Named but not there: the server is down, and the message should say which socket is missing.
            configured
                .into_iter()
                .next()
                .map(|(socket, ini)| (below(&socket), format!("mysqli.default_socket in {}", ini.display())))
        })
}

const USUAL_SOCKETS: [&str; 9] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
    "/run/mysql/mysql.sock",
    "/var/run/mysql/mysql.sock",
    "/var/mysql/mysql.sock",
    "/opt/lampp/var/mysql/mysql.sock",
    "/Applications/MAMP/tmp/mysql/mysql.sock",
];

/// The web server's `php.ini` files, the ones for FPM and Apache before the command line's.
fn php_ini_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut versions: Vec<PathBuf> = std::fs::read_dir(root.join("etc/php"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    versions.sort();
    versions.reverse();
    for kind in ["fpm", "apache2", "cgi", "cli"] {
        files.extend(versions.iter().map(|version| version.join(kind).join("php.ini")));
    }
    files.extend(
        ["etc/php.ini", "usr/local/etc/php/php.ini", "usr/local/etc/php.ini"].map(|file| root.join(file)),
    );
    files
}

fn ini_socket(ini: &str) -> Option<String> {
    ini.lines()
        .filter_map(|line| line.trim_start().strip_prefix("mysqli.default_socket"))
        .filter_map(|rest| rest.trim_start().strip_prefix('='))
        .map(|value| value.split(';').next().unwrap_or("").trim().trim_matches(['"', '\'']).to_owned())
        .rfind(|value| value.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(host: &str, port: Option<u16>, socket: Option<&str>) -> Option<Place> {
        Some(Place { host: host.into(), port, socket: socket.map(str::to_owned) })
    }

    #[test]
    fn every_form_of_db_host_splits_as_wordpress_splits_it() {
        for (value, expected) in [
            ("localhost", place("localhost", None, None)),
            ("localhost:3307", place("localhost", Some(3307), None)),
            ("localhost:/run/x.sock", place("localhost", None, Some("/run/x.sock"))),
            (":/tmp/s.sock", place("", None, Some("/tmp/s.sock"))),
            ("localhost:3306:/tmp/s.sock", place("localhost", Some(3306), Some("/tmp/s.sock"))),
            (
                "localhost:/cloudsql/proj:region:inst",
                place("localhost", None, Some("/cloudsql/proj:region:inst")),
            ),
            ("[::1]:3306", place("::1", Some(3306), None)),
            ("[::1]", place("::1", None, None)),
            ("::1", place("::1", None, None)),
            ("2001:db8::1", place("2001:db8::1", None, None)),
            ("[2001:db8::1]:3306:/tmp/s", place("2001:db8::1", Some(3306), Some("/tmp/s"))),
            ("fe80::1%eth0", place("fe80::1", None, None)),
            ("db.example.com:3306/name", place("db.example.com", Some(3306), None)),
            ("host:abc", place("host", None, None)),
            ("host:0", place("host", None, None)),
            ("/tmp/s.sock", place("", None, None)),
            ("tcp://host:3306", place("tcp", None, Some("//host:3306"))),
            ("p:localhost", place("p", None, None)),
            ("p:127.0.0.1:3306", None),
            ("p:[::1]:3306", None),
        ] {
            assert_eq!(parse(value), expected, "{value}");
        }
    }

    #[test]
    fn the_socket_is_the_configured_one_then_a_usual_one() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        assert_eq!(socket_in(root.path()), None);
        write(
            "etc/php/8.2/fpm/php.ini",
            "; mysqli.default_socket = /no\nmysqli.default_socket = \"/srv/db.sock\" ; x\n",
        );
        assert!(socket_in(root.path()).unwrap().0.ends_with("srv/db.sock"));
        write("var/lib/mysql/mysql.sock", "");
        assert!(socket_in(root.path()).unwrap().0.ends_with("var/lib/mysql/mysql.sock"));
        write("srv/db.sock", "");
        let (socket, source) = socket_in(root.path()).unwrap();
        assert!(socket.ends_with("srv/db.sock") && source.contains("fpm/php.ini"), "{source}");
    }
}
