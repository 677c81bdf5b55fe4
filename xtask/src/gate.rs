//! What one event may cost the calling thread: instructions (counted by callgrind), allocations, and events on the wire.
//! Counts, not times, so that a busy machine changes nothing; how long it takes is asked by `cargo xtask bench`.

use std::{collections::HashMap, fs, path::PathBuf, process::Command};

use crate::{
    run::{Outcome, cargo, output, say},
    test::target_directory,
};

/// A promise about one scenario of `benches/src/scenario.rs`. No promise allows an allocation.
struct Promise {
    /// For people.
    what: &'static str,
    /// Who does what.
    who: Case,
    limit: Limit,
}

/// Contender and scenario, by the names that `benches` gives them.
type Case = (&'static str, &'static str);

/// Instructions per event on the calling thread, everything that `tracing` itself does included.
enum Limit {
    AtMost(f64),
    /// More than this other contender needs for the same.
    More(f64, &'static str),
    /// Times what this other contender needs for the same.
    Times(f64, &'static str),
}

const PROMISES: [Promise; 10] = [
    Promise { what: "the same error again", who: ("ours", "repeat"), limit: Limit::AtMost(800.0) },
    Promise {
        what: "… with another number in its text",
        who: ("ours", "repeat-number"),
        limit: Limit::AtMost(2_000.0),
    },
    Promise {
        what: "… with another number in a field", who: ("ours", "repeat-field"), limit: Limit::AtMost(1_200.0)
    },
    Promise { what: "a new error in two spans", who: ("ours", "new"), limit: Limit::AtMost(2_500.0) },
    // What it takes more is the errors' own `Display` and `Debug`.
    Promise { what: "… with its causes", who: ("ours", "new-with-causes"), limit: Limit::AtMost(4_500.0) },
    Promise { what: "info! beside it", who: ("ours", "info"), limit: Limit::More(30.0, "none") },
    Promise { what: "info! beside it, in two spans", who: ("ours", "info-in-spans"), limit: Limit::More(30.0, "none") },
    Promise { what: "a span with three fields", who: ("ours", "span"), limit: Limit::More(500.0, "empty") },
    Promise { what: "all down: the same error again", who: ("ours-down", "repeat"), limit: Limit::Times(1.1, "ours") },
    Promise { what: "all down: a new error", who: ("ours-down", "new"), limit: Limit::Times(1.1, "ours") },
];

/// Events on the wire for one error that happens thousands of times within two seconds: the first one, and a summary when
/// each suppression window of 1, 2, … seconds ends.
const MAX_EVENTS_PER_ERROR: f64 = 4.0;

/// Builds the counting programs, asks them about every promise, and fails if one is broken.
pub(crate) fn run(_: &[String]) -> Outcome {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Err("valgrind is not installed, and instructions cannot be counted without it. On Debian:\n    \
                    apt-get install --no-install-recommends valgrind"
            .to_owned());
    }
    // Without the libraries that we are compared with: they take most of the time to build.
    cargo(&["build", "--release", "--package", "benches", "--no-default-features", "--bins"])?;
    let mut counter = Counter::new()?;
    let figures = measure(&mut counter)?;
    controls(&mut counter)?;
    say(&format!("\n{:<38} {:<32} {:>9} {:>9}", "per event on the calling thread", "", "counted", "limit"));
    figures.iter().for_each(|figure| say(&figure.to_string()));
    let broken = figures.iter().filter(|figure| figure.is_broken()).count();
    if broken == 0 { Ok(()) } else { Err(format!("{broken} of {} limits are exceeded", figures.len())) }
}

/// One line of the table.
struct Figure {
    what: &'static str,
    unit: String,
    counted: f64,
    limit: f64,
}

impl Figure {
    fn is_broken(&self) -> bool {
        // What is no number is no success.
        self.counted.is_nan() || self.counted > self.limit
    }
}

impl std::fmt::Display for Figure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, unit, counted, limit } = self;
        let verdict = if self.is_broken() { "  EXCEEDED" } else { "" };
        let digits = if *limit < 10.0 { 3 } else { 0 };
        write!(f, "{what:<38} {unit:<32} {counted:>9.digits$} {limit:>9.digits$}{verdict}")
    }
}

fn measure(counter: &mut Counter) -> Outcome<Vec<Figure>> {
    let mut figures = Vec::new();
    for Promise { what, who, limit } in &PROMISES {
        let own = counter.instructions(*who)?;
        let mut other = |contender| counter.instructions((contender, who.1));
        let (unit, counted, limit) = match *limit {
            Limit::AtMost(limit) => ("instructions".to_owned(), own, limit),
            Limit::More(limit, contender) => {
                (format!("instructions more than {contender}"), own - other(contender)?, limit)
            }
            Limit::Times(limit, contender) => (format!("times {contender}"), own / other(contender)?, limit),
        };
        figures.push(Figure { what, unit, counted, limit });
        let counted = counter.allocations(*who)?;
        figures.push(Figure { what: "", unit: "allocations".to_owned(), counted, limit: 0.0 });
    }
    let (counted, lost) = counter.storm()?;
    let unit = "events on the wire per error".to_owned();
    figures.push(Figure { what: "a storm of few errors", unit, counted, limit: MAX_EVENTS_PER_ERROR });
    figures.push(Figure { what: "", unit: "errors that no event counts".to_owned(), counted: lost, limit: 0.0 });
    Ok(figures)
}

/// A gate that cannot fail says nothing: what certainly allocates must be seen, and so must an impossible limit.
fn controls(counter: &mut Counter) -> Outcome {
    let allocations = counter.allocations(("none", "control"))?;
    let instructions = counter.instructions(("ours", "repeat"))?;
    for (unit, counted, limit) in [("allocations", allocations, 0.0), ("instructions", instructions, 1.0)] {
        let figure = Figure { what: "positive control", unit: unit.to_owned(), counted, limit };
        if !figure.is_broken() {
            return Err(format!("the gate is blind, it counts {counted} {unit} where there must be more than {limit}"));
        }
    }
    Ok(())
}

/// Runs the programs of `benches/src/bin`, each case once.
struct Counter {
    programs: PathBuf,
    scratch: PathBuf,
    instructions: HashMap<Case, f64>,
}

impl Counter {
    fn new() -> Outcome<Self> {
        let programs = target_directory().with_file_name("release");
        let scratch = target_directory().with_file_name("gate");
        fs::create_dir_all(&scratch).map_err(|error| format!("{}: {error}", scratch.display()))?;
        Ok(Self { programs, scratch, instructions: HashMap::new() })
    }

    /// Per event, on the thread that calls: callgrind counts from the entry of `measured_burst` to its exit, on the
    /// thread that entered it. What the worker does meanwhile is not in it.
    fn instructions(&mut self, case: Case) -> Outcome<f64> {
        if let Some(known) = self.instructions.get(&case) {
            return Ok(*known);
        }
        let (contender, scenario) = case;
        let profile = self.scratch.join(format!("{contender}-{scenario}.callgrind"));
        let mut command = Command::new("valgrind");
        command
            .args(["--quiet", "--tool=callgrind", "--toggle-collect=*measured_burst*"])
            .arg(format!("--callgrind-out-file={}", profile.display()))
            .arg(self.programs.join("count_instructions"))
            .args([contender, scenario]);
        let events: f64 = number(&output(&mut command, &format!("callgrind on {contender} {scenario}"))?)?;
        let text = fs::read_to_string(&profile).map_err(|error| format!("{}: {error}", profile.display()))?;
        let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
        let total = number(total.ok_or_else(|| format!("{} has no summary", profile.display()))?)?;
        self.instructions.insert(case, total / events);
        Ok(total / events)
    }

    /// The least of three runs: on a busy machine the worker may be late to give back what callers fill again.
    fn allocations(&self, (contender, scenario): Case) -> Outcome<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..3 {
            let mut command = Command::new(self.programs.join("count_allocations"));
            let text =
                output(command.args([contender, scenario]), &format!("count_allocations {contender} {scenario}"))?;
            least = least.min(number(&text)?);
            if least == 0.0 {
                break;
            }
        }
        Ok(least)
    }

    fn storm(&self) -> Outcome<(f64, f64)> {
        let text = output(&mut Command::new(self.programs.join("count_events")), "count_events")?;
        let (events, lost) = text.trim().split_once(' ').ok_or_else(|| format!("count_events says `{text}`"))?;
        Ok((number(events)?, number(lost)?))
    }
}

fn number(text: &str) -> Outcome<f64> {
    text.trim().parse().map_err(|error| format!("`{}` is no number: {error}", text.trim()))
}
