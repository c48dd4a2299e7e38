//! `completions <shell>`

use clap::{Args, ValueEnum};

use super::Outcome;
use crate::error::Error;
use crate::output::Output;

/// `completions <shell>`
#[derive(Debug, Args)]
pub struct Completions {
    /// Shell to complete in
    #[arg(value_name = "shell")]
    pub shell: Shell,
}

/// Shells with a committed completion script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Elvish,
    Nushell,
}

impl Shell {
    /// The committed script. A test keeps it the same as what the definition renders.
    pub fn script(self) -> &'static str {
        match self {
            Self::Bash => include_str!("../../completions/wp-app-password.bash"),
            Self::Zsh => include_str!("../../completions/_wp-app-password"),
            Self::Fish => include_str!("../../completions/wp-app-password.fish"),
            Self::PowerShell => include_str!("../../completions/_wp-app-password.ps1"),
            Self::Elvish => include_str!("../../completions/wp-app-password.elv"),
            Self::Nushell => include_str!("../../completions/wp-app-password.nu"),
        }
    }
}

/// Prints the script of a shell.
///
/// # Errors
/// A closed standard output.
pub fn run(args: &Completions, out: &mut Output<'_>) -> Result<Outcome, Error> {
    out.result(args.shell.script())?;
    Ok(Outcome::Done)
}
