//! What is above the rows: tabs, the search box with its choices, and a chip for each term of the filter.

use serde::Serialize;

use super::{Filter, InvalidField, IssueQuery, ListParams, Overview, Sort, Status, address};
use crate::{
    domain::{IssueType, Severity},
    web::pages::layout::{OptionView, label, options, word_options},
};

/// The ranges of time that can be chosen, and what they are called.
const RANGES: [(&str, &str); 5] = [
    ("<1h", "Last hour"),
    ("<1d", "Last 24 hours"),
    ("<1w", "Last 7 days"),
    ("<2w", "Last 14 days"),
    ("<30d", "Last 30 days"),
];

#[derive(Serialize)]
pub(super) struct BarView {
    /// The filter as text, or what was typed instead.
    q: String,
    /// The same, if it is a filter: see [`ListParams::was`].
    was: String,
    error: String,
    chips: Vec<ChipView>,
    service: String,
    services: Vec<OptionView>,
    environment: String,
    environments: Vec<OptionView>,
    severity: String,
    severities: Vec<OptionView>,
    #[serde(rename = "type")]
    issue_type: String,
    types: Vec<OptionView>,
    seen: String,
    ranges: Vec<OptionView>,
    sort: &'static str,
    sorts: Vec<OptionView>,
}

/// One term of the filter.
#[derive(Serialize)]
pub(super) struct ChipView {
    label: String,
    remove_url: String,
}

#[derive(Serialize)]
pub(super) struct TabView {
    label: String,
    pub(super) count: String,
    url: String,
    pub(super) active: bool,
}

impl BarView {
    pub(super) fn new(query: &IssueQuery, overview: &Overview) -> Self {
        let IssueQuery { filter, sort, .. } = query;
        let value = |key| filter.value(key).unwrap_or_default();
        let (service, environment) = (value("service"), value("env"));
        let (severity, issue_type, seen) = (value("severity"), value("type"), value("seen"));
        let text = filter.to_string();
        let chip = |(nth, term): (usize, &crate::domain::filter::Term)| ChipView {
            label: term.to_string(),
            remove_url: address(&filter.without(nth), *sort, ""),
        };
        Self {
            was: text.clone(),
            q: text,
            error: String::new(),
            chips: filter.terms.iter().enumerate().map(chip).collect(),
            services: with_current(overview.services.iter().map(String::as_str), &service),
            environments: with_current(overview.environments.iter().map(String::as_str), &environment),
            severities: word_options(Severity::ALL.iter().rev().map(|severity| severity.as_str()), &severity),
            types: word_options(IssueType::ALL.iter().map(|issue_type| issue_type.as_str()), &issue_type),
            ranges: ranges(&seen),
            sort: sort.as_str(),
            // The default has no word in the address; the template names it.
            sorts: word_options(
                Sort::ALL.into_iter().filter(|sort| *sort != Sort::default()).map(Sort::as_str),
                sort.as_str(),
            ),
            service,
            environment,
            severity,
            issue_type,
            seen,
        }
    }

    /// With what was typed, and why it is no filter.
    pub(super) fn refused(params: &ListParams, wrong: &[InvalidField], query: &IssueQuery) -> Self {
        let messages: Vec<&str> = wrong.iter().map(|wrong| wrong.message.as_str()).collect();
        Self {
            q: params.q.clone().unwrap_or_default(),
            was: String::new(),
            error: messages.join(" "),
            ..Self::new(query, &Overview::default())
        }
    }
}

/// Choices, the current one among them also if nothing has it.
fn with_current<'a>(values: impl Iterator<Item = &'a str>, current: &'a str) -> Vec<OptionView> {
    let mut values: Vec<&str> = values.collect();
    if !current.is_empty() && !values.contains(&current) {
        values.push(current);
    }
    options(values, current)
}

fn ranges(current: &str) -> Vec<OptionView> {
    let known = RANGES.map(|(value, label)| OptionView::new(value, label, value == current));
    let own = (!current.is_empty() && RANGES.iter().all(|(value, _)| *value != current))
        .then(|| OptionView::new(current, current, true));
    known.into_iter().chain(own).collect()
}

/// Each with the issues that it would show under the rest of the filter.
pub(super) fn tabs(query: &IssueQuery, overview: &Overview) -> Vec<TabView> {
    let by_status = |status: Status| overview.by_status.get(status.as_str()).copied().unwrap_or(0);
    let all = overview.by_status.values().sum();
    let states = query.filter.states();
    [
        ("open", "is:open", by_status(Status::Open)),
        ("in progress", "is:in-progress", by_status(Status::InProgress)),
        ("unassigned", "is:open is:unassigned", overview.unassigned),
        ("regressed", "is:regressed", overview.regressed),
        ("muted", "is:muted", overview.muted),
        ("resolved", "is:resolved", by_status(Status::Resolved)),
        ("closed", "is:closed", by_status(Status::Closed)),
        ("all", "", all),
    ]
    .into_iter()
    .filter_map(|(name, text, count)| {
        let own: Filter = text.parse().ok()?;
        Some(TabView {
            label: label(name),
            count: if overview.is_more { format!("{count}+") } else { count.to_string() },
            url: address(&query.filter.in_states(&own), query.sort, ""),
            active: states == own,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tabs_keep_the_rest_of_the_filter() {
        let query = IssueQuery { filter: "is:open service:feed".parse().unwrap(), ..IssueQuery::default() };
        let tabs = tabs(&query, &Overview::default());
        let active: Vec<_> = tabs.iter().filter(|tab| tab.active).map(|tab| tab.label.as_str()).collect();
        assert_eq!(active, ["Open"]);
        assert_eq!(tabs[2].url, "/issues?q=is:open+is:unassigned+service:feed");
        assert_eq!(tabs[7].url, "/issues?q=service:feed");
        let all = IssueQuery::default();
        assert_eq!(super::tabs(&all, &Overview::default())[7].url, "/issues?q=");
    }
}
