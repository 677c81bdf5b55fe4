//! Records that cannot be read, among those that can: each is a dead letter once; after a crash at least once. How a letter
//! looks, and what makes a record a crash suspect, is tested with the consumer.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rdkafka::Message as _;

use super::{
    eventually, long,
    report::Report,
    source::Source,
    stage::{Stage, Store, consumed, logged},
};

type Places = BTreeSet<(i32, i64, String)>;

#[test]
fn what_cannot_be_read_is_a_dead_letter_once_and_after_a_crash_at_least_once() {
    let rounds = if long().is_some() { 2_000 } else { 60 };
    let mut report = Report::new("invalid among valid", "SQLite");
    let stage = Stage::new(Store::Sqlite);
    let mut source = Source::new(&stage, 50);
    let mut invalid = HashMap::new();
    let mut send = |source: &mut Source| {
        for _ in 0..rounds {
            source.hand_over(20);
            let number = invalid.len();
            for (value, reason) in unreadable(number) {
                source.record(None, &value, None);
                invalid.insert(value, reason);
            }
        }
        source.flush();
        invalid.clone()
    };

    let known = send(&mut source);
    let server = stage.start();
    stage.settle(&server, &source.ledger);
    let letters = stage.letters();
    let expected = places(&stage, &known);
    assert_eq!((letters.len(), expected.len()), (known.len(), known.len()), "each once");
    assert_eq!(letters.into_iter().collect::<Places>(), expected);
    assert_eq!(consumed(&server, "invalid"), known.len() as u64);
    logged(&server, "a record went to the dead letters");

    let known = send(&mut source);
    eventually("it is in the middle of it", || {
        if consumed(&server, "invalid") > expected.len() as u64 { Ok(()) } else { Err("not yet".to_owned()) }
    });
    server.kill();
    let server = stage.start();
    stage.settle(&server, &source.ledger);
    let mut times: BTreeMap<_, u64> = BTreeMap::new();
    stage.letters().into_iter().for_each(|letter| *times.entry(letter).or_default() += 1);
    assert_eq!(times.keys().cloned().collect::<Places>(), places(&stage, &known));
    let twice: u64 = times.values().map(|count| count - 1).sum();
    report.note(format!("{} dead letters, each told; {twice} written again after a kill", known.len()));
    report.done(&source.ledger);
}

/// Values that nobody can read, and why; each of them once in the topic.
fn unreadable(number: usize) -> [(Vec<u8>, &'static str); 5] {
    [
        (format!("panic in thread {number}").into_bytes(), "not_json"),
        (format!("[\"a list\", {number}]").into_bytes(), "not_an_object"),
        (format!("{{\"title\": \" \", \"n\": {number}}}").into_bytes(), "no_title"),
        ([b"{\"title\": \"caf\xe9 ", number.to_string().as_bytes(), b"\"}"].concat(), "not_utf8"),
        (format!("{}{number}", "[".repeat(200)).into_bytes(), "not_json"),
    ]
}

/// Where these values are in the topic.
fn places(stage: &Stage, invalid: &HashMap<Vec<u8>, &'static str>) -> Places {
    let records = stage.records();
    let place = |record: &rdkafka::message::OwnedMessage| {
        let reason = invalid.get(record.payload()?)?;
        Some((record.partition(), record.offset(), (*reason).to_owned()))
    };
    records.iter().filter_map(place).collect()
}
