//! Configuration: `ISSUETRACKER_*` variables, read once into real types. Every problem is reported, all at once, each
//! with the name of its variable; a name that nobody knows is a problem too, because it is mostly a typing error.

mod kafka;
mod limits;
mod login;
mod notify;
mod private;
mod tls;
mod variables;

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use self::variables::Variables;
pub use self::{
    kafka::{KafkaConfig, KafkaSecurity, Secret},
    limits::Limits,
    login::{GOOGLE, LoginConfig, is_this_machine},
    notify::{MailConfig, MailSecurity, NotifyConfig},
};
use crate::{retention::Retention, tls::TlsFiles};

/// What the process runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub http_addr: SocketAddr,
    /// With which certificate; without it over plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How much one client may ask.
    pub limits: Limits,
    /// Who may log in; without it everybody on this machine is ADMIN.
    pub login: Option<LoginConfig>,
    /// Where issues are stored.
    pub store: StoreConfig,
    /// The consumer; without it events come over HTTP only.
    pub kafka: Option<KafkaConfig>,
    /// How people are notified.
    pub notify: NotifyConfig,
    /// What is kept in the store.
    pub retention: Retention,
    /// What is logged.
    pub log_filter: String,
    /// How.
    pub log_format: LogFormat,
}

/// Where issues are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// SQLite in this file.
    Embedded {
        /// Created if missing.
        path: PathBuf,
    },
    /// Google Firestore.
    Firestore {
        /// The Google Cloud project.
        project: String,
        /// The database in it.
        database: String,
        /// A service account's key file; without it the machine's own credentials.
        credentials: Option<PathBuf>,
        /// `host:port` of an emulator, for development only.
        emulator: Option<String>,
    },
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why the process cannot run with its variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<String>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration cannot be used:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

impl Config {
    /// Reads the process's environment.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_env() -> Result<Self, ConfigErrors> {
        Self::from_pairs(
            std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))),
        )
    }

    /// Reads variables from anywhere.
    ///
    /// # Errors
    /// All problems at once.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        let mut variables = Variables::of(pairs);
        let http_addr = variables.parse("HTTP_ADDR", "expected an address and port such as 127.0.0.1:8080");
        let http_addr = http_addr.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
        let problems = variables.count();
        let tls = tls::read(&mut variables);
        let login = login::read(&mut variables, http_addr, tls.is_some());
        // A login that cannot be read is no reason to complain that there is none.
        if login.is_none() && !http_addr.ip().is_loopback() && variables.count() == problems {
            variables.problem(
                "HTTP_ADDR",
                "without login everybody is ADMIN, so only a loopback address such as 127.0.0.1 may be used; \
                 docs/operations.md says how login is configured",
            );
        }
        if tls.is_some() && login.as_ref().is_none_or(LoginConfig::is_plain) && variables.count() == problems {
            let what = "TLS needs login, with an ISSUETRACKER_HTTP_PUBLIC_URL that begins with https://: \
                        without login only this machine is served, over plain http";
            variables.problem("HTTP_TLS_CERTIFICATE_FILE", what);
        }
        let limits = limits::read(&mut variables, login.is_some());
        let store = store(&mut variables);
        let kafka = kafka::read(&mut variables);
        let notify = notify::read(&mut variables);
        let retention = retention(&mut variables);
        let log_format = match variables.text("LOG_FORMAT").as_deref() {
            None | Some("text") => LogFormat::Text,
            Some("json") => LogFormat::Json,
            Some(_) => {
                variables.problem("LOG_FORMAT", "expected `text` or `json`");
                LogFormat::Text
            }
        };
        let log_filter = variables.text("LOG").unwrap_or_else(|| "info".to_owned());
        if tracing_subscriber::EnvFilter::try_new(&log_filter).is_err() {
            variables.problem("LOG", "expected a filter such as `info` or `issuetracker_server=debug,info`");
        }
        variables.finish(Self {
            http_addr,
            tls,
            limits,
            login,
            store,
            kafka,
            notify,
            retention,
            log_filter,
            log_format,
        })
    }

    /// The effective values, a line each, without secrets.
    pub fn describe(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("http", self.http_addr.to_string()), ("limits", self.limits.describe())];
        if let Some(files) = &self.tls {
            lines.push(("tls", format!("certificate {}, key ***", files.certificate.display())));
        }
        let login = self.login.as_ref().map(LoginConfig::describe);
        lines.push(("login", login.unwrap_or_else(|| "none: everybody on this machine is ADMIN".to_owned())));
        match &self.store {
            StoreConfig::Embedded { path } => lines.push(("store", format!("embedded, {}", path.display()))),
            StoreConfig::Firestore { project, database, credentials, emulator } => {
                lines.push(("store", format!("firestore, project {project}, database {database}")));
                lines.push(match (emulator, credentials) {
                    (Some(address), _) => ("firestore emulator", address.clone()),
                    (None, Some(_)) => ("firestore credentials", "***".to_owned()),
                    (None, None) => ("firestore credentials", "the machine's own".to_owned()),
                });
            }
        }
        match &self.kafka {
            None => lines.push(("kafka", "none: events come over HTTP".to_owned())),
            Some(kafka) => lines.extend(kafka.describe()),
        }
        lines.push(("notifications", self.notify.describe()));
        let done = match self.retention.done_for {
            None => "issues for ever".to_owned(),
            Some(time) => format!("issues that are done for {} days", time.as_secs() / 86_400),
        };
        lines.push(("kept", format!("details of {} events of each issue, {done}", self.retention.events)));
        lines
    }
}

fn store(variables: &mut Variables) -> StoreConfig {
    let path = variables.text("STORE_PATH").unwrap_or_else(|| "issuetracker.sqlite".to_owned());
    let project = variables.text("FIRESTORE_PROJECT");
    let database = variables.text("FIRESTORE_DATABASE").unwrap_or_else(|| "(default)".to_owned());
    let credentials = variables.text("FIRESTORE_CREDENTIALS").map(PathBuf::from);
    let emulator = variables.text("FIRESTORE_EMULATOR");
    match variables.text("STORE").as_deref() {
        None | Some("embedded") => return StoreConfig::Embedded { path: path.into() },
        Some("firestore") => {
            if !cfg!(feature = "firestore") {
                variables.problem("STORE", "this build has no Firestore: build it with the feature `firestore`");
            }
            if emulator.is_some() && database != "(default)" {
                variables.problem("FIRESTORE_DATABASE", "an emulator is used with its default database only");
            }
            if project.is_none() {
                variables.problem("FIRESTORE_PROJECT", "Firestore needs the id of the Google Cloud project");
            }
        }
        Some(_) => variables.problem("STORE", "expected `embedded` or `firestore`"),
    }
    StoreConfig::Firestore { project: project.unwrap_or_default(), database, credentials, emulator }
}

fn retention(variables: &mut Variables) -> Retention {
    let events = variables.parse("RETENTION_EVENTS", "expected a number of events").unwrap_or(200);
    if events == 0 {
        variables.problem("RETENTION_EVENTS", "expected at least 1: without any event nobody could solve the issue");
    }
    let days = variables.parse("RETENTION_DONE_DAYS", "expected a number of days, or nothing to keep all");
    if days == Some(0) {
        variables.problem("RETENTION_DONE_DAYS", "expected at least 1; set nothing to keep all");
    }
    Retention { events, done_for: days.map(|days: u32| Duration::from_secs(u64::from(days) * 86_400)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Config, ConfigErrors> {
        let pairs = pairs.iter().map(|(name, value)| (format!("ISSUETRACKER_{name}"), (*value).to_owned()));
        Config::from_pairs(pairs)
    }

    #[test]
    fn nothing_set_is_the_embedded_default() {
        let config = read(&[]).unwrap();
        assert_eq!(config.http_addr.to_string(), "127.0.0.1:8080");
        assert_eq!(config.store, StoreConfig::Embedded { path: "issuetracker.sqlite".into() });
        assert_eq!(config.kafka, None);
    }

    #[test]
    fn all_problems_are_told_at_once_and_name_their_variables() {
        let errors = read(&[
            ("HTTP_ADDR", "everywhere"),
            ("STORE", "mongo"),
            ("KAFKA_PARTITIONS", "0"),
            ("KAFKA_BROKER", "typo:29092"),
            ("LOG_FORMAT", "xml"),
        ]);
        let text = errors.unwrap_err().to_string();
        for name in ["HTTP_ADDR", "STORE", "KAFKA_PARTITIONS", "KAFKA_BROKER", "LOG_FORMAT"] {
            assert!(text.contains(&format!("ISSUETRACKER_{name}:")), "{name} is missing in:\n{text}");
        }
        assert!(text.contains("did you mean ISSUETRACKER_KAFKA_BROKERS?"), "{text}");
    }

    #[test]
    fn without_login_only_this_machine_is_served() {
        let error = read(&[("HTTP_ADDR", "0.0.0.0:8080")]).unwrap_err().to_string();
        assert!(error.contains("ISSUETRACKER_HTTP_ADDR: without login"), "{error}");
    }

    #[test]
    fn the_description_keeps_secrets() {
        let config = Config {
            store: StoreConfig::Firestore {
                project: "p".into(),
                database: "(default)".into(),
                credentials: Some("/secret/key.json".into()),
                emulator: None,
            },
            ..read(&[]).unwrap()
        };
        let text = format!("{:?}", config.describe());
        assert!(text.contains("***") && !text.contains("key.json"), "{text}");
    }
}
