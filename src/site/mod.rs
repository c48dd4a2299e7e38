//! Which site is meant: its database, table prefix, content folder and version.
//!
//! Answers come from flags, the environment, or the site's own `wp-config.php`, which is evaluated the
//! way PHP would (`php/`), never matched with patterns and never run. What cannot be decided is an error
//! that says what to give instead: a wrong value here would write credentials into another site's
//! database. Mirrors `wp-load.php`, `wp-settings.php` up to `require_wp_db()`, and WP-CLI's
//! `Runner::find_wp_root()` and `Utils\locate_wp_config()`.
//!
//! Reads files and the given [`Environment`] only. Opens no database and writes nothing except the
//! sandbox.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::php::Plain;
use crate::secret::DatabaseUrl;
use crate::store::{Address, Tables};

mod address;
mod config;
mod db_host;
mod env_file;
pub mod object_cache;
pub mod php;
mod root;
mod sandbox;
pub mod wp_cli;

pub use root::VersionFile;

/// A snapshot of the process environment.
///
/// Handed in, so that tests need no globals and every value has one origin. `Debug` shows names only, because
/// values hold passwords.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<Vec<u8>, Vec<u8>>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys().map(|name| String::from_utf8_lossy(name))).finish()
    }
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        use std::os::unix::ffi::OsStringExt;
        Self(std::env::vars_os().map(|(name, value)| (name.into_vec(), value.into_vec())).collect())
    }

    /// The value of a variable, if it is set (maybe to nothing).
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name.as_bytes()).map(Vec::as_slice)
    }

    /// The value of a variable that is set to something, as text.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .filter(|value| !value.is_empty())
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// The value of a variable that is set to something, as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        let value = self.get(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(std::ffi::OsStr::from_bytes(value)))
    }
}

impl<K: Into<Vec<u8>>, V: Into<Vec<u8>>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// What the user said about the site, before anything was looked up.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// `--path`: the WordPress root.
    pub path: Option<PathBuf>,
    /// `--db`: `sqlite:FILE` or `mysql://…`.
    pub db: Option<DatabaseUrl>,
    /// `--table-prefix`.
    pub table_prefix: Option<String>,
    /// `--url`: which site of a network; also the host that `wp-config.php` sees.
    pub url: Option<String>,
    /// `--sandbox`.
    pub sandbox: bool,
    /// `--wp-config`: the configuration to evaluate, wherever it lies.
    pub wp_config: Option<PathBuf>,
    /// `--env-file`: variables that the web server's PHP has; later files win.
    pub env_files: Vec<PathBuf>,
    /// `--assume-env`: what falls back because a variable is not set here counts.
    pub assume_env: bool,
    /// `--php`: the machine's PHP evaluates the configuration.
    pub php: bool,
    /// `--allow-root`: with `--php`, code of root's files may run as root.
    pub allow_root: bool,
    /// `@prod`: the alias that [`Request::path`] is from, or that names the site in the working directory.
    pub alias: Option<String>,
    /// The root that WP-CLI's configuration names, and the file that does. Counts where no flag, alias or
    /// variable names a site.
    pub default_path: Option<(PathBuf, PathBuf)>,
    /// The working directory that relative paths start from.
    pub cwd: PathBuf,
    /// The environment.
    pub env: Environment,
}

/// Whether a setting is what the web server's PHP would see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Certain.
    Known,
    /// The default for an environment variable that is not set here and may be set in the web server.
    Assumed,
    /// It depends on something that cannot be known here.
    Unknown,
    /// Nothing sets it.
    Undefined,
}

impl State {
    /// `known`, `assumed`, `unknown` or `undefined`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Known => "known",
            Self::Assumed => "assumed",
            Self::Unknown => "unknown",
            Self::Undefined => "undefined",
        }
    }
}

/// One setting with its value, for `site`.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// `DB_HOST`, `table_prefix`.
    pub name: String,
    /// The value; null where there is none or where it is not known.
    pub value: Plain,
    /// How certain it is.
    pub state: State,
    /// `/srv/www/wp-config.php:23`, `--db`; empty for what nothing sets.
    pub source: String,
    /// Why it is not known.
    pub reason: Option<String>,
}

impl Finding {
    fn known(name: &str, text: &str, source: &str) -> Self {
        Self {
            name: name.into(),
            value: Plain::Bytes(text.into()),
            state: State::Known,
            source: source.into(),
            reason: None,
        }
    }
}

impl Finding {
    /// The value for people to read; passwords only where `secrets` are wanted.
    pub fn shown(&self, secrets: bool) -> String {
        match self.visible(secrets) {
            Plain::Null => String::new(),
            Plain::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            other => to_text(&other),
        }
    }

    /// The value, with every password in it replaced unless `secrets` are wanted.
    pub fn visible(&self, secrets: bool) -> Plain {
        if secrets { self.value.clone() } else { without_secrets(&self.name, &self.value) }
    }
}

/// What is shown in place of a password.
const HIDDEN: &[u8] = b"(hidden)";

fn without_secrets(name: &str, value: &Plain) -> Plain {
    let name = name.to_ascii_lowercase();
    let is_secret = ["pass", "auth", "secret", "salt", "token"].iter().any(|part| name.contains(part));
    match value {
        Plain::Bytes(bytes) if bytes.is_empty() => value.clone(),
        Plain::Array(entries) => Plain::Array(
            entries
                .iter()
                .map(|(key, value)| {
                    // Redis's access lists: a list of the user's name and the password.
                    let inner = if is_secret { "password".into() } else { String::from_utf8_lossy(key) };
                    (key.clone(), without_secrets(&inner, value))
                })
                .collect(),
        ),
        Plain::Null | Plain::Bool(_) | Plain::Unknown(_) => value.clone(),
        _ if is_secret => Plain::Bytes(HIDDEN.into()),
        // Servers of caches are addresses that may hold a password.
        Plain::Bytes(bytes) => {
            let text = String::from_utf8_lossy(bytes);
            let holds = text.contains("://")
                && (text.contains('@') || text.contains("auth") || text.contains("pass"));
            if holds { Plain::Bytes(HIDDEN.into()) } else { value.clone() }
        }
        Plain::Int(_) | Plain::Float(_) => value.clone(),
    }
}

/// PHP's notation, on one line.
fn to_text(value: &Plain) -> String {
    match value {
        Plain::Null | Plain::Unknown(_) => "null".into(),
        Plain::Bool(value) => value.to_string(),
        Plain::Int(value) => value.to_string(),
        Plain::Float(value) => value.to_string(),
        Plain::Bytes(bytes) => format!("'{}'", String::from_utf8_lossy(bytes).escape_debug()),
        Plain::Array(entries) => {
            let parts: Vec<String> = entries
                .iter()
                .map(|(key, value)| format!("{} => {}", String::from_utf8_lossy(key), to_text(value)))
                .collect();
            format!("[{}]", parts.join(", "))
        }
    }
}

/// What was found of a site, certain or not.
#[derive(Debug, Clone)]
pub struct Survey {
    /// The folder that holds `wp-load.php`, where one is known.
    pub root: Option<PathBuf>,
    /// The configuration that was evaluated.
    pub wp_config: Option<PathBuf>,
    /// What led to both.
    pub found: FoundBy,
    /// Every setting that decides something, set or not, and what else the configuration says about caches.
    /// Holds passwords.
    pub settings: Vec<Finding>,
    /// What commands would work on, or why they would refuse.
    pub site: Result<Site, SiteError>,
}

/// What led to a site's files: a flag, a file of WP-CLI's, or the search; empty where nothing did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FoundBy {
    /// To the root.
    pub root: String,
    /// To the configuration.
    pub wp_config: String,
}

/// One setting and where it came from, for `--debug` and `site`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The name that WordPress gives it: `DB_HOST`, `table_prefix`; or ours: `address`, `root`.
    pub name: String,
    /// The value as text; a password is shown as `(hidden)`.
    pub shown: String,
    /// How certain it is.
    pub state: State,
    /// `--db`, `environment variable WP_APP_PASSWORD_DB`, `/srv/www/wp-config.php:23`, `default`.
    pub source: String,
}

impl Origin {
    pub(crate) fn known(name: &str, shown: impl Into<String>, source: impl Into<String>) -> Self {
        Self { name: name.into(), shown: shown.into(), state: State::Known, source: source.into() }
    }
}

/// Where a site is.
#[derive(Debug, Clone)]
pub struct Site {
    /// Its database.
    pub address: Address,
    /// Its tables.
    pub tables: Tables,
    /// `WP_CONTENT_DIR`, where one is known.
    pub content_dir: Option<PathBuf>,
    /// `WPMU_PLUGIN_DIR`: holds the plugins that WordPress loads without being asked. `None`: the site's files are out
    /// of sight. An error is the sentence why it is not known.
    pub mu_plugin_dir: Result<Option<PathBuf>, String>,
    /// `WP_PLUGIN_DIR`, where one is known.
    pub plugin_dir: Option<PathBuf>,
    /// The folder that holds `wp-load.php`, where one is known.
    pub root: Option<PathBuf>,
    /// What `wp-includes/version.php` says.
    pub version_php: Option<VersionFile>,
    /// The persistent object cache, if its drop-in is there and not switched off.
    pub object_cache: Option<object_cache::DropIn>,
    /// `WP_HOME`: counts instead of the database's `home`, except on a network.
    pub home: FixedAddress,
    /// `WP_SITEURL`: counts instead of the database's `siteurl`, except on a network.
    pub site_url: FixedAddress,
    /// Only the database was named, so that drop-ins cannot be seen.
    pub files_out_of_sight: bool,
    /// `$super_admins`: counts instead of the network's option `site_admins`.
    pub super_admins: Option<Vec<Vec<u8>>>,
    /// `--sandbox`: no WordPress runs on it.
    pub is_sandbox: bool,
    /// `--url`, as given: the row of the network's `blogs` table is the database's to find.
    pub url: Option<String>,
    /// Each setting with its origin. Never holds a password.
    pub origins: Vec<Origin>,
    /// What the user should hear on stderr, such as that the sandbox was made.
    pub notes: Vec<String>,
}

/// An address of a site that its configuration fixes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum FixedAddress {
    /// It does not; the database has it.
    #[default]
    No,
    /// This one.
    Known(String),
    /// One that is not known here, such as whatever host was asked.
    Unclear,
}

/// Why no site could be determined. The text is the sentence that the user reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SiteError {
    /// Flags or their values contradict each other or cannot be read.
    #[error("{0}")]
    Usage(String),
    /// WP-CLI: `Runner` in `php/WP_CLI/Runner.php` words the first two lines like this.
    #[error(
        "This does not seem to be a WordPress installation.\nThe used path is: {}/\nPass --path=`path/to/wordpress`, or name the database with --db or WP_APP_PASSWORD_DB.",
        .0.display().to_string().trim_end_matches('/')
    )]
    NotWordPress(PathBuf),
    /// The site's files are there but unreadable, broken, or say too little.
    #[error("{0}")]
    Config(String),
    /// A setting depends on what only the web server knows.
    #[error("{0}")]
    Unclear(String),
    /// The sandbox could not be made or used.
    #[error("{0}")]
    Sandbox(String),
}

/// Finds the site that `request` means.
///
/// The first that applies: `--sandbox`, `--db`, `--path`, `--wp-config` or an alias (only one of them may be
/// given, except that `--path` and `--wp-config` go together), the environment variable
/// `WP_APP_PASSWORD_DB`, the root that WP-CLI's configuration names, the WordPress root found upward from
/// the working directory.
///
/// # Errors
/// [`SiteError`], with a sentence that says what to give; it never holds a password.
pub fn resolve(request: &Request) -> Result<Site, SiteError> {
    let mut site = match place(request)? {
        Place::Direct(site) => *site,
        Place::Files(files) => config::load(&files, request)?.site(request)?,
    };
    site.url.clone_from(&request.url);
    Ok(site)
}

/// Finds what can be found of the site that `request` means, and keeps what is not certain apart.
///
/// # Errors
/// [`SiteError`]: there is no configuration, or it cannot be evaluated at all.
pub fn survey(request: &Request) -> Result<Survey, SiteError> {
    match place(request)? {
        Place::Direct(site) => Ok(Survey {
            root: site.root.clone(),
            wp_config: None,
            found: FoundBy::default(),
            settings: site
                .origins
                .iter()
                .filter(|origin| origin.name != "address" && origin.name != "DB_PASSWORD")
                .map(|origin| Finding::known(&origin.name, &origin.shown, &origin.source))
                .chain(address::password(&site.address, &site.origins))
                .collect(),
            site: Ok(*site),
        }),
        Place::Files(files) => Ok(config::load(&files, request)?.survey(request)),
    }
}

/// The folder of the site's must-use plugins, also where its database is not known.
///
/// # Errors
/// [`SiteError`]: it is not known.
pub fn mu_plugin_dir(request: &Request) -> Result<PathBuf, SiteError> {
    let (found, missing) = match place(request)? {
        Place::Direct(site) if site.is_sandbox => (
            None,
            "No WordPress runs on the sandbox, so it has no folder of must-use plugins: give --path."
                .to_owned(),
        ),
        Place::Direct(site) => (
            site.mu_plugin_dir.map_err(SiteError::Config)?,
            "Only the site's database was named, and not where its files are: give --path.".to_owned(),
        ),
        Place::Files(files) => (
            config::load(&files, request)?.mu_plugin_dir()?,
            format!(
                "Where WordPress lies is not known from {} alone: give --path too.",
                files.wp_config.display()
            ),
        ),
    };
    found.ok_or(SiteError::Usage(missing))
}

/// What the `wp-includes/version.php` of a root says, if it is there.
pub fn version_of(root: &Path) -> Option<VersionFile> {
    root::version(root)
}

/// Where a site is to be read from.
enum Place {
    /// Its database was named.
    Direct(Box<Site>),
    /// Its configuration is to be evaluated.
    Files(Files),
}

/// A configuration, and the root that it is for.
struct Files {
    root: Option<PathBuf>,
    wp_config: PathBuf,
    found: FoundBy,
    /// What the user should hear.
    notes: Vec<String>,
}

fn place(request: &Request) -> Result<Place, SiteError> {
    let path = match &request.alias {
        Some(alias) => alias.as_str(),
        None => "--path",
    };
    let files = request.path.is_some() || request.alias.is_some();
    let flags: Vec<&str> = [
        (request.sandbox, "--sandbox"),
        (request.db.is_some(), "--db"),
        (files, path),
        (request.wp_config.is_some() && !files, "--wp-config"),
    ]
    .iter()
    .filter(|(given, _)| *given)
    .map(|(_, name)| *name)
    .collect();
    if let [first, second, ..] = flags[..] {
        return Err(SiteError::Usage(format!(
            "{first} and {second} each name a site; give only one of them."
        )));
    }
    // WP-CLI: `Runner::find_wp_root()`.
    if request.path.as_ref().is_some_and(|path| path.as_os_str().is_empty()) {
        return Err(SiteError::Usage("The --path parameter cannot be empty when provided.".into()));
    }
    let named = request.env.text("WP_APP_PASSWORD_DB").filter(|_| !files && request.wp_config.is_none());
    let direct = match (request.sandbox, &request.db, &named) {
        (true, ..) => Some("--sandbox"),
        (_, Some(_), _) => Some("--db"),
        (.., Some(_)) => Some("the environment variable WP_APP_PASSWORD_DB"),
        _ => None,
    };
    let of_files = [
        (!request.env_files.is_empty(), "--env-file"),
        (request.assume_env, "--assume-env"),
        (request.php, "--php"),
        (request.sandbox && request.table_prefix.is_some(), "--table-prefix"),
    ];
    if let (Some(direct), Some((_, flag))) = (direct, of_files.iter().find(|(given, _)| *given)) {
        let what = if *flag == "--table-prefix" { "has a fixed prefix" } else { "reads no wp-config.php" };
        return Err(SiteError::Usage(format!(
            "{flag} has no effect with {direct}, which {what}: leave one away."
        )));
    }
    let direct = if request.sandbox {
        sandbox::site(request)?
    } else if let Some(url) = &request.db {
        address::site(url.expose(), "--db", request)?
    } else if files || request.wp_config.is_some() {
        return root::place(request);
    } else if let Some(url) = named {
        address::site(&url, "the environment variable WP_APP_PASSWORD_DB", request)?
    } else {
        return root::place(request);
    };
    Ok(Place::Direct(Box::new(direct)))
}

/// The table prefix that a flag or the environment gives, with its origin.
fn given_prefix(request: &Request) -> Result<Option<(String, &'static str)>, SiteError> {
    let (prefix, source) = if let Some(prefix) = &request.table_prefix {
        (prefix.clone(), "--table-prefix")
    } else if let Some(prefix) = request.env.text("WP_APP_PASSWORD_TABLE_PREFIX") {
        (prefix, "environment variable WP_APP_PASSWORD_TABLE_PREFIX")
    } else {
        return Ok(None);
    };
    check_prefix(prefix.as_bytes(), source)?;
    Ok(Some((prefix, source)))
}

/// `wpdb::set_prefix()`: letters, digits and underscores only.
fn check_prefix(prefix: &[u8], source: &str) -> Result<(), SiteError> {
    if prefix.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_') {
        return Ok(());
    }
    Err(SiteError::Config(format!(
        "The table prefix {:?} ({source}) is not one that WordPress accepts: letters, digits and underscores only.",
        String::from_utf8_lossy(prefix)
    )))
}
