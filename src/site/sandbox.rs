//! `--sandbox`: a private WordPress database in the user's data directory, made on first use.
//!
//! For trying the program out and for its documentation's examples. Lies in `$XDG_DATA_HOME`, else
//! `~/.local/share`, readable by the user alone.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{Environment, FixedAddress, Origin, Request, Site, SiteError};
use crate::store::{self, Address, Tables};

/// The sandbox's site; makes its database if there is none.
pub(super) fn site(request: &Request) -> Result<Site, SiteError> {
    let (file, source) = location(&request.env)?;
    let mut notes = Vec::new();
    if !file.exists() && make(&file)? {
        notes.push(format!(
            "Made a sandbox, {}, with the users admin, editor, author, subscriber and inventory-sync-bot.",
            file.display()
        ));
    }
    // WP_APP_PASSWORD_TABLE_PREFIX is another database's.
    let tables = Tables { multisite: Some(false), ..Tables::default() };
    let origins = vec![Origin::known("address", format!("SQLite database {}", file.display()), source)];
    Ok(Site {
        address: Address::Sqlite(file),
        tables,
        content_dir: None,
        mu_plugin_dir: Ok(None),
        plugin_dir: None,
        root: None,
        version_php: None,
        object_cache: None,
        files_out_of_sight: false,
        home: FixedAddress::No,
        site_url: FixedAddress::No,
        super_admins: None,
        is_sandbox: true,
        url: None,
        origins,
        notes,
    })
}

fn location(env: &Environment) -> Result<(PathBuf, &'static str), SiteError> {
    // The XDG specification: a relative path is to be ignored.
    let (base, source) = match env.path("XDG_DATA_HOME").filter(|path| path.is_absolute()) {
        Some(base) => (base, "--sandbox, under XDG_DATA_HOME"),
        None => match env.path("HOME").filter(|path| path.is_absolute()) {
            Some(home) => (home.join(".local/share"), "--sandbox, under HOME"),
            None => {
                return Err(SiteError::Sandbox(
                    "The sandbox has no place to be: neither XDG_DATA_HOME nor HOME is set to an absolute path.".into(),
                ));
            }
        },
    };
    Ok((base.join("wp-app-password").join("sandbox.sqlite"), source))
}

/// Makes the database. `false`: another process that started at the same moment was quicker.
fn make(file: &Path) -> Result<bool, SiteError> {
    let failed = |error: &dyn std::fmt::Display| {
        SiteError::Sandbox(format!("The sandbox {} cannot be made: {error}.", file.display()))
    };
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    // Built beside and linked into place when it is whole: nobody ever sees half a database, and of
    // several processes exactly one link succeeds.
    let beside = folder.join(format!("sandbox.{}.{:08x}.tmp", std::process::id(), rand::random::<u32>()));
    let made = (|| {
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(|error| failed(&error))?;
        store::sandbox::create(&beside).map_err(|error| SiteError::Sandbox(error.to_string()))?;
        match fs::hard_link(&beside, file) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(failed(&error)),
        }
    })();
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut leftover = beside.clone().into_os_string();
        leftover.push(suffix);
        // Not there is the usual case; anything else leaves a file that harms nobody.
        let _ = fs::remove_file(leftover);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn request(home: &Path) -> Request {
        Request {
            sandbox: true,
            env: [("HOME", home.to_str().unwrap())].into_iter().collect(),
            ..Request::default()
        }
    }

    #[test]
    fn the_sandbox_is_private_and_announced_once() {
        let home = tempfile::tempdir().unwrap();
        let first = site(&request(home.path())).unwrap();
        assert_eq!(first.notes.len(), 1);
        let Address::Sqlite(file) = &first.address else { panic!() };
        assert_eq!(file, &home.path().join(".local/share/wp-app-password/sandbox.sqlite"));
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(site(&request(home.path())).unwrap().notes.is_empty());
    }

    #[test]
    fn when_many_start_at_once_one_makes_it_and_nothing_is_left_over() {
        let home = tempfile::tempdir().unwrap();
        let announced: usize = std::thread::scope(|scope| {
            let starts: Vec<_> =
                (0..8).map(|_| scope.spawn(|| site(&request(home.path())).unwrap().notes.len())).collect();
            starts.into_iter().map(|start| start.join().unwrap()).sum()
        });
        assert_eq!(announced, 1);
        let folder = home.path().join(".local/share/wp-app-password");
        let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["sandbox.sqlite"]);
    }

    #[test]
    fn without_a_home_the_message_says_so() {
        let error = site(&Request { sandbox: true, ..Request::default() }).unwrap_err();
        assert!(error.to_string().contains("XDG_DATA_HOME"), "{error}");
    }
}
