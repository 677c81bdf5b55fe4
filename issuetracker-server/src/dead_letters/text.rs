//! Foreign bytes as text that can be read: secrets are gone, and everything that would be invisible, or would steer a
//! terminal, can be seen. Not the escaping of HTML, which is the templates' business.

use std::fmt::Write as _;

use tracing_issues::Redactor;

/// How much more is read than is shown: a secret that begins where the shown part ends must be recognised.
const MARGIN_BYTES: usize = 16 * 1024;

/// The first `max_chars` characters of `bytes`, and whether that is less than all.
pub(super) fn shown(bytes: &[u8], max_chars: usize) -> (String, bool) {
    let head = |length: usize| &bytes[..bytes.len().min(length)];
    let text = readable(head(max_chars.saturating_add(MARGIN_BYTES)));
    let is_head = bytes.len() > max_chars.saturating_add(MARGIN_BYTES);
    // What reads the same without the margin does not depend on where the text was cut.
    let sure = if is_head { common_prefix(&text, &readable(head(max_chars))) } else { text.len() };
    let end = text.char_indices().nth(max_chars).map_or(sure, |(end, _)| end.min(sure));
    (text[..end].to_owned(), is_head || end < text.len())
}

fn readable(bytes: &[u8]) -> String {
    visible(&Redactor::default().text(&legible(bytes)))
}

/// How many bytes both begin with.
fn common_prefix(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum()
}

/// The bytes as text; those that are not UTF-8 as `\xe9`.
fn legible(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            // Writing to a string does not fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Control characters, invisible ones and those that change the writing direction as `\u{1b}`; line ends and tabs stay.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) {
            let _ = write!(visible, "\\u{{{:x}}}", u32::from(c));
        } else {
            visible.push(c);
        }
    }
    visible
}

fn is_hidden(c: char) -> bool {
    (c.is_control() && !matches!(c, '\n' | '\t'))
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        assert_eq!(shown(bytes, 1_000), (expected.to_owned(), false));
    }

    #[test]
    fn what_steers_terminals_and_readers_is_seen() {
        check(b"\x1b[31mred\x1b[0m\x07", "\\u{1b}[31mred\\u{1b}[0m\\u{7}");
        check(
            "a\u{202e}txt.exe\u{2066}\u{200b}\u{feff}\u{2028}".as_bytes(),
            "a\\u{202e}txt.exe\\u{2066}\\u{200b}\\u{feff}\\u{2028}",
        );
        check("\u{9b}2J".as_bytes(), "\\u{9b}2J");
        check(b"one\n\ttwo\r\n", "one\n\ttwo\\u{d}\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_seen() {
        check(b"{\"title\": \"caf\xe9\"}", "{\"title\": \"caf\\xe9\"}");
        check(&[0, 0xff, 0xc3], "\\u{0}\\xff\\xc3");
    }

    #[test]
    fn secrets_are_gone_also_where_the_text_is_cut() {
        check(br#"{"password": "hunter2", "title": 1"#, r#"{"password": "[redacted]", "title": 1"#);
        let secret = format!("Authorization: Bearer {}", "abcdef0123456789".repeat(2_000));
        let behind = format!("{} {secret}", "\u{e9}".repeat(9_000));
        for at in [30, 60, 200] {
            let (text, is_cut) = shown(secret.as_bytes(), at);
            assert!(!text.contains("0123456789"), "{at}: {text}");
            assert!(is_cut && text.starts_with("Authorization: Bearer "), "{at}: {text}");
        }
        // Its characters are longer than a byte, so the text ends where not all of the secret was looked at.
        let (text, is_cut) = shown(behind.as_bytes(), 2_500);
        assert!(is_cut && text.starts_with('\u{e9}') && !text.contains("abc"), "{text}");
    }

    #[test]
    fn much_is_cut() {
        let (text, is_cut) = shown(&vec![b'x'; 900 * 1024], 1_000);
        assert_eq!((text.len(), is_cut), (1_000, true));
        let (text, is_cut) = shown(&vec![0xff; 900 * 1024], 1_000);
        assert_eq!((text.len(), is_cut), (1_000, true));
    }
}
