//! Counts what one event allocates on the calling thread; `caller_cost` runs it and puts the figure into its table.
//! It times nothing: counting makes every allocation slower.

use benches::{Contender, EVENTS_PER_BURST, Scenario, run_bursts};
use clap::Parser;

#[derive(Parser)]
struct Args {
    contender: Contender,
    scenario: Scenario,
}

#[expect(clippy::print_stdout, reason = "the figure is read by the process that started this one")]
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let installed = args.contender.install()?;
    let mut allocations = Vec::new();
    run_bursts(args.scenario, 5, |burst| {
        let counted = allocation_counter::measure(burst);
        allocations.push(counted.count_total as f64 / EVENTS_PER_BURST as f64);
    });
    drop(installed);
    println!("{}", benches::median(&allocations));
    Ok(())
}
