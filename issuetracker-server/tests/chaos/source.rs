//! The producer: events as two kinds of services send them, some with an id and a key, some with nothing but a title, each
//! noted in the ledger. Idempotent, so that what is in the topic is what the ledger says, whatever happens to the broker.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use rdkafka::{
    ClientContext,
    config::RDKafkaLogLevel,
    error::{KafkaError, RDKafkaErrorCode},
    message::DeliveryResult,
    producer::{BaseProducer, BaseRecord, Producer, ProducerContext},
};
use serde_json::json;
use uuid::Uuid;

use super::{Random, ledger::Ledger, patience, stage::Stage};

/// Twenty-five by twenty words that no rule of grouping takes for a value.
const PLACES: &str = "harbor meadow canyon forest glacier island lagoon valley desert prairie tundra volcano river \
                      delta plateau marsh cavern ridge summit orchard quarry bridge tunnel castle tower";
const THINGS: &str = "ferry engine signal mirror ladder anchor whistle lantern compass kettle hammer saddle ribbon \
                      basket candle pillow violin trumpet barrel carpet";

/// One service, sending.
pub(crate) struct Source {
    producer: BaseProducer<Deliveries>,
    topic: String,
    bugs: usize,
    sent: usize,
    random: Random,
    pub(crate) ledger: Ledger,
}

impl Source {
    /// A new service with so many bugs, which is about to send to the topic of `stage`.
    pub(crate) fn new(stage: &Stage, bugs: usize) -> Self {
        let producer = stage
            .client()
            .set("enable.idempotence", "true")
            .set("message.timeout.ms", "0")
            .set("message.max.bytes", "1000000")
            .set_log_level(RDKafkaLogLevel::Emerg)
            .create_with_context(Deliveries::default())
            .unwrap();
        let service = format!("chaos-{}", Uuid::now_v7().simple());
        Self {
            producer,
            topic: stage.topic.clone(),
            bugs,
            sent: 0,
            random: Random::new(),
            ledger: Ledger::new(service),
        }
    }

    /// Sends so many events, and waits until the broker has them.
    pub(crate) fn send(&mut self, events: usize) {
        self.hand_over(events);
        self.flush();
    }

    /// Gives so many events to the client, whatever the state of the broker.
    pub(crate) fn hand_over(&mut self, events: usize) {
        for _ in 0..events {
            let (title, key, value) = self.event();
            let key = key.then_some(title.as_bytes());
            self.record(key, value.as_bytes(), None);
        }
    }

    /// Every tenth event has a bug at random, the others all bugs in turn.
    fn event(&mut self) -> (String, bool, String) {
        let bug = if self.sent % 10 == 9 { self.random.below(500) as usize } else { self.sent } % self.bugs;
        self.sent += 1;
        let title = title(bug);
        let last = Timestamp::now() - SignedDuration::from_millis(self.random.below(3_600_000).cast_signed());
        let last = Timestamp::from_millisecond(last.as_millisecond()).unwrap();
        if self.random.below(2) == 0 {
            // As Python writes it: no id, no key, no count.
            self.ledger.note(&title, 1, last, last);
            let created_at = last.strftime("%Y-%m-%dT%H:%M:%S.%6f").to_string();
            let event = json!({"title": title, "created_at": created_at, "service": self.ledger.service});
            return (title, false, event.to_string());
        }
        let errors = 1 + self.random.below(20);
        let first = last - SignedDuration::from_millis(self.random.below(60_000).cast_signed());
        self.ledger.note(&title, errors, first, last);
        let event = json!({
            "v": 1, "event_id": Uuid::now_v7(), "title": title, "service": self.ledger.service,
            "occurrences": errors, "first_at": first.to_string(), "last_at": last.to_string(), "created_at": last.to_string(),
        });
        (title, true, event.to_string())
    }

    /// Gives one record to the client, as it is, and notes nothing.
    pub(crate) fn record(&self, key: Option<&[u8]>, value: &[u8], timestamp_ms: Option<i64>) {
        let mut record = BaseRecord::<[u8], [u8]>::to(&self.topic).payload(value);
        record.key = key;
        record.timestamp = timestamp_ms;
        let deadline = Instant::now() + patience();
        while let Err((error, again)) = self.producer.send(record) {
            let is_full = error == KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull);
            assert!(is_full && Instant::now() < deadline, "a record was not taken: {error}");
            self.producer.poll(Duration::from_millis(50));
            record = again;
        }
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) {
        self.producer.flush(patience()).unwrap();
        assert_eq!(self.producer.in_flight_count(), 0);
        assert_eq!(self.producer.context().failed.load(Ordering::Relaxed), 0, "the ledger has what the topic has not");
    }
}

pub(crate) fn title(bug: usize) -> String {
    let (places, things) = (PLACES.split_whitespace(), THINGS.split_whitespace());
    let (place, thing) = (places.cycle().nth(bug % 25).unwrap(), things.cycle().nth(bug / 25 % 20).unwrap());
    format!("{place} {thing} is broken")
}

/// Counts what the broker did not take.
#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
}

impl ClientContext for Deliveries {
    fn error(&self, _: KafkaError, _: &str) {}

    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.failed.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
    }
}
