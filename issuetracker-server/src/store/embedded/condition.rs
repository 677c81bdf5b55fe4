//! A filter as conditions of a statement. What they mean is [`Filter::matches`]; texts are found by the index of words.

use jiff::Timestamp;
use rusqlite::types::Value;

use crate::domain::{
    Filter,
    filter::{Fact, ME, Moment, State, Test, Window},
};

/// How many issues are thought to pass: of the few, labels and hosts are looked up; the many are asked one by one.
#[derive(Clone, Copy)]
pub(super) enum Expected {
    /// They are looked up.
    Few,
    /// Each issue is asked.
    Many,
}

/// Conditions, and their values in order.
#[derive(Default)]
pub(super) struct Conditions {
    all: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// What the filter asks.
    pub(super) fn of(filter: &Filter, user_id: &str, now: Timestamp, expected: Expected) -> Self {
        let mut conditions = Self::default();
        // One search for all texts that must be there: the index intersects faster than the table.
        let texts: Vec<String> = filter.texts().map(phrase).collect();
        if !texts.is_empty() {
            conditions.add(IS_FOUND, [text(&texts.join(" AND "))]);
        }
        for term in &filter.terms {
            let (sql, values) = match &term.test {
                Test::Text(_) if !term.is_negated => continue,
                Test::Text(words) => (IS_FOUND.to_owned(), vec![text(&phrase(words))]),
                Test::Is(states) => is_one_of(states, now),
                Test::Fact(Fact::Kind, kinds) => is_of_kind(kinds),
                Test::Fact(fact, values) => (
                    format!("{} IN ({})", column(*fact), marks(values.len())),
                    values.iter().map(|value| text(value)).collect(),
                ),
                Test::Assigned(people) => is_assigned(people, user_id),
                Test::Tag(tags) => has_one_of("issue_tags", "tag", tags, expected),
                Test::Host(hosts) => has_one_of("issue_hosts", "host", hosts, expected),
                Test::Seen(moment, window) => is_seen(*moment, *window, now),
            };
            let sql = if term.is_negated { format!("NOT coalesce(({sql}), 0)") } else { format!("({sql})") };
            conditions.add(&sql, values);
        }
        conditions
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        self.all.push(condition.to_owned());
        self.values.extend(values);
    }

    /// ` WHERE …`, or nothing.
    pub(super) fn sql(&self) -> String {
        if self.all.is_empty() { String::new() } else { format!(" WHERE {}", self.all.join(" AND ")) }
    }
}

const IS_FOUND: &str = "issues.rowid IN (SELECT rowid FROM issues_text WHERE issues_text MATCH ?)";

/// Muted at the time of the one value. What has a time has it in `muted_until`, too.
pub(super) const IS_MUTED: &str = "mute IS NOT NULL AND coalesce(muted_until > ?, 1)";

/// A phrase whose last word may go on: nothing that a person types is an operator.
fn phrase(words: &str) -> String {
    format!("\"{}\"*", words.replace('"', "\"\""))
}

fn is_one_of(states: &[State], now: Timestamp) -> (String, Vec<Value>) {
    let (mut any, mut values) = (Vec::new(), Vec::new());
    let statuses: Vec<Value> = states
        .iter()
        .filter_map(|state| match state {
            State::Status(status) => Some(text(status.as_str())),
            _ => None,
        })
        .collect();
    if !statuses.is_empty() {
        any.push(format!("status IN ({})", marks(statuses.len())));
        values.extend(statuses);
    }
    for state in states {
        match state {
            State::Status(_) => (),
            State::Muted => {
                any.push(format!("({IS_MUTED})"));
                values.push(Value::Integer(now.as_microsecond()));
            }
            State::Regressed => any.push("regression IS NOT NULL".to_owned()),
            State::Unassigned => any.push("assignee_id IS NULL".to_owned()),
        }
    }
    (any.join(" OR "), values)
}

/// Found by the words of the kind, then compared: its path may be left out.
fn is_of_kind(kinds: &[String]) -> (String, Vec<Value>) {
    let (mut any, mut values) = (Vec::new(), Vec::new());
    for kind in kinds {
        any.push("error_kind = ? OR substr(error_kind, -length(?) - 2) = '::' || ?");
        values.extend([text(kind), text(kind), text(kind)]);
    }
    let any = any.join(" OR ");
    let has_words = kinds.iter().all(|kind| kind.contains(char::is_alphanumeric));
    if !has_words {
        return (any, values);
    }
    let search = kinds.iter().map(|kind| format!("error_kind : \"{}\"", kind.replace('"', "\"\"")));
    values.insert(0, text(&search.collect::<Vec<_>>().join(" OR ")));
    (format!("{IS_FOUND} AND ({any})"), values)
}

fn is_assigned(people: &[Option<String>], user_id: &str) -> (String, Vec<Value>) {
    let named: Vec<Value> =
        people.iter().flatten().map(|person| text(if person == ME { user_id } else { person })).collect();
    let mut any = Vec::new();
    if people.contains(&None) {
        any.push("assignee_id IS NULL".to_owned());
    }
    if !named.is_empty() {
        any.push(format!("assignee_id IN ({})", marks(named.len())));
    }
    (any.join(" OR "), named)
}

fn has_one_of(table: &str, column: &str, all: &[String], expected: Expected) -> (String, Vec<Value>) {
    let marks = marks(all.len());
    let sql = match expected {
        Expected::Few => format!("id IN (SELECT issue_id FROM {table} WHERE {column} IN ({marks}))"),
        Expected::Many => {
            format!("EXISTS (SELECT 1 FROM {table} WHERE {column} IN ({marks}) AND issue_id = issues.id)")
        }
    };
    (sql, all.iter().map(|value| text(value)).collect())
}

fn is_seen(moment: Moment, window: Window, now: Timestamp) -> (String, Vec<Value>) {
    let (until, since) = match moment {
        Moment::First => ("first_seen", "first_seen"),
        Moment::Last => ("last_seen", "last_seen"),
        Moment::Any => ("first_seen", "last_seen"),
    };
    let (from, to) = window.bounds(now);
    let (mut all, mut values) = (vec!["1".to_owned()], Vec::new());
    if let Some(from) = from {
        all.push(format!("{since} >= ?"));
        values.push(Value::Integer(from.as_microsecond()));
    }
    if let Some(to) = to {
        all.push(format!("{until} < ?"));
        values.push(Value::Integer(to.as_microsecond()));
    }
    (all.join(" AND "), values)
}

pub(super) const fn column(fact: Fact) -> &'static str {
    match fact {
        Fact::Service => "service",
        Fact::Environment => "environment",
        Fact::Component => "component",
        Fact::Severity => "severity",
        Fact::Priority => "priority",
        Fact::Type => "type",
        Fact::Kind => "error_kind",
        Fact::Release => "release",
    }
}

fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}
