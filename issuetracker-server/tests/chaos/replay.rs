//! The same topic read again and again by new groups, and the same name for another topic. The order in which events arrive
//! is the store contract's business.

use super::{
    Random, eventually, long,
    report::Report,
    source::Source,
    stage::{Stage, Store, consumed, joined, ready},
};

#[test]
fn three_replays_change_nothing_on_sqlite() {
    replay(Store::Sqlite);
}

#[test]
fn three_replays_change_nothing_on_firestore() {
    replay(Store::Firestore);
}

fn replay(store: Store) {
    let events = store.most(if long().is_some() { 100_000 } else { 3_000 });
    let mut report = Report::new("replayed three times", store.name());
    let stage = Stage::new(store);
    let mut source = Source::new(&stage, 100);
    source.send(events);
    let first = stage.start();
    stage.settle(&first, &source.ledger);
    for round in 1..=3 {
        let group = format!("{}-replay-{round}", stage.topic);
        let server = stage.start_in(&group);
        stage.drain_in(&group);
        source.ledger.compare(&server).unwrap();
        let (again, new) = (consumed(&server, "duplicate"), consumed(&server, "stored"));
        assert_eq!((again, new), (source.ledger.events, 0), "round {round}");
    }
    report.note("each time every event was known");
    report.done(&source.ledger);
}

#[test]
fn a_topic_that_is_made_anew_while_nobody_reads_is_another_topic() {
    let report = Report::new("topic made anew, server stopped", "SQLite");
    let stage = Stage::new(Store::Sqlite);
    let mut source = Source::new(&stage, 50);
    source.send(2_000);
    let server = stage.start();
    stage.settle(&server, &source.ledger);
    assert!(server.terminate().status.success());

    stage.delete_topic();
    stage.create_topic();
    // More than before: offsets of the old topic would point into the middle of the new one.
    source.send(3_000);
    let server = stage.start();
    stage.settle(&server, &source.ledger);
    report.done(&source.ledger);
}

#[test]
fn a_topic_that_is_made_anew_under_a_running_server_is_read_from_its_beginning() {
    for store in [Store::Sqlite, Store::Firestore] {
        let mut report = Report::new("topic made anew, server running", store.name());
        let (stage, mut random) = (Stage::new(store), Random::new());
        let mut source = Source::new(&stage, 50);
        let server = stage.start();
        joined(&server);
        source.send(1_000);
        stage.settle(&server, &source.ledger);
        let rounds = if long().is_some() { 8 } else { 2 };
        for round in 0..rounds {
            stage.delete_topic();
            stage.create_topic();
            // Shorter than before, and longer.
            let events = if round % 2 == 0 { 100 + random.below(300) } else { 1_000 + random.below(500) };
            source.send(usize::try_from(events).unwrap());
            // Not by the group's offsets: Kafka's client does not commit one that is less than its last.
            eventually("the new topic is counted", || source.ledger.compare(&server));
            ready(&server);
        }
        let stored = consumed(&server, "stored");
        assert_eq!(stored, source.ledger.events, "each event was stored once");
        report.note(format!("{rounds} times; goes on by itself"));
        report.done(&source.ledger);
    }
}
