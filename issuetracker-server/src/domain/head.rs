//! What the event that speaks for an issue says of it: the earliest one, whatever order they arrive in.

use serde_json::{Value, json};

use super::{Details, Hours, Issue, IssueId, Occurrence, Status, fold::tidy_tags, issue::Decided};

/// The longest name and value of a field that is searched.
const MAX_KEYWORD_BYTES: usize = 100;

/// The most that is searched of all fields.
const MAX_KEYWORDS_BYTES: usize = 1_000;

/// Lets an earlier event speak for the issue. Who it is, what was counted and what people decided stays.
pub(super) fn take_head(issue: &mut Issue, head: Issue) {
    if !issue.decided.priority {
        issue.priority = head.priority;
    }
    if !issue.decided.assignee {
        issue.assignee_id = head.assignee_id;
    }
    if issue.updated_at == issue.created_at {
        issue.updated_at = head.updated_at;
    }
    issue.title = head.title;
    issue.description = head.description;
    issue.issue_type = head.issue_type;
    issue.severity = head.severity;
    issue.reporter_id = head.reporter_id;
    issue.component = head.component;
    issue.source = head.source;
    issue.project = head.project;
    issue.service = head.service;
    issue.environment = head.environment;
    issue.release = head.release;
    issue.error_kind = head.error_kind;
    issue.location = head.location;
    issue.keywords = head.keywords;
    issue.first_seen = head.first_seen;
    issue.created_at = head.created_at;
    issue.head_event = head.head_event;
}

/// The issue that `occurrence` alone would make, before it is counted.
pub(super) fn issue_of(occurrence: &Occurrence) -> Issue {
    let details = &occurrence.details;
    let location = details.location.as_ref().map(|location| match location.line {
        Some(line) => format!("{}:{line}", location.file),
        None => location.file.clone(),
    });
    Issue {
        id: IssueId::clone(&occurrence.issue_id),
        short_id: None,
        title: occurrence.title.clone(),
        description: occurrence.description.clone(),
        issue_type: occurrence.issue_type,
        priority: occurrence.priority,
        severity: occurrence.severity,
        status: Status::Open,
        reporter_id: occurrence.reporter_id.clone(),
        assignee_id: occurrence.assignee_id.clone(),
        tags: tidy_tags(Vec::new(), &occurrence.tags),
        component: occurrence.component.clone(),
        source: occurrence.source,
        project: occurrence.project.clone(),
        service: occurrence.service.clone(),
        environment: occurrence.environment.clone(),
        release: occurrence.release.clone(),
        error_kind: tracing_issues::event::error_kind(&details.error).to_owned(),
        location: location.unwrap_or_default(),
        keywords: keywords(details),
        hosts: Vec::new(),
        fingerprint: occurrence.fingerprint,
        grouping_version: tracing_issues::fingerprint::VERSION,
        occurrences: 0,
        first_seen: occurrence.first_at,
        last_seen: occurrence.last_at,
        created_at: occurrence.first_at,
        updated_at: occurrence.first_at,
        resolved_at: None,
        old_releases: Vec::new(),
        mute: None,
        regression: None,
        hours: Hours::default(),
        comments: 0,
        head_event: occurrence.event_id,
        decided: Decided::default(),
        parts: Vec::new(),
        version: 0,
    }
}

/// `venue kraken`, a line for each field of the event and its spans whose value is short.
fn keywords(details: &Details) -> String {
    let mut keywords = String::new();
    let host = ("host".to_owned(), json!(details.host));
    let fields = details.spans.iter().flat_map(|span| &span.fields).chain(&details.context);
    for (key, value) in fields.chain([(&host.0, &host.1)]) {
        let value = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => continue,
        };
        let is_short = !value.is_empty() && value.len() <= MAX_KEYWORD_BYTES && key.len() <= MAX_KEYWORD_BYTES;
        if is_short && keywords.len() + key.len() + value.len() < MAX_KEYWORDS_BYTES {
            keywords.extend([key, " ", &value, "\n"]);
        }
    }
    keywords
}
