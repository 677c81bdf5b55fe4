//! The layer as a service has it: behind a global subscriber. A scoped one (`set_default`) hides re-entrancy, so each
//! scenario runs in a process of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

use std::{
    error::Error,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::json;
use tracing::{error, error_span, info_span, warn};
use tracing_issues::{
    Stats,
    publish::{Envelope, Outcome, Publisher, Settlement},
    testing::memory,
};
use tracing_subscriber::{Layer, prelude::*};

use crate::support::{in_own_process, install, only};

#[derive(Debug)]
struct RefreshError {
    source: std::io::Error,
}
impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refresh failed")
    }
}
impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

#[test]
fn an_error_arrives_with_all_that_is_needed_to_solve_it() {
    in_own_process(|| {
        let (guard, published) = install();
        let line = line!() + 6;
        let failure = RefreshError { source: std::io::Error::from_raw_os_error(111) };
        let root = info_span!("poll", source = "kraken", round = 7, late = tracing::field::Empty).entered();
        let _leaf = info_span!("fetch", component = "feed", url = %"http://k/x").entered();
        warn!("not an issue");
        root.record("late", true);
        error!(error = &failure as &dyn Error, attempt = 3u64, ratio = 0.5, ok = false, "cannot refresh {}", "BTC");
        guard.shutdown();

        let event = only(published.events());
        assert_eq!(event["title"], "cannot refresh BTC: refresh failed");
        assert_eq!(event["component"], "feed");
        assert_eq!(event["reporter_id"], "newsfeed-service");
        assert_eq!(
            (&event["service"], &event["environment"], &event["release"]),
            (&json!("newsfeed"), &json!("test"), &json!("1.2.3"))
        );
        assert_eq!(
            (&event["severity"], &event["priority"], &event["type"]),
            (&json!("error"), &json!("medium"), &json!("bug"))
        );
        assert_eq!(event["context"], json!({"attempt": 3, "ratio": 0.5, "ok": false}));
        assert_eq!(
            event["error"],
            json!([
                {"kind": "RefreshError", "message": "refresh failed"},
                {"kind": "io::Error(ConnectionRefused)", "message": "Connection refused (os error 111)"},
            ])
        );
        assert_eq!(event["spans"][0]["name"], "poll");
        assert_eq!(event["spans"][0]["fields"], json!({"source": "kraken", "round": 7, "late": true}));
        assert_eq!(event["spans"][1]["fields"], json!({"component": "feed", "url": "http://k/x"}));
        assert_eq!(event["location"]["line"], line);
        assert_eq!(event["location"]["module"], module_path!());
        assert!(event["location"]["file"].as_str().unwrap().ends_with("tests/layer.rs"));
        assert_eq!(event["fingerprint"].as_str().unwrap().len(), 64);
        assert_eq!(event["issue_id"].as_str().unwrap().len(), 16);
    });
}

#[test]
fn the_scope_is_the_events_own_parent_not_the_current_span() {
    in_own_process(|| {
        let (guard, published) = install();
        let parent = error_span!("explicit", id = 1);
        let _current = info_span!("current").entered();
        error!(parent: &parent, "with an explicit parent");
        guard.shutdown();
        let event = only(published.events());
        assert_eq!(event["spans"], json!([{"name": "explicit", "target": "layer", "fields": {"id": 1}}]));
    });
}

#[test]
fn repeats_are_counted_not_sent() {
    in_own_process(|| {
        let (guard, published) = install();
        for order in 0..1000 {
            error!("order {order} refused");
        }
        let stats = guard.shutdown();
        assert_eq!(published.occurrences(), 1000);
        assert!(published.events().len() <= 3, "{} events", published.events().len());
        assert_eq!((stats.seen, stats.delivered, stats.waiting(), stats.dropped.total()), (1000, 1000, 0, 0));
        assert!(stats.suppressed >= 997);
    });
}

#[test]
fn what_comes_after_the_guard_is_counted_as_lost() {
    in_own_process(|| {
        let (publisher, published) = memory();
        let (issues, guard) =
            tracing_issues::builder("newsfeed").publisher(publisher).flush_timeout(Duration::MAX).build().unwrap();
        let counters = issues.stats();
        tracing_subscriber::registry().with(issues).init();
        error!("in time");
        assert!(guard.flush(Duration::MAX));
        drop(guard);
        error!("too late");
        let stats = counters();
        assert_eq!((stats.seen, stats.delivered, stats.waiting(), stats.dropped.shutdown), (2, 1, 0, 1));
        assert_eq!(only(published.events())["title"], "in time");
    });
}

#[test]
fn other_layers_still_see_everything() {
    in_own_process(|| {
        static SEEN: AtomicUsize = AtomicUsize::new(0);
        struct Counting;
        impl<S: tracing::Subscriber> Layer<S> for Counting {
            fn on_event(&self, _event: &tracing::Event<'_>, _ctx: tracing_subscriber::layer::Context<'_, S>) {
                SEEN.fetch_add(1, Ordering::Relaxed);
            }
        }
        let (publisher, published) = memory();
        let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build().unwrap();
        tracing_subscriber::registry().with(Counting).with(issues).init();
        tracing::trace!("t");
        tracing::info!("i");
        warn!("w");
        error!("e");
        guard.shutdown();
        assert_eq!(SEEN.load(Ordering::Relaxed), 4);
        assert_eq!(only(published.events())["title"], "e");
    });
}

/// Its `Debug` logs an error, which would recurse for ever, and deadlock if a lock of the registry were held.
struct LogsInDebug;
impl fmt::Debug for LogsInDebug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        error!(again = ?LogsInDebug, "inside Debug");
        f.write_str("value")
    }
}

#[test]
fn a_debug_that_logs_neither_recurses_nor_deadlocks() {
    in_own_process(|| {
        let (guard, published) = install();
        let span = info_span!("span", value = ?LogsInDebug, later = tracing::field::Empty).entered();
        span.record("later", tracing::field::debug(LogsInDebug));
        error!(value = ?LogsInDebug, "outside");
        let stats = guard.shutdown();
        let event = only(published.events());
        assert_eq!(event["title"], "outside");
        assert_eq!(event["context"]["value"], "value");
        assert_eq!(event["spans"][0]["fields"], json!({"value": "value", "later": "value"}));
        assert_eq!((stats.seen, stats.delivered, stats.dropped.reentrant), (4, 1, 3));
    });
}

#[test]
fn log_records_keep_their_own_target_and_place() {
    in_own_process(|| {
        let (guard, published) = install();
        tracing_log::LogTracer::init().unwrap();
        log::error!(target: "legacy::module", "old style");
        guard.shutdown();
        let event = only(published.events());
        assert_eq!(event["title"], "old style");
        assert_eq!(event["component"], "legacy::module");
        assert!(event["location"]["file"].as_str().unwrap().ends_with("tests/layer.rs"));
    });
}

/// A publisher whose client logs errors on the worker's thread, as real ones do while their broker is away.
struct Noisy(Vec<Settlement>);
impl Publisher for Noisy {
    fn destination(&self) -> String {
        "nowhere".to_owned()
    }
    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        error!(target: "librdkafka", "broker is away");
        self.0.push(Settlement { envelope, outcome: Outcome::Delivered });
        Ok(())
    }
    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        log::error!(target: "ureq", "again");
        std::mem::take(&mut self.0)
    }
}

#[test]
fn what_our_clients_log_on_the_worker_is_never_captured() {
    in_own_process(|| {
        let (issues, guard) = tracing_issues::builder("newsfeed").publisher(Noisy(Vec::new())).build().unwrap();
        tracing_subscriber::registry().with(issues).init();
        tracing_log::LogTracer::init().unwrap();
        error!(target: "tracing_issues::worker", "ours by target");
        error!("the service's own");
        assert!(guard.flush(Duration::from_secs(5)));
        std::thread::sleep(Duration::from_millis(200));
        let stats = guard.shutdown();
        assert_eq!((stats.seen, stats.delivered), (1, 1));
    });
}

/// Down until told otherwise.
struct Broken;
impl Publisher for Broken {
    fn destination(&self) -> String {
        "a broken server".to_owned()
    }
    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        Err(envelope)
    }
    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        Vec::new()
    }
}

#[test]
fn with_everything_down_nothing_blocks_and_every_loss_is_counted() {
    in_own_process(|| {
        let (issues, guard) = tracing_issues::builder("newsfeed")
            .publisher(Broken)
            .queue_capacity(16)
            .flush_timeout(Duration::from_millis(300))
            .build()
            .unwrap();
        tracing_subscriber::registry().with(issues).init();
        for n in 0..100_000 {
            error!("storm {n}");
        }
        let during: Stats = guard.stats();
        assert_eq!(during.seen, during.delivered + during.waiting() + during.dropped.total());
        let stats = guard.shutdown();
        assert_eq!((stats.seen, stats.delivered, stats.waiting()), (100_000, 0, 0));
        assert_eq!(stats.dropped.total(), 100_000);
        assert_eq!(stats.dropped.shutdown, 100_000, "{stats:?}");
    });
}
