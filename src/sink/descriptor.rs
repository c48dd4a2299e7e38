//! A file descriptor that the caller opened (`3>file`, a pipe of a supervisor).
//!
//! Taking one by its number is what Rust calls unsafe: it could be a file of our own. So the number is looked up
//! first, and only what was inherited counts: all that this process opens itself is marked to be closed at `exec`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, OFlags, fstat};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use super::{SinkError, go_on};

/// How long a full pipe is waited for that was opened not to wait.
const PATIENCE: Duration = Duration::from_secs(10);

const NOT_OPEN: &str = "is not open: open it in the shell, as in 3>file";

fn refuse(number: i32, why: &str) -> SinkError {
    SinkError::new(format!("file descriptor {number} (--out-fd) {why}"))
}

/// Finds an inherited descriptor that is open for writing.
pub(super) fn take(number: i32) -> Result<File, SinkError> {
    if (0..=2).contains(&number) {
        return Err(refuse(
            number,
            "is a standard stream: leave --out-fd away for standard output, or open another, as in 3>file",
        ));
    }
    let info = Info::of(number)?;
    let flags = info.flags;
    if flags.contains(OFlags::CLOEXEC) {
        return Err(refuse(number, NOT_OPEN));
    }
    if flags & OFlags::ACCMODE == OFlags::RDONLY || flags.contains(OFlags::PATH) {
        return Err(refuse(number, "is not open for writing"));
    }
    let copy = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|me| pidfd_getfd(&me, number, PidfdGetfdFlags::empty()));
    if let Ok(copy) = copy {
        return Ok(File::from(copy));
    }
    // Containers may forbid that call.
    reopen(number, &info)
}

/// Opens the same file again: the same for pipes and terminals, and for a file if it goes on where the caller was.
fn reopen(number: i32, info: &Info) -> Result<File, SinkError> {
    let failed = |error: std::io::Error| refuse(number, &format!("cannot be used ({error})"));
    let append = info.flags.contains(OFlags::APPEND);
    let mut file = OpenOptions::new()
        .write(!append)
        .append(append)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(format!("/proc/self/fd/{number}"))
        .map_err(failed)?;
    if !append && info.position > 0 {
        file.seek(SeekFrom::Start(info.position)).map_err(failed)?;
    }
    Ok(file)
}

/// What the system says of a descriptor.
struct Info {
    flags: OFlags,
    position: u64,
}

impl Info {
    fn of(number: i32) -> Result<Self, SinkError> {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")).map_err(|error| {
            if error.kind() == ErrorKind::NotFound && std::path::Path::new("/proc/self/fdinfo").exists() {
                return refuse(number, NOT_OPEN);
            }
            refuse(number, &format!("cannot be looked up in /proc ({error})"))
        })?;
        let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let flags = field("flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok()).unwrap_or_default();
        let position = field("pos:").and_then(|position| position.parse().ok()).unwrap_or_default();
        Ok(Self { flags: OFlags::from_bits_retain(flags), position })
    }
}

/// Writes everything, and saves it where that means something.
pub(super) fn write(mut file: File, mut text: &[u8]) -> Result<(), SinkError> {
    go_on()?;
    let began = Instant::now();
    while !text.is_empty() {
        match file.write(text) {
            Ok(0) => return Err(SinkError::new("nothing more could be written")),
            Ok(written) => text = text.get(written..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(10));
            }
            Err(error) => return Err(SinkError::new(error.to_string())),
        }
    }
    let is_file =
        fstat(&file).is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile);
    if is_file {
        file.sync_all().map_err(|error| SinkError::new(error.to_string()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    /// Where a container forbids to copy the descriptor.
    #[test]
    fn a_file_that_is_opened_again_goes_on_where_the_caller_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for append in [false, true] {
            std::fs::write(&path, "before, and more").unwrap();
            let mut file = OpenOptions::new().write(true).append(append).open(&path).unwrap();
            file.write_all(b"BEFORE").unwrap();
            let number = file.as_raw_fd();
            let copy = reopen(number, &Info::of(number).unwrap()).unwrap();
            write(copy, b"secret").unwrap();
            let expected = if append { "before, and moreBEFOREsecret" } else { "BEFOREsecretmore" };
            assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
        }
        // What this process opened itself is not for anybody to write to.
        let own = File::create(&path).unwrap();
        assert!(take(own.as_raw_fd()).unwrap_err().to_string().contains("is not open"));
    }
}
