//! What an error means: severity, priority, component, tags, fingerprint, and what the service itself has to say about it.

use std::{error::Error, thread};

use serde_json::{Value, json};
use tracing::{Level, error, info, info_span, warn};
use tracing_issues::{
    Builder, ErrorType,
    event::{IssueEvent, Severity},
    fingerprint::Fingerprint,
};

use crate::{
    errors::{VenueClosed, refresh_error, refused},
    support::{captured_with, one, one_with},
};

fn same(builder: Builder) -> Builder {
    builder
}

/// Checks severity and priority.
#[track_caller]
fn check_severity(set: impl FnOnce(Builder) -> Builder, log: impl FnOnce(), severity: &str) {
    let event = one_with(set, log);
    let priority = match severity {
        "critical" => "critical",
        "error" => "medium",
        "warning" => "low",
        other => panic!("{other}"),
    };
    assert_eq!((&event["severity"], &event["priority"]), (&json!(severity), &json!(priority)), "{event:#}");
}

#[test]
fn severity_comes_from_the_field_or_the_level() {
    check_severity(same, || error!("m"), "error");
    check_severity(same, || error!(severity = "critical", "m"), "critical");
    check_severity(same, || error!(severity = "Warning", "m"), "warning");
    check_severity(same, || error!(severity = %"CRITICAL", "m"), "critical");
    let warnings = |builder: Builder| builder.level(Level::WARN);
    check_severity(warnings, || warn!("m"), "warning");
    check_severity(warnings, || error!("m"), "error");
    check_severity(warnings, || warn!(severity = "critical", "m"), "critical");
}

#[test]
fn an_unknown_severity_is_told_and_changes_nothing() {
    check_severity(same, || error!(severity = "fatal", "m"), "error");
    assert_eq!(one(|| error!(severity = "fatal", "m"))["context"], json!({"severity": "fatal"}));
    assert_eq!(one(|| error!(severity = 3, "m"))["context"], json!({"severity": 3}));
    assert_eq!(one(|| error!(severity = "critical", "m"))["context"], Value::Null);
}

#[test]
fn only_what_is_bad_enough_is_an_issue() {
    let levels = || {
        error!("e");
        warn!("w");
        info!("i");
    };
    let titles = |level| {
        let (events, stats) = captured_with(|builder| builder.level(level), levels);
        assert_eq!(stats.seen, events.len() as u64);
        let mut titles: Vec<_> = events.iter().map(|event| event["title"].as_str().unwrap().to_owned()).collect();
        titles.sort_unstable();
        titles.concat()
    };
    assert_eq!([titles(Level::ERROR), titles(Level::WARN), titles(Level::INFO)], ["e", "ew", "eiw"]);
}

#[track_caller]
fn check_component(log: impl FnOnce(), component: &str) {
    let event = one(log);
    assert_eq!(event["component"], component, "{event:#}");
    assert_eq!(event["tags"][0], format!("component:{component}"));
}

#[test]
fn component_comes_from_the_event_the_nearest_span_or_the_target() {
    let outer = || info_span!("outer", component = "outer");
    check_component(|| error!("m"), module_path!());
    check_component(|| error!(target: "other", "m"), "other");
    check_component(|| error!(component = "event", "m"), "event");
    check_component(|| outer().in_scope(|| error!("m")), "outer");
    check_component(|| outer().in_scope(|| info_span!("inner").in_scope(|| error!("m"))), "outer");
    let inner = || info_span!("inner", component = %"inner");
    check_component(|| outer().in_scope(|| inner().in_scope(|| error!("m"))), "inner");
    check_component(|| inner().in_scope(|| error!(component = "event", "m")), "event");
    check_component(
        || {
            let later = info_span!("later", component = tracing::field::Empty);
            later.record("component", "recorded");
            later.in_scope(|| error!("m"));
        },
        "recorded",
    );
    check_component(|| error!(component = 7, "m"), module_path!());
    assert_eq!(one(|| error!(component = 7, "m"))["context"], json!({"component": 7}));
}

#[test]
fn the_first_span_with_a_component_comes_after_errors_without() {
    fn failure() {
        error!("m");
    }
    let (events, _) = captured_with(same, || {
        failure();
        failure();
        info_span!("late", component = "late").in_scope(failure);
        failure();
    });
    let counts = |component: &str| -> u64 {
        let own = events.iter().filter(|event| event["component"] == component);
        own.map(|event| event["occurrences"].as_u64().unwrap()).sum()
    };
    assert_eq!((counts(module_path!()), counts("late")), (3, 1), "{events:#?}");
}

#[test]
fn tags_are_fields_with_their_prefix() {
    let event = one(|| {
        error!(
            tags.customer = "acme",
            tags.tier = 3,
            tags.is_paying = true,
            tags.empty = "",
            tags.long = "x".repeat(1_000),
            order = 7,
            error = &VenueClosed("X") as &dyn Error,
            "m"
        );
    });
    let mut tags: Vec<_> = event["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap()).collect();
    assert_eq!(tags[..2], [&format!("component:{}", module_path!()), "error:VenueClosed"]);
    let long = tags.iter().position(|tag| tag.starts_with("long:x")).unwrap();
    assert_eq!(tags.remove(long).chars().count(), 200);
    assert_eq!(tags[2..], ["customer:acme", "empty", "is_paying:true", "tier:3"]);
    assert_eq!(event["context"], json!({"order": 7}));
}

/// How many issues the same line makes of these fingerprints and messages.
fn issues(cases: &[(&str, &str)]) -> usize {
    let (events, stats) = captured_with(same, || {
        for (fingerprint, message) in cases {
            error!(fingerprint, "{message}");
        }
    });
    assert_eq!(stats.seen, cases.len() as u64);
    let mut fingerprints: Vec<_> = events.iter().map(|event| event["fingerprint"].to_string()).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    fingerprints.len()
}

#[test]
fn a_fingerprint_of_the_service_overrules_ours() {
    assert_eq!(issues(&[("", "a"), ("", "b")]), 2);
    assert_eq!(issues(&[("down", "a"), ("down", "b")]), 1);
    assert_eq!(issues(&[("down", "a"), ("slow", "a")]), 2);
    assert_eq!(issues(&[("{{ default }}", "a"), ("{{ default }}", "b")]), 2);
    assert_eq!(issues(&[("{{ default }} x", "order 1"), ("{{ default }} x", "order 2")]), 1);
    assert_eq!(issues(&[("{{ default }} x", "a"), ("{{ default }} y", "a")]), 2);
    // Wherever it is used, and whatever else is there.
    let a = one(|| error!(fingerprint = "down", "a"));
    let b = one(|| error!(fingerprint = "down", component = "c", error = &refused() as &dyn Error, "b"));
    assert_eq!((&a["fingerprint"], &a["issue_id"]), (&b["fingerprint"], &b["issue_id"]));
    assert_eq!(a["context"], Value::Null);
}

#[test]
fn error_types_have_the_names_and_severities_that_the_service_gives() {
    let chain = |error: &(dyn Error + 'static)| error!(error, "m");
    let known = |builder: Builder| {
        builder
            .error_type(ErrorType::of::<VenueClosed>().named("Closed"))
            .error_type(ErrorType::of::<std::io::Error>().severity(Severity::Warning))
    };
    let event = one_with(known, || chain(&VenueClosed("X")));
    assert_eq!((&event["error"][0]["kind"], &event["tags"][1]), (&json!("Closed"), &json!("error:Closed")));
    check_severity(known, || chain(&VenueClosed("X")), "error");
    check_severity(known, || chain(&refused()), "warning");
    // A cause that is known counts, unless the event says otherwise.
    check_severity(known, || chain(&refresh_error()), "warning");
    check_severity(known, || error!(error = &refused() as &dyn Error, severity = "critical", "m"), "critical");
    let event = one_with(known, || chain(&refused()));
    assert_eq!(event["error"][0]["kind"], "Error");
    // The name tells issues apart.
    let ours = one(|| chain(&VenueClosed("X")));
    let named = one_with(known, || chain(&VenueClosed("X")));
    assert_ne!(ours["fingerprint"], named["fingerprint"]);
    let later = |builder: Builder| known(builder).error_type(ErrorType::of::<VenueClosed>().named("Later"));
    assert_eq!(one_with(later, || chain(&VenueClosed("X")))["error"][0]["kind"], "Later");
}

#[test]
fn the_filter_leaves_out_by_callsite() {
    let (events, stats) = captured_with(
        |builder| builder.filter(|metadata| metadata.target() != "noise" && metadata.fields().field("skip").is_none()),
        || {
            error!(target: "noise", "left out");
            error!(skip = true, "left out");
            error!("kept");
        },
    );
    assert_eq!((stats.seen, events.len()), (1, 1));
    assert_eq!(events[0]["title"], "kept");
}

#[test]
fn before_send_edits() {
    let edit = |event: &mut IssueEvent| {
        event.title = format!("[feed] {}", event.title);
        event.severity = Severity::Critical;
        event.tags.push("team:feed".to_owned());
        event.context.insert("added".to_owned(), json!({"password": "hunter2-added", "n": 1}));
        true
    };
    let event = one_with(|builder| builder.before_send(edit), || error!("m"));
    assert_eq!((&event["title"], &event["severity"]), (&json!("[feed] m"), &json!("critical")));
    assert_eq!(event["tags"][1], "team:feed");
    assert_eq!(event["context"]["added"], json!({"password": "[redacted]", "n": 1}));
}

#[test]
fn before_send_drops_and_that_is_counted() {
    let (events, stats) = captured_with(
        |builder| builder.before_send(|event| !event.title.contains("noise")),
        || {
            for number in 0..10 {
                error!("noise {number}");
            }
            error!("kept");
        },
    );
    assert_eq!((stats.seen, stats.delivered, stats.dropped.filtered), (11, 1, 10));
    assert_eq!(events[0]["title"], "kept");
}

#[test]
fn before_send_cannot_touch_identity_and_counts() {
    let untouched = one(|| error!(fingerprint = "f", "m"));
    let edit = |event: &mut IssueEvent| {
        let other = IssueEvent::new("other", jiff::Timestamp::UNIX_EPOCH);
        let occurrences = event.occurrences;
        *event = IssueEvent { fingerprint: None, issue_id: None, occurrences: occurrences + 99, ..other };
        true
    };
    let event = one_with(|builder| builder.before_send(edit), || error!(fingerprint = "f", "m"));
    assert_eq!(event["title"], "other");
    for name in ["fingerprint", "issue_id", "occurrences"] {
        assert_eq!(event[name], untouched[name], "{name}");
    }
    assert!(event["first_at"].as_str().unwrap() > "2000", "{event:#}");
}

#[test]
fn before_send_that_panics_loses_nothing() {
    let edit = |event: &mut IssueEvent| {
        event.title = "half".to_owned();
        panic!("a bug in the hook")
    };
    let event = one_with(|builder| builder.before_send(edit), || error!("m"));
    assert_eq!(event["title"], "m");
}

#[test]
fn who_reported() {
    let set = |builder: Builder| builder.project("alpha").environment("production").release("2.0");
    let event = one_with(set, || {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let work = move || tracing::dispatcher::with_default(&dispatch, || error!("m"));
        thread::Builder::new().name("feed-7".to_owned()).spawn(work).unwrap().join().unwrap();
    });
    let expected = json!({
        "project": "alpha", "service": "newsfeed", "environment": "production", "release": "2.0", "thread": "feed-7",
        "reporter_id": "newsfeed-service", "source": "service", "type": "bug", "op": "occurrence", "v": 1,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&event[name], value, "{name}");
    }
    assert_eq!(event["pid"], std::process::id());
    assert!(!event["host"].as_str().unwrap().is_empty());
    let other = one_with(|builder| builder.project("beta"), || error!("m"));
    assert_ne!(event["fingerprint"], other["fingerprint"]);
    assert!(event["fingerprint"].as_str().unwrap().parse::<Fingerprint>().is_ok());
}

#[test]
fn a_thread_without_a_name_has_none() {
    let event = one(|| {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        thread::scope(|scope| {
            scope.spawn(|| tracing::dispatcher::with_default(&dispatch, || error!("m")));
        });
    });
    assert_eq!(event["thread"], Value::Null);
}
