//! An event as the domain sees it: resolved to its issue, complete, its enums and times checked. It is what decoding
//! makes, and what the stores fold into issues.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tracing_issues::event::{Breadcrumb, ErrorLink, Location, SpanRecord};
use uuid::Uuid;

use super::{Fingerprint, IssueId, IssueType, Priority, Severity, Source};

/// What happened, once. The same `event_id` means the same occurrence, however often it arrives.
#[derive(Debug, Clone, PartialEq)]
pub struct Occurrence {
    /// Makes every effect repeatable.
    pub event_id: Uuid,
    /// The issue that it belongs to.
    pub issue_id: IssueId,
    /// The issues that it would belong to by older rules of grouping, newest first.
    pub former_issue_ids: Vec<IssueId>,
    /// What it does to its issue.
    pub effect: Effect,
    /// How many errors it stands for; 1 or more.
    pub count: u64,
    /// When the first of them happened.
    pub first_at: Timestamp,
    /// When the last of them happened.
    pub last_at: Timestamp,
    /// What the issue is called.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// What kind of work it is.
    pub issue_type: IssueType,
    /// How soon it matters.
    pub priority: Priority,
    /// How bad it is.
    pub severity: Severity,
    /// Who reports; a service or a person, never checked against users.
    pub reporter_id: String,
    /// Who should work on it.
    pub assignee_id: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The part that failed.
    pub component: String,
    /// The road it came by.
    pub source: Source,
    /// The product.
    pub project: String,
    /// The service.
    pub service: String,
    /// The deployment.
    pub environment: String,
    /// The version.
    pub release: String,
    /// Identity; absent for what people write.
    pub fingerprint: Option<Fingerprint>,
    /// What helps to solve it; shown, never decided upon.
    pub details: Details,
}

/// What an event does to its issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It happened: create the issue, or count it.
    Occurred,
    /// A person wrote the issue.
    Created,
    /// Somebody comments; the description is the comment.
    Commented,
}

/// The circumstances of one occurrence.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Details {
    /// The error chain, outermost first.
    pub error: Vec<ErrorLink>,
    /// The enclosing spans, root first.
    pub spans: Vec<SpanRecord>,
    /// What led up to it.
    pub breadcrumbs: Vec<Breadcrumb>,
    /// The event's own fields, and what its producer sent beyond the contract.
    pub context: Map<String, Value>,
    /// Where in the source.
    pub location: Option<Location>,
    /// As text.
    pub backtrace: String,
    /// W3C trace id.
    pub trace_id: String,
    /// W3C span id.
    pub span_id: String,
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: Option<u32>,
    /// The thread.
    pub thread: String,
    /// Reports that the producer lost before this one, by reason.
    pub dropped_before: Vec<(String, u64)>,
    /// When it arrived, if that is long after it happened, as its producer's clock says.
    pub arrived_at: Option<Timestamp>,
}

impl Occurrence {
    /// Everything about this occurrence that its entry in the history keeps; what is empty is left out.
    pub fn record(&self) -> Map<String, Value> {
        let Details {
            error,
            spans,
            breadcrumbs,
            context,
            location,
            backtrace,
            trace_id,
            span_id,
            host,
            pid,
            thread,
            dropped_before,
            arrived_at,
        } = &self.details;
        let dropped: Map<String, Value> =
            dropped_before.iter().map(|(reason, count)| (reason.clone(), json!(count))).collect();
        let all = [
            ("title", json!(self.title)),
            ("occurrences", json!(self.count)),
            ("first_at", json!(self.first_at.to_string())),
            ("last_at", json!(self.last_at.to_string())),
            ("severity", json!(self.severity)),
            ("release", json!(self.release)),
            ("environment", json!(self.environment)),
            ("tags", json!(self.tags)),
            ("error", json!(error)),
            ("spans", json!(spans)),
            ("breadcrumbs", json!(breadcrumbs)),
            ("context", json!(context)),
            ("location", json!(location)),
            ("backtrace", json!(backtrace)),
            ("trace_id", json!(trace_id)),
            ("span_id", json!(span_id)),
            ("host", json!(host)),
            ("pid", json!(pid)),
            ("thread", json!(thread)),
            ("dropped_before", json!(dropped)),
            ("arrived_at", json!(arrived_at.map(|time| time.to_string()))),
        ];
        all.into_iter().filter(|(_, value)| !is_empty(value)).map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
