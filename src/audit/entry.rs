//! An application password as the rules see it, whichever way it was read.

use std::borrow::Cow;

/// The value of one key of an entry.
#[derive(Debug, Clone, Default)]
pub enum Field<'a> {
    /// There is no such key.
    #[default]
    Absent,
    /// Null.
    Null,
    /// A number, or what PHP makes one.
    Int(i64),
    /// A string.
    Text(Cow<'a, [u8]>),
    /// Something else: a list, an object.
    Other,
}

impl Field<'_> {
    /// The bytes of a string.
    pub fn text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A time, or another number: also where an import left it as text. Nothing is no number, and neither is 0.
    pub fn time(&self) -> Option<i64> {
        let number = match self {
            Self::Int(number) => *number,
            Self::Text(text) => std::str::from_utf8(text).ok()?.trim().parse().ok()?,
            _ => return None,
        };
        (number != 0).then_some(number)
    }

    /// For a report.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => String::from_utf8_lossy(text).into_owned(),
            Self::Int(number) => number.to_string(),
            Self::Absent | Self::Null | Self::Other => String::new(),
        }
    }

    /// PHP's `isset()`.
    pub fn is_set(&self) -> bool {
        !matches!(self, Self::Absent | Self::Null)
    }
}

/// One entry.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "each is the key of that name")]
pub struct Entry<'a> {
    pub uuid: Field<'a>,
    pub app_id: Field<'a>,
    pub name: Field<'a>,
    /// The hash. No report shows it.
    pub password: Field<'a>,
    pub created: Field<'a>,
    pub last_used: Field<'a>,
    pub last_ip: Field<'a>,
    /// What this program adds; most entries have none of it.
    pub own: Option<Box<Own>>,
}

/// What this program may have added to an entry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Own {
    /// Unix seconds, UTC.
    pub expires: Option<i64>,
    /// When it is to be revoked, because another took its place.
    pub retire_at: Option<i64>,
    /// Its password was not delivered.
    pub undelivered: bool,
    /// It has an expiry or restrictions, which WordPress does not enforce by itself.
    pub restricted: bool,
    /// The first key of those that makes no sense.
    pub unreadable: Option<&'static str>,
    /// Another entry took its place, or it took the place of one that is still there: they share a name on purpose.
    pub replaced: bool,
}
