//! `site`
//!
//! What was found of a site without opening its database, and where each value came from.

use std::borrow::Cow;

use clap::Args;

use super::Outcome;
use crate::error::Error;
use crate::output::{self, Format, Item, Key, Output, Request, Value};
use crate::site::php::Plain;
use crate::site::{Finding, State, Survey};
use crate::store::Address;
use crate::wordpress::version::{Evidence, Source};

/// `site`
#[derive(Debug, Args)]
pub struct ShowSite {
    /// Render output in a particular format
    #[arg(long, value_name = "format", value_parser = ["table", "json", "yaml"])]
    pub format: Option<String>,

    /// Show passwords and salts too
    #[arg(long)]
    pub show_secrets: bool,
}

/// Shows what was found. `evidence` is what the database says of the version, where it was asked.
///
/// # Errors
/// Standard output is closed or full.
pub fn run(
    args: &ShowSite,
    survey: &Survey,
    evidence: Option<&Evidence>,
    out: &mut Output<'static>,
) -> Result<Outcome, Error> {
    match args.format.as_deref().and_then(Format::from_name).unwrap_or_default() {
        Format::Json => {
            let document = document(survey, evidence, args.show_secrets);
            out.line(output::to_json(&document).unwrap_or_default())?;
        }
        Format::Yaml => out.result(output::to_yaml(&document(survey, evidence, args.show_secrets)))?,
        format => {
            let rows = rows(survey, evidence, args.show_secrets);
            let request = Request::new(format, None, None, &["name", "value", "state", "source"]);
            output::display_items(out, &request, &rows)?;
        }
    }
    if let Err(problem) = &survey.site {
        out.warning(problem.to_string());
    }
    Ok(Outcome::Done)
}

/// A line of the table.
struct Row {
    name: String,
    value: String,
    state: &'static str,
    source: String,
}

impl Item for Row {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        let text: &str = match name {
            "name" => &self.name,
            "value" => &self.value,
            "state" => self.state,
            "source" => &self.source,
            _ => return None,
        };
        Some(Value::text(text))
    }
}

fn rows(survey: &Survey, evidence: Option<&Evidence>, secrets: bool) -> Vec<Row> {
    let fact = |name: &str, value: Option<String>, source: &str| {
        value.map(|value| Row { name: name.into(), value, state: State::Known.name(), source: source.into() })
    };
    let (version, version_source) = version(survey, evidence);
    let site = survey.site.as_ref().ok();
    let mut rows: Vec<Row> = [
        fact("root", survey.root.as_ref().map(|path| path.display().to_string()), &survey.found.root),
        fact(
            "wp-config.php",
            survey.wp_config.as_ref().map(|path| path.display().to_string()),
            &survey.found.wp_config,
        ),
        fact("version", version, &version_source),
        fact("database", site.map(|site| address(&site.address)), ""),
        fact("content folder", content_dir(survey), ""),
        fact("object cache", object_cache(survey), ""),
        fact("its entries", object_cache_entries(survey), ""),
    ]
    .into_iter()
    .flatten()
    .collect();
    rows.extend(survey.settings.iter().filter(|finding| finding.state != State::Undefined).map(|finding| {
        Row {
            name: finding.name.clone(),
            value: finding.shown(secrets),
            state: finding.state.name(),
            source: sourced(finding),
        }
    }));
    rows
}

/// Where a setting comes from, and why it is not certain. The reason may begin with the same place, in words.
fn sourced(finding: &Finding) -> String {
    let Some(reason) = &finding.reason else { return finding.source.clone() };
    if finding.source.is_empty() {
        return reason.clone();
    }
    let place = finding.source.split(" (").next().and_then(|place| place.rsplit_once(':'));
    let told = place.and_then(|(file, line)| reason.strip_prefix(&format!("{file} line {line}: ")));
    format!("{}: {}", finding.source, told.unwrap_or(reason))
}

/// The object that `--format=json` and `--format=yaml` show.
fn document(survey: &Survey, evidence: Option<&Evidence>, secrets: bool) -> Value<'static> {
    let text = |text: Option<String>| text.map_or(Value::Null, owned);
    let (version, version_source) = version(survey, evidence);
    let site = survey.site.as_ref().ok();
    let settings = survey.settings.iter().map(|finding| (key(&finding.name), setting(finding, secrets)));
    map(vec![
        ("root", text(survey.root.as_ref().map(|path| path.display().to_string()))),
        ("wp_config", text(survey.wp_config.as_ref().map(|path| path.display().to_string()))),
        ("content_dir", text(content_dir(survey))),
        ("object_cache", text(object_cache_file(survey))),
        ("object_cache_name", text(object_cache(survey))),
        ("object_cache_entries", text(object_cache_entries(survey))),
        ("database", text(site.map(|site| address(&site.address)))),
        (
            "version",
            match version {
                Some(version) => map(vec![("value", owned(version)), ("source", owned(version_source))]),
                None => Value::Null,
            },
        ),
        ("problem", text(survey.site.as_ref().err().map(ToString::to_string))),
        ("settings", Value::Map(settings.collect())),
    ])
}

fn setting(finding: &Finding, secrets: bool) -> Value<'static> {
    let mut entries = vec![
        ("value", plain(finding.visible(secrets))),
        ("state", owned(finding.state.name().into())),
        ("source", if finding.source.is_empty() { Value::Null } else { owned(finding.source.clone()) }),
    ];
    entries.extend(finding.reason.clone().map(|reason| ("reason", owned(reason))));
    map(entries)
}

fn plain(value: Plain) -> Value<'static> {
    match value {
        Plain::Null | Plain::Unknown(_) => Value::Null,
        Plain::Bool(value) => Value::Bool(value),
        Plain::Int(value) => Value::Int(value),
        // JSON has no such numbers.
        Plain::Float(value) if !value.is_finite() => owned(value.to_string()),
        Plain::Float(value) => Value::Float(value),
        Plain::Bytes(bytes) => match String::from_utf8(bytes) {
            Ok(text) => owned(text),
            // JSON has no such strings: another text in its place would be taken for the value.
            Err(error) => {
                use base64::Engine;
                let encoded = base64::engine::general_purpose::STANDARD.encode(error.as_bytes());
                map(vec![("base64", owned(encoded))])
            }
        },
        Plain::Array(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(name, value)| {
                    let number = std::str::from_utf8(&name).ok().and_then(|text| text.parse::<i64>().ok());
                    let number = number.filter(|number| number.to_string().as_bytes() == name);
                    let name = String::from_utf8_lossy(&name).into_owned();
                    (number.map_or_else(|| key(&name), Key::Int), plain(value))
                })
                .collect(),
        ),
    }
}

fn owned(text: String) -> Value<'static> {
    Value::Text(Cow::Owned(text.into_bytes()))
}

fn key(name: &str) -> Key<'static> {
    Key::Text(Cow::Owned(name.as_bytes().to_vec()))
}

fn map(entries: Vec<(&'static str, Value<'static>)>) -> Value<'static> {
    Value::Map(entries.into_iter().map(|(name, value)| (key(name), value)).collect())
}

fn content_dir(survey: &Survey) -> Option<String> {
    let site = survey.site.as_ref().ok()?;
    site.content_dir.as_ref().map(|path| path.display().to_string())
}

/// `wp-content/object-cache.php`, where it is there and in use.
fn object_cache_file(survey: &Survey) -> Option<String> {
    let drop_in = survey.site.as_ref().ok()?.object_cache.as_ref()?;
    drop_in.file.as_ref().map(|file| file.display().to_string())
}

/// The same with the name of its maker.
fn object_cache(survey: &Survey) -> Option<String> {
    let site = survey.site.as_ref().ok()?;
    site.object_cache.as_ref().map(|drop_in| drop_in.name.clone())
}

/// Whether its entries are removed after a change, and where, or why not.
fn object_cache_entries(survey: &Survey) -> Option<String> {
    let drop_in = survey.site.as_ref().ok()?.object_cache.as_ref()?;
    Some(match &drop_in.plan {
        Ok(plan) => format!("removed after a change: {plan}"),
        Err(reason) => format!("not removed: {reason}"),
    })
}

/// The database without its password, as `--db` takes it.
fn address(address: &Address) -> String {
    match address {
        Address::Sqlite(file) => format!("sqlite:{}", file.display()),
        Address::Mysql(mysql) => {
            let host =
                if mysql.host.contains(':') { format!("[{}]", mysql.host) } else { mysql.host.clone() };
            let place = match &mysql.socket {
                Some(socket) => {
                    (String::new(), format!("?socket={}", encoded(&socket.display().to_string())))
                }
                None => (format!(":{}", mysql.port), String::new()),
            };
            format!(
                "mysql://{}@{host}{}/{}{}",
                encoded(&mysql.user),
                place.0,
                encoded(&mysql.database),
                place.1
            )
        }
    }
}

/// Percent-encodes what would end a part of an address.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '%' | '@' | ':' | '?' | '#' | '&' | ' ' => {
                encoded.push_str(&format!("%{:02X}", u32::from(character)))
            }
            _ => encoded.push(character),
        }
    }
    encoded
}

/// The version and what says so: the files that run, else the database where it was asked.
fn version(survey: &Survey, evidence: Option<&Evidence>) -> (Option<String>, String) {
    let files = survey.site.as_ref().ok().and_then(|site| site.version_php.clone());
    let files = files.or_else(|| survey.root.as_deref().and_then(crate::site::version_of));
    if let Some(file) = files {
        return (Some(file.wp_version), file.path.display().to_string());
    }
    let Some(evidence) = evidence else { return (None, String::new()) };
    match evidence.source {
        Source::UpdateCheck => (
            evidence.version.as_ref().map(ToString::to_string),
            "the last update check (version_checked)".into(),
        ),
        Source::DbVersion => (evidence.db_version.map(|releases| releases.to_string()), "db_version".into()),
        Source::VersionFile | Source::None => (None, String::new()),
    }
}
