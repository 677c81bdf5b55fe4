//! The Kafka side of the configuration: topics, group, and how the brokers are spoken to. Checked here, in the words of
//! our own variables; what librdkafka calls it is in [`kafka`](crate::kafka).

use std::{fmt, fs::File, path::PathBuf, time::Duration};

use super::variables::Variables;

const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// The Kafka side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `host:port`, separated by commas.
    pub brokers: String,
    /// Where events come from.
    pub topic: String,
    /// The consumer group.
    pub group: String,
    /// Where records go that cannot be read.
    pub dlq_topic: String,
    /// Where servers tell each other what they have changed.
    pub changes_topic: String,
    /// Partitions of a topic that has to be created.
    pub partitions: i32,
    /// Retention of a topic that has to be created.
    pub retention: Duration,
    /// A partition stops after so many records in a row that cannot be read; 0 means never.
    pub max_invalid: u64,
    /// How the brokers are spoken to.
    pub security: KafkaSecurity,
}

/// TLS and SASL.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KafkaSecurity {
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub protocol: String,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub sasl_mechanism: Option<String>,
    /// Who the server is.
    pub sasl_username: Option<String>,
    /// How it proves that.
    pub sasl_password: Option<Secret>,
    /// Authorities that vouch for the brokers, instead of the system's.
    pub ssl_ca_file: Option<PathBuf>,
    /// The server's own certificate.
    pub ssl_certificate_file: Option<PathBuf>,
    /// The key of that certificate.
    pub ssl_key_file: Option<PathBuf>,
}

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl KafkaConfig {
    /// The effective values, a line each, without secrets.
    pub(super) fn describe(&self) -> Vec<(&'static str, String)> {
        let Self { brokers, topic, group, dlq_topic, changes_topic, security, .. } = self;
        let topics = format!("topic {topic}, group {group}, dead letters {dlq_topic}, changes {changes_topic}");
        let mut lines = vec![("kafka", format!("{brokers}, {topics}"))];
        let user = security.sasl_username.as_ref().zip(security.sasl_mechanism.as_ref());
        let user = user.map(|(name, mechanism)| format!(", {mechanism} as {name}, password ***")).unwrap_or_default();
        let certificate = if security.ssl_certificate_file.is_some() { ", with a certificate of its own" } else { "" };
        lines.push(("kafka security", format!("{}{user}{certificate}", security.protocol)));
        lines
    }
}

pub(super) fn read(variables: &mut Variables) -> Option<KafkaConfig> {
    let brokers = variables.text("KAFKA_BROKERS");
    let topic = variables.text("KAFKA_TOPIC").unwrap_or_else(|| "alphafusion.issues".to_owned());
    let group = variables.text("KAFKA_GROUP").unwrap_or_else(|| "issuetracker-consumer".to_owned());
    let dlq_topic = variables.text("KAFKA_DLQ_TOPIC").unwrap_or_else(|| format!("{topic}.dlq"));
    let changes_topic = variables.text("KAFKA_CHANGES_TOPIC").unwrap_or_else(|| format!("{topic}.changes"));
    let partitions = variables.parse("KAFKA_PARTITIONS", "expected a number from 1 to 10000").unwrap_or(6);
    if !(1..=10_000).contains(&partitions) {
        variables.problem("KAFKA_PARTITIONS", "expected a number from 1 to 10000");
    }
    let hours = variables.parse("KAFKA_RETENTION_HOURS", "expected a number of hours").unwrap_or(7 * 24_u32);
    if hours == 0 {
        variables.problem("KAFKA_RETENTION_HOURS", "expected at least 1: what an outage keeps waiting must not expire");
    }
    let max_invalid = variables.parse("KAFKA_MAX_INVALID", "expected a number, 0 for no limit").unwrap_or(1_000);
    for (name, topic) in
        [("KAFKA_TOPIC", &topic), ("KAFKA_DLQ_TOPIC", &dlq_topic), ("KAFKA_CHANGES_TOPIC", &changes_topic)]
    {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if topic.len() > 249 || !topic.bytes().all(is_allowed) {
            variables.problem(name, "a topic's name is at most 249 letters, digits, `.`, `_` and `-`");
        }
    }
    if topic == dlq_topic {
        variables.problem("KAFKA_DLQ_TOPIC", "the dead letters need a topic of their own");
    }
    if changes_topic == topic || changes_topic == dlq_topic {
        variables.problem("KAFKA_CHANGES_TOPIC", "what servers tell each other needs a topic of its own");
    }
    let security = security(variables);
    let brokers = brokers?;
    if !cfg!(feature = "kafka") {
        variables.problem("KAFKA_BROKERS", "this build has no Kafka: build it with the feature `kafka`");
    }
    let retention = Duration::from_secs(u64::from(hours) * 3_600);
    Some(KafkaConfig { brokers, topic, group, dlq_topic, changes_topic, partitions, retention, max_invalid, security })
}

/// As the library checks its own (`TRACING_ISSUES_KAFKA_*`), so that one set of values serves both.
fn security(variables: &mut Variables) -> KafkaSecurity {
    let protocol = variables.text("KAFKA_SECURITY_PROTOCOL").unwrap_or_else(|| "plaintext".to_owned());
    let security = KafkaSecurity {
        protocol: protocol.to_ascii_lowercase(),
        sasl_mechanism: variables.text("KAFKA_SASL_MECHANISM"),
        sasl_username: variables.text("KAFKA_SASL_USERNAME"),
        sasl_password: variables.secret("KAFKA_SASL_PASSWORD", "KAFKA_SASL_PASSWORD_FILE"),
        ssl_ca_file: variables.text("KAFKA_SSL_CA_FILE").map(PathBuf::from),
        ssl_certificate_file: variables.text("KAFKA_SSL_CERTIFICATE_FILE").map(PathBuf::from),
        ssl_key_file: variables.text("KAFKA_SSL_KEY_FILE").map(PathBuf::from),
    };
    let protocol = security.protocol.as_str();
    if !PROTOCOLS.contains(&protocol) {
        variables.problem("KAFKA_SECURITY_PROTOCOL", &format!("expected {}", PROTOCOLS.join(", ")));
        return security;
    }
    let (is_encrypted, is_sasl) = (protocol.ends_with("ssl"), protocol.starts_with("sasl"));
    for (name, is_set) in [
        ("KAFKA_SASL_MECHANISM", security.sasl_mechanism.is_some()),
        ("KAFKA_SASL_USERNAME", security.sasl_username.is_some()),
        ("KAFKA_SASL_PASSWORD", security.sasl_password.is_some()),
    ] {
        match (is_sasl, is_set) {
            (false, true) => variables.problem(name, &format!("needs a protocol with SASL; it is {protocol}")),
            (true, false) => variables.problem(name, &format!("is missing; the protocol is {protocol}")),
            _ => (),
        }
    }
    let mechanism = security.sasl_mechanism.as_deref();
    if mechanism.is_some_and(|mechanism| !MECHANISMS.contains(&mechanism)) {
        variables.problem("KAFKA_SASL_MECHANISM", &format!("expected {}", MECHANISMS.join(", ")));
    }
    for (name, path) in [
        ("KAFKA_SSL_CA_FILE", &security.ssl_ca_file),
        ("KAFKA_SSL_CERTIFICATE_FILE", &security.ssl_certificate_file),
        ("KAFKA_SSL_KEY_FILE", &security.ssl_key_file),
    ] {
        match path.as_ref().map(|path| (path, File::open(path))) {
            Some(_) if !is_encrypted => variables.problem(name, &format!("needs TLS; the protocol is {protocol}")),
            Some((path, Err(error))) => variables.problem(name, &format!("{} cannot be read: {error}", path.display())),
            _ => (),
        }
    }
    if security.ssl_certificate_file.is_some() != security.ssl_key_file.is_some() {
        variables.problem("KAFKA_SSL_KEY_FILE", "a certificate and its key go together");
    }
    if !cfg!(feature = "kafka-tls") {
        let needs = "this build cannot: build it with the feature `kafka-tls`";
        if is_encrypted {
            variables.problem("KAFKA_SECURITY_PROTOCOL", needs);
        } else if mechanism.is_some_and(|mechanism| mechanism.starts_with("SCRAM")) {
            variables.problem("KAFKA_SASL_MECHANISM", needs);
        }
    }
    security
}

#[cfg(test)]
#[cfg(feature = "kafka")]
mod tests {
    use super::super::{Config, ConfigErrors};
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<KafkaConfig, ConfigErrors> {
        let pairs = pairs.iter().chain(&[("BROKERS", "localhost:29092")]);
        let pairs = pairs.map(|(name, value)| (format!("ISSUETRACKER_KAFKA_{name}"), (*value).to_owned()));
        Config::from_pairs(pairs).map(|config| config.kafka.unwrap())
    }

    #[track_caller]
    fn check_refused(pairs: &[(&str, &str)], name: &str, part: &str) {
        let errors = read(pairs).unwrap_err();
        let found = errors.0.iter().any(|error| error.contains(&format!("KAFKA_{name}:")) && error.contains(part));
        assert!(found, "{errors}");
        assert!(!errors.to_string().contains("hunter2"), "{errors}");
    }

    #[test]
    fn brokers_choose_kafka_with_the_contracts_names() {
        let kafka = read(&[]).unwrap();
        assert_eq!((kafka.topic.as_str(), kafka.group.as_str()), ("alphafusion.issues", "issuetracker-consumer"));
        assert_eq!((kafka.dlq_topic.as_str(), kafka.partitions), ("alphafusion.issues.dlq", 6));
        assert_eq!(kafka.changes_topic, "alphafusion.issues.changes");
        assert_eq!(kafka.retention, Duration::from_secs(7 * 86_400));
        assert_eq!((kafka.max_invalid, kafka.security.protocol.as_str()), (1_000, "plaintext"));
    }

    #[test]
    fn what_does_not_belong_together_is_said_by_its_variable() {
        check_refused(&[("SECURITY_PROTOCOL", "tls")], "SECURITY_PROTOCOL", "expected plaintext, ssl");
        check_refused(&[("SASL_PASSWORD", "hunter2")], "SASL_PASSWORD", "it is plaintext");
        check_refused(&[("SECURITY_PROTOCOL", "sasl_plaintext")], "SASL_USERNAME", "is missing");
        check_refused(&[("SSL_CA_FILE", "ca.pem")], "SSL_CA_FILE", "needs TLS");
        let sasl = [("SECURITY_PROTOCOL", "sasl_plaintext"), ("SASL_USERNAME", "a"), ("SASL_PASSWORD", "hunter2")];
        check_refused(&[&sasl[..], &[("SASL_MECHANISM", "GSSAPI")]].concat(), "SASL_MECHANISM", "expected PLAIN");
        check_refused(&[("SASL_PASSWORD_FILE", "/nowhere")], "SASL_PASSWORD_FILE", "cannot be read");
    }

    #[test]
    fn a_password_is_read_from_its_file_and_shown_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let kafka = read(&[
            ("SECURITY_PROTOCOL", "SASL_PLAINTEXT"),
            ("SASL_MECHANISM", "PLAIN"),
            ("SASL_USERNAME", "tracker"),
            ("SASL_PASSWORD_FILE", file.path().to_str().unwrap()),
        ])
        .unwrap();
        assert_eq!(kafka.security.sasl_password, Some(Secret("hunter2".to_owned())));
        let shown = format!("{kafka:?} {:?}", kafka.describe());
        assert!(!shown.contains("hunter2") && shown.contains("PLAIN as tracker, password ***"), "{shown}");
    }
}
