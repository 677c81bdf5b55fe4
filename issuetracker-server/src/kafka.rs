//! What all our Kafka clients share: where the brokers are, and that their own messages go to our log, quietly.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rdkafka::{
    ClientConfig, ClientContext, Statistics,
    config::RDKafkaLogLevel,
    consumer::ConsumerContext,
    error::{KafkaError, RDKafkaErrorCode as Code},
};

use crate::{
    config::{KafkaConfig, KafkaSecurity},
    health::{Health, KAFKA},
    metrics,
};

/// The configuration that every client starts from.
pub fn client_config(config: &KafkaConfig) -> ClientConfig {
    let mut client = ClientConfig::new();
    client
        .set("bootstrap.servers", &config.brokers)
        .set("client.id", "issuetracker-server")
        .set("reconnect.backoff.max.ms", "2000")
        .set("topic.metadata.refresh.interval.ms", "5000")
        .set_log_level(RDKafkaLogLevel::Warning);
    for (name, value) in settings(&config.security) {
        client.set(name, value);
    }
    client
}

/// TLS and SASL in librdkafka's words.
pub fn settings(security: &KafkaSecurity) -> Vec<(&'static str, &str)> {
    fn path(path: &Option<PathBuf>) -> Option<&str> {
        path.as_deref().and_then(Path::to_str)
    }
    let settings = [
        ("security.protocol", Some(security.protocol.as_str())),
        ("sasl.mechanism", security.sasl_mechanism.as_deref()),
        ("sasl.username", security.sasl_username.as_deref()),
        ("sasl.password", security.sasl_password.as_ref().map(|password| password.0.as_str())),
        ("ssl.ca.location", path(&security.ssl_ca_file)),
        ("ssl.certificate.location", path(&security.ssl_certificate_file)),
        ("ssl.key.location", path(&security.ssl_key_file)),
    ];
    settings.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Why a client could not be made. A refused setting is named without its value: it may be a password.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// One setting.
    #[error("librdkafka refuses the value of its setting {0}")]
    Setting(String),
    /// Something else, such as a certificate that cannot be read.
    #[error("{0}")]
    Other(String),
}

impl From<KafkaError> for NoClient {
    fn from(error: KafkaError) -> Self {
        match error {
            KafkaError::ClientConfig(_, _, name, _) => Self::Setting(name),
            other => Self::Other(other.to_string()),
        }
    }
}

/// Watches the connection: the client's statistics say every few seconds whether it has one, its errors whether it is refused.
#[derive(Clone)]
pub struct Watch {
    health: Health,
    /// Whether the log says already that the brokers refuse us: they do so several times a second.
    is_refusal_told: Arc<AtomicBool>,
}

impl Watch {
    /// Tells `health`.
    pub fn new(health: Health) -> Self {
        Self { health, is_refusal_told: Arc::default() }
    }
}

impl ConsumerContext for Watch {}

impl ClientContext for Watch {
    fn stats(&self, statistics: Statistics) {
        let is_up = statistics.brokers.values().any(|broker| broker.state == "UP" && broker.nodeid >= 0);
        // Connected is not yet answering: that it is up says who has had an answer.
        if !is_up && self.health.is_ok(KAFKA) {
            self.health.down(KAFKA, "no broker answers");
            metrics::kafka_up(false);
            tracing::warn!("no Kafka broker answers; consumption goes on when one does");
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        if matches!(code, Some(Code::Authentication | Code::SaslAuthenticationFailed | Code::SSL)) {
            self.health.down(KAFKA, format!("the brokers refuse this server: {reason}"));
            if !self.is_refusal_told.swap(true, Ordering::Relaxed) {
                tracing::error!(reason, "the brokers refuse this server");
            }
        }
        // While brokers are away this comes several times a second; `stats` tells of the change, once.
        tracing::debug!(%error, reason, "the Kafka client reports");
    }

    fn log(&self, _level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(facility, message, "the Kafka client says");
    }
}
