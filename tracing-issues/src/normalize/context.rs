//! The last words before a piece: what decides whether a number is a code and a quoted text a name.
//! Holds no opinion of its own; lists of words are in `names`.

use super::{
    names,
    text::{Text, is_in},
};

/// How many words back a rule can look.
const WORDS: usize = 4;

/// Between a naming word and what it names there is at most this much punctuation.
const GAP: usize = 5;

/// The last words, newest first.
pub(super) struct Context<'a> {
    text: Text<'a>,
    words: [(usize, usize); WORDS],
}

impl<'a> Context<'a> {
    pub(super) fn new(text: Text<'a>) -> Self {
        Self { text, words: [(0, 0); WORDS] }
    }

    pub(super) fn push(&mut self, start: usize, end: usize) {
        self.words.rotate_right(1);
        self.words[0] = (start, end);
    }

    /// The word that many words back, whatever lies between.
    pub(super) fn word(&self, back: usize) -> &'a [u8] {
        self.words.get(back).map_or(b"", |(start, end)| self.text.slice(*start, *end))
    }

    /// Where the last word ends.
    pub(super) fn end(&self) -> usize {
        self.words[0].1
    }

    /// The word that names what starts at `at`: only punctuation and words that say nothing lie between.
    pub(super) fn naming(&self, mut at: usize) -> &'a [u8] {
        for (start, end) in self.words {
            if end == 0 || at < end || at - end > GAP || !self.text.slice(end, at).iter().all(|byte| is_gap(*byte)) {
                return b"";
            }
            let word = self.text.slice(start, end);
            if !is_in(word, names::FILLERS) {
                return word;
            }
            at = start;
        }
        b""
    }

    /// Whether the last word ends the name of an error's code or status: alone, or as in `error_code`.
    pub(super) fn is_of_error(&self) -> bool {
        let start = self.words[0].0;
        !matches!(self.text.before(start), b'_' | b'-') || is_in(self.word(1), names::ERROR_PREFIXES)
    }

    /// Whether the last words are these, oldest first.
    pub(super) fn ends_with(&self, words: &[&str]) -> bool {
        words.iter().rev().enumerate().all(|(back, word)| self.word(back).eq_ignore_ascii_case(word.as_bytes()))
    }
}

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b':' | b'=' | b'(' | b'[' | b'"' | b'\'' | b'`' | b'#' | b'\\' | b'{' | b'<')
}
