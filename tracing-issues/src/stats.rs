//! The library's counters. Every error that reaches the layer is in exactly one of them at any instant:
//! `seen = delivered + queued + aggregated + dropped`.
//! It does not report anything by itself: [`IssueGuard::stats`](crate::IssueGuard::stats) shows a snapshot.

use std::sync::atomic::{
    AtomicU8, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

use serde::Serialize;

use crate::queue::ReportQueue;

/// Declares the reasons for a drop once: enum, counters and names cannot disagree.
macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:ident),+ $(,)?) => {
        /// Why an error was not delivered.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum DropReason { $($(#[$doc])* $variant),+ }

        /// Errors that were not delivered, by [reason](DropReason). They are told to the server with the next event.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Dropped { $($(#[$doc])* pub $name: u64),+ }

        impl Dropped {
            /// All of them.
            pub fn total(&self) -> u64 { 0 $(+ self.$name)+ }

            /// Each reason, as it is called on the wire, with its count.
            pub fn by_reason(&self) -> Vec<(&'static str, u64)> { vec![$((stringify!($name), self.$name)),+] }
        }

        #[derive(Debug, Default)]
        struct DropCounters { $($name: AtomicU64),+ }

        impl DropCounters {
            fn counter(&self, reason: DropReason) -> &AtomicU64 {
                match reason { $(DropReason::$variant => &self.$name),+ }
            }

            fn snapshot(&self) -> Dropped { Dropped { $($name: self.$name.load(Acquire)),+ } }
        }
    };
}

drop_reasons! {
    /// The queue to the worker was full.
    QueueFull = queue_full,
    /// The error was logged while another one was being captured on the same thread (by a `Debug` that logs).
    Reentrant = reentrant,
    /// More different errors (4,096) were counted and not told yet than are kept.
    TooManyIssues = too_many_issues,
    /// The receiver refused the event for good.
    Rejected = rejected,
    /// The time to flush at exit ran out, or it was logged after that.
    Shutdown = shutdown,
    /// [`Builder::before_send`](crate::Builder::before_send) dropped the event.
    Filtered = filtered,
}

/// A snapshot of the counters, since the layer was built. All counts are errors except where it says events.
///
/// At any instant, `seen = delivered + queued + aggregated + dropped.total()`. What is left out by level or by
/// [`Builder::filter`](crate::Builder::filter), and what the library's own threads log, is in none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Errors that reached the layer, and those that were adopted.
    pub seen: u64,
    /// Errors of a former process that were found in the spool.
    pub adopted: u64,
    /// Those that were counted into a later summary instead of being sent as an event of their own.
    pub suppressed: u64,
    /// Events (not errors) that the receiver acknowledged.
    pub published: u64,
    /// Errors that those events stand for.
    pub delivered: u64,
    /// Reports that wait for the worker.
    pub queued: u64,
    /// Errors that are counted and not delivered yet: in a window, waiting for a blocked road, or in flight.
    pub aggregated: u64,
    /// Errors that were lost, by reason.
    pub dropped: Dropped,
    /// How it goes with the road to the receiver.
    pub road: Road,
}

impl Stats {
    /// Errors that are still on their way.
    pub fn waiting(&self) -> u64 {
        self.queued + self.aggregated
    }
}

/// The state of the road to the receiver. It is never gone for good: a blocked one is tried again for ever.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Road {
    /// Nothing was sent yet.
    #[default]
    Connecting,
    /// The receiver took the latest event.
    Connected,
    /// The receiver cannot be reached; errors are counted and kept.
    Down,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    seen: AtomicU64,
    adopted: AtomicU64,
    suppressed: AtomicU64,
    published: AtomicU64,
    delivered: AtomicU64,
    dropped: DropCounters,
    road: AtomicU8,
}

impl Counters {
    /// Counts an error at the door, before anything else can happen to it.
    #[inline]
    pub(crate) fn seen(&self) {
        self.seen.fetch_add(1, Relaxed);
    }

    pub(crate) fn adopted(&self, errors: u64) {
        self.seen.fetch_add(errors, Relaxed);
        self.adopted.fetch_add(errors, Relaxed);
    }

    pub(crate) fn suppressed(&self, errors: u64) {
        self.suppressed.fetch_add(errors, Relaxed);
    }

    pub(crate) fn delivered(&self, errors: u64) {
        self.published.fetch_add(1, Relaxed);
        self.delivered.fetch_add(errors, Release);
    }

    pub(crate) fn dropped(&self, reason: DropReason, errors: u64) {
        self.dropped.counter(reason).fetch_add(errors, Release);
    }

    pub(crate) fn lost(&self) -> Dropped {
        self.dropped.snapshot()
    }

    pub(crate) fn road_is(&self, road: Road) {
        self.road.store(road as u8, Relaxed);
    }

    pub(crate) fn snapshot(&self, queue: &ReportQueue) -> Stats {
        // Later stages are read first: an error that moves on meanwhile is then seen as waiting, never twice. Acquired, so
        // that what is read here was seen before also on machines that reorder.
        let dropped = self.dropped.snapshot();
        let (published, delivered) = (self.published.load(Relaxed), self.delivered.load(Acquire));
        let suppressed = self.suppressed.load(Relaxed);
        let waiting_in_queue = queue.len() as u64;
        let adopted = self.adopted.load(Relaxed);
        let seen = self.seen.load(Relaxed);
        let waiting = seen.saturating_sub(delivered + dropped.total());
        let queued = waiting_in_queue.min(waiting);
        let road = match self.road.load(Relaxed) {
            road if road == Road::Connected as u8 => Road::Connected,
            road if road == Road::Down as u8 => Road::Down,
            _ => Road::Connecting,
        };
        Stats { seen, adopted, suppressed, published, delivered, queued, aggregated: waiting - queued, dropped, road }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_is_in_exactly_one_place() {
        let (counters, queue) = (Counters::default(), ReportQueue::with_capacity(8));
        for _ in 0..7 {
            counters.seen();
        }
        counters.dropped(DropReason::QueueFull, 2);
        counters.dropped(DropReason::Rejected, 1);
        counters.delivered(3);
        assert!(queue.offer(queue.blank()).is_ok());
        let stats = counters.snapshot(&queue);
        assert_eq!((stats.queued, stats.aggregated, stats.delivered, stats.dropped.total()), (1, 0, 3, 3));
        assert_eq!(stats.seen, stats.delivered + stats.waiting() + stats.dropped.total());
    }
}
