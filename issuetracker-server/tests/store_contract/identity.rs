//! What makes an issue one: other ids of it, and merging. And what is counted beside it: the hours of services.

use issuetracker_server::{
    domain::{ActivityKind, Effect, IssueChange, Occurrence, ServiceHour, Status, hour_of},
    store::{IssueQuery, IssueStore, StoreError, Stored},
};
use uuid::Uuid;

use crate::{CREATED, NEW, at, ingest, occurrence};

/// As a library with newer rules of grouping reports what is known as `old`.
fn newer(title: &str, second: i64, old: &Occurrence) -> Occurrence {
    Occurrence { former_issue_ids: vec![old.issue_id.clone()], ..occurrence(title, second) }
}

pub(crate) async fn another_version_of_grouping_splits_no_issue(store: &dyn IssueStore) {
    let old = occurrence("feed stalled", 10);
    ingest(store, std::slice::from_ref(&old)).await;
    let new = newer("the feed stalled", 20, &old);
    assert_eq!(ingest(store, &[new.clone(), new.clone()]).await, [NEW, Stored::Duplicate]);
    assert_eq!(ingest(store, std::slice::from_ref(&new)).await, [Stored::Duplicate], "also when it comes again");
    assert_eq!(ingest(store, &[occurrence("the feed stalled", 30)]).await, [NEW], "of one that does not say more");
    let issue = store.issue(&new.issue_id).await.unwrap().unwrap();
    assert_eq!((&issue.id, issue.occurrences, issue.title.as_str()), (&old.issue_id, 3, "feed stalled"));
    let changes = store.activities(&old.issue_id, Some(ActivityKind::GroupingChanged), None, 10).await.unwrap().items;
    assert_eq!(changes.len(), 1);

    // The other way round: the newer library reports first, then an older one what it has always reported.
    let old = occurrence("order refused", 10);
    let new = newer("the order was refused", 5, &old);
    assert_eq!(ingest(store, &[new.clone(), old.clone()]).await, [CREATED, NEW]);
    assert_eq!(ingest(store, &[occurrence("order refused", 20)]).await, [NEW]);
    assert_eq!(store.issue(&old.issue_id).await.unwrap().unwrap().id, new.issue_id);
    assert_eq!(store.issue(&new.issue_id).await.unwrap().unwrap().occurrences, 3);
    assert_eq!(store.issues(&IssueQuery { limit: 10, ..IssueQuery::default() }).await.unwrap().items.len(), 2);
}

pub(crate) async fn what_is_merged_stays_one(store: &dyn IssueStore) {
    let (a, b, c) = (occurrence("alpha", 10), occurrence("beta", 20), occurrence("gamma", 30));
    ingest(store, &[a.clone(), b.clone(), c.clone()]).await;
    store.add_comment(&a.issue_id, "c-1", "Of alpha.", "ada", at(40)).await.unwrap();
    let start = IssueChange { status: Some(Status::InProgress), ..IssueChange::default() };
    store.change(&b.issue_id, &start, "ada", at(41), None).await.unwrap();

    let merged = store.merge(&a.issue_id, &b.issue_id, "ada", at(50)).await.unwrap();
    assert_eq!((&merged.id, merged.occurrences, merged.title.as_str()), (&b.issue_id, 2, "beta"));
    assert_eq!((merged.first_seen, merged.last_seen, merged.updated_at), (at(10), at(20), at(50)));
    assert_eq!((merged.status, merged.comments, merged.hours.sum(0..i64::MAX)), (Status::InProgress, 1, 2));
    store.merge(&a.issue_id, &b.issue_id, "ada", at(60)).await.unwrap();
    assert_eq!(store.issue(&a.issue_id).await.unwrap(), Some(merged), "again, it changes nothing");

    // What comes again was counted, and what is new counts there: also when that was merged in turn.
    assert_eq!(ingest(store, &[a.clone(), b.clone()]).await, [Stored::Duplicate, Stored::Duplicate]);
    let late = occurrence("alpha", 70);
    assert_eq!(ingest(store, std::slice::from_ref(&late)).await, [NEW]);
    store.merge(&b.issue_id, &c.issue_id, "ada", at(80)).await.unwrap();
    assert_eq!(ingest(store, &[a.clone(), b.clone(), c.clone(), late]).await, [Stored::Duplicate; 4]);
    assert_eq!(ingest(store, &[occurrence("alpha", 90), occurrence("beta", 91)]).await, [NEW; 2]);
    let issue = store.issue(&a.issue_id).await.unwrap().unwrap();
    assert_eq!((&issue.id, issue.occurrences), (&c.issue_id, 6));
    check_what_is_beneath(store, &b, &c).await;

    // People and bots reach it by all its ids.
    let by_event = Occurrence { event_id: Uuid::now_v7(), effect: Effect::Commented, ..occurrence("alpha", 100) };
    assert_eq!(ingest(store, &[by_event]).await, [NEW]);
    store.add_comment(&b.issue_id, "c-2", "Of beta.", "ada", at(110)).await.unwrap();
    let change = IssueChange { status: Some(Status::Resolved), ..IssueChange::default() };
    let changed = store.change(&a.issue_id, &change, "ada", at(120), None).await.unwrap();
    assert_eq!((&changed.id, changed.status, changed.comments), (&c.issue_id, Status::Resolved, 3));

    let nobody = store.merge(&"nothing-here".parse().unwrap(), &c.issue_id, "ada", at(130)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound)), "{nobody:?}");
}

/// After the merges `alpha` into `beta` into `gamma`.
async fn check_what_is_beneath(store: &dyn IssueStore, beta: &Occurrence, gamma: &Occurrence) {
    let comments = store.comments(&beta.issue_id, None, 10).await.unwrap().items;
    let told: Vec<_> = comments.iter().map(|comment| (comment.content.as_str(), comment.recurrences)).collect();
    assert_eq!(told, [("Seen 6 times on 2026-01-01, last at 00:01:31 UTC.", Some(6)), ("Of alpha.", None)]);
    let history = store.activities(&beta.issue_id, None, None, 20).await.unwrap().items;
    let merges = history.iter().filter(|activity| activity.kind == ActivityKind::Merged);
    let merged: Vec<_> = merges.map(|activity| activity.details["title"].as_str().unwrap()).collect();
    assert_eq!(merged, ["beta", "alpha"]);
    assert!(history.iter().any(|activity| activity.kind == ActivityKind::StatusChanged));
    let occurrences = store.activities(&gamma.issue_id, Some(ActivityKind::Occurrence), None, 10).await.unwrap().items;
    assert_eq!(occurrences.len(), 6);
    assert_eq!(store.issues(&IssueQuery { limit: 10, ..IssueQuery::default() }).await.unwrap().items.len(), 1);
}

pub(crate) async fn hours_of_services_are_counted_once(store: &dyn IssueStore) {
    let hour = hour_of(at(0));
    let all = [
        Occurrence { count: 5, ..occurrence("alpha", 10) },
        occurrence("alpha", 20),
        occurrence("alpha", 3_700),
        Occurrence { service: "social/ü".into(), ..occurrence("beta", 3_700) },
        Occurrence { count: 7, ..occurrence("alpha", 86_400) },
    ];
    ingest(store, &all).await;
    ingest(store, &all).await;
    ingest(store, &[occurrence("gamma", 30)]).await;
    let told =
        |service: &str, hour, occurrences, created| ServiceHour { service: service.into(), hour, occurrences, created };
    let expected = [
        told("newsfeed", hour, 7, 2),
        told("newsfeed", hour + 1, 1, 0),
        told("social/ü", hour + 1, 1, 1),
        told("newsfeed", hour + 24, 7, 0),
    ];
    assert_eq!(store.service_hours(hour..hour + 25).await.unwrap(), expected);
    assert_eq!(store.service_hours(hour + 1..hour + 24).await.unwrap(), expected[1..3]);
    assert_eq!(store.service_hours(hour..hour).await.unwrap(), []);
    let issue = store.issue(&all[0].issue_id).await.unwrap().unwrap();
    assert_eq!(issue.hours.iter().collect::<Vec<_>>(), [(hour, 6), (hour + 1, 1), (hour + 24, 7)]);
}

pub(crate) async fn short_ids_name_issues_wherever_ids_do(store: &dyn IssueStore) {
    let of = |service: &str, title: &str| Occurrence { service: service.to_owned(), ..occurrence(title, 10) };
    let all = [of("newsfeed", "alpha"), of("newsfeed", "beta"), of("", "gamma")];
    ingest(store, &all).await;
    ingest(store, &all).await;
    let mut given = Vec::new();
    for one in &all {
        let issue = store.issue(&one.issue_id).await.unwrap().unwrap();
        let short_id = issue.short_id.clone().unwrap();
        assert_eq!(store.issue(&short_id).await.unwrap(), Some(issue), "it is an id like others");
        given.push(short_id);
    }
    // Which of a batch comes first is not said.
    let mut names: Vec<_> = given.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    assert_eq!(names, ["ISSUE-1", "NEWS-1", "NEWS-2"]);

    let mut changed = store.add_comment(&given[0], "c-1", "By its short id.", "ada", at(20)).await.map(|_| ());
    changed = changed.and(store.merge(&given[0], &given[1], "ada", at(30)).await.map(|_| ()));
    changed.unwrap();
    let merged = store.issue(&given[0]).await.unwrap().unwrap();
    assert_eq!((&merged.id, merged.short_id.as_ref()), (&all[1].issue_id, Some(&given[1])), "both lead to what stays");
    ingest(store, &[of("newsfeed", "delta")]).await;
    let next = store.issue(&of("newsfeed", "delta").issue_id).await.unwrap().unwrap();
    assert_eq!(next.short_id.unwrap().as_str(), "NEWS-3", "no number is given twice");
}
