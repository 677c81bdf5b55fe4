//! What Firestore takes and what it does not, as the emulator says it.

use std::sync::Arc;

use firestore::gcloud_sdk::google::firestore::v1::Document;

use super::*;
use crate::{intake::Committer, metrics::Road, notify::Notifier, store::firestore::write::create};

#[tokio::test]
async fn a_batch_beyond_the_limits_of_a_request_is_committed_in_parts() {
    let store = emulated().await;
    // 24 events of 0.7 MiB of one issue and of others: 17 MiB, more than Firestore takes at once.
    let events: Vec<Occurrence> = (0..24)
        .map(|second| {
            let mut event = occurrence(["one", "two", "three"][second % 3], i64::try_from(second).unwrap());
            event.details.backtrace = "x".repeat(700 << 10);
            event
        })
        .collect();
    let watermark = Watermark { topic: "issues".into(), partition: 1, next_offset: 24, timestamp_ms: 9 };
    let whole = Batch { occurrences: events.clone(), watermark: Some(watermark.clone()) };
    let stored = store.ingest(&whole).await.unwrap();
    assert_eq!(stored.len(), 24);
    assert!(stored.iter().all(|stored| matches!(stored, Stored::New { .. })));
    for event in &events[..3] {
        assert_eq!(store.issue(&event.issue_id).await.unwrap().unwrap().occurrences, 8);
    }
    assert_eq!(store.watermark("issues", 1).await.unwrap(), Some(watermark));
    assert_eq!(store.ingest(&whole).await.unwrap(), [Stored::Duplicate; 24], "the repeat changes nothing");
}

#[tokio::test]
async fn what_the_store_can_never_take_stands_in_nobodys_way() {
    let emulated = emulated().await;
    // Larger than a document may be; decoding would have cut it.
    let mut poison = occurrence("poison", 2);
    poison.details.backtrace = "x".repeat(2 << 20);
    let watermark = Watermark { topic: "issues".into(), partition: 2, next_offset: 3, timestamp_ms: 9 };
    let occurrences = vec![occurrence("before", 1), poison, occurrence("after", 3)];
    let batch = Batch { occurrences, watermark: Some(watermark.clone()) };

    let store: Arc<dyn IssueStore> = Arc::new(emulated.another(&emulator()).await);
    let committer = Committer::new(Arc::clone(&store), Notifier::default());
    let stored = committer.commit(&batch, Road::Kafka).await.unwrap();
    assert_eq!(stored, [CREATED, Stored::Refused, CREATED]);
    assert_eq!(store.watermark("issues", 2).await.unwrap(), Some(watermark));
    assert_eq!(
        committer.commit(&batch, Road::Kafka).await.unwrap(),
        [Stored::Duplicate, Stored::Refused, Stored::Duplicate]
    );
}

/// Sends a document as it is, past our own check: whether Firestore takes it.
async fn is_taken(store: &FirestoreStore, document: &Document) -> bool {
    match store.client.send(vec![create(document.name.clone(), document.fields.clone())]).await {
        Ok(_) => true,
        Err(Refused::Failed(StoreError::Refused(_))) => false,
        Err(_) => panic!("neither taken nor refused"),
    }
}

/// A document grown by its `details` to the largest that our check lets through is taken, and one byte more is refused
/// by both.
async fn check_largest(store: &FirestoreStore, name: String, fields: value::Fields) {
    let with = |fields: &value::Fields, length: usize| {
        let mut fields = fields.clone();
        fields.insert("details".to_owned(), text(&"x".repeat(length)));
        Document { name: name.clone(), fields, ..Document::default() }
    };
    let is_allowed = |document: &Document| {
        crate::store::firestore::limits::check(&[create(document.name.clone(), document.fields.clone())]).is_ok()
    };
    let (mut fits, mut does_not) = (0, 2 << 20);
    while does_not - fits > 1 {
        let middle = usize::midpoint(fits, does_not);
        if is_allowed(&with(&fields, middle)) { fits = middle } else { does_not = middle }
    }
    assert!(!is_taken(store, &with(&fields, does_not)).await, "{name}: {does_not} bytes are refused");
    assert!(is_taken(store, &with(&fields, fits)).await, "{name}: {fits} bytes are taken");
}

#[tokio::test]
async fn sizes_are_counted_as_firestore_counts_them() {
    let store = emulated().await;
    let paths = store.paths();
    let issue = "a".parse().unwrap();
    check_largest(&store, paths.issue("short"), value::Fields::new()).await;
    let long = text(&"\u{1f980} und \u{fc}ber".repeat(10_000));
    let fields = value::Fields::from([("title".to_owned(), long.clone())]);
    check_largest(&store, paths.activity(&issue, &"y".repeat(900)), fields).await;
    let fields = value::Fields::from([
        ("title".to_owned(), long),
        ("tags".to_owned(), value::texts(["a", "bc", ""])),
        ("n".to_owned(), value::integer(7)),
        ("at".to_owned(), value::time(Timestamp::UNIX_EPOCH)),
        ("nobody".to_owned(), value::or_null(None)),
    ]);
    check_largest(&store, paths.issue("mixed"), fields).await;
}

#[tokio::test]
async fn names_that_are_too_long_are_refused_before_they_are_sent() {
    let store = emulated().await;
    let event = occurrence("feed stalled", 1);
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    let added = store.add_comment(&event.issue_id, &"z".repeat(1_501), "text", "ada", event.last_at).await;
    assert!(matches!(added, Err(StoreError::Refused(_))), "{added:?}");
    store.add_comment(&event.issue_id, &"z".repeat(1_500), "text", "ada", event.last_at).await.unwrap();
}

#[tokio::test]
async fn what_is_refused_after_a_part_was_committed_does_not_make_that_a_duplicate() {
    let store = emulated().await;
    // Too much for one commit; the third alone is too much for a document.
    let events: Vec<Occurrence> = [700 << 10, 900 << 10, 1_500 << 10, 1_000 << 10, 900 << 10]
        .into_iter()
        .zip(0..)
        .map(|(backtrace, second)| {
            let mut event = occurrence("one", second);
            event.details.backtrace = "x".repeat(backtrace);
            event
        })
        .collect();
    let committer = Committer::new(Arc::new(store.another(&emulator()).await), Notifier::default());
    let stored = committer.commit(&batch(&events), Road::Kafka).await.unwrap();
    let known = Stored::New { created: false, regressed: false, unmuted: false };
    assert_eq!(stored, [CREATED, known, Stored::Refused, known, known]);
    assert_eq!(store.issue(&events[0].issue_id).await.unwrap().unwrap().occurrences, 4);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 5, ..Default::default() })]

    /// Whatever the sizes: each event is stored, or refused by itself; never is the store said to be away.
    #[test]
    fn hostile_sizes_are_stored_or_refused(
        sizes in proptest::collection::vec((0..3_usize, 0..1_600_000_usize, 0..200_usize), 1..6)
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let store = emulated().await;
            let events: Vec<Occurrence> = sizes.iter().enumerate().map(|(second, (title, backtrace, tags))| {
                let mut event = occurrence(["one", "two", "three"][*title], i64::try_from(second).unwrap());
                event.details.backtrace = "x".repeat(*backtrace);
                event.tags = (0..*tags).map(|tag| format!("tag-{tag}:{}", "v".repeat(150))).collect();
                event
            }).collect();
            let largest = sizes.iter().map(|(_, backtrace, _)| *backtrace).max().unwrap();
            let committer = Committer::new(Arc::new(store.another(&emulator()).await), Notifier::default());
            let stored = committer.commit(&batch(&events), Road::Kafka).await.unwrap();
            for (stored, (_, backtrace, _)) in stored.iter().zip(&sizes) {
                let expected = if *backtrace > 1_047_000 { *stored == Stored::Refused } else { matches!(stored, Stored::New { .. }) };
                // Its tags are kept with it, up to 32 KB of them.
                let is_near = (1_014_000..1_049_000).contains(backtrace);
                assert!(expected || is_near, "{backtrace}: {stored:?}, of at most {largest}");
            }
        });
    }
}
