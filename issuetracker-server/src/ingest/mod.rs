//! The consumer: from the topic to the store. Each partition that this server owns has a lane of its own, which gathers a
//! batch, settles it, and stores the offset last. A record that cannot be read goes to the dead letters; a store that
//! cannot be reached is waited for, by the lanes that need it and by nobody else.

mod dead_letters;
mod hot;
mod lane;
mod lanes;
mod members;
mod observer;
mod part;
mod places;
mod suspects;
mod topics;
mod watch;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use tokio::sync::{RwLock, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::{
    dead_letters::DeadLetters, lanes::Lanes, members::Context, observer::Observer, places::Places, watch::Watch,
};
use crate::{
    config::KafkaConfig,
    health::{Health, KAFKA},
    intake::Committer,
    kafka::{self, NoClient},
    store::IssueStore,
};

/// What all partitions together may have fetched ahead, and the least and most for one of them.
const PREFETCH_KBYTES: (usize, usize, usize) = (24 * 1024, 256, 4 * 1024);
/// A consumer that talks to a frozen broker can hang for minutes when it is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Consumes the topic until it is told to stop.
pub struct Ingest {
    config: KafkaConfig,
    committer: Committer,
    store: Arc<dyn IssueStore>,
    health: Health,
}

/// What the lanes of this server share.
struct Shared {
    config: KafkaConfig,
    committer: Committer,
    store: Arc<dyn IssueStore>,
    dead_letters: DeadLetters,
    observer: Observer,
    places: Places,
    /// Held for writing by who takes a crash suspect, so that nothing else is being taken if that kills the process.
    gate: RwLock<()>,
    /// This process, as crash marks name it.
    process: Uuid,
}

impl Ingest {
    /// Consumes what `config` names, into `store` through `committer`.
    pub fn new(config: KafkaConfig, committer: Committer, store: Arc<dyn IssueStore>, health: Health) -> Self {
        Self { config, committer, store, health }
    }

    /// Runs until `shutdown`. A broker or a topic that is away is no reason to end.
    ///
    /// # Errors
    /// If the client refuses its configuration.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), NoClient> {
        let Self { config, committer, store, health } = self;
        health.down(KAFKA, "connecting");
        let shared = Arc::new(Shared {
            dead_letters: DeadLetters::new(&kafka::client_config(&config), &config.dlq_topic)?,
            observer: Observer::new(&config, &health)?,
            places: Places::new(health.clone()),
            gate: RwLock::new(()),
            process: Uuid::now_v7(),
            config,
            committer,
            store,
        });
        let ensured = topics::ensure(&shared.config, &shared.observer, &health);
        let Some(partitions) = shutdown.run_until_cancelled(ensured).await else { return Ok(()) };
        let (tell, changes) = mpsc::unbounded_channel();
        let context = Context::new(kafka::Watch::new(health.clone()), tell.clone());
        let consumer = Arc::new(consumer(&shared.config, partitions, context)?);
        consumer.subscribe(&[&shared.config.topic])?;
        tracing::info!(topic = shared.config.topic, group = shared.config.group, "consuming");
        let watch = Watch { shared: Arc::clone(&shared), health, changes: tell };
        let watch = tokio::spawn(watch.run());
        Lanes::new(Arc::clone(&consumer), Arc::clone(&shared), changes).run(&shutdown).await;
        watch.abort();
        close(consumer, shared).await;
        Ok(())
    }
}

fn consumer(config: &KafkaConfig, partitions: usize, context: Context) -> Result<StreamConsumer<Context>, NoClient> {
    let (all, least, most) = PREFETCH_KBYTES;
    let prefetch = (all / partitions.max(1)).clamp(least, most);
    let consumer = kafka::client_config(config)
        .set("group.id", &config.group)
        // A member that comes or goes takes nothing from the others but what it gets or leaves.
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("enable.auto.commit", "true")
        .set("auto.commit.interval.ms", "1000")
        // Offsets are stored by us, after the effect is durable; what is stored is committed in the background.
        .set("enable.auto.offset.store", "false")
        .set("auto.offset.reset", "earliest")
        .set("session.timeout.ms", "10000")
        .set("max.poll.interval.ms", "300000")
        // For each partition, since each has a queue of its own.
        .set("queued.max.messages.kbytes", prefetch.to_string())
        .set("fetch.message.max.bytes", (prefetch * 1024).min(1024 * 1024).to_string())
        .set("fetch.max.bytes", (16 * 1024 * 1024).to_string())
        .set("statistics.interval.ms", "2000")
        .create_with_context(context)?;
    Ok(consumer)
}

/// Commits what is stored and leaves the group, within bounds.
async fn close(consumer: Arc<StreamConsumer<Context>>, shared: Arc<Shared>) {
    let start = Instant::now();
    let (done, closed) = tokio::sync::oneshot::channel();
    // A thread that nobody joins: with a frozen broker each of these can hang for minutes.
    let _detached = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
        if let Err(error) = consumer.commit_consumer_state(CommitMode::Sync) {
            tracing::debug!(%error, "nothing to commit at the end");
        }
        drop((consumer, shared));
        let _ = done.send(());
    });
    if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        tracing::warn!("the Kafka client did not close in time; the group notices when the session ends");
    }
    tracing::info!(took = ?start.elapsed(), "stopped consuming");
}
