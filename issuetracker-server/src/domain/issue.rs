//! An issue with its workflow, and what is recorded beside it: activities and comments.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde_json::{Map, Value};
use tracing_issues::event::UnknownWord;
use uuid::Uuid;

use super::{Fingerprint, Hours, IssueId, IssueType, Mute, MutedUntil, Priority, Severity, Source, part::Part};

/// All occurrences of one fingerprint, or one thing a person wrote, plus its workflow.
#[derive(Debug, Clone, PartialEq)]
pub struct Issue {
    /// Short and final: the same for every party that computes it.
    pub id: IssueId,
    /// As people say it, `NEWS-42`: an alias that the store gives to what it creates.
    pub short_id: Option<IssueId>,
    /// What people read first.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// What kind of work it is.
    pub issue_type: IssueType,
    /// How soon it matters.
    pub priority: Priority,
    /// How bad one occurrence is.
    pub severity: Severity,
    /// Where it stands.
    pub status: Status,
    /// Who reported it first.
    pub reporter_id: String,
    /// Who works on it.
    pub assignee_id: Option<String>,
    /// Labels, sorted, each once.
    pub tags: Vec<String>,
    /// The part that fails.
    pub component: String,
    /// The road it came by.
    pub source: Source,
    /// The product.
    pub project: String,
    /// The service.
    pub service: String,
    /// The deployment of the first occurrence.
    pub environment: String,
    /// The version of the first occurrence.
    pub release: String,
    /// The outermost error's type; empty if unknown.
    pub error_kind: String,
    /// `file:line` of the first occurrence; empty if unknown.
    pub location: String,
    /// Short values of the first occurrence's fields, with their names: they are searched, and shown nowhere.
    pub keywords: String,
    /// Hosts that it happened on, sorted; of many, the first by name.
    pub hosts: Vec<String>,
    /// Identity; absent for what people wrote.
    pub fingerprint: Option<Fingerprint>,
    /// The rules that the fingerprint was made by.
    pub grouping_version: u8,
    /// How often it happened; 0 for what people wrote.
    pub occurrences: u64,
    /// The least time of all occurrences.
    pub first_seen: Timestamp,
    /// The greatest time of all occurrences.
    pub last_seen: Timestamp,
    /// When it came to be.
    pub created_at: Timestamp,
    /// The last change of the issue itself, not its last occurrence.
    pub updated_at: Timestamp,
    /// When it was last resolved or closed; a later occurrence reopens it.
    pub resolved_at: Option<Timestamp>,
    /// If it was resolved in the next release: those it has happened in before, which do not reopen it.
    pub old_releases: Vec<String>,
    /// How it is silenced: then it is counted, and neither reopens nor alerts.
    pub mute: Option<Mute>,
    /// How it came back last, unless somebody has decided on its status since.
    pub regression: Option<Regression>,
    /// Errors by hour, of the last two weeks in which there were any.
    pub hours: Hours,
    /// Comments that somebody wrote; a reporter's daily count is not one.
    pub comments: u64,
    /// The earliest event: title, description and the other facts above are its.
    pub head_event: Uuid,
    /// What a person decided; occurrences leave it alone.
    pub decided: Decided,
    /// What it was merged of, itself first; empty if it was not merged.
    pub parts: Vec<Part>,
    /// Raised by every change of the issue itself, by people or by coming back; occurrences alone leave it.
    pub version: u64,
}

/// How an issue came back: by its earliest occurrence after it was done, whatever order they arrive in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regression {
    /// When it had been resolved or closed.
    pub resolved_at: Timestamp,
    /// Which of both it was.
    pub from: Status,
    /// When it happened again.
    pub at: Timestamp,
    /// The event that says so.
    pub event: Uuid,
}

/// Fields that a person has set, so that no occurrence overwrites them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decided {
    /// The priority.
    pub priority: bool,
    /// The assignee.
    pub assignee: bool,
    /// The labels.
    pub tags: bool,
}

/// Where an issue stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nobody has solved it.
    Open,
    /// Somebody works on it.
    InProgress,
    /// Solved; another occurrence reopens it.
    Resolved,
    /// Not to be solved; another occurrence reopens it unless it is muted.
    Closed,
}

impl Status {
    /// Every status, in the order of the workflow.
    pub const ALL: [Self; 4] = [Self::Open, Self::InProgress, Self::Resolved, Self::Closed];

    /// The word for it outside the process.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in-progress",
            Self::Resolved => "resolved",
            Self::Closed => "closed",
        }
    }

    /// Whether work on it has ended.
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Resolved | Self::Closed)
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| UnknownWord {
            found: tracing_issues::event::truncate_chars(word, 40),
            expected: "open in-progress resolved closed",
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IssueChange {
    /// The new status.
    pub status: Option<Status>,
    /// Together with the status `resolved`: in the release after these.
    pub old_releases: Vec<String>,
    /// The new priority.
    pub priority: Option<Priority>,
    /// The new assignee; `Some(None)` takes the issue from everybody.
    pub assignee_id: Option<Option<String>>,
    /// The new labels.
    pub tags: Option<Vec<String>>,
    /// What silences it; `Some(None)` ends that.
    pub mute: Option<Option<MutedUntil>>,
}

/// One entry in the history of an issue.
#[derive(Debug, Clone, PartialEq)]
pub struct Activity {
    /// The event's id where an event made it, so that a repeat changes nothing.
    pub id: String,
    /// What happened.
    pub kind: ActivityKind,
    /// Who did it: a person, a service, or `system`.
    pub user_id: String,
    /// When.
    pub timestamp: Timestamp,
    /// More about it: `from` and `to` of a change, the details of an occurrence.
    pub details: Map<String, Value>,
}

/// Declares the kinds of activity with their words.
macro_rules! activity_kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)?) => {
        /// What an activity records.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ActivityKind { $($(#[$doc])* $variant),+ }

        impl ActivityKind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word for it outside the process.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$variant => $word),+ } }
        }

        impl FromStr for ActivityKind {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { found: word.to_owned(), expected: concat!($($word, " "),+).trim_ascii_end() }),
                }
            }
        }
    };
}

activity_kinds! {
    /// The issue came to be.
    Created = "created",
    /// It happened, once or more.
    Occurrence = "occurrence",
    /// The status is another.
    StatusChanged = "status_changed",
    /// The assignee is another.
    Assigned = "assigned",
    /// The priority is another.
    PriorityChanged = "priority_changed",
    /// The labels are others.
    Tagged = "tagged",
    /// Somebody commented.
    Commented = "commented",
    /// Another issue was merged into it.
    Merged = "merged",
    /// A part of it became an issue of its own.
    Split = "split",
    /// It was silenced.
    Muted = "muted",
    /// It is heard again.
    Unmuted = "unmuted",
    /// It happened after it was resolved.
    Regressed = "regressed",
    /// The rules of grouping changed under it.
    GroupingChanged = "grouping_changed",
}

/// What somebody wrote under an issue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// The event's id, or the day and reporter of a count.
    pub id: String,
    /// Markdown.
    pub content: String,
    /// A person or a service.
    pub author_id: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub edited_at: Option<Timestamp>,
    /// For the one comment that a reporter has per day: how many errors it stands for.
    pub recurrences: Option<u64>,
}
