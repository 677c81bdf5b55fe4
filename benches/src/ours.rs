//! Our layer in health and in an outage, and the two baselines without it. Nothing here needs another library.

use std::time::Duration;

use tracing_issues::{Builder, Stats};
use tracing_subscriber::{Layer, Registry, layer::SubscriberExt as _, registry, util::SubscriberInitExt as _};

use crate::{
    Scenario,
    burst::EVENTS_PER_BURST,
    contender::{Contender, Installed, Progress, Takes},
    receiver::{Discard, Stalled, Unreachable},
};

pub(crate) const CONTENDERS: [Contender; 4] = [
    Contender { name: "none", label: "no layer", takes: Takes::Nothing, install: no_layer },
    Contender { name: "empty", label: "an empty layer", takes: Takes::Nothing, install: empty_layer },
    Contender { name: "ours", label: "tracing-issues", takes: Takes::Errors, install: ours },
    Contender { name: "ours-down", label: "tracing-issues, all down", takes: Takes::Errors, install: ours_down },
];

fn no_layer() -> anyhow::Result<Installed> {
    registry().try_init()?;
    Ok(Installed::new(|| Progress::NOTHING, || 0))
}

/// A layer that does nothing with anything: what having a layer costs.
struct Empty;

impl Layer<Registry> for Empty {}

fn empty_layer() -> anyhow::Result<Installed> {
    registry().with(Empty).try_init()?;
    Ok(Installed::new(|| Progress::NOTHING, || 0))
}

/// On its defaults, with a receiver that takes everything at once.
fn ours() -> anyhow::Result<Installed> {
    let (issues, guard) = builder().publisher(Discard::default()).build()?;
    let stats = issues.stats();
    registry().with(issues).try_init()?;
    Ok(Installed::new(move || progress(&stats()), move || guard.shutdown().delivered))
}

/// Kafka refuses, Redis answers nobody, and the queue is full before anything is measured.
fn ours_down() -> anyhow::Result<Installed> {
    let builder = builder().publisher(Unreachable::default()).deduplicator(Stalled);
    let (issues, guard) = builder.queue_capacity(64).flush_timeout(Duration::from_millis(100)).build()?;
    registry().with(issues).try_init()?;
    let before = {
        let _spans = Scenario::New.enter();
        (0..EVENTS_PER_BURST).for_each(|number| Scenario::New.run(number));
        guard.stats().seen
    };
    // Nothing arrives, so what counts is that every error was counted. And nothing comes to rest: no use in waiting.
    Ok(Installed::new(|| Progress::NOTHING, move || guard.shutdown().seen - before))
}

fn builder() -> Builder {
    tracing_issues::builder("bench")
}

/// Each error that the worker has seen is an event of its own, counts for a later one, or is dropped.
fn progress(stats: &Stats) -> Progress {
    Progress { done: stats.published + stats.suppressed + stats.dropped.total(), of: Some(stats.seen) }
}
