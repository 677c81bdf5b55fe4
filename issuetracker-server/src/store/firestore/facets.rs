//! The services and environments that there are: one small document, `facets/issues`, written in the commit that brings
//! the first issue of a new one. Firestore cannot list distinct values, and reading all issues for them would cost a read
//! each.
//!
//! It is a list of what issues were ever made with, not of what they have now, and it stops at 500 values; filtering
//! by a value that is not in it works all the same.

use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

use firestore::gcloud_sdk::google::firestore::v1::{
    ArrayValue, Document, DocumentTransform, Write,
    document_transform::{FieldTransform, field_transform::TransformType},
    write::Operation,
};

use super::value::{Reader, text};
use crate::{
    domain::{Effect, Occurrence},
    store::StoreError,
};

/// The most values of each kind; what the embedded store offers too.
const MAX_VALUES: usize = 500;

/// The longest value that is offered, in bytes, so that the document stays far below Firestore's 1 MiB.
const MAX_LEN: usize = 200;

/// The most values that this process remembers; then it starts again.
const MAX_SEEN: usize = 10_000;

/// A kind of value; its field in the document.
pub(super) const SERVICES: &str = "services";
/// See [`SERVICES`].
pub(super) const ENVIRONMENTS: &str = "environments";

/// A value with its kind.
pub(super) type Facet = (&'static str, String);

/// What this process knows to be in the document, so that it is read and written only for new values.
#[derive(Default)]
pub(super) struct Facets {
    seen: Mutex<HashSet<Facet>>,
}

impl Facets {
    /// The values of `occurrences` that may not be in the document.
    pub(super) fn unseen(&self, occurrences: &[Occurrence]) -> BTreeSet<Facet> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let values = occurrences
            .iter()
            .filter(|occurrence| occurrence.effect != Effect::Commented)
            .flat_map(|occurrence| [(SERVICES, &occurrence.service), (ENVIRONMENTS, &occurrence.environment)])
            .filter(|(_, value)| !value.is_empty() && value.len() <= MAX_LEN)
            .map(|(kind, value)| (kind, value.clone()));
        values.filter(|facet| !seen.contains(facet)).collect()
    }

    /// Remembers values that are in the document, or that it has no room for.
    pub(super) fn remember(&self, facets: BTreeSet<Facet>) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() + facets.len() > MAX_SEEN {
            seen.clear();
        }
        seen.extend(facets);
    }
}

/// The write that adds those of `facets` that `document` lacks and has room for. It is a union, so it needs no
/// precondition: two processes that add the same value, or different ones, do not disturb each other.
pub(super) fn addition(
    name: String,
    document: Option<&Document>,
    facets: &BTreeSet<Facet>,
) -> Result<Option<Write>, StoreError> {
    let mut field_transforms = Vec::new();
    for kind in [SERVICES, ENVIRONMENTS] {
        let known = document.map(|document| values(document, kind)).transpose()?.unwrap_or_default();
        let new = facets.iter().filter(|(of, value)| *of == kind && !known.contains(value));
        let new: Vec<_> = new.take(MAX_VALUES.saturating_sub(known.len())).map(|(_, value)| text(value)).collect();
        if !new.is_empty() {
            let union = TransformType::AppendMissingElements(ArrayValue { values: new });
            field_transforms.push(FieldTransform { field_path: kind.to_owned(), transform_type: Some(union) });
        }
    }
    let is_empty = field_transforms.is_empty();
    let operation = Operation::Transform(DocumentTransform { document: name, field_transforms });
    Ok((!is_empty).then(|| Write { operation: Some(operation), ..Write::default() }))
}

/// The values of one kind, sorted.
pub(super) fn values(document: &Document, kind: &'static str) -> Result<Vec<String>, StoreError> {
    let values = super::document::read(document, |_, fields| fields.optional(kind, Reader::texts))?;
    let mut values = values.unwrap_or_default();
    values.sort_unstable();
    values.truncate(MAX_VALUES);
    Ok(values)
}
