//! What runs on the caller's thread. An error that is known is counted and that is all; a new one is captured with the
//! fields of its spans and offered to the worker. Nothing here waits, and no lock is held while foreign code formats.
//!
//! ```text
//! event -> its own fields -> facts -> cheap key -> known?  yes: add one
//!                                                         no: spans, time, thread -> queue
//! ```

use std::{
    backtrace::Backtrace,
    cell::Cell,
    fmt, iter,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
    thread::{self, Thread},
    time::SystemTime,
};

use tracing::{
    Event, Level, Metadata, Subscriber,
    dispatcher::WeakDispatch,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use crate::{
    breadcrumbs::{self, Crumb},
    control::Control,
    error_types::ErrorTypes,
    fields::{Fields, Part},
    normalize::Normalizer,
    queue::{Pressure, ReportQueue},
    repeats::{Counted, Repeats},
    report::{KeyHashing, Origin, Report},
    spans::{LiveSpans, unless_poisoned},
    stats::{Counters, DropReason},
    trace::{self, TraceIds},
};

/// The most spans kept of one scope, nearest first.
const MAX_SPANS: usize = 32;

/// Whether a service wants what comes from a callsite.
pub(crate) type Filter = Box<dyn Fn(&Metadata<'_>) -> bool + Send + Sync>;

/// Which events are issues, and what is taken of them.
pub(crate) struct Settings {
    /// The least severe level.
    pub(crate) level: Level,
    /// What the service itself leaves out, by callsite.
    pub(crate) filter: Option<Filter>,
    pub(crate) error_types: ErrorTypes,
    /// How many breadcrumbs are kept of a span tree; 0 switches them off.
    pub(crate) breadcrumbs: usize,
}

/// The caller's half of the library; shared by the layer and the panic hook.
pub(crate) struct Capture {
    pub(crate) settings: Settings,
    pub(crate) queue: Arc<ReportQueue>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) repeats: Arc<Repeats>,
    pub(crate) control: Arc<Control>,
    /// Of issues and breadcrumbs.
    least_level: Level,
    spans: LiveSpans,
    hashing: KeyHashing,
    /// The subscriber that the layer is in; asked for traces.
    pub(crate) dispatch: OnceLock<WeakDispatch>,
}

impl Capture {
    pub(crate) fn new(
        settings: Settings,
        queue: Arc<ReportQueue>,
        counters: Arc<Counters>,
        repeats: Arc<Repeats>,
        control: Arc<Control>,
        hashing: KeyHashing,
    ) -> Self {
        let spans = LiveSpans::new();
        let least_level = if settings.breadcrumbs > 0 { settings.level.max(Level::INFO) } else { settings.level };
        Self { least_level, settings, queue, counters, repeats, control, spans, hashing, dispatch: OnceLock::new() }
    }

    /// Whether events of this level are issues or breadcrumbs. All that is asked of the others.
    #[inline]
    pub(crate) fn is_concerned(&self, level: &Level) -> bool {
        *level <= self.least_level
    }

    /// Takes an event: counts it, captures it, or leaves a breadcrumb.
    pub(crate) fn event<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let metadata = event.metadata();
        let Settings { level, breadcrumbs, .. } = &self.settings;
        if metadata.level() <= level
            && !is_ours(metadata.target())
            && (self.settings.filter.is_none() || self.is_wanted(metadata))
        {
            self.error(
                Origin::Event(metadata),
                |fields| fields.record(&self.settings.error_types, |visitor| event.record(visitor)),
                |report| self.add_scope(report, ctx.event_span(event)),
                || None,
            );
        }
        if *breadcrumbs > 0 && *metadata.level() <= Level::INFO {
            self.breadcrumb(event, ctx);
        }
    }

    /// Asks the service's own filter. Like a capture, because it is foreign code: one that logs would be asked for ever, and
    /// one that panics must not lose the error.
    #[inline]
    fn is_wanted(&self, metadata: &Metadata<'_>) -> bool {
        let Some(filter) = &self.settings.filter else { return true };
        // On a thread that captures already, `error` says what becomes of it.
        let Ok(_capturing) = Capturing::enter() else { return true };
        catch_unwind(AssertUnwindSafe(|| filter(metadata))).unwrap_or(true)
    }

    /// Takes an error whose own fields `record` records, and whose spans `add_scope` adds if they are needed.
    fn error(
        &self,
        origin: Origin,
        record: impl FnOnce(&mut Fields),
        add_scope: impl FnOnce(&mut Report) + Copy,
        backtrace: impl FnOnce() -> Option<Backtrace>,
    ) {
        let capturing = match Capturing::enter() {
            Ok(capturing) => capturing,
            Err(Busy::Worker) => return,
            Err(Busy::Capturing) => {
                self.counters.seen();
                return self.counters.dropped(DropReason::Reentrant, 1);
            }
        };
        self.counters.seen();
        if self.queue.is_closed() {
            return self.counters.dropped(DropReason::Shutdown, 1);
        }
        let mut scratch = capturing.scratch();
        let Scratch { report, normalizer, latest_at_place, thread, .. } = &mut *scratch;
        report.begin(origin, record);
        let is_scope_needed = self.spans.has_components();
        if is_scope_needed {
            add_scope(report);
        }
        match self.count(report, normalizer, latest_at_place) {
            Known::Counted => report.give_back_what_is_large(),
            known => {
                if !is_scope_needed {
                    add_scope(report);
                }
                report.backtrace = backtrace().map(Arc::new);
                report.note_thread(thread);
                self.offer(report, known);
            }
        }
        capturing.keep(scratch);
    }

    /// Counts an error, if it is known, by a key that is a refinement of its fingerprint. What varies in its text is only
    /// removed while the queue is busy: as long as the worker keeps up, that is its work.
    #[inline]
    fn count(&self, report: &mut Report, normalizer: &mut Normalizer, latest_at_place: &mut KeyAtPlace) -> Known {
        let as_is = report.key_as_is(&self.hashing);
        match self.repeats.count(as_is) {
            Counted::Yes => return Known::Counted,
            Counted::Wanted => return Known::Wanted(as_is),
            Counted::No => (),
        }
        let is_crowded = match self.queue.pressure() {
            Pressure::Calm => return Known::New,
            Pressure::Busy => false,
            Pressure::Crowded => true,
        };
        let KeyAtPlace { as_is: latest, place } = *latest_at_place;
        if is_crowded && as_is == latest && self.repeats.count_place(place) != Counted::No {
            return Known::Counted;
        }
        self.control.nudge();
        let key = report.facts().key(&self.hashing, normalizer);
        match self.repeats.count(key) {
            Counted::Yes => return Known::Counted,
            Counted::Wanted => return Known::Wanted(key),
            Counted::No if !is_crowded => return Known::NewTo { key, as_is },
            Counted::No => (),
        }
        // The room that is left is for errors of other places: this callsite gets one counter for all that it says.
        let place = report.key_of_place(&self.hashing);
        if self.repeats.count_place(place) != Counted::No {
            *latest_at_place = KeyAtPlace { as_is, place };
            return Known::Counted;
        }
        report.is_crowded = true;
        Known::NewTo { key: place, as_is }
    }

    /// Adds the innermost enclosing span and all around it, with their fields.
    fn add_scope<'a, R: LookupSpan<'a> + 'a>(&self, report: &mut Report, innermost: Option<SpanRef<'a, R>>) {
        let mut next = innermost;
        while let Some(span) = next {
            if report.spans_len() < MAX_SPANS {
                let mut fields = Part::default();
                if !span.metadata().fields().is_empty() {
                    self.spans.read(&span, |own| fields = report.add_span_fields(own));
                }
                report.push_span(span.metadata(), fields);
                if cfg!(feature = "opentelemetry") && report.trace.is_none() {
                    report.trace = unless_poisoned(|| trace::ids_of(&span.id(), self.dispatch.get())).flatten();
                }
            }
            next = span.parent();
            if next.is_none() && self.settings.breadcrumbs > 0 {
                breadcrumbs::collect(&span, &mut report.crumbs);
            }
        }
    }

    /// Offers a report to the worker, and arms the counter that takes its repeats. A blank one is left in its place.
    fn offer(&self, report: &mut Box<Report>, known: Known) {
        report.at = SystemTime::now();
        if let Known::NewTo { key, .. } = known {
            report.repeats = if report.is_crowded { self.repeats.arm_place(key) } else { self.repeats.arm(key) };
        }
        let offered = std::mem::replace(report, self.queue.blank());
        if let Err((mut refused, reason)) = self.queue.offer(offered) {
            let handle = refused.repeats.take();
            *report = refused;
            match (known, handle) {
                (Known::Wanted(key), _) if self.repeats.count(key) == Counted::Yes => (),
                // Its counters go on counting until the worker comes by and tells what was lost: this would be slow for
                // each error, and it happens while everything else is slow already.
                (Known::NewTo { as_is, .. }, Some(handle)) if reason == DropReason::QueueFull => {
                    self.repeats.abandon(handle, 1);
                    if let Some(handle) = self.repeats.arm(as_is) {
                        self.repeats.abandon(handle, 0);
                    }
                }
                (_, handle) => {
                    let counted = handle.map_or(0, |handle| self.repeats.disarm(handle));
                    self.counters.dropped(reason, 1 + counted);
                }
            }
        }
    }

    fn breadcrumb<S>(&self, event: &Event<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Ok(capturing) = Capturing::enter() else { return };
        let mut scratch = capturing.scratch();
        scratch.fields.record(&self.settings.error_types, |visitor| event.record(visitor));
        breadcrumbs::leave(event, &scratch.fields, self.settings.breadcrumbs, ctx);
        scratch.fields.clear();
        capturing.keep(scratch);
    }

    /// Learns of a callsite, before anything comes from it.
    pub(crate) fn callsite(&self, metadata: &Metadata<'_>) {
        if metadata.is_span() && metadata.fields().field("component").is_some() {
            self.spans.expect_components();
        }
    }

    /// Keeps the fields of a new span.
    pub(crate) fn new_span<S>(&self, attrs: &Attributes<'_>, id: &Id, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let fields = attrs.fields();
        if fields.is_empty() {
            return;
        }
        let Ok(capturing) = Capturing::enter() else { return };
        let mut scratch = capturing.scratch();
        // Formatted before a lock is taken: a `Debug` that logs would meet the same lock again.
        scratch.fields.record(&self.settings.error_types, |visitor| attrs.record(visitor));
        self.spans.insert(id, &mut scratch.fields, || ctx.span(id));
        scratch.fields.clear();
        capturing.keep(scratch);
    }

    /// Keeps what a span records later.
    pub(crate) fn record<S>(&self, id: &Id, values: &Record<'_>, ctx: &Context<'_, S>)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let Ok(capturing) = Capturing::enter() else { return };
        let mut scratch = capturing.scratch();
        scratch.fields.record(&self.settings.error_types, |visitor| values.record(visitor));
        self.spans.merge(id, &mut scratch.fields, || ctx.span(id));
        scratch.fields.clear();
        capturing.keep(scratch);
    }

    /// Forgets a span.
    #[inline]
    pub(crate) fn close(&self, id: &Id) {
        self.spans.remove(id);
    }

    /// Takes a panic of this thread. Tells whether it was taken: not if it is the panic of a `Debug` that is being
    /// captured, which is noted there, nor on a thread of ours.
    pub(crate) fn panic(
        &self,
        record: impl FnOnce(&mut Fields),
        add_scope: impl FnOnce(&mut Report) + Copy,
        backtrace: impl FnOnce() -> Option<Backtrace>,
    ) -> bool {
        let is_free = STATE.get() == ThreadState::Free;
        if is_free {
            self.error(Origin::Panic, record, add_scope, backtrace);
        }
        is_free
    }

    /// Adds the enclosing spans of a panic, with the fields that no lock of theirs protects: another layer may have
    /// panicked while this thread held it. (Fields that found no slot are missing.)
    pub(crate) fn add_scope_without_locks<'a, R: LookupSpan<'a> + 'a>(
        &self,
        report: &mut Report,
        innermost: Option<SpanRef<'a, R>>,
    ) {
        for span in iter::successors(innermost, SpanRef::parent).take(MAX_SPANS) {
            let mut fields = Part::default();
            self.spans.read_slot(&span.id(), |own| fields = report.add_span_fields(own));
            report.push_span(span.metadata(), fields);
        }
    }

    /// Whether more is told of a scope than spans and fields, so that locks have to be taken.
    pub(crate) fn has_more_of_scopes(&self) -> bool {
        self.settings.breadcrumbs > 0 || cfg!(feature = "opentelemetry")
    }

    /// What else is told of a scope, nearest span first: its breadcrumbs, and the ids of its trace.
    pub(crate) fn more_of_scope<'a, R: LookupSpan<'a> + 'a>(
        &self,
        innermost: Option<SpanRef<'a, R>>,
    ) -> (Vec<Crumb>, Option<TraceIds>) {
        let mut report = Report::default();
        self.add_scope(&mut report, innermost);
        (report.crumbs, report.trace)
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").finish_non_exhaustive()
    }
}

/// What the table of counters says of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It is counted; that is all.
    Counted,
    /// It is known by this key, and its details are wanted.
    Wanted(u64),
    /// It is new, and the worker finds out the rest.
    New,
    /// It is new, and `key` is to be armed for it: the worker does not keep up.
    NewTo { key: u64, as_is: u64 },
}

/// The latest error that was counted at its place: the next one is likely to be the same, and is not asked all of it again.
#[derive(Debug, Clone, Copy, Default)]
struct KeyAtPlace {
    as_is: u64,
    place: u64,
}

/// Events of this crate are never captured, whatever thread they come from.
#[inline]
fn is_ours(target: &str) -> bool {
    target.strip_prefix("tracing_issues").is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// Buffers of a thread, used for one error or span after the other.
struct Scratch {
    report: Box<Report>,
    /// For spans and breadcrumbs; empty between two uses.
    fields: Box<Fields>,
    normalizer: Normalizer,
    latest_at_place: KeyAtPlace,
    thread: Thread,
}

impl Default for Scratch {
    fn default() -> Self {
        Self {
            report: Box::new(Report::with_buffers()),
            fields: Box::new(Fields::with_buffers()),
            normalizer: Normalizer::default(),
            latest_at_place: KeyAtPlace::default(),
            thread: thread::current(),
        }
    }
}

thread_local! {
    static STATE: Cell<ThreadState> = const { Cell::new(ThreadState::Free) };
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ThreadState {
    Free,
    Capturing,
    Worker,
}

/// Why nothing is captured on this thread now.
enum Busy {
    /// Something is being captured already: a `Debug` logs, and would recurse for ever.
    Capturing,
    /// It is one of ours.
    Worker,
}

/// Marks the calling thread as one of ours for the rest of its life: what our clients log on it is never captured.
pub(crate) fn mark_worker_thread() {
    STATE.set(ThreadState::Worker);
}

/// While one is alive, the thread captures nothing else.
struct Capturing;

impl Capturing {
    #[inline]
    fn enter() -> Result<Self, Busy> {
        match STATE.get() {
            ThreadState::Free => {
                STATE.set(ThreadState::Capturing);
                Ok(Self)
            }
            ThreadState::Capturing => Err(Busy::Capturing),
            ThreadState::Worker => Err(Busy::Worker),
        }
    }

    /// The thread's buffers. A thread that is being torn down has none left, and gets new ones each time.
    #[inline]
    fn scratch(&self) -> Box<Scratch> {
        SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    #[inline]
    fn keep(&self, scratch: Box<Scratch>) {
        let _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    }
}

impl Drop for Capturing {
    #[inline]
    fn drop(&mut self) {
        STATE.set(ThreadState::Free);
    }
}
