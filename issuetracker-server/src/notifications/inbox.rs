//! What commits have done, until somebody looks at it. It is bounded, and nobody waits for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{domain::IssueId, notify::Change};

/// The most issues that wait. Beyond that, new and returning ones are only counted.
const CAPACITY: usize = 10_000;

/// What has become of an issue; none of it: it has happened again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) is_created: bool,
    pub(super) is_regressed: bool,
    pub(super) is_unmuted: bool,
}

/// Everything that waits.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) issues: BTreeMap<IssueId, Came>,
    /// New and returning ones for which there was no place.
    pub(super) left_out: u64,
}

/// Takes what commits have done. By default it keeps nothing.
#[derive(Debug, Clone, Default)]
pub struct Inbox(Option<Arc<Mutex<Waiting>>>);

impl Inbox {
    pub(super) fn listening() -> Self {
        Self(Some(Arc::default()))
    }

    /// Notes what a commit has done.
    pub fn add(&self, change: &Change) {
        let Some(waiting) = &self.0 else { return };
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Waiting { issues, left_out } = &mut *waiting;
        let mut note = |ids: &[IssueId], what: fn(&mut Came)| {
            for id in ids {
                let mut came = issues.get(id).copied().unwrap_or_default();
                what(&mut came);
                if issues.len() < CAPACITY || issues.contains_key(id) {
                    issues.insert(id.clone(), came);
                } else {
                    // What only happened again will do so once more.
                    *left_out += u64::from(came != Came::default());
                }
            }
        };
        note(&change.created, |came| came.is_created = true);
        note(&change.regressed, |came| came.is_regressed = true);
        note(&change.unmuted, |came| came.is_unmuted = true);
        note(&change.ids, |_| ());
    }

    pub(super) fn take(&self) -> Waiting {
        let waiting = self.0.as_ref();
        waiting
            .map(|waiting| std::mem::take(&mut *waiting.lock().unwrap_or_else(PoisonError::into_inner)))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_the_most_of_each_issue_and_counts_what_has_no_place() {
        let inbox = Inbox::listening();
        let id = |n: usize| n.to_string().parse::<IssueId>().unwrap();
        inbox.add(&Change { ids: vec![id(1), id(2)], created: vec![id(1)], ..Change::default() });
        inbox.add(&Change { ids: vec![id(1)], regressed: vec![id(1)], ..Change::default() });
        let waiting = inbox.take();
        let both = Came { is_created: true, is_regressed: true, is_unmuted: false };
        assert_eq!(waiting.issues, BTreeMap::from([(id(1), both), (id(2), Came::default())]));
        assert_eq!(inbox.take(), Waiting::default());

        let many: Vec<IssueId> = (0..CAPACITY + 5).map(id).collect();
        inbox.add(&Change { ids: many.clone(), created: many, ..Change::default() });
        let waiting = inbox.take();
        assert_eq!((waiting.issues.len(), waiting.left_out), (CAPACITY, 5));
        Inbox::default().add(&Change::of_one(&id(1)));
    }
}
