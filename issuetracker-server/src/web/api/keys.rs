//! Keys of services, for ADMINs.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::{StatusCode, Uri},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, body::Body, next_by_id, page_of};
use crate::{
    auth::{Key, Keys},
    triage::invalid,
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// `GET /api/v1/keys`: in the order of their ids, without their secrets.
pub(crate) async fn list(State(state): State<WebState>, _: Require<permission::ManageKeys>, uri: Uri) -> Answer {
    let (after, limit) = page_of(&uri)?;
    let Some(login) = &state.login else { return Ok(Json(json!({"keys": [], "next_cursor": null}))) };
    let keys = login.keys.list(after.as_ref().map(|after| after.id.as_str()), limit + 1).await?;
    let next = next_by_id(&keys, limit, |last| &last.id);
    let shown: Vec<Value> = keys.iter().take(limit).map(shape).collect();
    Ok(Json(json!({"keys": shown, "next_cursor": next})))
}

/// `POST /api/v1/keys`: `service`, and perhaps `expires_at`. 201 with the key, which nobody can see again.
pub(crate) async fn create(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageKeys>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<(StatusCode, Json<Value>)> {
    let mut body = Body::read(body)?;
    let (service, expires_at) = (body.text("service").unwrap_or_default(), body.text("expires_at"));
    body.finish_strictly("service and expires_at")?;
    let expires_at = expires_at.map(|text| text.parse::<Timestamp>()).transpose();
    let expires_at = expires_at
        .map_err(|_| Problem::invalid(vec![invalid("expires_at", "a moment such as 2027-01-31T12:00:00Z")]))?;
    let (key, text) = keys(&state)?.create(&service, expires_at, &principal, Timestamp::now()).await?;
    let mut answer = shape(&key);
    answer["key"] = text.into();
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `DELETE /api/v1/keys/{id}`: the next request with it is refused.
pub(crate) async fn revoke(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageKeys>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    keys(&state)?.revoke(&id, &principal, Timestamp::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The keys, which mean something only with login.
pub(crate) fn keys(state: &WebState) -> Result<&Keys, Problem> {
    let none = || {
        Problem::new(StatusCode::CONFLICT, "no_login", "Without login services need no key.")
            .hint("docs/operations.md says how login is configured.")
    };
    state.login.as_deref().map(|login| &login.keys).ok_or_else(none)
}

fn shape(key: &Key) -> Value {
    json!({
        "id": key.id,
        "service": key.service,
        "created_by": key.created_by,
        "created_at": key.created_at.map(|at| at.to_string()),
        "expires_at": key.expires_at.map(|at| at.to_string()),
        "last_used": key.last_used.map(|at| at.to_string()),
    })
}
