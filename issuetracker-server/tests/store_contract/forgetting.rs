//! What is forgotten, what is kept, and that what was counted stays counted.

use std::time::Duration;

use issuetracker_server::{
    domain::{Activity, ActivityKind, IssueChange, Occurrence, Status},
    retention::{IDS_KEPT, Retention},
    store::{IssueStore, Stored},
};
use jiff::Timestamp;

use crate::{at, ingest, occurrence, resolve};

const DAY: Duration = Duration::from_secs(86_400);

async fn events(store: &dyn IssueStore, of: &Occurrence) -> Vec<Activity> {
    store.activities(&of.issue_id, Some(ActivityKind::Occurrence), None, 1_000).await.unwrap().items
}

pub(crate) async fn details_are_kept_of_the_newest_events_and_ids_for_two_weeks(store: &dyn IssueStore) {
    let all: Vec<Occurrence> = (0..10).map(|second| occurrence("feed stalled", second)).collect();
    let few = [occurrence("order refused", 1)];
    ingest(store, &[&all[..], &few].concat()).await;
    let retention = Retention { events: 3, done_for: None };
    let (now, id) = (Timestamp::now(), &all[0].issue_id);

    store.forget(&retention, now + IDS_KEPT - DAY).await.unwrap();
    let stored = ingest(store, &[&all[..], &few].concat()).await;
    assert!(stored.iter().all(|stored| *stored == Stored::Duplicate), "{stored:?}");
    let kept = events(store, &all[0]).await;
    assert_eq!(kept.len(), 10);
    assert!(kept.iter().all(|event| event.details["occurrences"] == 1), "{kept:?}");
    assert!(kept[..3].iter().chain([&kept[9]]).all(|event| event.details.contains_key("context")), "{kept:?}");

    // The events are of last winter, and are forgotten by when they were stored.
    let forgotten = store.forget(&retention, now + IDS_KEPT + DAY).await.unwrap();
    ingest(store, &[occurrence("feed stalled", 11), occurrence("feed stalled", 12)]).await;
    let again = store.forget(&retention, now + IDS_KEPT + DAY).await.unwrap();
    assert_eq!(forgotten.events + again.events, 8, "the newest three and the first are left");
    let kept: Vec<_> = events(store, &all[0]).await.into_iter().map(|event| event.timestamp).collect();
    assert_eq!(kept, [at(12), at(11), at(9), at(0)]);
    assert_eq!(store.issue(id).await.unwrap().unwrap().occurrences, 12, "what was counted stays counted");
    assert_eq!(events(store, &few[0]).await.len(), 1);
    assert_eq!(store.activities(id, None, None, 10).await.unwrap().items.len(), 1, "history is kept");
}

pub(crate) async fn what_is_done_and_old_is_forgotten_if_that_is_wanted(store: &dyn IssueStore) {
    let [old, open, again] = ["alpha", "beta", "gamma"].map(|title| occurrence(title, 10));
    ingest(store, &[old.clone(), open.clone(), again.clone()]).await;
    store.add_comment(&old.issue_id, "c-1", "Fixed.", "ada", at(15)).await.unwrap();
    resolve(store, &old.issue_id, 20).await;
    let close = IssueChange { status: Some(Status::Closed), ..IssueChange::default() };
    store.change(&again.issue_id, &close, "ada", at(20) + DAY * 2, None).await.unwrap();

    let retention = |days: u32| Retention { done_for: Some(DAY * days), ..Retention::default() };
    assert_eq!(store.forget(&Retention::default(), at(0) + DAY * 1_000).await.unwrap().issues, 0);
    assert_eq!(store.forget(&retention(3), at(30) + DAY * 2).await.unwrap().issues, 0);
    assert_eq!(store.forget(&retention(3), at(30) + DAY * 4).await.unwrap().issues, 1);
    assert_eq!(store.issue(&old.issue_id).await.unwrap(), None);
    assert_eq!(store.comments(&old.issue_id, None, 10).await.unwrap().items, []);
    assert_eq!(events(store, &old).await, []);
    for kept in [&open, &again] {
        assert_eq!(store.issue(&kept.issue_id).await.unwrap().unwrap().occurrences, 1);
    }
    // If it happens again, it is a new issue.
    ingest(store, &[occurrence("alpha", 86_400 * 5)]).await;
    assert_eq!(store.issue(&old.issue_id).await.unwrap().unwrap().occurrences, 1);
}
