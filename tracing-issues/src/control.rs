//! Control signals for the worker: flush and stop. They do not travel through the report queue, which is full exactly
//! when they matter. Nothing here is on a caller's hot path.

use std::{
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread::{self, Thread, ThreadId},
    time::{Duration, Instant},
};

/// What the owner of the guard asks of the worker.
#[derive(Debug, Default)]
pub(crate) struct Control {
    state: Mutex<State>,
    changed: Condvar,
    worker: OnceLock<Thread>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts flush requests; the worker answers by raising `flushed` to the number it saw.
    requested: u64,
    flushed: u64,
    /// Whether the latest flush left nothing behind.
    is_complete: bool,
    /// When the latest flush gives up.
    deadline: Option<Instant>,
    stopping: bool,
    stopped: bool,
    /// Who panicked and waits or has waited for a flush, and until when.
    panicked: Option<(ThreadId, Instant)>,
}

/// A flush that the worker has to carry out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FlushRequest {
    number: u64,
    pub(crate) deadline: Instant,
    /// The worker ends after this flush.
    pub(crate) is_last: bool,
}

impl Control {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which thread is to be woken: the worker's own.
    pub(crate) fn work_here(&self) {
        let _ = self.worker.set(thread::current());
    }

    /// Wakes the worker before its time, because the queue fills up. Costs a system call only if it sleeps.
    pub(crate) fn nudge(&self) {
        if let Some(worker) = self.worker.get() {
            worker.unpark();
        }
    }

    /// Asks for a flush and waits until it is done or `deadline` has passed. Tells whether it was done in time.
    pub(crate) fn flush(&self, deadline: Instant, is_last: bool) -> bool {
        let mut state = self.lock();
        state.requested += 1;
        state.deadline = Some(state.deadline.map_or(deadline, |earlier| earlier.max(deadline)));
        state.stopping |= is_last;
        let number = state.requested;
        self.nudge();
        while state.flushed < number && !state.stopped {
            let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return false;
            };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.flushed >= number && state.is_complete
    }

    /// The flush of a panic hook, before the thread unwinds.
    pub(crate) fn flush_at_panic(&self, deadline: Instant) {
        self.lock().panicked = Some((thread::current().id(), deadline));
        self.flush(deadline, false);
    }

    /// Until when a last flush may take that has until `deadline`. A panic that unwinds has waited in its hook already, and
    /// does not wait as long once more.
    pub(crate) fn last_deadline(&self, deadline: Instant) -> Instant {
        match self.lock().panicked {
            Some((thread, until)) if thread::panicking() && thread == thread::current().id() => deadline.min(until),
            _ => deadline,
        }
    }

    /// Waits at most `idle` for a request; called by the worker between two looks at the queue.
    pub(crate) fn wait(&self, idle: Duration) -> Option<FlushRequest> {
        // Woken for a request or by a nudge: the token is kept, so neither can be missed.
        if self.request().is_none() && !idle.is_zero() {
            thread::park_timeout(idle);
        }
        self.request()
    }

    fn request(&self) -> Option<FlushRequest> {
        let state = self.lock();
        (state.requested > state.flushed).then(|| FlushRequest {
            number: state.requested,
            deadline: state.deadline.unwrap_or_else(Instant::now),
            is_last: state.stopping,
        })
    }

    /// The worker is gone, whyever: nobody waits for it any more.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Answers a request: everything before it is settled, or its deadline has passed.
    pub(crate) fn finish(&self, request: FlushRequest, is_complete: bool) {
        let mut state = self.lock();
        state.flushed = request.number;
        state.is_complete = is_complete;
        // A newer request keeps its own deadline: it is answered by the next flush.
        if state.requested == request.number {
            state.deadline = None;
        }
        state.stopped |= request.is_last;
        drop(state);
        self.changed.notify_all();
    }
}

/// Now and `timeout`; an endless one is a year.
pub(crate) fn after(timeout: Duration) -> Instant {
    let year = Duration::from_secs(365 * 86_400);
    Instant::now() + timeout.min(year)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, thread};

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[test]
    fn a_request_that_comes_during_a_flush_keeps_its_deadline() {
        let control = Arc::new(Control::default());
        assert!(!control.flush(soon(), false), "nobody works");
        let first = control.wait(Duration::ZERO).unwrap();
        let deadline = later();
        let other = Arc::clone(&control);
        let waiting = thread::spawn(move || other.flush(deadline, true));
        while control.lock().requested < 2 {
            thread::yield_now();
        }
        control.finish(first, false);
        let second = control.wait(Duration::ZERO).unwrap();
        assert_eq!((second.deadline, second.is_last), (deadline, true));
        control.finish(second, true);
        assert!(waiting.join().unwrap());
    }
}
