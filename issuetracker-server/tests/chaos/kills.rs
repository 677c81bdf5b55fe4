//! Servers that are killed at random moments, one after the other, while there is work. A stop that is asked for is tested
//! with the consumer.

use std::{thread, time::Duration};

use super::{
    Random, eventually, long,
    report::Report,
    source::Source,
    stage::{Stage, Store, consumed},
};

#[test]
fn sqlite_counts_exactly_whenever_its_server_is_killed() {
    kill_again_and_again(Store::Sqlite);
}

#[test]
fn firestore_counts_exactly_whenever_its_server_is_killed() {
    kill_again_and_again(Store::Firestore);
}

fn kill_again_and_again(store: Store) {
    let (kills, events, bugs) = if long().is_some() { (50, 100_000, 500) } else { (5, 5_000, 100) };
    let slice = store.most(events) / kills;
    let mut report = Report::new("kill -9", store.name());
    let (stage, mut random) = (Stage::new(store), Random::new());
    let mut source = Source::new(&stage, bugs);
    let mut interrupted = 0;
    for kill in 0..kills {
        source.send(slice);
        let server = stage.start();
        if kill % 4 == 3 {
            // While it starts, joins, or reads its first records.
            thread::sleep(Duration::from_millis(random.below(2_000)));
        } else {
            // In the middle of what there is: at least this slice is waiting.
            let enough = random.below(slice as u64);
            eventually("it consumes", || {
                let read = consumed(&server, "stored") + consumed(&server, "duplicate");
                if read > enough { Ok(()) } else { Err(format!("{read} of {enough} records; {}", server.log())) }
            });
            thread::sleep(Duration::from_millis(random.below(50)));
        }
        server.kill();
        interrupted += usize::from(stage.is_behind());
    }
    // Else this has tested nothing.
    assert!(interrupted > 0, "every kill came when all was done");

    let last = stage.start();
    stage.settle(&last, &source.ledger);
    let again = consumed(&last, "duplicate");
    report.note(format!("killed {kills} times, {interrupted} of them at work; the last one read {again} events again"));
    assert_eq!(stage.letters(), [], "no valid record is a dead letter, whatever it survived");
    report.done(&source.ledger);
}
