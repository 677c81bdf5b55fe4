//! What do two threads that log at once cost each other?
//!
//! Run with `cargo xtask bench`. On a machine with two cores the background threads compete as well.

use std::process::ExitCode;

use benches::{
    Pace, Scenario,
    report::{Column, Programs, Question},
};

const PROGRAMS: Programs =
    Programs { time: env!("CARGO_BIN_EXE_measure_time"), allocations: env!("CARGO_BIN_EXE_count_allocations") };

const QUESTION: Question = Question {
    contenders: &["ours", "sentry", "sentry-errors", "opentelemetry-spans", "opentelemetry", "fmt", "none"],
    tables: &[(
        "two-threads",
        &[
            Column { label: "the same error, one thread", scenario: Scenario::Repeat, pace: Pace::Warm },
            Column { label: "… two threads", scenario: Scenario::Repeat, pace: Pace::TwoThreads },
            Column { label: "new errors, one thread", scenario: Scenario::New, pace: Pace::Warm },
            Column { label: "… two threads", scenario: Scenario::New, pace: Pace::TwoThreads },
        ],
    )],
};

fn main() -> anyhow::Result<ExitCode> {
    Ok(QUESTION.ask(PROGRAMS)?.verdict())
}
