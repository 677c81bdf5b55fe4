//! The library alone against a real Kafka: what it publishes can be read there, nothing is lost that can be kept, and what
//! is lost is counted. What the server makes of the records is tested with the server.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::{
    collections::{BTreeMap, HashSet},
    env,
    net::{TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    message::OwnedMessage,
};
use serde_json::Value;
use tracing::error;
use tracing_issues::{IssueGuard, Stats};
use tracing_subscriber::prelude::*;

const SERVICES: &str = "run scripts/services up and eval \"$(scripts/services env)\"";
const PARTITIONS: i32 = 3;
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A topic of one test.
struct Topic {
    brokers: String,
    name: String,
}

impl Topic {
    #[track_caller]
    fn create() -> Self {
        let Ok(brokers) = env::var("TEST_KAFKA_BROKERS") else {
            panic!("TEST_KAFKA_BROKERS names no broker: {SERVICES}");
        };
        let topic = Self { brokers, name: format!("test-{}", uuid::Uuid::now_v7().simple()) };
        let new = NewTopic::new(&topic.name, PARTITIONS, TopicReplication::Fixed(1));
        match topic.admin(|admin, options, runtime| runtime.block_on(admin.create_topics(&[new], options))) {
            Ok(results) => assert_eq!(results, [Ok(topic.name.clone())]),
            Err(error) => panic!("no Kafka answers at {}: {error}: {SERVICES}", topic.brokers),
        }
        topic
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set_log_level(RDKafkaLogLevel::Emerg);
        client
    }

    fn admin<T>(
        &self,
        act: impl FnOnce(&AdminClient<DefaultClientContext>, &AdminOptions, &tokio::runtime::Runtime) -> T,
    ) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        act(&self.client().create().unwrap(), &AdminOptions::new().request_timeout(Some(TIMEOUT)), &runtime)
    }

    /// Every record that is there.
    #[track_caller]
    fn records(&self) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer =
            self.client().set("group.id", &self.name).set("enable.auto.commit", "false").create().unwrap();
        let mut partitions = TopicPartitionList::new();
        let mut missing = 0;
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(&self.name, partition, Offset::Beginning).unwrap();
            missing += consumer.fetch_watermarks(&self.name, partition, TIMEOUT).unwrap().1;
        }
        consumer.assign(&partitions).unwrap();
        let (mut records, deadline) = (Vec::new(), Instant::now() + PATIENCE);
        while missing > 0 {
            assert!(Instant::now() < deadline, "{missing} records were not read");
            if let Some(record) = consumer.poll(Duration::from_millis(100)) {
                records.push(record.unwrap().detach());
                missing -= 1;
            }
        }
        records
    }

    /// Checks that the records stand for exactly these errors, by title, and returns how many records there are.
    #[track_caller]
    fn check_records(&self, expected: &BTreeMap<String, u64>) -> u64 {
        let (mut found, mut ids) = (BTreeMap::new(), HashSet::new());
        let mut partition_of = BTreeMap::new();
        let records = self.records();
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
}

impl Drop for Topic {
    fn drop(&mut self) {
        // Left there for who looks into a failure.
        if !thread::panicking() {
            let _ = self.admin(|admin, options, runtime| runtime.block_on(admin.delete_topics(&[&self.name], options)));
        }
    }
}

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

#[track_caller]
fn check_law(stats: &Stats) {
    assert_eq!(stats.seen, stats.delivered + stats.waiting() + stats.dropped.total(), "{stats:?}");
}

#[track_caller]
fn wait_until(what: &str, guard: &IssueGuard, is_reached: impl Fn(&Stats) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_reached(&guard.stats()) {
        assert!(Instant::now() < deadline, "{what}: {:?}", guard.stats());
        thread::sleep(Duration::from_millis(5));
    }
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn every_error_is_in_a_record_under_its_fingerprint() {
    let topic = Topic::create();
    let mut expected = BTreeMap::new();
    let guard = log(&topic.brokers, &topic.name, PATIENCE, |guard| {
        let first = errors(10);
        wait_until("the first errors are there before anybody asks", guard, |stats| stats.published >= 12);
        let second = errors(90);
        for counts in [first, second] {
            counts.into_iter().for_each(|(title, count)| *expected.entry(title).or_default() += count);
        }
    });
    let stats = guard.shutdown();
    check_law(&stats);
    assert_eq!((stats.seen, stats.delivered), (1_200, 1_200), "{stats:?}");
    let records = topic.check_records(&expected);
    assert_eq!(stats.published, records, "{stats:?}");
    assert!(records < 200, "{records} records for 12 errors: repeats are counted, not sent");
}

#[test]
fn with_the_broker_away_errors_are_kept_and_the_end_is_bounded_and_counted() {
    let flush_timeout = Duration::from_millis(800);
    let brokers = format!("127.0.0.1:{}", closed_port());
    let guard = log(&brokers, "nowhere", flush_timeout, |guard| {
        let start = Instant::now();
        errors(50);
        assert!(start.elapsed() < Duration::from_secs(2), "logging took {:?}", start.elapsed());
        assert!(!guard.flush(Duration::from_millis(100)), "nothing can have been delivered");
    });
    let stats = guard.stats();
    check_law(&stats);
    assert_eq!((stats.seen, stats.waiting(), stats.dropped.total()), (600, 600, 0), "kept: {stats:?}");

    let start = Instant::now();
    let stats = guard.shutdown();
    let took = start.elapsed();
    assert!(took >= flush_timeout && took < flush_timeout + Duration::from_secs(2), "the end took {took:?}");
    check_law(&stats);
    assert_eq!((stats.delivered, stats.waiting()), (0, 0), "{stats:?}");
    assert_eq!((stats.dropped.shutdown, stats.dropped.total()), (600, 600), "{stats:?}");
}

#[test]
fn what_was_kept_arrives_when_the_broker_comes() {
    let topic = Topic::create();
    let port = closed_port();
    let mut expected = BTreeMap::new();
    let guard = log(&format!("127.0.0.1:{port}"), &topic.name, PATIENCE, |guard| {
        expected = errors(30);
        assert!(!guard.flush(Duration::from_millis(300)), "nothing can have been delivered");
        assert_eq!(topic.records().len(), 0);

        // The broker is reached through a door that opens now.
        forward(port, topic.brokers.clone());
        wait_until("all is delivered", guard, |stats| stats.delivered == 360);
    });
    let stats = guard.shutdown();
    check_law(&stats);
    assert_eq!((stats.seen, stats.delivered), (360, 360), "{stats:?}");
    topic.check_records(&expected);
}

/// Hands every connection to `port` on to the broker, for as long as the test runs.
fn forward(port: u16, brokers: String) {
    let door = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        for client in door.incoming().map_while(Result::ok) {
            let broker = TcpStream::connect(&brokers).unwrap();
            let pairs = [(client.try_clone(), broker.try_clone()), (Ok(broker), Ok(client))];
            for (from, to) in pairs {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
}
