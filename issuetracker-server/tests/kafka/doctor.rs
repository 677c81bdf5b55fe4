//! The doctor on the Kafka road. Over HTTP it is examined in `tests/api`.

use crate::*;

#[test]
fn the_doctor_follows_an_error_through_kafka() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let doctor = |address: &str, arguments: &[&str], code| {
        let variables = [kafka.variables(), vec![("ISSUETRACKER_HTTP_ADDR", address)]].concat();
        place.examine(&variables, arguments, code)
    };
    let closed = format!("127.0.0.1:{}", closed_port());
    let said = doctor(&closed, &[], 1);
    assert!(said.contains("FAILED  Kafka is reachable") && said.contains("no topic"), "{said}");

    let server = kafka.start(&place);
    let said = doctor(&server.address, &[], 0);
    assert_eq!(said.lines().filter(|line| line.starts_with("ok  ")).count(), 6, "{said}");
    assert!(said.contains("with 6 partitions") && said.contains("lag 0"), "{said}");
    assert_eq!(server.issues("tag=doctor:true").len(), 1);

    // Another server of the group may run, but nobody answers at this address.
    let said = doctor(&closed, &["--timeout", "5"], 1);
    assert!(said.contains("ok      consumer group reads it"), "{said}");
    assert!(said.contains("FAILED  event is stored") && said.contains(&closed), "{said}");

    // Nobody reads the topic.
    let address = server.address.clone();
    assert!(server.terminate().status.success());
    let said = doctor(&address, &["--timeout", "2"], 1);
    assert!(said.contains("ok      event is accepted"), "{said}");
    assert!(said.contains("FAILED  consumer group reads it") && said.contains("nobody reads as group"), "{said}");
    assert!(said.contains("1 record behind"), "{said}");
}

#[test]
fn the_doctor_says_that_kafka_is_down() {
    let brokers = format!("127.0.0.1:{}", closed_port());
    let said = Place::new().examine(&[("ISSUETRACKER_KAFKA_BROKERS", &brokers)], &["--timeout", "2"], 1);
    assert!(said.contains("ok      configuration is valid"), "{said}");
    assert!(said.contains("FAILED  Kafka is reachable") && said.contains(&brokers), "{said}");
    assert!(said.contains("What to do: start Kafka"), "{said}");
}
