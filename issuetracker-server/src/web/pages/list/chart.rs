//! Occurrences over time as the server draws them: a chart above the list, and a small one in each row. What is drawn is
//! also said.

use std::fmt::Write;

use jiff::Timestamp;
use serde::Serialize;

use super::{Filter, TimeView, compact};
use crate::{
    domain::{
        Hours, Severity,
        filter::{Moment, Test, Window},
        hour_of,
        hours::HOURS_KEPT,
    },
    store::{MAX_TREND_ISSUES, Trend},
};

/// How wide and high the chart is, in its own units; the page stretches it.
const WIDTH: u64 = 1_000;
const HEIGHT: u64 = 100;

/// The same of a row's; a bar takes three units, one of them empty.
const ROW_HEIGHT: u64 = 20;

/// The hours that a list is about, in parts of the same length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web::pages) struct Range {
    /// The first hour.
    pub(super) from: i64,
    /// Hours of a part.
    hours: i64,
    /// Parts.
    parts: i64,
    /// Whether the filter says so.
    pub(super) is_chosen: bool,
}

impl Range {
    /// What `seen:` or `last:` says, from a day to the two weeks that issues remember; without a word, the two weeks.
    pub(in crate::web::pages) fn of(filter: &Filter, now: Timestamp) -> Self {
        let within = filter.terms.iter().filter(|term| !term.is_negated).find_map(|term| match term.test {
            Test::Seen(Moment::Any | Moment::Last, Window::Within(seconds)) => Some((seconds + 3_599) / 3_600),
            _ => None,
        });
        let (hours, parts) = match within.unwrap_or(HOURS_KEPT) {
            ..=24 => (1, 24),
            25..=72 => (3, 24),
            73..=168 => (6, 28),
            _ => (12, 28),
        };
        Self { from: hour_of(now) + 1 - hours * parts, hours, parts, is_chosen: within.is_some() }
    }

    fn counts(self, hours: &Hours) -> Vec<u64> {
        let start = |part: i64| self.from + part * self.hours;
        (0..self.parts).map(|part| hours.sum(start(part)..start(part + 1))).collect()
    }

    /// `24 hours`, `14 days`.
    fn text(self) -> String {
        match self.hours * self.parts {
            24 => "24 hours".to_owned(),
            hours => format!("{} days", hours / 24),
        }
    }
}

/// What a row shows of an issue's last days.
#[derive(Serialize)]
pub(super) struct SparkView {
    path: String,
    width: u64,
    text: String,
    /// Occurrences in the range, if one is chosen.
    count: Option<String>,
}

impl SparkView {
    pub(super) fn new(hours: &Hours, range: Range) -> Self {
        let counts = range.counts(hours);
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        let mut path = String::new();
        for (x, count) in (0u64..).step_by(3).zip(&counts) {
            // What happened at all can be seen.
            let height = if *count == 0 { 1 } else { 2 + count.saturating_mul(ROW_HEIGHT - 2) / most };
            let _ = write!(path, "M{x} {ROW_HEIGHT}v-{height}h2v{height}z");
        }
        let total: u64 = counts.iter().sum();
        let text = format!("{total} in the last {}, at most {} in {} h", range.text(), most.min(total), range.hours);
        let count = range.is_chosen.then(|| compact(total));
        Self { path, width: 3 * counts.len() as u64, text, count }
    }
}

/// The chart above the list.
#[derive(Serialize)]
pub(in crate::web::pages) struct ChartView {
    width: u64,
    height: u64,
    bars: Vec<BarView>,
    /// The worst first.
    severities: Vec<LegendView>,
    text: String,
    from: TimeView,
    most: String,
    note: Option<String>,
}

/// One part of the time, its severities upon each other.
#[derive(Serialize)]
struct BarView {
    text: String,
    blocks: Vec<BlockView>,
}

#[derive(Serialize)]
struct BlockView {
    severity: &'static str,
    path: String,
}

#[derive(Serialize)]
struct LegendView {
    severity: &'static str,
    count: String,
}

impl ChartView {
    /// `None` if nothing happened.
    pub(in crate::web::pages) fn new(trend: &Trend, range: Range, now: Timestamp) -> Option<Self> {
        let series: Vec<(Severity, Vec<u64>)> =
            trend.by_severity.iter().map(|(severity, hours)| (*severity, range.counts(hours))).collect();
        let parts = usize::try_from(range.parts).unwrap_or_default();
        let total_of = |part: usize| series.iter().map(|(_, counts)| counts[part]).sum::<u64>();
        let most = (0..parts).map(total_of).max().filter(|most| *most > 0)?;
        let bars = (0..parts).map(|part| {
            let blocks = blocks(&series, part, WIDTH / parts as u64, most);
            let start = range.from + range.hours * part as i64;
            BarView { text: format!("{}: {}", time_of(start), said(&series, part)), blocks }
        });
        let severities: Vec<LegendView> = series
            .iter()
            .rev()
            .map(|(severity, counts)| LegendView { severity: severity.as_str(), count: compact(counts.iter().sum()) })
            .collect();
        let by_severity: Vec<String> =
            severities.iter().map(|legend| format!("{} {}", legend.count, legend.severity)).collect();
        Some(Self {
            width: WIDTH / parts as u64 * parts as u64,
            height: HEIGHT,
            bars: bars.collect(),
            text: format!(
                "Occurrences in the last {}: {}; at most {most} in {} hours",
                range.text(),
                by_severity.join(", "),
                range.hours
            ),
            from: TimeView::new(Timestamp::from_second(range.from * 3_600).unwrap_or(now), now),
            severities,
            most: compact(most),
            note: trend.is_partial.then(|| format!("of the {MAX_TREND_ISSUES} issues seen last")),
        })
    }
}

fn blocks(series: &[(Severity, Vec<u64>)], part: usize, step: u64, most: u64) -> Vec<BlockView> {
    let (mut below, mut blocks) = (0, Vec::new());
    for (severity, counts) in series.iter().filter(|(_, counts)| counts[part] > 0) {
        let height_of = |count: u64| {
            let exact = u128::from(count) * u128::from(HEIGHT - 4) / u128::from(most);
            u64::try_from(exact).unwrap_or(HEIGHT)
        };
        let height = height_of(counts[part]).max(2);
        let x = part as u64 * step;
        let path = format!("M{x} {}v-{height}h{}v{height}z", HEIGHT - below, step - step / 8);
        blocks.push(BlockView { severity: severity.as_str(), path });
        below = (below + height).min(HEIGHT - 2);
    }
    blocks
}

fn said(series: &[(Severity, Vec<u64>)], part: usize) -> String {
    let some = series.iter().rev().filter(|(_, counts)| counts[part] > 0);
    let texts: Vec<String> = some.map(|(severity, counts)| format!("{} {severity}", counts[part])).collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }
}

fn time_of(hour: i64) -> String {
    let time = Timestamp::from_second(hour * 3_600).unwrap_or_default();
    time.strftime("%b %-d, %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-25T12:30:00Z".parse().unwrap()
    }

    fn end(range: Range) -> i64 {
        range.from + range.hours * range.parts
    }

    #[track_caller]
    fn check_range(filter: &str, hours: i64, parts: i64) {
        let range = Range::of(&filter.parse().unwrap(), now());
        assert_eq!((range.hours, range.parts, end(range)), (hours, parts, hour_of(now()) + 1));
    }

    #[test]
    fn a_range_is_what_the_filter_says() {
        check_range("is:open", 12, 28);
        check_range("seen:<1h", 1, 24);
        check_range("last:<7d", 6, 28);
        check_range("first:<1h -seen:<1h", 12, 28);
        check_range("seen:<30d", 12, 28);
    }

    #[test]
    fn a_row_says_what_it_draws() {
        let range = Range::of(&"seen:<24h".parse().unwrap(), now());
        let hours: Hours = [(end(range) - 1, 9), (end(range) - 3, 1), (range.from - 1, 50)].into_iter().collect();
        let spark = SparkView::new(&hours, range);
        assert_eq!(spark.text, "10 in the last 24 hours, at most 9 in 1 h");
        assert_eq!((spark.count.as_deref(), spark.width), (Some("10"), 72));
        assert!(spark.path.ends_with("M63 20v-4h2v4zM66 20v-1h2v1zM69 20v-20h2v20z"), "{}", spark.path);
    }

    #[test]
    fn a_chart_puts_severities_upon_each_other() {
        let range = Range::of(&Filter::default(), now());
        let at = |count: u64| [(end(range) - 1, count)].into_iter().collect::<Hours>();
        let by_severity = [(Severity::Error, at(30)), (Severity::Critical, at(10))].into();
        let chart = ChartView::new(&Trend { by_severity, is_partial: false }, range, now()).unwrap();
        assert_eq!(chart.text, "Occurrences in the last 14 days: 10 critical, 30 error; at most 40 in 12 hours");
        let last = chart.bars.last().unwrap();
        assert_eq!(last.text, "Nov 25, 01:00 UTC: 10 critical, 30 error");
        assert_eq!(last.blocks[0].path, "M945 100v-72h31v72z");
        assert_eq!(last.blocks[1].path, "M945 28v-24h31v24z");
        assert!(ChartView::new(&Trend::default(), range, now()).is_none());
    }
}
