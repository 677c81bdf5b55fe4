//! Every way in which an error is logged gives a title, a kind, a chain and an issue of its own.

use std::{collections::HashMap, error::Error, fmt, io};

use eyre::WrapErr as _;
use serde_json::{Value, json};
use tracing::{error, instrument};

use crate::{
    errors::{REFUSED, RefreshError, VenueClosed, refresh_error, refused},
    support::{captured, in_own_process, install, one, only},
};

/// What people see of an error: its title, its kind, and what its causes say.
#[track_caller]
fn check(log: impl FnOnce(), title: &str, kind: &str, chain: &[&str]) -> Value {
    let event = one(log);
    let kinds = event["tags"].as_array().unwrap().iter().filter_map(|tag| tag.as_str()?.strip_prefix("error:"));
    let messages = event["error"].as_array().into_iter().flatten().map(|link| link["message"].as_str().unwrap());
    assert_eq!(
        (event["title"].as_str().unwrap(), kinds.collect::<Vec<_>>().join(","), messages.collect::<Vec<_>>()),
        (title, kind.to_owned(), chain.to_vec()),
        "{event:#}"
    );
    event
}

#[test]
fn a_message() {
    check(|| error!("feed stalled"), "feed stalled", "", &[]);
    check(|| error!("feed {} stalled", "A"), "feed A stalled", "", &[]);
    check(|| error!(message = "as a field"), "as a field", "", &[]);
    check(|| error!(name: "named", "feed stalled"), "feed stalled", "", &[]);
    check(|| error!(target: "other", "feed stalled"), "feed stalled", "", &[]);
    check(|| error!("one\n  two\n"), "one", "", &[]);
    check(|| error!("\n\n  second line"), "second line", "", &[]);
    check(|| error!("{}", "é".repeat(400)), &format!("{}…", "é".repeat(299)), "", &[]);
}

#[test]
fn an_error_as_a_value() {
    let failure = refresh_error();
    let chain = ["refresh failed", REFUSED];
    let dynamic = &failure as &dyn Error;
    check(|| error!(error = dynamic, "cannot poll"), "cannot poll: refresh failed", "RefreshError", &chain);
    check(|| error!(error = dynamic), "refresh failed", "RefreshError", &chain);
    check(|| error!(reason = dynamic, "cannot poll"), "cannot poll: refresh failed", "RefreshError", &chain);
    check(|| error!(error = dynamic, "refresh failed again"), "refresh failed again", "RefreshError", &chain);
    let boxed: Box<dyn Error + Send + Sync> = Box::new(refresh_error());
    check(|| error!(error = &*boxed as &dyn Error), "refresh failed", "RefreshError", &chain);
    check(|| error!(error = &refused() as &dyn Error), REFUSED, "io::Error(ConnectionRefused)", &[REFUSED]);
    let wrapped = io::Error::other(VenueClosed("X"));
    check(|| error!(error = &wrapped as &dyn Error), "X is closed", "io::Error(Other)", &["X is closed"]);
}

#[test]
fn an_error_as_text() {
    let failure = refresh_error();
    check(|| error!(%failure, "cannot poll"), "cannot poll", "", &[]);
    check(|| error!(error = %failure, "cannot poll"), "cannot poll: refresh failed", "", &["refresh failed"]);
    check(|| error!(e = %failure), "refresh failed", "", &["refresh failed"]);
    check(|| error!(err = "refused", "cannot poll"), "cannot poll: refused", "", &["refused"]);
    let debug = "RefreshError { source: Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" } }";
    check(|| error!(error = ?failure), debug, "RefreshError", &[debug]);
    check(|| error!("{failure:?}"), debug, "", &[]);
    let boxed: Box<dyn Error + Send + Sync> = "a plain text".into();
    check(|| error!(error = &*boxed as &dyn Error), "a plain text", "", &["a plain text"]);
    check(|| error!(error = %boxed), "a plain text", "", &["a plain text"]);
}

#[test]
fn options_and_results() {
    let some = Some(VenueClosed("X"));
    check(|| error!(error = ?some, "m"), "m: Some(VenueClosed(\"X\"))", "VenueClosed", &["Some(VenueClosed(\"X\"))"]);
    let failed: Result<(), VenueClosed> = Err(VenueClosed("X"));
    check(|| error!(error = ?failed, "m"), "m: Err(VenueClosed(\"X\"))", "VenueClosed", &["Err(VenueClosed(\"X\"))"]);
    let event = check(|| error!(result = ?failed, "m"), "m", "", &[]);
    assert_eq!(event["context"], json!({"result": "Err(VenueClosed(\"X\"))"}));
    let event = check(|| error!(some = Some(3u64), none = None::<u64>, "m"), "m", "", &[]);
    assert_eq!(event["context"], json!({"some": 3}));
}

#[test]
fn anyhow_and_eyre() {
    let anyhow = || anyhow::Error::from(refresh_error()).context("cannot poll");
    let eyre = || Err::<(), _>(refresh_error()).wrap_err("cannot poll").unwrap_err();
    let chain = ["cannot poll", "refresh failed", REFUSED];
    // Whatever is wrapped hides its type from `dyn Error`, but for anyhow's and eyre's own chain.
    check(|| error!(error = anyhow().as_ref() as &dyn Error), "cannot poll", "RefreshError", &chain);
    check(|| error!(error = eyre().as_ref() as &dyn Error), "cannot poll", "RefreshError", &chain);
    check(|| error!(error = ?anyhow(), "m"), "m: cannot poll", "", &chain);
    check(|| error!(error = ?eyre(), "m"), "m: cannot poll", "", &chain);
    check(|| error!("{:?}", anyhow()), "cannot poll: refresh failed", "", &chain[1..]);
    check(|| error!("{:?}", eyre()), "cannot poll: refresh failed", "", &chain[1..]);
    check(|| error!("saving: {:?}", anyhow()), "saving: cannot poll: refresh failed", "", &chain[1..]);
    let line = format!("cannot poll: refresh failed: {REFUSED}");
    check(|| error!("{:#}", anyhow()), &line, "", &[]);
    check(|| error!(error = format!("{:#}", eyre())), &line, "", &[&line]);
}

#[test]
fn the_backtrace_of_anyhow_is_taken_out_of_the_text() {
    let causes = format!("Caused by:\n    0: refresh failed\n    1: {REFUSED}");
    let printed =
        format!("cannot poll\n\n{causes}\n\nStack backtrace:\n   0: feed::poll\n             at src/feed.rs:1:2\n");
    let chain = ["cannot poll", "refresh failed", REFUSED];
    for event in [
        check(|| error!("{printed}"), "cannot poll: refresh failed", "", &chain[1..]),
        check(|| error!(error = %printed), "cannot poll", "", &chain),
    ] {
        assert!(event["backtrace"].as_str().unwrap().contains("0: feed::poll"), "{event:#}");
        assert!(!event["description"].as_str().unwrap().contains("feed::poll"), "{event:#}");
    }
}

/// Whether what two closures log is one issue.
#[track_caller]
fn is_one_issue(a: impl FnOnce(), b: impl FnOnce()) -> bool {
    one(a)["fingerprint"] == one(b)["fingerprint"]
}

#[test]
fn an_issue_is_its_cause_and_not_its_numbers() {
    fn message(order: u32) {
        error!("order {order} refused");
    }
    assert!(is_one_issue(|| message(17), || message(4)));
    fn chain(error: &(dyn Error + 'static)) {
        error!(error, "m");
    }
    assert!(is_one_issue(|| chain(&refresh_error()), || chain(&refresh_error())));
    assert!(!is_one_issue(|| chain(&refresh_error()), || chain(&refused())));
    assert!(!is_one_issue(
        || chain(&RefreshError { source: io::ErrorKind::TimedOut.into() }),
        || chain(&refresh_error())
    ));
    fn debug(error: &anyhow::Error) {
        error!("{error:?}");
    }
    assert!(is_one_issue(
        || debug(&anyhow::Error::new(refused()).context("order 17")),
        || debug(&anyhow::Error::new(refused()).context("order 4"))
    ));
    assert!(!is_one_issue(
        || debug(&anyhow::Error::new(refused()).context("order 17")),
        || debug(&anyhow::anyhow!("closed").context("order 17"))
    ));
    fn only_a_field(reason: &str) {
        error!(reason);
    }
    assert!(is_one_issue(|| only_a_field("no room"), || only_a_field("no room")));
    assert!(!is_one_issue(|| only_a_field("no room"), || only_a_field("no time")));
}

#[instrument(err, skip(order))]
fn place(order: u32) -> Result<u32, RefreshError> {
    if order == 0 { Err(refresh_error()) } else { Ok(order) }
}

#[instrument(err(Debug))]
fn place_debug(order: u32) -> Result<u32, VenueClosed> {
    if order == 0 { Err(VenueClosed("X")) } else { Ok(order) }
}

#[instrument(err)]
async fn place_later(order: u32) -> Result<u32, VenueClosed> {
    tokio::task::yield_now().await;
    if order == 0 { Err(VenueClosed("X")) } else { Ok(order) }
}

#[test]
fn instrumented_functions() {
    let event = check(|| drop(place(0)), "refresh failed", "", &["refresh failed"]);
    assert_eq!(event["spans"][0]["name"], "place");
    assert_eq!(event["component"], module_path!());
    let text = "VenueClosed(\"X\")";
    let event = check(|| drop(place_debug(0)), text, "VenueClosed", &[text]);
    assert_eq!(event["spans"][0]["fields"], json!({"order": 0}));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let event = check(|| drop(runtime.block_on(place_later(0))), "X is closed", "", &["X is closed"]);
    assert_eq!(event["spans"][0]["name"], "place_later");
}

#[test]
fn records_of_the_log_crate() {
    in_own_process(|| {
        let (guard, published) = install();
        tracing_log::LogTracer::init().unwrap();
        let line = line!() + 1;
        log::error!("plain {}", "text");
        let _ = guard.flush(std::time::Duration::MAX);
        let event = only(published.events());
        assert_eq!((&event["title"], &event["component"]), (&json!("plain text"), &json!(module_path!())));
        assert_eq!((&event["location"]["line"], &event["location"]["module"]), (&json!(line), &json!(module_path!())));
        assert!(event["location"]["file"].as_str().unwrap().ends_with("tests/capture/forms.rs"), "{event:#}");
        assert_eq!(event["context"], Value::Null);
        log::error!(target: "legacy", "{:?}", anyhow::Error::new(refused()).context("cannot poll"));
        log::error!(target: "modern", "{:?}", anyhow::Error::new(refused()).context("cannot poll"));
        log::warn!("no issue");
        let stats = guard.shutdown();
        let events = published.events();
        assert_eq!((stats.seen, events.len()), (3, 3), "{events:#?}");
        let mut components: Vec<_> = events[1..].iter().map(|event| event["component"].as_str().unwrap()).collect();
        components.sort_unstable();
        assert_eq!(components, ["legacy", "modern"]);
        for event in &events[1..] {
            assert_eq!(
                (&event["title"], &event["error"][0]["message"]),
                (&json!(format!("cannot poll: {REFUSED}")), &json!(REFUSED))
            );
        }
    });
}

#[test]
fn of_two_errors_both_are_told() {
    let (first, second) = (refresh_error(), VenueClosed("X"));
    let log = || error!(error = &first as &dyn Error, rollback = &second as &dyn Error, "m");
    let event = check(log, "m: refresh failed", "RefreshError", &["refresh failed", REFUSED]);
    assert_eq!(event["context"], json!({"rollback": "X is closed"}));
    let log = || error!(error = &second as &dyn Error, rollback = &first as &dyn Error, "m");
    let event = check(log, "m: X is closed", "VenueClosed", &["X is closed"]);
    assert_eq!(event["context"], json!({"rollback": format!("refresh failed: {REFUSED}")}), "with its causes");
    let event = check(|| error!(error = %first, err = %second, "m"), "m: refresh failed", "", &["refresh failed"]);
    assert_eq!(event["context"], json!({"err": "X is closed"}));
    // A chain says more than a text, whatever it is called.
    let log = || error!(error = "text", cause = &first as &dyn Error, "m");
    let event = check(log, "m: refresh failed", "RefreshError", &["refresh failed", REFUSED]);
    assert_eq!(event["context"], json!({"error": "text"}));
    // A number is no error, whatever it is called.
    let event = check(|| error!(e = 2.5, error = %first, "m"), "m: refresh failed", "", &["refresh failed"]);
    assert_eq!(event["context"], json!({"e": 2.5}));
}

#[test]
fn without_a_message() {
    let target = module_path!();
    check(|| error!(reason = "no room"), &format!("error in {target} (reason=\"no room\")"), "", &[]);
    check(|| error!(code = 7), &format!("error in {target} (code=7)"), "", &[]);
    check(|| error!(error = 7), &format!("error in {target} (error=7)"), "", &[]);
    check(|| error!(message = 7), &format!("error in {target} (message=7)"), "", &[]);
    check(|| error!(""), &format!("error in {target}"), "", &[]);
    check(|| error!("  \n "), &format!("error in {target}"), "", &[]);
    check(|| error!(reason = "no room", "  "), &format!("error in {target} (reason=\"no room\")"), "", &[]);
    check(|| error!(error = %"refused", "  "), "refused", "", &["refused"]);
    check(|| error!(error = "", "m"), "m", "", &[""]);
}

#[test]
fn values_keep_their_types() {
    let event = one(|| {
        error!(
            i = -1i64,
            least = i64::MIN,
            u = u64::MAX,
            byte = 7u8,
            f = 0.5,
            whole = 2.0,
            nan = f64::NAN,
            infinite = f64::NEG_INFINITY,
            yes = true,
            wide = i128::MIN,
            unsigned = u128::MAX,
            text = "t",
            display = %7,
            debug = ?"quoted",
            list = ?[1, 2],
            map = ?HashMap::from([(1, 2)]),
            bytes = &b"ab"[..],
            r#type = "limit",
            dotted.name = 1,
            "quoted name" = 1,
            "m"
        );
    });
    let expected = json!({
        "i": -1, "least": i64::MIN, "u": u64::MAX, "byte": 7, "f": 0.5, "whole": 2.0, "nan": "NaN", "infinite": "-inf",
        "yes": true, "wide": i128::MIN.to_string(), "unsigned": u128::MAX.to_string(), "text": "t", "display": "7",
        "debug": "\"quoted\"", "list": "[1, 2]", "map": "{1: 2}", "bytes": event["context"]["bytes"], "type": "limit",
        "dotted.name": 1, "quoted name": 1,
    });
    assert_eq!(event["context"], expected);
    assert_eq!(event["context"]["bytes"], "[61 62]");
}

/// Its `Debug` has nothing in common with how such a text usually looks.
struct Odd(&'static str);

impl fmt::Debug for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[test]
fn texts_of_any_kind_come_through() {
    for text in
        ["\u{0}\u{1}\u{1f}\u{7f}", "\u{1b}[31mred\u{1b}[0m", "\u{fffd}\u{202e}x", "\\\"'", "\r\n\t", "😀\u{300}"]
    {
        let event = one(|| error!(value = ?Odd(text), "m"));
        assert_eq!(event["context"]["value"], text);
        let event = one(|| error!("x{text}y"));
        assert!(!event["title"].as_str().unwrap().is_empty(), "{text:?}");
    }
    let lossy = String::from_utf8_lossy(&[0x66, 0xff, 0xfe, 0x6f]).into_owned();
    assert_eq!(one(|| error!(%lossy, "m"))["context"]["lossy"], "f\u{fffd}\u{fffd}o");
}

#[test]
fn what_differs_in_its_place_is_another_issue() {
    let events = captured(|| {
        error!("m");
        error!(target: "other", "m");
        error!(component = "c", "m");
    });
    let mut fingerprints: Vec<_> = events.iter().map(|event| event["fingerprint"].as_str().unwrap()).collect();
    fingerprints.sort_unstable();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 3);
}
