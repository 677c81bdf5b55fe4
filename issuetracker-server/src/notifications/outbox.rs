//! What waits to be told, a record for each rule: any server adds to it, and one at a time sends it. Every step names the
//! version that it has read, so that two servers never overwrite each other.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::{
    message::{Item, MAX_ITEMS, Message},
    rule::Rule,
};
use crate::store::{
    Expect, Field, Fields, IssueStore, Kind, Record, RecordQuery, RecordWrite, StoreError, sweep_records,
};

/// What happens shortly after the first thing is told with it.
const GATHER: SignedDuration = SignedDuration::from_secs(2);

/// Whoever sends has so long; after that somebody else does.
const LEASE: SignedDuration = SignedDuration::from_secs(60);

/// The wait after a failure; it doubles up to the longest.
const RETRY: Duration = Duration::from_secs(10);
const LONGEST_RETRY: Duration = Duration::from_secs(3_600);

/// How often a step is tried when others are quicker.
const TRIES: usize = 8;

/// How it goes with a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Issues that wait to be told of.
    pub waiting: u64,
    /// When something was told last.
    pub last_sent: Option<Timestamp>,
    /// How often in a row it could not be told.
    pub failures: u32,
    /// Why, for people.
    pub error: String,
    /// When it is tried next, if something waits.
    pub next_at: Option<Timestamp>,
}

/// Something to be told; `told`: only if the rule was not told of it lately.
pub(super) struct Addition {
    pub(super) item: Item,
    pub(super) told: Option<Told>,
}

/// The record that keeps a rule from telling the same again and again.
pub(super) struct Told {
    pub(super) id: String,
    pub(super) cool_down: SignedDuration,
}

/// A rule's outbox, as it was read.
#[derive(Debug, Clone, Default)]
struct Outbox {
    items: Vec<Item>,
    more: u64,
    next_at: Option<Timestamp>,
    leased_until: Option<Timestamp>,
    last_sent: Option<Timestamp>,
    failures: u32,
    error: String,
    /// None: it is not there.
    version: Option<i64>,
}

impl Outbox {
    fn of(record: &Record) -> Self {
        Self {
            // What a later version has written differently is told as a number.
            items: serde_json::from_str(record.text("items")).unwrap_or_default(),
            more: record.text("more").parse().unwrap_or_default(),
            next_at: record.time("next_at"),
            leased_until: record.time("leased_until"),
            last_sent: record.time("last_sent"),
            failures: record.text("failures").parse().unwrap_or_default(),
            error: record.text("error").to_owned(),
            version: Some(record.version),
        }
    }

    fn write(&self, id: &str) -> RecordWrite {
        let text = |name: &str, text: String| (name.to_owned(), Field::Text(text));
        let items = serde_json::to_string(&self.items).unwrap_or_default();
        let mut fields = Fields::from([
            text("items", items),
            text("more", self.more.to_string()),
            text("failures", self.failures.to_string()),
            text("error", self.error.clone()),
        ]);
        let times = [("next_at", self.next_at), ("leased_until", self.leased_until), ("last_sent", self.last_sent)];
        fields.extend(times.into_iter().filter_map(|(name, at)| Some((name.to_owned(), Field::Time(at?)))));
        RecordWrite::put(Kind::Outbox, id, fields, self.version.map_or(Expect::Absent, Expect::Version))
    }

    fn waiting(&self) -> u64 {
        self.items.len() as u64 + self.more
    }

    fn add(&mut self, item: Item) {
        let is_same = |known: &Item| (known.event, &known.issue_id) == (item.event, &item.issue_id);
        if self.items.iter().any(is_same) {
            return;
        }
        if self.items.len() < MAX_ITEMS { self.items.push(item) } else { self.more += 1 }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let is_over = |time: Option<Timestamp>| time.is_none_or(|time| time <= now);
        self.waiting() > 0 && is_over(self.next_at) && is_over(self.leased_until)
    }
}

/// A message that this server has taken on to send.
pub(super) struct Taken {
    pub(super) message: Message,
    items: usize,
    more: u64,
}

#[derive(Clone)]
pub(super) struct Outboxes {
    store: Arc<dyn IssueStore>,
}

impl Outboxes {
    pub(super) fn new(store: Arc<dyn IssueStore>) -> Self {
        Self { store }
    }

    async fn read(&self, id: &str) -> Result<Outbox, StoreError> {
        Ok(self.store.record(Kind::Outbox, id).await?.as_ref().map(Outbox::of).unwrap_or_default())
    }

    pub(super) async fn state(&self, id: &str) -> Result<State, StoreError> {
        let outbox = self.read(id).await?;
        Ok(State {
            waiting: outbox.waiting(),
            last_sent: outbox.last_sent,
            failures: outbox.failures,
            next_at: outbox.next_at.filter(|_| outbox.waiting() > 0),
            error: outbox.error,
        })
    }

    /// The ids of rules for which something waits; `true` if it is due.
    pub(super) async fn waiting(&self, now: Timestamp) -> Result<Vec<(String, bool)>, StoreError> {
        let query = RecordQuery { kind: Kind::Outbox, equals: None, after: None, limit: super::MAX_RULES };
        let records = self.store.records(query).await?;
        let outboxes = records.iter().map(|record| (record, Outbox::of(record)));
        let waiting = outboxes.filter(|(_, outbox)| outbox.waiting() > 0);
        Ok(waiting.map(|(record, outbox)| (record.id.clone(), outbox.is_due(now))).collect())
    }

    /// Puts into a rule's outbox what is to be told, together with what was told. Answers whether there was anything.
    pub(super) async fn put(
        &self,
        id: &str,
        additions: &[Addition],
        more: u64,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        for _ in 0..TRIES {
            let mut outbox = self.read(id).await?;
            let mut writes = Vec::new();
            let mut count = more;
            outbox.more += more;
            for Addition { item, told } in additions {
                if let Some(told) = told {
                    let record = self.store.record(Kind::Told, &told.id).await?;
                    let before = record.as_ref().and_then(|record| record.time("at"));
                    if before.is_some_and(|at| now.duration_since(at) < told.cool_down) {
                        continue;
                    }
                    let fields = Fields::from([("at".to_owned(), Field::Time(now))]);
                    let expect = record.map_or(Expect::Absent, |record| Expect::Version(record.version));
                    writes.push(RecordWrite::put(Kind::Told, &told.id, fields, expect));
                }
                outbox.add(item.clone());
                count += 1;
            }
            if count == 0 {
                return Ok(false);
            }
            let soon = now + GATHER;
            outbox.next_at = Some(outbox.next_at.map_or(soon, |next| next.max(soon)));
            writes.push(outbox.write(id));
            match self.store.write_records(writes).await {
                Err(StoreError::Conflict) => (),
                written => return written.map(|()| true),
            }
        }
        Err(StoreError::Conflict)
    }

    /// Takes on to send what is due of this rule.
    pub(super) async fn take(&self, rule: &Rule, now: Timestamp) -> Result<Option<Taken>, StoreError> {
        let outbox = self.read(&rule.id).await?;
        if !outbox.is_due(now) {
            return Ok(None);
        }
        let leased = Outbox { leased_until: Some(now + LEASE), ..outbox };
        match self.store.write_records(vec![leased.write(&rule.id)]).await {
            // Somebody else was quicker.
            Err(StoreError::Conflict) => return Ok(None),
            written => written?,
        }
        let message = Message {
            rule_id: rule.id.clone(),
            rule: rule.name.clone(),
            is_test: false,
            items: leased.items.clone(),
            more: leased.more,
            at: now,
        };
        Ok(Some(Taken { items: leased.items.len(), more: leased.more, message }))
    }

    /// Notes what came of sending it.
    pub(super) async fn settle(
        &self,
        rule: &Rule,
        taken: &Taken,
        sent: &Result<(), String>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        for _ in 0..TRIES {
            let mut outbox = self.read(&rule.id).await?;
            if outbox.version.is_none() {
                // The rule was deleted meanwhile.
                return Ok(());
            }
            outbox.leased_until = None;
            match sent {
                Ok(()) => {
                    // What was added meanwhile stands behind what was sent.
                    outbox.items.drain(..taken.items.min(outbox.items.len()));
                    outbox.more = outbox.more.saturating_sub(taken.more);
                    (outbox.failures, outbox.error) = (0, String::new());
                    outbox.last_sent = Some(now);
                    let pause = SignedDuration::from_mins(i64::from(rule.every_minutes));
                    outbox.next_at = Some(now + pause);
                }
                Err(reason) => {
                    let wait = RETRY.saturating_mul(1 << outbox.failures.min(20)).min(LONGEST_RETRY);
                    outbox.failures += 1;
                    outbox.error = reason.clone();
                    outbox.next_at = Some(now + wait);
                }
            }
            match self.store.write_records(vec![outbox.write(&rule.id)]).await {
                Err(StoreError::Conflict) => (),
                written => return written,
            }
        }
        Err(StoreError::Conflict)
    }

    /// Drops what waits for rules that are gone or are not followed.
    pub(super) async fn drop(&self, id: &str) -> Result<(), StoreError> {
        let delete = RecordWrite::delete(Kind::Outbox, id, Expect::Anything);
        self.store.write_records(vec![delete]).await
    }

    /// Forgets what was told so long ago that no cool-down can ask for it.
    pub(super) async fn sweep(&self, now: Timestamp) -> Result<(), StoreError> {
        let kept = SignedDuration::from_mins(i64::from(super::rule::MAX_COOL_DOWN_MINUTES));
        let is_old = |at: Option<Timestamp>| at.is_none_or(|at| now.duration_since(at) > kept);
        sweep_records(&*self.store, Kind::Told, |record| is_old(record.time("at"))).await
    }
}
