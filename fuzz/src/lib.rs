//! What must hold for any bytes that a stranger sends. Each function is a target of libFuzzer (`cargo xtask fuzz`) and of
//! `tests/targets.rs`, which needs no nightly compiler; it panics if its promise is broken.

use std::{path::PathBuf, sync::LazyLock};

use issuetracker_server::{
    domain::Filter,
    intake::decode::{MAX_EVENT_BYTES, Place, decode},
    store::{Batch, IssueQuery, IssueStore, Sort, embedded::EmbeddedStore},
};
use jiff::Timestamp;
use tracing_issues::{Redactor, event::MAX_TITLE_CHARS, explain, normalize::normalize};

/// A promise about any bytes; it panics if it is broken.
pub type Target = fn(&[u8]);

/// Every target by its name.
pub const TARGETS: [(&str, Target); 4] =
    [("event", event), ("search", search), ("normalise", normalise), ("redact", redact)];

/// A moment that is the same in every run: what breaks once breaks again.
fn now() -> Timestamp {
    Timestamp::constant(1_780_000_000, 0)
}

/// The bytes as text, or their readable parts.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// One event, as it comes from Kafka: it is read to something that every store can take, or refused with a reason; read again
/// it is the same.
///
/// # Panics
/// If the promise is broken.
pub fn event(bytes: &[u8]) {
    let place = Place::Record { topic: "t", partition: 0, offset: 1, timestamp_ms: Some(1_779_999_000_000) };
    let found = decode(bytes, place, now());
    assert_eq!(found, decode(bytes, place, now()), "the same record is another event");
    let Ok(found) = found else { return };
    assert!(bytes.len() <= MAX_EVENT_BYTES);
    assert!(!found.title.trim().is_empty() && found.title.chars().count() <= MAX_TITLE_CHARS, "{:?}", found.title);
    assert!(found.first_at <= found.last_at && found.count >= 1);
    let record = serde_json::Value::Object(found.record()).to_string();
    assert!(record.len() <= 256 * 1024, "{} bytes", record.len());
    let controls = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(
        ![&found.title, &found.description, &found.service, &found.component]
            .iter()
            .any(|text| text.contains(controls))
    );
}

/// A database with one issue.
static STORE: LazyLock<(tempfile::TempDir, EmbeddedStore)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    let store = EmbeddedStore::open(&PathBuf::from(directory.path()).join("issues.sqlite")).unwrap();
    let event = br#"{"title": "connection refused", "service": "newsfeed", "tags": ["region:eu"], "host": "a"}"#;
    let batch = Batch { occurrences: vec![decode(event, Place::Request, now()).unwrap()], ..Batch::default() };
    wait(store.ingest(&batch)).unwrap();
    (directory, store)
});

fn wait<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// What somebody types into the search box: refused in words, or a filter that prints as itself, that the store can answer,
/// and that can be changed piece by piece.
///
/// # Panics
/// If the promise is broken.
pub fn search(bytes: &[u8]) {
    let Ok(filter) = text(bytes).parse::<Filter>() else { return };
    let printed = filter.to_string();
    assert_eq!(printed.parse::<Filter>().as_ref(), Ok(&filter), "{printed}");
    let without_first = filter.without(0).to_string();
    assert!(without_first.parse::<Filter>().is_ok(), "{without_first}");
    let query =
        IssueQuery { filter, user_id: "u".to_owned(), now: now(), sort: Sort::LastSeen, after: None, limit: 10 };
    let page = wait(STORE.1.issues(&query));
    assert!(page.is_ok(), "{printed}: {:?}", page.err());
    let overview = wait(STORE.1.overview(&query));
    assert!(overview.is_ok(), "{printed}: {:?}", overview.err());
}

/// A message that is grouped: what is left never grows, has no control character but the placeholder, and does not change
/// when it is grouped again; the explanation holds all of the message.
///
/// # Panics
/// If the promise is broken.
pub fn normalise(bytes: &[u8]) {
    let message = text(bytes);
    let normalised = normalize(&message);
    assert!(normalised.len() <= message.len());
    assert!(!normalised.contains(|c: char| c.is_control() && c != '\u{1a}'), "{normalised:?}");
    let pieces: String = explain(&message).pieces.iter().map(|piece| piece.text).collect();
    assert_eq!(pieces, message);
}

/// A text with secrets: redacted twice it is the same, and a planted one is gone whatever stands around it.
///
/// # Panics
/// If the promise is broken.
pub fn redact(bytes: &[u8]) {
    const SECRET: &str = "Zq7hunter2Zq7";
    let text = text(bytes);
    let redactor = Redactor::default();
    let once = redactor.text(&text).into_owned();
    assert_eq!(redactor.text(&once), once, "of {text:?}");
    // A fuzzer learns the word, and may put it where it is no secret.
    if text.contains(SECRET) {
        return;
    }
    let middle = text.floor_char_boundary(text.len() / 2);
    let (before, after) = text.split_at(middle);
    for planted in
        [format!("{before}\npassword={SECRET}\n{after}"), format!("{before}\nAuthorization: Bearer {SECRET}\n{after}")]
    {
        let shown = redactor.text(&planted);
        assert!(!shown.contains(SECRET), "{shown:?} of {planted:?}");
    }
}
