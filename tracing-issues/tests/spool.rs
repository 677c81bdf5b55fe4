//! The spool and real processes, killed with SIGKILL, which no code of theirs can see coming. Each child is this test
//! binary again, told by a variable which part it plays.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what is wrong by failing")]
#![allow(clippy::print_stdout, reason = "children talk to their parent")]

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Lines, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tracing_issues::{
    publish::Envelope,
    spool::{Change, DEFAULT_MAX_BYTES, Spool},
};
use uuid::Uuid;

const SERVICE: &str = "newsfeed";
const PART: &str = "TRACING_ISSUES_SPOOL_TEST_PART";
const DIR: &str = "TRACING_ISSUES_SPOOL_TEST_DIR";

/// What a child prints for its parent starts like this; the test harness prints as well.
const SAY: &str = "child: ";

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number + 1)
}

fn event(number: u128) -> Envelope {
    envelope(number, "")
}

fn envelope(number: u128, text: &str) -> Envelope {
    let payload = format!("{{\"n\":{number},\"text\":\"{text}\"}}").into_bytes();
    Envelope { event_id: id(number), key: "key".to_owned(), payload, occurrences: 3, title: format!("№ {number}") }
}

fn events(numbers: impl IntoIterator<Item = u128>) -> Vec<Envelope> {
    numbers.into_iter().map(event).collect()
}

/// A directory for one test at a time. A child that is being started has our files open for a moment, and with them our
/// locks; another test could take the file of a process that it has just ended for that of a living one.
fn alone() -> (TempDir, MutexGuard<'static, ()>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    (tempfile::tempdir().unwrap(), guard)
}

fn open_in(dir: &Path) -> (Spool, Vec<Envelope>) {
    let (spool, adopted) = Spool::open(dir, SERVICE, DEFAULT_MAX_BYTES).unwrap();
    let is_torn = |problem: &String| problem.contains("damaged bytes were skipped");
    assert!(adopted.problems.iter().all(is_torn), "{:?}", adopted.problems);
    (spool, adopted.envelopes)
}

fn flush(spool: &mut Spool) {
    let change = spool.flush(Instant::now());
    assert!(change.is_none(), "{change:?}");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// What a process that starts now would adopt from all files if their owners were dead, and its complaints.
fn on_disk(dir: &Path) -> (Vec<Envelope>, Vec<String>) {
    let copy = tempfile::tempdir().unwrap();
    for path in files(dir) {
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let (_spool, adopted) = Spool::open(copy.path(), SERVICE, DEFAULT_MAX_BYTES).unwrap();
    (adopted.envelopes, adopted.problems)
}

/// Not a test, but what the children do; nothing when it is run as a test.
#[test]
fn child() {
    let (Ok(part), Ok(dir)) = (env::var(PART), env::var(DIR)) else { return };
    match part.as_str() {
        "append" => append_for_ever(Path::new(&dir)),
        "adopt" => adopt_for_ever(Path::new(&dir)),
        "hold" => hold(Path::new(&dir)),
        "count" => count_for_ever(Path::new(&dir)),
        "limited" => write_beyond_a_limit(Path::new(&dir)),
        _ => panic!("unknown part {part}"),
    }
}

fn say(text: impl std::fmt::Display) {
    println!("\n{SAY}{text}");
}

/// Until the parent says so, kills us or is gone.
fn wait() {
    let _ = io::stdin().read_line(&mut String::new());
}

/// Appends events without end, and settles every third; says how many are on disk.
fn append_for_ever(dir: &Path) {
    let (mut spool, _) = open_in(dir);
    for number in 0.. {
        spool.append(&envelope(number, &"x".repeat(500))).unwrap();
        if number % 3 == 0 {
            spool.settled(id(number));
        }
        flush(&mut spool);
        say(number);
    }
}

/// Checkpoints one window without end, between two events, so that the file is rewritten again and again.
fn count_for_ever(dir: &Path) {
    let (mut spool, _) = Spool::open(dir, SERVICE, 100_000).unwrap();
    spool.append(&event(0)).unwrap();
    spool.checkpoint(&envelope(1, &counted(0))).unwrap();
    spool.append(&event(2)).unwrap();
    for number in 1.. {
        spool.checkpoint(&envelope(1, &counted(number))).unwrap();
        flush(&mut spool);
        say(number);
    }
}

fn counted(number: u128) -> String {
    format!("{number} {}", "x".repeat(9_000))
}

/// Adopts, makes it its own and lets go of it again, without end; settles one event in each round and says which.
fn adopt_for_ever(dir: &Path) {
    loop {
        let (mut spool, found) = open_in(dir);
        flush(&mut spool);
        let Some(first) = found.first() else { return };
        spool.settled(first.event_id);
        flush(&mut spool);
        say(first.event_id);
        drop(spool);
    }
}

/// Says what it adopted, and has it until it is killed.
fn hold(dir: &Path) {
    let (mut spool, found) = open_in(dir);
    flush(&mut spool);
    found.iter().for_each(|envelope| say(envelope.event_id));
    say("ready");
    wait();
}

/// The kernel lets files of this process grow to a few kilobytes only.
fn write_beyond_a_limit(dir: &Path) {
    let (mut spool, _) = open_in(dir);
    let mut now = Instant::now();
    let failed = (0..1_000).find_map(|number| {
        spool.append(&envelope(number, &"x".repeat(100))).unwrap();
        match spool.flush(now) {
            Some(Change::Down(error)) => Some((number, error)),
            _ => None,
        }
    });
    let (last, error) = failed.unwrap();
    assert!(error.to_string().contains(dir.to_str().unwrap()), "{error}");
    say(last);
    wait();
    (0..=last).for_each(|number| spool.settled(id(number)));
    now += Duration::from_secs(30);
    assert!(matches!(spool.flush(now), Some(Change::Up)));
    spool.append(&event(0)).unwrap();
    flush(&mut spool);
    say("saved");
    wait();
}

fn spawn(part: &str, dir: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    spawn_by(Command::new(env::current_exe().unwrap()), part, dir)
}

fn spawn_by(mut command: Command, part: &str, dir: &Path) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command
        .args(["child", "--exact", "--nocapture"])
        .env(PART, part)
        .env(DIR, dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// What a child says next.
fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<String> {
    lines.map_while(Result::ok).find_map(|line| line.strip_prefix(SAY).map(str::to_owned))
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_killed_process_loses_nothing_that_it_flushed() {
    for said_before_the_kill in [1, 2, 10, 100, 400] {
        let (dir, _guard) = alone();
        let (child, mut lines) = spawn("append", dir.path());
        (0..said_before_the_kill).for_each(|_| drop(next(&mut lines).unwrap()));
        kill(child);
        let said = said_before_the_kill - 1 + std::iter::from_fn(|| next(&mut lines)).count() as u128;

        let (_spool, found) = open_in(dir.path());
        let flushed = [said, said + 1].map(|last| {
            (0..=last).filter(|number| number % 3 != 0).map(|n| envelope(n, &"x".repeat(500))).collect::<Vec<_>>()
        });
        assert!(flushed.contains(&found), "{said} were said to be on disk, found {} open", found.len());
    }
}

#[test]
fn a_process_that_is_killed_while_it_rewrites_its_file_loses_nothing() {
    for said_before_the_kill in 1..30 {
        let (dir, _guard) = alone();
        let (child, mut lines) = spawn("count", dir.path());
        (0..said_before_the_kill).for_each(|_| drop(next(&mut lines).unwrap()));
        kill(child);
        let said = said_before_the_kill + std::iter::from_fn(|| next(&mut lines)).count() as u128;
        let (_spool, found) = open_in(dir.path());
        let possible = [said, said + 1].map(|number| vec![event(0), envelope(1, &counted(number)), event(2)]);
        assert!(possible.contains(&found), "{said} were said to be on disk");
    }
}

#[test]
fn an_adoption_that_is_killed_again_and_again_loses_and_repeats_nothing() {
    let (dir, _guard) = alone();
    let (mut spool, _) = open_in(dir.path());
    let all = 5_000;
    (0..all).for_each(|number| spool.append(&event(number)).unwrap());
    drop(spool);
    let mut settled = 0;
    for round in 0..25 {
        let (child, mut lines) = spawn("adopt", dir.path());
        let reader = thread::spawn(move || std::iter::from_fn(|| next(&mut lines)).count() as u128);
        thread::sleep(Duration::from_millis(20 + round * 7));
        kill(child);
        settled += reader.join().unwrap();
        // One may have been settled that the child had no time to tell.
        let (open, _) = on_disk(dir.path());
        let first = all - open.len() as u128;
        assert!((settled..=settled + 1).contains(&first), "{settled} told, {first} settled");
        assert_eq!(open, events(first..all));
        settled = first;
    }
    assert!(settled > 25, "{settled}");
    let (mut spool, found) = open_in(dir.path());
    assert_eq!(found, events(settled..all));
    flush(&mut spool);
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn of_many_processes_one_adopts_and_the_living_are_left_alone() {
    let (dir, _guard) = alone();
    for number in 0..20 {
        let (mut spool, _) = Spool::open(dir.path(), SERVICE, DEFAULT_MAX_BYTES).unwrap();
        spool.append(&event(number)).unwrap();
    }
    let mut children: Vec<_> = (0..6).map(|_| spawn("hold", dir.path())).collect();
    let mut found: Vec<String> = children
        .iter_mut()
        .flat_map(|(_, lines)| std::iter::from_fn(|| next(lines).filter(|text| text != "ready")).collect::<Vec<_>>())
        .collect();
    found.sort();
    assert_eq!(found, (0..20).map(|number| id(number).to_string()).collect::<Vec<_>>());

    let (mut spool, none) = open_in(dir.path());
    assert_eq!(none, []);
    let mut adopted = Vec::new();
    for (child, _) in children {
        kill(child);
        adopted.extend(spool.adopt().envelopes);
        flush(&mut spool);
    }
    adopted.sort_by_key(|envelope| envelope.event_id);
    assert_eq!(adopted, events(0..20));
    assert_eq!(files(dir.path()).len(), 1);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_grow_is_told_and_what_fits_again_is_saved() {
    let (dir, _guard) = alone();
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]).arg(env::current_exe().unwrap());
    let (mut child, mut lines) = spawn_by(limited, "limited", dir.path());
    let last = next(&mut lines).unwrap().parse().unwrap();
    assert!(last > 10);
    let (found, problems) = on_disk(dir.path());
    assert_eq!(found, (0..last).map(|n| envelope(n, &"x".repeat(100))).collect::<Vec<_>>());
    assert_eq!(problems, [""; 0], "what did not fit as a whole was cut off");
    child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
    assert_eq!(next(&mut lines).unwrap(), "saved");
    kill(child);
    assert_eq!(open_in(dir.path()).1, events([0]));
}
