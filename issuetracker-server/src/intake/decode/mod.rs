//! From bytes to an [`Occurrence`]: a tolerant reader of the wire format, for our producers and for everybody else's.
//! Only what cannot be read at all is [`Invalid`]; everything else is repaired, and each repair is counted by field.

mod lenient;
pub(super) mod secrets;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tracing_issues::{
    event::{Breadcrumb, ErrorLink, Location, MAX_TITLE_CHARS, Op, SpanRecord, error_kind, truncate_chars},
    fingerprint::Identity,
};
use uuid::Uuid;

use super::fields::{Fields, MAX_SHORT_CHARS, bounded};
use crate::{
    domain::{Details, Effect, Fingerprint, IssueId, IssueType, Occurrence, Severity, Source, clean, to_micros},
    metrics,
};

/// The largest event that is read: what fits a Kafka record by default, with its key and headers.
pub const MAX_EVENT_BYTES: usize = 1_000_000;
/// Producers' clocks may be ahead by so much before their times are replaced.
const MAX_CLOCK_AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// The largest record of one occurrence; Firestore refuses documents of 1 MiB.
const MAX_RECORD_BYTES: usize = 256 * 1024;
/// What is older than this when it arrives comes from a clock that was never set.
const MAX_CLOCK_BEHIND: SignedDuration = SignedDuration::from_hours(3_650 * 24);
/// What is older than this comes from a clock that is behind, or was kept somewhere for long: people are told.
const LATE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// More repeats than this in one event are a mistake of its producer.
const MAX_COUNT: u64 = 1_000_000_000;

/// Why an event cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// More bytes than are read.
    #[error("{0} bytes are more than {MAX_EVENT_BYTES}")]
    TooLarge(usize),
    /// Not text.
    #[error("not UTF-8")]
    NotUtf8,
    /// Not JSON, or nested deeper than 128 levels.
    #[error("not JSON: {0}")]
    NotJson(String),
    /// JSON, but no object.
    #[error("not a JSON object; send one object per line")]
    NotAnObject,
    /// Nothing that people could read.
    #[error("neither `title` nor `description` has text")]
    NoTitle,
    /// A comment that names no issue, or one that is not there.
    #[error("a comment needs the `issue_id` of an issue that is there")]
    NoIssue,
    /// Readable, but nothing that the store can take.
    #[error("the store cannot take it")]
    Refused,
    /// It was sent with the key of this service.
    #[error("`service` must be {0}: the key that it was sent with is for no other")]
    OtherService(String),
    /// The process died with it, and with nothing else, several times in a row.
    #[error("it was being taken at {0} starts in a row that ended abnormally")]
    CrashSuspect(u32),
}

impl Invalid {
    /// The word for it in headers, metrics and answers.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::TooLarge(_) => "too_large",
            Self::NotUtf8 => "not_utf8",
            Self::NotJson(_) => "not_json",
            Self::NotAnObject => "not_an_object",
            Self::NoTitle => "no_title",
            Self::NoIssue => "no_issue",
            Self::Refused => "refused_by_store",
            Self::OtherService(_) => "other_service",
            Self::CrashSuspect(_) => "crash_suspect",
        }
    }
}

/// Where an event was found: it dates and identifies events that do not do so themselves.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// A Kafka record; found again at the same place it is the same event.
    Record {
        /// The topic.
        topic: &'a str,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// The record's own timestamp, if it has one.
        timestamp_ms: Option<i64>,
    },
    /// A request; without an id of its own each is a new event.
    Request,
}

/// Reads one event that arrived at `now`.
///
/// # Errors
/// If it cannot be read at all.
pub fn decode(bytes: &[u8], place: Place<'_>, now: Timestamp) -> Result<Occurrence, Invalid> {
    if bytes.len() > MAX_EVENT_BYTES {
        return Err(Invalid::TooLarge(bytes.len()));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Invalid::NotUtf8)?;
    // A byte order mark is how some languages begin a text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let again = lenient::repair(text).and_then(|repaired| serde_json::from_str(&repaired).ok());
            metrics::repaired("json");
            again.ok_or_else(|| Invalid::NotJson(error.to_string()))?
        }
    };
    let Value::Object(mut object) = value else { return Err(Invalid::NotAnObject) };
    secrets::redact(&mut object);
    let mut fields = Fields::of(object);

    let (full_title, mut description) = (fields.text("title"), fields.text("description"));
    let title = title_of(&full_title, &description).ok_or(Invalid::NoTitle)?;
    if description.is_empty() && title != full_title.trim() {
        // A title of several lines, or a very long one: nothing of it is lost.
        description = full_title;
    }
    let op = fields.word("op").unwrap_or(Op::Occurrence);
    let event_id = fields.event_id().unwrap_or_else(|| derived_id(place, bytes));
    let severity = fields.word("severity").unwrap_or(Severity::Error);
    let priority = fields.word("priority").unwrap_or(severity.default_priority());
    let reporter_id = some_text(fields.short("reporter_id")).unwrap_or_else(|| "system".to_owned());
    let service = some_text(fields.short("service"))
        .or_else(|| reporter_id.strip_suffix("-service").map(str::to_owned))
        .unwrap_or_default();
    let (project, component) = (fields.short("project"), fields.short("component"));

    let arrived_at = match place {
        Place::Record { timestamp_ms: Some(millis), .. } => Timestamp::from_millisecond(millis).unwrap_or(now),
        _ => now,
    };
    // By the time of arrival, so that a record means the same whenever it is read again.
    let (earliest, latest) = (arrived_at.min(now) - MAX_CLOCK_BEHIND, arrived_at.min(now) + MAX_CLOCK_AHEAD);
    let mut time = |name, default: Timestamp| match fields.time(name) {
        // A clock in the future would keep the issue on top of every list.
        Some(time) if time > latest || time < earliest => {
            fields.repair(name, time.to_string().into());
            arrived_at.min(latest)
        }
        Some(time) => time,
        None => default,
    };
    let created_at = time("created_at", arrived_at);
    let last_at = time("last_at", created_at);
    let first_at = time("first_at", created_at.min(last_at)).min(last_at);

    let error = fields.error_chain();
    let location = fields.location();
    let custom = some_text(fields.text("fingerprint"));
    let identity = Identity {
        project: &project,
        service: &service,
        component: &component,
        kind: error_kind(&error),
        message: &title,
        root_cause: error.last().map_or("", |link| &link.message),
        module: location.as_ref().map_or("", |location| &location.module),
        file: location.as_ref().map_or("", |location| &location.file),
    };
    let named_issue = fields.text("issue_id").parse::<IssueId>().ok();
    let (effect, fingerprint, issue_id) = match op {
        Op::Create => (Effect::Created, None, IssueId::from(event_id)),
        Op::Occurrence => {
            let fingerprint = match &custom {
                None => Fingerprint::of(&identity),
                Some(custom) => custom.parse().unwrap_or_else(|_| Fingerprint::custom(custom, &identity)),
            };
            (Effect::Occurred, Some(fingerprint), fingerprint.issue_id())
        }
        Op::Comment => {
            let by_fingerprint = || custom.as_ref()?.parse::<Fingerprint>().ok().map(|found| found.issue_id());
            (Effect::Commented, None, named_issue.or_else(by_fingerprint).ok_or(Invalid::NoIssue)?)
        }
    };

    let mut former_issue_ids = fields.former_issue_ids();
    former_issue_ids.retain(|former| effect == Effect::Occurred && *former != issue_id);

    let details = Details {
        error,
        spans: fields.spans(),
        breadcrumbs: fields.breadcrumbs(),
        location,
        backtrace: fields.text("backtrace"),
        trace_id: fields.short("trace_id"),
        span_id: fields.short("span_id"),
        host: fields.short("host"),
        pid: fields.number("pid").and_then(|pid| u32::try_from(pid).ok()),
        thread: fields.short("thread"),
        dropped_before: fields.counts("dropped_before"),
        arrived_at: (last_at < arrived_at.min(now) - LATE).then_some(to_micros(arrived_at)),
        context: Map::new(),
    };
    let mut occurrence = Occurrence {
        event_id,
        issue_id,
        former_issue_ids,
        effect,
        count: fields.number("occurrences").unwrap_or(1).clamp(1, MAX_COUNT),
        first_at: to_micros(first_at),
        last_at: to_micros(last_at),
        title,
        description,
        issue_type: fields.word("type").unwrap_or(IssueType::Bug),
        priority,
        severity,
        reporter_id,
        assignee_id: some_text(fields.short("assignee_id")),
        tags: fields.tags(),
        component,
        source: fields.word("source").unwrap_or(Source::Service),
        project,
        service,
        environment: fields.short("environment"),
        release: fields.short("release"),
        fingerprint,
        details,
    };
    // Last: it takes over whatever nobody else has read.
    occurrence.details.context = fields.into_context();
    fit(&mut occurrence);
    Ok(occurrence)
}

/// Leaves out details until the record of the occurrence fits every store, and says so. What identifies the problem
/// stays.
fn fit(occurrence: &mut Occurrence) {
    let leave_out: [fn(&mut Details); 5] = [
        |details| details.breadcrumbs.clear(),
        |details| details.spans.iter_mut().for_each(|span| span.fields.clear()),
        |details| details.context.clear(),
        |details| {
            details.backtrace = truncate_chars(&details.backtrace, 8_000);
            details.error.iter_mut().for_each(|link| link.message = truncate_chars(&link.message, 1_000));
        },
        |details| *details = Details::default(),
    ];
    for leave_out in leave_out {
        if Value::Object(occurrence.record()).to_string().len() <= MAX_RECORD_BYTES {
            return;
        }
        leave_out(&mut occurrence.details);
        metrics::repaired("details");
        occurrence
            .details
            .context
            .insert("truncated".to_owned(), "the event was too large; details were left out".into());
    }
}

/// The first line of the title, or of the description if there is no title.
fn title_of(title: &str, description: &str) -> Option<String> {
    let line = |text: &str| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    let title = line(title).or_else(|| line(description))?;
    Some(truncate_chars(&title, MAX_TITLE_CHARS))
}

fn some_text(text: String) -> Option<String> {
    (!text.trim().is_empty()).then_some(text)
}

/// The id of an event that brings none: the same for the same record, whoever reads it and however often.
fn derived_id(place: Place<'_>, payload: &[u8]) -> Uuid {
    let Place::Record { topic, partition, offset, timestamp_ms } = place else { return Uuid::now_v7() };
    let hash = Sha256::new()
        .chain_update(topic)
        .chain_update([0])
        .chain_update(partition.to_le_bytes())
        .chain_update(offset.to_le_bytes())
        .chain_update(timestamp_ms.unwrap_or(-1).to_le_bytes())
        .chain_update(payload)
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    Uuid::new_v8(bytes)
}

/// RFC 3339; without a zone it is UTC; with a space for the `T` as Python and SQL write it; or seconds or milliseconds.
pub(super) fn parse_time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => text
            .parse::<Timestamp>()
            .ok()
            .or_else(|| text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())),
        // Seconds until the year 5138, milliseconds since 1973.
        Value::Number(number) => match number.as_i64() {
            Some(seconds @ -99_999_999_999..=99_999_999_999) => Timestamp::from_second(seconds).ok(),
            Some(millis) => Timestamp::from_millisecond(millis).ok(),
            None => {
                let number = number.as_f64()?;
                let seconds = if number.abs() < 1e11 { number } else { number / 1e3 };
                let micros = SignedDuration::try_from_secs_f64((seconds * 1e6).round() / 1e6).ok()?;
                Timestamp::from_duration(micros).ok()
            }
        },
        _ => None,
    }
}

impl Fields {
    fn time(&mut self, name: &'static str) -> Option<Timestamp> {
        let value = self.take(name)?;
        let time = parse_time(&value);
        if time.is_none() {
            self.repair(name, value);
        }
        time
    }

    fn event_id(&mut self) -> Option<Uuid> {
        let value = self.take("event_id")?;
        let id = value.as_str().and_then(|text| text.parse::<Uuid>().ok()).filter(|id| !id.is_nil());
        if id.is_none() {
            self.repair("event_id", value);
        }
        id
    }

    /// `[{kind, message}]` as we write it; a text or a list of texts as others do.
    fn error_chain(&mut self) -> Vec<ErrorLink> {
        let links = match self.take("error") {
            Some(Value::Array(links)) => links,
            Some(single @ (Value::String(_) | Value::Object(_))) => vec![single],
            Some(other) => {
                self.repair("error", other);
                return Vec::new();
            }
            None => return Vec::new(),
        };
        let link = |link: &Value| match link {
            Value::String(message) => {
                ErrorLink { kind: String::new(), message: truncate_chars(&clean(message), 8_000) }
            }
            link => {
                // `type` and `name` are how other languages call it.
                let kind =
                    ["kind", "type", "name"].map(|name| member(link, name)).into_iter().find(|kind| !kind.is_empty());
                ErrorLink { kind: kind.unwrap_or_default(), message: member(link, "message") }
            }
        };
        links.iter().take(32).map(link).collect()
    }

    fn spans(&mut self) -> Vec<SpanRecord> {
        let spans = self.list("spans");
        let span = |span: &Value| SpanRecord {
            name: member(span, "name"),
            target: member(span, "target"),
            fields: span.get("fields").and_then(Value::as_object).map(bounded).unwrap_or_default(),
        };
        spans.iter().take(32).map(span).collect()
    }

    fn breadcrumbs(&mut self) -> Vec<Breadcrumb> {
        let crumbs = self.list("breadcrumbs");
        let crumb = |crumb: &Value| {
            let at = parse_time(crumb.get("at")?)?;
            Some(Breadcrumb { at, level: member(crumb, "level"), message: member(crumb, "message") })
        };
        crumbs.iter().take(100).filter_map(crumb).collect()
    }

    fn location(&mut self) -> Option<Location> {
        let location = self.take("location")?;
        if !location.is_object() {
            self.repair("location", location);
            return None;
        }
        let line = location.get("line").and_then(Value::as_u64).and_then(|line| u32::try_from(line).ok());
        Some(Location { module: member(&location, "module"), file: member(&location, "file"), line })
    }

    /// Strings; one string is split at its commas, other scalars are written out.
    fn tags(&mut self) -> Vec<String> {
        let tags = match self.take("tags") {
            Some(Value::Array(tags)) => tags.iter().filter_map(scalar).collect(),
            Some(Value::String(tags)) => tags.split(',').map(str::to_owned).collect(),
            Some(Value::Object(tags)) => {
                tags.iter().filter_map(|(key, value)| Some(format!("{key}:{}", scalar(value)?))).collect()
            }
            Some(other) => {
                self.repair("tags", other);
                Vec::new()
            }
            None => Vec::new(),
        };
        let tidy = |tag: &String| Some(truncate_chars(clean(tag).trim(), 200)).filter(|tag| !tag.is_empty());
        tags.iter().filter_map(tidy).take(100).collect()
    }

    /// The issues of the fingerprints that older rules of grouping gave to the same error.
    fn former_issue_ids(&mut self) -> Vec<IssueId> {
        let former = self.list("former_fingerprints");
        let issue_id = |value: &Value| Some(value.as_str()?.parse::<Fingerprint>().ok()?.issue_id());
        former.iter().filter_map(issue_id).take(8).collect()
    }

    fn counts(&mut self, name: &'static str) -> Vec<(String, u64)> {
        let Some(Value::Object(counts)) = self.take(name) else { return Vec::new() };
        counts
            .iter()
            .filter_map(|(key, value)| Some((truncate_chars(&clean(key), 60), value.as_u64()?)))
            .take(20)
            .collect()
    }
}

/// A text inside an object; names are short, messages are what a value may be.
fn member(value: &Value, name: &str) -> String {
    let max = if name == "message" { 8_000 } else { MAX_SHORT_CHARS };
    value.get(name).and_then(scalar).map(|text| truncate_chars(&clean(&text), max)).unwrap_or_default()
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
