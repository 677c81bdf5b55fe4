//! The test commands: the real services first, then everything that runs against them.

use std::process::Command;

use crate::run::{Outcome, cargo_with, output, root, run, say, script};

/// What no member of the workspace asks of others, and has tests.
const EVERY_FEATURE: &str = "tracing-issues/metrics,tracing-issues/opentelemetry,issuetracker-server/kafka-tls";

/// Every test. A service that cannot be had fails the run; nothing is skipped.
pub(crate) fn all(_: &[String]) -> Outcome {
    script("scripts/services", &["up".to_owned(), "--install".to_owned()])?;
    let variables = service_variables()?;
    // Tests start these as processes.
    cargo_with(&["build", "--workspace", "--bins", "--features", EVERY_FEATURE], &variables)?;
    cargo_with(&["test", "--workspace", "--features", EVERY_FEATURE], &variables)?;
    browser(&[])
}

/// The dashboard in a real browser.
pub(crate) fn browser(_: &[String]) -> Outcome {
    install_browser_tests()?;
    let target = target_directory();
    let mut node = Command::new("node");
    node.args(["--test", "--test-reporter=spec", "tests/browser/"])
        .envs(service_variables()?)
        .env("SERVER_BIN", target.join("issuetracker-server"))
        .env("EXAMPLE_BIN_DIR", &target);
    run(&mut node, "node --test tests/browser/")
}

/// The pictures of the main pages, of errors that really happen.
pub(crate) fn screenshots(_: &[String]) -> Outcome {
    cargo_with(&["build", "-p", "issuetracker-server", "-p", "examples", "--bins"], &[])?;
    install_browser_tests()?;
    let target = target_directory();
    let mut node = Command::new("node");
    node.arg("tests/browser/screenshots.mjs")
        .env("SERVER_BIN", target.join("issuetracker-server"))
        .env("EXAMPLE_BIN_DIR", &target);
    run(&mut node, "node tests/browser/screenshots.mjs")
}

fn install_browser_tests() -> Outcome {
    run(
        Command::new("npm").args(["ci", "--prefix", "tests/browser", "--no-audit", "--no-fund", "--loglevel=error"]),
        "npm ci --prefix tests/browser",
    )
}

/// Where the services listen, as `scripts/services env` says it: `export NAME=value` lines.
pub(crate) fn service_variables() -> Outcome<Vec<(String, String)>> {
    let text = output(Command::new(root().join("scripts/services")).arg("env"), "scripts/services env")?;
    let pair = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches(['\'', '"']).to_owned()))
    };
    let variables: Vec<_> = text.lines().filter_map(pair).collect();
    variables.iter().for_each(|(name, value)| say(&format!("{name}={value}")));
    Ok(variables)
}

/// Where cargo puts what it builds for development.
pub(crate) fn target_directory() -> std::path::PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    target.join("debug")
}
