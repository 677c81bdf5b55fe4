//! The topics: created if they are missing, never changed if they are there. A topic that may not be created is waited
//! for. Whether they stay there is looked at by [`watch`](super::watch).

use std::time::Duration;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    error::KafkaError,
};
use tokio::time::sleep;

use super::observer::Observer;
use crate::{
    config::KafkaConfig,
    health::{Health, KAFKA, TOPIC},
    kafka,
};

/// How long one attempt may take, and how long to wait before the next.
const ATTEMPT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);
/// How often a new topic is looked for in that time.
const LOOKS: u32 = 10;

/// Returns how many partitions the topic has, when it is there, however long that takes.
pub(super) async fn ensure(config: &KafkaConfig, observer: &Observer, health: &Health) -> usize {
    health.down(TOPIC, "not known yet");
    let mut told = String::new();
    loop {
        match attempt(config, observer).await {
            Ok(found) => {
                health.up(KAFKA);
                tell(config, &found, health);
                observer.set_has_broker_time(has_broker_time(config).await);
                return found.partitions;
            }
            Err(reason) => {
                health.down(TOPIC, reason.clone());
                if told != reason {
                    tracing::warn!(reason, brokers = config.brokers, "consumption begins when the topic is there");
                    told = reason;
                }
            }
        }
        sleep(PAUSE).await;
    }
}

/// The topics as they are.
struct Found {
    partitions: usize,
    /// Why there is no topic for dead letters.
    no_dead_letters: Option<String>,
}

fn tell(config: &KafkaConfig, found: &Found, health: &Health) {
    let wanted = usize::try_from(config.partitions).unwrap_or(1);
    if found.partitions < wanted {
        tracing::warn!(
            topic = config.topic,
            partitions = found.partitions,
            "the topic has fewer partitions than the {wanted} that this server would have given it, and stays as it is: no \
             more servers than partitions can share the work"
        );
    }
    match &found.no_dead_letters {
        None => health.up(TOPIC),
        Some(reason) => _ = health.down(TOPIC, reason.clone()),
    }
}

async fn attempt(config: &KafkaConfig, observer: &Observer) -> Result<Found, String> {
    let silent = |error: KafkaError| format!("no broker answers: {error}");
    let is_there = [&config.topic, &config.dlq_topic];
    let [topic, dead_letters] = [
        observer.partitions(is_there[0]).await.map_err(silent)?,
        observer.partitions(is_there[1]).await.map_err(silent)?,
    ];
    let mut refused = Vec::new();
    if topic.is_none() || dead_letters.is_none() {
        refused = create(config, topic.is_none(), dead_letters.is_none())
            .await
            .unwrap_or_else(|error| is_there.map(|name| (name.clone(), error.to_string())).into());
    }
    let why = |name: &str| {
        let refused = refused.iter().find(|(topic, _)| topic == name).map(|(_, why)| why.as_str());
        format!(
            "there is no topic {name}, and it cannot be created: {}",
            refused.unwrap_or("the broker does not say why")
        )
    };
    let mut partitions = topic;
    let mut looks = 0..LOOKS;
    while partitions.is_none() && refused.is_empty() && looks.next().is_some() {
        // A topic that was just created is not known everywhere yet.
        sleep(PAUSE / LOOKS).await;
        partitions = observer.partitions(&config.topic).await.map_err(silent)?;
    }
    let partitions = partitions.ok_or_else(|| why(&config.topic))?;
    let no_dead_letters = refused.iter().any(|(name, _)| *name == config.dlq_topic).then(|| why(&config.dlq_topic));
    Ok(Found { partitions, no_dead_letters })
}

/// Whether the broker's clock dates the records, if it may be asked.
async fn has_broker_time(config: &KafkaConfig) -> bool {
    let resource = [ResourceSpecifier::Topic(&config.topic)];
    let ask = async {
        let admin: AdminClient<DefaultClientContext> = kafka::client_config(config).create()?;
        admin.describe_configs(&resource, &AdminOptions::new().request_timeout(Some(ATTEMPT))).await
    };
    let described = ask.await.unwrap_or_default();
    let entry = described.first().and_then(|topic| topic.as_ref().ok()?.get("message.timestamp.type"));
    entry.is_some_and(|entry| entry.value.as_deref() == Some("LogAppendTime"))
}

/// Creates what is missing; answers with what the broker refuses, and why.
async fn create(config: &KafkaConfig, topic: bool, dead_letters: bool) -> Result<Vec<(String, String)>, KafkaError> {
    use rdkafka::error::RDKafkaErrorCode::TopicAlreadyExists;
    let admin: AdminClient<DefaultClientContext> = kafka::client_config(config).create()?;
    let retention = config.retention.as_millis().to_string();
    let new = |name, partitions| {
        // -1: as many replicas as the cluster gives by default. The broker's own clock, since a producer's that is weeks
        // behind would have its records, and those beside them, deleted at once.
        NewTopic::new(name, partitions, TopicReplication::Fixed(-1))
            .set("retention.ms", &retention)
            .set("message.timestamp.type", "LogAppendTime")
    };
    let missing =
        [topic.then(|| new(&config.topic, config.partitions)), dead_letters.then(|| new(&config.dlq_topic, 1))];
    let missing: Vec<NewTopic<'_>> = missing.into_iter().flatten().collect();
    let options = AdminOptions::new().request_timeout(Some(ATTEMPT)).operation_timeout(Some(ATTEMPT));
    let mut refused = Vec::new();
    for result in admin.create_topics(&missing, &options).await? {
        match result {
            Ok(topic) => tracing::info!(topic, "created the topic"),
            Err((_, TopicAlreadyExists)) => (),
            Err((topic, code)) => refused.push((topic, code.to_string())),
        }
    }
    Ok(refused)
}
