//! Numbers: where one ends, whether a unit follows, and whether the words around it make it a code.
//! When in doubt a number varies.

use std::ops::Range;

use super::{
    Kind,
    context::Context,
    names, net,
    text::{Segment, Text, is_alnum, is_alpha, is_digit, is_hex, is_in},
};

/// The longest plain code: SQLSTATEs and Windows' socket errors have five digits.
const CODE_DIGITS: usize = 5;

/// The end of a number in any notation: `17`, `1,250.75`, `1_000`, `1.38.0`, `6.02e23`.
pub(super) fn number(text: Text<'_>, at: usize) -> usize {
    rest(text, text.skip(at, is_digit))
}

/// The end of a number whose first digits end here.
pub(super) fn rest(text: Text<'_>, digits_end: usize) -> usize {
    let mut end = digits_end;
    while matches!(text.at(end), b'.' | b',' | b'_' | b'\'') && is_digit(text.at(end + 1)) {
        end = text.skip(end + 1, is_digit);
    }
    if matches!(text.at(end), b'e' | b'E') {
        let sign = usize::from(matches!(text.at(end + 1), b'+' | b'-'));
        let exponent = text.skip(end + 1 + sign, is_digit);
        if exponent > end + 1 + sign && !is_alnum(text.at(exponent)) {
            end = exponent;
        }
    }
    end
}

/// The end of the unit behind a number, and of further numbers with units: `ms`, ` seconds`, `h3m`, ` KiB`.
pub(super) fn measure(text: Text<'_>, at: usize) -> Option<(usize, Kind)> {
    let (mut end, kind) = unit(text, at)?;
    loop {
        let start = if text.at(end) == b' ' { end + 1 } else { end };
        // `2h3m`, `1m 30s`: the next number has its unit attached, or is another number.
        let next = text.digits(start, 1, 9).filter(|next| is_alpha(text.at(*next)));
        match next.and_then(|next| unit(text, next)) {
            Some((next, Kind::Duration)) if kind == Kind::Duration => end = next,
            _ => return text.bounded(end).map(|end| (end, kind)),
        }
    }
}

fn unit(text: Text<'_>, at: usize) -> Option<(usize, Kind)> {
    let spaced = text.at(at) == b' ';
    let start = at + usize::from(spaced);
    // Both spellings of the micro sign are two bytes above ASCII.
    let end = text.skip_most(start, 14, |byte| is_alpha(byte) || byte >= 0x80);
    let word = text.slice(start, end);
    // Behind a space a single letter is a variable as well as a unit.
    let can_be_unit = !spaced || word.len() > 1 || matches!(word, b"s" | b"B");
    if !can_be_unit || text.at(end) == b'_' {
        return None;
    }
    let kind = if names::UNITS.find(word)? < names::DATA_UNITS { Kind::Duration } else { Kind::Size };
    Some((end, kind))
}

/// The end of a number that tells errors apart. `at` is its sign or first digit, `digits` its first digits, `whole` the
/// end of all of it.
pub(super) fn code(
    text: Text<'_>,
    context: &Context<'_>,
    at: usize,
    digits: Range<usize>,
    whole: usize,
) -> Option<usize> {
    let Range { start: digits, end } = digits;
    if let Some(end) = part_of_name(text, context, at, end) {
        return Some(end);
    }
    let word = context.naming(at);
    if whole != end {
        // `TLS 1.3`, `HTTP 1.1`: a version, not an amount.
        let is_version = whole - digits == 3 && is_in(word, &["tls", "ssl", "http", "https"]);
        return (is_version || is_mail_status(text, context, digits, whole)).then_some(whole);
    }
    text.bounded(end)?;
    // `poll returned -1`: no count is negative.
    if digits > at && text.at(at) == b'-' && names::ANSWERS.has(word) {
        return Some(end);
    }
    let is_exit = || context.word(1).eq_ignore_ascii_case(b"exit");
    let is_short = end - digits <= CODE_DIGITS || (end - digits <= 10 && (digits > at || is_exit()));
    if is_short && (is_code_word(word) || is_error_number(text, context, at, end)) {
        return Some(with_sql_state(text, end).unwrap_or(end));
    }
    if context.end() + 1 == at && is_in(word, &["rfc", "iso", "pep", "eip", "erc", "bip"]) {
        return Some(end);
    }
    if word.eq_ignore_ascii_case(b"port") {
        return net::port(text, digits.checked_sub(1)?, net::Host::Sure).and_then(|port| match port {
            net::Port::Service(end) => Some(end),
            net::Port::Ephemeral(_) => None,
        });
    }
    if end - digits == 3 && is_http_status(text, context, word, digits..end) {
        return Some(end);
    }
    // `character varying(64)`: the schema says it, no value does.
    if text.before(at) == b'(' && context.end() + 1 == at && names::SIZED_TYPES.has(word) {
        return Some(end);
    }
    // sqlx: `error occurred while decoding column 3`. The columns of parsers are positions.
    if word == b"column" && context.end() + 1 == at && is_in(context.word(1), &["decoding", "deserializing"]) {
        return Some(end);
    }
    if end - digits == 4 { with_sql_state(text, end) } else { None }
}

/// `550 5.1.1`, `smtp: rejected 5.7.1`: an enhanced status of RFC 3463.
fn is_mail_status(text: Text<'_>, context: &Context<'_>, at: usize, end: usize) -> bool {
    let has_form = matches!(text.slice(at, end), [b'2' | b'4' | b'5', b'.', rest @ ..]
        if (3..=7).contains(&rest.len()) && rest.iter().filter(|byte| **byte == b'.').count() == 1);
    let reply = text.skip_back(at, 4, |byte| matches!(byte, b' ' | b'-' | b':' | b')'));
    let digits = text.skip_back(reply, 4, is_digit);
    let is_behind_reply = reply < at && reply - digits == 3 && text.at(digits) == text.at(at);
    has_form && (is_behind_reply || (0..4).any(|back| context.word(back).eq_ignore_ascii_case(b"smtp")))
}

/// Whether a number behind this word is a code. `StatusCode(404)` counts, `decode 404` does not.
fn is_code_word(word: &[u8]) -> bool {
    names::CODES.has(word)
        || word.starts_with(b"HTTP/")
        || [&b"Code"[..], b"Status", b"Response"].iter().any(|end| word.ends_with(end))
}

/// `UTF-8`, `x86_64`, `ISO-8859-1`: digits behind a name and its dash or underscore.
fn part_of_name(text: Text<'_>, context: &Context<'_>, at: usize, end: usize) -> Option<usize> {
    let name_end = at.checked_sub(1).filter(|name| context.end() == *name)?;
    let name = context.word(0);
    let size = end - at;
    let is_name = match text.at(name_end) {
        b'-' => size <= 6 && names::DASH_NAMES.has(name),
        b'_' => size <= 3 && !names::RECORDS.has(name) && !names::INSTANCES.has(name),
        _ => false,
    };
    if !is_name {
        return None;
    }
    // `ISO-8859-1`, `CVE-2024-3094`
    let further = text.byte(end, b'-').and_then(|start| text.digits(start, 1, 6));
    let further = further.filter(|_| is_in(name, &["iso", "cve", "rustsec"]));
    text.bounded(further.unwrap_or(end))
}

/// `error 1045`, `error #7`, but neither `error: 7` nor `error 3 of 5`.
fn is_error_number(text: Text<'_>, context: &Context<'_>, at: usize, end: usize) -> bool {
    let gap = text.slice(context.end(), at);
    // SQL Server's.
    if context.ends_with(&["error", "number"]) {
        return true;
    }
    context.word(0).eq_ignore_ascii_case(b"error")
        && matches!(gap, b" " | b" #")
        && !text.starts_with(end, " of ")
        && !text.starts_with(end, " time")
}

/// MySQL writes `1062 (23000)`: the end of the SQLSTATE in parentheses.
fn with_sql_state(text: Text<'_>, at: usize) -> Option<usize> {
    let start = if text.starts_with(at, " (") { at + 2 } else { return None };
    let end = text.exactly(start, 5, |byte| is_digit(byte) || byte.is_ascii_uppercase())?;
    text.byte(end, b')')
}

/// Whether three digits are an HTTP status.
fn is_http_status(text: Text<'_>, context: &Context<'_>, word: &[u8], digits: Range<usize>) -> bool {
    let (start, end) = (digits.start, digits.end);
    if !(100..600).contains(&net::value(text, start, end)) {
        return false;
    }
    let space_follows = text.at(end) == b' ';
    // `503 Service Unavailable`
    if space_follows
        && text.at(end + 1).is_ascii_uppercase()
        && names::REASONS.iter().any(|reason| text.starts_with(end + 1, reason))
    {
        return true;
    }
    let is_failure = matches!(text.at(start), b'4' | b'5');
    let is_error = word.eq_ignore_ascii_case(b"error");
    let is_http = |word: &[u8]| is_in(word, &["status", "http", "http://", "https://"]);
    let is_told = |words: Range<usize>| words.into_iter().any(|back| is_http(context.word(back)));
    if text.before(start) == b'(' {
        // `request failed (503)`, `HTTP status server error (520 <unknown status code>)`
        let failed = is_failure && text.at(end) == b')' && names::FAILURES.has(word);
        return failed || (is_error && is_told(1..4));
    }
    // `got 404 from venue`, but `expected 512, got 500` compares values.
    let is_expected = || (1..8).any(|back| is_in(context.word(back), &["expected", "want", "wanted"]));
    let next = text.slice(end + 1, text.skip_most(end + 1, 12, is_alpha));
    // `404 error`, `a 404 response`: a count would have a plural behind it.
    if is_failure && space_follows && is_in(next, &["error", "response"]) {
        return true;
    }
    // `request failed: 500`, but not `rows failed: 500`
    let is_last = matches!(text.at(end), 0 | b'.' | b',' | b';' | b'"' | b')');
    if is_failure && is_last && names::FAILURES.has(word) && !context.word(1).ends_with(b"s") {
        return true;
    }
    if space_follows && !next.is_empty() && !names::AFTER_STATUS.has(next) {
        return false; // `returned 503 rows`
    }
    // `returned 503`; `HTTP error: 503`; `expected status 200, got 503`; `failed with 410`; `GET /x -> 404`
    names::ANSWERS.has(word)
        || (is_error && is_told(1..2))
        || (is_in(word, &["got", "received"]) && (is_told(1..4) || is_failure && !is_expected()))
        || (is_failure && names::FAILURES.has(word) && (context.word(0) == b"with" || is_told(1..4)))
        || is_behind_path(text, start)
}

/// `GET /orders/17 -> 404`, but not `balance 300 -> 400`.
fn is_behind_path(text: Text<'_>, at: usize) -> bool {
    let Some(arrow) = at.checked_sub(" -> ".len()) else { return false };
    let token = text.slice(text.skip_back(arrow, 256, |byte| byte != b' '), arrow);
    matches!(text.slice(arrow, at), b" -> " | b" => ") && token.contains(&b'/')
}

/// `40P01` behind `SQLSTATE`, `SqlState(E23505)`, and a status in hexadecimal: `exit code: 0xc0000005`.
pub(super) fn letter_code(text: Text<'_>, context: &Context<'_>, segment: &Segment<'_>) -> Option<usize> {
    let (at, state) = (segment.start, segment.bytes);
    let is_state = match state {
        [b'0', b'x', digits @ ..] if digits.len() <= 8 => false,
        [_, _, _, _, _] | [b'E', _, _, _, _, _] => true,
        _ => return None,
    };
    let word = context.naming(at);
    let is_upper = || state.iter().all(|byte| is_digit(*byte) || byte.is_ascii_uppercase());
    // `(0x80070005)` is a status of Windows wherever it stands: HRESULTs and NTSTATUSes of failures start so.
    let is_windows =
        state.len() == 10 && [&b"0x800"[..], b"0xC00", b"0xc00"].iter().any(|start| state.starts_with(start));
    let is_code = if is_state {
        names::SQL_STATES.has(word) && is_upper()
    } else {
        let is_told = is_code_word(word) || is_error_number(text, context, at, segment.end) || is_windows;
        is_told && text.skip_most(at + 2, 8, is_hex) == segment.end
    };
    is_code.then_some(segment.end)
}
