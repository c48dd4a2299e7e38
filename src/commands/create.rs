//! `create <user> <app-name>`

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use clap::{Args, ValueEnum};

use super::sink_args::SinkArgs;
use super::terms_args::TermsArgs;
use super::{Context, Outcome, rules};
use crate::application_passwords::{ApplicationPasswords, NewEntry, is_empty};
use crate::error::Error;
use crate::interrupt;
use crate::secret::PlainPassword;
use crate::sink::{Delivery, SinkError};
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

    /// How it is hashed.
    #[command(flatten)]
    pub hashing: Hashing,

    /// What it may be used for.
    #[command(flatten)]
    pub terms: TermsArgs,

    /// Where it goes.
    #[command(flatten)]
    pub sink: SinkArgs,
}

/// How a new password is hashed.
#[derive(Debug, Args, Clone, Copy)]
pub struct Hashing {
    /// How to hash the password
    #[arg(long, value_name = "scheme", default_value = "auto", hide_default_value = true)]
    pub hash: HashChoice,

    /// Cost of bcrypt (default: 10): each step doubles what one check costs
    #[arg(long, value_name = "cost", value_parser = clap::value_parser!(u32).range(4..=16))]
    pub bcrypt_cost: Option<u32>,
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
        if self.bcrypt_cost.is_some() && scheme != Scheme::Bcrypt {
            return Err(Error::Scheme(format!(
                "--bcrypt-cost has no effect on the {} hash that would be written: add --hash=bcrypt, or leave it away. \
                 Nothing was changed.",
                if scheme == Scheme::Generic { "$generic$" } else { "phpass" }
            )));
        }
        Ok(scheme)
    }

    /// Whether anything was said.
    pub fn is_given(self) -> bool {
        self.hash != HashChoice::Auto || self.bcrypt_cost.is_some()
    }

    /// The cost of a bcrypt hash.
    pub fn cost(self) -> u32 {
        self.bcrypt_cost.unwrap_or(10)
    }
}

/// Makes an application password and hands it over once.
///
/// The sink is tried before the entry is saved, the entry is saved before the password is handed over, and taken back
/// if that fails: a password that was seen works, and one that nobody saw does not exist.
///
/// # Errors
/// An unknown user, a name that WordPress refuses, a database or a sink that fails.
pub fn run(args: &Create, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let mut sink = args.sink.sink(args.porcelain)?;
    let terms = args.terms.changes(context.now)?;
    let user = context.find_user(&args.user)?;
    context.prepare_addition()?;
    if context.stdout_closed && sink.is_stdout() {
        return Err(Error::StdoutClosed);
    }
    let evidence = context.evidence()?;
    let rules = rules(&evidence);
    let name = ApplicationPasswords::clean_name(args.app_name.as_bytes(), rules)?;
    let app_id =
        args.app_id.as_deref().map(OsStrExt::as_bytes).filter(|id| !is_empty(id)).unwrap_or_default();
    let scheme = args.hashing.scheme(&evidence)?;
    let site_url = if sink.wants_site_url() { context.site_url()? } else { None };

    let mut rng = rand::rng();
    let password = generate::application_password(&mut rng);
    let hash = password_hash::hash(scheme, &password, args.hashing.cost(), &mut rng)
        .map_err(|error| Error::Scheme(error.to_string()))?;
    let mut entry = NewEntry {
        // WordPress: `update_user_meta()` unslashes what it is given, and WP-CLI does not slash first.
        name: sanitize::stripslashes(&name),
        app_id: sanitize::stripslashes(app_id),
        password: hash.as_str().as_bytes().to_vec(),
        uuid: generate::uuid4(&mut rng),
        created: context.now,
        successor: None,
        terms,
    };
    let delivery = |entry: &NewEntry, deliver: &mut dyn FnMut(&Delivery<'_>) -> Result<(), SinkError>| {
        deliver(&Delivery {
            password: &password,
            user_id: user.id.0,
            user_login: &user.login,
            uuid: &entry.uuid,
            name: &entry.name,
            app_id: &entry.app_id,
            created: entry.created,
            site_url: site_url.as_deref(),
        })
    };
    delivery(&entry, &mut |delivery| sink.check(delivery))?;
    context.warn_unless_enforced(&entry.terms);
    // Until it was handed over: a signal takes it back instead of leaving what nobody has seen.
    let _guard = interrupt::hold();
    let mut passwords = context.passwords();
    passwords.create(&user, &mut entry, rules)?;
    let concerns = passwords.take_concerns();
    context.warn_of(concerns);
    let delivered = if sink.is_default() {
        print(args.porcelain, context, &password).map_err(|error| error.to_string())
    } else {
        delivery(&entry, &mut |delivery| sink.deliver(delivery, context.out))
            .map_err(|error| error.to_string())
    };
    if let Err(reason) = delivered {
        return Err(context.take_back(&user, &entry.uuid, &sink, reason));
    }
    if !sink.is_stdout() {
        context.out.success("Created application password.")?;
        context.out.log(format!("The password was {}.", sink.done()))?;
    }
    Ok(Outcome::Done)
}

/// In WP-CLI's words.
fn print(porcelain: bool, context: &mut Context<'_>, password: &PlainPassword) -> std::io::Result<()> {
    if porcelain {
        context.out.secret_line("", password.expose())?;
    } else {
        context.out.success("Created application password.")?;
        context.out.secret_line("Password: ", password.expose())?;
    }
    context.out.flush()
}
