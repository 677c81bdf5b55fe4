//! The last words before a piece: what decides whether a number is a code and a quoted text a name.
//! Holds no opinion of its own; lists of words are in `names`.

use super::{names, text::Text};

/// How many words back a rule can look.
const WORDS: usize = 4;

/// Between a naming word and what it names there is at most this much punctuation.
const GAP: usize = 5;

/// The last words.
pub(super) struct Context<'a> {
    text: Text<'a>,
    /// A ring, so that keeping a word moves nothing.
    words: [(usize, usize); WORDS],
    kept: usize,
}

impl<'a> Context<'a> {
    pub(super) fn new(text: Text<'a>) -> Self {
        Self { text, words: [(0, 0); WORDS], kept: 0 }
    }

    pub(super) fn push(&mut self, start: usize, end: usize) {
        self.kept += 1;
        self.words[self.kept % WORDS] = (start, end);
    }

    /// The word that many words back, whatever lies between.
    pub(super) fn word(&self, back: usize) -> &'a [u8] {
        let (start, end) = self.range(back);
        self.text.slice(start, end)
    }

    /// Where the last word ends.
    pub(super) fn end(&self) -> usize {
        self.range(0).1
    }

    /// Where the word that many words back is, if it is kept.
    fn range(&self, back: usize) -> (usize, usize) {
        if back < WORDS { self.words[self.kept.wrapping_sub(back) % WORDS] } else { (0, 0) }
    }

    /// The word that names what starts at `at`: only punctuation and words that say nothing lie between.
    pub(super) fn naming(&self, mut at: usize) -> &'a [u8] {
        for (start, end) in (0..WORDS).map(|back| self.range(back)) {
            if end == 0 || at < end || at - end > GAP || !self.text.slice(end, at).iter().all(|byte| is_gap(*byte)) {
                return b"";
            }
            let word = self.text.slice(start, end);
            if !names::FILLERS.has(word) {
                return word;
            }
            at = start;
        }
        b""
    }

    /// Whether the last word ends the name of an error's code or status: alone, or as in `error_code`.
    pub(super) fn is_of_error(&self) -> bool {
        let start = self.range(0).0;
        !matches!(self.text.before(start), b'_' | b'-') || names::ERROR_PREFIXES.has(self.word(1))
    }

    /// Whether the last words are these, oldest first.
    pub(super) fn ends_with(&self, words: &[&str]) -> bool {
        words.iter().rev().enumerate().all(|(back, word)| self.word(back).eq_ignore_ascii_case(word.as_bytes()))
    }
}

fn is_gap(byte: u8) -> bool {
    matches!(byte, b' ' | b':' | b'=' | b'(' | b'[' | b'"' | b'\'' | b'`' | b'#' | b'\\' | b'{' | b'<')
}
