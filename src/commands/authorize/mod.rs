//! `authorize <url> --name=<name>`
//!
//! WordPress's own way for an application to ask a user for a password: the user approves in the browser, and the
//! browser brings the password to an address on this machine.

use std::io::{BufRead, IsTerminal};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;

mod listener;

use listener::{Answer, Approval, Listener};

use super::password_input::PasswordInput;
use super::sink_args::SinkArgs;
use super::{Outcome, discover, duration, unix_now};
use crate::error::Error;
use crate::interrupt;
use crate::live::{self, Accepted, Discovery};
use crate::output::{Output, in_one_line};
use crate::secret::PlainPassword;
use crate::sink::{Delivery, Sink, SinkError};
use crate::wordpress::authorize::{PlainCallbacks, Request, check_callback, is_uuid};
use crate::wordpress::generate;

/// How long a site may take for one question.
const LIVE_TIMEOUT: Duration = Duration::from_secs(15);

/// Programs that open an address in the user's browser, the first that is there. No shell is involved.
const BROWSERS: [(&str, &[&str]); 5] =
    [("xdg-open", &[]), ("gio", &["open"]), ("wslview", &[]), ("x-www-browser", &[]), ("open", &[])];

/// `authorize <url> --name=<name>`
#[derive(Debug, Args)]
pub struct Authorize {
    /// Address of the site, as a browser has it; without a scheme it is https://
    // An id of its own: there is a global `url`.
    #[arg(id = "site-address", value_name = "url", required = true, value_hint = clap::ValueHint::Url)]
    pub site: String,

    /// Name of the application, which the user sees and can change
    #[arg(long, value_name = "name", required = true)]
    pub name: String,

    /// Application ID to attribute to the application password: a UUID in lower case
    #[arg(long, value_name = "uuid")]
    pub app_id: Option<String>,

    /// Print the address of the authorization screen for an application of your own that is called back here
    #[arg(long, value_name = "url", value_hint = clap::ValueHint::Url)]
    pub success_url: Option<String>,

    /// The same, called back when the user rejects (default: --success-url with success=false)
    #[arg(long, value_name = "url", value_hint = clap::ValueHint::Url)]
    pub reject_url: Option<String>,

    /// Show the address to open instead of opening it
    #[arg(long)]
    pub no_browser: bool,

    /// Don't wait for the browser: the screen shows the password, and you type it in or give it on standard input
    #[arg(long)]
    pub paste: bool,

    /// Login of the user who approves, where the screen shows the password (default: asked on a terminal)
    #[arg(long, value_name = "login")]
    pub login: Option<String>,

    /// How long the user may take (--paste waits as long as standard input does)
    #[arg(long, value_name = "time", default_value = "5m", value_parser = duration::parse)]
    pub timeout: Duration,

    /// Output just the new password
    #[arg(long)]
    pub porcelain: bool,

    /// Where it goes.
    #[command(flatten)]
    pub sink: SinkArgs,
}

/// Asks a user in the browser, receives the password, tries it, and hands it over.
///
/// The sink is tried before the user is asked. What the user approved and nobody got is revoked, where the site lets us.
///
/// # Errors
/// A site without application passwords, an answer that is none, a password that does not work, a sink that fails.
pub fn run(args: &Authorize, stdout_closed: bool, out: &mut Output<'static>) -> Result<Outcome, Error> {
    let prints_only = args.success_url.is_some() || args.reject_url.is_some();
    let mut sink = args.sink.sink(false)?;
    check_arguments(args, prints_only, &sink)?;
    if stdout_closed && sink.is_stdout() {
        return Err(Error::StdoutClosed);
    }
    let site = discover::ask(&args.site, LIVE_TIMEOUT, out)?;
    let Some(screen) = site.authorization.as_deref().filter(|_| site.verdict.answer() == Some(true)) else {
        discover::tell(&site.verdict, out);
        return Ok(discover::outcome(&site.verdict));
    };
    let plain = plain_callbacks(&site);
    let request = Request { app_name: &args.name, app_id: args.app_id.as_deref(), ..Request::default() };
    if prints_only {
        for (option, url) in [("--success-url", &args.success_url), ("--reject-url", &args.reject_url)] {
            let Some(url) = url else { continue };
            check_callback(url, plain.unwrap_or(PlainCallbacks::Loopback))
                .map_err(|why| Error::Usage(format!("The address of {option} cannot be used: {why}.")))?;
            if plain.is_none() && url.starts_with("http:") {
                out.warning(UNKNOWN_VERSION);
            }
        }
        let request = Request {
            success_url: args.success_url.as_deref(),
            reject_url: args.reject_url.as_deref(),
            ..request
        };
        out.line(request.url(screen))?;
        return Ok(Outcome::Done);
    }
    // What could not be tried afterwards is not asked for.
    live::may_get_credentials(&site.url)
        .map_err(|reason| Error::Usage(format!("{reason} Nothing was changed.")))?;
    try_sink(args, &site, &mut sink)?;
    if args.paste || plain == Some(PlainCallbacks::Never) {
        let approval = paste(args, &site, &request.url(screen), out)?;
        let _guard = interrupt::hold();
        receive(args, &site, &approval, &mut sink, out)?;
        return Ok(Outcome::Done);
    }
    let listener = Listener::open().map_err(|error| {
        Error::Usage(format!(
            "No port of this machine could be opened for the answer ({error}). Use --paste: the screen shows the password."
        ))
    })?;
    let success_url = listener.success_url();
    let url = Request { success_url: Some(&success_url), ..request }.url(screen);
    if plain == Some(PlainCallbacks::Anywhere) && site.since_7_0 != Some(true) {
        out.note(
            "This WordPress is older than 7.0, or does not say how old it is: outside of environment `local` its screen refuses \
             to send anybody to http://127.0.0.1. If it does, end this with Ctrl-C and use --paste.",
        );
    }
    let opened = ask_user(args, &url, plain, out);
    let mut warned = false;
    let answer = listener.wait(Instant::now() + args.timeout, &mut || {
        if !warned {
            out.warning(
                "A request came that is no answer to this authorization (an older screen, or another program); it was \
                 ignored.",
            );
        }
        warned = true;
    });
    // From here to the end an interruption revokes what was approved.
    let hold = interrupt::hold();
    let (end, title, text) = match answer {
        None => {
            return Err(Error::AuthorizationTimedOut { waited: format!("{:#}", spoken(args.timeout)) });
        }
        Some(Answer::Denied) => {
            out.error("The user rejected the request on the authorization screen. Nothing was written.");
            (
                Ok(Outcome::Negative),
                "Rejected",
                "You rejected the request, and nothing was changed.".to_owned(),
            )
        }
        Some(Answer::Disabled) => {
            out.error(
                "WordPress says that application passwords are not available for this user, or not on this site (a plugin \
                 switched them off, or the site is protected by HTTP authentication). Nothing was written.",
            );
            let text = "Application passwords are not available there, so nothing was changed.".to_owned();
            (Ok(Outcome::Negative), "Not available", text)
        }
        Some(Answer::Approved(approval)) => {
            out.debug("authorize", "an answer came");
            match receive(args, &site, &approval, &mut sink, out) {
                Ok(()) => {
                    // It is done, and the browser may not come: nobody has to wait for that to read it.
                    out.flush()?;
                    let text = format!("“{}” is connected as {}.", args.name, approval.user_login);
                    (Ok(Outcome::Done), "Connected", text)
                }
                Err(error) => {
                    (Err(error), "Not connected", "That did not work; the terminal says why.".to_owned())
                }
            }
        }
    };
    drop(hold);
    // An approval has left the browser where it was: it is shown how that ended, if it is one that we could open.
    let is_approval = title != "Rejected" && title != "Not available";
    let comes = if is_approval { opened && open_browser(&listener.end_url()) } else { true };
    let late =
        listener.end(title, &format!("{text} You can close this tab and go back to the terminal."), comes);
    if late > 0 {
        out.warning(
            "Another answer came to the same address and was not looked at. If somebody approved twice, revoke the second \
             application password in the user's profile.",
        );
    }
    end
}

const UNKNOWN_VERSION: &str = "The site's version could not be seen: before 7.0 (and outside of environment `local`) the \
                               authorization screen refuses addresses that begin with http:.";

fn check_arguments(args: &Authorize, prints_only: bool, sink: &Sink) -> Result<(), Error> {
    let refuse = |sentence: &str| Err(Error::Usage(sentence.to_owned()));
    if args.name.trim().is_empty() {
        return refuse("--name is empty, and WordPress wants one.");
    }
    if args.app_id.as_ref().is_some_and(|app_id| !is_uuid(app_id)) {
        return refuse("--app-id must be a UUID in lower case: WordPress refuses any other.");
    }
    if args.porcelain && !sink.is_stdout() {
        return Err(SinkError::new(
            "--porcelain prints the password on standard output, and it was asked for elsewhere: leave one away",
        )
        .into());
    }
    if prints_only && (args.paste || args.porcelain || !sink.is_default()) {
        return refuse(
            "With --success-url or --reject-url the password goes to those addresses and not through this program: leave away \
             what says where it goes.",
        );
    }
    if args.paste && args.login.is_none() && !std::io::stdin().is_terminal() {
        return refuse("--paste without a terminal needs --login, and the password on standard input.");
    }
    Ok(())
}

/// To where the site's screen sends users over plain HTTP; `None`: its version is not known.
fn plain_callbacks(site: &Discovery) -> Option<PlainCallbacks> {
    // WordPress: without HTTPS there are application passwords in environment `local` only.
    if site.authorization.as_deref().is_some_and(|screen| screen.starts_with("http://")) {
        return Some(PlainCallbacks::Anywhere);
    }
    site.since_7_0.map(|yes| if yes { PlainCallbacks::Loopback } else { PlainCallbacks::Never })
}

/// Everything that can be tried before somebody approves. Who that will be is not known yet.
fn try_sink(args: &Authorize, site: &Discovery, sink: &mut Sink) -> Result<(), Error> {
    let mut rng = rand::rng();
    let password = generate::application_password(&mut rng);
    let uuid = generate::uuid4(&mut rng);
    Ok(sink.check(&Delivery {
        password: &password,
        user_id: 1,
        user_login: args.login.as_deref().unwrap_or("login").as_bytes(),
        uuid: &uuid,
        name: args.name.as_bytes(),
        app_id: args.app_id.as_deref().unwrap_or_default().as_bytes(),
        created: unix_now(),
        site_url: Some(address(site)),
    })?)
}

/// The site's address, for whoever gets the password.
fn address(site: &Discovery) -> &str {
    site.home.as_deref().unwrap_or(&site.url)
}

/// Brings the user to the screen. Whether a browser could be opened.
fn ask_user(args: &Authorize, url: &str, plain: Option<PlainCallbacks>, out: &mut Output<'static>) -> bool {
    if plain.is_none() {
        out.warning(format!("{UNKNOWN_VERSION} If it does, end this with Ctrl-C and use --paste."));
    }
    let opened = !args.no_browser && open_browser(url);
    let how = if opened {
        "Approve in the browser; if none opened, open"
    } else {
        "Open this address and approve:"
    };
    // Also with --quiet: without it nothing goes on.
    out.complaint(format!("{how}\n{url}"));
    let stays = if opened { "" } else { " The browser stays on WordPress's page; look here." };
    out.note(format!("Waiting for the answer ({:#} at most)…{stays}", spoken(args.timeout)));
    opened
}

/// Whether a program could be started that opens addresses.
fn open_browser(url: &str) -> bool {
    BROWSERS.iter().any(|(program, arguments)| {
        let mut command = Command::new(program);
        command.args(*arguments).arg(url);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().is_ok()
    })
}

/// `5m`
fn spoken(time: Duration) -> jiff::SignedDuration {
    jiff::SignedDuration::try_from(time).unwrap_or(jiff::SignedDuration::MAX)
}

/// The user reads the password off the screen.
fn paste(
    args: &Authorize,
    site: &Discovery,
    url: &str,
    out: &mut Output<'static>,
) -> Result<Approval, Error> {
    let typing = std::io::stdin().is_terminal();
    if !args.paste {
        let why = "This site's WordPress is older than 7.0: its authorization screen sends nobody to a program on this machine \
                   (http://127.0.0.1).";
        if !typing {
            return Err(Error::Usage(format!(
                "{why} It shows the password instead: run this on a terminal and type it in, or use --paste with --login and \
                 give it on standard input. Nothing was changed."
            )));
        }
        out.complaint(format!("{why} It shows the password instead, for you to paste here."));
    }
    let opened = typing && !args.no_browser && open_browser(url);
    let how = if opened {
        "Approve in the browser; if none opened, open"
    } else {
        "Open this address and approve:"
    };
    out.complaint(format!("{how}\n{url}"));
    let user_login = match &args.login {
        Some(login) => login.clone(),
        None => {
            out.complaint("Login of the user who approved:");
            let mut line = String::new();
            std::io::stdin()
                .lock()
                .read_line(&mut line)
                .map_err(|error| Error::Usage(format!("The login cannot be read: {error}.")))?;
            line.trim().to_owned()
        }
    };
    if user_login.is_empty() {
        return Err(Error::Usage("No login was given. Nothing was written.".into()));
    }
    let password = PasswordInput { password_file: None, password_fd: None }.read()?;
    if password.expose().is_empty() {
        return Err(Error::Usage(
            "What was given is no application password: it has no letters. Nothing was written.".into(),
        ));
    }
    let site_url = site.site_url.clone().unwrap_or_else(|| site.url.clone());
    Ok(Approval { site_url, user_login, password })
}

/// Tries what came back, and hands it over.
fn receive(
    args: &Authorize,
    site: &Discovery,
    approval: &Approval,
    sink: &mut Sink,
    out: &mut Output<'static>,
) -> Result<(), Error> {
    let expected = site.site_url.as_deref().unwrap_or(&site.url);
    if !live::same_site(&approval.site_url, expected) {
        return Err(Error::AuthorizedElsewhere {
            expected: expected.to_owned(),
            found: printable(&approval.site_url),
        });
    }
    let Approval { user_login, password, .. } = approval;
    let report = live::check(&live::Request {
        site_url: &site.url,
        login: user_login,
        user_id: None,
        password,
        xmlrpc: live::XmlRpc::Skip,
        timeout: LIVE_TIMEOUT,
    });
    let accepted = match report.rest {
        live::Answer::Accepted(accepted) => accepted,
        live::Answer::Refused(reason) | live::Answer::NotTold(reason) => {
            return Err(Error::AuthorizedNotAccepted {
                login: printable(user_login),
                reason: reason.to_string(),
            });
        }
    };
    // What was typed in may be the wrong line.
    let is_another = args.paste && accepted.name.as_ref().is_some_and(|name| *name != args.name);
    if let (true, Some(name)) = (is_another, &accepted.name) {
        out.warning(format!(
            "What was given is the application password '{}', not '{}': another name was typed on the screen, or it is that of \
             something else.",
            printable(name),
            printable(&args.name)
        ));
    }
    let name = accepted.name.as_deref().unwrap_or(&args.name);
    let delivery = Delivery {
        password,
        user_id: accepted.user_id.unwrap_or_default(),
        user_login: user_login.as_bytes(),
        uuid: accepted.uuid.as_deref().unwrap_or_default(),
        name: name.as_bytes(),
        app_id: args.app_id.as_deref().unwrap_or_default().as_bytes(),
        created: accepted.created.unwrap_or_else(unix_now),
        site_url: Some(address(site)),
    };
    let done = format!(
        "Authorized '{}' for user {} ({}) of {}.",
        printable(name),
        delivery.user_id,
        printable(user_login),
        address(site)
    );
    let signal = interrupt::caught();
    let delivered = if signal.is_some() {
        Err("interrupted".to_owned())
    } else if sink.is_default() {
        print(args.porcelain, &done, password, out).map_err(|error| error.to_string())
    } else {
        sink.deliver(&delivery, out).map_err(|error| error.to_string())
    };
    if let Err(reason) = delivered {
        return Err(Error::AuthorizedNotDelivered {
            done: sink.done(),
            reason,
            revoked: if is_another {
                "It was left alone: it may be in use. If it was made just now, revoke it.".into()
            } else {
                revoke(site, approval, &accepted)
            },
            signal,
        });
    }
    if !sink.is_stdout() {
        out.success(&done)?;
        out.log(format!("The password was {}.", sink.done()))?;
    }
    Ok(())
}

fn print(
    porcelain: bool,
    done: &str,
    password: &PlainPassword,
    out: &mut Output<'static>,
) -> std::io::Result<()> {
    if porcelain {
        return out.secret_line("", password.expose());
    }
    out.success(done)?;
    out.secret_line("Password: ", password.expose())
}

/// Nobody has the password: what became of it, in sentences.
fn revoke(site: &Discovery, approval: &Approval, accepted: &Accepted) -> String {
    let Approval { user_login, password, .. } = approval;
    let revoked = match &accepted.uuid {
        Some(uuid) => live::revoke(&site.url, user_login, password, uuid, LIVE_TIMEOUT)
            .map_err(|reason| format!(" ({reason})")),
        None => Err(String::new()),
    };
    match revoked {
        Ok(()) => "The site revoked it again, so nothing is left of it.".into(),
        Err(why) => format!(
            "The application password exists and could not be revoked{why}: revoke it in the profile of {}.",
            printable(user_login)
        ),
    }
}

/// What came from outside, on one line.
fn printable(text: &str) -> String {
    in_one_line(&text.chars().take(200).collect::<String>())
}
