//! `create <user> <app-name>`

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::{Context, Outcome, rules};
use crate::application_passwords::{ApplicationPasswords, NewEntry, is_empty};
use crate::error::Error;
use crate::output::{self, Key, Value};
use crate::secret::PlainPassword;
use crate::store::User;
use crate::wordpress::password_hash::{self, Scheme};
use crate::wordpress::version::{self, Evidence};
use crate::wordpress::{generate, sanitize};

/// `create <user> <app-name>`
#[derive(Debug, Args)]
pub struct Create {
    /// User login, user email, or user ID
    #[arg(value_name = "user", required = true)]
    pub user: OsString,

    /// Name of the application
    #[arg(value_name = "app-name", required = true)]
    pub app_name: OsString,

    /// Application ID to attribute to the application password
    #[arg(long, value_name = "app-id")]
    pub app_id: Option<OsString>,

    /// Output just the new password
    #[arg(long)]
    pub porcelain: bool,

    /// Print the password with all other fields
    #[arg(long, value_name = "format")]
    pub format: Option<CreateFormat>,

    /// How it is hashed.
    #[command(flatten)]
    pub hashing: Hashing,
}

/// `create --format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CreateFormat {
    /// One JSON object
    Json,
}

/// How a new password is hashed.
#[derive(Debug, Args, Clone, Copy)]
pub struct Hashing {
    /// How to hash the password
    #[arg(long, value_name = "scheme", default_value = "auto", hide_default_value = true)]
    pub hash: HashChoice,

    /// Cost of bcrypt: each step doubles what one check costs
    #[arg(long, value_name = "cost", default_value_t = 10, value_parser = clap::value_parser!(u32).range(4..=16))]
    pub bcrypt_cost: u32,
}

/// `--hash`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HashChoice {
    /// What this site's WordPress would write, bcrypt where its version is unknown (default)
    Auto,
    /// Accepted by every WordPress since 5.6; slow to check
    Bcrypt,
    /// BLAKE2b, WordPress 6.8 and newer only
    Generic,
    /// MD5-based, accepted by every WordPress since 5.6
    Phpass,
}

impl Hashing {
    /// The scheme to write, if this site's WordPress can check it.
    ///
    /// # Errors
    /// [`Error::Scheme`] with the reason.
    pub fn scheme(self, evidence: &Evidence) -> Result<Scheme, Error> {
        let scheme = match self.hash {
            HashChoice::Auto => version::hash_scheme_for_auto(evidence),
            HashChoice::Bcrypt => Scheme::Bcrypt,
            HashChoice::Generic => Scheme::Generic,
            HashChoice::Phpass => Scheme::Phpass,
        };
        version::accepts(evidence, scheme).map_err(Error::Scheme)?;
        Ok(scheme)
    }
}

/// Makes an application password and prints it once.
///
/// The entry is saved before the password is printed, and taken back if printing fails: a password that
/// was seen works, and one that nobody saw does not exist.
///
/// # Errors
/// An unknown user, a name that WordPress refuses, a database or a standard output that fails.
pub fn run(args: &Create, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context.find_user(&args.user)?;
    context.prepare_addition()?;
    if context.stdout_closed {
        return Err(Error::StdoutClosed);
    }
    let evidence = context.evidence()?;
    let rules = rules(&evidence);
    let name = ApplicationPasswords::clean_name(args.app_name.as_bytes(), rules)?;
    let app_id =
        args.app_id.as_deref().map(OsStrExt::as_bytes).filter(|id| !is_empty(id)).unwrap_or_default();
    let scheme = args.hashing.scheme(&evidence)?;

    let mut rng = rand::rng();
    let password = generate::application_password(&mut rng);
    let hash = password_hash::hash(scheme, &password, args.hashing.bcrypt_cost, &mut rng)
        .map_err(|error| Error::Scheme(error.to_string()))?;
    let mut entry = NewEntry {
        // WordPress: `update_user_meta()` unslashes what it is given, and WP-CLI does not slash first.
        name: sanitize::stripslashes(&name),
        app_id: sanitize::stripslashes(app_id),
        password: hash.as_str().as_bytes().to_vec(),
        uuid: generate::uuid4(&mut rng),
        created: context.now,
        successor: None,
    };
    let mut passwords = context.passwords();
    passwords.create(&user, &mut entry, rules)?;
    let concerns = passwords.take_concerns();
    context.warn_of(concerns);
    if let Err(reason) = deliver(args, context, &user, &entry, &password) {
        let reason = reason.to_string();
        return Err(match context.passwords().delete(&user, &[entry.uuid.as_bytes()]) {
            Ok(_) => Error::NotDelivered { reason },
            Err(cause) => Error::NotTakenBack {
                reason,
                cause: cause.to_string(),
                user: user.id.0,
                uuid: entry.uuid.clone(),
            },
        });
    }
    Ok(Outcome::Done)
}

fn deliver(
    args: &Create,
    context: &mut Context<'_>,
    user: &User,
    entry: &NewEntry,
    password: &PlainPassword,
) -> std::io::Result<()> {
    if args.format == Some(CreateFormat::Json) {
        let text = |bytes: &'_ [u8]| Value::Text(Cow::Owned(bytes.to_vec()));
        let object = Value::Map(
            [
                ("user_id", Value::Int(user.id.0 as i64)),
                ("user_login", text(&user.login)),
                ("uuid", text(entry.uuid.as_bytes())),
                ("app_id", text(&entry.app_id)),
                ("name", text(&entry.name)),
                ("password", Value::Text(Cow::Borrowed(password.expose().as_bytes()))),
                ("created", Value::Int(entry.created)),
                ("last_used", Value::Null),
                ("last_ip", Value::Null),
            ]
            .map(|(key, value)| (Key::Text(Cow::Borrowed(key.as_bytes())), value))
            .into(),
        );
        let text = Zeroizing::new(output::to_json(&object).unwrap_or_default());
        context.out.secret_line("", &String::from_utf8_lossy(&text))?;
    } else if args.porcelain {
        context.out.secret_line("", password.expose())?;
    } else {
        context.out.success("Created application password.")?;
        context.out.secret_line("Password: ", password.expose())?;
    }
    context.out.flush()
}
