//! Many at once, and killed in the middle: nothing is lost, nothing is half written.

use std::collections::BTreeSet;
use std::io::Read;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Duration;

use rand::RngExt;
use wp_app_password::wordpress::password_hash::{Era, Verdict, verify};

use crate::rig::{self, Database, Template};

/// A database that any number of processes may use, with the user 3 of its site.
struct Target {
    name: &'static str,
    url: String,
    _folder: Option<tempfile::TempDir>,
    _database: Option<Database>,
}

impl Target {
    fn sqlite(name: &'static str, bytes_from: impl FnOnce(&std::path::Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.sqlite");
        bytes_from(&file);
        Self { name, url: format!("sqlite:{}", file.display()), _folder: Some(folder), _database: None }
    }

    fn server(name: &'static str, database: Database) -> Self {
        Self { name, url: database.socket_url("wp"), _folder: None, _database: Some(database) }
    }

    /// A sandbox needs no server.
    fn sandbox() -> Self {
        Self::sqlite("SQLite (sandbox)", |file| wp_app_password::store::sandbox::create(file).unwrap())
    }

    fn on_servers() -> Vec<Self> {
        let Some(rig) = rig::require() else { return Vec::new() };
        vec![
            Self::sqlite("SQLite (integration 3.x)", |file| {
                rig.fresh_sqlite_database(Template::Sqlite, file)
            }),
            Self::sqlite("SQLite (integration 2.2)", |file| {
                rig.fresh_sqlite_database(Template::SqliteOld, file)
            }),
            Self::server("MariaDB InnoDB", rig.fresh_mariadb_database(Template::InnoDb)),
            Self::server("MariaDB MyISAM", rig.fresh_mariadb_database(Template::MyIsam)),
            Self::server("MySQL", rig.fresh_mysql_database(Template::InnoDb)),
        ]
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = rig::binary();
        command.args(arguments).env("WP_APP_PASSWORD_DB", &self.url);
        command
    }

    fn hashes(&self) -> Vec<String> {
        let output = self.command(&["list", "3", "--field=password"]).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", self.name);
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn twenty_at_once(target: &Target) {
    let printed: Vec<String> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..20)
            .map(|number| {
                scope.spawn(move || {
                    // phpass is cheap enough to verify twenty against twenty.
                    let name = format!("app {number}");
                    let output = target
                        .command(&["create", "3", &name, "--porcelain", "--hash=phpass"])
                        .output()
                        .unwrap();
                    assert!(output.status.success(), "{}: {output:?}", target.name);
                    String::from_utf8(output.stdout).unwrap().trim().to_owned()
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let hashes = target.hashes();
    assert_eq!(hashes.len(), 20, "{}", target.name);
    for password in &printed {
        assert!(matches(password, &hashes), "{}: a printed password is nowhere", target.name);
    }
    let uuids = target.command(&["list", "3", "--format=ids"]).output().unwrap();
    let uuids = String::from_utf8(uuids.stdout).unwrap();
    std::thread::scope(|scope| {
        for uuid in uuids.split(' ') {
            scope.spawn(move || {
                let output = target.command(&["delete", "3", uuid]).output().unwrap();
                assert!(output.status.success(), "{}: {output:?}", target.name);
            });
        }
    });
    assert_eq!(target.hashes().len(), 0, "{}", target.name);
}

fn matches(password: &str, hashes: &[String]) -> bool {
    hashes.iter().any(|hash| verify(password.as_bytes(), hash.as_bytes(), Era::Since68) == Verdict::Match)
}

#[test]
fn twenty_first_creates_at_once_make_one_row_with_twenty_entries() {
    twenty_at_once(&Target::sandbox());
}

#[test]
fn twenty_first_creates_at_once_on_every_server() {
    Target::on_servers().iter().for_each(twenty_at_once);
}

/// Creates and deletes from eight sides, each process killed with `-9` after a random time.
fn killed_under_load(target: &Target, rounds: usize) {
    for number in 0..3 {
        let output =
            target.command(&["create", "3", &format!("kept {number}"), "--hash=phpass"]).output().unwrap();
        assert!(output.status.success(), "{}: {output:?}", target.name);
    }
    let kept: BTreeSet<String> = target.hashes().into_iter().collect();
    let printed = Mutex::new(Vec::new());
    let killed = Mutex::new(0);
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let (printed, killed) = (&printed, &killed);
            scope.spawn(move || {
                // As long as a run takes on this machine under this load, so that about half get through.
                let mut longest = 60_000.0_f64;
                for round in 0..rounds {
                    let name = format!("w{worker} r{round}");
                    let mut child = target
                        .command(&["create", "3", &name, "--porcelain", "--hash=phpass"])
                        .stdout(Stdio::piped())
                        .stderr(Stdio::null())
                        .spawn()
                        .unwrap();
                    std::thread::sleep(Duration::from_micros(rand::rng().random_range(0..longest as u64)));
                    let died = child.try_wait().unwrap().is_none() && child.kill().is_ok();
                    let mut output = String::new();
                    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
                    child.wait().unwrap();
                    longest *= if died { 1.3 } else { 0.8 };
                    *killed.lock().unwrap() += usize::from(died);
                    if let Some(password) = output.strip_suffix('\n') {
                        printed.lock().unwrap().push(password.to_owned());
                    }
                }
            });
        }
    });
    let hashes = target.hashes();
    let printed = printed.into_inner().unwrap();
    for password in &printed {
        assert!(matches(password, &hashes), "{}: a printed password does not work", target.name);
    }
    assert!(kept.iter().all(|hash| hashes.contains(hash)), "{}: an entry was lost", target.name);
    let killed = killed.into_inner().unwrap();
    eprintln!("{}: {killed} of {} killed, {} printed, all work", target.name, 8 * rounds, printed.len());
    assert!(killed > 0 && !printed.is_empty(), "{}: nobody was killed, or everybody", target.name);
}

#[test]
fn killed_at_random_moments_every_printed_password_works() {
    killed_under_load(&Target::sandbox(), 20);
}

#[test]
fn killed_at_random_moments_on_every_server() {
    Target::on_servers().iter().for_each(|target| killed_under_load(target, 15));
}
