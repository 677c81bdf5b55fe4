//! What is kept, and the work that forgets the rest, once an hour. How it is forgotten is each store's own.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::store::IssueStore;

/// How long the id of an event is remembered after it was stored, so that it is known when it comes again. Twice the
/// retention of the topic by default; what comes again later is known by its partition's watermark.
pub const IDS_KEPT: Duration = Duration::from_secs(14 * 86_400);

/// How long the hours of services are kept.
pub const SERVICE_HOURS_KEPT: Duration = Duration::from_secs(400 * 86_400);

/// The wait between two rounds.
const ROUND: Duration = Duration::from_secs(3_600);

/// The wait before the first, so that a start is not slowed down.
const FIRST_ROUND: Duration = Duration::from_secs(60);

/// What is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Of each issue, the newest events whose details are kept. Others keep their time and number for [`IDS_KEPT`], then they
    /// are forgotten; what they count stays in the issue. The first event is kept, too.
    pub events: usize,
    /// How long an issue that is resolved or closed is kept after it was last seen or changed; `None`: for ever.
    pub done_for: Option<Duration>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { events: 200, done_for: None }
    }
}

/// What one round has forgotten.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Events that have lost their details.
    pub details: u64,
    /// Events of which nothing is left.
    pub events: u64,
    /// Issues.
    pub issues: u64,
}

/// Forgets once an hour what `retention` does not keep, until `shutdown`.
pub async fn run(store: Arc<dyn IssueStore>, retention: Retention, shutdown: CancellationToken) {
    let mut wait = FIRST_ROUND;
    while shutdown.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = ROUND;
        // Broken off anywhere, the next round goes on.
        let Some(result) = shutdown.run_until_cancelled(store.forget(&retention, Timestamp::now())).await else {
            return;
        };
        match result {
            Ok(forgotten) if forgotten == Forgotten::default() => tracing::debug!("nothing to forget"),
            Ok(Forgotten { details, events, issues }) => {
                tracing::info!(details, events, issues, "forgot what is not to be kept");
            }
            Err(error) => {
                let source = &error as &dyn std::error::Error;
                tracing::warn!(error = source, "what is not to be kept could not be forgotten; tried again in an hour");
            }
        }
    }
}
