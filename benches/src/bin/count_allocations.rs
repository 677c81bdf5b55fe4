//! Counts what one event of a scenario allocates on the calling thread, and prints it. It times nothing: counting makes
//! every allocation slower.

use benches::{EVENTS_PER_BURST, MEASURED_BURSTS, asked_for, measured_burst, run_bursts};

#[expect(clippy::print_stdout, reason = "the figure is read by the process that started this one")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (contender, scenario) = asked_for(&arguments)?;
    let installed = contender.install()?;
    let mut allocations = 0;
    run_bursts(&installed, scenario, |numbers| {
        let counted = allocation_counter::measure(|| measured_burst(scenario, numbers));
        allocations += counted.count_total;
    });
    installed.finish();
    println!("{}", allocations as f64 / (MEASURED_BURSTS * EVENTS_PER_BURST) as f64);
    Ok(())
}
