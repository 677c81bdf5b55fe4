//! The libraries that ours is compared with, each set up as its documentation recommends and sending to a receiver that
//! counts and discards. What they do on the way there, on whichever thread, is left as it is.

use std::{
    fs::{File, OpenOptions},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry_appender_tracing::layer::{OpenTelemetryTracingBridge, TracingSpanAttributes};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter, SdkLoggerProvider},
};
use sentry::{
    ClientInitGuard, ClientOptions, Envelope, Transport,
    integrations::tracing::{BreadcrumbLayer, ErrorLayer, SpanLayer},
};
use tracing::Level;
use tracing_subscriber::{
    filter::{FilterExt as _, LevelFilter, filter_fn},
    fmt,
    prelude::*,
    registry,
};

use crate::contender::{Contender, Installed, Progress, Takes};

pub(crate) const CONTENDERS: [Contender; 5] = [
    Contender { name: "sentry", label: "sentry-tracing", takes: Takes::Errors, install: sentry },
    Contender {
        name: "sentry-errors",
        label: "sentry-tracing, only errors",
        takes: Takes::Errors,
        install: sentry_errors,
    },
    Contender {
        name: "opentelemetry-spans",
        label: "OpenTelemetry, span fields",
        takes: Takes::Everything,
        install: opentelemetry_spans,
    },
    Contender { name: "opentelemetry", label: "OpenTelemetry", takes: Takes::Everything, install: opentelemetry },
    Contender { name: "fmt", label: "fmt, non_blocking", takes: Takes::Everything, install: fmt_non_blocking },
];

/// Errors, breadcrumbs, spans and their fields; no trace is sampled.
fn sentry() -> anyhow::Result<Installed> {
    let received = Received::default();
    let guard = sentry_client(&received);
    let breadcrumbs = filter_fn(|metadata| matches!(*metadata.level(), Level::WARN | Level::INFO));
    let errors_and_spans = LevelFilter::ERROR.or(filter_fn(|metadata| !metadata.is_event()));
    registry()
        .with(SpanLayer::new().with_filter(LevelFilter::INFO))
        .with(BreadcrumbLayer::new().with_filter(breadcrumbs))
        .with(ErrorLayer::new().enable_span_attributes().with_filter(errors_and_spans))
        .try_init()?;
    Ok(received.installed(move || drop(guard)))
}

/// The least that still reports errors: no breadcrumbs, no spans.
fn sentry_errors() -> anyhow::Result<Installed> {
    let received = Received::default();
    let guard = sentry_client(&received);
    registry().with(ErrorLayer::new().with_filter(LevelFilter::ERROR)).try_init()?;
    Ok(received.installed(move || drop(guard)))
}

fn sentry_client(received: &Received) -> ClientInitGuard {
    let transport = Arc::new(received.clone());
    sentry::init(ClientOptions::new().dsn("https://key@sentry.invalid/1").transport(transport).release("1"))
}

/// Log records with the fields of their spans.
fn opentelemetry_spans() -> anyhow::Result<Installed> {
    let (received, provider) = log_provider();
    let spans = TracingSpanAttributes::all();
    let bridge = OpenTelemetryTracingBridge::builder(&provider).with_tracing_span_attributes(spans).build();
    registry().with(bridge).try_init()?;
    Ok(received.installed(move || drop(provider.shutdown_with_timeout(Duration::from_secs(5)))))
}

/// As the appender comes: log records alone.
fn opentelemetry() -> anyhow::Result<Installed> {
    let (received, provider) = log_provider();
    registry().with(OpenTelemetryTracingBridge::new(&provider)).try_init()?;
    Ok(received.installed(move || drop(provider.shutdown_with_timeout(Duration::from_secs(5)))))
}

/// The batch processor on its defaults.
fn log_provider() -> (Received, SdkLoggerProvider) {
    let received = Received::default();
    let provider = SdkLoggerProvider::builder().with_batch_exporter(received.clone()).build();
    (received, provider)
}

/// Lines of text, written by a thread of their own.
fn fmt_non_blocking() -> anyhow::Result<Installed> {
    let received = Received::default();
    let null = OpenOptions::new().write(true).open("/dev/null")?;
    let (writer, guard) = tracing_appender::non_blocking(Lines { null, received: received.clone() });
    registry().with(fmt::layer().with_ansi(false).with_writer(writer)).try_init()?;
    Ok(received.installed(move || drop(guard)))
}

/// The receiver: counts and discards.
#[derive(Debug, Clone, Default)]
struct Received(Arc<AtomicU64>);

impl Received {
    fn add(&self, events: usize) {
        self.0.fetch_add(events as u64, Relaxed);
    }

    fn installed(self, shut_down: impl FnOnce() + 'static) -> Installed {
        let at_the_end = self.clone();
        Installed::new(
            move || Progress { done: self.0.load(Relaxed), of: None },
            move || {
                shut_down();
                at_the_end.0.load(Relaxed)
            },
        )
    }
}

impl Transport for Received {
    fn send_envelope(&self, envelope: Envelope) {
        self.add(usize::from(envelope.event().is_some()));
    }
}

impl LogExporter for Received {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        self.add(batch.iter().count());
        Ok(())
    }
}

/// Really writes, so that the system calls are there, and counts lines.
struct Lines {
    null: File,
    received: Received,
}

impl io::Write for Lines {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        let written = self.null.write(text)?;
        self.received.add(text[..written].iter().filter(|byte| **byte == b'\n').count());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.null.flush()
    }
}
