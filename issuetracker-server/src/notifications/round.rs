//! One round: what has become of issues meets the rules, and what is due is sent.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use tokio::time::{Duration, Instant};

use super::{
    Inbox,
    inbox::{Came, Waiting},
    message::{Event, Item},
    outbox::{Addition, Outboxes, Told},
    rule::Rule,
    send::Sender,
};
use crate::{
    domain::{Issue, IssueId, hex, hour_of},
    store::{IssueStore, Kind, RecordQuery, StoreError},
};

/// Issues that are read in one round; the others wait for the next.
const PER_ROUND: usize = 500;

/// Rules of other servers are noticed after so long.
const RULES_KEPT: Duration = Duration::from_secs(5);

/// An occurrence is compared with thresholds so long after it at most; a backlog is not an alarm.
const LATE: SignedDuration = SignedDuration::from_mins(5);

/// How often what was told long ago is forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);

/// Cool-downs that are remembered, so that a hot issue asks the store once and not every second.
const MAX_REMEMBERED: usize = 10_000;

pub(super) struct Rounds {
    store: Arc<dyn IssueStore>,
    outboxes: Outboxes,
    rules: Option<(Instant, Arc<[Rule]>)>,
    /// What was taken out of the inbox and is not compared yet.
    waiting: Waiting,
    /// Until when a threshold is not told again.
    silent: HashMap<String, Timestamp>,
    /// Whether something is in an outbox.
    is_waiting: bool,
    swept: Instant,
}

impl Rounds {
    pub(super) fn new(store: Arc<dyn IssueStore>, outboxes: Outboxes) -> Self {
        let swept = Instant::now();
        let (waiting, silent) = (Waiting::default(), HashMap::new());
        Self { store, outboxes, rules: None, waiting, silent, is_waiting: false, swept }
    }

    /// Has the rules read anew.
    pub(super) fn forget_rules(&mut self) {
        self.rules = None;
    }

    /// Whether something waits in an outbox for its time.
    pub(super) fn is_waiting(&self) -> bool {
        self.is_waiting
    }

    async fn rules(&mut self) -> Result<Arc<[Rule]>, StoreError> {
        if let Some((_, rules)) = self.rules.as_ref().filter(|(at, _)| at.elapsed() < RULES_KEPT) {
            return Ok(Arc::clone(rules));
        }
        let query = RecordQuery { kind: Kind::Rule, equals: None, after: None, limit: super::MAX_RULES };
        let rules: Arc<[Rule]> = self.store.records(query).await?.iter().map(Rule::of).collect();
        self.rules = Some((Instant::now(), Arc::clone(&rules)));
        Ok(rules)
    }

    /// Compares what has become of issues with the rules, and answers whether something is to be told. After an error
    /// nothing is lost: it is done again.
    pub(super) async fn gather(&mut self, inbox: &Inbox, now: Timestamp) -> Result<bool, StoreError> {
        if self.waiting == Waiting::default() {
            self.waiting = inbox.take();
        }
        if self.waiting == Waiting::default() {
            return Ok(false);
        }
        let rules = self.rules().await?;
        let active: Vec<&Rule> = rules.iter().filter(|rule| rule.is_active).collect();
        if active.is_empty() {
            self.waiting = Waiting::default();
            return Ok(false);
        }
        let has_thresholds = active.iter().any(|rule| rule.threshold.is_some());
        if !has_thresholds {
            self.waiting.issues.retain(|_, came| *came != Came::default());
        }
        let batch: Vec<(IssueId, Came)> =
            self.waiting.issues.iter().take(PER_ROUND).map(|(id, came)| (id.clone(), *came)).collect();
        let mut additions: BTreeMap<&str, Vec<Addition>> = BTreeMap::new();
        for (id, came) in &batch {
            // One that was merged meanwhile is what it was merged into; one that is gone is nobody's trouble.
            let issue = match self.store.issue(id).await {
                Ok(issue) => issue,
                Err(StoreError::Corrupt { .. }) => None,
                Err(error) => return Err(error),
            };
            let Some(issue) = issue.filter(|issue| !issue.mute.is_some_and(|mute| mute.is_silent(now))) else {
                continue;
            };
            for rule in &active {
                let addition = self.addition(rule, &issue, *came, now);
                additions.entry(&rule.id).or_default().extend(addition);
            }
        }
        let mut has_put = false;
        let left_out = self.waiting.left_out;
        for rule in &active {
            let additions = additions.remove(rule.id.as_str()).unwrap_or_default();
            // Nobody knows whether they would have passed the filter; a rule without one is told of them.
            let more = if rule.filter.terms.is_empty() { left_out } else { 0 };
            if additions.is_empty() && more == 0 {
                continue;
            }
            has_put |= self.outboxes.put(&rule.id, &additions, more, now).await?;
            self.remember(rule, &additions, now);
        }
        // Only now: after an error all of it is looked at again, and what waits already is not added twice.
        self.waiting.left_out = 0;
        for (id, _) in &batch {
            self.waiting.issues.remove(id);
        }
        self.is_waiting |= has_put;
        Ok(has_put)
    }

    /// What a rule has to say of an issue: the first that is true.
    fn addition(&self, rule: &Rule, issue: &Issue, came: Came, now: Timestamp) -> Option<Addition> {
        if !rule.filter.matches(issue, "", now) {
            return None;
        }
        let events =
            [(came.is_created, Event::New), (came.is_regressed, Event::Regressed), (came.is_unmuted, Event::Unmuted)];
        if let Some((_, event)) = events.into_iter().find(|(is, event)| *is && rule.tells(*event)) {
            return Some(Addition { item: Item::new(event, issue, None, now), told: None });
        }
        let threshold = rule.threshold?;
        // What happened just before the hour is full is looked at just after.
        let is_fresh = now.duration_since(issue.last_seen).abs() < LATE;
        let hour = hour_of(if is_fresh { issue.last_seen } else { now });
        if threshold.per.count(hour, &issue.hours) < threshold.count {
            return None;
        }
        let id = told_id(rule, &issue.id);
        if self.silent.get(&id).is_some_and(|until| *until > now) {
            return None;
        }
        let cool_down = SignedDuration::from_mins(i64::from(threshold.cool_down_minutes));
        let item = Item::new(Event::Threshold, issue, Some(threshold), now);
        Some(Addition { item, told: Some(Told { id, cool_down }) })
    }

    fn remember(&mut self, rule: &Rule, additions: &[Addition], now: Timestamp) {
        if self.silent.len() > MAX_REMEMBERED {
            self.silent.clear();
        }
        // Another server may have told it, some time ago: then the store is asked again a little later.
        let quarter = rule.threshold.map_or(SignedDuration::ZERO, |threshold| {
            SignedDuration::from_secs(i64::from(threshold.cool_down_minutes) * 15)
        });
        let told = additions.iter().filter_map(|addition| addition.told.as_ref());
        self.silent.extend(told.map(|told| (told.id.clone(), now + quarter)));
    }

    /// Sends what is due.
    pub(super) async fn send(&mut self, sender: &Sender, now: Timestamp) -> Result<(), StoreError> {
        if self.swept.elapsed() > SWEEP_EVERY {
            self.swept = Instant::now();
            self.outboxes.sweep(now).await?;
        }
        let waiting = self.outboxes.waiting(now).await?;
        self.is_waiting = !waiting.is_empty();
        if waiting.is_empty() {
            return Ok(());
        }
        let mut rules = self.rules().await?;
        if waiting.iter().any(|(id, _)| !rules.iter().any(|rule| rule.id == *id)) {
            // Another server may have made it a moment ago.
            self.forget_rules();
            rules = self.rules().await?;
        }
        let mut due = Vec::new();
        for (id, is_due) in waiting {
            match rules.iter().find(|rule| rule.id == id) {
                Some(rule) if rule.is_active => due.extend(is_due.then_some(rule)),
                _ => self.outboxes.drop(&id).await?,
            }
        }
        // At once: a rule whose receiver hangs holds up no other.
        let outboxes = &self.outboxes;
        let sends = due.into_iter().map(|rule| async move {
            let Some(taken) = outboxes.take(rule, now).await? else { return Ok(()) };
            let sent = sender.send(rule, &taken.message).await;
            if let Err(reason) = &sent {
                let (rule_id, rule) = (&rule.id, &rule.name);
                tracing::warn!(rule_id, rule, reason, "a notification could not be sent; it is tried again");
            }
            outboxes.settle(rule, &taken, &sent, Timestamp::now()).await
        });
        futures_util::future::join_all(sends).await.into_iter().collect()
    }
}

fn told_id(rule: &Rule, issue: &IssueId) -> String {
    format!("{}-{}", rule.id, &hex(&Sha256::digest(issue.as_str()))[..16])
}
