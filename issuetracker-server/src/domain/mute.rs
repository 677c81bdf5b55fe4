//! Silence: a muted issue is counted, but it neither reopens nor alerts anybody, until its mute ends. Who may mute, and how
//! that is asked for, is decided elsewhere.

use std::str::FromStr;

use jiff::Timestamp;
use tracing_issues::event::UnknownWord;

use super::hours::{Hours, hour_of};

/// How an issue is silenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mute {
    /// When somebody muted it.
    pub since: Timestamp,
    /// What ends it.
    pub until: MutedUntil,
}

/// What ends a mute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MutedUntil {
    /// Only a person.
    Unmuted,
    /// This time.
    Time(Timestamp),
    /// So many errors in one period.
    Rate {
        /// How many, 1 or more.
        count: u64,
        /// In which.
        per: Period,
        /// How many there were already in the period in which it was muted.
        before: u64,
    },
}

/// A whole hour or day, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From minute 0 on.
    Hour,
    /// From midnight on.
    Day,
}

impl Period {
    /// The word for it outside the process.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// How long it is, in hours.
    pub const fn hours(self) -> i64 {
        match self {
            Self::Hour => 1,
            Self::Day => 24,
        }
    }

    /// The first hour of the period that `hour` is in.
    const fn start(self, hour: i64) -> i64 {
        hour.div_euclid(self.hours()) * self.hours()
    }

    /// The errors of the period that `hour` is in.
    pub fn count(self, hour: i64, hours: &Hours) -> u64 {
        let start = self.start(hour);
        hours.sum(start..start + self.hours())
    }
}

impl FromStr for Period {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        [Self::Hour, Self::Day]
            .into_iter()
            .find(|period| period.as_str() == word)
            .ok_or_else(|| UnknownWord { found: tracing_issues::event::truncate_chars(word, 40), expected: "hour day" })
    }
}

impl Mute {
    /// A mute from `since` on, of an issue that has happened in these `hours`.
    pub fn new(since: Timestamp, until: MutedUntil, hours: &Hours) -> Self {
        let until = match until {
            MutedUntil::Rate { count, per, .. } => {
                MutedUntil::Rate { count: count.max(1), per, before: per.count(hour_of(since), hours) }
            }
            until => until,
        };
        Self { since, until }
    }

    /// Whether the issue is silent at this time.
    pub fn is_silent(&self, at: Timestamp) -> bool {
        !matches!(self.until, MutedUntil::Time(until) if at >= until)
    }

    /// Whether what has happened since ends it. The answer to more errors is never less.
    pub fn is_over(&self, hours: &Hours) -> bool {
        let MutedUntil::Rate { count, per, before } = self.until else { return false };
        let first = per.start(hour_of(self.since));
        let mut starts = hours.iter().map(|(hour, _)| per.start(hour)).filter(|start| *start >= first);
        starts.any(|start| {
            let known = if start == first { before } else { 0 };
            per.count(start, hours).saturating_sub(known) >= count
        })
    }

    /// The time that it ends at, if that is known.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self.until {
            MutedUntil::Time(until) => Some(until),
            MutedUntil::Unmuted | MutedUntil::Rate { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_time_ends_it_at_that_time() {
        let mute = Mute::new(at(0), MutedUntil::Time(at(100)), &Hours::default());
        assert_eq!((mute.is_silent(at(99)), mute.is_silent(at(100))), (true, false));
        assert!(Mute::new(at(0), MutedUntil::Unmuted, &Hours::default()).is_silent(Timestamp::MAX));
    }

    #[test]
    fn a_rate_counts_from_the_mute_on_in_whole_periods() {
        let mut hours = Hours::default();
        hours.add(30, 5);
        let rate = |per| MutedUntil::Rate { count: 10, per, before: 0 };
        let (hourly, daily) = (
            Mute::new(at(30 * 3_600 + 10), rate(Period::Hour), &hours),
            Mute::new(at(30 * 3_600 + 10), rate(Period::Day), &hours),
        );
        hours.add(30, 9);
        hours.add(29, 100);
        assert_eq!((hourly.is_over(&hours), daily.is_over(&hours)), (false, true), "hour 29 is before, but of the day");
        hours.add(31, 9);
        assert!(!hourly.is_over(&hours), "nine, then nine");
        hours.add(31, 1);
        assert!(hourly.is_over(&hours));
    }
}
