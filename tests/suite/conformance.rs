//! One list of behaviors, run against every back end: both generations of the SQLite schema, and with the servers
//! of `tests/run` MariaDB and MySQL, each with InnoDB and MyISAM.
//!
//! A behavior knows no back end: it uses the store and a [`Bed`], which is the same database seen by somebody
//! else. What only one kind can do (TLS, file modes) stands after the list.

use std::net::TcpListener;
use std::ops::ControlFlow;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, OnceLock};
use std::time::{Duration, Instant};

use wp_app_password::application_passwords::{Aftercare, ApplicationPasswords, NewEntry, Rules};
use wp_app_password::error::Error;
use wp_app_password::secret::DatabasePassword;
use wp_app_password::store::{
    self, Address, Autoload, LONGEST_VALUE, MetaRow, MysqlAddress, SslMode, Store, StoreError, Swap, Tables,
    User, UserField, UserId,
};

use crate::proxy::{Next, Proxy, Side, contains, error_packet};
use crate::rig::{self, Database, Rig, Server, Template};

const KEY: &str = "_application_passwords";

/// A site's database, and a second way to look at it.
struct Bed {
    name: String,
    address: Address,
    tables: Tables,
    raw: Raw,
}

enum Raw {
    /// With the folder that is removed at the end.
    File(PathBuf, tempfile::TempDir),
    Server(Database),
}

impl Bed {
    fn store(&self) -> Box<dyn Store> {
        store::open(&self.address, &self.tables).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Runs SQL without our code; gives the first column of each row as text.
    fn sql(&self, sql: &str) -> Vec<String> {
        match &self.raw {
            Raw::Server(database) => database.sql(sql).lines().map(str::to_owned).collect(),
            Raw::File(file, _) => {
                let database = rusqlite::Connection::open(file).unwrap();
                database.busy_timeout(Duration::from_secs(30)).unwrap();
                let mut statement = database.prepare(sql).unwrap();
                if statement.column_count() == 0 {
                    statement.execute([]).unwrap();
                    return Vec::new();
                }
                let read = |row: &rusqlite::Row<'_>| {
                    Ok(match row.get_ref(0)? {
                        rusqlite::types::ValueRef::Null => "NULL".to_owned(),
                        rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                        other => String::from_utf8_lossy(other.as_bytes().unwrap()).into_owned(),
                    })
                };
                statement.query_map([], read).unwrap().map(Result::unwrap).collect()
            }
        }
    }

    fn table(&self, name: &str) -> String {
        format!("{}{name}", self.tables.prefix)
    }

    /// A literal with these bytes as text.
    fn literal(&self, bytes: &[u8]) -> String {
        match self.raw {
            Raw::File(..) => format!("CAST(x'{}' AS TEXT)", hex(bytes)),
            Raw::Server(_) => format!("_utf8mb4 x'{}'", hex(bytes)),
        }
    }

    /// A user that no other behavior touches.
    fn new_user(&self) -> UserId {
        static NEXT: AtomicU64 = AtomicU64::new(1000);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        self.add_user(id, format!("user-{id}").as_bytes(), format!("user-{id}@example.com").as_bytes());
        UserId(id)
    }

    fn add_user(&self, id: u64, login: &[u8], email: &[u8]) {
        let columns = "ID, user_login, user_email, user_registered";
        let (login, email) = (self.literal(login), self.literal(email));
        let users = self.table("users");
        self.sql(&format!(
            "INSERT INTO {users} ({columns}) VALUES ({id}, {login}, {email}, '2020-01-01 00:00:00')"
        ));
    }

    fn add_meta(&self, user: UserId, key: &str, value: Option<&[u8]>) {
        let value = value.map_or("NULL".to_owned(), |value| self.literal(value));
        let usermeta = self.table("usermeta");
        self.sql(&format!(
            "INSERT INTO {usermeta} (user_id, meta_key, meta_value) VALUES ({user}, '{key}', {value})"
        ));
    }

    /// All values of a user, as hexadecimal, seen without our code.
    fn values(&self, user: UserId, key: &str) -> Vec<String> {
        let usermeta = self.table("usermeta");
        self.sql(&format!(
            "SELECT coalesce(hex(meta_value), 'NULL') FROM {usermeta} WHERE user_id = {user} AND meta_key = '{key}' \
             ORDER BY umeta_id"
        ))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// Tables as the SQLite integration's translator (up to 2.2) makes them.
const OLD_SCHEMA: &str = "
    CREATE TABLE `wp_users` (
      `ID` integer PRIMARY KEY AUTOINCREMENT NOT NULL ON CONFLICT REPLACE DEFAULT 0,
      `user_login` text NOT NULL ON CONFLICT REPLACE DEFAULT '' COLLATE NOCASE,
      `user_email` text NOT NULL ON CONFLICT REPLACE DEFAULT '' COLLATE NOCASE,
      `user_registered` text NOT NULL ON CONFLICT REPLACE DEFAULT '0000-00-00 00:00:00' COLLATE NOCASE);
    CREATE INDEX `wp_users__user_login_key` ON `wp_users` (`user_login`);
    CREATE TABLE `wp_usermeta` (
      `umeta_id` integer PRIMARY KEY AUTOINCREMENT NOT NULL ON CONFLICT REPLACE DEFAULT 0,
      `user_id` integer NOT NULL ON CONFLICT REPLACE DEFAULT '0',
      `meta_key` text DEFAULT NULL COLLATE NOCASE,
      `meta_value` text COLLATE NOCASE);
    CREATE INDEX `wp_usermeta__user_id` ON `wp_usermeta` (`user_id`);
    CREATE INDEX `wp_usermeta__meta_key` ON `wp_usermeta` (`meta_key`);
    CREATE TABLE `wp_options` (
      `option_id` integer PRIMARY KEY AUTOINCREMENT NOT NULL ON CONFLICT REPLACE DEFAULT 0,
      `option_name` text NOT NULL ON CONFLICT REPLACE DEFAULT '' COLLATE NOCASE,
      `option_value` text NOT NULL ON CONFLICT REPLACE DEFAULT '' COLLATE NOCASE,
      `autoload` text NOT NULL ON CONFLICT REPLACE DEFAULT 'yes' COLLATE NOCASE);
    CREATE UNIQUE INDEX `wp_options__option_name` ON `wp_options` (`option_name`);
    CREATE TABLE _mysql_data_types_cache (`table` TEXT NOT NULL, `column_or_index` TEXT NOT NULL);";

fn sqlite_bed(name: &str, fill: impl FnOnce(&Path)) -> Bed {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("name with spaces, ? and #.sqlite");
    fill(&file);
    let address = Address::Sqlite(file.clone());
    Bed { name: name.into(), address, tables: Tables::default(), raw: Raw::File(file, folder) }
}

fn old_sqlite() -> Bed {
    let fill = |file: &Path| rusqlite::Connection::open(file).unwrap().execute_batch(OLD_SCHEMA).unwrap();
    sqlite_bed("SQLite, old schema", fill)
}

fn new_sqlite() -> Bed {
    sqlite_bed("SQLite, new schema", |file| store::sandbox::create(file).unwrap())
}

fn server_address(server: &Server, database: &str, account: &str) -> MysqlAddress {
    MysqlAddress {
        host: server.host.clone(),
        port: server.port,
        socket: Some(server.socket.clone()),
        user: account.into(),
        password: DatabasePassword::new(server.users[account].clone().into_bytes()),
        database: database.into(),
        charset: "utf8".into(),
        ssl_mode: SslMode::Preferred,
        ssl_ca: None,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(60),
    }
}

fn server_bed(name: &str, database: Database) -> Bed {
    let address = Address::Mysql(server_address(database.server, &database.name, "wp"));
    let tables = Tables { prefix: database.prefix.into(), ..Tables::default() };
    Bed { name: format!("{} {name}", database.server.name), address, tables, raw: Raw::Server(database) }
}

/// Every back end. They are shared: a behavior makes users of its own.
fn beds() -> &'static [Bed] {
    static BEDS: OnceLock<Vec<Bed>> = OnceLock::new();
    BEDS.get_or_init(|| {
        let mut beds = vec![old_sqlite(), new_sqlite()];
        if let Some(rig) = rig::require() {
            for (name, template) in
                [("real old SQLite", Template::SqliteOld), ("real new SQLite", Template::Sqlite)]
            {
                beds.push(sqlite_bed(name, |file| rig.fresh_sqlite_database(template, file)));
            }
            beds.extend(server_beds(rig));
        }
        beds
    })
}

fn server_beds(rig: &'static Rig) -> Vec<Bed> {
    let engines = [("InnoDB", Template::InnoDb), ("MyISAM", Template::MyIsam)];
    let both = engines.into_iter().flat_map(|(engine, template)| {
        [
            server_bed(engine, rig.fresh_mariadb_database(template)),
            server_bed(engine, rig.fresh_mysql_database(template)),
        ]
    });
    both.collect()
}

/// Runs a behavior against every back end at once, and says on which it failed.
fn on_every_back_end(behavior: impl Fn(&Bed) + Sync) {
    on_each(beds().iter(), behavior);
}

/// The same for a behavior that locks all of an SQLite database for long.
fn on_every_back_end_with_files_of_its_own(behavior: impl Fn(&Bed) + Sync) {
    let files = [old_sqlite(), new_sqlite()];
    on_each(files.iter().chain(beds().get(4..).unwrap_or_default()), behavior);
}

fn on_each<'a>(beds: impl Iterator<Item = &'a Bed>, behavior: impl Fn(&Bed) + Sync) {
    std::thread::scope(|scope| {
        let runs: Vec<_> = beds.map(|bed| (bed, scope.spawn(|| behavior(bed)))).collect();
        let failed: Vec<&str> = runs
            .into_iter()
            .filter_map(|(bed, run)| run.join().is_err().then_some(bed.name.as_str()))
            .collect();
        assert!(failed.is_empty(), "failed on: {}", failed.join(", "));
    });
}

fn row(store: &mut dyn Store, user: UserId) -> Vec<MetaRow> {
    store.user_meta(user, KEY).unwrap()
}

/// Writes whatever is there over, as a caller would: again until nobody came between.
fn write(store: &mut dyn Store, user: UserId, change: impl Fn(Option<&[u8]>) -> Vec<u8>) {
    loop {
        let previous = row(store, user);
        let new = change(previous.first().and_then(|row| row.value.as_deref()));
        match store.replace_user_meta(user, KEY, &previous, &new, None) {
            Ok(Swap::Done) => return,
            Ok(Swap::Lost) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

// The list of behaviors.

#[test]
fn a_user_is_found_by_id_login_and_address_whatever_the_case() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        bed.add_user(700, b"Jo.Strummer", b"Jo@Example.com");
        for by in [
            UserField::Id(UserId(700)),
            UserField::Login(b"Jo.Strummer"),
            UserField::Login(b"jo.STRUMMER"),
            UserField::Email(b"jo@example.COM"),
        ] {
            let user = store.find_user(by).unwrap().unwrap_or_else(|| panic!("{by:?}"));
            assert_eq!(
                (user.id, &*user.login, &*user.email),
                (UserId(700), &b"Jo.Strummer"[..], &b"Jo@Example.com"[..])
            );
        }
        for by in [
            UserField::Id(UserId(0)),
            UserField::Id(UserId(u64::MAX)),
            UserField::Login(b""),
            UserField::Email(b"x"),
        ] {
            assert_eq!(store.find_user(by).unwrap(), None, "{by:?}");
        }
    });
}

#[test]
fn no_name_is_taken_for_sql() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let names: [&[u8]; 6] = [
            b"o'brien",
            b"back\\slash",
            b"dou\"ble",
            "żółć 🔑".as_bytes(),
            b"' OR 1=1 -- ",
            b"x\\' OR 1=1 #",
        ];
        for (number, name) in names.into_iter().enumerate() {
            assert_eq!(store.find_user(UserField::Login(name)).unwrap(), None);
            let id = 710 + number as u64;
            bed.add_user(id, name, name);
            assert_eq!(store.find_user(UserField::Login(name)).unwrap().unwrap().id, UserId(id));
            assert_eq!(store.find_user(UserField::Email(name)).unwrap().unwrap().login, name);
        }
        // No text at all.
        assert_eq!(store.find_user(UserField::Login(b"\xff\xfe")).unwrap(), None);
        assert_eq!(store.find_user(UserField::Login(b"a\0b")).unwrap(), None);
    });
}

#[test]
fn values_come_back_byte_for_byte() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let long = "0123456789abcdé☕🔑".repeat(1 << 18);
        let values: [&[u8]; 9] = [
            b"",
            b"a:0:{}",
            b"trailing blanks   ",
            b"\0 zero \0",
            b"quotes ' \" ` back\\slash \\' \\0 \\n %s ? :name",
            b"\r\n\t\x1a\x08",
            "café ☕ 🔑 日本 \u{202e}".as_bytes(),
            "composed \u{e9}, decomposed e\u{301}, ß, ﷺ".as_bytes(),
            long.as_bytes(),
        ];
        for value in values {
            let user = bed.new_user();
            write(&mut *store, user, |_| value.to_vec());
            assert_eq!(row(&mut *store, user)[0].value.as_deref(), Some(value));
            if value.len() < 1000 {
                assert_eq!(bed.values(user, KEY), [hex(value)], "{value:?}");
            }
            // What somebody else wrote, and over it.
            let user = bed.new_user();
            if value.len() < 1000 {
                bed.add_meta(user, KEY, Some(value));
                assert_eq!(row(&mut *store, user)[0].value.as_deref(), Some(value));
                write(&mut *store, user, |old| [old.unwrap(), b"+"].concat());
                assert_eq!(bed.values(user, KEY), [hex(&[value, b"+"].concat())]);
            }
        }
        let user = bed.new_user();
        bed.add_meta(user, KEY, None);
        assert_eq!(row(&mut *store, user)[0].value, None);
        write(&mut *store, user, |old| if old.is_none() { b"new".to_vec() } else { b"not null".to_vec() });
        assert_eq!(bed.values(user, KEY), [hex(b"new")]);
    });
}

#[test]
fn bytes_that_are_no_text_survive_where_the_column_can_hold_them() {
    let all: Vec<u8> = (0..=255).collect();
    on_every_back_end(|bed| {
        let mut tables = bed.tables.clone();
        if let Raw::Server(database) = &bed.raw {
            database.sql(
                "CREATE TABLE bytes_usermeta (umeta_id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY, \
                 user_id bigint unsigned NOT NULL DEFAULT 0, meta_key varchar(255), meta_value longblob)",
            );
            tables.usermeta = Some("bytes_usermeta".into());
        }
        let mut store = store::open(&bed.address, &tables).unwrap();
        let user = bed.new_user();
        for value in [all.as_slice(), b"\xff", &all] {
            write(&mut *store, user, |_| value.to_vec());
            assert_eq!(row(&mut *store, user)[0].value.as_deref(), Some(value));
        }
        let stale = [MetaRow { value: Some(b"\xff".to_vec()), ..row(&mut *store, user)[0].clone() }];
        assert_eq!(store.replace_user_meta(user, KEY, &stale, b"x", None).unwrap(), Swap::Lost);
    });
}

#[test]
fn keys_match_exactly() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let user = bed.new_user();
        for (key, value) in [("_Application_Passwords", b"a"), (KEY, b"b"), ("_application_passwords ", b"c")]
        {
            bed.add_meta(user, key, Some(value));
        }
        assert_eq!(
            row(&mut *store, user).iter().map(|row| row.value.clone().unwrap()).collect::<Vec<_>>(),
            [b"b"]
        );
        let mut visited = Vec::new();
        let mut visit = |meta: store::UserMeta<'_>| {
            if meta.user == user {
                visited.push(meta.value.unwrap().to_vec());
            }
            ControlFlow::Continue(())
        };
        store.each_user_meta(KEY, &mut visit).unwrap();
        assert_eq!(visited, [b"b"]);
        write(&mut *store, user, |_| b"new".to_vec());
        assert_eq!(row(&mut *store, user)[0].value.as_deref(), Some(&b"new"[..]));
        assert_eq!(
            store.user_meta(user, "_Application_Passwords").unwrap()[0].value.as_deref(),
            Some(&b"a"[..])
        );
    });
}

#[test]
fn a_swap_happens_only_over_exactly_what_was_read() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let user = bed.new_user();
        bed.add_meta(user, KEY, Some(b"Value"));
        let read = row(&mut *store, user);
        let with =
            |value: Option<&[u8]>| vec![MetaRow { value: value.map(<[u8]>::to_vec), ..read[0].clone() }];
        let extra = MetaRow { umeta_id: read[0].umeta_id + 1_000_000, ..read[0].clone() };
        let stale = [
            vec![],
            with(Some(b"value")),
            with(Some(b"Value ")),
            with(Some("Valué".as_bytes())),
            with(Some(b"")),
            with(None),
            vec![extra.clone()],
            vec![read[0].clone(), extra],
        ];
        for previous in &stale {
            let backup = Some("_backup");
            assert_eq!(
                store.replace_user_meta(user, KEY, previous, b"x", backup).unwrap(),
                Swap::Lost,
                "{previous:?}"
            );
        }
        assert_eq!(bed.values(user, KEY), [hex(b"Value")]);
        assert_eq!(bed.values(user, "_backup"), [] as [&str; 0]);
        // The row of another user.
        assert_eq!(store.replace_user_meta(bed.new_user(), KEY, &read, b"x", None).unwrap(), Swap::Lost);
        // A row that came in between.
        bed.add_meta(user, KEY, Some(b"second"));
        assert_eq!(store.replace_user_meta(user, KEY, &read, b"x", None).unwrap(), Swap::Lost);
        let read = row(&mut *store, user);
        assert_eq!(store.replace_user_meta(user, KEY, &read, b"new", None).unwrap(), Swap::Done);
        // The same value again is still a success.
        let read = row(&mut *store, user);
        assert_eq!(store.replace_user_meta(user, KEY, &read, b"new", None).unwrap(), Swap::Done);
        // A row that is gone.
        bed.sql(&format!("DELETE FROM {} WHERE user_id = {user}", bed.table("usermeta")));
        assert_eq!(store.replace_user_meta(user, KEY, &read, b"x", None).unwrap(), Swap::Lost);
        assert_eq!(bed.values(user, KEY), [] as [&str; 0]);
        // NULL and empty are two things.
        bed.add_meta(user, KEY, None);
        let mut empty = row(&mut *store, user);
        empty[0].value = Some(Vec::new());
        assert_eq!(store.replace_user_meta(user, KEY, &empty, b"x", None).unwrap(), Swap::Lost);
    });
}

#[test]
fn the_first_row_is_made_once() {
    on_every_back_end(|bed| {
        let user = bed.new_user();
        let start = Barrier::new(20);
        let done = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for number in 0..20 {
                let (start, done) = (&start, &done);
                scope.spawn(move || {
                    let mut store = bed.store();
                    start.wait();
                    let value = format!("writer {number}");
                    match store.replace_user_meta(user, KEY, &[], value.as_bytes(), None).unwrap() {
                        Swap::Done => done.fetch_add(1, Ordering::Relaxed),
                        Swap::Lost => 0,
                    };
                });
            }
        });
        assert_eq!(done.into_inner(), 1);
        assert_eq!(bed.values(user, KEY).len(), 1);
    });
}

#[test]
fn parallel_writers_lose_nothing() {
    on_every_back_end(|bed| {
        let user = bed.new_user();
        std::thread::scope(|scope| {
            for writer in 0..6 {
                scope.spawn(move || {
                    let mut store = bed.store();
                    for number in 0..15 {
                        let entry = format!("[{writer}.{number}]");
                        write(&mut *store, user, |old| [old.unwrap_or_default(), entry.as_bytes()].concat());
                    }
                });
            }
        });
        let rows = row(&mut *bed.store(), user);
        assert_eq!(rows.len(), 1);
        let value = String::from_utf8(rows[0].value.clone().unwrap()).unwrap();
        for entry in (0..6).flat_map(|writer| (0..15).map(move |number| format!("[{writer}.{number}]"))) {
            assert_eq!(value.matches(&entry).count(), 1, "{entry}");
        }
    });
}

#[test]
fn duplicates_all_get_the_new_value() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let user = bed.new_user();
        for value in [Some(&b"lowest"[..]), None, Some(b"third")] {
            bed.add_meta(user, KEY, value);
        }
        let read = row(&mut *store, user);
        assert_eq!(
            read.iter().map(|row| row.value.as_deref()).collect::<Vec<_>>(),
            [Some(&b"lowest"[..]), None, Some(b"third")]
        );
        assert!(read.is_sorted_by_key(|row| row.umeta_id));
        let mut changed = read.clone();
        changed[2].value = None;
        assert_eq!(store.replace_user_meta(user, KEY, &changed, b"new", None).unwrap(), Swap::Lost);
        assert_eq!(store.replace_user_meta(user, KEY, &read, b"new", None).unwrap(), Swap::Done);
        assert_eq!(bed.values(user, KEY), vec![hex(b"new"); 3]);
    });
}

#[test]
fn a_backup_is_written_with_the_change() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let user = bed.new_user();
        bed.add_meta(user, KEY, Some(b"broken"));
        let read = row(&mut *store, user);
        let backup = Some("_application_passwords_unreadable");
        assert_eq!(store.replace_user_meta(user, KEY, &read, b"new", backup).unwrap(), Swap::Done);
        assert_eq!(bed.values(user, KEY), [hex(b"new")]);
        assert_eq!(bed.values(user, "_application_passwords_unreadable"), [hex(b"broken")]);
        let user = bed.new_user();
        assert_eq!(store.replace_user_meta(user, KEY, &[], b"first", backup).unwrap(), Swap::Done);
        assert_eq!(bed.values(user, "_application_passwords_unreadable"), [] as [&str; 0]);
    });
}

#[test]
fn a_backup_holds_what_the_connection_cannot_carry() {
    on_every_server(|bed| {
        let latin1 = Address::Mysql(MysqlAddress { charset: "latin1".into(), ..mysql_address(bed) });
        let mut store = store::open(&latin1, &bed.tables).unwrap();
        let user = bed.new_user();
        bed.add_meta(user, KEY, Some("日本 ☕".as_bytes()));
        let read = row(&mut *store, user);
        assert_eq!(read[0].value.as_deref(), Some(&b"?? ?"[..]));
        let old = hex("日本 ☕".as_bytes());
        match store.replace_user_meta(user, KEY, &read, b"new", Some("_backup")) {
            Ok(_) => assert_eq!(bed.values(user, "_backup"), [old], "{}", bed.name),
            // MariaDB refuses to compare what it cannot convert.
            Err(error) => {
                assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
                assert_eq!(bed.values(user, KEY), [old], "{}", bed.name);
                assert!(bed.values(user, "_backup").is_empty(), "{}", bed.name);
            }
        }
    });
}

#[test]
fn an_option_is_set_once_and_keeps_its_autoload() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let options = bed.table("options");
        assert_eq!(store.option("no_such_option").unwrap(), None);
        assert!(store.description().network.is_none());
        for (name, autoload, stored) in [("flag_a", Autoload::No, "no"), ("flag_b", Autoload::Off, "off")] {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| bed.store().set_network_option(name, b"1", autoload).unwrap());
                }
            });
            assert_eq!(store.option(name).unwrap().as_deref(), Some(&b"1"[..]));
            assert_eq!(
                bed.sql(&format!("SELECT autoload FROM {options} WHERE option_name = '{name}'")),
                [stored]
            );
            store.set_network_option(name, "é'\\".as_bytes(), Autoload::Off).unwrap();
            assert_eq!(store.network_option(name).unwrap().as_deref(), Some("é'\\".as_bytes()));
            assert_eq!(
                bed.sql(&format!("SELECT autoload FROM {options} WHERE option_name = '{name}'")),
                [stored]
            );
        }
    });
}

/// Makes a network of a single site's tables: the columns that matter here.
fn make_network(bed: &Bed, ids: &[u64]) {
    let number = if matches!(bed.raw, Raw::File(..)) { "integer" } else { "bigint" };
    let key = if matches!(bed.raw, Raw::File(..)) { "AUTOINCREMENT" } else { "AUTO_INCREMENT" };
    bed.sql(&format!("CREATE TABLE {} (blog_id {number})", bed.table("blogs")));
    bed.sql(&format!("CREATE TABLE {} (id {number})", bed.table("site")));
    bed.sql(&format!(
        "CREATE TABLE {} (meta_id integer NOT NULL PRIMARY KEY {key}, site_id {number}, meta_key varchar(255), \
         meta_value text)",
        bed.table("sitemeta")
    ));
    for id in ids {
        bed.sql(&format!("INSERT INTO {} (id) VALUES ({id})", bed.table("site")));
    }
}

#[test]
fn a_networks_option_belongs_to_its_main_network() {
    let mut beds = vec![old_sqlite(), new_sqlite()];
    if let Some(rig) = rig::require() {
        beds.extend(server_beds(rig));
    }
    on_each(beds.iter(), |bed| {
        let single = bed.store();
        assert!(single.description().network.is_none());
        drop(single);
        make_network(bed, &[7, 3]);
        let main = |tables: Tables| {
            let store = store::open(&bed.address, &tables).unwrap();
            store.description().network.clone().map(|(table, id)| (table == bed.table("sitemeta"), id))
        };
        assert_eq!(main(Tables::default()), Some((true, 3)));
        assert_eq!(main(Tables { primary_network: Some(7), ..Tables::default() }), Some((true, 7)));
        assert_eq!(main(Tables { multisite: Some(false), ..Tables::default() }), None);
        bed.sql(&format!("INSERT INTO {} (id) VALUES (1)", bed.table("site")));
        assert_eq!(main(Tables { multisite: Some(true), ..Tables::default() }), Some((true, 1)));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| bed.store().set_network_option("using", b"1", Autoload::Off).unwrap());
            }
        });
        let rows =
            bed.sql(&format!("SELECT site_id FROM {} WHERE meta_key = 'using'", bed.table("sitemeta")));
        assert_eq!(rows, ["1"]);
        let mut store = bed.store();
        assert_eq!(store.network_option("using").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(store.option("using").unwrap(), None);
        assert_eq!(store.network_option("absent").unwrap(), None);
    });
}

#[test]
fn a_walk_visits_in_order_and_ends_early() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let key = "_walked";
        let users: Vec<UserId> = (0..3).map(|_| bed.new_user()).collect();
        bed.add_meta(users[2], key, Some(b"late user, early row"));
        bed.add_meta(users[0], key, Some(b"first"));
        bed.add_meta(UserId(4_000_000_000), key, Some(b"orphan"));
        bed.add_meta(users[1], key, None);
        bed.add_meta(users[0], key, Some(b"duplicate"));
        bed.add_meta(users[1], "_other", Some(b"other"));
        let mut seen = Vec::new();
        store
            .each_user_meta(key, &mut |meta| {
                seen.push((meta.user, meta.login.map(<[u8]>::to_vec), meta.value.map(<[u8]>::to_vec)));
                ControlFlow::Continue(())
            })
            .unwrap();
        let login = |user: UserId| Some(format!("user-{user}").into_bytes());
        let expected = [
            (users[0], login(users[0]), Some(b"first".to_vec())),
            (users[0], login(users[0]), Some(b"duplicate".to_vec())),
            (users[1], login(users[1]), None),
            (users[2], login(users[2]), Some(b"late user, early row".to_vec())),
            (UserId(4_000_000_000), None, Some(b"orphan".to_vec())),
        ];
        assert_eq!(seen, expected);
        let mut visits = 0;
        let mut stop = |_: store::UserMeta<'_>| {
            visits += 1;
            if visits == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        store.each_user_meta(key, &mut stop).unwrap();
        assert_eq!(visits, 2);
        // The connection is still good, and a key that nobody has is no error.
        store.each_user_meta("_nobody", &mut |_| panic!("nobody has it")).unwrap();
    });
}

/// What a walk over accounts showed: user, login, roles by site, value.
type Seen = Vec<(UserId, Option<Vec<u8>>, Vec<(u64, Vec<u8>)>, Option<Vec<u8>>)>;

fn accounts(store: &mut dyn Store, key: &str) -> Seen {
    let mut seen = Seen::new();
    store
        .each_account(key, &mut |account| {
            let roles = account.roles.iter().map(|(site, stored)| (site, stored.to_vec())).collect();
            let login = account.login.map(<[u8]>::to_vec);
            seen.push((account.user, login, roles, account.value.map(<[u8]>::to_vec)));
            ControlFlow::Continue(())
        })
        .unwrap();
    seen
}

#[test]
fn accounts_come_in_order_with_the_roles_that_count() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let users: Vec<UserId> = (0..3).map(|_| bed.new_user()).collect();
        let capabilities = format!("{}capabilities", bed.tables.prefix);
        for key in ["_few", "_often"] {
            bed.add_meta(users[1], key, Some(b"b"));
            bed.add_meta(users[0], key, Some(b"a"));
            bed.add_meta(users[2], key, None);
            bed.add_meta(UserId(4_000_000_001), key, Some(b"orphan"));
        }
        // WordPress: of several rows the first counts.
        bed.add_meta(users[0], &capabilities, Some(b"first"));
        bed.add_meta(users[0], &capabilities, Some(b"second"));
        bed.add_meta(users[1], &capabilities, None);
        bed.add_meta(UserId(4_000_000_001), &capabilities, Some(b"of nobody"));
        // Not a site's roles, and not those of this one.
        bed.add_meta(users[1], &format!("{}2_capabilities", bed.tables.prefix), Some(b"other site"));
        bed.add_meta(users[1], &format!("x{capabilities}"), Some(b"other prefix"));
        // Where many users have the key, roles are found another way.
        let usermeta = bed.table("usermeta");
        let many: Vec<String> =
            (1..=900).map(|n| format!("({}, '_often', 'x')", 5_000_000_000_u64 + n)).collect();
        bed.sql(&format!(
            "INSERT INTO {usermeta} (user_id, meta_key, meta_value) VALUES {}",
            many.join(", ")
        ));
        let login = |user: UserId| Some(format!("user-{user}").into_bytes());
        let expected: Seen = vec![
            (users[0], login(users[0]), vec![(1, b"first".to_vec())], Some(b"a".to_vec())),
            (users[1], login(users[1]), vec![(1, Vec::new())], Some(b"b".to_vec())),
            (users[2], login(users[2]), vec![], None),
            (UserId(4_000_000_001), None, vec![(1, b"of nobody".to_vec())], Some(b"orphan".to_vec())),
        ];
        assert_eq!(accounts(store.as_mut(), "_few"), expected);
        let often = accounts(store.as_mut(), "_often");
        assert_eq!(often[..4], expected);
        assert_eq!(often.len(), 904);
        assert_eq!(accounts(store.as_mut(), "_nobody_at_all"), []);
        // What the users table does not say is nothing.
        store
            .each_account("_few", &mut |account| {
                assert_eq!(account.state, store::UserState::default());
                ControlFlow::Continue(())
            })
            .unwrap();
    });
}

#[test]
fn a_networks_accounts_have_the_roles_of_each_site_and_the_marks_of_its_users() {
    let mut beds = vec![old_sqlite(), new_sqlite()];
    if let Some(rig) = rig::require() {
        beds.extend(server_beds(rig));
    }
    on_each(beds.iter(), |bed| {
        make_network(bed, &[1]);
        let (users, blogs) = (bed.table("users"), bed.table("blogs"));
        // MySQL's own mode does not like WordPress's zero dates.
        let mode = if matches!(bed.raw, Raw::Server(_)) { "SET sql_mode = ''; " } else { "" };
        for column in ["spam", "deleted"] {
            bed.sql(&format!("{mode}ALTER TABLE {users} ADD COLUMN {column} integer NOT NULL DEFAULT 0"));
        }
        // The third site was dropped half: it has no tables.
        bed.sql(&format!("INSERT INTO {blogs} (blog_id) VALUES (3), (1), (2)"));
        let options = format!("{}2_options", bed.tables.prefix);
        bed.sql(&format!("CREATE TABLE {options} (option_name varchar(191), option_value text)"));
        bed.sql(&format!("INSERT INTO {options} VALUES ('{}2_user_roles', 'second')", bed.tables.prefix));
        let first = bed.table("options");
        let roles = format!("{}user_roles", bed.tables.prefix);
        bed.sql(&format!("DELETE FROM {first} WHERE option_name = '{roles}'"));
        bed.sql(&format!("INSERT INTO {first} (option_name, option_value) VALUES ('{roles}', 'first')"));
        let (one, two) = (bed.new_user(), bed.new_user());
        bed.sql(&format!("UPDATE {users} SET spam = 1 WHERE ID = {one}"));
        bed.sql(&format!("UPDATE {users} SET deleted = 1 WHERE ID = {two}"));
        for (user, key, value) in [
            (one, "2_capabilities", "on two"),
            (one, "capabilities", "on one"),
            (two, "12_capabilities", "on twelve"),
        ] {
            bed.add_meta(user, &format!("{}{key}", bed.tables.prefix), Some(value.as_bytes()));
        }
        for user in [one, two] {
            bed.add_meta(user, "_net", Some(b"x"));
        }
        let mut store = bed.store();
        let seen: Vec<_> =
            accounts(store.as_mut(), "_net").into_iter().map(|(_, _, roles, _)| roles).collect();
        let expected =
            [vec![(1, b"on one".to_vec()), (2, b"on two".to_vec())], vec![(12, b"on twelve".to_vec())]];
        assert_eq!(seen, expected);
        let mut states = Vec::new();
        store
            .each_account("_net", &mut |account| {
                states.push((account.state.spam, account.state.deleted));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(states, [(true, false), (false, true)]);
        let maps = store.role_maps().unwrap();
        assert_eq!(maps, [(1, Some(b"first".to_vec())), (2, Some(b"second".to_vec())), (3, None)]);
        for column in ["archived", "spam", "deleted"] {
            bed.sql(&format!("{mode}ALTER TABLE {blogs} ADD COLUMN {column} integer NOT NULL DEFAULT 0"));
        }
        bed.sql(&format!("UPDATE {blogs} SET archived = 1 WHERE blog_id IN (2, 3)"));
        bed.sql(&format!("UPDATE {blogs} SET deleted = 1 WHERE blog_id = 3"));
        let closed = [1, 2, 3, 4].map(|blog| store.blog_closed(blog).unwrap());
        assert_eq!(closed, [None, Some("archived"), Some("deleted"), None]);
    });
}

#[test]
fn nobody_waits_for_the_visitor_of_a_walk() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let users: Vec<UserId> = (0..3).map(|_| bed.new_user()).collect();
        for user in &users {
            bed.add_meta(*user, "_slow", Some(b"x"));
        }
        let began = Instant::now();
        let mut other = bed.store();
        store
            .each_user_meta("_slow", &mut |meta| {
                // WordPress writes while the list waits for a pipe.
                assert_eq!(
                    other.replace_user_meta(meta.user, KEY, &[], b"written", None).unwrap(),
                    Swap::Done
                );
                ControlFlow::Continue(())
            })
            .unwrap();
        // Nor for that of a walk over accounts.
        store
            .each_account("_slow", &mut |account| {
                let previous = other.user_meta(account.user, KEY).unwrap();
                let swap = other.replace_user_meta(account.user, KEY, &previous, b"again", None).unwrap();
                assert_eq!(swap, Swap::Done);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    });
}

#[test]
fn a_long_walk_is_complete_and_sorted() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let key = "_many";
        let usermeta = bed.table("usermeta");
        // Users in the order of rows reversed, more than two parts of a walk.
        let values: Vec<String> =
            (0..2500).map(|n| format!("({}, '{key}', 'v{n}')", 9_000_000 - n)).collect();
        bed.sql(&format!(
            "INSERT INTO {usermeta} (user_id, meta_key, meta_value) VALUES {}",
            values.join(", ")
        ));
        let mut users = Vec::new();
        store
            .each_user_meta(key, &mut |meta| {
                let number = 9_000_000 - meta.user.0;
                assert_eq!(meta.value, Some(format!("v{number}").as_bytes()));
                users.push(meta.user);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(users.len(), 2500);
        assert!(users.is_sorted());
    });
}

#[test]
fn a_walk_over_a_large_table_is_complete_sorted_and_has_the_roles() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let (usermeta, capabilities) = (bed.table("usermeta"), format!("{}capabilities", bed.tables.prefix));
        // Ids far apart, users partly against the order of rows, more text than a few parts hold: SQLite lists such a
        // table with two connections and reads it ahead.
        let key = "_large";
        let padding = "x".repeat(600);
        let user_of = |n: u64| 8_000_000 + if n < 1_500 { n } else { 5_000 - n };
        // The highest ids first: rows that other tests add meanwhile come behind them.
        for numbers in [2_000..3_000, 1_000..2_000, 0..1_000_u64] {
            let rows: Vec<String> = numbers
                .flat_map(|n| {
                    let (id, user) = (50_000_000 + 1_000 * n, user_of(n));
                    [
                        format!("({id}, {user}, '{key}', 'v{n} {padding}')"),
                        format!("({}, {user}, '{capabilities}', 'role {}')", id + 1, n % 3),
                    ]
                })
                .collect();
            bed.sql(&format!(
                "INSERT INTO {usermeta} (umeta_id, user_id, meta_key, meta_value) VALUES {}",
                rows.join(", ")
            ));
        }
        let expected: Vec<(u64, String)> = {
            let mut rows: Vec<(u64, u64)> = (0..3_000).map(|n| (user_of(n), n)).collect();
            rows.sort_unstable();
            rows.into_iter().map(|(user, n)| (user, format!("v{n} {padding}"))).collect()
        };
        let mut seen = Vec::new();
        store
            .each_user_meta(key, &mut |meta| {
                seen.push((meta.user.0, String::from_utf8(meta.value.unwrap().to_vec()).unwrap()));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, expected);
        seen.clear();
        let mut left = u64::MAX;
        store
            .each_account(key, &mut |account| {
                let value = String::from_utf8(account.value.unwrap().to_vec()).unwrap();
                let number: u64 = value.trim_start_matches('v').split(' ').next().unwrap().parse().unwrap();
                let roles: Vec<_> = account.roles.iter().collect();
                assert_eq!(roles, [(1, format!("role {}", number % 3).as_bytes())]);
                assert!(account.left <= left);
                left = account.left;
                seen.push((account.user.0, value));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(seen, expected);
        assert_eq!(left, 0);
        // Who wants no more gets no more, and the connection is still good.
        let mut visits = 0;
        store
            .each_user_meta(key, &mut |_| {
                visits += 1;
                if visits == 700 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .unwrap();
        assert_eq!(visits, 700);
        // What another connection removes meanwhile may be seen or not; all that stays is.
        let mut other = bed.store();
        seen.clear();
        store
            .each_user_meta(key, &mut |meta| {
                if seen.is_empty() {
                    bed.sql(&format!(
                        "DELETE FROM {usermeta} WHERE meta_key = '{key}' AND user_id >= 8003000"
                    ));
                    let user = UserId(8_000_001);
                    let previous = other.user_meta(user, "_written").unwrap();
                    let swap = other.replace_user_meta(user, "_written", &previous, b"x", None).unwrap();
                    assert_eq!(swap, Swap::Done);
                }
                seen.push((meta.user.0, String::from_utf8(meta.value.unwrap().to_vec()).unwrap()));
                ControlFlow::Continue(())
            })
            .unwrap();
        let staying = |row: &&(u64, String)| row.0 < 8_003_000;
        assert!(seen.iter().filter(staying).eq(expected.iter().filter(staying)));
        bed.sql(&format!(
            "DELETE FROM {usermeta} WHERE user_id BETWEEN 8000000 AND 8005000 \
             AND meta_key IN ('{key}', '_written', '{capabilities}')"
        ));
    });
}

#[test]
fn a_walk_is_complete_where_the_rows_of_many_users_alternate() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let usermeta = bed.table("usermeta");
        // The next user's row always lies six rows further, with those of users who come much later between them.
        let user_of = |n: u64| 8_100_000 + 10_000 * (n % 6) + n / 6;
        let padding = "x".repeat(300);
        for numbers in [3_000..6_000, 0..3_000_u64] {
            let rows: Vec<String> = numbers
                .map(|n| format!("({}, {}, '_mixed', 'v{n} {padding}')", 60_000_000 + n, user_of(n)))
                .collect();
            bed.sql(&format!(
                "INSERT INTO {usermeta} (umeta_id, user_id, meta_key, meta_value) VALUES {}",
                rows.join(", ")
            ));
        }
        let mut expected: Vec<(u64, String)> =
            (0..6_000).map(|n| (user_of(n), format!("v{n} {padding}"))).collect();
        expected.sort_unstable();
        let mut seen = Vec::new();
        store
            .each_user_meta("_mixed", &mut |meta| {
                seen.push((meta.user.0, String::from_utf8(meta.value.unwrap().to_vec()).unwrap()));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(seen == expected, "{} of {}", seen.len(), expected.len());
        // Rows are looked up by a list here, on SQLite.
        seen.clear();
        store
            .each_account("_mixed", &mut |account| {
                seen.push((account.user.0, String::from_utf8(account.value.unwrap().to_vec()).unwrap()));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(seen == expected, "{} of {}", seen.len(), expected.len());
        bed.sql(&format!("DELETE FROM {usermeta} WHERE meta_key = '_mixed'"));
    });
}

#[test]
fn a_walk_passes_over_rows_of_other_keys() {
    on_every_back_end(|bed| {
        let mut store = bed.store();
        let usermeta = bed.table("usermeta");
        let fill = |key: &str, users: std::ops::Range<u64>| {
            let values: Vec<String> = users.map(|user| format!("({user}, '{key}', 'v{user}')")).collect();
            bed.sql(&format!(
                "INSERT INTO {usermeta} (user_id, meta_key, meta_value) VALUES {}",
                values.join(", ")
            ));
        };
        // Dense at first, then ever sparser, so that SQLite changes its way in the middle; one user has more
        // rows of another key than a part holds.
        let dense = 7_000_000..7_003_000;
        let sparse: Vec<u64> = (0..40).map(|n| 7_100_000 + 500 * n).collect();
        fill("_wanted", dense.clone());
        fill("_foreign", 7_100_000..7_120_000);
        for user in &sparse {
            fill("_wanted", *user..user + 1);
        }
        for _ in 0..5 {
            bed.sql(&format!(
                "INSERT INTO {usermeta} (user_id, meta_key, meta_value) SELECT 7001000, '_foreign', 'x' \
                 FROM {usermeta} WHERE meta_key = '_wanted' AND user_id < 7002000"
            ));
        }
        let mut users = Vec::new();
        store
            .each_user_meta("_wanted", &mut |meta| {
                assert_eq!(meta.value, Some(format!("v{}", meta.user).as_bytes()));
                users.push(meta.user.0);
                ControlFlow::Continue(())
            })
            .unwrap();
        let expected: Vec<u64> = dense.chain(sparse).collect();
        assert_eq!(users, expected);
        bed.sql(&format!("DELETE FROM {usermeta} WHERE meta_key IN ('_wanted', '_foreign')"));
    });
}

#[test]
fn a_value_of_two_hundred_megabytes_is_reported_not_loaded() {
    on_every_back_end_with_files_of_its_own(|bed| {
        let mut store = bed.store();
        let (user, other) = (bed.new_user(), bed.new_user());
        let key = "_huge";
        let usermeta = bed.table("usermeta");
        let value = match bed.raw {
            Raw::File(..) => "replace(hex(zeroblob(100000000)), '0', 'x')".to_owned(),
            Raw::Server(_) => "REPEAT('x', 200000000)".to_owned(),
        };
        bed.add_meta(other, key, Some(b"small"));
        bed.sql(&format!(
            "INSERT INTO {usermeta} (user_id, meta_key, meta_value) VALUES ({user}, '{key}', {value})"
        ));
        let error = store.user_meta(user, key).unwrap_err();
        assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
        let sentence = error.to_string();
        assert!(sentence.contains("200000000 bytes") && sentence.contains(&user.to_string()), "{sentence}");
        // A walk shows everybody else first.
        let mut seen = Vec::new();
        let walk = store.each_user_meta(key, &mut |meta| {
            seen.push(meta.user);
            ControlFlow::Continue(())
        });
        assert!(matches!(walk, Err(StoreError::TooLong(_))), "{walk:?}");
        assert_eq!(seen, [other]);
        assert_eq!(store.user_meta(other, key).unwrap().len(), 1);
        bed.sql(&format!("DELETE FROM {usermeta} WHERE meta_key = '{key}'"));
        let long = vec![b'x'; LONGEST_VALUE + 1];
        let error = store.replace_user_meta(other, key, &[], &long, None).unwrap_err();
        assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    });
}

#[test]
fn a_wrong_prefix_names_those_that_exist() {
    on_every_back_end(|bed| {
        let open = |tables: Tables| store::open(&bed.address, &tables).map(drop).unwrap_err();
        let error = open(Tables { prefix: "blog_".into(), ..bed.tables.clone() });
        assert!(matches!(error, StoreError::NoTables(_)), "{error:?}");
        let sentence = error.to_string();
        assert!(sentence.contains("blog_users") && sentence.contains("--table-prefix=wp_"), "{sentence}");
        for prefix in ["wp-", "wp_; DROP TABLE x", "wp`", "wp\"", "é", "a b", "a.b"] {
            let error = open(Tables { prefix: prefix.into(), ..bed.tables.clone() });
            assert!(matches!(error, StoreError::NoTables(_)), "{prefix}: {error:?}");
            assert!(error.to_string().contains("underscores"), "{error}");
        }
        for table in ["", "a.b.c", "a;b", "x` y", "a."] {
            let error = open(Tables { users: Some(table.into()), ..bed.tables.clone() });
            assert!(matches!(error, StoreError::NoTables(_)), "{table}: {error:?}");
        }
        let error = open(Tables { blog_id: 4711, ..bed.tables.clone() });
        assert!(error.to_string().contains("wp_4711_options"), "{error}");
    });
}

#[test]
fn custom_user_tables_are_used() {
    on_every_back_end(|bed| {
        let user = bed.new_user();
        let suffix = user.to_string();
        bed.sql(&format!("CREATE TABLE people{suffix} (ID integer, user_login text, user_email text)"));
        bed.sql(&format!("INSERT INTO people{suffix} VALUES (1, 'only-here', 'x@example.com')"));
        let users = match &bed.raw {
            Raw::File(..) => format!("people{suffix}"),
            Raw::Server(database) => format!("`{}`.people{suffix}", database.name),
        };
        let mut store =
            store::open(&bed.address, &Tables { users: Some(users), ..bed.tables.clone() }).unwrap();
        assert_eq!(store.find_user(UserField::Login(b"only-here")).unwrap().unwrap().id, UserId(1));
        assert!(store.description().users_table.ends_with(&format!("people{suffix}")));
    });
}

#[test]
fn a_lock_that_stays_is_busy_and_nothing_is_written() {
    on_every_back_end_with_files_of_its_own(|bed| {
        let user = bed.new_user();
        bed.add_meta(user, KEY, Some(b"locked"));
        let mut store = bed.store();
        let read = row(&mut *store, user);
        let held: Box<dyn std::any::Any> = match (&bed.raw, &bed.address) {
            (Raw::File(file, _), _) => {
                let other = rusqlite::Connection::open(file).unwrap();
                other.busy_timeout(Duration::from_secs(30)).unwrap();
                other.execute_batch("BEGIN IMMEDIATE").unwrap();
                Box::new(other)
            }
            (Raw::Server(database), Address::Mysql(address)) => {
                use mysql::prelude::Queryable;
                if bed.name.contains("MyISAM") {
                    return;
                }
                let mut other = raw_connection(address, &database.name);
                other.query_drop("START TRANSACTION").unwrap();
                let lock =
                    format!("SELECT * FROM wp_usermeta WHERE umeta_id = {} FOR UPDATE", read[0].umeta_id);
                other.query_drop(lock).unwrap();
                Box::new(other)
            }
            _ => unreachable!(),
        };
        let error = store.replace_user_meta(user, KEY, &read, b"new", None).unwrap_err();
        assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
        drop(held);
        assert_eq!(store.replace_user_meta(user, KEY, &read, b"new", None).unwrap(), Swap::Done);
    });
}

// What only servers can do.

fn raw_connection(address: &MysqlAddress, database: &str) -> mysql::Conn {
    let options = mysql::OptsBuilder::new()
        .socket(address.socket.as_ref().and_then(|socket| socket.to_str()))
        .user(Some(address.user.clone()))
        .pass(Some(String::from_utf8(address.password.expose().to_vec()).unwrap()))
        .db_name(Some(database));
    mysql::Conn::new(options).unwrap()
}

fn mysql_address(bed: &Bed) -> MysqlAddress {
    match &bed.address {
        Address::Mysql(address) => address.clone(),
        Address::Sqlite(_) => panic!("not a server"),
    }
}

fn open(address: MysqlAddress) -> Result<Box<dyn Store>, StoreError> {
    store::open(&Address::Mysql(address), &Tables::default())
}

fn over_tcp(address: MysqlAddress, ssl_mode: SslMode) -> MysqlAddress {
    MysqlAddress { socket: None, ssl_mode, ..address }
}

fn on_every_server(behavior: impl Fn(&Bed) + Sync) {
    if rig::require().is_some() {
        on_each(beds()[4..].iter(), behavior);
    }
}

#[test]
fn every_account_opens_the_store_on_every_way_in() {
    let Some(rig) = rig::require() else { return };
    for database in [rig.fresh_mariadb_database(Template::InnoDb), rig.fresh_mysql_database(Template::InnoDb)]
    {
        let server = database.server;
        for account in server.users.keys().filter(|account| *account != "root") {
            let address = server_address(server, &database.name, account);
            let ca = Some(server.ca.clone());
            if account != "tls" {
                open(address.clone()).unwrap_or_else(|error| panic!("{account}, socket: {error}"));
                open(over_tcp(address.clone(), SslMode::Disabled))
                    .unwrap_or_else(|error| panic!("{account}: {error}"));
            }
            for mode in [SslMode::Preferred, SslMode::Required] {
                open(over_tcp(address.clone(), mode))
                    .unwrap_or_else(|error| panic!("{account}, {mode:?}: {error}"));
            }
            for mode in [SslMode::VerifyCa, SslMode::VerifyIdentity] {
                let verified = MysqlAddress { ssl_ca: ca.clone(), ..over_tcp(address.clone(), mode) };
                open(verified).unwrap_or_else(|error| panic!("{account}, {mode:?}: {error}"));
                let Err(error) = open(over_tcp(address.clone(), mode)) else {
                    panic!("{mode:?} without its authority")
                };
                assert!(
                    matches!(error, StoreError::Unreachable(_)) && error.to_string().contains("TLS"),
                    "{error}"
                );
            }
        }
        let tls = over_tcp(server_address(server, &database.name, "tls"), SslMode::Disabled);
        assert!(matches!(open(tls), Err(StoreError::Unreachable(_))));
    }
}

#[test]
fn a_remote_server_with_tls_is_never_spoken_to_in_clear_text() {
    on_every_server(|bed| {
        let Raw::Server(database) = &bed.raw else { return };
        let proxy = Proxy::start(database.server, |_| Next::Forward);
        // 0.0.0.0 reaches this machine, but is not one of its loopback addresses.
        let remote = |mode| MysqlAddress {
            host: "0.0.0.0".into(),
            port: proxy.port,
            ..over_tcp(mysql_address(bed), mode)
        };
        open(remote(SslMode::Preferred)).unwrap();
        let clear = std::mem::take(&mut *proxy.sent.lock().unwrap());
        assert!(!contains(&clear, database.name.as_bytes()) && !contains(&clear, b"SELECT"), "not encrypted");
        open(remote(SslMode::Disabled)).unwrap();
        assert!(contains(&proxy.sent.lock().unwrap(), b"SELECT"));
    });
}

#[test]
fn a_server_without_tls_is_used_unless_tls_was_asked_for() {
    on_every_server(|bed| {
        let Raw::Server(database) = &bed.raw else { return };
        // Takes CLIENT_SSL (0x0800) out of the greeting: protocol 10, version, 0, id, 8 bytes, 0, flags.
        let without_tls = |side: Side<'_>| {
            if let Side::Server(bytes) = side
                && bytes.get(4) == Some(&10)
                && let Some(version) = bytes[5..].iter().position(|byte| *byte == 0)
                && let Some(flags) = bytes.get_mut(5 + version + 1 + 4 + 8 + 1 + 1)
            {
                *flags &= !0x08;
            }
            Next::Forward
        };
        let proxy = Proxy::start(database.server, without_tls);
        let remote = |mode| MysqlAddress {
            host: "0.0.0.0".into(),
            port: proxy.port,
            ..over_tcp(mysql_address(bed), mode)
        };
        open(remote(SslMode::Preferred)).unwrap();
        let Err(error) = open(remote(SslMode::Required)) else { panic!("no TLS, but required") };
        assert!(error.to_string().contains("offers no TLS"), "{error}");
    });
}

#[test]
fn a_reading_account_reads_and_is_told_what_writing_needs() {
    on_every_server(|bed| {
        let user = bed.new_user();
        bed.add_meta(user, KEY, Some(b"value"));
        let Raw::Server(database) = &bed.raw else { return };
        let mut store = open(server_address(database.server, &database.name, "reader")).unwrap();
        assert!(store.find_user(UserField::Id(user)).unwrap().is_some());
        let read = row(&mut *store, user);
        assert_eq!(read.len(), 1);
        store.option("siteurl").unwrap().unwrap();
        store.network_option("siteurl").unwrap().unwrap();
        store.each_user_meta(KEY, &mut |_| ControlFlow::Break(())).unwrap();
        for (outcome, needs) in [
            (store.replace_user_meta(user, KEY, &read, b"x", None).map(drop), "UPDATE on wp_usermeta there"),
            (
                store.replace_user_meta(bed.new_user(), KEY, &[], b"x", None).map(drop),
                "INSERT on wp_usermeta there",
            ),
            (store.set_network_option("flag_of_reader", b"1", Autoload::Off), "UPDATE on wp_options there"),
        ] {
            let error = outcome.unwrap_err();
            assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
            assert!(error.to_string().contains(needs), "{error}");
        }
        assert_eq!(bed.values(user, KEY), [hex(b"value")]);
    });
}

#[test]
fn an_account_with_grants_on_single_tables_opens_a_single_site() {
    on_every_server(|bed| {
        let Raw::Server(database) = &bed.raw else { return };
        let account = format!("few_{}", database.name);
        database.sql(&format!("CREATE USER {account}@localhost IDENTIFIED BY 'few-secret'"));
        for table in ["wp_users", "wp_usermeta", "wp_options"] {
            database.sql(&format!("GRANT SELECT, INSERT, UPDATE ON {table} TO {account}@localhost"));
        }
        let password = DatabasePassword::new(b"few-secret".to_vec());
        let mut store = open(MysqlAddress { user: account.clone(), password, ..mysql_address(bed) }).unwrap();
        assert!(store.description().network.is_none());
        let user = bed.new_user();
        write(&mut *store, user, |_| b"one".to_vec());
        write(&mut *store, user, |_| b"two".to_vec());
        store.set_network_option("flag_of_few", b"1", Autoload::Off).unwrap();
        assert_eq!(bed.values(user, KEY), [hex(b"two")]);
        database.sql(&format!("DROP USER {account}@localhost"));
    });
}

#[test]
fn refused_logins_and_unknown_databases_are_sentences_without_the_password() {
    on_every_server(|bed| {
        let address = mysql_address(bed);
        let password = DatabasePassword::new(b"hunter2-is-wrong".to_vec());
        for wrong in [
            MysqlAddress { password: password.clone(), ..address.clone() },
            MysqlAddress { password: password.clone(), ..over_tcp(address.clone(), SslMode::Required) },
            MysqlAddress { user: "nobody".into(), password: password.clone(), ..address.clone() },
            MysqlAddress { database: "no_such_database".into(), ..address.clone() },
            MysqlAddress { socket: Some("/nonexistent/mysqld.sock".into()), password, ..address.clone() },
            MysqlAddress { port: 1, ..over_tcp(address.clone(), SslMode::Preferred) },
            MysqlAddress {
                host: "no-such-host.invalid".into(),
                ..over_tcp(address.clone(), SslMode::Preferred)
            },
        ] {
            let Err(error) = open(wrong) else { panic!("it opened") };
            assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
    });
}

/// The address of a server that a test plays, where a slow query may take a minute.
fn address_of(port: u16, ssl_mode: SslMode) -> MysqlAddress {
    MysqlAddress {
        host: "127.0.0.1".into(),
        port,
        socket: None,
        user: "wp".into(),
        password: DatabasePassword::default(),
        database: "wp".into(),
        charset: String::new(),
        ssl_mode,
        ssl_ca: None,
        connect_timeout: Duration::from_secs(1),
        read_timeout: Duration::from_secs(60),
    }
}

#[test]
fn a_silent_server_is_not_waited_for_longer_than_a_connection_may_take() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let port = listener.local_addr().unwrap().port();
    let Err(error) = open(address_of(port, SslMode::Preferred)) else { panic!("nobody answered") };
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
    assert!(
        error.to_string().contains("within 1 s") && error.to_string().contains("connect-timeout"),
        "{error}"
    );
    assert!(began.elapsed() < Duration::from_secs(10));

    // One that greets, and then says nothing more.
    let Some(rig) = rig::require() else { return };
    let proxy = Proxy::start(&rig.mariadb, |side| match side {
        Side::Client(_) => Next::Answer(Vec::new()),
        Side::Server(_) => Next::Forward,
    });
    for mode in [SslMode::Required, SslMode::Disabled] {
        let began = Instant::now();
        let Err(error) = open(address_of(proxy.port, mode)) else { panic!("nobody answered") };
        assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }
}

#[test]
fn a_server_that_hangs_up_before_the_login_is_a_sentence_with_advice() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || listener.incoming().map_while(Result::ok).for_each(drop));
    let Err(error) = open(address_of(port, SslMode::Preferred)) else { panic!("nobody answered") };
    assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    let sentence = error.to_string();
    assert!(sentence.contains("before the login was done") && sentence.contains("its log"), "{sentence}");
}

#[test]
fn a_file_without_a_certificate_is_no_authority() {
    let folder = tempfile::tempdir().unwrap();
    for content in ["", "hello", "-----BEGIN PRIVATE KEY-----\n"] {
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, content).unwrap();
        let address = MysqlAddress { ssl_ca: Some(file), ..address_of(1, SslMode::VerifyCa) };
        let Err(error) = open(address) else { panic!("it opened") };
        assert!(error.to_string().contains("holds no certificate (PEM)"), "{error}");
    }
}

/// A copy of `usermeta` whose values have another charset.
fn with_charset(bed: &Bed, charset: &str) -> Tables {
    let name = format!("{charset}_usermeta");
    bed.sql(&format!("DROP TABLE IF EXISTS {name}"));
    bed.sql(&format!("CREATE TABLE {name} LIKE wp_usermeta"));
    bed.sql(&format!("ALTER TABLE {name} MODIFY meta_value longtext CHARACTER SET {charset}"));
    Tables { usermeta: Some(name), ..bed.tables.clone() }
}

#[test]
fn what_the_column_cannot_hold_is_refused_and_nothing_changes() {
    on_every_server(|bed| {
        let cases = [("utf8mb3", "café ☕", "key 🔑", "U+1F511"), ("latin1", "café €", "tea ☕", "U+2615")];
        for (charset, fits, unfit, character) in cases {
            let tables = with_charset(bed, charset);
            let mut store = store::open(&bed.address, &tables).unwrap();
            let user = bed.new_user();
            for value in [fits, "plain", fits] {
                write(&mut *store, user, |_| value.as_bytes().to_vec());
                assert_eq!(row(&mut *store, user)[0].value.as_deref(), Some(value.as_bytes()));
            }
            // What is stored is what the column would hold after WordPress's own UPDATE.
            let stored = bed.sql(&format!(
                "SELECT HEX(meta_value) = HEX(CONVERT({} USING {charset})) FROM {charset}_usermeta",
                bed.literal(fits.as_bytes())
            ));
            assert_eq!(stored, ["1"]);
            let read = row(&mut *store, user);
            for previous in [&read[..], &[]] {
                let user = if previous.is_empty() { bed.new_user() } else { user };
                let error =
                    store.replace_user_meta(user, KEY, previous, unfit.as_bytes(), Some("_b")).unwrap_err();
                assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
                assert!(
                    error.to_string().contains(character) && error.to_string().contains(charset),
                    "{error}"
                );
            }
            assert_eq!(row(&mut *store, user), read);
        }
        // No text in the connection's charset.
        let error = bed.store().replace_user_meta(bed.new_user(), KEY, &[], b"\xff\xfe", None).unwrap_err();
        assert!(matches!(error, StoreError::Unfit(_)), "{error:?}");
    });
}

#[test]
fn a_latin1_connection_keeps_the_bytes_that_wordpress_stored_through_it() {
    on_every_server(|bed| {
        let tables = with_charset(bed, "latin1");
        let latin1 = Address::Mysql(MysqlAddress { charset: "latin1".into(), ..mysql_address(bed) });
        let mut store = store::open(&latin1, &tables).unwrap();
        let user = bed.new_user();
        // UTF-8 through a latin1 connection: each byte is a character of its own.
        let value = "a:1:{s:5:\"café\";} ☕".as_bytes();
        write(&mut *store, user, |_| value.to_vec());
        assert_eq!(row(&mut *store, user)[0].value.as_deref(), Some(value));
        assert_eq!(
            bed.sql(&format!("SELECT HEX(meta_value) FROM latin1_usermeta WHERE user_id = {user}")),
            [hex(value)]
        );
        write(&mut *store, user, |old| [old.unwrap(), &(0..=255).collect::<Vec<u8>>()].concat());
        assert_eq!(row(&mut *store, user)[0].value.as_ref().unwrap().len(), value.len() + 256);
        // An unknown charset, or none, is the server's own, as PHP has it.
        for charset in ["", "no_such_charset", "utf8; DROP"] {
            let address = MysqlAddress { charset: charset.into(), ..mysql_address(bed) };
            let mut store = open(address).unwrap_or_else(|error| panic!("{charset}: {error}"));
            let user = bed.new_user();
            write(&mut *store, user, |_| "☕🔑".as_bytes().to_vec());
            assert_eq!(bed.values(user, KEY), [hex("☕🔑".as_bytes())]);
        }
    });
}

#[test]
fn a_killed_connection_is_an_honest_error() {
    on_every_server(|bed| {
        let user = bed.new_user();
        bed.add_meta(user, KEY, Some(b"value"));
        let Raw::Server(database) = &bed.raw else { return };
        // A session of its own is told apart by its variable: the list of processes shows no more.
        let account = format!("kill_{}", database.name);
        database.sql(&format!("CREATE USER {account}@localhost IDENTIFIED BY 'kill-secret'"));
        database.sql(&format!("GRANT ALL ON {}.* TO {account}@localhost", database.name));
        let password = DatabasePassword::new(b"kill-secret".to_vec());
        let address = MysqlAddress { user: account.clone(), password, ..mysql_address(bed) };
        let mut store = open(address).unwrap();
        let read = row(&mut *store, user);
        let id = bed.sql(&format!("SELECT id FROM information_schema.processlist WHERE user = '{account}'"));
        bed.sql(&format!("KILL {}", id[0]));
        let error = store.replace_user_meta(user, KEY, &read, b"new", None).unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
        // Still an error, not somebody else's answer.
        assert!(store.user_meta(user, KEY).is_err());
        assert_eq!(bed.values(user, KEY), [hex(b"value")]);
        database.sql(&format!("DROP USER {account}@localhost"));
    });
}

#[test]
fn a_connection_that_ends_around_the_commit_leaves_an_honest_doubt() {
    on_every_server(|bed| {
        let Raw::Server(database) = &bed.raw else { return };
        for (forwarded, first) in [(true, true), (true, false), (false, true), (false, false)] {
            let user = bed.new_user();
            if !first {
                bed.add_meta(user, KEY, Some(b"old"));
            }
            let cut = Arc::new(AtomicBool::new(false));
            let seen = cut.clone();
            // Without transactions the statement itself is the commit.
            let commit: &[u8] = match (bed.name.contains("MyISAM"), first) {
                (false, _) => b"COMMIT",
                (true, true) => b"INSERT INTO",
                (true, false) => b"UPDATE `",
            };
            let proxy = Proxy::start(database.server, move |side| match side {
                Side::Client(bytes) if contains(bytes, commit) => {
                    cut.store(true, Ordering::SeqCst);
                    if forwarded {
                        return Next::Forward;
                    }
                    bytes.clear();
                    Next::Cut
                }
                Side::Server(bytes) if cut.load(Ordering::SeqCst) => {
                    bytes.clear();
                    Next::Cut
                }
                _ => Next::Forward,
            });
            let address =
                MysqlAddress { port: proxy.port, ..over_tcp(mysql_address(bed), SslMode::Disabled) };
            let mut store = open(address).unwrap();
            let previous = row(&mut *store, user);
            let error = store.replace_user_meta(user, KEY, &previous, b"new", None).unwrap_err();
            assert!(seen.load(Ordering::SeqCst));
            assert!(matches!(error, StoreError::Unknown(_)), "{error:?}");
        }
    });
}

#[test]
fn what_a_server_refuses_is_told_apart() {
    #[derive(Debug, PartialEq)]
    enum End {
        Lost,
        Busy,
        Denied,
        Unfit,
        Unknown,
        Failed,
    }
    use End::{Busy, Denied, Failed, Lost, Unfit, Unknown};
    let cases: [(&str, u16, &str, End); 17] = [
        ("UPDATE `", 1213, "Deadlock found", Lost),
        ("UPDATE `", 1205, "Lock wait timeout exceeded", Busy),
        ("UPDATE `", 1290, "running with the --read-only option", Denied),
        ("UPDATE `", 1836, "Running in read-only mode", Denied),
        ("UPDATE `", 1792, "Cannot execute statement in a READ ONLY transaction", Denied),
        ("UPDATE `", 1114, "The table is full", Failed),
        ("UPDATE `", 1021, "Disk full", Failed),
        ("UPDATE `", 1030, "Got error 28 from storage engine", Failed),
        ("UPDATE `", 1153, "Got a packet bigger than 'max_allowed_packet' bytes", Unfit),
        ("UPDATE `", 1406, "Data too long for column", Unfit),
        ("FOR UPDATE", 1020, "Record has changed since last read", Lost),
        ("COMMIT", 1213, "Deadlock: the cluster refused the certification", Lost),
        ("COMMIT", 1180, "Got error 149 during COMMIT", Lost),
        ("COMMIT", 3101, "Plugin instructed the server to rollback", Lost),
        ("COMMIT", 1317, "Query execution was interrupted", Unknown),
        ("COMMIT", 1053, "Server shutdown in progress", Unknown),
        ("START", 1047, "WSREP has not yet prepared node", Failed),
    ];
    on_every_server(|bed| {
        let Raw::Server(database) = &bed.raw else { return };
        for (command, code, message, expected) in &cases {
            if bed.name.contains("MyISAM") && ["START", "COMMIT"].contains(command) {
                continue;
            }
            let user = bed.new_user();
            bed.add_meta(user, KEY, Some(b"old"));
            let (needle, packet) = (command.as_bytes().to_vec(), error_packet(*code, message));
            let proxy = Proxy::start(database.server, move |side| match side {
                Side::Client(bytes) if contains(bytes, &needle) => Next::Answer(packet.clone()),
                _ => Next::Forward,
            });
            let address =
                MysqlAddress { port: proxy.port, ..over_tcp(mysql_address(bed), SslMode::Disabled) };
            let mut store = open(address).unwrap();
            let previous = row(&mut *store, user);
            let end = match store.replace_user_meta(user, KEY, &previous, b"new", None) {
                Ok(Swap::Done) => panic!("{command} {code}: not done"),
                Ok(Swap::Lost) => Lost,
                Err(StoreError::Busy(_)) => Busy,
                Err(StoreError::Denied(_)) => Denied,
                Err(StoreError::Unfit(_)) => Unfit,
                Err(StoreError::Unknown(_)) => Unknown,
                Err(_) => Failed,
            };
            assert_eq!(end, *expected, "{command} {code}");
            assert_eq!(bed.values(user, KEY), [hex(b"old")], "{command} {code}");
            // The session is usable again, its transaction gone.
            assert_eq!(row(&mut *store, user).len(), 1);
        }
    });
}

#[test]
fn the_first_row_is_made_once_where_get_lock_is_forbidden() {
    on_every_server(|bed| {
        let Raw::Server(database) = &bed.raw else { return };
        if bed.name.contains("MyISAM") {
            return;
        }
        let refusal = error_packet(1105, "Percona-XtraDB-Cluster prohibits use of GET_LOCK");
        let proxy = Proxy::start(database.server, move |side| match side {
            Side::Client(bytes) if contains(bytes, b"GET_LOCK") => Next::Answer(refusal.clone()),
            _ => Next::Forward,
        });
        let address = MysqlAddress { port: proxy.port, ..over_tcp(mysql_address(bed), SslMode::Disabled) };
        for _ in 0..5 {
            let user = bed.new_user();
            let start = Barrier::new(8);
            let done = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        let mut store = open(address.clone()).unwrap();
                        start.wait();
                        if store.replace_user_meta(user, KEY, &[], b"x", None).unwrap() == Swap::Done {
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!((done.into_inner(), bed.values(user, KEY).len()), (1, 1));
        }
    });
}

#[test]
fn a_statement_longer_than_the_server_takes_is_refused_beforehand() {
    let Some(rig) = rig::require() else { return };
    // Both servers of the rig take 512 MB, more than we write: nothing to refuse.
    let bed = server_bed("InnoDB", rig.fresh_mariadb_database(Template::InnoDb));
    let mut store = bed.store();
    let user = bed.new_user();
    let long = vec![b'x'; LONGEST_VALUE];
    write(&mut *store, user, |_| long.clone());
    write(&mut *store, user, |old| {
        assert_eq!(old.map(<[u8]>::len), Some(LONGEST_VALUE));
        b"short".to_vec()
    });
    assert_eq!(bed.values(user, KEY), [hex(b"short")]);
}

// What only files can do.

#[test]
fn a_file_that_is_no_site_is_a_sentence_and_nothing_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| {
        let file = folder.path().join(name);
        store::open(&Address::Sqlite(file), &Tables::default()).map(drop).unwrap_err()
    };
    assert!(matches!(open("missing.sqlite"), StoreError::Unreachable(_)));
    assert!(matches!(open("no/folder/x.sqlite"), StoreError::Unreachable(_)));
    assert!(matches!(open(""), StoreError::Unreachable(_)));
    std::fs::write(folder.path().join("text"), "not a database, but long enough to have a header".repeat(9))
        .unwrap();
    assert!(matches!(open("text"), StoreError::Unreachable(_)), "{:?}", open("text"));
    std::fs::write(folder.path().join("empty"), "").unwrap();
    assert!(matches!(open("empty"), StoreError::NoTables(_)));
    rusqlite::Connection::open(folder.path().join("other"))
        .unwrap()
        .execute_batch("CREATE TABLE x (y)")
        .unwrap();
    assert!(matches!(open("other"), StoreError::NoTables(_)));
    let mut names: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["empty", "other", "text"]);
    let memory = store::open(&Address::Sqlite(":memory:".into()), &Tables::default());
    assert!(matches!(memory, Err(StoreError::Unreachable(_))));
}

#[test]
fn the_journal_mode_stays_and_nothing_is_left_beside_the_file() {
    for (bed, mode) in [(old_sqlite(), "delete"), (new_sqlite(), "wal")] {
        let Raw::File(file, folder) = &bed.raw else { return };
        let user = bed.new_user();
        let mut store = bed.store();
        write(&mut *store, user, |_| b"value".to_vec());
        drop(store);
        assert_eq!(bed.sql("PRAGMA journal_mode"), [mode]);
        let names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(names, std::slice::from_ref(file), "{}", bed.name);
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn what_root_leaves_beside_the_file_belongs_to_the_files_owner() {
    if !is_root() {
        return;
    }
    let bed = new_sqlite();
    let Raw::File(file, folder) = &bed.raw else { return };
    for path in [folder.path(), file] {
        std::os::unix::fs::chown(path, Some(12345), Some(23456)).unwrap();
    }
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o660)).unwrap();
    let user = UserId(1);
    let mut store = bed.store();
    let check = || {
        for suffix in ["-wal", "-shm"] {
            let mut name = file.clone().into_os_string();
            name.push(suffix);
            let found = std::fs::metadata(&name).unwrap_or_else(|error| panic!("{name:?}: {error}"));
            assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (12345, 23456, 0o660), "{name:?}");
        }
    };
    store.find_user(UserField::Id(user)).unwrap();
    check();
    write(&mut *store, user, |_| b"value".to_vec());
    check();
}

/// Creates an entry through a proxy that cuts the connection right after it was saved, for good or once.
fn create_with_a_cut(bed: &Bed, for_good: bool) -> (User, NewEntry, Result<(), Error>) {
    let Raw::Server(database) = &bed.raw else { unreachable!("servers only") };
    let gone = AtomicBool::new(false);
    // What comes first after the entry was saved.
    let proxy = Proxy::start(database.server, move |side| {
        let (Side::Client(bytes) | Side::Server(bytes)) = side;
        if contains(bytes, b"RELEASE_LOCK") || (for_good && gone.load(Ordering::SeqCst)) {
            gone.store(true, Ordering::SeqCst);
            bytes.clear();
            return Next::Cut;
        }
        Next::Forward
    });
    let address = MysqlAddress { port: proxy.port, ..over_tcp(mysql_address(bed), SslMode::Disabled) };
    let mut store = open(address).unwrap();
    let user = User { id: bed.new_user(), login: b"somebody".to_vec(), email: Vec::new() };
    let mut entry = NewEntry {
        name: b"name".to_vec(),
        app_id: Vec::new(),
        password: b"hash".to_vec(),
        uuid: "11111111-1111-4111-8111-111111111111".into(),
        created: 1,
        successor: None,
        terms: Default::default(),
    };
    let rules = Rules { unique_names: false, sanitize_names: true, autoload: Autoload::Off };
    let outcome =
        ApplicationPasswords::new(&mut *store, false, Aftercare::default()).create(&user, &mut entry, rules);
    (user, entry, outcome)
}

#[test]
fn an_entry_that_stays_behind_a_lost_connection_is_named() {
    on_every_server(|bed| {
        let (user, entry, outcome) = create_with_a_cut(bed, true);
        let error = outcome.unwrap_err();
        let told = error.to_string();
        assert!(matches!(error, Error::LeftBehind { .. }) && !told.contains("nothing was changed"), "{told}");
        assert!(told.contains(&format!("delete {} {}", user.id, entry.uuid)), "{told}");
        assert_eq!(bed.values(user.id, KEY).len(), 1);
    });
}

#[test]
fn a_connection_that_is_lost_after_the_entry_was_saved_is_made_anew() {
    on_every_server(|bed| {
        let (user, entry, outcome) = create_with_a_cut(bed, false);
        outcome.unwrap();
        let values = bed.values(user.id, KEY);
        assert_eq!(values.len(), 1);
        let uuid: String = entry.uuid.bytes().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(values[0].matches(&uuid).count(), 1);
    });
}

/// Runs this test program again as another user; `test` then finds `WP_APP_PASSWORD_TEST_AS` set.
fn as_user(uid: u32, gid: u32, test: &str, file: &Path) -> std::process::Output {
    use std::os::unix::process::CommandExt;
    // The program may lie where that user cannot go.
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("suite");
    // Not copied by this process: a child that another test starts meanwhile would inherit the open copy, and
    // a program that is open for writing cannot be executed ("Text file busy").
    let copied = std::process::Command::new("cp")
        .arg(std::env::current_exe().unwrap())
        .arg(&program)
        .status()
        .unwrap();
    assert!(copied.success());
    std::process::Command::new(program)
        .args(["--exact", "--nocapture", test])
        .env("WP_APP_PASSWORD_TEST_AS", file)
        .current_dir("/")
        .uid(uid)
        .gid(gid)
        .output()
        .unwrap()
}

#[allow(clippy::disallowed_methods, reason = "how the second process of a test learns its part")]
fn file_of_the_other_user() -> Option<PathBuf> {
    std::env::var_os("WP_APP_PASSWORD_TEST_AS").map(PathBuf::from)
}

#[test]
fn another_user_reads_without_leaving_files_and_is_told_who_may_write() {
    if let Some(file) = file_of_the_other_user() {
        // The other user's part.
        let mut store = store::open(&Address::Sqlite(file), &Tables::default()).unwrap();
        let user = store.find_user(UserField::Id(UserId(1))).unwrap().unwrap();
        assert!(!user.login.is_empty());
        let read = store.user_meta(user.id, KEY).unwrap();
        assert_eq!(read[0].value.as_deref(), Some(&b"value"[..]));
        let error = store.replace_user_meta(user.id, KEY, &read, b"new", None).unwrap_err();
        assert!(matches!(error, StoreError::Denied(_)), "{error:?}");
        assert!(error.to_string().contains("sudo -u '#12345'"), "{error}");
        println!("the other user was here");
        return;
    }
    if !is_root() {
        return;
    }
    for bed in [old_sqlite(), new_sqlite()] {
        if bed.name.contains("old") {
            bed.add_user(1, b"admin", b"admin@example.com");
        }
        bed.add_meta(UserId(1), KEY, Some(b"value"));
        let Raw::File(file, folder) = &bed.raw else { return };
        // Closed for writing; writable by all, in a folder where everybody may make files.
        for (folder_mode, mode, gid) in [(0o755, 0o644, 54321), (0o777, 0o664, 23456), (0o777, 0o644, 23456)]
        {
            for (path, mode) in [(folder.path(), folder_mode), (file.as_path(), mode)] {
                std::os::unix::fs::chown(path, Some(12345), Some(23456)).unwrap();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            let test = "conformance::another_user_reads_without_leaving_files_and_is_told_who_may_write";
            let writable = mode & 0o020 != 0 && gid == 23456;
            let output = as_user(54321, gid, test, file);
            let printed = format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            if writable {
                // Files made by this user are usable by the file's group: it may write, and did.
                assert!(
                    printed.contains("called `Result::unwrap_err()` on an `Ok` value: Done"),
                    "{printed}"
                );
                bed.sql(&format!("UPDATE wp_usermeta SET meta_value = 'value' WHERE meta_key = '{KEY}'"));
            } else {
                assert!(output.status.success() && printed.contains("the other user was here"), "{printed}");
            }
            let names: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert_eq!(names, std::slice::from_ref(file), "{}", bed.name);
        }
    }
}

#[test]
fn the_owner_of_a_read_only_file_leaves_none_beside_it_and_is_told_why_it_cannot_be_written() {
    if let Some(file) = file_of_the_other_user() {
        // The owner's part.
        let mut store = store::open(&Address::Sqlite(file), &Tables::default()).unwrap();
        let error = store.replace_user_meta(UserId(1), KEY, &[], b"new", None).unwrap_err();
        println!("told: {error}");
        return;
    }
    if !is_root() {
        return;
    }
    for bed in [old_sqlite(), new_sqlite()] {
        let Raw::File(file, folder) = &bed.raw else { return };
        for (folder_mode, mode, told) in [(0o755, 0o444, "its mode"), (0o555, 0o644, "the folder")] {
            for (path, mode) in [(folder.path(), folder_mode), (file.as_path(), mode)] {
                std::os::unix::fs::chown(path, Some(12345), Some(12345)).unwrap();
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
            }
            let test = "conformance::\
                        the_owner_of_a_read_only_file_leaves_none_beside_it_and_is_told_why_it_cannot_be_written";
            let output = as_user(12345, 12345, test, file);
            let printed = String::from_utf8_lossy(&output.stdout);
            let line = printed.lines().find(|line| line.contains("told: ")).unwrap_or_default();
            assert!(output.status.success() && line.contains(told), "{}: {printed}", bed.name);
            let names: Vec<_> =
                std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert_eq!(names, std::slice::from_ref(file), "{}", bed.name);
        }
    }
}
