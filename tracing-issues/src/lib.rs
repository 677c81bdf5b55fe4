//! Turns every `error!` of a service into a categorised, fingerprinted issue, without ever blocking the service.
//!
//! A service adds one layer and keeps one guard:
//!
//! ```no_run
//! use tracing_subscriber::prelude::*;
//!
//! fn main() -> Result<(), tracing_issues::ConfigError> {
//!     let (issues, _guard) = tracing_issues::from_env()?;
//!     tracing_subscriber::registry().with(issues).init();
//!
//!     tracing::error!(order = 17, "order refused");
//!     Ok(())
//! }
//! ```
//!
//! # What it does to your service
//!
//! - On the thread that logs: the event, its error chain and the fields of the enclosing spans are copied into a bounded
//!   queue. It never waits, takes no lock that another thread holds for long, does no I/O and wakes nobody. A full queue
//!   drops the report and counts it.
//! - On one thread of its own: the report is categorised and fingerprinted. The first error of its kind is sent at once;
//!   repeats are counted and sent as one summary, after one second, then two, four, up to every minute.
//! - Events below ERROR and spans of other layers are left alone: this layer filters nothing for anybody.
//!
//! # What it sends, and where
//!
//! One JSON object per event ([`event::IssueEvent`]) over HTTP to an `issuetracker-server` (by default the one on this
//! machine), or to a Kafka topic (feature `kafka`). Instances of one service share what they reported through Redis
//! (feature `redis`); without it only traffic changes, never counts.
//!
//! # When the server, Kafka or Redis is down
//!
//! Nothing changes for the service. Errors are counted by fingerprint in memory (4,096 different ones) until the road is
//! open again; one line on stderr says so. What is lost is counted by reason: see [`Stats`].
//!
//! # Features
//!
//! `http` (default), `https`, `kafka`, `kafka-tls`, `redis`, `opentelemetry`, `metrics`. They only add code.

mod aggregate;
mod breadcrumbs;
mod builder;
mod capture;
mod categorise;
mod control;
pub mod dedup;
#[doc(hidden)]
pub mod error_text;
mod error_types;
pub mod event;
mod fields;
pub mod fingerprint;
mod guard;
mod journal;
mod layer;
#[cfg(feature = "metrics")]
mod metrics;
#[doc(hidden)]
pub mod normalize;
mod novelty;
mod outbox;
mod panics;
pub mod publish;
mod queue;
#[doc(hidden)]
pub mod redact;
mod repeats;
mod report;
mod spans;
#[doc(hidden)]
pub mod spool;
mod stats;
pub mod testing;
mod trace;
mod worker;

pub use crate::{
    builder::{Builder, ConfigError, DEFAULT_TOPIC, DEFAULT_URL, builder, from_env},
    error_types::ErrorType,
    guard::IssueGuard,
    layer::IssueLayer,
    normalize::{Explanation, Kind, Piece, explain},
    redact::Redactor,
    stats::{DropReason, Dropped, Road, Stats},
};
