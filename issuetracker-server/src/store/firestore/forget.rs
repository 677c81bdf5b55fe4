//! Forgetting what is not kept. Firestore cannot be asked which issues have many events, so this process remembers to which
//! it has added some; what it does not know of is forgotten when more comes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use firestore::gcloud_sdk::google::firestore::v1::Document;
use jiff::Timestamp;

use super::{FirestoreStore, client::Refused, document, query, write};
use crate::{
    domain::{Issue, IssueId},
    retention::{Forgotten, IDS_KEPT, Retention},
    store::{IssueStore, StoreError},
};

/// Documents that are removed with one commit.
const REMOVED: usize = 300;

/// The most issues that are remembered to have grown.
const MAX_GROWN: usize = 10_000;

/// Issues that this process has added events to, and how many.
#[derive(Default)]
pub(super) struct Grown(Mutex<HashMap<IssueId, usize>>);

impl Grown {
    pub(super) fn add(&self, id: &IssueId, events: usize) {
        let mut grown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if grown.len() < MAX_GROWN || grown.contains_key(id) {
            *grown.entry(id.clone()).or_default() += events;
        }
    }

    /// Those that have grown by so many, and forgets them.
    fn take(&self, events: usize) -> Vec<IssueId> {
        let mut grown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: Vec<IssueId> = grown.iter().filter(|(_, by)| **by >= events).map(|(id, _)| id.clone()).collect();
        ids.iter().for_each(|id| _ = grown.remove(id));
        ids
    }
}

impl FirestoreStore {
    pub(super) async fn forget_old(&self, retention: &Retention, now: Timestamp) -> Result<Forgotten, StoreError> {
        let mut forgotten = Forgotten::default();
        // Half: counting costs reads, so it is not done for each event.
        for id in self.grown.take((retention.events / 2).max(1)) {
            match self.forget_events(&id, retention.events, now).await {
                Ok(events) => forgotten.events += events,
                Err(error) => {
                    self.grown.add(&id, retention.events);
                    return Err(error);
                }
            }
        }
        if let Some(done_for) = retention.done_for {
            forgotten.issues = self.forget_issues(now - done_for).await?;
        }
        Ok(forgotten)
    }

    /// Removes the oldest events of an issue that are more than are kept, and known for long enough.
    async fn forget_events(&self, id: &IssueId, kept: usize, now: Timestamp) -> Result<u64, StoreError> {
        let Some(issue) = self.one(self.paths().issue(id.as_str()), document::issue).await? else { return Ok(0) };
        let (parent, horizon) = (self.paths().issue(id.as_str()), now - IDS_KEPT);
        let (all, newer) = tokio::try_join!(
            self.client.count(&parent, query::occurrences(None)),
            self.client.count(&parent, query::occurrences(Some(horizon))),
        )?;
        let spared = (kept as u64).saturating_sub(newer);
        let mut removed = 0;
        // What is there below the horizon, but for the newest that are still among those to be kept.
        while all > newer + spared + removed {
            let documents = self.client.query(&parent, query::occurrences_before(horizon, spared, REMOVED)).await?;
            let is_head = |document: &Document| document.name == self.head_of(&issue);
            let known_long = |document: &&Document| {
                document.create_time.is_some_and(|created| created.seconds < horizon.as_second())
            };
            let old: Vec<_> = documents.iter().filter(known_long).filter(|document| !is_head(document)).collect();
            if old.is_empty() {
                break;
            }
            removed += old.len() as u64;
            self.put_all(old.iter().map(|document| write::delete(document.name.clone())).collect()).await?;
        }
        Ok(removed)
    }

    fn head_of(&self, issue: &Issue) -> String {
        self.paths().activity(&issue.id, &issue.head_event.to_string())
    }

    /// Removes issues that are done and were last seen and changed before that time, with all that is beneath them.
    async fn forget_issues(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut removed = 0;
        for query in query::done_before(before, REMOVED) {
            for found in self.client.query(self.client.documents_path(), query).await? {
                let issue = document::read(&found, document::issue)?;
                if issue.updated_at >= before {
                    continue;
                }
                // The issue first, and only if nothing has happened to it: what is beneath it is nobody's then.
                self.recent.forget([&found.name]);
                match self.client.commit(vec![write::delete_as_read(&found)]).await {
                    Ok(_) => {
                        self.refresh(std::slice::from_ref(&issue.id)).await?;
                        self.remove_beneath(&issue.id).await?;
                    }
                    Err(Refused::Stale(_)) => continue,
                    Err(Refused::Failed(error)) => return Err(error),
                }
                removed += 1;
            }
        }
        Ok(removed)
    }

    async fn remove_beneath(&self, id: &IssueId) -> Result<(), StoreError> {
        let parent = self.paths().issue(id.as_str());
        for collection in [super::path::ACTIVITIES, super::path::COMMENTS] {
            loop {
                let documents =
                    self.client.query(&parent, query::by_name(collection, None, REMOVED, Some("type"))).await?;
                if documents.is_empty() {
                    break;
                }
                self.put_all(documents.into_iter().map(|document| write::delete(document.name)).collect()).await?;
            }
        }
        let aliases = self.client.query(self.client.documents_path(), query::aliases_of(id.as_str())).await?;
        self.put_all(aliases.into_iter().map(|document| write::delete(document.name)).collect()).await
    }
}
