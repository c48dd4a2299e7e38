//! Names of the meta keys, options and transients that application passwords live under.
//!
//! Names only: which table a name is looked up in, and how that table is called on a site, is the
//! store's knowledge.

/// The user meta key under which all application passwords of one user are kept, as one serialized
/// list. No site prefix: a network shares it.
///
/// `WP_Application_Passwords::USERMETA_KEY_APPLICATION_PASSWORDS` in
/// `wp-includes/class-wp-application-passwords.php`.
pub const APPLICATION_PASSWORDS: &str = "_application_passwords";

/// The user meta key under which this program keeps what it takes out of service for a while, in the same format.
/// WordPress does not know it, so what is there does not authenticate.
pub const SUSPENDED: &str = "_application_passwords_suspended";

/// The network option that says that some user has an application password. While it is off,
/// WordPress ignores application passwords without a word.
///
/// `WP_Application_Passwords::OPTION_KEY_IN_USE` in `wp-includes/class-wp-application-passwords.php`.
pub const USING_APPLICATION_PASSWORDS: &str = "using_application_passwords";

/// What [`USING_APPLICATION_PASSWORDS`] is set to.
pub const IN_USE: &[u8] = b"1";

/// The option that holds the revision of the database's layout, a decimal number; it moves when a
/// new WordPress runs its upgrade routine.
pub const DB_VERSION: &str = "db_version";

/// The network transient of the last update check. Its property `version_checked` is the version
/// that was running then.
///
/// `wp_version_check()` in `wp-includes/update.php`.
pub const UPDATE_TRANSIENT: &str = "_site_transient_update_core";

/// The option that lists a site's active plugins: a serialized list of `folder/file.php`.
pub const ACTIVE_PLUGINS: &str = "active_plugins";

/// The network option with the plugins that are active on all sites: a serialized map from `folder/file.php`.
pub const ACTIVE_SITEWIDE_PLUGINS: &str = "active_sitewide_plugins";

/// The user meta key under which the plugin Two Factor keeps what a user has switched on: a serialized list.
///
/// `Two_Factor_Core::ENABLED_PROVIDERS_USER_META_KEY`.
pub const TWO_FACTOR_PROVIDERS: &str = "_two_factor_enabled_providers";

/// Providers of Two Factor that count for nothing until the user has something to show, and the user meta key under which
/// that is kept. `Two_Factor_Totp::SECRET_META_KEY`, `Two_Factor_Backup_Codes::BACKUP_CODES_META_KEY`.
pub const TWO_FACTOR_PROOFS: [(&str, &str); 2] =
    [("Two_Factor_Totp", "_two_factor_totp_key"), ("Two_Factor_Backup_Codes", "_two_factor_backup_codes")];

/// Folders of plugins that do nothing but bring a persistent object cache.
pub const OBJECT_CACHE_PLUGINS: [&str; 14] = [
    "redis-cache",
    "redis-cache-pro",
    "object-cache-pro",
    "wp-redis",
    "memcached",
    "wp-memcached",
    "memcached-redux",
    "object-cache-4-everyone",
    "sqlite-object-cache",
    "docket-cache",
    "apcu",
    "apcu-manager",
    "atec-cache-apcu",
    // Its settings are in a file; an object cache is one of them.
    "w3-total-cache",
];

/// Folders of plugins that can bring one, and the option that says that they do.
pub const OPTIONAL_OBJECT_CACHES: [(&str, &str); 2] =
    [("litespeed-cache", "litespeed.conf.object"), ("sg-cachepress", "siteground_optimizer_enable_memcache")];

/// The option that holds scheduled tasks.
///
/// `_set_cron_array()` in `wp-includes/cron.php`.
pub const CRON: &str = "cron";

/// The scheduled task that looks for a newer WordPress, twice a day.
///
/// `wp_schedule_update_checks()` in `wp-includes/update.php`.
pub const UPDATE_CHECK: &str = "wp_version_check";

/// The option that holds the address of WordPress itself.
pub const SITE_URL: &str = "siteurl";

/// The option that holds the address that visitors type.
pub const HOME: &str = "home";

/// The option that holds the character set of the site, `UTF-8` unless somebody changed it.
pub const BLOG_CHARSET: &str = "blog_charset";

/// The end of the user meta key that holds a user's roles; the site's table prefix comes before it.
pub const CAPABILITIES_SUFFIX: &str = "capabilities";

/// The end of the option that defines the roles; the site's table prefix comes before it.
pub const USER_ROLES_SUFFIX: &str = "user_roles";

/// The network option of a multisite network that lists the logins of its super admins.
pub const SITE_ADMINS: &str = "site_admins";

/// Keys of one application password, in the order in which WordPress writes them.
///
/// `WP_Application_Passwords::create_new_application_password()`.
pub mod item {
    /// A UUID of version 4, lower-case.
    pub const UUID: &str = "uuid";
    /// What the calling application says that it is; may be empty.
    pub const APP_ID: &str = "app_id";
    /// What a human calls it.
    pub const NAME: &str = "name";
    /// The hash of the secret.
    pub const PASSWORD: &str = "password";
    /// Unix time, seconds.
    pub const CREATED: &str = "created";
    /// Unix time of the first use within the latest recorded day, or null.
    pub const LAST_USED: &str = "last_used";
    /// Address of that use, or null.
    pub const LAST_IP: &str = "last_ip";
    /// All of them in order.
    pub const ALL: [&str; 7] = [UUID, APP_ID, NAME, PASSWORD, CREATED, LAST_USED, LAST_IP];
}

/// Keys that this program adds to an entry. WordPress reads a list, changes what it knows and writes the whole list,
/// so they survive there; its REST API and WP-CLI do not show them.
pub mod own {
    /// Text: which run of this program made the entry, as long as its password was not delivered.
    pub const UNDELIVERED: &str = "undelivered";
    /// The uuid of the entry whose place this one takes, or took.
    pub const ROTATED_FROM: &str = "rotated_from";
    /// Unix time, seconds: when this entry took the other one's place.
    pub const ROTATED_AT: &str = "rotated_at";
    /// The name that this entry gets when the other one is gone, where WordPress allows a name only once.
    pub const ROTATED_NAME: &str = "rotated_name";
    /// The uuid of the entry that is being made to take this one's place. A list without it is older than that entry.
    pub const ROTATING_TO: &str = "rotating_to";
    /// The uuid of the entry that took this one's place.
    pub const ROTATED_BY: &str = "rotated_by";
    /// Unix time, seconds: from then on this entry, whose place was taken, is to be revoked.
    pub const RETIRE_AT: &str = "retire_at";

    /// Unix time, seconds: from then on this entry is not to be used any more.
    pub const EXPIRES: &str = "expires";

    /// List of text, each `METHODS ROUTE`: what the entry may be used for; see [`crate::wordpress::restrictions`].
    pub const ALLOW: &str = "allow";
    /// List of text, each an address or a network: where the entry may be used from.
    pub const ALLOW_NET: &str = "allow_net";
    /// True: the entry may not change anything.
    pub const READ_ONLY: &str = "read_only";
    /// Text for people.
    pub const NOTE: &str = "note";
    /// Text for people: who answers for the entry.
    pub const OWNER: &str = "owner";

    /// What people ask for by name: a field of every entry, empty where there is nothing.
    pub const SHOWN: [&str; 6] = [EXPIRES, ALLOW, ALLOW_NET, READ_ONLY, NOTE, OWNER];

    /// What an entry that takes another one's place inherits.
    pub const INHERITED: [&str; 5] = [ALLOW, ALLOW_NET, READ_ONLY, NOTE, OWNER];
}
