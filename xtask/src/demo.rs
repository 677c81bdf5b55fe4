//! The main job from a fresh clone with only Rust there: a server, an example that reports into it, an address to open.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    run::{Outcome, cargo, root, say},
    test::target_directory,
};

/// How long the server may take to answer, and the first error to arrive.
const PATIENCE: Duration = Duration::from_secs(60);

/// `--smoke` ends as soon as the first error is on the dashboard.
pub(crate) fn run(arguments: &[String]) -> Outcome {
    let is_smoke = match arguments {
        [] => false,
        [flag] if flag == "--smoke" => true,
        _ => return Err("it takes no arguments but --smoke".to_owned()),
    };
    let start = Instant::now();
    say("Building the server and an example, without Kafka and Firestore: the first time takes a minute or two.");
    cargo(&[
        "build",
        "--no-default-features",
        "-p",
        "issuetracker-server",
        "-p",
        "examples",
        "--bin",
        "issuetracker-server",
        "--bin",
        "market_data",
    ])?;
    let address = free_address()?;
    let directory = root().join("target/demo");
    std::fs::create_dir_all(&directory).map_err(|error| format!("{}: {error}", directory.display()))?;

    let server = Command::new(target_directory().join("issuetracker-server"))
        .env("ISSUETRACKER_HTTP_ADDR", address.to_string())
        .env("ISSUETRACKER_STORE_PATH", directory.join("issuetracker.sqlite"))
        .env("ISSUETRACKER_LOG", "warn")
        .stdin(Stdio::null())
        .spawn();
    let mut server = Running(server.map_err(|error| format!("the server cannot be started: {error}"))?);
    wait_until("the server answers", &mut server, || {
        get(address, "/readyz").is_some_and(|answer| answer.contains(" 200 "))
    })?;

    let example = Command::new(target_directory().join("market_data"))
        .env("TRACING_ISSUES_URL", format!("http://{address}"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _example = Running(example.map_err(|error| format!("the example cannot be started: {error}"))?);
    wait_until("the first error is on the dashboard", &mut server, || {
        get(address, "/api/v1/issues?limit=1&service=market_data").is_some_and(|answer| answer.contains("\"id\":"))
    })?;

    say(&format!("\nThe first error is on the dashboard, {} s after the command.", start.elapsed().as_secs()));
    say(&format!("Open      http://{address}"));
    say("Reporting examples/src/bin/market_data, whose errors are real failures; more come every second or two.");
    if address.port() != 8080 {
        say(&format!("Services of your own report here with TRACING_ISSUES_URL=http://{address}"));
    }
    say("Stored in target/demo/issuetracker.sqlite; delete it to begin anew.");
    if is_smoke {
        return Ok(());
    }
    say("Stop with Ctrl-C.");
    let status = server.0.wait().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("the server ended ({status})")) }
}

/// 8080 as everywhere in the documentation, or whatever is free.
fn free_address() -> Outcome<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:8080").or_else(|_| {
        say("Port 8080 is taken; using another one.");
        TcpListener::bind("127.0.0.1:0")
    });
    listener.and_then(|listener| listener.local_addr()).map_err(|error| format!("no port is free: {error}"))
}

fn wait_until(what: &str, server: &mut Running, mut is_done: impl FnMut() -> bool) -> Outcome {
    let start = Instant::now();
    while !is_done() {
        if let Ok(Some(status)) = server.0.try_wait() {
            return Err(format!("the server ended ({status}) before {what}"));
        }
        if start.elapsed() > PATIENCE {
            return Err(format!("waited {} s until {what}", PATIENCE.as_secs()));
        }
        sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// The whole answer to one request, head and body.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

/// A process that does not outlive us.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
