//! What all our Kafka clients share: where the brokers are, and that their own messages go to our log, quietly.

use rdkafka::{ClientConfig, ClientContext, Statistics, config::RDKafkaLogLevel, error::KafkaError};

use crate::{
    config::KafkaConfig,
    health::{Health, KAFKA},
    metrics,
};

/// The configuration that every client starts from.
pub fn client_config(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", "issuetracker-server")
        .set("reconnect.backoff.max.ms", "2000")
        .set("topic.metadata.refresh.interval.ms", "10000")
        .set_log_level(RDKafkaLogLevel::Warning);
    client
}

/// Watches the connection: the client's statistics say every few seconds whether a broker answers and how far each
/// partition is behind.
#[derive(Clone)]
pub struct Watch {
    health: Health,
}

impl Watch {
    /// Tells `health`.
    pub fn new(health: Health) -> Self {
        Self { health }
    }
}

impl ClientContext for Watch {
    fn stats(&self, statistics: Statistics) {
        let is_up = statistics.brokers.values().any(|broker| broker.state == "UP" && broker.nodeid >= 0);
        metrics::kafka_up(is_up);
        if is_up {
            self.health.up(KAFKA);
        } else if self.health.down(KAFKA, "no broker answers") {
            tracing::warn!("no Kafka broker answers; consumption goes on when one does");
        }
        for topic in statistics.topics.values() {
            for (partition, state) in topic.partitions.iter().filter(|(partition, _)| **partition >= 0) {
                // -1: not ours, or not known yet. Another server reports it then.
                metrics::consumer_lag(*partition, state.consumer_lag.max(0));
            }
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        // While brokers are away this comes several times a second; `stats` tells of the change, once.
        tracing::debug!(%error, reason, "the Kafka client reports");
    }

    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "the Kafka client says");
    }
}
