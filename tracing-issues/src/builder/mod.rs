//! Configuration: a [`Builder`], filled by hand or from `TRACING_ISSUES_*`, that starts the worker and gives the layer.
//! It is the only place that names concrete publishers and deduplicators.

mod kafka;
#[cfg(test)]
mod tests;
mod variables;

use std::{env, fmt, io, path::PathBuf, sync::Arc, thread, time::Duration};

use tracing::{Level, Metadata};

use self::kafka::KafkaSettings;
use crate::{
    aggregate::Windows,
    capture::{Capture, Settings},
    categorise::Origin,
    control::Control,
    dedup::{self, Deduplicator},
    error_types::{ErrorType, ErrorTypes},
    event::IssueEvent,
    guard::IssueGuard,
    journal::{Journal, Place},
    layer::IssueLayer,
    normalize::Normalizer,
    novelty::Novelty,
    outbox::Outbox,
    panics,
    publish::Publisher,
    queue::ReportQueue,
    redact::Redactor,
    repeats::Repeats,
    report::KeyHashing,
    stats::Counters,
    worker::{BeforeSend, Editor, Worker},
};

/// Where events go when nothing is configured: an issuetracker-server on this machine.
pub const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// The Kafka topic unless configured otherwise.
pub const DEFAULT_TOPIC: &str = "alphafusion.issues";

/// Different errors that are counted at the same time in one process.
const WINDOWS: usize = 4_096;
/// The most reports that may wait for the worker: the queue is allocated at once.
const MAX_QUEUE_CAPACITY: usize = 1_048_576;

/// Why a configuration cannot be used. The text names the setting and says what to do.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting has a value that cannot be used.
    #[error("{setting}: {reason}")]
    Invalid {
        /// The variable or builder method.
        setting: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting needs a cargo feature that this build does not have.
    #[error("{setting} needs the cargo feature `{feature}` of tracing-issues")]
    MissingFeature {
        /// The variable or builder method.
        setting: &'static str,
        /// The feature to enable.
        feature: &'static str,
    },
    /// The operating system refused a thread.
    #[error("the worker thread cannot be started: {0}")]
    Thread(#[from] io::Error),
    /// Several of them, so that they can be mended together.
    #[error("the configuration cannot be used:{}", .0.iter().map(|problem| format!("\n  {problem}")).collect::<String>())]
    Several(Vec<ConfigError>),
}

/// Where events go, and who is asked before; nobody, if the service has nothing to share through.
type Parts = (Box<dyn Publisher>, Option<Box<dyn Deduplicator>>);

impl ConfigError {
    /// One error for all of them; there is at least one.
    fn of(mut problems: Vec<Self>) -> Self {
        if problems.len() == 1 { problems.remove(0) } else { Self::Several(problems) }
    }

    fn into_parts(self) -> Vec<Self> {
        match self {
            Self::Several(problems) => problems,
            problem => vec![problem],
        }
    }
}

/// The same text: a `main` that returns the error prints it by `Debug`.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Starts from the environment: the two lines that a service needs.
///
/// | variable | meaning | default |
/// |---|---|---|
/// | `TRACING_ISSUES_URL` | address of an issuetracker-server, for the HTTP road | `http://127.0.0.1:8080` |
/// | `TRACING_ISSUES_API_KEY` | service key for the HTTP road | none |
/// | `TRACING_ISSUES_KAFKA_BROKERS` | brokers, separated by commas; chooses the Kafka road | none |
/// | `TRACING_ISSUES_TOPIC` | Kafka topic | `alphafusion.issues` |
/// | `TRACING_ISSUES_KAFKA_SECURITY_PROTOCOL` | `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl` | `plaintext` |
/// | `TRACING_ISSUES_KAFKA_SASL_MECHANISM` | `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` | none |
/// | `TRACING_ISSUES_KAFKA_SASL_USERNAME`, `…_SASL_PASSWORD` | who the service is | none |
/// | `TRACING_ISSUES_KAFKA_SSL_CA_FILE` | certificates that vouch for the brokers (PEM) | the system's |
/// | `TRACING_ISSUES_KAFKA_SSL_CERTIFICATE_FILE`, `…_SSL_KEY_FILE` | the service's own certificate and its key (PEM) | none |
/// | `TRACING_ISSUES_REDIS_URL` | Redis shared by the instances of the service | none |
/// | `TRACING_ISSUES_SERVICE` | the service's name | name of the executable |
/// | `TRACING_ISSUES_ENVIRONMENT` | `production`, `staging`, … | `development` |
/// | `TRACING_ISSUES_RELEASE` | version of the service | none |
/// | `TRACING_ISSUES_PROJECT` | product that the service belongs to | none |
/// | `TRACING_ISSUES_LEVEL` | least severe level that becomes an issue: `error`, `warn`, … | `error` |
/// | `TRACING_ISSUES_BREADCRUMBS` | events kept of each span tree, sent with an error in it | `0` |
/// | `TRACING_ISSUES_PANICS` | whether panics are reported: `true` or `false` | `true` |
/// | `TRACING_ISSUES_SPOOL` | directory where what is not delivered yet survives the process | none |
/// | `TRACING_ISSUES_QUEUE_CAPACITY` | reports that wait for the worker at most | `8192` |
/// | `TRACING_ISSUES_FLUSH_TIMEOUT_MS` | what the end of the process may wait for the last events | `5000` |
///
/// Nothing is connected here: a server, broker or Redis that is down delays nothing.
///
/// # Errors
/// If a variable cannot be used. The error names it and says what is expected; several are told together.
///
/// # Examples
/// ```no_run
/// use tracing_subscriber::prelude::*;
///
/// let (issues, _guard) = tracing_issues::from_env()?;
/// tracing_subscriber::registry().with(issues).init();
/// # Ok::<(), tracing_issues::ConfigError>(())
/// ```
pub fn from_env() -> Result<(IssueLayer, IssueGuard), ConfigError> {
    Builder::from_env().build()
}

/// Starts a configuration by hand for the service of this name.
pub fn builder(service: impl Into<String>) -> Builder {
    Builder::new(service.into())
}

/// A configuration in the making. Later calls of the same method win.
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    origin: Origin,
    url: Option<String>,
    api_key: Option<String>,
    kafka_brokers: Option<String>,
    kafka: KafkaSettings,
    topic: String,
    redis_url: Option<String>,
    publisher: Option<Box<dyn Publisher>>,
    deduplicator: Option<Box<dyn Deduplicator>>,
    queue_capacity: usize,
    flush_timeout: Duration,
    settings: Settings,
    redactor: Redactor,
    before_send: Option<BeforeSend>,
    reports_panics: bool,
    spool: Option<PathBuf>,
    /// What was found wrong before `build`.
    problems: Vec<ConfigError>,
}

impl Builder {
    fn new(service: String) -> Self {
        Self {
            origin: Origin {
                project: String::new(),
                service,
                environment: "development".to_owned(),
                release: String::new(),
                host: host_name(),
                pid: std::process::id(),
            },
            url: None,
            api_key: None,
            kafka_brokers: None,
            kafka: KafkaSettings::default(),
            topic: DEFAULT_TOPIC.to_owned(),
            redis_url: None,
            publisher: None,
            deduplicator: None,
            queue_capacity: 8_192,
            flush_timeout: Duration::from_secs(5),
            settings: Settings {
                level: Level::ERROR,
                filter: None,
                error_types: ErrorTypes::default(),
                breadcrumbs: 0,
            },
            redactor: Redactor::default(),
            before_send: None,
            reports_panics: true,
            spool: None,
            problems: Vec::new(),
        }
    }

    /// Publishes over HTTP to the issuetracker-server at this address (`http://host:port`). The default road.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The service key for the HTTP road.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Publishes to Kafka at these brokers (`host:port`, separated by commas) instead of HTTP.
    pub fn kafka_brokers(mut self, brokers: impl Into<String>) -> Self {
        self.kafka_brokers = Some(brokers.into());
        self
    }

    /// The Kafka topic; `alphafusion.issues` unless set.
    pub fn topic(mut self, topic: impl Into<String>) -> Self {
        self.topic = topic.into();
        self
    }

    /// Thins traffic between the instances of the service through this Redis.
    pub fn redis_url(mut self, url: impl Into<String>) -> Self {
        self.redis_url = Some(url.into());
        self
    }

    /// The deployment: `production`, `staging`, …; `development` unless set.
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.origin.environment = environment.into();
        self
    }

    /// The version of the service, such as `env!("CARGO_PKG_VERSION")`.
    pub fn release(mut self, release: impl Into<String>) -> Self {
        self.origin.release = release.into();
        self
    }

    /// The product that the service belongs to.
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.origin.project = project.into();
        self
    }

    /// Publishes through this publisher instead of HTTP or Kafka.
    pub fn publisher(mut self, publisher: impl Publisher + 'static) -> Self {
        self.publisher = Some(Box::new(publisher));
        self
    }

    /// Asks this deduplicator instead of Redis.
    pub fn deduplicator(mut self, deduplicator: impl Deduplicator + 'static) -> Self {
        self.deduplicator = Some(Box::new(deduplicator));
        self
    }

    /// The least severe level that is captured: [`Level::ERROR`] unless set. Events at WARN become issues of severity
    /// `warning`.
    pub fn level(mut self, level: Level) -> Self {
        self.settings.level = level;
        self
    }

    /// Leaves out the events for which `is_wanted` says no, by their callsite (target, level, file, names of fields). They
    /// are not counted either. Called on the thread that logs, for each event of a captured level.
    pub fn filter(mut self, is_wanted: impl Fn(&Metadata<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.settings.filter = Some(Box::new(is_wanted));
        self
    }

    /// Shows each event to `edit` before it is sent, on the library's own thread: it may change what people read, and
    /// answers whether the event is sent. Identity and counts are not its to change: `event_id`, `fingerprint`, `issue_id`,
    /// `occurrences`, `first_at` and `last_at` stay. What it drops is counted as `filtered`; if it panics, the event is sent as
    /// it was. An event can stand for many errors. It is shown again for
    /// each checkpoint in a spool, and for what stderr says of it: do not count in here.
    pub fn before_send(mut self, edit: impl FnMut(&mut IssueEvent) -> bool + Send + 'static) -> Self {
        self.before_send = Some(Box::new(edit));
        self
    }

    /// Tells what an error type of the service is called and how bad it is. Later calls win.
    pub fn error_type(mut self, error_type: ErrorType) -> Self {
        self.settings.error_types.add(error_type);
        self
    }

    /// Keeps this many events (INFO and above) of each span tree, and sends them with an error in it. 0, the default, keeps
    /// none and costs nothing.
    pub fn breadcrumbs(mut self, most: usize) -> Self {
        self.settings.breadcrumbs = most;
        self
    }

    /// Whether panics are reported (they are, unless switched off). The panic hook that was there is called as well.
    pub fn panics(mut self, are_reported: bool) -> Self {
        self.reports_panics = are_reported;
        self
    }

    /// Removes secrets by these rules instead of the default ones.
    pub fn redactor(mut self, redactor: Redactor) -> Self {
        self.redactor = redactor;
        self
    }

    /// Keeps what is not delivered yet in this directory too, so that it survives the process, whatever kills it. The next
    /// process of the service on this machine sends it. Made if it is missing.
    pub fn spool(mut self, directory: impl Into<PathBuf>) -> Self {
        self.spool = Some(directory.into());
        self
    }

    /// How many reports wait for the worker at most (8,192 unless set); what does not fit is dropped and counted.
    pub fn queue_capacity(mut self, reports: usize) -> Self {
        self.queue_capacity = reports;
        self
    }

    /// How long dropping the guard may take at most (5 s unless set).
    pub fn flush_timeout(mut self, timeout: Duration) -> Self {
        self.flush_timeout = timeout;
        self
    }

    /// Starts the worker. The layer goes into the subscriber, the guard stays in `main`.
    ///
    /// # Errors
    /// If a setting cannot be used. The error names it and says what is expected; several are told together.
    pub fn build(mut self) -> Result<(IssueLayer, IssueGuard), ConfigError> {
        let (publisher, dedup) = self.check()?;
        #[cfg(feature = "metrics")]
        let (dedup, metrics) = {
            let mut metrics = crate::metrics::Metrics::default();
            (dedup.map(|dedup| metrics.count(dedup)), metrics)
        };
        let queue = Arc::new(ReportQueue::with_capacity(self.queue_capacity));
        let counters = Arc::new(Counters::default());
        let control = Arc::new(Control::default());
        let repeats = Arc::new(Repeats::new());
        let hashing = KeyHashing::default();
        let owner = format!("{}-{}", self.origin.service, self.origin.environment);
        let spool = self.spool.map(|directory| Place { directory, owner });
        let worker = Worker {
            queue: Arc::clone(&queue),
            counters: Arc::clone(&counters),
            control: Arc::clone(&control),
            editor: Editor { origin: self.origin, redactor: self.redactor, before_send: self.before_send },
            windows: Windows::new(WINDOWS, Arc::clone(&repeats)),
            novelty: Novelty::default(),
            dedup: dedup.unwrap_or_else(|| Box::new(dedup::Local)),
            outbox: Outbox::new(publisher, Journal::at(spool)),
            hashing: hashing.clone(),
            normalizer: Normalizer::default(),
            #[cfg(feature = "metrics")]
            metrics,
        };
        let thread = thread::Builder::new().name("tracing-issues".to_owned()).spawn(move || worker.run())?;
        let capture = Arc::new(Capture::new(self.settings, queue, counters, repeats, control, hashing));
        if self.reports_panics {
            panics::report_to(&capture, self.flush_timeout);
        }
        let guard = IssueGuard::new(Arc::clone(&capture), self.flush_timeout, thread);
        Ok((IssueLayer::new(capture), guard))
    }

    /// The two that can refuse their settings, or everything that is wrong with the configuration.
    fn check(&mut self) -> Result<Parts, ConfigError> {
        let mut problems = std::mem::take(&mut self.problems);
        if self.origin.service.trim().is_empty() {
            problems.push(invalid("TRACING_ISSUES_SERVICE", "the service needs a name".to_owned()));
        }
        if self.queue_capacity > MAX_QUEUE_CAPACITY {
            let expected = format!("expected at most {MAX_QUEUE_CAPACITY} reports");
            problems.push(invalid("TRACING_ISSUES_QUEUE_CAPACITY", expected));
        }
        let dedup = match self.deduplicator.take() {
            Some(deduplicator) => Ok(Some(deduplicator)),
            None => self.redis_url.as_deref().map(|url| self.redis_deduplicator(url)).transpose(),
        };
        let publisher = match self.publisher.take() {
            Some(publisher) => Ok(publisher),
            None => self.make_publisher(),
        };
        match (publisher, dedup) {
            (Ok(publisher), Ok(dedup)) if problems.is_empty() => Ok((publisher, dedup)),
            (publisher, dedup) => {
                problems.extend(publisher.err().into_iter().flat_map(ConfigError::into_parts));
                problems.extend(dedup.err());
                Err(ConfigError::of(problems))
            }
        }
    }

    fn make_publisher(&self) -> Result<Box<dyn Publisher>, ConfigError> {
        match &self.kafka_brokers {
            Some(brokers) => match self.kafka.problems() {
                problems if problems.is_empty() => self.kafka_publisher(brokers),
                problems => Err(ConfigError::of(problems)),
            },
            None => match self.kafka.first_set() {
                Some(setting) => Err(invalid(kafka::BROKERS, format!("is missing; {setting} is set"))),
                None => self.http_publisher(self.url.as_deref().unwrap_or(DEFAULT_URL)),
            },
        }
    }

    #[cfg(feature = "kafka")]
    fn kafka_publisher(&self, brokers: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        let publisher = crate::publish::kafka::KafkaPublisher::new(brokers, &self.topic, &self.kafka.for_client())
            .map_err(|refused| invalid(kafka::setting_behind(&refused.setting), refused.reason))?;
        Ok(Box::new(publisher))
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka_publisher(&self, _brokers: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        Err(ConfigError::MissingFeature { setting: kafka::BROKERS, feature: "kafka" })
    }

    #[cfg(feature = "http")]
    fn http_publisher(&self, url: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        use crate::publish::http::{self, HttpPublisher};
        let key = self.api_key.as_deref();
        let expected = "expected letters, digits and signs without spaces around them";
        let is_bad_key = key.is_some_and(|key| !http::is_header_value(key));
        let key_problem = is_bad_key.then(|| invalid("TRACING_ISSUES_API_KEY", expected.to_owned()));
        let url_problem = match url.split_once("://") {
            Some(("https", _)) if !cfg!(feature = "https") => {
                Some(ConfigError::MissingFeature { setting: "TRACING_ISSUES_URL", feature: "https" })
            }
            Some(("http" | "https", _)) if http::is_address(url) => None,
            _ => Some(invalid("TRACING_ISSUES_URL", "expected an address such as http://127.0.0.1:8080".to_owned())),
        };
        let problems: Vec<ConfigError> = url_problem.into_iter().chain(key_problem).collect();
        if problems.is_empty() { Ok(Box::new(HttpPublisher::start(url, key)?)) } else { Err(ConfigError::of(problems)) }
    }

    #[cfg(not(feature = "http"))]
    fn http_publisher(&self, _url: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        Err(ConfigError::MissingFeature { setting: "TRACING_ISSUES_URL", feature: "http" })
    }

    #[cfg(feature = "redis")]
    fn redis_deduplicator(&self, url: &str) -> Result<Box<dyn Deduplicator>, ConfigError> {
        let deduplicator = dedup::redis::RedisDeduplicator::new(url, &self.origin.service)
            .map_err(|reason| invalid("TRACING_ISSUES_REDIS_URL", reason))?;
        Ok(Box::new(deduplicator))
    }

    #[cfg(not(feature = "redis"))]
    fn redis_deduplicator(&self, _url: &str) -> Result<Box<dyn Deduplicator>, ConfigError> {
        Err(ConfigError::MissingFeature { setting: "TRACING_ISSUES_REDIS_URL", feature: "redis" })
    }
}

/// Shows what is set; keys and passwords never.
impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("service", &self.origin.service)
            .field("kafka_brokers", &self.kafka_brokers)
            .field("has_redis", &self.redis_url.is_some())
            .finish_non_exhaustive()
    }
}

fn invalid(setting: &'static str, reason: String) -> ConfigError {
    ConfigError::Invalid { setting, reason }
}

fn executable_name() -> String {
    let path = env::current_exe().ok();
    let name = path.as_deref().and_then(|path| path.file_stem()).map(|name| name.to_string_lossy().into_owned());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

fn host_name() -> String {
    let from_env = || env::var("HOSTNAME").or_else(|_| env::var("COMPUTERNAME")).ok();
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    from_env().or_else(from_kernel).map(|name| name.trim().to_owned()).unwrap_or_default()
}
