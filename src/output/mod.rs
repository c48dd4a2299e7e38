//! What the user sees: streams, labels, colours, and the formats of lists.
//!
//! Mirrors WP-CLI's `WP_CLI\Loggers` and `WP_CLI\Formatter`. Knows rows and bytes; knows no verb, no
//! database and no WordPress. The only module that writes to the standard streams.

use std::borrow::Cow;

/// One cell: what PHP's value was, as far as formats tell values apart.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// A PHP string: any bytes.
    Text(Cow<'a, [u8]>),
    /// A PHP array (or an object's properties), in order.
    Map(Vec<(Key<'a>, Value<'a>)>),
}

/// A key of a PHP array.
#[derive(Debug, Clone, PartialEq)]
pub enum Key<'a> {
    Int(i64),
    Text(Cow<'a, [u8]>),
}

/// Something that a list shows as one row. `None`: the item has no such field at all, which WP-CLI
/// tells apart from a field that is null.
pub trait Item {
    fn field(&self, name: &str) -> Option<Value<'_>>;
}
