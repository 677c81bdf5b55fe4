//! The audit log, for ADMINs.

use axum::{Json, extract::State, http::Uri};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, next_by_id, page_of};
use crate::{
    auth::{Action, Entry},
    triage::invalid,
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// Which entries an address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AuditParams {
    pub(crate) action: String,
    pub(crate) actor: String,
}

impl AuditParams {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(uri)
            .map(|axum::extract::Query(params)| params)
            .map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))
    }

    /// One of both, or none.
    pub(crate) fn only(&self) -> Result<Option<(&'static str, &str)>, Problem> {
        let wrong = |field, message: &str| Problem::invalid(vec![invalid(field, message)]);
        match (self.action.as_str(), self.actor.as_str()) {
            ("", "") => Ok(None),
            ("", actor) => Ok(Some(("actor_id", actor))),
            (action, "") => match Action::of_word(action) {
                Some(action) => Ok(Some(("action", action.as_str()))),
                None => {
                    let words: Vec<&str> = Action::ALL.iter().map(|action| action.as_str()).collect();
                    Err(wrong("action", &format!("one of {}", words.join(", "))))
                }
            },
            _ => Err(wrong("actor", "give either an action or an actor")),
        }
    }
}

/// `GET /api/v1/audit`: newest first; of one `action` or one `actor`.
pub(crate) async fn list(State(state): State<WebState>, _: Require<permission::ReadAudit>, uri: Uri) -> Answer {
    let (after, limit) = page_of(&uri)?;
    let params = AuditParams::of(&uri)?;
    let entries = state.audit.list(params.only()?, after.as_ref().map(|after| after.id.as_str()), limit + 1).await?;
    let next = next_by_id(&entries, limit, |last| &last.id);
    let shown: Vec<Value> = entries.iter().take(limit).map(shape).collect();
    Ok(Json(json!({"entries": shown, "next_cursor": next})))
}

fn shape(entry: &Entry) -> Value {
    let given = |text: &str| Some(text).filter(|text| !text.is_empty()).map(str::to_owned);
    json!({
        "id": entry.id,
        "at": entry.at.map(|at| at.to_string()),
        "action": entry.action,
        "actor_id": given(&entry.actor_id),
        "actor": given(&entry.actor),
        "subject": given(&entry.subject),
        "detail": given(&entry.detail),
        "address": given(&entry.address),
    })
}
