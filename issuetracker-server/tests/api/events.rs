//! Ingestion over HTTP: each line of a batch has its own answer, and what was acknowledged stays.

use super::*;

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
