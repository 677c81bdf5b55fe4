//! Times one scenario with one contender at one pace, in this process. Prints nanoseconds per event, the median, and how
//! many events never arrived. The benches start it, once for each sample.

use benches::{Pace, asked_for, median};

#[expect(clippy::print_stdout, reason = "the sample is read by the process that started this one")]
fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (contender, scenario) = asked_for(&arguments)?;
    let pace = Pace::named(arguments.get(2).map_or("", String::as_str))?;
    let installed = contender.install()?;
    let (ns, events) = pace.measure(&installed, scenario);
    let lost = contender.expects(scenario, events).abs_diff(installed.finish());
    println!("{} {lost}", median(&ns));
    Ok(())
}
