//! Plugins with a switch for application passwords, and where they keep it.
//!
//! Read in their sources: Wordfence (`wfConfig::get( 'loginSec_disableApplicationPasswords' )`, on by default), All-In-One
//! Security (`configs->get_value( 'aiowps_disable_application_password' )`), NinjaFirewall (`nfw_options`, `no_appswd`),
//! Really Simple Security (`rsssl_get_option( 'disable_application_passwords' )`), Patchstack (`P_Hardening`, on by
//! default, with a paid licence only), Disable Application Passwords (no switch: active is off).

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
    /// The same; of the network where the plugin is active on all of it.
    SharedOption {
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
    /// Options of Patchstack, whose hardening does nothing without a licence that is paid for.
    Patchstack,
    /// The plugin does this and nothing else.
    Always,
}

/// Something stored that a switch depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// An option of the site.
    Option(&'static str),
    /// An option of the network.
    NetworkOption(&'static str),
    /// A row of Wordfence's table.
    Wordfence(&'static str),
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
pub const SWITCHES: [Switch; 6] = [
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
    Switch {
        plugin: "Really Simple Security",
        folder: "really-simple-ssl",
        place: Place::SharedOption { name: "rsssl_options", key: "disable_application_passwords" },
        screen: "Settings, Hardening, Disable application passwords",
    },
    Switch {
        plugin: "Patchstack",
        folder: "patchstack",
        place: Place::Patchstack,
        screen: "Hardening, General, Block application passwords",
    },
    Switch {
        plugin: "Disable Application Passwords",
        folder: "disable-application-passwords",
        place: Place::Always,
        screen: "it has no setting: deactivate it",
    },
];

impl Place {
    /// What it is called: `option nfw_options, no_appswd`.
    pub fn shown(self) -> String {
        match self {
            Self::Option { name, key } | Self::SharedOption { name, key } => format!("option {name}, {key}"),
            Self::WordfenceTable { name } => format!("table wfconfig, {name}"),
            Self::Patchstack => "option patchstack_application_passwords_disabled".to_owned(),
            Self::Always => "by being active".to_owned(),
        }
    }

    /// Whether the switch is on, by what `read` finds. `sitewide`: the plugin is active on the whole network.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn is_on<E>(
        self,
        sitewide: bool,
        read: &mut dyn FnMut(Stored) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<bool, E> {
        Ok(match self {
            Self::Always => true,
            Self::WordfenceTable { name } => is_truthy(read(Stored::Wordfence(name))?.as_deref()),
            Self::Option { name, key } => has_key(read(Stored::Option(name))?.as_deref(), key),
            Self::SharedOption { name, key } => {
                let stored = if sitewide { Stored::NetworkOption(name) } else { Stored::Option(name) };
                has_key(read(stored)?.as_deref(), key)
            }
            Self::Patchstack => {
                let mut option = |name| read(Stored::Option(name));
                is_truthy(option("patchstack_application_passwords_disabled")?.as_deref())
                    && option("patchstack_license_free")?.as_deref() != Some(b"1")
                    // P_Core::license_is_active(): a licence that ends counts as long as it is written down.
                    && (is_truthy(option("patchstack_license_activated")?.as_deref())
                        || option("patchstack_license_expiry")?.is_some_and(|expiry| !expiry.is_empty()))
            }
        })
    }
}

/// PHP: a stored scalar as a condition.
fn is_truthy(stored: Option<&[u8]>) -> bool {
    !matches!(stored, None | Some(b"" | b"0"))
}

/// Whether a serialized list holds something true under `key`.
fn has_key(stored: Option<&[u8]>, key: &str) -> bool {
    let Some(Ok(document)) = stored.map(|stored| Document::parse(php_serialize::trim(stored).to_vec()))
    else {
        return false;
    };
    document.get(document.root(), key.as_bytes()).is_some_and(|value| document.is_truthy(value))
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
        let on = |place: Place, sitewide, rows: &[(Stored, &[u8])]| {
            let mut read = |stored| {
                let row = rows.iter().find(|(name, _)| *name == stored);
                Ok::<_, ()>(row.map(|(_, value)| value.to_vec()))
            };
            place.is_on(sitewide, &mut read).unwrap()
        };
        let place = |folder: &str| SWITCHES.iter().find(|switch| switch.folder == folder).unwrap().place;
        let aios = |value: &[u8]| {
            let stored = Stored::Option("aio_wp_security_configs");
            on(place("all-in-one-wp-security-and-firewall"), false, &[(stored, value)])
        };
        assert!(aios(b"a:1:{s:35:\"aiowps_disable_application_password\";s:1:\"1\";}"));
        assert!(!aios(b"a:1:{s:35:\"aiowps_disable_application_password\";s:0:\"\";}"));
        assert!(!aios(b"a:0:{}") && !aios(b"") && !aios(b"broken"));
        let wordfence = Stored::Wordfence("loginSec_disableApplicationPasswords");
        assert!(on(place("wordfence"), false, &[(wordfence, b"1")]));
        assert!(!on(place("wordfence"), false, &[(wordfence, b"0")]) && !on(place("wordfence"), false, &[]));
        let simple = |sitewide, stored| {
            let value = b"a:1:{s:29:\"disable_application_passwords\";i:1;}";
            on(place("really-simple-ssl"), sitewide, &[(stored, value)])
        };
        let (own, shared) = (Stored::Option("rsssl_options"), Stored::NetworkOption("rsssl_options"));
        assert!(simple(false, own) && simple(true, shared));
        assert!(!simple(true, own) && !simple(false, shared));
        let switch = (Stored::Option("patchstack_application_passwords_disabled"), &b"1"[..]);
        let licence = (Stored::Option("patchstack_license_activated"), &b"1"[..]);
        let free = (Stored::Option("patchstack_license_free"), &b"1"[..]);
        assert!(on(Place::Patchstack, false, &[switch, licence]));
        assert!(!on(Place::Patchstack, false, &[switch, licence, free]));
        assert!(!on(Place::Patchstack, false, &[switch]) && !on(Place::Patchstack, false, &[licence]));
        assert!(on(Place::Always, false, &[]));
        assert_eq!(active(b"a:1:{i:0;s:21:\"ninjafirewall/nfw.php\";}", false), ["ninjafirewall"]);
        assert_eq!(active(b"a:1:{s:9:\"a/b/c.php\";i:5;}", true), ["a"]);
    }
}
