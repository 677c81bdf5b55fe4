//! [`IssueLayer`], the entry from the callers' threads. What it does there is in [`capture`](crate::capture).
//! It filters nothing for others: `enabled` and `max_level_hint` stay at their defaults on purpose, and `register_callsite`
//! answers as if it did, because a layer that says no silences its neighbours.

use std::sync::Arc;

use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use crate::{capture::Capture, stats::Stats};

/// The layer that a service adds to its subscriber. Made by [`from_env`](crate::from_env) or [`builder`](crate::builder).
///
/// Every event at ERROR (or the level of [`Builder::level`](crate::Builder::level)) becomes a report: its message, fields and
/// error chain, and the fields of all enclosing spans. An error that was reported before is counted, on the calling thread,
/// and that is all. A new one is copied into a bounded queue; if that is full it is dropped and counted. Everything slow
/// happens on the worker's own thread. Once the guard is gone errors are only counted, as dropped.
///
/// It stands beside other layers in any order, in an `Option`, a `Vec` or a box, and filters nothing for them.
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// # let (publisher, _) = tracing_issues::testing::memory();
/// # let builder = tracing_issues::builder("orders").publisher(publisher);
/// let (issues, _guard) = builder.build()?;
/// let subscriber = tracing_subscriber::registry().with(issues); // .with(fmt::layer()) and what else there is
/// # Ok::<(), tracing_issues::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use = "a layer reports nothing until it is added to a subscriber"]
pub struct IssueLayer {
    capture: Arc<Capture>,
}

impl IssueLayer {
    pub(crate) fn new(capture: Arc<Capture>) -> Self {
        Self { capture }
    }

    /// Gives a function that reads the counters, also after the guard is gone; for a service's own metrics. It takes no
    /// lock, and can be called from any thread.
    pub fn stats(&self) -> impl Fn() -> Stats + Send + Sync + use<> {
        let capture = Arc::clone(&self.capture);
        move || capture.counters.snapshot(&capture.queue)
    }
}

impl<S> Layer<S> for IssueLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.capture.dispatch.set(dispatch.downgrade());
    }

    /// Only looks at it: the answer is the one that a layer gives which has no opinion.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.capture.callsite(metadata);
        Interest::always()
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if self.capture.is_concerned(event.metadata().level()) {
            self.capture.event(event, &ctx);
        }
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.capture.new_span(attrs, id, &ctx);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.capture.record(id, values, &ctx);
    }

    fn on_close(&self, id: Id, _ctx: Context<'_, S>) {
        self.capture.close(&id);
    }
}
