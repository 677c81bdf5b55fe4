//! What does one `error!` cost the thread that calls it: with our layer, without, and with what else there is?
//!
//! Run with `cargo bench -p benches`; `-- --quick` for a short look, `-- --json FILE` for the figures as JSON.
//! Each contender and scenario runs in processes of its own, with a global subscriber, in random order, round after
//! round. A figure is only valid if nothing was dropped, which is checked at the receiver.

use std::{
    fs::File,
    path::PathBuf,
    process::{Command, ExitCode, Stdio},
    time::Instant,
};

use anyhow::Context as _;
use benches::{Contender, EVENTS_PER_BURST, Scenario, events_of, median, run_bursts};
use clap::Parser;
use serde::{Deserialize, Serialize};

#[derive(Parser)]
struct Args {
    /// Fewer rounds and bursts.
    #[arg(long)]
    quick: bool,
    /// Writes the figures to this file.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Measures one contender in this process; what the bench starts itself with.
    #[arg(long, hide = true, num_args = 2, value_names = ["CONTENDER", "SCENARIO"])]
    child: Option<Vec<String>>,
    /// Bursts that a child measures.
    #[arg(long, hide = true, default_value_t = 20)]
    bursts: u64,
    /// Added by `cargo bench`. Without it (`cargo test --all-targets`) one short round shows that everything runs.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(child) = &args.child {
        measure(parse(&child[0])?, parse(&child[1])?, args.bursts)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (rounds, bursts) = match (args.bench, args.quick) {
        (false, _) => (1, 1),
        (true, true) => (3, 5),
        (true, false) => (7, 20),
    };
    let figures = collect(rounds, bursts)?;
    print(&figures);
    if let Some(path) = &args.json {
        serde_json::to_writer_pretty(File::create(path)?, &figures)?;
    }
    let is_valid = figures.iter().all(|figure| figure.lost == 0);
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn parse<T: clap::ValueEnum>(name: &str) -> anyhow::Result<T> {
    T::from_str(name, false).map_err(anyhow::Error::msg)
}

/// What a child found.
#[derive(Serialize, Deserialize)]
struct Sample {
    /// The median over its bursts.
    ns: f64,
    /// Events that did not arrive.
    lost: u64,
}

#[expect(clippy::print_stdout, reason = "the sample is read by the process that started this one")]
fn measure(contender: Contender, scenario: Scenario, bursts: u64) -> anyhow::Result<()> {
    let installed = contender.install()?;
    let mut ns = Vec::new();
    run_bursts(scenario, bursts, |burst| {
        let start = Instant::now();
        burst();
        ns.push(start.elapsed().as_nanos() as f64 / EVENTS_PER_BURST as f64);
    });
    let lost = installed.lost_of(events_of(bursts), scenario);
    println!("{}", serde_json::to_string(&Sample { ns: median(&ns), lost })?);
    Ok(())
}

/// The cost of one scenario with one contender.
#[derive(Serialize)]
struct Figure {
    scenario: Scenario,
    contender: Contender,
    /// Nanoseconds per event on the calling thread: the median over the rounds, and the best and worst round.
    ns: f64,
    ns_min: f64,
    ns_max: f64,
    /// How many times the cost of ours that is.
    times_ours: f64,
    /// Allocations per event on the calling thread.
    allocations: f64,
    /// Events that did not arrive; above 0 the figure is not valid.
    lost: u64,
}

fn collect(rounds: usize, bursts: u64) -> anyhow::Result<Vec<Figure>> {
    let mut pairs: Vec<_> = Scenario::ALL
        .iter()
        .flat_map(|&scenario| Contender::ALL.map(|contender| (scenario, contender, Vec::<Sample>::new())))
        .collect();
    for _ in 0..rounds {
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        fastrand::shuffle(&mut order);
        for index in order {
            let (scenario, contender, samples) = &mut pairs[index];
            let exe = std::env::current_exe()?;
            let bursts = bursts.to_string();
            let (contender, scenario) = (contender.to_string(), scenario.to_string());
            let output = output_of(Command::new(exe).args(["--bursts", &bursts, "--child", &contender, &scenario]))?;
            samples.push(serde_json::from_str(&output)?);
        }
    }
    let mut figures = pairs
        .into_iter()
        .map(|(scenario, contender, samples)| figure(scenario, contender, &samples))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for scenario in Scenario::ALL {
        let same = |figure: &&mut Figure| figure.scenario == scenario;
        let ours = figures.iter_mut().filter(same).find(|figure| figure.contender == Contender::TracingIssues);
        let ours = ours.map_or(f64::NAN, |figure| figure.ns);
        figures.iter_mut().filter(same).for_each(|figure| figure.times_ours = figure.ns / ours);
    }
    Ok(figures)
}

fn figure(scenario: Scenario, contender: Contender, samples: &[Sample]) -> anyhow::Result<Figure> {
    let ns: Vec<f64> = samples.iter().map(|sample| sample.ns).collect();
    let counter = env!("CARGO_BIN_EXE_count_allocations");
    let allocations = output_of(Command::new(counter).args([contender.to_string(), scenario.to_string()]))?;
    Ok(Figure {
        scenario,
        contender,
        ns: median(&ns),
        ns_min: ns.iter().copied().fold(f64::INFINITY, f64::min),
        ns_max: ns.iter().copied().fold(0.0, f64::max),
        times_ours: 1.0,
        allocations: allocations.trim().parse()?,
        lost: samples.iter().map(|sample| sample.lost).sum(),
    })
}

fn output_of(command: &mut Command) -> anyhow::Result<String> {
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("{command:?} cannot be started"))?;
    anyhow::ensure!(output.status.success(), "{command:?} failed: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

#[expect(clippy::print_stdout, reason = "the table is what the bench is for")]
fn print(figures: &[Figure]) {
    println!(
        "{:<20} {:<16} {:>9} {:>19} {:>11} {:>12}",
        "scenario", "contender", "ns", "best .. worst", "times ours", "allocations"
    );
    for figure in figures {
        let Figure { scenario, contender, ns, ns_min, ns_max, times_ours, allocations, lost } = figure;
        let range = format!("{ns_min:.0} .. {ns_max:.0}");
        let verdict = if *lost > 0 { format!("  INVALID: {lost} events lost") } else { String::new() };
        println!(
            "{scenario:<20} {contender:<16} {ns:>9.0} {range:>19} {times_ours:>11.2} {allocations:>12.1}{verdict}"
        );
    }
}
