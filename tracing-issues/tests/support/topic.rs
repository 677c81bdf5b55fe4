//! A Kafka topic of one test, in the real broker, and what is in it.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::HashMap,
    env, thread,
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

const SERVICES: &str = "run scripts/services up and eval \"$(scripts/services env)\"";
const PARTITIONS: i32 = 3;
const TIMEOUT: Duration = Duration::from_secs(20);

/// Where the real broker is.
#[track_caller]
pub(crate) fn brokers() -> String {
    env::var("TEST_KAFKA_BROKERS").unwrap_or_else(|_| panic!("TEST_KAFKA_BROKERS names no broker: {SERVICES}"))
}

/// A topic, removed when it is dropped.
pub(crate) struct Topic {
    pub(crate) name: String,
}

impl Topic {
    /// A name that nobody has; the topic is not there yet.
    pub(crate) fn missing() -> Self {
        Self { name: format!("test-{}", uuid::Uuid::now_v7().simple()) }
    }

    pub(crate) fn new() -> Self {
        let topic = Self::missing();
        topic.create();
        topic
    }

    #[track_caller]
    pub(crate) fn create(&self) {
        let new = NewTopic::new(&self.name, PARTITIONS, TopicReplication::Fixed(1));
        let results = admin(|admin, options, runtime| runtime.block_on(admin.create_topics(&[new], options)));
        match results {
            Ok(results) => assert_eq!(results, [Ok(self.name.clone())]),
            Err(error) => panic!("no Kafka answers at {}: {error}: {SERVICES}", brokers()),
        }
    }

    /// Every record that is there.
    #[track_caller]
    pub(crate) fn records(&self) -> Vec<OwnedMessage> {
        let consumer: BaseConsumer =
            client().set("group.id", &self.name).set("enable.auto.commit", "false").create().unwrap();
        let mut partitions = TopicPartitionList::new();
        let mut missing = 0;
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(&self.name, partition, Offset::Beginning).unwrap();
            missing += consumer.fetch_watermarks(&self.name, partition, TIMEOUT).unwrap().1;
        }
        consumer.assign(&partitions).unwrap();
        let (mut records, deadline) = (Vec::new(), Instant::now() + 3 * TIMEOUT);
        while missing > 0 {
            assert!(Instant::now() < deadline, "{missing} records were not read");
            if let Some(record) = consumer.poll(Duration::from_millis(100)) {
                records.push(record.unwrap().detach());
                missing -= 1;
            }
        }
        records
    }

    /// Every event that is there, each once however often it was sent, and how many records there are.
    #[track_caller]
    pub(crate) fn events(&self) -> (Vec<Value>, usize) {
        let (mut events, records) = (HashMap::new(), self.records());
        for record in &records {
            let event: Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
            let id = event["event_id"].as_str().unwrap().to_owned();
            let first = events.entry(id).or_insert_with(|| event.clone());
            assert_eq!(*first, event, "the same id with other bytes");
        }
        (events.into_values().collect(), records.len())
    }
}

impl Drop for Topic {
    fn drop(&mut self) {
        // Left there for who looks into a failure.
        if !thread::panicking() {
            let _ = admin(|admin, options, runtime| runtime.block_on(admin.delete_topics(&[&self.name], options)));
        }
    }
}

fn client() -> ClientConfig {
    let mut client = ClientConfig::new();
    client.set("bootstrap.servers", brokers()).set_log_level(RDKafkaLogLevel::Emerg);
    client
}

fn admin<T>(act: impl FnOnce(&AdminClient<DefaultClientContext>, &AdminOptions, &tokio::runtime::Runtime) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    act(&client().create().unwrap(), &AdminOptions::new().request_timeout(Some(TIMEOUT)), &runtime)
}
