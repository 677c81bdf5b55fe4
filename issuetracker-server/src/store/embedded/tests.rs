//! What only this store can get wrong: lists that are long enough for another plan, the words after rows have gone, files of
//! older versions.

use std::collections::BTreeSet;

use jiff::Timestamp;
use rusqlite::Connection;

use super::*;
use crate::{
    domain::{
        Filter, Occurrence, Status,
        filter::{Term, Test},
    },
    intake::decode::{Place, decode},
    store::Sort,
};

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

/// Letters, since digits in titles group.
fn word(mut number: usize) -> String {
    let mut word = String::from("w");
    while number > 0 {
        word.push(char::from(b'a' + u8::try_from(number % 26).unwrap()));
        number /= 26;
    }
    word
}

fn event(fields: &serde_json::Value) -> Occurrence {
    decode(fields.to_string().as_bytes(), Place::Request, now()).unwrap()
}

/// One of many, of which some have something in common.
fn one_of_many(number: usize) -> Occurrence {
    let of = |modulus: usize, name: &'static str| if number.is_multiple_of(modulus) { name } else { "other" };
    event(&serde_json::json!({
        "title": format!("{} failed {}", word(number), of(7, "needle")),
        "service": of(3, "feed"),
        "environment": of(2, "production"),
        "component": of(500, "rare"),
        "severity": if number.is_multiple_of(900) { "critical" } else { "error" },
        "tags": [of(2, "common"), of(400, "seldom")],
        "occurrences": number % 50 + 1,
        "created_at": (now() - jiff::SignedDuration::from_secs(i64::try_from(number * 37 % 6_000).unwrap())).to_string(),
    }))
}

/// The list as it must be, from everything.
fn expected(all: &[Issue], query: &IssueQuery) -> Vec<IssueId> {
    let says = |issue: &Issue, term: &Term| match &term.test {
        Test::Text(word) => issue.title.contains(word) != term.is_negated,
        _ => true,
    };
    let mut found: Vec<&Issue> = all
        .iter()
        .filter(|issue| query.filter.matches(issue, &query.user_id, query.now))
        .filter(|issue| query.filter.terms.iter().all(|term| says(issue, term)))
        .collect();
    found.sort_by_key(|issue| std::cmp::Reverse((query.sort.key(issue), issue.id.clone())));
    found.into_iter().map(|issue| issue.id.clone()).collect()
}

#[tokio::test]
async fn long_lists_are_what_short_ones_would_be() {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&directory.path().join("issues.sqlite")).unwrap();
    let many: Vec<Occurrence> = (0..5_000).map(one_of_many).collect();
    for occurrences in many.chunks(1_000) {
        store.ingest(&Batch { occurrences: occurrences.to_vec(), watermark: None }).await.unwrap();
    }
    let close = IssueChange { status: Some(Status::Closed), ..IssueChange::default() };
    for occurrence in many.iter().step_by(1_001) {
        store.change(&occurrence.issue_id, &close, "ada", now(), None).await.unwrap();
    }
    let all = store.issues(&IssueQuery { limit: 10_000, ..IssueQuery::default() }).await.unwrap().items;
    assert_eq!(all.len(), 5_000);

    let filters = [
        "",
        "is:open",
        "is:closed",
        "is:open,closed service:feed",
        "env:production",
        "component:rare",
        "-component:rare",
        "severity:critical",
        "severity:error service:other",
        "tag:common",
        "-tag:common is:open",
        "tag:seldom,common",
        "tag:nowhere",
        "kind:nothing",
        "is:unassigned -is:closed",
        "is:muted,regressed",
        "assigned:me,none",
        "first:<1h seen:2026-01-01",
        "last:>1d",
        "failed",
        "needle tag:common",
        "failed -needle",
    ];
    for filter in filters {
        for sort in Sort::ALL {
            let mut query =
                IssueQuery { filter: filter.parse().unwrap(), sort, limit: 1_500, now: now(), ..IssueQuery::default() };
            let expected = expected(&all, &query);
            let mut found = Vec::new();
            loop {
                let page = store.issues(&query).await.unwrap();
                found.extend(page.items.into_iter().map(|issue| issue.id));
                query.after = page.next;
                if query.after.is_none() {
                    break;
                }
            }
            assert!(found == expected, "{filter} by {sort:?}: {} instead of {}", found.len(), expected.len());
        }
    }
}

#[tokio::test]
async fn words_are_right_after_issues_have_gone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("issues.sqlite");
    let store = EmbeddedStore::open(&file).unwrap();
    let events = ["alpha", "beta", "gamma"].map(|title| event(&serde_json::json!({"title": title, "tags": [title]})));
    store.ingest(&Batch { occurrences: events.to_vec(), watermark: None }).await.unwrap();
    store.merge(&events[2].issue_id, &events[0].issue_id, "ada", now()).await.unwrap();
    // Its row has the number that the merged one had.
    let delta = event(&serde_json::json!({"title": "delta"}));
    store.ingest(&Batch { occurrences: vec![delta], watermark: None }).await.unwrap();
    let copy = directory.path().join("copy.sqlite");
    backup(&file, &copy).unwrap();
    for store in [store, EmbeddedStore::open(&copy).unwrap()] {
        let found = async |query: IssueQuery| {
            let page = store.issues(&IssueQuery { limit: 10, ..query }).await.unwrap();
            page.items.into_iter().map(|issue| issue.title).collect::<BTreeSet<_>>()
        };
        let words = |word: &str| IssueQuery { filter: Filter::of_words([word]), ..IssueQuery::default() };
        assert_eq!(found(words("delta")).await, BTreeSet::from(["delta".to_owned()]));
        assert_eq!(found(words("gamma")).await, BTreeSet::from(["alpha".to_owned()]), "by its tag, which was merged");
        let tag = IssueQuery { filter: "tag:gamma".parse().unwrap(), ..IssueQuery::default() };
        assert_eq!(found(tag).await, BTreeSet::from(["alpha".to_owned()]));
    }
    for file in [file, copy] {
        let connection = Connection::open(file).unwrap();
        connection.execute("INSERT INTO issues_text (issues_text, rank) VALUES ('integrity-check', 1)", []).unwrap();
    }
}

#[tokio::test]
async fn a_file_of_the_first_version_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("issues.sqlite");
    let first = Connection::open(&file).unwrap();
    first.execute_batch(include_str!("migrations/0001.sql")).unwrap();
    first
        .execute_batch(
            "INSERT INTO issues VALUES ('01a2b3c4d5e6f789', 'feed stalled', '', 'bug', 'medium', 'error', 'open', 'feed-service', \
             NULL, '[\"kraken\"]', 'feed', 'service', '', 'feed', '', '', '', '', NULL, 1, 7, 1, 2, 1, 1, NULL, NULL, 0, \
             '01a214ed-e77a-7217-b045-cde6164cedad', 0, 1); \
             INSERT INTO activities VALUES ('01a2b3c4d5e6f789', 'a', 'occurrence', 'feed-service', 2, '{}'); \
             PRAGMA user_version = 1;",
        )
        .unwrap();
    let store = EmbeddedStore::open(&file).unwrap();
    let id: IssueId = "01a2b3c4d5e6f789".parse().unwrap();
    let issue = store.issue(&id).await.unwrap().unwrap();
    assert_eq!((issue.occurrences, issue.hours.iter().count(), issue.mute), (7, 0, None));
    let by_tag = IssueQuery { filter: "tag:kraken".parse().unwrap(), limit: 10, ..IssueQuery::default() };
    assert_eq!(store.issues(&by_tag).await.unwrap().items, [issue]);
    let stored_at: i64 = first.query_row("SELECT stored_at FROM activities", [], |row| row.get(0)).unwrap();
    assert!(stored_at > 1_700_000_000, "its events are known for two weeks more");

    first.pragma_update(None, "user_version", 99).unwrap();
    let refused = EmbeddedStore::open(&file).err().unwrap();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("schema version 99") && why.contains("run the newer server"), "{why}");
}

#[test]
fn batches_that_wait_are_committed_together_and_fail_alone() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("issues.sqlite");
    let mut connection = connection::open_for_writing(&file).unwrap();
    let waiting = Waiting::default();
    let batch = |titles: &[&str], next_offset| Batch {
        occurrences: titles.iter().map(|title| event(&serde_json::json!({"title": title}))).collect(),
        watermark: Some(Watermark { topic: "errors".to_owned(), partition: 0, next_offset, timestamp_ms: 0 }),
    };
    let commits = |connection: &Connection| -> i64 {
        connection.pragma_query_value(None, "data_version", |row| row.get(0)).unwrap()
    };
    let others = Connection::open(&file).unwrap();

    let (before, first) = (commits(&others), waiting.add(batch(&["feed stalled", "order refused"], 2)));
    let second = waiting.add(batch(&["feed stalled"], 3));
    waiting.commit(&mut connection);
    waiting.commit(&mut connection);
    let new = |created| Stored::New { created, regressed: false, unmuted: false };
    assert_eq!(first.blocking_recv().unwrap().unwrap(), [new(true), new(true)]);
    assert_eq!(second.blocking_recv().unwrap().unwrap(), [new(false)]);
    assert_eq!(read::watermark(&connection, "errors", 0).unwrap().unwrap().next_offset, 3);
    assert_eq!(commits(&others), before + 1, "one commit");

    connection.execute("UPDATE issues SET mute = 'no mute' WHERE title = 'order refused'", []).unwrap();
    let broken = waiting.add(batch(&["order refused"], 4));
    let sound = waiting.add(batch(&["feed stalled", "disk full"], 6));
    waiting.commit(&mut connection);
    assert!(matches!(broken.blocking_recv().unwrap(), Err(StoreError::Corrupt { .. })));
    assert_eq!(sound.blocking_recv().unwrap().unwrap(), [new(false), new(true)]);
    let count =
        connection.query_row("SELECT occurrences FROM issues WHERE title = 'feed stalled'", [], |row| row.get(0));
    assert_eq!(count, Ok(3), "what was tried together is not counted twice");

    // One row that was damaged hides no other: neither on its page nor on those after it.
    let mut seen = Vec::new();
    let mut query = IssueQuery { limit: 1, ..IssueQuery::default() };
    loop {
        let page = list::issues(&connection, &query).unwrap();
        seen.extend(page.items.iter().map(|issue| issue.title.clone()));
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    seen.sort();
    assert_eq!(seen, ["disk full", "feed stalled"]);
    connection.execute("UPDATE issues SET hours = 'none' WHERE title = 'order refused'", []).unwrap();
    let query = IssueQuery::default();
    assert_eq!(list::trend(&connection, &query, 0).unwrap().by_severity.len(), 1);
    assert!(breakdown::breakdown(&connection, &query, 0).is_ok());
}
