//! A file that holds a secret: written beside, saved, and renamed into place, so that the old file or the new one is
//! there, whole. Never through a symbolic link. An existing file keeps its owner, group and mode.
//!
//! Whoever is killed in the middle leaves the file beside it. It was locked as long as its writer lived, so the next
//! one that writes into the folder knows it by that, and removes it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rand::RngExt;
use rustix::fs::{
    self, AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, Stat, StatxAttributes, StatxFlags, Uid,
    XattrFlags,
};
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::{SinkError, go_on};
use crate::interrupt;

/// No file with settings is larger.
const LARGEST: u64 = 16 << 20;

/// How long another copy of this program is waited for that edits a file in the same folder.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the name of a file begins with that is to be renamed; 16 hexadecimal digits follow.
const TEMPORARY: &str = ".wp-app-password-";

/// What to write, and how.
pub(super) struct Target<'a> {
    pub(super) path: &'a Path,
    pub(super) mode: Option<u32>,
    pub(super) force: bool,
}

impl Target<'_> {
    /// Does everything but the last step: a temporary file is made beside the target, gets its owner and mode, and is
    /// removed again. `edits`: the new content depends on the old one, which `content` is given.
    pub(super) fn check(
        &self,
        content: impl Fn(Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, SinkError>,
        edits: bool,
    ) -> Result<(), SinkError> {
        let _guard = interrupt::hold();
        let place = self.open()?;
        let old = place.existing()?;
        place.sweep(old.as_ref());
        content(place.read(old.as_ref(), edits)?.as_ref().map(|text| text.as_slice()))?;
        let attributes = StatxAttributes::APPEND | StatxAttributes::IMMUTABLE;
        if place.attributes(OsStr::new("")).intersects(attributes) {
            return Err(place.refuse("its folder is marked unchangeable or append-only (see lsattr)"));
        }
        if let Some(old) = &old {
            let found = place.attributes(place.name);
            if found.intersects(attributes) {
                return Err(place.refuse("it is marked unchangeable or append-only (see lsattr)"));
            }
            if found.contains(StatxAttributes::MOUNT_ROOT) {
                return Err(place.refuse(
                    "it is a mount point (a container's?), which cannot be replaced: mount its folder instead",
                ));
            }
            place.may_replace(old)?;
        }
        self.prepare(&place, old.as_ref())?;
        go_on()
    }

    /// Puts the new content in place of the old.
    pub(super) fn write(
        &self,
        content: impl Fn(Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>, SinkError>,
        edits: bool,
    ) -> Result<(), SinkError> {
        let _guard = interrupt::hold();
        let place = self.open()?;
        if edits {
            place.lock()?;
        }
        place.sweep(place.existing()?.as_ref());
        // Whoever edits the file at the same moment without a lock makes us start again.
        for _ in 0..5 {
            let old = place.existing()?;
            let text = content(place.read(old.as_ref(), edits)?.as_ref().map(|text| text.as_slice()))?;
            let mut temporary = self.prepare(&place, old.as_ref())?;
            let file = &mut temporary.file;
            file.write_all(&text)
                .and_then(|()| file.sync_all())
                .map_err(|error| place.failed("cannot be written", error))?;
            go_on()?;
            if edits && !same(place.existing()?.as_ref(), old.as_ref()) {
                continue;
            }
            temporary.rename()?;
            return match fs::fsync(&place.folder) {
                // Not every file system saves folders by themselves.
                Ok(()) | Err(Errno::INVAL | Errno::NOTSUP) => Ok(()),
                Err(error) => Err(place.failed("was written, but its folder cannot be saved", error)),
            };
        }
        Err(place.refuse("something keeps changing it"))
    }

    fn open(&self) -> Result<Place<'_>, SinkError> {
        let path = self.path;
        let no_name = || {
            SinkError::new(format!(
                "'{}' is a folder or no name of a file: give a file's name",
                path.display()
            ))
        };
        let name =
            path.file_name().filter(|_| !path.as_os_str().as_bytes().ends_with(b"/")).ok_or_else(no_name)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = fs::open(parent, flags, Mode::empty()).map_err(|error| {
            SinkError::new(format!(
                "the folder {} of {} cannot be opened ({})",
                parent.display(),
                path.display(),
                std::io::Error::from(error)
            ))
        })?;
        let place = Place { folder, name, path };
        let found = fs::fstat(&place.folder).map_err(|error| place.failed("cannot be looked at", error))?;
        if found.st_mode & 0o002 != 0 && found.st_mode & 0o1000 == 0 && !self.force {
            return Err(place.refuse(
                "everybody may replace files in its folder (world-writable, without the sticky bit): use another \
                 folder, or --force",
            ));
        }
        Ok(place)
    }

    fn prepare<'p>(&self, place: &'p Place<'_>, old: Option<&Stat>) -> Result<Temporary<'p>, SinkError> {
        let mode = self.new_mode(place, old)?;
        // Whoever names a mode means just that.
        place.prepare(old, mode, old.is_some() && self.mode.is_none())
    }

    fn new_mode(&self, place: &Place<'_>, old: Option<&Stat>) -> Result<u32, SinkError> {
        match (self.mode, old) {
            (Some(mode), _) => Ok(mode),
            (None, None) => Ok(0o600),
            (None, Some(old)) => {
                let mode = old.st_mode & 0o777;
                if mode & 0o006 == 0 {
                    return Ok(mode);
                }
                Err(place.refuse(&format!(
                    "everybody on this machine may {} it (mode {mode:04o}): give --mode=0600, or --mode={mode:04o} if \
                     that is meant",
                    if mode & 0o004 != 0 { "read" } else { "change" }
                )))
            }
        }
    }
}

/// Whether a file is the one that was looked at before.
fn same(now: Option<&Stat>, before: Option<&Stat>) -> bool {
    let key = |stat: &Stat| {
        (
            stat.st_dev,
            stat.st_ino,
            stat.st_size,
            stat.st_mtime,
            stat.st_mtime_nsec,
            stat.st_ctime,
            stat.st_ctime_nsec,
        )
    };
    now.map(key) == before.map(key)
}

/// An open folder and a name in it: what the path means cannot change meanwhile.
struct Place<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
    path: &'a Path,
}

impl Place<'_> {
    fn refuse(&self, why: &str) -> SinkError {
        SinkError::new(format!("{} cannot be used: {why}", self.path.display()))
    }

    fn failed(&self, what: &str, error: impl Into<std::io::Error>) -> SinkError {
        SinkError::new(format!("{} {what} ({})", self.path.display(), error.into()))
    }

    /// The regular file that stands there, if anything does.
    fn existing(&self) -> Result<Option<Stat>, SinkError> {
        let found = match fs::statat(&self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.failed("cannot be looked at", error)),
        };
        Err(self.refuse(match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => return Ok(Some(found)),
            FileType::Symlink => {
                "it is a symbolic link, and a secret is never written through one: name the file itself"
            }
            FileType::Directory => "it is a folder: give the name of a file in it",
            FileType::Fifo | FileType::Socket => {
                "it is a pipe or a socket: open it in the shell and give its number with --out-fd"
            }
            _ => "it is a device: open it in the shell and give its number with --out-fd",
        }))
    }

    /// The old content, if it is wanted.
    fn read(&self, old: Option<&Stat>, wanted: bool) -> Result<Option<Zeroizing<Vec<u8>>>, SinkError> {
        let Some(old) = old.filter(|_| wanted) else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(&self.folder, self.name, flags, Mode::empty())
            .map_err(|error| self.failed("cannot be read", error))?;
        let opened = fs::fstat(&file).map_err(|error| self.failed("cannot be read", error))?;
        if !same(Some(&opened), Some(old)) {
            return Err(self.refuse("something is changing it"));
        }
        let size = u64::try_from(opened.st_size).unwrap_or_default();
        if size > LARGEST {
            return Err(self.refuse("it is larger than 16 MiB"));
        }
        // With room to spare, so that no copy is left behind in a smaller allocation.
        let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 64));
        File::from(file)
            .take(LARGEST)
            .read_to_end(&mut text)
            .map_err(|error| self.failed("cannot be read", error))?;
        Ok(Some(text))
    }

    /// In a folder with the sticky bit, files of others stay.
    fn may_replace(&self, old: &Stat) -> Result<(), SinkError> {
        let folder = fs::fstat(&self.folder).map_err(|error| self.failed("cannot be looked at", error))?;
        let me = geteuid();
        let mine = |uid: u32| uid == me.as_raw();
        if folder.st_mode & 0o1000 == 0 || me.is_root() || mine(old.st_uid) || mine(folder.st_uid) {
            return Ok(());
        }
        Err(self
            .refuse("it is somebody else's file in a folder where only owners replace files (sticky bit)"))
    }

    fn attributes(&self, name: &OsStr) -> StatxAttributes {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
        // Where the system cannot tell, the last step tells.
        let found = fs::statx(&self.folder, name, flags, StatxFlags::BASIC_STATS);
        found.map_or(StatxAttributes::empty(), |found| found.stx_attributes & found.stx_attributes_mask)
    }

    /// Removes what writers left that were killed: a password that may still be valid. `old`: the file that stands
    /// there, to whose owner they may have given theirs.
    fn sweep(&self, old: Option<&Stat>) {
        // What cannot be looked at or removed is no obstacle.
        let Ok(entries) = fs::Dir::read_from(&self.folder) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let digits = name.to_bytes().strip_prefix(TEMPORARY.as_bytes());
            if !digits.is_some_and(|digits| digits.len() == 16 && digits.iter().all(u8::is_ascii_hexdigit)) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let Ok(file) = fs::openat(&self.folder, name, flags, Mode::empty()) else { continue };
            let Ok(found) = fs::fstat(&file) else { continue };
            let is_ours =
                found.st_uid == geteuid().as_raw() || old.is_some_and(|old| old.st_uid == found.st_uid);
            if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
                && is_ours
                && fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
            {
                let _ = fs::unlinkat(&self.folder, name, AtFlags::empty());
            }
        }
    }

    /// Lets one copy of this program at a time edit files of this folder.
    fn lock(&self) -> Result<(), SinkError> {
        let began = Instant::now();
        loop {
            go_on()?;
            match fs::flock(&self.folder, FlockOperation::NonBlockingLockExclusive) {
                Err(Errno::WOULDBLOCK) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(self.refuse("somebody else holds a lock on its folder"));
                }
                // A file system without locks: the look before the last step has to do.
                Ok(()) | Err(_) => return Ok(()),
            }
        }
    }

    /// An empty file beside the target that has its owner, group and mode. Nobody else can open it before.
    fn prepare(&self, old: Option<&Stat>, mode: u32, keeps_access: bool) -> Result<Temporary<'_>, SinkError> {
        let mut tries = 0;
        let (temporary, made) = loop {
            let name = format!("{TEMPORARY}{:016x}", rand::rng().random::<u64>());
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file =
                fs::openat(&self.folder, name.as_str(), flags, Mode::RUSR | Mode::WUSR).map_err(|error| {
                    self.failed("cannot be written: no file can be made in its folder", error)
                })?;
            let temporary = Temporary { place: self, name, file: File::from(file), renamed: false };
            let locked = fs::flock(&temporary.file, FlockOperation::NonBlockingLockExclusive);
            let made =
                fs::fstat(&temporary.file).map_err(|error| self.failed("cannot be looked at", error))?;
            // Somebody who sweeps may have come between its first moment and the lock.
            tries += 1;
            if tries > 10 || (locked != Err(Errno::WOULDBLOCK) && made.st_nlink > 0) {
                break (temporary, made);
            }
        };
        if let Some(old) = old.filter(|old| (old.st_uid, old.st_gid) != (made.st_uid, made.st_gid)) {
            let (owner, group) = (Uid::from_raw(old.st_uid), Gid::from_raw(old.st_gid));
            fs::fchown(&temporary.file, Some(owner), Some(group)).map_err(|error| {
                let what = format!(
                    "belongs to user {} and group {}, which could not be kept: run this as that user or as root",
                    old.st_uid, old.st_gid
                );
                self.failed(&what, error)
            })?;
        }
        fs::fchmod(&temporary.file, Mode::from_raw_mode(mode))
            .map_err(|error| self.failed("cannot be given its mode", error))?;
        if keeps_access {
            self.keep_access_list(&temporary.file)?;
        }
        Ok(temporary)
    }

    /// Gives a new file the access list (ACL) of the one that it will replace, or takes away what the folder gave it.
    fn keep_access_list(&self, file: &File) -> Result<(), SinkError> {
        const NAME: &str = "system.posix_acl_access";
        // By way of the open folder, so that it is the same file.
        let folder = format!("/proc/self/fd/{}", self.folder.as_raw_fd());
        let old = Path::new(&folder).join(self.name);
        let mut list = vec![0_u8; 64 << 10];
        let kept = match fs::lgetxattr(&old, NAME, list.as_mut_slice()) {
            Ok(length) => {
                fs::fsetxattr(file, NAME, list.get(..length).unwrap_or_default(), XattrFlags::empty())
            }
            Err(Errno::NODATA) => match fs::fremovexattr(file, NAME) {
                Err(Errno::NODATA) => Ok(()),
                done => done,
            },
            // A file system, or a system, without them.
            Err(Errno::NOTSUP | Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        };
        kept.map_err(|error| self.failed("has an access list (getfacl) that could not be kept", error))
    }
}

/// A file that disappears unless it is renamed.
struct Temporary<'a> {
    place: &'a Place<'a>,
    name: String,
    file: File,
    renamed: bool,
}

impl Temporary<'_> {
    fn rename(mut self) -> Result<(), SinkError> {
        let folder = &self.place.folder;
        fs::renameat(folder, self.name.as_str(), folder, self.place.name)
            .map_err(|error| self.place.failed("cannot be replaced", error))?;
        self.renamed = true;
        Ok(())
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if !self.renamed {
            // There is nobody to tell; the file is empty or ours alone.
            let _ = fs::unlinkat(&self.place.folder, self.name.as_str(), AtFlags::empty());
        }
    }
}
