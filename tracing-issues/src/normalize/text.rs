//! The bytes of a cleaned message, read without bounds to check: what lies outside is 0, which no message contains.
//! Knows classes of characters, and nothing of their meaning.

/// A view of a message. All that rules look for is ASCII, so its ranges end on boundaries of characters.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(&'a [u8]);

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    pub(super) fn at(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    pub(super) fn before(self, at: usize) -> u8 {
        at.checked_sub(1).map_or(0, |at| self.at(at))
    }

    pub(super) fn slice(self, start: usize, end: usize) -> &'a [u8] {
        self.0.get(start..end).unwrap_or_default()
    }

    pub(super) fn starts_with(self, at: usize, prefix: &str) -> bool {
        self.0.get(at..).is_some_and(|rest| rest.starts_with(prefix.as_bytes()))
    }

    /// The end of the run of `class` that starts here.
    pub(super) fn skip(self, at: usize, class: impl Fn(u8) -> bool) -> usize {
        let rest = self.0.get(at..).unwrap_or_default();
        at + rest.iter().position(|byte| !class(*byte)).unwrap_or(rest.len())
    }

    /// As `skip`, but looks at no more than `most` bytes.
    pub(super) fn skip_most(self, at: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
        let rest = self.slice(at, (at + most).min(self.len()));
        at + rest.iter().position(|byte| !class(*byte)).unwrap_or(rest.len())
    }

    /// The start of the run of `class` that ends here, at most `most` bytes back.
    pub(super) fn skip_back(self, at: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
        let passed = self.slice(at.saturating_sub(most), at);
        at - passed.iter().rev().position(|byte| !class(*byte)).unwrap_or(passed.len())
    }

    /// The end of exactly `count` bytes of `class`.
    pub(super) fn exactly(self, at: usize, count: usize, class: impl Fn(u8) -> bool) -> Option<usize> {
        let end = self.skip_most(at, count, class);
        (end - at == count).then_some(end)
    }

    /// The end of a run of `least..=most` digits that no further digit follows.
    pub(super) fn digits(self, at: usize, least: usize, most: usize) -> Option<usize> {
        let end = self.skip_most(at, most + 1, is_digit);
        (least..=most).contains(&(end - at)).then_some(end)
    }

    /// `end`, if no letter or digit follows there.
    pub(super) fn bounded(self, end: usize) -> Option<usize> {
        (!is_alnum(self.at(end))).then_some(end)
    }

    /// `at + 1`, if this byte is there.
    pub(super) fn byte(self, at: usize, byte: u8) -> Option<usize> {
        (self.at(at) == byte).then_some(at + 1)
    }
}

pub(super) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

pub(super) fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

pub(super) fn is_alpha(byte: u8) -> bool {
    byte.is_ascii_alphabetic()
}

pub(super) fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

/// Whether a list of lower-case words has this one, in any case.
pub(super) fn is_in(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}
