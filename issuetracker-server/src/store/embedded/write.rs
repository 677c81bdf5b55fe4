//! What is written, each function one transaction.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{read, row, unavailable};
use crate::{
    domain::{Comment, Issue, IssueChange, IssueId, Occurrence, fold},
    store::{Batch, StoreError, Stored, Watermark},
};

pub(super) fn ingest(transaction: &Transaction<'_>, batch: &Batch) -> Result<Vec<Stored>, StoreError> {
    let mut results = vec![Stored::Duplicate; batch.occurrences.len()];
    for (id, indexes) in crate::store::by_issue(&batch.occurrences) {
        let mut fresh: Vec<usize> = Vec::with_capacity(indexes.len());
        let mut in_batch = HashSet::new();
        for index in indexes {
            let event_id = batch.occurrences[index].event_id;
            if in_batch.insert(event_id) && !has_activity(transaction, id, &event_id.to_string())? {
                fresh.push(index);
            }
        }
        if fresh.is_empty() {
            continue;
        }
        let occurrences: Vec<&Occurrence> = fresh.iter().map(|index| &batch.occurrences[*index]).collect();
        let Some(folded) = fold::fold(read::issue(transaction, id)?, &occurrences) else {
            fresh.into_iter().for_each(|index| results[index] = Stored::NoIssue);
            continue;
        };
        save(transaction, &folded)?;
        for (nth, index) in fresh.into_iter().enumerate() {
            results[index] = Stored::of(&folded, nth);
        }
    }
    if let Some(watermark) = &batch.watermark {
        save_watermark(transaction, watermark)?;
    }
    Ok(results)
}

fn save(transaction: &Transaction<'_>, folded: &fold::Folded) -> Result<(), StoreError> {
    let issue = &folded.issue;
    let mut comments = folded.comments.clone();
    for (comment_id, recurrence) in &folded.recurrences {
        let before = read::comment(transaction, &issue.id, comment_id)?;
        comments.push(recurrence.apply(comment_id, before.as_ref()));
    }
    row::save_issue(transaction, issue)?;
    for activity in &folded.activities {
        row::save_activity(transaction, &issue.id, activity)?;
    }
    for comment in &comments {
        row::save_comment(transaction, &issue.id, comment)?;
    }
    Ok(())
}

fn has_activity(transaction: &Transaction<'_>, issue_id: &IssueId, id: &str) -> Result<bool, StoreError> {
    transaction
        .prepare_cached("SELECT 1 FROM activities WHERE issue_id = ? AND id = ?")
        .and_then(|mut statement| statement.exists(params![issue_id.as_str(), id]))
        .map_err(unavailable)
}

fn save_watermark(transaction: &Transaction<'_>, watermark: &Watermark) -> Result<(), StoreError> {
    transaction
        .execute(
            "INSERT OR REPLACE INTO watermarks (topic, partition, next_offset, timestamp_ms) VALUES (?, ?, ?, ?)",
            params![watermark.topic, watermark.partition, watermark.next_offset, watermark.timestamp_ms],
        )
        .map_err(unavailable)?;
    Ok(())
}

pub(super) fn set_note(transaction: &Transaction<'_>, key: &str, value: Option<&str>) -> Result<(), StoreError> {
    match value {
        Some(value) => transaction
            .execute("INSERT OR REPLACE INTO notes (key, value) VALUES (?, ?)", params![key, value])
            .map_err(unavailable)?,
        None => transaction.execute("DELETE FROM notes WHERE key = ?", [key]).map_err(unavailable)?,
    };
    Ok(())
}

pub(super) fn change(
    transaction: &Transaction<'_>,
    id: &IssueId,
    change: &IssueChange,
    user_id: &str,
    now: Timestamp,
    if_version: Option<u64>,
) -> Result<Issue, StoreError> {
    let mut issue = read::issue(transaction, id)?.ok_or(StoreError::NotFound)?;
    if if_version.is_some_and(|version| version != issue.version) {
        return Err(StoreError::Conflict);
    }
    let activities = fold::change(&mut issue, change, user_id, now);
    if !activities.is_empty() {
        row::save_issue(transaction, &issue)?;
    }
    for activity in &activities {
        row::save_activity(transaction, id, activity)?;
    }
    Ok(issue)
}

pub(super) fn add_comment(
    transaction: &Transaction<'_>,
    id: &IssueId,
    comment_id: &str,
    content: &str,
    author_id: &str,
    now: Timestamp,
) -> Result<Comment, StoreError> {
    let mut issue = read::issue(transaction, id)?.ok_or(StoreError::NotFound)?;
    if let Some(comment) = read::comment(transaction, id, comment_id)? {
        return Ok(comment);
    }
    let (comment, activity) = fold::comment(&mut issue, comment_id, content, author_id, now);
    row::save_issue(transaction, &issue)?;
    row::save_comment(transaction, id, &comment)?;
    row::save_activity(transaction, id, &activity)?;
    Ok(comment)
}
