//! What the list says when there is nothing to list, and what to do about it.

use axum::{extract::State, response::Redirect};
use jiff::Timestamp;
use serde::Serialize;

use super::{Filter, IssueQuery, address};
use crate::{
    store::StoreError,
    triage::Triage,
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// The most terms of which it is tried what the list would be without them.
const MAX_TRIED: usize = 8;

/// `POST /issues/test-error`
pub(crate) async fn send_test_error(
    State(state): State<WebState>,
    _: Require<permission::CreateIssue>,
) -> Result<Redirect, Problem> {
    state.triage.send_test_error(Timestamp::now()).await?;
    Ok(Redirect::to("/issues"))
}

#[derive(Serialize)]
pub(super) struct EmptyView {
    /// `none_yet`, `no_match` or `refused`.
    reason: &'static str,
    /// Terms without which there would be issues.
    drops: Vec<DropView>,
}

#[derive(Serialize)]
struct DropView {
    label: String,
    url: String,
}

impl EmptyView {
    pub(super) async fn new(triage: &Triage, query: &IssueQuery) -> Result<Self, StoreError> {
        let finds = async |filter: Filter| {
            let found = triage.issues(&IssueQuery { filter, limit: 1, after: None, ..query.clone() }).await?;
            Ok::<_, StoreError>(!found.items.is_empty())
        };
        if !finds(Filter::default()).await? {
            return Ok(Self { reason: "none_yet", drops: Vec::new() });
        }
        let mut drops = Vec::new();
        for (nth, term) in query.filter.terms.iter().enumerate().take(MAX_TRIED) {
            let without = query.filter.without(nth);
            if finds(without.clone()).await? {
                drops.push(DropView { label: term.to_string(), url: address(&without, query.sort, "") });
            }
        }
        Ok(Self { reason: "no_match", drops })
    }

    pub(super) const fn refused() -> Self {
        Self { reason: "refused", drops: Vec::new() }
    }
}
