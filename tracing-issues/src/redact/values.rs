//! Where the value behind a secret name ends: quoted, in brackets as Rust's `Debug` has it, or bare.
//! In doubt a value goes on: a password may contain any character.

use std::ops::Range;

use super::{
    REDACTED,
    bytes::{Bytes, changes, is_alnum, is_blank, is_name, is_space},
    names,
};

/// Marks that are looked at together at the end of a value: `"}],`.
const MAX_MARKS: usize = 8;

/// Schemes of the header `Authorization`: the word before the secret stays.
#[rustfmt::skip]
const SCHEMES: &[&str] = &[
    "bearer", "basic", "token", "apikey", "api-key", "digest", "negotiate", "ntlm", "oauth", "jwt", "bot", "key", "hmac",
    "signature", "hawk", "aws4-hmac-sha256", "sso-key", "ssws", "genie", "genie-key", "sharedkey", "sharedaccesssignature",
];

/// Types around a secret that stay.
const WRAPPERS: &[&str] =
    &["Some", "Ok", "Owned", "Borrowed", "Zeroizing", "HeaderValue", "Bearer", "ApiKey", "Protected"];

/// How the name and the value are connected: what is a value and what is the rest of a sentence depends on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `name=value`, and all that only a machine writes.
    Data,
    /// `name: value`, which a sentence may be, too.
    Colon,
    /// `the name: value`: the name ends a sentence.
    Sentence,
}

/// The secret in the value that starts here. Empty if there is a value that can stay.
pub(super) fn secret(bytes: Bytes<'_>, at: usize, style: Style) -> Option<Range<usize>> {
    let at = literal_prefix(bytes, at);
    let redacted_end = at + REDACTED.len();
    if bytes.has(at, REDACTED) && is_end(bytes, redacted_end) {
        return Some(redacted_end..redacted_end);
    }
    if let Some(quote) = bytes.quote(at) {
        let start = at + quote.len;
        return worth(bytes, without_scheme(bytes, start, bytes.closing(start, quote)));
    }
    if let Some(range) = bracketed(bytes, at) {
        return worth(bytes, range);
    }
    bare(bytes, at, style)
}

/// The value of a `Cookie` or `Set-Cookie` header outside of quotes: pairs with `; ` between them.
pub(super) fn cookie(bytes: Bytes<'_>, at: usize, style: Style) -> Option<Range<usize>> {
    let first = secret(bytes, at, style)?;
    let mut end = first.end;
    while bytes.at(end) == b';' || (bytes.before(end) == b';' && end > first.start) {
        let next = bytes.skip_most(end, 4, |byte| byte == b';' || is_space(byte));
        let next_end = bare_end(bytes, next);
        if next_end == next {
            break;
        }
        end = next_end;
    }
    let start = if first.is_empty() && end > first.end { at } else { first.start };
    Some(start..end)
}

/// Whether a value can be told from words: letters and digits in turns.
pub(super) fn is_random(value: &[u8], least: usize, turns: usize) -> bool {
    let has = |class: fn(&u8) -> bool| value.iter().any(class);
    value.len() >= least && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic) && changes(value) >= turns
}

/// The end of a value without quotes.
pub(super) fn bare_end(bytes: Bytes<'_>, at: usize) -> usize {
    let mut end = at;
    while end < bytes.len() && !is_end(bytes, end) {
        end += 1;
    }
    end
}

/// `b"..."`, `r#"..."#`, `&"..."`.
fn literal_prefix(bytes: Bytes<'_>, at: usize) -> usize {
    let after = bytes.skip_most(at, 4, |byte| matches!(byte, b'b' | b'r' | b'u' | b'f' | b'#' | b'&' | b'@'));
    if after > at && bytes.quote(after).is_some() { after } else { at }
}

fn worth(bytes: Bytes<'_>, range: Range<usize>) -> Option<Range<usize>> {
    let value = bytes.str(range.start, range.end);
    // What is redacted already is passed over, so that the second time reads the text as the first time did.
    if value == REDACTED {
        return Some(range.end..range.end);
    }
    (!names::is_mask(value)).then_some(range)
}

/// `Bearer` stays in `Bearer abc`.
fn without_scheme(bytes: Bytes<'_>, start: usize, end: usize) -> Range<usize> {
    let scheme_end = bytes.skip_most(start, 24, |byte| is_alnum(byte) || byte == b'-');
    let secret = bytes.skip_most(scheme_end, 8, is_space);
    if secret > scheme_end && secret < end && is_scheme(bytes, start, scheme_end) { secret..end } else { start..end }
}

fn is_scheme(bytes: Bytes<'_>, start: usize, end: usize) -> bool {
    SCHEMES.iter().any(|scheme| bytes.str(start, end).eq_ignore_ascii_case(scheme))
}

/// What is inside `Some(..)`, `Password { .. }`, `{..}`; all of `[..]` and of `Unknown(..)`. To the end of the text if
/// that was cut.
fn bracketed(bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
    let name_end = bytes.skip_most(at, 64, |byte| is_alnum(byte) || matches!(byte, b'_' | b':' | b'<' | b'>'));
    let is_named = name_end > at && bytes.at(at).is_ascii_uppercase();
    let has_space = is_named && bytes.at(name_end) == b' ' && bytes.at(name_end + 1) == b'{';
    let open = name_end + usize::from(has_space);
    let is_open = matches!(bytes.at(open), b'(' | b'{' | b'[') && (is_named || name_end == at);
    if !is_open || (bytes.at(open) == b'{' && bytes.at(open + 1) == b'}') {
        return None;
    }
    let close = closing_bracket(bytes, open);
    if close < bytes.len() && !is_end(bytes, close + 1) {
        return Some(at..bare_end(bytes, close + 1));
    }
    let inner = bytes.skip_most(open + 1, 256, |byte| byte.is_ascii_whitespace()).min(close);
    let is_unknown = is_named && !is_wrapper(bytes.str(at, name_end));
    if !is_unknown && (bytes.at(open) != b'[' || names::is_mask(bytes.str(inner, close))) {
        return Some(inner..close);
    }
    // A word with a struct behind it may as well be the secret with a sentence behind it.
    let is_secret_itself = has_space && !bytes.slice(at, name_end).iter().all(u8::is_ascii_alphabetic);
    Some(at..if is_secret_itself { name_end } else { (close + 1).min(bytes.len()) })
}

/// Whether a type is known to hold a secret, and thus is none itself.
fn is_wrapper(name: &str) -> bool {
    let name = name.split('<').next().unwrap_or_default();
    let name = name.rsplit(':').next().unwrap_or_default();
    WRAPPERS.contains(&name) || names::is_secret(name.strip_suffix("Box").unwrap_or(name))
}

/// The bracket that closes the one here. Brackets in texts do not count.
fn closing_bracket(bytes: Bytes<'_>, open: usize) -> usize {
    let (mut depth, mut is_text, mut is_escaped) = (0_usize, false, false);
    for (offset, byte) in bytes.slice(open, bytes.len()).iter().enumerate() {
        match byte {
            b'\\' => {
                is_escaped = !is_escaped;
                continue;
            }
            b'"' if !is_escaped => is_text = !is_text,
            b'(' | b'[' | b'{' if !is_text => depth += 1,
            b')' | b']' | b'}' if !is_text => {
                depth -= 1;
                if depth == 0 {
                    return open + offset;
                }
            }
            _ => (),
        }
        is_escaped = false;
    }
    bytes.len()
}

fn bare(bytes: Bytes<'_>, at: usize, style: Style) -> Option<Range<usize>> {
    let mut start = at;
    let mut end = bare_end(bytes, at);
    let next = bytes.skip_most(end, 8, is_space);
    // `Authorization: Digest username="bob", ..` has pairs up to the end of the line.
    if next > end && is_scheme(bytes, start, end) {
        start = next;
        end = match bytes.at(start + bytes.slice(start, start + 64).iter().take_while(|byte| is_name(**byte)).count()) {
            b'=' if !is_blank(bytes.at(bare_end(bytes, start))) || bytes.before(bare_end(bytes, start)) == b',' => {
                bytes.skip(start, |byte| byte != b'\n' && byte != b'\r')
            }
            _ => bare_end(bytes, start),
        };
    } else if is_scheme(bytes, start, end) && end - start > 4 && bytes.at(at).is_ascii_uppercase() {
        return None;
    }
    let value = bytes.str(start, end);
    if value == REDACTED {
        return Some(end..end);
    }
    let is_said = match style {
        Style::Data => names::is_state(value),
        Style::Colon => names::is_speech(value),
        Style::Sentence => names::is_speech(value) || names::is_error_name(value),
    };
    let is_harmless = is_said || names::is_placeholder(value) || names::is_mask(value);
    if end == start || is_harmless || (style != Style::Data && is_sentence(bytes, start, end, style)) {
        return None;
    }
    Some(start..end)
}

/// Whether the value is the rest of a sentence, as in `cannot read token: premature end`.
fn is_sentence(bytes: Bytes<'_>, start: usize, end: usize, style: Style) -> bool {
    let value = bytes.slice(start, end);
    // `unexpected token: }`, `token: &str`, `secret: Option<String>`.
    let is_mark = value.len() <= 3 && !value.iter().any(|byte| is_alnum(*byte));
    let is_type =
        value.starts_with(b"Option<") || matches!(value, b"String" | b"&str" | b"SecretString" | b"u8" | b"bool");
    let is_word = value.iter().all(|byte| byte.is_ascii_alphabetic() || *byte == b'\'');
    let next = bytes.skip_most(end, 1, is_space);
    let next_end = bytes.skip_most(next, 24, |byte| byte.is_ascii_lowercase());
    let has_next_word = next > end && next_end > next && !matches!(bytes.at(next_end), b'=' | b':' | b'_' | b'-');
    is_mark || is_type || (style == Style::Sentence && is_word && has_next_word)
}

/// Whether a value without quotes ends here: at white space, or at marks behind which something new starts.
fn is_end(bytes: Bytes<'_>, at: usize) -> bool {
    match bytes.at(at) {
        0 => at >= bytes.len(),
        b' ' | b'\t' | b'\r' | b'\n' => true,
        b'<' => bytes.at(at + 1) == b'/',
        b',' | b';' | b'&' | b'|' | b')' | b']' | b'}' | b'>' | b'"' | b'\'' | b'`' | b'\\' | b'%' | 0xe2 => {
            something_new_follows(bytes, at)
        }
        _ => false,
    }
}

fn something_new_follows(bytes: Bytes<'_>, mut at: usize) -> bool {
    let mut separates = false;
    for _ in 0..MAX_MARKS {
        let Some((length, is_separator)) = mark(bytes, at) else {
            return is_blank(bytes.at(at)) || (separates && is_key(bytes, at));
        };
        separates |= is_separator;
        at += length;
        if is_blank(bytes.at(at)) {
            return true;
        }
    }
    // Nobody has so many in a password.
    true
}

/// The length of a mark, and whether it separates pairs.
fn mark(bytes: Bytes<'_>, at: usize) -> Option<(usize, bool)> {
    match bytes.at(at) {
        b',' | b';' | b'&' | b'|' => Some((1, true)),
        b')' | b']' | b'}' | b'>' | b'"' | b'\'' | b'`' | b'{' | b'[' | b'(' | b'.' | b':' => Some((1, false)),
        b'\\' => match bytes.at(at + 1) {
            b'n' | b'r' | b't' => Some((2, true)),
            b'"' | b'\'' | b'\\' => Some((1, false)),
            _ => None,
        },
        b'%' if ["%26", "%3B", "%2C", "%20", "%0A", "%0D"].iter().any(|code| bytes.has(at, code)) => Some((3, true)),
        b'%' if ["%22", "%27", "%7D", "%5D"].iter().any(|code| bytes.has(at, code)) => Some((3, false)),
        0xe2 if ["”", "’", "“", "‘"].iter().any(|quote| bytes.has(at, quote)) => Some((3, false)),
        _ => None,
    }
}

/// Whether a name and what connects it with its value stand here.
pub(super) fn is_key(bytes: Bytes<'_>, at: usize) -> bool {
    let end = bytes.skip_most(at, 64, is_name);
    let after = end + bytes.quote(end).map_or(0, |quote| quote.len);
    end > at && (matches!(bytes.at(after), b'=' | b':') || bytes.has(after, "%3D") || bytes.has(after, "%3A"))
}
