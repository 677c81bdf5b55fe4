//! Gaps: records that Kafka deleted before this group consumed them. They are lost, so they are told until an ADMIN has
//! seen it, or for a week. Who finds them is the consumer; here they are kept.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{
    health::{GAP, Health},
    metrics,
    store::{IssueStore, StoreError},
};

const PREFIX: &str = "gaps/";
/// How long a gap is told if nobody dismisses it.
const TOLD_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Records of one partition that are gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The first offset that is gone.
    pub first: i64,
    /// The first offset after it that is there.
    pub end: i64,
    /// When that was noticed.
    pub found_at: Timestamp,
}

impl Gap {
    /// How many records.
    pub fn size(&self) -> u64 {
        u64::try_from(self.end - self.first).unwrap_or(0)
    }

    fn key(&self) -> String {
        format!("{PREFIX}{}-{}-{}", self.topic, self.partition, self.first)
    }
}

/// Keeps a gap. The same one, found again, is told once.
///
/// # Errors
/// Those of the store; then it was not told either.
pub async fn keep(store: &dyn IssueStore, health: &Health, gap: &Gap) -> Result<(), StoreError> {
    let key = gap.key();
    let before = store.note(&key).await?.and_then(|note| serde_json::from_str::<Gap>(&note).ok());
    let news = gap.size().saturating_sub(before.map_or(0, |before| before.size()));
    if news > 0 {
        store.set_note(&key, Some(&serde_json::to_string(gap).unwrap_or_default())).await?;
        metrics::gap(news);
        let Gap { partition, first, end, .. } = gap;
        tracing::error!(partition, first, end, size = gap.size(), "Kafka deleted records before they were consumed");
    }
    tell(store, health, gap.found_at).await
}

/// Tells `health` of the gaps there are, and forgets old ones.
///
/// # Errors
/// Those of the store.
pub async fn tell(store: &dyn IssueStore, health: &Health, now: Timestamp) -> Result<(), StoreError> {
    let mut gaps = Vec::new();
    for (key, note) in store.notes(PREFIX).await? {
        match serde_json::from_str::<Gap>(&note) {
            Ok(gap) if now.duration_since(gap.found_at) < TOLD_FOR => gaps.push(gap),
            _ => store.set_note(&key, None).await?,
        }
    }
    match summary(&gaps) {
        None => health.up(GAP),
        Some(summary) => health.tell(GAP, summary),
    }
    Ok(())
}

/// An ADMIN has seen them.
///
/// # Errors
/// Those of the store.
pub async fn dismiss(store: &dyn IssueStore, health: &Health) -> Result<(), StoreError> {
    for (key, _) in store.notes(PREFIX).await? {
        store.set_note(&key, None).await?;
    }
    health.up(GAP);
    Ok(())
}

fn summary(gaps: &[Gap]) -> Option<String> {
    let latest = gaps.iter().map(|gap| gap.found_at).max()?;
    let total: u64 = gaps.iter().map(Gap::size).sum();
    let mut partitions: Vec<String> = gaps.iter().map(|gap| gap.partition.to_string()).collect();
    partitions.sort();
    partitions.dedup();
    Some(format!(
        "Kafka deleted {total} records before they were consumed (partition {}, noticed {}): the errors in them are not \
         counted anywhere.",
        partitions.join(", "),
        latest.strftime("%Y-%m-%d %H:%M UTC"),
    ))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::embedded::EmbeddedStore;

    #[tokio::test]
    async fn a_gap_is_told_until_it_is_dismissed_or_old() {
        let directory = tempfile::tempdir().unwrap();
        let store = Arc::new(EmbeddedStore::open(&directory.path().join("s.sqlite")).unwrap());
        let (health, now) = (Health::default(), Timestamp::now());
        let gap = Gap { topic: "t".into(), partition: 2, first: 10, end: 25, found_at: now };
        keep(&*store, &health, &gap).await.unwrap();
        keep(&*store, &health, &gap).await.unwrap();
        let told = health.gap().unwrap();
        assert!(told.contains("deleted 15 records") && told.contains("partition 2,"), "{told}");
        assert!(health.snapshot()[GAP].ok && health.notice().is_none(), "what is lost is lost: nothing to wait for");

        // Another server that starts now, and one that starts next week.
        let other = Health::default();
        tell(&*store, &other, now).await.unwrap();
        assert!(other.gap().is_some());
        tell(&*store, &other, now + TOLD_FOR).await.unwrap();
        assert_eq!((other.gap(), store.notes(PREFIX).await.unwrap().len()), (None, 0));

        keep(&*store, &health, &gap).await.unwrap();
        dismiss(&*store, &health).await.unwrap();
        assert_eq!(health.gap(), None);
    }
}
