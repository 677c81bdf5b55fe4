//! One decision about many issues: each is changed by itself, and what became of it is told of each.

use jiff::Timestamp;

use super::{Triage, TriageError, check_change};
use crate::{
    auth::Principal,
    domain::{Issue, IssueChange, IssueId, to_micros},
    notify::Change,
    store::StoreError,
};

/// The most issues that are changed at once.
pub const MAX_AT_ONCE: usize = 100;

/// How often an issue is read again because somebody else changed it at the same moment.
const TRIES: usize = 3;

/// A change of one issue among many.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which.
    pub id: IssueId,
    /// What.
    pub change: IssueChange,
    /// Only if this is its version still.
    pub if_version: Option<u64>,
}

/// An issue that was changed.
#[derive(Debug, Clone)]
pub struct Changed {
    /// As it was right before, so that it can be undone.
    pub before: Issue,
    /// As it is.
    pub after: Issue,
}

impl Triage {
    /// Changes issues for a person, in their order; one that cannot be changed holds up no other. A request that breaks off
    /// has changed those before; again, it changes the rest.
    ///
    /// # Errors
    /// If a text cannot be used; then nothing was done.
    pub async fn change_many(
        &self,
        all: &[Wanted],
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Vec<Result<Changed, StoreError>>, TriageError> {
        all.iter().try_for_each(|wanted| check_change(&wanted.change))?;
        let (mut results, mut ids) = (Vec::with_capacity(all.len()), Vec::new());
        for wanted in all {
            let result = self.change_one_of_many(wanted, principal, to_micros(now)).await;
            ids.extend(result.iter().map(|changed| changed.after.id.clone()));
            results.push(result);
        }
        if !ids.is_empty() {
            self.notifier.publish(Change::of_some(ids));
        }
        Ok(results)
    }

    async fn change_one_of_many(
        &self,
        Wanted { id, change, if_version }: &Wanted,
        principal: &Principal,
        now: Timestamp,
    ) -> Result<Changed, StoreError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let before = self.issue(id).await?;
            let version = if_version.unwrap_or(before.version);
            match self.store.change(id, change, &principal.user_id, now, Some(version)).await {
                Err(StoreError::Conflict) if if_version.is_none() && tries < TRIES => (),
                result => return result.map(|after| Changed { before, after }),
            }
        }
    }
}
