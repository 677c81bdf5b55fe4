//! What a derived `Debug` output tells without its `Display`: the type's name. It does not parse Rust values: it reads the
//! first word.

use std::fmt::{self, Debug, Write};

/// The most bytes kept of a `Debug` output to learn a name from.
const MAX_NAME_BYTES: usize = 128;

/// The name of the type that a derived `Debug` output starts with, with its path; empty if it does not start like one.
///
/// `ParseIntError { kind: InvalidDigit }` gives `ParseIntError`. `Err(..)` and `Some(..)` are looked into, and `Error`
/// alone, without a path, gives nothing: it says no more than that there was one.
pub fn type_name(debug: &str) -> &str {
    let mut debug = debug;
    while let Some(inner) = debug.strip_prefix("Err(").or_else(|| debug.strip_prefix("Some(")) {
        debug = inner.trim_end_matches(')');
    }
    debug_name(debug).filter(|name| *name != "Error").unwrap_or_default()
}

/// Learns the type's name from an error's `Debug` without an allocation; the formatter is stopped as soon as the name is
/// there. Foreign code runs here, and it may panic: the caller catches that, and finds `out` usable.
pub fn type_name_of(error: &dyn Debug, out: &mut TypeName) {
    *out = TypeName::default();
    // It ends in the error that stops the formatter; what matters is in `out`.
    let _ = write!(out, "{error:?}");
}

/// The start of a `Debug` output, on the stack.
pub struct TypeName {
    bytes: [u8; MAX_NAME_BYTES],
    len: usize,
    is_done: bool,
}

impl TypeName {
    /// The name, or nothing: see [`type_name`].
    pub fn as_str(&self) -> &str {
        type_name(self.start())
    }

    fn start(&self) -> &str {
        std::str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

impl Default for TypeName {
    fn default() -> Self {
        Self { bytes: [0; MAX_NAME_BYTES], len: 0, is_done: false }
    }
}

impl Debug for TypeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TypeName").field(&self.as_str()).finish()
    }
}

impl Write for TypeName {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.is_done {
            return Err(fmt::Error);
        }
        let kept = &piece[..piece.floor_char_boundary(MAX_NAME_BYTES - self.len)];
        self.bytes[self.len..self.len + kept.len()].copy_from_slice(kept.as_bytes());
        self.len += kept.len();
        // What follows is the value, and it may be long.
        self.is_done = kept.len() < piece.len() || kept.contains(['(', '{', '"']);
        if self.is_done { Err(fmt::Error) } else { Ok(()) }
    }
}

/// The path that a derived `Debug` output starts with, if the text is one. Read byte by byte: this runs for each error.
fn debug_name(debug: &str) -> Option<&str> {
    let bytes = debug.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let (mut segment, mut at) = (0, 0);
    loop {
        at += bytes[at..].iter().take_while(|byte| is_word(byte)).count();
        if at == segment {
            return None;
        }
        if !bytes[at..].starts_with(b"::") {
            break;
        }
        at += 2;
        segment = at;
    }
    let (path, rest) = debug.split_at(at);
    let is_type = bytes[segment].is_ascii_uppercase();
    let is_debug = rest.is_empty() || rest.starts_with('(') || rest.strip_prefix(" {").is_some_and(starts_with_field);
    (is_type && is_debug).then_some(path)
}

/// Whether text after `{` goes on as `Debug` does; text that was cut off there does.
fn starts_with_field(text: &str) -> bool {
    let text = text.trim_start();
    let after = text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    text.starts_with("..") || matches!(after.chars().next(), None | Some(':' | '…'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_type_of_an_error_is_the_first_word_of_its_debug() {
        for (debug, name) in [
            ("ParseIntError { kind: InvalidDigit }", "ParseIntError"),
            ("ParseIntError {\n    kind: InvalidDigit,\n}", "ParseIntError"),
            ("reqwest::Error { kind: Request }", "reqwest::Error"),
            ("RecvError(())", "RecvError"),
            ("Elapsed(\n    (),\n)", "Elapsed"),
            ("Sealed { .. }", "Sealed"),
            ("NotFound", "NotFound"),
            ("Err(ParseIntError { kind: InvalidDigit })", "ParseIntError"),
            ("Some(Err(sqlx::Closed))", "sqlx::Closed"),
            ("Cut { field", "Cut"),
            ("Cut { fie…", "Cut"),
            ("Error(\"expected value\", line: 1, column: 1)", ""),
            ("Connection refused (os error 111)", ""),
            ("Timeout (after 30 s)", ""),
            ("Unexpected { in line 3", ""),
            ("invalid digit found in string", ""),
            ("Timeout:", ""),
            ("Io:refused", ""),
            ("::Io", ""),
            ("A:::B", ""),
            ("1", ""),
            ("", ""),
        ] {
            assert_eq!(type_name(debug), name, "{debug}");
        }
    }

    /// A `Debug` that tells how often it was asked for more than its name.
    struct Fields<'a>(&'a std::cell::Cell<u32>);
    impl Debug for Fields<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.set(self.0.get() + 1);
            f.write_str("field")
        }
    }

    #[test]
    fn a_name_costs_no_fields() {
        let asked = std::cell::Cell::new(0);
        #[derive(Debug)]
        #[allow(dead_code, reason = "read by Debug")]
        struct Deep<'a>(Fields<'a>, Fields<'a>);
        let mut name = TypeName::default();
        type_name_of(&Deep(Fields(&asked), Fields(&asked)), &mut name);
        assert_eq!((name.as_str(), asked.get()), ("Deep", 0));
    }

    #[test]
    fn a_name_is_learned_anew_and_within_bounds() {
        let mut name = TypeName::default();
        for (debug, expected) in [
            (format_args!("{:?}", "x".parse::<u8>().unwrap_err()), "ParseIntError"),
            (format_args!("{:?}", fmt::Error), ""),
            (format_args!("{}", "€".repeat(100)), ""),
            (format_args!("Broken{}", '\u{301}'), ""),
            (format_args!("NotFound"), "NotFound"),
        ] {
            type_name_of(&debug, &mut name);
            assert_eq!(name.as_str(), expected, "{debug}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in r#"(Err\(|[A-Z][a-z:]{0,4}|[(){} "'\\.:]|message: |€|\PC){0,30}"#) {
            prop_assert!(text.contains(type_name(&text)));
            let mut name = TypeName::default();
            type_name_of(&format_args!("{text}"), &mut name);
            prop_assert!(text.starts_with(name.start()));
        }
    }
}
