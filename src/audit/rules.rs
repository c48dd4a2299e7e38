//! The rules of an audit: one table, from which reports, policies and `--explain` are made.
//!
//! An id is a promise: policies, baselines and dashboards refer to it. It never changes its meaning.

use super::finding::Severity::{self, Critical, Info, Warning};

const DAY: u64 = 86_400;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// Which one.
    pub number: Id,
    /// Its stable id.
    pub id: &'static str,
    /// Unless a policy says otherwise.
    pub severity: Severity,
    /// What a policy can set besides.
    pub threshold: Threshold,
    /// One line.
    pub title: &'static str,
    /// Why it matters.
    pub explanation: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// The number that a rule compares with, with its default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// There is none.
    None,
    /// Seconds that have to pass.
    After(u64),
    /// Seconds that are left.
    Within(u64),
    /// The number that is still fine.
    MoreThan(u64),
}

impl Threshold {
    /// The number, whatever it counts.
    pub fn value(self) -> u64 {
        match self {
            Self::None => 0,
            Self::After(value) | Self::Within(value) | Self::MoreThan(value) => value,
        }
    }

    /// What a policy calls it.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::After(_) => Some("after"),
            Self::Within(_) => Some("within"),
            Self::MoreThan(_) => Some("more-than"),
        }
    }
}

/// How many rules there are.
pub const COUNT: usize = RULES.len();

impl Id {
    /// Its line of the table.
    pub fn rule(self) -> &'static Rule {
        // The table is in the order of the enum; a test keeps it so.
        RULES.get(self as usize).unwrap_or(&RULES[0])
    }

    /// The rule with this id.
    pub fn named(id: &str) -> Option<Self> {
        RULES.iter().find(|rule| rule.id == id).map(|rule| rule.number)
    }
}

macro_rules! rules {
    ($($number:ident $id:literal $severity:ident $threshold:expr, $title:literal $explanation:literal $remedy:literal;)*) => {
        /// Which rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the table says what each is")]
        pub enum Id { $($number),* }

        /// All rules, in the order of reports.
        pub static RULES: [Rule; [$($id),*].len()] = [$(Rule {
            number: Id::$number, id: $id, severity: $severity, threshold: $threshold, title: $title,
            explanation: $explanation, remedy: $remedy,
        }),*];
    };
}

rules! {
    Unreadable "unreadable" Critical Threshold::None,
        "A user's stored list cannot be read"
        "WordPress takes a value that it cannot unserialize for an empty list: the user's application passwords stop \
         working without a word, and the next change overwrites what is left of them."
        "Restore the usermeta row from a backup, or let the next change replace it: --replace-unreadable keeps the old \
         bytes in a second row.";
    NotAnEntry "not-an-entry" Critical Threshold::None,
        "Something in a user's list is not an entry"
        "Every item of the list has to be an array. On anything else PHP 8 stops with a TypeError, at every request that \
         this user authenticates with an application password, and on the user's profile page."
        "Look at the usermeta row with a database client and remove the item.";
    NoPassword "no-password" Critical Threshold::None,
        "An entry has no hash"
        "PHP stops with a fatal error when it compares a password with the hash that is missing: none of this user's \
         application passwords work while WordPress meets this entry before the right one."
        "Revoke the entry: wp-app-password delete USER UUID.";
    WeakHash "weak-hash" Critical Threshold::None,
        "An entry has a weak hash, such as MD5"
        "A leaked copy of the database gives such a password away in seconds. Before WordPress 6.8 an entry that holds a \
         plain MD5 does more damage: when it matches, WordPress writes the application password into the account as its \
         login password. WordPress itself never writes such a hash, so a plugin, an import or an attacker did."
        "Find out who wrote it. Revoke the entry and create a new one.";
    DuplicateHash "duplicate-hash" Critical Threshold::None,
        "Two entries share one secret"
        "The same hash in two places means that a row or an entry was copied: whoever knows the secret of one can act as \
         the other user too. Attackers copy their own entry into an administrator's list; imports and cloned users do it \
         by accident. Revoking one of them leaves the other."
        "Revoke all of them, and create new ones for those that are needed.";
    HiddenCharacters "hidden-characters" Warning Threshold::None,
        "A name carries control, bidirectional or invisible characters"
        "Such characters make a name look like another one, or hide it on a terminal or a web page. Names are chosen by \
         whoever opens the authorization page, and no honest application needs them."
        "Find out who uses it; rename or revoke the entry.";
    ImitatesCore "imitates-core" Warning Threshold::None,
        "A name imitates WordPress itself"
        "WordPress needs no application password for anything that it does itself: no update, no cron, no site health \
         check. A name such as 'WordPress Core' is chosen so that nobody asks."
        "Find out who created it (roles, address of the last use) and revoke the entry unless somebody can explain it.";
    CreatedSince "created-since" Warning Threshold::None,
        "Created since the time that was asked about"
        "After a break-in, what was created since then is what an attacker may have left behind: an application password \
         survives a change of the login password."
        "Revoke what nobody can account for: wp-app-password delete USER UUID.";
    ForeignAddress "foreign-address" Warning Threshold::None,
        "Last used from outside the allowed networks"
        "WordPress records the address of a use at most once a day. Behind a proxy it may be the proxy's own."
        "Find out whose address it is; revoke the entry if it is nobody's you know.";
    CreatedInFuture "created-in-future" Warning Threshold::None,
        "Created in the future"
        "Either a clock was wrong or somebody wrote the time by hand: an entry that looks new does not look stale."
        "Check the clocks of the web servers and of the database server; find out who wrote the entry.";
    UsedBeforeCreated "used-before-created" Warning Threshold::None,
        "Last used before it was created, or in the future"
        "WordPress writes both times itself, so this was written by something else: an import, a plugin, or somebody who \
         made an old entry look new."
        "Find out who wrote the entry; replace it if in doubt.";
    SuperAdmin "super-admin" Warning Threshold::None,
        "Owned by a super admin of the network"
        "Whoever has this secret has every site of the network: an application password carries all rights of its user."
        "Make a user with the one role that the integration needs, on the one site that it needs, and an application \
         password for that user; revoke this one.";
    Administrator "administrator" Warning Threshold::None,
        "Owned by a user who may change the site's settings"
        "An application password carries all rights of its user, so this secret is as good as an administrator's login: it \
         can create users and, through the REST API, install plugins. Most integrations need to edit posts, or to read \
         orders."
        "Make a dedicated user with the least role that the integration needs, create an application password there, and \
         revoke this one.";
    RoleChanged "role-changed" Warning Threshold::None,
        "The owner's role is another than in the baseline"
        "Its application passwords gained or lost the rights that the owner gained or lost."
        "If the change was meant, write the baseline anew (--write-baseline); else put the role back and look for who \
         changed it.";
    NoRole "no-role" Warning Threshold::None,
        "The owner has no role here"
        "Somebody took the user's role away, or deleted the user from this site of a network, and expected that to be the \
         end of it. The application passwords still authenticate, with the rights of any logged-in user."
        "Revoke them: wp-app-password revoke-all USER.";
    OwnerBlocked "owner-blocked" Warning Threshold::None,
        "The owner is marked as spam or deleted"
        "WordPress or BuddyPress closed the account, but its application passwords are still stored, and come back to life \
         with it."
        "Revoke them: wp-app-password revoke-all USER.";
    Orphan "orphan" Warning Threshold::None,
        "The owner does not exist"
        "The user was deleted with a database client, or an import lost it. A new user that gets the same id inherits the \
         application passwords."
        "Remove the usermeta rows of that user_id.";
    NeverUsed "never-used" Warning Threshold::After(30 * DAY),
        "Never used"
        "A password that was made and never used is either forgotten or waits for somebody who should not have it."
        "Revoke it: wp-app-password delete USER UUID.";
    Unused "unused" Warning Threshold::After(90 * DAY),
        "Not used for a long time"
        "The integration is gone, the secret is not."
        "Revoke it: wp-app-password delete USER UUID.";
    Old "old" Info Threshold::After(365 * DAY),
        "Older than a secret should get"
        "Application passwords never expire by themselves. The older one is, the more copies of it there are: backups, \
         laptops, logs, people who left."
        "Replace it by a new one (rotate).";
    TooMany "too-many" Warning Threshold::MoreThan(10),
        "One user has many application passwords"
        "WordPress tries them one after another, so each makes every request slower, and nobody knows what the many are \
         for."
        "Revoke those that are not used; give each integration a user of its own.";
    DuplicateName "duplicate-name" Info Threshold::None,
        "A user has one name twice"
        "Nobody can tell which of the two is in use, and WP-CLI's 'exists' looks at names."
        "Rename or revoke one of them.";
    DuplicateUuid "duplicate-uuid" Warning Threshold::None,
        "Two entries share one uuid"
        "Revoking by uuid then means more than one entry, or the wrong one. A row or an entry was copied."
        "Revoke the copies.";
    DuplicateRows "duplicate-rows" Warning Threshold::None,
        "A user has several rows of application passwords"
        "WordPress reads the first row, and the next change makes all of them alike: entries in the others do not work and \
         will be lost."
        "Compare the rows and remove the surplus ones with a database client.";
    NoUuid "no-uuid" Warning Threshold::None,
        "An entry has no uuid"
        "It is older than WordPress 5.6 (the feature's plugin), or something else wrote it. It cannot be revoked by uuid \
         until WordPress gives it one, which it does when it next reads the list."
        "Open the user's profile page, or replace the entry.";
    NoName "no-name" Warning Threshold::None,
        "An entry has no name"
        "WordPress refuses to create one, so something else did. Nobody can tell what it is for."
        "Find out who uses it; rename or revoke it.";
    UnverifiableHash "unverifiable-hash" Warning Threshold::None,
        "A hash that this WordPress cannot check"
        "The entry can never authenticate: the hash is of a kind that this version does not know, is damaged, or is no \
         hash at all. If the password itself is stored there, whoever reads the database has it."
        "Replace the entry.";
    ForeignHash "foreign-hash" Info Threshold::None,
        "A hash of a kind that this WordPress does not write"
        "It works, but a plugin, an import or another tool wrote it (this one writes bcrypt where the site's version is \
         not known). Slow hashes make every request of the user slower."
        "Nothing, if you know who wrote it.";
    BadAppId "bad-app-id" Info Threshold::None,
        "An app_id that is not a UUID"
        "WordPress accepts only lower-case UUIDs over REST and on the authorization page, so this entry came another way. \
         It cannot be found by the UUID of its vendor."
        "Nothing, if you know who wrote it.";
    Expired "expired" Warning Threshold::None,
        "Past its expiry"
        "WordPress knows no expiry: the entry works until somebody revokes it, or an enforcing plugin refuses it."
        "Revoke it, or replace it by a new one.";
    Expiring "expiring" Info Threshold::Within(14 * DAY),
        "Expires soon"
        "What uses it will stop working then."
        "Replace it in time (rotate).";
    RotationUnfinished "rotation-unfinished" Warning Threshold::None,
        "A rotation was not finished"
        "Either the new password was never delivered, or the old one should have been revoked by now: both work."
        "Finish or take back the rotation (rotate --finish, rotate --abort).";
    Suspended "suspended" Info Threshold::None,
        "Suspended entries"
        "They were taken out of service and can be brought back with the same secret."
        "Resume or revoke them.";
    NotInUse "not-in-use" Warning Threshold::None,
        "WordPress ignores application passwords here"
        "There are entries, but the network option using_application_passwords is not set: WordPress does not even look, \
         and requests with valid credentials count as anonymous. A restored or copied database is the usual reason."
        "Create any application password, which sets the option, or revoke what is there.";
    NotHttps "not-https" Warning Threshold::None,
        "The site's address is not HTTPS"
        "Every request carries the password in clear text. WordPress switches the feature off without HTTPS, unless the \
         environment is local or a plugin says otherwise."
        "Serve the site over HTTPS, and set siteurl and home to it. Replace what was ever sent in clear text.";
    NotEnforced "not-enforced" Warning Threshold::None,
        "Nothing enforces expiry and restrictions here"
        "Entries have an expiry or restrictions that this program wrote. WordPress knows neither: without the plugin they work for ever, \
         everywhere and from everywhere."
        "Install it: wp-app-password enforcer install. Expiry alone can be left to cron: wp-app-password prune --expired.";
    UnreadableRestriction "unreadable-restriction" Warning Threshold::None,
        "An expiry or a restriction that makes no sense"
        "This program did not write it so. Its plugin refuses the entry; without the plugin it is not restricted."
        "Set it anew (wp-app-password update USER UUID --expires=…), take it away (--clear=expires), or revoke the entry.";
    ExceptionExpired "exception-expired" Info Threshold::None,
        "An exception of the policy has ended"
        "What it excused is reported again."
        "Remove it from the policy, or renew it with a new reason.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_its_ids_are_unique() {
        for (place, rule) in RULES.iter().enumerate() {
            assert_eq!(rule.number as usize, place);
            assert_eq!(Id::named(rule.id), Some(rule.number));
            assert!(rule.id.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{}", rule.id);
            assert!(rule.explanation.ends_with('.') && rule.remedy.ends_with('.'), "{}", rule.id);
            assert!(!rule.title.ends_with('.'), "{}", rule.id);
        }
    }
}
