//! From an evaluated `wp-config.php` to a site: which constants count, and what WordPress makes of them.
//!
//! Mirrors `require_wp_db()` and `wp_set_wpdb_vars()` in `wp-includes/load.php`, `is_multisite()`, and the
//! drop-ins in `wp-content/db.php` that change which database is used.

use std::path::{Path, PathBuf};

use super::address::{CONNECT_TIMEOUT, READ_TIMEOUT};
use super::php::{self, End, Input, Outcome, Plain, Setting, Url};
use super::{
    Finding, Origin, Request, Site, SiteError, State, Survey, check_prefix, db_host, env_file, given_prefix,
    root,
};
use crate::secret::DatabasePassword;
use crate::store::{Address, MysqlAddress, SslMode, Tables};

/// Constants that decide which database and tables are used, and what lies beside them.
const DECISIVE: [&str; 24] = [
    "DB_NAME",
    "DB_USER",
    "DB_PASSWORD",
    "DB_HOST",
    "DB_CHARSET",
    "DB_COLLATE",
    "MYSQL_CLIENT_FLAGS",
    "DB_ENGINE",
    "DATABASE_ENGINE",
    "DB_DIR",
    "DB_FILE",
    "FQDB",
    "FQDBDIR",
    "DB_CONFIG_FILE",
    "MULTISITE",
    "SUBDOMAIN_INSTALL",
    "VHOST",
    "SUNRISE",
    "PRIMARY_NETWORK_ID",
    "CUSTOM_USER_TABLE",
    "CUSTOM_USER_META_TABLE",
    "ABSPATH",
    "WP_CONTENT_DIR",
    "WP_ENVIRONMENT_TYPE",
];

/// Constants that persistent object caches read. Others that begin with `WP_REDIS_` or
/// `WP_SQLITE_OBJECT_CACHE_` are shown where they are set.
const OF_CACHES: [&str; 17] = [
    "WP_CACHE_KEY_SALT",
    "WP_REDIS_SCHEME",
    "WP_REDIS_HOST",
    "WP_REDIS_PORT",
    "WP_REDIS_PATH",
    "WP_REDIS_DATABASE",
    "WP_REDIS_PREFIX",
    "WP_REDIS_USERNAME",
    "WP_REDIS_PASSWORD",
    "WP_REDIS_SERVERS",
    "WP_REDIS_CLUSTER",
    "WP_REDIS_SENTINEL",
    "WP_REDIS_SHARDS",
    "WP_REDIS_DISABLED",
    "WP_REDIS_USE_CACHE_GROUPS",
    "WP_REDIS_CONFIG",
    "WP_SQLITE_OBJECT_CACHE_DB_FILE",
];

/// Variables that decide something: the prefix, and what WP Redis and Memcached connect to.
const VARIABLES: [&str; 3] = ["table_prefix", "redis_server", "memcached_servers"];

/// What to do when a setting cannot be had from the files.
const WAY_OUT: &str = "Name the database with --db or WP_APP_PASSWORD_DB instead.";

/// Evaluates the configuration of a root, or a configuration on its own.
pub(super) fn load(root: Option<&Path>, file: &Path, request: &Request) -> Result<Config, SiteError> {
    let root = root.map(|root| root.canonicalize().unwrap_or_else(|_| root.to_path_buf()));
    let url = match &request.url {
        Some(url) => Some(Url::parse(url).ok_or_else(|| {
            SiteError::Usage(format!("The address {url:?} given with --url is not one: it names no host."))
        })?),
        None => None,
    };
    let mut env = request.env.clone();
    for path in &request.env_files {
        env.0.extend(env_file::read(&request.cwd.join(path)).map_err(SiteError::Config)?);
    }
    let input = Input {
        file: file.to_path_buf(),
        working_dir: match (&root, file.parent()) {
            (Some(root), _) => root.clone(),
            (None, folder) => folder.unwrap_or(Path::new("/")).to_path_buf(),
        },
        root: root.clone(),
        env: &env,
        url,
        limited_to_owner: owner_if_root(file),
    };
    let outcome = php::evaluate(&input).map_err(SiteError::Config)?;
    Ok(Config {
        outcome,
        file: file.to_path_buf(),
        root,
        is_whole_environment: !request.env_files.is_empty(),
        accepts_assumed: request.assume_env,
    })
}

/// The owner of the configuration, if this process is root's and so may read more than that user.
fn owner_if_root(file: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(file).ok()?.uid();
    (rustix::process::geteuid().is_root() && owner != 0).then_some(owner)
}

/// An evaluated configuration.
pub(super) struct Config {
    outcome: Outcome,
    file: PathBuf,
    root: Option<PathBuf>,
    /// `--env-file`: what is not set there is not set in the web server either.
    is_whole_environment: bool,
    /// `--assume-env`.
    accepts_assumed: bool,
}

impl Config {
    /// What commands work on.
    pub(super) fn site(&self, request: &Request) -> Result<Site, SiteError> {
        let mut origins = self.origins();
        let mut notes = Vec::new();
        let content_dir = match (self.path("WP_CONTENT_DIR")?, &self.root) {
            (Some(path), _) => Some(path),
            (None, Some(root)) => Some(root.join("wp-content")),
            (None, None) => {
                notes.push(format!(
                    "Where WordPress lies is not known from {} alone, so drop-ins (SQLite, object caches) were \
                     not looked for. Give --path too.",
                    self.file.display()
                ));
                None
            }
        };
        let dropin =
            content_dir.as_deref().map_or(Ok(Dropin::None), |content_dir| self.dropin(content_dir))?;
        let address = match (dropin, &content_dir) {
            (Dropin::Sqlite, Some(content_dir)) => {
                let file = self.sqlite_file(content_dir)?;
                origins.push(Origin::known(
                    "address",
                    format!("SQLite database {}", file.display()),
                    "wp-content/db.php",
                ));
                Address::Sqlite(file)
            }
            _ => Address::Mysql(self.mysql(&mut origins, &mut notes)?),
        };
        let tables = self.tables(request, &mut origins)?;
        Ok(Site {
            address,
            tables,
            object_cache: content_dir.as_deref().and_then(root::object_cache),
            content_dir,
            root: self.root.clone(),
            version_php: self.root.as_deref().and_then(root::version),
            url: None,
            origins,
            notes,
        })
    }

    /// Everything, certain or not.
    pub(super) fn survey(&self, request: &Request) -> Survey {
        let mut site = self.site(request);
        if let Ok(site) = &mut site {
            site.url.clone_from(&request.url);
        }
        Survey {
            root: self.root.clone(),
            wp_config: Some(self.file.clone()),
            settings: self.findings(request),
            site,
        }
    }

    fn findings(&self, request: &Request) -> Vec<Finding> {
        let mut findings: Vec<Finding> = DECISIVE
            .iter()
            .chain(&OF_CACHES)
            .map(|name| self.finding(name, self.outcome.constant(name)))
            .collect();
        let variables = VARIABLES.iter().map(|name| self.finding(name, self.outcome.variable(name)));
        findings.splice(6..6, variables.clone().take(1));
        findings.extend(variables.skip(1));
        let mut others: Vec<&str> = self
            .outcome
            .constant_names()
            .filter(|name| name.starts_with("WP_REDIS_") || name.starts_with("WP_SQLITE_OBJECT_CACHE_"))
            .filter(|name| !OF_CACHES.contains(name))
            .collect();
        others.sort_unstable();
        findings.extend(others.iter().map(|name| self.finding(name, self.outcome.constant(name))));
        if let Ok(Some((prefix, source))) = given_prefix(request) {
            for finding in findings.iter_mut().filter(|finding| finding.name == "table_prefix") {
                *finding = Finding::known("table_prefix", &prefix, source);
            }
        }
        findings
    }

    fn finding(&self, name: &str, setting: Option<Setting>) -> Finding {
        let Some(setting) = setting else {
            let state = State::Undefined;
            return Finding {
                name: name.into(),
                value: Plain::Null,
                state,
                source: String::new(),
                reason: None,
            };
        };
        let (value, reason) = match setting.value {
            Plain::Unknown(reason) => (Plain::Null, Some(reason)),
            value => (value, None),
        };
        let state = match setting.state {
            State::Assumed if self.is_whole_environment => State::Known,
            state => state,
        };
        let variables = setting.variables.join(", ");
        let reason = reason.or_else(|| {
            (state == State::Assumed)
                .then(|| format!("it is the fallback for an environment ({variables}) that is not set here"))
        });
        let source = match variables.as_str() {
            "" => setting.source,
            variables => format!("{} (environment: {variables})", setting.source),
        };
        // Defined before the configuration is loaded, so no line of it did.
        let source = if name == "ABSPATH" && self.root.is_some() { "wp-load.php".into() } else { source };
        Finding { name: name.into(), value, state, source, reason }
    }

    fn origins(&self) -> Vec<Origin> {
        let mut origins = Vec::new();
        if let Some(root) = &self.root {
            origins.push(Origin::known("root", root.display().to_string(), "--path, or found upward"));
        }
        let file = self.file.display().to_string();
        origins.push(Origin::known("wp-config.php", file, "--wp-config, the root or the folder above"));
        for finding in self.findings(&Request::default()) {
            if finding.state != State::Undefined {
                let shown = finding.reason.as_ref().filter(|_| finding.state == State::Unknown);
                origins.push(Origin {
                    shown: shown.cloned().unwrap_or_else(|| finding.shown(false)),
                    name: finding.name,
                    state: finding.state,
                    source: finding.source,
                });
            }
        }
        origins
    }

    /// A constant that decides something, or why it cannot be had.
    fn decided(&self, name: &str) -> Result<Option<Setting>, SiteError> {
        self.check(name, self.outcome.constant(name))
    }

    fn check(&self, name: &str, setting: Option<Setting>) -> Result<Option<Setting>, SiteError> {
        let Some(setting) = setting else { return Ok(None) };
        match (&setting.value, setting.state) {
            (Plain::Unknown(reason), _) => {
                Err(SiteError::Unclear(format!("{name} cannot be determined: {reason}. {WAY_OUT}")))
            }
            (_, State::Assumed) if !self.is_whole_environment && !self.accepts_assumed => {
                let variables = setting.variables.join(", ");
                Err(SiteError::Unclear(format!(
                    "{name} is only what {} falls back to: it depends on the environment ({variables}), which is not set here and may be set in the web server. Set it here too, give the web server's environment with --env-file, accept the fallback with --assume-env, or name the database with --db or WP_APP_PASSWORD_DB.",
                    setting.source
                )))
            }
            _ => Ok(Some(setting)),
        }
    }

    /// A constant as PHP's string conversion gives it; empty if it is not defined.
    fn bytes(&self, name: &str) -> Result<Vec<u8>, SiteError> {
        Ok(match self.decided(name)?.map(|setting| setting.value) {
            None | Some(Plain::Null | Plain::Bool(false)) => Vec::new(),
            Some(Plain::Bool(true)) => b"1".to_vec(),
            Some(Plain::Int(number)) => number.to_string().into_bytes(),
            Some(Plain::Bytes(bytes)) => bytes,
            Some(_) => {
                return Err(SiteError::Config(format!("{name} in {} is not a text.", self.file.display())));
            }
        })
    }

    fn text(&self, name: &str) -> Result<String, SiteError> {
        String::from_utf8(self.bytes(name)?)
            .map_err(|_| SiteError::Config(format!("{name} in {} is not UTF-8.", self.file.display())))
    }

    /// A path; a relative one starts at the root, where the web server's PHP works.
    fn path(&self, name: &str) -> Result<Option<PathBuf>, SiteError> {
        use std::os::unix::ffi::OsStringExt;
        let bytes = self.bytes(name)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
        match &self.root {
            _ if path.is_absolute() => Ok(Some(path)),
            Some(root) => Ok(Some(root.join(path))),
            None => Err(SiteError::Config(format!(
                "{name} ({}) is relative to WordPress's root, which is not known here. Give --path too.",
                path.display()
            ))),
        }
    }

    fn mysql(&self, origins: &mut Vec<Origin>, notes: &mut Vec<String>) -> Result<MysqlAddress, SiteError> {
        let database = self.text("DB_NAME")?;
        if database.is_empty() {
            let cause = match &self.outcome.end {
                End::Error(reason) => format!(" PHP would fail there: {reason}."),
                End::Exit => " It ends with exit.".to_owned(),
                End::Complete => String::new(),
            };
            return Err(SiteError::Config(format!(
                "{} names no database (DB_NAME).{cause} {WAY_OUT}",
                self.file.display()
            )));
        }
        let written = self.text("DB_HOST")?;
        let flags = match self.decided("MYSQL_CLIENT_FLAGS")?.map(|setting| setting.value) {
            Some(Plain::Int(flags)) => flags,
            None | Some(Plain::Null | Plain::Bool(_)) => 0,
            Some(_) => {
                return Err(SiteError::Config(format!(
                    "MYSQL_CLIENT_FLAGS in {} is not a number.",
                    self.file.display()
                )));
            }
        };
        // WordPress: what `parse_db_host()` cannot split goes to mysqli whole, which knows `p:`.
        let place = match db_host::parse(&written) {
            Some(place) => place,
            None => written.strip_prefix("p:").and_then(db_host::parse).ok_or_else(|| {
                SiteError::Config(format!(
                    "DB_HOST in {} ({written:?}) cannot be split into host, port and socket. {WAY_OUT}",
                    self.file.display()
                ))
            })?,
        };
        let mut address = MysqlAddress {
            host: place.host,
            port: place.port.unwrap_or(3306),
            socket: None,
            user: self.text("DB_USER")?,
            password: DatabasePassword::new(self.bytes("DB_PASSWORD")?),
            database,
            charset: self.charset()?,
            ssl_mode: ssl_mode(flags),
            ssl_ca: None,
            connect_timeout: CONNECT_TIMEOUT,
            read_timeout: READ_TIMEOUT,
        };
        // PHP: `localhost` and nothing mean the socket, whatever port is written; any other host means
        // TCP, whatever socket is written.
        if address.host.is_empty() || address.host.eq_ignore_ascii_case("localhost") {
            let (socket, source) = match place.socket {
                Some(socket) => (PathBuf::from(socket), "DB_HOST".to_owned()),
                None => db_host::default_socket().ok_or_else(|| {
                    SiteError::Config(format!(
                        "DB_HOST is {written:?}, which means a socket to PHP, but none was found. Name it with --db 'mysql://…@localhost/{}?socket=FILE'.",
                        address.database
                    ))
                })?,
            };
            origins.push(Origin::known("socket", socket.display().to_string(), source));
            address.host = "localhost".into();
            address.socket = Some(socket);
            if place.port.is_some() && written.contains(':') && !written.contains('/') {
                notes.push(format!(
                    "DB_HOST is {written:?}: PHP ignores the port of localhost and uses the socket {}.",
                    address.socket.as_deref().unwrap_or(Path::new("")).display()
                ));
            }
        }
        Ok(address)
    }

    /// `wpdb::init_charset()`: without `DB_CHARSET` a network gets utf8, a single site nothing.
    fn charset(&self) -> Result<String, SiteError> {
        let charset = self.text("DB_CHARSET")?;
        let is_network = self.multisite() == Some(true);
        Ok(if charset.is_empty() && is_network { "utf8".into() } else { charset })
    }

    /// `is_multisite()`. `None`: not to be known from the files; the tables tell.
    fn multisite(&self) -> Option<bool> {
        match self.outcome.constant("MULTISITE") {
            Some(Setting { value: Plain::Unknown(_), .. }) => None,
            Some(setting) => truth(&setting.value),
            None => {
                let mut known = Some(false);
                for name in ["SUBDOMAIN_INSTALL", "VHOST", "SUNRISE"] {
                    match self.outcome.constant(name) {
                        Some(Setting { value: Plain::Unknown(_), .. }) => known = None,
                        Some(_) => return Some(true),
                        None => {}
                    }
                }
                known
            }
        }
    }

    fn tables(&self, request: &Request, origins: &mut Vec<Origin>) -> Result<Tables, SiteError> {
        let prefix = match given_prefix(request)? {
            Some((prefix, source)) => {
                origins.retain(|origin| origin.name != "table_prefix");
                origins.push(Origin::known("table_prefix", prefix.as_str(), source));
                prefix
            }
            None => self.prefix()?,
        };
        let table = |name: &str| -> Result<Option<String>, SiteError> {
            // WordPress: `wpdb::tables()` takes the constant as the whole name of the table.
            Ok(Some(self.text(name)?).filter(|table| !table.is_empty()))
        };
        let number = |name: &str| match self.outcome.constant(name).map(|setting| setting.value) {
            Some(Plain::Int(number)) => u64::try_from(number).ok(),
            Some(Plain::Bytes(bytes)) => {
                String::from_utf8(bytes).ok().and_then(|text| text.trim().parse().ok())
            }
            _ => None,
        };
        Ok(Tables {
            prefix,
            blog_id: 1,
            users: table("CUSTOM_USER_TABLE")?,
            usermeta: table("CUSTOM_USER_META_TABLE")?,
            multisite: self.multisite(),
            primary_network: number("PRIMARY_NETWORK_ID"),
        })
    }

    fn prefix(&self) -> Result<String, SiteError> {
        let setting = self.check("$table_prefix", self.outcome.variable("table_prefix"))?;
        let Some(setting) = setting else {
            return Err(SiteError::Config(format!(
                "{} does not set $table_prefix. Give --table-prefix.",
                self.file.display()
            )));
        };
        let bytes = match setting.value {
            Plain::Bytes(bytes) => bytes,
            Plain::Int(number) => number.to_string().into_bytes(),
            _ => {
                return Err(SiteError::Config(format!("$table_prefix ({}) is not a text.", setting.source)));
            }
        };
        check_prefix(&bytes, &setting.source)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What `wp-content/db.php` does, as far as it decides which database is used.
    fn dropin(&self, content_dir: &Path) -> Result<Dropin, SiteError> {
        let file = content_dir.join("db.php");
        if !file.exists() {
            return Ok(Dropin::None);
        }
        let code = root::read_text(&file).ok_or_else(|| {
            SiteError::Config(format!(
                "{} decides which database is used, and cannot be read. {WAY_OUT}",
                file.display()
            ))
        })?;
        let lower = code.to_ascii_lowercase();
        if code.contains("SQLITE_DB_DROPIN_VERSION") {
            // The drop-in steps aside when the configuration says so, and when its plugin is gone.
            // SQLite integration: the older name counts where the newer one is not defined.
            let name =
                if self.outcome.constant("DB_ENGINE").is_some() { "DB_ENGINE" } else { "DATABASE_ENGINE" };
            let engine = self.bytes(name)?;
            let is_sqlite = if engine.is_empty() { true } else { engine == b"sqlite" };
            return Ok(if is_sqlite && sqlite_plugin_is_there(&code, content_dir) {
                Dropin::Sqlite
            } else {
                Dropin::None
            });
        }
        if lower.contains("hyperdb") || lower.contains("ludicrousdb") {
            return Err(SiteError::Unclear(format!(
                "{} spreads the data over several databases, which is not read. Name the writable one that holds the users with --db.",
                file.display()
            )));
        }
        if lower.contains("query monitor") || lower.contains("qm_db") {
            // It only watches the queries.
            return Ok(Dropin::None);
        }
        Err(SiteError::Unclear(format!(
            "{} may choose another database than wp-config.php names. {WAY_OUT}",
            file.display()
        )))
    }

    /// The file of the SQLite integration, by its `constants.php`.
    fn sqlite_file(&self, content_dir: &Path) -> Result<PathBuf, SiteError> {
        if let Some(file) = self.path("FQDB")? {
            return Ok(file);
        }
        let folder = match (self.path("FQDBDIR")?, self.path("DB_DIR")?) {
            (Some(folder), _) | (None, Some(folder)) => folder,
            (None, None) => content_dir.join("database"),
        };
        let name = self.text("DB_FILE")?;
        let named = self.outcome.constant("DB_FILE").is_some();
        let file = if named { folder.join(name) } else { folder.join(".ht.sqlite") };
        let old = folder.join(".ht.sqlite.php");
        // The plugin renames it when it connects next.
        Ok(if !named && !file.exists() && old.exists() { old } else { file })
    }
}

enum Dropin {
    None,
    Sqlite,
}

/// The drop-in names its plugin's folder, and looks in the usual place otherwise.
fn sqlite_plugin_is_there(code: &str, content_dir: &Path) -> bool {
    let named = code
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("$sqlite_plugin_implementation_folder_path"))
        .filter_map(|rest| rest.split(['\'', '"']).nth(1))
        .any(|path| path.starts_with('/') && Path::new(path).exists());
    // Old drop-ins name it in other ways; then only its being switched off counts.
    named
        || !code.contains("$sqlite_plugin_implementation_folder_path")
        || content_dir.join("plugins/sqlite-database-integration").exists()
        || content_dir.join("mu-plugins/sqlite-database-integration").exists()
}

/// PHP: the flags of `mysqli_real_connect()`, as mysqlnd acts on them: `MYSQLI_CLIENT_SSL` alone asks for
/// TLS and does not check the certificate, and the two flags about checking do nothing without it.
fn ssl_mode(flags: i64) -> SslMode {
    const SSL: i64 = 2048;
    const DONT_VERIFY: i64 = 64;
    const VERIFY: i64 = 1 << 30;
    if flags & SSL == 0 {
        SslMode::default()
    } else if flags & VERIFY != 0 && flags & DONT_VERIFY == 0 {
        SslMode::VerifyIdentity
    } else {
        SslMode::Required
    }
}

fn truth(value: &Plain) -> Option<bool> {
    Some(match value {
        Plain::Null => false,
        Plain::Bool(value) => *value,
        Plain::Int(value) => *value != 0,
        Plain::Float(value) => *value != 0.0,
        Plain::Bytes(bytes) => !bytes.is_empty() && bytes != b"0",
        Plain::Array(entries) => !entries.is_empty(),
        Plain::Unknown(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const STOCK: &str = "<?php define('DB_NAME', 'db'); define('DB_USER', 'me'); define('DB_PASSWORD', 'hunter2'); \
         define('DB_HOST', '127.0.0.1:3307'); define('DB_CHARSET', 'utf8'); $table_prefix = 'x_'; EXTRA \
         require_once ABSPATH . 'wp-settings.php';";

    /// A root with this configuration and these further files, resolved with `--path`.
    fn resolved(
        config: &str,
        files: &[(&str, &str)],
        change: impl Fn(&mut Request),
    ) -> Result<Site, SiteError> {
        let dir = tempfile::tempdir().unwrap();
        let version = (
            "wp-includes/version.php",
            "<?php $wp_version = '6.8.2'; \n$wp_version = '6.8.2';\n$wp_db_version = 60421;",
        );
        for (path, text) in [("wp-load.php", ""), ("wp-config.php", config), version].iter().chain(files) {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut request = Request { path: Some(dir.path().into()), cwd: "/".into(), ..Request::default() };
        change(&mut request);
        super::super::resolve(&request)
    }

    fn mysql(site: &Site) -> &MysqlAddress {
        match &site.address {
            Address::Mysql(address) => address,
            Address::Sqlite(file) => panic!("{}", file.display()),
        }
    }

    fn message(result: Result<Site, SiteError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_stock_configuration_is_understood_and_its_password_hidden() {
        let site =
            resolved(&STOCK.replace("EXTRA", ""), &[("wp-content/object-cache.php", "")], |_| {}).unwrap();
        let address = mysql(&site);
        assert_eq!((address.host.as_str(), address.port, &address.socket), ("127.0.0.1", 3307, &None));
        assert_eq!(
            (address.database.as_str(), address.user.as_str(), address.charset.as_str()),
            ("db", "me", "utf8")
        );
        assert_eq!(address.password.expose(), b"hunter2");
        assert_eq!((site.tables.prefix.as_str(), site.tables.multisite), ("x_", Some(false)));
        assert_eq!(site.version_php.as_ref().unwrap().wp_version, "6.8.2");
        assert!(site.object_cache.is_some());
        assert!(!format!("{site:?}").contains("hunter2"));
        let host = site.origins.iter().find(|origin| origin.name == "DB_HOST").unwrap();
        assert!(host.source.ends_with("wp-config.php:1"), "{}", host.source);
    }

    #[test]
    fn networks_tables_and_flags_are_read() {
        let extra = "define('MULTISITE', true); define('CUSTOM_USER_TABLE', 'shared_users'); \
             define('CUSTOM_USER_META_TABLE', 'other.shared_meta'); define('PRIMARY_NETWORK_ID', 3); \
             define('MYSQL_CLIENT_FLAGS', MYSQLI_CLIENT_SSL | MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT);";
        let site = resolved(&STOCK.replace("EXTRA", extra), &[], |_| {}).unwrap();
        assert_eq!(site.tables.multisite, Some(true));
        assert_eq!(site.tables.users.as_deref(), Some("shared_users"));
        assert_eq!(site.tables.usermeta.as_deref(), Some("other.shared_meta"));
        assert_eq!(site.tables.primary_network, Some(3));
        assert_eq!(mysql(&site).ssl_mode, SslMode::Required);
        let vhost = resolved(&STOCK.replace("EXTRA", "define('VHOST', 'no');"), &[], |_| {}).unwrap();
        assert_eq!(vhost.tables.multisite, Some(true));
        let off = resolved(
            &STOCK.replace("EXTRA", "define('MULTISITE', false); define('SUNRISE', 1);"),
            &[],
            |_| {},
        );
        assert_eq!(off.unwrap().tables.multisite, Some(false));
        assert_eq!(ssl_mode(0), SslMode::Preferred);
        assert_eq!(ssl_mode(64), SslMode::Preferred);
        assert_eq!(ssl_mode(2048 | 1 << 30), SslMode::VerifyIdentity);
    }

    #[test]
    fn what_only_the_web_server_knows_is_refused_with_a_way_out() {
        let by_host =
            STOCK.replace("'db'", "$_SERVER['HTTP_HOST'] == 'a.example' ? 'a' : 'b'").replace("EXTRA", "");
        let refused = message(resolved(&by_host, &[], |_| {}));
        assert!(
            refused.contains("DB_NAME")
                && refused.contains("wp-config.php line 1")
                && refused.contains("--url"),
            "{refused}"
        );
        let site = resolved(&by_host, &[], |request| request.url = Some("https://a.example".into())).unwrap();
        assert_eq!(mysql(&site).database, "a");
    }

    #[test]
    fn a_default_for_an_unset_variable_is_refused_and_taken_where_another_is_set() {
        let code = STOCK
            .replace("'db'", "getenv('SITE_DB') ?: 'fallback'")
            .replace("'me'", "getenv('SITE_USER') ?: 'me'");
        let code = code.replace("EXTRA", "");
        let refused = message(resolved(&code, &[], |_| {}));
        assert!(refused.contains("SITE_DB") && refused.contains("--db"), "{refused}");
        let site =
            resolved(&code, &[], |request| request.env = [("SITE_USER", "them")].into_iter().collect())
                .unwrap();
        assert_eq!((mysql(&site).database.as_str(), mysql(&site).user.as_str()), ("fallback", "them"));
        let passed = STOCK
            .replace("<?php", "<?php if (getenv('STAGE') == 'y') { define('DB_NAME', 'stage'); }")
            .replace("EXTRA", "");
        assert!(message(resolved(&passed, &[], |_| {})).contains("STAGE"));
        let ddev = STOCK
            .replace("<?php", "<?php if (getenv('IS_DDEV_PROJECT') == 'true') { require 'x.php'; }")
            .replace("EXTRA", "");
        assert_eq!(mysql(&resolved(&ddev, &[], |_| {}).unwrap()).database, "db");
    }

    #[test]
    fn the_sqlite_dropin_decides_and_can_be_switched_off() {
        let plugin = ("wp-content/plugins/sqlite-database-integration/load.php", "");
        let dropin = (
            "wp-content/db.php",
            "<?php define( 'SQLITE_DB_DROPIN_VERSION', '1.8.0' );\n$sqlite_plugin_implementation_folder_path = '/nowhere';",
        );
        let file = |extra: &str, files: &[(&str, &str)]| match resolved(
            &STOCK.replace("EXTRA", extra),
            files,
            |_| {},
        )
        .unwrap()
        .address
        {
            Address::Sqlite(file) => file
                .components()
                .rev()
                .take(2)
                .map(|part| part.as_os_str().to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
                .join(" in "),
            Address::Mysql(_) => "mysql".into(),
        };
        assert_eq!(file("", &[plugin, dropin]), ".ht.sqlite in database");
        assert_eq!(
            file("", &[plugin, dropin, ("wp-content/database/.ht.sqlite.php", "")]),
            ".ht.sqlite.php in database"
        );
        assert_eq!(
            file("define('DB_DIR', '/srv/d'); define('DB_FILE', 'w.db');", &[plugin, dropin]),
            "w.db in d"
        );
        assert_eq!(file("define('FQDB', '/srv/q/f.db');", &[plugin, dropin]), "f.db in q");
        assert_eq!(file("define('DB_ENGINE', 'mysql');", &[plugin, dropin]), "mysql");
        assert_eq!(file("", &[dropin]), "mysql");
    }

    #[test]
    fn dropins_that_choose_databases_are_refused() {
        for code in ["<?php // HyperDB", "<?php class my_db extends wpdb {}"] {
            let refused =
                message(resolved(&STOCK.replace("EXTRA", ""), &[("wp-content/db.php", code)], |_| {}));
            assert!(refused.contains("db.php") && refused.contains("--db"), "{refused}");
        }
        let watched = ("wp-content/db.php", "<?php /* Plugin Name: Query Monitor Database Class */");
        assert!(resolved(&STOCK.replace("EXTRA", ""), &[watched], |_| {}).is_ok());
    }

    #[test]
    fn broken_and_empty_configurations_are_sentences() {
        let broken = message(resolved("<?php define('DB_NAME', 'hunter2';", &[], |_| {}));
        assert!(
            broken.contains("line 1") && broken.contains("--db") && !broken.contains("hunter2"),
            "{broken}"
        );
        assert!(message(resolved("<?php $table_prefix = 'wp_';", &[], |_| {})).contains("names no database"));
        let prefix = STOCK.replace("'x_'", "'x-'").replace("EXTRA", "");
        assert!(message(resolved(&prefix, &[], |_| {})).contains("letters, digits"));
        assert_eq!(
            resolved(&prefix, &[], |request| request.table_prefix = Some("y_".into())).unwrap().tables.prefix,
            "y_"
        );
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        let both = message(resolved("<?php", &[], |request| request.sandbox = true));
        assert_eq!(both, "--sandbox and --path each name a site; give only one of them.");
    }
}
