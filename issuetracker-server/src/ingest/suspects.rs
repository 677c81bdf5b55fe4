//! Crash suspects: which records were being taken when the process died. Whoever has a partition notes that in the store, and
//! takes the note away when it ends in order. A note that is found at a start means that the process before died; then the
//! first records are marked before they are taken, so that a further death names what the process died with. It only tells
//! how records are to be taken; [`Lane`](super::lane::Lane) takes them.
//!
//! Only the first records need marks: after a crash, consumption begins at or before the batch that was being taken, because
//! offsets are stored last and in order. A healthy server that is killed at random makes no suspects: a record is given up
//! only if it was being taken *alone* at two starts after it was in a batch at the one before, and alone it is for the few
//! milliseconds of one commit. While a suspect is taken, nothing else is (`Shared::gate`), so that only the culprit is
//! counted. A store that is down takes no mark, so its outages count nothing.

use std::{sync::Arc, time::Duration};

use rdkafka::{Message, message::OwnedMessage};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    metrics,
    store::{IssueStore, StoreError},
};

/// A record that was being taken at so many starts in a row is not taken again.
const MAX_STARTS: u32 = 3;
/// Marks are made for so long after a partition came, at most.
const MARKED_FOR: Duration = Duration::from_secs(30);
/// Few at once, since each of them has to be taken alone if the process dies.
const MARKED_AT_ONCE: usize = 50;

/// Whose partition it is, and what is being taken if that is marked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    first: i64,
    last: i64,
    /// At how many starts in a row; 0 if nothing is marked.
    starts: u32,
    /// That this process lives disproves that it died.
    process: Uuid,
}

/// How records are to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// As they are.
    Free,
    /// With a mark.
    Marked,
    /// With a mark that says at how many starts, while nothing else is taken.
    Alone(u32),
    /// Not at all: they go to the dead letters, after so many starts.
    GiveUp(u32),
}

pub(super) struct Suspects {
    store: Arc<dyn IssueStore>,
    key: String,
    process: Uuid,
    /// Whether the process before died, so that marks are made.
    is_after_death: bool,
    /// What it died with.
    found: Option<Mark>,
    /// Before this offset begins what was being taken when the process died.
    until: i64,
    opened: Instant,
}

impl Suspects {
    /// Looks for the note of a process that died, and leaves one. If one died, marks are made up to the offset `until`.
    pub(super) async fn open(
        store: Arc<dyn IssueStore>,
        key: String,
        process: Uuid,
        until: i64,
    ) -> Result<Self, StoreError> {
        let note = store.note(&key).await?.and_then(|note| serde_json::from_str::<Mark>(&note).ok());
        let note = note.filter(|mark| mark.process != process);
        let is_after_death = note.is_some();
        let found = note.filter(|mark| mark.starts > 0);
        if let Some(Mark { first, last, starts, .. }) = found {
            tracing::warn!(key, first, last, starts, "the process before ended while it was taking these records");
        }
        let suspects = Self { store, key, process, is_after_death, found, until, opened: Instant::now() };
        if suspects.found.is_none() {
            suspects.mark(0, 0, 0).await?;
        }
        Ok(suspects)
    }

    /// The partition is given away in order.
    pub(super) async fn close(self) {
        if self.found.is_none() {
            self.tell(self.store.set_note(&self.key, None).await);
        }
    }

    /// How to take these records, and how many of them at once.
    pub(super) fn way(&mut self, records: &[OwnedMessage]) -> (usize, Way) {
        let Some(first) = records.first().map(Message::offset) else { return (0, Way::Free) };
        self.way_of(first, records.iter().map(Message::offset))
    }

    fn way_of(&mut self, first: i64, offsets: impl Iterator<Item = i64> + Clone) -> (usize, Way) {
        self.found.take_if(|mark| mark.last < first);
        match &self.found {
            Some(mark) if mark.first <= first && mark.starts >= MAX_STARTS => (1, Way::GiveUp(mark.starts)),
            Some(mark) if mark.first <= first => (1, Way::Alone(mark.starts + 1)),
            Some(mark) => (offsets.take_while(|offset| *offset < mark.first).take(MARKED_AT_ONCE).count(), Way::Marked),
            None if self.is_after_death && first < self.until && self.opened.elapsed() < MARKED_FOR => {
                (offsets.take(MARKED_AT_ONCE).count(), Way::Marked)
            }
            None => (offsets.count(), Way::Free),
        }
    }

    /// Marks records before they are taken.
    pub(super) async fn mark(&self, first: i64, last: i64, starts: u32) -> Result<(), StoreError> {
        let mark = Mark { first, last, starts, process: self.process };
        let text = serde_json::to_string(&mark).unwrap_or_default();
        self.store.set_note(&self.key, Some(&text)).await.inspect_err(|_| metrics::commit_failed())
    }

    /// The process has survived.
    pub(super) async fn unmark(&self) {
        self.tell(self.mark(0, 0, 0).await);
    }

    fn tell(&self, written: Result<(), StoreError>) {
        // At worst a healthy start takes a few records alone.
        if let Err(error) = written {
            tracing::debug!(key = self.key, error = &error as &dyn std::error::Error, "a crash mark stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::EmbeddedStore;

    async fn open(store: &Arc<EmbeddedStore>, process: Uuid) -> Suspects {
        Suspects::open(Arc::clone(store) as Arc<dyn IssueStore>, "inflight/t-0".into(), process, 600).await.unwrap()
    }

    #[tokio::test]
    async fn a_record_that_three_processes_died_with_is_given_up_and_its_neighbours_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&directory.path().join("s.sqlite")).unwrap());
        let mut before = open(&store, Uuid::now_v7()).await;
        assert_eq!(before.way_of(100, 100..200), (100, Way::Free), "nobody has died yet");
        let mut first = open(&store, Uuid::now_v7()).await;
        assert_eq!(first.way_of(100, 100..200), (50, Way::Marked));
        first.mark(100, 199, 1).await.unwrap();
        // It died with 150. Each one after it comes so far.
        let mut second = open(&store, Uuid::now_v7()).await;
        assert_eq!(second.way_of(90, 90..200), (10, Way::Marked), "what came before is no suspect");
        assert_eq!(second.way_of(100, 100..200), (1, Way::Alone(2)));
        second.mark(150, 150, 2).await.unwrap();
        let mut third = open(&store, Uuid::now_v7()).await;
        assert_eq!(third.way_of(140, 140..200), (10, Way::Marked));
        assert_eq!(third.way_of(150, 150..200), (1, Way::Alone(3)));
        third.mark(150, 150, 3).await.unwrap();
        let process = Uuid::now_v7();
        let mut fourth = open(&store, process).await;
        assert_eq!(fourth.way_of(150, 150..200), (1, Way::GiveUp(3)));
        assert_eq!(fourth.way_of(151, 151..200), (49, Way::Marked));
        // The same process gets the partition again while it is at it: it is alive.
        fourth.mark(151, 199, 1).await.unwrap();
        let again = open(&store, process).await;
        assert_eq!(again.found, None);
        again.close().await;
        assert_eq!(store.note("inflight/t-0").await.unwrap(), None);
        assert_eq!(open(&store, Uuid::now_v7()).await.way_of(0, 0..200), (200, Way::Free), "it ended in order");
    }

    #[tokio::test]
    async fn marks_end_beyond_what_may_have_been_taken() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&directory.path().join("s.sqlite")).unwrap());
        open(&store, Uuid::now_v7()).await;
        let mut suspects = open(&store, Uuid::now_v7()).await;
        assert_eq!(suspects.way_of(599, 599..1_099), (50, Way::Marked));
        assert_eq!(suspects.way_of(600, 600..1_100), (500, Way::Free));
    }
}
