//! The way in for events, whatever road they came by: read them, make them durable, tell who listens. The web's routes
//! and the Kafka loop both use it; it knows neither.

pub mod decode;
mod fields;
#[cfg(feature = "kafka")]
pub mod producer;

use std::{sync::Arc, time::Instant};

use jiff::Timestamp;

use self::decode::{Invalid, Place};
use crate::{
    domain::{Effect, Occurrence},
    metrics,
    notifications::Inbox,
    notify::{Change, Notifier},
    store::{Batch, IssueStore, StoreError, Stored},
};

/// What became of one event of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Receipt {
    /// It is durable: in Kafka if configured, else in the store.
    Accepted(Box<Occurrence>),
    /// It was there before.
    Duplicate(Box<Occurrence>),
    /// It cannot be read; nothing else was affected.
    Invalid(Invalid),
}

/// Why a request was not made durable as a whole. Parts of it may be: sending it again is safe for events that have an
/// id of their own.
#[derive(Debug, thiserror::Error)]
pub enum IntakeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Kafka.
    #[error("Kafka does not accept events right now")]
    Kafka(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Commits occurrences and tells who listens. Both roads end here.
#[derive(Clone)]
pub struct Committer {
    store: Arc<dyn IssueStore>,
    notifier: Notifier,
    inbox: Inbox,
}

impl Committer {
    /// Commits to `store`, tells `notifier`.
    pub fn new(store: Arc<dyn IssueStore>, notifier: Notifier) -> Self {
        Self { store, notifier, inbox: Inbox::default() }
    }

    /// Also tells those who are notified.
    #[must_use]
    pub fn telling(self, inbox: Inbox) -> Self {
        Self { inbox, ..self }
    }

    /// Commits one batch; once this answers, it is durable.
    ///
    /// # Errors
    /// Those of the store. Nothing is half done, and doing it again is safe.
    pub async fn commit(&self, batch: &Batch, road: metrics::Road) -> Result<Vec<Stored>, StoreError> {
        let results = match self.ingest(batch).await {
            Err(StoreError::Refused(_) | StoreError::Corrupt { .. }) => self.take_apart(batch).await?,
            results => results?,
        };
        for (occurrence, result) in batch.occurrences.iter().zip(&results) {
            count(occurrence, *result, road);
        }
        if let Some(change) = Change::of(&batch.occurrences, &results) {
            self.inbox.add(&change);
            self.notifier.publish(change);
        }
        Ok(results)
    }

    async fn ingest(&self, batch: &Batch) -> Result<Vec<Stored>, StoreError> {
        let start = Instant::now();
        let results = self.store.ingest(batch).await.inspect_err(|_| metrics::commit_failed())?;
        metrics::committed(start.elapsed(), batch.occurrences.len());
        Ok(results)
    }

    /// Commits a batch one by one, because something in it stands in the way of the rest. The watermark goes last.
    async fn take_apart(&self, batch: &Batch) -> Result<Vec<Stored>, StoreError> {
        let mut results = Vec::with_capacity(batch.occurrences.len());
        for occurrence in &batch.occurrences {
            let one = Batch { occurrences: vec![occurrence.clone()], watermark: None };
            match self.ingest(&one).await {
                Ok(stored) => results.extend(stored),
                Err(error @ (StoreError::Refused(_) | StoreError::Corrupt { .. })) => {
                    results.push(Stored::refused(occurrence, &error));
                }
                Err(error) => return Err(error),
            }
        }
        self.ingest(&Batch { occurrences: Vec::new(), watermark: batch.watermark.clone() }).await?;
        Ok(results)
    }
}

fn count(occurrence: &Occurrence, result: Stored, road: metrics::Road) {
    let (created, regressed) = match result {
        Stored::New { created, regressed, .. } => (created, regressed),
        Stored::Duplicate => return metrics::records(road, "duplicate", 1),
        // Counted where it is answered, or becomes a dead letter.
        Stored::NoIssue | Stored::Refused => return,
    };
    metrics::records(road, "stored", 1);
    if occurrence.effect == Effect::Occurred {
        metrics::occurrences(occurrence.count);
    }
    if created {
        metrics::issue_created();
    }
    if regressed {
        metrics::regression();
    }
    for (reason, count) in &occurrence.details.dropped_before {
        metrics::publisher_dropped(&occurrence.service, reason, *count);
    }
}

/// Where events that arrive over HTTP are made durable.
#[derive(Clone)]
pub enum Intake {
    /// Straight into the store: the embedded default.
    Store(Committer),
    /// Into the topic, from where some server of the group takes them.
    #[cfg(feature = "kafka")]
    Kafka(producer::EventProducer),
}

impl Intake {
    /// Takes the events of one request, each a JSON object, and answers for each in order. With `service` only those of this
    /// service.
    ///
    /// # Errors
    /// If they could not be made durable.
    pub async fn accept(
        &self,
        events: &[&[u8]],
        service: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<Receipt>, IntakeError> {
        let read = |event: &&[u8]| {
            let occurrence = decode::decode(event, Place::Request, now)?;
            match service {
                Some(service) if service != occurrence.service => Err(Invalid::OtherService(service.to_owned())),
                _ => Ok(occurrence),
            }
        };
        let decoded: Vec<Result<Occurrence, Invalid>> = events.iter().map(read).collect();
        let occurrences: Vec<Occurrence> = decoded.iter().filter_map(|event| event.as_ref().ok()).cloned().collect();
        let stored = match self {
            _ if occurrences.is_empty() => Vec::new(),
            Self::Store(committer) => {
                let batch = Batch { occurrences, watermark: None };
                committer.commit(&batch, metrics::Road::Http).await?
            }
            #[cfg(feature = "kafka")]
            Self::Kafka(producer) => {
                let valid =
                    events.iter().zip(&decoded).filter_map(|(bytes, event)| Some((*bytes, event.as_ref().ok()?)));
                producer.send_all(valid, now).await?;
                // Whether it was there before is known only when it is consumed.
                vec![Stored::New { created: false, regressed: false, unmuted: false }; occurrences.len()]
            }
        };
        let mut stored = stored.into_iter();
        let receipt = |event| match event {
            Err(invalid) => rejected(invalid),
            Ok(occurrence) => match stored.next() {
                Some(Stored::Duplicate) => Receipt::Duplicate(Box::new(occurrence)),
                Some(Stored::NoIssue) => rejected(Invalid::NoIssue),
                Some(Stored::Refused) => rejected(Invalid::Refused),
                Some(Stored::New { .. }) | None => Receipt::Accepted(Box::new(occurrence)),
            },
        };
        Ok(decoded.into_iter().map(receipt).collect())
    }
}

fn rejected(invalid: Invalid) -> Receipt {
    metrics::records(metrics::Road::Http, "invalid", 1);
    Receipt::Invalid(invalid)
}
