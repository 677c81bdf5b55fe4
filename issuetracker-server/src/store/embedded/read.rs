//! What is read of one issue, and of what is beside issues; lists are in `list`.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    row::{self, ISSUE_COLUMNS},
    unavailable,
};
use crate::{
    domain::{Activity, ActivityKind, Comment, Issue, IssueId, ServiceHour},
    store::{
        Cursor, MAX_NOTES, Page, StoreError, Watermark,
        resolve::{Alias, Found},
    },
};

pub(super) fn issue(connection: &Connection, id: &IssueId) -> Result<Option<Issue>, StoreError> {
    let sql = format!("SELECT {ISSUE_COLUMNS} FROM issues WHERE id = ?");
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    statement.query_row([id.as_str()], row::issue).optional().map_err(|error| classify(id.as_str(), error))
}

/// The issue that an id stands for; the id itself unless it is an alias.
pub(super) fn resolved(connection: &Connection, id: &IssueId) -> Result<IssueId, StoreError> {
    Ok(alias(connection, id)?.unwrap_or_else(|| id.clone()))
}

pub(super) fn found(connection: &Connection, id: &IssueId) -> Result<Option<Found>, StoreError> {
    let is_there = connection
        .prepare_cached("SELECT 1 FROM issues WHERE id = ?")
        .and_then(|mut statement| statement.exists([id.as_str()]))
        .map_err(unavailable)?;
    if is_there {
        return Ok(Some(Found::Issue));
    }
    // What was merged has moved whole: nothing is left elsewhere.
    let alias = alias(connection, id)?.map(|issue_id| Alias { issue_id, via: Vec::new() });
    Ok(alias.map(Found::Alias))
}

fn alias(connection: &Connection, id: &IssueId) -> Result<Option<IssueId>, StoreError> {
    connection
        .prepare_cached("SELECT issue_id FROM aliases WHERE id = ?")
        .and_then(|mut statement| statement.query_row([id.as_str()], |row| row::word(row, "issue_id")).optional())
        .map_err(|error| classify(id.as_str(), error))
}

pub(super) fn comment(connection: &Connection, issue_id: &IssueId, id: &str) -> Result<Option<Comment>, StoreError> {
    connection
        .prepare_cached("SELECT * FROM comments WHERE issue_id = ? AND id = ?")
        .and_then(|mut statement| statement.query_row(params![issue_id.as_str(), id], row::comment).optional())
        .map_err(|error| classify(issue_id.as_str(), error))
}

/// The comments on an issue, oldest first.
pub(super) fn all_comments(connection: &Connection, issue_id: &IssueId) -> Result<Vec<Comment>, StoreError> {
    Ok(comments(connection, issue_id, None, usize::MAX)?.items)
}

pub(super) fn comments(
    connection: &Connection,
    id: &IssueId,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Comment>, StoreError> {
    let (key, last) = after.map_or((i64::MIN, ""), |cursor| (cursor.key, cursor.id.as_str()));
    let sql = "SELECT * FROM comments WHERE issue_id = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?";
    let items = connection
        .prepare_cached(sql)
        .and_then(|mut statement| {
            let rows = statement.query_map(params![id.as_str(), key, last, rows(limit)], row::comment)?;
            rows.collect::<Result<Vec<_>, _>>()
        })
        .map_err(|error| classify(id.as_str(), error))?;
    Ok(page(items, limit, |comment| Cursor { key: comment.created_at.as_microsecond(), id: comment.id.clone() }))
}

pub(super) fn activities(
    connection: &Connection,
    id: &IssueId,
    kind: Option<ActivityKind>,
    after: Option<&Cursor>,
    limit: usize,
) -> Result<Page<Activity>, StoreError> {
    let kinds = match kind {
        Some(kind) => format!("type = '{}'", kind.as_str()),
        None => format!("type <> '{}'", ActivityKind::Occurrence.as_str()),
    };
    let (key, last) = after.map_or((i64::MAX, ""), |cursor| (cursor.key, cursor.id.as_str()));
    let sql = format!(
        "SELECT * FROM activities WHERE issue_id = ?1 AND {kinds} AND (timestamp < ?2 OR (timestamp = ?2 AND id < ?3)) \
         ORDER BY timestamp DESC, id DESC LIMIT ?4"
    );
    let items = connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            let rows = statement.query_map(params![id.as_str(), key, last, rows(limit)], row::activity)?;
            rows.collect::<Result<Vec<_>, _>>()
        })
        .map_err(|error| classify(id.as_str(), error))?;
    Ok(page(items, limit, |activity| Cursor { key: activity.timestamp.as_microsecond(), id: activity.id.clone() }))
}

pub(super) fn watermark(connection: &Connection, topic: &str, partition: i32) -> Result<Option<Watermark>, StoreError> {
    connection
        .prepare_cached("SELECT next_offset, timestamp_ms FROM watermarks WHERE topic = ? AND partition = ?")
        .and_then(|mut statement| {
            statement
                .query_row(params![topic, partition], |row| {
                    Ok(Watermark {
                        topic: topic.to_owned(),
                        partition,
                        next_offset: row.get(0)?,
                        timestamp_ms: row.get(1)?,
                    })
                })
                .optional()
        })
        .map_err(unavailable)
}

pub(super) fn service_hours(connection: &Connection, hours: &Range<i64>) -> Result<Vec<ServiceHour>, StoreError> {
    let sql = "SELECT service, hour, occurrences, created FROM service_hours WHERE hour >= ? AND hour < ? \
               ORDER BY hour, service";
    let hour = |row: &rusqlite::Row<'_>| {
        Ok(ServiceHour { service: row.get(0)?, hour: row.get(1)?, occurrences: row.get(2)?, created: row.get(3)? })
    };
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_map([hours.start, hours.end], hour)?.collect())
        .map_err(unavailable)
}

pub(super) fn note(connection: &Connection, key: &str) -> Result<Option<String>, StoreError> {
    connection
        .prepare_cached("SELECT value FROM notes WHERE key = ?")
        .and_then(|mut statement| statement.query_row([key], |row| row.get(0)).optional())
        .map_err(unavailable)
}

pub(super) fn notes(connection: &Connection, prefix: &str) -> Result<Vec<(String, String)>, StoreError> {
    connection
        .prepare_cached("SELECT key, value FROM notes WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key LIMIT ?2")
        .and_then(|mut statement| {
            statement.query_map(params![prefix, MAX_NOTES], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .map_err(unavailable)
}

/// Cuts the one item that was read beyond the limit: it only tells that there is more.
pub(super) fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = if has_more { items.last().map(cursor) } else { None };
    Page { items, next }
}

/// How many rows are read for so many items: one more, as far as numbers go.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

/// A row that does not convert is corrupt; everything else is an outage.
pub(super) fn classify(id: &str, error: rusqlite::Error) -> StoreError {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..) => {
            StoreError::Corrupt { id: id.to_owned(), source: Box::new(error) }
        }
        error => unavailable(error),
    }
}
