//! The consumer's part in its group: changes of the assignment are handed to the loop, which answers them. It starts and
//! stops nothing itself.

use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    types::RDKafkaRespErr,
};
use tokio::sync::mpsc::UnboundedSender;

use crate::kafka;

/// What changes about the partitions of this server.
pub(super) enum Change {
    /// It gets some; the group waits until that is answered.
    Assigned(TopicPartitionList),
    /// It has to give some away; likewise.
    Revoked(TopicPartitionList),
    /// The topic was created anew: this partition goes on from there.
    CreatedAnew { partition: i32, from: i64 },
}

/// The consumer's own context: [`kafka::Watch`], and the group.
pub(super) struct Context {
    watch: kafka::Watch,
    changes: UnboundedSender<Change>,
}

impl Context {
    pub(super) fn new(watch: kafka::Watch, changes: UnboundedSender<Change>) -> Self {
        Self { watch, changes }
    }
}

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        self.watch.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.watch.error(error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.watch.log(level, facility, message);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let change = match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Change::Assigned(partitions.clone()),
            _ => Change::Revoked(partitions.clone()),
        };
        if self.changes.send(change).is_err() {
            // The loop has ended and the consumer is being closed: it only gives away.
            let _ = consumer.incremental_unassign(partitions);
        }
    }
}

/// The numbers of the partitions in a list; there is one topic.
pub(super) fn numbers(partitions: &TopicPartitionList) -> Vec<i32> {
    partitions.elements().iter().map(rdkafka::topic_partition_list::TopicPartitionListElem::partition).collect()
}
