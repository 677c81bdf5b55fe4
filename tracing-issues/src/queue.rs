//! The bounded queue between the callers' threads and the worker. Offering never waits; what does not fit is handed
//! back to be counted. It carries reports only: flush and shutdown travel beside it, in [`control`](crate::control).

use crossbeam_queue::ArrayQueue;

use crate::capture::Report;

/// Reports on their way to the worker, oldest first.
#[derive(Debug)]
pub(crate) struct ReportQueue {
    reports: ArrayQueue<Report>,
}

impl ReportQueue {
    /// An empty queue for at most `capacity` reports (at least one).
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { reports: ArrayQueue::new(capacity.max(1)) }
    }

    /// Appends a report without waiting and without waking anybody.
    ///
    /// # Errors
    /// The report, if the queue is full.
    #[allow(clippy::result_large_err, reason = "a refused report is dropped at once by its only caller")]
    pub(crate) fn offer(&self, report: Report) -> Result<(), Report> {
        self.reports.push(report)
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
