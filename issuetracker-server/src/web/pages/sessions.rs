//! Where the reader is logged in, and the buttons that end it.

use axum::{
    extract::{Path, State},
    response::Redirect,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{Shown, layout::TimeView};
use crate::web::{
    WebState,
    api::{
        sessions::{end_all, end_own},
        users::{UserPath, login},
    },
    problem::Problem,
    require::{Require, permission},
};

#[derive(Serialize)]
struct SessionsView {
    rows: Vec<RowView>,
    has_others: bool,
}

#[derive(Serialize)]
struct RowView {
    id: String,
    place: String,
    is_this: bool,
    created_at: Option<TimeView>,
    seen_at: Option<TimeView>,
}

/// `GET /sessions`
pub(crate) async fn show(State(state): State<WebState>, Require(principal, ..): Require<permission::Read>) -> Shown {
    let now = Timestamp::now();
    let sessions = login(&state)?.sessions.list(&principal.user_id, now).await?;
    let rows: Vec<RowView> = sessions
        .iter()
        .map(|session| RowView {
            id: session.id.clone(),
            place: session.place(),
            is_this: session.is(&principal),
            created_at: session.created_at.map(|at| TimeView::new(at, now)),
            seen_at: session.seen_at.map(|at| TimeView::new(at, now)),
        })
        .collect();
    let view = SessionsView { has_others: rows.len() > 1, rows };
    super::show(&state, &principal, "sessions.html", "Your sessions", "sessions", &view)
}

/// `POST /sessions/{id}/end`
pub(crate) async fn end(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    end_own(&state, &principal, |session| session.id == id).await?;
    Ok(Redirect::to("/sessions"))
}

/// `POST /sessions/end-others`
pub(crate) async fn end_others(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
) -> Result<Redirect, Problem> {
    end_own(&state, &principal, |session| !session.is(&principal)).await?;
    Ok(Redirect::to("/sessions"))
}

/// `POST /users/{uid}/end-sessions`
pub(crate) async fn end_of_user(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageUsers>,
    UserPath(uid): UserPath,
) -> Result<Redirect, Problem> {
    end_all(&state, &principal, &uid).await?;
    Ok(Redirect::to("/users"))
}
