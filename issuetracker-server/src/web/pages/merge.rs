//! What the forms for merging and splitting on an issue's page do.

use axum::{
    Form,
    extract::{State, rejection::FormRejection},
    response::Redirect,
};
use jiff::Timestamp;
use serde::Deserialize;

use crate::web::{
    WebState,
    api::{
        IssuePath,
        issues::{read_link, read_part},
    },
    problem::Problem,
    require::{Require, permission},
};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct MergeForm {
    /// A link to the issue that stays, its id or its short id.
    into: String,
}

/// `POST /issues/{id}/merge`: leads to the issue that stays.
pub(crate) async fn merge(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    IssuePath(id): IssuePath,
    form: Result<Form<MergeForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form?;
    let into = read_link(&form.into)?;
    let issue = state.triage.merge(&id, &into, &principal, Timestamp::now()).await?;
    Ok(Redirect::to(&format!("/issues/{}#parts", issue.id)))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct SplitForm {
    /// The part that becomes an issue of its own.
    part: String,
}

/// `POST /issues/{id}/split`: takes one part out, and leads to it.
pub(crate) async fn split(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    IssuePath(id): IssuePath,
    form: Result<Form<SplitForm>, FormRejection>,
) -> Result<Redirect, Problem> {
    let Form(form) = form?;
    let part = read_part(&form.part)?;
    state.triage.split(&id, std::slice::from_ref(&part), &principal, Timestamp::now()).await?;
    Ok(Redirect::to(&format!("/issues/{part}")))
}
