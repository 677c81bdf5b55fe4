//! Several servers on one store, and a server whose Firestore is away: what one commits is seen on all, live and in lists;
//! who was away catches up. Needs Kafka and the Firestore emulator.
#![cfg(all(feature = "kafka", feature = "firestore"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    thread,
    time::Duration,
};

use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions},
    client::DefaultClientContext,
};
use serde_json::json;
use support::{Place, Server, equal, wait_until};
use uuid::Uuid;

const SERVICES: &str = "run scripts/services up and eval \"$(scripts/services env)\"";

/// The names of one test, and what its servers need. What it made is dropped at the end.
struct Cluster {
    name: String,
    variables: Vec<(&'static str, String)>,
}

impl Cluster {
    fn new(store: &[(&'static str, &str)]) -> Self {
        let brokers = std::env::var("TEST_KAFKA_BROKERS").expect(SERVICES);
        let name = format!("servers-{}", Uuid::now_v7().simple());
        let mut variables = vec![
            ("ISSUETRACKER_KAFKA_BROKERS", brokers),
            ("ISSUETRACKER_KAFKA_TOPIC", name.clone()),
            ("ISSUETRACKER_KAFKA_GROUP", name.clone()),
        ];
        variables.extend(store.iter().map(|(name, value)| (*name, (*value).to_owned())));
        Self { name, variables }
    }

    fn on_firestore(address: &str) -> Self {
        let project = format!("servers-{}", Uuid::now_v7().simple());
        Self::new(&[
            ("ISSUETRACKER_STORE", "firestore"),
            ("ISSUETRACKER_FIRESTORE_PROJECT", &project),
            ("ISSUETRACKER_FIRESTORE_EMULATOR", address),
        ])
    }

    fn start(&self, place: &Place) -> Server {
        let variables: Vec<(&str, &str)> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        place.start(&variables)
    }

    /// A server that hears the others, and whose list is complete.
    fn start_whole(&self, place: &Place) -> Server {
        let server = self.start(place);
        wait_until("the server is whole", || {
            let checks = server.get("/readyz").json()["checks"].clone();
            let is_whole = ["changes", "projection"].iter().all(|name| {
                let check = &checks[*name];
                check.is_null() && *name == "projection" || check["ok"] == true && check["reason"].is_null()
            });
            if is_whole { Ok(()) } else { Err(checks.to_string()) }
        });
        server
    }

    fn post(&self, server: &Server, title: &str) -> String {
        let answer =
            server.post("/api/v1/issues", json!({"title": title, "type": "bug"}).to_string()).expect(202).json();
        answer["id"].as_str().unwrap().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let brokers = &self.variables[0].1;
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", brokers).create().unwrap();
        let topics = ["", ".dlq", ".changes"].map(|suffix| format!("{}{suffix}", self.name));
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _ = runtime.block_on(admin.delete_topics(&topics, &AdminOptions::new()));
        let project = self.variables.iter().find(|(name, _)| *name == "ISSUETRACKER_FIRESTORE_PROJECT");
        let Some((_, project)) = project else { return };
        let Ok(mut emulator) = TcpStream::connect(emulator()) else { return };
        let path = format!("/emulator/v1/projects/{project}/databases/(default)/documents");
        let _ = write!(emulator, "DELETE {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let _ = emulator.read(&mut [0; 512]);
    }
}

fn emulator() -> String {
    std::env::var("TEST_FIRESTORE_EMULATOR").expect(SERVICES)
}

/// Waits until the list under `query` has these titles, in any order.
#[track_caller]
fn check_list(server: &Server, query: &str, expected: &[&str]) {
    wait_until("the list", || {
        let mut found: Vec<String> =
            server.issues(query).iter().map(|issue| issue["title"].as_str().unwrap().to_owned()).collect();
        found.sort_unstable();
        equal(&found, &expected.iter().map(ToString::to_string).collect())
    });
}

/// The live updates of a server from now on.
struct Live(TcpStream);

impl Live {
    fn of(server: &Server) -> Self {
        let mut stream = server.open("GET", "/api/v1/stream", &[("accept", "text/event-stream")], "").unwrap();
        // Its head, so that it listens from here on.
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        Self(stream)
    }

    /// Reads until the id is told.
    #[track_caller]
    fn check_tells(&mut self, id: &str) {
        let mut told = Vec::new();
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&told).contains(id) {
            match self.0.read(&mut buffer) {
                Ok(length @ 1..) => told.extend_from_slice(&buffer[..length]),
                end => panic!("{id} was not told: {end:?}, but {}", String::from_utf8_lossy(&told)),
            }
        }
    }
}

fn signal(server: &Server, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &server.pid().to_string()]).status().unwrap().success());
}

#[test]
fn what_one_server_commits_is_seen_on_the_other() {
    let (cluster, place) = (Cluster::on_firestore(&emulator()), Place::new());
    let (a, b) = (cluster.start_whole(&place), cluster.start_whole(&place));
    let (mut live_a, mut live_b) = (Live::of(&a), Live::of(&b));
    // Whoever of the two consumes it.
    let id = cluster.post(&a, "feed stalled");
    live_a.check_tells(&id);
    live_b.check_tells(&id);
    for server in [&a, &b] {
        check_list(server, "q=stalled", &["feed stalled"]);
    }

    a.patch(&format!("/api/v1/issues/{id}"), &json!({"status": "resolved"})).expect(200);
    live_b.check_tells(&id);
    check_list(&b, "status=resolved", &["feed stalled"]);
    check_list(&b, "status=open", &[]);
    let other = cluster.post(&b, "order refused");
    live_a.check_tells(&other);
    check_list(&a, "", &["feed stalled", "order refused"]);
}

#[test]
fn a_server_that_was_away_catches_up() {
    let (cluster, place) = (Cluster::on_firestore(&emulator()), Place::new());
    let (a, b) = (cluster.start_whole(&place), cluster.start_whole(&place));
    let id = cluster.post(&a, "feed stalled");
    check_list(&b, "", &["feed stalled"]);

    signal(&b, "STOP");
    a.patch(&format!("/api/v1/issues/{id}"), &json!({"status": "resolved"})).expect(200);
    // Long enough to be told, and for its session with the group to end.
    thread::sleep(Duration::from_secs(3));
    signal(&b, "CONT");
    check_list(&b, "status=resolved", &["feed stalled"]);

    // One that starts reads what was there before.
    drop(b);
    a.patch(&format!("/api/v1/issues/{id}"), &json!({"priority": "critical"})).expect(200);
    let c = cluster.start_whole(&place);
    check_list(&c, "priority=critical", &["feed stalled"]);
}

#[test]
fn two_servers_on_one_file_tell_each_other() {
    let (cluster, place) = (Cluster::new(&[]), Place::new());
    let (a, b) = (cluster.start_whole(&place), cluster.start_whole(&place));
    let (mut live_a, mut live_b) = (Live::of(&a), Live::of(&b));
    let id = cluster.post(&a, "feed stalled");
    live_a.check_tells(&id);
    live_b.check_tells(&id);
    b.patch(&format!("/api/v1/issues/{id}"), &json!({"status": "resolved"})).expect(200);
    live_a.check_tells(&id);
}

#[test]
fn a_server_starts_and_stays_up_while_firestore_is_away() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (cluster, place) = (Cluster::on_firestore(&port.to_string()), Place::new());
    let server = cluster.start(&place);
    server.get("/healthz").expect(200);
    let checks = server.get("/readyz").expect(503).json()["checks"].clone();
    assert_eq!(checks["store"]["ok"], false, "{checks}");
    // Taken by the topic, and consumed once there is a store.
    let id = cluster.post(&server, "feed stalled");
    wait_until("consumption waits", || {
        let checks = server.get("/readyz").json()["checks"].clone();
        if checks["ingest"]["ok"] == false { Ok(()) } else { Err(checks.to_string()) }
    });
    forward(TcpListener::bind(port).unwrap());
    check_list(&server, "", &["feed stalled"]);
    wait_until("it is ready", || {
        let answer = server.get("/readyz");
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    });
    check_list(&server, "q=stalled", &["feed stalled"]);
    assert_eq!(server.get(&format!("/api/v1/issues/{id}")).expect(200).json()["title"], "feed stalled");
}

/// Passes every connection on to the emulator.
fn forward(listener: TcpListener) {
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(emulator()).unwrap();
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                thread::spawn(move || io::copy(&mut from, &mut to));
            }
        }
    });
}
