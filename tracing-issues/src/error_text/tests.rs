//! Printed errors and their parts, letter by letter. What the crates really print today is in `tests/error_text.rs`.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{ErrorText, bare, item};

/// Checks the message and the causes, with the causes' lines joined.
#[track_caller]
fn check(text: &str, message: &str, causes: &[&str]) {
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let parsed = ErrorText::parse(&text);
        let join = |text: &str| text.lines().map(str::trim).collect::<Vec<_>>().join("|");
        assert_eq!(join(parsed.message), message, "{text:?}");
        assert_eq!(parsed.causes().map(join).collect::<Vec<_>>(), causes, "{text:?}");
        assert_eq!(join(parsed.root()), causes.last().copied().unwrap_or_default(), "{text:?}");
    }
}

#[test]
fn a_text_without_parts_is_its_message() {
    check("", "", &[]);
    check("  \n ", "", &[]);
    check("order refused\n", "order refused", &[]);
    check("outer: inner: root", "outer: inner: root", &[]);
    check("two\nlines", "two|lines", &[]);
    check("\u{1b}[31mred\u{1b}[0m", "red", &[]);
    check("Error: as main prints", "Error: as main prints", &[]);
}

#[test]
fn one_cause_has_no_number() {
    check("outer\n\nCaused by:\n    root", "outer", &["root"]);
    check("outer\n\nCaused by:\n    root\n    more\n    \n    last", "outer", &["root|more||last"]);
    check("outer\n\nCaused by:\n    steps:\n    1: no item", "outer", &["steps:|1: no item"]);
}

#[test]
fn several_causes_have_numbers() {
    check("outer\n\nCaused by:\n    0: mid\n    1: root", "outer", &["mid", "root"]);
    check("outer\n\nCaused by:\n   0: mid\n   1: root", "outer", &["mid", "root"]);
    check("o\n\nCaused by:\n    0: a\n       1: b\n       \n       c\n    1: root", "o", &["a|1: b||c", "root"]);
    check("o\n\nCaused by:\n    9: a\n   10: b\n   11: c", "o", &["a", "b", "c"]);
    check("o\n\nCaused by:\n    0: \n    1: b", "o", &["b"]);
}

#[test]
fn a_cause_keeps_the_causes_that_it_prints_itself() {
    let text = "outer\n\nCaused by:\n    printed\n    \n    Caused by:\n        inner";
    check(text, "outer", &["printed||Caused by:|inner"]);
}

#[test]
fn main_and_a_log_line_put_words_around() {
    check("Error: outer\n\nCaused by:\n    root", "outer", &["root"]);
    check("Error: \n   0: outer\n   1: root", "outer", &["root"]);
    check("Error:\n   0: outer", "outer", &[]);
    check("saving: outer\n\nCaused by:\n    root\nfor user 5", "saving: outer", &["root"]);
    check("saving: \n   0: outer\n   1: root\n", "saving:", &["outer", "root"]);
}

#[test]
fn words_that_look_like_headings_stay() {
    check("not this\n\nCaused by:\nnobody", "not this||Caused by:|nobody", &[]);
    check("address\nLocation:\nZurich", "address|Location:|Zurich", &[]);
    check("invalid fields:\n   0: name\n   1: mail", "invalid fields:|0: name|1: mail", &[]);
    check("━━━ REPORT ━━━\nall well", "━━━ REPORT ━━━|all well", &[]);
}

#[test]
fn an_error_without_words_leaves_its_place_to_the_next() {
    check("\n\nCaused by:\n    0: mid\n    1: root", "mid", &["root"]);
    check("\n   0: \u{1b}[91m\u{1b}[0m\n   1: \u{1b}[91mroot\u{1b}[0m", "root", &[]);
    check("Stack backtrace:\n   0: main", "Stack backtrace:|0: main", &[]);
}

#[test]
fn what_was_cut_off_leaves_the_rest_whole() {
    check("outer\n\nCaused by:", "outer", &[]);
    check("outer\n\nCaused by:\n    0: mid\n    1: ro…", "outer", &["mid", "ro…"]);
    check("outer\n\nCaused by:\n    root\n\nLocation:", "outer", &["root"]);
    check("outer\n\nCaused by:\n    root\n\nLocation:\n    src/m…", "outer", &["root"]);
    check("outer\n\nCaused by:\n    root\n\nStack backtrace:\n   0: std::…", "outer", &["root"]);
    check("outer\n\nCau…", "outer||Cau…", &[]);
}

#[test]
fn a_cut_anywhere_after_the_first_number_leaves_the_message() {
    let anyhow =
        "outer\n\nCaused by:\n    0: mid\n    1: root\n\nLocation:\n    src/x.rs:1:2\n\nStack backtrace:\n   0: main";
    let coloured_from = COLOURED.find("mid").unwrap();
    let anyhow_from = anyhow.find("mid").unwrap();
    for (text, from, message) in [(anyhow, anyhow_from, "outer"), (COLOURED, coloured_from, "outer\n      line2")] {
        for cut in (from..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let parsed = ErrorText::parse(&text[..cut]);
            assert_eq!(parsed.message, message, "{:?}", &text[..cut]);
            assert!(parsed.causes().count() <= 3, "{:?}", &text[..cut]);
        }
    }
}

const COLOURED: &str = "
   0: \u{1b}[91mouter
      line2\u{1b}[0m
   1: \u{1b}[91mmid\u{1b}[0m
   2: \u{1b}[91mrefused (os error 111)\u{1b}[0m

Location:
   \u{1b}[35msrc/main.rs\u{1b}[0m:\u{1b}[35m4\u{1b}[0m

Stderr:
   cat: no file

Error:
   0: \u{1b}[91manother one\u{1b}[0m

  ━━━━━━━━ SPANTRACE ━━━━━━━━━

   0: \u{1b}[91mshop::g\u{1b}[0m with \u{1b}[96ma=3\u{1b}[0m
      at \u{1b}[35msrc/main.rs\u{1b}[0m:\u{1b}[35m4\u{1b}[0m

  ━━━━━━━━ BACKTRACE ━━━━━━━━━
  \u{1b}[96m             ⋮ 1 frame hidden ⋮               \u{1b}[0m
   2: \u{1b}[32mshop::g\u{1b}[0m\u{1b}[90m<unknown>\u{1b}[0m
      at \u{1b}[35m/src/main.rs\u{1b}[0m:\u{1b}[35m4\u{1b}[0m

\u{1b}[96mNote\u{1b}[0m: a note

Run with RUST_BACKTRACE=full to include source snippets.";

#[test]
fn color_eyre_prints_a_list_without_a_heading() {
    check(COLOURED, "outer|line2", &["mid", "refused (os error 111)"]);
    let parsed = ErrorText::parse(COLOURED);
    assert_eq!(parsed.location, Some("src/main.rs\u{1b}[0m:\u{1b}[35m4"));
    let backtrace = parsed.backtrace.unwrap();
    assert!(backtrace.trim_start().starts_with("\u{1b}[96m"), "{backtrace}");
    assert!(backtrace.ends_with("\u{1b}[35m4\u{1b}[0m"), "{backtrace}");
    assert_eq!(backtrace.lines().count(), 3);
}

#[test]
fn spans_are_no_causes() {
    check("\n   0: outer\n   1: root\n\n  ━━ SPANTRACE ━━\n\n   0: shop::g\n      at src/a.rs:1", "outer", &["root"]);
}

#[track_caller]
fn check_location(text: &str, location: Option<&str>) {
    assert_eq!(ErrorText::parse(text).location, location, "{text:?}");
}

#[test]
fn a_location_ends_in_a_number() {
    check_location("a\n\nLocation:\n    src/x.rs:1:2", Some("src/x.rs:1:2"));
    check_location("a\r\n\r\nLocation:\r\n    C:\\x.rs:1:2\r\n", Some("C:\\x.rs:1:2"));
    check_location("a\n\nLocation:\n    src/x.rs:1:2\n\nStack backtrace:\n   0: main", Some("src/x.rs:1:2"));
    check_location("a\n\nLocation:\n    src/x.r…", None);
    check_location("a\n\nLocation:\n    Zurich", None);
    check_location("a at src/x.rs:1:2", None);
}

#[test]
fn a_backtrace_is_kept_whole() {
    for heading in ["Stack backtrace:", "stack backtrace:"] {
        let frames = "   0: anyhow::error\n             at ./src/a.rs:1:2\n   1: main";
        let text = format!("outer\n\nCaused by:\n    root\n\n{heading}\n{frames}\n");
        assert_eq!(ErrorText::parse(&text).backtrace, Some(frames));
        check(&text, "outer", &["root"]);
    }
    assert_eq!(ErrorText::parse("outer\n\nStack backtrace:").backtrace, None);
}

#[track_caller]
fn check_kind(text: &str, kind: &str) {
    assert_eq!(ErrorText::parse(text).kind(), kind, "{text:?}");
}

#[test]
fn only_a_debug_text_has_a_kind() {
    check_kind("ParseIntError { kind: InvalidDigit }", "ParseIntError");
    check_kind("Error: ParseIntError { kind: InvalidDigit }", "ParseIntError");
    check_kind("reqwest::Error {\n    kind: Request,\n}", "reqwest::Error");
    check_kind("Timeout\n\nCaused by:\n    root", "");
    check_kind("order refused", "");
}

#[test]
fn a_number_is_an_item_where_lists_have_it() {
    for (line, text) in [
        ("   0: a", Some(" a")),
        ("    0: a", Some(" a")),
        ("   10: a", Some(" a")),
        ("   0:", Some("")),
        ("     0: a", None),
        ("0: a", None),
        ("   0:a", None),
        ("    : a", None),
        ("   ٣: a", None),
    ] {
        assert_eq!(item(line), text, "{line:?}");
    }
}

#[test]
fn colours_inside_stay() {
    assert_eq!(bare(" \u{1b}[1;31m\u{1b}[0m a\u{1b}[0mb \u{1b}[0m \u{1b}[m"), "a\u{1b}[0mb");
    assert_eq!(bare("a 5m"), "a 5m");
    assert_eq!(bare("a\u{1b}[31"), "a\u{1b}[31");
}

#[test]
fn hostile_texts_take_linear_time() {
    for piece in [
        "   0: ",
        "   0: \n",
        "a \n   0: x\n",
        "\u{1b}[0m",
        "\u{1b}[0m\n",
        "0;1;",
        "Caused by:\n",
        "Caused by:\n ",
        "Location:\n  a\n",
        "━",
        "\n",
        " ",
        "Err(",
        "A(\"",
        "A { message: \"x\", b: ",
    ] {
        let text = piece.repeat(200_000 / piece.len());
        for text in [format!("x \n   0: {text}"), format!("\u{1b}[{text}"), format!("{text}m"), text] {
            let begun = Instant::now();
            let parsed = ErrorText::parse(&text);
            let _ = (parsed.causes().count(), parsed.kind());
            // Quadratic would be minutes.
            assert!(begun.elapsed() < Duration::from_secs(10), "{piece:?} took {:?}", begun.elapsed());
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(
        text in "(Caused by:|Location:|Stack backtrace:|Error:|━ BACKTRACE ━|\n|\r\n| {1,6}|[0-9]: |src/a.rs:1:2|\u{1b}\\[[0-9;]{0,3}m|\\PC){0,40}"
    ) {
        let parsed = ErrorText::parse(&text);
        // Every part is a slice of the text, and the parts follow each other.
        let mut end = 0;
        for part in std::iter::once(parsed.message).chain(parsed.causes()) {
            let at = part.as_ptr() as usize - text.as_ptr() as usize;
            prop_assert!(part.is_empty() || at >= end && at + part.len() <= text.len(), "{part:?} of {text:?}");
            end = if part.is_empty() { end } else { at + part.len() };
        }
        prop_assert_eq!(parsed.message.is_empty(), bare(&text).is_empty());
        prop_assert!(parsed.causes().all(|cause| !cause.is_empty() && cause == bare(cause)));
        prop_assert_eq!(parsed.root(), parsed.causes().last().unwrap_or(""));
    }
}
