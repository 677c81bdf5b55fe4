//! Repetition: bursts of the same thing, with pauses in which background threads empty their queues.

use std::{ops::Range, thread, time::Duration};

use crate::{Installed, Scenario, contender::Progress, sites};

/// Events in one burst: fewer than any contender's queue holds (OpenTelemetry's is the smallest, with 2,048).
pub const EVENTS_PER_BURST: u64 = 640;
/// Bursts that are measured, after one that only warms up: all the errors that differ.
pub const MEASURED_BURSTS: u64 = sites::DIFFERENT / EVENTS_PER_BURST - 1;

const PAUSE: Duration = Duration::from_millis(50);
/// After so many pauses without a change we wait no longer: for one that cannot tell what it has to do, and for one that can.
const QUIET: (u32, u32) = (1, 20);

/// Runs the bursts; `measure` gets each but the first as numbers to call [`measured_burst`] with.
pub fn run_bursts(installed: &Installed, scenario: Scenario, mut measure: impl FnMut(Range<u64>)) {
    let _spans = scenario.enter();
    for burst in 0..=MEASURED_BURSTS {
        let numbers = burst * EVENTS_PER_BURST..(burst + 1) * EVENTS_PER_BURST;
        if burst == 0 {
            numbers.for_each(|number| scenario.run(number));
        } else {
            measure(numbers);
        }
        rest(installed);
    }
}

/// Does it once for every number. Never inlined: callgrind counts between its entry and its exit, by its name.
#[inline(never)]
pub fn measured_burst(scenario: Scenario, numbers: Range<u64>) {
    numbers.for_each(|number| scenario.run(number));
}

/// Waits until nothing happens in the background any more, however slow the machine is (callgrind makes it fifty times
/// slower).
pub(crate) fn rest(installed: &Installed) {
    let (mut before, mut quiet) = (None, 0);
    loop {
        thread::sleep(PAUSE);
        let Progress { done, of } = installed.progress();
        quiet = if before == Some(done) { quiet + 1 } else { 0 };
        before = Some(done);
        let is_done = of.map_or(quiet >= QUIET.0, |of| done >= of || quiet >= QUIET.1);
        if is_done {
            return;
        }
    }
}
