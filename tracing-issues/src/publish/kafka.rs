//! The Kafka road: one record per event, keyed by fingerprint. The client queues and reconnects by itself; delivery
//! reports come back through [`settle`](Publisher::settle), which the worker's thread calls, so that nothing of the
//! client's runs on a thread where it could be captured.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
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
use crate::outbox::say;

/// Publishes to a Kafka topic.
pub(crate) struct KafkaPublisher {
    producer: BaseProducer<Reports>,
    brokers: String,
    topic: String,
}

impl KafkaPublisher {
    /// Makes a producer; this never touches the network, so a broker that is down delays nothing. `settings` are those of
    /// librdkafka that differ from ours.
    ///
    /// # Errors
    /// If the client refuses its configuration.
    pub(crate) fn new(brokers: &str, topic: &str, settings: &[(&str, &str)]) -> Result<Self, Refused> {
        let mut config = ClientConfig::new();
        config
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
            .set_log_level(RDKafkaLogLevel::Emerg);
        for (name, value) in settings {
            config.set(*name, *value);
        }
        let producer = config.create_with_context(Reports::default()).map_err(|error| Refused::of(&error, settings))?;
        Ok(Self { producer, brokers: brokers.to_owned(), topic: topic.to_owned() })
    }
}

/// The client does not take its configuration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The setting in librdkafka's words; empty if it does not say.
    pub(crate) setting: String,
    /// Why, without secrets.
    pub(crate) reason: String,
}

impl Refused {
    fn of(error: &KafkaError, settings: &[(&str, &str)]) -> Self {
        // The error's own text shows the value, whatever it is.
        let (setting, mut reason) = match error {
            KafkaError::ClientConfig(_, reason, setting, _) => (setting.clone(), format!("{setting}: {reason}")),
            KafkaError::ClientCreation(reason) => {
                let setting = settings.iter().map(|(name, _)| *name).find(|name| reason.contains(name));
                (setting.unwrap_or_default().to_owned(), reason.clone())
            }
            other => (String::new(), other.to_string()),
        };
        for (_, secret) in settings.iter().filter(|(name, value)| is_secret(name) && !value.is_empty()) {
            reason = reason.replace(secret, "***");
        }
        Self { setting, reason }
    }
}

/// Whether the value of this setting must not be shown.
fn is_secret(setting: &str) -> bool {
    ["password", "secret", "pem", "config", "token"].iter().any(|word| setting.contains(word))
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
                let reports = self.producer.context();
                reports.push(Settlement { outcome: reports.outcome_of(&error), envelope: *record.delivery_opaque });
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

/// Collects delivery reports, and what the client says is wrong meanwhile. Its logs end here.
#[derive(Clone, Default)]
struct Reports {
    settled: Arc<Mutex<Vec<Settlement>>>,
    trouble: Arc<Mutex<Trouble>>,
}

/// A record that was not delivered only says that its time is up; this says why.
#[derive(Default)]
struct Trouble {
    latest: Option<String>,
    is_told: bool,
}

impl Reports {
    fn push(&self, settlement: Settlement) {
        lock(&self.settled).push(settlement);
    }

    fn take(&self) -> Vec<Settlement> {
        std::mem::take(&mut lock(&self.settled))
    }

    fn outcome_of(&self, error: &KafkaError) -> Outcome {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessage) => {
                Outcome::Rejected(error.to_string())
            }
            _ => Outcome::Unavailable(match lock(&self.trouble).latest.as_deref() {
                Some(trouble) => format!("{error}: {trouble}"),
                None => error.to_string(),
            }),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ClientContext for Reports {
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // The cause comes first, "all brokers are down" after it.
        if code == Some(RDKafkaErrorCode::AllBrokersDown) {
            return;
        }
        let mut trouble = lock(&self.trouble);
        trouble.latest = Some(reason.to_owned());
        // Mended by a person, not by time: told at once, half a minute before the first record gives up.
        let is_refusal = matches!(code, Some(RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SSL));
        if is_refusal && !std::mem::replace(&mut trouble.is_told, true) {
            say(&format!("Kafka cannot be used: {reason}"));
        }
    }
}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Envelope>;

    fn delivery(&self, result: &DeliveryResult<'_>, envelope: Box<Envelope>) {
        let outcome = match result {
            Ok(message) => {
                debug_assert!(message.offset() >= 0, "a delivered record has an offset");
                *lock(&self.trouble) = Trouble::default();
                Outcome::Delivered
            }
            Err((error, _message)) => self.outcome_of(error),
        };
        self.push(Settlement { envelope: *envelope, outcome });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use jiff::Timestamp;

    use super::*;
    use crate::event::IssueEvent;

    #[test]
    fn a_refused_setting_is_told_without_its_secrets() {
        #[track_caller]
        fn check(settings: &[(&str, &str)], setting: &str, reason: &str) {
            let refused = KafkaPublisher::new("127.0.0.1:1", "issues", settings).err().unwrap();
            assert_eq!(refused.setting, setting, "{refused:?}");
            assert!(refused.reason.contains(reason), "{refused:?}");
            assert!(!refused.reason.contains("hunter2"), "{refused:?}");
        }
        let password = ("sasl.password", "hunter2");
        check(&[("no.such.setting", "1"), password], "no.such.setting", "No such configuration property");
        check(&[("message.timeout.ms", "soon"), password], "message.timeout.ms", "message.timeout.ms");
        check(&[("made.up.password", "hunter2")], "made.up.password", "made.up.password");
        check(&[("acks", "hunter2")], "acks", "Invalid value");
        let protocol = ("security.protocol", "sasl_plaintext");
        check(&[protocol, ("sasl.mechanism", "NONSENSE"), password], "", "NONSENSE");
        // The client repeats the mechanism; this one is the password.
        check(&[protocol, ("sasl.mechanism", "hunter2"), password], "", "***");
    }

    #[test]
    fn an_event_that_cannot_be_sent_says_why() {
        // Nobody listens on port 1; were it only that the time is up, nobody would know what to mend.
        let mut publisher = KafkaPublisher::new("127.0.0.1:1", "issues", &[("message.timeout.ms", "1000")]).unwrap();
        let envelope = Envelope::of(&mut IssueEvent::new("lost", Timestamp::UNIX_EPOCH), 1_000).unwrap();
        publisher.submit(envelope).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        let settled = loop {
            let settled = publisher.settle(Duration::from_millis(100));
            if !settled.is_empty() || Instant::now() > deadline {
                break settled;
            }
        };
        match &settled[..] {
            [Settlement { outcome: Outcome::Unavailable(reason), .. }] => {
                assert!(reason.contains("127.0.0.1:1") && reason.contains("refused"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}
