//! The numbers of short ids: each prefix counts for itself, in the transaction that creates the issue.

use rusqlite::{Transaction, params};

use super::{read, unavailable};
use crate::{
    domain::{IssueId, Occurrence, short_id},
    store::StoreError,
};

/// The short id of the issue that these occurrences make.
pub(super) fn next(transaction: &Transaction<'_>, occurrences: &[&Occurrence]) -> Result<Option<IssueId>, StoreError> {
    let sql = "INSERT INTO numbers (prefix, last) VALUES (?, 1) ON CONFLICT (prefix) DO UPDATE SET last = last + 1 \
               RETURNING last";
    let Some(prefix) = short_id::prefix_of_new(occurrences) else { return Ok(None) };
    let mut counted = transaction.prepare_cached(sql).map_err(unavailable)?;
    loop {
        let number = counted.query_row([&prefix], |row| row.get(0)).map_err(unavailable)?;
        let id = short_id::short_id(&prefix, number);
        // An event can bring any id, also one that looks like this.
        match &id {
            Some(taken) if read::found(transaction, taken)?.is_some() => (),
            _ => return Ok(id),
        }
    }
}

/// Counts on from a number that was given elsewhere.
pub(super) fn skip_to(transaction: &Transaction<'_>, id: &IssueId) -> Result<(), StoreError> {
    let sql = "INSERT INTO numbers (prefix, last) VALUES (?, ?) \
               ON CONFLICT (prefix) DO UPDATE SET last = max(last, excluded.last)";
    let Some((prefix, number)) = short_id::parts(id) else { return Ok(()) };
    transaction
        .prepare_cached(sql)
        .and_then(|mut statement| statement.execute(params![prefix, number]))
        .map(|_| ())
        .map_err(unavailable)
}
