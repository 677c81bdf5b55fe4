//! The scan: one pass over a cleaned message that asks the rules, in a fixed order, what starts here.
//! The rules themselves are in the files around it.
//!
//! Linear by construction: a rule looks at most some hundred bytes ahead or back, or it consumes what it read, or it
//! remembers up to where it has looked.

use super::{
    Kind, Replacement,
    clean::Clean,
    context::Context,
    ids::{self, Named},
    names,
    net::{self, Host, Port},
    numbers, paths,
    quotes::{self, Quoted, Quotes},
    text::{Text, is_alnum, is_alpha, is_digit, is_in},
    time,
};

/// Finds what varies in a cleaned message, in its order.
pub(super) fn scan(clean: &Clean<'_>) -> Vec<Replacement> {
    let mut scanner = Scanner::new(clean);
    while scanner.at < scanner.text.len() {
        scanner.step();
    }
    scanner.found
}

struct Scanner<'a> {
    text: Text<'a>,
    line_ends: &'a [usize],
    at: usize,
    found: Vec<Replacement>,
    context: Context<'a>,
    quotes: Quotes,
    /// No `@` is from here on.
    no_at_from: usize,
    /// Up to here, the runs of Base64's characters are judged.
    judged_to: usize,
    /// Up to here, no `)` ends the value of a constraint.
    no_detail_to: usize,
    /// `assertion` was said: `left` and `right` are values.
    is_assertion: bool,
    /// `byte index` was said: a quoted text is the one that was cut.
    is_slicing: bool,
}

impl<'a> Scanner<'a> {
    fn new(clean: &'a Clean<'_>) -> Self {
        let text = Text::new(&clean.text);
        Self {
            text,
            line_ends: &clean.line_ends,
            at: 0,
            found: Vec::new(),
            context: Context::new(text),
            quotes: Quotes::new(),
            no_at_from: clean.text.rfind('@').map_or(0, |last| last + 1),
            judged_to: 0,
            no_detail_to: 0,
            is_assertion: false,
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
            b'/' | b'~' | b'\\' => match paths::prefix(self.text, at) {
                Some(end) => self.replace(end, Kind::Path),
                None => self.at += 1,
            },
            b'?' | b'&' => self.parameter(),
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
        let (text, at) = (self.text, self.at);
        if let Some(end) = numbers::letter_code(text, &self.context, at) {
            self.at = end;
        } else if let Some((end, kind)) = self.spanning() {
            self.replace(end, kind);
            if kind == Kind::Ip {
                self.port(Host::Sure);
            }
        } else if is_digit(text.at(at)) {
            self.number(at);
        } else {
            self.word();
        }
    }

    /// What can start with a letter or digit and go on over punctuation.
    fn spanning(&mut self) -> Option<(usize, Kind)> {
        let (text, at) = (self.text, self.at);
        let kind = |kind: Kind| move |end: usize| (end, kind);
        ids::fixed(text, at)
            .or_else(|| net::mac(text, at).map(kind(Kind::Mac)))
            .or_else(|| net::ipv6(text, at).map(kind(Kind::Ip)))
            .or_else(|| net::ipv4(text, at).map(kind(Kind::Ip)))
            .or_else(|| time::time(text, at).map(kind(Kind::Time)))
            .or_else(|| if at < self.no_at_from { net::email(text, at).map(kind(Kind::Email)) } else { None })
            .or_else(|| ids::pod(text, at).map(kind(Kind::Pod)))
            .or_else(|| paths::temporary(text, at).map(kind(Kind::Path)))
            .or_else(|| self.blob().map(kind(Kind::Blob)))
    }

    fn blob(&mut self) -> Option<usize> {
        let (text, at) = (self.text, self.at);
        let is_blob = |byte| is_alnum(byte) || matches!(byte, b'+' | b'/' | b'-' | b'_');
        if at < self.judged_to || matches!(text.before(at), b'/' | b'-' | b'_') {
            return None;
        }
        let run = text.skip(at, is_blob);
        self.judged_to = run;
        let end = text.skip_most(run, 2, |byte| byte == b'=');
        ids::is_blob(text.slice(at, run), end > run && !is_alnum(text.at(end))).then_some(end)
    }

    /// A number; `self.at` is its sign or its first digit.
    fn number(&mut self, digits: usize) {
        let (text, at) = (self.text, self.at);
        if let Some(end) = numbers::code(text, &self.context, at, digits) {
            self.at = end;
            return;
        }
        let mut end = numbers::number(text, digits);
        if let Some((end, kind)) = numbers::measure(text, end) {
            return self.replace(end, kind);
        }
        if !is_alpha(text.at(end)) {
            return self.replace(end, Kind::Number);
        }
        // Digits with letters behind them: an ordinal, an id, or one of the few names like `2fa`.
        end = text.skip(end, is_alnum);
        let segment = text.slice(digits, end);
        if is_in(segment, names::ODD_NAMES) {
            self.keep_word(end);
        } else {
            self.replace(end, ids::random(segment).unwrap_or(Kind::Number));
        }
    }

    /// A segment that starts with a letter and is nothing longer.
    fn word(&mut self) {
        let (text, at) = (self.text, self.at);
        let end = text.skip(at, is_alnum);
        let segment = text.slice(at, end);
        match ids::named(segment) {
            Named::Id(kind) => return self.replace(end, kind),
            Named::Numbered(letters) => {
                self.keep_word(at + letters);
                return self.replace(end, Kind::Number);
            }
            Named::Whole => (),
        }
        if text.starts_with(end, "://") {
            return self.scheme(end + 3);
        }
        if let Some((end, varies_from)) = self.version(segment, end) {
            self.keep_word(varies_from.unwrap_or(end));
            if varies_from.is_some() {
                self.replace(end, Kind::Number);
            }
            return;
        }
        if segment.len() == 1
            && text.starts_with(end, ":\\")
            && let Some(end) = paths::prefix(text, at)
        {
            return self.replace(end, Kind::Path);
        }
        self.plural(end);
        self.keep_word(end);
        self.is_assertion |= segment.eq_ignore_ascii_case(b"assertion");
        self.is_slicing |= self.context.ends_with(&["byte", "index"]) || self.context.ends_with(&["when", "slicing"]);
        if self.is_assertion {
            self.value_of_assertion(segment);
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
        if self.at < self.no_at_from
            && let Some(end) = net::credentials(self.text, start)
        {
            self.replace(end, Kind::Credentials);
        }
    }

    /// Drops the ending that a noun has because of the number before it: `1 row`, `2 rows`, `3 retries`.
    fn plural(&mut self, end: usize) {
        let (text, at) = (self.text, self.at);
        let number = self.found.last().filter(|last| last.kind == Kind::Number && last.end + 1 == at);
        if number.is_none() || text.before(at) != b' ' || end - at < 3 {
            return;
        }
        let noun = text.slice(at, end);
        let is_verb = is_in(noun, &["was", "has", "its", "this", "does"]);
        let endings = [&b"ies"[..], b"ches", b"shes", b"xes", b"ss", b"us", b"is", b"s", b"ly", b"y"];
        let dropped = match endings.iter().find(|ending| noun.ends_with(ending)).copied() {
            _ if is_verb => return,
            Some(b"ies") => 3,
            Some(b"ches" | b"shes" | b"xes") => 2,
            Some(b"s") => 1,
            // `retry`, whose plural lost the letter too, but not `key`.
            Some(b"y") if !matches!(text.at(end - 2), b'a' | b'e' | b'o' | b'u') => 1,
            _ => return,
        };
        self.found.push(Replacement { start: end - dropped, end, kind: Kind::Plural });
    }

    /// `left: ..` to the end of its line, or to `right:`; and what follows the legend of a printed difference.
    fn value_of_assertion(&mut self, word: &[u8]) {
        let text = self.text;
        if word == b"Diff" && text.starts_with(self.at, " < left / right >") {
            return self.replace(text.len(), Kind::Value);
        }
        if !matches!(word, b"left" | b"right") || text.at(self.at) != b':' {
            return;
        }
        let start = self.at + 1 + usize::from(text.at(self.at + 1) == b' ');
        let line = self.line_end(self.at);
        let right = (start..line).find(|at| word == b"left" && text.starts_with(*at, " right:"));
        let end = right.unwrap_or(line);
        if end > start {
            self.at = start;
            self.replace(end, Kind::Value);
        }
    }

    /// Where the line that `at` is in ends.
    fn line_end(&self, at: usize) -> usize {
        let next = self.line_ends.partition_point(|end| *end < at);
        self.line_ends.get(next).copied().unwrap_or(self.text.len())
    }

    fn quote(&mut self) {
        let (text, at) = (self.text, self.at);
        if self.quotes.closes(at) {
            self.at += 1;
            return;
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

    /// Backticks hold code, except in the panics of `str`, where they hold the text that was cut.
    fn backtick(&mut self) {
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
            self.number(self.at + 1);
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
        if !is_digit(text.at(at + 1)) {
            self.at += 1;
        } else if let Some(end) = paths::position(text, at) {
            self.replace(end, Kind::Position);
        } else if text.before(at) == b']' {
            // `[::1]:5432`
            self.port(Host::Sure);
        } else if is_alnum(text.before(at))
            && !(self.context.end() == at && is_in(self.context.word(0), names::RECORDS))
        {
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

    /// `user=alice`: with some keys the value varies, whatever it looks like.
    fn value_of_key(&mut self) {
        let (text, at) = (self.text, self.at);
        self.at += 1;
        if self.context.end() != at || !is_in(self.context.word(0), names::VARYING_KEYS) {
            return;
        }
        let is_value = |byte| !b" ,;)]}&\"'`>|=({[".contains(&byte);
        let end = text.skip(self.at, is_value);
        if end > self.at && !matches!(text.at(end), b'(' | b'{' | b'[') {
            self.replace(end, Kind::Value);
        }
    }

    /// Postgres writes `Key (email)=(..) already exists` and `Failing row contains (..)`.
    fn detail(&mut self) {
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
    fn parameter(&mut self) {
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
}
