//! Helpers for tests of services: assert that an error was reported, without any server. [`capture`] is for code that runs
//! on the test's own thread, [`memory`] for everything else.
//! They use the layer as a service does; nothing is simulated but the receiver.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::{Map, Value};
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use crate::{
    Builder,
    publish::{Envelope, Outcome, Publisher, Settlement},
};

/// Longer than any test waits: what is in memory is delivered at once.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);

/// Runs `body` with a layer of its own, and returns what it reported.
///
/// Only what is logged on the calling thread is seen: of a service that spawns threads, or a runtime with several workers, use
/// [`memory`]. Panics are not reported here, since their hook belongs to the whole process.
///
/// # Examples
/// ```
/// use tracing_issues::testing;
///
/// fn place_order(order: u32) -> Result<(), std::num::ParseIntError> {
///     let quantity = "10O".parse::<u32>();
///     if let Err(error) = &quantity {
///         tracing::error!(error = error as &dyn std::error::Error, order, "order refused");
///     }
///     quantity.map(|_| ())
/// }
///
/// let reported = testing::capture(|| _ = place_order(17));
/// reported.assert_reported("order refused").of_kind("ParseIntError").with_field("order", 17);
/// ```
///
/// Asynchronous code runs on this thread in a runtime of one thread: `capture(|| runtime.block_on(place_order(17)))`.
///
/// # Panics
/// If `body` does, or if the operating system refuses a thread.
#[track_caller]
pub fn capture(body: impl FnOnce()) -> Reported {
    capture_with(crate::builder("test"), body)
}

/// The same with the service's own settings: its error types, its `filter`, its `before_send`. The road that they name is
/// not taken, and panics are not reported.
///
/// # Examples
/// ```
/// use tracing_issues::testing;
///
/// let settings = tracing_issues::builder("orders").before_send(|event| !event.title.starts_with("probe"));
/// let reported = testing::capture_with(settings, || tracing::error!("probe failed"));
/// reported.assert_nothing_reported();
/// ```
///
/// # Panics
/// If `body` does, or if the settings cannot be used.
#[track_caller]
pub fn capture_with(settings: Builder, body: impl FnOnce()) -> Reported {
    let (publisher, published) = memory();
    let (issues, guard) = match settings.publisher(publisher).panics(false).flush_timeout(FLUSH_TIMEOUT).build() {
        Ok(parts) => parts,
        Err(error) => fail(&error),
    };
    tracing::subscriber::with_default(Registry::default().with(issues), body);
    guard.shutdown();
    published.reported()
}

/// A publisher that keeps every event, and the place where the test finds them: for a layer that the test puts together
/// itself, such as a global one that sees every thread. That needs a test process of its own.
///
/// Events arrive when the library's thread has sent them: look after `guard.flush(..)` or `guard.shutdown()`.
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// let (publisher, published) = tracing_issues::testing::memory();
/// let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build()?;
/// tracing_subscriber::registry().with(issues).init();
///
/// let feed = std::thread::spawn(|| tracing::error!(feed = "kraken", "feed stalled"));
/// feed.join().unwrap();
/// guard.shutdown();
///
/// published.reported().assert_reported("feed stalled").with_field("feed", "kraken");
/// assert_eq!(published.events()[0]["service"], "newsfeed");
/// # Ok::<(), tracing_issues::ConfigError>(())
/// ```
pub fn memory() -> (MemoryPublisher, Published) {
    let published = Published::default();
    (MemoryPublisher { published: published.clone(), settled: Vec::new() }, published)
}

/// Delivers into memory. Made by [`memory`].
#[derive(Debug)]
pub struct MemoryPublisher {
    published: Published,
    settled: Vec<Settlement>,
}

/// What was published so far; clones share it. Made by [`memory`].
#[derive(Debug, Clone, Default)]
pub struct Published(Arc<Mutex<Vec<Value>>>);

impl Published {
    /// Every event as the JSON that a server would read, in the order of publishing. Repeats of an error come as one event
    /// that says in `occurrences` how many they are.
    pub fn events(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For how many errors the events stand in all.
    pub fn occurrences(&self) -> u64 {
        self.reported().occurrences()
    }

    /// The same to make assertions about. What is published later is not in it.
    pub fn reported(&self) -> Reported {
        Reported { events: self.events() }
    }
}

impl Publisher for MemoryPublisher {
    fn destination(&self) -> String {
        "memory".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        let outcome = match serde_json::from_slice(&envelope.payload) {
            Ok(event) => {
                self.published.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                Outcome::Delivered
            }
            Err(error) => Outcome::Rejected(error.to_string()),
        };
        self.settled.push(Settlement { envelope, outcome });
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        std::mem::take(&mut self.settled)
    }
}

/// What was reported, to make assertions about. Each of them says what was reported instead, if it fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    events: Vec<Value>,
}

impl Reported {
    /// Every event as the JSON that a server would read, in the order of publishing. Repeats of an error come as one event
    /// that says in `occurrences` how many they are.
    pub fn events(&self) -> &[Value] {
        &self.events
    }

    /// For how many errors the events stand in all.
    pub fn occurrences(&self) -> u64 {
        self.events.iter().map(occurrences).sum()
    }

    /// Asserts that an error was reported whose title contains `part`, and returns the errors of which that is true, to
    /// say more about them.
    ///
    /// # Panics
    /// If there is none.
    #[track_caller]
    pub fn assert_reported(&self, part: &str) -> Matching<'_> {
        let all = Matching { reported: self, events: self.events.iter().collect(), wanted: Vec::new() };
        all.narrow(format!("a title with {part:?}"), |event| has_title(event, part))
    }

    /// Asserts that no error was reported whose title contains `part`.
    ///
    /// # Panics
    /// If there is one.
    #[track_caller]
    pub fn assert_not_reported(&self, part: &str) {
        if self.events.iter().any(|event| has_title(event, part)) {
            fail(&format_args!("an error with a title with {part:?} was reported; these were:\n{self}"));
        }
    }

    /// Asserts that nothing was reported.
    ///
    /// # Panics
    /// If anything was.
    #[track_caller]
    pub fn assert_nothing_reported(&self) {
        if !self.events.is_empty() {
            fail(&format_args!("nothing should have been reported; these errors were:\n{self}"));
        }
    }
}

/// One line for each event: how often, title, kind, component and fields.
impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.events.is_empty() {
            return f.write_str("  (none)");
        }
        for (index, event) in self.events.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}  {} times {}", occurrences(event), event["title"])?;
            for kind in kinds(event) {
                write!(f, ", kind {kind:?}")?;
            }
            write!(f, ", component {}", event["component"])?;
            for (name, value) in fields(event) {
                write!(f, ", {name}={value}")?;
            }
        }
        Ok(())
    }
}

/// Errors that were reported as asserted so far; there is at least one. Each method leaves those for which it holds, too.
///
/// ```
/// # use tracing_issues::testing;
/// let reported = testing::capture(|| {
///     let _span = tracing::info_span!("refresh", component = "feeds", venue = "kraken").entered();
///     for attempt in 1..=3 {
///         tracing::error!(attempt, "feed stalled");
///     }
/// });
/// let stalled = reported.assert_reported("stalled").in_component("feeds").with_field("venue", "kraken").times(3);
/// assert_eq!(stalled.event()["severity"], "error");
/// ```
#[derive(Debug, Clone)]
pub struct Matching<'a> {
    reported: &'a Reported,
    events: Vec<&'a Value>,
    /// What was asserted so far.
    wanted: Vec<String>,
}

impl<'a> Matching<'a> {
    /// Asserts that the error, or one of its causes, is of this type: `ParseIntError`, `io::Error(ConnectionRefused)`.
    ///
    /// # Panics
    /// If there is no such error.
    #[track_caller]
    pub fn of_kind(self, kind: &str) -> Self {
        self.narrow(format!("kind {kind:?}"), |event| kinds(event).any(|known| known == kind))
    }

    /// Asserts that it came from this component: the field `component` of the event or the nearest span, else the target.
    ///
    /// # Panics
    /// If there is no such error.
    #[track_caller]
    pub fn in_component(self, component: &str) -> Self {
        self.narrow(format!("component {component:?}"), |event| event["component"] == component)
    }

    /// Asserts that the event, or a span around it, has this field with this value. `%` and `?` make a text of it.
    ///
    /// # Panics
    /// If there is no such error.
    #[track_caller]
    pub fn with_field(self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.narrow(format!("{name}={value}"), |event| {
            fields(event).any(|(known, known_value)| known == name && *known_value == value)
        })
    }

    /// Asserts how often they happened in all.
    ///
    /// # Panics
    /// If it was more or less often.
    #[track_caller]
    pub fn times(self, expected: u64) -> Self {
        let found: u64 = self.events.iter().map(|event| occurrences(event)).sum();
        if found != expected {
            let (wanted, reported) = (self.wanted.join(", "), self.reported);
            fail(&format_args!("errors with {wanted} were reported {found} times, not {expected}:\n{reported}"));
        }
        self
    }

    /// The first one, as the JSON that a server would read, for whatever else is to be asserted.
    pub fn event(&self) -> &'a Value {
        // There is one, or the assertion would have failed.
        self.events.first().copied().unwrap_or(&Value::Null)
    }

    #[track_caller]
    fn narrow(mut self, wanted: String, is_it: impl Fn(&Value) -> bool) -> Self {
        self.wanted.push(wanted);
        self.events.retain(|event| is_it(event));
        if self.events.is_empty() {
            let (wanted, reported) = (self.wanted.join(", "), self.reported);
            fail(&format_args!("no error with {wanted} was reported; these were:\n{reported}"));
        }
        self
    }
}

fn has_title(event: &Value, part: &str) -> bool {
    event["title"].as_str().is_some_and(|title| title.contains(part))
}

fn occurrences(event: &Value) -> u64 {
    event["occurrences"].as_u64().unwrap_or(0)
}

/// The types of the error and its causes, as far as they are known.
fn kinds(event: &Value) -> impl Iterator<Item = &str> {
    let chain = event["error"].as_array().into_iter().flatten();
    chain.filter_map(|link| link["kind"].as_str()).filter(|kind| !kind.is_empty())
}

/// The fields of the event, then those of its spans, nearest first.
fn fields(event: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let spans = event["spans"].as_array().into_iter().flatten().rev();
    let all = std::iter::once(&event["context"]).chain(spans.map(|span| &span["fields"]));
    all.filter_map(Value::as_object).flat_map(Map::iter)
}

/// Fails the test that called.
#[track_caller]
#[expect(clippy::panic, reason = "this is how an assertion fails")]
fn fail(why: &dyn fmt::Display) -> ! {
    panic!("{why}")
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        panic::{AssertUnwindSafe, catch_unwind},
    };

    use super::*;

    // What has this crate's own target is not captured.
    macro_rules! error {
        ($($tokens:tt)+) => { tracing::error!(target: "orders", $($tokens)+) };
    }

    fn two() -> Reported {
        capture(|| {
            let _span = tracing::info_span!("place", component = "checkout", customer = 3).entered();
            let error = io::Error::from_raw_os_error(111);
            error!(error = &error as &dyn std::error::Error, order = 17, "order refused");
            (0..4).for_each(|attempt| error!(attempt, "feed stalled"));
        })
    }

    /// What the assertion says that fails.
    #[track_caller]
    fn failure<T>(assertion: impl FnOnce(&Reported) -> T) -> String {
        let reported = two();
        let outcome = catch_unwind(AssertUnwindSafe(|| _ = assertion(&reported)));
        *outcome.unwrap_err().downcast::<String>().unwrap()
    }

    #[test]
    fn what_was_reported_is_found() {
        let reported = two();
        let refused =
            reported.assert_reported("refused").of_kind("io::Error(ConnectionRefused)").in_component("checkout");
        let refused = refused.with_field("order", 17).with_field("customer", 3).times(1);
        assert_eq!(refused.event()["location"]["module"], module_path!());
        reported.assert_reported("feed stalled").times(4);
        reported.assert_not_reported("exchange closed");
        assert_eq!(reported.occurrences(), 5);
    }

    #[test]
    fn nothing_is_nothing() {
        capture(|| tracing::warn!(target: "orders", "slow")).assert_nothing_reported();
    }

    #[test]
    fn a_failure_says_what_was_reported_instead() {
        let these = "1 times \"order refused: Connection refused (os error 111)\", \
            kind \"io::Error(ConnectionRefused)\", component \"checkout\", order=17, component=\"checkout\", customer=3";
        for (failure, why) in [
            (failure(|it| _ = it.assert_reported("closed")), "no error with a title with \"closed\" was reported"),
            (
                failure(|it| _ = it.assert_reported("refused").of_kind("Timeout")),
                "no error with a title with \"refused\", kind \"Timeout\" was reported",
            ),
            (
                failure(|it| _ = it.assert_reported("stalled").with_field("order", 17)),
                "\"stalled\", order=17 was reported",
            ),
            (failure(|it| _ = it.assert_reported("stalled").in_component("db")), "component \"db\" was reported"),
            (failure(|it| _ = it.assert_reported("stalled").times(5)), "\"stalled\" were reported 4 times, not 5"),
            (failure(|it| it.assert_not_reported("refused")), "a title with \"refused\" was reported"),
            (failure(Reported::assert_nothing_reported), "nothing should have been reported"),
        ] {
            assert!(failure.contains(why) && failure.contains(these), "{failure}");
        }
        let reported = capture(|| ());
        let nothing = catch_unwind(AssertUnwindSafe(|| _ = reported.assert_reported("x"))).unwrap_err();
        assert!(nothing.downcast::<String>().unwrap().ends_with("(none)"));
    }

    #[test]
    fn settings_of_the_service_count() {
        let settings = crate::builder("orders").level(tracing::Level::WARN).queue_capacity(16);
        let reported = capture_with(settings, || tracing::warn!(target: "orders", "slow"));
        assert_eq!(reported.assert_reported("slow").event()["service"], "orders");
        let outcome = catch_unwind(|| capture_with(crate::builder(" "), || ()));
        assert!(outcome.unwrap_err().downcast::<String>().unwrap().contains("TRACING_ISSUES_SERVICE"));
    }

    #[test]
    fn a_body_that_panics_fails_the_test_and_nobody_waits() {
        let outcome = catch_unwind(|| capture(|| std::panic::panic_any("the body's own")));
        assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "the body's own");
    }
}
