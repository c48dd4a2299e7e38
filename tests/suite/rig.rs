//! The real servers of `tests/run`: where they are, how to ask them something.
//!
//! `tests/run up DIR` starts them and describes them in `DIR/rig.json`, which `WP_APP_PASSWORD_TEST_RIG`
//! names. A test that needs them begins with
//!
//! ```ignore
//! let Some(rig) = rig::require() else { return };
//! ```
//!
//! and is skipped, loudly, where they do not run. `tests/run` itself sets `WP_APP_PASSWORD_TEST_REQUIRE`,
//! which turns a skip into a failure.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock, RwLock};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// What a web server's PHP does with every request.
pub const ROUTER: &str =
    concat!("return require '", env!("CARGO_MANIFEST_DIR"), "/tests/rig/php/router.php';");

/// Everything in `rig.json`.
pub struct Rig {
    php: PathBuf,
    php_wasm: PathBuf,
    wp_eval: PathBuf,
    mariadb_client: PathBuf,
    folder: PathBuf,
    pub mariadb: Server,
    pub mysql: Server,
    pub sites: Vec<Site>,
    /// WordPress 7.1 with a persistent object cache, on MariaDB.
    pub cached_sites: Vec<Site>,
    pub redis: CacheServer,
    /// The same with the password `redis secret`, the user `wp` (`acl-secret`), and TLS.
    pub redis_secure: CacheServer,
    pub memcached: CacheServer,
    templates: BTreeMap<String, PathBuf>,
}

/// A database server: MariaDB or MySQL.
pub struct Server {
    pub name: &'static str,
    pub version: String,
    pub socket: PathBuf,
    pub host: String,
    pub port: u16,
    /// The authority that signed the server's certificate (for 127.0.0.1 and localhost).
    pub ca: PathBuf,
    /// Passwords by account: `root` (socket only), `wp` (everything), `reader` (SELECT), `tls` (everything, TLS
    /// required), `odd` (a password full of reserved characters), and on MariaDB `ed` (ed25519). On MySQL all
    /// use `caching_sha2_password`.
    pub users: BTreeMap<String, String>,
}

/// A Redis or Memcached server.
pub struct CacheServer {
    pub port: u16,
    pub socket: Option<PathBuf>,
    pub tls_port: Option<u16>,
}

impl CacheServer {
    fn read(json: &Value) -> Self {
        let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
        Self {
            port: port(&json["port"]).expect("a port"),
            socket: json["socket"].as_str().map(PathBuf::from),
            tls_port: port(&json["tls"]["port"]),
        }
    }
}

/// A WordPress that answers requests. Users: `admin` (password `admin-pass`), `editor1`, `author1`,
/// `subscriber1` and `inventory-sync-bot`, with the ids 1 to 5.
pub struct Site {
    pub name: String,
    /// `$wp_version`.
    pub version: String,
    /// Its root folder, for `--path`.
    pub path: PathBuf,
    pub url: String,
    /// `mariadb`, `mysql` or `sqlite`.
    pub server: String,
    /// For `--db`.
    pub db: String,
    pub prefix: String,
    pub multisite: bool,
    /// Environment `production`, TLS in front.
    pub https: bool,
    pub ca: Option<PathBuf>,
    /// The same site without TLS; only where `https`.
    pub plain_url: Option<String>,
    /// Held for reading by tests that need the feature switched on, for writing by the one that switches it off.
    pub in_use: RwLock<()>,
}

/// A freshly installed site's tables, as a dump (or file) to make a database from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Template {
    /// WordPress 7.1, prefix `wp_`.
    InnoDb,
    /// The same tables with `ENGINE=MyISAM`.
    MyIsam,
    /// A network of two sites, prefix `net7_`.
    Network,
    /// WordPress 6.1.
    Wp61,
    /// The SQLite integration 3.x: `STRICT` tables, write-ahead log.
    Sqlite,
    /// The SQLite integration 2.2 with its translator: `NOCASE` columns, rollback journal.
    SqliteOld,
}

impl Template {
    fn key(self) -> &'static str {
        match self {
            Self::InnoDb => "innodb",
            Self::MyIsam => "myisam",
            Self::Network => "network",
            Self::Wp61 => "wp61",
            Self::Sqlite => "sqlite",
            Self::SqliteOld => "sqlite-old",
        }
    }
}

/// The servers; `None`, after a loud line, where they do not run and need not.
///
/// # Panics
/// Without servers when `CI` or `WP_APP_PASSWORD_TEST_REQUIRE` is set.
#[allow(clippy::disallowed_methods, reason = "tests find their servers in the environment")]
pub fn require() -> Option<&'static Rig> {
    static RIG: OnceLock<Option<Rig>> = OnceLock::new();
    let rig = RIG
        .get_or_init(|| std::env::var_os("WP_APP_PASSWORD_TEST_RIG").map(|file| Rig::read(Path::new(&file))));
    if rig.is_none() {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let required =
            ["CI", "WP_APP_PASSWORD_TEST_REQUIRE"].iter().any(|name| std::env::var_os(name).is_some());
        assert!(!required, "{test} needs the servers of tests/run (WP_APP_PASSWORD_TEST_RIG is not set)");
        // Not eprintln!: the test harness would hide it.
        let _ = writeln!(std::io::stderr(), "SKIPPED {test}: needs the servers of tests/run");
    }
    rig.as_ref()
}

impl Rig {
    fn read(file: &Path) -> Self {
        let json: Value =
            serde_json::from_slice(&std::fs::read(file).expect("rig.json")).expect("rig.json is JSON");
        let sites = json["sites"].as_object().expect("sites");
        Self {
            php: path(&json["php"]),
            php_wasm: path(&json["php_wasm"]),
            wp_eval: path(&json["wp_eval"]),
            mariadb_client: path(&json["mariadb_client"]),
            folder: path(&json["dir"]),
            mariadb: Server::read("mariadb", &json["servers"]["mariadb"]),
            mysql: Server::read("mysql", &json["servers"]["mysql"]),
            sites: sites.iter().map(|(name, site)| Site::read(name, site)).collect(),
            cached_sites: json["cached_sites"]
                .as_object()
                .expect("cached sites")
                .iter()
                .map(|(name, site)| Site::read(name, site))
                .collect(),
            redis: CacheServer::read(&json["servers"]["redis"]),
            redis_secure: CacheServer::read(&json["servers"]["redis_secure"]),
            memcached: CacheServer::read(&json["servers"]["memcached"]),
            templates: json["templates"]
                .as_object()
                .expect("templates")
                .iter()
                .map(|(kind, file)| (kind.clone(), path(file)))
                .collect(),
        }
    }

    /// The site of that name, as `tests/rig/sites.sh` lists them.
    pub fn site(&self, name: &str) -> &Site {
        self.sites
            .iter()
            .chain(&self.cached_sites)
            .find(|site| site.name == name)
            .unwrap_or_else(|| panic!("no site {name} in rig.json"))
    }

    /// A web server of the caller's own for a site's files, on `port`; `router` is PHP that ends with [`ROUTER`].
    pub fn web_server(&self, site: &Site, port: u16, router: &Path) -> Command {
        let mut command = Command::new(&self.php);
        command
            .args(["-d", "error_reporting=0", "-d", "display_errors=0"])
            .args(["-d", "opcache.enable_cli=1", "-d", "opcache.revalidate_freq=0"])
            .args(["-S", &format!("127.0.0.1:{port}"), "-t"])
            .arg(&site.path)
            .arg(router)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Runs PHP code in a site, as the body of a function, and gives what it returns. A `WP_Error` comes back as
    /// `{"error": …, "message": …}`.
    pub fn wp_eval(&self, site: &Site, code: &str) -> Value {
        let opcache = format!("opcache.file_cache={}/opcache", self.folder.display());
        std::fs::create_dir_all(self.folder.join("opcache")).unwrap();
        let output = Command::new(&self.php)
            .args(["-d", "opcache.enable_cli=1", "-d", &opcache])
            .arg(&self.wp_eval)
            .arg(&site.path)
            .arg(code)
            .stdin(Stdio::null())
            .output()
            .expect("php");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {code}\n{stdout}\n{stderr}", site.name);
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{}: {code}\n{stdout}\n{stderr}", site.name))
    }

    /// Runs PHP code in the WordPress of any folder, asked for by `url`, with more in its environment.
    pub fn wp_eval_in(&self, root: &Path, url: &str, env: &[(&str, &str)], code: &str) -> Value {
        let output = Command::new(&self.php)
            .args(["-d", "variables_order=EGPCS"])
            .arg(&self.wp_eval)
            .arg(format!("--url={url}"))
            .arg(root)
            .arg(code)
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("php");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {code}\n{stdout}\n{stderr}", root.display());
        serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{code}\n{stdout}\n{stderr}"))
    }

    /// A PHP of another version (`7-2`, `7-4`, `8-5`), for a script and a file that it is given.
    pub fn other_php(&self, version: &str) -> Command {
        let mut command = Command::new("node");
        command.arg("tests/rig/php-wasm.mjs").arg(&self.php_wasm).arg(version).stdin(Stdio::null());
        command
    }

    /// The machine's PHP.
    pub fn php(&self) -> &Path {
        &self.php
    }

    /// The published schema of SARIF 2.1.0.
    pub fn sarif_schema(&self) -> PathBuf {
        self.folder.join("sarif-schema.json")
    }

    /// A MariaDB database of the caller's own with the tables of `template`; dropped with the value.
    pub fn fresh_mariadb_database(&'static self, template: Template) -> Database {
        Database::new(self, &self.mariadb, template)
    }

    /// The same on MySQL.
    pub fn fresh_mysql_database(&'static self, template: Template) -> Database {
        Database::new(self, &self.mysql, template)
    }

    /// The SQL that makes the tables of `template`.
    pub fn template_dump(&self, template: Template) -> Vec<u8> {
        std::fs::read(&self.templates[template.key()]).unwrap()
    }

    /// Copies the SQLite database of `template` to `file`.
    pub fn fresh_sqlite_database(&self, template: Template, file: &Path) {
        std::fs::copy(&self.templates[template.key()], file).unwrap();
    }

    /// Runs SQL as root over the server's socket; gives the rows, tab-separated, without headings.
    pub fn sql(&self, server: &Server, database: &str, sql: &str) -> String {
        let output = self.client(server, database, sql.as_bytes());
        String::from_utf8(output).unwrap()
    }

    /// What a neighbour's statement stood in the way of (a deadlock, a lock waited for in vain) is tried again: the
    /// first statement of what is run here is all there is, or nothing stands before it.
    fn client(&self, server: &Server, database: &str, sql: &[u8]) -> Vec<u8> {
        let began = Instant::now();
        loop {
            let output = self.try_client(server, database, sql);
            let stderr = String::from_utf8_lossy(&output.stderr);
            let in_the_way = ["ERROR 1213 (40001) at line 1:", "ERROR 1205 (HY000) at line 1:"];
            if !in_the_way.iter().any(|error| stderr.contains(error))
                || began.elapsed() > Duration::from_secs(180)
            {
                assert!(output.status.success(), "{}: {stderr}", server.name);
                return output.stdout;
            }
            // Whoever was in the way may be a loop of many statements.
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn try_client(&self, server: &Server, database: &str, sql: &[u8]) -> std::process::Output {
        let mut child = Command::new(&self.mariadb_client)
            .args(["--no-defaults", "--skip-ssl", "--batch", "--raw", "--skip-column-names", "--user=root"])
            .arg("--default-character-set=utf8mb4")
            .arg(format!("--socket={}", server.socket.display()))
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the mariadb client");
        let mut stdin = child.stdin.take().unwrap();
        let sql = sql.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(&sql));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        output
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string is missing in rig.json, found {value}")).to_owned()
}

fn path(value: &Value) -> PathBuf {
    text(value).into()
}

/// What an URL's user, password and query may not hold as they are.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(byte.into())
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

impl Server {
    fn read(name: &'static str, json: &Value) -> Self {
        Self {
            name,
            version: text(&json["version"]),
            socket: path(&json["socket"]),
            host: text(&json["host"]),
            port: json["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port"),
            ca: path(&json["ca"]),
            users: json["users"]
                .as_object()
                .expect("users")
                .iter()
                .map(|(name, password)| (name.clone(), text(password)))
                .collect(),
        }
    }

    /// `mysql://…` over TCP.
    pub fn url(&self, user: &str, database: &str) -> String {
        let password = percent_encode(&self.users[user]).replace('/', "%2F");
        format!("mysql://{user}:{password}@{}:{}/{database}", self.host, self.port)
    }

    /// `mysql://…?socket=…`.
    pub fn socket_url(&self, user: &str, database: &str) -> String {
        format!("{}?socket={}", self.url(user, database), percent_encode(&self.socket.display().to_string()))
    }

    /// `mysql://…?ssl-mode=VERIFY_IDENTITY&ssl-ca=…`.
    pub fn tls_url(&self, user: &str, database: &str) -> String {
        let ca = percent_encode(&self.ca.display().to_string());
        format!("{}?ssl-mode=verify-identity&ssl-ca={ca}", self.url(user, database))
    }
}

/// A database of a test's own.
pub struct Database {
    rig: &'static Rig,
    pub server: &'static Server,
    pub name: String,
    /// `$table_prefix` of its tables.
    pub prefix: &'static str,
}

impl Database {
    fn new(rig: &'static Rig, server: &'static Server, template: Template) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let prefix = if template == Template::Network { "net7_" } else { "wp_" };
        let dump = std::fs::read(&rig.templates[template.key()]).unwrap();
        rig.sql(server, "", &format!("CREATE DATABASE {name} CHARACTER SET utf8mb4"));
        rig.client(server, &name, &dump);
        Self { rig, server, name, prefix }
    }

    /// Runs SQL as root; gives the rows, tab-separated.
    pub fn sql(&self, sql: &str) -> String {
        self.rig.sql(self.server, &self.name, sql)
    }

    /// For `--db`, over TCP.
    pub fn url(&self, user: &str) -> String {
        self.server.url(user, &self.name)
    }

    /// For `--db`, over the socket.
    pub fn socket_url(&self, user: &str) -> String {
        self.server.socket_url(user, &self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A failing test unwinds through here; a second panic would end the whole program.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            self.rig.sql(self.server, "", &format!("DROP DATABASE {}", self.name))
        }));
    }
}

impl Site {
    fn read(name: &str, json: &Value) -> Self {
        Self {
            name: name.to_owned(),
            version: text(&json["version"]),
            path: path(&json["path"]),
            url: text(&json["url"]),
            server: text(&json["server"]),
            db: text(&json["db"]),
            prefix: text(&json["prefix"]),
            multisite: json["multisite"] == true,
            https: json["https"] == true,
            ca: json["ca"].as_str().map(PathBuf::from),
            plain_url: json["plain_url"].as_str().map(str::to_owned),
            in_use: RwLock::new(()),
        }
    }

    /// Our program on this site, its environment empty.
    pub fn tool(&self) -> Command {
        let mut command = binary();
        command.arg(format!("--path={}", self.path.display()));
        command
    }

    /// `GET` of a path below the site's URL, with HTTP Basic authentication.
    pub fn get(&self, path: &str, user: &str, password: &str) -> Response {
        http_get(&format!("{}{path}", self.url), user, password, self.ca.as_deref())
    }

    /// A request with a JSON body.
    pub fn send(&self, method: &str, path: &str, login: (&str, &str), body: &Value) -> Response {
        let body = ("application/json", body.to_string());
        http(method, &format!("{}{path}", self.url), Some(login), Some(&body), self.ca.as_deref())
    }

    /// Calls `wp.getUsersBlogs`, the method that clients test a login with.
    pub fn xmlrpc(&self, user: &str, password: &str) -> Response {
        xmlrpc(&format!("{}/xmlrpc.php", self.url), user, password, self.ca.as_deref())
    }
}

/// What a program prints, which must succeed.
pub fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Our program, with an environment of its own.
#[allow(clippy::disallowed_methods, reason = "the search path is all that a child process needs of it")]
pub fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wp-app-password"));
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).stdin(Stdio::null());
    command
}

/// The same, ended by Ctrl-C's signal also where a shell started the tests in the background, which ignores it.
pub fn interruptible() -> Command {
    let program = binary();
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", env!("CARGO_BIN_EXE_wp-app-password")]).env_clear();
    command.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?)))).stdin(Stdio::null());
    command
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub body: String,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {} {}", self.status, self.body))
    }

    /// Whether an XML-RPC call was answered rather than refused.
    pub fn is_xmlrpc_answer(&self) -> bool {
        self.status == 200 && self.body.contains("<params>") && !self.body.contains("<fault>")
    }

    /// The `faultCode` of a refused XML-RPC call.
    pub fn xmlrpc_fault(&self) -> Option<u16> {
        let after = self.body.split_once("faultCode</name>")?.1;
        let number = after.split_once("<int>")?.1.split_once("</int>")?.0;
        number.parse().ok()
    }
}

/// `GET` with HTTP Basic authentication; `ca` is the authority of an `https` server.
pub fn http_get(url: &str, user: &str, password: &str, ca: Option<&Path>) -> Response {
    http("GET", url, Some((user, password)), None, ca)
}

/// Calls `wp.getUsersBlogs` at the address of an `xmlrpc.php`.
pub fn xmlrpc(url: &str, user: &str, password: &str, ca: Option<&Path>) -> Response {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let call = format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>wp.getUsersBlogs</methodName><params>\
         <param><value><string>{}</string></value></param><param><value><string>{}</string></value></param>\
         </params></methodCall>",
        escape(user),
        escape(password),
    );
    http("POST", url, None, Some(&("text/xml", call)), ca)
}

/// One HTTP/1.1 request on a connection of its own.
pub fn http(
    method: &str,
    url: &str,
    login: Option<(&str, &str)>,
    body: Option<&(&str, String)>,
    ca: Option<&Path>,
) -> Response {
    let (scheme, rest) = url.split_once("://").expect("an URL");
    let (host, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let mut request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n");
    if let Some((user, password)) = login {
        request
            .push_str(&format!("Authorization: Basic {}\r\n", STANDARD.encode(format!("{user}:{password}"))));
    }
    if let Some((kind, body)) = body {
        request.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    } else {
        request.push_str("\r\n");
    }
    let mut connection = TcpStream::connect(host).expect(url);
    connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let answer = if scheme == "https" {
        let mut tls = tls_client(host, ca.expect("the authority of an https server"));
        talk(&mut rustls::Stream::new(&mut tls, &mut connection), &request)
    } else {
        talk(&mut connection, &request)
    };
    parse_answer(&answer).unwrap_or_else(|| panic!("{method} {url}: {}", String::from_utf8_lossy(&answer)))
}

fn talk(connection: &mut (impl Read + Write), request: &str) -> Vec<u8> {
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        // nginx ends TLS without a farewell; the answer's own length was complete.
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
            panic!("reading the answer: {error}")
        }
        _ => answer,
    }
}

fn tls_client(host: &str, ca: &Path) -> rustls::ClientConnection {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName};
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = host.split(':').next().unwrap_or(host).to_owned();
    rustls::ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap()).unwrap()
}

/// `None` when the answer is cut short.
fn parse_answer(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, mut rest) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line[name.len() + 1..].trim().to_ascii_lowercase())
    };
    let mut body = Vec::new();
    if header("transfer-encoding").as_deref() == Some("chunked") {
        loop {
            let line = rest.windows(2).position(|window| window == b"\r\n")?;
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).ok()?.trim(), 16).ok()?;
            rest = &rest[line + 2..];
            if size == 0 {
                break;
            }
            body.extend_from_slice(rest.get(..size)?);
            rest = rest.get(size + 2..)?;
        }
    } else {
        body.extend_from_slice(rest);
        if let Some(length) = header("content-length") {
            body = body.get(..length.parse().ok()?)?.to_vec();
        }
    }
    Some(Response { status, body: String::from_utf8_lossy(&body).into_owned() })
}

#[test]
fn answers_are_read_whole_or_not_at_all() {
    let plain = parse_answer(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").unwrap();
    assert_eq!((plain.status, plain.body.as_str()), (401, "no"));
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
    assert_eq!(parse_answer(chunked).unwrap().body, "abcd");
    assert!(parse_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort").is_none());
    assert!(parse_answer(&chunked[..chunked.len() - 12]).is_none());
}

#[test]
fn the_servers_are_what_they_say() {
    let Some(rig) = require() else { return };
    for (server, fork) in [(&rig.mariadb, true), (&rig.mysql, false)] {
        assert_eq!(rig.sql(server, "", "SELECT version()").trim(), server.version);
        assert_eq!(server.version.contains("MariaDB"), fork, "{}", server.version);
        assert!(server.socket.exists());
        for user in server.users.keys().filter(|user| *user != "root") {
            let found =
                rig.sql(server, "", &format!("SELECT COUNT(*) > 0 FROM mysql.user WHERE user = '{user}'"));
            assert_eq!(found.trim(), "1", "{user} on {}", server.name);
        }
    }
    for site in &rig.sites {
        let source = std::fs::read_to_string(site.path.join("wp-includes/version.php")).unwrap();
        assert!(source.contains(&format!("'{}'", site.version)), "{}", site.name);
    }
}

#[test]
fn every_account_logs_in_the_way_it_is_meant_to() {
    let Some(rig) = require() else { return };
    for server in [&rig.mariadb, &rig.mysql] {
        for (user, password) in server.users.iter().filter(|(user, _)| *user != "root") {
            let options = || mysql::OptsBuilder::new().user(Some(user)).pass(Some(password));
            let socket = options().socket(server.socket.to_str());
            let tls = mysql::SslOpts::default().with_root_cert_path(Some(server.ca.clone()));
            let plain =
                options().ip_or_hostname(Some(&server.host)).tcp_port(server.port).prefer_socket(false);
            let secure = plain.clone().ssl_opts(tls);
            if user == "tls" {
                assert!(mysql::Conn::new(plain).is_err(), "{}: `tls` without TLS", server.name);
            } else {
                mysql::Conn::new(socket).unwrap_or_else(|error| panic!("{user}, socket: {error}"));
                // MariaDB's ed25519 and MySQL's RSA exchange both work without TLS.
                mysql::Conn::new(plain).unwrap_or_else(|error| panic!("{user}, TCP: {error}"));
            }
            mysql::Conn::new(secure).unwrap_or_else(|error| panic!("{user}, TLS: {error}"));
        }
    }
}

#[test]
fn a_fresh_database_is_an_installed_site() {
    let Some(rig) = require() else { return };
    for template in [Template::InnoDb, Template::MyIsam, Template::Network, Template::Wp61] {
        for database in [rig.fresh_mariadb_database(template), rig.fresh_mysql_database(template)] {
            let users = database.sql(&format!("SELECT user_login FROM {}users ORDER BY ID", database.prefix));
            assert_eq!(users, "admin\neditor1\nauthor1\nsubscriber1\ninventory-sync-bot\n", "{template:?}");
            let engine = database.sql(&format!(
                "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{}usermeta'",
                database.prefix
            ));
            assert_eq!(engine.trim() == "MyISAM", template == Template::MyIsam, "{template:?}: {engine}");
            assert!(database.socket_url("wp").starts_with(&database.url("wp")));
        }
    }
    for template in [Template::Sqlite, Template::SqliteOld] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("site.sqlite");
        rig.fresh_sqlite_database(template, &file);
        let database = rusqlite::Connection::open(&file).unwrap();
        let users: u32 = database.query_row("SELECT COUNT(*) FROM wp_users", [], |row| row.get(0)).unwrap();
        assert_eq!(users, 5);
        let schema: String = database
            .query_row("SELECT sql FROM sqlite_master WHERE name = 'wp_usermeta'", [], |row| row.get(0))
            .unwrap();
        assert_eq!(schema.contains("STRICT"), template == Template::Sqlite, "{schema}");
    }
}
