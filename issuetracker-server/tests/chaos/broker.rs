//! A broker that is frozen, and one that is killed and started again, while errors come in. A broker that is not there at
//! the start, or deletes what nobody has read, is tested with the consumer.

use std::{thread, time::Instant};

use super::{
    long,
    private::Private,
    report::Report,
    source::Source,
    stage::{Stage, joined, logged_again, ready, unready},
};

const DOWN: &str = "no Kafka broker answers";

#[test]
fn a_broker_that_is_frozen_or_killed_delays_and_nothing_else() {
    let mut report = Report::new("broker frozen, killed", "SQLite");
    let mut broker = Private::kafka();
    let stage = Stage::on_broker(&broker.address());
    stage.create_topic();
    let mut source = Source::new(&stage, 50);
    let server = stage.start();
    joined(&server);
    source.send(1_000);
    stage.settle(&server, &source.ledger);

    broker.freeze();
    let frozen = Instant::now();
    source.hand_over(1_000);
    let reason = unready(&server, &["kafka"]);
    report.note(format!("frozen, said after {:.0?}: {reason}", frozen.elapsed()));
    logged_again(&server, DOWN, 0);
    // What is stored can be seen meanwhile.
    server.get("/issues").expect(200);
    last(frozen);
    broker.thaw();
    source.flush();
    stage.settle(&server, &source.ledger);
    ready(&server);

    let before = server.log().matches(DOWN).count();
    source.hand_over(500);
    broker.kill();
    let killed = Instant::now();
    source.hand_over(500);
    let reason = unready(&server, &["kafka"]);
    report.note(format!("killed, said after {:.0?}: {reason}", killed.elapsed()));
    logged_again(&server, DOWN, before);
    last(killed);
    broker.restart();
    source.flush();
    stage.settle(&server, &source.ledger);
    ready(&server);
    report.done(&source.ledger);
}

/// In the long form an outage lasts half of the time that there is.
fn last(since: Instant) {
    if let Some(time) = long() {
        thread::sleep((time / 2).saturating_sub(since.elapsed()));
    }
}
