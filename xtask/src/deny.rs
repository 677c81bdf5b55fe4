//! What dependencies may be, by `cargo deny`: deny.toml has the rules. The tool is kept in the target directory.

use std::process::Command;

use crate::run::{self, Outcome, cargo, root};

/// The one that deny.toml is written for.
const VERSION: &str = "0.20.2";

pub(crate) fn run(_: &[String]) -> Outcome {
    let tools = root().join("target/tools");
    let (place, build) = (tools.display().to_string(), tools.join("build").display().to_string());
    // It is here already if this version was installed; unoptimised, it is built in a minute, and fast enough.
    let install = ["install", "cargo-deny", "--version", VERSION, "--locked", "--debug", "--quiet"];
    cargo(&[&install[..], &["--root", &place, "--target-dir", &build]].concat())?;
    let mut deny = Command::new(tools.join("bin/cargo-deny"));
    deny.args(["--log-level", "error", "check", "licenses", "bans", "sources"]);
    run::run(&mut deny, "cargo deny check licenses bans sources")
}
