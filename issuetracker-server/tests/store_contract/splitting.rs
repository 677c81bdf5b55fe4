//! Merges that are undone: what was counted, said and recorded of each issue is its own again, exactly.

use issuetracker_server::{
    domain::{Activity, ActivityKind, Comment, Effect, Issue, IssueChange, IssueId, Occurrence, Status},
    store::{IssueStore, StoreError, Stored},
};
use uuid::Uuid;

use crate::{NEW, at, ingest, occurrence};

/// An issue with what is beneath it, without what a merge and its undoing leave behind.
#[derive(Debug, PartialEq)]
struct Whole {
    issue: Issue,
    comments: Vec<Comment>,
    occurrences: Vec<Activity>,
    history: Vec<Activity>,
}

async fn whole(store: &dyn IssueStore, id: &IssueId) -> Whole {
    let issue = store.issue(id).await.unwrap().unwrap();
    assert_eq!(issue.id, *id, "it is no alias");
    let history = store.activities(id, None, None, 100).await.unwrap().items;
    let is_of_merge = |activity: &Activity| matches!(activity.kind, ActivityKind::Merged | ActivityKind::Split);
    let mut history: Vec<Activity> = history.into_iter().filter(|activity| !is_of_merge(activity)).collect();
    history.sort_by(|a, b| a.id.cmp(&b.id));
    Whole {
        issue: Issue { updated_at: at(0), version: 0, ..issue },
        comments: store.comments(id, None, 100).await.unwrap().items,
        occurrences: store.activities(id, Some(ActivityKind::Occurrence), None, 100).await.unwrap().items,
        history,
    }
}

/// Days and services differ, so do counts; tags are its own.
fn event(title: &str, second: i64, count: u64, reporter: &str) -> Occurrence {
    Occurrence {
        count,
        reporter_id: reporter.to_owned(),
        tags: vec![format!("of:{title}")],
        release: format!("{second}"),
        ..occurrence(title, second)
    }
}

pub(crate) async fn a_merge_is_undone_as_if_it_had_never_been(store: &dyn IssueStore) {
    const DAY: i64 = 86_400;
    let before = |title| [event(title, 10, 3, "a"), event(title, DAY + 5, 4, "a"), event(title, DAY + 6, 5, "b")];
    let meanwhile = |title| [event(title, 7, 20, "a"), event(title, DAY * 2, 30, "b")];
    // Twins go through the same without a merge.
    let (alpha, beta) = (before("alpha"), before("beta"));
    for events in [&alpha, &beta, &before("alpha twin"), &before("beta twin")] {
        ingest(store, events).await;
    }
    let (from, into) = (&alpha[0].issue_id, &beta[0].issue_id);
    let short_id = store.issue(from).await.unwrap().unwrap().short_id.unwrap();
    store.add_comment(from, "c-1", "Of alpha.", "ada", at(20)).await.unwrap();
    store.merge(from, into, "ada", at(DAY)).await.unwrap();
    let (late_alpha, late_beta) = (meanwhile("alpha"), meanwhile("beta"));
    let said = Occurrence { event_id: Uuid::now_v7(), effect: Effect::Commented, ..event("alpha", 30, 1, "bot") };
    assert_eq!(ingest(store, &[&late_alpha[..], &late_beta[..]].concat()).await, [NEW; 4]);
    assert_eq!(ingest(store, std::slice::from_ref(&said)).await, [NEW]);
    store.add_comment(into, "c-2", "Of both.", "ada", at(40)).await.unwrap();
    let start = IssueChange { status: Some(Status::InProgress), ..IssueChange::default() };
    store.change(into, &start, "ada", at(41), None).await.unwrap();
    for title in ["alpha twin", "beta twin"] {
        ingest(store, &meanwhile(title)).await;
    }
    let merged = store.issue(into).await.unwrap().unwrap();
    assert_eq!((merged.occurrences, merged.comments, merged.parts.len()), (124, 3, 2));
    assert_eq!(merged.title, "beta", "an earlier event of the other does not speak for it");

    let (left, issues) = store.split(into, std::slice::from_ref(from), "bob", at(50)).await.unwrap();
    assert_eq!((left.occurrences, left.comments, left.parts.len(), left.status), (62, 1, 0, Status::InProgress));
    assert_eq!((issues.len(), &issues[0].id, issues[0].comments), (1, from, 2));
    assert_eq!(store.issue(&short_id).await.unwrap().unwrap().id, *from, "its short id is its own again");
    check_twin(
        &whole(store, from).await,
        &whole(store, &before("alpha twin")[0].issue_id).await,
        &["c-1", &said.event_id.to_string()],
    );
    check_twin(&whole(store, into).await, &whole(store, &before("beta twin")[0].issue_id).await, &["c-2"]);
    let told =
        |id: IssueId| async move { store.activities(&id, Some(ActivityKind::Split), None, 9).await.unwrap().items };
    let (of_left, of_own) = (told(into.clone()).await, told(from.clone()).await);
    assert_eq!((of_left.len(), &of_left[0].details["issue_id"]), (1, &from.as_str().into()));
    assert_eq!((of_own.len(), &of_own[0].details["issue_id"]), (1, &into.as_str().into()));

    // What comes again was counted, what is new counts where it belongs.
    let again = [&alpha[..], &beta[..], &late_alpha[..], &late_beta[..], &[said]].concat();
    assert_eq!(ingest(store, &again).await, vec![Stored::Duplicate; again.len()]);
    assert_eq!(ingest(store, &[event("alpha", 60, 1, "a"), event("beta", 60, 2, "a")]).await, [NEW; 2]);
    let counts =
        [store.issue(from).await.unwrap().unwrap().occurrences, store.issue(into).await.unwrap().unwrap().occurrences];
    assert_eq!(counts, [63, 64]);

    // And once more, the other way round.
    store.merge(into, from, "ada", at(70)).await.unwrap();
    assert_eq!(store.issue(into).await.unwrap().unwrap().occurrences, 127);
    store.split(from, std::slice::from_ref(into), "ada", at(80)).await.unwrap();
    let counts =
        [store.issue(from).await.unwrap().unwrap().occurrences, store.issue(into).await.unwrap().unwrap().occurrences];
    assert_eq!(counts, [63, 64]);
    for parts in [vec![into.clone()], vec!["nothing-here".parse().unwrap()]] {
        let none = store.split(from, &parts, "ada", at(90)).await;
        assert!(matches!(none, Err(StoreError::NotFound)), "{none:?}");
    }
}

/// The same but for names, ids of events, and what people did.
#[track_caller]
fn check_twin(found: &Whole, twin: &Whole, written: &[&str]) {
    let told = |whole: &Whole| {
        let issue = &whole.issue;
        let counted: Vec<_> = whole
            .comments
            .iter()
            .filter(|comment| comment.recurrences.is_some())
            .map(|comment| (comment.id.clone(), comment.content.clone(), comment.created_at, comment.edited_at))
            .collect();
        let occurrences: Vec<_> = whole
            .occurrences
            .iter()
            .map(|activity| (activity.timestamp, activity.details["occurrences"].clone()))
            .collect();
        let created: Vec<_> = whole
            .history
            .iter()
            .filter(|activity| activity.kind == ActivityKind::Created)
            .map(|activity| (activity.user_id.clone(), activity.timestamp))
            .collect();
        let times = (issue.first_seen, issue.last_seen, issue.created_at);
        (
            issue.occurrences,
            times,
            issue.hours.clone(),
            issue.release.clone(),
            issue.tags.len(),
            counted,
            occurrences,
            created,
        )
    };
    assert_eq!(told(found), told(twin));
    assert!(found.occurrences.iter().all(|activity| !activity.details.contains_key("part")));
    let mut people: Vec<&str> = found
        .comments
        .iter()
        .filter(|comment| comment.recurrences.is_none())
        .map(|comment| comment.id.as_str())
        .collect();
    let mut written = written.to_vec();
    people.sort_unstable();
    written.sort_unstable();
    assert_eq!(people, written);
}

pub(crate) async fn parts_of_parts_are_split_one_by_one(store: &dyn IssueStore) {
    let events = ["alpha", "beta", "gamma"].map(|title| event(title, 10, 1, "a"));
    ingest(store, &events).await;
    let [a, b, c] = events.each_ref().map(|event| event.issue_id.clone());
    store.merge(&a, &b, "ada", at(20)).await.unwrap();
    ingest(store, &[event("alpha", 30, 10, "a")]).await;
    store.merge(&b, &c, "ada", at(40)).await.unwrap();
    ingest(store, &[event("alpha", 50, 100, "a"), event("beta", 51, 1_000, "a"), event("gamma", 52, 10_000, "a")])
        .await;
    assert_eq!(store.issue(&a).await.unwrap().unwrap().occurrences, 11_113);

    // The inner one goes first; what was counted for it is in neither of the others.
    let (left, issues) = store.split(&c, std::slice::from_ref(&a), "ada", at(60)).await.unwrap();
    assert_eq!((left.occurrences, issues[0].occurrences, left.parts.len()), (11_002, 111, 2));
    ingest(store, &[event("alpha", 70, 1, "a"), event("beta", 71, 1, "a")]).await;
    let (left, issues) = store.split(&c, std::slice::from_ref(&b), "ada", at(80)).await.unwrap();
    assert_eq!((left.occurrences, issues[0].occurrences, left.parts.len()), (10_001, 1_002, 0));
    let days = |id: IssueId| async move {
        let comments = store.comments(&id, None, 9).await.unwrap().items;
        comments.iter().map(|comment| comment.recurrences.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!([days(a.clone()).await, days(b.clone()).await, days(c.clone()).await], [[112], [1_002], [10_001]]);

    // A merged issue that is split off is one as it was.
    store.merge(&a, &b, "ada", at(90)).await.unwrap();
    store.merge(&b, &c, "ada", at(91)).await.unwrap();
    store.split(&c, std::slice::from_ref(&b), "ada", at(92)).await.unwrap();
    let issue = store.issue(&a).await.unwrap().unwrap();
    assert_eq!((&issue.id, issue.occurrences, issue.parts.len()), (&b, 1_114, 2));
    store.split(&b, std::slice::from_ref(&a), "ada", at(93)).await.unwrap();
    assert_eq!(ingest(store, &[event("alpha", 95, 1, "a")]).await, [NEW]);
    let issue = store.issue(&a).await.unwrap().unwrap();
    assert_eq!((&issue.id, issue.occurrences), (&a, 113));

    // What was done, and came back while it was a part, is open; what did not come back is done.
    for id in [&a, &c] {
        crate::resolve(store, id, 200).await;
        store.merge(id, &b, "ada", at(201)).await.unwrap();
    }
    ingest(store, &[event("alpha", 210, 1, "a")]).await;
    let (_, issues) = store.split(&b, &[a.clone(), c.clone()], "ada", at(220)).await.unwrap();
    assert_eq!(issues.iter().map(|issue| issue.status).collect::<Vec<_>>(), [Status::Open, Status::Resolved]);
}
