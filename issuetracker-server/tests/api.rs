//! The HTTP API as programs see it: the real server in a process of its own, with the store of its own that it has by
//! default. Kafka as the road behind the same API is in `kafka.rs`; pages are tested in a browser.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

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

// --- Ingestion --------------------------------------------------------------------------------------------------------

#[test]
fn each_event_of_a_batch_has_its_own_answer() {
    let place = Place::new();
    let server = place.start(&[]);
    let (first, second) = (with(event("feed stalled"), &json!({"occurrences": 41})), event("feed stalled"));
    let lines = [
        first.to_string(),
        "{not json".to_owned(),
        String::new(),
        r#"["an", "array"]"#.to_owned(),
        r#"{"description": " ", "service": "newsfeed"}"#.to_owned(),
        r#"{"title": "", "op": "comment", "description": "on what?"}"#.to_owned(),
        r#"{"title": "hm", "op": "comment", "issue_id": "01a2b3c4d5e6f789"}"#.to_owned(),
        second.to_string(),
    ];
    let answer = server.post("/api/v1/events", lines.join("\r\n")).expect(200).json();
    let results = answer["results"].as_array().unwrap();
    let codes: Vec<_> = results.iter().map(|result| (&result["status"], &result["code"])).collect();
    assert_eq!(
        json!(codes),
        json!([
            ["accepted", null],
            ["invalid", "not_json"],
            ["invalid", "not_an_object"],
            ["invalid", "no_title"],
            ["invalid", "no_issue"],
            ["invalid", "no_issue"],
            ["accepted", null],
        ])
    );
    for (result, reason) in results[1..6].iter().zip(["JSON", "object", "title", "issue_id", "issue"]) {
        assert!(result["reason"].as_str().unwrap().contains(reason), "{result} does not name {reason}");
    }
    assert_eq!((&results[0]["event_id"], &results[6]["event_id"]), (&first["event_id"], &second["event_id"]));
    assert_eq!(results[0]["issue_id"], results[6]["issue_id"]);

    let issues = server.issues("");
    assert_eq!(titles(&issues), ["feed stalled"]);
    assert_eq!((&issues[0]["id"], &issues[0]["occurrences"]), (&results[0]["issue_id"], &json!(42)));
}

#[test]
fn the_same_event_again_is_a_duplicate_and_changes_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    let events = [with(event("feed stalled"), &json!({"occurrences": 3})), event("quote refused")];
    let first = server.ingest(&events);
    let before = server.issues("");
    // Again, together with a new one, and with itself within one batch.
    let new = event("feed stalled");
    let results = server.ingest(&[events[0].clone(), events[1].clone(), new.clone(), new]);
    let statuses: Vec<_> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["duplicate", "duplicate", "accepted", "duplicate"]);
    assert_eq!(results[0]["issue_id"], first[0]["issue_id"]);

    let after = server.issues("");
    let find = |issues: &[Value], title: &str| issues.iter().find(|issue| issue["title"] == title).unwrap().clone();
    assert_eq!(find(&after, "quote refused"), find(&before, "quote refused"));
    assert_eq!(find(&before, "feed stalled")["occurrences"], 3);
    assert_eq!(find(&after, "feed stalled")["occurrences"], 4);
}

#[test]
fn a_batch_has_bounds() {
    let place = Place::new();
    let server = place.start(&[]);
    server.post("/api/v1/events", " \n\n").problem(400, "no_events");
    server.post("/api/v1/events", "{}\n".repeat(1_001)).problem(400, "too_many_events");
    let line = format!("{}\n", json!({"title": "same", "service": "newsfeed"}));
    let answer = server.post("/api/v1/events", line.repeat(1_000)).expect(200).json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1_000);
    // One object over several lines is one event.
    let pretty = serde_json::to_string_pretty(&event("pretty")).unwrap();
    assert_eq!(server.post("/api/v1/events", pretty).expect(200).json()["results"][0]["status"], "accepted");
    let counts: Vec<_> = server.issues("sort=occurrences").iter().map(|issue| issue["occurrences"].clone()).collect();
    assert_eq!(counts, [1_000, 1]);
}

#[test]
fn events_of_the_original_format_become_the_issues_of_the_golden_file() {
    let place = Place::new();
    let server = place.start(&[]);
    let results = server.post("/api/v1/events", FOREIGN_EVENTS).expect(200).json()["results"].clone();
    let ids: Vec<_> = results.as_array().unwrap().iter().map(|result| result["issue_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), foreign_issues().len());
    for (number, id) in ids.iter().enumerate() {
        check_foreign_issue(&server, number, id);
    }
    assert_eq!(server.issues("").len(), 7);
    // Only repairs are counted as such: the one line that has fields nobody can use.
    for field in ["type", "priority", "severity", "source", "created_at", "tags"] {
        let label = format!("field=\"{field}\"");
        assert_eq!(server.metric("issuetracker_ingest_repairs_total", &[&label]), 1.0, "{field}");
    }
    assert_eq!(server.metric("issuetracker_ingest_repairs_total", &[]), 6.0);
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_sending_again_counts_nothing_twice() {
    const BATCHES: usize = 40;
    let place = Place::new();
    let server = place.start(&[]);
    let batches: Vec<Vec<Value>> =
        (0..BATCHES).map(|batch| (0..50).map(|n| event(KINDS[(batch + n) % KINDS.len()])).collect()).collect();
    let body = |events: &[Value]| events.iter().map(|event| format!("{event}\n")).collect::<String>();
    let acknowledged = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (server, acknowledged, batches) = (&server, &acknowledged, &batches);
        scope.spawn(move || {
            for events in batches {
                match server.try_ask("POST", "/api/v1/events", &[], body(events)) {
                    Ok(answer) => assert_eq!(answer.status, 200, "{}", answer.text()),
                    Err(_) => return,
                }
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
        });
        wait_until("the first batches are acknowledged", || {
            let count = acknowledged.load(Ordering::SeqCst);
            if count >= 5 { Ok(()) } else { Err(format!("{count} are")) }
        });
        server.kill();
    });
    let acknowledged = acknowledged.into_inner();
    assert!(acknowledged < BATCHES, "all was acknowledged before the kill, so nothing was tested");
    drop(server);

    let server = place.start(&[]);
    for events in &batches[..acknowledged] {
        for result in server.ingest(events) {
            assert_eq!(result["status"], "duplicate", "it was acknowledged and is lost: {result}");
        }
    }
    for events in &batches[acknowledged..] {
        server.ingest(events);
    }
    let mut counts: Vec<_> =
        server.issues("").iter().map(|issue| (issue["title"].clone(), issue["occurrences"].clone())).collect();
    counts.sort_by_key(|(title, _)| title.to_string());
    let mut expected = KINDS.map(|title| {
        let count = batches.iter().flatten().filter(|event| event["title"] == title).count();
        (json!(title), json!(count))
    });
    expected.sort_by_key(|(title, _)| title.to_string());
    assert_eq!(counts, expected);
}

const KINDS: [&str; 7] = [
    "feed stalled",
    "quote refused",
    "order book diverged",
    "ledger out of balance",
    "margin call failed",
    "session expired",
    "archive unreadable",
];

// --- New issues -------------------------------------------------------------------------------------------------------

#[test]
fn a_new_issue_has_its_final_id_at_once() {
    let place = Place::new();
    let server = place.start(&[]);
    let new = json!({
        "title": "  Prices are stale\nafter a restart ", "description": "Since **Monday**.", "type": "feature",
        "priority": "high", "severity": "warning", "reporter_id": "ops-service", "assignee_id": "ada",
        "tags": ["team:data", "ui", "ui"], "component": "pricing", "service": "quotes", "source": "cli",
        "context": {"ticket": 17},
    });
    let answer = server.post("/api/v1/issues", new.to_string()).expect(202);
    let accepted = answer.json();
    let id = accepted["id"].as_str().unwrap();
    assert_eq!(accepted["url"], format!("/issues/{id}"));
    let address = format!("/api/v1/issues/{id}");
    assert_eq!(answer.header("location"), Some(&*address));

    let issue = server.get(&address).expect(200).json();
    let expected = json!({
        "id": id, "title": "Prices are stale after a restart", "description": "Since **Monday**.", "type": "feature",
        "priority": "high", "severity": "warning", "status": "open", "reporter_id": "ops-service",
        "assignee_id": "ada", "tags": ["team:data", "ui"], "component": "pricing", "service": "quotes",
        "source": "cli", "occurrences": 0, "fingerprint": null,
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&issue[name], value, "{name}");
    }
    // The same text again is another issue: people decide what is the same.
    let second = server.post("/api/v1/issues", new.to_string()).expect(202).json();
    assert_ne!(second["id"], accepted["id"]);

    let least = server.post("/api/v1/issues", r#"{"title": "Least"}"#).expect(202).json();
    let least = server.get(&format!("/api/v1/issues/{}", least["id"].as_str().unwrap())).expect(200).json();
    assert_eq!(
        [&least["type"], &least["priority"], &least["severity"], &least["source"], &least["reporter_id"]],
        ["bug", "medium", "error", "api", "local-admin"]
    );
    server.get(&format!("/issues/{id}")).expect(200);
}

#[test]
fn each_wrong_field_of_a_new_issue_is_named() {
    let place = Place::new();
    let server = place.start(&[]);
    let long = "x".repeat(301);
    let huge = "x".repeat(64 * 1024 + 1);
    let wrong = [
        ("title", json!(7)),
        ("title", json!(" \n")),
        ("title", json!(null)),
        ("title", json!(long)),
        ("description", json!(["a"])),
        ("description", json!(huge)),
        ("type", json!("epic")),
        ("priority", json!("urgent")),
        ("severity", json!(3)),
        ("reporter_id", json!(7)),
        ("assignee_id", json!(["ada"])),
        ("tags", json!("a,b")),
        ("tags", json!(["a", 1])),
        ("component", json!({})),
        ("service", json!(true)),
        ("context", json!("text")),
        ("source", json!("moon")),
    ];
    for (field, value) in &wrong {
        let new = with(json!({"title": "T"}), &json!({(*field): value}));
        let answer = server.post("/api/v1/issues", new.to_string());
        let message = answer.problem(400, "invalid_field");
        assert!(message.starts_with(&format!("{field}: ")), "{field} = {value:.40}: {message}");
        assert_eq!(answer.json()["error"]["fields"][0]["field"], *field, "{field} = {value:.40}");
    }
    let both = server.post("/api/v1/issues", r#"{"title": "T", "type": "epic", "tags": 1}"#);
    let message = both.problem(400, "invalid_field");
    assert!(message.contains("type: ") && message.contains("tags: "), "all at once: {message}");

    server.post("/api/v1/issues", "{}").problem(400, "invalid_field");
    server.post("/api/v1/issues", "").problem(400, "not_json");
    server.post("/api/v1/issues", "[]").problem(400, "not_an_object");
    let broken = server.post("/api/v1/issues", "{\n\"title\": }").problem(400, "not_json");
    assert!(broken.contains("line 2"), "{broken}");
    assert_eq!(server.issues(""), [] as [Value; 0]);
}

// --- Lists ------------------------------------------------------------------------------------------------------------

#[test]
fn an_issue_has_every_field_of_the_contract() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(
        &server,
        with(event("feed stalled"), &json!({"component": "feed", "severity": "critical", "tags": ["a", "k:v"]})),
    );
    let page = server.get("/api/v1/issues").expect(200).json();
    assert_eq!(page.as_object().unwrap().keys().collect::<Vec<_>>(), ["issues", "next_cursor"]);
    assert_eq!(page["next_cursor"], Value::Null);
    let issue = &page["issues"][0];
    assert_eq!(*issue, server.get(&address).expect(200).json());

    let texts = ["id", "title", "description", "type", "priority", "status", "severity", "service", "component"];
    for name in texts.iter().chain(&["reporter_id", "fingerprint"]) {
        assert!(issue[name].is_string(), "{name}: {issue}");
    }
    assert_eq!(issue.get("assignee_id"), Some(&Value::Null));
    assert_eq!((&issue["tags"], &issue["occurrences"]), (&json!(["a", "k:v"]), &json!(1)));
    assert_eq!(issue["fingerprint"].as_str().unwrap().len(), 64);
    for name in ["first_seen", "last_seen", "created_at", "updated_at"] {
        let time = issue[name].as_str().unwrap();
        assert!(time.ends_with('Z') && time.parse::<jiff::Timestamp>().is_ok(), "{name}: {time}");
    }
}

/// Four issues, the last one seen first; times a minute apart.
fn list_of_four() -> (Place, Server) {
    let place = Place::new();
    let server = place.start(&[]);
    let fields = [
        json!({"title": "alpha stalled", "service": "feed", "environment": "test", "severity": "critical", "occurrences": 9}),
        json!({"title": "beta refused", "service": "feed", "component": "tcp", "priority": "high", "tags": ["net"], "occurrences": 2}),
        json!({"title": "gamma refused", "service": "book", "type": "task", "assignee_id": "ada", "occurrences": 5}),
        json!({"title": "delta: \"quoted\" C++ timeout_ms", "service": "my book", "description": "the needle"}),
    ];
    let events: Vec<Value> = fields
        .iter()
        .enumerate()
        .map(|(minute, fields)| {
            with(with(event(""), &json!({"created_at": format!("2026-01-05T10:0{minute}:00Z")})), fields)
        })
        .collect();
    server.ingest(&events);
    (place, server)
}

#[test]
fn a_list_filters_searches_and_sorts() {
    let (_place, server) = list_of_four();
    let beta = server.issues("q=beta")[0]["id"].as_str().unwrap().to_owned();
    server.patch(&format!("/api/v1/issues/{beta}"), &json!({"status": "resolved"})).expect(200);
    let all = ["delta", "gamma", "beta", "alpha"];
    let cases: [(&str, &[&str]); 27] = [
        ("", &all),
        ("status=all", &all),
        ("sort=first_seen", &all),
        ("sort=occurrences", &["alpha", "gamma", "beta", "delta"]),
        ("status=open", &["delta", "gamma", "alpha"]),
        ("status=resolved", &["beta"]),
        ("status=resolved,open", &all),
        ("status=closed", &[]),
        ("service=feed", &["beta", "alpha"]),
        ("service=my+book", &["delta"]),
        ("environment=test", &["alpha"]),
        ("component=tcp", &["beta"]),
        ("severity=critical", &["alpha"]),
        ("priority=high", &["beta"]),
        ("type=task", &["gamma"]),
        ("tag=net", &["beta"]),
        ("tag=ne", &[]),
        ("assignee=ada", &["gamma"]),
        ("assignee=none", &["delta", "beta", "alpha"]),
        ("assignee=me", &[]),
        ("service=feed&severity=error", &["beta"]),
        ("q=refused", &["gamma", "beta"]),
        ("q=REFUS+is:open", &["gamma"]),
        ("q=needle", &["delta"]),
        ("q=service:%22my+book%22", &["delta"]),
        ("q=%22alpha+stalled%22", &["alpha"]),
        // Nothing that a person types is an operator of the store.
        ("q=refused+NOT+beta", &[]),
    ];
    for (query, expected) in cases {
        let issues = server.issues(query);
        let first_words: Vec<_> = titles(&issues).iter().map(|title| title.split([' ', ':']).next().unwrap()).collect();
        assert_eq!(first_words, expected, "{query}");
    }
    for hostile in
        ["%27%29%3B--", "%22", "%22%22", "%2A", "C%2B%2B", "timeout_ms", "http://x", "a:", ":b", "%00", "(", "^"]
    {
        server.get(&format!("/api/v1/issues?q={hostile}")).expect(200);
    }
}

#[test]
fn pages_follow_each_other_without_gaps_or_repeats() {
    let (_place, server) = list_of_four();
    // Two issues that were last seen at the same instant.
    let same = json!({"created_at": "2026-01-05T09:00:00Z"});
    server.ingest(&[with(event("epsilon"), &same), with(event("zeta"), &same)]);
    for sort in ["last_seen", "first_seen", "occurrences"] {
        let whole = server.issues(&format!("sort={sort}&limit=100"));
        assert_eq!(whole.len(), 6);
        for limit in [1, 2, 5, 6] {
            assert_eq!(server.issues(&format!("sort={sort}&limit={limit}")), whole, "{sort} by {limit}");
        }
    }
    let page = server.get("/api/v1/issues?limit=2").expect(200).json();
    assert_eq!(page["issues"].as_array().unwrap().len(), 2);
    assert!(page["next_cursor"].is_string());
    // What arrives meanwhile does not move the place.
    let rest_before = server.get(&format!("/api/v1/issues?cursor={}", page["next_cursor"].as_str().unwrap()));
    server.ingest(&[event("brand new")]);
    let rest = server.get(&format!("/api/v1/issues?cursor={}", page["next_cursor"].as_str().unwrap()));
    assert_eq!(rest.expect(200).json(), rest_before.expect(200).json());
}

#[test]
fn what_a_list_cannot_do_is_refused_by_name() {
    let (_place, server) = list_of_four();
    let id = server.issues("q=beta")[0]["id"].as_str().unwrap().to_owned();
    let fields = [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "-1"),
        ("limit", "many"),
        ("cursor", "nonsense"),
        ("cursor", "%00"),
        ("status", "done"),
        ("status", "open,done"),
        ("severity", "fatal"),
        ("priority", "P1"),
        ("type", "epic"),
        ("sort", "name"),
        ("q", "is:done"),
        ("q", "severity:fatal"),
    ];
    for (field, value) in fields {
        let answer = server.get(&format!("/api/v1/issues?{field}={value}"));
        let message = answer.problem(400, "invalid_field");
        assert!(message.starts_with(&format!("{field}: ")), "{field}={value}: {message}");
    }
    for list in ["issues/recent", &format!("issues/{id}/comments"), &format!("issues/{id}/activities")] {
        for (field, value) in [("limit", "101"), ("cursor", "nonsense")] {
            let message = server.get(&format!("/api/v1/{list}?{field}={value}")).problem(400, "invalid_field");
            assert!(message.starts_with(&format!("{field}: ")), "{list}?{field}={value}: {message}");
        }
    }
}

#[test]
fn recent_means_the_newest_issues_not_the_latest_occurrences() {
    let (_place, server) = list_of_four();
    let again = json!({"title": "alpha stalled", "service": "feed", "environment": "test", "created_at": "2026-01-05T11:00:00Z"});
    server.ingest(&[with(event(""), &again)]);
    assert!(titles(&server.issues("limit=1"))[0].starts_with("alpha"));
    let page = server.get("/api/v1/issues/recent?limit=3").expect(200).json();
    let first: Vec<_> = page["issues"].as_array().unwrap().clone();
    assert_eq!(titles(&first).iter().map(|title| &title[..5]).collect::<Vec<_>>(), ["delta", "gamma", "beta "]);
    let cursor = page["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("/api/v1/issues/recent?limit=3&cursor={cursor}")).expect(200).json();
    assert_eq!(titles(rest["issues"].as_array().unwrap()), ["alpha stalled"]);
    assert_eq!(rest["next_cursor"], Value::Null);
}

// --- One issue --------------------------------------------------------------------------------------------------------

#[test]
fn a_person_changes_an_issue_and_no_occurrence_changes_it_back() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, with(event("feed stalled"), &json!({"priority": "low", "tags": ["from-event"]})));
    let change = json!({"status": "in-progress", "assignee_id": "ada", "priority": "critical", "tags": ["b", "a"]});
    let changed = server.patch(&address, &change).expect(200).json();
    assert_eq!(changed, server.get(&address).expect(200).json());
    for (name, value) in change.as_object().unwrap() {
        let expected = if name == "tags" { &json!(["a", "b"]) } else { value };
        assert_eq!(&changed[name], expected, "{name}");
    }

    server.ingest(&[with(event("feed stalled"), &json!({"priority": "low", "assignee_id": "bob", "tags": ["again"]}))]);
    let after = server.get(&address).expect(200).json();
    assert_eq!(after["occurrences"], 2);
    for name in change.as_object().unwrap().keys() {
        assert_eq!(after[name], changed[name], "{name}");
    }

    assert_eq!(server.patch(&address, &json!({"assignee_id": null})).expect(200).json()["assignee_id"], Value::Null);
    assert_eq!(server.patch(&address, &json!({"status": "resolved"})).expect(200).json()["status"], "resolved");
    // It comes back: later occurrences reopen it.
    server.ingest(&[event("feed stalled")]);
    assert_eq!(server.get(&address).expect(200).json()["status"], "open");

    let page = server.get(&format!("{address}/activities")).expect(200).json();
    let history: Vec<_> =
        page["activities"].as_array().unwrap().iter().map(|activity| activity["type"].as_str().unwrap()).collect();
    let count = |kind| history.iter().filter(|found| **found == kind).count();
    let expected = [
        ("status_changed", 2),
        ("assigned", 2),
        ("priority_changed", 1),
        ("tagged", 1),
        ("regressed", 1),
        ("created", 1),
    ];
    for (kind, times) in expected {
        assert_eq!(count(kind), times, "{kind} in {history:?}");
    }
    assert_eq!(history.len(), 8, "{history:?}");
    assert_eq!(history[0], "regressed", "newest first");
    let assigned =
        page["activities"].as_array().unwrap().iter().rfind(|activity| activity["type"] == "assigned").unwrap();
    assert_eq!((&assigned["details"], &assigned["user_id"]), (&json!({"to": "ada"}), &json!("local-admin")));
}

#[test]
fn a_wrong_change_changes_nothing() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, event("feed stalled"));
    let before = server.get(&address).expect(200).json();
    for (field, value) in [
        ("status", json!("done")),
        ("status", json!(1)),
        ("priority", json!("P1")),
        ("assignee_id", json!(7)),
        ("tags", json!("a")),
    ] {
        let change = with(json!({"status": "resolved"}), &json!({field: value}));
        let message = server.patch(&address, &change).problem(400, "invalid_field");
        assert!(message.starts_with(&format!("{field}: ")), "{message}");
    }
    for field in ["title", "occurrences", "assignee"] {
        let change = json!({"status": "resolved", field: "x"});
        let message = server.patch(&address, &change).problem(400, "unknown_field");
        assert!(message.contains(&format!("`{field}`")), "{message}");
    }
    assert_eq!(server.get(&address).expect(200).json(), before);
    server.patch(MISSING, &json!({"status": "resolved"})).problem(404, "not_found");
}

#[test]
fn an_entity_tag_guards_against_lost_changes_and_saves_reading_again() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, event("feed stalled"));
    let old = server.get(&address).expect(200).header("etag").unwrap().to_owned();
    let unchanged = server.ask("GET", &address, &[("if-none-match", &old)], "").expect(304);
    assert_eq!((unchanged.header("etag"), unchanged.text()), (Some(&*old), String::new()));

    let change = |tag: &str, status: &str| {
        server.ask("PATCH", &address, &[("if-match", tag)], json!({"status": status}).to_string())
    };
    let changed = change(&old, "in-progress").expect(200);
    let new = changed.header("etag").unwrap().to_owned();
    assert_ne!(new, old);
    change(&old, "closed").problem(412, "conflict");
    assert_eq!(server.get(&address).expect(200).json()["status"], "in-progress");
    server.ask("GET", &address, &[("if-none-match", &old)], "").expect(200);
    server.ask("GET", &address, &[("if-none-match", &new)], "").expect(304);
    change("*", "closed").expect(200);
    change("nonsense", "open").problem(400, "invalid_if_match");

    // An occurrence is news for who reads, and no conflict for who changes: a busy issue could never be changed.
    change("*", "open").expect(200);
    let tag = server.get(&address).header("etag").unwrap().to_owned();
    server.ingest(&[event("feed stalled")]);
    server.ask("GET", &address, &[("if-none-match", &tag)], "").expect(200);
    change(&tag, "in-progress").expect(200);
}

#[test]
fn comments_are_written_and_read_in_order() {
    let place = Place::new();
    let server = place.start(&[]);
    let address = issue_of(&server, with(event("feed stalled"), &json!({"created_at": "2026-01-05T10:00:00Z"})));
    let comments = format!("{address}/comments");
    let first = server.post(&comments, r#"{"content": "First.\n<b>not bold</b>"}"#).expect(201).json();
    assert_eq!((&first["content"], &first["author_id"]), (&json!("First.\n<b>not bold</b>"), &json!("local-admin")));
    let second = server.post(&comments, r#"{"content": "Second."}"#).expect(201).json();

    let page = server.get(&comments).expect(200).json();
    let listed = page["comments"].as_array().unwrap();
    // The reporter's own comment of the day, which counts, then people's.
    assert_eq!(listed[0]["author_id"], "newsfeed-service");
    assert!(listed[0]["content"].as_str().unwrap().contains("once"), "{}", listed[0]);
    assert_eq!(listed[1..], [first, second]);
    let one = server.get(&format!("{comments}?limit=1")).expect(200).json();
    let cursor = one["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{comments}?cursor={cursor}")).expect(200).json();
    assert_eq!(rest["comments"].as_array().unwrap()[..], listed[1..]);

    for (body, code) in [
        (r#"{"content": " "}"#, "invalid_field"),
        ("{}", "invalid_field"),
        (r#"{"content": 7}"#, "invalid_field"),
        (r#"{"content": "x", "author_id": "somebody else"}"#, "unknown_field"),
        ("content", "not_json"),
    ] {
        server.post(&comments, body).problem(400, code);
    }
    server.post(&format!("{MISSING}/comments"), r#"{"content": "x"}"#).problem(404, "not_found");
    assert_eq!(server.get(&comments).expect(200).json(), page);
    // What people wrote, without what the server counts.
    assert_eq!(server.get(&address).expect(200).json()["comments"], 2);

    // Services comment by an event; sent twice, it is one comment.
    let id = address.rsplit('/').next().unwrap();
    let comment = with(event("Seen it too."), &json!({"op": "comment", "issue_id": id}));
    let results = [&comment; 2].map(|comment| server.ingest(std::slice::from_ref(comment))[0]["status"].clone());
    assert_eq!(results, ["accepted", "duplicate"]);
    let listed = server.get(&comments).expect(200).json()["comments"].clone();
    let by_service =
        |comment: &&Value| comment["content"] == "Seen it too." && comment["author_id"] == "newsfeed-service";
    assert_eq!(listed.as_array().unwrap().iter().filter(by_service).count(), 1, "{listed:#}");
    assert_eq!(server.get(&address).expect(200).json()["occurrences"], 1);
}

#[test]
fn occurrences_keep_what_helps_to_solve_the_problem() {
    let place = Place::new();
    let server = place.start(&[]);
    let details = json!({
        "error": [{"kind": "RefreshError", "message": "refresh failed"}, {"kind": "io::Error", "message": "refused"}],
        "spans": [{"name": "poll", "target": "feed", "fields": {"round": 7}}],
        "context": {"attempt": 3, "nested": {"deep": [1, 2]}}, "location": {"module": "m", "file": "f.rs", "line": 4},
        "host": "h", "pid": 9, "thread": "main", "release": "1.2.3", "environment": "test", "occurrences": 5,
        "breadcrumbs": [{"at": "2026-01-05T09:59:59Z", "level": "INFO", "message": "polling"}],
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "dropped_before": {"queue_full": 2},
    });
    let times = |minute| json!({"created_at": format!("2026-01-05T10:0{minute}:00Z")});
    let old = with(with(event("feed stalled"), &details), &times(1));
    let new = with(with(event("feed stalled"), &details), &times(2));
    let address = issue_of(&server, new.clone());
    issue_of(&server, old.clone());

    let page = server.get(&format!("{address}/occurrences")).expect(200).json();
    let found = page["occurrences"].as_array().unwrap();
    let ids: Vec<_> = found.iter().map(|occurrence| &occurrence["id"]).collect();
    assert_eq!(ids, [&new["event_id"], &old["event_id"]], "newest first, by their own time");
    assert!(found.iter().all(|occurrence| occurrence["type"] == "occurrence"));
    for (name, value) in details.as_object().unwrap() {
        assert_eq!(&found[0]["details"][name], value, "{name}");
    }
    let one = server.get(&format!("{address}/occurrences?limit=1")).expect(200).json();
    let cursor = one["next_cursor"].as_str().unwrap();
    let rest = server.get(&format!("{address}/occurrences?limit=1&cursor={cursor}")).expect(200).json();
    assert_eq!(rest["occurrences"], json!([found[1]]));
    assert_eq!(rest["next_cursor"], Value::Null);
    let issue = server.get(&address).expect(200).json();
    assert_eq!((&issue["occurrences"], &issue["first_seen"]), (&json!(10), &json!("2026-01-05T10:01:00Z")));
    assert_eq!(server.metric("issuetracker_publisher_dropped_total", &["service=\"newsfeed\"", "queue_full"]), 4.0);
}

// --- No ---------------------------------------------------------------------------------------------------------------

#[test]
fn what_is_not_there_is_a_404_in_json() {
    let place = Place::new();
    let server = place.start(&[]);
    let ids = [
        "01a2b3c4d5e6f789",
        "x",
        "%00",
        "..%2F..%2Fetc%2Fpasswd",
        "a%2Fb",
        "__x__",
        "%27%20OR%201=1",
        "%F0%9F%9A%A8",
        &"a".repeat(2_000),
    ];
    for id in ids {
        let message = server.get(&format!("/api/v1/issues/{id}")).problem(404, "not_found");
        assert!(message.contains("issue"), "{id}: {message}");
        for list in ["comments", "activities", "occurrences"] {
            server.get(&format!("/api/v1/issues/{id}/{list}")).problem(404, "not_found");
        }
        server.patch(&format!("/api/v1/issues/{id}"), &json!({"status": "open"})).problem(404, "not_found");
        server.post(&format!("/api/v1/issues/{id}/comments"), r#"{"content": "x"}"#).problem(404, "not_found");
    }
    for path in ["/api/v1/nothing", "/api/v1", "/api/v2/issues", "/api/"] {
        server.get(path).problem(404, "not_found");
    }
    for path in ["/nothing", "/issues/01a2b3c4d5e6f789", "/issues/%00", "/assets/..%2Fapp.css", "/assets/app.css"] {
        let page = server.get(path).expect(404);
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(page.text().contains(page.header("x-request-id").unwrap()), "{path} does not name its request");
    }
}

#[test]
fn a_wrong_method_and_a_body_that_is_too_large_are_refused() {
    let place = Place::new();
    let server = place.start(&[]);
    for (method, path) in
        [("DELETE", "/api/v1/issues"), ("PUT", MISSING), ("POST", "/api/v1/issues/recent"), ("GET", "/api/v1/events")]
    {
        let answer = server.ask(method, path, &[], "");
        answer.problem(405, "method_not_allowed");
        assert!(answer.header("allow").is_some_and(|allowed| !allowed.contains(method)), "{method} {path}");
    }
    let large = |bytes| json!({"title": "T", "context": {"text": "x".repeat(bytes)}}).to_string();
    server.post("/api/v1/issues", large(600 * 1024)).problem(413, "too_large");
    server.post("/api/v1/issues", large(500 * 1024)).expect(202);
    // A batch of events has more room than anything else.
    server.post("/api/v1/events", large(600 * 1024)).expect(200);
    server.post("/api/v1/events", format!("{}\n", large(900 * 1024)).repeat(10)).problem(413, "too_large");
    let too_large = server.post("/api/v1/events", large(1024 * 1024)).expect(200).json();
    assert_eq!(too_large["results"][0]["code"], "too_large");
}

// --- Operations -------------------------------------------------------------------------------------------------------

#[test]
fn operators_see_that_it_lives_is_ready_and_what_it_counted() {
    let place = Place::new();
    let server = place.start(&[]);
    assert_eq!(server.get("/healthz").expect(200).text(), "ok\n");
    let ready = server.get("/readyz").expect(200).json();
    assert_eq!(ready, json!({"status": "ready", "checks": {"store": {"ok": true}}}));

    let repeated = with(event("feed stalled"), &json!({"occurrences": 7}));
    let body = format!("{repeated}\n{repeated}\nnot json\n{}", event("quote refused"));
    server.post("/api/v1/events", body).expect(200);
    let records = |result: &str| {
        server.metric("issuetracker_ingest_records_total", &["road=\"http\"", &format!("result=\"{result}\"")])
    };
    assert_eq!((records("stored"), records("duplicate"), records("invalid")), (2.0, 1.0, 1.0));
    assert_eq!(server.metric("issuetracker_occurrences_total", &[]), 8.0);
    assert_eq!(server.metric("issuetracker_issues_created_total", &[]), 2.0);
    let route = ["route=\"/api/v1/events\"", "method=\"POST\"", "status=\"200\""];
    assert_eq!(server.metric("issuetracker_http_request_seconds_count", &route), 1.0);
    // The address that somebody made up is no label: labels are bounded.
    server.get("/made-up/by-a-scanner").expect(404);
    assert!(!server.get("/metrics").text().contains("made-up"));
}

#[test]
fn live_updates_name_the_issues_that_changed() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut lines = BufReader::new(server.open("GET", "/api/v1/stream", &[], "").unwrap()).lines();
    let head: Vec<String> = lines.by_ref().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
    assert!(head[0].contains(" 200 ") && head.contains(&"content-type: text/event-stream".to_owned()), "{head:?}");
    let mut next = || {
        let name = lines.find_map(|line| line.unwrap().strip_prefix("event: ").map(str::to_owned)).unwrap();
        let data = lines.next().unwrap().unwrap();
        (name, serde_json::from_str::<Value>(data.strip_prefix("data: ").unwrap()).unwrap())
    };

    let results = server.ingest(&[event("feed stalled"), event("quote refused"), event("feed stalled")]);
    let (feed, quote) = (&results[0]["issue_id"], &results[1]["issue_id"]);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [feed, quote], "created": [feed, quote]})));
    server.ingest(&[event("feed stalled")]);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [feed], "created": []})));
    let address = format!("/api/v1/issues/{}", quote.as_str().unwrap());
    server.patch(&address, &json!({"status": "closed"})).expect(200);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [quote], "created": []})));
    server.post(&format!("{address}/comments"), r#"{"content": "why"}"#).expect(201);
    assert_eq!(next(), ("issues".to_owned(), json!({"ids": [quote], "created": []})));

    // A stop does not wait for listeners: their streams end.
    let ended = server.terminate();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    assert!(ended.took < Duration::from_secs(5), "the stop took {:?}", ended.took);
    assert!(ended.log.contains("stopped"), "{}", ended.log);
    assert!(lines.all(|line| !line.unwrap().starts_with("event")), "news after the stop");
}

#[test]
fn nobody_but_this_machine_and_no_foreign_page_is_served() {
    let place = Place::new();
    let server = place.start(&[]);
    let new = r#"{"title": "T"}"#;
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8080"] {
        server.ask("GET", "/api/v1/issues", &[("host", host)], "").problem(421, "foreign_host");
        server.ask("POST", "/api/v1/issues", &[("host", host)], new).problem(421, "foreign_host");
        server.ask("GET", "/", &[("host", host)], "").expect(421);
    }
    for origin in ["http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1"] {
        for path in ["/api/v1/issues", "/api/v1/events"] {
            server.ask("POST", path, &[("origin", origin)], new).problem(403, "foreign_origin");
        }
        server.ask("POST", "/issues", &[("origin", origin)], "title=T").expect(403);
    }
    server.ask("PATCH", MISSING, &[("sec-fetch-site", "cross-site")], "{}").problem(403, "foreign_origin");
    assert_eq!(server.issues(""), [] as [Value; 0]);
    let own = format!("http://{}", server.address);
    server.ask("POST", "/api/v1/issues", &[("origin", &own)], new).expect(202);
    server.ask("GET", "/api/v1/issues", &[("host", "localhost:8080")], "").expect(200);
}

#[test]
fn every_answer_has_the_security_headers() {
    #[track_caller]
    fn check(answer: &Answer, what: &str) {
        let policy = answer.header("content-security-policy").unwrap_or_default();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{what}: {rule} is not in {policy:?}");
        }
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{what}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{what}");
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"), "{what}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
        assert!(answer.header("x-request-id").is_some(), "{what}");
    }
    let place = Place::new();
    let server = place.start(&[]);
    let page = server.get("/issues").expect(200).text();
    let asset = |extension: &str| {
        let end = page.find(&format!(".{extension}\"")).unwrap() + extension.len() + 1;
        page[page[..end].rfind('"').unwrap() + 1..end].to_owned()
    };
    for path in [asset("css"), asset("js"), "/favicon.ico".to_owned()] {
        let answer = server.get(&path).expect(200);
        check(&answer, &path);
        assert!(answer.header("cache-control").unwrap().starts_with("public, max-age="), "{path}");
    }
    for path in ["/", "/issues/new", "/api/v1/issues", "/healthz", "/readyz", "/metrics", "/nothing", "/api/v1/nothing"]
    {
        let answer = server.get(path);
        check(&answer, path);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
    }
    check(&server.ask("GET", "/", &[("host", "evil.example")], "").expect(421), "a foreign host");
    check(&server.ask("POST", "/api/v1/issues", &[("origin", "null")], "{}").expect(403), "a foreign origin");
    check(&server.post("/api/v1/issues", "x").expect(400), "a bad request");
    check(&server.ask("DELETE", "/issues", &[], "").expect(405), "a wrong method");
    check(&server.post("/api/v1/issues", "x".repeat(600 * 1024)).expect(413), "a large body");
}

// --- The process ------------------------------------------------------------------------------------------------------

#[test]
fn a_port_that_is_taken_is_named() {
    let place = Place::new();
    let server = place.start(&[]);
    let second = Place::new().run(&[("ISSUETRACKER_HTTP_ADDR", &server.address)], &[]);
    let said = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("ISSUETRACKER_HTTP_ADDR: {}", server.address)), "{said}");
    server.get("/healthz").expect(200);
}

#[test]
fn a_store_that_cannot_be_used_is_named() {
    for (path, make) in [("nowhere/issues.sqlite", false), ("text.sqlite", true)] {
        let place = Place::new();
        let path = place.path().join(path);
        if make {
            std::fs::write(&path, "this is no database, but somebody's text of more than sixteen bytes").unwrap();
        }
        let output = place.run(&[("ISSUETRACKER_STORE_PATH", path.to_str().unwrap())], &[]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("ISSUETRACKER_STORE_PATH: ") && said.contains(path.to_str().unwrap()), "{said}");
    }
}

#[test]
fn servers_that_start_at_once_share_a_new_store() {
    for _ in 0..3 {
        let place = Place::new();
        let servers: Vec<Server> = thread::scope(|scope| {
            let starting: Vec<_> = (0..6).map(|_| scope.spawn(|| place.start(&[]))).collect();
            starting.into_iter().map(|starting| starting.join().unwrap()).collect()
        });
        // All write to one issue at the same time; nobody is refused, nothing is lost.
        thread::scope(|scope| {
            for server in &servers {
                scope.spawn(|| {
                    for _ in 0..20 {
                        assert_eq!(server.ingest(&[event("feed stalled")])[0]["status"], "accepted");
                    }
                });
            }
        });
        assert!(servers.iter().all(|server| server.issues("")[0]["occurrences"] == 120));
    }
}

#[test]
fn the_configuration_is_checked_without_starting() {
    let place = Place::new();
    let good = place.run(&[], &["--check-config"]);
    let said = String::from_utf8_lossy(&good.stdout);
    assert!(good.status.success(), "{said}{}", String::from_utf8_lossy(&good.stderr));
    assert!(said.contains("store: embedded") && said.contains("issues.sqlite"), "{said}");
    assert!(!Path::exists(&place.path().join("issues.sqlite")), "checking made a store");

    let bad = [
        ("ISSUETRACKER_HTTP_ADDR", "0.0.0.0:8080"),
        ("ISSUETRACKER_STORE", "mongo"),
        ("ISSUETRACKER_LOG_FORMAT", "xml"),
        ("ISSUETRACKER_KAFKA_PARTITIONS", "none"),
        ("ISSUETRACKER_KAFKA_BROKER", "typo:9092"),
    ];
    for arguments in [&["--check-config"][..], &[]] {
        let output = place.run(&bad, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        for (name, _) in bad {
            assert!(said.contains(&format!("{name}: ")), "{name} is not in:\n{said}");
        }
        assert!(said.contains("did you mean ISSUETRACKER_KAFKA_BROKERS?"), "{said}");
    }
}
