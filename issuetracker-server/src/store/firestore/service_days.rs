//! Errors and new issues by service and hour: one document for each service and day, to which commits add. Additions need no
//! precondition; they are exact because what they count is new on the condition of the same commit.

use std::{collections::BTreeMap, ops::Range};

use firestore::gcloud_sdk::google::firestore::v1::{
    Document, DocumentMask, StructuredQuery, Value, Write,
    document_transform::{FieldTransform, field_transform::TransformType},
    value::ValueType,
    write::Operation,
};

use super::{
    FirestoreStore, document,
    path::{Paths, SERVICE_DAYS},
    query,
    value::{Reader, Unreadable, count, integer, map_of, text, unreadable},
};
use crate::{
    domain::ServiceHour,
    store::{MAX_SERVICE_DAYS, StoreError},
};

const HOURS_A_DAY: i64 = 24;

/// The two maps of a document, from `h00` to `h23`; in no index.
const OCCURRENCES: &str = "occurrences";
/// See [`OCCURRENCES`].
const CREATED: &str = "created";

/// The writes that add `hours`, one for each service and day.
pub(super) fn additions(paths: Paths<'_>, hours: Vec<ServiceHour>) -> Vec<Write> {
    let mut days: BTreeMap<(String, i64), Vec<FieldTransform>> = BTreeMap::new();
    for ServiceHour { service, hour, occurrences, created } in hours {
        let transforms = days.entry((service, hour.div_euclid(HOURS_A_DAY))).or_default();
        for (map, number) in [(OCCURRENCES, occurrences), (CREATED, created)] {
            if number > 0 {
                transforms.push(FieldTransform {
                    field_path: format!("{map}.h{:02}", hour.rem_euclid(HOURS_A_DAY)),
                    transform_type: Some(TransformType::Increment(count(number))),
                });
            }
        }
    }
    let addition = |((service, day), update_transforms): ((String, i64), _)| {
        let fields = [("service".to_owned(), text(&service)), ("day".to_owned(), integer(day))];
        let mask = DocumentMask { field_paths: fields.iter().map(|(field, _)| field.clone()).collect() };
        let name = paths.service_day(&service, day);
        let document = Document { name, fields: fields.into_iter().collect(), ..Document::default() };
        let operation = Some(Operation::Update(document));
        Write { operation, update_mask: Some(mask), update_transforms, ..Write::default() }
    };
    days.into_iter().map(addition).collect()
}

/// The write that makes an hour what it was where it comes from.
pub(super) fn replacement(paths: Paths<'_>, hour: &ServiceHour) -> Write {
    let ServiceHour { service, hour, occurrences, created } = hour;
    let (day, key) = (hour.div_euclid(HOURS_A_DAY), format!("h{:02}", hour.rem_euclid(HOURS_A_DAY)));
    let mut fields = vec![("service".to_owned(), text(service)), ("day".to_owned(), integer(day))];
    let mut mask = vec!["service".to_owned(), "day".to_owned()];
    for (map, number) in [(OCCURRENCES, occurrences), (CREATED, created)] {
        fields.push((map.to_owned(), map_of(&key, count(*number))));
        mask.push(format!("{map}.{key}"));
    }
    let name = paths.service_day(service, day);
    let document = Document { name, fields: fields.into_iter().collect(), ..Document::default() };
    let update_mask = Some(DocumentMask { field_paths: mask });
    Write { operation: Some(Operation::Update(document)), update_mask, ..Write::default() }
}

impl FirestoreStore {
    pub(super) async fn read_service_hours(&self, hours: Range<i64>) -> Result<Vec<ServiceHour>, StoreError> {
        if hours.is_empty() {
            return Ok(Vec::new());
        }
        let days = hours.start.div_euclid(HOURS_A_DAY)..=(hours.end - 1).div_euclid(HOURS_A_DAY);
        let query: StructuredQuery = query::between(SERVICE_DAYS, "day", days, MAX_SERVICE_DAYS);
        let mut found = Vec::new();
        for document in self.client.query(self.client.documents_path(), query).await? {
            found.extend(document::read(&document, |_, fields| read(fields))?);
        }
        found.retain(|found| hours.contains(&found.hour));
        found.sort_unstable_by(|a, b| (a.hour, &a.service).cmp(&(b.hour, &b.service)));
        Ok(found)
    }
}

fn read(fields: Reader<'_>) -> Result<Vec<ServiceHour>, Unreadable> {
    let (service, day) = (fields.text("service")?, fields.integer("day")?);
    let mut hours: BTreeMap<i64, ServiceHour> = BTreeMap::new();
    for (map, is_created) in [(OCCURRENCES, false), (CREATED, true)] {
        for (key, value) in fields.map(map) {
            let hour: i64 = key.trim_start_matches('h').parse().map_err(|error| unreadable(map, error))?;
            let Value { value_type: Some(ValueType::IntegerValue(number)) } = value else {
                return Err(unreadable(map, "holds something that is not an integer"));
            };
            let hour = day * HOURS_A_DAY + hour;
            let found = hours.entry(hour).or_insert_with(|| ServiceHour {
                service: service.to_owned(),
                hour,
                ..ServiceHour::default()
            });
            let number = u64::try_from(*number).unwrap_or(0);
            *(if is_created { &mut found.created } else { &mut found.occurrences }) = number;
        }
    }
    Ok(hours.into_values().collect())
}
