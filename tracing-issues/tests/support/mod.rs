//! What the tests of the layer share: a layer that publishes into memory, and a way to be alone in a process.
//! Assertions about events are the tests' own.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::print_stderr, reason = "a test that hangs says so")]

use std::{
    any::type_name,
    env,
    process::{self, Command, Output},
    thread,
    time::Duration,
};

use serde_json::Value;
use tracing_issues::{
    Builder, IssueGuard, Stats,
    testing::{Published, memory},
};
use tracing_subscriber::prelude::*;

/// Which test a process of its own is for.
const MARK: &str = "TRACING_ISSUES_TEST_SCENARIO";

/// Runs `body`, a closure of a test, in a new process of this test binary: alone with its global subscriber and panic hook.
#[track_caller]
pub(crate) fn in_own_process<F: FnOnce()>(body: F) {
    let Some(output) = own_process(body) else { return };
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "failed on its own:\n{text}\n{errors}");
}

/// The same for a process that ends in another way than well. `None` in that process, if it got that far.
pub(crate) fn own_process<F: FnOnce()>(body: F) -> Option<Output> {
    // `layer::some_test::{{closure}}`, of which the harness calls the middle its name.
    let test = type_name::<F>().trim_end_matches("::{{closure}}").split_once("::").unwrap().1.to_owned();
    if env::var(MARK).is_ok_and(|scenario| scenario == test) {
        // A deadlock is a failure, too.
        thread::spawn(|| {
            thread::sleep(Duration::from_secs(120));
            eprintln!("it hangs");
            process::abort();
        });
        body();
        return None;
    }
    let process = Command::new(env::current_exe().unwrap())
        .args([&test, "--exact", "--nocapture"])
        .env(MARK, test)
        .env_remove("RUST_BACKTRACE")
        .env_remove("RUST_LIB_BACKTRACE")
        .output();
    Some(process.unwrap())
}

/// A layer of the service `newsfeed` for the whole process, set up further by `set`.
pub(crate) fn install_with(set: impl FnOnce(Builder) -> Builder) -> (IssueGuard, Published) {
    let (publisher, published) = memory();
    let (issues, guard) = set(newsfeed().publisher(publisher)).build().unwrap();
    tracing_subscriber::registry().with(issues).init();
    (guard, published)
}

/// The same as it is.
pub(crate) fn install() -> (IssueGuard, Published) {
    install_with(|builder| builder)
}

fn newsfeed() -> Builder {
    tracing_issues::builder("newsfeed").environment("test").release("1.2.3")
}

/// Everything that was published of what `log` does on this thread, and the final counters.
pub(crate) fn captured_with(set: impl FnOnce(Builder) -> Builder, log: impl FnOnce()) -> (Vec<Value>, Stats) {
    let (publisher, published) = memory();
    // A failed assertion is no issue of a neighbouring test.
    let (issues, guard) = set(newsfeed().panics(false).publisher(publisher)).build().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(issues), log);
    let stats = guard.shutdown();
    assert_eq!(stats.seen, stats.delivered + stats.dropped.total(), "{stats:?}");
    (published.events(), stats)
}

/// Everything that was published of what `log` does on this thread.
pub(crate) fn captured(log: impl FnOnce()) -> Vec<Value> {
    captured_with(|builder| builder, log).0
}

/// The only event of what `log` does on this thread.
#[track_caller]
pub(crate) fn one(log: impl FnOnce()) -> Value {
    only(captured(log))
}

/// The same with other settings.
#[track_caller]
pub(crate) fn one_with(set: impl FnOnce(Builder) -> Builder, log: impl FnOnce()) -> Value {
    only(captured_with(set, log).0)
}

/// The only one of these events.
#[track_caller]
pub(crate) fn only(events: Vec<Value>) -> Value {
    assert_eq!(events.len(), 1, "{events:#?}");
    events.into_iter().next().unwrap()
}
