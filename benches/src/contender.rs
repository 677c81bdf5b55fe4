//! The libraries, each set up as a service would and sending to a receiver that counts and discards. What they do on the
//! way there, on whichever thread, is left as it is.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use clap::ValueEnum;
use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter, SdkLoggerProvider},
};
use sentry::{
    ClientOptions, Envelope, Transport,
    integrations::tracing::{BreadcrumbLayer, ErrorLayer, SpanLayer},
};
use serde::Serialize;
use tracing::Level;
use tracing_issues::publish::{Outcome, Publisher, Settlement};
use tracing_subscriber::{
    filter::{FilterExt as _, LevelFilter, filter_fn},
    prelude::*,
    registry,
};

use crate::Scenario;

/// A library that takes errors from `tracing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contender {
    /// A bare registry: what `tracing` itself costs.
    NoLayer,
    /// Ours, on its defaults.
    TracingIssues,
    /// sentry-tracing with its recommended layers (errors, breadcrumbs, spans and their fields), traces not sampled.
    SentryTracing,
    /// The OpenTelemetry log appender with the fields of spans, through the batch processor on its defaults.
    #[value(name = "opentelemetry")]
    #[serde(rename = "opentelemetry")]
    OpenTelemetry,
}

/// A contender that is now the global subscriber of this process.
pub struct Installed {
    contender: Contender,
    finish: Box<dyn FnOnce() -> u64>,
}

impl Contender {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::NoLayer, Self::TracingIssues, Self::SentryTracing, Self::OpenTelemetry];

    /// Makes it the global subscriber of this process: a scoped one would be measured with a cost that no service has.
    ///
    /// # Errors
    /// If it cannot be set up, or if the process has a subscriber already.
    pub fn install(self) -> anyhow::Result<Installed> {
        let finish: Box<dyn FnOnce() -> u64> = match self {
            Self::NoLayer => {
                registry().try_init()?;
                Box::new(|| 0)
            }
            Self::TracingIssues => {
                let (issues, guard) = tracing_issues::builder("bench").publisher(Discard::default()).build()?;
                registry().with(issues).try_init()?;
                Box::new(|| guard.shutdown().delivered)
            }
            Self::SentryTracing => {
                let received = Received::default();
                let options = ClientOptions::new()
                    .dsn("https://key@sentry.invalid/1")
                    .transport(Arc::new(received.clone()))
                    .release("1");
                let guard = sentry::init(options);
                let breadcrumbs = filter_fn(|metadata| matches!(*metadata.level(), Level::WARN | Level::INFO));
                let errors_and_spans = LevelFilter::ERROR.or(filter_fn(|metadata| !metadata.is_event()));
                registry()
                    .with(SpanLayer::new().with_filter(LevelFilter::INFO))
                    .with(BreadcrumbLayer::new().with_filter(breadcrumbs))
                    .with(ErrorLayer::new().enable_span_attributes().with_filter(errors_and_spans))
                    .try_init()?;
                Box::new(move || {
                    drop(guard);
                    received.count()
                })
            }
            Self::OpenTelemetry => {
                let received = Received::default();
                let provider = SdkLoggerProvider::builder().with_batch_exporter(received.clone()).build();
                let bridge = OpenTelemetryTracingBridge::builder(&provider)
                    .with_tracing_span_attributes(TracingSpanAttributes::all())
                    .build();
                registry().with(bridge).try_init()?;
                Box::new(move || {
                    let _ = provider.shutdown_with_timeout(Duration::from_secs(5));
                    received.count()
                })
            }
        };
        Ok(Installed { contender: self, finish })
    }
}

impl Installed {
    /// Shuts it down and tells how many of `events` never reached its receiver: a contender that drops looks cheap.
    pub fn lost_of(self, events: u64, scenario: Scenario) -> u64 {
        let expected = match (self.contender, scenario) {
            (Contender::NoLayer, _) | (_, Scenario::Span) => 0,
            // To OpenTelemetry every event is a log record.
            (contender, Scenario::Info) if contender != Contender::OpenTelemetry => 0,
            _ => events,
        };
        expected.abs_diff((self.finish)())
    }
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed").field("contender", &self.contender).finish_non_exhaustive()
    }
}

/// The name on the command line and in the table.
impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NoLayer => "no-layer",
            Self::TracingIssues => "tracing-issues",
            Self::SentryTracing => "sentry-tracing",
            Self::OpenTelemetry => "opentelemetry",
        })
    }
}

/// Our receiver: everything is delivered at once. The library counts by itself.
#[derive(Default)]
struct Discard(Vec<Settlement>);

impl Publisher for Discard {
    fn destination(&self) -> String {
        "nowhere".to_owned()
    }

    fn submit(&mut self, envelope: tracing_issues::publish::Envelope) -> Result<(), tracing_issues::publish::Envelope> {
        self.0.push(Settlement { envelope, outcome: Outcome::Delivered });
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        std::mem::take(&mut self.0)
    }
}

/// The receiver of the others: counts and discards.
#[derive(Debug, Clone, Default)]
struct Received(Arc<AtomicU64>);

impl Received {
    fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Transport for Received {
    fn send_envelope(&self, envelope: Envelope) {
        self.0.fetch_add(u64::from(envelope.event().is_some()), Relaxed);
    }
}

impl LogExporter for Received {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.0.fetch_add(batch.iter().count() as u64, Relaxed);
        Ok(())
    }
}
