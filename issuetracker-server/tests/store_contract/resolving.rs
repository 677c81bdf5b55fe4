//! What is resolved, and what opens it again.

use issuetracker_server::{
    domain::{ActivityKind, IssueChange, Occurrence, Status},
    store::{IssueStore, Stored},
};

use crate::{NEW, at, ingest, occurrence, resolve};

pub(crate) async fn an_occurrence_after_the_resolution_reopens(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 10);
    ingest(store, std::slice::from_ref(&event)).await;
    resolve(store, &event.issue_id, 20).await;
    let stored = ingest(store, &[occurrence("feed stalled", 30)]).await;
    assert_eq!(stored, [Stored::New { created: false, regressed: true, unmuted: false }]);
    let issue = store.issue(&event.issue_id).await.unwrap().unwrap();
    assert_eq!((issue.status, issue.updated_at, issue.resolved_at), (Status::Open, at(30), None));
    let history = store.activities(&event.issue_id, Some(ActivityKind::Regressed), None, 10).await.unwrap();
    assert_eq!(history.items.len(), 1);
}

pub(crate) async fn an_old_occurrence_does_not_reopen(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 10);
    ingest(store, std::slice::from_ref(&event)).await;
    resolve(store, &event.issue_id, 20).await;
    assert_eq!(ingest(store, &[occurrence("feed stalled", 15)]).await, [NEW]);
    let issue = store.issue(&event.issue_id).await.unwrap().unwrap();
    assert_eq!((issue.status, issue.occurrences), (Status::Resolved, 2));
}

pub(crate) async fn what_is_resolved_in_the_next_release_comes_back_with_another_one(store: &dyn IssueStore) {
    let of_release =
        |second, release: &str| Occurrence { release: release.into(), ..occurrence("feed stalled", second) };
    let event = of_release(10, "1.0");
    let id = &event.issue_id;
    ingest(store, &[event.clone(), of_release(11, "1.1")]).await;
    let old_releases = vec!["1.0".to_owned(), "1.1".to_owned()];
    let change =
        IssueChange { status: Some(Status::Resolved), old_releases: old_releases.clone(), ..IssueChange::default() };
    let resolved = store.change(id, &change, "ada", at(20), None).await.unwrap();
    assert_eq!((resolved.status, &resolved.old_releases), (Status::Resolved, &old_releases));
    assert_eq!(store.change(id, &change, "ada", at(21), None).await.unwrap(), resolved, "again, it changes nothing");
    assert_eq!(
        ingest(store, &[of_release(30, "1.1"), of_release(31, "1.0")]).await,
        [NEW, NEW],
        "counted, not reopened"
    );
    assert_eq!(store.issue(id).await.unwrap().unwrap().status, Status::Resolved);

    // Whatever order they arrive in: the old release has not reopened it.
    let back = ingest(store, &[of_release(50, "1.2"), of_release(40, "1.1")]).await;
    assert_eq!(back, [Stored::New { created: false, regressed: true, unmuted: false }, NEW]);
    let issue = store.issue(id).await.unwrap().unwrap();
    assert_eq!((issue.status, issue.updated_at, issue.occurrences), (Status::Open, at(50), 6));
    resolve(store, id, 60).await;
    assert_eq!(store.issue(id).await.unwrap().unwrap().old_releases, [""; 0]);
    assert_eq!(
        ingest(store, &[of_release(70, "1.1")]).await,
        [Stored::New { created: false, regressed: true, unmuted: false }]
    );
    let history = store.activities(id, Some(ActivityKind::StatusChanged), None, 10).await.unwrap().items;
    assert_eq!(history.last().unwrap().details["after_releases"], serde_json::json!(old_releases));
}
