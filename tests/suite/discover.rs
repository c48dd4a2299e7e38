//! `discover`: each answer from a site that gives it. Real WordPress where there is one that does; what only an old or a
//! broken server says, a server of a few lines says.

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::browser::TlsFront;
use crate::rig::{self, Rig, Template};
use crate::verify::{Quirk, Server, respond};

/// Asks in JSON and as a table: both say the same.
#[track_caller]
fn discover_with(tool: impl Fn() -> Command, url: &str, more: &[&str]) -> (Value, i32, String) {
    let output = tool().args(["discover", url, "--format=json"]).args(more).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let json: Value = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{url}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    let table = tool().args(["discover", url]).args(more).output().unwrap();
    assert_eq!(table.status.code(), output.status.code(), "{json}");
    let shown = String::from_utf8(table.stdout).unwrap();
    let code = json["code"].as_str().unwrap();
    assert!(shown.contains(&format!("code\t{code}\n")), "{shown}");
    let stderr = String::from_utf8(table.stderr).unwrap();
    assert_eq!(stderr.is_empty(), json["answer"] == "yes", "{stderr}");
    if json["answer"] != "yes" {
        let message = json["message"].as_str().unwrap();
        assert!(stderr.starts_with("Error: ") && stderr.contains(message), "{stderr}");
    }
    (json, output.status.code().unwrap(), stderr)
}

#[track_caller]
fn discover(url: &str) -> (Value, i32) {
    let (json, code, _) = discover_with(rig::binary, url, &["--timeout=60s"]);
    (json, code)
}

#[track_caller]
fn assert_answer(url: &str, code: &str, exit: i32) -> Value {
    let (json, found) = discover(url);
    assert_eq!((json["code"].as_str(), found), (Some(code), exit), "{json}");
    let answer = match exit {
        0 => "yes",
        4 => "no",
        _ => "unknown",
    };
    assert_eq!(json["answer"], answer, "{json}");
    json
}

fn trusting(rig: &Rig) -> impl Fn() -> Command {
    let ca = rig.mariadb.ca.clone();
    move || {
        let mut command = rig::binary();
        command.env("SSL_CERT_FILE", &ca);
        command
    }
}

/// WordPress behind TLS, in environment `production`.
pub fn production(rig: &Rig, files: (&str, Template), plugin: &str) -> (TlsFront, Quirk) {
    let front = TlsFront::start(rig);
    let php = "$_SERVER['HTTPS'] = 'on'; define( 'WP_ENVIRONMENT_TYPE', 'production' );";
    let site = Quirk::start_behind(rig, files, Some((&front.url, &front.behind)), php, plugin);
    (front, site)
}

#[test]
fn every_wordpress_says_where_its_authorization_screen_is() {
    let Some(rig) = rig::require() else { return };
    for name in ["wp61", "wp68", "wp71", "wp71-mysql", "wp71-network"] {
        let site = rig.site(name);
        let screen = format!("{}/wp-admin/authorize-application.php", site.url);
        let host = site.url.strip_prefix("http://").unwrap();
        for address in [
            site.url.clone(),
            host.to_owned(),
            format!("{}/wp-admin/profile.php?x#y", site.url),
            format!(" {host}/wp-login.php"),
        ] {
            let json = assert_answer(&address, "supported", 0);
            assert_eq!(json["authorization"], screen);
            assert_eq!(json["rest_root"], format!("{}/wp-json/", site.url));
            assert_eq!(
                (&json["home"], &json["site_url"]),
                (&site.url.as_str().into(), &site.url.as_str().into())
            );
            // Without HTTPS it is a site in environment `local`.
            assert_eq!(json["loopback_callback"], true);
        }
    }
    let network = &rig.site("wp71-network").url;
    let json = assert_answer(&format!("{network}/second/"), "supported", 0);
    assert_eq!(json["rest_root"], format!("{network}/second/wp-json/"));
    assert_eq!(json["authorization"], format!("{network}/second/wp-admin/authorize-application.php"));
}

#[test]
fn tls_is_checked_and_plain_http_is_no_way_in() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-tls");
    let tool = trusting(rig);
    for address in [site.url.as_str(), site.url.strip_prefix("https://").unwrap()] {
        let (json, code, _) = discover_with(&tool, address, &[]);
        assert_eq!((&json["code"], code), (&"supported".into(), 0), "{json}");
        assert_eq!(json["loopback_callback"], true, "7.1");
        // The tests' own authority is nobody's.
        let (json, code, _) = discover_with(rig::binary, address, &[]);
        assert_eq!((&json["code"], code), (&"tls".into(), 1), "{json}");
    }
    // The same WordPress without TLS, where it has none of them.
    let plain = Quirk::start_behind(
        rig,
        ("wp71-sqlite", Template::Sqlite),
        None,
        "define( 'WP_ENVIRONMENT_TYPE', 'production' );",
        "",
    );
    let json = assert_answer(&plain.url, "plain_http", 4);
    assert_eq!(json["authorization"], Value::Null);
    // From HTTPS nobody is led down to plain HTTP.
    let target = plain.url.clone();
    let down =
        Server::start(move |_, client| respond(client, "302 Found", &format!("Location: {target}/\r\n"), ""));
    let front = TlsFront::start(rig);
    front.behind.store(down.url.rsplit(':').next().unwrap().parse().unwrap(), Ordering::SeqCst);
    let (json, code, _) = discover_with(trusting(rig), &front.url, &[]);
    assert_eq!((&json["code"], code), (&"plain_http".into(), 4), "{json}");
}

#[test]
fn a_feature_that_is_switched_off_is_no() {
    let Some(rig) = rig::require() else { return };
    let off = "add_filter( 'wp_is_application_passwords_available', '__return_false' );";
    for files in [("wp71-sqlite", Template::Sqlite), ("wp68-sqlite-old", Template::SqliteOld)] {
        let (front, site) = production(rig, files, off);
        let (json, code, _) = discover_with(trusting(rig), &front.url, &["--timeout=60s"]);
        assert_eq!((&json["code"], code), (&"disabled".into(), 4), "{json}");
        site.becomes("");
        let (json, code, _) = discover_with(trusting(rig), &front.url, &["--timeout=60s"]);
        assert_eq!((&json["code"], code), (&"supported".into(), 0), "{json}");
        assert_eq!(json["loopback_callback"], files.0 == "wp71-sqlite", "that came with 7.0: {json}");
    }
}

#[test]
fn an_api_that_is_closed_or_filtered_is_not_told() {
    let Some(rig) = rig::require() else { return };
    let site = Quirk::start(
        rig,
        "add_filter( 'rest_authentication_errors', fn() => new WP_Error( 'rest_disabled', '<b>Only</b> for users.', array( 'status' => 401 ) ) );",
    );
    let json = assert_answer(&site.url, "rest_blocked", 1);
    assert!(
        json["message"].as_str().unwrap().contains("rest_disabled: Only for users. (HTTP 401)"),
        "{json}"
    );
    for filter in [
        "add_filter( 'rest_index', function ( $index ) { unset( $index->data['authentication'] ); return $index; }, 99 );",
        "add_filter( 'rest_index', function ( $index ) { $index->data['authentication'] = array(); return $index; }, 99 );",
    ] {
        site.becomes(filter);
        assert_answer(&site.url, "rest_filtered", 1);
    }
    site.becomes(
        "add_filter( 'rest_index', function ( $index ) { unset( $index->data['authentication'] ); return $index; }, 99 );
         add_filter( 'rest_endpoints', fn( $all ) => array_filter( $all, fn( $route ) => ! str_contains( $route, '/users' ), ARRAY_FILTER_USE_KEY ) );",
    );
    assert_answer(&site.url, "rest_filtered", 1);
    // A firewall that knows no JSON.
    site.becomes(
        "if ( str_contains( $_SERVER['REQUEST_URI'], 'wp-json' ) || isset( $_GET['rest_route'] ) ) { http_response_code( 403 ); exit( 'no' ); }",
    );
    assert_answer(&site.url, "rest_blocked", 1);
}

#[test]
fn the_api_is_found_wherever_it_is() {
    let Some(rig) = rig::require() else { return };
    let unlinked = "remove_action( 'template_redirect', 'rest_output_link_header', 11 );";
    let site = Quirk::start(rig, "add_filter( 'rest_url_prefix', fn() => 'api/v9' );");
    let root = |site: &Quirk| {
        let json = assert_answer(&site.url, "supported", 0);
        json["rest_root"].as_str().unwrap().strip_prefix(&site.url).unwrap().to_owned()
    };
    site.becomes(unlinked);
    assert_eq!(root(&site), "/wp-json/");
    site.sql("UPDATE wp_options SET option_value = '' WHERE option_name IN ('permalink_structure', 'rewrite_rules')");
    assert_eq!(root(&site), "/?rest_route=/");
    site.becomes("");
    assert_eq!(root(&site), "/index.php?rest_route=/");
    // Only the page itself links to it, and it lies at an odd place.
    let screen = "https://example.org/wp-admin/authorize-application.php";
    let server = Server::start(move |request, client| {
        if request.starts_with("GET /odd/?") {
            let index = format!(
                "{{\"namespaces\":[\"wp/v2\"],\"authentication\":{{\"application-passwords\":{{\"endpoints\":{{\"authorization\":\"{screen}\"}}}}}}}}"
            );
            respond(client, "200 OK", "Content-Type: application/json\r\n", &index);
        } else if request.starts_with("GET / ") {
            let page = "<head><meta name='generator' content='WordPress 6.4.2'><link rel='https://api.w.org/' href='/odd/'></head>";
            respond(client, "200 OK", "", page);
        } else {
            respond(client, "404 Not Found", "", "");
        }
    });
    let json = assert_answer(&server.url, "supported", 0);
    assert_eq!(json["rest_root"], format!("{}/odd/", server.url));
    assert_eq!((&json["version"], &json["loopback_callback"]), (&"6.4.2".into(), &false.into()));
    assert_eq!(json["authorization"], screen);
    // From one host of this machine to another, as a browser goes.
    let target = server.url.clone();
    let server =
        Server::start(move |_, client| respond(client, "301 Moved", &format!("Location: {target}/\r\n"), ""));
    let json = assert_answer(&server.url, "supported", 0);
    assert_eq!(json["authorization"], screen);
    assert_ne!(json["url"], format!("{}/", server.url));
}

/// A site that is shown by another program, or not yet: the API is WordPress's own all the same.
#[test]
fn a_front_page_elsewhere_is_not_the_site() {
    let Some(rig) = rig::require() else { return };
    let elsewhere = Server::start(|_, client| respond(client, "200 OK", "", "<h1>Coming soon</h1>"));
    let site = Quirk::start(
        rig,
        &format!(
            "add_action( 'template_redirect', fn() => wp_redirect( '{}/soon/' ) || exit );",
            elsewhere.url
        ),
    );
    let json = assert_answer(&site.url, "supported", 0);
    assert_eq!(json["url"].as_str().unwrap().trim_end_matches('/'), site.url, "{json}");
    assert!(json["rest_root"].as_str().unwrap().starts_with(&site.url), "{json}");
}

#[test]
fn a_wordpress_before_5_6_is_too_old() {
    let index = "{\"name\":\"Old\",\"namespaces\":[\"oembed/1.0\",\"wp/v2\"],\"authentication\":[]}";
    let server = Server::start(move |request, client| {
        if request.contains("application-passwords") {
            respond(
                client,
                "404 Not Found",
                "",
                "{\"code\":\"rest_no_route\",\"message\":\"No route\",\"data\":{}}",
            );
        } else if request.contains("/wp-json/") {
            respond(client, "200 OK", "", index);
        } else {
            respond(client, "200 OK", "", "<meta name=\"generator\" content=\"WordPress 5.5.3\" />");
        }
    });
    let json = assert_answer(&server.url, "too_old", 4);
    assert!(json["message"].as_str().unwrap().contains("WordPress 5.5.3;"), "{json}");
    // Before 4.4 there was no REST API at all.
    let server = Server::start(move |request, client| {
        let is_front = request.starts_with("GET / ");
        let page = if is_front { "<meta name=\"generator\" content=\"WordPress 4.2\" />" } else { "" };
        respond(client, if is_front { "200 OK" } else { "404 Not Found" }, "", page);
    });
    assert_answer(&server.url, "too_old", 4);
}

#[test]
fn what_is_not_wordpress_is_said_to_be_none() {
    for (status, page) in [
        ("200 OK", "<h1>Hello</h1>"),
        ("404 Not Found", ""),
        ("200 OK", "{\"code\":\"x\",\"message\":\"y\"}"),
    ] {
        let server = Server::start(move |_, client| respond(client, status, "", page));
        assert_answer(&server.url, "not_wordpress", 4);
        // Without a scheme HTTPS comes first, which this server waits for the end of.
        let bare = server.url.strip_prefix("http://").unwrap();
        let (json, code, _) = discover_with(rig::binary, bare, &["--timeout=4s"]);
        assert_eq!((&json["code"], code), (&"not_wordpress".into(), 4), "{json}");
    }
    // Its API closed, but its pages are WordPress's.
    let server = Server::start(move |request, client| {
        let is_front = request.starts_with("GET / ");
        let page = if is_front { "<script src='/wp-includes/js/x.js'></script>" } else { "" };
        respond(client, if is_front { "200 OK" } else { "404 Not Found" }, "", page);
    });
    assert_answer(&server.url, "rest_blocked", 1);
}

#[test]
fn a_server_that_gives_no_answer_leaves_it_open() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    assert_answer(&format!("http://127.0.0.1:{port}"), "unreachable", 1);
    assert_answer(&format!("127.0.0.1:{port}"), "unreachable", 1);
    let server = Server::start(|_, client| {
        respond(client, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"Staging\"\r\n", "");
    });
    assert_answer(&server.url, "http_authentication_required", 1);
    let server = Server::start(|_, client| respond(client, "503 Service Unavailable", "", ""));
    assert_answer(&server.url, "server_error", 1);
    let bare = server.url.strip_prefix("http://").unwrap();
    let (json, code, _) = discover_with(rig::binary, bare, &["--timeout=4s"]);
    assert_eq!((&json["code"], code), (&"server_error".into(), 1), "{json}");
    let server = Server::start(|_, _| std::thread::sleep(Duration::from_secs(3)));
    let (json, code, _) = discover_with(rig::binary, &server.url, &["--timeout=1s"]);
    assert_eq!((&json["code"], code), (&"timeout".into(), 1), "{json}");
    let count = AtomicU32::new(0);
    let server = Server::start(move |_, client| {
        let next = count.fetch_add(1, Ordering::SeqCst);
        respond(client, "302 Found", &format!("Location: /{next}\r\n"), "");
    });
    assert_answer(&server.url, "too_many_redirects", 1);
}

#[test]
fn what_is_no_address_is_a_mistake_of_the_caller() {
    for (url, words) in [
        ("", "is not the address"),
        ("ftp://example.org", "does not begin with https://"),
        ("https://user:hunter2@example.org/", "leave them out"),
        ("user:hunter2@example.org", "leave them out"),
    ] {
        let output = rig::binary().args(["discover", url, "--debug"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{url}");
        assert!(stderr.contains(words) && !stderr.contains("hunter2"), "{url}: {stderr}");
        assert_eq!(output.stdout, b"");
    }
}
