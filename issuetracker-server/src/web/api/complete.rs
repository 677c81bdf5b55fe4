//! `GET /api/v1/issues/complete?q=service:ne`: how a term of a filter may go on. Help for who is typing.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use serde::Deserialize;
use serde_json::json;

use super::Answer;
use crate::{
    domain::{
        IssueType, Priority, Severity,
        filter::{Fact, KEYS, State as IssueState, Term},
    },
    store::Facet,
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// The most completions of a term.
const MAX_COMPLETIONS: usize = 12;

/// What is offered for a time.
const TIMES: [&str; 6] = ["<1h", "<1d", "<1w", ">1d", ">1w", ">4w"];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CompleteParams {
    q: String,
}

pub(crate) async fn complete(
    State(state): State<WebState>,
    _: Require<permission::Read>,
    params: Result<Query<CompleteParams>, QueryRejection>,
) -> Answer {
    let Query(CompleteParams { q }) =
        params.map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))?;
    let (minus, term) = q.strip_prefix('-').map_or(("", q.as_str()), |rest| ("-", rest));
    let Some((key, values)) = term.split_once(':') else {
        let keys = KEYS.iter().filter(|key| key.starts_with(term) && !key.ends_with('.'));
        let completions: Vec<String> = keys.map(|key| format!("{minus}{key}:")).collect();
        return Ok(Json(json!({ "completions": completions })));
    };
    let (others, prefix) = values.rsplit_once(',').map_or(("", values), |(others, prefix)| (others, prefix));
    let prefix = prefix.trim_matches('"');
    let found = match source_of(key) {
        Some(Source::Words(words)) => words.into_iter().map(str::to_owned).collect(),
        Some(Source::Stored(facet, own)) => {
            let mut stored = state.store.values(facet, prefix, MAX_COMPLETIONS).await?;
            if facet == Facet::Assignee {
                // People are meant by their mail addresses; ids mean nothing to who types.
                let people = state.people().await;
                stored.retain(|id| people.handle(id) == id);
                stored.extend(people.workers().iter().map(|person| person.email.clone()));
            }
            own.iter().map(|word| (*word).to_owned()).chain(stored).collect()
        }
        None => Vec::new(),
    };
    // Printed and taken apart again, so that what is offered has the quotes that it needs.
    let completion = |value: String| {
        let term = Term::of(key, vec![value]).ok().flatten()?.to_string();
        let value = term.split_once(':').map_or(term.as_str(), |(_, value)| value);
        let comma = if others.is_empty() { "" } else { "," };
        Some(format!("{minus}{key}:{others}{comma}{value}"))
    };
    let completions: Vec<String> = found
        .into_iter()
        .filter(|value: &String| value.starts_with(prefix))
        .filter_map(completion)
        .take(MAX_COMPLETIONS)
        .collect();
    Ok(Json(json!({ "completions": completions })))
}

/// Where the values of a key come from.
enum Source {
    Words(Vec<&'static str>),
    /// What issues have, after some words that mean something.
    Stored(Facet, &'static [&'static str]),
}

fn source_of(key: &str) -> Option<Source> {
    let words = match key {
        "is" | "status" => IssueState::ALL.map(IssueState::as_str).to_vec(),
        "severity" => Severity::ALL.iter().map(|word| word.as_str()).collect(),
        "priority" => Priority::ALL.iter().map(|word| word.as_str()).collect(),
        "type" => IssueType::ALL.iter().map(|word| word.as_str()).collect(),
        "first" | "last" | "seen" => TIMES.to_vec(),
        "host" => return Some(Source::Stored(Facet::Host, &[])),
        "tag" => return Some(Source::Stored(Facet::Tag, &[])),
        "assigned" | "assignee" => return Some(Source::Stored(Facet::Assignee, &["me", "none"])),
        key => {
            let key = if key == "environment" { "env" } else { key };
            let fact = Fact::ALL.into_iter().find(|fact| fact.key() == key)?;
            return Some(Source::Stored(Facet::Fact(fact), &[]));
        }
    };
    Some(Source::Words(words))
}
