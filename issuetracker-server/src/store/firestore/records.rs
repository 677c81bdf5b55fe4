//! Records: each a document in the collection of its kind.

use async_trait::async_trait;
use firestore::gcloud_sdk::{
    google::firestore::v1::{Document, Write},
    prost_types::Timestamp as Committed,
};

use super::{
    FirestoreStore,
    client::Refused,
    document, query,
    value::{self, Reader, Unreadable},
    write,
};
use crate::store::{Expect, Field, Fields, Kind, Record, RecordQuery, RecordStore, RecordWrite, StoreError};

#[async_trait]
impl RecordStore for FirestoreStore {
    async fn record(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError> {
        let name = self.paths().record(kind, id);
        self.client.get(vec![name.clone()], None).await?.get(&name).map(record).transpose()
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>, StoreError> {
        let after = query.after.map(|id| self.paths().record(query.kind, id));
        let query = query::records(query.kind.as_str(), query.equals, after, query.limit);
        let documents = self.client.query(self.client.documents_path(), query).await?;
        documents.iter().map(record).collect()
    }

    async fn write_records(&self, writes: Vec<RecordWrite>) -> Result<(), StoreError> {
        let writes = writes.into_iter().map(|write| self.record_write(write)).collect();
        match self.client.commit(writes).await {
            Ok(_) => Ok(()),
            Err(Refused::Stale(_)) => Err(StoreError::Conflict),
            Err(Refused::Failed(error)) => Err(error),
        }
    }
}

impl FirestoreStore {
    fn record_write(&self, RecordWrite { kind, id, fields, expect }: RecordWrite) -> Write {
        let name = self.paths().record(kind, &id);
        let write = match fields {
            Some(fields) => write::put(name, values(fields)),
            None => write::delete(name),
        };
        match expect {
            Expect::Anything => write,
            Expect::Absent => write::if_absent(write),
            Expect::Version(version) => write::if_as_of(write, moment(version)),
        }
    }
}

fn values(fields: Fields) -> value::Fields {
    let value = |field| match field {
        Field::Text(text) => value::text(&text),
        Field::Time(at) => value::time(at),
    };
    fields.into_iter().map(|(name, field)| (name, value(field))).collect()
}

fn record(document: &Document) -> Result<Record, StoreError> {
    let at = document.update_time.unwrap_or_default();
    let version = at.seconds.saturating_mul(NANOS).saturating_add(at.nanos.into());
    document::read(document, |id, reader: Reader<'_>| {
        let fields = reader.texts_and_times().map(|(name, field)| Ok((name.clone(), field?)));
        Ok(Record { id: id.to_owned(), fields: fields.collect::<Result<_, Unreadable>>()?, version })
    })
}

const NANOS: i64 = 1_000_000_000;

/// The time of a document's last change, of which its version was made.
fn moment(version: i64) -> Committed {
    let nanos = i32::try_from(version.rem_euclid(NANOS)).unwrap_or_default();
    Committed { seconds: version.div_euclid(NANOS), nanos }
}
