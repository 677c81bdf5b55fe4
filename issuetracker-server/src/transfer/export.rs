//! A store to a file. The servers may go on meanwhile: an issue that changes while it is read is read again, and places of
//! partitions are written first, so that what comes after them comes again and is known by its event ids.

use std::{
    fs::{File, OpenOptions},
    io::{BufRead, BufReader, BufWriter, Seek, SeekFrom, Write},
    path::Path,
};

use jiff::Timestamp;

use super::{
    Counts, TransferError, VERSION, file_error,
    line::{Header, Line},
};
use crate::{
    domain::{ActivityKind, Issue, IssueId, hour_of},
    store::{IssueStore, Item, StoreError},
};

/// Items that are read at once.
const PAGE: usize = 500;

/// Hours of services are read by the week, from the beginning of 2020.
const WEEK_HOURS: i64 = 7 * 24;
/// See [`WEEK_HOURS`].
const FIRST_HOUR: i64 = 438_288;

/// How often an issue is read that changes meanwhile.
const ATTEMPTS: usize = 20;

/// Writes everything in `store` into `file`, which must not be there, and calls `progress` after each page. With
/// `is_resumed`, a file that was broken off is completed; its last issue is written again.
///
/// # Errors
/// If the file cannot be written or is none of ours, or the store cannot be read. What is written stays, to be resumed.
pub async fn export(
    store: &dyn IssueStore,
    file: &Path,
    is_resumed: bool,
    now: Timestamp,
    progress: &mut (dyn FnMut(&Counts) + Send),
) -> Result<Counts, TransferError> {
    let mut output = if is_resumed { Output::resume(file)? } else { Output::create(file)? };
    if output.last_issue.is_none() && output.counts == Counts::default() {
        let server = env!("CARGO_PKG_VERSION").to_owned();
        output.write(&Line::Export(Header { version: VERSION, server, at: now.to_string() }))?;
        for watermark in store.watermarks().await? {
            output.item(&Item::Watermark(watermark))?;
        }
    }
    loop {
        let ids = store.issue_ids(output.last_issue.as_ref(), PAGE).await?;
        if ids.is_empty() {
            break;
        }
        for id in ids {
            export_issue(store, &mut output, &id).await?;
            output.last_issue = Some(id);
            progress(&output.counts);
        }
        output.flush()?;
    }
    let mut after = None;
    loop {
        let aliases = store.aliases(after.as_ref(), PAGE).await?;
        let Some((last, ..)) = aliases.last() else { break };
        after = Some(last.clone());
        for (id, issue_id, via) in aliases {
            output.item(&Item::Alias { id, issue_id, via })?;
        }
    }
    // A week at a time, from 2020 on: no error that is stored here is older.
    for from in (FIRST_HOUR..hour_of(now) + WEEK_HOURS).step_by(WEEK_HOURS as usize) {
        for hour in store.service_hours(from..from + WEEK_HOURS).await? {
            output.item(&Item::ServiceHour(hour))?;
        }
    }
    // What a running server is doing at the moment is nothing to be moved.
    let is_passing = |key: &str| key.starts_with("inflight/") || key.starts_with("import/");
    for (key, value) in store.notes("").await?.into_iter().filter(|(key, _)| !is_passing(key)) {
        output.item(&Item::Note(key, value))?;
    }
    let counts = output.counts.clone();
    output.write(&Line::End(counts.clone()))?;
    output.flush()?;
    output.writer.get_ref().sync_all().map_err(file_error(file))?;
    progress(&counts);
    Ok(counts)
}

/// One issue with what is beneath it, as of one moment.
async fn export_issue(store: &dyn IssueStore, output: &mut Output<'_>, id: &IssueId) -> Result<(), TransferError> {
    for _ in 0..ATTEMPTS {
        // Merged into another one meanwhile: it is, or was, written there.
        let Some(before) = own(store, id).await? else { return Ok(()) };
        let mut items = vec![Item::Issue(Box::new(before.clone()))];
        let mut after = None;
        loop {
            let page = store.comments(id, after.as_ref(), PAGE).await?;
            items.extend(page.items.into_iter().map(|comment| Item::Comment(id.clone(), comment)));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        for kind in [None, Some(ActivityKind::Occurrence)] {
            let mut after = None;
            loop {
                let page = store.activities(id, kind, after.as_ref(), PAGE).await?;
                items.extend(page.items.into_iter().map(|activity| Item::Activity(id.clone(), activity)));
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        if own(store, id).await?.as_ref() == Some(&before) {
            return items.iter().try_for_each(|item| output.item(item));
        }
    }
    Err(TransferError::Busy(id.clone()))
}

async fn own(store: &dyn IssueStore, id: &IssueId) -> Result<Option<Issue>, StoreError> {
    Ok(store.issue(id).await?.filter(|issue| issue.id == *id))
}

struct Output<'a> {
    file: &'a Path,
    writer: BufWriter<File>,
    counts: Counts,
    last_issue: Option<IssueId>,
}

impl<'a> Output<'a> {
    fn create(file: &'a Path) -> Result<Self, TransferError> {
        let created = OpenOptions::new().write(true).create_new(true).open(file).map_err(file_error(file))?;
        Ok(Self { file, writer: BufWriter::new(created), counts: Counts::default(), last_issue: None })
    }

    /// Opens a file that was broken off, without its last issue: what is beneath that may be missing.
    fn resume(file: &'a Path) -> Result<Self, TransferError> {
        let mut opened = OpenOptions::new().read(true).write(true).open(file).map_err(file_error(file))?;
        let (mut reader, mut text) = (BufReader::new(&opened), Vec::new());
        let (mut at, mut number) = (0_u64, 0_u64);
        let mut counts = Counts::default();
        // Up to the last issue that is followed by another one.
        let (mut end, mut counts_at_end, mut last_issue, mut begun) = (0, Counts::default(), None, None);
        loop {
            text.clear();
            let length = reader.read_until(b'\n', &mut text).map_err(file_error(file))?;
            if length == 0 || text.last() != Some(&b'\n') {
                break;
            }
            number += 1;
            let line: Line = serde_json::from_slice(&text).map_err(|error| TransferError::Line {
                file: file.display().to_string(),
                line: number,
                problem: error.to_string(),
            })?;
            if let Line::End(_) = line {
                return Err(TransferError::Refused(format!("{} is complete", file.display())));
            }
            let problem = |error: Box<dyn std::error::Error + Send + Sync>| TransferError::Line {
                file: file.display().to_string(),
                line: number,
                problem: error.to_string(),
            };
            let item = line.into_item().map_err(problem)?;
            // What is behind the issues are few lines, and is written again.
            if let Some(Item::Issue(issue)) = &item {
                (end, counts_at_end, last_issue) = (at, counts.clone(), begun.replace(issue.id.clone()));
            }
            item.iter().for_each(|item| counts.count(item));
            at += length as u64;
        }
        opened.set_len(end).map_err(file_error(file))?;
        opened.seek(SeekFrom::Start(end)).map_err(file_error(file))?;
        Ok(Self { file, writer: BufWriter::new(opened), counts: counts_at_end, last_issue })
    }

    fn item(&mut self, item: &Item) -> Result<(), TransferError> {
        self.counts.count(item);
        self.write(&item.into())
    }

    fn write(&mut self, line: &Line) -> Result<(), TransferError> {
        let written = serde_json::to_writer(&mut self.writer, line).map_err(std::io::Error::from);
        written.and_then(|()| self.writer.write_all(b"\n")).map_err(file_error(self.file))
    }

    fn flush(&mut self) -> Result<(), TransferError> {
        self.writer.flush().map_err(file_error(self.file))
    }
}
