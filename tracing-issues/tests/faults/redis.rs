//! Three instances of a service share a Redis in every state that one can be in. The counts are exact in each: Redis
//! changes when an event goes out, never what is counted.

use std::{
    collections::BTreeMap,
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use deadpool_redis::redis::{self, Connection};
use serde_json::{Value, json};
use tracing::error;
use tracing_issues::testing::memory;
use tracing_subscriber::prelude::*;

use crate::{
    law::{self, Calls, Watch},
    proxy::{Proxy, Weather},
    stage::{Stage, tell},
};

const ERRORS: u64 = 10_000;
/// An instance logs in so many portions, so that what happens to Redis happens in the middle.
const PORTIONS: u64 = 40;
const PAUSE: Duration = Duration::from_millis(70);
/// Which of its databases is flushed all the time: other tests use the first.
const FLUSHED: &str = "7";

/// What is the matter with Redis.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// The network, from the start.
    Always(Weather),
    /// The network, a second after the start.
    Suddenly(Weather),
    /// Somebody flushes it all the time.
    Flushed,
    /// What is under our keys: a command with its arguments, all but the key.
    Garbage(&'static [&'static str]),
    /// A value of 8 MiB.
    Huge,
}

use Trouble::{Always, Flushed, Garbage, Huge, Suddenly};

const TROUBLES: [Trouble; 15] = [
    Always(Weather::Clear),
    Always(Weather::Gone),
    Always(Weather::Slow),
    Always(Weather::Silent),
    Always(Weather::Deaf),
    Always(Weather::Nonsense),
    Suddenly(Weather::Gone),
    Suddenly(Weather::Silent),
    Suddenly(Weather::Deaf),
    Flushed,
    Garbage(&["RPUSH", "a", "b"]),
    Garbage(&["HSET", "a", "b"]),
    Garbage(&["SET", "0000000000000000"]),
    Garbage(&["SET", "\0 no issue \u{fffd}"]),
    Huge,
];

#[test]
fn ten_thousand_errors_of_three_instances_are_counted_exactly_whatever_redis_does() {
    let Some(stage) = Stage::of(|part| instance(&serde_json::from_str(part).unwrap())) else { return };
    thread::scope(|scope| {
        for trouble in TROUBLES {
            let stage = &stage;
            scope.spawn(move || check(stage, trouble));
        }
    });
}

/// Three instances of a service of their own.
fn check(stage: &Stage, trouble: Trouble) {
    let url = env::var("TEST_REDIS_URL").expect("run scripts/services up and eval \"$(scripts/services env)\"");
    let service = format!("test-{}", uuid::Uuid::now_v7().simple());
    let upstream = url.trim_start_matches("redis://");
    let weather = if let Always(weather) = trouble { weather } else { Weather::Clear };
    let proxy = Proxy::to(upstream, weather);
    let database = if matches!(trouble, Flushed) { FLUSHED } else { "0" };
    let mut connection = connect(&format!("{url}/{database}"));
    let address = format!("redis://{}/{database}", proxy.address);
    let part = |errors: u64| json!({"service": &service, "redis": &address, "errors": errors}).to_string();

    let prefix = format!("{service}:error_fingerprint:");
    if matches!(trouble, Garbage(_) | Huge) {
        // One that is not counted, to learn the fingerprints.
        for fingerprint in counts(&stage.play(&part(1)).told).keys() {
            spoil(&mut connection, trouble, &format!("{prefix}{fingerprint}"));
        }
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let flushing =
        matches!(trouble, Flushed).then(|| flush_all_the_time(&is_over, connect(&format!("{url}/{FLUSHED}"))));

    let instances = [ERRORS / 3, ERRORS / 3, ERRORS - 2 * (ERRORS / 3)].map(|errors| stage.start(&part(errors)));
    if let Suddenly(weather) = trouble {
        thread::sleep(Duration::from_secs(1));
        proxy.set(weather);
    }
    let mut found = BTreeMap::new();
    for instance in instances {
        for (fingerprint, occurrences) in counts(&instance.finish().told) {
            *found.entry(fingerprint).or_default() += occurrences;
        }
    }
    is_over.store(true, Relaxed);
    assert!(flushing.is_none_or(|flushing| flushing.join().unwrap() > 0), "nobody flushed");
    assert_eq!(found.values().copied().collect::<Vec<u64>>(), [ERRORS, ERRORS], "{trouble:?}: {found:?}");
    if weather != Weather::Gone {
        assert!(proxy.connections() > 0, "{trouble:?}: nobody asked, so nothing was tested");
    }
    let keys: Vec<String> = redis::cmd("KEYS").arg(format!("{prefix}*")).query(&mut connection).unwrap();
    if !keys.is_empty() {
        redis::cmd("DEL").arg(keys).exec(&mut connection).unwrap();
    }
}

fn connect(url: &str) -> Connection {
    redis::Client::open(url).unwrap().get_connection_with_timeout(law::PATIENCE).unwrap()
}

fn spoil(connection: &mut Connection, trouble: Trouble, key: &str) {
    redis::cmd("DEL").arg(key).exec(connection).unwrap();
    match trouble {
        Garbage([command, arguments @ ..]) => redis::cmd(command).arg(key).arg(arguments).exec(connection).unwrap(),
        Huge => redis::cmd("SET").arg(key).arg("x".repeat(8 << 20)).exec(connection).unwrap(),
        _ => (),
    }
}

fn flush_all_the_time(is_over: &Arc<AtomicBool>, mut connection: Connection) -> thread::JoinHandle<u64> {
    let is_over = Arc::clone(is_over);
    thread::spawn(move || {
        let mut times = 0;
        while !is_over.load(Relaxed) {
            redis::cmd("FLUSHDB").exec(&mut connection).unwrap();
            times += 1;
            thread::sleep(Duration::from_millis(200));
        }
        times
    })
}

/// One instance: logs the same error again and again, and one with numbers that vary, and tells what it published.
fn instance(part: &Value) {
    let (text, errors) = (|name: &str| part[name].as_str().unwrap().to_owned(), part["errors"].as_u64().unwrap());
    let (publisher, published) = memory();
    let builder = tracing_issues::builder(text("service")).redis_url(text("redis")).publisher(publisher);
    let (issues, guard) = builder.flush_timeout(law::PATIENCE).build().unwrap();
    let watch = Watch::start(issues.stats());
    tracing_subscriber::registry().with(issues).init();
    let mut calls = Calls::default();
    for number in 0..errors {
        calls.call(|| error!("feed stalled"));
        calls.call(|| error!(number, "order {number} refused after {}ms", number % 97));
        if errors > PORTIONS && number % (errors / PORTIONS) == 0 {
            thread::sleep(PAUSE);
        }
    }
    let stats = guard.shutdown();
    watch.finish();
    calls.check();
    law::check_delivered(&stats, 2 * errors);
    tell(&json!(published.events()));
}

/// Occurrences by fingerprint.
fn counts(events: &Value) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for event in events.as_array().unwrap() {
        let fingerprint = event["fingerprint"].as_str().unwrap().to_owned();
        *counts.entry(fingerprint).or_default() += event["occurrences"].as_u64().unwrap();
    }
    counts
}
