//! [`IssueGuard`]: keeps the worker alive, and sees to it that a process which ends does not lose its last errors.

use std::{
    fmt,
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{capture::Capture, control::after, stats::Stats};

/// Flushes what was captured and stops the worker when it is dropped. Keep it until the end of `main`:
///
/// ```no_run
/// let (issues, _guard) = tracing_issues::from_env()?;
/// # drop(issues);
/// # Ok::<(), tracing_issues::ConfigError>(())
/// ```
///
/// Dropping takes at most the flush timeout (5 s unless configured) and half a second, also when nothing can be reached.
/// What could not be sent by then is kept in the [spool](crate::Builder::spool) if there is one, else lost and counted as
/// `shutdown`; stderr says how much it was. What is logged later is counted as lost, too.
///
/// `std::process::exit` runs no destructors: call [`flush`](Self::flush) before it. Nor does a signal that nobody handles:
/// let SIGTERM end `main`.
#[must_use = "without the guard the worker stops at once: bind it to a name such as `_guard`, not to `_`"]
pub struct IssueGuard {
    capture: Arc<Capture>,
    flush_timeout: Duration,
    worker: Option<JoinHandle<()>>,
}

impl IssueGuard {
    pub(crate) fn new(capture: Arc<Capture>, flush_timeout: Duration, worker: JoinHandle<()>) -> Self {
        Self { capture, flush_timeout, worker: Some(worker) }
    }

    /// Sends everything captured so far, due or not, waiting at most `timeout`. Tells whether all of it was delivered in
    /// time; if not it is kept, and goes on being tried. Blocks the calling thread: not for a thread that drives futures.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.capture.control.flush(after(timeout), false)
    }

    /// The counters at this moment.
    pub fn stats(&self) -> Stats {
        self.capture.counters.snapshot(&self.capture.queue)
    }

    /// Flushes and stops as dropping does, and returns the final counters.
    pub fn shutdown(mut self) -> Stats {
        self.stop();
        self.stats()
    }

    fn stop(&mut self) {
        let Some(worker) = self.worker.take() else { return };
        // A little longer than the worker itself takes, so that it can count what it gave up.
        let grace = Duration::from_millis(500);
        let deadline = self.capture.control.last_deadline(after(self.flush_timeout));
        self.capture.control.flush(deadline, true);
        let end = Instant::now() + grace;
        while !worker.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
        if worker.is_finished() {
            let _ = worker.join();
        }
    }
}

impl Drop for IssueGuard {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for IssueGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssueGuard").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
