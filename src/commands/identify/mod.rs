//! `identify [<file>...] [--scan]`

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use zeroize::Zeroizing;

use super::rows::Columns;
use super::{Cache, Context, Outcome};
use crate::application_passwords::{Attempt, Hashes, Owner, PlainReader, State, StoredList, named};
use crate::error::Error;
use crate::output::{self, Format, Item, Progress, Value};
use crate::scan::{Finding, Form, Scanner};
use crate::store::{StoreError, User, UserField, UserId, UserMeta};
use crate::wordpress::password_hash::{FastDigest, stored_fast_digest};
use crate::wordpress::php_serialize::View;
use crate::wordpress::plain_list::Cell;
use crate::wordpress::sanitize;

mod sources;

use sources::{BEGINNING, Files, is_packed};

/// `identify [<file>...] [--scan]`
#[derive(Debug, Args)]
pub struct Identify {
    /// Files with leaked strings, `-` or nothing for standard input; with --scan, folders too
    #[arg(value_name = "file", value_hint = clap::ValueHint::AnyPath)]
    pub files: Vec<PathBuf>,

    /// Look for passwords inside any text or binary, and in all files of a folder; links are not followed
    ///
    /// Without it, each line is also taken as a password as a whole.
    #[arg(long)]
    pub scan: bool,

    /// Compare only with fast hashes ($generic$, WordPress 6.8 and newer), and leave the slow ones out
    #[arg(long)]
    pub generic_only: bool,

    /// Revoke what is found; asks on a terminal
    #[arg(long)]
    pub revoke: bool,

    /// Don't ask
    #[arg(long, short)]
    pub yes: bool,

    /// Look only at the application passwords of this user
    // The id of the global parameter, in whose place this one stands here.
    #[arg(id = "acting-user", long = "user", value_name = "id|login|email")]
    pub user: Option<OsString>,

    /// Which fields.
    #[command(flatten)]
    pub columns: Columns,

    /// Render output in a particular format
    #[arg(long, value_name = "format", value_parser = ["table", "csv", "json", "yaml"])]
    pub format: Option<String>,
}

/// The columns.
const FIELDS: [&str; 6] = ["user_id", "user_login", "uuid", "name", "state", "where"];

/// So many different strings are kept to be tried on slow hashes: trying them all would take days already.
const MOST_CANDIDATES: usize = 1 << 20;

/// So many user names are kept with one string.
const MOST_NAMES: usize = 8;

/// So many sentences of one kind are told one by one.
const MOST_TOLD: u64 = 20;

/// From here on it is told how long it will take.
const LONG: Duration = Duration::from_secs(2);

/// Finds out whose application passwords are among the strings that are read. No string is ever printed.
///
/// # Errors
/// An unknown user, a failing database, nothing found where not everything could be looked at, a declined question.
pub fn run(args: &Identify, context: &mut Context<'_>) -> Result<Outcome, Error> {
    // What would fail is said before anything is read.
    if args.revoke && !args.yes && !context.interactive {
        return Err(Error::Usage(
            "--revoke asks before it changes anything, and there is no terminal to ask on: add --yes. Nothing was changed."
                .into(),
        ));
    }
    if let Some(folder) = args.files.iter().find(|file| !args.scan && file.is_dir()) {
        return Err(Error::Usage(format!("{} is a folder: --scan looks through folders.", folder.display())));
    }
    let user = args.user.as_ref().map(|user| context.find_user(user)).transpose()?;
    let mut gaps = Gaps::default();
    let mut hashes = Hashes::default();
    let mut owners = Vec::new();
    match &user {
        Some(user) => {
            hashes_of_user(context, user, &mut hashes, &mut gaps)?;
            owners.push(user.id);
        }
        None => hashes_of_all(context, &mut hashes, &mut owners, &mut gaps)?,
    }
    let mut search = Search::new(&hashes, !args.generic_only);
    read_sources(args, context, &mut search, &mut gaps);
    let Search { mut found, candidates, read, sources, .. } = search;
    if candidates.too_many {
        gaps.add(format!("there are more than {MOST_CANDIDATES} different strings to try on slow hashes"), 1);
    }
    context.out.debug("identify", format!("{read} strings, {} for slow hashes", candidates.strings.len()));
    if args.generic_only && hashes.salted() > 0 {
        let many = counted(hashes.salted(), "slow hash of this site was", "slow hashes of this site were");
        context.out.note(format!("--generic-only: {many} not compared."));
        let many = counted(hashes.salted(), "slow hash was", "slow hashes were");
        gaps.add(format!("{many} left out (--generic-only)"), 1);
    } else {
        try_salted(context, &mut hashes, candidates, &mut found, &mut gaps)?;
    }
    let rows = credentials(context, &found, &sources)?;
    show(args, context, &rows)?;
    for gap in gaps.told.iter().filter(|_| !rows.is_empty()) {
        context.out.note(format!("Not everything could be looked at: {gap}."));
    }
    if rows.is_empty() {
        if args.revoke {
            forget(context, &owners, "None of the strings is in the database")?;
        }
        if !gaps.told.is_empty() {
            return Err(Error::NotEverywhere(gaps.told.join("; ")));
        }
        let strings = counted(usize::try_from(read).unwrap_or(usize::MAX), "string", "strings");
        context.out.note(format!("None of {strings} is an application password of this site."));
        return Ok(Outcome::Negative);
    }
    if !args.revoke {
        return Ok(Outcome::Done);
    }
    let outcome = revoke(args, context, &rows)?;
    if !matches!(outcome, Outcome::Done) {
        return Ok(outcome);
    }
    owners.retain(|owner| rows.iter().all(|row| row.user.id != *owner));
    forget(context, &owners, "What was found is revoked")?;
    Ok(outcome)
}

/// Makes an object cache forget the lists of those whose entries are not revoked here: an earlier run that could not reach the cache may
/// have revoked one in the database already, where it is not found any more. `done`: said where that fails.
fn forget(context: &mut Context<'_>, owners: &[UserId], done: &str) -> Result<(), Error> {
    context.reach_cache()?;
    if matches!(context.cache, Cache::None) {
        return Ok(());
    }
    let mut passwords = context.passwords();
    passwords.forget_lists(owners);
    let trouble = passwords.take_trouble();
    context.check_revocation(trouble, done)
}

fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Where nobody could look: clauses.
#[derive(Default)]
struct Gaps {
    told: Vec<String>,
    /// How many of each kind there are.
    counts: BTreeMap<&'static str, u64>,
}

impl Gaps {
    fn add(&mut self, clause: String, count: u64) {
        if count > 0 {
            self.told.push(clause);
        }
    }

    /// Counts something; whether it is one of the first, which are told one by one.
    fn count(&mut self, kind: &'static str) -> bool {
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        *count <= MOST_TOLD
    }

    /// Turns a count into a clause.
    fn sum_up(&mut self, kind: &'static str, clause: impl FnOnce(usize) -> String) {
        let count = self.counts.remove(kind).unwrap_or(0);
        self.add(clause(usize::try_from(count).unwrap_or(usize::MAX)), count);
    }
}

const LISTS: &str = "lists";

/// All hashes of the site, read in one walk over each of the two lists.
fn hashes_of_all(
    context: &mut Context<'_>,
    hashes: &mut Hashes,
    owners: &mut Vec<UserId>,
    gaps: &mut Gaps,
) -> Result<(), Error> {
    let mut reader = PlainReader::default();
    let Context { store, out, .. } = context;
    for state in State::ALL {
        let mut previous = None;
        let walked = store.each_user_meta(state.meta_key(), &mut |row: UserMeta<'_>| {
            // WordPress: of several rows the first counts.
            if previous.replace(row.user) == Some(row.user) {
                return ControlFlow::Continue(());
            }
            let owner = Owner { user: row.user, state };
            if state == State::Active && row.login.is_some() {
                owners.push(row.user);
            }
            if let Some(rows) = reader.read(row.value) {
                for entry in rows.iter() {
                    if let Cell::Text(start, end) = entry.cell(PASSWORD) {
                        hashes.add(owner, entry.text(start, end));
                    }
                }
                return ControlFlow::Continue(());
            }
            let list = StoredList::from_value(row.umeta_id, row.value);
            if list.is_unreadable() && gaps.count(LISTS) {
                let login = row.login.unwrap_or_default().to_vec();
                out.warning(unreadable(
                    &User { id: row.user, login, email: Vec::new() },
                    state,
                    row.umeta_id,
                ));
            }
            add_list(owner, &list, hashes);
            ControlFlow::Continue(())
        });
        match walked {
            // All other rows were visited.
            Err(StoreError::TooLong(rows)) => {
                for why in rows {
                    out.warning(why);
                    gaps.count(LISTS);
                }
            }
            other => other?,
        }
    }
    gaps.sum_up(LISTS, unreadable_lists);
    Ok(())
}

fn hashes_of_user(
    context: &mut Context<'_>,
    user: &User,
    hashes: &mut Hashes,
    gaps: &mut Gaps,
) -> Result<(), Error> {
    for state in State::ALL {
        let list = stored_list(context, user.id, state)?;
        if list.is_unreadable() {
            gaps.count(LISTS);
            context.out.warning(unreadable(user, state, 0));
        }
        add_list(Owner { user: user.id, state }, &list, hashes);
    }
    gaps.sum_up(LISTS, unreadable_lists);
    Ok(())
}

fn unreadable_lists(count: usize) -> String {
    format!("{} could not be read", counted(count, "stored list", "stored lists"))
}

fn unreadable(user: &User, state: State, umeta_id: u64) -> String {
    let row = if umeta_id > 0 { format!(" (usermeta row {umeta_id})") } else { String::new() };
    format!(
        "The {} application passwords of user {} can't be read{row} and were not compared.",
        state.name(),
        named(user)
    )
}

/// `password` among an entry's fields.
const PASSWORD: usize = 3;

fn add_list(owner: Owner, list: &StoredList, hashes: &mut Hashes) {
    for record in list.records() {
        if let Some(stored) = record.text("password") {
            hashes.add(owner, &stored);
        }
    }
}

fn stored_list(context: &mut Context<'_>, user: UserId, state: State) -> Result<StoredList, Error> {
    let mut passwords = context.passwords();
    match state {
        State::Active => passwords.read(user),
        State::Suspended => passwords.read_suspended(user),
    }
}

/// Where a string stood first.
#[derive(Clone, Copy)]
struct Place {
    /// Which of the sources.
    source: usize,
    offset: u64,
    line: u64,
}

/// A file or standard input.
struct Source {
    name: Vec<u8>,
    binary: bool,
}

/// A secret as a key.
#[derive(PartialEq, Eq)]
struct Plain(Zeroizing<Vec<u8>>);

impl Hash for Plain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_slice().hash(state);
    }
}

impl Borrow<[u8]> for Plain {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// What is known of a string that is to be tried on slow hashes.
struct Origin {
    /// Its place among all.
    order: usize,
    place: Place,
    names: Vec<Zeroizing<Vec<u8>>>,
}

/// Strings to try on slow hashes, each once.
#[derive(Default)]
struct Candidates {
    strings: HashMap<Plain, Origin>,
    too_many: bool,
}

impl Candidates {
    fn add(&mut self, finding: &mut Finding<'_>, source: usize) {
        let name = || finding.user.map(|name| Zeroizing::new(name.to_vec()));
        if let Some(origin) = self.strings.get_mut(finding.plain) {
            if let Some(name) =
                name().filter(|name| origin.names.len() < MOST_NAMES && !origin.names.contains(name))
            {
                origin.names.push(name);
            }
            return;
        }
        if self.strings.len() >= MOST_CANDIDATES {
            self.too_many = true;
            return;
        }
        let names = name().into_iter().collect();
        let plain = Plain(Zeroizing::new(finding.plain.to_vec()));
        let place = Place { source, offset: finding.offset, line: finding.line() };
        self.strings.insert(plain, Origin { order: self.strings.len(), place, names });
    }
}

/// Whether no generator writes this: one of 10^13 passwords has digits of base 16 only, and logs are full of them.
fn is_hexadecimal(plain: &[u8]) -> bool {
    plain.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        || plain.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F'))
}

/// What was found: a hash, and where its password stood.
struct Found {
    owner: Owner,
    hash: FoundHash,
    place: Place,
}

#[derive(PartialEq, Eq)]
enum FoundHash {
    Fast(FastDigest),
    Salted(Vec<u8>),
}

impl FoundHash {
    fn is(&self, stored: &[u8]) -> bool {
        match self {
            Self::Fast(digest) => stored_fast_digest(stored).as_ref() == Some(digest),
            Self::Salted(hash) => hash == stored,
        }
    }
}

/// Strings that were seen lately, so that what stands in every line is hashed once. Wiped at the end.
struct Lately(Zeroizing<Vec<[u8; 24]>>);

impl Lately {
    const PLACES: usize = 1 << 12;

    /// Whether this was seen; it is from now on.
    fn seen(&mut self, plain: &[u8]) -> bool {
        let Ok(plain) = <&[u8; 24]>::try_from(plain) else { return false };
        let (words, _) = plain.as_chunks::<8>();
        let mixed = words.iter().fold(0_u64, |mixed, word| {
            (mixed.rotate_left(29) ^ u64::from_le_bytes(*word)).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        let Some(place) = self.0.get_mut((mixed >> 52) as usize % Self::PLACES) else { return false };
        let seen = place == plain;
        *place = *plain;
        seen
    }
}

/// What happens to each string.
struct Search<'h> {
    hashes: &'h Hashes,
    /// Whether strings are kept for slow hashes.
    keep: bool,
    lately: Lately,
    found: Vec<Found>,
    candidates: Candidates,
    /// How many strings there were.
    read: u64,
    sources: Vec<Source>,
}

impl<'h> Search<'h> {
    fn new(hashes: &'h Hashes, slow: bool) -> Self {
        Self {
            hashes,
            keep: slow && hashes.salted() > 0,
            lately: Lately(Zeroizing::new(vec![[0; 24]; Lately::PLACES])),
            found: Vec::new(),
            candidates: Candidates::default(),
            read: 0,
            sources: Vec::new(),
        }
    }

    fn visit(&mut self, mut finding: Finding<'_>) {
        self.read += 1;
        let source = self.sources.len();
        let known = self.keep && self.candidates.strings.contains_key(finding.plain);
        if !known
            && self.hashes.has_fast()
            && (self.keep || !self.lately.seen(finding.plain))
            && let Some(digest) = self.hashes.find_fast(finding.plain)
            && !self.found.iter().any(|found| found.hash == FoundHash::Fast(digest))
        {
            let place = Place { source, offset: finding.offset, line: finding.line() };
            let owners = self.hashes.owners(&digest).into_iter();
            self.found.extend(owners.map(|owner| Found { owner, hash: FoundHash::Fast(digest), place }));
        }
        let stands_out = matches!(finding.form, Form::Url | Form::Basic | Form::Line);
        if self.keep && (stands_out || !is_hexadecimal(finding.plain)) {
            self.candidates.add(&mut finding, source);
        }
    }

    /// Reads a source to its end.
    fn read(
        &mut self,
        scanner: &mut Scanner,
        name: &[u8],
        reader: &mut dyn Read,
        whole_lines: bool,
    ) -> io::Result<()> {
        let scanned = scanner.scan(reader, whole_lines, &mut |finding| self.visit(finding));
        let binary = scanned.as_ref().is_ok_and(|scanned| scanned.binary);
        self.sources.push(Source { name: name.to_vec(), binary });
        scanned.map(drop)
    }
}

impl Source {
    /// `access.log:17`, or `core.bin (byte 4096)`.
    fn place(&self, place: Place) -> Vec<u8> {
        let place =
            if self.binary { format!(" (byte {})", place.offset) } else { format!(":{}", place.line) };
        [self.name.as_slice(), place.as_bytes()].concat()
    }
}

const FILES: &str = "files";
const PACKED_FILES: &str = "packed files";

/// Reads everything that was named. What cannot be read is told and counted.
fn read_sources(args: &Identify, context: &mut Context<'_>, search: &mut Search<'_>, gaps: &mut Gaps) {
    let mut scanner = Scanner::default();
    let mut links = 0;
    let stdin = [PathBuf::from("-")];
    let named = if args.files.is_empty() { &stdin[..] } else { &args.files };
    let fail = |context: &mut Context<'_>, gaps: &mut Gaps, path: &Path, error: io::Error| {
        if gaps.count(FILES) {
            context.out.warning(
                [path.as_os_str().as_bytes(), format!(" could not be read: {error}").as_bytes()].concat(),
            );
        }
    };
    for path in named {
        if path.as_os_str() == "-" {
            if context.interactive && args.files.is_empty() {
                context.out.note("Reading from the terminal; end with Ctrl-D on a line of its own.");
            }
            // Without the buffer of the standard library, which is not wiped.
            let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from);
            let read = stdin.and_then(|stdin| {
                read_file(stdin, Path::new(""), b"stdin", !args.scan, search, &mut scanner, gaps)
            });
            if let Err(error) = read {
                fail(context, gaps, Path::new("Standard input"), error);
            }
            continue;
        }
        let mut files = Files::below(path);
        for file in files.by_ref() {
            let path = match file {
                Ok(path) => path,
                Err((path, error)) => {
                    fail(context, gaps, &path, error);
                    continue;
                }
            };
            let name = path.as_os_str().as_bytes();
            let read = File::open(&path)
                .and_then(|file| read_file(file, &path, name, !args.scan, search, &mut scanner, gaps));
            if let Err(error) = read {
                fail(context, gaps, &path, error);
            }
        }
        links += files.links();
    }
    gaps.sum_up(FILES, |count| {
        format!("{} could not be read", counted(count, "file or folder", "files or folders"))
    });
    gaps.sum_up(PACKED_FILES, |count| {
        format!(
            "{} not unpacked (pipe what is in them into `identify`)",
            counted(count, "packed or encrypted file was", "packed or encrypted files were")
        )
    });
    let many = counted(usize::try_from(links).unwrap_or(usize::MAX), "link was", "links were");
    gaps.add(format!("{many} not followed (name what they lead to)"), links);
}

/// Reads a file to its end; whether it is packed is seen on the way.
fn read_file(
    mut file: File,
    path: &Path,
    name: &[u8],
    whole_lines: bool,
    search: &mut Search<'_>,
    scanner: &mut Scanner,
    gaps: &mut Gaps,
) -> io::Result<()> {
    let mut beginning = Zeroizing::new(Vec::with_capacity(BEGINNING));
    let read = file.by_ref().take(BEGINNING as u64).read_to_end(&mut beginning);
    if is_packed(path, &beginning) {
        gaps.count(PACKED_FILES);
    }
    read?;
    // A terminal whose end was seen would have to be ended once more.
    let rest = if beginning.len() < BEGINNING { 0 } else { u64::MAX };
    search.read(scanner, name, &mut beginning.chain(file.take(rest)), whole_lines)
}

/// Tries strings on the hashes that have a salt.
fn try_salted(
    context: &mut Context<'_>,
    hashes: &mut Hashes,
    candidates: Candidates,
    found: &mut Vec<Found>,
    gaps: &mut Gaps,
) -> Result<(), Error> {
    if candidates.strings.is_empty() {
        return Ok(());
    }
    for (reason, count) in hashes.measure() {
        let many = counted(*count, "hash", "hashes");
        context.out.warning(format!("{many} could not be compared: {reason}."));
        gaps.add(format!("{many} could not be compared ({reason})"), 1);
    }
    let mut strings: Vec<(Plain, Origin)> = candidates.strings.into_iter().collect();
    strings.sort_unstable_by_key(|(_, origin)| origin.order);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let time = hashes
        .cost()
        .mul_f64(strings.len() as f64 / cores.min(strings.len() * hashes.salted().max(1)) as f64);
    if time >= LONG {
        context.out.note(format!(
            "Trying {} on {} takes about {} (--generic-only leaves that out).",
            counted(strings.len(), "string", "strings"),
            counted(hashes.salted(), "slow hash", "slow hashes"),
            roughly(time)
        ));
    }
    // Whose name came with a string is the first to be looked at.
    let mut users: HashMap<&[u8], Option<UserId>> = HashMap::new();
    let mut first = Vec::new();
    for (index, (plain, origin)) in strings.iter().enumerate() {
        for name in &origin.names {
            let user = match users.get(name.as_slice()) {
                Some(user) => *user,
                None => {
                    let user = user_of_name(context, name)?;
                    users.insert(name, user);
                    user
                }
            };
            if let Some(user) = user {
                first.push((index, Attempt { plain: &plain.0, only: Some(user) }));
            }
        }
    }
    let bar = Progress::new(context.out.terminal().stderr_is_terminal);
    let mut progress = |done, total| bar.set(done, total);
    let (places, attempts): (Vec<usize>, Vec<Attempt<'_>>) = first.into_iter().unzip();
    let matches = hashes.try_salted(&attempts, &mut progress).into_iter();
    let mut matched: Vec<(usize, Owner, Vec<u8>)> =
        matches.filter_map(|(attempt, owner, hash)| Some((*places.get(attempt)?, owner, hash))).collect();
    let known: HashSet<usize> = matched.iter().map(|(place, ..)| *place).collect();
    let rest = strings.iter().enumerate().filter(|(index, _)| !known.contains(index));
    let (places, attempts): (Vec<usize>, Vec<Attempt<'_>>) =
        rest.map(|(index, (plain, _))| (index, Attempt { plain: &plain.0, only: None })).unzip();
    let matches = hashes.try_salted(&attempts, &mut progress).into_iter();
    matched.extend(matches.filter_map(|(attempt, owner, hash)| Some((*places.get(attempt)?, owner, hash))));
    for (place, owner, hash) in matched {
        if let Some((_, origin)) = strings.get(place) {
            found.push(Found { owner, hash: FoundHash::Salted(hash), place: origin.place });
        }
    }
    Ok(())
}

fn roughly(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..120 => format!("{seconds} seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// WordPress: whoever authenticates gives a login or an e-mail address.
fn user_of_name(context: &mut Context<'_>, name: &[u8]) -> Result<Option<UserId>, Error> {
    let login = sanitize::sanitize_user(name);
    if login.is_empty() {
        return Ok(None);
    }
    let user = match context.passwords().find_user(UserField::Login(&login))? {
        None if sanitize::is_email(name) => context.passwords().find_user(UserField::Email(name))?,
        user => user,
    };
    Ok(user.map(|user| user.id))
}

/// An entry whose password was found.
struct Credential {
    user: User,
    state: State,
    uuid: Vec<u8>,
    name: Vec<u8>,
    place: Vec<u8>,
    /// How many entries before it in its list have the same uuid.
    copies_before: usize,
}

impl Item for Credential {
    fn field(&self, name: &str) -> Option<Value<'_>> {
        Some(match name {
            "user_id" => Value::Int(self.user.id.0.cast_signed()),
            "user_login" => Value::text(&self.user.login),
            "uuid" => Value::text(&self.uuid),
            "name" => Value::text(&self.name),
            "state" => Value::text(self.state.name()),
            "where" => Value::text(&self.place),
            _ => return None,
        })
    }
}

/// Looks the entries up that what was found belongs to.
fn credentials(
    context: &mut Context<'_>,
    found: &[Found],
    sources: &[Source],
) -> Result<Vec<Credential>, Error> {
    let mut by_owner: BTreeMap<Owner, Vec<&Found>> = BTreeMap::new();
    for found in found {
        by_owner.entry(found.owner).or_default().push(found);
    }
    let mut credentials = Vec::new();
    for (Owner { user: id, state }, found) in by_owner {
        let nobody = || User { id, login: Vec::new(), email: Vec::new() };
        let user = context.passwords().find_user(UserField::Id(id))?.unwrap_or_else(nobody);
        let list = stored_list(context, id, state)?;
        let before = credentials.len();
        let mut uuids: Vec<Vec<u8>> = Vec::new();
        for record in list.records() {
            let uuid = record.text("uuid").unwrap_or_default().into_owned();
            let stored = record.text("password").unwrap_or_default();
            if let Some(found) = found.iter().find(|found| found.hash.is(&stored)) {
                let name = match record.get("name") {
                    Some(View::Str(name)) => name.into_owned(),
                    Some(View::Int(number)) => number.to_string().into_bytes(),
                    _ => Vec::new(),
                };
                credentials.push(Credential {
                    user: user.clone(),
                    state,
                    name,
                    place: sources
                        .get(found.place.source)
                        .map_or_else(Vec::new, |source| source.place(found.place)),
                    copies_before: uuids.iter().filter(|other| **other == uuid).count(),
                    uuid: uuid.clone(),
                });
            }
            uuids.push(uuid);
        }
        if credentials.len() == before {
            context.out.warning(format!(
                "An application password of user {} was among what was read, but somebody has removed it meanwhile.",
                named(&user)
            ));
        }
    }
    Ok(credentials)
}

/// Prints the rows; an empty table is left out.
fn show(args: &Identify, context: &mut Context<'_>, rows: &[Credential]) -> Result<(), Error> {
    let request = args.columns.request(args.format.as_deref(), &FIELDS)?;
    if rows.is_empty() && request.format == Format::Table {
        return Ok(());
    }
    Ok(output::display_items(context.out, &request, rows)?)
}

/// Revokes what was found, one user's list after another.
fn revoke(args: &Identify, context: &mut Context<'_>, rows: &[Credential]) -> Result<Outcome, Error> {
    let these = counted(rows.len(), "application password", "application passwords");
    if !args.yes && !context.confirm(&format!("Revoke {these}?"))? {
        return Err(Error::Declined);
    }
    context.prepare_write()?;
    let lists: Vec<&[Credential]> =
        rows.chunk_by(|a, b| a.user.id == b.user.id && a.state == b.state).collect();
    let mut failed = 0;
    for list in &lists {
        let told = context.journal.failures();
        let ready = context.journal_is_ready();
        let outcome = ready.and_then(|()| revoke_list(context, list)).inspect_err(|error| {
            context.note_failure(told, list.first().map(|entry| &entry.user), error);
        });
        match outcome {
            // Rows are for programs: what was done is told beside them.
            Ok(done) if args.format.as_deref().is_none_or(|format| format == "table") => {
                context.out.success(format!("{done}."))?;
            }
            Ok(done) => context.out.note(format!("{done}.")),
            Err(error) if lists.len() == 1 => return Err(error),
            Err(error) => {
                failed += 1;
                context.out.error(error.message());
            }
        }
    }
    Ok(match failed {
        0 => Outcome::Done,
        _ if failed == lists.len() => Outcome::No,
        _ => Outcome::SomeFailed,
    })
}

/// Revokes entries of one list; a sentence without its full stop.
fn revoke_list(context: &mut Context<'_>, list: &[Credential]) -> Result<String, Error> {
    let Some(Credential { user, state, .. }) = list.first() else { return Ok(String::new()) };
    if list.iter().any(|entry| entry.uuid.is_empty()) {
        return Err(Error::Uneditable {
            user: named(user),
            reason: "one of those that were found has no uuid (it is older than WordPress 5.6); `revoke-all` removes it"
                .into(),
        });
    }
    // Of copied entries the first goes first: it takes as many turns as there are before the one that was found.
    let uuids: Vec<&[u8]> = list
        .iter()
        .flat_map(|entry| std::iter::repeat_n(entry.uuid.as_slice(), entry.copies_before + 1))
        .collect();
    let mut passwords = context.passwords();
    let is_being_moved = passwords.read_suspended(user.id)?.is_being_moved();
    let (found, trouble) = match state {
        // A resumption takes it for an older list that WordPress wrote back, as long as there is a copy.
        _ if is_being_moved => (passwords.delete_and_erase(user, &uuids)?, passwords.take_trouble()),
        State::Active => (passwords.delete(user, &uuids)?, passwords.take_trouble()),
        // It did not authenticate before either, whatever an object cache holds.
        State::Suspended => (passwords.delete_suspended(user, &uuids)?, None),
    };
    // Somebody may have begun to move it meanwhile.
    let trouble = match passwords.outlast_mover(user)? {
        true => {
            passwords.delete_and_erase(user, &uuids)?;
            trouble.or(passwords.take_trouble())
        }
        false => trouble,
    };
    let concerns = passwords.take_concerns();
    context.warn_of(concerns);
    let gone = found.iter().filter(|found| **found).count();
    let suspended = if *state == State::Suspended { "suspended " } else { "" };
    let done = format!(
        "Revoked {} of user {}",
        counted(
            gone,
            &format!("{suspended}application password"),
            &format!("{suspended}application passwords")
        ),
        named(user)
    );
    if *state == State::Active {
        context.check_revocation(trouble, &done)?;
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_lately_is_known() {
        let mut lately = Lately(Zeroizing::new(vec![[0; 24]; Lately::PLACES]));
        for plain in [b"abcdEFGH1234ijklMNOP5678", b"abcdEFGH1234ijklMNOP5679"] {
            assert!(!lately.seen(plain));
            assert!(lately.seen(plain));
        }
        assert!(!lately.seen(b"short") && !lately.seen(b"short"));
    }

    #[test]
    fn identifiers_are_told_from_passwords() {
        for plain in ["5f1c9f2e7b1d4c579d5b6b1a", "012345678901234567890123", "5F1C9F2E7B1D4C579D5B6B1A"] {
            assert!(is_hexadecimal(plain.as_bytes()), "{plain}");
        }
        assert!(!is_hexadecimal(b"5f1c9f2e7b1d4C579d5b6b1a") && !is_hexadecimal(b"abcdEFGH1234ijklMNOP5678"));
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        let told = [1, 119, 120, 7_200, 200_000].map(|seconds| roughly(Duration::from_secs(seconds)));
        assert_eq!(told, ["1 seconds", "119 seconds", "2 minutes", "2 hours", "2 days"]);
    }
}
