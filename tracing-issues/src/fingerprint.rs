//! Identity: which errors are one issue, and the short id of that issue. Pure, and the same code in library and server.
//! What a message keeps of itself is decided next door, in [`normalize`](crate::normalize).

use std::{fmt, str::FromStr};

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::normalize::normalize;

/// The version of the rules below. A later version never splits existing issues: the server keeps an alias for each.
pub const VERSION: u8 = 1;

/// What in a custom fingerprint stands for the computed one.
const DEFAULT_MARK: &str = "{{ default }}";

/// The facts about an error that decide which issue it is. No line and no column: an edit above an error must not make
/// a new issue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The product that the service belongs to.
    pub project: &'a str,
    /// The service's name.
    pub service: &'a str,
    /// The part of the service.
    pub component: &'a str,
    /// The outermost error's type.
    pub kind: &'a str,
    /// The message; normalised here.
    pub message: &'a str,
    /// What the last error of the chain says; normalised here.
    pub root_cause: &'a str,
    /// Module path of the report.
    pub module: &'a str,
    /// Source file of the report.
    pub file: &'a str,
}

/// SHA-256 over the length-prefixed facts of an [`Identity`]. Only computing and decoding can make one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Computes the fingerprint of an error.
    pub fn of(identity: &Identity<'_>) -> Self {
        digest(
            b"identity",
            &[
                identity.project,
                identity.service,
                identity.component,
                identity.kind,
                &normalize(identity.message),
                &normalize(identity.root_cause),
                identity.module,
                &normalize(&identity.file.replace('\\', "/")),
            ],
        )
    }

    /// Computes the fingerprint that a user chose by a `fingerprint` field: equal `custom` texts of one service are one
    /// issue. `{{ default }}` inside it stands for the computed fingerprint, so that the text refines it.
    pub fn custom(custom: &str, identity: &Identity<'_>) -> Self {
        let text = if Self::is_refining(custom) {
            custom.replace(DEFAULT_MARK, &Self::of(identity).to_string())
        } else {
            custom.to_owned()
        };
        digest(b"custom", &[identity.project, identity.service, &text])
    }

    /// The first bytes, where telling apart a few hundred is enough.
    pub(crate) fn short(&self) -> u64 {
        self.0.iter().take(8).fold(0, |short, byte| (short << 8) | u64::from(*byte))
    }

    /// Whether a custom fingerprint refines the computed one, instead of replacing it.
    pub(crate) fn is_refining(custom: &str) -> bool {
        custom.contains(DEFAULT_MARK)
    }

    /// The id of the issue with this fingerprint: short, URL-safe, not sequential, the same for everybody.
    pub fn issue_id(&self) -> IssueId {
        let hash = Sha256::new().chain_update(b"issue-id").chain_update(self.0).finalize();
        let mut id = String::with_capacity(IssueId::HASHED_LEN);
        // 80 bits: a million issues collide with a chance of one in 2 * 10^12.
        for chunk in hash[..10].chunks_exact(5) {
            let bits = chunk.iter().fold(0u64, |bits, byte| (bits << 8) | u64::from(*byte));
            for index in (0..8).rev() {
                id.push(char::from(CROCKFORD[usize::try_from((bits >> (index * 5)) & 31).unwrap_or(0)]));
            }
        }
        IssueId(id)
    }
}

/// Crockford's base 32 in lower case: no `i`, `l`, `o`, `u`.
const CROCKFORD: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn digest(domain: &[u8], fields: &[&str]) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update([VERSION]);
    for field in std::iter::once(domain).chain(fields.iter().map(|field| field.as_bytes())) {
        // The length first, so that no two lists of fields share their bytes.
        hash.update((field.len() as u64).to_le_bytes());
        hash.update(field);
    }
    Fingerprint(hash.finalize().into())
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0u8; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = HEX[usize::from(byte >> 4)];
            pair[1] = HEX[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 64 hexadecimal digits")]
pub struct InvalidFingerprint;

impl FromStr for Fingerprint {
    type Err = InvalidFingerprint;

    fn from_str(text: &str) -> Result<Self, InvalidFingerprint> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(InvalidFingerprint);
        }
        let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            match (nibble(pair[0]), nibble(pair[1])) {
                (Some(high), Some(low)) => *byte = (high << 4) | low,
                _ => return Err(InvalidFingerprint),
            }
        }
        Ok(Self(bytes))
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The id of an issue, safe in URLs, store keys and file names: 1 to 64 of `A-Z a-z 0-9 - _`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssueId(String);

impl IssueId {
    /// The length of an id made from a fingerprint.
    pub const HASHED_LEN: usize = 16;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text cannot be the id of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an issue id is 1 to 64 letters, digits, `-` or `_`")]
pub struct InvalidIssueId;

impl FromStr for IssueId {
    type Err = InvalidIssueId;

    fn from_str(text: &str) -> Result<Self, InvalidIssueId> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if (1..=64).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidIssueId)
        }
    }
}

/// A person's issue has the id of the event that created it.
impl From<uuid::Uuid> for IssueId {
    fn from(event_id: uuid::Uuid) -> Self {
        Self(event_id.to_string())
    }
}

impl fmt::Display for IssueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for IssueId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: Identity<'_> = Identity {
        project: "alpha",
        service: "newsfeed",
        component: "feed",
        kind: "io::Error",
        message: "refresh failed",
        root_cause: "Connection refused (os error 111)",
        module: "newsfeed::feed",
        file: "src/feed.rs",
    };

    #[track_caller]
    fn check_different(other: Identity<'_>) {
        assert_ne!(Fingerprint::of(&BASE), Fingerprint::of(&other));
    }

    #[test]
    fn every_fact_tells_errors_apart() {
        check_different(Identity { project: "beta", ..BASE });
        check_different(Identity { service: "socialfeed", ..BASE });
        check_different(Identity { component: "store", ..BASE });
        check_different(Identity { kind: "TimeoutError", ..BASE });
        check_different(Identity { message: "refresh refused", ..BASE });
        check_different(Identity { root_cause: "Connection reset by peer (os error 104)", ..BASE });
        check_different(Identity { module: "newsfeed::store", ..BASE });
        check_different(Identity { file: "src/store.rs", ..BASE });
    }

    #[test]
    fn text_does_not_move_between_facts() {
        check_different(Identity { project: "alphanews", service: "feed", ..BASE });
        assert_ne!(
            Fingerprint::of(&Identity { project: "a", service: "bc", ..Identity::default() }),
            Fingerprint::of(&Identity { project: "ab", service: "c", ..Identity::default() }),
        );
    }

    #[test]
    fn what_varies_in_a_message_does_not_split_an_issue() {
        let numbered = |message| Fingerprint::of(&Identity { message, ..BASE });
        assert_eq!(numbered("order 17 refused"), numbered("order 4711 refused"));
    }

    /// The bytes are a promise: a change here splits every issue in every store, so it needs a new `VERSION`.
    #[test]
    fn the_fingerprint_of_version_1_is_pinned() {
        let fingerprint = Fingerprint::of(&Identity { service: "s", message: "m", ..Identity::default() });
        assert_eq!(fingerprint.to_string(), "bdd370a5b0d020d99bc5b69653739ef8db4d4a3874fc027be1e944d40e27f0d4");
        assert_eq!(fingerprint.issue_id().as_str(), "v7w5fa8bmrca5njw");
    }

    #[test]
    fn a_custom_fingerprint_groups_by_its_text_or_refines_ours() {
        let other = Identity { message: "something else", ..BASE };
        assert_eq!(Fingerprint::custom("checkout", &BASE), Fingerprint::custom("checkout", &other));
        assert_ne!(Fingerprint::custom("{{ default }} eu", &BASE), Fingerprint::custom("{{ default }} eu", &other));
        assert_ne!(Fingerprint::custom("{{ default }} eu", &BASE), Fingerprint::custom("{{ default }} us", &BASE));
    }

    #[test]
    fn hex_round_trips_and_nothing_else_decodes() {
        let fingerprint = Fingerprint::of(&BASE);
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!("abc".parse::<Fingerprint>(), Err(InvalidFingerprint));
        assert_eq!("g".repeat(64).parse::<Fingerprint>(), Err(InvalidFingerprint));
    }

    #[test]
    fn issue_ids_are_checked_before_they_touch_a_store() {
        assert!("7k2m9qwxyz".parse::<IssueId>().is_ok());
        for bad in ["", "a/b", "a b", "..", "ü", &"a".repeat(65)] {
            assert_eq!(bad.parse::<IssueId>(), Err(InvalidIssueId), "{bad}");
        }
    }
}
