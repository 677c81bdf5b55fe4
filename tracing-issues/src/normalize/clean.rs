//! The first step: removes what is not text at all (terminal colours, control characters) and folds white space.
//! Remembers where, so that ranges can be told in the original message. Judges no words.

use super::{
    Kind, Replacement,
    ids::{SHORTEST_ID_OF_LETTERS, SHORTEST_TOKEN},
    text::{ACTIVE, AT, CLASSES, SPACE, UNCLEAN, is_alnum, is_hex},
};

const ESCAPE: char = '\u{1b}';

/// How the escape character looks when somebody printed it with `Debug`, or escaped it.
const PRINTED_ESCAPES: [&str; 5] = ["\\u{1b}", "\\x1b", "\\x1B", "\\u001b", "\\033"];

/// What one look at each byte of a message tells, so that most messages cost no more than this.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The classes of its bytes.
    classes: u8,
    has_long_word: bool,
}

impl Look {
    pub(super) fn at(message: &str) -> Self {
        let (mut classes, mut before) = (0, SPACE);
        for byte in message.as_bytes() {
            let class = CLASSES[usize::from(*byte)];
            // The second of two spaces is unclean.
            classes |= class | ((class & before & SPACE) << 1);
            before = class;
        }
        if before & SPACE != 0 && !message.is_empty() {
            classes |= UNCLEAN;
        }
        // `expected a digit but got x`
        if matches!(message.as_bytes(), [.., b' ', _]) {
            classes |= ACTIVE;
        }
        Self { classes, has_long_word: classes & ACTIVE == 0 && has_long_word(message.as_bytes()) }
    }

    /// Whether there are words only: no rule can find anything.
    pub(super) fn is_plain(self) -> bool {
        self.classes & (UNCLEAN | ACTIVE) == 0 && !self.has_long_word
    }

    pub(super) fn has_at(self) -> bool {
        self.classes & AT != 0
    }

    pub(super) fn is_clean(self) -> bool {
        self.classes & UNCLEAN == 0
    }
}

/// Whether there are letters in a row that could be an id: enough of hexadecimal ones, or many of any kind.
fn has_long_word(message: &[u8]) -> bool {
    has_run(message, SHORTEST_ID_OF_LETTERS, is_hex) || has_run(message, SHORTEST_TOKEN, is_alnum)
}

/// Whether there are so many bytes of a class in a row. Such a row covers one of the places that are looked at, and reaches
/// half its length to one side of it at least.
#[inline]
fn has_run(message: &[u8], length: usize, is_inside: impl Fn(u8) -> bool) -> bool {
    let is_at = |at: usize| message.get(at).is_some_and(|byte| is_inside(*byte));
    let may_be = |at: &usize| is_at(*at) && (is_at(at - length / 2) || is_at(at + length / 2));
    (length - 1..message.len()).step_by(length).filter(may_be).any(|at| {
        let (before, behind) = message.split_at(at);
        let before = before.iter().rev().take(length).take_while(|byte| is_inside(**byte)).count();
        let behind = behind.iter().take(length).take_while(|byte| is_inside(**byte)).count();
        before + behind >= length
    })
}

/// A message without control characters, and with single spaces only. Reused, it allocates for longer messages only.
#[derive(Debug)]
pub(super) struct Clean {
    text: String,
    /// The spaces of `text` that were line ends: an assertion's value ends there, but what wrapped where is no identity.
    line_ends: Vec<usize>,
    /// The colours, in the message.
    colours: Vec<Replacement>,
    /// From this byte of `text` on, the message is this many bytes ahead.
    ahead: Vec<(usize, usize)>,
}

impl Clean {
    pub(super) const fn new() -> Self {
        Self { text: String::new(), line_ends: Vec::new(), colours: Vec::new(), ahead: Vec::new() }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn line_ends(&self) -> &[usize] {
        &self.line_ends
    }

    pub(super) fn colours(&self) -> &[Replacement] {
        &self.colours
    }

    /// Cleans a message.
    pub(super) fn read(&mut self, message: &str) {
        self.text.clear();
        self.line_ends.clear();
        self.colours.clear();
        self.ahead.clear();
        let (mut is_space, mut is_line_end) = (false, false);
        let mut at = 0;
        while let Some(rest) = message.get(at..).filter(|rest| !rest.is_empty()) {
            let plain = rest.bytes().position(|byte| CLASSES[usize::from(byte)] & (UNCLEAN | SPACE) != 0);
            let plain = plain.unwrap_or(rest.len());
            if plain > 0 {
                self.space(is_space, is_line_end);
                (is_space, is_line_end) = (false, false);
                self.keep(rest.get(..plain).unwrap_or_default(), at);
                at += plain;
            } else if let Some(length) = escape(rest) {
                self.colours.push(Replacement { start: at, end: at + length, kind: Kind::Colour });
                at += length;
            } else if let Some(c) = rest.chars().next() {
                let length = c.len_utf8();
                if c.is_whitespace() {
                    is_space = true;
                    is_line_end |= c == '\n';
                } else if !c.is_control() {
                    self.space(is_space, is_line_end);
                    (is_space, is_line_end) = (false, false);
                    self.keep(rest.get(..length).unwrap_or_default(), at);
                }
                at += length;
            }
        }
    }

    /// Writes the space that stands for all white space before the next text.
    fn space(&mut self, is_space: bool, is_line_end: bool) {
        if is_space && !self.text.is_empty() {
            if is_line_end {
                self.line_ends.push(self.text.len());
            }
            self.text.push(' ');
        }
    }

    /// Writes a text that is in the message at `at`.
    fn keep(&mut self, text: &str, at: usize) {
        let by = at - self.text.len();
        if self.ahead.last().map_or(0, |(_, before)| *before) != by {
            self.ahead.push((self.text.len(), by));
        }
        self.text.push_str(text);
    }

    /// Where a range of `text` lies in the message.
    pub(super) fn range_in_message(&self, start: usize, end: usize) -> (usize, usize) {
        // By its last byte, so that what was removed behind the range stays behind it.
        (self.in_message(start), self.in_message(end.saturating_sub(1)) + 1)
    }

    fn in_message(&self, at: usize) -> usize {
        let next = self.ahead.partition_point(|(from, _)| *from <= at);
        at + next.checked_sub(1).and_then(|index| self.ahead.get(index)).map_or(0, |(_, by)| *by)
    }
}

/// The length of the escape sequence at the start of the text.
fn escape(text: &str) -> Option<usize> {
    let colour_end = |text: &str, from: usize, final_bytes: std::ops::RangeInclusive<u8>| {
        let mut bytes = text.bytes().enumerate().skip(from).take(64);
        let (at, last) = bytes.find(|(_, byte)| !(0x20..=0x3f).contains(byte))?;
        final_bytes.contains(&last).then_some(at + 1)
    };
    if text.starts_with('\\') {
        let printed = PRINTED_ESCAPES.iter().find(|printed| text.starts_with(**printed))?.len();
        return if text.get(printed..)?.starts_with('[') { colour_end(text, printed + 1, b'm'..=b'm') } else { None };
    }
    if text.starts_with('\u{9b}') {
        return colour_end(text, 2, 0x40..=0x7e);
    }
    match text.strip_prefix(ESCAPE)?.bytes().next()? {
        b'[' => colour_end(text, 2, 0x40..=0x7e),
        b']' => title_end(text),
        b'(' | b')' => text.as_bytes().get(2).filter(|byte| byte.is_ascii_alphanumeric()).map(|_| 3),
        0x30..=0x7e => Some(2),
        _ => None,
    }
}

/// The end of `ESC ] .. BEL` or `ESC ] .. ESC \`. Stops at the next escape, so that no byte is searched twice.
fn title_end(text: &str) -> Option<usize> {
    let (at, last) = text.bytes().enumerate().skip(2).find(|(_, byte)| matches!(byte, 7 | 0x1b))?;
    match last {
        7 => Some(at + 1),
        _ => text.get(at..)?.starts_with("\u{1b}\\").then_some(at + 2),
    }
}
