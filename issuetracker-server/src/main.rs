//! The server's process: configuration, logs, signals; everything else is in [`app`](issuetracker_server::app).

use std::{process::ExitCode, time::Duration};

use clap::{Parser, Subcommand};
use issuetracker_server::{
    app,
    auth::command as keys,
    client,
    config::{Config, ConfigErrors},
    dead_letters::command as dead_letters,
    doctor, logs, upkeep,
};
use tokio_util::sync::CancellationToken;

/// Collects the errors of Rust services and serves the dashboard where they are solved.
///
/// With nothing configured: SQLite in ./issuetracker.sqlite, events over HTTP, dashboard on http://127.0.0.1:8080.
/// Configured by ISSUETRACKER_* variables; docs/operations.md lists them.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Checks the configuration, prints the effective values, and exits.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    task: Option<Task>,
}

/// What it does instead of serving.
#[derive(Subcommand)]
enum Task {
    /// Sends one marked error down the configured road and tells, step by step, how far it came.
    ///
    /// The running server is asked over HTTP. Run it with the variables of the server. Ends with 0 if the error came all the
    /// way, else with 1.
    Doctor(doctor::Arguments),
    /// Lists, shows and replays records that could not be read.
    ///
    /// Run it with the variables of the server, which may run or not. Ends with 0 if all could be done, 1 if a letter is not
    /// there or could not be replayed, or if Kafka or the store does not answer, 2 for the configuration.
    DeadLetters(dead_letters::Arguments),
    /// Creates, lists and revokes the keys with which services report over HTTP.
    ///
    /// Run it with the variables of the server, which may run or not. Ends with 0 if it could be done, 1 if there is no such
    /// key or the store does not answer, 2 for the configuration.
    Keys(keys::Arguments),
    /// Lists, shows, resolves and comments issues of a running server.
    ///
    /// Needs no configuration but the server's address. With login, ISSUES_SESSION is the value of your browser's session cookie:
    /// keys of services report and read nothing. Ends with 0 if all could be done, else with 1.
    Issues(client::Issues),
    /// Follows new issues of a running server, one a line, until it is stopped.
    Tail(client::Tail),
    #[command(flatten)]
    Upkeep(upkeep::Command),
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "answers to the person who started it")]
fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let config = Config::from_env();
    if let Some(task) = arguments.task {
        return match work(task, config) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{error:#}");
                if error.is::<ConfigErrors>() { ExitCode::from(2) } else { ExitCode::FAILURE }
            }
        };
    }
    let config = match config {
        Ok(config) => config,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(2);
        }
    };
    if arguments.check_config {
        config.describe().iter().for_each(|(name, value)| println!("{name}: {value}"));
        return ExitCode::SUCCESS;
    }
    logs::start(&config);
    config.describe().iter().for_each(|(name, value)| tracing::info!("{name}: {value}"));

    let result = tokio::runtime::Runtime::new().map_err(Into::into).and_then(|runtime| {
        let shutdown = CancellationToken::new();
        runtime.spawn(cancel_on_signal(shutdown.clone()));
        let result = runtime.block_on(app::run(config, shutdown));
        // Not for ever: a call into a client that hangs must not keep the process.
        runtime.shutdown_timeout(Duration::from_secs(1));
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does something else than serving. Tells whether all of it could be done.
fn work(task: Task, config: Result<Config, ConfigErrors>) -> anyhow::Result<bool> {
    let (mut out, mut progress) = (std::io::stdout(), std::io::stderr());
    let runtime = tokio::runtime::Runtime::new()?;
    match task {
        Task::Doctor(arguments) => Ok(doctor::run(&arguments, config, &mut out)?),
        Task::DeadLetters(arguments) => {
            runtime.block_on(dead_letters::run(arguments, &config?, &mut out, &mut progress))
        }
        Task::Keys(arguments) => {
            runtime.block_on(keys::run(arguments, &config?, &mut out, &mut progress)).map(|()| true)
        }
        Task::Issues(arguments) => runtime.block_on(client::run(arguments, &mut out)),
        Task::Tail(arguments) => runtime.block_on(client::tail(arguments, &mut out, &mut progress)).map(|()| true),
        Task::Upkeep(command) => runtime.block_on(upkeep::run(command, &config?, &mut out)).map(|()| true),
    }
}

async fn cancel_on_signal(shutdown: CancellationToken) {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => _ = signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => (),
        () = terminated => (),
    }
    tracing::info!("stopping");
    shutdown.cancel();
}
