//! How occurrences spread over releases, environments, hosts and tags: of the newest, each counted as often as it stands for.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::{
    occurrence::count,
    values::{link, text_of},
};
use crate::{
    domain::{Activity, Issue},
    web::pages::layout::{compact, filter_url},
};

/// Values that are named for each key.
const MAX_VALUES: usize = 5;

/// Keys of tags that are shown.
const MAX_KEYS: usize = 4;

/// The share of each value of one key.
#[derive(Serialize)]
pub(super) struct SpreadView {
    label: String,
    values: Vec<ShareView>,
    /// Values that are not named.
    others: usize,
}

#[derive(Serialize)]
struct ShareView {
    value: String,
    url: String,
    count_text: String,
    percent: u64,
}

/// Keys with their values, and how many errors each stands for.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

pub(super) fn spreads(issue: &Issue, occurrences: &[Activity]) -> Vec<SpreadView> {
    let (mut facts, mut tags) = (Counts::new(), Counts::new());
    for occurrence in occurrences {
        let errors = count(occurrence);
        for key in ["release", "environment", "host"] {
            let value = text_of(occurrence.details.get(key));
            if !value.is_empty() {
                *facts.entry(key.to_owned()).or_default().entry(value).or_default() += errors;
            }
        }
        for tag in occurrence.details.get("tags").and_then(Value::as_array).into_iter().flatten() {
            // Component and kind have their own place.
            if let Some((key, value)) = tag.as_str().and_then(|tag| tag.split_once(':'))
                && !matches!(key, "component" | "error")
            {
                *tags.entry(key.to_owned()).or_default().entry(value.to_owned()).or_default() += errors;
            }
        }
    }
    let of_fact = ["release", "environment", "host"].into_iter().filter_map(|key| {
        let values = facts.remove(key)?;
        Some(spread(key, values, &|value| link(issue, key, value)))
    });
    let of_fact: Vec<SpreadView> = of_fact.collect();
    let of_tag = tags.into_iter().take(MAX_KEYS).map(|(key, values)| {
        let url = |value: &str| filter_url("tag", &format!("{key}:{value}"));
        spread(&key, values, &url)
    });
    of_fact.into_iter().chain(of_tag).collect()
}

fn spread(key: &str, values: BTreeMap<String, u64>, url: &dyn Fn(&str) -> String) -> SpreadView {
    let all: u64 = values.values().sum::<u64>().max(1);
    let mut values: Vec<(String, u64)> = values.into_iter().collect();
    values.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let others = values.len().saturating_sub(MAX_VALUES);
    values.truncate(MAX_VALUES);
    let share = |(value, count): (String, u64)| ShareView {
        url: url(&value),
        count_text: compact(count),
        percent: count * 100 / all,
        value,
    };
    SpreadView { label: key.to_owned(), values: values.into_iter().map(share).collect(), others }
}
