//! The library's counters through the `metrics` facade, as an exporter of the service sees them. A process of its own, because
//! there is one recorder in a process. What each metric is called is tested beside the names, in `src/metrics.rs`.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::{
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tracing_subscriber::prelude::*;

/// Records, and notes on which threads it was asked to.
struct Noting {
    recorder: DebuggingRecorder,
    threads: Arc<Mutex<Vec<String>>>,
}

impl Noting {
    fn note(&self) {
        self.threads.lock().unwrap().push(thread::current().name().unwrap_or("?").to_owned());
    }
}

impl Recorder for Noting {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.recorder.describe_counter(key, unit, help);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.recorder.describe_gauge(key, unit, help);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, help: SharedString) {
        self.recorder.describe_histogram(key, unit, help);
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
        self.note();
        self.recorder.register_counter(key, metadata)
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
        self.note();
        self.recorder.register_gauge(key, metadata)
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
        self.note();
        self.recorder.register_histogram(key, metadata)
    }
}

/// The value of a metric without labels.
fn value(snapshotter: &Snapshotter, name: &str) -> Option<u64> {
    let all = snapshotter.snapshot().into_vec().into_iter();
    let mut found = all.filter(|(key, ..)| key.key().name() == name).map(|(.., value)| match value {
        DebugValue::Counter(count) => count,
        other => panic!("{name} is {other:?}"),
    });
    found.next()
}

#[test]
fn what_is_counted_is_published_once_a_second_and_at_the_exit() {
    let (publisher, published) = tracing_issues::testing::memory();
    let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build().unwrap();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(issues)).unwrap();
    for _ in 0..5 {
        tracing::error!("feed stalled");
    }

    // Installed after the layer and after the first errors: it learns of them all the same.
    let (recorder, threads) = (DebuggingRecorder::new(), Arc::default());
    let snapshotter = recorder.snapshotter();
    metrics::set_global_recorder(Noting { recorder, threads: Arc::clone(&threads) }).map_err(|_| "set").unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    // A snapshot resets counters, and a counter is set to where it stands: it comes back every second.
    while value(&snapshotter, "tracing_issues_errors_total") != Some(5) {
        assert!(Instant::now() < deadline, "nothing is published while the process runs");
        thread::sleep(Duration::from_millis(20));
    }

    tracing::error!("feed gone");
    let stats = guard.shutdown();
    assert_eq!((stats.seen, stats.delivered, published.occurrences()), (6, 6, 6));
    assert_eq!(value(&snapshotter, "tracing_issues_delivered_total"), Some(6));
    let threads = threads.lock().unwrap();
    assert!(
        threads.iter().all(|thread| thread == "tracing-issues"),
        "published on a thread of the service: {threads:?}"
    );
}
