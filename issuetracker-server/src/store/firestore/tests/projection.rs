//! Lists and search from the local copy: what it knows, when, and what it does about what it does not.

use super::*;
use crate::store::firestore::{value::time, write::delete};

#[tokio::test]
async fn search_finds_every_issue_whatever_its_age() {
    let store = emulated().await;
    let events: Vec<Occurrence> = (0..1_300_i64)
        .map(|second| occurrence(&format!("{} {second}", if second % 600 == 0 { "needle" } else { "hay" }), second))
        .collect();
    store.ingest(&batch(&events)).await.unwrap();
    // Another server, which has to read them.
    let another = store.another(&emulator()).await;
    complete(&another).await;
    assert_eq!(titles(&another, &about("needle")).await, ["needle 1200", "needle 600", "needle 0"]);
    let first = another.issues(&IssueQuery { limit: 2, ..about("needle") }).await.unwrap();
    let second = another.issues(&IssueQuery { after: first.next, ..about("needle") }).await.unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
    assert_eq!(another.overview(&about("needle")).await.unwrap().by_status["open"], 3);
    let progress = another.progress().borrow().clone();
    assert_eq!((progress.read, progress.about), (1_300, 1_300));
}

#[tokio::test]
async fn until_it_is_complete_firestore_lists_and_search_is_partial() {
    let store = emulated().await;
    store.ingest(&batch(&[occurrence("feed stalled", 1), occurrence("order refused", 2)])).await.unwrap();
    let another = store.another(&emulator()).await;
    assert!(!another.progress().borrow().is_complete);
    assert_eq!(titles(&another, &everything()).await, ["order refused", "feed stalled"]);
    assert_eq!(another.overview(&everything()).await.unwrap().by_status["open"], 2);
    assert!(titles(&another, &about("stalled")).await.is_empty(), "nothing was read yet");
    complete(&another).await;
    assert_eq!(titles(&another, &everything()).await, ["order refused", "feed stalled"]);
    assert_eq!(titles(&another, &about("stalled")).await, ["feed stalled"]);
    let overview = another.overview(&everything()).await.unwrap();
    assert_eq!((overview.services, overview.environments), (vec!["feed".to_owned()], vec!["test".to_owned()]));
}

#[tokio::test]
async fn what_another_server_commits_is_seen_when_it_is_told() {
    let (store, event) = (emulated().await, occurrence("feed stalled", 1));
    let another = store.another(&emulator()).await;
    complete(&store).await;
    complete(&another).await;
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    assert!(titles(&another, &everything()).await.is_empty());
    another.refresh(std::slice::from_ref(&event.issue_id)).await.unwrap();
    assert_eq!(titles(&another, &everything()).await, ["feed stalled"]);

    let resolved = IssueChange { status: Some(Status::Resolved), ..IssueChange::default() };
    another.change(&event.issue_id, &resolved, "ada", event.last_at, None).await.unwrap();
    let open = IssueQuery { filter: "is:open".parse().unwrap(), ..everything() };
    assert!(titles(&another, &open).await.is_empty());
    assert_eq!(titles(&store, &open).await, ["feed stalled"]);
    store.refresh(std::slice::from_ref(&event.issue_id)).await.unwrap();
    assert!(titles(&store, &open).await.is_empty());
}

#[tokio::test]
async fn an_issue_that_another_server_made_unheard_is_no_second_one() {
    let (store, event) = (emulated().await, occurrence("feed stalled", 1));
    let another = store.another(&emulator()).await;
    complete(&another).await;
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    // It takes the issue for new, is refused, reads, and counts.
    assert_eq!(another.ingest(&batch(&[occurrence("feed stalled", 2)])).await.unwrap(), [NEW]);
    assert_eq!(another.issue(&event.issue_id).await.unwrap().unwrap().occurrences, 2);
    assert_eq!(another.ingest(&batch(std::slice::from_ref(&event))).await.unwrap(), [Stored::Duplicate]);
    assert_eq!(another.issues(&everything()).await.unwrap().items[0].occurrences, 2);
}

#[tokio::test]
async fn a_comment_on_an_issue_that_another_server_made_unheard_is_kept() {
    let (store, event) = (emulated().await, occurrence("feed stalled", 1));
    let another = store.another(&emulator()).await;
    complete(&another).await;
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    let comment = Occurrence { effect: Effect::Commented, ..occurrence("feed stalled", 2) };
    assert_eq!(another.ingest(&batch(&[comment])).await.unwrap(), [NEW]);
    assert_eq!(another.issue(&event.issue_id).await.unwrap().unwrap().comments, 1);
}

#[tokio::test]
async fn an_issue_that_was_merged_is_not_made_again() {
    let store = emulated().await;
    let (from, into) = (occurrence("feed stalled", 1), occurrence("feed is stalled", 2));
    store.ingest(&batch(&[from.clone(), into.clone()])).await.unwrap();
    complete(&store).await;
    store.merge(&from.issue_id, &into.issue_id, "ada", from.last_at).await.unwrap();
    assert_eq!(titles(&store, &everything()).await, ["feed is stalled"]);
    // A server that starts afterwards has never seen the one that is gone.
    let another = store.another(&emulator()).await;
    complete(&another).await;
    for (second, server) in [(3, &*store), (4, &another)] {
        assert_eq!(server.ingest(&batch(&[occurrence("feed stalled", second)])).await.unwrap(), [NEW]);
        assert_eq!(titles(server, &everything()).await, ["feed is stalled"]);
    }
    assert_eq!(store.issue(&from.issue_id).await.unwrap().unwrap().occurrences, 4);
}

#[tokio::test]
async fn a_redelivered_event_brings_an_issue_that_nobody_told_of() {
    let (store, event) = (emulated().await, occurrence("feed stalled", 1));
    let another = store.another(&emulator()).await;
    complete(&another).await;
    // Committed by a server that dies before it tells: whoever takes over its partition reads the event again.
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    assert_eq!(another.ingest(&batch(&[event])).await.unwrap(), [Stored::Duplicate]);
    assert_eq!(titles(&another, &everything()).await, ["feed stalled"]);
}

#[tokio::test]
async fn reading_everything_finds_what_was_changed_and_what_is_gone() {
    let store = emulated().await;
    let events = [occurrence("feed stalled", 1), occurrence("order refused", 2), occurrence("disk full", 3)];
    store.ingest(&batch(&events)).await.unwrap();
    let another = store.another(&emulator()).await;
    complete(&another).await;
    store.ingest(&batch(&[occurrence("feed stalled", 9)])).await.unwrap();
    let gone = store.paths().issue(events[1].issue_id.as_str());
    assert!(store.client.commit(vec![delete(gone)]).await.is_ok());
    assert_eq!(titles(&another, &everything()).await.len(), 3, "nobody has told");

    let mut progress = another.progress();
    progress.mark_unchanged();
    another.reconcile();
    // Two changes: the reading has begun, and it has ended.
    loop {
        progress.changed().await.unwrap();
        if titles(&another, &everything()).await == ["feed stalled", "disk full"] {
            break;
        }
    }
    assert_eq!(another.issues(&everything()).await.unwrap().items[0].occurrences, 2);
    assert!(titles(&another, &about("refused")).await.is_empty());
}

#[tokio::test]
async fn a_document_that_cannot_be_read_is_left_out_and_said() {
    let store = emulated().await;
    let (event, readable) = (occurrence("feed stalled", 1), occurrence("order refused", 2));
    store.ingest(&batch(std::slice::from_ref(&readable))).await.unwrap();
    let name = store.paths().issue(event.issue_id.as_str());
    let fields = value::Fields::from([
        ("title".to_owned(), text("written by hand")),
        ("last_seen".to_owned(), time(event.last_at)),
        ("status".to_owned(), text("open")),
    ]);
    assert!(store.client.commit(vec![put(name, fields)]).await.is_ok());

    assert_eq!(titles(&store, &everything()).await, ["order refused"], "from Firestore");
    complete(&store).await;
    assert_eq!(titles(&store, &everything()).await, ["order refused"], "from the copy");
    let progress = store.progress().borrow().clone();
    assert_eq!(progress.unreadable, [event.issue_id.to_string()]);
    assert!(progress.to_string().contains(event.issue_id.as_str()), "{progress}");

    let issue = store.issue(&event.issue_id).await;
    let id = format!("issues/{}", event.issue_id);
    assert!(matches!(&issue, Err(StoreError::Corrupt { id: found, .. }) if *found == id), "{issue:?}");
    assert_eq!(store.ingest(&batch(&[event])).await.unwrap(), [Stored::Refused]);
}

#[tokio::test]
async fn activities_and_comments_that_cannot_be_read_are_left_out() {
    let (store, event) = (emulated().await, occurrence("feed stalled", 1));
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    let fields = |kind: &str| {
        value::Fields::from([
            ("type".to_owned(), text(kind)),
            ("timestamp".to_owned(), time(event.last_at)),
            ("created_at".to_owned(), time(event.last_at)),
        ])
    };
    let (issue, paths) = (&event.issue_id, store.paths());
    let writes =
        vec![put(paths.activity(issue, "x"), fields("occurrence")), put(paths.comment(issue, "x"), fields("x"))];
    assert!(store.client.commit(writes).await.is_ok());
    let occurrences = store.activities(issue, Some(ActivityKind::Occurrence), None, 10).await.unwrap();
    assert_eq!((occurrences.items.len(), occurrences.next), (1, None));
    assert_eq!(store.comments(issue, None, 10).await.unwrap().items.len(), 1);
}
