//! The layer behind a filter of its own, so that `info!` and `debug!` that nobody wants cost nothing. When that pays, and what
//! it loses: docs/plain-or-filtered.md.
//! Run with `cargo run -p examples --bin filtered`.

use tracing::{Level, Metadata, debug_span, error, info, info_span};
use tracing_subscriber::{
    filter::{LevelFilter, filter_fn},
    fmt,
    prelude::*,
};

fn main() -> Result<(), tracing_issues::ConfigError> {
    let (issues, _guard) = tracing_issues::from_env()?;
    // The hint lets `debug!` and `trace!` be switched off by their level alone.
    let filter = filter_fn(is_wanted).with_max_level_hint(LevelFilter::INFO);
    tracing_subscriber::registry()
        .with(fmt::layer().with_filter(LevelFilter::WARN))
        .with(issues.with_filter(filter))
        .init();

    let _order = info_span!("place", order = 17).entered();
    let _attempt = debug_span!("attempt", number = 1).entered();
    info!("nobody wants this, and it is not even made");
    error!("order refused"); // In the span `place`; `attempt` was not made either.
    Ok(())
}

/// What the error layer is to see: errors, and the spans around them. Not all spans: those of libraries at DEBUG and TRACE
/// would wake up.
fn is_wanted(metadata: &Metadata<'_>) -> bool {
    if metadata.is_span() { *metadata.level() <= Level::INFO } else { *metadata.level() == Level::ERROR }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_and_their_spans_pass() {
        let (publisher, published) = tracing_issues::testing::memory();
        let (issues, guard) = tracing_issues::builder("orders").panics(false).publisher(publisher).build().unwrap();
        let filter = filter_fn(is_wanted).with_max_level_hint(LevelFilter::INFO);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(issues.with_filter(filter)), || {
            let _order = info_span!("place", order = 17).entered();
            let _attempt = debug_span!("attempt", number = 1).entered();
            info!("nobody wants this");
            error!("order refused");
        });
        guard.shutdown();
        let reported = published.reported();
        let refused = reported.assert_reported("order refused").with_field("order", 17);
        assert_eq!(refused.event()["spans"].as_array().map(Vec::len), Some(1));
        assert_eq!(reported.occurrences(), 1);
    }
}
