//! Every command that a person or CI types. `cargo xtask` lists them; `cargo demo` is short for `cargo xtask demo`.
//! Standard library only, so that the first command of a fresh clone compiles in a second.

mod chaos;
mod demo;
mod deny;
mod fuzz;
mod gate;
mod library;
mod run;
mod test;
mod tidy;

use std::process::ExitCode;

use run::{Outcome, cargo, cargo_with, script};

/// Name, what it does, and the function that does it with the arguments that follow.
type Task = (&'static str, &'static str, fn(&[String]) -> Outcome);

const TASKS: [Task; 14] = [
    (
        "demo",
        "start a server and an example that reports into it; prints the address to open (needs only Rust)",
        demo::run,
    ),
    ("test", "set up the real services, then run every test: Rust, and the dashboard in a browser", test::all),
    (
        "chaos",
        "kill, freeze, fill and re-create what the server depends on: [--long] [--minutes N] [--only SCENARIO]",
        chaos::run,
    ),
    ("browser", "only the tests in a browser, on what is built", test::browser),
    ("services", "up [--install], down, status, env: real Kafka, Redis and Firestore on loopback", services),
    ("lint", "formatting, dependency rules, clippy, each feature alone, oldest compiler, package, documentation", lint),
    (
        "deny",
        "licences, sources and bans of every dependency, by cargo-deny, which is built first if it is missing",
        deny::run,
    ),
    ("tidy", "only the dependency rules, each with its positive control", tidy::run),
    ("bench", "what does an error! cost the caller? Beside sentry and OpenTelemetry", bench),
    (
        "bench-server",
        "embedded [issues] or firestore [streams] [events]: how fast is the server, or its store beside bare commits?",
        bench_server,
    ),
    ("gate", "count instructions and allocations of the calling thread, against limits (needs valgrind)", gate::run),
    (
        "fuzz",
        "what must hold for any bytes: [seconds for each target, 60] [target]; libFuzzer with a nightly compiler",
        fuzz::run,
    ),
    ("screenshots", "take the pictures in docs/screenshots again", test::screenshots),
    ("ci", "all that CI runs: lint, test, gate, fuzz, and the demo until its first error is on the dashboard", ci),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let task = arguments.first().and_then(|name| TASKS.iter().find(|task| task.0 == name));
    let Some((name, _, function)) = task else {
        run::say("Usage: cargo xtask <task> [arguments]\n");
        TASKS.iter().for_each(|(name, help, _)| run::say(&format!("  {name:<12} {help}")));
        let is_asking = arguments.is_empty() || arguments[0] == "help" || arguments[0] == "--help";
        return if is_asking { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    match function(&arguments[1..]) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            run::say(&format!("\ncargo xtask {name}: {reason}"));
            ExitCode::FAILURE
        }
    }
}

fn services(arguments: &[String]) -> Outcome {
    script("scripts/services", arguments)
}

fn lint(_: &[String]) -> Outcome {
    cargo(&["fmt", "--all", "--check"])?;
    tidy::run(&[])?;
    deny::run(&[])?;
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    library::check()?;
    let strict = [("RUSTDOCFLAGS".to_owned(), "-D warnings".to_owned())];
    cargo_with(&["doc", "--no-deps", "--lib", "-p", "tracing-issues", "-p", "issuetracker-server"], &strict)
}

fn bench(arguments: &[String]) -> Outcome {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    cargo(&[&["bench", "-p", "benches", "--"], arguments.as_slice()].concat())
}

fn bench_server(arguments: &[String]) -> Outcome {
    let (what, rest) = arguments.split_first().map_or(("", &[][..]), |(what, rest)| (what.as_str(), rest));
    let (program, variables) = match what {
        "embedded" => {
            cargo(&["build", "--release", "-p", "issuetracker-server"])?;
            ("embedded_server", Vec::new())
        }
        "firestore" => {
            script("scripts/services", &["up".to_owned(), "firestore".to_owned()])?;
            ("firestore_throughput", test::service_variables()?)
        }
        _ => return Err("what is to be measured? `embedded` or `firestore`".to_owned()),
    };
    let rest: Vec<&str> = rest.iter().map(String::as_str).collect();
    let build = ["run", "--release", "-p", "benches", "--no-default-features", "--features", "server"];
    cargo_with(&[&build[..], &["--bin", program, "--"], &rest].concat(), &variables)
}

fn ci(_: &[String]) -> Outcome {
    lint(&[])?;
    test::all(&[])?;
    gate::run(&[])?;
    fuzz::run(&["60".to_owned()])?;
    demo::run(&["--smoke".to_owned()])
}
