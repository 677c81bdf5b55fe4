//! Everything in the file, in parts, and back: what `export` and `import` need beyond what servers do.

use rusqlite::{Connection, Transaction, params};

use super::{numbers, read, row, unavailable, write};
use crate::{
    domain::{IssueId, ServiceHour},
    store::{AliasEntry, Item, StoreError, Watermark},
};

pub(super) fn issue_ids(
    connection: &Connection,
    after: Option<&IssueId>,
    limit: usize,
) -> Result<Vec<IssueId>, StoreError> {
    let after = after.map_or("", IssueId::as_str);
    connection
        .prepare_cached("SELECT id FROM issues WHERE id > ? ORDER BY id LIMIT ?")
        .and_then(|mut found| found.query_map(params![after, limit], |row| row::word(row, "id"))?.collect())
        .map_err(|error| read::classify("in the list of ids", error))
}

pub(super) fn aliases(
    connection: &Connection,
    after: Option<&IssueId>,
    limit: usize,
) -> Result<Vec<AliasEntry>, StoreError> {
    let after = after.map_or("", IssueId::as_str);
    let alias = |row: &rusqlite::Row<'_>| Ok((row::word(row, "id")?, row::word(row, "issue_id")?, Vec::new()));
    connection
        .prepare_cached("SELECT id, issue_id FROM aliases WHERE id > ? ORDER BY id LIMIT ?")
        .and_then(|mut found| found.query_map(params![after, limit], alias)?.collect())
        .map_err(|error| read::classify("in the list of aliases", error))
}

pub(super) fn watermarks(connection: &Connection) -> Result<Vec<Watermark>, StoreError> {
    let watermark = |row: &rusqlite::Row<'_>| {
        let (topic, partition) = (row.get(0)?, row.get(1)?);
        Ok(Watermark { topic, partition, next_offset: row.get(2)?, timestamp_ms: row.get(3)? })
    };
    let sql = "SELECT topic, partition, next_offset, timestamp_ms FROM watermarks ORDER BY topic, partition";
    connection.prepare_cached(sql).and_then(|mut found| found.query_map([], watermark)?.collect()).map_err(unavailable)
}

pub(super) fn put(transaction: &Transaction<'_>, items: &[Item]) -> Result<(), StoreError> {
    for item in items {
        match item {
            Item::Issue(issue) => {
                row::save_issue(transaction, issue)?;
                issue.short_id.iter().try_for_each(|id| numbers::skip_to(transaction, id))?;
            }
            Item::Comment(issue_id, comment) => row::save_comment(transaction, issue_id, comment)?,
            Item::Activity(issue_id, activity) => row::save_activity(transaction, issue_id, activity)?,
            Item::Alias { id, issue_id, .. } => write::save_alias(transaction, id, issue_id)?,
            Item::ServiceHour(hour) => put_service_hour(transaction, hour)?,
            Item::Watermark(watermark) => write::save_watermark(transaction, watermark)?,
            Item::Note(key, value) => write::set_note(transaction, key, Some(value))?,
        }
    }
    Ok(())
}

fn put_service_hour(transaction: &Transaction<'_>, hour: &ServiceHour) -> Result<(), StoreError> {
    let ServiceHour { service, hour, occurrences, created } = hour;
    let sql = "INSERT OR REPLACE INTO service_hours (hour, service, occurrences, created) VALUES (?, ?, ?, ?)";
    transaction.execute(sql, params![hour, service, occurrences, created]).map_err(unavailable)?;
    Ok(())
}
