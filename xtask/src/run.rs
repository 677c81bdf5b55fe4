//! Running commands: shown before they run, from the repository's root, failing with what failed.

use std::{path::PathBuf, process::Command};

/// Nothing, or why a task failed, for people.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Tells the person who typed the command.
#[expect(clippy::print_stdout, reason = "this is a command line tool")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}

/// Runs cargo, the one that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome {
    cargo_with(arguments, &[])
}

/// Runs cargo with these variables.
pub(crate) fn cargo_with(arguments: &[&str], variables: &[(String, String)]) -> Outcome {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(Command::new(cargo).args(arguments).envs(variables.iter().cloned()), &format!("cargo {}", arguments.join(" ")))
}

/// Runs one of the repository's scripts.
pub(crate) fn script(path: &str, arguments: &[String]) -> Outcome {
    run(Command::new(root().join(path)).args(arguments), &format!("{path} {}", arguments.join(" ")))
}

/// Runs a command in the root and waits for it.
pub(crate) fn run(command: &mut Command, shown: &str) -> Outcome {
    say(&format!("\n$ {shown}"));
    let status = command.current_dir(root()).status().map_err(|error| format!("`{shown}` cannot be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` failed ({status})")) }
}

/// What a command prints.
pub(crate) fn output(command: &mut Command, shown: &str) -> Outcome<String> {
    let output = command.current_dir(root()).output().map_err(|error| format!("`{shown}` cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("`{shown}` failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
