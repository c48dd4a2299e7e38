//! Values that must not be printed by accident.
//!
//! Three roles have a type of their own: the plaintext of a new application password, the password that
//! opens the database, and the address that may hold it. None implements `Display`; `Debug` prints a
//! placeholder; all are wiped when dropped. Showing one is a call with a name that a reviewer can search for:
//! [`PlainPassword::expose`], [`DatabasePassword::expose`], [`DatabaseUrl::expose`].

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The 24 characters that a user hands to an integration. WordPress never stores them.
#[derive(Clone)]
pub struct PlainPassword(Zeroizing<String>);

impl PlainPassword {
    /// Takes ownership of a secret; the caller keeps no copy.
    pub fn new(secret: String) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself. Only what hashes it and what delivers it calls this.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainPassword(hidden)")
    }
}

impl PartialEq for PlainPassword {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for PlainPassword {}

/// The password of a database account, from `--db`, the environment or `wp-config.php`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DatabasePassword(Zeroizing<Vec<u8>>);

impl DatabasePassword {
    /// Takes ownership of a secret. Bytes, because `wp-config.php` files exist in every encoding.
    pub fn new(secret: Vec<u8>) -> Self {
        Self(Zeroizing::new(secret))
    }

    /// The secret itself, for the one place that logs in.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Whether no password is set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for DatabasePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabasePassword(hidden)")
    }
}

/// The address of a database as it was given, which may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl(Zeroizing<String>);

impl DatabaseUrl {
    /// The whole address, for the one place that takes it apart.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for DatabaseUrl {
    fn from(url: String) -> Self {
        Self(Zeroizing::new(url))
    }
}

impl From<&str> for DatabaseUrl {
    fn from(url: &str) -> Self {
        url.to_owned().into()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DatabaseUrl(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_never_holds_the_secret() {
        let secrets = (
            PlainPassword::new("abcdEFGH1234ijklMNOP5678".into()),
            DatabasePassword::new(b"hunter2".to_vec()),
            DatabaseUrl::from("mysql://u:hunter2@h/d"),
        );
        let shown = format!("{secrets:?} {secrets:#?}");
        assert!(!shown.contains("abcd") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn comparison_is_by_value() {
        assert_eq!(PlainPassword::new("a".into()), PlainPassword::new("a".into()));
        assert_ne!(PlainPassword::new("a".into()), PlainPassword::new("b".into()));
    }
}
