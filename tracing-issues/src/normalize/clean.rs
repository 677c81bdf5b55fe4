//! The first step: removes what is not text at all (terminal colours, control characters) and folds white space.
//! Remembers where, so that ranges can be told in the original message. Judges no words.

use std::borrow::Cow;

use super::{Kind, Replacement};

const ESCAPE: char = '\u{1b}';

/// How the escape character looks when somebody printed it with `Debug`, or escaped it.
const PRINTED_ESCAPES: [&str; 5] = ["\\u{1b}", "\\x1b", "\\x1B", "\\u001b", "\\033"];

/// A message without control characters, and with single spaces only.
pub(super) struct Clean<'a> {
    pub(super) text: Cow<'a, str>,
    /// The spaces of `text` that were line ends: an assertion's value ends there, but what wrapped where is no identity.
    pub(super) line_ends: Vec<usize>,
    /// The colours, in the message.
    pub(super) colours: Vec<Replacement>,
    /// From this byte of `text` on, the message is this many bytes ahead.
    ahead: Vec<(usize, usize)>,
}

impl<'a> Clean<'a> {
    pub(super) fn of(message: &'a str) -> Self {
        if is_clean(message) {
            return Self {
                text: Cow::Borrowed(message),
                line_ends: Vec::new(),
                colours: Vec::new(),
                ahead: Vec::new(),
            };
        }
        let mut text = String::with_capacity(message.len());
        let (mut line_ends, mut colours, mut ahead) = (Vec::new(), Vec::new(), Vec::new());
        let (mut is_space, mut is_line_end) = (false, false);
        let mut at = 0;
        while let Some(c) = message.get(at..).and_then(|rest| rest.chars().next()) {
            let rest = message.get(at..).unwrap_or_default();
            if let Some(length) = escape(rest) {
                colours.push(Replacement { start: at, end: at + length, kind: Kind::Colour });
                at += length;
                continue;
            }
            if c.is_whitespace() {
                is_space = true;
                is_line_end |= c == '\n';
            } else if !c.is_control() {
                if is_space && !text.is_empty() {
                    if is_line_end {
                        line_ends.push(text.len());
                    }
                    text.push(' ');
                }
                (is_space, is_line_end) = (false, false);
                if ahead.last().map_or(0, |(_, by)| *by) != at - text.len() {
                    ahead.push((text.len(), at - text.len()));
                }
                text.push(c);
            }
            at += c.len_utf8();
        }
        Self { text: Cow::Owned(text), line_ends, colours, ahead }
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

/// Whether there is nothing to do, as with most messages.
fn is_clean(message: &str) -> bool {
    let mut before = b' ';
    for byte in message.bytes() {
        // Above ASCII there are spaces and control characters too.
        if !(b' '..0x7f).contains(&byte) || byte == b'\\' || (byte == b' ' && before == b' ') {
            return false;
        }
        before = byte;
    }
    before != b' ' || message.is_empty()
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
