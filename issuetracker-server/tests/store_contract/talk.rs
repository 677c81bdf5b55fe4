//! Comments that are edited and deleted.

use issuetracker_server::{
    domain::{ActivityKind, CommentChange, Effect, Occurrence},
    store::{IssueStore, StoreError, Stored},
};
use uuid::Uuid;

use crate::{NEW, at, ingest, occurrence};

pub(crate) async fn a_comment_is_edited_and_deleted(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 10);
    let id = &event.issue_id;
    ingest(store, std::slice::from_ref(&event)).await;
    store.add_comment(id, "c-1", "Frist.", "ada", at(20)).await.unwrap();
    store.add_comment(id, "c-2", "Second.", "bob", at(21)).await.unwrap();
    let before = store.issue(id).await.unwrap().unwrap();

    let edit = CommentChange::Edit("First.".to_owned());
    let edited = store.change_comment(id, "c-1", &edit, "ada", at(30)).await.unwrap().unwrap();
    assert_eq!((edited.content.as_str(), edited.author_id.as_str()), ("First.", "ada"));
    assert_eq!((edited.created_at, edited.edited_at), (at(20), Some(at(30))));
    assert_eq!(store.comment(id, "c-1").await.unwrap(), Some(edited.clone()));
    let issue = store.issue(id).await.unwrap().unwrap();
    assert_eq!((issue.comments, issue.updated_at, issue.version), (2, at(30), before.version + 1));

    assert_eq!(store.change_comment(id, "c-2", &CommentChange::Delete, "root", at(40)).await.unwrap(), None);
    assert_eq!(store.comment(id, "c-2").await.unwrap(), None);
    assert_eq!(store.issue(id).await.unwrap().unwrap().comments, 1);
    let comments = store.comments(id, None, 10).await.unwrap().items;
    assert_eq!(comments.iter().filter(|comment| comment.recurrences.is_none()).collect::<Vec<_>>(), [&edited]);
    let told = store.activities(id, Some(ActivityKind::Commented), None, 10).await.unwrap().items;
    assert_eq!((told[0].user_id.as_str(), &told[0].details["deleted_by"]), ("bob", &"root".into()));
    assert!(told[1].details.is_empty());

    for (issue, comment) in [(id.clone(), "c-2"), ("nothing-here".parse().unwrap(), "c-1")] {
        let missing = store.change_comment(&issue, comment, &CommentChange::Delete, "ada", at(50)).await;
        assert!(matches!(missing, Err(StoreError::NotFound)), "{missing:?}");
    }
}

pub(crate) async fn a_deleted_comment_stays_deleted_whatever_comes_again(store: &dyn IssueStore) {
    let event = occurrence("feed stalled", 10);
    let said = Occurrence { event_id: Uuid::now_v7(), effect: Effect::Commented, ..occurrence("feed stalled", 20) };
    ingest(store, std::slice::from_ref(&event)).await;
    assert_eq!(ingest(store, std::slice::from_ref(&said)).await, [NEW]);
    let comment = said.event_id.to_string();
    store.change_comment(&event.issue_id, &comment, &CommentChange::Delete, "ada", at(30)).await.unwrap();
    assert_eq!(ingest(store, std::slice::from_ref(&said)).await, [Stored::Duplicate]);
    assert_eq!(store.comment(&event.issue_id, &comment).await.unwrap(), None);
    assert_eq!(store.issue(&event.issue_id).await.unwrap().unwrap().comments, 0);
}
