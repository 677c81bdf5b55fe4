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
//! With nothing configured it reports to an `issuetracker-server` on this machine; [`from_env`] lists the variables,
//! [`Builder`] has the same as methods. Nothing is connected in these lines, so nothing that is down delays them. Keep the
//! guard under a name until the end of `main`: bound to `_` it is dropped at once.
//!
//! - [What it does to your service](#what-it-does-to-your-service), [what it sends](#what-it-sends), [what it never
//!   does](#what-it-never-does)
//! - [Errors](#errors), [spans](#spans), [breadcrumbs](#breadcrumbs), [panics](#panics), [fields with a
//!   meaning](#fields-with-a-meaning), [secrets](#secrets), [hooks](#hooks-and-levels)
//! - [When everything is down](#when-everything-is-down), [at exit](#at-exit), [the law of the
//!   counters](#the-law-of-the-counters), [limits](#limits)
//! - [In your tests](#in-your-tests), [features](#features)
//!
//! # What it does to your service
//!
//! **On the thread that logs**, an error is recognised by a cheap key of what it says and where. One that is known is counted
//! in a table of atomics, and that is all. One that is not is copied, with the fields of its spans, into a bounded queue. No
//! system call but for the clock, no allocation in steady state, no waiting, nobody is woken (but for the worker, once the
//! queue is a quarter full). What happens below the captured level costs a comparison; a span with fields costs copying them.
//!
//! **On one thread of the library's own**, which looks at the queue every 5 to 50 ms: texts are freed of secrets and
//! fingerprinted. The first error of its kind is sent at once; repeats are counted, and sent as one event that says how many,
//! after 1 second, then 2, 4, up to every minute. A storm of a million equal errors is a handful of events with the exact count.
//! (The HTTP road has a second thread, Kafka's client has its own, and reading the scope of a panic may take a short one.)
//!
//! What it costs in instructions, allocations and nanoseconds, beside what else there is, and how CI holds it to limits:
//! [performance.md](https://github.com/alphafusion/tracing-issues/blob/main/docs/performance.md).
//!
//! # What it sends
//!
//! One JSON object per event ([`event::IssueEvent`]), over HTTP or to a Kafka topic. This is what [a service of the
//! examples](https://github.com/alphafusion/tracing-issues/blob/main/examples/src/bin/checkout.rs) has sent (only the description is left out):
//!
//! ```json
//! {
//!   "v": 1, "op": "occurrence",
//!   "event_id": "01a20715-7e86-7616-ae05-daa03175aa76",
//!   "fingerprint": "9e60b80a308b48a11912c268ece586f63d00460802bd8a1d98979abfb970d799",
//!   "issue_id": "rwkc8znw80mnhd8e",
//!   "title": "order not paid: the payment provider cannot be reached",
//!   "description": "…",
//!   "type": "bug", "priority": "medium", "severity": "error",
//!   "reporter_id": "shop-service", "source": "service",
//!   "tags": ["component:orders", "error:io::Error(ConnectionRefused)"],
//!   "component": "orders", "context": {"first": 3},
//!   "created_at": "2026-11-23T06:26:18.876543558Z",
//!   "occurrences": 1,
//!   "first_at": "2026-11-23T06:26:18.876543558Z",
//!   "last_at": "2026-11-23T06:26:18.876543558Z",
//!   "service": "shop", "environment": "production", "release": "1.4.2",
//!   "host": "vm", "pid": 11374, "thread": "main",
//!   "error": [
//!     {"kind": "", "message": "the payment provider cannot be reached"},
//!     {"kind": "io::Error(ConnectionRefused)", "message": "Connection refused (os error 111)"}
//!   ],
//!   "spans": [
//!     {"name": "check_out", "target": "checkout", "fields": {"component": "orders", "customer": 7}}
//!   ],
//!   "breadcrumbs": [
//!     {"at": "2026-11-23T06:26:18.876189217Z", "level": "info", "message": "cart is complete items=2"},
//!     {"at": "2026-11-23T06:26:18.876245713Z", "level": "info", "message": "asking the provider"}
//!   ],
//!   "location": {"module": "checkout", "file": "examples/src/bin/checkout.rs", "line": 29}
//! }
//! ```
//!
//! # What it never does
//!
//! - It never blocks the caller: what does not fit is dropped and counted by reason.
//! - It never filters for other layers, and it is never in the way of their spans.
//! - It never reports itself: what its threads and its clients log, and what has its target, is not captured.
//! - It never runs your code (`Debug`, `Display`, hooks) under a lock, and a panic in it is caught: formatting that goes wrong
//!   is noted in the value, formatting that does not end is cut.
//! - It never guesses a count: there is no sampling. Only details of repeats are lost.
//! - It sends no environment variables, no memory, no requests: nothing but what was logged, and the names of process and host.
//!
//! # Errors
//!
//! Give the event the error itself, in a field of any name: then its whole chain of causes arrives, each with its type.
//!
//! ```
//! use std::{error::Error, io};
//!
//! # let reported = tracing_issues::testing::capture(|| {
//! let error = io::Error::from(io::ErrorKind::ConnectionRefused);
//! tracing::error!(error = &error as &dyn Error, order = 17, "order refused");
//! # });
//! # reported.assert_reported("order refused: connection refused").of_kind("io::Error(ConnectionRefused)").with_field("order", 17);
//! ```
//!
//! Everything else that services write is understood, too. A text that brings a chain is taken apart:
//!
//! ```
//! # use std::error::Error;
//! # #[derive(Debug)] struct Refused;
//! # impl std::fmt::Display for Refused { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { f.write_str("refused") } }
//! # impl Error for Refused {}
//! # #[tracing::instrument(err)] fn place() -> Result<(), Refused> { Err(Refused) }
//! # let reported = tracing_issues::testing::capture(|| {
//! # let error = anyhow::Error::from(Refused).context("order 17 cannot be placed");
//! tracing::error!(error = error.as_ref() as &dyn Error, "no order"); // anyhow, eyre: the chain with its types
//! tracing::error!(?error, "no order");                               // their `Debug`: the chain, and a backtrace if there is one
//! tracing::error!("{error:?}");                                      // the same in the message
//! tracing::error!(%error, "no order");                               // only what the outermost one says
//! tracing::error!("no order: {error:#}");                            // a plain message
//! # _ = place();
//! # });
//! # let events = reported.events();
//! # assert_eq!(events.len(), 6);
//! # let chains: Vec<_> = events.iter().map(|event| event["error"].as_array().map_or(0, Vec::len)).collect();
//! # let mut sorted = chains.clone(); sorted.sort();
//! # assert_eq!(sorted, [0, 1, 1, 1, 2, 2], "{events:#?}");
//! # reported.assert_reported("refused").times(3);
//! ```
//!
//! - `#[tracing::instrument(err)]` reports what a function returns, as text; `err(Debug)` tells its type, too.
//! - Records of the `log` crate arrive with their own target, file and line if `tracing_log::LogTracer` is installed.
//! - As text, an error is taken from the fields `error`, `err` and `e`. Of several, the first that is a `&dyn Error` is the
//!   error of the issue; the others stay among its fields.
//! - The title is the message and the outermost error; of an event with neither it is the first field.
//!
//! Errors are one issue if what is left of them without ids, times and numbers is the same: [`explain`] shows it for a
//! message, [grouping.md](https://github.com/alphafusion/tracing-issues/blob/main/docs/grouping.md) has the rules. Values belong
//! into fields (`error!(order = 17, "order refused")`), not into the message.
//!
//! # Spans
//!
//! All enclosing spans arrive, root first, each with its fields: those that it was made with, and those recorded later. The
//! scope of an event is that of its parent, also where one is named (`error!(parent: &span, ..)`), across `.await` and threads
//! as `tracing` keeps it. With the feature `opentelemetry`, so do the ids of trace and span.
//!
//! Add the layer without a filter, and it sees every span. A filter that is too narrow hides them, and one that is missing
//! keeps `info!` and `debug!` awake that nobody wants:
//! [plain-or-filtered.md](https://github.com/alphafusion/tracing-issues/blob/main/docs/plain-or-filtered.md) has figures and a
//! recommendation. Do not put a global `EnvFilter` over it: `RUST_LOG=off` would switch off the reporting of errors.
//!
//! # Breadcrumbs
//!
//! [`Builder::breadcrumbs`] keeps the last events (INFO and above) of each span tree, and sends them with an error in it: what
//! led up to it, also across `.await`. Off by default, because it formats each of these events. Events outside of any span
//! leave none.
//!
//! ```
//! # use tracing_issues::testing;
//! # let settings = tracing_issues::builder("shop");
//! # let reported = testing::capture_with(settings.breadcrumbs(20), || {
//! let _checkout = tracing::info_span!("checkout").entered();
//! tracing::info!(cart = 3, "cart is complete");
//! tracing::error!("order refused");
//! # });
//! # let refused = reported.assert_reported("order refused");
//! // its breadcrumbs: "cart is complete cart=3"
//! # assert_eq!(refused.event()["breadcrumbs"][0]["message"], "cart is complete cart=3");
//! ```
//!
//! # Panics
//!
//! A panic is an issue of severity `critical`, with message, place, backtrace and the spans of its thread. The hook is installed
//! by `build`; the one that was there is called as well. Before a panic that ends the process (that of `main`, one that
//! cannot unwind, any with `panic = "abort"`) the hook sends what waits, for at most the flush timeout. `RUST_BACKTRACE=0`
//! switches backtraces off, [`Builder::panics`] all of it. Of several layers, the one that was built last reports.
//!
//! # Fields with a meaning
//!
//! | field | meaning |
//! |---|---|
//! | `component` | the part of the service; of the event, else of the nearest span that has one, else the target. Part of the fingerprint |
//! | `severity` | `warning`, `error` or `critical`; else what [`ErrorType`] says, else by level. Priority follows from it |
//! | `fingerprint` | overrules the grouping; `{{ default }}` in it stands for ours, so that it refines it |
//! | `tags.customer` | a tag `customer:` and the value; an empty value is the tag `customer` |
//! | `error`, `err`, `e` | the error, also as text |
//!
//! # Secrets
//!
//! They are taken out before anything is fingerprinted, sent, written to the spool or to stderr: in messages, fields, spans,
//! errors, panics, backtraces, breadcrumbs, tags.
//!
//! - All of a field whose name is that of a secret: `password`, `db_password`, `apiKey`, `authorization`, `session_id`, …
//! - In a text: values behind such a name, bearer tokens, JSON web tokens, passwords in addresses, data source names and
//!   commands (`curl -u user:pw`), keys of well-known vendors, private keys, card numbers. Each becomes `[redacted]`; what names it stays.
//! - E-mail and IP addresses stay, and so does what neither looks like a secret nor is named like one. It is a net, no promise.
//!
//! ```
//! use tracing_issues::Redactor;
//!
//! let redactor = Redactor::default()
//!     .with_name("iban")                                             // `customer_iban`, `customerIban`, ..
//!     .with_rule(|text| text.contains("PX-").then(|| "[a patient]".to_owned()));
//! assert_eq!(redactor.text("login with password=hunter2"), "login with password=[redacted]");
//! assert_eq!(redactor.text("iban: DE02120300000000202051"), "iban: [redacted]");
//! assert_eq!(redactor.text("record of PX-4711 is locked"), "[a patient]");
//! let builder = tracing_issues::builder("clinic").redactor(redactor); // or `Redactor::off()`
//! ```
//!
//! # Hooks and levels
//!
//! ```
//! use tracing::Level;
//! use tracing_issues::{ErrorType, event::Severity};
//!
//! # #[derive(Debug)] struct VenueClosed;
//! # impl std::fmt::Display for VenueClosed { fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result { f.write_str("closed") } }
//! # impl std::error::Error for VenueClosed {}
//! let builder = tracing_issues::builder("orders")
//!     .level(Level::WARN)                                             // `warn!` makes issues of severity `warning`
//!     .filter(|metadata| !metadata.target().starts_with("hyper"))     // by callsite, on the thread that logs; not counted
//!     .error_type(ErrorType::of::<VenueClosed>().severity(Severity::Warning)) // an error of this type, wherever it happens
//!     .before_send(|event| {                                          // on the library's thread; what it drops is counted
//!         event.tags.push("team:trading".to_owned());
//!         event.component != "probe"
//!     });
//! # let reported = tracing_issues::testing::capture_with(builder, || {
//! #     tracing::error!(error = &VenueClosed as &dyn std::error::Error, "order refused");
//! #     tracing::error!(component = "probe", "x");
//! # });
//! # let event = reported.assert_reported("order refused: closed").times(1).event();
//! # assert_eq!((event["severity"].as_str(), reported.occurrences()), (Some("warning"), 1));
//! # assert_eq!(event["tags"][2], "team:trading");
//! ```
//!
//! A hook that panics loses no error: the event is sent as it was.
//!
//! # When everything is down
//!
//! Nothing changes for the service: errors are counted, and the cost of an `error!` stays what it is. What is an event already
//! waits with its id, everything else goes on being counted by fingerprint. The road is tried again after 2 s, then 4, 8, up to
//! every 30 (and up to a quarter more). stderr gets one line when the road is blocked and one when it is open again; each
//! different error is named there once per outage, as a line of JSON. Redis being down changes only traffic, never counts.
//!
//! What waits is in memory. With [`Builder::spool`] it is in a directory as well: events as they are made, counts twice a second.
//! The next process of the same service and environment sends what it finds there, under the same ids, so that nothing
//! counts twice.
//!
//! # At exit
//!
//! Dropping the guard sends what was captured, due or not, for at most the flush timeout (5 s) and half a second. What is lost:
//!
//! | how the process ends | road up | road down | down, with a spool |
//! |---|---|---|---|
//! | `main` returns; SIGTERM that ends `main`; a panic that unwinds `main` | nothing | what waits; stderr says how much | nothing |
//! | [`IssueGuard::flush`], then `process::exit` | nothing | what waits; `flush` answers `false` | nothing |
//! | a panic that aborts | nothing | what waits | nothing |
//! | `process::exit`, `process::abort`, SIGTERM that nobody handles, `kill -9` | what was not sent yet: repeats since the last summary, and the last 50 ms | what waits | what came within the last second |
//!
//! A spool helps in the last row with the road up, too. When the machine dies, what its kernel had not written is lost as well.
//!
//! # The law of the counters
//!
//! At any instant, every error that reached the layer is in exactly one place ([`Stats`]):
//!
//! ```
//! # use tracing_subscriber::prelude::*;
//! # let (publisher, _) = tracing_issues::testing::memory();
//! # let (issues, guard) = tracing_issues::builder("shop").publisher(publisher).build()?;
//! # tracing::subscriber::with_default(tracing_subscriber::registry().with(issues), || {
//! tracing::error!("order refused");
//! let stats = guard.stats();
//! assert_eq!(stats.seen, stats.delivered + stats.queued + stats.aggregated + stats.dropped.total());
//! # });
//! # Ok::<(), tracing_issues::ConfigError>(())
//! ```
//!
//! What was dropped is told to the server with the next event, by reason ([`DropReason`]).
//!
//! # Limits
//!
//! | of | at most | beyond that |
//! |---|---|---|
//! | one value | 8 KiB; 32 KiB of an error that comes as text | cut with `…`, not even formatted |
//! | an event or span | 64 fields | the first are kept |
//! | an event with its spans | 64 KiB of text | fields that do not fit are left out, of outer spans first |
//! | a scope | 32 spans | the nearest are kept |
//! | an error | 32 causes | the outermost are kept |
//! | an event on the wire | 256 KiB | details are cut; `context.truncated` says so |
//! | the queue | 8,192 reports ([`Builder::queue_capacity`]), 8 MiB | dropped as `queue_full` |
//! | different errors at a time | 4,096 | those that were told make room; else dropped as `too_many_issues` |
//! | new issues of one place | 100 an hour | the rest are one issue of the place, with an exact count |
//! | details for the next summaries | 8 MiB | of further errors 16 fields and 256 bytes of each text are kept, no spans |
//! | events on their way | 256, 4 MiB | errors are counted until there is room |
//! | the spool | 64 MiB a process | kept in memory only |
//!
//! # In your tests
//!
//! [`testing::capture`] runs code with a layer of its own, and what it returns can be asked:
//!
//! ```
//! let reported = tracing_issues::testing::capture(|| tracing::error!(order = 17, "order refused"));
//! reported.assert_reported("order refused").with_field("order", 17);
//! ```
//!
//! # Features
//!
//! They only add code. A setting that needs one that is not there is an error that names it.
//!
//! | feature | adds |
//! |---|---|
//! | `http` (default) | the HTTP road to an `issuetracker-server` |
//! | `https` | `https://` addresses for it |
//! | `kafka` | the Kafka road; builds librdkafka, which needs a C compiler and make |
//! | `kafka-tls` | TLS and SASL SCRAM for it; needs OpenSSL's headers |
//! | `redis` | instances of a service share what they have reported, so that one of them sends it at once |
//! | `opentelemetry` | the ids of trace and span, from `tracing-opentelemetry` |
//! | `metrics` | the counters through the `metrics` facade |

mod aggregate;
mod breadcrumbs;
mod builder;
mod bytes;
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
