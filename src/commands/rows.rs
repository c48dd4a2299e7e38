//! Stored entries as rows of a list: the bridge from records to formats.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use crate::application_passwords::Record;
use crate::error::Error;
use crate::output::{Format, Item, Key, Request, Value};
use crate::wordpress::php_serialize::{self, Document, NodeId, View};
use crate::wordpress::schema::own;

/// WP-CLI: `APPLICATION_PASSWORD_FIELDS`.
pub use crate::application_passwords::FIELDS;

/// Which fields of a list.
#[derive(Debug, Args, Clone)]
pub struct Columns {
    /// Print the value of a single field
    #[arg(long, value_name = "field")]
    pub field: Option<OsString>,

    /// Limit the output to specific fields
    #[arg(long, value_name = "fields")]
    pub fields: Option<OsString>,

    /// WP-CLI: `--no-fields`, an entry without any field.
    #[arg(skip)]
    pub no_fields: bool,

    /// WP-CLI: several formats, each of which exists; it notices when it comes to print.
    #[arg(skip)]
    pub unknown_format: Option<String>,
}

impl Columns {
    /// What is asked of the formatter: these fields, or `default` ones. The definition has checked the
    /// format's name already.
    ///
    /// # Errors
    /// [`Error::Usage`] for several formats, unless a single field makes the format irrelevant.
    pub fn request(&self, format: Option<&str>, default: &[&str]) -> Result<Request, Error> {
        let bytes = |text: &'_ Option<OsString>| text.as_deref().map(|text| text.as_bytes().to_vec());
        let format = format.and_then(Format::from_name).unwrap_or_default();
        let mut request =
            Request::new(format, bytes(&self.field).as_deref(), bytes(&self.fields).as_deref(), default);
        if self.no_fields {
            request.fields.clear();
        }
        match &self.unknown_format {
            Some(formats) if request.field.is_none() => {
                Err(Error::Usage(format!("Invalid format: {formats}")))
            }
            _ => Ok(request),
        }
    }
}

/// An entry as a row; the bytes stay where they are in the stored value.
impl Item for Record<'_> {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        field(*self, name)
    }
}

/// A field of an entry. It borrows from the stored value, not from the record.
pub fn field<'d>(record: Record<'d>, name: &str) -> Option<Value<'d>> {
    let (document, node) = record.parts();
    let mut left = MOST_VALUES;
    let found = document.get(node, name.as_bytes()).map(|node| value(document, node, DEEPEST, &mut left));
    found.or_else(|| absent(name))
}

/// What stands for a field that an entry does not have: nothing, or with WP-CLI's warning, no such field.
pub fn absent<'d>(name: &str) -> Option<Value<'d>> {
    own::SHOWN.contains(&name).then_some(Value::Null)
}

/// No plugin nests more than this many values in one field. References can make a value contain itself, so
/// without an end it would be shown for ever.
const MOST_VALUES: u32 = 10_000;

/// Nor deeper than this.
const DEEPEST: u32 = 64;

/// A stored value as formats see it. Objects show their public properties, as PHP's `json_encode()` does.
fn value<'d>(document: &'d Document, node: NodeId, depth: u32, left: &mut u32) -> Value<'d> {
    *left = left.saturating_sub(1);
    match document.view(node) {
        View::Bool(on) => Value::Bool(on),
        View::Int(number) => Value::Int(number),
        View::Float(number) => Value::Float(number),
        View::Str(text) => Value::Text(text),
        View::Enum(name) => Value::Text(Cow::Borrowed(name)),
        View::Array | View::Object { .. } if *left > 0 && depth > 0 => Value::Map(
            document
                .entries(node)
                .filter_map(|(key, node)| {
                    let key = match key {
                        php_serialize::Key::Int(number) => Key::Int(number),
                        // PHP: the names of protected and private properties begin with a NUL.
                        php_serialize::Key::Str(text) if text.first() == Some(&0) => return None,
                        php_serialize::Key::Str(text) => Key::Text(text),
                    };
                    Some((key, value(document, node, depth - 1, left)))
                })
                .collect(),
        ),
        View::Null | View::Array | View::Object { .. } | View::Custom { .. } | View::Unresolved => {
            Value::Null
        }
    }
}
