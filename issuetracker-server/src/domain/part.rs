//! What a merged issue is made of. Each part goes on being counted as if it were alone, so that a merge can be undone at
//! any time, exactly. Moving what is beneath the issues is the stores' work.

use std::collections::BTreeMap;

use super::{
    Comment, Hours, Issue, IssueId, Occurrence,
    fold::{self, Recurrence},
    head, hour_of,
};

/// In the details of an entry of a merged issue's history: the part that it belongs to, unless that is the issue itself.
pub const PART: &str = "part";

/// One of the issues that were made one.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// As it was when it was merged, with what was counted for it since. It may be a merged issue itself.
    pub issue: Issue,
    /// Its other ids.
    pub aliases: Vec<IssueId>,
    /// What its reporters' daily comments count, by the comment's id.
    pub days: BTreeMap<String, Recurrence>,
    /// The comments that were written on it.
    pub written: Vec<String>,
}

impl Part {
    /// An issue as it is before a merge, with its other ids and all its comments.
    pub(super) fn new(issue: &Issue, aliases: &[IssueId], comments: &[Comment]) -> Self {
        let days = comments.iter().filter_map(|comment| Some((comment.id.clone(), Recurrence::of(comment)?)));
        let written = comments.iter().filter(|comment| comment.recurrences.is_none());
        Self {
            issue: issue.clone(),
            aliases: aliases.to_vec(),
            days: days.collect(),
            written: written.map(|comment| comment.id.clone()).collect(),
        }
    }

    /// The ids by which entries of histories name it and what it is made of.
    pub fn ids(&self) -> Vec<&IssueId> {
        let nested = self.issue.parts.iter().filter(|part| part.issue.id != self.issue.id);
        std::iter::once(&self.issue.id).chain(nested.flat_map(Self::ids)).collect()
    }

    fn has(&self, id: &IssueId) -> bool {
        self.issue.id == *id || self.aliases.contains(id)
    }
}

/// Counts an occurrence: how often, when, and which event speaks for the issue. Answers the part that it belongs to,
/// unless that is the issue itself.
pub(super) fn count(issue: &mut Issue, occurrence: &Occurrence) -> Option<IssueId> {
    issue.occurrences += occurrence.count;
    issue.last_seen = issue.last_seen.max(occurrence.last_at);
    issue.hours.add(hour_of(occurrence.last_at), occurrence.count);
    if !occurrence.details.host.is_empty() && !issue.hosts.contains(&occurrence.details.host) {
        let host = occurrence.details.host.clone();
        issue.hosts = fold::tidy_tags(std::mem::take(&mut issue.hosts), &[host]);
    }
    let mut part_id = None;
    match part_of(issue, occurrence) {
        // The earliest event speaks for the issue, whatever order they arrive in.
        None if (occurrence.first_at, occurrence.event_id) < (issue.first_seen, issue.head_event) => {
            head::take_head(issue, head::issue_of(occurrence));
        }
        None => (),
        Some(index) => {
            let first_seen = issue.first_seen.min(occurrence.first_at);
            let part = &mut issue.parts[index];
            part_id = count(&mut part.issue, occurrence).or_else(|| (index > 0).then(|| part.issue.id.clone()));
            fold::add_day(&mut part.days, occurrence);
            // Somebody has chosen whose title stays.
            if index == 0 && part.issue.head_event == occurrence.event_id {
                head::take_head(issue, head::issue_of(occurrence));
            }
            issue.first_seen = first_seen;
        }
    }
    if !issue.decided.tags {
        issue.tags = fold::tidy_tags(std::mem::take(&mut issue.tags), &occurrence.tags);
    }
    part_id
}

/// Notes whose a comment is that an event brings. Answers the part, as [`count`] does.
pub(super) fn comment(issue: &mut Issue, occurrence: &Occurrence) -> Option<IssueId> {
    let index = part_of(issue, occurrence).filter(|index| *index > 0)?;
    let part = &mut issue.parts[index];
    part.written.push(occurrence.event_id.to_string());
    Some(comment(&mut part.issue, occurrence).unwrap_or_else(|| part.issue.id.clone()))
}

/// The part that an occurrence belongs to; the first, which is the issue itself, if it is no other's.
fn part_of(issue: &mut Issue, occurrence: &Occurrence) -> Option<usize> {
    if issue.parts.is_empty() {
        return None;
    }
    let mut others = issue.parts.iter_mut().enumerate().skip(1);
    if let Some((index, _)) = others.find(|(_, part)| part.has(&occurrence.issue_id)) {
        return Some(index);
    }
    let is_older_name = |part: &Part| occurrence.former_issue_ids.iter().any(|id| part.has(id));
    let index = issue.parts.iter().skip(1).position(is_older_name).map_or(0, |index| index + 1);
    if index > 0 {
        issue.parts[index].aliases.push(occurrence.issue_id.clone());
    }
    Some(index)
}

/// Takes a part out of a merged issue, or out of one of its parts, and counts anew what is left, which is to be [settled](
/// settle) then. `None` if there is none of this id.
pub(super) fn take(issue: &mut Issue, id: &IssueId) -> Option<Part> {
    let place = issue.parts.iter().skip(1).position(|part| part.issue.id == *id);
    let taken = match place {
        Some(index) => issue.parts.remove(index + 1),
        None => issue.parts.iter_mut().skip(1).find_map(|outer| {
            let taken = take(&mut outer.issue, id)?;
            let ids = taken.ids().into_iter().chain(&taken.aliases);
            let gone: Vec<&IssueId> = ids.collect();
            outer.aliases.retain(|alias| !gone.contains(&alias));
            outer.written.retain(|comment| !taken.written.contains(comment));
            for comment in taken.days.keys() {
                match day_of(&outer.issue, comment) {
                    Some(rest) => outer.days.insert(comment.clone(), rest),
                    None => outer.days.remove(comment),
                };
            }
            settle(&mut outer.issue);
            Some(taken)
        })?,
    };
    recount(issue);
    Some(taken)
}

/// What the parts together count in a daily comment.
pub(super) fn day_of(issue: &Issue, comment: &str) -> Option<Recurrence> {
    let mut days = issue.parts.iter().filter_map(|part| part.days.get(comment));
    let first = days.next()?.clone();
    Some(days.fold(first, Recurrence::and))
}

/// An issue that is its only part is no merged one.
pub(super) fn settle(issue: &mut Issue) {
    if issue.parts.len() == 1 {
        issue.parts.clear();
    }
}

/// Makes what is counted the sum of the parts.
fn recount(issue: &mut Issue) {
    let parts = std::mem::take(&mut issue.parts);
    let Some(own) = parts.first() else { return };
    head::take_head(issue, own.issue.clone());
    issue.occurrences = parts.iter().map(|part| part.issue.occurrences).sum();
    issue.hosts = parts.iter().fold(Vec::new(), |hosts, part| fold::tidy_tags(hosts, &part.issue.hosts));
    issue.hours = Hours::default();
    parts.iter().for_each(|part| issue.hours.add_all(&part.issue.hours));
    for part in &parts {
        issue.first_seen = issue.first_seen.min(part.issue.first_seen);
    }
    issue.last_seen = parts.iter().map(|part| part.issue.last_seen).max().unwrap_or(issue.last_seen);
    if !issue.decided.tags {
        issue.tags = parts.iter().fold(Vec::new(), |tags, part| fold::tidy_tags(tags, &part.issue.tags));
    }
    issue.parts = parts;
}
