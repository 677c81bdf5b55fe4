//! One dead letter: what the topic tells of a record that could not be read, and what reading it says now. Not how letters
//! are found (`broker`), nor how they are sent again (`replay`).

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Mark, text};
use crate::{
    domain::Occurrence,
    intake::decode::{self, Invalid, Place},
    metrics,
};

/// How much of a letter is shown, in characters: as a row, and by itself.
const ROW_CHARS: usize = 300;
const WHOLE_CHARS: usize = 64 * 1024;
/// Headers, keys and names are shown up to here.
const SHORT_CHARS: usize = 1_000;
/// The reason of records that were in work when the process died. Reading them is what may have killed it.
pub(super) const CRASH_SUSPECT: &str = "crash_suspect";

/// A letter's place in the dead-letter topic, which is its id: `0-17`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LetterId {
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.offset)
    }
}

/// The text names no letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a letter's id is its partition and offset, such as 0-17")]
pub struct NoLetterId;

impl FromStr for LetterId {
    type Err = NoLetterId;

    fn from_str(text: &str) -> Result<Self, NoLetterId> {
        let number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
        let (partition, offset) = text.split_once('-').filter(|(a, b)| number(a) && number(b)).ok_or(NoLetterId)?;
        Ok(Self {
            partition: partition.parse().map_err(|_| NoLetterId)?,
            offset: offset.parse().map_err(|_| NoLetterId)?,
        })
    }
}

impl Serialize for LetterId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A record of the dead-letter topic as it stands there.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) id: LetterId,
    pub(super) written_at_ms: Option<i64>,
    pub(super) key: Option<Vec<u8>>,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) payload: Vec<u8>,
}

impl Record {
    fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.iter().find(|(key, _)| key == name)?;
        std::str::from_utf8(&value.1).ok()
    }

    pub(super) fn reason(&self) -> &str {
        self.header("reason").unwrap_or_default()
    }

    /// When the original record was written, as far as that is known: it dates events that do not do so themselves.
    pub(super) fn arrived_at(&self) -> Option<Timestamp> {
        let original = self.header("timestamp").and_then(|millis| millis.parse().ok());
        original.or(self.written_at_ms).and_then(|millis| Timestamp::from_millisecond(millis).ok())
    }

    pub(super) fn is_cut(&self) -> bool {
        self.header("original-length").is_some()
    }

    /// What reading the original says now, at the place where it stood: so an event without an id has the id that it had.
    pub(super) fn read(&self, now: Timestamp) -> Reading {
        if self.is_cut() {
            return Reading::Cut;
        }
        let number = |name| self.header(name).and_then(|text| text.parse().ok());
        let place = Place::Record {
            topic: self.header("topic").unwrap_or_default(),
            partition: number("partition").and_then(|partition| i32::try_from(partition).ok()).unwrap_or(-1),
            offset: number("offset").unwrap_or(-1),
            timestamp_ms: number("timestamp"),
        };
        // Looking at it is no repair of anything.
        match metrics::uncounted(|| decode::decode(&self.payload, place, now)) {
            Ok(occurrence) => Reading::Event(Box::new(occurrence)),
            Err(invalid) => Reading::Invalid(invalid),
        }
    }
}

/// What reading the original says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// It is an event.
    Event(Box<Occurrence>),
    /// It still is none.
    Invalid(Invalid),
    /// Only its head was kept.
    Cut,
    /// Reading it may have ended the process before, so it is not read unasked.
    Untried,
}

impl Reading {
    /// Why the event would not be accepted now; empty if it would.
    pub fn why_not(&self) -> String {
        match self {
            Self::Event(_) => String::new(),
            Self::Invalid(invalid) => text::shown(invalid.to_string().as_bytes(), SHORT_CHARS).0,
            Self::Cut => "only the head of it was kept".to_owned(),
            Self::Untried => {
                "reading it may have ended the server before, so it is only read when it is replayed".to_owned()
            }
        }
    }
}

/// A letter as people and programs see it: without secrets, and without anything that is not seen.
#[derive(Debug, Clone, Serialize)]
pub struct Letter {
    /// Where it stands.
    pub id: LetterId,
    /// The word for why.
    pub reason: String,
    /// The same in a sentence.
    pub error: String,
    /// Where the original stood.
    pub topic: String,
    /// Likewise.
    pub partition: Option<i32>,
    /// Likewise.
    pub offset: Option<i64>,
    /// When the original was written.
    #[serde(serialize_with = "time")]
    pub timestamp: Option<Timestamp>,
    /// When the letter was written.
    #[serde(serialize_with = "time")]
    pub dead_at: Option<Timestamp>,
    /// Bytes that were kept.
    pub size: usize,
    /// Bytes of the original, if not all were kept.
    pub original_length: Option<u64>,
    /// Their SHA-256, likewise.
    pub original_sha256: Option<String>,
    /// The key of the original.
    pub key: Option<String>,
    /// All that the topic tells of it.
    pub headers: Map<String, Value>,
    /// Who wrote it, as far as it can be told.
    pub producer: String,
    /// What was written.
    pub text: String,
    /// Whether that is less than `size`.
    pub text_cut: bool,
    /// What reading it says now.
    #[serde(rename = "event", serialize_with = "reading_as_result")]
    pub reading: Reading,
    /// What came of its replay, if there was one.
    #[serde(serialize_with = "mark_as_result")]
    pub replayed: Option<Mark>,
}

/// How much of a letter is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Enough to recognise it.
    Row,
    /// All that may be shown.
    Whole,
}

impl Letter {
    pub(super) fn of(record: &Record, extent: Extent, now: Timestamp) -> Self {
        let short = |bytes: &[u8]| text::shown(bytes, SHORT_CHARS).0;
        let header = |name| record.header(name).map(|value| short(value.as_bytes())).unwrap_or_default();
        let max_chars = if extent == Extent::Row { ROW_CHARS } else { WHOLE_CHARS };
        let (text, text_cut) = text::shown(&record.payload, max_chars);
        let reading = if record.reason() == CRASH_SUSPECT { Reading::Untried } else { record.read(now) };
        let key = record.key.as_deref().map(short);
        Self {
            id: record.id,
            reason: header("reason"),
            error: header("error"),
            topic: header("topic"),
            partition: record.header("partition").and_then(|partition| partition.parse().ok()),
            offset: record.header("offset").and_then(|offset| offset.parse().ok()),
            timestamp: record
                .header("timestamp")
                .and_then(|millis| millis.parse().ok())
                .and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            dead_at: record.written_at_ms.and_then(|millis| Timestamp::from_millisecond(millis).ok()),
            size: record.payload.len(),
            original_length: record.header("original-length").and_then(|length| length.parse().ok()),
            original_sha256: record.header("original-sha256").map(|hash| short(hash.as_bytes())),
            producer: producer(&reading, &text, key.as_deref()),
            key,
            headers: record.headers.iter().map(|(name, value)| (short(name.as_bytes()), short(value).into())).collect(),
            text,
            text_cut,
            reading,
            replayed: None,
        }
    }
}

impl Letter {
    /// The start of its text in one line.
    pub fn one_line(&self) -> String {
        self.text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(ROW_CHARS).collect()
    }

    /// What its event is called; empty if it is none.
    pub fn title(&self) -> String {
        match &self.reading {
            Reading::Event(event) => title_of(event),
            _ => String::new(),
        }
    }

    /// How much was kept of how much.
    pub fn size_text(&self) -> String {
        match self.original_length {
            Some(length) => format!("{} of {length}", self.size),
            None => self.size.to_string(),
        }
    }
}

fn title_of(event: &Occurrence) -> String {
    text::shown(event.title.as_bytes(), SHORT_CHARS).0
}

/// What the event says, or its text where it is none, or its key.
fn producer(reading: &Reading, text: &str, key: Option<&str>) -> String {
    let told = match reading {
        Reading::Event(event) if !event.service.is_empty() => Some(text::shown(event.service.as_bytes(), 60).0),
        Reading::Event(event) => Some(text::shown(event.reporter_id.as_bytes(), 60).0),
        _ => ["service", "reporter_id", "source"].iter().find_map(|name| member(text, name)),
    };
    told.or_else(|| key.map(|key| key.chars().take(60).collect())).unwrap_or_default()
}

/// The text that follows `"name":`, in what need not be JSON.
fn member(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("\"{name}\""))?;
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let value: String = value.chars().take_while(|c| *c != '"').take(60).collect();
    Some(value).filter(|value| !value.is_empty())
}

fn time<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.map(|at| at.to_string()).serialize(serializer)
}

fn mark_as_result<S: Serializer>(mark: &Option<Mark>, serializer: S) -> Result<S::Ok, S::Error> {
    let result = |Mark { at, by, outcome, event_id, issue_id, dead_at_ms: _ }: &Mark| serde_json::json!({"at": at, "by": by, "status": outcome, "event_id": event_id, "issue_id": issue_id});
    mark.as_ref().map(result).serialize(serializer)
}

/// The shape of a result of `POST /api/v1/events`, as far as it goes.
fn reading_as_result<S: Serializer>(reading: &Reading, serializer: S) -> Result<S::Ok, S::Error> {
    let refused = |accepted: Option<bool>, code: &str| serde_json::json!({"accepted": accepted, "code": code, "reason": reading.why_not()});
    let result = match reading {
        Reading::Event(event) => serde_json::json!({
            "accepted": true,
            "event_id": event.event_id.to_string(),
            "issue_id": event.issue_id.as_str(),
            "title": title_of(event),
        }),
        Reading::Invalid(invalid) => refused(Some(false), invalid.reason()),
        Reading::Cut => refused(Some(false), "cut"),
        Reading::Untried => refused(None, "not_tried"),
    };
    result.serialize(serializer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(reason: &str, payload: &[u8]) -> Record {
        let headers = [
            ("reason", reason),
            ("error", "why it is none"),
            ("topic", "alphafusion.issues"),
            ("partition", "3"),
            ("offset", "41"),
            ("timestamp", "1780000000000"),
        ];
        Record {
            id: LetterId { partition: 0, offset: 17 },
            written_at_ms: Some(1_780_000_001_000),
            key: None,
            headers: headers.map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec())).into(),
            payload: payload.to_vec(),
        }
    }

    fn letter(payload: &[u8]) -> Letter {
        Letter::of(&record("not_json", payload), Extent::Whole, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn ids_are_places() {
        let id = LetterId { partition: 0, offset: 17 };
        assert_eq!(("0-17".parse(), id.to_string()), (Ok(id), "0-17".to_owned()));
        for text in ["", "0", "-1-2", "0--1", "0-", "a-1", "0-1-2", "0-99999999999999999999", "+0-1"] {
            assert_eq!(text.parse::<LetterId>(), Err(NoLetterId), "{text}");
        }
    }

    #[test]
    fn the_producer_is_told_by_the_event_its_text_or_its_key() {
        assert_eq!(letter(br#"{"title": "x", "reporter_id": "newsfeed-service"}"#).producer, "newsfeed");
        assert_eq!(letter(br#"{"title": "x", "service" : "orders", broken"#).producer, "orders");
        assert_eq!(letter(b"broken").producer, "");
        let keyed = Record { key: Some(b"a\x1bb".to_vec()), ..record("not_json", b"broken") };
        assert_eq!(Letter::of(&keyed, Extent::Row, Timestamp::UNIX_EPOCH).producer, "a\\u{1b}b");
    }

    #[test]
    fn an_event_without_an_id_has_the_id_of_its_place() {
        let payload = br#"{"title": "feed stalled"}"#;
        let there = Place::Record {
            topic: "alphafusion.issues",
            partition: 3,
            offset: 41,
            timestamp_ms: Some(1_780_000_000_000),
        };
        let expected = decode::decode(payload, there, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(record("refused_by_store", payload).read(Timestamp::UNIX_EPOCH), Reading::Event(Box::new(expected)));
    }

    #[test]
    fn a_crash_suspect_is_not_read_unasked() {
        let suspect = record(CRASH_SUSPECT, br#"{"title": "feed stalled"}"#);
        assert_eq!(Letter::of(&suspect, Extent::Row, Timestamp::UNIX_EPOCH).reading, Reading::Untried);
        assert!(matches!(suspect.read(Timestamp::UNIX_EPOCH), Reading::Event(_)));
    }

    #[test]
    fn nothing_of_it_shows_secrets_or_steers() {
        let mut record = record("not_json", br#"{"title": "x", "password": "hunter2", "note": "\x1b"#);
        record.key = Some(b"password=hunter2\x1b[2J".to_vec());
        record.headers.push(("x\x1b".to_owned(), b"password=hunter2\x1b[2J".to_vec()));
        record.headers[1].1 = b"not JSON near password=hunter2\x1b[2J".to_vec();
        for extent in [Extent::Row, Extent::Whole] {
            let json = serde_json::to_string(&Letter::of(&record, extent, Timestamp::UNIX_EPOCH)).unwrap();
            assert!(!json.contains("hunter2") && !json.contains("\\u001b"), "{json}");
            assert!(json.contains("[redacted]"), "{json}");
        }
    }
}
