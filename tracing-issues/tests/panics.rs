//! A panic is an issue like an error: told once, with its place and its spans, also when it ends the process. It changes
//! nothing about how the process panics. Each panic has a process of its own, because the hook has.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stdout, reason = "children talk to their parent")]

mod support;

use std::{
    env, fmt, fs,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::Path,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tracing::{Instrument as _, error, field::Empty, info, info_span};
use tracing_issues::{
    publish::{Envelope, Outcome, Publisher, Settlement},
    testing::memory,
};
use tracing_subscriber::{
    Layer,
    prelude::*,
    registry::{LookupSpan, SpanRef},
};

use crate::support::{in_own_process, install, install_with, only, own_process};

/// Runs `body` on a thread of its own, where it panics.
fn panicking(body: impl FnOnce() + Send + 'static) {
    assert!(thread::Builder::new().name("feed-7".to_owned()).spawn(body).unwrap().join().is_err());
}

#[test]
fn a_panic_arrives_with_all_that_is_needed_to_solve_it() {
    in_own_process(|| {
        let (guard, published) = install();
        let line = line!() + 5;
        panicking(|| {
            let span = info_span!("poll", round = 7, late = Empty).entered();
            let _inner = info_span!("fetch", component = "feed").entered();
            span.record("late", true);
            panic!("order {} is impossible", 17);
        });
        let stats = guard.shutdown();
        let event = only(published.events());
        assert_eq!(event["title"], "order 17 is impossible");
        assert_eq!((&event["severity"], &event["priority"]), (&json!("critical"), &json!("critical")));
        assert_eq!(event["tags"], json!(["component:feed", "error:panic"]));
        assert_eq!((&event["component"], &event["thread"]), (&json!("feed"), &json!("feed-7")));
        assert_eq!(event["location"]["line"], line);
        assert!(event["location"]["file"].as_str().unwrap().ends_with("tests/panics.rs"));
        assert_eq!(event["spans"][0]["fields"], json!({"round": 7, "late": true}));
        assert_eq!(event["spans"][1]["fields"], json!({"component": "feed"}));
        assert!(event["backtrace"].as_str().unwrap().contains("panics::a_panic_arrives"), "{event:#}");
        assert_eq!((&event["context"], &event["error"]), (&Value::Null, &Value::Null));
        assert_eq!((stats.seen, stats.delivered), (1, 1));
    });
}

#[test]
fn a_payload_of_any_type() {
    in_own_process(|| {
        let (guard, published) = install();
        panicking(|| panic!("a literal"));
        panicking(|| panic!("{}", "formatted".to_owned()));
        panicking(|| panic::panic_any("any text"));
        panicking(|| panic::panic_any("owned".to_owned()));
        panicking(|| panic::panic_any(7));
        panicking(|| panic!(""));
        panicking(|| panic!("{}", "x".repeat(1_000_000)));
        panicking(|| drop(env::args().nth(99).unwrap()));
        panicking(|| assert_eq!(1, 2, "sums"));
        guard.shutdown();
        let title = |event: &Value| event["title"].as_str().unwrap().chars().take(9).collect::<String>();
        let mut titles: Vec<_> = published.events().iter().map(title).collect();
        titles.sort_unstable();
        let expected = [
            "a literal",
            "a panic w",
            "any text",
            "assertion",
            "called `O",
            "error in ",
            "formatted",
            "owned",
            "xxxxxxxxx",
        ];
        assert_eq!(titles, expected);
    });
}

#[test]
fn the_same_panic_is_one_issue() {
    in_own_process(|| {
        let (guard, published) = install();
        (0..20).for_each(|number| panicking(move || panic!("order {number} is impossible")));
        let stats = guard.shutdown();
        assert_eq!((stats.seen, stats.delivered, published.occurrences()), (20, 20, 20));
        let events = published.events();
        assert!(events.iter().all(|event| event["fingerprint"] == events[0]["fingerprint"]), "{events:#?}");
    });
}

#[test]
fn the_hook_that_was_there_goes_on_and_two_builds_report_once() {
    in_own_process(|| {
        static CALLED: AtomicUsize = AtomicUsize::new(0);
        panic::set_hook(Box::new(|_| {
            CALLED.fetch_add(1, SeqCst);
        }));
        let (first, first_published) = memory();
        let (_layer, first) = tracing_issues::builder("first").publisher(first).build().unwrap();
        let (second, second_published) = memory();
        let (_other, second) = tracing_issues::builder("second").publisher(second).build().unwrap();
        panicking(|| panic!("once"));
        let counts = (first.shutdown().seen, second.stats().seen);
        assert_eq!((counts, CALLED.load(SeqCst)), ((0, 1), 1));
        second.shutdown();
        assert_eq!((first_published.events().len(), second_published.events().len()), (0, 1));
        panicking(|| panic!("after the guards are gone"));
        assert_eq!(CALLED.load(SeqCst), 2);
    });
}

#[test]
fn switched_off_there_is_no_hook() {
    in_own_process(|| {
        let (guard, published) = install_with(|builder| builder.panics(false));
        panicking(|| panic!("not ours"));
        assert_eq!((guard.shutdown().seen, published.events().len()), (0, 0));
    });
}

#[test]
fn in_a_task_and_caught() {
    in_own_process(|| {
        let (guard, published) = install_with(|builder| builder.breadcrumbs(5));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let task = async {
            info!("before");
            tokio::task::yield_now().await;
            panic!("in a task");
        };
        let task = runtime.spawn(task.instrument(info_span!("job", id = 7)));
        assert!(runtime.block_on(task).is_err());
        let caught = info_span!("handler").in_scope(|| catch_unwind(|| panic!("caught")));
        assert!(caught.is_err());
        error!("life goes on");
        guard.shutdown();
        let events = published.events();
        let find = |title: &str| events.iter().find(|event| event["title"] == title).unwrap();
        assert_eq!(events.len(), 3, "{events:#?}");
        assert_eq!(find("in a task")["spans"][0]["fields"], json!({"id": 7}));
        assert_eq!(find("in a task")["breadcrumbs"][0]["message"], "before");
        assert_eq!(find("caught")["spans"][0]["name"], "handler");
    });
}

/// Panics while somebody formats it.
struct Explosive;

impl fmt::Debug for Explosive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half of it")?;
        panic!("in Debug")
    }
}

#[test]
fn a_panic_while_an_error_is_captured_is_part_of_that_error() {
    in_own_process(|| {
        let (guard, published) = install_with(|builder| builder.breadcrumbs(5));
        let span = info_span!("span", early = ?Explosive, late = Empty).entered();
        span.record("late", tracing::field::debug(Explosive));
        info!(value = ?Explosive, "a breadcrumb");
        error!(value = ?Explosive, "kept");
        let stats = guard.shutdown();
        let event = only(published.events());
        let noted = "half of it<its formatting panicked>";
        assert_eq!((&event["title"], &event["context"]["value"]), (&json!("kept"), &json!(noted)));
        assert_eq!(event["spans"][0]["fields"], json!({"early": noted, "late": noted}));
        assert_eq!(event["breadcrumbs"][0]["message"], format!("a breadcrumb value={noted}"));
        assert_eq!((stats.seen, stats.delivered), (1, 1));
    });
}

/// Delivers to standard output, which the parent reads when this process is gone.
#[derive(Default)]
struct Printing(Vec<Settlement>);

const EVENT: &str = "event: ";

impl Publisher for Printing {
    fn destination(&self) -> String {
        "standard output".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        println!("\n{EVENT}{}", String::from_utf8_lossy(&envelope.payload));
        self.0.push(Settlement { envelope, outcome: Outcome::Delivered });
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        std::mem::take(&mut self.0)
    }
}

/// The titles of the events that a process delivered, sorted.
fn titles(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line.strip_prefix(EVENT)?).ok());
    let mut titles: Vec<_> = events.map(|event| event["title"].as_str().unwrap().to_owned()).collect();
    titles.sort_unstable();
    titles
}

#[track_caller]
fn check_death(output: &Output, expected: &[&str]) {
    assert!(!output.status.success(), "{output:?}");
    let found = titles(output);
    let matches = found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.starts_with(b));
    assert!(matches, "{found:?}, not {expected:?}: {}", String::from_utf8_lossy(&output.stderr));
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("the second one");
    }
}

#[test]
fn a_panic_while_panicking_aborts_and_is_delivered() {
    let output = own_process(|| {
        let (issues, guard) = tracing_issues::builder("newsfeed").publisher(Printing::default()).build().unwrap();
        tracing_subscriber::registry().with(issues).init();
        error!("an error before");
        thread::spawn(|| {
            let _drop = PanicsInDrop;
            panic!("the first one");
        })
        .join()
        .unwrap_err();
        drop(guard);
    });
    let Some(output) = output else { return };
    check_death(&output, &["an error before", "panic in a destructor", "the first one", "the second one"]);
}

extern "C" fn cannot_unwind() {
    panic!("in a function of C");
}

#[test]
fn a_panic_that_cannot_unwind_aborts_and_is_delivered() {
    let output = own_process(|| {
        let (issues, guard) = tracing_issues::builder("newsfeed").publisher(Printing::default()).build().unwrap();
        tracing_subscriber::registry().with(issues).init();
        let _ = thread::spawn(|| cannot_unwind()).join();
        drop(guard);
    });
    let Some(output) = output else { return };
    check_death(&output, &["in a function of C", "panic in a function that cannot unwind"]);
}

/// Takes nothing, for ever.
struct Down;

impl Publisher for Down {
    fn destination(&self) -> String {
        "nowhere".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        Err(envelope)
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        Vec::new()
    }
}

#[test]
fn a_panic_of_main_is_delivered_when_its_hook_returns() {
    in_own_process(|| {
        let (guard, published) = install();
        let seen_by_others = published.clone();
        let main = thread::Builder::new().name("main".to_owned()).spawn(move || {
            error!("an error before");
            assert!(catch_unwind(|| panic!("of main")).is_err());
            seen_by_others.events().len()
        });
        assert_eq!(main.unwrap().join().unwrap(), 2, "before the guard is dropped");
        drop(guard);
    });
}

#[test]
fn while_nothing_can_be_sent_a_panic_waits_for_its_timeout_and_no_longer() {
    in_own_process(|| {
        let timeout = Duration::from_millis(200);
        let (issues, guard) =
            tracing_issues::builder("newsfeed").publisher(Down).flush_timeout(timeout).build().unwrap();
        tracing_subscriber::registry().with(issues).init();
        // A panic of `main` is the last that happens, so it is waited for.
        let main = thread::Builder::new().name("main".to_owned()).spawn(|| {
            let start = Instant::now();
            assert!(catch_unwind(|| panic!("of main")).is_err());
            start.elapsed()
        });
        let took = main.unwrap().join().unwrap();
        assert!(took >= timeout && took < Duration::from_secs(20), "{took:?}");
        let stats = guard.shutdown();
        assert_eq!((stats.seen, stats.delivered, stats.dropped.shutdown), (1, 0, 1));
    });
}

/// A layer that runs foreign code while it holds the lock of a span, as those do that format fields into its extensions.
struct Locking;

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Locking {
    fn on_record(
        &self,
        id: &tracing::span::Id,
        values: &tracing::span::Record<'_>,
        ctx: tracing_subscriber::layer::Context<'_, S>,
    ) {
        let format = |span: SpanRef<'_, S>| {
            let mut extensions = span.extensions_mut();
            extensions.replace(format!("{values:?}"));
        };
        ctx.span(id).into_iter().for_each(format);
    }
}

#[test]
fn a_panic_under_the_lock_of_a_span_is_no_deadlock() {
    in_own_process(|| {
        let (publisher, published) = memory();
        let (issues, guard) = tracing_issues::builder("newsfeed").breadcrumbs(5).publisher(publisher).build().unwrap();
        tracing_subscriber::registry().with(issues).with(Locking).init();
        let span = info_span!("span", x = 1, value = Empty).entered();
        info!("before");
        let recording = catch_unwind(AssertUnwindSafe(|| {
            span.record("value", tracing::field::debug(Explosive));
        }));
        assert!(recording.is_err(), "it panics in the other layer");
        // The lock is poisoned now; that is nobody's problem but the other layer's.
        info!("after");
        error!("later");
        guard.shutdown();
        let events = published.events();
        let find = |title: &str| events.iter().find(|event| event["title"] == title).unwrap();
        assert_eq!(events.len(), 2, "{events:#?}");
        for title in ["in Debug", "later"] {
            assert_eq!(find(title)["spans"][0]["fields"]["x"], 1, "{events:#?}");
        }
    });
}

#[test]
fn panics_while_layers_are_built_and_dropped_are_no_deadlock() {
    in_own_process(|| {
        panic::set_hook(Box::new(|_| ()));
        let is_done = Arc::new(AtomicBool::new(false));
        let others: Vec<_> = (0..4)
            .map(|_| {
                let is_done = Arc::clone(&is_done);
                thread::spawn(move || {
                    while !is_done.load(SeqCst) {
                        assert!(catch_unwind(|| panic!("meanwhile")).is_err());
                    }
                })
            })
            .collect();
        for _ in 0..50 {
            let (publisher, _published) = memory();
            let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build().unwrap();
            let stats = issues.stats();
            drop((issues, guard));
            let stats = stats();
            assert_eq!(stats.seen, stats.delivered + stats.waiting() + stats.dropped.total(), "{stats:?}");
        }
        is_done.store(true, SeqCst);
        others.into_iter().for_each(|other| other.join().unwrap());
    });
}

const ABORTING: &str = r#"
    use std::time::Duration;
    use tracing_issues::publish::{Envelope, Outcome, Publisher, Settlement};
    use tracing_subscriber::prelude::*;

    struct Printing(Vec<Settlement>);

    impl Publisher for Printing {
        fn destination(&self) -> String {
            String::new()
        }
        fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
            println!("event: {}", String::from_utf8_lossy(&envelope.payload));
            self.0.push(Settlement { envelope, outcome: Outcome::Delivered });
            Ok(())
        }
        fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
            std::mem::take(&mut self.0)
        }
    }

    fn main() {
        let (issues, _guard) = tracing_issues::builder("newsfeed").publisher(Printing(Vec::new())).build().unwrap();
        tracing_subscriber::registry().with(issues).init();
        tracing::error!("an error before");
        let work = || {
            let _span = tracing::info_span!("work").entered();
            panic!("the last words");
        };
        match std::env::args().nth(1) {
            Some(_) => work(),
            None => drop(std::thread::spawn(work).join()),
        }
    }
"#;

/// Builds and runs a program whose panics abort or unwind `main`.
fn program(strategy: &str, arguments: &[&str]) -> Output {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let home = tempfile::tempdir().unwrap();
    let manifest = format!(
        "[package]\nname = \"dying\"\nedition = \"2024\"\n[dependencies]\ntracing = {{ version = \"0.1\", default-features = false }}\n\
         tracing-issues = {{ path = {package:?}, default-features = false }}\n\
         tracing-subscriber = {{ version = \"0.3\", default-features = false }}\n\
         [profile.dev]\npanic = {strategy:?}\ndebug = false\n[workspace]\n"
    );
    fs::create_dir(home.path().join("src")).unwrap();
    fs::write(home.path().join("src/main.rs"), ABORTING).unwrap();
    fs::write(home.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(package.join("../Cargo.lock"), home.path().join("Cargo.lock")).unwrap();
    // Beside the other builds, so that only the first one takes its time.
    let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().join(format!("dying-{strategy}"));
    Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--offline", "--"])
        .args(arguments)
        .current_dir(home.path())
        .env("CARGO_TARGET_DIR", target)
        .output()
        .unwrap()
}

#[test]
fn where_panics_abort_they_are_delivered_before() {
    let last_words = ["an error before", "the last words"];
    check_death(&program("abort", &[]), &last_words);
    check_death(&program("abort", &["main"]), &last_words);
}

#[test]
fn a_panic_that_unwinds_main_is_delivered() {
    check_death(&program("unwind", &["main"]), &["an error before", "the last words"]);
}
