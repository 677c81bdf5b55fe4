//! The app: the one place that names concrete types. It builds every part from the configuration, starts them, and stops
//! them in order: first no new work, then what was accepted is finished.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::Login,
    config::{Config, StoreConfig},
    dead_letters::DeadLetters,
    health::Health,
    intake::{Committer, Intake},
    metrics,
    notifications::{LAST_ROUND, Notifications},
    notify::Notifier,
    retention,
    store::{IssueStore, embedded::EmbeddedStore},
    tls::Tls,
    triage::{self, Triage},
    web::{self, Templates, WebState},
};

/// How long requests that are being answered may take after the stop was asked for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(4);

/// How long the consumer may take, counted from the same moment.
const CONSUMER_TIMEOUT: Duration = Duration::from_secs(9);

/// How often sessions, logins and names of requests that are over are forgotten. They count no longer in any case.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// How long the last news for other servers may take.
const BROADCAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs the server until `shutdown`, then stops within ten seconds.
///
/// # Errors
/// If it cannot start: the address is taken, the store's file cannot be opened, a client refuses its configuration.
pub async fn run(config: Config, shutdown: CancellationToken) -> anyhow::Result<()> {
    let health = Health::default();
    let notifier = Notifier::default();
    let metrics = metrics::install().context("metrics cannot be recorded")?;
    let templates = Templates::compiled_in().context("a page template is broken")?;
    let store = open_told_store(&config.store, &health).await?;
    let listener = TcpListener::bind(config.http_addr)
        .await
        .with_context(|| format!("ISSUETRACKER_HTTP_ADDR: {} cannot be listened on", config.http_addr))?;
    let address = listener.local_addr().context("the listener has no address")?;

    let public_url = match &config.login {
        Some(login) => login.public_url.clone(),
        None => format!("http://{address}"),
    };
    let notifications = Notifications::new(Arc::clone(&store), config.notify.clone(), public_url);
    let notifications = notifications.map_err(anyhow::Error::from_boxed).context("ISSUETRACKER_SMTP_URL")?;
    let committer = Committer::new(Arc::clone(&store), notifier.clone()).telling(notifications.inbox());
    let tls = config.tls.clone().map(Tls::new).transpose().context("ISSUETRACKER_HTTP_TLS_CERTIFICATE_FILE")?;
    let intake = make_intake(&config, committer.clone())?;
    let dead_letters = make_dead_letters(&config, &intake, &store);
    let triage = Triage::new(Arc::clone(&store), intake.clone(), notifier.clone());
    let shared_store = Arc::clone(&store);
    let login = config.login.clone().map(|login| Login::new(login, Arc::clone(&store)).map(Arc::new));
    let login = login.transpose().map_err(anyhow::Error::from_boxed).context("login cannot be prepared")?;
    // Before anything is committed: what is must be told.
    let broadcast = start_broadcast(&config, &notifier, &store, &health)?;
    let state = WebState::new(
        triage,
        intake,
        dead_letters,
        notifier,
        notifications.clone(),
        store,
        health.clone(),
        metrics.clone(),
        templates,
        shutdown.clone(),
        address,
        config.retention,
        &config.limits,
        login.clone(),
    );
    tokio::spawn(sweep(login, Arc::clone(&shared_store)));

    tokio::spawn(retention::run(Arc::clone(&shared_store), config.retention, shutdown.clone()));
    let consumer = start_consumer(&config, committer, shared_store, health, &shutdown);
    tokio::spawn(async move {
        // The recorder's histograms grow until somebody drains them.
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            metrics.run_upkeep();
        }
    });
    // It stops after the consumer, whose last commits it tells of.
    let stop_telling = CancellationToken::new();
    let telling = tokio::spawn(notifications.run(stop_telling.clone()));
    let stop = shutdown.clone();
    let out_of_time = tokio::spawn(async move {
        stop.cancelled().await;
        tokio::time::sleep(CONSUMER_TIMEOUT).await;
    });
    if let Some(tls) = tls.clone() {
        tokio::spawn(tls.follow(shutdown.clone()));
    }
    tracing::info!("listening on {}://{address}", if tls.is_some() { "https" } else { "http" });
    serve(listener, web::router(state), tls, &shutdown).await;
    tokio::select! {
        result = consumer => result?,
        // What was in progress is read again at the next start, to the same effect.
        _ = out_of_time => tracing::warn!("the consumer did not stop in time"),
    }
    stop_telling.cancel();
    let _ = tokio::time::timeout(LAST_ROUND, telling).await;
    // Last: it tells what all the others have changed.
    broadcast.finish().await;
    tracing::info!("stopped");
    Ok(())
}

/// Forgets sessions, logins and names of requests that are over, for as long as the process lives.
async fn sweep(login: Option<Arc<Login>>, store: Arc<dyn IssueStore>) {
    loop {
        tokio::time::sleep(SWEEP_EVERY).await;
        let now = jiff::Timestamp::now();
        let names = triage::sweep(&*store, now).await;
        let sessions = match &login {
            Some(login) => login.sweep(now).await,
            None => Ok(()),
        };
        if let Err(error) = names.and(sessions) {
            tracing::debug!(%error, "what is over was not forgotten yet");
        }
    }
}

async fn serve(listener: TcpListener, router: axum::Router, tls: Option<Tls>, shutdown: &CancellationToken) {
    let deadline = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN_TIMEOUT).await;
    };
    tokio::select! {
        () = web::serve(listener, router, tls, shutdown) => (),
        () = deadline => tracing::warn!("some requests were not answered before the stop"),
    }
}

/// Opens the store that is configured.
///
/// # Errors
/// If its file cannot be opened, or its credentials cannot be read.
pub async fn open_store(config: &StoreConfig) -> anyhow::Result<Arc<dyn IssueStore>> {
    open_told_store(config, &Health::default()).await
}

/// The same; `health` is told how far its local copy is, if it has one.
#[cfg_attr(not(feature = "firestore"), expect(unused_variables, reason = "only Firestore has a copy"))]
async fn open_told_store(config: &StoreConfig, health: &Health) -> anyhow::Result<Arc<dyn IssueStore>> {
    match config {
        StoreConfig::Embedded { path } => {
            let path = path.clone();
            let store = tokio::task::spawn_blocking(move || {
                EmbeddedStore::open(&path)
                    .with_context(|| format!("ISSUETRACKER_STORE_PATH: {} cannot be used", path.display()))
            });
            Ok(Arc::new(store.await??))
        }
        #[cfg(feature = "firestore")]
        StoreConfig::Firestore { project, database, credentials, emulator } => {
            use crate::store::firestore::{FirestoreConfig, FirestoreStore};
            let store = match emulator {
                Some(address) => FirestoreStore::connect_emulator(project, address).await?,
                None => {
                    let config = FirestoreConfig {
                        project_id: project.clone(),
                        database_id: Some(database.clone()),
                        credentials: credentials.clone(),
                    };
                    FirestoreStore::connect(config).await?
                }
            };
            tokio::spawn(report(store.progress(), health.clone()));
            Ok(Arc::new(store))
        }
        #[cfg(not(feature = "firestore"))]
        StoreConfig::Firestore { .. } => anyhow::bail!("this build has no Firestore"),
    }
}

/// Tells how far the store's local copy is, for as long as there is a store.
#[cfg(feature = "firestore")]
async fn report(mut progress: tokio::sync::watch::Receiver<crate::store::firestore::Progress>, health: Health) {
    loop {
        let state = progress.borrow_and_update().to_string();
        match state.as_str() {
            "" => health.up(crate::health::PROJECTION),
            state => health.tell(crate::health::PROJECTION, state),
        }
        if progress.changed().await.is_err() {
            return;
        }
    }
}

/// The task that tells other servers what this one changes, and hears of theirs.
struct Broadcasting {
    stop: CancellationToken,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Broadcasting {
    async fn finish(self) {
        self.stop.cancel();
        if let Some(task) = self.task {
            let _ = tokio::time::timeout(BROADCAST_TIMEOUT, task).await;
        }
    }
}

#[cfg(feature = "kafka")]
fn start_broadcast(
    config: &Config,
    notifier: &Notifier,
    store: &Arc<dyn IssueStore>,
    health: &Health,
) -> anyhow::Result<Broadcasting> {
    let stop = CancellationToken::new();
    let Some(kafka) = &config.kafka else {
        store.reconcile();
        return Ok(Broadcasting { stop, task: None });
    };
    let broadcast = crate::broadcast::Broadcast::new(kafka, notifier.clone(), Arc::clone(store), health.clone())
        .map_err(crate::kafka::NoClient::from)
        .context("ISSUETRACKER_KAFKA_BROKERS: the Kafka client cannot be made")?;
    let stopped = stop.clone();
    let task = tokio::spawn(broadcast.run(stopped));
    Ok(Broadcasting { stop, task: Some(task) })
}

#[cfg(not(feature = "kafka"))]
#[expect(clippy::unnecessary_wraps, reason = "with Kafka it can fail")]
fn start_broadcast(
    _config: &Config,
    _notifier: &Notifier,
    store: &Arc<dyn IssueStore>,
    _health: &Health,
) -> anyhow::Result<Broadcasting> {
    store.reconcile();
    Ok(Broadcasting { stop: CancellationToken::new(), task: None })
}

#[cfg(feature = "kafka")]
fn make_intake(config: &Config, committer: Committer) -> anyhow::Result<Intake> {
    use crate::{intake::producer::EventProducer, kafka};
    match &config.kafka {
        None => Ok(Intake::Store(committer)),
        Some(kafka) => {
            let producer = EventProducer::new(&kafka::client_config(kafka), &kafka.topic)
                .map_err(kafka::NoClient::from)
                .context("ISSUETRACKER_KAFKA_BROKERS: the Kafka client cannot be made")?;
            Ok(Intake::Kafka(producer))
        }
    }
}

#[cfg(not(feature = "kafka"))]
#[expect(clippy::unnecessary_wraps, reason = "with Kafka it can fail")]
fn make_intake(_config: &Config, committer: Committer) -> anyhow::Result<Intake> {
    Ok(Intake::Store(committer))
}

/// The dead letters without a server around them, for the command line; `None` without Kafka.
///
/// # Errors
/// If the store cannot be opened, or a client refuses its configuration.
pub async fn dead_letters(config: &Config) -> anyhow::Result<Option<DeadLetters>> {
    if config.kafka.is_none() {
        return Ok(None);
    }
    let store = open_store(&config.store).await?;
    let intake = make_intake(config, Committer::new(Arc::clone(&store), Notifier::default()))?;
    Ok(make_dead_letters(config, &intake, &store))
}

#[cfg(feature = "kafka")]
fn make_dead_letters(config: &Config, intake: &Intake, store: &Arc<dyn IssueStore>) -> Option<DeadLetters> {
    match (&config.kafka, intake) {
        (Some(kafka), Intake::Kafka(producer)) => Some(DeadLetters::new(kafka, producer.clone(), Arc::clone(store))),
        _ => None,
    }
}

#[cfg(not(feature = "kafka"))]
fn make_dead_letters(_config: &Config, _intake: &Intake, _store: &Arc<dyn IssueStore>) -> Option<DeadLetters> {
    None
}

#[cfg(feature = "kafka")]
fn start_consumer(
    config: &Config,
    committer: Committer,
    store: Arc<dyn IssueStore>,
    health: Health,
    shutdown: &CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    let ingest = config.kafka.clone().map(|kafka| crate::ingest::Ingest::new(kafka, committer, store, health));
    let task = ingest.map(|ingest| {
        let (shutdown, end) = (shutdown.clone(), shutdown.clone().drop_guard());
        tokio::spawn(async move {
            // However the consumer ends, the process ends with it: a server that consumes nothing must not look alive.
            let _end = end;
            ingest.run(shutdown).await
        })
    });
    async move {
        match task {
            Some(task) => task.await?.context("the consumer cannot run"),
            None => Ok(()),
        }
    }
}

#[cfg(not(feature = "kafka"))]
fn start_consumer(
    _config: &Config,
    _committer: Committer,
    _store: Arc<dyn IssueStore>,
    _health: Health,
    _shutdown: &CancellationToken,
) -> impl Future<Output = anyhow::Result<()>> + use<> {
    std::future::ready(Ok(()))
}
