//! `--after-write`: a command of the user's that hears of every user whose list was written.

use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use super::AfterWrite;
use crate::store::UserId;

/// The variable that holds the ids of the users whose lists were written, separated by blanks.
pub const USER_IDS: &str = "WP_APP_PASSWORD_USER_IDS";

/// Runs `command` in a shell, without the variables that hold passwords. What it prints goes to standard error: standard output is for the result.
pub fn command(command: OsString) -> AfterWrite {
    Box::new(move |users| run(&command, users))
}

fn run(command: &OsStr, users: &[UserId]) -> Result<(), String> {
    let shown = command.to_string_lossy();
    let ids: Vec<String> = users.iter().map(|user| user.to_string()).collect();
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    let status = Command::new("/bin/sh")
        .arg("-c")
        .arg(command)
        .env(USER_IDS, ids.join(" "))
        .env_remove("WP_APP_PASSWORD_DB")
        .env_remove("WP_APP_PASSWORD_CACHE")
        .stdin(Stdio::null())
        .stdout(stderr.map_or_else(|_| Stdio::null(), Stdio::from))
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("the command after the write, `{shown}`, failed ({status})")),
        Err(error) => Err(format!("the command after the write, `{shown}`, could not be run ({error})")),
    }
}
