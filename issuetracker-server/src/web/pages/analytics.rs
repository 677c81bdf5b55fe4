//! Analytics: over all services, and of one. The numbers are those of the API; here they get words, bars and links.

use axum::extract::{Path, Query, State, rejection::QueryRejection};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Shown,
    layout::{compact, filter_url, query_string},
    list::chart::{ChartView, Range},
};
use crate::{
    auth::Principal,
    domain::{Issue, filter::Term},
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
        search::ListParams,
        stats::{RANGES, Stats, StatsRange},
    },
};

/// A bar of the chart of new issues, in its own units.
const STEP: u64 = 30;
const HEIGHT: u64 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RangeParams {
    range: String,
}

#[derive(Serialize)]
struct AnalyticsView {
    /// Of which service; empty: of all.
    service: String,
    ranges: Vec<RangeView>,
    range_text: &'static str,
    numbers: Vec<NumberView>,
    chart: Option<ChartView>,
    created: Option<BarsView>,
    tables: Vec<TableView>,
    is_partial: bool,
    growing: Vec<IssueLine>,
    noisiest: Vec<IssueLine>,
    drops: Vec<DropView>,
    checks: Vec<CheckView>,
}

#[derive(Serialize)]
struct RangeView {
    word: &'static str,
    text: &'static str,
    url: String,
    is_current: bool,
}

#[derive(Serialize)]
struct NumberView {
    label: &'static str,
    value: String,
    /// The list that it counts.
    url: String,
}

/// Bars beside each other, and what they say.
#[derive(Serialize)]
struct BarsView {
    width: u64,
    height: u64,
    path: String,
    text: String,
    most: String,
}

#[derive(Serialize)]
struct TableView {
    title: &'static str,
    rows: Vec<ValueView>,
}

#[derive(Serialize)]
struct ValueView {
    value: String,
    count: String,
    /// Of the most, in hundredths.
    share: u64,
    url: String,
}

#[derive(Serialize)]
struct IssueLine {
    short_id: String,
    title: String,
    url: String,
    severity: &'static str,
    service: String,
    /// Errors in the range, and before it for as long.
    now: String,
    before: String,
    total: String,
}

#[derive(Serialize)]
struct DropView {
    service: String,
    reason: String,
    count: String,
}

#[derive(Serialize)]
struct CheckView {
    name: &'static str,
    ok: bool,
    reason: String,
}

/// `GET /analytics`
pub(crate) async fn of_all(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    params: Result<Query<RangeParams>, QueryRejection>,
) -> Shown {
    show(&state, &principal, "", params).await
}

/// `GET /services/{service}`
pub(crate) async fn of_service(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    Path(service): Path<String>,
    params: Result<Query<RangeParams>, QueryRejection>,
) -> Shown {
    show(&state, &principal, &service, params).await
}

async fn show(
    state: &WebState,
    principal: &Principal,
    service: &str,
    params: Result<Query<RangeParams>, QueryRejection>,
) -> Shown {
    let Query(params) =
        params.map_err(|_| Problem::bad_request("unreadable_query", "The query of the address could not be read."))?;
    let now = Timestamp::now();
    let range = StatsRange::of(&params.range, now).map_err(|wrong| Problem::invalid(vec![wrong]))?;
    let q = match Term::of("service", vec![service.to_owned()]) {
        Ok(Some(term)) if !service.is_empty() => term.to_string(),
        _ => String::new(),
    };
    let list = ListParams { q: Some(q.clone()), ..ListParams::default() };
    let stats = Stats::of(state, principal, &list, range, now).await?;
    let is_known = service.is_empty() || stats.overview.services.iter().any(|known| known == service);
    if !is_known {
        return Err(Problem::not_found("service"));
    }
    let view = view(state, service, &q, &stats, now)?;
    let title = if service.is_empty() { "Analytics" } else { service };
    super::show(state, principal, "analytics.html", title, "analytics", &view)
}

fn view(state: &WebState, service: &str, q: &str, stats: &Stats, now: Timestamp) -> Result<AnalyticsView, Problem> {
    let path = match service {
        "" => "/analytics".to_owned(),
        service => format!("/services/{}", path_segment(service)),
    };
    let seen = format!("seen:<{}", stats.range.word);
    let drawn = seen.parse().map_err(|error| Problem::internal(format!("{error}")))?;
    let line = |issue: &Issue| {
        let (from, length) = (stats.range.from, stats.range.step * stats.range.parts);
        IssueLine {
            short_id: issue.short_id.as_ref().unwrap_or(&issue.id).to_string(),
            title: issue.title.clone(),
            url: format!("/issues/{}", issue.id),
            severity: issue.severity.as_str(),
            service: issue.service.clone(),
            now: compact(issue.hours.sum(from..i64::MAX)),
            before: compact(issue.hours.sum(from - length..from)),
            total: compact(issue.occurrences),
        }
    };
    let facts = stats.breakdown.by.iter().filter(|(fact, _)| service.is_empty() || fact.key() != "service");
    let table = |(fact, values): &(crate::domain::filter::Fact, Vec<(String, u64)>)| {
        let most = values.first().map_or(1, |(_, count)| (*count).max(1));
        TableView {
            title: title(fact.key()),
            rows: values
                .iter()
                .map(|(value, count)| ValueView {
                    url: match fact.key() {
                        "service" => format!("/services/{}", path_segment(value)),
                        key => filter_url(key, value),
                    },
                    value: value.clone(),
                    count: compact(*count),
                    share: count.saturating_mul(100) / most,
                })
                .collect(),
        }
    };
    let checks = state.health.snapshot().into_iter().map(|(name, check)| CheckView {
        name,
        ok: check.ok,
        reason: check.reason.unwrap_or_default(),
    });
    Ok(AnalyticsView {
        service: service.to_owned(),
        ranges: RANGES
            .iter()
            .map(|(word, ..)| RangeView {
                word,
                text: range_text(word),
                url: format!("{path}?range={word}"),
                is_current: *word == stats.range.word,
            })
            .collect(),
        range_text: range_text(stats.range.word),
        numbers: numbers(q, &seen, stats),
        chart: ChartView::new(&stats.breakdown.trend, Range::of(&drawn, now), now),
        created: bars(&stats.created),
        tables: facts.map(table).filter(|table| !table.rows.is_empty()).collect(),
        is_partial: stats.breakdown.trend.is_partial,
        growing: stats.growing.iter().map(line).filter(|line| line.now != "0").collect(),
        noisiest: stats.noisiest.iter().map(line).collect(),
        drops: stats
            .publisher_drops
            .iter()
            .map(|(service, reason, count)| DropView {
                service: service.clone(),
                reason: reason.replace('_', " "),
                count: compact(*count),
            })
            .collect(),
        checks: checks.collect(),
    })
}

fn numbers(q: &str, seen: &str, stats: &Stats) -> Vec<NumberView> {
    let list = |words: &str| format!("/issues?{}", query_string(&[("q", format!("{words} {q}").trim())]));
    let of_status = |status: &str| stats.overview.by_status.get(status).copied().unwrap_or(0);
    let more = if stats.overview.is_more { "+" } else { "" };
    let first = seen.replacen("seen", "first", 1);
    let number = |label, count: u64, url| NumberView { label, value: compact(count), url };
    let counted = |label, count: u64, url| NumberView { label, value: format!("{}{more}", compact(count)), url };
    vec![
        number("occurrences", stats.occurrences.iter().sum(), list(&format!("is:all {seen}"))),
        number("new issues", stats.created.iter().sum(), list(&format!("is:all {first}"))),
        counted("open", of_status("open"), list("is:open")),
        counted("unassigned", stats.overview.unassigned, list("is:unassigned")),
        counted("came back", stats.overview.regressed, list("is:regressed")),
        number("resolved", stats.breakdown.resolved, list("is:resolved")),
        NumberView {
            label: "mean time to resolve",
            value: stats.breakdown.mean_seconds_to_resolve.map_or("–".to_owned(), duration),
            url: String::new(),
        },
    ]
}

/// `3 min`, `5 h`, `2 d`: to be compared, not to be billed.
fn duration(seconds: u64) -> String {
    match seconds {
        ..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

fn bars(counts: &[u64]) -> Option<BarsView> {
    let most = counts.iter().copied().max().filter(|most| *most > 0)?;
    let bar = |(x, count): (u64, &u64)| {
        let height = (count.saturating_mul(HEIGHT - 4) / most).max(u64::from(*count > 0) * 2);
        format!("M{x} {HEIGHT}v-{height}h{}v{height}z", STEP - STEP / 8)
    };
    Some(BarsView {
        width: STEP * counts.len() as u64,
        height: HEIGHT,
        path: (0u64..).step_by(30).zip(counts).filter(|(_, count)| **count > 0).map(bar).collect(),
        text: format!("New issues: {} in all, at most {most} in one part", counts.iter().sum::<u64>()),
        most: compact(most),
    })
}

const fn title(key: &str) -> &'static str {
    match key.as_bytes() {
        b"service" => "Services",
        b"component" => "Components",
        b"kind" => "Kinds of errors",
        b"release" => "Releases in which they began",
        _ => "Environments",
    }
}

const fn range_text(word: &str) -> &'static str {
    match word.as_bytes() {
        b"24h" => "24 hours",
        b"3d" => "3 days",
        b"14d" => "14 days",
        _ => "7 days",
    }
}

/// One part of a path.
fn path_segment(text: &str) -> String {
    text.bytes().fold(String::new(), |mut path, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => path.push(char::from(byte)),
            // A dot alone would be another folder.
            byte => path.push_str(&format!("%{byte:02X}")),
        }
        path
    })
}
