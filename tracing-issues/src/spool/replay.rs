//! What the entries of one or more files mean together: which ids are still open, in which order, with which bytes.
//! It is pure: bytes in, envelopes out.

use std::collections::HashMap;

use uuid::Uuid;

use super::entry::{Entries, Entry, HEADER};
use crate::publish::Envelope;

/// Everything that was read so far. Files are read in the order in which they were created: the copy of an entry that
/// a crash left in two files then changes nothing.
#[derive(Debug, Default)]
pub(super) struct Replay {
    /// In the order in which their ids first appeared; settled ones leave a hole.
    slots: Vec<Option<Envelope>>,
    places: HashMap<Uuid, usize>,
}

/// What was found in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Entries, and this many bytes between or after them that are none.
    Entries {
        /// 0 in a file that nothing happened to.
        damaged: usize,
    },
    /// Nothing that could be read.
    Garbage,
    /// The file of a later version of this crate, which knows what to do with it.
    Later,
}

impl Replay {
    /// Reads a file on top of those before it.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Found {
        let (name, version) = HEADER.split_at(HEADER.len() - 1);
        let entries = match bytes.strip_prefix(name) {
            Some([found, ..]) if *found > version[0] => return Found::Later,
            // A header that is damaged, or was never written as a whole, says nothing about what follows.
            _ => bytes.strip_prefix(&HEADER).unwrap_or(bytes),
        };
        let mut entries = Entries::of(entries);
        let mut is_readable = HEADER.starts_with(bytes) || bytes.starts_with(&HEADER);
        for entry in &mut entries {
            is_readable = true;
            self.apply(entry);
        }
        if is_readable { Found::Entries { damaged: entries.damaged } } else { Found::Garbage }
    }

    fn apply(&mut self, entry: Entry) {
        match entry {
            Entry::Open(envelope) => {
                let next = self.slots.len();
                let place = *self.places.entry(envelope.event_id).or_insert(next);
                match self.slots.get_mut(place) {
                    Some(slot) => *slot = Some(envelope),
                    None => self.slots.push(Some(envelope)),
                }
            }
            Entry::Done(id) => {
                let settled = self.places.remove(&id).and_then(|place| self.slots.get_mut(place));
                settled.into_iter().for_each(|slot| *slot = None);
            }
        }
    }

    /// What is to be sent, in order, each id once with the last that was said of it.
    pub(super) fn into_open(self) -> Vec<Envelope> {
        self.slots.into_iter().flatten().collect()
    }
}
