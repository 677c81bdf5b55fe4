//! A file to a store. Every line can be written again, so an import that was broken off starts again where it was; how far
//! it came is a note in the store.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use sha2::{Digest, Sha256};

use super::{
    Counts, TransferError, VERSION, file_error,
    line::{Header, Line},
};
use crate::{domain::hex, store::IssueStore};

/// Lines that are written at once.
const CHUNK: usize = 400;

/// Writes everything in `file` into `store`, and calls `progress` after each chunk. Into a store that has issues only if
/// `may_overwrite`: those with the same id are replaced, the others stay.
///
/// # Errors
/// If the file is not whole or none of ours, or the store cannot be written. What is written stays; doing it again goes on.
pub async fn import(
    store: &dyn IssueStore,
    file: &Path,
    may_overwrite: bool,
    progress: &mut (dyn FnMut(&Counts) + Send),
) -> Result<Counts, TransferError> {
    let (identity, expected) = inspect(file)?;
    let note = format!("import/{identity}");
    let done: u64 = store.note(&note).await?.and_then(|done| done.parse().ok()).unwrap_or(0);
    if done == 0 && !may_overwrite && !store.issue_ids(None, 1).await?.is_empty() {
        let message = "the store has issues already: with --overwrite, those with the same ids are replaced";
        return Err(TransferError::Refused(message.to_owned()));
    }
    let (mut counts, mut chunk, mut number) = (Counts::default(), Vec::with_capacity(CHUNK), 0);
    let mut reader = BufReader::new(File::open(file).map_err(file_error(file))?);
    let mut text = Vec::new();
    loop {
        text.clear();
        let is_over = reader.read_until(b'\n', &mut text).map_err(file_error(file))? == 0;
        if chunk.len() == CHUNK || is_over {
            if number > done {
                store.put(&chunk).await?;
                store.set_note(&note, Some(&number.to_string())).await?;
            }
            chunk.clear();
            progress(&counts);
        }
        if is_over {
            break;
        }
        number += 1;
        let problem = |problem: String| TransferError::Line { file: file.display().to_string(), line: number, problem };
        let line: Line = serde_json::from_slice(&text).map_err(|error| problem(error.to_string()))?;
        if let Some(item) = line.into_item().map_err(|error| problem(error.to_string()))? {
            counts.count(&item);
            chunk.push(item);
        }
    }
    if counts != expected {
        return Err(TransferError::Refused(format!("the file says that it has {expected}; it has {counts}")));
    }
    store.set_note(&note, None).await?;
    Ok(counts)
}

/// What names the file, and what it says of itself. A file without its last line is not whole, and nothing of it is written.
fn inspect(file: &Path) -> Result<(String, Counts), TransferError> {
    let refused = |problem: &str| TransferError::Refused(format!("{}: {problem}", file.display()));
    let (mut first, mut last) = (None, Vec::new());
    let mut reader = BufReader::new(File::open(file).map_err(file_error(file))?);
    let mut text = Vec::new();
    while reader.read_until(b'\n', &mut text).map_err(file_error(file))? > 0 {
        if first.is_none() {
            first = Some(text.clone());
        }
        std::mem::swap(&mut last, &mut text);
        text.clear();
    }
    let first = first.unwrap_or_default();
    match serde_json::from_slice(&first) {
        Ok(Line::Export(Header { version: VERSION, .. })) => (),
        Ok(Line::Export(Header { version, .. })) => {
            return Err(refused(&format!("an export of version {version}; this server reads version {VERSION}")));
        }
        _ => return Err(refused("not an export of this server")),
    }
    let Ok(Line::End(counts)) = serde_json::from_slice(&last) else {
        return Err(refused("it is not whole, its last line is missing: complete it with `export --resume`"));
    };
    Ok((hex(&Sha256::new().chain_update(&first).chain_update(&last).finalize()[..8]), counts))
}
