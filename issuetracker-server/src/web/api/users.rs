//! People: who one is, who there is, and what they may do.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts, Path, State, rejection::BytesRejection},
    http::{Uri, request::Parts},
};
use serde_json::{Value, json};

use super::{Answer, body::Body, next_by_id, page_of};
use crate::{
    auth::{Login, User, UserChange},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// The user in the path, checked before it touches a store: ids are hexadecimal.
pub(crate) struct UserPath(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await.ok();
        let is_id = |uid: &str| uid.len() <= 64 && uid.bytes().all(|byte| byte.is_ascii_hexdigit());
        path.filter(|Path(uid)| is_id(uid)).map(|Path(uid)| Self(uid)).ok_or_else(|| Problem::not_found("user"))
    }
}

/// `GET /api/v1/me`
pub(crate) async fn me(Require(principal, ..): Require<permission::Read>) -> Answer {
    Ok(Json(json!({
        "uid": principal.user_id,
        "display_name": principal.display_name,
        "role": principal.role.as_str(),
        "csrf_token": principal.csrf,
    })))
}

/// `GET /api/v1/users`: in the order of their ids; none without login.
pub(crate) async fn list(State(state): State<WebState>, _: Require<permission::ManageUsers>, uri: Uri) -> Answer {
    let (after, limit) = page_of(&uri)?;
    let Some(login) = &state.login else { return Ok(Json(json!({"users": [], "next_cursor": null}))) };
    let users = login.users.list(after.as_ref().map(|after| after.id.as_str()), limit + 1).await?;
    let next = next_by_id(&users, limit, |last| &last.uid);
    let shown: Vec<Value> = users.iter().take(limit).map(shape).collect();
    Ok(Json(json!({"users": shown, "next_cursor": next})))
}

/// `PATCH /api/v1/users/{uid}`: `role` and `active`. 409 if no ADMIN would be left.
pub(crate) async fn change(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageUsers>,
    UserPath(uid): UserPath,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let mut body = Body::read(body)?;
    let change = UserChange { role: body.word("role"), is_active: body.flag("active") };
    body.finish_strictly("role and active")?;
    let login = login(&state)?;
    let user = login.users.change(&uid, &change, &principal).await?;
    login.tell_access();
    Ok(Json(shape(&user)))
}

/// Whoever there is has logged in.
pub(crate) fn login(state: &WebState) -> Result<&Login, Problem> {
    state.login.as_deref().ok_or_else(|| Problem::not_found("user"))
}

fn shape(user: &User) -> Value {
    json!({
        "uid": user.uid,
        "email": user.email,
        "display_name": user.display_name,
        "role": user.role.as_str(),
        "active": user.is_active,
        "created_at": user.created_at.map(|at| at.to_string()),
        "last_login": user.last_login.map(|at| at.to_string()),
    })
}
