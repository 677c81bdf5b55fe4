//! A market data service whose errors are real: refused connections, DNS failures, cut JSON, late answers, bad prices.
//! Run with `cargo run -p examples --bin market_data`, open the dashboard, and end it with Ctrl-C.
//!
//! It starts the venues that it polls on free ports of this machine and needs no network.

mod api;
mod errands;
mod quotes;
mod venues;

use std::time::Duration;

use clap::Parser;
use tokio::{runtime::Runtime, time::Instant};
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt, prelude::*};

use crate::errands::{Errand, Service};

#[derive(Parser)]
#[command(about = "A market data service that fails for real reasons, at a steady trickle")]
struct Args {
    /// How often something fails, on average.
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u32).range(1..=60_000))]
    errors_per_minute: u32,
    /// Ends after so many seconds instead of at Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
}

#[expect(clippy::print_stdout, reason = "people who run the example read what it did")]
fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let (issues, guard) = tracing_issues::Builder::from_env().release(env!("CARGO_PKG_VERSION")).build()?;
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    tracing_subscriber::registry().with(issues).with(fmt::layer().with_filter(filter)).init();

    let runtime = Runtime::new()?;
    let outcome = runtime.block_on(run(&args));
    // Not by dropping it: that waits for a name lookup that may take a while.
    runtime.shutdown_background();
    println!("final counters: {}", serde_json::to_string(&guard.shutdown())?);
    outcome
}

/// Serves and polls until it is told to stop.
async fn run(args: &Args) -> anyhow::Result<()> {
    let service = Service::start().await?;
    tokio::select! {
        () = keep_polling(&service) => Ok(()),
        () = keep_failing(&service, args.errors_per_minute) => Ok(()),
        () = time_is_up(args.seconds) => Ok(()),
        stopped = stop_signal() => Ok(stopped?),
    }
}

/// The healthy part of the service's day: nothing of it becomes an issue.
async fn keep_polling(service: &Service) {
    let mut every_second = tokio::time::interval(Duration::from_secs(1));
    loop {
        every_second.tick().await;
        service.send(Errand::HEALTHY);
    }
}

/// The other part: errands that fail, at irregular intervals whose mean gives the rate.
async fn keep_failing(service: &Service, errors_per_minute: u32) {
    let mean = 60.0 / f64::from(errors_per_minute);
    let mut due = Instant::now();
    loop {
        service.send(Errand::random());
        // Exponential, as independent failures are, and cut so that nobody waits for ever.
        let pause = -(1.0 - fastrand::f64()).ln() * mean;
        due += Duration::from_secs_f64(pause.min(5.0 * mean));
        tokio::time::sleep_until(due).await;
    }
}

async fn time_is_up(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::time::sleep(Duration::from_secs(seconds)).await,
        None => std::future::pending().await,
    }
}

/// Ctrl-C, or SIGTERM as an orchestrator sends it.
async fn stop_signal() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
