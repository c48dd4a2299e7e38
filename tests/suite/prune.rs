//! `prune`: what is stale goes, what is used stays, and a mistake stops before anything is changed.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::process::Terminal;
use crate::suspend::{Place, item, list, text, uuid};

const DAY: i64 = 86_400;

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

/// An entry that was created, and last used, so many days ago.
fn aged(number: u8, created: i64, used: Option<i64>, more: &[(&str, &str)]) -> Vec<u8> {
    let created = format!("i:{};", now() - created * DAY);
    let used = used.map_or_else(|| "N;".to_owned(), |days| format!("i:{};", now() - days * DAY));
    let fields = [&[("created", created.as_str()), ("last_used", used.as_str())], more].concat();
    item(number, &fields)
}

/// 1 is in use, 2 was never used, 3 was used long ago, 4 is expired, 5 was rotated away and is due, 6 took its place,
/// 7 was rotated away and what took its place is gone.
fn stale(place: &mut Place) {
    place.0.sql("DELETE FROM wp_usermeta WHERE meta_key = '_application_passwords'");
    let time = |days: i64| format!("i:{};", now() - days * DAY);
    let by = crate::suspend::quoted(&uuid(6));
    let gone = crate::suspend::quoted(&uuid(9));
    place.0.set_meta(
        3,
        &list(&[
            (0, aged(1, 400, Some(1), &[])),
            (1, aged(2, 40, None, &[])),
            (2, aged(3, 200, Some(100), &[])),
        ]),
    );
    place.0.set_meta(
        7,
        &list(&[
            (0, aged(4, 10, Some(2), &[("expires", &time(1))])),
            (1, aged(5, 10, Some(2), &[("retire_at", &time(1)), ("rotated_by", &by)])),
            (
                2,
                aged(
                    6,
                    2,
                    Some(1),
                    &[("expires", &time(-5)), ("rotated_name", &crate::suspend::quoted("Feed 5"))],
                ),
            ),
            (3, aged(7, 10, Some(2), &[("retire_at", &time(1)), ("rotated_by", &gone)])),
        ]),
    );
}

#[test]
fn each_rule_chooses_what_it_says() {
    for mut place in Place::both() {
        for (rules, chosen) in [
            (&["--unused-for=90d"][..], &[3][..]),
            (&["--unused-for=101d"], &[]),
            (&["--never-used-for=30d"], &[2]),
            (&["--never-used-for=41d"], &[]),
            (&["--older-than=365d"], &[1]),
            (&["--older-than=1d"], &[1, 2, 3, 4, 5, 6, 7]),
            (&["--expired"], &[4]),
            (&["--rotated"], &[5]),
            (&["--unused-for=90d", "--never-used-for=30d", "--expired", "--rotated"], &[2, 3, 4, 5]),
            (&["--older-than=1d", "--name=feed 6"], &[6]),
            (&["--name=Feed 6"], &[6]),
            (&["--app-id=11111111-1111-4111-8111-111111111111"], &[2]),
            (&["--older-than=1d", "--app-id=11111111-1111-4111-8111-111111111112"], &[]),
            (&["--older-than=1d", "--user=7"], &[4, 5, 6, 7]),
            (&["--rule=never-used,unused"], &[2, 3]),
            (&["--rule=expired", "--rule=old"], &[1, 4]),
            (&["--rule=unused", "--unused-for=150d"], &[]),
            (&["--rule=weak-hash"], &[]),
            (&["--created-since=20d"], &[4, 5, 6, 7]),
        ] {
            stale(&mut place);
            let before = place.0.metas();
            let dry = [&["prune", "--dry-run"], rules].concat();
            let shown = place.ends(if chosen.is_empty() { 0 } else { 2 }, &dry);
            for number in 1..=7 {
                assert_eq!(shown.contains(&uuid(number)), chosen.contains(&number), "{rules:?}: {shown}");
            }
            assert_eq!(place.0.metas(), before, "{rules:?}");
            place.done(&[&["prune", "--yes"], rules].concat());
            let left = [place.uuids(3), place.uuids(7)].concat();
            let expected: Vec<String> = (1..=7).filter(|number| !chosen.contains(number)).map(uuid).collect();
            assert_eq!(left, expected, "{rules:?}");
        }
    }
}

#[test]
fn the_one_that_took_a_place_gets_the_name_that_is_free_again() {
    for mut place in Place::both() {
        stale(&mut place);
        place.done(&["prune", "--rotated", "--yes"]);
        let left = text(&place.list(7));
        assert!(left.contains("s:4:\"name\";s:6:\"Feed 5\"") && !left.contains("rotated_name"), "{left}");
    }
}

#[test]
fn md5_and_other_rules_of_the_audit_choose_single_entries() {
    for mut place in Place::both() {
        stale(&mut place);
        let md5 = crate::suspend::quoted("5f4dcc3b5aa765d61d8327deb882cf99");
        place.0.set_meta(
            3,
            &list(&[
                (0, aged(1, 1, Some(1), &[("password", &md5)])),
                (1, aged(2, 1, Some(1), &[("name", &crate::suspend::quoted("WordPress Core"))])),
                (2, aged(3, 1, Some(1), &[])),
            ]),
        );
        let shown = place.ends(2, &["prune", "--user=3", "--rule=weak-hash,imitates-core", "--dry-run"]);
        assert!(shown.contains(": weak-hash\n") && shown.contains(": imitates-core\n"), "{shown}");
        place.done(&["prune", "--user=3", "--rule=weak-hash", "--rule=imitates-core", "--yes"]);
        assert_eq!(place.uuids(3), [uuid(3)]);
        let refused = place.ends(1, &["prune", "--rule=not-https", "--yes"]);
        assert!(refused.contains("does not say which entries should go. Those that do: "), "{refused}");
        assert!(place.ends(1, &["prune", "--rule=unusd", "--yes"]).contains("Did you mean 'unused'?"));
    }
}

#[test]
fn a_script_says_yes_a_person_is_asked_and_a_limit_stops_a_mistake() {
    for mut place in Place::both() {
        stale(&mut place);
        let before = place.0.metas();
        assert!(place.ends(1, &["prune"]).contains("Say which: --unused-for=90d"));
        assert!(place.ends(1, &["prune", "--unused-for=90"]).contains("give a number and a unit"));
        assert!(
            place
                .ends(1, &["prune", "--older-than=1d"])
                .contains("say --yes; --dry-run shows what it would be")
        );
        assert!(place.ends(1, &["prune", "--older-than=1d", "--user=3"]).contains("say --yes"));
        assert!(
            place
                .ends(1, &["prune", "--older-than=1d", "--yes", "--max=6"])
                .contains("7 application passwords of 2 users would be revoked, which is more than --max=6")
        );
        let typed = Terminal::run_with_input(place.command(&["prune", "--older-than=1d"]), 120, b"\n");
        assert_eq!(typed.exit_code, 1);
        assert!(
            text(&typed.received).contains("Revoke 7 application passwords of 2 users? [y/n]"),
            "{}",
            text(&typed.received)
        );
        assert_eq!(place.0.metas(), before);
        let typed =
            Terminal::run_with_input(place.command(&["prune", "--unused-for=90d", "--max=1"]), 120, b"yes\n");
        assert_eq!(typed.exit_code, 0, "{}", text(&typed.received));
        assert_eq!(place.uuids(3), [uuid(1), uuid(2)]);
        assert_eq!(
            place.done(&["prune", "--unused-for=90d", "--yes"]),
            "Success: Revoked 0 application passwords of 0 users.\n"
        );
    }
}

#[test]
fn a_rehearsal_says_what_it_could_not_look_at() {
    for mut place in Place::both() {
        stale(&mut place);
        place.0.set_meta(7, b"a:1:{broken");
        let unseen = "The lists of 1 user could not be read (user_id 7), so nothing in them was looked at.";
        let said = place.ends(2, &["prune", "--unused-for=90d", "--dry-run"]);
        assert!(said.contains(unseen) && said.contains("Would revoke 1 application password"), "{said}");
        for command in [
            &["prune", "--unused-for=900d", "--dry-run"][..],
            &["suspend", "--created-since=1d", "--dry-run"],
        ] {
            let said = place.ends(3, command);
            assert!(said.contains(unseen) && said.contains(" 0 application passwords of 0 users."), "{said}");
        }
        place.0.sql("DELETE FROM wp_usermeta WHERE user_id = 3");
        let said = place.ends(3, &["revoke-all", "--all-users", "--dry-run"]);
        assert!(said.contains(unseen), "{said}");
        place.0.reset();
    }
}

#[test]
fn pruned_is_erased_also_where_it_is_suspended_or_can_be_resumed() {
    for mut place in Place::both() {
        stale(&mut place);
        place.done(&["prune", "--unused-for=90d", "--suspend", "--yes"]);
        assert_eq!((place.uuids(3), place.suspended_uuids(3)), (vec![uuid(1), uuid(2)], vec![uuid(3)]));
        assert!(
            place.done(&["prune", "--unused-for=90d", "--yes", "--keep-suspended"]).contains("Revoked 0")
        );
        assert_eq!(place.suspended_uuids(3), [uuid(3)]);
        let said = place.done(&["prune", "--unused-for=90d", "--yes"]);
        assert_eq!(
            said,
            "Success: Revoked 0 application passwords of 1 user.\n1 suspended one was erased, and cannot be resumed.\n"
        );
        assert!(place.suspended_uuids(3).is_empty());
    }
}

#[test]
fn what_was_rotated_away_is_erased_also_where_it_is_suspended() {
    for mut place in Place::both() {
        stale(&mut place);
        place.done(&["suspend", "7", &uuid(5)]);
        let shown = place.ends(2, &["prune", "--rotated", "--dry-run"]);
        assert!(shown.contains(&uuid(5)) && shown.contains("(suspended)"), "{shown}");
        for user in [&[][..], &["--user=7"]] {
            stale(&mut place);
            place.done(&["suspend", "7", &uuid(5)]);
            place.done(&[&["prune", "--rotated", "--yes"], user].concat());
            assert!(place.suspended_uuids(7).is_empty());
        }
    }
}

#[test]
fn an_entry_that_is_used_meanwhile_stays() {
    for mut place in Place::both() {
        stale(&mut place);
        // The first user's change runs a command that uses the second user's entry before its turn comes.
        place.0.set_meta(7, &list(&[(0, aged(4, 200, Some(100), &[])), (1, aged(5, 200, Some(100), &[]))]));
        let script = format!(
            "test $WP_APP_PASSWORD_USER_IDS = 7 || {} --db='{}' record-usage 7 {}",
            env!("CARGO_BIN_EXE_wp-app-password"),
            place.0.url(),
            uuid(4)
        );
        let output = place.run(&["prune", "--unused-for=90d", "--yes", &format!("--after-write={script}")]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(place.uuids(7), [uuid(4)]);
        assert!(text(&output.stdout).contains("Revoked 2 application passwords of 2 users."), "{output:?}");
    }
}

#[test]
fn an_old_list_that_is_written_back_with_a_use_is_left_and_without_one_is_not() {
    for mut place in Place::both() {
        stale(&mut place);
        let old = list(&[
            (0, aged(1, 400, Some(1), &[])),
            (1, aged(2, 40, None, &[])),
            (2, aged(3, 200, Some(100), &[])),
        ]);
        let used = list(&[
            (0, aged(1, 400, Some(1), &[])),
            (1, aged(2, 40, None, &[])),
            (2, aged(3, 200, Some(0), &[])),
        ]);
        for (value, left) in [(&old, vec![uuid(1), uuid(2)]), (&used, vec![uuid(1), uuid(2), uuid(3)])] {
            place.0.set_meta(3, &old);
            // WordPress read the list before the change, and writes it back after it.
            let mut run = place
                .command(&["prune", "--unused-for=90d", "--user=3", "--yes", "--confirm=2"])
                .spawn()
                .unwrap();
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
            while place.uuids(3).len() > 2 {
                assert!(std::time::Instant::now() < deadline);
                std::thread::sleep(std::time::Duration::from_millis(5));
            }
            place.0.set_meta(3, value);
            assert!(run.wait().unwrap().success());
            assert_eq!(place.uuids(3), left);
        }
    }
}

#[test]
fn a_bar_is_drawn_on_a_terminal_only() {
    let mut place = Place::both().remove(0);
    stale(&mut place);
    let output = place.run(&["prune", "--older-than=1d", "--yes"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    stale(&mut place);
    let mut command = place.command(&["prune", "--older-than=1d", "--yes"]);
    command.env("TERM", "xterm");
    let typed = Terminal::run(command, 120);
    assert_eq!(typed.exit_code, 0);
    assert!(text(&typed.received).contains("of 2 users, "), "{}", text(&typed.received));
}
