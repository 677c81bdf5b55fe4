//! What holds for any text: no panic, the same the second time, no planted secret left, linear work.

use std::{borrow::Cow, time::Instant};

use proptest::{prelude::*, sample::select};

use super::super::Redactor;

/// What rules look for: put together at random they reach states that nobody thought of.
#[rustfmt::skip]
const PIECES: &[&str] = &[
    "password", "token", "api key", "Authorization", "Cookie", "Bearer", "Basic", "--password", "sig", "PWD", "x", "user", "abc1", "[redacted]",
    "=", ":", ": ", "://", "@", "/", "?", "&", ",", ";", " ", "\n", "\"", "'", "`", "\\", "\\\"", "\\n", "“", "”", "(", ")", "[", "]", "{", "}",
    "<", ">", "</", "%22", "%3D", "%3A%2F%2F", "%40", "-", "--", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "AKIA1234567890123456",
    "eyJhbGciOiJIUzI1", "4111 1111", "1111 1111", "4111111111111111", "ä", "🦀", "\0", ".", "***", "Some(", "required", "value", "Digest",
    "123456789", "ghp_", "0123456789abcdef",
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), prop::collection::vec(select(PIECES), 0..24).prop_map(|pieces| pieces.concat()),]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn the_second_time_changes_nothing(text in texts()) {
        let once = Redactor::default().text(&text).into_owned();
        let twice = Redactor::default().text(&once).into_owned();
        prop_assert_eq!(twice, once, "of {:?}", text);
    }

    #[test]
    fn a_planted_secret_goes(before in "[a-zA-Z0-9 :=,.;ä\n]{0,30}", secret in "[A-Za-z0-9+_.-]{2,10}(/[A-Za-z0-9+_.-]{1,8})?Q7zQ9", after in texts()) {
        for planted in [
            format!("{before} password={secret} {after}"),
            format!("{before}\n{{\"api_key\": \"{secret}\"}}{after}"),
            format!("{before}\nAuthorization: Bearer {secret}\n{after}"),
            format!("{before} postgres://user:{secret}@host/db {after}"),
            format!("{before}\ntoken: Some(\"{secret}\"),{after}"),
        ] {
            let redacted = Redactor::default().text(&planted);
            prop_assert!(!redacted.contains("Q7zQ9"), "{:?} in {:?}", redacted, planted);
        }
    }
}

/// Run with `--ignored --nocapture` in release mode: the time of 32 times the length should be about 32 times the time.
#[test]
#[ignore = "measures time"]
fn the_work_is_linear() {
    let pairs: Vec<String> = PIECES.iter().flat_map(|a| PIECES.iter().map(move |b| format!("{a}{b}"))).collect();
    let mut slowest = (0.0, String::new());
    for unit in PIECES.iter().map(|piece| (*piece).to_owned()).chain(pairs) {
        let seconds = |bytes: usize| {
            let text = unit.repeat(bytes / unit.len());
            let started = Instant::now();
            let _ = Redactor::default().text(&text);
            started.elapsed().as_secs_f64()
        };
        let (short, long) = (seconds(8 << 10).max(1e-6), seconds(256 << 10));
        if long > slowest.0 {
            slowest = (long, format!("{unit:?}: {short:.6} s, {long:.6} s"));
        }
        assert!(long < 0.05 || long / short < 320.0, "{unit:?}: {short} s, {long} s");
    }
    println!("{}", slowest.1);
}

#[test]
fn texts_without_a_secret_are_borrowed() {
    let text = "connection to 10.0.0.1:5432 refused after 3 attempts: os error 111 (user bob@example.com)";
    assert!(matches!(Redactor::default().text(text), Cow::Borrowed(_)));
}
