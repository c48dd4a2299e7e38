//! All hashes of a site, to find the one that a string belongs to.
//!
//! `$generic$` hashes have no salt: a string's digest is computed once and looked up among those of all users. Every
//! other kind is salted (or rare, as MD5 is), and a string has to be tried on each of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::store::UserId;
use crate::wordpress::password_hash::{
    Era, FastDigest, Kind, Verdict, fast_digest, identify, stored_fast_digest, verify,
};
use crate::wordpress::schema::{APPLICATION_PASSWORDS, SUSPENDED};

/// Whether an entry is in service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// WordPress accepts it.
    Active,
    /// This program keeps it where WordPress does not look.
    Suspended,
}

impl State {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Active, Self::Suspended];

    /// What users read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// The user meta key of the list.
    pub fn meta_key(self) -> &'static str {
        match self {
            Self::Active => APPLICATION_PASSWORDS,
            Self::Suspended => SUSPENDED,
        }
    }
}

/// In whose list a hash stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Whose.
    pub user: UserId,
    /// In which of the two lists.
    pub state: State,
}

/// A hash that strings are tried on one by one.
struct Salted {
    owner: Owner,
    stored: Vec<u8>,
}

/// The hashes of a site.
#[derive(Default)]
pub struct Hashes {
    fast: HashMap<FastDigest, Owner>,
    /// Digests that stand in more than one list: copied rows.
    shared: Vec<(FastDigest, Owner)>,
    salted: Vec<Salted>,
    /// Salted ones that cannot be checked, by the reason.
    unsupported: Vec<(&'static str, usize)>,
    /// What one try costs, by kind and cost.
    costs: HashMap<Class<'static>, Duration>,
}

/// A string that is to be tried on salted hashes.
pub struct Attempt<'a> {
    /// As WordPress compares it.
    pub plain: &'a [u8],
    /// Only on this user's, because the string came with a name.
    pub only: Option<UserId>,
}

impl Hashes {
    /// Adds a stored hash. What no password ever matches is left out.
    pub fn add(&mut self, owner: Owner, stored: &[u8]) {
        match identify(stored) {
            Kind::Never => {}
            Kind::Generic => {
                let Some(digest) = stored_fast_digest(stored) else { return };
                let first = *self.fast.entry(digest).or_insert(owner);
                if first != owner {
                    self.shared.push((digest, owner));
                }
            }
            _ => self.salted.push(Salted { owner, stored: stored.to_vec() }),
        }
    }

    /// Whether there are `$generic$` hashes.
    pub fn has_fast(&self) -> bool {
        !self.fast.is_empty()
    }

    /// How many hashes strings are tried on one by one.
    pub fn salted(&self) -> usize {
        self.salted.len()
    }

    /// The digest of a string, if it is the password of a `$generic$` hash here.
    pub fn find_fast(&self, plain: &[u8]) -> Option<FastDigest> {
        fast_digest(plain).filter(|digest| self.fast.contains_key(digest))
    }

    /// In whose lists a digest stands.
    pub fn owners(&self, digest: &FastDigest) -> Vec<Owner> {
        let first = self.fast.get(digest).copied();
        let others = self.shared.iter().filter(|(shared, _)| shared == digest).map(|(_, owner)| *owner);
        let distinct: HashSet<Owner> = first.into_iter().chain(others).collect();
        let mut owners: Vec<Owner> = distinct.into_iter().collect();
        owners.sort_unstable();
        owners
    }

    /// Sets apart what cannot be checked, and measures one try of every kind and cost. Returns how many there are
    /// of which it cannot be told whom a string belongs to, by the reason: a sentence without its full stop.
    pub fn measure(&mut self) -> &[(&'static str, usize)] {
        let mut refused: HashMap<Class<'static>, &'static str> = HashMap::new();
        for salted in &self.salted {
            let class = class(&salted.stored);
            if self.costs.contains_key(&class) || refused.contains_key(&class) {
                continue;
            }
            let began = Instant::now();
            match verify(b"abcdEFGH1234ijklMNOP5678", &salted.stored, Era::Unknown) {
                Verdict::Unsupported(reason) | Verdict::NotAccepted(reason) => {
                    refused.insert(owned(class), reason);
                }
                Verdict::Match | Verdict::NoMatch => {
                    self.costs.insert(owned(class), began.elapsed());
                }
            }
        }
        let mut unsupported = std::mem::take(&mut self.unsupported);
        self.salted.retain(|salted| match refused.get(&class(&salted.stored)) {
            None => true,
            Some(reason) => {
                match unsupported.iter_mut().find(|(known, _)| known == reason) {
                    Some((_, count)) => *count += 1,
                    None => unsupported.push((reason, 1)),
                }
                false
            }
        });
        self.unsupported = unsupported;
        &self.unsupported
    }

    /// How long all tries of one string take on one core, after [`Self::measure`].
    pub fn cost(&self) -> Duration {
        self.salted.iter().filter_map(|salted| self.costs.get(&class(&salted.stored))).sum()
    }

    /// Tries strings on salted hashes, on all cores. Returns pairs: the place of the string, the owner and the hash.
    /// `progress` is told now and then how much of it is done, and of how much.
    pub fn try_salted(
        &self,
        attempts: &[Attempt<'_>],
        progress: &mut dyn FnMut(u64, u64),
    ) -> Vec<(usize, Owner, Vec<u8>)> {
        let hashes = self.salted.len();
        if hashes == 0 || attempts.is_empty() {
            return Vec::new();
        }
        let total = attempts.len() as u64 * hashes as u64;
        let threads =
            std::thread::available_parallelism().map_or(1, usize::from).min(attempts.len() * hashes);
        // Every entry has one password: whoever was found is not looked for any more.
        let known: Vec<AtomicBool> = self.salted.iter().map(|_| AtomicBool::new(false)).collect();
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let found = Mutex::new(Vec::new());
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(attempt) = attempts.get(at / hashes) else { return };
                let (Some(salted), Some(known)) = (self.salted.get(at % hashes), known.get(at % hashes))
                else {
                    return;
                };
                let wanted = attempt.only.is_none_or(|user| user == salted.owner.user);
                if wanted
                    && !known.load(Ordering::Relaxed)
                    && verify(attempt.plain, &salted.stored, Era::Unknown) == Verdict::Match
                {
                    known.store(true, Ordering::Relaxed);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    found.push((at / hashes, salted.owner, salted.stored.clone()));
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            for _ in 0..threads {
                let ended = ended.clone();
                scope.spawn(move || {
                    work();
                    drop(ended);
                });
            }
            drop(ended);
            while end.recv_timeout(Duration::from_millis(100)) == Err(mpsc::RecvTimeoutError::Timeout) {
                progress(done.load(Ordering::Relaxed), total);
            }
        });
        found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What hashes have in common that take the same time to check: the kind, and how the text begins that holds the cost.
type Class<'a> = (Kind, Cow<'a, [u8]>);

fn owned((kind, text): Class<'_>) -> Class<'static> {
    (kind, text.into_owned().into())
}

fn class(stored: &[u8]) -> Class<'_> {
    let dollars = |count: usize| {
        let ends = stored.iter().enumerate().filter(|(_, byte)| **byte == b'$').nth(count);
        ends.map_or(stored.len(), |(at, _)| at)
    };
    let kind = identify(stored);
    let length = match kind {
        // `$P$B`
        Kind::Phpass | Kind::PhpassPhpbb => 4,
        // `$2y$10`
        Kind::Bcrypt => dollars(2),
        // `$wp$2y$10`
        Kind::WpBcrypt => dollars(3),
        // `$argon2id$v=19$m=65536,t=4,p=1`
        Kind::Argon2id | Kind::Argon2i => dollars(3),
        Kind::Sha256Crypt | Kind::Sha512Crypt
            if stored.get(3..).is_some_and(|rest| rest.starts_with(b"rounds=")) =>
        {
            dollars(2)
        }
        Kind::Sha256Crypt | Kind::Sha512Crypt | Kind::Md5Crypt => 3,
        Kind::Generic | Kind::Md5 | Kind::Never | Kind::Unknown => 0,
    };
    (kind, stored.get(..length).unwrap_or(stored).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"abcdEFGH1234ijklMNOP5678";
    const BCRYPT: &[u8] = b"$2y$04$abcdefghijklmnopqrstuuPI3q33Wj9tzyCAvUl92rHir3UlZl22K";

    fn owner(user: u64, state: State) -> Owner {
        Owner { user: UserId(user), state }
    }

    fn generic(plain: &[u8]) -> Vec<u8> {
        use base64::Engine as _;
        let digest = fast_digest(plain).unwrap();
        [b"$generic$", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest).as_bytes()].concat()
    }

    #[test]
    fn one_digest_finds_everybody_who_has_it() {
        let mut hashes = Hashes::default();
        assert!(!hashes.has_fast());
        for (user, state) in
            [(7, State::Active), (3, State::Suspended), (3, State::Active), (3, State::Active)]
        {
            hashes.add(owner(user, state), &generic(PLAIN));
        }
        hashes.add(owner(9, State::Active), &generic(b"another"));
        let digest = hashes.find_fast(PLAIN).unwrap();
        assert_eq!(
            hashes.owners(&digest),
            [owner(3, State::Active), owner(3, State::Suspended), owner(7, State::Active)]
        );
        assert_eq!(hashes.find_fast(b"nobody's"), None);
        assert_eq!(hashes.salted(), 0);
    }

    #[test]
    fn strings_are_tried_on_salted_hashes_of_everybody_or_of_one_user() {
        let bcrypt = |plain: &[u8]| {
            let hash = bcrypt::hash_with_salt(plain, 4, [1; 16]).unwrap();
            hash.format_for_version(bcrypt::Version::TwoY).into_bytes()
        };
        let (stored, other) = (bcrypt(PLAIN), bcrypt(b"somebody else's"));
        let mut hashes = Hashes::default();
        for user in 1..=20 {
            hashes.add(owner(user, State::Active), if user == 13 { &stored } else { &other });
        }
        hashes.add(owner(1, State::Active), b"*");
        assert_eq!(hashes.measure(), []);
        assert!(hashes.cost() > Duration::ZERO);
        let attempts = |only: Option<u64>| {
            [&b"nobody's"[..], PLAIN].map(|plain| Attempt { plain, only: only.map(UserId) })
        };
        let found = hashes.try_salted(&attempts(None), &mut |_, _| {});
        assert_eq!(found, [(1, owner(13, State::Active), stored)]);
        assert_eq!(hashes.try_salted(&attempts(Some(13)), &mut |_, _| {}), found);
        assert_eq!(hashes.try_salted(&attempts(Some(12)), &mut |_, _| {}), []);
    }

    #[test]
    fn what_cannot_be_checked_is_told_with_its_reason() {
        let mut hashes = Hashes::default();
        hashes.add(owner(1, State::Active), BCRYPT);
        hashes.add(owner(1, State::Active), &[b"$2y$31", &BCRYPT[6..]].concat());
        hashes.add(owner(2, State::Active), &[b"$2y$31", &BCRYPT[6..]].concat());
        hashes.add(owner(2, State::Active), b"a hash of a plugin that nobody has heard of");
        hashes.add(owner(2, State::Active), b"0123456789abcdef0123456789abcdef");
        let told = hashes.measure().to_vec();
        assert_eq!(told.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 1], "{told:?}");
        assert_eq!(hashes.salted(), 2);
        assert_eq!(hashes.measure(), told, "and is told again");
    }

    #[test]
    fn hashes_of_the_same_cost_are_measured_once() {
        for (stored, expected) in [
            (BCRYPT, &b"$2y$04"[..]),
            (b"$P$BabcdefghRzZuR21tybk3/K3P.ZK6o/", b"$P$B"),
            (b"$wp$2y$10$abcdefghijklmnopqrstuuqx.aYvd84yd9DbxUyTjtzy.V/HcJkSK", b"$wp$2y$10"),
            (b"$argon2id$v=19$m=65536,t=4,p=1$c29tZXNhbHQ$9sTbSlTio3", b"$argon2id$v=19$m=65536,t=4,p=1"),
            (b"$6$rounds=9000$saltsalt$abcdefghijklmnopq", b"$6$rounds=9000"),
            (b"$6$saltsalt$abcdefghijklmnopqrstuvwxyz0123", b"$6$"),
        ] {
            assert_eq!(*class(stored).1, *expected, "{}", stored.escape_ascii());
        }
    }
}
