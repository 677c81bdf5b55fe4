//! Forgetting what is not kept: in small transactions, so that nothing else has to wait long.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::{EmbeddedStore, row, unavailable};
use crate::{
    domain::{IssueId, part::PART},
    retention::{Forgotten, IDS_KEPT, Retention, SERVICE_HOURS_KEPT},
    store::StoreError,
};

/// Rows that one transaction touches.
const ROWS: usize = 2_000;

/// What is thinned is shorter than this, what is not is longer.
const MAX_THIN: i64 = 100;

/// Issues that are looked up at once.
const ISSUES: usize = 500;

impl EmbeddedStore {
    pub(super) async fn forget_old(&self, retention: &Retention, now: Timestamp) -> Result<Forgotten, StoreError> {
        let mut forgotten = Forgotten::default();
        let seconds_ago = |duration: std::time::Duration| now.as_second().saturating_sub_unsigned(duration.as_secs());
        let (events, horizon) = (retention.events, seconds_ago(IDS_KEPT));
        let mut after = String::new();
        loop {
            let ids = self.read(move |connection| crowded(connection, &after, events)).await?;
            let Some(last) = ids.last() else { break };
            after = last.to_string();
            for id in ids {
                loop {
                    let id = id.clone();
                    let (details, rows) =
                        self.write(move |transaction| thin(transaction, &id, events, horizon)).await?;
                    (forgotten.details, forgotten.events) = (forgotten.details + details, forgotten.events + rows);
                    if details + rows == 0 {
                        break;
                    }
                }
            }
        }
        if let Some(done_for) = retention.done_for {
            let before = seconds_ago(done_for).saturating_mul(1_000_000);
            loop {
                let id = self.read(move |connection| done_before(connection, before)).await?;
                let Some(id) = id else { break };
                forgotten.issues += self.write(move |transaction| remove(transaction, &id, before)).await?;
            }
        }
        let hour = seconds_ago(SERVICE_HOURS_KEPT).div_euclid(3_600);
        self.write(move |transaction| {
            transaction.execute("DELETE FROM service_hours WHERE hour < ?", [hour]).map_err(unavailable)
        })
        .await?;
        Ok(forgotten)
    }
}

/// Issues with more events than are kept with their details, by id.
fn crowded(connection: &Connection, after: &str, events: usize) -> Result<Vec<IssueId>, StoreError> {
    let sql = "SELECT issue_id FROM activities WHERE type = 'occurrence' AND issue_id > ? \
               GROUP BY issue_id HAVING count(*) > ? ORDER BY issue_id LIMIT ?";
    connection
        .prepare_cached(sql)
        .and_then(|mut found| {
            found.query_map(params![after, events, ISSUES], |row| row::word(row, "issue_id"))?.collect()
        })
        .map_err(unavailable)
}

/// Takes the details of some events beyond the newest, and forgets some that are known for long enough. Answers how many.
fn thin(transaction: &Transaction<'_>, id: &IssueId, events: usize, horizon: i64) -> Result<(u64, u64), StoreError> {
    let oldest_kept: Option<(i64, String)> = transaction
        .prepare_cached(
            "SELECT timestamp, id FROM activities WHERE issue_id = ? AND type = 'occurrence' \
             ORDER BY timestamp DESC, id DESC LIMIT 1 OFFSET ?",
        )
        .and_then(|mut found| {
            let place = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            found.query_row(params![id.as_str(), events.saturating_sub(1)], place).optional()
        })
        .map_err(unavailable)?;
    let Some((timestamp, activity)) = oldest_kept else { return Ok((0, 0)) };
    let old = "issue_id = ?1 AND type = 'occurrence' AND (timestamp, id) < (?2, ?3) \
               AND id <> (SELECT head_event FROM issues WHERE issues.id = ?1)";
    let change = |sql: String, more: i64| {
        transaction
            .prepare_cached(&sql)
            .and_then(|mut statement| statement.execute(params![id.as_str(), timestamp, activity, more, ROWS]))
            .map_err(unavailable)
    };
    let removed = change(
        format!(
            "DELETE FROM activities WHERE rowid IN (SELECT rowid FROM activities WHERE {old} AND stored_at < ?4 LIMIT ?5)"
        ),
        horizon,
    )?;
    // What is left of an event: its time, how many errors it stands for, and of which part of a merged issue it is.
    let thinned = change(
        format!(
            "UPDATE activities SET trace_id = NULL, details = json_patch('{{}}', json_object('occurrences', \
             json_extract(details, '$.occurrences'), '{PART}', json_extract(details, '$.{PART}'))) \
             WHERE rowid IN (SELECT rowid FROM activities WHERE {old} AND length(details) > ?4 LIMIT ?5)"
        ),
        MAX_THIN,
    )?;
    Ok((thinned as u64, removed as u64))
}

/// An issue that is done and old.
fn done_before(connection: &Connection, micros: i64) -> Result<Option<IssueId>, StoreError> {
    let sql =
        "SELECT id FROM issues WHERE status IN ('resolved', 'closed') AND last_seen < ?1 AND updated_at < ?1 LIMIT 1";
    connection
        .prepare_cached(sql)
        .and_then(|mut found| found.query_row([micros], |row| row::word(row, "id")).optional())
        .map_err(unavailable)
}

/// Removes an issue with all that is beneath it, unless something has happened to it meanwhile.
fn remove(transaction: &Transaction<'_>, id: &IssueId, micros: i64) -> Result<u64, StoreError> {
    let sql = "SELECT 1 FROM issues WHERE id = ?1 AND status IN ('resolved', 'closed') AND last_seen < ?2 AND updated_at < ?2";
    let is_old = transaction
        .prepare_cached(sql)
        .and_then(|mut statement| statement.exists(params![id.as_str(), micros]))
        .map_err(unavailable)?;
    if !is_old {
        return Ok(0);
    }
    for sql in [
        "DELETE FROM activities WHERE issue_id = ?",
        "DELETE FROM comments WHERE issue_id = ?",
        "DELETE FROM aliases WHERE issue_id = ?",
        "DELETE FROM issues WHERE id = ?",
    ] {
        transaction.execute(sql, [id.as_str()]).map_err(unavailable)?;
    }
    Ok(1)
}
