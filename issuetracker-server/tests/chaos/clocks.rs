//! Producers whose clocks are two hours ahead and forty days behind, in their events as in their records. What a single
//! time becomes is tested where it is read.

use jiff::{SignedDuration, Timestamp};
use rdkafka::Message as _;
use serde_json::{Value, json};

use super::{
    ledger::Ledger,
    long,
    report::Report,
    source::{Source, title},
    stage::{Stage, Store, issue, joined, ready},
    support::Server,
};

#[test]
fn clocks_that_are_wrong_change_no_count() {
    let records = if long().is_some() { 20_000 } else { 400 };
    let mut report = Report::new("clocks 2 h ahead, 40 days behind", "SQLite");
    let stage = Stage::without_topic(Store::Sqlite);
    let server = stage.start();
    joined(&server);
    let source = Source::new(&stage, 3);
    let service = source.ledger.service.clone();
    let mut ledger = Ledger::new(service.clone());
    // As stores keep it.
    let begun = Timestamp::from_microsecond(Timestamp::now().as_microsecond()).unwrap();
    let (ahead, behind) = (SignedDuration::from_hours(2), SignedDuration::from_hours(-40 * 24));
    for number in 0..records {
        for (bug, skew) in [SignedDuration::ZERO, ahead, behind].into_iter().enumerate() {
            let clock = begun + skew + SignedDuration::from_millis(number);
            let event = json!({"title": title(bug), "service": service, "created_at": clock.to_string()});
            source.record(None, event.to_string().as_bytes(), Some(clock.as_millisecond()));
            ledger.note(&title(bug), 1, clock, clock);
        }
    }
    source.flush();
    stage.drain();

    let shown: Vec<Value> = (0..3).map(|bug| issue(&server, &service, &title(bug))).collect();
    for issue in &shown {
        assert_eq!(issue["occurrences"], records, "{issue}");
    }
    let latest = Timestamp::now() + SignedDuration::from_mins(5);
    for issue in &shown {
        assert!(time(issue, "last_seen") <= latest, "in the future, on top of every list: {issue}");
    }
    // An error may wait for long in a spool: its past is believed.
    assert_eq!(time(&shown[2], "first_seen"), begun + behind);
    let label = occurrence(&server, &shown[1])["details"]["context"]["original_created_at"].clone();
    let told: Timestamp = label.as_str().unwrap_or_else(|| panic!("no label: {label}")).parse().unwrap();
    assert!(told > latest, "what the producer said is kept: {told}");

    // Read again, and whatever the clocks said: every event is known.
    let group = format!("{}-replay", stage.topic);
    let again = stage.start_in(&group);
    stage.drain_in(&group);
    for (bug, before) in shown.iter().enumerate() {
        assert_eq!(&issue(&again, &service, &title(bug)), before);
    }

    // Else the broker would delete what a slow clock has written as soon as a segment is full, and keep what a fast one has.
    let records = stage.records();
    let is_dated_by_broker = |time| matches!(time, rdkafka::Timestamp::LogAppendTime(_));
    let misdated = records.iter().filter(|record| !is_dated_by_broker(record.timestamp())).count();
    assert_eq!(misdated, 0, "of {} records: their times are the producers'", records.len());
    ready(&server);
    report.note("clamped and labelled; records are dated by the broker");
    report.done(&ledger);
}

fn time(issue: &Value, name: &str) -> Timestamp {
    issue[name].as_str().unwrap().parse().unwrap()
}

fn occurrence(server: &Server, issue: &Value) -> Value {
    let path = format!("/api/v1/issues/{}/occurrences?limit=1", issue["id"].as_str().unwrap());
    server.get(&path).expect(200).json()["occurrences"][0].clone()
}
