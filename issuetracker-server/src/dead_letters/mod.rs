//! Dead letters for people: found in their topic, shown so that nothing can hurt, and replayed so that nothing counts
//! twice. How records become dead letters is the consumer's business (`ingest`).

#[cfg(feature = "kafka")]
mod broker;
#[cfg(not(feature = "kafka"))]
#[path = "no_broker.rs"]
mod broker;
pub mod command;
mod letter;
mod replay;
mod text;

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use jiff::Timestamp;

use self::{
    broker::Broker,
    letter::{CRASH_SUSPECT, Extent, Record},
};
pub use self::{
    letter::{Letter, LetterId, NoLetterId, Reading},
    replay::{Mark, Outcome, Replayed},
};
use crate::{
    intake::IntakeError,
    store::{IssueStore, StoreError},
};

/// The most letters that are in memory as a whole, and replayed at once.
pub const REPLAY_BATCH: usize = 16;
/// How long a replay waits to see its event counted.
const COUNTED_TIMEOUT: Duration = Duration::from_secs(3);
/// How old the number of waiting letters may be when a page shows it.
const COUNT_AGE: Duration = Duration::from_secs(15);

/// Why dead letters could not be read or replayed. Both pass; repeating a replay is safe.
#[derive(Debug, thiserror::Error)]
pub enum DeadLettersError {
    /// Kafka does not answer, or takes nothing.
    #[error("the dead letters cannot be read or replayed right now")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<IntakeError> for DeadLettersError {
    fn from(error: IntakeError) -> Self {
        match error {
            IntakeError::Store(error) => Self::Store(error),
            IntakeError::Kafka(error) => Self::Unavailable(error),
        }
    }
}

/// Where a list goes on: for each partition the offset that is not reached any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds(BTreeMap<i32, i64>);

impl Bounds {
    /// A partition that came later has nothing older.
    #[cfg(feature = "kafka")]
    fn of(&self, partition: i32) -> i64 {
        self.0.get(&partition).copied().unwrap_or(0)
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (&partition, &offset)) in self.0.iter().enumerate() {
            write!(f, "{}{}", if index > 0 { "." } else { "" }, LetterId { partition, offset })?;
        }
        Ok(())
    }
}

impl FromStr for Bounds {
    type Err = NoLetterId;

    fn from_str(text: &str) -> Result<Self, NoLetterId> {
        let place = |text: &str| text.parse().map(|LetterId { partition, offset }| (partition, offset));
        text.split('.').map(place).collect::<Result<_, _>>().map(Self)
    }
}

/// Part of what there is.
#[derive(Debug)]
pub struct Found<T> {
    /// The newest first.
    pub items: Vec<T>,
    /// Where older ones are, if there may be some; also an empty part can have it.
    pub next: Option<Bounds>,
}

/// Which letters.
#[derive(Debug, Clone, Default)]
pub struct LetterQuery {
    /// Only those with this reason.
    pub reason: Option<String>,
    /// Only those before this place.
    pub before: Option<Bounds>,
    /// At most so many.
    pub limit: usize,
}

/// All that can be done with dead letters. Cheap to clone.
#[derive(Clone)]
pub struct DeadLetters {
    broker: Arc<Broker>,
    store: Arc<dyn IssueStore>,
    waiting: Arc<Mutex<Waiting>>,
}

/// How many letters wait for somebody, as it was known a moment ago.
#[derive(Debug, Default)]
struct Waiting {
    count: Option<u64>,
    asked_at: Option<Instant>,
}

impl DeadLetters {
    /// Reads what `config` names, publishes with `producer`, and keeps its notes in `store`.
    #[cfg(feature = "kafka")]
    pub fn new(
        config: &crate::config::KafkaConfig,
        producer: crate::intake::producer::EventProducer,
        store: Arc<dyn IssueStore>,
    ) -> Self {
        Self { broker: Arc::new(Broker::new(config, producer)), store, waiting: Arc::default() }
    }

    /// A part of the letters, with the head of each text.
    ///
    /// # Errors
    /// If Kafka or the store does not answer.
    pub async fn list(&self, query: &LetterQuery, now: Timestamp) -> Result<Found<Letter>, DeadLettersError> {
        let reason = query.reason.clone();
        let is_asked = move |record: &Record| reason.as_ref().is_none_or(|reason| record.reason() == reason);
        let row = move |record: &Record| is_asked(record).then(|| Letter::of(record, Extent::Row, now));
        let Found { items, next } = self.broker.newest(query.before.clone(), query.limit, row).await?;
        let items = try_join_all(items.into_iter().map(|letter| self.completed(letter))).await?;
        Ok(Found { items, next })
    }

    /// One letter with all that may be shown of it.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn letter(&self, id: LetterId, now: Timestamp) -> Result<Option<Letter>, DeadLettersError> {
        match self.record(id).await? {
            Some(record) => Ok(Some(self.completed(Letter::of(&record, Extent::Whole, now)).await?)),
            None => Ok(None),
        }
    }

    /// Replays one letter, and waits a moment to see its event counted.
    ///
    /// # Errors
    /// As [`list`](Self::list). It may have been published nevertheless; doing it again counts nothing twice.
    pub async fn replay(&self, id: LetterId, by: &str, now: Timestamp) -> Result<Replayed, DeadLettersError> {
        let Some(record) = self.record(id).await? else { return Ok(Replayed::NotFound) };
        let replayed = self.replay_record(&record, by, now).await?;
        self.count_again();
        let (Replayed::Done(mark), Reading::Event(event)) = (&replayed, record.read(now)) else { return Ok(replayed) };
        let deadline = tokio::time::Instant::now() + COUNTED_TIMEOUT;
        while mark.outcome == Outcome::Published && tokio::time::Instant::now() < deadline {
            if self.is_counted(&event).await? {
                return Ok(Replayed::Done(self.note_counted(id, mark.clone()).await?));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(replayed)
    }

    /// Replays the letters with these ids; at most [`REPLAY_BATCH`] are held at a time.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub async fn replay_ids(
        &self,
        ids: &[LetterId],
        by: &str,
        now: Timestamp,
    ) -> Result<Vec<(LetterId, Replayed)>, DeadLettersError> {
        let mut results = Vec::with_capacity(ids.len());
        for ids in ids.chunks(REPLAY_BATCH) {
            let records = self.broker.read(ids.to_vec()).await?;
            let replay = |(id, record): (LetterId, Option<Record>)| async move {
                match record {
                    Some(record) => Ok((id, self.replay_record(&record, by, now).await?)),
                    None => Ok::<_, DeadLettersError>((id, Replayed::NotFound)),
                }
            };
            results.extend(try_join_all(ids.iter().copied().zip(records).map(replay)).await?);
        }
        self.count_again();
        Ok(results)
    }

    /// Replays the newest letters of a reason, or of all, at most [`REPLAY_BATCH`]. Crash suspects have to be asked for by
    /// their reason or ids.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub async fn replay_newest(
        &self,
        reason: Option<String>,
        before: Option<Bounds>,
        by: &str,
        now: Timestamp,
    ) -> Result<Found<(LetterId, Replayed)>, DeadLettersError> {
        let is_asked = move |record: &Record| match &reason {
            Some(reason) => record.reason() == reason,
            None => record.reason() != CRASH_SUSPECT,
        };
        let take = move |record: &Record| is_asked(record).then_some(record.id);
        let Found { items, next } = self.broker.newest(before, REPLAY_BATCH, take).await?;
        Ok(Found { items: self.replay_ids(&items, by, now).await?, next })
    }

    /// How many letters nobody has replayed, as it was a moment ago; `None` as long as that is not known. Asking never
    /// waits.
    pub fn waiting(&self) -> Option<u64> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.asked_at.is_none_or(|asked_at| asked_at.elapsed() > COUNT_AGE) {
            waiting.asked_at = Some(Instant::now());
            let letters = self.clone();
            tokio::spawn(async move {
                match letters.count().await {
                    Ok(count) => letters.waiting.lock().unwrap_or_else(PoisonError::into_inner).count = Some(count),
                    // Whoever opens the page is told.
                    Err(error) => tracing::debug!(%error, "the dead letters are not counted"),
                }
            });
        }
        waiting.count
    }

    /// Counts the letters that nobody has replayed, and forgets the marks of those that are gone.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub async fn count(&self) -> Result<u64, DeadLettersError> {
        let (bounds, marks) = (self.broker.bounds().await?, self.store.notes(replay::MARKS).await?);
        let mut count: i64 = bounds.iter().map(|(_, start, end)| end - start).sum();
        for (key, _) in marks {
            let Some(id) = key.strip_prefix(replay::MARKS).and_then(|id| id.parse::<LetterId>().ok()) else { continue };
            let Some((_, start, end)) = bounds.iter().find(|(partition, ..)| *partition == id.partition) else {
                continue;
            };
            if id.offset < *start {
                self.store.set_note(&key, None).await?;
            } else if id.offset < *end {
                count -= 1;
            }
        }
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn count_again(&self) {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).asked_at = None;
    }

    async fn record(&self, id: LetterId) -> Result<Option<Record>, DeadLettersError> {
        Ok(self.broker.read(vec![id]).await?.into_iter().next().flatten())
    }

    /// The letter with what only the store knows: what came of its replay, and whether the issue of its comment is there.
    async fn completed(&self, mut letter: Letter) -> Result<Letter, DeadLettersError> {
        let dead_at_ms = letter.dead_at.map(Timestamp::as_millisecond);
        letter.replayed = self.mark(letter.id, dead_at_ms).await?;
        let Reading::Event(event) = &letter.reading else { return Ok(letter) };
        if let Some(mark) = letter.replayed.take() {
            let is_news = mark.outcome == Outcome::Published && self.is_counted(event).await?;
            letter.replayed = Some(if is_news { self.note_counted(letter.id, mark).await? } else { mark });
        } else if let Err(invalid) = self.has_issue(event).await? {
            letter.reading = Reading::Invalid(invalid);
        }
        Ok(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_comes_back_and_nothing_else_is_one() {
        let bounds = Bounds([(0, 17), (2, 0)].into());
        assert_eq!(bounds.to_string(), "0-17.2-0");
        assert_eq!(bounds.to_string().parse(), Ok(bounds));
        for text in ["", "0", "0-17.", "x-1", "0-17.2"] {
            assert_eq!(text.parse::<Bounds>(), Err(NoLetterId), "{text}");
        }
    }
}
