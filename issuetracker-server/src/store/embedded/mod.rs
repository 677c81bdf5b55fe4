//! The embedded store: SQLite in one file, the default with nothing installed. One writer thread, a few readers; each
//! commit is on disk before it is answered.

mod backup;
mod breakdown;
mod condition;
mod connection;
mod forget;
mod list;
mod merge;
#[cfg(feature = "firestore")]
pub(in crate::store) mod mirror;
mod numbers;
mod occurrence;
mod read;
mod records;
mod row;
mod talk;
#[cfg(test)]
mod tests;
mod together;
mod transfer;
mod write;

use std::{ops::Range, path::Path, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{Semaphore, oneshot};

use self::{
    connection::{Readers, Writer},
    together::Waiting,
};
use super::{
    AliasEntry, Batch, Breakdown, Cursor, Facet, IssueQuery, IssueStore, Item, Neighbourhood, Overview, Page,
    StoreError, Stored, Trend, Watermark, Which,
};
use crate::{
    domain::{Activity, ActivityKind, Comment, CommentChange, Issue, IssueChange, IssueId, ServiceHour},
    retention::{Forgotten, Retention},
};

pub use self::backup::backup;

/// Reads that run at the same time.
const READERS: usize = 4;

/// The store in one SQLite file.
pub struct EmbeddedStore {
    writer: Writer,
    waiting: Arc<Waiting>,
    readers: Arc<Readers>,
    read_permits: Arc<Semaphore>,
}

impl EmbeddedStore {
    /// Opens the file, creating it or bringing its schema up to date. Blocks: call it before serving.
    ///
    /// # Errors
    /// If the file cannot be opened or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::on(connection::open_for_writing(path)?, path)
    }

    fn on(writer: Connection, path: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            writer: Writer::start(writer)?,
            waiting: Arc::default(),
            readers: Arc::new(Readers::at(path)),
            read_permits: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// Runs `read` on a reader's connection, off the runtime's threads.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.read_permits).acquire_owned().await.map_err(unavailable)?;
        let readers = Arc::clone(&self.readers);
        let result = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            readers.with(read)
        });
        result.await.map_err(unavailable)?
    }

    /// Runs `write` in a transaction on the writer's thread; it is committed if `write` succeeds.
    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.writer.run(Box::new(move |connection| {
            // Immediate: another server on the same file is waited for now, not met in the middle.
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
            let result = transaction.map_err(unavailable).and_then(|transaction| {
                let value = write(&transaction)?;
                transaction.commit().map_err(unavailable)?;
                Ok(value)
            });
            // The caller may have gone; the commit stands, and every effect is safe to repeat.
            let _ = answer.send(result);
        }))?;
        answered.await.map_err(unavailable)?
    }
}

#[async_trait]
impl IssueStore for EmbeddedStore {
    async fn ingest(&self, batch: &Batch) -> Result<Vec<Stored>, StoreError> {
        let answered = self.waiting.add(batch.clone());
        let waiting = Arc::clone(&self.waiting);
        self.writer.run(Box::new(move |connection| waiting.commit(connection)))?;
        answered.await.map_err(unavailable)?
    }

    async fn watermark(&self, topic: &str, partition: i32) -> Result<Option<Watermark>, StoreError> {
        let topic = topic.to_owned();
        self.read(move |connection| read::watermark(connection, &topic, partition)).await
    }

    async fn issue(&self, id: &IssueId) -> Result<Option<Issue>, StoreError> {
        let id = id.clone();
        self.read(move |connection| read::issue(connection, &read::resolved(connection, &id)?)).await
    }

    async fn issues(&self, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
        let query = query.clone();
        self.read(move |connection| list::issues(connection, &query)).await
    }

    async fn overview(&self, query: &IssueQuery) -> Result<Overview, StoreError> {
        let query = query.clone();
        self.read(move |connection| list::overview(connection, &query)).await
    }

    async fn trend(&self, query: &IssueQuery, from: i64) -> Result<Trend, StoreError> {
        let query = query.clone();
        self.read(move |connection| list::trend(connection, &query, from)).await
    }

    async fn breakdown(&self, query: &IssueQuery, from: i64) -> Result<Breakdown, StoreError> {
        let query = query.clone();
        self.read(move |connection| breakdown::breakdown(connection, &query, from)).await
    }

    async fn values(&self, of: Facet, prefix: &str, limit: usize) -> Result<Vec<String>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |connection| list::values(connection, of, &prefix, limit)).await
    }

    async fn change(
        &self,
        id: &IssueId,
        change: &IssueChange,
        user_id: &str,
        now: Timestamp,
        if_version: Option<u64>,
    ) -> Result<Issue, StoreError> {
        let (id, change, user_id) = (id.clone(), change.clone(), user_id.to_owned());
        self.write(move |transaction| write::change(transaction, &id, &change, &user_id, now, if_version)).await
    }

    async fn merge(&self, from: &IssueId, into: &IssueId, user_id: &str, now: Timestamp) -> Result<Issue, StoreError> {
        let (from, into, user_id) = (from.clone(), into.clone(), user_id.to_owned());
        self.write(move |transaction| merge::merge(transaction, &from, &into, &user_id, now)).await
    }

    async fn split(
        &self,
        id: &IssueId,
        parts: &[IssueId],
        user_id: &str,
        now: Timestamp,
    ) -> Result<(Issue, Vec<Issue>), StoreError> {
        let (id, parts, user_id) = (id.clone(), parts.to_vec(), user_id.to_owned());
        self.write(move |transaction| merge::split(transaction, &id, &parts, &user_id, now)).await
    }

    async fn add_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        content: &str,
        author_id: &str,
        now: Timestamp,
    ) -> Result<Comment, StoreError> {
        let (id, comment_id) = (id.clone(), comment_id.to_owned());
        let (content, author_id) = (content.to_owned(), author_id.to_owned());
        self.write(move |transaction| talk::add(transaction, &id, &comment_id, &content, &author_id, now)).await
    }

    async fn comment(&self, id: &IssueId, comment_id: &str) -> Result<Option<Comment>, StoreError> {
        let (id, comment_id) = (id.clone(), comment_id.to_owned());
        self.read(move |connection| read::comment(connection, &read::resolved(connection, &id)?, &comment_id)).await
    }

    async fn change_comment(
        &self,
        id: &IssueId,
        comment_id: &str,
        change: &CommentChange,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Option<Comment>, StoreError> {
        let (id, comment_id) = (id.clone(), comment_id.to_owned());
        let (change, user_id) = (change.clone(), user_id.to_owned());
        self.write(move |transaction| talk::change(transaction, &id, &comment_id, &change, &user_id, now)).await
    }

    async fn comments(&self, id: &IssueId, after: Option<&Cursor>, limit: usize) -> Result<Page<Comment>, StoreError> {
        let (id, after) = (id.clone(), after.cloned());
        self.read(move |connection| {
            read::comments(connection, &read::resolved(connection, &id)?, after.as_ref(), limit)
        })
        .await
    }

    async fn activities(
        &self,
        id: &IssueId,
        kind: Option<ActivityKind>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Activity>, StoreError> {
        let (id, after) = (id.clone(), after.cloned());
        self.read(move |connection| {
            read::activities(connection, &read::resolved(connection, &id)?, kind, after.as_ref(), limit)
        })
        .await
    }

    async fn occurrence(&self, id: &IssueId, which: Which<'_>) -> Result<Option<Neighbourhood>, StoreError> {
        let id = id.clone();
        let event = if let Which::Event(event) = which { event.to_owned() } else { String::new() };
        let is_first = which == Which::First;
        self.read(move |connection| {
            let which = match event.as_str() {
                "" if is_first => Which::First,
                "" => Which::Latest,
                event => Which::Event(event),
            };
            occurrence::occurrence(connection, &read::resolved(connection, &id)?, which)
        })
        .await
    }

    async fn issues_of_trace(&self, trace_id: &str, limit: usize) -> Result<Vec<IssueId>, StoreError> {
        let trace_id = trace_id.to_owned();
        self.read(move |connection| occurrence::issues_of_trace(connection, &trace_id, limit)).await
    }

    async fn service_hours(&self, hours: Range<i64>) -> Result<Vec<ServiceHour>, StoreError> {
        self.read(move |connection| read::service_hours(connection, &hours)).await
    }

    async fn note(&self, key: &str) -> Result<Option<String>, StoreError> {
        let key = key.to_owned();
        self.read(move |connection| read::note(connection, &key)).await
    }

    async fn set_note(&self, key: &str, value: Option<&str>) -> Result<(), StoreError> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.write(move |transaction| write::set_note(transaction, &key, value.as_deref())).await
    }

    async fn notes(&self, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
        let prefix = prefix.to_owned();
        self.read(move |connection| read::notes(connection, &prefix)).await
    }

    async fn forget(&self, retention: &Retention, now: Timestamp) -> Result<Forgotten, StoreError> {
        self.forget_old(retention, now).await
    }

    async fn issue_ids(&self, after: Option<&IssueId>, limit: usize) -> Result<Vec<IssueId>, StoreError> {
        let after = after.cloned();
        self.read(move |connection| transfer::issue_ids(connection, after.as_ref(), limit)).await
    }

    async fn aliases(&self, after: Option<&IssueId>, limit: usize) -> Result<Vec<AliasEntry>, StoreError> {
        let after = after.cloned();
        self.read(move |connection| transfer::aliases(connection, after.as_ref(), limit)).await
    }

    async fn watermarks(&self) -> Result<Vec<Watermark>, StoreError> {
        self.read(transfer::watermarks).await
    }

    async fn put(&self, items: &[Item]) -> Result<(), StoreError> {
        let items = items.to_vec();
        self.write(move |transaction| transfer::put(transaction, &items)).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.write(|transaction| {
            transaction.query_row("SELECT count(*) FROM watermarks", [], |_| Ok(())).map_err(unavailable)
        })
        .await
    }
}

fn unavailable(error: impl Into<super::BoxError>) -> StoreError {
    StoreError::Unavailable(error.into())
}
