//! The trace that a span belongs to, if `tracing-opentelemetry` is in the subscriber. Nothing is started or changed by asking.

use tracing::{dispatcher::WeakDispatch, span::Id};

/// The ids of a trace and of a span in it, as W3C has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceIds {
    pub(crate) trace: [u8; 16],
    pub(crate) span: [u8; 8],
}

/// The ids of a span of `dispatch`.
#[cfg(feature = "opentelemetry")]
pub(crate) fn ids_of(span: &Id, dispatch: &WeakDispatch) -> Option<TraceIds> {
    use opentelemetry::trace::TraceContextExt as _;

    let context = tracing_opentelemetry::get_otel_context(span, &dispatch.upgrade()?)?;
    let span = context.span();
    let ids = span.span_context();
    ids.is_valid().then(|| TraceIds { trace: ids.trace_id().to_bytes(), span: ids.span_id().to_bytes() })
}

/// Without the feature `opentelemetry`, no span has any.
#[cfg(not(feature = "opentelemetry"))]
pub(crate) fn ids_of(_span: &Id, _dispatch: &WeakDispatch) -> Option<TraceIds> {
    None
}
