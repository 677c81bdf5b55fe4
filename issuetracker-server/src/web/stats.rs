//! The numbers of analytics, brought together for the API and the pages: of everything, or of what a filter says.

use jiff::Timestamp;

use super::{WebState, problem::Problem, search::ListParams};
use crate::{
    auth::Principal,
    domain::{
        Filter, Issue,
        filter::{Fact, Test},
        hour_of,
    },
    store::{Breakdown, IssueQuery, Overview, Sort},
    triage::{InvalidField, invalid},
};

/// How many issues are named.
const NAMED: usize = 10;

/// The times that can be asked for: their word, hours, and the hours of one part.
pub(crate) const RANGES: [(&str, i64, i64); 4] = [("24h", 24, 1), ("3d", 72, 3), ("7d", 168, 6), ("14d", 336, 12)];

/// The time that numbers are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatsRange {
    pub(crate) word: &'static str,
    /// The first hour.
    pub(crate) from: i64,
    /// Hours of a part.
    pub(crate) step: i64,
    pub(crate) parts: i64,
}

impl StatsRange {
    /// Of a word; nothing is a week.
    pub(crate) fn of(word: &str, now: Timestamp) -> Result<Self, InvalidField> {
        let word = if word.is_empty() { "7d" } else { word };
        let found = RANGES.into_iter().find(|(known, ..)| *known == word);
        let (word, hours, step) = found.ok_or_else(|| invalid("range", "one of 24h, 3d, 7d and 14d"))?;
        Ok(Self { word, from: hour_of(now) + 1 - hours, step, parts: hours / step })
    }

    /// The sum of each part.
    pub(crate) fn counts(self, sum: impl Fn(std::ops::Range<i64>) -> u64) -> Vec<u64> {
        let start = |part: i64| self.from + part * self.step;
        (0..self.parts).map(|part| sum(start(part)..start(part + 1))).collect()
    }

    /// When each part begins.
    pub(crate) fn starts(self) -> impl Iterator<Item = Timestamp> {
        (0..self.parts).map(move |part| {
            Timestamp::from_second((self.from + part * self.step) * 3_600).unwrap_or(Timestamp::UNIX_EPOCH)
        })
    }
}

/// All numbers.
pub(crate) struct Stats {
    pub(crate) range: StatsRange,
    pub(crate) overview: Overview,
    pub(crate) breakdown: Breakdown,
    /// Errors in each part: of everything or one service all of them, else as far as the trend goes.
    pub(crate) occurrences: Vec<u64>,
    pub(crate) created: Vec<u64>,
    /// What rises most, and what happened most often.
    pub(crate) growing: Vec<Issue>,
    pub(crate) noisiest: Vec<Issue>,
    /// What publishers lost, by service and reason, since this server started.
    pub(crate) publisher_drops: Vec<(String, String, u64)>,
}

impl Stats {
    /// Of the issues that `params` ask for.
    pub(crate) async fn of(
        state: &WebState,
        principal: &Principal,
        params: &ListParams,
        range: StatsRange,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let query = IssueQuery { limit: NAMED, ..params.query(principal, now).map_err(Problem::invalid)? };
        let breakdown = state.triage.breakdown(&query, range.from).await?;
        let ordered = |sort| IssueQuery { sort, ..query.clone() };
        let by_hour = |hours: std::ops::Range<i64>| breakdown.created.range(hours).map(|(_, count)| count).sum();
        let created = range.counts(by_hour);
        Ok(Self {
            overview: state.triage.overview(&query).await?,
            occurrences: occurrences(state, &query.filter, &breakdown, range).await?,
            growing: state.triage.issues(&ordered(Sort::Trend)).await?.items,
            noisiest: state.triage.issues(&ordered(Sort::Occurrences)).await?.items,
            publisher_drops: publisher_drops(&state.metrics.render(), service_of(&query.filter)),
            breakdown,
            created,
            range,
        })
    }
}

async fn occurrences(
    state: &WebState,
    filter: &Filter,
    breakdown: &Breakdown,
    range: StatsRange,
) -> Result<Vec<u64>, Problem> {
    let service = service_of(filter);
    if !filter.terms.is_empty() && service.is_none() {
        let sum = |hours: std::ops::Range<i64>| {
            breakdown.trend.by_severity.values().map(|severity| severity.sum(hours.clone())).sum()
        };
        return Ok(range.counts(sum));
    }
    let hours = state.store.service_hours(range.from..range.from + range.step * range.parts).await?;
    let is_meant = |name: &str| service.is_none_or(|service| service == name);
    let hours: Vec<(i64, u64)> =
        hours.iter().filter(|of| is_meant(&of.service)).map(|of| (of.hour, of.occurrences)).collect();
    Ok(range.counts(|part| hours.iter().filter(|(hour, _)| part.contains(hour)).map(|(_, count)| count).sum()))
}

/// The service, if the filter says that and nothing else.
fn service_of(filter: &Filter) -> Option<&str> {
    match filter.terms.as_slice() {
        [term] if !term.is_negated => match &term.test {
            Test::Fact(Fact::Service, services) => match services.as_slice() {
                [service] => Some(service),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

/// What the metrics say that publishers have lost.
fn publisher_drops(metrics: &str, service: Option<&str>) -> Vec<(String, String, u64)> {
    let label = |series: &str, name: &str| -> Option<String> {
        let (_, rest) = series.split_once(&format!("{name}=\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    let read = |line: &str| {
        let (series, count) = line.strip_prefix(crate::metrics::PUBLISHER_DROPS)?.rsplit_once(' ')?;
        Some((label(series, "service")?, label(series, "reason")?, count.parse().ok()?))
    };
    let mut drops: Vec<(String, String, u64)> = metrics.lines().filter_map(read).collect();
    drops.retain(|(of, _, count)| *count > 0 && service.is_none_or(|service| service == of));
    drops.sort_by_key(|(.., count)| std::cmp::Reverse(*count));
    drops.truncate(50);
    drops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_ends_with_this_hour() {
        let now: Timestamp = "2026-11-25T12:30:00Z".parse().unwrap();
        for (word, hours, _) in RANGES {
            let range = StatsRange::of(word, now).unwrap();
            assert_eq!(range.from + range.step * range.parts, hour_of(now) + 1, "{word}");
            assert_eq!(range.step * range.parts, hours);
            assert_eq!(
                range.counts(|hours| u64::try_from(hours.end - hours.start).unwrap()).iter().sum::<u64>(),
                hours as u64
            );
        }
        assert_eq!(StatsRange::of("", now).unwrap().word, "7d");
        assert!(StatsRange::of("1y", now).is_err());
    }

    #[test]
    fn what_publishers_lost_is_read_from_the_metrics() {
        let name = crate::metrics::PUBLISHER_DROPS;
        let text = format!(
            "# TYPE {name} counter\n{name}{{service=\"a\",reason=\"queue_full\"}} 7\n{name}{{service=\"b\",reason=\"shutdown\"}} 9\nother 3\n"
        );
        let of = |service| {
            publisher_drops(&text, service).into_iter().map(|(service, _, count)| (service, count)).collect::<Vec<_>>()
        };
        assert_eq!(of(None), [("b".to_owned(), 9), ("a".to_owned(), 7)]);
        assert_eq!(of(Some("a")), [("a".to_owned(), 7)]);
    }
}
