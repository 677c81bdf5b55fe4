//! What the store asks Firestore for: filters, orders and places as structured queries. Every query made here is served
//! by an index of `firestore.indexes.json`; the emulator has none and would not notice, so a test below does.

use firestore::gcloud_sdk::google::firestore::v1::{
    ArrayValue, Cursor as Place, StructuredQuery, Value,
    structured_query::{
        CollectionSelector, CompositeFilter, Direction, FieldFilter, FieldReference, Filter, Order, Projection,
        UnaryFilter, composite_filter, field_filter::Operator, filter::FilterType, unary_filter,
    },
    value::ValueType,
};

use jiff::Timestamp;

use super::{
    path::{ACTIVITIES, ALIASES, COMMENTS, ISSUES, NOTES},
    value::{integer, microseconds, reference, text, time},
};
use crate::{
    domain::{
        ActivityKind, Filter as ListFilter, Status,
        filter::{Fact, ME, State, Test},
    },
    store::{Cursor, IssueQuery, Sort},
};

/// The document's own name as a field; ties are ordered by it, in the direction of the field before it, because that is
/// what Firestore's own indexes hold.
const NAME: &str = "__name__";

/// The issues that pass the filter, with a status among `statuses` (any, if there are none), as far as Firestore can ask
/// for that; [`ListFilter::matches`] does the rest. Tells whether there is a rest.
pub(super) fn issues(filter: &ListFilter, user_id: &str, statuses: &[Status]) -> (StructuredQuery, bool) {
    let (mut filters, mut is_rest) = (Vec::new(), false);
    match statuses {
        [] => (),
        [status] => filters.push(equals("status", text(status.as_str()))),
        several => filters.push(is_one_of("status", several.iter().map(|status| status.as_str()))),
    }
    for term in &filter.terms {
        let asked = match &term.test {
            _ if term.is_negated => None,
            // Firestore knows whole values only.
            Test::Fact(Fact::Kind, _) => None,
            Test::Fact(fact, values) => match values.as_slice() {
                [value] => field_of(*fact).map(|field| equals(field, text(value))),
                _ => None,
            },
            Test::Assigned(people) => match people.as_slice() {
                [None] => Some(is_null("assignee_id")),
                [Some(person)] => Some(equals("assignee_id", text(if person == ME { user_id } else { person }))),
                _ => None,
            },
            Test::Tag(tags) => match tags.as_slice() {
                // It can be asked for once only.
                [tag] if !filters.iter().any(is_array_contains) => {
                    Some(compare("tags", Operator::ArrayContains, text(tag)))
                }
                _ => None,
            },
            Test::Is(states) if statuses_of(states).is_some() => continue,
            Test::Is(_) | Test::Seen(..) | Test::Host(_) | Test::Text(_) => None,
        };
        is_rest |= asked.is_none();
        filters.extend(asked);
    }
    (StructuredQuery { r#where: all_of(filters), ..everything(ISSUES) }, is_rest)
}

/// Whether only the projection can answer: Firestore has no words, and orders by what is in a document only.
pub(super) fn is_beyond_firestore(query: &IssueQuery) -> bool {
    query.filter.has_text() || matches!(query.sort, Sort::Trend | Sort::Priority)
}

/// The statuses that a filter asks for, if one term asks for nothing else; Firestore can be asked for one such set.
pub(super) fn statuses(filter: &ListFilter) -> Vec<Status> {
    let asked = filter.terms.iter().filter(|term| !term.is_negated).find_map(|term| match &term.test {
        Test::Is(states) => statuses_of(states),
        _ => None,
    });
    asked.unwrap_or_default()
}

fn statuses_of(states: &[State]) -> Option<Vec<Status>> {
    let status = |state: &State| match state {
        State::Status(status) => Some(*status),
        State::Muted | State::Regressed | State::Unassigned => None,
    };
    states.iter().map(status).collect()
}

/// The field that has an index with every order.
const fn field_of(fact: Fact) -> Option<&'static str> {
    match fact {
        Fact::Service => Some("service"),
        Fact::Environment => Some("environment"),
        Fact::Component => Some("component"),
        Fact::Severity => Some("severity"),
        Fact::Priority => Some("priority"),
        Fact::Type => Some("type"),
        Fact::Kind | Fact::Release => None,
    }
}

/// `issues` in the order of `query` and after its place; `name` makes the name of the issue there.
pub(super) fn page_of_issues(query: &IssueQuery, limit: usize, name: impl FnOnce(&str) -> String) -> StructuredQuery {
    let key = |key: i64| match query.sort {
        Sort::LastSeen | Sort::FirstSeen => microseconds(key),
        // Trend and urgency are never asked for here.
        Sort::Occurrences | Sort::Trend | Sort::Priority => integer(key),
    };
    let after = query.after.as_ref().map(|after| (key(after.key), name(&after.id)));
    let (matching, _) = issues(&query.filter, &query.user_id, &statuses(&query.filter));
    page(matching, query.sort.as_str(), Direction::Descending, after, limit)
}

/// The history of an issue, newest first.
pub(super) fn page_of_activities(
    kind: Option<ActivityKind>,
    after: Option<&Cursor>,
    limit: usize,
    name: impl FnOnce(&str) -> String,
) -> StructuredQuery {
    let filter = match kind {
        Some(kind) => equals("type", text(kind.as_str())),
        // Not `type != occurrence`: that would walk over every occurrence to find the few others.
        None => {
            let others = ActivityKind::ALL.iter().filter(|kind| **kind != ActivityKind::Occurrence);
            is_one_of("type", others.map(|kind| kind.as_str()))
        }
    };
    let history = StructuredQuery { r#where: Some(filter), ..everything(ACTIVITIES) };
    page(
        history,
        "timestamp",
        Direction::Descending,
        after.map(|after| (microseconds(after.key), name(&after.id))),
        limit,
    )
}

/// A direction in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Towards {
    Older,
    Newer,
}

/// The next occurrence of an issue in this direction, and one more.
pub(super) fn next_occurrence(
    towards: Towards,
    after: Option<&Cursor>,
    name: impl FnOnce(&str) -> String,
) -> StructuredQuery {
    let direction = match towards {
        Towards::Older => Direction::Descending,
        Towards::Newer => Direction::Ascending,
    };
    let occurrences = equals("type", text(ActivityKind::Occurrence.as_str()));
    let occurrences = StructuredQuery { r#where: Some(occurrences), ..everything(ACTIVITIES) };
    let after = after.map(|after| (microseconds(after.key), name(&after.id)));
    page(occurrences, "timestamp", direction, after, 0)
}

/// Occurrences of all issues in this trace.
pub(super) fn occurrences_of_trace(trace_id: &str, limit: usize) -> StructuredQuery {
    let from = CollectionSelector { collection_id: ACTIVITIES.to_owned(), all_descendants: true };
    StructuredQuery {
        from: vec![from],
        r#where: Some(equals("trace_id", text(trace_id))),
        limit: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
        ..StructuredQuery::default()
    }
}

/// The comments on an issue, oldest first.
pub(super) fn page_of_comments(
    after: Option<&Cursor>,
    limit: usize,
    name: impl FnOnce(&str) -> String,
) -> StructuredQuery {
    let after = after.map(|after| (microseconds(after.key), name(&after.id)));
    page(everything(COMMENTS), "created_at", Direction::Ascending, after, limit)
}

/// All issues; to be counted.
pub(super) fn all_issues() -> StructuredQuery {
    everything(ISSUES)
}

/// The notes whose keys start with `prefix`, by key.
pub(super) fn notes(prefix: &str, limit: usize) -> StructuredQuery {
    let from = compare("key", Operator::GreaterThanOrEqual, text(prefix));
    let to = compare("key", Operator::LessThan, text(&format!("{prefix}{}", char::MAX)));
    StructuredQuery {
        r#where: all_of(vec![from, to]),
        order_by: vec![Order { field: Some(field("key")), direction: Direction::Ascending.into() }],
        limit: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
        ..everything(NOTES)
    }
}

/// The documents whose whole number `field` is between the ends, in its order.
pub(super) fn between(
    collection: &str,
    name: &str,
    range: std::ops::RangeInclusive<i64>,
    limit: usize,
) -> StructuredQuery {
    let from = compare(name, Operator::GreaterThanOrEqual, integer(*range.start()));
    let to = compare(name, Operator::LessThanOrEqual, integer(*range.end()));
    StructuredQuery {
        r#where: all_of(vec![from, to]),
        order_by: vec![Order { field: Some(field(name)), direction: Direction::Ascending.into() }],
        limit: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
        ..everything(collection)
    }
}

/// The ids that stand for this issue.
pub(super) fn aliases_of(issue_id: &str) -> StructuredQuery {
    StructuredQuery { r#where: Some(equals("issue_id", text(issue_id))), ..everything(ALIASES) }
}

/// The occurrences of an issue, all or from a time on, to be counted.
pub(super) fn occurrences(from: Option<Timestamp>) -> StructuredQuery {
    let mut filters = vec![equals("type", text(ActivityKind::Occurrence.as_str()))];
    filters.extend(from.map(|from| compare("timestamp", Operator::GreaterThanOrEqual, time(from))));
    StructuredQuery { r#where: all_of(filters), ..everything(ACTIVITIES) }
}

/// Occurrences of an issue before a time, but for the newest of them; newest first.
pub(super) fn occurrences_before(before: Timestamp, spared: u64, limit: usize) -> StructuredQuery {
    let is_occurrence = equals("type", text(ActivityKind::Occurrence.as_str()));
    let filters = vec![is_occurrence, compare("timestamp", Operator::LessThan, time(before))];
    let history = StructuredQuery { r#where: all_of(filters), ..everything(ACTIVITIES) };
    let page = page(history, "timestamp", Direction::Descending, None, limit.saturating_sub(1));
    StructuredQuery { offset: i32::try_from(spared).unwrap_or(i32::MAX), ..page }
}

/// Issues that are done and were last seen before a time, a query for each such status.
pub(super) fn done_before(before: Timestamp, limit: usize) -> impl Iterator<Item = StructuredQuery> {
    let done = Status::ALL.into_iter().filter(|status| status.is_done());
    done.map(move |status| {
        let filters =
            vec![equals("status", text(status.as_str())), compare("last_seen", Operator::LessThan, time(before))];
        let done = StructuredQuery { r#where: all_of(filters), ..everything(ISSUES) };
        page(done, "last_seen", Direction::Descending, None, limit)
    })
}

/// The documents of a collection in the order of their names, after this one; of one field only, or whole.
pub(super) fn by_name(collection: &str, after: Option<String>, limit: usize, only: Option<&str>) -> StructuredQuery {
    let fields = only.map(|name| Projection { fields: vec![field(name)] });
    StructuredQuery {
        select: fields,
        order_by: vec![Order { field: Some(field(NAME)), direction: Direction::Ascending.into() }],
        start_at: after.map(|name| Place { values: vec![reference(name)], before: false }),
        limit: Some(i32::try_from(limit).unwrap_or(i32::MAX)),
        ..everything(collection)
    }
}

/// The records of a collection in the order of their names, all or those whose field is this text.
pub(super) fn records(
    collection: &str,
    of: Option<(&str, &str)>,
    after: Option<String>,
    limit: usize,
) -> StructuredQuery {
    let r#where = of.map(|(name, value)| equals(name, text(value)));
    StructuredQuery { r#where, ..by_name(collection, after, limit, None) }
}

/// One more than `limit`, which tells whether there is more.
fn page(
    query: StructuredQuery,
    order_by: &str,
    direction: Direction,
    after: Option<(Value, String)>,
    limit: usize,
) -> StructuredQuery {
    let by = |name: &str| Order { field: Some(field(name)), direction: direction.into() };
    StructuredQuery {
        order_by: vec![by(order_by), by(NAME)],
        start_at: after.map(|(key, name)| Place { values: vec![key, reference(name)], before: false }),
        limit: Some(i32::try_from(limit.saturating_add(1)).unwrap_or(i32::MAX)),
        ..query
    }
}

fn everything(collection: &str) -> StructuredQuery {
    let from = CollectionSelector { collection_id: collection.to_owned(), all_descendants: false };
    StructuredQuery { from: vec![from], ..StructuredQuery::default() }
}

fn all_of(filters: Vec<Filter>) -> Option<Filter> {
    let all = CompositeFilter { op: composite_filter::Operator::And.into(), filters };
    (!all.filters.is_empty()).then(|| filter(FilterType::CompositeFilter(all)))
}

fn equals(name: &str, value: Value) -> Filter {
    compare(name, Operator::Equal, value)
}

fn is_one_of<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Filter {
    let values = ArrayValue { values: words.map(text).collect() };
    compare(name, Operator::In, Value { value_type: Some(ValueType::ArrayValue(values)) })
}

fn is_null(name: &str) -> Filter {
    filter(FilterType::UnaryFilter(UnaryFilter {
        op: unary_filter::Operator::IsNull.into(),
        operand_type: Some(unary_filter::OperandType::Field(field(name))),
    }))
}

fn compare(name: &str, op: Operator, value: Value) -> Filter {
    filter(FilterType::FieldFilter(FieldFilter { field: Some(field(name)), op: op.into(), value: Some(value) }))
}

fn is_array_contains(filter: &Filter) -> bool {
    matches!(&filter.filter_type, Some(FilterType::FieldFilter(one)) if one.op == i32::from(Operator::ArrayContains))
}

fn filter(filter_type: FilterType) -> Filter {
    Filter { filter_type: Some(filter_type) }
}

fn field(name: &str) -> FieldReference {
    FieldReference { field_path: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value as Json, json};

    use super::*;

    fn indexes() -> Json {
        serde_json::from_str(include_str!("../../../../firestore.indexes.json")).unwrap()
    }

    /// The composite indexes of a collection group: the filtered field, and the one that orders.
    fn composites(group: &str) -> BTreeSet<(String, String)> {
        let indexes = indexes();
        let of_group = indexes["indexes"].as_array().unwrap().iter().filter(|index| index["collectionGroup"] == group);
        of_group
            .map(|index| {
                let fields = index["fields"].as_array().unwrap();
                let is_of_occurrences = index["collectionGroup"] == "activities";
                assert!(fields.len() == 2 && (is_of_occurrences || fields[1]["order"] == "DESCENDING"), "{index}");
                let path = |at: usize| fields[at]["fieldPath"].as_str().unwrap().to_owned();
                (path(0), path(1))
            })
            .collect()
    }

    /// What the automatic index of a field is replaced by; `None` if it is as it comes.
    fn replaced(group: &str, field: &str) -> Option<Json> {
        let indexes = indexes();
        let overrides = indexes["fieldOverrides"].as_array().unwrap();
        let of_field = |index: &&Json| index["collectionGroup"] == group && index["fieldPath"] == field;
        overrides.iter().find(of_field).map(|index| index["indexes"].clone())
    }

    fn filtered_fields(query: &StructuredQuery) -> Vec<String> {
        fn of(filter: &Filter) -> Vec<String> {
            match filter.filter_type.as_ref().unwrap() {
                FilterType::CompositeFilter(all) => all.filters.iter().flat_map(of).collect(),
                FilterType::FieldFilter(one) => vec![one.field.clone().unwrap().field_path],
                FilterType::UnaryFilter(UnaryFilter { operand_type: Some(operand), .. }) => {
                    let unary_filter::OperandType::Field(field) = operand;
                    vec![field.field_path.clone()]
                }
                FilterType::UnaryFilter(_) => Vec::new(),
            }
        }
        query.r#where.as_ref().map(of).unwrap_or_default()
    }

    #[test]
    fn every_filter_has_an_index_in_every_order() {
        let filter: ListFilter =
            "service:a env:b component:c severity:error priority:high type:bug assigned:none tag:d \
                                  is:open,in-progress"
                .parse()
                .unwrap();
        let composites = composites("issues");
        let (matching, is_rest) = issues(&filter, "", &statuses(&filter));
        assert!(!is_rest);
        let fields = filtered_fields(&matching);
        assert_eq!(fields.len(), 9);
        for field in fields {
            assert_eq!(replaced("issues", &field), None, "{field} is counted by its automatic index");
            for sort in [Sort::LastSeen, Sort::FirstSeen, Sort::Occurrences] {
                let order = sort.as_str();
                assert!(composites.contains(&(field.clone(), order.to_owned())), "{field}, {order}");
            }
        }
    }

    #[test]
    fn every_order_has_an_index_without_a_filter() {
        for sort in [Sort::LastSeen, Sort::FirstSeen, Sort::Occurrences] {
            assert_eq!(replaced("issues", sort.as_str()).unwrap()[0]["order"], "DESCENDING");
        }
        assert_eq!(replaced("comments", "created_at").unwrap()[0]["order"], "ASCENDING");
        assert_eq!(composites("activities"), BTreeSet::from([("type".to_owned(), "timestamp".to_owned())]));
        let orders = indexes()["indexes"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|index| index["collectionGroup"] == "activities")
            .map(|index| index["fields"][1]["order"].clone())
            .collect::<Vec<_>>();
        assert_eq!(orders, ["DESCENDING", "ASCENDING"], "occurrences are walked through both ways");
        assert_eq!(replaced("activities", "trace_id").unwrap()[0]["queryScope"], "COLLECTION_GROUP");
    }

    #[test]
    fn what_only_grows_and_orders_nothing_has_no_index() {
        // An index over values in ascending order takes about 500 writes a second.
        for (group, field) in [("issues", "created_at"), ("issues", "updated_at"), ("activities", "timestamp")] {
            assert_eq!(replaced(group, field), Some(json!([])), "{group}.{field}");
        }
    }
}
