//! The trail of what this program changed: to the system's log, and to a file of JSON lines.
//!
//! WordPress's hooks do not fire for what is written straight into its database, so this is where a change leaves its
//! mark. A record says who changed what and when, never a password or a hash. A machine without a system log is
//! nothing to talk about: mirrored verbs print what WP-CLI prints and no more. Knows no database and no terminal.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

/// Where the system's log listens.
pub const SYSTEM_LOG: &str = "/dev/log";

/// Facility authpriv, severity notice: `facility * 8 + severity`, RFC 3164.
const PRIORITY: u8 = 10 * 8 + 5;

/// Texts are cut there: a record stays one datagram and one write.
const LONGEST_TEXT: usize = 300;

/// What names the job of a CI system.
pub const CI_VARIABLES: [&str; 9] = [
    "GITHUB_REPOSITORY",
    "GITHUB_RUN_ID",
    "GITHUB_ACTOR",
    "CI_JOB_URL",
    "GITLAB_USER_LOGIN",
    "BUILD_URL",
    "CIRCLE_BUILD_URL",
    "BUILDKITE_BUILD_URL",
    "DRONE_BUILD_LINK",
];

/// What one record is about.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// `create`, `revoke`, `suspend`, …
    pub action: &'a str,
    /// `users.ID` of whose entry it is.
    pub user_id: u64,
    /// `user_login` of the same.
    pub user_login: &'a [u8],
    /// The entry's uuid.
    pub uuid: &'a [u8],
    /// The entry's name.
    pub name: &'a [u8],
    /// `done`, or what else became of it.
    pub outcome: &'a str,
}

/// The same for all records of a run.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// The verb.
    pub command: String,
    /// `SUDO_USER`: says who became the user that this process runs as. Whoever starts a process sets its variables.
    pub sudo_user: Option<String>,
    /// Those of [`CI_VARIABLES`] that are set.
    pub ci: Vec<(String, String)>,
}

/// The journal of one run. Nothing is opened before something is to be changed.
#[derive(Debug, Default)]
pub struct Journal {
    file: Option<PathBuf>,
    system_log: Option<PathBuf>,
    run: Run,
    state: RefCell<State>,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    file: Option<File>,
    socket: Option<UnixDatagram>,
    /// `site` and `database`.
    place: (String, String),
    trouble: Option<String>,
    /// The file does not end with a line's end: somebody's disk was full.
    torn: bool,
    /// Records of what did not go well.
    failures: usize,
}

/// The outcome of a change that was made.
pub const DONE: &str = "done";

/// What was done where a change was not made.
pub const NOTHING: &str = "none";

/// With `--journal-required`, room for so many bytes is made before anything of a user is changed: some hundred records.
const ROOM: u64 = 256 << 10;

impl Journal {
    /// `file`: gets a line of JSON for each record. `system_log`: the socket of the system's log.
    pub fn new(file: Option<PathBuf>, system_log: Option<PathBuf>, run: Run) -> Self {
        Self { file, system_log, run, state: RefCell::default() }
    }

    /// The file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether [`Self::open`] was called.
    pub fn is_open(&self) -> bool {
        self.state.borrow().is_open
    }

    /// Opens what records go to; why the file cannot be opened is a [`Self::take_trouble`].
    ///
    /// `site`: its address. `database`: where it lies; no secret is in either. `makes_room`: a full disk shows now.
    pub fn open(&self, site: String, database: String, makes_room: bool) {
        let mut state = self.state.borrow_mut();
        state.place = (site, database);
        if std::mem::replace(&mut state.is_open, true) {
            return;
        }
        if let Some(path) = &self.file {
            match open_file(path)
                .and_then(|file| if makes_room { make_room(&file).map(|()| file) } else { Ok(file) })
            {
                Ok(file) => {
                    state.torn = is_torn(path, &file);
                    state.file = Some(file);
                }
                Err(error) => state.trouble = Some(error.to_string()),
            }
        }
        // Without a system log, or with one that is stuck, there is nothing to say and nothing to wait for.
        if self.system_log.is_some()
            && let Ok(socket) = UnixDatagram::unbound()
            && socket.set_write_timeout(Some(Duration::from_millis(500))).is_ok()
        {
            state.socket = Some(socket);
        }
    }

    /// Why the file misses a record: a clause.
    pub fn take_trouble(&self) -> Option<String> {
        self.state.borrow_mut().trouble.take()
    }

    /// Why one more record would be missing, or one is already: a clause. Takes hold of room for it.
    pub fn lacks_room(&self) -> Option<String> {
        let state = self.state.borrow();
        let full = || make_room(state.file.as_ref()?).err().map(|error| error.to_string());
        state.trouble.clone().or_else(full)
    }

    /// How many records there are of what did not go well.
    pub fn failures(&self) -> usize {
        self.state.borrow().failures
    }

    /// Writes a record of a change that was not made.
    ///
    /// `user_id`, `user_login`: whose entries; 0 and nothing where it is not about one user.
    pub fn failure(&self, user_id: u64, user_login: &[u8], outcome: &str) {
        self.record(&Event { action: NOTHING, user_id, user_login, uuid: b"", name: b"", outcome });
    }

    /// Writes one record.
    pub fn record(&self, event: &Event<'_>) {
        let mut state = self.state.borrow_mut();
        state.failures += usize::from(event.outcome != DONE);
        let mut line = self.line(&state, event);
        if let (Some(socket), Some(path)) = (&state.socket, &self.system_log) {
            // No time: who receives it knows when that was, and would take another zone's for its own.
            let head = format!("<{PRIORITY}>wp-app-password[{}]: ", std::process::id());
            // Nobody who runs a mirrored verb expects a word about it.
            let sent = socket.send_to([head.as_bytes(), line.as_bytes()].concat().as_slice(), path);
            // One that hangs must not hold up a revocation with each record: the object cache is told after them.
            if sent.is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
                state.socket = None;
            }
        }
        let State { file: Some(file), torn, .. } = &mut *state else { return };
        line.push('\n');
        if *torn {
            line.insert(0, '\n');
        }
        // One write, so that lines of several runs do not mix.
        let trouble = match file.write(line.as_bytes()) {
            Ok(written) if written == line.len() => {
                *torn = false;
                None
            }
            Ok(written) => {
                *torn |= written > 0;
                Some("a record was written in part only; is the disk full?".to_owned())
            }
            Err(error) => Some(error.to_string()),
        };
        if trouble.is_some() {
            state.trouble = trouble;
        }
    }

    fn line(&self, state: &State, event: &Event<'_>) -> String {
        let text = |bytes: &[u8]| Value::from(cut(&String::from_utf8_lossy(bytes)));
        let uid = rustix::process::getuid().as_raw();
        let optional = |text: Option<&str>| text.map_or(Value::Null, |text| Value::from(cut(text)));
        let ci: serde_json::Map<String, Value> =
            self.run.ci.iter().map(|(name, value)| (name.clone(), Value::from(cut(value)))).collect();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let (site, database) = &state.place;
        let fields = [
            ("time", Value::from(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())),
            ("host", Value::from(host)),
            ("pid", Value::from(std::process::id())),
            ("uid", Value::from(uid)),
            ("login", optional(login(uid).as_deref())),
            ("sudo_user", optional(self.run.sudo_user.as_deref())),
            ("ci", if ci.is_empty() { Value::Null } else { Value::Object(ci) }),
            ("site", Value::from(cut(site))),
            ("database", Value::from(cut(database))),
            ("command", Value::from(self.run.command.as_str())),
            ("action", Value::from(event.action)),
            ("user_id", Value::from(event.user_id)),
            ("user_login", text(event.user_login)),
            ("uuid", text(event.uuid)),
            ("name", text(event.name)),
            ("outcome", Value::from(cut(event.outcome))),
        ];
        let mut line = String::from("{");
        for (number, (key, value)) in fields.iter().enumerate() {
            if number > 0 {
                line.push(',');
            }
            line.push_str(&format!("\"{key}\":"));
            escape(&value.to_string(), &mut line);
        }
        line.push('}');
        line
    }
}

/// Opens the file, or makes it. A pipe that nobody reads is an error and nothing to wait for.
fn open_file(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)
}

/// Takes hold of some room behind the file's end, which stays where it is. What cannot say whether there is room, such as a
/// device, says it with the first record.
fn make_room(file: &File) -> std::io::Result<()> {
    use rustix::fs::{FallocateFlags, fallocate};
    use rustix::io::Errno;
    match fallocate(file, FallocateFlags::KEEP_SIZE, file.metadata()?.len(), ROOM) {
        Err(full @ (Errno::NOSPC | Errno::DQUOT | Errno::FBIG)) => Err(full.into()),
        _ => Ok(()),
    }
}

/// Whether the last line was not written to its end. A file that may not be read is taken for whole.
fn is_torn(path: &Path, file: &File) -> bool {
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let Some(reader) = is_file.then(|| File::open(path).ok()).flatten() else { return false };
    // Another run may be at it: a record that is being written is whole a moment later.
    (0..3).all(|look| {
        if look > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut last = [b'\n'];
        let end = reader.metadata().map_or(0, |metadata| metadata.len());
        end > 0 && reader.read_at(&mut last, end - 1).is_ok() && last != *b"\n"
    })
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// JSON leaves the controls behind ASCII, line separators and what turns text around as they are; a terminal or a log
/// viewer need not.
fn escape(json: &str, line: &mut String) {
    for character in json.chars() {
        let hidden = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{61c}');
        if character.is_control() || hidden {
            line.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            line.push(character);
        }
    }
}

/// The name of a user of this machine, where `/etc/passwd` has it.
fn login(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let number = uid.to_string();
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_one_line_whatever_a_name_holds() {
        let journal = Journal::new(None, None, Run { command: "delete".into(), ..Run::default() });
        let name = "a\n\u{1b}[31m\u{9b}\u{202e}\"\\\u{7f}\u{2028}é".as_bytes();
        let event = Event {
            action: "revoke",
            user_id: 5,
            user_login: b"\xff",
            uuid: &[b'x'; 1_000],
            name,
            outcome: "done",
        };
        let line = journal.line(&State::default(), &event);
        assert!(line.chars().all(|c| !c.is_control() && c != '\u{202e}' && c != '\u{2028}'), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["name"].as_str().unwrap().as_bytes(), name);
        assert_eq!(read["user_login"], "\u{fffd}");
        assert_eq!(read["uuid"].as_str().unwrap().chars().count(), LONGEST_TEXT + 1);
        assert_eq!(read["ci"], Value::Null);
        assert!(line.len() < 2_000);
    }
}
