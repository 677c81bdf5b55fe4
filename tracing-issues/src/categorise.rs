//! From a report to the event that is sent: title, severity, priority, component, tags, fingerprint. Runs on the worker.
//! It takes nothing new from the process: what capture did not see is not here.

use serde_json::{Map, Value};
use tracing::{Level, Metadata};

use crate::{
    capture::{LogOrigin, Report, Span},
    event::{ErrorLink, IssueEvent, Location, MAX_TITLE_CHARS, Severity, SpanRecord, error_kind, truncate_chars},
    fingerprint::{Fingerprint, Identity},
};

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

/// The event for one report, and the fingerprint that it is counted under.
pub(crate) fn categorise(report: Report, origin: &Origin) -> (Fingerprint, IssueEvent) {
    let mut context: Map<String, Value> =
        report.fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let spans: Vec<SpanRecord> = report.spans.iter().map(span_record).collect();
    let (target, location) = place(report.metadata, report.log_origin.as_deref());

    let custom_fingerprint = take_text(&mut context, "fingerprint");
    let severity = take_text(&mut context, "severity")
        .and_then(|word| word.to_ascii_lowercase().parse().ok())
        .unwrap_or_else(|| severity_of(*report.metadata.level()));
    let component = take_text(&mut context, "component").unwrap_or_else(|| component_of(&spans, target).to_owned());
    let title = title_of(&report.message, &report.error, &context, target);
    let kind = error_kind(&report.error);

    let identity = Identity {
        project: &origin.project,
        service: &origin.service,
        component: &component,
        kind,
        message: if report.message.is_empty() { &title } else { &report.message },
        root_cause: report.error.last().map_or("", |link| &link.message),
        module: location.as_ref().map_or(target, |location| location.module.as_str()),
        file: location.as_ref().map_or("", |location| location.file.as_str()),
    };
    let fingerprint = match &custom_fingerprint {
        Some(custom) => Fingerprint::custom(custom, &identity),
        None => Fingerprint::of(&identity),
    };

    let mut tags = vec![format!("component:{component}")];
    if !kind.is_empty() {
        tags.push(format!("error:{kind}"));
    }
    let event = IssueEvent {
        fingerprint: Some(fingerprint),
        issue_id: Some(fingerprint.issue_id()),
        description: describe(&report.message, &report.error, location.as_ref(), &spans, &component),
        severity,
        priority: severity.default_priority(),
        reporter_id: format!("{}-service", origin.service),
        tags,
        component,
        context,
        project: origin.project.clone(),
        service: origin.service.clone(),
        environment: origin.environment.clone(),
        release: origin.release.clone(),
        host: origin.host.clone(),
        pid: Some(origin.pid),
        thread: report.thread.name().unwrap_or_default().to_owned(),
        error: report.error,
        spans,
        location,
        ..IssueEvent::new(&title, report.at)
    };
    (fingerprint, event)
}

fn span_record(span: &Span) -> SpanRecord {
    SpanRecord {
        name: span.metadata.name().to_owned(),
        target: span.metadata.target().to_owned(),
        fields: span.fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    }
}

/// The target and the place in the source: of the event itself, or as a record of the `log` crate tells them.
fn place<'a>(metadata: &'static Metadata<'static>, log: Option<&'a LogOrigin>) -> (&'a str, Option<Location>) {
    let (target, module, file, line) = match log {
        Some(log) => (log.target.as_str(), log.module.as_deref(), log.file.as_deref(), log.line),
        None => (metadata.target(), metadata.module_path(), metadata.file(), metadata.line()),
    };
    let location = |file: &str| Location { module: module.unwrap_or(target).to_owned(), file: file.to_owned(), line };
    (target, file.map(location))
}

fn severity_of(level: Level) -> Severity {
    if level == Level::ERROR { Severity::Error } else { Severity::Warning }
}

/// The component that the nearest span names, else the module.
fn component_of<'a>(spans: &'a [SpanRecord], target: &'a str) -> &'a str {
    spans.iter().rev().find_map(|span| span.fields.get("component")?.as_str()).unwrap_or(target)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use serde_json::json;
    use tracing::callsite::Callsite as _;

    use super::*;
    use crate::{capture::Fields, event::Priority};

    /// The metadata of an `error!` with the target `newsfeed::feed`.
    fn metadata() -> &'static Metadata<'static> {
        tracing::callsite! { name: "test", kind: tracing::metadata::Kind::EVENT, target: "newsfeed::feed", level: Level::ERROR, fields: message }
            .metadata()
    }

    fn report(message: &str, error: &[(&str, &str)], fields: Fields) -> Report {
        let link = |(kind, message): &(&str, &str)| ErrorLink { kind: (*kind).into(), message: (*message).into() };
        Report {
            at: Timestamp::UNIX_EPOCH,
            metadata: metadata(),
            log_origin: None,
            message: message.into(),
            error: error.iter().map(link).collect(),
            fields,
            spans: Vec::new(),
            thread: std::thread::current(),
        }
    }

    fn event(report: Report) -> IssueEvent {
        categorise(report, &origin()).1
    }

    fn origin() -> Origin {
        Origin {
            project: String::new(),
            service: "newsfeed".into(),
            environment: "test".into(),
            release: String::new(),
            host: "h".into(),
            pid: 1,
        }
    }

    #[track_caller]
    fn check_title(report: Report, title: &str) {
        assert_eq!(event(report).title, title);
    }

    #[test]
    fn every_form_of_error_gives_a_title() {
        check_title(report("refresh failed", &[], vec![]), "refresh failed");
        check_title(report("refresh failed", &[("E", "refused")], vec![]), "refresh failed: refused");
        check_title(report("refresh failed: refused", &[("E", "refused")], vec![]), "refresh failed: refused");
        check_title(report("", &[("E", "refused"), ("F", "root")], vec![]), "refused");
        check_title(report("", &[], vec![("code", json!(7))]), "error in newsfeed::feed (code=7)");
        check_title(report("", &[], vec![]), "error in newsfeed::feed");
        check_title(report("first line\nsecond", &[], vec![]), "first line");
        check_title(report("\n boom", &[], vec![]), "boom");
        check_title(report("   ", &[], vec![]), "error in newsfeed::feed");
    }

    #[test]
    fn severity_comes_from_the_field_and_priority_from_severity() {
        let critical = event(report("m", &[], vec![("severity", json!("Critical"))]));
        assert_eq!((critical.severity, critical.priority), (Severity::Critical, Priority::Critical));
        assert!(!critical.context.contains_key("severity"));
        let unknown = event(report("m", &[], vec![("severity", json!("enormous"))]));
        assert_eq!((unknown.severity, unknown.priority), (Severity::Error, Priority::Medium));
    }

    #[test]
    fn the_component_is_the_nearest_one_named() {
        let span =
            |component: &str| Span { metadata: metadata(), fields: Arc::new(vec![("component", json!(component))]) };
        let nested = |fields| Report { spans: vec![span("outer"), span("inner")], ..report("m", &[], fields) };
        assert_eq!(event(nested(vec![])).component, "inner");
        assert_eq!(event(nested(vec![("component", json!("own"))])).component, "own");
        assert_eq!(event(report("m", &[], vec![])).component, "newsfeed::feed");
    }

    #[test]
    fn the_kind_is_the_outermost_that_is_known() {
        let wrapped = event(report("m", &[("", "context"), ("ParseIntError", "invalid digit")], vec![]));
        assert!(wrapped.tags.contains(&"error:ParseIntError".to_owned()), "{:?}", wrapped.tags);
    }

    #[test]
    fn a_fingerprint_field_decides_the_group() {
        let of =
            |message, custom: &str| categorise(report(message, &[], vec![("fingerprint", json!(custom))]), &origin()).0;
        assert_eq!(of("one", "checkout"), of("two", "checkout"));
        assert_ne!(of("one", "checkout"), of("one", "login"));
    }

    #[test]
    fn the_reporter_is_the_service() {
        assert_eq!(event(report("m", &[], vec![])).reporter_id, "newsfeed-service");
    }
}
