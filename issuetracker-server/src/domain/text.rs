//! Text: what of foreign text must not even be stored, and hexadecimal digits. How text is shown safely is the pages'
//! business.

/// Text without what could forge other text: control characters (terminals, logs) and overrides of the writing direction
/// become visible as `\u{fffd}`; line ends and tabs stay.
pub fn clean(text: &str) -> String {
    let is_forging = |c: char| {
        (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let text = text.replace("\r\n", "\n");
    if text.contains(is_forging) { text.replace(is_forging, "\u{fffd}") } else { text }
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
