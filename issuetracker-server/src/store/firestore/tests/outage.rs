//! Firestore away in each of its ways: not there at the start, silent, refusing, gone in the middle of a commit.

use std::time::Instant;

use super::{
    proxy::{Mode, Proxy},
    *,
};

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
async fn firestore_may_be_away_at_boot_and_come_later() {
    let database = emulated().await;
    let proxy = Proxy::to(emulator()).await;
    proxy.set(Mode::Refuse);
    let store = database.another(&proxy.address).await;
    store.reconcile();
    assert!(matches!(store.check().await, Err(StoreError::Unavailable(_))));
    let event = occurrence("feed stalled", 1);
    let stored = store.ingest(&batch(std::slice::from_ref(&event))).await;
    assert!(matches!(stored, Err(StoreError::Unavailable(_))), "{stored:?}");
    store.progress().wait_for(|progress| progress.problem.is_some()).await.unwrap();

    proxy.set(Mode::Pass);
    store.progress().wait_for(|progress| progress.is_complete && progress.problem.is_none()).await.unwrap();
    assert_eq!(store.ingest(&batch(&[event])).await.unwrap(), [CREATED]);
    assert_eq!(titles(&store, &everything()).await, ["feed stalled"]);
}

/// Commits until it is answered, as the consumer does.
async fn commit(store: &FirestoreStore, batch: &Batch) -> Vec<Stored> {
    loop {
        match store.ingest(batch).await {
            Ok(stored) => return stored,
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn counts_are_exact_whenever_it_goes_away() {
    let database = emulated().await;
    let proxy = Proxy::to(emulator()).await;
    let store = database.another(&proxy.address).await;
    complete(&store).await;
    let ways = [Mode::Refuse, Mode::Swallow, Mode::Freeze, Mode::Refuse];
    for (round, way) in ways.into_iter().enumerate() {
        let second = i64::try_from(round * 2).unwrap();
        let events = [occurrence("feed stalled", second), occurrence(&format!("order {round} refused"), second + 1)];
        proxy.set(way);
        let batch = batch(&events);
        let committed = commit(&store, &batch);
        let back = async {
            // Until the first attempt has failed: a frozen peer costs it its whole time limit.
            let mut doubted = store.ingest(&batch).await;
            while !matches!(doubted, Err(StoreError::Unavailable(_))) {
                doubted = store.ingest(&batch).await;
            }
            proxy.set(Mode::Pass);
        };
        let (stored, ()) = tokio::join!(committed, back);
        assert_eq!(stored.len(), 2);
    }
    let issues = store.issues(&everything()).await.unwrap().items;
    let counts: Vec<(&str, u64)> = issues.iter().map(|issue| (issue.title.as_str(), issue.occurrences)).collect();
    assert_eq!(counts.len(), 5);
    assert!(counts.contains(&("feed stalled", 4)), "{counts:?}");
    assert!(counts.iter().all(|(title, count)| *count == if *title == "feed stalled" { 4 } else { 1 }), "{counts:?}");
}

#[tokio::test]
async fn a_commit_without_an_answer_is_looked_for() {
    let database = emulated().await;
    let proxy = Proxy::to(emulator()).await;
    let store = database.another(&proxy.address).await;
    let event = occurrence("feed stalled", 1);
    store.ingest(&batch(std::slice::from_ref(&event))).await.unwrap();
    complete(&store).await;
    let resolved = IssueChange { status: Some(Status::Resolved), ..IssueChange::default() };
    // Its reading is answered, its commit arrives, and the answer is lost.
    proxy.set(Mode::PassOnce);
    let changed = store.change(&event.issue_id, &resolved, "ada", event.last_at, None).await;
    proxy.set(Mode::Pass);
    let open = IssueQuery { filter: "is:open".parse().unwrap(), ..everything() };
    if changed.is_err() {
        // Nobody repeats it; the copy learns by itself what has become of it.
        let stands = database.issue(&event.issue_id).await.unwrap().unwrap().status;
        while titles(&store, &open).await.is_empty() != stands.is_done() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn nobody_hammers_a_store_that_is_away() {
    let database = emulated().await;
    let proxy = Proxy::to(emulator()).await;
    proxy.set(Mode::Refuse);
    let store = database.another(&proxy.address).await;
    store.reconcile();
    store.progress().wait_for(|progress| progress.problem.is_some()).await.unwrap();
    let before = proxy.connections();
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let tried = proxy.connections() - before;
    // Pauses of at least 1 and 2 s, each followed by one call with its two repetitions.
    assert!(tried <= 12, "{tried} connections in 3 s");
}
