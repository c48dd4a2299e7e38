//! What goes wrong in the middle: afterwards the database holds the old list or the new one, whole, and the exit
//! code and the sentence say which.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mysql::prelude::Queryable;
use rand::RngExt;
use wp_app_password::application_passwords::{Aftercare, ApplicationPasswords, NewEntry, Rules, Watch};
use wp_app_password::store::{self, Address, Autoload, MysqlAddress, SslMode, Tables, User, UserId};
use wp_app_password::wordpress::password_hash::{Era, Verdict, verify};

use crate::proxy::{Next, Proxy, Side, contains, error_packet};
use crate::rig::{self, Database, Rig, Template};

const FIRST: &str = "11111111-1111-4111-8111-111111111111";
const SECOND: &str = "22222222-2222-4222-8222-222222222222";
const VERBS: [&str; 5] = ["create", "delete", "update", "record-usage", "revoke-all"];

/// Those of the matrices. A rotation is several writes, so it has a state in between.
const COLUMNS: [&str; 6] = ["create", "delete", "update", "record-usage", "revoke-all", "rotate"];

/// The list that every run starts from: two entries.
fn old_list() -> String {
    let entry = |index: usize, uuid: &str, name: &str| {
        format!(
            "i:{index};a:7:{{s:4:\"uuid\";s:36:\"{uuid}\";s:6:\"app_id\";s:0:\"\";s:4:\"name\";s:{}:\"{name}\";s:8:\"password\";s:4:\"hash\";s:7:\"created\";i:1700000000;s:9:\"last_used\";N;s:7:\"last_ip\";N;}}",
            name.len()
        )
    };
    format!("a:2:{{{}{}}}", entry(0, FIRST, "one"), entry(1, SECOND, "two"))
}

/// The users' rows, reached beside the proxy.
struct Rows {
    connection: mysql::Conn,
    table: String,
}

impl Rows {
    fn of(database: &Database) -> Self {
        let server = database.server;
        let options = mysql::OptsBuilder::new()
            .user(Some("wp"))
            .pass(Some(&server.users["wp"]))
            .db_name(Some(&database.name))
            .socket(server.socket.to_str());
        Self { connection: mysql::Conn::new(options).unwrap(), table: format!("{}usermeta", database.prefix) }
    }

    fn reset(&mut self, user: u64) {
        let table = &self.table;
        self.connection
            .query_drop(format!(
                "DELETE FROM {table} WHERE user_id = {user} AND meta_key = '_application_passwords'"
            ))
            .unwrap();
        let insert = format!(
            "INSERT INTO {table} (user_id, meta_key, meta_value) VALUES ({user}, '_application_passwords', ?)"
        );
        self.connection.exec_drop(insert, (old_list(),)).unwrap();
    }

    /// The value of the one row that there must be.
    fn value(&mut self, user: u64) -> String {
        let values: Vec<String> = self
            .connection
            .query(format!(
                "SELECT meta_value FROM {} WHERE user_id = {user} AND meta_key = '_application_passwords'",
                self.table
            ))
            .unwrap();
        assert_eq!(values.len(), 1, "rows of user {user}");
        values.into_iter().next().unwrap()
    }
}

/// What a list is, seen from the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Old,
    /// A rotation: the new entry and the old one.
    Between,
    New,
}

/// Which of the two whole lists this is; anything else ends the test.
fn state(verb: &str, value: &str) -> State {
    if value == old_list() {
        return State::Old;
    }
    let entries = value.matches("s:4:\"uuid\";s:36:").count();
    let holds = match verb {
        "create" => {
            value.starts_with("a:3:{") && entries == 3 && value.contains(FIRST) && value.contains(SECOND)
        }
        "delete" => value.starts_with("a:1:{i:1;") && entries == 1 && value.contains(SECOND),
        "update" => value.starts_with("a:2:{") && value.contains("s:3:\"new\"") && value.contains(SECOND),
        "record-usage" => value.contains("s:9:\"127.0.0.1\"") && entries == 2,
        "revoke-all" => value == "a:0:{}",
        "rotate" => {
            let has_old = value.contains(&format!("s:4:\"uuid\";s:36:\"{FIRST}\""));
            let undelivered = value.contains("s:11:\"undelivered\"");
            if has_old && undelivered && entries == 3 && value.contains(SECOND) {
                return State::Between;
            }
            !has_old && !undelivered && entries == 2 && value.contains(SECOND)
        }
        other => panic!("{other}"),
    };
    assert!(holds && value.ends_with('}'), "{verb} left {value}");
    State::New
}

fn address(database: &Database, port: u16) -> MysqlAddress {
    MysqlAddress {
        host: "127.0.0.1".into(),
        port,
        socket: None,
        user: "wp".into(),
        password: wp_app_password::secret::DatabasePassword::new(
            database.server.users["wp"].clone().into_bytes(),
        ),
        database: database.name.clone(),
        charset: "utf8mb4".into(),
        ssl_mode: SslMode::Disabled,
        ssl_ca: None,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(20),
    }
}

/// Does what a verb does, in this process. `Err` is the sentence.
fn perform(verb: &str, address: &MysqlAddress, user: u64) -> Result<(), String> {
    let tables = Tables { multisite: Some(false), ..Tables::default() };
    let mut store = store::open(&Address::Mysql(address.clone()), &tables)
        .map_err(|error| format!("not opened: {error}"))?;
    let user = User { id: UserId(user), login: b"somebody".to_vec(), email: Vec::new() };
    // One look: a lost connection is else a reason to watch for a second, and there are thousands.
    let aftercare = Aftercare { watch: Watch::For(Duration::ZERO), ..Aftercare::default() };
    let mut passwords = ApplicationPasswords::new(store.as_mut(), false, aftercare);
    let rules = Rules { unique_names: false, sanitize_names: true, autoload: Autoload::Off };
    match verb {
        "create" => {
            let mut entry = NewEntry {
                name: b"three".to_vec(),
                app_id: Vec::new(),
                password: b"hash".to_vec(),
                uuid: "33333333-3333-4333-8333-333333333333".into(),
                created: 1_700_000_001,
                successor: None,
                terms: Default::default(),
            };
            passwords.create(&user, &mut entry, rules)
        }
        "delete" => passwords.delete(&user, &[FIRST.as_bytes()]).map(|found| assert_eq!(found, [true])),
        "update" => passwords.update(&user, FIRST.as_bytes(), Some(b"new"), &Default::default(), rules),
        "record-usage" => passwords.record_usage(&user, FIRST.as_bytes(), 1_800_000_000, b"127.0.0.1"),
        "revoke-all" => passwords.delete_all(&user).map(|count| assert_eq!(count, 2)),
        other => panic!("{other}"),
    }
    .map_err(|error| error.to_string())
}

/// Cuts the first connection after `count` bytes of one side, and forwards what comes later.
fn cut_after(database: &Database, of_client: bool, count: usize) -> (Proxy, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let (counted, cut) = (seen.clone(), AtomicBool::new(false));
    let proxy = Proxy::start(database.server, move |side| {
        let bytes = match (side, of_client) {
            (Side::Client(bytes), true) | (Side::Server(bytes), false) => bytes,
            _ => return Next::Forward,
        };
        if cut.load(Ordering::SeqCst) {
            return Next::Forward;
        }
        let before = counted.fetch_add(bytes.len(), Ordering::SeqCst);
        if before + bytes.len() < count {
            return Next::Forward;
        }
        cut.store(true, Ordering::SeqCst);
        bytes.truncate(count - before);
        Next::Cut
    });
    (proxy, seen)
}

/// A connection that is cut after every count of bytes in turn, in both directions.
fn cut_at_every_byte(rig: &'static Rig, verb: &'static str, step: usize) {
    let database = rig.fresh_mariadb_database(Template::InnoDb);
    // The flag is there, as on every site with application passwords.
    database.sql("INSERT INTO wp_options (option_name, option_value, autoload) VALUES ('using_application_passwords', '1', 'off')");
    let mut rows = Rows::of(&database);
    let user = 1000;
    let mut counts: BTreeMap<(bool, State, bool), u32> = BTreeMap::new();
    let mut runs = 0;
    for of_client in [true, false] {
        rows.reset(user);
        let (proxy, seen) = cut_after(&database, of_client, usize::MAX);
        perform(verb, &address(&database, proxy.port), user).unwrap();
        let total = seen.load(Ordering::SeqCst);
        assert!(total > 500, "{verb}: {total} bytes");
        for count in (0..=total).step_by(step) {
            rows.reset(user);
            let (proxy, _) = cut_after(&database, of_client, count);
            let outcome = perform(verb, &address(&database, proxy.port), user);
            let state = state(verb, &rows.value(user));
            runs += 1;
            match &outcome {
                Ok(()) => {
                    assert_eq!(state, State::New, "{verb}, byte {count}, client {of_client}: a false success")
                }
                // The only failure that a second connection does not mend: the first was never made.
                Err(error) => {
                    assert!(error.starts_with("not opened: "), "{verb}, byte {count}: {error}");
                    assert_eq!(state, State::Old, "{verb}, byte {count}: {error}");
                }
            }
            *counts.entry((of_client, state, outcome.is_ok())).or_default() += 1;
        }
    }
    println!("{verb}: {runs} cuts; (bytes of the client, state, success): {counts:?}");
    assert!(counts.keys().any(|(_, state, ok)| *state == State::New && *ok));
}

macro_rules! every_byte {
    ($($test:ident = $verb:literal, $step:literal;)*) => {
        $(#[test]
        fn $test() {
            let Some(rig) = rig::require() else { return };
            cut_at_every_byte(rig, $verb, $step);
        })*
    };
}

every_byte! {
    a_create_that_is_cut_after_any_byte_is_whole = "create", 1;
    a_delete_that_is_cut_after_any_byte_is_whole = "delete", 1;
    an_update_that_is_cut_after_any_byte_is_whole = "update", 3;
    a_recorded_use_that_is_cut_after_any_byte_is_whole = "record-usage", 3;
    a_revoke_all_that_is_cut_after_any_byte_is_whole = "revoke-all", 3;
}

fn arguments(verb: &str) -> Vec<&str> {
    match verb {
        "create" => vec!["create", "2", "three", "--porcelain", "--hash=phpass"],
        "delete" => vec!["delete", "2", FIRST],
        "update" => vec!["update", "2", FIRST, "--name=new"],
        "record-usage" => vec!["record-usage", "2", FIRST],
        "revoke-all" => vec!["revoke-all", "2", "--yes"],
        "rotate" => vec!["rotate", "2", FIRST, "--porcelain", "--hash=phpass", "--no-live"],
        other => panic!("{other}"),
    }
}

/// Judges one run: what it said must be true. Returns the cell of the table.
fn judge(fault: &str, verb: &str, output: &Output, value: &str) -> String {
    let state = state(verb, value);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let told = format!("{fault}, {verb}: {:?}\n{stdout}{stderr}{value}", output.status);
    if matches!(verb, "create" | "rotate") && stdout.len() == 25 {
        let works = value.split("s:8:\"password\";s:34:\"").skip(1).any(|rest| {
            verify(stdout.trim().as_bytes(), &rest.as_bytes()[..34], Era::Since68) == Verdict::Match
        });
        assert!(works, "a printed password does not work: {told}");
    }
    match (output.status.code(), state) {
        (Some(0), State::New) => "done".into(),
        (Some(1), State::Old) => {
            assert!(stderr.starts_with("Error: ") && !stdout.contains("Success"), "{told}");
            "error, unchanged".into()
        }
        (Some(1), State::Between) => {
            let delivered = stdout.len() == 25;
            let honest = if delivered {
                ["works and was", "is still there"]
            } else {
                ["revoke it: delete 2 ", "Nobody"]
            };
            assert!(honest.iter().any(|words| stderr.contains(words)), "{told}");
            "error, both, says so".into()
        }
        (Some(1), State::New) => {
            if stderr.contains("may or may not be saved") {
                let look = if verb == "create" { "revoke it: delete 2 " } else { "Look with `list 2`" };
                assert!(stderr.contains(look) && stderr.contains("`list 2`"), "{told}");
            }
            let honest =
                ["may or may not be saved", "could not be confirmed", "revoke it: delete", "is not known"];
            assert!(honest.iter().any(|words| stderr.contains(words)), "{told}");
            assert!(!stdout.contains("Success"), "{told}");
            "error, saved, says so".into()
        }
        // Killed.
        (None, State::Old) => "killed, unchanged".into(),
        (None, State::Between) => "killed, both work".into(),
        (None, State::New) => "killed, saved".into(),
        _ => panic!("{told}"),
    }
}

/// What happens to one run: the command, and the database beside it.
struct Fault {
    name: &'static str,
    what: What,
}

enum What {
    /// Every command that contains these bytes is answered with an error of this code and sentence, so many times.
    Answers(&'static [u8], u16, &'static str, usize),
    Happens(fn(&'static Rig, &Database, Command) -> Output),
}

impl Fault {
    fn run(&self, rig: &'static Rig, database: &Database, command: Command) -> Output {
        match self.what {
            What::Answers(text, code, message, times) => {
                through(database, &answers(database, text, code, message, times), command)
            }
            What::Happens(run) => run(rig, database, command),
        }
    }
}

fn through(database: &Database, proxy: &Proxy, mut command: Command) -> Output {
    let password = &database.server.users["wp"];
    command.env(
        "WP_APP_PASSWORD_DB",
        format!("mysql://wp:{password}@127.0.0.1:{}/{}?ssl-mode=disabled", proxy.port, database.name),
    );
    command.output().unwrap()
}

/// Does something to the first command that contains `text`; `later` to everything after it.
fn at(
    database: &Database,
    text: &'static [u8],
    first: fn(&mut Vec<u8>) -> Next,
    later: Option<fn() -> Next>,
) -> Proxy {
    let hit = AtomicBool::new(false);
    Proxy::start(database.server, move |side| {
        if hit.load(Ordering::SeqCst) {
            let Some(later) = later else { return Next::Forward };
            let (Side::Client(bytes) | Side::Server(bytes)) = side;
            bytes.clear();
            return later();
        }
        match side {
            Side::Client(bytes) if contains(bytes, text) => {
                hit.store(true, Ordering::SeqCst);
                first(bytes)
            }
            _ => Next::Forward,
        }
    })
}

fn lose(bytes: &mut Vec<u8>) -> Next {
    bytes.clear();
    Next::Cut
}

/// Answers every command that contains `text` with a server's error.
fn answers(
    database: &Database,
    text: &'static [u8],
    code: u16,
    message: &'static str,
    times: usize,
) -> Proxy {
    let count = AtomicUsize::new(0);
    Proxy::start(database.server, move |side| match side {
        Side::Client(bytes) if contains(bytes, text) && count.fetch_add(1, Ordering::SeqCst) < times => {
            Next::Answer(error_packet(code, message))
        }
        _ => Next::Forward,
    })
}

const FAULTS: &[Fault] = &[
    Fault {
        name: "an idle connection was closed by a proxy",
        what: What::Happens(|_, database, command| {
            through(database, &at(database, b"START TRANSACTION", lose, None), command)
        }),
    },
    Fault {
        name: "cut before the change arrived",
        what: What::Happens(|_, database, command| {
            through(database, &at(database, b"UPDATE `", lose, None), command)
        }),
    },
    Fault {
        name: "cut before COMMIT arrived",
        what: What::Happens(|_, database, command| {
            through(database, &at(database, b"COMMIT", lose, None), command)
        }),
    },
    Fault {
        name: "cut after COMMIT, its answer lost",
        what: What::Happens(|_, database, command| {
            let hit = AtomicBool::new(false);
            let cut = AtomicBool::new(false);
            let proxy = Proxy::start(database.server, move |side| match side {
                Side::Client(bytes) => {
                    if contains(bytes, b"COMMIT") {
                        hit.store(true, Ordering::SeqCst);
                    }
                    Next::Forward
                }
                Side::Server(bytes) if hit.load(Ordering::SeqCst) && !cut.swap(true, Ordering::SeqCst) => {
                    lose(bytes)
                }
                Side::Server(_) => Next::Forward,
            });
            through(database, &proxy, command)
        }),
    },
    Fault {
        name: "COMMIT's answer lost, and the server gone",
        what: What::Happens(|_, database, command| {
            let hit = AtomicBool::new(false);
            let proxy = Proxy::start(database.server, move |side| match side {
                Side::Client(bytes) if contains(bytes, b"COMMIT") => {
                    hit.store(true, Ordering::SeqCst);
                    Next::Forward
                }
                Side::Client(bytes) | Side::Server(bytes) if hit.load(Ordering::SeqCst) => lose(bytes),
                _ => Next::Forward,
            });
            through(database, &proxy, command)
        }),
    },
    Fault {
        name: "a failover to a server without the commit",
        what: What::Happens(|rig, database, command| {
            // Right after COMMIT was answered, the older list is there again and the connection ends.
            let committed = AtomicBool::new(false);
            let failed_over = AtomicBool::new(false);
            let name = database.name.clone();
            let proxy = Proxy::start(database.server, move |side| match side {
                Side::Client(bytes) if contains(bytes, b"COMMIT") => {
                    committed.store(true, Ordering::SeqCst);
                    Next::Forward
                }
                Side::Client(bytes)
                    if committed.load(Ordering::SeqCst) && !failed_over.swap(true, Ordering::SeqCst) =>
                {
                    rig.sql(
                        &rig.mariadb,
                        &name,
                        &format!(
                            "UPDATE wp_usermeta SET meta_value = '{}' WHERE user_id = 2 AND meta_key = '_application_passwords'",
                            old_list()
                        ),
                    );
                    lose(bytes)
                }
                _ => Next::Forward,
            });
            through(database, &proxy, command)
        }),
    },
    Fault { name: "a deadlock, three times", what: What::Answers(b"UPDATE `", 1213, "Deadlock found", 3) },
    Fault {
        name: "a lock that is never released",
        what: What::Answers(b"UPDATE `", 1205, "Lock wait timeout exceeded", usize::MAX),
    },
    Fault {
        name: "Galera refuses the certification, twice",
        what: What::Answers(b"COMMIT", 1213, "WSREP detected deadlock", 2),
    },
    Fault {
        name: "Galera: the node is not ready",
        what: What::Answers(b"UPDATE `", 1047, "WSREP has not yet prepared node", usize::MAX),
    },
    Fault {
        name: "a read-only replica",
        what: What::Answers(b"UPDATE `", 1290, "running with the --read-only option", usize::MAX),
    },
    Fault {
        name: "the server's disk is full",
        what: What::Answers(b"UPDATE `", 1114, "The table is full", usize::MAX),
    },
    Fault {
        name: "kill -9 at a random moment",
        what: What::Happens(|_, database, mut command| {
            command.env("WP_APP_PASSWORD_DB", database.socket_url("wp"));
            killed(command)
        }),
    },
];

/// Rows: what goes wrong; columns: the verbs.
#[test]
fn the_fault_matrix_has_no_unknown_cell() {
    let Some(rig) = rig::require() else { return };
    let mut table = format!("{:45}", "MariaDB, InnoDB");
    for verb in COLUMNS {
        table.push_str(&format!(" | {verb:21}"));
    }
    let rows: Vec<String> = std::thread::scope(|scope| {
        let handles: Vec<_> = FAULTS
            .iter()
            .map(|fault| {
                scope.spawn(move || {
                    let database = rig.fresh_mariadb_database(Template::InnoDb);
                    database.sql("INSERT INTO wp_options (option_name, option_value, autoload) VALUES ('using_application_passwords', '1', 'off')");
                    let mut rows = Rows::of(&database);
                    let mut line = format!("{:45}", fault.name);
                    for verb in COLUMNS {
                        let rounds = if fault.name.starts_with("kill") { 10 } else { 1 };
                        let mut cells: BTreeMap<String, u32> = BTreeMap::new();
                        for _ in 0..rounds {
                            rows.reset(2);
                            let mut command = rig::binary();
                            command.args(arguments(verb));
                            let output = fault.run(rig, &database, command);
                            let cell = judge(fault.name, verb, &output, &rows.value(2));
                            *cells.entry(cell).or_default() += 1;
                        }
                        line.push_str(&format!(" | {:21}", cell(cells)));
                    }
                    line
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    println!("{table}\n{}", rows.join("\n"));
    // Faults that pass are no reason to fail.
    for row in &rows {
        let passing =
            ["idle", "cut", "failover", "deadlock", "certification"].iter().any(|word| row.contains(word));
        if passing && !row.starts_with("COMMIT") {
            assert_eq!(row.matches(" | done").count(), COLUMNS.len(), "{row}");
        }
    }
}

/// A server that is silent after the commit was answered: what was saved is not told as unchanged.
#[test]
fn a_server_that_falls_silent_after_a_commit_has_not_changed_nothing() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::InnoDb);
    database.sql("INSERT INTO wp_options (option_name, option_value, autoload) VALUES ('using_application_passwords', '1', 'off')");
    let mut rows = Rows::of(&database);
    for verb in VERBS {
        rows.reset(2);
        let (committed, silent) = (AtomicBool::new(false), AtomicBool::new(false));
        let proxy = Proxy::start(database.server, move |side| match side {
            Side::Client(bytes) if silent.load(Ordering::SeqCst) => {
                bytes.clear();
                Next::Forward
            }
            Side::Client(bytes) if contains(bytes, b"COMMIT") => {
                committed.store(true, Ordering::SeqCst);
                Next::Forward
            }
            Side::Server(_) if committed.load(Ordering::SeqCst) => {
                silent.store(true, Ordering::SeqCst);
                Next::Forward
            }
            _ => Next::Forward,
        });
        let password = &database.server.users["wp"];
        let mut command = rig::binary();
        command.args(arguments(verb)).env(
            "WP_APP_PASSWORD_DB",
            format!(
                "mysql://wp:{password}@127.0.0.1:{}/{}?ssl-mode=disabled&read-timeout=1&connect-timeout=1",
                proxy.port, database.name
            ),
        );
        let output = command.output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(state(verb, &rows.value(2)), State::New, "{verb}: {told}");
        assert_eq!(output.status.code(), Some(1), "{verb}: {told}");
        assert!(!told.contains("nothing was changed"), "{verb}: {told}");
        let honest = if verb == "create" { "revoke it: delete 2 " } else { "could not be confirmed" };
        assert!(told.contains(honest) && told.contains("did not answer within 1 seconds."), "{verb}: {told}");
    }
}

/// The same on files of the SQLite integration, both generations: what can go wrong with a file.
#[test]
fn the_fault_matrix_of_sqlite_has_no_unknown_cell() {
    let Some(rig) = rig::require() else { return };
    let mut lines = Vec::new();
    for (generation, template) in
        [("STRICT, WAL", Template::Sqlite), ("rollback journal", Template::SqliteOld)]
    {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.sqlite");
        rig.fresh_sqlite_database(template, &file);
        let beside = rusqlite::Connection::open(&file).unwrap();
        beside.busy_timeout(Duration::from_secs(20)).unwrap();
        beside
            .execute(
                "INSERT INTO wp_options (option_name, option_value, autoload) VALUES ('using_application_passwords', '1', 'off')",
                [],
            )
            .unwrap();
        let url = format!("sqlite:{}", file.display());
        for fault in ["the disk is full", "locked by somebody else", "kill -9 at a random moment"] {
            let mut line = format!("{:45}", format!("{generation}: {fault}"));
            for verb in COLUMNS {
                let mut cells: BTreeMap<String, u32> = BTreeMap::new();
                for _ in 0..if fault.starts_with("kill") { 10 } else { 1 } {
                    let key = "user_id = 2 AND meta_key = '_application_passwords'";
                    beside.execute(&format!("DELETE FROM wp_usermeta WHERE {key}"), []).unwrap();
                    beside
                        .execute(
                            "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (2, '_application_passwords', ?1)",
                            [old_list()],
                        )
                        .unwrap();
                    // Nothing may be appended to the log, or to the journal.
                    beside.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
                    let mut command = match fault {
                        "the disk is full" => limited(),
                        _ => rig::binary(),
                    };
                    command.args(arguments(verb)).env("WP_APP_PASSWORD_DB", &url);
                    let output = match fault {
                        "locked by somebody else" => {
                            beside.execute_batch("BEGIN IMMEDIATE").unwrap();
                            let output = command.output().unwrap();
                            beside.execute_batch("ROLLBACK").unwrap();
                            output
                        }
                        fault if fault.starts_with("kill") => killed(command),
                        _ => command.output().unwrap(),
                    };
                    if fault == "the disk is full" {
                        let said = String::from_utf8_lossy(&output.stderr);
                        let advice =
                            ["nothing was changed", "Free some space"].iter().all(|part| said.contains(part));
                        assert!(advice && said.contains("full or failing"), "{generation}: {verb}: {said}");
                    }
                    let value: String = beside
                        .query_row(&format!("SELECT meta_value FROM wp_usermeta WHERE {key}"), [], |row| {
                            row.get(0)
                        })
                        .unwrap();
                    *cells.entry(judge(fault, verb, &output, &value)).or_default() += 1;
                }
                line.push_str(&format!(" | {:21}", cell(cells)));
            }
            if !fault.starts_with("kill") {
                assert_eq!(line.matches(" | error, unchanged").count(), COLUMNS.len(), "{line}");
            }
            lines.push(line);
        }
    }
    println!("{}", lines.join("\n"));
}

/// Our program, where no file may grow; its output goes through pipes, which are no files.
fn limited() -> Command {
    let program = rig::binary();
    let mut shell = Command::new("/bin/sh");
    shell.env_clear().stdin(std::process::Stdio::null());
    shell.args(["-c", "ulimit -f 0; exec \"$0\" \"$@\""]).arg(program.get_program());
    shell
}

fn killed(mut command: Command) -> Output {
    let mut child =
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..60_000)));
    let _ = child.kill();
    child.wait_with_output().unwrap()
}

/// One cell of the table: what happened, and how often where it was not always the same.
fn cell(cells: BTreeMap<String, u32>) -> String {
    match cells.len() {
        1 => cells.into_keys().next().unwrap(),
        _ => cells.iter().map(|(cell, n)| format!("{n} {cell}")).collect::<Vec<_>>().join(", "),
    }
}

/// A server that is killed and started again while eight processes write.
#[test]
#[allow(clippy::zombie_processes, reason = "each server is waited for where it is killed")]
fn a_server_that_restarts_in_the_middle_loses_nothing() {
    let Some(rig) = rig::require() else { return };
    let folder = tempfile::Builder::new().prefix("wpap").tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let user = format!("--user={}", rig::output(Command::new("id").arg("-un")).trim());
    rig::output(
        Command::new("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", &user])
            .arg(format!("--datadir={}", path("data"))),
    );
    let socket = path("s");
    let start = || {
        let child = Command::new("mariadbd")
            .args(["--no-defaults", &user, "--skip-networking"])
            .arg(format!("--datadir={}", path("data")))
            .arg(format!("--socket={socket}"))
            .arg(format!("--pid-file={}", path("pid")))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        for _ in 0..300 {
            let options = mysql::OptsBuilder::new().user(Some("root")).socket(Some(&socket));
            if mysql::Conn::new(options).is_ok() {
                return child;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the server does not start");
    };
    let mut server = start();
    let client = |sql: &[u8]| {
        use std::io::Write;
        let mut child = Command::new("mariadb")
            .args(["--no-defaults", "-uroot", "-BN", "--default-character-set=utf8mb4"])
            .arg(format!("--socket={socket}"))
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(sql).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap()
    };
    client(b"CREATE DATABASE wp CHARACTER SET utf8mb4");
    client(&[b"USE wp;\n", rig.template_dump(Template::InnoDb).as_slice()].concat());
    let url = format!("mysql://root@localhost/wp?socket={socket}");
    let printed = std::sync::Mutex::new(Vec::new());
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (printed, failed, url) = (&printed, &failed, &url);
            scope.spawn(move || {
                for round in 0..12 {
                    let name = format!("w{worker} r{round}");
                    let output = rig::binary()
                        .args(["create", "2", &name, "--porcelain", "--hash=phpass", "--no-cache"])
                        .env("WP_APP_PASSWORD_DB", url)
                        .output()
                        .unwrap();
                    let password = String::from_utf8(output.stdout).unwrap();
                    if output.status.success() {
                        printed.lock().unwrap().push(password.trim().to_owned());
                    } else {
                        assert_eq!(password, "");
                        failed.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(200));
                    }
                }
            });
        }
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(1500));
            server.kill().unwrap();
            server.wait().unwrap();
            server = start();
        }
    });
    let list = rig::binary()
        .args(["list", "2", "--field=password"])
        .env("WP_APP_PASSWORD_DB", &url)
        .output()
        .unwrap();
    let hashes = String::from_utf8(list.stdout).unwrap();
    let rows = client(
        b"SELECT COUNT(*) FROM wp.wp_usermeta WHERE user_id = 2 AND meta_key = '_application_passwords'",
    );
    server.kill().unwrap();
    server.wait().unwrap();
    let printed = printed.into_inner().unwrap();
    let failed = failed.into_inner();
    println!("3 restarts: {} printed, {failed} failed, {} entries", printed.len(), hashes.lines().count());
    assert_eq!(rows, "1\n");
    assert!(!printed.is_empty());
    for password in &printed {
        let found = hashes
            .lines()
            .any(|hash| verify(password.as_bytes(), hash.as_bytes(), Era::Since68) == Verdict::Match);
        assert!(found, "a printed password does not work");
    }
}
