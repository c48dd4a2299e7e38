//! The command line: every verb, argument and help text, in one place.
//!
//! Help text is the doc comment of the arguments. Completions and man pages are rendered from here
//! (`tests/suite/generated.rs`), and [`super::grammar`] checks mirrored verbs against it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::commands::audit::AuditSite;
use crate::commands::authorize::Authorize;
use crate::commands::completions::Completions;
use crate::commands::create::Create;
use crate::commands::delete::Delete;
use crate::commands::discover::Discover;
use crate::commands::doctor::Doctor;
use crate::commands::enforcer::Enforcer;
use crate::commands::ensure::Ensure;
use crate::commands::exists::Exists;
use crate::commands::get::Get;
use crate::commands::identify::Identify;
use crate::commands::list::List;
use crate::commands::man::Man;
use crate::commands::provision::{Deprovision, Provision};
use crate::commands::prune::Prune;
use crate::commands::record_usage::RecordUsage;
use crate::commands::revoke_all::RevokeAll;
use crate::commands::rotate::Rotate;
use crate::commands::site::ShowSite;
use crate::commands::suspend::Suspend;
use crate::commands::update::Update;
use crate::commands::verify::Verify;
use crate::secret::DatabaseUrl;

/// The program.
#[derive(Debug, Parser)]
#[command(
    name = "wp-app-password",
    version,
    about = "Manage WordPress application passwords straight on the site's database",
    long_about = "Manage WordPress application passwords straight on the site's database (MySQL, MariaDB, or the \
                  SQLite file of the SQLite integration), without PHP. The verbs of `wp user \
                  application-password` take the same arguments and print the same bytes.",
    after_help = "Exit codes: 0 done or yes; 1 error, or \"no\" from `exists`; 2 changes pending under --dry-run, or findings of `audit` and `doctor`; 3 some of several failed; 4 \"no\" from `verify`, `identify`, `discover`, `authorize` and `enforcer status`.",
    disable_help_subcommand = true,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What every verb takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Site")]
pub struct Global {
    /// Path to the WordPress files (default: found upward from the current directory)
    #[arg(long, global = true, value_name = "path", value_hint = clap::ValueHint::DirPath)]
    pub path: Option<PathBuf>,

    /// Database: sqlite:FILE or mysql://user:password@host:port/name?socket=PATH&ssl-mode=MODE
    ///
    /// Better given in the environment variable WP_APP_PASSWORD_DB: other users of the machine can see
    /// command lines.
    #[arg(long, global = true, value_name = "url")]
    pub db: Option<DatabaseUrl>,

    /// Configuration to evaluate, instead of the wp-config.php of the WordPress root
    #[arg(long, global = true, value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub wp_config: Option<PathBuf>,

    /// Environment of the web server's PHP: lines of NAME=value, or /proc/PID/environ (repeatable)
    ///
    /// For configurations that read environment variables. What these files do not set counts as not set
    /// there; the variables of this process stay visible.
    #[arg(long, global = true, value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub env_file: Vec<PathBuf>,

    /// Take what the configuration falls back to where an environment variable is not set here
    #[arg(long, global = true)]
    pub assume_env: bool,

    /// Evaluate the configuration with this machine's PHP, which runs the site's code
    ///
    /// For the few configurations that stay unknown. wp-settings.php is left out. Root's process runs it as
    /// the owner of the file.
    #[arg(long, global = true)]
    pub php: bool,

    /// Prefix of the tables with --db (default: wp_), or where the site's configuration leaves it open
    #[arg(long, global = true, value_name = "prefix")]
    pub table_prefix: Option<String>,

    /// Use a private WordPress database on this machine, made on first use, to try things out
    #[arg(long, global = true)]
    pub sandbox: bool,

    /// Site of a network, by its address
    #[arg(long, global = true, value_name = "url")]
    pub url: Option<String>,

    /// Alias of the site in WP-CLI's configuration, as @name before the command
    #[arg(long, global = true, value_name = "name")]
    pub alias: Option<String>,

    /// Refuse to work unless the database is this site's (its siteurl or home)
    #[arg(long, global = true, value_name = "url")]
    pub expect_url: Option<String>,

    /// Object cache server: redis://…, rediss://…, redis+unix://…, memcached://… (default: what the site is set
    /// to), or `ignore` to write anyway
    ///
    /// Better given in the environment variable WP_APP_PASSWORD_CACHE if it holds a password. What follows a
    /// question mark says how the site names its entries: prefix=TEXT, format=redis-cache, wp-redis or
    /// wp-redis-groups, db=NUMBER, ca=FILE.
    #[arg(long, global = true, value_name = "url|ignore", overrides_with = "no_cache")]
    pub cache: Option<DatabaseUrl>,

    /// Assert that the site has no persistent object cache
    #[arg(long, global = true, overrides_with = "cache")]
    pub no_cache: bool,

    /// Run this in a shell after each write, for instance to flush a cache; its failure fails the command
    ///
    /// The environment variable WP_APP_PASSWORD_USER_IDS holds the ids of the users whose application passwords
    /// were written; WP_APP_PASSWORD_DB and WP_APP_PASSWORD_CACHE, which may hold passwords, are not handed on.
    #[arg(long, global = true, value_name = "command")]
    pub after_write: Option<OsString>,

    /// Watch what was written for this many seconds, and put right what WordPress overwrites
    ///
    /// By default one second where there is an object cache or somebody else wrote too. Else until every connection
    /// to the database that was open when the change was saved has ended, a second at most; where such connections
    /// cannot be seen (SQLite; --db with an account that may not see the site's) 0.3 seconds.
    #[arg(long, global = true, value_name = "seconds", value_parser = seconds, overrides_with = "no_confirm")]
    pub confirm: Option<Duration>,

    /// Don't look again at what was written
    #[arg(long, global = true, overrides_with = "confirm")]
    pub no_confirm: bool,

    /// Append a record of each change to this file: one JSON object a line
    ///
    /// The environment variable WP_APP_PASSWORD_JOURNAL says the same. The system's log gets the records in any case,
    /// where there is one (at /dev/log, or at the socket that WP_APP_PASSWORD_SYSLOG names; empty: none).
    #[arg(long, global = true, value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub journal: Option<PathBuf>,

    /// Change nothing unless the file of the journal can be written
    #[arg(long, global = true)]
    pub journal_required: bool,

    /// When a user's stored list is damaged, replace it and keep the old bytes in a second meta row
    #[arg(long, global = true)]
    pub replace_unreadable: bool,

    /// Suppress informational messages
    #[arg(long, global = true, help_heading = "Output")]
    pub quiet: bool,

    /// Colorize labels also where stdout is not a terminal
    #[arg(long, global = true, overrides_with = "no_color", help_heading = "Output")]
    pub color: bool,

    /// Never colorize
    #[arg(long, global = true, help_heading = "Output")]
    pub no_color: bool,

    /// Say on stderr which site, database and version were found, and how
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "",
          value_name = "group", help_heading = "Output")]
    pub debug: Option<String>,

    /// Acting user, as WP-CLI takes it: must exist, changes nothing
    // An id of its own: the verbs' positional `user` would fill it otherwise.
    #[arg(
        id = "acting-user",
        long = "user",
        global = true,
        value_name = "id|login|email",
        help_heading = "Accepted for WP-CLI's sake"
    )]
    pub user: Option<OsString>,

    /// Without effect: plugins are never loaded
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "",
          value_name = "plugins", help_heading = "Accepted for WP-CLI's sake")]
    pub skip_plugins: Option<String>,

    /// Without effect: themes are never loaded
    #[arg(long, global = true, num_args = 0..=1, require_equals = true, default_missing_value = "",
          value_name = "themes", help_heading = "Accepted for WP-CLI's sake")]
    pub skip_themes: Option<String>,

    /// Without effect: packages are never loaded
    #[arg(long, global = true, help_heading = "Accepted for WP-CLI's sake")]
    pub skip_packages: bool,

    /// With --php, run code of root's own files as root; else without effect
    #[arg(long, global = true, help_heading = "Accepted for WP-CLI's sake")]
    pub allow_root: bool,

    /// Without effect: WordPress is never loaded
    #[arg(long, global = true, hide = true, value_name = "context")]
    pub context: Option<String>,

    /// Without effect: WordPress is never loaded
    #[arg(long, global = true, hide = true)]
    pub assume_https: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it is not a number of seconds".to_owned())?;
    if !(0.0..=3600.0).contains(&seconds) {
        return Err("it must be between 0 and 3600 seconds".into());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a new application password
    Create(Create),
    /// List a user's application passwords, or those of all users
    List(List),
    /// Get one application password
    Get(Get),
    /// Check whether an application password for a given application exists
    Exists(Exists),
    /// Rename an application password
    Update(Update),
    /// Record usage of an application password
    RecordUsage(RecordUsage),
    /// Revoke some or all of a user's application passwords
    Delete(Delete),
    /// Revoke all application passwords of a user, or what was breached of all users
    RevokeAll(Box<RevokeAll>),
    /// Revoke what is stale: not used, too old, past its date
    Prune(Box<Prune>),
    /// Take application passwords out of service, so that they can be brought back
    Suspend(Box<Suspend>),
    /// Bring suspended application passwords back into service, as they were
    Resume(Box<Suspend>),
    /// Give an integration a new password, and retire the old one when the new one was delivered
    Rotate(Box<Rotate>),
    /// Create an application password unless there is one of that name; rotate it when it is too old
    Ensure(Box<Ensure>),
    /// Check whether a password is one of a user's application passwords, and works
    ///
    /// The password comes from standard input, a file, a file descriptor, or a prompt on a terminal; blanks and dashes in
    /// it do not count. Exit codes: 0 yes; 4 no; 1 it could not be told.
    Verify(Verify),
    /// Find out whose a leaked string is, or what leaked into files and logs
    Identify(Identify),
    /// Look at all application passwords of the site by rules, for people, cron and CI
    Audit(Box<AuditSite>),
    /// Find out whether a site has application passwords, and where users authorize an application
    ///
    /// Asks the site itself; no database is needed. Exit codes: 0 yes; 4 no; 1 it could not be told.
    Discover(Discover),
    /// Let a user approve an application in the browser, and receive its password
    ///
    /// Asks the site itself; no database is needed. Exit codes: 0 approved and delivered; 4 no, said by the user or the site;
    /// 1 everything else.
    Authorize(Box<Authorize>),
    /// Make a user for a program, with a role and an application password; run again, it changes nothing
    ///
    /// No password lets such a user log in by form. Exit codes: 0 all is as asked; 1 everything else.
    Provision(Box<Provision>),
    /// Revoke all application passwords of a user and take its role away; the user and its content stay
    Deprovision(Deprovision),
    /// Install, check or remove the plugin that makes WordPress enforce expiry and restrictions
    ///
    /// Application passwords with --expires, --allow, --allow-net or --read-only need it: WordPress itself knows neither. It
    /// is one file in the folder of must-use plugins. No database is opened.
    Enforcer(Enforcer),
    /// Find out why a valid application password is refused
    ///
    /// Looks at the database, the site's files, and with --live and --probe at the site itself. Exit codes: 0 nothing found; 2 something
    /// found; 1 could not look.
    Doctor(Box<Doctor>),
    /// Show which site, database and version were found, and where each setting came from
    Site(ShowSite),
    /// Print the completion script of a shell
    Completions(Completions),
    /// Print a manual page
    Man(Man),
}

impl Verb {
    /// Whether it is one of WP-CLI's.
    pub fn is_mirrored(&self) -> bool {
        match self {
            Self::Create(_)
            | Self::List(_)
            | Self::Get(_)
            | Self::Exists(_)
            | Self::Update(_)
            | Self::RecordUsage(_)
            | Self::Delete(_) => true,
            Self::RevokeAll(_)
            | Self::Prune(_)
            | Self::Suspend(_)
            | Self::Resume(_)
            | Self::Rotate(_)
            | Self::Ensure(_)
            | Self::Verify(_)
            | Self::Identify(_)
            | Self::Audit(_)
            | Self::Discover(_)
            | Self::Authorize(_)
            | Self::Enforcer(_)
            | Self::Doctor(_)
            | Self::Provision(_)
            | Self::Deprovision(_)
            | Self::Site(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }

    /// Whether it is about all users as it was given, so that a user elsewhere on the command line could be taken for a filter.
    pub fn is_about_all_users(&self) -> bool {
        match self {
            Self::RevokeAll(args) => args.user.is_none(),
            Self::Suspend(args) | Self::Resume(args) => args.user.is_none(),
            Self::Rotate(args) => args.user.is_none() && args.all_of.is_none(),
            Self::Audit(_) => true,
            _ => false,
        }
    }

    /// Whether it changes nothing, so that nothing is lost when nobody reads what it prints.
    pub fn only_reads(&self) -> bool {
        match self {
            Self::List(_)
            | Self::Get(_)
            | Self::Exists(_)
            | Self::Site(_)
            | Self::Audit(_)
            | Self::Completions(_)
            | Self::Man(_) => true,
            Self::RevokeAll(args) => args.guard.dry_run,
            Self::Prune(args) => args.guard.dry_run,
            Self::Suspend(args) | Self::Resume(args) => args.guard.dry_run,
            Self::Identify(args) => !args.revoke,
            Self::Enforcer(args) => args.deed.action().is_none(),
            Self::Doctor(args) => !args.probe,
            Self::Create(_)
            | Self::Update(_)
            | Self::RecordUsage(_)
            | Self::Delete(_)
            | Self::Rotate(_)
            | Self::Ensure(_)
            | Self::Authorize(_)
            | Self::Provision(_)
            | Self::Deprovision(_)
            // What they say may be a no: that must arrive.
            | Self::Discover(_)
            | Self::Verify(_) => false,
        }
    }
}
