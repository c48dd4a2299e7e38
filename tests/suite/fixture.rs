//! The database that every transcript starts from (`tests/golden/fixture.json`), on each back end.

use std::collections::BTreeMap;

use mysql::prelude::Queryable;
use serde_json::Value;

use crate::rig::{self, Database, Template};

/// A user's `_application_passwords` rows in `umeta_id` order, by user id.
pub type Metas = BTreeMap<u64, Vec<Vec<u8>>>;

/// A site in the state of the fixture.
pub trait Fixture {
    /// Puts everything back.
    fn reset(&mut self);
    /// For `WP_APP_PASSWORD_DB`.
    fn url(&self) -> String;
    fn metas(&mut self) -> Metas;
    fn set_meta(&mut self, user: u64, value: &[u8]);
    fn delete_meta(&mut self, user: u64);
    fn set_db_version(&mut self, version: &str);
    /// Adds a row under any key.
    fn add_meta(&mut self, user: u64, key: &str, value: &[u8]);
    /// A user's rows under any key.
    fn meta(&mut self, user: u64, key: &str) -> Vec<Vec<u8>>;
    /// Runs one statement that both kinds of databases understand.
    fn sql(&mut self, sql: &str);
}

pub struct Data {
    users: Vec<Value>,
    usermeta: Vec<(u64, String, String)>,
    options: Vec<(String, String, String)>,
}

impl Data {
    pub fn read() -> Self {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fixture.json");
        let json: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self {
            users: json["users"].as_array().unwrap().clone(),
            usermeta: json["usermeta"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| (row[0].as_u64().unwrap(), text(&row[1]), text(&row[2])))
                .collect(),
            options: json["options"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| (text(&row[0]), text(&row[1]), text(&row[2])))
                .collect(),
        }
    }
}

/// WordPress's tables as the SQLite integration makes them, as far as this program looks at them.
const SQLITE_SCHEMA: &str = "
    CREATE TABLE wp_users (ID integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_login text NOT NULL DEFAULT '' COLLATE NOCASE,
        user_pass text NOT NULL DEFAULT '' COLLATE NOCASE, user_nicename text NOT NULL DEFAULT '' COLLATE NOCASE,
        user_email text NOT NULL DEFAULT '' COLLATE NOCASE, user_url text NOT NULL DEFAULT '' COLLATE NOCASE,
        user_registered text NOT NULL DEFAULT '0000-00-00 00:00:00' COLLATE NOCASE,
        user_activation_key text NOT NULL DEFAULT '' COLLATE NOCASE, user_status integer NOT NULL DEFAULT 0,
        display_name text NOT NULL DEFAULT '' COLLATE NOCASE);
    CREATE TABLE wp_usermeta (umeta_id integer NOT NULL PRIMARY KEY AUTOINCREMENT, user_id integer NOT NULL DEFAULT 0,
        meta_key text DEFAULT NULL COLLATE NOCASE, meta_value text DEFAULT NULL COLLATE NOCASE);
    CREATE INDEX wp_usermeta__user_id ON wp_usermeta (user_id);
    CREATE INDEX wp_usermeta__meta_key ON wp_usermeta (meta_key);
    CREATE TABLE wp_options (option_id integer NOT NULL PRIMARY KEY AUTOINCREMENT, option_name text NOT NULL DEFAULT '' COLLATE NOCASE,
        option_value text NOT NULL COLLATE NOCASE, autoload text NOT NULL DEFAULT 'yes' COLLATE NOCASE);
    CREATE UNIQUE INDEX wp_options__option_name ON wp_options (option_name);
";

/// A file in a temporary folder.
pub struct SqliteFixture {
    folder: tempfile::TempDir,
    template: Vec<u8>,
}

impl SqliteFixture {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("template.sqlite");
        let database = rusqlite::Connection::open(&file).unwrap();
        database.execute_batch(SQLITE_SCHEMA).unwrap();
        let data = Data::read();
        for user in &data.users {
            database
                .execute(
                    "INSERT INTO wp_users (ID, user_login, user_nicename, user_email, user_registered, display_name)
                     VALUES (?, ?, ?, ?, ?, ?)",
                    rusqlite::params![
                        user["ID"].as_i64(),
                        user["user_login"].as_str(),
                        user["user_nicename"].as_str(),
                        user["user_email"].as_str(),
                        user["user_registered"].as_str(),
                        user["display_name"].as_str()
                    ],
                )
                .unwrap();
        }
        for (user, key, value) in &data.usermeta {
            database
                .execute(
                    "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?, ?, ?)",
                    rusqlite::params![*user as i64, key, value],
                )
                .unwrap();
        }
        for (name, value, autoload) in &data.options {
            database
                .execute(
                    "INSERT INTO wp_options (option_name, option_value, autoload) VALUES (?, ?, ?)",
                    [name, value, autoload],
                )
                .unwrap();
        }
        drop(database);
        let mut fixture = Self { template: std::fs::read(&file).unwrap(), folder };
        fixture.reset();
        fixture
    }

    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("site.sqlite")
    }

    pub fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

impl Fixture for SqliteFixture {
    fn reset(&mut self) {
        std::fs::write(self.path(), &self.template).unwrap();
    }

    fn url(&self) -> String {
        format!("sqlite:{}", self.path().display())
    }

    fn metas(&mut self) -> Metas {
        let database = self.connection();
        let mut statement = database
            .prepare(
                "SELECT user_id, CAST(meta_value AS BLOB) FROM wp_usermeta
                 WHERE meta_key = '_application_passwords' ORDER BY umeta_id",
            )
            .unwrap();
        let mut metas = Metas::new();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            metas.entry(row.get::<_, i64>(0).unwrap() as u64).or_default().push(row.get(1).unwrap());
        }
        metas
    }

    fn set_meta(&mut self, user: u64, value: &[u8]) {
        self.delete_meta(user);
        self.connection()
            .execute(
                "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?, '_application_passwords', CAST(? AS TEXT))",
                rusqlite::params![user as i64, value],
            )
            .unwrap();
    }

    fn delete_meta(&mut self, user: u64) {
        self.connection()
            .execute(
                "DELETE FROM wp_usermeta WHERE user_id = ? AND meta_key = '_application_passwords'",
                [user as i64],
            )
            .unwrap();
    }

    fn set_db_version(&mut self, version: &str) {
        self.connection()
            .execute("UPDATE wp_options SET option_value = ? WHERE option_name = 'db_version'", [version])
            .unwrap();
    }

    fn add_meta(&mut self, user: u64, key: &str, value: &[u8]) {
        self.connection()
            .execute(
                "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?, ?, CAST(? AS TEXT))",
                rusqlite::params![user as i64, key, value],
            )
            .unwrap();
    }

    fn meta(&mut self, user: u64, key: &str) -> Vec<Vec<u8>> {
        let database = self.connection();
        let mut statement = database
            .prepare("SELECT CAST(meta_value AS BLOB) FROM wp_usermeta WHERE user_id = ? AND meta_key = ? ORDER BY umeta_id")
            .unwrap();
        let rows = statement.query_map(rusqlite::params![user as i64, key], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn sql(&mut self, sql: &str) {
        self.connection().execute_batch(sql).unwrap();
    }
}

/// A database of its own on the MariaDB server of `tests/run`.
pub struct MariadbFixture {
    database: Database,
    connection: mysql::Conn,
    data: Data,
}

impl MariadbFixture {
    /// `None` where the servers do not run: said aloud by [`rig::require`].
    pub fn new() -> Option<Self> {
        let rig = rig::require()?;
        let database = rig.fresh_mariadb_database(Template::InnoDb);
        let connection = mysql::Conn::new(
            mysql::OptsBuilder::new()
                .socket(Some(rig.mariadb.socket.display().to_string()))
                .user(Some("root"))
                .db_name(Some(&database.name))
                .prefer_socket(false),
        )
        .unwrap();
        let mut fixture = Self { database, connection, data: Data::read() };
        fixture.connection.query_drop("SET sql_mode = ''").unwrap();
        fixture.connection.query_drop("DELETE FROM wp_users").unwrap();
        for user in &fixture.data.users {
            let text = |key: &str| user[key].as_str().unwrap().to_owned();
            fixture
                .connection
                .exec_drop(
                    "INSERT INTO wp_users (ID, user_login, user_nicename, user_email, user_registered, display_name)
                     VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        user["ID"].as_u64().unwrap(),
                        text("user_login"),
                        text("user_nicename"),
                        text("user_email"),
                        text("user_registered"),
                        text("display_name"),
                    ),
                )
                .unwrap();
        }
        fixture.reset();
        Some(fixture)
    }
}

impl Fixture for MariadbFixture {
    fn reset(&mut self) {
        self.connection.query_drop("DELETE FROM wp_usermeta").unwrap();
        self.connection.query_drop("DELETE FROM wp_options").unwrap();
        let rows = self.data.usermeta.iter().map(|(user, key, value)| (user, key, value));
        self.connection
            .exec_batch("INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?, ?, ?)", rows)
            .unwrap();
        let rows = self.data.options.iter().map(|(name, value, autoload)| (name, value, autoload));
        self.connection
            .exec_batch("INSERT INTO wp_options (option_name, option_value, autoload) VALUES (?, ?, ?)", rows)
            .unwrap();
    }

    fn url(&self) -> String {
        self.database.socket_url("wp")
    }

    fn metas(&mut self) -> Metas {
        let mut metas = Metas::new();
        let rows: Vec<(u64, Vec<u8>)> = self
            .connection
            .query(
                "SELECT user_id, meta_value FROM wp_usermeta
                 WHERE meta_key = '_application_passwords' ORDER BY umeta_id",
            )
            .unwrap();
        for (user, value) in rows {
            metas.entry(user).or_default().push(value);
        }
        metas
    }

    fn set_meta(&mut self, user: u64, value: &[u8]) {
        self.delete_meta(user);
        self.connection
            .exec_drop(
                "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?, '_application_passwords', ?)",
                (user, value),
            )
            .unwrap();
    }

    fn delete_meta(&mut self, user: u64) {
        self.connection
            .exec_drop(
                "DELETE FROM wp_usermeta WHERE user_id = ? AND meta_key = '_application_passwords'",
                (user,),
            )
            .unwrap();
    }

    fn set_db_version(&mut self, version: &str) {
        self.connection
            .exec_drop("UPDATE wp_options SET option_value = ? WHERE option_name = 'db_version'", (version,))
            .unwrap();
    }

    fn add_meta(&mut self, user: u64, key: &str, value: &[u8]) {
        self.connection
            .exec_drop(
                "INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (?, ?, ?)",
                (user, key, value),
            )
            .unwrap();
    }

    fn meta(&mut self, user: u64, key: &str) -> Vec<Vec<u8>> {
        let sql = "SELECT meta_value FROM wp_usermeta WHERE user_id = ? AND meta_key = ? ORDER BY umeta_id";
        self.connection.exec(sql, (user, key)).unwrap()
    }

    fn sql(&mut self, sql: &str) {
        self.connection.query_drop(sql).unwrap();
    }
}
