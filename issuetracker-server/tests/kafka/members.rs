//! Servers of one group that come, go and die under load: nothing is lost or doubled, and each partition goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::*;

#[test]
fn members_that_join_leave_and_die_under_load_change_no_count() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("members"));
    let (is_over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let first = kafka.start(&place);
    let servers = thread::scope(|scope| {
        scope.spawn(|| {
            let title = |n: u64| format!("{} is down", ["ash", "birch", "cedar", "elm", "fir"][(n % 5) as usize]);
            while !is_over.load(Ordering::Relaxed) {
                for partition in 0..PARTITIONS {
                    let values: Vec<String> = (0..20)
                        .map(|n| json!({"title": title(n), "reporter_id": format!("{service}-service")}).to_string())
                        .collect();
                    kafka.produce(Some(partition), values.iter().map(String::as_bytes));
                    sent.fetch_add(20, Ordering::Relaxed);
                }
            }
        });
        let second = kafka.start(&place);
        let third = kafka.start(&place);
        goes_on(&kafka);
        second.kill();
        goes_on(&kafka);
        let fourth = kafka.start(&place);
        let ended = third.terminate();
        assert!(ended.status.success() && ended.took < Duration::from_secs(10), "{:?} {}", ended.took, ended.log);
        goes_on(&kafka);
        is_over.store(true, Ordering::Relaxed);
        [first, fourth]
    });
    let sent = sent.load(Ordering::Relaxed);
    kafka.wait_until_committed(&kafka.group);
    let found = counts(&servers[0], &service);
    assert_eq!((found.len(), found.values().sum::<u64>()), (5, sent), "{found:?}");
    assert!(found.values().all(|count| *count == sent / 5), "{found:?}");
    for server in &servers {
        assert_eq!(server.metric("issuetracker_dead_letters_total", &[]), 0.0);
    }
}

/// Waits until every partition has got on.
fn goes_on(kafka: &Kafka) {
    let before = kafka.committed(&kafka.group);
    wait_until("every partition goes on", || {
        let now = kafka.committed(&kafka.group);
        if now.iter().zip(&before).all(|(now, before)| now > before) { Ok(()) } else { Err(format!("{now:?}")) }
    });
}
