//! The spool: what waits for its delivery, on disk, so that it survives the death of the process (`kill -9`, a crash, an
//! operator in a hurry) and is sent by the next one. It is a journal of one process and no queue: the worker sends from
//! memory, and reads the disk only when it adopts what a dead process left.
//!
//! How the worker uses it:
//!
//! 1. [`Spool::open`]; what was [`Adopted`] is sent before anything new.
//! 2. Each turn: [`append`](Spool::append) what became an event, [`checkpoint`](Spool::checkpoint) windows that went on
//!    counting, tell what was [`settled`](Spool::settled), then [`flush`](Spool::flush) once, *before* submitting:
//!    what is on its way is on disk as well.
//! 3. Refusals are counted, nothing else: memory goes on without the disk. After [`Change::Up`] the worker may append all
//!    that waits once more; what is known is not written twice.
//!
//! What is lost: whatever came after the last `flush`, if the process dies; the last seconds as well, if the machine
//! does, because nothing waits for the disk (no fsync, except before a file is given up for its copy). What is repeated: nothing by id, except what was delivered and
//! not flushed as settled; the receiver knows an event by its id.

mod adopt;
mod entry;
mod file;
mod replay;
mod rewrite;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use uuid::Uuid;

pub use self::adopt::Adopted;
use self::{entry::HEADER, file::SpoolFile};
use crate::publish::Envelope;

/// How large the file of one process may become, unless configured otherwise.
pub const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// The pause after the disk has failed.
const RETRY: Duration = Duration::from_secs(30);
/// What waits in memory for a disk that fails; beyond that, entries are refused.
const MAX_UNSAVED_BYTES: usize = 1024 * 1024;

/// The journal of this process.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    service: String,
    max_bytes: u64,
    file: SpoolFile,
    /// Bytes of the file that are ours; what a failed write left after them does not count.
    written: u64,
    /// Entries that follow those bytes with the next flush.
    unsaved: Vec<u8>,
    /// Where the entries are that are not settled.
    open: HashMap<Uuid, Place>,
    /// The bytes of those entries; the rest of the file is dead.
    live_bytes: u64,
    /// How many ids were ever open; the next one's place in the order.
    opened: u64,
    /// Files whose entries are in `unsaved`. They stay until that is written.
    adopted: Vec<SpoolFile>,
    /// Set while the disk fails: when to try again.
    retry_at: Option<Instant>,
    /// Raised when compaction fails, so that it is not tried with every flush.
    compact_from: u64,
    /// Files whose problems were told.
    told: HashSet<PathBuf>,
}

/// Where an open entry is. Its bytes are never kept in memory: the worker has them already.
#[derive(Debug, Clone, Copy)]
struct Place {
    order: u64,
    /// In the file, or beyond `written` in what follows it.
    offset: u64,
    bytes: u64,
    kind: Kind,
}

/// What an open entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It may have been sent already: its bytes never change.
    Event,
    /// What is counted next replaces it.
    Checkpoint,
}

/// Why an entry was not taken. The event lives in memory only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The file has reached its limit with what is still open.
    #[error("the spool is full")]
    Full,
    /// The disk fails, and what may wait for it does.
    #[error("the spool cannot be written")]
    Down,
}

/// What the operator should know, once.
#[derive(Debug)]
pub enum Change {
    /// The disk fails, for this reason; it is tried again every 30 seconds. Entries wait in memory.
    Down(io::Error),
    /// It works again, and holds what waited.
    Up,
}

impl Spool {
    /// Opens a file of our own in `dir` and adopts what dead processes of the service left there.
    ///
    /// The file stays below `max_bytes` while entries are appended; what is adopted may fill it up to twice that, and
    /// takes as much memory for a moment.
    ///
    /// # Errors
    /// If the directory or the file cannot be created or locked; the error names the path. May be tried again later.
    pub fn open(dir: &Path, service: &str, max_bytes: u64) -> io::Result<(Self, Adopted)> {
        let mut spool = Self {
            dir: dir.to_owned(),
            service: service.to_owned(),
            max_bytes,
            file: SpoolFile::create(dir, service)?,
            written: 0,
            unsaved: HEADER.to_vec(),
            open: HashMap::new(),
            live_bytes: 0,
            opened: 0,
            adopted: Vec::new(),
            retry_at: None,
            compact_from: 0,
            told: HashSet::new(),
        };
        let adopted = spool.adopt();
        Ok((spool, adopted))
    }

    /// Keeps an event until it is settled. One that is known is not written again: its bytes never change.
    ///
    /// # Errors
    /// If there is no room for it.
    pub fn append(&mut self, envelope: &Envelope) -> Result<(), Refused> {
        self.keep(envelope, Kind::Event)
    }

    /// Keeps what a window has counted so far, under the id that its next event will have. It replaces the checkpoint
    /// before it, as the event will replace it.
    ///
    /// # Errors
    /// If there is no room for it. The checkpoint before it stays.
    pub fn checkpoint(&mut self, envelope: &Envelope) -> Result<(), Refused> {
        self.keep(envelope, Kind::Checkpoint)
    }

    fn keep(&mut self, envelope: &Envelope, kind: Kind) -> Result<(), Refused> {
        if self.open.get(&envelope.event_id).is_some_and(|place| place.kind == Kind::Event) {
            return Ok(());
        }
        let entry = entry::open(envelope).ok_or(Refused::Full)?;
        if self.retry_at.is_some() && self.unsaved.len() + entry.len() > MAX_UNSAVED_BYTES {
            return Err(Refused::Down);
        }
        if self.bytes() + entry.len() as u64 > self.max_bytes {
            return Err(Refused::Full);
        }
        self.put(envelope.event_id, kind, &entry);
        Ok(())
    }

    fn put(&mut self, id: Uuid, kind: Kind, entry: &[u8]) {
        let (offset, bytes) = (self.bytes(), entry.len() as u64);
        let place = self.open.entry(id).or_insert_with(|| {
            self.opened += 1;
            Place { order: self.opened, offset, bytes: 0, kind }
        });
        self.live_bytes = self.live_bytes - place.bytes + bytes;
        *place = Place { order: place.order, offset, bytes, kind };
        self.unsaved.extend(entry);
    }

    /// Forgets an event or checkpoint: it is delivered, or never will be. Always finds room.
    pub fn settled(&mut self, id: Uuid) {
        if let Some(place) = self.open.remove(&id) {
            self.live_bytes -= place.bytes;
            self.unsaved.extend(entry::done(id));
        }
    }

    /// How many events and checkpoints are not settled.
    pub fn waiting(&self) -> usize {
        self.open.len()
    }

    /// How long the file is, with what follows it at the next flush.
    pub fn bytes(&self) -> u64 {
        self.written + self.unsaved.len() as u64
    }

    /// Writes what came since the last call: one write for all of it. A disk that fails is left alone for a while.
    ///
    /// Returns what the operator has to be told: nothing, unless the disk has just begun or ceased to fail.
    pub fn flush(&mut self, now: Instant) -> Option<Change> {
        if self.retry_at.is_some_and(|retry_at| now < retry_at) {
            return None;
        }
        match self.save() {
            Ok(()) => self.retry_at.take().map(|_| Change::Up),
            Err(error) => {
                let was_down = self.retry_at.replace(now + RETRY).is_some();
                (!was_down).then_some(Change::Down(error))
            }
        }
    }

    fn save(&mut self) -> io::Result<()> {
        if self.open.is_empty() {
            self.clear()?;
        } else if !self.file.exists() {
            // Somebody removed it, perhaps with the directory. Our handle still reads it, but nobody would find it.
            self.rewrite()?;
        } else if !self.unsaved.is_empty() {
            self.write()?;
        }
        if !self.adopted.is_empty() && !self.open.is_empty() {
            // Theirs may have been safe on the disk for hours; ours is in the page cache.
            self.file.sync()?;
        }
        // Only now, as our own file holds what theirs do. The last one first: if we die in between, those that are left
        // are older than ours, and are read before it.
        while let Some(file) = self.adopted.pop() {
            file.retire()?;
        }
        Ok(())
    }

    /// Nothing waits: neither what is in the file nor what would follow it is of use.
    fn clear(&mut self) -> io::Result<()> {
        if self.written > 0 {
            self.file.empty()?;
        }
        self.written = 0;
        self.forget_unsaved();
        self.unsaved.extend(HEADER);
        self.compact_from = 0;
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        if self.is_mostly_dead() {
            match self.rewrite() {
                Ok(()) => return Ok(()),
                // There may be no room for two files. That costs space, not events: the old one still serves.
                Err(_) => self.compact_from = self.bytes() + self.max_bytes / 16,
            }
        }
        self.file.write_at(self.written, &self.unsaved)?;
        self.written += self.unsaved.len() as u64;
        self.forget_unsaved();
        Ok(())
    }

    /// What was adopted may have been much; its memory is not kept for the rest of the process.
    fn forget_unsaved(&mut self) {
        self.unsaved.clear();
        self.unsaved.shrink_to(MAX_UNSAVED_BYTES);
    }
}

/// Writes what it can; a file in which nothing waits is removed.
impl Drop for Spool {
    fn drop(&mut self) {
        if self.save().is_ok() && self.open.is_empty() {
            let _ = self.file.retire();
        }
    }
}
