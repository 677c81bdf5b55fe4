//! Merging: one issue takes over all that another one is, because a person says that they are the same. Moving what is
//! beneath the issues is the stores' work.

use jiff::Timestamp;
use serde_json::{Map, json};

use super::{Activity, ActivityKind, Issue, fold::tidy_tags};

/// Adds `from` to `into`, and tells of it in the history of `into`. What people decided of `into` stays, and so does its
/// title: it is the one that they chose to keep.
pub fn merge(into: &mut Issue, from: &Issue, user_id: &str, now: Timestamp) -> Activity {
    into.occurrences += from.occurrences;
    into.comments += from.comments;
    into.first_seen = into.first_seen.min(from.first_seen);
    into.last_seen = into.last_seen.max(from.last_seen);
    into.hours.add_all(&from.hours);
    if !into.decided.tags {
        into.tags = tidy_tags(std::mem::take(&mut into.tags), &from.tags);
    }
    into.updated_at = now;
    into.version += 1;
    let details = json!({"issue_id": from.id.as_str(), "title": from.title, "occurrences": from.occurrences});
    Activity {
        id: format!("merged-{}", from.id),
        kind: ActivityKind::Merged,
        user_id: user_id.to_owned(),
        timestamp: now,
        details: match details {
            serde_json::Value::Object(details) => details,
            _ => Map::new(),
        },
    }
}
