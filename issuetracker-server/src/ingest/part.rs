//! One partition's part of the work: a batch that is decoded once, then settled, as often as it takes. It does not wait; who
//! settles it does.

use std::error::Error;

use jiff::{SignedDuration, Timestamp};
use rdkafka::{
    Message,
    message::{OwnedMessage, Timestamp as RecordTime},
};

use super::{Shared, dead_letters::DeadLetter};
use crate::{
    domain::IssueId,
    intake::decode::{self, Invalid, Place},
    metrics::{self, Road},
    store::{Batch, StoreError, Stored, Watermark},
};

/// A store knows events by their ids for 14 days; a record that is nearly as old is known by its place, too.
const KNOWN_BY_PLACE_AFTER: SignedDuration = SignedDuration::from_hours(13 * 24);

pub(super) struct Part {
    partition: i32,
    batch: Batch,
    /// The record of each occurrence.
    records: Vec<OwnedMessage>,
    /// Those that the dead-letter topic does not have yet.
    invalid: Vec<DeadLetter>,
    /// Records that were known by their place.
    duplicates: u64,
    /// What the watermark will be.
    next_offset: i64,
    timestamp_ms: i64,
    /// How many records in a row, up to the last, could not be read.
    invalid_in_row: u64,
}

/// What has to be waited for.
pub(super) struct Unavailable {
    pub(super) reason: String,
}

impl From<StoreError> for Unavailable {
    fn from(error: StoreError) -> Self {
        let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        Self { reason: format!("{error}{source}") }
    }
}

impl Part {
    /// Nothing yet of this partition, where `invalid_in_row` records could not be read just before.
    pub(super) fn new(partition: i32, invalid_in_row: u64) -> Self {
        Self {
            partition,
            batch: Batch::default(),
            records: Vec::new(),
            invalid: Vec::new(),
            duplicates: 0,
            next_offset: 0,
            timestamp_ms: 0,
            invalid_in_row,
        }
    }

    /// Reads one record more. `known` is how far the store was when this server got the partition.
    pub(super) fn push(&mut self, record: OwnedMessage, known: Option<&Watermark>, now: Timestamp) {
        let time = self.pass(&record);
        if known.is_some_and(|known| is_known_by_place(known, record.offset(), time, now)) {
            self.duplicates += 1;
            return;
        }
        let place = Place::Record {
            topic: record.topic(),
            partition: self.partition,
            offset: record.offset(),
            timestamp_ms: time,
        };
        match decode::decode(record.payload().unwrap_or_default(), place, now) {
            Ok(occurrence) => {
                self.invalid_in_row = 0;
                self.batch.occurrences.push(occurrence);
                self.records.push(record);
            }
            Err(invalid) => self.refuse(record, invalid),
        }
    }

    /// Takes one record more without looking at what it says.
    pub(super) fn push_unread(&mut self, record: OwnedMessage, invalid: Invalid) {
        self.pass(&record);
        self.refuse(record, invalid);
    }

    fn pass(&mut self, record: &OwnedMessage) -> Option<i64> {
        // Without a time of its own it gets none: the number that Kafka writes then is no time.
        let time = match record.timestamp() {
            RecordTime::NotAvailable => None,
            RecordTime::CreateTime(millis) | RecordTime::LogAppendTime(millis) => {
                Some(millis).filter(|millis| *millis >= 0)
            }
        };
        self.next_offset = record.offset() + 1;
        self.timestamp_ms = self.timestamp_ms.max(time.unwrap_or(0));
        time
    }

    fn refuse(&mut self, record: OwnedMessage, invalid: Invalid) {
        self.invalid_in_row += 1;
        self.invalid.push(DeadLetter::new(record, invalid));
    }

    /// The first offset after it.
    pub(super) fn next_offset(&self) -> i64 {
        self.next_offset
    }

    /// The time of its latest record.
    pub(super) fn timestamp_ms(&self) -> i64 {
        self.timestamp_ms
    }

    pub(super) fn invalid_in_row(&self) -> u64 {
        self.invalid_in_row
    }

    pub(super) fn issues(&self) -> impl Iterator<Item = &IssueId> {
        self.batch.occurrences.iter().map(|occurrence| &occurrence.issue_id)
    }

    /// Makes everything durable: the dead letters first, then the batch with its watermark. What has succeeded is not
    /// done again.
    pub(super) async fn settle(&mut self, shared: &Shared) -> Result<(), Unavailable> {
        self.publish(shared).await?;
        self.batch.watermark = Some(Watermark {
            topic: shared.config.topic.clone(),
            partition: self.partition,
            next_offset: self.next_offset,
            timestamp_ms: self.timestamp_ms,
        });
        let stored = shared.committer.commit(&self.batch, Road::Kafka).await?;
        metrics::records(Road::Kafka, "duplicate", std::mem::take(&mut self.duplicates));
        // Only the store knows these. What is committed is not committed again, also if a letter has to wait.
        self.batch.occurrences.clear();
        for (stored, record) in stored.into_iter().zip(self.records.drain(..)) {
            match stored {
                Stored::NoIssue => self.invalid.push(DeadLetter::new(record, Invalid::NoIssue)),
                Stored::Refused => self.invalid.push(DeadLetter::new(record, Invalid::Refused)),
                Stored::New { .. } | Stored::Duplicate => (),
            }
        }
        self.publish(shared).await
    }

    async fn publish(&mut self, shared: &Shared) -> Result<(), Unavailable> {
        shared
            .dead_letters
            .publish(&mut self.invalid)
            .await
            .map_err(|error| Unavailable { reason: format!("the dead letters cannot be written: {error}") })
    }
}

/// Whether a record is in the store although its event's id may be forgotten there: it is below the watermark, not newer
/// than that (a topic that was created anew starts its offsets again, but not time), and old.
fn is_known_by_place(known: &Watermark, offset: i64, timestamp_ms: Option<i64>, now: Timestamp) -> bool {
    let Some(timestamp_ms) = timestamp_ms else { return false };
    let before = (now - KNOWN_BY_PLACE_AFTER).as_millisecond();
    offset < known.next_offset && timestamp_ms <= known.timestamp_ms && timestamp_ms < before
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_record_below_the_watermark_is_known_and_no_other_is() {
        const DAY: i64 = 86_400_000;
        let now = Timestamp::from_millisecond(100 * DAY).unwrap();
        let known = Watermark { topic: "t".into(), partition: 0, next_offset: 50, timestamp_ms: 80 * DAY };
        let check = |offset, time| is_known_by_place(&known, offset, time, now);
        assert!(check(49, Some(80 * DAY)) && check(0, Some(0)));
        assert!(!check(50, Some(80 * DAY)), "not consumed yet");
        assert!(!check(49, Some(81 * DAY)), "of a topic that was created anew");
        assert!(!check(49, None), "without a time nobody knows");
        let fresh = Watermark { timestamp_ms: 99 * DAY, ..known.clone() };
        assert!(!is_known_by_place(&fresh, 49, Some(88 * DAY), now), "its id is still known: ask the store");
    }
}
