//! The scan: one pass over a cleaned message that asks the rules, in a fixed order, what starts here.
//! The rules themselves are in the files around it.
//!
//! Linear by construction: a rule looks at most some hundred bytes ahead or back, or it consumes what it read, or it
//! remembers up to where it has looked.

mod values;

use super::{
    Kind, Replacement,
    context::Context,
    ids::{self, Named},
    names,
    net::{self, Host, Port},
    numbers, paths,
    quotes::{self, Quoted, Quotes},
    secrets,
    text::{Segment, Text, is_alnum, is_alpha, is_digit, is_in},
    time,
};

/// Finds what varies in a cleaned message, in its order.
pub(super) fn scan(text: &str, line_ends: &[usize], has_at: bool, found: &mut Vec<Replacement>) {
    found.clear();
    let mut scanner = Scanner::new(text, line_ends, has_at, found);
    while scanner.at < scanner.text.len() {
        scanner.step();
    }
}

struct Scanner<'a> {
    text: Text<'a>,
    line_ends: &'a [usize],
    /// An `@` is somewhere.
    has_at: bool,
    at: usize,
    found: &'a mut Vec<Replacement>,
    context: Context<'a>,
    quotes: Quotes,
    /// Up to here, the runs of Base64's characters are judged.
    judged_to: usize,
    /// Up to here, no path leads into a registry.
    no_registry_to: usize,
    /// Up to here, no `)` ends the value of a constraint.
    no_detail_to: usize,
    /// `assertion` was said: `left` and `right` are values.
    is_assertion: bool,
    /// No line behind the current place starts with `right:`.
    has_no_right: bool,
    /// `byte index` was said: a quoted text is the one that was cut.
    is_slicing: bool,
}

impl<'a> Scanner<'a> {
    fn new(message: &'a str, line_ends: &'a [usize], has_at: bool, found: &'a mut Vec<Replacement>) -> Self {
        let text = Text::new(message);
        Self {
            text,
            line_ends,
            has_at,
            at: 0,
            found,
            context: Context::new(text),
            quotes: Quotes::new(),
            judged_to: 0,
            no_registry_to: 0,
            no_detail_to: 0,
            is_assertion: false,
            has_no_right: false,
            is_slicing: false,
        }
    }

    /// Reads what starts here; always moves on.
    fn step(&mut self) {
        let at = self.at;
        match self.text.at(at) {
            byte if is_alnum(byte) => self.segment(),
            b'"' | b'\'' => self.quote(),
            b'`' => self.backtick(),
            b'-' | b'+' => self.sign(),
            b':' => self.colon(),
            b'=' => self.value_of_key(),
            b'(' => self.detail(),
            b'^' => self.replace(self.text.skip(self.at, |byte| byte == b'^'), Kind::Position),
            b'/' | b'~' | b'\\' => match paths::prefix(self.text, at, &mut self.no_registry_to) {
                Some(end) => self.replace(end, Kind::Path),
                None => self.at += 1,
            },
            b'?' | b'&' => self.parameter(),
            b'[' => match secrets::mark(self.text, at) {
                Some(end) => self.replace(end, Kind::Secret),
                None => {
                    self.at += 1;
                    if let Some(end) = ids::bytes(self.text, self.at) {
                        self.replace(end, Kind::Hex);
                    }
                }
            },
            _ => self.at += 1,
        }
    }

    fn replace(&mut self, end: usize, kind: Kind) {
        self.found.push(Replacement { start: self.at, end, kind });
        self.at = end;
    }

    /// Keeps a piece, and remembers it as a word of the message.
    fn keep_word(&mut self, end: usize) {
        self.context.push(self.at, end);
        self.at = end;
    }

    /// Letters and digits.
    fn segment(&mut self) {
        let text = self.text;
        let segment = text.segment(self.at);
        let is_number = is_digit(text.at(self.at));
        if !self.is_alone(&segment) {
            if segment.has_digit()
                && let Some(end) = numbers::letter_code(text, &self.context, &segment)
            {
                self.at = end;
                return;
            }
            if let Some((end, kind)) = self.spanning(&segment) {
                self.replace(end, kind);
                if kind == Kind::Ip {
                    self.port(Host::Sure);
                }
                return;
            }
        }
        if is_number { self.number(&segment) } else { self.word(&segment) }
    }

    /// Whether a segment is a word or a number with spaces around it, as most are: nothing longer starts there.
    fn is_alone(&self, segment: &Segment<'_>) -> bool {
        let can_be_part = if segment.is_digits() {
            // A day before its month, an SQLSTATE.
            matches!(segment.len(), 1 | 2 | 5)
        } else {
            segment.has_digit() || segment.bytes[0].is_ascii_uppercase() || segment.len() >= ids::SHORTEST_BLOB
        };
        let stands_before = match self.text.at(segment.end) {
            b' ' | b',' | b')' | b'"' | b'`' | 0 => true,
            // The first group of an IPv6 or hardware address.
            b':' => !segment.is_hex(),
            _ => false,
        };
        !can_be_part && stands_before && matches!(self.text.before(segment.start), b' ' | b'(' | b'[' | b'"' | b'`' | 0)
    }

    /// What can start with a segment and go on over punctuation.
    fn spanning(&mut self, segment: &Segment<'_>) -> Option<(usize, Kind)> {
        let (text, at) = (self.text, segment.start);
        let kind = |kind: Kind| move |end: usize| (end, kind);
        if let Some(found) = ids::fixed(text, segment) {
            return Some(found);
        }
        let next = text.at(segment.end);
        let address = match next {
            b':' | b'-' if segment.is_hex() && segment.len() <= 4 => {
                net::mac(text, at).map(kind(Kind::Mac)).or_else(|| net::ipv6(text, at).map(kind(Kind::Ip)))
            }
            b'.' if segment.is_digits() => net::ipv4(text, at).map(kind(Kind::Ip)),
            _ => None,
        };
        let found = address.or_else(|| time::time(text, segment).map(kind(Kind::Time)));
        let found = found.or_else(|| time::iso_duration(text, segment).map(kind(Kind::Duration)));
        let found = found.or_else(|| match next {
            b'@' | b'.' | b'_' | b'%' | b'+' | b'-' if self.has_at => net::email(text, at).map(kind(Kind::Email)),
            _ => None,
        });
        let found = found.or_else(|| match text.before(at) {
            b'-' => ids::pod(text, at).map(kind(Kind::Pod)),
            b'/' | b'\\' | b'.' => paths::temporary(text, at).map(kind(Kind::Path)),
            _ => None,
        });
        found.or_else(|| self.blob(segment).map(kind(Kind::Blob)))
    }

    fn blob(&mut self, segment: &Segment<'_>) -> Option<usize> {
        let (text, at) = (self.text, segment.start);
        let goes_on = matches!(text.at(segment.end), b'+' | b'/' | b'-' | b'_');
        if !goes_on && segment.len() < ids::SHORTEST_BLOB {
            return None;
        }
        let is_blob = |byte| is_alnum(byte) || matches!(byte, b'+' | b'/' | b'-' | b'_');
        if at < self.judged_to || matches!(text.before(at), b'/' | b'-' | b'_') {
            return None;
        }
        let run = text.skip(segment.end, is_blob);
        self.judged_to = run;
        let end = text.skip_most(run, 2, |byte| byte == b'=');
        let is_told = text.slice(at.saturating_sub(7), at) == b"base64,";
        (is_told || ids::is_blob(text.slice(at, run), end > run && !is_alnum(text.at(end)))).then_some(end)
    }

    /// A number; `self.at` is its sign or its first digit.
    fn number(&mut self, segment: &Segment<'_>) {
        let (text, at, digits) = (self.text, self.at, segment.start);
        let digits_end = if segment.is_digits() { segment.end } else { text.skip(digits, is_digit) };
        // `3 | port = "x"`: the line of a file in which a parser stopped.
        if text.at(digits_end + 1) == b'|'
            && text.starts_with(digits_end, " | ")
            && at.checked_sub(1).is_none_or(|at| self.line_ends.binary_search(&at).is_ok())
        {
            return self.replace(self.line_end(at), Kind::Value);
        }
        let mut end = numbers::rest(text, digits_end);
        if let Some(end) = numbers::code(text, &self.context, at, digits..digits_end, end) {
            self.at = end;
            return;
        }
        if let Some((end, kind)) = numbers::measure(text, end) {
            return self.replace(end, kind);
        }
        if !is_alpha(text.at(end)) {
            // `93%`, but not `17%20`.
            end += usize::from(text.at(end) == b'%' && !is_alnum(text.at(end + 1)));
            return self.replace(end, Kind::Number);
        }
        // Digits with letters behind them: an ordinal, an id, or one of the few names like `2fa`.
        end = text.skip(end, is_alnum);
        let segment = text.slice(digits, end);
        if names::ODD_NAMES.has(segment) {
            self.keep_word(end);
        } else {
            self.replace(end, ids::random(segment).unwrap_or(Kind::Number));
        }
    }

    /// A segment that starts with a letter and is nothing longer.
    fn word(&mut self, segment: &Segment<'_>) {
        let text = self.text;
        let (at, end) = (segment.start, segment.end);
        if segment.has_digit() && is_in(self.context.naming(at), &["id", "uid", "guid"]) {
            let end = text.skip_most(end, 128, |byte| is_alnum(byte) || matches!(byte, b'-' | b'_'));
            return self.replace(end, Kind::Id);
        }
        // Without a digit only hexadecimal letters in a long row are an id.
        if segment.has_digit() || (segment.len() >= ids::SHORTEST_ID_OF_LETTERS && segment.is_hex()) {
            match ids::named(segment) {
                Named::Id(kind) => return self.replace(end, kind),
                Named::Numbered(letters) => {
                    self.keep_word(at + letters);
                    return self.replace(end, Kind::Number);
                }
                Named::Whole => (),
            }
        }
        match text.at(end) {
            b':' if text.starts_with(end, "://") => return self.scheme(end + 3),
            b':' if segment.len() == 1 && text.at(end + 1) == b'\\' => {
                if let Some(end) = paths::prefix(text, at, &mut self.no_registry_to) {
                    return self.replace(end, Kind::Path);
                }
            }
            b'/' | b'.' => {
                if let Some((end, varies_from)) = self.version(segment.bytes, end) {
                    self.keep_word(varies_from.unwrap_or(end));
                    if varies_from.is_some() {
                        self.replace(end, Kind::Number);
                    }
                    return;
                }
            }
            _ => (),
        }
        // `expected a digit but got x`
        let is_last = end == text.len() || (text.starts_with(end, " at ") && is_digit(text.at(end + 4)));
        if segment.len() == 1 && text.before(at) == b' ' && is_last && is_in(self.context.word(0), &["got", "found"]) {
            return self.replace(end, Kind::Value);
        }
        self.plural(end);
        self.keep_word(end);
        match segment.bytes {
            b"assertion" | b"Assertion" => self.is_assertion = true,
            b"left" | b"right" | b"Diff" if self.is_assertion => self.value_of_assertion(segment.bytes),
            b"index" => self.is_slicing |= self.context.ends_with(&["byte", "index"]),
            b"slicing" => self.is_slicing |= self.context.ends_with(&["when", "slicing"]),
            _ => self.secret_behind_space(segment),
        }
    }

    /// The end of `HTTP/1.1`, `v3.1`, `TLSv1.2`: versions of protocols. With three parts, as in `v1.4.2`, it is one of a
    /// release: that varies, and where it starts is told too.
    fn version(&self, segment: &[u8], end: usize) -> Option<(usize, Option<usize>)> {
        let text = self.text;
        if text.at(end) == b'/' && is_digit(text.at(end + 1)) && is_in(segment, &["http", "https"]) {
            return Some((numbers::number(text, end + 1), None));
        }
        let digits = segment.iter().rev().take_while(|byte| is_digit(**byte)).count();
        let letters = segment.get(..segment.len() - digits)?;
        if digits == 0 || !matches!(letters.last(), Some(b'v' | b'V')) || text.at(end) != b'.' {
            return None;
        }
        let minor = text.digits(end + 1, 1, 3)?;
        let is_release = text.at(minor) == b'.' && is_digit(text.at(minor + 1));
        Some(if is_release { (numbers::number(text, end + 1), Some(end - digits)) } else { (minor, None) })
    }

    /// The part of a URL behind `://`, up to its host.
    fn scheme(&mut self, start: usize) {
        self.keep_word(start);
        if self.has_at
            && let Some(end) = net::credentials(self.text, start)
        {
            self.replace(end, Kind::Credentials);
        }
    }

    /// Drops the ending that a noun has because of the number before it: `1 row`, `2 rows`, `3 retries`.
    fn plural(&mut self, end: usize) {
        let (text, at) = (self.text, self.at);
        if self.found.last().is_none_or(|last| last.end + 1 != at || last.kind != Kind::Number)
            || text.before(at) != b' '
            || end - at < 3
        {
            return;
        }
        let noun = text.slice(at, end);
        let dropped = match noun {
            [.., b'i', b'e', b's'] => 3,
            [.., b'c' | b's', b'h', b'e', b's'] | [.., b'x', b'e', b's'] => 2,
            [.., b's' | b'u' | b'i', b's'] => return,
            [.., b's'] if is_in(noun, &["was", "has", "its", "this", "does"]) => return,
            [.., b's'] => 1,
            // `retry`, whose plural lost the letter too, but not `key` and no adverb.
            [.., b'a' | b'e' | b'o' | b'u' | b'l', b'y'] => return,
            [.., b'y'] => 1,
            _ => return,
        };
        self.found.push(Replacement { start: end - dropped, end, kind: Kind::Plural });
    }

    fn quote(&mut self) {
        let (text, at) = (self.text, self.at);
        if self.quotes.closes(at) {
            self.at += 1;
            return self.take_quotes(at);
        }
        let Some(close) = self.quotes.close_of(text, at) else {
            self.at += 1;
            return;
        };
        match quotes::judge(text, &self.context, at, close) {
            Quoted::Exact => self.at = close + 1,
            Quoted::Data => self.replace(close + 1, Kind::Value),
            Quoted::Read => {
                self.quotes.open(close);
                self.at += 1;
            }
        }
    }

    /// Where all of a quoted text that was read varies, its quotes go too, as they do with data.
    fn take_quotes(&mut self, close: usize) {
        let (text, quote) = (self.text, self.text.at(close));
        if let Some(last) = self.found.last_mut()
            && text.before(last.start) == quote
            && (last.end == close || (last.end + 1 == close && text.at(last.end) == b'\\'))
        {
            (last.start, last.end) = (last.start - 1, close + 1);
        }
    }

    /// Backticks hold code, except in the panics of `str`, where they hold the text that was cut, and around what a
    /// parser found instead of what it expected.
    fn backtick(&mut self) {
        if let Some(end) = quotes::found_by_parser(self.text, &self.context, self.at) {
            return self.replace(end, Kind::Value);
        }
        self.at += 1;
        if !self.is_slicing || !is_in(self.context.word(0), &["of", "slicing", "in"]) {
            return;
        }
        self.is_slicing = false;
        let end = self.text.skip(self.at, |byte| byte != b'`');
        if end > self.at && end < self.text.len() {
            self.replace(end, Kind::Value);
            self.at += 1;
        }
    }

    /// A sign belongs to its number, a hyphen does not.
    fn sign(&mut self) {
        let before = self.text.before(self.at);
        let next = self.text.at(self.at + 1);
        if is_digit(next) && !is_alnum(before) && !matches!(before, b')' | b']' | b'_' | b'-' | b'.') && before < 0x80 {
            self.number(&self.text.segment(self.at + 1));
        } else {
            self.at += 1;
        }
    }

    fn colon(&mut self) {
        let (text, at) = (self.text, self.at);
        if text.at(at + 1) == b':'
            && let Some(end) = net::ipv6(text, at)
        {
            self.replace(end, Kind::Ip);
            return self.port(Host::Sure);
        }
        if let Some((start, end)) = secrets::behind_colon(text, &self.context, at) {
            self.at = start;
            return self.replace(end, Kind::Secret);
        }
        if !is_digit(text.at(at + 1)) {
            self.at += 1;
        } else if let Some(end) = paths::position(text, at) {
            self.replace(end, Kind::Position);
        } else if text.before(at) == b']' {
            // `[::1]:5432`
            self.port(Host::Sure);
        } else if is_alnum(text.before(at)) && !(self.context.end() == at && names::RECORDS.has(self.context.word(0))) {
            self.port(net::host_before(text, at));
        } else {
            self.at += 1;
        }
    }

    /// The port behind a host, if one is there.
    fn port(&mut self, host: Host) {
        if self.text.at(self.at) != b':' {
            return;
        }
        match net::port(self.text, self.at, host) {
            Some(Port::Service(end)) => self.at = end,
            port => {
                self.at += 1;
                if let Some(Port::Ephemeral(end)) = port {
                    self.replace(end, Kind::Port);
                }
            }
        }
    }
}
