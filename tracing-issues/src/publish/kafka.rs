//! The Kafka road: one record per event, keyed by fingerprint. The client queues and reconnects by itself; delivery
//! reports come back through [`settle`](Publisher::settle), which the worker's thread calls, so that nothing of the
//! client's runs on a thread where it could be captured.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rdkafka::{
    ClientConfig, ClientContext, Message,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};

use super::{Envelope, Outcome, Publisher, Settlement};

/// Publishes to a Kafka topic.
pub(crate) struct KafkaPublisher {
    producer: BaseProducer<Reports>,
    brokers: String,
    topic: String,
}

impl KafkaPublisher {
    /// Makes a producer; this never touches the network, so a broker that is down delays nothing.
    ///
    /// # Errors
    /// If the client refuses its configuration.
    pub(crate) fn new(brokers: &str, topic: &str) -> Result<Self, KafkaError> {
        let producer = ClientConfig::new()
            .set("bootstrap.servers", brokers)
            .set("client.id", "tracing-issues")
            .set("acks", "all")
            // The server repeats no effect, and idempotent producers die for good when a broker loses its state.
            .set("enable.idempotence", "false")
            // As Java's and Python's clients do: one issue stays on one partition, whoever produces.
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "20")
            .set("compression.type", "lz4")
            .set("message.max.bytes", "1000000")
            .set("message.timeout.ms", "30000")
            .set("queue.buffering.max.messages", "10000")
            .set("queue.buffering.max.kbytes", "16384")
            .set("reconnect.backoff.max.ms", "2000")
            .set("topic.metadata.propagation.max.ms", "5000")
            .set_log_level(RDKafkaLogLevel::Emerg)
            .create_with_context(Reports::default())?;
        Ok(Self { producer, brokers: brokers.to_owned(), topic: topic.to_owned() })
    }
}

impl Publisher for KafkaPublisher {
    fn destination(&self) -> String {
        format!("kafka topic {} at {}", self.topic, self.brokers)
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        // The record's bytes are copied by the client; the envelope travels beside it for the delivery report.
        let (key, payload) = (envelope.key.clone(), envelope.payload.clone());
        let record = BaseRecord::with_opaque_to(&self.topic, Box::new(envelope)).key(&key).payload(&payload);
        match self.producer.send(record) {
            Ok(()) => Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => Err(*record.delivery_opaque),
            Err((error, record)) => {
                let settlement = Settlement { outcome: outcome_of(&error), envelope: *record.delivery_opaque };
                self.producer.context().push(settlement);
                Ok(())
            }
        }
    }

    fn settle(&mut self, budget: Duration) -> Vec<Settlement> {
        self.producer.poll(budget);
        self.producer.context().take()
    }
}

impl Drop for KafkaPublisher {
    fn drop(&mut self) {
        // The worker has flushed already; what is still queued was given up and is counted as dropped.
        self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
    }
}

fn outcome_of(error: &KafkaError) -> Outcome {
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessage) => {
            Outcome::Rejected(error.to_string())
        }
        _ => Outcome::Unavailable(error.to_string()),
    }
}

/// Collects delivery reports. Client logs and errors end here: each failed delivery tells its reason anyway.
#[derive(Clone, Default)]
struct Reports(Arc<Mutex<Vec<Settlement>>>);

impl Reports {
    fn push(&self, settlement: Settlement) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(settlement);
    }

    fn take(&self) -> Vec<Settlement> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Reports {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, _error: KafkaError, _reason: &str) {}
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Envelope>;

    fn delivery(&self, result: &DeliveryResult<'_>, envelope: Box<Envelope>) {
        let outcome = match result {
            Ok(message) => {
                debug_assert!(message.offset() >= 0, "a delivered record has an offset");
                Outcome::Delivered
            }
            Err((error, _message)) => outcome_of(error),
        };
        self.push(Settlement { envelope: *envelope, outcome });
    }
}
