//! The keys of services: which there are, a form for a new one, and the one moment in which a new one is shown.

use axum::{
    Form,
    extract::{Path, State, rejection::FormRejection},
    response::Redirect,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{
    Shown,
    layout::{OptionView, TimeView},
};
use crate::{
    auth::{Key, KeyError, Principal},
    web::{
        WebState,
        api::keys::keys,
        problem::Problem,
        require::{Require, permission},
    },
};

/// So many fit on the page; the API has all.
const SHOWN: usize = 1_000;

/// How long a key can be valid, in days; 0: until it is revoked.
const DAYS: [(u16, &str); 4] = [(0, "Until it is revoked"), (30, "30 days"), (90, "90 days"), (365, "A year")];

#[derive(Serialize)]
struct KeysView {
    rows: Vec<RowView>,
    is_more: bool,
    days: Vec<OptionView>,
    /// What was typed, if it could not be used, and why.
    service: String,
    problem: String,
    /// The new key, once.
    created: Option<CreatedView>,
}

#[derive(Serialize)]
struct CreatedView {
    service: String,
    key: String,
    url: String,
}

#[derive(Serialize)]
struct RowView {
    id: String,
    service: String,
    created_at: Option<TimeView>,
    expires_at: Option<TimeView>,
    is_expired: bool,
    last_used: Option<TimeView>,
}

/// `GET /keys`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageKeys>,
) -> Shown {
    render(&state, &principal, KeyForm::default(), String::new(), None).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeyForm {
    service: String,
    days: String,
}

/// `POST /keys`: the answer has the key, and no other answer ever will.
pub(crate) async fn create(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageKeys>,
    form: Result<Form<KeyForm>, FormRejection>,
) -> Shown {
    let Form(form) = form?;
    let now = Timestamp::now();
    let days = DAYS.iter().map(|(days, _)| *days).find(|days| form.days.parse() == Ok(*days) && *days > 0);
    let expires_at = days.map(|days| now + SignedDuration::from_hours(24 * i64::from(days)));
    match keys(&state)?.create(&form.service, expires_at, &principal, now).await {
        Ok((key, text)) => {
            let url = state.login.as_ref().map(|login| login.config.public_url.clone()).unwrap_or_default();
            let created = CreatedView { service: key.service, key: text, url };
            render(&state, &principal, KeyForm::default(), String::new(), Some(created)).await
        }
        Err(error @ KeyError::Service) => {
            render(&state, &principal, form, format!("The service needs {error}."), None).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /keys/{id}/revoke`
pub(crate) async fn revoke(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageKeys>,
    Path(id): Path<String>,
) -> Result<Redirect, Problem> {
    keys(&state)?.revoke(&id, &principal, Timestamp::now()).await?;
    Ok(Redirect::to("/keys"))
}

async fn render(
    state: &WebState,
    principal: &Principal,
    form: KeyForm,
    problem: String,
    created: Option<CreatedView>,
) -> Shown {
    let now = Timestamp::now();
    let mut found = keys(state)?.list(None, SHOWN + 1).await?;
    let is_more = found.len() > SHOWN;
    found.truncate(SHOWN);
    found.sort_by(|a, b| (&a.service, b.created_at).cmp(&(&b.service, a.created_at)));
    let row = |key: Key| RowView {
        is_expired: key.is_expired(now),
        id: key.id,
        service: key.service,
        created_at: key.created_at.map(|at| TimeView::new(at, now)),
        expires_at: key.expires_at.map(|at| TimeView::new(at, now)),
        last_used: key.last_used.map(|at| TimeView::new(at, now)),
    };
    let view = KeysView {
        rows: found.into_iter().map(row).collect(),
        is_more,
        days: DAYS
            .iter()
            .map(|(days, label)| OptionView::new(&days.to_string(), label, form.days == days.to_string()))
            .collect(),
        service: form.service,
        problem,
        created,
    };
    super::show(state, principal, "keys.html", "Service keys", "keys", &view)
}
