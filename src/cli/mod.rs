//! From an argument list to an exit code: global options, dispatch, and how an end is told.
//!
//! Nothing here knows a database or a format; it decides which verb runs, with what, and how its end
//! reads.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches};

pub mod definition;
pub mod grammar;

use definition::{Cli, Global, Verb};
use grammar::{MIRRORED, Notice, Reading, Split, Value};

use crate::application_passwords::Watch;
use crate::commands::selection::Deed;
use crate::commands::{self, Cache, Context, Outcome};
use crate::error::Error;
use crate::journal::{self, CI_VARIABLES, Journal, SYSTEM_LOG};
use crate::output::{self, Debug, Output, Terminal};
use crate::site::object_cache::Remedy;
use crate::site::wp_cli::{AliasedSite, Key, WpCli, Yaml};
use crate::site::{self, Environment, Site};
use crate::store::{self, Store, StoreError};
use crate::wordpress::version::{Evidence, WordPressVersion};

/// Global parameters of WP-CLI that this program cannot honour, and what to do instead. Accepting them
/// silently would run the command somewhere else than the user meant.
///
/// WP-CLI: `--http` and `--require` end the command whatever their value is, the others are as if absent
/// when they are empty.
const REFUSED: [(&str, &str); 5] = [
    ("ssh", "run this program on that host instead, or reach its database through a tunnel with --db"),
    ("http", "give --path or --db instead"),
    ("require", "it loads PHP code, and this program runs none"),
    ("exec", "it runs PHP code, and this program runs none"),
    ("prompt", "give the arguments on the command line"),
];

/// A file that may grow no further (`ulimit -f`) must be an error of the write, as a full disk is: the signal
/// would end the program between a password that is saved and one that is seen.
fn let_writes_fail() {
    // Without the handler the program behaves as every other does.
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
}

/// Runs the program: `arguments` as the system gave them, program name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    keep_secrets_out_of_dumps();
    let_writes_fail();
    let environment = Environment::of_process();
    let mut arguments: Vec<OsString> = arguments.into_iter().skip(1).collect();
    let definition = Cli::command();
    // WP-CLI: PHP's truth of the variable.
    let strict =
        environment.get("WP_CLI_STRICT_ARGS_MODE").is_some_and(|value| !value.is_empty() && value != b"0");
    let mut split = grammar::split(arguments.iter().cloned(), &definition, strict);
    let at_alias = split.take_alias();
    if let Some(at) = arguments.iter().position(|argument| Some(argument) == at_alias.as_ref()) {
        arguments.remove(at);
    }
    let cwd = std::env::current_dir().unwrap_or_default();
    let at_alias = at_alias.map(|alias| alias.to_string_lossy().trim_start_matches('@').to_owned());
    let wp_cli = WpCli::read(&cwd, &environment, at_alias.as_deref());
    let mut out = open_output(&split, &environment, &wp_cli);
    // WP-CLI: `--alias` beats `@name`.
    let alias = split.text("alias").filter(|alias| !alias.is_empty()).or(at_alias);
    let verb = split.verb().map(|verb| verb.to_string_lossy().into_owned()).unwrap_or_default();
    let place = Place { environment, cwd, wp_cli, alias, verb };
    let mut plugin = asks_for_plugin(&split, &arguments);
    let mut reads = false;
    let end = match parse(arguments, split, definition, &place, &mut out) {
        Ok(Parsed::Run(cli)) => {
            plugin |= match &cli.verb {
                Verb::Audit(args) => args.report.format == commands::audit::Format::Nagios,
                Verb::Doctor(args) => args.format == commands::audit::Format::Nagios,
                _ => false,
            };
            reads = cli.verb.only_reads();
            dispatch(*cli, &place, &mut out)
        }
        Ok(Parsed::Shown(code)) => return finish(out, code),
        Err(error) => Err(error),
    };
    // A result counts once it has left the process.
    let code = match end.and_then(|outcome| Ok(out.flush().map(|()| outcome)?)) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) if plugin => {
            let message = without_passwords(error.message());
            let message = String::from_utf8_lossy(&message).replace(['\n', '|'], " ");
            // Whether it arrives or not, nothing is known.
            let _ = out.line(format!("APPLICATION PASSWORDS UNKNOWN - {message}")).and_then(|()| out.flush());
            Outcome::Plugin(UNKNOWN).exit_code()
        }
        Err(Error::Output(error)) if reads && is_closed_pipe(&error) => ExitCode::from(CLOSED_PIPE),
        Err(error) => {
            out.error(without_passwords(error.message()));
            error.exit_code()
        }
    };
    finish(out, code)
}

/// How a plugin of Nagios says that it could not look.
const UNKNOWN: u8 = 3;

/// Whether Nagios runs this, also where the rest of the command line makes no sense: every error is UNKNOWN then.
fn asks_for_plugin(split: &Split, arguments: &[OsString]) -> bool {
    let mut pairs = arguments.iter().zip(arguments.iter().skip(1));
    split.verb().is_some_and(|verb| verb == "audit" || verb == "doctor")
        && (split.text("format").is_some_and(|format| format == "nagios")
            || pairs.any(|(name, value)| name == "--format" && value == "nagios"))
}

/// No core file may hold a password, and no panic message a value that was being handled.
fn keep_secrets_out_of_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Lowering a limit cannot fail; if a system thinks otherwise, the program is no worse off than others.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        output::last_words(&format!(
            "Error: This is a bug in wp-app-password{place}. Please report it; what was being handled is not \
             shown here because it could hold a secret.\n"
        ));
    }));
}

/// Hides the password of a database's address that was given in a wrong place, such as behind no `--db`:
/// messages repeat what they do not understand, and end up in logs.
fn without_passwords(message: Vec<u8>) -> Vec<u8> {
    let mut shown = Vec::with_capacity(message.len());
    let mut rest = message.as_slice();
    while let Some(at) = rest.windows(3).position(|three| three == b"://") {
        let (before, after) = rest.split_at(at + 3);
        shown.extend_from_slice(before);
        let end = after.iter().position(|byte| matches!(byte, b' ' | b'\'' | b'"' | b'\n'));
        let authority = after.get(..end.unwrap_or(after.len())).unwrap_or_default();
        rest = match (
            authority.iter().position(|byte| *byte == b':'),
            authority.iter().rposition(|byte| *byte == b'@'),
        ) {
            (Some(colon), Some(host)) if colon < host => {
                shown.extend_from_slice(after.get(..=colon).unwrap_or_default());
                shown.extend_from_slice(b"(hidden)");
                after.get(host..).unwrap_or_default()
            }
            _ => after,
        };
    }
    shown.extend_from_slice(rest);
    shown
}

/// What a command line turned out to be.
enum Parsed {
    Run(Box<Cli>),
    /// Help, usage or a version was shown.
    Shown(ExitCode),
}

fn parse(
    mut arguments: Vec<OsString>,
    mut split: Split,
    mut definition: clap::Command,
    place: &Place,
    out: &mut Output<'static>,
) -> Result<Parsed, Error> {
    let verb = split.verb().map(|verb| verb.to_string_lossy().into_owned());
    // WP-CLI: `help <command>` is a command of its own.
    if verb.as_deref() == Some("help") {
        let of = split.positionals.get(1).map(|verb| verb.to_string_lossy().into_owned());
        if let Some(unknown) = of.as_deref().filter(|verb| definition.find_subcommand(verb).is_none()) {
            return Err(Error::Usage(format!(
                "There is no command '{unknown}'. `wp-app-password help` shows those that there are."
            )));
        }
        let argv = with_program_name(of.into_iter().chain(["--help".to_owned()]).map(OsString::from));
        let shown = definition.try_get_matches_from_mut(argv).err();
        out.result(shown.map(|help| help.render().to_string()).unwrap_or_default())?;
        return Ok(Parsed::Shown(ExitCode::SUCCESS));
    }
    // `--exec` is a parameter of ours where a verb makes a password.
    let own = verb.as_deref().and_then(|verb| definition.find_subcommand(verb));
    let is_own =
        |name: &str| own.is_some_and(|verb| verb.get_arguments().any(|arg| arg.get_long() == Some(name)));
    for (name, advice) in REFUSED {
        if is_own(name) {
            continue;
        }
        if split.is_set(name) || (matches!(name, "http" | "require") && split.is_given(name)) {
            return Err(Error::Usage(format!(
                "--{name} is a parameter of WP-CLI that this program does not have: {advice}."
            )));
        }
    }
    let wants_help = split.is_given("help") || split.is_set("h");
    let known = verb.as_deref().filter(|verb| !wants_help && !matches!(*verb, "completions" | "man"));
    if let Some(verb) = known.and_then(|verb| definition.find_subcommand(verb)) {
        for file in &place.wp_cli.files {
            out.debug("config", format!("Using {}", file.display()));
        }
        for warning in &place.wp_cli.warnings {
            out.warning(warning);
        }
        place.apply_defaults(verb, &mut split, &mut arguments)?;
    }
    let mirrored = verb
        .as_deref()
        .filter(|verb| MIRRORED.contains(verb) && !wants_help)
        .and_then(|verb| definition.find_subcommand(verb));
    let (mut no_fields, mut unknown_format) = (false, None);
    let argv = match mirrored {
        None if wants_help && verb.as_deref().is_some_and(|verb| MIRRORED.contains(&verb)) => {
            with_program_name(verb.into_iter().chain(["--help".to_owned()]).map(OsString::from))
        }
        None => with_program_name(arguments),
        Some(verb) => match grammar::read(announce(split, &definition, place, out)?, &definition, verb) {
            Reading::Arguments { argv, warnings, no_fields: none, unknown_format: unknown } => {
                (no_fields, unknown_format) = (none, unknown);
                for warning in warnings {
                    out.warning(warning);
                }
                // They stand before the verb now, so no verb needs a copy of each.
                definition = definition.mut_args(|argument| argument.global(false));
                argv
            }
            Reading::Usage => {
                out.line(usage(verb))?;
                return Ok(Parsed::Shown(ExitCode::from(1)));
            }
            Reading::Error(message) => return Err(Error::Usage(message)),
        },
    };
    let cli = definition.try_get_matches_from_mut(argv).and_then(|matches| Cli::from_arg_matches(&matches));
    // Taking it apart would take as long as reading the arguments did, shortly before the process ends.
    std::mem::forget(definition);
    match cli {
        Ok(mut cli) => {
            let columns = match &mut cli.verb {
                Verb::List(list) => Some(&mut list.columns),
                Verb::Get(get) => Some(&mut get.columns),
                _ => None,
            };
            if let Some(columns) = columns {
                (columns.no_fields, columns.unknown_format) = (no_fields, unknown_format);
            }
            Ok(Parsed::Run(Box::new(cli)))
        }
        Err(error) => match error.kind() {
            // WP-CLI: parameters without a command print what there is, as no arguments at all do.
            ErrorKind::MissingSubcommand => {
                out.result(Cli::command().render_help().to_string())?;
                Ok(Parsed::Shown(ExitCode::SUCCESS))
            }
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                out.result(error.render().to_string())?;
                Ok(Parsed::Shown(ExitCode::SUCCESS))
            }
            _ => {
                let text = error.render().to_string();
                Err(Error::Usage(text.trim_start_matches("error: ").trim_end().to_owned()))
            }
        },
    }
}

/// What WP-CLI does with its own parameters before it looks at the command's: says what is odd about them,
/// and looks for the acting user.
fn announce(
    split: Split,
    definition: &clap::Command,
    place: &Place,
    out: &mut Output<'static>,
) -> Result<Split, Error> {
    for notice in split.notices() {
        match notice {
            Notice::Plain(text) => out.complaint(text),
            Notice::Warning(text) => out.warning(text),
            Notice::Error(text) => return Err(Error::Refused(text)),
        }
    }
    let Some(user) = split.acting_user() else { return Ok(split) };
    let globals = split.globals(definition).unwrap_or_default();
    let list = OsString::from("list");
    // What is wrong with these parameters is said when they are read with the command.
    let argv = with_program_name(globals.into_iter().chain([list]));
    let cli = definition.clone().try_get_matches_from(argv).and_then(|m| Cli::from_arg_matches(&m));
    if let Ok(cli) = cli {
        with_site(&cli.global, place, out, |context| context.find_acting_user(&user))?;
    }
    Ok(split)
}

fn with_program_name(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    std::iter::once("wp-app-password".into()).chain(arguments).collect()
}

/// WP-CLI: too few arguments print the usage on stdout, and that is all.
fn usage(verb: &clap::Command) -> String {
    let mut verb = verb.clone().bin_name(format!("wp-app-password {}", verb.get_name()));
    let text = verb.render_usage().to_string();
    format!("usage: {}", text.trim_start_matches("Usage: "))
}

fn open_output(split: &Split, environment: &Environment, wp_cli: &WpCli) -> Output<'static> {
    let color = match wp_cli.setting("color") {
        Some(color) if !split.is_given("color") => {
            color.text().filter(|text| text != "auto").map(|_| color.is_truthy())
        }
        _ => split.color(),
    };
    let debug = match wp_cli.setting("debug") {
        // WP-CLI: `true` means every group, a text the group of that name.
        Some(debug) if !split.is_given("debug") => debug
            .text()
            .filter(|_| debug.is_truthy())
            .map(|group| if group == "1" { String::new() } else { group }),
        _ => split.text("debug"),
    };
    let quiet = match wp_cli.setting("quiet") {
        Some(quiet) if !split.is_given("quiet") => quiet.is_truthy(),
        _ => split.is_set("quiet"),
    };
    let terminal = Terminal::detect(&output::Environment {
        stdout_is_terminal: std::io::stdout().is_terminal(),
        stderr_is_terminal: std::io::stderr().is_terminal(),
        shell_pipe: environment.get("SHELL_PIPE").map(<[u8]>::to_vec),
        columns: environment.get("COLUMNS").map(<[u8]>::to_vec),
        window_columns: std::io::stdout().is_terminal().then(output::window_columns).flatten(),
        color,
    });
    let debug = match debug {
        None => Debug::Off,
        Some(group) if group.is_empty() => Debug::All,
        Some(group) => Debug::Group(group),
    };
    Output::new(std::io::stdout(), std::io::stderr(), terminal).quiet(quiet).debugging(debug)
}

/// Whether the caller closed standard output (`>&-`), or opened it for reading only (`1<file`).
///
/// Rust's runtime opens /dev/null for reading and writing in place of the one, and takes writing to the other for
/// done (`EBADF`): both would swallow a password without a word. A shell's `>/dev/null` is opened for writing only.
fn stdout_is_closed() -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fstat};
    let stdout = std::io::stdout();
    let Ok(flags) = fcntl_getfl(&stdout) else { return true };
    if flags & OFlags::ACCMODE == OFlags::RDONLY || flags.contains(OFlags::PATH) {
        return true;
    }
    let null = rustix::fs::stat("/dev/null").map(|null| null.st_rdev);
    let opened = fstat(&stdout).map(|stdout| stdout.st_rdev);
    flags.contains(OFlags::RDWR) && null.is_ok() && null == opened
}

/// What a shell calls the end of a program whose reader has gone (128 + SIGPIPE): `list | head -1` is no failure to
/// speak of.
const CLOSED_PIPE: u8 = 141;

fn is_closed_pipe(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::BrokenPipe
}

fn finish(mut out: Output<'static>, code: ExitCode) -> ExitCode {
    match out.flush() {
        Ok(()) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::from(CLOSED_PIPE),
        Err(error) => {
            out.error(Error::from(error).to_string());
            ExitCode::from(1)
        }
    }
}

/// Where the program was started, and what WP-CLI's files say there.
struct Place {
    environment: Environment,
    cwd: PathBuf,
    wp_cli: WpCli,
    /// `@name` or `--alias=name`, without the `@`.
    alias: Option<String>,
    /// What is to be done.
    verb: String,
}

/// How WP-CLI names its commands in its files.
const WP_CLI_COMMAND: &str = "user application-password";

impl Place {
    fn aliased(&self) -> Result<Option<AliasedSite>, Error> {
        Ok(self.alias.as_deref().map(|alias| self.wp_cli.alias(alias)).transpose()?)
    }

    fn names_database(&self) -> bool {
        self.environment.get("WP_APP_PASSWORD_DB").is_some_and(|url| !url.is_empty())
    }

    /// Adds what files and an alias say where the command line says nothing: the acting user, and the
    /// parameters of the command.
    ///
    /// WP-CLI: `Runner::run_command()`, `Subcommand::invoke()`; unknown parameters are nobody's concern.
    fn apply_defaults(
        &self,
        verb: &clap::Command,
        split: &mut Split,
        arguments: &mut Vec<OsString>,
    ) -> Result<(), Error> {
        let command = format!("{WP_CLI_COMMAND} {}", verb.get_name());
        // Behind the verb, and before a `--`.
        let behind = arguments.iter().position(|argument| argument == verb.get_name()).map_or(0, |at| at + 1);
        let mut add = |argument: OsString| arguments.insert(behind.min(arguments.len()), argument);
        if let Some(level) = self.wp_cli.disabled(&command) {
            return Err(Error::Usage(format!(
                "The '{level}' command has been disabled from the config file."
            )));
        }
        let is_named = self.names_database() && !split.is_given("path") && !split.is_given("wp-config");
        let is_named = is_named || ["db", "sandbox"].iter().any(|name| split.is_given(name));
        let user = match self.aliased()? {
            Some(site) if site.user.is_some() => site.user,
            Some(_) if split.is_given("alias") => self.wp_cli.text("user"),
            Some(_) => None,
            None => self.wp_cli.text("user").filter(|_| !is_named),
        };
        // There, the user narrows the search, or somebody may think so: a file that says who acts must not.
        let user = user.filter(|user| {
            !user.is_empty()
                && !matches!(
                    verb.get_name(),
                    "identify" | "prune" | "revoke-all" | "suspend" | "resume" | "rotate" | "audit"
                )
        });
        if let Some(user) = user.filter(|_| !split.is_given("user")) {
            split.set_default("user", Value::Text(user.clone().into()));
            add(format!("--user={user}").into());
        }
        for (key, value) in self.wp_cli.defaults(&command) {
            let Key::Text(name) = key else { continue };
            let known = verb.get_arguments().find(|arg| arg.get_long() == Some(name));
            if split.is_given(name) || (known.is_none() && verb.get_name() != "list") {
                continue;
            }
            let value = match value {
                Yaml::Null => continue,
                Yaml::Bool(true) => Value::True,
                Yaml::Bool(false) => Value::False,
                Yaml::Map(entries) => {
                    let texts: Vec<String> = entries.iter().filter_map(|(_, value)| value.text()).collect();
                    Value::Text(texts.join(",").into())
                }
                other => Value::Text(other.text().unwrap_or_default().into()),
            };
            match &value {
                Value::True => add(format!("--{name}").into()),
                Value::Text(text) => {
                    let mut argument = OsString::from(format!("--{name}="));
                    argument.push(text);
                    add(argument);
                }
                Value::False | Value::Many(_) => {}
            }
            split.set_default(name, value);
        }
        Ok(())
    }
}

/// Runs the verb on its site.
fn dispatch(cli: Cli, place: &Place, out: &mut Output<'static>) -> Result<Outcome, Error> {
    let Cli { global, verb } = cli;
    match &verb {
        Verb::Completions(args) => return commands::completions::run(args, out),
        Verb::Man(args) => return commands::man::run(args, out),
        Verb::Audit(args) => {
            if let Some(rule) = &args.report.explain {
                return commands::audit::explain(rule, out);
            }
        }
        Verb::Doctor(args) => {
            if let Some(check) = &args.explain {
                return commands::doctor::explain(check, out);
            }
        }
        Verb::Discover(args) => return commands::discover::run(args, out),
        Verb::Authorize(args) => return commands::authorize::run(args, stdout_is_closed(), out),
        Verb::Enforcer(args) => return enforce(args, &global, place, out),
        Verb::Site(args) => return show_site(args, &request(&global, place)?, out),
        Verb::Verify(args) => {
            // Before anything else is opened: a file descriptor that is named is the caller's.
            let password = commands::verify::read_password(args)?;
            return with_site(&global, place, out, |context| {
                check(&global, context)?;
                commands::verify::run(args, &password, context)
            });
        }
        _ => {}
    }
    if global.expect_url.as_ref().is_some_and(|url| url.trim().is_empty()) {
        return Err(Error::Usage(
            "--expect-url is empty: give the address that the database's siteurl or home must be.".into(),
        ));
    }
    with_site(&global, place, out, |context| {
        let outcome = carry_out(&verb, &global, context);
        // Who tried, and what stopped it, is as telling as a change.
        if let Err(error) = &outcome
            && !verb.only_reads()
        {
            context.note_failure(0, None, error);
        }
        outcome
    })
}

fn carry_out(verb: &Verb, global: &Global, context: &mut Context<'_>) -> Result<Outcome, Error> {
    // WP-CLI's acting user narrows nothing, and whoever gives it here means somebody: all users would be a bad answer.
    if verb.is_about_all_users() && global.user.as_ref().is_some_and(|user| !user.is_empty()) {
        return Err(Error::Usage(
            "--user does not choose whose application passwords are meant here: leave it out, or give <user> behind the command \
             where it takes one. Nothing was changed."
                .into(),
        ));
    }
    check(global, context)?;
    if verb.is_mirrored() || matches!(verb, Verb::Provision(_)) {
        require_56(context.site)?;
    }
    match verb {
        Verb::Create(args) => commands::create::run(args, context),
        Verb::List(args) => commands::list::run(args, context),
        Verb::Get(args) => commands::get::run(args, context),
        Verb::Exists(args) => commands::exists::run(args, context),
        Verb::Update(args) => commands::update::run(args, context),
        Verb::RecordUsage(args) => commands::record_usage::run(args, context),
        Verb::Delete(args) => commands::delete::run(args, context),
        Verb::RevokeAll(args) => commands::revoke_all::run(args, context),
        Verb::Prune(args) => commands::prune::run(args, context),
        Verb::Suspend(args) => commands::suspend::run(args, Deed::Suspend, context),
        Verb::Resume(args) => commands::suspend::run(args, Deed::Resume, context),
        Verb::Identify(args) => commands::identify::run(args, context),
        Verb::Ensure(args) => commands::ensure::run(args, context),
        Verb::Rotate(args) => commands::rotate::run(args, context),
        Verb::Audit(args) => commands::audit::run(args, context),
        Verb::Doctor(args) => commands::doctor::run(args, context),
        Verb::Provision(args) => commands::provision::run(args, context),
        Verb::Deprovision(args) => commands::provision::undo(args, context),
        Verb::Completions(_)
        | Verb::Man(_)
        | Verb::Site(_)
        | Verb::Verify(_)
        | Verb::Discover(_)
        | Verb::Enforcer(_)
        | Verb::Authorize(_) => Ok(Outcome::Done),
    }
}

/// What the command line, an alias and WP-CLI's configuration say about the site.
fn request(global: &Global, place: &Place) -> Result<site::Request, Error> {
    let aliased = place.aliased()?;
    // A database that is named has nothing to do with the project in the working directory.
    let is_named = global.db.is_some()
        || global.sandbox
        || (place.names_database()
            && global.path.is_none()
            && global.wp_config.is_none()
            && aliased.is_none());
    if !is_named
        && aliased.is_none()
        && let Some(remote) = place.wp_cli.remote()
    {
        return Err(remote.into());
    }
    let of_files = |name: &str| place.wp_cli.text(name).filter(|text| !text.is_empty() && !is_named);
    let aliased_path = aliased.as_ref().and_then(|site| site.path.clone());
    let aliased_url = aliased.as_ref().and_then(|site| site.url.clone());
    Ok(site::Request {
        path: global.path.clone().or(aliased_path),
        db: global.db.clone(),
        table_prefix: global.table_prefix.clone(),
        url: global.url.clone().or(aliased_url).or_else(|| of_files("url")),
        sandbox: global.sandbox,
        wp_config: global.wp_config.clone(),
        env_files: global.env_file.clone(),
        assume_env: global.assume_env,
        php: global.php,
        allow_root: global.allow_root,
        alias: place.alias.as_ref().map(|alias| format!("@{alias}")),
        default_path: place.wp_cli.path(),
        cwd: place.cwd.clone(),
        env: place.environment.clone(),
    })
}

/// `site`: what was found, also where it is not enough to work on.
fn show_site(
    args: &commands::site::ShowSite,
    request: &site::Request,
    out: &mut Output<'static>,
) -> Result<Outcome, Error> {
    let survey = site::survey(request)?;
    for note in survey.site.iter().flat_map(|site| &site.notes) {
        out.note(note);
    }
    commands::site::run(args, &survey, version_in_database(&survey, out).as_ref(), out)
}

/// `enforcer`: works on the site's files, whether its database answers or not.
fn enforce(
    args: &commands::enforcer::Enforcer,
    global: &Global,
    place: &Place,
    out: &mut Output<'static>,
) -> Result<Outcome, Error> {
    let folder = site::mu_plugin_dir(&request(global, place)?)?;
    out.debug("site", format!("Must-use plugins: {}", folder.display()));
    let Some(action) = args.deed.action() else {
        return Ok(commands::enforcer::run(&args.deed, &folder, out)?.0);
    };
    let journal = journal(global, place)?;
    journal.open(folder.display().to_string(), String::new(), global.journal_required);
    commands::tell_of_journal(&journal, global.journal_required, false, out)?;
    let (outcome, changed) = commands::enforcer::run(&args.deed, &folder, out).inspect_err(|error| {
        journal.failure(0, b"", &format!("failed: {error}"));
    })?;
    if changed {
        let name = folder.join(crate::enforcer::FILE);
        journal.record(&journal::Event {
            action,
            user_id: 0,
            user_login: b"",
            uuid: b"",
            name: name.as_os_str().as_bytes(),
            outcome: "done",
        });
    }
    commands::tell_of_journal(&journal, global.journal_required, true, out)?;
    Ok(outcome)
}

/// Finds the site, opens its database, and does something there.
fn with_site<T>(
    global: &Global,
    place: &Place,
    out: &mut Output<'static>,
    work: impl FnOnce(&mut Context<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let request = request(global, place)?;
    let mut site = site::resolve(&request)?;
    for note in &site.notes {
        out.note(note);
    }
    explain(&site, out);
    let mut store = store::open(&site.address, &site.tables).map_err(|error| match &site.address {
        store::Address::Sqlite(file) if global.sandbox => of_sandbox(error, file),
        _ => error.into(),
    })?;
    if let Some(blog_id) = find_blog(&site, store.as_mut())? {
        site.tables.blog_id = blog_id;
        store = store::open(&site.address, &site.tables)?;
    }
    let found = store.description();
    out.debug(
        "store",
        format!(
            "{}: users {}, usermeta {}, options {}{}",
            found.place,
            found.users_table,
            found.usermeta_table,
            found.options_table,
            found
                .network
                .as_ref()
                .map_or_else(String::new, |(table, id)| format!(", network {id} in {table}"))
        ),
    );
    let mut context = Context {
        store: store.as_mut(),
        out,
        site: &site,
        now: commands::unix_now(),
        cache: object_cache(global, place, &site)?,
        after_write: global.after_write.clone().map(commands::after_write::command),
        watch: match (global.confirm, global.no_confirm) {
            (_, true) => Watch::Never,
            (Some(length), false) => Watch::For(length),
            (None, false) => Watch::Auto,
        },
        journal: journal(global, place)?,
        journal_required: global.journal_required,
        subject: None,
        replace_unreadable: global.replace_unreadable,
        force_login: place
            .environment
            .get("WP_CLI_FORCE_USER_LOGIN")
            .is_some_and(|value| !value.is_empty() && value != b"0"),
        stdout_closed: stdout_is_closed(),
        interactive: std::io::stdin().is_terminal(),
    };
    let outcome = work(&mut context);
    // What failed first is what is told in the end.
    match (outcome, context.end_journal()) {
        (Ok(outcome), journal) => journal.map(|()| outcome),
        (Err(error), journal) => {
            if let Err(missing) = journal {
                context.out.warning(missing.to_string());
            }
            Err(error)
        }
    }
}

/// Where records of changes go.
fn journal(global: &Global, place: &Place) -> Result<Journal, Error> {
    let text = |name: &str| place.environment.text(name).filter(|text| !text.is_empty());
    let file = global.journal.clone().or_else(|| place.environment.path("WP_APP_PASSWORD_JOURNAL"));
    if global.journal_required && file.is_none() {
        return Err(Error::Usage(
            "--journal-required needs a file: --journal=FILE, or the variable WP_APP_PASSWORD_JOURNAL."
                .into(),
        ));
    }
    // A sandbox is nobody's business.
    let system_log = match place.environment.text("WP_APP_PASSWORD_SYSLOG") {
        _ if global.sandbox => None,
        Some(socket) => Some(PathBuf::from(socket)).filter(|socket| !socket.as_os_str().is_empty()),
        None => Some(PathBuf::from(SYSTEM_LOG)),
    };
    let ci = CI_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), without_secrets(&text(name)?))));
    let ci = ci.collect();
    let run = journal::Run { command: place.verb.clone(), sudo_user: text("SUDO_USER"), ci };
    Ok(Journal::new(file, system_log, run))
}

/// An address without the login in front of its host, and without what stands behind `?` or `#`: both may be tokens. Other
/// text stays.
fn without_secrets(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else { return text.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", path.split(['?', '#']).next().unwrap_or_default())
}

/// The sandbox holds nothing that anybody else needs: a damaged one may go.
fn of_sandbox(error: StoreError, file: &Path) -> Error {
    let file = file.display();
    match error {
        StoreError::Unreachable(_) | StoreError::NoTables(_) => Error::Usage(format!(
            "The sandbox {file} is damaged: it is no database with WordPress's tables. Remove {file} and a new one is made."
        )),
        StoreError::Failed(text) => Error::Usage(format!(
            "The sandbox cannot be used: {text}\nIf that stays so: remove {file} and a new one is made."
        )),
        other => other.into(),
    }
}

/// The persistent object cache that writes have to be told to.
fn object_cache(global: &Global, place: &Place, site: &Site) -> Result<Cache, Error> {
    let drop_in = site.object_cache.as_ref();
    if global.after_write.as_ref().is_some_and(|command| command.as_bytes().trim_ascii().is_empty()) {
        return Err(Error::Usage(
            "--after-write is empty: give a command that is to run after each write, or leave it away."
                .into(),
        ));
    }
    if global.no_cache {
        return match drop_in {
            Some(drop_in) => Err(Error::Usage(format!(
                "--no-cache says that this site has no persistent object cache, but it has: {}. Use --cache=ignore to \
                 write all the same, and flush it yourself.",
                drop_in.name
            ))),
            None => Ok(Cache::None),
        };
    }
    let given =
        global.cache.clone().or_else(|| place.environment.text("WP_APP_PASSWORD_CACHE").map(Into::into));
    let remedy = Remedy::of(drop_in.and_then(|drop_in| drop_in.kind));
    Ok(match (given, drop_in) {
        (Some(given), _) if given.expose() == "ignore" => Cache::None,
        (Some(given), _) => {
            let name = drop_in.map_or("the one that --cache names", |drop_in| &drop_in.name);
            let plan = site::object_cache::named(given.expose(), drop_in)?;
            Cache::Planned { plan, name: name.into(), remedy }
        }
        (None, None) if site.files_out_of_sight => Cache::Unseen,
        (None, None) => Cache::None,
        (None, Some(drop_in)) => match &drop_in.plan {
            Ok(plan) => Cache::Planned { plan: plan.clone(), name: drop_in.name.clone(), remedy },
            Err(reason) => Cache::OutOfReach { name: drop_in.name.clone(), reason: reason.clone(), remedy },
        },
    })
}

/// `site`: the version, as the database tells it. Only a database that was named is asked; it need not answer.
fn version_in_database(survey: &site::Survey, out: &mut Output<'static>) -> Option<Evidence> {
    let site =
        survey.site.as_ref().ok().filter(|site| survey.wp_config.is_none() && site.version_php.is_none())?;
    let asked = store::open(&site.address, &site.tables).map_err(Error::from);
    match asked.and_then(|mut store| commands::evidence_in_database(store.as_mut())) {
        Ok(evidence) => Some(evidence),
        Err(error) => {
            out.note(format!("The database was not asked for its version: {error}"));
            None
        }
    }
}

/// The site of a network that `--url` means, when it is not the one that was opened.
///
/// WordPress: `ms_load_current_site_and_network()` takes the longest path that is a site's. A single site
/// answers to every address, so there is nothing to find.
fn find_blog(site: &Site, store: &mut dyn Store) -> Result<Option<u64>, Error> {
    let Some(url) = site.url.as_deref().filter(|_| store.description().network.is_some()) else {
        return Ok(None);
    };
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let (domain, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let domain = domain.to_ascii_lowercase();
    let domain = domain.strip_suffix(":80").or_else(|| domain.strip_suffix(":443")).unwrap_or(&domain);
    let mut path = path.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    loop {
        if let Some(blog_id) = store.blog_at(domain, &format!("{path}/"))? {
            return Ok((blog_id != site.tables.blog_id).then_some(blog_id));
        }
        let Some((shorter, _)) = path.rsplit_once('/') else { break };
        path = shorter;
    }
    Err(Error::Usage(format!("Site '{rest}' not found. Verify `--url=<url>` matches an existing site.")))
}

/// `--debug`: where the site is, and who said so.
fn explain(site: &Site, out: &mut Output<'static>) {
    for origin in &site.origins {
        out.debug("site", format!("{} = {} ({})", origin.name, origin.shown, origin.source));
    }
    if let Some(drop_in) = &site.object_cache {
        let reach = match &drop_in.plan {
            Ok(_) => "its entries can be removed".to_owned(),
            Err(reason) => format!("its entries cannot be removed: {reason}"),
        };
        out.debug("site", format!("object cache: {}; {reach}", drop_in.name));
    }
}

/// WP-CLI: its commands for application passwords look at the files' version before they do anything.
fn require_56(site: &Site) -> Result<(), Error> {
    let file = site.version_php.as_ref();
    match file.and_then(|file| WordPressVersion::parse(&file.wp_version)) {
        Some(version) if !version.is_at_least("5.6") => {
            Err(Error::Refused(b"Requires WordPress 5.6 or greater.".to_vec()))
        }
        _ => Ok(()),
    }
}

/// The guards that stand before every verb.
fn check(global: &Global, context: &mut Context<'_>) -> Result<(), Error> {
    if let Some(expected) = &global.expect_url {
        context.expect_url(expected)?;
    }
    if let Some(user) = global.user.as_ref().filter(|user| !user.as_bytes().is_empty()) {
        // WP-CLI: the acting user has to exist, whatever the command does with it.
        context.find_user(user)?;
        context.subject = None;
    }
    Ok(())
}
