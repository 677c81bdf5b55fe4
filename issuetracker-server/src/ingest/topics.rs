//! The topics: created if they are missing, never changed if they are there.

use std::time::Duration;

use rdkafka::{
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
};
use tokio::time::sleep;

use crate::{config::KafkaConfig, kafka};

/// How long one attempt may take, and how long to wait before the next.
const ATTEMPT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_secs(2);

/// Returns when both topics are there, however long the broker takes to answer.
pub(super) async fn ensure(config: &KafkaConfig) {
    let mut is_told = false;
    while let Err(error) = create(config).await {
        if !std::mem::replace(&mut is_told, true) {
            tracing::warn!(%error, brokers = config.brokers, "Kafka does not answer yet; trying on");
        }
        sleep(PAUSE).await;
    }
}

async fn create(config: &KafkaConfig) -> Result<(), KafkaError> {
    let admin: AdminClient<DefaultClientContext> = kafka::client_config(config).create()?;
    let retention = config.retention.as_millis().to_string();
    // -1: as many replicas as the cluster gives by default.
    let topic =
        |name, partitions| NewTopic::new(name, partitions, TopicReplication::Fixed(-1)).set("retention.ms", &retention);
    let topics = [topic(&config.topic, config.partitions), topic(&config.dlq_topic, 1)];
    let options = AdminOptions::new().request_timeout(Some(ATTEMPT)).operation_timeout(Some(ATTEMPT));
    for result in admin.create_topics(&topics, &options).await? {
        match result {
            Ok(topic) => tracing::info!(topic, "created the topic"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => (),
            // Not allowed to create: then the operator has, or the consumer will say what is missing.
            Err((
                topic,
                code @ (RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed),
            )) => {
                tracing::warn!(topic, %code, "this server may not create topics; it expects this one to be there");
            }
            Err((topic, code)) => {
                tracing::warn!(topic, %code, "the topic could not be created");
                return Err(KafkaError::AdminOp(code));
            }
        }
    }
    Ok(())
}
