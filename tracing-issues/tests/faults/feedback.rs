//! We never capture ourselves: a client of ours that complains about its broker, through `log` and `tracing`, must not make
//! errors of which it then has to complain.

use std::{
    net::TcpListener,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;
use tracing::error;
use tracing_issues::Road;
use tracing_subscriber::prelude::*;

use crate::{
    law::{self, Calls, Watch},
    proxy::{Proxy, Weather},
    stage::{Stage, tell},
};

/// Long enough for the client to give up on a record and to be asked again.
const OUTAGE: Duration = Duration::from_secs(125);

#[test]
fn a_long_outage_makes_no_errors_of_its_own() {
    let play = |part: &str| {
        // Nobody ever answers here; the weather decides whether a connection is made at all.
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = nobody.local_addr().unwrap().to_string();
        let weather = if part == "gone" { Weather::Gone } else { Weather::Silent };
        let (kafka, redis) = (Proxy::to(&address, weather), Proxy::to(&address, weather));
        let builder = tracing_issues::builder("newsfeed").kafka_brokers(kafka.address.to_string());
        #[cfg(feature = "redis")]
        let builder = builder.redis_url(format!("redis://{}", redis.address));
        let (issues, guard) = builder.flush_timeout(Duration::from_secs(1)).build().unwrap();
        let watch = Watch::start(issues.stats());
        tracing_subscriber::registry().with(issues).init();
        // What is logged with `log`, at every level, becomes events too.
        tracing_log::LogTracer::init().unwrap();

        let (start, mut own, mut calls) = (Instant::now(), 0, Calls::default());
        while start.elapsed() < OUTAGE {
            calls.call(|| error!("order {own} refused"));
            calls.call(|| log::error!("an old part of the service failed"));
            own += 2;
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(guard.stats().road, Road::Down);
        assert!(!guard.flush(Duration::from_millis(200)), "nothing can have been delivered");
        calls.check();
        let stats = guard.shutdown();
        watch.finish();
        law::check(&stats);
        assert_eq!((stats.seen, stats.dropped.shutdown, stats.waiting()), (own, own, 0), "{stats:?}");
        tell(&json!({"seen": stats.seen, "connections": [kafka.connections(), redis.connections()]}));
    };
    let Some(stage) = Stage::of(play) else { return };
    for player in ["gone", "silent"].map(|part| stage.start(part)) {
        println!("{}", player.finish().told);
    }
}
