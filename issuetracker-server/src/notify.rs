//! Tells open dashboards which issues have changed: ids only, after the commit. Nobody waits for anybody here; a
//! listener that lags behind is told so and reads the list again. What this server has changed is kept for whoever tells
//! the other servers (`broadcast`); what they have changed only passes through.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use crate::domain::{IssueId, Occurrence};
use crate::store::Stored;

/// Changes that a slow listener may be behind before it misses some.
const CAPACITY: usize = 256;

/// Ids that may wait to be told to other servers, before they are told to look at everything: some 10 MB.
const MAX_UNTOLD: usize = 100_000;

/// Which issues one commit has touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// All of them, each once.
    pub ids: Vec<IssueId>,
    /// The new ones among them.
    pub created: Vec<IssueId>,
    /// Those that came back after they were resolved.
    pub regressed: Vec<IssueId>,
    /// Those whose mute has ended, because they happened too often.
    pub unmuted: Vec<IssueId>,
}

impl Change {
    /// What a committed batch has changed; `None` if nothing. What was committed before is told again: whoever did it may
    /// have died before he told.
    pub fn of(occurrences: &[Occurrence], results: &[Stored]) -> Option<Self> {
        // By id: whether it is new, came back, is heard again.
        let mut changed: BTreeMap<&IssueId, [bool; 3]> = BTreeMap::new();
        for (occurrence, result) in occurrences.iter().zip(results) {
            let is = match *result {
                Stored::New { created, regressed, unmuted } => [created, regressed, unmuted],
                Stored::Duplicate => [false; 3],
                Stored::NoIssue | Stored::Refused => continue,
            };
            let known = changed.entry(&occurrence.issue_id).or_default();
            known.iter_mut().zip(is).for_each(|(known, is)| *known |= is);
        }
        let those = |which: usize| changed.iter().filter(|(_, is)| is[which]).map(|(id, _)| (*id).clone()).collect();
        let [created, regressed, unmuted] = [those(0), those(1), those(2)];
        let ids: Vec<IssueId> = changed.into_keys().cloned().collect();
        (!ids.is_empty()).then_some(Self { ids, created, regressed, unmuted })
    }

    /// A change of one issue by a person.
    pub fn of_one(id: &IssueId) -> Self {
        Self::of_some(vec![id.clone()])
    }

    /// A change of several issues by a person.
    pub fn of_some(ids: Vec<IssueId>) -> Self {
        Self { ids, ..Self::default() }
    }
}

/// A change and its name, by which a listener that was away says what it heard last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Of this process, and in order.
    pub id: String,
    /// What has changed.
    pub change: Change,
}

/// Hands changes to everybody who listens.
#[derive(Debug, Clone)]
pub struct Notifier {
    changes: broadcast::Sender<Numbered>,
    /// The last ones, for listeners that come back.
    recent: Arc<Mutex<Recent>>,
    untold: Arc<Untold>,
}

#[derive(Debug)]
struct Recent {
    process: String,
    next: u64,
    changes: VecDeque<Numbered>,
}

impl Default for Notifier {
    fn default() -> Self {
        let process = Uuid::now_v7().simple().to_string();
        let recent = Recent { process, next: 1, changes: VecDeque::with_capacity(CAPACITY) };
        Self { changes: broadcast::channel(CAPACITY).0, recent: Arc::new(Mutex::new(recent)), untold: Arc::default() }
    }
}

impl Notifier {
    /// Tells everybody who listens at this moment what this server has changed.
    pub fn publish(&self, change: Change) {
        self.untold.add(&change);
        self.pass_on(change);
    }

    /// Tells everybody who listens at this moment what another server has changed.
    pub fn pass_on(&self, change: Change) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let numbered = Numbered { id: format!("{}-{}", recent.process, recent.next), change };
        recent.next += 1;
        if recent.changes.len() == CAPACITY {
            recent.changes.pop_front();
        }
        recent.changes.push_back(numbered.clone());
        // No listener is no error.
        let _ = self.changes.send(numbered);
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Numbered> {
        self.changes.subscribe()
    }

    /// Listens from now on, and tells what was changed since `last`; `None` if that is not known any more.
    pub fn resume(&self, last: Option<&str>) -> (broadcast::Receiver<Numbered>, Option<Vec<Numbered>>) {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock, so that nothing is told twice or not at all.
        let changes = self.changes.subscribe();
        let Some(last) = last else { return (changes, Some(Vec::new())) };
        let heard = last.strip_prefix(&recent.process).and_then(|rest| rest.strip_prefix('-')?.parse::<u64>().ok());
        let first = recent.next - recent.changes.len() as u64;
        let earlier = heard.filter(|heard| *heard + 1 >= first && *heard < recent.next).map(|heard| {
            let skipped = usize::try_from(heard + 1 - first).unwrap_or(usize::MAX);
            recent.changes.iter().skip(skipped).cloned().collect()
        });
        (changes, earlier)
    }

    /// Keeps from now on what other servers have to be told.
    pub fn untold(&self) -> Arc<Untold> {
        let mut pending = self.untold.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.get_or_insert_default();
        drop(pending);
        Arc::clone(&self.untold)
    }
}

/// What this server has changed and the others were not told yet. It holds each id once, however often it changes.
#[derive(Debug, Default)]
pub struct Untold {
    /// `None` while there is nobody to tell it.
    pending: Mutex<Option<News>>,
    woken: Notify,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// These have changed; `true` if they are new.
    Issues(BTreeMap<IssueId, bool>),
    /// Too many to name them.
    Everything,
}

impl Default for News {
    fn default() -> Self {
        Self::Issues(BTreeMap::new())
    }
}

impl News {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Issues(ids) if ids.is_empty())
    }

    /// Adds what is to be told as well.
    pub fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Issues(ids), Self::Issues(others)) if ids.len() + others.len() <= MAX_UNTOLD => {
                others.into_iter().for_each(|(id, is_new)| *ids.entry(id).or_default() |= is_new);
            }
            _ => *self = Self::Everything,
        }
    }
}

impl Untold {
    fn add(&self, change: &Change) {
        let ids = change.ids.iter().map(|id| (id.clone(), false));
        let created = change.created.iter().map(|id| (id.clone(), true));
        self.put_back(News::Issues(ids.chain(created).collect()));
    }

    /// What could not be told.
    pub fn put_back(&self, news: News) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pending) = &mut *pending {
            pending.add(news);
            self.woken.notify_one();
        }
    }

    /// Takes all there is, at once.
    pub fn take(&self) -> News {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Returns when there is something to tell.
    pub async fn wait(&self) {
        loop {
            let is_empty = {
                let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
                pending.as_ref().is_none_or(News::is_empty)
            };
            if !is_empty {
                return;
            }
            self.woken.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> IssueId {
        text.parse().unwrap()
    }

    #[test]
    fn each_id_waits_once_and_what_is_new_stays_new() {
        let notifier = Notifier::default();
        notifier.publish(Change::of_one(&id("before")));
        let untold = notifier.untold();
        notifier.publish(Change { ids: vec![id("a"), id("b")], created: vec![id("b")], ..Change::default() });
        notifier.publish(Change::of_one(&id("b")));
        notifier.pass_on(Change::of_one(&id("foreign")));
        let news = untold.take();
        assert_eq!(news, News::Issues(BTreeMap::from([(id("a"), false), (id("b"), true)])));
        assert!(untold.take().is_empty());
        untold.put_back(news.clone());
        assert_eq!(untold.take(), news, "what could not be told waits again");
    }

    #[test]
    fn who_comes_back_hears_what_came_meanwhile() {
        let notifier = Notifier::default();
        let ids = |changes: &[Numbered]| changes.iter().map(|n| n.change.ids[0].to_string()).collect::<Vec<_>>();
        let (mut changes, earlier) = notifier.resume(None);
        assert_eq!(earlier, Some(Vec::new()));
        ["a", "b", "c"].iter().for_each(|name| notifier.publish(Change::of_one(&id(name))));
        let first = changes.try_recv().unwrap();
        assert_eq!(first.change.ids, [id("a")]);
        assert_eq!(ids(&notifier.resume(Some(&first.id)).1.unwrap()), ["b", "c"]);
        let last = notifier.resume(Some(&first.id)).1.unwrap().pop().unwrap();
        assert_eq!(notifier.resume(Some(&last.id)).1, Some(Vec::new()), "nothing came");
        for unknown in ["", "x-1", &format!("{}9", last.id)] {
            assert_eq!(notifier.resume(Some(unknown)).1, None, "{unknown}");
        }
        (0..CAPACITY).for_each(|_| notifier.publish(Change::of_one(&id("d"))));
        assert_eq!(notifier.resume(Some(&first.id)).1, None, "too long ago");
        assert_eq!(notifier.resume(Some(&last.id)).1.unwrap().len(), CAPACITY);
    }

    #[test]
    fn too_many_become_everything() {
        let untold = Notifier::default().untold();
        let ids =
            |from: usize| (from..from + MAX_UNTOLD / 2 + 1).map(|index| (id(&index.to_string()), false)).collect();
        untold.put_back(News::Issues(ids(0)));
        untold.put_back(News::Issues(ids(MAX_UNTOLD)));
        assert_eq!(untold.take(), News::Everything);
        assert!(untold.take().is_empty());
    }
}
