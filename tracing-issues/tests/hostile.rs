//! A hostile neighbourhood: foreign code that panics where nobody expects it, a stderr that takes nothing, threads that panic
//! together. Each was a defect once.
//! Receivers that are down have tests of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

use std::{
    error::Error,
    fmt,
    fs::OpenOptions,
    process::{Command, Stdio},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{error, error_span, info, info_span};
use tracing_issues::{
    dedup::{Deduplicator, Verdict},
    fingerprint::Fingerprint,
    publish::{Envelope, Outcome, Publisher, Settlement},
};
use tracing_subscriber::prelude::*;

use crate::support::{captured_with, in_own_process, install_with};

#[test]
fn a_breadcrumb_leaves_nothing_in_the_next_span() {
    let (events, _) = captured_with(
        |builder| builder.breadcrumbs(5),
        || {
            let _root = info_span!("root").entered();
            info!(customer = "acme", component = "billing", "paid");
            let _span = info_span!("next", round = 7).entered();
            error!("lost");
        },
    );
    let event = &events[0];
    assert_eq!(event["spans"][1]["fields"], serde_json::json!({ "round": 7 }), "{event:#}");
}

#[test]
fn a_secret_of_several_words_does_not_leave_in_a_breadcrumb() {
    let (events, _) = captured_with(
        |builder| builder.breadcrumbs(5),
        || {
            let _root = info_span!("root").entered();
            info!(password = "correct horse battery", note = %"two words", "login");
            info!(password = ?"staple \"pony\" glue", "login");
            error!("lost");
        },
    );
    let text = events[0]["breadcrumbs"].to_string();
    for secret in ["correct", "horse", "battery", "staple", "pony", "glue"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    assert!(text.contains("two words"), "{text}");
}

/// An error whose cause panics when it is asked for.
#[derive(Debug)]
struct Bottomless;
impl fmt::Display for Bottomless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bottomless")
    }
}
impl Error for Bottomless {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        panic!("in source")
    }
}

#[test]
fn a_panic_in_source_stays_inside() {
    let (events, stats) = captured_with(|builder| builder, || error!(error = &Bottomless as &dyn Error, "lost"));
    assert_eq!((stats.delivered, &events[0]["error"][0]["message"]), (1, &"bottomless".into()));
}

#[test]
fn an_error_without_words_is_the_same_issue_in_a_span() {
    let (events, _) = captured_with(
        |builder| builder,
        || {
            let log = || error!(order = "gone", "");
            log();
            error_span!("span", a = 1).in_scope(log);
        },
    );
    let fingerprints: std::collections::HashSet<_> =
        events.iter().map(|event| event["fingerprint"].to_string()).collect();
    assert_eq!(fingerprints.len(), 1, "{events:#?}");
}

/// Receives nothing.
struct Down;
impl Publisher for Down {
    fn destination(&self) -> String {
        "nowhere".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        SETTLED.with(|settled| settled.borrow_mut().push(envelope));
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        let settled = SETTLED.with(|settled| std::mem::take(&mut *settled.borrow_mut()));
        settled
            .into_iter()
            .map(|envelope| Settlement { envelope, outcome: Outcome::Unavailable("down".to_owned()) })
            .collect()
    }
}

thread_local! {
    static SETTLED: std::cell::RefCell<Vec<Envelope>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// Its own process, so that its stderr can be a full disk.
#[test]
#[cfg(target_os = "linux")]
fn a_stderr_that_takes_nothing_does_not_end_the_worker() {
    const MARK: &str = "TRACING_ISSUES_TEST_FULL_STDERR";
    if std::env::var_os(MARK).is_none() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["a_stderr_that_takes_nothing_does_not_end_the_worker", "--exact", "--nocapture"])
            .env(MARK, "1")
            .stderr(Stdio::from(full))
            .status()
            .unwrap();
        assert!(status.success());
        return;
    }
    let (issues, guard) = tracing_issues::builder("newsfeed").publisher(Down).build().unwrap();
    tracing_subscriber::registry().with(issues).init();
    error!("first");
    let deadline = Instant::now() + Duration::from_secs(30);
    while guard.stats().road != tracing_issues::Road::Down && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    thread::sleep(Duration::from_millis(50));
    error!("second");
    let before = guard.stats();
    assert_eq!(before.dropped.shutdown, 0, "the worker is gone: {before:?}");
}

#[test]
fn threads_that_panic_together_are_all_reported() {
    in_own_process(|| {
        // The one that was there would print, and let them pass one by one.
        std::panic::set_hook(Box::new(|_| ()));
        let (guard, _) = install_with(|builder| builder);
        const THREADS: usize = 8;
        const ROUNDS: usize = 2_000;
        let barrier = Arc::new(Barrier::new(THREADS));
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        barrier.wait();
                        let _ = std::panic::catch_unwind(|| panic!("together"));
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(guard.shutdown().seen, (THREADS * ROUNDS) as u64);
    });
}

/// Answers, but takes its time.
struct Slow(Arc<AtomicUsize>);
impl Deduplicator for Slow {
    fn admit(&mut self, _: &Fingerprint) -> Verdict {
        self.0.fetch_add(1, Relaxed);
        thread::sleep(Duration::from_millis(90));
        Verdict::Admit
    }
}

#[test]
fn a_slow_deduplicator_does_not_delay_the_end() {
    let asked = Arc::new(AtomicUsize::new(0));
    let (publisher, _) = tracing_issues::testing::memory();
    let (issues, guard) = tracing_issues::builder("newsfeed")
        .publisher(publisher)
        .deduplicator(Slow(Arc::clone(&asked)))
        .flush_timeout(Duration::from_millis(500))
        .panics(false)
        .build()
        .unwrap();
    let stats = issues.stats();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(issues), || {
        for n in 0..90 {
            error!(fingerprint = format!("f{n}"), "new");
        }
    });
    guard.shutdown();
    let end = Instant::now() + Duration::from_secs(30);
    while stats().waiting() > 0 && Instant::now() < end {
        thread::sleep(Duration::from_millis(5));
    }
    // What was not sent in time is known to be lost; the rest was not asked for.
    let stats = stats();
    assert_eq!(stats.seen, stats.delivered + stats.dropped.total(), "{stats:?}");
    assert!(asked.load(Relaxed) < 60, "{asked:?} of 90");
}

#[test]
fn a_filter_that_logs_does_not_recurse() {
    in_own_process(|| {
        static IS_ASKED: AtomicBool = AtomicBool::new(false);
        let (guard, published) = install_with(|builder| {
            builder.filter(|_| {
                IS_ASKED.store(true, Relaxed);
                error!("in the filter");
                true
            })
        });
        error!("lost");
        let stats = guard.shutdown();
        assert!(IS_ASKED.load(Relaxed));
        assert_eq!((published.events().len(), stats.dropped.reentrant), (1, 1));
    });
}

#[test]
fn a_filter_that_panics_loses_no_error() {
    let (events, _) = captured_with(|builder| builder.filter(|_| panic!("in the filter")), || error!("lost"));
    assert_eq!(events[0]["title"], "lost");
}

#[test]
fn errors_in_destructors_of_threads_are_taken() {
    struct Logs;
    impl Drop for Logs {
        fn drop(&mut self) {
            error!("thread ends");
        }
    }
    thread_local! { static LOGS: Logs = const { Logs }; }
    in_own_process(|| {
        let (guard, _) = install_with(|builder| builder);
        for _ in 0..3 {
            thread::spawn(|| LOGS.with(|_| error!("thread begins"))).join().unwrap();
        }
        assert_eq!(guard.shutdown().seen, 6);
    });
}

#[test]
fn a_thread_keeps_little_of_a_large_error() {
    in_own_process(|| {
        let (_guard, _) = install_with(|builder| builder);
        let text = "word ".repeat(1_600);
        let log = || error!(a = text, b = text, c = text, d = text, e2 = text, "large");
        // Some threads have to bring a report; those that only count are what is looked at.
        let kept = (0..50).map(|_| {
            thread::sleep(Duration::from_millis(5));
            thread::scope(|scope| scope.spawn(|| allocation_counter::measure(log).bytes_current).join().unwrap())
        });
        let least = kept.min().unwrap();
        assert!(least < 16_000, "{least} bytes");
    });
}

/// A runtime must not be dropped inside of another one, and most services build the layer inside of theirs.
#[test]
#[cfg(feature = "redis")]
fn a_mistake_is_told_also_inside_of_an_async_main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let builder = tracing_issues::builder("newsfeed").redis_url("redis://127.0.0.1:1/").url("nonsense");
        assert!(builder.build().is_err());
    });
}
