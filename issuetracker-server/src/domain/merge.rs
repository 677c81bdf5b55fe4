//! Merging: one issue takes over all that another one is, because a person says that they are the same; and splitting,
//! which undoes that. Moving what is beneath the issues is the stores' work.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{
    Activity, ActivityKind, Comment, Issue, IssueId, Status,
    fold::{self, Recurrence, tidy_tags},
    part::{self, Part},
};

/// What stands beside an issue that is merged: its other ids, and its comments.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Other ids.
    pub aliases: Vec<IssueId>,
    /// All comments, the daily ones included.
    pub comments: Vec<Comment>,
}

/// Adds `from` to `into`, and tells of it in the history of `into`. What people decided of `into` stays, and so does its
/// title: it is the one that they chose to keep.
pub fn merge(
    into: &mut Issue,
    beside_into: &Beside,
    from: &Issue,
    beside_from: &Beside,
    user_id: &str,
    now: Timestamp,
) -> Activity {
    if into.parts.is_empty() {
        into.parts.push(Part::new(into, &beside_into.aliases, &beside_into.comments));
    }
    into.parts.push(Part::new(from, &beside_from.aliases, &beside_from.comments));
    into.occurrences += from.occurrences;
    into.comments += from.comments;
    into.first_seen = into.first_seen.min(from.first_seen);
    into.last_seen = into.last_seen.max(from.last_seen);
    into.hours.add_all(&from.hours);
    into.hosts = tidy_tags(std::mem::take(&mut into.hosts), &from.hosts);
    if !into.decided.tags {
        into.tags = tidy_tags(std::mem::take(&mut into.tags), &from.tags);
    }
    into.updated_at = now;
    into.version += 1;
    Activity {
        id: format!("merged-{}", from.id),
        kind: ActivityKind::Merged,
        user_id: user_id.to_owned(),
        timestamp: now,
        details: named(from),
    }
}

/// A part that is an issue of its own again.
#[derive(Debug, Clone, PartialEq)]
pub struct Split {
    /// The issue: as if it had never been merged, but for what people decided meanwhile.
    pub issue: Issue,
    /// The ids that stand for it again.
    pub aliases: Vec<IssueId>,
    /// The ids by which its entries are known in the history of the merged issue.
    pub entries_of: Vec<IssueId>,
    /// Its comments.
    pub comments: Vec<Comment>,
    /// The daily comments of the merged issue that count less now.
    pub left: Vec<Comment>,
    /// The comments that the merged issue has no longer.
    pub gone: Vec<String>,
    /// New entries in its own history.
    pub activities: Vec<Activity>,
    /// The new entry in the history of the merged issue.
    pub told: Activity,
}

/// Takes the part `id` out of `issue`, which has these comments. `None` if there is no such part.
pub fn split(issue: &mut Issue, comments: &[Comment], id: &IssueId, user_id: &str, now: Timestamp) -> Option<Split> {
    let taken = part::take(issue, id)?;
    let (mut left, mut gone) = (Vec::new(), taken.written.clone());
    for comment in taken.days.keys() {
        match part::day_of(issue, comment) {
            Some(rest) => left.push(rest.apply(comment, None)),
            None => gone.push(comment.clone()),
        }
    }
    part::settle(issue);
    let written: Vec<Comment> =
        comments.iter().filter(|comment| taken.written.contains(&comment.id)).cloned().collect();
    issue.comments = issue.comments.saturating_sub(written.len() as u64);
    issue.updated_at = now;
    issue.version += 1;
    let mut own = taken.issue.clone();
    own.comments = written.len() as u64;
    own.updated_at = now;
    own.version += 1;
    reopen_if_it_came_back(&mut own);
    let counted = taken.days.iter().map(|(comment, day)| day.apply(comment, None));
    let entry = |kind: ActivityKind, id: String, timestamp, details| Activity {
        id,
        kind,
        user_id: user_id.to_owned(),
        timestamp,
        details,
    };
    let at = now.as_microsecond();
    let mut activities = vec![entry(ActivityKind::Split, format!("split-{at}"), now, named(issue))];
    // Both had one when they were merged, and one was left.
    if own.fingerprint.is_some() {
        let user_id = own.reporter_id.clone();
        let created = entry(ActivityKind::Created, fold::CREATED_ID.to_owned(), own.created_at, Map::new());
        activities.push(Activity { user_id, ..created });
    }
    Some(Split {
        told: entry(ActivityKind::Split, format!("split-{}-{at}", own.id), now, named(&own)),
        aliases: taken.aliases.clone(),
        entries_of: taken.ids().into_iter().cloned().collect(),
        comments: written.into_iter().chain(counted).collect(),
        left,
        gone,
        activities,
        issue: own,
    })
}

/// A part was not looked at while it was merged: if it was done and has happened since, it is not done. Where that may have
/// been silence or an old release, people decide.
fn reopen_if_it_came_back(own: &mut Issue) {
    let is_back = own.resolved_at.is_some_and(|resolved_at| own.last_seen > resolved_at);
    if own.status.is_done() && is_back && own.mute.is_none() && own.old_releases.is_empty() {
        own.status = Status::Open;
        own.resolved_at = None;
    }
}

fn named(issue: &Issue) -> Map<String, Value> {
    let short_id = issue.short_id.as_ref().map(IssueId::as_str);
    let details = json!({
        "issue_id": issue.id.as_str(), "short_id": short_id, "title": issue.title, "occurrences": issue.occurrences,
    });
    if let Value::Object(details) = details { details } else { Map::new() }
}

/// One comment of two with the same id, from issues that were merged: a day's counts are added.
pub fn merge_comments(into: Comment, from: &Comment) -> Comment {
    match Recurrence::of(from) {
        Some(day) => day.apply(&into.id, Some(&into)),
        None => into,
    }
}
