//! How many new issues one place may make: a message that is different each time must not become thousands of issues.
//! Beyond the limit its errors are counted together, in one issue of the place. Other places are not affected.
//! It counts fingerprints, not errors: those are in [`aggregate`](crate::aggregate).

use std::{
    collections::{HashMap, HashSet},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use crate::{fingerprint::Fingerprint, report::Place};

/// The most different issues of one place in an hour.
pub(crate) const MAX_ISSUES: usize = 100;
const HOUR: Duration = Duration::from_secs(3_600);
/// The most places that are watched; a program has far fewer that log errors.
const MAX_PLACES: usize = 4_096;

/// What each place has reported in its current hour.
#[derive(Debug, Default)]
pub(crate) struct Novelty {
    hashing: RandomState,
    places: HashMap<u64, Recent>,
}

#[derive(Debug)]
struct Recent {
    since: Instant,
    /// The first bytes of each fingerprint: a confusion costs an issue that is one too many.
    known: HashSet<u64>,
}

impl Novelty {
    /// Whether a place may report this fingerprint now.
    pub(crate) fn admit(&mut self, place: &Place<'_>, fingerprint: &Fingerprint, now: Instant) -> bool {
        let place = self.hashing.hash_one(place);
        let is_over = |recent: &Recent| now.saturating_duration_since(recent.since) >= HOUR;
        if self.places.len() >= MAX_PLACES && !self.places.contains_key(&place) {
            self.places.retain(|_, recent| !is_over(recent));
            if self.places.len() >= MAX_PLACES {
                return true;
            }
        }
        let new = || Recent { since: now, known: HashSet::new() };
        let recent = self.places.entry(place).or_insert_with(new);
        if is_over(recent) {
            *recent = new();
        }
        let fingerprint = fingerprint.short();
        recent.known.contains(&fingerprint) || recent.known.len() < MAX_ISSUES && recent.known.insert(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Identity;

    fn fingerprint(message: &str) -> Fingerprint {
        Fingerprint::of(&Identity { message, ..Identity::default() })
    }

    fn place(line: u32) -> Place<'static> {
        Place { target: "t", module: "m", file: "f", line: Some(line) }
    }

    #[test]
    fn a_place_has_so_many_issues_an_hour_and_others_have_theirs() {
        let (mut novelty, start) = (Novelty::default(), Instant::now());
        let letters = |n: usize| "x".repeat(n + 1);
        let admitted = (0..1_000).filter(|n| novelty.admit(&place(1), &fingerprint(&letters(*n)), start)).count();
        assert_eq!(admitted, MAX_ISSUES);
        assert!(novelty.admit(&place(1), &fingerprint("x"), start), "known ones stay known");
        assert!(novelty.admit(&place(2), &fingerprint("rare"), start));
        assert!(!novelty.admit(&place(1), &fingerprint("rare"), start));
        assert!(novelty.admit(&place(1), &fingerprint("rare"), start + HOUR));
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let (mut novelty, start) = (Novelty::default(), Instant::now());
        for line in 0..2 * MAX_PLACES as u32 {
            assert!(novelty.admit(&place(line), &fingerprint("a"), start));
        }
        assert!(novelty.places.len() <= MAX_PLACES);
    }
}
