//! The one pass over a text: asks each rule where it may start, and goes on behind what a rule has found.
//! Holds no rule of its own.

use std::ops::Range;

use super::{
    bytes::{Bytes, is_alnum, is_name},
    cards,
    commands::Commands,
    dsn,
    keys::Keys,
    pairs, urls,
};

/// Longer words are read in parts, so that a word with many secrets is not read to its end for each.
const MAX_WORD: usize = 256;

/// Says whether a name is that of a secret.
pub(super) type IsSecret<'a> = dyn Fn(&str) -> bool + 'a;

/// Where the secrets of a text are: ascending, without overlap, on boundaries of characters.
pub(super) fn secrets(text: &str, is_secret: &IsSecret<'_>) -> Vec<Range<usize>> {
    let bytes = Bytes::new(text);
    let (mut keys, mut commands) = (Keys::default(), Commands::default());
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let secret = match bytes.at(at) {
            byte if is_alnum(byte) || byte == b'_' => {
                let end = word_end(bytes, at);
                let secret = in_word(bytes, at, end, &mut keys)
                    .or_else(|| commands.word(bytes, at, end))
                    .or_else(|| pairs::secret(bytes, at, end, is_secret));
                at = end;
                secret
            }
            b':' => {
                let secret =
                    urls::password(bytes, at).or_else(|| keys.telegram(bytes, at)).or_else(|| dsn::password(bytes, at));
                at += 1;
                secret
            }
            b'/' => {
                let secret = dsn::password(bytes, at);
                at += 1;
                secret
            }
            b'-' => {
                let secret = keys.private_key(bytes, at).or_else(|| commands.flag(bytes, at));
                at += 1;
                secret
            }
            b'%' if bytes.at(at + 1).is_ascii_hexdigit() && bytes.at(at + 2).is_ascii_hexdigit() => {
                let secret = urls::encoded_password(bytes, at);
                at += 3;
                secret
            }
            b'\\' => {
                at += escape_length(bytes, at);
                None
            }
            _ => {
                at += 1;
                None
            }
        };
        if let Some(secret) = secret {
            // Within a word, what follows the secret is a word of its own.
            at = secret.end;
            if !secret.is_empty() {
                found.push(secret);
            }
        }
    }
    found
}

/// The end of a name: what ends a sentence is no part of it, nor is a line of dashes.
fn word_end(bytes: Bytes<'_>, at: usize) -> usize {
    let mut before = 0;
    let end = bytes.skip_most(at, MAX_WORD, |byte| {
        let is_line = byte == b'-' && before == b'-';
        before = byte;
        is_name(byte) && !is_line
    });
    let trimmed = bytes.skip_back(end, end - at, |byte| matches!(byte, b'.' | b'-'));
    trimmed.max(at + 1)
}

/// Secrets that are known by their looks. They may be a part of a word: `key-ghp_..`.
fn in_word(bytes: Bytes<'_>, start: usize, end: usize, keys: &mut Keys) -> Option<Range<usize>> {
    (start..end)
        .filter(|at| is_alnum(bytes.at(*at)) && !is_alnum(bytes.before(*at)))
        .find_map(|at| keys.known(bytes, at, end).or_else(|| cards::number(bytes, at)))
}

/// `\n` is no `n`, and `\u0022` is no name.
fn escape_length(bytes: Bytes<'_>, at: usize) -> usize {
    match bytes.at(at + 1) {
        b'u' if bytes.slice(at + 2, at + 6).iter().filter(|byte| byte.is_ascii_hexdigit()).count() == 4 => 6,
        b'n' | b'r' | b't' => 2,
        _ => 1,
    }
}
