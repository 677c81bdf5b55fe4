//! Questions to Kafka about topics, ends of partitions and the group's offsets, asked off the runtime and within bounds. It
//! is a client of its own, joins no group and changes nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
};

use crate::{
    config::KafkaConfig,
    health::Health,
    kafka::{self, NoClient, Watch},
};

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(3);

/// How many reports of the client are taken after each answer; there are fewer.
const REPORTS: u32 = 50;

#[derive(Clone)]
pub(super) struct Observer {
    consumer: Arc<BaseConsumer<Watch>>,
    topic: String,
    has_broker_time: Arc<AtomicBool>,
}

impl Observer {
    pub(super) fn new(config: &KafkaConfig, health: &Health) -> Result<Self, NoClient> {
        let mut client = kafka::client_config(config);
        client.set("group.id", &config.group).set("enable.auto.commit", "false");
        Ok(Self {
            consumer: Arc::new(client.create_with_context(Watch::new(health.clone()))?),
            topic: config.topic.clone(),
            has_broker_time: Arc::default(),
        })
    }

    /// The first offset that a partition still has, and the one after its last.
    pub(super) async fn bounds(&self, partition: i32) -> Result<(i64, i64), KafkaError> {
        self.ask(move |consumer, topic| consumer.fetch_watermarks(topic, partition, TIMEOUT)).await
    }

    /// Where the group would go on.
    pub(super) async fn committed(&self, partition: i32) -> Result<Option<i64>, KafkaError> {
        self.ask(move |consumer, topic| {
            let mut partitions = TopicPartitionList::new();
            partitions.add_partition(topic, partition);
            let answer = consumer.committed_offsets(partitions, TIMEOUT)?;
            let offset = answer.find_partition(topic, partition).map(|found| found.offset());
            Ok(offset.and_then(|offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None }))
        })
        .await
    }

    /// Where to go on if the topic was created anew under the consumer: then records before `next` are newer than
    /// `time_ms`, the time of the latest record that was consumed. Known only if the broker's clock dates the records.
    /// Reading too much again changes nothing, so other reasons (brokers whose clocks differ) are no harm.
    pub(super) async fn created_anew(
        &self,
        partition: i32,
        next: i64,
        time_ms: i64,
    ) -> Result<Option<i64>, KafkaError> {
        if time_ms <= 0 || !self.has_broker_time.load(Ordering::Relaxed) {
            return Ok(None);
        }
        self.ask(move |consumer, topic| {
            let mut times = TopicPartitionList::new();
            times.add_partition_offset(topic, partition, Offset::Offset(time_ms + 1))?;
            let answer = consumer.offsets_for_times(times, TIMEOUT)?;
            let newer = answer.find_partition(topic, partition).map(|found| found.offset());
            let Some(Offset::Offset(newer)) = newer.filter(|_| next > 0) else { return Ok(None) };
            if newer >= next {
                return Ok(None);
            }
            let (start, _) = consumer.fetch_watermarks(topic, partition, TIMEOUT)?;
            // A producer whose clock is behind may have dated the very first ones, if it made the topic.
            Ok(Some(if newer - start < next - newer { start } else { newer }))
        })
        .await
    }

    /// Whether the broker's clock dates the records of the topic.
    pub(super) fn set_has_broker_time(&self, has_it: bool) {
        self.has_broker_time.store(has_it, Ordering::Relaxed);
    }

    /// How many partitions a topic has; none if it is not there.
    pub(super) async fn partitions(&self, topic: &str) -> Result<Option<usize>, KafkaError> {
        let topic = topic.to_owned();
        self.ask(move |consumer, _| {
            let metadata = consumer.fetch_metadata(Some(&topic), TIMEOUT)?;
            let found = metadata.topics().first().filter(|found| found.error().is_none());
            Ok(found.map(|found| found.partitions().len()).filter(|count| *count > 0))
        })
        .await
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer<Watch>, &str) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, KafkaError> {
        let Self { consumer, topic, .. } = self.clone();
        let answer = tokio::task::spawn_blocking(move || {
            let answer = question(&consumer, &topic);
            // It consumes nothing, but what the client reports has to be taken from it, one thing at a time.
            (0..REPORTS).for_each(|_| _ = consumer.poll(Duration::ZERO));
            answer
        });
        answer.await.unwrap_or(Err(KafkaError::Canceled))
    }
}
