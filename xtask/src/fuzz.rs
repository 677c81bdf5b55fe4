//! The fuzz targets, each for a while: with libFuzzer where a nightly compiler is, else as property tests.

use std::{fs, process::Command, thread};

use crate::run::{self, Outcome, cargo, cargo_with, output, root, say};

/// The one that is known to work.
const VERSION: &str = "0.13.2";

const TARGETS: [&str; 4] = ["event", "search", "normalise", "redact"];

/// `[seconds] [target]`: a minute and all of them, if nothing else is said.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let seconds = arguments.first().map_or(Ok(60), |text| text.parse::<u32>());
    let seconds = seconds.map_err(|_| "expected how many seconds each target may take, such as 600".to_owned())?;
    let targets = match arguments.get(1).map(String::as_str) {
        None => &TARGETS[..],
        Some(name) => match TARGETS.iter().position(|target| *target == name) {
            Some(nth) => &TARGETS[nth..=nth],
            None => return Err(format!("there is no target {name}; expected one of {}", TARGETS.join(", "))),
        },
    };
    match build_libfuzzer() {
        Ok(()) => with_libfuzzer(seconds, targets),
        Err(reason) => {
            say(&format!("Without libFuzzer the targets are run as property tests: {reason}"));
            as_tests(seconds, targets)
        }
    }
}

fn as_tests(seconds: u32, targets: &[&str]) -> Outcome {
    let variables = [("FUZZ_SECONDS".to_owned(), seconds.to_string())];
    let test = ["test", "-p", "fuzz", "--test", "targets", "--", "--nocapture", "--exact"];
    cargo_with(&[&test[..], targets].concat(), &variables)
}

/// `cargo +nightly fuzz`, from the place where tools are kept.
fn fuzz(subcommand: &str) -> Command {
    let mut fuzz = Command::new("rustup");
    fuzz.args(["run", "nightly"]).arg(root().join("target/tools/bin/cargo-fuzz")).arg(subcommand);
    // Nothing of ours is unsafe, so no sanitizer slows it down. The development profile builds in a third of the time.
    fuzz.args(["--sanitizer", "none", "--dev", "--features", "libfuzzer", "--target-dir"]);
    fuzz.arg(root().join("target/fuzz"));
    fuzz.env_remove("RUSTC").env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    fuzz
}

fn build_libfuzzer() -> Outcome {
    output(Command::new("rustup").args(["run", "nightly", "rustc", "--version"]), "rustup run nightly rustc")?;
    let tools = root().join("target/tools");
    let (place, build) = (tools.display().to_string(), tools.join("build").display().to_string());
    let install = ["install", "cargo-fuzz", "--version", VERSION, "--locked", "--debug", "--quiet"];
    cargo(&[&install[..], &["--root", &place, "--target-dir", &build]].concat())?;
    run::run(&mut fuzz("build"), "cargo fuzz build")
}

/// Two at a time; the first that breaks its promise fails all.
fn with_libfuzzer(seconds: u32, targets: &[&str]) -> Outcome {
    for pair in targets.chunks(2) {
        let both: Vec<Outcome> = thread::scope(|scope| {
            let started: Vec<_> = pair.iter().map(|target| scope.spawn(|| one(seconds, target))).collect();
            started
                .into_iter()
                .map(|one| one.join().unwrap_or_else(|_| Err("a thread has panicked".to_owned())))
                .collect()
        });
        both.into_iter().collect::<Outcome>()?;
    }
    Ok(())
}

fn one(seconds: u32, target: &str) -> Outcome {
    let place = root().join("target/fuzz");
    let corpus = place.join("corpus").join(target);
    fs::create_dir_all(&corpus).map_err(|error| format!("{}: {error}", corpus.display()))?;
    let mut fuzz = fuzz("run");
    fuzz.arg(target).arg(&corpus).arg(root().join("fuzz/seeds").join(target)).arg("--");
    fuzz.args([
        &format!("-max_total_time={seconds}"),
        "-max_len=4096",
        "-timeout=20",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    fuzz.arg(format!("-artifact_prefix={}/{target}-", place.display()));
    run::run(&mut fuzz, &format!("cargo fuzz run {target}, for {seconds} s"))
}
