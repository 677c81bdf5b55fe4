//! What is written, each function one transaction.

use std::collections::HashSet;

use jiff::Timestamp;
use rusqlite::{Transaction, params};

use super::{numbers, read, row, unavailable};
use crate::{
    domain::{Issue, IssueChange, IssueId, Occurrence, ServiceHour, fold},
    store::{
        StoreError, Stored, Watermark,
        resolve::{Resolver, by_issue},
    },
};

pub(super) fn ingest(
    transaction: &Transaction<'_>,
    occurrences: &[Occurrence],
    watermarks: &[Watermark],
) -> Result<Vec<Stored>, StoreError> {
    let destinations = Resolver::new(|id: &IssueId| read::found(transaction, id)).resolve_all(occurrences)?;
    let mut results = vec![Stored::Duplicate; occurrences.len()];
    let (mut counted, mut created) = (Vec::with_capacity(occurrences.len()), Vec::new());
    for (id, indexes) in by_issue(&destinations) {
        let mut fresh: Vec<usize> = Vec::with_capacity(indexes.len());
        let mut in_batch = HashSet::new();
        for index in indexes {
            let event_id = occurrences[index].event_id;
            if in_batch.insert(event_id) && !has_activity(transaction, id, &event_id.to_string())? {
                fresh.push(index);
            }
        }
        if fresh.is_empty() {
            continue;
        }
        let of_issue: Vec<&Occurrence> = fresh.iter().map(|index| &occurrences[*index]).collect();
        let before = read::issue(transaction, id)?;
        let Some(mut folded) = fold::fold(before.clone(), &of_issue) else {
            fresh.into_iter().for_each(|index| results[index] = Stored::NoIssue);
            continue;
        };
        let aliases: Vec<&IssueId> = fresh.iter().flat_map(|index| &destinations[*index].new_aliases).collect();
        folded.note_aliases(aliases.iter().copied());
        if folded.is_created {
            folded.issue.short_id = numbers::next(transaction, &of_issue)?;
        }
        save(transaction, before.as_ref(), &folded)?;
        let short_id = folded.issue.short_id.iter().filter(|_| folded.is_created);
        aliases.into_iter().chain(short_id).try_for_each(|alias| save_alias(transaction, alias, id))?;
        for (nth, index) in fresh.into_iter().enumerate() {
            results[index] = Stored::of(&folded, nth);
        }
        counted.extend(of_issue);
        created.extend(folded.is_created.then_some(folded.issue));
    }
    save_service_hours(transaction, &fold::service_hours(counted, &created))?;
    watermarks.iter().try_for_each(|watermark| save_watermark(transaction, watermark))?;
    Ok(results)
}

fn save(transaction: &Transaction<'_>, before: Option<&Issue>, folded: &fold::Folded) -> Result<(), StoreError> {
    let issue = &folded.issue;
    match before {
        Some(before) => row::save_counted(transaction, before, issue)?,
        None => row::save_issue(transaction, issue)?,
    }
    for activity in &folded.activities {
        row::save_activity(transaction, &issue.id, activity)?;
    }
    for comment in &folded.comments {
        row::save_comment(transaction, &issue.id, comment)?;
    }
    for (comment_id, recurrence) in &folded.recurrences {
        let before = read::comment(transaction, &issue.id, comment_id)?;
        row::save_comment(transaction, &issue.id, &recurrence.apply(comment_id, before.as_ref()))?;
    }
    Ok(())
}

pub(super) fn save_alias(transaction: &Transaction<'_>, alias: &IssueId, issue_id: &IssueId) -> Result<(), StoreError> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO aliases (id, issue_id) VALUES (?, ?)")
        .and_then(|mut statement| statement.execute(params![alias.as_str(), issue_id.as_str()]))
        .map_err(unavailable)?;
    Ok(())
}

fn save_service_hours(transaction: &Transaction<'_>, hours: &[ServiceHour]) -> Result<(), StoreError> {
    let sql = "INSERT INTO service_hours (hour, service, occurrences, created) VALUES (?, ?, ?, ?) \
               ON CONFLICT (hour, service) DO UPDATE SET occurrences = occurrences + excluded.occurrences, \
               created = created + excluded.created";
    let mut statement = transaction.prepare_cached(sql).map_err(unavailable)?;
    for ServiceHour { service, hour, occurrences, created } in hours {
        statement.execute(params![hour, service, occurrences, created]).map_err(unavailable)?;
    }
    Ok(())
}

fn has_activity(transaction: &Transaction<'_>, issue_id: &IssueId, id: &str) -> Result<bool, StoreError> {
    transaction
        .prepare_cached("SELECT 1 FROM activities WHERE issue_id = ? AND id = ?")
        .and_then(|mut statement| statement.exists(params![issue_id.as_str(), id]))
        .map_err(unavailable)
}

pub(super) fn save_watermark(transaction: &Transaction<'_>, watermark: &Watermark) -> Result<(), StoreError> {
    let stored = read::watermark(transaction, &watermark.topic, watermark.partition)?;
    let Some(Watermark { topic, partition, next_offset, timestamp_ms }) = watermark.moved_from(stored.as_ref()) else {
        return Ok(());
    };
    transaction
        .execute(
            "INSERT OR REPLACE INTO watermarks (topic, partition, next_offset, timestamp_ms) VALUES (?, ?, ?, ?)",
            params![topic, partition, next_offset, timestamp_ms],
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
    let id = &read::resolved(transaction, id)?;
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
