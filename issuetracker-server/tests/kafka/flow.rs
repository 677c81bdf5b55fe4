//! The way of an event from whoever publishes it to its issue, while nothing goes wrong. What may go wrong has files of its
//! own.

use crate::*;

#[test]
fn two_servers_make_one_issue_of_every_error_with_the_exact_count() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("storm"));
    let first = kafka.start(&place);
    let metadata = topics::partitions_of(&kafka);
    assert_eq!(
        metadata,
        [(kafka.name.clone(), 6), (kafka.dlq.clone(), 1)].into(),
        "the topics as the server makes them"
    );
    let second = kafka.start(&place);
    wait_until("both have partitions", || {
        let log = first.log();
        if log.matches("partitions assigned").count() >= 2 { Ok(()) } else { Err(log) }
    });

    let counters = kafka.storm(&service, 6_000, 60);
    assert_eq!(counters["delivered"], 6_000, "{counters}");
    let records = kafka.records();
    assert_eq!(counters["published"].as_f64(), Some(records), "{counters}");

    for server in [&first, &second] {
        wait_until("all is counted", || equal(&total(server, &service), &6_000));
        let counts = counts(server, &service);
        assert_eq!(counts.len(), 60, "{counts:#?}");
        assert!(counts.values().all(|count| *count == 100), "{counts:#?}");
    }
    kafka.wait_until_committed(&kafka.group);
    let stored = [consumed(&first, "stored"), consumed(&second, "stored")];
    assert!(stored[0] > 0.0 && stored[1] > 0.0, "one of the two did nothing: {stored:?}");
    assert_eq!(stored[0] + stored[1], records, "{stored:?}");
    assert_eq!(consumed(&first, "duplicate") + consumed(&second, "duplicate"), 0.0);

    // More than one batch for each, of the same issues: they write at the same time.
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    for partition in 0..PARTITIONS {
        kafka.produce(Some(partition), vec![event.as_bytes(); 1_500]);
    }
    wait_until("all is counted", || equal(&total(&first, &service), &15_000));
    assert_eq!(counts(&second, &service)["the feed is down"], 9_000);
    let failed = [&first, &second].map(|server| server.metric("issuetracker_store_errors_total", &[]));
    assert_eq!(failed, [0.0, 0.0], "two processes must be able to share the store without refusing each other");
}

#[test]
fn foreign_producers_need_no_key_and_no_id() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place);
    kafka.produce(None, FOREIGN_EVENTS.lines().map(str::as_bytes));
    let issues = wait_until("all are issues", || {
        let issues = server.issues("");
        let total: u64 = issues.iter().map(|issue| issue["occurrences"].as_u64().unwrap()).sum();
        equal(&total, &8).map(|()| issues)
    });
    for (number, line) in foreign_issues().into_iter().enumerate() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let same = |issue: &&Value| issue["title"] == expected["issue"]["title"];
        let found: Vec<&Value> = issues.iter().filter(same).collect();
        assert_eq!(found.len(), 1, "line {}: {found:#?}", number + 1);
        check_foreign_issue(&server, number, found[0]["id"].as_str().unwrap());
    }
    assert_eq!(server.metric("issuetracker_dead_letters_total", &[]), 0.0);
}

#[test]
fn what_http_accepts_travels_through_the_topic_under_its_final_id() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("http"));
    let server = kafka.start(&place);
    let new = json!({"title": "Prices are stale", "service": service, "type": "task"});
    let accepted = server.post("/api/v1/issues", new.to_string()).expect(202).json();
    let id = accepted["id"].as_str().unwrap();
    let issue = wait_until("the issue appears under its id", || {
        let answer = server.get(&format!("/api/v1/issues/{id}"));
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    });
    assert_eq!(
        (&issue["title"], &issue["type"], &issue["occurrences"]),
        (&json!("Prices are stale"), &json!("task"), &json!(0))
    );

    let numbered = json!({"title": "feed stalled", "service": service, "event_id": Uuid::now_v7(), "occurrences": 3});
    let unnumbered = json!({"title": "feed stalled", "service": service});
    let mut answered = BTreeSet::new();
    for _ in 0..2 {
        let results = server.ingest(&[numbered.clone(), unnumbered.clone(), json!({"title": ""})]);
        let statuses: Vec<_> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["accepted", "accepted", "invalid"]);
        answered.extend(results[..2].iter().map(|result| result["event_id"].as_str().unwrap().to_owned()));
    }
    // Three, once; and one, twice.
    wait_until("all is counted", || equal(&consumed(&server, "stored"), &4.0));
    assert_eq!(counts(&server, &service)["feed stalled"], 5);
    kafka.wait_until_committed(&kafka.group);
    assert_eq!((kafka.records(), consumed(&server, "duplicate")), (5.0, 1.0));
    let id = server.issues("q=stalled")[0]["id"].as_str().unwrap().to_owned();
    let page = server.get(&format!("/api/v1/issues/{id}/occurrences")).expect(200).json();
    let stored = page["occurrences"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned());
    assert_eq!(stored.collect::<BTreeSet<_>>(), answered, "the ids of the answers are those of the events");
    assert_eq!(kafka.consumer().fetch_watermarks(&kafka.dlq, 0, TIMEOUT).unwrap().1, 0);
}

#[cfg(feature = "firestore")]
#[test]
fn a_hot_issue_is_written_about_once_a_second_where_the_store_wants_that() {
    let Ok(emulator) = std::env::var("TEST_FIRESTORE_EMULATOR") else {
        panic!("TEST_FIRESTORE_EMULATOR names no emulator: {SERVICES}");
    };
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("hot"));
    let project = unique("kafka");
    let server = kafka.start_with(
        &place,
        &[
            ("ISSUETRACKER_STORE", "firestore"),
            ("ISSUETRACKER_FIRESTORE_PROJECT", &project),
            ("ISSUETRACKER_FIRESTORE_EMULATOR", &emulator),
        ],
    );
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    let start = Instant::now();
    for _ in 0..60 {
        kafka.produce(Some(0), [event.as_bytes()]);
        thread::sleep(Duration::from_millis(50));
    }
    wait_until("all is counted", || equal(&consumed(&server, "stored"), &60.0));
    let commits = server.metric("issuetracker_store_commit_seconds_count", &[]);
    let seconds = start.elapsed().as_secs_f64();
    assert!(commits <= seconds + 2.0, "{commits} commits in {seconds} s");
}
