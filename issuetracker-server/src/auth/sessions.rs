//! Sessions: on the server, in the store, under a hash of what the browser holds. Each is looked up for each request, so
//! what is decided about a session or its user holds from the next request on.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    audit::NewEntry,
    token,
    users::{User, Users},
};
use crate::store::{Expect, Field, Fields, IssueStore, Kind, Record, RecordQuery, RecordWrite, StoreError};

/// That a session is in use is noted so often, not with each request.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// What a browser says of itself is kept up to here.
const MAX_AGENT_CHARS: usize = 200;

/// How many records are looked at in one step of sweeping.
const SWEEP_STEP: usize = 500;

/// The sessions of one store.
pub(crate) struct Sessions {
    store: Arc<dyn IssueStore>,
    idle: Duration,
    max: Duration,
}

impl Sessions {
    pub(crate) fn new(store: Arc<dyn IssueStore>, idle: Duration, max: Duration) -> Self {
        Self { store, idle, max }
    }

    /// A new session for whoever has just logged in, and the token for the browser. The session that the browser had
    /// before ends in the same commit, which also has the `entry` of the audit log.
    pub(crate) async fn begin(
        &self,
        user: &User,
        agent: &str,
        before: Option<&str>,
        entry: NewEntry,
        now: Timestamp,
    ) -> Result<String, StoreError> {
        let token = token::random();
        let text = |text: &str| Field::Text(text.to_owned());
        let agent: String = agent.chars().filter(|letter| !letter.is_control()).take(MAX_AGENT_CHARS).collect();
        let fields = Fields::from([
            ("user_id".to_owned(), text(&user.uid)),
            ("agent".to_owned(), text(&agent)),
            ("created_at".to_owned(), Field::Time(now)),
            ("seen_at".to_owned(), Field::Time(now)),
        ]);
        let put = RecordWrite::put(Kind::Session, &token::digest(&token), fields, Expect::Absent);
        let mut writes = vec![put, entry.write(now)];
        writes
            .extend(before.map(|before| RecordWrite::delete(Kind::Session, &token::digest(before), Expect::Anything)));
        self.store.write_records(writes).await?;
        Ok(token)
    }

    /// The session of a token and its user, if both are valid now.
    pub(crate) async fn of(
        &self,
        token: &str,
        users: &Users,
        now: Timestamp,
    ) -> Result<Option<(String, User)>, StoreError> {
        let id = token::digest(token);
        let Some(record) = self.store.record(Kind::Session, &id).await? else { return Ok(None) };
        if !self.is_valid(&record, now) {
            return Ok(None);
        }
        let user = users.user(record.text("user_id")).await?;
        let Some(user) = user.filter(|user| user.is_active) else { return Ok(None) };
        self.note(record, now).await;
        Ok(Some((id, user)))
    }

    /// Ends a session, if it is there.
    pub(crate) async fn end(&self, id: &str, entry: NewEntry, now: Timestamp) -> Result<(), StoreError> {
        let delete = RecordWrite::delete(Kind::Session, id, Expect::Anything);
        self.store.write_records(vec![delete, entry.write(now)]).await
    }

    fn is_valid(&self, record: &Record, now: Timestamp) -> bool {
        let is_within = |field: &str, limit: Duration| {
            record.time(field).is_some_and(|since| now.duration_since(since).unsigned_abs() < limit)
        };
        is_within("seen_at", self.idle) && is_within("created_at", self.max)
    }

    async fn note(&self, record: Record, now: Timestamp) {
        let is_noted = |seen: Timestamp| now.duration_since(seen).unsigned_abs() < NOTED_EVERY;
        if record.time("seen_at").is_some_and(is_noted) {
            return;
        }
        let mut fields = record.fields;
        fields.insert("seen_at".to_owned(), Field::Time(now));
        let write = RecordWrite::put(Kind::Session, &record.id, fields, Expect::Version(record.version));
        // Another request has noted it, or it has just ended, or the next one will.
        let _ = self.store.write_records(vec![write]).await;
    }

    /// Deletes sessions that have ended by themselves.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        sweep(&*self.store, Kind::Session, |record| !self.is_valid(record, now)).await
    }
}

/// Deletes the records of a kind that are over.
pub(super) async fn sweep(
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
