//! How a process ends, and what is lost then: nothing, or exactly what docs/library.md says. Each way in a real process, with
//! a receiver that is up, gone or silent, over HTTP and Kafka. It has a `main` of its own, because one has to end.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a process tells the one that started it")]

mod ending;
#[path = "../support/proxy.rs"]
mod proxy;
#[path = "../support/receiver.rs"]
mod receiver;
#[cfg(feature = "kafka")]
#[path = "../support/topic.rs"]
mod topic;

use std::{
    env,
    io::{BufRead, BufReader, Read},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    ending::{ALL, Ending},
    proxy::{Proxy, Weather},
    receiver::Receiver,
};

/// With a receiver that answers. Generous: it is not used up.
const ENOUGH: Duration = Duration::from_secs(60);
/// Without one. All of it is used up.
const SHORT: Duration = Duration::from_secs(4);
/// How much longer an end may take: half a second is the library's own, the rest is that of a busy machine. It is less than
/// waiting once more.
const GRACE: Duration = Duration::from_secs(3);

const WEATHERS: [Weather; 3] = [Weather::Clear, Weather::Gone, Weather::Silent];

fn main() -> ExitCode {
    if let Ok(part) = env::var(ending::PART) {
        return ending::play(&serde_json::from_str(&part).unwrap());
    }
    // `cargo test some_name` runs every binary with it.
    if env::args().skip(1).any(|argument| !argument.starts_with('-') && !"exits".contains(&argument)) {
        return ExitCode::SUCCESS;
    }
    let roads: &[Road] = if cfg!(feature = "kafka") { &[Road::Http, Road::Kafka] } else { &[Road::Http] };
    let rows: Vec<_> = thread::scope(|scope| {
        let start = |road, ending| scope.spawn(move || WEATHERS.map(|weather| check(road, ending, weather)));
        let rows: Vec<_> = roads.iter().flat_map(|road| ALL.map(|ending| (*road, ending))).collect();
        let rows: Vec<_> = rows.into_iter().map(|(road, ending)| (road, ending, start(road, ending))).collect();
        rows.into_iter().map(|(road, ending, row)| (road, ending, row.join())).collect()
    });
    println!("| how it ends | road | receiver up | receiver gone | receiver silent |\n|---|---|---|---|---|");
    let mut is_good = true;
    for (road, ending, row) in rows {
        match row {
            Ok([up, gone, silent]) => println!("| {} | {road:?} | {up} | {gone} | {silent} |", ending.name()),
            Err(_) => {
                println!("| {} | {road:?} | FAILED, see above |", ending.name());
                is_good = false;
            }
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Road {
    Http,
    Kafka,
}

/// Where a process's events arrive.
enum Arrivals {
    Http(Receiver),
    #[cfg(feature = "kafka")]
    Kafka(topic::Topic),
}

impl Arrivals {
    /// Each event once.
    fn events(&self) -> Vec<Value> {
        match self {
            Self::Http(receiver) => receiver.events(),
            #[cfg(feature = "kafka")]
            Self::Kafka(topic) => topic.events().0,
        }
    }

    fn occurrences(&self) -> u64 {
        self.events().iter().filter_map(|event| event["occurrences"].as_u64()).sum()
    }
}

/// Lets a process end in this way, and tells what was lost.
fn check(road: Road, ending: Ending, weather: Weather) -> String {
    let timeout = if weather == Weather::Clear { ENOUGH } else { SHORT };
    let (arrivals, part, _proxy) = stage(road, ending, weather, timeout);
    let mut process = Command::new(env::current_exe().unwrap())
        .env(ending::PART, part.to_string())
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What it has counted in the moment before it ends.
    let last: Value = BufReader::new(process.stdout.take().unwrap())
        .lines()
        .find_map(|line| serde_json::from_str(line.unwrap().strip_prefix(ending::TELLS)?).ok())
        .expect("it ended before it told anything");
    let start = Instant::now();
    if let Some(signal) = ending.signal() {
        kill(&process, signal);
    }
    let mut stderr = String::new();
    process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    let status = process.wait().unwrap();
    let took = start.elapsed();
    let arrived = arrivals.occurrences();

    let context =
        format!("{road:?}, {ending:?}, {weather:?}, {status}, {took:?}: {arrived} arrived of {last}\n{stderr}");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        assert!(ending.is_status(status), "ended otherwise");
        let count = |name: &str| last[name].as_u64().unwrap();
        // Those that it logs after it has told.
        let seen = count("seen") + ending.errors_at_the_end();
        assert!(arrived >= count("delivered") && arrived <= seen, "counts do not add up");
        let lost = seen - arrived;
        assert!(took < if ending.is_graceful() { timeout + GRACE } else { GRACE }, "it took too long");
        match (ending.is_graceful(), weather == Weather::Clear) {
            (true, true) => assert_eq!(lost, 0, "something was lost"),
            (true, false) => {
                assert_eq!(arrived, 0);
                let said = format!("{lost} errors could not be sent to ");
                assert!(!ending.says_what_is_lost() || stderr.contains(&said), "it did not say `{said}`");
            }
            // Never more than what waited.
            (false, _) => assert!(lost <= seen - count("delivered"), "more was lost than waited"),
        }
        lost
    }));
    match outcome {
        Ok(0) => "nothing".to_owned(),
        Ok(lost) => format!("{lost} of {}", arrived + lost),
        Err(panic) => {
            eprintln!("{context}");
            resume_unwind(panic)
        }
    }
}

/// A receiver, the part that is played before it, and the network between.
fn stage(road: Road, ending: Ending, weather: Weather, timeout: Duration) -> (Arrivals, Value, Proxy) {
    let part = |url: &str, brokers: &str, topic: &str| {
        json!({"ending": ending.name(), "url": url, "brokers": brokers, "topic": topic,
            "is_up": weather == Weather::Clear, "timeout_ms": timeout.as_millis() as u64})
    };
    match road {
        Road::Http => {
            let receiver = Receiver::start();
            let proxy = Proxy::to(&receiver.address.to_string(), weather);
            let part = part(&format!("http://{}", proxy.address), "", "");
            (Arrivals::Http(receiver), part, proxy)
        }
        #[cfg(feature = "kafka")]
        Road::Kafka => {
            let topic = topic::Topic::new();
            let proxy = Proxy::to_kafka(&topic::brokers(), weather);
            let part = part("", &proxy.address.to_string(), &topic.name);
            (Arrivals::Kafka(topic), part, proxy)
        }
        #[cfg(not(feature = "kafka"))]
        Road::Kafka => unreachable!("without the feature nobody takes this road"),
    }
}

fn kill(process: &Child, signal: &str) {
    let status = Command::new("kill").args([format!("-{signal}"), process.id().to_string()]).status();
    assert!(status.unwrap().success());
}
