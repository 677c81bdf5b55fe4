//! A text as bytes, read without bounds to check: what lies outside is 0. Shared by those who read messages byte by byte,
//! [`normalize`](crate::normalize) and [`redact`](crate::redact), which add what each of them looks for.

/// A view of a text. What rules look for is ASCII or a whole character, so ranges end on boundaries of characters.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    #[inline]
    pub(crate) fn len(self) -> usize {
        self.0.len()
    }

    #[inline]
    pub(crate) fn at(self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn before(self, at: usize) -> u8 {
        // At the start this is far behind the end.
        self.at(at.wrapping_sub(1))
    }

    /// The text as if it ended here.
    pub(crate) fn until(self, end: usize) -> Self {
        Self(self.slice(0, end))
    }

    /// What lies between, up to the end of the text.
    #[inline]
    pub(crate) fn slice(self, start: usize, end: usize) -> &'a [u8] {
        self.0.get(start..end.min(self.len())).unwrap_or_default()
    }

    /// The end of the run of `class` that starts here.
    #[inline]
    pub(crate) fn skip(self, at: usize, class: impl FnMut(u8) -> bool) -> usize {
        self.skip_most(at, self.len(), class)
    }

    /// As `skip`, but looks at no more than `most` bytes.
    #[inline]
    pub(crate) fn skip_most(self, at: usize, most: usize, mut class: impl FnMut(u8) -> bool) -> usize {
        let rest = self.slice(at, at + most);
        at + rest.iter().position(|byte| !class(*byte)).unwrap_or(rest.len())
    }

    /// The start of the run of `class` that ends here, at most `most` bytes back.
    #[inline]
    pub(crate) fn skip_back(self, at: usize, most: usize, class: impl Fn(u8) -> bool) -> usize {
        let passed = self.slice(at.saturating_sub(most), at);
        at - passed.iter().rev().position(|byte| !class(*byte)).unwrap_or(passed.len())
    }
}
