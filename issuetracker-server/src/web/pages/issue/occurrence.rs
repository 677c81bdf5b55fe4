//! One occurrence taken apart, and the ways from it to the others.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{
    backtrace::{self, FramesView},
    values::{FieldView, fields, link, text_of},
};
use crate::{
    domain::{Activity, Issue},
    store::Neighbourhood,
    web::pages::layout::{TimeView, label},
};

#[derive(Serialize)]
pub(super) struct OccurrenceView {
    event_id: String,
    at: TimeView,
    occurrences: u64,
    ways: WaysView,
    /// Its details are not kept any more.
    is_thin: bool,
    error: Vec<Value>,
    spans: Vec<SpanView>,
    context: Vec<FieldView>,
    location: Value,
    facts: Vec<FactView>,
    breadcrumbs: Vec<CrumbView>,
    frames: Vec<FramesView>,
    dropped_before: Vec<DroppedView>,
}

/// Addresses of occurrences; empty if there is none that way.
#[derive(Serialize)]
struct WaysView {
    own: String,
    first: String,
    older: String,
    newer: String,
    latest: String,
}

#[derive(Serialize)]
struct SpanView {
    name: String,
    target: String,
    fields: Vec<FieldView>,
}

#[derive(Serialize)]
struct CrumbView {
    /// How long before the occurrence, or when, if that cannot be said.
    at: String,
    exact: String,
    level: String,
    message: String,
}

impl CrumbView {
    fn new(crumb: &Value, occurred: Timestamp) -> Self {
        let exact = text_of(crumb.get("at"));
        let millis = exact.parse::<Timestamp>().ok().map(|at| occurred.as_millisecond() - at.as_millisecond());
        let at = match millis.filter(|millis| (0..=3_600_000).contains(millis)) {
            Some(millis) => format!("−{}.{:03} s", millis / 1_000, millis % 1_000),
            None => exact.clone(),
        };
        Self { at, exact, level: text_of(crumb.get("level")), message: text_of(crumb.get("message")) }
    }
}

#[derive(Serialize)]
struct FactView {
    label: &'static str,
    value: String,
    url: String,
}

#[derive(Serialize)]
struct DroppedView {
    reason: String,
    count: u64,
}

impl OccurrenceView {
    pub(super) fn new(issue: &Issue, shown: &Neighbourhood, now: Timestamp) -> Self {
        let occurrence = &shown.activity;
        let details = &occurrence.details;
        let list = |name: &str| details.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let text = |name: &str| text_of(details.get(name));
        let facts = [
            ("Service", "service", issue.service.clone()),
            ("Environment", "environment", text("environment")),
            ("Release", "release", text("release")),
            ("Host", "host", text("host")),
            ("Process", "", text("pid")),
            ("Thread", "", text("thread")),
            ("Trace", "", text("trace_id")),
            ("Span", "", text("span_id")),
        ];
        let fact = |(label, key, value): (&'static str, &str, String)| {
            let url = if key.is_empty() { String::new() } else { link(issue, key, &value) };
            FactView { label, value, url }
        };
        let dropped = details.get("dropped_before").and_then(Value::as_object);
        Self {
            event_id: occurrence.id.clone(),
            at: TimeView::new(occurrence.timestamp, now),
            occurrences: count(occurrence),
            ways: WaysView::new(issue, shown),
            is_thin: !details.contains_key("title"),
            error: list("error"),
            spans: list("spans").iter().map(|span| SpanView::new(issue, span)).collect(),
            context: details
                .get("context")
                .and_then(Value::as_object)
                .map(|context| fields(issue, context))
                .unwrap_or_default(),
            location: details.get("location").cloned().unwrap_or(Value::Null),
            facts: facts.into_iter().filter(|(.., value)| !value.is_empty()).map(fact).collect(),
            breadcrumbs: list("breadcrumbs").iter().map(|crumb| CrumbView::new(crumb, occurrence.timestamp)).collect(),
            frames: backtrace::groups(&text("backtrace")),
            dropped_before: dropped
                .into_iter()
                .flatten()
                .map(|(reason, count)| DroppedView { reason: label(reason), count: count.as_u64().unwrap_or(0) })
                .collect(),
        }
    }
}

impl WaysView {
    fn new(issue: &Issue, shown: &Neighbourhood) -> Self {
        let to = |event: &str| address(issue, event);
        let if_there = |event: &Option<String>, way: &str| event.as_ref().map(|_| to(way)).unwrap_or_default();
        Self {
            own: to(&shown.activity.id),
            first: if_there(&shown.older, "first"),
            older: shown.older.as_deref().map(to).unwrap_or_default(),
            newer: shown.newer.as_deref().map(to).unwrap_or_default(),
            latest: if_there(&shown.newer, "latest"),
        }
    }
}

impl SpanView {
    fn new(issue: &Issue, span: &Value) -> Self {
        Self {
            name: text_of(span.get("name")),
            target: text_of(span.get("target")),
            fields: span
                .get("fields")
                .and_then(Value::as_object)
                .map(|object| fields(issue, object))
                .unwrap_or_default(),
        }
    }
}

/// A line of the table.
#[derive(Serialize)]
pub(super) struct OccurrenceRow {
    url: String,
    is_shown: bool,
    at: TimeView,
    occurrences: u64,
    host: String,
    release: String,
    environment: String,
    summary: String,
}

impl OccurrenceRow {
    pub(super) fn new(issue: &Issue, occurrence: &Activity, shown: &str, now: Timestamp) -> Self {
        let text = |name: &str| text_of(occurrence.details.get(name));
        Self {
            url: address(issue, &occurrence.id),
            is_shown: occurrence.id == shown,
            at: TimeView::new(occurrence.timestamp, now),
            occurrences: count(occurrence),
            host: text("host"),
            release: text("release"),
            environment: text("environment"),
            summary: text("title"),
        }
    }
}

/// How many errors an occurrence stands for.
pub(super) fn count(occurrence: &Activity) -> u64 {
    occurrence.details.get("occurrences").and_then(Value::as_u64).unwrap_or(1)
}

fn address(issue: &Issue, event: &str) -> String {
    format!("/issues/{}/occurrences/{event}", issue.id)
}
