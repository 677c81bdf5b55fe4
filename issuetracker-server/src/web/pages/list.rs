//! The list of issues.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    response::Redirect,
};
use jiff::Timestamp;
use serde::Serialize;

use super::{
    Shown,
    layout::{OptionView, RowView, label, options, query_string, word_options},
};
use crate::{
    domain::{IssueType, Severity, Status},
    store::{IssueQuery, Overview, Sort},
    web::{
        WebState, cursor,
        problem::Problem,
        require::{Require, permission},
        search::ListParams,
    },
};

#[derive(Serialize)]
struct ListView<'a> {
    query: QueryView<'a>,
    tabs: Vec<TabView>,
    filters: FiltersView,
    chips: Vec<ChipView>,
    rows: Vec<RowView>,
    next_url: Option<String>,
    total_text: String,
    empty: Option<&'static str>,
    clear_url: &'static str,
}

#[derive(Serialize)]
struct QueryView<'a> {
    q: &'a str,
    status: &'a str,
    service: &'a str,
    environment: &'a str,
    severity: &'a str,
    #[serde(rename = "type")]
    issue_type: &'a str,
    sort: &'a str,
    component: &'a str,
    priority: &'a str,
    assignee: &'a str,
    tag: &'a str,
}

#[derive(Serialize)]
struct TabView {
    key: &'static str,
    label: String,
    count: String,
    url: String,
    active: bool,
}

#[derive(Serialize)]
struct FiltersView {
    services: Vec<OptionView>,
    environments: Vec<OptionView>,
    severities: Vec<OptionView>,
    types: Vec<OptionView>,
    sorts: Vec<OptionView>,
}

#[derive(Serialize)]
struct ChipView {
    label: String,
    remove_url: String,
}

/// `GET /`
pub(crate) async fn home() -> Redirect {
    Redirect::to("/issues")
}

/// `GET /issues`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Shown {
    let Query(params) =
        params.map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))?;
    let mut query = params.query(&principal).map_err(Problem::invalid)?;
    // Without a word about status, people want what is to be done.
    let says_status = !params.status.is_empty() || !query.statuses.is_empty() || params.q.contains("is:all");
    if !says_status {
        query.statuses = vec![Status::Open];
    }
    let (page, overview) = (state.triage.issues(&query).await?, state.triage.overview(&query).await?);
    let now = Timestamp::now();
    let total: u64 = overview.by_status.values().sum();
    let shown = count_of(&query, &overview);
    let view = ListView {
        query: QueryView {
            q: &params.q,
            status: &params.status,
            service: &params.service,
            environment: &params.environment,
            severity: &params.severity,
            issue_type: &params.issue_type,
            sort: &params.sort,
            component: &params.component,
            priority: &params.priority,
            assignee: &params.assignee,
            tag: &params.tag,
        },
        tabs: tabs(&params, &query, &overview),
        filters: FiltersView {
            services: options(overview.services.iter().map(String::as_str), &params.service),
            environments: options(overview.environments.iter().map(String::as_str), &params.environment),
            severities: word_options(Severity::ALL.iter().rev().map(|severity| severity.as_str()), &params.severity),
            types: word_options(IssueType::ALL.iter().map(|issue_type| issue_type.as_str()), &params.issue_type),
            // The default has no word in the address; the template names it.
            sorts: word_options(
                Sort::ALL.into_iter().filter(|sort| *sort != Sort::default()).map(Sort::as_str),
                query.sort.as_str(),
            ),
        },
        chips: chips(&params),
        rows: page.items.iter().map(|issue| RowView::new(issue, now)).collect(),
        next_url: page.next.as_ref().map(|next| address(&params, &[("cursor", &cursor::encode(next))])),
        total_text: match (shown, overview.is_more) {
            (1, false) => "1 issue".to_owned(),
            (shown, is_more) => format!("{shown}{} issues", if is_more { "+" } else { "" }),
        },
        empty: match (page.items.is_empty(), total, is_filtered(&params)) {
            (false, ..) => None,
            (true, 0, false) => Some("none_yet"),
            (true, ..) => Some("no_match"),
        },
        clear_url: "/issues",
    };
    super::show(&state, &principal, "issues.html", "Issues", "issues", &view)
}

fn count_of(query: &IssueQuery, overview: &Overview) -> u64 {
    let is_asked =
        |status: &str| query.statuses.is_empty() || query.statuses.iter().any(|asked| asked.as_str() == status);
    overview.by_status.iter().filter(|(status, _)| is_asked(status)).map(|(_, count)| count).sum()
}

fn tabs(params: &ListParams, query: &IssueQuery, overview: &Overview) -> Vec<TabView> {
    let count = |key: &str| overview.by_status.get(key).copied().unwrap_or(0);
    let tab = |key: &'static str, count: u64, active: bool| TabView {
        key,
        label: label(key),
        count: if overview.is_more { format!("{count}+") } else { count.to_string() },
        url: address(params, &[("status", key), ("cursor", "")]),
        active,
    };
    let one = Status::ALL.map(|status| tab(status.as_str(), count(status.as_str()), query.statuses == [status]));
    one.into_iter().chain([tab("all", overview.by_status.values().sum(), query.statuses.is_empty())]).collect()
}

/// The filters that no `<select>` on the page shows.
fn chips(params: &ListParams) -> Vec<ChipView> {
    let hidden = [
        ("component", &params.component),
        ("priority", &params.priority),
        ("assignee", &params.assignee),
        ("tag", &params.tag),
    ];
    hidden
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| ChipView {
            label: format!("{key}: {value}"),
            remove_url: address(params, &[(key, ""), ("cursor", "")]),
        })
        .collect()
}

fn is_filtered(params: &ListParams) -> bool {
    let ListParams { q, service, environment, component, severity, priority, issue_type, assignee, tag, .. } = params;
    [q, service, environment, component, severity, priority, issue_type, assignee, tag]
        .iter()
        .any(|value| !value.is_empty())
}

/// This list with some parameters changed.
fn address(params: &ListParams, changes: &[(&str, &str)]) -> String {
    let current = [
        ("q", params.q.as_str()),
        ("status", &params.status),
        ("service", &params.service),
        ("environment", &params.environment),
        ("component", &params.component),
        ("severity", &params.severity),
        ("priority", &params.priority),
        ("type", &params.issue_type),
        ("assignee", &params.assignee),
        ("tag", &params.tag),
        ("sort", &params.sort),
        ("cursor", ""),
    ];
    let changed = current.map(|(key, value)| {
        (key, changes.iter().find(|(changed, _)| *changed == key).map_or(value, |(_, value)| value))
    });
    match query_string(&changed) {
        query if query.is_empty() => "/issues".to_owned(),
        query => format!("/issues?{query}"),
    }
}
