//! What redaction asks of a text's bytes: classes of characters, and how quotes are written. Knows nothing of secrets.

pub(super) use crate::bytes::Bytes;

impl<'a> Bytes<'a> {
    pub(super) fn str(self, start: usize, end: usize) -> &'a str {
        std::str::from_utf8(self.slice(start, end)).unwrap_or_default()
    }

    /// Whether this ASCII text stands here, in either case.
    pub(super) fn has(self, at: usize, text: &str) -> bool {
        self.slice(at, at + text.len()).eq_ignore_ascii_case(text.as_bytes())
    }

    /// The start of the first `wanted` from here on.
    pub(super) fn find(self, at: usize, wanted: &str) -> Option<usize> {
        let rest = self.slice(at, self.len());
        rest.windows(wanted.len()).position(|window| window == wanted.as_bytes()).map(|offset| at + offset)
    }

    /// The quote that stands here, in any of the ways in which quotes survive being escaped or encoded.
    pub(super) fn quote(self, at: usize) -> Option<Quote> {
        let backslashes = self.skip_most(at, MAX_BACKSLASHES, |byte| byte == b'\\') - at;
        let mark = self.at(at + backslashes);
        if matches!(mark, b'"' | b'\'' | b'`') {
            return Some(Quote { len: backslashes + 1, close: Close::Mark { mark, backslashes } });
        }
        // Nothing else starts with one of these.
        if !matches!(self.at(at), b'%' | b'&' | b'\\' | 0xc2 | 0xe2) {
            return None;
        }
        let (open, close) = SPELLED.iter().find(|(open, _)| self.has(at, open))?;
        Some(Quote { len: open.len(), close: Close::Text(close) })
    }

    /// Where the quote closes that was opened before `start`; the end of the text if it was cut.
    pub(super) fn closing(self, start: usize, quote: Quote) -> usize {
        match quote.close {
            Close::Text(close) => self.find(start, close).unwrap_or(self.len()),
            Close::Mark { mark, backslashes } => self.closing_mark(start, mark, backslashes),
        }
    }

    /// Whether a value goes on here, whatever was before.
    fn continues(self, at: usize) -> bool {
        match self.at(at) {
            b'/' => self.at(at + 1) != b'>',
            byte => is_alnum(byte) || matches!(byte, b'_' | b'+' | b'-'),
        }
    }

    /// A text that was escaped n times has a unit of 2^n - 1 backslashes before its own quotes, and twice one more for
    /// each backslash of its content.
    fn closing_mark(self, start: usize, mark: u8, backslashes: usize) -> usize {
        let mut before = 0;
        for (offset, byte) in self.slice(start, self.len()).iter().enumerate() {
            if *byte == b'\\' {
                before += 1;
                continue;
            }
            let at = start + offset;
            // A quote that SQL doubles. Other quotes in front of a letter are apostrophes, or open another text.
            let is_doubled = mark == b'\'' && at > start && self.at(at + 1) == mark && is_alnum(self.at(at + 2));
            let is_inner = is_doubled || self.continues(at + 1);
            let is_outer = before <= backslashes || (before - backslashes).is_multiple_of(2 * (backslashes + 1));
            if *byte == mark && is_outer && !is_inner {
                return at - before.min(backslashes);
            }
            before = 0;
        }
        self.len()
    }
}

/// An opening quote.
#[derive(Clone, Copy)]
pub(super) struct Quote {
    pub(super) len: usize,
    close: Close,
}

#[derive(Clone, Copy)]
enum Close {
    Mark { mark: u8, backslashes: usize },
    Text(&'static str),
}

/// A quote that was escaped four times.
const MAX_BACKSLASHES: usize = 15;

/// Quotes that are no single ASCII character, and what closes them.
const SPELLED: &[(&str, &str)] = &[
    ("%22", "%22"),
    ("%27", "%27"),
    ("&quot;", "&quot;"),
    ("&#34;", "&#34;"),
    ("&#39;", "&#39;"),
    ("\\u0022", "\\u0022"),
    ("“", "”"),
    ("”", "”"),
    ("„", "“"),
    ("‘", "’"),
    ("’", "’"),
    ("«", "»"),
    ("»", "»"),
];

pub(super) fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(super) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Space and line ends, and the end of the text.
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0)
}

/// What names and most tokens are made of.
pub(super) fn is_name(byte: u8) -> bool {
    is_alnum(byte) || matches!(byte, b'_' | b'-' | b'.')
}

/// What tells a random text from words: how often it changes between letters and digits, or gets a capital.
pub(super) fn changes(text: &[u8]) -> usize {
    let class = |byte: u8| (byte.is_ascii_digit(), byte.is_ascii_uppercase());
    text.windows(2).filter(|pair| is_alnum(pair[0]) && is_alnum(pair[1]) && class(pair[0]) != class(pair[1])).count()
}
