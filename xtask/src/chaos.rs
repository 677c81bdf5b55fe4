//! `cargo xtask chaos`: the tests that break things (`issuetracker-server/tests/chaos`), for minutes if asked, with a report.
//! It knows nothing of what they break.

use std::fs;

use crate::{
    run::{Outcome, cargo_with, say, script},
    test::{service_variables, target_directory},
};

const USAGE: &str = "[--long] [--minutes N] [--only SCENARIO]
    --long       50 kills in 100,000 events, faults that last, 3 minutes of load in each scenario
    --minutes N  the same with N minutes
    --only       kills, members, outages, disk, broker, replay, clocks or letters; or a part of a test's name";

const HEAD: &str = "| scenario | store | events | errors | issues | took | against the ledger | what happened |
|---|---|---|---|---|---|---|---|";

pub(crate) fn run(arguments: &[String]) -> Outcome {
    let options = Options::of(arguments)?;
    script("scripts/services", &["up", "--install", "kafka", "firestore"].map(str::to_owned))?;
    let report = target_directory().with_file_name("chaos-report.md");
    fs::write(&report, format!("{HEAD}\n")).map_err(|error| format!("{}: {error}", report.display()))?;
    let mut variables = service_variables()?;
    variables.push(("CHAOS_REPORT".to_owned(), report.display().to_string()));
    let mut arguments = vec!["test", "--package", "issuetracker-server", "--test", "chaos", "--"];
    if let Some(minutes) = options.minutes {
        variables.push(("CHAOS_MINUTES".to_owned(), minutes.to_string()));
        // One after the other: the load of one is not the outage of another.
        arguments.push("--test-threads=1");
    }
    arguments.extend(options.only.as_deref());
    let outcome = cargo_with(&arguments, &variables);
    let table = fs::read_to_string(&report).map_err(|error| format!("{}: {error}", report.display()))?;
    say(&format!("\n{table}\nThe same in {}", report.display()));
    if table.trim_end() == HEAD {
        return Err(format!("no scenario was run\nUsage: cargo xtask chaos {USAGE}"));
    }
    outcome
}

#[derive(Default)]
struct Options {
    /// The long form.
    minutes: Option<u64>,
    only: Option<String>,
}

impl Options {
    fn of(arguments: &[String]) -> Outcome<Self> {
        let (mut options, mut arguments) = (Self::default(), arguments.iter());
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--long" => options.minutes = options.minutes.or(Some(3)),
                "--minutes" => {
                    let minutes = arguments.next().and_then(|minutes| minutes.parse().ok());
                    options.minutes = Some(minutes.ok_or("--minutes needs a number")?);
                }
                "--only" => options.only = Some(arguments.next().ok_or("--only needs a scenario")?.clone()),
                other => return Err(format!("{other} is not known\nUsage: cargo xtask chaos {USAGE}")),
            }
        }
        Ok(options)
    }
}
