//! Runbooks' Markdown as HTML: their own markup only, never HTML that somebody wrote into them.

use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, html};

/// The text as HTML that is safe to show.
pub(in crate::http) fn html(text: &str) -> String {
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url: if is_web(&dest_url) {
                dest_url
            } else {
                CowStr::from("#")
            },
            title,
            id,
        }),
        // A picture would be fetched from wherever it says; its text is shown instead.
        Event::Start(Tag::Image { .. }) => Event::Start(Tag::Emphasis),
        Event::End(pulldown_cmark::TagEnd::Image) => Event::End(pulldown_cmark::TagEnd::Emphasis),
        other => other,
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

/// The words alone, without any markup.
pub(in crate::http) fn text(line: &str) -> String {
    let words = Parser::new(line).filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) | Event::Html(text) | Event::InlineHtml(text) => {
            Some(text)
        }
        Event::SoftBreak | Event::HardBreak => Some(CowStr::from(" ")),
        _ => None,
    });
    words.fold(String::new(), |text, word| text + &word)
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://") || url.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_told_in_its_words() {
        assert_eq!(
            text("Fail *over* to `signer-b`, <b>now</b>"),
            "Fail over to signer-b, <b>now</b>"
        );
        assert_eq!(text("1. Confirm"), "Confirm");
    }

    #[test]
    fn markup_is_kept_and_html_is_only_shown() {
        let page = html(
            "# One\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) [y](https://a.example/) ![p](https://b.example/p.png)",
        );
        assert!(page.contains("<h1>One</h1>"));
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(
            !page.contains("<script") && !page.contains("javascript:") && !page.contains("<img"),
            "{page}"
        );
        assert!(page.contains("https://a.example/"));
    }
}
