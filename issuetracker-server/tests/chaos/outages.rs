//! A Firestore that is frozen, refuses connections, or is slow, while errors come in. What SQLite does on a full disk is in
//! `disk.rs`.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    long,
    private::Private,
    proxy::Proxy,
    report::Report,
    source::Source,
    stage::{Stage, logged_again, ready, unready},
    support::Server,
};

const WAITS: &str = "consumption waits";
const GOES_ON: &str = "consumption goes on";

#[test]
fn a_firestore_that_is_frozen_refuses_or_is_slow_delays_and_nothing_else() {
    let mut report = Report::new("store frozen, refusing, slow", "Firestore");
    let emulator = Private::firestore();
    let proxy = Proxy::to(&emulator.address());
    let stage = Stage::on_emulator(&proxy.address.to_string());
    stage.create_topic();
    let mut source = Source::new(&stage, 50);
    let server = stage.start();
    source.send(200);
    stage.settle(&server, &source.ledger);

    emulator.freeze();
    wait_out("frozen", &server, &mut source, &mut report);
    emulator.thaw();
    recovered(&stage, &server, &source, 1);

    proxy.refuse(true);
    wait_out("refusing", &server, &mut source, &mut report);
    proxy.refuse(false);
    recovered(&stage, &server, &source, 2);

    // Slow is no outage: it takes longer.
    proxy.delay(Duration::from_millis(200));
    load(&mut source);
    stage.settle(&server, &source.ledger);
    proxy.delay(Duration::ZERO);
    ready(&server);
    report.done(&source.ledger);
}

/// Sends on until the server has said what is wrong, and for as long as the outage is to last.
fn wait_out(outage: &str, server: &Server, source: &mut Source, report: &mut Report) {
    let (waits, begun, worked) = (server.log().matches(WAITS).count(), Instant::now(), server.processor_time());
    load(source);
    let reason = unready(server, &["store", "ingest"]);
    logged_again(server, WAITS, waits);
    let (worked, took) = (server.processor_time() - worked, begun.elapsed());
    report.note(format!("{outage} for {took:.0?}, {worked:.1?} of processor time: {reason}"));
}

/// A third of the time that there is in the long form; one burst in the short one.
fn load(source: &mut Source) {
    let until = Instant::now() + long().unwrap_or_default() / 3;
    source.send(300);
    while Instant::now() < until {
        source.send(5);
        thread::sleep(Duration::from_millis(500));
    }
}

#[track_caller]
fn recovered(stage: &Stage, server: &Server, source: &Source, outages: usize) {
    stage.settle(server, &source.ledger);
    ready(server);
    logged_again(server, GOES_ON, outages - 1);
}
