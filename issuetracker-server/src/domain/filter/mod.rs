//! The filter of a list, as people write it: `is:open service:newsfeed -tag:test "connection refused"`. It is parsed once
//! (`parse`); pages show it, stores answer it, and [`Filter::matches`] says what it means. It knows no place in a list.

mod edit;
mod parse;
mod print;
mod window;

use jiff::Timestamp;

pub use self::{
    parse::{FilterError, KEYS},
    window::Window,
};
use super::{Issue, Status};

/// The most terms of a filter: more than anybody writes.
pub const MAX_TERMS: usize = 40;

/// What an issue has to pass: every term.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// In the order in which they were written.
    pub terms: Vec<Term>,
}

/// One condition, or its opposite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// It starts with `-`: what passes the test does not pass the filter.
    pub is_negated: bool,
    /// The condition.
    pub test: Test,
}

/// What is asked of an issue. Of several values one is enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// These words, in this order, are in its texts; the last may be the beginning of a word.
    Text(String),
    /// It is in one of these states.
    Is(Vec<State>),
    /// One of its facts has one of these values.
    Fact(Fact, Vec<String>),
    /// It is one of these people's; `None` is nobody, `me` is who asks.
    Assigned(Vec<Option<String>>),
    /// It has one of these labels.
    Tag(Vec<String>),
    /// It happened on one of these hosts.
    Host(Vec<String>),
    /// It happened then.
    Seen(Moment, Window),
}

/// What an issue can be; the words after `is:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It has this status.
    Status(Status),
    /// It is silenced at this moment.
    Muted,
    /// It came back after it was done, and nobody has decided on it since.
    Regressed,
    /// Nobody works on it.
    Unassigned,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Status(Status::Open),
        Self::Status(Status::InProgress),
        Self::Status(Status::Resolved),
        Self::Status(Status::Closed),
        Self::Muted,
        Self::Regressed,
        Self::Unassigned,
    ];

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status(status) => status.as_str(),
            Self::Muted => "muted",
            Self::Regressed => "regressed",
            Self::Unassigned => "unassigned",
        }
    }

    fn holds(self, issue: &Issue, now: Timestamp) -> bool {
        match self {
            Self::Status(status) => issue.status == status,
            Self::Muted => issue.mute.is_some_and(|mute| mute.is_silent(now)),
            Self::Regressed => issue.regression.is_some(),
            Self::Unassigned => issue.assignee_id.is_none(),
        }
    }
}

/// A fact of an issue that is one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// `service:`
    Service,
    /// `env:`
    Environment,
    /// `component:`
    Component,
    /// `severity:`
    Severity,
    /// `priority:`
    Priority,
    /// `type:`
    Type,
    /// `kind:`, the error's type, whole or without its path.
    Kind,
    /// `release:`
    Release,
}

impl Fact {
    /// Every fact.
    pub const ALL: [Self; 8] = [
        Self::Service,
        Self::Environment,
        Self::Component,
        Self::Severity,
        Self::Priority,
        Self::Type,
        Self::Kind,
        Self::Release,
    ];

    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Environment => "env",
            Self::Component => "component",
            Self::Severity => "severity",
            Self::Priority => "priority",
            Self::Type => "type",
            Self::Kind => "kind",
            Self::Release => "release",
        }
    }

    fn of(self, issue: &Issue) -> &str {
        match self {
            Self::Service => &issue.service,
            Self::Environment => &issue.environment,
            Self::Component => &issue.component,
            Self::Severity => issue.severity.as_str(),
            Self::Priority => issue.priority.as_str(),
            Self::Type => issue.issue_type.as_str(),
            Self::Kind => &issue.error_kind,
            Self::Release => &issue.release,
        }
    }

    fn is(self, issue: &Issue, value: &str) -> bool {
        let actual = self.of(issue);
        actual == value || self == Self::Kind && actual.strip_suffix(value).is_some_and(|path| path.ends_with("::"))
    }
}

/// Which of an issue's occurrences a time is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The first one.
    First,
    /// The last one.
    Last,
    /// Any; what lies between the first and the last is taken for one.
    Any,
}

impl Moment {
    /// Its key.
    pub const fn key(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Any => "seen",
        }
    }
}

/// Who `me` is.
pub const ME: &str = "me";

impl Filter {
    /// The filter in which every word must be found: text and nothing else.
    pub fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let term = |word: &str| Term { is_negated: false, test: Test::Text(word.to_owned()) };
        Self { terms: words.into_iter().map(term).collect() }
    }

    /// Whether the issue passes; `user_id` is who asks. Text is not looked at: what a word is, an index decides.
    pub fn matches(&self, issue: &Issue, user_id: &str, now: Timestamp) -> bool {
        self.terms.iter().all(|term| match term.test {
            Test::Text(_) => true,
            ref test => test.holds(issue, user_id, now) != term.is_negated,
        })
    }

    /// The texts that are looked for, without those that must not be there.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter(|term| !term.is_negated).filter_map(|term| match &term.test {
            Test::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// Whether any text is asked about, be it that it must not be there.
    pub fn has_text(&self) -> bool {
        self.terms.iter().any(|term| matches!(term.test, Test::Text(_)))
    }
}

impl Test {
    fn holds(&self, issue: &Issue, user_id: &str, now: Timestamp) -> bool {
        match self {
            Self::Text(_) => true,
            Self::Is(states) => states.iter().any(|state| state.holds(issue, now)),
            Self::Fact(fact, values) => values.iter().any(|value| fact.is(issue, value)),
            Self::Assigned(people) => people.iter().any(|person| {
                let person = person.as_deref().map(|person| if person == ME { user_id } else { person });
                issue.assignee_id.as_deref() == person
            }),
            Self::Tag(tags) => tags.iter().any(|tag| issue.tags.contains(tag)),
            Self::Host(hosts) => hosts.iter().any(|host| issue.hosts.contains(host)),
            Self::Seen(moment, window) => {
                let (first, last) = match moment {
                    Moment::First => (issue.first_seen, issue.first_seen),
                    Moment::Last => (issue.last_seen, issue.last_seen),
                    Moment::Any => (issue.first_seen, issue.last_seen),
                };
                let (from, to) = window.bounds(now);
                from.is_none_or(|from| last >= from) && to.is_none_or(|to| first < to)
            }
        }
    }
}
