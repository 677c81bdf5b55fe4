//! Where somebody is logged in, and the end of that: for everybody their own, for ADMINs anyone's.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, users::UserPath};
use crate::{
    auth::{Action, Login, NewEntry, Principal, Session},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// `GET /api/v1/sessions`: one's own, the last used first; none without login.
pub(crate) async fn list(State(state): State<WebState>, Require(principal, ..): Require<permission::Read>) -> Answer {
    let sessions = match &state.login {
        Some(login) => login.sessions.list(&principal.user_id, Timestamp::now()).await?,
        None => Vec::new(),
    };
    Ok(Json(shape(&sessions, &principal)))
}

/// `DELETE /api/v1/sessions/{id}`: one of one's own.
pub(crate) async fn end(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    end_own(&state, &principal, |session| session.id == id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/v1/users/{uid}/sessions`
pub(crate) async fn list_of_user(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageUsers>,
    UserPath(uid): UserPath,
) -> Answer {
    let sessions = super::users::login(&state)?.sessions.list(&uid, Timestamp::now()).await?;
    Ok(Json(shape(&sessions, &principal)))
}

/// `DELETE /api/v1/users/{uid}/sessions`: all of them.
pub(crate) async fn end_of_user(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageUsers>,
    UserPath(uid): UserPath,
) -> Answer<StatusCode> {
    end_all(&state, &principal, &uid).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one's own sessions that are `meant`; if there is none, says so.
pub(crate) async fn end_own(
    state: &WebState,
    principal: &Principal,
    meant: impl Fn(&Session) -> bool,
) -> Result<(), Problem> {
    let none = || Problem::not_found("session");
    let login = state.login.as_deref().ok_or_else(none)?;
    let sessions = login.sessions.list(&principal.user_id, Timestamp::now()).await?;
    let meant: Vec<&Session> = sessions.iter().filter(|session| meant(session)).collect();
    if meant.is_empty() {
        return Err(none());
    }
    end_each(login, principal, &principal.user_id, &meant).await
}

/// Ends every session of a user.
pub(crate) async fn end_all(state: &WebState, principal: &Principal, uid: &str) -> Result<(), Problem> {
    let login = super::users::login(state)?;
    let sessions = login.sessions.list(uid, Timestamp::now()).await?;
    end_each(login, principal, uid, &sessions.iter().collect::<Vec<_>>()).await
}

async fn end_each(login: &Login, by: &Principal, uid: &str, sessions: &[&Session]) -> Result<(), Problem> {
    for session in sessions {
        let entry = NewEntry::by(by, Action::SessionEnded).to(uid).detail(session.place());
        login.sessions.end(session.record_id(), entry, Timestamp::now()).await?;
    }
    login.tell_access();
    Ok(())
}

fn shape(sessions: &[Session], principal: &Principal) -> Value {
    let one = |session: &Session| {
        json!({
            "id": session.id,
            "place": session.place(),
            "current": session.is(principal),
            "created_at": session.created_at.map(|at| at.to_string()),
            "last_used": session.seen_at.map(|at| at.to_string()),
        })
    };
    json!({"sessions": sessions.iter().map(one).collect::<Vec<_>>()})
}
