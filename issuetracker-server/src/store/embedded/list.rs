//! Lists of issues and the numbers around them: a page costs a page, however many issues there are.

use rusqlite::{Connection, params, params_from_iter, types::Value};

use super::{
    condition::{self, Conditions, Expected, IS_MUTED},
    read::{classify, page},
    row::{self, ISSUE_COLUMNS},
    unavailable,
};
use crate::{
    domain::{Hours, Issue, Severity, Status, filter::Fact},
    metrics,
    store::{Cursor, Facet, IssueQuery, MAX_TREND_ISSUES, Overview, Page, Sort, StoreError, Trend},
};

/// So many matches are dense: they are met soon on a walk through the list in its order. Fewer are sorted.
const DENSE: usize = 2_000;

/// Matches of a filter are counted up to here; who looks for less than everything learns that there are more.
const COUNTED: usize = 2_000;

/// The most services and environments to choose from.
const MAX_CHOICES: usize = 500;

pub(super) fn issues(connection: &Connection, query: &IssueQuery) -> Result<Page<Issue>, StoreError> {
    let IssueQuery { filter, user_id, now, .. } = query;
    let matching = Conditions::of(filter, user_id, *now, Expected::Few);
    let is_dense = matching.is_empty() || count_up_to(connection, &matching, DENSE)? >= DENSE;
    let mut conditions = if is_dense { Conditions::of(filter, user_id, *now, Expected::Many) } else { matching };
    let column = column(query.sort);
    // The planner knows nothing of how many there are: left alone, it may sort all of them for one page.
    let by_order = if is_dense { format!(" INDEXED BY issues_by_{column}") } else { String::new() };
    if let Some(after) = &query.after {
        conditions.add(&format!("({column}, id) < (?, ?)"), [Value::Integer(after.key), Value::Text(after.id.clone())]);
    }
    let sql = format!(
        "SELECT {ISSUE_COLUMNS} FROM issues{by_order}{} ORDER BY {column} DESC, id DESC LIMIT {}",
        conditions.sql(),
        query.limit.saturating_add(1)
    );
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    let rows = statement.query_map(params_from_iter(conditions.values), row::issue).map_err(unavailable)?;
    let (items, left_out) = readable(rows)?;
    let cursor = |issue: &Issue| Cursor { key: query.sort.key(issue), id: issue.id.to_string() };
    let next = items.last().map(cursor).filter(|_| items.len() + left_out > query.limit);
    let page = page(items, query.limit, cursor);
    Ok(Page { next: page.next.or(next), ..page })
}

/// The rows that can be read, and how many cannot: one that was damaged must not hide all the others.
fn readable<T>(rows: impl Iterator<Item = rusqlite::Result<T>>) -> Result<(Vec<T>, usize), StoreError> {
    let (mut items, mut left_out) = (Vec::new(), 0);
    for row in rows {
        match readable_row(row)? {
            Some(item) => items.push(item),
            None => left_out += 1,
        }
    }
    Ok((items, left_out))
}

/// A row, unless it cannot be read.
pub(super) fn readable_row<T>(row: rusqlite::Result<T>) -> Result<Option<T>, StoreError> {
    match row.map_err(|error| classify("in a list", error)) {
        Ok(item) => Ok(Some(item)),
        Err(StoreError::Corrupt { source, .. }) => {
            metrics::unreadable_document();
            tracing::error!(
                error = &*source as &dyn std::error::Error,
                "a stored issue cannot be read and is left out of a list"
            );
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// The column that a list is ordered by; each has an index of its own.
const fn column(sort: Sort) -> &'static str {
    match sort {
        Sort::LastSeen => "last_seen",
        Sort::FirstSeen => "first_seen",
        Sort::Occurrences => "occurrences",
        Sort::Trend => "trend",
        Sort::Priority => "urgency",
    }
}

pub(super) fn trend(connection: &Connection, query: &IssueQuery, from: i64) -> Result<Trend, StoreError> {
    let (conditions, by_order) = by_last_seen(connection, query, from)?;
    let sql = format!(
        "SELECT severity, hours FROM issues{by_order}{} ORDER BY last_seen DESC, id DESC LIMIT {}",
        conditions.sql(),
        MAX_TREND_ISSUES + 1
    );
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    let read = |row: &rusqlite::Row<'_>| Ok((row::word(row, "severity")?, row::hours(row)?));
    let rows = statement.query_map(params_from_iter(conditions.values), read).map_err(unavailable)?;
    let (mut trend, mut issues) = (Trend::default(), 0);
    for row in rows {
        let Some((severity, hours)): Option<(Severity, Hours)> = readable_row(row)? else { continue };
        issues += 1;
        trend.is_partial = issues > MAX_TREND_ISSUES;
        if !trend.is_partial {
            trend.by_severity.entry(severity).or_default().add_all(&hours);
        }
    }
    Ok(trend)
}

/// What was seen since an hour, and the index by which it is read.
pub(super) fn by_last_seen(
    connection: &Connection,
    query: &IssueQuery,
    from: i64,
) -> Result<(Conditions, &'static str), StoreError> {
    let IssueQuery { filter, user_id, now, .. } = query;
    let matching = Conditions::of(filter, user_id, *now, Expected::Few);
    let is_dense = matching.is_empty() || count_up_to(connection, &matching, DENSE)? >= DENSE;
    let mut conditions = if is_dense { Conditions::of(filter, user_id, *now, Expected::Many) } else { matching };
    conditions.add("last_seen >= ?", [Value::Integer(from.saturating_mul(3_600_000_000))]);
    Ok((conditions, if is_dense { " INDEXED BY issues_by_last_seen" } else { "" }))
}

fn count_up_to(connection: &Connection, conditions: &Conditions, limit: usize) -> Result<usize, StoreError> {
    let sql = format!("SELECT count(*) FROM (SELECT 1 FROM issues{} LIMIT {limit})", conditions.sql());
    connection
        .prepare_cached(&sql)
        .and_then(|mut count| count.query_row(params_from_iter(&conditions.values), |row| row.get(0)))
        .map_err(unavailable)
}

pub(super) fn overview(connection: &Connection, query: &IssueQuery) -> Result<Overview, StoreError> {
    let conditions = Conditions::of(&query.filter.without_states(), &query.user_id, query.now, Expected::Few);
    let now = query.now.as_microsecond();
    let counted =
        if conditions.is_empty() { count_all(connection, now) } else { count_some(connection, conditions, now) };
    Ok(Overview {
        services: values(connection, Facet::Fact(Fact::Service), "", MAX_CHOICES)?,
        environments: values(connection, Facet::Fact(Fact::Environment), "", MAX_CHOICES)?,
        ..counted.map_err(unavailable)?
    })
}

/// Everything is counted in indexes.
fn count_all(connection: &Connection, now: i64) -> rusqlite::Result<Overview> {
    let mut overview = Overview::default();
    let mut statement = connection.prepare_cached("SELECT status, count(*) FROM issues GROUP BY status")?;
    for row in statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u64>(1)?)))? {
        let (status, count) = row?;
        overview.add(&status, count);
    }
    let count = |condition: &str, now: Option<i64>| {
        let sql = format!("SELECT count(*) FROM issues WHERE {condition}");
        connection.prepare_cached(&sql)?.query_row(params_from_iter(now), |row| row.get(0))
    };
    overview.unassigned = count("assignee_id IS NULL AND status = 'open'", None)?;
    overview.regressed = count("regression IS NOT NULL", None)?;
    overview.muted = count(IS_MUTED, Some(now))?;
    Ok(overview)
}

/// The matches of a filter are counted one by one.
fn count_some(connection: &Connection, conditions: Conditions, now: i64) -> rusqlite::Result<Overview> {
    let limit = COUNTED + 1;
    let sql = format!(
        "SELECT status, count(*), sum(assignee_id IS NULL), sum(regression IS NOT NULL), sum({IS_MUTED}) \
         FROM (SELECT status, assignee_id, regression, mute, muted_until FROM issues{} LIMIT {limit}) GROUP BY status",
        conditions.sql()
    );
    let values = std::iter::once(Value::Integer(now)).chain(conditions.values);
    let mut overview = Overview::default();
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut total = 0;
    while let Some(row) = rows.next()? {
        let (status, count): (String, u64) = (row.get(0)?, row.get(1)?);
        overview.add(&status, count);
        total += count;
        if status == Status::Open.as_str() {
            overview.unassigned = row.get(2)?;
        }
        overview.regressed += row.get::<_, u64>(3)?;
        overview.muted += row.get::<_, u64>(4)?;
    }
    overview.is_more = total > COUNTED as u64;
    Ok(overview)
}

impl Overview {
    fn add(&mut self, status: &str, count: u64) {
        if let Ok(status) = status.parse::<Status>() {
            *self.by_status.entry(status.as_str()).or_default() += count;
        }
    }
}

/// The values that start with `prefix`: one seek for each, however many rows there are.
pub(super) fn values(
    connection: &Connection,
    of: Facet,
    prefix: &str,
    limit: usize,
) -> Result<Vec<String>, StoreError> {
    let (table, column) = match of {
        Facet::Fact(fact) => ("issues", condition::column(fact)),
        Facet::Assignee => ("issues", "assignee_id"),
        Facet::Tag => ("issue_tags", "tag"),
        Facet::Host => ("issue_hosts", "host"),
    };
    let sql = format!(
        "WITH RECURSIVE found (value) AS (SELECT min({column}) FROM {table} WHERE {column} >= ?1 UNION ALL \
         SELECT (SELECT min({column}) FROM {table} WHERE {column} > value) FROM found \
         WHERE value IS NOT NULL AND substr(value, 1, length(?1)) = ?1) \
         SELECT value FROM found WHERE value <> '' AND substr(value, 1, length(?1)) = ?1 LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    statement.query_map(params![prefix, limit], |row| row.get(0)).and_then(Iterator::collect).map_err(unavailable)
}
