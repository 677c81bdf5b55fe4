//! A Kafka that is down, dies, hangs, crawls or has no such topic, behind a network that does all that. The service starts at
//! once and never waits; the road comes back by itself; every error arrives, with its exact count.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tracing::error;
use tracing_issues::{IssueGuard, Road};
use tracing_subscriber::prelude::*;

use crate::{
    law::{self, Calls, Watch, wait_until},
    proxy::{Proxy, Weather},
    stage::{Stage, Told, tell},
    topic::{self, Topic},
};

const FAULTS: [&str; 6] = ["stalled", "refused", "vanished", "diverged", "leaked", "froze"];
/// Between two rounds of errors.
const PAUSE: Duration = Duration::from_millis(20);
/// No start may take so long: nothing is connected then.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Logs each of the errors again and again until it is over, and tells how often.
fn log_until(is_over: &AtomicBool) -> (u64, Calls) {
    let (mut rounds, mut calls) = (0, Calls::default());
    while !is_over.load(Relaxed) || rounds == 0 {
        for fault in FAULTS {
            calls.call(|| error!(round = rounds, "the feed {fault} in round {rounds}"));
        }
        rounds += 1;
        thread::sleep(PAUSE);
    }
    (rounds, calls)
}

/// Occurrences by fingerprint.
fn counts(events: &[Value]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for event in events {
        *counts.entry(event["fingerprint"].as_str().unwrap()).or_default() += event["occurrences"].as_u64().unwrap();
    }
    counts
}

/// A service that logs on two threads all the time, through whatever `happens`.
fn service(broker: &str, topic: &Topic, happens: impl FnOnce(&IssueGuard)) {
    let start = Instant::now();
    let builder = tracing_issues::builder("newsfeed").kafka_brokers(broker).topic(&topic.name);
    let (issues, guard) = builder.flush_timeout(law::PATIENCE).build().unwrap();
    assert!(start.elapsed() < AT_ONCE, "the start took {:?}", start.elapsed());
    assert_eq!(guard.stats().road, Road::Connecting);
    let watch = Watch::start(issues.stats());
    tracing_subscriber::registry().with(issues).init();

    let is_over = AtomicBool::new(false);
    let rounds: u64 = thread::scope(|scope| {
        let callers = [(); 2].map(|()| scope.spawn(|| log_until(&is_over)));
        happens(&guard);
        is_over.store(true, Relaxed);
        callers
            .map(|caller| caller.join().unwrap())
            .iter()
            .map(|(rounds, calls)| {
                calls.check();
                rounds
            })
            .sum()
    });
    let stats = guard.shutdown();
    watch.finish();
    law::check_delivered(&stats, rounds * FAULTS.len() as u64);
    let (events, records) = topic.events();
    assert_eq!(counts(&events).into_values().collect::<Vec<_>>(), [rounds; FAULTS.len()], "{events:#?}");
    tell(&json!({"events": events.len(), "records": records}));
}

/// Waits until the road is in this state.
#[track_caller]
fn wait_for(guard: &IssueGuard, road: Road) {
    wait_until(&format!("the road is {road:?}"), guard, |stats| stats.road == road);
}

/// What stderr was told: that the outage began and ended, once, and each event that waits, once.
#[track_caller]
fn check_stderr(told: &Told, outages: usize) {
    let lines = |text: &str| told.stderr.lines().filter(|line| line.contains(text)).count();
    let said = [lines("is unreachable ("), lines("is back; ")];
    assert_eq!(said, [outages; 2], "{}", told.stderr);
    let unsent: Vec<Value> = told.stderr.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let mut named = BTreeMap::new();
    for event in &unsent {
        let events: &mut BTreeSet<&str> = named.entry(event["fingerprint"].as_str().unwrap()).or_default();
        assert!(events.insert(event["first_at"].as_str().unwrap()), "an event was named twice:\n{}", told.stderr);
    }
    // What is due until the client gives up on the first one: after 1, 2, 4, 8, 16 s.
    assert!(named.values().all(|events| events.len() <= 6 * outages), "{}", told.stderr);
    assert_eq!(named.len(), outages * FAULTS.len(), "{}", told.stderr);
    let others = told.stderr.lines().filter(|line| !line.starts_with('{') && !line.starts_with("tracing-issues: "));
    assert!(others.clone().all(str::is_empty), "{:?}", others.collect::<Vec<_>>());
}

/// An outage: this weather until the road is down, and then for a while.
fn outage(guard: &IssueGuard, proxy: &Proxy, weather: Weather) {
    proxy.set(weather);
    wait_for(guard, Road::Down);
    thread::sleep(Duration::from_secs(3));
    proxy.set(Weather::Clear);
    wait_for(guard, Road::Connected);
}

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The network, from the start.
    Always(Weather),
    /// The network, while events are on their way.
    Suddenly(Weather),
    /// An outage, and then many that are too short to be called one.
    Again,
    /// The topic is created later.
    NoTopic,
    /// Answers take half a second, and nothing else is wrong.
    Slow,
}

use Trouble::{Again, Always, NoTopic, Slow, Suddenly};

const TROUBLES: [Trouble; 7] = [
    Always(Weather::Gone),
    Always(Weather::Silent),
    Suddenly(Weather::Silent),
    Suddenly(Weather::Deaf),
    Again,
    NoTopic,
    Slow,
];

#[test]
fn whatever_happens_to_the_broker_nobody_waits_and_every_error_arrives() {
    let Some(stage) = Stage::of(|part| through(TROUBLES[part.parse::<usize>().unwrap()])) else { return };
    let players: Vec<_> = (0..TROUBLES.len()).map(|index| stage.start(&index.to_string())).collect();
    for (player, trouble) in players.into_iter().zip(TROUBLES) {
        let told = player.finish();
        println!("{trouble:?}: {}", told.told);
        check_stderr(&told, if matches!(trouble, Slow) { 0 } else { 1 });
    }
}

/// A service that goes through this.
fn through(trouble: Trouble) {
    let brokers = topic::brokers();
    let topic = if matches!(trouble, NoTopic) { Topic::missing() } else { Topic::new() };
    let weather = match trouble {
        Always(weather) => weather,
        Slow => Weather::Slow,
        Suddenly(_) | Again | NoTopic => Weather::Clear,
    };
    let proxy = Proxy::to_kafka(&brokers, weather);
    service(&proxy.address.to_string(), &topic, |guard| match trouble {
        Always(weather) => outage(guard, &proxy, weather),
        Suddenly(weather) => {
            wait_for(guard, Road::Connected);
            outage(guard, &proxy, weather);
        }
        Again => {
            wait_for(guard, Road::Connected);
            outage(guard, &proxy, Weather::Gone);
            for _ in 0..10 {
                proxy.set(Weather::Gone);
                thread::sleep(Duration::from_millis(100));
                proxy.set(Weather::Clear);
                thread::sleep(Duration::from_millis(400));
            }
        }
        NoTopic => {
            wait_for(guard, Road::Down);
            thread::sleep(Duration::from_secs(3));
            topic.create();
            wait_for(guard, Road::Connected);
        }
        Slow => wait_until("events arrive", guard, |stats| stats.published >= 12),
    });
    assert!(proxy.connections() > 0, "nobody came this way, so nothing was tested");
}
