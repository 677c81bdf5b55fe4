//! Deduplication between the instances of one service, each a process of its own, through a real Redis. Whatever Redis
//! does, the counts are exact: it changes when an event goes out, never what is counted.
#![cfg(feature = "redis")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stdout, reason = "an instance tells the process that started it")]

use std::{
    env,
    net::TcpListener,
    process::Command,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use deadpool_redis::redis;
use serde_json::{Value, json};
use tracing::error;
use tracing_issues::{
    IssueGuard, Stats,
    testing::{Published, memory},
};
use tracing_subscriber::prelude::*;

/// When a suppressed first report goes out: the first interval of `aggregate.rs`.
const FIRST_SUMMARY: Duration = Duration::from_secs(1);
/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

const SCENARIO: &str = "TRACING_ISSUES_TEST_SCENARIO";
const SERVICE: &str = "TRACING_ISSUES_TEST_SERVICE";
const REDIS: &str = "TRACING_ISSUES_TEST_REDIS";
const ANSWER: &str = "the instance says: ";

/// Runs one instance of `service` in a process of its own, which is this test binary running only `test`, and returns
/// what [`Instance::finish`] printed there.
#[track_caller]
fn instance_in_own_process(test: &str, service: &str, redis_url: &str) -> Value {
    let output = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture"])
        .env(SCENARIO, test)
        .env(SERVICE, service)
        .env(REDIS, redis_url)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{test} failed:\n{text}\n{errors}");
    let answer = text.lines().find_map(|line| Some(line.split_once(ANSWER)?.1));
    serde_json::from_str(answer.unwrap_or_else(|| panic!("{test} said nothing:\n{text}\n{errors}"))).unwrap()
}

/// Whether this is a process that [`instance_in_own_process`] has started for `test`.
fn is_instance(test: &str) -> bool {
    env::var(SCENARIO).is_ok_and(|scenario| scenario == test)
}

/// One instance of a service, behind the global subscriber of its process.
struct Instance {
    guard: IssueGuard,
    published: Published,
}

impl Instance {
    fn start() -> Self {
        let (publisher, published) = memory();
        let builder = tracing_issues::builder(env::var(SERVICE).unwrap()).redis_url(env::var(REDIS).unwrap());
        let (issues, guard) = builder.publisher(publisher).build().unwrap();
        tracing_subscriber::registry().with(issues).init();
        Self { guard, published }
    }

    #[track_caller]
    fn wait_until(&self, what: &str, is_reached: impl Fn(&Stats) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_reached(&self.guard.stats()) {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.guard.stats());
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Stops, and tells the process that started this one about it.
    fn finish(self, more: &Value) {
        let stats = self.guard.shutdown();
        println!("\n{ANSWER}{}", json!({"events": self.published.events(), "stats": stats, "more": more}));
    }
}

/// The address of the real Redis, and a connection to it.
#[track_caller]
fn real_redis() -> (String, redis::Connection) {
    const SERVICES: &str = "run scripts/services up and eval \"$(scripts/services env)\"";
    let Ok(url) = env::var("TEST_REDIS_URL") else { panic!("TEST_REDIS_URL names no Redis: {SERVICES}") };
    match redis::Client::open(&*url).and_then(|client| client.get_connection_with_timeout(Duration::from_secs(5))) {
        Ok(connection) => (url, connection),
        Err(error) => panic!("no Redis answers at {url}: {error}: {SERVICES}"),
    }
}

/// A service that no other run of any test has.
fn unique_service() -> String {
    format!("test-{}", uuid::Uuid::now_v7().simple())
}

fn keys(connection: &mut redis::Connection, service: &str) -> Vec<String> {
    redis::cmd("KEYS").arg(format!("{service}:*")).query(connection).unwrap()
}

fn remove(connection: &mut redis::Connection, keys: &[String]) {
    redis::cmd("DEL").arg(keys).exec(connection).unwrap();
}

fn occurrences(instance: &Value) -> u64 {
    instance["events"].as_array().unwrap().iter().map(|event| event["occurrences"].as_u64().unwrap()).sum()
}

/// Checks that nothing was lost or invented, and that every error is accounted for.
#[track_caller]
fn check_exact(instance: &Value, errors: u64) {
    let stats = &instance["stats"];
    assert_eq!(occurrences(instance), errors, "{instance:#}");
    assert_eq!((&stats["seen"], &stats["delivered"]), (&json!(errors), &json!(errors)), "{stats}");
    assert_eq!((&stats["queued"], &stats["aggregated"]), (&json!(0), &json!(0)), "{stats}");
    assert!(stats["dropped"].as_object().unwrap().values().all(|count| *count == 0), "{stats}");
}

/// An instance of a service of which another one has reported the error: all that it logs goes into summaries. Redis has
/// 100 ms to say so, which a busy machine may miss, and then the error goes out at once; but not every time.
#[track_caller]
fn suppressed_instance(test: &str, service: &str, redis_url: &str, errors: u64) -> Value {
    let mut instance = Value::Null;
    for _ in 0..5 {
        instance = instance_in_own_process(test, service, redis_url);
        check_exact(&instance, errors);
        if instance["stats"]["suppressed"] == errors {
            return instance;
        }
    }
    panic!("no instance was suppressed: {instance:#}");
}

#[test]
fn the_first_instance_reports_at_once_and_the_second_counts() {
    const TEST: &str = "the_first_instance_reports_at_once_and_the_second_counts";
    if is_instance(TEST) {
        let instance = Instance::start();
        let start = Instant::now();
        error!(order = 1, "order refused");
        // At once an event of its own, or counted: one of the two, and both say which.
        instance.wait_until("the first error is decided upon", |stats| stats.published == 1 || stats.suppressed == 1);
        let (at_once, is_early) = (instance.published.events().len(), start.elapsed() < FIRST_SUMMARY);
        error!(order = 2, "order refused");
        error!(order = 3, "order refused");
        return instance.finish(&json!({"at_once": at_once, "is_early": is_early}));
    }
    let (url, mut connection) = real_redis();
    let service = unique_service();
    let first = instance_in_own_process(TEST, &service, &url);
    check_exact(&first, 3);
    assert_eq!((&first["more"]["at_once"], &first["events"][0]["occurrences"]), (&json!(1), &json!(1)), "{first:#}");
    assert_eq!(first["stats"]["suppressed"], 2, "{first:#}");

    let event = &first["events"][0];
    let second = suppressed_instance(TEST, &service, &url, 3);
    assert_eq!(second["events"][0]["fingerprint"], event["fingerprint"]);
    if second["more"]["is_early"] == true {
        // No error went out as an event of its own.
        assert_eq!(second["more"]["at_once"], 0, "{second:#}");
    }

    let keys = keys(&mut connection, &service);
    assert_eq!(keys, [format!("{service}:error_fingerprint:{}", event["fingerprint"].as_str().unwrap())]);
    let issue_id: String = redis::cmd("GET").arg(&keys[0]).query(&mut connection).unwrap();
    assert_eq!(issue_id, event["issue_id"].as_str().unwrap());
    let ttl: i64 = redis::cmd("TTL").arg(&keys[0]).query(&mut connection).unwrap();
    assert!((86_000..=86_400).contains(&ttl), "{ttl} s");

    // Another service has keys of its own: the same error is its first.
    let other = instance_in_own_process(TEST, &unique_service(), &url);
    check_exact(&other, 3);
    assert_eq!(other["more"]["at_once"], 1, "{other:#}");
    let others = self::keys(&mut connection, other["events"][0]["service"].as_str().unwrap());
    remove(&mut connection, &[keys, others].concat());
}

#[test]
fn garbage_under_our_keys_changes_no_count() {
    const TEST: &str = "garbage_under_our_keys_changes_no_count";
    if is_instance(TEST) {
        let instance = Instance::start();
        error!("order refused");
        instance.wait_until("the first error is decided upon", |stats| stats.published == 1 || stats.suppressed == 1);
        for _ in 0..9 {
            error!("order refused");
        }
        return instance.finish(&Value::Null);
    }
    let (url, mut connection) = real_redis();
    let service = unique_service();
    let first = instance_in_own_process(TEST, &service, &url);
    check_exact(&first, 10);
    assert_eq!(first["stats"]["suppressed"], 9, "{first:#}");
    let key = format!("{service}:error_fingerprint:{}", first["events"][0]["fingerprint"].as_str().unwrap());

    // A text that is no issue id: somebody has reported it, whatever the id was.
    redis::cmd("SET").arg(&key).arg(b"\xff\x00 no issue").exec(&mut connection).unwrap();
    suppressed_instance(TEST, &service, &url, 10);

    // Another type, which Redis refuses to read: as if Redis were down.
    let keys = [key];
    remove(&mut connection, &keys);
    redis::cmd("RPUSH").arg(&keys[0]).arg("a").arg("b").exec(&mut connection).unwrap();
    let admitted = instance_in_own_process(TEST, &service, &url);
    check_exact(&admitted, 10);
    assert_eq!(admitted["stats"]["suppressed"], 9, "{admitted:#}");
    remove(&mut connection, &keys);
}

/// 40 errors that have nothing in common, twice each.
fn eighty_errors() {
    for _ in 0..2 {
        for place in ["amber", "birch", "cedar", "dahlia", "elder", "fern", "ginger", "hazel"] {
            for fault in ["stalled", "refused", "vanished", "overflowed", "diverged"] {
                error!("the gateway in {place} {fault}");
            }
        }
    }
}

/// What an instance does whose Redis is of no use, and how long that took.
fn eighty_errors_without_redis() {
    let instance = Instance::start();
    let start = Instant::now();
    eighty_errors();
    let logging = start.elapsed();
    instance.wait_until("all are decided upon", |stats| stats.published + stats.suppressed >= 80);
    let deciding = start.elapsed();
    instance.finish(&json!({"logging_ms": logging.as_millis() as u64, "deciding_ms": deciding.as_millis() as u64}));
}

#[track_caller]
fn check_without_redis(test: &str, redis_url: &str) {
    let instance = instance_in_own_process(test, &unique_service(), redis_url);
    check_exact(&instance, 80);
    // Each of the 40 went out by itself: without Redis there is more traffic, not less.
    assert_eq!(instance["stats"]["suppressed"], 40, "{}", instance["stats"]);
    // One question may take 100 ms; 40 of them, one after the other, would take 4 s.
    assert!(instance["more"]["logging_ms"].as_u64().unwrap() < 1_000, "{}", instance["more"]);
    assert!(instance["more"]["deciding_ms"].as_u64().unwrap() < 3_000, "{}", instance["more"]);
}

#[test]
fn a_redis_that_is_down_changes_no_count_and_delays_nothing() {
    const TEST: &str = "a_redis_that_is_down_changes_no_count_and_delays_nothing";
    if is_instance(TEST) {
        return eighty_errors_without_redis();
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check_without_redis(TEST, &format!("redis://{closed}"));
}

#[test]
fn a_redis_that_never_answers_changes_no_count_and_delays_nothing() {
    const TEST: &str = "a_redis_that_never_answers_changes_no_count_and_delays_nothing";
    if is_instance(TEST) {
        return eighty_errors_without_redis();
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let (connected, connections) = mpsc::channel();
    thread::spawn(move || {
        // Kept open, and never answered.
        for connection in silent.incoming() {
            connected.send(connection.unwrap()).unwrap();
        }
    });
    check_without_redis(TEST, &format!("redis://{address}"));
    assert!(connections.try_iter().count() > 0, "nobody asked, so nothing was tested");
}
