//! Why a valid application password gets 401: what is looked at, and what is known of plugins that refuse.
//!
//! Knows no database and never prints; `commands/doctor.rs` asks the questions.

pub mod code;
pub mod plugins;
pub mod server;

/// What a look came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names say it")]
pub enum State {
    NotLooked,
    Ok,
    Warning,
    Problem,
}

impl State {
    /// For people and scripts.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotLooked => "not looked at",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
        }
    }
}

/// Something that is looked at.
#[derive(Debug)]
pub struct Check {
    /// A stable id.
    pub id: &'static str,
    /// One line.
    pub title: &'static str,
    /// Why it matters.
    pub explanation: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

macro_rules! checks {
    ($($number:ident $id:literal $title:literal $explanation:literal $remedy:literal;)*) => {
        /// Which check.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the table says what each is")]
        pub enum Id { $($number),* }

        /// All of them, in the order of reports: from what concerns the whole site to one user, files before the network.
        pub static CHECKS: [Check; [$($id),*].len()] = [$(Check {
            id: $id, title: $title, explanation: $explanation, remedy: $remedy,
        }),*];

        impl Id {
            /// All of them.
            pub const ALL: [Self; [$($id),*].len()] = [$(Self::$number),*];
        }
    };
}

checks! {
    Version "version" "The version of WordPress"
        "Application passwords came with WordPress 5.6."
        "Update WordPress.";
    InUse "in-use" "WordPress looks at application passwords"
        "While the network option using_application_passwords is not set, WordPress does not look at the header at all. A restored or copied \
         database is the usual reason."
        "Create any application password with this program or in WordPress, which sets the option.";
    Https "https" "HTTPS, or environment local"
        "WordPress has application passwords where the request came over HTTPS ($_SERVER['HTTPS'], or port 443), or where its environment type is \
         local (wp_is_application_passwords_supported())."
        "Serve the site over HTTPS and set siteurl and home to it. Behind a proxy that ends TLS, set $_SERVER['HTTPS'] = 'on' in wp-config.php \
         when the proxy says so.";
    Addresses "addresses" "siteurl and home agree"
        "Clients follow home and siteurl. A redirect to another host or scheme loses the Authorization header."
        "Give clients the address that home has, and let both options have the same scheme and host.";
    Plugins "plugins" "No plugin has switched application passwords off"
        "Security plugins switch the feature off by the filter wp_is_application_passwords_available."
        "Change the setting that is named, in the plugin's own screen.";
    Code "code" "No code of the site is in the way"
        "Must-use plugins, drop-ins, active plugins and themes can refuse by a filter. Whether they do is code that nothing here runs."
        "Read the lines that are named.";
    Maintenance "maintenance" "The site is not in maintenance mode"
        "While .maintenance is there, WordPress answers 503 to everything, for ten minutes from the time that it holds."
        "Wait for the update to end, or remove the file if none is running.";
    ServerRules "server-rules" "The web server's rules hand the Authorization header on"
        "Apache hands it to PHP as a module, not by CGI or FastCGI (mod_proxy_fcgi, php-fpm): WordPress writes a rule for that into .htaccess \
         since 5.6. nginx hands it on unless told otherwise. A server or proxy that asks for a user and password of its own takes it for itself."
        "Apache, CGI or FastCGI: CGIPassAuth On, or as the first rule RewriteRule .* - [E=HTTP_AUTHORIZATION:%{HTTP:Authorization}], or SetEnvIf \
         Authorization \"(.*)\" HTTP_AUTHORIZATION=$1; saving the permalinks in WordPress writes .htaccess again. nginx, FastCGI: fastcgi_param \
         HTTP_AUTHORIZATION $http_authorization; and no fastcgi_pass_request_headers off. A proxy: no rule that removes or replaces the header. \
         AuthType Basic: except /wp-json/ and xmlrpc.php from it.";
    ObjectCache "object-cache" "The object cache can be told of changes"
        "WordPress goes by what its object cache holds. A cache that this program does not reach keeps revoked passwords alive and hides new ones."
        "Flush it (wp cache flush), and give its address with --cache or the command that flushes it with --after-write.";
    Hashes "hashes" "WordPress can check the stored hashes"
        "$generic$ hashes are checked by WordPress 6.8 and newer only; others by none."
        "Replace the entry: rotate USER UUID.";
    Entries "entries" "The stored lists are sound"
        "A list that PHP cannot read counts as empty, and an entry without a hash is a fatal error at every login."
        "A user without any: `create`. A damaged list: see `audit`, which names all of them.";
    Expiry "expiry" "Nothing has expired or is suspended"
        "What has expired is refused by the enforcer plugin, and what is suspended does not exist to WordPress."
        "update --expires, or resume.";
    Enforcer "enforcer" "Expiry and restrictions are enforced"
        "Entries have an expiry or restrictions that only a plugin enforces."
        "enforcer install";
    Role "role" "The user may do something here"
        "Without a role on this site a user is let in, and may then do next to nothing: 401 or 403 for almost every route."
        "Give the user a role: provision LOGIN --role=…, or in WordPress.";
    Account "account" "The account is open"
        "Networks mark users as spam or deleted, BuddyPress in user_status. XML-RPC refuses spammers; the REST API lets them in."
        "Mark the user as not spam: in the network's dashboard, or in BuddyPress's list of members.";
    TwoFactor "two-factor" "No second factor is asked for"
        "The plugin Two Factor refuses XML-RPC logins of users who have a second factor, application passwords too in versions before 0.14."
        "Update the plugin, or use the REST API.";
    RestIndex "rest-index" "The REST API is open and offers application passwords"
        "Clients find the REST API, and whether there are application passwords, by its index."
        "See what `discover` says of the address.";
    Accepted "accepted" "A new application password is accepted"
        "The whole way: web server, WordPress, plugins, object cache."
        "As the sentence says.";
}

impl Id {
    /// Its line of the table.
    pub fn check(self) -> &'static Check {
        // The table is in the order of the enum.
        CHECKS.get(self as usize).unwrap_or(&CHECKS[0])
    }

    /// The check with this id.
    pub fn named(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|check| check.check().id == id)
    }
}

/// What was found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// By which check.
    pub id: Id,
    /// What it came to.
    pub state: State,
    /// What was seen: a sentence without its full stop.
    pub evidence: String,
}
