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
    fmt::Write,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    ending::{ALL, Ending, Role},
    proxy::{Proxy, Weather},
    receiver::Receiver,
};

/// With a receiver that answers. Generous: it is not used up.
const ENOUGH: Duration = Duration::from_secs(60);
/// Without one. All of it is used up.
const SHORT: Duration = Duration::from_secs(4);
/// No end may take so long: half a second of it is the library's own, the rest is that of a busy machine. Waiting twice
/// would be longer.
const LONGEST: Duration = Duration::from_secs(8);

/// Without a spool, what is not sent is lost.
const BARE: [Weather; 3] = [Weather::Clear, Weather::Gone, Weather::Silent];
/// With one nothing is, also if the receiver has taken what it did not acknowledge.
const SPOOLED: [Weather; 4] = [Weather::Clear, Weather::Gone, Weather::Silent, Weather::Deaf];

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
        let rows: Vec<_> = roads.iter().flat_map(|road| ALL.map(|ending| (*road, ending))).collect();
        let check = |road, ending| {
            let bare = scope.spawn(move || BARE.map(|weather| check(road, ending, weather)).to_vec());
            let spooled = scope.spawn(move || SPOOLED.map(|weather| check_spooled(road, ending, weather)).to_vec());
            [bare, spooled]
        };
        let rows: Vec<_> = rows.into_iter().map(|(road, ending)| (road, ending, check(road, ending))).collect();
        rows.into_iter()
            .map(|(road, ending, cells)| (road, ending, cells.map(thread::ScopedJoinHandle::join)))
            .collect()
    });
    println!("How many errors are lost, of how many:\n");
    println!("| how it ends | road | up | gone | silent | spool, up | gone | silent | deaf |");
    println!("|---|---|---|---|---|---|---|---|---|");
    let mut is_good = true;
    for (road, ending, cells) in rows {
        let mut row = format!("| {} | {road:?} |", ending.name());
        for cells in cells {
            is_good &= cells.is_ok();
            cells.unwrap_or_else(|_| vec!["FAILED, see above".to_owned()]).iter().for_each(|cell| {
                let _ = write!(row, " {cell} |");
            });
        }
        println!("{row}");
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
    /// For how many errors the events stand, each counted once however often it came.
    fn occurrences(&self) -> u64 {
        let events = match self {
            Self::Http(receiver) => receiver.events(),
            #[cfg(feature = "kafka")]
            Self::Kafka(topic) => topic.events().0,
        };
        events.iter().filter_map(|event| event["occurrences"].as_u64()).sum()
    }
}

/// A receiver behind a network, and where processes find it.
struct Scene {
    arrivals: Arrivals,
    proxy: Proxy,
    road: Value,
}

impl Scene {
    fn set(road: Road, weather: Weather) -> Self {
        match road {
            Road::Http => {
                let receiver = Receiver::start();
                let proxy = Proxy::to(&receiver.address.to_string(), weather);
                let road = json!({"url": format!("http://{}", proxy.address)});
                Self { arrivals: Arrivals::Http(receiver), proxy, road }
            }
            #[cfg(feature = "kafka")]
            Road::Kafka => {
                let topic = topic::Topic::new();
                let proxy = Proxy::to_kafka(&topic::brokers(), weather);
                let road = json!({"brokers": proxy.address.to_string(), "topic": topic.name});
                Self { arrivals: Arrivals::Kafka(topic), proxy, road }
            }
            #[cfg(not(feature = "kafka"))]
            Road::Kafka => unreachable!("without the feature nobody takes this road"),
        }
    }

    /// Lets a process end in this way.
    fn run(&self, ending: Ending, role: Role, weather: Weather, spool: Option<&Path>) -> Ended {
        let timeout = if weather == Weather::Clear { ENOUGH } else { SHORT };
        let part = json!({"ending": ending.name(), "role": role, "road": self.road, "spool": spool,
            "is_up": weather == Weather::Clear, "timeout_ms": timeout.as_millis() as u64});
        let mut process = Command::new(env::current_exe().unwrap())
            .env(ending::PART, part.to_string())
            .env_remove("RUST_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What it has counted in the moment before it ends.
        let last: Option<Value> = BufReader::new(process.stdout.take().unwrap())
            .lines()
            .find_map(|line| serde_json::from_str(line.unwrap().strip_prefix(ending::TELLS)?).ok());
        let start = Instant::now();
        if let Some(signal) = ending.signal() {
            kill(&process, signal);
        }
        let mut stderr = String::new();
        process.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let status = process.wait().unwrap();
        let last = last.unwrap_or_else(|| panic!("{status} before it told anything:\n{stderr}"));
        let took = start.elapsed();
        assert!(ending.is_status(status), "{ending:?}: {status}\n{stderr}");
        Ended { last, stderr, took }
    }
}

/// What is known of a process that has ended.
struct Ended {
    last: Value,
    stderr: String,
    took: Duration,
}

impl Ended {
    fn count(&self, name: &str) -> u64 {
        self.last[name].as_u64().unwrap()
    }
}

/// Without a spool. Tells what was lost.
fn check(road: Road, ending: Ending, weather: Weather) -> String {
    let scene = Scene::set(road, weather);
    let ended = scene.run(ending, Role::Hasty, weather, None);
    let (arrived, delivered) = (scene.arrivals.occurrences(), ended.count("delivered"));
    // And those that it logged after it has told.
    let seen = ended.count("seen") + ending.errors_at_the_end();
    let what = format!("{road:?}, {ending:?}, {weather:?}: {arrived} arrived of {}\n{}", ended.last, ended.stderr);
    assert!((delivered..=seen).contains(&arrived), "{what}");
    assert!(ended.took < LONGEST || weather == Weather::Clear, "{:?}: {what}", ended.took);
    let lost = seen - arrived;
    match (ending.is_graceful(), weather) {
        (true, Weather::Clear) => assert_eq!(lost, 0, "{what}"),
        (true, _) => {
            assert_eq!(arrived, 0, "{what}");
            let said = format!("{lost} errors could not be sent to ");
            assert!(!ending.says_what_is_lost() || ended.stderr.contains(&said), "{what}");
        }
        // Never more than what waited.
        (false, _) => assert!(lost <= seen - delivered, "{what}"),
    }
    in_words(lost, seen)
}

/// With a spool, and a process that comes after. Tells what was lost if everything happens at once; nothing is, if the counts
/// had the time to get to the disk.
fn check_spooled(road: Road, ending: Ending, weather: Weather) -> String {
    let lost = [Role::Patient, Role::Hasty].map(|role| {
        let (scene, spool) = (Scene::set(road, weather), tempfile::tempdir().unwrap());
        let ended = scene.run(ending, role, weather, Some(spool.path()));
        let seen = ended.count("seen") + ending.errors_at_the_end();
        // It is of no use to the next one that is killed while it reads.
        let killed = scene.run(Ending::Kill, Role::Heir, weather, Some(spool.path()));
        assert_eq!(killed.count("seen"), killed.count("adopted"));
        scene.proxy.set(Weather::Clear);
        let heir = scene.run(Ending::Return, Role::Heir, Weather::Clear, Some(spool.path()));
        let arrived = scene.arrivals.occurrences();
        let what = format!(
            "{road:?}, {ending:?}, {role:?}, {weather:?}: {arrived} arrived of {}\n{}\n{}\n{}",
            ended.last, ended.stderr, killed.stderr, heir.stderr
        );
        assert!(arrived <= seen, "an error was counted twice: {what}");
        if role == Role::Patient || ending.is_graceful() {
            assert_eq!(arrived, seen, "{what}");
        }
        // Those of the last second.
        assert!(seen - arrived <= ending::BURST, "{what}");
        (seen - arrived, seen)
    });
    in_words(lost[1].0, lost[1].1)
}

fn in_words(lost: u64, seen: u64) -> String {
    if lost == 0 { "nothing".to_owned() } else { format!("{lost} of {seen}") }
}

fn kill(process: &Child, signal: &str) {
    let status = Command::new("kill").args([format!("-{signal}"), process.id().to_string()]).status();
    assert!(status.unwrap().success());
}
