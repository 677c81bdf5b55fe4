//! Secrets behind a name: `password=x`, `"token": "x"`, `<secret>x</secret>`.
//! Finds the name and what connects it (a space alone is `spoken`'s business); where the value ends is `values`' business.

use std::ops::Range;

use super::{
    bytes::{Bytes, is_alnum, is_blank, is_space},
    names,
    scan::IsSecret,
    spoken,
    values::{self, Style, is_random},
};

/// Words that need the one before to name a secret: `api key`, `session id`.
const SECOND_WORDS: &[&str] = &["key", "keys", "id", "code", "phrase", "number"];

/// A phrase to recover a wallet has 12 to 24 words.
const MAX_PHRASE: usize = 32;

/// Words before a name that do not make it the end of a sentence: `with password: x`.
#[rustfmt::skip]
const INTRODUCTIONS: &[&str] = &[
    "with", "using", "and", "or", "is", "new", "old", "temporary", "current", "your", "the", "user", "default", "debug",
    "info", "warn", "error", "api", "admin", "her", "his", "their", "as", "a", "header", "set",
];

/// The secret that the word from `start` to `end` names.
pub(super) fn secret(bytes: Bytes<'_>, start: usize, end: usize, is_secret: &IsSecret<'_>) -> Option<Range<usize>> {
    let next = bytes.at(end);
    // Most words are followed by a space and another word.
    if is_space(next)
        && let Some(secret) = spoken::secret(bytes, start, end, is_secret)
    {
        return Some(secret);
    }
    let (style, at) = connection(bytes, start, end)?;
    let start = name_start(bytes, start, end);
    let name = bytes.str(start, end);
    let in_query = matches!(bytes.before(start), b'?' | b'&') || bytes.has(start.saturating_sub(3), "%26");
    if in_query && names::IN_QUERIES.iter().any(|known| name.eq_ignore_ascii_case(known)) {
        return values::secret(bytes, at, Style::Data).filter(|range| is_query_secret(bytes, name, range));
    }
    if names::ends_with(name, "pin") {
        return values::secret(bytes, at, style).filter(|range| names::is_pin(name, bytes.str(range.start, range.end)));
    }
    if !is_secret(name) || is_harmless(bytes, start, end, at, style) {
        return None;
    }
    let style = if style == Style::Colon && ends_sentence(bytes, start) { Style::Sentence } else { style };
    if names::ends_with(name, "cookie") {
        return if bytes.quote(at).is_some() {
            values::secret(bytes, at, style)
        } else {
            values::cookie(bytes, at, style)
        };
    }
    let range = values::secret(bytes, at, style)?;
    if range.is_empty() {
        return Some(range);
    }
    let end = connection_string_end(bytes, start, range.end, style);
    Some(range.start..if range.start == at { phrase_end(bytes, start, name, end) } else { end })
}

/// What connects a name with its value, and where that starts.
fn connection(bytes: Bytes<'_>, start: usize, end: usize) -> Option<(Style, usize)> {
    let quote = bytes.quote(end);
    let mut at = end + quote.map_or(0, |quote| quote.len);
    at = colours_end(bytes, at);
    // `params[password]=x`, `headers["authorization"] = x`, `password[]=x`.
    at += usize::from(bytes.slice(at, at + 2) == b"[]");
    at += usize::from(bytes.at(at) == b']');
    let before_space = at;
    at = bytes.skip_most(at, 8, is_space);
    let is_spaced = at > before_space;
    let (style, sign) = match (bytes.at(at), bytes.at(at + 1)) {
        (b'=', b'>' | b'=') | (b':', b'=') | (b'-', b'>') => (Style::Data, 2),
        (b'=', _) => (Style::Data, 1),
        (b':', b':') => return None,
        (b':', b'/') if bytes.at(at + 2) == b'/' => return None,
        (b':', _) => (Style::Colon, 1),
        (b'%', _) if bytes.has(at, "%3D") || bytes.has(at, "%3A") => (Style::Data, 3),
        (b'>', _) if !is_spaced && is_tag(bytes, start) => return tag(bytes, at + 1).map(|at| (Style::Data, at)),
        _ if quote.is_some() || matches!(bytes.at(at), b'\r' | b'\n') => return listed(bytes, before_space),
        _ => return None,
    };
    let value = gap_end(bytes, at + sign);
    // `password= user=bob` has no value.
    let is_missing = style == Style::Data && !is_spaced && value > at + sign && values::is_key(bytes, value);
    (!is_missing).then_some((style, value))
}

/// The end of a terminal's colours, as a child's output has them around names.
fn colours_end(bytes: Bytes<'_>, mut at: usize) -> usize {
    for _ in 0..4 {
        let end = bytes.skip_most(at + 2, 12, |byte| byte.is_ascii_digit() || byte == b';');
        if bytes.slice(at, at + 2) != b"\x1b[" || bytes.at(end) != b'm' {
            break;
        }
        at = end + 1;
    }
    at
}

/// Space before the value. A value on the next line is quoted, or it is none.
fn gap_end(bytes: Bytes<'_>, at: usize) -> usize {
    let value = bytes.skip_most(colours_end(bytes, at), 16, is_space);
    let next_line = bytes.skip_most(value, 64, |byte| byte.is_ascii_whitespace());
    if next_line > value && bytes.at(next_line) == b'"' { next_line } else { value }
}

fn is_tag(bytes: Bytes<'_>, start: usize) -> bool {
    matches!(bytes.before(start), b'<' | b':')
}

/// The content of an XML element, if it has one and the element is closed or cut.
fn tag(bytes: Bytes<'_>, at: usize) -> Option<usize> {
    let end = bytes.skip_most(at, 4096, |byte| byte != b'<');
    let is_closed = bytes.at(end) == b'<' && bytes.at(end + 1) == b'/';
    let is_cut = end == bytes.len() && !bytes.slice(at, end).iter().any(u8::is_ascii_whitespace);
    (end > at && (is_closed || is_cut)).then_some(at)
}

/// `("authorization", "x")`, and `"name": "password", "value": "x"`, also with the value on the next line.
fn listed(bytes: Bytes<'_>, at: usize) -> Option<(Style, usize)> {
    let is_comma = bytes.at(at) == b',';
    let next = bytes.skip_most(at + usize::from(is_comma), 32, |byte| byte.is_ascii_whitespace());
    let quote = bytes.quote(next).map_or(0, |quote| quote.len);
    if bytes.has(next + quote, "value") {
        let end = next + quote + 5;
        let end = end + bytes.quote(end).map_or(0, |quote| quote.len);
        let sign = bytes.skip_most(end, 4, is_space);
        return matches!(bytes.at(sign), b':' | b'=').then(|| (Style::Data, gap_end(bytes, sign + 1)));
    }
    // A part of a form: `name="password"`, an empty line, the value.
    if let Some(lines) = ["\r\n\r\n", "\n\n"].iter().find(|lines| bytes.has(at, lines)) {
        let is_quoted = matches!(bytes.before(at), b'"');
        return is_quoted.then_some((Style::Data, at + lines.len()));
    }
    (is_comma && quote > 0).then_some((Style::Data, next))
}

/// `api key` starts a word earlier.
pub(super) fn name_start(bytes: Bytes<'_>, start: usize, end: usize) -> usize {
    let is_second = SECOND_WORDS.iter().any(|word| bytes.str(start, end).eq_ignore_ascii_case(word));
    if is_second && bytes.before(start) == b' ' { bytes.skip_back(start - 1, 24, is_alnum) } else { start }
}

/// Whether what looks like a name is a part of something else.
fn is_harmless(bytes: Bytes<'_>, start: usize, end: usize, value: usize, style: Style) -> bool {
    let before = bytes.before(start);
    match style {
        // A shell's working directory.
        Style::Data => matches!(bytes.slice(start, end), b"PWD" | b"OLDPWD") && bytes.at(value) == b'/',
        // `/oauth/token: not found`, `app::token: failed`, `arn:aws:secretsmanager:..:secret:name`.
        _ => matches!(before, b'/' | b':') || (before == b' ' && is_parsed(bytes, start, end)),
    }
}

/// `unexpected token: x` is what a parser says.
pub(super) fn is_parsed(bytes: Bytes<'_>, start: usize, end: usize) -> bool {
    let word = previous_word(bytes, start);
    bytes.str(start, end).eq_ignore_ascii_case("token")
        && ["unexpected", "expected", "unknown", "next", "illegal"].iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn ends_sentence(bytes: Bytes<'_>, start: usize) -> bool {
    let word = previous_word(bytes, start);
    !word.is_empty() && !INTRODUCTIONS.iter().any(|known| word.eq_ignore_ascii_case(known))
}

pub(super) fn previous_word<'a>(bytes: Bytes<'a>, start: usize) -> &'a str {
    let end = bytes.skip_back(start, 1, is_space);
    if end == start { "" } else { bytes.str(bytes.skip_back(end, 24, |byte| byte.is_ascii_alphabetic()), end) }
}

fn is_query_secret(bytes: Bytes<'_>, name: &str, range: &Range<usize>) -> bool {
    let is_signature = name.to_ascii_lowercase().ends_with("sig") || name.to_ascii_lowercase().ends_with("signature");
    is_signature || is_random(bytes.slice(range.start, range.end), 10, 1)
}

/// In `Server=..;Password=a b;` the value ends at the semicolon.
fn connection_string_end(bytes: Bytes<'_>, start: usize, end: usize, style: Style) -> usize {
    let before = bytes.skip_back(start, 2, is_space);
    if style != Style::Data || bytes.before(before) != b';' || bytes.at(end) != b' ' {
        return end;
    }
    let semicolon = bytes.skip_most(end, 64, |byte| !matches!(byte, b';' | b'=' | b':' | b'\n' | b'"'));
    if bytes.at(semicolon) == b';' { semicolon } else { end }
}

/// In `passphrase: correct horse battery staple` all words are the secret; behind a password those up to the end of the
/// line, if the name began it and none of them is one of a sentence.
fn phrase_end(bytes: Bytes<'_>, start: usize, name: &str, end: usize) -> usize {
    let is_phrase = names::is_phrase(name);
    let line = bytes.skip_back(start, 16, is_space);
    let begins_line = matches!(bytes.before(line), 0 | b'\n');
    let takes_words = is_phrase || (begins_line && names::is_password(name));
    if !takes_words {
        return end;
    }
    let mut last = end;
    for words in 0..MAX_PHRASE {
        let word = bytes.skip_most(last, 2, is_space);
        let word_end = bytes.skip_most(word, 64, |byte| is_alnum(byte) || byte >= 0x80);
        if matches!(bytes.at(word), 0 | b'\r' | b'\n') {
            return last;
        }
        // Phrases may have any word, but do not end their sentence at once.
        let is_said = !(is_phrase && words > 3) && names::is_speech(bytes.str(word, word_end));
        if word == last || word_end == word || is_said || !is_blank(bytes.at(word_end)) {
            break;
        }
        last = word_end;
    }
    if is_phrase { last } else { end }
}
