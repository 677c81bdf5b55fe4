//! Records that cannot be read, and what becomes of them. Whether they are read rightly is tested beside the decoder.

use crate::*;

#[test]
fn what_cannot_be_read_is_a_dead_letter_and_the_partition_goes_on() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place);
    let event = |title: &str, description: &str| {
        json!({"title": title, "description": description, "reporter_id": "letters-service"}).to_string().into_bytes()
    };
    let large = vec![b'x'; 850_000];
    let very_large = [&b"\"start\""[..], &vec![b'x'; 949_993]].concat();
    let orphan = json!({"op": "comment", "title": "on what?", "issue_id": "01a2b3c4d5e6f789"}).to_string();
    let records: [(Vec<u8>, &str); 10] = [
        (event("before", ""), ""),
        (b"not json".to_vec(), "not_json"),
        (b"{\"title\": \"caf\xe9\"}".to_vec(), "not_utf8"),
        (b"{\"description\": \"  \"}".to_vec(), "no_title"),
        (b"".to_vec(), "not_json"),
        (b"[1, 2]".to_vec(), "not_an_object"),
        (orphan.into_bytes(), "no_issue"),
        (large, "not_json"),
        (very_large, "not_json"),
        (event("after", &"x".repeat(900_000)), ""),
    ];
    kafka.produce(Some(3), records.iter().map(|(value, _)| value.as_slice()));
    wait_until("the partition goes on", || equal(&counts(&server, "letters").len(), &2));
    kafka.wait_until_committed(&kafka.group);
    assert_eq!(counts(&server, "letters"), [("before".to_owned(), 1), ("after".to_owned(), 1)].into());

    let mut found = HashMap::new();
    for letter in kafka.dead_letters(8) {
        let headers: HashMap<String, String> = letter
            .headers()
            .unwrap()
            .iter()
            .map(|header| (header.key.to_owned(), String::from_utf8(header.value.unwrap().to_vec()).unwrap()))
            .collect();
        let offset: usize = headers["offset"].parse().unwrap();
        assert!(
            found.insert(offset, (headers, letter.payload().unwrap_or_default().to_vec())).is_none(),
            "{offset} twice"
        );
    }
    let expected: Vec<_> = records.iter().enumerate().filter(|(_, (_, reason))| !reason.is_empty()).collect();
    assert_eq!(found.len(), expected.len());
    for (offset, (original, reason)) in expected {
        let (headers, payload) = &found[&offset];
        assert_eq!(headers["reason"], *reason, "{headers:?}");
        assert_eq!((&*headers["topic"], &*headers["partition"]), (&*kafka.name, "3"));
        assert!(!headers["error"].is_empty() && headers["timestamp"].parse::<i64>().unwrap() > 0, "{headers:?}");
        if original.len() <= 900 * 1024 {
            assert!(payload == original, "the bytes of offset {offset} are not the original ones");
            continue;
        }
        // Together with the headers it would be more than the topic takes: the head, and what proves the rest.
        assert!(payload.len() >= 64 * 1024 && original.starts_with(payload), "{} bytes", payload.len());
        assert_eq!(headers["original-length"], original.len().to_string());
        let hash: String = Sha256::digest(original).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(headers["original-sha256"], hash);
    }
    let all = [("not_json", 4.0), ("not_utf8", 1.0), ("no_title", 1.0), ("not_an_object", 1.0), ("no_issue", 1.0)];
    for (reason, count) in all {
        let label = format!("reason=\"{reason}\"");
        assert_eq!(server.metric("issuetracker_dead_letters_total", &[&label]), count, "{reason}");
    }
}

#[test]
fn too_many_in_a_row_stop_their_partition_until_a_person_has_looked() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("flood"));
    let limit = [("ISSUETRACKER_KAFKA_MAX_INVALID", "100")];
    let server = kafka.start_with(&place, &limit);
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    let noise = vec![&b"something else"[..]; 99];
    let (with_event, again) = ([&noise[..], &[event.as_bytes()]].concat(), vec![&b"something else"[..]; 1_200]);
    kafka.produce(Some(4), with_event);
    kafka.produce(Some(4), again);
    kafka.produce(Some(4), [event.as_bytes()]);
    wait_until("it stops and says why", || {
        let ready = server.get("/readyz").json();
        let reason = ready["checks"]["ingest"]["reason"].as_str().unwrap_or_default();
        let is_said = reason.contains("partition 4 waits") && reason.contains("records in a row cannot be read");
        if is_said { Ok(()) } else { Err(ready.to_string()) }
    });
    server.get("/readyz").expect(503);
    kafka.produce(Some(1), [event.as_bytes()]);
    wait_until("the others go on", || equal(&total(&server, &service), &2));
    let letters = server.metric("issuetracker_dead_letters_total", &[]);
    assert!((199.0..1_000.0).contains(&letters), "{letters}");

    // Whoever has looked, and wants the rest there too, says so.
    assert!(server.terminate().status.success());
    let server = kafka.start_with(&place, &[("ISSUETRACKER_KAFKA_MAX_INVALID", "0")]);
    wait_until("all is counted", || equal(&total(&server, &service), &3));
    kafka.wait_until_committed(&kafka.group);
    assert_eq!(letters + server.metric("issuetracker_dead_letters_total", &[]), 1_299.0);
}
