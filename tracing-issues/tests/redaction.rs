//! Texts with secrets, and texts that must stay: the files in `tests/data`, one a line, written down before the rules were
//! looked at. Add one here whenever a secret got through, or something readable was taken.
//! Not the rules one by one; those have unit tests.

// Helpers are not seen as tests by the lints' exemption.
#![allow(clippy::expect_used)]

use std::{fs, path::Path};

use serde_json::Value;
use tracing_issues::redact::Redactor;

/// Divides each secret in the files, since scanners of repositories look for whole ones.
const DIVIDER: char = '¦';

fn lines(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(file);
    let text = fs::read_to_string(path).expect("the texts").replace(DIVIDER, "");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

#[test]
fn every_secret_goes_and_what_is_around_it_stays() {
    let redactor = Redactor::default();
    let lines = lines("secrets.jsonl");
    assert!(lines.len() > 200, "the file is there and whole");
    let wrong: Vec<_> = lines
        .iter()
        .filter_map(|line| {
            let redacted = redactor.text(line["text"].as_str()?);
            let leaks: Vec<_> = texts(&line["secrets"]).filter(|secret| redacted.contains(secret)).collect();
            let lost: Vec<_> = texts(&line["keep"]).filter(|kept| !redacted.contains(kept)).collect();
            let is_stable = redactor.text(&redacted) == redacted;
            (!leaks.is_empty() || !lost.is_empty() || !is_stable)
                .then(|| format!("{redacted:?}: leaks {leaks:?}, lost {lost:?}, stable: {is_stable}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}\n{}", wrong.len(), lines.len(), wrong.join("\n"));
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let lines = lines("kept.jsonl");
    assert!(lines.len() > 100, "the file is there and whole");
    for line in &lines {
        let text = line.as_str().expect("a string");
        assert_eq!(Redactor::default().text(text), text);
    }
}

#[test]
fn fields_go_by_their_names() {
    let lines = lines("secret-fields.jsonl");
    assert!(lines.len() > 70, "the file is there and whole");
    for line in &lines {
        let mut value = line["value"].clone();
        Redactor::default().value(line["name"].as_str().expect("a string"), &mut value);
        assert_eq!(value != line["value"], line["secret"] == true, "{line}");
    }
}
