//! Where each partition of this server is, and what it waits for: what the checks `ingest` and `lag` and the gauges are made
//! of. It decides nothing.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{
    health::{Health, INGEST},
    metrics,
};

/// Where one partition is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place {
    /// The first offset that is not settled, if known.
    pub(super) next: Option<i64>,
    /// When the latest record that is settled came to the topic, in milliseconds since 1970.
    pub(super) time_ms: i64,
    /// The same of the record that is being settled.
    pub(super) oldest_ms: Option<i64>,
}

pub(super) struct Places {
    health: Health,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// What the client says that concerns no single partition.
    trouble: Option<String>,
    lanes: BTreeMap<i32, Lane>,
}

#[derive(Default)]
struct Lane {
    place: Place,
    /// The first place that it came to since the last look.
    first: Option<Place>,
    /// What it waits for.
    waits: Option<String>,
}

impl Places {
    pub(super) fn new(health: Health) -> Self {
        Self { health, state: Mutex::default() }
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    pub(super) fn assigned(&self, partition: i32) {
        let mut state = self.state();
        state.lanes.insert(partition, Lane::default());
        state.trouble = None;
        self.tell(&state);
    }

    pub(super) fn revoked(&self, partition: i32) {
        let mut state = self.state();
        state.lanes.remove(&partition);
        self.tell(&state);
        // Another server reports it then.
        metrics::consumer_lag(partition, 0, 0);
    }

    pub(super) fn is_at(&self, partition: i32, place: Place) {
        if let Some(lane) = self.state().lanes.get_mut(&partition) {
            lane.place = place;
            // The beginning tells topics apart as little as a place without a time.
            if place.time_ms > 0 && place.next.is_some_and(|next| next > 0) {
                lane.first.get_or_insert(place);
            }
        }
    }

    pub(super) fn waits(&self, partition: i32, reason: &str) {
        let mut state = self.state();
        // An outage of the store stops all partitions: said once.
        let is_known = state.lanes.values().any(|lane| lane.waits.as_deref() == Some(reason));
        let Some(lane) = state.lanes.get_mut(&partition) else { return };
        lane.waits = Some(reason.to_owned());
        if !is_known {
            tracing::error!(partition, reason, "consumption waits");
        }
        self.tell(&state);
    }

    pub(super) fn goes_on(&self, partition: i32) {
        let mut state = self.state();
        let Some(lane) = state.lanes.get_mut(&partition) else { return };
        if lane.waits.take().is_some() && state.lanes.values().all(|lane| lane.waits.is_none()) {
            tracing::info!("consumption goes on");
        }
        state.trouble = None;
        self.tell(&state);
    }

    pub(super) fn is_in_trouble(&self, reason: String) {
        let mut state = self.state();
        if state.trouble.as_ref() != Some(&reason) {
            tracing::error!(reason, "records cannot be consumed");
        }
        state.trouble = Some(reason);
        self.tell(&state);
    }

    /// The first place that each partition came to since this was asked last.
    pub(super) fn take_firsts(&self) -> BTreeMap<i32, Place> {
        let mut state = self.state();
        let firsts = state.lanes.iter_mut().filter_map(|(partition, lane)| Some((*partition, lane.first.take()?)));
        firsts.collect()
    }

    pub(super) fn snapshot(&self) -> Vec<(i32, Place)> {
        self.state().lanes.iter().map(|(partition, lane)| (*partition, lane.place)).collect()
    }

    fn tell(&self, state: &State) {
        let mut waiting = state.lanes.iter().filter_map(|(partition, lane)| Some((partition, lane.waits.as_ref()?)));
        let (first, others) = (waiting.next(), waiting.count());
        metrics::partitions(state.lanes.len(), others + usize::from(first.is_some()));
        match (first, &state.trouble) {
            (Some((partition, reason)), _) => {
                let others = if others > 0 { format!(", and {others} more") } else { String::new() };
                self.health.down(INGEST, format!("partition {partition} waits{others}: {reason}"));
            }
            (None, Some(trouble)) => _ = self.health.down(INGEST, trouble.clone()),
            (None, None) => self.health.up(INGEST),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
