//! The suppression windows: one per fingerprint, local to this process. The first error of a window is due at once, its
//! repeats are counted and due as one summary at growing intervals. Counts are exact; only details of repeats are lost.
//! It knows no network and no Redis: time and verdicts are arguments.
//!
//! Repeats are counted in two places: on the callers' threads, in the counters that the window has armed, and here, where a
//! report arrives for a window that is open. Both are one number when the window is due.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use uuid::Uuid;

use crate::{
    dedup::Verdict,
    fingerprint::Fingerprint,
    repeats::{Handle, Repeats},
    report::Report,
};

/// The pause before the first summary of a window; each further one waits twice as long.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause between two summaries. A window in which nothing happened for as long is closed.
const LAST_INTERVAL: Duration = Duration::from_secs(60);
/// The most counters of one window: keys that lead to it.
const MAX_COUNTERS: usize = 16;
/// The bytes of all samples beyond which new ones are kept without details.
const MAX_SAMPLE_BYTES: usize = 8 * 1024 * 1024;

/// All open windows.
#[derive(Debug)]
pub(crate) struct Windows {
    open: HashMap<Fingerprint, Window>,
    /// When each open window is looked at next; the same windows as in `open`.
    schedule: BTreeSet<(Instant, Fingerprint)>,
    capacity: usize,
    pub(crate) repeats: Arc<Repeats>,
    sample_bytes: usize,
    /// When the counters were collected last: what is in them happened since.
    collected_at: SystemTime,
}

#[derive(Debug)]
struct Window {
    /// The latest report: its details go out with the next summary.
    sample: Box<Report>,
    subject: Subject,
    /// The counters that callers add repeats to.
    counters: Vec<Handle>,
    /// The key of the latest report's text as it is.
    latest_key: u64,
    /// Errors that no event stands for yet.
    pending: u64,
    /// As many of them are in the spool.
    written_down: u64,
    first_at: SystemTime,
    last_at: SystemTime,
    due: Instant,
    interval: Duration,
    /// The id that its next event will have.
    event_id: Uuid,
}

/// All windows are in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// What the errors of a window have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// They are one issue.
    Error,
    /// They come from one place that reports too many different issues.
    Place,
}

/// A window's errors that an event is to be made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Due<'a> {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) subject: Subject,
    pub(crate) sample: &'a Report,
    pub(crate) event_id: Uuid,
    pub(crate) occurrences: u64,
    pub(crate) first_at: SystemTime,
    pub(crate) last_at: SystemTime,
}

impl Windows {
    /// No windows, and never more than `capacity`.
    pub(crate) fn new(capacity: usize, repeats: Arc<Repeats>) -> Self {
        Self {
            open: HashMap::new(),
            schedule: BTreeSet::new(),
            capacity,
            repeats,
            sample_bytes: 0,
            collected_at: SystemTime::UNIX_EPOCH,
        }
    }

    /// Whether a window for this fingerprint is open, so that [`add`](Self::add) needs no verdict.
    pub(crate) fn is_open(&self, fingerprint: &Fingerprint) -> bool {
        self.open.contains_key(fingerprint)
    }

    /// Counts errors that one report stands for, and takes over its counter. A new fingerprint opens a window: due at once if
    /// this is the first report of it anywhere, else (`Verdict::Suppress`) with the first summary.
    ///
    /// # Errors
    /// If all windows are in use. The counter stays with the report.
    pub(crate) fn add(
        &mut self,
        fingerprint: Fingerprint,
        subject: Subject,
        report: &mut Report,
        errors: u64,
        verdict: Verdict,
        now: Instant,
    ) -> Result<(), NoRoom> {
        self.make_room(&fingerprint);
        if self.open.len() >= self.capacity && !self.is_open(&fingerprint) {
            return Err(NoRoom);
        }
        let is_crammed = self.sample_bytes > MAX_SAMPLE_BYTES || subject == Subject::Place;
        let sample = if is_crammed { report.without_details() } else { report.compact() };
        self.sample_bytes += sample.weight();
        let (counter, at) = (report.repeats.take(), report.at);
        match self.open.entry(fingerprint) {
            Entry::Vacant(entry) => {
                let due = match verdict {
                    Verdict::Admit => now,
                    Verdict::Suppress => now + FIRST_INTERVAL,
                };
                self.schedule.insert((due, fingerprint));
                entry.insert(Window {
                    sample,
                    subject,
                    counters: counter.into_iter().collect(),
                    latest_key: 0,
                    pending: errors,
                    written_down: 0,
                    first_at: at,
                    last_at: at,
                    due,
                    interval: FIRST_INTERVAL,
                    event_id: Uuid::now_v7(),
                });
            }
            Entry::Occupied(mut entry) => {
                let window = entry.get_mut();
                window.count(errors, at, at);
                window.counters.extend(counter);
                let old = std::mem::replace(&mut window.sample, sample);
                self.sample_bytes = self.sample_bytes.saturating_sub(old.weight());
            }
        }
        Ok(())
    }

    /// Arms counters for the keys of a report, so that callers count its repeats from now on: the key of its text without
    /// what varies, and that of the text as it is, if it comes so again and again.
    pub(crate) fn learn(&mut self, fingerprint: &Fingerprint, key: u64, as_is: u64) {
        let Some(window) = self.open.get_mut(fingerprint) else { return };
        let comes_again = std::mem::replace(&mut window.latest_key, as_is) == as_is;
        for key in std::iter::once(key).chain(comes_again.then_some(as_is)) {
            if window.counters.len() < MAX_COUNTERS && !self.repeats.is_armed(key) {
                window.counters.extend(self.repeats.arm(key));
            }
        }
    }

    /// Gives the counter of a whole place to the window of that place, which is opened if need be, with nothing in it yet.
    /// Tells what was counted on it if there is no room for the window.
    pub(crate) fn add_place(
        &mut self,
        fingerprint: Fingerprint,
        report: &Report,
        counter: Handle,
        now: Instant,
    ) -> u64 {
        self.make_room(&fingerprint);
        if let Some(window) = self.open.get_mut(&fingerprint) {
            window.counters.push(counter);
            return 0;
        }
        if self.add(fingerprint, Subject::Place, &mut report.without_details(), 0, Verdict::Suppress, now).is_err() {
            return self.repeats.disarm(counter);
        }
        if let Some(window) = self.open.get_mut(&fingerprint) {
            window.counters.push(counter);
        }
        0
    }

    /// Collects what callers have counted since the last time; `now` is when. Returns how much that is.
    pub(crate) fn collect(&mut self, now: SystemTime) -> u64 {
        let since = std::mem::replace(&mut self.collected_at, now);
        let mut total = 0;
        for window in self.open.values_mut() {
            let counted = window.counters.iter().map(|counter| self.repeats.collect(*counter)).sum();
            window.count(counted, since, now);
            total += counted;
        }
        total
    }

    /// Closes windows until there is room for one more: those whose errors have all been told. The next error of such a
    /// one opens another.
    fn make_room(&mut self, fingerprint: &Fingerprint) {
        if self.open.len() < self.capacity || self.open.contains_key(fingerprint) {
            return;
        }
        let is_told = |fingerprint: &Fingerprint| self.open.get(fingerprint).is_some_and(|window| window.pending == 0);
        // Bounded: while nothing can be sent all are pending, and then each new error would look at every window.
        let told = self.schedule.iter().rev().take(64).find(|(_, fingerprint)| is_told(fingerprint)).copied();
        if let Some((_, fingerprint)) = told {
            self.close(fingerprint);
        }
    }

    /// Closes a window, unless callers have counted on it up to the last moment.
    fn close(&mut self, fingerprint: Fingerprint) {
        let Some(window) = self.open.get_mut(&fingerprint) else { return };
        let counted = window.disarm(&self.repeats);
        window.count(counted, self.collected_at, self.collected_at);
        if window.pending == 0 {
            self.schedule.remove(&(window.due, fingerprint));
            self.sample_bytes = self.sample_bytes.saturating_sub(window.sample.weight());
            self.open.remove(&fingerprint);
        }
    }

    /// Takes the next event that is due at `now`, and closes windows that had nothing to tell.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<Due<'_>> {
        while let Some(&(due, fingerprint)) = self.schedule.first().filter(|(due, _)| *due <= now) {
            let window = self.open.get_mut(&fingerprint)?;
            if window.pending == 0 && window.interval >= LAST_INTERVAL {
                self.close(fingerprint);
            }
            let Some(window) = self.open.get_mut(&fingerprint) else { continue };
            self.schedule.remove(&(due, fingerprint));
            window.due = now + window.interval;
            window.interval = (window.interval * 2).min(LAST_INTERVAL);
            self.schedule.insert((window.due, fingerprint));
            if window.pending > 0 {
                return self.take(fingerprint);
            }
        }
        None
    }

    /// Whether no window has anything pending.
    pub(crate) fn is_told(&self) -> bool {
        self.open.values().all(|window| window.pending == 0)
    }

    /// How many errors are pending in all windows.
    pub(crate) fn pending_errors(&self) -> u64 {
        self.open.values().map(|window| window.pending).sum()
    }

    /// The windows that have something pending, due or not, in the order in which it happened: for a flush.
    pub(crate) fn pending(&self) -> Vec<Fingerprint> {
        let pending = self.open.iter().filter(|(_, window)| window.pending > 0);
        let mut pending: Vec<_> = pending.map(|(fingerprint, window)| (window.first_at, *fingerprint)).collect();
        pending.sort_unstable();
        pending.into_iter().map(|(_, fingerprint)| fingerprint).collect()
    }

    /// The windows that have counted more since this was called last: what is to be written down now.
    pub(crate) fn news(&mut self) -> Vec<Fingerprint> {
        let changed = |(fingerprint, window): (&Fingerprint, &mut Window)| {
            let has_news = window.pending > window.written_down;
            window.written_down = window.pending;
            has_news.then_some(*fingerprint)
        };
        self.open.iter_mut().filter_map(changed).collect()
    }

    /// Makes an event of what is pending in a window.
    pub(crate) fn take(&mut self, fingerprint: Fingerprint) -> Option<Due<'_>> {
        let window = self.open.get_mut(&fingerprint)?;
        if window.pending == 0 {
            return None;
        }
        // The next summary is to show how it looks then. A place has no details worth that.
        if window.subject == Subject::Error {
            window.counters.iter().for_each(|counter| self.repeats.want(*counter));
        }
        let occurrences = std::mem::take(&mut window.pending);
        window.written_down = 0;
        let event_id = std::mem::replace(&mut window.event_id, Uuid::now_v7());
        Some(Due { event_id, occurrences, ..window.due(fingerprint) })
    }

    /// Shows what is pending in a window, as its next event would tell it.
    pub(crate) fn peek(&self, fingerprint: Fingerprint) -> Option<Due<'_>> {
        self.open.get(&fingerprint).filter(|window| window.pending > 0).map(|window| window.due(fingerprint))
    }

    /// Takes back every counter, before the worker ends: what is counted here is all there will be.
    pub(crate) fn disarm(&mut self) -> u64 {
        let mut total = 0;
        for window in self.open.values_mut() {
            let counted = window.disarm(&self.repeats);
            window.count(counted, self.collected_at, SystemTime::now());
            total += counted;
        }
        total
    }
}

impl Window {
    fn count(&mut self, errors: u64, first_at: SystemTime, last_at: SystemTime) {
        if errors == 0 {
            return;
        }
        if self.pending == 0 {
            // Not before what was told already, unless the clock was set back.
            self.first_at = first_at.max(self.last_at).min(last_at);
            self.last_at = last_at;
        }
        self.last_at = self.last_at.max(last_at);
        self.pending += errors;
    }

    fn due(&self, fingerprint: Fingerprint) -> Due<'_> {
        let Self { ref sample, subject, pending, first_at, last_at, event_id, .. } = *self;
        Due { fingerprint, subject, sample, event_id, occurrences: pending, first_at, last_at }
    }

    fn disarm(&mut self, repeats: &Repeats) -> u64 {
        self.counters.drain(..).map(|counter| repeats.disarm(counter)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{fingerprint::Identity, repeats::Counted, report::Origin};

    fn fingerprint(message: &str) -> Fingerprint {
        Fingerprint::of(&Identity { message, ..Identity::default() })
    }

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    fn report(second: u64) -> Box<Report> {
        let mut report = Box::<Report>::default();
        report.begin(Origin::Panic, |fields| fields.record_text("message", format_args!("m")));
        report.at = at(second);
        report
    }

    fn windows(capacity: usize) -> Windows {
        Windows::new(capacity, Arc::new(Repeats::new()))
    }

    fn add(windows: &mut Windows, message: &str, second: u64, now: Instant) -> bool {
        windows.add(fingerprint(message), Subject::Error, &mut report(second), 1, Verdict::Admit, now).is_ok()
    }

    /// The count of the next event that is due.
    fn due(windows: &mut Windows, now: Instant) -> Option<u64> {
        windows.next_due(now).map(|due| due.occurrences)
    }

    #[test]
    fn the_first_goes_out_at_once_and_its_repeats_as_one_summary() {
        let (mut windows, start) = (windows(10), Instant::now());
        add(&mut windows, "a", 100, start);
        assert_eq!(due(&mut windows, start), Some(1));
        for second in 101..=110 {
            add(&mut windows, "a", second, start);
        }
        assert_eq!(due(&mut windows, start), None);
        let summary = windows.next_due(start + FIRST_INTERVAL).unwrap();
        assert_eq!((summary.occurrences, summary.first_at, summary.last_at), (10, at(101), at(110)));
        assert_eq!(due(&mut windows, start + FIRST_INTERVAL), None);
    }

    #[test]
    fn what_callers_count_is_in_the_summary_with_the_time_of_its_collection() {
        let (mut windows, start) = (windows(10), Instant::now());
        let repeats = Arc::clone(&windows.repeats);
        let mut first = report(100);
        first.repeats = repeats.arm(7);
        windows.add(fingerprint("a"), Subject::Error, &mut first, 1, Verdict::Admit, start).unwrap();
        assert_eq!(due(&mut windows, start), Some(1));
        // It was told, so the next one is wanted with its details.
        assert_eq!(repeats.count(7), Counted::Wanted);
        windows.collect(at(101));
        repeats.count(7);
        repeats.count(7);
        windows.collect(at(102));
        windows.collect(at(103));
        let summary = windows.next_due(start + FIRST_INTERVAL).unwrap();
        assert_eq!((summary.occurrences, summary.first_at, summary.last_at), (2, at(101), at(102)));
    }

    #[test]
    fn a_clock_that_is_set_back_ends_no_error_before_it_began() {
        let (mut windows, start) = (windows(10), Instant::now());
        let repeats = Arc::clone(&windows.repeats);
        let mut first = report(100);
        first.repeats = repeats.arm(7);
        windows.add(fingerprint("a"), Subject::Error, &mut first, 1, Verdict::Admit, start).unwrap();
        windows.collect(at(200));
        repeats.count(7);
        windows.collect(at(50));
        let Due { first_at, last_at, .. } = windows.next_due(start).unwrap();
        assert_eq!((first_at, last_at), (at(100), at(100)));
        // Counted between 50 and 60 as the clock has it now.
        assert_eq!(repeats.count(7), Counted::Wanted);
        repeats.count(7);
        windows.collect(at(60));
        let Due { first_at, last_at, .. } = windows.next_due(start + FIRST_INTERVAL).unwrap();
        assert_eq!((first_at, last_at), (at(60), at(60)));
        windows.collect(at(300));
        repeats.count(7);
        repeats.count(7);
        windows.collect(at(40));
        let Due { first_at, last_at, .. } = windows.next_due(start + 3 * FIRST_INTERVAL).unwrap();
        assert_eq!((first_at, last_at), (at(40), at(40)));
    }

    #[test]
    fn an_error_that_another_instance_reported_waits_for_the_summary() {
        let (mut windows, start) = (windows(10), Instant::now());
        windows.add(fingerprint("a"), Subject::Error, &mut report(1), 1, Verdict::Suppress, start).unwrap();
        assert_eq!(due(&mut windows, start), None);
        assert_eq!(due(&mut windows, start + FIRST_INTERVAL), Some(1));
    }

    #[test]
    fn summaries_of_an_endless_storm_become_rare_and_lose_nothing() {
        let (mut windows, start) = (windows(10), Instant::now());
        let (mut events, mut counted) = (0, 0);
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            for _ in 0..1000 {
                add(&mut windows, "a", 0, now);
            }
            while let Some(occurrences) = due(&mut windows, now) {
                events += 1;
                counted += occurrences;
            }
        }
        for fingerprint in windows.pending() {
            counted += windows.take(fingerprint).unwrap().occurrences;
        }
        assert_eq!(counted, 600_000);
        assert!(events < 20, "{events} events for one issue in ten minutes");
    }

    #[test]
    fn a_quiet_window_closes_and_gives_its_counter_back() {
        let (mut windows, mut now) = (windows(1), Instant::now());
        let repeats = Arc::clone(&windows.repeats);
        let mut first = report(100);
        first.repeats = repeats.arm(7);
        windows.add(fingerprint("a"), Subject::Error, &mut first, 1, Verdict::Admit, now).unwrap();
        for _ in 0..10 {
            let _ = windows.next_due(now);
            now += LAST_INTERVAL;
        }
        assert!(!windows.is_open(&fingerprint("a")));
        assert!(windows.schedule.is_empty());
        assert_eq!((repeats.count(7), windows.sample_bytes), (Counted::No, 0));
    }

    #[test]
    fn a_full_table_gives_way_only_where_nothing_is_lost() {
        let (mut windows, now) = (windows(1), Instant::now());
        add(&mut windows, "a", 0, now);
        assert!(!add(&mut windows, "b", 0, now), "the error of `a` was not told yet");
        assert_eq!(due(&mut windows, now), Some(1));
        assert!(add(&mut windows, "b", 0, now));
        assert!(windows.is_open(&fingerprint("b")) && !windows.is_open(&fingerprint("a")));
    }

    #[test]
    fn the_window_of_a_place_starts_with_nothing() {
        let (mut windows, now) = (windows(2), Instant::now());
        let repeats = Arc::clone(&windows.repeats);
        let counter = repeats.arm(7).unwrap();
        assert_eq!(windows.add_place(fingerprint("place"), &report(1), counter, now), 0);
        assert!(windows.is_told());
        repeats.count(7);
        windows.collect(at(2));
        let summary = windows.next_due(now + FIRST_INTERVAL).unwrap();
        assert_eq!((summary.occurrences, summary.subject), (1, Subject::Place));
    }
}
