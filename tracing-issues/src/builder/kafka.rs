//! What the Kafka client is told beside its brokers: TLS, SASL, and any setting of librdkafka. Checked here, in the words
//! of our own variables; the client itself is made in `publish/kafka`.

use std::{fs::File, path::PathBuf};

use super::{Builder, ConfigError, invalid};

pub(super) const BROKERS: &str = "TRACING_ISSUES_KAFKA_BROKERS";
pub(super) const SECURITY_PROTOCOL: &str = "TRACING_ISSUES_KAFKA_SECURITY_PROTOCOL";
pub(super) const SASL_MECHANISM: &str = "TRACING_ISSUES_KAFKA_SASL_MECHANISM";
pub(super) const SASL_USERNAME: &str = "TRACING_ISSUES_KAFKA_SASL_USERNAME";
pub(super) const SASL_PASSWORD: &str = "TRACING_ISSUES_KAFKA_SASL_PASSWORD";
pub(super) const SSL_CA_FILE: &str = "TRACING_ISSUES_KAFKA_SSL_CA_FILE";
pub(super) const SSL_CERTIFICATE_FILE: &str = "TRACING_ISSUES_KAFKA_SSL_CERTIFICATE_FILE";
pub(super) const SSL_KEY_FILE: &str = "TRACING_ISSUES_KAFKA_SSL_KEY_FILE";

const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
const MECHANISMS: [&str; 3] = ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"];

/// Everything but the brokers and the topic. No `Debug`: it holds a password.
#[derive(Default)]
pub(super) struct KafkaSettings {
    pub(super) security_protocol: Option<String>,
    pub(super) sasl_mechanism: Option<String>,
    pub(super) sasl_username: Option<String>,
    pub(super) sasl_password: Option<String>,
    pub(super) ssl_ca_file: Option<PathBuf>,
    pub(super) ssl_certificate_file: Option<PathBuf>,
    pub(super) ssl_key_file: Option<PathBuf>,
    /// By their names in librdkafka; they win over everything.
    others: Vec<(String, String)>,
}

impl Builder {
    /// How the brokers are spoken to: `plaintext` (the default), `ssl`, `sasl_plaintext` or `sasl_ssl`. Both with `ssl` need
    /// the feature `kafka-tls`.
    pub fn kafka_security_protocol(mut self, protocol: impl Into<String>) -> Self {
        self.kafka.security_protocol = Some(protocol.into());
        self
    }

    /// How the service proves who it is: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`. SCRAM needs the feature `kafka-tls`.
    pub fn kafka_sasl_mechanism(mut self, mechanism: impl Into<String>) -> Self {
        self.kafka.sasl_mechanism = Some(mechanism.into());
        self
    }

    /// The user for SASL.
    pub fn kafka_sasl_username(mut self, username: impl Into<String>) -> Self {
        self.kafka.sasl_username = Some(username.into());
        self
    }

    /// The password for SASL. It is shown nowhere.
    pub fn kafka_sasl_password(mut self, password: impl Into<String>) -> Self {
        self.kafka.sasl_password = Some(password.into());
        self
    }

    /// A file with the certificates of the authorities that vouch for the brokers (PEM), instead of the system's.
    pub fn kafka_ssl_ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.kafka.ssl_ca_file = Some(path.into());
        self
    }

    /// The service's own certificate and its key (PEM), for brokers that want one.
    pub fn kafka_ssl_certificate(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.kafka.ssl_certificate_file = Some(certificate.into());
        self.kafka.ssl_key_file = Some(key.into());
        self
    }

    /// Any setting of librdkafka by its own name, such as `("ssl.key.password", "…")`; it wins over every other method. For
    /// what the other methods do not know: OAUTHBEARER, timeouts.
    pub fn kafka_setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.kafka.others.push((name.into(), value.into()));
        self
    }
}

impl KafkaSettings {
    /// The settings in librdkafka's words, in the order in which they are to be set.
    #[cfg(feature = "kafka")]
    pub(super) fn for_client(&self) -> Vec<(&str, &str)> {
        fn path(path: &Option<PathBuf>) -> Option<&str> {
            path.as_deref().and_then(std::path::Path::to_str)
        }
        let named = [
            ("security.protocol", self.security_protocol.as_deref()),
            ("sasl.mechanism", self.sasl_mechanism.as_deref()),
            ("sasl.username", self.sasl_username.as_deref()),
            ("sasl.password", self.sasl_password.as_deref()),
            ("ssl.ca.location", path(&self.ssl_ca_file)),
            ("ssl.certificate.location", path(&self.ssl_certificate_file)),
            ("ssl.key.location", path(&self.ssl_key_file)),
        ];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        named.chain(self.others.iter().map(|(name, value)| (name.as_str(), value.as_str()))).collect()
    }

    /// Everything that is wrong with it.
    pub(super) fn problems(&self) -> Vec<ConfigError> {
        let mut problems = Vec::new();
        let mut wrong = |setting, reason: String| problems.push(invalid(setting, reason));
        let protocol = self.other("security.protocol").or(self.security_protocol.as_deref()).unwrap_or("plaintext");
        let protocol = protocol.to_ascii_lowercase();
        if !PROTOCOLS.contains(&protocol.as_str()) {
            wrong(SECURITY_PROTOCOL, format!("expected {}", PROTOCOLS.join(", ")));
            return problems;
        }
        let (is_encrypted, is_sasl) = (protocol.ends_with("ssl"), protocol.starts_with("sasl"));
        let sasl = [
            (SASL_MECHANISM, &self.sasl_mechanism),
            (SASL_USERNAME, &self.sasl_username),
            (SASL_PASSWORD, &self.sasl_password),
        ];
        // Who sets SASL up in librdkafka's own words knows what belongs together.
        let is_by_hand = self.others.iter().any(|(name, _)| name.starts_with("sasl."));
        for (setting, value) in sasl {
            if !is_sasl && value.is_some() {
                wrong(setting, format!("needs {SECURITY_PROTOCOL} to be sasl_ssl or sasl_plaintext; it is {protocol}"));
            } else if is_sasl && value.is_none() && !is_by_hand {
                wrong(setting, format!("is missing; {SECURITY_PROTOCOL} is {protocol}"));
            }
        }
        let mechanism = self.sasl_mechanism.as_deref();
        if mechanism.is_some_and(|mechanism| !MECHANISMS.contains(&mechanism)) {
            wrong(SASL_MECHANISM, format!("expected {}", MECHANISMS.join(", ")));
        }
        for (setting, file) in self.files() {
            match file {
                Some(_) if !is_encrypted => {
                    wrong(setting, format!("needs {SECURITY_PROTOCOL} to be ssl or sasl_ssl; it is {protocol}"));
                }
                Some(path) => match File::open(path) {
                    Err(error) => wrong(setting, format!("{} cannot be read: {error}", path.display())),
                    Ok(_) if path.to_str().is_none() => wrong(setting, "the path is not UTF-8".to_owned()),
                    Ok(_) => (),
                },
                None => (),
            }
        }
        match (&self.ssl_certificate_file, &self.ssl_key_file) {
            (Some(_), None) => wrong(SSL_KEY_FILE, format!("is missing; {SSL_CERTIFICATE_FILE} is set")),
            (None, Some(_)) => wrong(SSL_CERTIFICATE_FILE, format!("is missing; {SSL_KEY_FILE} is set")),
            _ => (),
        }
        if !cfg!(feature = "kafka-tls") {
            let mut missing = |setting| problems.push(ConfigError::MissingFeature { setting, feature: "kafka-tls" });
            if is_encrypted {
                missing(SECURITY_PROTOCOL);
            } else if mechanism.is_some_and(|mechanism| mechanism.starts_with("SCRAM")) {
                missing(SASL_MECHANISM);
            }
        }
        problems
    }

    /// The files that TLS needs.
    fn files(&self) -> [(&'static str, &Option<PathBuf>); 3] {
        [
            (SSL_CA_FILE, &self.ssl_ca_file),
            (SSL_CERTIFICATE_FILE, &self.ssl_certificate_file),
            (SSL_KEY_FILE, &self.ssl_key_file),
        ]
    }

    /// The first of our own settings that is set.
    pub(super) fn first_set(&self) -> Option<&'static str> {
        let settings = [
            (SECURITY_PROTOCOL, self.security_protocol.is_some()),
            (SASL_MECHANISM, self.sasl_mechanism.is_some()),
            (SASL_USERNAME, self.sasl_username.is_some()),
            (SASL_PASSWORD, self.sasl_password.is_some()),
            (SSL_CA_FILE, self.ssl_ca_file.is_some()),
            (SSL_CERTIFICATE_FILE, self.ssl_certificate_file.is_some()),
            (SSL_KEY_FILE, self.ssl_key_file.is_some()),
            ("kafka_setting", !self.others.is_empty()),
        ];
        settings.into_iter().find(|(_, is_set)| *is_set).map(|(setting, _)| setting)
    }

    fn other(&self, name: &str) -> Option<&str> {
        self.others.iter().rev().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

/// Which of our settings stands behind one of librdkafka.
#[cfg(feature = "kafka")]
pub(super) fn setting_behind(name: &str) -> &'static str {
    match name {
        "security.protocol" => SECURITY_PROTOCOL,
        "sasl.mechanism" => SASL_MECHANISM,
        "sasl.username" => SASL_USERNAME,
        "sasl.password" => SASL_PASSWORD,
        "ssl.ca.location" => SSL_CA_FILE,
        "ssl.certificate.location" => SSL_CERTIFICATE_FILE,
        "ssl.key.location" => SSL_KEY_FILE,
        "bootstrap.servers" | "" => BROKERS,
        _ => "kafka_setting",
    }
}
