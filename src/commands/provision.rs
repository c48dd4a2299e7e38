//! `provision <login>` and `deprovision <login>`: a dedicated user with the least role, and its application password.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;

use clap::Args;

use super::ensure::{self, Ensure};
use super::replacement::Replacing;
use super::selection::tell_erased;
use super::terms_args::TermsArgs;
use super::{Context, Outcome};
use crate::application_passwords::named;
use crate::error::Error;
use crate::secret::PlainPassword;
use crate::sink::Delivery;
use crate::store::{NewUser, User, UserField, UserId};
use crate::wordpress::password_hash::{self, Era, Kind, Verdict};
use crate::wordpress::roles;
use crate::wordpress::version::Evidence;
use crate::wordpress::{account, generate, sanitize, schema};

/// `provision <login>`
#[derive(Debug, Args)]
pub struct Provision {
    /// Login of the user; made if there is none
    #[arg(value_name = "login", required = true)]
    pub login: String,

    /// Role on this site, as the site's own role map has it
    #[arg(long, value_name = "role", required = true)]
    pub role: String,

    /// E-mail address of the user: nobody else's, and WordPress writes to it
    #[arg(long, value_name = "address", required = true)]
    pub email: String,

    /// Name of the application password (default: the login)
    #[arg(long, value_name = "name")]
    pub name: Option<OsString>,

    /// Application ID to attribute to a new application password
    #[arg(long, value_name = "app-id")]
    pub app_id: Option<OsString>,

    /// Change the role of a user who is there already
    #[arg(long)]
    pub set_role: bool,

    /// Give a role that can change the site itself, or take such a role away, without asking
    #[arg(long, short)]
    pub yes: bool,

    /// Let a new user log in by form too, with the password in this file (-: standard input); else no password does
    #[arg(long, value_name = "file", value_hint = clap::ValueHint::FilePath)]
    pub user_password: Option<std::path::PathBuf>,

    /// How its password is made.
    #[command(flatten)]
    pub replacing: Replacing,

    /// What it may be used for.
    #[command(flatten)]
    pub terms: TermsArgs,
}

/// `deprovision <login>`
#[derive(Debug, Args)]
pub struct Deprovision {
    /// Login of the user
    #[arg(value_name = "login", required = true)]
    pub login: String,

    /// Don't ask, and do it to a user too who can log in by form or can change the site itself
    #[arg(long, short)]
    pub yes: bool,
}

/// Makes sure that there is such a user with that role and an application password of that name.
///
/// # Errors
/// Something that WordPress would not take, another role, somebody else's e-mail address; whatever `ensure` says.
pub fn run(args: &Provision, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let wrong = |why: String| Error::Usage(format!("{why} Nothing was changed."));
    args.replacing.sink()?;
    args.terms.changes(context.now)?;
    if args.replacing.overlap.is_some() {
        return Err(wrong("--overlap is for passwords that are replaced: use rotate or ensure.".into()));
    }
    let given = args.email.trim();
    let stored_email = account::stored_email(given);
    let email = stored_email.as_str();
    if !sanitize::is_email(given.as_bytes()) || email.len() > 100 {
        return Err(wrong(format!("'{given}' is no e-mail address that WordPress takes.")));
    }
    let evidence = context.evidence()?;
    let existing = context.store.find_user(UserField::Login(args.login.as_bytes()))?;
    if existing.is_none() {
        if let Some(why) = refused_login(&args.login, context)? {
            return Err(wrong(format!("'{}' cannot be the login of a new user: {why}.", args.login)));
        }
        if let Some(why) = refused_email(&args.login, given, context)? {
            return Err(wrong(format!("'{given}' cannot be the address of a new user: {why}.")));
        }
    }
    let place = Place::find(args, context)?;
    if place.role.is_mighty && !args.yes {
        let question =
            format!("The role {} can change the site itself. Give it to {}?", args.role, args.login);
        if !context.interactive {
            return Err(wrong(format!(
                "The role {} can change the site itself, and so can whoever gets hold of this password. Choose a smaller \
                 role, or say --yes.",
                args.role
            )));
        }
        if !context.confirm(&question)? {
            return Err(Error::Declined);
        }
    }
    let login_hash = match (&args.user_password, &existing) {
        (None, _) => None,
        (Some(file), Some(user)) => {
            // The same command again changes nothing.
            let password = slashed(&super::password_input::login_password(file)?)?;
            let stored = context.store.login_hash(user.id)?;
            let verdict = password_hash::verify(password.expose().as_bytes(), &stored, evidence.era());
            if verdict != Verdict::Match {
                return Err(wrong(format!(
                    "User {} is there already with another login password, which is changed in WordPress: leave \
                     --user-password away.",
                    named(user)
                )));
            }
            None
        }
        (Some(file), None) => Some(login_hash(file, &evidence)?),
    };
    context.prepare_addition()?;
    let user = match existing {
        Some(user) => user,
        None => {
            try_sink(args, context)?;
            let (user, made) = make(args, context, email, &place, &evidence, login_hash.as_ref())?;
            if made {
                tell(args, context, &format!("Made user {} with the role {}.", named(&user), args.role))?;
            }
            user
        }
    };
    settle(args, context, &user, email, &place, &evidence)?;
    ensure::run(
        &Ensure {
            user: user.id.to_string().into(),
            app_name: args.name.clone().unwrap_or_else(|| args.login.clone().into()),
            app_id: args.app_id.clone(),
            max_age: None,
            dry_run: false,
            replacing: args.replacing.clone(),
            terms: args.terms.clone(),
        },
        context,
    )
}

/// What speaks against giving a role and a password to a user who is there already: a clause after its name.
fn doubt_of(
    args: &Provision,
    context: &mut Context<'_>,
    user: &User,
    place: &Place,
) -> Result<Option<String>, Error> {
    let rows = context.store.user_meta(user.id, &place.capabilities)?;
    let stored = rows.first().and_then(|row| row.value.as_deref());
    let own = roles::mighty_capabilities(stored, &place.map);
    if !own.is_empty() {
        let own: Vec<_> = own.iter().map(|name| String::from_utf8_lossy(name)).collect();
        return Ok(Some(format!(
            "can change the site itself whatever its role is, by capabilities of its own ({})",
            own.join(", ")
        )));
    }
    if !args.set_role || place.role.is_mighty || !is_mighty(context, user)? {
        return Ok(None);
    }
    let alone = if context.membership(user)?.manages_options && is_last(context, user)? {
        ", nobody else can"
    } else {
        ""
    };
    Ok(Some(format!("can change the site itself now{alone}, and could not with the role {}", args.role)))
}

/// Whether nobody but this user can change the site itself. On a network the super admins still can.
fn is_last(context: &mut Context<'_>, user: &User) -> Result<bool, Error> {
    if context.store.description().network.is_some() {
        return Ok(false);
    }
    let prefix = context.site.tables.blog_prefix();
    let map = context.store.option(&format!("{prefix}{}", schema::USER_ROLES_SUFFIX))?;
    let map = roles::RoleMap::read(map.as_deref());
    let mut is_last = true;
    let walked =
        context.store.each_user_meta(&format!("{prefix}{}", schema::CAPABILITIES_SUFFIX), &mut |row| {
            // A row whose user is gone lets nobody in.
            if row.user != user.id && row.login.is_some() && map.membership(row.value).manages_options {
                is_last = false;
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
    super::audit::unless_too_long(walked)?;
    Ok(is_last)
}

/// Tries whether a password can be delivered before there is a user to have one.
fn try_sink(args: &Provision, context: &mut Context<'_>) -> Result<(), Error> {
    let mut rng = rand::rng();
    let user = User { id: UserId(0), login: args.login.clone().into_bytes(), email: Vec::new() };
    let name = args.name.clone().unwrap_or_else(|| args.login.clone().into());
    let filled = args.replacing.filled_in(&user, name.as_bytes(), b"", b"");
    let site_url = context.site_url()?;
    filled.sink()?.check(&Delivery {
        password: &generate::application_password(&mut rng),
        user_id: 0,
        user_login: &user.login,
        uuid: &generate::uuid4(&mut rng),
        name: name.as_bytes(),
        app_id: b"",
        created: context.now,
        site_url: site_url.as_deref(),
    })?;
    Ok(())
}

/// Says something where nobody waits for a password alone.
fn tell(args: &Provision, context: &mut Context<'_>, done: &str) -> Result<(), Error> {
    let takes_stdout = args.replacing.porcelain || args.replacing.json || args.replacing.sink.has_form();
    if takes_stdout {
        context.out.note(done)
    } else {
        context.out.success(done)?
    }
    Ok(())
}

/// Where a role lives.
struct Place {
    capabilities: String,
    user_level: String,
    map: Vec<u8>,
    role: roles::Role,
}

impl Place {
    fn find(args: &Provision, context: &mut Context<'_>) -> Result<Self, Error> {
        let prefix = context.site.tables.blog_prefix();
        let option = format!("{prefix}{}", schema::USER_ROLES_SUFFIX);
        let map = context.store.option(&option)?.ok_or_else(|| {
            Error::Usage(format!(
                "The site has no option {option}, which says what its roles are. Is --table-prefix right? Nothing was changed."
            ))
        })?;
        let role = roles::role(&map, args.role.as_bytes()).ok_or_else(|| {
            let names: Vec<String> =
                roles::names(&map).iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect();
            Error::Usage(format!(
                "This site has no role '{}'. It has: {}. Nothing was changed.",
                args.role,
                names.join(", ")
            ))
        })?;
        Ok(Self {
            capabilities: format!("{prefix}{}", schema::CAPABILITIES_SUFFIX),
            user_level: format!("{prefix}user_level"),
            map,
            role,
        })
    }

    /// What a site's rows are for a member, in WordPress's order.
    fn rows(&self, role: &str) -> Vec<(String, Vec<u8>)> {
        vec![
            (self.capabilities.clone(), roles::capabilities_of(role)),
            (self.user_level.clone(), self.role.level.to_string().into_bytes()),
        ]
    }
}

fn refused_login(login: &str, context: &mut Context<'_>) -> Result<Option<String>, Error> {
    if let Some(why) = account::refused_login(login) {
        return Ok(Some(why));
    }
    if context.store.description().network.is_none() {
        return Ok(None);
    }
    let illegal = context.store.network_option("illegal_names")?;
    // A list of names, like that of the super admins.
    let illegal = illegal.map(|stored| roles::super_admins(Some(&stored)));
    Ok(account::refused_login_of_network(login, illegal.as_deref()))
}

/// How long a network keeps a login and an address for somebody who signed up.
const RESERVED_SECONDS: i64 = 2 * 24 * 60 * 60;

fn refused_email(login: &str, email: &str, context: &mut Context<'_>) -> Result<Option<&'static str>, Error> {
    if context.store.description().network.is_none() {
        return Ok(None);
    }
    let banned = context.store.network_option("banned_email_domains")?;
    let limited = context.store.network_option("limited_email_domains")?;
    if let Some(why) = account::refused_email_of_network(email, banned.as_deref(), limited.as_deref()) {
        return Ok(Some(why));
    }
    let since = mysql_time(context.now - RESERVED_SECONDS);
    let is_reserved = context.store.has_signup(login, email, &since)?;
    Ok(is_reserved.then_some(
        "somebody signed up with it or with that login in the last two days (the network's signups table)",
    ))
}

/// `2026-01-31 23:59:59`
fn mysql_time(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map_or_else(
        |_| "1970-01-01 00:00:00".to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string(),
    )
}

fn login_hash(file: &std::path::Path, evidence: &Evidence) -> Result<password_hash::HashedPassword, Error> {
    let password = slashed(&super::password_input::login_password(file)?)?;
    let since_68 = evidence.era() == Era::Since68;
    password_hash::hash_login(&password, since_68, &mut rand::rng())
        .map_err(|error| Error::Usage(format!("{error} Nothing was changed.")))
}

/// The password as WordPress hashes it and compares it.
///
/// WordPress: `wp_signon()` and `wp_insert_user()` get passwords with the slashes that `wp_magic_quotes()` adds, and take none
/// away. A backslash is refused, as in the REST API and in its screens.
fn slashed(password: &PlainPassword) -> Result<PlainPassword, Error> {
    let plain = password.expose();
    if plain.contains('\\') {
        return Err(Error::Usage(
            "The login password has a backslash, which WordPress refuses. Choose another. Nothing was changed.".into(),
        ));
    }
    let mut slashed = String::with_capacity(2 * plain.len());
    for character in plain.chars() {
        match character {
            '\0' => slashed.push_str("\\0"),
            '\'' | '"' => slashed.extend(['\\', character]),
            _ => slashed.push(character),
        }
    }
    Ok(PlainPassword::new(slashed))
}

/// Whether somebody can change the site itself, whatever it is called: by a role, or by capabilities of its own.
fn is_mighty(context: &mut Context<'_>, user: &User) -> Result<bool, Error> {
    let prefix = context.site.tables.blog_prefix();
    let map = context.store.option(&format!("{prefix}{}", schema::USER_ROLES_SUFFIX))?.unwrap_or_default();
    let rows = context.store.user_meta(user.id, &format!("{prefix}{}", schema::CAPABILITIES_SUFFIX))?;
    let stored = rows.first().and_then(|row| row.value.as_deref());
    let held = context.membership(user)?;
    let by_role = |name: &Vec<u8>| roles::role(&map, name).is_some_and(|role| role.is_mighty);
    Ok(held.manages_options
        || held.roles.iter().any(by_role)
        || !roles::mighty_capabilities(stored, &map).is_empty())
}

/// What a network keeps of the first site that somebody joins.
///
/// WordPress: `add_user_to_blog()`.
fn membership(context: &mut Context<'_>) -> Result<Vec<(String, Vec<u8>)>, Error> {
    if context.store.description().network.is_none() {
        return Ok(Vec::new());
    }
    let blog = context.site.tables.blog_id.max(1);
    let domain = context.store.blog_domain(blog)?.unwrap_or_default();
    Ok(vec![("primary_blog".into(), blog.to_string().into_bytes()), ("source_domain".into(), domain)])
}

fn make(
    args: &Provision,
    context: &mut Context<'_>,
    email: &str,
    place: &Place,
    evidence: &Evidence,
    login_hash: Option<&password_hash::HashedPassword>,
) -> Result<(User, bool), Error> {
    let base = account::nicename(&args.login);
    let mut nicename = base.clone();
    let mut tried = 1;
    while context.store.find_user(UserField::Nicename(nicename.as_bytes()))?.is_some() {
        nicename = account::other_nicename(&base, tried);
        tried += 1;
    }
    let mut meta = account::user_meta(&args.login, evidence.version.as_ref());
    meta.extend(membership(context)?);
    meta.extend(place.rows(&args.role));
    let registered = mysql_time(context.now);
    let new = NewUser {
        login: args.login.as_bytes(),
        password: login_hash.map_or(account::NO_LOGIN, |hash| hash.as_str().as_bytes()),
        nicename: nicename.as_bytes(),
        email: email.as_bytes(),
        registered: &registered,
        meta: &meta,
    };
    let mut passwords = context.passwords();
    let made = passwords.add_user(&new)?;
    match passwords.take_trouble() {
        Some(reason) => Err(Error::StaleCache { reason }),
        None => Ok(made),
    }
}

/// Makes a user what is asked for who was there before, or was made by a run that did not end.
fn settle(
    args: &Provision,
    context: &mut Context<'_>,
    user: &User,
    email: &str,
    place: &Place,
    evidence: &Evidence,
) -> Result<(), Error> {
    let is_meant = |address: &str| user.email.eq_ignore_ascii_case(address.as_bytes());
    // What was not written by WordPress may be there as it was given.
    if !is_meant(email) && !is_meant(args.email.trim()) {
        return Err(Error::Usage(format!(
            "User {} has another e-mail address, {}. Give that one if it is the user that you mean, or choose another login. \
             Nothing was changed.",
            named(user),
            String::from_utf8_lossy(&user.email)
        )));
    }
    if let Some(why) = super::audit::why_blocked(context.store.user_state(user.id)?) {
        return Err(Error::Usage(format!(
            "User {} is {why}, so that not everything lets it in. Open the account in WordPress, or choose another login. \
             Nothing was changed.",
            named(user)
        )));
    }
    if context.is_super_admin(user)? {
        return Err(Error::Usage(format!(
            "User {} is a super admin of this network, whom no role restricts. Choose another login. Nothing was changed.",
            named(user)
        )));
    }
    if !args.yes
        && let Some(doubt) = doubt_of(args, context, user, place)?
    {
        if !context.interactive {
            return Err(Error::Stopped(format!(
                "User {} {doubt}. Say --yes if that is meant. Nothing was changed.",
                named(user)
            )));
        }
        if !context.confirm(&format!("User {} {doubt}. Go on?", named(user)))? {
            return Err(Error::Declined);
        }
    }
    let held = context.membership(user)?.roles;
    if can_log_in(context, user)? && args.user_password.is_none() {
        context.out.warning(format!(
            "User {} has a login password, so this is not a user for programs only: whoever knows it can log in by form.",
            named(user)
        ));
    }
    if held.as_slice() == [args.role.as_bytes()] {
        return Ok(());
    }
    if !held.is_empty() && !args.set_role {
        let held: Vec<String> = held.iter().map(|role| String::from_utf8_lossy(role).into_owned()).collect();
        return Err(Error::Usage(format!(
            "User {} has the role {} here, not {}. Say --set-role to change it. Nothing was changed.",
            named(user),
            held.join(", "),
            args.role
        )));
    }
    // What a run that was killed did not come to.
    let missing = account::user_meta(&args.login, evidence.version.as_ref());
    let member = membership(context)?;
    let mut passwords = context.passwords();
    for (key, value) in missing {
        passwords.set_user_meta(user, &key, |old| Ok(old.is_none().then(|| value.clone())))?;
    }
    // WordPress: remove_user_from_blog() leaves them empty, and add_user_to_blog() fills them again.
    for (key, value) in member {
        passwords
            .set_user_meta(user, &key, |old| Ok(old.is_none_or(<[u8]>::is_empty).then(|| value.clone())))?;
    }
    passwords.set_user_meta(user, &place.capabilities, |old| {
        Ok(Some(roles::with_role(old, &place.map, args.role.as_bytes())))
    })?;
    let level = place.role.level.to_string().into_bytes();
    passwords.set_user_meta(user, &place.user_level, |_| Ok(Some(level.clone())))?;
    passwords.account_changed(user, "set-role");
    if let Some(reason) = passwords.take_trouble() {
        return Err(Error::StaleCache { reason });
    }
    tell(args, context, &format!("User {} has the role {} now.", named(user), args.role))
}

fn can_log_in(context: &mut Context<'_>, user: &User) -> Result<bool, Error> {
    let stored = context.store.login_hash(user.id)?;
    Ok(!matches!(password_hash::identify(&stored), Kind::Never | Kind::Unknown))
}

/// Revokes all application passwords of a user and takes the user's role away. The user and what it wrote stay.
///
/// # Errors
/// An unknown user, a declined question, a failing database.
pub fn undo(args: &Deprovision, context: &mut Context<'_>) -> Result<Outcome, Error> {
    let user = context
        .store
        .find_user(UserField::Login(args.login.as_bytes()))?
        .ok_or_else(|| Error::UnknownLogin(crate::error::Bytes(args.login.clone().into_bytes())))?;
    let who = named(&user);
    if context.is_super_admin(&user)? {
        return Err(Error::Usage(format!(
            "User {who} is a super admin of this network: without a role it could still do everything. Nothing was changed."
        )));
    }
    let prefix = context.site.tables.blog_prefix();
    let (capabilities, user_level) =
        (format!("{prefix}{}", schema::CAPABILITIES_SUFFIX), format!("{prefix}user_level"));
    let held = context.membership(&user)?;
    let login = can_log_in(context, &user)?;
    let list = context.passwords().read(user.id)?;
    context.passwords().refuse_unreadable(&user, &list)?;
    let count = list.count();
    let is_last = held.manages_options && is_last(context, &user)?;
    if !args.yes {
        let doubt = match (is_mighty(context, &user)?, login) {
            _ if is_last => Some("is the only one who can change the site itself"),
            (true, _) => Some("can change the site itself"),
            (_, true) => Some("has a login password, so it may be a person"),
            _ => None,
        };
        if let (Some(doubt), false) = (doubt, context.interactive) {
            return Err(Error::Stopped(format!(
                "User {who} {doubt}. Say --yes to revoke all its application passwords and take its role away. Nothing was \
                 changed."
            )));
        }
        let doubt = doubt.map_or_else(String::new, |doubt| format!(" That user {doubt}."));
        let question =
            format!("Revoke all {count} application passwords of user {who} and take its role away?{doubt}");
        if context.interactive && !context.confirm(&question)? {
            return Err(Error::Declined);
        }
    }
    context.prepare_write()?;
    let mut passwords = context.passwords();
    let (revoked, erased) = passwords.delete_everything(&user)?;
    let notes = passwords.take_notes();
    let trouble = passwords.take_trouble();
    // The role goes in any case: it is what is left when a cache keeps a password alive.
    let mut changed = false;
    // On a network no row means no member, and an empty one a member without a role, which is as little.
    changed |= passwords.set_user_meta(&user, &capabilities, |old| {
        Ok(old.filter(|old| *old != b"a:0:{}").map(|_| b"a:0:{}".to_vec()))
    })?;
    changed |= passwords
        .set_user_meta(&user, &user_level, |old| Ok(old.filter(|old| *old != b"0").map(|_| b"0".to_vec())))?;
    if changed {
        passwords.account_changed(&user, "remove-role");
    }
    let trouble = trouble.or(passwords.take_trouble());
    context.warn_of(notes);
    let role = if held.roles.is_empty() { "had no role" } else { "has no role any more" };
    // The passwords are those of the whole network, the roles are not.
    let here = if context.store.description().network.is_some() { " on this site" } else { "" };
    let passwords = if revoked == 1 {
        "1 application password".into()
    } else {
        format!("{revoked} application passwords")
    };
    context.revoked(trouble, &format!("Revoked {passwords} of user {who}, who {role}{here}"))?;
    tell_erased(context, erased)?;
    if is_last {
        context.out.warning(
            "Nobody is left who can change the site itself. To give somebody that: provision LOGIN --role=administrator \
             --email=ADDRESS --set-role --yes",
        );
    }
    if login {
        context.out.warning(format!("User {who} can still log in by form, as somebody without a role."));
    }
    Ok(Outcome::Done)
}
