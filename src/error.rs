//! Every sentence a failing command prints, and its exit code.
//!
//! Where WP-CLI has a sentence for the case, it is WP-CLI's own. Ends that are not failures (done, no,
//! changes pending) are an [`crate::commands::Outcome`].

use std::fmt;
use std::process::ExitCode;

use thiserror::Error as ThisError;

/// Why a command failed.
#[derive(Debug, ThisError)]
pub enum Error {
    /// WP-CLI: `Fetchers\User`.
    #[error("Invalid user ID, email or login: '{0}'")]
    UnknownUser(Bytes),
    /// WP-CLI: the same with `WP_CLI_FORCE_USER_LOGIN` set.
    #[error("Invalid user login: '{0}'")]
    UnknownLogin(Bytes),
    /// WordPress: `application_password_empty_name`; its status came with 5.7.
    #[error("An application name is required to create an application password.{}", if *.status { " {\"status\":400}" } else { "" })]
    EmptyName {
        /// Whether this version attaches an HTTP status, which WP-CLI prints.
        status: bool,
    },
    /// WordPress: `application_password_duplicate_name`, 5.7 to 6.6.
    #[error("Each application name should be unique. {{\"status\":409}}")]
    DuplicateName,
    /// WordPress: `db_error`, for text that is not UTF-8.
    #[error("Could not save application password.")]
    NotSaved,
    /// WP-CLI: a value of one of its own parameters that it does not know.
    #[error("{}", String::from_utf8_lossy(.0))]
    Refused(Vec<u8>),
    /// WordPress: `application_password_not_found`.
    #[error("Could not find an application password with that id.")]
    NotFound,
    /// WP-CLI: `get` says it its own way.
    #[error("No application password found for this user ID and UUID.")]
    NoSuchPassword,
    /// WP-CLI: `delete` without or with too much to do.
    #[error("You need to specify either one or more UUIDS or provide the --all flag")]
    UuidsOrAll,
    /// A command line that cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// A guard that stands before a change: a limit, a yes that was not said.
    #[error("{0}")]
    Stopped(String),
    /// A stored list that cannot be read, when it would have to be written.
    #[error(
        "The application passwords of user {user} can't be read, so nothing was changed: {reason} \
         (usermeta row {umeta_id}, byte {offset}). WordPress treats such a value as an empty list and \
         overwrites it at the next change. Restore the row from a backup, or use --replace-unreadable: the \
         old bytes are then kept in a second meta row."
    )]
    Unreadable {
        /// `5 (login)`.
        user: String,
        /// `usermeta.umeta_id`.
        umeta_id: u64,
        /// Offset in the stored value, counted from 0.
        offset: usize,
        /// What is wrong there.
        reason: String,
    },
    /// An entry that refuses the edit, such as one that other values refer to.
    #[error("The application passwords of user {user} can't be changed, and nothing was: {reason}.")]
    Uneditable {
        /// `5 (login)`.
        user: String,
        /// Why not.
        reason: String,
    },
    /// A row of suspended entries that cannot be read.
    #[error(
        "The suspended application passwords of user {user} can't be read, so nothing was changed there: {reason} (usermeta row \
         {umeta_id}, byte {offset}). Restore the row from a backup, or erase it with `revoke-all`."
    )]
    UnreadableSuspended {
        /// `5 (login)`.
        user: String,
        /// `usermeta.umeta_id`.
        umeta_id: u64,
        /// Offset in the stored value, counted from 0.
        offset: usize,
        /// What is wrong there.
        reason: String,
    },
    /// WordPress: `existing_user_email`.
    #[error(
        "The e-mail address {email} is that of user {user}, and WordPress wants another one for each user. Nothing was changed."
    )]
    EmailTaken {
        /// As given.
        email: String,
        /// `5 (login)`.
        user: String,
    },
    /// An entry whose expiry or restriction makes no sense.
    #[error(
        "The application password {uuid} of user {user} holds something under {key} that this program did not \
         write, so a new password in its place could not be given the same restriction. Nothing was changed. \
         Set it anew, or take it away: update <user> {uuid} --clear={option}", option = .key.replace('_', "-")
    )]
    UnreadableTerm {
        /// `5 (login)`.
        user: String,
        /// The entry's.
        uuid: String,
        /// `expires`, `allow`, …
        key: &'static str,
    },
    /// Another run suspends or resumes entries of the same user.
    #[error(
        "Application passwords of user {user} are being suspended or resumed by {run}. Nothing was changed; try again."
    )]
    BeingMoved {
        /// `5 (login)`.
        user: String,
        /// `process 4711 on web1`.
        run: String,
    },
    /// Another run suspends or resumes entries of the same user, and does not end.
    #[error(
        "What was to be revoked of user {user} is revoked, but {run} is still suspending or resuming application passwords of \
         this user, and may bring one back. End that run, then give this command again."
    )]
    StillMoved {
        /// `5 (login)`.
        user: String,
        /// `process 4711 on web1`.
        run: String,
    },
    /// Somebody else kept changing the same list.
    #[error(
        "The application passwords of user {user} were changed by somebody else each of the {attempts} times \
         that they were about to be saved. Nothing was changed; try again."
    )]
    Conflict {
        /// `5 (login)`.
        user: String,
        /// How many times it was tried.
        attempts: u32,
    },
    /// A scheme that this site's WordPress cannot check.
    #[error("{0}")]
    Scheme(String),
    /// The plaintext could not be handed over; the entry was taken back.
    #[error("The new password could not be {done} ({reason}), so it was taken back. Nothing was changed.")]
    NotDelivered {
        /// What should have been done with it: `written to standard output`.
        done: String,
        /// The system's own words, or a clause of the sink's.
        reason: String,
    },
    /// The plaintext could not be handed over, and the entry is still there.
    #[error(
        "The new password could not be {done} ({reason}) and could not be taken back either ({cause}). Nobody knows it; \
         revoke it: delete {user} {uuid}"
    )]
    NotTakenBack {
        /// What should have been done with it: `written to standard output`.
        done: String,
        /// The system's own words, or a clause of the sink's.
        reason: String,
        /// Why the entry stayed.
        cause: String,
        /// The user's id.
        user: u64,
        /// The entry's uuid.
        uuid: String,
    },
    /// The entry was saved, a later step failed, and the entry is still there.
    #[error(
        "A new application password was saved, but then the database failed, and it could not be taken back. Nobody \
         knows it; revoke it: delete {user} {uuid}\nWhat failed after it was saved: {cause}"
    )]
    LeftBehind {
        /// What the step that failed says of itself.
        cause: String,
        /// The user's id.
        user: u64,
        /// The entry's uuid.
        uuid: String,
    },
    /// The entry was saved, a later step failed, and it was taken back.
    #[error("The new application password was taken back, and nobody has seen it: {cause} Try again.")]
    TakenBack {
        /// What the step that failed says of itself.
        cause: String,
    },
    /// The connection ended while a change was being committed, and the server stays away.
    #[error("{cause} Look with `list {user}` before you try again.")]
    Uncertain {
        /// Sentences that say so.
        cause: String,
        /// The user's id.
        user: u64,
    },
    /// The same when the change is a new entry.
    #[error(
        "{cause} Nobody has seen the new password. Look with `list {user}` when the database answers again; if {uuid} is \
         there, revoke it: delete {user} {uuid}"
    )]
    UncertainAddition {
        /// Sentences that say so.
        cause: String,
        /// The user's id.
        user: u64,
        /// The entry's uuid.
        uuid: String,
    },
    /// A signal came while a new entry was being made; it was taken back.
    #[error(
        "Interrupted: the new application password was taken back, and nobody has seen it. Nothing was changed."
    )]
    Interrupted {
        /// The signal's number.
        signal: u8,
    },
    /// Where the password should go cannot take it; nothing was done yet.
    #[error("The new password would not arrive: {0}. Nothing was changed.")]
    Sink(#[from] crate::sink::SinkError),
    /// Standard output was closed before anything was done.
    #[error("Standard output is closed, so nobody would see the new password. Nothing was changed.")]
    StdoutClosed,
    /// A persistent object cache keeps WordPress from seeing what would be added.
    #[error(
        "This site has a persistent object cache: {cache}. Its entries can't be removed from here: {reason}. WordPress \
         would not see the change, and could undo it by writing back its cached list. Nothing was changed. Give a \
         command that flushes the cache with {command}{server}, or use --cache=ignore and flush it yourself."
    )]
    CachedAddition {
        /// `Redis Object Cache (/srv/www/wp-content/object-cache.php)`.
        cache: String,
        /// Why its entries stay.
        reason: String,
        /// `--after-write='wp cache flush'`
        command: &'static str,
        /// `, name its server with --cache=redis://…`, where that works.
        server: &'static str,
    },
    /// Removed from the database, but WordPress may go on using its cached list.
    #[error(
        "{done} in the database, but this site has a persistent object cache ({cache}), and its entries could not be \
         removed: {reason}. What was revoked may still work until the cache is flushed, and WordPress may write it \
         back. Flush the cache now ({flush}), then run this command again."
    )]
    CachedRevocation {
        /// `Deleted 1 of 1 application password`.
        done: String,
        /// `Redis Object Cache (/srv/www/wp-content/object-cache.php)`.
        cache: String,
        /// Why its entries stay.
        reason: String,
        /// What empties it: a command in backquotes, or a clause.
        flush: &'static str,
    },
    /// Removed from the database of a site without a cache that is known of, but `--after-write` failed.
    #[error("{done} in the database, but {reason}. Mend that, then run this command again.")]
    AfterWrite {
        /// `Deleted 1 of 1 application password`.
        done: String,
        /// A clause that names the command.
        reason: String,
    },
    /// Done, and standard output did not take the news.
    #[error("{done}. That is saved, but it could not be written to standard output: {reason}.")]
    Untold {
        /// `Deleted 1 of 1 application password`.
        done: String,
        /// The system's own words.
        reason: String,
    },
    /// Changed in the database, but WordPress may go on using its cached list.
    #[error(
        "The change was saved in the database, but WordPress may not see it and may undo it: {reason}. Flush the object \
         cache (`wp cache flush`), then look with `list`."
    )]
    StaleCache {
        /// What failed.
        reason: String,
    },
    /// Added, but WordPress would not see it; taken back.
    #[error(
        "The new password was saved, but WordPress could not be made to see it ({reason}), so it was taken back. Nobody \
         has seen it. {advice}"
    )]
    NotInvalidated {
        /// What failed.
        reason: String,
        /// What to do: a sentence.
        advice: &'static str,
    },
    /// Somebody writes an older list back, again and again.
    #[error(
        "The application passwords of user {user} were changed, but something kept writing an older list back: it was put \
         right {repairs} times. WordPress or a plugin is saving this user's list all the time; stop that, then try \
         again and check with `list`."
    )]
    Overwritten {
        /// `5 (login)`.
        user: String,
        /// How often it was put right.
        repairs: u32,
    },
    /// The new entry was removed by somebody else before it was shown.
    #[error(
        "Somebody else revoked this user's application passwords in the same moment, the new one included. Nothing was \
         created. Try again if that was not meant for you."
    )]
    RevokedMeanwhile,
    /// Saved, and then the database could not be read.
    #[error(
        "The application passwords of user {user} were changed and saved, but it could not be confirmed that the change \
         stays: {reason} Check with `list` when the database answers again."
    )]
    Unconfirmed {
        /// `5 (login)`.
        user: String,
        /// The database's sentence.
        reason: String,
    },
    /// `rotate --name`, and `ensure`: none.
    #[error("User {user} has no application password named '{name}'.")]
    NoSuchName {
        /// `5 (login)`.
        user: String,
        /// As given.
        name: Bytes,
    },
    /// `rotate --name`: several.
    #[error("User {user} has several application passwords named '{name}': give the uuid of one of {uuids}.")]
    AmbiguousName {
        /// `5 (login)`.
        user: String,
        /// As given.
        name: Bytes,
        /// Separated by commas.
        uuids: String,
    },
    /// Another run is at the same entry.
    #[error(
        "This application password of user {user} is being rotated already, by {run} since {} (UTC). Nothing was changed. \
         Wait for it to end. If it is dead, which cannot be seen from here when it ran on another machine or in another \
         container, this works again a minute after it began, or now with --takeover.", date(*since)
    )]
    BeingRotated {
        /// `5 (login)`.
        user: String,
        /// `process 4711 on web1`.
        run: String,
        /// Unix seconds, UTC.
        since: i64,
    },
    /// `rotate --abort` without anything that is unfinished.
    #[error(
        "No rotation of the application password {uuid} of user {user} is unfinished. Nothing was changed."
    )]
    NothingToAbort {
        /// `5 (login)`.
        user: String,
        /// As given.
        uuid: String,
    },
    /// `rotate --abort` when somebody may have the new password.
    #[error(
        "Nobody can tell whether the new password was delivered ({uuids}); whoever has it would be locked out. Nothing was \
         changed. The same rotate command again delivers another one and ends the rotation; --abort --yes undoes it."
    )]
    MayBeDelivered {
        /// The new entries', separated by commas.
        uuids: String,
    },
    /// Several entries have the uuid that is to be rotated.
    #[error(
        "Several application passwords of user {user} have the uuid {uuid}, so that WordPress cannot tell them apart. Nothing \
         was changed. Revoke the one that is not in use (delete removes the first), or create another one in its place."
    )]
    SharedUuid {
        /// `5 (login)`.
        user: String,
        /// As stored.
        uuid: String,
    },
    /// Another run, which could not see this one, took the place of its entry.
    #[error(
        "Another run of rotate took this one for dead and rotated the application password of user {user} too. What was \
         delivered here works for an hour. Run the same command again."
    )]
    TakenOver {
        /// `5 (login)`.
        user: String,
    },
    /// The uuid is that of an entry whose place another one took.
    #[error(
        "This application password of user {user} was rotated already ({} UTC): {by} took its place. Nothing was changed. \
         Give that uuid to rotate it again, or --name.", date(*at)
    )]
    AlreadyRotated {
        /// `5 (login)`.
        user: String,
        /// The uuid of the entry that took its place.
        by: String,
        /// Unix seconds, UTC.
        at: i64,
    },
    /// The site, or the database, does not take the new password; it was taken back before anybody had it.
    #[error("The new password does not work: {reason}. It was taken back, and the old one was not touched.")]
    NotAccepted {
        /// A clause.
        reason: String,
    },
    /// The new password works and was delivered; the old one works too.
    #[error(
        "The new password works and was {done}, but the old one could not be retired and works too: {cause} Run the same \
         command again: it delivers another new password and retires both."
    )]
    NotRetired {
        /// `written to standard output`.
        done: String,
        /// The sentence of what failed.
        cause: String,
    },
    /// The new password works and was delivered; what became of the old one is not known.
    #[error(
        "The new password works and was {done}. Whether the old one was retired is not known: {cause} If it is still there, \
         run the same command again."
    )]
    RetirementUnknown {
        /// `written to standard output`.
        done: String,
        /// The sentence of what failed.
        cause: String,
    },
    /// The old and the new entry went while the password was being delivered.
    #[error(
        "Somebody else revoked the new application password of user {user} while it was being delivered, and it does not work. \
         The old one was not touched here; look with list. If that was not meant, run the same command again."
    )]
    RevokedDuringRotation {
        /// `5 (login)`.
        user: String,
    },
    /// `--expect-url`.
    #[error(
        "This database belongs to another site: --expect-url is {expected}, but {found}. Nothing was changed."
    )]
    OtherSite {
        /// As given.
        expected: String,
        /// `its siteurl is … and its home is …`.
        found: String,
    },
    /// `authorize`: nobody answered.
    #[error(
        "Nobody answered on the authorization screen within {waited}. Nothing was written. If it was approved too late, revoke \
         that application password in the user's profile; --timeout gives more time."
    )]
    AuthorizationTimedOut {
        /// `5m`
        waited: String,
    },
    /// `authorize`: what came back names another site.
    #[error(
        "The answer comes from {found}, but {expected} was asked. Its password was sent nowhere, and nothing was written. If \
         that is the site you mean, give that address; else revoke the application password there."
    )]
    AuthorizedElsewhere {
        /// The site that was asked.
        expected: String,
        /// What the answer says.
        found: String,
    },
    /// `authorize`: the site does not take the password that came back.
    #[error(
        "The site does not let {login} in with the password that came back: {reason} Nothing was written. If there is an \
         application password of that name in the user's profile now, revoke it."
    )]
    AuthorizedNotAccepted {
        /// As it came.
        login: String,
        /// Sentences.
        reason: String,
    },
    /// `authorize`: it works, and could not be handed over.
    #[error("The password could not be {done} ({reason}). {revoked}")]
    AuthorizedNotDelivered {
        /// What should have been done with it: `written to standard output`.
        done: String,
        /// A clause.
        reason: String,
        /// Sentences: what became of the application password.
        revoked: String,
        /// The number of the signal that kept it from being handed over.
        signal: Option<u8>,
    },
    /// `identify` found nothing where it looked, which was not everywhere.
    #[error("Nothing was found, but not everything could be looked at: {0}.")]
    NotEverywhere(String),
    /// A journal that is required and cannot be written.
    #[error("The journal {file} can't be written: {reason}. {done}")]
    Journal {
        /// `--journal`
        file: String,
        /// The system's own words.
        reason: String,
        /// What that means for the change: a sentence.
        done: &'static str,
    },
    /// The question was answered with no.
    #[error("Nothing was changed.")]
    Declined,
    /// The site or its database settings could not be found.
    #[error(transparent)]
    Site(#[from] crate::site::SiteError),
    /// The database.
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    /// The system refused to write a result.
    #[error("The result could not be written: {0}")]
    Output(#[from] std::io::Error),
}

/// `2026-11-25 23:37:04`
fn date(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| seconds.to_string(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Text as it was given, which need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl Error {
    /// The sentence, with what the user gave in the user's own bytes: WP-CLI repeats them so.
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::UnknownUser(given) => [&b"Invalid user ID, email or login: '"[..], &given.0, b"'"].concat(),
            Self::UnknownLogin(given) => [&b"Invalid user login: '"[..], &given.0, b"'"].concat(),
            Self::Refused(text) => text.clone(),
            other => other.to_string().into_bytes(),
        }
    }

    /// The sentence without what is true of the step that failed only: "nothing was changed".
    pub fn cause(&self) -> String {
        match self {
            Self::Store(error) => error.cause(),
            other => other.to_string(),
        }
    }

    /// What the journal says of a change that was not made, or not to its end. `None`: it was asked for wrongly (a name that
    /// is taken, a user or uuid that is not there), which is no attempt at a change.
    pub fn outcome(&self) -> Option<String> {
        match self {
            Self::UnknownUser(_)
            | Self::UnknownLogin(_)
            | Self::EmptyName { .. }
            | Self::DuplicateName
            | Self::Refused(_)
            | Self::NotFound
            | Self::NoSuchPassword
            | Self::UuidsOrAll
            | Self::Usage(_)
            | Self::Scheme(_)
            | Self::EmailTaken { .. }
            | Self::NoSuchName { .. }
            | Self::AmbiguousName { .. }
            | Self::NothingToAbort { .. }
            | Self::Site(_) => None,
            Self::Declined => Some("refused: the question was answered with no".to_owned()),
            Self::Stopped(_) | Self::OtherSite { .. } | Self::CachedAddition { .. } | Self::StdoutClosed => {
                Some(format!("refused: {self}"))
            }
            Self::Unreadable { .. } | Self::UnreadableSuspended { .. } => {
                Some("failed: the list cannot be read".to_owned())
            }
            Self::Uneditable { reason, .. } => Some(format!("failed: {reason}")),
            Self::Conflict { .. } => Some("failed: others changed the list again and again".to_owned()),
            // What these say holds a command, where somebody may have put a secret.
            Self::NotDelivered { .. } | Self::Sink(_) => {
                Some("failed: the password was not delivered".to_owned())
            }
            Self::NotTakenBack { .. } => Some(
                "failed: the password was not delivered, and its entry could not be taken back".to_owned(),
            ),
            Self::AfterWrite { .. }
            | Self::StaleCache { .. }
            | Self::CachedRevocation { .. }
            | Self::NotInvalidated { .. } => Some("failed: the object cache was not told".to_owned()),
            other => Some(format!("failed: {}", other.cause())),
        }
    }

    /// The exit code: 1, whatever failed, and a shell's for a signal. Listed one by one so that a new error makes its author choose.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted { signal } | Self::AuthorizedNotDelivered { signal: Some(signal), .. } => {
                ExitCode::from(128 | signal)
            }
            Self::UnknownUser(_)
            | Self::UnknownLogin(_)
            | Self::EmptyName { .. }
            | Self::DuplicateName
            | Self::NotSaved
            | Self::Refused(_)
            | Self::NotFound
            | Self::NoSuchPassword
            | Self::UuidsOrAll
            | Self::Usage(_)
            | Self::Stopped(_)
            | Self::Unreadable { .. }
            | Self::Uneditable { .. }
            | Self::UnreadableSuspended { .. }
            | Self::UnreadableTerm { .. }
            | Self::EmailTaken { .. }
            | Self::BeingMoved { .. }
            | Self::StillMoved { .. }
            | Self::Conflict { .. }
            | Self::Scheme(_)
            | Self::NotDelivered { .. }
            | Self::NotTakenBack { .. }
            | Self::LeftBehind { .. }
            | Self::TakenBack { .. }
            | Self::Uncertain { .. }
            | Self::UncertainAddition { .. }
            | Self::Sink(_)
            | Self::StdoutClosed
            | Self::CachedAddition { .. }
            | Self::CachedRevocation { .. }
            | Self::AfterWrite { .. }
            | Self::Untold { .. }
            | Self::StaleCache { .. }
            | Self::NotInvalidated { .. }
            | Self::Overwritten { .. }
            | Self::RevokedMeanwhile
            | Self::Unconfirmed { .. }
            | Self::NoSuchName { .. }
            | Self::AmbiguousName { .. }
            | Self::BeingRotated { .. }
            | Self::NothingToAbort { .. }
            | Self::MayBeDelivered { .. }
            | Self::SharedUuid { .. }
            | Self::TakenOver { .. }
            | Self::AlreadyRotated { .. }
            | Self::NotAccepted { .. }
            | Self::NotRetired { .. }
            | Self::RetirementUnknown { .. }
            | Self::RevokedDuringRotation { .. }
            | Self::OtherSite { .. }
            | Self::AuthorizationTimedOut { .. }
            | Self::AuthorizedElsewhere { .. }
            | Self::AuthorizedNotAccepted { .. }
            | Self::AuthorizedNotDelivered { .. }
            | Self::NotEverywhere(_)
            | Self::Journal { .. }
            | Self::Declined
            | Self::Site(_)
            | Self::Store(_)
            | Self::Output(_) => ExitCode::from(1),
        }
    }
}
