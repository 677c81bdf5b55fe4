//! One occurrence among its neighbours, and what else happened in its trace.

use rusqlite::{Connection, OptionalExtension, params};

use super::{read, row, unavailable};
use crate::{
    domain::{Activity, IssueId},
    store::{Neighbourhood, StoreError, Which},
};

const OF_ISSUE: &str = "FROM activities WHERE issue_id = ?1 AND type = 'occurrence'";

pub(super) fn occurrence(
    connection: &Connection,
    id: &IssueId,
    which: Which<'_>,
) -> Result<Option<Neighbourhood>, StoreError> {
    let (condition, event) = match which {
        Which::First => ("AND ?2 = '' ORDER BY timestamp, id LIMIT 1", ""),
        Which::Latest => ("AND ?2 = '' ORDER BY timestamp DESC, id DESC LIMIT 1", ""),
        Which::Event(event) => ("AND id = ?2", event),
    };
    let found = connection
        .prepare_cached(&format!("SELECT * {OF_ISSUE} {condition}"))
        .and_then(|mut found| found.query_row(params![id.as_str(), event], row::activity).optional())
        .map_err(|error| read::classify(id.as_str(), error))?;
    let Some(activity) = found else { return Ok(None) };
    let older = beside(connection, id, &activity, "(timestamp, id) < (?2, ?3) ORDER BY timestamp DESC, id DESC")?;
    let newer = beside(connection, id, &activity, "(timestamp, id) > (?2, ?3) ORDER BY timestamp, id")?;
    Ok(Some(Neighbourhood { activity, older, newer }))
}

fn beside(
    connection: &Connection,
    id: &IssueId,
    activity: &Activity,
    condition: &str,
) -> Result<Option<String>, StoreError> {
    let place = params![id.as_str(), activity.timestamp.as_microsecond(), activity.id];
    connection
        .prepare_cached(&format!("SELECT id {OF_ISSUE} AND {condition} LIMIT 1"))
        .and_then(|mut found| found.query_row(place, |row| row.get(0)).optional())
        .map_err(unavailable)
}

pub(super) fn issues_of_trace(
    connection: &Connection,
    trace_id: &str,
    limit: usize,
) -> Result<Vec<IssueId>, StoreError> {
    connection
        .prepare_cached("SELECT DISTINCT issue_id FROM activities WHERE trace_id = ? ORDER BY issue_id LIMIT ?")
        .and_then(|mut found| found.query_map(params![trace_id, limit], |row| row::word(row, "issue_id"))?.collect())
        .map_err(|error| read::classify(trace_id, error))
}
