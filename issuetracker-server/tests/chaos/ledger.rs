//! What a producer wrote down of the errors that it sent, and how it is compared with the issues that a server shows. It
//! knows nothing of how events travel.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::support::Server;

/// The errors of one service, by issue.
pub(crate) struct Ledger {
    pub(crate) service: String,
    pub(crate) events: u64,
    issues: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    errors: u64,
    first: Timestamp,
    last: Timestamp,
}

impl Ledger {
    pub(crate) fn new(service: String) -> Self {
        Self { service, events: 0, issues: BTreeMap::new() }
    }

    /// Notes an event that stands for so many errors of the issue with this title.
    pub(crate) fn note(&mut self, title: &str, errors: u64, first: Timestamp, last: Timestamp) {
        self.events += 1;
        let entry = self.issues.entry(title.to_owned()).or_insert(Entry { errors: 0, first, last });
        entry.errors += errors;
        entry.first = entry.first.min(first);
        entry.last = entry.last.max(last);
    }

    pub(crate) fn errors(&self) -> u64 {
        self.issues.values().map(|entry| entry.errors).sum()
    }

    pub(crate) fn issues(&self) -> usize {
        self.issues.len()
    }

    /// Whether the server shows exactly this: every issue once, with its count, its first and its last time.
    pub(crate) fn compare(&self, server: &Server) -> Result<(), String> {
        let mut found = BTreeMap::new();
        for issue in server.issues(&format!("service={}&limit=100", self.service)) {
            let title = issue["title"].as_str().unwrap().to_owned();
            if found.insert(title, entry(&issue)).is_some() {
                return Err(format!("two issues for one error: {issue}"));
            }
        }
        if found == self.issues { Ok(()) } else { Err(self.differences(&found)) }
    }

    fn differences(&self, found: &BTreeMap<String, Entry>) -> String {
        let counted = |title| found.get(title).map_or(0, |entry: &Entry| entry.errors);
        let (mut lost, mut doubled, mut examples) = (0, 0, Vec::new());
        for (title, expected) in &self.issues {
            lost += expected.errors.saturating_sub(counted(title));
            doubled += counted(title).saturating_sub(expected.errors);
            if found.get(title) != Some(expected) && examples.len() < 5 {
                examples.push(format!("{title:?}: {:?} instead of {expected:?}", found.get(title)));
            }
        }
        let unknown = found.keys().filter(|title| !self.issues.contains_key(*title)).count();
        format!(
            "of {} errors in {} issues: {lost} lost, {doubled} doubled, {unknown} unknown issues\n  {}",
            self.errors(),
            self.issues.len(),
            examples.join("\n  ")
        )
    }
}

fn entry(issue: &Value) -> Entry {
    let time = |name: &str| issue[name].as_str().unwrap().parse().unwrap();
    Entry { errors: issue["occurrences"].as_u64().unwrap(), first: time("first_seen"), last: time("last_seen") }
}
