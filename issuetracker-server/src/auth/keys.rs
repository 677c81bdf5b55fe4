//! Keys of services: what a program shows instead of a session. A key is for one service, is shown once, and only its hash
//! is kept. 256 random bits cannot be guessed from a hash, so a fast one is right: it is asked for each request.

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    Principal,
    audit::{Action, NewEntry},
    token,
    users::Users,
};
use crate::{
    domain::{Role, clean, to_micros},
    store::{Expect, Field, Fields, IssueStore, Kind, Record, RecordQuery, RecordWrite, StoreError},
};

/// How a key begins, so that scanners of code and logs, and our own redaction, know one.
const PREFIX: &str = "itk_";

/// The letters of the public part.
const ID_CHARS: usize = 16;

/// That a key is in use is noted so often, not with each request.
const NOTED_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// The longest name of a service, in characters; as in events.
const MAX_SERVICE_CHARS: usize = 200;

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its public part, which the key begins with.
    pub id: String,
    /// Whose events it may send.
    pub service: String,
    /// The user id of who created it.
    pub created_by: String,
    /// When.
    pub created_at: Option<Timestamp>,
    /// From then on it is refused; `None`: never.
    pub expires_at: Option<Timestamp>,
    /// When it was last used, to the minute.
    pub last_used: Option<Timestamp>,
}

impl Key {
    fn of(record: &Record) -> Self {
        Self {
            id: record.id.clone(),
            service: record.text("service").to_owned(),
            created_by: record.text("created_by").to_owned(),
            created_at: record.time("created_at"),
            expires_at: record.time("expires_at"),
            last_used: record.time("last_used"),
        }
    }

    /// Whether its time is over.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Why there is no such key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Nothing that a service is called.
    #[error("a name of 1 to {MAX_SERVICE_CHARS} characters, as the service reports itself")]
    Service,
    /// It would never be valid.
    #[error("a moment in the future")]
    Expiry,
    /// There is none of this id.
    #[error("no such key")]
    NotFound,
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a key is refused; for the log, not for who shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    Malformed,
    Unknown,
    Wrong,
    Expired,
    Deactivated,
}

impl Refused {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "it does not look like a key of ours",
            Self::Unknown => "there is no such key; it may have been revoked",
            Self::Wrong => "its secret is wrong",
            Self::Expired => "it has expired",
            Self::Deactivated => "its service has been deactivated",
        }
    }
}

/// The keys of one store.
#[derive(Clone)]
pub struct Keys {
    store: Arc<dyn IssueStore>,
}

impl Keys {
    /// Those in `store`.
    pub fn new(store: Arc<dyn IssueStore>) -> Self {
        Self { store }
    }

    /// Makes a key for a service, and returns it with its whole text: nobody can see that again.
    ///
    /// # Errors
    /// If the name or the end cannot be, or those of the store.
    pub async fn create(
        &self,
        service: &str,
        expires_at: Option<Timestamp>,
        by: &Principal,
        now: Timestamp,
    ) -> Result<(Key, String), KeyError> {
        let (service, now) = (service.trim(), to_micros(now));
        if service.is_empty()
            || service.chars().count() > MAX_SERVICE_CHARS
            || service.contains(char::is_control)
            || clean(service) != service
        {
            return Err(KeyError::Service);
        }
        if expires_at.is_some_and(|end| end <= now) {
            return Err(KeyError::Expiry);
        }
        let id = token::digest(&token::random())[..ID_CHARS].to_owned();
        let secret = token::digest(&token::random());
        let text = format!("{PREFIX}{id}_{secret}");
        let mut fields = Fields::from([
            ("service".to_owned(), Field::Text(service.to_owned())),
            ("hash".to_owned(), Field::Text(token::digest(&text))),
            ("created_by".to_owned(), Field::Text(by.user_id.clone())),
            ("created_at".to_owned(), Field::Time(now)),
        ]);
        fields.extend(expires_at.map(|end| ("expires_at".to_owned(), Field::Time(end))));
        let entry = NewEntry::by(by, Action::KeyCreated).to(&id).detail(format!("for {service}"));
        let put = RecordWrite::put(Kind::Key, &id, fields.clone(), Expect::Absent);
        self.store.write_records(vec![put, entry.write(now)]).await?;
        tracing::info!(key_id = id, service, by = by.user_id, "a key was created");
        Ok((Key::of(&Record { id, fields, version: 0 }), text))
    }

    /// Keys in the order of their ids, after one.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<Key>, StoreError> {
        let query = RecordQuery { kind: Kind::Key, equals: None, after, limit };
        Ok(self.store.records(query).await?.iter().map(Key::of).collect())
    }

    /// Ends a key: the next request with it is refused.
    ///
    /// # Errors
    /// If there is none, or those of the store.
    pub async fn revoke(&self, id: &str, by: &Principal, now: Timestamp) -> Result<Key, KeyError> {
        let is_id = id.len() == ID_CHARS && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let record = if is_id { self.store.record(Kind::Key, id).await? } else { None };
        let key = record.as_ref().map(Key::of).ok_or(KeyError::NotFound)?;
        let entry = NewEntry::by(by, Action::KeyRevoked).to(id).detail(format!("for {}", key.service));
        // That it is in use may be noted at this very moment.
        let delete = RecordWrite::delete(Kind::Key, id, Expect::Anything);
        self.store.write_records(vec![delete, entry.write(now)]).await?;
        tracing::info!(key_id = id, service = key.service, by = by.user_id, "a key was revoked");
        Ok(key)
    }

    /// Who shows this key. At its first use the service becomes a user.
    pub(crate) async fn principal(
        &self,
        text: &str,
        users: &Users,
        now: Timestamp,
    ) -> Result<Result<Principal, Refused>, StoreError> {
        let Some(id) = id_of(text) else { return Ok(Err(Refused::Malformed)) };
        let Some(record) = self.store.record(Kind::Key, id).await? else { return Ok(Err(Refused::Unknown)) };
        // Hashes are compared: how many letters of a wrong one are right tells nothing about the key.
        if record.text("hash") != token::digest(text) {
            return Ok(Err(Refused::Wrong));
        }
        let key = Key::of(&record);
        if key.is_expired(now) {
            return Ok(Err(Refused::Expired));
        }
        let user = users.of_service(&key.service, now).await?;
        if !user.is_active {
            return Ok(Err(Refused::Deactivated));
        }
        self.note(record, now);
        Ok(Ok(Principal {
            user_id: user.uid,
            display_name: user.display_name,
            role: Role::Service,
            session: None,
            csrf: None,
            service: Some(key.service),
            is_newcomer: false,
        }))
    }

    /// Notes that a key was used, behind the request's back.
    fn note(&self, record: Record, now: Timestamp) {
        let is_noted = |used: Timestamp| now.duration_since(used).unsigned_abs() < NOTED_EVERY;
        if record.time("last_used").is_some_and(is_noted) {
            return;
        }
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let mut fields = record.fields;
            fields.insert("last_used".to_owned(), Field::Time(now));
            let write = RecordWrite::put(Kind::Key, &record.id, fields, Expect::Version(record.version));
            // Another request has noted it, or it was just revoked, or the next one will.
            let _ = store.write_records(vec![write]).await;
        });
    }
}

/// The public part of what looks like a key.
pub(crate) fn id_of(text: &str) -> Option<&str> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    (id.len() == ID_CHARS && secret.len() == 64 && is_hex(id) && is_hex(secret)).then_some(id)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::{
        auth::UserChange,
        store::{RecordStore as _, embedded::EmbeddedStore},
    };

    #[tokio::test]
    async fn a_key_is_its_service_until_it_expires_or_is_revoked() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&directory.path().join("issues.sqlite")).unwrap());
        let (keys, users) = (Keys::new(store.clone()), Users::new(store.clone(), Vec::new()));
        let (by, now) = (Principal::local_admin(), Timestamp::from_second(1_780_000_000).unwrap());
        let (key, text) =
            keys.create(" market_data ", Some(now + SignedDuration::from_hours(1)), &by, now).await.unwrap();
        assert_eq!((key.service.as_str(), id_of(&text)), ("market_data", Some(key.id.as_str())));
        let stored = format!("{:?}", store.record(Kind::Key, &key.id).await.unwrap());
        assert!(!stored.contains(&text[21..]), "the secret is stored: {stored}");
        let redacted = tracing_issues::Redactor::default().text(&format!("sent {text}")).into_owned();
        assert_eq!(redacted, "sent [redacted]");

        let principal = keys.principal(&text, &users, now).await.unwrap().unwrap();
        assert_eq!((principal.role, principal.service.as_deref()), (Role::Service, Some("market_data")));
        let user = users.user(&principal.user_id).await.unwrap().unwrap();
        assert_eq!(
            (user.email.as_str(), user.display_name.as_str()),
            ("market_data@service.alphafusion.local", "Market Data")
        );
        let again = keys.principal(&text, &users, now).await.unwrap().unwrap();
        assert_eq!(again, principal, "one user");

        let refused = |text: String, now| {
            let (keys, users) = (&keys, &users);
            async move { keys.principal(&text, users, now).await.unwrap().unwrap_err() }
        };
        assert_eq!(refused(text.clone(), now + SignedDuration::from_hours(1)).await, Refused::Expired);
        let last = if text.ends_with('0') { "1" } else { "0" };
        assert_eq!(refused(format!("{}{last}", &text[..text.len() - 1]), now).await, Refused::Wrong);
        assert_eq!(refused("itk_x".to_owned(), now).await, Refused::Malformed);
        let off = UserChange { is_active: Some(false), ..UserChange::default() };
        users.change(&principal.user_id, &off, &by).await.unwrap();
        assert_eq!(refused(text.clone(), now).await, Refused::Deactivated);

        keys.revoke(&key.id, &by, now).await.unwrap();
        assert_eq!(refused(text, now).await, Refused::Unknown);
        assert!(matches!(keys.revoke(&key.id, &by, now).await, Err(KeyError::NotFound)));
        assert!(matches!(keys.revoke("../x", &by, now).await, Err(KeyError::NotFound)));
        for name in ["", " ", "a\nb", &"x".repeat(201)] {
            assert!(matches!(keys.create(name, None, &by, now).await, Err(KeyError::Service)), "{name:?}");
        }
        assert!(matches!(keys.create("a", Some(now), &by, now).await, Err(KeyError::Expiry)));
    }
}
