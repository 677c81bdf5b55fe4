//! What is a value because of what stands before it: a key, a flag, `left:`, the `?` of a URL.
//! Not what is a value by its own form.

use super::Scanner;
use crate::normalize::{
    Kind, names, net, numbers, secrets,
    text::{Segment, is_alnum, is_digit},
};

impl Scanner<'_> {
    /// `left: ..` to the end of its line, or to `right:`; and what follows the legend of a printed difference.
    pub(super) fn value_of_assertion(&mut self, word: &[u8]) {
        let text = self.text;
        if word == b"Diff" && text.starts_with(self.at, " < left / right >") {
            return self.replace(text.len(), Kind::Value);
        }
        if !matches!(word, b"left" | b"right") || text.at(self.at) != b':' {
            return;
        }
        let start = self.at + 1 + usize::from(text.at(self.at + 1) == b' ');
        let end = match word {
            b"left" => self.right_side(start).unwrap_or_else(|| self.line_end(start)),
            _ => self.end_of_value(start),
        };
        if end > start {
            self.at = start;
            self.replace(end, Kind::Value);
        }
    }

    /// Where `right:` starts: in the same line, or at the start of a later one.
    fn right_side(&mut self, start: usize) -> Option<usize> {
        let (text, line) = (self.text, self.line_end(start));
        let is_right = |at: &usize| text.starts_with(*at, " right:");
        let later = self.line_ends.partition_point(|end| *end < start);
        if let Some(right) = (start..line).find(is_right) {
            return Some(right);
        }
        let right = || self.line_ends.get(later..)?.iter().copied().find(is_right);
        let right = if self.has_no_right { None } else { right() };
        self.has_no_right = right.is_none();
        right
    }

    /// Where a value of several lines ends, as `{:#?}` writes it: in the line of the bracket that closes it.
    fn end_of_value(&self, start: usize) -> usize {
        let (text, line) = (self.text, self.line_end(start));
        if !matches!(text.before(line), b'{' | b'[' | b'(') {
            return line;
        }
        let (mut depth, mut at) = (0_usize, start);
        while at < text.len() {
            match text.at(at) {
                b'{' | b'[' | b'(' => depth += 1,
                b'}' | b']' | b')' => depth = depth.saturating_sub(1),
                b'\\' => at += 1,
                b'"' => at = text.skip(at + 1, |byte| byte != b'"'),
                _ => (),
            }
            at += 1;
            if depth == 0 && at > line {
                return self.line_end(at);
            }
        }
        text.len()
    }

    /// Where the line that `at` is in ends.
    pub(super) fn line_end(&self, at: usize) -> usize {
        let next = self.line_ends.partition_point(|end| *end < at);
        self.line_ends.get(next).copied().unwrap_or(self.text.len())
    }

    /// `user=alice`: with some keys the value varies, whatever it looks like.
    pub(super) fn value_of_key(&mut self) {
        let (text, at) = (self.text, self.at);
        self.at += 1;
        if self.context.end() != at {
            return;
        }
        let is_secret = secrets::is_key(text, &self.context);
        if !is_secret && !names::VARYING_KEYS.has(self.context.word(0)) {
            return;
        }
        let is_value = |byte| !b" ,;)]}&\"'`>|=({[".contains(&byte);
        let end = text.skip(self.at, is_value);
        if end > self.at && !matches!(text.at(end), b'(' | b'{' | b'[') {
            let padded = text.skip_most(end, 2, |byte| byte == b'=');
            let end = if is_alnum(text.at(padded)) { end } else { padded };
            // `amount=12 MB`
            let measure = if is_digit(text.before(end)) { numbers::measure(text, end) } else { None };
            let end = measure.map_or(end, |(end, _)| end);
            self.replace(end, if is_secret { Kind::Secret } else { Kind::Value });
        }
    }

    /// Postgres writes `Key (email)=(..) already exists` and `Failing row contains (..)`.
    pub(super) fn detail(&mut self) {
        let (text, at) = (self.text, self.at);
        self.at += 1;
        let is_detail = (text.before(at) == b'=' && text.before(at.saturating_sub(1)) == b')')
            || (self.context.ends_with(&["row", "contains"]) && self.context.end() + 1 == at);
        if !is_detail || at < self.no_detail_to {
            return;
        }
        let closes = |at: usize| text.at(at) == b')' && matches!(text.at(at + 1), 0 | b' ' | b'.' | b'"' | b'\\');
        let line = self.line_end(at);
        let end = (self.at..line).find(|at| closes(*at)).unwrap_or(line);
        if end == line {
            self.no_detail_to = line;
        } else if end > self.at {
            self.replace(end, Kind::Value);
        }
    }

    /// The value of a parameter in a URL's query.
    pub(super) fn parameter(&mut self) {
        let at = self.at;
        self.at += 1;
        let before = self.text.before(at);
        if !is_alnum(before) && !matches!(before, b'/' | b'_' | b'-' | b'%' | b'.' | b'=' | b'~' | b'+') {
            return;
        }
        if let Some((start, end)) = net::parameter(self.text, at).filter(|(start, end)| end > start) {
            self.at = start;
            self.replace(end, Kind::Query);
        }
    }

    /// `--password hunter2`, `Bearer abc123`
    pub(super) fn secret_behind_space(&mut self, segment: &Segment<'_>) {
        let (text, end) = (self.text, segment.end);
        let can_name = text.before(segment.start) == b'-' || matches!(segment.bytes[0], b'b' | b'B');
        if can_name
            && text.at(end) == b' '
            && let Some(value) = secrets::behind_space(text, segment)
        {
            self.at = end + 1;
            self.replace(value, Kind::Secret);
        }
    }
}
