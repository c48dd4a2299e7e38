//! New secrets and identifiers, and the shapes in which people type secrets back.
//!
//! Randomness comes from the caller: the system's in the program, a seeded generator in tests.
//! The buffers that a secret passes through here are wiped.

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::secret::PlainPassword;

/// Length of a new application password, in characters.
///
/// `WP_Application_Passwords::PW_LENGTH` in `wp-includes/class-wp-application-passwords.php`.
pub const PASSWORD_LENGTH: usize = 24;

/// The symbols of `wp_generate_password()` without special characters, `wp-includes/pluggable.php`.
const SYMBOLS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Characters per group in [`chunk_password`].
const GROUP: usize = 4;

/// A new application password: [`PASSWORD_LENGTH`] letters and digits, each of the 62 equally likely,
/// about 142.9 bits.
///
/// Mirrors `wp_generate_password( 24, false )`.
pub fn application_password(rng: &mut impl CryptoRng) -> PlainPassword {
    // A random byte modulo 62 would favour the first eight symbols. 248 is four times 62: bytes from
    // there on are thrown away.
    const UNBIASED: u8 = 248;
    // The whole capacity at once: a string that grows leaves its first half behind, unwiped.
    let mut secret = String::with_capacity(PASSWORD_LENGTH);
    let mut bytes = Zeroizing::new([0_u8; 32]);
    while secret.len() < PASSWORD_LENGTH {
        rng.fill_bytes(&mut *bytes);
        let missing = PASSWORD_LENGTH - secret.len();
        let symbols = bytes
            .iter()
            .filter(|byte| **byte < UNBIASED)
            .filter_map(|byte| SYMBOLS.get(usize::from(*byte) % SYMBOLS.len()));
        secret.extend(symbols.take(missing).map(|symbol| char::from(*symbol)));
    }
    PlainPassword::new(secret)
}

/// The password in groups of four for people to read: `abcd EFGH 1234 ijkl MNOP 5678`. Anything but
/// ASCII letters and digits is left out.
///
/// Mirrors `WP_Application_Passwords::chunk_password()`.
pub fn chunk_password(password: &PlainPassword) -> PlainPassword {
    let plain = password.expose();
    let mut chunked = String::with_capacity(plain.len() + plain.len() / GROUP + 1);
    let symbols = plain.bytes().filter(u8::is_ascii_alphanumeric);
    for (position, symbol) in symbols.enumerate() {
        if position > 0 && position % GROUP == 0 {
            chunked.push(' ');
        }
        chunked.push(char::from(symbol));
    }
    PlainPassword::new(chunked)
}

/// What is left of a typed password when WordPress compares it: ASCII letters and digits only.
///
/// Mirrors `wp_authenticate_application_password()` in `wp-includes/user.php`.
pub fn strip_for_check(typed: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut stripped = Zeroizing::new(Vec::with_capacity(typed.len()));
    stripped.extend(typed.iter().copied().filter(u8::is_ascii_alphanumeric));
    stripped
}

/// A UUID of version 4, lower-case with dashes.
///
/// Mirrors `wp_generate_uuid4()` in `wp-includes/functions.php`.
pub fn uuid4(rng: &mut impl CryptoRng) -> String {
    let mut bytes = [0_u8; 16];
    rng.fill_bytes(&mut bytes);
    uuid::Builder::from_random_bytes(bytes).into_uuid().hyphenated().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    #[test]
    fn passwords_have_the_length_and_alphabet_of_wordpress() {
        let mut rng = StdRng::seed_from_u64(1);
        let mut seen = HashMap::new();
        for _ in 0..5_000 {
            let password = application_password(&mut rng);
            assert_eq!(password.expose().len(), PASSWORD_LENGTH);
            for symbol in password.expose().bytes() {
                assert!(symbol.is_ascii_alphanumeric());
                *seen.entry(symbol).or_insert(0_u32) += 1;
            }
        }
        assert_eq!(seen.len(), SYMBOLS.len());
        // 120,000 symbols, 1,935 of each expected, standard deviation 44: seven of them are far off.
        for (symbol, count) in seen {
            assert!((1_627..=2_243).contains(&count), "{symbol} came {count} times");
        }
    }

    #[test]
    fn the_secret_stays_in_its_first_allocation() {
        let password = application_password(&mut StdRng::seed_from_u64(2));
        assert_ne!(password, application_password(&mut StdRng::seed_from_u64(3)));
        assert_eq!(password, application_password(&mut StdRng::seed_from_u64(2)));
    }

    #[test]
    fn groups_of_four_as_people_read_them() {
        let chunked = |text: &str| chunk_password(&PlainPassword::new(text.into())).expose().to_owned();
        assert_eq!(chunked("abcdEFGH1234ijklMNOP5678"), "abcd EFGH 1234 ijkl MNOP 5678");
        assert_eq!(chunked("abcd-EFGH 12"), "abcd EFGH 12");
        assert_eq!(chunked("abc"), "abc");
        assert_eq!(chunked("é!"), "");
        assert_eq!(chunked(""), "");
    }

    #[test]
    fn whatever_people_type_between_the_letters_is_ignored() {
        assert_eq!(*strip_for_check("ab\u{a0}cd-EF\t12é".as_bytes()), b"abcdEF12");
        assert_eq!(*strip_for_check(b"\xff\x00a"), b"a");
    }

    #[test]
    fn uuids_are_version_4_and_lower_case() {
        let mut rng = StdRng::seed_from_u64(4);
        for _ in 0..1_000 {
            let uuid = uuid4(&mut rng);
            assert!(crate::wordpress::sanitize::wp_is_uuid(uuid.as_bytes()), "{uuid}");
            assert_eq!(uuid.as_bytes()[14], b'4');
            assert!(b"89ab".contains(&uuid.as_bytes()[19]), "{uuid}");
        }
    }
}
