//! The recorded fields of one event or span: a list of entries over one text buffer. Both buffers are used again and again,
//! so that recording allocates nothing once they have grown. Foreign formatting runs here, within bounds.
//! It gives no field a meaning: that is [`report`](crate::report)'s.

mod record;
mod value;

use std::{
    fmt::{self, Write as _},
    io,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tracing::field::Visit;

use self::record::{Bounded, Recorder};
pub(crate) use self::{
    record::names_an_error,
    value::{Chain, ErrorName, Value},
};
use crate::{error_types::ErrorTypes, event::Severity};

/// The most bytes kept of one value; the rest is never even formatted.
const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most bytes kept of an error that is recorded as text: it can bring its whole chain and a backtrace.
const MAX_ERROR_TEXT_BYTES: usize = 32 * 1024;
/// The most bytes kept of one event or span.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;
/// The most fields kept of one event or span.
const MAX_FIELDS: usize = 64;
/// The most links kept of one error chain.
const MAX_CHAIN: usize = 32;
/// Buffers that have grown beyond this are given back when they are cleared.
const KEPT_BYTES: usize = 4 * 1024;

/// Fields in the order in which they were recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    text: String,
    entries: Vec<Entry>,
    links: Vec<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// As it stands in the source.
    name: &'static str,
    value: Stored,
}

impl Entry {
    /// `r#type` is the field `type`.
    #[inline]
    fn name(&self) -> &'static str {
        if self.name.starts_with('r') { self.name.strip_prefix("r#").unwrap_or(self.name) } else { self.name }
    }
}

/// A piece of `text`.
#[derive(Debug, Clone, Copy, Default)]
struct Piece {
    start: u32,
    end: u32,
}

#[derive(Debug, Clone, Copy)]
enum Stored {
    Text(Piece),
    Formatted(Piece),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
    /// The links from `first` on.
    Error {
        first: u32,
        count: u32,
    },
}

#[derive(Debug, Clone, Copy)]
struct Link {
    kind: StoredKind,
    message: Piece,
    severity: Option<Severity>,
}

#[derive(Debug, Clone, Copy)]
enum StoredKind {
    Name(Piece),
    Known(&'static str),
    Io(io::ErrorKind),
}

impl StoredKind {
    fn len(self) -> usize {
        match self {
            Self::Name(name) => name.len(),
            Self::Known(_) | Self::Io(_) => 0,
        }
    }
}

impl Piece {
    fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// The piece itself.
    #[inline]
    fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// Where some entries are in [`Fields`], with the text and the links that they refer to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    entries: Range<u32>,
    text: Range<u32>,
    links: Range<u32>,
}

/// Fields to be read: all that were recorded together, or a [`Part`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    entries: &'a [Entry],
    text: &'a str,
    links: &'a [Link],
}

impl Fields {
    /// None, with room for those of an ordinary error. No more than that: what callers fill they fetch from memory.
    pub(crate) fn with_buffers() -> Self {
        Self { text: String::with_capacity(256), entries: Vec::with_capacity(12), links: Vec::with_capacity(2) }
    }

    /// How many there are.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes that they occupy, about.
    pub(crate) fn weight(&self) -> usize {
        self.text.capacity() + size_of::<Entry>() * self.entries.capacity() + size_of::<Link>() * self.links.capacity()
    }

    /// Forgets everything; keeps the buffers unless they are large.
    #[inline]
    pub(crate) fn clear(&mut self) {
        if self.is_large() {
            *self = Self::default();
        }
        self.text.clear();
        self.entries.clear();
        self.links.clear();
    }

    /// Whether the buffers are not worth keeping.
    #[inline]
    pub(crate) fn is_large(&self) -> bool {
        self.text.capacity() > KEPT_BYTES
    }

    /// A copy of the first entries, with at most so many bytes of each text.
    pub(crate) fn shortened(&self, entries: usize, bytes: usize) -> Self {
        let mut short = Self::default();
        for entry in self.entries.iter().take(entries) {
            let value = short.adopt(self, entry.value, bytes);
            short.entries.push(Entry { name: entry.name, value });
        }
        short
    }

    /// Those that were recorded, to be read. (What was appended behind them is read as a part.)
    #[inline]
    pub(crate) fn view(&self) -> View<'_> {
        View { entries: &self.entries, text: &self.text, links: &self.links }
    }

    /// Those that were appended.
    pub(crate) fn part(&self, part: &Part) -> View<'_> {
        let range = |range: &Range<u32>| range.start as usize..range.end as usize;
        View {
            entries: self.entries.get(range(&part.entries)).unwrap_or_default(),
            text: self.text.get(range(&part.text)).unwrap_or_default(),
            links: self.links.get(range(&part.links)).unwrap_or_default(),
        }
    }

    /// Takes over what was recorded later: its values replace those of the same name.
    pub(crate) fn merge(&mut self, later: &Self) {
        for entry in &later.entries {
            if self.text.len() + later.text.len() > MAX_TEXT_BYTES {
                self.compact();
            }
            let value = self.adopt(later, entry.value, usize::MAX);
            self.set(entry.name, value);
        }
    }

    /// Appends the entries of `other` behind the own ones, same names or not. Tells where they are.
    #[inline(always)]
    pub(crate) fn append(&mut self, other: &Self) -> Part {
        if self.text.len() + other.text.len() <= MAX_TEXT_BYTES {
            self.append_as_is(other)
        } else {
            self.append_as_is(&self.what_fits(other))
        }
    }

    /// What entries refer to is counted from where their part begins, so nothing of them changes.
    #[inline(always)]
    fn append_as_is(&mut self, other: &Self) -> Part {
        let start = self.text.len() as u32;
        self.text.push_str(&other.text);
        Part {
            text: start..self.text.len() as u32,
            entries: append(&mut self.entries, &other.entries),
            links: append(&mut self.links, &other.links),
        }
    }

    /// The entries of `other` for which there is room: text of values that were replaced takes none, and a large value none
    /// from a small one.
    #[cold]
    fn what_fits(&self, other: &Self) -> Self {
        let mut fitting = Self::default();
        for entry in &other.entries {
            if self.text.len() + fitting.text.len() + other.len_of(entry.value) <= MAX_TEXT_BYTES {
                let value = fitting.adopt(other, entry.value, usize::MAX);
                fitting.entries.push(Entry { name: entry.name, value });
            }
        }
        fitting
    }

    /// The bytes of text that a value refers to.
    fn len_of(&self, value: Stored) -> usize {
        match value {
            Stored::Text(piece) | Stored::Formatted(piece) => piece.len(),
            Stored::Error { first, count } => {
                let links = self.links.get(first as usize..(first + count) as usize).unwrap_or_default();
                links.iter().map(|link| link.message.len() + link.kind.len()).sum()
            }
            Stored::I64(_) | Stored::U64(_) | Stored::F64(_) | Stored::Bool(_) => 0,
        }
    }

    /// Records whatever `values` offers: an event's, a span's, or later values of a span.
    pub(crate) fn record(&mut self, error_types: &ErrorTypes, values: impl FnOnce(&mut dyn Visit)) {
        values(&mut Recorder { fields: self, error_types });
    }

    /// Records one text.
    pub(crate) fn record_text(&mut self, name: &'static str, args: fmt::Arguments<'_>) {
        let piece = self.format(MAX_VALUE_BYTES, args);
        self.set(name, Stored::Formatted(piece));
    }

    /// Records one number.
    pub(crate) fn record_number(&mut self, name: &'static str, number: u64) {
        self.set(name, Stored::U64(number));
    }

    #[inline]
    fn set(&mut self, name: &'static str, value: Stored) {
        if let Some(known) = self.entries.iter_mut().find(|entry| entry.name == name) {
            known.value = value;
        } else if self.entries.len() < MAX_FIELDS {
            self.entries.push(Entry { name, value });
        }
    }

    /// Copies what a value of `other` refers to, at most so many bytes of each text.
    fn adopt(&mut self, other: &Self, value: Stored, bytes: usize) -> Stored {
        let cut = |piece: Piece| {
            let text = piece.of(&other.text);
            &text[..text.floor_char_boundary(bytes)]
        };
        match value {
            Stored::Text(piece) => Stored::Text(self.push(cut(piece))),
            Stored::Formatted(piece) => Stored::Formatted(self.push(cut(piece))),
            Stored::Error { first, count } => {
                let links = other.links.get(first as usize..(first + count) as usize).unwrap_or_default();
                let first = self.links.len() as u32;
                for link in links {
                    let kind = match link.kind {
                        StoredKind::Name(name) => StoredKind::Name(self.push(cut(name))),
                        kind @ (StoredKind::Known(_) | StoredKind::Io(_)) => kind,
                    };
                    let message = self.push(cut(link.message));
                    self.links.push(Link { kind, message, ..*link });
                }
                Stored::Error { first, count }
            }
            Stored::I64(_) | Stored::U64(_) | Stored::F64(_) | Stored::Bool(_) => value,
        }
    }

    #[inline]
    fn push(&mut self, text: &str) -> Piece {
        let start = self.text.len() as u32;
        self.text.push_str(text);
        Piece { start, end: self.text.len() as u32 }
    }

    /// Drops the text of values that were replaced.
    fn compact(&mut self) {
        let old = std::mem::take(self);
        for entry in &old.entries {
            let value = self.adopt(&old, entry.value, usize::MAX);
            self.entries.push(Entry { name: entry.name, value });
        }
    }

    /// Formats foreign code within `max` bytes. A formatter that goes on after that is refused, one that panics is noted.
    #[inline(always)]
    fn format(&mut self, max: usize, args: fmt::Arguments<'_>) -> Piece {
        let start = self.text.len();
        let room = max.min(MAX_TEXT_BYTES.saturating_sub(start));
        let mut text = Bounded { text: &mut self.text, room, is_cut: false };
        let outcome = catch_unwind(AssertUnwindSafe(|| text.write_fmt(args)));
        let is_cut = text.is_cut;
        if outcome.is_err() {
            self.text.push_str("<its formatting panicked>");
        } else if is_cut {
            self.text.push('…');
        }
        Piece { start: start as u32, end: self.text.len() as u32 }
    }
}

#[inline]
fn append<T: Copy>(all: &mut Vec<T>, more: &[T]) -> Range<u32> {
    let start = all.len() as u32;
    // Most have no links.
    if !more.is_empty() {
        all.extend_from_slice(more);
    }
    start..all.len() as u32
}

impl<'a> View<'a> {
    /// The first ones.
    pub(crate) fn first(self, entries: usize) -> Self {
        Self { entries: self.entries.get(..entries).unwrap_or(self.entries), ..self }
    }

    /// The entry at `index`, in the order of recording.
    #[inline]
    pub(crate) fn at(self, index: usize) -> Option<(&'static str, Value<'a>)> {
        self.entries.get(index).map(|entry| (entry.name(), self.value(entry.value)))
    }

    /// The place and name of each entry, and whether it is an error with its chain.
    #[inline]
    pub(crate) fn names(self) -> impl Iterator<Item = (usize, &'static str, bool)> {
        let is_chain = |entry: &Entry| matches!(entry.value, Stored::Error { .. });
        self.entries.iter().enumerate().map(move |(index, entry)| (index, entry.name(), is_chain(entry)))
    }

    /// Every entry, in the order of recording.
    pub(crate) fn iter(self) -> impl DoubleEndedIterator<Item = (&'static str, Value<'a>)> {
        self.entries.iter().map(move |entry| (entry.name(), self.value(entry.value)))
    }

    #[inline]
    fn value(self, stored: Stored) -> Value<'a> {
        match stored {
            Stored::Text(piece) => Value::Text(piece.of(self.text)),
            Stored::Formatted(piece) => Value::Formatted(piece.of(self.text)),
            Stored::I64(number) => Value::I64(number),
            Stored::U64(number) => Value::U64(number),
            Stored::F64(number) => Value::F64(number),
            Stored::Bool(is) => Value::Bool(is),
            Stored::Error { first, count } => {
                let links = self.links.get(first as usize..(first + count) as usize).unwrap_or_default();
                Value::Error(Chain { text: self.text, links })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(max: usize, args: fmt::Arguments<'_>) -> String {
        let mut fields = Fields::default();
        let piece = fields.format(max, args);
        piece.of(&fields.text).to_owned()
    }

    /// A `Debug` without an end, as a cyclic structure would print it.
    struct Endless;
    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("€€€")?;
            }
        }
    }

    #[test]
    fn a_value_without_end_is_cut_at_a_character() {
        assert_eq!(formatted(100, format_args!("{Endless}")), format!("{}…", "€".repeat(33)));
    }

    /// One that does not even look at what the writer answers.
    struct Deaf;
    impl fmt::Display for Deaf {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            for _ in 0..1_000 {
                let _ = f.write_str("abc");
            }
            Ok(())
        }
    }

    #[test]
    fn a_formatter_that_ignores_the_refusal_writes_no_more() {
        assert_eq!(formatted(7, format_args!("{Deaf}")), "abcabca…");
    }

    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("half")?;
            panic!("in Display")
        }
    }

    #[test]
    fn a_panic_while_formatting_stays_inside() {
        assert_eq!(formatted(100, format_args!("{Panics}")), "half<its formatting panicked>");
    }

    fn texts(fields: View<'_>) -> Vec<(&str, String)> {
        fields.iter().map(|(name, value)| (name, value.to_string())).collect()
    }

    #[test]
    fn what_is_recorded_later_replaces_and_never_grows_without_bound() {
        let mut fields = Fields::default();
        fields.record_text("a", format_args!("first"));
        fields.record_number("n", 1);
        for round in 0..10_000 {
            let mut later = Fields::default();
            later.record_text("a", format_args!("{round:0>100}"));
            fields.merge(&later);
        }
        assert_eq!(texts(fields.view()), [("a", format!("{:0>100}", 9_999)), ("n", "1".to_owned())]);
        assert!(fields.weight() <= 2 * MAX_TEXT_BYTES);
    }

    #[test]
    fn appended_fields_keep_their_own_names() {
        let (mut event, mut span) = (Fields::default(), Fields::default());
        event.record_text("a", format_args!("event"));
        span.record_text("a", format_args!("span"));
        let part = event.append(&span);
        assert_eq!(texts(event.view().first(1)), [("a", "event".to_owned())]);
        assert_eq!(texts(event.part(&part)), [("a", "span".to_owned())]);
    }

    #[test]
    fn what_is_full_takes_only_what_fits() {
        let (mut event, mut span) = (Fields::default(), Fields::default());
        event.text = "x".repeat(MAX_TEXT_BYTES - 10);
        span.record_text("long", format_args!("{}", "y".repeat(20)));
        span.record_text("short", format_args!("zzz"));
        span.record_number("n", 7);
        let part = event.append(&span);
        assert_eq!(texts(event.part(&part)), [("short", "zzz".to_owned()), ("n", "7".to_owned())]);
        event.text.push_str(&"x".repeat(20));
        let part = event.append(&span);
        assert_eq!(texts(event.part(&part)), []);
    }

    #[test]
    fn large_buffers_are_not_kept() {
        let mut fields = Fields::default();
        fields.record_text("a", format_args!("{}", "x".repeat(8_000)));
        fields.clear();
        assert!(fields.weight() <= KEPT_BYTES);
        assert_eq!(fields.len(), 0);
    }
}
