//! What is read.

use std::ops::Range;

use rusqlite::{Connection, OptionalExtension, params, params_from_iter, types::Value};

use super::{
    row::{self, ISSUE_COLUMNS},
    unavailable,
};
use crate::{
    domain::{Activity, ActivityKind, Comment, Issue, IssueId, IssueType, Priority, ServiceHour, Severity},
    store::{
        Cursor, IssueQuery, MAX_NOTES, Overview, Page, StoreError, Watermark,
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

/// So many matches are dense: they are met soon on a walk through the list in its order. Fewer are sorted.
const DENSE: usize = 2_000;

/// Matches of a filter are counted up to here; who looks for less than everything learns that there are more.
const COUNTED: usize = 10_000;

pub(super) fn issues(connection: &Connection, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
    let statuses: Vec<&str> = query.statuses.iter().map(|status| status.as_str()).collect();
    let matching = Filter::of(query, &statuses, Tags::Few);
    let is_dense = matching.is_empty() || count_up_to(connection, &matching, DENSE)? >= DENSE;
    let mut filter = if is_dense { Filter::of(query, &statuses, Tags::Many) } else { matching };
    let column = query.sort.as_str();
    // The planner knows nothing of how many there are: left alone, it may sort all of them for one page.
    let by_order = if is_dense { format!(" INDEXED BY issues_by_{column}") } else { String::new() };
    if let Some(after) = &query.after {
        filter.add(&format!("({column}, id) < (?, ?)"), [Value::Integer(after.key), Value::Text(after.id.clone())]);
    }
    let sql = format!(
        "SELECT {ISSUE_COLUMNS} FROM issues{by_order}{} ORDER BY {column} DESC, id DESC LIMIT {}",
        filter.sql(),
        query.limit.saturating_add(1)
    );
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    let rows = statement.query_map(params_from_iter(filter.values), row::issue).map_err(unavailable)?;
    let items = rows.collect::<Result<Vec<_>, _>>().map_err(|error| classify("in a list", error))?;
    Ok(page(items, query.limit, |issue| Cursor { key: query.sort.key(issue), id: issue.id.to_string() }))
}

fn count_up_to(connection: &Connection, filter: &Filter, limit: usize) -> Result<usize, StoreError> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM issues{} LIMIT {limit})", filter.sql());
    connection
        .prepare_cached(&sql)
        .and_then(|mut count| count.query_row(params_from_iter(&filter.values), |row| row.get(0)))
        .map_err(unavailable)
}

pub(super) fn overview(connection: &Connection, query: &IssueQuery) -> Result<Overview, StoreError> {
    let filter = Filter::of(query, &[], Tags::Few);
    // Everything is counted in an index; the matches of a filter one by one.
    let sql = if filter.is_empty() {
        "SELECT status, count(*) FROM issues GROUP BY status".to_owned()
    } else {
        let limit = COUNTED + 1;
        format!(
            "SELECT status, count(*) FROM (SELECT status FROM issues{} LIMIT {limit}) GROUP BY status",
            filter.sql()
        )
    };
    let is_filtered = !filter.is_empty();
    let mut overview = Overview::default();
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    let counts = statement
        .query_map(params_from_iter(filter.values), |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unavailable)?;
    overview.is_more = is_filtered && counts.iter().map(|(_, count)| count).sum::<u64>() > COUNTED as u64;
    for (status, count) in counts {
        if let Ok(status) = status.parse::<crate::domain::Status>() {
            overview.by_status.insert(status.as_str(), count);
        }
    }
    overview.services = distinct(connection, "service")?;
    overview.environments = distinct(connection, "environment")?;
    Ok(overview)
}

/// The values of an indexed column: one seek for each, however many rows there are.
fn distinct(connection: &Connection, column: &str) -> Result<Vec<String>, StoreError> {
    let sql = format!(
        "WITH RECURSIVE found (value) AS (SELECT min({column}) FROM issues UNION ALL \
         SELECT (SELECT min({column}) FROM issues WHERE {column} > value) FROM found WHERE value IS NOT NULL) \
         SELECT value FROM found WHERE value <> '' LIMIT 500"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    statement.query_map([], |row| row.get(0)).and_then(Iterator::collect).map_err(unavailable)
}

/// The conditions of a query, and their values in order.
#[derive(Default)]
struct Filter {
    conditions: Vec<String>,
    values: Vec<Value>,
}

/// How many issues are thought to have a tag: the few are looked up, the many are asked one by one.
#[derive(Clone, Copy)]
enum Tags {
    Few,
    Many,
}

impl Filter {
    fn is_empty(&self) -> bool {
        self.conditions.is_empty()
    }

    fn of(query: &IssueQuery, statuses: &[&str], tags: Tags) -> Self {
        let mut filter = Self::default();
        if !statuses.is_empty() {
            let marks = vec!["?"; statuses.len()].join(", ");
            filter.add(&format!("status IN ({marks})"), statuses.iter().map(|status| text(status)));
        }
        let equals = [
            ("service", query.service.as_deref()),
            ("environment", query.environment.as_deref()),
            ("component", query.component.as_deref()),
            ("severity", query.severity.map(Severity::as_str)),
            ("priority", query.priority.map(Priority::as_str)),
            ("type", query.issue_type.map(IssueType::as_str)),
        ];
        for (column, value) in equals {
            if let Some(value) = value {
                filter.add(&format!("{column} = ?"), [text(value)]);
            }
        }
        match &query.assignee_id {
            None => (),
            Some(None) => filter.add("assignee_id IS NULL", []),
            Some(Some(assignee)) => filter.add("assignee_id = ?", [text(assignee)]),
        }
        if let Some(tag) = &query.tag {
            let condition = match tags {
                Tags::Few => "id IN (SELECT issue_id FROM issue_tags WHERE tag = ?)",
                Tags::Many => "EXISTS (SELECT 1 FROM issue_tags WHERE tag = ? AND issue_id = issues.id)",
            };
            filter.add(condition, [text(tag)]);
        }
        if !query.words.is_empty() {
            // Each word as a quoted prefix: nothing that a person types is an operator.
            let words: Vec<String> =
                query.words.iter().map(|word| format!("\"{}\"*", word.replace('"', "\"\""))).collect();
            filter.add(
                "issues.rowid IN (SELECT rowid FROM issues_text WHERE issues_text MATCH ?)",
                [text(&words.join(" AND "))],
            );
        }
        filter
    }

    fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.conditions.push(condition.to_owned());
        self.values.extend(values);
    }

    fn sql(&self) -> String {
        if self.conditions.is_empty() { String::new() } else { format!(" WHERE {}", self.conditions.join(" AND ")) }
    }
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
fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = if has_more { items.last().map(cursor) } else { None };
    Page { items, next }
}

/// How many rows are read for so many items: one more, as far as numbers go.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit.saturating_add(1)).unwrap_or(i64::MAX)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
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
