//! Completions and man pages are what the command definition renders.
//!
//! `UPDATE_GENERATED=1 cargo test generated` writes them anew.

use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use wp_app_password::cli::definition::Cli;
use wp_app_password::commands::{completions, man};

const NAME: &str = "wp-app-password";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn scripts() -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    let mut add = |file: &str, render: &dyn Fn(&mut Command, &mut Vec<u8>)| {
        let mut bytes = Vec::new();
        render(&mut without_hidden(&Cli::command()), &mut bytes);
        files.push((root().join("completions").join(file), bytes));
    };
    add("wp-app-password.bash", &|command, bytes| generate(Shell::Bash, command, NAME, bytes));
    add("_wp-app-password", &|command, bytes| generate(Shell::Zsh, command, NAME, bytes));
    add("wp-app-password.fish", &|command, bytes| generate(Shell::Fish, command, NAME, bytes));
    add("_wp-app-password.ps1", &|command, bytes| generate(Shell::PowerShell, command, NAME, bytes));
    add("wp-app-password.elv", &|command, bytes| generate(Shell::Elvish, command, NAME, bytes));
    add("wp-app-password.nu", &|command, bytes| {
        generate(clap_complete_nushell::Nushell, command, NAME, bytes)
    });
    files
}

/// The definition as a user should meet it: clap_complete offers hidden parameters too.
fn without_hidden(command: &Command) -> Command {
    let mut visible = Command::new(&*command.get_name().to_owned().leak())
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(without_hidden))
        .disable_help_subcommand(true);
    if let Some(about) = command.get_about() {
        visible = visible.about(about.clone());
    }
    if let Some(version) = command.get_version() {
        visible = visible.version(&*version.to_owned().leak());
    }
    visible
}

/// `wp-app-password delete <user> [<uuid>...] [--all] [<option>...]`: what everybody takes is told under the options.
fn synopsis(name: &str, command: &Command) -> String {
    let name_of =
        |arg: &clap::Arg| arg.get_value_names().map(|names| names[0].to_string()).unwrap_or_default();
    let mut parts = vec![name.to_owned()];
    if command.has_subcommands() {
        parts.push("<command> [<argument>...]".into());
    }
    for arg in command.get_positionals() {
        let value = format!("<{}>", name_of(arg));
        let repeats = arg.get_num_args().is_some_and(|range| range.max_values() > 1);
        parts.push(match (arg.is_required_set(), repeats) {
            (true, _) => value,
            (false, true) => format!("[{value}...]"),
            (false, false) => format!("[{value}]"),
        });
    }
    for arg in command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set()) {
        let Some(long) =
            arg.get_long().filter(|long| !arg.is_global_set() && *long != "help" && *long != "version")
        else {
            continue;
        };
        let repeated = if matches!(arg.get_action(), clap::ArgAction::Append) { "..." } else { "" };
        parts.push(match arg.get_action().takes_values() {
            true => format!("[--{long}=<{}>]{repeated}", name_of(arg)),
            false => format!("[--{long}]"),
        });
    }
    parts.push("[<option>...]".into());
    parts.join(" ")
}

fn pages() -> Vec<(PathBuf, Vec<u8>)> {
    let mut command = Cli::command();
    command.build();
    let page = |command: &Command, name: String| {
        let mut bytes = Vec::new();
        let spaced = match command.get_name() {
            NAME => NAME.to_owned(),
            verb => format!("{NAME} {verb}"),
        };
        let synopsis = synopsis(&spaced, command);
        let command = command.clone().display_name(name.clone()).bin_name(spaced).override_usage(synopsis);
        clap_mangen::Man::new(command)
            .title(name.to_uppercase())
            .date("")
            .source(format!("{NAME} {}", env!("CARGO_PKG_VERSION")))
            .manual("User Commands")
            .render(&mut bytes)
            .unwrap();
        (root().join("man").join(format!("{name}.1")), bytes)
    };
    std::iter::once(page(&command, NAME.into()))
        .chain(command.get_subcommands().map(|verb| page(verb, format!("{NAME}-{}", verb.get_name()))))
        .collect()
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a switch for whoever changes the definition")]
fn committed_pages_are_what_the_definition_renders() {
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    for (path, rendered) in scripts().into_iter().chain(pages()) {
        if update {
            std::fs::write(&path, &rendered).unwrap();
        }
        let committed = std::fs::read(&path).unwrap_or_default();
        assert!(
            committed == rendered,
            "{} is not what the command definition renders; run UPDATE_GENERATED=1 cargo test generated",
            path.display()
        );
    }
}

#[test]
fn no_page_or_script_is_left_over_or_unreachable() {
    let names = |files: Vec<(PathBuf, Vec<u8>)>| -> Vec<PathBuf> {
        files.into_iter().map(|(path, _)| path).collect()
    };
    for (folder, expected) in [("completions", names(scripts())), ("man", names(pages()))] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            assert!(expected.contains(&path), "{} is rendered by nothing", path.display());
        }
    }
    assert_eq!(man::PAGES.len(), pages().len(), "`man` prints every page");
    for (command, page) in man::PAGES {
        let file = if command.is_empty() { format!("{NAME}.1") } else { format!("{NAME}-{command}.1") };
        assert_eq!(*page, std::fs::read_to_string(root().join("man").join(file)).unwrap());
    }
    for shell in <completions::Shell as clap::ValueEnum>::value_variants() {
        assert!(scripts().iter().any(|(_, bytes)| bytes == shell.script().as_bytes()), "{shell:?}");
    }
}

#[test]
fn a_synopsis_is_what_one_types() {
    for (command, line) in [
        (
            "delete",
            r"\fBwp\-app\-password delete\fR <user> [<uuid>...] [\-\-all] [\-\-keep\-suspended] [<option>...]",
        ),
        ("get", r"\fBwp\-app\-password get\fR <user> <uuid> [\-\-field=<field>] [\-\-fields=<fields>]"),
        ("", r"\fBwp\-app\-password\fR <command> [<argument>...] [<option>...]"),
    ] {
        let page = man::PAGES.iter().find(|(name, _)| *name == command).unwrap().1;
        assert!(page.contains(line), "{command}: {page}");
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}
