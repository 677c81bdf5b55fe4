//! Where issues live. [`IssueStore`] is the one road to them; SQLite and Firestore stand behind it, and one contract
//! suite (`tests/store_contract`) holds for both. What an occurrence does to an issue is not decided here but in
//! [`domain::fold`](crate::domain::fold): a store loads, folds and commits.

mod breakdown;
pub mod embedded;
#[cfg(feature = "firestore")]
pub mod firestore;
mod issue_shape;
mod item;
mod record;
mod resolve;
mod shape;

use std::{collections::BTreeMap, ops::Range, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

pub use self::{
    breakdown::{BREAKDOWN_FACTS, Breakdown, MAX_BREAKDOWN_VALUES},
    issue_shape::IssueShape,
    item::Item,
    record::{Expect, Field, Fields, Kind, Record, RecordQuery, RecordStore, RecordWrite, sweep_records},
};
use crate::domain::{
    Activity, ActivityKind, Comment, CommentChange, Filter, Hours, Issue, IssueChange, IssueId, Occurrence,
    ServiceHour, Severity, filter::Fact, fold::Folded,
};
use crate::retention::{Forgotten, Retention};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a store did not do what it was asked. Each is a decision of the caller's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Down, slow, full or refusing; nothing was done, or nobody knows. Try again: every effect is safe to repeat.
    #[error("the store is unavailable")]
    Unavailable(#[source] BoxError),
    /// It will never take this, whatever its state: the batch has to be taken apart.
    #[error("the store refuses this for good")]
    Refused(#[source] BoxError),
    /// There is no such issue.
    #[error("there is no such issue")]
    NotFound,
    /// It was changed meanwhile; read it again.
    #[error("the issue was changed meanwhile")]
    Conflict,
    /// What is stored cannot be read.
    #[error("the stored issue {id} cannot be read")]
    Corrupt {
        /// Which one.
        id: String,
        /// Why.
        #[source]
        source: BoxError,
    },
}

/// Occurrences to be committed at once, with the place that consumption has reached.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In the order they arrived.
    pub occurrences: Vec<Occurrence>,
    /// Stored in the same commit; absent for what came over HTTP.
    pub watermark: Option<Watermark>,
}

/// How far a partition was consumed, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watermark {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that is not in the store.
    pub next_offset: i64,
    /// The timestamp of the last record before it: a topic that was re-created starts its offsets again, but not time.
    pub timestamp_ms: i64,
}

impl Watermark {
    /// Whether this place is after the one that is stored. A replay comes by places that were passed before, and moves
    /// nothing; a topic that was re-created starts its offsets again, but not time.
    fn is_after(&self, stored: Option<&Self>) -> bool {
        stored.is_none_or(|stored| self.next_offset > stored.next_offset || self.timestamp_ms > stored.timestamp_ms)
    }

    /// This place, if it is after the one that is stored. Time never goes back.
    fn moved_from(&self, stored: Option<&Self>) -> Option<Self> {
        let timestamp_ms = self.timestamp_ms.max(stored.map_or(0, |stored| stored.timestamp_ms));
        self.is_after(stored).then(|| Self { timestamp_ms, ..self.clone() })
    }
}

/// What became of one occurrence of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// Counted, and with this effect.
    New {
        /// It made its issue; of the events that did so in one batch, the first.
        created: bool,
        /// It reopened its issue; likewise.
        regressed: bool,
        /// It ended the mute of its issue; likewise.
        unmuted: bool,
    },
    /// Was there already; nothing changed.
    Duplicate,
    /// A comment on an issue that is not there; nothing changed.
    NoIssue,
    /// The store cannot take it, or cannot read the issue that it belongs to; nothing changed.
    Refused,
}

impl Stored {
    /// What became of the `nth` occurrence that was folded into an issue: only the first has made or reopened it.
    fn of(folded: &Folded, nth: usize) -> Self {
        let is_first = nth == 0;
        Self::New {
            created: folded.is_created && is_first,
            regressed: folded.is_regressed && is_first,
            unmuted: is_first && folded.is_unmuted(),
        }
    }

    /// What becomes of an occurrence that stands in the way, with a word in the log about why.
    pub(crate) fn refused(occurrence: &Occurrence, error: &StoreError) -> Self {
        let source = error as &dyn std::error::Error;
        tracing::error!(error = source, issue_id = %occurrence.issue_id, "the store cannot take an event");
        Self::Refused
    }
}

/// Which issues, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssueQuery {
    /// Only what passes this.
    pub filter: Filter,
    /// Whom the filter calls `me`.
    pub user_id: String,
    /// The moment that ages in the filter are counted back from, and at which something is muted.
    pub now: Timestamp,
    /// The order.
    pub sort: Sort,
    /// Only what follows this place.
    pub after: Option<Cursor>,
    /// At most so many.
    pub limit: usize,
}

/// What is between two priorities in the order by them: more microseconds than a time has.
const PRIORITY_STEP: i64 = 1_000_000_000_000_000_000;

/// The order of a list; always descending, ties by id, descending too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// The latest occurrence first.
    #[default]
    LastSeen,
    /// The newest issue first.
    FirstSeen,
    /// The most frequent first.
    Occurrences,
    /// What rises most first; see [`Hours::trend`](crate::domain::Hours::trend).
    Trend,
    /// The most urgent first; of the same priority, the latest occurrence.
    Priority,
}

impl Sort {
    /// Every order.
    pub const ALL: [Self; 5] = [Self::LastSeen, Self::FirstSeen, Self::Occurrences, Self::Trend, Self::Priority];

    /// The word for it in URLs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LastSeen => "last_seen",
            Self::FirstSeen => "first_seen",
            Self::Occurrences => "occurrences",
            Self::Trend => "trend",
            Self::Priority => "priority",
        }
    }

    /// What an issue is ordered by, as a number.
    pub fn key(self, issue: &Issue) -> i64 {
        match self {
            Self::LastSeen => issue.last_seen.as_microsecond(),
            Self::FirstSeen => issue.first_seen.as_microsecond(),
            Self::Occurrences => i64::try_from(issue.occurrences).unwrap_or(i64::MAX),
            Self::Trend => issue.hours.trend(),
            Self::Priority => i64::from(issue.priority as u8) * PRIORITY_STEP + issue.last_seen.as_microsecond(),
        }
    }
}

/// A place in a list: the sort key and id of the last item before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The sort key.
    pub key: i64,
    /// The id.
    pub id: String,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next part starts, if there may be one; also an empty part can have it (a search that has not ended).
    pub next: Option<Cursor>,
}

/// Which occurrence of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which<'a> {
    /// The earliest that is kept.
    First,
    /// The last one.
    Latest,
    /// That of this event.
    Event(&'a str),
}

/// An occurrence, and those around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Neighbourhood {
    /// The occurrence.
    pub activity: Activity,
    /// The id of the one before it.
    pub older: Option<String>,
    /// The id of the one after it.
    pub newer: Option<String>,
}

/// Numbers and choices around a list. Numbers are of issues that pass the filter of the list but for what it says about
/// states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// By status.
    pub by_status: BTreeMap<&'static str, u64>,
    /// Open ones that nobody works on.
    pub unassigned: u64,
    /// Those that came back.
    pub regressed: u64,
    /// Those that are muted.
    pub muted: u64,
    /// Whether there are more than were counted.
    pub is_more: bool,
    /// All services there are.
    pub services: Vec<String>,
    /// All environments there are.
    pub environments: Vec<String>,
}

/// Occurrences over time, of the issues that pass a filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trend {
    /// By severity, the worst last. An issue remembers two weeks.
    pub by_severity: BTreeMap<Severity, Hours>,
    /// Whether there are more issues than [`MAX_TREND_ISSUES`]; then only those that were seen last are in it.
    pub is_partial: bool,
}

/// What issues have values of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
    /// One of their facts.
    Fact(Fact),
    /// Who works on them.
    Assignee,
    /// Their labels.
    Tag,
    /// Where they happened.
    Host,
}

/// The most issues whose hours are added for a [`Trend`].
pub const MAX_TREND_ISSUES: usize = 2_000;

/// The most notes that are read at once.
pub const MAX_NOTES: usize = 10_000;

/// The most days of services that are read at once: 700 services for two weeks.
pub const MAX_SERVICE_DAYS: usize = 10_000;

/// An id, the issue that it stands for, and under which other issues its events may be stored.
pub type AliasEntry = (IssueId, IssueId, Vec<IssueId>);

/// The store of issues. Every method is one atomic step.
#[async_trait]
pub trait IssueStore: RecordStore {
    /// Commits a batch: issues, their history and the watermark. Tells for each occurrence, in order, what became of it.
    /// An event that was committed before changes nothing, so after an error the whole batch is committed again. A batch
    /// beyond the store's limits may need several commits; the watermark goes with the last.
    async fn ingest(&self, batch: &Batch) -> Result<Vec<Stored>, StoreError>;

    /// How far this partition is in the store.
    async fn watermark(&self, topic: &str, partition: i32) -> Result<Option<Watermark>, StoreError>;

    /// One issue; of an id that has become an alias, the issue that it stands for.
    async fn issue(&self, id: &IssueId) -> Result<Option<Issue>, StoreError>;

    /// A part of the list.
    async fn issues(&self, query: &IssueQuery) -> Result<Page<Issue>, StoreError>;

    /// The numbers around a list.
    async fn overview(&self, query: &IssueQuery) -> Result<Overview, StoreError>;

    /// Occurrences since `from`, an hour, of the issues that pass the filter.
    async fn trend(&self, query: &IssueQuery, from: i64) -> Result<Trend, StoreError>;

    /// What happened since an hour, taken apart.
    async fn breakdown(&self, query: &IssueQuery, from: i64) -> Result<Breakdown, StoreError>;

    /// The values that start with `prefix`, by value.
    async fn values(&self, of: Facet, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError>;

    /// Applies a person's change; `if_version` refuses to change what somebody else changed meanwhile.
    async fn change(
        &self,
        id: &IssueId,
        change: &IssueChange,
        user_id: &str,
        now: Timestamp,
        if_version: Option<u64>,
    ) -> Result<Issue, StoreError>;

    /// Merges `from` into `into`: its occurrences, comments and history go there, and so does all that happens to it from
    /// now on. `from` is gone; its id stands for `into`. Again, it changes nothing.
    async fn merge(&self, from: &IssueId, into: &IssueId, user_id: &str, now: Timestamp) -> Result<Issue, StoreError>;

    /// Takes parts out of a merged issue: each is an issue of its own again, with its ids, counts, comments and history, as if
    /// it had never been merged. Answers the merged issue as it is now, and those. [`StoreError::NotFound`] if one of `parts`
    /// is none, and then nothing was done.
    async fn split(
        &self,
        id: &IssueId,
        parts: &[IssueId],
        user_id: &str,
        now: Timestamp,
    ) -> Result<(Issue, Vec<Issue>), StoreError>;

    /// Adds a person's comment; the same `comment_id` adds nothing the second time.
    async fn add_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        content: &str,
        author_id: &str,
        now: Timestamp,
    ) -> Result<Comment, StoreError>;

    /// One comment.
    async fn comment(&self, id: &IssueId, comment_id: &str) -> Result<Option<Comment>, StoreError>;

    /// Edits or deletes a comment that somebody wrote, and answers it as it is now; `None` after it was deleted.
    /// [`StoreError::NotFound`] if it is not there.
    async fn change_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        change: &CommentChange,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<Comment>, StoreError>;

    /// A part of the comments, oldest first.
    async fn comments(&self, id: &IssueId, after: Option<&Cursor>, limit: usize) -> Result<Page<Comment>, StoreError>;

    /// A part of the history, newest first; of one kind only, or of all kinds but occurrences.
    async fn activities(
        &self,
        id: &IssueId,
        kind: Option<ActivityKind>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Activity>, StoreError>;

    /// One occurrence, with the ids of those around it in time; `None` if it is not there, or not any more.
    async fn occurrence(&self, id: &IssueId, which: Which<'_>) -> Result<Option<Neighbourhood>, StoreError>;

    /// Issues with an occurrence in this trace, as far as occurrences are kept with their details; by id.
    async fn issues_of_trace(&self, trace_id: &str, limit: usize) -> Result<Vec<IssueId>, StoreError>;

    /// Errors and new issues per service and hour, by hour and service; hours in which nothing happened are left out.
    async fn service_hours(&self, hours: Range<i64>) -> Result<Vec<ServiceHour>, StoreError>;

    /// What was noted under `key`: a small JSON text that the server has to remember beside issues. Keys are paths, the
    /// first part names what they are for: `gaps/…`.
    async fn note(&self, key: &str) -> Result<Option<String>, StoreError>;

    /// Notes `value` under `key`, or forgets it.
    async fn set_note(&self, key: &str, value: Option<&str>) -> Result<(), StoreError>;

    /// The notes whose keys start with `prefix`, by key, at most [`MAX_NOTES`].
    async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError>;

    /// Forgets what is not to be kept. Broken off anywhere, doing it again goes on.
    async fn forget(&self, retention: &Retention, now: Timestamp) -> Result<Forgotten, StoreError>;

    /// The ids of issues that come after this one, in their order.
    async fn issue_ids(&self, after: Option<&IssueId>, limit: usize) -> Result<Vec<IssueId>, StoreError>;

    /// Other ids of issues that come after this one, in their order.
    async fn aliases(&self, after: Option<&IssueId>, limit: usize) -> Result<Vec<AliasEntry>, StoreError>;

    /// How far each partition is in the store.
    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError>;

    /// Writes what was exported, whatever is there; again, it changes nothing. At most 400 at once.
    async fn put(&self, items: &[Item]) -> Result<(), StoreError>;

    /// How long an issue should rest between two commits, if that is better for this store: then the consumer gathers on
    /// meanwhile.
    fn coalesce(&self) -> Option<Duration> {
        None
    }

    /// Reads anew what another server says it has changed, for a store that keeps a copy.
    async fn refresh(&self, _ids: &[IssueId]) -> Result<(), StoreError> {
        Ok(())
    }

    /// Has everything read anew that others may have changed without saying so. Returns at once; it is done in the
    /// background, however long that takes.
    fn reconcile(&self) {}

    /// Answers when the store can be read and written.
    async fn check(&self) -> Result<(), StoreError>;
}
