//! The library as others use it: with any of its features, with the oldest compiler that it promises, and as a package
//! from a registry.

use std::{fs, process::Command};

use crate::run::{Outcome, cargo, output, root, run, say};

const MANIFEST: &str = "tracing-issues/Cargo.toml";

/// Everything below.
pub(crate) fn check() -> Outcome {
    each_feature_alone()?;
    oldest_compiler()?;
    package()
}

/// Features only add code: the library stands with none of them, with each alone, and with all. `kafka-tls` needs OpenSSL's
/// headers (Debian's `libssl-dev`).
fn each_feature_alone() -> Outcome {
    let manifest = fs::read_to_string(root().join(MANIFEST)).map_err(|error| format!("{MANIFEST}: {error}"))?;
    let features = features(&manifest);
    if features.len() < 5 {
        return Err(format!("only {features:?} were found in {MANIFEST}: this would check nothing"));
    }
    let alone = features.iter().map(|feature| vec!["--no-default-features", "--features", feature]);
    for arguments in [vec!["--no-default-features"], vec!["--all-features"]].into_iter().chain(alone) {
        let clippy = ["clippy", "-p", "tracing-issues", "--lib"];
        cargo(&[&clippy, arguments.as_slice(), &["--", "-D", "warnings"]].concat())?;
    }
    Ok(())
}

/// The names in the section `[features]`, without `default`.
fn features(manifest: &str) -> Vec<&str> {
    let section = manifest.lines().skip_while(|line| *line != "[features]").skip(1);
    let lines = section.take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    names.filter(|name| !name.starts_with('#') && *name != "default").collect()
}

/// `rust-version` is a promise: a service with that compiler must be able to build the library.
fn oldest_compiler() -> Outcome {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).map_err(|error| format!("Cargo.toml: {error}"))?;
    let version = manifest.lines().find_map(|line| line.strip_prefix("rust-version = "));
    let version = version.ok_or("Cargo.toml promises no rust-version")?.trim_matches('"');
    let install = ["toolchain", "install", version, "--profile", "minimal", "--no-self-update"];
    output(Command::new("rustup").args(install), &format!("rustup {}", install.join(" ")))?;
    let check = ["run", version, "cargo", "check", "-p", "tracing-issues", "--lib"];
    run(
        Command::new("rustup").args(check).env_remove("RUSTC").env_remove("CARGO"),
        &format!("rustup {}", check.join(" ")),
    )
}

/// The package builds by itself, and cargo has nothing to say against it.
fn package() -> Outcome {
    say("\n$ cargo package -p tracing-issues --allow-dirty");
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(cargo);
    command.args(["package", "-p", "tracing-issues", "--allow-dirty"]).current_dir(root());
    let output = command.output().map_err(|error| format!("cargo cannot be run: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let is_clean = output.status.success() && !said.lines().any(|line| line.starts_with("warning"));
    if is_clean { Ok(()) } else { Err(format!("the package is not clean:\n{said}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_those_of_the_section() {
        let manifest = "[package]\nname = \"a\"\n\n[features]\ndefault = [\"http\"]\n# Not = this.\nhttp = []\nkafka-tls = \
                        [\"kafka\"]\n\n[dependencies]\nserde = \"1\"\n";
        assert_eq!(features(manifest), ["http", "kafka-tls"]);
    }
}
