//! What the benches share: the libraries that are compared, and what is done to them. The questions are in `benches/`.

mod contender;
mod scenario;

pub use crate::{
    contender::{Contender, Installed},
    scenario::Scenario,
};

use std::{thread, time::Duration};

/// Events in one burst: fewer than any contender's queue holds (OpenTelemetry's is the smallest, with 2,048).
pub const EVENTS_PER_BURST: u64 = 1_000;
/// The pause after a burst, in which background threads empty their queues.
pub const PAUSE: Duration = Duration::from_millis(50);

/// Runs bursts with pauses in between; `measure` gets each burst as a closure. The first one only warms up.
pub fn run_bursts(scenario: Scenario, bursts: u64, mut measure: impl FnMut(&mut dyn FnMut())) {
    scenario.burst(0);
    thread::sleep(PAUSE);
    for burst in 1..=bursts {
        measure(&mut || scenario.burst(burst * EVENTS_PER_BURST));
        thread::sleep(PAUSE);
    }
}

/// How many events [`run_bursts`] makes in all.
pub fn events_of(bursts: u64) -> u64 {
    (bursts + 1) * EVENTS_PER_BURST
}

/// The middle value; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
