//! Comments: list and write.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{StatusCode, Uri},
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Answer, IssuePath, body::Body, page_of};
use crate::web::{
    WebState,
    problem::Problem,
    require::{Require, permission},
    views::{self, CommentView},
};

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
    body: Result<Bytes, BytesRejection>,
) -> Answer<(StatusCode, Json<Value>)> {
    let mut body = Body::read(body)?;
    let content = body.text("content").unwrap_or_default();
    body.finish_strictly("content")?;
    let comment = state.triage.comment(&id, &content, &principal, Timestamp::now()).await?;
    let view = serde_json::to_value(CommentView::from(comment)).map_err(Problem::internal)?;
    Ok((StatusCode::CREATED, Json(view)))
}
