//! The HTTP road: batches of events as JSON lines to `POST /api/v1/events`, sent from a thread of its own so that a slow
//! server never holds up the worker.

use std::{
    io,
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel},
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{Envelope, Outcome, Publisher, Settlement};

/// Events that wait for the sending thread.
const CHANNEL_CAPACITY: usize = 256;
/// The most events in one request.
const BATCH_EVENTS: usize = 100;
/// The most bytes in one request, but for its last event. Proxies refuse a body of more than 1 MiB unless they are told
/// otherwise, and would refuse it again and again.
const BATCH_BYTES: usize = 640 * 1024;
/// How long a request may take in all.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Publishes to an issuetracker-server over HTTP.
pub(crate) struct HttpPublisher {
    /// Where events go, without secrets.
    url: String,
    /// `None` only while dropping.
    outgoing: Option<SyncSender<Envelope>>,
    settled: Receiver<Settlement>,
}

impl HttpPublisher {
    /// Starts the sending thread. `base_url` is the server's address without a path. Nothing is connected yet.
    ///
    /// # Errors
    /// If the operating system refuses a thread.
    pub(crate) fn start(base_url: &str, api_key: Option<&str>) -> io::Result<Self> {
        let url = format!("{}/api/v1/events", base_url.trim_end_matches('/'));
        let (outgoing, queue) = sync_channel::<Envelope>(CHANNEL_CAPACITY);
        let (settle, settled) = channel();
        let sender = Sender {
            agent: ureq::Agent::config_builder()
                .timeout_global(Some(REQUEST_TIMEOUT))
                .max_redirects(0)
                .http_status_as_error(false)
                .user_agent(concat!("tracing-issues/", env!("CARGO_PKG_VERSION")))
                .build()
                .into(),
            url: url.clone(),
            authorization: api_key.map(|key| format!("Bearer {key}")),
        };
        thread::Builder::new().name("tracing-issues-http".to_owned()).spawn(move || {
            crate::capture::mark_worker_thread();
            while let Some(batch) = next_batch(&queue) {
                for settlement in sender.post(batch) {
                    if settle.send(settlement).is_err() {
                        return;
                    }
                }
            }
        })?;
        Ok(Self { url: without_password(&url), outgoing: Some(outgoing), settled })
    }
}

impl Publisher for HttpPublisher {
    fn destination(&self) -> String {
        self.url.clone()
    }

    fn submit(&mut self, envelope: Envelope) -> Result<(), Envelope> {
        let Some(outgoing) = &self.outgoing else { return Err(envelope) };
        outgoing.try_send(envelope).map_err(|error| match error {
            TrySendError::Full(envelope) | TrySendError::Disconnected(envelope) => envelope,
        })
    }

    fn settle(&mut self, budget: Duration) -> Vec<Settlement> {
        let mut settlements: Vec<Settlement> = self.settled.try_iter().collect();
        if settlements.is_empty() && !budget.is_zero() {
            match self.settled.recv_timeout(budget) {
                Ok(first) => settlements.push(first),
                Err(RecvTimeoutError::Timeout) => return settlements,
                // Only a sending thread that died disconnects; the caller must not spin.
                Err(RecvTimeoutError::Disconnected) => thread::sleep(budget),
            }
            settlements.extend(self.settled.try_iter());
        }
        settlements
    }
}

/// Whether requests can be sent to this address: a host, perhaps a port and a path, nothing else.
pub(crate) fn is_address(url: &str) -> bool {
    let Ok(uri) = url.parse::<ureq::http::Uri>() else { return false };
    let Some(authority) = uri.authority() else { return false };
    let place = authority.as_str().rsplit('@').next().unwrap_or_default();
    let has_port = authority.port_u16().is_some() || place == authority.host();
    !authority.host().is_empty() && has_port && uri.query().is_none()
}

/// Whether this can be sent as a header.
pub(crate) fn is_header_value(text: &str) -> bool {
    text == text.trim() && text.parse::<ureq::http::HeaderValue>().is_ok()
}

/// An address as it may be shown: without `user:password@`.
fn without_password(url: &str) -> String {
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let host = rest.find('/').map_or(rest, |end| &rest[..end]);
            format!("{scheme}://{}", host.rfind('@').map_or(rest, |end| &rest[end + 1..]))
        }
        None => String::new(),
    }
}

/// Waits for an event and takes what else is there, within the limits of a request. `None` when the publisher is gone.
fn next_batch(queue: &Receiver<Envelope>) -> Option<Vec<Envelope>> {
    let mut batch = vec![queue.recv().ok()?];
    let mut bytes = batch[0].payload.len();
    while batch.len() < BATCH_EVENTS && bytes < BATCH_BYTES {
        let Ok(next) = queue.try_recv() else { break };
        bytes += next.payload.len();
        batch.push(next);
    }
    Some(batch)
}

struct Sender {
    agent: ureq::Agent,
    url: String,
    authorization: Option<String>,
}

impl Sender {
    fn post(&self, batch: Vec<Envelope>) -> Vec<Settlement> {
        let mut body = Vec::with_capacity(batch.iter().map(|envelope| envelope.payload.len() + 1).sum());
        for envelope in &batch {
            body.extend_from_slice(&envelope.payload);
            body.push(b'\n');
        }
        let mut request = self.agent.post(&self.url).header("content-type", "application/x-ndjson");
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        let outcomes = match request.send(&body) {
            Err(error) => vec![Outcome::Unavailable(error.to_string()); batch.len()],
            Ok(mut response) => {
                let status = response.status().as_u16();
                let answer = response.body_mut().read_to_string().unwrap_or_default();
                outcomes_of(status, &answer, batch.len())
            }
        };
        batch.into_iter().zip(outcomes).map(|(envelope, outcome)| Settlement { envelope, outcome }).collect()
    }
}

/// Reads the server's answer: `{"results": [{"status": "accepted" | "duplicate" | "invalid", "reason"?}]}`, one result a
/// line. Anything else, and any other status, is an outage: the events are kept and sent again.
fn outcomes_of(status: u16, answer: &str, count: usize) -> Vec<Outcome> {
    let results = serde_json::from_str::<Value>(answer).ok();
    let results = results.as_ref().and_then(|answer| answer.get("results")).and_then(Value::as_array);
    match results {
        Some(results) if (200..300).contains(&status) && results.len() == count => {
            results.iter().map(outcome_of).collect()
        }
        _ => vec![Outcome::Unavailable(format!("the server answered {status}")); count],
    }
}

fn outcome_of(result: &Value) -> Outcome {
    match result.get("status").and_then(Value::as_str) {
        Some("accepted" | "duplicate") => Outcome::Delivered,
        Some("invalid") => {
            Outcome::Rejected(result.get("reason").and_then(Value::as_str).unwrap_or("no reason given").to_owned())
        }
        _ => Outcome::Unavailable("the server answered something unknown".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(without_password("http://u:p@host:1/api"), "http://host:1/api");
        assert_eq!(without_password("http://host:1/a@b"), "http://host:1/a@b");
    }

    #[test]
    fn an_address_names_a_host() {
        for good in ["http://127.0.0.1:8080", "http://issues.local/", "http://[::1]:80/tracker", "https://u:p@host:1"] {
            assert!(is_address(good), "{good}");
        }
        for bad in ["http://", "http://ho st", "http://host:port", "http://host?a=b", "http://:80", "/path", ""] {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn a_key_fits_into_a_header() {
        assert!(is_header_value("k3y-with.signs_=") && !is_header_value("two\nlines") && !is_header_value("key "));
    }

    #[test]
    fn each_line_has_its_own_outcome() {
        let answer =
            r#"{"results":[{"status":"accepted"},{"status":"duplicate"},{"status":"invalid","reason":"no title"}]}"#;
        assert_eq!(
            outcomes_of(200, answer, 3),
            [Outcome::Delivered, Outcome::Delivered, Outcome::Rejected("no title".into())]
        );
    }

    #[test]
    fn whatever_is_not_an_answer_of_the_server_is_an_outage() {
        for (status, answer) in
            [(200, ""), (200, "<html>"), (200, r#"{"results":[]}"#), (502, "bad gateway"), (401, "{}")]
        {
            let outcomes = outcomes_of(status, answer, 1);
            assert!(matches!(outcomes[..], [Outcome::Unavailable(_)]), "{status} {answer}: {outcomes:?}");
        }
    }
}
