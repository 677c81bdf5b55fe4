//! Trace and span ids of `tracing-opentelemetry`, as its exporter has them.

#![cfg(feature = "opentelemetry")]

use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, SpanData, SpanExporter},
};
use serde_json::Value;
use tracing::{error, info_span};
use tracing_issues::testing::memory;
use tracing_subscriber::prelude::*;

use crate::support::{in_own_process, one, only};

/// Keeps the spans that were exported.
#[derive(Debug, Clone, Default)]
struct Exported(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Exported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

impl Exported {
    /// The ids of the span of this name.
    fn ids(&self, name: &str) -> (String, String) {
        let spans = self.0.lock().unwrap();
        let span = spans.iter().find(|span| span.name == name).unwrap();
        (span.span_context.trace_id().to_string(), span.span_context.span_id().to_string())
    }
}

/// The only event of what `log` does between two layers, whatever their order, and the spans that were exported.
#[track_caller]
fn traced(is_first: bool, log: impl FnOnce()) -> (Value, Exported) {
    let exported = Exported::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exported.clone()).build();
    let (publisher, published) = memory();
    let (issues, guard) = tracing_issues::builder("newsfeed").panics(false).publisher(publisher).build().unwrap();
    let (registry, tracer) = (tracing_subscriber::registry(), provider.tracer("test"));
    if is_first {
        let traces = tracing_opentelemetry::layer().with_tracer(tracer);
        tracing::subscriber::with_default(registry.with(issues).with(traces), log);
    } else {
        let traces = tracing_opentelemetry::layer().with_tracer(tracer);
        tracing::subscriber::with_default(registry.with(traces).with(issues), log);
    }
    guard.shutdown();
    (only(published.events()), exported)
}

/// Checks that the event belongs to the exported span of this name.
#[track_caller]
fn check(log: fn(), name: &str) {
    for is_first in [true, false] {
        let (event, exported) = traced(is_first, log);
        let ids = (event["trace_id"].as_str().unwrap(), event["span_id"].as_str().unwrap());
        let expected = exported.ids(name);
        assert_eq!(ids, (expected.0.as_str(), expected.1.as_str()), "{event:#}");
    }
}

fn in_a_root() {
    let _root = info_span!("root").entered();
    error!("m");
}

fn nested() {
    let _root = info_span!("root").entered();
    let _leaf = info_span!("leaf").entered();
    error!("m");
}

fn with_a_parent() {
    let root = info_span!("root");
    let parent = info_span!(parent: &root, "parent");
    let _current = info_span!("current").entered();
    error!(parent: &parent, "m");
}

fn in_a_span_that_was_never_entered() {
    let parent = info_span!("parent", x = 1);
    error!(parent: &parent, "m");
}

#[test]
fn the_ids_are_those_of_the_nearest_span() {
    check(in_a_root, "root");
    check(nested, "leaf");
    check(with_a_parent, "parent");
    check(in_a_span_that_was_never_entered, "parent");
}

#[test]
fn a_parent_and_its_child_are_one_trace() {
    let (event, exported) = traced(true, nested);
    assert_eq!(event["trace_id"], exported.ids("root").0);
    assert_ne!(event["span_id"], exported.ids("root").1);
}

#[test]
fn without_a_span_or_without_traces_there_are_none() {
    for event in [traced(true, || error!("m")).0, one(nested)] {
        assert_eq!((&event["trace_id"], &event["span_id"]), (&Value::Null, &Value::Null), "{event:#}");
    }
}

/// `Option` and `Vec` of layers do not tell them which subscriber they are in.
#[test]
fn a_layer_that_was_not_told_its_subscriber_finds_it() {
    in_own_process(|| {
        let exported = Exported::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exported.clone()).build();
        let (publisher, published) = memory();
        let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build().unwrap();
        let traces = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
        tracing_subscriber::registry().with(Some(issues)).with(traces).init();
        in_a_root();
        guard.shutdown();
        assert_eq!(only(published.events())["trace_id"], exported.ids("root").0);
    });
}
