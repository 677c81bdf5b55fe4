//! Tells open dashboards which issues have changed: ids only, after the commit. Nobody waits for anybody here; a
//! listener that lags behind is told so and reads the list again.

use tokio::sync::broadcast;

use crate::domain::{IssueId, Occurrence};
use crate::store::Stored;

/// Changes that a slow listener may be behind before it misses some.
const CAPACITY: usize = 256;

/// Which issues one commit has touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// All of them, each once.
    pub ids: Vec<IssueId>,
    /// The new ones among them.
    pub created: Vec<IssueId>,
}

impl Change {
    /// What a committed batch has changed; `None` if nothing.
    pub fn of(occurrences: &[Occurrence], results: &[Stored]) -> Option<Self> {
        let mut change = Self::default();
        for (occurrence, result) in occurrences.iter().zip(results) {
            let Stored::New { created, .. } = result else { continue };
            if !change.ids.contains(&occurrence.issue_id) {
                change.ids.push(occurrence.issue_id.clone());
                if *created {
                    change.created.push(occurrence.issue_id.clone());
                }
            }
        }
        (!change.ids.is_empty()).then_some(change)
    }

    /// A change of one issue by a person.
    pub fn of_one(id: &IssueId) -> Self {
        Self { ids: vec![id.clone()], created: Vec::new() }
    }
}

/// Hands changes to everybody who listens.
#[derive(Debug, Clone)]
pub struct Notifier {
    changes: broadcast::Sender<Change>,
}

impl Default for Notifier {
    fn default() -> Self {
        Self { changes: broadcast::channel(CAPACITY).0 }
    }
}

impl Notifier {
    /// Tells everybody who listens at this moment.
    pub fn publish(&self, change: Change) {
        // No listener is no error.
        let _ = self.changes.send(change);
    }

    /// Listens from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}
