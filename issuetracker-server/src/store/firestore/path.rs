//! Where documents are. Ids come from elsewhere, so each is made safe on its way into a name and back on its way out.

use std::fmt::Write;

use crate::{domain::IssueId, store::Kind};

pub(super) const ISSUES: &str = "issues";
pub(super) const ACTIVITIES: &str = "activities";
pub(super) const COMMENTS: &str = "comments";
pub(super) const ALIASES: &str = "aliases";
pub(super) const SERVICE_DAYS: &str = "service_days";
pub(super) const NUMBERS: &str = "numbers";
pub(super) const NOTES: &str = "notes";

/// The names of all documents of one database.
#[derive(Clone, Copy)]
pub(super) struct Paths<'a>(pub(super) &'a str);

impl Paths<'_> {
    pub(super) fn issue(self, id: &str) -> String {
        format!("{}/{ISSUES}/{}", self.0, key(id))
    }

    pub(super) fn activity(self, issue_id: &IssueId, id: &str) -> String {
        format!("{}/{ACTIVITIES}/{}", self.issue(issue_id.as_str()), key(id))
    }

    /// The issue that something is beneath.
    pub(super) fn issue_of(self, name: &str) -> Option<IssueId> {
        let path = name.strip_prefix(self.0)?.strip_prefix(&format!("/{ISSUES}/"))?;
        id_of(path.split('/').next()?).parse().ok()
    }

    pub(super) fn comment(self, issue_id: &IssueId, id: &str) -> String {
        format!("{}/{COMMENTS}/{}", self.issue(issue_id.as_str()), key(id))
    }

    pub(super) fn alias(self, id: &str) -> String {
        format!("{}/{ALIASES}/{}", self.0, key(id))
    }

    pub(super) fn service_day(self, service: &str, day: i64) -> String {
        format!("{}/{SERVICE_DAYS}/{day}-{}", self.0, key(service))
    }

    pub(super) fn watermark(self, topic: &str, partition: i32) -> String {
        format!("{}/offsets/{}", self.0, key(&format!("{topic}-{partition}")))
    }

    pub(super) fn is_alias(self, name: &str) -> bool {
        name.strip_prefix(self.0).is_some_and(|path| path.starts_with(&format!("/{ALIASES}/")))
    }

    pub(super) fn number(self, prefix: &str) -> String {
        format!("{}/{NUMBERS}/{}", self.0, key(prefix))
    }

    pub(super) fn note(self, note: &str) -> String {
        format!("{}/{NOTES}/{}", self.0, key(note))
    }

    pub(super) fn record(self, kind: Kind, id: &str) -> String {
        format!("{}/{}/{}", self.0, kind.as_str(), key(id))
    }

    /// A document that never exists.
    pub(super) fn nothing(self) -> String {
        format!("{}/checks/nothing", self.0)
    }
}

/// The id that a document's name ends with.
pub(super) fn id_of(name: &str) -> String {
    let key = name.rsplit_once('/').map_or(name, |(_, key)| key);
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let escaped = after.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        match escaped.filter(|_| *byte == b'~') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// An id as a key of Firestore's, which has no `/`, is not `.`, `..` or empty and does not look like `__x__`. Letters,
/// digits, `-`, `_` and inner dots stay as they are; other bytes become `~` and two hexadecimal digits.
fn key(id: &str) -> String {
    let mut key = String::with_capacity(id.len());
    for (index, byte) in id.bytes().enumerate() {
        let is_safe = match byte {
            b'-' => true,
            b'_' | b'.' => index > 0,
            byte => byte.is_ascii_alphanumeric(),
        };
        if is_safe {
            key.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(key, "~{byte:02x}");
        }
    }
    if key.is_empty() { "~".to_owned() } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_key(id: &str, expected: &str) {
        assert_eq!(key(id), expected);
        assert_eq!(id_of(&format!("projects/p/databases/d/documents/issues/{expected}")), id, "it comes back");
    }

    #[test]
    fn usual_ids_stay_readable() {
        check_key("7k2m9qwxyz", "7k2m9qwxyz");
        check_key("0193a5b6-7c8d", "0193a5b6-7c8d");
        check_key("alphafusion.issues-3", "alphafusion.issues-3");
        check_key("seen-2026-11-23-newsfeed_service", "seen-2026-11-23-newsfeed_service");
    }

    #[test]
    fn hostile_ids_are_harmless_and_distinct() {
        check_key("..", "~2e.");
        check_key("a/../b", "a~2f..~2fb");
        check_key("__proto__", "~5f_proto__");
        check_key("~5f", "~7e5f");
        check_key("ü %00", "~c3~bc~20~2500");
    }
}
