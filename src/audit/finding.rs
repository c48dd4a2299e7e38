//! What an audit says about one thing that it found.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::rules::{Id, Rule};

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look at it.
    Warning,
    /// Somebody should look at it now.
    Critical,
}

impl Severity {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// As policies and reports spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One thing that a rule found. Texts are valid UTF-8: what was not is replaced. Never a hash, never a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: Id,
    /// The policy's word, else the rule's own.
    pub severity: Severity,
    /// `users.ID` of the owner; `None`: it is about the site.
    pub user: Option<u64>,
    /// The owner's login; empty where there is no such user.
    pub login: String,
    /// What the owner is: `administrator`, or `1:editor 7:administrator` on a network.
    pub roles: String,
    /// The entry's uuid; empty where the finding is about a user, or the entry has none.
    pub uuid: String,
    /// The entry's name.
    pub name: String,
    /// What the application says that it is.
    pub app_id: String,
    /// Unix seconds, UTC.
    pub created: Option<i64>,
    /// Unix seconds, UTC; `None`: never.
    pub last_used: Option<i64>,
    /// Where it was last used from.
    pub last_ip: String,
    /// What is wrong, in one sentence.
    pub message: String,
    /// The same for the same thing, whenever it is found.
    pub fingerprint: Fingerprint,
}

impl Finding {
    /// The rule it is from.
    pub fn rule(&self) -> &'static Rule {
        self.rule.rule()
    }
}

/// Tells the same finding again: it depends on the rule, the user and the entry, not on words or times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// Of what `subject` names under `rule`: a uuid, or what else tells things of one user apart.
    pub fn new(rule: Id, user: Option<u64>, subject: &[u8]) -> Self {
        let mut digest = Sha256::new();
        digest.update(rule.rule().id.as_bytes());
        digest.update([0]);
        digest.update(user.unwrap_or(0).to_le_bytes());
        digest.update(subject);
        let digest: [u8; 32] = digest.finalize().into();
        let half = digest.first_chunk().copied().unwrap_or_default();
        Self(u128::from_be_bytes(half))
    }

    /// Of the same once more, after so many others: entries that nothing tells apart, such as copies in one list.
    pub fn repeated(self, others: u32) -> Self {
        if others == 0 {
            return self;
        }
        let digest: [u8; 32] = Sha256::new()
            .chain_update(self.0.to_be_bytes())
            .chain_update(others.to_le_bytes())
            .finalize()
            .into();
        Self(u128::from_be_bytes(digest.first_chunk().copied().unwrap_or_default()))
    }

    /// Reads what [`Display`](std::fmt::Display) wrote.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(Self)
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
