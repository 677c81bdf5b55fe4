//! The suppression windows: one per fingerprint, local to this process. The first error of a window is due at once, its
//! repeats are counted and due as one summary at growing intervals. Counts are exact; only details of repeats are lost.
//! It knows no clock, no network and no Redis: time and verdicts are arguments.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    time::{Duration, Instant},
};

use jiff::Timestamp;

use crate::{dedup::Verdict, event::IssueEvent, fingerprint::Fingerprint};

/// The pause before the first summary of a window; each further one waits twice as long.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// The longest pause between two summaries. A window in which nothing happened for as long is closed.
const LAST_INTERVAL: Duration = Duration::from_secs(60);

/// All open windows.
#[derive(Debug)]
pub(crate) struct Windows {
    open: HashMap<Fingerprint, Window>,
    /// When each open window is looked at next; the same windows as in `open`.
    schedule: BTreeSet<(Instant, Fingerprint)>,
    capacity: usize,
}

#[derive(Debug)]
struct Window {
    /// The latest event: its details go out with the next summary.
    sample: IssueEvent,
    /// Errors that no event stands for yet.
    pending: u64,
    first_at: Timestamp,
    due: Instant,
    interval: Duration,
}

impl Windows {
    /// No windows, and never more than `capacity`.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { open: HashMap::new(), schedule: BTreeSet::new(), capacity }
    }

    /// Whether a window for this fingerprint is open, so that [`add`](Self::add) needs no verdict.
    pub(crate) fn is_open(&self, fingerprint: &Fingerprint) -> bool {
        self.open.contains_key(fingerprint)
    }

    /// Counts one error. A new fingerprint opens a window: due at once if this is the first report of it anywhere,
    /// else (`Verdict::Suppress`) with the first summary.
    ///
    /// # Errors
    /// The event, if all windows are in use.
    #[allow(clippy::result_large_err, reason = "a refused event is dropped at once by its only caller")]
    pub(crate) fn add(
        &mut self,
        fingerprint: Fingerprint,
        event: IssueEvent,
        verdict: Verdict,
        now: Instant,
    ) -> Result<(), IssueEvent> {
        if self.open.len() >= self.capacity && !self.open.contains_key(&fingerprint) {
            self.close_one_told();
        }
        let is_full = self.open.len() >= self.capacity;
        match self.open.entry(fingerprint) {
            Entry::Occupied(mut entry) => {
                let window = entry.get_mut();
                if window.pending == 0 {
                    window.first_at = event.first_at;
                }
                window.pending += 1;
                window.sample = event;
            }
            Entry::Vacant(_) if is_full => return Err(event),
            Entry::Vacant(entry) => {
                let due = match verdict {
                    Verdict::Admit => now,
                    Verdict::Suppress => now + FIRST_INTERVAL,
                };
                self.schedule.insert((due, fingerprint));
                let first_at = event.first_at;
                entry.insert(Window { sample: event, pending: 1, first_at, due, interval: FIRST_INTERVAL });
            }
        }
        Ok(())
    }

    /// Makes room: closes a window whose errors have all been told. The next error of it opens another one.
    fn close_one_told(&mut self) {
        let is_told = |fingerprint: &Fingerprint| self.open.get(fingerprint).is_some_and(|window| window.pending == 0);
        // Bounded: while nothing can be sent all are pending, and then each new error would look at every window.
        let told = self.schedule.iter().rev().take(64).find(|(_, fingerprint)| is_told(fingerprint)).copied();
        if let Some((due, fingerprint)) = told {
            self.schedule.remove(&(due, fingerprint));
            self.open.remove(&fingerprint);
        }
    }

    /// Takes the next event that is due at `now`, and closes windows that had nothing to tell.
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<IssueEvent> {
        while let Some(&(due, fingerprint)) = self.schedule.first().filter(|(due, _)| *due <= now) {
            self.schedule.remove(&(due, fingerprint));
            let Some(window) = self.open.get_mut(&fingerprint) else { continue };
            if window.pending == 0 && window.interval >= LAST_INTERVAL {
                self.open.remove(&fingerprint);
                continue;
            }
            let event = window.take_event();
            window.due = now + window.interval;
            window.interval = (window.interval * 2).min(LAST_INTERVAL);
            self.schedule.insert((window.due, fingerprint));
            if event.is_some() {
                return event;
            }
        }
        None
    }

    /// Whether no window has anything pending.
    pub(crate) fn is_told(&self) -> bool {
        self.open.values().all(|window| window.pending == 0)
    }

    /// Takes what is pending in any window, due or not: a flush.
    pub(crate) fn take_all(&mut self) -> Vec<IssueEvent> {
        self.open.values_mut().filter_map(Window::take_event).collect()
    }
}

impl Window {
    fn take_event(&mut self) -> Option<IssueEvent> {
        if self.pending == 0 {
            return None;
        }
        let occurrences = std::mem::take(&mut self.pending);
        Some(IssueEvent {
            event_id: uuid::Uuid::now_v7(),
            created_at: self.sample.last_at,
            occurrences,
            first_at: self.first_at,
            ..self.sample.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::Identity;

    fn fingerprint(message: &str) -> Fingerprint {
        Fingerprint::of(&Identity { message, ..Identity::default() })
    }

    fn add(windows: &mut Windows, message: &str, second: i64, now: Instant) -> bool {
        let event = IssueEvent::new(message, Timestamp::from_second(second).unwrap());
        windows.add(fingerprint(message), event, Verdict::Admit, now).is_ok()
    }

    #[test]
    fn the_first_goes_out_at_once_and_its_repeats_as_one_summary() {
        let (mut windows, start) = (Windows::with_capacity(10), Instant::now());
        add(&mut windows, "a", 100, start);
        assert_eq!(windows.next_due(start).map(|event| event.occurrences), Some(1));
        for second in 101..=110 {
            add(&mut windows, "a", second, start);
        }
        assert!(windows.next_due(start).is_none());
        let summary = windows.next_due(start + FIRST_INTERVAL).unwrap();
        assert_eq!(summary.occurrences, 10);
        assert_eq!((summary.first_at.as_second(), summary.last_at.as_second()), (101, 110));
        assert!(windows.next_due(start + FIRST_INTERVAL).is_none());
    }

    #[test]
    fn an_error_that_another_instance_reported_waits_for_the_summary() {
        let (mut windows, start) = (Windows::with_capacity(10), Instant::now());
        let event = IssueEvent::new("a", Timestamp::UNIX_EPOCH);
        windows.add(fingerprint("a"), event, Verdict::Suppress, start).unwrap();
        assert!(windows.next_due(start).is_none());
        assert_eq!(windows.next_due(start + FIRST_INTERVAL).map(|event| event.occurrences), Some(1));
    }

    #[test]
    fn summaries_of_an_endless_storm_become_rare_and_lose_nothing() {
        let (mut windows, start) = (Windows::with_capacity(10), Instant::now());
        let (mut events, mut counted) = (0, 0);
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            for _ in 0..1000 {
                add(&mut windows, "a", 0, now);
            }
            while let Some(event) = windows.next_due(now) {
                events += 1;
                counted += event.occurrences;
            }
        }
        counted += windows.take_all().iter().map(|event| event.occurrences).sum::<u64>();
        assert_eq!(counted, 600_000);
        assert!(events < 20, "{events} events for one issue in ten minutes");
    }

    #[test]
    fn a_quiet_window_closes() {
        let (mut windows, mut now) = (Windows::with_capacity(1), Instant::now());
        add(&mut windows, "a", 0, now);
        for _ in 0..10 {
            let _ = windows.next_due(now);
            now += LAST_INTERVAL;
        }
        assert!(!windows.is_open(&fingerprint("a")));
        assert!(windows.schedule.is_empty());
    }

    #[test]
    fn a_full_table_gives_way_only_where_nothing_is_lost() {
        let (mut windows, now) = (Windows::with_capacity(1), Instant::now());
        add(&mut windows, "a", 0, now);
        assert!(!add(&mut windows, "b", 0, now), "the error of `a` was not told yet");
        assert!(windows.next_due(now).is_some());
        assert!(add(&mut windows, "b", 0, now));
        assert!(windows.is_open(&fingerprint("b")) && !windows.is_open(&fingerprint("a")));
    }
}
