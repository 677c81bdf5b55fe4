//! Login from the first click to the session. What is under way is a record under a hash of its state: whoever deletes it
//! goes on, so each state counts once, on whichever server the browser comes back to.

use std::{net::IpAddr, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::{
    Principal,
    audit::{Action, Audit, NewEntry},
    csrf_token,
    identity::Stranger,
    keys::{Keys, Refused},
    people::{Directory, People},
    provider::{Arrival, Provider, ProviderError},
    sessions::Sessions,
    token,
    users::{User, Users},
};
use crate::{
    config::LoginConfig,
    domain::Permission,
    store::{Expect, Field, Fields, IssueStore, Kind, Record, RecordWrite, StoreError, sweep_records},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A login takes no longer, from the first click to the return.
pub(crate) const MAX_LOGIN: Duration = Duration::from_secs(600);

/// Why somebody is not logged in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoginError {
    /// There is no such login under way in this browser: too late, used before, or begun elsewhere.
    #[error("no such login is under way")]
    Stale,
    /// The provider was used, but not to log in.
    #[error("the provider says: {0}")]
    Declined(&'static str),
    /// Provider.
    #[error(transparent)]
    Provider(#[from] ProviderError),
    /// An ADMIN has deactivated them.
    #[error("deactivated")]
    Deactivated,
    /// Store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A browser that leaves for the provider.
pub(crate) struct Begun {
    pub(crate) url: String,
    /// What the browser has to hold until it comes back.
    pub(crate) browser: String,
}

/// What the provider sends back with the browser.
#[derive(Debug, Default)]
pub(crate) struct Callback {
    pub(crate) state: String,
    pub(crate) code: String,
    pub(crate) error: String,
    pub(crate) issuer: Option<String>,
}

/// Who logs in for the first time is welcomed for so long.
const WELCOMED_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Everything about login; there is one if login is configured.
pub struct Login {
    pub(crate) config: LoginConfig,
    pub(crate) users: Users,
    pub(crate) sessions: Sessions,
    pub(crate) keys: Keys,
    pub(crate) audit: Audit,
    directory: Directory,
    /// Counts what this server decides about who may look.
    access: watch::Sender<u64>,
    provider: Provider,
    store: Arc<dyn IssueStore>,
}

impl Login {
    /// As configured. The provider is not asked yet.
    ///
    /// # Errors
    /// If this machine's TLS cannot be used.
    pub fn new(config: LoginConfig, store: Arc<dyn IssueStore>) -> Result<Self, BoxError> {
        Ok(Self {
            users: Users::new(Arc::clone(&store), config.admins.clone()),
            sessions: Sessions::new(Arc::clone(&store), config.session_idle, config.session_max),
            keys: Keys::new(Arc::clone(&store)),
            directory: Directory::default(),
            access: watch::Sender::new(0),
            audit: Audit::new(Arc::clone(&store)),
            provider: Provider::new(config.clone())?,
            config,
            store,
        })
    }

    /// Who holds this token.
    pub(crate) async fn principal(&self, token: &str, now: Timestamp) -> Result<Option<Principal>, StoreError> {
        let found = self.sessions.of(token, &self.users, now).await?;
        Ok(found.map(|(session, user)| Principal {
            session: Some(session),
            csrf: Some(csrf_token(token)),
            ..principal(user, now)
        }))
    }

    /// Tells everybody who listens to live updates that sessions have ended, or that users may do something else.
    pub(crate) fn tell_access(&self) {
        self.directory.forget();
        self.access.send_modify(|count| *count += 1);
    }

    /// Everybody who has ever logged in.
    pub(crate) async fn people(&self) -> Arc<People> {
        self.directory.people(&self.users).await
    }

    /// Hears of that.
    pub(crate) fn access(&self) -> watch::Receiver<u64> {
        self.access.subscribe()
    }

    /// Whether somebody may still read who was allowed to before.
    pub(crate) async fn may_still_read(&self, principal: &Principal, now: Timestamp) -> Result<bool, StoreError> {
        let Some(session) = &principal.session else { return Ok(false) };
        if !self.sessions.is_alive(session, now).await? {
            return Ok(false);
        }
        let user = self.users.user(&principal.user_id).await?;
        Ok(user.is_some_and(|user| user.is_active && user.role.may(Permission::Read)))
    }

    /// Which service shows this key.
    pub(crate) async fn service(&self, key: &str, now: Timestamp) -> Result<Result<Principal, Refused>, StoreError> {
        self.keys.principal(key, &self.users, now).await
    }

    /// Begins a login that is to end at `next`. `browser` is what the browser holds from another one.
    pub(crate) async fn begin(&self, next: &str, browser: Option<String>, now: Timestamp) -> Result<Begun, LoginError> {
        let departure = self.provider.depart().await?;
        // Logins in several tabs share it.
        let browser = browser.unwrap_or_else(token::random);
        let text = Field::Text;
        let fields = Fields::from([
            ("nonce".to_owned(), text(departure.nonce)),
            ("verifier".to_owned(), text(departure.verifier)),
            ("browser".to_owned(), text(token::digest(&browser))),
            ("next".to_owned(), text(next.to_owned())),
            ("created_at".to_owned(), Field::Time(now)),
        ]);
        let write = RecordWrite::put(Kind::Login, &token::digest(&departure.state), fields, Expect::Absent);
        self.store.write_records(vec![write]).await?;
        Ok(Begun { url: departure.url.into(), browser })
    }

    /// Ends it. Returns the session's token and where the browser wanted to go.
    pub(crate) async fn finish(
        &self,
        callback: Callback,
        browser: Option<&str>,
        agent: &str,
        before: Option<&str>,
        address: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<(String, String), LoginError> {
        let login = self.take(&callback.state, browser, now).await?;
        if callback.issuer.is_some_and(|issuer| issuer != self.config.issuer) {
            return Err(ProviderError::Untrusted("somebody else has answered".to_owned()).into());
        }
        if !callback.error.is_empty() || callback.code.is_empty() {
            return Err(LoginError::Declined(match callback.error.as_str() {
                "access_denied" => "access_denied",
                _ => "an error",
            }));
        }
        let arrival = Arrival {
            code: callback.code,
            nonce: login.text("nonce").to_owned(),
            verifier: login.text("verifier").to_owned(),
        };
        let identity = self.provider.arrive(arrival, now).await?;
        let user = self.users.log_in(&identity, now).await?.ok_or(LoginError::Deactivated)?;
        let entry = NewEntry::by(&principal(user.clone(), now), Action::LoggedIn).at_address(address);
        let token = self.sessions.begin(&user, agent, before, entry, now).await?;
        tracing::info!(user_id = user.uid, role = user.role.as_str(), "somebody has logged in");
        Ok((token, login.text("next").to_owned()))
    }

    /// The login of this state, if this browser has begun it and nobody has ended it.
    async fn take(&self, state: &str, browser: Option<&str>, now: Timestamp) -> Result<Record, LoginError> {
        let record = self.store.record(Kind::Login, &token::digest(state)).await?.ok_or(LoginError::Stale)?;
        if browser.map(token::digest).as_deref() != Some(record.text("browser")) {
            return Err(LoginError::Stale);
        }
        let delete = RecordWrite::delete(Kind::Login, &record.id, Expect::Version(record.version));
        match self.store.write_records(vec![delete]).await {
            Err(StoreError::Conflict) => return Err(LoginError::Stale),
            done => done?,
        }
        if is_over(&record, now) { Err(LoginError::Stale) } else { Ok(record) }
    }

    /// Deletes what is over: logins that nobody came back from, sessions, and what the audit log keeps no longer.
    ///
    /// # Errors
    /// If the store is unavailable; the next time does the rest.
    pub async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        self.sessions.sweep(now).await?;
        self.audit.sweep(now).await?;
        sweep_records(&*self.store, Kind::Login, |record| is_over(record, now)).await
    }
}

/// A user without a session.
fn principal(user: User, now: Timestamp) -> Principal {
    let is_newcomer = user.created_at.is_some_and(|at| now.duration_since(at) < WELCOMED_FOR);
    let User { uid, display_name, role, .. } = user;
    Principal { user_id: uid, display_name, role, session: None, csrf: None, service: None, is_newcomer }
}

fn is_over(login: &Record, now: Timestamp) -> bool {
    login.time("created_at").is_none_or(|begun| now.duration_since(begun).unsigned_abs() > MAX_LOGIN)
}

impl LoginError {
    /// Whether somebody was kept out; else it could not be decided.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Provider(ProviderError::Unavailable(_)))
    }

    /// For the log: why, in words of ours only.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Provider(ProviderError::Stranger(stranger)) => match stranger {
                Stranger::NoEmail => "no mail address",
                Stranger::Unverified => "the mail address is not verified",
                Stranger::Domain => "the mail address is of another domain",
                Stranger::Organisation => "the account is of another organisation, or of none",
            }
            .to_owned(),
            error => error.to_string(),
        }
    }
}
