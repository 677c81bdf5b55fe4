//! Dead letters: records that cannot be read, kept with their reason. The offset moves on only after the letter is
//! acknowledged, so none is lost; a crash in between writes it twice.

use std::time::Duration;

use futures_util::future::join_all;
use rdkafka::{
    ClientConfig, Message,
    error::{KafkaError, RDKafkaErrorCode as Code},
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
            // The largest record that is read, and its headers.
            .set("message.max.bytes", "1048576")
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            .create()?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Writes letters, all at once, and keeps those that are not durable when this answers.
    ///
    /// # Errors
    /// Why the first of those was not written.
    pub(super) async fn publish(&self, letters: &mut Vec<DeadLetter>) -> Result<(), KafkaError> {
        let results = join_all(letters.iter().map(|letter| self.publish_one(letter))).await;
        let mut written = results.iter().map(Result::is_ok);
        letters.retain(|_| !written.next().unwrap_or(false));
        results.into_iter().collect()
    }

    async fn publish_one(&self, letter: &DeadLetter) -> Result<(), KafkaError> {
        let length = letter.record.payload().map_or(0, <[u8]>::len);
        let kept = if length > MAX_ORIGINAL_BYTES { HEAD_BYTES } else { length };
        let sent = match self.send(letter, kept).await {
            // The topic takes less than we thought: without its end the letter is better than a partition that stands.
            Err(error) if kept > HEAD_BYTES && is_too_large(&error) => self.send(letter, HEAD_BYTES).await,
            sent => sent,
        };
        sent?;
        let (partition, offset, reason) = (letter.record.partition(), letter.record.offset(), letter.invalid.reason());
        metrics::dead_letter(reason);
        metrics::records(metrics::Road::Kafka, "invalid", 1);
        tracing::warn!(partition, offset, reason, "a record went to the dead letters");
        Ok(())
    }

    /// Sends one with the first `kept` bytes of its record.
    async fn send(&self, letter: &DeadLetter, kept: usize) -> Result<(), KafkaError> {
        let DeadLetter { record, invalid } = letter;
        let original = record.payload().unwrap_or_default();
        let mut described = vec![
            ("reason", invalid.reason().to_owned()),
            ("error", invalid.to_string()),
            ("topic", record.topic().to_owned()),
            ("partition", record.partition().to_string()),
            ("offset", record.offset().to_string()),
            ("timestamp", record.timestamp().to_millis().map(|millis| millis.to_string()).unwrap_or_default()),
        ];
        if kept < original.len() {
            described.push(("original-length", original.len().to_string()));
            described.push(("original-sha256", hex(&Sha256::digest(original))));
        }
        let headers = described
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }));
        let mut sent = FutureRecord::<[u8], [u8]>::to(&self.topic).payload(&original[..kept]).headers(headers);
        if let Some(key) = record.key().filter(|key| key.len() <= HEAD_BYTES) {
            sent = sent.key(key);
        }
        self.producer.send(sent, Timeout::After(DELIVERY_TIMEOUT)).await.map(|_| ()).map_err(|(error, _)| error)
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize))
}
