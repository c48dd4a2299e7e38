//! One stored application password: typed fields over the bytes that WordPress or a plugin wrote.
//!
//! An item of the list as `WP_Application_Passwords` stores it (reference: `class-wp-application-passwords.php`).
//! Reading never changes anything, and unknown keys stay where they are.

use std::borrow::Cow;

use crate::wordpress::php_serialize::{Document, Key, NodeId, View};
use crate::wordpress::sanitize;

/// A view of one entry inside its document.
#[derive(Clone, Copy)]
pub struct Record<'d> {
    pub(super) document: &'d Document,
    pub(super) node: NodeId,
}

impl<'d> Record<'d> {
    /// The entries of a list in stored order. Items that are not arrays are passed over: they have no
    /// fields, and WordPress itself fails on them.
    pub fn all(document: &'d Document) -> impl Iterator<Item = (Key<'d>, Record<'d>)> {
        document.entries(document.root()).filter_map(move |(key, node)| {
            matches!(document.view(node), View::Array).then_some((key, Record { document, node }))
        })
    }

    /// The value of a key, as PHP would see it; `None` if the entry has no such key.
    pub fn get(&self, key: &str) -> Option<View<'d>> {
        self.document.get(self.node, key.as_bytes()).map(|node| self.document.view(node))
    }

    /// The document and node, for whoever needs more than a scalar.
    pub fn parts(&self) -> (&'d Document, NodeId) {
        (self.document, self.node)
    }

    /// A key's value when it is a string.
    pub fn text(&self, key: &str) -> Option<Cow<'d, [u8]>> {
        match self.get(key) {
            Some(View::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether this is the entry that WordPress finds under `uuid`: compared strictly, so letter case counts.
    pub fn has_uuid(&self, uuid: &[u8]) -> bool {
        self.text("uuid").is_some_and(|own| *own == *uuid)
    }

    /// Whether WordPress can compare a password with what is stored: null, arrays and objects are a `TypeError` to it.
    pub fn has_password(&self) -> bool {
        match self.get("password") {
            None
            | Some(View::Null | View::Array | View::Object { .. } | View::Custom { .. } | View::Enum(_)) => {
                false
            }
            Some(_) => true,
        }
    }

    /// WordPress: `application_name_exists_for_user()` compares by PHP's `strtolower()`, ASCII letters only.
    pub fn is_named(&self, name: &[u8]) -> bool {
        match self.get("name") {
            Some(View::Str(own)) => sanitize::same_name(&own, name),
            Some(View::Int(number)) => number.to_string().as_bytes() == name,
            // PHP: a missing or null name is the empty string.
            None | Some(View::Null) => name.is_empty(),
            Some(_) => false,
        }
    }

    /// `last_used` in Unix seconds, 0 when never used or not a number.
    pub fn last_used(&self) -> i64 {
        self.get("last_used").and_then(|value| value.to_int()).unwrap_or(0)
    }
}
