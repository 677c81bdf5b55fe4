//! How often an issue happened in each hour of its last two weeks. Pure counting; who draws it is the pages' business.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// How many hours are kept, counted back from the last one in which something happened.
pub const HOURS_KEPT: i64 = 14 * 24;

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
    fn an_hour_is_the_same_before_1970() {
        assert_eq!(hour_of(Timestamp::from_second(-1).unwrap()), -1);
        assert_eq!(hour_of(Timestamp::from_second(3_600).unwrap()), 1);
    }
}
