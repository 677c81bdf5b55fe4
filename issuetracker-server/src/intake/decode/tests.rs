//! What becomes of events: ours, foreign, strange, and unreadable.

use serde_json::json;

use super::*;
use crate::domain::Priority;

const NOW: &str = "2026-06-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn read(event: &Value) -> Occurrence {
    decode(event.to_string().as_bytes(), Place::Request, now()).unwrap()
}

#[track_caller]
fn check_invalid(bytes: &[u8], reason: &str) {
    assert_eq!(decode(bytes, Place::Request, now()).unwrap_err().reason(), reason);
}

fn at(offset: i64) -> Place<'static> {
    Place::Record { topic: "alphafusion.issues", partition: 3, offset, timestamp_ms: Some(1_767_000_000_000) }
}

#[test]
fn the_original_format_is_first_class() {
    let occurrence = read(&json!({
        "title": "Error title",
        "description": "Error description with **markdown**",
        "type": "bug",
        "priority": "high",
        "reporter_id": "market_data_service-service",
        "assignee_id": null,
        "tags": ["component", "error-type"],
        "component": "service-component-name",
        "severity": "error",
        "context": {"additional": "context data"},
        "created_at": "2026-01-04T23:30:50.123456",
        "source": "service",
    }));
    assert_eq!(
        (occurrence.service.as_str(), occurrence.reporter_id.as_str()),
        ("market_data_service", "market_data_service-service")
    );
    assert_eq!(occurrence.last_at.to_string(), "2026-01-04T23:30:50.123456Z", "a time without zone is UTC");
    assert_eq!((occurrence.priority, occurrence.count), (Priority::High, 1));
    assert_eq!(Value::Object(occurrence.details.context), json!({"additional": "context data"}));
    assert_eq!(occurrence.fingerprint.map(|found| found.issue_id()), Some(occurrence.issue_id));
}

#[test]
fn what_the_library_writes_is_read_back_whole() {
    let mut event = tracing_issues::event::IssueEvent::new("feed stalled", "2026-05-01T00:00:00Z".parse().unwrap());
    event.service = "newsfeed".to_owned();
    event.error = vec![ErrorLink { kind: "io::Error".to_owned(), message: "refused".to_owned() }];
    event.location =
        Some(Location { module: "newsfeed::feed".to_owned(), file: "src/feed.rs".to_owned(), line: Some(7) });
    event.context.insert("order".to_owned(), json!(17));
    event.dropped_before = vec![("queue_full".to_owned(), 3)];
    event.occurrences = 42;
    let identity = Identity {
        service: "newsfeed",
        kind: "io::Error",
        message: "feed stalled",
        root_cause: "refused",
        module: "newsfeed::feed",
        file: "src/feed.rs",
        ..Identity::default()
    };
    event.fingerprint = Some(Fingerprint::of(&identity));
    let occurrence = decode(&event.to_json().unwrap(), Place::Request, now()).unwrap();
    assert_eq!((occurrence.event_id, occurrence.count), (event.event_id, 42));
    assert_eq!((&occurrence.details.error, &occurrence.details.location), (&event.error, &event.location));
    assert_eq!(occurrence.details.context, event.context, "nothing of ours is unknown");
    assert_eq!(occurrence.details.dropped_before, event.dropped_before);

    event.fingerprint = None;
    let computed = decode(&event.to_json().unwrap(), Place::Request, now()).unwrap();
    assert_eq!(computed.fingerprint, occurrence.fingerprint, "the server computes the same fingerprint");
}

#[test]
fn a_bad_field_falls_back_and_is_kept() {
    let occurrence = read(&json!({
        "title": 404,
        "priority": "P1",
        "severity": "FATAL",
        "type": "incident",
        "tags": "a, b,,c",
        "created_at": "yesterday",
        "occurrences": "many",
        "event_id": "not-a-uuid",
        "error": "boom",
        "location": "src/x.rs",
        "kubernetes": {"pod": "x-1"},
    }));
    assert_eq!((occurrence.title.as_str(), occurrence.count), ("404", 1));
    assert_eq!(
        (occurrence.priority, occurrence.severity, occurrence.issue_type),
        (Priority::Medium, Severity::Error, IssueType::Bug)
    );
    assert_eq!(occurrence.tags, ["a", "b", "c"]);
    assert_eq!(occurrence.last_at, now());
    assert_eq!(occurrence.details.error[0].message, "boom");
    assert_eq!(
        Value::Object(occurrence.details.context),
        json!({
            "original_priority": "P1", "original_severity": "FATAL", "original_type": "incident",
            "original_created_at": "yesterday", "original_occurrences": "many", "original_event_id": "not-a-uuid",
            "original_location": "src/x.rs", "kubernetes": {"pod": "x-1"},
        })
    );
}

#[test]
fn a_secret_is_gone_wherever_a_foreign_producer_put_it() {
    let text = "login failed: password=hunter2hunter2 refused";
    let event = json!({
        "title": text, "description": text, "backtrace": text, "component": text, "service": text, "release": text,
        "environment": text, "host": text, "thread": text, "reporter_id": text, "assignee_id": text, "project": text,
        "trace_id": text, "type": text, "severity": text, "priority": text, "source": text, "op": text, "event_id": text,
        "created_at": text, "first_at": text, "occurrences": text, "pid": text, "tags": [text, "token:hunter2hunter2"],
        "error": [{"kind": text, "message": text}, text],
        "spans": [{"name": text, "target": text, "fields": {"api_key": "hunter2hunter2", "deep": {"er": [text]}}}],
        "breadcrumbs": [{"at": NOW, "level": text, "message": text}],
        "location": {"module": text, "file": text},
        "context": {"secret": "hunter2hunter2", "url": "postgres://u:hunter2hunter2@db/x", "password=hunter2hunter2": 1},
        "headers": [{"name": "authorization", "value": "hunter2hunter2"}],
        "dropped_before": {"password=hunter2hunter2": 1},
    });
    let occurrence = read(&event);
    let shown = format!("{occurrence:?}");
    assert!(!shown.contains("hunter2"), "{shown}");
    assert_eq!(occurrence.title, "login failed: password=[redacted] refused");
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let event = json!({
        "title": "the password of bob@example.com expired", "event_id": "0192f0c1-2345-7000-8000-0123456789ab",
        "created_at": 1_767_569_450_123_i64, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7",
        "fingerprint": "v1:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "release": "1.4.2+9f86d08",
        "context": {"order": 4_111_111_111_i64, "token_count": 7},
    });
    let occurrence = read(&event);
    assert_eq!(occurrence.title, event["title"]);
    assert_eq!(occurrence.event_id.to_string(), event["event_id"]);
    assert_eq!(occurrence.last_at.to_string(), "2026-01-04T23:30:50.123Z");
    assert_eq!(
        (&*occurrence.details.trace_id, &*occurrence.release),
        ("4bf92f3577b34da6a3ce929d0e0e4736", "1.4.2+9f86d08")
    );
    assert_eq!(Value::Object(occurrence.details.context), event["context"]);
}

#[test]
fn times_come_in_many_forms() {
    for (time, read_as) in [
        (json!("2026-01-04T23:30:50.123456"), "2026-01-04T23:30:50.123456Z"),
        (json!("2026-01-04 23:30:50"), "2026-01-04T23:30:50Z"),
        (json!("2026-01-04T23:30:50+02:00"), "2026-01-04T21:30:50Z"),
        (json!("2026-01-04T23:30:50.123456789Z"), "2026-01-04T23:30:50.123456Z"),
        (json!(1_767_569_450), "2026-01-04T23:30:50Z"),
        (json!(1_767_569_450_123_i64), "2026-01-04T23:30:50.123Z"),
        (json!(1_767_569_450.123_456), "2026-01-04T23:30:50.123456Z"),
    ] {
        assert_eq!(read(&json!({"title": "t", "created_at": time})).last_at.to_string(), read_as, "{time}");
    }
}

#[test]
fn a_clock_in_the_future_is_not_believed() {
    let occurrence = read(&json!({"title": "t", "created_at": "2031-01-01T00:00:00Z"}));
    assert_eq!(occurrence.last_at, now());
    assert_eq!(occurrence.details.context["original_created_at"], "2031-01-01T00:00:00Z");
    let slightly_ahead = read(&json!({"title": "t", "created_at": "2026-06-01T12:04:00Z"}));
    assert_eq!(slightly_ahead.last_at.to_string(), "2026-06-01T12:04:00Z");
}

#[test]
fn a_clock_far_behind_is_told() {
    let occurrence = read(&json!({"title": "t", "created_at": "2026-04-01T00:00:00Z"}));
    assert_eq!(occurrence.last_at.to_string(), "2026-04-01T00:00:00Z");
    assert_eq!(occurrence.details.arrived_at, Some(now()));
    assert_eq!(occurrence.record()["arrived_at"], now().to_string());
    let kept_for_a_week = read(&json!({"title": "t", "created_at": "2026-05-25T12:00:00Z"}));
    assert_eq!(kept_for_a_week.details.arrived_at, None);
}

#[test]
fn the_first_is_never_after_the_last() {
    let occurrence =
        read(&json!({"title": "t", "first_at": "2026-05-02T00:00:00Z", "last_at": "2026-05-01T00:00:00Z"}));
    assert_eq!(occurrence.first_at, occurrence.last_at);
}

#[test]
fn the_same_record_is_the_same_event() {
    let event = br#"{"title": "t"}"#;
    let id = |place| decode(event, place, now()).unwrap().event_id;
    assert_eq!(id(at(7)), id(at(7)));
    assert_ne!(id(at(7)), id(at(8)));
    assert_ne!(id(Place::Request), id(Place::Request), "two requests are two events");
}

#[test]
fn the_title_comes_from_the_description_if_need_be() {
    assert_eq!(read(&json!({"description": "\n\nfirst line\nsecond"})).title, "first line");
    assert_eq!(read(&json!({"title": "  ", "description": "d"})).title, "d");
    assert_eq!(read(&json!({"title": "x".repeat(400)})).title.chars().count(), MAX_TITLE_CHARS);
}

#[test]
fn only_what_cannot_be_read_at_all_is_invalid() {
    check_invalid(b"", "not_json");
    check_invalid(b"{", "not_json");
    check_invalid(b"\xff\xfe{}", "not_utf8");
    check_invalid(b"[]", "not_an_object");
    check_invalid(b"null", "not_an_object");
    check_invalid(br#"{"title": "", "description": " "}"#, "no_title");
    check_invalid(br#"{"title": {"deep": 1}}"#, "no_title");
    check_invalid(br#"{"title": NaN}"#, "no_title");
    check_invalid(br#"{"title": "t", "op": "comment"}"#, "no_issue");
    check_invalid(
        format!("{{\"title\": \"t\", \"x\": {}1{}}}", "[".repeat(200), "]".repeat(200)).as_bytes(),
        "not_json",
    );
    check_invalid(&vec![b' '; MAX_EVENT_BYTES + 1], "too_large");
}

#[test]
fn text_cannot_forge_other_text() {
    let occurrence = read(&json!({"title": "a\u{1b}[31m\u{202e}b\u{0}", "component": "c\nd"}));
    assert_eq!(occurrence.title, "a\u{fffd}[31m\u{fffd}b\u{fffd}");
    assert_eq!(occurrence.component, "c\nd");
}

#[test]
fn context_is_bounded() {
    let many: serde_json::Map<String, Value> = (0..1_000).map(|n| (format!("k{n:04}"), json!("v"))).collect();
    assert_eq!(read(&json!({"title": "t", "context": many})).details.context.len(), 64);
    let long = read(&json!({"title": "t", "context": {"k": "v".repeat(20_000)}})).details.context;
    assert!(long["k"].as_str().is_some_and(|text| text.len() < 8_200 && text.ends_with('…')));
}

#[test]
fn an_enormous_event_fits_every_store_and_keeps_what_identifies_it() {
    let spans: Vec<Value> = (0..32)
        .map(|n| json!({"name": format!("s{n}"), "fields": {"a": "x".repeat(8_000), "b": "y".repeat(8_000)}}))
        .collect();
    let occurrence = read(&json!({
        "title": "t", "spans": spans, "backtrace": "b".repeat(60_000), "error": vec!["e".repeat(9_000); 32],
    }));
    let record = Value::Object(occurrence.record()).to_string();
    assert!(record.len() <= MAX_RECORD_BYTES, "{}", record.len());
    assert_eq!((occurrence.details.spans.len(), occurrence.details.error.len()), (32, 32));
    assert!(occurrence.details.context["truncated"].is_string());
}

#[test]
fn json_as_python_and_javascript_write_it_is_read() {
    let event = br#"{"title": "half \ud83d", "context": {"price": NaN, "limit": -Infinity}}"#;
    let occurrence = decode(event, Place::Request, now()).unwrap();
    assert_eq!(occurrence.title, "half \u{fffd}");
    assert_eq!(Value::Object(occurrence.details.context), json!({"price": null, "limit": null}));
}

#[test]
fn a_long_title_loses_nothing() {
    let traceback = "first line\nTraceback (most recent call last):\n  File \"x.py\"";
    let occurrence = read(&json!({"title": traceback}));
    assert_eq!((occurrence.title.as_str(), occurrence.description.as_str()), ("first line", traceback));
    assert_eq!(read(&json!({"title": "short"})).description, "");
}

#[test]
fn names_are_short_whatever_is_sent() {
    let long = "\u{7f}".repeat(12_000);
    let spans: Vec<Value> = (0..32).map(|_| json!({"name": long, "target": long})).collect();
    let occurrence = read(&json!({"title": "poison", "spans": spans, "service": long, "host": long, "trace_id": long}));
    assert!(Value::Object(occurrence.record()).to_string().len() <= MAX_RECORD_BYTES);
    assert_eq!(occurrence.service.chars().count(), 200);
}

#[test]
fn a_clock_that_was_never_set_is_not_believed() {
    for time in [json!("0001-01-01T00:00:00Z"), json!(0)] {
        assert_eq!(read(&json!({"title": "t", "created_at": time})).first_at, now(), "{time}");
    }
}

#[test]
fn a_custom_fingerprint_groups_what_differs() {
    let id = |title: &str| read(&json!({"title": title, "service": "s", "fingerprint": "checkout"})).issue_id;
    assert_eq!(id("one"), id("two"));
}

#[test]
fn people_create_and_comment_by_events_too() {
    let created = read(&json!({"title": "t", "op": "create", "event_id": "01890000-0000-7000-8000-000000000001"}));
    assert_eq!((created.effect, created.issue_id.as_str()), (Effect::Created, "01890000-0000-7000-8000-000000000001"));
    let comment = read(&json!({"title": "t", "op": "comment", "issue_id": "abc", "description": "text"}));
    assert_eq!((comment.effect, comment.issue_id.as_str()), (Effect::Commented, "abc"));
}
