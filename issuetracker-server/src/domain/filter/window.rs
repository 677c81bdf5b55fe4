//! A time in a filter: `<24h` is within the last day, `>7d` is longer ago, `2026-11-20..2026-11-22` are these days in UTC.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

/// The longest age that can be asked for: ten years.
const MAX_SECONDS: i64 = 3_660 * 86_400;

/// Units of ages, the largest first.
const UNITS: [(char, i64); 4] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60)];

/// When something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// Within so many seconds.
    Within(i64),
    /// More than so many seconds ago.
    Before(i64),
    /// From the first of these days to the end of the last, in UTC.
    Days(Date, Date),
}

/// What a time can look like.
pub(super) const EXPECTED: &str = "<24h, >7d, 2026-11-20 or 2026-11-20..2026-11-22";

impl Window {
    /// The times from which and before which it is.
    pub fn bounds(self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let ago = |seconds| now.checked_sub(SignedDuration::from_secs(seconds)).ok();
        let midnight = |day: Date| day.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
        match self {
            Self::Within(seconds) => (ago(seconds), None),
            Self::Before(seconds) => (None, ago(seconds)),
            Self::Days(first, last) => (midnight(first), last.tomorrow().ok().and_then(midnight)),
        }
    }
}

impl FromStr for Window {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Some(age) = text.strip_prefix('>') {
            return Ok(Self::Before(seconds(age)?));
        }
        if let Ok(seconds) = seconds(text.strip_prefix('<').unwrap_or(text)) {
            return Ok(Self::Within(seconds));
        }
        let (first, last) = text.split_once("..").unwrap_or((text, text));
        let (first, last) = (day(first)?, day(last)?);
        if first <= last { Ok(Self::Days(first, last)) } else { Err(()) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(seconds) => write!(f, "<{}", Age(*seconds)),
            Self::Before(seconds) => write!(f, ">{}", Age(*seconds)),
            Self::Days(first, last) if first == last => write!(f, "{first}"),
            Self::Days(first, last) => write!(f, "{first}..{last}"),
        }
    }
}

struct Age(i64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = UNITS.into_iter().find(|(_, unit)| self.0 % unit == 0);
        let (unit, seconds) = whole.unwrap_or(('m', 60));
        write!(f, "{}{unit}", self.0 / seconds)
    }
}

fn seconds(age: &str) -> Result<i64, ()> {
    let unit = age.chars().next_back().ok_or(())?;
    let (_, seconds) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(())?;
    let count = &age[..age.len() - 1];
    if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(());
    }
    let total = count.parse::<i64>().ok().and_then(|count| count.checked_mul(seconds)).ok_or(())?;
    if (1..=MAX_SECONDS).contains(&total) { Ok(total) } else { Err(()) }
}

/// `2026-11-20` and nothing else that a date can be written as.
fn day(text: &str) -> Result<Date, ()> {
    let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if is_plain { text.parse().map_err(|_| ()) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, canonical: &str, from: Option<&str>, to: Option<&str>) {
        let window: Window = text.parse().unwrap();
        assert_eq!(window.to_string(), canonical);
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(window.bounds(time("2026-11-20T12:00:00Z")), (from.map(time), to.map(time)));
    }

    #[test]
    fn windows_are_ages_and_days() {
        check("<24h", "<1d", Some("2026-11-19T12:00:00Z"), None);
        check("90m", "<90m", Some("2026-11-20T10:30:00Z"), None);
        check(">2w", ">2w", None, Some("2026-11-06T12:00:00Z"));
        check("2026-11-20", "2026-11-20", Some("2026-11-20T00:00:00Z"), Some("2026-11-21T00:00:00Z"));
        check(
            "2026-11-18..2026-11-20",
            "2026-11-18..2026-11-20",
            Some("2026-11-18T00:00:00Z"),
            Some("2026-11-21T00:00:00Z"),
        );
    }

    #[test]
    fn what_is_no_window_is_refused() {
        for text in [
            "",
            "<",
            "24",
            "h",
            "<0h",
            "-1d",
            "99999999999999999999d",
            "2026-13-01",
            "2026-11-20..2026-11-19",
            "soon",
            "é",
        ] {
            assert_eq!(text.parse::<Window>(), Err(()), "{text}");
        }
    }
}
