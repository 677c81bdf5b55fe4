//! What does a storm of repeats become? Prints how many events were published per different error, and how many errors
//! no event stands for. Both are counts; no time is measured.

use benches::Storm;

#[expect(clippy::print_stdout, reason = "the figures are read by the process that started this one")]
fn main() -> anyhow::Result<()> {
    let storm = Storm::rage()?;
    println!("{} {}", storm.events_per_error, storm.lost);
    Ok(())
}
