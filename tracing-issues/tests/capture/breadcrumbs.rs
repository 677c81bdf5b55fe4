//! The last events before an error arrive with it: those of its own span tree.

use serde_json::Value;
use tracing::{Instrument as _, debug, error, info, info_span, trace, warn};
use tracing_issues::Builder;

use crate::support::{captured_with, in_own_process, install_with, one, one_with, only};

/// Levels and texts of the breadcrumbs of an event, oldest first.
fn crumbs(event: &Value) -> Vec<String> {
    let crumbs = event["breadcrumbs"].as_array().into_iter().flatten();
    let text = |crumb: &Value| format!("{} {}", crumb["level"].as_str().unwrap(), crumb["message"].as_str().unwrap());
    crumbs.map(text).collect()
}

fn three(builder: Builder) -> Builder {
    builder.breadcrumbs(3)
}

#[track_caller]
fn check(log: impl FnOnce(), expected: &[&str]) {
    assert_eq!(crumbs(&one_with(three, log)), expected);
}

#[test]
fn the_last_events_of_the_tree_in_their_order() {
    let log = || {
        let _root = info_span!("root").entered();
        info!("first, forgotten");
        warn!(code = 7, name = "n", "second");
        info_span!("nested").in_scope(|| info!("third"));
        debug!("too little");
        trace!("too little");
        info!(reason = "no message");
        let _other = info_span!("sibling").entered();
        error!("m");
    };
    check(log, &["warn second code=7 name=n", "info third", "info reason=no message"]);
}

#[test]
fn errors_are_breadcrumbs_of_the_next_error() {
    let (events, _) = captured_with(three, || {
        let _root = info_span!("root").entered();
        error!("first");
        error!("second");
    });
    let texts: Vec<_> = events.iter().map(|event| (event["title"].as_str().unwrap(), crumbs(event))).collect();
    assert!(texts.contains(&("first", vec![])), "{texts:?}");
    assert!(texts.contains(&("second", vec!["error first".to_owned()])), "{texts:?}");
}

#[test]
fn no_other_tree_and_nothing_without_one() {
    let log = || {
        info!("in no span");
        info_span!("other").in_scope(|| info!("of another tree"));
        let root = info_span!("root");
        info!(parent: &root, "by its parent");
        let _root = root.entered();
        info!(parent: None, "of no tree");
        info_span!(parent: None, "third").in_scope(|| info!("of a third tree"));
        error!("m");
    };
    check(log, &["info by its parent"]);
    check(
        || {
            info!("in no span");
            error!("m");
        },
        &[],
    );
}

#[test]
fn a_tree_that_ended_leaves_nothing_to_the_next() {
    let log = || {
        for _ in 0..100 {
            info_span!("root").in_scope(|| info!("old"));
        }
        info_span!("root").in_scope(|| error!("m"));
    };
    check(log, &[]);
}

#[test]
fn off_unless_asked_for() {
    let log = || {
        let _root = info_span!("root").entered();
        info!("before");
        error!("m");
    };
    assert_eq!(one(log)["breadcrumbs"], Value::Null);
    assert_eq!(crumbs(&one_with(|builder| builder.breadcrumbs(1), log)), ["info before"]);
}

#[test]
fn bounded_in_number_and_length() {
    let event = one_with(
        |builder| builder.breadcrumbs(20),
        || {
            let _root = info_span!("root").entered();
            for number in 0..10_000 {
                info!(number, "{}", "é".repeat(10_000));
            }
            error!("m");
        },
    );
    let crumbs = crumbs(&event);
    assert_eq!(crumbs.len(), 20);
    assert!(crumbs.iter().all(|crumb| crumb.chars().count() <= 520 && crumb.ends_with('…')), "{crumbs:?}");
}

#[test]
fn their_times_are_their_own() {
    let event = one_with(three, || {
        let _root = info_span!("root").entered();
        info!("first");
        std::thread::sleep(std::time::Duration::from_millis(2));
        info!("second");
        error!("m");
    });
    let at = |index: usize| event["breadcrumbs"][index]["at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let error_at = event["first_at"].as_str().unwrap().parse().unwrap();
    assert!(at(0) < at(1) && at(1) <= error_at, "{event:#}");
}

#[test]
fn they_follow_the_task_across_threads() {
    in_own_process(|| {
        let (guard, published) = install_with(|builder| builder.breadcrumbs(10));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        runtime.block_on(async {
            let child = async {
                tokio::task::yield_now().await;
                info!("in the child");
            };
            let work = async {
                info!("before");
                tokio::spawn(child.instrument(info_span!("child"))).await.unwrap();
                tokio::task::yield_now().await;
                info!("after");
                error!("m");
            };
            let noise = async {
                for _ in 0..100 {
                    info!("noise");
                    tokio::task::yield_now().await;
                }
            };
            let noise = tokio::spawn(noise.instrument(info_span!("noise")));
            tokio::spawn(work.instrument(info_span!("root"))).await.unwrap();
            noise.await.unwrap();
        });
        guard.shutdown();
        assert_eq!(crumbs(&only(published.events())), ["info before", "info in the child", "info after"]);
    });
}
