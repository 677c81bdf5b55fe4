//! A storm: few different errors, each of them thousands of times. What it becomes is counted, not timed.

use std::{thread, time::Duration};

use tracing_subscriber::{layer::SubscriberExt as _, registry, util::SubscriberInitExt as _};

use crate::{Scenario, receiver::Discard};

/// Different errors.
const DIFFERENT: u64 = 50;
/// How often each happens in one gust, and how many gusts there are, a third of a second apart.
const REPEATS: u64 = 500;
const GUSTS: u64 = 4;

/// What a storm became.
#[derive(Debug)]
pub struct Storm {
    /// Events on the wire per different error.
    pub events_per_error: f64,
    /// Errors that none of these events stands for.
    pub lost: u64,
}

impl Storm {
    /// Lets one loose on our layer, on its defaults.
    ///
    /// # Errors
    /// If the layer cannot be installed.
    pub fn rage() -> anyhow::Result<Self> {
        let (issues, guard) = tracing_issues::builder("bench").publisher(Discard::default()).build()?;
        registry().with(issues).try_init()?;
        for _ in 0..GUSTS {
            (0..DIFFERENT * REPEATS).for_each(|number| Scenario::New.run(number % DIFFERENT));
            thread::sleep(Duration::from_millis(330));
        }
        let stats = guard.shutdown();
        let errors = DIFFERENT * REPEATS * GUSTS;
        Ok(Self {
            events_per_error: stats.published as f64 / DIFFERENT as f64,
            lost: errors.saturating_sub(stats.delivered),
        })
    }
}
