//! Addresses: IPv4, IPv6, hardware, e-mail, ports, and what of a URL varies.
//! Hosts and paths of URLs are read like other words.

use super::{
    names,
    text::{Text, is_alnum, is_alpha, is_digit, is_hex},
};

/// The first port that systems hand out for outgoing connections (Linux: 32768 to 60999).
const FIRST_EPHEMERAL_PORT: u32 = 32768;

/// The end of four numbers up to 255.
pub(super) fn ipv4(text: Text<'_>, at: usize) -> Option<usize> {
    let mut end = at;
    for octet in 0..4 {
        let start = if octet == 0 { end } else { text.byte(end, b'.')? };
        let mut value = 0;
        end = start;
        while is_digit(text.at(end)) && end - start < 3 {
            value = value * 10 + u32::from(text.at(end) - b'0');
            end += 1;
        }
        if end == start || value > 255 {
            return None;
        }
    }
    let longer = text.at(end) == b'.' && is_digit(text.at(end + 1));
    (!longer).then_some(end).and_then(|end| text.bounded(end))
}

/// The value of a few digits.
pub(super) fn value(text: Text<'_>, start: usize, end: usize) -> u32 {
    let digits = text.slice(start, end).iter();
    digits.fold(0, |value: u32, digit| value.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0'))))
}

/// The end of an IPv6 address. Rust paths made of hexadecimal letters (`fee::add`, `f64::abs`) are none.
pub(super) fn ipv6(text: Text<'_>, at: usize) -> Option<usize> {
    if is_alnum(text.before(at)) || matches!(text.before(at), b':' | b'_' | b'>') {
        return None;
    }
    let mut groups = 0;
    let mut compressed = text.starts_with(at, "::");
    let mut end = if compressed { at + 2 } else { at };
    loop {
        if (groups > 0 || compressed)
            && let Some(mapped) = ipv4(text, end)
        {
            groups += 2;
            end = mapped;
            break;
        }
        let stop = text.skip_most(end, 5, is_hex);
        match stop - end {
            0 => break,
            1..=4 => groups += 1,
            _ => return None,
        }
        end = stop;
        if !compressed && text.starts_with(end, "::") {
            compressed = true;
            end += 2;
        } else if text.at(end) == b':' && is_hex(text.at(end + 1)) {
            end += 1;
        } else {
            break;
        }
    }
    let has_digit = text.slice(at, end).iter().any(|byte| is_digit(*byte));
    let shape = if compressed { groups < 8 && looks_global(text, at) } else { groups == 8 };
    if !has_digit || !shape || text.at(end) == b':' && text.at(end + 1) == b':' {
        return None;
    }
    let zone = text.byte(end, b'%').map(|zone| text.skip_most(zone, 16, is_alnum));
    text.bounded(zone.unwrap_or(end))
}

/// How the addresses in use start: a digit, `::1`, `::ffff:`, or `fc00` to `ffff`.
fn looks_global(text: Text<'_>, at: usize) -> bool {
    let first = text.slice(at, text.skip_most(at, 5, is_hex));
    match first {
        [] => is_digit(text.at(at + 2)) || text.starts_with(at, "::ffff:") || text.starts_with(at, "::FFFF:"),
        [b'f' | b'F', second, _, _] => matches!(second, b'c'..=b'f' | b'C'..=b'F'),
        [first, ..] => is_digit(*first),
    }
}

/// `00:1a:2b:3c:4d:5e`, `00-1A-2B-3C-4D-5E`.
pub(super) fn mac(text: Text<'_>, at: usize) -> Option<usize> {
    let mut end = text.exactly(at, 2, is_hex)?;
    let separator = text.at(end);
    if !matches!(separator, b':' | b'-') {
        return None;
    }
    for _ in 0..5 {
        end = text.exactly(text.byte(end, separator)?, 2, is_hex)?;
    }
    let longer = text.at(end) == separator && is_hex(text.at(end + 1));
    (!longer).then_some(end).and_then(|end| text.bounded(end))
}

/// What stands before a colon and digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Host {
    /// An address, or a name in a place for hosts.
    Sure,
    /// A single word: `kafka:29092` is a host, `user:8123` is none.
    Word,
    /// A number: line and column of a text, or a ratio.
    None,
}

/// What the digits behind a colon are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// The end of a port that tells services apart.
    Service(usize),
    /// The end of a port that the system handed out.
    Ephemeral(usize),
}

/// The port whose colon is here.
pub(super) fn port(text: Text<'_>, colon: usize, host: Host) -> Option<Port> {
    let end = text.digits(colon + 1, 1, 5).and_then(|end| text.bounded(end))?;
    let port = value(text, colon + 1, end);
    let is_known = names::SERVICE_PORTS.binary_search(&port).is_ok();
    match host {
        Host::None => None,
        _ if port > 65_535 => None,
        _ if is_known => Some(Port::Service(end)),
        Host::Word => None,
        Host::Sure if port < FIRST_EPHEMERAL_PORT => Some(Port::Service(end)),
        Host::Sure => Some(Port::Ephemeral(end)),
    }
}

/// Judges the name that ends at a colon: a dotted or dashed name, `localhost`, or the host of a URL is one for sure.
pub(super) fn host_before(text: Text<'_>, colon: usize) -> Host {
    let start = text.skip_back(colon, 64, |byte| is_alnum(byte) || matches!(byte, b'.' | b'-'));
    let name = text.slice(start, colon);
    let in_url = text.before(start) == b'@' || (start >= 2 && text.starts_with(start - 2, "//"));
    let dotted = name.iter().any(|byte| matches!(byte, b'.' | b'-')) && name.iter().any(|byte| is_alpha(*byte));
    if in_url || dotted || name == b"localhost" {
        Host::Sure
    } else if name.iter().all(|byte| is_digit(*byte)) {
        Host::None
    } else {
        Host::Word
    }
}

/// The end of an e-mail address.
pub(super) fn email(text: Text<'_>, at: usize) -> Option<usize> {
    let is_local = |byte| is_alnum(byte) || matches!(byte, b'.' | b'_' | b'%' | b'+' | b'-');
    if is_local(text.before(at)) || text.before(at) == b'@' {
        return None;
    }
    let domain = text.byte(text.skip_most(at, 65, is_local), b'@')?;
    let mut end = text.skip_most(domain, 254, |byte| is_alnum(byte) || matches!(byte, b'.' | b'-'));
    while matches!(text.before(end), b'.' | b'-') {
        end -= 1;
    }
    let top = text.skip_back(end, 254, is_alpha);
    (end >= top + 2 && top > domain + 1 && text.before(top) == b'.').then_some(end)
}

/// The end of `user:password@`, which starts behind the `//` of a URL.
pub(super) fn credentials(text: Text<'_>, at: usize) -> Option<usize> {
    let end = text.skip_most(at, 256, |byte| !matches!(byte, b'@' | b'/' | b'?' | b'#' | b' ' | b'"' | b'<' | b')'));
    text.byte(end, b'@')
}

/// The value of a query's parameter that starts at this `?` or `&`: its range, empty if it has none.
pub(super) fn parameter(text: Text<'_>, at: usize) -> Option<(usize, usize)> {
    let is_key = |byte| is_alnum(byte) || matches!(byte, b'_' | b'-' | b'.' | b'[' | b']' | b'%' | b'$');
    let key = text.skip_most(at + 1, 64, is_key);
    let start = text.byte(key, b'=').filter(|_| key > at + 1)?;
    Some((start, text.skip(start, |byte| is_url(byte) && byte != b'&' && byte != b'#')))
}

/// What can be in a URL and does not end it in a sentence.
fn is_url(byte: u8) -> bool {
    byte > b' '
        && !matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'\\' | b',')
}
