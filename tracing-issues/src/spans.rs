//! The fields of live spans, in slots that are used again: a span costs no allocation once its slot has grown.
//! A slot is found by the low bits of the span's id, and the id is compared whole. Where all neighbours are taken, the
//! fields go into the span's extensions, which is slower and has no limit.
//! It reads no span's data from the registry: scopes are walked in [`capture`](crate::capture).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use tracing::span::Id;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::fields::Fields;

/// Slots in all; live spans beyond that are kept the slower way.
const SLOTS: usize = 4_096;
/// How far from its place a span may be.
const NEIGHBOURS: usize = 4;
/// No span's id.
const FREE: u64 = 0;

/// The fields of live spans.
pub(crate) struct LiveSpans {
    slots: Box<[Slot]>,
    has_components: AtomicBool,
}

/// A place for the fields of one span after the other. Those of a closed one stay in it until the next one comes: nobody
/// finds them, since they are found by `id`, which is set and looked at again under the lock.
#[derive(Default)]
struct Slot {
    id: AtomicU64,
    /// The buffers are not worth keeping once the span is closed.
    is_large: AtomicBool,
    fields: Mutex<Option<Box<Fields>>>,
}

/// Fields for which no slot was free.
struct Spilled(Box<Fields>);

impl LiveSpans {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Slot::default()).collect(), has_components: AtomicBool::new(false) }
    }

    /// Whether a span has ever named a component: only then do spans decide which issue an error is.
    #[inline]
    pub(crate) fn has_components(&self) -> bool {
        self.has_components.load(Relaxed)
    }

    /// Notes that spans can name components.
    pub(crate) fn expect_components(&self) {
        // Read first: this is asked for each span, and the answer changes once.
        if !self.has_components() {
            self.has_components.store(true, Relaxed);
        }
    }

    /// Stores the fields of a new span. `fields` is left with some other buffers to write into.
    #[inline]
    pub(crate) fn insert<'a, R: LookupSpan<'a> + 'a>(
        &self,
        id: &Id,
        fields: &mut Box<Fields>,
        span: impl FnOnce() -> Option<SpanRef<'a, R>>,
    ) {
        // The first slot nearly always is free.
        if !self.slot(id, 0).insert(id, fields) {
            self.insert_elsewhere(id, fields, span);
        }
    }

    #[cold]
    fn insert_elsewhere<'a, R: LookupSpan<'a> + 'a>(
        &self,
        id: &Id,
        fields: &mut Box<Fields>,
        span: impl FnOnce() -> Option<SpanRef<'a, R>>,
    ) {
        let is_inserted = (1..NEIGHBOURS).any(|step| self.slot(id, step).insert(id, fields));
        if !is_inserted && let Some(span) = span() {
            unless_poisoned(|| span.extensions_mut().replace(Spilled(std::mem::take(fields))));
        }
    }

    /// Takes over what was recorded later.
    pub(crate) fn merge<'a, R: LookupSpan<'a> + 'a>(
        &self,
        id: &Id,
        later: &mut Box<Fields>,
        span: impl FnOnce() -> Option<SpanRef<'a, R>>,
    ) {
        if let Some(slot) = self.slot_of(id) {
            if let Some(fields) = slot.lock_for(id).as_deref_mut().and_then(Option::as_mut) {
                fields.merge(later);
                slot.is_large.store(fields.is_large(), Relaxed);
            }
            return;
        }
        let Some(found) = span() else { return };
        let is_merged = unless_poisoned(|| match found.extensions_mut().get_mut() {
            Some(Spilled(fields)) => {
                fields.merge(later);
                true
            }
            None => false,
        });
        if is_merged == Some(false) {
            self.insert(id, later, || Some(found));
        }
    }

    /// Shows the fields of a live span to `read`, if it has any. No foreign code may run inside.
    #[inline(always)]
    pub(crate) fn read<'a, R: LookupSpan<'a> + 'a>(&self, span: &SpanRef<'a, R>, read: impl FnOnce(&Fields)) {
        let id = span.id();
        match self.slot_of(&id) {
            Some(slot) => {
                if let Some(fields) = slot.lock_for(&id).as_deref().and_then(Option::as_ref) {
                    read(fields);
                }
            }
            None => Self::read_spilled(span, read),
        }
    }

    #[cold]
    fn read_spilled<'a, R: LookupSpan<'a> + 'a>(span: &SpanRef<'a, R>, read: impl FnOnce(&Fields)) {
        unless_poisoned(|| {
            if let Some(Spilled(fields)) = span.extensions().get() {
                read(fields);
            }
        });
    }

    /// The same without touching the span: fields for which no slot was free are not shown.
    pub(crate) fn read_slot(&self, id: &Id, read: impl FnOnce(&Fields)) {
        if let Some(slot) = self.slot_of(id)
            && let Some(fields) = slot.lock_for(id).as_deref().and_then(Option::as_ref)
        {
            read(fields);
        }
    }

    /// Forgets a span that was closed. Takes no lock: its fields are overwritten by the next span.
    #[inline]
    pub(crate) fn remove(&self, id: &Id) {
        if let Some(slot) = self.slot_of(id) {
            if slot.is_large.load(Relaxed) {
                *slot.lock() = None;
            }
            slot.id.store(FREE, Release);
        }
    }

    /// Finds the slot of a span.
    #[inline]
    fn slot_of(&self, id: &Id) -> Option<&Slot> {
        (0..NEIGHBOURS).map(|step| self.slot(id, step)).find(|slot| slot.id.load(Acquire) == id.into_u64())
    }

    /// One of the slots where the fields of a span can be. The low bits of an id are its place in the registry, used again at
    /// once; those from bit 38 on the thread's, as `sharded_slab` packs them. Only speed depends on it.
    #[inline]
    fn slot(&self, id: &Id, step: usize) -> &Slot {
        let id = id.into_u64();
        let first = (id ^ (id >> 38).wrapping_mul(0x9e5)) as usize;
        &self.slots[(first + step) % SLOTS]
    }
}

/// Does what takes the lock of a span's extensions. If another layer panicked while it held that lock, taking it panics
/// from then on; nothing is done then.
pub(crate) fn unless_poisoned<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

impl Slot {
    /// Takes it for a span and swaps the fields in, if it is free and nobody is still reading what was in it.
    #[inline]
    fn insert(&self, id: &Id, fields: &mut Box<Fields>) -> bool {
        if self.id.load(Relaxed) != FREE {
            return false;
        }
        let mut kept = match self.fields.try_lock() {
            Ok(kept) => kept,
            Err(TryLockError::Poisoned(kept)) => kept.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        // Looked at again: another thread may have been faster.
        if self.id.load(Relaxed) != FREE {
            return false;
        }
        self.is_large.store(fields.is_large(), Relaxed);
        std::mem::swap(kept.get_or_insert_default(), fields);
        self.id.store(id.into_u64(), Release);
        true
    }

    /// Locks it, if it is still that span's: it may have been closed meanwhile, and the fields may be those of another one.
    #[inline]
    fn lock_for(&self, id: &Id) -> Option<MutexGuard<'_, Option<Box<Fields>>>> {
        let kept = self.lock();
        (self.id.load(Acquire) == id.into_u64()).then_some(kept)
    }

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Option<Box<Fields>>> {
        self.fields.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for LiveSpans {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveSpans").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tracing_subscriber::Registry;

    use super::*;

    fn insert(spans: &LiveSpans, id: &Id, name: &'static str) {
        let mut fields = Box::<Fields>::default();
        fields.record_number(name, 1);
        spans.insert(id, &mut fields, || None::<SpanRef<'_, Registry>>);
    }

    #[test]
    fn large_fields_go_with_their_span() {
        let (spans, id) = (LiveSpans::new(), Id::from_u64(1));
        insert(&spans, &id, "small");
        let mut later = Box::<Fields>::default();
        later.record_text("large", format_args!("{}", "x".repeat(8_000)));
        spans.merge(&id, &mut later, || None::<SpanRef<'_, Registry>>);
        spans.remove(&id);
        assert!(spans.slot(&id, 0).lock().is_none());
    }

    #[test]
    fn a_slot_is_not_taken_while_it_is_read() {
        let (spans, id, next) = (LiveSpans::new(), Id::from_u64(1), Id::from_u64(1 + SLOTS as u64));
        insert(&spans, &id, "own");
        let mut seen = Vec::new();
        spans.read_slot(&id, |fields| {
            spans.remove(&id);
            insert(&spans, &next, "next");
            seen.extend(fields.view().names().map(|(_, name, _)| name));
        });
        spans.read_slot(&next, |fields| seen.extend(fields.view().names().map(|(_, name, _)| name)));
        assert_eq!(seen, ["own", "next"]);
    }

    #[test]
    fn a_span_that_is_closed_while_it_is_read_shows_no_fields_of_the_next_one() {
        let (spans, is_over) = (LiveSpans::new(), AtomicBool::new(false));
        // Two ids with one slot.
        let (id, next) = (Id::from_u64(1), Id::from_u64(1 + SLOTS as u64));
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..1_000_000 {
                    insert(&spans, &id, "own");
                    spans.remove(&id);
                    insert(&spans, &next, "foreign");
                    spans.remove(&next);
                }
                is_over.store(true, Relaxed);
            });
            let mut seen = 0;
            while !is_over.load(Relaxed) {
                spans.read_slot(&id, |fields| {
                    seen += fields.view().names().filter(|(_, name, _)| *name != "own").count();
                });
            }
            assert_eq!(seen, 0);
        });
    }
}
