//! A running server, asked over its API. What it says no with is told in its own words.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Client, Method, RequestBuilder, Response, Url, header, redirect};
use serde_json::Value;

use crate::auth::csrf_token;

/// How long an answer may take; a stream goes on.
const TIMEOUT: Duration = Duration::from_secs(35);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct RunningServer {
    client: Client,
    url: Url,
    cookie: Option<String>,
    csrf: Option<String>,
}

impl RunningServer {
    /// Nothing is asked yet. `session` is the value of the browser's cookie.
    pub(super) fn at(url: &str, session: Option<&str>) -> anyhow::Result<Self> {
        let url = Url::parse(url).with_context(|| format!("--server: {url} is no address"))?;
        // Where it leads, somebody else might be told who we are.
        let client = Client::builder().redirect(redirect::Policy::none()).connect_timeout(CONNECT_TIMEOUT).build()?;
        let name = if url.scheme() == "https" { "__Host-issuetracker" } else { "issuetracker" };
        Ok(Self {
            client,
            url,
            cookie: session.map(|session| format!("{name}={session}")),
            csrf: session.map(csrf_token),
        })
    }

    pub(super) async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = self.url.join(path)?;
        url.query_pairs_mut().extend_pairs(query);
        let answer = self.ask(self.client.get(url).timeout(TIMEOUT)).await?;
        answer.json().await.context("the answer is not JSON")
    }

    pub(super) async fn text(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.ask(self.client.get(self.url.join(path)?).timeout(TIMEOUT)).await?;
        Ok(answer.text().await?)
    }

    pub(super) async fn send(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let method = Method::from_bytes(method.as_bytes())?;
        let request = self.client.request(method, self.url.join(path)?).timeout(TIMEOUT);
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body.to_string());
        self.ask(request).await?.json().await.context("the answer is not JSON")
    }

    /// Live updates since an event, or from now on.
    pub(super) async fn stream(&self, last: Option<&str>) -> anyhow::Result<Response> {
        let mut request = self.client.get(self.url.join("/api/v1/stream")?);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        self.ask(request).await
    }

    async fn ask(&self, mut request: RequestBuilder) -> anyhow::Result<Response> {
        if let Some(cookie) = &self.cookie {
            request = request.header(header::COOKIE, cookie);
        }
        if let Some(token) = &self.csrf {
            request = request.header("x-csrf-token", token);
        }
        let answer = request.send().await.with_context(|| {
            format!("no issuetracker-server answers at {}; --server or ISSUES_SERVER says where one is", self.url)
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let said: Value = answer.json().await.unwrap_or_default();
        let message = said["error"]["message"].as_str().unwrap_or_default().to_owned();
        if status.as_u16() == 401 || status.is_redirection() {
            bail!(Refused(
                "this server has login: set ISSUES_SESSION to the value of the session cookie of your browser"
                    .to_owned()
            ));
        }
        if status.is_client_error() && status.as_u16() != 429 {
            bail!(Refused(if message.is_empty() { format!("the server answers {status}") } else { message }));
        }
        bail!("the server answers {status} {message}")
    }
}

/// The server has understood, and says no: asking again would not help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Refused(String);
