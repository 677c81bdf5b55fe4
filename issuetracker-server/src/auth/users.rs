//! People as the store knows them: one record each, keyed by the account at the provider.

use std::{str::FromStr, sync::Arc};

use jiff::Timestamp;

use super::{
    Principal,
    audit::{Action, NewEntry},
    identity::Identity,
    token,
};
use crate::{
    domain::Role,
    store::{Expect, Field, Fields, IssueStore, Kind, Record, RecordQuery, RecordWrite, StoreError},
};

/// How often a write is tried again because somebody else changed the record at the same time.
const ATTEMPTS: usize = 5;

/// The guard of who is ADMIN.
const ADMINS: &str = "admins";

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
    fn is_admin(&self) -> bool {
        self.is_active && self.role == Role::Admin
    }

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

/// What a person can be; programs are something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PersonRole(Role);

impl PersonRole {
    pub(crate) const ALL: [Self; 3] = [Self(Role::Viewer), Self(Role::Developer), Self(Role::Admin)];

    pub(crate) const fn role(self) -> Role {
        self.0
    }

    pub(crate) const fn as_str(self) -> &'static str {
        self.0.as_str()
    }
}

impl FromStr for PersonRole {
    type Err = UnknownRole;

    fn from_str(word: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == word).ok_or(UnknownRole)
    }
}

/// A word that is no role of a person.
#[derive(Debug, thiserror::Error)]
#[error("VIEWER, DEVELOPER or ADMIN")]
pub(crate) struct UnknownRole;

/// What an ADMIN changes of a user; what is `None` stays.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct UserChange {
    pub(crate) role: Option<PersonRole>,
    pub(crate) is_active: Option<bool>,
}

/// Why a user is not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    #[error("no such user")]
    NotFound,
    /// It is what it is.
    #[error("the role of a service does not change")]
    Service,
    /// Nobody could undo it.
    #[error("the last active ADMIN")]
    LastAdmin,
    #[error(transparent)]
    Store(#[from] StoreError),
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

    /// Users in the order of their ids, after one.
    pub(crate) async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<User>, StoreError> {
        let query = RecordQuery { kind: Kind::User, equals: None, after, limit };
        Ok(self.store.records(query).await?.iter().map(User::of).collect())
    }

    /// Changes a user for `by`. It holds from their next request on.
    pub(crate) async fn change(&self, uid: &str, change: &UserChange, by: &Principal) -> Result<User, UserError> {
        for _ in 0..ATTEMPTS {
            match self.try_change(uid, change, by).await {
                Err(UserError::Store(StoreError::Conflict)) => (),
                done => return done,
            }
        }
        Err(StoreError::Conflict.into())
    }

    async fn try_change(&self, uid: &str, change: &UserChange, by: &Principal) -> Result<User, UserError> {
        // Read before ADMINs are counted: of two who demote each other at once, one is told to look again.
        let guard = self.store.record(Kind::Guard, ADMINS).await?;
        let Some(record) = self.store.record(Kind::User, uid).await? else { return Err(UserError::NotFound) };
        let before = User::of(&record);
        if before.role == Role::Service && change.role.is_some() {
            return Err(UserError::Service);
        }
        let after = User {
            role: change.role.map_or(before.role, PersonRole::role),
            is_active: change.is_active.unwrap_or(before.is_active),
            ..before.clone()
        };
        if after == before {
            return Ok(after);
        }
        let text = |text: &str| Field::Text(text.to_owned());
        let mut fields = record.fields;
        fields.insert("role".to_owned(), text(after.role.as_str()));
        fields.insert("deactivated".to_owned(), text(if after.is_active { "" } else { "yes" }));
        let mut writes = vec![RecordWrite::put(Kind::User, uid, fields, Expect::Version(record.version))];
        if before.is_admin() && !after.is_admin() {
            if !self.admins().await?.iter().any(|admin| admin.uid != uid) {
                return Err(UserError::LastAdmin);
            }
            let expect = guard.map_or(Expect::Absent, |guard| Expect::Version(guard.version));
            // Never the same twice: a store may take that for no change.
            let fields =
                Fields::from([("changed_at".to_owned(), Field::Time(Timestamp::now())), ("uid".to_owned(), text(uid))]);
            writes.push(RecordWrite::put(Kind::Guard, ADMINS, fields, expect));
        }
        let entry = NewEntry::by(by, Action::UserChanged).to(uid).detail(described(&before, &after));
        writes.push(entry.write(Timestamp::now()));
        self.store.write_records(writes).await?;
        let (role, active) = (after.role.as_str(), after.is_active);
        tracing::info!(user_id = uid, role, active, by = by.user_id, "a user was changed");
        Ok(after)
    }

    /// The user that stands for a service; made at its first use. It has no account at any provider, so it never logs in.
    pub(crate) async fn of_service(&self, service: &str, now: Timestamp) -> Result<User, StoreError> {
        let uid = token::digest(&format!("service\0{service}"))[..32].to_owned();
        if let Some(user) = self.user(&uid).await? {
            return Ok(user);
        }
        let text = |text: &str| Field::Text(text.to_owned());
        let fields = Fields::from([
            ("email".to_owned(), Field::Text(format!("{service}@service.alphafusion.local"))),
            ("display_name".to_owned(), Field::Text(title_case(service))),
            ("role".to_owned(), text(Role::Service.as_str())),
            ("created_at".to_owned(), Field::Time(now)),
        ]);
        let write = RecordWrite::put(Kind::User, &uid, fields.clone(), Expect::Absent);
        match self.store.write_records(vec![write]).await {
            // Another request was first.
            Ok(()) | Err(StoreError::Conflict) => Ok(User::of(&Record { id: uid, fields, version: 0 })),
            Err(error) => Err(error),
        }
    }

    async fn is_any_admin(&self) -> Result<bool, StoreError> {
        Ok(!self.admins().await?.is_empty())
    }

    /// Who may change users now.
    async fn admins(&self) -> Result<Vec<User>, StoreError> {
        let admins =
            RecordQuery { kind: Kind::User, equals: Some(("role", Role::Admin.as_str())), after: None, limit: 1_000 };
        Ok(self.store.records(admins).await?.iter().map(User::of).filter(User::is_admin).collect())
    }
}

/// `market_data-service` is `Market Data Service`.
fn title_case(name: &str) -> String {
    let words = name.split(['_', '-', ' ']).filter(|word| !word.is_empty());
    let word = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    };
    words.map(word).collect::<Vec<_>>().join(" ")
}

/// What an ADMIN has changed, in words.
fn described(before: &User, after: &User) -> String {
    let role = (before.role != after.role).then(|| format!("{} to {}", before.role.as_str(), after.role.as_str()));
    let active = (before.is_active != after.is_active)
        .then(|| if after.is_active { "activated" } else { "deactivated" }.to_owned());
    role.into_iter().chain(active).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{RecordStore as _, embedded::EmbeddedStore};

    fn user(role: Role) -> Fields {
        let text = |text: &str| Field::Text(text.to_owned());
        Fields::from([("email".to_owned(), text("x@quantory.app")), ("role".to_owned(), text(role.as_str()))])
    }

    #[tokio::test]
    async fn one_admin_stays_whoever_demotes_whom_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&directory.path().join("issues.sqlite")).unwrap());
        let users = Users::new(store.clone(), Vec::new());
        let by = Principal::local_admin();
        let uids = ["ada", "grace", "edsger", "barbara"];
        let put = uids.map(|uid| RecordWrite::put(Kind::User, uid, user(Role::Admin), Expect::Absent));
        store.write_records(put.to_vec()).await.unwrap();

        let demote = UserChange { role: Some(PersonRole(Role::Viewer)), ..UserChange::default() };
        let deactivate = UserChange { is_active: Some(false), ..UserChange::default() };
        let (one, two, three, four) = tokio::join!(
            users.change("ada", &demote, &by),
            users.change("grace", &deactivate, &by),
            users.change("edsger", &demote, &by),
            users.change("barbara", &deactivate, &by),
        );
        let refused = [one, two, three, four].iter().filter(|done| matches!(done, Err(UserError::LastAdmin))).count();
        assert_eq!((refused, users.admins().await.unwrap().len()), (1, 1));
        assert!(matches!(users.change("nobody", &demote, &by).await, Err(UserError::NotFound)));
    }
}
