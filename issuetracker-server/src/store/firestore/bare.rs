//! The writes of a store without the store: batches planned before the clock starts, then committed one request each,
//! with nothing read and nothing folded. Not used by the server: it is what `cargo xtask bench-server firestore` measures
//! the store against.

use std::collections::{HashMap, HashSet};

use firestore::gcloud_sdk::google::firestore::v1::{Document, Write, precondition::ConditionType, write::Operation};

use super::{
    FirestoreStore,
    client::Refused,
    ingest::{Loaded, MAX_OCCURRENCES},
    numbers::Numbers,
    unavailable,
    write::{ATTEMPTS, pause},
};
use crate::{
    domain::{Occurrence, short_id},
    store::{Batch, StoreError, resolve::Destination},
};

/// Plans against what it has planned before, in memory.
#[derive(Default)]
pub struct Bare {
    documents: HashMap<String, Document>,
    numbers: Numbers,
}

/// The writes of one request.
pub struct BareCommit(Vec<Write>);

impl Bare {
    /// The commits that `store` would make of batches that hold no event twice.
    ///
    /// # Errors
    /// If a document cannot be read back.
    pub fn plan(&mut self, store: &FirestoreStore, batches: &[Batch]) -> Result<Vec<BareCommit>, StoreError> {
        let mut commits = Vec::new();
        for batch in batches {
            for part in batch.occurrences.chunks(MAX_OCCURRENCES) {
                let own = |occurrence: &Occurrence| Destination {
                    issue_id: occurrence.issue_id.clone(),
                    via: Vec::new(),
                    new_aliases: Vec::new(),
                };
                let loaded = Loaded {
                    destinations: part.iter().map(own).collect(),
                    documents: std::mem::take(&mut self.documents),
                    activities: HashSet::new(),
                };
                part.iter().for_each(|occurrence| self.numbers.endless(short_id::prefix(&occurrence.service)));
                let mut plan = store.plan(part, batch.watermark.as_ref(), &loaded, &mut self.numbers)?;
                // As it was read: nothing was.
                let is_as_read = |write: &&mut Write| {
                    let condition = write.current_document.and_then(|one| one.condition_type);
                    matches!(condition, Some(ConditionType::UpdateTime(_)))
                };
                plan.writes.iter_mut().filter(is_as_read).for_each(|write| write.current_document = None);
                // Nor is it asked whether a new id is known otherwise.
                plan.writes.retain(|write| !matches!(write.operation, Some(Operation::Delete(_))));
                self.documents = loaded.documents;
                self.documents.extend(plan.saved.into_iter().map(|(_, document)| (document.name.clone(), document)));
                commits.push(BareCommit(plan.writes));
            }
        }
        Ok(commits)
    }
}

impl FirestoreStore {
    /// Commits what was planned, in one request; again if others were in the way.
    ///
    /// # Errors
    /// Whatever Firestore says.
    pub async fn commit_bare(&self, commit: BareCommit) -> Result<(), StoreError> {
        let mut refusal = None;
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            match self.client.commit(commit.0.clone()).await {
                Ok(_) => return Ok(()),
                // Several commits that add to one document at the same moment get in each other's way.
                Err(Refused::Stale(status)) => refusal = Some(status),
                Err(Refused::Failed(error)) => return Err(error),
            }
        }
        let refusal = refusal.map(|status| status.to_string()).unwrap_or_default();
        Err(unavailable(format!("refused again and again: {refusal}")))
    }
}
