//! Dead letters: records that cannot be read, kept with their reason. The offset moves on only after the letter is
//! acknowledged, so none is lost; a crash in between writes it twice.

use std::time::Duration;

use rdkafka::{
    ClientConfig, Message,
    error::KafkaError,
    message::{Header, OwnedHeaders, OwnedMessage},
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use sha2::{Digest, Sha256};

use crate::{domain::hex, intake::decode::Invalid, metrics};

/// How long one letter may take before the dead letters count as unavailable.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest original that fits the topic together with its headers; of a larger one only the head is kept.
const MAX_ORIGINAL_BYTES: usize = 900 * 1024;
/// The head of an original that is too large.
const HEAD_BYTES: usize = 64 * 1024;

/// A record that cannot be read, and why.
pub(super) struct DeadLetter {
    record: OwnedMessage,
    invalid: Invalid,
}

impl DeadLetter {
    pub(super) fn new(record: OwnedMessage, invalid: Invalid) -> Self {
        Self { record, invalid }
    }
}

/// The dead-letter topic.
pub(super) struct DeadLetters {
    producer: FutureProducer,
    topic: String,
}

impl DeadLetters {
    pub(super) fn new(base: &ClientConfig, topic: &str) -> Result<Self, KafkaError> {
        let producer = base
            .clone()
            .set("acks", "all")
            .set("linger.ms", "0")
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            .create()?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Writes one letter; it is durable once this answers.
    pub(super) async fn publish(&self, letter: &DeadLetter) -> Result<(), KafkaError> {
        let DeadLetter { record, invalid } = letter;
        let original = record.payload().unwrap_or_default();
        let (partition, offset) = (record.partition().to_string(), record.offset().to_string());
        let timestamp = record.timestamp().to_millis().map(|millis| millis.to_string()).unwrap_or_default();
        let error = invalid.to_string();
        let mut headers = OwnedHeaders::new();
        for (key, value) in [
            ("reason", invalid.reason()),
            ("error", &error),
            ("topic", record.topic()),
            ("partition", &partition),
            ("offset", &offset),
            ("timestamp", &timestamp),
        ] {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let payload = if original.len() > MAX_ORIGINAL_BYTES {
            let (length, hash) = (original.len().to_string(), hex(&Sha256::digest(original)));
            headers = headers
                .insert(Header { key: "original-length", value: Some(&length) })
                .insert(Header { key: "original-sha256", value: Some(&hash) });
            &original[..HEAD_BYTES]
        } else {
            original
        };
        let mut sent = FutureRecord::<[u8], [u8]>::to(&self.topic).payload(payload).headers(headers);
        if let Some(key) = record.key() {
            sent = sent.key(key);
        }
        self.producer.send(sent, Timeout::After(DELIVERY_TIMEOUT)).await.map_err(|(error, _)| error)?;
        metrics::dead_letter(invalid.reason());
        metrics::records(metrics::Road::Kafka, "invalid", 1);
        tracing::warn!(partition, offset, reason = invalid.reason(), "a record went to the dead letters");
        Ok(())
    }
}
