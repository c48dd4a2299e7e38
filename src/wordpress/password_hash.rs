//! Hashes of passwords, one entry per generation that WordPress ever wrote or still accepts.
//!
//! Mirrors `wp_check_password()`, `wp_hash_password()` (`wp-includes/pluggable.php`), `wp_fast_hash()`,
//! `wp_verify_fast_hash()` (`wp-includes/functions.php`), the portable hashes of
//! `wp-includes/class-phpass.php`, and PHP's `password_verify()` and `crypt()`.
//!
//! A stored hash comes from outside and names its own cost. Costs that would keep a processor or the
//! memory busy for long are refused with a sentence, never computed; a hash that is refused is never
//! reported as a wrong password.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use blake2::Blake2bMac;
use blake2::digest::consts::U30;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use rand::CryptoRng;
use sha2::Sha384;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::PlainPassword;

/// The bcrypt cost of new hashes unless the user asks for another: PHP's own default before 8.4.
pub const DEFAULT_BCRYPT_COST: u32 = 10;

/// The lowest bcrypt cost there is.
pub const MIN_BCRYPT_COST: u32 = 4;

/// The highest bcrypt cost that is written or checked: a few seconds. The format goes up to 31, days.
pub const MAX_BCRYPT_COST: u32 = 16;

/// The highest exponent of phpass rounds that is checked. WordPress writes 13; the format allows 30.
const MAX_PHPASS_EXPONENT: usize = 20;

/// The most rounds of SHA-crypt that are checked. The usual number is 5,000; the format allows
/// 999,999,999.
const MAX_SHA_CRYPT_ROUNDS: u32 = 1_000_000;

/// The most memory that one Argon2 check may take, in KiB. PHP's default is 65,536.
const MAX_ARGON2_MEMORY: u32 = 256 * 1024;

/// The most work of one Argon2 check: memory in KiB times passes. PHP's default is 65,536 × 4.
const MAX_ARGON2_WORK: u64 = 4 * 1024 * 1024;

/// The most lanes of Argon2.
const MAX_ARGON2_LANES: u32 = 255;

/// WordPress: passwords longer than this, in bytes, are refused before any slow hash is computed.
const MAX_PASSWORD_LENGTH: usize = 4096;

/// bcrypt looks at this many bytes of a password.
const BCRYPT_PASSWORD_LENGTH: usize = 72;

/// WordPress: what is not longer than this, in bytes, is compared with the hexadecimal MD5 of the password.
const MD5_LENGTH: usize = 32;

/// The digits of phpass and of `crypt()`, least significant six bits first.
const ITOA64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// `trim()` without a second argument.
const PHP_TRIM: [u8; 6] = *b" \t\n\r\0\x0B";

/// A hash that this program can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `$generic$`: BLAKE2b, microseconds; WordPress 6.8 and newer.
    Generic,
    /// `$P$`: phpass with 8,192 rounds of MD5, about a millisecond; WordPress 5.6 and newer.
    Phpass,
    /// `$2y$`: bcrypt, tens of milliseconds and more; WordPress 5.6 and newer.
    Bcrypt,
}

impl Scheme {
    /// All of them, in the order in which help texts name them.
    pub const ALL: [Self; 3] = [Self::Bcrypt, Self::Generic, Self::Phpass];

    /// The word for it on a command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Phpass => "phpass",
            Self::Bcrypt => "bcrypt",
        }
    }
}

/// What a stored value is, by its looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `$generic$`: keyed BLAKE2b, what WordPress 6.8 and newer writes for application passwords.
    Generic,
    /// `$wp`: bcrypt of an HMAC, what WordPress 6.8 and newer writes for login passwords.
    WpBcrypt,
    /// `$P$`: portable phpass, what WordPress wrote before 6.8.
    Phpass,
    /// `$H$`: the same under phpBB's name.
    PhpassPhpbb,
    /// `$2y$`, `$2b$`, `$2a$`, `$2x$`: plain bcrypt.
    Bcrypt,
    /// `$argon2id$`.
    Argon2id,
    /// `$argon2i$`.
    Argon2i,
    /// `$5$` of `crypt()`.
    Sha256Crypt,
    /// `$6$` of `crypt()`.
    Sha512Crypt,
    /// `$1$` of `crypt()`.
    Md5Crypt,
    /// 32 hexadecimal digits.
    Md5,
    /// Anything else of up to 32 bytes, such as `*` or nothing: compared as an MD5, which it is not, so
    /// no password ever matches.
    Never,
    /// Longer, and of no kind known here.
    Unknown,
}

impl Kind {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::WpBcrypt => "wp-bcrypt",
            Self::Phpass => "phpass",
            Self::PhpassPhpbb => "phpass-phpbb",
            Self::Bcrypt => "bcrypt",
            Self::Argon2id => "argon2id",
            Self::Argon2i => "argon2i",
            Self::Sha256Crypt => "sha256-crypt",
            Self::Sha512Crypt => "sha512-crypt",
            Self::Md5Crypt => "md5-crypt",
            Self::Md5 => "md5",
            Self::Never => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// Which WordPress looks at a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Era {
    /// 5.6 to 6.7.
    Before68,
    /// 6.8 and newer.
    Since68,
    /// Not known: accepted is what one of the two accepts.
    Unknown,
}

/// Whether a password belongs to a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// WordPress accepts this password for this hash.
    Match,
    /// It does not.
    NoMatch,
    /// Whatever the password is, a WordPress of that era does not accept a hash of this kind; the text
    /// is a sentence without its full stop.
    NotAccepted(&'static str),
    /// Cannot be told here; the text is a sentence without its full stop.
    Unsupported(&'static str),
}

/// A hash that is ready to be stored. Never printed by accident, wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct HashedPassword(Zeroizing<String>);

impl HashedPassword {
    /// The hash itself, for what stores it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for HashedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HashedPassword(hidden)")
    }
}

/// Why a hash was not made. The text is the sentence that the user reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The bcrypt cost is outside [`MIN_BCRYPT_COST`] to [`MAX_BCRYPT_COST`].
    #[error("The bcrypt cost must be between {MIN_BCRYPT_COST} and {MAX_BCRYPT_COST}, not {0}.")]
    Cost(u32),
    /// The password has a NUL, or is longer than the scheme looks at.
    #[error("The password does not fit this kind of hash.")]
    Unfit,
    /// The library gave up.
    #[error("The password could not be hashed.")]
    Failed,
}

/// What comparing came to, before anybody asks who accepts the kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Computed {
    Same,
    Different,
    Refused(&'static str),
}

impl From<bool> for Computed {
    fn from(same: bool) -> Self {
        if same { Self::Same } else { Self::Different }
    }
}

/// One generation of hashes: how it is recognised, who accepts it, how it is checked.
struct Generation {
    kind: Kind,
    /// How stored values of this kind begin.
    prefix: &'static [u8],
    /// `None`: WordPress 5.6 to 6.7 checks it. Else why not.
    refused_before_68: Option<&'static str>,
    /// `None`: WordPress 6.8 and newer checks it. Else why not.
    refused_since_68: Option<&'static str>,
    check: fn(&[u8], &[u8]) -> Computed,
}

const SINCE_68: Option<&str> = Some("WordPress before 6.8 cannot check this kind of hash");
const BEFORE_68: Option<&str> = Some("WordPress 6.8 and newer no longer checks this kind of hash");

/// Every kind with a prefix. A prefix comes before any shorter one that it begins with.
const GENERATIONS: &[Generation] = &[
    entry(Kind::Generic, b"$generic$", SINCE_68, None, check_generic),
    entry(Kind::WpBcrypt, b"$wp", SINCE_68, None, check_wp),
    entry(Kind::Phpass, b"$P$", None, None, check_phpass),
    entry(Kind::PhpassPhpbb, b"$H$", None, BEFORE_68, check_phpass),
    entry(Kind::Bcrypt, b"$2y$", None, None, check_bcrypt),
    entry(Kind::Bcrypt, b"$2b$", None, None, check_bcrypt),
    entry(Kind::Bcrypt, b"$2a$", None, None, check_bcrypt),
    entry(Kind::Bcrypt, b"$2x$", None, None, check_bcrypt),
    entry(Kind::Argon2id, b"$argon2id$", SINCE_68, None, check_argon2),
    entry(Kind::Argon2i, b"$argon2i$", SINCE_68, None, check_argon2),
    entry(Kind::Sha256Crypt, b"$5$", None, None, check_sha_crypt),
    entry(Kind::Sha512Crypt, b"$6$", None, None, check_sha_crypt),
    entry(Kind::Md5Crypt, b"$1$", None, None, check_md5_crypt),
];

const fn entry(
    kind: Kind,
    prefix: &'static [u8],
    refused_before_68: Option<&'static str>,
    refused_since_68: Option<&'static str>,
    check: fn(&[u8], &[u8]) -> Computed,
) -> Generation {
    Generation { kind, prefix, refused_before_68, refused_since_68, check }
}

/// Hashes a new application password.
///
/// `bcrypt_cost` matters to [`Scheme::Bcrypt`] only, `rng` to all but [`Scheme::Generic`], which has no salt.
///
/// # Errors
/// [`HashError`]: a cost out of bounds, or a password that the scheme would cut short.
pub fn hash(
    scheme: Scheme,
    password: &PlainPassword,
    bcrypt_cost: u32,
    rng: &mut impl CryptoRng,
) -> Result<HashedPassword, HashError> {
    let plain = password.expose().as_bytes();
    let hashed = match scheme {
        Scheme::Generic => generic(plain).ok_or(HashError::Failed)?,
        Scheme::Phpass => {
            if plain.len() > MAX_PASSWORD_LENGTH {
                return Err(HashError::Unfit);
            }
            let mut random = [0_u8; 6];
            rng.fill_bytes(&mut random);
            // `B` is the digit 13: 2^13 rounds, what WordPress has always written.
            let setting = [b"$P$B".as_slice(), &encode64(&random)].concat();
            phpass(php_trim(plain), &setting, 13)
        }
        Scheme::Bcrypt => {
            if !(MIN_BCRYPT_COST..=MAX_BCRYPT_COST).contains(&bcrypt_cost) {
                return Err(HashError::Cost(bcrypt_cost));
            }
            if plain.len() > BCRYPT_PASSWORD_LENGTH || plain.contains(&0) {
                return Err(HashError::Unfit);
            }
            let mut salt = [0_u8; 16];
            rng.fill_bytes(&mut salt);
            let parts =
                bcrypt::hash_with_salt(plain, bcrypt_cost, salt).map_err(|_error| HashError::Failed)?;
            parts.format_for_version(bcrypt::Version::TwoY).into_bytes()
        }
    };
    let text = String::from_utf8(hashed).map_err(|_error| HashError::Failed)?;
    Ok(HashedPassword(Zeroizing::new(text)))
}

/// What a stored value is, by its looks. Says nothing about whether it is well-formed to the end.
pub fn identify(stored: &[u8]) -> Kind {
    if let Some(generation) = generation_of(stored) {
        generation.kind
    } else if is_md5(stored) {
        Kind::Md5
    } else if stored.len() <= MD5_LENGTH {
        Kind::Never
    } else {
        Kind::Unknown
    }
}

/// Whether a WordPress of that era accepts `plain` for `stored`.
///
/// `plain` is compared as it is: what a person typed goes through
/// [`strip_for_check`](super::generate::strip_for_check) first.
///
/// Mirrors `WP_Application_Passwords::check_password()` (6.8 and newer) and `wp_check_password()`.
/// Filters and replaced pluggable functions of a site are code that cannot be seen from here.
pub fn verify(plain: &[u8], stored: &[u8], accepts: Era) -> Verdict {
    let Some(generation) = generation_of(stored) else {
        return if stored.len() > MD5_LENGTH {
            Verdict::Unsupported("This kind of hash is not known")
        } else {
            verdict_of(check_md5(plain, stored))
        };
    };
    let refused = refused_by(generation, accepts);
    if let Some(reason) = refused {
        return Verdict::NotAccepted(reason);
    }
    // WordPress: only `$generic$` and MD5 look at passwords of any length.
    if plain.len() > MAX_PASSWORD_LENGTH && generation.kind != Kind::Generic {
        return Verdict::NoMatch;
    }
    verdict_of((generation.check)(plain, stored))
}

/// Why a WordPress of that era does not take a hash of this kind, whatever the password is; a sentence without its
/// full stop.
pub fn refused(stored: &[u8], by: Era) -> Option<&'static str> {
    generation_of(stored).and_then(|generation| refused_by(generation, by))
}

fn refused_by(generation: &Generation, era: Era) -> Option<&'static str> {
    match era {
        Era::Before68 => generation.refused_before_68,
        Era::Since68 => generation.refused_since_68,
        Era::Unknown => None,
    }
}

fn verdict_of(computed: Computed) -> Verdict {
    match computed {
        Computed::Same => Verdict::Match,
        Computed::Different => Verdict::NoMatch,
        Computed::Refused(reason) => Verdict::Unsupported(reason),
    }
}

fn generation_of(stored: &[u8]) -> Option<&'static Generation> {
    // WordPress: short values are MD5 whatever they begin with. (`$generic$` comes first in 6.8, but a
    // short one matches nothing either way.)
    if stored.len() <= MD5_LENGTH {
        return None;
    }
    GENERATIONS.iter().find(|generation| stored.starts_with(generation.prefix))
}

fn is_md5(stored: &[u8]) -> bool {
    stored.len() == MD5_LENGTH && stored.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn same(computed: &[u8], stored: &[u8]) -> Computed {
    bool::from(computed.ct_eq(stored)).into()
}

fn php_trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !PHP_TRIM.contains(byte)).unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|byte| !PHP_TRIM.contains(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}

// `$generic$`

/// What a `$generic$` hash is made of. It has no salt: one digest of a password is compared with any number of
/// stored ones.
pub type FastDigest = [u8; 30];

/// The digest of a password. The key is a constant of WordPress that separates this use from others; it is no
/// secret.
pub fn fast_digest(plain: &[u8]) -> Option<FastDigest> {
    let mut mac = Blake2bMac::<U30>::new_from_slice(b"wp_fast_hash_6.8+").ok()?;
    mac.update(plain);
    Some(mac.finalize().into_bytes().into())
}

/// The digest in a stored `$generic$` hash; `None` if it has none, so that no password matches.
pub fn stored_fast_digest(stored: &[u8]) -> Option<FastDigest> {
    URL_SAFE_NO_PAD.decode(stored.strip_prefix(b"$generic$")?).ok()?.try_into().ok()
}

/// `wp_fast_hash()`: the prefix and unpadded base64url of BLAKE2b with a 30-byte digest.
fn generic(plain: &[u8]) -> Option<Vec<u8>> {
    let encoded = URL_SAFE_NO_PAD.encode(fast_digest(plain)?);
    Some([b"$generic$", encoded.as_bytes()].concat())
}

fn check_generic(plain: &[u8], stored: &[u8]) -> Computed {
    generic(plain).is_some_and(|computed| computed.ct_eq(stored).into()).into()
}

// phpass

/// Base 64 with the digits of phpass: three bytes become four digits, lowest six bits first.
fn encode64(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut value = chunk.iter().rev().fold(0_u32, |value, byte| (value << 8) | u32::from(*byte));
        for _ in 0..=chunk.len() {
            encoded.push(ITOA64.get((value & 0x3f) as usize).copied().unwrap_or(b'.'));
            value >>= 6;
        }
    }
    encoded
}

/// `PasswordHash::crypt_private()`: `setting` is the first twelve bytes of the hash, the last eight of
/// them the salt.
fn phpass(plain: &[u8], setting: &[u8], exponent: usize) -> Vec<u8> {
    let salt = setting.get(4..).unwrap_or_default();
    let mut digest: [u8; 16] = Md5::new().chain_update(salt).chain_update(plain).finalize().into();
    for _ in 0..1_u32 << exponent {
        digest = Md5::new().chain_update(digest).chain_update(plain).finalize().into();
    }
    let hashed = [setting, &encode64(&digest)].concat();
    digest.zeroize();
    hashed
}

fn check_phpass(plain: &[u8], stored: &[u8]) -> Computed {
    let Some(setting) = stored.get(..12).filter(|_| stored.len() == 34) else {
        return Computed::Different;
    };
    let exponent = setting.get(3).and_then(|digit| ITOA64.iter().position(|known| known == digit));
    match exponent {
        Some(exponent @ 7..=MAX_PHPASS_EXPONENT) => same(&phpass(plain, setting, exponent), stored),
        Some(21..=30) => {
            Computed::Refused("The stored phpass hash asks for more than 2^20 rounds, which are not computed")
        }
        _ => Computed::Different,
    }
}

// bcrypt

fn check_bcrypt(plain: &[u8], stored: &[u8]) -> Computed {
    let text = match std::str::from_utf8(stored) {
        Ok(text) if text.len() == 60 && text.is_ascii() => text,
        _ => return Computed::Different,
    };
    let cost = match stored.get(4..6) {
        Some([tens @ b'0'..=b'9', ones @ b'0'..=b'9']) => {
            u32::from(tens - b'0') * 10 + u32::from(ones - b'0')
        }
        _ => return Computed::Different,
    };
    match cost {
        MIN_BCRYPT_COST..=MAX_BCRYPT_COST => {}
        17..=31 => {
            return Computed::Refused("The stored bcrypt hash has a cost above 16, which is not computed");
        }
        _ => return Computed::Different,
    }
    // C strings end at a NUL: PHP would compare what is before it. No password has one.
    if plain.contains(&0) {
        return Computed::Different;
    }
    // The two old variants differ from today's only for bytes above 127.
    if matches!(stored.get(2), Some(b'x' | b'a')) && !plain.is_ascii() {
        return Computed::Refused("Old bcrypt variants are checked for ASCII passwords only");
    }
    bcrypt::verify(plain, text).unwrap_or(false).into()
}

/// Hashes a login password as that version of WordPress would; every version checks what the older ones wrote.
///
/// Mirrors `wp_hash_password()` in `wp-includes/pluggable.php`.
///
/// # Errors
/// [`HashError`]: a password that is longer than WordPress hashes.
pub fn hash_login(
    password: &PlainPassword,
    since_68: bool,
    rng: &mut impl CryptoRng,
) -> Result<HashedPassword, HashError> {
    if !since_68 {
        return hash(Scheme::Phpass, password, MIN_BCRYPT_COST, rng);
    }
    let plain = password.expose().as_bytes();
    if plain.len() > MAX_PASSWORD_LENGTH {
        return Err(HashError::Unfit);
    }
    let prehashed = prehash(php_trim(plain)).ok_or(HashError::Failed)?;
    let mut salt = [0_u8; 16];
    rng.fill_bytes(&mut salt);
    let parts = bcrypt::hash_with_salt(prehashed.as_bytes(), 10, salt).map_err(|_error| HashError::Failed)?;
    Ok(HashedPassword(Zeroizing::new(format!("$wp{}", parts.format_for_version(bcrypt::Version::TwoY)))))
}

/// WordPress: bcrypt looks at 72 bytes only, so it is given the base64 of an HMAC.
fn prehash(plain: &[u8]) -> Option<Zeroizing<String>> {
    let mut mac = Hmac::<Sha384>::new_from_slice(b"wp-sha384").ok()?;
    mac.update(plain);
    let mut digest: [u8; 48] = mac.finalize().into_bytes().into();
    let prehashed = Zeroizing::new(STANDARD.encode(digest));
    digest.zeroize();
    Some(prehashed)
}

/// WordPress: three bytes of prefix, then anything that `password_verify()` knows, on the base64 of
/// HMAC-SHA384. Unlike hashing, checking does not trim the password.
fn check_wp(plain: &[u8], stored: &[u8]) -> Computed {
    let Some(prehashed) = prehash(plain) else { return Computed::Different };
    let inner = stored.get(3..).unwrap_or_default();
    password_verify(prehashed.as_bytes(), inner)
}

/// PHP's `password_verify()`: what `crypt()` knows, and Argon2.
fn password_verify(plain: &[u8], stored: &[u8]) -> Computed {
    let generation = GENERATIONS.iter().find(|generation| stored.starts_with(generation.prefix));
    match generation {
        Some(generation) => match generation.kind {
            Kind::Bcrypt
            | Kind::Argon2id
            | Kind::Argon2i
            | Kind::Sha256Crypt
            | Kind::Sha512Crypt
            | Kind::Md5Crypt => (generation.check)(plain, stored),
            Kind::Generic
            | Kind::WpBcrypt
            | Kind::Phpass
            | Kind::PhpassPhpbb
            | Kind::Md5
            | Kind::Never
            | Kind::Unknown => Computed::Different,
        },
        None => Computed::Refused("This kind of hash is not known"),
    }
}

// Argon2

struct Argon2Hash {
    algorithm: argon2::Algorithm,
    version: argon2::Version,
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

/// A number without sign or leading zero, as the reference implementation reads it.
fn decimal(digits: &str) -> Option<u32> {
    let strict =
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if strict { digits.parse().ok() } else { None }
}

/// `$argon2id$v=19$m=65536,t=4,p=1$salt$digest`; without `v=`, version 16 is meant.
fn parse_argon2(stored: &[u8]) -> Option<Argon2Hash> {
    let mut fields = std::str::from_utf8(stored).ok()?.split('$').skip(1);
    let algorithm = match fields.next()? {
        "argon2id" => argon2::Algorithm::Argon2id,
        "argon2i" => argon2::Algorithm::Argon2i,
        _ => return None,
    };
    let mut field = fields.next()?;
    let version = match field.strip_prefix("v=") {
        None => argon2::Version::V0x10,
        Some(number) => {
            field = fields.next()?;
            argon2::Version::try_from(decimal(number)?).ok()?
        }
    };
    let mut parameters = field.split(',');
    let memory = decimal(parameters.next()?.strip_prefix("m=")?)?;
    let passes = decimal(parameters.next()?.strip_prefix("t=")?)?;
    let lanes = decimal(parameters.next()?.strip_prefix("p=")?)?;
    let salt = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
    let digest = STANDARD_NO_PAD.decode(fields.next()?).ok()?;
    if parameters.next().is_some() || fields.next().is_some() {
        return None;
    }
    Some(Argon2Hash { algorithm, version, memory, passes, lanes, salt, digest })
}

fn check_argon2(plain: &[u8], stored: &[u8]) -> Computed {
    let Some(hash) = parse_argon2(stored) else {
        return Computed::Different;
    };
    if hash.memory > MAX_ARGON2_MEMORY
        || u64::from(hash.memory) * u64::from(hash.passes) > MAX_ARGON2_WORK
        || hash.lanes > MAX_ARGON2_LANES
        || hash.digest.len() > 1024
    {
        return Computed::Refused(
            "The stored Argon2 hash asks for more memory or time than is spent on one check",
        );
    }
    let Ok(parameters) = argon2::Params::new(hash.memory, hash.passes, hash.lanes, Some(hash.digest.len()))
    else {
        return Computed::Different;
    };
    let mut computed = Zeroizing::new(vec![0_u8; hash.digest.len()]);
    let context = argon2::Argon2::new(hash.algorithm, hash.version, parameters);
    match context.hash_password_into(plain, &hash.salt, &mut computed) {
        Ok(()) => same(&computed, &hash.digest),
        Err(_) => Computed::Different,
    }
}

// crypt()

/// `$5$` and `$6$`: `[rounds=N$]salt$digest`. Whatever `crypt()` would write differently than it is
/// stored (fewer than 1,000 rounds, a longer salt) is different.
fn check_sha_crypt(plain: &[u8], stored: &[u8]) -> Computed {
    let Some((is_512, mut fields)) = std::str::from_utf8(stored)
        .ok()
        .and_then(|text| Some((text.starts_with("$6"), text.get(3..)?.split('$'))))
    else {
        return Computed::Different;
    };
    let (Some(mut salt), mut rounds) = (fields.next(), 5_000) else {
        return Computed::Different;
    };
    if let Some(number) = salt.strip_prefix("rounds=") {
        let (Some(number), Some(next)) = (decimal(number), fields.next()) else {
            return Computed::Different;
        };
        (salt, rounds) = (next, number);
    }
    let (Some(digest), None) = (fields.next(), fields.next()) else {
        return Computed::Different;
    };
    if salt.len() > 16 || plain.contains(&0) {
        return Computed::Different;
    }
    if (MAX_SHA_CRYPT_ROUNDS + 1..=999_999_999).contains(&rounds) {
        return Computed::Refused(
            "The stored SHA-crypt hash asks for more than 1,000,000 rounds, which are not computed",
        );
    }
    let Ok(parameters) = sha_crypt::Params::new(rounds) else {
        return Computed::Different;
    };
    let order = sha_crypt_order(is_512);
    let computed = if is_512 {
        shuffle(&sha_crypt::sha512_crypt(plain, salt.as_bytes(), parameters), &order)
    } else {
        shuffle(&sha_crypt::sha256_crypt(plain, salt.as_bytes(), parameters), &order)
    };
    same(&encode64(&computed), digest.as_bytes())
}

/// In which order the bytes of a SHA-crypt digest are written: three from three thirds of it, the thirds
/// changing places from one group to the next, then what is left.
fn sha_crypt_order(is_512: bool) -> Vec<usize> {
    let (third, end) = if is_512 { (21, vec![63]) } else { (10, vec![30, 31]) };
    let (mut low, mut middle, mut high) = (third * 2, third, 0);
    let mut order = Vec::with_capacity(64);
    for _ in 0..third {
        order.extend([low, middle, high]);
        (low, middle, high) =
            if is_512 { (high + 1, low + 1, middle + 1) } else { (middle + 1, high + 1, low + 1) };
    }
    order.extend(end);
    order
}

fn shuffle(digest: &[u8], order: &[usize]) -> Vec<u8> {
    order.iter().map(|position| digest.get(*position).copied().unwrap_or_default()).collect()
}

/// `$1$salt$digest`: 1,000 rounds of MD5.
fn check_md5_crypt(plain: &[u8], stored: &[u8]) -> Computed {
    let mut fields = stored.get(3..).unwrap_or_default().split(|byte| *byte == b'$');
    let (Some(salt), Some(digest), None) = (fields.next(), fields.next(), fields.next()) else {
        return Computed::Different;
    };
    if salt.len() > 8 || plain.contains(&0) {
        return Computed::Different;
    }
    same(&md5_crypt(plain, salt), digest)
}

fn md5_crypt(plain: &[u8], salt: &[u8]) -> Vec<u8> {
    let alternate: [u8; 16] =
        Md5::new().chain_update(plain).chain_update(salt).chain_update(plain).finalize().into();
    let mut first = Md5::new().chain_update(plain).chain_update(b"$1$").chain_update(salt);
    for chunk in plain.chunks(16) {
        first.update(alternate.get(..chunk.len()).unwrap_or_default());
    }
    // For every bit of the length, low to high: a NUL for a one, the first character for a zero.
    let mut bits = plain.len();
    while bits > 0 {
        if bits & 1 == 1 {
            first.update([0])
        } else {
            first.update(plain.get(..1).unwrap_or_default())
        }
        bits >>= 1;
    }
    let mut digest: [u8; 16] = first.finalize().into();
    for round in 0..1_000 {
        let mut next = Md5::new();
        if round % 2 == 1 {
            next.update(plain)
        } else {
            next.update(digest)
        }
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(plain);
        }
        if round % 2 == 1 {
            next.update(digest)
        } else {
            next.update(plain)
        }
        digest = next.finalize().into();
    }
    // The scheme's own order of bytes, three at a time, the last one alone.
    const ORDER: [usize; 16] = [12, 6, 0, 13, 7, 1, 14, 8, 2, 15, 9, 3, 5, 10, 4, 11];
    let encoded = encode64(&shuffle(&digest, &ORDER));
    digest.zeroize();
    encoded
}

// MD5

/// WordPress: compared in lower-case hexadecimal, so an upper-case one never matches. Core 5.6 to 6.7
/// makes the password the user's *login* password when this one matches.
fn check_md5(plain: &[u8], stored: &[u8]) -> Computed {
    if !is_md5(stored) {
        return Computed::Different;
    }
    let digest: [u8; 16] = Md5::digest(plain).into();
    let mut hex = Vec::with_capacity(MD5_LENGTH);
    for byte in digest {
        for digit in [byte >> 4, byte & 15] {
            hex.push(if digit < 10 { b'0' + digit } else { b'a' + digit - 10 });
        }
    }
    same(&hex, stored)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const PLAIN: &[u8] = b"abcdEFGH1234ijklMNOP5678";

    #[test]
    fn each_scheme_is_recognised_and_verified_by_those_who_accept_it() {
        let mut rng = StdRng::seed_from_u64(1);
        let password = PlainPassword::new("abcdEFGH1234ijklMNOP5678".into());
        for (scheme, kind, length, old) in [
            (Scheme::Generic, Kind::Generic, 49, false),
            (Scheme::Phpass, Kind::Phpass, 34, true),
            (Scheme::Bcrypt, Kind::Bcrypt, 60, true),
        ] {
            let hashed = hash(scheme, &password, 4, &mut rng).unwrap();
            let stored = hashed.as_str().as_bytes();
            assert_eq!(identify(stored), kind);
            assert_eq!(stored.len(), length);
            assert_eq!(verify(PLAIN, stored, Era::Since68), Verdict::Match);
            assert_eq!(verify(PLAIN, stored, Era::Unknown), Verdict::Match);
            assert_eq!(verify(b"abcdEFGH1234ijklMNOP5679", stored, Era::Since68), Verdict::NoMatch);
            let before = verify(PLAIN, stored, Era::Before68);
            assert_eq!(before == Verdict::Match, old, "{scheme:?} {before:?}");
            let again = hash(scheme, &password, 4, &mut rng).unwrap();
            assert_eq!(hashed == again, scheme == Scheme::Generic, "only $generic$ has no salt");
        }
    }

    #[test]
    fn a_fast_digest_is_what_is_stored() {
        let mut rng = StdRng::seed_from_u64(1);
        let password = PlainPassword::new("abcdEFGH1234ijklMNOP5678".into());
        let stored = hash(Scheme::Generic, &password, 0, &mut rng).unwrap();
        assert_eq!(stored_fast_digest(stored.as_str().as_bytes()), fast_digest(PLAIN));
        for other in
            ["", "$generic$", "$generic$QQ", &stored.as_str()[..48], "$P$BabcdefghRzZuR21tybk3/K3P.ZK6o/"]
        {
            assert_eq!(stored_fast_digest(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn costs_that_would_take_long_are_refused_not_computed() {
        let many_rounds =
            "$argon2id$v=19$m=65536,t=4000000,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
        for stored in [
            "$P$SabcdefghRzZuR21tybk3/K3P.ZK6o/".replace("$P$S", "$P$Q"),
            "$2y$31$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K".into(),
            "$wp$2y$17$abcdefghijklmnopqrstuuqx.aYvd84yd9DbxUyTjtzy.V/HcJkSK".into(),
            "$6$rounds=999999999$saltstring$abcdefghijklmnop".into(),
            many_rounds.into(),
            many_rounds.replace("m=65536,t=4000000", "m=4294967295,t=1"),
        ] {
            let verdict = verify(PLAIN, stored.as_bytes(), Era::Since68);
            assert!(matches!(verdict, Verdict::Unsupported(_)), "{stored} {verdict:?}");
        }
        let password = PlainPassword::new("x".into());
        let mut rng = StdRng::seed_from_u64(1);
        for cost in [0, 3, 17, u32::MAX] {
            assert_eq!(hash(Scheme::Bcrypt, &password, cost, &mut rng), Err(HashError::Cost(cost)));
        }
    }

    #[test]
    fn what_a_scheme_would_cut_short_is_not_hashed() {
        let mut rng = StdRng::seed_from_u64(1);
        let long = PlainPassword::new("a".repeat(73));
        assert_eq!(hash(Scheme::Bcrypt, &long, 4, &mut rng), Err(HashError::Unfit));
        let nul = PlainPassword::new("a\0b".into());
        assert_eq!(hash(Scheme::Bcrypt, &nul, 4, &mut rng), Err(HashError::Unfit));
    }

    #[test]
    fn short_values_that_are_no_md5_match_nothing() {
        for stored in [b"".as_slice(), b"*", b"A5D1F2615AEA6D4D1DB15B92046DC816", b"$2y$04$short"] {
            assert_eq!(identify(stored), Kind::Never);
            for plain in [b"".as_slice(), b"*", PLAIN, stored] {
                assert_eq!(verify(plain, stored, Era::Unknown), Verdict::NoMatch);
            }
        }
    }

    #[test]
    fn damaged_hashes_neither_match_nor_panic() {
        let samples = [
            "$generic$F6W18u0QEytvRVb59DemVWRxyTxU6vg_VK0s_f-h",
            "$P$BabcdefghRzZuR21tybk3/K3P.ZK6o/",
            "$2y$04$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K",
            "$5$rounds=1000$saltstring$abcdefghijklmnopqrstuvw",
            "$6$$abc",
            "$1$saltsalt$abcdefghijklmnopqrstuv",
            "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlA",
        ];
        for sample in samples {
            for cut in 0..sample.len() {
                let shorter = &sample.as_bytes()[..cut];
                assert_ne!(verify(PLAIN, shorter, Era::Unknown), Verdict::Match, "{sample} {cut}");
                let mut changed = sample.as_bytes().to_vec();
                changed[cut] = 0xff;
                assert_ne!(verify(PLAIN, &changed, Era::Unknown), Verdict::Match, "{sample} {cut}");
            }
        }
    }

    #[test]
    fn nothing_prints_a_hash_by_accident() {
        let password = PlainPassword::new("x".into());
        let hashed = hash(Scheme::Generic, &password, 0, &mut StdRng::seed_from_u64(1)).unwrap();
        assert_eq!(format!("{hashed:?}"), "HashedPassword(hidden)");
    }
}
