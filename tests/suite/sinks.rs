//! Where a new password goes: every way out, every format, and that nothing is lost or left behind when one fails.
//! What is written is read by those it is meant for: sh, curl, jq, Python, age, libsodium, WordPress.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output as Finished, Stdio};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;
use wp_app_password::output::{Output, Terminal};
use wp_app_password::secret::PlainPassword;
use wp_app_password::sink::{Delivery, Encryption, Format, Sink, SinkError, Target, Wording};
use wp_app_password::wordpress::password_hash::{Era, Verdict, verify};

use crate::fixture::{Fixture, MariadbFixture, SqliteFixture};
use crate::rig;

const PASSWORD: &str = "abcdEFGH1234ijklMNOP5678";

/// Debian's own: its modules are Debian packages.
const PYTHON: &str = "/usr/bin/python3";

/// A site, and a folder that is home and working directory.
struct Site {
    fixture: SqliteFixture,
    home: tempfile::TempDir,
}

impl Site {
    fn new() -> Self {
        Self { fixture: SqliteFixture::new(), home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = rig::binary();
        command.args(arguments).env("WP_APP_PASSWORD_DB", self.fixture.url()).current_dir(self.home.path());
        command
    }

    /// `create 3 App …`: user 3 has no entry yet.
    fn create(&self, arguments: &[&str]) -> Finished {
        self.command(&[&["create", "3", "App"], arguments].concat()).output().unwrap()
    }

    /// The same in a shell, behind the command what follows it; `$TOOL` is the program.
    fn shell(&self, script: &str) -> Finished {
        Command::new("sh")
            .arg("-c")
            .arg(script)
            .env("TOOL", env!("CARGO_BIN_EXE_wp-app-password"))
            .env("WP_APP_PASSWORD_DB", self.fixture.url())
            .current_dir(self.home.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The stored hashes of user 3.
    fn hashes(&self) -> Vec<String> {
        let output = self.command(&["list", "3", "--format=json", "--fields=password"]).output().unwrap();
        let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
        rows.as_array().unwrap().iter().map(|row| row["password"].as_str().unwrap().to_owned()).collect()
    }

    /// Whether one of the stored entries is this password's.
    #[track_caller]
    fn assert_works(&self, password: &str) {
        assert_eq!(password.len(), 24, "{password:?}");
        let works =
            |hash: &String| verify(password.as_bytes(), hash.as_bytes(), Era::Since68) == Verdict::Match;
        assert!(self.hashes().iter().any(works), "{password} is not among the stored ones");
    }

    /// Runs `create`, which must fail with these words and leave database and folder as they were.
    #[track_caller]
    fn assert_refused(&self, arguments: &[&str], words: &str) {
        let (metas, files) = (self.entries(), self.files());
        let output = self.create(arguments);
        let told = format!("{arguments:?}: {output:?}");
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(output.stdout.is_empty(), "{told}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("Error: ") && stderr.contains(words), "{told}");
        assert!(stderr.contains("Nothing was changed.") || stderr.contains("Parameter errors"), "{told}");
        assert_eq!(self.entries(), metas, "{told}");
        assert_eq!(self.files(), files, "{told}");
    }

    fn entries(&self) -> String {
        let output = self.command(&["list", "--format=json"]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Name, mode, inode and content of everything in the folder.
    fn files(&self) -> Vec<(PathBuf, u32, u64, Vec<u8>)> {
        fn walk(folder: &Path, files: &mut Vec<(PathBuf, u32, u64, Vec<u8>)>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let found = path.symlink_metadata().unwrap();
                let content = if found.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
                if found.is_dir() {
                    walk(&path, files);
                }
                files.push((path, found.mode(), found.ino(), content));
            }
        }
        let mut files = Vec::new();
        walk(self.home.path(), &mut files);
        files.sort();
        files
    }
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().mode() & 0o7777
}

#[track_caller]
fn succeeded(output: &Finished) -> String {
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Whether this test may be somebody else too.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    // Not eprintln!: the test harness would hide it.
    let _ = writeln!(io::stderr(), "left out of {test}: {why}");
}

// What the formats write.

fn delivery<'a>(password: &'a PlainPassword, login: &'a [u8]) -> Delivery<'a> {
    Delivery {
        password,
        user_id: 7,
        user_login: login,
        uuid: "0b9d9a4e-7b1d-4c57-9d5b-6b1a2f3c4d5e",
        name: b"Stock feed",
        app_id: b"",
        created: 1_795_359_600,
        site_url: Some("https://shop.example:8443/blog"),
    }
}

fn through(sink: &mut Sink, login: &[u8]) -> Result<Vec<u8>, SinkError> {
    let password = PlainPassword::new(PASSWORD.into());
    let delivery = delivery(&password, login);
    let mut written = Vec::new();
    let mut out = Output::new(&mut written, io::sink(), Terminal::default());
    let checked = sink.check(&delivery);
    let delivered = sink.deliver(&delivery, &mut out);
    drop(out);
    // What would fail is known before.
    assert_eq!(checked, delivered);
    checked.map(|()| written)
}

fn formatted(format: Format, wording: Wording, login: &str) -> Result<String, String> {
    through(&mut Sink::new(Target::Stdout, Some(format), wording, None), login.as_bytes())
        .map(|bytes| String::from_utf8(bytes).unwrap())
        .map_err(|error| error.to_string())
}

fn plain(format: Format) -> String {
    formatted(format, Wording::default(), "bot").unwrap()
}

fn called(name: &str) -> Wording {
    Wording { name: Some(name.into()), ..Wording::default() }
}

#[test]
fn every_format_is_these_bytes() {
    assert_eq!(plain(Format::Plain), format!("{PASSWORD}\n"));
    assert_eq!(plain(Format::DockerSecret), PASSWORD);
    assert_eq!(
        plain(Format::Json),
        format!(
            "{{\"user_id\":7,\"user_login\":\"bot\",\"uuid\":\"0b9d9a4e-7b1d-4c57-9d5b-6b1a2f3c4d5e\",\"app_id\":\"\",\
             \"name\":\"Stock feed\",\"password\":\"{PASSWORD}\",\"created\":1795359600,\"last_used\":null,\
             \"last_ip\":null}}\n"
        )
    );
    assert_eq!(plain(Format::Env), format!("WP_APP_PASSWORD={PASSWORD}\n"));
    assert_eq!(plain(Format::Netrc), format!("machine shop.example login bot password {PASSWORD}\n"));
    assert_eq!(plain(Format::Curl), format!("user = \"bot:{PASSWORD}\"\n"));
    assert_eq!(
        plain(Format::K8sSecret),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"wp-app-password\"\ntype: kubernetes.io/basic-auth\ndata:\n  \
         username: \"Ym90\"\n  password: \"YWJjZEVGR0gxMjM0aWprbE1OT1A1Njc4\"\n"
    );
    assert_eq!(
        formatted(Format::Env, Wording { with_user: true, ..called("SHOP_PW") }, "bot").unwrap(),
        format!("SHOP_PW={PASSWORD}\nSHOP_PW_USER=bot\nSHOP_PW_URL=https://shop.example:8443/blog\n")
    );
    let named = Wording { secret_name: Some("shop.feed-1".into()), ..called("token") };
    assert_eq!(
        formatted(Format::K8sSecret, named, "bot").unwrap(),
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"shop.feed-1\"\ntype: Opaque\ndata:\n  \"token\": \
         \"YWJjZEVGR0gxMjM0aWprbE1OT1A1Njc4\"\n"
    );
    let json = formatted(Format::Json, called("token"), "bot").unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["token"], &json["password"]), (&Value::from(PASSWORD), &Value::Null));
    let other = Wording { username: Some(b"api".to_vec()), ..Wording::default() };
    assert_eq!(formatted(Format::Curl, other, "bot").unwrap(), format!("user = \"api:{PASSWORD}\"\n"));
}

#[test]
fn what_a_format_cannot_hold_is_refused() {
    let refused = |format, wording, login: &str, words: &str| {
        let error = formatted(format, wording, login).unwrap_err();
        assert!(error.contains(words), "{format:?} {login:?}: {error}");
        assert!(!error.contains(PASSWORD));
    };
    for login in ["new\nline", "tab\t", ""] {
        refused(Format::Netrc, Wording::default(), login, "cannot be written as netrc");
        refused(Format::Curl, Wording::default(), login, "cannot be written as curl");
    }
    refused(Format::Curl, Wording::default(), "a:b", "has a colon");
    for login in ["with space", "quo'te", "$HOME", "caf\u{e9}", "a#b", "~root", "line\n"] {
        let wording = Wording { with_user: true, ..Wording::default() };
        refused(Format::Env, wording, login, "cannot be written as env");
    }
    for name in ["", "1A", "A-B", "A B", "\u{c9}T", "A=B", "A\n"] {
        refused(Format::Env, called(name), "bot", "no name of an environment variable");
    }
    for name in ["", "a b", "..", "a/b", "\u{e9}"] {
        refused(Format::K8sSecret, called(name), "bot", "no key of a Kubernetes Secret");
    }
    for name in ["", "Upper", "a_b", "-a", "a-", "a..b"] {
        let wording = Wording { secret_name: Some(name.into()), ..Wording::default() };
        refused(Format::K8sSecret, wording, "bot", "no name of a Kubernetes object");
    }
    refused(Format::Json, called("uuid"), "bot", "another field");
    let error =
        through(&mut Sink::new(Target::Stdout, Some(Format::Json), Wording::default(), None), b"\xff");
    assert!(error.unwrap_err().to_string().contains("not UTF-8"));
    // What no format needs is no obstacle.
    assert!(formatted(Format::Plain, Wording::default(), "a:b\n").is_ok());
}

/// Logins that need care somewhere.
const LOGINS: [&str; 7] =
    ["bot", "John Doe", "a\"b", "back\\slash", "caf\u{e9} \u{1f680}", "#x", "it's \"all\" \\ here #1"];

#[test]
fn sh_jq_and_python_read_what_is_written_for_them() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let run = |program: &str, arguments: &[&str]| {
        rig::output(Command::new(program).args(arguments).arg(&file)).trim_end_matches('\n').to_owned()
    };
    std::fs::write(&file, plain(Format::Env)).unwrap();
    assert_eq!(run("sh", &["-c", ". \"$1\"; printf %s \"$WP_APP_PASSWORD\"", "sh"]), PASSWORD);
    let wording = Wording { with_user: true, ..Wording::default() };
    std::fs::write(&file, formatted(Format::Env, wording, "bot@example.com").unwrap()).unwrap();
    let all =
        ". \"$1\"; printf '%s %s %s' \"$WP_APP_PASSWORD\" \"$WP_APP_PASSWORD_USER\" \"$WP_APP_PASSWORD_URL\"";
    assert_eq!(
        run("sh", &["-c", all, "sh"]),
        format!("{PASSWORD} bot@example.com https://shop.example:8443/blog")
    );
    for login in LOGINS {
        std::fs::write(&file, formatted(Format::Json, Wording::default(), login).unwrap()).unwrap();
        assert_eq!(run("jq", &["-j", ".user_login, \" \", .password"]), format!("{login} {PASSWORD}"));
        let python =
            "import json, sys; d = json.load(open(sys.argv[1])); print(d['user_login'], d['password'])";
        assert_eq!(run(PYTHON, &["-X", "utf8", "-c", python]), format!("{login} {PASSWORD}"));

        std::fs::write(&file, formatted(Format::Netrc, Wording::default(), login).unwrap()).unwrap();
        let python =
            "import netrc, sys; print(*netrc.netrc(sys.argv[1]).authenticators('shop.example')[::2])";
        assert_eq!(run(PYTHON, &["-X", "utf8", "-c", python]), format!("{login} {PASSWORD}"), "{login}");

        let secret = formatted(Format::K8sSecret, Wording::default(), login).unwrap();
        let value = |key: &str| {
            let line = secret.lines().find_map(|line| line.strip_prefix(&format!("  {key}: "))).unwrap();
            String::from_utf8(STANDARD.decode(line.trim_matches('"')).unwrap()).unwrap()
        };
        assert_eq!((value("username"), value("password")), (login.into(), PASSWORD.into()));
    }
}

/// Answers one request, and tells the login that came with it.
fn login_that_curl_sends(arguments: impl FnOnce(&str) -> Vec<String>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/", listener.local_addr().unwrap().port());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20"])
        .args(arguments(&url))
        .arg(&url)
        .stdin(Stdio::null());
    let mut curl = curl.spawn().unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let mut found = String::new();
    for line in BufReader::new(connection.try_clone().unwrap()).lines() {
        let line = line.unwrap();
        if line.is_empty() {
            break;
        }
        if let Some(basic) = line.strip_prefix("Authorization: Basic ") {
            found = String::from_utf8(STANDARD.decode(basic).unwrap()).unwrap();
        }
    }
    connection.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").unwrap();
    assert!(curl.wait().unwrap().success());
    found
}

#[test]
fn curl_sends_the_login_that_was_written_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("out");
    let name = file.to_str().unwrap().to_owned();
    for login in LOGINS {
        std::fs::write(&file, formatted(Format::Curl, Wording::default(), login).unwrap()).unwrap();
        let sent = login_that_curl_sends(|_| vec!["-K".into(), name.clone()]);
        assert_eq!(sent, format!("{login}:{PASSWORD}"), "-K");
        let netrc = formatted(Format::Netrc, Wording::default(), login).unwrap();
        std::fs::write(&file, netrc.replace("shop.example", "127.0.0.1")).unwrap();
        let sent = login_that_curl_sends(|_| vec!["--netrc-file".into(), name.clone()]);
        assert_eq!(sent, format!("{login}:{PASSWORD}"), "--netrc-file");
    }
}

#[test]
fn wordpress_accepts_what_curl_is_given() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let login = format!("sink test {}", std::process::id());
    let made = rig.wp_eval(
        site,
        &format!(
            "return wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => wp_generate_password(),
                'user_email' => 'sink{}@example.com', 'role' => 'author' ) );",
            std::process::id()
        ),
    );
    let home = tempfile::tempdir().unwrap();
    for (format, option) in [("curl", "-K"), ("netrc", "--netrc-file")] {
        let file = home.path().join(format);
        let mut create = site.tool();
        create.args(["create", &login, format, &format!("--format={format}"), "--out-file"]).arg(&file);
        let stdout = rig::output(&mut create);
        assert_eq!(
            stdout,
            format!(
                "Success: Created application password.\nThe password was written to {}.\n",
                file.display()
            )
        );
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--write-out", " %{http_code}", option]).arg(&file);
        let answer = rig::output(curl.arg(format!("{}/wp-json/wp/v2/users/me", site.url)));
        let (body, status) = answer.rsplit_once(' ').unwrap();
        assert_eq!(status, "200", "{format}: {body}");
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["id"], made, "{format}");
    }
}

// Files.

#[test]
fn a_new_file_is_its_owners_alone_and_holds_a_password_that_works() {
    let site = Site::new();
    let stdout = succeeded(&site.shell("umask 022; \"$TOOL\" create 3 App --out-file pw"));
    assert_eq!(stdout, "Success: Created application password.\nThe password was written to pw.\n");
    assert_eq!(mode(&site.path("pw")), 0o600);
    site.assert_works(site.read("pw").strip_suffix('\n').unwrap());

    // No mask takes away what was asked for.
    let stdout =
        succeeded(&site.shell("umask 077; \"$TOOL\" create 3 App --out-file=pw --mode=0644 --quiet"));
    assert_eq!(stdout, "");
    assert_eq!(mode(&site.path("pw")), 0o644);
    site.assert_works(site.read("pw").trim_end());
    assert_eq!(site.files().len(), 1, "{:?}", site.files());
}

#[test]
fn an_existing_file_keeps_owner_group_and_mode() {
    let site = Site::new();
    let file = site.path("pw");
    for wanted in [0o600, 0o640, 0o400, 0o660] {
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(wanted)).unwrap();
        if is_root() {
            std::os::unix::fs::chown(&file, Some(12345), Some(23456)).unwrap();
        } else {
            skip("only root gives files away");
        }
        succeeded(&site.create(&["--out-file=pw"]));
        let found = file.symlink_metadata().unwrap();
        assert_eq!(found.mode() & 0o7777, wanted);
        if is_root() {
            assert_eq!((found.uid(), found.gid()), (12345, 23456));
        }
        site.assert_works(site.read("pw").trim_end());
        std::fs::remove_file(&file).unwrap();
    }
    std::fs::write(&file, "old").unwrap();
    for (shared, words) in
        [(0o644, "everybody on this machine may read it (mode 0644)"), (0o602, "may change it")]
    {
        std::fs::set_permissions(&file, PermissionsExt::from_mode(shared)).unwrap();
        site.assert_refused(&["--out-file=pw"], words);
    }
    succeeded(&site.create(&["--out-file=pw", "--mode=640"]));
    assert_eq!(mode(&file), 0o640);
}

/// An access list as the kernel stores it: version 2, then tag, permissions and id of each entry.
fn access_list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
    let entry = |(tag, permissions, id): &(u16, u16, u32)| {
        [&tag.to_le_bytes()[..], &permissions.to_le_bytes(), &id.to_le_bytes()].concat()
    };
    [&2_u32.to_le_bytes()[..], &entries.iter().flat_map(entry).collect::<Vec<u8>>()].concat()
}

#[test]
fn an_existing_file_keeps_its_access_list_and_takes_none_from_the_folder() {
    use rustix::fs::{XattrFlags, lgetxattr, setxattr};
    const NAME: &str = "system.posix_acl_access";
    let site = Site::new();
    let file = site.path("pw");
    let some = |id| {
        access_list(&[(1, 6, u32::MAX), (2, 4, id), (4, 0, u32::MAX), (16, 4, u32::MAX), (32, 0, u32::MAX)])
    };
    let read = || {
        let mut list = vec![0; 1000];
        lgetxattr(&file, NAME, list.as_mut_slice()).map(|length| list[..length].to_vec())
    };
    let write = || {
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    };
    write();
    if setxattr(&file, NAME, &some(54321), XattrFlags::empty()).is_err() {
        return skip("this file system has no access lists");
    }
    succeeded(&site.create(&["--out-file=pw"]));
    assert_eq!(read().unwrap(), some(54321));
    assert_eq!(mode(&file), 0o640);
    succeeded(&site.create(&["--out-file=pw", "--mode=0600"]));
    assert!(read().is_err(), "a mode that is named is meant");
    setxattr(site.home.path(), "system.posix_acl_default", &some(12121), XattrFlags::empty()).unwrap();
    rustix::fs::removexattr(&file, NAME).ok();
    write();
    succeeded(&site.create(&["--out-file=pw"]));
    assert!(read().is_err(), "the folder's list is for new files");
    assert_eq!(mode(&file), 0o640);
}

#[test]
fn a_name_that_is_no_plain_file_is_refused_and_left_alone() {
    let site = Site::new();
    std::fs::write(site.path("real"), "old").unwrap();
    symlink("real", site.path("link")).unwrap();
    symlink("nowhere", site.path("dangling")).unwrap();
    std::fs::create_dir(site.path("folder")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, site.path("fifo"), rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(site.path("socket")).unwrap();
    for (name, words) in [
        ("link", "it is a symbolic link"),
        ("dangling", "it is a symbolic link"),
        ("folder", "it is a folder"),
        ("folder/", "give a file's name"),
        ("folder/..", "give a file's name"),
        ("fifo", "a pipe or a socket"),
        ("socket", "a pipe or a socket"),
        ("/dev/null", "it is a device"),
        ("/dev/stdout", "it is a symbolic link"),
        ("real/pw", "cannot be opened (Not a directory"),
        ("missing/pw", "cannot be opened (No such file"),
        ("/proc/pw", "no file can be made in its folder"),
    ] {
        site.assert_refused(&[&format!("--out-file={name}")], words);
    }
    let output = site.create(&["--out-file="]);
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("a value is required for '--out-file"),
        "{output:?}"
    );
    // A link on the way to the folder is how /var/run is reached.
    symlink("folder", site.path("way")).unwrap();
    succeeded(&site.create(&["--out-file=way/pw"]));
    site.assert_works(site.read("folder/pw").trim_end());
}

#[test]
fn a_folder_in_which_everybody_replaces_files_needs_force() {
    let site = Site::new();
    let folder = site.path("open");
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o777)).unwrap();
    site.assert_refused(&["--out-file=open/pw"], "world-writable, without the sticky bit");
    succeeded(&site.create(&["--out-file=open/pw", "--force"]));
    site.assert_works(site.read("open/pw").trim_end());
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o1777)).unwrap();
    succeeded(&site.create(&["--out-file=open/pw"]));
    site.assert_works(site.read("open/pw").trim_end());
}

#[test]
fn a_folder_that_takes_no_files_is_noticed_before() {
    let site = Site::new();
    let folder = site.path("fixed");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("pw"), "old").unwrap();
    std::fs::set_permissions(folder.join("pw"), PermissionsExt::from_mode(0o600)).unwrap();
    let change = |flag: &str, path: &Path| {
        let changed = Command::new("chattr").arg(flag).arg(path).stderr(Stdio::null()).status();
        changed.is_ok_and(|status| status.success())
    };
    let mut tried = 0;
    for (flag, back, path) in
        [("+i", "-i", folder.clone()), ("+a", "-a", folder.clone()), ("+i", "-i", folder.join("pw"))]
    {
        if !change(flag, &path) {
            continue;
        }
        let output = site.create(&["--out-file=fixed/pw"]);
        let listed = std::fs::read_dir(&folder).unwrap().count();
        assert!(change(back, &path));
        assert_eq!(output.status.code(), Some(1), "{flag} {path:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Nothing was changed."), "{output:?}");
        assert_eq!((listed, std::fs::read_to_string(folder.join("pw")).unwrap().as_str()), (1, "old"));
        assert!(site.hashes().is_empty());
        tried += 1;
    }
    if tried == 0 {
        skip("this file system knows no chattr");
    }
    if is_root() {
        // A user who may read the file, and may not write to its folder.
        let program = site.path("tool");
        std::fs::copy(env!("CARGO_BIN_EXE_wp-app-password"), &program).unwrap();
        for path in [site.home.path(), &folder] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::chown(folder.join("pw"), Some(65534), None).unwrap();
        let database = site.path("db.sqlite");
        std::fs::copy(site.fixture.path(), &database).unwrap();
        let db_folder = site.path("own");
        std::fs::create_dir(&db_folder).unwrap();
        std::fs::rename(&database, db_folder.join("db.sqlite")).unwrap();
        for path in [&db_folder, &db_folder.join("db.sqlite")] {
            std::os::unix::fs::chown(path, Some(65534), Some(65534)).unwrap();
        }
        let run = |arguments: &[&str]| {
            let mut command = Command::new(&program);
            command.args(["create", "3", "App"]).args(arguments).env_clear().uid(65534).gid(65534);
            command.env("WP_APP_PASSWORD_DB", format!("sqlite:{}", db_folder.join("db.sqlite").display()));
            command.current_dir(site.home.path()).stdin(Stdio::null()).output().unwrap()
        };
        let output = run(&["--out-file=fixed/pw"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("no file can be made in its folder (Permission denied"), "{output:?}");
        // Root's file in a folder of one's own: nobody else can give the new one to root.
        let theirs = db_folder.join("theirs");
        std::fs::write(&theirs, "old").unwrap();
        std::fs::set_permissions(&theirs, PermissionsExt::from_mode(0o640)).unwrap();
        let output = run(&["--out-file=own/theirs"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("belongs to user 0 and group 0, which could not be kept"), "{output:?}");
        assert_eq!(std::fs::read_dir(&db_folder).unwrap().count(), 2, "a temporary file is left");
        // In a folder with the sticky bit, files of others stay.
        let sticky = site.path("sticky");
        std::fs::create_dir(&sticky).unwrap();
        std::fs::set_permissions(&sticky, PermissionsExt::from_mode(0o1777)).unwrap();
        std::fs::write(sticky.join("theirs"), "old").unwrap();
        std::fs::set_permissions(sticky.join("theirs"), PermissionsExt::from_mode(0o660)).unwrap();
        let output = run(&["--out-file=sticky/theirs"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("(sticky bit)"), "{output:?}");
        let output = run(&["--out-file=own/mine"]);
        assert!(output.status.success(), "{output:?}");
    } else {
        skip("only root runs the program as somebody else");
    }
}

/// A file that may grow no further is a full disk, and holds for root too.
#[test]
fn a_full_disk_leaves_the_old_file_and_takes_the_entry_back() {
    let Some(mut fixture) = MariadbFixture::new() else { return };
    let before = fixture.metas();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pw");
    for old in [None, Some("the old secret")] {
        if let Some(old) = old {
            std::fs::write(&file, old).unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        }
        let output = Command::new("sh")
            .args(["-c", "ulimit -f 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_wp-app-password")])
            .args(["create", "1", "App", "--out-file"])
            .arg(&file)
            .env("WP_APP_PASSWORD_DB", fixture.url())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = format!(
            "Error: The new password could not be written to {0} ({0} cannot be written (File too large (os error 27))), so \
             it was taken back. Nothing was changed.\n",
            file.display()
        );
        assert_eq!(stderr, expected);
        assert_eq!(std::fs::read_to_string(&file).ok().as_deref(), old);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), usize::from(old.is_some()));
        assert_eq!(fixture.metas(), before);
    }
}

#[test]
fn a_file_that_is_mounted_is_not_replaced() {
    if !is_root() {
        return skip("only root mounts");
    }
    let site = Site::new();
    for name in ["inside", "outside"] {
        std::fs::write(site.path(name), "old").unwrap();
        std::fs::set_permissions(site.path(name), PermissionsExt::from_mode(0o600)).unwrap();
    }
    let output = site.shell(
        "unshare --mount true 2>/dev/null || exit 77; exec unshare --mount sh -c \
         'mount --bind outside inside || exit 77; \"$TOOL\" create 3 App --out-file=inside'",
    );
    if output.status.code() == Some(77) {
        return skip("nothing can be mounted here");
    }
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is a mount point"), "{output:?}");
    assert!(site.hashes().is_empty());
}

// Commands.

#[test]
fn a_command_gets_the_password_on_its_standard_input_and_nowhere_else() {
    let site = Site::new();
    let spy = "cat > got; tr '\\0' '\\n' < /proc/$$/cmdline > seen; tr '\\0' '\\n' < /proc/$$/environ >> seen; \
               cat /proc/$PPID/cmdline /proc/$PPID/environ >> seen; echo printed";
    let output = site.create(&["--exec", spy]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "printed\n");
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("Success: Created application password.\nThe password was given to the command `{spy}`.\n")
    );
    let password = site.read("got");
    site.assert_works(password.trim_end());
    let seen = String::from_utf8_lossy(&std::fs::read(site.path("seen")).unwrap()).into_owned();
    assert!(!seen.contains(password.trim_end()), "{seen}");
    for variable in ["WP_APP_PASSWORD_USER=author1", "WP_APP_PASSWORD_NAME=App", "WP_APP_PASSWORD_UUID="] {
        assert!(seen.contains(variable), "{variable}: {seen}");
    }
    let uuid = seen.lines().find_map(|line| line.strip_prefix("WP_APP_PASSWORD_UUID=")).unwrap();
    assert!(site.entries().contains(uuid));
    assert!(seen.contains("WP_APP_PASSWORD_SITE=http"), "{seen}");
}

#[test]
fn a_command_that_fails_or_does_not_listen_takes_the_entry_back() {
    let site = Site::new();
    let before = site.entries();
    for (command, words) in [
        ("cat >/dev/null; exit 3", "(it ended with exit code 3)"),
        ("cat >/dev/null; kill -9 $$", "(it was ended by signal 9)"),
        ("exit 5", "(it ended with exit code 5)"),
        ("true", "without reading its standard input"),
        ("exec <&-; exec true", "without reading its standard input"),
        ("cat >/dev/null; nonexistent-program", "exit code 127"),
        ("cat >/dev/null; /etc/passwd", "exit code 126"),
    ] {
        let output = site.create(&["--exec", command]);
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let beginning = format!("Error: The new password could not be given to the command `{command}` (");
        assert!(stderr.contains(&beginning) && stderr.contains(words), "{stderr}");
        assert!(stderr.ends_with("), so it was taken back. Nothing was changed.\n"), "{stderr}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert_eq!(site.entries(), before, "{command}");
    }
    // One that reads a line and leaves the rest has what it wants.
    succeeded(&site.create(&["--format=json", "--exec=read -r line; printf %s \"$line\" > got"]));
    let got: Value = serde_json::from_str(&site.read("got")).unwrap();
    site.assert_works(got["password"].as_str().unwrap());
}

#[test]
fn a_command_that_cannot_run_is_noticed_before() {
    let site = Site::new();
    std::fs::write(site.path("data"), "no program").unwrap();
    for (command, words) in [
        ("nonexistent-program --flag", "there is no program nonexistent-program"),
        ("./missing.sh", "there is no program ./missing.sh"),
        ("./data x", "there is no program ./data"),
        ("if true; then", "is not understood by /bin/sh"),
        ("define( 'WP_DEBUG', true );", "is not understood by /bin/sh"),
        ("", "--exec is empty"),
        ("  ", "--exec is empty"),
    ] {
        site.assert_refused(&["--exec", command], words);
    }
    for command in
        ["A=b cat >got", "( cat ) >got", "while read -r x; do echo \"$x\"; done >got", "\"cat\" >got"]
    {
        succeeded(&site.create(&["--exec", command]));
        site.assert_works(site.read("got").trim_end());
    }
}

#[test]
fn an_interruption_while_the_command_runs_takes_the_entry_back() {
    let site = Site::new();
    let before = site.entries();
    let mut child = site
        .command(&["create", "3", "App", "--exec", "cat >/dev/null; echo ready >ready; exec sleep 30"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !site.path("ready").exists() {
        assert!(began.elapsed() < Duration::from_secs(30) && child.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("signal 15"), "{output:?}");
    assert_eq!(site.entries(), before);
}

#[test]
fn what_a_killed_writer_left_is_removed_by_the_next_one_and_nothing_else_is() {
    let site = Site::new();
    // Killed between the secret and the rename: only the lock tells it from one that is alive.
    let names = ["0123456789abcdef", "fedcba9876543210", "0123456789abcdeg", "0123456789abcdef0"];
    for name in names {
        std::fs::write(site.path(&format!(".wp-app-password-{name}")), "secret\n").unwrap();
    }
    std::os::unix::fs::symlink("elsewhere", site.path(".wp-app-password-aaaaaaaaaaaaaaaa")).unwrap();
    std::fs::create_dir(site.path(".wp-app-password-bbbbbbbbbbbbbbbb")).unwrap();
    let alive = std::fs::File::open(site.path(".wp-app-password-fedcba9876543210")).unwrap();
    rustix::fs::flock(&alive, rustix::fs::FlockOperation::LockExclusive).unwrap();
    succeeded(&site.command(&["create", "3", "App", "--out-file=pw"]).output().unwrap());
    let left: Vec<bool> = names
        .into_iter()
        .chain(["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"])
        .map(|name| site.path(&format!(".wp-app-password-{name}")).symlink_metadata().is_ok())
        .collect();
    assert_eq!(left, [false, true, true, true, true, true]);
}

#[test]
fn a_writer_that_works_holds_its_file_locked() {
    let site = Site::new();
    let folder = site.home.path().to_owned();
    let looker = std::thread::spawn(move || {
        let began = Instant::now();
        let mut seen = 0;
        while began.elapsed() < Duration::from_secs(20) && seen == 0 {
            for entry in std::fs::read_dir(&folder).unwrap().flatten() {
                let is_ours = entry.file_name().to_string_lossy().starts_with(".wp-app-password-");
                let Ok(file) = std::fs::File::open(entry.path()) else { continue };
                let way = rustix::fs::FlockOperation::NonBlockingLockExclusive;
                // One that is empty may be in its first moment.
                let has_text = file.metadata().is_ok_and(|found| found.len() > 0);
                seen += usize::from(is_ours && has_text && rustix::fs::flock(&file, way).is_err());
            }
        }
        seen
    });
    for _ in 0..100 {
        succeeded(&site.command(&["create", "3", "App", "--out-file=pw"]).output().unwrap());
        if looker.is_finished() {
            break;
        }
    }
    assert!(looker.join().unwrap() > 0, "no lock was seen");
}

#[test]
fn a_number_that_no_program_has_room_for_is_json_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let text = set_key(folder.path(), "a.json", "{\"n\": 1e999, \"a\": \"x\"}", "a").unwrap();
    assert!(text.starts_with("{\"n\": 1e999, \"a\": \"") && !text.contains("\"x\""));
    let refused = set_key(folder.path(), "a.json", "{\"n\": 1e999, \"a\": \"x\",}", "a").unwrap_err();
    assert!(refused.contains("is no JSON"), "{refused}");
}

#[test]
fn what_a_command_started_ends_with_it_before_the_entry_is_taken_back() {
    let site = Site::new();
    let before = site.entries();
    // A pipeline; one that does not care; one that left; one whose shell is long gone.
    for (command, signal) in [
        ("cat | (echo >ready; sleep 3; cat >late)", true),
        ("cat | (trap '' TERM; echo >ready; sleep 3; sleep 3; cat >late)", true),
        ("cat | setsid sh -c 'echo >ready; sleep 3; cat >late'", true),
        ("{ sleep 3; cat >late; } <&0 & echo >ready; exit 7", false),
        ("read x; (sleep 3; echo $x >late) & echo >ready; exit 7", false),
    ] {
        let _ = std::fs::remove_file(site.path("ready"));
        let mut child =
            site.command(&["create", "3", "App", "--exec", command]).stderr(Stdio::piped()).spawn().unwrap();
        let began = Instant::now();
        while signal && !site.path("ready").exists() {
            assert!(began.elapsed() < Duration::from_secs(30) && child.try_wait().unwrap().is_none());
            std::thread::sleep(Duration::from_millis(20));
        }
        if signal {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        }
        // Whoever still held standard error would keep this waiting.
        let output = child.wait_with_output().unwrap();
        assert!(!output.status.success(), "{command}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("taken back"), "{output:?}");
        assert_eq!(site.entries(), before);
        std::thread::sleep(Duration::from_millis(3500));
        assert!(!site.path("late").exists(), "{command}");
    }
    // Of one that was content, what it left goes on.
    site.shell("\"$TOOL\" create 3 App --exec='read x; (sleep 1; echo $x >late) & exit 0'");
    std::thread::sleep(Duration::from_millis(1500));
    site.assert_works(site.read("late").trim_end());
}

// File descriptors.

#[test]
fn an_open_descriptor_gets_the_password_where_the_caller_is() {
    let site = Site::new();
    let output = site.shell(
        "exec 3>out; echo before >&3; \"$TOOL\" create 3 App --out-fd=3 --format=env && echo after >&3",
    );
    assert_eq!(
        succeeded(&output),
        "Success: Created application password.\nThe password was written to file descriptor 3.\n"
    );
    let text = site.read("out");
    let password = text.strip_prefix("before\nWP_APP_PASSWORD=").unwrap().strip_suffix("\nafter\n").unwrap();
    site.assert_works(password);

    succeeded(&site.shell("echo first >out; \"$TOOL\" create 3 App --out-fd 7 7>>out"));
    site.assert_works(site.read("out").strip_prefix("first\n").unwrap().trim_end());

    let piped = site.shell("{ \"$TOOL\" create 3 App --out-fd=3 --quiet 3>&1 >/dev/null; } | tr a-z A-Z");
    assert_eq!(succeeded(&piped).len(), 25);
}

#[test]
fn a_descriptor_that_cannot_be_written_is_refused_or_taken_back() {
    let site = Site::new();
    let before = site.entries();
    for (redirection, words) in [
        ("--out-fd=3 3>&-", "file descriptor 3 (--out-fd) is not open: open it in the shell"),
        ("--out-fd=99", "file descriptor 99 (--out-fd) is not open"),
        ("--out-fd=3 3</etc/passwd", "is not open for writing"),
        ("--out-fd=1", "is a standard stream"),
        ("--out-fd=2", "is a standard stream"),
        ("--out-fd=0", "is a standard stream"),
        ("--out-fd=3 3>/dev/full", "(No space left on device (os error 28)), so it was taken back"),
    ] {
        let output = site.shell(&format!("\"$TOOL\" create 3 App {redirection}"));
        assert_eq!(output.status.code(), Some(1), "{redirection}: {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(words) && stderr.contains("Nothing was changed."), "{redirection}: {stderr}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert_eq!(site.entries(), before, "{redirection}");
    }
    // A pipe whose reader has gone.
    let output = site.shell("{ sleep 0.3; exec \"$TOOL\" create 3 App --out-fd=3 3>&1 >/dev/null; } | true");
    assert!(String::from_utf8_lossy(&output.stderr).contains("Broken pipe"), "{output:?}");
    assert_eq!(site.entries(), before);
    // Nor is one of our own taken, such as the database's, which would be written to.
    for number in 3..=9 {
        let closed = "exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-";
        let output = site.shell(&format!("{closed}; \"$TOOL\" create 3 App --out-fd={number}"));
        assert!(String::from_utf8_lossy(&output.stderr).contains("is not open: open it"), "{output:?}");
        assert_eq!(site.entries(), before, "{number}");
    }
}

// Keys of files.

/// What follows is the file, the key, and the file afterwards with `@` for the password.
const ENV_FILES: &[(&str, &str, &str)] = &[
    ("", "KEY", "KEY=@\n"),
    ("A=1\nKEY=old\nB=2\n", "KEY", "A=1\nKEY=@\nB=2\n"),
    ("A=1\nKEY=old", "KEY", "A=1\nKEY=@"),
    ("A=1", "KEY", "A=1\nKEY=@\n"),
    ("A=1\r\nB=2\r\n", "KEY", "A=1\r\nB=2\r\nKEY=@\r\n"),
    ("A=1\r\nKEY='old'\r\nB=2\r\n", "KEY", "A=1\r\nKEY='@'\r\nB=2\r\n"),
    ("KEY=\"old \\\" # x\" # why\n", "KEY", "KEY=\"@\" # why\n"),
    ("export KEY='a\nb'\n", "KEY", "export KEY='@'\n"),
    ("  export\tKEY = old value # why\n", "KEY", "  export\tKEY = @ # why\n"),
    ("KEY=\n", "KEY", "KEY=@\n"),
    ("KEY= # to be filled in\n", "KEY", "KEY=@ # to be filled in\n"),
    ("KEY=a#b\n", "KEY", "KEY=@\n"),
    ("KEY='${OTHER}'\n", "KEY", "KEY='@'\n"),
    ("KEY=pa$$word\n", "KEY", "KEY=@\n"),
    ("KEY=''\n", "KEY", "KEY='@'\n"),
    ("#KEY=old\nMY_KEY=x\nKEY_2=y\nkey=z\n", "KEY", "#KEY=old\nMY_KEY=x\nKEY_2=y\nkey=z\nKEY=@\n"),
    ("PEM=\"-----BEGIN\nabc=\n-----END\"\nKEY=x\n", "KEY", "PEM=\"-----BEGIN\nabc=\n-----END\"\nKEY=@\n"),
    ("\u{feff}KEY=old\n", "KEY", "\u{feff}KEY=@\n"),
    ("; systemd\n\n \t\nDECLARED\nKEY=x\n", "KEY", "; systemd\n\n \t\nDECLARED\nKEY=@\n"),
    ("A=one \\\nKEY2=two\nKEY=x\n", "KEY", "A=one \\\nKEY2=two\nKEY=@\n"),
    ("WP_APP.PASSWORD=x\n", "WP_APP.PASSWORD", "WP_APP.PASSWORD=@\n"),
];

const JSON_FILES: &[(&str, &str, &str)] = &[
    ("{\"a\": \"old\", \"b\": [1, 2]}", "a", "{\"a\": \"@\", \"b\": [1, 2]}"),
    (
        "{\n\t\"wp\" : {\n\t\t\"pw\" : null ,\n\t\t\"x\":1}\n}\n",
        "wp.pw",
        "{\n\t\"wp\" : {\n\t\t\"pw\" : \"@\" ,\n\t\t\"x\":1}\n}\n",
    ),
    (
        "{\r\n  \"a\": \"} \\\" {\",\r\n  \"pw\": \"x\"\r\n}\r\n",
        "pw",
        "{\r\n  \"a\": \"} \\\" {\",\r\n  \"pw\": \"@\"\r\n}\r\n",
    ),
    ("{\"l\":[{\"pw\":\"\"},{\"pw\":\"\\\\\"}]}", "l.1.pw", "{\"l\":[{\"pw\":\"\"},{\"pw\":\"@\"}]}"),
    ("{\"a.b\":{\"c/d\":\"x\"}}", "/a.b/c~1d", "{\"a.b\":{\"c/d\":\"@\"}}"),
    ("{\"\\u0061\":\"x\"}", "a", "{\"\\u0061\":\"@\"}"),
    ("{\"n\": 1e5, \"s\": \"x\"}", "new", "{\"n\": 1e5, \"s\": \"x\", \"new\": \"@\"}"),
    ("{\n  \"a\": 1,\n  \"b\": {}\n}\n", "c", "{\n  \"a\": 1,\n  \"b\": {},\n  \"c\": \"@\"\n}\n"),
    ("{\n  \"a\": 1,\n  \"b\": {}\n}\n", "b.c", "{\n  \"a\": 1,\n  \"b\": {\"c\": \"@\"}\n}\n"),
    ("{\n  \"a\": {\n  }\n}\n", "a.c", "{\n  \"a\": {\n    \"c\": \"@\"\n  }\n}\n"),
    ("{}", "a", "{\"a\": \"@\"}"),
    ("{\"a\":{\"x\":1}}", "/a/q\"uote", "{\"a\":{\"x\":1,\"q\\\"uote\":\"@\"}}"),
];

#[test]
fn a_key_is_set_and_every_other_byte_stays() {
    let site = Site::new();
    for (file, files) in [(".env", ENV_FILES), ("config.json", JSON_FILES)] {
        for (before, key, after) in files {
            std::fs::write(site.path(file), before).unwrap();
            std::fs::set_permissions(site.path(file), PermissionsExt::from_mode(0o640)).unwrap();
            let output = site.create(&["--set-key", key, "--out-file", file]);
            let stdout = succeeded(&output);
            assert_eq!(
                stdout,
                format!(
                    "Success: Created application password.\nThe password was written to the key {key} of {file}.\n"
                )
            );
            let text = site.read(file);
            let (head, tail) = after.split_once('@').unwrap();
            let password = text.strip_prefix(head).and_then(|text| text.strip_suffix(tail));
            site.assert_works(password.unwrap_or_else(|| panic!("{before:?} became {text:?}")));
            assert_eq!(mode(&site.path(file)), 0o640);
        }
    }
}

#[test]
fn a_file_whose_key_is_not_certain_is_left_alone() {
    let site = Site::new();
    let refused = [
        (".env", "KEY=a\nKEY=b\n", "KEY", "sets KEY twice, in lines 1 and 2"),
        (".env", "KEY='a'b\n", "KEY", "put together from several parts"),
        (".env", "KEY=a\"b # c\"\n", "KEY", "put together from several parts"),
        (".env", "KEY=$(pass wp)\n", "KEY", "put together from several parts"),
        (".env", "KEY=${OTHER}\n", "KEY", "put together from several parts"),
        (".env", "KEY=$OTHER\n", "KEY", "put together from several parts"),
        (".env", "KEY=\"a${OTHER}\" # c\n", "KEY", "put together from several parts"),
        (".env", "KEY=#x\n", "KEY", "put together from several parts"),
        (".env", "A=1\nX=\"\nKEY=b\n\"\n", "KEY", "set inside the quotes that begin in line 2"),
        (".env", "A=one \\\nKEY=two\n", "KEY", "continues the line before it"),
        (".env", "A=it\nB='tis\nKEY=x\n", "KEY", "the quote that begins in line 2 does not end"),
        (".env", "A=1\n<?php\n", "KEY", "line 2 is neither NAME=value nor a comment"),
        (".env", "[section]\nKEY=a\n", "KEY", "line 1 is neither"),
        (".env", "KEY: a\n", "KEY", "line 1 is neither"),
        (".env", "A=1\n", "NO KEY", "cannot be given the key 'NO KEY'"),
        (".env", "A=1\n", "2KEY", "cannot be given the key '2KEY'"),
        ("a.json", "{\"a\":1}", "a", "something at a that is no text"),
        ("a.json", "{\"a\":{}}", "a", "something at a that is no text"),
        ("a.json", "{\"a\":[\"x\"]}", "a.1", "has no item 1 in its a, which is a list of 1"),
        ("a.json", "{\"a\":\"x\"}", "a.b", "has no keys in its a"),
        ("a.json", "{\"a\":{}}", "b.c", "has no b in its top level"),
        ("a.json", "{\"a\":\"x\",\"\\u0061\":\"y\"}", "a", "has the key a twice"),
        ("a.json", "{\"a\":\"x\",}", "a", "is no JSON that can be edited (line 1, column 10)"),
        ("a.json", "// c\n{\"a\":\"x\"}", "a", "is no JSON"),
        ("a.json", "", "a", "is no JSON"),
        ("a.json", "[]", "a", "has no item a"),
        ("a.json", "{\"a\":\"x\"}", "a..b", "it has an empty part"),
        ("settings", "{\"a\":1}", "a", "something at a that is no text"),
    ];
    for (file, text, key, words) in refused {
        std::fs::write(site.path(file), text).unwrap();
        std::fs::set_permissions(site.path(file), PermissionsExt::from_mode(0o600)).unwrap();
        site.assert_refused(&["--set-key", key, "--out-file", file], words);
    }
    site.assert_refused(&["--set-key=A", "--out-file=missing.env"], "does not exist");
    std::fs::set_permissions(site.path(".env"), PermissionsExt::from_mode(0o644)).unwrap();
    site.assert_refused(&["--set-key=A", "--out-file=.env"], "everybody on this machine may read it");
}

/// Many at once: each waits for the file.
#[test]
fn keys_that_are_set_at_the_same_time_are_all_there() {
    let site = Site::new();
    std::fs::write(site.path(".env"), "# settings\n").unwrap();
    std::fs::set_permissions(site.path(".env"), PermissionsExt::from_mode(0o600)).unwrap();
    let children: Vec<_> = (0..6)
        .map(|number| {
            let key = format!("--set-key=KEY_{number}");
            let arguments = ["create", "3", "App", "--out-file=.env", &key, "--hash=phpass"];
            site.command(&arguments).stdout(Stdio::null()).spawn().unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = site.read(".env");
    let lines: Vec<&str> = text.strip_prefix("# settings\n").unwrap().lines().collect();
    assert_eq!((lines.len(), site.hashes().len()), (6, 6), "{text}");
    for line in lines {
        site.assert_works(line.split_once('=').unwrap().1);
    }
    assert_eq!(site.files().len(), 1);
}

#[test]
fn an_interruption_while_the_file_is_waited_for_takes_the_entry_back() {
    let site = Site::new();
    std::fs::write(site.path(".env"), "KEY=old\n").unwrap();
    std::fs::set_permissions(site.path(".env"), PermissionsExt::from_mode(0o600)).unwrap();
    let (before, files) = (site.entries(), site.files());
    let folder = std::fs::File::open(site.home.path()).unwrap();
    rustix::fs::flock(&folder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let child = site
        .command(&["create", "3", "App", "--set-key=KEY", "--out-file=.env"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while site.entries() == before {
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    // From the saved entry to the lock it is not far.
    std::thread::sleep(Duration::from_secs(2));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("(interrupted), so it was taken back"),
        "{output:?}"
    );
    assert_eq!((site.entries(), site.files()), (before, files));
}

#[test]
fn an_interruption_while_the_entry_is_saved_takes_it_back() {
    let site = Site::new();
    let before = site.entries();
    for way in ["--out-file=pw", "--exec=cat >pw", "--out-fd=3"] {
        let lock = site.fixture.connection();
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        let script = "exec \"$0\" create 3 App \"$1\" 3>through";
        let child = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_wp-app-password"), way])
            .env("WP_APP_PASSWORD_DB", site.fixture.url())
            .current_dir(site.home.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It waits for the database by then.
        std::thread::sleep(Duration::from_secs(3));
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        std::thread::sleep(Duration::from_millis(200));
        lock.execute_batch("COMMIT").unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(128 + 15), "{way}: {output:?}");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            stderr,
            "Error: Interrupted: the new application password was taken back, and nobody has seen it. Nothing was \
             changed.\n"
        );
        assert_eq!(site.entries(), before, "{way}");
        assert!(!site.path("pw").exists() && site.read("through").is_empty());
    }
}

/// Sets a key of a file of the library's own; the new text.
fn set_key(folder: &Path, name: &str, text: &str, key: &str) -> Result<String, String> {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let target = Target::File { path: path.clone(), mode: None, force: false, key: Some(key.into()) };
    through(&mut Sink::new(target, None, Wording::default(), None), b"bot")
        .map_err(|error| error.to_string())?;
    Ok(std::fs::read_to_string(&path).unwrap())
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ -~é\u{1f680}\"\\\\\n]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::hash_map("[a-c./~\"\\\\é ]{1,3}", inner, 0..4)
                .prop_map(|map| Value::from_iter(map.into_iter().collect::<Vec<_>>())),
        ]
    })
}

/// Writes JSON with blanks of a generated style between all tokens.
fn written(value: &Value, blanks: &[&str], at: &mut usize, into: &mut String) {
    let mut blank = |into: &mut String| {
        into.push_str(blanks[*at % blanks.len()]);
        *at += 1;
    };
    blank(into);
    match value {
        Value::Array(items) => {
            into.push('[');
            for (index, item) in items.iter().enumerate() {
                into.push_str(if index > 0 { "," } else { "" });
                written(item, blanks, at, into);
            }
            into.push(']');
        }
        Value::Object(members) => {
            into.push('{');
            for (index, (key, item)) in members.iter().enumerate() {
                into.push_str(if index > 0 { "," } else { "" });
                into.push_str(blanks[*at % blanks.len()]);
                into.push_str(&Value::from(key.as_str()).to_string());
                into.push_str(blanks[(*at + 1) % blanks.len()]);
                into.push(':');
                written(item, blanks, at, into);
            }
            into.push('}');
        }
        other => into.push_str(&other.to_string()),
    }
    into.push_str(blanks[*at % blanks.len()]);
}

/// Every place in a document, as pointers.
fn pointers(value: &Value, at: &str, into: &mut Vec<String>) {
    let mut step = |name: &str, value: &Value| {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        pointers(value, &pointer, into);
        into.push(pointer);
    };
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| step(&index.to_string(), item))
        }
        Value::Object(members) => members.iter().for_each(|(key, item)| step(key, item)),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// A parser that reads the file afterwards finds the password, and all else as it was.
    #[test]
    fn json_parsers_agree_that_only_the_key_changed(
        value in json_value(),
        blanks in proptest::sample::select(vec![&["", " "][..], &["\n  ", "\t", ""], &["\r\n", " ", "  "], &[""]]),
        choice in any::<proptest::sample::Index>(),
        fresh in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let value = serde_json::json!({ "top": value });
        let mut text = String::new();
        written(&value, blanks, &mut 0, &mut text);
        prop_assert_eq!(&serde_json::from_str::<Value>(&text).unwrap(), &value);
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        let mut pointer = choice.get(&all).clone();
        if fresh {
            pointer.push_str("/brand-new");
        }
        let parent = pointer.rsplit_once('/').unwrap().0;
        let allowed = match value.pointer(&pointer) {
            Some(found) => found.is_string() || found.is_null(),
            None => value.pointer(parent).is_some_and(Value::is_object),
        };
        match set_key(folder.path(), "a.json", &text, &pointer) {
            Ok(after) => {
                prop_assert!(allowed, "{}: {}", pointer, after);
                let mut expected = value.clone();
                let name = pointer.rsplit_once('/').unwrap().1.replace("~1", "/").replace("~0", "~");
                let holder = expected.pointer_mut(parent).unwrap();
                match holder {
                    Value::Array(items) => items[name.parse::<usize>().unwrap()] = PASSWORD.into(),
                    Value::Object(members) => drop(members.insert(name, PASSWORD.into())),
                    other => panic!("{other}"),
                }
                prop_assert_eq!(serde_json::from_str::<Value>(&after).unwrap(), expected);
                // Byte for byte: what was before and behind is there still.
                let kept = text.bytes().zip(after.bytes()).take_while(|(a, b)| a == b).count();
                let tail = text.bytes().rev().zip(after.bytes().rev()).take_while(|(a, b)| a == b).count();
                if fresh {
                    prop_assert!(kept + tail >= text.len(), "{}\n{}", text, after);
                } else {
                    let old = value.pointer(&pointer).unwrap().to_string();
                    prop_assert!(kept + tail + old.len() >= text.len(), "{}\n{}", text, after);
                }
            }
            Err(error) => {
                prop_assert!(!allowed, "{}: {}\n{}", pointer, error, text);
                prop_assert_eq!(std::fs::read_to_string(folder.path().join("a.json")).unwrap(), text);
            }
        }
    }

    /// Whatever a file holds, it is left alone or has one value replaced.
    #[test]
    fn any_bytes_are_refused_or_kept_around_the_value(
        text in "[KAB=\"'#\\\\{}\\[\\]:,n1 \t\r\n\u{e9}$(`.;]{0,24}",
        json in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let name = if json { "a.json" } else { ".env" };
        match set_key(folder.path(), name, &text, "K") {
            Err(error) => {
                prop_assert!(error.contains(name), "{}", error);
                prop_assert_eq!(std::fs::read_to_string(folder.path().join(name)).unwrap(), text);
            }
            Ok(after) => {
                let (head, tail) = after.split_once(PASSWORD).unwrap();
                // What was added is a key and a sign, or quotes around the value.
                let kept = text.bytes().zip(head.bytes()).take_while(|(a, b)| a == b).count();
                let added = head[..].len() - kept;
                prop_assert!(added <= 7, "{:?} {:?}", text, after);
                let tail = tail.strip_prefix('"').filter(|_| !text.ends_with(tail)).unwrap_or(tail);
                prop_assert!(text.ends_with(tail) || tail.trim().is_empty(), "{:?} {:?}", text, after);
            }
        }
    }

    /// The same for variables, as sh reads them.
    #[test]
    fn lines_of_an_env_file_stay_and_the_variable_is_set(
        lines in proptest::collection::vec(
            prop_oneof![
                "[ \t]{0,2}#[ -~]{0,10}",
                "(export )?[A-Z]{1,2}=[a-z0-9./:-]{0,6}( # [a-z ]{0,5})?",
                "[A-Z]{1,2}='[ -&(-~]{0,8}'",
                "[A-Z]{1,2}=\"[ !#%-\\[\\]-_a-~]{0,8}\"",
                "",
            ],
            0..8,
        ),
        key in "[A-Z]{1,2}",
        end in proptest::sample::select(vec!["\n", "\r\n"]),
        finished in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut text = lines.join(end);
        if finished && !text.is_empty() {
            text.push_str(end);
        }
        let name = |line: &str| {
            let line = line.strip_prefix("export ").unwrap_or(line);
            line.split_once('=').filter(|_| !line.trim_start().starts_with('#')).map(|(name, _)| name.to_owned())
        };
        let times = lines.iter().filter(|line| name(line).as_ref() == Some(&key)).count();
        match set_key(folder.path(), "env", &text, &key) {
            Err(error) => {
                prop_assert_eq!(times > 1, true, "{}\n{}", error, text);
                prop_assert!(error.contains("twice"), "{}", error);
            }
            Ok(after) => {
                prop_assert!(times <= 1);
                let at = after.find(PASSWORD).unwrap();
                let (head, tail) = (&after[..at], &after[at + PASSWORD.len()..]);
                if times == 0 {
                    prop_assert!(head.starts_with(&text), "{:?} {:?}", text, after);
                    let added = &head[text.len()..];
                    prop_assert_eq!(added.trim_start_matches(['\r', '\n']), format!("{key}="));
                } else {
                    prop_assert!(text.starts_with(head) && text.ends_with(tail), "{:?} {:?}", text, after);
                    let old = &text[head.len()..text.len() - tail.len()];
                    let quoted = head.ends_with(['\'', '"']);
                    prop_assert!(quoted || !old.contains(['#', ' ', '\n']), "{:?}", old);
                }
                if end == "\n" {
                    std::fs::write(folder.path().join("env"), &after).unwrap();
                    let script = format!("unset {key}; . ./env; printf %s \"${key}\"");
                    let read = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
                    prop_assert_eq!(String::from_utf8_lossy(&read.stdout), PASSWORD, "{}", after);
                }
            }
        }
    }
}

// Encryption.

struct Keys {
    folder: tempfile::TempDir,
}

impl Keys {
    /// An age key (`age.key`), and SSH keys (`ed25519`, `rsa`, `ecdsa`, `weak`) with their `.pub`.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let run = |command: &mut Command| {
            let output = command.current_dir(folder.path()).stdin(Stdio::null()).output().unwrap();
            assert!(output.status.success(), "{command:?}: {output:?}");
        };
        run(Command::new("age-keygen").args(["-o", "age.key"]));
        for (kind, bits, name) in [
            ("ed25519", "0", "ed25519"),
            ("rsa", "2048", "rsa"),
            ("ecdsa", "256", "ecdsa"),
            ("rsa", "1024", "weak"),
        ] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-N", "", "-t", kind, "-f", name, "-C", "somebody@example"]);
            if bits != "0" {
                keygen.args(["-b", bits]);
            }
            run(&mut keygen);
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn public(&self, name: &str) -> String {
        if name != "age.key" {
            return std::fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap().trim().to_owned();
        }
        let text = std::fs::read_to_string(self.path(name)).unwrap();
        text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
    }

    /// Opens with Debian's age.
    fn open(&self, key: &str, armored: &[u8]) -> String {
        let sealed = self.path("sealed.age");
        std::fs::write(&sealed, armored).unwrap();
        rig::output(Command::new("age").arg("-d").arg("-i").arg(self.path(key)).arg(&sealed))
    }
}

#[test]
fn age_opens_what_was_encrypted_for_its_keys() {
    let (site, keys) = (Site::new(), Keys::new());
    let to = |name: &str| format!("--encrypt-to={}", keys.public(name));
    for name in ["age.key", "ed25519", "rsa"] {
        let output = site.create(&[&to(name)]);
        let stdout = succeeded(&output);
        assert!(stdout.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{stdout}");
        assert!(stdout.ends_with("\n-----END AGE ENCRYPTED FILE-----\n"), "{stdout}");
        site.assert_works(keys.open(name, stdout.as_bytes()).strip_suffix('\n').unwrap());
    }
    // An SSH key without its comment, which some tools print.
    let bare = keys.public("ed25519").rsplit_once(' ').unwrap().0.to_owned();
    let stdout = succeeded(&site.create(&[&format!("--encrypt-to={bare}")]));
    site.assert_works(keys.open("ed25519", stdout.as_bytes()).trim_end());
    // Several, and a file with some more; each opens it.
    let text = format!(
        "# who may know\n\n{}\nfrom=\"10.0.0.0/8, ssh-rsa x\",no-pty {}\n",
        keys.public("age.key"),
        keys.public("ed25519")
    );
    std::fs::write(site.path("recipients"), text).unwrap();
    let output =
        site.create(&[&to("rsa"), "--encrypt-to", "recipients", "--format=json", "--out-file=pw.age"]);
    succeeded(&output);
    let sealed = std::fs::read(site.path("pw.age")).unwrap();
    for name in ["age.key", "ed25519", "rsa"] {
        let opened: Value = serde_json::from_str(&keys.open(name, &sealed)).unwrap();
        site.assert_works(opened["password"].as_str().unwrap());
    }
    // To a command too, and --porcelain is no clear text.
    succeeded(&site.create(&[&to("age.key"), "--exec=cat >piped"]));
    site.assert_works(keys.open("age.key", site.read("piped").as_bytes()).trim_end());
    let stdout = succeeded(&site.create(&[&to("age.key"), "--porcelain"]));
    site.assert_works(keys.open("age.key", stdout.as_bytes()).trim_end());
}

#[test]
fn what_is_no_recipient_is_refused_before_anything_changes() {
    let (site, keys) = (Site::new(), Keys::new());
    let secret = std::fs::read_to_string(keys.path("age.key")).unwrap();
    let secret = secret.lines().find(|line| line.starts_with("AGE-SECRET-KEY-")).unwrap();
    for (name, text) in [
        ("empty", "# nobody\n\n"),
        ("odd", "# x\nsomething\n"),
        ("identity", secret),
        ("private", &std::fs::read_to_string(keys.path("ed25519")).unwrap()),
        ("unsupported", &format!("{}\n{}\n", keys.public("age.key"), keys.public("ecdsa"))),
    ] {
        std::fs::write(site.path(name), text).unwrap();
    }
    let mut damaged = keys.public("age.key");
    damaged.pop();
    let (ecdsa, weak) = (keys.public("ecdsa"), keys.public("weak"));
    for (recipient, words) in [
        (damaged.as_str(), "is damaged or incomplete"),
        ("age1yubikey1qwerty", "needs a plugin"),
        ("ssh-ed25519 AAAA", "is damaged or incomplete"),
        (&ecdsa, "of a kind that cannot encrypt"),
        (&weak, "less than 2048 bits"),
        (secret, "is a secret key"),
        ("missing", "nor a file of them that can be read (No such file"),
        (".", "nor a file of them that can be read (Is a directory"),
        ("", "--encrypt-to is empty"),
        ("empty", "empty holds no recipient"),
        ("odd", "line 2 of odd is no recipient"),
        ("identity", "line 1 of identity is a secret key"),
        ("private", "line 1 of private begins a private key"),
        ("unsupported", "line 2 of unsupported is an SSH key of a kind that cannot encrypt"),
    ] {
        site.assert_refused(&[&format!("--encrypt-to={recipient}")], words);
        let stderr = site.create(&[&format!("--encrypt-to={recipient}")]).stderr;
        assert!(!String::from_utf8_lossy(&stderr).contains(secret));
    }
    for key in ["", "nonsense", "AAAA", &STANDARD.encode([7; 31])] {
        site.assert_refused(&[&format!("--seal-to={key}")], "is no public key");
    }
    // Points of low order: whoever seals for them seals for everybody.
    let one = [&[1][..], &[0; 31]].concat();
    // One of order eight.
    let eight = [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ];
    for key in [vec![0; 32], one, eight.to_vec()] {
        site.assert_refused(&[&format!("--seal-to={}", STANDARD.encode(key))], "protects nothing");
    }
}

#[test]
fn libsodium_opens_a_sealed_box() {
    let site = Site::new();
    let python = |script: &str, arguments: &[&str]| {
        rig::output(Command::new(PYTHON).arg("-c").arg(script).args(arguments))
            .trim_end_matches('\n')
            .to_owned()
    };
    let made = python(
        "from nacl.public import PrivateKey; from nacl.encoding import Base64Encoder as B; k = PrivateKey.generate()\n\
         print(k.encode(B).decode(), k.public_key.encode(B).decode())",
        &[],
    );
    let (private, public) = made.split_once(' ').unwrap();
    let open = "import sys; from nacl.public import PrivateKey, SealedBox; from nacl.encoding import Base64Encoder as B\n\
                print(repr(SealedBox(PrivateKey(sys.argv[1].encode(), B)).decrypt(sys.argv[2].encode(), B).decode()))";
    let to = format!("--seal-to={public}");
    // The value alone, as an API for secrets stores it.
    let sealed = succeeded(&site.create(&[&to]));
    assert_eq!(sealed.lines().count(), 1);
    site.assert_works(python(open, &[private, sealed.trim_end()]).trim_matches('\''));
    // A format is taken at its word.
    let sealed = succeeded(&site.create(&[&to, "--format=env"]));
    let opened = python(open, &[private, sealed.trim_end()]);
    let password = opened.strip_prefix("'WP_APP_PASSWORD=").unwrap().strip_suffix("\\n'").unwrap();
    site.assert_works(password);
    // It fits into a key of a file.
    std::fs::write(site.path("a.json"), "{\"encrypted_value\":null}").unwrap();
    succeeded(&site.create(&[&to, "--set-key=encrypted_value", "--out-file=a.json", "--mode=600"]));
    let json: Value = serde_json::from_str(&site.read("a.json")).unwrap();
    let sealed = json["encrypted_value"].as_str().unwrap();
    site.assert_works(python(open, &[private, sealed]).trim_matches('\''));
}

#[test]
fn what_is_encrypted_holds_nothing_in_the_clear() {
    let recipient = age_recipient();
    for encryption in [
        Encryption::age(&[recipient.into()]).unwrap(),
        Encryption::sealed(&STANDARD.encode([9; 32])).unwrap(),
    ] {
        let mut sink = Sink::new(Target::Stdout, Some(Format::Json), Wording::default(), Some(encryption));
        let (one, two) = (through(&mut sink, b"bot").unwrap(), through(&mut sink, b"bot").unwrap());
        assert_ne!(one, two, "the same twice");
        assert!(!String::from_utf8(one).unwrap().contains(PASSWORD));
    }
}

fn age_recipient() -> String {
    let output = Command::new("age-keygen").stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
}

// The command line.

#[test]
fn standard_output_takes_every_format_and_nothing_else_beside_it() {
    let site = Site::new();
    let stdout = succeeded(&site.create(&["--format=env"]));
    site.assert_works(stdout.strip_prefix("WP_APP_PASSWORD=").unwrap().trim_end());
    let stdout = succeeded(&site.create(&["--format=docker-secret"]));
    site.assert_works(&stdout);
    let stdout = succeeded(&site.create(&["--format=curl", "--username=api"]));
    assert!(stdout.starts_with("user = \"api:"), "{stdout}");
    let stdout = succeeded(&site.create(&["--format=netrc", "--url=https://other.example"]));
    assert!(stdout.starts_with("machine ") && stdout.contains(" login author1 password "), "{stdout}");
    // Without any of it, as WP-CLI.
    let stdout = succeeded(&site.create(&[]));
    let password = stdout.strip_prefix("Success: Created application password.\nPassword: ").unwrap();
    site.assert_works(password.trim_end());
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let before = site.entries();
    let output =
        site.command(&["create", "3", "App", "--format=env"]).stdout(full).stderr(Stdio::piped()).output();
    assert_eq!(
        String::from_utf8_lossy(&output.unwrap().stderr),
        "Error: The new password could not be written to standard output (No space left on device (os error 28)), so it was \
         taken back. Nothing was changed.\n"
    );
    assert_eq!(site.entries(), before);
    // A closed standard output is no obstacle where nothing is written to it.
    let output = site.shell("\"$TOOL\" create 3 App --quiet --out-file=pw >&-");
    assert!(output.status.success(), "{output:?}");
    site.assert_works(site.read("pw").trim_end());
}

#[test]
fn arguments_without_effect_or_value_are_refused() {
    let site = Site::new();
    for (arguments, words) in [
        (&["--out-file=a", "--exec=cat"][..], "it goes one way"),
        (&["--out-file=a", "--out-fd=3"], "it goes one way"),
        (&["--set-key=A"], "--set-key goes with --out-file only"),
        (&["--mode=600"], "--mode goes with --out-file only"),
        (&["--force", "--exec=cat"], "--force goes with --out-file only"),
        (&["--var=A"], "--var goes with"),
        (&["--var=A", "--format=curl"], "--var goes with"),
        (&["--with-user", "--format=json"], "--with-user goes with --format=env only"),
        (&["--username=x"], "--username goes with"),
        (&["--secret-name=x", "--format=docker-secret"], "--secret-name goes with"),
        (&["--set-key=A", "--out-file=a", "--format=json"], "--format has no place"),
        (&["--porcelain", "--out-file=a"], "--porcelain prints the password on standard output"),
        (&["--encrypt-to=age1x", "--seal-to=AA"], "it is encrypted one way"),
        // WP-CLI would warn and go on, which would print the password.
        (&["--out-file"], "--out-file parameter needs a value"),
        (&["--exec"], "--exec parameter needs a value"),
        (&["--no-out-file"], "--out-file parameter needs a value"),
        (&["--format=xml"], "Invalid value specified for 'format'"),
        (&["--format=env,json"], "Invalid value specified for 'format'"),
    ] {
        site.assert_refused(arguments, words);
    }
    for mode in ["8", "1777", "rw", "", "+600"] {
        let output = site.create(&["--out-file=a", &format!("--mode={mode}")]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("--mode"), "{output:?}");
        assert!(site.hashes().is_empty() && site.files().is_empty());
    }
    // Before the verb it is WP-CLI's own parameter, which runs PHP; so it is for verbs that make no password.
    let output = site.command(&["list", "--exec=true"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("it runs PHP code"), "{output:?}");
    let output = site.command(&["list", "1", "--out-file", "x"]).output().unwrap();
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("Too many positional arguments: x"),
        "{output:?}"
    );
}
