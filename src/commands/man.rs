//! `man [<command>]`

use clap::Args;

use super::Outcome;
use crate::error::Error;
use crate::output::Output;

/// `man [<command>]`
#[derive(Debug, Args)]
pub struct Man {
    /// Command whose page to print (default: the program's own page)
    #[arg(value_name = "command")]
    pub command: Option<String>,
}

/// The committed pages, by command. A test keeps them the same as what the definition renders.
pub const PAGES: &[(&str, &str)] = &[
    ("", include_str!("../../man/wp-app-password.1")),
    ("create", include_str!("../../man/wp-app-password-create.1")),
    ("list", include_str!("../../man/wp-app-password-list.1")),
    ("get", include_str!("../../man/wp-app-password-get.1")),
    ("exists", include_str!("../../man/wp-app-password-exists.1")),
    ("update", include_str!("../../man/wp-app-password-update.1")),
    ("record-usage", include_str!("../../man/wp-app-password-record-usage.1")),
    ("delete", include_str!("../../man/wp-app-password-delete.1")),
    ("revoke-all", include_str!("../../man/wp-app-password-revoke-all.1")),
    ("rotate", include_str!("../../man/wp-app-password-rotate.1")),
    ("ensure", include_str!("../../man/wp-app-password-ensure.1")),
    ("verify", include_str!("../../man/wp-app-password-verify.1")),
    ("identify", include_str!("../../man/wp-app-password-identify.1")),
    ("prune", include_str!("../../man/wp-app-password-prune.1")),
    ("suspend", include_str!("../../man/wp-app-password-suspend.1")),
    ("resume", include_str!("../../man/wp-app-password-resume.1")),
    ("audit", include_str!("../../man/wp-app-password-audit.1")),
    ("discover", include_str!("../../man/wp-app-password-discover.1")),
    ("authorize", include_str!("../../man/wp-app-password-authorize.1")),
    ("enforcer", include_str!("../../man/wp-app-password-enforcer.1")),
    ("provision", include_str!("../../man/wp-app-password-provision.1")),
    ("deprovision", include_str!("../../man/wp-app-password-deprovision.1")),
    ("doctor", include_str!("../../man/wp-app-password-doctor.1")),
    ("site", include_str!("../../man/wp-app-password-site.1")),
    ("completions", include_str!("../../man/wp-app-password-completions.1")),
    ("man", include_str!("../../man/wp-app-password-man.1")),
];

/// Prints a page in roff, for `man -l -`.
///
/// # Errors
/// A command without a page, a closed standard output.
pub fn run(args: &Man, out: &mut Output<'_>) -> Result<Outcome, Error> {
    let wanted = args.command.as_deref().unwrap_or_default();
    let Some((_, page)) = PAGES.iter().find(|(command, _)| *command == wanted) else {
        let known: Vec<&str> = PAGES.iter().map(|(command, _)| *command).filter(|c| !c.is_empty()).collect();
        return Err(Error::Usage(format!(
            "There is no manual page for '{wanted}'. There is one for each of: {}",
            known.join(", ")
        )));
    };
    out.result(page)?;
    Ok(Outcome::Done)
}
