//! Notifications: who is told of which issues, by mail, in Slack or by a webhook. What a commit has done is put into an
//! [`Inbox`] (`inbox`); a task compares it with the rules (`rule`, `round`) and keeps what is to be told in the store, an
//! outbox for each rule (`outbox`); from there it is sent (`send`), again and again until somebody takes it. A storm is one
//! message: a rule tells at most once in its pause, and then of everything since.
//!
//! What was put into an outbox is sent, whatever is killed; it may arrive twice if the server dies between sending and
//! noting so. What a commit has done reaches the outboxes within about a second, and is not told if the server is killed
//! before.

mod address;
mod inbox;
mod message;
mod outbox;
mod round;
mod rule;
mod send;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use self::{
    inbox::Inbox,
    outbox::State,
    rule::{Channel, Draft, On, Rule, Threshold},
};
use self::{message::Message, outbox::Outboxes, round::Rounds, send::Sender};
use crate::{
    auth::{Action, NewEntry, Principal, random_id},
    config::NotifyConfig,
    store::{Expect, IssueStore, Kind, RecordQuery, RecordWrite, StoreError},
    triage::InvalidField,
};

/// The most rules.
pub const MAX_RULES: usize = 200;

/// How often the inbox is emptied.
const ROUND: Duration = Duration::from_secs(1);

/// How often outboxes are looked at although this server has put nothing into them: another one may have died.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// How long the last round may take after the stop was asked for.
pub(crate) const LAST_ROUND: Duration = Duration::from_secs(1);

/// Why a rule could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    /// Fields are wrong; nothing was done.
    #[error("the rule is not complete")]
    Invalid(Vec<InvalidField>),
    /// There are too many.
    #[error("there are {MAX_RULES} rules already")]
    TooMany,
    /// There is none of this id.
    #[error("no such rule")]
    NotFound,
    /// Somebody else changed it meanwhile.
    #[error("the rule was changed meanwhile")]
    Conflict,
    /// Store.
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for RuleError {
    fn from(error: StoreError) -> Self {
        if matches!(error, StoreError::Conflict) { Self::Conflict } else { Self::Store(error) }
    }
}

/// The rules of one store, and the task that follows them.
#[derive(Clone)]
pub struct Notifications {
    store: Arc<dyn IssueStore>,
    sender: Arc<Sender>,
    outboxes: Outboxes,
    inbox: Inbox,
    /// A rule was changed, here.
    changed: Arc<Notify>,
}

impl Notifications {
    /// Those in `store`; `public_url` is where links lead.
    ///
    /// # Errors
    /// If the mail server's name cannot be one.
    pub fn new(
        store: Arc<dyn IssueStore>,
        config: NotifyConfig,
        public_url: String,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let sender = Arc::new(Sender::new(config, public_url)?);
        let outboxes = Outboxes::new(Arc::clone(&store));
        Ok(Self { store, sender, outboxes, inbox: Inbox::listening(), changed: Arc::default() })
    }

    /// Where commits say what they have done.
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Whether mail can be sent.
    pub fn has_mail(&self) -> bool {
        self.sender.has_mail()
    }

    /// All rules, by name.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn rules(&self) -> Result<Vec<Rule>, StoreError> {
        let query = RecordQuery { kind: Kind::Rule, equals: None, after: None, limit: MAX_RULES };
        let mut rules: Vec<Rule> = self.store.records(query).await?.iter().map(Rule::of).collect();
        rules.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(rules)
    }

    /// One rule.
    ///
    /// # Errors
    /// If there is none, or those of the store.
    pub async fn rule(&self, id: &str) -> Result<Rule, RuleError> {
        let is_id = id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let record = if is_id { self.store.record(Kind::Rule, id).await? } else { None };
        record.as_ref().map(Rule::of).ok_or(RuleError::NotFound)
    }

    /// How it goes with a rule.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn state(&self, rule: &Rule) -> Result<State, StoreError> {
        self.outboxes.state(&rule.id).await
    }

    /// Makes a rule. Its secret, if it has one, is in the answer and nowhere else.
    ///
    /// # Errors
    /// If fields are wrong, or those of the store.
    pub async fn create(&self, draft: Draft, by: &Principal, now: Timestamp) -> Result<Rule, RuleError> {
        if self.rules().await?.len() >= MAX_RULES {
            return Err(RuleError::TooMany);
        }
        let rule = draft.into_rule(random_id(), by, now);
        let rule = rule.and_then(|rule| self.check(rule)).map_err(RuleError::Invalid)?;
        self.write(&rule, Expect::Absent, NewEntry::by(by, Action::RuleCreated), now).await?;
        Ok(rule)
    }

    /// Changes a rule: what the draft leaves out stays.
    ///
    /// # Errors
    /// If there is none, fields are wrong, it was changed meanwhile, or those of the store.
    pub async fn change(&self, id: &str, draft: Draft, by: &Principal, now: Timestamp) -> Result<Rule, RuleError> {
        let rule = self.rule(id).await?;
        let version = rule.version;
        let changed = draft.apply(rule).and_then(|rule| self.check(rule)).map_err(RuleError::Invalid)?;
        self.write(&changed, Expect::Version(version), NewEntry::by(by, Action::RuleChanged), now).await?;
        Ok(changed)
    }

    /// Deletes a rule, with what waits to be told by it.
    ///
    /// # Errors
    /// If there is none, or those of the store.
    pub async fn delete(&self, id: &str, by: &Principal, now: Timestamp) -> Result<(), RuleError> {
        let rule = self.rule(id).await?;
        let entry = NewEntry::by(by, Action::RuleDeleted).to(id).detail(rule.name);
        let delete = |kind| RecordWrite::delete(kind, id, Expect::Anything);
        self.store.write_records(vec![delete(Kind::Rule), delete(Kind::Outbox), entry.write(now)]).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// Sends a message that says it is a test; answers what came of it: `Err` has the reason, for people.
    ///
    /// # Errors
    /// If there is no such rule, or those of the store.
    pub async fn test(&self, id: &str, by: &Principal, now: Timestamp) -> Result<Result<(), String>, RuleError> {
        let rule = self.rule(id).await?;
        let sent = self.sender.send(&rule, &Message::test(&rule, now)).await;
        let came = if sent.is_ok() { "sent" } else { "failed" };
        let entry = NewEntry::by(by, Action::RuleTested).to(id).detail(format!("{}: {came}", rule.name));
        self.store.write_records(vec![entry.write(now)]).await?;
        Ok(sent)
    }

    fn check(&self, rule: Rule) -> Result<Rule, Vec<InvalidField>> {
        let wrong = self.sender.complaints(&rule);
        if wrong.is_empty() { Ok(rule) } else { Err(wrong) }
    }

    async fn write(&self, rule: &Rule, expect: Expect, entry: NewEntry, now: Timestamp) -> Result<(), RuleError> {
        let entry = entry.to(&rule.id).detail(format!("{}: {}", rule.name, rule.describe()));
        let put = RecordWrite::put(Kind::Rule, &rule.id, rule.fields(), expect);
        self.store.write_records(vec![put, entry.write(now)]).await?;
        self.changed.notify_one();
        Ok(())
    }

    /// Follows the rules until `shutdown`, and then once more, so that everything that was committed is in the outboxes.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut rounds = Rounds::new(Arc::clone(&self.store), self.outboxes.clone());
        let mut looked: Option<tokio::time::Instant> = None;
        while shutdown.run_until_cancelled(tokio::time::sleep(ROUND)).await.is_some() {
            if futures_util::FutureExt::now_or_never(self.changed.notified()).is_some() {
                rounds.forget_rules();
            }
            let now = Timestamp::now();
            let has_put = match rounds.gather(&self.inbox, now).await {
                Ok(has_put) => has_put,
                Err(error) => {
                    // The store says so itself, loudly; what was taken out waits for the next round.
                    tracing::debug!(%error, "nobody can be notified now");
                    false
                }
            };
            let is_time = looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY);
            if !(has_put || is_time || rounds.is_waiting()) {
                continue;
            }
            looked = Some(tokio::time::Instant::now());
            let sent = shutdown.run_until_cancelled(rounds.send(&self.sender, now)).await;
            if let Some(Err(error)) = sent {
                tracing::debug!(%error, "notifications wait for the store");
            }
        }
        let _ = rounds.gather(&self.inbox, Timestamp::now()).await;
    }
}
