//! Firestore, in production the single source of truth. Nothing outside this folder names the `firestore` crate.
//!
//! ```text
//! issues/{issue_id}                       every field of an issue, by the names of docs and API
//! issues/{issue_id}/activities/{id}       type, user_id, timestamp, details (JSON as a string), part, trace_id; id: the event's
//! issues/{issue_id}/comments/{id}         content, author_id, created_at, edited_at, recurrences
//! offsets/{topic}-{partition}             how far a partition is in the store
//! aliases/{id}                            issue_id, via: other ids of issues (merged ones, other rules of grouping)
//! service_days/{day}-{service}            service, day, occurrences, created: by hour, `h00` to `h23`
//! numbers/{prefix}                        last: the greatest number of a short id that was given
//! notes/{key}                             key, value: what the server has to remember beside issues
//! users/{uid}, sessions, keys, logins, audit, guards    texts and times by name (`records`)
//! ```
//!
//! **Times are Firestore timestamps**, not integers: the console shows them as dates, other tools can query them, they
//! are exact to the microsecond (as is the embedded store) and ordered, so cursors work. Integers would only be needed
//! for `maximum` and `minimum` transforms, and nothing here is transformed: whatever an occurrence does is decided by
//! `domain::fold`, so a batch is loaded, folded and committed on the condition that nothing it was built on has changed
//! (`ingest`). Of a known issue only changed fields are sent, and what this process committed last is not read again
//! (`recent`).
//!
//! **Lists and search** are answered from a local copy of all issues (`projection`), with the embedded store's own code.
//! Until it is complete, Firestore lists, newest first, with ties by id, descending; `firestore.indexes.json` has an index
//! for each filter with each order, which Firestore merges for several filters, and takes fields that nobody filters by
//! out of its automatic indexes. A document that does not decode is left out of lists, counted and said; nothing is
//! committed on top of it.

#[doc(hidden)]
pub mod bare;
mod client;
mod document;
mod forget;
mod ingest;
mod limits;
mod merge;
mod numbers;
mod occurrence;
mod path;
mod projection;
mod query;
mod read;
mod recent;
mod records;
mod service_days;
mod split;
mod talk;
#[cfg(test)]
mod tests;
mod transfer;
mod value;
mod write;

use std::{ops::Range, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

pub use self::projection::Progress;
use self::{
    client::{Client, Refused},
    forget::Grown,
    path::Paths,
    projection::{Projection, upkeep},
    recent::Recent,
};
use super::{
    AliasEntry, Batch, BoxError, Breakdown, Cursor, Facet, IssueQuery, IssueStore, Item, Neighbourhood, Overview, Page,
    StoreError, Stored, Trend, Watermark, Which,
};
use crate::{
    domain::{Activity, ActivityKind, Comment, CommentChange, Issue, IssueChange, IssueId, ServiceHour},
    retention::{Forgotten, Retention},
};

/// Which database, and as whom.
#[derive(Debug, Clone)]
pub struct FirestoreConfig {
    /// The Google Cloud project.
    pub project_id: String,
    /// The key file of a service account; without one, the application default credentials.
    pub credentials: Option<PathBuf>,
    /// The database of the project; without one, `(default)`.
    pub database_id: Option<String>,
}

/// The store in a Firestore database.
pub struct FirestoreStore {
    client: Arc<Client>,
    recent: Recent,
    grown: Grown,
    projection: Arc<Projection>,
    _upkeep: AbortOnDropHandle<()>,
}

impl FirestoreStore {
    /// A store that connects at its first use, and again until that succeeds: a server can start, and stay up, while
    /// Firestore cannot be reached. Until then its methods return [`StoreError::Unavailable`].
    ///
    /// `FIRESTORE_EMULATOR_HOST` changes nothing here.
    ///
    /// # Errors
    /// If the key file cannot be read: that is no outage, and waiting would not help.
    pub async fn connect(config: FirestoreConfig) -> Result<Self, StoreError> {
        Self::with(Client::google(config)?)
    }

    /// A store in the emulator at `address`, for development and tests; connects as [`connect`](Self::connect) does.
    ///
    /// # Errors
    /// If `address` cannot be one.
    pub async fn connect_emulator(project: &str, address: &str) -> Result<Self, StoreError> {
        Self::with(Client::emulator(project, address)?)
    }

    fn with(client: Client) -> Result<Self, StoreError> {
        let (client, projection) = (Arc::new(client), Arc::new(Projection::create()?));
        let upkeep = tokio::spawn(upkeep::keep(Arc::clone(&client), Arc::clone(&projection)));
        Ok(Self {
            client,
            recent: Recent::default(),
            grown: Grown::default(),
            projection,
            _upkeep: AbortOnDropHandle::new(upkeep),
        })
    }

    /// How far the copy is that lists and search are answered from. It is built once [`IssueStore::reconcile`] was called.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.projection.progress()
    }

    fn paths(&self) -> Paths<'_> {
        Paths(self.client.documents_path())
    }
}

#[async_trait]
impl IssueStore for FirestoreStore {
    async fn ingest(&self, batch: &Batch) -> Result<Vec<Stored>, StoreError> {
        self.ingest_batch(batch).await
    }

    async fn watermark(&self, topic: &str, partition: i32) -> Result<Option<Watermark>, StoreError> {
        self.read_watermark(topic, partition).await
    }

    async fn issue(&self, id: &IssueId) -> Result<Option<Issue>, StoreError> {
        let (name, alias) = (self.paths().issue(id.as_str()), self.paths().alias(id.as_str()));
        let found = self.client.get(vec![name.clone(), alias.clone()], None).await?;
        if let Some(document) = found.get(&name) {
            return document::read(document, document::issue).map(Some);
        }
        let Some(alias) = found.get(&alias) else { return Ok(None) };
        let issue_id = document::read(alias, document::alias)?.issue_id;
        self.one(self.paths().issue(issue_id.as_str()), document::issue).await
    }

    async fn issues(&self, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
        self.list_issues(query).await
    }

    async fn overview(&self, query: &IssueQuery) -> Result<Overview, StoreError> {
        self.count_issues(query).await
    }

    async fn trend(&self, query: &IssueQuery, from: i64) -> Result<Trend, StoreError> {
        self.projection.trend(query, from).await
    }

    async fn breakdown(&self, query: &IssueQuery, from: i64) -> Result<Breakdown, StoreError> {
        self.projection.breakdown(query, from).await
    }

    async fn values(&self, of: Facet, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        self.projection.values(of, prefix, limit).await
    }

    async fn change(
        &self,
        id: &IssueId,
        change: &IssueChange,
        user_id: &str,
        now: Timestamp,
        if_version: Option<u64>,
    ) -> Result<Issue, StoreError> {
        self.change_issue(id, change, user_id, now, if_version).await
    }

    async fn merge(&self, from: &IssueId, into: &IssueId, user_id: &str, now: Timestamp) -> Result<Issue, StoreError> {
        self.merge_issues(from, into, user_id, now).await
    }

    async fn split(
        &self,
        id: &IssueId,
        parts: &[IssueId],
        user_id: &str,
        now: Timestamp,
    ) -> Result<(Issue, Vec<Issue>), StoreError> {
        self.split_issue(id, parts, user_id, now).await
    }

    async fn add_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        content: &str,
        author_id: &str,
        now: Timestamp,
    ) -> Result<Comment, StoreError> {
        self.comment_on_issue(id, comment_id, content, author_id, now).await
    }

    async fn comment(&self, id: &IssueId, comment_id: &str) -> Result<Option<Comment>, StoreError> {
        self.read_comment(id, comment_id).await
    }

    async fn change_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        change: &CommentChange,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<Comment>, StoreError> {
        self.change_comment_of_issue(id, comment_id, change, user_id, now).await
    }

    async fn comments(&self, id: &IssueId, after: Option<&Cursor>, limit: usize) -> Result<Page<Comment>, StoreError> {
        self.list_comments(&self.resolved(id).await?, after, limit).await
    }

    async fn activities(
        &self,
        id: &IssueId,
        kind: Option<ActivityKind>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Activity>, StoreError> {
        self.list_activities(&self.resolved(id).await?, kind, after, limit).await
    }

    async fn occurrence(&self, id: &IssueId, which: Which<'_>) -> Result<Option<Neighbourhood>, StoreError> {
        self.read_occurrence(id, which).await
    }

    async fn issues_of_trace(&self, trace_id: &str, limit: usize) -> Result<Vec<IssueId>, StoreError> {
        self.list_issues_of_trace(trace_id, limit).await
    }

    async fn service_hours(&self, hours: Range<i64>) -> Result<Vec<ServiceHour>, StoreError> {
        self.read_service_hours(hours).await
    }

    async fn note(&self, key: &str) -> Result<Option<String>, StoreError> {
        Ok(self.one(self.paths().note(key), document::note).await?.map(|(_, value)| value))
    }

    async fn set_note(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let name = self.paths().note(key);
        let write = match value {
            Some(value) => write::put(name, document::note_fields(key, value)),
            None => write::delete(name),
        };
        match self.client.commit(vec![write]).await {
            Ok(_) => Ok(()),
            Err(Refused::Stale(_)) => Err(unavailable("somebody else was writing the same note")),
            Err(Refused::Failed(error)) => Err(error),
        }
    }

    async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let query = query::notes(prefix, super::MAX_NOTES);
        let documents = self.client.query(self.client.documents_path(), query).await?;
        documents.iter().map(|document| document::read(document, document::note)).collect()
    }

    async fn forget(&self, retention: &Retention, now: Timestamp) -> Result<Forgotten, StoreError> {
        self.forget_old(retention, now).await
    }

    async fn issue_ids(&self, after: Option<&IssueId>, limit: usize) -> Result<Vec<IssueId>, StoreError> {
        self.list_issue_ids(after, limit).await
    }

    async fn aliases(&self, after: Option<&IssueId>, limit: usize) -> Result<Vec<AliasEntry>, StoreError> {
        self.list_aliases(after, limit).await
    }

    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError> {
        self.list_watermarks().await
    }

    async fn put(&self, items: &[Item]) -> Result<(), StoreError> {
        self.put_items(items).await
    }

    async fn refresh(&self, ids: &[IssueId]) -> Result<(), StoreError> {
        let names: Vec<String> = ids.iter().map(|id| self.paths().issue(id.as_str())).collect();
        self.recent.forget(&names);
        self.projection.take_looks(self.client.look(names, None).await?).await;
        Ok(())
    }

    fn reconcile(&self) {
        self.projection.want_everything();
    }

    /// Production sustains about one write a second to one document.
    fn coalesce(&self) -> Option<Duration> {
        Some(Duration::from_secs(1))
    }

    /// Reads and deletes a document that does not exist: both rights are needed, and nothing is left behind.
    async fn check(&self) -> Result<(), StoreError> {
        let nothing = self.paths().nothing();
        self.client.get(vec![nothing.clone()], None).await?;
        match self.client.commit(vec![write::delete(nothing)]).await {
            // Somebody else checks at the same moment: it can be written.
            Ok(_) | Err(Refused::Stale(_)) => Ok(()),
            Err(Refused::Failed(error)) => Err(error),
        }
    }
}

fn unavailable(error: impl Into<BoxError>) -> StoreError {
    StoreError::Unavailable(error.into())
}

/// What lies behind an error, in one line.
fn cause(error: &StoreError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), ToString::to_string)
}
