//! Values of fields as the page shows them: with their type, a link to issues that say the same, and a mark where
//! something was redacted.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    domain::filter::{Fact, Term, Test},
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

pub(super) fn fields(object: &Map<String, Value>) -> Vec<FieldView> {
    object.iter().map(|(key, value)| field(key, value)).collect()
}

fn field(key: &str, value: &Value) -> FieldView {
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
    let url = if is_plain { link(key, &text) } else { String::new() };
    FieldView { key: key.to_owned(), value: text, kind, is_redacted, url }
}

/// The list of issues with this value: of the fact of this name, else in their texts. Empty if it would find nothing.
pub(super) fn link(key: &str, value: &str) -> String {
    if value.trim().is_empty() || value.chars().count() > MAX_LINKED_CHARS {
        return String::new();
    }
    let key = if key == "environment" { "env" } else { key };
    if Fact::ALL.iter().any(|fact| fact.key() == key) {
        return filter_url(key, value);
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(value: &Value, kind: &str, url: &str) {
        let field = field("order", value);
        assert_eq!((field.kind, field.url.as_str()), (kind, url));
    }

    #[test]
    fn values_have_types_and_lead_to_others_like_them() {
        check(&json!("refused"), "", "/issues?q=refused");
        check(&json!("a \"b\""), "", "/issues?q=%22a+%5C%22b%5C%22%22");
        check(&json!(17), "number", "/issues?q=17");
        check(&json!([1]), "list", "");
        check(&json!("x".repeat(81)), "", "");
        check(&json!("token [redacted]"), "", "");
        assert!(field("t", &json!("a [redacted]")).is_redacted);
        assert_eq!(link("environment", "eu"), "/issues?q=is:open+env:eu");
    }
}
