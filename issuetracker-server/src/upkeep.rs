//! Commands of operators that work on the store itself: `backup`, `export`, `import`, `seed`. They use the configuration of the
//! server, and may run beside it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use jiff::Timestamp;

use crate::{
    app,
    config::{Config, StoreConfig},
    seed,
    store::embedded,
    transfer::{self, Counts},
};

/// What is to be done.
#[derive(Debug, Clone, clap::Subcommand)]
pub enum Command {
    /// Copies the embedded store's file while servers use it: one consistent file, checked.
    Backup {
        /// Where to; must not be there yet.
        file: PathBuf,
    },
    /// Writes everything in the store to a file of JSON lines, for `import` into another store.
    ///
    /// The servers may go on meanwhile. An export that was broken off is completed with --resume.
    Export {
        /// Where to.
        file: PathBuf,
        /// Completes a file that was broken off.
        #[arg(long)]
        resume: bool,
    },
    /// Reads an export into the store. Broken off, the same command goes on where it was.
    Import {
        /// The export; only a whole one is taken.
        file: PathBuf,
        /// Also into a store that has issues: those with the same ids are replaced, the others stay.
        #[arg(long)]
        overwrite: bool,
    },
    /// Fills an empty store with made-up issues, for trying things out and for measuring.
    Seed {
        /// How many issues.
        #[arg(long, default_value_t = 1_000)]
        issues: u64,
        /// How often they happened, all together; each at least once.
        #[arg(long, default_value_t = 100_000)]
        occurrences: u64,
    },
}

/// Does it, telling `out` how far it is.
///
/// # Errors
/// If it could not be done; what was done stays and need not be done again.
pub async fn run(command: Command, config: &Config, out: &mut (dyn std::io::Write + Send)) -> anyhow::Result<()> {
    match command {
        Command::Backup { file } => backup(&config.store, &file, out).await,
        Command::Export { file, resume } => {
            let store = app::open_store(&config.store).await?;
            let mut progress = Progress::new("exported", out);
            let counts =
                transfer::export(&*store, &file, resume, Timestamp::now(), &mut |counts| progress.tell(counts)).await?;
            writeln!(out, "exported {counts} to {}", file.display())?;
            Ok(())
        }
        Command::Import { file, overwrite } => {
            let store = app::open_store(&config.store).await?;
            let mut progress = Progress::new("imported", out);
            let counts = transfer::import(&*store, &file, overwrite, &mut |counts| progress.tell(counts)).await?;
            writeln!(out, "imported {counts} from {}", file.display())?;
            Ok(())
        }
        Command::Seed { issues, occurrences } => {
            let store = app::open_store(&config.store).await?;
            let mut told = Instant::now();
            let tell = |made: u64| {
                if told.elapsed() >= Duration::from_secs(2) {
                    told = Instant::now();
                    // Nobody may be there to read it.
                    let _ = writeln!(out, "made so far: {made} issues");
                }
            };
            seed::seed(&*store, issues, occurrences, Timestamp::now(), tell).await?;
            writeln!(out, "made {issues} issues that happened {occurrences} times")?;
            Ok(())
        }
    }
}

async fn backup(store: &StoreConfig, file: &Path, out: &mut (dyn std::io::Write + Send)) -> anyhow::Result<()> {
    let StoreConfig::Embedded { path } = store else {
        bail!("`backup` copies the file of the embedded store; for Firestore use `export`, or Google's own backups");
    };
    if !path.exists() {
        bail!("ISSUETRACKER_STORE_PATH: {} is not there", path.display());
    }
    let (from, to) = (path.clone(), file.to_owned());
    let bytes = tokio::task::spawn_blocking(move || embedded::backup(&from, &to)).await?;
    let bytes = bytes.with_context(|| format!("{} could not be written", file.display()))?;
    writeln!(out, "{} is a whole and checked copy of {}, {bytes} bytes", file.display(), path.display())?;
    Ok(())
}

/// A line now and then, for who waits.
struct Progress<'a> {
    verb: &'static str,
    out: &'a mut (dyn std::io::Write + Send),
    told: Instant,
}

impl<'a> Progress<'a> {
    fn new(verb: &'static str, out: &'a mut (dyn std::io::Write + Send)) -> Self {
        Self { verb, out, told: Instant::now() }
    }

    fn tell(&mut self, counts: &Counts) {
        if self.told.elapsed() >= Duration::from_secs(2) {
            self.told = Instant::now();
            // Nobody may be there to read it.
            let _ = writeln!(self.out, "{} so far: {counts}", self.verb);
        }
    }
}
