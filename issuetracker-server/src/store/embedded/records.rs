//! Records: their fields as one JSON object in a row.

use async_trait::async_trait;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde_json::{Map, Value};

use super::{EmbeddedStore, read, unavailable};
use crate::store::{Expect, Field, Fields, Kind, Record, RecordQuery, RecordStore, RecordWrite, StoreError};

#[async_trait]
impl RecordStore for EmbeddedStore {
    async fn record(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        let id = id.to_owned();
        self.read(move |connection| {
            connection
                .prepare_cached("SELECT id, fields, version FROM records WHERE kind = ? AND id = ?")
                .and_then(|mut found| found.query_row(params![kind.as_str(), id], record).optional())
                .map_err(|error| read::classify(&format!("{}/{id}", kind.as_str()), error))
        })
        .await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>, StoreError> {
        let RecordQuery { kind, equals, after, limit } = query;
        let after = after.unwrap_or_default().to_owned();
        let (field, text) =
            equals.map_or((String::new(), String::new()), |(name, text)| (format!("$.{name}"), text.to_owned()));
        self.read(move |connection| {
            // The names of fields are ours; the value is a parameter.
            let sql = "SELECT id, fields, version FROM records WHERE kind = ?1 AND id > ?2 \
                       AND (?3 = '' OR json_extract(fields, iif(?3 = '', '$', ?3)) = ?4) ORDER BY id LIMIT ?5";
            connection
                .prepare_cached(sql)
                .and_then(|mut found| {
                    found.query_map(params![kind.as_str(), after, field, text, limit], record)?.collect()
                })
                .map_err(|error| read::classify(kind.as_str(), error))
        })
        .await
    }

    async fn write_records(&self, writes: Vec<RecordWrite>) -> Result<(), StoreError> {
        self.write(move |transaction| writes.iter().try_for_each(|write| apply(transaction, write))).await
    }
}

fn apply(transaction: &Transaction<'_>, write: &RecordWrite) -> Result<(), StoreError> {
    let (kind, id) = (write.kind.as_str(), &write.id);
    let stored: Option<i64> = transaction
        .prepare_cached("SELECT version FROM records WHERE kind = ? AND id = ?")
        .and_then(|mut found| found.query_row(params![kind, id], |row| row.get(0)).optional())
        .map_err(unavailable)?;
    let holds = match write.expect {
        Expect::Anything => true,
        Expect::Absent => stored.is_none(),
        Expect::Version(version) => stored == Some(version),
    };
    if !holds {
        return Err(StoreError::Conflict);
    }
    match &write.fields {
        Some(fields) => transaction.execute(
            "INSERT OR REPLACE INTO records (kind, id, fields, version) VALUES (?, ?, ?, ?)",
            params![kind, id, to_json(fields), stored.unwrap_or(0) + 1],
        ),
        None => transaction.execute("DELETE FROM records WHERE kind = ? AND id = ?", params![kind, id]),
    }
    .map_err(unavailable)?;
    Ok(())
}

fn to_json(fields: &Fields) -> String {
    let value = |field: &Field| match field {
        Field::Text(text) => Value::from(text.as_str()),
        Field::Time(at) => Value::from(at.as_microsecond()),
    };
    Value::Object(fields.iter().map(|(name, field)| (name.clone(), value(field))).collect()).to_string()
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let unreadable = |problem: Box<dyn std::error::Error + Send + Sync>| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, problem)
    };
    let text: String = row.get(1)?;
    let object: Map<String, Value> = serde_json::from_str(&text).map_err(|error| unreadable(error.into()))?;
    let mut fields = Fields::new();
    for (name, value) in object {
        let field = match value {
            Value::String(text) => Field::Text(text),
            value => {
                let micros = value.as_i64().ok_or_else(|| unreadable("neither text nor time".into()))?;
                Field::Time(Timestamp::from_microsecond(micros).map_err(|error| unreadable(error.into()))?)
            }
        };
        fields.insert(name, field);
    }
    Ok(Record { id: row.get(0)?, fields, version: row.get(2)? })
}
