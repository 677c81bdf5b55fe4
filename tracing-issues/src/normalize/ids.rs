//! Ids that no word looks like: UUIDs, digests, ULIDs, tokens, Base64, random letters and digits, pods.
//! Numbers are next door; what a segment of letters and digits means in its sentence is the scanner's business.

use super::{
    Kind, names,
    text::{Segment, Text, is_alnum, is_alpha, is_digit, is_hex, is_in},
};

/// Hexadecimal letters without a digit are an id only from this length on, where no word is left: `deadbeef`.
pub(super) const SHORTEST_ID_OF_LETTERS: usize = 8;

/// Shorter starts of a token are a word.
pub(super) const SHORTEST_TOKEN: usize = 16;

/// The end and kind of an id whose spelling is fixed.
pub(super) fn fixed(text: Text<'_>, segment: &Segment<'_>) -> Option<(usize, Kind)> {
    let at = segment.start;
    match segment.bytes {
        [b'e', b'y', b'J', ..] => token(text, at).map(|end| (end, Kind::Token)),
        [b'0', b'x' | b'X', ..] => {
            let end = text.skip(at + 2, |byte| is_hex(byte) || byte == b'_');
            (end > at + 2).then(|| text.bounded(end)).flatten().map(|end| (end, Kind::Hex))
        }
        _ if text.at(segment.end) != b'-' || !segment.is_hex() => None,
        [_, _] => dashed_hex(text, at, &[2, 32, 16, 2]).map(|end| (end, Kind::Trace)),
        _ => dashed_hex(text, at, &[8, 4, 4, 4, 12]).map(|end| (end, Kind::Uuid)),
    }
}

fn dashed_hex(text: Text<'_>, at: usize, groups: &[usize]) -> Option<usize> {
    let mut end = at;
    for (index, group) in groups.iter().enumerate() {
        let start = if index == 0 { end } else { text.byte(end, b'-')? };
        end = text.exactly(start, *group, is_hex)?;
    }
    text.bounded(end)
}

/// The end of a dump in brackets: `de, ad, be, ef`. Two or more bytes of two digits.
pub(super) fn bytes(text: Text<'_>, at: usize) -> Option<usize> {
    let mut end = text.exactly(at, 2, is_hex)?;
    let first = end;
    while text.at(end) != b']' {
        let start = text.skip_most(end, 2, |byte| matches!(byte, b',' | b' '));
        end = text.exactly(start, 2, is_hex).filter(|_| start > end)?;
    }
    (end > first).then_some(end)
}

/// A JSON web token, also one that was cut.
fn token(text: Text<'_>, at: usize) -> Option<usize> {
    let mut end = text.skip(at, |byte| is_alnum(byte) || matches!(byte, b'.' | b'_' | b'-'));
    while matches!(text.before(end), b'.' | b'-') {
        end -= 1;
    }
    (end - at >= SHORTEST_TOKEN).then_some(end)
}

/// Shorter runs of Base64's characters are words.
pub(super) const SHORTEST_BLOB: usize = 14;

/// Judges a run of the characters of Base64 (both alphabets), which starts and ends where no such character is.
pub(super) fn is_blob(run: &[u8], padded: bool) -> bool {
    if run.len() < SHORTEST_BLOB || !run.iter().any(u8::is_ascii_uppercase) {
        return false;
    }
    let count = |class: fn(u8) -> bool| run.iter().filter(|byte| class(**byte)).count();
    let marks = run.len() - count(is_alnum);
    let mixed = run.iter().any(u8::is_ascii_lowercase);
    let digits = count(is_digit);
    // A path or an identifier has words between its marks; in Base64 one character in 32 is one.
    let dense = breaks(run) * 4 >= run.len() && marks * 8 <= run.len();
    mixed && ((padded && run.len() >= SHORTEST_BLOB && dense) || (run.len() >= 20 && digits > 0 && dense))
}

/// Judges letters and digits without anything between them.
pub(super) fn random(segment: &[u8]) -> Option<Kind> {
    let digits = segment.iter().filter(|byte| is_digit(**byte)).count();
    let letters = segment.len() - digits;
    let is_all_hex = segment.iter().all(|byte| is_hex(*byte));
    if is_all_hex && letters > 0 && (segment.len() >= SHORTEST_ID_OF_LETTERS || (segment.len() >= 6 && digits > 0)) {
        let name_and_number =
            matches!(digits, 1 | 2) && letters >= 4 && segment.iter().rev().take(digits).all(|byte| is_digit(*byte));
        return match segment.len() {
            6..16 if name_and_number => None,
            // The lengths of MD5, SHA-1, SHA-224, SHA-256, SHA-384, SHA-512.
            32 | 40 | 56 | 64 | 96 | 128 => Some(Kind::Hash),
            _ => Some(Kind::Hex),
        };
    }
    if digits == 0 {
        return None;
    }
    if segment.len() == 26
        && matches!(segment.first(), Some(b'0'..=b'7'))
        && segment.iter().all(|byte| is_crockford(*byte))
    {
        return Some(Kind::Ulid);
    }
    // In names, classes change at words (`Http2StreamReset`); in random text, every second or third character.
    let breaks = breaks(segment);
    let is_error = [&b"Error"[..], b"Err", b"Exception"].iter().any(|end| segment.ends_with(end));
    let dense = match segment.len() {
        0..6 => false,
        6..8 => breaks * 2 >= segment.len(),
        length => breaks >= 3 && breaks * 100 >= length * 28,
    };
    (dense && !is_error).then_some(Kind::Id)
}

fn is_crockford(byte: u8) -> bool {
    is_alnum(byte) && !matches!(byte.to_ascii_uppercase(), b'I' | b'L' | b'O' | b'U')
}

/// How often the class of a character changes, not counting the capital that starts a word.
fn breaks(segment: &[u8]) -> usize {
    let class = |byte: u8| match byte {
        b'0'..=b'9' => 1,
        b'a'..=b'z' => 2,
        b'A'..=b'Z' => 3,
        _ => 0,
    };
    let changed = |pair: &&[u8]| match (class(pair[0]), class(pair[1])) {
        (0, _) | (_, 0) | (3, 2) => false,
        (before, after) => before != after,
    };
    segment.windows(2).filter(changed).count()
}

/// The end of the random part of a pod's name: `7d9f8b6c5d-x2x4z` of a deployment, `x2x4z` of a daemon set or a job.
/// The letters are those of `k8s.io/apimachinery/pkg/util/rand`: no vowels, no `0`, `1`, `3`.
pub(super) fn pod(text: Text<'_>, at: usize) -> Option<usize> {
    if text.before(at) != b'-' || !is_alnum(text.before(at - 1)) {
        return None;
    }
    let end = text.skip_most(at, 11, is_alnum);
    let segment = text.slice(at, end);
    let has = |segment: &[u8], class: fn(u8) -> bool| segment.iter().any(|byte| class(*byte));
    let is_safe = |segment: &[u8]| segment.iter().all(|byte| b"bcdfghjklmnpqrstvwxz2456789".contains(byte));
    let is_lower = |segment: &[u8]| segment.iter().all(|byte| is_digit(*byte) || byte.is_ascii_lowercase());
    let is_mixed = |segment: &[u8]| has(segment, is_digit) && has(segment, is_alpha);
    match segment.len() {
        8..=10 if is_safe(segment) || (is_lower(segment) && is_mixed(segment)) => {
            let start = text.byte(end, b'-')?;
            let end = text.exactly(start, 5, is_alnum).and_then(|end| text.bounded(end))?;
            let tail = text.slice(start, end);
            (is_safe(tail) || (is_lower(tail) && has(tail, is_digit))).then_some(end)
        }
        5 if is_safe(segment) && is_mixed(segment) && !is_in(segment, &["http2", "mp4v2"]) => Some(end),
        _ => None,
    }
}

/// An account's number has six digits in a row between its letters, or 13 behind the two of a country.
fn is_long_number(segment: &[u8], name: &[u8], rest: &[u8]) -> bool {
    let is_account = name.len() == 2 && name.iter().all(u8::is_ascii_uppercase) && rest.len() >= 13;
    let only_digits = rest.iter().all(|byte| is_digit(*byte));
    if only_digits { is_account } else { segment.windows(6).any(|run| run.iter().all(|byte| is_digit(*byte))) }
}

/// How a segment of letters and digits that starts with a letter is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// Digits are part of the name.
    Whole,
    /// From this byte of the segment on it is a number.
    Numbered(usize),
    /// Letters and digits of an id.
    Id(Kind),
}

/// Judges a segment such as `sha256`, `worker17`, `order81723`, `a1b2c3d4`.
pub(super) fn named(segment: &Segment<'_>) -> Named {
    let segment = segment.bytes;
    let letters = segment.iter().position(|byte| is_digit(*byte)).unwrap_or(segment.len());
    let (name, rest) = segment.split_at(letters);
    let digits = rest.iter().position(|byte| !is_digit(*byte)).unwrap_or(rest.len());
    let only_digits = digits == rest.len();
    if names::ODD_NAMES.has(segment) || (only_digits && digits <= 5 && names::DIGIT_NAMES.has(name)) {
        return Named::Whole;
    }
    // `error[E0308]`, Prisma's `P2002`, MongoDB's `E11000`.
    let is_code = only_digits && matches!(digits, 4 | 5) && matches!(name, b"E" | b"P" | b"F" | b"W");
    if !is_code && let Some(kind) = random(segment) {
        return Named::Id(kind);
    }
    if is_long_number(segment, name, rest) {
        return Named::Id(Kind::Id);
    }
    let is_index = names::RECORDS.has(name) || names::INSTANCES.has(name);
    match digits {
        _ if is_code => Named::Whole,
        4.. => Named::Numbered(letters),
        1.. if is_index && only_digits => Named::Numbered(letters),
        _ => Named::Whole,
    }
}
