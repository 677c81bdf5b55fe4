//! People as the store knows them: one record each, keyed by the account at the provider.

use std::sync::Arc;

use jiff::Timestamp;

use super::identity::Identity;
use crate::{
    domain::Role,
    store::{Expect, Field, Fields, IssueStore, Kind, Record, RecordQuery, RecordWrite, StoreError},
};

/// How often a write is tried again because somebody else changed the record at the same time.
const ATTEMPTS: usize = 5;

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: String,
    pub(crate) email: String,
    pub(crate) display_name: String,
    pub(crate) role: Role,
    pub(crate) is_active: bool,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) last_login: Option<Timestamp>,
}

impl User {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            uid: record.id.clone(),
            email: record.text("email").to_owned(),
            display_name: record.text("display_name").to_owned(),
            // A word that this version does not know gives the least.
            role: Role::of_word(record.text("role")).unwrap_or(Role::Viewer),
            is_active: record.text("deactivated").is_empty(),
            created_at: record.time("created_at"),
            last_login: record.time("last_login"),
        }
    }
}

/// The users of one store.
pub(crate) struct Users {
    store: Arc<dyn IssueStore>,
    /// Who is ADMIN before there is any.
    first_admins: Vec<String>,
}

impl Users {
    pub(crate) fn new(store: Arc<dyn IssueStore>, first_admins: Vec<String>) -> Self {
        Self { store, first_admins }
    }

    pub(crate) async fn user(&self, uid: &str) -> Result<Option<User>, StoreError> {
        Ok(self.store.record(Kind::User, uid).await?.map(|record| User::of(&record)))
    }

    /// Creates or updates who logs in; `None` if an ADMIN has deactivated them.
    pub(crate) async fn log_in(&self, identity: &Identity, now: Timestamp) -> Result<Option<User>, StoreError> {
        for _ in 0..ATTEMPTS {
            match self.try_log_in(identity, now).await {
                Err(StoreError::Conflict) => (),
                done => return done,
            }
        }
        Err(StoreError::Conflict)
    }

    async fn try_log_in(&self, identity: &Identity, now: Timestamp) -> Result<Option<User>, StoreError> {
        let uid = identity.uid();
        let found = self.store.record(Kind::User, &uid).await?;
        let is_listed = self.first_admins.contains(&identity.email);
        let text = |text: &str| Field::Text(text.to_owned());
        let (mut fields, expect) = match &found {
            Some(record) if !User::of(record).is_active => return Ok(None),
            Some(record) => (record.fields.clone(), Expect::Version(record.version)),
            None => (Fields::from([("created_at".to_owned(), Field::Time(now))]), Expect::Absent),
        };
        let role = match &found {
            None if is_listed => Role::Admin,
            // Whoever was there before the list named them, and whoever is needed because there is no ADMIN any more.
            Some(_) if is_listed && !self.is_any_admin().await? => Role::Admin,
            Some(record) => User::of(record).role,
            None => Role::Viewer,
        };
        for (name, value) in [
            ("issuer", text(&identity.issuer)),
            ("subject", text(&identity.subject)),
            ("email", text(&identity.email)),
            ("display_name", text(&identity.name)),
            ("role", text(role.as_str())),
            ("last_login", Field::Time(now)),
        ] {
            fields.insert(name.to_owned(), value);
        }
        let write = RecordWrite::put(Kind::User, &uid, fields, expect);
        self.store.write_records(vec![write]).await?;
        self.user(&uid).await
    }

    async fn is_any_admin(&self) -> Result<bool, StoreError> {
        let admins =
            RecordQuery { kind: Kind::User, equals: Some(("role", Role::Admin.as_str())), after: None, limit: 1_000 };
        Ok(self.store.records(admins).await?.iter().any(|record| User::of(record).is_active))
    }
}
