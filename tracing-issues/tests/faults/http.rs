//! An HTTP receiver that is down or ill, behind a network in every weather: nobody waits, it is asked less and less often,
//! every error arrives once.

use std::{
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tracing::error;
use tracing_issues::{IssueGuard, Road};
use tracing_subscriber::prelude::*;

use crate::{
    law::{self, Calls, Watch, wait_until},
    proxy::{Proxy, Weather},
    receiver::{Health, Receiver},
    stage::{Stage, tell},
};

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Network(Weather),
    Server(Health),
}

use Trouble::{Network, Server};

const TROUBLES: [Trouble; 6] = [
    Network(Weather::Gone),
    Network(Weather::Silent),
    Network(Weather::Deaf),
    Network(Weather::Nonsense),
    Server(Health::Overloaded),
    Server(Health::Forgetful),
];

/// A service that logs on two threads all the time, through whatever `happens`. Tells how many errors that were.
fn service(url: String, happens: impl FnOnce(&IssueGuard)) -> u64 {
    let (issues, guard) = tracing_issues::builder("newsfeed").url(url).flush_timeout(law::PATIENCE).build().unwrap();
    let watch = Watch::start(issues.stats());
    tracing_subscriber::registry().with(issues).init();
    let is_over = AtomicBool::new(false);
    let log = || {
        let (mut errors, mut calls) = (0, Calls::default());
        while !is_over.load(Relaxed) {
            calls.call(|| error!(errors, "the feed stalled after {errors} quotes"));
            errors += 1;
            thread::sleep(Duration::from_millis(2));
        }
        calls.check();
        errors
    };
    let errors = thread::scope(|scope| {
        let callers = [scope.spawn(log), scope.spawn(log)];
        happens(&guard);
        is_over.store(true, Relaxed);
        callers.map(|caller| caller.join().unwrap()).iter().sum()
    });
    let stats = guard.shutdown();
    watch.finish();
    law::check_delivered(&stats, errors);
    errors
}

/// How often it goes wrong. Silence takes long to notice.
fn outages(trouble: Trouble) -> usize {
    if matches!(trouble, Network(Weather::Silent | Weather::Deaf)) { 1 } else { 2 }
}

#[test]
fn whatever_happens_to_the_road_every_error_arrives_once() {
    let play = |part: &str| {
        let trouble = TROUBLES[part.parse::<usize>().unwrap()];
        let receiver = Receiver::start();
        let proxy = Proxy::to(&receiver.address.to_string(), Weather::Clear);
        let url = format!("http://{}", proxy.address);
        let errors = service(url, |guard| {
            for _ in 0..outages(trouble) {
                wait_until("the road is open", guard, |stats| stats.road == Road::Connected);
                match trouble {
                    Network(weather) => proxy.set(weather),
                    Server(health) => receiver.set(health),
                }
                wait_until("the road is blocked", guard, |stats| stats.road == Road::Down);
                thread::sleep(Duration::from_secs(1));
                proxy.set(Weather::Clear);
                receiver.set(Health::Well);
            }
            wait_until("the road is open again", guard, |stats| stats.road == Road::Connected);
        });
        assert_eq!(receiver.occurrences(), errors, "{trouble:?}");
        let is_repeating = matches!(trouble, Network(Weather::Deaf) | Server(Health::Forgetful));
        assert!(!is_repeating || receiver.repeated() > 0, "{trouble:?}: nothing was sent again");
        tell(&json!({"errors": errors, "events": receiver.events().len()}));
    };
    let Some(stage) = Stage::of(play) else { return };
    let players: Vec<_> = (0..TROUBLES.len()).map(|index| stage.start(&index.to_string())).collect();
    for (player, trouble) in players.into_iter().zip(TROUBLES) {
        let told = player.finish();
        let lines = |text: &str| told.stderr.lines().filter(|line| line.contains(text)).count();
        let said = [lines("is unreachable ("), lines("is back; ")];
        assert_eq!(said, [outages(trouble); 2], "{trouble:?}:\n{}", told.stderr);
    }
}

#[test]
fn a_blocked_road_is_tried_less_and_less_often() {
    let play = |_: &str| {
        let receiver = Receiver::start();
        receiver.set(Health::Overloaded);
        service(receiver.url(), |guard| {
            while attempts(&receiver.requests()).len() < 4 {
                wait_until("it is still tried", guard, |_| true);
                thread::sleep(Duration::from_millis(50));
            }
            receiver.set(Health::Well);
            wait_until("the road is open again", guard, |stats| stats.road == Road::Connected);
        });
        let attempts = attempts(&receiver.requests());
        let pauses: Vec<f64> = attempts.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        tell(&json!(pauses));
    };
    let Some(stage) = Stage::of(play) else { return };
    let pauses: Vec<f64> = serde_json::from_value(stage.play("").told).unwrap();
    // Never too early; how late depends on the machine.
    for (pause, least) in pauses.iter().zip([2.0, 4.0, 8.0]) {
        assert!((least..2.0 * least + 2.0).contains(pause), "{pauses:?}");
    }
}

/// When something was tried. What waits then is more than one request.
fn attempts(requests: &[Instant]) -> Vec<Instant> {
    let mut attempts: Vec<Instant> = Vec::new();
    for (index, request) in requests.iter().enumerate() {
        let is_next = index.checked_sub(1).is_some_and(|before| *request - requests[before] < Duration::from_secs(1));
        if !is_next {
            attempts.push(*request);
        }
    }
    attempts
}
