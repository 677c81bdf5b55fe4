//! Kafka as the doctor sees it: does a broker answer, is the topic there, how far is the consumer group? It writes
//! nothing and joins no group.

use std::time::Duration;

use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::KafkaError,
    metadata::MetadataPartition,
};

use super::{Failure, Found, wait_until};
use crate::{config::KafkaConfig, kafka};

/// The most that one answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A broker that has answered.
pub(super) struct Broker<'a> {
    config: &'a KafkaConfig,
    consumer: BaseConsumer,
    partitions: Vec<i32>,
}

impl<'a> Broker<'a> {
    /// Asks for the topic.
    pub(super) fn connect(config: &'a KafkaConfig, timeout: Duration) -> Found<Self> {
        let mut client = kafka::client_config(config);
        client.set("group.id", &config.group).set("enable.auto.commit", "false");
        let consumer: BaseConsumer = client.create().map_err(|error| {
            Failure::new(kafka::NoClient::from(error).to_string(), "mend the ISSUETRACKER_KAFKA_* variables")
        })?;
        let metadata = consumer.fetch_metadata(Some(&config.topic), timeout.min(ANSWER_TIMEOUT)).map_err(|error| {
            Failure::new(
                format!("no broker answers at {}: {error}", config.brokers),
                "start Kafka, or mend ISSUETRACKER_KAFKA_BROKERS; the address that the broker advertises must be \
                 reachable from here",
            )
        })?;
        let brokers = i64::try_from(metadata.brokers().len()).unwrap_or(i64::MAX);
        let topic = metadata.topics().first().filter(|topic| topic.error().is_none());
        let partitions: Vec<i32> =
            topic.map(|topic| topic.partitions().iter().map(MetadataPartition::id).collect()).unwrap_or_default();
        if partitions.is_empty() {
            return Err(Failure::new(
                format!("a broker answers, and has no topic {}", config.topic),
                "start issuetracker-server once, which creates it, or create it with kafka-topics.sh",
            ));
        }
        let count = i64::try_from(partitions.len()).unwrap_or(i64::MAX);
        let detail =
            format!("{}, topic {} with {}", counted(brokers, "broker"), config.topic, counted(count, "partition"));
        Ok((detail, Self { config, consumer, partitions }))
    }

    /// Waits until the group has read everything that is in the topic now.
    pub(super) fn is_consumed(&self, timeout: Duration) -> Found<()> {
        let ends = self.ends().map_err(|error| self.unanswered(&error))?;
        wait_until(timeout, || {
            let lag = self.lag(&ends).map_err(|error| self.unanswered(&error))?;
            if lag == 0 { Ok((format!("group {}, lag 0", self.config.group), ())) } else { Err(self.behind(lag)) }
        })
    }

    fn behind(&self, lag: i64) -> Failure {
        let group = &self.config.group;
        let groups = self.consumer.fetch_group_list(Some(group), ANSWER_TIMEOUT);
        let members = groups.map_or(0, |groups| groups.groups().iter().map(|group| group.members().len()).sum());
        let behind = counted(lag, "record");
        if members == 0 {
            return Failure::new(
                format!("nobody reads as group {group}, and it is {behind} behind"),
                "start issuetracker-server with these ISSUETRACKER_KAFKA_* variables; the event waits in the topic",
            );
        }
        Failure::new(
            format!("group {group} is {behind} behind"),
            "look at the servers' /readyz (check `ingest`) and logs; if the lag shrinks, they are only busy: try again \
             with a longer --timeout",
        )
    }

    fn unanswered(&self, error: &KafkaError) -> Failure {
        let advice = "see whether this machine may read the topic and describe the group";
        Failure::new(format!("the group {} cannot be asked about: {error}", self.config.group), advice)
    }

    /// Where each partition starts and ends.
    fn ends(&self) -> Result<Vec<(i32, i64, i64)>, KafkaError> {
        let watermarks = |&partition: &i32| {
            let (low, high) = self.consumer.fetch_watermarks(&self.config.topic, partition, ANSWER_TIMEOUT)?;
            Ok((partition, low, high))
        };
        self.partitions.iter().map(watermarks).collect()
    }

    /// How many records before `ends` the group has not committed.
    fn lag(&self, ends: &[(i32, i64, i64)]) -> Result<i64, KafkaError> {
        let mut asked = TopicPartitionList::new();
        for (partition, ..) in ends {
            asked.add_partition(&self.config.topic, *partition);
        }
        let committed = self.consumer.committed_offsets(asked, ANSWER_TIMEOUT)?;
        let lag_of = |&(partition, low, high): &(i32, i64, i64)| {
            let place = committed.find_partition(&self.config.topic, partition).map(|found| found.offset());
            // Without a commit the group begins with the oldest record.
            let next = if let Some(Offset::Offset(offset)) = place { offset.max(low) } else { low };
            (high - next).max(0)
        };
        Ok(ends.iter().map(lag_of).sum())
    }
}

/// `1 record`, `2 records`.
fn counted(count: impl Into<i64>, noun: &str) -> impl std::fmt::Display {
    let count = count.into();
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}
