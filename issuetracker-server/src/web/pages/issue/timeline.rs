//! History and comments of an issue in one list, each told in a sentence.

use jiff::Timestamp;
use serde::Serialize;

use super::{values::text_of, view::Content};
use crate::{
    auth::{People, Principal},
    domain::{Activity, ActivityKind, Comment},
    triage::may_change,
    web::{
        markdown,
        pages::layout::{TimeView, label},
    },
};

#[derive(Serialize)]
pub(super) struct TimelineView {
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

/// History and comments in one list, oldest first.
pub(super) fn timeline(content: &Content<'_>, principal: &Principal, now: Timestamp) -> Vec<TimelineView> {
    let Content { people, issue, comments, history, .. } = *content;
    // An error that was seen once did not come back, so there is nothing to tell.
    let is_told = |comment: &&Comment| comment.recurrences.is_none() || issue.occurrences > 1;
    let comments = comments.iter().filter(is_told).map(|comment| {
        let is_count = comment.recurrences.is_some();
        let entry = TimelineView {
            id: comment.id.clone(),
            kind: if is_count { "activity" } else { "comment" },
            activity: if is_count { "seen" } else { "commented" },
            // What a service counts is no talk: one line tells it.
            text: if is_count { counted(&comment.content) } else { String::new() },
            author: people.name(&comment.author_id).to_owned(),
            at: TimeView::new(comment.created_at, now),
            content_html: if is_count { String::new() } else { markdown::to_html(&comment.content) },
            edited: comment.edited_at.filter(|_| !is_count).map(|at| TimeView::new(at, now)),
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
            text: sentence(activity, people),
            author: people.name(&activity.user_id).to_owned(),
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

/// `Seen 3 times on …` as what somebody did.
fn counted(content: &str) -> String {
    content.trim_end_matches('.').replacen("Seen", "saw this", 1)
}

/// What happened, to be read after the name of who did it.
fn sentence(activity: &Activity, people: &People) -> String {
    let (from, to) = (text_of(activity.details.get("from")), text_of(activity.details.get("to")));
    match activity.kind {
        ActivityKind::Created => "reported this".to_owned(),
        ActivityKind::StatusChanged if activity.details.contains_key("after_releases") => {
            "resolved this in the next release".to_owned()
        }
        ActivityKind::StatusChanged => format!("changed the status from {} to {}", label(&from), label(&to)),
        ActivityKind::PriorityChanged => format!("changed the priority from {from} to {to}"),
        ActivityKind::Assigned if to.is_empty() => format!("took this from {}", people.name(&from)),
        ActivityKind::Assigned => format!("assigned this to {}", people.name(&to)),
        ActivityKind::Tagged => format!("changed the tags to {to}"),
        ActivityKind::Regressed => match text_of(activity.details.get("release")) {
            release if release.is_empty() => "saw it again after it was resolved: reopened".to_owned(),
            release => format!("saw it again after it was resolved, in release {release}: reopened"),
        },
        ActivityKind::Muted => mute_sentence(activity),
        ActivityKind::Merged => format!("merged {} into this", named(activity)),
        ActivityKind::Split => format!("split this from {}", named(activity)),
        ActivityKind::Commented => {
            format!("wrote a comment that {} deleted", people.name(&text_of(activity.details.get("deleted_by"))))
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
