//! The library alone against a real Kafka: what it publishes can be read there, nothing is lost that can be kept, and what
//! is lost is counted. What the server makes of the records is tested with the server.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

#[path = "support/law.rs"]
mod law;
#[path = "support/proxy.rs"]
mod proxy;
#[path = "support/topic.rs"]
mod topic;

use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

use rdkafka::Message;
use serde_json::Value;
use tracing::error;
use tracing_issues::IssueGuard;
use tracing_subscriber::prelude::*;

use crate::{
    law::{PATIENCE, wait_until},
    proxy::{Proxy, Weather},
    topic::{Topic, brokers},
};

/// Logs through a layer that publishes to `brokers`, on this thread only, and returns the guard.
fn log(brokers: &str, topic: &str, flush_timeout: Duration, body: impl FnOnce(&IssueGuard)) -> IssueGuard {
    let builder = tracing_issues::builder("newsfeed").kafka_brokers(brokers).topic(topic);
    let (issues, guard) = builder.flush_timeout(flush_timeout).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(issues), || body(&guard));
    guard
}

const FAULTS: [&str; 12] = [
    "stalled",
    "refused",
    "vanished",
    "diverged",
    "drifted",
    "froze",
    "leaked",
    "misfired",
    "shrank",
    "tripped",
    "wavered",
    "collapsed",
];

/// Logs 12 different errors, `repeats` times each, and returns what has to arrive.
fn errors(repeats: u64) -> BTreeMap<String, u64> {
    for number in 0..repeats {
        for fault in FAULTS {
            error!(number, "the feed {fault}");
        }
    }
    FAULTS.map(|fault| (format!("the feed {fault}"), repeats)).into()
}

/// Checks that the records stand for exactly these errors, by title, and returns how many records there are.
#[track_caller]
fn check_records(topic: &Topic, expected: &BTreeMap<String, u64>) -> u64 {
    let (mut found, mut ids) = (BTreeMap::new(), HashSet::new());
    let mut partition_of = BTreeMap::new();
    let records = topic.records();
    for record in &records {
        let event: Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
        let fingerprint = event["fingerprint"].as_str().unwrap();
        assert_eq!(record.key(), Some(fingerprint.as_bytes()), "{event}");
        assert!(ids.insert(event["event_id"].as_str().unwrap().to_owned()), "an event twice: {event}");
        assert_eq!(event["reporter_id"], "newsfeed-service", "{event}");
        let partition = *partition_of.entry(fingerprint.to_owned()).or_insert(record.partition());
        assert_eq!(partition, record.partition(), "one issue on two partitions");
        *found.entry(event["title"].as_str().unwrap().to_owned()).or_default() +=
            event["occurrences"].as_u64().unwrap();
    }
    assert_eq!(found, *expected);
    assert_eq!(partition_of.len(), expected.len(), "one fingerprint for each error");
    u64::try_from(records.len()).unwrap()
}

#[test]
fn every_error_is_in_a_record_under_its_fingerprint() {
    let topic = Topic::new();
    let mut expected = BTreeMap::new();
    let guard = log(&brokers(), &topic.name, PATIENCE, |guard| {
        let first = errors(10);
        wait_until("the first errors are there before anybody asks", guard, |stats| stats.published >= 12);
        let second = errors(90);
        for counts in [first, second] {
            counts.into_iter().for_each(|(title, count)| *expected.entry(title).or_default() += count);
        }
    });
    let stats = guard.shutdown();
    law::check(&stats);
    assert_eq!((stats.seen, stats.delivered), (1_200, 1_200), "{stats:?}");
    let records = check_records(&topic, &expected);
    assert_eq!(stats.published, records, "{stats:?}");
    assert!(records < 200, "{records} records for 12 errors: repeats are counted, not sent");
}

#[test]
fn with_the_broker_away_errors_are_kept_and_the_end_is_bounded_and_counted() {
    let flush_timeout = Duration::from_millis(800);
    let proxy = Proxy::to_kafka(&brokers(), Weather::Gone);
    let guard = log(&proxy.address.to_string(), "nowhere", flush_timeout, |guard| {
        let start = Instant::now();
        errors(50);
        assert!(start.elapsed() < Duration::from_secs(2), "logging took {:?}", start.elapsed());
        assert!(!guard.flush(Duration::from_millis(100)), "nothing can have been delivered");
    });
    let stats = guard.stats();
    law::check(&stats);
    assert_eq!((stats.seen, stats.waiting(), stats.dropped.total()), (600, 600, 0), "kept: {stats:?}");

    let start = Instant::now();
    let stats = guard.shutdown();
    let took = start.elapsed();
    assert!(took >= flush_timeout && took < flush_timeout + Duration::from_secs(8), "the end took {took:?}");
    law::check(&stats);
    assert_eq!((stats.delivered, stats.waiting()), (0, 0), "{stats:?}");
    assert_eq!((stats.dropped.shutdown, stats.dropped.total()), (600, 600), "{stats:?}");
}

#[test]
fn what_was_kept_arrives_when_the_broker_comes() {
    let topic = Topic::new();
    let proxy = Proxy::to_kafka(&brokers(), Weather::Gone);
    let mut expected = BTreeMap::new();
    let guard = log(&proxy.address.to_string(), &topic.name, PATIENCE, |guard| {
        expected = errors(30);
        assert!(!guard.flush(Duration::from_millis(300)), "nothing can have been delivered");
        assert_eq!(topic.records().len(), 0);

        proxy.set(Weather::Clear);
        wait_until("all is delivered", guard, |stats| stats.delivered == 360);
    });
    let stats = guard.shutdown();
    law::check(&stats);
    assert_eq!((stats.seen, stats.delivered), (360, 360), "{stats:?}");
    check_records(&topic, &expected);
}
