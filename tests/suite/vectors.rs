//! Recorded answers of WordPress and PHP, and live ones of PHP where it is installed.
//!
//! `tests/vectors/text.json` was recorded from WordPress 7.1, `tests/vectors/password_hashes.json` from 6.1
//! (`before_68`) and 7.1 (`since_68`). Inputs that are not UTF-8 stand in hexadecimal.

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rand::{SeedableRng as _, rngs::StdRng};
use serde_json::Value;
use wp_app_password::wordpress::generate;
use wp_app_password::wordpress::password_hash::{self, Era, Kind, Scheme, Verdict, identify, verify};
use wp_app_password::wordpress::sanitize;
use wp_app_password::wordpress::version::version_compare;

use crate::oracle;

fn rows(json: &str) -> Vec<Value> {
    serde_json::from_str(json).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    match value.get("hex").and_then(Value::as_str) {
        Some(hex) => {
            (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
        }
        None => value.as_str().unwrap().as_bytes().to_vec(),
    }
}

/// What our function says, in the words of the recording.
fn answer(function: &str, input: &[u8]) -> Vec<u8> {
    let flag = |yes: bool| if yes { b"1".to_vec() } else { b"0".to_vec() };
    match function {
        "sanitize_text_field" => sanitize::sanitize_text_field(input),
        "sanitize_user" => sanitize::sanitize_user(input),
        "remove_accents" => sanitize::remove_accents(input),
        "stripslashes" => sanitize::stripslashes(input),
        "is_email" => flag(sanitize::is_email(input)),
        "wp_is_uuid" => flag(sanitize::wp_is_uuid(input)),
        "is_numeric_int" | "number" => match sanitize::php_is_numeric(input) {
            Some(number) => number.to_string().into_bytes(),
            None => b"no".to_vec(),
        },
        "version_compare" | "versions" => {
            let (left, right) = std::str::from_utf8(input).unwrap().split_once(' ').unwrap();
            (version_compare(left, right) as i8).to_string().into_bytes()
        }
        other => panic!("no function is called {other}"),
    }
}

#[test]
fn text_becomes_what_wordpress_makes_of_it() {
    let rows = rows(include_str!("../vectors/text.json"));
    assert!(rows.len() > 300);
    for row in rows {
        let function = row["function"].as_str().unwrap();
        let (input, output) = (bytes(&row["input"]), bytes(&row["output"]));
        let ours = answer(function, &input);
        assert_eq!(ours.escape_ascii().to_string(), output.escape_ascii().to_string(), "{row}");
    }
}

#[test]
fn hashes_are_accepted_by_the_wordpress_that_accepts_them() {
    let rows = rows(include_str!("../vectors/password_hashes.json"));
    let mut matches = 0;
    for row in &rows {
        let (plain, stored) = (row["password"].as_str().unwrap(), row["hash"].as_str().unwrap());
        let mut either = false;
        for (era, field) in [(Era::Before68, "before_68"), (Era::Since68, "since_68")] {
            let accepted = row[field].as_bool().unwrap();
            let verdict = verify(plain.as_bytes(), stored.as_bytes(), era);
            assert_eq!(verdict == Verdict::Match, accepted, "{era:?} {verdict:?} {row}");
            // Refusing to tell is for what WordPress does not know either.
            assert!(
                !matches!(verdict, Verdict::Unsupported(_)) || identify(stored.as_bytes()) == Kind::Unknown
            );
            either |= accepted;
        }
        let verdict = verify(plain.as_bytes(), stored.as_bytes(), Era::Unknown);
        assert_eq!(verdict == Verdict::Match, either, "{verdict:?} {row}");
        matches += u32::from(either);
    }
    assert!(matches > 60, "{matches} of {} match", rows.len());
}

fn oracle(arguments: &[&str], input: String) -> Option<String> {
    oracle::ask("text_and_hashes_oracle.php", "text and hashes were", arguments, input)
}

#[test]
fn php_and_we_agree_on_random_text_and_hashes() {
    let Some(made) = oracle(&["make", "1", "1000"], String::new()) else { return };
    let mut compared = 0;
    for line in made.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (input, output) = (BASE64.decode(fields[1]).unwrap(), BASE64.decode(fields[2]).unwrap());
        if fields[0] == "hash" {
            let shown = || format!("{} {}", input.escape_ascii(), output.escape_ascii());
            assert_eq!(verify(&input, &output, Era::Since68), expected(&output), "{}", shown());
            let wrong = [&input, b"x".as_slice()].concat();
            // bcrypt does not look behind the 72nd byte.
            if input.len() < 72 {
                assert_ne!(verify(&wrong, &output, Era::Since68), Verdict::Match, "{}", shown());
            }
        } else {
            let ours = answer(fields[0], &input);
            let shown = format!("{} {}", fields[0], input.escape_ascii());
            assert_eq!(ours.escape_ascii().to_string(), output.escape_ascii().to_string(), "{shown}");
        }
        compared += 1;
    }
    assert_eq!(compared, 4_000);
}

/// A short MD5-crypt hash looks like a broken MD5 to WordPress; every other hash of PHP matches.
fn expected(stored: &[u8]) -> Verdict {
    if stored.starts_with(b"$") && stored.len() <= 32 { Verdict::NoMatch } else { Verdict::Match }
}

#[test]
fn php_accepts_the_bcrypt_hashes_that_we_write() {
    let mut rng = StdRng::seed_from_u64(7);
    let mut input = String::new();
    for cost in [4, 4, 4, 4, 5, 6, 10] {
        let password = generate::application_password(&mut rng);
        let hash = password_hash::hash(Scheme::Bcrypt, &password, cost, &mut rng).unwrap();
        let (right, wrong) = (BASE64.encode(password.expose()), BASE64.encode("wrong"));
        input += &format!("{right}\t{0}\n{wrong}\t{0}\n", hash.as_str());
    }
    let Some(answers) = oracle(&["verify"], input) else { return };
    assert_eq!(answers, "1\n0\n".repeat(7));
}
