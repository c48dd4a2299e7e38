//! Many at once, and killed in the middle: nothing is lost, nothing is half written.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::process::Stdio;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use wp_app_password::wordpress::password_hash::{Era, Verdict, verify};

use crate::rig::{self, Database, Site, Template};

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

/// What one process did, and what must therefore be there in the end.
#[derive(Default)]
struct Model {
    /// Names that must be there, with the password that was printed for each.
    live: BTreeMap<String, String>,
    /// Names that must not.
    gone: BTreeSet<String>,
    failed: u32,
    repaired: u32,
}

impl Model {
    fn step(&mut self, site: &Site, login: &str, worker: usize, number: usize) {
        let mut run = |arguments: &[&str]| {
            let output = site.tool().args(arguments).output().unwrap();
            let stderr = String::from_utf8(output.stderr).unwrap();
            self.repaired += u32::from(stderr.contains("wrote an older list"));
            if !output.status.success() {
                self.failed += 1;
                // Nothing may be half done: the only failure is one that says that nothing was.
                assert!(stderr.contains("nothing was changed") || stderr.contains("Nothing was"), "{stderr}");
            }
            (output.status.success(), String::from_utf8(output.stdout).unwrap())
        };
        let own = self.live.keys().next().cloned();
        let uuid = |name: &str, run: &mut dyn FnMut(&[&str]) -> (bool, String)| {
            let filter = format!("--name={name}");
            let (_, ids) = run(&["list", login, "--format=ids", &filter]);
            assert_eq!(ids.len(), 36, "{}: {name} is there as {ids:?}", site.name);
            ids
        };
        match (rand::rng().random_range(0..10), own) {
            (0..3, Some(name)) => {
                let id = uuid(&name, &mut run);
                if run(&["delete", login, &id, CONFIRM]).0 {
                    self.live.remove(&name);
                    self.gone.insert(name);
                }
            }
            (3, Some(name)) => {
                let id = uuid(&name, &mut run);
                let new = format!("{name} renamed {number}");
                if run(&["update", login, &id, &format!("--name={new}"), CONFIRM]).0 {
                    let password = self.live.remove(&name).unwrap();
                    self.live.insert(new, password);
                    self.gone.insert(name);
                }
            }
            (4, Some(name)) => {
                let id = uuid(&name, &mut run);
                run(&["record-usage", login, &id, CONFIRM]);
            }
            _ => {
                let name = format!("w{worker} n{number}");
                let (done, password) =
                    run(&["create", login, &name, "--porcelain", "--hash=generic", CONFIRM]);
                if done {
                    self.live.insert(name, password.trim().to_owned());
                } else {
                    assert_eq!(password, "");
                    self.gone.insert(name);
                }
            }
        }
    }
}

struct Countdown<'a>(&'a AtomicUsize);

impl Drop for Countdown<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// How long each change is watched, in seconds: longer than WordPress takes for a request on a machine with two
/// cores and twenty writers. What it overwrites later is not promised to be noticed.
const CONFIRM: &str = "--confirm=4";

/// Twenty processes with fifty operations each on one user, and WordPress creates and deletes there too.
fn twenty_processes_and_wordpress(site: &str) {
    let Some(rig) = rig::require() else { return };
    let site = rig.site(site);
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let login = format!("stress-{}", std::process::id());
    let id = rig.wp_eval(
        site,
        &format!(
            "return wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => wp_generate_password(),
                'user_email' => '{login}@example.com', 'role' => 'author' ) );"
        ),
    );
    let first = site.tool().args(["create", &login, "WordPress", "--porcelain"]).output().unwrap();
    let password = String::from_utf8(first.stdout).unwrap().trim().to_owned();
    let running = AtomicUsize::new(20);
    let mine = "/wp-json/wp/v2/users/me/application-passwords";
    let (models, by_wordpress) = std::thread::scope(|scope| {
        let wordpress = scope.spawn(|| {
            let (mut live, mut gone, mut number) = (Vec::new(), Vec::new(), 0);
            let mut slowest = Duration::ZERO;
            while running.load(Ordering::SeqCst) > 0 {
                number += 1;
                std::thread::sleep(Duration::from_millis(200));
                let began = Instant::now();
                let body = serde_json::json!({ "name": format!("by WordPress {number}") });
                let made = site.send("POST", mine, (&login, &password), &body);
                slowest = slowest.max(began.elapsed());
                // Anything else than success may or may not have written.
                if made.status != 201 {
                    continue;
                }
                let uuid = made.json()["uuid"].as_str().unwrap().to_owned();
                if number % 2 == 0 {
                    let path = format!("{mine}/{uuid}");
                    let deleted = site.send("DELETE", &path, (&login, &password), &serde_json::Value::Null);
                    slowest = slowest.max(began.elapsed());
                    if deleted.status == 200 {
                        gone.push(uuid);
                    }
                } else {
                    live.push(uuid);
                }
            }
            (live, gone, slowest)
        });
        let workers: Vec<_> = (0..20)
            .map(|worker| {
                let (login, running) = (&login, &running);
                scope.spawn(move || {
                    // Also when it fails: WordPress stops when nobody else writes.
                    let _ends = Countdown(running);
                    let mut model = Model::default();
                    for number in 0..50 {
                        model.step(site, login, worker, number);
                    }
                    model
                })
            })
            .collect();
        let models: Vec<Model> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
        (models, wordpress.join().unwrap())
    });
    let list = site.tool().args(["list", &login, "--format=json"]).output().unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let entries = list.as_array().unwrap();
    let hash_of = |name: &str| {
        let found: Vec<_> = entries.iter().filter(|entry| entry["name"] == name).collect();
        assert_eq!(found.len(), 1, "{}: {name} is there {} times", site.name, found.len());
        found[0]["password"].as_str().unwrap()
    };
    let mut live = 0;
    for model in &models {
        for (name, password) in &model.live {
            let verdict = verify(password.as_bytes(), hash_of(name).as_bytes(), Era::Since68);
            assert!(verdict == Verdict::Match, "{}: the password of {name} does not work", site.name);
            live += 1;
        }
        for name in &model.gone {
            assert!(
                entries.iter().all(|entry| entry["name"] != name.as_str()),
                "{}: {name} is back",
                site.name
            );
        }
    }
    let (kept, deleted, slowest) = by_wordpress;
    for uuid in &kept {
        assert!(entries.iter().any(|entry| entry["uuid"] == uuid.as_str()), "WordPress's {uuid} was lost");
    }
    let rows = rig.wp_eval(
        site,
        &format!("return (int) $wpdb->get_var( \"SELECT COUNT(*) FROM $wpdb->usermeta WHERE user_id = {id} AND meta_key = '_application_passwords'\" );"),
    );
    assert_eq!(rows, 1);
    let (failed, repaired) =
        models.iter().fold((0, 0), |sum, model| (sum.0 + model.failed, sum.1 + model.repaired));
    println!(
        "{}: 1000 operations, {live} live, {failed} refused, {repaired} put right after WordPress wrote an older list; \
         WordPress made {} and deleted {}, the slowest in {slowest:?}",
        site.name,
        kept.len() + deleted.len(),
        deleted.len()
    );
    assert!(live > 0 && !kept.is_empty());
}

#[test]
fn twenty_processes_and_wordpress_lose_nothing_of_each_other_on_mariadb() {
    twenty_processes_and_wordpress("wp71");
}

#[test]
fn twenty_processes_and_wordpress_lose_nothing_of_each_other_on_sqlite() {
    twenty_processes_and_wordpress("wp71-sqlite");
}

/// A request that read the list before the change, and writes it back a moment after: by default it is waited for.
fn a_request_under_way_is_waited_for(
    url: &str,
    mut read: impl FnMut() -> String,
    mut write: impl FnMut(&str),
) {
    let run = |arguments: &[&str]| {
        let mut command = rig::binary();
        command.args(arguments).args(["--no-cache"]).env("WP_APP_PASSWORD_DB", url);
        command
    };
    assert!(run(&["create", "2", "Goes", "--porcelain"]).output().unwrap().status.success());
    let ids = run(&["list", "2", "--format=ids", "--name=Goes"]).output().unwrap().stdout;
    let old = read();
    let mut command = run(&["delete", "2", &String::from_utf8(ids).unwrap()]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while read() == old {
        assert!(Instant::now() < deadline, "nothing was written");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(100));
    write(&old);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("wrote an older list"), "{output:?}");
    assert_eq!(run(&["list", "2", "--format=count", "--name=Goes"]).output().unwrap().stdout, b"0");
}

#[test]
fn a_request_under_way_is_waited_for_on_mariadb() {
    use mysql::prelude::Queryable;
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::InnoDb);
    let options = mysql::OptsBuilder::new()
        .user(Some("wp"))
        .pass(Some(&database.server.users["wp"]))
        .db_name(Some(&database.name))
        .socket(database.server.socket.to_str());
    let connection = std::cell::RefCell::new(mysql::Conn::new(options).unwrap());
    let row = "user_id = 2 AND meta_key = '_application_passwords'";
    a_request_under_way_is_waited_for(
        &database.socket_url("wp"),
        || {
            let value = connection
                .borrow_mut()
                .query_first(format!("SELECT meta_value FROM wp_usermeta WHERE {row}"))
                .unwrap();
            value.unwrap_or_default()
        },
        |old| {
            connection
                .borrow_mut()
                .exec_drop(format!("UPDATE wp_usermeta SET meta_value = ? WHERE {row}"), (old,))
                .unwrap();
        },
    );
}

#[test]
fn a_request_under_way_is_waited_for_on_sqlite() {
    let Some(rig) = rig::require() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.sqlite");
    rig.fresh_sqlite_database(Template::Sqlite, &file);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.busy_timeout(Duration::from_secs(20)).unwrap();
    let row = "user_id = 2 AND meta_key = '_application_passwords'";
    a_request_under_way_is_waited_for(
        &format!("sqlite:{}", file.display()),
        || {
            connection
                .query_row(&format!("SELECT meta_value FROM wp_usermeta WHERE {row}"), [], |row| row.get(0))
                .unwrap_or_default()
        },
        |old| {
            connection
                .execute(&format!("UPDATE wp_usermeta SET meta_value = ?1 WHERE {row}"), [old])
                .unwrap();
        },
    );
}
