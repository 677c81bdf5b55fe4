//! The numbers of short ids: a document for each prefix counts them. A commit that may create issues takes theirs before, so
//! that servers never meet over a number; what such a commit does not need after all is left out.
//!
//! ```text
//! numbers/{prefix}    last: the greatest number that was taken
//! ```

use std::{
    collections::{BTreeMap, HashMap},
    ops::RangeInclusive,
};

use firestore::gcloud_sdk::google::firestore::v1::{
    Document, Write,
    document_transform::{FieldTransform, field_transform::TransformType},
    value::ValueType,
    write::Operation,
};

use super::{FirestoreStore, client::Refused, ingest::Loaded, path::Paths, unavailable, value::count};
use crate::{
    domain::{IssueId, Occurrence, short_id},
    store::{StoreError, resolve::by_issue},
};

/// The field that counts; in no index.
const LAST: &str = "last";

/// Numbers that a commit may give, by prefix.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<String, RangeInclusive<u64>>);

impl Numbers {
    /// The short id of the issue that these occurrences make.
    pub(super) fn next(&mut self, occurrences: &[&Occurrence]) -> Option<IssueId> {
        let prefix = short_id::prefix_of_new(occurrences)?;
        let number = self.0.get_mut(&prefix)?.next()?;
        short_id::short_id(&prefix, number)
    }

    /// Never runs out of numbers of this prefix, and asks nobody.
    pub(super) fn endless(&mut self, prefix: String) {
        self.0.entry(prefix).or_insert(1..=u64::MAX);
    }

    fn left(&self, prefix: &str) -> u64 {
        self.0.get(prefix).map_or(0, |numbers| u64::try_from(numbers.clone().count()).unwrap_or(0))
    }
}

impl FirestoreStore {
    /// Takes as many numbers as `part` may create issues.
    pub(super) async fn take_numbers(
        &self,
        part: &[Occurrence],
        loaded: &Loaded,
        numbers: &mut Numbers,
    ) -> Result<(), StoreError> {
        let mut wanted: BTreeMap<String, u64> = BTreeMap::new();
        for (id, indexes) in by_issue(&loaded.destinations) {
            if !loaded.documents.contains_key(&self.paths().issue(id.as_str())) {
                let occurrences: Vec<&Occurrence> = indexes.iter().map(|index| &part[*index]).collect();
                if let Some(prefix) = short_id::prefix_of_new(&occurrences) {
                    *wanted.entry(prefix).or_default() += 1;
                }
            }
        }
        wanted.retain(|prefix, wanted| numbers.left(prefix) < *wanted);
        if wanted.is_empty() {
            return Ok(());
        }
        let writes = wanted
            .iter()
            .map(|(prefix, wanted)| count_up(self.paths(), prefix, TransformType::Increment(count(*wanted))));
        let counted = match self.client.transform(writes.collect()).await {
            Ok(counted) => counted,
            Err(Refused::Stale(_)) => return Err(unavailable("somebody else was counting the same numbers")),
            Err(Refused::Failed(error)) => return Err(error),
        };
        for ((prefix, wanted), last) in wanted.into_iter().zip(counted) {
            let last = match last.and_then(|value| value.value_type) {
                Some(ValueType::IntegerValue(last)) => u64::try_from(last).unwrap_or(0),
                _ => return Err(unavailable("Firestore did not say what it has counted")),
            };
            numbers.0.insert(prefix, last.saturating_sub(wanted - 1)..=last);
        }
        Ok(())
    }
}

/// The writes after which no number is given again that one of these issues has.
pub(super) fn skip_to<'a>(paths: Paths<'_>, ids: impl Iterator<Item = &'a IssueId>) -> Vec<Write> {
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (prefix, number) in ids.filter_map(short_id::parts) {
        let last = last.entry(prefix).or_default();
        *last = number.max(*last);
    }
    let write = |(prefix, last): (&str, u64)| count_up(paths, prefix, TransformType::Maximum(count(last)));
    last.into_iter().map(write).collect()
}

fn count_up(paths: Paths<'_>, prefix: &str, transform: TransformType) -> Write {
    let transform = FieldTransform { field_path: LAST.to_owned(), transform_type: Some(transform) };
    let document = Document { name: paths.number(prefix), ..Document::default() };
    Write {
        operation: Some(Operation::Update(document)),
        // No field is written, so none is lost.
        update_mask: Some(Default::default()),
        update_transforms: vec![transform],
        ..Write::default()
    }
}
