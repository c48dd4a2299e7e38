//! `authorize`: real authorization screens, approved and rejected by a user who is logged in, in both of the ways that
//! the screen works (its form, and what its script does), by HTTP and in a real browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::RwLockReadGuard;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;
use serde_json::Value;

use crate::browser::Browser;
use crate::discover::production;
use crate::process::Terminal;
use crate::rig::{self, Rig, Site, Template};
use crate::verify::{Quirk, Server, respond};

const USER_PASSWORD: &str = "correct horse";
const APP_ID: &str = "aaaaaaaa-1111-4111-8111-123456789abc";

// The program, waiting

/// A run that waits for somebody to approve.
struct Waiting {
    child: Child,
    stderr: BufReader<ChildStderr>,
    said: String,
    /// What a browser is to open.
    url: String,
}

struct Ended {
    stdout: String,
    stderr: String,
    code: i32,
}

impl Waiting {
    #[track_caller]
    fn start(tool: &mut Command, site: &str, arguments: &[&str]) -> Self {
        let mut child = tool
            .args(["authorize", site, "--name=Stock – ☕ feed", "--no-browser", "--debug"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let (mut said, mut url) = (String::new(), String::new());
        while !said.contains("Waiting for the answer") {
            let mut line = String::new();
            assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "{said}");
            if line.contains("authorize-application.php?") {
                line.trim_end().clone_into(&mut url);
            }
            said.push_str(&line);
        }
        Self { child, stderr, said, url }
    }

    /// The address that it waits at.
    fn callback(&self) -> String {
        let encoded = self.url.split("success_url=").nth(1).unwrap().split('&').next().unwrap();
        encoded.replace("%3A", ":").replace("%2F", "/")
    }

    fn end(mut self) -> Ended {
        self.stderr.read_to_string(&mut self.said).unwrap();
        let output = self.child.wait_with_output().unwrap();
        Ended {
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: self.said,
            code: output.status.code().unwrap(),
        }
    }
}

#[track_caller]
fn assert_nothing_came(ended: &Ended, code: i32, words: &str) {
    assert_eq!((ended.code, ended.stdout.as_str()), (code, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
}

// The user, with a browser's cookies

struct Page {
    status: u16,
    headers: String,
    body: String,
}

impl Page {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The value of an input of the page.
    #[track_caller]
    fn input(&self, name: &str) -> String {
        let pattern = format!("<input[^>]*name=\"{name}\"[^>]*value=\"([^\"]*)\"");
        let found = Regex::new(&pattern).unwrap().captures(&self.body);
        let value = found.unwrap_or_else(|| panic!("no {name}: {} {}", self.status, self.body))[1].to_owned();
        value.replace("&#038;", "&").replace("&amp;", "&").replace("&#039;", "'")
    }
}

struct User {
    jar: tempfile::NamedTempFile,
    ca: Option<PathBuf>,
    login: String,
}

impl User {
    /// Logs in by the form.
    #[track_caller]
    fn log_in(url: &str, ca: Option<&Path>, login: &str, password: &str) -> Self {
        let jar = tempfile::NamedTempFile::new().unwrap();
        let user = Self { jar, ca: ca.map(Path::to_owned), login: login.to_owned() };
        let form = format!("{url}/wp-login.php");
        user.get(&form);
        let page = user.post(&form, &[("log", login), ("pwd", password), ("testcookie", "1")]);
        assert_eq!(page.status, 302, "{}", page.body);
        user
    }

    fn curl(&self, arguments: &[&str]) -> Page {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-i", "--max-time", "60", "-b"])
            .arg(self.jar.path())
            .arg("-c")
            .arg(self.jar.path());
        if let Some(ca) = &self.ca {
            command.arg("--cacert").arg(ca);
        }
        let answer = rig::output(command.args(arguments));
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        Page { status, headers: headers.to_owned(), body: body.to_owned() }
    }

    fn get(&self, url: &str) -> Page {
        self.curl(&[url])
    }

    fn post(&self, url: &str, fields: &[(&str, &str)]) -> Page {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments: Vec<&str> = fields.iter().flat_map(|field| ["--data-urlencode", field]).collect();
        arguments.push(url);
        self.curl(&arguments)
    }

    /// Presses a button of the screen's form, as a browser without JavaScript does; gives where it leads.
    #[track_caller]
    fn press(&self, url: &str, button: &str) -> Page {
        let page = self.get(url);
        let fields: Vec<(&str, String)> =
            ["_wpnonce", "action", "app_id", "success_url", "reject_url", "app_name"]
                .map(|name| (name, page.input(name)))
                .to_vec();
        let mut fields: Vec<(&str, &str)> =
            fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fields.push((button, "x"));
        self.post(url.split('?').next().unwrap(), &fields)
    }

    /// Does what the screen's script does on approval: makes the password over REST, and shows it where nobody is to be
    /// called back. Gives that, and what the script knows.
    #[track_caller]
    fn create_by_script(&self, url: &str) -> (String, Value) {
        let page = self.get(url);
        let object = |name: &str| -> Value {
            let pattern = format!(r"var {name} = (\{{.*?\}});");
            let found = Regex::new(&pattern).unwrap().captures(&page.body);
            serde_json::from_str(&found.unwrap_or_else(|| panic!("no {name}: {}", page.body))[1]).unwrap()
        };
        let (api, app) = (object("wpApiSettings"), object("authApp"));
        let nonce = format!("X-WP-Nonce: {}", api["nonce"].as_str().unwrap());
        let name = format!("name={}", page.input("app_name"));
        let app_id = format!("app_id={}", page.input("app_id"));
        let route =
            format!("{}wp/v2/users/me/application-passwords?_locale=user", api["root"].as_str().unwrap());
        let mut arguments = vec!["-H", &nonce, "--data-urlencode", &name];
        if app_id != "app_id=" {
            arguments.extend(["--data-urlencode", &app_id]);
        }
        arguments.push(&route);
        let created = self.curl(&arguments);
        assert_eq!(created.status, 201, "{}", created.body);
        let created: Value = serde_json::from_str(&created.body).unwrap();
        (created["password"].as_str().unwrap().to_owned(), app)
    }

    /// The same with somebody to call back; gives where it leads.
    #[track_caller]
    fn approve_by_script(&self, url: &str) -> String {
        let (password, app) = self.create_by_script(url);
        assert_eq!(password.matches(' ').count(), 5, "in groups of four");
        let encoded =
            |text: &str| text.replace('%', "%25").replace(':', "%3A").replace('/', "%2F").replace(' ', "%20");
        format!(
            "{}?site_url={}&user_login={}&password={}",
            app["success"].as_str().unwrap(),
            encoded(app["site_url"].as_str().unwrap()),
            encoded(app["user_login"].as_str().unwrap()),
            encoded(&password)
        )
    }

    /// Comes back to the program with what the screen gave: the password is in no address but the first.
    #[track_caller]
    fn come_back(&self, location: &str) -> Page {
        let first = self.get(location);
        if location.contains("password=") {
            // No page: nothing for a history. The one that says how it ended is beside it.
            assert_eq!((first.status, first.body.as_str()), (204, ""), "{}", first.headers);
            assert!(first.header("Location").is_none(), "{}", first.headers);
            assert_harmless(&first);
            return first;
        }
        assert_eq!((first.status, first.body.as_str()), (303, ""), "{}", first.headers);
        assert_harmless(&first);
        let clean = first.header("Location").unwrap();
        assert!(!clean.contains('?') && clean.starts_with("http://127.0.0.1:"), "{clean}");
        let page = self.get(clean);
        assert_eq!(page.status, 200, "{}", page.headers);
        assert_harmless(&page);
        assert!(page.body.contains("You can close this tab"), "{}", page.body);
        page
    }
}

/// Nothing of it is kept or handed on.
#[track_caller]
fn assert_harmless(page: &Page) {
    assert_eq!(page.header("Cache-Control"), Some("no-store"), "{}", page.headers);
    assert_eq!(page.header("Referrer-Policy"), Some("no-referrer"));
    assert!(page.header("Content-Security-Policy").unwrap().starts_with("default-src 'none'"));
    assert!(!page.body.contains("http") && !page.body.contains("<script"), "{}", page.body);
}

/// A user of a test's own, and the site's feature switched on as long as it lives.
fn person<'s>(rig: &Rig, site: &'s Site) -> (String, RwLockReadGuard<'s, ()>) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let login = format!("authorize {}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let id = rig.wp_eval(
        site,
        &format!(
            "return wp_insert_user( array( 'user_login' => '{login}', 'user_pass' => '{USER_PASSWORD}',
                'user_email' => str_replace( ' ', '', '{login}' ) . '@example.com', 'role' => 'author' ) );"
        ),
    );
    assert!(id.is_u64(), "{login}: {id}");
    (login, on)
}

fn tool(ca: Option<&Path>) -> Command {
    let mut command = rig::binary();
    if let Some(ca) = ca {
        command.env("SSL_CERT_FILE", ca);
    }
    command
}

/// The names of a user's application passwords, one a line.
fn names(site: &Site, login: &str) -> String {
    rig::output(site.tool().args(["list", login, "--field=name"]))
}

/// What was delivered works, belongs to the user, and was said nowhere else.
#[track_caller]
fn assert_works(site: &Site, login: &str, password: &str, ended: &Ended) {
    assert_eq!(password.len(), 24, "{password}");
    let me = site.get("/wp-json/wp/v2/users/me?context=edit", login, password);
    assert_eq!(me.json()["username"], login, "{}", me.body);
    let groups: Vec<&str> =
        password.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect();
    for form in [password.to_owned(), groups.join(" "), groups.join("%20"), groups.join("+")] {
        assert!(!ended.stderr.contains(&form), "{}", ended.stderr);
    }
}

// Approved

#[test]
fn an_approval_by_the_screen_s_form_and_by_its_script_is_delivered() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp68", "wp71", "wp71-tls"] {
        let site = rig.site(name);
        let (login, _on) = person(rig, site);
        let user = User::log_in(&site.url, site.ca.as_deref(), &login, USER_PASSWORD);

        let waiting =
            Waiting::start(&mut tool(site.ca.as_deref()), &site.url, &[&format!("--app-id={APP_ID}")]);
        let leads_to = user.press(&waiting.url, "approve");
        user.come_back(leads_to.header("Location").unwrap());
        let ended = waiting.end();
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        let (success, line) = ended.stdout.split_once('\n').unwrap();
        assert!(
            success.starts_with("Success: Authorized 'Stock – ☕ feed' for user ")
                && success.ends_with(&format!("({login}) of {}.", site.url)),
            "{success}"
        );
        let password = line.strip_prefix("Password: ").unwrap().trim_end();
        assert_works(site, &login, password, &ended);
        // Whether it is of environment `local` cannot be seen.
        let may_refuse = ["wp61", "wp68"].contains(&name);
        assert_eq!(ended.stderr.contains("outside of environment `local`"), may_refuse, "{}", ended.stderr);
        let row = rig::output(site.tool().args(["list", &login, "--fields=name,app_id", "--format=csv"]));
        assert_eq!(row, format!("name,app_id\n\"Stock – ☕ feed\",{APP_ID}\n"));

        let waiting = Waiting::start(&mut tool(site.ca.as_deref()), &site.url, &["--porcelain"]);
        // WordPress 5.7 to 6.6: names are unique.
        rig::output(site.tool().args(["delete", &login, "--all"]));
        let location = user.approve_by_script(&waiting.url);
        user.come_back(&location);
        let ended = waiting.end();
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        assert_works(site, &login, ended.stdout.trim_end(), &ended);
        assert_eq!(ended.stdout.len(), 25, "the password alone");
    }
}

#[test]
fn the_password_goes_to_the_same_sinks_as_a_new_one() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let (login, _on) = person(rig, site);
    let user = User::log_in(&site.url, None, &login, USER_PASSWORD);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password.json");
    let waiting = Waiting::start(
        &mut tool(None),
        &site.url,
        &["--format=json", &format!("--out-file={}", file.display())],
    );
    let leads_to = user.press(&waiting.url, "approve");
    user.come_back(leads_to.header("Location").unwrap());
    let ended = waiting.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    let password = written["password"].as_str().unwrap();
    assert_works(site, &login, password, &ended);
    assert!(!ended.stdout.contains(password), "{}", ended.stdout);
    let uuid = rig::output(site.tool().args(["list", &login, "--field=uuid"]));
    let created = rig::output(site.tool().args(["list", &login, "--field=created"]));
    assert_eq!(written["uuid"], uuid.trim());
    assert_eq!(written["user_login"], login);
    assert_eq!(written["name"], "Stock – ☕ feed");
    assert_eq!(written["created"].to_string(), created.trim());

    let environment = folder.path().join("environment");
    let waiting = Waiting::start(
        &mut tool(None),
        &site.url,
        &["--exec", &format!("cat >/dev/null; env | grep ^WP_APP_PASSWORD_ >{}", environment.display())],
    );
    let leads_to = user.press(&waiting.url, "approve");
    user.come_back(leads_to.header("Location").unwrap());
    assert_eq!(waiting.end().code, 0);
    let told = std::fs::read_to_string(environment).unwrap();
    assert!(told.contains(&format!("WP_APP_PASSWORD_USER={login}\n")), "{told}");
    assert!(told.contains(&format!("WP_APP_PASSWORD_SITE={}\n", site.url)), "{told}");
}

#[test]
fn what_nobody_got_is_revoked() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp71"] {
        let site = rig.site(name);
        let (login, _on) = person(rig, site);
        let user = User::log_in(&site.url, None, &login, USER_PASSWORD);
        let waiting = Waiting::start(&mut tool(None), &site.url, &["--exec=cat >/dev/null; exit 3"]);
        let leads_to = user.press(&waiting.url, "approve");
        user.come_back(leads_to.header("Location").unwrap());
        let ended = waiting.end();
        assert_nothing_came(&ended, 1, "The site revoked it again, so nothing is left of it.");
        assert_eq!(names(site, &login), "");
    }
}

#[test]
fn an_interruption_after_the_approval_revokes_it() {
    let Some(rig) = rig::require() else { return };
    // The site takes its time to say who the user is.
    let site = Quirk::start(
        rig,
        "add_filter( 'check_password', '__return_true' );
         add_filter( 'rest_pre_dispatch', function ( $result, $server, $request ) {
            if ( '/wp/v2/users/me' === $request->get_route() ) { touch( WPMU_PLUGIN_DIR . '/asked' ); sleep( 2 ); }
            return $result;
         }, 10, 3 );",
    );
    let user = User::log_in(&site.url, None, "author1", "anything");
    let file = site.folder.path().join("password");
    let waiting = Waiting::start(&mut tool(None), &site.url, &[&format!("--out-file={}", file.display())]);
    let location = user.approve_by_script(&waiting.url);
    let list = || rig::output(site.tool().args(["list", "author1", "--field=name"]));
    assert_eq!(list(), "Stock – ☕ feed\n");
    assert_eq!(user.get(&location).status, 204);
    let began = Instant::now();
    while !site.folder.path().join("mu-plugins/asked").exists() {
        assert!(began.elapsed().as_secs() < 30, "the site was not asked");
        std::thread::sleep(Duration::from_millis(20));
    }
    rig::output(Command::new("kill").args(["-TERM", &waiting.child.id().to_string()]));
    let ended = waiting.end();
    assert_nothing_came(&ended, 128 + 15, "(interrupted). The site revoked it again");
    assert_eq!(list(), "");
    assert!(!file.exists());
}

#[test]
fn a_sink_that_takes_nothing_is_known_before_the_user_is_asked() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let said = tool(None)
        .args(["authorize", &site.url, "--name=App", "--no-browser", "--out-file=/nowhere/at/all"])
        .output()
        .unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(stderr.starts_with("Error: The new password would not arrive: "), "{stderr}");
    assert!(!stderr.contains("authorize-application.php"), "{stderr}");
}

// Not approved

#[test]
fn a_rejection_is_no_and_writes_nothing() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp68", "wp71", "wp71-tls"] {
        let site = rig.site(name);
        let (login, _on) = person(rig, site);
        let user = User::log_in(&site.url, site.ca.as_deref(), &login, USER_PASSWORD);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        let waiting = Waiting::start(
            &mut tool(site.ca.as_deref()),
            &site.url,
            &[&format!("--out-file={}", file.display())],
        );
        let leads_to = user.press(&waiting.url, "reject");
        let page = user.come_back(leads_to.header("Location").unwrap());
        assert!(page.body.contains("You rejected the request"), "{}", page.body);
        assert_nothing_came(&waiting.end(), 4, "The user rejected the request");
        assert!(!file.exists());
        assert_eq!(names(site, &login), "");
    }
}

#[test]
fn a_user_without_the_feature_is_told_of_on_the_way_back() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(
        rig,
        "add_filter( 'wp_is_application_passwords_available_for_user', fn( $a, $user ) => 'author1' !== $user->user_login, 10, 2 );
         add_filter( 'check_password', '__return_true' );",
    );
    let user = User::log_in(&site.url, None, "author1", "anything");
    let waiting = Waiting::start(&mut tool(None), &site.url, &[]);
    let page = user.get(&waiting.url);
    assert_eq!(page.status, 501, "{}", page.body);
    let back = Regex::new("<a href=['\"](http://127[^'\"]*)['\"]").unwrap().captures(&page.body).unwrap()[1]
        .to_owned();
    let back = back.replace("&#038;", "&").replace("&amp;", "&");
    assert!(back.contains("error=disabled"), "{back}");
    let page = user.come_back(&back);
    assert!(page.body.contains("Not available"), "{}", page.body);
    assert_nothing_came(&waiting.end(), 4, "application passwords are not available for this user");
}

#[test]
fn what_comes_from_elsewhere_or_does_not_work_is_not_taken() {
    let Some(rig) = rig::require() else { return };
    let (site, other) = (rig.site("wp71"), rig.site("wp68"));
    let user = User { jar: tempfile::NamedTempFile::new().unwrap(), ca: None, login: "admin".into() };
    let answer = |site: &str, password: &str| {
        format!("?site_url={}&user_login={}&password={password}", site.replace(':', "%3A"), user.login)
    };
    const PASSWORD: &str = "abcdEFGH1234ijklMNOP5678";

    let waiting = Waiting::start(&mut tool(None), &site.url, &[]);
    user.come_back(&format!("{}{}", waiting.callback(), answer(&other.url, PASSWORD)));
    let ended = waiting.end();
    assert_nothing_came(
        &ended,
        1,
        &format!("The answer comes from {}, but {} was asked", other.url, site.url),
    );
    assert!(!ended.stderr.contains(PASSWORD));

    let waiting = Waiting::start(&mut tool(None), &site.url, &[]);
    user.come_back(&format!("{}{}", waiting.callback(), answer(&site.url, PASSWORD)));
    let ended = waiting.end();
    assert_nothing_came(&ended, 1, "The site does not let admin in with the password that came back");
    assert!(!ended.stderr.contains(PASSWORD));
}

/// A site that is shown by another program gets the password, that program gets nothing.
#[test]
fn a_front_page_elsewhere_gets_no_password() {
    let Some(rig) = rig::require() else { return };
    let elsewhere = Server::start(|_, client| {
        respond(client, "404 Not Found", "", "{\"code\":\"not_found\",\"message\":\"No such page\"}");
    });
    let site = Quirk::start(
        rig,
        &format!(
            "add_filter( 'check_password', '__return_true' );
             add_action( 'template_redirect', fn() => wp_redirect( '{}/app/' ) || exit );",
            elsewhere.url
        ),
    );
    let user = User::log_in(&site.url, None, "author1", "anything");
    let waiting = Waiting::start(&mut tool(None), &site.url, &["--porcelain"]);
    let location = user.approve_by_script(&waiting.url);
    assert_eq!(user.get(&location).status, 204);
    let ended = waiting.end();
    assert_eq!((ended.code, ended.stdout.trim_end().len()), (0, 24), "{}", ended.stderr);
    assert!(!elsewhere.asked().is_empty());
    for request in elsewhere.asked() {
        assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
    }
}

#[test]
fn only_the_address_that_was_given_out_is_listened_at() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let (login, _on) = person(rig, site);
    let user = User::log_in(&site.url, None, &login, USER_PASSWORD);
    let waiting = Waiting::start(&mut tool(None), &site.url, &[]);
    let callback = waiting.callback();
    let (origin, state) = callback.rsplit_once('/').unwrap();
    assert_eq!(state.len(), 24, "{callback}");
    let query = format!("?site_url={}&user_login=a&password=b", site.url);
    for stranger in [
        format!("{origin}/{query}"),
        format!("{origin}/{}{query}", state.to_lowercase()),
        format!("{origin}/{}{query}", "a".repeat(24)),
        format!("{origin}/{state}x{query}"),
        format!("{origin}/{state}/x{query}"),
        format!("{origin}/favicon.ico"),
        format!("{callback}/end"),
    ] {
        let page = user.get(&stranger);
        assert_eq!(page.status, 404, "{stranger}");
        assert_harmless(&page);
    }
    assert_eq!(user.post(&callback, &[("success", "false")]).status, 404);
    let page = user.get(&format!("{callback}?site_url=x"));
    assert_eq!(page.status, 400);
    assert_harmless(&page);
    // Neither a connection without a word nor a head without an end keeps anybody waiting.
    let host = origin.strip_prefix("http://").unwrap();
    let _silent = std::net::TcpStream::connect(host).unwrap();
    let mut endless = std::net::TcpStream::connect(host).unwrap();
    let _ = endless.write_all(&vec![b'a'; 20_000]);
    // Nor do many, nor cookies of everything else on this machine.
    let _many: Vec<_> = (0..80).map(|_| std::net::TcpStream::connect(host).unwrap()).collect();
    let mut fat = std::net::TcpStream::connect(host).unwrap();
    fat.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let cookies = format!("Cookie: x={}\r\n", "y".repeat(4_000)).repeat(20);
    write!(fat, "GET /{state}?site_url=x HTTP/1.1\r\nHost: {host}\r\n{cookies}\r\n").unwrap();
    let mut answer = String::new();
    fat.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let leads_to = user.press(&waiting.url, "reject");
    user.come_back(leads_to.header("Location").unwrap());
    let ended = waiting.end();
    assert_nothing_came(&ended, 4, "A request came that is no answer to this authorization");
    assert_eq!(ended.stderr.matches("A request came").count(), 1, "{}", ended.stderr);
}

#[test]
fn a_second_answer_is_not_looked_at() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let (login, _on) = person(rig, site);
    let user = User::log_in(&site.url, None, &login, USER_PASSWORD);
    let waiting = Waiting::start(&mut tool(None), &site.url, &[]);
    let callback = waiting.callback();
    let location = user.approve_by_script(&waiting.url);
    assert_eq!(user.get(&location).status, 204);
    let second =
        user.get(&format!("{callback}?site_url=x&user_login=somebody&password=abcdEFGH1234ijklMNOP5678"));
    assert_eq!(second.status, 410);
    assert!(second.body.contains("used already"), "{}", second.body);
    assert_harmless(&second);
    let ended = waiting.end();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    assert!(ended.stderr.contains("Another answer came"), "{}", ended.stderr);
    let password = ended.stdout.lines().last().unwrap().strip_prefix("Password: ").unwrap();
    assert_works(site, &login, password, &ended);
}

#[test]
fn an_answer_that_never_comes_is_waited_for_as_long_as_was_said() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let began = Instant::now();
    let waiting = Waiting::start(&mut tool(None), &site.url, &["--timeout=2s"]);
    let callback = waiting.callback();
    let ended = waiting.end();
    assert_nothing_came(&ended, 1, "Nobody answered on the authorization screen within 2s.");
    assert!(began.elapsed() >= Duration::from_secs(2));
    let host = callback.split('/').nth(2).unwrap();
    assert!(std::net::TcpStream::connect(host).is_err(), "nobody listens any more");
}

#[test]
fn a_site_that_says_no_ends_it_before_anybody_is_asked() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(rig, "add_filter( 'wp_is_application_passwords_available', '__return_false' );");
    let said = tool(None).args(["authorize", &site.url, "--name=App", "--no-browser"]).output().unwrap();
    assert_eq!((said.status.code(), said.stdout.len()), (Some(4), 0));
    site.becomes(
        "add_filter( 'rest_authentication_errors', fn() => new WP_Error( 'rest_disabled', 'No.' ) );",
    );
    let said = tool(None).args(["authorize", &site.url, "--name=App", "--no-browser"]).output().unwrap();
    assert_eq!((said.status.code(), said.stdout.len()), (Some(1), 0));
}

// The address only

#[test]
fn the_address_for_an_application_of_one_s_own_is_one_that_wordpress_takes() {
    let Some(rig) = rig::require() else { return };
    let (front, _new) = production(
        rig,
        ("wp71-sqlite", Template::Sqlite),
        "add_filter( 'check_password', '__return_true' );",
    );
    let (old_front, _old) = production(
        rig,
        ("wp68-sqlite-old", Template::SqliteOld),
        "add_filter( 'check_password', '__return_true' );",
    );
    let ca = rig.mariadb.ca.clone();
    for (url, is_new) in [(&front.url, true), (&old_front.url, false)] {
        let user = User::log_in(url, Some(&ca), "author1", "anything");
        for (callback, allowed) in [
            ("https://app.example.org/cb?x=1&y=ü", true),
            ("myapp://callback", true),
            ("http://127.0.0.1:8080/cb", is_new),
            ("http://[::1]/cb", is_new),
            ("http://localhost/cb", false),
            ("http://app.example.org/cb", false),
            ("myapp:callback", false),
            ("javascript://x/", false),
            ("/cb", false),
            ("https://app.example.org:99999/cb", false),
            ("myapp://callback:port/", false),
        ] {
            for option in ["--success-url", "--reject-url"] {
                let said = tool(Some(&ca))
                    .args(["authorize", url, "--name=My App", option, callback])
                    .output()
                    .unwrap();
                let (stdout, stderr) =
                    (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
                assert_eq!(said.status.success(), allowed, "{callback}: {stderr}");
                // WordPress itself is asked too, with the address that would have been printed.
                let parameter = option.trim_start_matches('-').replace('-', "_");
                let asked = if allowed {
                    stdout.trim_end().to_owned()
                } else {
                    assert!(
                        stderr.contains(&format!("The address of {option} cannot be used: ")),
                        "{stderr}"
                    );
                    format!("{url}/wp-admin/authorize-application.php?app_name=x&{parameter}={callback}")
                };
                let page = user.curl(&["-g", &asked]);
                assert_eq!(page.status == 200, allowed, "{asked}: {} {}", page.status, page.body);
                if allowed && option == "--success-url" && !callback.starts_with("myapp") {
                    assert_eq!(page.input("app_name"), "My App");
                    assert_eq!(page.input("success_url").replace("%C3%BC", "ü"), callback);
                }
            }
        }
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused_before_the_site_is_asked() {
    for (arguments, words) in [
        (vec!["--name= "], "--name is empty"),
        (vec!["--name=x", "--app-id=AAAAAAAA-1111-4111-8111-123456789abc"], "in lower case"),
        (vec!["--name=x", "--success-url=https://a/", "--format=json"], "leave away"),
        (vec!["--name=x", "--porcelain", "--out-file=x"], "--porcelain"),
        (vec!["--name=x", "--paste"], "needs --login"),
    ] {
        let said = tool(None).args(["authorize", "https://127.0.0.1:1"]).args(&arguments).output().unwrap();
        let stderr = String::from_utf8(said.stderr).unwrap();
        assert_eq!(said.status.code(), Some(1), "{arguments:?}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

// Pasted

#[test]
fn a_wordpress_before_7_0_shows_the_password_and_it_is_pasted() {
    let Some(rig) = rig::require() else { return };
    let (front, site) = production(
        rig,
        ("wp68-sqlite-old", Template::SqliteOld),
        "add_filter( 'check_password', '__return_true' );",
    );
    let ca = rig.mariadb.ca.clone();
    let arguments = ["authorize", &front.url, "--name=Pasted", "--no-browser"];
    let said = tool(Some(&ca)).args(arguments).output().unwrap();
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!(said.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("older than 7.0") && stderr.contains("--paste"), "{stderr}");

    let user = User::log_in(&front.url, Some(&ca), "author1", "anything");
    let shown = |name: &str| {
        let screen = format!("{}/wp-admin/authorize-application.php?app_name={name}", front.url);
        // WordPress: without its script, the screen of 6.8 loses the field with the password on its way to the page.
        let (password, app) = user.create_by_script(&screen);
        assert_eq!(app["success"], Value::Null, "{app}");
        password
    };
    let chunked = shown("One");
    assert_eq!(chunked.matches(' ').count(), 5, "in groups of four");
    let plain = chunked.replace(' ', "");
    let pasted = |arguments: &[&str]| {
        let mut command = tool(Some(&ca));
        command.args(["authorize", &front.url, "--no-browser", "--paste", "--login=author1"]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(format!("{chunked}\n").as_bytes()).unwrap();
        let said = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&said.stderr).into_owned();
        (said, stderr)
    };
    let (said, stderr) = pasted(&["--name=Pasted", "--porcelain", "--debug"]);
    assert_eq!(said.status.code(), Some(0), "{stderr}");
    assert_eq!(String::from_utf8(said.stdout).unwrap(), format!("{plain}\n"));
    assert!(!stderr.contains(&plain) && !stderr.contains(&chunked), "{stderr}");
    assert!(stderr.contains("/wp-admin/authorize-application.php?app_name=Pasted\n"), "{stderr}");

    // The wrong line: what it is of is told, and nobody revokes that where it arrives nowhere.
    let (said, stderr) = pasted(&["--name=Another", "--exec=cat >/dev/null; exit 3"]);
    assert_eq!(said.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("is the application password 'One', not 'Another'"), "{stderr}");
    assert!(stderr.contains("It was left alone"), "{stderr}");
    assert!(rig::output(site.tool().args(["list", "author1", "--field=name"])).contains("One"));

    // On a terminal it is offered, and what is typed is not seen.
    let chunked = shown("Two");
    let file = site.folder.path().join("password");
    // A terminal of its own has to be the process's, which setsid makes it.
    let mut command = Command::new("setsid");
    command.args(["--ctty", "--wait", env!("CARGO_BIN_EXE_wp-app-password")]).args(arguments);
    command.args(["--login=author1", &format!("--out-file={}", file.display())]).env("SSL_CERT_FILE", &ca);
    let terminal = Terminal::run_with_late_input(
        command,
        200,
        "Application password: ",
        format!("{chunked}\n").as_bytes(),
    );
    let received = String::from_utf8_lossy(&terminal.received).into_owned();
    assert_eq!(terminal.exit_code, 0, "{received}");
    assert!(received.contains("older than 7.0"), "{received}");
    assert!(!received.contains(&chunked) && !received.contains(&chunked.replace(' ', "")), "{received}");
    assert_eq!(std::fs::read_to_string(file).unwrap(), format!("{}\n", chunked.replace(' ', "")));
}

// In a browser

#[test]
fn the_browser_is_given_the_address_and_no_shell_sees_it() {
    use std::os::unix::fs::PermissionsExt;
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let folder = tempfile::tempdir().unwrap();
    let (program, opened) = (folder.path().join("xdg-open"), folder.path().join("opened"));
    let script =
        format!("#!/bin/sh\nprintf '%s|' \"$#\" \"$@\" >{0}.new\n/bin/mv {0}.new {0}\n", opened.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let child = tool(None)
        .env("PATH", folder.path())
        .args(["authorize", &site.url, "--name=$(id); `id` & \"x\"", "--timeout=60s", "--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    while !opened.exists() {
        assert!(began.elapsed().as_secs() < 30, "nothing was opened");
        std::thread::sleep(Duration::from_millis(20));
    }
    let address = std::fs::read_to_string(&opened).unwrap();
    let address = address.strip_prefix("1|").unwrap().strip_suffix('|').unwrap();
    let start = format!(
        "{}/wp-admin/authorize-application.php?app_name=%24%28id%29%3B%20%60id%60%20%26%20%22x%22&success_url=",
        site.url
    );
    assert!(address.starts_with(&start), "{address}");
    // What was approved has a page of its own, without a secret in its address.
    let (login, _on) = person(rig, site);
    let user = User::log_in(&site.url, None, &login, USER_PASSWORD);
    std::fs::remove_file(&opened).unwrap();
    let location = user.approve_by_script(address);
    user.come_back(&location);
    while !opened.exists() {
        assert!(began.elapsed().as_secs() < 60, "no page was opened");
        std::thread::sleep(Duration::from_millis(20));
    }
    let end = std::fs::read_to_string(&opened).unwrap();
    let end = end.strip_prefix("1|").unwrap().strip_suffix('|').unwrap();
    assert!(end.ends_with("/end") && !end.contains("password"), "{end}");
    let page = user.get(end);
    assert!(
        page.status == 200 && page.body.contains("Connected") && page.body.contains(&login),
        "{}",
        page.body
    );
    assert_harmless(&page);
    let said = child.wait_with_output().unwrap();
    // Where no browser opens, the address is there to be copied, also with --quiet.
    assert!(String::from_utf8(said.stderr).unwrap().ends_with(&format!("{address}\n")));
    let password = String::from_utf8(said.stdout).unwrap();
    let password = password.lines().last().unwrap().strip_prefix("Password: ").unwrap().to_owned();
    assert!(!page.body.contains(&password) && password.len() == 24);
}

#[test]
fn a_user_approves_and_rejects_in_a_real_browser() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp68", "wp71", "wp71-tls"] {
        let site = rig.site(name);
        let (login, _on) = person(rig, site);
        let mut browser = Browser::start();
        let waiting = Waiting::start(&mut tool(site.ca.as_deref()), &site.url, &[]);
        browser.open(&waiting.url);
        // WordPress asks who it is first.
        browser.wait_for("document.readyState === 'complete' && !! document.querySelector('#loginform')");
        browser.evaluate(&format!(
            "[document.querySelector('#user_login').value = '{login}', \
             document.querySelector('#user_pass').value = '{USER_PASSWORD}', document.querySelector('#wp-submit').click()]"
        ));
        browser.wait_for("document.readyState === 'complete' && !! document.querySelector('#approve')");
        // With its script the screen makes the password over REST, without it by its form.
        let has_script = site.path.join("wp-admin/js/auth-app.min.js").exists();
        assert_eq!(
            browser.evaluate("typeof wp === 'object' && typeof wp.apiRequest === 'function'"),
            has_script
        );
        browser.evaluate("document.querySelector('#approve').click()");
        let ended = waiting.end();
        assert_eq!(ended.code, 0, "{name}: {}", ended.stderr);
        let password = ended.stdout.lines().last().unwrap().strip_prefix("Password: ").unwrap();
        assert_works(site, &login, password, &ended);
        let history = browser.history();
        assert!(!history.is_empty());
        for address in &history {
            assert!(!address.contains("password="), "{address}");
        }

        let waiting = Waiting::start(&mut tool(site.ca.as_deref()), &site.url, &[]);
        browser.open(&waiting.url);
        browser.wait_for("document.readyState === 'complete' && !! document.querySelector('#reject')");
        browser.evaluate("document.querySelector('#reject').click()");
        browser.wait_for("document.title === 'Rejected'");
        assert_nothing_came(&waiting.end(), 4, "The user rejected the request");
        assert_eq!(names(site, &login), "Stock – ☕ feed\n");
    }
}
