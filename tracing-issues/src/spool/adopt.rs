//! Adoption: taking over what dead processes of the service left in the directory, in the order in which it was written.
//! Files of living ones are left alone; what a file's entries mean is `replay.rs`.

use std::{io, path::Path};

use super::{
    Kind, Spool, entry,
    file::{self, SpoolFile},
    replay::{Found, Replay},
};
use crate::publish::Envelope;

/// What dead processes of this service left behind.
#[derive(Debug, Default)]
#[must_use = "whoever adopts events has to send them"]
pub struct Adopted {
    /// To be sent, in this order, and then to be [`settled`](Spool::settled) like any other.
    pub envelopes: Vec<Envelope>,
    /// What was wrong with which file, for the operator; each file is mentioned once.
    pub problems: Vec<String>,
}

impl Spool {
    /// Adopts what processes have left that died since. The next [`flush`](Self::flush) makes it ours; a crash before
    /// that leaves it where it is.
    pub fn adopt(&mut self) -> Adopted {
        let mut replay = Replay::default();
        let mut adopted = Adopted::default();
        let paths = file::of_service(&self.dir, &self.service).unwrap_or_else(|error| {
            self.tell(&mut adopted, &self.dir.clone(), error.to_string());
            Vec::new()
        });
        let limit = self.max_bytes.saturating_mul(2);
        let mut room = limit.saturating_sub(self.bytes());
        for path in paths {
            if path == self.file.path || self.adopted.iter().any(|file| path == file.path) {
                continue;
            }
            match take_over(&path, limit, &mut room, &mut replay) {
                Ok(Taken::Free(file, problem)) => {
                    self.adopted.push(file);
                    problem.into_iter().for_each(|text| self.tell(&mut adopted, &path, text));
                }
                Ok(Taken::Owned) => (),
                // Nor what is younger: it may repeat entries of this one, and then it has to be read after it.
                Ok(Taken::Full) => break,
                Ok(Taken::Left(text)) => self.tell(&mut adopted, &path, text),
                Err(error) => self.tell(&mut adopted, &path, error.to_string()),
            }
        }
        let is_new = |envelope: &Envelope| !self.open.contains_key(&envelope.event_id);
        adopted.envelopes = replay.into_open().into_iter().filter(is_new).collect();
        for envelope in &adopted.envelopes {
            entry::open(envelope).into_iter().for_each(|bytes| self.put(envelope.event_id, Kind::Event, &bytes));
        }
        adopted
    }

    fn tell(&mut self, adopted: &mut Adopted, path: &Path, problem: String) {
        if self.told.insert(path.to_owned()) {
            adopted.problems.push(problem);
        }
    }
}

/// A file that was looked at.
enum Taken {
    /// It was read and is ours, perhaps with a problem.
    Free(SpoolFile, Option<String>),
    /// Its process lives.
    Owned,
    /// There is no room for it until more is settled.
    Full,
    /// It stays as it is, for this reason.
    Left(String),
}

fn take_over(path: &Path, limit: u64, room: &mut u64, replay: &mut Replay) -> io::Result<Taken> {
    let Some(mut file) = SpoolFile::lock(path.to_owned())? else { return Ok(Taken::Owned) };
    let length = file.len()?;
    if length > limit {
        return Ok(Taken::Left(format!("{}: left alone, {length} bytes are more than the limit", path.display())));
    }
    let Some(rest) = room.checked_sub(length) else { return Ok(Taken::Full) };
    let bytes = file.read_all()?;
    Ok(match replay.read(&bytes) {
        Found::Entries { damaged } => {
            *room = rest;
            let problem = format!("{}: {damaged} damaged bytes were skipped", path.display());
            Taken::Free(file, (damaged > 0).then_some(problem))
        }
        Found::Later => Taken::Left(format!("{}: left alone, a later version wrote it", path.display())),
        Found::Garbage => {
            let name = file.set_aside()?;
            Taken::Left(format!("{}: nothing in it can be read; kept as {}", path.display(), name.display()))
        }
    })
}
