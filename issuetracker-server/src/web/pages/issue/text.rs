//! An issue to take away: as Markdown, for chats and other trackers.

use serde_json::Value;

use super::values::text_of;
use crate::domain::{Activity, Issue};

/// The issue with its latest occurrence.
pub(super) fn markdown(issue: &Issue, occurrence: Option<&Activity>) -> String {
    let id = issue.short_id.as_ref().unwrap_or(&issue.id);
    let mut text = format!("# {id} {}\n\n", one_line(&issue.title));
    let facts = [
        ("Status", issue.status.as_str().to_owned()),
        ("Priority", issue.priority.as_str().to_owned()),
        ("Severity", issue.severity.as_str().to_owned()),
        ("Assignee", issue.assignee_id.clone().unwrap_or_default()),
        ("Service", issue.service.clone()),
        ("Component", issue.component.clone()),
        ("Tags", issue.tags.join(", ")),
        ("Address", format!("/issues/{}", issue.id)),
    ];
    for (label, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        text.push_str(&format!("- {label}: {}\n", one_line(value)));
    }
    let Some(occurrence) = occurrence else {
        text.push_str(&format!("\n{}\n", issue.description.trim_end()));
        return text;
    };
    text.push_str(&format!(
        "- Seen: {} times, first {}, last {}\n",
        issue.occurrences, issue.first_seen, issue.last_seen
    ));
    let details = &occurrence.details;
    for name in ["environment", "release", "host", "thread", "trace_id"] {
        let value = text_of(details.get(name));
        if !value.is_empty() {
            text.push_str(&format!("- {name}: {}\n", one_line(&value)));
        }
    }
    let list = |name: &str| details.get(name).and_then(Value::as_array).into_iter().flatten();
    section(
        &mut text,
        "Error",
        list("error").map(|link| format!("{}: {}", text_of(link.get("kind")), text_of(link.get("message")))),
    );
    let location = details.get("location").map(|location| {
        format!(
            "at {}:{} in {}",
            text_of(location.get("file")),
            text_of(location.get("line")),
            text_of(location.get("module"))
        )
    });
    section(&mut text, "Where", location.into_iter());
    section(&mut text, "Fields", details.get("context").into_iter().flat_map(pairs));
    section(
        &mut text,
        "Spans",
        list("spans").map(|span| {
            let fields = span.get("fields").into_iter().flat_map(pairs).collect::<Vec<_>>().join(" ");
            format!("{} {fields}", text_of(span.get("name"))).trim_end().to_owned()
        }),
    );
    section(
        &mut text,
        "Before it",
        list("breadcrumbs").map(|crumb| {
            format!("{} {} {}", text_of(crumb.get("at")), text_of(crumb.get("level")), text_of(crumb.get("message")))
        }),
    );
    section(&mut text, "Backtrace", details.get("backtrace").map(|text| text_of(Some(text))).into_iter());
    text
}

fn pairs(object: &Value) -> impl Iterator<Item = String> {
    object.as_object().into_iter().flatten().map(|(key, value)| format!("{key} = {}", text_of(Some(value))))
}

/// A heading and its lines, as they are: foreign text is no Markdown here.
fn section(text: &mut String, heading: &str, lines: impl Iterator<Item = String>) {
    let lines = lines.collect::<Vec<_>>().join("\n");
    if lines.is_empty() {
        return;
    }
    // A fence that no line of it can end.
    let mut fence = "```".to_owned();
    while lines.contains(&fence) {
        fence.push('`');
    }
    text.push_str(&format!("\n## {heading}\n\n{fence}text\n{lines}\n{fence}\n"));
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_in_its_fence() {
        let mut text = String::new();
        section(&mut text, "Error", ["a ``` b\n# no heading".to_owned()].into_iter());
        section(&mut text, "Nothing", std::iter::empty());
        assert_eq!(text, "\n## Error\n\n````text\na ``` b\n# no heading\n````\n");
        assert_eq!(one_line("a\n# b"), "a # b");
    }
}
