//! From a report to the event that is sent: title, severity, priority, component, tags, fingerprint. Runs on the worker.
//! It takes nothing new from the process: what capture did not see is not here.

use serde_json::{Map, Value};
use tracing::Level;

use crate::{
    capture::Report,
    event::{IssueEvent, Severity, error_kind, truncate_chars},
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
pub(crate) fn categorise(mut report: Report, origin: &Origin) -> (Fingerprint, IssueEvent) {
    let custom_fingerprint = take_text(&mut report.fields, "fingerprint");
    let severity = take_text(&mut report.fields, "severity")
        .and_then(|word| word.to_ascii_lowercase().parse().ok())
        .unwrap_or_else(|| severity_of(report.level));
    let component = component_of(&mut report);
    let title = title_of(&report);
    let kind = error_kind(&report.error).to_owned();

    let identity = Identity {
        project: &origin.project,
        service: &origin.service,
        component: &component,
        kind: &kind,
        message: if report.message.is_empty() { &title } else { &report.message },
        root_cause: report.error.last().map_or("", |link| &link.message),
        module: report.location.as_ref().map_or(&report.target, |location| location.module.as_str()),
        file: report.location.as_ref().map_or("", |location| location.file.as_str()),
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
        description: describe(&report, &component),
        severity,
        priority: severity.default_priority(),
        reporter_id: format!("{}-service", origin.service),
        tags,
        component,
        context: report.fields,
        project: origin.project.clone(),
        service: origin.service.clone(),
        environment: origin.environment.clone(),
        release: origin.release.clone(),
        host: origin.host.clone(),
        pid: Some(origin.pid),
        thread: report.thread,
        error: report.error,
        spans: report.spans,
        location: report.location,
        ..IssueEvent::new(&title, report.at)
    };
    (fingerprint, event)
}

fn severity_of(level: Level) -> Severity {
    if level == Level::ERROR { Severity::Error } else { Severity::Warning }
}

/// The event's own `component`, else the nearest span's, else the module.
fn component_of(report: &mut Report) -> String {
    take_text(&mut report.fields, "component")
        .or_else(|| {
            let nearest = report.spans.iter().rev().find_map(|span| span.fields.get("component"));
            nearest.and_then(Value::as_str).map(str::to_owned)
        })
        .unwrap_or_else(|| report.target.to_string())
}

/// One line that tells the problem: the message and the outermost error, or whichever is there.
fn title_of(report: &Report) -> String {
    let error = report.error.first().map(|link| link.message.as_str()).unwrap_or_default();
    let title = match (report.message.as_str(), error) {
        ("", "") => match report.fields.iter().next() {
            Some((name, value)) => format!("error in {} ({name}={value})", report.target),
            None => format!("error in {}", report.target),
        },
        ("", error) => error.to_owned(),
        (message, "") => message.to_owned(),
        (message, error) if message.contains(error) => message.to_owned(),
        (message, error) => format!("{message}: {error}"),
    };
    truncate_chars(title.lines().next().unwrap_or_default().trim(), crate::event::MAX_TITLE_CHARS)
}

/// Markdown for readers that know only the original format; the dashboard shows the structured fields instead.
fn describe(report: &Report, component: &str) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        if !value.is_empty() {
            text.push_str(&format!("**{label}:** {}\n\n", truncate_chars(value, 1_000)));
        }
    };
    line("Component", &format!("`{component}`"));
    line("Message", &report.message);
    for link in &report.error {
        line("Error", &link.message);
    }
    if let Some(location) = &report.location {
        line("Location", &format!("`{}:{}`", location.file, location.line.unwrap_or_default()));
    }
    let path: Vec<&str> = report.spans.iter().map(|span| span.name.as_str()).collect();
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
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::event::{ErrorLink, Priority, SpanRecord};

    fn report(message: &str, error: &[(&str, &str)], fields: Value) -> Report {
        let link = |(kind, message): &(&str, &str)| ErrorLink { kind: (*kind).into(), message: (*message).into() };
        Report {
            at: Timestamp::UNIX_EPOCH,
            level: Level::ERROR,
            target: "newsfeed::feed".into(),
            location: None,
            message: message.into(),
            error: error.iter().map(link).collect(),
            fields: fields.as_object().cloned().unwrap_or_default(),
            spans: Vec::new(),
            thread: String::new(),
        }
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
        assert_eq!(categorise(report, &origin()).1.title, title);
    }

    #[test]
    fn every_form_of_error_gives_a_title() {
        check_title(report("refresh failed", &[], json!({})), "refresh failed");
        check_title(report("refresh failed", &[("E", "refused")], json!({})), "refresh failed: refused");
        check_title(report("refresh failed: refused", &[("E", "refused")], json!({})), "refresh failed: refused");
        check_title(report("", &[("E", "refused"), ("F", "root")], json!({})), "refused");
        check_title(report("", &[], json!({"code": 7})), "error in newsfeed::feed (code=7)");
        check_title(report("", &[], json!({})), "error in newsfeed::feed");
        check_title(report("first line\nsecond", &[], json!({})), "first line");
    }

    #[test]
    fn severity_comes_from_the_field_and_priority_from_severity() {
        let (_, event) = categorise(report("m", &[], json!({"severity": "Critical"})), &origin());
        assert_eq!((event.severity, event.priority), (Severity::Critical, Priority::Critical));
        assert!(!event.context.contains_key("severity"));
        let (_, event) = categorise(report("m", &[], json!({"severity": "enormous"})), &origin());
        assert_eq!((event.severity, event.priority), (Severity::Error, Priority::Medium));
    }

    #[test]
    fn the_component_is_the_nearest_one_named() {
        let span = |component: &str| SpanRecord {
            name: "s".into(),
            target: "t".into(),
            fields: json!({"component": component}).as_object().cloned().unwrap_or_default(),
        };
        let mut nested = report("m", &[], json!({}));
        nested.spans = vec![span("outer"), span("inner")];
        assert_eq!(categorise(nested, &origin()).1.component, "inner");
        assert_eq!(categorise(report("m", &[], json!({"component": "own"})), &origin()).1.component, "own");
        assert_eq!(categorise(report("m", &[], json!({})), &origin()).1.component, "newsfeed::feed");
    }

    #[test]
    fn a_fingerprint_field_decides_the_group() {
        let of =
            |message, fingerprint| categorise(report(message, &[], json!({"fingerprint": fingerprint})), &origin()).0;
        assert_eq!(of("one", "checkout"), of("two", "checkout"));
        assert_ne!(of("one", "checkout"), of("one", "login"));
    }

    #[test]
    fn the_reporter_is_the_service() {
        assert_eq!(categorise(report("m", &[], json!({})), &origin()).1.reporter_id, "newsfeed-service");
    }
}
