//! Servers that stop, in order or not, and start again. What stops around them is in `outages.rs`.

use crate::*;

#[test]
fn a_restart_goes_on_where_it_stopped() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("storm"));
    let (first, second) = (kafka.start(&place), kafka.start(&place));
    kafka.storm(&service, 2_000, 40);
    wait_until("all is counted", || equal(&total(&first, &service), &2_000));

    // One of the two stops: the other takes over.
    let ended = second.terminate();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    kafka.storm(&service, 2_000, 40);
    wait_until("all is counted by the one that is left", || equal(&total(&first, &service), &4_000));

    // Both stop: what they have done is committed, to the last record.
    let ended = first.terminate();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    assert!(ended.took < Duration::from_secs(10), "the stop took {:?}", ended.took);
    let before = kafka.ends();
    assert_eq!(kafka.committed(&kafka.group), before);

    // Nobody is there while more arrives.
    kafka.storm(&service, 2_000, 50);
    let arrived = kafka.records() - f64::from(i32::try_from(before.iter().sum::<i64>()).unwrap());
    let again = kafka.start(&place);
    wait_until("all is counted after the restart", || equal(&total(&again, &service), &6_000));
    let counts = counts(&again, &service);
    assert_eq!(counts.len(), 50);
    // The first 40 problems had 50 in each of the first two storms.
    let expected = [vec![40; 10], vec![140; 40]].concat();
    let mut found: Vec<u64> = counts.into_values().collect();
    found.sort_unstable();
    assert_eq!(found, expected);
    // It did not even look at what was done before.
    assert_eq!((consumed(&again, "stored"), consumed(&again, "duplicate")), (arrived, 0.0));
    assert!(again.terminate().status.success());
    assert_eq!(kafka.committed(&kafka.group), kafka.ends());
}

#[test]
fn a_kill_in_the_middle_and_a_replay_of_everything_change_no_count() {
    const KINDS: usize = 12;
    const RECORDS: usize = 12_000;
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("foreign"));
    // Creates the topic.
    assert!(kafka.start(&place).terminate().status.success());
    let names: [&str; KINDS] =
        ["ash", "birch", "cedar", "elm", "fir", "hazel", "larch", "maple", "oak", "pine", "rowan", "yew"];
    let values: Vec<String> = (0..RECORDS)
        .map(|n| json!({"title": format!("{} is down", names[n % KINDS]), "reporter_id": format!("{service}-service")}))
        .map(|event| event.to_string())
        .collect();
    for partition in 0..PARTITIONS {
        let start = usize::try_from(partition).unwrap();
        let part = values.iter().skip(start).step_by(6).map(String::as_bytes);
        kafka.produce(Some(partition), part);
    }
    let all = u64::try_from(RECORDS).unwrap();

    let killed = place.start(&kafka.variables());
    let stored = wait_until("something is stored", || {
        let stored = total(&killed, &service);
        if stored > 0 { Ok(stored) } else { Err("nothing".to_owned()) }
    });
    killed.kill();
    assert!(stored < all, "not in the middle: all was stored");

    // The broker gives the partitions of the dead one to others when its session has ended.
    let (server, other) = (place.start(&kafka.variables()), place.start(&kafka.variables()));
    wait_until("all is counted after the kill", || equal(&total(&server, &service), &all));
    kafka.wait_until_committed(&kafka.group);
    assert!(consumed(&server, "stored") + consumed(&other, "stored") > 0.0, "the kill came when all was done");
    let found = counts(&server, &service);
    assert_eq!(found.len(), KINDS);
    assert!(found.values().all(|count| *count == all / 12), "{found:#?}");

    // A new group reads the whole topic again, into the same store.
    let before = server.issues(&format!("service={service}"));
    let group = kafka.replay_group();
    let replay = kafka.start_with(&place, &[("ISSUETRACKER_KAFKA_GROUP", &group)]);
    kafka.wait_until_committed(&group);
    assert_eq!((consumed(&replay, "duplicate"), consumed(&replay, "stored")), (12_000.0, 0.0));
    assert_eq!(server.issues(&format!("service={service}")), before);
}

#[test]
fn a_stop_under_load_repeats_nothing() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("stop"));
    let server = kafka.start(&place);
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    for partition in 0..PARTITIONS {
        kafka.produce(Some(partition), vec![event.as_bytes(); 2_500]);
    }
    wait_until("it is in the middle", || if total(&server, &service) > 0 { Ok(()) } else { Err("0".to_owned()) });
    let ended = server.terminate();
    assert!(ended.status.success(), "{}: {}", ended.status, ended.log);
    assert!(ended.took < Duration::from_secs(10), "the stop took {:?}", ended.took);
    let done: i64 = kafka.committed(&kafka.group).iter().sum();
    assert!(done > 0 && done < 15_000, "not in the middle: {done}");

    let again = kafka.start(&place);
    wait_until("all is counted", || equal(&total(&again, &service), &15_000));
    wait_until("all is told", || equal(&consumed(&again, "stored"), &((15_000 - done) as f64)));
    assert_eq!(consumed(&again, "duplicate"), 0.0);
}

#[test]
fn a_store_that_is_restored_from_a_backup_gets_back_what_it_lacks() {
    let (kafka, place, service) = (Kafka::new(), Place::new(), unique("restored"));
    let event = json!({"title": "the feed is down", "reporter_id": format!("{service}-service")}).to_string();
    let server = kafka.start(&place);
    kafka.produce(Some(1), [event.as_bytes(); 60]);
    wait_until("all is counted", || equal(&total(&server, &service), &60));
    let (file, backup) = (place.path().join("issues.sqlite"), place.path().join("backup.sqlite"));
    let output = place.run(&[], &["backup", backup.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kafka.produce(Some(1), [event.as_bytes(); 40]);
    wait_until("all is counted", || equal(&total(&server, &service), &100));
    kafka.wait_until_committed(&kafka.group);
    assert!(server.terminate().status.success());

    // As the guide says: what is beside the old file is not the new one's.
    for beside in ["issues.sqlite-wal", "issues.sqlite-shm"] {
        let _ = std::fs::remove_file(place.path().join(beside));
    }
    std::fs::rename(&backup, &file).unwrap();
    let server = kafka.start(&place);
    wait_until("what came after the backup is counted again", || equal(&total(&server, &service), &100));
    // It is told after the commit.
    wait_until("nothing else is read", || equal(&consumed(&server, "stored"), &40.0));
}
