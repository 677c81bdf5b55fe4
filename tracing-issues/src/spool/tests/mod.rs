//! The spool in one process: what is kept, in which order, and how much of it. Failing disks are in `disk.rs`, damaged
//! files in `damage.rs`, arbitrary histories in `model.rs`, and real processes that are killed in `tests/spool.rs`.

mod damage;
mod disk;
mod model;

use std::{
    fs::{self, File},
    mem,
};

use tempfile::TempDir;

use super::*;

const SERVICE: &str = "newsfeed";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number + 1)
}

/// An event whose payload tells which one it is.
fn envelope(number: u128, text: &str) -> Envelope {
    Envelope {
        event_id: id(number),
        key: format!("key-{number}"),
        payload: format!("{{\"n\":{number},\"text\":\"{text}\"}}").into_bytes(),
        occurrences: 3,
        title: format!("Fehler № {number}"),
    }
}

fn event(number: u128) -> Envelope {
    envelope(number, "")
}

fn events(numbers: impl IntoIterator<Item = u128>) -> Vec<Envelope> {
    numbers.into_iter().map(event).collect()
}

fn temp_dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn open_in(dir: &Path) -> (Spool, Vec<Envelope>) {
    let (spool, adopted) = Spool::open(dir, SERVICE, DEFAULT_MAX_BYTES).unwrap();
    assert_eq!(adopted.problems, [""; 0]);
    (spool, adopted.envelopes)
}

fn flush(spool: &mut Spool) {
    let change = spool.flush(Instant::now());
    assert!(change.is_none(), "{change:?}");
}

/// What a dying process does: its locks are gone, and nothing else happens.
fn crash(mut spool: Spool) {
    drop(mem::replace(&mut spool.file.file, File::open("/dev/null").unwrap()));
    spool.adopted.clear();
    mem::forget(spool);
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Runs `write`, crashes, and compares what the next process finds.
#[track_caller]
fn check_replay(write: impl FnOnce(&mut Spool), expected: &[Envelope]) {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    write(&mut spool);
    flush(&mut spool);
    crash(spool);
    let (spool, found) = open_in(dir.path());
    assert_eq!(found, expected);
    // A crash before anything else was written: nothing changes.
    crash(spool);
    let (mut spool, found) = open_in(dir.path());
    assert_eq!(found, expected);
    // And after it: the new file holds it all, and the old one is gone.
    flush(&mut spool);
    crash(spool);
    let (mut spool, found) = open_in(dir.path());
    assert_eq!(found, expected);
    flush(&mut spool);
    assert_eq!(files(dir.path()), [spool.file.path.clone()]);
}

#[test]
fn what_is_not_settled_is_found_in_order() {
    check_replay(
        |spool| {
            for number in 0..10 {
                spool.append(&event(number)).unwrap();
            }
            for number in [0, 4, 9] {
                spool.settled(id(number));
            }
        },
        &events([1, 2, 3, 5, 6, 7, 8]),
    );
}

#[test]
fn the_last_checkpoint_counts_where_the_first_one_stood() {
    check_replay(
        |spool| {
            spool.checkpoint(&envelope(0, "one")).unwrap();
            spool.append(&event(1)).unwrap();
            spool.checkpoint(&envelope(0, "two")).unwrap();
        },
        &[envelope(0, "two"), event(1)],
    );
}

#[test]
fn an_event_replaces_its_checkpoint_and_never_changes_again() {
    check_replay(
        |spool| {
            spool.checkpoint(&envelope(0, "one")).unwrap();
            spool.append(&envelope(0, "two")).unwrap();
            spool.checkpoint(&envelope(0, "three")).unwrap();
            spool.append(&envelope(0, "four")).unwrap();
        },
        &[envelope(0, "two")],
    );
}

#[test]
fn a_checkpoint_can_be_settled() {
    check_replay(
        |spool| {
            spool.checkpoint(&event(0)).unwrap();
            spool.append(&event(1)).unwrap();
            flush(spool);
            spool.settled(id(0));
        },
        &events([1]),
    );
}

#[test]
fn settling_what_nobody_knows_changes_nothing() {
    check_replay(
        |spool| {
            spool.append(&event(0)).unwrap();
            spool.settled(id(7));
        },
        &events([0]),
    );
}

#[test]
fn what_was_not_flushed_is_lost_and_nothing_else() {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    spool.append(&event(0)).unwrap();
    flush(&mut spool);
    spool.append(&event(1)).unwrap();
    spool.settled(id(0));
    crash(spool);
    assert_eq!(open_in(dir.path()).1, events([0]));
}

#[test]
fn a_file_in_which_nothing_waits_is_empty_and_then_gone() {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    for number in 0..3 {
        spool.append(&event(number)).unwrap();
        flush(&mut spool);
        assert!(spool.file.len().unwrap() > 0);
        spool.settled(id(number));
        flush(&mut spool);
        assert_eq!(spool.file.len().unwrap(), 0);
    }
    drop(spool);
    assert_eq!(files(dir.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn a_spool_that_is_dropped_keeps_what_waits() {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    spool.append(&event(0)).unwrap();
    drop(spool);
    assert_eq!(open_in(dir.path()).1, events([0]));
}

#[test]
fn services_do_not_adopt_from_each_other() {
    let dir = temp_dir();
    let names = ["feed", "feed-2", "feed 2", "feed/2", "feed%2F2", "../feed", "Größe", "."];
    for (number, name) in names.iter().enumerate() {
        let (mut spool, _) = Spool::open(dir.path(), name, DEFAULT_MAX_BYTES).unwrap();
        spool.append(&event(number as u128)).unwrap();
    }
    assert_eq!(files(dir.path()).len(), names.len());
    for (number, name) in names.iter().enumerate() {
        let (_spool, adopted) = Spool::open(dir.path(), name, DEFAULT_MAX_BYTES).unwrap();
        assert_eq!(adopted.envelopes, events([number as u128]), "{name}");
    }
}

#[test]
fn whoever_gets_the_lock_of_a_file_too_late_finds_nothing() {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    spool.append(&event(0)).unwrap();
    flush(&mut spool);
    let late = File::open(&spool.file.path).unwrap();
    crash(spool);
    let (mut spool, found) = open_in(dir.path());
    assert_eq!(found, events([0]));
    flush(&mut spool);
    late.try_lock().unwrap();
    assert_eq!(late.metadata().unwrap().len(), 0);
}

#[test]
fn a_new_file_that_was_taken_before_it_was_locked_is_not_used() {
    let dir = temp_dir();
    let path = dir.path().join(format!("{SERVICE}-1-0.spool"));
    let create = || File::create_new(&path).unwrap();

    let new = create();
    SpoolFile::lock(path.clone()).unwrap().unwrap().retire().unwrap();
    assert!(SpoolFile::claim(new, path.clone()).unwrap().is_none(), "it is gone");

    let new = create();
    let other = SpoolFile::lock(path.clone()).unwrap();
    assert!(SpoolFile::claim(new, path.clone()).unwrap().is_none(), "it is another's");
    drop(other);

    assert!(SpoolFile::claim(File::open(&path).unwrap(), path.clone()).unwrap().is_some());
}

#[test]
fn several_dead_processes_are_adopted_in_the_order_of_their_files() {
    let dir = temp_dir();
    let spools: Vec<Spool> = (0..4)
        .map(|number| {
            let (mut spool, found) = open_in(dir.path());
            assert_eq!(found, [], "the others live");
            spool.append(&event(number)).unwrap();
            flush(&mut spool);
            spool
        })
        .collect();
    spools.into_iter().rev().for_each(crash);
    assert_eq!(open_in(dir.path()).1, events(0..4));
}

#[test]
fn a_mostly_dead_file_is_rewritten() {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    let text = "x".repeat(1_000);
    spool.append(&event(0)).unwrap();
    for number in 1..2_000 {
        spool.checkpoint(&envelope(number % 5 + 1, &format!("{number}{text}"))).unwrap();
        flush(&mut spool);
        assert!(spool.file.len().unwrap() <= 256 * 1024 + 2_000);
        assert_eq!(spool.file.len().unwrap(), spool.bytes());
    }
    spool.append(&event(7)).unwrap();
    flush(&mut spool);
    assert_eq!(files(dir.path()).len(), 1);
    crash(spool);
    let found = open_in(dir.path()).1;
    let last = |number: u128| envelope(number % 5 + 1, &format!("{number}{text}"));
    let expected: Vec<Envelope> =
        [event(0)].into_iter().chain([1996, 1997, 1998, 1999, 1995].map(last)).chain([event(7)]).collect();
    let ids = |envelopes: &[Envelope]| envelopes.iter().map(|envelope| envelope.event_id).collect::<Vec<_>>();
    assert_eq!(ids(&found), ids(&[event(0), event(2), event(3), event(4), event(5), event(1), event(7)]));
    assert_eq!(found.len(), expected.len());
    assert!(expected.iter().all(|envelope| found.contains(envelope)));
}

#[test]
fn a_full_spool_refuses_until_something_is_settled() {
    let dir = temp_dir();
    let (mut spool, _) = Spool::open(dir.path(), SERVICE, 1_000_000).unwrap();
    let text = "x".repeat(10_000);
    let mut kept = 0;
    while spool.append(&envelope(kept, &text)).is_ok() {
        flush(&mut spool);
        kept += 1;
    }
    assert!((90..100).contains(&kept), "{kept}");
    assert_eq!(spool.append(&envelope(kept, &text)), Err(Refused::Full));
    assert!(spool.append(&envelope(0, &text)).is_ok(), "known");
    (0..kept / 2).for_each(|number| spool.settled(id(number)));
    flush(&mut spool);
    assert!(spool.append(&envelope(kept, &text)).is_ok());
    flush(&mut spool);
    assert!(spool.file.len().unwrap() <= 1_000_000);
}

#[test]
fn an_entry_that_is_too_large_is_refused() {
    let (mut spool, _) = open_in(temp_dir().path());
    assert_eq!(spool.append(&envelope(0, &"x".repeat(5 * 1024 * 1024))), Err(Refused::Full));
    assert_eq!(spool.waiting(), 0);
}

#[test]
fn a_file_beyond_every_limit_is_left_alone_and_hinders_nobody() {
    let dir = temp_dir();
    let large = dir.path().join(format!("{SERVICE}-1-0.spool"));
    fs::write(&large, vec![0; 300_000]).unwrap();
    let (mut spool, _) = Spool::open(dir.path(), SERVICE, DEFAULT_MAX_BYTES).unwrap();
    spool.append(&event(0)).unwrap();
    drop(spool);
    fs::write(&large, vec![0; 300_000]).unwrap();
    let (mut spool, adopted) = Spool::open(dir.path(), SERVICE, 100_000).unwrap();
    assert_eq!(adopted.envelopes, events([0]));
    assert!(adopted.problems[0].contains("more than the limit"), "{:?}", adopted.problems);
    assert!(spool.adopt().problems.is_empty(), "told once");
    assert!(large.exists());
}

#[test]
fn a_small_spool_is_compacted_as_well() {
    let dir = temp_dir();
    let (mut spool, _) = Spool::open(dir.path(), SERVICE, 20_000).unwrap();
    spool.append(&event(0)).unwrap();
    for number in 1..200 {
        spool.append(&envelope(number, &"x".repeat(1_000))).unwrap();
        spool.settled(id(number));
        flush(&mut spool);
    }
    crash(spool);
    assert_eq!(open_in(dir.path()).1, events([0]));
}

#[test]
fn more_than_fits_is_adopted_bit_by_bit() {
    let dir = temp_dir();
    let text = "x".repeat(10_000);
    // The last one would fit sooner than those before it.
    let count = |file: u128| if file == 5 { 10 } else { 50 };
    for file in 0..6 {
        // They live at the same time, or the second would adopt from the first.
        let (mut spool, _) = Spool::open(dir.path(), &format!("{SERVICE}{file}"), 1_000_000).unwrap();
        for number in 0..count(file) {
            spool.append(&envelope(file * 100 + number, &text)).unwrap();
        }
        drop(spool);
    }
    for path in files(dir.path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let (service, rest) = name.split_once('-').unwrap();
        assert_eq!(service.len(), SERVICE.len() + 1);
        fs::rename(&path, dir.path().join(format!("{SERVICE}-{rest}"))).unwrap();
    }
    let (mut spool, mut adopted) = Spool::open(dir.path(), SERVICE, 1_000_000).unwrap();
    let mut seen = Vec::new();
    assert_eq!(adopted.envelopes.len(), 150);
    assert_eq!(adopted.problems, [""; 0], "the others can wait");
    while !adopted.envelopes.is_empty() {
        for envelope in adopted.envelopes {
            spool.settled(envelope.event_id);
            seen.push(envelope.event_id);
        }
        flush(&mut spool);
        adopted = spool.adopt();
    }
    let expected: Vec<Uuid> =
        (0..6).flat_map(|file| (0..count(file)).map(move |number| id(file * 100 + number))).collect();
    assert_eq!(seen, expected);
    flush(&mut spool);
    assert_eq!(files(dir.path()).len(), 1);
}
