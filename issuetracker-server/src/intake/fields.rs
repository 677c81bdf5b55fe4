//! The fields of an event while it is read: each is taken once, what does not fit is kept in `context`, and what nobody
//! took ends there too.

use std::str::FromStr;

use serde_json::{Map, Value};
use tracing_issues::event::truncate_chars;

use super::decode::secrets;
use crate::{domain::clean, metrics};

/// The most keys of `context`, bytes of one value, and characters of one text.
const MAX_KEYS: usize = 64;
const MAX_VALUE_BYTES: usize = 8 * 1024;
const MAX_TEXT_CHARS: usize = 64 * 1024;
/// The longest name of anything, in characters.
pub(super) const MAX_SHORT_CHARS: usize = 200;

/// An event's fields.
pub(super) struct Fields {
    rest: Map<String, Value>,
    /// Values that could not be used, under `original_{field}`.
    kept: Map<String, Value>,
}

impl Fields {
    pub(super) fn of(object: Map<String, Value>) -> Self {
        Self { rest: object, kept: Map::new() }
    }

    /// Takes a field; `null` counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    /// Counts a field that was replaced by its default, and keeps what it said.
    pub(super) fn repair(&mut self, name: &'static str, mut value: Value) {
        metrics::repaired(name);
        secrets::redact_value(name, &mut value);
        self.kept.insert(format!("original_{name}"), value);
    }

    /// A text; scalars are written out, anything else is kept aside.
    pub(super) fn text(&mut self, name: &'static str) -> String {
        match self.take(name) {
            Some(Value::String(text)) => truncate_chars(&clean(&text), MAX_TEXT_CHARS),
            Some(scalar @ (Value::Number(_) | Value::Bool(_))) => scalar.to_string(),
            Some(other) => {
                self.repair(name, other);
                String::new()
            }
            None => String::new(),
        }
    }

    /// A text that names something.
    pub(super) fn short(&mut self, name: &'static str) -> String {
        truncate_chars(&self.text(name), MAX_SHORT_CHARS)
    }

    /// One of an enum's words, in any case.
    pub(super) fn word<T: FromStr>(&mut self, name: &'static str) -> Option<T> {
        let value = self.take(name)?;
        let word = value.as_str().and_then(|word| word.trim().to_ascii_lowercase().parse().ok());
        if word.is_none() {
            self.repair(name, value);
        }
        word
    }

    pub(super) fn number(&mut self, name: &'static str) -> Option<u64> {
        let value = self.take(name)?;
        let number = value.as_u64().or_else(|| value.as_str()?.trim().parse().ok());
        if number.is_none() {
            self.repair(name, value);
        }
        number
    }

    pub(super) fn list(&mut self, name: &'static str) -> Vec<Value> {
        match self.take(name) {
            Some(Value::Array(items)) => items,
            Some(other) => {
                self.repair(name, other);
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    /// The event's `context`, what could not be used, and every field that the contract does not know.
    pub(super) fn into_context(mut self) -> Map<String, Value> {
        let mut context = match self.take("context") {
            Some(Value::Object(context)) => context,
            Some(other) => Map::from_iter([("context".to_owned(), other)]),
            None => Map::new(),
        };
        self.rest.remove("v");
        context.extend(self.kept);
        for (name, value) in self.rest {
            context.entry(name).or_insert(value);
        }
        bounded(&context)
    }
}

/// At most so many keys, and no value larger than so many bytes of JSON.
pub(super) fn bounded(object: &Map<String, Value>) -> Map<String, Value> {
    let value = |value: &Value| match value {
        Value::String(text) => Value::String(cut(&clean(text))),
        Value::Array(_) | Value::Object(_) => {
            let json = value.to_string();
            if json.len() > MAX_VALUE_BYTES || depth(value) > 6 { Value::String(cut(&json)) } else { value.clone() }
        }
        scalar => scalar.clone(),
    };
    if object.len() > MAX_KEYS {
        metrics::repaired("context");
    }
    object.iter().take(MAX_KEYS).map(|(key, found)| (truncate_chars(&clean(key), 200), value(found))).collect()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn cut(text: &str) -> String {
    if text.len() <= MAX_VALUE_BYTES {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(MAX_VALUE_BYTES)])
}
