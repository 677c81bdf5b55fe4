//! Rewriting the file of this process: because most of it is dead, or because somebody removed it. The journal itself,
//! and when it is written, is `mod.rs`.

use std::{collections::HashMap, io, mem};

use uuid::Uuid;

use super::{Place, Spool, entry::HEADER, file::SpoolFile};

/// Shorter files are not worth it.
const MIN_BYTES: u64 = 256 * 1024;
/// How much is copied at once.
const CHUNK_BYTES: usize = 256 * 1024;

impl Spool {
    /// Whether a rewrite gains more than it copies; near the limit, less has to do.
    pub(super) fn is_mostly_dead(&self) -> bool {
        let dead = self.bytes().saturating_sub(self.live_bytes);
        let is_nearly_full = self.bytes() > self.max_bytes / 4 * 3;
        let from = self.compact_from.max(MIN_BYTES.min(self.max_bytes / 4));
        self.bytes() >= from && (dead > self.live_bytes || (is_nearly_full && dead > self.bytes() / 4))
    }

    /// Replaces the file by a new one that holds nothing but what is open. Until that is complete, the old one is what
    /// the next process adopts; if we die with both in place, the old one is read first and the new one repeats it.
    pub(super) fn rewrite(&mut self) -> io::Result<()> {
        let mut file = SpoolFile::create(&self.dir, &self.service)?;
        match self.copy_to(&mut file) {
            Ok((open, written)) => {
                (self.open, self.written) = (open, written);
                self.forget_unsaved();
                self.compact_from = 0;
                // What cannot be removed is at worst sent twice, under the same ids.
                let _ = mem::replace(&mut self.file, file).retire();
                Ok(())
            }
            Err(error) => {
                let _ = file.retire();
                Err(error)
            }
        }
    }

    /// Copies what is open, in order. Returns where it is now, and how much was written.
    fn copy_to(&mut self, file: &mut SpoolFile) -> io::Result<(HashMap<Uuid, Place>, u64)> {
        let mut open: Vec<(Uuid, Place)> = self.open.iter().map(|(id, place)| (*id, *place)).collect();
        open.sort_by_key(|(_, place)| place.order);
        let mut written = 0;
        let mut chunk = HEADER.to_vec();
        for (_, place) in &mut open {
            let offset = written + chunk.len() as u64;
            self.copy_entry(place, &mut chunk)?;
            place.offset = offset;
            if chunk.len() >= CHUNK_BYTES {
                file.write_at(written, &chunk)?;
                written += chunk.len() as u64;
                chunk.clear();
            }
        }
        file.write_at(written, &chunk)?;
        // What it replaces may be on the disk already, and is about to go.
        file.sync()?;
        Ok((open.into_iter().collect(), written + chunk.len() as u64))
    }

    fn copy_entry(&mut self, place: &Place, chunk: &mut Vec<u8>) -> io::Result<()> {
        let bytes = usize::try_from(place.bytes).map_err(io::Error::other)?;
        match place.offset.checked_sub(self.written) {
            Some(start) => {
                let start = usize::try_from(start).map_err(io::Error::other)?;
                chunk.extend(self.unsaved.get(start..start + bytes).unwrap_or_default());
                Ok(())
            }
            None => {
                let end = chunk.len();
                chunk.resize(end + bytes, 0);
                self.file.read_at(place.offset, chunk.get_mut(end..).unwrap_or_default())
            }
        }
    }
}
