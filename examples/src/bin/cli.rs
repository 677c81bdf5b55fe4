//! A short-lived process must not lose its last error: it imports trades, fails at a bad row and exits with 1.
//! Run with `cargo run -p examples --bin cli -- examples/data/trades.jsonl`.
//!
//! The pattern: the guard lives in `main`, and `main` returns an `ExitCode`. Returning drops the guard, which sends what
//! is left. `std::process::exit` would skip that, so nobody calls it.

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader},
    num::ParseFloatError,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use tracing_subscriber::{EnvFilter, filter::LevelFilter, fmt, prelude::*};

#[derive(Parser)]
#[command(about = "Imports trades from a file of JSON lines")]
struct Args {
    /// The file to import.
    file: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let (issues, _guard) = tracing_issues::from_env()?;
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    tracing_subscriber::registry().with(issues).with(fmt::layer().with_filter(filter)).init();

    Ok(match import(&args.file) {
        Ok(trades) => {
            tracing::info!(trades, "import complete");
            ExitCode::SUCCESS
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn Error, file = %args.file.display(), "import failed");
            ExitCode::FAILURE
        }
    })
}

#[derive(Debug, thiserror::Error)]
enum ImportError {
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    #[error("line {line} is not a trade")]
    Row { line: usize, source: RowError },
}

#[derive(Debug, thiserror::Error)]
enum RowError {
    #[error("malformed JSON")]
    Json(#[from] serde_json::Error),
    #[error("{text:?} is no price")]
    Price { text: String, source: ParseFloatError },
}

#[derive(serde::Deserialize)]
struct Row {
    symbol: String,
    price: String,
    quantity: u32,
}

/// Imports every row up to the first bad one and returns how many that were.
fn import(file: &Path) -> Result<usize, ImportError> {
    let mut trades = 0;
    for (index, line) in BufReader::new(File::open(file)?).lines().enumerate() {
        import_row(&line?).map_err(|source| ImportError::Row { line: index + 1, source })?;
        trades += 1;
    }
    Ok(trades)
}

fn import_row(line: &str) -> Result<(), RowError> {
    let row: Row = serde_json::from_str(line)?;
    let price: f64 = row.price.parse().map_err(|source| RowError::Price { text: row.price.clone(), source })?;
    tracing::info!(symbol = row.symbol, price, quantity = row.quantity, "trade imported");
    Ok(())
}
