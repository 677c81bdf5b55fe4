//! The outbox: events on their way, handed to the publisher or waiting for it. What is an event already keeps its id and its
//! bytes, so that sending it twice changes nothing. It makes no events: the worker does.

use std::{
    collections::{HashSet, VecDeque},
    io::{self, Write as _},
    time::{Duration, Instant},
};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{
    event::IssueEvent,
    journal::Journal,
    publish::{Envelope, Outcome, Publisher, Settlement},
    stats::{Counters, DropReason, Dropped, Road},
};

/// Events handed to the publisher and not settled yet; beyond that, errors only count up in their windows.
const MAX_IN_FLIGHT: usize = 256;
/// The bytes of all events on their way, beyond which no more are made.
const MAX_BYTES: usize = 4 * 1024 * 1024;
/// The largest event on the wire; details are cut before anything is refused.
const MAX_EVENT_BYTES: usize = 256 * 1024;
/// The shortest and longest pause after the publisher failed; each is twice as long as the one before.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

/// Errors that stderr names per outage: the rest is only counted.
const MAX_UNSENT_LINES: usize = 1_000;

/// Events on their way.
pub(crate) struct Outbox {
    publisher: Box<dyn Publisher>,
    in_flight: usize,
    /// Of everything that is in flight or in the backlog.
    bytes: usize,
    /// The errors of the same.
    errors: u64,
    /// To be sent before anything new, oldest first.
    backlog: VecDeque<Envelope>,
    /// Events that wait, and survive the process.
    journal: Journal,
    /// The errors of those.
    kept: u64,
    /// Set while the publisher is down: when to try again, and how long to wait after that.
    pause: Option<(Instant, Duration)>,
    is_down: bool,
    /// The errors that stderr was told of in this outage, by the keys of their records.
    said: HashSet<String>,
    /// The drops that events have told the server about.
    told: Dropped,
}

impl Outbox {
    pub(crate) fn new(publisher: Box<dyn Publisher>, journal: Journal) -> Self {
        Self {
            publisher,
            in_flight: 0,
            bytes: 0,
            errors: 0,
            backlog: VecDeque::new(),
            journal,
            kept: 0,
            pause: None,
            is_down: false,
            said: HashSet::new(),
            told: Dropped::default(),
        }
    }

    /// Whether more events should be made now.
    pub(crate) fn has_room(&self, now: Instant) -> bool {
        let is_blocked = self.is_paused(now) || self.is_down && !self.backlog.is_empty();
        !is_blocked && self.in_flight + self.backlog.len() < MAX_IN_FLIGHT && self.bytes < MAX_BYTES
    }

    pub(crate) fn has_no_backlog(&self) -> bool {
        self.backlog.is_empty()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.backlog.is_empty() && self.in_flight == 0
    }

    /// For how many errors the events on their way stand.
    pub(crate) fn errors(&self) -> u64 {
        self.errors
    }

    pub(crate) fn is_down(&self) -> bool {
        self.is_down
    }

    pub(crate) fn is_paused(&self, now: Instant) -> bool {
        self.pause.is_some_and(|(until, _)| now < until)
    }

    pub(crate) fn end_pause(&mut self) {
        if let Some((until, _)) = &mut self.pause {
            *until = Instant::now();
        }
    }

    /// Makes an event ready to be sent; it tells the server what was lost since the previous one.
    pub(crate) fn add(&mut self, mut event: IssueEvent, counters: &Counters) {
        let lost = counters.lost();
        event.dropped_before = lost
            .by_reason()
            .into_iter()
            .zip(self.told.by_reason())
            .filter(|((_, now), (_, before))| now > before)
            .map(|((reason, now), (_, before))| (reason.to_owned(), now - before))
            .collect();
        let occurrences = event.occurrences;
        match Envelope::of(&mut event, MAX_EVENT_BYTES) {
            Some(envelope) => {
                self.told = lost;
                self.push(envelope);
            }
            None => {
                self.journal.settled(event.event_id);
                counters.dropped(DropReason::Rejected, occurrences);
            }
        }
    }

    fn push(&mut self, envelope: Envelope) {
        self.bytes += envelope.payload.len();
        self.errors += envelope.occurrences;
        self.journal.append(&envelope);
        if self.journal.keeps(envelope.event_id) {
            self.kept += envelope.occurrences;
        }
        self.backlog.push_back(envelope);
    }

    /// Opens the spool if need be, and takes over what a former process has left in it.
    pub(crate) fn open_spool(&mut self, now: Instant, counters: &Counters) {
        let was_open = self.journal.is_open();
        let left = self.journal.open(now);
        if !was_open && self.journal.is_open() {
            self.keep_backlog();
        }
        if left.is_empty() {
            return;
        }
        let errors: u64 = left.iter().map(|envelope| envelope.occurrences).sum();
        say(&format!("{errors} errors that a former process could not send are sent now"));
        counters.adopted(errors);
        left.into_iter().for_each(|envelope| self.push(envelope));
    }

    /// Whether the counts of open windows should be written down now.
    pub(crate) fn is_checkpoint_due(&mut self, now: Instant) -> bool {
        self.journal.is_checkpoint_due(now)
    }

    /// Lets the next checkpoint be due at once.
    pub(crate) fn hurry_checkpoint(&mut self) {
        self.journal.hurry_checkpoint();
    }

    /// Writes down what a window has counted so far, as its next event would tell it now.
    pub(crate) fn checkpoint(&mut self, mut event: IssueEvent) {
        if let Some(envelope) = Envelope::of(&mut event, MAX_EVENT_BYTES) {
            self.journal.checkpoint(&envelope);
        }
    }

    /// Forgets what was written down of an event that is not to be sent.
    pub(crate) fn forget(&mut self, id: Uuid) {
        self.journal.settled(id);
    }

    /// Writes to the spool what came since the last time. Before anything is sent: then it is there whatever happens.
    pub(crate) fn save(&mut self, now: Instant) {
        if self.journal.flush(now) {
            self.keep_backlog();
        }
    }

    /// Gives the spool what waits and is not in it.
    fn keep_backlog(&mut self) {
        let backlog = std::mem::take(&mut self.backlog);
        backlog.iter().for_each(|envelope| self.keep(envelope));
        self.backlog = backlog;
    }

    fn keep(&mut self, envelope: &Envelope) {
        if !self.journal.keeps(envelope.event_id) {
            self.journal.append(envelope);
            if self.journal.keeps(envelope.event_id) {
                self.kept += envelope.occurrences;
            }
        }
    }

    /// Hands what waits to the publisher.
    pub(crate) fn submit(&mut self, now: Instant) {
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

    /// Drives the publisher for at most `budget`, and sees to what became of the events.
    pub(crate) fn settle(&mut self, budget: Duration, counters: &Counters) {
        for Settlement { envelope, outcome } in self.publisher.settle(budget) {
            self.in_flight = self.in_flight.saturating_sub(1);
            if !matches!(outcome, Outcome::Unavailable(_)) {
                self.bytes = self.bytes.saturating_sub(envelope.payload.len());
                self.errors = self.errors.saturating_sub(envelope.occurrences);
                if self.journal.keeps(envelope.event_id) {
                    self.kept = self.kept.saturating_sub(envelope.occurrences);
                }
                self.journal.settled(envelope.event_id);
            }
            match outcome {
                Outcome::Delivered => {
                    counters.delivered(envelope.occurrences);
                    self.is_up(counters);
                }
                Outcome::Rejected(reason) => {
                    counters.dropped(DropReason::Rejected, envelope.occurrences);
                    let destination = self.publisher.destination();
                    let (reason, title) = (reason.escape_debug(), envelope.title.escape_debug());
                    say(&format!("refused by {destination}: {reason}: {title}"));
                }
                Outcome::Unavailable(reason) => {
                    self.went_down(&reason, counters);
                    self.say_unsent(&envelope.key, &envelope.payload);
                    // It may have been in flight when the spool was opened, or the disk came back.
                    self.keep(&envelope);
                    self.backlog.push_back(envelope);
                }
            }
        }
    }

    /// Writes an error that cannot be sent to stderr, once per outage, where container logs pick it up.
    pub(crate) fn say_unsent(&mut self, key: &str, payload: &[u8]) {
        if self.said.len() < MAX_UNSENT_LINES && self.said.insert(key.to_owned()) {
            say_line(&unsent_line(payload));
        }
    }

    /// The process ends, and so many errors are not sent. Returns how many of them are lost: those that no spool keeps.
    pub(crate) fn give_up(&mut self, unsent: u64) -> u64 {
        self.save(Instant::now());
        let kept = if self.journal.directory().is_some() { self.kept } else { 0 };
        let lost = unsent.saturating_sub(kept);
        let destination = self.publisher.destination();
        if let Some(directory) = self.journal.directory().filter(|_| lost < unsent) {
            let kept = unsent - lost;
            say(&format!(
                "{kept} errors could not be sent to {destination} before the exit; they are kept in {}",
                directory.display()
            ));
        }
        if lost > 0 {
            say(&format!("{lost} errors could not be sent to {destination} before the exit"));
        }
        for envelope in std::mem::take(&mut self.backlog) {
            self.say_unsent(&envelope.key, &envelope.payload);
        }
        lost
    }

    fn is_up(&mut self, counters: &Counters) {
        self.pause = None;
        self.said.clear();
        counters.road_is(Road::Connected);
        if std::mem::take(&mut self.is_down) {
            say(&format!("{} is back; what was kept is being sent", self.publisher.destination()));
        }
    }

    fn went_down(&mut self, reason: &str, counters: &Counters) {
        let now = Instant::now();
        if self.is_paused(now) {
            return;
        }
        let delay = self.pause.map_or(BACKOFF.0, |(_, next)| next);
        self.pause = Some((now + jittered(delay), (delay * 2).min(BACKOFF.1)));
        counters.road_is(Road::Down);
        if !std::mem::replace(&mut self.is_down, true) {
            let destination = self.publisher.destination();
            say(&format!("{destination} is unreachable ({reason}); errors are counted and kept until it is back"));
        }
    }
}

/// `delay` and up to a quarter more, so that the instances of a service do not return in step.
fn jittered(delay: Duration) -> Duration {
    let random = u32::from(Uuid::now_v7().as_bytes()[15]);
    delay + delay * random / 1_024
}

/// An event in the form that collectors of container logs understand: one line of JSON, with what is needed to find the error.
fn unsent_line(payload: &[u8]) -> String {
    const FIELDS: [&str; 8] =
        ["service", "component", "severity", "occurrences", "first_at", "location", "error", "fingerprint"];
    let mut event = match serde_json::from_slice(payload) {
        Ok(Value::Object(event)) => event,
        _ => Map::new(),
    };
    let mut line = Map::new();
    line.insert("timestamp".to_owned(), event.remove("last_at").unwrap_or_default());
    line.insert("level".to_owned(), "ERROR".into());
    line.insert("target".to_owned(), "tracing_issues".into());
    let title = event.remove("title").unwrap_or_default();
    line.insert("message".to_owned(), format!("not sent: {}", title.as_str().unwrap_or_default()).into());
    line.extend(FIELDS.iter().filter_map(|name| Some(((*name).to_owned(), event.remove(*name)?))));
    Value::Object(line).to_string()
}

/// Tells the operator by the one way that always works. Changes of state, never per error.
pub(crate) fn say(text: &str) {
    say_line(&format!("tracing-issues: {text}"));
}

/// Container logs are where operators look when the road to the server is broken. One write, so that lines stay whole; and
/// not `eprintln!`, which panics if nobody reads any more or the disk is full.
fn say_line(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::Place,
        spool::{DEFAULT_MAX_BYTES, Spool},
    };

    /// Takes nothing.
    struct Full;
    impl Publisher for Full {
        fn destination(&self) -> String {
            "nowhere".to_owned()
        }

        fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
            Err(envelope)
        }

        fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
            Vec::new()
        }
    }

    #[test]
    fn a_spool_that_is_opened_late_keeps_what_waits_already() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().join("spool");
        std::fs::write(&directory, "in the way").unwrap();
        let journal = Journal::at(Some(Place { directory: directory.clone(), owner: "s".to_owned() }));
        let (mut outbox, counters, start) = (Outbox::new(Box::new(Full), journal), Counters::default(), Instant::now());
        outbox.open_spool(start, &counters);
        outbox.add(IssueEvent::new("early", jiff::Timestamp::UNIX_EPOCH), &counters);
        std::fs::remove_file(&directory).unwrap();
        outbox.open_spool(start + Duration::from_secs(60), &counters);
        assert_eq!(outbox.give_up(1), 0, "it is kept, not lost");
        drop(outbox);
        let (_, adopted) = Spool::open(&directory, "s", DEFAULT_MAX_BYTES).unwrap();
        assert_eq!(adopted.envelopes.len(), 1);
    }

    #[test]
    fn an_unsent_event_is_one_line_that_tells_the_problem() {
        let at = "2026-01-04T23:30:50Z".parse().unwrap();
        let event = IssueEvent { service: "newsfeed".to_owned(), ..IssueEvent::new("a\nb", at) };
        let line = unsent_line(&event.to_json().unwrap());
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&line["message"], &line["level"]), (&"not sent: a\nb".into(), &"ERROR".into()));
        assert_eq!((&line["service"], &line["occurrences"]), (&"newsfeed".into(), &1.into()));
        assert_eq!(line["timestamp"], "2026-01-04T23:30:50Z");
    }

    #[test]
    fn pauses_grow_and_are_never_in_step() {
        for _ in 0..100 {
            let pause = jittered(Duration::from_secs(8));
            assert!(pause >= Duration::from_secs(8) && pause <= Duration::from_secs(10));
        }
    }
}
