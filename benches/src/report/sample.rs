//! Samples: each from a process of its own, all in random order, round after round, so that a busy minute of the machine
//! hits everybody alike. A figure is the median of its samples, with the best and the worst.

use std::process::{Command, Stdio};

use anyhow::Context as _;

use super::question::{Column, Programs};
use crate::{Contender, median};

/// What one thing costs with one contender.
#[derive(Debug)]
pub struct Figure {
    /// With whom.
    pub contender: Contender,
    /// What, and how fast.
    pub column: Column,
    /// Nanoseconds per event on the calling thread: the median of the rounds.
    pub ns: f64,
    /// The best round.
    pub ns_min: f64,
    /// The worst round.
    pub ns_max: f64,
    /// Allocations per event on the calling thread.
    pub allocations: f64,
    /// Events that did not arrive; above 0 the figure is not valid.
    pub lost: u64,
}

pub(super) fn figures(
    cases: Vec<(Contender, Column)>,
    rounds: usize,
    programs: Programs,
) -> anyhow::Result<Vec<Figure>> {
    let mut samples = vec![Vec::new(); cases.len()];
    for _ in 0..rounds {
        let mut order: Vec<usize> = (0..cases.len()).collect();
        fastrand::shuffle(&mut order);
        for index in order {
            samples[index].push(sample(&cases[index], programs.time)?);
        }
    }
    cases.into_iter().zip(samples).map(|(case, samples)| figure(case, &samples, programs.allocations)).collect()
}

/// Nanoseconds per event, and how many events were lost.
fn sample((contender, column): &(Contender, Column), program: &str) -> anyhow::Result<(f64, u64)> {
    let (scenario, pace) = (column.scenario.to_string(), column.pace.to_string());
    let output = output_of(Command::new(program).args([contender.name, &scenario, &pace]))?;
    let (ns, lost) = output.split_once(' ').with_context(|| format!("{program} says `{output}`"))?;
    Ok((ns.parse()?, lost.parse()?))
}

fn figure((contender, column): (Contender, Column), samples: &[(f64, u64)], counter: &str) -> anyhow::Result<Figure> {
    let ns: Vec<f64> = samples.iter().map(|(ns, _)| *ns).collect();
    let allocations = output_of(Command::new(counter).args([contender.name, &column.scenario.to_string()]))?;
    Ok(Figure {
        contender,
        column,
        ns: median(&ns),
        ns_min: ns.iter().copied().fold(f64::INFINITY, f64::min),
        ns_max: ns.iter().copied().fold(0.0, f64::max),
        allocations: allocations.parse()?,
        lost: samples.iter().map(|(_, lost)| lost).sum(),
    })
}

fn output_of(command: &mut Command) -> anyhow::Result<String> {
    // What contenders say about their shutdown is not of interest; that they failed is.
    let output = command.stderr(Stdio::piped()).output().with_context(|| format!("{command:?} cannot be started"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?} failed: {}: {said}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

impl Figure {
    /// For a table: median (best..worst), how many times ours that is, allocations.
    pub(super) fn cell(&self, ours: f64) -> String {
        if self.lost > 0 {
            return format!("INVALID: {} lost", self.lost);
        }
        let Self { ns, ns_min, ns_max, allocations, .. } = self;
        let times = if self.contender.name == "ours" { String::new() } else { format!(" · {}", times(ns / ours)) };
        let (ns, ns_min, ns_max) = (thousands(*ns), thousands(*ns_min), thousands(*ns_max));
        format!("**{ns}** ({ns_min}..{ns_max}){times} · {allocations:.0}")
    }
}

/// Two digits that count: `0.25×`, `2.5×`, `25×`.
pub(super) fn times(ratio: f64) -> String {
    let digits = match ratio {
        ..0.995 => 2,
        ..9.95 => 1,
        _ => 0,
    };
    format!("{ratio:.digits$}×")
}

/// `12,345`.
pub(super) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        for (value, text) in [(0.4, "0"), (999.0, "999"), (1_000.0, "1,000"), (46_712.3, "46,712"), (1e6, "1,000,000")]
        {
            assert_eq!(thousands(value), text);
        }
    }

    #[test]
    fn ratios_have_two_digits() {
        for (ratio, text) in [(0.254, "0.25×"), (0.996, "1.0×"), (2.54, "2.5×"), (9.96, "10×"), (46.7, "47×")] {
            assert_eq!(times(ratio), text);
        }
    }
}
