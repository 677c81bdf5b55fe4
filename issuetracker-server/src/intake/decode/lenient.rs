//! JSON as some languages write it by default and the standard forbids: Python's `NaN` and `Infinity`, and halves of
//! surrogate pairs in strings. And numbers beyond what a double can be, which the standard allows and we cannot read. Used
//! only after the strict reader has failed.

/// The text with `NaN`, `Infinity`, `-Infinity` and numbers that are too large as `null`, and lone surrogates as `\\ufffd`;
/// `None` if it has none.
pub(super) fn repair(text: &str) -> Option<String> {
    let mut repaired = String::with_capacity(text.len());
    let (mut rest, mut is_string, mut is_changed) = (text, false, false);
    while let Some(c) = rest.chars().next() {
        let (taken, replacement) = match (is_string, c) {
            (true, '\\') => escape(rest),
            (false, 'N' | 'I' | '-' | '0'..='9') => {
                let word = ["NaN", "Infinity", "-Infinity"].into_iter().find(|word| rest.starts_with(word));
                match word {
                    Some(word) => (word.len(), Some("null")),
                    None => number(rest),
                }
            }
            _ => (c.len_utf8(), None),
        };
        is_string ^= c == '"';
        is_changed |= replacement.is_some();
        repaired.push_str(replacement.unwrap_or(&rest[..taken]));
        rest = &rest[taken..];
    }
    is_changed.then_some(repaired)
}

/// The length of the number at the start of `rest`, at least 1, and what replaces it if it is too large.
fn number(rest: &str) -> (usize, Option<&'static str>) {
    let is_of_number = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let length = rest.find(|c| !is_of_number(c)).unwrap_or(rest.len()).max(1);
    let is_too_large = rest[..length].parse::<f64>().is_ok_and(f64::is_infinite);
    (length, is_too_large.then_some("null"))
}

/// The length of the escape at the start of `rest`, and what replaces it if it is a lone surrogate.
fn escape(rest: &str) -> (usize, Option<&'static str>) {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    match (unit(0), unit(6)) {
        (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => (12, None),
        (Some(0xd800..=0xdfff), _) => (6, Some("\\ufffd")),
        (Some(_), _) => (6, None),
        // Two characters; the second may be longer than a byte in text that is broken anyway.
        (None, _) => (rest.char_indices().nth(2).map_or(rest.len(), |(end, _)| end), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(repair(text).as_deref(), expected, "{text}");
    }

    #[test]
    fn only_what_the_standard_forbids_is_replaced() {
        check(r#"{"a": NaN, "b": [-Infinity, Infinity], "c": -1}"#, Some(r#"{"a": null, "b": [null, null], "c": -1}"#));
        check("[1e999, -2.5E+400, 1e9, -]", Some("[null, null, 1e9, -]"));
        check(r#"{"a": "NaN \" Infinity"}"#, None);
        check(r#"["\ud83d", "\ud83d\ude00", "\udcff!"]"#, Some(r#"["\ufffd", "\ud83d\ude00", "\ufffd!"]"#));
        check(r#"["\u00e9\\"]"#, None);
        check("", None);
        check("\"\\", None);
        check("\"\\é\\ud8", None);
    }
}
