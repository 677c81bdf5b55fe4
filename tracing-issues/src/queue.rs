//! The bounded queue between the callers' threads and the worker, and the way back of used reports, so that a caller
//! need not allocate one. Offering never waits; what does not fit is handed back to be counted.
//! It carries reports only: flush and shutdown travel beside it, in [`control`](crate::control).

use std::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{AcqRel, Relaxed},
};

use crossbeam_queue::ArrayQueue;

use crate::{report::Report, stats::DropReason};

/// The most bytes of all reports that wait.
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Used reports that are kept for the next errors.
const RECYCLED: usize = 1_024;
/// Reports that are always there to be filled.
const STOCK: usize = 64;

/// Reports on their way to the worker, oldest first.
#[derive(Debug)]
pub(crate) struct ReportQueue {
    reports: ArrayQueue<Box<Report>>,
    /// What the reports weigh; the one number that tells how full the queue is.
    bytes: AtomicUsize,
    recycled: ArrayQueue<Box<Report>>,
    is_closed: AtomicBool,
}

/// How full the queue is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pressure {
    /// The worker keeps up.
    Calm,
    /// A quarter or more: reports come faster than the worker takes them.
    Busy,
    /// Half or more: the room that is left is kept for errors from other places.
    Crowded,
}

impl ReportQueue {
    /// An empty queue for at most `capacity` reports (at least two).
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        let capacity = capacity.max(2);
        Self {
            reports: ArrayQueue::new(capacity),
            bytes: AtomicUsize::new(0),
            recycled: ArrayQueue::new(RECYCLED.min(capacity)),
            is_closed: AtomicBool::new(false),
        }
    }

    /// Appends a report without waiting and without waking anybody.
    ///
    /// # Errors
    /// The report, and why it was refused: the queue is full, or nobody takes from it any more.
    pub(crate) fn offer(&self, report: Box<Report>) -> Result<(), (Box<Report>, DropReason)> {
        if self.is_closed() {
            return Err((report, DropReason::Shutdown));
        }
        let weight = self.weight_of(&report);
        if self.bytes.fetch_add(weight, AcqRel) + weight > MAX_BYTES {
            self.bytes.fetch_sub(weight, AcqRel);
            return Err((report, DropReason::QueueFull));
        }
        self.reports.push(report).map_err(|report| {
            self.bytes.fetch_sub(weight, AcqRel);
            (report, DropReason::QueueFull)
        })
    }

    /// How full it is.
    #[inline]
    pub(crate) fn pressure(&self) -> Pressure {
        match self.bytes.load(Relaxed) {
            bytes if bytes < MAX_BYTES / 4 => Pressure::Calm,
            bytes if bytes < MAX_BYTES / 2 => Pressure::Busy,
            _ => Pressure::Crowded,
        }
    }

    /// The bytes that count for a report: at least its share, so that a queue full of small ones is as heavy as can be.
    fn weight_of(&self, report: &Report) -> usize {
        report.weight().max(MAX_BYTES / self.reports.capacity())
    }

    /// Refuses what is offered from now on.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Relaxed);
    }

    /// Whether nobody takes from it any more.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(Relaxed)
    }

    /// Takes the oldest report.
    pub(crate) fn take(&self) -> Option<Box<Report>> {
        let report = self.reports.pop()?;
        self.bytes.fetch_sub(self.weight_of(&report), AcqRel);
        Some(report)
    }

    /// How many wait at this moment.
    pub(crate) fn len(&self) -> usize {
        self.reports.len()
    }

    /// Gives a report back to be filled again.
    pub(crate) fn recycle(&self, mut report: Box<Report>) {
        // Cleared here, on the worker: what a report refers to is not the caller's to free.
        report.clear();
        let _ = self.recycled.push(report);
    }

    /// Sees to it that callers find reports to fill, whose buffers need not grow; called by the worker.
    pub(crate) fn restock(&self) {
        while self.recycled.len() < STOCK.min(self.recycled.capacity()) {
            let _ = self.recycled.push(Box::new(Report::with_buffers()));
        }
    }

    /// A report to fill: a used one if there is one.
    pub(crate) fn blank(&self) -> Box<Report> {
        self.recycled.pop().unwrap_or_else(|| Box::new(Report::with_buffers()))
    }
}
