//! Merging two issues. What is beneath the one is copied beneath the other first, which can be repeated; then one commit
//! makes the one an alias of the other, on the condition that neither has changed since both were read.

use std::collections::{BTreeMap, HashMap};

use firestore::gcloud_sdk::google::firestore::v1::{Document, Write};
use jiff::Timestamp;

use super::{
    FirestoreStore,
    client::Refused,
    document, query,
    write::{ATTEMPTS, delete_as_read, pause, put, update},
};
use crate::{
    domain::{
        Activity, ActivityKind, Comment, Issue, IssueId,
        merge::{self, Beside},
        part::PART,
    },
    store::{Cursor, StoreError, resolve::Alias},
};

/// Documents that are copied with one commit.
pub(super) const COPIED: usize = 200;

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
            let (into_aliases, from_aliases) = (self.aliases_of(&into).await?, self.aliases_of(&from).await?);
            let beside_into = self.beside(&into, &into_aliases).await?;
            let beside_from = self.beside(&from, &from_aliases).await?;
            let days = self.copy_comments(&beside_from, &beside_into, &into).await?;
            self.copy_history(&from, &into).await?;
            let activity = merge::merge(&mut issue, &beside_into, &gone, &beside_from, user_id, now);

            let mut writes = vec![update(into_before, document::issue_fields(&issue)), delete_as_read(from_before)];
            writes.push(self.put_activity(&into, &activity));
            writes.extend(days);
            writes.push(self.put_alias(&from, &into, vec![from.clone()]));
            for (id, mut alias) in from_aliases {
                alias.via.push(from.clone());
                writes.push(self.put_alias(&id, &into, alias.via));
            }
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

    /// What stands for an issue.
    pub(super) async fn aliases_of(&self, id: &IssueId) -> Result<BTreeMap<IssueId, Alias>, StoreError> {
        let known = self.client.query(self.client.documents_path(), query::aliases_of(id.as_str())).await?;
        let read = |found: &Document| {
            document::read(found, |id, fields| Ok((document::id(id)?, document::alias(id, fields)?)))
        };
        known.iter().map(read).collect()
    }

    pub(super) fn put_alias(&self, id: &IssueId, issue_id: &IssueId, via: Vec<IssueId>) -> Write {
        let alias = Alias { issue_id: issue_id.clone(), via };
        put(self.paths().alias(id.as_str()), document::alias_fields(&alias))
    }

    async fn beside(&self, id: &IssueId, aliases: &BTreeMap<IssueId, Alias>) -> Result<Beside, StoreError> {
        Ok(Beside { aliases: aliases.keys().cloned().collect(), comments: self.all_comments(id).await? })
    }

    /// The comments on an issue, oldest first.
    pub(super) async fn all_comments(&self, id: &IssueId) -> Result<Vec<Comment>, StoreError> {
        let (mut comments, mut after) = (Vec::new(), None::<Cursor>);
        loop {
            let page = query::page_of_comments(after.as_ref(), COPIED, |comment| self.paths().comment(id, comment));
            let documents = self.client.query(&self.paths().issue(id.as_str()), page).await?;
            for document in documents.iter().take(COPIED) {
                comments.push(document::read(document, document::comment)?);
            }
            let Some(last) = comments.last().filter(|_| documents.len() > COPIED) else { return Ok(comments) };
            after = Some(Cursor { key: last.created_at.as_microsecond(), id: last.id.clone() });
        }
    }

    /// Copies comments. Those of days that both have counted are answered, to be written with the merge, because adding is
    /// not repeatable.
    async fn copy_comments(&self, from: &Beside, into: &Beside, id: &IssueId) -> Result<Vec<Write>, StoreError> {
        let there: HashMap<&str, &Comment> =
            into.comments.iter().map(|comment| (comment.id.as_str(), comment)).collect();
        let (mut copies, mut days) = (Vec::new(), Vec::new());
        for comment in &from.comments {
            let name = self.paths().comment(id, &comment.id);
            match there.get(comment.id.as_str()) {
                Some(known) if comment.recurrences.is_some() && days.len() < MAX_DAYS => {
                    let sum = merge::merge_comments((*known).clone(), comment);
                    days.push(put(name, document::comment_fields(&sum)));
                }
                Some(_) => (),
                None => copies.push(put(name, document::comment_fields(comment))),
            }
        }
        for part in copies.chunks(COPIED) {
            self.put_all(part.to_vec()).await?;
        }
        Ok(days)
    }

    /// Copies the history, but for what both have.
    async fn copy_history(&self, from: &IssueId, into: &IssueId) -> Result<(), StoreError> {
        for kind in [None, Some(ActivityKind::Occurrence)] {
            let (mut after, mut copied) = (None::<Cursor>, 0);
            loop {
                let page =
                    query::page_of_activities(kind, after.as_ref(), COPIED, |id| self.paths().activity(from, id));
                let documents = self.client.query(&self.paths().issue(from.as_str()), page).await?;
                let mut page = Vec::new();
                for document in documents.iter().take(COPIED) {
                    page.push(document::read(document, document::activity)?);
                }
                let names = page.iter().map(|activity| self.paths().activity(into, &activity.id)).collect();
                let there: HashMap<String, Document> = self.client.get(names, Some("type")).await?;
                let is_missing = |activity: &&Activity| !there.contains_key(&self.paths().activity(into, &activity.id));
                let copies =
                    page.iter().filter(is_missing).map(|activity| self.put_activity(into, &of_part(activity, from)));
                self.put_all(copies.collect()).await?;
                copied += page.len();
                let is_enough = kind.is_some() && copied >= MAX_OCCURRENCES;
                let Some(last) = page.last().filter(|_| documents.len() > COPIED && !is_enough) else { break };
                after = Some(Cursor { key: last.timestamp.as_microsecond(), id: last.id.clone() });
            }
        }
        Ok(())
    }
}

/// The entry, which says whose it is.
fn of_part(activity: &Activity, part: &IssueId) -> Activity {
    let mut activity = activity.clone();
    activity.details.entry(PART).or_insert_with(|| part.as_str().into());
    activity
}
