//! What Firestore never takes, found before it is sent: a document beyond 1 MiB, a name that is too long, a request beyond
//! 10 MiB. Sizes are counted as Firestore's documentation does ("Storage size calculations"). Indexed texts are cut by
//! Firestore itself, and the number of writes in a commit has had no limit since 2023.

use firestore::gcloud_sdk::{
    google::firestore::v1::{Document, Value, Write, value::ValueType, write::Operation},
    prost::Message,
};

use super::value::Fields;
use crate::store::StoreError;

/// The largest document.
const MAX_DOCUMENT: usize = 1 << 20;

/// The longest text.
const MAX_VALUE: usize = MAX_DOCUMENT - 89;

/// The longest name of a document, and the longest part of one.
const MAX_NAME: usize = 6 << 10;
const MAX_ID: usize = 1_500;

/// The largest request; what surrounds the writes needs a little of it.
const MAX_REQUEST: usize = (10 << 20) - (64 << 10);

/// Refuses what would be refused.
pub(super) fn check(writes: &[Write]) -> Result<(), StoreError> {
    let refused = |reason: String| Err(StoreError::Refused(reason.into()));
    for write in writes {
        let Some(Operation::Update(document)) = &write.operation else { continue };
        let path = relative(document);
        if path.len() > MAX_NAME || path.split('/').any(|part| part.len() > MAX_ID) {
            return refused(format!("a document's name has {} bytes", path.len()));
        }
        for (field, value) in &document.fields {
            if let Some(ValueType::StringValue(text)) = &value.value_type
                && text.len() > MAX_VALUE
            {
                return refused(format!("{path}: {field} has {} bytes, more than {MAX_VALUE}", text.len()));
            }
        }
        let size = size(document);
        if size > MAX_DOCUMENT {
            return refused(format!("{path} has {size} bytes, more than a document's {MAX_DOCUMENT}"));
        }
    }
    let size: usize = writes.iter().map(Message::encoded_len).sum();
    if size > MAX_REQUEST {
        return refused(format!("{size} bytes are more than a request's {MAX_REQUEST}"));
    }
    Ok(())
}

/// The name beneath the database, which is what counts.
fn relative(document: &Document) -> &str {
    document.name.split_once("/documents/").map_or(document.name.as_str(), |(_, path)| path)
}

fn size(document: &Document) -> usize {
    let name: usize = relative(document).split('/').map(|part| part.len() + 1).sum();
    name + 16 + size_of_fields(&document.fields) + 32
}

fn size_of_fields(fields: &Fields) -> usize {
    fields.iter().map(|(field, value)| field.len() + 1 + size_of_value(value)).sum()
}

fn size_of_value(value: &Value) -> usize {
    match &value.value_type {
        Some(ValueType::StringValue(text)) => text.len() + 1,
        Some(ValueType::ArrayValue(array)) => array.values.iter().map(size_of_value).sum(),
        Some(ValueType::MapValue(map)) => size_of_fields(&map.fields),
        Some(ValueType::IntegerValue(_) | ValueType::TimestampValue(_)) => 8,
        // Null and boolean are 1. Nothing else is stored here; should it be once, Firestore still has the last word.
        _ => 1,
    }
}
