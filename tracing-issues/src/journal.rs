//! The worker's use of the [`spool`](crate::spool): opens it, keeps what waits in it, and goes on without it while it cannot
//! be used. It sends nothing: what a former process left is given to the outbox.

use std::{
    collections::HashSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use uuid::Uuid;

use crate::{
    outbox::say,
    publish::Envelope,
    spool::{Change, DEFAULT_MAX_BYTES, Spool},
};

/// How often a spool that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(30);
/// How often the counts of open windows are written down.
const CHECKPOINT_INTERVAL: Duration = Duration::from_millis(500);

/// Where the service keeps what is not delivered, and the spool there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: PathBuf,
    /// Whose files are taken over: the service in its environment.
    pub(crate) owner: String,
}

/// A spool that may not be there: not configured, or not to be opened now.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    place: Option<Place>,
    spool: Option<Spool>,
    try_at: Option<Instant>,
    is_told: bool,
    checkpoint_at: Option<Instant>,
    /// Events that wait and are not in the spool.
    unkept: HashSet<Uuid>,
    /// The disk fails: what was given to the spool lately is in memory only.
    is_failing: bool,
}

impl Journal {
    pub(crate) fn at(place: Option<Place>) -> Self {
        Self { place, ..Self::default() }
    }

    /// Whether there is a spool.
    pub(crate) fn is_open(&self) -> bool {
        self.spool.is_some()
    }

    /// Opens the spool, if it should be and is not. Returns what a former process has left, in its order.
    pub(crate) fn open(&mut self, now: Instant) -> Vec<Envelope> {
        let Some(Place { directory, owner }) = &self.place else { return Vec::new() };
        if self.spool.is_some() || self.try_at.is_some_and(|at| now < at) {
            return Vec::new();
        }
        match Spool::open(directory, owner, DEFAULT_MAX_BYTES) {
            Ok((spool, adopted)) => {
                self.spool = Some(spool);
                adopted.problems.iter().for_each(|problem| say(&format!("spool: {problem}")));
                adopted.envelopes
            }
            Err(error) => {
                self.try_at = Some(now + RETRY);
                if !std::mem::replace(&mut self.is_told, true) {
                    say(&format!("the spool cannot be used, what waits is kept in memory only: {error}"));
                }
                Vec::new()
            }
        }
    }

    /// Keeps an event until it is settled, if it can be.
    pub(crate) fn append(&mut self, envelope: &Envelope) {
        if self.place.is_none() {
            return;
        }
        let is_kept = self.spool.as_mut().is_some_and(|spool| spool.append(envelope).is_ok());
        if is_kept {
            self.unkept.remove(&envelope.event_id);
        } else {
            self.unkept.insert(envelope.event_id);
        }
    }

    /// Whether the counts of open windows should be written down now.
    pub(crate) fn is_checkpoint_due(&mut self, now: Instant) -> bool {
        let is_due = self.spool.is_some() && self.checkpoint_at.is_none_or(|at| now >= at);
        if is_due {
            self.checkpoint_at = Some(now + CHECKPOINT_INTERVAL);
        }
        is_due
    }

    /// Lets the next checkpoint be due at once.
    pub(crate) fn hurry_checkpoint(&mut self) {
        self.checkpoint_at = None;
    }

    /// Writes down what a window has counted so far, under the id that its next event will have.
    pub(crate) fn checkpoint(&mut self, envelope: &Envelope) {
        if let Some(spool) = &mut self.spool {
            // What does not fit is in memory still.
            let _ = spool.checkpoint(envelope);
        }
    }

    /// Forgets an event or a checkpoint.
    pub(crate) fn settled(&mut self, id: Uuid) {
        self.unkept.remove(&id);
        if let Some(spool) = &mut self.spool {
            spool.settled(id);
        }
    }

    /// Whether an event that waits survives the process.
    pub(crate) fn keeps(&self, id: Uuid) -> bool {
        self.spool.is_some() && !self.unkept.contains(&id)
    }

    /// Where what waits is kept, unless it is not.
    pub(crate) fn directory(&self) -> Option<&PathBuf> {
        self.place.as_ref().filter(|_| self.spool.is_some() && !self.is_failing).map(|place| &place.directory)
    }

    /// Writes what came since the last time. Tells whether the disk works again, and what waits should be appended anew.
    pub(crate) fn flush(&mut self, now: Instant) -> bool {
        match self.spool.as_mut().and_then(|spool| spool.flush(now)) {
            None => false,
            Some(Change::Down(error)) => {
                self.is_failing = true;
                say(&format!("the spool cannot be written, what waits is kept in memory only: {error}"));
                false
            }
            Some(Change::Up) => {
                self.is_failing = false;
                say("the spool can be written again");
                true
            }
        }
    }
}
