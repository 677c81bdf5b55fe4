//! What breaks, broken: the real server between real Kafka and both stores, while processes are killed and frozen, disks are
//! full, topics are gone and clocks are wrong. A producer keeps a ledger; after each scenario the issues that the API shows
//! are compared with it, and while something is broken `/readyz` and the log have to say so.
//!
//! `cargo test` runs the short form. `cargo xtask chaos --long` runs the same for minutes, and prints a report. Nothing here
//! asserts a time: every scenario waits for conditions. What each part does in detail is tested elsewhere.
#![cfg(all(feature = "kafka", feature = "firestore"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stderr, reason = "names what a failed test leaves on the broker")]

mod broker;
mod clocks;
mod disk;
mod kills;
mod ledger;
mod letters;
mod members;
mod outages;
mod private;
mod proxy;
mod replay;
mod report;
mod source;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long the load lasts in the long form: the minutes in `CHAOS_MINUTES`. Without it this is the short form.
fn long() -> Option<Duration> {
    let minutes = std::env::var("CHAOS_MINUTES").ok()?;
    let minutes: u64 = minutes.parse().expect("CHAOS_MINUTES is a number of minutes");
    Some(Duration::from_secs(60 * minutes))
}

/// How long anything may take before a scenario gives up on it: on a busy machine a rebalance alone takes half a minute, and
/// in the long form there are 100,000 events to consume.
fn patience() -> Duration {
    Duration::from_secs(if long().is_some() { 900 } else { 180 })
}

/// Asks until the answer is `Ok`, and fails with the last `Err` if that takes too long.
#[track_caller]
fn eventually<T>(what: &str, ask: impl FnMut() -> Result<T, String>) -> T {
    patiently(ask).unwrap_or_else(|state| panic!("{what}: not within {:?}; the last state: {state}", patience()))
}

/// Asks until the answer is `Ok`, and answers with the last `Err` if that takes too long.
fn patiently<T>(mut ask: impl FnMut() -> Result<T, String>) -> Result<T, String> {
    let deadline = Instant::now() + patience();
    loop {
        match ask() {
            Err(_) if Instant::now() < deadline => thread::sleep(Duration::from_millis(50)),
            answer => return answer,
        }
    }
}

/// Numbers that differ from run to run; no test relies on which.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let id = uuid::Uuid::now_v7();
        Self(u64::from_le_bytes(id.as_bytes()[8..].try_into().unwrap()) | 1)
    }

    /// At least 0, less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        // Xorshift, as Marsaglia gave it.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}
