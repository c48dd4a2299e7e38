//! Lengths of time and moments as people type them: `90d`, `24h`, `1w 2d`, `PT30M`; `2026-11-20`.

use std::time::Duration;

use jiff::{Span, SpanTotal, Unit};

/// Reads a length of time; a day has 24 hours, a week seven days. Months and years have no fixed length and are
/// refused, as is a number without a unit.
///
/// # Errors
/// A clause that says what is expected.
pub fn parse(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "give a number and a unit: 45s, 30m, 24h, 90d or 2w";
    let span: Span = text.trim().parse().map_err(|_error| EXPECTED.to_owned())?;
    if span.get_months() != 0 || span.get_years() != 0 {
        return Err("months and years differ in length: give days, such as 90d".into());
    }
    let seconds = span
        .total(SpanTotal::from(Unit::Second).days_are_24_hours())
        .map_err(|_error| EXPECTED.to_owned())?;
    if !(0.0..=1e11).contains(&seconds) {
        return Err("it must not be negative, and not longer than 3,000 years".into());
    }
    Ok(Duration::from_secs(seconds as u64))
}

/// Reads a date or a time, UTC unless it says otherwise: Unix seconds. A date is its first second.
pub fn moment(text: &str) -> Option<i64> {
    let utc = |time: jiff::civil::DateTime| jiff::tz::TimeZone::UTC.to_timestamp(time).ok();
    let at = text.parse::<jiff::Timestamp>().ok();
    let at = at.or_else(|| text.parse::<jiff::civil::DateTime>().ok().and_then(utc))?;
    Some(at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_spellings() {
        for (text, seconds) in [
            ("90d", 90 * 86_400),
            ("24h", 86_400),
            ("1w", 7 * 86_400),
            ("1w 2d", 9 * 86_400),
            ("30m", 1_800),
            ("45s", 45),
            ("0s", 0),
            ("P90D", 90 * 86_400),
            ("PT30M", 1_800),
            ("90 days", 90 * 86_400),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_ambiguous_or_nonsense_is_refused() {
        for text in ["", "90", "d", "-1d", "1mo", "1y", "90x", "99999999999999d"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
