//! What only this store can get wrong: outages, documents that others wrote, limits of a request, and the projection.
//! Needs the emulator, except where an outage is the point.

mod limits;
mod outage;
mod projection;
mod proxy;

use std::io::{Read, Write};

use jiff::Timestamp;
use uuid::Uuid;

use super::{value::text, write::put, *};
use crate::domain::{Details, Effect, Filter, Fingerprint, IssueType, Occurrence, Priority, Severity, Source, Status};

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

impl Emulated {
    /// Another server's store of the same database, or of the same through a proxy.
    async fn another(&self, address: &str) -> FirestoreStore {
        FirestoreStore::connect_emulator(&self.project, address).await.unwrap()
    }
}

/// Has all issues read, and returns once they are.
async fn complete(store: &FirestoreStore) {
    store.reconcile();
    let mut progress = store.progress();
    progress.wait_for(|progress| progress.is_complete).await.unwrap();
}

async fn titles(store: &FirestoreStore, query: &IssueQuery) -> Vec<String> {
    store.issues(query).await.unwrap().items.into_iter().map(|issue| issue.title).collect()
}

fn everything() -> IssueQuery {
    IssueQuery { limit: 100, ..IssueQuery::default() }
}

fn about(word: &str) -> IssueQuery {
    IssueQuery { filter: Filter::of_words([word]), ..everything() }
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

const CREATED: Stored = Stored::New { created: true, regressed: false, unmuted: false };
const NEW: Stored = Stored::New { created: false, regressed: false, unmuted: false };

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
