//! Names of the entries that a direct write makes stale in WordPress's persistent object cache.
//!
//! WordPress keeps a user's meta and its options in the cache across requests, under a group and a key. Each
//! drop-in builds the stored name its own way. Names only: values are serialized, compressed or encoded as
//! each drop-in likes, so they are deleted and never looked into.
//!
//! Mirrors `wp_cache_delete()` as `wp-includes/meta.php`, `option.php` and `user.php` call it, and the key
//! builders of the drop-ins; `tests/vectors/object_cache_drop_ins.json` holds what the real ones store.

use super::schema::USING_APPLICATION_PASSWORDS;

/// An entry as WordPress names it: `wp_cache_delete( key, group )`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// `user_meta`
    pub group: &'static str,
    /// `5`
    pub key: String,
}

impl Entry {
    fn new(group: &'static str, key: impl Into<String>) -> Self {
        Self { group, key: key.into() }
    }
}

/// Stale when a user's list of application passwords was written.
///
/// WordPress: `update_metadata()` in `wp-includes/meta.php`.
pub fn of_user_meta(user: u64) -> Vec<Entry> {
    vec![Entry::new("user_meta", user.to_string())]
}

/// Stale when a user was made, or got another role: what is kept of the user, and the time that lists of users are
/// kept under.
///
/// WordPress: `clean_user_cache()` in `wp-includes/user.php`, which also ends with `wp_cache_set_users_last_changed()`.
pub fn of_account(user: u64) -> Vec<Entry> {
    let mut stale = of_user_meta(user);
    stale.push(Entry::new("users", user.to_string()));
    stale.push(Entry::new("users", "last_changed"));
    stale
}

/// Stale when the in-use flag was set; `network` is the main network's id on a network.
///
/// WordPress: `add_option()`, `update_option()` and `update_network_option()` in `wp-includes/option.php`. An
/// option that is not there is remembered in `notoptions`, and one that is autoloaded in `alloptions`.
pub fn of_in_use_flag(network: Option<u64>) -> Vec<Entry> {
    match network {
        Some(id) => vec![
            Entry::new("site-options", format!("{id}:{USING_APPLICATION_PASSWORDS}")),
            Entry::new("site-options", format!("{id}:notoptions")),
        ],
        None => vec![
            Entry::new("options", USING_APPLICATION_PASSWORDS),
            Entry::new("options", "notoptions"),
            Entry::new("options", "alloptions"),
            Entry::new("site-options", "1:notoptions"),
        ],
    }
}

/// What a site that is visited has in its cache: WordPress looks for these in every request. The first is one that
/// nothing here makes stale. `network` is the main network's id on a network.
///
/// WordPress: `is_blog_installed()` in `wp-includes/functions.php`.
pub fn of_every_request(network: Option<u64>) -> Vec<Entry> {
    vec![
        Entry::new("default", "is_blog_installed"),
        Entry::new("options", "alloptions"),
        Entry::new("options", "notoptions"),
        Entry::new("site-options", format!("{}:notoptions", network.unwrap_or(1))),
    ]
}

/// Groups that a network's sites share.
///
/// WordPress: `wp_start_object_cache()` in `wp-includes/load.php`, as far as names here belong to them.
fn is_global(group: &str) -> bool {
    !matches!(group, "options" | "default")
}

/// What of the site is part of the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// `$table_prefix`
    pub table_prefix: String,
    /// `is_multisite()`
    pub multisite: bool,
    /// The site of a network; 1 is the main site.
    pub blog_id: u64,
    /// Both `CUSTOM_USER_TABLE` and `CUSTOM_USER_META_TABLE` are set: installs that share users share entries.
    pub shared_users: bool,
}

/// How a drop-in names what it stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyFormat {
    /// Redis Object Cache (Till Krüss): `{prefix}{table prefix or site}:{group}:{key}`.
    RedisObjectCache {
        /// `WP_REDIS_PREFIX`, trimmed.
        prefix: String,
    },
    /// Redis Object Cache before 2.0, from 1.3.5 on. What changed in between is not told apart: every form is named.
    RedisObjectCache1 {
        /// `WP_CACHE_KEY_SALT`
        salt: String,
    },
    /// Redis Object Cache that does not say its version: the forms of all versions.
    RedisObjectCacheAny {
        /// `WP_REDIS_PREFIX`, trimmed.
        prefix: String,
        /// `WP_CACHE_KEY_SALT`
        salt: String,
    },
    /// WP Redis (Pantheon): `{salt}{site}{group}:{key}`.
    WpRedis {
        /// `WP_CACHE_KEY_SALT`
        salt: String,
        /// `WP_REDIS_USE_CACHE_GROUPS`: each group is one Redis hash. Code can register single groups for that
        /// too, so both forms are named.
        hashes: bool,
    },
    /// Memcached (Automattic): `{salt}:{flush number}:{table prefix or site}:{group}:{key}`.
    Memcached {
        /// `WP_CACHE_KEY_SALT`
        salt: String,
    },
    /// SQLite Object Cache: `{group}|{key}`.
    SqliteObjectCache {
        /// `WP_SQLITE_OBJECT_CACHE_INTKEY_LENGTH`, 6 unless set.
        digits: usize,
    },
}

/// Where an entry is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredKey {
    /// A key of its own.
    Plain(Vec<u8>),
    /// A field of a Redis hash.
    Field {
        /// The hash.
        hash: Vec<u8>,
        /// The field.
        field: Vec<u8>,
    },
}

impl Scope {
    /// What WP Redis and Memcached put before the groups that are shared.
    fn shared(&self) -> &str {
        if self.multisite || self.shared_users { "" } else { &self.table_prefix }
    }
}

impl KeyFormat {
    /// Where this drop-in stores an entry. `flush_number` counts for Memcached alone: the value under
    /// [`memcached_flush_key`] of the entry's group.
    pub fn stored(&self, entry: &Entry, scope: &Scope, flush_number: &str) -> Vec<StoredKey> {
        let Entry { group, key } = entry;
        let plain = |text: String| StoredKey::Plain(text.into_bytes());
        match self {
            Self::RedisObjectCache { prefix } => {
                let site = match (scope.multisite, is_global(group)) {
                    (false, _) => scope.table_prefix.clone(),
                    (true, true) => String::new(),
                    (true, false) => scope.blog_id.to_string(),
                };
                let site = site.trim_matches(['_', '-', ':', '$']);
                vec![plain(format!("{prefix}{site}:{}:{}", group.replace(':', "-"), key.replace(':', "-")))]
            }
            Self::RedisObjectCache1 { salt } => {
                let site = match (scope.multisite, is_global(group)) {
                    (_, true) => scope.shared().to_owned(),
                    (false, false) => scope.table_prefix.clone(),
                    (true, false) => scope.blog_id.to_string(),
                };
                let trimmed = site.trim_matches(['_', '-', ':', '$']);
                let dashed = format!("{}:{}", group.replace(':', "-"), key.replace(':', "-"));
                let mut forms = Vec::new();
                for salt in [salt, salt.trim_matches([' ', '\t', '\n', '\r', '\0', '\x0b'])] {
                    forms.push(format!("{salt}{site}:{group}:{key}"));
                    forms.push(format!("{salt}{trimmed}:{dashed}"));
                    // 1.5.0 alone.
                    forms.push(format!("{salt}{trimmed}:{dashed}").to_lowercase());
                }
                forms.sort_unstable();
                forms.dedup();
                forms.into_iter().map(plain).collect()
            }
            Self::RedisObjectCacheAny { prefix, salt } => {
                let of_2 = Self::RedisObjectCache { prefix: prefix.clone() };
                let of_1 = Self::RedisObjectCache1 { salt: salt.clone() };
                let mut forms = of_2.stored(entry, scope, flush_number);
                forms.extend(of_1.stored(entry, scope, flush_number));
                forms
            }
            Self::WpRedis { salt, hashes } => {
                let site = match (is_global(group), scope.multisite) {
                    (true, _) => scope.shared().to_owned(),
                    (false, true) => format!("{}:", scope.blog_id),
                    (false, false) => String::new(),
                };
                let before = without_blanks(&format!("{salt}{site}{group}:"));
                let field =
                    StoredKey::Field { hash: before.clone().into_bytes(), field: key.clone().into_bytes() };
                let whole = plain(format!("{before}{}", without_blanks(key)));
                if *hashes { vec![field] } else { vec![whole, field] }
            }
            Self::Memcached { salt } => {
                let site = memcached_prefix(is_global(group), scope);
                let salt = memcached_salt(salt);
                vec![plain(without_blanks(&format!("{salt}{flush_number}:{site}:{group}:{key}")))]
            }
            Self::SqliteObjectCache { digits } => {
                let key = if is_consecutive(key, *digits) {
                    format!("\u{1f}{key:0>width$}", width = digits + 1)
                } else {
                    key.clone()
                };
                let site = if scope.multisite && !is_global(group) {
                    format!("{}:", scope.blog_id)
                } else {
                    String::new()
                };
                vec![plain(format!("{group}|{site}{key}"))]
            }
        }
    }
}

/// The key under which the Memcached drop-in keeps the number that all its other keys of a group begin with.
pub fn memcached_flush_key(salt: &str, group: &str, scope: &Scope) -> Vec<u8> {
    let global = is_global(group);
    let of = if global { "WP_Object_Cache_global" } else { "WP_Object_Cache" };
    // The number of the shared groups is kept in a group that is shared itself.
    let site = memcached_prefix(global, scope);
    without_blanks(&format!("{}_:{site}:{of}:flush_number_v4", memcached_salt(salt))).into_bytes()
}

fn memcached_salt(salt: &str) -> String {
    if salt.is_empty() { String::new() } else { format!("{salt}:") }
}

fn memcached_prefix(global: bool, scope: &Scope) -> String {
    match (global, scope.multisite) {
        (true, _) => scope.shared().to_owned(),
        (false, true) => scope.blog_id.to_string(),
        (false, false) => scope.table_prefix.clone(),
    }
}

/// Both drop-ins take PCRE's `\s` out of their keys.
fn without_blanks(text: &str) -> String {
    text.chars().filter(|c| !matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')).collect()
}

/// Whether PHP keeps this array key as an integer that fits the drop-in's fixed width.
fn is_consecutive(key: &str, digits: usize) -> bool {
    key.len() <= digits
        && !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_digit())
        && (key == "0" || !key.starts_with('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SINGLE: bool = false;
    const NETWORK: bool = true;

    fn scope(multisite: bool) -> Scope {
        Scope { table_prefix: "wp_".into(), multisite, blog_id: 1, shared_users: false }
    }

    fn names(format: &KeyFormat, entry: (&'static str, &str), multisite: bool) -> Vec<String> {
        let entry = Entry::new(entry.0, entry.1);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let keys = format.stored(&entry, &scope(multisite), "17");
        keys.into_iter()
            .map(|key| match key {
                StoredKey::Plain(name) => text(name),
                StoredKey::Field { hash, field } => format!("{} {}", text(hash), text(field)),
            })
            .collect()
    }

    #[test]
    fn redis_object_cache_names_entries_by_prefix_group_and_key() {
        let format = KeyFormat::RedisObjectCache { prefix: String::new() };
        assert_eq!(names(&format, ("user_meta", "1"), SINGLE), ["wp:user_meta:1"]);
        assert_eq!(
            names(&format, ("site-options", "1:notoptions"), SINGLE),
            ["wp:site-options:1-notoptions"]
        );
        assert_eq!(names(&format, ("user_meta", "1"), NETWORK), [":user_meta:1"]);
        assert_eq!(names(&format, ("options", "alloptions"), NETWORK), ["1:options:alloptions"]);
        let format = KeyFormat::RedisObjectCache { prefix: "shop:".into() };
        assert_eq!(names(&format, ("user_meta", "1"), SINGLE), ["shop:wp:user_meta:1"]);
    }

    #[test]
    fn the_first_redis_object_cache_named_entries_otherwise() {
        let format = KeyFormat::RedisObjectCache1 { salt: "S ".into() };
        let single = names(&format, ("site-options", "1:notoptions"), SINGLE);
        for name in [
            "S wp_:site-options:1:notoptions",
            "Swp:site-options:1-notoptions",
            "s wp:site-options:1-notoptions",
        ] {
            assert!(single.iter().any(|known| known == name), "{name}: {single:?}");
        }
        let format = KeyFormat::RedisObjectCache1 { salt: String::new() };
        assert_eq!(names(&format, ("user_meta", "1"), SINGLE), ["wp:user_meta:1", "wp_:user_meta:1"]);
        assert_eq!(names(&format, ("user_meta", "1"), NETWORK), [":user_meta:1"]);
        let shared = Scope { shared_users: true, ..scope(SINGLE) };
        let stored = format.stored(&Entry::new("user_meta", "1"), &shared, "");
        assert_eq!(stored, [StoredKey::Plain(b":user_meta:1".to_vec())]);
    }

    #[test]
    fn wp_redis_names_a_key_and_the_field_of_a_hash() {
        let format = KeyFormat::WpRedis { salt: "s a".into(), hashes: false };
        assert_eq!(names(&format, ("user_meta", "1"), SINGLE), ["sawp_user_meta:1", "sawp_user_meta: 1"]);
        assert_eq!(names(&format, ("options", "notoptions"), SINGLE)[0], "saoptions:notoptions");
        let format = KeyFormat::WpRedis { salt: String::new(), hashes: true };
        assert_eq!(names(&format, ("user_meta", "1"), NETWORK), ["user_meta: 1"]);
        assert_eq!(names(&format, ("options", "notoptions"), NETWORK), ["1:options: notoptions"]);
    }

    #[test]
    fn memcached_puts_the_flush_number_first() {
        let format = KeyFormat::Memcached { salt: String::new() };
        assert_eq!(names(&format, ("user_meta", "1"), SINGLE), ["17:wp_:user_meta:1"]);
        assert_eq!(names(&format, ("user_meta", "1"), NETWORK), ["17::user_meta:1"]);
        let salted = KeyFormat::Memcached { salt: "x".into() };
        assert_eq!(names(&salted, ("options", "notoptions"), NETWORK), ["x:17:1:options:notoptions"]);
        assert_eq!(
            memcached_flush_key("", "user_meta", &scope(SINGLE)),
            b"_:wp_:WP_Object_Cache_global:flush_number_v4"
        );
        assert_eq!(
            memcached_flush_key("x", "options", &scope(NETWORK)),
            b"x:_:1:WP_Object_Cache:flush_number_v4"
        );
    }

    #[test]
    fn the_sqlite_cache_pads_numbers() {
        let format = KeyFormat::SqliteObjectCache { digits: 6 };
        assert_eq!(names(&format, ("user_meta", "1"), SINGLE), ["user_meta|\u{1f}0000001"]);
        assert_eq!(names(&format, ("user_meta", "1000000"), SINGLE), ["user_meta|1000000"]);
        assert_eq!(names(&format, ("options", "notoptions"), NETWORK), ["options|1:notoptions"]);
        assert_eq!(names(&format, ("site-options", "1:notoptions"), NETWORK), ["site-options|1:notoptions"]);
    }
}
