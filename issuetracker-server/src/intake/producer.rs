//! Publishes events that arrived over HTTP into the topic, and answers when the broker has them.

use std::{borrow::Cow, time::Duration};

use futures_util::future;
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::IntakeError;
use crate::domain::Occurrence;

/// How long a request waits for the broker; the client gives up on the record at the same time.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Sends records and waits for their acknowledgement.
#[derive(Clone)]
pub struct EventProducer {
    producer: FutureProducer,
    topic: String,
}

impl EventProducer {
    /// Makes a producer; the network is not touched yet.
    ///
    /// # Errors
    /// If the client refuses the configuration.
    pub fn new(base: &ClientConfig, topic: &str) -> Result<Self, KafkaError> {
        let producer = base
            .clone()
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("linger.ms", "5")
            .set("message.max.bytes", "1048576")
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            .set("queue.buffering.max.messages", "10000")
            .set("queue.buffering.max.kbytes", "32768")
            .create()?;
        Ok(Self { producer, topic: topic.to_owned() })
    }

    /// Sends events as they came, with the id that the answer names; durable once this answers.
    pub(super) async fn send_all<'a>(
        &self,
        events: impl Iterator<Item = (&'a [u8], &'a Occurrence)>,
    ) -> Result<(), IntakeError> {
        let send = |(bytes, occurrence): (&'a [u8], &'a Occurrence)| async move {
            let key = record_key(occurrence);
            let payload = with_event_id(bytes, occurrence);
            let record = FutureRecord::to(&self.topic).key(&key).payload(payload.as_ref());
            self.producer.send(record, Timeout::After(DELIVERY_TIMEOUT)).await
        };
        future::try_join_all(events.map(send)).await.map_err(|(error, _)| IntakeError::Kafka(Box::new(error)))?;
        Ok(())
    }
}

/// All that concerns one issue is on one partition, in order.
fn record_key(occurrence: &Occurrence) -> String {
    occurrence.fingerprint.map_or_else(|| occurrence.issue_id.to_string(), |fingerprint| fingerprint.to_string())
}

/// The event with an id: without one, the consumer would derive another than the answer to the request has told.
fn with_event_id<'a>(bytes: &'a [u8], occurrence: &Occurrence) -> Cow<'a, [u8]> {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let has_it = |event: &Map<String, Value>| {
        let id = event.get("event_id").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
        id == Some(occurrence.event_id)
    };
    let event = serde_json::from_slice::<Map<String, Value>>(text).ok();
    let Some(mut event) = event.filter(|event| !has_it(event)) else { return Cow::Borrowed(bytes) };
    event.insert("event_id".to_owned(), occurrence.event_id.to_string().into());
    serde_json::to_vec(&event).map_or(Cow::Borrowed(bytes), Cow::Owned)
}
