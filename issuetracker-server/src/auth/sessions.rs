//! Sessions: on the server, in the store, under a hash of what the browser holds. Each is looked up for each request, so
//! what is decided about a session or its user holds from the next request on.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    Principal,
    audit::NewEntry,
    token,
    users::{User, Users},
};
use crate::store::{
    Expect, Field, Fields, IssueStore, Kind, Record, RecordQuery, RecordWrite, StoreError, sweep_records,
};

/// That a session is in use is noted so often, not with each request.
const NOTED_EVERY: Duration = Duration::from_secs(60);

/// What a browser says of itself is kept up to here.
const MAX_AGENT_CHARS: usize = 200;

/// The most sessions of one user that are shown.
const MAX_SHOWN: usize = 200;

/// The letters of a session's name.
const NAME_CHARS: usize = 16;

/// A session as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Session {
    /// Its name on pages and in the API, which proves nothing.
    pub(crate) id: String,
    record_id: String,
    agent: String,
    pub(crate) created_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub(crate) seen_at: Option<Timestamp>,
}

impl Session {
    fn of(record: &Record) -> Self {
        Self {
            id: record.id.chars().take(NAME_CHARS).collect(),
            record_id: record.id.clone(),
            agent: record.text("agent").to_owned(),
            created_at: record.time("created_at"),
            seen_at: record.time("seen_at"),
        }
    }

    pub(crate) fn record_id(&self) -> &str {
        &self.record_id
    }

    /// Whether the principal holds this one.
    pub(crate) fn is(&self, principal: &Principal) -> bool {
        principal.session.as_deref() == Some(&self.record_id)
    }

    /// `Firefox on Linux`, as far as the browser tells.
    pub(crate) fn place(&self) -> String {
        let named = |names: &[(&str, &'static str)], or| {
            names.iter().find(|(mark, _)| self.agent.contains(mark)).map_or(or, |(_, name)| *name)
        };
        // The first that fits: most browsers name others, too.
        let browser = named(
            &[
                ("Firefox/", "Firefox"),
                ("Edg", "Edge"),
                ("OPR/", "Opera"),
                ("Chrome/", "Chrome"),
                ("Safari/", "Safari"),
                ("curl/", "curl"),
            ],
            "A browser",
        );
        let system = named(
            &[
                ("Windows", "Windows"),
                ("Android", "Android"),
                ("iPhone", "iPhone"),
                ("iPad", "iPad"),
                ("Mac OS", "macOS"),
                ("Linux", "Linux"),
            ],
            "an unknown system",
        );
        format!("{browser} on {system}")
    }
}

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

    /// Those of a user that are valid now, the last used first.
    pub(crate) async fn list(&self, uid: &str, now: Timestamp) -> Result<Vec<Session>, StoreError> {
        let query = RecordQuery { kind: Kind::Session, equals: Some(("user_id", uid)), after: None, limit: MAX_SHOWN };
        let records = self.store.records(query).await?;
        let mut sessions: Vec<Session> =
            records.iter().filter(|record| self.is_valid(record, now)).map(Session::of).collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.seen_at));
        Ok(sessions)
    }

    /// Whether a session is there, and valid now.
    pub(crate) async fn is_alive(&self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.store.record(Kind::Session, id).await?.is_some_and(|record| self.is_valid(&record, now)))
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
        sweep_records(&*self.store, Kind::Session, |record| !self.is_valid(record, now)).await
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::{auth::audit::Action, domain::Role, store::embedded::EmbeddedStore};

    const IDLE: Duration = Duration::from_secs(3_600);
    const MAX: Duration = Duration::from_secs(86_400);

    #[tokio::test]
    async fn a_session_ends_when_it_is_not_used_and_after_some_time_in_any_case() {
        let directory = tempfile::tempdir().unwrap();
        let store: Arc<dyn IssueStore> =
            Arc::new(EmbeddedStore::open(&directory.path().join("issues.sqlite")).unwrap());
        let (sessions, users) = (Sessions::new(store.clone(), IDLE, MAX), Users::new(store.clone(), Vec::new()));
        let start = Timestamp::from_second(1_780_000_000).unwrap();
        let after = |minutes: i64| start + SignedDuration::from_mins(minutes);
        // Any user will do.
        let user = users.of_service("x", start).await.unwrap();
        let entry = || NewEntry::by(&Principal::local_admin(), Action::LoggedIn);
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36";
        let token = sessions.begin(&user, agent, None, entry(), start).await.unwrap();
        assert_eq!(user.role, Role::Service);
        let of = |now| sessions.of(&token, &users, now);
        assert!(of(after(59)).await.unwrap().is_some());
        assert!(of(after(59 + 60)).await.unwrap().is_none(), "an hour without use");

        let token = sessions.begin(&user, agent, Some(&token), entry(), start).await.unwrap();
        for hour in 0..24 {
            let found = sessions.of(&token, &users, after(59 * hour)).await.unwrap();
            assert!(found.is_some(), "used every hour, after {hour}");
        }
        assert!(
            sessions.of(&token, &users, after(24 * 60)).await.unwrap().is_none(),
            "a day, however often it is used"
        );

        let shown = sessions.list(&user.uid, after(23 * 59)).await.unwrap();
        assert_eq!(
            shown.iter().map(Session::place).collect::<Vec<_>>(),
            ["Chrome on Linux"],
            "the one before has ended"
        );
        assert!(!token::digest(&shown[0].id).starts_with(&shown[0].id));
        sessions.sweep(after(24 * 60)).await.unwrap();
        assert!(!sessions.is_alive(shown[0].record_id(), start).await.unwrap());
    }
}
