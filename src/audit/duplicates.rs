//! Finds values that occur more than once on a whole site, in 16 bytes an entry.
//!
//! A first pass keeps a short digest of each entry's uuid and of its hash. Digests that occur twice are looked at
//! once more: a second pass compares the values themselves, so that two different values with one digest are no
//! finding. The values of that pass are kept as SHA-256, never as they are.

use std::collections::HashMap;
use std::thread;

use sha2::{Digest, Sha256};

/// What can be there twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The uuid of an entry.
    Uuid,
    /// Its hash.
    Hash,
}

/// The digests of a first pass.
#[derive(Default)]
pub struct Digests {
    uuids: Vec<u64>,
    hashes: Vec<u64>,
}

/// So many suspicious digests are looked at in one pass: some megabytes.
const SUSPECTS: usize = 1 << 16;

/// To sort more than this takes milliseconds.
const WORTH_A_THREAD: usize = 1 << 16;

impl Digests {
    /// Notes one value.
    #[inline]
    pub fn note(&mut self, kind: Kind, value: &[u8]) {
        let digests = match kind {
            Kind::Uuid => &mut self.uuids,
            Kind::Hash => &mut self.hashes,
        };
        if digests.len() == digests.capacity() {
            // Doubling would need three times the memory while it copies.
            digests.reserve_exact((digests.len() / 8).max(1 << 16));
        }
        digests.push(digest(value));
    }

    /// The digests that occur more than once, in parts for one second pass each.
    pub fn suspects(self) -> Vec<Suspects> {
        let mut suspects: Vec<(Kind, u64)> = Vec::new();
        let Self { mut uuids, mut hashes } = self;
        if hashes.len() > WORTH_A_THREAD {
            thread::scope(|scope| {
                // Where no thread can be started, it is done below.
                let _ = thread::Builder::new().spawn_scoped(scope, || hashes.sort_unstable());
                uuids.sort_unstable();
            });
        }
        for (kind, mut digests) in [(Kind::Uuid, uuids), (Kind::Hash, hashes)] {
            if !digests.is_sorted() {
                digests.sort_unstable();
            }
            let mut previous = None;
            for pair in digests.windows(2) {
                if let [a, b] = pair
                    && a == b
                    && previous.replace(*a) != Some(*a)
                {
                    suspects.push((kind, *a));
                }
            }
        }
        suspects
            .chunks(SUSPECTS)
            .map(|part| Suspects { digests: part.to_vec(), groups: HashMap::new() })
            .collect()
    }
}

/// An entry, as far as a report has to name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `users.ID`.
    pub user: u64,
    /// The user's login.
    pub login: String,
    /// What the user is.
    pub roles: String,
    /// The entry's uuid.
    pub uuid: String,
    /// The entry's name.
    pub name: String,
    /// Unix seconds, UTC.
    pub created: Option<i64>,
}

/// One value and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is.
    pub kind: Kind,
    /// The first places, at most [`Group::PLACES`].
    pub places: Vec<Place>,
    /// How many there are.
    pub count: u64,
    /// Its place among the groups: they are told in the order in which they were met.
    order: usize,
}

impl Group {
    /// More places of one value are counted, not kept.
    pub const PLACES: usize = 16;
}

/// Digests that occur more than once, and what a second pass found of them.
pub struct Suspects {
    digests: Vec<(Kind, u64)>,
    groups: HashMap<(Kind, [u8; 32]), Group>,
}

impl Suspects {
    /// Looks at one value of the second pass.
    pub fn look(&mut self, kind: Kind, value: &[u8], place: impl FnOnce() -> Place) {
        if self.digests.binary_search(&(kind, digest(value))).is_err() {
            return;
        }
        let order = self.groups.len();
        let group = self.groups.entry((kind, Sha256::digest(value).into())).or_insert_with(|| Group {
            kind,
            places: Vec::new(),
            count: 0,
            order,
        });
        group.count += 1;
        if group.places.len() < Group::PLACES {
            group.places.push(place());
        }
    }

    /// What is really there more than once.
    pub fn groups(self) -> Vec<Group> {
        let mut groups: Vec<Group> = self.groups.into_values().filter(|group| group.count > 1).collect();
        groups.sort_unstable_by_key(|group| group.order);
        groups
    }
}

/// Of a name, whatever its case: WordPress compares names so.
pub fn digest_of_name(name: &[u8]) -> u64 {
    digest_with(name, |bytes| bytes.map(|byte| byte.to_ascii_lowercase()))
}

/// Quick and not secret: a second pass confirms.
#[inline]
fn digest(value: &[u8]) -> u64 {
    digest_with(value, |bytes| bytes)
}

#[inline]
fn digest_with(value: &[u8], fold: impl Fn([u8; 8]) -> [u8; 8]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut state = value.len() as u64 ^ FACTOR;
    let mut mix = |word: u64| {
        let product = u128::from(state ^ word) * u128::from(FACTOR);
        state = (product as u64) ^ ((product >> 64) as u64) ^ state.rotate_left(29);
    };
    let (words, rest) = value.as_chunks::<8>();
    for word in words {
        mix(u64::from_le_bytes(fold(*word)));
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mix(u64::from_le_bytes(fold(last)));
    mix(FACTOR);
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(user: u64) -> Place {
        Place {
            user,
            login: String::new(),
            roles: String::new(),
            uuid: String::new(),
            name: String::new(),
            created: None,
        }
    }

    #[test]
    fn a_value_that_is_there_twice_is_found_with_its_places() {
        let values = [(1, "a"), (2, "b"), (3, "a"), (4, "c"), (5, "a")];
        let mut digests = Digests::default();
        for (_, value) in values {
            digests.note(Kind::Uuid, value.as_bytes());
            digests.note(Kind::Hash, b"one for each kind");
        }
        let mut found = Vec::new();
        for mut suspects in digests.suspects() {
            for (user, value) in values {
                suspects.look(Kind::Uuid, value.as_bytes(), || place(user));
            }
            found.extend(suspects.groups());
        }
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].places.iter().map(|place| place.user).collect::<Vec<_>>(), [1, 3, 5]);
    }

    #[test]
    fn two_values_with_one_digest_are_no_finding() {
        let mut suspects = Suspects { digests: vec![(Kind::Hash, digest(b"x"))], groups: HashMap::new() };
        suspects.look(Kind::Hash, b"x", || place(1));
        assert_eq!(suspects.groups(), []);
    }

    #[test]
    fn digests_of_similar_values_differ() {
        let all: std::collections::HashSet<u64> = (0..200_000)
            .map(|number| digest(format!("{number:08x}-0000-4000-8000-000000000000").as_bytes()))
            .collect();
        assert_eq!(all.len(), 200_000);
    }

    #[test]
    fn an_entry_costs_sixteen_bytes() {
        let mut digests = Digests::default();
        for number in 0_u64..100_000 {
            digests.note(Kind::Uuid, &number.to_le_bytes());
            digests.note(Kind::Hash, &number.to_le_bytes());
        }
        let bytes = (digests.uuids.capacity() + digests.hashes.capacity()) * size_of::<u64>();
        assert!(bytes < 24 * 100_000, "{bytes}");
    }
}
