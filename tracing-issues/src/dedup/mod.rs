//! Deduplication between the instances of one service: has anybody reported this fingerprint already? It thins traffic
//! and is never the truth: a wrong answer, or none, changes when an event goes out, never what is counted.
//! Repeats within one process do not come here, they are counted in its own suppression windows (`aggregate`).

#[cfg(feature = "redis")]
pub(crate) mod redis;

use crate::fingerprint::Fingerprint;

/// Whether an error goes out at once or is counted first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody is known to have reported it: send it at once.
    Admit,
    /// Another instance has: count it, and send the count with the next summary.
    Suppress,
}

/// Asks the other instances of the service: something shared of your own instead of Redis, for
/// [`Builder::deduplicator`](crate::Builder::deduplicator). Called on the library's thread, once per fingerprint and window,
/// where nothing that is logged is captured. It must not panic: that ends the reporting.
pub trait Deduplicator: Send {
    /// Records that this instance reports `fingerprint` and tells whether another one already did.
    ///
    /// Fails open: when it cannot tell, the verdict is [`Verdict::Admit`]. Returns within a fraction of a second.
    fn admit(&mut self, fingerprint: &Fingerprint) -> Verdict;
}

/// For a service with nothing to share through: every process reports for itself.
#[derive(Debug, Default)]
pub(crate) struct Local;

impl Deduplicator for Local {
    fn admit(&mut self, _fingerprint: &Fingerprint) -> Verdict {
        Verdict::Admit
    }
}
