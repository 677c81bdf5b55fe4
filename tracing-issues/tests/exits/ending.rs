//! The part of the process that ends: it logs, tells what it has counted, and ends in one of the ways.
//! Whether that was right is for the parent to say.

use std::{
    os::unix::process::ExitStatusExt,
    process::{self, ExitCode, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::error;
use tracing_issues::IssueGuard;
use tracing_subscriber::prelude::*;

/// The variable with the part to play.
pub(crate) const PART: &str = "TRACING_ISSUES_TEST_PART";
/// How a line to the parent starts.
pub(crate) const TELLS: &str = "counted: ";

/// A way to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Return,
    Sigterm,
    Panic,
    ExitAfterFlush,
    Exit,
    Abort,
    UnhandledSigterm,
    Kill,
}

use Ending::{Abort, Exit, ExitAfterFlush, Kill, Panic, Return, Sigterm, UnhandledSigterm};

pub(crate) const ALL: [Ending; 8] = [Return, Sigterm, Panic, ExitAfterFlush, Exit, Abort, UnhandledSigterm, Kill];

/// Errors of five bugs, logged at once.
pub(crate) const BURST: u64 = 100;

/// Longer than the worker sleeps, and as long as it takes it to write counts to the disk.
const MOMENT: Duration = Duration::from_millis(500);

impl Ending {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Return => "`main` returns",
            Sigterm => "SIGTERM, and `main` returns",
            Panic => "`main` panics and unwinds",
            ExitAfterFlush => "`flush`, then `process::exit`",
            Exit => "`process::exit`",
            Abort => "`process::abort`",
            UnhandledSigterm => "SIGTERM that nobody handles",
            Kill => "SIGKILL",
        }
    }

    /// What the parent sends to end it.
    pub(crate) fn signal(self) -> Option<&'static str> {
        match self {
            Sigterm | UnhandledSigterm => Some("TERM"),
            Kill => Some("KILL"),
            _ => None,
        }
    }

    /// Whether the library has a chance to send what waits.
    pub(crate) fn is_graceful(self) -> bool {
        matches!(self, Return | Sigterm | Panic | ExitAfterFlush)
    }

    /// Whether the library knows that this was the end.
    pub(crate) fn says_what_is_lost(self) -> bool {
        matches!(self, Return | Sigterm | Panic)
    }

    /// What is logged after the parent was told of the counters.
    pub(crate) fn errors_at_the_end(self) -> u64 {
        match self {
            Sigterm => BURST,
            // The panic itself.
            Panic => 1,
            _ => 0,
        }
    }

    pub(crate) fn is_status(self, status: ExitStatus) -> bool {
        let [sigabrt, sigkill, sigterm] = [6, 9, 15].map(Some);
        match self {
            Return | Sigterm => status.success(),
            Panic => status.code() == Some(101),
            ExitAfterFlush | Exit => status.code() == Some(7),
            Abort => status.signal() == sigabrt,
            UnhandledSigterm => status.signal() == sigterm,
            Kill => status.signal() == sigkill,
        }
    }
}

fn burst() {
    for number in 0..BURST / 5 {
        for fault in ["stalled", "refused", "vanished", "diverged", "froze"] {
            error!(number, "the feed {fault}");
        }
    }
}

/// Tells the parent what is counted now.
fn tell(guard: &IssueGuard) {
    println!("{TELLS}{}", serde_json::to_string(&guard.stats()).unwrap());
}

/// What a process does before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// It logs, and ends at once.
    Hasty,
    /// It logs, and ends when the disk knows of it.
    Patient,
    /// It logs nothing: it is there for what another one has left.
    Heir,
}

/// A service, from its start to its end.
pub(crate) fn play(part: &Value) -> ExitCode {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let timeout = Duration::from_millis(part["timeout_ms"].as_u64().unwrap());
    let ending = *ALL.iter().find(|ending| ending.name() == part["ending"]).unwrap();
    let role: Role = serde_json::from_value(part["role"].clone()).unwrap();
    let is_up = part["is_up"] == true;
    let mut builder = tracing_issues::builder("newsfeed").flush_timeout(timeout);
    builder = match text(&part["road"]["url"]) {
        Some(url) => builder.url(url),
        None => {
            let brokers = text(&part["road"]["brokers"]).unwrap();
            builder.kafka_brokers(brokers).topic(text(&part["road"]["topic"]).unwrap())
        }
    };
    if let Some(spool) = text(&part["spool"]) {
        builder = builder.spool(spool);
    }
    let (issues, guard) = builder.build().unwrap();
    tracing_subscriber::registry().with(issues).init();
    match role {
        Role::Heir => thread::sleep(MOMENT),
        Role::Hasty | Role::Patient => {
            burst();
            let start = Instant::now();
            // Up: the first errors are out, their repeats wait for the summary. Down: long enough to notice.
            while is_up && guard.stats().published < 5 {
                assert!(start.elapsed() < timeout, "nothing was sent: {:?}", guard.stats());
                thread::sleep(Duration::from_millis(2));
            }
            if !is_up {
                thread::sleep(MOMENT);
            }
            burst();
        }
    }
    if role == Role::Patient {
        thread::sleep(4 * MOMENT);
    }
    if ending == Sigterm {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            let mut sigterm = signal(SignalKind::terminate()).unwrap();
            tell(&guard);
            sigterm.recv().await.unwrap();
        });
        burst();
        return ExitCode::SUCCESS;
    }
    tell(&guard);
    match ending {
        Return | Sigterm => ExitCode::SUCCESS,
        Panic => panic!("nobody expected this"),
        ExitAfterFlush => {
            let is_complete = guard.flush(timeout);
            assert_eq!(is_complete, is_up);
            process::exit(7)
        }
        Exit => process::exit(7),
        Abort => process::abort(),
        UnhandledSigterm | Kill => loop {
            thread::park();
        },
    }
}
