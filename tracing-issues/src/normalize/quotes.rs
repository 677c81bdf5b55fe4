//! Quoted text: where it ends, and whether it is a name, prose, or somebody's data.
//! Names and prose stay, data goes; what is inside of what stays is the scanner's business.

use super::{
    context::Context,
    names, secrets,
    text::{Text, is_alnum, is_alpha, is_hex, is_in},
};

/// Quotes inside of quotes beyond this depth are characters like others.
const DEPTH: usize = 4;

/// What is to be done with a quoted text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Quoted {
    /// Stays to the letter.
    Exact,
    /// Stays, but for what varies inside.
    Read,
    /// Goes.
    Data,
}

/// The quotes around the current place.
pub(super) struct Quotes {
    /// Where the open ones close, outermost first.
    closing: [usize; DEPTH],
    depth: usize,
    /// Up to here, it is known that no quote of this sort closes: no byte is searched twice for nothing.
    unclosed_to: [usize; 2],
}

impl Quotes {
    pub(super) fn new() -> Self {
        Self { closing: [0; DEPTH], depth: 0, unclosed_to: [0; 2] }
    }

    /// Remembers where the quote that `close_of` was asked about closes.
    pub(super) fn open(&mut self, close: usize) {
        if let Some(slot) = self.closing.get_mut(self.depth) {
            *slot = close;
            self.depth += 1;
        }
    }

    fn innermost(&self) -> Option<usize> {
        self.closing.get(self.depth.checked_sub(1)?).copied()
    }

    /// Whether the quote at `at` closes an open one.
    pub(super) fn closes(&mut self, at: usize) -> bool {
        while let Some(close) = self.innermost().filter(|close| *close <= at) {
            self.depth -= 1;
            if close == at {
                return true;
            }
        }
        false
    }

    /// The quote that closes the one at `at`, if that one opens a text.
    pub(super) fn close_of(&mut self, text: Text<'_>, at: usize) -> Option<usize> {
        let single = text.at(at) == b'\'';
        if self.depth >= DEPTH || at < self.unclosed_to[usize::from(single)] {
            return None;
        }
        // An apostrophe stands behind a letter: `can't`, `the users' data`.
        if single && (is_alnum(text.before(at)) || matches!(text.at(at + 1), b' ' | 0)) {
            return None;
        }
        let limit = self.innermost().unwrap_or(text.len());
        let close = if single { close_single(text, at, limit) } else { close_double(text, at, limit) };
        close.map_err(|searched_to| self.unclosed_to[usize::from(single)] = searched_to).ok()
    }
}

/// The closing quote, or up to where there is none.
fn close_single(text: Text<'_>, at: usize, limit: usize) -> Result<usize, usize> {
    (at + 1..limit).find(|end| text.at(*end) == b'\'' && !is_alnum(text.at(end + 1))).ok_or(limit)
}

fn close_double(text: Text<'_>, at: usize, limit: usize) -> Result<usize, usize> {
    // Inside of a `Debug` text, the quotes themselves are escaped.
    let escaped = text.before(at) == b'\\';
    let mut end = at + 1;
    while let Some(found) = text.slice(end, limit).iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        end += found;
        match text.at(end) {
            b'\\' if escaped && text.at(end + 1) == b'"' && end + 1 < limit => return Ok(end + 1),
            b'\\' => end += 2,
            _ if escaped => return Err(end),
            _ => return Ok(end),
        }
    }
    Err(limit)
}

/// The end of what is in backticks here, if it is what a parser found: ``boolean `true`, expected u64``,
/// ``unknown variant `x`, expected `a` or `b` ``, ``found `x` at 3``. Names of fields are the program's business.
pub(super) fn found_by_parser(text: Text<'_>, context: &Context<'_>, open: usize) -> Option<usize> {
    let close = text.skip_most(open + 1, 128, |byte| byte != b'`');
    if text.at(close) != b'`' || context.end() + 1 != open {
        return None;
    }
    let word = context.word(0);
    let instead = text.starts_with(close, "`, expected ") && !is_in(word, &["field", "key"]);
    // axum: ``Cannot parse `id` with value `x` to a `u64` ``
    let converted = text.starts_with(close, "` to a `")
        || (is_in(word, &["value"]) && is_in(context.word(1), &["with", "invalid", "bad", "unexpected"]));
    let character = close - open < "`\u{1f600}`".len() && is_in(word, &["found", "character"]);
    (instead || converted || character).then_some(close + 1)
}

/// Judges the text between the quotes at `open` and `close`.
pub(super) fn judge(text: Text<'_>, context: &Context<'_>, open: usize, close: usize) -> Quoted {
    if is_key(text, open, close) {
        return Quoted::Read;
    }
    let word = context.naming(open);
    let inner = text.slice(open + 1, close);
    // serde writes `invalid type: string "..", expected ..`: a value, whatever it looks like.
    if is_in(word, &["string", "str", "character", "char"]) {
        return Quoted::Data;
    }
    if !word.is_empty() {
        if secrets::is_key(text, context) {
            return Quoted::Data;
        }
        // `type_name: "side"`, `column name "price"`
        if word.eq_ignore_ascii_case(b"name") && names::NAMING.has(context.word(1)) {
            return Quoted::Read;
        }
        let is_of_error = !is_in(word, &["code", "status", "type", "state"]) || context.is_of_error();
        if names::EXACT.has(word) && is_of_error {
            return Quoted::Exact;
        }
        if (names::NAMING.has(word) || names::PROSE.has(word)) && is_of_error {
            return Quoted::Read;
        }
        if [&b"Error"[..], b"Err", b"Exception", b"Message", b"Reason"].iter().any(|end| word.ends_with(end)) {
            return Quoted::Read;
        }
        if text.before(open) == b'(' && context.end() + 1 == open && is_of_variant(word, inner) {
            return Quoted::Read;
        }
    }
    let is_all = open == 0 && close + 1 == text.len();
    if is_all || is_before_prose(context) || names_itself(inner) || is_named_after(text, close) {
        return Quoted::Read;
    }
    Quoted::Data
}

/// `invalid value for "host"`, `unwrap()` on an `Err` of a string, the messages of panics before Rust 1.73, tokio's `JoinError::Panic(Id(35), "..")`,
/// and files of the program.
fn is_before_prose(context: &Context<'_>) -> bool {
    match context.word(0) {
        b"value" => context.word(1) == b"Err",
        b"at" => context.word(1) == b"panicked",
        b"for" => context.word(1) == b"value",
        b"Id" => context.word(1) == b"Panic",
        b"file" => is_in(context.word(1), &["config", "configuration"]),
        _ => false,
    }
}

/// Whether the text in `MissingField("host")` or `Custom("unknown character in it")` is the program's: the name of the
/// variant ends in a naming word, or the text is a sentence.
fn is_of_variant(variant: &[u8], inner: &[u8]) -> bool {
    if !variant.first().is_some_and(u8::is_ascii_uppercase) || is_in(variant, &["some", "ok", "string", "str", "text"])
    {
        return false;
    }
    let name = variant.strip_suffix(b"NotFound").unwrap_or(variant);
    let last = name.iter().rposition(u8::is_ascii_uppercase).and_then(|start| name.get(start..)).unwrap_or_default();
    let spaces = inner.iter().filter(|byte| **byte == b' ').count();
    let is_sentence = spaces >= 2 && inner.first().is_some_and(|byte| is_alpha(*byte));
    names::NAMING.has(last) || is_sentence || is_in(variant, &["custom", "other", "protocol", "msg", "errorstring"])
}

/// The key of an object: `{"code":-1121,"msg":"..."}`.
fn is_key(text: Text<'_>, open: usize, close: usize) -> bool {
    let colon = if text.at(close + 1) == b'\\' { close + 2 } else { close + 1 };
    let start = if text.before(open) == b'\\' { open - 1 } else { open };
    let outside = text.skip_back(start, 1, |byte| byte == b' ');
    text.at(colon) == b':' && matches!(text.before(outside), b'{' | b',' | 0)
}

/// `missing "Authorization" header`
fn is_named_after(text: Text<'_>, close: usize) -> bool {
    let start = close + 2;
    text.at(close + 1) == b' ' && names::NAMING.has(text.slice(start, text.skip_most(start, 16, is_alpha)))
}

/// Texts that say by their form that a program wrote them: paths, flags, constants, Rust paths, its own files.
fn names_itself(inner: &[u8]) -> bool {
    if inner.starts_with(b"--") {
        return true;
    }
    // What a program calls things is short; the look at it must not grow with the data.
    if inner.is_empty() || inner.len() > 1024 || inner.contains(&b' ') {
        return false;
    }
    let has = |needle: &[u8]| inner.windows(needle.len()).any(|window| window == needle);
    let is_constant = inner.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    let ending = inner.iter().rposition(|byte| *byte == b'.').and_then(|dot| inner.get(dot + 1..));
    let has_root = matches!(inner, [b'/' | b'~', ..] | [b'.', b'/' | b'.', ..]) && inner.len() > 1;
    has_root
        || (has(b"::") && !inner.iter().all(|byte| is_hex(*byte) || *byte == b':'))
        || has(b"://")
        || (inner.iter().filter(|byte| **byte == b'/').count() >= 2 && inner.iter().any(|byte| is_alpha(*byte)))
        || names::MEDIA.iter().any(|media| inner.starts_with(media.as_bytes()))
        || (has(b"\\") && has(b":"))
        || (is_constant && has(b"_") && inner.iter().any(|byte| is_alpha(*byte)))
        || ending.is_some_and(|ending| names::PROGRAM_FILES.has(ending))
}
