//! End to end on a real Kafka: an example or a foreign producer publishes, server processes consume, and the counts at the
//! end are the counts of the ledger. Each test has topics and groups of its own, and deletes them if it passes.
//! The HTTP side of the server alone is tested in `api.rs`.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stderr, reason = "names what a failed test leaves on the broker")]

mod doctor;
mod flow;
mod gaps;
mod invalid;
mod malformed;
mod members;
mod outages;
#[cfg(feature = "kafka-tls")]
mod secure;
mod stops;
#[path = "../support/mod.rs"]
mod support;
mod suspects;
mod topics;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    message::{Headers, OwnedMessage},
    mocking::MockCluster,
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{FOREIGN_EVENTS, Place, Server, check_foreign_issue, equal, foreign_issues, wait_until};
use uuid::Uuid;

const SERVICES: &str = "run scripts/services up and eval \"$(scripts/services env)\"";
const PARTITIONS: i32 = 6;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The names of one test on the broker.
struct Kafka {
    brokers: String,
    name: String,
    group: String,
    dlq: String,
}

impl Kafka {
    #[track_caller]
    fn new() -> Self {
        let Ok(brokers) = std::env::var("TEST_KAFKA_BROKERS") else {
            panic!("TEST_KAFKA_BROKERS names no broker: {SERVICES}");
        };
        let kafka = Self::at(brokers);
        if let Err(error) = kafka.consumer().fetch_metadata(None, TIMEOUT) {
            panic!("no Kafka answers at {}: {error}: {SERVICES}", kafka.brokers);
        }
        kafka
    }

    /// Names on this broker.
    fn at(brokers: String) -> Self {
        let name = format!("test-{}", Uuid::now_v7().simple());
        Self { brokers, group: format!("{name}-group"), dlq: format!("{name}-dlq"), name }
    }

    /// Asks the broker as its administrator does.
    fn admin<T>(&self, ask: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let admin = self.client().create().unwrap();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT)).operation_timeout(Some(TIMEOUT));
        runtime.block_on(ask(&admin, &options))
    }

    /// Creates a topic, as soon as the broker has forgotten a former one of that name.
    #[track_caller]
    fn create_topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) {
        wait_until("the topic is created", || {
            let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
            let topic = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
            let created = self.admin(async |admin, options| admin.create_topics([&topic], options).await.unwrap());
            created[0].as_ref().map(|_| ()).map_err(|(_, code)| code.to_string())
        });
    }

    fn replay_group(&self) -> String {
        format!("{}-replay", self.group)
    }

    /// What a server needs to consume it.
    fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("ISSUETRACKER_KAFKA_BROKERS", &self.brokers),
            ("ISSUETRACKER_KAFKA_TOPIC", &self.name),
            ("ISSUETRACKER_KAFKA_GROUP", &self.group),
            ("ISSUETRACKER_KAFKA_DLQ_TOPIC", &self.dlq),
        ]
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set_log_level(RDKafkaLogLevel::Emerg);
        client
    }

    fn consumer(&self) -> BaseConsumer {
        self.consumer_of(&self.group)
    }

    /// A consumer that asks about a group and never joins it.
    fn consumer_of(&self, group: &str) -> BaseConsumer {
        self.client().set("group.id", group).set("enable.auto.commit", "false").create().unwrap()
    }

    /// A running server, once it has partitions to consume.
    #[track_caller]
    fn start(&self, place: &Place) -> Server {
        self.start_with(place, &[])
    }

    #[track_caller]
    fn start_with(&self, place: &Place, variables: &[(&str, &str)]) -> Server {
        let server = place.start(&[self.variables(), variables.to_vec()].concat());
        wait_until("the server is a member of its group", || {
            let log = server.log();
            if log.contains("partitions assigned") { Ok(()) } else { Err(log) }
        });
        server
    }

    /// Sends values to a partition, or where their keys lead, and waits until the broker has them.
    #[track_caller]
    fn produce<'a>(&self, partition: Option<i32>, values: impl IntoIterator<Item = &'a [u8]>) {
        let producer: BaseProducer = self.client().set("message.max.bytes", "1048576").create().unwrap();
        for value in values {
            let mut record = BaseRecord::<(), [u8]>::to(&self.name).payload(value);
            record.partition = partition;
            producer.send(record).unwrap_or_else(|(error, _)| panic!("a record was not taken: {error}"));
        }
        producer.flush(TIMEOUT).unwrap();
        assert_eq!(producer.in_flight_count(), 0);
    }

    /// Runs the example `storm` and returns its counters.
    #[track_caller]
    fn storm(&self, service: &str, events: u64, distinct: u64) -> Value {
        let server = Path::new(env!("CARGO_BIN_EXE_issuetracker-server"));
        let storm = server.with_file_name("storm");
        assert!(storm.exists(), "{} is not there: run cargo build -p examples --bins first", storm.display());
        let mut command = Command::new(storm);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TRACING_ISSUES_") {
                command.env_remove(name);
            }
        }
        let output = command
            .args(["--rate", "max", "--threads", "3"])
            .args(["--events", &events.to_string(), "--distinct", &distinct.to_string()])
            .env("TRACING_ISSUES_KAFKA_BROKERS", &self.brokers)
            .env("TRACING_ISSUES_TOPIC", &self.name)
            .env("TRACING_ISSUES_SERVICE", service)
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let counters: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&counters["emitted"], &counters["seen"]), (&json!(events), &json!(events)), "{counters} {said}");
        let dropped: u64 = counters["dropped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(counters["delivered"].as_u64().unwrap() + dropped, events, "{counters} {said}");
        counters
    }

    /// Partition by partition: where the log ends.
    #[track_caller]
    fn ends(&self) -> Vec<i64> {
        let consumer = self.consumer();
        (0..PARTITIONS).map(|partition| consumer.fetch_watermarks(&self.name, partition, TIMEOUT).unwrap().1).collect()
    }

    /// How many records the topic has.
    #[track_caller]
    fn records(&self) -> f64 {
        f64::from(i32::try_from(self.ends().iter().sum::<i64>()).unwrap())
    }

    /// Partition by partition: where `group` would go on; 0 where it has not committed.
    #[track_caller]
    fn committed(&self, group: &str) -> Vec<i64> {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(&self.name, 0, PARTITIONS - 1);
        let committed = self.consumer_of(group).committed_offsets(partitions, TIMEOUT).unwrap();
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        committed.elements().iter().map(|partition| offset(partition.offset())).collect()
    }

    #[track_caller]
    fn wait_until_committed(&self, group: &str) {
        wait_until("all offsets are committed", || equal(&self.committed(group), &self.ends()));
    }

    /// The first `count` dead letters.
    #[track_caller]
    fn dead_letters(&self, count: usize) -> Vec<OwnedMessage> {
        let consumer = self.consumer();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_offset(&self.dlq, 0, Offset::Beginning).unwrap();
        consumer.assign(&partitions).unwrap();
        let mut letters = Vec::new();
        wait_until("the dead letters are written", || {
            while let Some(Ok(letter)) = consumer.poll(Duration::from_millis(200)) {
                letters.push(letter.detach());
            }
            if letters.len() >= count { Ok(()) } else { Err(format!("{} of {count}", letters.len())) }
        });
        letters
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("left on the broker for who looks into this: topics {} and {}", self.name, self.dlq);
            return;
        }
        // What fails here was never created.
        self.admin(async |admin, options| {
            let _ = admin.delete_topics(&[&self.name, &self.dlq], options).await;
            let _ = admin.delete_groups(&[&self.group, &self.replay_group()], options).await;
        });
    }
}

/// What every issue of `service` counts, by title.
fn counts(server: &Server, service: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for issue in server.issues(&format!("service={service}&limit=100")) {
        let title = issue["title"].as_str().unwrap().to_owned();
        let before = counts.insert(title, issue["occurrences"].as_u64().unwrap());
        assert_eq!(before, None, "two issues for one error: {issue}");
    }
    counts
}

fn total(server: &Server, service: &str) -> u64 {
    counts(server, service).values().sum()
}

/// What became of the records that this process has consumed.
fn consumed(server: &Server, result: &str) -> f64 {
    server.metric("issuetracker_ingest_records_total", &["road=\"kafka\"", &format!("result=\"{result}\"")])
}

fn unique(name: &str) -> String {
    format!("{name}-{}", &Uuid::now_v7().simple().to_string()[20..])
}

/// A port of this machine where nothing listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
