//! The numbers of analytics: what a [`Breakdown`] is made of, in three statements.

use std::collections::BTreeMap;

use rusqlite::{Connection, params_from_iter, types::Value};

use super::{
    condition::{self, Conditions, Expected},
    list::by_last_seen,
    list::readable_row,
    row, unavailable,
};
use crate::{
    domain::{Hours, Severity},
    store::{BREAKDOWN_FACTS, Breakdown, IssueQuery, MAX_BREAKDOWN_VALUES, MAX_TREND_ISSUES, StoreError, Trend},
};

const MICROS_PER_HOUR: i64 = 3_600_000_000;

pub(super) fn breakdown(connection: &Connection, query: &IssueQuery, from: i64) -> Result<Breakdown, StoreError> {
    let (trend, by) = errors(connection, query, from)?;
    let (resolved, mean_seconds_to_resolve) = resolved(connection, query, from)?;
    Ok(Breakdown { trend, by, created: created(connection, query, from)?, resolved, mean_seconds_to_resolve })
}

type ByFact = Vec<(crate::domain::filter::Fact, Vec<(String, u64)>)>;

fn errors(connection: &Connection, query: &IssueQuery, from: i64) -> Result<(Trend, ByFact), StoreError> {
    let (conditions, by_order) = by_last_seen(connection, query, from)?;
    let columns = BREAKDOWN_FACTS.map(condition::column).join(", ");
    let sql = format!(
        "SELECT severity, hours, {columns} FROM issues{by_order}{} ORDER BY last_seen DESC, id DESC LIMIT {}",
        conditions.sql(),
        MAX_TREND_ISSUES + 1
    );
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    let mut rows = statement.query(params_from_iter(conditions.values)).map_err(unavailable)?;
    let (mut trend, mut issues) = (Trend::default(), 0);
    let mut by = BREAKDOWN_FACTS.map(|_| BTreeMap::<String, u64>::new());
    while let Some(row) = rows.next().map_err(unavailable)? {
        issues += 1;
        trend.is_partial = issues > MAX_TREND_ISSUES;
        if trend.is_partial {
            break;
        }
        let read = || -> rusqlite::Result<(Severity, Hours)> { Ok((row::word(row, "severity")?, row::hours(row)?)) };
        let Some((severity, hours)) = readable_row(read())? else { continue };
        let errors = hours.sum(from..i64::MAX);
        for (nth, values) in by.iter_mut().enumerate() {
            let value: String = row.get(2 + nth).map_err(unavailable)?;
            if !value.is_empty() && errors > 0 {
                *values.entry(value).or_default() += errors;
            }
        }
        trend.by_severity.entry(severity).or_default().add_all(&hours);
    }
    let most = |values: BTreeMap<String, u64>| {
        let mut values: Vec<(String, u64)> = values.into_iter().collect();
        // By name where it is the same, so that the order is.
        values.sort_by_key(|(_, errors)| std::cmp::Reverse(*errors));
        values.truncate(MAX_BREAKDOWN_VALUES);
        values
    };
    Ok((trend, BREAKDOWN_FACTS.into_iter().zip(by.map(most)).collect()))
}

fn created(connection: &Connection, query: &IssueQuery, from: i64) -> Result<BTreeMap<i64, u64>, StoreError> {
    let mut conditions = Conditions::of(&query.filter, &query.user_id, query.now, Expected::Few);
    conditions.add("first_seen >= ?", [Value::Integer(from.saturating_mul(MICROS_PER_HOUR))]);
    let sql = format!("SELECT first_seen / {MICROS_PER_HOUR}, count(*) FROM issues{} GROUP BY 1", conditions.sql());
    let mut statement = connection.prepare_cached(&sql).map_err(unavailable)?;
    let hours = statement.query_map(params_from_iter(conditions.values), |row| Ok((row.get(0)?, row.get(1)?)));
    hours.and_then(Iterator::collect).map_err(unavailable)
}

fn resolved(connection: &Connection, query: &IssueQuery, from: i64) -> Result<(u64, Option<u64>), StoreError> {
    let mut conditions = Conditions::of(&query.filter, &query.user_id, query.now, Expected::Few);
    let from = Value::Integer(from.saturating_mul(MICROS_PER_HOUR));
    conditions.add("resolved_at IS NOT NULL AND resolved_at >= ?", [from]);
    let sql = format!(
        "SELECT count(*), CAST(avg(max(0, resolved_at - first_seen)) / 1000000 AS INTEGER) FROM issues{}",
        conditions.sql()
    );
    connection
        .prepare_cached(&sql)
        .and_then(|mut statement| {
            statement.query_row(params_from_iter(conditions.values), |row| Ok((row.get(0)?, row.get(1)?)))
        })
        .map_err(unavailable)
}
