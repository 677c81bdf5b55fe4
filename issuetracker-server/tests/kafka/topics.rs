//! Topics that are not as the server would have made them: missing, made by others, deleted, made anew.

use crate::*;

/// The partitions of the topics of this test.
pub(crate) fn partitions_of(kafka: &Kafka) -> HashMap<String, usize> {
    let consumer = kafka.consumer();
    let partitions = |topic: &str| {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).unwrap();
        (topic.to_owned(), metadata.topics()[0].partitions().len())
    };
    [partitions(&kafka.name), partitions(&kafka.dlq)].into()
}

fn produce_one_each(kafka: &Kafka, service: &str, partitions: i32) {
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    (0..partitions).for_each(|partition| kafka.produce(Some(partition), [event.as_bytes(); 50]));
}

#[test]
fn the_topics_take_the_time_from_the_broker_and_keep_records_for_a_week() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let _server = kafka.start(&place);
    for topic in [&kafka.name, &kafka.dlq] {
        let resource = [ResourceSpecifier::Topic(topic)];
        let described = kafka.admin(async |admin, options| admin.describe_configs(&resource, options).await.unwrap());
        let described = described[0].as_ref().unwrap();
        let value = |name| described.get(name).and_then(|entry| entry.value.as_deref()).unwrap_or_default();
        assert_eq!((value("message.timestamp.type"), value("retention.ms")), ("LogAppendTime", "604800000"));
    }
}

#[test]
fn a_topic_that_is_created_anew_is_consumed_from_its_beginning() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("anew"));
    let server = kafka.start(&place);
    produce_one_each(&kafka, &service, 6);
    wait_until("all is counted", || equal(&total(&server, &service), &300));

    kafka.admin(async |admin, options| admin.delete_topics(&[&kafka.name], options).await.unwrap());
    wait_until("it says that the topic is gone", || {
        let ready = server.get("/readyz");
        let check = &ready.json()["checks"]["topic"];
        if check["reason"].as_str().unwrap_or_default().contains(&kafka.name) { Ok(()) } else { Err(ready.text()) }
    });
    for partitions in [6, 2] {
        kafka.create_topic(&kafka.name, partitions, &[]);
        let before = total(&server, &service);
        produce_one_each(&kafka, &service, partitions);
        let expected = before + u64::try_from(partitions).unwrap() * 50;
        wait_until("all of the new topic is counted", || equal(&total(&server, &service), &expected));
        wait_until("it is ready", || {
            let ready = server.get("/readyz");
            if ready.status == 200 { Ok(()) } else { Err(ready.text()) }
        });
        // The second time nobody has time to notice.
        kafka.admin(async |admin, options| admin.delete_topics(&[&kafka.name], options).await.unwrap());
    }
}

#[test]
fn a_topic_that_a_producer_has_made_with_one_partition_is_used_as_it_is() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("first"));
    kafka.create_topic(&kafka.name, 1, &[]);
    produce_one_each(&kafka, &service, 1);
    let server = kafka.start(&place);
    wait_until("all is counted", || equal(&total(&server, &service), &50));
    assert_eq!(partitions_of(&kafka)[&kafka.name], 1);
    assert_eq!(server.log().matches("fewer partitions than the 6").count(), 1);
    server.get("/readyz").expect(200);
}

#[test]
fn a_topic_that_cannot_be_created_is_waited_for() {
    // This broker knows no requests of administrators, and refuses them as one does that does not allow them.
    let cluster = MockCluster::new(1).unwrap();
    let kafka = Kafka::at(cluster.bootstrap_servers());
    let (place, service) = (Place::new(), unique("late"));
    let server = place.start(&kafka.variables());
    wait_until("it says what is missing", || {
        let ready = server.get("/readyz").json();
        let check = &ready["checks"]["topic"];
        let is_said = check["reason"].as_str().is_some_and(|reason| reason.contains(&kafka.name));
        if is_said && check["ok"] == false { Ok(()) } else { Err(ready.to_string()) }
    });
    cluster.create_topic(&kafka.name, 2, 1).unwrap();
    cluster.create_topic(&kafka.dlq, 1, 1).unwrap();
    produce_one_each(&kafka, &service, 2);
    wait_until("consumption begins", || equal(&total(&server, &service), &100));
    // Neither can be taken down in order: the one has no way to delete topics, the other aborts the process.
    std::mem::forget((kafka, cluster));
}
