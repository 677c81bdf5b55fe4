//! A JSON object in a request, read field by field so that a complaint can name the field.

use std::str::FromStr;

use axum::{body::Bytes, extract::rejection::BytesRejection};
use serde_json::{Map, Value};

use crate::{
    domain::MutedUntil,
    triage::{InvalidField, invalid},
    web::problem::Problem,
};

/// The fields of a request; what is wrong with them is collected and told at once.
pub(crate) struct Body {
    fields: Map<String, Value>,
    wrong: Vec<InvalidField>,
}

impl Body {
    pub(crate) fn read(bytes: Result<Bytes, BytesRejection>) -> Result<Self, Problem> {
        let bytes = bytes?;
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(fields)) => Ok(Self { fields, wrong: Vec::new() }),
            Ok(_) => Err(Problem::bad_request("not_an_object", "The body must be a JSON object.")),
            Err(error) => {
                let place = format!("line {}, column {}", error.line(), error.column());
                Err(Problem::bad_request("not_json", format!("The body is not JSON: look at {place}.")))
            }
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name)
    }

    /// A text; `None` if it is absent or `null`.
    pub(crate) fn text(&mut self, name: &'static str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            Value::Null => None,
            _ => self.complain(name, "must be a string"),
        }
    }

    /// `Some(None)` if it is there and `null` or empty: take the value away.
    pub(crate) fn nullable_text(&mut self, name: &'static str) -> Option<Option<String>> {
        match self.take(name)? {
            Value::String(text) => Some(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
            Value::Null => Some(None),
            _ => self.complain(name, "must be a string or null"),
        }
    }

    /// One of an enum's words.
    pub(crate) fn word<T: FromStr<Err: std::fmt::Display>>(&mut self, name: &'static str) -> Option<T> {
        match self.text(name)?.parse() {
            Ok(word) => Some(word),
            Err(error) => self.complain(name, &format!("{error}")),
        }
    }

    /// A yes or no.
    pub(crate) fn flag(&mut self, name: &'static str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(flag) => Some(flag),
            Value::Null => None,
            _ => self.complain(name, "must be true or false"),
        }
    }

    /// A whole number that is not negative.
    pub(crate) fn number(&mut self, name: &'static str) -> Option<u64> {
        match self.take(name)? {
            Value::Null => None,
            value => value.as_u64().or_else(|| self.complain(name, "must be a whole number, 0 or more")),
        }
    }

    /// A list of texts.
    pub(crate) fn texts(&mut self, name: &'static str) -> Option<Vec<String>> {
        match self.take(name)? {
            Value::Null => None,
            Value::Array(items) => {
                let texts: Option<Vec<String>> =
                    items.into_iter().map(|item| item.as_str().map(str::to_owned)).collect();
                if texts.is_none() {
                    return self.complain(name, "must be a list of strings");
                }
                texts
            }
            _ => self.complain(name, "must be a list of strings"),
        }
    }

    /// An object.
    pub(crate) fn object(&mut self, name: &'static str) -> Option<Map<String, Value>> {
        match self.take(name)? {
            Value::Object(object) => Some(object),
            Value::Null => None,
            _ => self.complain(name, "must be an object"),
        }
    }

    /// What silences an issue; `Some(None)` if it is `null`: it is heard again.
    pub(crate) fn mute(&mut self, name: &'static str) -> Option<Option<MutedUntil>> {
        const EXPECTED: &str = "must be \"forever\", {\"until\": \"2027-01-31T12:00:00Z\"}, {\"count\": 100, \"per\": \
                                \"hour\"} (or \"day\"), or null";
        let value = self.take(name)?;
        let until = |value: &Value| value.get("until")?.as_str()?.parse().ok().map(MutedUntil::Time);
        let rate = |value: &Value| {
            let count = value.get("count")?.as_u64().filter(|count| *count > 0)?;
            Some(MutedUntil::Rate { count, per: value.get("per")?.as_str()?.parse().ok()?, before: 0 })
        };
        let mute = match &value {
            Value::Null => return Some(None),
            Value::String(word) if word == "forever" => Some(MutedUntil::Unmuted),
            value => until(value).or_else(|| rate(value)),
        };
        if mute.is_none() {
            return self.complain(name, EXPECTED);
        }
        Some(mute)
    }

    /// The complaints, if there are any.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Problem::invalid(self.wrong)) }
    }

    /// As [`finish`](Self::finish), and a field that nobody has read is one complaint more: a typing error must not
    /// look like success.
    pub(crate) fn finish_strictly(self, expected: &str) -> Result<(), Problem> {
        if let Some(name) = self.fields.keys().next() {
            let name = tracing_issues::event::truncate_chars(name, 60);
            return Err(Problem::bad_request("unknown_field", format!("`{name}` cannot be changed; {expected} can.")));
        }
        self.finish()
    }

    fn complain<T>(&mut self, name: &'static str, message: &str) -> Option<T> {
        self.wrong.push(invalid(name, message));
        None
    }
}
