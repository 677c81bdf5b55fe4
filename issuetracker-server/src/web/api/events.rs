//! Ingestion over HTTP: a batch of events as JSON lines, answered one by one when they are durable.

use axum::{
    Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Answer;
use crate::{
    intake::Receipt,
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
    },
};

/// The largest body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
/// The most events in a request: they are one commit.
const MAX_EVENTS: usize = 1_000;

/// `POST /api/v1/events`: `{"results": [{"status", "issue_id"?, "reason"?}]}`, one result for each line that is not
/// empty. A line that cannot be read is `invalid` with its reason and affects no other line.
pub(crate) async fn accept(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Ingest>,
    body: Result<Bytes, BytesRejection>,
) -> Answer {
    let body = body?;
    let events = lines(&body);
    if events.is_empty() {
        return Err(Problem::bad_request("no_events", "Send one JSON object per line; see docs/wire-format.md."));
    }
    if events.len() > MAX_EVENTS {
        return Err(Problem::bad_request("too_many_events", format!("Send at most {MAX_EVENTS} events in a request.")));
    }
    let receipts = state.intake.accept(&events, principal.service.as_deref(), Timestamp::now()).await?;
    let results: Vec<Value> = receipts.iter().map(result).collect();
    Ok(Json(json!({ "results": results })))
}

/// One event a line; a body that is one object over several lines is one event.
fn lines(body: &[u8]) -> Vec<&[u8]> {
    let lines: Vec<&[u8]> =
        body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).collect();
    let is_one_object = lines.len() > 1
        && serde_json::from_slice::<serde::de::IgnoredAny>(lines[0]).is_err()
        && serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
    if is_one_object { vec![body] } else { lines }
}

fn result(receipt: &Receipt) -> Value {
    match receipt {
        Receipt::Accepted(occurrence) => json!({
            "status": "accepted", "issue_id": occurrence.issue_id.as_str(), "event_id": occurrence.event_id.to_string(),
        }),
        Receipt::Duplicate(occurrence) => json!({
            "status": "duplicate", "issue_id": occurrence.issue_id.as_str(), "event_id": occurrence.event_id.to_string(),
        }),
        Receipt::Invalid(invalid) => json!({
            "status": "invalid", "code": invalid.reason(), "reason": invalid.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_lines_or_one_object() {
        assert_eq!(lines(b"{\"a\":1}\n\n {\"b\":2}\r\n"), [&b"{\"a\":1}"[..], b"{\"b\":2}"]);
        assert_eq!(lines(b"{\n \"a\": 1\n}\n").len(), 1);
        assert_eq!(lines(b"not json\n{\"a\":1}").len(), 2);
        assert_eq!(lines(b" \n"), [&b""[..]; 0]);
    }
}
