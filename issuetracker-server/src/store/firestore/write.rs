//! Writes of a commit, and a person's change: read, apply, commit on the condition that nobody was faster.

use std::time::Duration;

use firestore::gcloud_sdk::{
    google::firestore::v1::{
        Document, DocumentMask, Precondition, Write, precondition::ConditionType, write::Operation,
    },
    prost_types::Timestamp as Committed,
};
use jiff::Timestamp;

use super::{FirestoreStore, client::Refused, document, value::Fields};
use crate::{
    domain::{Activity, Issue, IssueChange, IssueId, fold},
    store::StoreError,
};

/// How often a commit is built anew before its caller is told.
pub(super) const ATTEMPTS: u32 = 6;

impl FirestoreStore {
    pub(super) async fn change_issue(
        &self,
        id: &IssueId,
        change: &IssueChange,
        user_id: &str,
        now: Timestamp,
        if_version: Option<u64>,
    ) -> Result<Issue, StoreError> {
        for attempt in 0..ATTEMPTS {
            pause(attempt).await;
            let id = &self.resolved(id).await?;
            let name = self.paths().issue(id.as_str());
            let found = self.client.get(vec![name.clone()], None).await?;
            let before = found.get(&name).ok_or(StoreError::NotFound)?;
            let mut issue = document::read(before, document::issue)?;
            if if_version.is_some_and(|version| version != issue.version) {
                return Err(StoreError::Conflict);
            }
            let activities = fold::change(&mut issue, change, user_id, now);
            if activities.is_empty() {
                return Ok(issue);
            }
            let mut writes = vec![update(before, document::issue_fields(&issue))];
            writes.extend(activities.iter().map(|activity| self.put_activity(id, activity)));
            if self.commit_change(&issue, writes).await? {
                return Ok(issue);
            }
        }
        Err(StoreError::Conflict)
    }

    /// Commits a change of one issue, which is the first of the writes. False if somebody was faster: read again, and try
    /// once more.
    pub(super) async fn commit_change(&self, issue: &Issue, writes: Vec<Write>) -> Result<bool, StoreError> {
        let name = self.paths().issue(issue.id.as_str());
        // Before the answer is known: this future may be dropped while it waits.
        self.recent.forget([&name]);
        match self.client.commit(writes).await {
            Ok(times) => {
                let at = times.first().copied().flatten();
                self.projection.take_committed(at.map(|at| (issue.clone(), at)), None).await;
                Ok(true)
            }
            Err(Refused::Stale(_)) => Ok(false),
            Err(Refused::Failed(error)) => {
                // It may have been done all the same.
                self.projection.doubt([name]);
                Err(error)
            }
        }
    }

    pub(super) fn put_activity(&self, id: &IssueId, activity: &Activity) -> Write {
        put(self.paths().activity(id, &activity.id), document::activity_fields(activity))
    }
}

/// Waits before a third attempt and later ones, each time longer; concurrent callers fall out of step by the clock's last
/// digits.
pub(super) async fn pause(attempt: u32) {
    if attempt > 1 {
        tokio::time::sleep(jittered(Duration::from_millis(5 << attempt))).await;
    }
}

/// `pause` and up to as much again, so that those who wait do not return in step.
pub(super) fn jittered(pause: Duration) -> Duration {
    let nanos = u64::from(Timestamp::now().subsec_nanosecond().unsigned_abs());
    let most = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX).max(1);
    // The clock's last digits, spread: a pause may be longer than they tell.
    pause + Duration::from_nanos(nanos.wrapping_mul(0x9E37_79B9_7F4A_7C15) % most)
}

/// A document that was read, or looked for in vain.
pub(super) fn save(name: String, before: Option<&Document>, fields: Fields) -> Write {
    match before {
        Some(before) => update(before, fields),
        None => create(name, fields),
    }
}

/// A document that must not be there yet.
pub(super) fn create(name: String, fields: Fields) -> Write {
    Write { current_document: Some(precondition(ConditionType::Exists(false))), ..put(name, fields) }
}

/// Nothing, on the condition that there is no document of this name.
pub(super) fn absent(name: String) -> Write {
    Write { current_document: Some(precondition(ConditionType::Exists(false))), ..delete(name) }
}

/// A known document's fields that are others now, on the condition that it is as it was read. What a later version of
/// this server added to it stays.
pub(super) fn update(before: &Document, mut fields: Fields) -> Write {
    fields.retain(|field, value| before.fields.get(field) != Some(value));
    let mask = DocumentMask { field_paths: fields.keys().cloned().collect() };
    // Firestore always tells the time; if it ever did not, this fails rather than overwrites.
    let as_read = ConditionType::UpdateTime(before.update_time.unwrap_or_default());
    Write { update_mask: Some(mask), current_document: Some(precondition(as_read)), ..put(before.name.clone(), fields) }
}

/// A document whole, whatever is there.
///
/// All that is beneath an issue may be written so: it is only ever written together with its issue, whose own
/// precondition fails if anybody else was there.
pub(super) fn put(name: String, fields: Fields) -> Write {
    let document = Document { name, fields, ..Document::default() };
    Write { operation: Some(Operation::Update(document)), ..Write::default() }
}

/// The write, on the condition that there is no document yet.
pub(super) fn if_absent(write: Write) -> Write {
    Write { current_document: Some(precondition(ConditionType::Exists(false))), ..write }
}

/// The write, on the condition that the document was changed last at this moment.
pub(super) fn if_as_of(write: Write, at: Committed) -> Write {
    Write { current_document: Some(precondition(ConditionType::UpdateTime(at))), ..write }
}

/// Deletes what may be there.
pub(super) fn delete(name: String) -> Write {
    Write { operation: Some(Operation::Delete(name)), ..Write::default() }
}

/// Deletes a document on the condition that it is as it was read.
pub(super) fn delete_as_read(before: &Document) -> Write {
    let as_read = ConditionType::UpdateTime(before.update_time.unwrap_or_default());
    Write { current_document: Some(precondition(as_read)), ..delete(before.name.clone()) }
}

fn precondition(condition: ConditionType) -> Precondition {
    Precondition { condition_type: Some(condition) }
}
