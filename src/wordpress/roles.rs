//! Who may do what: a site's roles, and what a user's stored capabilities make of them.
//!
//! Mirrors `WP_User::get_role_caps()` (`wp-includes/class-wp-user.php`) and `WP_Roles`. What a plugin's filter
//! `user_has_cap` adds or takes away is code and cannot be seen from here.

use super::php_serialize::{self, Document, Key, View};

/// Who has it may change the site's settings, which leads to everything else.
const MANAGE_OPTIONS: &[u8] = b"manage_options";

/// The role that has it where a site's own roles cannot be read.
const ADMINISTRATOR: &[u8] = b"administrator";

/// The roles of a site, as far as it matters here: which there are, and what each says of `manage_options`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RoleMap {
    /// `None`: the role does not mention the capability.
    roles: Vec<(Vec<u8>, Option<bool>)>,
    /// The stored roles could not be read: every name counts as a role.
    unknown: bool,
}

/// What a user is on a site.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Membership {
    /// The names of the roles, in stored order.
    pub roles: Vec<Vec<u8>>,
    /// Whether the user may change the site's settings.
    pub manages_options: bool,
}

impl RoleMap {
    /// Reads the option that defines a site's roles. Where it is missing or damaged, WordPress has no roles at all;
    /// an audit had better take the usual ones for granted.
    pub fn read(stored: Option<&[u8]>) -> Self {
        let unknown = || Self { roles: Vec::new(), unknown: true };
        let Some(document) = stored.and_then(array) else { return unknown() };
        let mut roles = Vec::new();
        for (key, role) in document.entries(document.root()) {
            let manages = document
                .get(role, b"capabilities")
                .and_then(|capabilities| document.get(capabilities, MANAGE_OPTIONS))
                .map(|granted| document.is_truthy(granted));
            roles.push((name_of(key), manages));
        }
        if roles.is_empty() { unknown() } else { Self { roles, unknown: false } }
    }

    /// Whether anybody can have this role here.
    pub fn knows(&self, role: &[u8]) -> bool {
        self.unknown || self.roles.iter().any(|(name, _)| name == role)
    }

    /// The names of the roles.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.roles.iter().map(|(name, _)| name.as_slice())
    }

    /// What `{prefix}capabilities` of a user means here.
    ///
    /// WordPress: a key that names a role makes the user a member whatever its value is; the others are single
    /// capabilities, which count more than those of the roles.
    pub fn membership(&self, stored: Option<&[u8]>) -> Membership {
        let Some(document) = stored.and_then(array) else { return Membership::default() };
        let mut membership = Membership::default();
        let mut single = None;
        for (key, value) in document.entries(document.root()) {
            let name = name_of(key);
            if name == MANAGE_OPTIONS {
                single = Some(document.is_truthy(value));
            }
            let role = self.roles.iter().find(|(role, _)| *role == name);
            // WordPress: array_merge(), so the later role's word counts.
            match role {
                Some((_, Some(manages))) => membership.manages_options = *manages,
                Some((_, None)) => {}
                None if name == MANAGE_OPTIONS => continue,
                None if self.unknown => membership.manages_options |= name == ADMINISTRATOR,
                None => continue,
            }
            membership.roles.push(name);
        }
        membership.manages_options = single.unwrap_or(membership.manages_options);
        membership
    }
}

/// A role, as far as a new member is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    /// The user level that goes with it, 0 to 10, which WordPress still writes.
    pub level: u8,
    /// Whether it can make itself more than it is, or change the site's code.
    pub is_mighty: bool,
}

/// Capabilities that lead to all others.
const MIGHTY: [&[u8]; 15] = [
    MANAGE_OPTIONS,
    b"edit_users",
    b"promote_users",
    b"create_users",
    b"delete_users",
    b"install_plugins",
    b"activate_plugins",
    b"edit_plugins",
    b"update_plugins",
    b"upload_plugins",
    b"install_themes",
    b"switch_themes",
    b"edit_themes",
    b"edit_files",
    b"update_core",
];

/// The role of this name in the option that defines a site's roles.
///
/// WordPress: `WP_User::level_reduction()` for the level.
pub fn role(stored: &[u8], name: &[u8]) -> Option<Role> {
    let document = array(stored)?;
    let role = document.get(document.root(), name)?;
    let mut found = Role { level: 0, is_mighty: false };
    let Some(capabilities) = document.get(role, b"capabilities") else { return Some(found) };
    for (key, granted) in document.entries(capabilities) {
        let Key::Str(capability) = key else { continue };
        let level = capability
            .strip_prefix(b"level_")
            .and_then(|level| std::str::from_utf8(level).ok()?.parse().ok());
        found.level = found.level.max(level.filter(|level| *level <= 10).unwrap_or(0));
        found.is_mighty |= MIGHTY.contains(&&*capability) && document.is_truthy(granted);
    }
    Some(found)
}

/// The capabilities that lead to all others, of those that a user has apart from any role.
pub fn mighty_capabilities(stored: Option<&[u8]>, map: &[u8]) -> Vec<Vec<u8>> {
    let Some(document) = stored.and_then(array) else { return Vec::new() };
    let known = names(map);
    document
        .entries(document.root())
        .filter_map(|(key, granted)| match key {
            Key::Str(name) if MIGHTY.contains(&&*name) && document.is_truthy(granted) => {
                Some(name.into_owned())
            }
            _ => None,
        })
        .filter(|name| !known.contains(name))
        .collect()
}

/// The names of a site's roles.
pub fn names(stored: &[u8]) -> Vec<Vec<u8>> {
    let Some(document) = array(stored) else { return Vec::new() };
    document.entries(document.root()).map(|(key, _)| name_of(key)).collect()
}

/// PHP: a role that is called 7 has a key that is a number.
fn name_of(key: Key<'_>) -> Vec<u8> {
    match key {
        Key::Str(name) => name.into_owned(),
        Key::Int(number) => number.to_string().into_bytes(),
    }
}

/// `{prefix}capabilities` of somebody who has one role and nothing else.
pub fn capabilities_of(role: &str) -> Vec<u8> {
    format!("a:1:{{s:{}:\"{role}\";b:1;}}", role.len()).into_bytes()
}

/// `{prefix}capabilities` with this role instead of any other; single capabilities stay.
///
/// WordPress: `WP_User::set_role()`.
pub fn with_role(stored: Option<&[u8]>, map: &[u8], role: &[u8]) -> Vec<u8> {
    let mut document = stored.and_then(array).unwrap_or_else(Document::empty_array);
    let root = document.root();
    for name in names(map) {
        // What the list lacks cannot be removed from it.
        let _ = document.remove(root, Key::Str(name.into()));
    }
    match document.set(root, Key::Str(role.into()), super::php_serialize::Scalar::Bool(true)) {
        Ok(()) => document.to_bytes(),
        Err(_) => capabilities_of(&String::from_utf8_lossy(role)),
    }
}

/// The logins that a network's option `site_admins` lists.
///
/// WordPress: `get_super_admins()`, to which a network without the option has one, `admin`.
pub fn super_admins(stored: Option<&[u8]>) -> Vec<Vec<u8>> {
    let Some(stored) = stored else { return vec![b"admin".to_vec()] };
    let Some(document) = array(stored) else { return Vec::new() };
    let login = |node| match document.view(node) {
        View::Str(login) => Some(login.into_owned()),
        _ => None,
    };
    document.entries(document.root()).filter_map(|(_, node)| login(node)).collect()
}

fn array(stored: &[u8]) -> Option<Document> {
    // WordPress: what does not end as it must is a string, and nobody's role.
    let stored = php_serialize::trim(stored);
    if !php_serialize::is_serialized(stored) {
        return None;
    }
    let document = Document::parse(stored.to_vec()).ok()?;
    matches!(document.view(document.root()), View::Array).then_some(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLES: &[u8] = b"a:3:{s:13:\"administrator\";a:2:{s:4:\"name\";s:13:\"Administrator\";s:12:\"capabilities\";a:1:{s:14:\"manage_options\";b:1;}}s:6:\"editor\";a:2:{s:4:\"name\";s:6:\"Editor\";s:12:\"capabilities\";a:1:{s:10:\"edit_posts\";b:1;}}s:4:\"none\";a:2:{s:4:\"name\";s:4:\"None\";s:12:\"capabilities\";a:1:{s:14:\"manage_options\";b:0;}}}";

    fn member(stored: &str) -> (Vec<String>, bool) {
        let membership = RoleMap::read(Some(ROLES)).membership(Some(stored.as_bytes()));
        let roles = membership.roles.into_iter().map(|role| String::from_utf8_lossy(&role).into_owned());
        (roles.collect(), membership.manages_options)
    }

    #[test]
    fn roles_and_single_capabilities_are_told_apart() {
        for (stored, roles, manages) in [
            ("a:1:{s:13:\"administrator\";b:1;}", &["administrator"][..], true),
            // WordPress: a role counts even where its value is false.
            ("a:1:{s:13:\"administrator\";b:0;}", &["administrator"], true),
            ("a:1:{s:6:\"editor\";b:1;}", &["editor"], false),
            ("a:2:{s:6:\"editor\";b:1;s:14:\"manage_options\";b:1;}", &["editor"], true),
            ("a:2:{s:13:\"administrator\";b:1;s:14:\"manage_options\";b:0;}", &["administrator"], false),
            ("a:2:{s:13:\"administrator\";b:1;s:4:\"none\";b:1;}", &["administrator", "none"], false),
            ("a:2:{s:4:\"none\";b:1;s:13:\"administrator\";b:1;}", &["none", "administrator"], true),
            ("a:1:{s:4:\"gone\";b:1;}", &[], false),
            ("a:0:{}", &[], false),
            ("a:1:{s:13:\"administrator\";b:1;}x", &[], false),
            ("nonsense", &[], false),
        ] {
            let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
            assert_eq!(member(stored), (roles, manages), "{stored}");
        }
    }

    #[test]
    fn a_role_may_be_called_a_number() {
        let map = "a:1:{i:7;a:2:{s:4:\"name\";s:5:\"Seven\";s:12:\"capabilities\";a:1:{s:14:\"manage_options\";b:1;}}}";
        let member = RoleMap::read(Some(map.as_bytes())).membership(Some(b"a:1:{i:7;b:1;}"));
        assert!(member.manages_options && member.roles == [b"7".to_vec()]);
    }

    #[test]
    fn without_a_role_map_every_name_is_a_role_and_administrators_manage() {
        for stored in [None, Some(&b"broken"[..]), Some(b"a:0:{}")] {
            let member = RoleMap::read(stored).membership(Some(b"a:1:{s:13:\"administrator\";b:1;}"));
            assert!(member.manages_options && member.roles == [b"administrator".to_vec()]);
        }
    }

    #[test]
    fn super_admins_are_the_listed_logins() {
        let listed = super_admins(Some(b"a:2:{i:0;s:5:\"admin\";i:1;s:1:\"b\";}"));
        assert_eq!(listed, [b"admin".to_vec(), b"b".to_vec()]);
        assert_eq!(super_admins(None), [b"admin"]);
        assert!(super_admins(Some(b"admin")).is_empty());
    }
}
