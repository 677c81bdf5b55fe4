//! The page of one issue, and what its forms do.

use std::time::Duration;

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing_issues::event::UnknownWord;

use super::issue_view;
use crate::{
    domain::{IssueChange, IssueId, MutedUntil, Status},
    store::StoreError,
    triage::invalid,
    web::{
        WebState,
        api::{IssuePath, comments::CommentPath},
        problem::Problem,
        require::{Require, permission},
        views,
    },
};

/// Occurrences, and entries of the timeline, that the page shows.
const SHOWN: usize = 50;

#[derive(Serialize)]
struct PendingView<'a> {
    id: &'a str,
    url: &'a str,
}

/// `GET /issues/{id}`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    IssuePath(id): IssuePath,
) -> Result<Response, Problem> {
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
    if issue.id != id {
        // It was merged, or is known by an older fingerprint.
        return Ok(Redirect::to(&format!("/issues/{}", issue.id)).into_response());
    }
    let occurrences = state.triage.occurrences(&id, None, SHOWN).await?.items;
    let comments = state.triage.comments(&id, None, SHOWN * 4).await?.items;
    let history = state.triage.history(&id, None, SHOWN * 4).await?.items;
    let view = issue_view::IssuePageView::new(
        &issue,
        &occurrences,
        &comments,
        &history,
        &principal,
        state.retention.events,
        Timestamp::now(),
    );
    Ok(super::show(&state, &principal, "issue.html", &issue.title, "issues", &view)?.into_response())
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
        assignee_id: form.assignee_id.map(|person| Some(person.trim().to_owned()).filter(|person| !person.is_empty())),
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
    state.triage.comment(&id, &form.content, &principal, Timestamp::now()).await?;
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
