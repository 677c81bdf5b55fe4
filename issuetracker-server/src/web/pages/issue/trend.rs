//! How often an issue happened in two weeks, as a chart that is drawn here, with the releases in which it was first seen.

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;

use super::values::text_of;
use crate::{
    domain::{Activity, Issue, hour_of},
    web::pages::layout::{TimeView, compact},
};

/// Hours of one bar.
const BAR_HOURS: i64 = 6;
const BARS: i64 = 56;
const WIDTH: i64 = 10;
const HEIGHT: u64 = 64;

/// Releases that are marked: the newest.
const MAX_RELEASES: usize = 6;

#[derive(Serialize)]
pub(super) struct TrendView {
    bars: Vec<BarView>,
    releases: Vec<ReleaseView>,
    days: Vec<DayView>,
    /// What the chart says, in a sentence.
    summary: String,
    width: i64,
    height: u64,
}

#[derive(Serialize)]
struct BarView {
    x: i64,
    y: u64,
    height: u64,
    label: String,
}

#[derive(Serialize)]
struct ReleaseView {
    x: i64,
    name: String,
    at: TimeView,
}

#[derive(Serialize)]
struct DayView {
    day: String,
    count: u64,
}

impl TrendView {
    /// Of the two weeks that end now, or of the last two in which it happened. `None` if it never did.
    pub(super) fn new(issue: &Issue, occurrences: &[Activity], now: Timestamp) -> Option<Self> {
        let (last, _) = issue.hours.iter().last()?;
        let is_recent = hour_of(now) - last < BARS * BAR_HOURS;
        let end = if is_recent { hour_of(now).max(last) } else { last };
        // Bars start at hours that six divides.
        let end = end.div_euclid(BAR_HOURS) * BAR_HOURS + BAR_HOURS;
        let start = end - BARS * BAR_HOURS;
        let counts: Vec<u64> =
            (0..BARS).map(|bar| start + bar * BAR_HOURS).map(|hour| issue.hours.sum(hour..hour + BAR_HOURS)).collect();
        let most = counts.iter().copied().max().unwrap_or(0).max(1);
        let bars = (0..BARS).zip(&counts).filter(|(_, count)| **count > 0).map(|(bar, count)| {
            // What happened is seen, however seldom.
            let height = (count * HEIGHT / most).max(2);
            let from = at(start + bar * BAR_HOURS);
            let label = format!("{count} from {}", from.strftime("%a %d %b %H:%M UTC"));
            BarView { x: bar * WIDTH, y: HEIGHT - height, height, label }
        });
        let days = counts.chunks(24 / usize::try_from(BAR_HOURS).unwrap_or(1)).enumerate().map(|(nth, counts)| {
            let from = at(start + i64::try_from(nth).unwrap_or(0) * 24);
            DayView { day: from.strftime("%a %d %b, from %H:%M UTC").to_string(), count: counts.iter().sum() }
        });
        let total: u64 = counts.iter().sum();
        Some(Self {
            summary: format!(
                "{} occurrences in two weeks, at most {} within {BAR_HOURS} hours",
                compact(total),
                compact(most)
            ),
            bars: bars.collect(),
            releases: releases(issue, occurrences, start, now),
            days: days.filter(|day| day.count > 0).collect(),
            width: BARS * WIDTH,
            height: HEIGHT,
        })
    }
}

/// When it was first seen in each release, as far as is known, within the chart.
fn releases(issue: &Issue, occurrences: &[Activity], start: i64, now: Timestamp) -> Vec<ReleaseView> {
    let mut first: Vec<(String, Timestamp)> = vec![(issue.release.clone(), issue.first_seen)];
    for occurrence in occurrences.iter().rev() {
        let release = text_of(occurrence.details.get("release"));
        if first.iter().all(|(known, _)| *known != release) {
            first.push((release, occurrence.timestamp));
        }
    }
    first.retain(|(release, at)| !release.is_empty() && hour_of(*at) >= start);
    first.sort_by_key(|(_, at)| *at);
    let skipped = first.len().saturating_sub(MAX_RELEASES);
    let marked = first.into_iter().skip(skipped).map(|(name, at)| ReleaseView {
        x: (hour_of(at) - start) * WIDTH / BAR_HOURS,
        name,
        at: TimeView::new(at, now),
    });
    marked.collect()
}

fn at(hour: i64) -> jiff::Zoned {
    Timestamp::from_second(hour * 3_600).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned(TimeZone::UTC)
}
