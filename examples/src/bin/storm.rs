//! A storm of errors from many threads, to see what the library does under load and that its counts are exact.
//! Run with `cargo run --release -p examples --bin storm -- --rate max --distinct 10 --seconds 5 --threads 2`.
//!
//! Prints one JSON object on stdout when it ends: `emitted` is counted here, the rest are the library's own counters, and
//! `emitted` = `delivered` + all of `dropped`. `RUST_LOG=error` shows the errors on stderr.

use std::{
    error::Error,
    io, thread,
    time::{Duration, Instant},
};

use clap::Parser;
use serde::Serialize;
use tracing_issues::Stats;
use tracing_subscriber::{EnvFilter, fmt, prelude::*};

#[derive(Parser)]
#[command(about = "Emits errors from several threads and prints the counters as JSON")]
struct Args {
    /// Errors per second from all threads together, or `max`.
    #[arg(long, default_value = "1000", value_parser = parse_rate)]
    rate: Rate,
    /// How many different issues the errors belong to.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=MAX_DISTINCT as i64))]
    distinct: u32,
    /// Ends after so many seconds; 5 unless `--events` ends it.
    #[arg(long)]
    seconds: Option<f64>,
    /// Ends after so many errors.
    #[arg(long)]
    events: Option<u64>,
    /// Threads that emit.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    threads: u32,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Rate {
    PerSecond(f64),
    Max,
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Rate::Max),
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(Rate::PerSecond(rate)),
        _ => Err("expected a number above 0, or `max`".to_owned()),
    }
}

#[derive(Serialize)]
struct Counts {
    emitted: u64,
    #[serde(flatten)]
    library: Stats,
}

#[expect(clippy::print_stdout, reason = "the counters are the output; logs go to stderr")]
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (issues, guard) = tracing_issues::from_env()?;
    // Off unless asked for: printing every error would make this a test of the terminal.
    let stderr =
        EnvFilter::try_from_default_env().ok().map(|filter| fmt::layer().with_writer(io::stderr).with_filter(filter));
    tracing_subscriber::registry().with(issues).with(stderr).init();

    let problems: Vec<String> = (0..args.distinct).map(problem).collect();
    let seconds = args.seconds.or(if args.events.is_some() { None } else { Some(5.0) });
    let storm = Storm {
        problems: &problems,
        interval: match args.rate {
            Rate::PerSecond(rate) => Duration::from_secs_f64(1.0 / rate),
            Rate::Max => Duration::ZERO,
        },
        start: Instant::now(),
        duration: seconds.map(Duration::try_from_secs_f64).transpose()?,
        events: args.events.unwrap_or(u64::MAX),
        threads: u64::from(args.threads),
    };
    let emitted = thread::scope(|scope| {
        let storm = &storm;
        let threads: Vec<_> = (0..storm.threads).map(|thread| scope.spawn(move || storm.emit(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(0)).sum()
    });
    println!("{}", serde_json::to_string(&Counts { emitted, library: guard.shutdown() })?);
    Ok(())
}

/// The errors of all threads are numbered 0, 1, 2, …: number `n` is due at `start + n * interval` and is about problem
/// `n % distinct`, whichever thread emits it.
struct Storm<'a> {
    problems: &'a [String],
    interval: Duration,
    start: Instant,
    duration: Option<Duration>,
    events: u64,
    threads: u64,
}

impl Storm<'_> {
    /// Emits every error whose number is `thread` modulo the number of threads, and returns how many that were.
    fn emit(&self, thread: u64) -> u64 {
        let _span = tracing::info_span!("storm", thread).entered();
        let cause = io::Error::from(io::ErrorKind::ConnectionRefused);
        let mut emitted = 0;
        for number in (thread..self.events).step_by(usize::try_from(self.threads).unwrap_or(1)) {
            let due = self.interval.mul_f64(number as f64);
            if self.duration.is_some_and(|duration| due.max(self.start.elapsed()) >= duration) {
                break;
            }
            if let Some(early) = due.checked_sub(self.start.elapsed()).filter(|early| !early.is_zero()) {
                thread::sleep(early);
            }
            let problem = &self.problems[usize::try_from(number).unwrap_or(0) % self.problems.len()];
            tracing::error!(error = &cause as &dyn Error, number, "{problem}");
            emitted += 1;
        }
        emitted
    }
}

/// Words that tell problems apart. Numbers would not: they are normalised away, as they should be.
const PARTS: [&str; 16] = [
    "ledger", "pricing", "gateway", "archive", "journal", "catalog", "billing", "routing", "matching", "hedging",
    "clearing", "custody", "margin", "lending", "staking", "treasury",
];
const PLACES: [&str; 16] = [
    "amber", "birch", "cedar", "dahlia", "elder", "fern", "ginger", "hazel", "indigo", "jasmine", "krill", "laurel",
    "maple", "nutmeg", "olive", "poplar",
];
const FAULTS: [&str; 16] = [
    "stalled",
    "refused",
    "vanished",
    "overflowed",
    "diverged",
    "collapsed",
    "drifted",
    "froze",
    "leaked",
    "misfired",
    "panicked",
    "regressed",
    "shrank",
    "stuttered",
    "tripped",
    "wavered",
];
const MAX_DISTINCT: usize = PARTS.len() * PLACES.len() * FAULTS.len();

/// The message of the problem with this number, different for each number below `MAX_DISTINCT`.
fn problem(number: u32) -> String {
    let number = usize::try_from(number).unwrap_or(0);
    let (part, rest) = (number % PARTS.len(), number / PARTS.len());
    let (place, fault) = (rest % PLACES.len(), rest / PLACES.len());
    format!("the {} service in {} {}", PARTS[part], PLACES[place], FAULTS[fault % FAULTS.len()])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_number_is_a_problem_of_its_own_without_digits() {
        let numbers = 0..u32::try_from(MAX_DISTINCT).unwrap();
        let problems: HashSet<String> = numbers.map(problem).collect();
        assert_eq!(problems.len(), MAX_DISTINCT);
        assert!(problems.iter().all(|problem| !problem.contains(|c: char| c.is_ascii_digit())));
    }

    #[test]
    fn a_rate_is_a_positive_number_or_max() {
        assert_eq!(parse_rate("max"), Ok(Rate::Max));
        assert_eq!(parse_rate("0.5"), Ok(Rate::PerSecond(0.5)));
        for bad in ["0", "-1", "inf", "fast", ""] {
            assert!(parse_rate(bad).is_err(), "{bad}");
        }
    }
}
