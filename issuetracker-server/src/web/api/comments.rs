//! Comments: list, write, edit, delete.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts, State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, Uri, request::Parts},
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Answer, IssuePath, body::Body, ids_in_path, once_of, page_of};
use crate::{
    auth::{Action, NewEntry},
    domain::IssueId,
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
        views::{self, CommentView},
    },
};

/// More is no id of a comment.
const MAX_ID_BYTES: usize = 300;

/// The ids of an issue and of a comment on it in the path.
pub(crate) struct CommentPath(pub(crate) IssueId, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for CommentPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (issue, id) = ids_in_path(parts, state, "comment", MAX_ID_BYTES).await?;
        Ok(Self(issue, id))
    }
}

/// `GET /api/v1/issues/{id}/comments`: oldest first.
pub(crate) async fn list(
    State(state): State<WebState>,
    _: Require<permission::Read>,
    IssuePath(id): IssuePath,
    uri: Uri,
) -> Answer {
    let (after, limit) = page_of(&uri)?;
    state.triage.issue(&id).await?;
    let page = state.triage.comments(&id, after.as_ref(), limit).await?;
    Ok(Json(views::page::<_, CommentView>("comments", page)))
}

/// `POST /api/v1/issues/{id}/comments`: 201 with the comment.
pub(crate) async fn create(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Comment>,
    IssuePath(id): IssuePath,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Answer<(StatusCode, Json<Value>)> {
    let bytes = body?;
    let once = once_of(&headers, &bytes)?;
    let mut body = Body::read(Ok(bytes.clone()))?;
    let content = body.text("content").unwrap_or_default();
    body.finish_strictly("content")?;
    let comment = state.triage.comment(&id, &content, once, &principal, Timestamp::now()).await?;
    let view = serde_json::to_value(CommentView::from(comment)).map_err(Problem::internal)?;
    Ok((StatusCode::CREATED, Json(view)))
}

/// `PATCH /api/v1/issues/{id}/comments/{comment}`: for its author, and ADMINs.
pub(crate) async fn edit(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Comment>,
    CommentPath(id, comment): CommentPath,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Json<CommentView>> {
    let mut body = Body::read(body)?;
    let content = body.text("content").unwrap_or_default();
    body.finish_strictly("content")?;
    let comment = state.triage.edit_comment(&id, &comment, &content, &principal, Timestamp::now()).await?;
    Ok(Json(comment.into()))
}

/// `DELETE /api/v1/issues/{id}/comments/{comment}`: likewise.
pub(crate) async fn delete(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Comment>,
    CommentPath(id, comment): CommentPath,
) -> Answer<StatusCode> {
    let now = Timestamp::now();
    state.triage.delete_comment(&id, &comment, &principal, now).await?;
    state.audit.add(NewEntry::by(&principal, Action::CommentDeleted).to(format!("{id}/{comment}")), now).await;
    Ok(StatusCode::NO_CONTENT)
}
