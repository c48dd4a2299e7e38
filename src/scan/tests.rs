//! Each form by example, and all of them against a slow search with regular expressions.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose;
use proptest::prelude::*;
use regex::bytes::Regex;

use super::*;

/// A finding: where, how, what, whose.
type Told = (u64, Form, String, Option<String>);

/// Hands over a few bytes at a time.
struct Slowly<'a>(&'a [u8], usize);

impl Read for Slowly<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        let (now, later) = self.0.split_at(count);
        buffer[..count].copy_from_slice(now);
        self.0 = later;
        Ok(count)
    }
}

fn all(text: &[u8], piece: usize, whole_lines: bool) -> Vec<Told> {
    let mut found = Vec::new();
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let scanned = Scanner::with_piece(piece)
        .scan(&mut Slowly(text, 1_000), whole_lines, &mut |mut finding| {
            let at = usize::try_from(finding.offset).unwrap();
            let lines = 1 + text[..at].iter().filter(|byte| **byte == b'\n').count() as u64;
            assert_eq!(finding.line(), lines, "the line of byte {at}");
            found.push((finding.offset, finding.form, shown(finding.plain), finding.user.map(shown)));
        })
        .unwrap();
    assert_eq!(scanned.bytes, text.len() as u64);
    found
}

const PLAIN: &str = "abcdEFGH1234ijklMNOP5678";
const GROUPS: [&str; 6] = ["abcd", "EFGH", "1234", "ijkl", "MNOP", "5678"];

/// What may stand between groups.
const SEPARATORS: [&str; 15] = [
    " ", "\t", "  ", "+", "-", "_", "%20", "\u{a0}", "&nbsp;", "&#160;", "&#32;", "%2520", "%C2%A0",
    "\\u0020", "\\u00a0",
];

/// What is found of `text`, without where.
fn found(text: &str) -> Vec<(Form, String, Option<String>)> {
    all(text.as_bytes(), PIECE, false).into_iter().map(|(_, form, plain, user)| (form, plain, user)).collect()
}

fn of(form: Form, user: Option<&str>) -> (Form, String, Option<String>) {
    (form, PLAIN.into(), user.map(str::to_owned))
}

#[test]
fn a_run_is_found_whatever_stands_around_it() {
    for (before, after) in [
        ("", ""),
        ("password=", "\n"),
        ("{\"password\":\"", "\"}"),
        ("\0\0\0", "\0\u{ff}"),
        ("é", "é"),
        ("?key%3D", "%26"),
        ("text\\n", "\\n"),
        ("a\\u003d", "\\u0026"),
        ("a\\x3d", ""),
        ("password=3D", "=\r\n"),
        ("\u{1b}[1;31m", "\u{1b}[0m"),
        ("user:", ""),
        ("'", "'"),
    ] {
        assert_eq!(found(&format!("{before}{PLAIN}{after}")), [of(Form::Run, None)], "{before}…{after}");
    }
    for text in [
        format!("x{PLAIN}"),
        format!("{PLAIN}x"),
        PLAIN[1..].to_owned(),
        PLAIN.repeat(3),
        format!("%G1{PLAIN}"),
    ] {
        assert_eq!(found(&text), [], "{text}");
    }
}

#[test]
fn groups_are_found_with_each_separator() {
    for separator in SEPARATORS {
        let text = GROUPS.join(separator);
        for (before, after) in
            [("", ""), ("pass=\"", "\"\n"), ("\\n", "\\n"), ("p%3D", "&"), ("one ", " seven")]
        {
            let text = format!("{before}{text}{after}");
            assert_eq!(found(&text), [of(Form::Groups, None)], "{text}");
        }
        let more = found(&format!("{text}{separator}wxyz"));
        assert_eq!(more.len(), 2, "six of seven groups, twice: {more:?}");
    }
    let latin1 = b"abcd\xa0EFGH\xa01234\xa0ijkl\xa0MNOP\xa05678";
    assert_eq!(all(latin1, PIECE, false).len(), 1);
    for text in [
        "abcd EFGH-1234 ijkl MNOP 5678",
        "abcd,EFGH,1234,ijkl,MNOP,5678",
        "abcd   EFGH   1234   ijkl   MNOP   5678",
        "abcd&ensp;EFGH&ensp;1234&ensp;ijkl&ensp;MNOP&ensp;5678",
        "abcd\\u0030EFGH\\u00301234\\u0030ijkl\\u0030MNOP\\u00305678",
        "abcd EFGH 1234 ijkl MNOP 56789",
        "abcd EFGH 1234 ijkl MNOP 567",
        "xabcd EFGH 1234 ijkl MNOP 5678",
        "abcd EFGH 1234 ijkl MNOP",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
    for separator in [" ", "%20", "\u{a0}", "&nbsp;", "%2520", "\\u0020"] {
        for place in 0..6 {
            for odd in ["a!cd", "abc", "abcde", ""] {
                let mut groups = GROUPS;
                groups[place] = odd;
                let text = groups.join(separator);
                assert_eq!(found(&text), [], "{text}");
            }
        }
    }
}

#[test]
fn the_user_of_an_address_comes_with_the_password() {
    for (address, user) in [
        (format!("https://admin:{PLAIN}@example.com/wp-json/"), "admin"),
        (format!("GET http://a%40b.example:{PLAIN}@localhost:8080 HTTP/1.1"), "a@b.example"),
        (format!("\"https:\\/\\/jos%C3%A9:{PLAIN}@example.com\""), "josé"),
        (format!("https://me@example.com:{PLAIN}@example.com"), "me@example.com"),
    ] {
        let found = found(&address);
        assert!(found.contains(&of(Form::Url, Some(user))), "{address}: {found:?}");
    }
    for separator in ["%20", "-", "+", "."] {
        let address = format!("https://admin:{}@example.com", GROUPS.join(separator));
        assert!(found(&address).contains(&of(Form::Url, Some("admin"))), "{address}");
    }
    for text in
        ["https://example.com/me@here", "mailto:admin@example.com", "https://admin@example.com", "a:b@c"]
    {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn the_user_of_a_header_comes_with_the_password() {
    for user in ["admin", "inventory-sync-bot", "jo@example.com", "josé", "a"] {
        for password in [PLAIN.to_owned(), GROUPS.join(" ")] {
            let pair = format!("{user}:{password}");
            let standard = general_purpose::STANDARD.encode(&pair);
            for header in [
                format!("Authorization: Basic {standard}\r\n"),
                format!("authorization: basic {standard}"),
                format!("\"Authorization\":\"Basic {}\"", standard.replace('/', "\\/")),
                format!("Basic\t {}", general_purpose::STANDARD_NO_PAD.encode(&pair)),
                format!("auth=Basic%20{}", standard.replace('=', "%3D").replace('+', "%2B")),
                format!("Authorization%3A%20Basic%20{}", general_purpose::URL_SAFE_NO_PAD.encode(&pair)),
            ] {
                let found = found(&header);
                assert!(found.contains(&of(Form::Basic, Some(user))), "{header}: {found:?}");
            }
        }
    }
    for text in ["Basic", "Basic auth", "Basic !!!!", "basic research is done here", "Basic YWRtaW4="] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn whole_lines_are_told_where_that_is_asked_for() {
    let text = format!("first: {PLAIN}\r\n\nab.cd-EF GH12,34ij\n{}\nlast one", "x".repeat(LONGEST_LINE + 1));
    let lines: Vec<String> = all(text.as_bytes(), PIECE, true)
        .into_iter()
        .filter(|(_, form, ..)| *form == Form::Line)
        .map(|(_, _, plain, _)| plain)
        .collect();
    // The last has too few letters to be a password.
    assert_eq!(lines, [format!("first{PLAIN}").as_str(), "abcdEFGH1234ij"]);
    assert!(all(text.as_bytes(), PIECE, false).iter().all(|(_, form, ..)| *form == Form::Run));
}

/// Where the first window of small pieces ends; the next ones end a block further each.
const FIRST_BORDER: usize = BACK + masks::BLOCK;

#[test]
fn every_form_is_found_at_every_place_across_the_borders_of_pieces_and_blocks() {
    let pair = general_purpose::STANDARD.encode(format!("admin:{PLAIN}"));
    for (form, text) in [
        (of(Form::Run, None), PLAIN.to_owned()),
        (of(Form::Run, None), format!("\\u003d{PLAIN}")),
        (of(Form::Groups, None), GROUPS.join(" ")),
        (of(Form::Groups, None), format!("%3D{}", GROUPS.join("%20"))),
        (of(Form::Groups, None), GROUPS.join("%2520")),
        (of(Form::Groups, None), GROUPS.join("&nbsp;")),
        (of(Form::Groups, None), GROUPS.join("\\u0020")),
        (of(Form::Url, Some("admin")), format!("https://admin:{PLAIN}@host")),
        (of(Form::Basic, Some("admin")), format!("Basic {pair}")),
        (of(Form::Line, None), format!("\n{}\n", GROUPS.join(", "))),
    ] {
        for before in (0..130).chain(FIRST_BORDER - 130..FIRST_BORDER + 130) {
            let text = format!("{}{text}{}", ".".repeat(before), ".".repeat(AHEAD + 300));
            let found = all(text.as_bytes(), masks::BLOCK, true);
            let found: Vec<_> = found.into_iter().map(|(_, form, plain, user)| (form, plain, user)).collect();
            assert!(found.contains(&form), "{form:?} behind {before} bytes: {found:?}");
        }
    }
}

#[test]
fn what_is_long_is_seen_whole_wherever_a_window_ends() {
    let user = "u".repeat(700);
    let header = format!("Basic {}", general_purpose::STANDARD.encode(format!("{user}:{PLAIN}")));
    for before in (0..BACK + AHEAD + 200).step_by(13) {
        let text = format!("{}{header}{}", ".".repeat(before), ".".repeat(AHEAD));
        assert_eq!(all(text.as_bytes(), masks::BLOCK, false).len(), 1, "behind {before} bytes");
    }
}

#[test]
fn text_of_two_bytes_a_character_is_read_too() {
    for big_endian in [false, true] {
        for odd in [false, true] {
            let text = format!("\u{feff}é\r\nPassword: {}\r\n", GROUPS.join(" "));
            let mut wide: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            wide.resize(wide.len() + usize::from(odd), b'x');
            for most in [1, 3, 1_000] {
                let mut found = Vec::new();
                let scanned = Scanner::default().scan(&mut Slowly(&wide, most), false, &mut |mut finding| {
                    found.push((finding.plain == PLAIN.as_bytes(), finding.line(), finding.offset));
                });
                assert_eq!(found, [(true, 2, 28)], "{big_endian} {most}");
                // Half a character was read, too.
                assert_eq!(scanned.unwrap(), Scanned { bytes: wide.len() as u64, binary: false });
            }
        }
    }
}

#[test]
fn text_of_two_bytes_a_character_is_read_without_a_mark_too() {
    for big_endian in [false, true] {
        for text in [PLAIN.to_owned(), GROUPS.join(" ")] {
            let wide: Vec<u8> = text
                .encode_utf16()
                .flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect();
            for before in (0..130).chain(FIRST_BORDER - 130..FIRST_BORDER + 130) {
                // As in a record of a binary: a NUL may stand before it, and two behind it.
                let text =
                    [&vec![b'.'; before], &[1, 0][..], &wide, &[0, 0], &vec![b'.'; AHEAD + 300]].concat();
                let mut found = BTreeSet::new();
                let scanned = Scanner::with_piece(masks::BLOCK)
                    .scan(&mut &*text, false, &mut |finding| {
                        found.insert((finding.plain == PLAIN.as_bytes(), finding.offset));
                    })
                    .unwrap();
                assert!(scanned.binary && scanned.bytes == text.len() as u64);
                let at = (before + 2 + usize::from(big_endian)) as u64;
                assert_eq!(found, BTreeSet::from([(true, at)]), "{big_endian} {before}");
            }
        }
    }
}

#[test]
fn a_binary_is_told_from_text() {
    let scan = |text: &[u8]| Scanner::default().scan(&mut &*text, false, &mut |_| {}).unwrap().binary;
    assert!(scan(b"ELF\0\x01") && !scan(b"text\n") && !scan(b""));
}

#[test]
fn what_was_found_before_a_read_fails_is_told() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("gone"))
        }
    }
    let text = format!("{PLAIN}\n{}", ".".repeat(PIECE + BACK + AHEAD));
    let mut count = 0;
    let end = Scanner::default().scan(&mut text.as_bytes().chain(Fails), false, &mut |_| count += 1);
    assert!(end.is_err() && count == 1, "{end:?} {count}");
}

#[test]
fn bits_and_bytes_agree() {
    for byte in 0..=255_u8 {
        for at in [0, 1, 7, 8, 31, 32, 63] {
            let mut block = [b'.'; masks::BLOCK];
            block[at] = byte;
            let expected = if byte.is_ascii_alphanumeric() { 1 << at } else { 0 };
            assert_eq!(masks::letters_and_digits(&block), expected, "{byte} at {at}");
            assert_eq!(masks::equal(&block, b'@') != 0, byte == b'@');
            assert_eq!(masks::has(&block, b'@'), byte == b'@');
        }
    }
    assert_eq!(masks::letters_and_digits(&[b'a'; masks::BLOCK]), u64::MAX);
    assert_eq!(masks::count(&[b'\n'; 1_000], b'\n'), 1_000);
}

/// What the scanner should find, said with patterns that look at every place.
fn by_pattern(text: &[u8]) -> BTreeSet<(u64, Form, String)> {
    /// Nothing, or an escape, and what it stands behind is no letter.
    const START: &str = r"(?:^|[^A-Za-z0-9]|%(?:25)?[0-9A-Fa-f]{2}|=[0-9A-F]{2}|\\(?:[nrtbfv0]|x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|[0-3][0-7]{2})|[\[;][0-9]{0,5}[mK])$";
    const SEPARATORS: [&str; 16] = [
        " ",
        r"\t",
        "  ",
        r"\+",
        "-",
        "_",
        r"\xa0",
        r"\xc2\xa0",
        "%20",
        "(?i:&nbsp;)",
        "&#160;",
        "&#32;",
        "%2520",
        "(?i:%c2%a0)",
        r"(?i:\\u0020)",
        r"(?i:\\u00a0)",
    ];
    static PATTERNS: LazyLock<(Regex, Vec<(Form, Regex)>)> = LazyLock::new(|| {
        let regex = |pattern: &str| Regex::new(&format!("(?s-u){pattern}")).unwrap();
        let mut forms = vec![(Form::Run, regex(r"^([A-Za-z0-9]{24})(?:[^A-Za-z0-9]|$)"))];
        for separator in SEPARATORS {
            let pattern =
                format!(r"^([A-Za-z0-9]{{4}}(?:{separator}[A-Za-z0-9]{{4}}){{5}})(?:[^A-Za-z0-9]|$)");
            forms.push((Form::Groups, regex(&pattern)));
        }
        (regex(START), forms)
    });
    let (start, forms) = &*PATTERNS;
    let mut found = BTreeSet::new();
    for at in 0..text.len() {
        if !start.is_match(&text[at.saturating_sub(8)..at]) {
            continue;
        }
        for (form, pattern) in forms {
            if let Some(groups) = pattern.captures(&text[at..]) {
                let whole = &groups[1];
                let step = if *form == Form::Run { 4 } else { (whole.len() - 4) / 5 };
                let plain =
                    (0..6).map(|group| String::from_utf8_lossy(&whole[group * step..][..4])).collect();
                found.insert((at as u64, *form, plain));
            }
        }
    }
    found
}

fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[A-Za-z0-9]{24}",
        4 => "[A-Za-z0-9]{4}",
        1 => "[A-Za-z0-9]{23}",
        1 => "[A-Za-z0-9]{1,70}",
        3 => prop::sample::select(SEPARATORS.to_vec()).prop_map(str::to_owned),
        2 => prop::sample::select(vec!["\\n", "%3D", "=3D", "\\u003d", "\\x3d", "\\101", "\u{1b}[1;31m", "\n", "."])
            .prop_map(str::to_owned),
        2 => ("[A-Za-z0-9]{4}", prop::sample::select(SEPARATORS.to_vec()), 5..8_usize)
            .prop_map(|(group, separator, count)| vec![group; count].join(separator)),
        1 => "[ -~]{0,20}",
        1 => (0..150_usize).prop_map(|count| ".".repeat(count)),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn the_scanner_finds_what_patterns_find(text in texts(), before in FIRST_BORDER - 300..FIRST_BORDER) {
        let mut moved = vec![b'.'; before];
        moved.extend_from_slice(&text);
        // So much is seen ahead; with less behind it all would be one window.
        moved.resize(moved.len() + AHEAD + 100, b'.');
        let found: BTreeSet<(u64, Form, String)> = all(&moved, 64, false)
            .into_iter()
            .filter(|(_, form, ..)| matches!(form, Form::Run | Form::Groups))
            .map(|(at, form, plain, _)| (at, form, plain))
            .collect();
        let expected: BTreeSet<(u64, Form, String)> =
            by_pattern(&text).into_iter().map(|(at, form, plain)| (at + before as u64, form, plain)).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_do(
        mark in prop::sample::select(vec![&b""[..], b"\xff\xfe", b"\xfe\xff"]),
        text in prop::collection::vec(any::<u8>(), 0..3_000),
        lines: bool,
    ) {
        // Those with a mark are UTF-16, an odd number of bytes has half a character at its end.
        all(&[mark, &text].concat(), 64, lines);
    }
}
