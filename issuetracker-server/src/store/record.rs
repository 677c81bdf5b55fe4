//! Small records beside the issues: users, sessions, keys, logins under way, the audit log, rules of notification. A store keeps their fields and
//! knows nothing of their meaning; `auth` and `notifications` do.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::Timestamp;

use super::{IssueStore, StoreError};

/// What a record is. Each is a collection or a part of a table of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A person or a service, by uid.
    User,
    /// Somebody who is logged in, by a hash of what the browser holds.
    Session,
    /// A service's key, by its public part.
    Key,
    /// A login that has begun, by a hash of its state.
    Login,
    /// What was done, the newest first.
    Audit,
    /// Who is told of what, and how.
    Rule,
    /// What waits to be told by a rule, by the rule's id.
    Outbox,
    /// That a rule has told of an issue that it tells of only now and then.
    Told,
    /// A request that makes something, by a hash of its idempotency key.
    Once,
    /// What concerned users are changed under, so that two changes at once see each other.
    Guard,
}

impl Kind {
    /// Its name in the store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "users",
            Self::Session => "sessions",
            Self::Key => "keys",
            Self::Login => "logins",
            Self::Audit => "audit",
            Self::Rule => "rules",
            Self::Outbox => "outboxes",
            Self::Told => "told",
            Self::Once => "once",
            Self::Guard => "guards",
        }
    }
}

/// A field; one that is absent has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A text.
    Text(String),
    /// A moment, to the microsecond.
    Time(Timestamp),
}

/// Fields by name.
pub type Fields = BTreeMap<String, Field>;

/// A record as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Unique within its kind.
    pub id: String,
    /// What it holds.
    pub fields: Fields,
    /// Changes with every write.
    pub version: i64,
}

impl Record {
    /// A field that is a text; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        match self.fields.get(name) {
            Some(Field::Text(text)) => text,
            _ => "",
        }
    }

    /// A field that is a moment.
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match self.fields.get(name) {
            Some(Field::Time(time)) => Some(*time),
            _ => None,
        }
    }
}

/// What has to hold for a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Anything,
    /// The record is not there.
    Absent,
    /// It is as it was read.
    Version(i64),
}

/// One write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWrite {
    /// Of what.
    pub kind: Kind,
    /// Which.
    pub id: String,
    /// What it holds from now on; `None` deletes it.
    pub fields: Option<Fields>,
    /// On which condition.
    pub expect: Expect,
}

impl RecordWrite {
    /// Writes all of a record.
    pub fn put(kind: Kind, id: &str, fields: Fields, expect: Expect) -> Self {
        Self { kind, id: id.to_owned(), fields: Some(fields), expect }
    }

    /// Deletes one.
    pub fn delete(kind: Kind, id: &str, expect: Expect) -> Self {
        Self { kind, id: id.to_owned(), fields: None, expect }
    }
}

/// Which records, in the order of their ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordQuery<'a> {
    /// Of what.
    pub kind: Kind,
    /// Only those whose field is this text.
    pub equals: Option<(&'static str, &'a str)>,
    /// Only those after this id.
    pub after: Option<&'a str>,
    /// At most so many.
    pub limit: usize,
}

/// The store of records.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// One record.
    async fn record(&self, kind: Kind, id: &str) -> Result<Option<Record>, StoreError>;

    /// Records, by id.
    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>, StoreError>;

    /// Writes all or nothing; [`StoreError::Conflict`] if a condition does not hold, and then nothing was written.
    async fn write_records(&self, writes: Vec<RecordWrite>) -> Result<(), StoreError>;
}

/// How many records are looked at in one step of sweeping.
const SWEEP_STEP: usize = 500;

/// Deletes the records of a kind that are over; what is written meanwhile stays.
///
/// # Errors
/// Those of the store; the next time does the rest.
pub async fn sweep_records(
    store: &dyn IssueStore,
    kind: Kind,
    is_over: impl Fn(&Record) -> bool,
) -> Result<(), StoreError> {
    let mut after: Option<String> = None;
    loop {
        let query = RecordQuery { kind, equals: None, after: after.as_deref(), limit: SWEEP_STEP };
        let records = store.records(query).await?;
        for record in records.iter().filter(|record| is_over(record)) {
            let delete = RecordWrite::delete(kind, &record.id, Expect::Version(record.version));
            match store.write_records(vec![delete]).await {
                // In use after all.
                Ok(()) | Err(StoreError::Conflict) => (),
                Err(error) => return Err(error),
            }
        }
        match records.into_iter().nth(SWEEP_STEP - 1) {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}
