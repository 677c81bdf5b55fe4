//! The other side of the network, for our layer: one that takes everything, one that is not there, a Redis that hangs.
//! No sockets: what is measured is the calling thread, and what it waits for.

use std::{thread, time::Duration};

use tracing_issues::{
    dedup::{Deduplicator, Verdict},
    fingerprint::Fingerprint,
    publish::{Envelope, Outcome, Publisher, Settlement},
};

/// Everything is delivered at once.
#[derive(Default)]
pub(crate) struct Discard(Vec<Settlement>);

impl Publisher for Discard {
    fn destination(&self) -> String {
        "nowhere".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        self.0.push(Settlement { envelope, outcome: Outcome::Delivered });
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        std::mem::take(&mut self.0)
    }
}

/// Nothing is ever delivered.
#[derive(Default)]
pub(crate) struct Unreachable(Vec<Settlement>);

impl Publisher for Unreachable {
    fn destination(&self) -> String {
        "an unreachable place".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        self.0.push(Settlement { envelope, outcome: Outcome::Unavailable("connection refused".to_owned()) });
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        std::mem::take(&mut self.0)
    }
}

/// Answers after a timeout that it cannot tell. The worker, waiting for it, leaves the queue full.
pub(crate) struct Stalled;

impl Deduplicator for Stalled {
    fn admit(&mut self, _fingerprint: &Fingerprint) -> Verdict {
        thread::sleep(Duration::from_millis(100));
        Verdict::Admit
    }
}
