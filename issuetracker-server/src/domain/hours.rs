//! How often an issue happened in each hour of its last two weeks. Pure counting; who draws it is the pages' business.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// How many hours are kept, counted back from the last one in which something happened.
pub const HOURS_KEPT: i64 = 14 * 24;

/// After how many hours an error counts half in what happens now.
const RECENT_HOURS: f64 = 6.0;

/// The same in what used to happen.
const LONG_HOURS: f64 = 120.0;

/// The hour that a time is in, counted since 1970 in UTC.
pub fn hour_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3_600)
}

/// Errors by hour. Which hours are kept depends on the greatest alone, so any order of additions gives the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hours(BTreeMap<i64, u64>);

impl Hours {
    /// Adds errors to an hour.
    pub fn add(&mut self, hour: i64, count: u64) {
        *self.0.entry(hour).or_default() += count;
        self.forget_old();
    }

    /// Adds all of `other`.
    pub fn add_all(&mut self, other: &Self) {
        for (hour, count) in &other.0 {
            *self.0.entry(*hour).or_default() += count;
        }
        self.forget_old();
    }

    /// The errors of one hour; 0 if it is not kept.
    pub fn at(&self, hour: i64) -> u64 {
        self.0.get(&hour).copied().unwrap_or(0)
    }

    /// The hours in which something happened, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64)> {
        self.0.iter().map(|(hour, count)| (*hour, *count))
    }

    /// The errors from one hour to another, the last not included.
    pub fn sum(&self, hours: std::ops::Range<i64>) -> u64 {
        if hours.is_empty() { 0 } else { self.0.range(hours).map(|(_, count)| count).sum() }
    }

    /// How much it happens, weighed against how much it used to: in bits, times a million. It does not depend on the time
    /// at which one looks, since all issues fade alike: `log2(R) - log2(L) / 2`, where `R` and `L` are the errors of all
    /// hours, each hour weighing half of one that is `RECENT_HOURS`, or `LONG_HOURS`, later.
    pub fn trend(&self) -> i64 {
        let (recent, long) = (self.weight(RECENT_HOURS), self.weight(LONG_HOURS));
        match (recent, long) {
            (Some(recent), Some(long)) => {
                #[expect(clippy::cast_possible_truncation, reason = "some thousands of bits, times a million")]
                let millionths = ((recent - long / 2.0) * 1e6).round() as i64;
                millionths
            }
            _ => 0,
        }
    }

    /// The logarithm of all errors, an hour weighing half of one that is so many hours later; `None` without errors.
    fn weight(&self, half_life: f64) -> Option<f64> {
        let (latest, _) = self.0.last_key_value()?;
        #[expect(clippy::cast_precision_loss, reason = "a rank, not a count")]
        let weigh = |(hour, count): (&i64, &u64)| *count as f64 * ((hour - latest) as f64 / half_life).exp2();
        let sum: f64 = self.0.iter().map(weigh).sum();
        #[expect(clippy::cast_precision_loss, reason = "hours since 1970")]
        let latest = *latest as f64;
        (sum > 0.0).then(|| sum.log2() + latest / half_life)
    }

    /// Forgets what is more than two weeks before the last hour.
    fn forget_old(&mut self) {
        if let Some((latest, _)) = self.0.last_key_value() {
            let oldest = latest - HOURS_KEPT + 1;
            if self.0.first_key_value().is_some_and(|(hour, _)| *hour < oldest) {
                self.0 = self.0.split_off(&oldest);
            }
        }
    }
}

impl FromIterator<(i64, u64)> for Hours {
    fn from_iter<T: IntoIterator<Item = (i64, u64)>>(hours: T) -> Self {
        let mut all = Self(BTreeMap::from_iter(hours));
        all.forget_old();
        all
    }
}

/// The errors of one service in one hour, and its issues that were new then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceHour {
    /// The service.
    pub service: String,
    /// Counted since 1970 in UTC.
    pub hour: i64,
    /// Errors.
    pub occurrences: u64,
    /// New issues.
    pub created: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_weeks_are_kept_whatever_the_order() {
        let mut forward = Hours::default();
        let mut backward = Hours::default();
        let all: Vec<(i64, u64)> = (0..1_000).zip(1..).collect();
        all.iter().for_each(|(hour, count)| forward.add(*hour, *count));
        all.iter().rev().for_each(|(hour, count)| backward.add(*hour, *count));
        assert_eq!(forward, backward);
        assert_eq!(forward.iter().count(), 14 * 24);
        assert_eq!((forward.at(999), forward.at(1_000 - HOURS_KEPT), forward.at(999 - HOURS_KEPT)), (1_000, 665, 0));
        assert_eq!(forward.sum(998..1_000), 1_999);
    }

    #[test]
    fn what_rises_has_a_higher_trend_than_what_was_always_there() {
        let trend = |hours: &[(i64, u64)]| hours.iter().copied().collect::<Hours>().trend();
        let always: Vec<(i64, u64)> = (491_000..491_300).map(|hour| (hour, 10)).collect();
        let more_now: Vec<(i64, u64)> = always.iter().copied().chain([(491_300, 200)]).collect();
        assert!(trend(&more_now) > trend(&always));
        assert!(trend(&[(491_299, 100)]) > trend(&always), "what is new is told from what is usual");
        assert!(trend(&[(491_200, 100)]) < trend(&always), "what is over is not");
        assert!(trend(&[(491_299, 100)]) > trend(&[(491_299, 1)]));
        assert_eq!(trend(&[]), 0);
    }

    #[test]
    fn an_hour_is_the_same_before_1970() {
        assert_eq!(hour_of(Timestamp::from_second(-1).unwrap()), -1);
        assert_eq!(hour_of(Timestamp::from_second(3_600).unwrap()), 1);
    }
}
