//! The targets without libFuzzer: seeds that are cut, joined and changed at random, for a while. `FUZZ_SECONDS` says how
//! long each may take, `FUZZ_SEED` begins where a failed run began.

use std::{
    env, fs, panic,
    path::Path,
    time::{Duration, Instant},
};

use fastrand::Rng;
use fuzz::TARGETS;

/// What every target has rules for: found in any order, they reach states that nobody thought of.
const PIECES: [&str; 40] = [
    "\"",
    "'",
    "`",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<",
    ">",
    ":",
    "=",
    ",",
    ";",
    " ",
    "\n",
    "\t",
    "\0",
    "-",
    "--",
    "/",
    "://",
    "@",
    "%",
    "…",
    "\u{202e}",
    "\u{1a}",
    "🦀",
    "NaN",
    "null",
    "1e999",
    "4111 1111 1111 1111",
    "password",
    "Bearer ",
    "0192f0c1-2345-7000-8000-0123456789ab",
    "2026-01-04T23:30:50Z",
    "127.0.0.1:8080",
    "*",
];

/// How long an input may become.
const MAX_BYTES: usize = 4_096;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut seeds: Vec<_> = files.map(|file| fs::read(file.unwrap().path()).unwrap()).collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{target} has no seeds");
    seeds
}

/// One change: a piece in, a part out, a part of another seed in, a byte another.
fn change(input: &mut Vec<u8>, seeds: &[Vec<u8>], random: &mut Rng) {
    let at = random.usize(..=input.len());
    match random.u8(..5) {
        0 => _ = input.splice(at..at, PIECES[random.usize(..PIECES.len())].bytes()),
        1 => _ = input.drain(at..random.usize(at..=input.len())),
        2 => {
            let other = &seeds[random.usize(..seeds.len())];
            let from = random.usize(..=other.len());
            let part = &other[from..random.usize(from..=other.len())];
            input.splice(at..at, part.iter().copied());
        }
        3 => {
            let part = input[at..random.usize(at..=input.len())].to_vec();
            input.splice(at..at, part);
        }
        _ => {
            if let Some(byte) = input.get_mut(at) {
                *byte = random.u8(..);
            }
        }
    }
    input.truncate(MAX_BYTES);
}

fn run(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).unwrap();
    let number = |variable: &str| env::var(variable).ok().map(|text| text.parse().expect(variable));
    let time = Duration::from_secs(number("FUZZ_SECONDS").unwrap_or(2));
    let seed = number("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    let (seeds, mut random) = (seeds(name), Rng::with_seed(seed));
    let mut inputs = 0_u64;
    seeds.iter().for_each(|seed| target(seed));
    let start = Instant::now();
    while start.elapsed() < time {
        let mut input = seeds[random.usize(..seeds.len())].clone();
        for _ in 0..random.usize(1..12) {
            change(&mut input, &seeds, &mut random);
        }
        if let Err(panic) = panic::catch_unwind(|| target(&input)) {
            eprintln!("{name}: FUZZ_SEED={seed}, input {inputs}: {:?}", String::from_utf8_lossy(&input));
            panic::resume_unwind(panic);
        }
        inputs += 1;
    }
    println!("{name}: {inputs} inputs");
}

#[test]
fn event() {
    run("event");
}

#[test]
fn search() {
    run("search");
}

#[test]
fn normalise() {
    run("normalise");
}

#[test]
fn redact() {
    run("redact");
}
