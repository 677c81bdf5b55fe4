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
    law::{self, Calls, Watch},
    stage::{Stage, tell},
};

/// A debug build takes ten microseconds for one of them, beside other tests.
const MILLION: u64 = if cfg!(debug_assertions) { 300_000 } else { 1_000_000 };
const UNIQUE: u64 = 300_000;
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

/// Callsites that are places of their own, by their target: their line is the same.
macro_rules! places {
    ($($name:ident)*) => { [$(|words: &str| error!(target: stringify!($name), "{words}")),*] };
}

const PLACES: [fn(&str); 24] = places!(a b c d e f g h i j k l m n o p q r s t u v w x);

#[test]
fn messages_that_are_all_unique_bound_memory_and_issues_and_do_not_hide_a_rare_error() {
    let Some(stage) = Stage::of(|part| unique_messages(&PLACES[..part.parse().unwrap()])) else { return };
    for places in ["1", "24"] {
        println!("{places} places: {}", stage.play(places).told);
    }
}

/// A storm of messages that have not a word in common, from these places.
fn unique_messages(places: &[fn(&str)]) {
    let (publisher, published) = memory();
    let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build().unwrap();
    let watch = Watch::start(issues.stats());
    tracing_subscriber::registry().with(issues).init();
    error!("before the storm");
    assert!(guard.flush(law::PATIENCE));
    let before = memory_kib("VmRSS");

    let is_over = AtomicBool::new(false);
    let is_rare = |event: &Value| event["title"].as_str().unwrap().contains("the rare one");
    let (errors, rare_after) = thread::scope(|scope| {
        let is_over = &is_over;
        let storms = [1, 2].map(|seed| scope.spawn(move || unique_words(seed, places, is_over)));
        while guard.stats().seen < UNIQUE / 2 {
            thread::sleep(Duration::from_millis(1));
        }
        let start = Instant::now();
        error!("the rare one");
        while !published.events().iter().any(is_rare) {
            assert!(start.elapsed() < law::PATIENCE, "the rare error is lost: {:?}", guard.stats());
            thread::sleep(Duration::from_millis(10));
        }
        let took = start.elapsed();
        is_over.store(true, Relaxed);
        (2 + storms.map(|storm| storm.join().unwrap()).iter().sum::<u64>(), took)
    });
    let peak = memory_kib("VmHWM");
    assert!(guard.flush(law::PATIENCE));
    let stats = guard.shutdown();
    watch.finish();
    law::check_delivered(&stats, errors);
    let events = published.events();
    let found = by_fingerprint(&events);
    assert_eq!(found.values().map(|(occurrences, _)| *occurrences).sum::<u64>(), errors);
    // Of each place a hundred and itself; the rare one, and the one before.
    assert!(found.len() <= places.len() * 101 + 2, "{} issues of {} places", found.len(), places.len());
    assert!(rare_after < RARE_WITHIN, "the rare error was published after {rare_after:?}");
    // The publisher of this test keeps all that it gets.
    let bound = before + 32 * 1024 + 8 * events.len() as u64;
    assert!(peak < bound, "memory grew from {before} to {peak} KiB");
    tell(&serde_json::json!({"errors": errors, "issues": found.len(), "events": events.len(),
        "grown_kib": peak.saturating_sub(before), "rare_after_ms": rare_after.as_millis() as u64}));
}

/// Half of the storm, and on until it is over. Tells how many errors that were.
fn unique_words(seed: u64, places: &[fn(&str)], is_over: &AtomicBool) -> u64 {
    let (mut state, mut errors) = (seed, 0);
    while errors < UNIQUE / 2 || !is_over.load(Relaxed) {
        let mut words = String::new();
        for _ in 0..3 {
            // An xorshift: the letters only have to differ.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words.extend((0..8).map(|letter| char::from(b'a' + ((state >> (letter * 5)) % 26) as u8)));
            words.push(' ');
        }
        places[errors as usize % places.len()](&words);
        errors += 1;
    }
    errors
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
        law::check(&at_the_end);
        // A worker that gets no processor is not waited for; it goes on counting.
        let deadline = Instant::now() + law::PATIENCE;
        while stats().waiting() > 0 {
            assert!(Instant::now() < deadline, "what comes after the end waits for ever: {:?}", stats());
            thread::sleep(Duration::from_millis(1));
        }
        watch.finish();
    }
}

/// Its client has a bug.
struct Panicking;

impl Publisher for Panicking {
    fn destination(&self) -> String {
        "a bug".to_owned()
    }

    fn submit(&mut self, _envelope: Envelope) -> Result<(), Envelope> {
        panic!("a bug in a client")
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        Vec::new()
    }
}

#[test]
fn a_publisher_that_panics_neither_keeps_a_caller_nor_breaks_the_law() {
    let (issues, guard) = tracing_issues::builder("newsfeed").panics(false).publisher(Panicking).build().unwrap();
    let stats = issues.stats();
    let watch = Watch::start(issues.stats());
    let mut calls = Calls::default();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(issues), || {
        error!("the one that it panics on");
        assert!(!guard.flush(law::PATIENCE), "nothing can have been delivered");
        (0..10_000).for_each(|number| calls.call(|| error!("order {number} refused")));
    });
    calls.check();
    law::check(&guard.shutdown());
    watch.finish();
    assert_eq!((stats().seen, stats().delivered), (10_001, 0));
}
