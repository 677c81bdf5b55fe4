//! A hostile neighbourhood: foreign code that panics where nobody expects it, a stderr that takes nothing, threads that panic
//! together. Each was a defect once.
//! Receivers that are down have tests of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod support;

use std::{
    error::Error,
    fmt,
    fs::OpenOptions,
    process::{Command, Stdio},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use tracing::{error, error_span, info, info_span};
use tracing_issues::{
    dedup::{Deduplicator, Verdict},
    fingerprint::Fingerprint,
    publish::{Envelope, Outcome, Publisher, Settlement},
};
use tracing_subscriber::prelude::*;

use crate::support::{captured_with, in_own_process, install_with};

#[test]
fn a_breadcrumb_leaves_nothing_in_the_next_span() {
    let (events, _) = captured_with(
        |builder| builder.breadcrumbs(5),
        || {
            let _root = info_span!("root").entered();
            info!(customer = "acme", component = "billing", "paid");
            let _span = info_span!("next", round = 7).entered();
            error!("lost");
        },
    );
    let event = &events[0];
    assert_eq!(event["spans"][1]["fields"], serde_json::json!({ "round": 7 }), "{event:#}");
}
