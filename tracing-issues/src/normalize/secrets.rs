//! Secrets by the names before them, and the mark that redaction leaves. Not redaction: a text may or may not have
//! passed through one before it comes here, and must be the same issue either way.

use super::{
    context::Context,
    names,
    text::{Segment, Text, is_alnum, is_alpha},
};

/// What redaction puts in the place of a secret.
const MARK: &[u8] = b"[redacted]";

/// The end of the mark, if it starts here.
pub(super) fn mark(text: Text<'_>, at: usize) -> Option<usize> {
    let end = at + MARK.len();
    text.slice(at, end).eq_ignore_ascii_case(MARK).then_some(end)
}

/// Whether the last word, alone or with the one that it is joined to, names a secret: `password`, `api_key`, `dbPassword`.
pub(super) fn is_key(text: Text<'_>, context: &Context<'_>) -> bool {
    let word = context.word(0);
    if names::SECRETS.has(word) {
        return true;
    }
    if word.eq_ignore_ascii_case(b"key") {
        let start = context.end() - word.len();
        return matches!(text.before(start), b'_' | b'-') && names::SECRET_KEYS.has(context.word(1));
    }
    // The last part of a name in camel case.
    [&b"Password"[..], b"Secret", b"Token", b"ApiKey", b"apiKey"].iter().any(|end| word.ends_with(end))
}

/// The end of the secret behind `--password ` or `Bearer `, whose word is `segment`.
pub(super) fn behind_space(text: Text<'_>, segment: &Segment<'_>) -> Option<usize> {
    let start = segment.end + 1;
    let is_flag = text.before(segment.start) == b'-' && text.before(segment.start - 1) == b'-';
    if is_flag && names::SECRETS.has(segment.bytes) {
        return if text.at(start) == b'-' { None } else { value(text, start) };
    }
    let is_scheme = matches!(segment.bytes, b"Bearer" | b"bearer" | b"BEARER" | b"Basic" | b"basic");
    let end = if is_scheme { value(text, start)? } else { return None };
    is_random(text.slice(start, end)).then_some(end)
}

/// The range of the secret behind the colon of `password: hunter2`, `api_key:abc`. What follows may be prose about the
/// secret instead, as in `refresh token: connection refused`: then it stays.
pub(super) fn behind_colon(text: Text<'_>, context: &Context<'_>, colon: usize) -> Option<(usize, usize)> {
    if context.end() != colon || !is_key(text, context) {
        return None;
    }
    let start = colon + 1 + usize::from(text.at(colon + 1) == b' ');
    let end = value(text, start)?;
    let secret = text.slice(start, end);
    let is_field = matches!(text.before(colon - context.word(0).len()), b'_' | b'-');
    let is_alone = !(text.at(end) == b' ' && is_alpha(text.at(end + 1)));
    (is_random(secret) || (is_field && is_alone)).then_some((start, end))
}

/// The end of a value without quotes; none for `Some(..)`, or if brackets or quotes start it: they say what they hold.
fn value(text: Text<'_>, start: usize) -> Option<usize> {
    let name = text.skip(start, is_alnum);
    if matches!(text.at(name), b'(' | b'{' | b'[') {
        return None;
    }
    let end = text.skip(name, |byte| !b" ,;)]}&\"'`>|({[".contains(&byte));
    (end > start).then_some(end)
}

/// Whether a value is no word: it has digits or marks. Capitals in its middle are those of an error's name.
fn is_random(value: &[u8]) -> bool {
    let value = value.strip_suffix(b".").or_else(|| value.strip_suffix(b":")).unwrap_or(value);
    let is_of_word = |byte: u8| is_alpha(byte) || matches!(byte, b'-' | b'_' | b'/') || byte >= 0x80;
    !value.iter().all(|byte| is_of_word(*byte))
}
