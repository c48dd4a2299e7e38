//! Plugins with a switch for application passwords, and where they keep it.
//!
//! Read in their sources: Wordfence (`wfConfig::get( 'loginSec_disableApplicationPasswords' )`, on by default), All-In-One
//! Security (`configs->get_value( 'aiowps_disable_application_password' )`), NinjaFirewall (`nfw_options`, `no_appswd`),
//! Really Simple Security (`rsssl_get_option( 'disable_application_passwords' )`, in its Pro version only), Patchstack (`P_Hardening`, on by
//! default, with a paid licence only), Disable Application Passwords (no switch: active is off), WP Cerber
//! (`cerber_is_app_passwords()`, `cerber_is_rest_permitted()`), Solid Security (`Application_Passwords_Core::
//! restrict_availability()`: a list of user groups, and an empty one matches nobody), BC Security (`Hardening\Core`),
//! Application Passwords Manager (`absint( get_option( 'apsm_status' ) )`).

use crate::wordpress::php_serialize::{self, Document, View};

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
    /// Several that must all be so.
    All {
        /// What they are called together.
        shown: &'static str,
        /// Which.
        conditions: &'static [Condition],
    },
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

/// What one of a plugin's settings must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// Where it is looked for: the first that has it counts.
    pub stored: &'static [Stored],
    /// The keys that lead to it; none where the option itself is meant.
    pub path: &'static [&'static str],
    /// What it must be.
    pub is: Is,
}

/// What a setting must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Is {
    /// True to PHP.
    On,
    /// False to PHP, or not there.
    Off,
    /// False to PHP, and there: without it, the plugin takes it for on.
    WrittenOff,
    /// This number, also as text.
    Number(i64),
}

impl Condition {
    fn holds<E>(&self, read: &mut dyn FnMut(Stored) -> Result<Option<Vec<u8>>, E>) -> Result<bool, E> {
        for stored in self.stored {
            if let Some(holds) = read(*stored)?.and_then(|value| self.look(&value)) {
                return Ok(holds);
            }
        }
        Ok(self.is == Is::Off)
    }

    /// `None`: what is stored has no such setting.
    fn look(&self, stored: &[u8]) -> Option<bool> {
        let scalar = |view: &View<'_>| match view {
            View::Int(number) => Some(*number),
            View::Str(text) => std::str::from_utf8(text).ok()?.trim().parse().ok(),
            _ => None,
        };
        let (truthy, number) = if self.path.is_empty() {
            let view = View::Str(stored.into());
            (is_truthy(Some(stored)), scalar(&view))
        } else {
            let document = Document::parse(php_serialize::trim(stored).to_vec()).ok()?;
            let mut node = document.root();
            for key in self.path {
                node = document.get(node, key.as_bytes())?;
            }
            (document.is_truthy(node), scalar(&document.view(node)))
        };
        Some(match self.is {
            Is::On => truthy,
            Is::Off | Is::WrittenOff => !truthy,
            Is::Number(wanted) => number == Some(wanted),
        })
    }
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
    /// What it does: `has switched application passwords off`.
    pub does: &'static str,
    /// What the plugin's screen calls it.
    pub screen: &'static str,
}

const SWITCHED_OFF: &str = "has switched application passwords off";

const NINJAFIREWALL: &[Stored] = &[Stored::NetworkOption("nfw_options")];

const SOLID: &[Stored] = &[Stored::NetworkOption("itsec-storage")];

/// WP Cerber lays its older options over the newer one (`crb_get_settings()`).
const CERBER_USERS: &[Stored] =
    &[Stored::NetworkOption("cerber-users"), Stored::NetworkOption("cerber_configuration")];

const CERBER_HARDENING: &[Stored] =
    &[Stored::NetworkOption("cerber-hardening"), Stored::NetworkOption("cerber_configuration")];

const fn when(stored: &'static [Stored], path: &'static [&'static str], is: Is) -> Condition {
    Condition { stored, path, is }
}

/// All that are known.
pub static SWITCHES: [Switch; 12] = [
    Switch {
        plugin: "Wordfence",
        folder: "wordfence",
        place: Place::WordfenceTable { name: "loginSec_disableApplicationPasswords" },
        does: SWITCHED_OFF,
        screen: "All Options, Brute Force Protection, Disable WordPress application passwords",
    },
    Switch {
        plugin: "All-In-One Security",
        folder: "all-in-one-wp-security-and-firewall",
        place: Place::Option { name: "aio_wp_security_configs", key: "aiowps_disable_application_password" },
        does: SWITCHED_OFF,
        screen: "User Security, Additional settings, Disable application password",
    },
    Switch {
        plugin: "NinjaFirewall",
        folder: "ninjafirewall",
        // nfw_get_option(): one for the whole network.
        place: Place::All {
            shown: "option nfw_options, no_appswd",
            conditions: &[when(NINJAFIREWALL, &["no_appswd"], Is::On)],
        },
        does: SWITCHED_OFF,
        screen: "Firewall Policies, Disable application passwords",
    },
    Switch {
        plugin: "Really Simple Security Pro",
        folder: "really-simple-ssl-pro",
        place: Place::SharedOption { name: "rsssl_options", key: "disable_application_passwords" },
        does: SWITCHED_OFF,
        screen: "Settings, Hardening, Disable application passwords",
    },
    Switch {
        plugin: "Patchstack",
        folder: "patchstack",
        place: Place::Patchstack,
        does: SWITCHED_OFF,
        screen: "Hardening, General, Block application passwords",
    },
    Switch {
        plugin: "Disable Application Passwords",
        folder: "disable-application-passwords",
        place: Place::Always,
        does: SWITCHED_OFF,
        screen: "it has no setting: deactivate it",
    },
    Switch {
        plugin: "Application Passwords Manager",
        folder: "application-passwords-manager",
        place: Place::All {
            shown: "option apsm_status",
            conditions: &[when(&[Stored::Option("apsm_status")], &[], Is::On)],
        },
        does: SWITCHED_OFF,
        screen: "Settings, General, Application Passwords",
    },
    Switch {
        plugin: "BC Security",
        folder: "bc-security",
        place: Place::Option { name: "bc-security-hardening", key: "disable_application_passwords" },
        does: SWITCHED_OFF,
        screen: "Hardening, Disable application passwords",
    },
    Switch {
        plugin: "Solid Security",
        folder: "better-wp-security",
        place: Place::All {
            shown: "option itsec-storage, two-factor, application_passwords_group",
            conditions: &[
                when(&[Stored::NetworkOption("itsec_active_modules")], &["two-factor"], Is::On),
                when(SOLID, &["two-factor", "application_passwords_group"], Is::WrittenOff),
            ],
        },
        does: "lets no group of users have application passwords",
        screen: "Settings, User Groups, Application Passwords",
    },
    Switch {
        plugin: "WP Cerber",
        folder: "wp-cerber",
        place: Place::All {
            shown: "option cerber_configuration, app_pwd is 3",
            conditions: &[when(CERBER_USERS, &["app_pwd"], Is::Number(3))],
        },
        does: SWITCHED_OFF,
        screen: "User Policies, Global, Application Passwords",
    },
    Switch {
        plugin: "WP Cerber",
        folder: "wp-cerber",
        place: Place::All {
            shown: "option cerber_configuration, norest without restauth and restroles",
            conditions: &[
                when(CERBER_HARDENING, &["norest"], Is::On),
                when(CERBER_HARDENING, &["restauth"], Is::WrittenOff),
                when(CERBER_HARDENING, &["restroles"], Is::Off),
            ],
        },
        does: "closes the REST API to users who are logged in too",
        screen: "Hardening, Access to WordPress REST API",
    },
    Switch {
        plugin: "NinjaFirewall",
        folder: "ninjafirewall",
        place: Place::All {
            shown: "option nfw_options, no_restapi without restapi_loggedin",
            conditions: &[
                when(NINJAFIREWALL, &["enabled"], Is::On),
                when(NINJAFIREWALL, &["no_restapi"], Is::On),
                when(NINJAFIREWALL, &["restapi_loggedin"], Is::Off),
            ],
        },
        does: "closes the REST API to users who are logged in too",
        screen: "Firewall Policies, WordPress REST API",
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
            Self::All { shown, .. } => shown.to_owned(),
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
            Self::All { conditions, .. } => {
                for condition in conditions {
                    if !condition.holds(read)? {
                        return Ok(false);
                    }
                }
                true
            }
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

/// The texts that a serialized list holds.
pub fn texts(stored: &[u8]) -> Vec<String> {
    listed(stored, false)
}

/// The files that a serialized list of active plugins names, below the folder of plugins: `akismet/akismet.php`. With
/// `sitewide` they are the list's keys.
///
/// WordPress: `wp_get_active_and_valid_plugins()` takes neither other files nor paths that lead elsewhere.
pub fn active(stored: &[u8], sitewide: bool) -> Vec<String> {
    let mut files = listed(stored, sitewide);
    files.retain(|file| {
        file.ends_with(".php") && !file.starts_with('/') && file.split(['/', '\\']).all(|part| part != "..")
    });
    files
}

/// The folder of a plugin's file.
pub fn folder(file: &str) -> &str {
    file.split('/').next().unwrap_or_default()
}

fn listed(stored: &[u8], keys: bool) -> Vec<String> {
    let Ok(document) = Document::parse(php_serialize::trim(stored).to_vec()) else { return Vec::new() };
    let name = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    document
        .entries(document.root())
        .filter_map(|(key, node)| match (keys, key, document.view(node)) {
            (true, php_serialize::Key::Str(file), _) => Some(name(&file)),
            (false, _, View::Str(file)) => Some(name(&file)),
            _ => None,
        })
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
            on(place("really-simple-ssl-pro"), sitewide, &[(stored, value)])
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
        // Any of the plugin's switches.
        let any = |folder: &str, rows: &[(Stored, &[u8])]| {
            SWITCHES.iter().any(|switch| switch.folder == folder && on(switch.place, false, rows))
        };
        let ninja = |value: &[u8]| any("ninjafirewall", &[(Stored::NetworkOption("nfw_options"), value)]);
        assert!(ninja(b"a:1:{s:9:\"no_appswd\";i:1;}") && !ninja(b"a:1:{s:9:\"no_appswd\";i:0;}"));
        assert!(ninja(b"a:2:{s:7:\"enabled\";i:1;s:10:\"no_restapi\";i:1;}"));
        assert!(!ninja(b"a:1:{s:10:\"no_restapi\";i:1;}"));
        assert!(!ninja(b"a:3:{s:7:\"enabled\";i:1;s:10:\"no_restapi\";i:1;s:16:\"restapi_loggedin\";i:1;}"));
        let manager =
            |value: &[u8]| any("application-passwords-manager", &[(Stored::Option("apsm_status"), value)]);
        assert!(manager(b"1") && !manager(b"0") && !manager(b""));
        let modules = (Stored::NetworkOption("itsec_active_modules"), &b"a:1:{s:10:\"two-factor\";b:1;}"[..]);
        let groups = |value: &[u8]| {
            let storage =
                [&b"a:1:{s:10:\"two-factor\";a:1:{s:27:\"application_passwords_group\";"[..], value, b"}}"];
            let storage = storage.concat();
            any("better-wp-security", &[modules, (Stored::NetworkOption("itsec-storage"), &storage)])
        };
        assert!(groups(b"a:0:{}") && !groups(b"a:1:{i:0;s:3:\"abc\";}"));
        assert!(!any("better-wp-security", &[modules]));
        let cerber = |rows: &[(&'static str, &[u8])]| {
            let rows: Vec<(Stored, &[u8])> =
                rows.iter().map(|(name, value)| (Stored::NetworkOption(name), *value)).collect();
            any("wp-cerber", &rows)
        };
        let (off, on) = (&b"a:1:{s:7:\"app_pwd\";s:1:\"3\";}"[..], &b"a:1:{s:7:\"app_pwd\";i:1;}"[..]);
        assert!(cerber(&[("cerber_configuration", off)]) && !cerber(&[("cerber_configuration", on)]));
        assert!(!cerber(&[("cerber_configuration", off), ("cerber-users", on)]));
        assert!(cerber(&[("cerber-hardening", b"a:2:{s:6:\"norest\";i:1;s:8:\"restauth\";i:0;}")]));
        assert!(!cerber(&[("cerber-hardening", b"a:1:{s:6:\"norest\";i:1;}")]) && !cerber(&[]));
        let file = b"a:2:{i:0;s:21:\"ninjafirewall/nfw.php\";i:1;s:8:\"../x.php\";}";
        assert_eq!(active(file, false), ["ninjafirewall/nfw.php"]);
        assert_eq!(active(b"a:2:{s:9:\"a/b/c.php\";i:5;s:3:\"a/b\";i:5;}", true), ["a/b/c.php"]);
        assert_eq!((folder("a/b/c.php"), folder("hello.php")), ("a", "hello.php"));
    }
}
