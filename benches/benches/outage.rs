//! What does an error cost while Kafka refuses, Redis answers nobody and the queue is full?
//!
//! Run with `cargo xtask bench`. An error is lost here only if it was not even counted.

use std::process::ExitCode;

use benches::{
    Pace, Scenario,
    report::{Column, Programs, Question},
};

const PROGRAMS: Programs =
    Programs { time: env!("CARGO_BIN_EXE_measure_time"), allocations: env!("CARGO_BIN_EXE_count_allocations") };

const QUESTION: Question = Question {
    contenders: &["ours", "ours-down"],
    tables: &[(
        "outage",
        &[
            Column { label: "the same error again", scenario: Scenario::Repeat, pace: Pace::Warm },
            Column { label: "a new error in two spans", scenario: Scenario::New, pace: Pace::Warm },
            Column { label: "… one every 1.5 ms", scenario: Scenario::New, pace: Pace::Cold },
        ],
    )],
};

fn main() -> anyhow::Result<ExitCode> {
    Ok(QUESTION.ask(PROGRAMS)?.verdict())
}
