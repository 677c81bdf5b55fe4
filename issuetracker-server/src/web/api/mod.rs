//! The JSON API under `/api/v1`. Handlers read the request, ask [`Triage`](crate::triage::Triage), and shape the answer.

pub(crate) mod audit;
pub(crate) mod body;
pub(crate) mod bulk;
pub(crate) mod comments;
pub(crate) mod complete;
pub(crate) mod dead_letters;
pub(crate) mod events;
pub(crate) mod issues;
pub(crate) mod keys;
pub(crate) mod occurrences;
pub(crate) mod rules;
pub(crate) mod sessions;
pub(crate) mod stats;
pub(crate) mod stream;
pub(crate) mod users;

use axum::{
    Json,
    extract::{FromRequestParts, Path, Query},
    http::{HeaderMap, Uri, request::Parts},
};
use serde::Deserialize;
use serde_json::Value;

use super::{cursor, problem::Problem, search};
use crate::{
    domain::{IssueId, short_id},
    store::Cursor,
    triage::{Once, invalid},
};

/// The longest name of a request, in bytes.
const MAX_ONCE_BYTES: usize = 255;

/// The answer of a handler that has one.
pub(crate) type Answer<T = Json<Value>> = Result<T, Problem>;

/// The id in the path, long or short, checked before it touches a store.
pub(crate) struct IssuePath(pub(crate) IssueId);

impl<S: Send + Sync> FromRequestParts<S> for IssuePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await.ok();
        let id = path.and_then(|Path(id)| short_id::read_id(&id));
        id.map(Self).ok_or_else(|| Problem::not_found("issue"))
    }
}

/// The ids in the path of an issue and of something that belongs to it, checked before they touch a store.
async fn ids_in_path<S: Send + Sync>(
    parts: &mut Parts,
    state: &S,
    what: &'static str,
    max_bytes: usize,
) -> Result<(IssueId, String), Problem> {
    let path = Path::<(String, String)>::from_request_parts(parts, state).await.ok();
    let Some(Path((issue, id))) = path.filter(|Path((_, id))| id.len() <= max_bytes) else {
        return Err(Problem::not_found(what));
    };
    let issue = short_id::read_id(&issue).ok_or_else(|| Problem::not_found("issue"))?;
    Ok((issue, id))
}

/// The place in a list that an address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageParams {
    cursor: String,
    limit: String,
}

pub(crate) fn page_of(uri: &Uri) -> Result<(Option<Cursor>, usize), Problem> {
    let Query(params) = Query::<PageParams>::try_from_uri(uri)
        .map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))?;
    let limit = search::page_limit(&params.limit).map_err(|wrong| Problem::invalid(vec![wrong]))?;
    match params.cursor.as_str() {
        "" => Ok((None, limit)),
        text => match cursor::decode(text) {
            Some(cursor) => Ok((Some(cursor), limit)),
            None => Err(Problem::invalid(vec![invalid("cursor", "use `next_cursor` of the page before, unchanged")])),
        },
    }
}

/// The cursor after a page of things in the order of their ids, of which one more was read than is shown.
fn next_by_id<T>(read: &[T], limit: usize, id: impl Fn(&T) -> &str) -> Option<String> {
    let last = (read.len() > limit).then(|| read.get(limit - 1)).flatten()?;
    Some(cursor::encode(&Cursor { key: 0, id: id(last).to_owned() }))
}

/// The name of a request that makes something once: `Idempotency-Key`.
fn once_of<'a>(headers: &'a HeaderMap, body: &'a [u8]) -> Result<Option<Once<'a>>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_ONCE_BYTES);
    let key = key.ok_or_else(|| {
        Problem::bad_request(
            "invalid_idempotency_key",
            "The Idempotency-Key must be 1 to 255 visible ASCII characters.",
        )
    })?;
    Ok(Some(Once { key, body }))
}

/// Answers for what is under `/api` and nothing else.
pub(crate) async fn no_such_route() -> Problem {
    Problem::not_found("route").hint("docs/api.md lists them.")
}
