//! Splitting a merged issue. What belongs to a part is copied beneath its old id first, which can be repeated; one commit
//! makes the part an issue, on the condition that nobody was faster; then the copies that are too many are removed.

use std::collections::BTreeMap;

use firestore::gcloud_sdk::google::firestore::v1::Write;
use jiff::Timestamp;

use super::{
    FirestoreStore,
    client::Refused,
    document,
    merge::COPIED,
    path::ACTIVITIES,
    query,
    write::{ATTEMPTS, create, delete, pause, put, update},
};
use crate::{
    domain::{
        Issue, IssueId,
        merge::{self, Split},
        part::PART,
    },
    store::{StoreError, resolve::Alias},
};

impl FirestoreStore {
    pub(super) async fn split_issue(
        &self,
        id: &IssueId,
        parts: &[IssueId],
        user_id: &str,
        now: Timestamp,
    ) -> Result<(Issue, Vec<Issue>), StoreError> {
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let id = &self.resolved(id).await?;
            let name = self.paths().issue(id.as_str());
            let found = self.client.get(vec![name.clone()], None).await?;
            let before = found.get(&name).ok_or(StoreError::NotFound)?;
            let mut issue = document::read(before, document::issue)?;
            let comments = self.all_comments(id).await?;
            let split = |part| merge::split(&mut issue, &comments, part, user_id, now).ok_or(StoreError::NotFound);
            let splits = parts.iter().map(split).collect::<Result<Vec<_>, _>>()?;
            let aliases = self.aliases_of(id).await?;
            let mut copied = Vec::new();
            for split in &splits {
                copied.extend(self.copy_back(id, split).await?);
            }

            let mut writes = vec![update(before, document::issue_fields(&issue))];
            writes.extend(splits.iter().map(|split| {
                create(self.paths().issue(split.issue.id.as_str()), document::issue_fields(&split.issue))
            }));
            writes.extend(splits.iter().flat_map(|split| self.aliases_back(split, &aliases)));
            writes.extend(self.comments_left(id, &splits).into_values());
            writes.extend(splits.iter().map(|split| self.put_activity(id, &split.told)));
            self.recent.forget([&name]);
            match self.client.commit(writes).await {
                Ok(times) => {
                    let issues: Vec<Issue> = splits.into_iter().map(|split| split.issue).collect();
                    let changed = std::iter::once(&issue).chain(&issues).cloned().zip(times);
                    self.projection.take_committed(changed.filter_map(|(issue, at)| Some((issue, at?))), None).await;
                    // Broken off here, the merged issue goes on showing entries that are not its any more.
                    for part in copied.chunks(COPIED) {
                        self.put_all(part.iter().cloned().map(delete).collect()).await?;
                    }
                    return Ok((issue, issues));
                }
                Err(Refused::Stale(_)) => (),
                Err(Refused::Failed(error)) => {
                    self.projection.doubt(std::iter::once(name));
                    return Err(error);
                }
            }
        }
        Err(StoreError::Conflict)
    }

    /// Copies history and comments of a part beneath its own id. Answers the names of what was copied from the history of
    /// the merged issue.
    async fn copy_back(&self, id: &IssueId, split: &Split) -> Result<Vec<String>, StoreError> {
        let own = &split.issue.id;
        let mut writes: Vec<Write> = split.activities.iter().map(|activity| self.put_activity(own, activity)).collect();
        writes.extend(
            split
                .comments
                .iter()
                .map(|comment| put(self.paths().comment(own, &comment.id), document::comment_fields(comment))),
        );
        for part in writes.chunks(COPIED) {
            self.put_all(part.to_vec()).await?;
        }
        let mut copied = Vec::new();
        for entries_of in &split.entries_of {
            let mut after = None;
            loop {
                let page = query::records(ACTIVITIES, Some((PART, entries_of.as_str())), after, COPIED);
                let documents = self.client.query(&self.paths().issue(id.as_str()), page).await?;
                let mut copies = Vec::new();
                for found in &documents {
                    let mut activity = document::read(found, document::activity)?;
                    // What belongs to a part of the part goes on saying so.
                    if entries_of == own {
                        activity.details.remove(PART);
                    }
                    copies.push(self.put_activity(own, &activity));
                }
                self.put_all(copies).await?;
                copied.extend(documents.iter().map(|document| document.name.clone()));
                let Some(last) = documents.last().filter(|_| documents.len() >= COPIED) else { break };
                after = Some(last.name.clone());
            }
        }
        Ok(copied)
    }

    /// The ids of a part stand for it again, its own for itself.
    fn aliases_back(&self, split: &Split, known: &BTreeMap<IssueId, Alias>) -> Vec<Write> {
        let own = &split.issue.id;
        let back = split.aliases.iter().map(|id| {
            let via = known.get(id).map(|alias| alias.via.clone()).unwrap_or_default();
            self.put_alias(id, own, via.into_iter().filter(|id| id != own).collect())
        });
        std::iter::once(delete(self.paths().alias(own.as_str()))).chain(back).collect()
    }

    /// What becomes of the comments of the merged issue; what a later split says of one stands.
    fn comments_left(&self, id: &IssueId, splits: &[Split]) -> BTreeMap<String, Write> {
        let mut writes = BTreeMap::new();
        for split in splits {
            for comment in &split.left {
                let name = self.paths().comment(id, &comment.id);
                writes.insert(name.clone(), put(name, document::comment_fields(comment)));
            }
            for comment in &split.gone {
                let name = self.paths().comment(id, comment);
                writes.insert(name.clone(), delete(name));
            }
        }
        writes
    }
}
