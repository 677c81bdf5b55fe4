//! The wire type: one [`IssueEvent`] is one JSON object, one Kafka record, one line of an HTTP batch. It is shared by
//! the library that writes it and the server that reads it.
//! It is not a report (what capture took, in process), and reading foreign JSON tolerantly is the server's work.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::fingerprint::{Fingerprint, IssueId};

/// The version of the wire format that this crate writes in `v`.
pub const WIRE_VERSION: u8 = 1;

/// The longest title, in characters; longer ones are cut with `…`.
pub const MAX_TITLE_CHARS: usize = 300;

/// One occurrence, creation or comment on its way from a producer to the server.
///
/// Repeating an event changes nothing the second time: `event_id` makes every effect repeatable. Optional fields that
/// are empty are left out of the JSON. [wire-format.md](https://github.com/alphafusion/tracing-issues/blob/main/docs/wire-format.md)
/// has the table of all fields, and what the server makes of them.
///
/// A service sees it in [`Builder::before_send`](crate::Builder::before_send), where secrets are gone already.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IssueEvent {
    /// [`WIRE_VERSION`] for our producers; absent in events of others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v: Option<u8>,
    /// What this event does.
    pub op: Op,
    /// Identifies the event for ever; UUIDv7, so it also sorts by time.
    pub event_id: Uuid,
    /// Identity of the issue; absent for `op: create` by a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
    /// The issue that this event belongs to, as every party computes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issue_id: Option<IssueId>,
    /// What people read first; at most [`MAX_TITLE_CHARS`] characters.
    pub title: String,
    /// Markdown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// What kind of work it is.
    #[serde(rename = "type")]
    pub issue_type: IssueType,
    /// How soon it matters.
    pub priority: Priority,
    /// How bad one occurrence is.
    pub severity: Severity,
    /// `{service}-service` for services; stored as it is, no user needs to exist.
    pub reporter_id: String,
    /// The person who works on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assignee_id: Option<String>,
    /// Labels; `key:value` becomes a facet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The part of the service that failed.
    pub component: String,
    /// Fields of the event itself, types kept.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub context: Map<String, Value>,
    /// When the event was written, RFC 3339 with `Z`.
    pub created_at: Timestamp,
    /// Which road it came by.
    pub source: Source,
    /// How many errors this event stands for; 1 or more.
    pub occurrences: u64,
    /// When the first of them happened.
    pub first_at: Timestamp,
    /// When the last of them happened.
    pub last_at: Timestamp,
    /// The product that the service belongs to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub project: String,
    /// The service's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub service: String,
    /// `production`, `staging`, …
    #[serde(skip_serializing_if = "String::is_empty")]
    pub environment: String,
    /// The version of the service.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub release: String,
    /// The machine or pod.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub host: String,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// The thread's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub thread: String,
    /// The error chain, outermost first; at most 32 links.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error: Vec<ErrorLink>,
    /// The enclosing spans, root first; at most 32, the nearest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<SpanRecord>,
    /// The last events before the error in the same span tree, oldest first; empty unless
    /// [`Builder::breadcrumbs`](crate::Builder::breadcrumbs) asks for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub breadcrumbs: Vec<Breadcrumb>,
    /// Where in the source it was reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// A backtrace as text: of a panic, or one that an error's text brought along. At most 32,000 characters.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backtrace: String,
    /// W3C trace id, 32 hexadecimal digits; with the feature `opentelemetry`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub trace_id: String,
    /// W3C span id of the nearest span, 16 hexadecimal digits.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub span_id: String,
    /// Errors lost in the producer since its previous event, by reason: the fields of [`Dropped`](crate::Dropped).
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "serialize_pairs")]
    pub dropped_before: Vec<(String, u64)>,
}

impl IssueEvent {
    /// An event with this title, everything else at its default, standing for one occurrence at `at`.
    pub fn new(title: &str, at: Timestamp) -> Self {
        Self {
            v: Some(WIRE_VERSION),
            op: Op::Occurrence,
            event_id: Uuid::now_v7(),
            fingerprint: None,
            issue_id: None,
            title: truncate_chars(title, MAX_TITLE_CHARS),
            description: String::new(),
            issue_type: IssueType::Bug,
            priority: Priority::Medium,
            severity: Severity::Error,
            reporter_id: "system".to_owned(),
            assignee_id: None,
            tags: Vec::new(),
            component: String::new(),
            context: Map::new(),
            created_at: at,
            source: Source::Service,
            occurrences: 1,
            first_at: at,
            last_at: at,
            project: String::new(),
            service: String::new(),
            environment: String::new(),
            release: String::new(),
            host: String::new(),
            pid: None,
            thread: String::new(),
            error: Vec::new(),
            spans: Vec::new(),
            breadcrumbs: Vec::new(),
            location: None,
            backtrace: String::new(),
            trace_id: String::new(),
            span_id: String::new(),
            dropped_before: Vec::new(),
        }
    }

    /// The Kafka record key: all that concerns one issue is on one partition, in order.
    pub fn record_key(&self) -> String {
        match &self.fingerprint {
            Some(fingerprint) => fingerprint.to_string(),
            None => self.issue_id.as_ref().map_or_else(|| self.event_id.to_string(), ToString::to_string),
        }
    }

    /// The event as one line of JSON.
    ///
    /// # Errors
    /// Only if serialisation itself fails, which no value of this type makes happen.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// One link of an error chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorLink {
    /// The error's type, as far as it can be known; empty otherwise.
    pub kind: String,
    /// What `Display` says.
    pub message: String,
}

/// The type of an error: the outermost one of its chain that is known, since wrappers such as anyhow's hide theirs.
#[doc(hidden)]
pub fn error_kind(chain: &[ErrorLink]) -> &str {
    chain.iter().map(|link| link.kind.as_str()).find(|kind| !kind.is_empty()).unwrap_or_default()
}

/// One span that enclosed the error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanRecord {
    /// The span's name.
    pub name: String,
    /// The span's target.
    pub target: String,
    /// Its fields, later records included.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

/// One event that led up to the error.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Breadcrumb {
    /// When it happened.
    pub at: Timestamp,
    /// Its level, in lower case.
    pub level: String,
    /// Its message, and its fields as `name=value` behind it; at most 512 characters.
    pub message: String,
}

/// Where in the source an error was reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Location {
    /// Module path.
    pub module: String,
    /// File, as the compiler saw it.
    pub file: String,
    /// Line; not part of the identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// A word that none of the accepted ones matches.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is none of {expected}")]
pub struct UnknownWord {
    /// What was found.
    pub found: String,
    /// The accepted words, separated by commas.
    pub expected: &'static str,
}

/// Declares an enum whose values are fixed words in JSON, in the stores, in URLs and on pages.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every value, in declaration order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word that stands for the value everywhere outside the process.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(word: &str) -> Result<Self, UnknownWord> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(UnknownWord { found: truncate_chars(word, 40), expected: concat!($($word, " "),+).trim_ascii_end() }),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(self.as_str()) }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }
    };
}

words! {
    /// What an event does to its issue.
    Op {
        /// Something happened: create the issue, or count it.
        Occurrence = "occurrence",
        /// A person writes an issue.
        Create = "create",
        /// A person or service comments on an issue.
        Comment = "comment",
    }
}

words! {
    /// What kind of work an issue is.
    IssueType {
        /// Something is broken; what errors become.
        Bug = "bug",
        /// Something new is wanted.
        Feature = "feature",
        /// Something has to be done.
        Task = "task",
        /// Something could be better.
        Enhancement = "enhancement",
    }
}

words! {
    /// How soon an issue matters; ordered.
    Priority {
        /// When there is time.
        Low = "low",
        /// Soon; the default.
        Medium = "medium",
        /// Next.
        High = "high",
        /// Now.
        Critical = "critical",
    }
}

words! {
    /// How bad one occurrence is; ordered.
    Severity {
        /// WARN.
        Warning = "warning",
        /// ERROR.
        Error = "error",
        /// A panic, or marked so by a field.
        Critical = "critical",
    }
}

words! {
    /// Which road an event came by.
    Source {
        /// A service's error layer, or another producer on the topic.
        Service = "service",
        /// The dashboard's form.
        Web = "web",
        /// `POST /api/v1/issues`.
        Api = "api",
        /// A command line.
        Cli = "cli",
    }
}

impl Severity {
    /// The priority of an issue whose producer gave none.
    pub const fn default_priority(self) -> Priority {
        match self {
            Self::Warning => Priority::Low,
            Self::Error => Priority::Medium,
            Self::Critical => Priority::Critical,
        }
    }
}

/// `text` cut to at most `max` characters, the last of them `…` if anything was cut.
#[doc(hidden)]
pub fn truncate_chars(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

fn serialize_pairs<S: Serializer>(pairs: &[(String, u64)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(reason, count)| (reason, count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_event_is_small_json() {
        let at: Timestamp = "2026-01-04T23:30:50.123456Z".parse().unwrap();
        let event = IssueEvent { event_id: Uuid::nil(), ..IssueEvent::new("feed stalled", at) };
        let json: Value = serde_json::from_slice(&event.to_json().unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "v": 1, "op": "occurrence", "event_id": "00000000-0000-0000-0000-000000000000",
                "title": "feed stalled", "type": "bug", "priority": "medium", "severity": "error",
                "reporter_id": "system", "component": "", "source": "service", "occurrences": 1,
                "created_at": "2026-01-04T23:30:50.123456Z",
                "first_at": "2026-01-04T23:30:50.123456Z", "last_at": "2026-01-04T23:30:50.123456Z",
            })
        );
    }

    #[test]
    fn titles_are_cut_by_characters_with_a_marker() {
        let event = IssueEvent::new(&"é".repeat(301), Timestamp::UNIX_EPOCH);
        assert_eq!(event.title.chars().count(), MAX_TITLE_CHARS);
        assert!(event.title.ends_with("é…"));
        assert_eq!(truncate_chars("short", 5), "short");
    }

    #[test]
    fn an_unknown_word_names_the_accepted_ones() {
        let error = "urgent".parse::<Priority>().unwrap_err();
        assert_eq!(error.to_string(), "`urgent` is none of low medium high critical");
    }
}
