//! The fields of live spans, in slots that are used again: a span costs no allocation once its slot has grown.
//! A slot is found by the low bits of the span's id, and the id is compared whole. Where all neighbours are taken, the
//! fields go into the span's extensions, which is slower and has no limit.
//! It reads no span's data from the registry: scopes are walked in [`capture`](crate::capture).

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
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

#[derive(Default)]
struct Slot {
    id: AtomicU64,
    fields: Mutex<Option<Box<Fields>>>,
}

/// Fields for which no slot was free.
struct Spilled(Box<Fields>);

impl LiveSpans {
    pub(crate) fn new() -> Self {
        Self { slots: (0..SLOTS).map(|_| Slot::default()).collect(), has_components: AtomicBool::new(false) }
    }

    /// Whether a span has ever named a component: only then do spans decide which issue an error is.
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
    pub(crate) fn insert<'a, R: LookupSpan<'a> + 'a>(
        &self,
        id: &Id,
        fields: &mut Box<Fields>,
        span: impl FnOnce() -> Option<SpanRef<'a, R>>,
    ) {
        let number = id.into_u64();
        if let Some(slot) = self.find(number, |slot| slot.take(number)) {
            let mut kept = slot.lock();
            match &mut *kept {
                Some(kept) => std::mem::swap(kept, fields),
                None => *kept = Some(std::mem::take(fields)),
            }
            return;
        }
        if let Some(span) = span() {
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
        if let Some(mut kept) = self.lock_of(id) {
            if let Some(fields) = &mut *kept {
                fields.merge(later);
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
    pub(crate) fn read<'a, R: LookupSpan<'a> + 'a>(&self, span: &SpanRef<'a, R>, read: impl FnOnce(&Fields)) {
        if let Some(kept) = self.lock_of(&span.id()) {
            if let Some(fields) = &*kept {
                read(fields);
            }
            return;
        }
        unless_poisoned(|| {
            if let Some(Spilled(fields)) = span.extensions().get() {
                read(fields);
            }
        });
    }

    /// The same without touching the span: fields for which no slot was free are not shown.
    pub(crate) fn read_slot(&self, id: &Id, read: impl FnOnce(&Fields)) {
        if let Some(kept) = self.lock_of(id)
            && let Some(fields) = &*kept
        {
            read(fields);
        }
    }

    /// Forgets a span that was closed.
    pub(crate) fn remove(&self, id: &Id) {
        if let Some(slot) = self.slot_of(id.into_u64()) {
            if let Some(fields) = &mut *slot.lock() {
                fields.clear();
            }
            slot.id.store(FREE, Release);
        }
    }

    /// The slot of a span, locked.
    #[inline]
    fn lock_of(&self, id: &Id) -> Option<MutexGuard<'_, Option<Box<Fields>>>> {
        let number = id.into_u64();
        let slot = self.slot_of(number)?;
        let fields = slot.lock();
        // Looked at again: the span may have been closed meanwhile, and the fields may be those of another one.
        (slot.id.load(Acquire) == number).then_some(fields)
    }

    #[inline]
    fn slot_of(&self, id: u64) -> Option<&Slot> {
        self.find(id, |slot| slot.id.load(Acquire) == id)
    }

    /// Finds a slot among those where the fields of a span can be. The low bits of an id are its place in the registry,
    /// used again at once; those from bit 38 on the thread's, as `sharded_slab` packs them. Only speed depends on it.
    #[inline]
    fn find(&self, id: u64, is_it: impl Fn(&Slot) -> bool) -> Option<&Slot> {
        let first = (id ^ (id >> 38).wrapping_mul(0x9e5)) as usize;
        let at = |step: usize| &self.slots[(first + step) % SLOTS];
        // The first one nearly always is it.
        if is_it(at(0)) { Some(at(0)) } else { (1..NEIGHBOURS).map(at).find(|slot| is_it(slot)) }
    }
}

/// Does what takes the lock of a span's extensions. If another layer panicked while it held that lock, taking it panics
/// from then on; nothing is done then.
pub(crate) fn unless_poisoned<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

impl Slot {
    /// Takes it for a span, if it is free.
    #[inline]
    fn take(&self, id: u64) -> bool {
        self.id.load(Relaxed) == FREE && self.id.compare_exchange(FREE, id, AcqRel, Relaxed).is_ok()
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
                spans.read_slot(&id, |fields| seen += fields.view().names().filter(|(_, name, _)| *name != "own").count());
            }
            assert_eq!(seen, 0);
        });
    }
}
