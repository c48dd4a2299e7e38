//! Expiry and restrictions, as WordPress enforces them with the plugin that `enforcer install` writes: on real sites, by
//! HTTP, with the ways round that an attacker would try.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use crate::rig::{self, Response, Rig, Site, output};
use crate::verify::Quirk;

const PLUGIN: &str = "wp-app-password-enforcer.php";

/// WordPress 6.1, 6.8 and the newest, on MariaDB and on SQLite.
const SITES: [&str; 4] = ["wp61", "wp68", "wp71", "wp71-sqlite"];

/// Installs the plugin, which concerns only entries that have an expiry or restrictions; so it may stay.
fn install(site: &Site) {
    let done = site.tool().args(["enforcer", "install"]).output().unwrap();
    assert!(done.status.success(), "{}: {}", site.name, String::from_utf8_lossy(&done.stderr));
}

/// An application password that is made with these options and revoked with the value.
struct Entry<'s> {
    site: &'s Site,
    user: &'static str,
    uuid: String,
    password: String,
}

impl<'s> Entry<'s> {
    fn new(site: &'s Site, user: &'static str, options: &[&str]) -> Self {
        // WordPress 5.7 to 6.6 allow a name once.
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("Restricted {}", COUNT.fetch_add(1, Ordering::Relaxed));
        let made = site
            .tool()
            .args(["create", user, &name, "--format=json", "--no-confirm"])
            .args(options)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success() && stderr.is_empty(), "{}: {options:?}: {stderr}", site.name);
        let made: Value = serde_json::from_slice(&made.stdout).unwrap();
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        Self { site, user, uuid: text("uuid"), password: text("password") }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Response {
        self.site.send(method, path, (self.user, &self.password), body)
    }

    /// With more headers.
    fn ask_with(&self, method: &str, path: &str, headers: &str) -> Response {
        let kind = format!("application/json\r\n{headers}");
        let login = (self.user, self.password.as_str());
        rig::http(method, &format!("{}{path}", self.site.url), Some(login), Some(&(&kind, "{}".into())), None)
    }

    #[track_caller]
    fn may(&self, method: &str, path: &str) -> Value {
        let answer = self.ask(method, path, &json!({}));
        assert!(
            answer.status < 300,
            "{}: {method} {path}: {} {}",
            self.site.name,
            answer.status,
            answer.body
        );
        if method == "HEAD" { Value::Null } else { answer.json() }
    }

    /// Refused for what is asked, as the user who it is.
    #[track_caller]
    fn may_not(&self, method: &str, path: &str) {
        self.is_refused(&self.ask(method, path, &json!({})), &format!("{method} {path}"));
    }

    #[track_caller]
    fn is_refused(&self, answer: &Response, what: &str) {
        assert_eq!(answer.status, 403, "{}: {what}: {}", self.site.name, answer.body);
        if !answer.body.is_empty() {
            assert_eq!(
                answer.json()["code"],
                "application_password_not_allowed",
                "{}: {what}",
                self.site.name
            );
        }
    }

    /// Refused as a password, on a route that visitors may read too.
    #[track_caller]
    fn is_out(&self, code: &str) {
        for path in ["/?rest_route=/wp/v2/posts", "/?rest_route=/wp/v2/users/me", "/?rest_route=/"] {
            let answer = self.ask("GET", path, &json!({}));
            assert_eq!(answer.status, 401, "{}: {path}: {}", self.site.name, answer.body);
            assert_eq!(answer.json()["code"], code, "{}: {path}", self.site.name);
        }
    }

    fn xmlrpc_works(&self) -> bool {
        let answer = self.site.xmlrpc(self.user, &self.password);
        assert_ne!(answer.is_xmlrpc_answer(), answer.xmlrpc_fault() == Some(403), "{}", answer.body);
        answer.is_xmlrpc_answer()
    }

    fn update(&self, options: &[&str]) {
        output(self.site.tool().args(["update", self.user, &self.uuid, "--no-confirm"]).args(options));
    }

    /// Changes the stored entry by PHP, as nobody should.
    fn damage(&self, rig: &Rig, php: &str) {
        rig.wp_eval(
            self.site,
            &format!(
                "$id = get_user_by( 'login', '{}' )->ID; $list = get_user_meta( $id, '_application_passwords', true );
                 foreach ( $list as &$entry ) {{ if ( '{}' === $entry['uuid'] ) {{ {php} }} }}
                 update_user_meta( $id, '_application_passwords', $list ); return true;",
                self.user, self.uuid
            ),
        );
    }

    fn stored(&self, rig: &Rig) -> Value {
        let code = format!(
            "$id = get_user_by( 'login', '{}' )->ID;
             return WP_Application_Passwords::get_user_application_password( $id, '{}' );",
            self.user, self.uuid
        );
        rig.wp_eval(self.site, &code)
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let _ = self.site.tool().args(["delete", self.user, &self.uuid, "--no-confirm"]).output();
    }
}

/// Requests of other tests to the same user would write lists back that lack what is made here.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Sites with the plugin, one after the other.
fn on_sites(work: impl Fn(&'static Rig, &'static Site)) {
    let Some(rig) = rig::require() else { return };
    let _alone = alone();
    for name in SITES {
        let site = rig.site(name);
        let _switched_on = site.in_use.read().unwrap();
        install(site);
        work(rig, site);
    }
}

#[test]
fn an_expired_password_is_refused_everywhere() {
    on_sites(|rig, site| {
        let entry = Entry::new(site, "author1", &["--expires=1h"]);
        entry.may("GET", "/?rest_route=/wp/v2/users/me");
        assert!(entry.xmlrpc_works(), "{}", site.name);
        entry.damage(rig, "$entry['expires'] = time() + 2;");
        entry.may("GET", "/?rest_route=/wp/v2/users/me");
        std::thread::sleep(std::time::Duration::from_secs(3));
        entry.is_out("application_password_expired");
        assert!(!entry.xmlrpc_works(), "{}", site.name);
        // A visitor still sees what is public, and the user's other passwords work.
        assert_eq!(
            rig::http("GET", &format!("{}/?rest_route=/wp/v2/posts", site.url), None, None, None).status,
            200
        );
        let other = Entry::new(site, "author1", &[]);
        other.may("GET", "/?rest_route=/wp/v2/users/me");
        entry.update(&["--clear=expires"]);
        entry.may("GET", "/?rest_route=/wp/v2/users/me");
    });
}

#[test]
fn a_password_works_from_its_networks_only() {
    on_sites(|_, site| {
        let inside = Entry::new(site, "author1", &["--allow-net=203.0.113.0/24", "--allow-net=127.0.0.0/8"]);
        inside.may("GET", "/?rest_route=/wp/v2/users/me");
        // A restricted one has no XML-RPC.
        assert!(!inside.xmlrpc_works(), "{}", site.name);
        let outside = Entry::new(site, "author1", &["--allow-net=203.0.113.0/24", "--allow-net=::1"]);
        outside.is_out("application_password_wrong_address");
        for header in ["X-Forwarded-For: 203.0.113.7", "X-Real-IP: 203.0.113.7", "Client-IP: 203.0.113.7"] {
            let answer = outside.ask_with("GET", "/?rest_route=/wp/v2/users/me", header);
            assert_eq!(answer.status, 401, "{header}: {}", answer.body);
        }
        assert!(!outside.xmlrpc_works(), "{}", site.name);
    });
}

#[test]
fn a_read_only_password_changes_nothing() {
    on_sites(|_, site| {
        let entry = Entry::new(site, "author1", &["--read-only"]);
        let post = {
            let all = Entry::new(site, "author1", &[]);
            let made =
                all.ask("POST", "/?rest_route=/wp/v2/posts", &json!({"title": "Mine", "status": "publish"}));
            made.json()["id"].as_u64().unwrap()
        };
        let route = format!("/?rest_route=/wp/v2/posts/{post}");
        for method in ["GET", "HEAD", "OPTIONS"] {
            entry.may(method, &route);
        }
        assert_eq!(entry.may("GET", "/?rest_route=/wp/v2/users/me&context=edit")["slug"], "author1");
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            entry.may_not(method, &route);
        }
        // The method that WordPress works with counts, wherever it comes from.
        entry.is_refused(&entry.ask("POST", &format!("{route}&_method=DELETE"), &json!({})), "_method");
        entry.is_refused(
            &entry.ask("GET", &format!("{route}&_method=delete&force=true"), &json!({})),
            "GET, _method",
        );
        for method in ["GET", "POST"] {
            entry.is_refused(&entry.ask_with(method, &route, "X-HTTP-Method-Override: DELETE"), "override");
        }
        let read = entry.ask("POST", &format!("{route}&_method=GET"), &json!({"title": "Changed"}));
        assert_eq!(
            (read.status, read.json()["title"]["rendered"].as_str()),
            (200, Some("Mine")),
            "{}",
            site.name
        );
        let batch =
            json!({"requests": [{"method": "DELETE", "path": format!("/wp/v2/posts/{post}?force=true")}]});
        entry.is_refused(&entry.ask("POST", "/?rest_route=/batch/v1", &batch), "batch");
        assert!(!entry.xmlrpc_works(), "{}", site.name);
        assert_eq!(entry.may("GET", &route)["title"]["rendered"], "Mine");
    });
}

#[test]
fn a_password_reaches_the_routes_of_its_rules_and_no_other() {
    on_sites(|_, site| {
        let entry =
            Entry::new(site, "editor1", &["--allow=GET,POST /wp/v2/posts", "--allow=GET /wp/v2/posts/*"]);
        let made =
            entry.ask("POST", "/?rest_route=/wp/v2/posts", &json!({"title": "Mine", "status": "publish"}));
        assert_eq!(made.status, 201, "{}: {}", site.name, made.body);
        let post = made.json()["id"].as_u64().unwrap();
        let route = format!("/wp/v2/posts/{post}");
        entry.may("GET", &format!("/?rest_route={route}"));
        entry.may("HEAD", &format!("/?rest_route={route}"));
        entry.may("GET", &format!("/?rest_route={route}/"));
        entry.may("GET", &format!("/?rest_route=%2Fwp%2Fv2%2Fposts%2F{post}"));
        entry.may("GET", &format!("/index.php?rest_route={route}"));
        for path in [
            "/",
            "/wp/v2",
            "/wp/v2/users/me",
            "/wp/v2/users",
            "/wp/v2/pages",
            "/wp/v2/settings",
            "/wp/v2/post",
            // As another address of the same thing, in ways that WordPress understands.
            "/WP/V2/posts",
            "/wp/v2/Posts",
            "//wp/v2/posts",
            "/wp/v2//posts",
            "/x/../wp/v2/posts",
            // And out of what is allowed.
            "/wp/v2/posts/../users",
            "/wp/v2/posts%0a",
            "/wp/v2/posts?x",
            "/wp/v2/users/me%0a",
            "/wp/v2/users/me/application-passwords",
            "/wp/v2/users/me/application-passwords/introspect",
        ] {
            // What begins like an allowed route may be asked, and is found not to be there.
            let answer = entry.ask("GET", &format!("/?rest_route={}", path.replace('?', "%3f")), &json!({}));
            if path.starts_with("/wp/v2/posts/") {
                assert_eq!(answer.status, 404, "{}: {path}: {}", site.name, answer.body);
            } else {
                entry.is_refused(&answer, path);
            }
        }
        // WordPress: a parameter of the name of a part of the route takes its place.
        let second =
            entry.ask("POST", "/?rest_route=/wp/v2/posts", &json!({"title": "Second", "status": "publish"}));
        let second = second.json()["id"].as_u64().unwrap();
        let narrow = Entry::new(site, "editor1", &[&format!("--allow=GET,PUT {route}")]);
        assert_eq!(
            narrow.may("GET", &format!("/?rest_route={route}&id={post}"))["title"]["rendered"],
            "Mine"
        );
        narrow.is_refused(
            &narrow.ask("GET", &format!("/?rest_route={route}&id={second}"), &json!({})),
            "another id",
        );
        let both = |id: u64| json!({"id": id, "title": "Mine"});
        let put = format!("/?rest_route={route}");
        assert_eq!(narrow.ask("PUT", &put, &both(post)).status, 200, "{}", site.name);
        narrow.is_refused(&narrow.ask("PUT", &put, &both(second)), "another id in the body");
        let batch = json!({"requests": [{"method": "PUT", "path": route, "body": both(second)}]});
        let answer = narrow.ask("POST", "/?rest_route=/batch/v1", &batch).json();
        let code = &answer["responses"][0]["body"]["code"];
        assert_eq!(code, "application_password_not_allowed", "{}: {answer}", site.name);

        let delete = format!("/?rest_route={route}&force=true");
        entry.may_not("DELETE", &delete);
        entry.may_not("PUT", &delete);
        entry.is_refused(&entry.ask("POST", &format!("{delete}&_method=DELETE"), &json!({})), "_method");
        entry.is_refused(&entry.ask("GET", &format!("{delete}&_method=DELETE"), &json!({})), "_method");
        entry.is_refused(&entry.ask_with("POST", &delete, "X-HTTP-Method-Override: DELETE"), "override");
        // What is embedded is a request of its own.
        let embedded = entry.may("GET", &format!("/?rest_route={route}&_embed=author"));
        let author = &embedded["_embedded"]["author"][0];
        assert_eq!(author["code"], "application_password_not_allowed", "{}: {embedded}", site.name);
        // So is each part of a batch.
        let batch = json!({"requests": [
            {"method": "POST", "path": "/wp/v2/posts", "body": {"title": "In a batch"}},
            {"method": "DELETE", "path": format!("{route}?force=true")},
            {"method": "PUT", "path": format!("{route}"), "body": {"title": "Changed"}},
            {"method": "POST", "path": "/wp/v2/pages", "body": {"title": "A page"}},
            {"method": "POST", "path": "/wp/v2/users", "body": {"username": "x"}},
        ]});
        let answer = entry.ask("POST", "/?rest_route=/batch/v1", &batch);
        assert_eq!(answer.status, 207, "{}: {}", site.name, answer.body);
        let answer = answer.json();
        let parts = answer["responses"].as_array().unwrap();
        assert_eq!(parts[0]["status"], 201, "{}: {answer}", site.name);
        for (part, what) in parts.iter().zip(batch["requests"].as_array().unwrap()).skip(1) {
            let code = part["body"]["code"].as_str().unwrap_or_default();
            // WordPress refuses before it asks where a route takes no part in batches.
            assert!(
                code == "application_password_not_allowed" || code == "rest_batch_not_allowed",
                "{}: {what}: {part}",
                site.name
            );
        }
        assert_eq!(parts[1]["body"]["code"], "application_password_not_allowed", "{}: {answer}", site.name);
        assert_eq!(entry.may("GET", &format!("/?rest_route={route}"))["title"]["rendered"], "Mine");
        assert!(!entry.xmlrpc_works(), "{}", site.name);
        // The whole of it is open again.
        entry.update(&["--clear=allow"]);
        entry.may("GET", "/?rest_route=/wp/v2/users/me");
        entry.may("DELETE", &delete);
    });
}

/// `/wp/v2/posts/(?P<id>[\\d]+)` with something in place of each part that varies.
fn filled_in(route: &str) -> String {
    let (mut filled, mut depth) = (String::new(), 0);
    let mut characters = route.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '(' => {
                depth += 1;
                filled.push_str(if depth == 1 { "1" } else { "" });
            }
            ')' => depth -= 1,
            '?' => {}
            other if depth == 0 => filled.push(other),
            _ => {}
        }
    }
    filled
}

/// Every route of the site, in one of the many ways that WordPress understands, in turn.
#[test]
fn no_route_of_the_site_is_reached_another_way() {
    assert_eq!(filled_in("/wp/v2/posts/(?P<id>[\\d]+)/x/(?:y|(?P<a>z))"), "/wp/v2/posts/1/x/1");
    on_sites(|rig, site| {
        let narrow = Entry::new(site, "editor1", &["--allow=GET /wp/v2/posts"]);
        let reading = Entry::new(site, "editor1", &["--read-only"]);
        let state = || {
            rig.wp_eval(
                site,
                // Other tests write to the site too: what would be left of these requests.
                "global $wpdb; return array_map( array( $wpdb, 'get_var' ), array(
                    \"SELECT COUNT(*) FROM $wpdb->posts WHERE post_title = 'hacked' OR post_content = 'hacked'\",
                    \"SELECT COUNT(*) FROM $wpdb->terms WHERE name = 'hacked'\",
                    \"SELECT COUNT(*) FROM $wpdb->comments WHERE comment_content = 'hacked'\",
                    \"SELECT COUNT(*) FROM $wpdb->posts WHERE ID = 1 AND post_status = 'publish'\",
                    \"SELECT COUNT(*) FROM $wpdb->terms WHERE term_id = 1\",
                    \"SELECT COUNT(*) FROM $wpdb->comments WHERE comment_ID = 1\" ) );",
            )
        };
        let index = site.get("/?rest_route=/", "", "").json();
        let before = state();
        let routes: Vec<String> =
            index["routes"].as_object().unwrap().keys().map(|route| filled_in(route)).collect();
        assert!(routes.len() > 100, "{}: {}", site.name, routes.len());
        let body = json!({"title": "hacked", "name": "hacked", "status": "publish", "content": "hacked", "force": true});
        for (number, route) in routes.iter().enumerate() {
            if ["/wp/v2/posts", "/batch/v1"].contains(&route.as_str()) {
                continue;
            }
            let method = ["GET", "POST", "PUT", "PATCH", "DELETE"][number % 5];
            let batch = json!({"requests": [{"path": route, "method": method, "body": body}]});
            let (by, path, body) = match number % 9 {
                0 => (method, format!("/?rest_route={route}"), &body),
                1 => ("POST", format!("/?rest_route={route}&_method={method}"), &body),
                2 => (
                    "GET",
                    format!("/?rest_route={route}&_method={method}&title=hacked&name=hacked&force=1"),
                    &body,
                ),
                3 => (method, format!("/?rest_route={route}/"), &body),
                4 => (method, format!("/?rest_route=/{route}"), &body),
                5 => (method, format!("/index.php?rest_route={route}%0a"), &body),
                6 => (method, format!("/?rest_route={route}&_envelope=1"), &body),
                7 => (method, format!("/?rest_route={}", route.to_uppercase()), &body),
                _ => ("POST", "/?rest_route=/batch/v1".to_owned(), &batch),
            };
            let answer = narrow.ask(by, &path, body);
            let inner: Vec<u64> = match serde_json::from_str::<Value>(&answer.body).unwrap_or_default() {
                Value::Object(answer) => {
                    let one =
                        answer.get("status").filter(|_| answer.contains_key("body")).and_then(Value::as_u64);
                    let all = answer.get("responses").and_then(Value::as_array).into_iter().flatten();
                    one.into_iter().chain(all.filter_map(|answer| answer["status"].as_u64())).collect()
                }
                _ => Vec::new(),
            };
            let got_through =
                if inner.is_empty() { answer.status < 300 } else { inner.iter().any(|status| *status < 300) };
            assert!(!got_through, "{}: {by} {path} {body}: {} {}", site.name, answer.status, answer.body);
            if method != "GET" {
                reading.ask(by, &path, body);
            }
        }
        assert_eq!(state(), before, "{}", site.name);
    });
}

#[test]
fn nobody_gets_rid_of_restrictions_by_a_new_password() {
    on_sites(|_, site| {
        let list = "/?rest_route=/wp/v2/users/me/application-passwords";
        for options in [["--expires=1h"], ["--allow=* /*"], ["--allow-net=127.0.0.1"]] {
            let entry = Entry::new(site, "author1", &options);
            let answer = entry.ask("POST", list, &json!({"name": "Free of all"}));
            entry.is_refused(&answer, "a new password");
            let own = format!("{list}/{}", entry.uuid);
            entry.is_refused(&entry.ask("PUT", &own, &json!({"name": "Renamed"})), "a new name");
            // Nor by what the user logs in with, in any of the ways that parameters come.
            let me = "/?rest_route=/wp/v2/users/me";
            for body in [json!({"password": "a new login password"}), json!({"email": "thief@example.com"})] {
                entry.is_refused(&entry.ask("POST", me, &body), "a login password");
                entry.is_refused(&entry.ask("PUT", "/?rest_route=/wp/v2/USERS/ME", &body), "ME");
            }
            let empty = json!({});
            entry.is_refused(
                &entry.ask("POST", &format!("{me}&password=a-new-login-password"), &empty),
                "query",
            );
            entry.is_refused(
                &entry.ask("GET", &format!("{me}&password=a-new-one&_method=PUT"), &empty),
                "_method",
            );
            // Nor in the name of another user, whose place one's own id takes.
            let own_id = entry.may("GET", me)["id"].as_u64().unwrap();
            let thief = json!({"id": own_id, "password": "a new login password"});
            entry.is_refused(&entry.ask("PUT", "/?rest_route=/wp/v2/users/1", &thief), "another's route");
            entry.is_refused(
                &entry.ask(
                    "POST",
                    &format!("/?rest_route=/wp/v2/users/1&id={own_id}&password=x-new-one"),
                    &empty,
                ),
                "another's route, query",
            );
            assert_eq!(entry.ask("POST", me, &json!({"description": "Mine"})).status, 200, "{}", site.name);
            entry.may("GET", list);
            // To give itself up is nothing that anybody minds.
            entry.may("DELETE", &own);
        }
    });
}

#[test]
fn what_cannot_be_understood_is_refused() {
    on_sites(|rig, site| {
        let entry = Entry::new(site, "author1", &[]);
        for (php, plain) in [
            ("$entry['expires'] = '4102444800';", false),
            ("$entry['expires'] = 4102444800.0;", false),
            ("$entry['expires'] = 'never';", false),
            ("$entry['allow'] = 'GET /wp/v2/posts';", false),
            ("$entry['allow'] = array( 'GET /', 'GETTING /' );", false),
            ("$entry['allow_net'] = array( '127.0.0.1', 'localhost' );", false),
            ("$entry['read_only'] = 0;", false),
            ("$entry['expires'] = null; $entry['allow'] = null;", true),
            ("$entry['note'] = array( 1 ); $entry['owner'] = 5; $entry['other'] = 'x';", true),
        ] {
            entry.damage(rig, php);
            if plain {
                entry.may("GET", "/?rest_route=/wp/v2/users/me");
                assert!(entry.xmlrpc_works(), "{}", site.name);
            } else {
                entry.is_out("application_password_unreadable");
                assert!(!entry.xmlrpc_works(), "{}", site.name);
                // A new one in its place would not say what this one was meant to say.
                let rotated = site.tool().args(["rotate", "author1", &entry.uuid]).output().unwrap();
                let stderr = String::from_utf8_lossy(&rotated.stderr);
                assert!(!rotated.status.success() && stderr.contains("--clear="), "{php}: {stderr}");
            }
            entry.damage(
                rig,
                "unset( $entry['expires'], $entry['allow'], $entry['allow_net'], $entry['read_only'] );",
            );
        }
    });
}

#[test]
fn nobody_gets_rid_of_restrictions_by_a_token() {
    let Some(rig) = rig::require() else { return };
    // A plugin that changes a password for a token, as those for JWT do.
    let plugin = "add_action( 'rest_api_init', function () {
        register_rest_route( 'tokens/v1', '/token', array( 'methods' => 'POST', 'permission_callback' => '__return_true', 'callback' => function ( $request ) {
            $user = wp_authenticate( $request['login'], $request['password'] );
            return is_wp_error( $user ) ? $user : array( 'token' => 'for ' . $user->user_login );
        } ) );
    } );";
    let site = Quirk::start(rig, plugin);
    std::fs::write(site.folder.path().join("mu-plugins").join(PLUGIN), wp_app_password::enforcer::text())
        .unwrap();
    for (options, token) in [
        (vec![], true),
        (vec!["--allow=POST /tokens/v1/token"], true),
        (vec!["--allow=GET /wp/v2/posts"], false),
        (vec!["--read-only"], false),
        (vec!["--allow-net=203.0.113.7"], false),
    ] {
        let password = output(
            site.tool().args(["create", "author1", "App", "--porcelain", "--no-confirm"]).args(&options),
        );
        let body = json!({"login": "author1", "password": password.trim()}).to_string();
        let url = format!("{}/?rest_route=/tokens/v1/token", site.url);
        let answer = rig::http("POST", &url, None, Some(&("application/json", body)), None);
        assert_eq!(
            answer.body.contains("for author1"),
            token,
            "{options:?}: {} {}",
            answer.status,
            answer.body
        );
        output(site.tool().args(["delete", "author1", "--all", "--no-confirm"]));
    }
}

#[test]
fn wordpress_keeps_what_it_does_not_know() {
    on_sites(|rig, site| {
        let entry = Entry::new(
            site,
            "subscriber1",
            &[
                "--expires=30d",
                "--allow=* /wp/v2/users/me*",
                "--allow-net=127.0.0.1",
                "--note=For tests",
                "--owner=Ops",
            ],
        );
        let before = entry.stored(rig);
        assert_eq!(before["allow"], json!(["* /wp/v2/users/me*"]), "{before}");
        // A use is recorded.
        entry.may("GET", "/?rest_route=/wp/v2/users/me");
        let used = entry.stored(rig);
        assert!(used["last_used"].is_i64(), "{}: {used}", site.name);
        // Another one is made and this one is renamed, by REST.
        let free = Entry::new(site, "subscriber1", &[]);
        let list = "/?rest_route=/wp/v2/users/me/application-passwords";
        let made = free.ask("POST", list, &json!({"name": "Made by REST"}));
        assert_eq!(made.status, 201, "{}", made.body);
        let renamed =
            free.ask("POST", &format!("{list}/{}", entry.uuid), &json!({"name": "Renamed by REST"}));
        assert_eq!(renamed.status, 200, "{}", renamed.body);
        free.may("DELETE", &format!("{list}/{}", made.json()["uuid"].as_str().unwrap()));
        let after = entry.stored(rig);
        assert_eq!(after["name"], "Renamed by REST");
        for key in ["expires", "allow", "allow_net", "note", "owner", "password", "uuid"] {
            assert_eq!(after[key], before[key], "{}: {key}", site.name);
        }
        entry.may_not("GET", "/?rest_route=/wp/v2/posts");
        // A rotation hands them on, with the same time to live.
        let rotated = output(site.tool().args(["rotate", "subscriber1", &entry.uuid, "--json"]));
        let rotated: Value = serde_json::from_str(&rotated).unwrap();
        let new = Entry {
            site,
            user: "subscriber1",
            uuid: rotated["uuid"].as_str().unwrap().to_owned(),
            password: rotated["password"].as_str().unwrap().to_owned(),
        };
        let handed_on = new.stored(rig);
        for key in ["allow", "allow_net", "note", "owner"] {
            assert_eq!(handed_on[key], before[key], "{}: {key}", site.name);
        }
        let life = |entry: &Value| entry["expires"].as_i64().unwrap() - entry["created"].as_i64().unwrap();
        assert_eq!(life(&handed_on), life(&before), "{}", site.name);
        new.may_not("GET", "/?rest_route=/wp/v2/posts");
        new.may("GET", "/?rest_route=/wp/v2/users/me");
    });
}

#[test]
fn the_plugins_own_tests_pass_on_every_php() {
    let Some(rig) = rig::require() else { return };
    let mut machine = Command::new(rig.php());
    machine.args(["-d", "zend.assertions=1"]);
    let others = ["7-2", "7-4", "8-5"];
    for (mut command, version) in std::iter::once((machine, String::new()))
        .chain(others.map(|version| (rig.other_php(version), version.replace('-', "."))))
    {
        let said = output(command.args(["tests/php/enforcer_test.php", "src/enforcer/enforcer.php"]));
        assert!(said.starts_with(&format!("PHP {version}")) && said.ends_with(" checks\n"), "{said}");
        print!("{said}");
    }
}

// The file

fn folder_with(text: Option<&[u8]>) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(root.path().join(name), text).unwrap();
    write("wp-load.php", "<?php\n");
    write("wp-settings.php", "<?php\n");
    write(
        "wp-config.php",
        "<?php\ndefine( 'DB_NAME', 'a' );\ndefine( 'DB_USER', 'b' );\ndefine( 'DB_PASSWORD', 'c' );\n\
         define( 'DB_HOST', 'localhost' );\n$table_prefix = 'wp_';\nrequire_once __DIR__ . '/wp-settings.php';\n",
    );
    std::fs::create_dir(root.path().join("wp-content")).unwrap();
    let file = root.path().join("wp-content/mu-plugins").join(PLUGIN);
    if let Some(text) = text {
        std::fs::create_dir(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    (root, file)
}

fn enforcer(root: &Path, arguments: &[&str]) -> (String, String, i32) {
    let mut command = rig::binary();
    command.arg(format!("--path={}", root.display())).arg("enforcer").args(arguments).stdin(Stdio::null());
    let done = command.env("WP_APP_PASSWORD_SYSLOG", "").output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(done.stdout), text(done.stderr), done.status.code().unwrap())
}

#[test]
fn it_is_installed_once_and_removed_without_a_database() {
    use std::os::unix::fs::PermissionsExt;
    let (root, file) = folder_with(None);
    std::fs::set_permissions(root.path().join("wp-content"), std::fs::Permissions::from_mode(0o750)).unwrap();
    let (out, _, code) = enforcer(root.path(), &["status"]);
    assert!(code == 4 && out.contains("is not there"), "{code} {out}");
    let (out, err, code) = enforcer(root.path(), &["install"]);
    assert_eq!((out, code), (format!("Success: Installed {}, version 2.\n", file.display()), 0), "{err}");
    let sum = Command::new("sha256sum").arg(&file).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap().split(' ').next().unwrap().to_owned();
    assert_eq!(err, format!("Its SHA-256 is {sum}.\n"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(file.parent().unwrap()), mode(&file)), (0o750, 0o640));
    let lines = std::fs::read_to_string(&file).unwrap().lines().count();
    assert!(lines < 150, "{lines}");
    let names: Vec<_> =
        std::fs::read_dir(file.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [PLUGIN]);

    let (out, err, code) = enforcer(root.path(), &["install"]);
    assert!(out.contains("already there") && code == 0, "{out}{err}");
    let (out, _, code) = enforcer(root.path(), &["status", "--format=json"]);
    let status: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&status["state"], &status["enforced"], code),
        (&json!("current"), &json!(true), 0),
        "{status}"
    );
    assert_eq!(status["current_sha256"], sum);

    let (out, err, code) = enforcer(root.path(), &["remove"]);
    assert!(
        out.starts_with("Success: Removed ") && err.contains("restrict nothing") && code == 0,
        "{out}{err}"
    );
    assert!(!file.exists());
    let (out, _, code) = enforcer(root.path(), &["remove"]);
    assert!(out.contains("There is no ") && code == 0, "{out}");
}

#[test]
fn a_file_that_it_did_not_write_is_left_alone() {
    let (root, file) = folder_with(None);
    enforcer(root.path(), &["install"]);
    let ours = std::fs::read(&file).unwrap();
    let edited = String::from_utf8(ours.clone()).unwrap().replace("time()", "0");
    for (text, state, word) in [
        (edited.as_bytes(), "altered", "was changed since"),
        (b"<?php\n// Mine.\n", "foreign", "not a file that this program wrote"),
        (b"", "foreign", "not a file that this program wrote"),
    ] {
        std::fs::write(&file, text).unwrap();
        for deed in ["install", "remove"] {
            let (out, err, code) = enforcer(root.path(), &[deed]);
            assert!(out.is_empty() && err.contains(word) && code == 1, "{state} {deed}: {out}{err}");
            assert_eq!(std::fs::read(&file).unwrap(), text, "{state} {deed}");
        }
        let (out, _, code) = enforcer(root.path(), &["status", "--format=json"]);
        let status: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((status["state"].as_str(), code), (Some(state), 4), "{status}");
    }
    // A link to the right file is not that file: whoever owns the link chooses what WordPress loads.
    let elsewhere = root.path().join("elsewhere.php");
    std::fs::write(&elsewhere, &ours).unwrap();
    std::fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    for deed in ["install", "remove"] {
        let (_, err, code) = enforcer(root.path(), &[deed]);
        assert!(err.contains("not a file that this program wrote") && code == 1, "{err}");
    }
    assert_eq!(std::fs::read(&elsewhere).unwrap(), ours);
}

#[test]
fn where_it_cannot_be_is_said() {
    let (root, _) = folder_with(None);
    let (_, err, code) = enforcer(Path::new("/nonexistent"), &["install"]);
    assert!(code == 1 && err.contains("WordPress installation"), "{err}");
    let config = root.path().join("wp-config.php");
    let text = std::fs::read_to_string(&config).unwrap();
    let with = |line: &str| {
        std::fs::write(&config, text.replace("$table_prefix", &format!("{line}\n$table_prefix"))).unwrap()
    };
    with("define( 'WPMU_PLUGIN_DIR', __DIR__ . '/must-use' );");
    let (out, err, code) = enforcer(root.path(), &["install"]);
    assert!(code == 0 && out.contains("/must-use/wp-app-password-enforcer.php"), "{out}{err}");
    assert!(root.path().join("must-use").join(PLUGIN).is_file());
    with("define( 'WPMU_PLUGIN_DIR', $_SERVER['DOCUMENT_ROOT'] . '/mu' );");
    let (out, err, code) = enforcer(root.path(), &["install"]);
    assert!(code == 1 && out.is_empty() && err.contains("WPMU_PLUGIN_DIR"), "{out}{err}");
    for site in [vec!["--sandbox"], vec!["--db=mysql://a:b@127.0.0.1:1/c"]] {
        let home = tempfile::tempdir().unwrap();
        let done = rig::binary()
            .args(&site)
            .args(["enforcer", "install"])
            .env("HOME", home.path())
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(1) && stderr.contains("give --path"), "{site:?}: {stderr}");
    }
}

// Options

#[test]
fn nothing_is_made_of_options_that_make_no_sense() {
    let home = tempfile::tempdir().unwrap();
    let tool = || {
        let mut command = rig::binary();
        command.arg("--sandbox").env("HOME", home.path()).env("WP_APP_PASSWORD_SYSLOG", "");
        command
    };
    let uuid = output(tool().args(["create", "editor", "Old", "--format=json"]));
    let uuid = serde_json::from_str::<Value>(&uuid).unwrap()["uuid"].as_str().unwrap().to_owned();
    let before = output(tool().args(["list", "editor", "--format=json"]));
    for (option, word) in [
        ("--expires=yesterday", "no time"),
        ("--expires=2020-01-01", "is over"),
        ("--expires=", "no time"),
        ("--allow=/wp/v2/posts", "no methods"),
        ("--allow=GET /wp-json/wp/v2/posts", "behind /wp-json"),
        ("--allow=", "no route"),
        ("--allow-net=10.0.0.0/33", "no network"),
        ("--allow-net=example.com", "no network"),
        ("--note=", "empty"),
        ("--owner=a\nb", "line break"),
    ] {
        for command in [vec!["create", "editor", "New"], vec!["update", "editor", &uuid]] {
            let done = tool().args(&command).arg(option).output().unwrap();
            let stderr = String::from_utf8_lossy(&done.stderr);
            assert!(done.status.code() == Some(1) && stderr.contains(word), "{option}: {stderr}");
            assert!(done.stdout.is_empty() && stderr.contains(option.split('=').next().unwrap()), "{stderr}");
        }
    }
    let never =
        tool().args(["create", "editor", "New", "--read-only", "--allow=PUT,POST /x"]).output().unwrap();
    assert!(String::from_utf8_lossy(&never.stderr).contains("could never be used"), "{never:?}");
    // Nothing is set, and that is no reason for a warning.
    let plain = tool().args(["list", "editor", "--fields=name,expires,note"]).output().unwrap();
    assert_eq!(
        (plain.stdout.as_slice(), plain.stderr.as_slice()),
        (&b"name\texpires\tnote\nOld\t\t\n"[..], &b""[..])
    );
    let plain = tool().args(["list", "--fields=name,note", "--format=json"]).output().unwrap();
    assert_eq!(
        serde_json::from_slice::<Value>(&plain.stdout).unwrap(),
        json!([{"name": "Old", "note": null}])
    );
    assert!(plain.stderr.is_empty(), "{plain:?}");
    let both = tool().args(["update", "editor", &uuid, "--expires=1d", "--clear=expires"]).output().unwrap();
    assert!(String::from_utf8_lossy(&both.stderr).contains("give one of them"));
    assert_eq!(output(tool().args(["list", "editor", "--format=json"])), before);
}

#[test]
fn a_list_shows_them_when_asked_and_says_that_nothing_enforces_them() {
    let home = tempfile::tempdir().unwrap();
    let tool = || {
        let mut command = rig::binary();
        command.arg("--sandbox").env("HOME", home.path()).env("WP_APP_PASSWORD_SYSLOG", "");
        command
    };
    let made = tool()
        .args([
            "create",
            "editor",
            "App",
            "--format=json",
            "--expires=2099-01-01",
            "--allow=get /wp/v2/posts",
        ])
        .args(["--allow=* /shop/*", "--allow-net=10.0.0.0/8", "--read-only", "--note=For CI", "--owner=Ops"])
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&made.stderr);
    assert!(stderr.contains("Warning: It cannot be told whether this site enforces"), "{stderr}");
    let uuid = serde_json::from_slice::<Value>(&made.stdout).unwrap()["uuid"].as_str().unwrap().to_owned();
    let fields = "--fields=name,expires,allow,allow_net,read_only,note,owner";
    let listed = tool().args(["list", "editor", fields, "--format=json"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&listed.stderr);
    assert!(stderr.contains("cannot be told"), "{stderr}");
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        rows,
        json!([{
            "name": "App", "expires": 4_070_908_800_i64, "allow": ["GET /wp/v2/posts", "* /shop/*"], "allow_net": ["10.0.0.0/8"],
            "read_only": true, "note": "For CI", "owner": "Ops",
        }])
    );
    // Over all users too.
    let all = tool().args(["list", "--fields=user_login,expires", "--format=csv"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&all.stdout), "user_login,expires\neditor,4070908800\n");
    assert!(String::from_utf8_lossy(&all.stderr).contains("cannot be told"));
    // Mirrored output is what it was.
    let plain = tool().args(["list", "editor", "--format=csv"]).output().unwrap();
    assert!(plain.stdout.starts_with(b"uuid,app_id,name,password,created,last_used,last_ip\n"));

    // What is taken away is gone, what is not named stays, and nothing at all is WP-CLI's.
    let update = |options: &[&str]| output(tool().args(["update", "editor", &uuid]).args(options));
    assert_eq!(
        update(&["--clear=expires", "--clear=allow", "--clear=allow-net"]),
        "Success: Updated application password.\n"
    );
    assert_eq!(
        update(&["--clear=read-only", "--note=Else", "--name=Other"]),
        "Success: Updated application password.\n"
    );
    let listed = tool().args(["list", "editor", fields, "--format=json"]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listed.stderr).contains("cannot be told"));
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        (&rows[0]["name"], &rows[0]["note"], &rows[0]["owner"]),
        (&json!("Other"), &json!("Else"), &json!("Ops"))
    );
    assert_eq!(rows[0]["expires"], Value::Null);
    assert_eq!(update(&[]), "Success: Updated application password.\n");
}

#[test]
fn cron_enforces_expiry_without_the_plugin() {
    let home = tempfile::tempdir().unwrap();
    let tool = || {
        let mut command = rig::binary();
        command.arg("--sandbox").env("HOME", home.path()).env("WP_APP_PASSWORD_SYSLOG", "");
        command
    };
    output(tool().args(["create", "editor", "Short", "--porcelain", "--expires=1s"]));
    output(tool().args(["create", "editor", "Long", "--porcelain", "--expires=1h"]));
    std::thread::sleep(std::time::Duration::from_millis(2100));
    output(tool().args(["prune", "--expired", "--yes"]));
    assert_eq!(output(tool().args(["list", "editor", "--field=name"])), "Long\n");
}
