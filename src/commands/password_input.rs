//! A password that the user hands over: from stdin, a file, a file descriptor, or typed without being seen. Never from
//! the command line, which other users of the machine can read.

use std::ffi::OsString;
use std::fs::File;
use std::io::{IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::secret::PlainPassword;
use crate::wordpress::generate;

/// The longest input that is read, in bytes.
const LONGEST: usize = 64 * 1024;

/// Where the password comes from.
#[derive(Debug, Args)]
pub struct PasswordInput {
    /// File that holds the password (default: standard input, or a prompt on a terminal)
    #[arg(long, value_name = "file", value_hint = clap::ValueHint::FilePath, conflicts_with = "password_fd")]
    pub password_file: Option<PathBuf>,

    /// Open file descriptor to read the password from
    #[arg(long, value_name = "number")]
    // Text, because an error of the parser would repeat what may be the password itself.
    pub password_fd: Option<OsString>,
}

impl PasswordInput {
    /// Reads the password, and leaves of it what WordPress compares: letters and digits.
    ///
    /// # Errors
    /// Nothing there, more than one line, or a failing system.
    pub fn read(&self) -> Result<PlainPassword, Error> {
        let number = match &self.password_fd {
            None => None,
            Some(number) => {
                Some(number.to_str().and_then(|number| number.parse::<u32>().ok()).ok_or_else(|| {
                    Error::Usage("--password-fd takes the number of an open file descriptor.".into())
                })?)
            }
        };
        let (text, place) = match (&self.password_file, number) {
            (Some(file), _) => {
                let place = file.display().to_string();
                (File::open(file).and_then(read_all), place)
            }
            (None, None | Some(0)) if std::io::stdin().is_terminal() => (prompt(), "the terminal".to_owned()),
            (None, None | Some(0)) => (read_all(std::io::stdin()), "standard input".to_owned()),
            (None, Some(number)) => {
                let opened = File::open(format!("/dev/fd/{number}"));
                (opened.and_then(read_all), format!("file descriptor {number}"))
            }
        };
        let text = text
            .map_err(|error| Error::Usage(format!("The password cannot be read from {place}: {error}.")))?;
        let line = text.trim_ascii();
        let problem = if line.is_empty() {
            "there is nothing".to_owned()
        } else if text.len() > LONGEST {
            format!("there are more than {LONGEST} bytes")
        } else if line.contains(&b'\n') {
            "there is more than one line, and it is not clear which is the password".to_owned()
        } else {
            return Ok(stripped(line));
        };
        Err(Error::Usage(format!("The password cannot be read from {place}: {problem}.")))
    }
}

/// Reads a login password: the first line of a file, as it is; `-` is standard input.
///
/// # Errors
/// Nothing there, or a failing system.
pub fn login_password(file: &Path) -> Result<PlainPassword, Error> {
    let (text, place) = match file.as_os_str().as_bytes() {
        b"-" if std::io::stdin().is_terminal() => (prompt(), "the terminal".to_owned()),
        b"-" => (read_all(std::io::stdin()), "standard input".to_owned()),
        _ => (File::open(file).and_then(read_all), file.display().to_string()),
    };
    let failed = |why: String| {
        Error::Usage(format!("The login password cannot be read from {place}: {why}. Nothing was changed."))
    };
    let text = text.map_err(|error| failed(error.to_string()))?;
    let line = text.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    match std::str::from_utf8(line) {
        Ok(line) if line.trim().is_empty() => Err(failed("there is nothing".into())),
        // WordPress: shorter ones are guessed.
        Ok(line) if line.len() < 12 => Err(failed("it has fewer than twelve characters".into())),
        Ok(line) => Ok(PlainPassword::new(line.to_owned())),
        Err(_) => Err(failed("it is no UTF-8 text".into())),
    }
}

fn stripped(line: &[u8]) -> PlainPassword {
    let letters = generate::strip_for_check(line);
    let mut text = String::with_capacity(letters.len());
    text.extend(letters.iter().copied().map(char::from));
    PlainPassword::new(text)
}

/// The whole capacity at once: a buffer that grows leaves copies behind.
fn read_all(from: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST + 1));
    from.take(LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn prompt() -> std::io::Result<Zeroizing<Vec<u8>>> {
    rpassword::prompt_password("Application password: ").map(|typed| Zeroizing::new(typed.into_bytes()))
}
