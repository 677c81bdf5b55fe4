//! What is read: lists and counts. Each is one bounded request, or for text search a few.

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::{FirestoreStore, document, facets, query, search, value::Reader, value::Unreadable};
use crate::{
    domain::{Activity, ActivityKind, Comment, Issue, IssueId, Status},
    store::{Cursor, IssueQuery, Overview, Page, StoreError, Watermark},
};

/// Text search looks at so many issues at a time …
const SCAN_PAGE: usize = 200;

/// … and at most at so many in one call.
const SCAN_LIMIT: usize = 1_000;

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

    /// With words, a page may come back short or empty and still name a place where the next one starts: that is where
    /// this call has stopped looking.
    pub(super) async fn list_issues(&self, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
        let cursor = |issue: &Issue| Cursor { key: query.sort.key(issue), id: issue.id.to_string() };
        if query.words.is_empty() {
            return Ok(page(self.issues_after(query, query.limit).await?, query.limit, cursor));
        }
        let mut found = Vec::new();
        let mut scan = query.clone();
        for _ in 0..SCAN_LIMIT / SCAN_PAGE {
            let part = page(self.issues_after(&scan, SCAN_PAGE).await?, SCAN_PAGE, cursor);
            found.extend(search::matching(part.items, &query.words).await?);
            scan.after = part.next;
            if scan.after.is_none() || found.len() > query.limit {
                break;
            }
        }
        let found = page(found, query.limit, cursor);
        Ok(Page { next: found.next.or(scan.after.filter(|_| found.items.len() <= query.limit)), ..found })
    }

    /// Issues in the order of `query` from its place on, one more than `limit` if there are so many.
    async fn issues_after(&self, query: &IssueQuery, limit: usize) -> Result<Vec<Issue>, StoreError> {
        let page = query::page_of_issues(query, limit, |id| self.paths().issue(id));
        let documents = self.client.query(self.client.documents_path(), page).await?;
        documents.iter().map(|document| document::read(document, document::issue)).collect()
    }

    /// With words, only the newest issues are counted: those that text search looks at in one call.
    pub(super) async fn count_issues(&self, query: &IssueQuery) -> Result<Overview, StoreError> {
        let mut overview = Overview::default();
        let facets = self.client.get(vec![self.paths().facets()], None);
        let facets = if query.words.is_empty() {
            let count = |status| self.client.count(self.client.documents_path(), query::issues(query, &[status]));
            let [a, b, c, d] = Status::ALL;
            let (facets, a, b, c, d) = tokio::try_join!(facets, count(a), count(b), count(c), count(d))?;
            let counts = Status::ALL.into_iter().zip([a, b, c, d]).filter(|(_, count)| *count > 0);
            overview.by_status = counts.map(|(status, count)| (status.as_str(), count)).collect();
            facets
        } else {
            let scan = IssueQuery { statuses: Vec::new(), after: None, limit: SCAN_LIMIT, ..query.clone() };
            let (facets, found) = tokio::try_join!(facets, self.list_issues(&scan))?;
            for issue in found.items {
                *overview.by_status.entry(issue.status.as_str()).or_default() += 1;
            }
            facets
        };
        if let Some(document) = facets.get(&self.paths().facets()) {
            overview.services = facets::values(document, facets::SERVICES)?;
            overview.environments = facets::values(document, facets::ENVIRONMENTS)?;
        }
        Ok(overview)
    }

    pub(super) async fn list_comments(
        &self,
        id: &IssueId,
        after: Option<&Cursor>,
        limit: usize,
    ) -> Result<Page<Comment>, StoreError> {
        let query = query::page_of_comments(after, limit, |comment_id| self.paths().comment(id, comment_id));
        let documents = self.client.query(&self.paths().issue(id.as_str()), query).await?;
        let comments = read_all(&documents, document::comment)?;
        Ok(page(comments, limit, |comment| Cursor { key: comment.created_at.as_microsecond(), id: comment.id.clone() }))
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
        let activities = read_all(&documents, document::activity)?;
        Ok(page(activities, limit, |activity| Cursor {
            key: activity.timestamp.as_microsecond(),
            id: activity.id.clone(),
        }))
    }
}

fn read_all<T>(
    documents: &[Document],
    read: impl Fn(&str, Reader<'_>) -> Result<T, Unreadable>,
) -> Result<Vec<T>, StoreError> {
    documents.iter().map(|document| document::read(document, &read)).collect()
}

/// Cuts what was read beyond the limit: it only tells that there is more.
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = if has_more { items.last().map(cursor) } else { None };
    Page { items, next }
}
