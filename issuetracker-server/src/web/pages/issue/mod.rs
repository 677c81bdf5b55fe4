//! The page of one issue with one of its occurrences, the same to take away, and what its forms do.

mod backtrace;
mod grouping;
mod occurrence;
mod spread;
mod text;
mod timeline;
mod trend;
mod values;
mod view;

use std::time::Duration;

use axum::{
    Form, Json,
    extract::{Path, State, rejection::FormRejection},
    http::header,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing_issues::event::UnknownWord;

use self::view::{Content, IssuePageView};
use crate::{
    auth::{Action, NewEntry, Principal},
    domain::{Comment, Issue, IssueChange, IssueId, MutedUntil, Status, short_id},
    store::{Neighbourhood, StoreError, Which},
    triage::invalid,
    web::{
        WebState,
        api::{
            IssuePath,
            comments::CommentPath,
            occurrences::{OccurrencePath, which},
        },
        problem::Problem,
        require::{Require, permission},
        views::{self, ActivityView, CommentView, IssueView},
    },
};

/// The newest occurrences that are read, for the table and the distributions.
const OCCURRENCES: usize = 100;

/// So many times as many comments are looked through for the newest.
const COMMENT_PAGES: usize = 20;

/// Entries of the timeline that the page shows.
const ENTRIES: usize = 200;

#[derive(Serialize)]
struct PendingView<'a> {
    id: &'a str,
    url: &'a str,
}

/// How an issue is asked for: `NEWS-42`, `NEWS-42.json`, `NEWS-42.md`.
enum Shape {
    Page,
    Json,
    Markdown,
}

/// `GET /issues/{id}`, `GET /issues/{id}.json`, `GET /issues/{id}.md`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    Path(address): Path<String>,
) -> Result<Response, Problem> {
    let (id, form) = match address.rsplit_once('.') {
        Some((id, "json")) => (id, Shape::Json),
        Some((id, "md")) => (id, Shape::Markdown),
        _ => (address.as_str(), Shape::Page),
    };
    let id = short_id::read_id(id).ok_or_else(|| Problem::not_found("issue"))?;
    let issue = match state.triage.issue(&id).await {
        Ok(issue) => issue,
        // The id of a new issue is final at once, but its event may still be on its way through Kafka.
        Err(StoreError::NotFound) if is_recent_submission(&id, Timestamp::now()) => {
            let pending = PendingView { id: id.as_str(), url: &format!("/issues/{id}") };
            return Ok(
                super::show(&state, &principal, "pending.html", "On its way", "issues", &pending)?.into_response()
            );
        }
        Err(error) => return Err(error.into()),
    };
    let latest = state.triage.occurrence(&issue.id, Which::Latest).await?;
    match form {
        Shape::Json => Ok(as_json(&state, issue, latest).await?.into_response()),
        Shape::Markdown => {
            let text = text::markdown(&issue, latest.as_ref().map(|latest| &latest.activity));
            Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response())
        }
        // It was merged, or is known by an older fingerprint or by its short id.
        Shape::Page if issue.id != id => Ok(Redirect::to(&format!("/issues/{}", issue.id)).into_response()),
        Shape::Page => page(&state, &principal, &issue, latest).await,
    }
}

/// `GET /issues/{id}/occurrences/{event}`, also `first` and `latest`: the same page with that occurrence.
pub(crate) async fn show_occurrence(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    OccurrencePath(id, event): OccurrencePath,
) -> Result<Response, Problem> {
    let issue = state.triage.issue(&id).await?;
    let shown = state.triage.occurrence(&id, which(&event)).await?;
    let shown = shown.ok_or_else(|| {
        Problem::not_found("occurrence")
            .hint("Only the newest events of an issue are kept; the issue counts all of them.")
    })?;
    if issue.id != id {
        return Ok(Redirect::to(&format!("/issues/{}/occurrences/{}", issue.id, shown.activity.id)).into_response());
    }
    page(&state, &principal, &issue, Some(shown)).await
}

async fn page(
    state: &WebState,
    principal: &Principal,
    issue: &Issue,
    shown: Option<Neighbourhood>,
) -> Result<Response, Problem> {
    let occurrences = state.triage.occurrences(&issue.id, None, OCCURRENCES).await?.items;
    let comments = newest_comments(state, &issue.id).await?;
    let history = state.triage.history(&issue.id, None, ENTRIES).await?.items;
    let trace_id = shown.as_ref().and_then(|shown| shown.activity.details.get("trace_id")?.as_str());
    let related = match trace_id {
        Some(trace_id) => state.triage.related(issue, trace_id).await?,
        None => Vec::new(),
    };
    let people = state.people().await;
    let content = Content {
        issue,
        people: &people,
        is_verified: state.dead_letters.is_none(),
        shown: shown.as_ref(),
        occurrences: &occurrences,
        related: &related,
        comments: &comments,
        history: &history,
        kept: state.retention.events,
    };
    let view = IssuePageView::new(&content, principal, Timestamp::now());
    Ok(super::show(state, principal, "issue.html", &issue.title, "issues", &view)?.into_response())
}

/// The newest comments, oldest first: a service that reports every day must not hide what people wrote last.
async fn newest_comments(state: &WebState, id: &IssueId) -> Result<Vec<Comment>, Problem> {
    let (mut comments, mut after) = (Vec::new(), None);
    for _ in 0..COMMENT_PAGES {
        let page = state.triage.comments(id, after.as_ref(), ENTRIES).await?;
        comments.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(comments.split_off(comments.len().saturating_sub(ENTRIES)))
}

async fn as_json(state: &WebState, issue: Issue, latest: Option<Neighbourhood>) -> Result<Json<Value>, Problem> {
    let comments = newest_comments(state, &issue.id).await?;
    let history = state.triage.history(&issue.id, None, ENTRIES).await?.items;
    Ok(Json(json!({
        "latest_occurrence": latest.map(|latest| ActivityView::from(latest.activity)),
        "comments": comments.into_iter().map(CommentView::from).collect::<Vec<_>>(),
        "activities": history.into_iter().map(ActivityView::from).collect::<Vec<_>>(),
        "issue": IssueView::from(issue),
    })))
}

/// Whether the id was given to somebody within the last minutes: ids of people's issues tell their time.
fn is_recent_submission(id: &IssueId, now: Timestamp) -> bool {
    let Some(time) = id.as_str().parse::<uuid::Uuid>().ok().and_then(|id| id.get_timestamp()) else { return false };
    let (seconds, _) = time.to_unix();
    i64::try_from(seconds).is_ok_and(|seconds| (now.as_second() - seconds).abs() < 600)
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct ChangeForm {
    status: Option<String>,
    priority: Option<String>,
    assignee_id: Option<String>,
    /// How long it is muted, see [`mute_for`].
    mute: Option<String>,
    /// So many errors in one period end the mute.
    mute_count: String,
    mute_per: String,
    etag: String,
}

/// The status that the button for resolving in the next release asks for.
const IN_NEXT_RELEASE: &str = "resolved-in-next-release";

/// A mute as the page asks for it: for some hours, `forever`, `rate` for so many errors in one period, or `none`.
fn mute_for(form: &ChangeForm, now: Timestamp) -> Result<Option<Option<MutedUntil>>, Problem> {
    let Some(mute) = &form.mute else { return Ok(None) };
    let wrong = |field, message| Problem::invalid(vec![invalid(field, message)]);
    let until = match mute.as_str() {
        "none" => return Ok(Some(None)),
        "forever" => MutedUntil::Unmuted,
        "rate" => {
            let count = form.mute_count.trim().parse().ok().filter(|count| *count > 0);
            let count = count.ok_or_else(|| wrong("mute_count", "a number from 1 on"))?;
            let per = form.mute_per.parse().map_err(|_| wrong("mute_per", "hour or day"))?;
            MutedUntil::Rate { count, per, before: 0 }
        }
        hours => {
            let hours = hours.parse::<u32>().ok().filter(|hours| (1..=MAX_MUTE_HOURS).contains(hours));
            let hours = hours.ok_or_else(|| wrong("mute", "hours, forever, rate or none"))?;
            MutedUntil::Time(now + Duration::from_secs(u64::from(hours) * 3_600))
        }
    };
    Ok(Some(Some(until)))
}

/// A year; who wants more mutes it for ever.
const MAX_MUTE_HOURS: u32 = 366 * 24;

/// `POST /issues/{id}`
pub(crate) async fn change(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    IssuePath(id): IssuePath,
    form: Result<Form<ChangeForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form?;
    let wrong =
        |field: &'static str| move |error: UnknownWord| Problem::invalid(vec![invalid(field, &error.to_string())]);
    let now = Timestamp::now();
    let mute = mute_for(&form, now)?;
    let is_in_next_release = form.status.as_deref() == Some(IN_NEXT_RELEASE);
    let status = match form.status {
        Some(_) if is_in_next_release => Some(Status::Resolved),
        status => status.map(|status| status.parse().map_err(wrong("status"))).transpose()?,
    };
    let change = IssueChange {
        status,
        old_releases: if is_in_next_release { state.triage.releases(&id).await? } else { Vec::new() },
        priority: form.priority.map(|priority| priority.parse().map_err(wrong("priority"))).transpose()?,
        assignee_id: match form.assignee_id.as_deref().map(str::trim) {
            Some("") => Some(None),
            Some(person) => Some(Some(state.people().await.resolve(person))),
            None => None,
        },
        tags: None,
        mute,
    };
    // A form that stood open while somebody else decided must not undo that unseen.
    let if_version = views::version_of(&form.etag);
    state.triage.change(&id, &change, &principal, now, if_version).await?;
    Ok(Redirect::to(&format!("/issues/{id}")))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct CommentForm {
    content: String,
}

/// `POST /issues/{id}/comments`
pub(crate) async fn comment(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Comment>,
    IssuePath(id): IssuePath,
    form: Result<Form<CommentForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form?;
    state.triage.comment(&id, &form.content, None, &principal, Timestamp::now()).await?;
    Ok(Redirect::to(&format!("/issues/{id}#comments")))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct CommentChangeForm {
    content: String,
    /// The button: what is to be done.
    action: String,
}

/// `POST /issues/{id}/comments/{comment}`: edits it, or deletes it.
pub(crate) async fn change_comment(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Comment>,
    CommentPath(id, comment): CommentPath,
    form: Result<Form<CommentChangeForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form?;
    let now = Timestamp::now();
    let place = match form.action.as_str() {
        "delete" => {
            state.triage.delete_comment(&id, &comment, &principal, now).await?;
            let entry = NewEntry::by(&principal, Action::CommentDeleted).to(format!("{id}/{comment}"));
            state.audit.add(entry, now).await;
            "comments".to_owned()
        }
        "edit" => {
            state.triage.edit_comment(&id, &comment, &form.content, &principal, now).await?;
            format!("comment-{comment}")
        }
        _ => return Err(Problem::invalid(vec![invalid("action", "edit or delete")])),
    };
    Ok(Redirect::to(&format!("/issues/{id}#{place}")))
}
