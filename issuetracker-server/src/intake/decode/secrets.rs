//! Secrets in events of producers that are not ours, or whose redaction is off: they are gone before anything is stored,
//! compared or shown. What our library has redacted stays as it is.

use std::sync::LazyLock;

use serde_json::{Map, Value};
use tracing_issues::Redactor;

static REDACTOR: LazyLock<Redactor> = LazyLock::new(Redactor::default);

/// What an event is, and when: ids, words and times. They are checked by themselves, and a piece less would make another
/// event of it.
const IDENTITY: [&str; 13] = [
    "event_id",
    "fingerprint",
    "issue_id",
    "former_fingerprints",
    "op",
    "type",
    "priority",
    "severity",
    "source",
    "created_at",
    "first_at",
    "last_at",
    "occurrences",
];

/// Takes the secrets out of a value.
pub(crate) fn redact_value(name: &str, value: &mut Value) {
    REDACTOR.value(name, value);
}

/// Takes the secrets out of every other field.
pub(super) fn redact(event: &mut Map<String, Value>) {
    for (name, value) in event.iter_mut() {
        if !IDENTITY.contains(&name.as_str()) {
            redact_value(name, value);
        }
    }
}
