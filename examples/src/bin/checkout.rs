//! What arrives with an error: its chain of causes, its spans with their fields, and the events that led up to it. And with
//! a panic: the same, and a backtrace.
//! Run with `cargo run -p examples --bin checkout`.

use std::{error::Error, net::TcpStream};

use anyhow::Context as _;
use tracing::{error, info, instrument};
use tracing_subscriber::{filter::LevelFilter, fmt, prelude::*};

fn main() -> Result<(), tracing_issues::ConfigError> {
    // By hand instead of from the environment alone: breadcrumbs cost formatting every `info!`, so they are off by default.
    let (issues, _guard) = tracing_issues::Builder::from_env().breadcrumbs(20).release("1.4.2").build()?;
    tracing_subscriber::registry().with(issues).with(fmt::layer().with_filter(LevelFilter::INFO)).init();

    check_out(7, &[3, 5]);
    // This one has no cart. A panic of another thread does not end the process, and is reported like that of `main`.
    let _ = std::thread::spawn(|| check_out(8, &[])).join();
    Ok(())
}

/// Both issues show this span with its customer. `component` is shown with them as well, and filters the list.
#[instrument(skip(cart), fields(component = "orders"))]
fn check_out(customer: u32, cart: &[u32]) {
    info!(items = cart.len(), "cart is complete");
    let first = cart[0];
    if let Err(error) = pay("acme", first) {
        // The error as a value, not as text: so its causes arrive with their types.
        error!(error = error.as_ref() as &dyn Error, first, "order not paid");
    }
}

#[instrument]
fn pay(provider: &str, item: u32) -> anyhow::Result<()> {
    info!("asking the provider");
    // Nobody listens on port 9.
    TcpStream::connect("127.0.0.1:9").context("the payment provider cannot be reached")?;
    Ok(())
}
