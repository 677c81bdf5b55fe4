//! Passwords in data source names without a scheme: `user:password@tcp(host)` as Go's drivers have it,
//! `user:password@host:port`, and Oracle's `user/password@//host:port/service`.
//! Not addresses with a scheme, which are `urls`, and not an e-mail address, an image or a package with its version.

use std::ops::Range;

use super::{
    bytes::{Bytes, is_alnum, is_blank, is_digit},
    names,
};

/// Longer passwords are read as something else.
const MAX_PASSWORD: usize = 128;

/// What stands before the address of a person, and the drivers of JDBC: no users.
#[rustfmt::skip]
const NO_USERS: &[&str] = &[
    "mailto", "sip", "sips", "xmpp", "acct", "from", "to", "cc", "bcc", "email", "mail", "jdbc", "oracle", "thin", "oci",
];

/// The password behind the `:` or `/` that is here.
pub(super) fn password(bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
    let user = bytes.skip_back(at, 64, |byte| is_alnum(byte) || matches!(byte, b'_' | b'-' | b'.' | b'$'));
    let name = bytes.str(user, at);
    // A part of a path, or the rest of a `://`.
    let is_scheme = bytes.slice(at, at + 3) == b"://";
    if user == at
        || is_scheme
        || matches!(bytes.before(user), b'/' | b'@')
        || NO_USERS.iter().any(|word| word.eq_ignore_ascii_case(name))
    {
        return None;
    }
    let start = at + 1;
    let end =
        bytes.skip_most(start, MAX_PASSWORD, |byte| !is_blank(byte) && !matches!(byte, b'"' | b'`' | b'<' | b'>'));
    let is_slash = bytes.at(at) == b'/';
    let at_sign = (start + 1..end).find(|at| {
        bytes.at(*at) == b'@' && (is_place(bytes, at + 1) || (is_slash && bytes.slice(at + 1, at + 3) == b"//"))
    })?;
    let password = bytes.str(start, at_sign);
    // `org/image@host:5000`, and the path of an address.
    if is_slash && password.contains(['/', ':']) {
        return None;
    }
    // What is redacted already is passed over.
    Some(if names::is_mask(password) { at_sign..at_sign } else { start..at_sign })
}

/// `tcp(..)`, `host:5432`, `[::1]:5432`, but not `1.2.3:5`, which is a version.
fn is_place(bytes: Bytes<'_>, at: usize) -> bool {
    let end = match bytes.at(at) {
        b'[' => bytes.skip_most(at + 1, 40, |byte| byte.is_ascii_hexdigit() || byte == b':') + 1,
        _ => bytes.skip_most(at, 128, |byte| is_alnum(byte) || matches!(byte, b'.' | b'-' | b'_')),
    };
    let port = bytes.skip_most(end + 1, 6, is_digit);
    match bytes.at(end) {
        b'(' => end > at && bytes.slice(at, end).iter().all(u8::is_ascii_alphanumeric),
        b':' => {
            end > at
                && !is_version(bytes.slice(at, end))
                && (1..=5).contains(&(port - end - 1))
                && !is_alnum(bytes.at(port))
        }
        _ => false,
    }
}

fn is_version(host: &[u8]) -> bool {
    let dots = host.iter().filter(|byte| **byte == b'.').count();
    dots != 3 && host.iter().all(|byte| is_digit(*byte) || *byte == b'.')
}
