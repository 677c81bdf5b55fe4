//! Publishes events that arrived over HTTP into the topic, and answers when the broker has them.

use std::{borrow::Cow, time::Duration};

use futures_util::future;
use jiff::Timestamp;
use rdkafka::{
    ClientConfig,
    error::KafkaError,
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{IntakeError, decode};
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

    /// Sends events of a request that arrived at `now`, with the id that the answer names; durable once this answers.
    pub(super) async fn send_all<'a>(
        &self,
        events: impl Iterator<Item = (&'a [u8], &'a Occurrence)>,
        now: Timestamp,
    ) -> Result<(), IntakeError> {
        future::try_join_all(events.map(|(bytes, occurrence)| self.send(bytes, occurrence, now))).await?;
        Ok(())
    }

    /// Sends one event that arrived at `arrived_at`, under the identity that it was read with; durable once this answers.
    ///
    /// # Errors
    /// If the broker has not acknowledged it. It may have it nevertheless; sending it again counts nothing twice.
    pub async fn send(&self, bytes: &[u8], occurrence: &Occurrence, arrived_at: Timestamp) -> Result<(), IntakeError> {
        let key = record_key(occurrence);
        let payload = with_identity(bytes, occurrence, arrived_at);
        let record = FutureRecord::to(&self.topic).key(&key).payload(payload.as_ref());
        let sent = self.producer.send(record, Timeout::After(DELIVERY_TIMEOUT)).await;
        sent.map(drop).map_err(|(error, _)| IntakeError::Kafka(Box::new(error)))
    }
}

/// All that concerns one issue is on one partition, in order.
fn record_key(occurrence: &Occurrence) -> String {
    occurrence.fingerprint.map_or_else(|| occurrence.issue_id.to_string(), |fingerprint| fingerprint.to_string())
}

/// The event with the id and the time that it is known by: without them, the consumer would derive others from the place of
/// the new record. All that is there stays as it was; what is missing, or could not be used, is added at the end, where it
/// counts, since the last of equal names does.
fn with_identity<'a>(bytes: &'a [u8], occurrence: &Occurrence, arrived_at: Timestamp) -> Cow<'a, [u8]> {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    // What only a lenient reader can read has neither, as far as is known here.
    let event = serde_json::from_slice::<Map<String, Value>>(text).unwrap_or_default();
    let has_id = event.get("event_id").and_then(|id| id.as_str()?.parse::<Uuid>().ok()) == Some(occurrence.event_id);
    // A clock that was wrong when the event arrived is not right because it is read later.
    let is_replaced = occurrence.details.context.contains_key("original_created_at");
    let is_dated = !is_replaced && event.get("created_at").and_then(decode::parse_time).is_some();
    let Some(end) = bytes.iter().rposition(|byte| *byte == b'}').filter(|_| !(has_id && is_dated)) else {
        return Cow::Borrowed(bytes);
    };
    let mut added = Vec::new();
    for (name, is_there, value) in
        [("event_id", has_id, occurrence.event_id.to_string()), ("created_at", is_dated, arrived_at.to_string())]
    {
        if is_there {
            continue;
        }
        added.push(format!("{}:{}", Value::from(name), Value::from(value)));
        // As decoding would have kept it.
        if let Some(original) = event.get(name).filter(|original| !original.is_null()) {
            added.push(format!("{}:{original}", Value::from(format!("original_{name}"))));
        }
    }
    let added = format!(",{}", added.join(","));
    Cow::Owned([&bytes[..end], added.as_bytes(), &bytes[end..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::decode::{Place, decode};

    /// What is sent for `event`, which arrived on 2026-05-28, what it was read as then, and what the consumer makes of it
    /// two days later.
    #[track_caller]
    fn sent(event: &str) -> (String, Occurrence, Occurrence) {
        let place = |offset, timestamp_ms| Place::Record { topic: "t", partition: 1, offset, timestamp_ms };
        let now = Timestamp::from_second(1_780_200_000).unwrap();
        let before = decode(event.as_bytes(), place(7, Some(1_780_000_000_000)), now).unwrap();
        let arrived_at = Timestamp::from_second(1_780_000_000).unwrap();
        let bytes = with_identity(event.as_bytes(), &before, arrived_at).into_owned();
        let after = decode(&bytes, place(99, Some(1_780_172_800_000)), now).unwrap();
        (String::from_utf8(bytes).unwrap(), before, after)
    }

    #[track_caller]
    fn check_same(event: &str) {
        let (sent, before, after) = sent(event);
        assert_eq!(after, before, "{event} was sent as {sent}");
    }

    #[test]
    fn whatever_an_event_lacks_it_is_read_as_the_same_again() {
        for event in [
            r#"{"title": "x"}"#,
            "\u{feff}{\"title\": \"x\"} \n",
            r#"{"title": "x}", "context": {"a": "}"}}"#,
            r#"{"title": "x", "event_id": "0193a5b6-7c8d-7000-8000-000000000001"}"#,
            r#"{"title": "x", "event_id": 17, "created_at": "yesterday"}"#,
            r#"{"title": "x", "event_id": null, "created_at": null}"#,
            r#"{"title": "x", "event_id": "00000000-0000-0000-0000-000000000000"}"#,
            r#"{"title": "x", "created_at": "2026-05-28 03:04:05", "last_at": 1779940000}"#,
            r#"{"title": "x", "created_at": "2026-05-29T12:00:00Z"}"#,
            r#"{"title": "x", "op": "create"}"#,
        ] {
            check_same(event);
        }
        // Nothing is lost of what only breaks the standard.
        let (_, before, after) = sent(r#"{"title": "x", "price": NaN}"#);
        assert_eq!((after.event_id, after.last_at), (before.event_id, before.last_at));
    }

    #[test]
    fn bytes_stay_as_they_are_where_nothing_is_missing() {
        let event = r#"{ "title":"x",  "price": 1.50, "event_id":"0193a5b6-7c8d-7000-8000-000000000001","created_at":"2026-01-02T03:04:05Z" }"#;
        assert_eq!(sent(event).0, event);
    }
}
