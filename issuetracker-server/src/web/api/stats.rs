//! Analytics as numbers.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Answer;
use crate::{
    domain::Issue,
    store::Trend,
    web::{
        WebState,
        problem::Problem,
        require::{Require, permission},
        search::ListParams,
        stats::{Stats, StatsRange},
        views::IssueView,
    },
};

/// The parameter that lists do not have.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StatsParams {
    range: String,
}

/// `GET /api/v1/stats`: counts, series and rankings of the issues that a filter is about.
pub(crate) async fn read(
    State(state): State<WebState>,
    Require(principal, ..): Require<permission::Read>,
    own: Result<Query<StatsParams>, QueryRejection>,
    params: Result<Query<ListParams>, QueryRejection>,
) -> Answer {
    let unreadable = |_| Problem::bad_request("unreadable_query", "The query of the address could not be read.");
    let (Query(own), Query(params)) = (own.map_err(unreadable)?, params.map_err(unreadable)?);
    let now = Timestamp::now();
    let range = StatsRange::of(&own.range, now).map_err(|wrong| Problem::invalid(vec![wrong]))?;
    let stats = Stats::of(&state, &principal, &params, range, now).await?;
    let checks = serde_json::to_value(state.health.snapshot()).map_err(Problem::internal)?;
    Ok(Json(shape(stats, &checks)))
}

fn shape(stats: Stats, checks: &Value) -> Value {
    let issues = |issues: Vec<Issue>| issues.into_iter().map(IssueView::from).collect::<Vec<_>>();
    let by: Map<String, Value> = stats
        .breakdown
        .by
        .iter()
        .map(|(fact, values)| {
            let values: Vec<Value> =
                values.iter().map(|(value, count)| json!({"value": value, "occurrences": count})).collect();
            (fact.key().to_owned(), values.into())
        })
        .collect();
    let series: Vec<Value> = stats
        .range
        .starts()
        .zip(stats.occurrences.iter().zip(&stats.created))
        .enumerate()
        .map(|(part, (at, (occurrences, created)))| {
            let by_severity = by_severity(&stats.breakdown.trend, &stats, part);
            json!({"at": at.to_string(), "occurrences": occurrences, "created": created, "by_severity": by_severity})
        })
        .collect();
    let drops: Vec<Value> = stats
        .publisher_drops
        .iter()
        .map(|(service, reason, count)| json!({"service": service, "reason": reason, "count": count}))
        .collect();
    json!({
        "range": stats.range.word,
        "step_seconds": stats.range.step * 3_600,
        "counts": {
            "by_status": stats.overview.by_status,
            "unassigned": stats.overview.unassigned,
            "regressed": stats.overview.regressed,
            "muted": stats.overview.muted,
            "is_more": stats.overview.is_more,
        },
        "occurrences": stats.occurrences.iter().sum::<u64>(),
        "created": stats.created.iter().sum::<u64>(),
        "resolved": stats.breakdown.resolved,
        "mean_seconds_to_resolve": stats.breakdown.mean_seconds_to_resolve,
        "series": series,
        "by": by,
        "is_partial": stats.breakdown.trend.is_partial,
        "growing": issues(stats.growing),
        "noisiest": issues(stats.noisiest),
        "publisher_drops": drops,
        "ingestion": checks,
    })
}

fn by_severity(trend: &Trend, stats: &Stats, part: usize) -> Map<String, Value> {
    let from = stats.range.from + stats.range.step * i64::try_from(part).unwrap_or_default();
    let of = |hours: &crate::domain::Hours| hours.sum(from..from + stats.range.step);
    trend.by_severity.iter().map(|(severity, hours)| (severity.as_str().to_owned(), of(hours).into())).collect()
}
