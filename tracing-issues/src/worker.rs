//! The worker: one named thread that takes reports, fingerprints and counts them, and sees each event through to its
//! delivery. A publisher that is down is a normal state: counts go on in the windows, and what is already an event
//! waits in the backlog with its id, so that sending it twice changes nothing.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use crate::{
    aggregate::{Due, NoRoom, Subject, Windows},
    capture,
    categorise::{Origin, categorise, redact_again},
    control::{Control, FlushRequest},
    dedup::{Deduplicator, Verdict},
    event::IssueEvent,
    fingerprint::Fingerprint,
    normalize::Normalizer,
    novelty::Novelty,
    outbox::{Outbox, say},
    queue::ReportQueue,
    redact::Redactor,
    report::{KeyHashing, Report},
    stats::{Counters, DropReason},
};

/// The shortest and longest pause between two looks at the queue. Nobody wakes the worker: waking a blocked thread
/// would cost the caller more than everything else together.
const IDLE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));
/// Reports taken in one turn, so that sending is never starved by a storm.
const REPORTS_PER_TURN: usize = 1_024;
/// How long a turn takes reports at most: a slow Redis is asked for each new error, and a deadline does not wait for it.
const TURN: Duration = Duration::from_millis(100);
/// What a service does with an event before it is sent: edits it, and tells whether it is sent at all.
pub(crate) type BeforeSend = Box<dyn FnMut(&mut IssueEvent) -> bool + Send>;

pub(crate) struct Worker {
    pub(crate) queue: Arc<ReportQueue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) control: Arc<Control>,
    pub(crate) editor: Editor,
    pub(crate) windows: Windows,
    pub(crate) novelty: Novelty,
    pub(crate) dedup: Box<dyn Deduplicator>,
    pub(crate) outbox: Outbox,
    /// As the callers hash.
    pub(crate) hashing: KeyHashing,
    pub(crate) normalizer: Normalizer,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: crate::metrics::Metrics,
}

/// Makes the events: what is known of the process, the redactor, and the service's own hook.
pub(crate) struct Editor {
    pub(crate) origin: Origin,
    pub(crate) redactor: Redactor,
    pub(crate) before_send: Option<BeforeSend>,
}

impl Editor {
    /// The event for a window's errors; `None` if the service does not want it.
    fn event(&mut self, due: &Due<'_>) -> Option<IssueEvent> {
        let mut event = categorise(due, &self.origin, &self.redactor);
        if let Some(before_send) = &mut self.before_send {
            let untouched = event.clone();
            let edit = std::panic::AssertUnwindSafe(|| before_send(&mut event));
            match std::panic::catch_unwind(edit) {
                Ok(true) => {
                    // Identity and counts are not the hook's: they are what makes each error count once.
                    let IssueEvent { event_id, fingerprint, issue_id, occurrences, first_at, last_at, .. } = untouched;
                    event = IssueEvent { event_id, fingerprint, issue_id, occurrences, first_at, last_at, ..event };
                    redact_again(&mut event, &self.redactor);
                }
                Ok(false) => return None,
                // A hook that panics must not lose the error.
                Err(_) => event = untouched,
            }
        }
        Some(event)
    }
}

impl Worker {
    /// Works until the guard asks for the last flush.
    pub(crate) fn run(mut self) {
        capture::mark_worker_thread();
        self.control.work_here();
        let (queue, control) = (Arc::clone(&self.queue), Arc::clone(&self.control));
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || self.work()));
        // Nobody takes from the queue any more. That is counted, and nobody waits for it.
        queue.close();
        control.stop();
        if outcome.is_err() {
            say("the worker has panicked; errors are no longer reported, only counted");
        }
    }

    fn work(&mut self) {
        let mut idle = IDLE.0;
        loop {
            idle = match self.turn(Instant::now()) {
                // There is more: look at the control signals, and go on.
                REPORTS_PER_TURN => Duration::ZERO,
                0 => (idle * 2).clamp(IDLE.0, IDLE.1),
                _ => IDLE.0,
            };
            #[cfg(feature = "metrics")]
            self.metrics.publish_if_due(Instant::now(), || self.counters.snapshot(&self.queue));
            if let Some(request) = self.control.wait(idle) {
                let is_complete = self.flush(request);
                if request.is_last && !is_complete {
                    self.give_up();
                }
                #[cfg(feature = "metrics")]
                self.metrics.publish(&self.counters.snapshot(&self.queue));
                self.control.finish(request, is_complete);
                if request.is_last {
                    return;
                }
            }
        }
    }

    /// One look at everything there is to do. Returns how many reports were taken.
    fn turn(&mut self, now: Instant) -> usize {
        self.outbox.open_spool(now, &self.counters);
        let taken = self.absorb();
        self.queue.restock();
        self.collect();
        while self.outbox.has_room(now) {
            let Some(due) = self.windows.next_due(now) else { break };
            send(&mut self.editor, &due, &mut self.outbox, &self.counters);
        }
        self.checkpoint(now);
        self.outbox.submit(now);
        self.outbox.settle(Duration::ZERO, &self.counters);
        taken
    }

    /// Writes to the spool what should survive the process: new events, and now and then what windows have counted.
    fn checkpoint(&mut self, now: Instant) {
        if self.outbox.is_checkpoint_due(now) {
            for fingerprint in self.windows.news() {
                if let Some(event) = self.windows.peek(fingerprint).and_then(|due| self.editor.event(&due)) {
                    self.outbox.checkpoint(event);
                }
            }
        }
        self.outbox.save(now);
    }

    /// Takes one turn's reports into their windows.
    fn absorb(&mut self) -> usize {
        let start = Instant::now();
        let mut now = start;
        for taken in 0..REPORTS_PER_TURN {
            if now.saturating_duration_since(start) > TURN {
                break;
            }
            let Some(report) = self.queue.take() else { return taken };
            self.count(report, now);
            now = Instant::now();
        }
        REPORTS_PER_TURN
    }

    /// Takes over what callers have counted.
    fn collect(&mut self) {
        self.counters.suppressed(self.windows.collect(SystemTime::now()));
        self.counters.dropped(DropReason::QueueFull, self.windows.repeats.collect_abandoned());
    }

    fn count(&mut self, mut report: Box<Report>, now: Instant) {
        let Origin { project, service, .. } = &self.editor.origin;
        if report.is_crowded
            && let Some(counter) = report.repeats.take()
        {
            let place = report.fingerprint_of_place(project, service);
            let lost = self.windows.add_place(place, &report, counter, now);
            self.counters.dropped(DropReason::TooManyIssues, lost);
        }
        let own = report.facts().fingerprint(project, service, &self.editor.redactor);
        let (fingerprint, subject) = if self.windows.is_open(&own) || self.novelty.admit(&report.place(), &own, now) {
            (own, Subject::Error)
        } else {
            (report.fingerprint_of_place(project, service), Subject::Place)
        };
        let is_open = self.windows.is_open(&fingerprint);
        let verdict = if is_open { Verdict::Suppress } else { self.dedup.admit(&fingerprint) };
        let mut errors = 1;
        if subject == Subject::Place
            && let Some(counter) = report.repeats.take()
        {
            // Its counter is worth more to an error that may come back.
            errors += self.windows.repeats.disarm(counter);
        }
        match self.windows.add(fingerprint, subject, &mut report, errors, verdict, now) {
            Ok(()) => {
                self.counters.suppressed(errors - u64::from(verdict == Verdict::Admit));
                if subject == Subject::Error {
                    let facts = report.facts();
                    let key = facts.key(&self.hashing, &mut self.normalizer);
                    self.windows.learn(&fingerprint, key, facts.key_as_is(&self.hashing));
                }
                if !is_open && self.outbox.is_down() {
                    self.say_unsent(fingerprint);
                }
            }
            Err(NoRoom) => {
                let counted = report.repeats.take().map_or(0, |counter| self.windows.repeats.disarm(counter));
                self.counters.dropped(DropReason::TooManyIssues, errors + counted);
            }
        }
        self.queue.recycle(report);
    }

    /// Sends everything that is counted, due or not. Tells whether all of it was settled before the deadline.
    fn flush(&mut self, request: FlushRequest) -> bool {
        if request.is_last {
            // Nobody will take what comes later; it is dropped at the door, and counted there.
            self.queue.close();
        }
        // Whoever waits for a flush may end the process after it, whatever came of it.
        self.outbox.hurry_checkpoint();
        loop {
            // A turn at a time: callers that go on logging must not keep us from the deadline.
            self.absorb();
            self.collect();
            if request.is_last {
                self.counters.suppressed(self.windows.disarm());
            }
            // One generation of events at a time: flushing again and again while nothing can be sent must not pile them up.
            if self.outbox.has_no_backlog() || request.is_last {
                for fingerprint in self.windows.pending() {
                    if let Some(due) = self.windows.take(fingerprint) {
                        send(&mut self.editor, &due, &mut self.outbox, &self.counters);
                    }
                }
            }
            // The pause after a failure does not count now: this may be the last chance.
            self.outbox.end_pause();
            self.checkpoint(Instant::now());
            self.outbox.submit(Instant::now());
            let left = request.deadline.saturating_duration_since(Instant::now());
            self.outbox.settle(left.min(IDLE.1), &self.counters);
            if self.outbox.is_empty() && self.queue.len() == 0 && self.windows.is_told() {
                return true;
            }
            if left.is_zero() {
                self.outbox.hurry_checkpoint();
                self.checkpoint(Instant::now());
                return false;
            }
            if self.outbox.is_paused(Instant::now()) {
                thread::sleep(left.min(IDLE.1 * 4));
            }
        }
    }

    /// The deadline has passed: what still waits is lost, and that is said.
    fn give_up(&mut self) {
        self.collect();
        self.counters.suppressed(self.windows.disarm());
        // What is here, one by one. What the counters leave over is more: at this moment callers may be counting errors as
        // lost that came too late.
        let mut unsent = self.windows.pending_errors() + self.outbox.errors();
        while let Some(mut report) = self.queue.take() {
            unsent += 1 + report.repeats.take().map_or(0, |counter| self.windows.repeats.disarm(counter));
        }
        let lost = self.outbox.give_up(unsent);
        self.counters.dropped(DropReason::Shutdown, lost);
        for fingerprint in self.windows.pending() {
            self.say_unsent(fingerprint);
        }
    }

    /// Writes an error that cannot be sent to stderr, where container logs pick it up.
    fn say_unsent(&mut self, fingerprint: Fingerprint) {
        if let Some(due) = self.windows.peek(fingerprint)
            && let Some(event) = self.editor.event(&due)
            && let Ok(payload) = event.to_json()
        {
            self.outbox.say_unsent(&event.record_key(), &payload);
        }
    }
}

/// Makes the event and puts it into the outbox.
fn send(editor: &mut Editor, due: &Due<'_>, outbox: &mut Outbox, counters: &Counters) {
    match editor.event(due) {
        Some(event) => outbox.add(event, counters),
        None => {
            outbox.forget(due.event_id);
            counters.dropped(DropReason::Filtered, due.occurrences);
        }
    }
}
