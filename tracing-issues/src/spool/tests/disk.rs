//! Disks that fail, directories that vanish or cannot be made, and who may read what is there.

use super::*;

/// A disk without room: the same code, and a device that always answers ENOSPC.
#[test]
fn a_full_disk_is_told_once_and_tried_again() {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    spool.append(&event(0)).unwrap();
    flush(&mut spool);
    let full = fs::OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let disk = mem::replace(&mut spool.file.file, full);
    let start = Instant::now();

    spool.append(&event(1)).unwrap();
    let Some(Change::Down(error)) = spool.flush(start) else { panic!("not told") };
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    assert!(spool.flush(start).is_none() && spool.flush(start + RETRY).is_none(), "told once");

    let text = "x".repeat(10_000);
    let refused = (2..1_000).find(|number| spool.append(&envelope(*number, &text)).is_err()).unwrap();
    assert!((90..110).contains(&refused), "memory is bounded as well: {refused}");
    assert_eq!(spool.append(&envelope(refused, &text)), Err(Refused::Down));

    spool.file.file = disk;
    assert!(spool.flush(start + RETRY).is_none(), "not yet: it was tried a moment ago");
    assert!(matches!(spool.flush(start + 2 * RETRY), Some(Change::Up)));
    assert!(spool.append(&envelope(refused, &text)).is_ok());
    flush(&mut spool);
    crash(spool);
    let found = open_in(dir.path()).1;
    assert_eq!(found.len() as u128, refused + 1);
    assert_eq!(found[..2], events([0, 1]));
}

#[test]
fn on_a_full_disk_what_was_left_behind_is_still_sent() {
    let dir = temp_dir();
    let (mut spool, _) = open_in(dir.path());
    spool.append(&event(0)).unwrap();
    drop(spool);
    let (mut spool, found) = open_in(dir.path());
    assert_eq!(found, events([0]));
    let full = fs::OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let disk = mem::replace(&mut spool.file.file, full);
    assert!(matches!(spool.flush(Instant::now()), Some(Change::Down(_))));
    assert_eq!(files(dir.path()).len(), 2, "the old file is the only one that has it");
    spool.settled(id(0));
    spool.file.file = disk;
    assert!(matches!(spool.flush(Instant::now() + RETRY), Some(Change::Up)));
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn a_directory_that_somebody_removed_comes_back_with_all_that_waits() {
    let parent = temp_dir();
    let dir = parent.path().join("a/b");
    let (mut spool, _) = open_in(&dir);
    spool.append(&event(0)).unwrap();
    flush(&mut spool);
    fs::remove_dir_all(&dir).unwrap();
    spool.append(&event(1)).unwrap();
    flush(&mut spool);
    fs::remove_dir_all(&dir).unwrap();
    flush(&mut spool);
    crash(spool);
    assert_eq!(open_in(&dir).1, events([0, 1]));
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_with_its_path() {
    let parent = temp_dir();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    for dir in [file.clone(), file.join("below")] {
        let error = Spool::open(&dir, SERVICE, DEFAULT_MAX_BYTES).err().unwrap();
        assert!(error.to_string().contains(dir.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_directory_that_became_a_file_is_told_and_recovers() {
    let parent = temp_dir();
    let dir = parent.path().join("spool");
    let (mut spool, _) = open_in(&dir);
    spool.append(&event(0)).unwrap();
    flush(&mut spool);
    fs::remove_dir_all(&dir).unwrap();
    fs::write(&dir, "").unwrap();
    spool.append(&event(1)).unwrap();
    let now = Instant::now();
    assert!(matches!(spool.flush(now), Some(Change::Down(_))));
    fs::remove_file(&dir).unwrap();
    assert!(matches!(spool.flush(now + RETRY), Some(Change::Up)));
    crash(spool);
    assert_eq!(open_in(&dir).1, events([0, 1]));
}

#[cfg(unix)]
#[test]
fn nobody_else_can_read_what_waits() {
    use std::os::unix::fs::PermissionsExt;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let parent = temp_dir();
    let dir = parent.path().join("spool");
    let (spool, _) = open_in(&dir);
    assert_eq!((mode(&dir), mode(&spool.file.path)), (0o700, 0o600));
}

#[cfg(unix)]
#[test]
fn a_link_is_not_followed() {
    let dir = temp_dir();
    let target = dir.path().join("precious");
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, dir.path().join(format!("{SERVICE}-1-0.spool"))).unwrap();
    let (mut spool, found) = open_in(dir.path());
    flush(&mut spool);
    assert_eq!(found, []);
    assert_eq!(fs::read_to_string(target).unwrap(), "precious");
}
