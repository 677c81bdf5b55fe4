//! The HTTP shape of things: what the API answers. Field names are a promise to its users.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::cursor;
use crate::{
    domain::{Activity, Comment, Issue, Mute, MutedUntil, part::Part},
    store::Page,
};

/// An issue.
#[derive(Debug, Serialize)]
pub(crate) struct IssueView {
    id: String,
    short_id: Option<String>,
    url: String,
    title: String,
    description: String,
    #[serde(rename = "type")]
    issue_type: &'static str,
    priority: &'static str,
    status: &'static str,
    severity: &'static str,
    project: String,
    service: String,
    environment: String,
    release: String,
    component: String,
    error_kind: String,
    location: String,
    source: &'static str,
    reporter_id: String,
    assignee_id: Option<String>,
    tags: Vec<String>,
    hosts: Vec<String>,
    occurrences: u64,
    comments: u64,
    first_seen: String,
    last_seen: String,
    created_at: String,
    updated_at: String,
    resolved_at: Option<String>,
    old_releases: Vec<String>,
    muted_until: Option<String>,
    mute: Option<Value>,
    fingerprint: Option<String>,
    grouping_version: u8,
    parts: Vec<PartView>,
}

/// What a merged issue was made of.
#[derive(Debug, Serialize)]
struct PartView {
    id: String,
    short_id: Option<String>,
    title: String,
    occurrences: u64,
    fingerprint: Option<String>,
}

impl From<&Part> for PartView {
    fn from(Part { issue, .. }: &Part) -> Self {
        Self {
            id: issue.id.to_string(),
            short_id: issue.short_id.as_ref().map(ToString::to_string),
            title: issue.title.clone(),
            occurrences: issue.occurrences,
            fingerprint: issue.fingerprint.map(|fingerprint| fingerprint.to_string()),
        }
    }
}

impl From<Issue> for IssueView {
    fn from(issue: Issue) -> Self {
        Self {
            url: format!("/issues/{}", issue.id),
            id: issue.id.to_string(),
            short_id: issue.short_id.map(|id| id.to_string()),
            title: issue.title,
            description: issue.description,
            issue_type: issue.issue_type.as_str(),
            priority: issue.priority.as_str(),
            status: issue.status.as_str(),
            severity: issue.severity.as_str(),
            project: issue.project,
            service: issue.service,
            environment: issue.environment,
            release: issue.release,
            component: issue.component,
            error_kind: issue.error_kind,
            location: issue.location,
            source: issue.source.as_str(),
            reporter_id: issue.reporter_id,
            assignee_id: issue.assignee_id,
            tags: issue.tags,
            hosts: issue.hosts,
            occurrences: issue.occurrences,
            comments: issue.comments,
            first_seen: issue.first_seen.to_string(),
            last_seen: issue.last_seen.to_string(),
            created_at: issue.created_at.to_string(),
            updated_at: issue.updated_at.to_string(),
            resolved_at: issue.resolved_at.map(|time| time.to_string()),
            old_releases: issue.old_releases,
            muted_until: issue.mute.and_then(|mute| mute.ends_at()).map(|time| time.to_string()),
            mute: issue.mute.map(|mute| mute_view(&mute)),
            fingerprint: issue.fingerprint.map(|fingerprint| fingerprint.to_string()),
            grouping_version: issue.grouping_version,
            parts: issue.parts.iter().map(PartView::from).collect(),
        }
    }
}

/// As it is asked for, and since when.
fn mute_view(mute: &Mute) -> Value {
    let since = mute.since.to_string();
    match mute.until {
        MutedUntil::Unmuted => json!({"since": since, "forever": true}),
        MutedUntil::Time(until) => json!({"since": since, "until": until.to_string()}),
        MutedUntil::Rate { count, per, .. } => json!({"since": since, "count": count, "per": per.as_str()}),
    }
}

/// The entity tag of an issue: its version, and what moves with occurrences.
pub(crate) fn etag(issue: &Issue) -> String {
    format!("\"{}.{}.{}\"", issue.version, issue.occurrences, issue.comments)
}

/// The version in an entity tag that came back. Occurrences that arrived since then are no conflict: on a busy issue
/// nobody could change anything.
pub(crate) fn version_of(etag: &str) -> Option<u64> {
    etag.trim().trim_start_matches("W/").trim_matches('"').split('.').next()?.parse().ok()
}

/// A comment.
#[derive(Debug, Serialize)]
pub(crate) struct CommentView {
    id: String,
    content: String,
    author_id: String,
    created_at: String,
    edited_at: Option<String>,
}

impl From<Comment> for CommentView {
    fn from(comment: Comment) -> Self {
        Self {
            id: comment.id,
            content: comment.content,
            author_id: comment.author_id,
            created_at: comment.created_at.to_string(),
            edited_at: comment.edited_at.map(|time| time.to_string()),
        }
    }
}

/// An entry of an issue's history; an occurrence is one.
#[derive(Debug, Serialize)]
pub(crate) struct ActivityView {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    user_id: String,
    timestamp: String,
    details: Map<String, Value>,
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            id: activity.id,
            kind: activity.kind.as_str(),
            user_id: activity.user_id,
            timestamp: activity.timestamp.to_string(),
            details: activity.details,
        }
    }
}

/// `{"issues": [...], "next_cursor": "..."}`, under the name of what is listed.
pub(crate) fn page<T, V: From<T> + Serialize>(name: &str, page: Page<T>) -> Value {
    let items: Vec<V> = page.items.into_iter().map(V::from).collect();
    json!({ name: items, "next_cursor": page.next.as_ref().map(cursor::encode) })
}
