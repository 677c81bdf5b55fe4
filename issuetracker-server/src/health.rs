//! What `/readyz` says: the state of each thing that the server depends on, kept by whoever uses it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Serialize;

/// Shared by the parts of the process.
#[derive(Debug, Clone, Default)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<&'static str, Check>>>,
}

/// The state of one dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Whether it works.
    pub ok: bool,
    /// What is wrong, for the operator; without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The name of the check that the Kafka loop keeps.
pub const KAFKA: &str = "kafka";
/// The name of the check that what arrives gets on: the consumer reads it, and the store and the dead letters take it.
pub const INGEST: &str = "ingest";
/// The name of the check of the store.
pub const STORE: &str = "store";

impl Health {
    /// It works.
    pub fn up(&self, name: &'static str) {
        self.set(name, Check { ok: true, reason: None });
    }

    /// It does not, for this reason. Tells whether that is news.
    pub fn down(&self, name: &'static str, reason: impl Into<String>) -> bool {
        self.set(name, Check { ok: false, reason: Some(reason.into()) })
    }

    fn set(&self, name: &'static str, check: Check) -> bool {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let ok = check.ok;
        checks.insert(name, check).is_none_or(|before| before.ok != ok)
    }

    /// Everything at this moment.
    pub fn snapshot(&self) -> BTreeMap<&'static str, Check> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What pages say above everything else while something is down.
    pub fn notice(&self) -> Option<String> {
        let checks = self.snapshot();
        let down = checks.iter().find(|(_, check)| !check.ok)?;
        let consequence = match *down.0 {
            STORE => "this page may be incomplete",
            _ => "new errors wait in the topic and appear later",
        };
        Some(format!(
            "{} is unavailable ({}): {consequence}.",
            down.0,
            down.1.reason.as_deref().unwrap_or("no reason known")
        ))
    }
}
