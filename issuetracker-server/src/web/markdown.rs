//! Markdown of strangers to HTML that is safe to show: rendered first, then sanitised.

use std::{collections::HashSet, sync::LazyLock};

use ammonia::Builder;
use pulldown_cmark::{CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

use super::pages::layout::filter_url;

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
    // In links and blocks of code nobody is mentioned.
    let (mut depth, mut is_quoted) = (0_usize, false);
    let mut events = Vec::new();
    for event in Parser::new_ext(text, options) {
        match event {
            Event::Start(ref tag) => {
                depth += 1;
                is_quoted |= matches!(tag, Tag::Link { .. } | Tag::CodeBlock(_));
            }
            Event::End(ref tag) => {
                depth = depth.saturating_sub(1);
                is_quoted &= !matches!(tag, TagEnd::Link | TagEnd::CodeBlock);
            }
            Event::Text(text) if !is_quoted && text.contains('@') => {
                events.extend(mentions(&text));
                continue;
            }
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

/// A text in which people who are mentioned, `@ada`, lead to what is assigned to them.
fn mentions(text: &str) -> Vec<Event<'static>> {
    let plain = |text: &str| Event::Text(CowStr::from(text.to_owned()));
    let is_of_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
    let (mut events, mut told, mut from) = (Vec::new(), 0, 0);
    while let Some(at) = text[from..].find('@').map(|at| from + at) {
        let rest = &text[at + 1..];
        let name = rest.split(|c| !is_of_name(c)).next().unwrap_or_default().trim_end_matches(['.', '-', '@']);
        from = at + 1 + name.len();
        // The middle of an address of mail is nobody's name.
        let is_start = !text[..at].ends_with(is_of_name);
        if !is_start || !name.starts_with(char::is_alphanumeric) {
            continue;
        }
        let link = Tag::Link {
            link_type: LinkType::Inline,
            dest_url: filter_url("assigned", name).into(),
            title: CowStr::Borrowed(""),
            id: CowStr::Borrowed(""),
        };
        events.extend([plain(&text[told..at]), Event::Start(link), plain(&text[at..from]), Event::End(TagEnd::Link)]);
        told = from;
    }
    events.push(plain(&text[told..]));
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_rendered() {
        assert_eq!(to_html("a **b** `c`").trim(), "<p>a <strong>b</strong> <code>c</code></p>");
    }

    #[track_caller]
    fn check_mentions(text: &str, expected: &[&str]) {
        let html = to_html(text);
        let links = html.split("<a href=\"/issues?q=is:open+assigned:").skip(1);
        let found: Vec<&str> = links.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(found, expected, "{html}");
        let shown: String = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
        assert_eq!(shown.trim(), text.replace('`', ""), "nothing is lost");
    }

    #[test]
    fn people_who_are_mentioned_are_links() {
        check_mentions("@ada and @bob.b, please", &["ada", "bob.b"]);
        check_mentions("(@ada@example.com).", &["ada%40example.com"]);
        check_mentions("mail ada@example.com, `@code`, @ alone, a@, @@x é@y", &[]);
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
