//! Passwords in addresses of any scheme: `postgres://user:password@host`, and without a user, as Redis has it.
//! Not the parameters of a query; they are pairs.

use std::ops::Range;

use super::{
    REDACTED,
    bytes::{Bytes, changes, is_alnum, is_digit},
    names,
};

/// In these an `@` of the path is common and a password rare.
const WEB: &[&str] = &["http", "https", "ws", "wss", "tcp", "udp", "grpc", "docker", "oci"];

/// The password of the address whose `://` is here. Addresses end at the next one, so that no byte is searched twice.
pub(super) fn password(bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
    if bytes.slice(at, at + 3) != b"://" {
        return None;
    }
    let scheme = bytes.skip_back(at, 32, |byte| is_alnum(byte) || matches!(byte, b'+' | b'-' | b'.' | b'_'));
    let is_web = WEB.iter().any(|web| bytes.str(scheme, at).eq_ignore_ascii_case(web));
    let start = at + 3;
    let end = address_end(bytes, start, bytes.before(scheme));
    let address = bytes.str(start, end);
    let authority = address.split(['/', '?', '#', ';']).next().unwrap_or_default();
    if authority.starts_with('[') {
        return None;
    }
    let colon = authority.find(':');
    // Behind the host there is a port; anything else is a password.
    let is_port = |text: &str| text.bytes().all(is_digit) || text == "port" || text.starts_with(['{', '<', '$']);
    let at_sign = match (authority.rfind('@'), colon.and_then(|colon| authority.get(colon + 1..))) {
        (Some(first), _) => Some(whole_password(address, first, authority.len())),
        (None, None) => None,
        // `sqlserver://db:1433;password=..`
        (None, Some(port)) if is_port(port) && (is_web || address.as_bytes().get(authority.len()) == Some(&b';')) => {
            None
        }
        // A password with a slash, or one that was cut.
        (None, Some(port)) => {
            let is_cut = end == bytes.len() && authority.len() == address.len();
            let is_password = !port.is_empty() && !port.contains(REDACTED) && (colon == Some(0) || !is_port(port));
            address.rfind('@').or_else(|| (is_cut && is_password).then_some(end - start))
        }
    }?;
    let secret = match colon.filter(|colon| *colon < at_sign) {
        Some(colon) => colon + 1..at_sign,
        None => user_token(address, at_sign)?,
    };
    let (from, to) = (start + secret.start, start + secret.end);
    // What is redacted already is passed over, so that the second time reads the text as the first time did.
    Some(if names::is_mask(address.get(secret)?) { to..to } else { from..to })
}

/// As above, for an address that is the parameter of another.
pub(super) fn encoded_password(bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
    if !bytes.has(at, "%3A%2F%2F") {
        return None;
    }
    let start = at + 9;
    let end = bytes.skip_most(start, 512, |byte| is_alnum(byte) || b"%-_.~!*".contains(&byte));
    let address = bytes.str(start, end).to_ascii_uppercase();
    let at_sign = address.find("%2F").and_then(|host| address.get(..host)).unwrap_or(&address).rfind("%40")?;
    let colon = address.get(..at_sign)?.find("%3A")? + 3;
    let secret = start + colon..start + at_sign;
    (!names::is_mask(bytes.str(secret.start, secret.end))).then_some(secret)
}

fn address_end(bytes: Bytes<'_>, start: usize, opened_by: u8) -> usize {
    let mut end = start;
    while end < bytes.len() {
        let byte = bytes.at(end);
        let is_end = match byte {
            b'\'' => opened_by == b'\'',
            b'\\' => matches!(bytes.at(end + 1), b'"' | b'\\' | b'n' | b'r' | b't'),
            b':' => bytes.slice(end, end + 3) == b"://",
            _ => byte.is_ascii_whitespace() || matches!(byte, b'"' | b'<' | b'>' | b'`'),
        };
        if is_end {
            break;
        }
        end += 1;
    }
    end
}

/// The `@` that ends the password: a later one, if no host follows the first (`user:p@ss/word@host`).
fn whole_password(address: &str, first: usize, authority_end: usize) -> usize {
    let host = address.get(first + 1..authority_end).unwrap_or_default();
    let is_host = host.contains(['.', ':', ',']) || host.is_empty() || host.eq_ignore_ascii_case("localhost");
    if is_host { first } else { address.rfind('@').unwrap_or(first) }
}

/// A token in place of a user, known by its looks: `https://0123abcd..@host`.
fn user_token(address: &str, at_sign: usize) -> Option<Range<usize>> {
    let user = address.get(..at_sign)?;
    let is_random = user.len() >= 8
        && user.bytes().all(|byte| is_alnum(byte) || b"_-".contains(&byte))
        && changes(user.as_bytes()) >= 2;
    is_random.then_some(0..at_sign)
}
