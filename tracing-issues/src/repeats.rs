//! The counters of known errors: a fixed table of atomics, so that the caller of an error that was reported before adds one
//! and is done. No lock, no clock, no allocation. The worker collects the counts and decides what is still known.
//! It counts by cheap key and knows nothing else of an error.
//!
//! A counter is *armed* by the caller that meets a key first, and *disarmed* by the worker. One word holds the count
//! together with a generation that grows with every arming, so that adding to a counter that meanwhile belongs to another
//! key cannot happen: the exchange fails.

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Counters in all, in sets of [`WAYS`]. More would be slower: the table should stay in a core's cache.
const COUNTERS: usize = 4_096;
/// More of them behind those, for whole places only: they are needed when the others are all in use.
const PLACES: usize = 512;
/// Counters where a key can be.
const WAYS: usize = 4;
const SETS: usize = COUNTERS / WAYS;
const SETS_OF_PLACES: usize = PLACES / WAYS;

const COUNT: u64 = (1 << 40) - 1;
const ARMED: u64 = 1 << 40;
/// The next repeat is wanted as a report with all its details.
const WANTED: u64 = 1 << 41;
/// Somebody is about to arm it.
const TAKEN: u64 = 1 << 42;
/// It counts what is lost: the report that would have told of it did not get through.
const ABANDONED: u64 = 1 << 43;
const FLAGS: u64 = ARMED | WANTED | TAKEN | ABANDONED;
const GENERATION: u64 = 1 << 44;

/// A table of counters.
pub(crate) struct Repeats {
    sets: Box<[Set]>,
    has_abandoned: AtomicBool,
}

/// The counters that a key can have. One cache line, so that an error that is new is found to be so in one look; and threads
/// with different errors nearly always have different ones.
#[repr(align(64))]
#[derive(Default)]
struct Set([Counter; WAYS]);

#[derive(Default)]
struct Counter {
    /// Count, flags and generation.
    state: AtomicU64,
    key: AtomicU64,
}

/// An armed counter. It belongs to the one who has the handle: the caller that armed it, then the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handle(u16);

/// What became of one more error with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// It is counted; nothing else is to be done.
    Yes,
    /// It is known but not counted: this one is to be reported with its details.
    Wanted,
    /// The key is not known.
    No,
}

impl Repeats {
    pub(crate) fn new() -> Self {
        let sets = (0..SETS + SETS_OF_PLACES).map(|_| Set::default()).collect();
        Self { sets, has_abandoned: AtomicBool::new(false) }
    }

    /// Counts one more error, if its key is known.
    #[inline]
    pub(crate) fn count(&self, key: u64) -> Counted {
        self.count_in(set_of(key), key)
    }

    /// Counts one more error, if the key of its place is known.
    pub(crate) fn count_place(&self, key: u64) -> Counted {
        self.count_in(set_of_place(key), key)
    }

    #[inline]
    fn count_in(&self, set: usize, key: u64) -> Counted {
        for counter in &self.sets[set].0 {
            let mut state = counter.state.load(Acquire);
            while state & ARMED != 0 && counter.key.load(Relaxed) == key {
                let (next, counted) =
                    if state & WANTED == 0 { (state + 1, Counted::Yes) } else { (state & !WANTED, Counted::Wanted) };
                match counter.state.compare_exchange_weak(state, next, AcqRel, Acquire) {
                    Ok(_) => return counted,
                    Err(now) => state = now,
                }
            }
        }
        Counted::No
    }

    /// Whether a key is known.
    pub(crate) fn is_armed(&self, key: u64) -> bool {
        let Set(counters) = &self.sets[set_of(key)];
        counters.iter().any(|counter| counter.state.load(Acquire) & ARMED != 0 && counter.key.load(Relaxed) == key)
    }

    /// Arms a counter for a key. `None` if all that it can have are in use: then each error of the key is reported by itself.
    pub(crate) fn arm(&self, key: u64) -> Option<Handle> {
        self.arm_in(set_of(key), key)
    }

    /// Arms a counter for the key of a place.
    pub(crate) fn arm_place(&self, key: u64) -> Option<Handle> {
        self.arm_in(set_of_place(key), key)
    }

    fn arm_in(&self, set: usize, key: u64) -> Option<Handle> {
        for (way, counter) in self.sets[set].0.iter().enumerate() {
            let state = counter.state.load(Relaxed);
            let taken = ((state & !FLAGS & !COUNT).wrapping_add(GENERATION)) | TAKEN;
            if state & FLAGS == 0 && counter.state.compare_exchange(state, taken, Acquire, Relaxed).is_ok() {
                counter.key.store(key, Relaxed);
                counter.state.store((taken & !TAKEN) | ARMED, Release);
                return u16::try_from(set * WAYS + way).ok().map(Handle);
            }
        }
        None
    }

    /// Takes what was counted since the last time.
    pub(crate) fn collect(&self, handle: Handle) -> u64 {
        let state = &self.counter(handle).state;
        // Most have nothing, and reading leaves the line with those who count.
        if state.load(Relaxed) & COUNT == 0 { 0 } else { state.fetch_and(!COUNT, AcqRel) & COUNT }
    }

    /// Asks for the details of the next repeat.
    pub(crate) fn want(&self, handle: Handle) {
        self.counter(handle).state.fetch_or(WANTED, AcqRel);
    }

    /// Leaves a counter behind that has nobody to tell of it. It goes on counting, from `lost` on, until
    /// [`collect_abandoned`](Self::collect_abandoned).
    pub(crate) fn abandon(&self, handle: Handle, lost: u64) {
        self.counter(handle).state.fetch_add(ABANDONED + lost, AcqRel);
        self.has_abandoned.store(true, Release);
    }

    /// Takes back abandoned counters: what they have counted is lost.
    pub(crate) fn collect_abandoned(&self) -> u64 {
        if !self.has_abandoned.load(Relaxed) || !self.has_abandoned.swap(false, AcqRel) {
            return 0;
        }
        let is_abandoned = |counter: &&Counter| counter.state.load(Acquire) & ABANDONED != 0;
        let give_back = |counter: &Counter| counter.state.fetch_and(!(FLAGS | COUNT), AcqRel) & COUNT;
        self.sets.iter().flat_map(|Set(counters)| counters).filter(is_abandoned).map(give_back).sum()
    }

    /// Gives the counter back, with what was counted since the last time.
    pub(crate) fn disarm(&self, handle: Handle) -> u64 {
        self.counter(handle).state.fetch_and(!(FLAGS | COUNT), AcqRel) & COUNT
    }

    fn counter(&self, Handle(index): Handle) -> &Counter {
        let index = usize::from(index);
        &self.sets[index / WAYS].0[index % WAYS]
    }
}

#[inline]
fn set_of(key: u64) -> usize {
    key as usize % SETS
}

fn set_of_place(key: u64) -> usize {
    SETS + key as usize % SETS_OF_PLACES
}

impl std::fmt::Debug for Repeats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repeats").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicU64},
        thread,
    };

    use super::*;

    #[test]
    fn a_key_counts_from_its_arming_to_its_disarming() {
        let repeats = Repeats::new();
        assert_eq!(repeats.count(7), Counted::No);
        let handle = repeats.arm(7).unwrap();
        assert_eq!([repeats.count(7), repeats.count(7), repeats.count(8)], [Counted::Yes, Counted::Yes, Counted::No]);
        assert_eq!((repeats.collect(handle), repeats.collect(handle)), (2, 0));
        repeats.count(7);
        assert_eq!(repeats.disarm(handle), 1);
        assert_eq!(repeats.count(7), Counted::No);
    }

    #[test]
    fn one_wanted_repeat_is_handed_out_once() {
        let repeats = Repeats::new();
        let handle = repeats.arm(7).unwrap();
        repeats.count(7);
        repeats.want(handle);
        assert_eq!([repeats.count(7), repeats.count(7)], [Counted::Wanted, Counted::Yes]);
        assert_eq!(repeats.disarm(handle), 2);
    }

    #[test]
    fn a_full_set_arms_no_more_and_mixes_nothing_up() {
        let repeats = Repeats::new();
        let keys: Vec<u64> = (0..6).map(|n| 5 + n * COUNTERS as u64).collect();
        let handles: Vec<_> = keys.iter().map(|key| repeats.arm(*key)).collect();
        assert_eq!(handles.iter().flatten().count(), WAYS);
        keys.iter().for_each(|key| _ = repeats.count(*key));
        assert!(handles.iter().flatten().all(|handle| repeats.collect(*handle) == 1));
    }

    #[test]
    fn an_abandoned_counter_counts_until_it_is_collected() {
        let repeats = Repeats::new();
        repeats.abandon(repeats.arm(7).unwrap(), 1);
        assert_eq!(repeats.count(7), Counted::Yes);
        assert_eq!((repeats.collect_abandoned(), repeats.collect_abandoned()), (2, 0));
        assert_eq!(repeats.count(7), Counted::No);
        assert!(repeats.arm(7).is_some());
    }

    #[test]
    fn a_place_has_a_counter_when_errors_have_taken_all() {
        let repeats = Repeats::new();
        (0..2 * COUNTERS as u64).for_each(|key| _ = repeats.arm(key));
        assert_eq!(repeats.arm(7), None);
        let handle = repeats.arm_place(7).unwrap();
        assert_eq!([repeats.count_place(7), repeats.count(7)], [Counted::Yes, Counted::Yes]);
        assert_eq!(repeats.collect(handle), 1, "an error and a place are told apart, also by the same key");
    }

    /// Threads count two keys that share a place which is armed for one and the other in turn.
    #[test]
    fn no_count_goes_to_another_key_while_counters_change_hands() {
        let repeats = Repeats::new();
        let (stop, counted) = (AtomicBool::new(false), [AtomicU64::new(0), AtomicU64::new(0)]);
        let collected = thread::scope(|scope| {
            for index in 0..2 {
                let (repeats, stop, counted) = (&repeats, &stop, &counted);
                scope.spawn(move || {
                    while !stop.load(Relaxed) {
                        if repeats.count(index as u64 * COUNTERS as u64) == Counted::Yes {
                            counted[index].fetch_add(1, Relaxed);
                        }
                    }
                });
            }
            let mut collected = [0, 0];
            for round in 0..20_000 {
                let index = round % 2;
                let handle = repeats.arm(index as u64 * COUNTERS as u64).unwrap();
                std::hint::spin_loop();
                collected[index] += repeats.collect(handle) + repeats.disarm(handle);
            }
            stop.store(true, Relaxed);
            collected
        });
        assert_eq!(collected, counted.map(AtomicU64::into_inner));
    }
}
