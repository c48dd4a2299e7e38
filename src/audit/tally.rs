//! Counts of an audit: how many there are, how old they are, when they were last used.

use super::finding::Severity;
use super::rules::COUNT;

const DAY: i64 = 86_400;

/// The upper bounds of the classes of age, in days, and what each is called; the last class is open.
pub const AGE_CLASSES: [(i64, &str); 7] = [
    (7, "up to 7 days"),
    (30, "up to 30 days"),
    (90, "up to 90 days"),
    (180, "up to 180 days"),
    (365, "up to a year"),
    (730, "up to 2 years"),
    (i64::MAX / DAY, "more than 2 years"),
];

/// How many fall into each class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// As many as there are classes.
    pub counts: [u64; AGE_CLASSES.len()],
    /// The sum of all, in seconds.
    pub sum: u64,
}

impl Histogram {
    /// Counts something that is so many seconds ago; the future counts as now.
    #[inline]
    pub fn count(&mut self, seconds: i64) {
        let seconds = seconds.max(0);
        // Rounded up: a week and a second are more than 7 days.
        let days = seconds.saturating_add(DAY - 1) / DAY;
        let class = AGE_CLASSES.iter().position(|(bound, _)| days <= *bound).unwrap_or(AGE_CLASSES.len() - 1);
        if let Some(count) = self.counts.get_mut(class) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(seconds.cast_unsigned());
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// What an audit counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Users that have entries.
    pub users: u64,
    /// Entries.
    pub entries: u64,
    /// Entries that have an expiry or restrictions.
    pub restricted: u64,
    /// Entries that are out of service.
    pub suspended: u64,
    /// Time since each was created.
    pub age: Histogram,
    /// Time since each was last used, of those that were.
    pub idle: Histogram,
    /// Entries that were never used.
    pub never_used: u64,
    /// Findings of each rule that were reported.
    pub found: [u64; COUNT],
    /// Findings that the baseline knows.
    pub known: u64,
    /// Findings that the policy excuses.
    pub excused: u64,
    /// Reported findings of each severity.
    pub severities: [u64; Severity::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            users: 0,
            entries: 0,
            restricted: 0,
            suspended: 0,
            age: Histogram::default(),
            idle: Histogram::default(),
            never_used: 0,
            found: [0; COUNT],
            known: 0,
            excused: 0,
            severities: [0; Severity::ALL.len()],
        }
    }
}

impl Tally {
    /// How many findings of this severity were reported.
    pub fn of(&self, severity: Severity) -> u64 {
        self.severities.get(severity as usize).copied().unwrap_or(0)
    }

    /// How many findings were reported.
    pub fn findings(&self) -> u64 {
        self.severities.iter().sum()
    }

    /// The gravest severity that was reported.
    pub fn worst(&self) -> Option<Severity> {
        Severity::ALL.into_iter().rev().find(|severity| self.of(*severity) > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_end_where_they_say() {
        let mut histogram = Histogram::default();
        for (seconds, class) in [
            (-5, 0),
            (0, 0),
            (7 * DAY, 0),
            (7 * DAY + 1, 1),
            (30 * DAY, 1),
            (365 * DAY, 4),
            (731 * DAY, 6),
            (i64::MAX, 6),
        ] {
            let before = histogram.counts[class];
            histogram.count(seconds);
            assert_eq!(histogram.counts[class], before + 1, "{seconds}");
        }
        assert_eq!(histogram.total(), 8);
    }
}
