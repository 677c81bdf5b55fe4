//! The running server, asked over HTTP as any program may. What it cannot answer is told with what to do about it.

use std::time::Duration;

use serde_json::Value;

use super::{Failure, Found, marked::Sent, wait_until};

/// The most that one answer may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// A server in another process.
pub(super) struct RunningServer {
    agent: ureq::Agent,
    url: String,
}

impl RunningServer {
    /// Nothing is asked yet.
    pub(super) fn at(url: &str, timeout: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(timeout.min(REQUEST_TIMEOUT)))
            .max_redirects(0)
            .http_status_as_error(false)
            // Without login it serves this machine only: there is no proxy on the way.
            .proxy(None)
            .build()
            .into();
        Self { agent, url: url.to_owned() }
    }

    /// Whether an issuetracker-server answers.
    pub(super) fn is_alive(&self) -> Found<()> {
        match self.get("/healthz")? {
            (200, answer) if answer == "ok\n" => Ok((self.url.clone(), ())),
            (421, _) => Err(Failure::new(
                format!("{} is no address of this machine", self.url),
                "give --url with 127.0.0.1 or localhost: without login the server answers to nothing else",
            )),
            (status, _) => Err(Failure::new(
                format!("{}/healthz answers {status}, which is not issuetracker-server", self.url),
                "give the server's address with --url",
            )),
        }
    }

    /// Waits until the event is in the store.
    pub(super) fn has_stored(&self, sent: &Sent, timeout: Duration) -> Found<()> {
        self.is_alive()?;
        let (_, ready) = self.get("/readyz")?;
        let ready: Value = serde_json::from_str(&ready).unwrap_or_default();
        let store = &ready["checks"]["store"];
        if store["ok"] == false {
            let reason = store["reason"].as_str().unwrap_or("no reason given");
            let advice = "mend the store; events are kept and arrive by themselves afterwards";
            return Err(Failure::new(format!("the store is down: {reason}"), advice));
        }
        let path = format!("/api/v1/issues/{}/occurrences", sent.issue_id);
        wait_until(timeout, || {
            let (status, answer) = self.get(&path)?;
            let answer: Value = serde_json::from_str(&answer).unwrap_or_default();
            let occurrences = answer["occurrences"].as_array().map(Vec::as_slice).unwrap_or_default();
            if status == 200 && occurrences.iter().any(|occurrence| occurrence["id"] == *sent.event_id) {
                return Ok((format!("issue {}", sent.issue_id), ()));
            }
            Err(Failure::new(
                format!("the event is not there, {path} answers {status}"),
                format!(
                    "see whether {} uses the store that the event went to, then look at its log, {}/readyz and the \
                     dead letters",
                    self.url, self.url
                ),
            ))
        })
    }

    /// Whether people and programs can see the issue.
    pub(super) fn shows(&self, sent: &Sent) -> Found<()> {
        let page = format!("/issues/{}", sent.issue_id);
        for path in [format!("/api/v1{page}"), page.clone()] {
            let (status, _) = self.get(&path)?;
            if status != 200 {
                let advice = "look at the server's log: it says why it cannot show this";
                return Err(Failure::new(format!("{}{path} answers {status}", self.url), advice));
            }
        }
        Ok((format!("{}{page}", self.url), ()))
    }

    /// Status and body.
    fn get(&self, path: &str) -> Result<(u16, String), Failure> {
        let url = format!("{}{path}", self.url);
        let answer = self.agent.get(&url).call().and_then(|mut response| {
            let body = response.body_mut().read_to_string()?;
            Ok((response.status().as_u16(), body))
        });
        answer.map_err(|error| {
            Failure::new(
                format!("{url}: {error}"),
                "start issuetracker-server, or say where it runs: --url http://127.0.0.1:8080",
            )
        })
    }
}
