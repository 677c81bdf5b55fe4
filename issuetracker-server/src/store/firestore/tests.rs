//! What only this store can get wrong: outages, documents that others wrote, limits of a request, and search beyond
//! one page. Needs the emulator, except where an outage is the point.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;
use uuid::Uuid;

use super::{value::text, write::put, *};
use crate::{
    domain::{Details, Effect, Fingerprint, IssueType, Occurrence, Priority, Severity, Source, Status},
    intake::Committer,
    metrics::Road,
    notify::Notifier,
};

fn emulator() -> String {
    std::env::var("TEST_FIRESTORE_EMULATOR").expect(
        "TEST_FIRESTORE_EMULATOR names no emulator: run `scripts/services up` and `eval $(scripts/services env)`",
    )
}

/// A store in a project of its own, whose documents are dropped with it: the emulator keeps all in its memory, and slows
/// down to a standstill when that is full.
struct Emulated {
    store: FirestoreStore,
    project: String,
}

async fn emulated() -> Emulated {
    let project = format!("store-{}", Uuid::now_v7().simple());
    Emulated { store: FirestoreStore::connect_emulator(&project, &emulator()).await.unwrap(), project }
}

impl std::ops::Deref for Emulated {
    type Target = FirestoreStore;

    fn deref(&self) -> &FirestoreStore {
        &self.store
    }
}

impl Drop for Emulated {
    fn drop(&mut self) {
        let address = emulator();
        let Ok(mut emulator) = std::net::TcpStream::connect(&address) else { return };
        let path = format!("/emulator/v1/projects/{}/databases/(default)/documents", self.project);
        let request = format!("DELETE {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        let _ = emulator.write_all(request.as_bytes());
        // Its answer, so that the next test does not start beside the clearing.
        let _ = emulator.read(&mut [0; 512]);
    }
}

fn occurrence(title: &str, second: i64) -> Occurrence {
    let fingerprint = Fingerprint::custom(title, &tracing_issues::fingerprint::Identity::default());
    let at = Timestamp::from_second(1_767_225_600 + second).unwrap();
    Occurrence {
        event_id: Uuid::now_v7(),
        issue_id: fingerprint.issue_id(),
        former_issue_ids: Vec::new(),
        effect: Effect::Occurred,
        count: 1,
        first_at: at,
        last_at: at,
        title: title.to_owned(),
        description: String::new(),
        issue_type: IssueType::Bug,
        priority: Priority::Medium,
        severity: Severity::Error,
        reporter_id: "feed-service".to_owned(),
        assignee_id: None,
        tags: Vec::new(),
        component: "feed".to_owned(),
        source: Source::Service,
        project: String::new(),
        service: "feed".to_owned(),
        environment: "test".to_owned(),
        release: String::new(),
        fingerprint: Some(fingerprint),
        details: Details::default(),
    }
}

fn batch(occurrences: &[Occurrence]) -> Batch {
    Batch { occurrences: occurrences.to_vec(), watermark: None }
}

const CREATED: Stored = Stored::New { created: true, regressed: false };
const NEW: Stored = Stored::New { created: false, regressed: false };

#[tokio::test]
async fn firestore_may_be_down_at_boot_and_come_later() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let store = FirestoreStore::connect_emulator("down", &address.to_string()).await.unwrap();
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));
    let stored = store.ingest(&batch(&[occurrence("feed stalled", 1)])).await;
    assert!(matches!(stored, Err(StoreError::Unavailable(_))), "{stored:?}");

    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = tokio::net::TcpStream::connect(emulator()).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_an_outage_in_bounded_time() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let store = FirestoreStore::connect_emulator("silent", &address).await.unwrap();
    let started = Instant::now();
    let issue = store.issue(&"a".parse().unwrap()).await;
    assert!(matches!(issue, Err(StoreError::Unavailable(_))), "{issue:?}");
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_key_file_that_is_missing_is_told_at_once() {
    let config = FirestoreConfig {
        project_id: "p".to_owned(),
        credentials: Some("/nowhere/key.json".into()),
        database_id: None,
    };
    assert!(FirestoreStore::connect(config).await.is_err());
}

#[tokio::test]
async fn a_document_that_does_not_decode_is_corrupt_everywhere() {
    let store = emulated().await;
    let event = occurrence("feed stalled", 1);
    let name = store.paths().issue(event.issue_id.as_str());
    let fields = value::Fields::from([
        ("title".to_owned(), text("written by hand")),
        ("last_seen".to_owned(), value::time(event.last_at)),
        ("status".to_owned(), text("open")),
    ]);
    assert!(store.client.commit(vec![put(name, fields)]).await.is_ok());

    let issue = store.issue(&event.issue_id).await;
    let id = format!("issues/{}", event.issue_id);
    assert!(matches!(&issue, Err(StoreError::Corrupt { id: found, .. }) if *found == id), "{issue:?}");
    let list = store.issues(&IssueQuery { limit: 10, ..IssueQuery::default() }).await;
    assert!(matches!(list, Err(StoreError::Corrupt { .. })), "{list:?}");
    let stored = store.ingest(&batch(&[event])).await;
    assert!(matches!(stored, Err(StoreError::Corrupt { .. })), "{stored:?}");
}

#[tokio::test]
async fn hostile_ids_reach_no_other_document() {
    let store = emulated().await;
    let event = Occurrence { issue_id: "__reserved__".parse().unwrap(), ..occurrence("feed stalled", 1) };
    assert_eq!(store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap(), [CREATED]);
    assert_eq!(store.issue(&event.issue_id).await.unwrap().unwrap().id, event.issue_id);
    let now = event.last_at;
    for id in ["../x", "__y__", "a/b", "."] {
        store.add_comment(&event.issue_id, id, id, "ada", now).await.unwrap();
    }
    let comments = store.comments(&event.issue_id, None, 10).await.unwrap().items;
    assert_eq!(comments.len(), 5);
    assert!(comments.iter().filter(|comment| comment.author_id == "ada").all(|comment| comment.id == comment.content));
    let watermark = Watermark { topic: "../issues".into(), partition: 0, next_offset: 1, timestamp_ms: 2 };
    store.ingest(&Batch { watermark: Some(watermark.clone()), ..Batch::default() }).await.unwrap();
    assert_eq!(store.watermark("../issues", 0).await.unwrap(), Some(watermark));
}

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
    assert!(matches!(emulated.ingest(&batch).await, Err(StoreError::Refused(_))));

    let store: Arc<dyn IssueStore> =
        Arc::new(FirestoreStore::connect_emulator(&emulated.project, &emulator()).await.unwrap());
    let committer = Committer::new(Arc::clone(&store), Notifier::default());
    let stored = committer.commit(&batch, Road::Kafka).await.unwrap();
    assert_eq!(stored, [CREATED, Stored::Refused, CREATED]);
    assert_eq!(store.watermark("issues", 2).await.unwrap(), Some(watermark));
    assert_eq!(
        committer.commit(&batch, Road::Kafka).await.unwrap(),
        [Stored::Duplicate, Stored::Refused, Stored::Duplicate]
    );
}

#[tokio::test]
async fn a_repeated_event_among_new_ones_is_found() {
    let store = emulated().await;
    let first = occurrence("feed stalled", 1);
    store.ingest(&batch(std::slice::from_ref(&first))).await.unwrap();
    let mixed = [occurrence("feed stalled", 2), first.clone(), occurrence("other", 3)];
    assert_eq!(store.ingest(&batch(&mixed)).await.unwrap(), [NEW, Stored::Duplicate, CREATED]);
    assert_eq!(store.issue(&first.issue_id).await.unwrap().unwrap().occurrences, 2);
}

#[tokio::test]
async fn fields_that_we_do_not_know_stay() {
    let store = emulated().await;
    let event = occurrence("feed stalled", 1);
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    let name = store.paths().issue(event.issue_id.as_str());
    let mut document = store.client.get(vec![name.clone()], None).await.unwrap().remove(&name).unwrap();
    document.fields.insert("from_a_later_version".to_owned(), text("kept"));
    assert!(store.client.commit(vec![put(name.clone(), document.fields)]).await.is_ok());
    store.ingest(&batch(&[occurrence("feed stalled", 2)])).await.unwrap();
    let document = store.client.get(vec![name.clone()], None).await.unwrap().remove(&name).unwrap();
    assert_eq!(document.fields["from_a_later_version"], text("kept"));
    assert_eq!(store.issue(&event.issue_id).await.unwrap().unwrap().occurrences, 2);
}

#[tokio::test]
async fn concurrent_changes_all_happen_and_old_versions_conflict() {
    let store = emulated().await;
    let event = occurrence("feed stalled", 1);
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    let issue = store.issue(&event.issue_id).await.unwrap().unwrap();
    let status = IssueChange { status: Some(Status::InProgress), ..IssueChange::default() };
    let priority = IssueChange { priority: Some(Priority::High), ..IssueChange::default() };
    let now = event.last_at;
    let (a, b) = tokio::join!(
        store.change(&issue.id, &status, "ada", now, None),
        store.change(&issue.id, &priority, "bob", now, None),
    );
    assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
    let changed = store.issue(&issue.id).await.unwrap().unwrap();
    assert_eq!((changed.status, changed.priority, changed.version), (Status::InProgress, Priority::High, 3));
    let late = store.change(&issue.id, &priority, "bob", now, Some(issue.version)).await;
    assert!(matches!(late, Err(StoreError::Conflict)), "{late:?}");
}

#[tokio::test]
async fn search_goes_on_where_it_stopped() {
    let store = emulated().await;
    let events: Vec<Occurrence> = (0..1_300_i64)
        .map(|second| occurrence(&format!("{} {second}", if second % 600 == 0 { "needle" } else { "hay" }), second))
        .collect();
    store.ingest(&batch(&events)).await.unwrap();
    let mut query = IssueQuery { words: vec!["needle".into()], limit: 10, ..IssueQuery::default() };
    let first = store.issues(&query).await.unwrap();
    let titles: Vec<&str> = first.items.iter().map(|issue| issue.title.as_str()).collect();
    assert_eq!(titles, ["needle 1200", "needle 600"], "of the newest 1,000");
    query.after = first.next;
    let second = store.issues(&query).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));

    query = IssueQuery { limit: 1, after: None, ..query };
    let (one, overview) = (store.issues(&query).await.unwrap(), store.overview(&query).await.unwrap());
    assert_eq!((one.items.len(), one.next.unwrap().id), (1, one.items[0].id.to_string()));
    assert_eq!(overview.by_status["open"], 2);
}

#[tokio::test]
async fn facets_are_bounded_and_shared() {
    let (store, mut events) = (emulated().await, Vec::new());
    for index in 0..600 {
        events.push(Occurrence { service: format!("service-{index:03}"), ..occurrence("same", index) });
    }
    events.push(Occurrence { service: "x".repeat(1_000), ..occurrence("same", 601) });
    store.ingest(&batch(&events)).await.unwrap();
    store.ingest(&batch(&[Occurrence { service: "late".into(), ..occurrence("same", 700) }])).await.unwrap();
    let overview = store.overview(&IssueQuery::default()).await.unwrap();
    assert_eq!((overview.services.len(), overview.environments), (500, vec!["test".to_owned()]));
}
