//! Rules of notification, for ADMINs.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State, rejection::BytesRejection},
    http::StatusCode,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, body::Body};
use crate::{
    domain::Period,
    notifications::{Draft, Rule, State as RuleState},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// `GET /api/v1/rules`: all of them, by name, and how it goes with each.
pub(crate) async fn list(State(state): State<WebState>, _: Require<permission::ManageRules>) -> Answer {
    let mut shown = Vec::new();
    for rule in state.notifications.rules().await? {
        let how = state.notifications.state(&rule).await?;
        shown.push(shape(&rule, &how));
    }
    Ok(Json(json!({"rules": shown})))
}

/// `POST /api/v1/rules`: 201; a webhook's secret is in this answer and in no other.
pub(crate) async fn create(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<(StatusCode, Json<Value>)> {
    let rule = state.notifications.create(draft(body)?, &principal, Timestamp::now()).await?;
    let mut answer = shape(&rule, &RuleState::default());
    if let Some(secret) = &rule.secret {
        answer["secret"] = secret.0.clone().into();
    }
    Ok((StatusCode::CREATED, Json(answer)))
}

/// `PATCH /api/v1/rules/{id}`: what is not named stays.
pub(crate) async fn change(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    Path(id): Path<String>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let before = state.notifications.rule(&id).await?;
    let rule = state.notifications.change(&id, draft(body)?, &principal, Timestamp::now()).await?;
    let mut answer = shape(&rule, &state.notifications.state(&rule).await?);
    if let Some(secret) = rule.secret.as_ref().filter(|_| before.secret.is_none()) {
        answer["secret"] = secret.0.clone().into();
    }
    Ok(Json(answer))
}

/// `DELETE /api/v1/rules/{id}`
pub(crate) async fn delete(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    Path(id): Path<String>,
) -> Answer<StatusCode> {
    state.notifications.delete(&id, &principal, Timestamp::now()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /api/v1/rules/{id}/test`: sends a message that says it is a test, at once.
pub(crate) async fn test(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageRules>,
    Path(id): Path<String>,
) -> Answer {
    let sent = state.notifications.test(&id, &principal, Timestamp::now()).await?;
    Ok(Json(json!({"sent": sent.is_ok(), "error": sent.err()})))
}

fn draft(body: Result<Bytes, BytesRejection>) -> Result<Draft, Problem> {
    let mut body = Body::read(body)?;
    let draft = Draft {
        name: body.text("name"),
        channel: body.word("channel"),
        address: body.text("address"),
        filter: body.text("filter"),
        on: body.texts("on"),
        threshold_count: body.number("threshold_count"),
        threshold_per: body.word::<Period>("threshold_per"),
        cool_down_minutes: body.number("cool_down_minutes"),
        every_minutes: body.number("every_minutes"),
        is_active: body.flag("active"),
    };
    body.finish_strictly(
        "name, channel, address, filter, on, threshold_count, threshold_per, cool_down_minutes, every_minutes and active",
    )?;
    Ok(draft)
}

fn shape(rule: &Rule, how: &RuleState) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "id": rule.id,
        "name": rule.name,
        "channel": rule.channel.as_str(),
        "address": rule.place(),
        "filter": rule.filter.to_string(),
        "on": rule.on.words().collect::<Vec<_>>(),
        "threshold_count": rule.threshold.map(|threshold| threshold.count),
        "threshold_per": rule.threshold.map(|threshold| threshold.per.as_str()),
        "cool_down_minutes": rule.threshold.map(|threshold| threshold.cool_down_minutes),
        "every_minutes": rule.every_minutes,
        "active": rule.is_active,
        "created_by": rule.created_by,
        "created_at": time(rule.created_at),
        "waiting": how.waiting,
        "last_sent": time(how.last_sent),
        "failures": how.failures,
        "error": how.error,
        "next_at": time(how.next_at),
    })
}
