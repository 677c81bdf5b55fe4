//! What a recorded field is read as. Nothing is copied: texts are pieces of the buffer that they were recorded into.

use std::{borrow::Cow, fmt, io};

use super::{Link, StoredKind};
use crate::event::Severity;

/// The type of an error, as far as it can be known. It is written out on the worker only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum ErrorName<'a> {
    /// Its name; empty if it is not known.
    Name(&'a str),
    /// An I/O error says more by its kind.
    Io(io::ErrorKind),
}

impl<'a> ErrorName<'a> {
    pub(crate) const UNKNOWN: Self = Self::Name("");

    pub(crate) fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    pub(crate) fn to_text(self) -> Cow<'a, str> {
        match self {
            Self::Name(name) => name.into(),
            Self::Io(kind) => format!("io::Error({kind:?})").into(),
        }
    }
}

/// A recorded value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    /// A string.
    Text(&'a str),
    /// What `Debug` or `Display` wrote.
    Formatted(&'a str),
    I64(i64),
    U64(u64),
    F64(f64),
    Bool(bool),
    /// An error with its chain of sources.
    Error(Chain<'a>),
}

/// An error and its sources, outermost first; never empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chain<'a> {
    pub(super) text: &'a str,
    pub(super) links: &'a [Link],
}

/// One error of a chain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainLink<'a> {
    pub(crate) kind: ErrorName<'a>,
    /// What `Display` says.
    pub(crate) message: &'a str,
    /// What the service says about errors of this type.
    pub(crate) severity: Option<Severity>,
}

impl<'a> Chain<'a> {
    pub(crate) fn links(self) -> impl DoubleEndedIterator<Item = ChainLink<'a>> + ExactSizeIterator {
        self.links.iter().map(move |link| ChainLink {
            kind: match link.kind {
                StoredKind::Name(name) => ErrorName::Name(name.of(self.text)),
                StoredKind::Known(name) => ErrorName::Name(name),
                StoredKind::Io(kind) => ErrorName::Io(kind),
            },
            message: link.message.of(self.text),
            severity: link.severity,
        })
    }

    /// What the outermost error says.
    pub(crate) fn message(self) -> &'a str {
        self.links.first().map_or("", |link| link.message.of(self.text))
    }
}

impl<'a> Value<'a> {
    /// The text of a value that is one.
    #[inline]
    pub(crate) fn as_text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) | Self::Formatted(text) => Some(text),
            Self::Error(chain) => Some(chain.message()),
            Self::I64(_) | Self::U64(_) | Self::F64(_) | Self::Bool(_) => None,
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Formatted(text) => f.write_str(text),
            Self::I64(number) => number.fmt(f),
            Self::U64(number) => number.fmt(f),
            Self::F64(number) => number.fmt(f),
            Self::Bool(is) => is.fmt(f),
            Self::Error(chain) => f.write_str(chain.message()),
        }
    }
}
