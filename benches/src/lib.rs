//! What the benches and the gate share: what is done (scenarios), to whom (contenders), and how it is repeated.
//! The questions are not here but in `benches/` (time) and in `xtask/src/gate.rs` (instructions and allocations).

mod burst;
mod contender;
#[cfg(feature = "others")]
mod others;
mod ours;
#[cfg(feature = "others")]
mod pace;
mod receiver;
#[cfg(feature = "others")]
pub mod report;
mod scenario;
mod sites;
mod storm;

#[cfg(feature = "others")]
pub use crate::pace::Pace;
pub use crate::{
    burst::{EVENTS_PER_BURST, MEASURED_BURSTS, measured_burst, run_bursts},
    contender::{Contender, Installed},
    scenario::Scenario,
    storm::Storm,
};

/// The contender and the scenario that a process was started for.
///
/// # Errors
/// If the arguments do not name them.
pub fn asked_for(arguments: &[String]) -> anyhow::Result<(Contender, Scenario)> {
    let [contender, scenario, ..] = arguments else { anyhow::bail!("expected a contender and a scenario") };
    Ok((Contender::named(contender)?, Scenario::named(scenario)?))
}

/// The middle value; 0 of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}
