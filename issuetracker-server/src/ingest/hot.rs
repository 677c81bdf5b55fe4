//! Issues that were written a moment ago: some stores do not like to write the same one again at once. It remembers times,
//! and waits for nothing itself.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::domain::IssueId;

/// When the issues of one partition were written last.
pub(super) struct Hot {
    /// How long an issue rests between two commits, if the store wants that.
    rest: Option<Duration>,
    written: HashMap<IssueId, Instant>,
}

impl Hot {
    pub(super) fn new(rest: Option<Duration>) -> Self {
        Self { rest, written: HashMap::new() }
    }

    /// When all of these may be written, if that is after `now`.
    pub(super) fn rest_until<'a>(&self, issues: impl Iterator<Item = &'a IssueId>, now: Instant) -> Option<Instant> {
        let rest = self.rest?;
        let until = issues.filter_map(|issue| self.written.get(issue)).max().map(|written| *written + rest);
        until.filter(|until| *until > now)
    }

    /// These were written.
    pub(super) fn wrote(&mut self, issues: impl Iterator<Item = IssueId>, now: Instant) {
        let Some(rest) = self.rest else { return };
        self.written.retain(|_, written| *written + rest > now);
        self.written.extend(issues.map(|issue| (issue, now)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_rests_after_it_was_written_and_no_other_does() {
        let ids: Vec<IssueId> = ["01a2b3c4d5e6f789", "11a2b3c4d5e6f789"].map(|id| id.parse().unwrap()).into();
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let mut hot = Hot::new(Some(second));
        hot.wrote(ids[..1].iter().cloned(), now);
        assert_eq!(hot.rest_until(ids[1..].iter(), now), None);
        assert_eq!(hot.rest_until(ids.iter(), now + second / 2), Some(now + second));
        assert_eq!(hot.rest_until(ids.iter(), now + second), None);
        hot.wrote(ids[1..].iter().cloned(), now + second);
        assert_eq!(hot.written.len(), 1, "what has rested is forgotten");
    }

    #[test]
    fn a_store_that_does_not_mind_is_never_waited_for() {
        let id: IssueId = "01a2b3c4d5e6f789".parse().unwrap();
        let mut hot = Hot::new(None);
        hot.wrote([id.clone()].into_iter(), Instant::now());
        assert_eq!(hot.rest_until([id].iter(), Instant::now()), None);
    }
}
