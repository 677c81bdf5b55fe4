//! Configuration: a [`Builder`], filled by hand or from `TRACING_ISSUES_*`, that starts the worker and gives the layer.
//! It is the only place that names concrete publishers and deduplicators.

use std::{env, fmt, io, path::PathBuf, sync::Arc, thread, time::Duration};

use tracing::{Level, Metadata};

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
/// | `TRACING_ISSUES_REDIS_URL` | Redis shared by the instances of the service | none |
/// | `TRACING_ISSUES_SERVICE` | the service's name | name of the executable |
/// | `TRACING_ISSUES_ENVIRONMENT` | `production`, `staging`, … | `development` |
/// | `TRACING_ISSUES_RELEASE` | version of the service | none |
/// | `TRACING_ISSUES_PROJECT` | product that the service belongs to | none |
///
/// Nothing is connected here: a server, broker or Redis that is down delays nothing.
///
/// # Errors
/// If a variable cannot be used; the error names it.
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
        }
    }

    /// Takes every setting from the environment; [`from_env`](crate::from_env) lists the variables.
    pub fn from_env() -> Self {
        let mut builder = Self::new(variable("SERVICE").unwrap_or_else(executable_name));
        builder.url = variable("URL");
        builder.api_key = variable("API_KEY");
        builder.kafka_brokers = variable("KAFKA_BROKERS");
        builder.redis_url = variable("REDIS_URL");
        if let Some(topic) = variable("TOPIC") {
            builder.topic = topic;
        }
        if let Some(environment) = variable("ENVIRONMENT") {
            builder.origin.environment = environment;
        }
        builder.origin.release = variable("RELEASE").unwrap_or_default();
        builder.origin.project = variable("PROJECT").unwrap_or_default();
        builder
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
    /// it was. An event can stand for many errors.
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
    /// If a setting cannot be used; the error names it.
    pub fn build(mut self) -> Result<(IssueLayer, IssueGuard), ConfigError> {
        if self.origin.service.trim().is_empty() {
            return Err(invalid("TRACING_ISSUES_SERVICE", "the service needs a name".to_owned()));
        }
        let publisher = match self.publisher.take() {
            Some(publisher) => publisher,
            None => self.make_publisher()?,
        };
        let dedup = match self.deduplicator.take() {
            Some(deduplicator) => deduplicator,
            None => self.make_deduplicator()?,
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
            dedup,
            outbox: Outbox::new(publisher, Journal::at(spool)),
            hashing: hashing.clone(),
            normalizer: Normalizer::default(),
        };
        let thread = thread::Builder::new().name("tracing-issues".to_owned()).spawn(move || worker.run())?;
        let capture = Arc::new(Capture::new(self.settings, queue, counters, repeats, control, hashing));
        if self.reports_panics {
            panics::report_to(&capture, self.flush_timeout);
        }
        let guard = IssueGuard::new(Arc::clone(&capture), self.flush_timeout, thread);
        Ok((IssueLayer::new(capture), guard))
    }

    fn make_publisher(&self) -> Result<Box<dyn Publisher>, ConfigError> {
        match &self.kafka_brokers {
            Some(brokers) => self.kafka_publisher(brokers),
            None => self.http_publisher(self.url.as_deref().unwrap_or(DEFAULT_URL)),
        }
    }

    #[cfg(feature = "kafka")]
    fn kafka_publisher(&self, brokers: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        let publisher = crate::publish::kafka::KafkaPublisher::new(brokers, &self.topic)
            .map_err(|error| invalid("TRACING_ISSUES_KAFKA_BROKERS", error.to_string()))?;
        Ok(Box::new(publisher))
    }

    #[cfg(not(feature = "kafka"))]
    fn kafka_publisher(&self, _brokers: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        Err(ConfigError::MissingFeature { setting: "TRACING_ISSUES_KAFKA_BROKERS", feature: "kafka" })
    }

    #[cfg(feature = "http")]
    fn http_publisher(&self, url: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        match url.split_once("://") {
            Some(("http", rest)) if !rest.is_empty() => (),
            Some(("https", rest)) if !rest.is_empty() && cfg!(feature = "https") => (),
            Some(("https", _)) => {
                return Err(ConfigError::MissingFeature { setting: "TRACING_ISSUES_URL", feature: "https" });
            }
            _ => return Err(invalid("TRACING_ISSUES_URL", "expected an address such as http://127.0.0.1:8080".into())),
        }
        Ok(Box::new(crate::publish::http::HttpPublisher::start(url, self.api_key.as_deref())?))
    }

    #[cfg(not(feature = "http"))]
    fn http_publisher(&self, _url: &str) -> Result<Box<dyn Publisher>, ConfigError> {
        Err(ConfigError::MissingFeature { setting: "TRACING_ISSUES_URL", feature: "http" })
    }

    fn make_deduplicator(&self) -> Result<Box<dyn Deduplicator>, ConfigError> {
        match &self.redis_url {
            Some(url) => self.redis_deduplicator(url),
            None => Ok(Box::new(dedup::Local)),
        }
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

/// A variable of ours; set but empty counts as not set.
fn variable(name: &str) -> Option<String> {
    env::var(format!("TRACING_ISSUES_{name}")).ok().filter(|value| !value.is_empty())
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
