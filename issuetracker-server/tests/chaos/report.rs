//! One line per scenario, for people: on stderr, and in the file that `cargo xtask chaos` prints at its end. It decides
//! nothing.

use std::{fs::OpenOptions, io::Write as _, time::Instant};

use super::ledger::Ledger;

/// The line of a scenario that runs; dropped before it is [`done`](Self::done), it says `FAILED`.
pub(crate) struct Report {
    scenario: &'static str,
    store: &'static str,
    begun: Instant,
    notes: Vec<String>,
    counts: [String; 3],
    verdict: &'static str,
}

impl Report {
    pub(crate) fn new(scenario: &'static str, store: &'static str) -> Self {
        let counts = [const { String::new() }; 3];
        Self { scenario, store, begun: Instant::now(), notes: Vec::new(), counts, verdict: "FAILED" }
    }

    /// Something worth telling of what happened.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// The counts are those of the ledger.
    pub(crate) fn done(mut self, ledger: &Ledger) {
        self.counts = [ledger.events, ledger.errors(), ledger.issues() as u64].map(|count| count.to_string());
        self.verdict = "0 lost, 0 doubled";
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let Self { scenario, store, counts: [events, errors, issues], verdict, .. } = &*self;
        let (seconds, notes) = (self.begun.elapsed().as_secs(), self.notes.join("; "));
        let line =
            format!("| {scenario} | {store} | {events} | {errors} | {issues} | {seconds} s | {verdict} | {notes} |");
        eprintln!("{line}");
        if let Some(path) = std::env::var_os("CHAOS_REPORT") {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let written = file.and_then(|mut file| writeln!(file, "{line}"));
            written.expect("the report is written");
        }
    }
}
