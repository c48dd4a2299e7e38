//! The arguments that say where a new password goes: the same for every verb that makes one.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::sink::{Encryption, Format, Sink, SinkError, Target, Wording};

/// The heading of these arguments in help texts. [`crate::cli::grammar`] knows by it which parameters of a mirrored
/// verb are ours, and must not be passed over when their value is missing.
pub const HEADING: &str = "Where the password goes";

/// Where a new password goes.
#[derive(Debug, Args, Clone, Default, PartialEq, Eq)]
pub struct SinkArgs {
    /// Form in which the password is written
    #[arg(long, value_name = "format")]
    pub format: Option<Format>,

    /// Write the password to this file, which is replaced whole
    ///
    /// A new file can be read by its owner alone (see --mode); an existing one keeps owner, group and mode. Never
    /// written through a symbolic link.
    #[arg(long, value_name = "file", value_hint = clap::ValueHint::FilePath, help_heading = HEADING)]
    pub out_file: Option<PathBuf>,

    /// Set only this key of --out-file, a .env or JSON file that exists; all else in it stays byte for byte
    ///
    /// For JSON a path (database.password) or a JSON pointer (/database/password).
    #[arg(long, value_name = "key", help_heading = HEADING)]
    pub set_key: Option<String>,

    /// Mode of --out-file, in octal (default: 0600, or that of the existing file)
    #[arg(long, value_name = "mode", value_parser = mode, help_heading = HEADING)]
    pub mode: Option<u32>,

    /// Write --out-file even where everybody may replace files of its folder
    #[arg(long, help_heading = HEADING)]
    pub force: bool,

    /// Write the password to this file descriptor, which the caller opened
    #[arg(long, value_name = "number", value_parser = clap::value_parser!(i32).range(0..), help_heading = HEADING)]
    pub out_fd: Option<i32>,

    /// Run this in a shell with the password on its standard input; its exit code decides
    ///
    /// What it prints goes to standard error. The variables WP_APP_PASSWORD_USER, _UUID, _NAME and _SITE tell what the
    /// password is for.
    #[arg(long, value_name = "command", help_heading = HEADING)]
    pub exec: Option<OsString>,

    /// Encrypt for an age or SSH public key, or for those in a file (repeatable)
    #[arg(long, value_name = "recipient", help_heading = HEADING)]
    pub encrypt_to: Vec<OsString>,

    /// Encrypt into a sealed box for this base64 public key, as APIs for a forge's secrets want it
    #[arg(long, value_name = "key", help_heading = HEADING)]
    pub seal_to: Option<String>,

    /// What the password is called in env (default: WP_APP_PASSWORD), json and k8s-secret (default: password)
    #[arg(long, value_name = "name", help_heading = HEADING)]
    pub var: Option<String>,

    /// With --format=env, add lines for the login and the site's address
    #[arg(long, help_heading = HEADING)]
    pub with_user: bool,

    /// Login to write where a format has one (default: the user's)
    #[arg(long, value_name = "login", help_heading = HEADING)]
    pub username: Option<OsString>,

    /// Name of the object with --format=k8s-secret (default: wp-app-password)
    #[arg(long, value_name = "name", help_heading = HEADING)]
    pub secret_name: Option<String>,
}

/// What verbs that make several passwords put into the name of each one's file.
pub(super) const PLACEHOLDERS: [&str; 5] = ["{user}", "{user_id}", "{name}", "{app_id}", "{uuid}"];

fn mode(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mode = u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777 && !digits.starts_with('+'));
    mode.ok_or_else(|| "it is no mode in octal, such as 0600 or 0640".into())
}

impl SinkArgs {
    /// Whether anything is said.
    pub fn is_given(&self) -> bool {
        *self != Self::default()
    }

    /// Whether standard output is to hold the password in some form and nothing else.
    pub fn has_form(&self) -> bool {
        let elsewhere = self.out_file.is_some() || self.out_fd.is_some() || self.exec.is_some();
        !elsewhere && (self.format.is_some() || !self.encrypt_to.is_empty() || self.seal_to.is_some())
    }

    /// Why several passwords cannot go there one after the other: a clause without a full stop, or `None` if they can.
    pub fn only_one(&self) -> Option<String> {
        if self.exec.is_some() {
            // It runs once for each.
            return None;
        }
        if let Some(file) = &self.out_file {
            let name = file.as_os_str().as_bytes();
            let has = |placeholder: &str| {
                name.windows(placeholder.len()).any(|part| part == placeholder.as_bytes())
            };
            if PLACEHOLDERS.iter().any(|placeholder| has(placeholder)) {
                return None;
            }
            let what = match &self.set_key {
                Some(key) => format!("the key {key} of {} holds one password", file.display()),
                None => format!("{} would hold the last password alone", file.display()),
            };
            return Some(format!("{what}: put one of {} into --out-file", PLACEHOLDERS.join(", ")));
        }
        let name = |format: Format| {
            let value = format.to_possible_value();
            value.map_or_else(String::new, |value| value.get_name().to_owned())
        };
        let why = match self.format {
            _ if !self.encrypt_to.is_empty() => {
                "what --encrypt-to makes is decrypted one by one, and not when it stands in one stream"
                    .to_owned()
            }
            _ if self.seal_to.is_some() => "what --seal-to makes does not say whose it is".to_owned(),
            Some(Format::Json | Format::Netrc) => return None,
            Some(format @ Format::DockerSecret) => {
                format!("--format={} writes no line end, and the passwords would run together", name(format))
            }
            Some(format @ Format::Env) => {
                format!("--format={} would set the same variable again and again", name(format))
            }
            Some(format @ (Format::Curl | Format::K8sSecret)) => {
                format!("--format={} describes one login a file", name(format))
            }
            // The verb says in its own words whose each is.
            None if self.out_fd.is_none() => return None,
            Some(Format::Plain) | None => "passwords alone do not say whose they are".to_owned(),
        };
        Some(format!(
            "{why}: use --format=json, --exec, or --out-file with one of {}",
            PLACEHOLDERS.join(", ")
        ))
    }

    /// The sink that is meant. Recipients are read, nothing else is touched yet. `porcelain`: the password alone is
    /// wanted on standard output.
    ///
    /// # Errors
    /// Arguments that contradict each other or have no effect, and recipients that are none.
    pub fn sink(&self, porcelain: bool) -> Result<Sink, Error> {
        let sink = self.chosen()?;
        if porcelain && !sink.is_stdout() {
            return Err(SinkError::new(
                "--porcelain prints the password on standard output, and it was asked for elsewhere: leave one away",
            )
            .into());
        }
        if porcelain && self.format.is_some() {
            return Err(Error::Usage(
                "--porcelain prints the password alone, and --format asks for another form: leave one away."
                    .into(),
            ));
        }
        Ok(sink)
    }

    fn chosen(&self) -> Result<Sink, SinkError> {
        let format = self.format;
        let no_effect = |given: bool, name: &str, needs: &str| {
            if given { Err(SinkError::new(format!("{name} goes with {needs} only"))) } else { Ok(()) }
        };
        no_effect(self.set_key.is_some() && self.out_file.is_none(), "--set-key", "--out-file")?;
        no_effect(self.mode.is_some() && self.out_file.is_none(), "--mode", "--out-file")?;
        no_effect(self.force && self.out_file.is_none(), "--force", "--out-file")?;
        let named = matches!(format, Some(Format::Env | Format::Json | Format::K8sSecret));
        no_effect(self.var.is_some() && !named, "--var", "--format=env, json or k8s-secret")?;
        no_effect(self.with_user && format != Some(Format::Env), "--with-user", "--format=env")?;
        no_effect(
            self.secret_name.is_some() && format != Some(Format::K8sSecret),
            "--secret-name",
            "--format=k8s-secret",
        )?;
        let with_login = match format {
            Some(Format::Json | Format::Netrc | Format::Curl) => true,
            Some(Format::Env) => self.with_user,
            Some(Format::K8sSecret) => self.var.is_none(),
            _ => false,
        };
        no_effect(
            self.username.is_some() && !with_login,
            "--username",
            "a format that has a login: json, netrc, curl, k8s-secret without --var, env --with-user",
        )?;
        if self.set_key.is_some() && format.is_some() {
            return Err(SinkError::new(
                "--set-key writes the password alone, so --format has no place there",
            ));
        }
        if self.set_key.is_some() && !self.encrypt_to.is_empty() {
            return Err(SinkError::new(
                "--set-key has no room for the lines of --encrypt-to: use --seal-to, or a file of \
                                       its own",
            ));
        }
        Ok(Sink::new(self.target()?, format, self.wording(), self.encryption()?))
    }

    fn target(&self) -> Result<Target, SinkError> {
        let empty = |name: &str| SinkError::new(format!("{name} is empty"));
        match (&self.out_file, self.out_fd, &self.exec) {
            (None, None, None) => Ok(Target::Stdout),
            (Some(path), None, None) => {
                if path.as_os_str().is_empty() {
                    return Err(empty("--out-file"));
                }
                if self.set_key.as_ref().is_some_and(String::is_empty) {
                    return Err(empty("--set-key"));
                }
                let (path, key) = (path.clone(), self.set_key.clone());
                Ok(Target::File { path, mode: self.mode, force: self.force, key })
            }
            (None, Some(number), None) => Ok(Target::Descriptor(number)),
            (None, None, Some(command)) => Ok(Target::Command(command.clone())),
            _ => Err(SinkError::new("it goes one way: give one of --out-file, --out-fd and --exec")),
        }
    }

    fn wording(&self) -> Wording {
        Wording {
            name: self.var.clone(),
            username: self.username.as_ref().map(|login| login.as_bytes().to_vec()),
            with_user: self.with_user,
            secret_name: self.secret_name.clone(),
        }
    }

    fn encryption(&self) -> Result<Option<Encryption>, SinkError> {
        match (self.encrypt_to.as_slice(), &self.seal_to) {
            ([], None) => Ok(None),
            (recipients, None) => Encryption::age(recipients).map(Some),
            ([], Some(key)) => Encryption::sealed(key).map(Some),
            _ => Err(SinkError::new("it is encrypted one way: give --encrypt-to or --seal-to")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_passwords_go_only_where_they_can_be_told_apart() {
        let with = |change: &dyn Fn(&mut SinkArgs)| {
            let mut args = SinkArgs::default();
            change(&mut args);
            args.only_one()
        };
        for fits in [
            with(&|_| ()),
            with(&|args| args.format = Some(Format::Json)),
            with(&|args| args.format = Some(Format::Netrc)),
            with(&|args| (args.format, args.out_fd) = (Some(Format::Json), Some(3))),
            with(&|args| (args.format, args.exec) = (Some(Format::DockerSecret), Some("x".into()))),
            with(&|args| (args.seal_to, args.out_file) = (Some("k".into()), Some("{user_id}.b64".into()))),
            with(&|args| (args.set_key, args.out_file) = (Some("K".into()), Some("{uuid}/.env".into()))),
        ] {
            assert_eq!(fits, None);
        }
        for (refused, words) in [
            (with(&|args| args.format = Some(Format::DockerSecret)), "docker-secret writes no line end"),
            (with(&|args| args.format = Some(Format::Plain)), "do not say whose they are"),
            (with(&|args| args.out_fd = Some(3)), "do not say whose they are"),
            (with(&|args| args.format = Some(Format::Env)), "the same variable"),
            (with(&|args| args.format = Some(Format::Curl)), "--format=curl describes one login"),
            (with(&|args| args.format = Some(Format::K8sSecret)), "--format=k8s-secret describes one login"),
            (
                with(&|args| {
                    (args.format, args.encrypt_to) = (Some(Format::Json), vec!["age1".into()]);
                }),
                "--encrypt-to",
            ),
            (with(&|args| (args.seal_to, args.out_fd) = (Some("k".into()), Some(3))), "--seal-to"),
            (with(&|args| args.out_file = Some("one".into())), "one would hold the last password alone"),
            (
                with(&|args| (args.set_key, args.out_file) = (Some("K".into()), Some(".env".into()))),
                "the key K of .env holds one password",
            ),
        ] {
            let refused = refused.unwrap();
            assert!(refused.contains(words) && !refused.ends_with('.'), "{refused}");
        }
    }
}
