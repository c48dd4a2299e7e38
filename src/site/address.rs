//! `--db` and `WP_APP_PASSWORD_DB`: a database named directly.
//!
//! `sqlite:FILE` (the rest is the path, as it is), `sqlite:///FILE` (percent-decoded), or
//! `mysql://user:password@host:port/name?option=value` (`mariadb://` means the same). No message of this
//! file holds any part of the address, because it contains a password.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::php::Plain;
use super::{Finding, FixedAddress, Origin, Request, Site, SiteError, given_prefix, object_cache, root};
use crate::secret::DatabasePassword;
use crate::store::{Address, MysqlAddress, SslMode, Tables};

/// How long a connection may take.
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one answer of the server may take.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// What `SET NAMES` takes. WordPress falls back to the server's default where the server does not know `DB_CHARSET`;
/// here a mistyped one would read other bytes than WordPress does without a word.
const CHARSETS: [&str; 38] = [
    "armscii8", "ascii", "big5", "binary", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866",
    "cp932", "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8",
    "keybcs2", "koi8r", "koi8u", "latin1", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7",
    "tis620", "ujis", "utf8", "utf8mb3", "utf8mb4",
];

/// The site that a database address names. `source` is the flag or variable that held it.
pub(super) fn site(url: &str, source: &str, request: &Request) -> Result<Site, SiteError> {
    let mut origins = Vec::new();
    let address = parse(url, source, &request.cwd, &mut origins)?;
    let mut tables = Tables::default();
    match given_prefix(request)? {
        Some((prefix, from)) => {
            origins.push(Origin::known("table_prefix", prefix.as_str(), from));
            tables.prefix = prefix;
        }
        None => origins.push(Origin::known("table_prefix", tables.prefix.as_str(), "default")),
    }
    let content_dir = match &address {
        Address::Sqlite(file) => content_dir_around(file),
        Address::Mysql(_) => None,
    };
    // The database of the SQLite integration lies inside the site, so the rest of the site is in reach.
    let root = content_dir.as_deref().and_then(Path::parent).filter(|dir| dir.join("wp-load.php").is_file());
    Ok(Site {
        address,
        tables,
        object_cache: content_dir
            .as_deref()
            .and_then(|content_dir| object_cache::find(content_dir, &object_cache::NoSettings)),
        version_php: root.and_then(root::version),
        root: root.map(Path::to_path_buf),
        files_out_of_sight: content_dir.is_none(),
        super_admins: None,
        is_sandbox: false,
        // The configuration, which could name another folder, was not looked at.
        mu_plugin_dir: Ok(content_dir.as_deref().map(|content_dir| content_dir.join("mu-plugins"))),
        plugin_dir: content_dir.as_deref().map(|content_dir| content_dir.join("plugins")),
        content_dir,
        home: FixedAddress::No,
        site_url: FixedAddress::No,
        url: None,
        origins,
        notes: Vec::new(),
    })
}

/// The password of an address as a finding of its own: origins never hold it.
pub(super) fn password(address: &Address, origins: &[Origin]) -> Option<Finding> {
    let Address::Mysql(address) = address else { return None };
    let source = &origins.iter().find(|origin| origin.name == "DB_PASSWORD")?.source;
    let value = Plain::Bytes(address.password.expose().to_vec());
    Some(Finding { value, ..Finding::known("DB_PASSWORD", "", source) })
}

/// `wp-content`, when the file lies in `wp-content/database` as the SQLite integration puts it.
fn content_dir_around(file: &Path) -> Option<PathBuf> {
    let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    let folder = file.parent()?;
    if folder.file_name()? != "database" {
        return None;
    }
    let content = folder.parent()?;
    let looks_right = content.join("db.php").is_file()
        || content.join("object-cache.php").is_file()
        || content.join("plugins").is_dir();
    looks_right.then(|| content.to_path_buf())
}

/// Reads an address. Relative SQLite paths start at `cwd`.
pub(super) fn parse(
    url: &str,
    source: &str,
    cwd: &Path,
    origins: &mut Vec<Origin>,
) -> Result<Address, SiteError> {
    let scheme_end = url.find(':').unwrap_or(0);
    let (scheme, rest) = (url[..scheme_end].to_ascii_lowercase(), url.get(scheme_end + 1..).unwrap_or(""));
    match scheme.as_str() {
        "sqlite" | "sqlite3" => {
            let path = match rest.strip_prefix("//") {
                Some(encoded) => path_from(percent_decode(encoded, source)?),
                None => PathBuf::from(rest),
            };
            if path.as_os_str().is_empty() {
                return Err(SiteError::Usage(format!("{source} names no file; write sqlite:FILE.")));
            }
            let path = cwd.join(path);
            origins.push(Origin::known("address", format!("SQLite database {}", path.display()), source));
            Ok(Address::Sqlite(path))
        }
        "mysql" | "mariadb" => {
            let address = parse_mysql(rest, source, cwd)?;
            describe(&address, source, origins);
            Ok(Address::Mysql(address))
        }
        _ => Err(SiteError::Usage(format!(
            "{source} must be sqlite:FILE or mysql://user:password@host:port/name."
        ))),
    }
}

/// Adds what may be shown of a server's address to the origins.
fn describe(address: &MysqlAddress, source: &str, origins: &mut Vec<Origin>) {
    let host = match &address.socket {
        Some(socket) => format!("localhost:{}", socket.display()),
        None => format!("{}:{}", address.host, address.port),
    };
    origins.push(Origin::known("DB_HOST", host, source));
    origins.push(Origin::known("DB_NAME", address.database.as_str(), source));
    origins.push(Origin::known("DB_USER", address.user.as_str(), source));
    let password = if address.password.is_empty() { "" } else { "(hidden)" };
    origins.push(Origin::known("DB_PASSWORD", password, source));
    origins.push(Origin::known("DB_CHARSET", address.charset.as_str(), source));
}

fn parse_mysql(rest: &str, source: &str, cwd: &Path) -> Result<MysqlAddress, SiteError> {
    let wrong = |what: &str| {
        SiteError::Usage(format!(
            "{source} cannot be read: {what}. Write mysql://user:password@host:port/name, with characters like @ : / ? # % in the user's name or password percent-encoded (%40 for @)."
        ))
    };
    let rest = rest.strip_prefix("//").ok_or_else(|| wrong("two slashes must follow mysql:"))?;
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(authority_end);
    if tail.contains('#') {
        return Err(wrong("it contains a #"));
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if path.contains('@') {
        // An unencoded slash in the password ends the authority too early.
        return Err(wrong("an @ follows the first slash"));
    }
    let (login, place) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (host, port) = match place.strip_prefix('[') {
        Some(v6) => {
            let (host, after) =
                v6.split_once(']').ok_or_else(|| wrong("the bracket of the address is not closed"))?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| wrong("the brackets hold no IPv6 address"))?;
            match after {
                "" => (host, None),
                _ => (
                    host,
                    Some(after.strip_prefix(':').ok_or_else(|| wrong("something follows the bracket"))?),
                ),
            }
        }
        None => match place.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        },
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) => match digits.parse::<u16>() {
            Ok(number) if number > 0 => Some(number),
            _ => return Err(wrong("the port is not a number from 1 to 65535")),
        },
    };
    let text = |encoded: &str, what: &str| -> Result<String, SiteError> {
        String::from_utf8(percent_decode(encoded, source)?).map_err(|_| wrong(what))
    };
    let database = text(path.trim_start_matches('/'), "the database's name is not UTF-8")?;
    if database.is_empty() {
        return Err(wrong("it names no database"));
    }
    let host = text(host, "the host is not UTF-8")?;
    let mut address = MysqlAddress {
        host: if host.is_empty() { "localhost".into() } else { host },
        port: port.unwrap_or(3306),
        socket: None,
        user: text(user, "the user's name is not UTF-8")?,
        password: DatabasePassword::new(percent_decode(password, source)?),
        database,
        charset: "utf8mb4".into(),
        ssl_mode: SslMode::default(),
        ssl_ca: None,
        connect_timeout: CONNECT_TIMEOUT,
        read_timeout: READ_TIMEOUT,
    };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode(value, source)?;
        let value_text = String::from_utf8_lossy(&value).into_owned();
        match name.to_ascii_lowercase().replace('_', "-").as_str() {
            "socket" | "unix-socket" => address.socket = Some(path_from(value)),
            "ssl-mode" | "sslmode" => {
                address.ssl_mode = match value_text.to_ascii_lowercase().replace('_', "-").as_str() {
                    "disabled" | "disable" => SslMode::Disabled,
                    "preferred" | "prefer" => SslMode::Preferred,
                    "required" | "require" => SslMode::Required,
                    "verify-ca" => SslMode::VerifyCa,
                    "verify-identity" | "verify-full" => SslMode::VerifyIdentity,
                    _ => {
                        return Err(SiteError::Usage(format!(
                            "{source}: ssl-mode is disabled, preferred, required, verify-ca or verify-identity."
                        )));
                    }
                }
            }
            "ssl-ca" => address.ssl_ca = Some(cwd.join(path_from(value))),
            "charset" => {
                let known = CHARSETS.iter().any(|charset| value_text.eq_ignore_ascii_case(charset));
                if !known && !value_text.is_empty() {
                    return Err(SiteError::Usage(format!(
                        "{source}: charset is none that MySQL and MariaDB know for a connection, such as utf8mb4 or latin1. \
                         It is the site's DB_CHARSET; leave it empty where that is empty."
                    )));
                }
                address.charset = value_text;
            }
            "connect-timeout" => address.connect_timeout = seconds(&value_text, "connect-timeout", source)?,
            "read-timeout" => address.read_timeout = seconds(&value_text, "read-timeout", source)?,
            _ => {
                return Err(SiteError::Usage(format!(
                    "{source} has an option that is not known. Known are socket, ssl-mode, ssl-ca, charset, connect-timeout and read-timeout."
                )));
            }
        }
    }
    if address.ssl_ca.is_some() && !matches!(address.ssl_mode, SslMode::VerifyCa | SslMode::VerifyIdentity) {
        if address.ssl_mode == SslMode::Disabled {
            return Err(SiteError::Usage(format!("{source}: ssl-ca makes no sense with ssl-mode=disabled.")));
        }
        // As the `mysql` client does: who names an authority wants it asked.
        address.ssl_mode = SslMode::VerifyCa;
    }
    if address.socket.is_none() && address.host.eq_ignore_ascii_case("localhost") {
        match port {
            // Like every MySQL client, `localhost` means the socket; a port says that TCP is wanted.
            None => address.socket = super::db_host::default_socket().map(|(socket, _)| socket),
            Some(_) => address.host = "127.0.0.1".into(),
        }
    }
    Ok(address)
}

fn seconds(value: &str, name: &str, source: &str) -> Result<Duration, SiteError> {
    match value.parse::<f64>() {
        Ok(number) if number > 0.0 && number <= 86_400.0 => Ok(Duration::from_secs_f64(number)),
        _ => Err(SiteError::Usage(format!("{source}: {name} is a number of seconds from 0.1 to 86400."))),
    }
}

/// Decodes `%hh`. `+` stays a plus sign: this is not a form.
pub(super) fn percent_decode(text: &str, source: &str) -> Result<Vec<u8>, SiteError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = digits
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .ok_or_else(|| {
                SiteError::Usage(format!(
                    "{source} has a % that two hexadecimal digits do not follow; write %25 for the character itself."
                ))
            })?;
        bytes.push(byte);
        rest = &tail[2..];
    }
    Ok(bytes)
}

fn path_from(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Address, SiteError> {
        parse(url, "--db", Path::new("/cwd"), &mut Vec::new())
    }

    fn mysql(url: &str) -> MysqlAddress {
        match read(url) {
            Ok(Address::Mysql(address)) => address,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn sqlite_paths_are_relative_absolute_or_encoded() {
        let file = |path: &str| Ok(Address::Sqlite(PathBuf::from(path)));
        assert_eq!(read("sqlite:a%20b.sqlite"), file("/cwd/a%20b.sqlite"));
        assert_eq!(read("sqlite:/srv/x?.db"), file("/srv/x?.db"));
        assert_eq!(read("sqlite:///srv/a%20b.db"), file("/srv/a b.db"));
        assert!(read("sqlite:").is_err() && read("/srv/x.db").is_err() && read("").is_err());
    }

    #[test]
    fn a_mysql_address_is_percent_decoded() {
        let address = mysql(
            "mysql://wp%40x:p%3A%2Fss%25%ff@db.example.com:3307/my%20db?charset=latin1&read-timeout=2.5",
        );
        assert_eq!((address.user.as_str(), address.database.as_str()), ("wp@x", "my db"));
        assert_eq!(address.password.expose(), b"p:/ss%\xff");
        assert_eq!((address.host.as_str(), address.port), ("db.example.com", 3307));
        assert_eq!(address.charset, "latin1");
        assert_eq!(address.read_timeout, Duration::from_millis(2500));
    }

    #[test]
    fn hosts_may_be_ipv6_sockets_or_nothing() {
        assert_eq!(mysql("mysql://u@[2001:db8::1]:3310/d").host, "2001:db8::1");
        assert_eq!(mysql("mariadb://u@[::1]/d").port, 3306);
        let address = mysql("mysql://u:p@/d?socket=/tmp/s%20s.sock");
        assert_eq!(address.socket, Some(PathBuf::from("/tmp/s s.sock")));
        let address = mysql("mysql://u:p@localhost:3307/d");
        assert_eq!((address.host.as_str(), address.port, address.socket), ("127.0.0.1", 3307, None));
    }

    #[test]
    fn naming_an_authority_means_asking_it() {
        let address = mysql("mysql://u@h/d?ssl-ca=ca.pem");
        assert_eq!(address.ssl_mode, SslMode::VerifyCa);
        assert_eq!(address.ssl_ca, Some(PathBuf::from("/cwd/ca.pem")));
        assert!(read("mysql://u@h/d?ssl-mode=disabled&ssl-ca=x").is_err());
    }

    #[test]
    fn no_message_holds_the_password() {
        for url in [
            "mysql:u:hunter2@h/d",
            "mysql://u:hunter2/x@h/d",
            "mysql://u:hunter2#x@h/d",
            "mysql://u:hunter2%zz@h/d",
            "mysql://u:hunter2@h:99999/d",
            "mysql://u:hunter2:3@h/",
            "mysql://u:hunter2@[::1/d",
            "mysql://u:hunter2@h/d?hunter2=hunter2",
            "mysql://u:hunter2@h/d?ssl-mode=hunter2",
            "postgres://u:hunter2@h/d",
        ] {
            let message = read(url).unwrap_err().to_string();
            assert!(!message.contains("hunter2") && message.starts_with("--db"), "{url}: {message}");
        }
    }
}
