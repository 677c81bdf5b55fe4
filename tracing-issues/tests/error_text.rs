//! What anyhow, eyre, color-eyre and derived `Debug`s print today, taken apart by `error_text`. Each setting (backtraces
//! on, color-eyre's hook) holds for a whole process, so each scenario that needs one runs in its own.
//! Not the letters one by one; those have unit tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

use std::{env, fmt, io, process::Command};

use color_eyre::Section as _;
use eyre::WrapErr as _;
use tracing_issues::error_text::{ErrorText, TypeName, type_name_of};

const ROOT: &str = "Connection refused (os error 111)";

fn refused() -> io::Error {
    io::Error::from_raw_os_error(111)
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the rate:\n  it is no number\n\nask the exchange")]
struct RateError(#[from] std::num::ParseIntError);

fn no_rate() -> RateError {
    "x".parse::<u8>().unwrap_err().into()
}

/// Runs `body` in a new process of this test binary, with or without backtraces.
#[track_caller]
fn in_own_process(test: &str, backtraces: &str, body: impl FnOnce()) {
    const MARK: &str = "TRACING_ISSUES_TEST_SCENARIO";
    if env::var(MARK).is_ok_and(|scenario| scenario == test) {
        return body();
    }
    let output = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(MARK, test)
        .env("RUST_BACKTRACE", backtraces)
        .env_remove("RUST_LIB_BACKTRACE")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{test} failed:\n{text}\n{errors}");
}

/// Checks the message and the causes, each with its lines joined.
#[track_caller]
fn check(text: &str, message: &str, causes: &[&str]) {
    let parsed = ErrorText::parse(text);
    let join = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("|");
    assert_eq!(join(parsed.message), message, "{text}");
    assert_eq!(parsed.causes().map(join).collect::<Vec<_>>(), causes, "{text}");
}

/// Checks all that `{:?}`, `{:#}` and `{}` of a chain of errors give, outermost first.
#[track_caller]
fn check_report(report: &(impl fmt::Debug + fmt::Display), chain: &[&str]) {
    let (message, causes) = chain.split_first().unwrap();
    check(&format!("{report:?}"), message, causes);
    if !causes.is_empty() {
        // Without any other part, `Error:` may be anybody's word.
        check(&format!("Error: {report:?}"), message, causes);
    }
    check(&format!("{report}"), message, &[]);
    // One line does not tell where one error ends: it is a message.
    let alternate = format!("{report:#}");
    assert_eq!(ErrorText::parse(&alternate).message, alternate);
}

/// What every crate is asked to print.
macro_rules! check_reports {
    ($new:path, $context:ident) => {
        let rate = "cannot read the rate:|it is no number||ask the exchange";
        check_report(&$new(refused()), &[ROOT]);
        check_report(&$new(refused()).$context("fetch"), &["fetch", ROOT]);
        check_report(&$new(refused()).$context("fetch").$context("poll\nkraken"), &["poll|kraken", "fetch", ROOT]);
        check_report(&$new(no_rate()), &[rate, "invalid digit found in string"]);
        check_report(&$new(no_rate()).$context("poll"), &["poll", rate, "invalid digit found in string"]);
        let many = (0..20).fold($new(refused()), |report, level| report.$context(level.to_string()));
        let names: Vec<String> = (0..20).rev().map(|level| level.to_string()).collect();
        let chain: Vec<&str> = names.iter().map(String::as_str).chain([ROOT]).collect();
        check_report(&many, &chain);
    };
}

#[test]
fn anyhow_without_backtraces() {
    in_own_process("anyhow_without_backtraces", "0", || {
        check_reports!(anyhow::Error::new, context);
        let text = format!("{:?}", anyhow::anyhow!("alone"));
        assert_eq!(ErrorText::parse(&text).backtrace, None);
    });
}

#[test]
fn anyhow_with_backtraces() {
    in_own_process("anyhow_with_backtraces", "1", || {
        check_reports!(anyhow::Error::new, context);
        for report in [anyhow::anyhow!("alone"), anyhow::Error::new(refused()).context("fetch")] {
            let text = format!("{report:?}");
            let backtrace = ErrorText::parse(&text).backtrace.unwrap();
            assert!(backtrace.starts_with("   0: ") && text.ends_with(backtrace), "{text}");
            assert!(backtrace.contains("error_text::anyhow_with_backtraces"), "{text}");
        }
    });
}

#[test]
fn anyhow_inside_a_log_line() {
    let report = anyhow::Error::new(refused()).context("fetch");
    check(&format!("poll: {report:?}\nfor BTC").replace('\n', "\r\n"), "poll: fetch", &[ROOT]);
}

/// Checks the file that a location names; `line` is that of the caller's `wrap_err` or `new`.
#[track_caller]
fn check_location(text: &str, file_and_line: &str) {
    let location = ErrorText::parse(text).location.unwrap().replace("\u{1b}[35m", "").replace("\u{1b}[0m", "");
    assert!(location.contains(file_and_line), "{location} in {text}");
}

#[test]
fn eyre_tells_the_place() {
    check_reports!(eyre::Report::new, wrap_err);
    let (line, report) = (line!(), Err::<(), _>(refused()).wrap_err("fetch").unwrap_err());
    check_location(&format!("{report:?}"), &format!("tests/error_text.rs:{line}:"));
    check(&format!("poll: {report:?}"), "poll: fetch", &[ROOT]);
}

fn check_color_eyre() {
    check_reports!(eyre::Report::new, wrap_err);
    let (line, report) = (line!(), Err::<(), _>(refused()).wrap_err("fetch").unwrap_err());
    check_location(&format!("{report:?}"), &format!("tests/error_text.rs:{line}"));
    check(&format!("poll: {report:?}"), "poll:", &["fetch", ROOT]);

    let report = eyre::eyre!("inner").wrap_err("outer").note("a note").warning("a warning").suggestion("try it");
    check_report(&report.section("body\n   0: of a section").error(refused()), &["outer", "inner"]);
}

#[test]
fn color_eyre_without_backtraces() {
    in_own_process("color_eyre_without_backtraces", "0", || {
        color_eyre::install().unwrap();
        check_color_eyre();
        assert_eq!(ErrorText::parse(&format!("{:?}", eyre::eyre!("alone"))).backtrace, None);
    });
}

fn check_color_eyre_backtrace() {
    color_eyre::install().unwrap();
    check_color_eyre();
    let text = format!("{:?}", eyre::eyre!("alone").note("a note"));
    let backtrace = ErrorText::parse(&text).backtrace.unwrap();
    assert!(backtrace.contains("tests/error_text.rs"), "{text}");
    // The note after it begins at the margin.
    assert!(backtrace.lines().all(|line| line.starts_with(' ')), "{text}");
}

#[test]
fn color_eyre_with_backtraces() {
    in_own_process("color_eyre_with_backtraces", "1", check_color_eyre_backtrace);
}

#[test]
fn color_eyre_with_source_lines() {
    in_own_process("color_eyre_with_source_lines", "full", check_color_eyre_backtrace);
}

#[test]
fn color_eyre_without_colours() {
    in_own_process("color_eyre_without_colours", "0", || {
        let plain = color_eyre::config::Theme::new();
        color_eyre::config::HookBuilder::default().theme(plain).install().unwrap();
        check_color_eyre();
    });
}

#[derive(Debug, thiserror::Error)]
#[allow(dead_code, reason = "read by Debug")]
enum ShopError {
    #[error("no rate")]
    Rate(#[from] RateError),
    #[error("no answer")]
    Network { attempts: u32, source: io::Error },
    #[error("closed")]
    Closed,
}

#[track_caller]
fn check_kind(error: &(impl std::error::Error + 'static), kind: &str) {
    let mut name = TypeName::default();
    type_name_of(error, &mut name);
    assert_eq!(name.as_str(), kind);
    for text in [format!("{error:?}"), format!("{error:#?}"), format!("Error: {error:?}")] {
        let parsed = ErrorText::parse(&text);
        assert_eq!((parsed.kind(), parsed.root(), parsed.message), (kind, "", text.as_str()));
    }
}

#[test]
fn a_derived_debug_tells_the_kind() {
    check_kind(&ShopError::Closed, "Closed");
    check_kind(&ShopError::from(no_rate()), "Rate");
    check_kind(&ShopError::Network { attempts: 3, source: refused() }, "Network");
    check_kind(&no_rate(), "RateError");
    check_kind(&"x".parse::<u8>().unwrap_err(), "ParseIntError");
    check_kind(&"x".parse::<f64>().unwrap_err(), "ParseFloatError");
    check_kind(&String::from_utf8(vec![0xff]).unwrap_err(), "FromUtf8Error");
    check_kind(&env::var("TRACING_ISSUES_NOT_SET").unwrap_err(), "NotPresent");
    check_kind(&serde_json::from_str::<u8>("x").unwrap_err(), "");
    check_kind(&refused(), "Os");
}

#[test]
fn nothing_is_allocated() {
    let report = anyhow::Error::new(no_rate()).context("fetch").context("poll");
    let texts = [format!("{report:?}"), format!("{:?}", eyre::Report::new(refused()).wrap_err("fetch"))];
    let error = ShopError::Network { attempts: 3, source: refused() };
    let debug = format!("{error:?}");
    let counted = allocation_counter::measure(|| {
        for text in &texts {
            let parsed = ErrorText::parse(text);
            assert!(!parsed.root().is_empty() && parsed.causes().count() > 0 && parsed.kind().is_empty());
        }
        let mut name = TypeName::default();
        type_name_of(&error, &mut name);
        assert_eq!((name.as_str(), ErrorText::parse(&debug).kind()), ("Network", "Network"));
    });
    assert_eq!(counted.count_total, 0);
}
