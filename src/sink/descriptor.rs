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

use super::SinkError;

/// How long a full pipe is waited for that was opened not to wait.
const PATIENCE: Duration = Duration::from_secs(10);

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
    let info = match std::fs::read_to_string(format!("/proc/self/fdinfo/{number}")) {
        Ok(info) => info,
        Err(error)
            if error.kind() == ErrorKind::NotFound && std::path::Path::new("/proc/self/fdinfo").exists() =>
        {
            return Err(refuse(number, "is not open: open it in the shell, as in 3>file"));
        }
        Err(error) => return Err(refuse(number, &format!("cannot be looked up in /proc ({error})"))),
    };
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let flags = field("flags:").and_then(|flags| u32::from_str_radix(flags, 8).ok()).unwrap_or_default();
    let flags = OFlags::from_bits_retain(flags);
    if flags.contains(OFlags::CLOEXEC) {
        return Err(refuse(number, "is not open: open it in the shell, as in 3>file"));
    }
    if flags & OFlags::ACCMODE == OFlags::RDONLY || flags.contains(OFlags::PATH) {
        return Err(refuse(number, "is not open for writing"));
    }
    let copy = pidfd_open(getpid(), PidfdFlags::empty())
        .and_then(|me| pidfd_getfd(&me, number, PidfdGetfdFlags::empty()));
    if let Ok(copy) = copy {
        return Ok(File::from(copy));
    }
    // Containers may forbid that call. Opening the same file again is the same for pipes and terminals, and for a file
    // if it goes on where the caller was.
    let append = flags.contains(OFlags::APPEND);
    let mut file = OpenOptions::new()
        .write(!append)
        .append(append)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(format!("/proc/self/fd/{number}"))
        .map_err(|error| refuse(number, &format!("cannot be used ({error})")))?;
    let position = field("pos:").and_then(|position| position.parse().ok()).unwrap_or_default();
    if !append && position > 0 {
        file.seek(SeekFrom::Start(position))
            .map_err(|error| refuse(number, &format!("cannot be used ({error})")))?;
    }
    Ok(file)
}

/// Writes everything, and saves it where that means something.
pub(super) fn write(mut file: File, mut text: &[u8]) -> Result<(), SinkError> {
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
