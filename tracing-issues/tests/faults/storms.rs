//! Storms: far more errors than anybody can send. Few events, exact counts, bounded memory, and a rare error is not lost
//! among them.

use std::{
    collections::BTreeMap,
    fs,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tracing::error;
use tracing_issues::{
    publish::{Envelope, Publisher, Settlement},
    testing::memory,
};
use tracing_subscriber::prelude::*;

use crate::{
    law::{self, Watch},
    stage::{Stage, tell},
};

/// Debug builds of the library take a few microseconds for one error.
const MILLION: u64 = 1_000_000;
/// The worker goes through the errors that were there before, at a tenth of its speed in a debug build.
const RARE_WITHIN: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 2 });
const BUGS: [&str; 10] = [
    "order {} refused",
    "quote {} is stale by {}ms",
    "cannot parse line {}",
    "retry {} failed",
    "session {} expired",
    "shard {} lost its leader",
    "fetch of page {} timed out",
    "no rate for pair {}",
    "ledger {} does not balance",
    "webhook {} was refused",
];

/// Occurrences by fingerprint, with a title of each.
fn by_fingerprint(events: &[Value]) -> BTreeMap<String, (u64, String)> {
    let mut found: BTreeMap<String, (u64, String)> = BTreeMap::new();
    for event in events {
        let entry = found.entry(event["fingerprint"].as_str().unwrap().to_owned()).or_default();
        entry.0 += event["occurrences"].as_u64().unwrap();
        entry.1 = event["title"].as_str().unwrap().to_owned();
    }
    found
}

#[test]
fn a_million_errors_of_ten_bugs_are_ten_issues_with_exact_counts() {
    let play = |_: &str| {
        let (publisher, published) = memory();
        let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build().unwrap();
        let watch = Watch::start(issues.stats());
        tracing_subscriber::registry().with(issues).init();
        let start = Instant::now();
        thread::scope(|scope| {
            for thread in 0..2 {
                scope.spawn(move || {
                    for number in 0..MILLION / 2 {
                        let bug = BUGS[number as usize % BUGS.len()];
                        let id = (number * 2 + thread).to_string();
                        error!("{}", bug.replace("{}", &id));
                    }
                });
            }
        });
        let took = start.elapsed();
        assert!(guard.flush(law::PATIENCE));
        let stats = guard.shutdown();
        watch.finish();
        law::check_delivered(&stats, MILLION);
        let events = published.events();
        let found = by_fingerprint(&events);
        assert!(found.values().all(|(occurrences, _)| *occurrences == MILLION / 10), "{found:#?}");
        assert_eq!(found.len(), 10, "{found:#?}");
        assert!(events.len() <= 1_000, "{} events", events.len());
        tell(&serde_json::json!({"events": events.len(), "seconds": took.as_secs_f64()}));
    };
    let Some(stage) = Stage::of(play) else { return };
    println!("{}", stage.play("").told);
}

/// A field of `/proc/self/status` in KiB.
fn memory_kib(field: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn messages_that_are_all_unique_bound_memory_and_issues_and_do_not_hide_a_rare_error() {
    const ERRORS: u64 = 300_000;
    let play = |_: &str| {
        let (publisher, published) = memory();
        let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build().unwrap();
        let watch = Watch::start(issues.stats());
        tracing_subscriber::registry().with(issues).init();
        error!("before the storm");
        assert!(guard.flush(law::PATIENCE));
        let before = memory_kib("VmRSS");

        let is_rare = |event: &Value| event["title"].as_str().unwrap().contains("the rare one");
        let rare_after = thread::scope(|scope| {
            let storms: Vec<_> = (0..2).map(|seed| scope.spawn(move || unique_words(seed, ERRORS / 2))).collect();
            while guard.stats().seen < ERRORS / 2 {
                thread::sleep(Duration::from_millis(1));
            }
            let start = Instant::now();
            error!(kind = "rare", "the rare one");
            let is_during = storms.iter().any(|storm| !storm.is_finished());
            while !published.events().iter().any(is_rare) {
                assert!(start.elapsed() < law::PATIENCE, "the rare error is lost: {:?}", guard.stats());
                thread::sleep(Duration::from_millis(10));
            }
            assert!(is_during, "the storm was over before it was in the middle");
            start.elapsed()
        });
        let peak = memory_kib("VmHWM");
        assert!(guard.flush(law::PATIENCE));
        let stats = guard.shutdown();
        watch.finish();
        law::check_delivered(&stats, ERRORS + 2);
        let events = published.events();
        let found = by_fingerprint(&events);
        let occurrences: u64 = found.values().map(|(occurrences, _)| *occurrences).sum();
        assert_eq!(occurrences, ERRORS + 2);
        // A hundred, the place, the rare one, and the one before.
        assert!(found.len() <= 103, "{} issues of one place", found.len());
        assert!(rare_after < RARE_WITHIN, "the rare error was published after {rare_after:?}");
        assert!(peak < before + 32 * 1024, "memory grew from {before} to {peak} KiB");
        tell(
            &serde_json::json!({"issues": found.len(), "events": events.len(), "grown_kib": peak.saturating_sub(before),
            "rare_after_ms": rare_after.as_millis() as u64}),
        );
    };
    let Some(stage) = Stage::of(play) else { return };
    println!("{}", stage.play("").told);
}

/// Errors of one place that have not a word in common.
fn unique_words(seed: u64, errors: u64) {
    let mut state = seed + 1;
    for _ in 0..errors {
        let mut words = String::new();
        for _ in 0..3 {
            // An xorshift: the letters only have to differ.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words.extend((0..8).map(|letter| char::from(b'a' + ((state >> (letter * 5)) % 26) as u8)));
            words.push(' ');
        }
        error!("{words}");
    }
}

/// Down for good.
struct Broken(bool);

impl Publisher for Broken {
    fn destination(&self) -> String {
        "nowhere".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        // One that never takes anything, and one that takes everything and never tells what became of it.
        if self.0 { Ok(()) } else { Err(envelope) }
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        Vec::new()
    }
}

#[test]
fn an_end_in_the_middle_of_a_storm_counts_each_error_once() {
    for round in 0..30 {
        let builder = tracing_issues::builder("newsfeed").panics(false).flush_timeout(Duration::from_millis(30));
        let builder = match round % 3 {
            0 => builder.publisher(memory().0),
            kind => builder.publisher(Broken(kind == 1)),
        };
        let (issues, guard) = builder.build().unwrap();
        let (stats, watched) = (issues.stats(), issues.stats());
        let watch = Watch::start(watched);
        let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(issues));
        let is_over = AtomicBool::new(false);
        let at_the_end = thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let log = || {
                        let mut number = 0;
                        while !is_over.load(Relaxed) {
                            error!("order {number} refused");
                            error!("{}", ["stalled", "diverged", "leaked"][number % 3]);
                            number += 1;
                        }
                    };
                    tracing::dispatcher::with_default(&subscriber, log);
                });
            }
            while guard.stats().seen < 2_000 {
                thread::yield_now();
            }
            let at_the_end = guard.shutdown();
            thread::sleep(Duration::from_millis(10));
            is_over.store(true, Relaxed);
            at_the_end
        });
        watch.finish();
        let now = stats();
        law::check(&at_the_end);
        law::check(&now);
        assert_eq!(now.waiting(), 0, "what comes after the end is lost, and nothing waits for ever: {now:?}");
        assert_eq!(now.delivered, at_the_end.delivered);
    }
}
