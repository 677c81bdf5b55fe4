//! Pairs of messages that must be one issue, and pairs that must not: the files in `tests/data`, one pair a line.
//! `grouping-more.jsonl` holds what crates said when they were made to fail twice, with different values.
//! `grouping-unseen.jsonl` was written before the rules were looked at.
//! Not the rules one by one; those have unit tests. Add a pair here whenever real messages grouped wrongly.

// Helpers are not seen as tests by the lints' exemption.
#![allow(clippy::expect_used, clippy::panic)]

use std::{fs, path::Path, time::Duration};

use proptest::prelude::*;
use serde_json::Value;
use tracing_issues::normalize::{Normalizer, normalize, replacements};

struct Pair {
    same: bool,
    a: String,
    b: String,
    why: String,
}

fn pairs() -> Vec<Pair> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
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
    let files = ["grouping-pairs.jsonl", "grouping-more.jsonl", "grouping-unseen.jsonl"];
    let texts = files.map(|file| fs::read_to_string(data.join(file)).expect("the pairs"));
    texts.iter().flat_map(|text| text.lines()).map(pair).collect()
}

#[test]
fn every_pair_groups_as_told() {
    let pairs = pairs();
    assert!(pairs.len() > 1000, "the files are there and whole");
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
    assert!(same * 4 > pairs.len() && (pairs.len() - same) * 4 > pairs.len(), "{same} of {}", pairs.len());
}

#[test]
fn whatever_two_messages_of_one_issue_differ_in_is_explained() {
    for pair in pairs().iter().filter(|pair| pair.same && pair.a.split_whitespace().ne(pair.b.split_whitespace())) {
        assert!(!replacements(&pair.a).is_empty() || !replacements(&pair.b).is_empty(), "{}", pair.why);
    }
}

/// What differs between occurrences, in every slot that a number, an id, a time or a place can take.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<u32>().prop_map(|cents| format!("{}.{:02}", cents / 100, cents % 100)),
        any::<u128>().prop_map(|id| uuid::Uuid::from_u128(id).to_string()),
        any::<u64>().prop_map(|id| format!("{:#x}", id)),
        any::<[u8; 20]>().prop_map(|hash| hash.iter().map(|byte| format!("{byte:02x}")).collect()),
        any::<u32>().prop_map(|ms| format!("{:?}", Duration::from_millis(ms.into()))),
        (1u32..5_000, "ns|us|ms|s|min|h").prop_map(|(amount, unit)| format!("{amount}{unit}")),
        (1u32..5_000, "B|KiB|MB|GiB").prop_map(|(amount, unit)| format!("{amount} {unit}")),
        (0i64..4_000_000_000)
            .prop_map(|second| jiff::Timestamp::from_second(second).expect("a time of this century").to_string()),
        any::<[u8; 4]>().prop_map(|ip| std::net::Ipv4Addr::from(ip).to_string()),
        any::<[u8; 8]>().prop_map(|[a, b, c, d, e, f, g, h]| {
            std::net::Ipv6Addr::from([
                0x2001,
                0xdb8,
                0,
                0,
                1 + u16::from(a | b),
                u16::from(c ^ d),
                u16::from(e | f),
                1 + u16::from(g ^ h),
            ])
            .to_string()
        }),
        "[a-z]{3,8}@[a-z]{3,8}\\.(com|org)",
    ]
}

const TEMPLATES: [&str; 10] = [
    "order {} refused",
    "order {} of {} refused at {} (after {})",
    "{}: refused",
    "refused: {}",
    "value={} other={} [{}]",
    "Order { id: {}, at: {} } refused",
    "{\"order\":\"{}\",\"message\":\"refused\",\"at\":\"{}\"}",
    "HTTP 502 from upstream after {}; os error 111",
    "error returned from database: duplicate key value violates unique constraint \"a_pkey\": Key (id)=({}) already exists.",
    "cannot read {}: No such file or directory (os error 2)",
];

/// Spellings of a code; whatever else a message says, two codes are two errors.
const CODES: [(&str, u32, u32); 12] = [
    ("HTTP {}", 400, 600),
    ("status: {}", 400, 600),
    ("unexpected status code {} from upstream", 400, 600),
    ("request failed ({})", 400, 600),
    ("server returned {}", 400, 600),
    ("HTTP status client error ({} Whatever) for url (https://x.com/a)", 400, 600),
    ("connection failed (os error {})", 1, 134),
    ("Os { code: {}, kind: Uncategorized, message: \"x\" }", 1, 134),
    ("child exited with code {}", 0, 256),
    ("child killed by signal {}", 1, 65),
    ("database error SQLSTATE {}", 10_000, 99_999),
    ("cannot connect to db.internal:{}", 1_000, 32_000),
];

fn filled(template: &str, values: &[String]) -> String {
    values.iter().fold(template.to_owned(), |text, value| text.replacen("{}", value, 1))
}

proptest! {
    #[test]
    fn values_never_split_an_issue(
        template in prop::sample::select(&TEMPLATES[..]),
        values in prop::collection::vec((any_value(), any_value()), 4),
    ) {
        let (a, b): (Vec<_>, Vec<_>) = values.into_iter().unzip();
        let (a, b) = (filled(template, &a), filled(template, &b));
        prop_assert_eq!(normalize(&a), normalize(&b), "{} | {}", a, b);
    }

    #[test]
    fn codes_always_split_issues((template, from, to) in prop::sample::select(&CODES[..]), a: u32, b: u32) {
        let code = |number: u32| template.replacen("{}", &(from + number % (to - from)).to_string(), 1);
        let (a, b) = (code(a), code(b));
        prop_assume!(a != b);
        prop_assert_ne!(normalize(&a), normalize(&b), "{} | {}", a, b);
    }

    #[test]
    fn names_in_quotes_always_split_issues(
        (word, quote) in (prop::sample::select(vec!["column", "constraint", "topic", "field", "table"]), "[\"'`]"),
        a in "[a-z]{2,8}(_[a-z]{2,8})?(_key|_id)?",
        b in "[a-z]{2,8}(_[a-z]{2,8})?(_key|_id)?",
    ) {
        prop_assume!(a != b);
        let text = |name: &str| format!("{word} {quote}{name}{quote} is wrong");
        prop_assert_ne!(normalize(&text(&a)), normalize(&text(&b)));
    }

    #[test]
    fn paths_lose_what_is_of_a_machine(user in "[a-z]{2,8}", directory in "[a-zA-Z0-9]{6}", number in 0u32..1_000_000) {
        let text = |user: &str, directory: &str, number: u32| {
            format!("cannot open /home/{user}/x.toml, /tmp/.tmp{directory}/y, /data/{number}.json, src/a.rs:{number}:1")
        };
        prop_assert_eq!(normalize(&text(&user, &directory, number)), normalize(&text("bob", "a1B2c3", 17)));
    }

    #[test]
    fn a_normalizer_forgets_the_messages_before(messages in prop::collection::vec(any::<String>(), 1..6)) {
        let mut normalizer = Normalizer::new();
        for message in messages.iter().chain([&"order 17 \"x\"\n refused".to_owned()]) {
            prop_assert_eq!(normalizer.normalize(message), normalize(message));
            prop_assert!(normalizer.normalize(message).len() <= message.len());
        }
    }
}

/// What does not change is not copied.
#[test]
fn a_message_without_values_is_returned_itself() {
    let mut normalizer = Normalizer::new();
    for message in ["the order book is gone", "cannot open \"/etc/app.toml\": HTTP 502 (os error 13)", ""] {
        assert!(std::ptr::eq(normalizer.normalize(message), message), "{message}");
    }
}

/// It runs on the thread that logs.
#[test]
fn a_warm_normalizer_allocates_nothing() {
    let pairs = pairs();
    let mut normalizer = Normalizer::new();
    let mut all =
        || pairs.iter().map(|pair| normalizer.normalize(&pair.a).len() + normalizer.normalize(&pair.b).len()).sum();
    let cold: usize = all();
    let mut warm: usize = 0;
    let allocations = allocation_counter::measure(|| warm = all());
    assert_eq!((warm, allocations.count_total), (cold, 0));
}
