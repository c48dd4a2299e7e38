//! Runs the program as a user does: in a pipe, or in a terminal of a given width.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a run in a terminal left behind.
pub struct Terminal {
    /// Everything that the terminal received, stdout and stderr together.
    pub received: Vec<u8>,
    pub exit_code: i32,
}

impl Terminal {
    /// Runs `command` with all three streams on a terminal of `columns` columns.
    pub fn run(command: Command, columns: u16) -> Self {
        Self::run_with_input(command, columns, b"")
    }

    /// The same, with somebody typing.
    pub fn run_with_input(command: Command, columns: u16, typed: &[u8]) -> Self {
        Self::run_with_late_input(command, columns, "", typed)
    }

    /// The same, with somebody who types once `prompt` is there and the terminal shows nothing of it.
    pub fn run_with_late_input(mut command: Command, columns: u16, prompt: &str, typed: &[u8]) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = std::path::PathBuf::from(name.into_string().unwrap());
        let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let side = || Stdio::from(File::options().read(true).write(true).open(&path).unwrap());
        let mut child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        // The parent's copies of the terminal live in `command`; they would keep it open for ever.
        drop(command);
        let mut file = File::from(master);
        let mut typed = Some(typed).filter(|typed| !typed.is_empty());
        if prompt.is_empty()
            && let Some(typed) = typed.take()
        {
            std::io::Write::write_all(&mut file, typed).unwrap();
        }
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        let deadline = Instant::now() + Duration::from_secs(60);
        // Reading a terminal whose last user has gone fails with EIO: that is its end of file.
        while let Ok(count) = file.read(&mut buffer) {
            if count == 0 || Instant::now() > deadline {
                break;
            }
            received.extend_from_slice(&buffer[..count]);
            if String::from_utf8_lossy(&received).contains(prompt)
                && let Some(typed) = typed.take()
            {
                // The prompt comes first.
                while tcgetattr(&file).unwrap().local_modes.contains(LocalModes::ECHO) {
                    assert!(Instant::now() < deadline, "the terminal shows what is typed");
                    std::thread::sleep(Duration::from_millis(5));
                }
                std::io::Write::write_all(&mut file, typed).unwrap();
            }
        }
        let exit_code = child.wait().unwrap().code().unwrap_or(-1);
        Self { received, exit_code }
    }
}
