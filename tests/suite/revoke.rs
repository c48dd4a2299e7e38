//! `revoke-all` in a breach: over all users, with guards; and nothing that it removed can be resumed.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::process::Terminal;
use crate::proxy::{Next, Proxy, Side, contains};
use crate::rig::{self, Template};
use crate::suspend::{Place, item, list, quoted, text, uuid};
use crate::wordpress::Person;

const APP: &str = "11111111-1111-4111-8111-111111111111";

/// Two users with two entries each, of which one is of the vendor, and one suspended entry of the vendor.
fn breached(place: &mut Place) {
    place.0.set_meta(3, &list(&[(0, item(1, &[])), (1, item(2, &[]))]));
    place.0.set_meta(7, &list(&[(0, item(2, &[])), (1, item(3, &[("created", "i:1764000000;")]))]));
    place.0.add_meta(9, "_application_passwords_suspended", &list(&[(0, item(2, &[])), (1, item(4, &[]))]));
}

#[test]
fn of_a_compromised_vendor_nothing_is_left_and_nothing_can_be_resumed() {
    for mut place in Place::both() {
        breached(&mut place);
        let app = format!("--app-id={}", APP.to_uppercase());
        let before = place.0.metas();
        let dry = place.ends(2, &["revoke-all", &app, "--dry-run"]);
        assert!(
            dry.ends_with("Would revoke 3 application passwords of 3 users, 1 of them suspended.\n"),
            "{dry}"
        );
        assert!(dry.contains(&format!("{}  'Feed 2' of user 7 (999)\n", uuid(2))), "{dry}");
        assert!(dry.contains("'Feed 2' of user 9 (") && dry.contains(") (suspended)\n"), "{dry}");
        assert!(
            place
                .ends(1, &["revoke-all", &app])
                .contains("say --yes, or look first with --dry-run. Nothing was changed.")
        );
        assert!(
            place
                .ends(1, &["revoke-all", &app, "--yes", "--max=2"])
                .contains("more than --max=2. Nothing was changed.")
        );
        assert_eq!(place.0.metas(), before);
        let typed = Terminal::run_with_input(place.command(&["revoke-all", &app]), 120, b"no\n");
        assert_eq!(typed.exit_code, 1);
        assert!(text(&typed.received).contains("Revoke 3 application passwords of 3 users? [y/n]"));
        assert_eq!(place.0.metas(), before);
        assert_eq!(
            place.done(&["revoke-all", &app, "--yes", "--max=3"]),
            "Success: Revoked 2 application passwords of 3 users.\n1 suspended one was erased, and cannot be resumed.\n"
        );
        assert_eq!((place.uuids(3), place.uuids(7)), (vec![uuid(1)], vec![uuid(3)]));
        assert_eq!(place.suspended_uuids(9), [uuid(4)]);
        assert_eq!(
            place.ends(0, &["revoke-all", &app, "--dry-run"]),
            "Would revoke 0 application passwords of 0 users.\n"
        );
    }
}

#[test]
fn filters_narrow_each_other_and_one_of_them_is_needed() {
    for mut place in Place::both() {
        breached(&mut place);
        let before = place.0.metas();
        for nonsense in [
            &["revoke-all", "--yes"][..],
            &["revoke-all", "--name=", "--yes"],
            &["revoke-all", "3", "--all-users"],
            &["revoke-all", "3", "--role=author"],
            &["revoke-all", "--created-since=soon", "--yes"],
            &["revoke-all", "--created-since=2199-01-01", "--yes"],
            &["revoke-all", "--all-users", "--suspend", "--keep-suspended", "--yes"],
        ] {
            place.ends(1, nonsense);
        }
        assert_eq!(place.0.metas(), before);
        let app = format!("--app-id={APP}");
        let none = place.ends(0, &["revoke-all", &app, "--name=Feed 1", "--dry-run"]);
        assert!(none.contains("Would revoke 0"), "{none}");
        // 'min' does not say when it was created.
        let since = place.ends(2, &["revoke-all", "--created-since=2025-11-24", "--dry-run"]);
        assert!(
            since.contains("'min' of user 5")
                && since.contains("2 application passwords of 2 users.")
                && since.contains(&uuid(3)),
            "{since}"
        );
        // Of one user, without a yes.
        assert_eq!(
            place.done(&["revoke-all", "7", &app]),
            "Success: Revoked 1 application password of user 7 (999).\n"
        );
        assert_eq!((place.uuids(3).len(), place.uuids(7).len()), (2, 1));
    }
}

#[test]
fn what_does_not_say_when_it_was_created_is_as_new_as_any() {
    for mut place in Place::both() {
        place.0.sql("DELETE FROM wp_usermeta WHERE meta_key = '_application_passwords'");
        breached(&mut place);
        place.0.set_meta(3, &list(&[(0, item(1, &[])), (1, item(5, &[("created", "N;")]))]));
        let recent = [uuid(5), uuid(3)];
        for verb in ["revoke-all", "suspend", "prune"] {
            let shown = place.ends(2, &[verb, "--created-since=2025-11-24", "--dry-run"]);
            assert!(shown.contains("2 application passwords of 2 users."), "{verb}: {shown}");
            assert!(recent.iter().all(|uuid| shown.contains(uuid)), "{verb}: {shown}");
        }
        place.done(&["suspend", "--created-since=2025-11-24", "--yes"]);
        assert_eq!((place.uuids(3), place.uuids(7)), (vec![uuid(1)], vec![uuid(2)]));
        place.done(&["resume", "--created-since=2025-11-24", "--yes"]);
        assert_eq!((place.uuids(3), place.uuids(7)), (vec![uuid(1), uuid(5)], vec![uuid(2), uuid(3)]));
        for rule in ["--older-than=9000d", "--never-used-for=9000d", "--rule=old"] {
            let shown = place.ends(2, &["prune", rule, "--name=Feed 5", "--dry-run"]);
            assert!(shown.contains(&uuid(5)), "{rule}: {shown}");
        }
    }
}

#[test]
fn nothing_that_is_stored_forges_a_line_of_a_rehearsal() {
    for mut place in Place::both() {
        place.0.sql("DELETE FROM wp_usermeta WHERE meta_key = '_application_passwords'");
        let forged = "x\nWould revoke 0 application passwords of 0 users.\n\u{202e}";
        place.0.set_meta(3, &list(&[(0, item(1, &[("uuid", &quoted(forged)), ("name", &quoted(forged))]))]));
        for arguments in [
            &["revoke-all", "--all-users", "--dry-run"][..],
            &["revoke-all", "3", "--dry-run"],
            &["prune", "--created-since=7000d", "--dry-run"],
        ] {
            let shown = place.ends(2, arguments);
            assert_eq!(shown.lines().count(), 2, "{arguments:?}: {shown}");
            assert_eq!(shown.matches("x\\x0aWould revoke 0").count(), 2, "{arguments:?}: {shown}");
            assert!(!shown.contains('\u{202e}') && shown.contains("\\u{202e}"), "{arguments:?}: {shown}");
        }
    }
}

#[test]
fn all_users_lose_everything_or_have_it_suspended() {
    for mut place in Place::both() {
        breached(&mut place);
        let before = place.0.metas();
        let suspended =
            place.done(&["revoke-all", "--all-users", "--suspend", "--yes", "--replace-unreadable"]);
        assert!(suspended.starts_with("Success: Suspended "), "{suspended}");
        assert!(place.0.metas().values().all(|rows| crate::suspend::uuids(&rows[0]).is_empty()));
        place.done(&["resume", "--all-users", "--yes"]);
        for (user, rows) in &before {
            let now = place.0.metas().remove(user).unwrap();
            assert_eq!(text(&now[0]), text(&rows[0]), "user {user}");
        }
        let revoked = place.done(&["revoke-all", "--all-users", "--yes"]);
        assert!(
            revoked.contains("were erased, and cannot be resumed")
                || revoked.contains("was erased")
                || place.suspended(9) == b"a:0:{}",
            "{revoked}"
        );
        assert!(place.0.metas().values().all(|rows| rows[0] == b"a:0:{}"), "{:?}", place.0.metas());
        assert!(place.done(&["resume", "--all-users", "--yes"]).contains("Resumed 0"));
    }
}

#[test]
fn revoke_all_and_delete_all_erase_suspended_copies_unless_told_not_to() {
    for mut place in Place::both() {
        let both = list(&[(0, item(1, &[])), (1, item(2, &[]))]);
        for (command, kept) in [
            (&["revoke-all", "3"][..], false),
            (&["delete", "3", "--all"], false),
            (&["revoke-all", "3", "--keep-suspended"], true),
            (&["delete", "3", "--all", "--keep-suspended"], true),
        ] {
            place.0.set_meta(3, &both);
            place.done(&["suspend", "3", &uuid(1)]);
            let said = place.done(command);
            assert_eq!(place.uuids(3).len(), 0, "{command:?}");
            assert_eq!(place.suspended_uuids(3), if kept { vec![uuid(1)] } else { vec![] }, "{command:?}");
            // A mirrored verb says what WP-CLI says.
            if command[0] == "delete" {
                assert_eq!(said, "Success: Deleted all application passwords.\n");
            } else {
                assert_eq!(said.contains("1 suspended one was erased"), !kept, "{said}");
            }
        }
        // Only a suspended one is left: it still counts.
        let dry = place.ends(2, &["revoke-all", "3", "--dry-run"]);
        assert!(dry.contains("Would erase 1 suspended."), "{dry}");
        // A second row that nobody can read goes too.
        place.0.sql("UPDATE wp_usermeta SET meta_value = 'a:1:{broken' WHERE meta_key = '_application_passwords_suspended'");
        place.done(&["revoke-all", "3"]);
        assert_eq!(place.suspended(3), b"a:0:{}");
    }
}

#[test]
fn what_is_deleted_by_its_uuid_cannot_be_resumed() {
    for mut place in Place::both() {
        let both = list(&[(0, item(1, &[])), (1, item(2, &[]))]);
        place.0.set_meta(3, &both);
        place.done(&["suspend", "3", &uuid(1)]);
        assert_eq!(place.ends(1, &["delete", "3", &uuid(1), "--keep-suspended"]).lines().count(), 2);
        assert_eq!(place.suspended_uuids(3), [uuid(1)]);
        assert_eq!(place.done(&["delete", "3", &uuid(1)]), "Success: Deleted 1 of 1 application password.\n");
        assert!(place.suspended_uuids(3).is_empty());
        // In both rows: a suspension that was killed between its two writes.
        place.0.set_meta(3, &both);
        place.done(&["suspend", "3", "--all"]);
        place.0.set_meta(3, &both);
        assert_eq!(place.done(&["delete", "3", &uuid(1)]), "Success: Deleted 1 of 1 application password.\n");
        place.done(&["resume", "3", "--all"]);
        assert_eq!(place.uuids(3), [uuid(2)]);
        // A second row that nobody can read holds nothing that could be resumed.
        place.0.sql("UPDATE wp_usermeta SET meta_value = 'a:1:{broken' WHERE meta_key = '_application_passwords_suspended'");
        place.done(&["delete", "3", &uuid(2)]);
        assert!(place.uuids(3).is_empty());
    }
}

#[test]
fn what_somebody_resumes_during_a_revocation_does_not_stay() {
    for mut place in Place::both() {
        // After the list was emptied, and before the run ends, somebody resumes.
        let script = format!(
            "{} --db='{}' resume 3 --all >/dev/null",
            env!("CARGO_BIN_EXE_wp-app-password"),
            place.0.url()
        );
        for command in [
            &["revoke-all", "3", "--yes"][..],
            &["delete", "3", "--all"],
            &["revoke-all", "--all-users", "--yes"],
            &["revoke-all", "--name=Feed 1", "--yes"],
            &["prune", "--older-than=1d", "--user=3", "--yes"],
        ] {
            place.0.sql("DELETE FROM wp_usermeta WHERE meta_key LIKE '%application_passwords%'");
            let one = list(&[(0, item(1, &[]))]);
            place.0.set_meta(3, &one);
            place.done(&["suspend", "3", "--all"]);
            let other = item(4, &[("name", &quoted("Feed 1"))]);
            place.0.set_meta(3, &list(&[(0, other)]));
            let output = place.run(&[command, &[&format!("--after-write={script}")]].concat());
            assert!(output.status.success(), "{output:?}");
            assert_eq!(
                (place.uuids(3), place.suspended_uuids(3)),
                (vec![], vec![]),
                "{command:?}: {output:?}"
            );
        }
    }
}

/// A mover that is held back between its two writes, and killed as soon as it has made the second: nobody is left who would
/// see that its entry was revoked meanwhile, but the revocation, which waits for it.
#[test]
fn what_a_killed_mover_puts_back_does_not_stay() {
    let Some(rig) = rig::require() else { return };
    let database = rig.fresh_mariadb_database(Template::InnoDb);
    let tool = |arguments: &[&str]| {
        rig::output(rig::binary().args(arguments).env("WP_APP_PASSWORD_DB", database.socket_url("wp")))
    };
    database.sql("DELETE FROM wp_usermeta WHERE meta_key LIKE '%application_passwords%'");
    let password = tool(&["create", "3", "Feed 1", "--porcelain", "--no-confirm"]);
    let feed = tool(&["list", "3", "--field=uuid"]).trim().to_owned();
    let hex = database.sql(
        "SELECT HEX(meta_value) FROM wp_usermeta WHERE user_id = 3 AND meta_key = '_application_passwords'",
    );
    let hex = hex.trim();
    let count = |key: &str| {
        let held = database.sql(&format!(
            "SELECT COUNT(*) FROM wp_usermeta WHERE user_id = 3 AND meta_key = '{key}' AND meta_value LIKE '%{feed}%'"
        ));
        held.trim() == "1"
    };
    let (active, suspended) = ("_application_passwords", "_application_passwords_suspended");
    let until = |what: &str, is: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is() {
            assert!(began.elapsed() < Duration::from_secs(20), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    for (verb, statement, first) in
        [("resume", &b"'using_application_passwords'"[..], 1), ("suspend", b"START TRANSACTION", 2)]
    {
        for command in [
            &["revoke-all", "3", "--yes"][..],
            &["delete", "3", "--all"],
            &["delete", "3", &feed],
            &["revoke-all", "--all-users", "--yes"],
            &["revoke-all", "--name=Feed 1", "--yes"],
            &["identify", "--revoke", "--yes"],
        ] {
            let (from, to) = if verb == "resume" { (suspended, active) } else { (active, suspended) };
            database.sql(&format!(
                "DELETE FROM wp_usermeta WHERE meta_key LIKE '%application_passwords%';
                 INSERT INTO wp_usermeta (user_id, meta_key, meta_value) VALUES (3, '{active}', 'a:0:{{}}'), (3, '{suspended}', 'a:0:{{}}');
                 UPDATE wp_usermeta SET meta_value = x'{hex}' WHERE user_id = 3 AND meta_key = '{from}'"
            ));
            // How often it came by, and how often it may.
            let (seen, allowed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(first - 1)));
            let (came, may) = (seen.clone(), allowed.clone());
            let proxy = Proxy::start(&rig.mariadb, move |side| {
                if let Side::Client(bytes) = side
                    && contains(bytes, statement)
                {
                    let number = came.fetch_add(1, Ordering::SeqCst) + 1;
                    while may.load(Ordering::SeqCst) < number {
                        std::thread::sleep(Duration::from_millis(2));
                    }
                }
                Next::Forward
            });
            let url = database.url("wp").replace(
                &format!("@{}:{}/", rig.mariadb.host, rig.mariadb.port),
                &format!("@127.0.0.1:{}/", proxy.port),
            );
            let run = |url: &str, arguments: &[&str]| {
                use std::io::Write;
                let mut command = rig::binary();
                command.stdin(Stdio::piped());
                command
                    .args(arguments)
                    .env("WP_APP_PASSWORD_DB", url)
                    .stdout(Stdio::piped())
                    .stderr(Stdio::piped());
                let mut child = command.spawn().unwrap();
                child.stdin.take().unwrap().write_all(password.as_bytes()).unwrap();
                child
            };
            let mut mover = run(&format!("{url}?ssl-mode=disabled"), &[verb, "3", "--all", "--confirm=20"]);
            until("it is held back", &|| seen.load(Ordering::SeqCst) >= first);
            let revoker = run(&database.socket_url("wp"), command);
            until("all is revoked", &|| !count(active) && !count(suspended));
            std::thread::sleep(Duration::from_millis(200));
            allowed.store(first, Ordering::SeqCst);
            until("it went on", &|| count(to));
            mover.kill().unwrap();
            mover.wait().unwrap();
            let output = revoker.wait_with_output().unwrap();
            assert!(output.status.success(), "{verb}, {command:?}: {output:?}");
            assert!(!count(active) && !count(suspended), "{verb}, {command:?}: {output:?}");
            // Whoever waits in the proxy goes.
            allowed.store(usize::MAX, Ordering::SeqCst);
        }
    }
}

/// As long as the copy is there, a resumption takes a revocation for an older list that WordPress wrote back.
#[test]
fn a_revocation_ends_well_while_a_resumption_watches_its_row() {
    for mut place in Place::both() {
        let feed = uuid(1);
        for command in [
            &["revoke-all", "3", "--yes"][..],
            &["delete", "3", "--all"],
            &["delete", "3", &feed],
            &["revoke-all", "--all-users", "--yes"],
            &["prune", "--older-than=1d", "--yes"],
        ] {
            place.0.sql("DELETE FROM wp_usermeta WHERE meta_key LIKE '%application_passwords%'");
            place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
            place.done(&["suspend", "3", "--all"]);
            let mut resume = place.command(&["resume", "3", "--all", "--confirm=2"]);
            let resume = resume.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let began = Instant::now();
            while place.uuids(3).is_empty() {
                assert!(began.elapsed() < Duration::from_secs(20), "it is in service");
                std::thread::sleep(Duration::from_millis(5));
            }
            let output = place.run(command);
            assert!(output.status.success(), "{command:?}: {output:?}");
            assert_eq!(
                (place.uuids(3), place.suspended_uuids(3)),
                (vec![], vec![]),
                "{command:?}: {output:?}"
            );
            let resumed = resume.wait_with_output().unwrap();
            assert!(text(&resumed.stdout).contains("Resumed 0 application passwords"), "{resumed:?}");
        }
    }
}

#[test]
fn the_big_red_button_leaves_no_list_that_nobody_can_read() {
    for mut place in Place::both() {
        let folder = tempfile::tempdir().unwrap();
        let journal = format!("--journal={}", folder.path().join("journal").display());
        place.0.sql("DELETE FROM wp_usermeta WHERE meta_key LIKE '%application_passwords%'");
        place.0.set_meta(2, b"a:1:{broken");
        place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
        place.0.add_meta(3, "_application_passwords_suspended", b"a:1:{broken");
        let said = place.ends(1, &["suspend", "3", "--all"]);
        assert!(said.contains("The suspended application passwords of user 3"), "{said}");
        for refused in [
            &["revoke-all", "--all-users", "--suspend", "--yes", "--replace-unreadable"][..],
            &["suspend", "2", "--all", "--replace-unreadable"],
        ] {
            let output = place.run(refused);
            assert!(matches!(output.status.code(), Some(1 | 3)), "{output:?}");
            assert!(text(&output.stderr).contains("The application passwords of user 2"), "{output:?}");
        }
        assert_eq!(place.list(2), b"a:1:{broken");
        place.0.sql("DELETE FROM wp_usermeta WHERE meta_key LIKE '%application_passwords_suspended%'");
        place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
        place.0.add_meta(3, "_application_passwords_suspended", b"a:1:{broken");
        let said = place.ends(3, &["revoke-all", "--all-users", "--yes"]);
        assert!(said.contains("User 2 (editor1): ") && place.list(2) == b"a:1:{broken", "{said}");
        // What cannot be read can not be resumed either.
        assert_eq!((place.uuids(3).len(), place.suspended(3)), (0, b"a:0:{}".to_vec()), "{said}");
        let said = place.ends(0, &["revoke-all", "--all-users", "--yes", "--replace-unreadable", &journal]);
        assert_eq!(place.list(2), b"a:0:{}", "{said}");
        let records = std::fs::read_to_string(folder.path().join("journal")).unwrap();
        assert!(records.contains("\"action\":\"replace-unreadable\""), "{records}");
    }
}

#[test]
fn what_is_revoked_is_said_to_be_where_nobody_reads_it() {
    for mut place in Place::both() {
        for command in
            ["revoke-all --all-users --yes", "suspend --all-users --yes", "prune --older-than=1d --yes"]
        {
            place.0.set_meta(3, &list(&[(0, item(1, &[]))]));
            let shell = format!("{} {command} >/dev/full", env!("CARGO_BIN_EXE_wp-app-password"));
            let mut run = std::process::Command::new("sh");
            let output = run.args(["-c", &shell]).env("WP_APP_PASSWORD_DB", place.0.url()).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(text(&output.stderr).contains("That is saved, but"), "{output:?}");
            assert!(place.uuids(3).is_empty());
        }
    }
}

#[test]
fn wp_clis_acting_user_is_not_taken_for_a_choice() {
    for mut place in Place::both() {
        breached(&mut place);
        let before = place.0.metas();
        for command in [
            &["revoke-all", "--all-users", "--yes"][..],
            &["revoke-all", "--name=Feed 1", "--dry-run"],
            &["suspend", "--all-users", "--yes"],
            &["resume", "--name=Feed 1", "--yes"],
            &["audit"],
            &["rotate", "--finish"],
        ] {
            let said = place.ends(1, &[command, &["--user=author1"]].concat());
            assert!(said.contains("--user does not choose"), "{command:?}: {said}");
        }
        assert_eq!(place.0.metas(), before);
        let said = place.ends(2, &["revoke-all", "3", "--user=author1", "--dry-run"]);
        assert!(said.contains("Would revoke 2 application passwords of user 3"), "{said}");
    }
}

#[test]
fn what_cannot_be_revoked_is_not_erased_either() {
    let mut place = Place::both().remove(0);
    let one = list(&[(0, item(1, &[]))]);
    let other = list(&[(0, item(4, &[("name", &quoted("Feed 1"))]))]);
    place.0.set_meta(3, &one);
    place.0.add_meta(3, "_application_passwords_suspended", &other);
    place.0.sql(
        "CREATE TRIGGER no BEFORE UPDATE ON wp_usermeta WHEN old.meta_key = '_application_passwords' \
         BEGIN SELECT RAISE(ABORT, 'not this one'); END",
    );
    for command in [
        &["revoke-all", "3", "--name=Feed 1"][..],
        &["revoke-all", "3", "--yes"],
        &["delete", "3", "--all"],
        &["delete", "3", &uuid(1), &uuid(4)],
    ] {
        let said = place.ends(1, command);
        assert!(said.contains("not this one"), "{said}");
        assert_eq!((place.list(3), place.suspended(3)), (one.clone(), other.clone()), "{command:?}");
    }
    let said = place.ends(3, &["prune", "--name=Feed 1", "--yes"]);
    assert!(said.contains("1 of 1 user failed."), "{said}");
    assert_eq!((place.list(3), place.suspended(3)), (one, other));
}

#[test]
fn what_was_revoked_is_told_where_suspended_ones_cannot_be_read() {
    for mut place in Place::both() {
        place.0.sql("DELETE FROM wp_usermeta WHERE meta_key LIKE '%application_passwords%'");
        place.0.set_meta(3, &list(&[(0, item(1, &[])), (1, item(2, &[]))]));
        place.0.add_meta(3, "_application_passwords_suspended", b"a:1:{broken");
        let said = place.ends(2, &["revoke-all", "3", "--name=Feed 1", "--dry-run"]);
        assert!(said.contains("The lists of 1 user could not be read (user_id 3)"), "{said}");
        let said = place.ends(3, &["revoke-all", "3", "--name=Feed 1"]);
        assert!(said.starts_with("Success: Revoked 1 application password of user 3"), "{said}");
        assert!(said.contains("Error: The suspended application passwords of user 3"), "{said}");
        let said = place.ends(3, &["revoke-all", "--name=Feed 2", "--yes"]);
        assert!(said.starts_with("Success: Revoked 1 application password of 1 user."), "{said}");
        assert!(said.contains("Error: The suspended application passwords of user 3"), "{said}");
        assert!(place.uuids(3).is_empty());
    }
}

#[test]
fn one_list_that_fails_does_not_keep_the_others() {
    for mut place in Place::both() {
        breached(&mut place);
        place.0.set_meta(2, b"a:1:{broken");
        let app = format!("--app-id={APP}");
        let said = place.ends(3, &["revoke-all", &app, "--yes"]);
        assert!(said.contains("Revoked 2 application passwords of 3 users."), "{said}");
        assert!(said.contains("The lists of 1 user could not be read (user_id 2)"), "{said}");
        let said = place.ends(3, &["revoke-all", "--all-users", "--yes"]);
        assert!(said.contains("User 2 (editor1): ") && said.contains("1 of "), "{said}");
        assert!(place.uuids(3).is_empty() && place.uuids(7).is_empty());
        assert_eq!(place.list(2), b"a:1:{broken");
    }
}

#[test]
fn what_a_cache_was_not_told_of_is_told_when_the_command_is_given_again() {
    let Some(rig) = rig::require() else { return };
    for (name, nobody) in
        [("wp71-redis", "--cache=redis://127.0.0.1:1"), ("wp71-memcached", "--cache=memcached://127.0.0.1:1")]
    {
        let site = rig.site(name);
        // It tells the cache of all users, and others ask what the cache still holds.
        let _alone = site.in_use.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        for (number, verb) in ["revoke-all", "prune", "suspend"].into_iter().enumerate() {
            let person = Person::new(rig, site);
            let app = format!("{:08x}-4444-4444-8444-44444444444{number}", std::process::id());
            let app = format!("--app-id={app}");
            let password =
                rig::output(site.tool().args(["create", &person.login, "Vendor", "--porcelain", &app]))
                    .trim()
                    .to_owned();
            let status = || site.get("/wp-json/wp/v2/users/me", &person.login, &password).status;
            assert_eq!(status(), 200);
            // The database has it, the cache is not reached.
            let output = site.tool().args([verb, &app, "--yes", nobody]).output().unwrap();
            assert_eq!(output.status.code(), Some(3), "{output:?}");
            assert!(text(&output.stdout).contains("1 application password of 1 user."), "{output:?}");
            // There is nothing left to choose, and it is no success as long as the cache is not told.
            let output = site.tool().args([verb, &app, "--yes", nobody]).output().unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            assert!(
                said.contains("Error: All that was chosen is ") && output.stdout.is_empty(),
                "{output:?}"
            );
            // Where a command is what tells the cache, it hears of everybody who was looked at.
            let folder = tempfile::tempdir().unwrap();
            let heard = folder.path().join("heard");
            let command =
                format!("--after-write=echo \" $WP_APP_PASSWORD_USER_IDS \" >>'{}'", heard.display());
            rig::output(site.tool().args([verb, &app, "--yes", nobody, &command]));
            let ids = std::fs::read_to_string(&heard).unwrap();
            assert!(ids.contains(&format!(" {} ", person.id)) && ids.lines().count() == 1, "{ids}");
            let output =
                site.tool().args([verb, &app, "--yes", nobody, "--after-write=exit 7"]).output().unwrap();
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            rig::output(site.tool().args([verb, &app, "--yes"]));
            assert_eq!(status(), 401, "{name} {verb}");
        }
        // A string that leaked is looked for in the database, and may be gone from there already.
        let person = Person::new(rig, site);
        let password = rig::output(site.tool().args(["create", &person.login, "Leaked", "--porcelain"]))
            .trim()
            .to_owned();
        let status = || site.get("/wp-json/wp/v2/users/me", &person.login, &password).status;
        assert_eq!(status(), 200);
        let folder = tempfile::tempdir().unwrap();
        let leak = folder.path().join("leak");
        std::fs::write(&leak, &password).unwrap();
        let identify = |arguments: &[&str]| {
            let output =
                site.tool().arg("identify").arg(&leak).args(["--revoke", "--yes"]).args(arguments).output();
            let output = output.unwrap();
            (output.status.code(), text(&output.stderr))
        };
        assert_eq!(identify(&[nobody]).0, Some(1));
        let (code, said) = identify(&[nobody]);
        assert!(
            code == Some(1) && said.contains("None of the strings is in the database"),
            "{code:?} {said}"
        );
        let (code, said) = identify(&[]);
        assert_eq!((code, status()), (Some(4), 401), "{name}: {said}");
    }
}

#[test]
fn what_a_finished_rotation_could_not_tell_a_cache_is_told_by_the_next() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71-redis");
    // It tells the cache of all users, and others ask what the cache still holds.
    let _alone = site.in_use.write().unwrap_or_else(|poisoned| poisoned.into_inner());
    let person = Person::new(rig, site);
    let login = person.login.as_str();
    let old = rig::output(site.tool().args(["create", login, "Feed", "--porcelain"])).trim().to_owned();
    let id = rig::output(site.tool().args(["list", login, "--format=ids"])).trim().to_owned();
    let status = || site.get("/wp-json/wp/v2/users/me", login, &old).status;
    rig::output(site.tool().args(["rotate", login, &id, "--porcelain", "--overlap=1h", "--no-live"]));
    assert_eq!(status(), 200);
    let nobody = ["rotate", "--finish", login, "--now", "--cache=redis://127.0.0.1:1"];
    let output = site.tool().args(nobody).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(status(), 200, "the cache has it still");
    rig::output(site.tool().args(["rotate", "--finish"]));
    assert_eq!(status(), 401);
}

#[test]
fn a_misspelt_role_is_no_success() {
    for mut place in Place::both() {
        breached(&mut place);
        let before = place.0.metas();
        for verb in ["revoke-all", "suspend", "resume", "prune"] {
            for last in ["--yes", "--dry-run"] {
                let said = place.ends(1, &[verb, "--role=Author", last]);
                assert!(
                    said.starts_with(
                        "Error: There is no role 'Author' here. There are: administrator, author, "
                    ),
                    "{said}"
                );
            }
        }
        assert_eq!(place.0.metas(), before);
    }
}

#[test]
fn a_role_of_any_site_counts() {
    for mut place in Place::both() {
        breached(&mut place);
        for (user, role) in [(3, "shop_manager"), (7, "editor")] {
            place.0.sql(&format!(
                "DELETE FROM wp_usermeta WHERE user_id = {user} AND meta_key = 'wp_capabilities'"
            ));
            place.0.add_meta(user, "wp_capabilities", format!("a:1:{{{}b:1;}}", quoted(role)).as_bytes());
        }
        let said = place.ends(2, &["revoke-all", "--role=editor", "--dry-run"]);
        assert!(said.contains("of user 7 (999)") && !said.contains("of user 3 ("), "{said}");
    }
}

#[test]
fn a_vendor_of_a_real_site_is_shut_out() {
    let Some(rig) = rig::require() else { return };
    let site = rig.site("wp71");
    let _feature_stays_on = site.in_use.read().unwrap_or_else(|poisoned| poisoned.into_inner());
    let app = format!("{:08x}-2222-4222-8222-222222222222", std::process::id());
    let people = [Person::new(rig, site), Person::new(rig, site)];
    let passwords: Vec<String> = people
        .iter()
        .map(|person| {
            let app = format!("--app-id={app}");
            rig::output(site.tool().args(["create", &person.login, "Vendor", "--porcelain", &app]))
                .trim()
                .to_owned()
        })
        .collect();
    let others: Vec<String> = people
        .iter()
        .map(|person| {
            rig::output(site.tool().args(["create", &person.login, "Own", "--porcelain"])).trim().to_owned()
        })
        .collect();
    let status =
        |at: usize, password: &str| site.get("/wp-json/wp/v2/users/me", &people[at].login, password).status;
    let said = rig::output(site.tool().args(["revoke-all", &format!("--app-id={app}"), "--yes"]));
    assert_eq!(said.trim(), "Success: Revoked 2 application passwords of 2 users.");
    for at in 0..2 {
        assert_eq!((status(at, &passwords[at]), status(at, &others[at])), (401, 200));
    }
}
