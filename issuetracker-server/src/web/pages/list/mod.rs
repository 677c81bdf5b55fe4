//! The list of issues. The filter is the text in `q`, so the address says all that the page shows.

mod bar;
mod bulk;
pub(super) mod chart;
mod empty;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Serialize;

use self::{
    bar::{BarView, TabView, tabs},
    bulk::{Done, DoneView},
    chart::{ChartView, Range, SparkView},
    empty::EmptyView,
};
pub(crate) use self::{bulk::change_many, empty::send_test_error};
use super::layout::{RowView, TimeView, compact, query_string};
use crate::{
    auth::Principal,
    domain::{
        Filter, Permission, Status,
        filter::{State as IssueState, Term, Test},
    },
    store::{IssueQuery, Overview, Sort},
    triage::{InvalidField, named},
    web::{
        WebState, cursor,
        problem::Problem,
        require::{Require, permission},
        search::ListParams,
    },
};

#[derive(Serialize)]
struct ListView {
    bar: BarView,
    tabs: Vec<TabView>,
    done: Option<DoneView>,
    may_change: bool,
    chart: Option<ChartView>,
    rows: Vec<ItemView>,
    next_url: Option<String>,
    total_text: String,
    empty: Option<EmptyView>,
}

/// A row: the issue, and its last days.
#[derive(Serialize)]
struct ItemView {
    #[serde(flatten)]
    row: RowView,
    spark: SparkView,
}

/// `GET /`
pub(crate) async fn home(_: Require<permission::Read>) -> Redirect {
    Redirect::to("/issues")
}

/// `GET /issues`
pub(crate) async fn show(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(params) =
        params.map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))?;
    match whole_address(&params) {
        Ok(Some(address)) => return Ok(Redirect::to(&address).into_response()),
        Ok(None) => (),
        Err(wrong) => return refuse(&state, &principal, &params, &wrong),
    }
    let now = Timestamp::now();
    let mut query = match params.query(&principal, now) {
        Ok(query) => query,
        Err(wrong) => return refuse(&state, &principal, &params, &wrong),
    };
    if params.q.is_none() {
        query.filter = what_is_open();
    }
    let people = state.people().await;
    let asked = query.clone();
    state.resolve_people(&mut query.filter).await;
    let (page, overview) = (state.triage.issues(&query).await?, state.triage.overview(&query).await?);
    if let ([issue], true) = (page.items.as_slice(), named(&query.filter).is_some()) {
        return Ok(Redirect::to(&format!("/issues/{}", issue.id)).into_response());
    }
    let range = Range::of(&query.filter, now);
    let trend = state.triage.trend(&query, range.from).await?;
    let item = |issue| ItemView {
        row: RowView::new(issue, now).with_names(&people),
        spark: SparkView::new(&issue.hours, range),
    };
    let tabs = tabs(&query, &overview);
    let shown = tabs.iter().find(|tab| tab.active).map(|tab| tab.count.clone());
    let view = ListView {
        bar: BarView::new(&asked, &overview),
        done: Done::read(&params.done).map(|done| done.view()),
        may_change: principal.may(Permission::ChangeIssue),
        chart: ChartView::new(&trend, range, now),
        rows: page.items.iter().map(item).collect(),
        next_url: page.next.as_ref().map(|next| address(&query.filter, query.sort, &cursor::encode(next))),
        total_text: match shown.as_deref() {
            Some("1") => "1 issue".to_owned(),
            Some(count) => format!("{count} issues"),
            None => String::new(),
        },
        empty: if page.items.is_empty() { Some(EmptyView::new(&state.triage, &query).await?) } else { None },
        tabs,
    };
    Ok(super::show(&state, &principal, "issues.html", "Issues", "issues", &view)?.into_response())
}

/// The address that a form, or an address of single parameters, means; `None` if it is whole already.
fn whole_address(params: &ListParams) -> Result<Option<String>, Vec<InvalidField>> {
    let filter = if params.was.is_some() {
        params.chosen()?
    } else if params.has_keys() {
        let filter = params.filter()?;
        // Without a word about states, people want what is to be done.
        let says_states = !params.status.is_empty() || params.q.is_some() || !filter.states().terms.is_empty();
        if says_states { filter } else { filter.in_states(&what_is_open()) }
    } else {
        return Ok(None);
    };
    let sort = params.order().map_err(|wrong| vec![wrong])?;
    Ok(Some(address(&filter, sort, &params.cursor)))
}

/// What `/issues` alone shows.
fn what_is_open() -> Filter {
    let test = Test::Is(vec![IssueState::Status(Status::Open)]);
    Filter { terms: vec![Term { is_negated: false, test }] }
}

/// The page without a list: it says what is wrong, and keeps what was typed.
fn refuse(
    state: &WebState,
    principal: &Principal,
    params: &ListParams,
    wrong: &[InvalidField],
) -> Result<Response, Problem> {
    let query = IssueQuery { sort: params.order().unwrap_or_default(), ..IssueQuery::default() };
    let view = ListView {
        bar: BarView::refused(params, wrong, &query),
        tabs: Vec::new(),
        done: None,
        may_change: false,
        chart: None,
        rows: Vec::new(),
        next_url: None,
        total_text: String::new(),
        empty: Some(EmptyView::refused()),
    };
    let page = super::show(state, principal, "issues.html", "Issues", "issues", &view)?;
    Ok((StatusCode::BAD_REQUEST, page).into_response())
}

/// The address of a list.
fn address(filter: &Filter, sort: Sort, cursor: &str) -> String {
    let sort = if sort == Sort::default() { "" } else { sort.as_str() };
    let rest = query_string(&[("sort", sort), ("cursor", cursor)]);
    let q = query_string(&[("q", &filter.to_string())]);
    // An empty filter is all issues; no filter is what is open.
    let q = if q.is_empty() { "q=" } else { &q };
    if rest.is_empty() { format!("/issues?{q}") } else { format!("/issues?{q}&{rest}") }
}
