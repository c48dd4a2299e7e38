//! Names that are meant to deceive: look-alikes of WordPress's own, and characters that nobody sees.

/// What a name says once blanks and punctuation are gone. Only whole names count: `WordPress for Android` and
/// `WordPress to Hootsuite` are honest.
const CORE: [&[u8]; 38] = [
    b"applicationpassword",
    b"applicationpasswords",
    b"autoupdate",
    b"autoupdater",
    b"autoupdates",
    b"automaticupdates",
    b"backgroundupdates",
    b"core",
    b"coreupdate",
    b"coreupdates",
    b"cron",
    b"loopback",
    b"loopbackrequest",
    b"restapi",
    b"sitehealth",
    b"system",
    b"wordpress",
    b"wordpressadmin",
    b"wordpressapi",
    b"wordpressapplication",
    b"wordpresscore",
    b"wordpresscron",
    b"wordpressorg",
    b"wordpressrestapi",
    b"wordpresssitehealth",
    b"wordpresssystem",
    b"wordpressupdate",
    b"wordpressupdater",
    b"wordpressupdates",
    b"wpadmin",
    b"wpapi",
    b"wpcore",
    b"wpcron",
    b"wprestapi",
    b"wpsitehealth",
    b"wpsystem",
    b"wpupdate",
    b"wpupdates",
];

/// Longer than any of [`CORE`].
const LONGEST: usize = 24;

/// Whether a name passes for something that WordPress does itself, also in letters that look alike.
pub fn imitates_core(name: &[u8]) -> bool {
    let mut folded = [0_u8; LONGEST];
    let mut length = 0;
    let mut push = |letter: u8| {
        // Most names are told apart by their first letter.
        if length == 0 && !CORE.iter().any(|name| name.starts_with(&[letter])) {
            return false;
        }
        let Some(place) = folded.get_mut(length) else { return false };
        *place = letter;
        length += 1;
        true
    };
    for chunk in name.utf8_chunks() {
        for character in chunk.valid().chars() {
            let letter = match character {
                'a'..='z' => character as u8,
                'A'..='Z' => character.to_ascii_lowercase() as u8,
                other => match look_alike(other) {
                    Some(letter) => letter,
                    None if other.is_alphanumeric() => return false,
                    None => continue,
                },
            };
            if !push(letter) {
                return false;
            }
        }
    }
    CORE.contains(&folded.get(..length).unwrap_or_default())
}

/// The Latin letter that a character passes for.
fn look_alike(character: char) -> Option<u8> {
    Some(match character {
        '0' | 'о' | 'О' | 'ο' | 'Ο' | 'ö' | 'ó' | 'ò' | 'ô' | 'ø' => b'o',
        '1' | '!' | '|' | 'і' | 'І' | 'ı' | 'í' | 'ï' | 'ι' => b'i',
        '3' | 'е' | 'Е' | 'ε' | 'é' | 'è' | 'ё' | 'ë' => b'e',
        '4' | '@' | 'а' | 'А' | 'α' | 'á' | 'à' | 'ä' => b'a',
        '5' | '$' | 'ѕ' | 'Ѕ' | 'ş' | 'š' => b's',
        'р' | 'Р' | 'ρ' | 'Ρ' => b'p',
        'с' | 'С' | 'ϲ' | 'ç' => b'c',
        'у' | 'У' | 'γ' => b'y',
        'т' | 'Т' | 'τ' | 'Τ' => b't',
        'п' | 'η' | 'ñ' => b'n',
        'м' | 'М' => b'm',
        'ԁ' => b'd',
        'ԝ' | 'ω' | 'ш' => b'w',
        'г' | 'Г' => b'r',
        'һ' | 'Н' => b'h',
        'υ' | 'ü' | 'ú' => b'u',
        'Ａ'..='Ｚ' => (u32::from(character) - u32::from('Ａ')) as u8 + b'a',
        'ａ'..='ｚ' => (u32::from(character) - u32::from('ａ')) as u8 + b'a',
        _ => return None,
    })
}

/// Whether there is nothing to read in a name: it is empty, or blanks of any kind.
pub fn is_blank(name: &[u8]) -> bool {
    // Most names begin with a letter that ASCII has.
    !name.first().is_some_and(u8::is_ascii_graphic)
        && std::str::from_utf8(name).is_ok_and(|name| name.chars().all(char::is_whitespace))
}

/// Control, bidirectional or invisible characters, or bytes that are no text at all. Joiners inside words of scripts
/// and emoji that need them are honest.
pub fn hides_something(name: &[u8]) -> bool {
    if name.iter().all(|byte| matches!(byte, b' '..=b'~')) {
        return false;
    }
    let mut previous = ' ';
    for chunk in name.utf8_chunks() {
        if !chunk.invalid().is_empty() {
            return true;
        }
        for character in chunk.valid().chars() {
            let hidden = match u32::from(character) {
                0..0x20 | 0x7f..0xa0 => true,
                // The soft hyphen, and what fills a line without being seen.
                0xad | 0x34f | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x3164 | 0xffa0 | 0x2800 => true,
                0x61c | 0x180e | 0x200b | 0x200e | 0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff => {
                    true
                }
                // Zero-width (non-)joiners belong between letters that are not Latin, and between emoji.
                0x200c | 0x200d => previous.is_ascii(),
                0xfff9..=0xfffb | 0xe0000..=0xe007f => true,
                _ => false,
            };
            if hidden {
                return true;
            }
            previous = character;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_pass_for_wordpress_are_told_from_honest_ones() {
        for name in [
            "WordPress",
            "wordpress core",
            "WP-Cron",
            "W0rdPre55",
            "Wоrdрrеѕѕ",
            "ＷｏｒｄＰｒｅｓｓ",
            "[System]",
            "WordPress.org",
        ] {
            assert!(imitates_core(name.as_bytes()), "{name}");
        }
        for name in [
            "",
            "WordPress for Android",
            "Newsletter",
            "Corey",
            "Système de stock",
            "Zapier",
            "WordPress updates for our newsletter and the shop",
            "Ядро",
        ] {
            assert!(!imitates_core(name.as_bytes()), "{name}");
        }
        assert!(CORE.iter().all(|name| name.len() <= LONGEST));
    }

    #[test]
    fn hidden_characters_are_told_from_honest_ones() {
        for name in
            ["a\u{1b}[31m", "a\u{202e}b", "Zap\u{200b}ier", "a\u{200d}b", "\u{3164}", "a\tb", "x\u{ad}y"]
        {
            assert!(hides_something(name.as_bytes()), "{name:?}");
        }
        assert!(hides_something(b"caf\xe9"));
        for name in ["Café ☕", "日本", "👩\u{200d}💻", "می\u{200c}خواهم", "plain"] {
            assert!(!hides_something(name.as_bytes()), "{name:?}");
        }
    }
}
