//! Markdown of strangers to HTML that is safe to show: rendered first, then sanitised.

use std::{collections::HashSet, sync::LazyLock};

use ammonia::Builder;
use pulldown_cmark::{Event, Options, Parser, html};

/// More is shown as it stands, unrendered.
const MAX_BYTES: usize = 64 * 1024;
/// Deeper nesting is shown unrendered: sanitising takes time by its square.
const MAX_DEPTH: usize = 32;

static SANITIZER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut builder = Builder::new();
    // No images: a remote one would tell its host who reads, and the content policy forbids it anyway.
    builder
        .rm_tags(["img", "map", "area"])
        .url_schemes(HashSet::from(["http", "https", "mailto"]))
        .link_rel(Some("noopener noreferrer nofollow"));
    builder
});

/// HTML for a description or comment.
pub(crate) fn to_html(text: &str) -> String {
    let plain = || format!("<pre>{}</pre>", ammonia::clean_text(text));
    if text.len() > MAX_BYTES {
        return plain();
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut depth = 0_usize;
    let mut events = Vec::new();
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            // Markup of strangers is text here, and unclosed it would nest without bound.
            Event::Html(html) | Event::InlineHtml(html) => {
                events.push(Event::Text(html));
                continue;
            }
            _ => (),
        }
        if depth > MAX_DEPTH {
            return plain();
        }
        events.push(event);
    }
    let mut rendered = String::with_capacity(text.len() * 2);
    html::push_html(&mut rendered, events.into_iter());
    SANITIZER.clean(&rendered).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_rendered() {
        assert_eq!(to_html("a **b** `c`").trim(), "<p>a <strong>b</strong> <code>c</code></p>");
    }

    #[test]
    fn deep_nesting_is_shown_as_it_stands() {
        for deep in [
            ">".repeat(60_000),
            "> ".repeat(30_000),
            "<div>".repeat(12_000),
            "- ".repeat(20_000),
            "[".repeat(60_000),
            "*a ".repeat(20_000),
            format!("{}\n", "> ".repeat(200)).repeat(150),
        ] {
            let html = to_html(&deep);
            assert!(html.matches("<blockquote>").count() <= MAX_DEPTH && !html.contains("<div>"), "{}", &html[..100]);
        }
        assert!(to_html("> > quoted").contains("<blockquote>"));
    }

    #[test]
    fn nothing_that_runs_or_tells_survives() {
        for hostile in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "![x](http://evil/x.png)",
            "[x](javascript:alert(1))",
            "<a href=\"jav&#x09;ascript:alert(1)\">x</a>",
            "<svg onload=alert(1)>",
            "<iframe src=//evil>",
            "<style>*{display:none}</style>",
            "<form action=//evil><input name=x></form>",
        ] {
            let html = to_html(hostile).to_lowercase();
            for bad in ["<script", "<svg", "<img", "href=\"javascript:", "<iframe", "<style", "<form"] {
                assert!(!html.contains(bad), "{hostile} -> {html}");
            }
        }
    }
}
