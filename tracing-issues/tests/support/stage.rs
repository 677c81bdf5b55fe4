//! Processes of their own for a test: the test binary runs itself again with a part to play, and the parent reads what the
//! part tells. It knows nothing of what is played.

#![allow(dead_code, reason = "each test binary uses its part")]

use std::{
    any::type_name,
    env,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

const TEST: &str = "TRACING_ISSUES_TEST_SCENARIO";
const PART: &str = "TRACING_ISSUES_TEST_PART";
const TELLS: &str = "the part tells: ";

/// A test whose parts run in processes of their own.
pub(crate) struct Stage {
    test: String,
}

impl Stage {
    /// `None` in a process that plays a part: `play`, a closure of the test, was called with it.
    pub(crate) fn of<F: FnOnce(&str)>(play: F) -> Option<Self> {
        // `faults::redis::some_test::{{closure}}`, of which the harness calls the middle its name.
        let test = type_name::<F>().trim_end_matches("::{{closure}}").split_once("::").unwrap().1.to_owned();
        if env::var(TEST).is_ok_and(|name| name == test) {
            play(&env::var(PART).unwrap());
            return None;
        }
        Some(Self { test })
    }

    /// Starts a process that plays `part`.
    pub(crate) fn start(&self, part: &str) -> Player {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([&self.test, "--exact", "--nocapture"]).env(TEST, &self.test).env(PART, part);
        command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Player(child.unwrap())
    }

    /// Plays `part` to its end.
    #[track_caller]
    pub(crate) fn play(&self, part: &str) -> Told {
        self.start(part).finish()
    }
}

/// A process that plays a part.
pub(crate) struct Player(Child);

impl Player {
    /// Waits until the part is over; it has to end well.
    #[track_caller]
    pub(crate) fn finish(self) -> Told {
        let Output { status, stdout, stderr } = self.0.wait_with_output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr).into_owned());
        assert!(status.success(), "{status}:\n{stdout}\n{stderr}");
        let told = stdout.lines().find_map(|line| Some(line.split_once(TELLS)?.1));
        let told = told.unwrap_or_else(|| panic!("it told nothing:\n{stdout}\n{stderr}"));
        Told { told: serde_json::from_str(told).unwrap(), stderr }
    }
}

/// What a part left behind.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) told: Value,
    pub(crate) stderr: String,
}

/// Tells the parent, from within a part.
pub(crate) fn tell(value: &Value) {
    println!("\n{TELLS}{value}");
}
