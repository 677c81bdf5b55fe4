//! Kafka deletes records before the group has read them: the server says how many. That it does not lose any itself is
//! tested everywhere else.

use crate::*;

const GAP_RECORDS: &str = "issuetracker_consumer_gap_records_total";

fn delete_before(kafka: &Kafka, partition: i32, offset: i64) {
    let mut partitions = TopicPartitionList::new();
    partitions.add_partition_offset(&kafka.name, partition, Offset::Offset(offset)).unwrap();
    kafka.admin(async |admin, options| admin.delete_records(&partitions, options).await.unwrap());
}

#[test]
fn retention_that_overtakes_a_stopped_group_is_told_with_its_exact_size_until_it_is_dismissed() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("gap"));
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    let server = kafka.start(&place);
    kafka.produce(Some(2), [event.as_bytes(); 100]);
    wait_until("all is counted", || equal(&total(&server, &service), &100));
    assert!(server.terminate().status.success());
    kafka.produce(Some(2), [event.as_bytes(); 100]);
    delete_before(&kafka, 2, 160);

    let server = kafka.start(&place);
    wait_until("what is left is counted", || equal(&total(&server, &service), &140));
    assert_eq!(server.metric(GAP_RECORDS, &[]), 60.0);
    let ready = server.get("/readyz").expect(200).json();
    let check = &ready["checks"]["gap"];
    let told = check["reason"].as_str().unwrap();
    assert!(check["ok"] == true && told.contains("deleted 60 records") && told.contains("partition 2,"), "{ready}");
    assert!(server.get("/issues").expect(200).text().contains("deleted 60 records"));
    assert_eq!(server.log().matches("Kafka deleted records before they were consumed").count(), 1);
    assert!(server.terminate().status.success());

    // Told until somebody has seen it, but counted once.
    let server = kafka.start(&place);
    wait_until("it is still told", || {
        let ready = server.get("/readyz").json();
        if ready["checks"]["gap"]["reason"].is_string() { Ok(()) } else { Err(ready.to_string()) }
    });
    assert_eq!((server.metric(GAP_RECORDS, &[]), total(&server, &service)), (0.0, 140));
    server.post("/gaps/dismiss", "").expect(303);
    assert!(!server.get("/issues").expect(200).text().contains("deleted 60 records"));
    assert!(server.get("/readyz").json()["checks"]["gap"]["reason"].is_null());
}

#[test]
fn a_group_that_has_read_everything_and_a_new_one_miss_nothing() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("gap"));
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    let server = kafka.start(&place);
    kafka.produce(Some(0), [event.as_bytes(); 100]);
    kafka.wait_until_committed(&kafka.group);
    assert!(server.terminate().status.success());
    delete_before(&kafka, 0, 100);
    let server = kafka.start(&place);
    kafka.produce(Some(0), [event.as_bytes(); 10]);
    wait_until("all is counted", || equal(&total(&server, &service), &110));

    // Another group, with a store of its own: what was before it is not its business.
    let other = Place::new();
    let group = kafka.replay_group();
    let server_of_other = kafka.start_with(&other, &[("ISSUETRACKER_KAFKA_GROUP", &group)]);
    wait_until("all is counted", || equal(&total(&server_of_other, &service), &10));
    for server in [&server, &server_of_other] {
        assert_eq!(server.metric(GAP_RECORDS, &[]), 0.0, "{}", server.log());
    }
}

#[test]
fn retention_that_overtakes_a_running_consumer_is_told_to_the_last_record() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("gap"));
    let server = kafka.start(&place);
    // Somebody holds the store, so that the consumer stands; it has fetched some megabytes ahead by then.
    let holder = rusqlite::Connection::open(place.path().join("issues.sqlite")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let description = "x".repeat(120_000);
    let event = json!({"title": "down", "description": description, "reporter_id": format!("{service}-service")});
    let event = event.to_string();
    kafka.produce(Some(1), [event.as_bytes(); 200]);
    wait_until("it stands", || {
        let ready = server.get("/readyz").json();
        if ready["checks"]["ingest"]["ok"] == false { Ok(()) } else { Err(ready.to_string()) }
    });
    delete_before(&kafka, 1, 190);
    holder.execute_batch("ROLLBACK").unwrap();
    kafka.wait_until_committed(&kafka.group);
    let (counted, gap) = (total(&server, &service), server.metric(GAP_RECORDS, &[]));
    assert!(gap > 0.0, "nothing was deleted before it was fetched: {counted}");
    assert_eq!(counted, 200 - gap as u64);
}
