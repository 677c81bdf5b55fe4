//! `issuetracker-server dead-letters`: the dead letters on a command line, with the server's configuration and whether or
//! not it runs. What it does is in [`DeadLetters`]; here are words and exit codes.

use std::io::{self, Write};

use jiff::Timestamp;

use super::{DeadLetters, DeadLettersError, Letter, LetterId, LetterQuery, Reading, Replayed};
use crate::{app, config::Config};

/// Who replays, as the marks of letters tell it.
const BY: &str = "command-line";
/// Letters that are read at once for a list.
const PAGE: usize = 100;

/// What can be said on the command line.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, clap::Subcommand)]
enum Task {
    /// Lists the newest letters: id, when, reason, producer, and the start of what was written.
    List {
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
        /// Only those with this reason, such as not_json.
        #[arg(long)]
        reason: Option<String>,
        /// One JSON object a line, as `GET /api/v1/dead-letters` has them.
        #[arg(long)]
        json: bool,
    },
    /// Shows one letter with all that is known of it. Secrets are redacted.
    Show {
        /// Its id, such as 0-17.
        id: LetterId,
        /// As one JSON object.
        #[arg(long)]
        json: bool,
    },
    /// Publishes originals again, if they can be read now. What was counted before is not counted twice.
    Replay {
        /// Their ids, such as 0-17.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<LetterId>,
        /// All there are, newest first; records that may have crashed the server only with `--reason crash_suspect`.
        #[arg(long)]
        all: bool,
        /// Of all, only those with this reason.
        #[arg(long, conflicts_with = "ids")]
        reason: Option<String>,
    },
}

/// Does what `arguments` say; answers go to `out`, progress to `progress`. Tells whether all of it could be done: false if
/// a letter is not there, or could not be replayed.
///
/// # Errors
/// If Kafka or the store does not answer, or nobody listens.
pub async fn run(
    arguments: Arguments,
    config: &Config,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let Some(letters) = &app::dead_letters(config).await? else {
        anyhow::bail!("there are no dead letters without Kafka: what cannot be read over HTTP is answered at once");
    };
    match arguments.task {
        Task::List { limit, reason, json } => list(letters, limit, reason, json, out).await,
        Task::Show { id, json } => show(letters, id, json, out, progress).await,
        Task::Replay { ids, all: false, .. } => {
            let mut tally = Tally::default();
            for ids in ids.chunks(super::REPLAY_BATCH) {
                tally.add(letters.replay_ids(ids, BY, Timestamp::now()).await.map_err(told)?, out)?;
            }
            tally.finish(progress)
        }
        Task::Replay { all: true, reason, .. } => replay_all(letters, reason, out, progress).await,
    }
}

async fn list(
    letters: &DeadLetters,
    limit: usize,
    reason: Option<String>,
    json: bool,
    out: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let mut query = LetterQuery { reason, before: None, limit: 0 };
    let mut left = limit;
    while left > 0 {
        query.limit = left.min(PAGE);
        let now = Timestamp::now();
        let found = letters.list(&query, now).await.map_err(told)?;
        left -= found.items.len();
        for letter in &found.items {
            if json { writeln!(out, "{}", serde_json::to_string(letter)?)? } else { row(letter, out)? }
        }
        query.before = found.next;
        if query.before.is_none() {
            break;
        }
    }
    if left == limit && !json {
        writeln!(out, "no dead letters")?;
    }
    Ok(true)
}

fn row(letter: &Letter, out: &mut dyn Write) -> io::Result<()> {
    let Letter { id, reason, producer, .. } = letter;
    let (id, at) = (id.to_string(), seconds(letter.dead_at));
    let mark = if letter.replayed.is_some() { "replayed" } else { "" };
    writeln!(out, "{id:<10} {at:<20} {reason:<16} {mark:<8} {producer:<20} {}", letter.one_line())
}

fn seconds(at: Option<Timestamp>) -> String {
    at.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}

async fn show(
    letters: &DeadLetters,
    id: LetterId,
    json: bool,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let Some(letter) = letters.letter(id, Timestamp::now()).await.map_err(told)? else {
        writeln!(progress, "there is no dead letter {id}")?;
        return Ok(false);
    };
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&letter)?)?;
        return Ok(true);
    }
    let reading = match &letter.reading {
        Reading::Event(event) => format!("would be accepted, as event {} of issue {}", event.event_id, event.issue_id),
        _ => format!("would not be accepted: {}", letter.reading.why_not()),
    };
    let replayed = letter.replayed.as_ref().map_or("no".to_owned(), |mark| {
        format!("{} by {}: {}", mark.at, mark.by, Replayed::Done(mark.clone()).message())
    });
    let place = |number: Option<i64>| number.map_or("?".to_owned(), |number| number.to_string());
    let from = format!("{} {}-{}", letter.topic, place(letter.partition.map(i64::from)), place(letter.offset));
    for (name, value) in [
        ("id", letter.id.to_string()),
        ("reason", format!("{}: {}", letter.reason, letter.error)),
        ("from", from),
        ("written", seconds(letter.timestamp)),
        ("dead since", seconds(letter.dead_at)),
        ("producer", letter.producer.clone()),
        ("key", letter.key.clone().unwrap_or_default()),
        ("bytes", letter.size_text()),
        ("now", reading),
        ("replayed", replayed),
    ] {
        writeln!(out, "{name:<10}  {value}")?;
    }
    writeln!(out, "\n{}{}", letter.text, if letter.text_cut { "\n(more is not shown)" } else { "" })?;
    Ok(true)
}

async fn replay_all(
    letters: &DeadLetters,
    reason: Option<String>,
    out: &mut (dyn Write + Send),
    progress: &mut (dyn Write + Send),
) -> anyhow::Result<bool> {
    let (mut tally, mut before) = (Tally::default(), None);
    loop {
        let found = letters.replay_newest(reason.clone(), before, BY, Timestamp::now()).await.map_err(told)?;
        tally.add(found.items, out)?;
        before = found.next;
        let Some(bounds) = &before else { return tally.finish(progress) };
        writeln!(progress, "{}; those before {bounds} follow", tally.told())?;
    }
}

/// What came of many replays.
#[derive(Default)]
struct Tally {
    replayed: u64,
    counted_before: u64,
    refused: u64,
}

impl Tally {
    fn add(&mut self, results: Vec<(LetterId, Replayed)>, out: &mut dyn Write) -> io::Result<()> {
        for (id, replayed) in results {
            match replayed.status() {
                "already_counted" => self.counted_before += 1,
                "published" | "counted" => self.replayed += 1,
                _ => self.refused += 1,
            }
            writeln!(out, "{:<10} {:<16} {}", id.to_string(), replayed.status(), replayed.message())?;
        }
        Ok(())
    }

    fn told(&self) -> String {
        let Self { replayed, counted_before, refused } = self;
        format!("{replayed} replayed, {counted_before} counted before, {refused} not replayed")
    }

    fn finish(self, progress: &mut dyn Write) -> anyhow::Result<bool> {
        writeln!(progress, "{}", self.told())?;
        Ok(self.refused == 0)
    }
}

/// With what to do about it.
fn told(error: DeadLettersError) -> anyhow::Error {
    let advice = match error {
        DeadLettersError::Unavailable(_) => "no broker of ISSUETRACKER_KAFKA_BROKERS answers; try again",
        DeadLettersError::Store(_) => "the store of ISSUETRACKER_STORE does not answer; try again",
    };
    anyhow::Error::new(error).context(advice)
}
