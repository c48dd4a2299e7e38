//! A shell command that takes the secret on its standard input: never in its arguments, never in its environment.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, PipeWriter, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{Access, OFlags, access, fcntl_getfl, fcntl_setfl};
use rustix::io::ioctl_fionread;
use rustix::process::{Pid, Signal, getpid, kill_process, set_child_subreaper};

use super::{Delivery, SinkError, go_on};
use crate::interrupt;

const SHELL: &str = "/bin/sh";

/// How long what the command started may take to end after it was asked to, and then after it was made to.
const TIME_TO_END: Duration = Duration::from_secs(2);

fn refuse(command: &OsStr, why: &str) -> SinkError {
    SinkError::new(format!("the command of --exec, `{}`, {why}", command.to_string_lossy()))
}

/// Lets the shell read the command without running it, and looks for its program.
pub(super) fn check(command: &OsString) -> Result<(), SinkError> {
    let ask = |arguments: &[&OsStr]| {
        Command::new(SHELL)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .output()
            .map_err(|error| {
                SinkError::new(format!("{SHELL}, which runs --exec, could not be started ({error})"))
            })
    };
    if command.as_bytes().trim_ascii().is_empty() {
        return Err(SinkError::new(
            "--exec is empty: give a command that reads the password from its standard input",
        ));
    }
    let read = ask(&["-n".as_ref(), "-c".as_ref(), command])?;
    if !read.status.success() {
        let complaint = String::from_utf8_lossy(&read.stderr);
        return Err(refuse(command, &format!("is not understood by {SHELL} ({})", complaint.trim())));
    }
    let Some(program) = program(command.as_bytes()) else { return Ok(()) };
    let found = if program.contains(&b'/') {
        std::path::Path::new(OsStr::from_bytes(program)).is_file() && access(program, Access::EXEC_OK).is_ok()
    } else {
        let look = "command -v -- \"$1\" >/dev/null";
        ask(&["-c".as_ref(), look.as_ref(), SHELL.as_ref(), OsStr::from_bytes(program)])?.status.success()
    };
    if found {
        return Ok(());
    }
    let program = String::from_utf8_lossy(program);
    Err(refuse(command, &format!("cannot be run: there is no program {program} that may be executed")))
}

/// The first word, if it is a plain one behind assignments.
fn program(command: &[u8]) -> Option<&[u8]> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./+-".contains(byte);
    command
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>'))
        .next()
        .filter(|word| !word.is_empty() && word.iter().all(is_plain))
}

/// Runs the command, and is content when it read the secret and ended with 0.
pub(super) fn run(command: &OsString, text: &[u8], delivery: &Delivery<'_>) -> Result<(), SinkError> {
    let failed = |error: std::io::Error| SinkError::new(format!("it could not be run ({error})"));
    let _guard = interrupt::hold();
    go_on()?;
    let (input, output) = std::io::pipe().map_err(failed)?;
    // Kept open to see whether the command read anything, and so that it need not be alive while we write.
    let unread = input.try_clone().map_err(failed)?;
    let flags = fcntl_getfl(&output).map_err(|error| failed(error.into()))?;
    fcntl_setfl(&output, flags | OFlags::NONBLOCK).map_err(|error| failed(error.into()))?;
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    let mut shell = Command::new(SHELL);
    shell
        .arg("-c")
        .arg(command)
        .stdin(Stdio::from(input))
        .stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from));
    let about: [(&str, &[u8]); 4] = [
        ("WP_APP_PASSWORD_USER", delivery.user_login),
        ("WP_APP_PASSWORD_UUID", delivery.uuid.as_bytes()),
        ("WP_APP_PASSWORD_NAME", delivery.name),
        ("WP_APP_PASSWORD_SITE", delivery.site_url.unwrap_or_default().as_bytes()),
    ];
    for (name, value) in about {
        // No environment holds a NUL.
        let value: Vec<u8> = value.iter().copied().filter(|byte| *byte != 0).collect();
        shell.env(name, OsStr::from_bytes(&value));
    }
    // Whatever loses its parent becomes a child of ours: that is how all of a pipeline is found. A process group would
    // not do, since a command in the background cannot ask for a passphrase on the terminal.
    let _ = set_child_subreaper(Some(getpid()));
    let mut child = shell.spawn().map_err(failed)?;
    // The shell's copy of the reading end is in the child now; ours would keep it from seeing the end.
    drop(shell);

    let taken = attend(&mut child, output, text).and_then(|rest| {
        let left = ioctl_fionread(&unread).unwrap_or_default();
        if left >= text.len() as u64 || rest > 0 {
            return Err(SinkError::new("it ended with 0 without reading its standard input"));
        }
        Ok(())
    });
    // Before the entry is taken back: nobody is to go on with a password that is none.
    let ended = taken.map_err(|error| {
        drop(unread);
        if end_all() {
            return error;
        }
        SinkError::new(format!("{error}; something that it started runs on and could not be ended"))
    });
    let _ = set_child_subreaper(None);
    ended
}

/// Writes until the command has ended with 0; how much it was not given.
fn attend(child: &mut Child, output: PipeWriter, text: &[u8]) -> Result<usize, SinkError> {
    let failed = |error: std::io::Error| SinkError::new(format!("it could not be run ({error})"));
    let mut rest = text;
    let mut output = Some(output);
    let mut told = false;
    let status = loop {
        if let Some(pipe) = &mut output {
            match pipe.write(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if rest.is_empty() {
            output = None;
        }
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if interrupt::caught().is_some() && !told {
            told = true;
            // It may have ended meanwhile, and its exit code decides in any case. The shell is named by itself for
            // systems without /proc.
            let shell = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let others = descendants().into_iter().filter(|pid| Some(*pid) != shell);
            for pid in shell.into_iter().chain(others) {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    if status.success() { Ok(rest.len()) } else { Err(SinkError::new(described(status))) }
}

/// Ends whatever the command started and left behind. Whether nothing is there any more.
fn end_all() -> bool {
    for signal in [Signal::TERM, Signal::KILL] {
        let began = Instant::now();
        let mut told = Vec::new();
        loop {
            let left = descendants();
            if left.is_empty() {
                return true;
            }
            if began.elapsed() >= TIME_TO_END {
                break;
            }
            for pid in left {
                // Asked once, or it could not put anything in order.
                if signal == Signal::KILL || !told.contains(&pid) {
                    let _ = kill_process(pid, signal);
                    told.push(pid);
                }
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    false
}

/// The living processes that descend from this one, by the system's list of processes.
fn descendants() -> Vec<Pid> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let stat = std::fs::read(entry.path().join("stat")).unwrap_or_default();
        // The name, in parentheses, may hold anything.
        let behind = stat.iter().rposition(|byte| *byte == b')').map_or(stat.len(), |at| at + 1);
        let behind = String::from_utf8_lossy(stat.get(behind..).unwrap_or_default()).into_owned();
        let mut fields = behind.split_ascii_whitespace();
        let (state, parent) = (fields.next(), fields.next().and_then(|parent| parent.parse::<i32>().ok()));
        if let (Some(state), Some(parent)) = (state, parent) {
            // What has ended and was not asked how holds nothing any more.
            parents.push((pid, parent, !matches!(state, "Z" | "X")));
        }
    }
    let mut known = vec![getpid().as_raw_nonzero().get()];
    let mut next = 0;
    let mut living = Vec::new();
    while let Some(parent) = known.get(next).copied() {
        next += 1;
        for (pid, _, lives) in parents.iter().filter(|(_, of, _)| *of == parent) {
            if !known.contains(pid) {
                known.push(*pid);
                living.extend(Pid::from_raw(*pid).filter(|_| *lives));
            }
        }
    }
    living
}

fn described(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(126), _) => "it could not be executed: exit code 126".into(),
        (Some(127), _) => "its program was not found: exit code 127".into(),
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, Some(signal)) => format!("it was ended by signal {signal}"),
        (None, None) => "it failed".into(),
    }
}
