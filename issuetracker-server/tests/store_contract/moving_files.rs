//! Exports that are broken off, foreign, or imported where something is already. What moves between both stores is in
//! [`moving`](crate::moving).

use std::{fs, path::Path, sync::Arc};

use issuetracker_server::{
    domain::{IssueChange, IssueId, MutedUntil, Period, Status},
    intake::decode::{Place, decode},
    store::{Batch, IssueStore, Watermark, embedded::EmbeddedStore},
    transfer::{TransferError, export, import},
};
use jiff::Timestamp;

struct Files {
    directory: tempfile::TempDir,
    store: Arc<dyn IssueStore>,
}

fn open(directory: &Path, name: &str) -> Arc<dyn IssueStore> {
    Arc::new(EmbeddedStore::open(&directory.join(name)).unwrap())
}

/// A store with something of everything.
async fn filled() -> Files {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path(), "a.sqlite");
    let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let event = |title: &str| {
        let event = serde_json::json!({"title": title, "service": "feed", "created_at": "2026-11-25T11:00:00Z"});
        decode(event.to_string().as_bytes(), Place::Request, now).unwrap()
    };
    let titles = ["alpha", "beta", "gamma", "delta", "epsilon"];
    let watermark = Watermark { topic: "issues".into(), partition: 1, next_offset: 6, timestamp_ms: 1_000 };
    let mut batch = Batch { occurrences: titles.map(event).to_vec(), watermark: Some(watermark) };
    store.ingest(&batch).await.unwrap();
    let ids: Vec<IssueId> = batch.occurrences.drain(..).map(|occurrence| occurrence.issue_id).collect();
    store.merge(&ids[0], &ids[1], "ada", now).await.unwrap();
    store.add_comment(&ids[1], "c-1", "Of *beta*.", "ada", now).await.unwrap();
    let rate = MutedUntil::Rate { count: 5, per: Period::Hour, before: 0 };
    let change = IssueChange { status: Some(Status::Closed), mute: Some(Some(rate)), ..IssueChange::default() };
    store.change(&ids[2], &change, "ada", now, None).await.unwrap();
    store.set_note("gaps/issues/1", Some("{}")).await.unwrap();
    Files { directory, store }
}

async fn exported(store: &dyn IssueStore, file: &Path, is_resumed: bool) -> Result<String, TransferError> {
    export(store, file, is_resumed, "2026-11-25T12:00:00Z".parse().unwrap(), &mut |_| ()).await?;
    Ok(fs::read_to_string(file).unwrap())
}

#[tokio::test]
async fn what_is_exported_and_imported_is_the_same() {
    let Files { directory, store } = filled().await;
    let (first, second) = (directory.path().join("first.jsonl"), directory.path().join("second.jsonl"));
    let text = exported(&*store, &first, false).await.unwrap();
    let other = open(directory.path(), "b.sqlite");
    for may_overwrite in [false, true] {
        let counts = import(&*other, &first, may_overwrite, &mut |_| ()).await.unwrap();
        assert_eq!((counts.issues, counts.comments), (4, 5));
    }
    assert_eq!(exported(&*other, &second, false).await.unwrap(), text);
    let refused = import(&*other, &first, false, &mut |_| ()).await;
    assert!(matches!(refused, Err(TransferError::Refused(_))), "{refused:?}");
    assert!(exported(&*other, &second, false).await.is_err(), "a file is not overwritten");
}

#[tokio::test]
async fn an_export_that_was_broken_off_anywhere_is_completed() {
    let Files { directory, store } = filled().await;
    let whole = exported(&*store, &directory.path().join("whole.jsonl"), false).await.unwrap();
    let file = directory.path().join("broken.jsonl");
    for length in (0..whole.len()).step_by(97) {
        fs::write(&file, &whole.as_bytes()[..length]).unwrap();
        let refused = import(&*store, &file, true, &mut |_| ()).await;
        assert!(matches!(refused, Err(TransferError::Refused(_))), "a part is not imported: {refused:?}");
        assert_eq!(exported(&*store, &file, true).await.unwrap(), whole, "broken off after {length} bytes");
    }
    let complete = exported(&*store, &file, true).await;
    assert!(matches!(complete, Err(TransferError::Refused(_))), "{complete:?}");
}

#[tokio::test]
async fn a_foreign_file_is_refused_with_its_line() {
    let Files { directory, store } = filled().await;
    let file = directory.path().join("foreign.jsonl");
    let text = exported(&*store, &file, false).await.unwrap();
    let broken = text.replacen("\"status\":\"open\"", "\"status\":\"done\"", 1);
    fs::write(&file, broken).unwrap();
    let error = import(&*store, &file, true, &mut |_| ()).await.unwrap_err().to_string();
    assert!(error.contains(", line ") && error.contains("`done`"), "{error}");
    fs::write(&file, "{\"title\":\"an event\"}\n").unwrap();
    let error = import(&*store, &file, true, &mut |_| ()).await.unwrap_err().to_string();
    assert!(error.contains("not an export of this server"), "{error}");
}
