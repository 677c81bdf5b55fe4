//! The shapes that operations name, as JSON Schema.

#![expect(clippy::needless_pass_by_value, reason = "shapes are put together of shapes made on the spot")]

use serde_json::{Value, json};

use super::operations::Type;
use crate::domain::{IssueType, Priority, Severity, Status};

/// Bodies in which a field that is not known is a mistake.
const STRICT: [&str; 10] = [
    "IssueChange",
    "BulkChange",
    "Merge",
    "Split",
    "CommentText",
    "UserChange",
    "NewKey",
    "NewRule",
    "RuleChange",
    "Replay",
];

/// A reference to a shape.
pub(super) fn named(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A parameter's.
pub(super) fn parameter(of: Type) -> Value {
    match of {
        Type::Text => json!({"type": "string"}),
        Type::Limit => json!({"type": "integer", "minimum": 1, "maximum": 100}),
        Type::Words(words) => json!({"type": "string", "enum": words}),
    }
}

fn text() -> Value {
    json!({"type": "string"})
}

fn maybe_text() -> Value {
    json!({"type": ["string", "null"]})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time"})
}

fn maybe_time() -> Value {
    json!({"type": ["string", "null"], "format": "date-time"})
}

fn count() -> Value {
    json!({"type": "integer", "minimum": 0})
}

fn maybe_count() -> Value {
    json!({"type": ["integer", "null"], "minimum": 0})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn list(of: Value) -> Value {
    json!({"type": "array", "items": of})
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

/// An object of which all of these fields are there.
fn object(fields: Value) -> Value {
    let required: Vec<&String> = fields.as_object().map(|fields| fields.keys().collect()).unwrap_or_default();
    json!({"type": "object", "required": required, "properties": fields})
}

/// An object of which any of these fields may be there.
fn partial(fields: Value) -> Value {
    json!({"type": "object", "properties": fields})
}

fn page(name: &str, of: &str) -> Value {
    let mut fields = json!({"next_cursor": maybe_text()});
    fields[name] = list(named(of));
    object(fields)
}

/// What a rule of notification is made of.
fn rule_fields(required: &[&str]) -> Value {
    let mut rule = partial(json!({
        "name": {"type": "string", "minLength": 1, "maxLength": 100}, "channel": words(["slack", "mail", "webhook"]),
        "address": {"type": "string", "description": "An https address, or for mail up to 20 mail addresses, separated by commas."},
        "filter": {"type": "string", "description": "As in the search of the list, without free text; empty: all issues."},
        "on": list(words(["new", "regressed", "unmuted"])),
        "threshold_count": {"type": "integer", "minimum": 0, "description": "0: no threshold."},
        "threshold_per": words(["hour", "day"]), "cool_down_minutes": {"type": "integer", "minimum": 1, "maximum": 10080},
        "every_minutes": {"type": "integer", "minimum": 0, "maximum": 1440}, "active": flag(),
    }));
    rule["required"] = required.into();
    rule
}

fn mute() -> Value {
    json!({
        "description": "What silences it: for ever, until a time, or until it happens more often; null: heard again.",
        "oneOf": [
            {"type": "null"},
            {"type": "string", "const": "forever"},
            {"type": "object", "required": ["until"], "properties": {"until": time()}},
            {"type": "object", "required": ["count", "per"], "properties": {
                "count": {"type": "integer", "minimum": 1}, "per": {"type": "string", "enum": ["hour", "day"]},
            }},
        ],
    })
}

/// Every shape by its name.
pub(super) fn all() -> Vec<(String, Value)> {
    let status = words(Status::ALL.iter().map(|status| status.as_str()));
    let priority = words(Priority::ALL.iter().map(|priority| priority.as_str()));
    let severity = words(Severity::ALL.iter().map(|severity| severity.as_str()));
    let issue_type = words(IssueType::ALL.iter().map(|of| of.as_str()));
    let change = json!({
        "status": status, "priority": priority, "assignee_id": maybe_text(), "tags": list(text()), "mute": mute(),
    });
    let mut bulk = change.clone();
    bulk["ids"] = json!({"type": "array", "items": text(), "minItems": 1, "maxItems": 100});
    let mut one_change = change;
    one_change["in_next_release"] = flag();
    let issue = object(json!({
        "id": text(), "short_id": maybe_text(), "url": text(), "title": text(), "description": text(), "type": issue_type,
        "priority": priority, "status": status, "severity": severity, "project": text(), "service": text(),
        "environment": text(), "release": text(), "component": text(), "error_kind": text(), "location": text(),
        "source": text(), "reporter_id": text(), "assignee_id": maybe_text(), "tags": list(text()), "hosts": list(text()),
        "occurrences": count(), "comments": count(), "first_seen": time(), "last_seen": time(), "created_at": time(),
        "updated_at": time(), "resolved_at": maybe_time(), "old_releases": list(text()), "muted_until": maybe_time(),
        "mute": {"type": ["object", "null"]}, "fingerprint": maybe_text(), "grouping_version": count(),
        "parts": list(json!({"type": "object"})),
    }));
    let schemas = [
        ("Issue", issue),
        ("IssuePage", page("issues", "Issue")),
        (
            "NewIssue",
            json!({"type": "object", "required": ["title"], "properties": {
                "title": {"type": "string", "minLength": 1, "maxLength": 300}, "description": {"type": "string", "maxLength": 65_536},
                "type": issue_type, "priority": priority, "severity": severity, "reporter_id": maybe_text(),
                "assignee_id": maybe_text(), "tags": list(text()), "component": text(), "service": text(),
                "context": {"type": "object"},
            }}),
        ),
        ("Accepted", object(json!({"id": text(), "url": text(), "status": {"const": "accepted"}}))),
        ("IssueChange", partial(one_change)),
        ("BulkChange", json!({"type": "object", "required": ["ids"], "properties": bulk})),
        (
            "BulkResults",
            object(json!({"results": list(json!({"type": "object"})), "changed": count(), "failed": count()})),
        ),
        (
            "Merge",
            object(
                json!({"into": {"type": "string", "description": "The id, or the address, of the issue that stays."}}),
            ),
        ),
        ("Split", object(json!({"parts": list(text())}))),
        ("Completions", object(json!({"completions": list(text())}))),
        (
            "Activity",
            object(
                json!({"id": text(), "type": text(), "user_id": text(), "timestamp": time(), "details": {"type": "object"}}),
            ),
        ),
        ("ActivityPage", page("activities", "Activity")),
        ("OccurrencePage", page("occurrences", "Activity")),
        (
            "OccurrenceInPlace",
            object(json!({"occurrence": named("Activity"), "older": maybe_text(), "newer": maybe_text()})),
        ),
        (
            "Comment",
            object(
                json!({"id": text(), "content": text(), "author_id": text(), "created_at": time(), "edited_at": maybe_time()}),
            ),
        ),
        ("CommentPage", page("comments", "Comment")),
        ("CommentText", object(json!({"content": {"type": "string", "minLength": 1, "maxLength": 65_536}}))),
        (
            "Event",
            json!({"type": "object", "description": "The wire format; `title` or `description` is needed.",
            "properties": {"title": text(), "description": text(), "service": text(), "event_id": text()}}),
        ),
        (
            "Receipts",
            object(json!({"results": list(json!({"type": "object", "required": ["status"], "properties": {
                "status": words(["accepted", "duplicate", "invalid"]), "issue_id": text(), "event_id": text(), "code": text(), "reason": text(),
            }}))})),
        ),
        (
            "Stats",
            object(json!({
                "range": text(), "step_seconds": count(), "occurrences": count(), "created": count(), "resolved": count(),
                "mean_seconds_to_resolve": {"type": ["integer", "null"]}, "counts": {"type": "object"}, "is_partial": flag(),
                "series": list(object(json!({"at": time(), "occurrences": count(), "created": count(), "by_severity": {"type": "object"}}))),
                "by": {"type": "object"}, "growing": list(named("Issue")), "noisiest": list(named("Issue")),
                "publisher_drops": list(object(json!({"service": text(), "reason": text(), "count": count()}))),
                "ingestion": {"type": "object"},
            })),
        ),
        ("LetterPage", object(json!({"dead_letters": list(json!({"type": "object"})), "next_cursor": maybe_text()}))),
        ("Replay", partial(json!({"ids": list(text()), "reason": text(), "all": flag(), "cursor": text()}))),
        ("ReplayResults", object(json!({"results": list(json!({"type": "object"})), "next_cursor": maybe_text()}))),
        ("Me", object(json!({"uid": text(), "display_name": text(), "role": text(), "csrf_token": maybe_text()}))),
        (
            "User",
            object(json!({"uid": text(), "email": text(), "display_name": text(), "role": text(), "active": flag(),
            "created_at": maybe_time(), "last_login": maybe_time()})),
        ),
        ("UserPage", page("users", "User")),
        ("UserChange", partial(json!({"role": words(["VIEWER", "DEVELOPER", "ADMIN"]), "active": flag()}))),
        (
            "Sessions",
            object(json!({"sessions": list(object(json!({"id": text(), "place": text(), "current": flag(),
            "created_at": maybe_time(), "last_used": maybe_time()})))})),
        ),
        (
            "Key",
            json!({"type": "object", "required": ["id", "service", "created_by"], "properties": {
                "id": text(), "service": text(), "created_by": text(), "created_at": maybe_time(), "expires_at": maybe_time(),
                "last_used": maybe_time(), "key": {"type": "string", "description": "Only in the answer that creates it."},
            }}),
        ),
        ("KeyPage", page("keys", "Key")),
        (
            "NewKey",
            json!({"type": "object", "required": ["service"], "properties": {
                "service": {"type": "string", "minLength": 1, "maxLength": 200}, "expires_at": time(),
            }}),
        ),
        (
            "Rule",
            json!({"type": "object", "required": ["id", "name", "channel", "address", "filter", "on", "every_minutes", "active", "waiting", "failures"],
            "properties": {
                "id": text(), "name": text(), "channel": words(["slack", "mail", "webhook"]),
                "address": {"type": "string", "description": "Of an address of the web only the host: the rest may be a secret."},
                "filter": text(), "on": list(words(["new", "regressed", "unmuted"])),
                "threshold_count": maybe_count(), "threshold_per": maybe_text(), "cool_down_minutes": maybe_count(),
                "every_minutes": count(), "active": flag(), "created_by": text(), "created_at": maybe_time(),
                "waiting": count(), "last_sent": maybe_time(), "failures": count(), "error": text(), "next_at": maybe_time(),
                "secret": {"type": "string", "description": "Only in the answer that makes it."},
            }}),
        ),
        ("Rules", object(json!({"rules": list(named("Rule"))}))),
        ("NewRule", rule_fields(&["name", "channel", "address"])),
        ("RuleChange", rule_fields(&[])),
        ("RuleTest", object(json!({"sent": flag(), "error": maybe_text()}))),
        (
            "AuditPage",
            object(json!({"entries": list(object(json!({"id": text(), "at": maybe_time(), "action": text(),
            "actor_id": maybe_text(), "actor": maybe_text(), "subject": maybe_text(), "detail": maybe_text(), "address": maybe_text()}))),
            "next_cursor": maybe_text()})),
        ),
        ("Object", json!({"type": "object"})),
        (
            "Problem",
            object(json!({"error": {"type": "object", "required": ["code", "message", "request_id"], "properties": {
                "code": text(), "message": text(), "request_id": text(),
                "fields": list(object(json!({"field": text(), "message": text()}))),
            }}})),
        ),
    ];
    let told = |(name, mut schema): (&str, Value)| {
        if STRICT.contains(&name) {
            schema["additionalProperties"] = false.into();
        }
        (name.to_owned(), schema)
    };
    schemas.into_iter().map(told).collect()
}
