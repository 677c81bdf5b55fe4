//! The bounded queue between the callers' threads and the worker. Offering never waits; what does not fit is handed
//! back to be counted. It carries reports only: flush and shutdown travel beside it, in [`control`](crate::control).

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use crossbeam_queue::ArrayQueue;

use crate::{capture::Report, stats::DropReason};

/// Reports on their way to the worker, oldest first.
#[derive(Debug)]
pub(crate) struct ReportQueue {
    reports: ArrayQueue<Report>,
    is_closed: AtomicBool,
}

impl ReportQueue {
    /// An empty queue for at most `capacity` reports (at least one).
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { reports: ArrayQueue::new(capacity.max(1)), is_closed: AtomicBool::new(false) }
    }

    /// Appends a report without waiting and without waking anybody.
    ///
    /// # Errors
    /// Why it was dropped: the queue is full, or nobody takes from it any more.
    pub(crate) fn offer(&self, report: Report) -> Result<(), DropReason> {
        if self.is_closed.load(Relaxed) {
            return Err(DropReason::Shutdown);
        }
        self.reports.push(report).map_err(|_| DropReason::QueueFull)
    }

    /// Refuses what is offered from now on.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Relaxed);
    }

    /// Takes the oldest report.
    pub(crate) fn take(&self) -> Option<Report> {
        self.reports.pop()
    }

    /// Whether nothing waits at this moment.
    pub(crate) fn is_empty(&self) -> bool {
        self.reports.is_empty()
    }
}
