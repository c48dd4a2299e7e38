//! Plugins with a switch for application passwords, and where they keep it.
//!
//! Read in their sources: Wordfence (`wfConfig::get( 'loginSec_disableApplicationPasswords' )`, on by default), All-In-One
//! Security (`configs->get_value( 'aiowps_disable_application_password' )`), NinjaFirewall (`nfw_options`, `no_appswd`).

use crate::wordpress::php_serialize::{self, Document};

/// Where a switch is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A key of a serialized option.
    Option {
        /// The option.
        name: &'static str,
        /// The key.
        key: &'static str,
    },
    /// A row of Wordfence's own table.
    WordfenceTable {
        /// The row.
        name: &'static str,
    },
}

/// A plugin with such a switch.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// What people call it.
    pub plugin: &'static str,
    /// Its folder, as `active_plugins` names it.
    pub folder: &'static str,
    /// Where the switch is.
    pub place: Place,
    /// What the plugin's screen calls it.
    pub screen: &'static str,
}

/// All that are known.
pub const SWITCHES: [Switch; 3] = [
    Switch {
        plugin: "Wordfence",
        folder: "wordfence",
        place: Place::WordfenceTable { name: "loginSec_disableApplicationPasswords" },
        screen: "All Options, Brute Force Protection, Disable WordPress application passwords",
    },
    Switch {
        plugin: "All-In-One Security",
        folder: "all-in-one-wp-security-and-firewall",
        place: Place::Option { name: "aio_wp_security_configs", key: "aiowps_disable_application_password" },
        screen: "User Security, Additional settings, Disable application password",
    },
    Switch {
        plugin: "NinjaFirewall",
        folder: "ninjafirewall",
        place: Place::Option { name: "nfw_options", key: "no_appswd" },
        screen: "Firewall Policies, Disable application passwords",
    },
];

impl Place {
    /// What it is called: `option nfw_options, no_appswd`.
    pub fn shown(self) -> String {
        match self {
            Self::Option { name, key } => format!("option {name}, {key}"),
            Self::WordfenceTable { name } => format!("table wfconfig, {name}"),
        }
    }

    /// Whether the switch is on, by what is stored there.
    pub fn is_on(self, stored: &[u8]) -> bool {
        match self {
            Self::WordfenceTable { .. } => !matches!(stored, b"" | b"0"),
            Self::Option { key, .. } => {
                let Ok(document) = Document::parse(php_serialize::trim(stored).to_vec()) else {
                    return false;
                };
                let value = document.get(document.root(), key.as_bytes());
                value.is_some_and(|value| document.is_truthy(value))
            }
        }
    }
}

/// The folders that a serialized list of active plugins names; with `sitewide` they are the list's keys.
pub fn active(stored: &[u8], sitewide: bool) -> Vec<String> {
    let Ok(document) = Document::parse(php_serialize::trim(stored).to_vec()) else { return Vec::new() };
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    document
        .entries(document.root())
        .filter_map(|(key, node)| match (sitewide, key, document.view(node)) {
            (true, php_serialize::Key::Str(file), _) => Some(name(&file)),
            (false, _, php_serialize::View::Str(file)) => Some(name(&file)),
            _ => None,
        })
        .map(|file| file.split('/').next().unwrap_or_default().to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read_as_their_plugins_write_them() {
        let option = SWITCHES[1].place;
        assert!(option.is_on(b"a:1:{s:35:\"aiowps_disable_application_password\";s:1:\"1\";}"));
        assert!(!option.is_on(b"a:1:{s:35:\"aiowps_disable_application_password\";s:0:\"\";}"));
        assert!(!option.is_on(b"a:0:{}") && !option.is_on(b"") && !option.is_on(b"broken"));
        assert!(SWITCHES[0].place.is_on(b"1") && !SWITCHES[0].place.is_on(b"0"));
        assert_eq!(active(b"a:1:{i:0;s:21:\"ninjafirewall/nfw.php\";}", false), ["ninjafirewall"]);
        assert_eq!(active(b"a:1:{s:9:\"a/b/c.php\";i:5;}", true), ["a"]);
    }
}
