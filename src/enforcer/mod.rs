//! The must-use plugin that makes WordPress enforce what it does not know: expiry and restrictions of application
//! passwords.
//!
//! WordPress loads every PHP file in `wp-content/mu-plugins`, and nobody can switch one off in the dashboard
//! (`wp_get_mu_plugins()` in `wp-includes/load.php`). This module writes one file there, knows it again by its second
//! line, which holds the SHA-256 of what follows, and touches no other. Knows files only, no database.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rand::RngExt;
use rustix::fs::{self, AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, Stat, Uid};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::site::Site;

/// What the file is called.
pub const FILE: &str = "wp-app-password-enforcer.php";

/// The version that this program writes. A changed `enforcer.php` gets the next number, there too.
pub const VERSION: u32 = 2;

/// What the file's second line begins with.
const MARK: &str = "// wp-app-password enforcer, version ";

/// What stands between the version and the digest.
const OF_THE_REST: &str = ", SHA-256 of the lines below: ";

/// No file of ours is longer.
const LONGEST: u64 = 1 << 20;

/// The plugin without its second line.
const SOURCE: &str = include_str!("enforcer.php");

/// What stands where the plugin belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The plugin, as this program writes it.
    Current,
    /// The plugin, as another version of this program wrote it.
    OtherVersion(u32),
    /// Nothing.
    Absent,
    /// What was the plugin before somebody edited it.
    Altered,
    /// Something that this program did not write, such as a link.
    Foreign,
    /// It cannot be looked at, for this reason.
    Unreadable(String),
}

/// Whether WordPress enforces what this program adds to entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enforcement {
    /// It does.
    Yes,
    /// It does not: a clause that says why.
    No(String),
    /// It cannot be told from here: a clause that says why.
    Unknown(String),
}

/// Looks whether a site enforces expiry and restrictions.
pub fn enforcement(site: &Site) -> Enforcement {
    if site.is_sandbox {
        return Enforcement::Unknown("no WordPress runs on the sandbox".into());
    }
    let folder = match &site.mu_plugin_dir {
        Ok(Some(folder)) => folder,
        Ok(None) => return Enforcement::Unknown("the site's files were not named".into()),
        Err(reason) => return Enforcement::Unknown(reason.clone()),
    };
    match look(folder) {
        State::Current => Enforcement::Yes,
        // Each one understands the keys of its time; which are newer cannot be told.
        State::OtherVersion(version) => Enforcement::No(format!(
            "the plugin in {} is version {version}, and version {VERSION} is needed",
            folder.display()
        )),
        State::Absent => Enforcement::No("the plugin that does it is not installed".into()),
        State::Altered => Enforcement::No(format!("the plugin in {} was changed", folder.display())),
        State::Foreign => Enforcement::No(format!(
            "{} is not the plugin that this program writes",
            folder.join(FILE).display()
        )),
        State::Unreadable(reason) => Enforcement::Unknown(reason),
    }
}

/// The bytes of the plugin's file.
pub fn text() -> Vec<u8> {
    let (first, rest) = SOURCE.split_once('\n').unwrap_or(("", SOURCE));
    format!("{first}\n{MARK}{VERSION}{OF_THE_REST}{}\n{rest}", hexadecimal(&Sha256::digest(rest)))
        .into_bytes()
}

/// The SHA-256 of [`text`], in hexadecimal digits, as `sha256sum` shows it.
pub fn digest() -> String {
    hexadecimal(&Sha256::digest(text()))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What stands in a folder of must-use plugins.
pub fn look(folder: &Path) -> State {
    match open_folder(folder) {
        Ok(Some(opened)) => state(&opened, folder),
        Ok(None) => State::Absent,
        Err(reason) => State::Unreadable(reason),
    }
}

/// `None`: there is no such folder.
fn open_folder(folder: &Path) -> Result<Option<OwnedFd>, String> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match fs::open(folder, flags, Mode::empty()) {
        Ok(opened) => Ok(Some(opened)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(cannot("opened", folder, error)),
    }
}

fn cannot(what: &str, path: &Path, error: impl Into<std::io::Error>) -> String {
    format!("{} cannot be {what} ({})", path.display(), error.into())
}

fn state(opened: &OwnedFd, folder: &Path) -> State {
    let path = folder.join(FILE);
    match fs::statat(opened, FILE, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return State::Absent,
        Err(error) => return State::Unreadable(cannot("looked at", &path, error)),
        Ok(found) if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile => {
            return State::Foreign;
        }
        Ok(_) => {}
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut content = Vec::new();
    let read = fs::openat(opened, FILE, flags, Mode::empty())
        .map_err(std::io::Error::from)
        .and_then(|file| File::from(file).take(LONGEST).read_to_end(&mut content));
    match read {
        Ok(_) => of_content(&content),
        Err(error) if error.kind() == ErrorKind::NotFound => State::Absent,
        Err(error) => State::Unreadable(cannot("read", &path, error)),
    }
}

fn of_content(content: &[u8]) -> State {
    if content == text() {
        return State::Current;
    }
    let mut lines = content.splitn(3, |byte| *byte == b'\n').skip(1);
    let (mark, rest) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let mark = std::str::from_utf8(mark).unwrap_or_default().trim_end();
    let Some(mark) = mark.strip_prefix(MARK) else { return State::Foreign };
    match mark.split_once(OF_THE_REST) {
        Some((version, digest)) if digest == hexadecimal(&Sha256::digest(rest)) => {
            version.parse().map_or(State::Altered, State::OtherVersion)
        }
        _ => State::Altered,
    }
}

/// What an installation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// The file is new.
    New,
    /// It took the place of another version.
    InPlaceOf(u32),
    /// It was there already.
    Already,
}

/// Writes the plugin: beside its place first, then renamed, so that WordPress never loads half of it. A folder that is
/// missing is made. Owner, group and permissions are those of the folder.
///
/// # Errors
/// A sentence: something else stands there, or it cannot be written. Nothing was changed then.
pub fn install(folder: &Path) -> Result<Installed, String> {
    let opened = match open_folder(folder)? {
        Some(opened) => opened,
        None => make_folder(folder)?,
    };
    let replaced = match state(&opened, folder) {
        State::Current => return Ok(Installed::Already),
        State::OtherVersion(version) if version > VERSION => {
            return Err(format!(
                "{} is version {version}, which is newer than the version {VERSION} of this program. Use the program that \
                 wrote it",
                folder.join(FILE).display()
            ));
        }
        State::OtherVersion(version) => Some(version),
        State::Absent => None,
        other => return Err(refused(&other, folder)),
    };
    let of_folder = fs::fstat(&opened).map_err(|error| cannot("looked at", folder, error))?;
    let temporary = Temporary::new(&opened, folder, &of_folder)?;
    temporary.put_in_place(replaced.is_none())?;
    Ok(replaced.map_or(Installed::New, Installed::InPlaceOf))
}

/// Removes the plugin. `false`: it was not there.
///
/// # Errors
/// A sentence: something else stands there, or it cannot be removed. Nothing was changed then.
pub fn remove(folder: &Path) -> Result<bool, String> {
    let Some(opened) = open_folder(folder)? else { return Ok(false) };
    match state(&opened, folder) {
        State::Absent => return Ok(false),
        State::Current | State::OtherVersion(_) => {}
        other => return Err(refused(&other, folder)),
    }
    fs::unlinkat(&opened, FILE, AtFlags::empty())
        .map_err(|error| cannot("removed", &folder.join(FILE), error))?;
    // Not every file system saves folders by themselves, and the file is gone for everybody who looks.
    let _ = fs::fsync(&opened);
    Ok(true)
}

fn refused(state: &State, folder: &Path) -> String {
    let path = folder.join(FILE);
    let path = path.display();
    match state {
        State::Altered => format!(
            "{path} was changed since this program wrote it, so it is left alone. Look at what was changed, and remove \
             or move the file yourself"
        ),
        State::Unreadable(reason) => reason.clone(),
        _ => format!(
            "{path} is not a file that this program wrote, so it is left alone. Remove or move it yourself"
        ),
    }
}

/// Makes the folder of must-use plugins, which a new site lacks, with owner and permissions of the one around it.
fn make_folder(folder: &Path) -> Result<OwnedFd, String> {
    let parent: PathBuf = folder.parent().map(Path::to_path_buf).unwrap_or_default();
    let around = open_folder(&parent)?.ok_or_else(|| {
        format!("There is no folder {}, in which {} could be made", parent.display(), folder.display())
    })?;
    let of_parent = fs::fstat(&around).map_err(|error| cannot("looked at", &parent, error))?;
    let name = folder.file_name().unwrap_or_default();
    match fs::mkdirat(&around, name, Mode::RWXU) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(cannot("made", folder, error)),
    }
    let opened = open_folder(folder)?.ok_or_else(|| format!("{} disappeared", folder.display()))?;
    give(&opened, &of_parent, of_parent.st_mode & 0o777)
        .map_err(|error| cannot("given its owner and permissions", folder, error))?;
    Ok(opened)
}

/// Owner and group only where they differ: nobody but root may give a file away.
fn give(file: &OwnedFd, like: &Stat, mode: u32) -> Result<(), Errno> {
    let made = fs::fstat(file)?;
    if (made.st_uid, made.st_gid) != (like.st_uid, like.st_gid) && rustix::process::geteuid().is_root() {
        fs::fchown(file, Some(Uid::from_raw(like.st_uid)), Some(Gid::from_raw(like.st_gid)))?;
    }
    fs::fchmod(file, Mode::from_raw_mode(mode))
}

/// A file beside the plugin's place, gone unless it is put there. Its name ends in a way that WordPress does not load.
struct Temporary<'a> {
    opened: &'a OwnedFd,
    folder: &'a Path,
    name: String,
}

impl<'a> Temporary<'a> {
    fn new(opened: &'a OwnedFd, folder: &'a Path, of_folder: &Stat) -> Result<Self, String> {
        let name = format!(".{FILE}.{:016x}", rand::rng().random::<u64>());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = fs::openat(opened, name.as_str(), flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| cannot("written", &folder.join(FILE), error))?;
        let temporary = Self { opened, folder, name };
        give(&file, of_folder, of_folder.st_mode & 0o444 | 0o600)
            .map_err(|error| cannot("given its owner and permissions", &folder.join(FILE), error))?;
        let mut file = File::from(file);
        file.write_all(&text())
            .and_then(|()| file.sync_all())
            .map_err(|error| cannot("written", &folder.join(FILE), error))?;
        Ok(temporary)
    }

    /// `is_new`: nothing stands there, and what comes meanwhile stays.
    fn put_in_place(self, is_new: bool) -> Result<(), String> {
        let flags = if is_new { RenameFlags::NOREPLACE } else { RenameFlags::empty() };
        let name = self.name.as_str();
        match fs::renameat_with(self.opened, name, self.opened, FILE, flags) {
            // A file system without that flag.
            Err(Errno::INVAL | Errno::NOSYS) if is_new => {
                fs::linkat(self.opened, name, self.opened, FILE, AtFlags::empty())
            }
            done => done,
        }
        .map_err(|error| cannot("put in place", &self.folder.join(FILE), error))?;
        let _ = fs::fsync(self.opened);
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        // After a rename there is nothing left.
        let _ = fs::unlinkat(self.opened, self.name.as_str(), AtFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_says_its_version_and_is_short() {
        assert!(SOURCE.contains(&format!("\n * Version: {VERSION}\n")));
        assert!(SOURCE.starts_with("<?php\n"));
        let lines = text().split(|byte| *byte == b'\n').count() - 1;
        assert!(lines < 150, "{lines} lines");
    }

    #[test]
    fn what_stands_there_is_known_by_its_digest() {
        let text = text();
        assert_eq!(of_content(&text), State::Current);
        assert_eq!(of_content(&[text.as_slice(), b"\n"].concat()), State::Altered);
        assert_eq!(of_content(SOURCE.as_bytes()), State::Foreign);
        assert_eq!(of_content(b""), State::Foreign);
        let other = |version: &str| {
            let rest = "echo 1;\n";
            format!("<?php\n{MARK}{version}{OF_THE_REST}{}\n{rest}", hexadecimal(&Sha256::digest(rest)))
                .into_bytes()
        };
        assert_eq!(of_content(&other("0")), State::OtherVersion(0));
        assert_eq!(of_content(&other("7")), State::OtherVersion(7));
        assert_eq!(of_content(&other("x")), State::Altered);
    }
}
