//! Issues: list, read, create, change.

use axum::{
    Json,
    body::Bytes,
    extract::{
        Query, State,
        rejection::{BytesRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, IssuePath, body::Body, once_of, page_of};
use crate::{
    domain::{IssueChange, IssueId, Status, short_id},
    store::{IssueQuery, Sort},
    triage::{NewIssue, invalid},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
        search::ListParams,
        views::{self, ActivityView, IssueView},
    },
};

/// `GET /api/v1/issues`
pub(crate) async fn list(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Answer {
    let Query(params) =
        params.map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))?;
    let mut query = params.query(&principal, Timestamp::now()).map_err(Problem::invalid)?;
    state.resolve_people(&mut query.filter).await;
    Ok(Json(views::page::<_, IssueView>("issues", state.triage.issues(&query).await?)))
}

/// `GET /api/v1/issues/recent`: the newest issues.
pub(crate) async fn recent(State(state): State<WebState>, _: Require<permission::Read>, uri: Uri) -> Answer {
    let (after, limit) = page_of(&uri)?;
    let query = IssueQuery { sort: Sort::FirstSeen, after, limit, ..IssueQuery::default() };
    Ok(Json(views::page::<_, IssueView>("issues", state.triage.issues(&query).await?)))
}

/// `GET /api/v1/issues/{id}`
pub(crate) async fn read(
    State(state): State<WebState>,
    _: Require<permission::Read>,
    IssuePath(id): IssuePath,
    headers: HeaderMap,
) -> Answer<Response> {
    let issue = state.triage.issue(&id).await?;
    let etag = views::etag(&issue);
    if headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response());
    }
    Ok(([(header::ETAG, etag)], Json(IssueView::from(issue))).into_response())
}

/// `POST /api/v1/issues`: 202 with the final id.
pub(crate) async fn create(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::CreateIssue>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Response> {
    let bytes = body?;
    let once = once_of(&headers, &bytes)?;
    let mut body = Body::read(Ok(bytes.clone()))?;
    let new = NewIssue {
        title: body.text("title").unwrap_or_default(),
        description: body.text("description").unwrap_or_default(),
        issue_type: body.word("type"),
        priority: body.word("priority"),
        severity: body.word("severity"),
        reporter_id: body.nullable_text("reporter_id").flatten(),
        assignee_id: body.nullable_text("assignee_id").flatten(),
        tags: body.texts("tags").unwrap_or_default(),
        component: body.text("component").unwrap_or_default(),
        service: body.text("service").unwrap_or_default(),
        context: body.object("context").unwrap_or_default(),
        source: body.word("source"),
    };
    body.finish()?;
    let id = state.triage.create(new, once, &principal, Timestamp::now()).await?;
    let url = format!("/issues/{id}");
    let location = HeaderValue::from_str(&format!("/api/v1/issues/{id}")).map_err(Problem::internal)?;
    let answer: Value = json!({"id": id.as_str(), "url": url, "status": "accepted"});
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(answer)).into_response())
}

/// `PATCH /api/v1/issues/{id}`: status, also in the next release, priority, assignee, tags and mute. With `If-Match` only if nobody changed it meanwhile.
pub(crate) async fn change(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    IssuePath(id): IssuePath,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Response> {
    let if_version = if_match(&headers)?;
    let mut body = Body::read(body)?;
    let in_next_release = body.flag("in_next_release").unwrap_or(false);
    let mut change = IssueChange {
        status: body.word("status"),
        old_releases: Vec::new(),
        priority: body.word("priority"),
        assignee_id: body.nullable_text("assignee_id"),
        tags: body.texts("tags"),
        mute: body.mute("mute"),
    };
    body.finish_strictly("status, in_next_release, priority, assignee_id, tags and mute")?;
    if in_next_release {
        change.old_releases = state.triage.releases(&id).await?;
        change.status.get_or_insert(Status::Resolved);
    }
    let issue = state.triage.change(&id, &change, &principal, Timestamp::now(), if_version).await?;
    Ok(([(header::ETAG, views::etag(&issue))], Json(IssueView::from(issue))).into_response())
}

/// `POST /api/v1/issues/{id}/merge`: this issue becomes a part of another one.
pub(crate) async fn merge(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    IssuePath(id): IssuePath,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Response> {
    let mut body = Body::read(body)?;
    let into = body.text("into");
    body.finish_strictly("into")?;
    let into = into.as_deref().map(read_link).transpose()?;
    let into = into.ok_or_else(|| Problem::invalid(vec![invalid("into", "name the issue that stays")]))?;
    let issue = state.triage.merge(&id, &into, &principal, Timestamp::now()).await?;
    Ok(([(header::ETAG, views::etag(&issue))], Json(IssueView::from(issue))).into_response())
}

/// `POST /api/v1/issues/{id}/split`: parts of a merged issue are issues of their own again, which undoes their merges.
pub(crate) async fn split(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    IssuePath(id): IssuePath,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let mut body = Body::read(body)?;
    let parts = body.texts("parts").unwrap_or_default();
    body.finish_strictly("parts")?;
    let parts = parts.iter().map(|part| read_part(part)).collect::<Result<Vec<_>, _>>()?;
    let (issue, issues) = state.triage.split(&id, &parts, &principal, Timestamp::now()).await?;
    let issues: Vec<IssueView> = issues.into_iter().map(IssueView::from).collect();
    Ok(Json(json!({"issue": IssueView::from(issue), "issues": issues})))
}

/// The issue that a link, a short id or an id names.
pub(crate) fn read_link(text: &str) -> Result<IssueId, Problem> {
    let wrong = || Problem::invalid(vec![invalid("into", "a link to an issue, an id, or a short id such as NEWS-42")]);
    short_id::read_link(text).ok_or_else(wrong)
}

/// A part, as `parts` of an issue lists it.
pub(crate) fn read_part(text: &str) -> Result<IssueId, Problem> {
    text.parse().map_err(|error| Problem::invalid(vec![invalid("parts", &format!("{error}"))]))
}

fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(tag) = headers.get(header::IF_MATCH).filter(|tag| *tag != "*") else { return Ok(None) };
    match tag.to_str().ok().and_then(views::version_of) {
        Some(version) => Ok(Some(version)),
        None => Err(Problem::bad_request("invalid_if_match", "If-Match must be the ETag of the issue, unchanged.")),
    }
}

/// `GET /api/v1/issues/{id}/activities`: the history without occurrences, newest first.
pub(crate) async fn activities(
    State(state): State<WebState>,
    _: Require<permission::Read>,
    IssuePath(id): IssuePath,
    uri: Uri,
) -> Answer {
    let (after, limit) = page_of(&uri)?;
    state.triage.issue(&id).await?;
    let page = state.triage.history(&id, after.as_ref(), limit).await?;
    Ok(Json(views::page::<_, ActivityView>("activities", page)))
}
