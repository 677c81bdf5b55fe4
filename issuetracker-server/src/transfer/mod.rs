//! Everything that a store holds, as JSON lines, to move it to another store: `export` and `import`. Both can be broken off
//! and go on. What the lines look like is [`line`]'s.
//!
//! ```text
//! {"export": {"version": 1, …}}          first
//! {"watermark": …}                       before the issues: what is read again after the move is known by its event ids
//! {"issue": …} {"comment": …} {"activity": …}    each issue with what is beneath it, in the order of ids
//! {"alias": …} {"service_hour": …} {"note": …}
//! {"end": {"issues": 12431, …}}          last: without it, the file is not whole
//! ```

mod export;
mod import;
mod line;

use std::path::Path;

pub use self::{export::export, import::import, line::Counts};
use crate::{domain::IssueId, store::StoreError};

/// The version of the lines that is written, and the only one that is read.
const VERSION: u32 = 1;

/// Why nothing, or not everything, was moved.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The file.
    #[error("{file}: {source}")]
    File {
        /// Its path.
        file: String,
        /// What happened.
        #[source]
        source: std::io::Error,
    },
    /// A line that is none of ours.
    #[error("{file}, line {line}: {problem}")]
    Line {
        /// The file's path.
        file: String,
        /// From 1 on.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The file and what was asked do not go together.
    #[error("{0}")]
    Refused(String),
    /// An issue that is changed faster than it can be read.
    #[error("the issue {0} changes all the time: stop the servers, then export with --resume")]
    Busy(IssueId),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn file_error(file: &Path) -> impl Fn(std::io::Error) -> TransferError + '_ {
    move |source| TransferError::File { file: file.display().to_string(), source }
}
