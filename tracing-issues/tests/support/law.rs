//! What holds whatever happens: the law of the counters, at any instant, and how long a caller is kept.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tracing_issues::{IssueGuard, Stats};

/// How long anything may take before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// No call may take so long, on a machine that is busy with other tests. One that waits for a network would take longer.
const LONGEST_CALL: Duration = Duration::from_secs(2);
/// Nor so long on average.
const MEAN_CALL: Duration = Duration::from_millis(10);

/// Checks the law of the counters.
#[track_caller]
pub(crate) fn check(stats: &Stats) {
    assert_eq!(stats.seen, stats.delivered + stats.queued + stats.aggregated + stats.dropped.total(), "{stats:?}");
}

/// Checks that all of these errors, and no others, were delivered.
#[track_caller]
pub(crate) fn check_delivered(stats: &Stats, errors: u64) {
    check(stats);
    assert_eq!(
        (stats.seen, stats.delivered, stats.waiting(), stats.dropped.total()),
        (errors, errors, 0, 0),
        "{stats:?}"
    );
}

/// Waits until the counters say so.
#[track_caller]
pub(crate) fn wait_until(what: &str, guard: &IssueGuard, is_reached: impl Fn(&Stats) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stats = guard.stats();
        check(&stats);
        if is_reached(&stats) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {stats:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A thread that checks the law all the time, and that no total ever sinks.
pub(crate) struct Watch {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Watch {
    pub(crate) fn start(stats: impl Fn() -> Stats + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let (mut samples, mut before) = (0, Stats::default());
            while !over.load(Relaxed) {
                let now = stats();
                check(&now);
                let totals = |stats: &Stats| [stats.seen, stats.suppressed, stats.delivered, stats.dropped.total()];
                assert!(totals(&before).iter().zip(totals(&now)).all(|(a, b)| *a <= b), "{before:?}\n{now:?}");
                (samples, before) = (samples + 1, now);
                thread::sleep(Duration::from_micros(20));
            }
            samples
        });
        Self { is_over, thread }
    }

    /// Fails if the law was broken at any instant.
    #[track_caller]
    pub(crate) fn finish(self) {
        self.is_over.store(true, Relaxed);
        let samples = self.thread.join().expect("the law was broken");
        assert!(samples > 0, "nobody watched");
    }
}

/// How long the callers were kept.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    longest: Duration,
    sum: Duration,
    count: u32,
}

impl Calls {
    /// Logs something, and takes the time.
    pub(crate) fn call(&mut self, log: impl FnOnce()) {
        let start = Instant::now();
        log();
        let took = start.elapsed();
        self.longest = self.longest.max(took);
        self.sum += took;
        self.count += 1;
    }

    /// Checks that nobody waited for anything.
    #[track_caller]
    pub(crate) fn check(&self) {
        // One of them may be unlucky, also if there are few.
        let bound = LONGEST_CALL + MEAN_CALL * self.count;
        assert!(self.longest < LONGEST_CALL && self.sum < bound, "{self:?}");
    }
}
