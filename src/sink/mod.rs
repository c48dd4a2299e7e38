//! Where the plaintext of a new application password goes: standard output, a file, one key of a file, a file
//! descriptor or a command, in a format, in the clear or encrypted.
//!
//! Knows no WordPress and no database: a password with what belongs to it comes in, bytes go out. A sink is
//! tried ([`Sink::check`]) before anything changes, and has the secret for good when [`Sink::deliver`]
//! returns `Ok`.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

mod command;
mod descriptor;
mod encrypt;
mod file;
mod format;
mod key;

pub use encrypt::Encryption;
pub use format::{DEFAULT_NAME, DEFAULT_SECRET_NAME, Format, Wording};

use crate::interrupt;
use crate::output::Output;
use crate::secret::PlainPassword;

/// What is delivered.
#[derive(Debug, Clone, Copy)]
pub struct Delivery<'a> {
    /// The secret.
    pub password: &'a PlainPassword,
    /// Whose it is: `users.ID`.
    pub user_id: u64,
    /// `users.user_login`
    pub user_login: &'a [u8],
    /// The entry's uuid.
    pub uuid: &'a str,
    /// The entry's name.
    pub name: &'a [u8],
    /// The entry's application id; empty where there is none.
    pub app_id: &'a [u8],
    /// Unix seconds, UTC.
    pub created: i64,
    /// The site's address, where it is known; see [`Sink::wants_site_url`].
    pub site_url: Option<&'a str>,
}

/// Why a sink cannot be used, or did not take the secret: a clause without a full stop, which says what to do.
/// Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkError(String);

impl SinkError {
    /// A clause: lower case (unless it begins with a name), no full stop.
    pub fn new(clause: impl Into<String>) -> Self {
        Self(clause.into())
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SinkError {}

/// # Errors
/// Somebody asked for the end.
fn go_on() -> Result<(), SinkError> {
    if interrupt::caught().is_some() { Err(SinkError::new("interrupted")) } else { Ok(()) }
}

/// Which way out.
#[derive(Debug, Clone, Default)]
pub enum Target {
    /// Standard output.
    #[default]
    Stdout,
    /// A file of its own, or one key of a file that exists.
    File {
        /// The file.
        path: PathBuf,
        /// Permissions, where they were asked for.
        mode: Option<u32>,
        /// Also into a folder in which everybody may replace files.
        force: bool,
        /// The key to set; everything else in the file stays as it is.
        key: Option<String>,
    },
    /// A file descriptor that the caller opened.
    Descriptor(i32),
    /// Standard input of a shell command.
    Command(OsString),
}

/// A way out that was chosen.
#[derive(Debug, Default)]
pub struct Sink {
    target: Target,
    format: Option<Format>,
    wording: Wording,
    encryption: Option<Encryption>,
    descriptor: Option<std::fs::File>,
}

impl Sink {
    /// Puts a way out together. `format`: `None` leaves the choice to the sink.
    pub fn new(
        target: Target,
        format: Option<Format>,
        wording: Wording,
        encryption: Option<Encryption>,
    ) -> Self {
        Self { target, format, wording, encryption, descriptor: None }
    }

    /// Whether the password goes to standard output, in whatever form. Nothing else should be written there then,
    /// unless [`Self::is_default`].
    pub fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout)
    }

    /// Whether nothing was asked for: the verb itself shows the password on standard output, in its own words.
    pub fn is_default(&self) -> bool {
        self.is_stdout() && self.format.is_none() && self.encryption.is_none()
    }

    /// Whether [`Delivery::site_url`] is of use.
    pub fn wants_site_url(&self) -> bool {
        matches!(self.target, Target::Command(_))
            || self.format == Some(Format::Netrc)
            || (self.format == Some(Format::Env) && self.wording.with_user)
    }

    /// Tries everything that can be tried without changing anything: the delivery is put into its format and
    /// encrypted, a target file's folder takes a temporary file (which is removed again), a file that is edited
    /// holds a place for the key, a command's program is there, a file descriptor is open for writing.
    ///
    /// # Errors
    /// What will not work, and what to do.
    pub fn check(&mut self, delivery: &Delivery<'_>) -> Result<(), SinkError> {
        let text = self.text(delivery)?;
        match &self.target {
            Target::Stdout => Ok(()),
            Target::File { path, mode, force, key } => {
                let file = file::Target { path, mode: *mode, force: *force };
                file.check(|old| edit(path, key.as_deref(), &text, old), key.is_some())
            }
            Target::Descriptor(number) => {
                self.descriptor = Some(descriptor::take(*number)?);
                Ok(())
            }
            Target::Command(command) => command::check(command),
        }
    }

    /// Hands the secret over. When this returns `Ok` it is there: written to standard output, in a file that is
    /// saved together with its folder's entry, or taken by a command that ended with 0.
    ///
    /// Nothing is left behind after an error: a file that existed is as it was.
    ///
    /// # Errors
    /// What failed.
    pub fn deliver(&mut self, delivery: &Delivery<'_>, out: &mut Output<'_>) -> Result<(), SinkError> {
        let text = self.text(delivery)?;
        match &self.target {
            Target::Stdout => out.secret(&text).map_err(|error| SinkError::new(error.to_string())),
            Target::File { path, mode, force, key } => {
                let file = file::Target { path, mode: *mode, force: *force };
                file.write(|old| edit(path, key.as_deref(), &text, old), key.is_some())
            }
            Target::Descriptor(number) => {
                let file = match self.descriptor.take() {
                    Some(file) => file,
                    None => descriptor::take(*number)?,
                };
                descriptor::write(file, &text)
            }
            Target::Command(command) => command::run(command, &text, delivery),
        }
    }

    /// `written to /etc/app/password`: what [`Self::deliver`] does, as the end of a sentence.
    pub fn done(&self) -> String {
        match &self.target {
            Target::Stdout => "written to standard output".into(),
            Target::File { path, key: None, .. } => format!("written to {}", path.display()),
            Target::File { path, key: Some(key), .. } => {
                format!("written to the key {key} of {}", path.display())
            }
            Target::Descriptor(number) => format!("written to file descriptor {number}"),
            Target::Command(command) => format!("given to the command `{}`", command.to_string_lossy()),
        }
    }

    /// The bytes that leave: formatted, and encrypted if that was asked for.
    fn text(&self, delivery: &Delivery<'_>) -> Result<Zeroizing<Vec<u8>>, SinkError> {
        let format = match (self.format, &self.encryption, &self.target) {
            (Some(format), ..) => format,
            // What is sealed is the value itself; so is what goes into a key.
            (None, Some(Encryption::Sealed(_)), _) | (None, None, Target::File { key: Some(_), .. }) => {
                Format::DockerSecret
            }
            (None, ..) => Format::Plain,
        };
        let text = format::render(format, &self.wording, delivery)?;
        match &self.encryption {
            None => Ok(text),
            Some(encryption) => encryption.encrypt(&text),
        }
    }
}

/// What a file holds afterwards.
fn edit(
    path: &std::path::Path,
    key: Option<&str>,
    text: &[u8],
    old: Option<&[u8]>,
) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    match (key, old) {
        (None, _) => Ok(Zeroizing::new(text.to_vec())),
        (Some(key), Some(old)) => key::set(path, old, key, text),
        (Some(key), None) => Err(SinkError::new(format!(
            "{} does not exist, so its key {key} cannot be set: make the file first (an empty .env file or {{}} \
             will do)",
            path.display()
        ))),
    }
}
