//! What of an error message tells errors apart: removes from it what varies between two occurrences of one error.
//! Not redaction (that came before) and not the fingerprint, which hashes what is left here.
//!
//! ```text
//! message -> clean (colours, control characters, white space) -> scanner -> replaced ranges -> text, or an explanation
//! ```
//!
//! One scan from left to right finds the ranges; each step looks a bounded way around itself or consumes what it read,
//! so the work is linear in the length of the message whatever it says. A bare integer counts as varying, unless the
//! words around it say that it is a code.
//!
//! A change of a rule regroups issues in every store: it needs a new fingerprint version.

mod clean;
mod context;
mod explain;
mod ids;
// One word a line is unreadable.
#[rustfmt::skip]
mod names;
mod net;
mod numbers;
mod paths;
mod quotes;
mod scanner;
mod secrets;
mod text;
mod time;
mod words;

#[cfg(test)]
mod tests;

pub use self::explain::{Explanation, Piece, explain};

use self::clean::{Clean, Look};

/// What stands for a replaced piece: one control character, whatever the kind, since the same slot of a message holds
/// `12345678` once and `1234567f` the next time. Messages cannot bring it: their control characters are removed.
pub const PLACEHOLDER: char = '\u{1a}';

/// What a replaced piece of a message was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A UUID, in any of its spellings.
    Uuid,
    /// Hexadecimal digits: object ids, pointers, span ids.
    Hex,
    /// A digest or a commit, by its length.
    Hash,
    /// A ULID.
    Ulid,
    /// Letters and digits in an order that no word has.
    Id,
    /// A JSON web token.
    Token,
    /// A W3C `traceparent`.
    Trace,
    /// A run of Base64.
    Blob,
    /// An IPv4 or IPv6 address.
    Ip,
    /// A hardware address.
    Mac,
    /// A port that the system handed out; ports of services stay.
    Port,
    /// An e-mail address.
    Email,
    /// User and password in a URL.
    Credentials,
    /// A value in the query of a URL.
    Query,
    /// A date, a time of day, or both.
    Time,
    /// An amount of time with its unit.
    Duration,
    /// An amount of data with its unit.
    Size,
    /// A number of any notation.
    Number,
    /// The plural of the word after a number: `1 row` and `2 rows` are one text.
    Plural,
    /// Line and column after a file.
    Position,
    /// A home directory, a registry prefix, or a temporary part of a path.
    Path,
    /// The random end of a Kubernetes pod's name.
    Pod,
    /// A secret, or the mark that redaction left in its place.
    Secret,
    /// Quoted data, the value of an assertion, or of a key that varies.
    Value,
    /// A terminal escape sequence.
    Colour,
}

impl Kind {
    /// The name shown to people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Hex => "hex",
            Self::Hash => "hash",
            Self::Ulid => "ulid",
            Self::Id => "id",
            Self::Token => "token",
            Self::Trace => "trace",
            Self::Blob => "base64",
            Self::Ip => "ip",
            Self::Mac => "mac",
            Self::Port => "port",
            Self::Email => "email",
            Self::Credentials => "credentials",
            Self::Query => "query",
            Self::Time => "time",
            Self::Duration => "duration",
            Self::Size => "size",
            Self::Number => "number",
            Self::Plural => "plural",
            Self::Position => "position",
            Self::Path => "path",
            Self::Pod => "pod",
            Self::Secret => "secret",
            Self::Value => "value",
            Self::Colour => "colour",
        }
    }

    /// Whether nothing stands in its place.
    fn is_dropped(self) -> bool {
        matches!(self, Self::Plural | Self::Colour)
    }
}

/// One replacement: a range of bytes in the message, on boundaries of characters, and what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replacement {
    /// The first byte.
    pub start: usize,
    /// The byte after the last one.
    pub end: usize,
    /// What it was.
    pub kind: Kind,
}

/// Normalises messages, and keeps its buffers between them: once they have grown, nothing is allocated.
#[derive(Debug)]
pub struct Normalizer {
    clean: Clean,
    found: Vec<Replacement>,
    text: String,
}

impl Normalizer {
    /// An empty one, which allocates nothing.
    pub const fn new() -> Self {
        Self { clean: Clean::new(), found: Vec::new(), text: String::new() }
    }

    /// Returns the message with a [`PLACEHOLDER`] for each piece that varies, and white space folded to single spaces:
    /// the message itself, if nothing in it varies.
    ///
    /// Neighbouring placeholders fold into one, so that a list of five ids and a list of two are one text. The result
    /// is never longer than the message. Not idempotent: placeholders in a message are removed, or they could be forged.
    pub fn normalize<'a>(&'a mut self, message: &'a str) -> &'a str {
        let Self { clean, found, text } = self;
        let look = Look::at(message);
        if look.is_plain() {
            return message;
        }
        let (cleaned, line_ends) = if look.is_clean() {
            (message, &[][..])
        } else {
            clean.read(message);
            (clean.text(), clean.line_ends())
        };
        scanner::scan(cleaned, line_ends, look.has_at(), found);
        if found.is_empty() {
            return cleaned;
        }
        render(cleaned, found, text, |_| ());
        text
    }
}

impl Default for Normalizer {
    fn default() -> Self {
        Self::new()
    }
}

/// Normalises one message; see [`Normalizer::normalize`].
///
/// # Examples
///
/// ```
/// use tracing_issues::normalize::normalize;
///
/// assert_eq!(normalize("order 17 refused after 30.2s"), normalize("order 4711 refused after 950ms"));
/// assert_ne!(normalize("upstream answered HTTP 502"), normalize("upstream answered HTTP 504"));
/// ```
pub fn normalize(message: &str) -> String {
    Normalizer::new().normalize(message).to_owned()
}

/// Tells what [`normalize`] replaces in a message and why, in the order of the message; ranges do not overlap.
pub fn replacements(message: &str) -> Vec<Replacement> {
    let (mut clean, mut found) = (Clean::new(), Vec::new());
    clean.read(message);
    scanner::scan(clean.text(), clean.line_ends(), Look::at(message).has_at(), &mut found);
    for piece in &mut found {
        (piece.start, piece.end) = clean.range_in_message(piece.start, piece.end);
    }
    if clean.colours().is_empty() {
        return found;
    }
    // A colour can lie inside of another piece, which then tells the whole range already.
    let inside = |colour: &Replacement| {
        let next = found.partition_point(|piece| piece.start <= colour.start);
        next.checked_sub(1).and_then(|at| found.get(at)).is_some_and(|piece| colour.start < piece.end)
    };
    let colours: Vec<_> = clean.colours().iter().copied().filter(|colour| !inside(colour)).collect();
    found.extend(colours);
    found.sort_by_key(|piece| piece.start);
    found
}

/// Writes the text with placeholders; tells each that is written.
fn render(clean: &str, found: &[Replacement], text: &mut String, mut written: impl FnMut(Kind)) {
    text.clear();
    text.reserve(clean.len());
    let mut kept_to = 0;
    for piece in found {
        text.push_str(clean.get(kept_to..piece.start).unwrap_or_default());
        if !piece.kind.is_dropped() && push_placeholder(text) {
            written(piece.kind);
        }
        kept_to = piece.end;
    }
    text.push_str(clean.get(kept_to..).unwrap_or_default());
}

/// Appends a placeholder, unless only a separator lies between it and the one before: lists have any length. Tells
/// whether it did.
fn push_placeholder(text: &mut String) -> bool {
    const BEFORE: u8 = PLACEHOLDER as u8;
    let is_separator = |byte: u8| matches!(byte, b' ' | b',' | b';' | b'-' | b'_' | b':' | b'.');
    let separators = match text.as_bytes() {
        [.., BEFORE] => 0,
        [.., BEFORE, one] if is_separator(*one) => 1,
        [.., BEFORE, one, other] if is_separator(*one) && is_separator(*other) => 2,
        _ => {
            text.push(PLACEHOLDER);
            return true;
        }
    };
    text.truncate(text.len() - separators);
    false
}
