//! Why occurrences are one issue: what of their messages was replaced, and what else decides.

use serde::Serialize;
use serde_json::Value;

use super::values::text_of;
use crate::domain::{Activity, Issue};

#[derive(Serialize)]
pub(super) struct GroupingView {
    messages: Vec<MessageView>,
    facts: Vec<(&'static str, String)>,
}

/// A message in pieces.
#[derive(Serialize)]
struct MessageView {
    label: &'static str,
    pieces: Vec<PieceView>,
    is_changed: bool,
}

#[derive(Serialize)]
struct PieceView {
    text: String,
    /// Why it is not looked at; empty for what is.
    reason: &'static str,
}

impl GroupingView {
    pub(super) fn new(issue: &Issue, occurrence: &Activity) -> Self {
        let details = &occurrence.details;
        let root = details.get("error").and_then(Value::as_array).and_then(|chain| chain.last());
        let title = text_of(details.get("title"));
        let root = text_of(root.and_then(|root| root.get("message")));
        let messages = [("Message", title.clone()), ("Root cause", root)];
        let messages =
            messages.iter().filter(|(label, text)| !text.is_empty() && (*label == "Message" || *text != title));
        let location = details.get("location");
        let facts = [
            ("Service", issue.service.clone()),
            ("Component", issue.component.clone()),
            ("Error", issue.error_kind.clone()),
            ("Module", text_of(location.and_then(|location| location.get("module")))),
            ("File", text_of(location.and_then(|location| location.get("file")))),
        ];
        Self {
            messages: messages.map(|(label, text)| MessageView::new(label, text)).collect(),
            facts: facts.into_iter().filter(|(_, value)| !value.is_empty()).collect(),
        }
    }
}

impl MessageView {
    fn new(label: &'static str, text: &str) -> Self {
        let pieces = tracing_issues::explain(text).pieces;
        Self {
            label,
            is_changed: pieces.iter().any(|piece| piece.kind.is_some()),
            pieces: pieces
                .iter()
                .map(|piece| PieceView { text: piece.text.to_owned(), reason: piece.reason().unwrap_or_default() })
                .collect(),
        }
    }
}
