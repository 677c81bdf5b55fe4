//! Firestore's values, made from plain ones and read back strictly: what has another type is an error, not a default.

use std::{collections::HashMap, str::FromStr};

use firestore::{
    gcloud_sdk::google::firestore::v1::{ArrayValue, Document, MapValue, Value, value::ValueType},
    timestamp_utils::{from_timestamp, to_timestamp},
};
use jiff::Timestamp;

use crate::store::{BoxError, Field};

/// The fields of a document.
pub(super) type Fields = HashMap<String, Value>;

/// The year 1, where Firestore's time begins; jiff's begins earlier.
const EARLIEST_MICROSECOND: i64 = -62_135_596_800_000_000;

/// A field that is missing or is not what it should be.
#[derive(Debug, thiserror::Error)]
#[error("field `{field}`: {problem}")]
pub(super) struct Unreadable {
    field: &'static str,
    problem: String,
}

pub(super) fn text(text: &str) -> Value {
    value(ValueType::StringValue(text.to_owned()))
}

pub(super) fn integer(number: i64) -> Value {
    value(ValueType::IntegerValue(number))
}

/// Firestore's integers are signed; nothing here is counted beyond their end.
pub(super) fn count(number: u64) -> Value {
    integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Cut to microseconds, which is what Firestore keeps.
pub(super) fn time(at: Timestamp) -> Value {
    microseconds(at.as_microsecond())
}

/// The time at so many microseconds since 1970, or the nearest that Firestore has.
pub(super) fn microseconds(micros: i64) -> Value {
    let nearest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    let at = Timestamp::from_microsecond(micros.max(EARLIEST_MICROSECOND)).unwrap_or(nearest);
    value(ValueType::TimestampValue(to_timestamp(at)))
}

pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Value {
    value(ValueType::ArrayValue(ArrayValue { values: texts.into_iter().map(text).collect() }))
}

/// A map with one entry.
pub(super) fn map_of(key: &str, value_of_key: Value) -> Value {
    value(ValueType::MapValue(MapValue { fields: HashMap::from([(key.to_owned(), value_of_key)]) }))
}

pub(super) fn reference(name: String) -> Value {
    value(ValueType::ReferenceValue(name))
}

/// Null is stored as such: a query for "nobody's" finds nulls, but not what is missing.
pub(super) fn or_null(value_or_none: Option<Value>) -> Value {
    value_or_none.unwrap_or_else(|| value(ValueType::NullValue(0)))
}

fn value(value_type: ValueType) -> Value {
    Value { value_type: Some(value_type) }
}

/// Reads the fields of a document.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a Document);

impl<'a> Reader<'a> {
    pub(super) fn text(self, field: &'static str) -> Result<&'a str, Unreadable> {
        match self.field(field) {
            Some(ValueType::StringValue(text)) => Ok(text),
            _ => Err(unreadable(field, "is not a string")),
        }
    }

    pub(super) fn word<T: FromStr<Err: std::fmt::Display>>(self, field: &'static str) -> Result<T, Unreadable> {
        self.text(field)?.parse().map_err(|error| unreadable(field, error))
    }

    pub(super) fn integer(self, field: &'static str) -> Result<i64, Unreadable> {
        match self.field(field) {
            Some(ValueType::IntegerValue(number)) => Ok(*number),
            _ => Err(unreadable(field, "is not an integer")),
        }
    }

    pub(super) fn number<T: TryFrom<i64, Error: std::fmt::Display>>(
        self,
        field: &'static str,
    ) -> Result<T, Unreadable> {
        self.integer(field)?.try_into().map_err(|error| unreadable(field, error))
    }

    pub(super) fn time(self, field: &'static str) -> Result<Timestamp, Unreadable> {
        match self.field(field) {
            Some(ValueType::TimestampValue(at)) => from_timestamp(*at).map_err(|error| unreadable(field, error)),
            _ => Err(unreadable(field, "is not a timestamp")),
        }
    }

    pub(super) fn texts(self, field: &'static str) -> Result<Vec<String>, Unreadable> {
        let Some(ValueType::ArrayValue(array)) = self.field(field) else {
            return Err(unreadable(field, "is not an array"));
        };
        let texts = array.values.iter().map(|value| match &value.value_type {
            Some(ValueType::StringValue(text)) => Ok(text.clone()),
            _ => Err(unreadable(field, "holds something that is not a string")),
        });
        texts.collect()
    }

    /// `None` if the field is null or missing, else what `read` makes of it.
    pub(super) fn optional<T>(
        self,
        field: &'static str,
        read: impl FnOnce(Self, &'static str) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        match self.field(field) {
            None | Some(ValueType::NullValue(_)) => Ok(None),
            Some(_) => read(self, field).map(Some),
        }
    }

    /// What one text holds; `None` if the field is null or missing.
    pub(super) fn shape<T>(
        self,
        field: &'static str,
        read: impl FnOnce(&str) -> Result<T, BoxError>,
    ) -> Result<Option<T>, Unreadable> {
        let text = self.optional(field, Self::text)?;
        text.map(|text| read(text).map_err(|error| unreadable(field, error))).transpose()
    }

    /// The entries of a map; none if the field is missing.
    pub(super) fn map(self, field: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
        let map = match self.field(field) {
            Some(ValueType::MapValue(map)) => Some(&map.fields),
            _ => None,
        };
        map.into_iter().flatten()
    }

    /// All fields, which are texts and times.
    pub(super) fn texts_and_times(self) -> impl Iterator<Item = (&'a String, Result<Field, Unreadable>)> {
        let read = |value: &Value| match &value.value_type {
            Some(ValueType::StringValue(text)) => Ok(Field::Text(text.clone())),
            Some(ValueType::TimestampValue(at)) => {
                from_timestamp(*at).map(Field::Time).map_err(|error| unreadable("a time", error))
            }
            _ => Err(unreadable("a field", "is neither text nor time")),
        };
        self.0.fields.iter().map(move |(name, value)| (name, read(value)))
    }

    fn field(self, field: &str) -> Option<&'a ValueType> {
        self.0.fields.get(field)?.value_type.as_ref()
    }
}

pub(super) fn unreadable(field: &'static str, problem: impl std::fmt::Display) -> Unreadable {
    Unreadable { field, problem: problem.to_string() }
}
