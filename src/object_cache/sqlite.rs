//! The file of the plugin SQLite Object Cache: one table, one row an entry.
//!
//! Not the site's database, and so not [`crate::store`]'s: the two statements here are all that is needed of it.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, params};

use super::{CacheError, TIMEOUT};

/// An open cache file.
pub(super) struct CacheFile {
    connection: Connection,
    place: String,
}

/// Opens a file that is there.
pub(super) fn open(file: &Path) -> Result<CacheFile, CacheError> {
    let place = file.display().to_string();
    let failed = |error: rusqlite::Error| failed(&place, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(TIMEOUT).map_err(failed)?;
    // What is not this plugin's file is noticed before anything is written.
    connection.prepare("SELECT name FROM object_cache WHERE name = ?1").map_err(failed)?;
    Ok(CacheFile { connection, place })
}

impl CacheFile {
    /// Deletes rows, all or none.
    pub(super) fn forget(&mut self, names: &[Vec<u8>]) -> Result<(), CacheError> {
        let place = &self.place;
        let failed = |error: rusqlite::Error| failed(place, &error);
        let transaction = self.connection.transaction().map_err(failed)?;
        for name in names {
            let name = String::from_utf8_lossy(name);
            transaction.execute("DELETE FROM object_cache WHERE name = ?1", params![name]).map_err(failed)?;
        }
        transaction.commit().map_err(failed)
    }
}

fn failed(place: &str, error: &rusqlite::Error) -> CacheError {
    CacheError(format!("the object cache {place} cannot be used ({error})"))
}
