//! How fast one event follows another, which decides what is still in the caches, and the clock around it.

use std::{
    fmt,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use crate::{
    EVENTS_PER_BURST, Installed, MEASURED_BURSTS, Scenario,
    burst::{measured_burst, rest, run_bursts},
    sites,
};

/// When events happen, and on how many threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// One right after the other.
    Warm,
    /// One every 1.5 ms, as errors in a service do: caches have seen other things meanwhile.
    Cold,
    /// One right after the other on two threads at once.
    TwoThreads,
}

const COLD_EVENTS: u64 = 300;
const COLD_PAUSE: Duration = Duration::from_micros(1_500);

impl Pace {
    const NAMES: [(&'static str, Self); 3] =
        [("warm", Self::Warm), ("cold", Self::Cold), ("two-threads", Self::TwoThreads)];

    /// The pace of this name.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let found = Self::NAMES.iter().find(|(known, _)| *known == name);
        found.map(|(_, pace)| *pace).ok_or_else(|| anyhow::anyhow!("there is no pace {name}"))
    }

    /// Runs the scenario at this pace. Returns nanoseconds per event, several times, and how many events there were,
    /// the ones for warming up included.
    pub fn measure(self, installed: &Installed, scenario: Scenario) -> (Vec<f64>, u64) {
        match self {
            Self::Warm => warm(installed, scenario),
            Self::Cold => cold(installed, scenario),
            Self::TwoThreads => two_threads(installed, scenario),
        }
    }
}

/// The name on the command line.
impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = Self::NAMES.iter().find(|(_, known)| known == self);
        f.pad(found.map_or("?", |(name, _)| name))
    }
}

fn warm(installed: &Installed, scenario: Scenario) -> (Vec<f64>, u64) {
    let mut ns = Vec::new();
    run_bursts(installed, scenario, |numbers| ns.push(timed_burst(scenario, numbers)));
    (ns, (1 + MEASURED_BURSTS) * EVENTS_PER_BURST)
}

fn cold(installed: &Installed, scenario: Scenario) -> (Vec<f64>, u64) {
    let _spans = scenario.enter();
    measured_burst(scenario, 0..EVENTS_PER_BURST);
    rest(installed);
    let numbers = EVENTS_PER_BURST..EVENTS_PER_BURST + COLD_EVENTS;
    let last = numbers.end;
    let ns = numbers.map(|number| {
        thread::sleep(COLD_PAUSE);
        timed_burst(scenario, number..number + 1)
    });
    (ns.collect(), last)
}

/// As many bursts as there are different errors for; the first one warms up.
fn two_threads(installed: &Installed, scenario: Scenario) -> (Vec<f64>, u64) {
    let bursts = sites::DIFFERENT / (2 * EVENTS_PER_BURST);
    let mut ns = Vec::new();
    for burst in 0..bursts {
        let arrived = AtomicU64::new(0);
        let run = |thread: u64| {
            let _spans = scenario.enter();
            let first = (2 * burst + thread) * EVENTS_PER_BURST;
            // Spinning: a thread that has to be woken comes when the other one is done.
            arrived.fetch_add(1, SeqCst);
            while arrived.load(SeqCst) < 2 {
                std::hint::spin_loop();
            }
            timed_burst(scenario, first..first + EVENTS_PER_BURST)
        };
        let both = thread::scope(|scope| {
            let other = scope.spawn(|| run(1));
            [Some(run(0)), other.join().ok()]
        });
        if burst > 0 {
            ns.extend(both.into_iter().flatten());
        }
        rest(installed);
    }
    (ns, bursts * 2 * EVENTS_PER_BURST)
}

fn timed_burst(scenario: Scenario, numbers: Range<u64>) -> f64 {
    let events = numbers.end - numbers.start;
    let start = Instant::now();
    measured_burst(scenario, numbers);
    start.elapsed().as_nanos() as f64 / events as f64
}
