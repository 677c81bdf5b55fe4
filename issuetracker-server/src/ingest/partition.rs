//! One partition's part of a batch: decoded once, then settled, as often as it takes.

use jiff::Timestamp;
use rdkafka::{Message, message::OwnedMessage};

use super::dead_letters::{DeadLetter, DeadLetters};
use crate::{
    health::{Health, INGEST},
    intake::{
        Committer,
        decode::{self, Invalid, Place},
    },
    metrics::Road,
    store::{Batch, Stored, Watermark},
};

pub(super) struct Part {
    pub(super) topic: String,
    batch: Batch,
    /// The record of each occurrence.
    records: Vec<OwnedMessage>,
    /// Those that the dead-letter topic does not have yet.
    invalid: Vec<DeadLetter>,
    last_offset: i64,
}

/// What has to be waited for.
pub(super) struct Unavailable {
    pub(super) reason: String,
}

impl Part {
    /// Reads records of one partition, which must not be empty.
    pub(super) fn decode(topic: String, partition: i32, records: Vec<OwnedMessage>) -> Self {
        let now = Timestamp::now();
        let (batch, records_of_batch) = (Batch::default(), Vec::with_capacity(records.len()));
        let mut part = Self { topic, batch, records: records_of_batch, invalid: Vec::new(), last_offset: 0 };
        let mut timestamp_ms = 0;
        for record in records {
            let time = record.timestamp().to_millis();
            let place = Place::Record { topic: &part.topic, partition, offset: record.offset(), timestamp_ms: time };
            part.last_offset = part.last_offset.max(record.offset());
            timestamp_ms = timestamp_ms.max(time.unwrap_or(0));
            match decode::decode(record.payload().unwrap_or_default(), place, now) {
                Ok(occurrence) => {
                    part.batch.occurrences.push(occurrence);
                    part.records.push(record);
                }
                Err(invalid) => part.invalid.push(DeadLetter::new(record, invalid)),
            }
        }
        part.batch.watermark =
            Some(Watermark { topic: part.topic.clone(), partition, next_offset: part.last_offset + 1, timestamp_ms });
        part
    }

    pub(super) fn last_offset(&self) -> i64 {
        self.last_offset
    }

    /// Makes everything durable: the dead letters first, then the batch with its watermark. What has succeeded is not
    /// done again.
    pub(super) async fn settle(
        &mut self,
        committer: &Committer,
        dead_letters: &DeadLetters,
        health: &Health,
    ) -> Result<(), Unavailable> {
        self.publish(dead_letters).await?;
        let stored = committer.commit(&self.batch, Road::Kafka).await.map_err(|error| Unavailable {
            reason: match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            },
        })?;
        // Only the store knows these. What is committed is not committed again, also if a letter has to wait.
        self.batch.occurrences.clear();
        for (stored, record) in stored.into_iter().zip(self.records.drain(..)) {
            match stored {
                Stored::NoIssue => self.invalid.push(DeadLetter::new(record, Invalid::NoIssue)),
                Stored::Refused => self.invalid.push(DeadLetter::new(record, Invalid::Refused)),
                Stored::New { .. } | Stored::Duplicate => (),
            }
        }
        self.publish(dead_letters).await?;
        health.up(INGEST);
        Ok(())
    }

    async fn publish(&mut self, dead_letters: &DeadLetters) -> Result<(), Unavailable> {
        while let Some(letter) = self.invalid.last() {
            dead_letters
                .publish(letter)
                .await
                .map_err(|error| Unavailable { reason: format!("the dead letters cannot be written: {error}") })?;
            self.invalid.pop();
        }
        Ok(())
    }
}
