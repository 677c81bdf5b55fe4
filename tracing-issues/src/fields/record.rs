//! Recording: the visitor that `tracing` shows its values to. Foreign code formats here, within bounds.

use std::{
    error::Error,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
};

use tracing::field::{Field, Visit};

use super::{
    Entry, Fields, Link, MAX_CHAIN, MAX_ERROR_TEXT_BYTES, MAX_FIELDS, MAX_TEXT_BYTES, MAX_VALUE_BYTES, Piece, Stored,
    StoredKind,
};
use crate::{
    error_text::{TypeName, type_name_of},
    error_types::ErrorTypes,
};

/// Writes as long as there is room, and refuses what comes then.
pub(super) struct Bounded<'a> {
    pub(super) text: &'a mut String,
    /// In bytes.
    pub(super) room: usize,
    pub(super) is_cut: bool,
}

impl Bounded<'_> {
    #[cold]
    fn cut(&mut self, piece: &str) -> fmt::Result {
        self.text.push_str(&piece[..piece.floor_char_boundary(self.room)]);
        (self.room, self.is_cut) = (0, true);
        Err(fmt::Error)
    }
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if piece.len() > self.room {
            return self.cut(piece);
        }
        self.room -= piece.len();
        self.text.push_str(piece);
        Ok(())
    }
}

/// Fields that are taken as the error when they come as text; as `&dyn Error`, a field of any name is.
#[inline]
pub(crate) fn names_an_error(name: &str) -> bool {
    matches!(name, "error" | "err" | "e")
}

#[inline]
fn max_bytes_of(name: &str) -> usize {
    if names_an_error(name) { MAX_ERROR_TEXT_BYTES } else { MAX_VALUE_BYTES }
}

pub(super) struct Recorder<'a> {
    pub(super) fields: &'a mut Fields,
    pub(super) error_types: &'a ErrorTypes,
}

impl Recorder<'_> {
    #[cold]
    fn record_long_str(&mut self, field: &Field, value: &str) {
        let piece = self.fields.format(max_bytes_of(field.name()), format_args!("{value}"));
        self.set(field, Stored::Text(piece));
    }

    /// Two fields of one name are both kept here: whoever reads them takes the last one.
    #[inline]
    fn set(&mut self, field: &Field, value: Stored) {
        if self.fields.entries.len() < MAX_FIELDS {
            self.fields.entries.push(Entry { name: field.name(), value });
        }
    }

    fn link(&mut self, error: &(dyn Error + 'static)) -> Link {
        let class = self.error_types.of(error);
        let kind = match (class, error.downcast_ref::<io::Error>()) {
            (Some(class), _) => StoredKind::Known(class.name()),
            (None, Some(error)) => StoredKind::Io(error.kind()),
            (None, None) => StoredKind::Name(self.type_name(error)),
        };
        let message = self.fields.format(MAX_VALUE_BYTES, format_args!("{error}"));
        Link { kind, message, severity: class.and_then(|class| class.severity) }
    }

    /// The type of an error behind `dyn Error` is the first word of its `Debug`.
    fn type_name(&mut self, error: &(dyn Error + 'static)) -> Piece {
        let mut name = TypeName::default();
        let outcome = catch_unwind(AssertUnwindSafe(|| type_name_of(error, &mut name)));
        if outcome.is_ok() { self.fields.push(name.as_str()) } else { Piece::default() }
    }
}

impl Visit for Recorder<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let piece = self.fields.format(max_bytes_of(field.name()), format_args!("{value:?}"));
        self.set(field, Stored::Formatted(piece));
    }

    #[inline]
    fn record_str(&mut self, field: &Field, value: &str) {
        if value.len() <= MAX_VALUE_BYTES && self.fields.text.len() + value.len() <= MAX_TEXT_BYTES {
            let piece = self.fields.push(value);
            self.set(field, Stored::Text(piece));
        } else {
            self.record_long_str(field, value);
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let first = self.fields.links.len() as u32;
        let mut next = Some(value);
        let mut count = 0;
        while let Some(error) = next.filter(|_| count < MAX_CHAIN as u32) {
            let link = self.link(error);
            self.fields.links.push(link);
            count += 1;
            // Foreign code as well.
            next = catch_unwind(AssertUnwindSafe(|| error.source())).unwrap_or_default();
        }
        self.set(field, Stored::Error { first, count });
    }

    #[inline]
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Stored::I64(value));
    }

    #[inline]
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Stored::U64(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Stored::F64(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Stored::Bool(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        let piece = self.fields.format(MAX_VALUE_BYTES, format_args!("{value}"));
        self.set(field, Stored::Formatted(piece));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        let piece = self.fields.format(MAX_VALUE_BYTES, format_args!("{value}"));
        self.set(field, Stored::Formatted(piece));
    }
}
