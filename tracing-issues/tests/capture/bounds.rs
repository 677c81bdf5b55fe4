//! Whatever a service logs, it is taken quickly, is cut, and never holds up another thread.
//! A `Debug` that logs is in the tests of the layer, one that panics in those of panics.

use std::{
    error::Error,
    fmt::{self, Write as _},
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use serde_json::{Value, json};
use tracing::{
    error,
    field::{Empty, debug},
    info, info_span,
};

use crate::support::{captured_with, in_own_process, install_with, one, one_with};

const MAX_EVENT_BYTES: usize = 256 * 1024;
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// Checks what a receiver relies on.
#[track_caller]
fn check_size(event: &Value) {
    let bytes = event.to_string().len();
    assert!(bytes <= MAX_EVENT_BYTES, "{bytes} bytes");
    assert!(event["title"].as_str().unwrap().chars().count() <= 300);
}

static WRITTEN: AtomicUsize = AtomicUsize::new(0);

/// A gigabyte; it stops when nobody wants more.
struct Gigabyte;

impl fmt::Debug for Gigabyte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..1_000_000).try_for_each(|_| {
            WRITTEN.fetch_add(1, SeqCst);
            f.write_str(&"x".repeat(1_000))
        })
    }
}

#[test]
fn a_gigabyte_is_not_even_formatted() {
    let event = one(|| {
        let span = info_span!("span", value = ?Gigabyte, later = Empty).entered();
        span.record("later", debug(Gigabyte));
        error!(value = ?Gigabyte, error = ?Gigabyte, "m {:?}", Gigabyte);
    });
    check_size(&event);
    let value = event["context"]["value"].as_str().unwrap();
    assert!(value.ends_with('…') && value.len() <= MAX_VALUE_BYTES + '…'.len_utf8());
    assert!(WRITTEN.load(SeqCst) < 200, "{WRITTEN:?}");
}

/// Goes on whatever the formatter answers.
struct Deaf;

impl fmt::Debug for Deaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for _ in 0..1_000_000 {
            let _ = f.write_char('y');
        }
        Ok(())
    }
}

#[test]
fn a_formatter_that_does_not_stop_is_cut() {
    let event = one(|| error!(value = ?Deaf, "m"));
    assert!(event["context"]["value"].as_str().unwrap().len() <= MAX_VALUE_BYTES + '…'.len_utf8());
}

static IS_BLOCKED: Barrier = Barrier::new(2);
static ARE_THROUGH: Barrier = Barrier::new(2);

/// Blocks the first one who formats it until the others are through.
struct Blocks(AtomicBool);

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.0.swap(true, SeqCst) {
            IS_BLOCKED.wait();
            ARE_THROUGH.wait();
        }
        f.write_str("at last")
    }
}

/// Everything that a thread can do with the layer.
fn work(thread: u64) {
    for round in 0..200u64 {
        let span = info_span!("work", thread, later = Empty).entered();
        span.record("later", round);
        info!(round, "a breadcrumb");
        error!(fingerprint = format!("{thread} {}", round % 10), "meanwhile");
    }
}

#[test]
fn a_slow_formatter_holds_up_nobody_else() {
    in_own_process(|| {
        const THREADS: u64 = 3;
        let (guard, published) = install_with(|builder| builder.breadcrumbs(3));
        let slow = || Blocks(AtomicBool::new(false));
        let cases: [&(dyn Fn() + Sync); 4] = [
            &|| error!(value = ?slow(), "slow"),
            &|| drop(info_span!("slow", value = ?slow())),
            &|| {
                info_span!("slow", value = Empty).record("value", debug(slow()));
            },
            &|| info_span!("slow").in_scope(|| info!(value = ?slow(), "slow")),
        ];
        for case in cases {
            thread::scope(|scope| {
                let slow = scope.spawn(case);
                IS_BLOCKED.wait();
                let others: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
                others.into_iter().for_each(|other| other.join().unwrap());
                assert!(!slow.is_finished());
                ARE_THROUGH.wait();
            });
        }
        let stats = guard.shutdown();
        let errors = cases.len() as u64 * THREADS * 200 + 1;
        assert_eq!((stats.seen, stats.delivered, published.occurrences()), (errors, errors, errors));
    });
}

#[test]
fn a_value_that_is_recorded_again_and_again() {
    let event = one(|| {
        let span = info_span!("span", first = "kept", counter = Empty, text = Empty).entered();
        for round in 0..10_000u64 {
            span.record("counter", round);
            span.record("text", format!("{round:0>100}"));
        }
        error!("m");
    });
    let expected = json!({"first": "kept", "counter": 9_999, "text": format!("{:0>100}", 9_999)});
    assert_eq!(event["spans"][0]["fields"], expected);
}

/// What was replaced takes no room from what is there.
#[test]
fn fields_that_were_recorded_often_are_there_at_any_moment() {
    let (events, _) = captured_with(
        |builder| builder,
        || {
            let span = info_span!("span", first = "kept", text = Empty).entered();
            for round in 0..70 {
                span.record("text", format!("{round:0>1000}"));
                error!(fingerprint = format!("{round}"), "{}", "m".repeat(8_000));
            }
        },
    );
    assert_eq!(events.len(), 70);
    for event in &events {
        assert_eq!(event["spans"][0]["fields"]["first"], "kept");
        assert!(event["spans"][0]["fields"]["text"].is_string());
    }
}

#[test]
fn large_fields_leave_room_for_small_ones() {
    let event = one(|| {
        let large = "x".repeat(MAX_VALUE_BYTES);
        let _outer = info_span!("outer", order = 7, who = "w").entered();
        let _inner = info_span!("inner", a = large, b = large, c = large, d = large, e = large, f = large, small = "s")
            .entered();
        error!(a = large, b = large, c = large, "m");
    });
    check_size(&event);
    assert_eq!(event["spans"][0]["fields"], json!({"order": 7, "who": "w"}));
    assert_eq!(event["spans"][1]["fields"]["small"], "s");
}

#[test]
fn of_many_nested_spans_the_nearest_are_kept() {
    let event = one_with(
        |builder| builder.breadcrumbs(3),
        || {
            let _root = info_span!("root").entered();
            info!("in the root");
            let spans: Vec<_> = (0..200).map(|depth| info_span!("nested", depth).entered()).collect();
            error!("m");
            // The innermost one first.
            spans.into_iter().rev().for_each(drop);
        },
    );
    check_size(&event);
    let depths: Vec<_> = event["spans"].as_array().unwrap().iter().map(|span| &span["fields"]["depth"]).collect();
    assert_eq!(depths, (168..200).map(|depth| json!(depth)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert_eq!(event["breadcrumbs"][0]["message"], "in the root");
}

/// A link of a long chain, or of one without an end.
#[derive(Debug)]
struct Link {
    number: usize,
    next: Option<Box<Link>>,
    is_cyclic: bool,
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "link {}", self.number)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if self.is_cyclic { Some(self) } else { self.next.as_deref().map(|next| next as _) }
    }
}

#[test]
fn a_chain_that_is_long_or_endless() {
    let end = Link { number: 999, next: None, is_cyclic: false };
    let long = (0..999).rev().fold(end, |next, number| Link { number, next: Some(Box::new(next)), is_cyclic: false });
    let event = one(|| error!(error = &long as &dyn Error, "m"));
    check_size(&event);
    assert_eq!(event["title"], "m: link 0");
    let count = event["error"].as_array().unwrap().len();
    assert!((16..=64).contains(&count), "{count}");
    let cyclic = Link { number: 7, next: None, is_cyclic: true };
    let event = one(|| error!(error = &cyclic as &dyn Error, "m"));
    assert_eq!(event["error"].as_array().unwrap().len(), count);
    // As a text that has them all.
    let causes = (0..1_000).fold(String::new(), |text, number| format!("{text}\n    {number}: link {number}"));
    let event = one(|| error!("failed\n\nCaused by:{causes}"));
    check_size(&event);
    assert_eq!(event["error"][0]["message"], "link 0");
}

#[test]
fn a_message_of_a_megabyte() {
    for text in ["x".repeat(1 << 20), "é ".repeat(1 << 19), "line\n".repeat(1 << 18), "password=".repeat(1 << 17)] {
        check_size(&one(|| error!("{text}")));
        check_size(&one(|| error!(error = %text, "m")));
        check_size(&one(|| error!(fingerprint = %text, component = %text, severity = %text, tags.x = %text, "m")));
    }
}

#[derive(Debug)]
struct Heavy(String);

impl fmt::Display for Heavy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Heavy {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn an_event_that_is_too_large_in_every_way() {
    // Six bytes of JSON for one of text; and four for one character.
    for piece in ["\u{1}", "😀", "\"", "x"] {
        let large = piece.repeat(MAX_VALUE_BYTES / piece.len());
        let heavy = Heavy(piece.repeat(1_000 / piece.len()));
        let event = one_with(
            |builder| builder.breadcrumbs(100).project(large.clone().chars().take(100).collect::<String>()),
            || {
                let _spans: Vec<_> = (0..10).map(|_| info_span!("span", a = large, b = large).entered()).collect();
                (0..200).for_each(|_| info!("{large}"));
                error!(
                    error = &heavy as &dyn Error,
                    component = large,
                    tags.a = large,
                    tags.b = large,
                    tags.c = large,
                    tags.d = large,
                    tags.e = large,
                    tags.f = large,
                    tags.g = large,
                    tags.h = large,
                    tags.i = large,
                    tags.j = large,
                    tags.k = large,
                    tags.l = large,
                    tags.m = large,
                    tags.n = large,
                    tags.o = large,
                    a = large,
                    b = large,
                    "{large}"
                );
            },
        );
        check_size(&event);
        assert_eq!(event["context"]["truncated"].is_string(), event["breadcrumbs"].is_null(), "{piece:?}");
        assert_eq!(event["location"]["module"], module_path!());
        assert!(event["title"].as_str().unwrap().starts_with(piece.trim()) || piece == "\u{1}");
    }
}
