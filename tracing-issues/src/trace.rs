//! The trace that a span belongs to, if `tracing-opentelemetry` is in the subscriber. Asking fixes the parent of a span that was
//! never entered; nothing else changes.

#[cfg(feature = "opentelemetry")]
use tracing::{Dispatch, dispatcher};
use tracing::{dispatcher::WeakDispatch, span::Id};

/// The ids of a trace and of a span in it, as W3C has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceIds {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

/// The ids of a span of `subscriber`: the one that the layer was told, which it is not inside of an `Option` or `Vec` of
/// layers; then it is the one of the process.
#[cfg(feature = "opentelemetry")]
pub(crate) fn ids_of(span: &Id, subscriber: Option<&WeakDispatch>) -> Option<TraceIds> {
    match subscriber {
        Some(subscriber) => ids_in(span, &subscriber.upgrade()?),
        None => dispatcher::get_default(|subscriber| ids_in(span, subscriber)),
    }
}

#[cfg(feature = "opentelemetry")]
fn ids_in(span: &Id, subscriber: &Dispatch) -> Option<TraceIds> {
    use opentelemetry::trace::TraceContextExt as _;

    let context = tracing_opentelemetry::get_otel_context(span, subscriber)?;
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| TraceIds { trace: ids.trace_id().to_bytes(), span: ids.span_id().to_bytes() })
}

/// Without the feature `opentelemetry`, no span has any.
#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn ids_of(_span: &Id, _subscriber: Option<&WeakDispatch>) -> Option<TraceIds> {
    None
}
