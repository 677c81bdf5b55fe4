//! `POST /api/v1/issues/bulk`: one change of many issues.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, body::Body};
use crate::{
    domain::{IssueChange, short_id},
    triage::{
        bulk::{MAX_AT_ONCE, Wanted},
        invalid,
    },
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
        views::IssueView,
    },
};

/// A result for each id, in their order. The answer is 200 also if some, or all, could not be changed.
pub(crate) async fn change(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ChangeIssue>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let mut body = Body::read(body)?;
    let ids = body.texts("ids");
    let change = IssueChange {
        status: body.word("status"),
        old_releases: Vec::new(),
        priority: body.word("priority"),
        assignee_id: body.nullable_text("assignee_id"),
        tags: body.texts("tags"),
        mute: body.mute("mute"),
    };
    body.finish_strictly("ids, status, priority, assignee_id, tags and mute")?;
    let ids = ids.unwrap_or_default();
    if ids.is_empty() || ids.len() > MAX_AT_ONCE {
        return Err(Problem::invalid(vec![invalid("ids", &format!("1 to {MAX_AT_ONCE} ids of issues"))]));
    }
    if change == IssueChange::default() {
        let message = "say what to change: status, priority, assignee_id, tags or mute";
        return Err(Problem::invalid(vec![invalid("ids", message)]));
    }
    let wanted: Vec<Option<Wanted>> = ids
        .iter()
        .map(|id| Some(Wanted { id: short_id::read_id(id)?, change: change.clone(), if_version: None }))
        .collect();
    let readable: Vec<Wanted> = wanted.iter().flatten().cloned().collect();
    let mut changed = state.triage.change_many(&readable, &principal, Timestamp::now()).await?.into_iter();
    let results: Vec<Value> = ids
        .iter()
        .zip(&wanted)
        .map(|(id, wanted)| {
            let result = match wanted {
                Some(wanted) => {
                    changed.next().map(|result| result.map_err(|error| (Problem::from(error), Some(&wanted.id))))
                }
                None => None,
            };
            match result.unwrap_or_else(|| Err((Problem::not_found("issue"), None))) {
                Ok(changed) => json!({"id": id, "status": 200, "issue": IssueView::from(changed.after)}),
                Err((problem, read)) => {
                    read.into_iter().for_each(|id| problem.log_one_of_many(id));
                    let error = json!({"code": problem.code, "message": problem.message});
                    json!({"id": id, "status": problem.status.as_u16(), "error": error})
                }
            }
        })
        .collect();
    let failed = results.iter().filter(|result| result.get("error").is_some()).count();
    Ok(Json(json!({"results": results, "changed": ids.len() - failed, "failed": failed})))
}
