//! What rules of normalisation ask of a message's bytes: runs of letters and digits, and classes of characters.
//! Knows nothing of their meaning. No message contains a 0, which is what lies outside of it.

pub(super) use crate::bytes::Bytes as Text;

impl<'a> Text<'a> {
    pub(super) fn starts_with(self, at: usize, prefix: &str) -> bool {
        self.slice(at, at + prefix.len()) == prefix.as_bytes()
    }

    /// The letters and digits that start here.
    pub(super) fn segment(self, start: usize) -> Segment<'a> {
        let (mut any, mut all) = (0, !0);
        let end = self.skip(start, |byte| {
            let class = CLASSES[usize::from(byte)];
            let is_inside = class & (DIGIT | LETTER) != 0;
            if is_inside {
                any |= class;
                all &= class;
            }
            is_inside
        });
        Segment { start, end, bytes: self.slice(start, end), any, all }
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

/// A run of letters and digits, which nothing of the kind precedes or follows.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) bytes: &'a [u8],
    /// The classes of at least one of its bytes.
    any: u8,
    /// The classes of each of its bytes.
    all: u8,
}

impl Segment<'_> {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn has_digit(&self) -> bool {
        self.any & DIGIT != 0
    }

    pub(super) fn is_digits(&self) -> bool {
        self.all & DIGIT != 0
    }

    pub(super) fn is_hex(&self) -> bool {
        self.all & HEX != 0
    }
}

/// Digits.
pub(super) const DIGIT: u8 = 1;
/// Letters of ASCII.
pub(super) const LETTER: u8 = 2;
/// Hexadecimal digits.
pub(super) const HEX: u8 = 4;
/// The space.
pub(super) const SPACE: u8 = 8;
/// What cleaning looks at: control characters, the backslash of a printed one, and all above ASCII.
pub(super) const UNCLEAN: u8 = SPACE << 1;
/// What a rule may start at or need; in a message without it only words of some length can be replaced.
pub(super) const ACTIVE: u8 = 32;

/// The `@` of an e-mail address.
pub(super) const AT: u8 = 64;

/// The classes of each byte.
pub(super) static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut index = 0;
    while index < 256 {
        let byte = index as u8;
        classes[index] = match byte {
            b'0'..=b'9' => DIGIT | HEX | ACTIVE,
            b'a'..=b'f' | b'A'..=b'F' => LETTER | HEX,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b' ' => SPACE,
            b'@' => ACTIVE | AT,
            b',' | b';' | b'!' | b'_' | b')' | b']' | b'{' | b'}' | b'<' | b'>' | b'#' | b'%' | b'*' | b'|' => 0,
            0..b' ' | b'\\' | 0x7f.. => UNCLEAN,
            _ => ACTIVE,
        };
        index += 1;
    }
    classes
};

/// Whether a byte is of one of these classes.
fn is(byte: u8, classes: u8) -> bool {
    CLASSES[usize::from(byte)] & classes != 0
}

pub(super) fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

pub(super) fn is_hex(byte: u8) -> bool {
    is(byte, HEX)
}

pub(super) fn is_alpha(byte: u8) -> bool {
    is(byte, LETTER)
}

pub(super) fn is_alnum(byte: u8) -> bool {
    is(byte, LETTER | DIGIT)
}

/// Whether a list of lower-case words has this one, in any case.
pub(super) fn is_in(word: &[u8], list: &[&str]) -> bool {
    list.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}
