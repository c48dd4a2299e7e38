//! The forms that a password is written in, each as its readers want it. What a form cannot hold is refused.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::ValueEnum;
use zeroize::Zeroizing;

use super::{Delivery, SinkError};
use crate::output::{self, Key, Value};

/// `--format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The password and a line end
    Plain,
    /// One JSON object with all fields
    Json,
    /// NAME=value, for sh, systemd's EnvironmentFile and docker --env-file
    Env,
    /// A line for ~/.netrc, with the site's host and the login
    Netrc,
    /// A configuration for curl -K, with login and password
    Curl,
    /// A Kubernetes Secret with login and password
    #[value(name = "k8s-secret")]
    K8sSecret,
    /// The password without a line end
    DockerSecret,
}

/// `--var` where it is not given.
pub const DEFAULT_NAME: &str = "WP_APP_PASSWORD";

/// `--secret-name` where it is not given.
pub const DEFAULT_SECRET_NAME: &str = "wp-app-password";

/// The words that a format uses.
#[derive(Debug, Clone, Default)]
pub struct Wording {
    /// `--var`: what the password is called.
    pub name: Option<String>,
    /// `--username`: the login to write, in place of the user's own.
    pub username: Option<Vec<u8>>,
    /// `--with-user`: login and address too.
    pub with_user: bool,
    /// `--secret-name`
    pub secret_name: Option<String>,
}

/// Puts a delivery into a format.
pub(super) fn render(
    format: Format,
    wording: &Wording,
    delivery: &Delivery<'_>,
) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    let login = wording.username.as_deref().unwrap_or(delivery.user_login);
    let password = delivery.password.expose();
    match format {
        Format::Plain => Ok(joined(&[password.as_bytes(), b"\n"])),
        Format::DockerSecret => Ok(joined(&[password.as_bytes()])),
        Format::Json => json(wording, login, delivery),
        Format::Env => env(wording, login, delivery),
        Format::Netrc => {
            let url = delivery.site_url.unwrap_or_default();
            let host = host(url).ok_or_else(|| {
                SinkError::new(if url.is_empty() {
                    "netrc needs the site's host, and its database holds no address: give --url".to_owned()
                } else {
                    format!(
                        "netrc needs the site's host, and there is none in its address '{url}': give --url"
                    )
                })
            })?;
            let login = netrc_word(login)?;
            Ok(joined(&[
                b"machine ",
                host.as_bytes(),
                b" login ",
                &login,
                b" password ",
                &netrc_word(password.as_bytes())?,
                b"\n",
            ]))
        }
        Format::Curl => {
            if login.contains(&b':') {
                return Err(unfit("curl", login, "has a colon, which ends a login there"));
            }
            let login = curl_text(login)?;
            Ok(joined(&[b"user = \"", &login, b":", &curl_text(password.as_bytes())?, b"\"\n"]))
        }
        Format::K8sSecret => k8s_secret(wording, login, password),
    }
}

/// One allocation: no copy of a secret stays behind in a smaller one.
fn joined(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(parts.concat())
}

fn unfit(format: &str, login: &[u8], why: &str) -> SinkError {
    SinkError::new(format!(
        "the login '{}' {why}, so it cannot be written as {format}: use --format=json, or write another with --username",
        login.escape_ascii()
    ))
}

/// As `create --format=json` always was, byte for byte.
fn json(wording: &Wording, login: &[u8], delivery: &Delivery<'_>) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    let name = wording.name.as_deref().unwrap_or("password");
    if ["user_id", "user_login", "uuid", "app_id", "name", "created", "last_used", "last_ip"].contains(&name)
    {
        return Err(SinkError::new(format!("--var={name} is the name of another field of the JSON object")));
    }
    let text = |bytes: &'_ [u8]| Value::Text(Cow::Owned(bytes.to_vec()));
    let object = Value::Map(
        [
            ("user_id", Value::Int(i64::try_from(delivery.user_id).unwrap_or(i64::MAX))),
            ("user_login", text(login)),
            ("uuid", text(delivery.uuid.as_bytes())),
            ("app_id", text(delivery.app_id)),
            ("name", text(delivery.name)),
            (name, Value::Text(Cow::Borrowed(delivery.password.expose().as_bytes()))),
            ("created", Value::Int(delivery.created)),
            ("last_used", Value::Null),
            ("last_ip", Value::Null),
        ]
        .map(|(key, value)| (Key::Text(Cow::Borrowed(key.as_bytes())), value))
        .into(),
    );
    let text = output::to_json(&object).map(Zeroizing::new).ok_or_else(|| {
        SinkError::new(
            "the user's login or the application's name is not UTF-8, which JSON cannot hold: use another --format",
        )
    })?;
    Ok(joined(&[&text, b"\n"]))
}

/// Unquoted, because quotes are part of the value to `docker --env-file`. What would need them is refused.
fn env(wording: &Wording, login: &[u8], delivery: &Delivery<'_>) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    let name = wording.name.as_deref().unwrap_or(DEFAULT_NAME);
    if !is_variable(name) {
        return Err(SinkError::new(format!(
            "--var={name} is no name of an environment variable: letters, digits and underscores, no digit first"
        )));
    }
    let password = delivery.password.expose().as_bytes();
    if !password.iter().all(is_bare) {
        return Err(SinkError::new("the password has characters that need quotes, and env has none"));
    }
    let line = joined(&[name.as_bytes(), b"=", password, b"\n"]);
    if !wording.with_user {
        return Ok(line);
    }
    if !login.iter().all(is_bare) {
        return Err(unfit("env", login, "has characters that not every reader of such files takes alike"));
    }
    let url = delivery.site_url.ok_or_else(|| {
        SinkError::new("--with-user writes the site's address, and its database holds none: give --url")
    })?;
    if !url.bytes().all(|byte| is_bare(&byte)) {
        return Err(SinkError::new(format!(
            "the site's address '{url}' has characters that not every reader of env files takes alike: leave \
             --with-user away"
        )));
    }
    let name = name.as_bytes();
    Ok(joined(&[&line, name, b"_USER=", login, b"\n", name, b"_URL=", url.as_bytes(), b"\n"]))
}

/// Whether sh, systemd and Docker take a byte in an unquoted value as it is.
fn is_bare(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(byte)
}

fn is_variable(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.bytes().next().is_some_and(|first| !first.is_ascii_digit())
}

/// The host of an address, as netrc names machines: no port, no brackets.
fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next()?;
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?.0,
        None => authority.split(':').next()?,
    };
    let fits = |char: char| !char.is_whitespace() && !char.is_control() && !"\"'\\#".contains(char);
    (!host.is_empty() && host.chars().all(fits)).then_some(host)
}

/// Bare where every reader agrees, else in double quotes with backslashes, as curl, wget and Python read them.
fn netrc_word(word: &[u8]) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    if word.is_empty() || word.iter().any(u8::is_ascii_control) {
        return Err(unfit("netrc", word, "is empty or has a control character"));
    }
    if !word.iter().any(|byte| b" \"'\\#".contains(byte)) {
        return Ok(joined(&[word]));
    }
    Ok(joined(&[b"\"", &escaped(word), b"\""]))
}

/// What stands between double quotes in a curl configuration.
fn curl_text(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    if text.is_empty() || text.iter().any(u8::is_ascii_control) {
        return Err(unfit("curl", text, "is empty or has a control character"));
    }
    Ok(escaped(text))
}

fn escaped(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut escaped = Zeroizing::new(Vec::with_capacity(2 * text.len()));
    for byte in text {
        if matches!(byte, b'"' | b'\\') {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

/// Values in base64, which holds any bytes. Keys and values are quoted: YAML could take some for numbers.
fn k8s_secret(wording: &Wording, login: &[u8], password: &str) -> Result<Zeroizing<Vec<u8>>, SinkError> {
    let secret_name = wording.secret_name.as_deref().unwrap_or(DEFAULT_SECRET_NAME);
    let is_label = |label: &str| {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !label.is_empty() && label.bytes().all(inside) && !label.starts_with('-') && !label.ends_with('-')
    };
    if secret_name.len() > 253 || !secret_name.split('.').all(is_label) {
        return Err(SinkError::new(format!(
            "--secret-name={secret_name} is no name of a Kubernetes object: lower-case letters, digits, hyphens and \
             dots"
        )));
    }
    let head = format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{secret_name}\"\n");
    let encoded = Zeroizing::new(STANDARD.encode(password));
    let Some(key) = &wording.name else {
        let login = STANDARD.encode(login);
        let middle =
            format!("type: kubernetes.io/basic-auth\ndata:\n  username: \"{login}\"\n  password: \"");
        return Ok(joined(&[head.as_bytes(), middle.as_bytes(), encoded.as_bytes(), b"\"\n"]));
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if key.is_empty() || key.len() > 253 || !key.bytes().all(fits) || key == "." || key.starts_with("..") {
        return Err(SinkError::new(format!(
            "--var={key} is no key of a Kubernetes Secret: letters, digits, hyphens, underscores and dots"
        )));
    }
    let middle = format!("type: Opaque\ndata:\n  \"{key}\": \"");
    Ok(joined(&[head.as_bytes(), middle.as_bytes(), encoded.as_bytes(), b"\"\n"]))
}
