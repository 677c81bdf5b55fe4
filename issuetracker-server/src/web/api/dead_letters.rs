//! Dead letters: list, read, replay. What may be shown of them is decided in [`dead_letters`](crate::dead_letters).

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequestParts, Path, Query, State, rejection::BytesRejection},
    http::{StatusCode, Uri, request::Parts},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, body::Body};
use crate::{
    auth::{Action, NewEntry, Principal},
    dead_letters::{Bounds, DeadLetters, Found, LetterId, LetterQuery, Replayed},
    triage::{InvalidField, invalid},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
        search,
    },
};

/// The most ids in a request.
const MAX_IDS: usize = 100;

/// The id in the path; what is no id names nothing.
pub(crate) struct LetterPath(pub(crate) LetterId);

impl<S: Send + Sync> FromRequestParts<S> for LetterPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await.ok();
        path.and_then(|Path(id)| id.parse().ok()).map(Self).ok_or_else(no_such_letter)
    }
}

pub(crate) fn no_such_letter() -> Problem {
    Problem::not_found("dead letter")
}

/// The parameters of the list's address. Absent and empty mean the same.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LetterParams {
    pub(crate) reason: String,
    pub(crate) cursor: String,
    pub(crate) limit: String,
}

impl LetterParams {
    pub(crate) fn of(uri: &Uri) -> Result<Self, Problem> {
        let params = Query::<Self>::try_from_uri(uri)
            .map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))?;
        Ok(params.0)
    }

    pub(crate) fn query(&self) -> Result<LetterQuery, Problem> {
        let problem = |wrong| Problem::invalid(vec![wrong]);
        Ok(LetterQuery {
            reason: Some(self.reason.clone()).filter(|reason| !reason.is_empty()),
            before: bounds(&self.cursor).map_err(problem)?,
            limit: search::page_limit(&self.limit).map_err(problem)?,
        })
    }
}

/// The place that a cursor names.
pub(crate) fn bounds(cursor: &str) -> Result<Option<Bounds>, InvalidField> {
    match cursor {
        "" => Ok(None),
        text => match text.parse() {
            Ok(bounds) => Ok(Some(bounds)),
            Err(_) => Err(invalid("cursor", "use `next_cursor` of the page before, unchanged")),
        },
    }
}

/// `GET /api/v1/dead-letters`: newest first.
pub(crate) async fn list(State(state): State<WebState>, _: Require<permission::ManageDeadLetters>, uri: Uri) -> Answer {
    let query = LetterParams::of(&uri)?.query()?;
    let found = match &state.dead_letters {
        Some(letters) => letters.list(&query, Timestamp::now()).await?,
        None => Found { items: Vec::new(), next: None },
    };
    Ok(Json(json!({"dead_letters": found.items, "next_cursor": found.next.as_ref().map(Bounds::to_string)})))
}

/// `GET /api/v1/dead-letters/{id}`
pub(crate) async fn read(
    State(state): State<WebState>,
    _: Require<permission::ManageDeadLetters>,
    LetterPath(id): LetterPath,
) -> Answer {
    let letter = letters(&state)?.letter(id, Timestamp::now()).await?.ok_or_else(no_such_letter)?;
    Ok(Json(serde_json::to_value(letter).map_err(Problem::internal)?))
}

/// `POST /api/v1/dead-letters/{id}/replay`: 409 if it cannot be replayed.
pub(crate) async fn replay(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageDeadLetters>,
    LetterPath(id): LetterPath,
) -> Answer {
    match letters(&state)?.replay(id, &principal.user_id, Timestamp::now()).await? {
        replayed @ Replayed::Done(_) => {
            let answer = replayed.to_json(id);
            note_replays(&state, &principal, &[(id, replayed)], Timestamp::now()).await;
            Ok(Json(answer))
        }
        Replayed::NotFound => Err(no_such_letter()),
        refused => Err(Problem::new(StatusCode::CONFLICT, "not_replayed", refused.message())),
    }
}

/// `POST /api/v1/dead-letters/replay`: `{"ids": [...]}`, or `{"reason": "..."}` or `{"all": true}` in parts, with the
/// `cursor` that the answer before named. `{"results": [{"id", "status", ...}], "next_cursor"}`.
pub(crate) async fn replay_many(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::ManageDeadLetters>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let mut body = Body::read(body)?;
    let (ids, reason, cursor) = (body.texts("ids"), body.text("reason"), body.text("cursor").unwrap_or_default());
    let is_all = body.flag("all").unwrap_or(false);
    body.finish_strictly("ids, reason, all and cursor")?;
    let problem = |wrong| Problem::invalid(vec![wrong]);
    let before = bounds(&cursor).map_err(problem)?;
    let (letters, now) = (letters(&state)?, Timestamp::now());
    let found = match (ids, reason) {
        (Some(ids), None) if !is_all => {
            let ids = read_ids(&ids).map_err(problem)?;
            Found { items: letters.replay_ids(&ids, &principal.user_id, now).await?, next: None }
        }
        (None, reason) if is_all != reason.is_some() => {
            letters.replay_newest(reason, before, &principal.user_id, now).await?
        }
        _ => return Err(problem(invalid("ids", "say which: one of `ids`, `reason` and `\"all\": true`"))),
    };
    note_replays(&state, &principal, &found.items, now).await;
    let results: Vec<Value> = found.items.iter().map(|(id, replayed)| replayed.to_json(*id)).collect();
    Ok(Json(json!({"results": results, "next_cursor": found.next.as_ref().map(Bounds::to_string)})))
}

/// Puts into the audit log which letters were replayed.
pub(crate) async fn note_replays(
    state: &WebState,
    principal: &Principal,
    letters: &[(LetterId, Replayed)],
    now: Timestamp,
) {
    let done: Vec<String> = letters
        .iter()
        .filter(|(_, replayed)| matches!(replayed, Replayed::Done(_)))
        .map(|(id, _)| id.to_string())
        .collect();
    let (Some(first), Some(last)) = (done.first(), done.last()) else { return };
    let subject = if done.len() == 1 { first.clone() } else { format!("{first} to {last}") };
    let entry = NewEntry::by(principal, Action::LettersReplayed).to(subject);
    state.audit.add(entry.detail(format!("{} letters", done.len())), now).await;
}

fn read_ids(texts: &[String]) -> Result<Vec<LetterId>, InvalidField> {
    if texts.is_empty() || texts.len() > MAX_IDS {
        return Err(invalid("ids", &format!("1 to {MAX_IDS} ids")));
    }
    texts.iter().map(|id| id.parse()).collect::<Result<_, _>>().map_err(|error| invalid("ids", &format!("{error}")))
}

pub(crate) fn letters(state: &WebState) -> Result<&DeadLetters, Problem> {
    state.dead_letters.as_ref().ok_or_else(no_such_letter)
}
