//! Runbooks' Markdown as HTML: their own markup only, never HTML that somebody wrote into them.

use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// The text as HTML that is safe to show inside a page, whose own headings stand above those of the text.
pub(in crate::http) fn html(text: &str) -> String {
    written(text, 2)
}

/// The text as HTML, its headings so many levels deeper.
fn written(text: &str, deeper: usize) -> String {
    let level = |level: HeadingLevel| {
        let deep = (level as usize + deeper).min(6);
        HeadingLevel::try_from(deep).unwrap_or(HeadingLevel::H6)
    };
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).map(|event| match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Heading {
            level: of,
            id,
            classes,
            attrs,
        }) => Event::Start(Tag::Heading {
            level: level(of),
            id,
            classes,
            attrs,
        }),
        Event::End(TagEnd::Heading(of)) => Event::End(TagEnd::Heading(level(of))),
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
        Event::End(TagEnd::Image) => Event::End(TagEnd::Emphasis),
        other => other,
    });
    let mut page = String::new();
    html::push_html(&mut page, events);
    page
}

/// A whole page of its own that shows the text, for somebody who saves it.
pub(in crate::http) fn document(text: &str) -> String {
    let title = text.lines().find_map(|line| line.strip_prefix("# "));
    let title = super::svg::escape(title.unwrap_or("Report"));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\nbody {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark; overflow-wrap: anywhere; }}\ntable {{ border-collapse: collapse; }}\nth, td {{ border: 1px solid #8888; padding: .3rem .6rem; text-align: left; vertical-align: top; }}\n</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        written(text, 0)
    )
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
        assert!(page.contains("<h3>One</h3>"));
        assert!(page.contains("&lt;script&gt;"), "{page}");
        assert!(
            !page.contains("<script") && !page.contains("javascript:") && !page.contains("<img"),
            "{page}"
        );
        assert!(page.contains("https://a.example/"));
    }
}
