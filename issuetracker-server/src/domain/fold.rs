//! How occurrences and people change an issue. Pure functions that both stores use, so that the stores cannot disagree:
//! any order and any batching of the same occurrences gives the same issue, as long as nobody changes it meanwhile.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    Activity, ActivityKind, Comment, Effect, Issue, IssueChange, IssueId, Mute, MutedUntil, Occurrence, ServiceHour,
    Status, head, hex, hour_of,
    issue::Regression,
    part::{self, PART},
};

/// Who did what nobody did.
const SYSTEM: &str = "system";

/// The most labels an issue keeps.
const MAX_TAGS: usize = 50;

/// What a batch of occurrences does to one issue; to be written in one commit.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded {
    /// The issue as it is now.
    pub issue: Issue,
    /// New entries of its history. `created` may be there already, with a later time: it is replaced.
    pub activities: Vec<Activity>,
    /// New comments.
    pub comments: Vec<Comment>,
    /// Counts to add to the daily comments of reporters, by comment id.
    pub recurrences: BTreeMap<String, Recurrence>,
    /// Whether the issue is new.
    pub is_created: bool,
    /// Whether it came back after it was resolved.
    pub is_regressed: bool,
}

/// How often an issue came back on one day, from one reporter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recurrence {
    /// The reporter.
    pub author_id: String,
    /// `2026-11-23`, in UTC.
    pub day: String,
    /// Errors to add.
    pub count: u64,
    /// The first of them.
    pub first_at: Timestamp,
    /// The last of them.
    pub last_at: Timestamp,
}

impl Recurrence {
    /// What a daily comment counts; `None` of one that somebody wrote.
    pub fn of(comment: &Comment) -> Option<Self> {
        let day = comment.id.get("seen-".len().."seen-2026-11-23".len())?;
        Some(Self {
            author_id: comment.author_id.clone(),
            day: day.to_owned(),
            count: comment.recurrences?,
            first_at: comment.created_at,
            last_at: comment.edited_at.unwrap_or(comment.created_at),
        })
    }

    /// Both together.
    #[must_use]
    pub(super) fn and(self, other: &Self) -> Self {
        Self {
            count: self.count + other.count,
            first_at: self.first_at.min(other.first_at),
            last_at: self.last_at.max(other.last_at),
            ..self
        }
    }

    /// The daily comment after this count was added to what `before` already tells.
    pub fn apply(&self, id: &str, before: Option<&Comment>) -> Comment {
        let count = self.count + before.and_then(|comment| comment.recurrences).unwrap_or(0);
        let created_at = before.map_or(self.first_at, |comment| comment.created_at.min(self.first_at));
        let last_at = before.and_then(|comment| comment.edited_at).map_or(self.last_at, |last| last.max(self.last_at));
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        Comment {
            id: id.to_owned(),
            content: format!("Seen {times} on {}, last at {}.", self.day, last_at.strftime("%H:%M:%S UTC")),
            author_id: self.author_id.clone(),
            created_at,
            edited_at: Some(last_at),
            recurrences: Some(count),
        }
    }
}

/// Folds occurrences of one issue, none of which was folded before, into what is stored of it.
///
/// `None` if nothing can be done yet: a comment on an issue that does not exist makes none.
pub fn fold(existing: Option<Issue>, occurrences: &[&Occurrence]) -> Option<Folded> {
    let is_created = existing.is_none();
    let start = match existing {
        Some(issue) => issue,
        None => head::issue_of(occurrences.iter().find(|occurrence| occurrence.effect != Effect::Commented)?),
    };
    let created_at = start.created_at;
    let mut folded = Folded {
        issue: start,
        activities: Vec::new(),
        comments: Vec::new(),
        recurrences: BTreeMap::new(),
        is_created,
        is_regressed: false,
    };
    for occurrence in occurrences {
        match occurrence.effect {
            Effect::Occurred => folded.count(occurrence),
            Effect::Created => {
                folded.activities.push(activity(occurrence, ActivityKind::Created, occurrence.record()));
            }
            Effect::Commented => folded.comment(occurrence),
        }
    }
    if is_created || folded.issue.created_at != created_at {
        folded.note_creation();
    }
    folded.issue.version += u64::from(folded.is_created) + u64::from(folded.is_regressed);
    Some(folded)
}

impl Folded {
    /// Whether a mute has ended with it.
    pub fn is_unmuted(&self) -> bool {
        self.activities.iter().any(|activity| activity.kind == ActivityKind::Unmuted)
    }

    fn count(&mut self, occurrence: &Occurrence) {
        let part = part::count(&mut self.issue, occurrence);
        let is_unmuted = self.unmute_if_over(occurrence);
        self.reopen_if_regressed(occurrence, is_unmuted);
        let mut details = occurrence.record();
        details.extend(part.as_ref().map(of_part));
        self.activities.push(activity(occurrence, ActivityKind::Occurrence, details));
        add_day(&mut self.recurrences, occurrence);
    }

    /// Ends a mute that holds only up to a rate which is reached now.
    fn unmute_if_over(&mut self, occurrence: &Occurrence) -> bool {
        let Some(mute) = self.issue.mute.filter(|mute| mute.is_over(&self.issue.hours)) else { return false };
        self.issue.mute = None;
        self.activities.push(Activity {
            id: format!("unmuted-{}", mute.since.as_microsecond()),
            kind: ActivityKind::Unmuted,
            user_id: SYSTEM.to_owned(),
            timestamp: occurrence.last_at,
            details: mute_details(&mute.until),
        });
        true
    }

    fn reopen_if_regressed(&mut self, occurrence: &Occurrence, is_unmuted: bool) {
        let issue = &mut self.issue;
        if issue.old_releases.contains(&occurrence.release) {
            return;
        }
        if let Some(resolved_at) = issue.resolved_at {
            // What ended a mute may itself be old; what it stands for is not.
            let last_at = if is_unmuted { issue.last_seen } else { occurrence.last_at };
            let is_muted = issue.mute.is_some_and(|mute| mute.is_silent(occurrence.last_at));
            if !issue.status.is_done() || last_at <= resolved_at || is_muted {
                return;
            }
            issue.regression =
                Some(Regression { resolved_at, from: issue.status, at: last_at, event: occurrence.event_id });
            issue.status = Status::Open;
            issue.resolved_at = None;
            issue.updated_at = issue.updated_at.max(last_at);
            self.is_regressed = true;
        } else {
            // It is open again already. If this one was before the one that reopened it, it came back with this one.
            let Some(known) = &mut issue.regression else { return };
            let place = (occurrence.last_at, occurrence.event_id);
            if occurrence.last_at <= known.resolved_at || place >= (known.at, known.event) {
                return;
            }
            if issue.updated_at == known.at {
                issue.updated_at = occurrence.last_at;
            }
            (known.at, known.event) = place;
        }
        let Some(regression) = &self.issue.regression else { return };
        let id = format!("regressed-{}", regression.resolved_at.as_microsecond());
        self.activities.retain(|activity| activity.id != id);
        self.activities.push(Activity {
            id,
            kind: ActivityKind::Regressed,
            user_id: occurrence.reporter_id.clone(),
            timestamp: regression.at,
            details: details([
                ("from", regression.from.as_str()),
                ("to", Status::Open.as_str()),
                ("release", &occurrence.release),
            ]),
        });
    }

    fn comment(&mut self, occurrence: &Occurrence) {
        self.issue.comments += 1;
        let part = part::comment(&mut self.issue, occurrence);
        self.activities.push(activity(
            occurrence,
            ActivityKind::Commented,
            part.as_ref().map(of_part).into_iter().collect(),
        ));
        self.comments.push(Comment {
            id: occurrence.event_id.to_string(),
            content: if occurrence.description.is_empty() { &occurrence.title } else { &occurrence.description }
                .clone(),
            author_id: occurrence.reporter_id.clone(),
            created_at: occurrence.first_at,
            edited_at: None,
            recurrences: None,
        });
    }

    /// Notes that these ids stand for the issue from now on, because the rules of grouping have changed.
    pub fn note_aliases<'a>(&mut self, ids: impl IntoIterator<Item = &'a IssueId>) {
        let at = self.issue.last_seen;
        self.activities.extend(ids.into_iter().map(|id| Activity {
            id: format!("alias-{id}"),
            kind: ActivityKind::GroupingChanged,
            user_id: SYSTEM.to_owned(),
            timestamp: at,
            details: details([("alias", id.as_str())]),
        }));
    }

    /// The entry that tells when the issue came to be; its id is fixed, so an earlier one takes its place.
    fn note_creation(&mut self) {
        if self.activities.iter().any(|activity| activity.kind == ActivityKind::Created) {
            return;
        }
        self.activities.push(Activity {
            id: CREATED_ID.to_owned(),
            kind: ActivityKind::Created,
            user_id: self.issue.reporter_id.clone(),
            timestamp: self.issue.created_at,
            details: Map::new(),
        });
    }
}

/// What new occurrences add to the hours of their services; `created` are the issues that they made.
pub fn service_hours<'a>(
    occurrences: impl IntoIterator<Item = &'a Occurrence>,
    created: impl IntoIterator<Item = &'a Issue>,
) -> Vec<ServiceHour> {
    let mut hours: BTreeMap<(&str, i64), (u64, u64)> = BTreeMap::new();
    for occurrence in occurrences.into_iter().filter(|occurrence| occurrence.effect == Effect::Occurred) {
        hours.entry((&occurrence.service, hour_of(occurrence.last_at))).or_default().0 += occurrence.count;
    }
    for issue in created.into_iter().filter(|issue| issue.fingerprint.is_some()) {
        hours.entry((&issue.service, hour_of(issue.created_at))).or_default().1 += 1;
    }
    let hour = |((service, hour), (occurrences, created)): ((&str, i64), (u64, u64))| ServiceHour {
        service: service.to_owned(),
        hour,
        occurrences,
        created,
    };
    hours.into_iter().map(hour).collect()
}

/// The id of the activity that records when an occurrence created its issue.
pub const CREATED_ID: &str = "created";

/// Applies a person's change. The activities tell what changed; none means that nothing did.
pub fn change(issue: &mut Issue, change: &IssueChange, user_id: &str, now: Timestamp) -> Vec<Activity> {
    let mut activities = Vec::new();
    let mut note = |kind: ActivityKind, from: &str, to: &str| {
        activities.push(Activity {
            id: format!("{}-{}", kind.as_str(), now.as_microsecond()),
            kind,
            user_id: user_id.to_owned(),
            timestamp: now,
            details: details([("from", from), ("to", to)]),
        });
    };
    let is_other = |status: &Status| *status != issue.status || change.old_releases != issue.old_releases;
    if let Some(status) = change.status.filter(is_other) {
        note(ActivityKind::StatusChanged, issue.status.as_str(), status.as_str());
        issue.old_releases.clone_from(&change.old_releases);
        issue.resolved_at = status.is_done().then_some(now);
        issue.status = status;
        issue.regression = None;
    }
    if let Some(priority) = change.priority.filter(|priority| *priority != issue.priority) {
        note(ActivityKind::PriorityChanged, issue.priority.as_str(), priority.as_str());
        issue.priority = priority;
        issue.decided.priority = true;
    }
    if let Some(assignee) = change.assignee_id.as_ref().filter(|assignee| **assignee != issue.assignee_id) {
        let name = |assignee: &Option<String>| assignee.clone().unwrap_or_default();
        note(ActivityKind::Assigned, &name(&issue.assignee_id), &name(assignee));
        issue.assignee_id.clone_from(assignee);
        issue.decided.assignee = true;
    }
    if let Some(tags) = &change.tags {
        let tags = tidy_tags(Vec::new(), tags);
        if tags != issue.tags {
            note(ActivityKind::Tagged, &issue.tags.join(", "), &tags.join(", "));
            issue.tags = tags;
            issue.decided.tags = true;
        }
    }
    if let Some(until) = change.mute {
        activities.extend(mute(issue, until, user_id, now));
    }
    if let Some(activity) = activities.iter_mut().find(|activity| activity.kind == ActivityKind::StatusChanged)
        && !issue.old_releases.is_empty()
    {
        activity.details.insert("after_releases".to_owned(), json!(issue.old_releases));
    }
    if !activities.is_empty() {
        issue.updated_at = now;
        issue.version += 1;
    }
    activities
}

/// Silences the issue, or ends that.
fn mute(issue: &mut Issue, until: Option<MutedUntil>, user_id: &str, now: Timestamp) -> Option<Activity> {
    let (kind, details) = match until {
        None => {
            issue.mute.take()?;
            (ActivityKind::Unmuted, Map::new())
        }
        Some(until) => {
            issue.mute = Some(Mute::new(now, until, &issue.hours));
            (ActivityKind::Muted, mute_details(&until))
        }
    };
    let id = format!("{}-{}", kind.as_str(), now.as_microsecond());
    Some(Activity { id, kind, user_id: user_id.to_owned(), timestamp: now, details })
}

fn mute_details(until: &MutedUntil) -> Map<String, Value> {
    let details = match until {
        MutedUntil::Unmuted => json!({}),
        MutedUntil::Time(time) => json!({"until": time.to_string()}),
        MutedUntil::Rate { count, per, .. } => json!({"count": count, "per": per.as_str()}),
    };
    details.as_object().cloned().unwrap_or_default()
}

/// The id of the one comment that counts what its reporter saw on that day.
pub fn daily_comment_id(occurrence: &Occurrence) -> String {
    let (day, reporter) = (day_of(occurrence.last_at), &occurrence.reporter_id);
    let is_safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if reporter.len() <= 100 && reporter.chars().all(is_safe) {
        return format!("seen-{day}-{reporter}");
    }
    // Reporters are foreign text: what is not safe in a key is replaced, and a hash keeps those apart that look alike then.
    let safe: String = reporter.chars().take(80).map(|c| if is_safe(c) { c } else { '_' }).collect();
    let hash = hex(&Sha256::digest(reporter)[..4]);
    format!("seen-{day}-{safe}.{hash}")
}

/// Adds an occurrence to what its reporter's comment of the day counts.
pub(super) fn add_day(days: &mut BTreeMap<String, Recurrence>, occurrence: &Occurrence) {
    let day = Recurrence {
        author_id: occurrence.reporter_id.clone(),
        day: day_of(occurrence.last_at),
        count: occurrence.count,
        first_at: occurrence.first_at,
        last_at: occurrence.last_at,
    };
    let comment = daily_comment_id(occurrence);
    let day = match days.remove(&comment) {
        Some(known) => known.and(&day),
        None => day,
    };
    days.insert(comment, day);
}

fn of_part(part: &IssueId) -> (String, Value) {
    (PART.to_owned(), json!(part.as_str()))
}

/// Sorted, each once, and not too many; so whatever order they come in gives the same.
pub(super) fn tidy_tags(mut tags: Vec<String>, more: &[String]) -> Vec<String> {
    tags.extend_from_slice(more);
    tags.sort_unstable();
    tags.dedup();
    tags.truncate(MAX_TAGS);
    tags
}

fn day_of(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC).date().to_string()
}

fn details<const N: usize>(pairs: [(&str, &str); N]) -> Map<String, Value> {
    pairs
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), json!(value)))
        .collect()
}

fn activity(occurrence: &Occurrence, kind: ActivityKind, details: Map<String, Value>) -> Activity {
    Activity {
        id: occurrence.event_id.to_string(),
        kind,
        user_id: occurrence.reporter_id.clone(),
        timestamp: occurrence.last_at,
        details,
    }
}
