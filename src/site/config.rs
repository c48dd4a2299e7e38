//! From an evaluated `wp-config.php` to a site: which constants count, and what WordPress makes of them.
//!
//! Mirrors `require_wp_db()` and `wp_set_wpdb_vars()` in `wp-includes/load.php`, `is_multisite()`, and the
//! drop-ins in `wp-content/db.php` that change which database is used.

use std::path::{Path, PathBuf};

use super::address::{CONNECT_TIMEOUT, READ_TIMEOUT};
use super::php::subprocess::RunAs;
use super::php::{self, End, Input, Outcome, Plain, Setting, Url};
use super::{
    Environment, Files, Finding, FixedAddress, FoundBy, Origin, Request, Site, SiteError, State, Survey,
    check_prefix, db_host, env_file, given_prefix, object_cache, root,
};
use crate::secret::DatabasePassword;
use crate::store::{Address, MysqlAddress, SslMode, Tables};

/// Constants that decide which database and tables are used, and what lies beside them.
const DECISIVE: [&str; 25] = [
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
    "WPMU_PLUGIN_DIR",
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
const WAY_OUT: &str =
    "Name the database with --db or WP_APP_PASSWORD_DB instead, or let PHP evaluate the file with --php.";

/// The same where the address that is asked for decides.
const WAY_OUT_BY_URL: &str =
    "Give the site's address with --url, or name the database with --db or WP_APP_PASSWORD_DB.";

/// The end of a reason of that kind.
const BY_URL: &str = " (give --url)";

/// Evaluates the configuration of a root, or a configuration on its own.
pub(super) fn load(files: &Files, request: &Request) -> Result<Config, SiteError> {
    let file = files.wp_config.as_path();
    let root = files.root.as_deref().map(|root| root.canonicalize().unwrap_or_else(|_| root.to_path_buf()));
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
        databases: None,
    };
    let outcome = match php::evaluate(&input) {
        ours if request.php => {
            let run_as = php_user(file, request.allow_root)?;
            php::subprocess::evaluate(&input, ours.as_ref().ok(), run_as).map_err(SiteError::Config)?
        }
        ours => ours.map_err(SiteError::Config)?,
    };
    let mut config = Config {
        databases: None,
        outcome,
        file: file.to_path_buf(),
        root,
        found: files.found.clone(),
        notes: files.notes.clone(),
        is_whole_environment: !request.env_files.is_empty(),
        accepts_assumed: request.assume_env,
        env: Environment::default(),
    };
    // HyperDB and LudicrousDB learn of their servers from a file of their own, which sees these constants.
    if let Some(databases) = config.databases_file() {
        let again = php::evaluate(&Input { databases: Some(databases.clone()), ..input });
        config.databases = Some((databases, again.map(|outcome| outcome.databases())));
    }
    config.env = env;
    Ok(config)
}

/// The owner of the configuration, if this process is root's and so may read more than that user.
fn owner_if_root(file: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(file).ok()?.uid();
    (rustix::process::geteuid().is_root() && owner != 0).then_some(owner)
}

/// Whom the site's code runs as: for root the owner of the configuration, whose code it is.
fn php_user(file: &Path, allow_root: bool) -> Result<Option<RunAs>, SiteError> {
    use std::os::unix::fs::MetadataExt;
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let of_file = std::fs::metadata(file)
        .map_err(|error| SiteError::Config(format!("{} cannot be read: {error}.", file.display())))?;
    if of_file.uid() != 0 {
        return Ok(Some(RunAs { user: of_file.uid(), group: of_file.gid() }));
    }
    if allow_root {
        return Ok(None);
    }
    Err(SiteError::Usage(format!(
        "--php would run {}, and what it includes, as root. Run this program as the site's user, or add --allow-root.",
        file.display()
    )))
}

/// An evaluated configuration.
pub(super) struct Config {
    outcome: Outcome,
    file: PathBuf,
    root: Option<PathBuf>,
    found: FoundBy,
    /// What the user should hear of that.
    notes: Vec<String>,
    /// `--env-file`: what is not set there is not set in the web server either.
    is_whole_environment: bool,
    /// `--assume-env`.
    accepts_assumed: bool,
    /// This process's environment and that of `--env-file`.
    env: Environment,
    /// The servers' own configuration, and what it told, where there is one.
    databases: Option<(PathBuf, Result<Option<Setting>, String>)>,
}

/// What a drop-in would find set; what is not certain is not used.
impl object_cache::Settings for Config {
    fn constant(&self, name: &str) -> Result<Option<Plain>, String> {
        let setting = self.decided(name).map_err(|error| error.to_string())?;
        Ok(setting.map(|setting| setting.value))
    }

    fn variable(&self, name: &str) -> Result<Option<Plain>, String> {
        let setting = self.check(name, self.outcome.variable(name));
        Ok(setting.map_err(|error| error.to_string())?.map(|setting| setting.value))
    }

    fn environment(&self, name: &str, in_server: bool) -> Result<Option<Plain>, String> {
        match self.outcome.written(name, in_server) {
            Some(setting) => {
                let setting = self.check(name, Some(setting.clone())).map_err(|error| error.to_string())?;
                Ok(setting.map(|setting| setting.value))
            }
            None => Ok(self.env.get(name).map(|value| Plain::Bytes(value.to_vec()))),
        }
    }
}

impl Config {
    /// What commands work on.
    pub(super) fn site(&self, request: &Request) -> Result<Site, SiteError> {
        let mut origins = self.origins();
        let mut notes = self.notes.clone();
        let content_dir = match self.content_dir() {
            Ok(path) => path,
            // What is told first is what somebody looks for.
            Err(error) => return Err(self.decided("DB_NAME").err().unwrap_or(error)),
        };
        if content_dir.is_none() {
            notes.push(format!(
                "Where WordPress lies is not known from {} alone, so drop-ins (SQLite, object caches) were not looked for. \
                 Give --path too.",
                self.file.display()
            ));
        }
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
            (Dropin::Several, _) => Address::Mysql(self.writable(request, &mut origins, &mut notes)?),
            _ => {
                let login = self.login()?;
                Address::Mysql(self.mysql(login, &mut origins, &mut notes)?)
            }
        };
        let tables = self.tables(request, &mut origins)?;
        Ok(Site {
            address,
            tables,
            object_cache: content_dir
                .as_deref()
                .and_then(|content_dir| object_cache::find(content_dir, self)),
            home: self.fixed_address("WP_HOME"),
            site_url: self.fixed_address("WP_SITEURL"),
            files_out_of_sight: content_dir.is_none(),
            super_admins: self.super_admins(),
            is_sandbox: false,
            mu_plugin_dir: self.mu_plugin_dir().map_err(|error| error.to_string()),
            plugin_dir: match self.path("WP_PLUGIN_DIR") {
                Ok(Some(given)) => Some(given),
                Ok(None) => content_dir.as_deref().map(|content_dir| content_dir.join("plugins")),
                Err(_) => None,
            },
            content_dir,
            root: self.root.clone(),
            version_php: self.root.as_deref().and_then(root::version),
            url: None,
            origins,
            notes,
        })
    }

    /// `WP_CONTENT_DIR`; `None` where nothing says where WordPress lies.
    fn content_dir(&self) -> Result<Option<PathBuf>, SiteError> {
        let given = self.path("WP_CONTENT_DIR")?;
        Ok(given.or_else(|| Some(self.root.as_ref()?.join("wp-content"))))
    }

    /// `$super_admins`, a list of logins; `None` where it is not set, or not known: the database's list counts then.
    fn super_admins(&self) -> Option<Vec<Vec<u8>>> {
        match self.outcome.variable("super_admins")?.value {
            Plain::Array(entries) => Some(entries.iter().filter_map(|(_, login)| login.to_bytes()).collect()),
            _ => None,
        }
    }

    /// `WPMU_PLUGIN_DIR`; `None` where nothing says where WordPress lies.
    pub(super) fn mu_plugin_dir(&self) -> Result<Option<PathBuf>, SiteError> {
        if let Some(path) = self.path("WPMU_PLUGIN_DIR")? {
            return Ok(Some(path));
        }
        Ok(self.content_dir()?.map(|content_dir| content_dir.join("mu-plugins")))
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
            found: self.found.clone(),
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
            let as_variable = format!("${name}");
            let variables = if VARIABLES.contains(&name) { as_variable.as_str() } else { name };
            let variables = self.absence_depends_on(variables).join(", ");
            let reason = (!variables.is_empty())
                .then(|| format!("whether it is set depends on the environment ({variables})"));
            return Finding { name: name.into(), value: Plain::Null, state, source: String::new(), reason };
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
            origins.push(Origin::known("root", root.display().to_string(), self.found.root.as_str()));
        }
        let file = self.file.display().to_string();
        origins.push(Origin::known("wp-config.php", file, self.found.wp_config.as_str()));
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

    /// The environment variables that decide whether a name is set that is not set here.
    fn absence_depends_on(&self, name: &str) -> Vec<String> {
        if self.is_whole_environment || self.accepts_assumed {
            return Vec::new();
        }
        self.outcome.absence_depends_on(name)
    }

    /// What PHP would stop at, for a sentence about what is not there.
    fn cause(&self) -> String {
        match &self.outcome.end {
            End::Error(reason) => format!(" PHP would fail there: {reason}."),
            End::Exit => " It ends with exit.".to_owned(),
            End::Complete => String::new(),
        }
    }

    fn check(&self, name: &str, setting: Option<Setting>) -> Result<Option<Setting>, SiteError> {
        let Some(setting) = setting else {
            let variables = self.absence_depends_on(name).join(", ");
            if variables.is_empty() {
                return Ok(None);
            }
            return Err(SiteError::Unclear(format!(
                "{name} is not set in {}, but may be set in the web server, where the environment ({variables}) may be. Set it here too, give the web server's environment with --env-file, accept what is here with --assume-env, or name the database with --db or WP_APP_PASSWORD_DB.",
                self.file.display()
            )));
        };
        match (&setting.value, setting.state) {
            (Plain::Unknown(reason), _) => {
                // PHP here has no request either.
                let way_out = if reason.ends_with(BY_URL) { WAY_OUT_BY_URL } else { WAY_OUT };
                let reason = reason.trim_end_matches(BY_URL);
                Err(SiteError::Unclear(format!("{name} cannot be determined: {reason}. {way_out}")))
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
        let Some(setting) = self.decided(name)? else { return Ok(Vec::new()) };
        setting
            .value
            .to_bytes()
            .ok_or_else(|| SiteError::Config(format!("{name} in {} is not a text.", self.file.display())))
    }

    fn text(&self, name: &str) -> Result<String, SiteError> {
        String::from_utf8(self.bytes(name)?)
            .map_err(|_| SiteError::Config(format!("{name} in {} is not UTF-8.", self.file.display())))
    }

    fn fixed_address(&self, name: &str) -> FixedAddress {
        match self.text(name) {
            Ok(address) if address.is_empty() => FixedAddress::No,
            Ok(address) => FixedAddress::Known(address),
            Err(_) => FixedAddress::Unclear,
        }
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

    /// What `DB_NAME` and its like say.
    fn login(&self) -> Result<Login, SiteError> {
        let missing = ["DB_USER", "DB_PASSWORD", "DB_HOST"]
            .into_iter()
            .find(|name| !matches!(self.outcome.end, End::Complete) && self.outcome.constant(name).is_none());
        if let (Some(name), true) = (missing, self.outcome.constant("DB_NAME").is_some()) {
            return Err(SiteError::Config(format!(
                "{} does not set {name}.{} {WAY_OUT}",
                self.file.display(),
                self.cause()
            )));
        }
        Ok(Login {
            database: self.text("DB_NAME")?,
            host: self.text("DB_HOST")?,
            user: self.text("DB_USER")?,
            password: self.bytes("DB_PASSWORD")?,
            charset: self.charset()?,
        })
    }

    fn mysql(
        &self,
        login: Login,
        origins: &mut Vec<Origin>,
        notes: &mut Vec<String>,
    ) -> Result<MysqlAddress, SiteError> {
        let Login { database, host: written, user, password, charset } = login;
        if database.is_empty() {
            let cause = self.cause();
            return Err(SiteError::Config(format!(
                "{} names no database (DB_NAME).{cause} {WAY_OUT}",
                self.file.display()
            )));
        }
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
            user,
            password: DatabasePassword::new(password),
            database,
            charset,
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
                let mut known = self.absence_depends_on("MULTISITE").is_empty().then_some(false);
                for name in ["SUBDOMAIN_INSTALL", "VHOST", "SUNRISE"] {
                    match self.outcome.constant(name) {
                        Some(Setting { value: Plain::Unknown(_), .. }) => known = None,
                        Some(_) => return Some(true),
                        None if !self.absence_depends_on(name).is_empty() => known = None,
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
                // Another prefix would be another site's tables, or nobody's.
                if let Ok(own) = self.prefix()
                    && own != prefix
                {
                    return Err(SiteError::Usage(format!(
                        "The table prefix {prefix} ({source}) is not the site's: its configuration says {own}. Leave it \
                         away, or name the database with --db."
                    )));
                }
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
                "{} does not set $table_prefix.{} Give --table-prefix, or let PHP evaluate the file with --php.",
                self.file.display(),
                self.cause()
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
        if has_several(&lower) {
            // Without a file of their own, both take what wp-config.php says.
            return Ok(if self.databases.is_some() { Dropin::Several } else { Dropin::None });
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

    /// The file that tells HyperDB or LudicrousDB its servers, if the drop-in is there.
    ///
    /// HyperDB: `DB_CONFIG_FILE`, else the root, else the folder above unless it is a WordPress of its own.
    /// LudicrousDB: the content folder, too, after the root.
    fn databases_file(&self) -> Option<PathBuf> {
        let content_dir = self.content_dir().ok()??;
        let lower = root::read_text(&content_dir.join("db.php"))?.to_ascii_lowercase();
        if !has_several(&lower) || lower.contains("sqlite_db_dropin_version") {
            return None;
        }
        if let Some(file) = self.path("DB_CONFIG_FILE").ok()?.filter(|file| file.exists()) {
            return Some(file);
        }
        let root = self.root.as_deref()?;
        let above = root.parent().filter(|above| !above.join("wp-settings.php").exists());
        let of_content = lower.contains("ludicrousdb").then_some(content_dir.as_path());
        [Some(root), of_content, above]
            .into_iter()
            .flatten()
            .map(|folder| folder.join("db-config.php"))
            .find(|file| file.exists())
    }

    /// The server that WordPress writes users to, by HyperDB's rules: the lowest number of `write` in the
    /// dataset that holds the table.
    fn writable(
        &self,
        request: &Request,
        origins: &mut Vec<Origin>,
        notes: &mut Vec<String>,
    ) -> Result<MysqlAddress, SiteError> {
        let Some((file, told)) = &self.databases else {
            return Err(SiteError::Config(format!("No servers are configured. {WAY_OUT}")));
        };
        let shown = file.display();
        let unclear = |what: String| SiteError::Unclear(format!("{shown}: {what}. {WAY_OUT}"));
        let told = told.clone().map_err(unclear)?;
        let calls = match self.check("The list of servers", told)?.map(|setting| setting.value) {
            Some(Plain::Array(calls)) => calls,
            _ => return Err(unclear("no server is added there".into())),
        };
        let tables = self.tables(request, &mut Vec::new())?;
        let named = |custom: &Option<String>, name: &str| match custom {
            Some(table) => table.clone(),
            None => format!("{}{name}", tables.prefix),
        };
        let ours = [
            named(&tables.users, "users"),
            named(&tables.usermeta, "usermeta"),
            named(&None, if tables.multisite == Some(true) { "sitemeta" } else { "options" }),
        ];
        let mut datasets = vec!["global".to_owned(); ours.len()];
        let mut servers: Vec<(String, i64, &Plain)> = Vec::new();
        for (_, call) in &calls {
            let Plain::Array(parts) = call else { continue };
            let part = |index: usize| parts.get(index).map(|(_, value)| value);
            let text = |index: usize| part(index).and_then(as_text);
            match text(0).as_deref() {
                Some("add_database") => {
                    let Some(entry @ Plain::Array(_)) = part(2) else {
                        return Err(unclear("a server is not an array that can be known".into()));
                    };
                    let dataset = match field(entry, "dataset") {
                        None | Some(Plain::Null) => "global".to_owned(),
                        Some(name) => {
                            as_text(name).ok_or_else(|| unclear("a dataset cannot be known".into()))?
                        }
                    };
                    let write =
                        match field(entry, "write") {
                            None | Some(Plain::Null) => 1,
                            Some(Plain::Int(number)) => *number,
                            Some(other) => match (other, truth(other)) {
                                (Plain::Bool(_), Some(on)) => i64::from(on),
                                _ => as_text(other).and_then(|text| text.trim().parse().ok()).ok_or_else(
                                    || unclear("which server is written to cannot be known".into()),
                                )?,
                            },
                        };
                    if write != 0 {
                        servers.push((dataset, write, entry));
                    }
                }
                Some("add_table") => {
                    let (Some(dataset), Some(table)) = (text(2), text(3)) else {
                        return Err(unclear("the dataset of a table cannot be known".into()));
                    };
                    for (known, ours) in datasets.iter_mut().zip(&ours) {
                        if *ours == table {
                            known.clone_from(&dataset);
                        }
                    }
                }
                // A callback of another group only measures how far the readers lag behind.
                _ if part(3).is_some() && text(3).as_deref() != Some("dataset") => {}
                _ => return Err(unclear("a function decides which server holds a table".into())),
            }
        }
        if datasets.iter().any(|dataset| *dataset != datasets[0]) {
            return Err(unclear("users, their meta and the options lie in different datasets".into()));
        }
        servers.retain(|(dataset, _, _)| *dataset == datasets[0]);
        let lowest = servers.iter().map(|(_, write, _)| *write).min();
        let Some((_, _, entry)) = servers.iter().find(|(_, write, _)| Some(*write) == lowest) else {
            return Err(unclear(format!("no server of the dataset {} is written to", datasets[0])));
        };
        let text = |name: &str| {
            field(entry, name)
                .and_then(as_text)
                .ok_or_else(|| unclear(format!("{name} of the server that is written to cannot be known")))
        };
        let charset = field(entry, "charset").and_then(as_text).filter(|charset| !charset.is_empty());
        let login = Login {
            database: text("name")?,
            host: text("host")?,
            user: text("user")?,
            password: match field(entry, "password") {
                Some(Plain::Bytes(password)) => password.clone(),
                _ => return Err(unclear("password of the server that is written to cannot be known".into())),
            },
            charset: charset.map_or_else(|| self.charset(), Ok)?,
        };
        let what = format!("database {} on {}", login.database, login.host);
        origins.push(Origin::known("address", what, file.display().to_string()));
        self.mysql(login, origins, notes)
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
    /// HyperDB or LudicrousDB, with a configuration of their own.
    Several,
}

/// How to log in to a server.
struct Login {
    database: String,
    host: String,
    user: String,
    password: Vec<u8>,
    charset: String,
}

/// Whether a drop-in, in lower case, spreads the data over several servers.
fn has_several(dropin: &str) -> bool {
    dropin.contains("hyperdb") || dropin.contains("ludicrousdb")
}

fn field<'p>(entry: &'p Plain, name: &str) -> Option<&'p Plain> {
    let Plain::Array(entries) = entry else { return None };
    entries.iter().find(|(key, _)| key == name.as_bytes()).map(|(_, value)| value)
}

fn as_text(value: &Plain) -> Option<String> {
    match value {
        Plain::Bytes(bytes) => String::from_utf8(bytes.clone()).ok(),
        Plain::Int(number) => Some(number.to_string()),
        _ => None,
    }
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
        let table =
            STOCK.replace("EXTRA", "if (getenv('STAGE')) define('CUSTOM_USER_TABLE', 'stage_users');");
        let refused = message(resolved(&table, &[], |_| {}));
        assert!(refused.contains("CUSTOM_USER_TABLE") && refused.contains("STAGE"), "{refused}");
        let site = resolved(&table, &[], |request| request.assume_env = true).unwrap();
        assert_eq!(site.tables.users, None);
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
        let code = "<?php class my_db extends wpdb {}";
        let refused = message(resolved(&STOCK.replace("EXTRA", ""), &[("wp-content/db.php", code)], |_| {}));
        assert!(refused.contains("db.php") && refused.contains("--db"), "{refused}");
        let watched = ("wp-content/db.php", "<?php /* Plugin Name: Query Monitor Database Class */");
        assert!(resolved(&STOCK.replace("EXTRA", ""), &[watched], |_| {}).is_ok());
    }

    /// What HyperDB's configuration leads to: the database and its host, or the refusal.
    fn of_servers(config: &str, place: &str, dropin: &str) -> Result<String, String> {
        let code = format!("<?php\n{config}");
        let files = [("wp-content/db.php", dropin), (place, code.as_str())];
        match resolved(&STOCK.replace("EXTRA", ""), &files, |_| {}) {
            Ok(site) => Ok(format!("{}@{}:{}", mysql(&site).database, mysql(&site).host, mysql(&site).port)),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_server_that_is_written_to_is_found() {
        const MAIN: &str = "$wpdb->add_database(array('host' => '10.0.0.1:3308', 'user' => DB_USER, \
             'password' => DB_PASSWORD, 'name' => DB_NAME));";
        const READER: &str = "$wpdb->add_database(array('host' => '10.0.0.2', 'user' => 'r', 'password' => 'x', \
             'name' => 'db', 'write' => 0, 'read' => 1));";
        let hyper = |config: &str| of_servers(config, "db-config.php", "<?php // HyperDB");
        assert_eq!(hyper(&format!("{READER}{MAIN}")), Ok("db@10.0.0.1:3308".into()));
        assert_eq!(
            hyper(
                &MAIN.replace("=> DB_NAME", "=> 'second', 'write' => 2").repeat(2).replacen("second", "b", 1)
            ),
            Ok("b@10.0.0.1:3308".into())
        );
        let first = MAIN.replace("=> DB_NAME", "=> 'main', 'write' => 1");
        let second = MAIN.replace("=> DB_NAME", "=> 'spare', 'write' => 2");
        assert_eq!(hyper(&format!("{second}{first}")), Ok("main@10.0.0.1:3308".into()));
        // A dataset of its own for other tables changes nothing, one for the users does.
        let other = MAIN.replace("=> DB_NAME", "=> 'blogs', 'dataset' => 'blogs'");
        assert_eq!(
            hyper(&format!("{MAIN}{other}$wpdb->add_table('blogs', 'x_7_posts');")),
            Ok("db@10.0.0.1:3308".into())
        );
        let all =
            "foreach (['users', 'usermeta', 'options'] as $t) { $wpdb->add_table('blogs', 'x_' . $t); }";
        assert_eq!(hyper(&format!("{MAIN}{other}{all}")), Ok("blogs@10.0.0.1:3308".into()));
        let lag = "$wpdb->add_callback('lag', 'get_lag_cache');";
        assert_eq!(hyper(&format!("{MAIN}{lag}")), Ok("db@10.0.0.1:3308".into()));
        for (config, reason) in [
            (format!("{MAIN}{other}$wpdb->add_table('blogs', 'x_users');"), "different datasets"),
            (format!("{MAIN}$wpdb->add_callback('my_function');"), "a function decides"),
            (READER.to_owned(), "no server of the dataset global is written to"),
            (String::new(), "no server is added"),
            (
                format!("if ($_SERVER['HTTP_HOST'] == 'a') {{ {MAIN} }} else {{ {READER} }}"),
                "cannot be determined",
            ),
            (MAIN.replace("DB_NAME", "$_SERVER['HTTP_HOST']"), "name of the server"),
            (MAIN.replace("DB_NAME", "getenv('SHARD') ?: 'db'"), "SHARD"),
            (format!("if (getenv('READER')) {READER} {MAIN}"), "READER"),
            (MAIN.replace("array(", "array(("), "syntax error"),
        ] {
            let refused = hyper(&config).unwrap_err();
            assert!(refused.contains(reason) && refused.contains("--db"), "{reason}: {refused}");
            assert!(!refused.contains("hunter2"), "{refused}");
        }
        // Without a file of its own, a drop-in takes what wp-config.php says; LudicrousDB knows one more place.
        let of_content = "wp-content/db-config.php";
        assert_eq!(of_servers(MAIN, of_content, "<?php // HyperDB"), Ok("db@127.0.0.1:3307".into()));
        assert_eq!(of_servers(MAIN, of_content, "<?php // LudicrousDB"), Ok("db@10.0.0.1:3308".into()));
    }

    #[test]
    fn broken_and_empty_configurations_are_sentences() {
        let broken = message(resolved("<?php define('DB_NAME', 'hunter2';", &[], |_| {}));
        assert!(
            broken.contains("line 1") && broken.contains("--db") && !broken.contains("hunter2"),
            "{broken}"
        );
        assert!(message(resolved("<?php $table_prefix = 'wp_';", &[], |_| {})).contains("names no database"));
        let stopped =
            STOCK.replace("$table_prefix", "no_such_function(); $table_prefix").replace("EXTRA", "");
        let stopped = message(resolved(&stopped, &[], |_| {}));
        assert!(stopped.contains("$table_prefix") && stopped.contains("no_such_function"), "{stopped}");
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
