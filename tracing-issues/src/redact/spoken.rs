//! Secrets with only a space or a word between the name and them: `Bearer x`, `--password x`, `the password is hunter2`.
//! Most words are followed by a space and another word, so what is no name of a secret is told quickly, and what stands
//! behind one must not look like the next word of a sentence.

use std::ops::Range;

use super::{
    bytes::{Bytes, changes, is_alnum, is_blank, is_space},
    names,
    pairs::{is_parsed, name_start, previous_word},
    scan::IsSecret,
    values::{self, Style, is_random},
};

/// Longer quoted texts are not searched for their end: no byte is read for each word in front of it.
const MAX_QUOTED: usize = 256;

/// The secret behind the word from `start` to `end`, which a space follows.
pub(super) fn secret(bytes: Bytes<'_>, start: usize, end: usize, is_secret: &IsSecret<'_>) -> Option<Range<usize>> {
    let at = bytes.skip_most(end, 8, is_space);
    let name = bytes.str(start, end);
    if name.eq_ignore_ascii_case("bearer") {
        let word = bytes.skip_most(at, 24, |byte| byte.is_ascii_alphabetic());
        let is_said = names::is_speech(bytes.str(at, word)) && bytes.at(word) == b'=';
        return if is_said { None } else { values::secret(bytes, at, Style::Colon) };
    }
    if name.eq_ignore_ascii_case("basic") {
        let token = bytes.slice(at, values::bare_end(bytes, at));
        let is_base64 = token.iter().all(|byte| is_alnum(*byte) || b"+/=_-".contains(byte));
        let is_random = changes(token.get(1..).unwrap_or_default()) >= 2 || token.ends_with(b"=");
        return (token.len() >= 8 && is_base64 && is_random).then_some(at..at + token.len());
    }
    let is_flag = bytes.slice(start.saturating_sub(2), start) == b"--";
    if is_flag && !matches!(bytes.at(at), b'-' | b'<' | b'[' | b'=' | b':') && is_secret(name) {
        return values::secret(bytes, at, Style::Colon);
    }
    if name == "value" {
        return option(bytes, at, is_secret);
    }
    // SQL: `IDENTIFIED BY 'x'`
    if name.eq_ignore_ascii_case("by") && previous_word(bytes, start).eq_ignore_ascii_case("identified") {
        return bytes.quote(at).and_then(|_| values::secret(bytes, at, Style::Data));
    }
    told(bytes, start, end, at, is_secret)
}

/// clap: `invalid value 'x' for '--password <PASSWORD>'`
fn option(bytes: Bytes<'_>, at: usize, is_secret: &IsSecret<'_>) -> Option<Range<usize>> {
    let quote = bytes.quote(at)?;
    let start = at + quote.len;
    let close = bytes.until(at + MAX_QUOTED).closing(start, quote);
    let name = close + "' for '".len();
    let name_end = bytes.skip_most(name, 48, |byte| is_alnum(byte) || matches!(byte, b'-' | b'_'));
    let is_told = bytes.slice(close + 1, name - 1) == b" for " && is_secret(bytes.str(name, name_end));
    (is_told && !names::is_mask(bytes.str(start, close))).then_some(start..close)
}

/// `password hunter2`, `the password is 'x y'`, `token 9944b0..`: what can be told from the words of a sentence.
fn told(bytes: Bytes<'_>, start: usize, end: usize, at: usize, is_secret: &IsSecret<'_>) -> Option<Range<usize>> {
    let copula = ["is ", "was "].iter().find(|copula| bytes.has(at, copula));
    let at = at + copula.map_or(0, |copula| copula.len());
    let is_open = matches!(bytes.at(at), b'(' | b'[' | b'<');
    // Only a name that is followed by what can be a value is looked up.
    let quoted = bytes.quote(at);
    if quoted.is_none() && !is_open && !is_alnum(bytes.at(at)) {
        return None;
    }
    let run = bytes.skip_most(at, 24, |byte| !is_space(byte));
    if quoted.is_none() && !bytes.slice(at, run).iter().any(u8::is_ascii_digit) {
        return None;
    }
    let start = name_start(bytes, start, end);
    let name = bytes.str(start, end);
    let value = |at, least, turns| {
        let range = values::secret(bytes, at, Style::Colon)?;
        is_random(bytes.slice(range.start, range.end), least, turns).then_some(range)
    };
    if names::is_password(name) {
        // `bad password (hunter2)`
        return if quoted.is_some() {
            values::secret(bytes, at, Style::Colon)
        } else {
            value(at + usize::from(is_open), 6, 1)
        };
    }
    if names::is_of_digits(name) {
        let end = bytes.skip_most(at, 12, |byte| byte.is_ascii_digit() || byte == b'-');
        return (end >= at + 3 && is_blank(bytes.at(end))).then_some(at..end);
    }
    if is_open || !is_secret(name) || is_parsed(bytes, start, end) {
        return None;
    }
    // `secret "db-credentials-2024" not found` names the secret.
    if copula.is_none() && names::ends_with(name, "secret") {
        return value(at, 12, 4)
            .filter(|range| bytes.slice(range.start, range.end).iter().all(u8::is_ascii_alphanumeric));
    }
    if quoted.is_some() { value(at, 8, 2) } else { value(at, 10, 3) }
}
