//! End to end on a real Kafka: an example or a foreign producer publishes, server processes consume, and the counts at the
//! end are the counts of the ledger. Each test has topics and groups of its own, and deletes them if it passes.
//! The HTTP side of the server alone is tested in `api.rs`.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stderr, reason = "names what a failed test leaves on the broker")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    message::{Headers, OwnedMessage},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{FOREIGN_EVENTS, Place, Server, check_foreign_issue, equal, foreign_issues, wait_until};
use uuid::Uuid;

const SERVICES: &str = "run scripts/services up and eval \"$(scripts/services env)\"";
const PARTITIONS: i32 = 6;
const TIMEOUT: Duration = Duration::from_secs(10);

/// The names of one test on the broker.
struct Kafka {
    brokers: String,
    name: String,
    group: String,
    dlq: String,
}

impl Kafka {
    #[track_caller]
    fn new() -> Self {
        let Ok(brokers) = std::env::var("TEST_KAFKA_BROKERS") else {
            panic!("TEST_KAFKA_BROKERS names no broker: {SERVICES}");
        };
        let name = format!("test-{}", Uuid::now_v7().simple());
        let kafka = Self { brokers, group: format!("{name}-group"), dlq: format!("{name}-dlq"), name };
        if let Err(error) = kafka.consumer().fetch_metadata(None, TIMEOUT) {
            panic!("no Kafka answers at {}: {error}: {SERVICES}", kafka.brokers);
        }
        kafka
    }

    fn replay_group(&self) -> String {
        format!("{}-replay", self.group)
    }

    /// What a server needs to consume it.
    fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("ISSUETRACKER_KAFKA_BROKERS", &self.brokers),
            ("ISSUETRACKER_KAFKA_TOPIC", &self.name),
            ("ISSUETRACKER_KAFKA_GROUP", &self.group),
            ("ISSUETRACKER_KAFKA_DLQ_TOPIC", &self.dlq),
        ]
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set_log_level(RDKafkaLogLevel::Emerg);
        client
    }

    fn consumer(&self) -> BaseConsumer {
        self.consumer_of(&self.group)
    }

    /// A consumer that asks about a group and never joins it.
    fn consumer_of(&self, group: &str) -> BaseConsumer {
        self.client().set("group.id", group).set("enable.auto.commit", "false").create().unwrap()
    }

    /// A running server, once it has partitions to consume.
    #[track_caller]
    fn start(&self, place: &Place) -> Server {
        self.start_with(place, &[])
    }

    #[track_caller]
    fn start_with(&self, place: &Place, variables: &[(&str, &str)]) -> Server {
        let server = place.start(&[self.variables(), variables.to_vec()].concat());
        wait_until("the server is a member of its group", || {
            let log = server.log();
            if log.contains("partitions assigned") { Ok(()) } else { Err(log) }
        });
        server
    }

    /// Sends values to a partition, or where their keys lead, and waits until the broker has them.
    #[track_caller]
    fn produce<'a>(&self, partition: Option<i32>, values: impl IntoIterator<Item = &'a [u8]>) {
        let producer: BaseProducer = self.client().set("message.max.bytes", "1048576").create().unwrap();
        for value in values {
            let mut record = BaseRecord::<(), [u8]>::to(&self.name).payload(value);
            record.partition = partition;
            producer.send(record).unwrap_or_else(|(error, _)| panic!("a record was not taken: {error}"));
        }
        producer.flush(TIMEOUT).unwrap();
        assert_eq!(producer.in_flight_count(), 0);
    }

    /// Runs the example `storm` and returns its counters.
    #[track_caller]
    fn storm(&self, service: &str, events: u64, distinct: u64) -> Value {
        let server = Path::new(env!("CARGO_BIN_EXE_issuetracker-server"));
        let storm = server.with_file_name("storm");
        assert!(storm.exists(), "{} is not there: run cargo build -p examples --bins first", storm.display());
        let mut command = Command::new(storm);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TRACING_ISSUES_") {
                command.env_remove(name);
            }
        }
        let output = command
            .args(["--rate", "max", "--threads", "3"])
            .args(["--events", &events.to_string(), "--distinct", &distinct.to_string()])
            .env("TRACING_ISSUES_KAFKA_BROKERS", &self.brokers)
            .env("TRACING_ISSUES_TOPIC", &self.name)
            .env("TRACING_ISSUES_SERVICE", service)
            .env_remove("RUST_LOG")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let counters: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&counters["emitted"], &counters["seen"]), (&json!(events), &json!(events)), "{counters} {said}");
        let dropped: u64 = counters["dropped"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(counters["delivered"].as_u64().unwrap() + dropped, events, "{counters} {said}");
        counters
    }

    /// Partition by partition: where the log ends.
    #[track_caller]
    fn ends(&self) -> Vec<i64> {
        let consumer = self.consumer();
        (0..PARTITIONS).map(|partition| consumer.fetch_watermarks(&self.name, partition, TIMEOUT).unwrap().1).collect()
    }

    /// How many records the topic has.
    #[track_caller]
    fn records(&self) -> f64 {
        f64::from(i32::try_from(self.ends().iter().sum::<i64>()).unwrap())
    }

    /// Partition by partition: where `group` would go on; 0 where it has not committed.
    #[track_caller]
    fn committed(&self, group: &str) -> Vec<i64> {
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(&self.name, 0, PARTITIONS - 1);
        let committed = self.consumer_of(group).committed_offsets(partitions, TIMEOUT).unwrap();
        let offset = |offset| if let Offset::Offset(offset) = offset { offset } else { 0 };
        committed.elements().iter().map(|partition| offset(partition.offset())).collect()
    }

    #[track_caller]
    fn wait_until_committed(&self, group: &str) {
        wait_until("all offsets are committed", || equal(&self.committed(group), &self.ends()));
    }

    /// The first `count` dead letters.
    #[track_caller]
    fn dead_letters(&self, count: usize) -> Vec<OwnedMessage> {
        let consumer = self.consumer();
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_offset(&self.dlq, 0, Offset::Beginning).unwrap();
        consumer.assign(&partitions).unwrap();
        let mut letters = Vec::new();
        wait_until("the dead letters are written", || {
            while let Some(Ok(letter)) = consumer.poll(Duration::from_millis(200)) {
                letters.push(letter.detach());
            }
            if letters.len() >= count { Ok(()) } else { Err(format!("{} of {count}", letters.len())) }
        });
        letters
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("left on the broker for who looks into this: topics {} and {}", self.name, self.dlq);
            return;
        }
        // What fails here was never created.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let admin: AdminClient<DefaultClientContext> = self.client().create().unwrap();
        let options = AdminOptions::new().request_timeout(Some(TIMEOUT));
        let _ = runtime.block_on(admin.delete_topics(&[&self.name, &self.dlq], &options));
        let _ = runtime.block_on(admin.delete_groups(&[&self.group, &self.replay_group()], &options));
    }
}

/// What every issue of `service` counts, by title.
fn counts(server: &Server, service: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for issue in server.issues(&format!("service={service}&limit=100")) {
        let title = issue["title"].as_str().unwrap().to_owned();
        let before = counts.insert(title, issue["occurrences"].as_u64().unwrap());
        assert_eq!(before, None, "two issues for one error: {issue}");
    }
    counts
}

fn total(server: &Server, service: &str) -> u64 {
    counts(server, service).values().sum()
}

/// What became of the records that this process has consumed.
fn consumed(server: &Server, result: &str) -> f64 {
    server.metric("issuetracker_ingest_records_total", &["road=\"kafka\"", &format!("result=\"{result}\"")])
}

fn unique(name: &str) -> String {
    format!("{name}-{}", &Uuid::now_v7().simple().to_string()[20..])
}

/// A port of this machine where nothing listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn two_servers_make_one_issue_of_every_error_with_the_exact_count() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("storm"));
    let first = kafka.start(&place);
    let metadata = first_metadata(&kafka);
    assert_eq!(
        metadata,
        [(kafka.name.clone(), 6), (kafka.dlq.clone(), 1)].into(),
        "the topics as the server makes them"
    );
    let second = kafka.start(&place);
    wait_until("both have partitions", || {
        let log = first.log();
        if log.matches("partitions assigned").count() >= 2 { Ok(()) } else { Err(log) }
    });

    let counters = kafka.storm(&service, 6_000, 60);
    assert_eq!(counters["delivered"], 6_000, "{counters}");
    let records = kafka.records();
    assert_eq!(counters["published"].as_f64(), Some(records), "{counters}");

    for server in [&first, &second] {
        wait_until("all is counted", || equal(&total(server, &service), &6_000));
        let counts = counts(server, &service);
        assert_eq!(counts.len(), 60, "{counts:#?}");
        assert!(counts.values().all(|count| *count == 100), "{counts:#?}");
    }
    kafka.wait_until_committed(&kafka.group);
    let stored = [consumed(&first, "stored"), consumed(&second, "stored")];
    assert!(stored[0] > 0.0 && stored[1] > 0.0, "one of the two did nothing: {stored:?}");
    assert_eq!(stored[0] + stored[1], records, "{stored:?}");
    assert_eq!(consumed(&first, "duplicate") + consumed(&second, "duplicate"), 0.0);

    // More than one batch for each, of the same issues: they write at the same time.
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    for partition in 0..PARTITIONS {
        kafka.produce(Some(partition), vec![event.as_bytes(); 1_500]);
    }
    wait_until("all is counted", || equal(&total(&first, &service), &15_000));
    assert_eq!(counts(&second, &service)["the feed is down"], 9_000);
    let failed = [&first, &second].map(|server| server.metric("issuetracker_store_errors_total", &[]));
    assert_eq!(failed, [0.0, 0.0], "two processes must be able to share the store without refusing each other");
}

/// The partitions of the topics of this test.
fn first_metadata(kafka: &Kafka) -> HashMap<String, usize> {
    let consumer = kafka.consumer();
    let partitions = |topic: &str| {
        let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).unwrap();
        (topic.to_owned(), metadata.topics()[0].partitions().len())
    };
    [partitions(&kafka.name), partitions(&kafka.dlq)].into()
}

#[test]
fn the_doctor_follows_an_error_through_kafka() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let doctor = |address: &str, arguments: &[&str], code| {
        let variables = [kafka.variables(), vec![("ISSUETRACKER_HTTP_ADDR", address)]].concat();
        place.examine(&variables, arguments, code)
    };
    let closed = format!("127.0.0.1:{}", closed_port());
    let said = doctor(&closed, &[], 1);
    assert!(said.contains("FAILED  Kafka is reachable") && said.contains("no topic"), "{said}");

    let server = kafka.start(&place);
    let said = doctor(&server.address, &[], 0);
    assert_eq!(said.lines().filter(|line| line.starts_with("ok  ")).count(), 6, "{said}");
    assert!(said.contains("with 6 partitions") && said.contains("lag 0"), "{said}");
    assert_eq!(server.issues("tag=doctor:true").len(), 1);

    // Another server of the group may run, but nobody answers at this address.
    let said = doctor(&closed, &["--timeout", "5"], 1);
    assert!(said.contains("ok      consumer group reads it"), "{said}");
    assert!(said.contains("FAILED  event is stored") && said.contains(&closed), "{said}");

    // Nobody reads the topic.
    let address = server.address.clone();
    assert!(server.terminate().status.success());
    let said = doctor(&address, &["--timeout", "2"], 1);
    assert!(said.contains("ok      event is accepted"), "{said}");
    assert!(said.contains("FAILED  consumer group reads it") && said.contains("nobody reads as group"), "{said}");
    assert!(said.contains("1 record behind"), "{said}");
}

#[test]
fn the_doctor_says_that_kafka_is_down() {
    let brokers = format!("127.0.0.1:{}", closed_port());
    let said = Place::new().examine(&[("ISSUETRACKER_KAFKA_BROKERS", &brokers)], &["--timeout", "2"], 1);
    assert!(said.contains("ok      configuration is valid"), "{said}");
    assert!(said.contains("FAILED  Kafka is reachable") && said.contains(&brokers), "{said}");
    assert!(said.contains("What to do: start Kafka"), "{said}");
}

#[test]
fn a_restart_goes_on_where_it_stopped() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("storm"));
    let (first, second) = (kafka.start(&place), kafka.start(&place));
    kafka.storm(&service, 2_000, 40);
    wait_until("all is counted", || equal(&total(&first, &service), &2_000));

    // One of the two stops: the other takes over.
    let ended = second.terminate();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    kafka.storm(&service, 2_000, 40);
    wait_until("all is counted by the one that is left", || equal(&total(&first, &service), &4_000));

    // Both stop: what they have done is committed, to the last record.
    let ended = first.terminate();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    assert!(ended.took < Duration::from_secs(10), "the stop took {:?}", ended.took);
    let before = kafka.ends();
    assert_eq!(kafka.committed(&kafka.group), before);

    // Nobody is there while more arrives.
    kafka.storm(&service, 2_000, 50);
    let arrived = kafka.records() - f64::from(i32::try_from(before.iter().sum::<i64>()).unwrap());
    let again = kafka.start(&place);
    wait_until("all is counted after the restart", || equal(&total(&again, &service), &6_000));
    let counts = counts(&again, &service);
    assert_eq!(counts.len(), 50);
    // The first 40 problems had 50 in each of the first two storms.
    let expected = [vec![40; 10], vec![140; 40]].concat();
    let mut found: Vec<u64> = counts.into_values().collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    // It did not even look at what was done before.
    assert_eq!((consumed(&again, "stored"), consumed(&again, "duplicate")), (arrived, 0.0));
    assert!(again.terminate().status.success());
    assert_eq!(kafka.committed(&kafka.group), kafka.ends());
}

#[test]
fn a_kill_in_the_middle_and_a_replay_of_everything_change_no_count() {
    const KINDS: usize = 12;
    const RECORDS: usize = 12_000;
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("foreign"));
    // Creates the topic.
    assert!(kafka.start(&place).terminate().status.success());
    let names: [&str; KINDS] =
        ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "yew"];
    let values: Vec<String> = (0..RECORDS)
        .map(|n| json!({"title": format!("{} is down", names[n % KINDS]), "reporter_id": format!("{service}-service")}))
        .map(|event| event.to_string())
        .collect();
    for partition in 0..PARTITIONS {
        let start = usize::try_from(partition).unwrap();
        let part = values.iter().skip(start).step_by(6).map(String::as_bytes);
        kafka.produce(Some(partition), part);
    }
    let all = u64::try_from(RECORDS).unwrap();

    let killed = place.start(&kafka.variables());
    let stored = wait_until("something is stored", || {
        let stored = total(&killed, &service);
        if stored > 0 { Ok(stored) } else { Err("nothing".to_owned()) }
    });
    killed.kill();
    assert!(stored < all, "not in the middle: all was stored");

    // The broker gives the partitions of the dead one to others when its session has ended.
    let (server, other) = (place.start(&kafka.variables()), place.start(&kafka.variables()));
    wait_until("all is counted after the kill", || equal(&total(&server, &service), &all));
    kafka.wait_until_committed(&kafka.group);
    assert!(consumed(&server, "stored") + consumed(&other, "stored") > 0.0, "the kill came when all was done");
    let found = counts(&server, &service);
    assert_eq!(found.len(), KINDS);
    assert!(found.values().all(|count| *count == all / 12), "{found:#?}");

    // A new group reads the whole topic again, into the same store.
    let before = server.issues(&format!("service={service}"));
    let group = kafka.replay_group();
    let replay = kafka.start_with(&place, &[("ISSUETRACKER_KAFKA_GROUP", &group)]);
    kafka.wait_until_committed(&group);
    assert_eq!((consumed(&replay, "duplicate"), consumed(&replay, "stored")), (12_000.0, 0.0));
    assert_eq!(server.issues(&format!("service={service}")), before);
}

#[test]
fn a_store_that_is_away_is_waited_for_and_no_offset_runs_ahead_of_it() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("patient"));
    let server = kafka.start(&place);
    // Somebody holds the store: it can be read, and not be written.
    let holder = rusqlite::Connection::open(place.path().join("issues.sqlite")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    for partition in 0..PARTITIONS {
        kafka.produce(Some(partition), [event.as_bytes(); 100]);
    }
    wait_until("a commit has failed", || {
        let failed = server.metric("issuetracker_store_errors_total", &[]);
        if failed > 0.0 { Ok(()) } else { Err(failed.to_string()) }
    });
    let ready = server.get("/readyz").expect(503).json();
    assert_eq!(ready["checks"]["store"]["ok"], false, "{ready}");
    assert_eq!(ready["checks"]["kafka"]["ok"], true, "{ready}");
    assert_eq!((total(&server, &service), kafka.committed(&kafka.group)), (0, vec![0; 6]));

    holder.execute_batch("ROLLBACK").unwrap();
    wait_until("consumption goes on", || equal(&total(&server, &service), &600));
    kafka.wait_until_committed(&kafka.group);
    assert_eq!((consumed(&server, "stored"), consumed(&server, "duplicate")), (600.0, 0.0));
    server.get("/readyz").expect(200);
}

#[test]
fn foreign_producers_need_no_key_and_no_id() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place);
    kafka.produce(None, FOREIGN_EVENTS.lines().map(str::as_bytes));
    let issues = wait_until("all are issues", || {
        let issues = server.issues("");
        let total: u64 = issues.iter().map(|issue| issue["occurrences"].as_u64().unwrap()).sum();
        equal(&total, &8).map(|()| issues)
    });
    for (number, line) in foreign_issues().into_iter().enumerate() {
        let expected: Value = serde_json::from_str(line).unwrap();
        let same = |issue: &&Value| issue["title"] == expected["issue"]["title"];
        let found: Vec<&Value> = issues.iter().filter(same).collect();
        assert_eq!(found.len(), 1, "line {}: {found:#?}", number + 1);
        check_foreign_issue(&server, number, found[0]["id"].as_str().unwrap());
    }
    assert_eq!(server.metric("issuetracker_dead_letters_total", &[]), 0.0);
}

#[test]
fn what_cannot_be_read_is_a_dead_letter_and_the_partition_goes_on() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place);
    let event = |title: &str, description: &str| {
        json!({"title": title, "description": description, "reporter_id": "letters-service"}).to_string().into_bytes()
    };
    let large = vec![b'x'; 850_000];
    let very_large = [&b"\"start\""[..], &vec![b'x'; 949_993]].concat();
    let orphan = json!({"op": "comment", "title": "on what?", "issue_id": "01a2b3c4d5e6f789"}).to_string();
    let records: [(Vec<u8>, &str); 10] = [
        (event("before", ""), ""),
        (b"not json".to_vec(), "not_json"),
        (b"{\"title\": \"caf\xe9\"}".to_vec(), "not_utf8"),
        (b"{\"description\": \"  \"}".to_vec(), "no_title"),
        (b"".to_vec(), "not_json"),
        (b"[1, 2]".to_vec(), "not_an_object"),
        (orphan.into_bytes(), "no_issue"),
        (large, "not_json"),
        (very_large, "not_json"),
        (event("after", &"x".repeat(900_000)), ""),
    ];
    kafka.produce(Some(3), records.iter().map(|(value, _)| value.as_slice()));
    wait_until("the partition goes on", || equal(&counts(&server, "letters").len(), &2));
    kafka.wait_until_committed(&kafka.group);
    assert_eq!(counts(&server, "letters"), [("before".to_owned(), 1), ("after".to_owned(), 1)].into());

    let mut found = HashMap::new();
    for letter in kafka.dead_letters(8) {
        let headers: HashMap<String, String> = letter
            .headers()
            .unwrap()
            .iter()
            .map(|header| (header.key.to_owned(), String::from_utf8(header.value.unwrap().to_vec()).unwrap()))
            .collect();
        let offset: usize = headers["offset"].parse().unwrap();
        assert!(
            found.insert(offset, (headers, letter.payload().unwrap_or_default().to_vec())).is_none(),
            "{offset} twice"
        );
    }
    let expected: Vec<_> = records.iter().enumerate().filter(|(_, (_, reason))| !reason.is_empty()).collect();
    assert_eq!(found.len(), expected.len());
    for (offset, (original, reason)) in expected {
        let (headers, payload) = &found[&offset];
        assert_eq!(headers["reason"], *reason, "{headers:?}");
        assert_eq!((&*headers["topic"], &*headers["partition"]), (&*kafka.name, "3"));
        assert!(!headers["error"].is_empty() && headers["timestamp"].parse::<i64>().unwrap() > 0, "{headers:?}");
        if original.len() <= 900 * 1024 {
            assert!(payload == original, "the bytes of offset {offset} are not the original ones");
            continue;
        }
        // Together with the headers it would be more than the topic takes: the head, and what proves the rest.
        assert!(payload.len() >= 64 * 1024 && original.starts_with(payload), "{} bytes", payload.len());
        assert_eq!(headers["original-length"], original.len().to_string());
        let hash: String = Sha256::digest(original).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(headers["original-sha256"], hash);
    }
    let all = [("not_json", 4.0), ("not_utf8", 1.0), ("no_title", 1.0), ("not_an_object", 1.0), ("no_issue", 1.0)];
    for (reason, count) in all {
        let label = format!("reason=\"{reason}\"");
        assert_eq!(server.metric("issuetracker_dead_letters_total", &[&label]), count, "{reason}");
    }
}

#[test]
fn what_http_accepts_travels_through_the_topic_under_its_final_id() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("http"));
    let server = kafka.start(&place);
    let new = json!({"title": "Prices are stale", "service": service, "type": "task"});
    let accepted = server.post("/api/v1/issues", new.to_string()).expect(202).json();
    let id = accepted["id"].as_str().unwrap();
    let issue = wait_until("the issue appears under its id", || {
        let answer = server.get(&format!("/api/v1/issues/{id}"));
        if answer.status == 200 { Ok(answer.json()) } else { Err(answer.text()) }
    });
    assert_eq!(
        (&issue["title"], &issue["type"], &issue["occurrences"]),
        (&json!("Prices are stale"), &json!("task"), &json!(0))
    );

    let numbered = json!({"title": "feed stalled", "service": service, "event_id": Uuid::now_v7(), "occurrences": 3});
    let unnumbered = json!({"title": "feed stalled", "service": service});
    let mut answered = BTreeSet::new();
    for _ in 0..2 {
        let results = server.ingest(&[numbered.clone(), unnumbered.clone(), json!({"title": ""})]);
        let statuses: Vec<_> = results.iter().map(|result| result["status"].as_str().unwrap()).collect();
        assert_eq!(statuses, ["accepted", "accepted", "invalid"]);
        answered.extend(results[..2].iter().map(|result| result["event_id"].as_str().unwrap().to_owned()));
    }
    // Three, once; and one, twice.
    wait_until("all is counted", || equal(&consumed(&server, "stored"), &4.0));
    assert_eq!(counts(&server, &service)["feed stalled"], 5);
    kafka.wait_until_committed(&kafka.group);
    assert_eq!((kafka.records(), consumed(&server, "duplicate")), (5.0, 1.0));
    let id = server.issues("q=stalled")[0]["id"].as_str().unwrap().to_owned();
    let page = server.get(&format!("/api/v1/issues/{id}/occurrences")).expect(200).json();
    let stored = page["occurrences"].as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned());
    assert_eq!(stored.collect::<BTreeSet<_>>(), answered, "the ids of the answers are those of the events");
    assert_eq!(kafka.consumer().fetch_watermarks(&kafka.dlq, 0, TIMEOUT).unwrap().1, 0);
}

#[test]
fn without_kafka_it_serves_says_so_and_goes_on_when_kafka_comes() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("late"));
    let port = closed_port();
    let closed = format!("127.0.0.1:{port}");
    let mut variables = kafka.variables();
    variables[0].1 = &closed;
    let server = place.start(&variables);
    for page in ["/issues", "/issues/new", "/healthz", "/api/v1/issues"] {
        server.get(page).expect(200);
    }
    let ready = server.get("/readyz").expect(503).json();
    assert_eq!((&ready["status"], &ready["checks"]["kafka"]["ok"]), (&json!("unready"), &json!(false)), "{ready}");
    assert!(!ready["checks"]["kafka"]["reason"].as_str().unwrap().is_empty(), "{ready}");
    assert_eq!(ready["checks"]["store"]["ok"], true, "{ready}");
    let new = json!({"title": "Lost?", "service": service}).to_string();
    let refused = server.post("/api/v1/issues", &new);
    let message = refused.problem(503, "kafka_unavailable");
    assert!(refused.header("retry-after").is_some() && !message.contains(&closed), "{message}");
    server.post("/api/v1/issues", "{}").problem(400, "invalid_field");

    // Kafka answers at last, through a door that opens now.
    forward(port, kafka.brokers.clone());
    wait_until("it is ready", || {
        let answer = server.get("/readyz");
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
    server.post("/api/v1/issues", &new).expect(202);
    wait_until("the issue appears", || equal(&counts(&server, &service).len(), &1));
    assert!(server.terminate().status.success());
}

/// Hands every connection to `port` on to the broker, for as long as the test runs.
fn forward(port: u16, brokers: String) {
    let door = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::spawn(move || {
        for client in door.incoming().map_while(Result::ok) {
            let broker = TcpStream::connect(&brokers).unwrap();
            let pairs = [(client.try_clone(), broker.try_clone()), (Ok(broker), Ok(client))];
            for (from, to) in pairs {
                let (mut from, mut to) = (from.unwrap(), to.unwrap());
                thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
}
