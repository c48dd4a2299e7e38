//! The roles of the users that a walk visits: small rows beside the one under the walked key.
//!
//! Few of their values are distinct, so each value is kept once, and a row costs 24 bytes.

use std::collections::HashMap;

use super::{Tables, UserId, blog_prefix};

/// A walk finds roles by their key as long as at most this many users there are for each that is visited; else
/// it asks for the rows of the visited users, of which there are some twenty each.
pub(super) const USERS_PER_VISIT: u64 = 8;

/// `{prefix}capabilities`, and on a network `{prefix}{blog}_capabilities` too.
///
/// WordPress: `wpdb::get_blog_prefix()`.
pub(super) struct RoleKeys {
    prefix: String,
    network: bool,
}

impl RoleKeys {
    pub(super) fn new(tables: &Tables, network: bool) -> Self {
        Self { prefix: tables.prefix.clone(), network }
    }

    /// The condition that finds all of them, and some more on a network. A prefix is harmless in SQL.
    pub(super) fn condition(&self, column: &str) -> String {
        let prefix = &self.prefix;
        if self.network {
            format!("{column} LIKE '{}%capabilities' ESCAPE '#'", prefix.replace('_', "#_"))
        } else {
            format!("{column} = '{prefix}capabilities'")
        }
    }

    /// The site whose roles are under this key.
    pub(super) fn blog(&self, key: &[u8]) -> Option<u64> {
        let rest = key.strip_prefix(self.prefix.as_bytes())?.strip_suffix(b"capabilities")?;
        if rest.is_empty() {
            return Some(1);
        }
        let number = std::str::from_utf8(rest.strip_suffix(b"_")?).ok()?;
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        number.parse().ok().filter(|blog| self.network && digits && *blog > 1)
    }

    /// The name of a site's option that defines its roles.
    pub(super) fn option(&self, blog: u64) -> String {
        format!("{}user_roles", self.blog_prefix(blog))
    }

    pub(super) fn blog_prefix(&self, blog: u64) -> String {
        blog_prefix(&self.prefix, blog)
    }
}

/// What was found of the users of a walk.
#[derive(Default)]
pub(super) struct RoleTable {
    links: Vec<Link>,
    values: Vec<Vec<u8>>,
    numbers: HashMap<Vec<u8>, u32>,
}

/// In the order in which they are sorted.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    user: u64,
    blog: u32,
    value: u32,
    umeta_id: u64,
}

impl RoleTable {
    /// For about so many users.
    pub(super) fn with_capacity(users: usize) -> Self {
        Self { links: Vec::with_capacity(users), ..Self::default() }
    }

    pub(super) fn clear(&mut self) {
        self.links.clear();
        // Values stay: the next users have the same ones. They must not add up, however.
        if self.values.len() > 10_000 {
            self.values.clear();
            self.numbers.clear();
        }
    }

    pub(super) fn add(&mut self, user: u64, blog: u64, umeta_id: u64, value: &[u8]) {
        let value = match self.numbers.get(value) {
            Some(number) => *number,
            None => {
                let number = self.values.len() as u32;
                self.values.push(value.to_vec());
                self.numbers.insert(value.to_vec(), number);
                number
            }
        };
        self.links.push(Link { user, blog: blog as u32, value, umeta_id });
    }

    /// Adds another table's.
    pub(super) fn append(&mut self, other: &Self) {
        self.links.reserve_exact(other.links.len());
        for link in &other.links {
            let value = other.values.get(link.value as usize).map_or(&[][..], Vec::as_slice);
            self.add(link.user, u64::from(link.blog), link.umeta_id, value);
        }
    }

    /// To be called before [`Self::of`].
    pub(super) fn sort(&mut self) {
        self.links.sort_unstable_by_key(|link| (link.user, link.blog, link.umeta_id));
    }

    pub(super) fn of(&self, user: u64) -> UserRoles<'_> {
        let start = self.links.partition_point(|link| link.user < user);
        let rest = self.links.get(start..).unwrap_or_default();
        let count = rest.iter().take_while(|link| link.user == user).count();
        UserRoles { links: rest.get(..count).unwrap_or_default(), values: &self.values }
    }
}

/// The stored roles of one user.
#[derive(Clone, Copy)]
pub struct UserRoles<'a> {
    links: &'a [Link],
    values: &'a [Vec<u8>],
}

impl<'a> UserRoles<'a> {
    /// `(site, the exact stored bytes)`, one for each site of the network, in the order of their ids; 1 is the main
    /// site, and the only one where there is no network.
    ///
    /// WordPress: of several rows the first counts.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &'a [u8])> + use<'a> {
        let values = self.values;
        let mut previous = None;
        self.links.iter().filter_map(move |link| {
            let first = previous.replace(link.blog) != Some(link.blog);
            let value = values.get(link.value as usize)?;
            first.then_some((u64::from(link.blog), value.as_slice()))
        })
    }
}

impl std::fmt::Debug for UserRoles<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Whether `user` is among entries that are sorted by user.
pub(super) fn is_visited(entries: &[super::WalkEntry], user: u64) -> bool {
    entries.binary_search_by_key(&user, |(user, ..)| *user).is_ok()
}

/// What a `users` row says besides its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UserState {
    /// `user_status`: not used by WordPress any more; BuddyPress marks spammers with 1 and users who were not activated with 2.
    pub status: u64,
    /// `spam`: a network's users only.
    pub spam: bool,
    /// `deleted`: a network's users only.
    pub deleted: bool,
}

impl UserState {
    pub(super) const COLUMNS: [&str; 3] = ["user_status", "spam", "deleted"];
}

/// One user's value and roles while all users are walked.
#[derive(Debug)]
pub struct Account<'a> {
    /// The row's `user_id`.
    pub user: UserId,
    /// `None`: the row's user does not exist (orphan meta).
    pub login: Option<&'a [u8]>,
    /// What else the users table says.
    pub state: UserState,
    /// What the user is on which site.
    pub roles: UserRoles<'a>,
    /// The row's primary key.
    pub umeta_id: u64,
    /// The exact stored bytes; `None` is SQL `NULL`.
    pub value: Option<&'a [u8]>,
    /// About so many rows are still to come.
    pub left: u64,
}
