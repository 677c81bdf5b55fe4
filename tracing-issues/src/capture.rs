//! From a tracing event and its span scope to an owned [`Report`]. Runs on the caller's thread, so it formats each
//! value once, within bounds, and never while a lock is held: a field's `Debug` is foreign code.
//! It decides nothing: what the report means is worked out on the worker, in [`categorise`](crate::categorise).

use std::{
    error::Error,
    fmt::{self, Write as _},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread::{self, Thread},
};

use jiff::Timestamp;
use serde_json::Value;
use tracing::{
    Event, Metadata,
    field::{Field, Visit},
};
use tracing_log::NormalizeEvent;
use tracing_subscriber::{
    layer::Context,
    registry::{LookupSpan, SpanRef},
};

use crate::event::ErrorLink;

/// The most bytes kept of one value; the rest is never even formatted.
pub(crate) const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most fields kept of one event or span.
const MAX_FIELDS: usize = 64;
/// The most spans kept of one scope, nearest first.
const MAX_SPANS: usize = 32;
/// The most links kept of one error chain.
const MAX_CHAIN: usize = 32;

/// Recorded fields in the order they were recorded, each name once.
pub(crate) type Fields = Vec<(&'static str, Value)>;

/// One error as capture took it, in process. What can be looked up later is kept as it is, not as text: that is the
/// worker's to write out.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    pub(crate) metadata: &'static Metadata<'static>,
    /// Where a record of the `log` crate says it comes from; all of them share one `metadata`.
    pub(crate) log_origin: Option<Box<LogOrigin>>,
    pub(crate) message: String,
    /// The chain of the first field that holds an error, outermost first.
    pub(crate) error: Vec<ErrorLink>,
    pub(crate) fields: Fields,
    /// Root first.
    pub(crate) spans: Vec<Span>,
    pub(crate) thread: Thread,
}

/// A span around the error.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) metadata: &'static Metadata<'static>,
    pub(crate) fields: Arc<Fields>,
}

/// The place that a record of the `log` crate names.
#[derive(Debug, Clone)]
pub(crate) struct LogOrigin {
    pub(crate) target: String,
    pub(crate) module: Option<String>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
}

impl Report {
    /// Captures `event` with the fields of every enclosing span.
    pub(crate) fn of<S>(event: &Event<'_>, ctx: &Context<'_, S>) -> Self
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let mut fields = FieldVisitor::default();
        event.record(&mut fields);
        let mut spans: Vec<Span> =
            ctx.event_scope(event).into_iter().flatten().take(MAX_SPANS).map(|span| Span::of(&span)).collect();
        spans.reverse();
        let log_origin = event.normalized_metadata().map(|metadata| {
            Box::new(LogOrigin {
                target: metadata.target().to_owned(),
                module: metadata.module_path().map(str::to_owned),
                file: metadata.file().map(str::to_owned),
                line: metadata.line(),
            })
        });
        Self {
            at: Timestamp::now(),
            metadata: event.metadata(),
            log_origin,
            message: fields.message,
            error: fields.error,
            fields: fields.fields,
            spans,
            thread: thread::current(),
        }
    }
}

impl Span {
    fn of<S: for<'a> LookupSpan<'a>>(span: &SpanRef<'_, S>) -> Self {
        let fields = span.extensions().get::<SpanFields>().map(|fields| Arc::clone(&fields.0)).unwrap_or_default();
        Self { metadata: span.metadata(), fields }
    }
}

/// The recorded fields of a live span, kept in its extensions. Reports share them; a later record makes a new version.
#[derive(Debug, Default)]
pub(crate) struct SpanFields(Arc<Fields>);

impl SpanFields {
    /// Formats the fields that `record` offers; the caller stores them afterwards, so that no lock is held meanwhile.
    pub(crate) fn record(record: impl FnOnce(&mut dyn Visit)) -> Self {
        let mut visitor = FieldVisitor::default();
        record(&mut visitor);
        let mut fields = visitor.fields;
        if !visitor.message.is_empty() {
            set(&mut fields, "message", Value::String(visitor.message));
        }
        // On a span an error is a field like others: only the event itself has a chain.
        if let Some(link) = visitor.error.into_iter().next() {
            set(&mut fields, "error", Value::String(link.message));
        }
        Self(Arc::new(fields))
    }

    /// Takes over what was recorded later.
    pub(crate) fn merge(&mut self, later: &Self) {
        let fields = Arc::make_mut(&mut self.0);
        for (name, value) in later.0.iter() {
            set(fields, name, value.clone());
        }
    }
}

/// Sets a field, within bounds.
fn set(fields: &mut Fields, name: &'static str, value: Value) {
    if let Some((_, known)) = fields.iter_mut().find(|(known, _)| *known == name) {
        *known = value;
    } else if fields.len() < MAX_FIELDS {
        fields.push((name, value));
    }
}

#[derive(Default)]
struct FieldVisitor {
    message: String,
    error: Vec<ErrorLink>,
    fields: Fields,
}

impl FieldVisitor {
    fn insert(&mut self, field: &Field, value: Value) {
        let name = field.name();
        // Fields of the `log` bridge are in the report's `log_origin`.
        if !name.starts_with("log.") {
            set(&mut self.fields, name.strip_prefix("r#").unwrap_or(name), value);
        }
    }

    fn text(&mut self, field: &Field, text: String, kind: impl FnOnce(&str) -> String) {
        match field.name() {
            "message" => self.message = text,
            "error" | "err" | "e" if self.error.is_empty() => {
                self.error.push(ErrorLink { kind: kind(&text), message: text });
            }
            _ => self.insert(field, Value::String(text)),
        }
    }
}

impl Visit for FieldVisitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // `?error` tells its type by its first word; `%error` arrives here too, and then the first word is no type name.
        self.text(field, bounded(format_args!("{value:?}"), MAX_VALUE_BYTES), type_name_of_debug);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, bounded(format_args!("{value}"), MAX_VALUE_BYTES), |_| String::new());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if self.error.iter().any(|link| !link.kind.is_empty()) || self.error.len() > 1 {
            return self.insert(field, Value::String(bounded(format_args!("{value}"), MAX_VALUE_BYTES)));
        }
        self.error = std::iter::successors(Some(value), |&error| error.source())
            .take(MAX_CHAIN)
            .map(|error| ErrorLink {
                kind: type_name_of(error),
                message: bounded(format_args!("{error}"), MAX_VALUE_BYTES),
            })
            .collect();
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.insert(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.insert(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity.
        self.insert(field, serde_json::Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.insert(field, value.into());
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.insert(field, value.to_string().into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.insert(field, value.to_string().into());
    }
}

/// The type of an error behind `dyn Error`: the concrete one where it is known, else the first word of its `Debug`.
fn type_name_of(error: &(dyn Error + 'static)) -> String {
    if let Some(io) = error.downcast_ref::<std::io::Error>() {
        return format!("io::Error({:?})", io.kind());
    }
    type_name_of_debug(&bounded(format_args!("{error:?}"), 128))
}

/// `ParseIntError { kind: InvalidDigit }` -> `ParseIntError`; text that does not start like a type gives nothing.
fn type_name_of_debug(debug: &str) -> String {
    let end = debug.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(debug.len());
    let (name, rest) = debug.split_at(end);
    let is_type = name.rsplit("::").next().is_some_and(|last| last.starts_with(|c: char| c.is_ascii_uppercase()))
        && (rest.is_empty() || rest.starts_with([' ', '(']) && rest.trim_start().starts_with(['{', '(']));
    // `Error` alone, without a path, says no more than that there was one.
    if is_type && name != "Error" { name.to_owned() } else { String::new() }
}

/// Formats foreign code within `max` bytes. A formatter that goes on after that is refused, one that panics is noted.
fn bounded(args: fmt::Arguments<'_>, max: usize) -> String {
    let mut text = Bounded { text: String::new(), max, is_cut: false };
    if catch_unwind(AssertUnwindSafe(|| text.write_fmt(args))).is_err() {
        text.text.push_str("<its formatting panicked>");
    }
    if text.is_cut {
        text.text.push('…');
    }
    text.text
}

struct Bounded {
    text: String,
    max: usize,
    is_cut: bool,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = self.max - self.text.len();
        if piece.len() <= room {
            self.text.push_str(piece);
            return Ok(());
        }
        self.text.push_str(&piece[..piece.floor_char_boundary(room)]);
        self.max = self.text.len();
        self.is_cut = true;
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_of_an_error_is_the_first_word_of_its_debug() {
        for (debug, name) in [
            ("ParseIntError { kind: InvalidDigit }", "ParseIntError"),
            ("reqwest::Error { kind: Request }", "reqwest::Error"),
            ("RecvError(())", "RecvError"),
            ("NotFound", "NotFound"),
            ("Error(\"expected value\", line: 1, column: 1)", ""),
            ("Connection refused (os error 111)", ""),
            ("invalid digit found in string", ""),
            ("", ""),
        ] {
            assert_eq!(type_name_of_debug(debug), name, "{debug}");
        }
    }

    #[test]
    fn io_errors_tell_their_kind() {
        let error = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert_eq!(type_name_of(&error), "io::Error(ConnectionRefused)");
    }

    /// A `Debug` without an end, as a cyclic structure would print it.
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("€€€")?;
            }
        }
    }

    #[test]
    fn a_value_without_end_is_cut_at_a_character() {
        let text = bounded(format_args!("{Endless}"), 100);
        assert_eq!(text, format!("{}…", "€".repeat(33)));
    }

    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            panic!("in Display")
        }
    }

    #[test]
    fn a_panic_while_formatting_stays_inside() {
        assert_eq!(bounded(format_args!("{Panics}"), 100), "half<its formatting panicked>");
    }
}
