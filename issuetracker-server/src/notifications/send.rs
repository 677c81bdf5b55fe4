//! The three channels. A request follows no redirect, is bounded in time, and goes to addresses that may be used; what comes
//! back is read no further than its status.

use std::{sync::Arc, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Tokio1Executor,
    message::{Mailbox, header},
    transport::smtp::authentication::Credentials,
};
use reqwest::{Client, redirect};
use sha2::Sha256;

use super::{
    address::Allowed,
    message::Message,
    rule::{Channel, Rule},
};
use crate::{
    config::{MailConfig, MailSecurity, NotifyConfig},
    domain::hex,
    metrics,
    triage::{InvalidField, invalid},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How long a connection, and all of it, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const TIMEOUT: Duration = Duration::from_secs(10);

/// The header with a webhook's signature: `t=<seconds>,v1=<hex of HMAC-SHA256 of "<seconds>.<body>">`.
const SIGNATURE: &str = "x-issuetracker-signature";

struct Mail {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

/// Sends messages.
pub(super) struct Sender {
    http: Client,
    allowed: Allowed,
    mail: Option<Mail>,
    /// Where links lead.
    base: String,
}

impl Sender {
    pub(super) fn new(config: NotifyConfig, base: String) -> Result<Self, BoxError> {
        let allowed = Allowed(config.internal_hosts.into());
        let http = Client::builder()
            .dns_resolver(Arc::new(allowed.clone()))
            .redirect(redirect::Policy::none())
            // A proxy would resolve the name for us, to what it likes.
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .user_agent(concat!("issuetracker/", env!("CARGO_PKG_VERSION")))
            .build()?;
        let mail = config.mail.map(mail).transpose()?;
        Ok(Self { http, allowed, mail, base })
    }

    pub(super) fn has_mail(&self) -> bool {
        self.mail.is_some()
    }

    /// Why a rule could never be followed.
    pub(super) fn complaints(&self, rule: &Rule) -> Vec<InvalidField> {
        let wrong = match rule.channel {
            Channel::Mail if self.mail.is_none() => Some(invalid(
                "channel",
                "this server sends no mail: set ISSUETRACKER_SMTP_URL and ISSUETRACKER_SMTP_FROM",
            )),
            Channel::Mail => None,
            Channel::Slack | Channel::Webhook => {
                self.allowed.complaint(&rule.address.0).map(|what| invalid("address", what))
            }
        };
        wrong.into_iter().collect()
    }

    /// Sends a message; the error is for people, and has no secret.
    pub(super) async fn send(&self, rule: &Rule, message: &Message) -> Result<(), String> {
        let sent = match rule.channel {
            Channel::Slack => self.post(rule, message.slack(&self.base).to_string(), None).await,
            Channel::Webhook => {
                let body = message.webhook(&self.base).to_string();
                let secret = rule.secret.as_ref().map(|secret| secret.0.as_str()).unwrap_or_default();
                let signature = signature(secret, message.at.as_second(), &body);
                self.post(rule, body, Some(signature)).await
            }
            Channel::Mail => match tokio::time::timeout(TIMEOUT, self.mail(rule, message)).await {
                Ok(sent) => sent,
                Err(_) => Err("the mail server did not answer in time".to_owned()),
            },
        };
        metrics::notification(rule.channel.as_str(), sent.is_ok());
        sent
    }

    async fn post(&self, rule: &Rule, body: String, signature: Option<String>) -> Result<(), String> {
        // The operator may have taken a host off the list.
        if let Some(complaint) = self.allowed.complaint(&rule.address.0) {
            return Err(complaint.to_owned());
        }
        let mut request = self.http.post(&rule.address.0).header("content-type", "application/json").body(body);
        if let Some(signature) = signature {
            request = request.header(SIGNATURE, signature);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) if answer.status().is_redirection() => {
                Err(format!("{} answers {}: redirects are not followed", rule.place(), answer.status().as_u16()))
            }
            Ok(answer) => Err(format!("{} answers {}", rule.place(), answer.status().as_u16())),
            Err(error) => Err(format!("{}: {}", rule.place(), in_words(error))),
        }
    }

    async fn mail(&self, rule: &Rule, message: &Message) -> Result<(), String> {
        let Some(mail) = &self.mail else { return Err("this server sends no mail".to_owned()) };
        let mut builder = lettre::Message::builder()
            .from(mail.from.clone())
            .subject(message.subject())
            .header(header::ContentType::TEXT_PLAIN);
        for address in rule.recipients() {
            let address = address.parse().map_err(|_| format!("{address:?} is no mail address"))?;
            builder = builder.to(Mailbox::new(None, address));
        }
        let mut letter = builder.body(message.text(&self.base)).map_err(|error| error.to_string())?;
        // No out-of-office answers to a machine.
        let name = header::HeaderName::new_from_ascii_str("Auto-Submitted");
        letter.headers_mut().insert_raw(header::HeaderValue::new(name, "auto-generated".to_owned()));
        mail.transport.send(letter).await.map(drop).map_err(|error| format!("the mail server: {error}"))
    }
}

fn mail(config: MailConfig) -> Result<Mail, BoxError> {
    type Transport = AsyncSmtpTransport<Tokio1Executor>;
    let builder = match config.security {
        MailSecurity::Tls => Transport::relay(&config.host)?,
        MailSecurity::StartTls => Transport::starttls_relay(&config.host)?,
        MailSecurity::Plain => Transport::builder_dangerous(&config.host),
    };
    let mut builder = builder.timeout(Some(TIMEOUT));
    if let Some(port) = config.port {
        builder = builder.port(port);
    }
    if let Some((username, password)) = config.credentials {
        builder = builder.credentials(Credentials::new(username, password.0));
    }
    Ok(Mail { transport: builder.build(), from: config.from })
}

/// What went wrong on the way; not the address, which may be a secret.
fn in_words(error: reqwest::Error) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut source = &error as &dyn std::error::Error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}

fn signature(secret: &str, seconds: i64, body: &str) -> String {
    // A key of any length is one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{seconds}.{body}").as_bytes());
    format!("t={seconds},v1={}", hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_rfc_2104() {
        // printf '1.{}' | openssl dgst -sha256 -hmac key
        let expected = "t=1,v1=1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224";
        assert_eq!(signature("key", 1, "{}"), expected);
    }
}
