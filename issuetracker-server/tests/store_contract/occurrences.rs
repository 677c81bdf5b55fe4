//! One occurrence among others: of its issue, and of its trace.

use issuetracker_server::{
    domain::{Details, Occurrence},
    store::{IssueStore, Neighbourhood, Which},
};
use uuid::Uuid;

use crate::{ingest, occurrence};

pub(crate) async fn occurrences_are_walked_through_both_ways(store: &dyn IssueStore) {
    // Two of the same moment, and out of order.
    let mut events = [30, 10, 20, 20].map(|second| occurrence("feed stalled", second));
    ingest(store, &events).await;
    events.sort_by_key(|event| (event.last_at, event.event_id));
    let ids = events.each_ref().map(|event| event.event_id.to_string());
    let id = &events[0].issue_id;
    let check = async |which, nth: usize| {
        let Neighbourhood { activity, older, newer } = store.occurrence(id, which).await.unwrap().unwrap();
        assert_eq!(activity.id, ids[nth]);
        assert_eq!(older.as_ref(), nth.checked_sub(1).map(|nth| &ids[nth]));
        assert_eq!(newer.as_ref(), ids.get(nth + 1));
    };
    check(Which::First, 0).await;
    check(Which::Latest, 3).await;
    for (nth, event) in ids.iter().enumerate() {
        check(Which::Event(event), nth).await;
    }
    assert_eq!(store.occurrence(id, Which::Event(&Uuid::now_v7().to_string())).await.unwrap(), None);
    assert_eq!(store.occurrence(&"nothing-here".parse().unwrap(), Which::Latest).await.unwrap(), None);
}

pub(crate) async fn issues_are_found_by_the_trace_of_an_occurrence(store: &dyn IssueStore) {
    let traced = |title: &str, trace_id: &str| {
        let event = occurrence(title, 1);
        Occurrence { details: Details { trace_id: trace_id.to_owned(), ..event.details.clone() }, ..event }
    };
    let events = [
        traced("alpha", "t1"),
        traced("alpha", "t1"),
        traced("beta", "t1"),
        traced("gamma", "t2"),
        traced("delta", ""),
    ];
    ingest(store, &events).await;
    let mut ids = [events[0].issue_id.clone(), events[2].issue_id.clone()];
    ids.sort();
    assert_eq!(store.issues_of_trace("t1", 10).await.unwrap(), ids);
    assert_eq!(store.issues_of_trace("t2", 10).await.unwrap(), [events[3].issue_id.clone()]);
    assert_eq!(store.issues_of_trace("", 10).await.unwrap(), []);
    store.merge(&events[0].issue_id, &events[2].issue_id, "ada", crate::at(9)).await.unwrap();
    assert_eq!(store.issues_of_trace("t1", 10).await.unwrap(), [events[2].issue_id.clone()]);
}
