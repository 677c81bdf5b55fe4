//! [`IssueLayer`], the entry from the callers' threads: is this ours, capture it, offer it. Nothing here waits.
//! It filters nothing for others: `enabled`, `register_callsite` and `max_level_hint` stay at their defaults on purpose,
//! because a layer that overrides them silences its neighbours.

use std::{cell::Cell, sync::Arc};

use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::{Context, Layer},
    registry::LookupSpan,
};

use crate::{
    capture::{Report, SpanFields},
    queue::ReportQueue,
    stats::{Counters, DropReason, Stats},
};

/// The layer that a service adds to its subscriber. Made by [`from_env`](crate::from_env) or [`builder`](crate::builder).
///
/// Every event at ERROR becomes a report: its message, fields and error chain, and the fields of all enclosing spans.
/// On the calling thread it is copied into a bounded queue and nothing else; a full queue drops the report and counts
/// it. Everything slow happens on the worker's own thread.
#[derive(Debug)]
#[must_use = "a layer reports nothing until it is added to a subscriber"]
pub struct IssueLayer {
    queue: Arc<ReportQueue>,
    counters: Arc<Counters>,
}

impl IssueLayer {
    pub(crate) fn new(queue: Arc<ReportQueue>, counters: Arc<Counters>) -> Self {
        Self { queue, counters }
    }

    /// A function that reads the counters, also after the guard is gone; for a service's own metrics.
    pub fn stats(&self) -> impl Fn() -> Stats + Send + Sync + use<> {
        let counters = Arc::clone(&self.counters);
        move || counters.snapshot()
    }
}

impl<S> Layer<S> for IssueLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        if *event.metadata().level() != Level::ERROR || is_ours(event.metadata().target()) {
            return;
        }
        if is_worker_thread() {
            return;
        }
        self.counters.seen();
        let Some(_capturing) = Capturing::enter() else {
            self.counters.dropped(DropReason::Reentrant, 1);
            return;
        };
        if let Err(reason) = self.queue.offer(Report::of(event, &ctx)) {
            self.counters.dropped(reason, 1);
        }
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if attrs.fields().is_empty() || is_worker_thread() {
            return;
        }
        let Some(_capturing) = Capturing::enter() else { return };
        // Formatted before the lock is taken: a `Debug` that logs would meet the same lock again.
        let fields = SpanFields::record(|visitor| attrs.record(visitor));
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(_capturing) = Capturing::enter() else { return };
        let later = SpanFields::record(|visitor| values.record(visitor));
        let Some(span) = ctx.span(id) else { return };
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<SpanFields>() {
            Some(fields) => fields.merge(&later),
            None => extensions.insert(later),
        }
    }
}

/// Events of this crate are never captured, whatever thread they come from.
fn is_ours(target: &str) -> bool {
    target == "tracing_issues" || target.starts_with("tracing_issues::")
}

thread_local! {
    static STATE: Cell<ThreadState> = const { Cell::new(ThreadState::Free) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ThreadState {
    Free,
    Capturing,
    Worker,
}

/// Marks the calling thread as one of ours for the rest of its life: what our clients log on it is never captured.
pub(crate) fn mark_worker_thread() {
    STATE.set(ThreadState::Worker);
}

fn is_worker_thread() -> bool {
    // A thread that is being torn down has no state left; it is not one of ours.
    STATE.try_with(|state| state.get() == ThreadState::Worker).unwrap_or(false)
}

/// While one is alive, the thread captures nothing else: a `Debug` that logs an error would recurse for ever.
struct Capturing;

impl Capturing {
    fn enter() -> Option<Self> {
        STATE
            .try_with(|state| {
                state.get() == ThreadState::Free && {
                    state.set(ThreadState::Capturing);
                    true
                }
            })
            .unwrap_or(false)
            .then_some(Self)
    }
}

impl Drop for Capturing {
    fn drop(&mut self) {
        let _ = STATE.try_with(|state| state.set(ThreadState::Free));
    }
}
