//! `discover <url>`

use std::borrow::Cow;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use clap::Args;

use super::{Outcome, duration};
use crate::error::Error;
use crate::live::{self, Discovery, Verdict};
use crate::output::{self, Format, Item, Key, Output, Request, Value};

/// How long nothing is said while a site is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// `discover <url>`
#[derive(Debug, Args)]
pub struct Discover {
    /// Address of the site, as a browser has it; without a scheme it is https://
    // An id of its own: there is a global `url`.
    #[arg(id = "site-address", value_name = "url", required = true, value_hint = clap::ValueHint::Url)]
    pub site: String,

    /// Render output in a particular format
    #[arg(long, value_name = "format", value_parser = ["table", "json"])]
    pub format: Option<String>,

    /// How long all of it may take (15s, 1m)
    #[arg(long, value_name = "time", default_value = "15s", value_parser = duration::parse)]
    pub timeout: Duration,
}

/// Says whether a site has application passwords.
///
/// # Errors
/// It is no address; standard output is closed.
pub fn run(args: &Discover, out: &mut Output<'static>) -> Result<Outcome, Error> {
    let found = ask(&args.site, args.timeout, out)?;
    if args.format.as_deref() == Some("json") {
        out.line(output::to_json(&document(&found)).unwrap_or_default())?;
        return Ok(outcome(&found.verdict));
    }
    let rows: Vec<Row> = fields(&found)
        .into_iter()
        .filter(|(name, _)| *name != "message")
        .filter_map(|(name, value)| {
            let value = match value {
                Value::Text(text) => String::from_utf8_lossy(&text).into_owned(),
                Value::Bool(yes) => if yes { "yes" } else { "no" }.to_owned(),
                _ => return None,
            };
            Some(Row { name, value })
        })
        .collect();
    output::display_items(out, &Request::new(Format::Table, None, None, &["name", "value"]), &rows)?;
    tell(&found.verdict, out);
    Ok(outcome(&found.verdict))
}

/// Asks the site, and says on a terminal that it is waited for.
///
/// # Errors
/// It is no address.
pub fn ask(site: &str, timeout: Duration, out: &mut Output<'static>) -> Result<Discovery, Error> {
    let found = std::thread::scope(|scope| {
        let (send, receive) = mpsc::channel();
        let thread = scope.spawn(move || {
            let found = live::discover(site, timeout);
            // Whoever waits for this outlives it.
            let _ = send.send(());
            found
        });
        if out.terminal().stderr_is_terminal
            && receive.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout)
        {
            out.note(format!("Waiting for {site} ({} seconds at most)…", timeout.as_secs_f64()));
        }
        thread.join()
    });
    let found = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let found = found.map_err(|reason| Error::Usage(reason.to_string()))?;
    out.debug(
        "discover",
        format!(
            "{}: {}, REST API: {}",
            found.url,
            found.verdict.code(),
            found.rest_root.as_deref().unwrap_or("not found")
        ),
    );
    Ok(found)
}

/// Says why it is not yes.
pub fn tell(verdict: &Verdict, out: &mut Output<'static>) {
    match verdict.answer() {
        Some(true) => {}
        Some(false) => out.error(verdict.to_string()),
        None => {
            out.error(format!("It could not be told whether the site has application passwords. {verdict}"))
        }
    }
}

/// The exit code that belongs to it.
pub fn outcome(verdict: &Verdict) -> Outcome {
    match verdict.answer() {
        Some(true) => Outcome::Done,
        Some(false) => Outcome::Negative,
        None => Outcome::Unknown,
    }
}

/// A line of the table.
struct Row {
    name: &'static str,
    value: String,
}

impl Item for Row {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        match name {
            "name" => Some(Value::text(self.name)),
            "value" => Some(Value::text(&self.value)),
            _ => None,
        }
    }
}

fn fields(found: &Discovery) -> Vec<(&'static str, Value<'_>)> {
    let optional = |text: &'_ Option<String>| {
        text.as_ref().map_or(Value::Null, |text| Value::Text(Cow::Owned(text.clone().into_bytes())))
    };
    let verdict = &found.verdict;
    vec![
        ("url", Value::text(&found.url)),
        (
            "answer",
            Value::text(match verdict.answer() {
                Some(true) => "yes",
                Some(false) => "no",
                None => "unknown",
            }),
        ),
        ("code", Value::text(verdict.code())),
        ("message", Value::Text(Cow::Owned(verdict.to_string().into_bytes()))),
        ("authorization", optional(&found.authorization)),
        ("rest_root", optional(&found.rest_root)),
        ("name", optional(&found.name)),
        ("home", optional(&found.home)),
        ("site_url", optional(&found.site_url)),
        ("version", optional(&found.version)),
        ("loopback_callback", live_callback(found).map_or(Value::Null, Value::Bool)),
    ]
}

/// Whether the authorization screen sends users back to `http://127.0.0.1`, as far as that can be seen.
pub fn live_callback(found: &Discovery) -> Option<bool> {
    let screen = found.authorization.as_deref()?;
    // WordPress: without HTTPS there are application passwords in environment `local` only, which has no such rule.
    if screen.starts_with("http://") { Some(true) } else { found.since_7_0 }
}

fn document(found: &Discovery) -> Value<'_> {
    Value::Map(
        fields(found)
            .into_iter()
            .map(|(name, value)| (Key::Text(Cow::Borrowed(name.as_bytes())), value))
            .collect(),
    )
}
