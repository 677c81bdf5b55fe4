//! Runs one scenario's bursts for callgrind, and prints how many events it counted. `cargo xtask gate` starts it.
//! It measures nothing by itself.

use benches::{EVENTS_PER_BURST, MEASURED_BURSTS, asked_for, measured_burst, run_bursts};

#[expect(clippy::print_stdout, reason = "the number is read by the process that started this one")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (contender, scenario) = asked_for(&arguments)?;
    let installed = contender.install()?;
    run_bursts(&installed, scenario, |numbers| measured_burst(scenario, numbers));
    let events = (1 + MEASURED_BURSTS) * EVENTS_PER_BURST;
    let (received, expected) = (installed.finish(), contender.expects(scenario, events));
    anyhow::ensure!(received == expected, "{received} of {expected} events arrived: what was measured is not valid");
    println!("{}", MEASURED_BURSTS * EVENTS_PER_BURST);
    Ok(())
}
