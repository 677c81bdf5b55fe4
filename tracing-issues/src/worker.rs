//! The worker: one named thread that takes reports, fingerprints and counts them, and sees each event through to its
//! delivery. A publisher that is down is a normal state: counts go on in the windows, and what is already an event
//! waits in the backlog with its id, so that sending it twice changes nothing.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    aggregate::Windows,
    capture::Report,
    categorise::{Origin, categorise},
    control::{Control, FlushRequest},
    dedup::{Deduplicator, Verdict},
    event::IssueEvent,
    layer,
    publish::{Envelope, Outcome, Publisher, Settlement},
    queue::ReportQueue,
    stats::{Counters, DropReason, Dropped},
};

/// The shortest and longest pause between two looks at the queue. Nobody wakes the worker: waking a blocked thread
/// would cost the caller more than everything else together.
const IDLE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(50));
/// Reports taken in one turn, so that sending is never starved by a storm.
const REPORTS_PER_TURN: usize = 1_024;
/// Events handed to the publisher and not settled yet; beyond that, errors only count up in their windows.
const MAX_IN_FLIGHT: usize = 256;
/// The largest event on the wire; details are cut before anything is refused.
const MAX_EVENT_BYTES: usize = 256 * 1024;
/// The shortest and longest pause after the publisher failed.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

pub(crate) struct Worker {
    pub(crate) queue: Arc<ReportQueue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) control: Arc<Control>,
    pub(crate) origin: Origin,
    pub(crate) windows: Windows,
    pub(crate) dedup: Box<dyn Deduplicator>,
    pub(crate) outbox: Outbox,
}

impl Worker {
    /// Works until the guard asks for the last flush.
    pub(crate) fn run(mut self) {
        layer::mark_worker_thread();
        let mut idle = IDLE.0;
        loop {
            idle = match self.turn(Instant::now()) {
                // There is more: look at the control signals, and go on.
                REPORTS_PER_TURN => Duration::ZERO,
                0 => (idle * 2).clamp(IDLE.0, IDLE.1),
                _ => IDLE.0,
            };
            if let Some(request) = self.control.wait(idle) {
                let is_complete = self.flush(request);
                if request.is_last && !is_complete {
                    self.give_up();
                }
                self.control.finish(request, is_complete);
                if request.is_last {
                    return;
                }
            }
        }
    }

    /// One look at everything there is to do. Returns how many reports were taken.
    fn turn(&mut self, now: Instant) -> usize {
        let taken = self.absorb();
        while self.outbox.has_room(now) {
            let Some(event) = self.windows.next_due(now) else { break };
            self.outbox.add(event, &self.counters);
            self.outbox.submit(now);
        }
        self.outbox.submit(now);
        self.outbox.settle(Duration::ZERO, &self.counters);
        taken
    }

    /// Takes one turn's reports into their windows.
    fn absorb(&mut self) -> usize {
        for taken in 0..REPORTS_PER_TURN {
            let Some(report) = self.queue.take() else { return taken };
            self.count(report);
        }
        REPORTS_PER_TURN
    }

    fn count(&mut self, report: Report) {
        let (fingerprint, event) = categorise(report, &self.origin);
        let is_open = self.windows.is_open(&fingerprint);
        let verdict = if is_open { Verdict::Suppress } else { self.dedup.admit(&fingerprint) };
        match self.windows.add(fingerprint, event, verdict, Instant::now()) {
            Ok(()) if verdict == Verdict::Suppress => self.counters.suppressed(1),
            Ok(()) => (),
            Err(_) => self.counters.dropped(DropReason::TooManyIssues, 1),
        }
    }

    /// Sends everything that is counted, due or not. Tells whether all of it was settled before the deadline.
    fn flush(&mut self, request: FlushRequest) -> bool {
        if request.is_last {
            // Nobody will take what comes later; it is dropped at the door, and counted there.
            self.queue.close();
        }
        loop {
            // A turn at a time: callers that go on logging must not keep us from the deadline.
            self.absorb();
            // One generation of events at a time: flushing again and again while nothing can be sent must not pile them up.
            if self.outbox.backlog.is_empty() || request.is_last {
                for event in self.windows.take_all() {
                    self.outbox.add(event, &self.counters);
                }
            }
            // The pause after a failure does not count now: this may be the last chance.
            self.outbox.end_pause();
            self.outbox.submit(Instant::now());
            let left = request.deadline.saturating_duration_since(Instant::now());
            self.outbox.settle(left.min(IDLE.1), &self.counters);
            if self.outbox.is_empty() && self.queue.is_empty() && self.windows.is_told() {
                return true;
            }
            if left.is_zero() {
                return false;
            }
            if self.outbox.is_paused(Instant::now()) {
                std::thread::sleep(left.min(IDLE.1 * 4));
            }
        }
    }

    /// The deadline has passed: what still waits is lost, and that is said.
    fn give_up(&mut self) {
        let lost = self.counters.snapshot().waiting;
        self.counters.dropped(DropReason::Shutdown, lost);
        say(&format!("{lost} errors could not be sent to {} before the exit", self.outbox.publisher.destination()));
        for envelope in self.outbox.backlog.iter().take(10) {
            say(&format!("not sent ({} times): {}", envelope.occurrences, envelope.title.escape_debug()));
        }
    }
}

/// Events on their way: handed to the publisher, or waiting for it.
pub(crate) struct Outbox {
    publisher: Box<dyn Publisher>,
    in_flight: usize,
    /// To be sent before anything new, oldest first.
    backlog: VecDeque<Envelope>,
    /// Set while the publisher is down: when to try again, and how long to wait after that.
    pause: Option<(Instant, Duration)>,
    is_down: bool,
    /// The drops that events have told the server about.
    told: Dropped,
}

impl Outbox {
    pub(crate) fn new(publisher: Box<dyn Publisher>) -> Self {
        Self {
            publisher,
            in_flight: 0,
            backlog: VecDeque::new(),
            pause: None,
            is_down: false,
            told: Dropped::default(),
        }
    }

    fn has_room(&self, now: Instant) -> bool {
        self.backlog.is_empty() && self.in_flight < MAX_IN_FLIGHT && !self.is_paused(now)
    }

    fn is_empty(&self) -> bool {
        self.backlog.is_empty() && self.in_flight == 0
    }

    fn is_paused(&self, now: Instant) -> bool {
        self.pause.is_some_and(|(until, _)| now < until)
    }

    fn end_pause(&mut self) {
        if let Some((until, _)) = &mut self.pause {
            *until = Instant::now();
        }
    }

    /// Makes an event ready to be sent; it tells the server what was lost since the previous one.
    fn add(&mut self, mut event: IssueEvent, counters: &Counters) {
        let lost = counters.lost();
        event.dropped_before = lost
            .by_reason()
            .into_iter()
            .zip(self.told.by_reason())
            .filter(|((_, now), (_, before))| now > before)
            .map(|((reason, now), (_, before))| (reason.to_owned(), now - before))
            .collect();
        self.told = lost;
        let occurrences = event.occurrences;
        match Envelope::of(&mut event, MAX_EVENT_BYTES) {
            Some(envelope) => self.backlog.push_back(envelope),
            None => counters.dropped(DropReason::Rejected, occurrences),
        }
    }

    fn submit(&mut self, now: Instant) {
        if self.is_paused(now) {
            return;
        }
        while self.in_flight < MAX_IN_FLIGHT {
            let Some(envelope) = self.backlog.pop_front() else { return };
            match self.publisher.submit(envelope) {
                Ok(()) => self.in_flight += 1,
                Err(envelope) => return self.backlog.push_front(envelope),
            }
        }
    }

    fn settle(&mut self, budget: Duration, counters: &Counters) {
        for Settlement { envelope, outcome } in self.publisher.settle(budget) {
            self.in_flight = self.in_flight.saturating_sub(1);
            match outcome {
                Outcome::Delivered => {
                    counters.delivered(envelope.occurrences);
                    self.is_up();
                }
                Outcome::Rejected(reason) => {
                    counters.dropped(DropReason::Rejected, envelope.occurrences);
                    say(&format!(
                        "refused by {}: {reason}: {}",
                        self.publisher.destination(),
                        envelope.title.escape_debug()
                    ));
                }
                Outcome::Unavailable(reason) => {
                    self.backlog.push_back(envelope);
                    self.went_down(&reason);
                }
            }
        }
    }

    fn is_up(&mut self) {
        self.pause = None;
        if std::mem::take(&mut self.is_down) {
            say(&format!("{} is back; what was kept is being sent", self.publisher.destination()));
        }
    }

    fn went_down(&mut self, reason: &str) {
        let now = Instant::now();
        if self.is_paused(now) {
            return;
        }
        let delay = self.pause.map_or(BACKOFF.0, |(_, next)| next);
        self.pause = Some((now + jittered(delay), (delay * 2).min(BACKOFF.1)));
        if !std::mem::replace(&mut self.is_down, true) {
            let destination = self.publisher.destination();
            say(&format!("{destination} is unreachable ({reason}); errors are counted and kept until it is back"));
        }
    }
}

/// `delay` and up to a quarter more, so that the instances of a service do not return in step.
fn jittered(delay: Duration) -> Duration {
    let random = u32::from(uuid::Uuid::now_v7().as_bytes()[15]);
    delay + delay * random / 1_024
}

/// Tells the operator by the one way that always works. Changes of state only, never per error.
#[expect(
    clippy::print_stderr,
    reason = "container logs are where operators look when the road to the server is broken"
)]
fn say(text: &str) {
    eprintln!("tracing-issues: {text}");
}
