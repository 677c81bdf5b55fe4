//! For whoever runs the server: alive, ready, metrics, and what was lost.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Redirect},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    WebState,
    problem::Problem,
    require::{Require, permission},
};
use crate::{
    auth::{Action, NewEntry},
    gaps,
    health::STORE,
};

/// Whoever asks whether the server is ready does not wait for a store that is not.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// `GET /healthz`: the process answers. It says nothing about Kafka or the store: restarting would not mend those.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 if everything works, else 503, with each check and its reason.
pub(crate) async fn ready(State(state): State<WebState>) -> (StatusCode, Json<Value>) {
    match timeout(ANSWER_TIMEOUT, state.store.check()).await {
        Ok(Ok(())) => state.health.up(STORE),
        Ok(Err(error)) => _ = state.health.down(STORE, reason(&error)),
        Err(_) => _ = state.health.down(STORE, "it does not answer in time"),
    }
    let checks = state.health.snapshot();
    let is_ready = checks.values().all(|check| check.ok);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"status": if is_ready { "ready" } else { "unready" }, "checks": checks})))
}

/// `POST /gaps/dismiss`: an ADMIN has seen that records were lost.
pub(crate) async fn dismiss_gaps(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Operate>,
) -> Result<Redirect, Problem> {
    gaps::dismiss(&*state.store, &state.health).await?;
    state.audit.add(NewEntry::by(&principal, Action::GapDismissed), Timestamp::now()).await;
    Ok(Redirect::to("/issues"))
}

/// The error and its cause in one line.
fn reason(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn metrics(State(state): State<WebState>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], state.metrics.render())
}
