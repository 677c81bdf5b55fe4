//! Values of fields as the page shows them: with their type, a link to issues that say the same, and a mark where
//! something was redacted.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    domain::{
        Issue,
        filter::{Fact, Term, Test},
    },
    web::pages::layout::{filter_url, query_string},
};

/// Longer values lead nowhere: nobody looks for them as a whole.
const MAX_LINKED_CHARS: usize = 80;

/// What redaction leaves in the place of a secret.
const REDACTED: &str = "[redacted]";

/// A field.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct FieldView {
    key: String,
    value: String,
    /// Its type, unless it is text.
    kind: &'static str,
    is_redacted: bool,
    url: String,
}

pub(super) fn fields(issue: &Issue, object: &Map<String, Value>) -> Vec<FieldView> {
    object.iter().map(|(key, value)| field(issue, key, value)).collect()
}

fn field(issue: &Issue, key: &str, value: &Value) -> FieldView {
    let text = text_of(Some(value));
    let kind = match value {
        Value::String(_) => "",
        Value::Number(_) => "number",
        Value::Bool(_) => "flag",
        Value::Null => "null",
        Value::Array(_) => "list",
        Value::Object(_) => "object",
    };
    let is_redacted = text.contains(REDACTED);
    let is_plain = !is_redacted && !matches!(value, Value::Array(_) | Value::Object(_) | Value::Bool(_));
    let url = if is_plain { link(issue, key, &text) } else { String::new() };
    FieldView { key: key.to_owned(), value: text, kind, is_redacted, url }
}

/// The list of issues with this value: of the fact of this name, else in their texts, where this issue is found by it.
/// Empty if there is no such list.
pub(super) fn link(issue: &Issue, key: &str, value: &str) -> String {
    let key = if key == "environment" { "env" } else { key };
    if value.trim().is_empty() || value.chars().count() > MAX_LINKED_CHARS {
        return String::new();
    }
    if Fact::ALL.iter().any(|fact| fact.key() == key) {
        return filter_url(key, value);
    }
    if !issue.keywords.lines().any(|line| line.strip_prefix(key).and_then(|rest| rest.strip_prefix(' ')) == Some(value))
    {
        return String::new();
    }
    let term = Term { is_negated: false, test: Test::Text(value.to_owned()) };
    format!("/issues?{}", query_string(&[("q", &term.to_string())]))
}

/// A value as text; empty if there is none.
pub(super) fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
