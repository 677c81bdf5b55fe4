//! What happened within a time, taken apart: the numbers of analytics.

use std::collections::BTreeMap;

use super::Trend;
use crate::domain::filter::Fact;

/// What errors are counted by.
pub const BREAKDOWN_FACTS: [Fact; 5] = [Fact::Service, Fact::Component, Fact::Kind, Fact::Release, Fact::Environment];

/// The most values of a fact that are told apart; the rest has happened less.
pub const MAX_BREAKDOWN_VALUES: usize = 10;

/// What happened since some hour, of the issues that pass a filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breakdown {
    /// Errors by severity and hour.
    pub trend: Trend,
    /// Errors by the values of each fact, the most first. As the trend, of the issues that were seen last.
    pub by: Vec<(Fact, Vec<(String, u64)>)>,
    /// New issues by the hour in which they were first seen.
    pub created: BTreeMap<i64, u64>,
    /// Issues that were resolved, and still are.
    pub resolved: u64,
    /// How long they took from their first occurrence on, on average.
    pub mean_seconds_to_resolve: Option<u64>,
}
