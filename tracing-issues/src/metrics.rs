//! The library's counters for the service's own monitoring, through the `metrics` facade: no name of a metric is typed
//! anywhere else. Published from the worker's thread, once a second and at the exit; it counts nothing itself, except
//! what the deduplicator answers.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::{
    dedup::{Deduplicator, Verdict},
    fingerprint::Fingerprint,
    outbox::say,
    stats::{Road, Stats},
};

const ERRORS: &str = "tracing_issues_errors_total";
const ADOPTED: &str = "tracing_issues_adopted_total";
const SUPPRESSED: &str = "tracing_issues_suppressed_total";
const EVENTS_PUBLISHED: &str = "tracing_issues_events_published_total";
const DELIVERED: &str = "tracing_issues_delivered_total";
const DROPPED: &str = "tracing_issues_dropped_total";
const DEDUP_HITS: &str = "tracing_issues_dedup_hits_total";
const DEDUP_MISSES: &str = "tracing_issues_dedup_misses_total";
const QUEUE_DEPTH: &str = "tracing_issues_queue_depth";
const AGGREGATED: &str = "tracing_issues_aggregated";
const ROAD: &str = "tracing_issues_road";

/// What each counter counts.
const COUNTERS: [(&str, &str); 8] = [
    (ERRORS, "Errors that reached the layer, and those that were adopted."),
    (ADOPTED, "Errors of a former process that were found in the spool."),
    (SUPPRESSED, "Errors that were counted into a later summary."),
    (EVENTS_PUBLISHED, "Events (not errors) that the receiver acknowledged."),
    (DELIVERED, "Errors that those events stand for."),
    (DROPPED, "Errors that were lost, by reason."),
    (DEDUP_HITS, "Times that another instance had reported the error already."),
    (DEDUP_MISSES, "Times that no other instance was known to have reported the error."),
];

/// What each gauge shows.
const GAUGES: [(&str, &str); 3] = [
    (QUEUE_DEPTH, "Reports that wait for the worker."),
    (AGGREGATED, "Errors that are counted and not delivered yet."),
    (ROAD, "1 for the state of the road to the receiver, 0 for the others."),
];

/// The pause between two publications.
const INTERVAL: Duration = Duration::from_secs(1);

/// Tells the recorder of the process, if there is one, where the counters stand.
#[derive(Default)]
pub(crate) struct Metrics {
    published_at: Option<Instant>,
    dedup: Option<Arc<DedupCounters>>,
    /// The recorder has panicked, and is not asked again.
    is_broken: bool,
}

#[derive(Default)]
struct DedupCounters {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Metrics {
    /// Counts what this deduplicator answers from now on.
    pub(crate) fn count(&mut self, dedup: Box<dyn Deduplicator>) -> Box<dyn Deduplicator> {
        let counters = Arc::clone(self.dedup.get_or_insert_default());
        Box::new(Counted { dedup, counters })
    }

    /// Publishes, unless that was done less than a second ago.
    pub(crate) fn publish_if_due(&mut self, now: Instant, stats: impl FnOnce() -> Stats) {
        if self.published_at.is_none_or(|at| now.duration_since(at) >= INTERVAL) {
            self.published_at = Some(now);
            self.publish(&stats());
        }
    }

    /// Publishes.
    pub(crate) fn publish(&mut self, stats: &Stats) {
        if self.is_broken {
            return;
        }
        // The recorder is somebody else's code, and the worker must live.
        let dedup = self.dedup.as_deref();
        if catch_unwind(AssertUnwindSafe(|| record(stats, dedup))).is_err() {
            self.is_broken = true;
            say("the metrics recorder has panicked; the library's metrics stand still from now on");
        }
    }
}

fn record(stats: &Stats, dedup: Option<&DedupCounters>) {
    // Each time: a recorder that is installed after us would not know them otherwise.
    COUNTERS.iter().for_each(|(name, help)| describe_counter!(*name, *help));
    GAUGES.iter().for_each(|(name, help)| describe_gauge!(*name, *help));

    // Absolute, for the same reason: it starts with what was counted before.
    counter!(ERRORS).absolute(stats.seen);
    counter!(ADOPTED).absolute(stats.adopted);
    counter!(SUPPRESSED).absolute(stats.suppressed);
    counter!(EVENTS_PUBLISHED).absolute(stats.published);
    counter!(DELIVERED).absolute(stats.delivered);
    for (reason, count) in stats.dropped.by_reason() {
        counter!(DROPPED, "reason" => reason).absolute(count);
    }
    if let Some(dedup) = dedup {
        counter!(DEDUP_HITS).absolute(dedup.hits.load(Relaxed));
        counter!(DEDUP_MISSES).absolute(dedup.misses.load(Relaxed));
    }
    gauge!(QUEUE_DEPTH).set(stats.queued as f64);
    gauge!(AGGREGATED).set(stats.aggregated as f64);
    for (road, state) in [(Road::Connecting, "connecting"), (Road::Connected, "connected"), (Road::Down, "down")] {
        gauge!(ROAD, "state" => state).set(if road == stats.road { 1.0 } else { 0.0 });
    }
}

/// A deduplicator whose answers are counted.
struct Counted {
    dedup: Box<dyn Deduplicator>,
    counters: Arc<DedupCounters>,
}

impl Deduplicator for Counted {
    fn admit(&mut self, fingerprint: &Fingerprint) -> Verdict {
        let verdict = self.dedup.admit(fingerprint);
        let counter = match verdict {
            Verdict::Suppress => &self.counters.hits,
            Verdict::Admit => &self.counters.misses,
        };
        counter.fetch_add(1, Relaxed);
        verdict
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::stats::Dropped;

    /// Everything that is recorded while `body` runs, as `name{label=value}`.
    fn recorded(body: impl FnOnce()) -> BTreeMap<String, f64> {
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, body);
        let value = |value| match value {
            DebugValue::Counter(count) => count as f64,
            DebugValue::Gauge(value) => value.into_inner(),
            DebugValue::Histogram(_) => f64::NAN,
        };
        let all = recorder.snapshotter().snapshot().into_vec().into_iter();
        all.map(|(key, _, help, found)| {
            let key = key.into_parts().1;
            assert!(help.is_some(), "{} is not described", key.name());
            let labels: Vec<String> = key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
            (format!("{}{{{}}}", key.name(), labels.join(",")), value(found))
        })
        .collect()
    }

    #[track_caller]
    fn check(recorded: &BTreeMap<String, f64>, series: &str, expected: f64) {
        assert_eq!(recorded.get(&format!("tracing_issues_{series}")), Some(&expected), "{series} in {recorded:#?}");
    }

    fn stats() -> Stats {
        let dropped = Dropped { queue_full: 3, shutdown: 2, ..Dropped::default() };
        Stats {
            seen: 40,
            adopted: 7,
            suppressed: 20,
            published: 6,
            delivered: 25,
            queued: 4,
            aggregated: 6,
            dropped,
            road: Road::Down,
        }
    }

    #[test]
    fn every_counter_is_published() {
        let found = recorded(|| Metrics::default().publish(&stats()));
        check(&found, "errors_total{}", 40.0);
        check(&found, "adopted_total{}", 7.0);
        check(&found, "suppressed_total{}", 20.0);
        check(&found, "events_published_total{}", 6.0);
        check(&found, "delivered_total{}", 25.0);
        check(&found, "dropped_total{reason=queue_full}", 3.0);
        check(&found, "dropped_total{reason=shutdown}", 2.0);
        check(&found, "dropped_total{reason=reentrant}", 0.0);
        check(&found, "queue_depth{}", 4.0);
        check(&found, "aggregated{}", 6.0);
        check(&found, "road{state=down}", 1.0);
        check(&found, "road{state=connected}", 0.0);
        assert!(!found.keys().any(|series| series.contains("dedup")), "nobody was asked: {found:?}");
    }

    #[test]
    fn answers_of_the_deduplicator_are_counted() {
        struct Alternating(bool);
        impl Deduplicator for Alternating {
            fn admit(&mut self, _: &Fingerprint) -> Verdict {
                self.0 = !self.0;
                if self.0 { Verdict::Admit } else { Verdict::Suppress }
            }
        }
        let mut metrics = Metrics::default();
        let mut dedup = metrics.count(Box::new(Alternating(false)));
        let fingerprint: Fingerprint = "0".repeat(64).parse().unwrap();
        let verdicts: Vec<Verdict> = (0..5).map(|_| dedup.admit(&fingerprint)).collect();
        assert_eq!(verdicts[..2], [Verdict::Admit, Verdict::Suppress], "the answer is passed on");
        let found = recorded(|| metrics.publish(&stats()));
        check(&found, "dedup_hits_total{}", 2.0);
        check(&found, "dedup_misses_total{}", 3.0);
    }

    #[test]
    fn it_is_published_once_a_second() {
        let (mut metrics, start) = (Metrics::default(), Instant::now());
        let mut asked = Vec::new();
        for milliseconds in [0, 5, 999, 1_000, 1_500, 2_000, 9_000] {
            metrics.publish_if_due(start + Duration::from_millis(milliseconds), || {
                asked.push(milliseconds);
                stats()
            });
        }
        assert_eq!(asked, [0, 1_000, 2_000, 9_000]);
    }

    #[test]
    fn a_recorder_that_panics_is_left_alone() {
        struct Panicking;
        impl metrics::Recorder for Panicking {
            fn describe_counter(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {
                panic!("the recorder is broken");
            }
            fn describe_gauge(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
            fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}
            fn register_counter(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
                metrics::Counter::noop()
            }
            fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
                metrics::Gauge::noop()
            }
            fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
                metrics::Histogram::noop()
            }
        }
        let mut metrics = Metrics::default();
        metrics::with_local_recorder(&Panicking, || {
            metrics.publish(&stats());
            assert!(metrics.is_broken);
            metrics.publish(&stats());
        });
    }

    #[test]
    fn every_metric_is_documented() {
        let docs = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/operations.md")).unwrap();
        for (name, _) in COUNTERS.iter().chain(&GAUGES) {
            assert!(docs.contains(&format!("`{name}`")), "docs/operations.md does not name {name}");
        }
    }
}
