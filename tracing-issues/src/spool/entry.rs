//! One entry of a spool file, as bytes: what is written, and how it is found again in a file that a crash or a bad disk
//! has damaged. What the entries of a file mean together is `replay.rs`.
//!
//! ```text
//! file   header (8)  entry  entry  …
//! entry  MARK (4)  length of the body (4)  checksum of the body (8)  body
//! body   kind (1)  event id (16)  |  occurrences (8)  key  title  payload     lengths before texts (4), little endian
//! ```

use uuid::Uuid;

use crate::publish::Envelope;

/// The first bytes of every file. The last one is the version of all that follows.
pub(super) const HEADER: [u8; 8] = *b"TISPOOL\x01";
/// Begins every entry. These bytes are not valid UTF-8, so no text can contain them: a reader that has lost the thread
/// picks it up at the next one.
const MARK: [u8; 4] = [0xFF, 0xF5, 0xFE, 0xC0];
/// What precedes a body.
const PREFIX_BYTES: usize = MARK.len() + 4 + 8;
/// The longest body that is written or believed; the worker's events are at most 256 KiB.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;

const OPEN: u8 = 1;
const DONE: u8 = 2;

/// One line of the journal.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// To be sent, in place of what was there under its id: an event, or the checkpoint of one that is still counted.
    /// Whoever reads a file has no use for the difference, as all counting has ended.
    Open(Envelope),
    /// Settled: nothing with this id is to be sent again.
    Done(Uuid),
}

/// The bytes of an entry with an envelope, or nothing if it is too large for one.
pub(super) fn open(envelope: &Envelope) -> Option<Vec<u8>> {
    let mut body = vec![OPEN];
    body.extend(envelope.event_id.as_bytes());
    body.extend(envelope.occurrences.to_le_bytes());
    for text in [envelope.key.as_bytes(), envelope.title.as_bytes(), &envelope.payload] {
        body.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
        body.extend(text);
    }
    framed(&body)
}

/// The bytes of an entry that settles an id.
pub(super) fn done(id: Uuid) -> Vec<u8> {
    let mut body = vec![DONE];
    body.extend(id.as_bytes());
    framed(&body).unwrap_or_default()
}

fn framed(body: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_BODY_BYTES)?;
    let mut bytes = Vec::with_capacity(PREFIX_BYTES + body.len());
    bytes.extend(MARK);
    bytes.extend(length.to_le_bytes());
    bytes.extend(checksum(body).to_le_bytes());
    bytes.extend(body);
    Some(bytes)
}

/// Reads entries from what follows the header. Damage costs the entries that it touches and no others.
pub(super) struct Entries<'a> {
    rest: &'a [u8],
    /// Bytes that were skipped because no entry could be read there.
    pub(super) damaged: usize,
}

impl<'a> Entries<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, damaged: 0 }
    }
}

impl Iterator for Entries<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        while !self.rest.is_empty() {
            if let Some((entry, rest)) = read(self.rest) {
                self.rest = rest;
                return Some(entry);
            }
            // Not even the length can be believed: go on at the next mark.
            let next = self.rest.windows(MARK.len()).skip(1).position(|window| window == MARK);
            let skipped = next.map_or(self.rest.len(), |position| position + 1);
            self.damaged += skipped;
            self.rest = self.rest.get(skipped..).unwrap_or_default();
        }
        None
    }
}

/// The entry at the start of `bytes`, and what follows it.
fn read(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let mut fields = Fields(bytes);
    if fields.array::<4>()? != MARK {
        return None;
    }
    let length =
        usize::try_from(u32::from_le_bytes(fields.array()?)).ok().filter(|length| *length <= MAX_BODY_BYTES)?;
    let expected = u64::from_le_bytes(fields.array()?);
    let body = fields.take(length)?;
    if checksum(body) != expected {
        return None;
    }
    Some((parse(body)?, fields.0))
}

fn parse(body: &[u8]) -> Option<Entry> {
    let mut fields = Fields(body);
    let [kind] = fields.array()?;
    let event_id = Uuid::from_bytes(fields.array()?);
    let entry = match kind {
        OPEN => Entry::Open(fields.envelope(event_id)?),
        DONE => Entry::Done(event_id),
        _ => return None,
    };
    fields.0.is_empty().then_some(entry)
}

/// Takes fields off the front of a slice.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn bytes(&mut self) -> Option<Vec<u8>> {
        let length = u32::from_le_bytes(self.array()?);
        self.take(usize::try_from(length).ok()?).map(<[u8]>::to_vec)
    }

    fn envelope(&mut self, event_id: Uuid) -> Option<Envelope> {
        let occurrences = u64::from_le_bytes(self.array()?);
        let key = String::from_utf8(self.bytes()?).ok()?;
        let title = String::from_utf8(self.bytes()?).ok()?;
        Some(Envelope { event_id, key, payload: self.bytes()?, occurrences, title })
    }
}

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): enough to tell a torn entry from a whole one.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}
