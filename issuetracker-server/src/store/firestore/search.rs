//! Text search while Firestore has none of its own: a bounded part of the list is fetched, and the words are looked up in
//! it by SQLite's FTS5, in memory, so that they mean exactly what they mean in the embedded store.

use std::collections::HashSet;

use rusqlite::{Connection, params};

use super::unavailable;
use crate::{domain::Issue, store::StoreError};

/// The same columns and tokens as in the embedded store's `schema.sql`; the texts themselves are not kept.
const INDEX: &str = "CREATE VIRTUAL TABLE texts USING fts5 (title, description, error_kind, service, component, tags, \
     content = '', tokenize = \"unicode61 tokenchars '_'\")";

/// Those of `issues` that contain all the words, in the same order.
pub(super) async fn matching(issues: Vec<Issue>, words: &[String]) -> Result<Vec<Issue>, StoreError> {
    let words = words.to_vec();
    // Some milliseconds of work for a few hundred issues: too long for the runtime's threads.
    let matching = tokio::task::spawn_blocking(move || {
        let found = find(&issues, &words)?;
        let issues = issues.into_iter().enumerate().filter(|(index, _)| found.contains(index));
        Ok(issues.map(|(_, issue)| issue).collect())
    });
    matching.await.map_err(unavailable)?.map_err(|error: rusqlite::Error| unavailable(error))
}

fn find(issues: &[Issue], words: &[String]) -> rusqlite::Result<HashSet<usize>> {
    let connection = Connection::open_in_memory()?;
    connection.execute_batch(&format!("BEGIN; {INDEX};"))?;
    let mut insert = connection.prepare(
        "INSERT INTO texts (rowid, title, description, error_kind, service, component, tags) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )?;
    for (index, issue) in issues.iter().enumerate() {
        let Issue { title, description, error_kind, service, component, tags, .. } = issue;
        let tags = serde_json::Value::from(tags.clone()).to_string();
        insert.execute(params![index, title, description, error_kind, service, component, tags])?;
    }
    // Each word as a quoted prefix: nothing that a person types is an operator.
    let words: Vec<String> = words.iter().map(|word| format!("\"{}\"*", word.replace('"', "\"\""))).collect();
    let mut select = connection.prepare("SELECT rowid FROM texts WHERE texts MATCH ?")?;
    select.query_map([words.join(" AND ")], |row| row.get(0))?.collect()
}
