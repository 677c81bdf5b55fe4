//! What the server needs is away: the store, the brokers, the place for dead letters. The server itself goes on.

use crate::*;

#[test]
fn a_store_that_is_away_is_waited_for_and_no_offset_runs_ahead_of_it() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("patient"));
    let server = kafka.start(&place);
    // Somebody holds the store: it can be read, and not be written.
    let holder = rusqlite::Connection::open(place.path().join("issues.sqlite")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    for partition in 0..PARTITIONS {
        kafka.produce(Some(partition), [event.as_bytes(); 100]);
    }
    wait_until("a commit has failed", || {
        let failed = server.metric("issuetracker_store_errors_total", &[]);
        if failed > 0.0 { Ok(()) } else { Err(failed.to_string()) }
    });
    let ready = server.get("/readyz").expect(503).json();
    assert_eq!(ready["checks"]["store"]["ok"], false, "{ready}");
    assert_eq!(ready["checks"]["kafka"]["ok"], true, "{ready}");
    assert_eq!((total(&server, &service), kafka.committed(&kafka.group)), (0, vec![0; 6]));

    holder.execute_batch("ROLLBACK").unwrap();
    wait_until("consumption goes on", || equal(&total(&server, &service), &600));
    kafka.wait_until_committed(&kafka.group);
    assert_eq!((consumed(&server, "stored"), consumed(&server, "duplicate")), (600.0, 0.0));
    server.get("/readyz").expect(200);
}

#[test]
fn without_kafka_it_serves_says_so_and_goes_on_when_kafka_comes() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("late"));
    let port = closed_port();
    let closed = format!("127.0.0.1:{port}");
    let mut variables = kafka.variables();
    variables[0].1 = &closed;
    let server = place.start(&variables);
    for page in ["/issues", "/issues/new", "/healthz", "/api/v1/issues"] {
        server.get(page).expect(200);
    }
    let ready = server.get("/readyz").expect(503).json();
    assert_eq!((&ready["status"], &ready["checks"]["kafka"]["ok"]), (&json!("unready"), &json!(false)), "{ready}");
    assert!(!ready["checks"]["kafka"]["reason"].as_str().unwrap().is_empty(), "{ready}");
    assert_eq!(ready["checks"]["store"]["ok"], true, "{ready}");
    let new = json!({"title": "Lost?", "service": service}).to_string();
    let refused = server.post("/api/v1/issues", &new);
    let message = refused.problem(503, "kafka_unavailable");
    assert!(refused.header("retry-after").is_some() && !message.contains(&closed), "{message}");
    server.post("/api/v1/issues", "{}").problem(400, "invalid_field");

    // Kafka answers at last, through a door that opens now.
    forward(port, kafka.brokers.clone());
    wait_until("it is ready", || {
        let answer = server.get("/readyz");
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
    server.post("/api/v1/issues", &new).expect(202);
    wait_until("the issue appears", || equal(&counts(&server, &service).len(), &1));
    assert!(server.terminate().status.success());
}

/// Hands every connection to `port` on to the broker, for as long as the test runs.
fn forward(port: u16, brokers: String) {
    let door = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        for client in door.incoming().map_while(Result::ok) {
            let broker = TcpStream::connect(&brokers).unwrap();
            let pairs = [(client.try_clone(), broker.try_clone()), (Ok(broker), Ok(client))];
            for (from, to) in pairs {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
}

#[test]
fn a_partition_that_waits_does_not_hold_the_others_and_its_lag_is_known() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("letters"));
    // A place for dead letters that takes none.
    kafka.create_topic(&kafka.dlq, 1, &[("max.message.bytes", "50")]);
    let server = kafka.start(&place);
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    kafka.produce(Some(0), [&b"not json"[..], event.as_bytes()]);
    wait_until("it says which partition waits for what", || {
        let ready = server.get("/readyz").json();
        let reason = ready["checks"]["ingest"]["reason"].as_str().unwrap_or_default();
        if reason.starts_with("partition 0 waits: the dead letters") { Ok(()) } else { Err(ready.to_string()) }
    });
    for partition in 0..PARTITIONS {
        kafka.produce(Some(partition), [event.as_bytes(); 700]);
    }
    wait_until("the others go on", || equal(&total(&server, &service), &3_500));
    wait_until("its lag is known", || {
        let ready = server.get("/readyz").expect(503).json();
        let known = json!({"ok": true, "reason": "702 records behind, the most on partition 0 (702)"});
        equal(&ready["checks"]["lag"], &known)
    });
    let lag = |partition| server.metric("issuetracker_consumer_lag_records", &[&format!("partition=\"{partition}\"")]);
    assert_eq!((lag(0), lag(1)), (702.0, 0.0));
    assert!(server.metric("issuetracker_consumer_oldest_seconds", &["partition=\"0\""]) > 0.0);
    assert_eq!(server.metric("issuetracker_consumer_partitions", &["state=\"waiting\""]), 1.0);
    assert_eq!(kafka.committed(&kafka.group)[0], 0);

    let larger = [AlterConfig::new(ResourceSpecifier::Topic(&kafka.dlq)).set("max.message.bytes", "1048588")];
    kafka.admin(async |admin, options| admin.alter_configs(&larger, options).await.unwrap());
    wait_until("it goes on by itself", || equal(&total(&server, &service), &4_201));
    kafka.wait_until_committed(&kafka.group);
    assert_eq!(kafka.dead_letters(1).len(), 1);
    wait_until("it is ready", || {
        let ready = server.get("/readyz");
        if ready.status == 200 { Ok(()) } else { Err(ready.text()) }
    });
}
