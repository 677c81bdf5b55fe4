//! What holds for any text: no panic, the same the second time, no planted secret left, linear work.

use std::borrow::Cow;

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
    "curl", "-u", "sqlplus", "mysql", "-p", "@tcp(", "@host:1", "@//", " is ", "passphrase", "pin", "…", "$",
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

/// Whatever is repeated, each byte is read a bounded number of times: else this would take minutes.
#[test]
fn the_work_is_linear() {
    let read = |unit: &str, bytes: usize| _ = Redactor::default().text(&unit.repeat(bytes / unit.len()));
    for piece in PIECES {
        read(piece, 128 << 10);
        PIECES.iter().for_each(|other| read(&format!("{piece}{other}"), 1 << 10));
    }
}

#[test]
fn texts_without_a_secret_are_borrowed() {
    let text = "connection to 10.0.0.1:5432 refused after 3 attempts: os error 111 (user bob@example.com)";
    assert!(matches!(Redactor::default().text(text), Cow::Borrowed(_)));
}
