//! A receiver of the HTTP road: takes events as a server would, ignores what it has already, and can be ill.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

/// How the receiver is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Health {
    #[default]
    Well,
    /// It answers 503 and takes nothing.
    Overloaded,
    /// It takes everything, and answers as a proxy would whose server is gone.
    Forgetful,
}

/// A receiver on an address of its own, for as long as the process lives.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    health: Health,
    /// By id: what came first.
    events: BTreeMap<String, Value>,
    requests: Vec<Instant>,
    repeated: u64,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let receiver = Self { address: listener.local_addr().unwrap(), inner: Arc::default() };
        let answering = receiver.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let (answering, connection) = (answering.clone(), connection.unwrap());
                thread::spawn(move || answering.serve(&connection));
            }
        });
        receiver
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, health: Health) {
        self.inner().health = health;
    }

    /// What was received, each event once.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.inner().events.values().cloned().collect()
    }

    /// For how many errors that stands.
    pub(crate) fn occurrences(&self) -> u64 {
        self.inner().events.values().filter_map(|event| event["occurrences"].as_u64()).sum()
    }

    /// When requests came.
    pub(crate) fn requests(&self) -> Vec<Instant> {
        self.inner().requests.clone()
    }

    /// How many events came that it had already.
    pub(crate) fn repeated(&self) -> u64 {
        self.inner().repeated
    }

    /// Answers the requests of a connection, until it ends.
    fn serve(&self, connection: &TcpStream) {
        let mut reader = BufReader::new(connection);
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                match reader.read_line(&mut line) {
                    Ok(0) | Err(_) => return,
                    Ok(_) if line.trim().is_empty() => break,
                    Ok(_) => (),
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_err() {
                return;
            }
            let answer = self.answer(&String::from_utf8(body).unwrap());
            if (&mut &*connection).write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }

    fn answer(&self, body: &str) -> String {
        let mut inner = self.inner();
        inner.requests.push(Instant::now());
        let mut results = Vec::new();
        for line in body.lines() {
            let event: Value = serde_json::from_str(line).unwrap();
            if inner.health != Health::Overloaded {
                let id = event["event_id"].as_str().unwrap().to_owned();
                let is_known = inner.events.contains_key(&id);
                assert_eq!(inner.events.entry(id).or_insert_with(|| event.clone()), &event, "the same id, other bytes");
                inner.repeated += u64::from(is_known);
                results.push(json!({"status": if is_known { "duplicate" } else { "accepted" }}));
            }
        }
        let (status, answer) = match inner.health {
            Health::Well => ("200 OK", json!({ "results": results }).to_string()),
            Health::Overloaded => ("503 Service Unavailable", "{}".to_owned()),
            Health::Forgetful => ("502 Bad Gateway", "<html>".to_owned()),
        };
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{answer}", answer.len())
    }
}
