//! The consumer: from the topic to the store. One loop: gather a batch, settle each partition's part of it, store the
//! offset last. A record that cannot be read goes to the dead letters; a store that cannot be reached is waited for.

mod dead_letters;
mod partition;
mod topics;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance, StreamConsumer},
    error::{KafkaError, KafkaResult},
    message::OwnedMessage,
};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use self::{dead_letters::DeadLetters, partition::Part};
use crate::{
    config::KafkaConfig,
    health::{Health, INGEST},
    intake::Committer,
    kafka,
};

/// The most records in one commit.
const BATCH_RECORDS: usize = 500;
/// How long a batch waits for more after its first record.
const BATCH_WAIT: Duration = Duration::from_millis(20);
/// How long nothing must go wrong, while there is nothing to read, before consumption counts as well again.
const QUIET: Duration = Duration::from_secs(5);
/// The shortest and longest pause while the store or the dead letters are unavailable.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(15));
/// A consumer that talks to a frozen broker can hang for minutes when it is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(4);

/// Consumes the topic until it is told to stop.
pub struct Ingest {
    config: KafkaConfig,
    committer: Committer,
    health: Health,
}

impl Ingest {
    /// Consumes what `config` names, into `committer`.
    pub fn new(config: KafkaConfig, committer: Committer, health: Health) -> Self {
        Self { config, committer, health }
    }

    /// Runs until `shutdown`. A broker that is away is no reason to end.
    ///
    /// # Errors
    /// If the client refuses its configuration.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), KafkaError> {
        self.health.down(crate::health::KAFKA, "connecting");
        let dead_letters = DeadLetters::new(&kafka::client_config(&self.config), &self.config.dlq_topic)?;
        if shutdown.run_until_cancelled(topics::ensure(&self.config)).await.is_none() {
            return Ok(());
        }
        let consumer: StreamConsumer<Context> = kafka::client_config(&self.config)
            .set("group.id", &self.config.group)
            .set("enable.auto.commit", "true")
            .set("auto.commit.interval.ms", "1000")
            // Offsets are stored by us, after the effect is durable; what is stored is committed in the background.
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("session.timeout.ms", "10000")
            .set("max.poll.interval.ms", "300000")
            .set("queued.max.messages.kbytes", "16384")
            .set("statistics.interval.ms", "2000")
            .create_with_context(Context(kafka::Watch::new(self.health.clone())))?;
        consumer.subscribe(&[&self.config.topic])?;
        tracing::info!(topic = self.config.topic, group = self.config.group, "consuming");
        Loop {
            consumer: &consumer,
            committer: &self.committer,
            dead_letters,
            health: &self.health,
            carried: Vec::new(),
        }
        .run(&shutdown)
        .await;
        close(consumer).await;
        Ok(())
    }
}

struct Loop<'a> {
    consumer: &'a StreamConsumer<Context>,
    committer: &'a Committer,
    dead_letters: DeadLetters,
    health: &'a Health,
    /// Records that arrived while the loop was waiting; they come first.
    carried: Vec<OwnedMessage>,
}

impl Loop<'_> {
    async fn run(&mut self, shutdown: &CancellationToken) {
        while let Some(records) = self.gather(shutdown).await {
            for ((topic, partition), records) in by_partition(records) {
                let mut part = Part::decode(topic, partition, records);
                if self.settle(&mut part, shutdown).await.is_none() {
                    return;
                }
                // Last on purpose: a crash above repeats the records, and repeating changes nothing.
                if let Err(error) = self.consumer.store_offset(&part.topic, partition, part.last_offset()) {
                    // After a rebalance somebody else reads them again, to the same effect.
                    tracing::debug!(%error, partition, "the offset was not stored");
                }
            }
        }
    }

    /// The next records: what was carried, else the first that comes and what follows it closely.
    async fn gather(&mut self, shutdown: &CancellationToken) -> Option<Vec<OwnedMessage>> {
        let mut records = std::mem::take(&mut self.carried);
        while records.is_empty() {
            match shutdown.run_until_cancelled(timeout(QUIET, self.consumer.recv())).await? {
                Ok(received) => records.extend(self.received(received).await),
                // An error that lasts comes again and again; without one, nothing stands in the way of the next record.
                Err(_) => self.health.up(INGEST),
            }
        }
        let deadline = tokio::time::Instant::now() + BATCH_WAIT;
        while records.len() < BATCH_RECORDS {
            match timeout_at(deadline, self.consumer.recv()).await {
                Ok(Ok(record)) => records.push(record.detach()),
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Some(records)
    }

    async fn received(&self, received: KafkaResult<rdkafka::message::BorrowedMessage<'_>>) -> Option<OwnedMessage> {
        match received {
            Ok(record) => Some(record.detach()),
            Err(error) => {
                // A broker that is away shows in the client's statistics; everything else stops a partition, so say it.
                if !is_outage(&error) && self.health.down(INGEST, error.to_string()) {
                    tracing::error!(%error, "records cannot be consumed");
                }
                // These errors come in a tight loop.
                sleep(BACKOFF.0).await;
                None
            }
        }
    }

    /// Makes one partition's records durable, however long that takes. `None` if the shutdown came first: then nothing
    /// was stored that is not complete, and the next owner reads them again.
    async fn settle(&mut self, part: &mut Part, shutdown: &CancellationToken) -> Option<()> {
        let mut backoff = BACKOFF.0;
        let mut is_paused = false;
        loop {
            match part.settle(self.committer, &self.dead_letters, self.health).await {
                Ok(()) => break,
                Err(unavailable) => {
                    if self.health.down(INGEST, unavailable.reason.clone()) {
                        tracing::error!(reason = unavailable.reason, "consumption waits");
                    }
                }
            }
            is_paused = true;
            shutdown.run_until_cancelled(self.wait(backoff)).await?;
            backoff = (backoff * 2).min(BACKOFF.1);
        }
        if is_paused {
            tracing::info!("consumption goes on");
            self.with_assignment(Consumer::resume);
        }
        Some(())
    }

    /// Waits with all partitions paused, but goes on polling: a consumer that does not poll loses its partitions.
    async fn wait(&mut self, pause: Duration) {
        let until = tokio::time::Instant::now() + jittered(pause);
        loop {
            self.with_assignment(Consumer::pause);
            match timeout_at(until, self.consumer.recv()).await {
                Err(_) => return,
                // A partition that was assigned meanwhile is not paused yet.
                Ok(Ok(record)) => self.carried.push(record.detach()),
                Ok(Err(_)) => sleep(BACKOFF.0).await,
            }
        }
    }

    fn with_assignment(&self, act: impl Fn(&StreamConsumer<Context>, &TopicPartitionList) -> KafkaResult<()>) {
        let result = self.consumer.assignment().and_then(|assignment| act(self.consumer, &assignment));
        if let Err(error) = result {
            tracing::debug!(%error, "pausing or resuming");
        }
    }
}

/// Whether the error only says that no broker can be reached, or that there is nothing to read yet.
fn is_outage(error: &KafkaError) -> bool {
    use rdkafka::error::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::Resolve
                | Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::PartitionEOF
                | Code::NotCoordinator
                | Code::CoordinatorLoadInProgress
                | Code::CoordinatorNotAvailable
        )
    )
}

/// `pause` and up to a quarter more, so that servers do not return in step.
fn jittered(pause: Duration) -> Duration {
    pause + pause * u32::from(uuid::Uuid::now_v7().as_bytes()[15]) / 1_024
}

fn by_partition(records: Vec<OwnedMessage>) -> BTreeMap<(String, i32), Vec<OwnedMessage>> {
    let mut parts: BTreeMap<(String, i32), Vec<OwnedMessage>> = BTreeMap::new();
    for record in records {
        parts.entry((record.topic().to_owned(), record.partition())).or_default().push(record);
    }
    parts
}

/// Commits what is stored and leaves the group, within bounds.
async fn close(consumer: StreamConsumer<Context>) {
    let start = Instant::now();
    let (done, closed) = tokio::sync::oneshot::channel();
    // A thread that nobody joins: with a frozen broker both of these can hang for minutes.
    let _detached = std::thread::Builder::new().name("kafka-close".to_owned()).spawn(move || {
        if let Err(error) = consumer.commit_consumer_state(CommitMode::Sync) {
            tracing::debug!(%error, "nothing to commit at the end");
        }
        drop(consumer);
        let _ = done.send(());
    });
    if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        tracing::warn!("the Kafka client did not close in time; the group notices when the session ends");
    }
    tracing::info!(took = ?start.elapsed(), "stopped consuming");
}

/// The consumer's own context: [`kafka::Watch`], and rebalances in the log.
struct Context(kafka::Watch);

impl ClientContext for Context {
    fn stats(&self, statistics: Statistics) {
        self.0.stats(statistics);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }

    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }
}

impl ConsumerContext for Context {
    fn post_rebalance(&self, _consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => tracing::info!(count = partitions.count(), "partitions assigned"),
            Rebalance::Revoke(partitions) => tracing::info!(count = partitions.count(), "partitions revoked"),
            Rebalance::Error(error) => tracing::warn!(%error, "rebalance failed"),
        }
    }
}
