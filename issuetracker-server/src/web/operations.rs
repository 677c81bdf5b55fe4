//! For whoever runs the server: alive, ready, metrics.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};
use serde_json::{Value, json};

use super::WebState;
use crate::health::STORE;

/// `GET /healthz`: the process answers. It says nothing about Kafka or the store: restarting would not mend those.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 if everything works, else 503, with each check and its reason.
pub(crate) async fn ready(State(state): State<WebState>) -> (StatusCode, Json<Value>) {
    match state.store.check().await {
        Ok(()) => state.health.up(STORE),
        Err(error) => {
            state.health.down(STORE, reason(&error));
        }
    }
    let checks = state.health.snapshot();
    let is_ready = checks.values().all(|check| check.ok);
    let status = if is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"status": if is_ready { "ready" } else { "unready" }, "checks": checks})))
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
