//! What is told, and how each channel says it. Titles were written by somebody else: each channel gets them as text, never
//! as markup.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing_issues::event::truncate_chars;

use super::rule::{Rule, Threshold};
use crate::domain::{Issue, clean};

/// The most issues that one message names; the others are counted.
pub(super) const MAX_ITEMS: usize = 20;

/// The longest title in a message, in characters.
const MAX_TITLE_CHARS: usize = 200;

/// What has become of an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    New,
    Regressed,
    Unmuted,
    Threshold,
}

impl Event {
    const fn label(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::Regressed => "Came back",
            Self::Unmuted => "No longer muted",
            Self::Threshold => "Often",
        }
    }
}

/// One issue in a message; also what waits in the store, so that a new field needs a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Item {
    pub(super) event: Event,
    pub(super) issue_id: String,
    /// `NEWS-42`.
    pub(super) id: String,
    pub(super) title: String,
    pub(super) service: String,
    pub(super) environment: String,
    pub(super) severity: String,
    pub(super) error_kind: String,
    pub(super) occurrences: u64,
    /// When this was seen.
    pub(super) at: Timestamp,
    /// Of a threshold: what was reached.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) reached: String,
}

impl Item {
    pub(super) fn new(event: Event, issue: &Issue, threshold: Option<Threshold>, now: Timestamp) -> Self {
        let line = |text: &str| clean(text).split_whitespace().collect::<Vec<_>>().join(" ");
        let short = |text: &str| truncate_chars(&line(text), MAX_TITLE_CHARS);
        let reached = threshold.filter(|_| event == Event::Threshold);
        let reached = reached.map(|threshold| format!("{} in one {}", threshold.count, threshold.per.as_str()));
        Self {
            event,
            issue_id: issue.id.to_string(),
            id: issue.short_id.as_ref().map_or_else(|| issue.id.to_string(), ToString::to_string),
            title: short(&issue.title),
            service: short(&issue.service),
            environment: short(&issue.environment),
            severity: issue.severity.as_str().to_owned(),
            error_kind: short(&issue.error_kind),
            occurrences: issue.occurrences,
            at: now,
            reached: reached.unwrap_or_default(),
        }
    }

    /// What people read beside the title.
    fn facts(&self) -> String {
        let times = match self.occurrences {
            0 => String::new(),
            1 => "once".to_owned(),
            count => format!("{count} times"),
        };
        let facts = [&self.severity, &self.service, &self.environment, &times];
        let facts: Vec<&str> = facts.into_iter().map(String::as_str).filter(|fact| !fact.is_empty()).collect();
        facts.join(" · ")
    }

    fn label(&self) -> String {
        match self.reached.as_str() {
            "" => self.event.label().to_owned(),
            reached => format!("{}, {reached}", self.event.label()),
        }
    }

    fn url(&self, base: &str) -> String {
        format!("{base}/issues/{}", self.issue_id)
    }
}

/// A message of one rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) rule_id: String,
    pub(super) rule: String,
    pub(super) is_test: bool,
    pub(super) items: Vec<Item>,
    /// Issues beside those.
    pub(super) more: u64,
    pub(super) at: Timestamp,
}

impl Message {
    /// A message that says it is a test.
    pub(super) fn test(rule: &Rule, now: Timestamp) -> Self {
        let item = Item {
            event: Event::New,
            issue_id: String::new(),
            id: "TEST-1".to_owned(),
            title: "This is a test of a rule: no issue is behind it".to_owned(),
            service: "issuetracker".to_owned(),
            environment: String::new(),
            severity: "info".to_owned(),
            error_kind: String::new(),
            occurrences: 1,
            at: now,
            reached: String::new(),
        };
        Self { rule_id: rule.id.clone(), rule: rule.name.clone(), is_test: true, items: vec![item], more: 0, at: now }
    }

    /// All of it in one line.
    pub(super) fn subject(&self) -> String {
        let test = if self.is_test { "[test] " } else { "" };
        match (self.items.as_slice(), self.more) {
            ([item], 0) => format!("{test}{}: {} ({})", item.label(), item.title, item.id),
            (items, more) => {
                let count = items.len() as u64 + more;
                let of = |event| items.iter().filter(|item| item.event == event).count();
                let kinds = [Event::New, Event::Regressed, Event::Unmuted, Event::Threshold]
                    .map(|event| (of(event), event.label().to_lowercase()));
                let kinds: Vec<String> = kinds
                    .iter()
                    .filter(|(count, _)| *count > 0)
                    .map(|(count, label)| format!("{count} {label}"))
                    .chain((more > 0).then(|| format!("{more} more")))
                    .collect();
                format!("{test}{count} issues: {}", kinds.join(", "))
            }
        }
    }

    fn list_url(base: &str) -> String {
        format!("{base}/issues?sort=last_seen")
    }

    /// The body of a mail.
    pub(super) fn text(&self, base: &str) -> String {
        let mut lines = Vec::new();
        for item in &self.items {
            lines.push(format!("{}: {}", item.label(), item.title));
            if !item.error_kind.is_empty() {
                lines.push(format!("  {}", item.error_kind));
            }
            lines.push(format!("  {}", item.facts()));
            if !self.is_test {
                lines.push(format!("  {}", item.url(base)));
            }
            lines.push(String::new());
        }
        if self.more > 0 {
            lines.push(format!("And {} more: {}", self.more, Self::list_url(base)));
            lines.push(String::new());
        }
        lines.push("-- ".to_owned());
        lines.push(format!("Told by the rule \"{}\": {base}/notifications", self.rule));
        lines.join("\n")
    }

    /// The body of a request to Slack: rich text, whose parts Slack does not parse.
    pub(super) fn slack(&self, base: &str) -> Value {
        let text = |text: String| json!({"type": "text", "text": text});
        let strong = |text: String| json!({"type": "text", "text": text, "style": {"bold": true}});
        let mut parts = vec![strong(format!("{}\n", self.heading()))];
        for item in &self.items {
            parts.push(text(format!("{}: ", item.label())));
            match self.is_test {
                true => parts.push(text(format!("{} ", item.id))),
                false => parts.push(json!({"type": "link", "url": item.url(base), "text": item.id})),
            }
            parts.push(strong(format!(" {}", item.title)));
            parts.push(text(format!("\n{}\n", item.facts())));
        }
        if self.more > 0 {
            let more = format!("and {} more", self.more);
            parts.push(json!({"type": "link", "url": Self::list_url(base), "text": more}));
        }
        json!({
            // Shown where blocks are not; there, these three are markup.
            "text": self.subject().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"),
            "mrkdwn": false,
            "unfurl_links": false,
            "unfurl_media": false,
            "blocks": [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": parts}]}],
        })
    }

    fn heading(&self) -> String {
        match (self.is_test, self.items.len() as u64 + self.more) {
            (true, _) => format!("Test of the rule {}", self.rule),
            (false, 1) => self.rule.clone(),
            (false, count) => format!("{}: {count} issues", self.rule),
        }
    }

    /// The body of a webhook.
    pub(super) fn webhook(&self, base: &str) -> Value {
        let items = self.items.iter().map(|item| {
            let mut shape = json!(item);
            shape["url"] = if self.is_test { Value::Null } else { item.url(base).into() };
            shape
        });
        json!({
            "type": if self.is_test { "test" } else { "issues" },
            "rule": {"id": self.rule_id, "name": self.rule},
            "sent_at": self.at,
            "text": self.subject(),
            "issues": items.collect::<Vec<_>>(),
            "more": self.more,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(event: Event, title: &str) -> Item {
        Item {
            event,
            issue_id: "01ab".to_owned(),
            id: "NEWS-7".to_owned(),
            title: title.to_owned(),
            service: "newsfeed".to_owned(),
            environment: "prod".to_owned(),
            severity: "critical".to_owned(),
            error_kind: "io::Error".to_owned(),
            occurrences: 3,
            at: Timestamp::UNIX_EPOCH,
            reached: String::new(),
        }
    }

    fn message(items: Vec<Item>, more: u64) -> Message {
        let (rule_id, rule) = ("0".repeat(16), "on call".to_owned());
        Message { rule_id, rule, is_test: false, items, more, at: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn one_is_told_whole_and_many_by_numbers() {
        let one = message(vec![item(Event::New, "no answer")], 0);
        assert_eq!(one.subject(), "New: no answer (NEWS-7)");
        let text = one.text("https://issues.example.com");
        for part in ["critical · newsfeed · prod · 3 times", "https://issues.example.com/issues/01ab", "\"on call\""]
        {
            assert!(text.contains(part), "{text}");
        }
        let often = Item { reached: "100 in one hour".to_owned(), ..item(Event::Threshold, "no answer") };
        let many = message(vec![item(Event::New, "a"), item(Event::New, "b"), often], 40);
        assert_eq!(many.subject(), "43 issues: 2 new, 1 often, 40 more");
        assert!(many.text("").contains("And 40 more"));
    }

    #[test]
    fn what_was_written_by_others_is_no_markup() {
        let title = "<!channel> *bold* <https://evil.example|click> & more";
        let slack = message(vec![item(Event::New, title)], 0).slack("https://issues.example.com");
        let fallback = slack["text"].as_str().unwrap();
        assert!(fallback.contains("&lt;!channel&gt;") && !fallback.contains('<'), "{fallback}");
        let parts = slack["blocks"][0]["elements"][0]["elements"].as_array().unwrap();
        let titles = parts.iter().filter(|part| part["text"].as_str().unwrap().contains("<!channel>"));
        assert!(titles.clone().count() == 1 && titles.into_iter().all(|part| part["type"] == "text"));
        assert!(parts.iter().all(|part| ["text", "link"].contains(&part["type"].as_str().unwrap())));
    }

    #[test]
    fn a_webhook_has_fields() {
        let shape = message(vec![item(Event::Regressed, "x")], 2).webhook("https://issues.example.com");
        let issue = &shape["issues"][0];
        assert_eq!(
            (&issue["event"], &issue["url"]),
            (&json!("regressed"), &json!("https://issues.example.com/issues/01ab"))
        );
        assert_eq!((&shape["more"], &shape["type"]), (&json!(2), &json!("issues")));
        let stored: Item = serde_json::from_value(issue.clone()).unwrap();
        assert_eq!(stored, item(Event::Regressed, "x"));
    }
}
