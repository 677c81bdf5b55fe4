//! The least that a service needs: one layer, one guard, and an error that has a cause.
//! Run with `cargo run -p examples --bin minimal`.

use anyhow::Context as _;
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};

fn main() -> Result<(), tracing_issues::ConfigError> {
    let (issues, _guard) = tracing_issues::from_env()?;
    tracing_subscriber::registry().with(issues).with(fmt::layer().with_filter(LevelFilter::WARN)).init();

    // The quantity ends in a letter, not in a zero.
    if let Err(error) = "10O".parse::<u32>().context("the quantity is not a number") {
        tracing::error!(error = error.as_ref() as &dyn std::error::Error, order = 17, "order refused");
    }
    Ok(())
}
