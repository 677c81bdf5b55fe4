//! The marked error: logged through the library, as a service does it, so that its road is a service's road. It has an
//! issue of its own, always the same one, which each examination adds an occurrence to.

use std::{sync::mpsc, time::Duration};

use tracing_subscriber::layer::SubscriberExt;

use super::{Failure, Found};

/// How events travel.
pub(super) enum Road<'a> {
    /// To the server at this address.
    Http(&'a str),
    /// Through this topic.
    #[cfg(feature = "kafka")]
    Kafka(&'a crate::config::KafkaConfig),
}

/// What identifies the error on the other side.
pub(super) struct Sent {
    pub(super) issue_id: String,
    pub(super) event_id: String,
}

/// Sends it, and waits until the receiver has acknowledged it.
pub(super) fn send(road: &Road<'_>, timeout: Duration) -> Found<Sent> {
    let (tell, told) = mpsc::channel();
    let builder = tracing_issues::builder("issuetracker-doctor")
        .release(env!("CARGO_PKG_VERSION"))
        .panics(false)
        .flush_timeout(Duration::from_millis(100))
        .before_send(move |event| {
            event.tags.push("doctor:true".to_owned());
            let issue_id = event.issue_id.as_ref().map(ToString::to_string).unwrap_or_default();
            // Nobody listens any more: then nobody wants to know.
            let _ = tell.send(Sent { issue_id, event_id: event.event_id.to_string() });
            true
        });
    let builder = match road {
        Road::Http(url) => builder.url(*url),
        #[cfg(feature = "kafka")]
        Road::Kafka(kafka) => crate::kafka::settings(&kafka.security)
            .into_iter()
            .fold(builder.kafka_brokers(&kafka.brokers).topic(&kafka.topic), |builder, (name, value)| {
                builder.kafka_setting(name, value)
            }),
    };
    let (issues, guard) =
        builder.build().map_err(|error| Failure::new(error.to_string(), "mend this setting or the --url"))?;
    // For this thread only: what else the process logs is no part of the examination.
    tracing::subscriber::with_default(tracing_subscriber::registry().with(issues), || {
        tracing::error!(fingerprint = "issuetracker-doctor", severity = "warning", "{MESSAGE}");
    });
    let is_delivered = guard.flush(timeout);
    let stats = guard.stats();
    if stats.dropped.rejected > 0 {
        return Err(Failure::new("the event was refused for good; why is above", refused_advice(road)));
    }
    if !is_delivered || stats.delivered == 0 {
        return Err(Failure::new(format!("not acknowledged within {} s", timeout.as_secs()), down_advice(road)));
    }
    let sent = told.try_recv().map_err(|_| Failure::new("the library sent nothing", "report this as a bug"))?;
    Ok((format!("event {}", sent.event_id), sent))
}

const MESSAGE: &str = "a test error by `issuetracker-server doctor`; it means that errors arrive here";

fn refused_advice(road: &Road<'_>) -> &'static str {
    match road {
        Road::Http(_) => "update the server: it does not know events of this version",
        #[cfg(feature = "kafka")]
        Road::Kafka(_) => "let the topic take records of 1 MB (`max.message.bytes`)",
    }
}

fn down_advice(road: &Road<'_>) -> String {
    match road {
        Road::Http(url) => format!("look at {url}/readyz and the server's log; the line above says what it answered"),
        #[cfg(feature = "kafka")]
        Road::Kafka(kafka) => format!(
            "check that this machine may write to the topic {} and reaches the address that the broker advertises",
            kafka.topic
        ),
    }
}
