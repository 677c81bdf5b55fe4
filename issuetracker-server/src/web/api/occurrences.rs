//! Occurrences: the list, and each with those around it.

use axum::{
    Json,
    extract::{FromRequestParts, State},
    http::{Uri, request::Parts},
};
use serde_json::json;

use super::{Answer, IssuePath, ids_in_path, page_of};
use crate::{
    domain::IssueId,
    store::{Neighbourhood, Which},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
        views::{self, ActivityView},
    },
};

/// More is no id of an event.
const MAX_ID_BYTES: usize = 100;

/// The ids of an issue and of one of its occurrences in the path.
pub(crate) struct OccurrencePath(pub(crate) IssueId, pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for OccurrencePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let (issue, id) = ids_in_path(parts, state, "occurrence", MAX_ID_BYTES).await?;
        Ok(Self(issue, id))
    }
}

/// What an address asks for: `first`, `latest`, or an event.
pub(crate) fn which(event: &str) -> Which<'_> {
    match event {
        "first" => Which::First,
        "latest" => Which::Latest,
        event => Which::Event(event),
    }
}

/// `GET /api/v1/issues/{id}/occurrences`: newest first, with everything that is known of each.
pub(crate) async fn list(
    State(state): State<WebState>,
    _: Require<permission::Read>,
    IssuePath(id): IssuePath,
    uri: Uri,
) -> Answer {
    let (after, limit) = page_of(&uri)?;
    state.triage.issue(&id).await?;
    let page = state.triage.occurrences(&id, after.as_ref(), limit).await?;
    Ok(Json(views::page::<_, ActivityView>("occurrences", page)))
}

/// `GET /api/v1/issues/{id}/occurrences/{event}`, also `first` and `latest`.
pub(crate) async fn read(
    State(state): State<WebState>,
    _: Require<permission::Read>,
    OccurrencePath(id, event): OccurrencePath,
) -> Answer {
    state.triage.issue(&id).await?;
    let found = state.triage.occurrence(&id, which(&event)).await?;
    let Neighbourhood { activity, older, newer } = found.ok_or_else(|| Problem::not_found("occurrence"))?;
    Ok(Json(json!({"occurrence": ActivityView::from(activity), "older": older, "newer": newer})))
}
