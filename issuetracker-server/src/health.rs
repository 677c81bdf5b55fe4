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
    /// What is wrong, or good to know, for the operator; without secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The name of the check that the Kafka loop keeps.
pub const KAFKA: &str = "kafka";
/// The name of the check that what arrives gets on: the consumer reads it, and the store and the dead letters take it.
pub const INGEST: &str = "ingest";
/// The name of the check that the topics are there.
pub const TOPIC: &str = "topic";
/// The name of the check that tells how far the partitions of this server are behind; it is never bad.
pub const LAG: &str = "lag";
/// The name of the check that tells of records that Kafka deleted before anybody read them; what is lost is lost, so it is
/// never bad.
pub const GAP: &str = "gap";
/// The name of the check that tells whether servers hear of each other's changes; it is never bad.
pub const CHANGES: &str = "changes";
/// The name of the check that tells how far the local copy for lists and search is; it is never bad.
pub const PROJECTION: &str = "projection";
/// The name of the check of the store.
pub const STORE: &str = "store";

impl Health {
    /// It works.
    pub fn up(&self, name: &'static str) {
        self.set(name, Check { ok: true, reason: None });
    }

    /// It works, and there is something to know.
    pub fn tell(&self, name: &'static str, what: impl Into<String>) {
        self.set(name, Check { ok: true, reason: Some(what.into()) });
    }

    /// It does not, for this reason. Tells whether that is news.
    pub fn down(&self, name: &'static str, reason: impl Into<String>) -> bool {
        self.set(name, Check { ok: false, reason: Some(reason.into()) })
    }

    /// Whether it works, as far as anybody knows.
    pub fn is_ok(&self, name: &'static str) -> bool {
        self.snapshot().get(name).is_none_or(|check| check.ok)
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
        let Some(down) = checks.iter().find(|(_, check)| !check.ok) else {
            return checks.get(PROJECTION)?.reason.clone();
        };
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

    /// What pages say of records that are lost, until an ADMIN has seen it.
    pub fn gap(&self) -> Option<String> {
        self.snapshot().remove(GAP)?.reason
    }
}
