//! The shape of an issue's page: the latest occurrence taken apart, the occurrences before it, and one timeline of
//! history and comments.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::layout::{OptionView, RowView, TimeView, compact, filter_url, label, word_options};
use crate::{
    auth::Principal,
    domain::{Activity, ActivityKind, Comment, Issue, Mute, MutedUntil, Permission, Priority, Status, part::Part},
    triage::may_change,
    web::{markdown, views},
};

#[derive(Serialize)]
pub(crate) struct IssuePageView {
    issue: HeaderView,
    can_change: bool,
    /// Whether it can be resolved in the next release.
    has_release: bool,
    statuses: Vec<OptionView>,
    priorities: Vec<OptionView>,
    latest: Option<OccurrenceView>,
    occurrences: Vec<OccurrenceRow>,
    timeline: Vec<TimelineView>,
    back_url: &'static str,
    /// How many events are kept with their details, if more have happened.
    kept: Option<usize>,
}

#[derive(Serialize)]
struct HeaderView {
    #[serde(flatten)]
    row: RowView,
    description_html: String,
    fingerprint: String,
    project: String,
    reporter_id: String,
    source: &'static str,
    created_at: TimeView,
    updated_at: TimeView,
    etag: String,
    muted: Option<MuteView>,
    /// The releases that do not reopen it.
    old_releases: String,
    parts: Vec<PartView>,
}

/// What a merged issue was made of; the first is the issue itself.
#[derive(Serialize)]
struct PartView {
    id: String,
    short_id: String,
    title: String,
    occurrences_text: String,
    last_seen: TimeView,
}

impl PartView {
    fn new(part: &Part, now: Timestamp) -> Self {
        let issue = &part.issue;
        Self {
            id: issue.id.to_string(),
            short_id: issue.short_id.as_ref().unwrap_or(&issue.id).to_string(),
            title: issue.title.clone(),
            occurrences_text: compact(issue.occurrences),
            last_seen: TimeView::new(issue.last_seen, now),
        }
    }
}

#[derive(Serialize)]
struct OccurrenceView {
    event_id: String,
    at: TimeView,
    occurrences: u64,
    error: Vec<Value>,
    spans: Vec<SpanView>,
    context: Vec<FieldView>,
    location: Value,
    facts: Vec<FactView>,
    breadcrumbs: Vec<Value>,
    backtrace: String,
    dropped_before: Vec<DroppedView>,
}

#[derive(Serialize)]
struct SpanView {
    name: String,
    target: String,
    fields: Vec<FieldView>,
}

#[derive(Serialize)]
struct FieldView {
    key: String,
    value: String,
    url: String,
}

#[derive(Serialize)]
struct FactView {
    label: &'static str,
    value: String,
}

#[derive(Serialize)]
struct DroppedView {
    reason: String,
    count: u64,
}

#[derive(Serialize)]
struct OccurrenceRow {
    event_id: String,
    at: TimeView,
    occurrences: u64,
    host: String,
    release: String,
    environment: String,
    summary: String,
}

#[derive(Serialize)]
struct TimelineView {
    /// Of a comment.
    id: String,
    kind: &'static str,
    #[serde(rename = "type")]
    activity: &'static str,
    text: String,
    author: String,
    at: TimeView,
    content_html: String,
    /// When it was edited last.
    edited: Option<TimeView>,
    /// The comment as it was written, if the reader may change it.
    source: Option<String>,
}

/// How long it is silent.
#[derive(Serialize)]
struct MuteView {
    until: Option<TimeView>,
    rate: Option<String>,
}

impl MuteView {
    fn new(mute: &Mute, now: Timestamp) -> Self {
        let rate = match mute.until {
            MutedUntil::Rate { count, per, .. } => Some(format!("{count} in one {}", per.as_str())),
            MutedUntil::Time(_) | MutedUntil::Unmuted => None,
        };
        Self { until: mute.ends_at().map(|until| TimeView::new(until, now)), rate }
    }
}

impl IssuePageView {
    pub(crate) fn new(
        issue: &Issue,
        occurrences: &[Activity],
        comments: &[Comment],
        history: &[Activity],
        principal: &Principal,
        kept: usize,
        now: Timestamp,
    ) -> Self {
        Self {
            issue: HeaderView {
                row: RowView::new(issue, now),
                // The description of an error repeats what stands below in better form.
                description_html: if occurrences.is_empty() || issue.fingerprint.is_none() || !is_ours(&occurrences[0])
                {
                    markdown::to_html(&issue.description)
                } else {
                    String::new()
                },
                fingerprint: issue.fingerprint.map(|fingerprint| fingerprint.to_string()).unwrap_or_default(),
                project: issue.project.clone(),
                reporter_id: issue.reporter_id.clone(),
                source: issue.source.as_str(),
                created_at: TimeView::new(issue.created_at, now),
                updated_at: TimeView::new(issue.updated_at, now),
                etag: views::etag(issue),
                old_releases: issue.old_releases.join(", "),
                parts: issue.parts.iter().map(|part| PartView::new(part, now)).collect(),
                muted: issue.mute.filter(|mute| mute.is_silent(now)).map(|mute| MuteView::new(&mute, now)),
            },
            can_change: principal.may(Permission::ChangeIssue),
            has_release: !issue.release.is_empty() || occurrences.iter().any(|one| one.details.contains_key("release")),
            kept: Some(kept).filter(|kept| issue.occurrences > *kept as u64),
            statuses: word_options(Status::ALL.map(Status::as_str), issue.status.as_str()),
            priorities: word_options(Priority::ALL.iter().map(|word| word.as_str()), issue.priority.as_str()),
            latest: occurrences.first().map(|occurrence| OccurrenceView::new(issue, occurrence, now)),
            occurrences: occurrences.iter().map(|occurrence| OccurrenceRow::new(occurrence, now)).collect(),
            timeline: timeline(issue, comments, history, principal, now),
            back_url: "/issues",
        }
    }
}

/// Whether the details say where in the source it was: then our own library wrote them.
fn is_ours(occurrence: &Activity) -> bool {
    occurrence.details.contains_key("location")
}

impl OccurrenceView {
    fn new(issue: &Issue, occurrence: &Activity, now: Timestamp) -> Self {
        let details = &occurrence.details;
        let list = |name: &str| details.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |name: &str| text_of(details.get(name));
        let facts = [
            ("Service", issue.service.clone()),
            ("Environment", text("environment")),
            ("Release", text("release")),
            ("Host", text("host")),
            ("Process", text("pid")),
            ("Thread", text("thread")),
            ("Trace", text("trace_id")),
            ("Span", text("span_id")),
        ];
        let dropped = details.get("dropped_before").and_then(Value::as_object);
        Self {
            event_id: occurrence.id.clone(),
            at: TimeView::new(occurrence.timestamp, now),
            occurrences: details.get("occurrences").and_then(Value::as_u64).unwrap_or(1),
            error: list("error"),
            spans: list("spans").iter().map(SpanView::new).collect(),
            context: details.get("context").and_then(Value::as_object).map(fields).unwrap_or_default(),
            location: details.get("location").cloned().unwrap_or(Value::Null),
            facts: facts
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(label, value)| FactView { label, value })
                .collect(),
            breadcrumbs: list("breadcrumbs"),
            backtrace: text("backtrace"),
            dropped_before: dropped
                .into_iter()
                .flatten()
                .map(|(reason, count)| DroppedView { reason: label(reason), count: count.as_u64().unwrap_or(0) })
                .collect(),
        }
    }
}

impl SpanView {
    fn new(span: &Value) -> Self {
        Self {
            name: text_of(span.get("name")),
            target: text_of(span.get("target")),
            fields: span.get("fields").and_then(Value::as_object).map(fields).unwrap_or_default(),
        }
    }
}

impl OccurrenceRow {
    fn new(occurrence: &Activity, now: Timestamp) -> Self {
        let text = |name: &str| text_of(occurrence.details.get(name));
        Self {
            event_id: occurrence.id.clone(),
            at: TimeView::new(occurrence.timestamp, now),
            occurrences: occurrence.details.get("occurrences").and_then(Value::as_u64).unwrap_or(1),
            host: text("host"),
            release: text("release"),
            environment: text("environment"),
            summary: text("title"),
        }
    }
}

/// History and comments in one list, oldest first.
fn timeline(
    issue: &Issue,
    comments: &[Comment],
    history: &[Activity],
    principal: &Principal,
    now: Timestamp,
) -> Vec<TimelineView> {
    // An error that was seen once did not come back, so there is nothing to tell.
    let is_told = |comment: &&Comment| comment.recurrences.is_none() || issue.occurrences > 1;
    let comments = comments.iter().filter(is_told).map(|comment| {
        let entry = TimelineView {
            id: comment.id.clone(),
            kind: "comment",
            activity: "commented",
            text: String::new(),
            author: comment.author_id.clone(),
            at: TimeView::new(comment.created_at, now),
            content_html: markdown::to_html(&comment.content),
            edited: comment.edited_at.filter(|_| comment.recurrences.is_none()).map(|at| TimeView::new(at, now)),
            source: may_change(principal, comment).then(|| comment.content.clone()),
        };
        (comment.created_at, entry)
    });
    // That somebody commented shows as the comment, unless that is gone.
    let is_told =
        |activity: &&Activity| activity.kind != ActivityKind::Commented || activity.details.contains_key("deleted_by");
    let history = history.iter().filter(is_told).map(|activity| {
        let entry = TimelineView {
            id: String::new(),
            kind: "activity",
            activity: activity.kind.as_str(),
            text: sentence(activity),
            author: activity.user_id.clone(),
            at: TimeView::new(activity.timestamp, now),
            content_html: String::new(),
            edited: None,
            source: None,
        };
        (activity.timestamp, entry)
    });
    // History first: what happened at the same moment caused the comment.
    let mut timeline: Vec<_> = history.chain(comments).collect();
    timeline.sort_by_key(|(at, _)| *at);
    timeline.into_iter().map(|(_, entry)| entry).collect()
}

/// What happened, to be read after the name of who did it.
fn sentence(activity: &Activity) -> String {
    let (from, to) = (text_of(activity.details.get("from")), text_of(activity.details.get("to")));
    match activity.kind {
        ActivityKind::Created => "reported this".to_owned(),
        ActivityKind::StatusChanged if activity.details.contains_key("after_releases") => {
            "resolved this in the next release".to_owned()
        }
        ActivityKind::StatusChanged => format!("changed the status from {} to {}", label(&from), label(&to)),
        ActivityKind::PriorityChanged => format!("changed the priority from {from} to {to}"),
        ActivityKind::Assigned if to.is_empty() => format!("took this from {from}"),
        ActivityKind::Assigned => format!("assigned this to {to}"),
        ActivityKind::Tagged => format!("changed the tags to {to}"),
        ActivityKind::Regressed => match text_of(activity.details.get("release")) {
            release if release.is_empty() => "saw it again after it was resolved: reopened".to_owned(),
            release => format!("saw it again after it was resolved, in release {release}: reopened"),
        },
        ActivityKind::Muted => mute_sentence(activity),
        ActivityKind::Merged => format!("merged {} into this", named(activity)),
        ActivityKind::Split => format!("split this from {}", named(activity)),
        ActivityKind::Commented => {
            format!("wrote a comment that {} deleted", text_of(activity.details.get("deleted_by")))
        }
        other => label(other.as_str()).to_lowercase(),
    }
}

fn mute_sentence(activity: &Activity) -> String {
    let text = |name: &str| text_of(activity.details.get(name));
    match (text("until"), text("count")) {
        (until, _) if !until.is_empty() => format!("muted this until {until}"),
        (_, count) if !count.is_empty() => format!("muted this until it happens {count} times in one {}", text("per")),
        _ => "muted this until somebody unmutes it".to_owned(),
    }
}

/// The other issue of a merge or a split, as people say it.
fn named(activity: &Activity) -> String {
    let text = |name: &str| text_of(activity.details.get(name));
    let id = Some(text("short_id")).filter(|id| !id.is_empty()).unwrap_or_else(|| text("issue_id"));
    format!("{id} “{}”", text("title"))
}

fn fields(object: &Map<String, Value>) -> Vec<FieldView> {
    let field = |(key, value): (&String, &Value)| {
        let value = text_of(Some(value));
        let url = match key.as_str() {
            "component" => filter_url("component", &value),
            _ => String::new(),
        };
        FieldView { key: key.clone(), value, url }
    };
    object.iter().map(field).collect()
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
