//! The HTTP API as programs see it: the real server in a process of its own, with the store of its own that it has by
//! default. Kafka as the road behind the same API is in `tests/kafka`; pages are tested in a browser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod bulk;
mod client;
mod connections;
mod create;
mod doctor;
mod documented;
mod events;
mod list;
mod logs;
mod notifications;
mod process;
mod roles;
#[path = "../support/mod.rs"]
mod support;
mod surface;
mod tls;
mod triage;
mod upkeep;

use std::{
    io::{BufRead, BufReader},
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use support::{Answer, FOREIGN_EVENTS, Place, Server, check_foreign_issue, foreign_issues, wait_until};
use uuid::Uuid;

const MISSING: &str = "/api/v1/issues/01a2b3c4d5e6f789";

/// An event of a producer that numbers its events.
fn event(title: &str) -> Value {
    json!({"title": title, "service": "newsfeed", "reporter_id": "newsfeed-service", "event_id": Uuid::now_v7()})
}

/// `event` with these fields set.
fn with(mut event: Value, fields: &Value) -> Value {
    event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    event
}

/// Sends one event and returns the address of its issue.
#[track_caller]
fn issue_of(server: &Server, event: Value) -> String {
    let results = server.ingest(&[event]);
    format!("/api/v1/issues/{}", results[0]["issue_id"].as_str().unwrap())
}

fn titles(issues: &[Value]) -> Vec<&str> {
    issues.iter().map(|issue| issue["title"].as_str().unwrap()).collect()
}
