//! The stage of one scenario: a topic, a group and a store of its own, the servers on it, and the questions that every
//! scenario asks of them. What breaks, and when, is the scenario's business.

use std::{
    cell::RefCell,
    collections::HashMap,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    message::{Headers as _, OwnedMessage},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    eventually,
    ledger::Ledger,
    patiently,
    support::{Place, Server, equal},
};

const SERVICES: &str = "run scripts/services up and eval \"$(scripts/services env)\"";
const PARTITIONS: i32 = 6;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where the servers of a scenario store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Sqlite,
    Firestore,
}

impl Store {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Firestore => "Firestore",
        }
    }

    /// How many events a scenario may leave in it: the emulator has no indexes, and becomes slow beyond 10,000 documents.
    pub(crate) const fn most(self, events: usize) -> usize {
        match self {
            Self::Firestore if events > 9_000 => 9_000,
            _ => events,
        }
    }
}

pub(crate) struct Stage {
    pub(crate) topic: String,
    brokers: String,
    dlq: String,
    place: Place,
    store: Vec<(&'static str, String)>,
    /// The emulator and the project in it.
    project: Option<(String, String)>,
    groups: RefCell<Vec<String>>,
}

impl Stage {
    /// On the shared services, with the topic made.
    pub(crate) fn new(store: Store) -> Self {
        let stage = Self::without_topic(store);
        stage.create_topic();
        stage
    }

    /// On the shared services; the first server makes the topic.
    pub(crate) fn without_topic(store: Store) -> Self {
        match store {
            Store::Sqlite => Self::on(&variable("TEST_KAFKA_BROKERS"), None),
            Store::Firestore => Self::on_emulator(&variable("TEST_FIRESTORE_EMULATOR")),
        }
    }

    /// With a store that answers at this address, behind the shared broker; without a topic.
    pub(crate) fn on_emulator(address: &str) -> Self {
        Self::on(&variable("TEST_KAFKA_BROKERS"), Some(address))
    }

    /// With SQLite behind a broker of the scenario's own; without a topic.
    pub(crate) fn on_broker(brokers: &str) -> Self {
        Self::on(brokers, None)
    }

    fn on(brokers: &str, emulator: Option<&str>) -> Self {
        let name = format!("chaos-{}", Uuid::now_v7().simple());
        let store = emulator.map_or_else(Vec::new, |address| {
            vec![
                ("ISSUETRACKER_STORE", "firestore".to_owned()),
                ("ISSUETRACKER_FIRESTORE_PROJECT", name.clone()),
                ("ISSUETRACKER_FIRESTORE_EMULATOR", address.to_owned()),
            ]
        });
        Self {
            brokers: brokers.to_owned(),
            dlq: format!("{name}-dlq"),
            place: Place::new(),
            store,
            project: emulator.map(|address| (address.to_owned(), name.clone())),
            groups: RefCell::default(),
            topic: name,
        }
    }

    /// The same with its SQLite file in another directory.
    pub(crate) fn with_store_in(mut self, directory: &Path) -> Self {
        self.store.push(("ISSUETRACKER_STORE_PATH", directory.join("issues.sqlite").display().to_string()));
        self
    }

    pub(crate) fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set_log_level(RDKafkaLogLevel::Emerg);
        client
    }

    /// As the server makes it. With the times of producers nobody could tell a topic that is made anew within seconds from
    /// the old one.
    pub(crate) fn create_topic(&self) {
        let topic = NewTopic::new(&self.topic, PARTITIONS, TopicReplication::Fixed(1));
        let topic = topic.set("message.timestamp.type", "LogAppendTime");
        self.admin(async |admin, options| {
            let created = admin.create_topics([&topic], options).await.unwrap();
            assert!(created[0].is_ok(), "{created:?}: {SERVICES}");
        });
        self.await_topic(true);
    }

    /// Deletes the topic, and waits until it is gone.
    pub(crate) fn delete_topic(&self) {
        self.admin(async |admin, options| {
            let deleted = admin.delete_topics(&[&self.topic], options).await.unwrap();
            assert!(deleted[0].is_ok(), "{deleted:?}");
        });
        self.await_topic(false);
    }

    fn await_topic(&self, is_there: bool) {
        eventually("the broker knows of its topics", || {
            let metadata = self.consumer("none").fetch_metadata(None, TIMEOUT).map_err(text)?;
            equal(&metadata.topics().iter().any(|topic| topic.name() == self.topic), &is_there)
        });
    }

    fn admin(&self, ask: impl AsyncFnOnce(&AdminClient<DefaultClientContext>, &AdminOptions)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let admin = self.client().create().unwrap();
        runtime.block_on(ask(&admin, &AdminOptions::new().request_timeout(Some(TIMEOUT))));
    }

    /// The group of the servers that [`start`](Self::start) starts.
    fn group(&self) -> String {
        format!("{}-group", self.topic)
    }

    /// A running server of the first group. Whether it has partitions yet is another question.
    #[track_caller]
    pub(crate) fn start(&self) -> Server {
        self.start_in(&self.group())
    }

    #[track_caller]
    pub(crate) fn start_in(&self, group: &str) -> Server {
        self.groups.borrow_mut().push(group.to_owned());
        let mut variables = vec![
            ("ISSUETRACKER_KAFKA_BROKERS", self.brokers.as_str()),
            ("ISSUETRACKER_KAFKA_TOPIC", &self.topic),
            ("ISSUETRACKER_KAFKA_GROUP", group),
            ("ISSUETRACKER_KAFKA_DLQ_TOPIC", &self.dlq),
            ("ISSUETRACKER_LOG", "info"),
        ];
        variables.extend(self.store.iter().map(|(name, value)| (*name, value.as_str())));
        self.place.start(&variables)
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        self.client().set("group.id", group).set("enable.auto.commit", "false").create().unwrap()
    }

    /// Partition by partition: where the log ends.
    #[track_caller]
    fn ends(&self) -> Vec<i64> {
        let consumer = self.consumer("none");
        let end = |partition| Ok(consumer.fetch_watermarks(&self.topic, partition, TIMEOUT).map_err(text)?.1);
        eventually("the broker knows the ends", || (0..PARTITIONS).map(end).collect())
    }

    /// How many records are between what the group has committed and these ends.
    fn behind(&self, group: &str, ends: &[i64]) -> Result<i64, String> {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(&self.topic, 0, PARTITIONS - 1);
        let committed = self.consumer(group).committed_offsets(partitions, TIMEOUT).map_err(text)?;
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        let offsets = committed.elements().into_iter().map(|partition| offset(partition.offset()));
        Ok(ends.iter().zip(offsets).map(|(end, offset)| (end - offset).max(0)).sum())
    }

    /// Whether there is something that the first group has not committed.
    #[track_caller]
    pub(crate) fn is_behind(&self) -> bool {
        let ends = self.ends();
        eventually("the broker knows the group", || self.behind(&self.group(), &ends)) > 0
    }

    /// Waits until the first group has committed all that is in the topic now.
    #[track_caller]
    pub(crate) fn drain(&self) {
        self.drain_in(&self.group());
    }

    /// The same for another group.
    #[track_caller]
    pub(crate) fn drain_in(&self, group: &str) {
        if let Err(behind) = self.is_drained(group) {
            panic!("the group does not commit all that is in the topic: {behind}");
        }
    }

    fn is_drained(&self, group: &str) -> Result<(), String> {
        let ends = self.ends();
        patiently(|| match self.behind(group, &ends)? {
            0 => Ok(()),
            behind => Err(format!("{behind} records behind")),
        })
    }

    /// Everything was consumed, and what the server shows is what the ledger says.
    #[track_caller]
    pub(crate) fn settle(&self, server: &Server, ledger: &Ledger) {
        let results = [self.is_drained(&self.group()), ledger.compare(server)];
        let [is_drained, is_exact] = &results;
        assert!(is_drained.is_ok() && is_exact.is_ok(), "committed: {is_drained:?}\ncounted: {is_exact:?}");
    }

    /// Every dead letter, as place of the record and reason.
    pub(crate) fn letters(&self) -> Vec<(i32, i64, String)> {
        let consumer = self.consumer("none");
        let (start, end) = consumer.fetch_watermarks(&self.dlq, 0, TIMEOUT).unwrap();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_offset(&self.dlq, 0, Offset::Beginning).unwrap();
        consumer.assign(&partitions).unwrap();
        let mut letters = Vec::new();
        eventually("the dead letters are read", || {
            while let Some(Ok(letter)) = consumer.poll(Duration::from_millis(200)) {
                letters.push(place_and_reason(&letter.detach()));
            }
            equal(&i64::try_from(letters.len()).unwrap(), &(end - start))
        });
        letters
    }

    /// Every record of the topic, by partition and offset, with how its time came about.
    pub(crate) fn records(&self) -> Vec<OwnedMessage> {
        let consumer = self.consumer("none");
        let mut partitions = TopicPartitionList::new();
        let mut count = 0;
        for partition in 0..PARTITIONS {
            partitions.add_partition_offset(&self.topic, partition, Offset::Beginning).unwrap();
            let (start, end) = consumer.fetch_watermarks(&self.topic, partition, TIMEOUT).unwrap();
            count += end - start;
        }
        consumer.assign(&partitions).unwrap();
        let mut records = Vec::new();
        eventually("the topic is read", || {
            while let Some(Ok(record)) = consumer.poll(Duration::from_millis(200)) {
                records.push(record.detach());
            }
            equal(&i64::try_from(records.len()).unwrap(), &count)
        });
        records
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((emulator, project)) = &self.project {
            drop_project(emulator, project);
        }
        if thread::panicking() {
            eprintln!("left on the broker for who looks into this: topics {} and {}", self.topic, self.dlq);
            return;
        }
        let groups = self.groups.take();
        // What fails here was never created.
        self.admin(async |admin, options| {
            let _ = admin.delete_topics(&[&self.topic, &self.dlq], options).await;
            let groups: Vec<&str> = groups.iter().map(String::as_str).collect();
            let _ = admin.delete_groups(&groups, options).await;
        });
    }
}

/// Empties the emulator of this project. One that is gone has forgotten it already.
fn drop_project(emulator: &str, project: &str) {
    let request = format!(
        "DELETE /emulator/v1/projects/{project}/databases/(default)/documents HTTP/1.1\r\nhost: {emulator}\r\n\r\n"
    );
    if let Ok(mut stream) = TcpStream::connect(emulator) {
        let _ = stream.set_read_timeout(Some(TIMEOUT));
        let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_exact(&mut [0; 12]));
    }
}

fn place_and_reason(letter: &OwnedMessage) -> (i32, i64, String) {
    let headers: HashMap<&str, String> = letter
        .headers()
        .unwrap()
        .iter()
        .map(|header| (header.key, String::from_utf8_lossy(header.value.unwrap_or_default()).into_owned()))
        .collect();
    (headers["partition"].parse().unwrap(), headers["offset"].parse().unwrap(), headers["reason"].clone())
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[track_caller]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: {SERVICES}"))
}

/// Waits until the server owns partitions.
#[track_caller]
pub(crate) fn joined(server: &Server) {
    logged(server, "partitions assigned");
}

/// Waits until the server's log says this.
#[track_caller]
pub(crate) fn logged(server: &Server, what: &str) {
    logged_again(server, what, 0);
}

/// Waits until it says this more than so many times.
#[track_caller]
pub(crate) fn logged_again(server: &Server, what: &str, before: usize) {
    eventually(&format!("the log says {what:?}"), || {
        let log = server.log();
        if log.matches(what).count() > before { Ok(()) } else { Err(log) }
    });
}

/// Waits until `/readyz` has something against one of these checks, and returns what.
#[track_caller]
pub(crate) fn unready(server: &Server, checks: &[&str]) -> String {
    eventually("/readyz says what is wrong", || {
        let answer = server.try_ask("GET", "/readyz", &[], "").map_err(text)?;
        let body = answer.json();
        let bad = checks.iter().find(|check| body["checks"][check]["ok"] == false);
        let reason = bad.and_then(|check| Some(format!("{check}: {}", body["checks"][check]["reason"].as_str()?)));
        reason.filter(|_| answer.status == 503).ok_or_else(|| body.to_string())
    })
}

/// Waits until `/readyz` is content.
#[track_caller]
pub(crate) fn ready(server: &Server) {
    eventually("/readyz is content", || {
        let answer = server.try_ask("GET", "/readyz", &[], "").map_err(text)?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
}

/// The records that this process has consumed with this result, or 0 if it is gone.
pub(crate) fn consumed(server: &Server, result: &str) -> u64 {
    let Ok(answer) = server.try_ask("GET", "/metrics", &[], "") else { return 0 };
    let text = answer.text();
    let is_it = |line: &&str| {
        line.starts_with("issuetracker_ingest_records_total{road=\"kafka\"")
            && line.contains(&format!("result=\"{result}\""))
    };
    text.lines().find(is_it).and_then(|line| line.rsplit_once(' ')?.1.parse().ok()).unwrap_or(0)
}

/// The JSON of one issue of the service, by its title.
#[track_caller]
pub(crate) fn issue(server: &Server, service: &str, title: &str) -> Value {
    let issues = server.issues(&format!("service={service}&limit=100"));
    issues.into_iter().find(|issue| issue["title"] == title).unwrap_or_else(|| panic!("no issue {title:?}"))
}
