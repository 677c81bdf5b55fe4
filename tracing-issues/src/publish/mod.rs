//! Publishing: the road of an event out of the process. A [`Publisher`] takes events without waiting and tells later
//! what became of each; retrying, counting and giving up are the worker's.

#[cfg(feature = "http")]
pub(crate) mod http;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;

use std::time::Duration;

use uuid::Uuid;

use crate::event::IssueEvent;

/// An event on its way, serialised once however often it is sent. The same event always has the same bytes, so that a
/// receiver which already has it can tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The event's own id, the same however often it is sent.
    pub event_id: Uuid,
    /// The Kafka record key.
    pub key: String,
    /// The event as one line of JSON, UTF-8, at most 256 KiB. Its secrets are gone already.
    pub payload: Vec<u8>,
    /// For how many errors it stands.
    pub occurrences: u64,
    /// Its title, for messages to people.
    pub title: String,
}

impl Envelope {
    /// Serialises an event, shortened if it would be longer than `max_bytes`.
    pub(crate) fn of(event: &mut IssueEvent, max_bytes: usize) -> Option<Self> {
        let mut payload = event.to_json().ok()?;
        for chars in SHORTER_CHARS {
            if payload.len() > max_bytes {
                shorten(event, chars);
                payload = event.to_json().ok()?;
            }
        }
        Some(Self {
            event_id: event.event_id,
            key: event.record_key(),
            payload,
            occurrences: event.occurrences,
            title: event.title.clone(),
        })
    }
}

/// How many characters of each text stay in an event that is too large. Control characters take six bytes each, and there can
/// be a hundred texts.
const SHORTER_CHARS: [usize; 2] = [1_000, 100];

/// Leaves what identifies and locates the problem, and says that the rest was cut.
fn shorten(event: &mut IssueEvent, chars: usize) {
    let cut = |text: &mut String| *text = crate::event::truncate_chars(text, chars);
    event.context.clear();
    event.context.insert("truncated".to_owned(), "the event was larger than 256 KiB; fields were left out".into());
    event.spans.iter_mut().for_each(|span| span.fields.clear());
    event.breadcrumbs.clear();
    event.tags.iter_mut().for_each(cut);
    event.error.iter_mut().for_each(|link| cut(&mut link.message));
    [&mut event.description, &mut event.backtrace, &mut event.component, &mut event.thread].into_iter().for_each(cut);
}

/// What became of an event.
#[derive(Debug)]
pub struct Settlement {
    /// The event.
    pub envelope: Envelope,
    /// Its fate.
    pub outcome: Outcome,
}

/// The fate of an event that was submitted. All but `Unavailable` are final.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver has it, durably.
    Delivered,
    /// The receiver refuses it for good, for this reason; sending it again is no use. Its errors are dropped as `rejected`.
    Rejected(String),
    /// It may or may not have arrived, for this reason; to be sent again, as it is, after a pause of 2 to 30 s. The receiver
    /// has to ignore an `event_id` that it has already.
    Unavailable(String),
}

/// Sends events to a receiver: a road of your own, for [`Builder::publisher`](crate::Builder::publisher). Called on the
/// library's thread only, where nothing that is logged is captured. It must not panic: that ends the reporting.
///
/// # Examples
/// ```
/// use std::{fs::File, io::Write, time::Duration};
/// use tracing_issues::publish::{Envelope, Outcome, Publisher, Settlement};
///
/// /// Writes events to a file, one a line.
/// struct ToFile(File, Vec<Settlement>);
///
/// impl Publisher for ToFile {
///     fn destination(&self) -> String {
///         "a file".to_owned()
///     }
///
///     fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
///         let written = self.0.write_all(&[&envelope.payload, &b"\n"[..]].concat());
///         let outcome = written.map_or_else(|error| Outcome::Unavailable(error.to_string()), |()| Outcome::Delivered);
///         self.1.push(Settlement { envelope, outcome });
///         Ok(())
///     }
///
///     fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
///         std::mem::take(&mut self.1)
///     }
/// }
/// ```
pub trait Publisher: Send {
    /// Where events go, for messages to people, without secrets: `kafka at localhost:29092`.
    fn destination(&self) -> String;

    /// Takes an event without waiting for the network. At most 256 are submitted and not settled at any time.
    ///
    /// # Errors
    /// The event, if there is no room right now.
    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope>;

    /// Drives the sending for at most `budget` (often zero) and returns what was settled since the last call. Each submitted
    /// event is settled exactly once; one that is never settled counts as on its way until the exit.
    fn settle(&mut self, budget: Duration) -> Vec<Settlement>;
}
