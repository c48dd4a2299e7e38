//! One key of a file of settings: its value is replaced where it stands, and every other byte stays. JSON and `.env`
//! files; what cannot be told for certain is refused.

use std::ops::Range;
use std::path::Path;

use zeroize::Zeroizing;

use super::SinkError;

mod env;
mod json;

/// Bytes to put in, and what they replace.
struct Edit {
    at: Range<usize>,
    new: Zeroizing<Vec<u8>>,
}

/// The file's new content. `value` is a password, or the base64 of a sealed box.
pub(super) fn set(path: &Path, old: &[u8], key: &str, value: &[u8]) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    let value = std::str::from_utf8(value).ok().map(|value| value.trim_end_matches('\n'));
    let value = value
        .filter(|value| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)));
    let value = value.ok_or_else(|| {
        SinkError::new("only a password of letters and digits, or a sealed one, goes into a key of a file")
    })?;
    let found = if is_json(path, old) { json::find(old, key, value) } else { env::find(old, key, value) };
    let Edit { at, new } = found.map_err(|why| SinkError::new(format!("{} {why}", path.display())))?;
    let (before, behind) = (old.get(..at.start).unwrap_or_default(), old.get(at.end..).unwrap_or_default());
    Ok(Zeroizing::new([before, &new, behind].concat()))
}

/// By its name, else by its first character.
fn is_json(path: &Path, text: &[u8]) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"))
        || text.trim_ascii_start().starts_with(b"{")
}
