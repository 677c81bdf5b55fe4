//! What does one event cost the thread that calls it: with our layer, without, and with what else there is?
//!
//! Run with `cargo xtask bench`; `-- --quick` for a first impression that writes nothing.

use std::{fs, process::ExitCode};

use benches::{
    Pace, Scenario,
    report::{Answer, Column, Effort, Programs, Question, conditions, plot, replace, summary},
};

const PROGRAMS: Programs =
    Programs { time: env!("CARGO_BIN_EXE_measure_time"), allocations: env!("CARGO_BIN_EXE_count_allocations") };

const CONTENDERS: &[&str] = &["ours", "sentry", "sentry-errors", "opentelemetry-spans", "opentelemetry", "fmt", "none"];

const WARM: [Column; 4] = columns(Pace::Warm);
const COLD: [Column; 4] = columns(Pace::Cold);

const QUESTION: Question = Question { contenders: CONTENDERS, tables: &[("warm", &WARM), ("cold", &COLD)] };

const fn columns(pace: Pace) -> [Column; 4] {
    [
        Column { label: "the same error again", scenario: Scenario::Repeat, pace },
        Column { label: "a new error in two spans", scenario: Scenario::New, pace },
        Column { label: "`info!` beside it", scenario: Scenario::Info, pace },
        Column { label: "a span with three fields", scenario: Scenario::Span, pace },
    ]
}

fn main() -> anyhow::Result<ExitCode> {
    let answer = QUESTION.ask(PROGRAMS)?;
    if answer.effort == Effort::Full {
        write_plot(&answer)?;
        replace("docs/performance.md", "machine", &conditions())?;
        replace("README.md", "summary", &summary(&answer, CONTENDERS, &WARM))?;
    }
    Ok(answer.verdict())
}

fn write_plot(answer: &Answer) -> anyhow::Result<()> {
    let groups: Vec<(Column, Column)> = WARM.into_iter().zip(COLD).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.svg");
    Ok(fs::write(path, plot(answer, CONTENDERS, &groups))?)
}
