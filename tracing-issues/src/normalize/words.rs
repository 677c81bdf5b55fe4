//! A set of words that is found in a few steps, whatever its size. Holds no words: those are in `names`.

/// More slots than any list has words twice over, so that a search ends after one or two.
const SLOTS: usize = 512;

/// A set of lower-case words, laid out when the crate is compiled.
pub(super) struct Words {
    words: &'static [&'static str],
    /// The lengths and the first letters that there are, one bit each: most other words are told by them.
    lengths: u32,
    initials: u32,
    /// For each hash the index of a word plus one, or 0; words with the same hash are in the slots behind it.
    slots: [u8; SLOTS],
}

impl Words {
    pub(super) const fn new(words: &'static [&'static str]) -> Self {
        let (mut lengths, mut initials, mut slots) = (0, 0, [0; SLOTS]);
        let mut index = 0;
        while index < words.len() {
            let word = words[index].as_bytes();
            assert!(word.len() < 32, "a length is one bit of 32");
            lengths |= 1 << word.len();
            initials |= initial(word[0]);
            let mut slot = hash(word);
            while slots[slot] != 0 {
                slot = (slot + 1) % SLOTS;
            }
            index += 1;
            assert!(index < u8::MAX as usize, "a slot is one byte");
            slots[slot] = index as u8;
        }
        Self { words, lengths, initials, slots }
    }

    /// Whether the set has this word, in any case.
    pub(super) fn has(&self, word: &[u8]) -> bool {
        self.find(word).is_some()
    }

    /// Which of the words this is, in any case.
    #[inline]
    pub(super) fn find(&self, word: &[u8]) -> Option<usize> {
        let first = *word.first()?;
        let is_possible = word.len() < 32 && self.lengths >> word.len() & 1 == 1 && self.initials & initial(first) != 0;
        if is_possible { self.look_up(word) } else { None }
    }

    fn look_up(&self, word: &[u8]) -> Option<usize> {
        let mut slot = hash(word);
        loop {
            let index = usize::from(self.slots[slot]).checked_sub(1)?;
            if word.eq_ignore_ascii_case(self.words.get(index)?.as_bytes()) {
                return Some(index);
            }
            slot = (slot + 1) % SLOTS;
        }
    }
}

/// The bit of a first letter, the same for both cases.
const fn initial(letter: u8) -> u32 {
    1 << (letter % 32)
}

/// Of the length and three letters, which tell nearly all words of a list apart; blind for case.
const fn hash(word: &[u8]) -> usize {
    const CASE: u8 = 0x20;
    let (first, middle, last) = (word[0] | CASE, word[word.len() / 2] | CASE, word[word.len() - 1] | CASE);
    (first as usize * 31 + middle as usize * 87 + last as usize * 59 + word.len() * 7) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case_and_others_are_not() {
        static WORDS: Words = Words::new(&["code", "node", "µs", "x", "exit"]);
        for word in ["code", "Code", "NODE", "µs", "x", "X", "exit"] {
            assert!(WORDS.has(word.as_bytes()), "{word}");
        }
        for word in ["", "cod", "codes", "cade", "y", "exi", "ecit"] {
            assert!(!WORDS.has(word.as_bytes()), "{word}");
        }
    }
}
