//! Merging two issues. What is beneath the one is copied beneath the other first, which can be repeated; then one commit
//! makes the one an alias of the other, on the condition that neither has changed since both were read.

use std::collections::HashMap;

use firestore::gcloud_sdk::google::firestore::v1::{Document, StructuredQuery, Write};
use jiff::Timestamp;

use super::{
    FirestoreStore,
    client::Refused,
    document, query,
    write::{ATTEMPTS, delete_as_read, pause, put, update},
};
use crate::{
    domain::{self, Issue, IssueId, fold},
    store::{Cursor, StoreError, resolve::Alias},
};

/// Documents that are copied with one commit.
const COPIED: usize = 200;

/// The most occurrences that are copied, the newest: the others are found under their old issue when an event comes again,
/// but are not shown.
const MAX_OCCURRENCES: usize = 1_000;

/// Counts of days that both issues have; each is a write of the last commit.
const MAX_DAYS: usize = 300;

impl FirestoreStore {
    pub(super) async fn merge_issues(
        &self,
        from: &IssueId,
        into: &IssueId,
        user_id: &str,
        now: Timestamp,
    ) -> Result<Issue, StoreError> {
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let (from, into) = (self.resolved(from).await?, self.resolved(into).await?);
            let names = [self.paths().issue(from.as_str()), self.paths().issue(into.as_str())];
            let found = self.client.get(names.to_vec(), None).await?;
            let into_before = found.get(&names[1]).ok_or(StoreError::NotFound)?;
            let mut issue = document::read(into_before, document::issue)?;
            if from == into {
                return Ok(issue);
            }
            let from_before = found.get(&names[0]).ok_or(StoreError::NotFound)?;
            let gone = document::read(from_before, document::issue)?;
            let days = self.copy_beneath(&from, &into).await?;
            let activity = domain::merge(&mut issue, &gone, user_id, now);

            let mut writes = vec![update(into_before, document::issue_fields(&issue)), delete_as_read(from_before)];
            writes.push(put(self.paths().activity(&into, &activity.id), document::activity_fields(&activity)));
            writes.extend(days);
            writes.extend(self.aliases(&from, &into).await?);
            self.recent.forget(&names);
            match self.client.commit(writes).await {
                Ok(times) => {
                    let at = times.first().copied().flatten();
                    self.projection.take_committed(at.map(|at| (issue.clone(), at)), at.map(|at| (from, at))).await;
                    return Ok(issue);
                }
                Err(Refused::Stale(_)) => (),
                Err(Refused::Failed(error)) => {
                    self.projection.doubt(names);
                    return Err(error);
                }
            }
        }
        Err(StoreError::Conflict)
    }

    /// The issue that an id stands for; the id itself unless it is an alias.
    pub(super) async fn resolved(&self, id: &IssueId) -> Result<IssueId, StoreError> {
        let alias = self.one(self.paths().alias(id.as_str()), document::alias).await?;
        Ok(alias.map_or_else(|| id.clone(), |alias| alias.issue_id))
    }

    /// Makes `from`, and all that stands for it, stand for `into`.
    async fn aliases(&self, from: &IssueId, into: &IssueId) -> Result<Vec<Write>, StoreError> {
        let alias = |id: &str, via: Vec<IssueId>| {
            put(self.paths().alias(id), document::alias_fields(&Alias { issue_id: into.clone(), via }))
        };
        let mut writes = vec![alias(from.as_str(), vec![from.clone()])];
        let known = self.client.query(self.client.documents_path(), query::aliases_of(from.as_str())).await?;
        for document in &known {
            let (id, mut via) =
                document::read(document, |id, fields| Ok((id.to_owned(), document::alias(id, fields)?.via)))?;
            via.push(from.clone());
            writes.push(alias(&id, via));
        }
        Ok(writes)
    }

    /// Copies comments and history. What both have is left out, but for days that both have counted: those are answered, to
    /// be written with the merge, because adding is not repeatable.
    async fn copy_beneath(&self, from: &IssueId, into: &IssueId) -> Result<Vec<Write>, StoreError> {
        let mut days = Vec::new();
        let comments =
            |after: Option<&Cursor>| query::page_of_comments(after, COPIED, |id| self.paths().comment(from, id));
        let mut after = None;
        loop {
            let documents = self.client.query(&self.paths().issue(from.as_str()), comments(after.as_ref())).await?;
            let mut page = Vec::new();
            for document in documents.iter().take(COPIED) {
                page.push(document::read(document, document::comment)?);
            }
            let names = page.iter().map(|comment| self.paths().comment(into, &comment.id)).collect();
            let there = self.client.get(names, None).await?;
            let mut copies = Vec::new();
            for comment in &page {
                let name = self.paths().comment(into, &comment.id);
                match there.get(&name) {
                    Some(known) if comment.recurrences.is_some() && days.len() < MAX_DAYS => {
                        let sum = fold::merge_comments(document::read(known, document::comment)?, comment);
                        days.push(put(name, document::comment_fields(&sum)));
                    }
                    Some(_) => (),
                    None => copies.push(put(name, document::comment_fields(comment))),
                }
            }
            self.put_all(copies).await?;
            let Some(last) = page.last().filter(|_| documents.len() > COPIED) else { break };
            after = Some(Cursor { key: last.created_at.as_microsecond(), id: last.id.clone() });
        }
        for kind in [None, Some(domain::ActivityKind::Occurrence)] {
            let (mut after, mut copied) = (None::<Cursor>, 0);
            loop {
                let page: StructuredQuery =
                    query::page_of_activities(kind, after.as_ref(), COPIED, |id| self.paths().activity(from, id));
                let documents = self.client.query(&self.paths().issue(from.as_str()), page).await?;
                let mut page = Vec::new();
                for document in documents.iter().take(COPIED) {
                    page.push(document::read(document, document::activity)?);
                }
                let names = page.iter().map(|activity| self.paths().activity(into, &activity.id)).collect();
                let there: HashMap<String, Document> = self.client.get(names, Some("type")).await?;
                let copies = page.iter().map(|activity| (self.paths().activity(into, &activity.id), activity));
                let copies = copies.filter(|(name, _)| !there.contains_key(name));
                self.put_all(copies.map(|(name, activity)| put(name, document::activity_fields(activity))).collect())
                    .await?;
                copied += page.len();
                let is_enough = kind.is_some() && copied >= MAX_OCCURRENCES;
                let Some(last) = page.last().filter(|_| documents.len() > COPIED && !is_enough) else { break };
                after = Some(Cursor { key: last.timestamp.as_microsecond(), id: last.id.clone() });
            }
        }
        Ok(days)
    }
}
