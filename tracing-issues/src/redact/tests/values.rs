//! Fields, and what users add.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::super::{REDACTED, Redactor};

#[track_caller]
fn check(name: &str, mut value: Value, expected: impl Into<Value>) {
    let expected = expected.into();
    Redactor::default().value(name, &mut value);
    assert_eq!(value, expected);
    Redactor::default().value(name, &mut value);
    assert_eq!(value, expected, "the second time");
}

#[test]
fn a_secret_name_hides_all_but_nothing() {
    for value in [json!("x"), json!(4), json!(true), json!(["a"]), json!({"a": 1}), json!(-1.5)] {
        check("db_password", value, json!(REDACTED));
    }
    for value in [json!(null), json!("")] {
        check("db_password", value.clone(), value);
    }
}

#[test]
fn other_names_hide_what_is_inside() {
    check("a", json!("login password=x"), json!("login password=[redacted]"));
    check("a", json!({"b": [{"token": "x", "n": 1}]}), json!({"b": [{"token": REDACTED, "n": 1}]}));
    check("a", json!({"name": "Authorization", "value": "x"}), json!({"name": "Authorization", "value": REDACTED}));
    check("a", json!({"name": "bob", "value": "x"}), json!({"name": "bob", "value": "x"}));
    check("a", json!({"k": {"password=x": 1}}), json!({"k": {"password=[redacted]": 1}}));
    check("a", json!(4_111_111_111_111_111_u64), json!(REDACTED));
    check("a", json!(1_767_225_600_000_000_u64), json!(1_767_225_600_000_000_u64));
    check("a", json!([null, true, 1.5, "x"]), json!([null, true, 1.5, "x"]));
}

#[test]
fn what_is_too_deep_goes() {
    let mut value = json!({"password": "hunter2"});
    for _ in 0..100 {
        value = json!([value]);
    }
    Redactor::default().value("a", &mut value);
    assert!(!value.to_string().contains("hunter2"));
}

#[test]
fn rules_can_be_added() {
    let redactor = Redactor::default().with_rule(|text| text.contains("ACME-").then(|| "no".to_owned()));
    assert_eq!(redactor.text("key ACME-1"), "no");
    assert_eq!(redactor.text("password=x"), "password=[redacted]");
    assert!(matches!(redactor.text("fine"), Cow::Borrowed("fine")));
    let off = Redactor::off();
    assert_eq!(off.text("password=x"), "password=x");
    assert_eq!(off.with_rule(|_| Some("y".to_owned())).text("x"), "y");
}

#[test]
fn a_rule_that_panics_hides_all() {
    let redactor = Redactor::default().with_rule(|_| panic!("a rule"));
    assert_eq!(redactor.text("x"), REDACTED);
}

#[test]
fn debug_tells_no_secrets() {
    let redactor = Redactor::default().with_name("iban").with_rule(|_| None);
    assert_eq!(format!("{redactor:?}"), "Redactor { is_built_in: true, names: 1, rules: 1 }");
}
