//! A record that kills the process: it must not hold the server in a crash loop, and what only stands beside it must not be
//! taken for it. The rules are tested beside the code; here processes die.

use crate::*;

/// What was noted as being taken on partition 0.
fn mark(store: &rusqlite::Connection, kafka: &Kafka) -> Option<Value> {
    let key = format!("inflight/{}-0", kafka.name);
    let note = store.query_row("SELECT value FROM notes WHERE key = ?", [&key], |row| row.get::<_, String>(0));
    note.ok().map(|note| serde_json::from_str(&note).unwrap())
}

#[test]
fn a_record_that_kills_every_process_that_takes_it_goes_to_the_dead_letters_and_nothing_else_does() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("crash"));
    let server = kafka.start(&place);
    let store = rusqlite::Connection::open(place.path().join("issues.sqlite")).unwrap();
    wait_until("it has noted whose the partition is", || mark(&store, &kafka).ok_or_else(|| server.log()));
    assert!(server.terminate().status.success());
    assert_eq!(mark(&store, &kafka), None, "it ended in order");
    // A commit with this record takes for ever, and while it does the process is killed: as if the record had done it.
    store
        .execute_batch(
            "CREATE TRIGGER poison BEFORE INSERT ON issues WHEN new.title = 'poison' BEGIN \
             INSERT INTO notes (key, value) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
             SELECT 'poison', max(i) FROM n; END",
        )
        .unwrap();
    let event = |title: &str| json!({"title": title, "reporter_id": format!("{service}-service")}).to_string();
    let (good, poison) = (event("the feed is down"), event("poison"));
    for partition in 1..PARTITIONS {
        kafka.produce(Some(partition), [good.as_bytes(); 20]);
    }
    let values = [vec![good.as_bytes(); 30], vec![poison.as_bytes()], vec![good.as_bytes(); 30]].concat();
    kafka.produce(Some(0), values);

    let mut deaths = 0;
    let server = loop {
        let server = kafka.start(&place);
        let is_stuck = wait_until("it dies or gets through", || {
            // Only the poison takes longer than this.
            let before = mark(&store, &kafka);
            thread::sleep(Duration::from_millis(1_500));
            let is_taken = deaths == 0 || before.as_ref().is_some_and(|mark| mark["starts"] != 0);
            match mark(&store, &kafka) {
                now if is_taken && now == before => Ok(true),
                _ if total(&server, &service) == 160 => Ok(false),
                mark => Err(format!("{mark:?}, {}", server.log())),
            }
        });
        if !is_stuck {
            break server;
        }
        server.kill();
        deaths += 1;
        assert!(deaths < 6, "it goes on dying");
    };
    // Once unawares, once in a batch, twice alone.
    assert_eq!(deaths, 4);
    kafka.wait_until_committed(&kafka.group);
    assert_eq!(counts(&server, &service), [("the feed is down".to_owned(), 160)].into());
    let letters = kafka.dead_letters(1);
    assert_eq!(letters.len(), 1, "what stood beside it was taken for it");
    assert_eq!(letters[0].payload(), Some(poison.as_bytes()));
    let headers = letters[0].headers().unwrap();
    let header = |name| headers.iter().find(|header| header.key == name).unwrap().value.unwrap();
    assert_eq!((header("reason"), header("offset")), (&b"crash_suspect"[..], &b"30"[..]));
    assert_eq!(mark(&store, &kafka).unwrap()["starts"], 0);
    assert_eq!(server.metric("issuetracker_dead_letters_total", &["reason=\"crash_suspect\""]), 1.0);
}

#[test]
fn a_healthy_server_that_is_killed_again_and_again_gives_nothing_up() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("killed"));
    assert!(kafka.start(&place).terminate().status.success());
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    for partition in 0..PARTITIONS {
        kafka.produce(Some(partition), vec![event.as_bytes(); 2_000]);
    }
    // Each time at another moment of its first batches, which are the ones with marks.
    let mut before = 0;
    for round in 0..4 {
        let server = place.start(&kafka.variables());
        wait_until("it gets on", || {
            let now = total(&server, &service);
            if now > before || now == 12_000 { Ok(()) } else { Err(now.to_string()) }
        });
        thread::sleep(Duration::from_millis(round * 7));
        before = total(&server, &service);
        server.kill();
    }
    let server = kafka.start(&place);
    wait_until("all is counted", || equal(&total(&server, &service), &12_000));
    kafka.wait_until_committed(&kafka.group);
    assert_eq!(kafka.consumer().fetch_watermarks(&kafka.dlq, 0, TIMEOUT).unwrap().1, 0);
}
