//! Any history of appends, checkpoints, settlements, flushes and crashes, against a list in memory.

use proptest::prelude::*;

use super::*;

/// Small enough to be full and compacted now and then.
const MAX_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Clone)]
enum Step {
    Append { number: u128, kilobytes: usize },
    Checkpoint { number: u128, kilobytes: usize },
    Settle { number: u128 },
    Flush,
    Crash,
    Exit,
}

fn step() -> impl Strategy<Value = Step> {
    let (number, kilobytes) = (0..8u128, prop_oneof![9 => 0..2usize, 3 => 0..100usize]);
    prop_oneof![
        6 => (number.clone(), kilobytes.clone()).prop_map(|(number, kilobytes)| Step::Append { number, kilobytes }),
        6 => (number.clone(), kilobytes).prop_map(|(number, kilobytes)| Step::Checkpoint { number, kilobytes }),
        6 => number.prop_map(|number| Step::Settle { number }),
        6 => Just(Step::Flush),
        1 => Just(Step::Crash),
        1 => Just(Step::Exit),
    ]
}

/// What should be open: in order, and whether its bytes are final.
#[derive(Debug, Clone, Default)]
struct Model(Vec<(Envelope, bool)>);

impl Model {
    fn keep(&mut self, envelope: Envelope, is_final: bool) {
        match self.0.iter_mut().find(|(known, _)| known.event_id == envelope.event_id) {
            Some((_, true)) => (),
            Some(known) => *known = (envelope, is_final),
            None => self.0.push((envelope, is_final)),
        }
    }

    fn settle(&mut self, id: Uuid) {
        self.0.retain(|(known, _)| known.event_id != id);
    }

    fn envelopes(&self) -> Vec<Envelope> {
        self.0.iter().map(|(envelope, _)| envelope.clone()).collect()
    }

    fn adopted(&self) -> Self {
        Self(self.envelopes().into_iter().map(|envelope| (envelope, true)).collect())
    }
}

fn open(dir: &Path) -> (Spool, Vec<Envelope>) {
    let (spool, adopted) = Spool::open(dir, SERVICE, MAX_BYTES).unwrap();
    assert_eq!(adopted.problems, [""; 0]);
    (spool, adopted.envelopes)
}

fn run(steps: Vec<Step>) {
    let dir = temp_dir();
    let (mut spool, _) = open(dir.path());
    let (mut model, mut on_disk) = (Model::default(), Model::default());
    for (turn, step) in steps.into_iter().enumerate() {
        // No two payloads are the same, so that a stale one cannot pass.
        let make = |number, kilobytes: usize| envelope(number, &format!("{turn}{}", "x".repeat(kilobytes * 1_000)));
        match step {
            Step::Append { number, kilobytes } => {
                let envelope = make(number, kilobytes);
                if spool.append(&envelope).is_ok() {
                    model.keep(envelope, true);
                }
            }
            Step::Checkpoint { number, kilobytes } => {
                let envelope = make(number, kilobytes);
                if spool.checkpoint(&envelope).is_ok() {
                    model.keep(envelope, false);
                }
            }
            Step::Settle { number } => {
                spool.settled(id(number));
                model.settle(id(number));
            }
            Step::Flush => {
                flush(&mut spool);
                on_disk = model.clone();
                assert!(spool.file.len().unwrap() <= 2 * MAX_BYTES);
            }
            Step::Crash => {
                crash(spool);
                let found;
                (spool, found) = open(dir.path());
                assert_eq!(found, on_disk.envelopes());
                model = on_disk.adopted();
            }
            Step::Exit => {
                drop(spool);
                let found;
                (spool, found) = open(dir.path());
                assert_eq!(found, model.envelopes());
                on_disk = model.clone();
                model = model.adopted();
            }
        }
        assert_eq!(spool.waiting(), model.0.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn any_history_is_what_a_list_in_memory_says(steps in prop::collection::vec(step(), 0..120)) {
        run(steps);
    }
}
