//! Dead letters on a real Kafka: listed, shown and replayed by the API and on the command line, with counts that stay exact.
//! Their pages are tested in a browser; how records become letters in `kafka.rs`.
#![cfg(feature = "kafka")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stderr, reason = "names what a failed test leaves on the broker")]

mod support;

use std::{collections::BTreeSet, net::TcpListener, process::Output, thread, time::Duration};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer},
    producer::{BaseProducer, BaseRecord, Producer},
};
use serde_json::{Value, json};
use support::{Place, Server, equal, wait_until};
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(10);
const LETTERS: &str = "/api/v1/dead-letters";

/// The names of one test on the broker; they go when it has passed.
struct Kafka {
    brokers: String,
    name: String,
    dlq: String,
}

impl Kafka {
    #[track_caller]
    fn new() -> Self {
        let Ok(brokers) = std::env::var("TEST_KAFKA_BROKERS") else {
            panic!("TEST_KAFKA_BROKERS names no broker: run scripts/services up and eval \"$(scripts/services env)\"");
        };
        let name = format!("test-letters-{}", Uuid::now_v7().simple());
        Self { brokers, dlq: format!("{name}-dlq"), name }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        vec![
            ("ISSUETRACKER_KAFKA_BROKERS", &self.brokers),
            ("ISSUETRACKER_KAFKA_TOPIC", &self.name),
            ("ISSUETRACKER_KAFKA_GROUP", &self.name),
            ("ISSUETRACKER_KAFKA_DLQ_TOPIC", &self.dlq),
            ("ISSUETRACKER_KAFKA_PARTITIONS", "2"),
        ]
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        client.set("bootstrap.servers", &self.brokers).set_log_level(RDKafkaLogLevel::Emerg);
        client
    }

    /// A running server, once it has partitions to consume.
    #[track_caller]
    fn start(&self, place: &Place, variables: &[(&str, &str)]) -> Server {
        let server = place.start(&[self.variables(), variables.to_vec()].concat());
        wait_until("the server is a member of its group", || {
            let log = server.log();
            if log.contains("partitions assigned") { Ok(()) } else { Err(log) }
        });
        server
    }

    /// Sends values to partition 1 of the topic, and waits until the broker has them.
    #[track_caller]
    fn produce<'a>(&self, values: impl IntoIterator<Item = &'a [u8]>) {
        let producer: BaseProducer = self.client().set("message.max.bytes", "1048576").create().unwrap();
        for value in values {
            let record = BaseRecord::<str, [u8]>::to(&self.name).partition(1).key("a key").payload(value);
            producer.send(record).unwrap_or_else(|(error, _)| panic!("a record was not taken: {error}"));
        }
        producer.flush(TIMEOUT).unwrap();
    }

    /// How many records the topic has.
    #[track_caller]
    fn records(&self) -> i64 {
        let consumer: BaseConsumer = self.client().create().unwrap();
        (0..2).map(|partition| consumer.fetch_watermarks(&self.name, partition, TIMEOUT).unwrap().1).sum()
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
        let _ = runtime.block_on(admin.delete_groups(&[&self.name, &format!("{}-again", self.name)], &options));
    }
}

/// All letters, over pages of `limit`, newest first.
#[track_caller]
fn letters(server: &Server, query: &str, limit: usize) -> Vec<Value> {
    let (mut letters, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = server.get(&format!("{LETTERS}?limit={limit}&{query}{cursor}")).expect(200).json();
        let found = page["dead_letters"].as_array().unwrap();
        assert!(found.len() <= limit, "{page}");
        letters.extend(found.iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return letters };
        cursor = format!("&cursor={next}");
    }
}

/// The letters once there are so many, in the order of their originals: that of the letters of one batch is not promised.
#[track_caller]
fn wait_for_letters(server: &Server, count: usize) -> Vec<Value> {
    let mut letters = wait_until("the letters are there", || {
        let letters = letters(server, "", 100);
        equal(&letters.len(), &count).map(|()| letters)
    });
    letters.sort_by_key(|letter| letter["offset"].as_i64());
    letters
}

fn id(letter: &Value) -> &str {
    letter["id"].as_str().unwrap()
}

#[track_caller]
fn replay(server: &Server, letter: &Value) -> support::Answer {
    server.post(&format!("{LETTERS}/{}/replay", id(letter)), "")
}

/// A comment without an id of its own, on an issue that is not there.
fn comment(issue: Uuid, text: &str) -> Vec<u8> {
    json!({"op": "comment", "title": text, "issue_id": issue, "reporter_id": "ada"}).to_string().into_bytes()
}

#[track_caller]
fn create_issue(server: &Server, id: Uuid) {
    let event = json!({"op": "create", "title": "Rotate the key", "event_id": id, "reporter_id": "ada"});
    assert_eq!(server.ingest(&[event])[0]["status"], "accepted");
    wait_until("the issue is there", || {
        let answer = server.get(&format!("/api/v1/issues/{id}"));
        equal(&answer.status, &200)
    });
}

#[track_caller]
fn comments(server: &Server, issue: Uuid) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/issues/{issue}/comments?limit=100")).expect(200).json();
    page["comments"].as_array().unwrap().clone()
}

#[test]
fn letters_tell_all_that_is_known_and_pages_of_them_are_complete() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place, &[]);
    assert_eq!(server.get(LETTERS).expect(200).json(), json!({"dead_letters": [], "next_cursor": null}));
    let texts: Vec<String> = (0..7).map(|n| format!("{{\"service\": \"orders\", broken {n}")).collect();
    kafka.produce(texts.iter().map(String::as_bytes).chain([&b"[1, 2]"[..]]));
    let found = wait_for_letters(&server, 8);

    assert_eq!((&found[7]["reason"], &found[7]["text"]), (&json!("not_an_object"), &json!("[1, 2]")));
    for (offset, (letter, text)) in found.iter().zip(&texts).enumerate() {
        for (name, expected) in [
            ("topic", json!(kafka.name)),
            ("partition", json!(1)),
            ("offset", json!(offset)),
            ("reason", json!("not_json")),
            ("producer", json!("orders")),
            ("key", json!("a key")),
            ("text", json!(text)),
            ("text_cut", json!(false)),
            ("size", json!(text.len())),
            ("original_length", Value::Null),
            ("replayed", Value::Null),
            ("event", json!({"accepted": false, "code": "not_json", "reason": letter["error"]})),
        ] {
            assert_eq!(letter[name], expected, "{name} of {letter}");
        }
        for time in ["timestamp", "dead_at"] {
            assert!(letter[time].as_str().unwrap().starts_with("20"), "{letter}");
        }
        assert_eq!(letter["headers"]["offset"], offset.to_string(), "{letter}");
        assert_eq!(server.get(&format!("{LETTERS}/{}", id(letter))).expect(200).json(), *letter);
    }
    let newest = letters(&server, "", 100);
    let ids: Vec<&str> = newest.iter().map(id).collect();
    assert_eq!(ids, ["0-7", "0-6", "0-5", "0-4", "0-3", "0-2", "0-1", "0-0"]);
    for limit in [1, 3, 8] {
        assert_eq!(letters(&server, "", limit), newest, "in pages of {limit}");
    }
    let of = |reason: &str| newest.iter().filter(|letter| letter["reason"] == reason).cloned().collect::<Vec<_>>();
    for reason in ["not_an_object", "not_json", "no_title"] {
        assert_eq!(letters(&server, &format!("reason={reason}"), 3), of(reason));
    }

    for id in ["0-8", "1-0", "0-99999999999", "x", "0", "0--1", "%00"] {
        server.get(&format!("{LETTERS}/{id}")).problem(404, "not_found");
        server.post(&format!("{LETTERS}/{id}/replay"), "").problem(404, "not_found");
    }
    server.get(&format!("{LETTERS}?cursor=x")).problem(400, "invalid_field");
    server.get(&format!("{LETTERS}?limit=101")).problem(400, "invalid_field");
    assert_eq!(server.metric("issuetracker_ingest_repairs_total", &[]), 7.0, "looking at a letter repairs nothing");
}

#[test]
fn a_replay_counts_once_whatever_was_counted_before() {
    check_that_a_replay_counts_once(&[]);
}

#[test]
fn a_replay_counts_once_in_firestore_too() {
    let Ok(emulator) = std::env::var("TEST_FIRESTORE_EMULATOR") else {
        panic!(
            "TEST_FIRESTORE_EMULATOR names no emulator: run scripts/services up and eval \"$(scripts/services env)\""
        );
    };
    let project = format!("letters-{}", &Uuid::now_v7().simple().to_string()[16..]);
    check_that_a_replay_counts_once(&[
        ("ISSUETRACKER_STORE", "firestore"),
        ("ISSUETRACKER_FIRESTORE_PROJECT", &project),
        ("ISSUETRACKER_FIRESTORE_EMULATOR", &emulator),
    ]);
}

#[track_caller]
fn check_that_a_replay_counts_once(store: &[(&str, &str)]) {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place, store);
    let issue = Uuid::now_v7();
    let (first, second) = (comment(issue, "the first"), comment(issue, "the second"));
    kafka.produce([&first[..], &second, b"not json"]);
    let [first, second, broken] = wait_for_letters(&server, 3).try_into().unwrap();
    assert_eq!(first["event"]["code"], "no_issue", "{first}");

    // Nothing is published that would come back.
    let before = kafka.records();
    let message = replay(&server, &broken).problem(409, "not_replayed");
    assert!(message.contains("still cannot be read") && message.contains("not JSON"), "{message}");
    let message = replay(&server, &first).problem(409, "not_replayed");
    assert!(message.contains("issue that is there"), "{message}");
    assert_eq!(kafka.records(), before);

    create_issue(&server, issue);
    let before = kafka.records();
    let event = server.get(&format!("{LETTERS}/{}", id(&first))).expect(200).json()["event"].clone();
    assert_eq!((&event["accepted"], &event["issue_id"]), (&json!(true), &json!(issue)), "{event}");
    let done = replay(&server, &first).expect(200).json();
    assert_eq!((&done["status"], &done["event_id"]), (&json!("counted"), &event["event_id"]), "{done}");
    let again = replay(&server, &first).expect(200).json();
    assert_eq!(again["status"], "already_counted", "{again}");
    assert_eq!(kafka.records(), before + 1);
    let found = comments(&server, issue);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0]["content"], &found[0]["id"]), (&json!("the first"), &done["event_id"]));
    assert_eq!(found[0]["created_at"], first["timestamp"], "it happened when it was written first");
    let shown = server.get(&format!("{LETTERS}/{}", id(&first))).expect(200).json();
    assert_eq!((&shown["replayed"]["status"], &shown["replayed"]["by"]), (&json!("counted"), &json!("local-admin")));
    assert_eq!(letters(&server, "", 100).len(), 3, "it stays in the list");

    // A new group reads everything again: the first is known, the second is counted now, and its letter changes nothing.
    let again = format!("{}-again", kafka.name);
    let other = kafka.start(&place, &[store, &[("ISSUETRACKER_KAFKA_GROUP", &again)]].concat());
    wait_until("the second is counted", || equal(&comments(&other, issue).len(), &2));
    assert_eq!(replay(&other, &second).expect(200).json()["status"], "already_counted");
    assert_eq!(comments(&other, issue).len(), 2);
    assert_eq!(kafka.records(), before + 1);
}

#[test]
fn many_are_replayed_by_id_by_reason_and_all_in_parts() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place, &[]);
    let issue = Uuid::now_v7();
    let said: Vec<Vec<u8>> = (0..40).map(|n| comment(issue, &format!("comment {n}"))).collect();
    kafka.produce(said.iter().map(Vec::as_slice).chain([&b"not json"[..]]));
    let all = wait_for_letters(&server, 41);
    create_issue(&server, issue);
    let replay_many = |body: Value| server.post(&format!("{LETTERS}/replay"), body.to_string());
    let statuses = |answer: &Value| -> Vec<String> {
        answer["results"].as_array().unwrap().iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect()
    };

    let answer = replay_many(json!({"ids": [all[40]["id"], all[0]["id"], "0-4711"]})).expect(200).json();
    assert_eq!(statuses(&answer), ["invalid", "published", "not_found"], "{answer}");
    assert_eq!(answer["results"][0]["code"], "not_json", "{answer}");
    wait_until("it is counted", || equal(&comments(&server, issue).len(), &1));

    let (mut results, mut body, mut parts) = (Vec::new(), json!({"reason": "no_issue"}), 0);
    loop {
        let answer = replay_many(body.clone()).expect(200).json();
        parts += 1;
        results.extend(statuses(&answer));
        if answer["next_cursor"].is_null() {
            break;
        }
        body["cursor"] = answer["next_cursor"].clone();
    }
    assert!(parts > 1, "nobody saw how it goes on");
    assert_eq!(results.iter().filter(|status| *status == "already_counted").count(), 1, "{results:?}");
    assert_eq!(results.iter().filter(|status| *status == "published").count(), 39, "{results:?}");
    wait_until("all are counted", || equal(&comments(&server, issue).len(), &40));
    let contents: BTreeSet<String> =
        comments(&server, issue).iter().map(|one| one["content"].as_str().unwrap().to_owned()).collect();
    assert_eq!(contents.len(), 40);

    let answer = replay_many(json!({"all": true})).expect(200).json();
    assert!(statuses(&answer).iter().all(|status| ["already_counted", "invalid"].contains(&&**status)), "{answer}");
    assert!(answer["next_cursor"].is_string(), "{answer}");
    for wrong in [
        json!({}),
        json!({"all": false}),
        json!({"all": true, "reason": "x"}),
        json!({"ids": []}),
        json!({"ids": ["x"]}),
    ] {
        replay_many(wrong).problem(400, "invalid_field");
    }
    replay_many(json!({"al": true})).problem(400, "unknown_field");
}

#[test]
fn hostile_letters_hurt_nobody() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let server = kafka.start(&place, &[]);
    let html = b"</pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'>{{ 7919 * 7907 }}";
    let steering = "\x1b[2J\x1b]0;owned\x07 \u{202e}gpj.exe\u{2066}\u{200b}".as_bytes();
    let secret = br#"{"title": "login of ada", "password": "hunter2-and-more", "auth": "Bearer abcdef0123456789abcdef0123456789""#;
    let binary: Vec<u8> = (0..=255).cycle().take(3_000).collect();
    let large = vec![b'x'; 900 * 1024];
    let larger = vec![b'y'; 940_000];
    kafka.produce([&html[..], steering, &secret[..], &binary, &large, &larger]);
    let letters = wait_for_letters(&server, 6);

    for (number, letter) in letters.iter().enumerate() {
        let address = id(letter);
        let one = server.get(&format!("{LETTERS}/{address}")).expect(200);
        let pages = [
            server.get("/dead-letters").expect(200).text(),
            server.get(&format!("/dead-letters/{address}")).expect(200).text(),
        ];
        for text in pages.iter().map(String::as_str).chain([one.text().as_str()]) {
            assert!(text.len() < 400 * 1024, "letter {number} makes an answer of {} bytes", text.len());
            assert!(
                !text.contains("hunter2") && !text.contains("0123456789abcdef"),
                "letter {number} shows its secret"
            );
            let steers = |c: char| {
                (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202e}' | '\u{2066}' | '\u{200b}')
            };
            assert!(!text.contains(steers), "letter {number} steers");
        }
        for page in pages {
            assert!(
                !page.contains("<script>alert") && !page.contains("<img") && !page.contains("62615533"),
                "letter {number} is run"
            );
        }
        let text = one.json()["text"].as_str().unwrap().to_owned();
        let is_as_expected = match number {
            0 => text.as_bytes() == html,
            1 => text.starts_with("\\u{1b}[2J") && text.contains("\\u{202e}gpj.exe\\u{2066}\\u{200b}"),
            2 => text.contains("login of ada") && text.matches("[redacted]").count() == 2,
            3 => text.starts_with("\\u{0}\\u{1}") && text.contains("\\xff\\u{0}"),
            4 => text.len() == 64 * 1024 && one.json()["text_cut"] == true,
            _ => text == "y".repeat(64 * 1024),
        };
        assert!(is_as_expected, "letter {number}: {}", &text[..text.len().min(500)]);
    }
    let cut = server.get(&format!("{LETTERS}/{}", id(&letters[5]))).expect(200).json();
    assert_eq!((&cut["original_length"], &cut["size"]), (&json!(940_000), &json!(64 * 1024)));
    assert_eq!(cut["original_sha256"].as_str().unwrap().len(), 64);
    assert_eq!(cut["event"]["code"], "cut");
    let message = replay(&server, &cut).problem(409, "not_replayed");
    assert!(message.contains("head"), "{message}");
}

/// Runs the command with the server's variables, and checks its exit code.
#[track_caller]
fn run(place: &Place, variables: &[(&str, &str)], arguments: &[&str], code: i32) -> (String, String) {
    let Output { status, stdout, stderr } = place.run(variables, &[&["dead-letters"], arguments].concat());
    let (out, err) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert_eq!(status.code(), Some(code), "{arguments:?}: {out}{err}");
    (out, err)
}

#[test]
fn the_command_line_works_while_the_server_is_down() {
    let (kafka, place) = (Kafka::new(), Place::new());
    let run = |arguments: &[&str], code| run(&place, &kafka.variables(), arguments, code);
    assert_eq!(run(&["list"], 0).0, "no dead letters\n", "a topic that was never made is empty");

    let server = kafka.start(&place, &[]);
    let issue = Uuid::now_v7();
    let said: Vec<Vec<u8>> = (0..20).map(|n| comment(issue, &format!("comment {n}"))).collect();
    kafka.produce([&b"broken \x1b[31m password=hunter2"[..]].into_iter().chain(said.iter().map(Vec::as_slice)));
    let letters = wait_for_letters(&server, 21);
    let (broken, first) = (id(&letters[0]), id(&letters[1]));
    create_issue(&server, issue);
    assert!(server.terminate().status.success());

    let (out, _) = run(&["list", "--limit", "3"], 0);
    let ids: Vec<&str> = out.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(ids, ["0-20", "0-19", "0-18"], "{out}");
    let (out, _) = run(&["list", "--reason", "not_json"], 0);
    assert!(out.starts_with(broken) && out.contains("broken \\u{1b}[31m password=[redacted]"), "{out}");
    let (out, _) = run(&["list", "--json"], 0);
    let lines: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 21);
    assert!(lines.contains(&letters[0]), "the command and the API tell the same");

    let (out, _) = run(&["show", broken], 0);
    assert!(out.contains("would not be accepted: not JSON") && out.contains("\\u{1b}[31m"), "{out}");
    let (out, _) = run(&["show", first, "--json"], 0);
    let shown: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&shown["text"], &shown["event"]["accepted"]), (&letters[1]["text"], &json!(true)), "{shown}");
    assert!(run(&["show", "0-21"], 1).1.contains("no dead letter 0-21"));

    let (out, err) = run(&["replay", broken, first], 1);
    assert!(out.contains("invalid") && out.contains("published") && err.contains("1 replayed"), "{out}{err}");
    let (out, err) = run(&["replay", "--all", "--reason", "no_issue"], 0);
    assert_eq!(out.lines().filter(|line| line.contains(" published ")).count(), 20, "{out}");
    assert!(err.lines().count() > 1 && err.ends_with("20 replayed, 0 counted before, 0 not replayed\n"), "{err}");
    for wrong in [&["replay"][..], &["replay", first, "--all"], &["replay", "x"], &["replay", first, "--reason", "x"]] {
        run(wrong, 2);
    }

    let server = kafka.start(&place, &[]);
    wait_until("each is counted", || equal(&comments(&server, issue).len(), &20));
    wait_until("one was published twice, and counted once", || {
        equal(&server.metric("issuetracker_ingest_records_total", &["result=\"duplicate\""]), &1.0)
    });
    assert_eq!(comments(&server, issue).len(), 20);
    let marked = letters_of(&server);
    assert_eq!(marked, 20, "the server sees what the command line has noted");
}

fn letters_of(server: &Server) -> usize {
    letters(server, "reason=no_issue", 100).iter().filter(|letter| letter["replayed"]["status"] == "counted").count()
}

#[test]
fn without_kafka_there_are_none_and_it_is_said_why() {
    let place = Place::new();
    let server = place.start(&[]);
    assert_eq!(server.get(LETTERS).expect(200).json(), json!({"dead_letters": [], "next_cursor": null}));
    server.get(&format!("{LETTERS}/0-0")).problem(404, "not_found");
    assert!(server.get("/dead-letters").expect(200).text().contains("answered at once"));
    let (out, err) = run(&place, &[], &["list"], 1);
    assert!(out.is_empty() && err.contains("without Kafka"), "{err}");
}

#[test]
fn while_kafka_is_away_it_is_said_and_pages_go_on() {
    let place = Place::new();
    let closed = format!("127.0.0.1:{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let variables = [("ISSUETRACKER_KAFKA_BROKERS", &*closed)];
    let server = place.start(&variables);
    let message = server.get(LETTERS).problem(503, "kafka_unavailable");
    assert!(message.contains("Kafka does not answer") && !message.contains(&closed), "{message}");
    server.post(&format!("{LETTERS}/0-0/replay"), "").problem(503, "kafka_unavailable");
    server.get("/dead-letters").expect(503);
    server.get("/issues").expect(200);
    let (_, err) = run(&place, &variables, &["list"], 1);
    assert!(err.contains("no broker of ISSUETRACKER_KAFKA_BROKERS answers"), "{err}");
}
