//! The dead-letter topic, read by clients that live for one question: no group, no commits, bounded in time and memory.
//! What its records mean is not known here.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use rdkafka::{
    ClientConfig, ClientContext, Message, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
    message::{BorrowedMessage, Headers},
    metadata::MetadataPartition,
};
use tokio::sync::{Semaphore, oneshot};

use super::{Bounds, DeadLettersError, Found, LetterId, letter::Record};
use crate::{config::KafkaConfig, domain::Occurrence, intake::producer::EventProducer, kafka};

/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(12);
/// How long a broker may take to say what there is.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The most questions at a time: each has a client of its own, which can hang for minutes when a broker is frozen.
const MAX_CLIENTS: usize = 4;
/// The most records that are read at once while looking for letters of one kind.
const MAX_BLOCK: usize = 512;

/// Where dead letters are, and where their originals go again.
pub(super) struct Broker {
    producer: EventProducer,
    config: ClientConfig,
    topic: Arc<str>,
    clients: Arc<Semaphore>,
}

/// A partition and where it starts and ends.
struct Range {
    partition: i32,
    start: i64,
    end: i64,
}

impl Broker {
    pub(super) fn new(config: &KafkaConfig, producer: EventProducer) -> Self {
        let mut client = kafka::client_config(config);
        client
            // Its name is needed to be assigned partitions; nobody joins it.
            .set("group.id", format!("{}-dead-letters", config.group))
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("enable.partition.eof", "true")
            // A new place is asked for often: what waits for new records at the old one stands in its way.
            .set("fetch.wait.max.ms", "20")
            .set("fetch.error.backoff.ms", "50")
            .set("fetch.message.max.bytes", "1048576")
            .set("queued.max.messages.kbytes", "4096");
        let (topic, clients) = (Arc::from(&*config.dlq_topic), Arc::new(Semaphore::new(MAX_CLIENTS)));
        Self { producer, config: client, topic, clients }
    }

    /// Publishes an original again, under the identity that it was read with.
    pub(super) async fn send(
        &self,
        original: &[u8],
        occurrence: &Occurrence,
        arrived_at: Timestamp,
    ) -> Result<(), DeadLettersError> {
        Ok(self.producer.send(original, occurrence, arrived_at).await?)
    }

    /// How many letters each partition has: its first offset, and that after its last.
    pub(super) async fn bounds(&self) -> Result<Vec<(i32, i64, i64)>, DeadLettersError> {
        let ranges = self.ask(Session::ranges).await?;
        Ok(ranges.into_iter().map(|range| (range.partition, range.start, range.end)).collect())
    }

    /// The letters with these ids, in their order; `None` for those that are not there.
    pub(super) async fn read(&self, ids: Vec<LetterId>) -> Result<Vec<Option<Record>>, DeadLettersError> {
        self.ask(move |session| {
            let ranges = session.ranges()?;
            let is_there = |id: &&LetterId| {
                ranges.iter().any(|r| r.partition == id.partition && (r.start..r.end).contains(&id.offset))
            };
            let mut wanted: Vec<LetterId> = ids.iter().filter(is_there).copied().collect();
            wanted.sort_unstable();
            let mut found = HashMap::new();
            // Neighbours are read at once.
            for run in wanted.chunk_by(|a, b| a.partition == b.partition && b.offset - a.offset <= 1) {
                let (Some(first), Some(last)) = (run.first(), run.last()) else { continue };
                session.read_block(first.partition, first.offset, last.offset + 1, |record| {
                    found.insert(record.id, record);
                })?;
            }
            Ok(ids.iter().map(|id| found.remove(id)).collect())
        })
        .await
    }

    /// What `take` makes of the newest letters before `before`, newest first, at most `limit`. It should be small: of some
    /// hundred letters it is kept at a time, their texts are not. May end early when there are many that `take` leaves.
    pub(super) async fn newest<T: Send + 'static>(
        &self,
        before: Option<Bounds>,
        limit: usize,
        take: impl Fn(&Record) -> Option<T> + Send + 'static,
    ) -> Result<Found<T>, DeadLettersError> {
        self.ask(move |session| {
            let ranges = session.ranges()?;
            let mut walk = Walk { session, take, readers: Vec::new(), block: limit.clamp(1, MAX_BLOCK) };
            for range in ranges {
                let end = before.as_ref().map_or(range.end, |bounds| bounds.of(range.partition).min(range.end));
                walk.readers.push(Reader { partition: range.partition, start: range.start, end, read: Vec::new() });
            }
            walk.newest(limit)
        })
        .await
    }

    /// Lets a client answer, on a thread that nobody joins: dropping the client of a frozen broker can take minutes.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Session) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, DeadLettersError> {
        let permit = tokio::time::timeout(ANSWER_TIMEOUT, Arc::clone(&self.clients).acquire_owned()).await;
        let Ok(Ok(permit)) = permit else {
            return Err(DeadLettersError::Unavailable("other questions to Kafka are not answered yet".into()));
        };
        let (config, topic) = (self.config.clone(), Arc::clone(&self.topic));
        let (tell, told) = oneshot::channel();
        let work = move || {
            let deadline = Instant::now() + PATIENCE;
            let session = config.create_with_context(Quiet).map(|consumer| Session { consumer, topic, deadline });
            match session {
                Ok(session) => {
                    let _ = tell.send(question(&session));
                }
                Err(error) => _ = tell.send(Err(error)),
            }
            drop(permit);
        };
        let thread = std::thread::Builder::new().name("dead-letters".to_owned()).spawn(work);
        thread.map_err(|error| DeadLettersError::Unavailable(error.into()))?;
        match tokio::time::timeout(PATIENCE + ANSWER_TIMEOUT, told).await {
            Ok(Ok(answer)) => answer.map_err(|error| DeadLettersError::Unavailable(error.into())),
            _ => Err(DeadLettersError::Unavailable("Kafka does not answer in time".into())),
        }
    }
}

/// One question's client.
struct Session {
    consumer: BaseConsumer<Quiet>,
    topic: Arc<str>,
    deadline: Instant,
}

impl Session {
    /// Every partition; none if the topic is not there, which means that nothing was ever wrong.
    fn ranges(&self) -> Result<Vec<Range>, KafkaError> {
        let metadata = self.consumer.fetch_metadata(Some(&self.topic), ANSWER_TIMEOUT)?;
        let topic = metadata.topics().first().filter(|topic| topic.error().is_none());
        let partitions = topic.map(|topic| topic.partitions().iter().map(MetadataPartition::id).collect::<Vec<_>>());
        let range = |partition| {
            let (start, end) = self.consumer.fetch_watermarks(&self.topic, partition, ANSWER_TIMEOUT)?;
            Ok(Range { partition, start, end })
        };
        partitions.unwrap_or_default().into_iter().map(range).collect()
    }

    /// Hands over the records from `from` to before `to`, oldest first.
    fn read_block(
        &self,
        partition: i32,
        from: i64,
        to: i64,
        mut hand_over: impl FnMut(Record),
    ) -> Result<(), KafkaError> {
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topic, partition, Offset::Offset(from))?;
        self.consumer.assign(&place)?;
        let mut last_error = None;
        while let Some(left) = self.deadline.checked_duration_since(Instant::now()) {
            match self.consumer.poll(left.min(Duration::from_millis(100))) {
                None => (),
                Some(Ok(message)) if message.offset() >= to => return Ok(()),
                Some(Ok(message)) => {
                    let is_last = message.offset() + 1 == to;
                    hand_over(record(&message));
                    if is_last {
                        return Ok(());
                    }
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                // It may pass.
                Some(Err(error)) => last_error = Some(error),
            }
        }
        let timed_out = KafkaError::MessageConsumption(rdkafka::error::RDKafkaErrorCode::OperationTimedOut);
        Err(last_error.unwrap_or(timed_out))
    }
}

fn record(message: &BorrowedMessage<'_>) -> Record {
    let headers = message.headers().map(|headers| {
        headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
    });
    Record {
        id: LetterId { partition: message.partition(), offset: message.offset() },
        written_at_ms: message.timestamp().to_millis(),
        key: message.key().map(<[u8]>::to_vec),
        headers: headers.unwrap_or_default(),
        payload: message.payload().unwrap_or_default().to_vec(),
    }
}

/// All partitions at once, from their ends to their starts.
struct Walk<'a, T, F> {
    session: &'a Session,
    take: F,
    readers: Vec<Reader<T>>,
    /// How many records are read at once.
    block: usize,
}

/// One partition on the way to its start.
struct Reader<T> {
    partition: i32,
    start: i64,
    /// What is before this offset is not read yet.
    end: i64,
    /// What is read, oldest first: when it was written, its offset, and what was made of it.
    read: Vec<(i64, i64, Option<T>)>,
}

impl<T, F: Fn(&Record) -> Option<T>> Walk<'_, T, F> {
    fn newest(mut self, limit: usize) -> Result<Found<T>, KafkaError> {
        let mut items = Vec::new();
        while items.len() < limit {
            match self.next() {
                Ok(Some(item)) => items.extend(item),
                Ok(None) => break,
                // What was found is told; the rest has a place to go on from.
                Err(error) if items.is_empty() => return Err(error),
                Err(_) => break,
            }
        }
        let is_at_start = self.readers.iter().all(|reader| reader.read.is_empty() && reader.end <= reader.start);
        let place = |reader: &Reader<T>| {
            let place = reader.read.last().map_or(reader.end, |(_, offset, _)| offset + 1);
            (reader.partition, place)
        };
        let next = (!is_at_start).then(|| Bounds(self.readers.iter().map(place).collect()));
        Ok(Found { items, next })
    }

    /// The newest record that was not looked at yet; `Some(None)` if it is none of those that are looked for.
    fn next(&mut self) -> Result<Option<Option<T>>, KafkaError> {
        for reader in &mut self.readers {
            while reader.read.is_empty() && reader.end > reader.start {
                let length = i64::try_from(self.block).unwrap_or(i64::MAX);
                let from = reader.end.saturating_sub(length).max(reader.start);
                let (take, mut read) = (&self.take, Vec::new());
                self.session.read_block(reader.partition, from, reader.end, |record| {
                    read.push((record.written_at_ms.unwrap_or(0), record.id.offset, take(&record)));
                })?;
                (reader.end, reader.read) = (from, read);
                // Where few are taken, much has to be read.
                self.block = (self.block * 2).min(MAX_BLOCK);
            }
        }
        let last = |reader: &Reader<T>| reader.read.last().map(|(at, offset, _)| (*at, reader.partition, *offset));
        let newest = self.readers.iter_mut().max_by_key(|reader| last(reader));
        Ok(newest.and_then(|reader| reader.read.pop()).map(|(_, _, item)| item))
    }
}

/// What the client says goes to our log, quietly: who asked is told what matters.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "the Kafka client reports");
    }

    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "the Kafka client says");
    }
}

impl ConsumerContext for Quiet {}
