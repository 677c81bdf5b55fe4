//! The panic hook: a panic becomes an issue like an error, with the spans that its thread is in. It is installed once per
//! process, in front of the hook that was there, which goes on working.
//! It runs no foreign code but that hook, holds no lock meanwhile, and reports only for the layer that was built last.

use std::{
    backtrace::Backtrace,
    env,
    panic::{self, PanicHookInfo},
    sync::{Arc, Once, PoisonError, RwLock, Weak, mpsc},
    thread,
    time::Duration,
};

use tracing::{Dispatch, Subscriber as _, span::Id};
use tracing_subscriber::{Registry, registry::LookupSpan as _};

use crate::{
    breadcrumbs::Crumb,
    capture::{Capture, mark_worker_thread},
    control::after,
    fields::Fields,
    report::Report,
    trace::TraceIds,
};

/// Who reports panics; nobody once its guard is gone.
static REPORTER: RwLock<Option<Reporter>> = RwLock::new(None);
static INSTALLED: Once = Once::new();

/// How long the details of a panic's scope are waited for. Only a lock that the thread holds itself takes that long.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Reporter {
    capture: Weak<Capture>,
    flush_timeout: Duration,
}

/// Reports panics to `capture` from now on. A panic that ends the process waits at most `flush_timeout` until it is sent.
pub(crate) fn report_to(capture: &Arc<Capture>, flush_timeout: Duration) {
    *REPORTER.write().unwrap_or_else(PoisonError::into_inner) =
        Some(Reporter { capture: Arc::downgrade(capture), flush_timeout });
    INSTALLED.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // First, because the previous one may end the process.
            report(info);
            previous(info);
        }));
    });
}

fn report(info: &PanicHookInfo<'_>) {
    // Read, so that threads which panic together do not turn each other away; and `try_read`: a thread that panics while it
    // is written is one that builds a layer.
    let reporter = REPORTER.try_read().ok().and_then(|reporter| reporter.clone());
    let Some((capture, flush_timeout)) =
        reporter.and_then(|reporter| Some((reporter.capture.upgrade()?, reporter.flush_timeout)))
    else {
        return;
    };
    let message = info.payload_as_str().unwrap_or("a panic whose payload is no text");
    let record = |fields: &mut Fields| {
        fields.record_text("message", format_args!("{message}"));
        if let Some(location) = info.location() {
            fields.record_text("panic.file", format_args!("{}", location.file()));
            fields.record_number("panic.line", location.line().into());
        }
    };
    let was_taken = tracing::dispatcher::get_default(|subscriber| {
        capture.panic(record, |report| add_scope(&capture, report, subscriber), take_backtrace)
    });
    if was_taken && ends_the_process(message) {
        capture.control.flush_at_panic(after(flush_timeout));
    }
}

/// Adds the spans that this thread is in.
fn add_scope(capture: &Arc<Capture>, report: &mut Report, subscriber: &Dispatch) {
    let Some(registry) = subscriber.downcast_ref::<Registry>() else { return };
    let Some(id) = registry.current_span().id().cloned() else { return };
    capture.add_scope_without_locks(report, registry.span(&id));
    if capture.has_more_of_scopes() {
        let details = details_of_scope(Arc::clone(capture), subscriber.clone(), id);
        (report.crumbs, report.trace) = details.unwrap_or_default();
    }
}

/// Reads what is behind the locks of spans. On another thread, because this one would wait for ever for a lock that it holds
/// itself: layers format fields under such locks, and it may be that which has panicked.
fn details_of_scope(capture: Arc<Capture>, subscriber: Dispatch, id: Id) -> Option<(Vec<Crumb>, Option<TraceIds>)> {
    let (send, receive) = mpsc::sync_channel(1);
    let read = move || {
        mark_worker_thread();
        if let Some(registry) = subscriber.downcast_ref::<Registry>() {
            // Nobody listens any more if it took too long.
            let _ = send.send(capture.more_of_scope(registry.span(&id)));
        }
    };
    thread::Builder::new().name("tracing-issues-panic".to_owned()).spawn(read).ok()?;
    receive.recv_timeout(PATIENCE).ok()
}

/// The frames only: their names are looked up on the worker. `RUST_BACKTRACE=0` switches it off.
fn take_backtrace() -> Option<Backtrace> {
    let is_off = |name| env::var(name).is_ok_and(|value| value == "0");
    if is_off("RUST_LIB_BACKTRACE") || is_off("RUST_BACKTRACE") { None } else { Some(Backtrace::force_capture()) }
}

/// Whether nobody will drop the guard in time: the process aborts, or `main` ends without it.
fn ends_the_process(message: &str) -> bool {
    const NO_UNWIND: [&str; 3] =
        ["panic in a function that cannot unwind", "panic in a destructor", "unsafe precondition"];
    cfg!(panic = "abort")
        || NO_UNWIND.iter().any(|start| message.starts_with(start))
        || thread::current().name() == Some("main")
}
