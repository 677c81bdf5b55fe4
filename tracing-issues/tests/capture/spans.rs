//! The fields of every enclosing span arrive with the error, and no others.

use std::{sync::mpsc, thread, time::Duration};

use serde_json::{Value, json};
use tracing::{
    Instrument as _, Level, Span, debug_span, error, error_span,
    field::{Empty, debug},
    info, info_span,
};
use tracing_issues::{IssueLayer, testing::memory};
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
    prelude::*,
};

use crate::{
    errors::{REFUSED, refresh_error},
    support::{captured, in_own_process, install, one, only},
};

/// Names and fields of an event's spans, root first.
fn spans(event: &Value) -> Vec<(String, Value)> {
    let spans = event["spans"].as_array().into_iter().flatten();
    spans.map(|span| (span["name"].as_str().unwrap().to_owned(), span["fields"].clone())).collect()
}

#[track_caller]
fn check(log: impl FnOnce(), expected: &[(&str, Value)]) {
    check_event(&one(log), expected);
}

#[track_caller]
fn check_event(event: &Value, expected: &[(&str, Value)]) {
    let expected: Vec<_> = expected.iter().map(|(name, fields)| ((*name).to_owned(), fields.clone())).collect();
    assert_eq!(spans(event), expected, "{event:#}");
}

#[test]
fn every_enclosing_span_with_its_fields() {
    check(|| error!("m"), &[]);
    let log = || {
        let _a = info_span!("a", x = 1, who = "w").entered();
        let _b = debug_span!("b").entered();
        let _c = error_span!("c", x = ?[1], y = %2, z = true, e = 0.5).entered();
        error!("m");
    };
    let c = json!({"x": "[1]", "y": "2", "z": true, "e": 0.5});
    check(log, &[("a", json!({"x": 1, "who": "w"})), ("b", Value::Null), ("c", c)]);
    let log = || {
        let _outer = info_span!("same", x = 1).entered();
        let _inner = info_span!("same", x = 2).entered();
        error!(x = 3, "m");
    };
    check(log, &[("same", json!({"x": 1})), ("same", json!({"x": 2}))]);
}

#[test]
fn an_error_in_a_span_with_its_causes() {
    let failure = refresh_error();
    let log = || {
        let _span = info_span!("a", last = &failure as &dyn std::error::Error).entered();
        error!("m");
    };
    check(log, &[("a", json!({"last": format!("refresh failed: {REFUSED}")}))]);
}

#[test]
fn what_is_recorded_later() {
    let log = || {
        let span = info_span!("a", x = 1, y = Empty, z = Empty, never = Empty);
        let _entered = span.enter();
        span.record("y", 2);
        span.record("z", debug("first"));
        span.record("z", "second");
        span.record("x", 7);
        span.record("unknown", 1);
        error!("m");
        span.record("y", "after it");
    };
    check(log, &[("a", json!({"x": 7, "y": 2, "z": "second"}))]);
    let log = || {
        let only_later = info_span!("a", x = Empty);
        only_later.record("x", 1);
        only_later.in_scope(|| error!("m"));
    };
    check(log, &[("a", json!({"x": 1}))]);
    // From another thread, while nobody is in it.
    let log = || {
        let span = info_span!("a", x = Empty);
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        thread::scope(|scope| {
            scope.spawn(|| tracing::dispatcher::with_default(&dispatch, || span.record("x", 1)));
        });
        span.in_scope(|| error!("m"));
    };
    check(log, &[("a", json!({"x": 1}))]);
}

#[test]
fn the_parent_that_is_named() {
    let log = || {
        let parent = info_span!("parent", x = 1);
        let child = info_span!(parent: &parent, "child", x = 2);
        let _current = info_span!("current", x = 3).entered();
        error!(parent: &child, "m");
    };
    check(log, &[("parent", json!({"x": 1})), ("child", json!({"x": 2}))]);
    let log = || {
        let _current = info_span!("current", x = 3).entered();
        error!(parent: None, "m");
    };
    check(log, &[]);
    let log = || {
        let _current = info_span!("current", x = 3).entered();
        let _root = info_span!(parent: None, "root", x = 1).entered();
        error!("m");
    };
    check(log, &[("root", json!({"x": 1}))]);
    let log = || {
        let cause = info_span!("cause", x = 1);
        let span = info_span!("span", x = 2);
        span.follows_from(&cause);
        span.in_scope(|| error!("m"));
    };
    check(log, &[("span", json!({"x": 2}))]);
    // A child keeps its parent alive, and its fields.
    let log = || {
        let child = info_span!("parent", x = 1).in_scope(|| info_span!("child", x = 2));
        child.in_scope(|| error!("m"));
    };
    check(log, &[("parent", json!({"x": 1})), ("child", json!({"x": 2}))]);
}

#[test]
fn a_disabled_span_is_left_out() {
    let log = || {
        let _outer = info_span!("outer", x = 1).entered();
        let _none = Span::none().entered();
        error!("m");
    };
    check(log, &[("outer", json!({"x": 1}))]);
}

async fn leaf(task: u64) {
    tokio::task::yield_now().await;
    let step = info_span!("leaf", task, step = Empty);
    async {
        tokio::time::sleep(Duration::from_millis(task % 3)).await;
        Span::current().record("step", task + 1);
        tokio::task::yield_now().await;
        error!(task, fingerprint = format!("{task}"), "m");
    }
    .instrument(step)
    .await;
}

#[test]
fn spans_follow_tasks_across_threads() {
    in_own_process(|| {
        const TASKS: u64 = 64;
        let (guard, published) = install();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_time().build().unwrap();
        runtime.block_on(async {
            let spawn = |task| tokio::spawn(leaf(task).instrument(info_span!("root", task)));
            for task in (0..TASKS).map(spawn).collect::<Vec<_>>() {
                task.await.unwrap();
            }
        });
        guard.shutdown();
        let events = published.events();
        assert_eq!(events.len() as u64, TASKS);
        for event in &events {
            let task = event["context"]["task"].as_u64().unwrap();
            let leaf = json!({"task": task, "step": task + 1});
            check_event(event, &[("root", json!({"task": task})), ("leaf", leaf)]);
        }
    });
}

#[test]
fn more_live_spans_than_have_a_place_of_their_own() {
    const SPANS: usize = 12_000;
    let events = captured(|| {
        let spans: Vec<_> = (0..SPANS).map(|number| info_span!("a", number, later = Empty)).collect();
        for (number, span) in spans.iter().enumerate() {
            span.record("later", number + 1);
        }
        for (number, span) in spans.iter().enumerate().step_by(200) {
            span.in_scope(|| error!(number, fingerprint = format!("{number}"), "m"));
        }
        // Their ids are used again, by spans that have no such fields.
        drop(spans);
        let again: Vec<_> = (0..SPANS).map(|_| info_span!("b", other = Empty)).collect();
        for (number, span) in again.iter().enumerate().step_by(200) {
            span.in_scope(|| error!(number, fingerprint = format!("again {number}"), "m"));
        }
    });
    assert_eq!(events.len(), 2 * SPANS / 200);
    let (first, again) = events.split_at(SPANS / 200);
    for event in first {
        let number = event["context"]["number"].as_u64().unwrap();
        check_event(event, &[("a", json!({"number": number, "later": number + 1}))]);
    }
    for event in again {
        check_event(event, &[("b", Value::Null)]);
    }
}

#[test]
fn an_id_that_is_used_again_brings_no_old_fields() {
    let events = captured(|| {
        for round in 0..500 {
            let old = info_span!("old", secret = round);
            let id = old.id().unwrap();
            drop(old);
            let new = info_span!("new");
            // The registry may give the same id again at once; with a generation in it, or not.
            let _ = (id, new.in_scope(|| error!(fingerprint = format!("{round}"), "m")));
            let later = info_span!("later", x = Empty);
            later.in_scope(|| error!(fingerprint = format!("later {round}"), "m"));
        }
    });
    let old: Vec<_> = events.iter().filter(|event| event["spans"][0]["fields"] != Value::Null).collect();
    assert!(old.is_empty(), "{old:#?}");
}

#[test]
fn spans_that_end_on_other_threads_leave_nothing_behind() {
    let events = captured(|| {
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        for round in 0..50 {
            let (send, receive) = mpsc::channel::<Span>();
            let (mine, other) = (dispatch.clone(), dispatch.clone());
            thread::scope(|scope| {
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&mine, || {
                        for number in 0..20 {
                            send.send(info_span!("travels", round, number)).unwrap();
                        }
                    });
                });
                scope.spawn(move || tracing::dispatcher::with_default(&other, || receive.iter().for_each(drop)));
            });
        }
        let spans: Vec<_> = (0..100).map(|_| info_span!("empty", x = Empty)).collect();
        for (number, span) in spans.iter().enumerate() {
            span.in_scope(|| error!(fingerprint = format!("{number}"), "m"));
        }
    });
    assert_eq!(events.len(), 100);
    events.iter().for_each(|event| check_event(event, &[("empty", Value::Null)]));
}

/// The only event of what is logged with our layer in the subscriber that `build` makes.
#[track_caller]
fn one_in<S: tracing::Subscriber + Send + Sync>(build: impl FnOnce(IssueLayer) -> S, log: impl FnOnce()) -> Value {
    let (publisher, published) = memory();
    let (issues, guard) = tracing_issues::builder("newsfeed").panics(false).publisher(publisher).build().unwrap();
    tracing::subscriber::with_default(build(issues), log);
    guard.shutdown();
    only(published.events())
}

/// A layer that does nothing.
struct Idle;
impl<S: tracing::Subscriber> Layer<S> for Idle {}

fn log_in_three() {
    let _info = info_span!("info", x = 1).entered();
    let _debug = debug_span!("debug", x = 2).entered();
    let later = error_span!("error", x = 3, y = Empty).entered();
    later.record("y", 4);
    info!("no issue");
    error!("m");
}

#[test]
fn filters_of_ours_and_of_others() {
    let all = [("info", json!({"x": 1})), ("debug", json!({"x": 2})), ("error", json!({"x": 3, "y": 4}))];
    let registry = tracing_subscriber::registry;
    let noop = || Idle;
    check_event(&one_in(|issues| registry().with(issues), log_in_three), &all);
    check_event(
        &one_in(|issues| registry().with(noop().with_filter(LevelFilter::ERROR)).with(issues), log_in_three),
        &all,
    );
    check_event(
        &one_in(|issues| registry().with(issues).with(noop().with_filter(LevelFilter::OFF)), log_in_three),
        &all,
    );
    // As the guide has it.
    let scope = filter_fn(|metadata| {
        if metadata.is_span() { *metadata.level() <= Level::INFO } else { *metadata.level() == Level::ERROR }
    });
    let event = one_in(|issues| registry().with(issues.with_filter(scope)), log_in_three);
    check_event(&event, &[all[0].clone(), all[2].clone()]);
    let event = one_in(|issues| registry().with(issues.with_filter(LevelFilter::ERROR)), log_in_three);
    check_event(&event, &all[2..]);
    let event = one_in(|issues| registry().with(LevelFilter::INFO).with(issues), log_in_three);
    check_event(&event, &[all[0].clone(), all[2].clone()]);
    let event = one_in(|issues| registry().with(Some(issues)).with(None::<IssueLayer>), log_in_three);
    check_event(&event, &all);
    let event = one_in(|issues| registry().with(issues.boxed()), log_in_three);
    check_event(&event, &all);
    let event = one_in(|issues| registry().with(vec![issues.boxed(), noop().boxed()]), log_in_three);
    check_event(&event, &all);
}

#[test]
fn two_layers_of_ours_in_one_subscriber_do_not_mix() {
    let (publisher, published) = memory();
    let (other, guard) = tracing_issues::builder("other").panics(false).publisher(publisher).build().unwrap();
    let event = one_in(move |issues| Registry::default().with(issues).with(other), log_in_three);
    guard.shutdown();
    let second = only(published.events());
    assert_eq!((&event["service"], &second["service"]), (&json!("newsfeed"), &json!("other")));
    assert_eq!(event["spans"], second["spans"]);
}

/// Scoped subscribers number their spans alike.
#[test]
fn two_subscribers_with_the_same_ids_do_not_mix() {
    let event = one(|| {
        let outer = info_span!("outer", x = 1);
        let inner = one(|| {
            let _inner = info_span!("inner", x = 2).entered();
            error!("inside");
        });
        check_event(&inner, &[("inner", json!({"x": 2}))]);
        outer.in_scope(|| error!("outside"));
    });
    check_event(&event, &[("outer", json!({"x": 1}))]);
}
