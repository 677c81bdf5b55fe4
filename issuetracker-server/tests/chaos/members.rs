//! Members that join the group, leave it and die while errors come in. Whether a single member survives its own death is
//! not the question here.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use super::{
    Random,
    ledger::Ledger,
    long,
    report::Report,
    source::Source,
    stage::{Stage, Store, consumed, joined},
    support::Server,
};

#[test]
fn members_come_and_go_on_sqlite() {
    come_and_go(Store::Sqlite);
}

#[test]
fn members_come_and_go_on_firestore() {
    come_and_go(Store::Firestore);
}

/// What happens to the group.
#[derive(Debug, Clone, Copy)]
enum Step {
    Join,
    Leave,
    Die,
}

fn come_and_go(store: Store) {
    let mut report = Report::new("members come and go", store.name());
    let stage = Stage::new(store);
    let source = Source::new(&stage, 100);
    let is_over = AtomicBool::new(false);
    let (ledger, servers) = thread::scope(|scope| {
        let load = scope.spawn(|| keep_sending(source, store, &is_over));
        // However this ends, the load ends with it.
        let over = Over(&is_over);
        let servers = play(&stage, &mut report);
        drop(over);
        (load.join().unwrap(), servers)
    });
    stage.settle(servers.last().unwrap(), &ledger);
    assert_eq!(stage.letters(), []);
    let again: u64 = servers.iter().map(|server| consumed(server, "duplicate")).sum();
    report.note(format!("who is left read {again} events again"));
    report.done(&ledger);
}

struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

fn keep_sending(mut source: Source, store: Store, is_over: &AtomicBool) -> Ledger {
    let most = store.most(60_000);
    let expected = long().unwrap_or(Duration::from_secs(60));
    // Twenty at a time, so that the load lasts as long as the play.
    let pause = (expected * 20 / u32::try_from(most).unwrap()).max(Duration::from_millis(50));
    while !is_over.load(Relaxed) {
        if source.ledger.events < most as u64 {
            source.send(20);
        }
        thread::sleep(pause);
    }
    source.ledger
}

/// Plays the steps, and after each waits until every partition has come as far as it was. Returns who is left.
fn play(stage: &Stage, report: &mut Report) -> Vec<Server> {
    let (mut random, begun) = (Random::new(), Instant::now());
    let mut servers = vec![stage.start()];
    joined(&servers[0]);
    let mut counts = [0; 3];
    let mut longest = Duration::ZERO;
    let mut short = [Step::Join, Step::Join, Step::Leave, Step::Die, Step::Join].into_iter();
    loop {
        let step = match long() {
            None => short.next(),
            Some(time) => (begun.elapsed() < time).then(|| any(&mut random, servers.len())),
        };
        let Some(step) = step else { break };
        counts[step as usize] += 1;
        let chosen = usize::try_from(random.below(servers.len() as u64)).unwrap();
        match step {
            Step::Join => {
                servers.push(stage.start());
                joined(servers.last().unwrap());
            }
            Step::Leave => {
                let ended = servers.remove(chosen).terminate();
                assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
            }
            Step::Die => servers.remove(chosen).kill(),
        }
        let since = Instant::now();
        stage.drain();
        longest = longest.max(since.elapsed());
    }
    let [joins, leaves, deaths] = counts;
    report
        .note(format!("{joins} joined, {leaves} left, {deaths} killed; every partition went on within {longest:.1?}"));
    servers
}

/// One to four members.
fn any(random: &mut Random, members: usize) -> Step {
    match random.below(3) {
        0 if members < 4 => Step::Join,
        1 if members > 1 => Step::Leave,
        _ if members > 1 => Step::Die,
        _ => Step::Join,
    }
}
