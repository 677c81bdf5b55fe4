//! Pairs of messages that must be one issue, and pairs that must not: `tests/data/grouping-pairs.jsonl`, one a line.
//! Not the rules one by one; those have unit tests. Add a pair here whenever real messages grouped wrongly.

// Helpers are not seen as tests by the lints' exemption.
#![allow(clippy::expect_used, clippy::panic)]

use std::{fs, path::Path};

use serde_json::Value;
use tracing_issues::normalize::{normalize, replacements};

struct Pair {
    same: bool,
    a: String,
    b: String,
    why: String,
}

fn pairs() -> Vec<Pair> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/grouping-pairs.jsonl");
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let pair = |line: &str| {
        let pair: Value = serde_json::from_str(line).expect("a JSON object");
        let same = match pair["expect"].as_str() {
            Some("same") => true,
            Some("different") => false,
            other => panic!("`expect` is `same` or `different`, not {other:?}"),
        };
        Pair { same, a: text(&pair["a"]), b: text(&pair["b"]), why: text(&pair["why"]) }
    };
    fs::read_to_string(path).expect("the pairs").lines().map(pair).collect()
}

#[test]
fn every_pair_groups_as_told() {
    let pairs = pairs();
    assert!(pairs.len() > 100, "the file is there and whole");
    let wrong: Vec<_> = pairs
        .iter()
        .filter(|pair| (normalize(&pair.a) == normalize(&pair.b)) != pair.same)
        .map(|pair| {
            format!(
                "{}: must be {}\n  {:?}\n  {:?}",
                pair.why,
                if pair.same { "same" } else { "different" },
                pair.a,
                pair.b
            )
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {} pairs\n{}", wrong.len(), pairs.len(), wrong.join("\n"));
}

/// A file of one sort only would pass with a function that returns nothing, or its argument.
#[test]
fn both_sorts_of_pairs_are_there() {
    let pairs = pairs();
    let same = pairs.iter().filter(|pair| pair.same).count();
    assert!(same * 3 > pairs.len() && (pairs.len() - same) * 3 > pairs.len(), "{same} of {}", pairs.len());
}

#[test]
fn whatever_two_messages_of_one_issue_differ_in_is_explained() {
    for pair in pairs().iter().filter(|pair| pair.same && pair.a.split_whitespace().ne(pair.b.split_whitespace())) {
        assert!(!replacements(&pair.a).is_empty() || !replacements(&pair.b).is_empty(), "{}", pair.why);
    }
}
