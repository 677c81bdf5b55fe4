//! Paths: homes, registries, temporary directories, and line and column behind a file.
//! Numbers and ids inside of a path are found like anywhere else.

use super::{
    names,
    text::{Text, is_alnum, is_digit},
};

/// No prefix of interest is longer.
const LONGEST_PREFIX: usize = 256;

fn is_component(byte: u8) -> bool {
    byte > b' ' && !matches!(byte, b'/' | b'\\' | b'"' | b'\'' | b'`' | b':' | b',' | b';' | b'(' | b')' | b'<' | b'>')
}

fn is_path(byte: u8) -> bool {
    is_component(byte) || matches!(byte, b'/' | b'\\')
}

/// The end of the part of a path that names a machine or a person: up to the crate of a registry, else the home.
/// Only called where a path can start: at `/`, `~` or a drive. Up to `searched_to`, no registry was found before.
pub(super) fn prefix(text: Text<'_>, at: usize, searched_to: &mut usize) -> Option<usize> {
    let before = text.before(at);
    // Inside of a path nothing starts; `file:///home` has an empty host.
    if before == b'\\' || (before == b'/' && !text.starts_with(at.saturating_sub(3), "://")) {
        return None;
    }
    if is_component(before) && !matches!(before, b'=' | b'[' | b'{' | b'|') {
        return None;
    }
    let start = if text.at(at + 1) == b':' { at + 2 } else { at };
    registry(text, start, searched_to).or_else(|| home(text, start)).or_else(|| system_temporary(text, start))
}

/// `~/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f`
fn registry(text: Text<'_>, at: usize, searched_to: &mut usize) -> Option<usize> {
    if at < *searched_to {
        return None;
    }
    let end = text.skip_most(at, LONGEST_PREFIX, is_path);
    let markers = ["/registry/src/", "\\registry\\src\\", "\\\\registry\\\\src\\\\"];
    let is_separator = |byte: u8| matches!(byte, b'/' | b'\\');
    let mut separators = (at..end).filter(|at| is_separator(text.at(*at)) && matches!(text.at(at + 1), b'r' | b'\\'));
    let found = separators.find_map(|at| {
        let marker = markers.iter().find(|marker| text.starts_with(at, marker))?;
        Some(at + marker.len())
    });
    let Some(found) = found else {
        *searched_to = end;
        return None;
    };
    Some(text.skip(found, is_component))
}

fn home(text: Text<'_>, at: usize) -> Option<usize> {
    if text.at(at) == b'~' {
        return matches!(text.at(at + 1), b'/' | b'\\').then_some(at + 1);
    }
    if text.starts_with(at, "/root/") {
        return Some(at + "/root".len());
    }
    let parents = ["/home/", "/Users/", "\\Users\\", "\\\\Users\\\\"];
    let parent = parents.iter().find(|parent| text.starts_with(at, parent))?;
    let start = at + parent.len();
    Some(text.skip(start, is_component)).filter(|end| *end > start)
}

/// macOS: `/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T`
fn system_temporary(text: Text<'_>, at: usize) -> Option<usize> {
    let start = ["/var/folders/", "/private/var/folders/"].iter().find(|prefix| text.starts_with(at, prefix))?;
    let first = text.skip_most(at + start.len(), 64, is_component);
    let second = text.skip_most(text.byte(first, b'/')?, 64, is_component);
    text.starts_with(second, "/T/").then_some(second + 2)
}

/// The end of a component that `mktemp` or the `tempfile` crate made up: `.tmpA1b2C3`, `tmp.AbC123xyZ0`, `tmpab12cd_x`,
/// and below a temporary directory any with capitals in its middle (`rustcAbCdEf`).
pub(super) fn temporary(text: Text<'_>, at: usize) -> Option<usize> {
    let end = text.skip_most(at, 64, |byte| is_alnum(byte) || byte == b'_');
    let segment = text.slice(at, end);
    let before = text.before(at);
    let is_suffix =
        before == b'.' && matches!(text.slice(at.saturating_sub(5), at), [b'/' | b'\\', b't', b'm', b'p', b'.']);
    if is_suffix && segment.len() >= 6 {
        return Some(end);
    }
    if !matches!(before, b'/' | b'\\' | b'.') {
        return None;
    }
    if segment.starts_with(b"tmp") && matches!(segment.len(), 9..=16) {
        return Some(end);
    }
    let parent = text.slice(at.saturating_sub(5), at);
    let in_temporary = parent == b"/tmp/" || parent.ends_with(b"/T/") || parent == b"Temp\\";
    let capitals = segment.windows(2).filter(|pair| pair[0].is_ascii_lowercase() && pair[1].is_ascii_uppercase());
    (in_temporary && capitals.count() >= 2).then_some(end)
}

/// The end of `:42:9` behind a source file.
pub(super) fn position(text: Text<'_>, colon: usize) -> Option<usize> {
    let start = text.skip_back(colon, 6, is_alnum);
    if text.before(start) != b'.' || !names::SOURCES.has(text.slice(start, colon)) {
        return None;
    }
    let line = text.digits(colon + 1, 1, 9)?;
    let column = text.byte(line, b':').and_then(|column| text.digits(column, 1, 9));
    column.or(Some(line)).filter(|end| !is_digit(text.at(*end)))
}
