//! From a window's errors to the event that is sent: title, severity, priority, component, tags, without secrets. Runs on
//! the worker. It takes nothing new from the process: what capture did not see is not here.

use std::{borrow::Cow, time::SystemTime};

use jiff::Timestamp;
use serde_json::{Map, Number, Value};
use tracing::{Level, Metadata};

use crate::{
    aggregate::{Due, Subject},
    breadcrumbs::{self, Crumb},
    error_text::ErrorText,
    event::{
        Breadcrumb, ErrorLink, IssueEvent, Location, MAX_TITLE_CHARS, Severity, SpanRecord, error_kind, truncate_chars,
    },
    fields,
    redact::Redactor,
    report::{self, Cause, Report},
};

/// The longest tag.
const MAX_TAG_CHARS: usize = 200;
/// The longest backtrace.
const MAX_BACKTRACE_CHARS: usize = 32_000;

/// What an issue says that stands for a place instead of an error.
const DESCRIPTION_OF_PLACE: &str = "This place reports more different errors than can be told apart: more than 100 new ones \
    within an hour, or more at once than the service could hand over. Further ones are counted here, so that they bury nothing else.\n\n\
    Usually the message contains something that differs each time. Put it into a field: `error!(order = %id, \"order refused\")`, \
    or give the event a `fingerprint` field.";

/// The process that reports: the same for every event.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) project: String,
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) release: String,
    pub(crate) host: String,
    pub(crate) pid: u32,
}

/// Makes the event that tells of a window's errors. Whatever secrets they brought are not in it.
pub(crate) fn categorise(due: &Due<'_>, origin: &Origin, redactor: &Redactor) -> IssueEvent {
    let Due { fingerprint, sample: report, .. } = *due;
    let redact = |text: &str| redactor.text(text).into_owned();
    let mut context = context_of(report, redactor);
    let mut tags = Vec::new();
    take_tags(&mut context, &mut tags);

    let (error, mut backtrace) = chain_of(report, &mut context, redactor);
    let whole = redact(report.message());
    let message = ErrorText::parse(&whole).message;
    let place = report.place();
    let component = redact(report.component());
    let title = match due.subject {
        Subject::Error => title_of(message, &error, &context, place.target),
        Subject::Place => format!("Too many different errors at {}:{}", place.file, place.line.unwrap_or_default()),
    };
    let kind = match report.origin {
        report::Origin::Panic => "panic",
        report::Origin::Event(_) => error_kind(&error),
    };
    let severity = severity_of(report);
    if let Some(taken) = &report.backtrace {
        backtrace = taken.to_string();
    }

    tags.insert(0, format!("component:{component}"));
    if !kind.is_empty() {
        tags.insert(1, format!("error:{kind}"));
    }
    let spans: Vec<SpanRecord> =
        report.spans().rev().map(|(span, fields)| span_record(span, fields, redactor)).collect();
    let location = (!place.file.is_empty()).then(|| Location {
        module: place.module.to_owned(),
        file: place.file.to_owned(),
        line: place.line,
    });
    let description = match due.subject {
        Subject::Error => describe(message, &error, location.as_ref(), &spans, &component),
        Subject::Place => DESCRIPTION_OF_PLACE.to_owned(),
    };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    IssueEvent {
        event_id: due.event_id,
        fingerprint: Some(fingerprint),
        issue_id: Some(fingerprint.issue_id()),
        description,
        severity,
        priority: severity.default_priority(),
        reporter_id: format!("{}-service", origin.service),
        tags,
        component,
        context,
        created_at: timestamp(due.last_at),
        occurrences: due.occurrences,
        first_at: timestamp(due.first_at),
        last_at: timestamp(due.last_at),
        project: origin.project.clone(),
        service: origin.service.clone(),
        environment: origin.environment.clone(),
        release: origin.release.clone(),
        host: origin.host.clone(),
        pid: Some(origin.pid),
        thread: report.thread.as_ref().and_then(|thread| thread.name()).map(redact).unwrap_or_default(),
        error,
        spans,
        breadcrumbs: report.crumbs.iter().map(|crumb| breadcrumb(crumb, redactor)).collect(),
        location,
        backtrace: truncate_chars(&redact(&backtrace), MAX_BACKTRACE_CHARS),
        trace_id: report.trace.map(|ids| hex(&ids.trace)).unwrap_or_default(),
        span_id: report.trace.map(|ids| hex(&ids.span)).unwrap_or_default(),
        ..IssueEvent::new(&title, timestamp(due.last_at))
    }
}

/// Removes secrets from what a service's own hook has written into an event.
pub(crate) fn redact_again(event: &mut IssueEvent, redactor: &Redactor) {
    let redact = |text: &mut String| {
        if let Cow::Owned(redacted) = redactor.text(text) {
            *text = redacted;
        }
    };
    redact(&mut event.title);
    redact(&mut event.description);
    redact(&mut event.component);
    event.tags.iter_mut().for_each(redact);
    event.error.iter_mut().for_each(|link| redact(&mut link.message));
    event.breadcrumbs.iter_mut().for_each(|crumb| redact(&mut crumb.message));
    event.context.iter_mut().for_each(|(name, value)| redactor.value(name, value));
    for span in &mut event.spans {
        span.fields.iter_mut().for_each(|(name, value)| redactor.value(name, value));
    }
}

/// The event's own fields with their types, without those that are elsewhere in the event.
fn context_of(report: &Report, redactor: &Redactor) -> Map<String, Value> {
    report.context().map(|(name, value)| field(name, value, redactor)).collect()
}

fn field(name: &str, value: fields::Value<'_>, redactor: &Redactor) -> (String, Value) {
    let mut json = match value {
        fields::Value::Text(text) | fields::Value::Formatted(text) => Value::from(text),
        fields::Value::I64(number) => number.into(),
        fields::Value::U64(number) => number.into(),
        // JSON has no NaN and no infinity.
        fields::Value::F64(number) => Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number),
        fields::Value::Bool(is) => is.into(),
        fields::Value::Error(chain) => joined(chain).into(),
    };
    redactor.value(name, &mut json);
    (name.to_owned(), json)
}

/// A chain that is not the error of the event, on one line. A wrapper that only repeats its cause is left out.
fn joined(chain: fields::Chain<'_>) -> String {
    let mut text = String::new();
    for message in chain.links().map(|link| link.message).filter(|message| !message.is_empty()) {
        if !text.ends_with(message) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.push_str(separator);
            text.push_str(message);
        }
    }
    text
}

/// The error chain, outermost first, and the backtrace that came with it. Its field is not context any more.
fn chain_of(report: &Report, context: &mut Map<String, Value>, redactor: &Redactor) -> (Vec<ErrorLink>, String) {
    // A kind is the first word of a `Debug`, which can be anything.
    let redact = |text: &str| redactor.text(text).into_owned();
    let link = |kind: &str, message: &str| ErrorLink { kind: redact(kind), message: redact(message) };
    let taken_apart = |text: &ErrorText<'_>, own: Option<ErrorLink>| {
        let causes = text.causes().map(|cause| link("", cause));
        (own.into_iter().chain(causes).collect(), text.backtrace.unwrap_or_default().to_owned())
    };
    match report.cause() {
        Some((name, Cause::Chain(chain))) => {
            context.remove(name);
            (chain.links().map(|own| link(&own.kind.to_text(), own.message)).collect(), String::new())
        }
        Some((name, Cause::Text(text))) => {
            context.remove(name);
            let text = ErrorText::parse(text);
            taken_apart(&text, Some(link(text.kind(), text.message)))
        }
        // `error!("{e:?}")`: the message brings the chain.
        None => taken_apart(&ErrorText::parse(report.message()), None),
    }
}

/// `tags.customer = "acme"` is the tag `customer:acme`.
fn take_tags(context: &mut Map<String, Value>, tags: &mut Vec<String>) {
    let names: Vec<String> = context.keys().filter(|name| name.starts_with("tags.")).cloned().collect();
    for name in names {
        let value = take_text(context, &name).unwrap_or_default();
        let name = name.trim_start_matches("tags.");
        let tag = if value.is_empty() { name.to_owned() } else { format!("{name}:{value}") };
        tags.push(truncate_chars(&tag, MAX_TAG_CHARS));
    }
}

/// What the event says, else what the service says about the error's type, else by level.
fn severity_of(report: &Report) -> Severity {
    if let Some(severity) = report.severity() {
        return severity;
    }
    if let Some((_, Cause::Chain(chain))) = report.cause()
        && let Some(severity) = chain.links().find_map(|link| link.severity)
    {
        return severity;
    }
    match report.origin {
        report::Origin::Panic => Severity::Critical,
        report::Origin::Event(metadata) if *metadata.level() == Level::ERROR => Severity::Error,
        report::Origin::Event(_) => Severity::Warning,
    }
}

fn span_record<'a>(
    metadata: &Metadata<'_>,
    fields: impl Iterator<Item = (&'static str, fields::Value<'a>)>,
    redactor: &Redactor,
) -> SpanRecord {
    SpanRecord {
        name: metadata.name().to_owned(),
        target: metadata.target().to_owned(),
        fields: fields.map(|(name, value)| field(name, value, redactor)).collect(),
    }
}

fn breadcrumb(crumb: &Crumb, redactor: &Redactor) -> Breadcrumb {
    let redact = |name: &str, text: &str| {
        let mut value = Value::from(text);
        redactor.value(name, &mut value);
        value.as_str().unwrap_or_default().to_owned()
    };
    Breadcrumb {
        at: timestamp(crumb.at),
        level: crumb.metadata.level().as_str().to_ascii_lowercase(),
        message: truncate_chars(&redactor.text(&crumb.message(redact)), breadcrumbs::MAX_CHARS),
    }
}

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// One line that tells the problem: the message and the outermost error, or whichever is there.
fn title_of(message: &str, error: &[ErrorLink], context: &Map<String, Value>, target: &str) -> String {
    let error = first_line(error.first().map_or("", |link| link.message.as_str()));
    let title = match (first_line(message), error) {
        ("", "") => match context.iter().next() {
            Some((name, value)) => format!("error in {target} ({name}={value})"),
            None => format!("error in {target}"),
        },
        ("", error) => error.to_owned(),
        (message, "") => message.to_owned(),
        (message, error) if message.contains(error) => message.to_owned(),
        (message, error) => format!("{message}: {error}"),
    };
    truncate_chars(&title, MAX_TITLE_CHARS)
}

/// The first line that has text.
fn first_line(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default()
}

/// Markdown for readers that know only the original format; the dashboard shows the structured fields instead.
fn describe(
    message: &str,
    error: &[ErrorLink],
    location: Option<&Location>,
    spans: &[SpanRecord],
    component: &str,
) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("**{label}:** {}\n\n", truncate_chars(value, 1_000)));
        }
    };
    line("Component", &format!("`{component}`"));
    line("Message", message);
    for link in error {
        line("Error", &link.message);
    }
    if let Some(location) = location {
        line("Location", &format!("`{}:{}`", location.file, location.line.unwrap_or_default()));
    }
    let path: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    line("Spans", &path.join(" → "));
    text.truncate(text.trim_end().len());
    text
}

fn take_text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name)? {
        Value::String(text) if !text.is_empty() => Some(text),
        Value::String(_) => None,
        other => Some(other.to_string()),
    }
}
