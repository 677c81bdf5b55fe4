//! Helpers for tests of services: assert that an error was reported, without any server.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use serde_json::Value;

use crate::publish::{Envelope, Outcome, Publisher, Settlement};

/// A publisher that keeps every event, and the place where the test finds them.
///
/// ```
/// use tracing_subscriber::prelude::*;
///
/// let (publisher, published) = tracing_issues::testing::memory();
/// let (issues, guard) = tracing_issues::builder("newsfeed").publisher(publisher).build()?;
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(issues), || {
///     tracing::error!("feed stalled");
/// });
/// guard.shutdown();
/// assert_eq!(published.events()[0]["title"], "feed stalled");
/// # Ok::<(), tracing_issues::ConfigError>(())
/// ```
pub fn memory() -> (MemoryPublisher, Published) {
    let published = Published::default();
    (MemoryPublisher { published: published.clone(), settled: Vec::new() }, published)
}

/// Delivers into memory.
#[derive(Debug)]
pub struct MemoryPublisher {
    published: Published,
    settled: Vec<Settlement>,
}

/// What was published so far; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Published(Arc<Mutex<Vec<Value>>>);

impl Published {
    /// Every event as the JSON that a server would read, in the order of publishing.
    pub fn events(&self) -> Vec<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// For how many errors the events stand in all.
    pub fn occurrences(&self) -> u64 {
        self.events().iter().filter_map(|event| event["occurrences"].as_u64()).sum()
    }
}

impl Publisher for MemoryPublisher {
    fn destination(&self) -> String {
        "memory".to_owned()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        let outcome = match serde_json::from_slice(&envelope.payload) {
            Ok(event) => {
                self.published.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                Outcome::Delivered
            }
            Err(error) => Outcome::Rejected(error.to_string()),
        };
        self.settled.push(Settlement { envelope, outcome });
        Ok(())
    }

    fn settle(&mut self, _budget: Duration) -> Vec<Settlement> {
        std::mem::take(&mut self.settled)
    }
}
