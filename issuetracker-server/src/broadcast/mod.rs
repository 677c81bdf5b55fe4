//! Several servers: each tells the others, over a topic beside the first, which issues it has changed, and learns from
//! them. It carries ids only: whoever has a copy of issues reads these anew. It is no road for events, and nothing is
//! lost if it fails, only late: what cannot be told waits, and what was missed is found by reading everything.

mod message;

use std::{sync::Arc, time::Duration};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{Consumer, StreamConsumer},
    error::{KafkaError, RDKafkaErrorCode as Code},
    producer::{FutureProducer, FutureRecord},
    util::Timeout,
};
use tokio::time::{sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::message::Message;
use crate::{
    config::KafkaConfig,
    health::{CHANGES, Health},
    kafka, metrics,
    notify::{Change, News, Notifier, Untold},
    store::IssueStore,
};

/// The topic has one partition, so that its end is one number; it carries little.
const PARTITION: i32 = 0;
/// Whoever was away for longer reads everything.
const RETENTION: Duration = Duration::from_secs(24 * 3_600);
/// How long changes are gathered before they are told, and before they are read.
const GATHER: Duration = Duration::from_millis(100);
/// The most ids that are read at once.
const MAX_IDS: usize = 500;
/// How long one request to the broker may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// At the start nobody waits longer for the broker than this before the copy is built without it.
const FIRST_TIMEOUT: Duration = Duration::from_secs(3);
/// The shortest and the longest pause while the broker or the store does not answer.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));
/// The last news of a server that stops.
const LAST_TIMEOUT: Duration = Duration::from_millis(800);

/// Tells and listens.
pub struct Broadcast {
    config: ClientConfig,
    topic: String,
    server: Uuid,
    producer: FutureProducer,
    consumer: StreamConsumer,
    untold: Arc<Untold>,
    notifier: Notifier,
    store: Arc<dyn IssueStore>,
    health: Health,
}

impl Broadcast {
    /// Between `notifier` and `store` here and those of the other servers.
    ///
    /// # Errors
    /// If the client refuses its configuration.
    pub fn new(
        config: &KafkaConfig,
        notifier: Notifier,
        store: Arc<dyn IssueStore>,
        health: Health,
    ) -> Result<Self, KafkaError> {
        let base = kafka::client_config(config);
        let producer = base
            .clone()
            .set("message.timeout.ms", REQUEST_TIMEOUT.as_millis().to_string())
            .set("queue.buffering.max.messages", "1000")
            .create()?;
        let consumer = base
            .clone()
            // No member of the group, and nothing is committed: the client wants a name, and this one is allowed.
            .set("group.id", &config.group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "error")
            .set("queued.max.messages.kbytes", "1024")
            .create()?;
        Ok(Self {
            config: base,
            topic: config.changes_topic.clone(),
            server: Uuid::now_v7(),
            producer,
            consumer,
            untold: notifier.untold(),
            notifier,
            store,
            health,
        })
    }

    /// Runs until `shutdown`, and has then told the last news, if the broker takes them at once.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => (),
            () = self.listen() => (),
            () = self.tell_on() => (),
        }
        let _ = timeout(LAST_TIMEOUT, self.tell()).await;
    }

    async fn tell_on(&self) {
        let mut backoff = BACKOFF.0;
        loop {
            self.untold.wait().await;
            sleep(GATHER).await;
            match self.tell().await {
                Ok(()) => {
                    backoff = BACKOFF.0;
                    self.health.up(CHANGES);
                }
                Err(error) => {
                    self.late(&error);
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Tells what there is to tell; what the broker does not take waits.
    async fn tell(&self) -> Result<(), KafkaError> {
        let news = self.untold.take();
        // Whoever drops this future (the shutdown) drops the news; they are known by the next reading.
        let mut messages = Message::of(self.server, news).into_iter();
        while let Some(message) = messages.next() {
            let text = message.to_json();
            let record = FutureRecord::<str, _>::to(&self.topic).partition(PARTITION).payload(&text);
            if let Err((error, _)) = self.producer.send(record, Timeout::After(REQUEST_TIMEOUT)).await {
                std::iter::once(message).chain(messages).for_each(|message| self.untold.put_back(message.news));
                return Err(error);
            }
            metrics::changes("told");
        }
        Ok(())
    }

    async fn listen(&self) {
        let mut backoff = BACKOFF.0;
        let mut is_first = true;
        loop {
            let place = self.take_place();
            let taken = if is_first {
                timeout(FIRST_TIMEOUT, place).await.unwrap_or(Err(KafkaError::AdminOp(Code::OperationTimedOut)))
            } else {
                place.await
            };
            // What was said before that place is not heard any more, so everything is read, after the place was taken.
            if taken.is_ok() || is_first {
                self.store.reconcile();
            }
            is_first = false;
            match taken {
                Ok(()) => {
                    backoff = BACKOFF.0;
                    self.hear().await;
                }
                Err(error) => {
                    self.late(&error);
                    sleep(backoff).await;
                    backoff = (backoff * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// Listens from the end of the topic on, which is created if it is missing.
    async fn take_place(&self) -> Result<(), KafkaError> {
        self.create_topic().await?;
        // Asked with a client of its own, on a thread that may wait.
        let (config, topic) = (self.config.clone(), self.topic.clone());
        let end = tokio::task::spawn_blocking(move || {
            let client: rdkafka::consumer::BaseConsumer = config.create()?;
            client.fetch_watermarks(&topic, PARTITION, REQUEST_TIMEOUT).map(|(_, end)| end)
        });
        let end = end.await.map_err(|_| KafkaError::Canceled)??;
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(&self.topic, PARTITION, Offset::Offset(end))?;
        self.consumer.assign(&place)?;
        tracing::info!(topic = self.topic, offset = end, "listening to what other servers change");
        self.health.up(CHANGES);
        Ok(())
    }

    async fn create_topic(&self) -> Result<(), KafkaError> {
        let admin: AdminClient<DefaultClientContext> = self.config.create()?;
        let retention = RETENTION.as_millis().to_string();
        let topic = NewTopic::new(&self.topic, 1, TopicReplication::Fixed(-1)).set("retention.ms", &retention);
        let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
        for result in admin.create_topics(&[topic], &options).await? {
            match result {
                // Not allowed to create: then it is there, or reading from it will say that it is not.
                Ok(_)
                | Err((
                    _,
                    Code::TopicAlreadyExists | Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed,
                )) => (),
                Err((_, code)) => return Err(KafkaError::AdminOp(code)),
            }
        }
        Ok(())
    }

    /// Hears until the place is lost.
    async fn hear(&self) {
        loop {
            let mut news = News::default();
            match self.consumer.recv().await {
                Ok(record) => self.add(&mut news, record.payload()),
                Err(error) if is_lost(&error) => return self.late(&error),
                // A broker that is away shows elsewhere; the client finds it again, and its place.
                Err(_) => sleep(BACKOFF.0).await,
            }
            let until = tokio::time::Instant::now() + GATHER;
            while !news.is_empty() {
                match timeout_at(until, self.consumer.recv()).await {
                    Ok(Ok(record)) => self.add(&mut news, record.payload()),
                    Ok(Err(error)) if is_lost(&error) => return self.late(&error),
                    Ok(Err(_)) | Err(_) => break,
                }
            }
            self.follow(news).await;
        }
    }

    fn add(&self, news: &mut News, payload: Option<&[u8]>) {
        match Message::read(payload.unwrap_or_default()) {
            Ok(message) if message.server == self.server => (),
            Ok(message) => {
                metrics::changes("heard");
                news.add(message.news);
            }
            // Whatever it was to say: a later version, or somebody else's record.
            Err(error) => {
                tracing::warn!(%error, topic = self.topic, "a record that is no message of a server; reading everything");
                news.add(News::Everything);
            }
        }
    }

    /// Brings the store's copy up to date, and then tells open dashboards.
    async fn follow(&self, news: News) {
        let issues = match news {
            News::Everything => return self.store.reconcile(),
            News::Issues(issues) => issues,
        };
        let issues: Vec<_> = issues.into_iter().collect();
        for part in issues.chunks(MAX_IDS) {
            let ids: Vec<_> = part.iter().map(|(id, _)| id.clone()).collect();
            let mut backoff = BACKOFF.0;
            while let Err(error) = self.store.refresh(&ids).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "what another server changed cannot be read yet"
                );
                sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF.1);
            }
            let created = part.iter().filter(|(_, is_new)| *is_new).map(|(id, _)| id.clone()).collect();
            self.notifier.pass_on(Change { ids, created, ..Change::default() });
        }
    }

    /// Says once that servers do not hear of each other.
    fn late(&self, error: &KafkaError) {
        tracing::debug!(%error, topic = self.topic, "changes are told late");
        self.health.tell(CHANGES, format!("other servers' changes appear late: {error}"));
    }
}

/// Whether the client cannot go on from where it is.
fn is_lost(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::AutoOffsetReset
                | Code::OffsetOutOfRange
                | Code::UnknownTopicOrPartition
                | Code::UnknownTopic
                | Code::UnknownPartition
        )
    )
}
