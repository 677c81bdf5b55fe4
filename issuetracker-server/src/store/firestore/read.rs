//! What is read: lists and counts. Each is one bounded request.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::{FirestoreStore, document, projection::skipped, query, value::Reader, value::Unreadable};
use crate::{
    domain::{Activity, ActivityKind, Comment, Issue, IssueId, Status},
    store::{Cursor, IssueQuery, Overview, Page, StoreError, Watermark},
};

impl FirestoreStore {
    pub(super) async fn one<T>(
        &self,
        name: String,
        read: impl FnOnce(&str, Reader<'_>) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.client.get(vec![name.clone()], None).await?;
        found.get(&name).map(|document| document::read(document, read)).transpose()
    }

    pub(super) async fn read_watermark(&self, topic: &str, partition: i32) -> Result<Option<Watermark>, StoreError> {
        self.one(self.paths().watermark(topic, partition), document::watermark).await
    }

    /// From the projection, as soon as that is complete. Before, Firestore lists, and only search is answered by what
    /// the projection has so far.
    pub(super) async fn list_issues(&self, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
        if (self.projection.is_complete() || query::is_beyond_firestore(query))
            && let Some(page) = self.projection.issues(query).await?
        {
            return Ok(page);
        }
        let documents = query::page_of_issues(query, query.limit, |id| self.paths().issue(id));
        let documents = self.client.query(self.client.documents_path(), documents).await?;
        let mut page = page(&documents, query.limit, document::issue, |issue| Cursor {
            key: query.sort.key(issue),
            id: issue.id.to_string(),
        });
        // What Firestore cannot ask for is left out here; such a part of a list may be short.
        page.items.retain(|issue| query.filter.matches(issue, &query.user_id, query.now));
        Ok(page)
    }

    /// Likewise; before the projection is complete, Firestore counts.
    pub(super) async fn count_issues(&self, query: &IssueQuery) -> Result<Overview, StoreError> {
        let projected = self.projection.overview(query).await?;
        if let Some(overview) = &projected
            && (self.projection.is_complete() || query::is_beyond_firestore(query))
        {
            return Ok(overview.clone());
        }
        let filter = query.filter.without_states();
        let (_, is_rest) = query::issues(&filter, &query.user_id, &[]);
        let count = |status| {
            let (matching, _) = query::issues(&filter, &query.user_id, &[status]);
            self.client.count(self.client.documents_path(), matching)
        };
        let [a, b, c, d] = Status::ALL;
        let (a, b, c, d) = tokio::try_join!(count(a), count(b), count(c), count(d))?;
        let counts = Status::ALL.into_iter().zip([a, b, c, d]).filter(|(_, count)| *count > 0);
        // Everything else is what was read so far, and so are services and environments to choose from.
        let by_status = counts.map(|(status, count)| (status.as_str(), count)).collect();
        Ok(Overview { by_status, is_more: is_rest, ..projected.unwrap_or_default() })
    }

    pub(super) async fn list_comments(
        &self,
        id: &IssueId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Comment>, StoreError> {
        let query = query::page_of_comments(after, limit, |comment_id| self.paths().comment(id, comment_id));
        let documents = self.client.query(&self.paths().issue(id.as_str()), query).await?;
        Ok(page(&documents, limit, document::comment, |comment| Cursor {
            key: comment.created_at.as_microsecond(),
            id: comment.id.clone(),
        }))
    }

    pub(super) async fn list_activities(
        &self,
        id: &IssueId,
        kind: Option<ActivityKind>,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Activity>, StoreError> {
        let query = query::page_of_activities(kind, after, limit, |activity_id| self.paths().activity(id, activity_id));
        let documents = self.client.query(&self.paths().issue(id.as_str()), query).await?;
        Ok(page(&documents, limit, document::activity, |activity| Cursor {
            key: activity.timestamp.as_microsecond(),
            id: activity.id.clone(),
        }))
    }
}

/// Reads what was queried. The one document beyond the limit only tells that there is more. What cannot be read is left
/// out and counted; a page may be short for it, and the next one starts behind the last that could be read.
fn page<T>(
    documents: &[Document],
    limit: usize,
    read: impl Fn(&str, Reader<'_>) -> Result<T, Unreadable>,
    cursor: impl Fn(&T) -> Cursor,
) -> Page<T> {
    let read = |document| document::read(document, &read).inspect_err(skipped).ok();
    let items: Vec<T> = documents.iter().take(limit).filter_map(read).collect();
    let next = if documents.len() > limit { items.last().map(cursor) } else { None };
    Page { items, next }
}
