//! What a store holds, one thing after the other: for moving all of it to another store.

use super::Watermark;
use crate::domain::{Activity, Comment, Issue, IssueId, ServiceHour};

/// One thing that a store holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// An issue; what is beneath it follows.
    Issue(Box<Issue>),
    /// A comment on an issue.
    Comment(IssueId, Comment),
    /// An entry in the history of an issue.
    Activity(IssueId, Activity),
    /// Another id of an issue, and the issues under which its events may be.
    Alias {
        /// The other id.
        id: IssueId,
        /// The issue.
        issue_id: IssueId,
        /// See the decision on aliases.
        via: Vec<IssueId>,
    },
    /// What happened to a service within an hour.
    ServiceHour(ServiceHour),
    /// How far a partition is consumed.
    Watermark(Watermark),
    /// Something that the server has to remember.
    Note(String, String),
}

#[cfg(feature = "firestore")]
impl Item {
    /// The short id of an issue.
    pub(super) fn short_id(&self) -> Option<&IssueId> {
        match self {
            Self::Issue(issue) => issue.short_id.as_ref(),
            _ => None,
        }
    }
}
