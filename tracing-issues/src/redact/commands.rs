//! Secrets in flags whose meaning only the command in front of them tells: `curl -u user:password`, `mysql -ppassword`.
//! Also as a list of arguments, and as Rust's `Debug` has a `Command`. Flags with a name, as `--password`, are pairs.

use std::ops::Range;

use super::{
    bytes::{Bytes, is_alnum, is_space},
    names, values,
};

/// What the flags of a command hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    /// `user:password`
    User,
    /// A password, attached or as the next argument.
    Password,
    /// A password only if it is attached: alone, the flag asks for it.
    Attached,
    /// `user/password@service`
    Oracle,
}

/// Longer arguments are read in part, so that no byte is searched for each flag in front of it.
const MAX_ARGUMENT: usize = 256;

/// Commands, their flags, and what these hold. `docker -p` publishes a port, unless it logs in.
#[rustfmt::skip]
const COMMANDS: &[(&str, &[&str], Holds)] = &[
    ("curl", &["-u", "--user", "-U", "--proxy-user"], Holds::User),
    ("mysql", &["-p"], Holds::Attached), ("mysqldump", &["-p"], Holds::Attached), ("mysqladmin", &["-p"], Holds::Attached),
    ("mariadb", &["-p"], Holds::Attached),
    ("7z", &["-p"], Holds::Attached), ("etcdctl", &["--user"], Holds::User),
    ("sshpass", &["-p"], Holds::Password), ("login", &["-p"], Holds::Password), ("redis-cli", &["-a", "--pass"], Holds::Password),
    ("mongo", &["-p"], Holds::Password), ("mongosh", &["-p"], Holds::Password), ("mongodump", &["-p"], Holds::Password),
    ("ldapsearch", &["-w"], Holds::Password), ("ldapmodify", &["-w"], Holds::Password), ("sqlcmd", &["-P"], Holds::Password),
    ("sqlplus", &[], Holds::Oracle), ("expdp", &[], Holds::Oracle), ("impdp", &[], Holds::Oracle),
];

/// The command that was named last.
#[derive(Default)]
pub(super) struct Commands {
    command: Option<usize>,
}

impl Commands {
    /// Takes note of a word that is a command, and finds the secret that stands right behind one.
    pub(super) fn word(&mut self, bytes: Bytes<'_>, start: usize, end: usize) -> Option<Range<usize>> {
        let word = bytes.slice(start, end);
        let command = COMMANDS.iter().position(|(name, ..)| name.as_bytes() == word)?;
        self.command = Some(command);
        if COMMANDS.get(command)?.2 != Holds::Oracle {
            return None;
        }
        let (start, end) = argument(bytes, gap(bytes, end)?);
        let slash = bytes.skip_most(start, end - start, |byte| byte != b'/');
        let at_sign = bytes.skip_most(slash, end.saturating_sub(slash), |byte| byte != b'@');
        (slash > start && slash < end).then(|| masked(bytes, behind_user(bytes, start, slash), at_sign))
    }

    /// The secret of the flag whose first `-` is here.
    pub(super) fn flag(&self, bytes: Bytes<'_>, at: usize) -> Option<Range<usize>> {
        let (_, flags, holds) = COMMANDS.get(self.command?)?;
        if is_alnum(bytes.before(at)) || bytes.before(at) == b'-' {
            return None;
        }
        let flag = flags
            .iter()
            .filter(|flag| bytes.slice(at, at + flag.len()) == flag.as_bytes())
            .max_by_key(|flag| flag.len())?;
        let end = at + flag.len();
        let start = match bytes.at(end) {
            b'=' => end + 1,
            byte if is_space(byte) || matches!(byte, b'"' | b'\'' | b'\\') && *holds != Holds::Attached => {
                gap(bytes, end)?
            }
            _ if flag.starts_with("--") => return None,
            _ => end,
        };
        if *holds == Holds::Attached && start > end {
            return None;
        }
        let (start, end) = argument(bytes, start);
        let from = match holds {
            Holds::User => match bytes.skip_most(start, end - start, |byte| byte != b':') {
                colon if colon < end => behind_user(bytes, start, colon),
                _ => end,
            },
            _ => start,
        };
        let is_value = from < end && bytes.at(start) != b'-' && !names::is_speech(bytes.str(from, end));
        is_value.then(|| masked(bytes, from, end))
    }
}

/// Where the next argument starts: behind space, and behind the quotes and commas of a list.
fn gap(bytes: Bytes<'_>, at: usize) -> Option<usize> {
    let end = bytes.skip_most(at, 8, |byte| is_space(byte) || matches!(byte, b'"' | b'\'' | b',' | b'\\'));
    let quoted = bytes.skip_back(end, 2, |byte| matches!(byte, b'"' | b'\'' | b'\\'));
    (end > at).then_some(if quoted > at { quoted } else { end })
}

/// An argument, without its quotes.
fn argument(bytes: Bytes<'_>, at: usize) -> (usize, usize) {
    let bytes = bytes.until(at + MAX_ARGUMENT);
    match bytes.quote(at) {
        Some(quote) => (at + quote.len, bytes.closing(at + quote.len, quote)),
        None => (at, values::bare_end(bytes, at)),
    }
}

/// Where the secret starts if its user seems to end at `end`. What is no name, such as text behind a quote that was never
/// closed, may hide another secret: then all of the argument is one.
fn behind_user(bytes: Bytes<'_>, start: usize, end: usize) -> usize {
    let is_name = |byte| !is_space(byte) && !matches!(byte, b'=' | b'"' | b'\'' | b'`');
    if bytes.skip_most(start, end - start, is_name) == end { end + 1 } else { start }
}

/// What is redacted already is passed over.
fn masked(bytes: Bytes<'_>, start: usize, end: usize) -> Range<usize> {
    if names::is_mask(bytes.str(start, end)) { end..end } else { start..end }
}
