//! A question is a table that is still empty: contenders down, scenarios across. Asking it fills the table.

use std::process::ExitCode;

use super::{
    document::replace,
    sample::{self, Figure, thousands, times},
};
use crate::{Contender, Pace, Scenario};

/// What to measure.
#[derive(Debug)]
pub struct Question {
    /// The rows, by name.
    pub contenders: &'static [&'static str],
    /// The tables: the name of its place in `docs/performance.md`, and its columns.
    pub tables: &'static [(&'static str, &'static [Column])],
}

/// What a column of a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// Its head.
    pub label: &'static str,
    /// What is done.
    pub scenario: Scenario,
    /// How fast.
    pub pace: Pace,
}

/// The programs that measure, by path. Only benches know them: `Programs { .. env!("CARGO_BIN_EXE_measure_time") .. }`.
#[derive(Debug, Clone, Copy)]
pub struct Programs {
    /// `measure_time`.
    pub time: &'static str,
    /// `count_allocations`.
    pub allocations: &'static str,
}

/// How thoroughly to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// Once: a first impression. Nothing is written.
    Quick,
    /// Often enough to be written down.
    Full,
}

/// The figures of a question.
#[derive(Debug)]
pub struct Answer {
    /// In no order.
    pub figures: Vec<Figure>,
    /// Whether they were written down.
    pub effort: Effort,
}

impl Effort {
    /// `cargo bench` adds `--bench`. Without it (`cargo test --all-targets`) we only show that everything runs.
    pub fn from_arguments() -> Self {
        let has = |name: &str| std::env::args().any(|argument| argument == name);
        if has("--bench") && !has("--quick") { Self::Full } else { Self::Quick }
    }

    pub(super) fn rounds(self) -> usize {
        match self {
            Self::Quick => 1,
            Self::Full => 9,
        }
    }
}

impl Question {
    /// Measures, prints the tables, and writes them to `docs/performance.md` unless it was a quick look.
    ///
    /// # Errors
    /// If a program cannot be run, or the document not be written.
    #[expect(clippy::print_stdout, reason = "the tables are what a bench is for")]
    pub fn ask(&self, programs: Programs) -> anyhow::Result<Answer> {
        let effort = Effort::from_arguments();
        let contenders =
            self.contenders.iter().map(|name| Contender::named(name)).collect::<anyhow::Result<Vec<_>>>()?;
        let columns = self.tables.iter().flat_map(|(_, columns)| columns.iter().copied());
        let cases = columns.flat_map(|column| contenders.iter().map(move |contender| (*contender, column))).collect();
        let figures = sample::figures(cases, effort.rounds(), programs)?;
        for (place, columns) in self.tables {
            let table = table(&contenders, columns, &figures);
            println!("\n{table}");
            if effort == Effort::Full {
                replace("docs/performance.md", place, &table)?;
            }
        }
        Ok(Answer { figures, effort })
    }
}

impl Answer {
    /// The figure of this contender and column.
    pub fn figure(&self, contender: &str, column: &Column) -> Option<&Figure> {
        find(&self.figures, contender, column)
    }

    fn label(&self, contender: &str) -> &'static str {
        self.figures
            .iter()
            .find(|figure| figure.contender.name == contender)
            .map_or("", |figure| figure.contender.label)
    }

    /// Failure if any contender dropped what it was given: a full queue is cheap.
    pub fn verdict(&self) -> ExitCode {
        let is_valid = self.figures.iter().all(|figure| figure.lost == 0);
        if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn find<'a>(figures: &'a [Figure], contender: &str, column: &Column) -> Option<&'a Figure> {
    figures.iter().find(|figure| figure.contender.name == contender && figure.column == *column)
}

/// As Markdown.
fn table(contenders: &[Contender], columns: &[Column], figures: &[Figure]) -> String {
    let heads: Vec<&str> = columns.iter().map(|column| column.label).collect();
    let mut table = format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(columns.len()));
    for contender in contenders {
        let cells = columns.iter().map(|column| {
            let ours = find(figures, "ours", column).map_or(f64::NAN, |figure| figure.ns);
            find(figures, contender.name, column).map_or_else(String::new, |figure| figure.cell(ours))
        });
        table.push_str(&format!("| {} | {} |\n", contender.label, cells.collect::<Vec<_>>().join(" | ")));
    }
    table
}

/// The short table for people in a hurry: nanoseconds, and how many times ours that is.
pub fn summary(answer: &Answer, contenders: &[&str], columns: &[Column]) -> String {
    let heads: Vec<&str> = columns.iter().map(|column| column.label).collect();
    let mut table = format!("| nanoseconds | {} |\n|---|{}\n", heads.join(" | "), "---:|".repeat(columns.len()));
    for contender in contenders {
        let cells =
            columns.iter().map(|column| match (answer.figure(contender, column), answer.figure("ours", column)) {
                (Some(figure), _) if figure.lost > 0 => "dropped".to_owned(),
                (Some(figure), _) if *contender == "ours" => format!("**{}**", thousands(figure.ns)),
                (Some(figure), Some(ours)) => format!("{} ({})", thousands(figure.ns), times(figure.ns / ours.ns)),
                _ => String::new(),
            });
        let label = answer.label(contender);
        table.push_str(&format!("| {label} | {} |\n", cells.collect::<Vec<_>>().join(" | ")));
    }
    table
}
