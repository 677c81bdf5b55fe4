//! Moving everything to another store, and back.

use std::path::Path;

use issuetracker_server::{
    domain::{IssueChange, MutedUntil, Status},
    store::{Batch, IssueStore, Watermark, embedded::EmbeddedStore},
    transfer,
};

use crate::{at, ingest, occurrence};

async fn exported(store: &dyn IssueStore, file: &Path) -> String {
    transfer::export(store, file, false, at(0), &mut |_| ()).await.unwrap();
    let text = std::fs::read_to_string(file).unwrap();
    // Where the events of a merged issue are is a matter of the store: SQLite has moved them.
    text.lines().map(|line| line.split(",\"via\":").next().unwrap()).collect::<Vec<_>>().join("\n")
}

pub(crate) async fn everything_is_moved_elsewhere_and_back(store: &dyn IssueStore) {
    let all = ["alpha", "beta", "gamma", "delta"].map(|title| occurrence(title, 10));
    ingest(store, &all).await;
    ingest(store, &[occurrence("alpha", 86_400)]).await;
    store.merge(&all[0].issue_id, &all[1].issue_id, "ada", at(20)).await.unwrap();
    store.add_comment(&all[1].issue_id, "c-1", "Of *beta*.", "ada", at(30)).await.unwrap();
    let mute = Some(Some(MutedUntil::Time(at(1_000))));
    let change = IssueChange { status: Some(Status::Closed), mute, ..IssueChange::default() };
    store.change(&all[2].issue_id, &change, "ada", at(40), None).await.unwrap();
    let watermark = Watermark { topic: "issues".into(), partition: 3, next_offset: 17, timestamp_ms: 1_000 };
    store.ingest(&Batch { occurrences: Vec::new(), watermark: Some(watermark) }).await.unwrap();
    store.set_note("gaps/issues/3", Some("{}")).await.unwrap();

    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let text = exported(store, &file("first.jsonl")).await;
    let other = EmbeddedStore::open(&file("other.sqlite")).unwrap();
    transfer::import(&other, &file("first.jsonl"), false, &mut |_| ()).await.unwrap();
    assert_eq!(exported(&other, &file("second.jsonl")).await, text);
    transfer::import(store, &file("second.jsonl"), true, &mut |_| ()).await.unwrap();
    assert_eq!(exported(store, &file("third.jsonl")).await, text);

    // It is the same also for what comes next: what was counted is known, and what is new goes where it went.
    for store in [store, &other] {
        ingest(store, &all).await;
        ingest(store, &[occurrence("alpha", 50)]).await;
        let issue = store.issue(&all[0].issue_id).await.unwrap().unwrap();
        assert_eq!((&issue.id, issue.occurrences), (&all[1].issue_id, 4));
        // Four have numbers already.
        ingest(store, &[occurrence("epsilon", 60)]).await;
        let new = store.issue(&occurrence("epsilon", 60).issue_id).await.unwrap().unwrap();
        assert_eq!(new.short_id.unwrap().as_str(), "NEWS-5");
    }
}
