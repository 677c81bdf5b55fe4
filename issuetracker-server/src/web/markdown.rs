//! Markdown of strangers to HTML that is safe to show: rendered first, then sanitised.

use std::{collections::HashSet, sync::LazyLock};

use ammonia::Builder;
use pulldown_cmark::{Options, Parser, html};

/// More is shown as it stands, unrendered.
const MAX_BYTES: usize = 64 * 1024;

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
    if text.len() > MAX_BYTES {
        return format!("<pre>{}</pre>", ammonia::clean_text(text));
    }
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let mut rendered = String::with_capacity(text.len() * 2);
    html::push_html(&mut rendered, Parser::new_ext(text, options));
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
            for bad in ["<script", "onerror", "onload", "<img", "javascript:", "<iframe", "<style", "<form", "evil"] {
                assert!(!html.contains(bad), "{hostile} -> {html}");
            }
        }
    }
}
