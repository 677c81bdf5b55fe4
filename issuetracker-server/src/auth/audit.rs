//! What was done by whom, for ADMINs to look up afterwards: who came in or was refused, and what was changed of users, keys
//! and letters. Entries are only added; after a year they go. No secret is ever in one.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{Principal, token};
use crate::store::{Expect, Field, Fields, IssueStore, Kind, Record, RecordQuery, RecordWrite, StoreError};

/// Entries are kept for so long.
pub(crate) const KEPT: Duration = Duration::from_secs(365 * 86_400);

/// Refused logins a minute that have entries of their own; more are counted in the next one. Strangers decide how many
/// there are.
const MAX_REFUSALS: u32 = 20;

/// The longest text of an entry, in characters.
const MAX_TEXT_CHARS: usize = 300;

/// How many entries one step of sweeping deletes.
const SWEEP_STEP: usize = 200;

macro_rules! actions {
    ($($name:ident = $word:literal: $label:literal),+ $(,)?) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Action { $(#[doc = $label] $name),+ }

        impl Action {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The word for it in the store and the API.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// What people read.
            pub(crate) const fn label(self) -> &'static str {
                match self { $(Self::$name => $label),+ }
            }
        }
    };
}

actions! {
    LoggedIn = "logged_in": "logged in",
    LoginRefused = "login_refused": "was refused",
    LoggedOut = "logged_out": "logged out",
    SessionEnded = "session_ended": "ended a session",
    UserChanged = "user_changed": "changed a user",
    KeyCreated = "key_created": "created a key",
    KeyRevoked = "key_revoked": "revoked a key",
    RuleCreated = "rule_created": "created a rule of notification",
    RuleChanged = "rule_changed": "changed a rule of notification",
    RuleDeleted = "rule_deleted": "deleted a rule of notification",
    RuleTested = "rule_tested": "tested a rule of notification",
    LettersReplayed = "letters_replayed": "replayed dead letters",
    CommentDeleted = "comment_deleted": "deleted a comment",
    GapDismissed = "gap_dismissed": "dismissed a gap",
}

impl Action {
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|action| action.as_str() == word)
    }
}

/// One entry as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) at: Option<Timestamp>,
    /// Its word; a later version may have written one that this one does not know.
    pub(crate) action: String,
    /// Whose user id; empty for strangers.
    pub(crate) actor_id: String,
    /// What they were called then.
    pub(crate) actor: String,
    /// What it was done to.
    pub(crate) subject: String,
    pub(crate) detail: String,
    /// Where the request came from, if that was noted.
    pub(crate) address: String,
}

impl Entry {
    fn of(record: &Record) -> Self {
        let text = |name: &str| record.text(name).to_owned();
        Self {
            id: record.id.clone(),
            at: record.time("at"),
            action: text("action"),
            actor_id: text("actor_id"),
            actor: text("actor"),
            subject: text("subject"),
            detail: text("detail"),
            address: text("address"),
        }
    }
}

/// An entry to be written, by itself or in the same commit as what it tells.
#[derive(Debug, Clone)]
pub(crate) struct NewEntry {
    action: Action,
    actor_id: String,
    actor: String,
    subject: String,
    detail: String,
    address: String,
}

impl NewEntry {
    pub(crate) fn by(principal: &Principal, action: Action) -> Self {
        let (actor_id, actor) = (principal.user_id.clone(), principal.display_name.clone());
        Self { action, actor_id, actor, subject: String::new(), detail: String::new(), address: String::new() }
    }

    /// What it was done to.
    pub(crate) fn to(self, subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), ..self }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    pub(crate) fn at_address(self, address: Option<IpAddr>) -> Self {
        Self { address: address.map(|address| address.to_string()).unwrap_or_default(), ..self }
    }

    pub(crate) fn write(self, now: Timestamp) -> RecordWrite {
        let text = |text: String| {
            let text: String = text.chars().filter(|c| !c.is_control()).take(MAX_TEXT_CHARS).collect();
            Field::Text(text)
        };
        let fields = Fields::from([
            ("at".to_owned(), Field::Time(now)),
            ("action".to_owned(), text(self.action.as_str().to_owned())),
            ("actor_id".to_owned(), text(self.actor_id)),
            ("actor".to_owned(), text(self.actor)),
            ("subject".to_owned(), text(self.subject)),
            ("detail".to_owned(), text(self.detail)),
            ("address".to_owned(), text(self.address)),
        ]);
        let random = &token::digest(&token::random())[..12];
        RecordWrite::put(Kind::Audit, &format!("{}{random}", at(now)), fields, Expect::Absent)
    }
}

/// The beginning of the ids of a moment: the later, the less, so that the order of ids begins with the newest.
fn at(moment: Timestamp) -> String {
    format!("{:016x}", i64::MAX.saturating_sub(moment.as_microsecond()))
}

/// The audit log of one store.
#[derive(Clone)]
pub(crate) struct Audit {
    store: Arc<dyn IssueStore>,
    refusals: Arc<Mutex<Refusals>>,
}

/// Refused logins of this minute.
#[derive(Default)]
struct Refusals {
    minute: i64,
    written: u32,
    /// Since the last entry.
    left_out: u64,
}

impl Audit {
    pub(crate) fn new(store: Arc<dyn IssueStore>) -> Self {
        Self { store, refusals: Arc::default() }
    }

    /// Adds an entry about something that has been done. If that fails, the log has it at least.
    pub(crate) async fn add(&self, entry: NewEntry, now: Timestamp) {
        let told = entry.clone();
        if let Err(error) = self.store.write_records(vec![entry.write(now)]).await {
            let NewEntry { action, actor_id, subject, .. } = told;
            tracing::error!(%error, action = action.as_str(), actor_id, subject, "the audit log has no entry of this");
        }
    }

    /// Adds that somebody was not let in, as long as there are not too many of them.
    pub(crate) async fn refused(&self, reason: String, address: Option<IpAddr>, now: Timestamp) {
        let Some(left_out) = self.may_write_refusal(now) else { return };
        let detail = match left_out {
            0 => reason,
            more => format!("{reason}; {more} refused logins before this one have no entry"),
        };
        let entry = NewEntry {
            action: Action::LoginRefused,
            actor_id: String::new(),
            actor: String::new(),
            subject: String::new(),
            detail,
            address: String::new(),
        };
        self.add(entry.at_address(address), now).await;
    }

    fn may_write_refusal(&self, now: Timestamp) -> Option<u64> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.as_second().div_euclid(60);
        if refusals.minute != minute {
            (refusals.minute, refusals.written) = (minute, 0);
        }
        if refusals.written == MAX_REFUSALS {
            refusals.left_out += 1;
            return None;
        }
        refusals.written += 1;
        Some(std::mem::take(&mut refusals.left_out))
    }

    /// Entries, newest first, after one; of one action or one user only.
    pub(crate) async fn list(
        &self,
        only: Option<(&'static str, &str)>,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        let query = RecordQuery { kind: Kind::Audit, equals: only, after, limit };
        Ok(self.store.records(query).await?.iter().map(Entry::of).collect())
    }

    /// Deletes what is older than a year.
    pub(crate) async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        let Ok(oldest) = now.checked_sub(KEPT) else { return Ok(()) };
        loop {
            let after = at(oldest);
            let query = RecordQuery { kind: Kind::Audit, equals: None, after: Some(&after), limit: SWEEP_STEP };
            let old = self.store.records(query).await?;
            let deletes = old.iter().map(|record| RecordWrite::delete(Kind::Audit, &record.id, Expect::Anything));
            let deletes: Vec<_> = deletes.collect();
            if deletes.is_empty() {
                return Ok(());
            }
            self.store.write_records(deletes).await?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::embedded::EmbeddedStore;

    fn audit() -> (tempfile::TempDir, Audit) {
        let directory = tempfile::tempdir().unwrap();
        let store = EmbeddedStore::open(&directory.path().join("issues.sqlite")).unwrap();
        (directory, Audit::new(Arc::new(store)))
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(1_780_000_000 + second).unwrap()
    }

    #[tokio::test]
    async fn the_newest_come_first_and_after_a_year_they_go() {
        let (_directory, audit) = audit();
        let by = Principal::local_admin();
        for nth in 0..3 {
            audit.add(NewEntry::by(&by, Action::KeyCreated).to(format!("k{nth}")).detail("a\nb"), second(nth)).await;
        }
        audit.add(NewEntry::by(&by, Action::KeyRevoked), second(9)).await;
        let created = audit.list(Some(("action", Action::KeyCreated.as_str())), None, 10).await.unwrap();
        let subjects: Vec<&str> = created.iter().map(|entry| entry.subject.as_str()).collect();
        assert_eq!(subjects, ["k2", "k1", "k0"]);
        assert_eq!((created[0].detail.as_str(), created[0].actor_id.as_str()), ("ab", "local-admin"));
        let rest = audit.list(None, Some(&created[0].id), 10).await.unwrap();
        assert_eq!(rest.len(), 2);

        audit.sweep(second(1) + KEPT).await.unwrap();
        assert_eq!(audit.list(None, None, 10).await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn strangers_cannot_flood_it() {
        let (_directory, audit) = audit();
        for _ in 0..100 {
            audit.refused("the mail address is of another domain".to_owned(), None, second(0)).await;
        }
        audit.refused("no mail address".to_owned(), "10.0.0.7".parse().ok(), second(60)).await;
        let entries = audit.list(None, None, 100).await.unwrap();
        assert_eq!(entries.len(), 21);
        assert_eq!(entries[0].detail, "no mail address; 80 refused logins before this one have no entry");
        assert_eq!(entries[0].address, "10.0.0.7");
    }
}
