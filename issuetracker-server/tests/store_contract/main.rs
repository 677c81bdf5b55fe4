//! What every store promises, run against each of them: SQLite in a new file, and Firestore's emulator in a new project
//! (`TEST_FIRESTORE_EMULATOR`, set by `cargo xtask test`). A store that cannot be reached fails the run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod any_order;
mod forgetting;
mod identity;
mod lists;
mod moving;
mod moving_files;
mod occurrences;
mod records;
mod resolving;
mod splitting;
mod talk;

use issuetracker_server::{
    domain::{
        ActivityKind, Details, Effect, Fingerprint, IssueChange, IssueId, IssueType, Mute, MutedUntil, Occurrence,
        Period, Priority, Severity, Source, Status,
    },
    store::{Batch, IssueStore, StoreError, Stored, Watermark},
};
use jiff::Timestamp;
use tracing_issues::{event::ErrorLink, fingerprint::Identity};
use uuid::Uuid;

/// Declares every promise once and runs it against each store.
macro_rules! contract {
    ($($promise:ident),+ $(,)?) => {
        mod embedded {
            $(#[tokio::test]
            async fn $promise() {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("issues.sqlite");
                let store = issuetracker_server::store::embedded::EmbeddedStore::open(&file).unwrap();
                super::$promise(&store).await;
            })+
        }

        #[cfg(feature = "firestore")]
        mod firestore {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise(&super::emulated_firestore().await).await;
            })+
        }
    };
}

use any_order::{any_order_and_any_batching_gives_the_same_state, any_order_comes_back_and_is_unmuted_alike};
use forgetting::{
    details_are_kept_of_the_newest_events_and_ids_for_two_weeks, what_is_done_and_old_is_forgotten_if_that_is_wanted,
};
use identity::{
    another_version_of_grouping_splits_no_issue, hours_of_services_are_counted_once,
    short_ids_name_issues_wherever_ids_do, what_is_merged_stays_one,
};
use lists::{
    a_breakdown_tells_by_what_and_how_long, a_trend_adds_the_hours_of_what_passes,
    hostile_text_comes_back_as_it_went_in, hosts_are_known_by_the_list, lists_filter_sort_and_page,
    search_finds_words_in_what_people_search_for, states_are_asked_for, the_overview_counts_what_the_list_would_show,
};
use moving::everything_is_moved_elsewhere_and_back;
use occurrences::{issues_are_found_by_the_trace_of_an_occurrence, occurrences_are_walked_through_both_ways};
use records::{records_are_listed_by_id_and_field, records_are_written_on_conditions};
use resolving::{
    an_occurrence_after_the_resolution_reopens, an_old_occurrence_does_not_reopen,
    what_is_resolved_in_the_next_release_comes_back_with_another_one,
};
use splitting::{a_merge_is_undone_as_if_it_had_never_been, parts_of_parts_are_split_one_by_one};
use talk::{a_comment_is_edited_and_deleted, a_deleted_comment_stays_deleted_whatever_comes_again};

contract! {
    any_order_and_any_batching_gives_the_same_state,
    any_order_comes_back_and_is_unmuted_alike,
    another_version_of_grouping_splits_no_issue,
    what_is_merged_stays_one,
    a_merge_is_undone_as_if_it_had_never_been,
    parts_of_parts_are_split_one_by_one,
    short_ids_name_issues_wherever_ids_do,
    hours_of_services_are_counted_once,
    everything_is_moved_elsewhere_and_back,
    details_are_kept_of_the_newest_events_and_ids_for_two_weeks,
    what_is_done_and_old_is_forgotten_if_that_is_wanted,
    a_mute_is_heard_by_nobody_until_it_ends,
    the_watermark_moves_on_only,
    the_same_event_twice_changes_nothing_the_second_time,
    one_batch_counts_creates_and_records,
    occurrences_are_walked_through_both_ways,
    issues_are_found_by_the_trace_of_an_occurrence,
    people_are_never_overwritten,
    an_occurrence_after_the_resolution_reopens,
    an_old_occurrence_does_not_reopen,
    what_is_resolved_in_the_next_release_comes_back_with_another_one,
    what_people_write_is_an_issue_too,
    a_reporter_has_one_comment_a_day,
    comments_of_people_and_events,
    a_comment_is_edited_and_deleted,
    a_deleted_comment_stays_deleted_whatever_comes_again,
    lists_filter_sort_and_page,
    search_finds_words_in_what_people_search_for,
    the_overview_counts_what_the_list_would_show,
    states_are_asked_for,
    a_trend_adds_the_hours_of_what_passes,
    a_breakdown_tells_by_what_and_how_long,
    hosts_are_known_by_the_list,
    a_change_with_an_old_version_is_a_conflict,
    a_missing_issue_is_not_found,
    hostile_text_comes_back_as_it_went_in,
    the_watermark_is_part_of_the_commit,
    concurrent_batches_of_one_issue_lose_nothing,
    notes_are_kept_by_key_and_found_by_prefix,
    records_are_written_on_conditions,
    records_are_listed_by_id_and_field,
}

#[cfg(feature = "firestore")]
async fn emulated_firestore() -> issuetracker_server::store::firestore::FirestoreStore {
    let address = std::env::var("TEST_FIRESTORE_EMULATOR").expect(
        "TEST_FIRESTORE_EMULATOR names no emulator: run `scripts/services up` and `eval $(scripts/services env)`",
    );
    // A project of its own isolates each test.
    let project = format!("contract-{}", Uuid::now_v7().simple());
    let store =
        issuetracker_server::store::firestore::FirestoreStore::connect_emulator(&project, &address).await.unwrap();
    // Lists and search come from its copy, as they do in a server that has started.
    store.reconcile();
    store.progress().wait_for(|progress| progress.is_complete).await.unwrap();
    store
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + second).unwrap()
}

/// An occurrence of the issue called `title`, at `second`.
fn occurrence(title: &str, second: i64) -> Occurrence {
    let fingerprint = Fingerprint::of(&Identity { service: "newsfeed", message: title, ..Identity::default() });
    Occurrence {
        event_id: Uuid::now_v7(),
        issue_id: fingerprint.issue_id(),
        former_issue_ids: Vec::new(),
        effect: Effect::Occurred,
        count: 1,
        first_at: at(second),
        last_at: at(second),
        title: title.to_owned(),
        description: format!("About {title}."),
        issue_type: IssueType::Bug,
        priority: Priority::Medium,
        severity: Severity::Error,
        reporter_id: "newsfeed-service".to_owned(),
        assignee_id: None,
        tags: vec!["component:feed".to_owned()],
        component: "feed".to_owned(),
        source: Source::Service,
        project: String::new(),
        service: "newsfeed".to_owned(),
        environment: "production".to_owned(),
        release: "1.0.0".to_owned(),
        fingerprint: Some(fingerprint),
        details: Details {
            error: vec![ErrorLink { kind: "io::Error".to_owned(), message: "refused".to_owned() }],
            context: serde_json::json!({"null": null, "nested": [[1, 2], {"__x__": true}], "u": u64::MAX})
                .as_object()
                .cloned()
                .unwrap(),
            ..Details::default()
        },
    }
}

fn batch(occurrences: &[Occurrence]) -> Batch {
    Batch { occurrences: occurrences.to_vec(), watermark: None }
}

async fn ingest(store: &dyn IssueStore, occurrences: &[Occurrence]) -> Vec<Stored> {
    store.ingest(&batch(occurrences)).await.unwrap()
}

const NEW: Stored = Stored::New { created: false, regressed: false, unmuted: false };
const CREATED: Stored = Stored::New { created: true, regressed: false, unmuted: false };

async fn resolve(store: &dyn IssueStore, id: &IssueId, second: i64) {
    let change = IssueChange { status: Some(Status::Resolved), ..IssueChange::default() };
    store.change(id, &change, "ada", at(second), None).await.unwrap();
}

async fn the_same_event_twice_changes_nothing_the_second_time(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 1);
    assert_eq!(ingest(store, &[event.clone(), event.clone()]).await, [CREATED, Stored::Duplicate]);
    let before = store.issue(&event.issue_id).await.unwrap();
    assert_eq!(ingest(store, std::slice::from_ref(&event)).await, [Stored::Duplicate]);
    assert_eq!(store.issue(&event.issue_id).await.unwrap(), before);
    assert_eq!(before.unwrap().occurrences, 1);
}

async fn one_batch_counts_creates_and_records(store: &dyn IssueStore) {
    let (a, b) = (occurrence("feed stalled", 5), occurrence("order refused", 6));
    let again = Occurrence {
        count: 41,
        first_at: at(7),
        last_at: at(9),
        release: "1.1.0".into(),
        ..occurrence("feed stalled", 9)
    };
    assert_eq!(ingest(store, &[a.clone(), b.clone(), again.clone()]).await, [CREATED, CREATED, NEW]);

    let issue = store.issue(&a.issue_id).await.unwrap().unwrap();
    assert_eq!((issue.occurrences, issue.first_seen, issue.last_seen), (42, at(5), at(9)));
    assert_eq!(
        (issue.title.as_str(), issue.release.as_str(), issue.error_kind.as_str()),
        ("feed stalled", "1.0.0", "io::Error")
    );
    assert_eq!((issue.status, issue.created_at, issue.updated_at), (Status::Open, at(5), at(5)));
    assert_eq!(issue.fingerprint, a.fingerprint);
    assert_eq!(store.issue(&b.issue_id).await.unwrap().unwrap().occurrences, 1);

    let page = store.activities(&a.issue_id, Some(ActivityKind::Occurrence), None, 1).await.unwrap();
    assert_eq!(page.items[0].id, again.event_id.to_string(), "newest first");
    assert_eq!(page.items[0].details["occurrences"], 41);
    assert_eq!(
        page.items[0].details["context"],
        serde_json::Value::Object(a.details.context.clone()),
        "details come back whole"
    );
    let next = store.activities(&a.issue_id, Some(ActivityKind::Occurrence), page.next.as_ref(), 10).await.unwrap();
    assert_eq!((next.items.len(), next.items[0].id.clone(), next.next), (1, a.event_id.to_string(), None));
    let history = store.activities(&a.issue_id, None, None, 10).await.unwrap();
    assert_eq!(history.items.iter().map(|activity| activity.kind).collect::<Vec<_>>(), [ActivityKind::Created]);
    assert_eq!(history.items[0].timestamp, at(5));
}

async fn people_are_never_overwritten(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 100);
    ingest(store, std::slice::from_ref(&event)).await;
    let change = IssueChange {
        status: Some(Status::InProgress),
        priority: Some(Priority::Critical),
        assignee_id: Some(Some("ada@quantory.app".to_owned())),
        tags: Some(vec!["mine".to_owned()]),
        ..IssueChange::default()
    };
    let changed = store.change(&event.issue_id, &change, "ada@quantory.app", at(200), None).await.unwrap();
    assert_eq!(
        (changed.status, changed.priority, changed.updated_at),
        (Status::InProgress, Priority::Critical, at(200))
    );

    // One later and one earlier: the earlier becomes the head, and still changes nothing that a person decided.
    ingest(store, &[occurrence("feed stalled", 300), occurrence("feed stalled", 50)]).await;
    let issue = store.issue(&event.issue_id).await.unwrap().unwrap();
    assert_eq!((issue.status, issue.priority, issue.updated_at), (Status::InProgress, Priority::Critical, at(200)));
    assert_eq!((issue.assignee_id.as_deref(), issue.tags), (Some("ada@quantory.app"), vec!["mine".to_owned()]));
    assert_eq!((issue.occurrences, issue.first_seen), (3, at(50)));

    let history = store.activities(&event.issue_id, None, None, 10).await.unwrap().items;
    let mut kinds: Vec<&str> = history.iter().map(|activity| activity.kind.as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["assigned", "created", "priority_changed", "status_changed", "tagged"]);
    let status = history.iter().find(|activity| activity.kind == ActivityKind::StatusChanged).unwrap();
    assert_eq!((&status.details["from"], &status.details["to"]), (&"open".into(), &"in-progress".into()));
    assert_eq!(status.user_id, "ada@quantory.app");
}

async fn what_people_write_is_an_issue_too(store: &dyn IssueStore) {
    let event_id = Uuid::now_v7();
    let task = Occurrence {
        event_id,
        issue_id: event_id.into(),
        effect: Effect::Created,
        issue_type: IssueType::Task,
        reporter_id: "ada@quantory.app".into(),
        assignee_id: Some("bob@quantory.app".into()),
        fingerprint: None,
        source: Source::Web,
        details: Details::default(),
        ..occurrence("Rotate the keys", 10)
    };
    assert_eq!(ingest(store, std::slice::from_ref(&task)).await, [CREATED]);
    let issue = store.issue(&task.issue_id).await.unwrap().unwrap();
    assert_eq!((issue.issue_type, issue.occurrences, issue.fingerprint), (IssueType::Task, 0, None));
    assert_eq!(
        (issue.reporter_id.as_str(), issue.assignee_id.as_deref()),
        ("ada@quantory.app", Some("bob@quantory.app"))
    );
    let history = store.activities(&task.issue_id, None, None, 10).await.unwrap().items;
    assert_eq!(history.iter().map(|activity| activity.kind).collect::<Vec<_>>(), [ActivityKind::Created]);
}

async fn a_reporter_has_one_comment_a_day(store: &dyn IssueStore) {
    let day = 86_400;
    let first = occurrence("feed stalled", 10);
    ingest(store, &[first.clone(), occurrence("feed stalled", 20)]).await;
    ingest(store, &[Occurrence { count: 98, ..occurrence("feed stalled", 30) }]).await;
    ingest(store, &[occurrence("feed stalled", day + 10)]).await;
    let comments = store.comments(&first.issue_id, None, 10).await.unwrap().items;
    let told: Vec<(&str, Option<u64>)> =
        comments.iter().map(|comment| (comment.author_id.as_str(), comment.recurrences)).collect();
    assert_eq!(told, [("newsfeed-service", Some(100)), ("newsfeed-service", Some(1))]);
    let look_alike = |reporter: &str| Occurrence { reporter_id: reporter.into(), ..occurrence("look alike", 10) };
    let both = [look_alike("a.b"), look_alike("a/b")];
    ingest(store, &both).await;
    let authors: Vec<String> = store
        .comments(&both[0].issue_id, None, 10)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|comment| comment.author_id)
        .collect();
    assert_eq!(authors.len(), 2, "{authors:?}");
    assert_eq!(comments[0].content, "Seen 100 times on 2026-01-01, last at 00:00:30 UTC.");
    assert_eq!(store.issue(&first.issue_id).await.unwrap().unwrap().comments, 0, "nobody wrote one");
}

async fn comments_of_people_and_events(store: &dyn IssueStore) {
    let issue = occurrence("feed stalled", 10);
    let id = &issue.issue_id;
    ingest(store, std::slice::from_ref(&issue)).await;
    for _ in 0..2 {
        let comment = store.add_comment(id, "c-1", "Looking *into* it.", "ada", at(20)).await.unwrap();
        assert_eq!((comment.content.as_str(), comment.author_id.as_str()), ("Looking *into* it.", "ada"));
    }
    let by_event = Occurrence {
        event_id: Uuid::now_v7(),
        effect: Effect::Commented,
        description: "From a bot.".into(),
        reporter_id: "bot".into(),
        ..occurrence("feed stalled", 30)
    };
    ingest(store, std::slice::from_ref(&by_event)).await;
    let first = store.comments(id, None, 2).await.unwrap();
    let second = store.comments(id, first.next.as_ref(), 2).await.unwrap();
    let authors: Vec<&str> =
        first.items.iter().chain(&second.items).map(|comment| comment.author_id.as_str()).collect();
    assert_eq!(authors, ["newsfeed-service", "ada", "bot"]);
    let stored = store.issue(id).await.unwrap().unwrap();
    assert_eq!((stored.comments, stored.occurrences), (2, 1));
    let commented = store.activities(id, Some(ActivityKind::Commented), None, 10).await.unwrap();
    assert_eq!(commented.items.len(), 2);

    // A comment on what is not there makes no issue, and that is told.
    let orphan = Occurrence { effect: Effect::Commented, ..occurrence("never seen", 1) };
    assert_eq!(ingest(store, std::slice::from_ref(&orphan)).await, [Stored::NoIssue]);
    assert_eq!(store.issue(&orphan.issue_id).await.unwrap(), None);
}

async fn a_change_with_an_old_version_is_a_conflict(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 10);
    ingest(store, std::slice::from_ref(&event)).await;
    let version = store.issue(&event.issue_id).await.unwrap().unwrap().version;
    let change = IssueChange { priority: Some(Priority::Low), ..IssueChange::default() };
    let changed = store.change(&event.issue_id, &change, "ada", at(20), Some(version)).await.unwrap();
    assert!(changed.version > version);
    let late = IssueChange { priority: Some(Priority::High), ..IssueChange::default() };
    let refused = store.change(&event.issue_id, &late, "bob", at(30), Some(version)).await;
    assert!(matches!(refused, Err(StoreError::Conflict)), "{refused:?}");
    assert_eq!(store.issue(&event.issue_id).await.unwrap().unwrap().priority, Priority::Low);
}

async fn a_missing_issue_is_not_found(store: &dyn IssueStore) {
    let id: IssueId = "nothing-here".parse().unwrap();
    assert_eq!(store.issue(&id).await.unwrap(), None);
    let change = store.change(&id, &IssueChange::default(), "ada", at(1), None).await;
    assert!(matches!(change, Err(StoreError::NotFound)), "{change:?}");
    let comment = store.add_comment(&id, "c", "text", "ada", at(1)).await;
    assert!(matches!(comment, Err(StoreError::NotFound)), "{comment:?}");
    assert_eq!(store.comments(&id, None, 10).await.unwrap().items, []);
    assert_eq!(store.activities(&id, None, None, 10).await.unwrap().items, []);
    store.check().await.unwrap();
}

async fn the_watermark_is_part_of_the_commit(store: &dyn IssueStore) {
    assert_eq!(store.watermark("issues", 3).await.unwrap(), None);
    let watermark = Watermark { topic: "issues".into(), partition: 3, next_offset: 17, timestamp_ms: 1_000 };
    let batch = Batch { occurrences: vec![occurrence("feed stalled", 1)], watermark: Some(watermark.clone()) };
    store.ingest(&batch).await.unwrap();
    assert_eq!(store.watermark("issues", 3).await.unwrap(), Some(watermark.clone()));
    assert_eq!(store.watermark("issues", 4).await.unwrap(), None);
    // A partition may bring nothing but invalid records: the place moves on all the same.
    let later = Watermark { next_offset: 20, ..watermark };
    store.ingest(&Batch { occurrences: Vec::new(), watermark: Some(later.clone()) }).await.unwrap();
    assert_eq!(store.watermark("issues", 3).await.unwrap(), Some(later));
}

async fn concurrent_batches_of_one_issue_lose_nothing(store: &dyn IssueStore) {
    let events: Vec<Vec<Occurrence>> =
        (0..8).map(|second| (0..5).map(|_| occurrence("feed stalled", second)).collect()).collect();
    let commits = events.iter().map(|events| async {
        // What the ingest loop does: an outage or a conflict is tried again.
        for _ in 0..100 {
            match store.ingest(&batch(events)).await {
                Ok(_) => return,
                Err(StoreError::Unavailable(_) | StoreError::Conflict) => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("a batch was never committed");
    });
    futures_util::future::join_all(commits).await;
    let issue = store.issue(&events[0][0].issue_id).await.unwrap().unwrap();
    assert_eq!((issue.occurrences, issue.first_seen, issue.last_seen), (40, at(0), at(7)));
}

async fn notes_are_kept_by_key_and_found_by_prefix(store: &dyn IssueStore) {
    assert_eq!(store.note("gaps/issues/1").await.unwrap(), None);
    for (key, value) in [("gaps/issues/1", "{}"), ("gaps/issues/0", "{\"records\":7}"), ("gapsize", "1"), ("a%_", "2")]
    {
        store.set_note(key, Some(value)).await.unwrap();
    }
    store.set_note("gaps/issues/1", Some("[1]")).await.unwrap();
    assert_eq!(store.note("gaps/issues/1").await.unwrap().as_deref(), Some("[1]"));
    let gaps = [("gaps/issues/0".to_owned(), "{\"records\":7}".to_owned()), ("gaps/issues/1".into(), "[1]".into())];
    assert_eq!(store.notes("gaps/").await.unwrap(), gaps);
    assert_eq!(store.notes("a%").await.unwrap().len(), 1);
    assert_eq!(store.notes("").await.unwrap().len(), 4);
    store.set_note("gaps/issues/1", None).await.unwrap();
    store.set_note("never there", None).await.unwrap();
    assert_eq!(store.notes("gaps/").await.unwrap(), gaps[..1]);
}

async fn a_mute_is_heard_by_nobody_until_it_ends(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 10);
    let id = &event.issue_id;
    ingest(store, std::slice::from_ref(&event)).await;
    resolve(store, id, 20).await;
    let mute = |mute| IssueChange { mute: Some(mute), ..IssueChange::default() };
    let muted = store.change(id, &mute(Some(MutedUntil::Time(at(100)))), "ada", at(30), None).await.unwrap();
    assert_eq!(muted.mute, Some(Mute { since: at(30), until: MutedUntil::Time(at(100)) }));
    assert_eq!(ingest(store, &[occurrence("feed stalled", 50)]).await, [NEW], "counted, silent");
    assert_eq!(store.issue(id).await.unwrap().unwrap().status, Status::Resolved);
    let heard = ingest(store, &[occurrence("feed stalled", 100)]).await;
    assert_eq!(heard, [Stored::New { created: false, regressed: true, unmuted: false }]);

    let until = MutedUntil::Rate { count: 10, per: Period::Day, before: 0 };
    resolve(store, id, 200).await;
    store.change(id, &mute(Some(until)), "ada", at(210), None).await.unwrap();
    assert_eq!(ingest(store, &[Occurrence { count: 9, ..occurrence("feed stalled", 220) }]).await, [NEW]);
    let issue = store.issue(id).await.unwrap().unwrap();
    assert_eq!((issue.status, issue.mute.is_some(), issue.occurrences), (Status::Resolved, true, 12));
    let tenth = ingest(store, &[occurrence("feed stalled", 230)]).await;
    assert_eq!(tenth, [Stored::New { created: false, regressed: true, unmuted: true }]);
    let issue = store.issue(id).await.unwrap().unwrap();
    assert_eq!((issue.status, issue.mute), (Status::Open, None));

    store.change(id, &mute(Some(MutedUntil::Unmuted)), "ada", at(300), None).await.unwrap();
    store.change(id, &mute(None), "ada", at(310), None).await.unwrap();
    assert_eq!(store.issue(id).await.unwrap().unwrap().mute, None);
    let history = store.activities(id, None, None, 20).await.unwrap().items;
    let kinds = history.iter().map(|activity| activity.kind.as_str()).filter(|kind| kind.contains("muted"));
    assert_eq!(kinds.collect::<Vec<_>>(), ["unmuted", "muted", "unmuted", "muted", "muted"]);
}

async fn the_watermark_moves_on_only(store: &dyn IssueStore) {
    let place =
        |next_offset, timestamp_ms| Watermark { topic: "issues".into(), partition: 3, next_offset, timestamp_ms };
    let send = async |watermark| {
        store.ingest(&Batch { occurrences: Vec::new(), watermark: Some(watermark) }).await.unwrap();
        store.watermark("issues", 3).await.unwrap().unwrap()
    };
    assert_eq!(send(place(100, 1_000)).await, place(100, 1_000));
    assert_eq!(send(place(200, 900)).await, place(200, 1_000), "producers' clocks differ");
    assert_eq!(send(place(50, 500)).await, place(200, 1_000), "a replay");
    assert_eq!(send(place(50, 1_000)).await, place(200, 1_000));
    assert_eq!(send(place(5, 2_000)).await, place(5, 2_000), "a topic that was made anew: time does not start again");
}
