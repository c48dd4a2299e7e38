//! The README's examples, run as they are printed.
//!
//! Every ```` ```console ```` block is a session: `$ ` lines are given to a shell, one after another in one
//! home folder, and what follows must come out on stdout. Passwords, uuids and times of day may differ. Of the
//! ```` ```sh ```` blocks those are run that begin with the program's name or with `cargo run --release --`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;

use crate::verify::{Server, respond};

/// A folder that is home and holds the program on the search path.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_wp-app-password"),
            folder.path().join("bin/wp-app-password"),
        )
        .unwrap();
        Self { folder }
    }

    /// What the examples speak of: a WordPress with the SQLite integration, a copy of its settings, and an
    /// environment.
    fn add_a_site(&self) {
        let home = self.folder.path();
        let content = home.join("www/wp-content");
        for folder in [content.join("database"), home.join("backup"), home.join("completions")] {
            std::fs::create_dir_all(folder).unwrap();
        }
        let config = "<?php\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n";
        std::fs::write(home.join("www/wp-load.php"), "<?php\n").unwrap();
        std::fs::write(home.join("www/wp-config.php"), config).unwrap();
        std::fs::write(home.join("backup/wp-config.php"), config).unwrap();
        let key =
            "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMuEDFFPmjZyRcOfVS0xXjnsD1Hlfwq5UzQlDZY6Wc/T me@example\n";
        std::fs::create_dir(home.join(".ssh")).unwrap();
        std::fs::write(home.join(".ssh/id_ed25519.pub"), key).unwrap();
        std::fs::write(home.join("web.env"), "WP_ENVIRONMENT_TYPE=production\n").unwrap();
        std::fs::write(content.join("db.php"), "<?php define( 'SQLITE_DB_DROPIN_VERSION', '1.8.0' );")
            .unwrap();
        wp_app_password::store::sandbox::create(&content.join("database/.ht.sqlite")).unwrap();
    }

    /// What "Rotate from CI" speaks of: the password that is rotated, and in place of `gh`, `kubectl` and `curl` programs
    /// that keep what they are given on standard input.
    fn add_a_pipeline(&self) {
        use std::os::unix::fs::PermissionsExt;
        let home = self.folder.path();
        std::fs::create_dir_all(home.join("feed")).unwrap();
        for name in ["gh", "kubectl", "curl"] {
            let program = home.join("bin").join(name);
            std::fs::write(
                &program,
                format!("#!/bin/sh\necho \"$@\" >{name}.arguments\ncat >{name}.input\n"),
            )
            .unwrap();
            std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let output = self.shell("wp-app-password --path=www create inventory-sync-bot Sync");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[allow(clippy::disallowed_methods, reason = "the search path is all that a shell needs of it")]
    fn shell(&self, line: &str) -> std::process::Output {
        let path = std::env::var("PATH").unwrap_or_default();
        Command::new("sh")
            .arg("-c")
            .arg(line)
            .env_clear()
            .env("HOME", self.folder.path())
            .env("PATH", format!("{}:{path}", self.folder.path().join("bin").display()))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

fn readme() -> String {
    std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

fn blocks<'a>(text: &'a str, kind: &str) -> Vec<&'a str> {
    let fence = format!("```{kind}\n");
    text.split(fence.as_str())
        .skip(1)
        .filter_map(|rest| rest.split_once("```").map(|(block, _)| block))
        .collect()
}

/// What differs from run to run.
fn stable(text: &str) -> String {
    let rules = [
        (r"(?m)^(Password: )?[A-Za-z0-9]{24}$", "$1(password)"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", "(uuid)"),
        (r"\b1[789][0-9]{8}\b", "(time)"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, by)| {
        Regex::new(pattern).unwrap().replace_all(&text, *by).into_owned()
    })
}

#[test]
fn every_console_example_prints_what_the_readme_says() {
    let text = readme();
    let home = Home::new();
    let mut commands = 0;
    for block in blocks(&text, "console") {
        for example in block.split("$ ").skip(1) {
            let (command, expected) = example.split_once('\n').unwrap();
            let output = home.shell(command);
            assert_eq!(
                stable(&String::from_utf8_lossy(&output.stdout)),
                stable(expected),
                "{command}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            commands += 1;
        }
    }
    assert!(commands >= 8, "only {commands} examples found");
}

#[test]
fn every_shell_example_that_starts_the_program_succeeds() {
    let text = readme();
    let home = Home::new();
    home.add_a_site();
    home.add_a_pipeline();
    // The site of "Discover and authorize": it is WordPress, as far as these commands look.
    let shop = Server::start(|request, client| {
        let origin =
            request.lines().find_map(|line| line.strip_prefix("Host: ").or(line.strip_prefix("host: ")));
        let screen =
            format!("http://{}/wp-admin/authorize-application.php", origin.unwrap_or_default().trim());
        let index = format!(
            "{{\"namespaces\":[\"wp/v2\"],\"authentication\":{{\"application-passwords\":{{\"endpoints\":{{\"authorization\":\"{screen}\"}}}}}}}}"
        );
        respond(client, "200 OK", "", &index);
    });
    let mut commands = 0;
    for line in blocks(&text, "sh").into_iter().flat_map(str::lines) {
        let line = line.replace("cargo run --release --", "wp-app-password");
        if !line.starts_with("wp-app-password ") {
            continue;
        }
        // Where an example reads or writes a system's folder, the test has its own; a pager shows nothing here.
        let line = line
            .replace("/etc/bash_completion.d/", "completions/")
            .replace("/srv/www", "www")
            .replace("/etc/feed", "feed")
            .replace("/proc/$(pgrep -o php-fpm)/environ", "web.env")
            .replace("https://shop.example", &shop.url)
            .replace("man -l -", "cat");
        let output = home.shell(&line);
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        commands += 1;
    }
    assert!(commands >= 3, "only {commands} examples found");
}

#[test]
fn the_pipelines_of_rotate_from_ci_deliver_a_password_that_works() {
    let text = readme();
    let (_, section) = text.split_once("\n## Rotate from CI\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let home = Home::new();
    home.add_a_site();
    home.add_a_pipeline();
    let read = |name: &str| std::fs::read_to_string(home.folder.path().join(name)).unwrap_or_default();
    let works = |password: &str| {
        let output = home.shell(&format!(
            "printf %s '{password}' | wp-app-password --path=www verify inventory-sync-bot --porcelain"
        ));
        output.status.success()
    };
    let mut seen = Vec::new();
    for line in blocks(section, "yaml").into_iter().chain(blocks(section, "sh")).flat_map(str::lines) {
        let Some((_, command)) = line.split_once("wp-app-password ") else { continue };
        let command =
            command.strip_prefix("--path=/srv/www ").unwrap_or(command).replace("/etc/feed", "feed");
        let output = home.shell(&format!("wp-app-password --path=www {command}"));
        assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        let delivered = if command.contains("gh secret set") {
            Some(("gh", read("gh.input")))
        } else if command.contains("curl ") {
            assert!(read("curl.arguments").contains("--form value=<-"), "{}", read("curl.arguments"));
            Some(("curl", read("curl.input")))
        } else if command.contains("kubectl ") {
            let manifest = read("kubectl.input");
            let line = manifest.lines().find(|line| line.trim().starts_with("password:")).unwrap().to_owned();
            let value = line.split(':').nth(1).unwrap().trim().trim_matches('"');
            use base64::Engine as _;
            let decoded = base64::engine::general_purpose::STANDARD.decode(value);
            Some(("kubectl", decoded.map_or(value.to_owned(), |bytes| String::from_utf8(bytes).unwrap())))
        } else if command.contains("feed/password") {
            Some(("file", read("feed/password").trim_end().to_owned()))
        } else {
            None
        };
        if let Some((way, password)) = delivered {
            assert!(works(&password), "{line}");
            assert!(!read(&format!("{way}.arguments")).contains(&password), "{line}");
            seen.push(way);
        }
        if command.contains("--json") {
            let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!(report["status"], "changed");
        }
    }
    assert_eq!(seen, ["gh", "curl", "file", "file", "kubectl"]);
}

#[test]
fn what_the_readme_points_at_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in
        ["tests/run", "completions", "man", "tests/golden", "LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"]
    {
        assert!(root.join(path).exists(), "{path}");
    }
}
