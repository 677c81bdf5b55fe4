//! One partition's way from its queue to the store, from the moment this server gets it until it is given away. It waits for
//! as long as it has to, and nobody waits for it.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{CommitMode, Consumer, StreamConsumer},
    error::KafkaError,
    message::OwnedMessage,
};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{
    Shared,
    hot::Hot,
    lanes::{Queue, is_outage},
    members::Context,
    part::{Part, Unavailable},
    places::Place,
    suspects::{Suspects, Way},
};
use crate::{
    gaps::{self, Gap},
    intake::decode::Invalid,
    store::Watermark,
};

/// How much is gathered for one commit, and how long after its first record.
const BATCH: Bounds = Bounds { records: 500, bytes: 2 * 1024 * 1024 };
const BATCH_WAIT: Duration = Duration::from_millis(20);
/// How much is gathered while an issue rests.
const RESTING: Bounds = Bounds { records: 5_000, bytes: 4 * 1024 * 1024 };
/// How long nothing must go wrong, while there is nothing to read, before consumption counts as well again.
const QUIET: Duration = Duration::from_secs(5);
/// How often a lane goes back to where it was sent.
const SEEKS: u32 = 20;
/// The shortest and longest pause while something is unavailable.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));

#[derive(Clone, Copy)]
struct Bounds {
    records: usize,
    bytes: usize,
}

pub(super) struct Lane {
    shared: Arc<Shared>,
    consumer: Arc<StreamConsumer<Context>>,
    queue: Arc<Queue>,
    partition: i32,
    hot: Hot,
    /// The first offset that is not settled.
    next: i64,
    /// Where to begin, if not where the group stands.
    from: Option<i64>,
    /// The time of the latest record that was settled, by the topic's clock.
    time_ms: i64,
    /// How far the store was at the beginning.
    known: Option<Watermark>,
    invalid_in_row: u64,
    /// How often it may still be sent back to `next`, if it has been at all.
    seeks: u32,
}

impl Lane {
    pub(super) fn new(
        shared: Arc<Shared>,
        consumer: Arc<StreamConsumer<Context>>,
        queue: Arc<Queue>,
        partition: i32,
        from: Option<i64>,
    ) -> Self {
        let hot = Hot::new(shared.store.coalesce());
        Self {
            shared,
            consumer,
            queue,
            partition,
            hot,
            next: 0,
            from,
            time_ms: 0,
            known: None,
            invalid_in_row: 0,
            seeks: 0,
        }
    }

    /// Runs until `stop`. What is being committed then is completed; what waits is dropped, and its next owner reads it
    /// again.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let Some(mut suspects) = self.prepare(&stop).await else { return };
        while let Some(records) = stop.run_until_cancelled(self.gather()).await {
            if self.is_astray(&records) {
                continue;
            }
            if self.take(records, &mut suspects, &stop).await.is_none() {
                return;
            }
            self.tell(None);
            let limit = self.shared.config.max_invalid;
            if limit > 0 && self.invalid_in_row >= limit {
                self.waits(&format!(
                    "{} records in a row cannot be read, the last at offset {}: a producer writes something else into \
                     this topic. Look at the dead letters, then restart the server to go on",
                    self.invalid_in_row,
                    self.next - 1
                ));
                // A person has to look. Nothing is lost meanwhile: the records stay in the topic.
                stop.cancelled().await;
            }
        }
        suspects.close().await;
    }

    /// Learns where the partition is, before anything of it is consumed.
    async fn prepare(&mut self, stop: &CancellationToken) -> Option<Suspects> {
        let mut backoff = BACKOFF.0;
        loop {
            match stop.run_until_cancelled(self.look()).await? {
                Ok(suspects) => {
                    self.shared.places.goes_on(self.partition);
                    return Some(suspects);
                }
                Err(Unavailable { reason }) => self.waits(&reason),
            }
            self.pause(&mut backoff, stop).await?;
        }
    }

    async fn look(&mut self) -> Result<Suspects, Unavailable> {
        let (shared, partition) = (&self.shared, self.partition);
        let topic = &shared.config.topic;
        self.known = shared.store.watermark(topic, partition).await?;
        let silent = |error: KafkaError| Unavailable { reason: format!("Kafka does not say where it is: {error}") };
        let committed = shared.observer.committed(partition).await.map_err(silent)?;
        let (start, _) = shared.observer.bounds(partition).await.map_err(silent)?;
        let watermark = self.known.as_ref().map(|known| known.next_offset);
        self.time_ms = self.known.as_ref().map_or(0, |known| known.timestamp_ms);
        self.next = committed.unwrap_or(start).max(start);
        if self.from.is_none() && committed.is_some() {
            self.from = shared.observer.created_anew(partition, self.next, self.time_ms).await.map_err(silent)?;
        }
        let is_anew = self.from.is_some();
        let mut reached = committed.max(watermark);
        if !is_anew && watermark.is_some() && watermark < committed {
            // The store was restored from a backup, or moved: what it lacks is read again.
            self.from = watermark.map(|watermark| watermark.max(start));
            reached = watermark;
        }
        if let Some(from) = self.from {
            self.next = from;
            self.seeks = SEEKS;
            self.consumer.seek(topic, partition, Offset::Offset(from), Duration::ZERO).map_err(silent)?;
        }
        // With neither the group is new here, and nobody has missed anything.
        if let Some(reached) = reached.filter(|reached| *reached < start && !is_anew) {
            self.note_gap(reached, start).await?;
            // So that the group does not stand before the gap until something new arrives.
            self.store_offset(start);
        }
        self.tell(None);
        let key = format!("inflight/{}-{partition}", shared.config.topic);
        // What was being taken began at the watermark, and was one batch.
        let batch = if shared.store.coalesce().is_some() { RESTING } else { BATCH };
        let until = watermark.unwrap_or(self.next) + i64::try_from(batch.records).unwrap_or(i64::MAX);
        let suspects = Suspects::open(Arc::clone(&shared.store), key, shared.process, until).await?;
        Ok(suspects)
    }

    /// Whether the client has not gone where it was sent: while it learns of a new topic it forgets that, and goes on at the
    /// old offset. It is sent again then. An offset can be missing for good, so not for ever.
    fn is_astray(&mut self, records: &[OwnedMessage]) -> bool {
        let is_beyond = records.first().is_some_and(|record| record.offset() > self.next);
        if self.seeks == 0 || !is_beyond {
            self.seeks = 0;
            return false;
        }
        self.seeks -= 1;
        let (topic, partition) = (&self.shared.config.topic, self.partition);
        if let Err(error) = self.consumer.seek(topic, partition, Offset::Offset(self.next), Duration::ZERO) {
            tracing::debug!(%error, partition, "going back");
        }
        true
    }

    async fn note_gap(&self, first: i64, end: i64) -> Result<(), Unavailable> {
        let topic = self.shared.config.topic.clone();
        let gap = Gap { topic, partition: self.partition, first, end, found_at: Timestamp::now() };
        Ok(gaps::keep(&*self.shared.store, self.shared.places.health(), &gap).await?)
    }

    /// The next records: the first that comes, and what follows it closely.
    async fn gather(&mut self) -> Vec<OwnedMessage> {
        let mut records = Vec::new();
        while records.is_empty() {
            match timeout(QUIET, self.queue.recv()).await {
                Ok(Ok(record)) => records.push(record.detach()),
                Ok(Err(error)) => self.failed(&error).await,
                // An error that lasts comes again and again; without one, nothing stands in the way of the next record.
                Err(_) => self.shared.places.goes_on(self.partition),
            }
        }
        self.fill(Instant::now() + BATCH_WAIT, BATCH, &mut records).await;
        records
    }

    /// Adds what comes until `deadline`, up to the bounds.
    async fn fill(&self, deadline: Instant, bounds: Bounds, records: &mut Vec<OwnedMessage>) {
        let mut bytes: usize = records.iter().map(size).sum();
        while records.len() < bounds.records && bytes < bounds.bytes {
            match timeout_at(deadline, self.queue.recv()).await {
                Ok(Ok(record)) => {
                    let record = record.detach();
                    bytes += size(&record);
                    records.push(record);
                }
                Ok(Err(_)) | Err(_) => break,
            }
        }
    }

    async fn failed(&self, error: &KafkaError) {
        // A broker that is away shows in the client's statistics; everything else stops this partition, so say it.
        if !is_outage(error) {
            self.waits(&error.to_string());
        }
        // These errors come in a tight loop.
        sleep(BACKOFF.0).await;
    }

    /// Makes records durable, however long that takes. `None` if the stop came first: then no offset was stored beyond what
    /// is complete.
    async fn take(
        &mut self,
        mut records: Vec<OwnedMessage>,
        suspects: &mut Suspects,
        stop: &CancellationToken,
    ) -> Option<()> {
        self.tell(records.first());
        self.look_for_gap(self.next, &records, stop).await?;
        let mut is_marked = false;
        while !records.is_empty() {
            let (count, way) = suspects.way(&records);
            let rest = records.split_off(count);
            let some = std::mem::replace(&mut records, rest);
            is_marked = way == Way::Marked;
            match way {
                Way::Free => {
                    let mut part = self.read(some);
                    self.rest(&mut part, stop).await?;
                    self.settle(&mut part, stop).await?;
                }
                Way::Marked => self.settle_marked(some, 1, suspects, stop).await?,
                Way::Alone(starts) => self.settle_marked(some, starts, suspects, stop).await?,
                Way::GiveUp(starts) => {
                    let mut part = Part::new(self.partition, self.invalid_in_row);
                    some.into_iter().for_each(|record| part.push_unread(record, Invalid::CrashSuspect(starts)));
                    self.settle(&mut part, stop).await?;
                    suspects.unmark().await;
                }
            }
        }
        if is_marked {
            suspects.unmark().await;
        }
        Some(())
    }

    fn read(&self, records: Vec<OwnedMessage>) -> Part {
        let mut part = Part::new(self.partition, self.invalid_in_row);
        let now = Timestamp::now();
        records.into_iter().for_each(|record| part.push(record, self.known.as_ref(), now));
        part
    }

    /// Lets issues rest that were written a moment ago, if the store wants that, and gathers on meanwhile.
    async fn rest(&self, part: &mut Part, stop: &CancellationToken) -> Option<()> {
        if let Some(until) = self.hot.rest_until(part.issues(), Instant::now()) {
            let mut more = Vec::new();
            // Whoever has to stop does not rest.
            let _ = stop.run_until_cancelled(self.fill(until, RESTING, &mut more)).await;
            self.look_for_gap(part.next_offset(), &more, stop).await?;
            let now = Timestamp::now();
            more.into_iter().for_each(|record| part.push(record, self.known.as_ref(), now));
        }
        Some(())
    }

    async fn settle(&mut self, part: &mut Part, stop: &CancellationToken) -> Option<()> {
        let issues: Vec<_> = part.issues().cloned().collect();
        let mut backoff = BACKOFF.0;
        loop {
            let attempt = {
                let _others_too = self.shared.gate.read().await;
                part.settle(&self.shared).await
            };
            let Err(Unavailable { reason }) = attempt else { break };
            self.waits(&reason);
            self.pause(&mut backoff, stop).await?;
        }
        self.hot.wrote(issues.into_iter(), Instant::now());
        self.done(part);
        Some(())
    }

    /// The same with a mark in the store while it is being done: before anything is read, after everything is durable.
    async fn settle_marked(
        &mut self,
        records: Vec<OwnedMessage>,
        starts: u32,
        suspects: &mut Suspects,
        stop: &CancellationToken,
    ) -> Option<()> {
        let first = records.first().map_or(self.next, Message::offset);
        let last = records.last().map_or(first, Message::offset);
        let (mut unread, mut part, mut backoff) = (Some(records), None, BACKOFF.0);
        loop {
            let shared = Arc::clone(&self.shared);
            let (_others_too, _alone) = match starts {
                1 => (Some(shared.gate.read().await), None),
                _ => (None, Some(shared.gate.write().await)),
            };
            let attempt = match suspects.mark(first, last, starts).await {
                Err(error) => Err(error.into()),
                Ok(()) => {
                    let read = || self.read(unread.take().unwrap_or_default());
                    let settled = part.get_or_insert_with(read).settle(&self.shared).await;
                    // Of others the mark is replaced by the next, or taken away when there is no next.
                    if starts > 1 || settled.is_err() {
                        suspects.unmark().await;
                    }
                    settled
                }
            };
            let Err(Unavailable { reason }) = attempt else { break };
            drop((_others_too, _alone));
            self.waits(&reason);
            self.pause(&mut backoff, stop).await?;
        }
        let part = part?;
        self.done(&part);
        // At once: if the process dies soon, the next one begins near the record that it died with.
        let mut place = TopicPartitionList::new();
        let offset = Offset::Offset(self.next);
        if place.add_partition_offset(&self.shared.config.topic, self.partition, offset).is_ok() {
            let _ = self.consumer.commit(&place, CommitMode::Async);
        }
        Some(())
    }

    /// Everything of this part is durable.
    fn done(&mut self, part: &Part) {
        self.invalid_in_row = part.invalid_in_row();
        self.next = part.next_offset();
        self.time_ms = self.time_ms.max(part.timestamp_ms());
        // Last on purpose: a crash above repeats the records, and repeating changes nothing.
        self.store_offset(self.next);
        self.shared.places.goes_on(self.partition);
    }

    /// Hands over that everything before `next` is done.
    fn store_offset(&self, next: i64) {
        if let Err(error) = self.consumer.store_offset(&self.shared.config.topic, self.partition, next - 1) {
            // After a rebalance somebody else reads them again, to the same effect.
            tracing::debug!(%error, partition = self.partition, "the offset was not stored");
        }
    }

    /// Tells where the partition is: at this record, or with nothing in hand.
    fn tell(&self, at: Option<&OwnedMessage>) {
        let oldest_ms = at.and_then(|record| record.timestamp().to_millis());
        self.shared.places.is_at(self.partition, Place { next: Some(self.next), time_ms: self.time_ms, oldest_ms });
    }

    fn waits(&self, reason: &str) {
        self.shared.places.waits(self.partition, reason);
    }

    async fn pause(&self, backoff: &mut Duration, stop: &CancellationToken) -> Option<()> {
        stop.run_until_cancelled(sleep(jittered(*backoff))).await?;
        *backoff = (*backoff * 2).min(BACKOFF.1);
        Some(())
    }

    /// If offsets are missing between `next` and these records, asks whether Kafka deleted them: then the group was overtaken
    /// while it was consuming. Marks of transactions and compaction leave offsets out as well, and lose nothing.
    async fn look_for_gap(&self, next: i64, records: &[OwnedMessage], stop: &CancellationToken) -> Option<()> {
        let offsets = records.iter().map(Message::offset);
        let before = std::iter::once(next).chain(offsets.clone().map(|offset| offset + 1));
        let missing: Vec<(i64, i64)> = before.zip(offsets).filter(|(next, offset)| offset - next > 1).collect();
        let mut backoff = BACKOFF.0;
        while !missing.is_empty() {
            let Err(Unavailable { reason }) = self.note_deleted(&missing).await else { break };
            self.waits(&reason);
            self.pause(&mut backoff, stop).await?;
        }
        Some(())
    }

    async fn note_deleted(&self, missing: &[(i64, i64)]) -> Result<(), Unavailable> {
        let silent = |error| Unavailable { reason: format!("Kafka does not say where its log starts: {error}") };
        let (start, _) = self.shared.observer.bounds(self.partition).await.map_err(silent)?;
        for (first, end) in missing.iter().filter(|(first, _)| *first < start) {
            self.note_gap(*first, start.min(*end)).await?;
        }
        Ok(())
    }
}

fn size(record: &OwnedMessage) -> usize {
    record.payload().map_or(0, <[u8]>::len)
}

/// `pause` and up to a quarter more, so that servers do not return in step.
fn jittered(pause: Duration) -> Duration {
    pause + pause * u32::from(uuid::Uuid::now_v7().as_bytes()[15]) / 1_024
}
