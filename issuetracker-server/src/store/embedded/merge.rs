//! Merging and splitting, each one transaction: everything beneath the one issue goes beneath the other, and back.

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, params};

use super::{read, row, unavailable, write};
use crate::{
    domain::{
        Issue, IssueId,
        merge::{self, Beside, Split},
        part::PART,
    },
    store::StoreError,
};

pub(super) fn merge(
    transaction: &Transaction<'_>,
    from: &IssueId,
    into: &IssueId,
    user_id: &str,
    now: Timestamp,
) -> Result<Issue, StoreError> {
    let mut issue = read::issue(transaction, &read::resolved(transaction, into)?)?.ok_or(StoreError::NotFound)?;
    let gone = read::issue(transaction, &read::resolved(transaction, from)?)?.ok_or(StoreError::NotFound)?;
    if gone.id == issue.id {
        return Ok(issue);
    }
    let (beside_into, beside_from) = (beside(transaction, &issue.id)?, beside(transaction, &gone.id)?);
    let activity = merge::merge(&mut issue, &beside_into, &gone, &beside_from, user_id, now);
    row::save_issue(transaction, &issue)?;
    row::save_activity(transaction, &issue.id, &activity)?;
    for comment in &beside_from.comments {
        let comment = match read::comment(transaction, &issue.id, &comment.id)? {
            Some(known) => merge::merge_comments(known, comment),
            None => comment.clone(),
        };
        row::save_comment(transaction, &issue.id, &comment)?;
    }
    let (gone, id) = (gone.id.as_str(), issue.id.as_str());
    let mark = format!(
        "UPDATE activities SET details = json_set(details, '$.{PART}', ?1) \
         WHERE issue_id = ?1 AND ?2 <> '' AND json_extract(details, '$.{PART}') IS NULL"
    );
    // Ids of events are of one issue alone; what both have is when they came to be and back, and the earlier stands.
    for sql in [
        mark.as_str(),
        "UPDATE OR IGNORE activities SET issue_id = ?2 WHERE issue_id = ?1",
        "DELETE FROM activities WHERE issue_id = ?1 AND ?2 <> ''",
        "DELETE FROM comments WHERE issue_id = ?1 AND ?2 <> ''",
        "UPDATE aliases SET issue_id = ?2 WHERE issue_id = ?1",
        "INSERT INTO aliases (id, issue_id) VALUES (?1, ?2)",
        "DELETE FROM issues WHERE id = ?1 AND ?2 <> ''",
    ] {
        transaction.execute(sql, params![gone, id]).map_err(unavailable)?;
    }
    Ok(issue)
}

pub(super) fn split(
    transaction: &Transaction<'_>,
    id: &IssueId,
    parts: &[IssueId],
    user_id: &str,
    now: Timestamp,
) -> Result<(Issue, Vec<Issue>), StoreError> {
    let mut issue = read::issue(transaction, &read::resolved(transaction, id)?)?.ok_or(StoreError::NotFound)?;
    let mut issues = Vec::new();
    for part in parts {
        let comments = read::all_comments(transaction, &issue.id)?;
        let split = merge::split(&mut issue, &comments, part, user_id, now).ok_or(StoreError::NotFound)?;
        separate(transaction, &issue, &split)?;
        issues.push(split.issue);
    }
    Ok((issue, issues))
}

/// Writes what a split has decided.
fn separate(transaction: &Transaction<'_>, issue: &Issue, split: &Split) -> Result<(), StoreError> {
    let own = &split.issue.id;
    transaction.execute("DELETE FROM aliases WHERE id = ?", [own.as_str()]).map_err(unavailable)?;
    row::save_issue(transaction, issue)?;
    row::save_issue(transaction, &split.issue)?;
    split.aliases.iter().try_for_each(|alias| write::save_alias(transaction, alias, own))?;
    for entries_of in &split.entries_of {
        // What belongs to a part of the part goes on saying so.
        let details =
            if entries_of == own { format!("json_remove(details, '$.{PART}')") } else { "details".to_owned() };
        let sql = format!(
            "UPDATE OR REPLACE activities SET issue_id = ?2, details = {details} \
             WHERE issue_id = ?1 AND json_extract(details, '$.{PART}') = ?3"
        );
        transaction
            .execute(&sql, params![issue.id.as_str(), own.as_str(), entries_of.as_str()])
            .map_err(unavailable)?;
    }
    for comment in &split.gone {
        transaction
            .execute("DELETE FROM comments WHERE issue_id = ? AND id = ?", params![issue.id.as_str(), comment])
            .map_err(unavailable)?;
    }
    split.left.iter().try_for_each(|comment| row::save_comment(transaction, &issue.id, comment))?;
    split.comments.iter().try_for_each(|comment| row::save_comment(transaction, own, comment))?;
    split.activities.iter().try_for_each(|activity| row::save_activity(transaction, own, activity))?;
    row::save_activity(transaction, &issue.id, &split.told)
}

fn beside(connection: &Connection, id: &IssueId) -> Result<Beside, StoreError> {
    let aliases = connection
        .prepare_cached("SELECT id FROM aliases WHERE issue_id = ? ORDER BY id")
        .and_then(|mut found| found.query_map([id.as_str()], |row| row::word(row, "id"))?.collect())
        .map_err(|error| read::classify(id.as_str(), error))?;
    Ok(Beside { aliases, comments: read::all_comments(connection, id)? })
}
